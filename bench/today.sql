-- The usual way today: HS256 with pgcrypto in SQL, and a login() that compares
-- a crypt() hash.  The claims of each call differ, because the planner would
-- otherwise compute the token once.

CREATE EXTENSION pgcrypto;

CREATE FUNCTION today_base64url(data bytea) RETURNS text LANGUAGE sql IMMUTABLE AS $$
	SELECT translate(encode(data, 'base64'), E'+/=\n', '-_')
$$;
CREATE FUNCTION today_sign(claims text, secret text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
	WITH input (text) AS (SELECT today_base64url('{"alg":"HS256","typ":"JWT"}') || '.' || today_base64url(convert_to(claims, 'utf8')))
	SELECT text || '.' || today_base64url(hmac(text, secret, 'sha256')) FROM input
$$;
CREATE FUNCTION today_verify(token text, secret text) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
	WITH part (n) AS (SELECT string_to_array(token, '.'))
	SELECT convert_from(decode(rpad(translate(n[2], '-_', '+/'), (length(n[2]) + 3) / 4 * 4, '='), 'base64'), 'utf8')::jsonb
	FROM part WHERE n[3] = today_base64url(hmac(n[1] || '.' || n[2], secret, 'sha256'))
$$;

CREATE TABLE today_tokens (i integer, claims jsonb, token text, our_token text);
ALTER TABLE today_tokens ALTER token SET STORAGE PLAIN, ALTER our_token SET STORAGE PLAIN;
INSERT INTO today_tokens
SELECT i, claims || jsonb_build_object('n', i) AS claims,
	today_sign((claims || jsonb_build_object('n', i))::text, 'a secret of more than 32 characters') AS token,
	anon_auth.sign_jwt(claims || jsonb_build_object('n', i), kid, 'at+jwt') AS our_token
FROM claims, keys, generate_series(1, 1000) AS i WHERE alg = 'HS256';

CALL compare('sign HS256, against pgcrypto in SQL', NULL, 1000,
	'SELECT count(anon_auth.sign_jwt(claims, ''shared'', ''at+jwt'')) FROM today_tokens WHERE i <= $1',
	'SELECT count(today_sign(claims::text, ''a secret of more than 32 characters'')) FROM today_tokens WHERE i <= $1');
CALL compare('verify HS256, against pgcrypto in SQL', NULL, 1000,
	'SELECT count(anon_auth.verify_jwt(our_token)) FROM today_tokens WHERE i <= $1',
	'SELECT count(today_verify(token, ''a secret of more than 32 characters'')) FROM today_tokens WHERE i <= $1');

-- A login that finds the user by password, and returns one token.
CREATE TABLE today_users (email text PRIMARY KEY, pass text NOT NULL, role name NOT NULL);
INSERT INTO today_users VALUES ('today@example.com', crypt('correct horse', gen_salt('bf')), 'reader');
CREATE FUNCTION today_login(the_email text, the_pass text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	the_role name;
BEGIN
	SELECT role INTO the_role FROM today_users WHERE email = the_email AND pass = crypt(the_pass, pass);
	IF the_role IS NULL THEN RAISE invalid_password; END IF;
	RETURN today_sign(json_build_object('role', the_role, 'email', the_email, 'exp', extract(epoch FROM clock_timestamp())::integer + 3600)::text,
		'a secret of more than 32 characters');
END $$;
SELECT anon_auth.promote_anonymous_user('app', email => 'today@example.com', password => 'correct horse', refresh_token => refresh_token)
FROM anon_auth.authenticate_anonymously('app') \g /dev/null
CALL compare('login by Argon2id, against crypt() and HS256', NULL, 20,
	'SELECT count(access_token) FROM generate_series(1, $1) AS i, LATERAL anon_auth.authenticate(''app'', ''today@example.com'', concat(''correct horse'', left(i::text, 0)))',
	'SELECT count(today_login(''today@example.com'', ''correct horse'')) FROM generate_series(1, $1)',
	'SELECT password_hash_cost(19456, 2) WHERE $1 > 0');
