-- What users do with their own account, and imports, compared with floor.sql.  The accounts
-- have a username and the cheapest password hash, and no address: no message is sent.

CREATE TABLE floor_passkeys (LIKE anon_auth.passkeys INCLUDING ALL);
ALTER TABLE floor_passkeys ADD FOREIGN KEY (user_id) REFERENCES floor_users (id) ON DELETE CASCADE;

CREATE TABLE owners (i integer PRIMARY KEY, access_token text, session_id uuid);
SELECT password_hash_cost(8, 1) \g /dev/null
SELECT count(s.sub) FROM generate_series(1, 500) AS i, anon_auth.sign_up('app', username => 'owner' || i, password => 'correct horse') AS s \g /dev/null
CREATE FUNCTION prepare_owners(calls integer) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM anon_auth.reset_counters(), password_hash_cost(8, 1);
	DELETE FROM anon_auth.sessions USING anon_auth.login_ids AS l WHERE l.value LIKE 'owner%' AND sessions.user_id = l.user_id;
	TRUNCATE owners;
	INSERT INTO owners SELECT i, a.access_token, (anon_auth.verify_jwt(a.access_token) ->> 'sid')::uuid
	FROM generate_series(1, calls) AS i, LATERAL anon_auth.authenticate('app', 'owner' || i, 'correct horse') AS a;
END $$;
-- A second session for each, which is ended.
CREATE FUNCTION prepare_sessions(calls integer) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM prepare_owners(calls);
	UPDATE owners SET session_id = (anon_auth.verify_jwt(a.access_token) ->> 'sid')::uuid
	FROM generate_series(1, calls) AS n, LATERAL anon_auth.authenticate('app', 'owner' || n, 'correct horse') AS a WHERE owners.i = n;
END $$;
-- Without another username, and with one.
CREATE FUNCTION prepare_no_username(calls integer) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM prepare_owners(calls);
	PERFORM anon_auth.remove_login_id('username', l.value, o.access_token)
	FROM owners AS o JOIN anon_auth.login_ids AS own ON own.value = 'owner' || o.i JOIN anon_auth.login_ids AS l ON l.user_id = own.user_id AND l.value <> own.value;
END $$;
CREATE FUNCTION prepare_username(calls integer) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM prepare_no_username(calls);
	PERFORM anon_auth.add_login_id('username', 'second' || i, NULL, access_token) FROM owners;
END $$;
-- Without a scheduled deletion, and with one.
CREATE FUNCTION prepare_staying(calls integer) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM prepare_owners(calls);
	PERFORM anon_auth.cancel_account_deletion(access_token) FROM owners;
END $$;
CREATE FUNCTION prepare_leaving(calls integer) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM prepare_owners(calls);
	PERFORM anon_auth.delete_account(access_token) FROM owners;
END $$;

CREATE TABLE floor_owners (i integer PRIMARY KEY, user_id uuid, session_id uuid, other_session_id uuid);
CREATE FUNCTION prepare_floor_owners(calls integer) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	DELETE FROM floor_sessions USING floor_owners AS o WHERE floor_sessions.user_id = o.user_id;
	TRUNCATE floor_owners;
	INSERT INTO floor_owners SELECT i, user_id, floor_uuid_v7(), floor_uuid_v7() FROM floor_holders WHERE i <= calls;
	INSERT INTO floor_sessions (user_id, id, client_id, secret_hash, created_at, authenticated_at, last_used_at, expires_at, purge_from)
		SELECT user_id, s, 'app', '\x0101010101010101010101010101010101010101010101010101010101010101', now(), now(), now(), now() + interval '30 days', now() + interval '30 days'
		FROM floor_owners, LATERAL (VALUES (session_id), (other_session_id)) AS v (s);
	INSERT INTO floor_passwords (user_id, password_hash, created_at, updated_at)
		SELECT user_id, floor_password_hash(8, 1), now(), now() FROM floor_owners ON CONFLICT DO NOTHING;
	DELETE FROM floor_login_ids WHERE type = 'username';
END $$;

CREATE FUNCTION prepare_floor_usernames(calls integer) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM prepare_floor_owners(calls);
	INSERT INTO floor_login_ids (route, type, value, user_id, original_value, created_at, updated_at)
		SELECT gen_random_uuid(), 'username', 'second' || i, user_id, 'second' || i, now(), now() FROM floor_owners;
	UPDATE floor_users SET login_id_routes = ARRAY[l.route] FROM floor_login_ids AS l WHERE l.type = 'username' AND l.user_id = floor_users.id;
END $$;

CREATE FUNCTION floor_caller(the_user uuid, the_session uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM floor_verify('ES256', floor_message(), 1);
	PERFORM FROM floor_users WHERE id = the_user AND NOT is_disabled FOR NO KEY UPDATE;
	PERFORM FROM floor_sessions WHERE user_id = the_user AND id = the_session AND expires_at > clock_timestamp();
END $$;
CREATE FUNCTION floor_event(the_user uuid, the_type text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO floor_events (user_id, id, type, client_id, created_at, payload) VALUES (the_user, floor_uuid_v7(), the_type, 'app', clock_timestamp(), '{}');
END $$;
CREATE FUNCTION floor_list_sessions(the_user uuid, the_session uuid) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
	PERFORM floor_verify('ES256', floor_message(), 1);
	PERFORM FROM floor_sessions WHERE user_id = the_user AND id = the_session AND expires_at > clock_timestamp();
	RETURN (SELECT count(*) FROM (SELECT s.id, s.client_id, c.name, s.created_at, s.last_used_at FROM floor_sessions s LEFT JOIN anon_auth.clients c USING (client_id)
		WHERE s.user_id = the_user AND s.expires_at > clock_timestamp() ORDER BY s.last_used_at DESC) AS l);
END $$;
CREATE FUNCTION floor_end_session(the_user uuid, the_session uuid, other uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM floor_caller(the_user, the_session);
	DELETE FROM floor_sessions WHERE user_id = the_user AND id = other;
	PERFORM floor_event(the_user, 'user.signed_out');
END $$;
CREATE FUNCTION floor_end_other_sessions(the_user uuid, the_session uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM floor_caller(the_user, the_session);
	DELETE FROM floor_sessions WHERE user_id = the_user AND id <> the_session;
	PERFORM floor_event(the_user, 'user.signed_out');
END $$;
CREATE FUNCTION floor_update_profile(the_user uuid, the_session uuid, name text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM floor_caller(the_user, the_session);
	UPDATE floor_users SET standard_attributes = standard_attributes || jsonb_build_object('name', name), updated_at = clock_timestamp() WHERE id = the_user;
	PERFORM floor_event(the_user, 'profile.updated');
END $$;
CREATE FUNCTION floor_change_password(the_user uuid, the_session uuid) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	new_hash text;
BEGIN
	PERFORM FROM floor_passwords WHERE user_id = the_user;
	PERFORM floor_password_hash(8, 1);
	new_hash := floor_password_hash(8, 1);
	PERFORM floor_caller(the_user, the_session);
	UPDATE floor_passwords SET password_hash = new_hash, updated_at = clock_timestamp() WHERE user_id = the_user;
	DELETE FROM floor_sessions WHERE user_id = the_user AND id <> the_session;
	PERFORM floor_event(the_user, 'password.changed'), floor_event(the_user, 'user.signed_out');
END $$;
CREATE FUNCTION floor_add_login_id(the_user uuid, the_session uuid, the_value text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	at timestamptz := clock_timestamp();
	the_route uuid := gen_random_uuid();
BEGIN
	PERFORM floor_caller(the_user, the_session);
	INSERT INTO floor_login_ids (route, type, value, user_id, original_value, created_at, updated_at) VALUES (the_route, 'username', the_value, the_user, the_value, at, at);
	UPDATE floor_users SET login_id_routes = array_append(login_id_routes, the_route), updated_at = at WHERE id = the_user;
	PERFORM floor_event(the_user, 'login_id.added');
END $$;
CREATE FUNCTION floor_remove_login_id(the_user uuid, the_session uuid) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	the_route uuid := (SELECT login_id_routes[1] FROM floor_users WHERE id = the_user);
BEGIN
	PERFORM floor_caller(the_user, the_session);
	DELETE FROM floor_login_ids WHERE route = the_route AND type = 'username';
	UPDATE floor_users SET login_id_routes = array_remove(login_id_routes, the_route), updated_at = clock_timestamp() WHERE id = the_user;
	PERFORM floor_event(the_user, 'login_id.removed');
END $$;
-- Scheduled, and cancelled.
CREATE FUNCTION floor_set_delete_at(the_user uuid, the_session uuid, at timestamptz) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM floor_caller(the_user, the_session);
	UPDATE floor_users SET delete_at = at, purge_from = coalesce(at, purge_from), updated_at = clock_timestamp() WHERE id = the_user;
	PERFORM floor_event(the_user, 'user.deletion_scheduled');
END $$;
CREATE FUNCTION floor_import(email text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	at timestamptz := clock_timestamp();
	the_user uuid := floor_uuid_v7();
	the_route uuid := gen_random_uuid();
BEGIN
	INSERT INTO floor_users (id, is_anonymous, is_verified, created_at, updated_at, last_seen_at, login_id_routes, standard_attributes)
		VALUES (the_user, false, true, at, at, at, ARRAY[the_route], jsonb_build_object('email', email));
	INSERT INTO floor_login_ids (route, type, value, user_id, original_value, verified_at, created_at, updated_at) VALUES (the_route, 'email', email, the_user, email, at, at, at);
	PERFORM floor_event(the_user, 'user.imported');
END $$;
-- What administrators do, and a copy of what is stored about the user.
CREATE FUNCTION floor_create_user(email text) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
	at timestamptz := clock_timestamp();
	the_user uuid := floor_uuid_v7();
	the_route uuid := gen_random_uuid();
BEGIN
	INSERT INTO floor_users (id, is_anonymous, is_verified, created_at, updated_at, last_seen_at, login_id_routes, standard_attributes)
		VALUES (the_user, false, true, at, at, at, ARRAY[the_route], jsonb_build_object('email', email));
	INSERT INTO floor_login_ids (route, type, value, user_id, original_value, verified_at, created_at, updated_at) VALUES (the_route, 'email', email, the_user, email, at, at, at);
	PERFORM floor_event(the_user, 'user.created');
	RETURN the_user;
END $$;
CREATE FUNCTION floor_set_roles(the_user uuid, the_roles text[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM FROM floor_users WHERE id = the_user FOR NO KEY UPDATE;
	UPDATE floor_users SET roles = the_roles, updated_at = clock_timestamp() WHERE id = the_user;
	PERFORM floor_event(the_user, 'user.roles_set');
END $$;
CREATE FUNCTION floor_export(the_user uuid, the_session uuid) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
	u floor_users;
	result jsonb;
BEGIN
	PERFORM floor_caller(the_user, the_session);
	SELECT * INTO u FROM floor_users WHERE id = the_user;
	result := jsonb_build_object('user', to_jsonb(u),
		'login_ids', (SELECT jsonb_agg(l) FROM floor_login_ids l WHERE route = ANY (u.login_id_routes) AND user_id = the_user),
		'identities', (SELECT jsonb_agg(i) FROM floor_user_identities i WHERE route = ANY (u.identity_routes) AND user_id = the_user),
		'device_keys', (SELECT jsonb_agg(k) FROM floor_device_keys k WHERE route = ANY (u.device_key_routes) AND user_id = the_user),
		'passkeys', (SELECT jsonb_agg(p) FROM floor_passkeys p WHERE route = ANY (u.passkey_routes) AND user_id = the_user),
		'sessions', (SELECT jsonb_agg(s) FROM floor_sessions s WHERE user_id = the_user),
		'events', (SELECT jsonb_agg(e) FROM (SELECT * FROM floor_events WHERE user_id = the_user ORDER BY id DESC LIMIT 1000) e));
	PERFORM floor_event(the_user, 'account.exported');
	RETURN result;
END $$;
-- As many events for each on both sides.
CREATE FUNCTION prepare_exports(calls integer) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM prepare_owners(calls);
	DELETE FROM anon_auth.events;
	INSERT INTO anon_auth.events (user_id, id, type, client_id, created_at, payload)
		SELECT user_id, floor_uuid_v7(), 'user.authenticated', 'app', now(), '{}' FROM anon_auth.login_ids, generate_series(1, 10) WHERE value LIKE 'owner%';
END $$;
CREATE FUNCTION prepare_floor_exports(calls integer) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM prepare_floor_owners(calls);
	DELETE FROM floor_sessions USING floor_owners o WHERE floor_sessions.user_id = o.user_id AND id = o.other_session_id;
	DELETE FROM floor_events;
	INSERT INTO floor_events (user_id, id, type, client_id, created_at, payload)
		SELECT user_id, floor_uuid_v7(), 'user.authenticated', 'app', now(), '{}' FROM floor_owners, generate_series(1, 10);
END $$;

CALL compare('list_sessions', 1.15, 500,
	'SELECT sum((SELECT count(*) FROM anon_auth.list_sessions(access_token))) FROM owners WHERE i <= $1',
	'SELECT sum(floor_list_sessions(user_id, session_id)) FROM floor_owners WHERE i <= $1',
	'SELECT prepare_owners($1)', 'SELECT prepare_floor_owners($1)', footprint => true);
CALL compare('end_session', 1.15, 500,
	'SELECT count(anon_auth.end_session(session_id, access_token)) FROM owners WHERE i <= $1',
	'SELECT count(floor_end_session(user_id, session_id, other_session_id)) FROM floor_owners WHERE i <= $1',
	'SELECT prepare_sessions($1)', 'SELECT prepare_floor_owners($1)', footprint => true);
CALL compare('end_other_sessions', 1.15, 500,
	'SELECT count(anon_auth.end_other_sessions(access_token)) FROM owners WHERE i <= $1',
	'SELECT count(floor_end_other_sessions(user_id, session_id)) FROM floor_owners WHERE i <= $1',
	'SELECT prepare_sessions($1)', 'SELECT prepare_floor_owners($1)', footprint => true);
CALL compare('update_profile', 1.15, 500,
	'SELECT count(anon_auth.update_profile(jsonb_build_object(''name'', gen_random_uuid()), access_token)) FROM owners WHERE i <= $1',
	'SELECT count(floor_update_profile(user_id, session_id, gen_random_uuid()::text)) FROM floor_owners WHERE i <= $1',
	'SELECT prepare_owners($1)', 'SELECT prepare_floor_owners($1)', footprint => true);
CALL compare('change_password, cheapest hash', 1.15, 500,
	'SELECT count(anon_auth.change_password(''correct horse'', ''correct horse'', access_token)) FROM owners WHERE i <= $1',
	'SELECT count(floor_change_password(user_id, session_id)) FROM floor_owners WHERE i <= $1',
	'SELECT prepare_sessions($1)', 'SELECT prepare_floor_owners($1)', footprint => true);
CALL compare('add_login_id, a username', 1.15, 500,
	'SELECT count(anon_auth.add_login_id(''username'', ''n'' || left(md5(random()::text), 20), NULL, access_token)) FROM owners WHERE i <= $1',
	'SELECT count(floor_add_login_id(user_id, session_id, gen_random_uuid()::text)) FROM floor_owners WHERE i <= $1',
	'SELECT prepare_no_username($1)', 'SELECT prepare_floor_owners($1)', footprint => true);
CALL compare('remove_login_id, a username', 1.15, 500,
	'SELECT count(anon_auth.remove_login_id(''username'', ''second'' || i, access_token)) FROM owners WHERE i <= $1',
	'SELECT count(floor_remove_login_id(user_id, session_id)) FROM floor_owners WHERE i <= $1',
	'SELECT prepare_username($1)', 'SELECT prepare_floor_usernames($1)', footprint => true);
CALL compare('delete_account, scheduled', 1.15, 500,
	'SELECT count(anon_auth.delete_account(access_token)) FROM owners WHERE i <= $1',
	'SELECT count(floor_set_delete_at(user_id, session_id, now() + interval ''30 days'')) FROM floor_owners WHERE i <= $1',
	'SELECT prepare_staying($1)', 'SELECT prepare_floor_owners($1)', footprint => true);
CALL compare('cancel_account_deletion', 1.15, 500,
	'SELECT count(anon_auth.cancel_account_deletion(access_token)) FROM owners WHERE i <= $1',
	'SELECT count(floor_set_delete_at(user_id, session_id, NULL)) FROM floor_owners WHERE i <= $1',
	'SELECT prepare_leaving($1)', 'SELECT prepare_floor_owners($1)', footprint => true);
CALL compare('import_user', 1.15, 500,
	'SELECT count(anon_auth.import_user(floor_uuid_v7(), email => i || gen_random_uuid()::text || ''@bench.example'', verified => true)) FROM generate_series(1, $1) AS i',
	'SELECT count(floor_import(gen_random_uuid() || ''@bench.example'')) FROM generate_series(1, $1)',
	footprint => true);
CALL compare('create_user', 1.15, 500,
	'SELECT count(anon_auth.create_user(email => i || gen_random_uuid()::text || ''@bench.example'', verified => true)) FROM generate_series(1, $1) AS i',
	'SELECT count(floor_create_user(gen_random_uuid() || ''@bench.example'')) FROM generate_series(1, $1)',
	footprint => true);
CALL compare('set_roles', 1.15, 500,
	'SELECT count(anon_auth.set_roles(l.user_id, ARRAY[''r'' || gen_random_uuid()])) FROM generate_series(1, $1) AS i JOIN anon_auth.login_ids AS l ON l.value = ''owner'' || i',
	'SELECT count(floor_set_roles(h.user_id, ARRAY[''r'' || gen_random_uuid()])) FROM generate_series(1, $1) AS i JOIN floor_holders AS h USING (i)',
	footprint => true);
CALL compare('export_account', 1.15, 500,
	'SELECT count(anon_auth.export_account(access_token)) FROM owners WHERE i <= $1',
	'SELECT count(floor_export(user_id, session_id)) FROM floor_owners WHERE i <= $1',
	'SELECT prepare_exports($1)', 'SELECT prepare_floor_exports($1)', footprint => true);
