--
-- ID tokens of other providers: which are accepted, that each works once, and the
-- identities of accounts. In place of the providers, keys of this database sign.
-- t/096_id_tokens.pl has the tokens that need other headers and signatures.
--
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS anon_auth CASCADE;
CREATE EXTENSION anon_auth;
SELECT anon_auth.create_client('app', 'native'), anon_auth.create_client('third', 'third_party_app') \g /dev/null
UPDATE anon_auth.settings SET password_hash_memory_kib = 8192, password_hash_passes = 1, signing_key_lead_time = '0';
RESET client_min_messages;
-- the totals of this server so far
SELECT (logins_total -> 'id_token')::int AS logins, (refusals_total -> 'id_token_reused')::int AS reused FROM anon_auth.stats \gset before_

CREATE FUNCTION own_jwks(VARIADIC kids text[]) RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_build_object('keys', jsonb_agg(k)) FROM jsonb_array_elements(anon_auth.jwks() -> 'keys') k WHERE k ->> 'kid' = ANY (kids)
$$;
CREATE FUNCTION nonce() RETURNS text LANGUAGE sql AS $$ SELECT token FROM anon_auth.create_challenge('id_token') $$;
CREATE FUNCTION hex(nonce text) RETURNS text IMMUTABLE LANGUAGE sql AS $$ SELECT encode(sha256(nonce::bytea), 'hex') $$;
CREATE FUNCTION base64url(nonce text) RETURNS text IMMUTABLE LANGUAGE sql AS $$ SELECT rtrim(translate(encode(sha256(nonce::bytea), 'base64'), '+/', '-_'), '=') $$;
CREATE FUNCTION seconds(later integer DEFAULT 0) RETURNS bigint LANGUAGE sql AS $$ SELECT floor(extract(epoch FROM clock_timestamp()))::bigint + later $$;
-- a token of the provider, with these changes; null removes a claim
CREATE FUNCTION id_token(changes jsonb, kid text, typ text DEFAULT 'JWT') RETURNS text LANGUAGE sql AS $$
	SELECT anon_auth.sign_jwt(jsonb_strip_nulls(jsonb_build_object('iss', 'https://accounts.example', 'aud', 'app.example', 'sub', 'ada',
		'iat', seconds(), 'exp', seconds(3600)) || changes), kid, typ)
$$;
-- the result of a login: the name of the user, no row, or the error
CREATE TABLE account (sub uuid PRIMARY KEY REFERENCES anon_auth.users ON DELETE CASCADE, name text, access_token text);
CREATE FUNCTION log_in(token text, nonce text DEFAULT NULL, client text DEFAULT 'app') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	who uuid;
	detail text;
BEGIN
	SELECT r.sub INTO who FROM anon_auth.authenticate_with_id_token(client, token, nonce) r;
	RETURN CASE WHEN who IS NULL THEN 'no row' ELSE coalesce((SELECT name FROM account WHERE sub = who), 'somebody else') END;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN concat_ws(' ', sqlstate, coalesce(nullif(detail, ''), sqlerrm));
END $$;
CREATE FUNCTION try(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
	detail text;
BEGIN
	EXECUTE statement INTO result;
	RETURN coalesce(result, 'no row');
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN concat_ws(' ', sqlstate, coalesce(nullif(detail, ''), sqlerrm));
END $$;
CREATE PROCEDURE sign_up(username text, password text DEFAULT 'correct horse') LANGUAGE sql AS $$
	INSERT INTO account SELECT p.sub, username, p.access_token FROM anon_auth.promote_anonymous_user('app', username => username, password => password,
		refresh_token => (SELECT refresh_token FROM anon_auth.authenticate_anonymously('app'))) p
$$;

SELECT anon_auth.create_signing_key('ES256') AS key \gset
SELECT anon_auth.create_signing_key('EdDSA') AS other_key \gset
SELECT anon_auth.create_signing_key('RS256') AS third_key \gset
SELECT anon_auth.create_signing_key('ES256') AS unpublished \gset
CALL sign_up('ada');
CALL sign_up('bob');
SELECT access_token AS ada FROM account WHERE name = 'ada' \gset
SELECT access_token AS bob FROM account WHERE name = 'bob' \gset

-- ---- providers ----

SELECT anon_auth.create_identity_provider('https://accounts.example', '{app.example,web.example}', own_jwks(:'key', :'third_key'));
SELECT anon_auth.create_identity_provider('https://login.example/tenant/', '{app.example}', own_jwks(:'other_key'), '{EdDSA}', trust_email => true);
SELECT try(format('SELECT anon_auth.create_identity_provider(%s)', arguments)) AS refused FROM unnest(ARRAY[
	$$'https://accounts.example', '{app}'$$, $$'http://accounts.example', '{app}'$$, $$'accounts.example', '{app}'$$,
	$$'https://accounts.example?tenant=1', '{app}'$$, $$'https://accounts.example#x', '{app}'$$, $$'https://', '{app}'$$,
	$$NULL, '{app}'$$, $$'https://new.example', NULL$$, $$'https://new.example', '{}'$$, $$'https://new.example', '{app,NULL}'$$, $$'https://new.example', '{app,""}'$$,
	$$'https://new.example', '{app}', algorithms => '{}'$$, $$'https://new.example', '{app}', algorithms => '{RS256,HS256}'$$, $$'https://new.example', '{app}', algorithms => '{none}'$$,
	$$'https://new.example', '{app}', algorithms => '{ES256,NULL}'$$, $$'https://new.example', '{app}', jwks => '{"keys": []}'$$]) arguments;
SELECT try($$SELECT anon_auth.create_identity_provider('http://localhost:8080/realm', '{app}')$$) AS local;
DELETE FROM anon_auth.identity_providers WHERE issuer = 'http://localhost:8080/realm';
SELECT count(*) AS providers FROM anon_auth.identity_providers;

-- ---- which tokens are accepted ----

-- nobody has the identity: the token is not used up
SELECT nonce() AS n \gset
SELECT id_token(jsonb_build_object('nonce', hex(:'n')), :'key') AS t \gset
SELECT log_in(:'t', :'n'), log_in(:'t', :'n') AS again;
SELECT anon_auth.add_identity(:'t', :'n', :'ada') AS added;
-- adding has used it up; a client that lost the answer can repeat the call
SELECT log_in(:'t', :'n');
SELECT anon_auth.add_identity(:'t', :'n', :'ada') AS added_again;
-- the three forms of the nonce; without the argument only the challenge itself
SELECT form, log_in(id_token(jsonb_build_object('nonce', CASE form WHEN 'itself' THEN n WHEN 'hex' THEN hex(n) ELSE base64url(n) END), :'key'), CASE WHEN passed THEN n END)
FROM (SELECT form, passed, nonce() AS n FROM unnest('{itself,hex,base64url}'::text[]) form, unnest('{t,f}'::boolean[]) passed OFFSET 0) f;
-- audiences, keys and times that are accepted
SELECT changes, log_in(id_token(changes || jsonb_build_object('nonce', nonce()), :'key')) FROM unnest(ARRAY[
	'{"aud": "web.example"}', '{"aud": ["app.example"]}', '{"aud": ["app.example", "web.example"], "azp": "web.example"}', '{"azp": "web.example"}',
	'{"auth_time": 1, "at_hash": "x", "acr": "0"}']::jsonb[]) changes;
SELECT log_in(id_token(jsonb_build_object('nonce', nonce()), :'third_key')) AS other_algorithm,
	log_in(id_token(jsonb_build_object('nonce', nonce()), :'key', 'jwt')) AS lower_case_typ,
	log_in(id_token(jsonb_build_object('nonce', nonce(), 'exp', seconds(2), 'iat', seconds(290), 'nbf', seconds(290)), :'key')) AS other_clock;

-- hostile claims
SELECT changes, log_in(id_token(jsonb_build_object('nonce', nonce()) || changes, :'key')) AS refused FROM unnest(ARRAY[
	'{"iss": null}', '{"iss": 1}', '{"iss": "https://accounts.example/"}', '{"iss": "https://accounts.example.evil.example"}', '{"iss": "https://evil.example/https://accounts.example"}', '{"iss": "accounts.example"}', '{"iss": "HTTPS://accounts.example"}', '{"iss": ["https://accounts.example"]}',
	'{"aud": null}', '{"aud": "other.example"}', '{"aud": "APP.example"}', '{"aud": []}', '{"aud": {}}', '{"aud": 1}', '{"aud": ["app.example", 1]}', '{"aud": ["app.example", "other.example"], "azp": "app.example"}', '{"aud": ["app.example", "web.example"]}', '{"aud": ["app.example", "app.example"]}',
	'{"azp": "other.example"}', '{"azp": ["app.example"]}', '{"azp": ""}',
	'{"exp": null}', '{"iat": null}', '{"iat": 0}',
	'{"sub": null}', '{"sub": ""}', '{"sub": 1}', '{"nonce": null}', '{"nonce": 1}', '{"nonce": ""}', '{"nonce": "x"}']::jsonb[]) changes;
SELECT log_in(id_token(jsonb_build_object('nonce', nonce(), 'exp', seconds(-1)), :'key')) AS expired,
	log_in(id_token(jsonb_build_object('nonce', nonce(), 'exp', seconds()), :'key')) AS expires_now;
SELECT log_in(id_token(jsonb_build_object('nonce', nonce(), 'iat', seconds(310)), :'key')) AS from_the_future,
	log_in(id_token(jsonb_build_object('nonce', nonce(), 'iat', seconds(-310)), :'key')) AS older_than_the_challenge,
	log_in(id_token(jsonb_build_object('nonce', nonce(), 'nbf', seconds(310)), :'key')) AS not_valid_yet,
	log_in(id_token(jsonb_build_object('nonce', nonce(), 'sub', repeat('x', 256)), :'key')) AS long_subject;
-- nonces: of another token, a hash that was passed, a hash without the challenge, another encoding, another purpose, another database
SELECT log_in(id_token(jsonb_build_object('nonce', hex(nonce())), :'key'), nonce()) AS another_nonce,
	log_in(id_token(jsonb_build_object('nonce', hex(n)), :'key'), hex(n)) AS hash_passed,
	log_in(id_token(jsonb_build_object('nonce', hex(n)), :'key')) AS hash_alone,
	log_in(id_token(jsonb_build_object('nonce', upper(hex(n))), :'key'), n) AS upper_case,
	log_in(id_token(jsonb_build_object('nonce', base64url(n) || '='), :'key'), n) AS padded,
	log_in(id_token(jsonb_build_object('nonce', n), :'key'), '') AS empty,
	log_in(id_token(jsonb_build_object('nonce', (anon_auth.create_challenge()).token), :'key')) AS other_purpose,
	log_in(id_token(jsonb_build_object('nonce', substr(n, 2)), :'key')) AS changed
FROM (SELECT nonce() AS n OFFSET 0) s \gx
-- a challenge for an ID token is good for nothing else
SELECT try(format($$SELECT sub FROM anon_auth.authenticate_anonymously('app', jwt => %L)$$,
	anon_auth.sign_jwt(jsonb_build_object('action', 'auth', 'challenge', nonce()), :'key', 'vnd.authgear.anonymous-request'))) AS device_request;
-- other kinds of tokens, and no tokens
SELECT typ, log_in(id_token(jsonb_build_object('nonce', nonce()), :'key', typ)) FROM unnest('{at+jwt,logout+jwt,JWTX,dpop+jwt}'::text[]) typ;
SELECT log_in(t) FROM unnest('{x,a.b,a.b.c,..,e30.e30.e30,a.b.c.d.e}'::text[]) t;
SELECT log_in(NULL), log_in(''), log_in('x', client => 'nobody'), log_in('x', client => NULL), log_in('x', client => 'third');
-- an algorithm that the provider may not use, although the key is known and the signature is right
UPDATE anon_auth.identity_providers SET algorithms = '{RS256}' WHERE issuer = 'https://accounts.example';
SELECT log_in(id_token(jsonb_build_object('nonce', nonce()), :'key')), log_in(id_token(jsonb_build_object('nonce', nonce()), :'third_key')) AS allowed;
UPDATE anon_auth.identity_providers SET algorithms = '{RS256,ES256}' WHERE issuer = 'https://accounts.example';
-- each provider has its own keys and its own subjects
SELECT log_in(id_token(jsonb_build_object('nonce', nonce(), 'iss', 'https://login.example/tenant/'), :'other_key')) AS same_subject,
	log_in(id_token(jsonb_build_object('nonce', nonce(), 'iss', 'https://login.example/tenant'), :'other_key')) AS without_slash;
SELECT log_in(id_token(jsonb_build_object('nonce', nonce()), :'other_key')) AS wrong_algorithm;
UPDATE anon_auth.identity_providers SET algorithms = '{RS256,ES256,EdDSA}' WHERE issuer = 'https://accounts.example';
SELECT log_in(id_token(jsonb_build_object('nonce', nonce()), :'other_key')) AS key_of_another_provider;
UPDATE anon_auth.identity_providers SET algorithms = '{RS256,ES256}' WHERE issuer = 'https://accounts.example';

-- ---- a token works once ----

SELECT nonce() AS n \gset
SELECT id_token(jsonb_build_object('nonce', hex(:'n')), :'key') AS t \gset
SELECT log_in(:'t', :'n') AS first, log_in(:'t', :'n') AS second;
-- another token with the same nonce, from the same identity; another identity is not affected
SELECT log_in(id_token(jsonb_build_object('nonce', hex(:'n'), 'email', 'x'), :'key'), :'n') AS same_nonce,
	log_in(id_token(jsonb_build_object('nonce', hex(:'n'), 'sub', 'bob'), :'key'), :'n') AS other_identity;
-- a rollback brings the token back, and takes the login away
SELECT nonce() AS n \gset
SELECT id_token(jsonb_build_object('nonce', hex(:'n')), :'key') AS t \gset
BEGIN;
SELECT log_in(:'t', :'n');
ROLLBACK;
SELECT log_in(:'t', :'n') AS after_rollback, log_in(:'t', :'n') AS twice;
-- neither removing the identity nor deleting the account brings a used token back
SELECT anon_auth.remove_identity('https://accounts.example', :'ada') AS removed;
SELECT log_in(:'t', :'n') AS used_before_removal;
SELECT anon_auth.add_identity(:'t', :'n', :'bob') AS added_with_used_token;
SELECT count(*) AS identities FROM anon_auth.user_identities;
SELECT nonce() AS m \gset
SELECT id_token(jsonb_build_object('nonce', hex(:'m')), :'key') AS u \gset
SELECT anon_auth.add_identity(:'u', :'m', :'bob') AS with_a_fresh_token, log_in(:'t', :'n') AS used_for_ada;
CALL sign_up('carol');
SELECT access_token AS carol, sub AS carol_sub FROM account WHERE name = 'carol' \gset
SELECT nonce() AS n \gset
SELECT id_token(jsonb_build_object('nonce', hex(:'n'), 'sub', 'carol'), :'key') AS t \gset
SELECT anon_auth.add_identity(:'t', :'n', :'carol');
SELECT anon_auth.delete_user(:'carol_sub');
SELECT log_in(:'t', :'n') AS used_before_deletion, log_in(id_token(jsonb_build_object('nonce', nonce(), 'sub', 'carol'), :'key')) AS fresh;
-- what is kept of it
SELECT count(*) AS kept FROM anon_auth.removed_identities r WHERE r::text ~ 'carol|accounts' OR removed_at < now() - interval '1 minute';
SELECT removed_identities FROM anon_auth.purge();
UPDATE anon_auth.removed_identities SET removed_at = now() - interval '10 minutes';
SELECT removed_identities FROM anon_auth.purge();

-- ---- identities of an account ----

SELECT log_in(id_token(jsonb_build_object('nonce', nonce()), :'key')) AS identity_of_bob;
-- an identity of another account
SELECT try(format('SELECT anon_auth.add_identity(%L, access_token => %L)', id_token(jsonb_build_object('nonce', nonce()), :'key'), :'ada')) AS of_bob;
-- guests and strangers
SELECT access_token AS guest FROM anon_auth.authenticate_anonymously('app') \gset
SELECT try(format('SELECT anon_auth.add_identity(%L, access_token => %L)', id_token(jsonb_build_object('nonce', nonce(), 'sub', 'guest'), :'key'), token)),
	try(format('SELECT anon_auth.remove_identity(%L, %L)', 'https://accounts.example', token)) FROM (VALUES (:'guest'), ('x'), (NULL)) AS v (token);
SELECT try(format('SELECT anon_auth.add_identity(NULL, access_token => %L)', :'bob')), try(format('SELECT anon_auth.remove_identity(NULL, %L)', :'bob'));
-- the caller of use_access_token()
BEGIN;
SELECT anon_auth.use_access_token(:'ada') IS NOT NULL AS ada;
SELECT anon_auth.add_identity(id_token(jsonb_build_object('nonce', nonce(), 'sub', 'ada 2'), :'key')) AS added;
SELECT anon_auth.add_identity(id_token(jsonb_build_object('nonce', nonce(), 'sub', 'ada 3'), :'key')) AS added;
SELECT anon_auth.add_identity(id_token(jsonb_build_object('nonce', nonce(), 'iss', 'https://login.example/tenant/'), :'other_key')) AS added;
COMMIT;
SELECT issuer, subject FROM anon_auth.user_identities i JOIN account ON sub = user_id WHERE name = 'ada' ORDER BY created_at, subject;
WITH u AS MATERIALIZED (SELECT id, identity_routes FROM anon_auth.users)
	SELECT bool_and(route = ANY (identity_routes)), count(*) FROM anon_auth.user_identities i JOIN u ON u.id = i.user_id;
SELECT anon_auth.remove_identity('https://nobody.example', :'ada') AS unknown, anon_auth.remove_identity('https://accounts.example', :'ada') AS both_of_the_provider;
SELECT issuer, subject FROM anon_auth.user_identities i JOIN account ON sub = user_id WHERE name = 'ada';
SELECT cardinality(identity_routes) FROM anon_auth.users JOIN account ON sub = id WHERE name = 'ada';
-- sessions stay
SELECT count(*) > 0 AS sessions FROM anon_auth.sessions JOIN account ON sub = user_id WHERE name = 'ada';
-- the last credential: without the password, without a login ID, and with a verified address instead
SELECT sub AS ada_sub FROM account WHERE name = 'ada' \gset
BEGIN;
SET LOCAL ROLE anon_auth_owner;
DELETE FROM anon_auth.passwords WHERE user_id = :'ada_sub';
UPDATE anon_auth.users SET has_password = false WHERE id = :'ada_sub';
SET LOCAL ROLE NONE;
SELECT try(format('SELECT anon_auth.remove_identity(%L, %L)', 'https://login.example/tenant/', :'ada')) AS last_credential;
SELECT anon_auth.add_identity(id_token(jsonb_build_object('nonce', nonce(), 'sub', 'ada 2'), :'key'), access_token => :'ada') AS added;
SELECT anon_auth.remove_identity('https://login.example/tenant/', :'ada') AS not_the_last,
	try(format('SELECT anon_auth.remove_identity(%L, %L)', 'https://accounts.example', :'ada')) AS last_credential;
SET LOCAL ROLE anon_auth_owner;
UPDATE anon_auth.users SET is_verified = true WHERE id = :'ada_sub';
UPDATE anon_auth.login_ids SET type = 'email', verified_at = now() WHERE user_id = :'ada_sub';
SET LOCAL ROLE NONE;
SELECT anon_auth.remove_identity('https://accounts.example', :'ada') AS with_verified_address;
ROLLBACK;

-- a disabled user
SELECT sub AS bob_sub FROM account WHERE name = 'bob' \gset
SELECT anon_auth.disable_user(:'bob_sub');
SELECT nonce() AS n \gset
SELECT id_token(jsonb_build_object('nonce', hex(:'n')), :'key') AS t \gset
SELECT log_in(:'t', :'n');
SELECT anon_auth.enable_user(:'bob_sub');
SELECT log_in(:'t', :'n');
SELECT access_token AS bob FROM anon_auth.authenticate('app', 'bob', 'correct horse') \gset

-- ---- claims, and the address that a token proves ----

SELECT anon_auth.add_identity(id_token(jsonb_build_object('nonce', nonce(), 'sub', 'bob 2', 'email', 'Bob@Example.com', 'email_verified', true, 'name', 'Bob', 'hd', 'example.com',
	'at_hash', 'x', 'c_hash', 'x', 'acr', 'x', 'amr', '["pwd"]'::jsonb, 'auth_time', 1, 'sid', 'x', 'groups', '["admin"]'::jsonb, 'address', '{"country": "PT"}'::jsonb, 'picture', repeat('x', 2001)), :'key'), access_token => :'bob');
SELECT jsonb_pretty(claims) FROM anon_auth.user_identities WHERE subject = 'bob 2';
-- later tokens add to them
SELECT log_in(id_token(jsonb_build_object('nonce', nonce(), 'sub', 'bob 2', 'name', 'Bobby', 'locale', 'pt'), :'key'));
SELECT claims ->> 'name' AS name, claims ->> 'locale' AS locale, claims ->> 'email' AS email FROM anon_auth.user_identities WHERE subject = 'bob 2';
-- no account has the identity, but one has its address: it is not opened. The detail is the same unless a trusted provider has verified the address
CREATE FUNCTION by_email(issuer text, kid text, claims jsonb) RETURNS text LANGUAGE sql AS $$
	SELECT log_in(id_token(jsonb_build_object('iss', issuer, 'nonce', nonce(), 'sub', 'new') || claims, kid))
$$;
INSERT INTO account SELECT p.sub, 'dora', p.access_token FROM anon_auth.promote_anonymous_user('app', email => 'dora@example.com', password => 'correct horse',
	refresh_token => (SELECT refresh_token FROM anon_auth.authenticate_anonymously('app'))) p;
SELECT by_email('https://login.example/tenant/', :'other_key', '{"email": "dora@example.com", "email_verified": true}') AS claimed_without_proof;
SELECT access_token AS dora FROM account WHERE name = 'dora' \gset
SELECT anon_auth.request_verification('email', :'dora') IS NOT NULL AS sent;
SELECT anon_auth.verify_login_id(code, 'email', :'dora') AS verified FROM anon_auth.take_outbox_messages();
SELECT claims, by_email('https://login.example/tenant/', :'other_key', claims) AS trusted, by_email('https://accounts.example', :'key', claims) AS untrusted FROM unnest(ARRAY[
	'{"email": "Dora@Example.com", "email_verified": true}', '{"email": "dora@example.com", "email_verified": "true"}',
	'{"email": "dora@example.com", "email_verified": "false"}', '{"email": "dora@example.com"}', '{"email": ["dora@example.com"], "email_verified": true}', '{"email": "nobody@example.com", "email_verified": true}', '{"email": "bob", "email_verified": true}']::jsonb[]) claims;

-- at a promotion, such an address proves the account as a code does, if the settings let the guest log in to it
CREATE FUNCTION promote_by(issuer text, kid text, sub text, email text, guest text) RETURNS text LANGUAGE sql AS $$
	SELECT try(format('SELECT sub FROM anon_auth.promote_anonymous_user(%L, id_token => %L, refresh_token => %L)', 'app',
		id_token(jsonb_build_object('iss', issuer, 'nonce', nonce(), 'sub', sub, 'email', email, 'email_verified', true), kid), guest))
$$;
SELECT refresh_token AS guest, sub AS guest_sub FROM anon_auth.authenticate_anonymously('app') \gset
SELECT promote_by('https://login.example/tenant/', :'other_key', 'dora at login', 'dora@example.com', :'guest') AS by_policy_error;
UPDATE anon_auth.settings SET promotion_conflict = 'merge';
SELECT sub AS dora_sub FROM account WHERE name = 'dora' \gset
SELECT promote_by('https://accounts.example', :'key', 'dora at accounts', 'dora@example.com', :'guest') = :'guest_sub' AS untrusted_is_no_conflict;
SELECT refresh_token AS guest, sub AS guest_sub FROM anon_auth.authenticate_anonymously('app') \gset
SELECT promote_by('https://login.example/tenant/', :'other_key', 'dora at login', 'Dora@example.com', :'guest') = :'dora_sub' AS merged_into_dora;
SELECT count(*) AS guests_left FROM anon_auth.users WHERE id = :'guest_sub';
SELECT issuer, subject FROM anon_auth.user_identities WHERE user_id = :'dora_sub';
SELECT type FROM anon_auth.events WHERE user_id = :'dora_sub' ORDER BY id DESC LIMIT 3;
SELECT by_email('https://login.example/tenant/', :'other_key', '{"sub": "dora at login"}') = 'dora' AS later_token;
-- a token works once here, too
SELECT refresh_token AS guest FROM anon_auth.authenticate_anonymously('app') \gset
SELECT id_token(jsonb_build_object('iss', 'https://login.example/tenant/', 'nonce', nonce(), 'sub', 'dora again', 'email', 'dora@example.com', 'email_verified', true), :'other_key') AS t \gset
SELECT (SELECT count(*) FROM anon_auth.promote_anonymous_user('app', id_token => :'t', refresh_token => :'guest')) AS first;
SELECT log_in(:'t') AS second;
-- settings that equate other spellings do not make it another mailbox's
UPDATE anon_auth.settings SET email_ignore_dot_sign = true;
SELECT refresh_token AS guest FROM anon_auth.authenticate_anonymously('app') \gset
SELECT promote_by('https://login.example/tenant/', :'other_key', 'd.ora', 'd.ora@example.com', :'guest') AS other_spelling;
UPDATE anon_auth.settings SET email_ignore_dot_sign = false, promotion_conflict = 'error';

-- ---- the keys of a provider, and the worker ----

SELECT try(format('SELECT anon_auth.set_identity_provider_keys(%L, %L)', 'https://accounts.example', jwks)) AS refused FROM unnest(ARRAY[
	'{"keys": []}', '[]', '1', '{}', '{"keys": {}}', '{"keys": [1]}', '{"keys": [{}]}', NULL,
	'{"keys": [{"kty": "oct", "kid": "a", "k": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}]}',
	'{"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "a", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"}]}',
	'{"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "a", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}, {"kty": "oct", "kid": "b", "k": "AA"}]}',
	'{"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "a", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}, {"kty": "OKP", "crv": "Ed25519", "kid": "a", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}',
	'{"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}',
	'{"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "a", "use": "enc", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}',
	'{"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "a", "alg": "none", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}',
	'{"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "a", "alg": "RS256", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}',
	'{"keys": [{"kty": "RSA", "kid": "a", "n": "AQAB", "e": "AQAB"}]}']) jwks;
SELECT try(format('SELECT anon_auth.set_identity_provider_keys(%L, %L)', 'https://accounts.example', (SELECT jsonb_build_object('keys', jsonb_agg('{}'::jsonb)) FROM generate_series(1, 65)))) AS many,
	try(format('SELECT anon_auth.set_identity_provider_keys(%L, %L)', 'https://nobody.example', own_jwks(:'key'))) AS unknown,
	try(format('SELECT anon_auth.set_identity_provider_keys(NULL, %L)', own_jwks(:'key'))) AS missing;
-- what was refused has changed nothing
SELECT log_in(id_token(jsonb_build_object('nonce', nonce()), :'key'));
-- keys that cannot be used are left out, and so are members that are not needed
SELECT anon_auth.set_identity_provider_keys('https://login.example/tenant/', '{"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "a", "alg": "Ed25519", "use": "sig", "x5c": ["x"], "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
	{"kty": "OKP", "crv": "Ed25519", "kid": "a", "use": "enc", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}, {"kty": "EC", "crv": "secp256k1", "kid": "b", "x": "x", "y": "y"}]}');
SELECT jwks FROM anon_auth.identity_providers WHERE issuer = 'https://login.example/tenant/';
SELECT anon_auth.set_identity_provider_keys('https://login.example/tenant/', own_jwks(:'other_key'));

-- a worker, and nobody else
CREATE ROLE regress_anon_auth_worker;
CREATE ROLE regress_anon_auth_client;
SELECT anon_auth.grant_worker('regress_anon_auth_worker'), anon_auth.grant_client_api('regress_anon_auth_client');
SET ROLE regress_anon_auth_client;
SELECT anon_auth.set_identity_provider_keys('https://accounts.example', '{"keys": []}');
SELECT * FROM anon_auth.due_identity_providers();
SELECT anon_auth.create_identity_provider('https://evil.example', '{app}');
SET ROLE regress_anon_auth_worker;
SELECT anon_auth.create_identity_provider('https://evil.example', '{app}');
SELECT count(*) FROM anon_auth.take_outbox_messages();
SELECT * FROM anon_auth.due_identity_providers();
RESET ROLE;
SELECT p.oid::regprocedure AS of_the_worker FROM pg_proc p, aclexplode(p.proacl) a WHERE a.grantee = 'regress_anon_auth_worker'::regrole ORDER BY 1;
SELECT try('SELECT anon_auth.grant_worker(NULL)');

-- an unknown key does not make the provider due within a minute after its keys were set
SELECT log_in(id_token(jsonb_build_object('nonce', nonce()), :'unpublished')) AS unknown_key;
SELECT issuer, reason FROM anon_auth.due_identity_providers();
UPDATE anon_auth.identity_providers SET keys_set_at = now() - interval '61 seconds';
-- nor does a token that is refused for another reason
SELECT log_in(id_token(jsonb_build_object('nonce', nonce(), 'exp', seconds(-1)), :'unpublished')), log_in(id_token('{"nonce": "x"}', :'unpublished')), log_in(id_token(jsonb_build_object('nonce', nonce(), 'aud', 'x'), :'unpublished'));
SELECT issuer, reason FROM anon_auth.due_identity_providers();
-- afterwards it does, although the call fails, and until the keys are set
SELECT anon_auth.authenticate_with_id_token('app', id_token(jsonb_build_object('nonce', nonce()), :'unpublished'));
SELECT issuer, reason FROM anon_auth.due_identity_providers();
SELECT log_in(id_token(jsonb_build_object('nonce', nonce()), :'key')) AS the_others_work;
BEGIN;
SELECT anon_auth.set_identity_provider_keys('https://accounts.example', own_jwks(:'key', :'unpublished'));
ROLLBACK;
SELECT issuer, reason FROM anon_auth.due_identity_providers();
SET ROLE regress_anon_auth_worker;
SELECT anon_auth.set_identity_provider_keys('https://nobody.example', '{"keys": []}');
RESET ROLE;
SELECT anon_auth.set_identity_provider_keys('https://accounts.example', own_jwks(:'key', :'unpublished'));
SELECT issuer, reason FROM anon_auth.due_identity_providers();
SELECT log_in(id_token(jsonb_build_object('nonce', nonce()), :'unpublished')) AS published;
-- a key that is gone verifies no longer
SELECT log_in(id_token(jsonb_build_object('nonce', nonce()), :'third_key')) AS gone;
-- no keys, and old keys
SELECT anon_auth.create_identity_provider('https://new.example', '{app.example}');
UPDATE anon_auth.identity_providers SET keys_set_at = now() - interval '25 hours' WHERE issuer = 'https://login.example/tenant/';
SELECT issuer, keys_set_at IS NULL AS never, reason FROM anon_auth.due_identity_providers();
SELECT log_in(id_token(jsonb_build_object('nonce', nonce(), 'iss', 'https://new.example'), :'key')) AS without_keys;
-- a provider that was deleted: its identities stay
BEGIN;
DELETE FROM anon_auth.identity_providers WHERE issuer = 'https://accounts.example';
SELECT log_in(id_token(jsonb_build_object('nonce', nonce()), :'key')) AS without_provider;
ROLLBACK;

-- ---- doctor(), statistics, events ----

SELECT severity, finding, what, why FROM anon_auth.doctor() WHERE finding ~ 'provider' ORDER BY 2, 3;
UPDATE anon_auth.identity_providers SET keys_set_at = now() - interval '2 days' WHERE issuer = 'https://accounts.example';
UPDATE anon_auth.identity_providers SET keys_set_at = now() - interval '31 days' WHERE issuer = 'https://login.example/tenant/';
SELECT log_in(id_token(jsonb_build_object('nonce', nonce()), :'third_key')) AS makes_it_due;
SELECT finding, what, why, fix FROM anon_auth.doctor() WHERE finding ~ 'provider' ORDER BY 1, 2;
SELECT finding FROM anon_auth.doctor() WHERE finding IN ('function_privilege', 'worker_privilege');
GRANT EXECUTE ON FUNCTION anon_auth.set_identity_provider_keys(text, jsonb) TO regress_anon_auth_client;
SELECT severity, what, fix FROM anon_auth.doctor() WHERE finding IN ('function_privilege', 'worker_privilege');
REVOKE ALL ON FUNCTION anon_auth.set_identity_provider_keys(text, jsonb) FROM regress_anon_auth_client;

SELECT (logins_total -> 'id_token')::int - :before_logins AS logins, (refusals_total -> 'id_token_reused')::int - :before_reused AS reused, (refusals_total -> 'invalid_id_token')::int > 50 AS refused, (refusals_total -> 'provider_key_unknown')::int > 3 AS unknown_keys FROM anon_auth.stats;
SELECT type, payload - 'kids' AS payload, jsonb_array_length(payload -> 'kids') AS kids FROM anon_auth.events WHERE type ~ '^identity' OR payload ->> 'authenticator' = 'id_token' ORDER BY id;
SELECT count(*) AS secrets FROM anon_auth.events WHERE payload::text ~ 'eyJ|nonce';

SET client_min_messages = warning;
DROP TABLE account;
DROP FUNCTION own_jwks, nonce, hex, base64url, seconds, id_token, log_in, try, by_email;
DROP PROCEDURE sign_up;
DROP OWNED BY regress_anon_auth_worker, regress_anon_auth_client;
DROP ROLE regress_anon_auth_worker, regress_anon_auth_client;
DROP EXTENSION anon_auth;
