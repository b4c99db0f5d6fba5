\echo Use "CREATE EXTENSION anon_auth" to load this file. \quit

-- anon_auth: guest-to-account authentication inside PostgreSQL.
--
-- This script is joined from install/*.sql.  It creates its own schema, so
-- that a schema prepared by somebody else is an error and not adopted, and it
-- uses neither OR REPLACE nor IF NOT EXISTS, for the same reason.

-- Login IDs are compared after Unicode normalisation, which PostgreSQL and
-- ICU offer for UTF8 only.
DO LANGUAGE plpgsql $$
BEGIN
	IF pg_catalog.getdatabaseencoding() OPERATOR(pg_catalog.<>) 'UTF8' THEN
		RAISE EXCEPTION 'anon_auth needs a database with encoding UTF8'
			USING ERRCODE = 'feature_not_supported',
				  HINT = 'Create the database with ENCODING ''UTF8'' TEMPLATE template0.';
	END IF;
END
$$;

CREATE SCHEMA anon_auth;
COMMENT ON SCHEMA anon_auth IS
'Guest users, device keys, sessions, signed tokens and promotion to regular accounts.';
