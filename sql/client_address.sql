--
-- The address of the client that an application server states.
--
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS anon_auth CASCADE;
DROP ROLE IF EXISTS regress_anon_auth_app, regress_anon_auth_server;
CREATE EXTENSION anon_auth;
RESET client_min_messages;

SELECT anon_auth.create_client('app', 'native');
UPDATE anon_auth.settings SET guest_sign_ups_per_minute_per_ip = 1;
SELECT anon_auth.reset_counters();
CREATE ROLE regress_anon_auth_app LOGIN;
CREATE ROLE regress_anon_auth_server LOGIN;
SELECT anon_auth.grant_client_api('regress_anon_auth_app'), anon_auth.grant_client_api('regress_anon_auth_server');
SELECT anon_auth.grant_client_address('regress_anon_auth_server');
-- a sign-up by an application that states the address of its user
CREATE FUNCTION sign_up(address inet) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM anon_auth.use_client_address(address);
	PERFORM anon_auth.authenticate_anonymously('app');
	RETURN 'done';
EXCEPTION WHEN SQLSTATE 'AA018' THEN
	RETURN 'refused';
END $$;

-- the client API does not include it
SET ROLE regress_anon_auth_app;
SELECT anon_auth.use_client_address('192.0.2.1');
RESET ROLE;
SELECT f FROM unnest(anon_auth.client_api()) f WHERE f::text LIKE '%address%';

-- the limits count the addresses that were stated, also without proxies and through a
-- Unix-domain socket
SET ROLE regress_anon_auth_server;
SELECT sign_up('192.0.2.1'), sign_up('192.0.2.1') AS again, sign_up('192.0.2.2') AS other,
	   sign_up('::ffff:192.0.2.1') AS mapped, sign_up('192.0.2.2/32') AS with_length;
SELECT sign_up('2001:db8:1:1::1'), sign_up('2001:db8:1:1:ffff::2') AS same_64, sign_up('2001:db8:1:2::1') AS other;
-- it takes precedence over the proxies' header
RESET ROLE;
UPDATE anon_auth.settings SET trusted_proxy_hops = 1;
SELECT anon_auth.reset_counters();
BEGIN;
SELECT set_config('request.headers', '{"x-forwarded-for": "192.0.2.1"}', true) <> '' AS set;
SELECT sign_up('192.0.2.3'), sign_up('192.0.2.3') AS again, sign_up('192.0.2.4') AS other;
-- also over a header that cannot be read
SELECT set_config('request.headers', '{', true) <> '' AS set;
SELECT sign_up('192.0.2.5');
COMMIT;

-- other headers in the same transaction are another address
BEGIN;
SELECT set_config('request.headers', '{"x-forwarded-for": "192.0.2.6"}', true) <> '' AS set;
SELECT anon_auth.authenticate_anonymously('app') \g /dev/null
SELECT set_config('request.headers', '{"x-forwarded-for": "192.0.2.7"}', true) <> '' AS set;
SELECT anon_auth.authenticate_anonymously('app') \g /dev/null
SELECT client_address FROM anon_auth.sessions WHERE client_address IN ('192.0.2.6', '192.0.2.7') ORDER BY 1;
ROLLBACK;

-- a missing address and networks are refused
SET ROLE regress_anon_auth_server;
SELECT anon_auth.use_client_address(NULL);
SELECT anon_auth.use_client_address(NULL, false);
SELECT anon_auth.use_client_address('192.0.2.0/24');
SELECT anon_auth.use_client_address('2001:db8::/64', false);
SELECT anon_auth.use_client_address('nonsense');

-- it ends with the transaction
BEGIN;
SELECT anon_auth.use_client_address('192.0.2.1');
SHOW anon_auth.client_address;
SELECT anon_auth.use_client_address('2001:DB8::00:1', NULL);
SHOW anon_auth.client_address;
-- a savepoint takes it back
SAVEPOINT s;
SELECT anon_auth.use_client_address('192.0.2.2');
SHOW anon_auth.client_address;
ROLLBACK TO s;
SHOW anon_auth.client_address;
COMMIT;
SHOW anon_auth.client_address;

-- or with the connection
SELECT anon_auth.use_client_address('192.0.2.1', false);
SHOW anon_auth.client_address;
BEGIN;
SELECT anon_auth.use_client_address('192.0.2.2');
SHOW anon_auth.client_address;
COMMIT;
SHOW anon_auth.client_address;
-- an aborted transaction and a failed call change nothing
BEGIN;
SELECT anon_auth.use_client_address('192.0.2.3', false);
ROLLBACK;
SELECT anon_auth.use_client_address('192.0.2.0/24', false);
SHOW anon_auth.client_address;
BEGIN;
SELECT anon_auth.use_client_address('192.0.2.3', false);
SELECT 1/0;
SELECT anon_auth.use_client_address('192.0.2.4', false);
COMMIT;
SHOW anon_auth.client_address;
-- anybody may reset it
RESET ROLE;
SET ROLE regress_anon_auth_app;
RESET anon_auth.client_address;
SHOW anon_auth.client_address;
RESET ROLE;
SELECT anon_auth.use_client_address('192.0.2.1', false);
DISCARD ALL;
SHOW anon_auth.client_address;

-- nobody can set it with SET, or for a role or a function
SET anon_auth.client_address = '192.0.2.9';
SELECT set_config('anon_auth.client_address', '192.0.2.9', true);
ALTER ROLE regress_anon_auth_app SET anon_auth.client_address = '192.0.2.9';
CREATE FUNCTION pg_temp.forge() RETURNS text LANGUAGE sql SET anon_auth.client_address = '192.0.2.9' AS 'SELECT 1';
SELECT anon_auth.use_client_address('192.0.2.1', false);
CREATE FUNCTION pg_temp.keep() RETURNS text LANGUAGE sql
	SET anon_auth.client_address FROM CURRENT AS $$SELECT current_setting('anon_auth.client_address')$$;
RESET anon_auth.client_address;
SELECT count(*) FROM pg_settings WHERE name = 'anon_auth.client_address';

-- grant_client_address()
SELECT anon_auth.grant_client_address(NULL);
SELECT anon_auth.grant_client_address(0);
SELECT anon_auth.grant_client_address(1);
SET ROLE regress_anon_auth_server;
SELECT anon_auth.grant_client_address('regress_anon_auth_app');
RESET ROLE;
-- doctor() accepts the grant, except to PUBLIC and to roles of PostgREST
SELECT severity, finding, what FROM anon_auth.doctor() WHERE finding IN ('client_address_privilege', 'function_privilege');
GRANT EXECUTE ON FUNCTION anon_auth.use_client_address TO PUBLIC;
SELECT severity, finding, what, fix FROM anon_auth.doctor() WHERE finding IN ('client_address_privilege', 'function_privilege');
REVOKE ALL ON FUNCTION anon_auth.use_client_address FROM PUBLIC;
-- PostgREST can switch to roles whose rights its login role does not inherit
ALTER ROLE regress_anon_auth_app NOINHERIT;
GRANT regress_anon_auth_server TO regress_anon_auth_app;
UPDATE anon_auth.settings SET token_role = 'regress_anon_auth_app';
SELECT severity, finding, what, fix FROM anon_auth.doctor() WHERE finding IN ('client_address_privilege', 'function_privilege');
SELECT fix AS statement FROM anon_auth.doctor() WHERE finding = 'client_address_privilege' \gexec
SELECT severity, finding, what, fix FROM anon_auth.doctor() WHERE finding IN ('client_address_privilege', 'function_privilege');

-- clean up
DROP FUNCTION sign_up;
SET client_min_messages = warning;
DROP EXTENSION anon_auth CASCADE;
DROP ROLE regress_anon_auth_app, regress_anon_auth_server;
