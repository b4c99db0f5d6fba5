-- Triggers of the application on users, when the extension deletes a user.  Citus
-- does not support triggers on distributed tables.

SET client_min_messages = warning;
DROP EXTENSION IF EXISTS anon_auth CASCADE;
DROP SCHEMA IF EXISTS app CASCADE;
CREATE EXTENSION anon_auth;
SELECT anon_auth.create_client('app', 'native') \g /dev/null
CREATE SCHEMA app;
CREATE FUNCTION app.new_guest() RETURNS uuid LANGUAGE sql AS $$ SELECT sub FROM anon_auth.authenticate_anonymously('app') $$;
SET client_min_messages = notice;

-- of the triggers on users, those fire that are enabled for replicas
CREATE FUNCTION app.tell() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE '%: %, role %', TG_NAME, TG_OP, current_setting('session_replication_role'); RETURN NULL; END $$;
CREATE TRIGGER of_origin AFTER DELETE ON anon_auth.users FOR EACH ROW EXECUTE FUNCTION app.tell();
CREATE TRIGGER of_all AFTER DELETE ON anon_auth.users FOR EACH ROW EXECUTE FUNCTION app.tell();
SELECT anon_auth.delete_user(app.new_guest());
ALTER TABLE anon_auth.users ENABLE ALWAYS TRIGGER of_all;
SELECT anon_auth.delete_user(app.new_guest());
ALTER TABLE anon_auth.users ENABLE REPLICA TRIGGER of_all;
SELECT anon_auth.delete_user(app.new_guest());
ALTER TABLE anon_auth.users DISABLE TRIGGER of_all;
SELECT anon_auth.delete_user(app.new_guest());
DROP TRIGGER of_origin ON anon_auth.users;
DROP TRIGGER of_all ON anon_auth.users;
SHOW session_replication_role;

SET client_min_messages = warning;
DROP EXTENSION anon_auth CASCADE;
DROP SCHEMA app CASCADE;
