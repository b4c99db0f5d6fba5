-- The database of server.mjs: the extension, a client, the role that PostGraphile
-- connects as, and the schema that it exposes as GraphQL.  Run it once, as a
-- superuser, in an empty database.

CREATE EXTENSION anon_auth;
SELECT anon_auth.create_client('app', 'native') \g /dev/null

-- server.mjs appends the client's address to X-Forwarded-For, as a proxy does.  With
-- nginx in front of it, set this to 2.
UPDATE anon_auth.settings SET trusted_proxy_hops = 1;

CREATE ROLE graphql LOGIN;
SELECT anon_auth.grant_client_api('graphql') \g /dev/null

CREATE SCHEMA api;
GRANT USAGE ON SCHEMA api TO graphql;
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

CREATE TABLE api.notes (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	user_id uuid NOT NULL DEFAULT anon_auth.uid() REFERENCES anon_auth.users (id) ON DELETE CASCADE,
	body text NOT NULL);
CREATE INDEX ON api.notes (user_id);
ALTER TABLE api.notes ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_notes ON api.notes USING (user_id = (SELECT anon_auth.uid()));
GRANT SELECT, INSERT (body), DELETE ON api.notes TO graphql;

-- VOLATILE functions are mutations.
CREATE TYPE api.session AS (sub uuid, access_token text, expires_in integer, refresh_token text);

CREATE FUNCTION api.create_challenge() RETURNS text LANGUAGE sql VOLATILE
	RETURN (SELECT token FROM anon_auth.create_challenge());

CREATE FUNCTION api.authenticate_anonymously(jwt text) RETURNS api.session LANGUAGE sql VOLATILE BEGIN ATOMIC
	SELECT sub, access_token, expires_in, refresh_token FROM anon_auth.authenticate_anonymously('app', jwt);
END;

-- NULL: an older refresh token was used, and the session has ended.
CREATE FUNCTION api.refresh_session(refresh_token text) RETURNS api.session LANGUAGE sql VOLATILE BEGIN ATOMIC
	SELECT t.sub, t.access_token, t.expires_in, t.refresh_token FROM anon_auth.refresh_session('app', refresh_session.refresh_token) t;
END;

CREATE FUNCTION api.promote(jwt text, email text, password text) RETURNS api.session LANGUAGE sql VOLATILE BEGIN ATOMIC
	SELECT sub, access_token, expires_in, refresh_token
	FROM anon_auth.promote_anonymous_user('app', email => promote.email, password => promote.password, jwt => promote.jwt);
END;

-- NULL: the login ID is unknown or the password is wrong.
CREATE FUNCTION api.login(login_id text, password text) RETURNS api.session LANGUAGE sql VOLATILE BEGIN ATOMIC
	SELECT sub, access_token, expires_in, refresh_token FROM anon_auth.authenticate('app', login.login_id, login.password);
END;

CREATE FUNCTION api.revoke(token text) RETURNS void LANGUAGE sql VOLATILE BEGIN ATOMIC
	SELECT anon_auth.revoke(revoke.token);
END;

-- STABLE functions are fields of the query.
CREATE FUNCTION api.is_anonymous() RETURNS boolean LANGUAGE sql STABLE
	RETURN anon_auth.is_anonymous();

GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA api TO graphql;
