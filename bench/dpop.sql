-- Tokens that are bound to a key, compared with floor.sql: the signature of a proof is checked with
-- a key that is first made from a point, as that of a device request.

SELECT anon_auth.create_client('keyed', 'native', dpop => 'required') \g /dev/null
CREATE TABLE dpop_keys AS SELECT device_key() AS key, (SELECT issuer || '/oauth2/token' FROM anon_auth.settings) AS uri;
CREATE TABLE dpop_sessions AS
SELECT i, s.access_token, s.refresh_token FROM dpop_keys AS k, generate_series(1, 500) AS i,
	LATERAL anon_auth.authenticate_anonymously(left('keyed', 5 + 0 * i), dpop => dpop_proof(k.key, k.uri, left('', i))) AS s;
ALTER TABLE dpop_sessions ADD PRIMARY KEY (i);

-- Each proof works once.
CREATE TABLE dpop_proofs (i integer PRIMARY KEY, proof text);
CREATE FUNCTION prepare_proofs(calls integer, with_token boolean) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM anon_auth.reset_counters();
	TRUNCATE dpop_proofs;
	INSERT INTO dpop_proofs SELECT s.i, dpop_proof(k.key, k.uri, CASE WHEN with_token THEN s.access_token ELSE '' END)
	FROM dpop_keys AS k, dpop_sessions AS s WHERE s.i <= calls;
END $$;

CREATE FUNCTION floor_check_bound_token() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM floor_verify('ES256', floor_message(), 1), floor_verify_device(floor_request());
END $$;
CREATE FUNCTION floor_bound_refresh(the_user uuid, the_session uuid) RETURNS anon_auth.token_response LANGUAGE plpgsql AS $$
BEGIN
	PERFORM floor_verify_device(floor_request());
	RETURN floor_refresh(the_user, the_session);
END $$;

CALL compare('use_access_token with a DPoP proof', 1.15, 500,
	'SELECT count(anon_auth.use_access_token(s.access_token, dpop => p.proof)) FROM dpop_proofs AS p JOIN dpop_sessions AS s USING (i) WHERE p.i <= $1',
	'SELECT count(floor_check_bound_token()) FROM generate_series(1, $1)', 'SELECT prepare_proofs($1, true)');
CALL compare('refresh with a DPoP proof', 1.15, 500,
	'SELECT count(r.sub) FROM dpop_proofs AS p JOIN dpop_sessions AS s USING (i), anon_auth.refresh_session(''keyed'', s.refresh_token, p.proof) AS r WHERE p.i <= $1',
	'SELECT count(floor_bound_refresh(user_id, session_id)) FROM floor_guests WHERE i <= $1',
	'SELECT prepare_proofs($1, false)', footprint => true);
