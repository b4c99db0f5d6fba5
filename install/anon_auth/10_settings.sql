-- ---------------------------------------------------------------------------
-- settings: one row, changed by UPDATE.  The table and its comments are made
-- from src/store/settings.list and stand above.
-- ---------------------------------------------------------------------------

-- CREATE EXTENSION makes the row, and so does the data of a dump: the later
-- one wins, else restoring a dump would stop at a duplicate key.  A dump brings
-- its database_id; a row without one, as DEFAULT VALUES makes it, keeps the
-- id that the database has.
CREATE FUNCTION anon_auth.settings_replace() RETURNS trigger
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
COMMENT ON FUNCTION anon_auth.settings_replace() IS
'Trigger of settings: an inserted row replaces the existing one, and keeps its database_id unless it has its own.';

CREATE TRIGGER settings_replace BEFORE INSERT ON anon_auth.settings
	FOR EACH ROW EXECUTE FUNCTION anon_auth.settings_replace();

CREATE FUNCTION anon_auth.settings_changed() RETURNS trigger
	LANGUAGE c VOLATILE
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_settings_changed';
COMMENT ON FUNCTION anon_auth.settings_changed() IS
'Trigger of settings: a change is seen within the statement that makes it, too, and a hook that does not exist is refused. Errors: 42883 no such function; 42P13 a function of another kind.';

-- Also where a parallel restore has switched ordinary triggers off.
ALTER TABLE anon_auth.settings ENABLE ALWAYS TRIGGER settings_replace;

CREATE TRIGGER settings_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON anon_auth.settings
	FOR EACH STATEMENT EXECUTE FUNCTION anon_auth.settings_changed();

INSERT INTO anon_auth.settings DEFAULT VALUES;
