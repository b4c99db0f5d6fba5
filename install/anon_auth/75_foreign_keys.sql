-- ---------------------------------------------------------------------------
-- Foreign keys to users: of type uuid alone, and users are deleted by functions
--
-- PostgreSQL checks a foreign key with the rights of the owner of users, and
-- runs a cast that its column needs with these rights.  It runs the AFTER
-- triggers of a referencing table with the rights of whoever deletes a user.
-- The triggers here keep both from happening.
-- ---------------------------------------------------------------------------

-- A trigger of this kind fires exactly when those of foreign keys do: not under
-- session_replication_role = replica, which logical replication applies changes
-- under, and delete_user(), purge() and merges delete users under.
CREATE FUNCTION anon_auth.refuse_user_change() RETURNS trigger
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
			  DETAIL = format('PostgreSQL would run the triggers of referencing tables with the rights of the role that runs %s.', TG_OP),
			  HINT = 'Delete users with anon_auth.delete_user(): SELECT anon_auth.delete_user(id) FROM anon_auth.users WHERE ...;';
END
$$;
COMMENT ON FUNCTION anon_auth.refuse_user_change() IS
'Trigger of users: refuses DELETE, TRUNCATE and a change of id, except under session_replication_role = replica. Errors: 0A000.';

CREATE TRIGGER users_refuse_change BEFORE DELETE OR TRUNCATE OR UPDATE OF id ON anon_auth.users
	FOR EACH STATEMENT EXECUTE FUNCTION anon_auth.refuse_user_change();

-- The library checks each foreign key at the moment that it is created, before
-- PostgreSQL looks at the rows of the table: see 98_guard.sql.
