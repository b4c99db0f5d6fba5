-- ---------------------------------------------------------------------------
-- settings has one row, which is changed by UPDATE.  script/columns generates the
-- table and its comments from src/store/settings.list; they come before this file
-- in the script.
-- ---------------------------------------------------------------------------

-- Replace the existing row instead of failing with a duplicate key: CREATE
-- EXTENSION inserts a row, and then the data of a dump inserts another one.  The
-- row of a dump has a database_id.  A row without one, such as DEFAULT VALUES,
-- keeps the database_id of the existing row.
CREATE FUNCTION anon_auth_internal.settings_replace() RETURNS trigger
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	former_id uuid;
BEGIN
	DELETE FROM anon_auth.settings RETURNING database_id INTO former_id;
	NEW.database_id := COALESCE(NEW.database_id, former_id, gen_random_uuid());
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION anon_auth_internal.settings_replace() IS
'Trigger of settings. Replaces the existing row by the inserted one, and keeps its database_id unless the inserted row has one.';

CREATE TRIGGER settings_replace BEFORE INSERT ON anon_auth.settings
	FOR EACH ROW EXECUTE FUNCTION anon_auth_internal.settings_replace();

CREATE FUNCTION anon_auth_internal.settings_changed() RETURNS trigger
	LANGUAGE c VOLATILE
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_settings_changed';
COMMENT ON FUNCTION anon_auth_internal.settings_changed() IS
'Trigger of settings. Makes a change visible to function calls in the same statement, and rejects a hook that does not exist. Errors: 42883 no such function; 42P13 a function of another kind.';

-- ALWAYS: a parallel restore may have disabled ordinary triggers.
ALTER TABLE anon_auth.settings ENABLE ALWAYS TRIGGER settings_replace;

CREATE TRIGGER settings_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON anon_auth.settings
	FOR EACH STATEMENT EXECUTE FUNCTION anon_auth_internal.settings_changed();

-- The errors of PostgreSQL would contain the whole row, and no rule.  BEFORE triggers
-- run in the order of their names: this one must see what the others have changed.
CREATE FUNCTION anon_auth_internal.explain_constraints() RETURNS trigger
	LANGUAGE c VOLATILE
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_explain_constraints';
COMMENT ON FUNCTION anon_auth_internal.explain_constraints() IS
'Trigger of settings and clients. Checks the new row before PostgreSQL does, so that the error has the values of the columns that a constraint names, and its rule, instead of the whole row. Errors: 23502 a NULL; 23514 another invalid value.';

CREATE TRIGGER zz_explain_constraints BEFORE INSERT OR UPDATE ON anon_auth.settings
	FOR EACH ROW EXECUTE FUNCTION anon_auth_internal.explain_constraints();
ALTER TABLE anon_auth.settings ENABLE ALWAYS TRIGGER zz_explain_constraints;
CREATE TRIGGER zz_explain_constraints BEFORE INSERT OR UPDATE ON anon_auth.clients
	FOR EACH ROW EXECUTE FUNCTION anon_auth_internal.explain_constraints();
ALTER TABLE anon_auth.clients ENABLE ALWAYS TRIGGER zz_explain_constraints;

INSERT INTO anon_auth.settings DEFAULT VALUES;

-- PostgREST reads its configuration again when the transaction commits.  A site's own
-- db-pre-config can derive parameters from these settings.  A row trigger: apply
-- workers of logical replication fire no statement triggers for rows.
CREATE FUNCTION anon_auth_internal.settings_notify() RETURNS trigger
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF TG_OP = 'INSERT' OR NEW.issuer <> OLD.issuer OR NEW.audience IS DISTINCT FROM OLD.audience THEN
		PERFORM pg_notify('pgrst', 'reload config');
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION anon_auth_internal.settings_notify() IS
'Trigger of settings. Notifies PostgREST to read its configuration again if issuer or audience changes or the row is inserted. PREPARE TRANSACTION fails after that (0A000).';

CREATE TRIGGER settings_notify AFTER INSERT OR UPDATE ON anon_auth.settings
	FOR EACH ROW EXECUTE FUNCTION anon_auth_internal.settings_notify();
ALTER TABLE anon_auth.settings ENABLE ALWAYS TRIGGER settings_notify;
