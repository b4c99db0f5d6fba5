-- Tokens that are bound to a key: a proof, compared with the raw signature checks, and a
-- bound refresh, compared with one that is not bound and a signature check.

SELECT anon_auth.create_client('keyed', 'native', dpop => 'required') \g /dev/null
CREATE TABLE dpop_keys AS SELECT device_key() AS key, (SELECT issuer || '/oauth2/token' FROM anon_auth.settings) AS uri;
CREATE TABLE dpop_sessions AS
SELECT 'keyed' AS client_id, s.* FROM dpop_keys AS k, anon_auth.authenticate_anonymously('keyed', dpop => dpop_proof(k.key, k.uri, '')) AS s
UNION ALL SELECT 'app', s.* FROM anon_auth.authenticate_anonymously('app') AS s;

-- Each proof works once.
CREATE TABLE dpop_proofs (i integer PRIMARY KEY, proof text);
CREATE FUNCTION prepare_proofs(calls integer, with_token boolean) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM anon_auth.reset_counters();
	TRUNCATE dpop_proofs;
	INSERT INTO dpop_proofs SELECT i, dpop_proof(k.key, k.uri, CASE WHEN with_token THEN s.access_token ELSE '' END)
	FROM dpop_keys AS k, dpop_sessions AS s, generate_series(1, calls) AS i WHERE s.client_id = 'keyed';
END $$;

DO $$
DECLARE
	input text := (SELECT substring(dpop_proof(key, uri, '') FROM '^(.*)[.]') FROM dpop_keys);
BEGIN
	CALL compare('use_access_token with a DPoP proof, against two raw signature checks', 1.3, 500,
		'SELECT count(anon_auth.use_access_token(s.access_token, dpop => p.proof)) FROM dpop_proofs AS p, dpop_sessions AS s WHERE s.client_id = ''keyed'' AND p.i <= $1',
		format('SELECT floor_verify(''ES256'', %L, 2 * $1)', input), 'SELECT prepare_proofs($1, true)');
	CALL compare('bound refresh, against one without a proof', 1.5, 200,
		'SELECT count(r.sub) FROM dpop_proofs AS p, dpop_sessions AS s, anon_auth.refresh_session(s.client_id, s.refresh_token, p.proof) AS r WHERE s.client_id = ''keyed'' AND p.i <= $1',
		'SELECT count(r.sub) FROM generate_series(1, $1), dpop_sessions AS s, anon_auth.refresh_session(s.client_id, s.refresh_token) AS r WHERE s.client_id = ''app''',
		'SELECT prepare_proofs($1, false)');
END $$;
