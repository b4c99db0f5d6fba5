-- The database of the example servers: that of ../clients, and two things that a role
-- behind a driver needs. Run it once, as a superuser, in an empty database.

\ir ../clients/setup.sql

-- The server states the address of each user.
SELECT anon_auth.grant_client_address('app_role') \g /dev/null

-- log settings: a statement or an error message can contain a password or a token.
ALTER ROLE app_role SET log_min_error_statement = 'panic';
ALTER ROLE app_role SET log_min_messages = 'fatal';
-- end

-- timeouts: a statement that hangs, and a transaction that was forgotten, end.
ALTER ROLE app_role SET statement_timeout = '10s';
ALTER ROLE app_role SET idle_in_transaction_session_timeout = '30s';
-- end
