--
-- distribute() and undistribute() on a server without Citus.
-- (t/071_citus.pl tests them with Citus.)
--
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS anon_auth CASCADE;
CREATE EXTENSION anon_auth;
CREATE EXTENSION anon_auth_citus;
RESET client_min_messages;
SELECT anon_auth.distribute();
\echo :LAST_ERROR_SQLSTATE
SELECT anon_auth.undistribute();
\echo :LAST_ERROR_SQLSTATE
\set VERBOSITY terse
SELECT anon_auth.distribute(0);
SELECT anon_auth.distribute(64001);
SELECT anon_auth.distribute(NULL);
SELECT anon_auth_internal.estimated_rows('pg_catalog.pg_class') IS NULL AS of_others;
ANALYZE anon_auth.settings;
SELECT anon_auth_internal.estimated_rows('anon_auth.settings') AS of_a_table;
ANALYZE anon_auth.users;
SELECT anon_auth_internal.estimated_rows('anon_auth.users_keyed_guests_idx') AS of_an_index;

SET client_min_messages = warning;
DROP EXTENSION anon_auth CASCADE;
