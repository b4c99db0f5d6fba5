-- Purging guests whose only session has expired, a thousand in each call.

CREATE FUNCTION prepare_orphans(prefix text, calls integer) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	ended timestamptz := now() - interval '1 day';
BEGIN
	EXECUTE format('INSERT INTO %1$susers (id, is_anonymous, created_at, updated_at, last_seen_at, purge_from)
		SELECT floor_uuid_v7(), true, $1, $1, $1, $1 FROM generate_series(1, $2)', prefix) USING ended, calls;
	EXECUTE format('INSERT INTO %1$ssessions (user_id, id, client_id, secret_hash, created_at, authenticated_at, last_used_at, expires_at, purge_from)
		SELECT id, floor_uuid_v7(), ''app'', sha256(''secret''), $1, $1, $1, $1, $1 FROM %1$susers WHERE is_anonymous AND device_kid IS NULL AND purge_from <= $1', prefix) USING ended;
END $$;

CREATE FUNCTION expect_purged(purged bigint, calls integer) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF purged <> calls THEN RAISE EXCEPTION 'purged % guests of %', purged, calls; END IF;
END $$;

CREATE FUNCTION floor_purge() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	purged bigint;
BEGIN
	DELETE FROM floor_users USING floor_sessions AS s
		WHERE is_anonymous AND floor_users.device_kid IS NULL AND floor_users.purge_from < now() - interval '1 hour' AND s.user_id = floor_users.id AND s.expires_at < now();
	GET DIAGNOSTICS purged = ROW_COUNT;
	RETURN purged;
END $$;

CALL compare('purge, per orphan', 1.5, 1000,
	'SELECT expect_purged(guests, $1) FROM anon_auth.purge($1)',
	'SELECT expect_purged(floor_purge(), $1)',
	'SELECT prepare_orphans(''anon_auth.'', $1)', 'SELECT prepare_orphans(''floor_'', $1)');
