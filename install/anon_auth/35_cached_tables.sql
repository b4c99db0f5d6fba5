-- ---------------------------------------------------------------------------
-- Backends keep rows of settings, clients and signing_keys until these triggers
-- tell them of a change.
-- ---------------------------------------------------------------------------

CREATE FUNCTION anon_auth_internal.table_changed() RETURNS trigger
	LANGUAGE c VOLATILE
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_table_changed';
COMMENT ON FUNCTION anon_auth_internal.table_changed() IS
'Trigger of settings, clients and signing_keys. Lets all connections read the table again once the change is committed, and this one at once.';

-- ALWAYS, and a trigger for each row: apply workers of logical replication fire no
-- others.
CREATE TRIGGER table_changed AFTER INSERT OR UPDATE OR DELETE ON anon_auth.settings
	FOR EACH ROW EXECUTE FUNCTION anon_auth_internal.table_changed();
ALTER TABLE anon_auth.settings ENABLE ALWAYS TRIGGER table_changed;
CREATE TRIGGER table_truncated AFTER TRUNCATE ON anon_auth.settings
	FOR EACH STATEMENT EXECUTE FUNCTION anon_auth_internal.table_changed();
ALTER TABLE anon_auth.settings ENABLE ALWAYS TRIGGER table_truncated;

CREATE TRIGGER table_changed AFTER INSERT OR UPDATE OR DELETE ON anon_auth.clients
	FOR EACH ROW EXECUTE FUNCTION anon_auth_internal.table_changed();
ALTER TABLE anon_auth.clients ENABLE ALWAYS TRIGGER table_changed;
CREATE TRIGGER table_truncated AFTER TRUNCATE ON anon_auth.clients
	FOR EACH STATEMENT EXECUTE FUNCTION anon_auth_internal.table_changed();
ALTER TABLE anon_auth.clients ENABLE ALWAYS TRIGGER table_truncated;

CREATE TRIGGER table_changed AFTER INSERT OR UPDATE OR DELETE ON anon_auth.signing_keys
	FOR EACH ROW EXECUTE FUNCTION anon_auth_internal.table_changed();
ALTER TABLE anon_auth.signing_keys ENABLE ALWAYS TRIGGER table_changed;
CREATE TRIGGER table_truncated AFTER TRUNCATE ON anon_auth.signing_keys
	FOR EACH STATEMENT EXECUTE FUNCTION anon_auth_internal.table_changed();
ALTER TABLE anon_auth.signing_keys ENABLE ALWAYS TRIGGER table_truncated;
