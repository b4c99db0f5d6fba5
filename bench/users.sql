-- The operations of a user, compared with floor.sql.  All calls of a round are
-- in one transaction, since a commit would hide the difference.

-- The cheapest password hash on both sides, so that the rest of a promotion is
-- visible.
ALTER TABLE anon_auth.settings DROP CONSTRAINT settings_password_hash_check;
CREATE FUNCTION password_hash_cost(memory_kib integer, passes integer) RETURNS void LANGUAGE sql
	AS 'UPDATE anon_auth.settings SET password_hash_memory_kib = memory_kib, password_hash_passes = passes';

DO $$ BEGIN FOR i IN 1 .. 2000 LOOP PERFORM floor_sign_up_with_key(); END LOOP; END $$;
CREATE TABLE floor_guests AS
SELECT row_number() OVER () AS i, user_id, s.id AS session_id, route, kid
FROM floor_device_keys JOIN floor_sessions AS s USING (user_id);
ALTER TABLE floor_guests ADD PRIMARY KEY (i);

CREATE TABLE floor_leavers (i integer PRIMARY KEY, user_id uuid, session_id uuid);

CREATE FUNCTION prepare_floor_leavers(calls integer) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	TRUNCATE floor_leavers;
	FOR i IN 1 .. calls LOOP PERFORM floor_sign_up(); END LOOP;
	INSERT INTO floor_leavers SELECT row_number() OVER (), user_id, id
	FROM (SELECT user_id, id FROM floor_sessions ORDER BY user_id DESC LIMIT calls) AS s;
END $$;

CALL compare('sign-up with a key', 1.10, 500,
	'SELECT count(anon_auth.authenticate_anonymously(''app'', jwt)) FROM requests WHERE i <= $1',
	'SELECT count(floor_sign_up_with_key()) FROM generate_series(1, $1)',
	'SELECT prepare_sign_ups($1)',
	footprint => true);
CALL compare('sign-up without a key', 1.10, 500,
	'SELECT count(anon_auth.authenticate_anonymously(''app'')) FROM generate_series(1, $1)',
	'SELECT count(floor_sign_up()) FROM generate_series(1, $1)',
	footprint => true);
CALL compare('login with a key', 1.15, 500,
	'SELECT count(anon_auth.authenticate_anonymously(''app'', jwt)) FROM requests WHERE i <= $1',
	'SELECT count(floor_log_in(route, kid)) FROM floor_guests WHERE i <= $1',
	'SELECT prepare_logins($1)',
	footprint => true);
CALL compare('refresh', 1.15, 500,
	'SELECT count(r.sub) FROM guests AS g, anon_auth.refresh_session(''app'', g.refresh_token) AS r WHERE g.i <= $1',
	'SELECT count(floor_refresh(user_id, session_id)) FROM floor_guests WHERE i <= $1',
	footprint => true);
CALL compare('revoke', 1.15, 500,
	'SELECT count(anon_auth.revoke(refresh_token)) FROM leavers WHERE i <= $1',
	'SELECT count(floor_revoke(user_id, session_id)) FROM floor_leavers WHERE i <= $1',
	'SELECT prepare_leavers($1)', 'SELECT prepare_floor_leavers($1)',
	footprint => true);
CALL compare('promotion, cheapest hash', 1.15, 500,
	'SELECT count(p.sub) FROM leavers AS l, anon_auth.promote_anonymous_user(''app'', email => gen_random_uuid() || ''@example.com'', password => ''correct horse'', refresh_token => l.refresh_token) AS p WHERE l.i <= $1',
	'SELECT count(floor_promote(user_id, gen_random_uuid() || ''@example.com'')) FROM floor_leavers WHERE i <= $1',
	'SELECT prepare_leavers($1), password_hash_cost(8, 1)', 'SELECT prepare_floor_leavers($1)',
	footprint => true);
