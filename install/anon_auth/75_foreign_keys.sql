-- ---------------------------------------------------------------------------
-- Foreign keys to users must be of type uuid, and only functions delete users
--
-- PostgreSQL checks a foreign key with the privileges of the owner of users, and
-- runs a cast of the referencing column with these privileges.  It runs the AFTER
-- triggers of a referencing table with the privileges of the role that deletes the
-- user.  The guards here and in 98_guard.sql prevent both.
-- ---------------------------------------------------------------------------

-- An ordinary trigger fires in the same cases as the triggers of foreign keys: not
-- under session_replication_role = replica.  Logical replication, delete_user(),
-- purge() and merges delete users under that setting.
CREATE FUNCTION anon_auth_internal.refuse_user_change() RETURNS trigger
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF TG_OP = 'UPDATE' THEN
		RAISE EXCEPTION 'the id of a user cannot be changed'
			USING ERRCODE = 'feature_not_supported';
	END IF;
	RAISE EXCEPTION '% on anon_auth.users is not allowed', TG_OP
		USING ERRCODE = 'feature_not_supported',
			  DETAIL = format('PostgreSQL would run the triggers of referencing tables with the privileges of the role that runs %s.', TG_OP),
			  HINT = 'To delete users, call anon_auth.delete_user(): SELECT anon_auth.delete_user(id) FROM anon_auth.users WHERE ...;';
END
$$;
COMMENT ON FUNCTION anon_auth_internal.refuse_user_change() IS
'Trigger of users. Rejects DELETE, TRUNCATE and a change of id, except under session_replication_role = replica. Errors: 0A000.';

CREATE TRIGGER users_refuse_change BEFORE DELETE OR TRUNCATE OR UPDATE OF id ON anon_auth.users
	FOR EACH STATEMENT EXECUTE FUNCTION anon_auth_internal.refuse_user_change();

-- The library checks each foreign key when it is created, before PostgreSQL checks
-- the rows of the table: see 98_guard.sql.
