--
-- doctor() finds objects that are attached to the extension's objects but do
-- not belong to it. For each kind, a superuser creates one, doctor() reports
-- it, and the reported fix removes it.
--
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS anon_auth CASCADE;
DROP SCHEMA IF EXISTS app CASCADE;
CREATE EXTENSION anon_auth;
CREATE SCHEMA app;
\pset format unaligned
SELECT finding FROM anon_auth.doctor() WHERE finding = 'attached_object';
CREATE TABLE app.names (client_id text PRIMARY KEY REFERENCES anon_auth.clients);
CREATE FUNCTION app.touch() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS 'BEGIN RETURN NULL; END';
CREATE FUNCTION app.as_text(anon_auth.finding) RETURNS text LANGUAGE sql SET search_path = pg_catalog, pg_temp AS 'SELECT $1.what';
CREATE FUNCTION app.as_client(text) RETURNS anon_auth.clients LANGUAGE sql SET search_path = pg_catalog, pg_temp AS 'SELECT NULL::anon_auth.clients';
CREATE INDEX more ON anon_auth.clients (lower(name));
CREATE STATISTICS app."more Things" ON (lower(name)), client_id FROM anon_auth.clients;
ALTER TABLE anon_auth.clients ADD CONSTRAINT more CHECK (name <> 'x'), ADD UNIQUE (name), ADD COLUMN more text DEFAULT 'y';
ALTER TABLE anon_auth.clients ALTER COLUMN client_id SET DEFAULT 'z';
CREATE TRIGGER "more Things" AFTER UPDATE ON anon_auth.clients FOR EACH STATEMENT EXECUTE FUNCTION app.touch();
CREATE RULE more AS ON UPDATE TO anon_auth.clients DO ALSO SELECT 1;
CREATE POLICY more ON anon_auth.clients;
CREATE TABLE app.child () INHERITS (anon_auth.outbox);
CREATE CAST (anon_auth.finding AS text) WITH FUNCTION app.as_text(anon_auth.finding);
CREATE CAST (text AS anon_auth.clients) WITH FUNCTION app.as_client(text);
CREATE FUNCTION anon_auth.uid(text) RETURNS uuid LANGUAGE sql AS 'SELECT NULL::uuid';
SELECT severity, finding, what, fix FROM anon_auth.doctor() WHERE finding = 'attached_object';
SELECT fix FROM anon_auth.doctor() WHERE finding = 'attached_object' \gexec
SELECT finding FROM anon_auth.doctor() WHERE finding = 'attached_object';

DROP SCHEMA app CASCADE;
DROP EXTENSION anon_auth CASCADE;
