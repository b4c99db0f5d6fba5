--
-- Passkeys: which responses are accepted, and what a passkey opens. The authenticator is
-- written in SQL: it makes responses with an RSA key, so that nothing of the extension
-- signs. t/116_passkeys.pl has other algorithms, other programs and concurrent calls.
--
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS anon_auth CASCADE;
CREATE EXTENSION anon_auth;
SELECT anon_auth.create_client('app', 'native'), anon_auth.create_client('third', 'third_party_app') \g /dev/null
UPDATE anon_auth.settings SET password_hash_memory_kib = 8192, password_hash_passes = 1, device_key_logins_per_minute = NULL,
	guest_sign_ups_per_minute_per_ip = NULL;
RESET client_min_messages;
SELECT (logins_total -> 'passkey')::int AS logins FROM anon_auth.stats \gset before_

-- ---- the authenticator ----

CREATE FUNCTION base64url(bytes bytea) RETURNS text IMMUTABLE LANGUAGE sql AS $$ SELECT rtrim(translate(encode(bytes, 'base64'), E'+/\n', '-_'), '=') $$;
CREATE FUNCTION bytes(text text) RETURNS bytea IMMUTABLE LANGUAGE sql AS $$
	SELECT decode(translate(text, '-_', '+/') || repeat('=', (4 - length(text) % 4) % 4), 'base64')
$$;
CREATE FUNCTION number(bytes bytea) RETURNS numeric IMMUTABLE LANGUAGE plpgsql AS $$
DECLARE
	result numeric := 0;
BEGIN
	FOR i IN 0 .. length(bytes) - 1 LOOP
		result := result * 256 + get_byte(bytes, i);
	END LOOP;
	RETURN result;
END $$;
CREATE FUNCTION octets(number numeric, length integer) RETURNS bytea IMMUTABLE LANGUAGE plpgsql AS $$
DECLARE
	result bytea := '';
BEGIN
	FOR i IN 1 .. length / 4 LOOP
		result := int4send((mod(number, 4294967296) - CASE WHEN mod(number, 4294967296) >= 2147483648 THEN 4294967296 ELSE 0 END)::int) || result;
		number := div(number, 4294967296);
	END LOOP;
	RETURN result;
END $$;
CREATE FUNCTION power_mod(base numeric, exponent numeric, modulus numeric) RETURNS numeric IMMUTABLE LANGUAGE plpgsql AS $$
DECLARE
	result numeric := 1;
BEGIN
	base := mod(base, modulus);
	WHILE exponent > 0 LOOP
		IF mod(exponent, 2) = 1 THEN
			result := mod(result * base, modulus);
		END IF;
		base := mod(base * base, modulus);
		exponent := div(exponent, 2);
	END LOOP;
	RETURN result;
END $$;
-- RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017, section 8.2.1)
CREATE FUNCTION signature(message bytea) RETURNS bytea IMMUTABLE LANGUAGE plpgsql AS $$
DECLARE
	p CONSTANT numeric := 170019061162828486608384080090551634218599308125397413972186794983407521093905505710436504393760590667903470764280386615044100351942803851148635137393338991808057099034718690004751727943645792958062185905155449702999718224146178447316945757318655691006725415434722806470701497032960844924160517665811044774519;
	q CONSTANT numeric := 132889569563320290914631081145112670043552237820893714345880039392571144816094692550434754559286210316670983665800144730607692747708598826403207737301709509381555794582952598221243730030795864046524391570217208610870617791074832828727727480431770990644654486113370773381781550803146096915448637534777581993253;
	padded CONSTANT numeric := number('\x0001' || decode(repeat('ff', 202), 'hex') || '\x003031300d060960864801650304020105000420' || sha256(message));
	of_p CONSTANT numeric := power_mod(padded, 62866348919828840440987097560680802478284282677003151392160193521719249563889285745166971496620235800468511024776944456450000516176052698855377501021602816553773405571026107616844662148990165871991713856899644668703055857389479871123663679098875190505607168351154886082739664275138321178070125648040023925735, p);
	of_q CONSTANT numeric := power_mod(padded, 29310446435415029756793754336521409974206136956238745149605504820477225053277519276386382915825902469253689807118743489646065560952252865338028409031481620429839464893061626368129119697196304603392130859628755519327018022948665769553981731382902019771556229256279270171561901168187082577975953363217876126653, q);
BEGIN
	RETURN octets(of_q + mod(mod((of_p - of_q) * 34770021892052798567738668389200729022490165968335179386358253494948551831659526066645685816466797764564935170975368259052659677126028774931816100594891445700986653300259765976020591074459185220088907885228413220891127092919414175832393977121580789950703752971926117248253094779588430809081504424893471973254, p) + p, p) * q, 256);
END $$;
CREATE FUNCTION cose_key() RETURNS bytea IMMUTABLE LANGUAGE sql AS $$
	SELECT '\xa401030339010020590100b2fa202ccaf8c410e79a47315926aee5a0e1471c8214ec7a76753160ba9ab0cd3c2a070ba962af866ab5864871e77ac1e5155f6568f8c380ec713d3b54731770e71a8f8480a24f1d2c10115ae55e5d14aac5b276569aabfd573a5c7659d994de649fa9db3b5437a6f3b22814c55665724c0090165aac99366919c9733077c86e87f783bd5349990a91c1737b2ddae5fc7f40335718a528ca4ad9a90e50ac7c9f905b8c508b89b774769e8b6f9355d4477a880bfb2427186702fab6d699069c296f85634a40cd5343bacb89e5a91b181d9049c7dae40101f1fd6a69dbcaa5d89c4acadb6bc169cd6b18c9095dc1cf8626eb955e8e2d8447e04ce10ee3f92866332143010001'::bytea
$$;
-- the head of a byte string in CBOR
CREATE FUNCTION head(length integer) RETURNS bytea IMMUTABLE LANGUAGE sql AS $$
	SELECT CASE WHEN length < 256 THEN '\x58'::bytea || set_byte('\x00', 0, length) ELSE '\x59'::bytea || int2send(length::int2) END
$$;
CREATE FUNCTION client_data(type text, options jsonb, more jsonb) RETURNS bytea IMMUTABLE LANGUAGE sql AS $$
	SELECT convert_to((jsonb_build_object('type', type, 'challenge', options -> 'challenge', 'origin', 'http://localhost', 'crossOrigin', false) || more)::text, 'UTF8')
$$;
-- the response to create(): flags are UP 1, UV 4, BE 8, BS 16, credential 64
CREATE FUNCTION registration(options jsonb, id bytea, flags integer DEFAULT 69, more jsonb DEFAULT '{}', count integer DEFAULT 0,
	rp text DEFAULT 'localhost', key bytea DEFAULT cose_key()) RETURNS jsonb IMMUTABLE LANGUAGE sql AS $$
	WITH data AS (SELECT sha256(rp::bytea) || set_byte('\x00', 0, flags) || int4send(count) || int8send(0) || int8send(0) || int2send(length(id)::int2) || id || key AS data)
	SELECT jsonb_build_object('id', base64url(id), 'rawId', base64url(id), 'type', 'public-key', 'clientExtensionResults', '{}'::jsonb,
		'response', jsonb_build_object('clientDataJSON', base64url(client_data('webauthn.create', options, more)), 'transports', '["internal", "hybrid"]'::jsonb,
			'attestationObject', base64url('\xa363666d74646e6f6e656761747453746d74a0686175746844617461' || head(length(data)) || data)))
	FROM data
$$;
-- the response to get()
CREATE FUNCTION assertion(options jsonb, id bytea, handle uuid, flags integer DEFAULT 5, more jsonb DEFAULT '{}', count integer DEFAULT 0,
	rp text DEFAULT 'localhost') RETURNS jsonb IMMUTABLE LANGUAGE sql AS $$
	WITH data AS (SELECT sha256(rp::bytea) || set_byte('\x00', 0, flags) || int4send(count) AS data, client_data('webauthn.get', options, more) AS client)
	SELECT jsonb_build_object('id', base64url(id), 'rawId', base64url(id), 'type', 'public-key', 'clientExtensionResults', '{}'::jsonb,
		'response', jsonb_build_object('clientDataJSON', base64url(client), 'authenticatorData', base64url(data),
			'signature', base64url(signature(data || sha256(client))), 'userHandle', base64url(uuid_send(handle))))
	FROM data
$$;

-- ---- helpers ----

-- the result of a statement, or the SQLSTATE and the reason
CREATE FUNCTION try(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
	detail text;
BEGIN
	EXECUTE statement INTO result;
	RETURN coalesce(result, 'no row');
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN concat_ws(' ', sqlstate, CASE WHEN detail LIKE '{%' THEN coalesce(detail::jsonb ->> 'reason', detail::jsonb ->> 'login_id_type', detail) ELSE coalesce(nullif(detail, ''), sqlerrm) END);
END $$;
CREATE TABLE account (name text PRIMARY KEY, sub uuid, access_token text, refresh_token text);
CREATE FUNCTION sub(who text) RETURNS uuid LANGUAGE sql AS $$ SELECT a.sub FROM account a WHERE a.name = who $$;
CREATE FUNCTION token(who text) RETURNS text LANGUAGE sql AS $$ SELECT access_token FROM account WHERE name = who $$;
CREATE PROCEDURE guest(name text) LANGUAGE sql AS $$
	INSERT INTO account SELECT name, g.sub, g.access_token, g.refresh_token FROM anon_auth.authenticate_anonymously('app') g
$$;
CREATE PROCEDURE sign_up(who text) LANGUAGE sql AS $$
	INSERT INTO account SELECT who, p.sub, p.access_token, p.refresh_token FROM anon_auth.sign_up('app', username => who, password => 'correct horse') p
$$;
CREATE FUNCTION creation(who text) RETURNS jsonb LANGUAGE sql AS $$ SELECT anon_auth.passkey_creation_options(token(who)) $$;
CREATE FUNCTION add(who text, response jsonb, passkey_name text DEFAULT NULL) RETURNS text LANGUAGE sql AS $$
	SELECT try(format('SELECT anon_auth.add_passkey(%L, %L, %L)', response, passkey_name, token(who)))
$$;
CREATE FUNCTION request() RETURNS jsonb LANGUAGE sql AS $$ SELECT anon_auth.passkey_request_options('app') $$;
-- who is logged in
CREATE FUNCTION log_in(response jsonb, client text DEFAULT 'app') RETURNS text LANGUAGE sql AS $$
	SELECT try(format('SELECT coalesce((SELECT name FROM account WHERE account.sub = r.sub), ''somebody else'') FROM anon_auth.authenticate_with_passkey(%L, %L) r', client, response))
$$;

-- ---- options ----

CALL guest('guest');
CALL sign_up('ada');
CALL sign_up('bob');
SELECT jsonb_pretty(anon_auth.passkey_request_options('app') - 'challenge');
SELECT jsonb_pretty((o - 'challenge' - 'user') || jsonb_build_object('user', (o -> 'user') - 'id')), bytes(o #>> '{user,id}') = uuid_send(sub('ada')) AS handle
FROM creation('ada') o;
SELECT o #>> '{user,name}' = 'guest ' || right(sub('guest')::text, 6) AS guest, o #>> '{user,displayName}' = o #>> '{user,name}' AS display_name FROM creation('guest') o;
-- with nobody logged in: for an account that does not exist yet
SELECT anon_auth.passkey_creation_options() AS options \gset
SELECT :'options'::jsonb #>> '{user,name}' LIKE 'user ______' AS name;
SELECT count(*) AS users FROM anon_auth.users WHERE id = encode(bytes(:'options'::jsonb #>> '{user,id}'), 'hex')::uuid;
SELECT try('SELECT anon_auth.passkey_request_options(''nobody'')'), try('SELECT anon_auth.passkey_request_options(''third'')'), try('SELECT anon_auth.passkey_request_options(NULL)');
SELECT try('SELECT anon_auth.passkey_creation_options(''x'')');
-- every challenge is another one
SELECT count(DISTINCT request() ->> 'challenge') FROM generate_series(1, 10);

-- ---- adding ----

SELECT add('ada', registration(creation('ada'), 'ada 1', flags => 93), 'My phone');
SELECT credential_id, name, alg, is_backup_eligible, is_backed_up, transports, created_at = last_used_at AS unused FROM anon_auth.list_passkeys(token('ada'));
-- the next one is for another authenticator
SELECT creation('ada') -> 'excludeCredentials';
SELECT add('ada', registration(creation('ada'), 'ada 1')) AS again, add('bob', registration(creation('bob'), 'ada 1')) AS by_another_user;
SELECT add('guest', registration(creation('guest'), 'guest 1')) AS guest;
-- for another user, for a sign-up, for a login
SELECT add('bob', registration(creation('ada'), 'bob 1')) AS other_user, add('bob', registration(anon_auth.passkey_creation_options(), 'bob 1')) AS sign_up,
	add('bob', registration(request(), 'bob 1')) AS login, add('bob', registration('{"challenge": "AAAA"}', 'bob 1')) AS made_up;
SELECT add('bob', assertion(creation('bob'), 'ada 1', sub('ada'))) AS assertion;
-- what the page and the authenticator say
SELECT add('bob', registration(creation('bob'), 'bob 1', more => '{"origin": "http://localhost.evil.example"}')) AS origin,
	add('bob', registration(creation('bob'), 'bob 1', more => '{"origin": "http://localhost:8080"}')) AS port,
	add('bob', registration(creation('bob'), 'bob 1', more => '{"origin": null}')) AS no_origin,
	add('bob', registration(creation('bob'), 'bob 1', more => '{"crossOrigin": true}')) AS cross_origin,
	add('bob', registration(creation('bob'), 'bob 1', more => '{"crossOrigin": "no"}')) AS unreadable,
	add('bob', registration(creation('bob'), 'bob 1', more => '{"topOrigin": "http://localhost"}')) AS top_origin,
	add('bob', registration(creation('bob'), 'bob 1', more => '{"type": "webauthn.get"}')) AS type;
SELECT add('bob', registration(creation('bob'), 'bob 1', rp => 'evil.example')) AS rp_id,
	add('bob', registration(creation('bob'), 'bob 1', flags => 68)) AS nobody_there,
	add('bob', registration(creation('bob'), 'bob 1', flags => 85)) AS backed_up,
	add('bob', registration(creation('bob'), 'bob 1', flags => 5)) AS no_credential,
	add('bob', registration(creation('bob'), 'bob 1', flags => 197)) AS no_extensions;
SELECT add('bob', registration(creation('bob'), '')) AS no_id, add('bob', registration(creation('bob'), decode(repeat('aa', 1024), 'hex'))) AS long_id,
	length(add('bob', registration(creation('bob'), decode(repeat('aa', 1023), 'hex')))) AS longest_id;
SELECT add('bob', registration(creation('bob'), 'bob 1', key => '\xa401030339010020412a2143010001')) AS weak_key,
	add('bob', registration(creation('bob'), 'bob 1', key => '\xa501020338222002215820' || sha256('x') || '\x225820' || sha256('y'))) AS other_algorithm,
	add('bob', registration(creation('bob'), 'bob 1', key => '\xa5010203262001215820' || sha256('x') || '\x225820' || sha256('y'))) AS off_curve,
	add('bob', registration(creation('bob'), 'bob 1', key => cose_key() || '\x00')) AS trailing,
	add('bob', registration(creation('bob'), 'bob 1', key => overlay(cose_key() PLACING '\x26' FROM 5 FOR 3))) AS confused;
SELECT add('bob', registration(creation('bob'), 'bob 1') || '{"clientExtensionResults": {"credProps": {"rk": false}}}') AS not_kept,
	add('bob', registration(creation('bob'), 'bob 1') || '{"rawId": "AAAA"}') AS other_id, add('bob', registration(creation('bob'), 'bob 1') || '{"id": "AAAA", "rawId": "AAAA"}') AS both,
	add('bob', registration(creation('bob'), 'bob 1') || '{"type": "password"}') AS type, add('bob', registration(creation('bob'), 'bob 1') - 'response') AS no_response,
	add('bob', registration(creation('bob'), 'bob 1') || '{"id": "b b"}') AS not_base64url;
SELECT add('bob', NULL), add('bob', 'null'), add('bob', '[]'), add('bob', '{}'), add('bob', '"x"');
SELECT add('bob', jsonb_set(registration(creation('bob'), 'bob 1'), '{response,attestationObject}', to_jsonb(base64url(decode(repeat('9f', 40000), 'hex'))))) AS huge,
	add('bob', jsonb_set(registration(creation('bob'), 'bob 1'), '{response,attestationObject}', to_jsonb(base64url('\xbbffffffffffffffff')))) AS claims_to_be_huge,
	add('bob', jsonb_set(registration(creation('bob'), 'bob 1'), '{response,clientDataJSON}', to_jsonb(base64url('{"type": "webauthn.create", "type": "x"}')))) AS duplicate;
SELECT add('bob', registration(creation('bob'), 'bob 1'), repeat('x', 101)) AS long_name,
	add('bob', registration(creation('bob'), 'bob 1'), '') AS empty_name, add('bob', registration(creation('bob'), 'bob 1'), E'a\u202Eb') AS reordering_name;
-- none of these has changed anything
SELECT name, (SELECT count(*) FROM anon_auth.list_passkeys(access_token)) AS passkeys FROM account ORDER BY name;
-- a challenge works once, also after a rollback
SELECT registration(creation('bob'), 'bob 2') AS response \gset
BEGIN;
SELECT add('bob', :'response');
ROLLBACK;
SELECT add('bob', :'response') AS again, (SELECT count(*) FROM anon_auth.list_passkeys(token('bob'))) AS passkeys;

-- ---- login ----

SELECT log_in(assertion(request(), 'ada 1', sub('ada'), flags => 29)) AS ada, log_in(assertion(request(), 'guest 1', sub('guest'))) AS guest;
SELECT sub('ada') AS ada, sub('guest') AS guest \gset
SELECT amr, count(*) FROM anon_auth.sessions WHERE user_id IN (:'ada', :'guest') GROUP BY amr ORDER BY amr;
SELECT log_in(assertion(request(), 'guest 1', sub('guest'), flags => 1)) AS not_verified;
SELECT amr FROM anon_auth.sessions WHERE user_id = :'guest' ORDER BY id DESC LIMIT 1;
SELECT type, payload FROM anon_auth.events WHERE user_id = :'ada' ORDER BY id;
SELECT (logins_total -> 'passkey')::int - :before_logins AS logins FROM anon_auth.stats;
SELECT log_in(assertion(request(), 'nobody', sub('ada'))) AS unknown, log_in(assertion(request(), 'ada 1', sub('bob'), flags => 29)) AS handle_of_another_user,
	log_in(assertion(request(), 'ada 1', sub('ada'), flags => 29) #- '{response,userHandle}') AS no_handle,
	log_in(assertion(request(), 'ada 1', sub('ada'))) AS not_backup_eligible, log_in(assertion(request(), 'ada 1', sub('ada'), flags => 21)) AS backed_up;
SELECT log_in(assertion(request(), 'ada 1', sub('ada'), flags => 29, more => '{"origin": "https://localhost"}')) AS origin,
	log_in(assertion(request(), 'ada 1', sub('ada'), flags => 29, more => '{"crossOrigin": true}')) AS cross_origin,
	log_in(assertion(request(), 'ada 1', sub('ada'), flags => 29, more => '{"type": "webauthn.create"}')) AS type,
	log_in(assertion(request(), 'ada 1', sub('ada'), flags => 29, rp => 'evil.example')) AS rp_id,
	log_in(assertion(request(), 'ada 1', sub('ada'), flags => 28)) AS nobody_there,
	log_in(assertion(creation('ada'), 'ada 1', sub('ada'), flags => 29)) AS other_purpose,
	log_in(registration(creation('ada'), 'ada 1')) AS registration;
SELECT log_in(jsonb_set(assertion(request(), 'ada 1', sub('ada'), flags => 29), '{response,signature}', to_jsonb(base64url(signature('x'))))) AS signature,
	log_in(jsonb_set(assertion(request(), 'ada 1', sub('ada'), flags => 29), '{response,signature}', '"AAAA"')) AS short_signature,
	log_in(assertion(request(), 'ada 1', sub('ada'), flags => 29), 'nobody') AS client, log_in(assertion(request(), 'ada 1', sub('ada'), flags => 29), 'third') AS client_type;
-- once, also after a rollback
SELECT assertion(request(), 'ada 1', sub('ada'), flags => 29) AS response \gset
SELECT log_in(:'response'), log_in(:'response') AS again;
SELECT assertion(request(), 'ada 1', sub('ada'), flags => 29) AS response \gset
BEGIN;
SELECT log_in(:'response');
ROLLBACK;
SELECT log_in(:'response') AS again;
-- the row remembers it as well: a standby that was promoted has no other memory
SELECT assertion(request(), 'ada 1', sub('ada'), flags => 29) AS response \gset
SELECT log_in(:'response'), anon_auth.reset_counters() \g /dev/null
SELECT log_in(:'response') AS again;
-- a challenge that was changed
SELECT anon_auth.passkey_request_options('app') AS options \gset
SELECT log_in(assertion(jsonb_set(:'options', '{challenge}', to_jsonb(overlay(:'options'::jsonb ->> 'challenge' PLACING CASE substr(:'options'::jsonb ->> 'challenge', 20, 1) WHEN 'x' THEN 'y' ELSE 'x' END FROM 20 FOR 1))), 'ada 1', sub('ada'), flags => 29)) AS changed;

-- ---- the counter ----

SELECT add('bob', registration(creation('bob'), 'bob counts', count => 7));
SELECT log_in(assertion(request(), 'bob counts', sub('bob'), count => 8)) AS greater, log_in(assertion(request(), 'bob counts', sub('bob'), count => 8)) AS equal,
	log_in(assertion(request(), 'bob counts', sub('bob'), count => 3)) AS less, log_in(assertion(request(), 'bob counts', sub('bob'))) AS zero,
	log_in(assertion(request(), 'bob counts', sub('bob'), count => -1)) AS greatest;
SELECT sign_count FROM anon_auth.passkeys WHERE credential_id = 'bob counts';
-- one event for each refused login
SELECT sub('bob') AS bob \gset
SELECT type, payload - 'credential_id' AS payload FROM anon_auth.events WHERE user_id = :'bob' AND type IN ('passkey.counter_not_increased', 'authentication.failed') ORDER BY id;

-- ---- settings ----

UPDATE anon_auth.settings SET passkey_user_verification = 'required';
SELECT o ->> 'userVerification' AS request, c #>> '{authenticatorSelection,userVerification}' AS creation FROM request() o, creation('ada') c;
SELECT log_in(assertion(request(), 'guest 1', sub('guest'), flags => 1)) AS login, add('bob', registration(creation('bob'), 'bob 3', flags => 65)) AS adding,
	log_in(assertion(request(), 'guest 1', sub('guest'))) AS verified;
UPDATE anon_auth.settings SET passkey_user_verification = DEFAULT, passkey_rp_id = 'example.org', passkey_rp_name = 'Example',
	passkey_origins = '{https://www.example.org,android:apk-key-hash:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAc}';
SELECT creation('ada') -> 'rp' AS rp, request() ->> 'rpId' AS rp_id;
SELECT log_in(assertion(request(), 'guest 1', sub('guest'))) AS old_origin, log_in(assertion(request(), 'guest 1', sub('guest'), more => '{"origin": "https://www.example.org"}')) AS old_rp_id,
	log_in(assertion(request(), 'guest 1', sub('guest'), more => '{"origin": "https://www.example.org"}', rp => 'example.org')) AS web,
	log_in(assertion(request(), 'guest 1', sub('guest'), more => '{"origin": "android:apk-key-hash:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAc"}', rp => 'example.org')) AS app;
UPDATE anon_auth.settings SET passkey_rp_id = DEFAULT, passkey_rp_name = DEFAULT, passkey_origins = DEFAULT, issuer = 'https://auth.example.org:8443/path';
SELECT anon_auth.passkey_creation_options() -> 'rp' AS rp, log_in(assertion(request(), 'guest 1', sub('guest'), more => '{"origin": "https://auth.example.org:8443"}', rp => 'auth.example.org')) AS issuer;
UPDATE anon_auth.settings SET issuer = DEFAULT;

-- ---- credentials, and removing ----

UPDATE anon_auth.sessions SET authenticated_at = now() - interval '1 hour' WHERE user_id IN (:'ada', :'guest');
SELECT try('SELECT anon_auth.passkey_creation_options(token(''ada''))') AS options, try(format('SELECT anon_auth.remove_passkey(%L, token(''ada''))', base64url('ada 1'))) AS remove,
	add('guest', registration(creation('guest'), 'guest 2')) AS guest;
UPDATE anon_auth.sessions SET authenticated_at = now() WHERE user_id = :'ada';
-- bob cannot remove ada's, and nobody what is not there
SELECT anon_auth.remove_passkey(base64url('ada 1'), token('bob')) AS of_another_user, anon_auth.remove_passkey('x', token('bob')) AS unknown, try('SELECT anon_auth.remove_passkey(NULL, token(''bob''))') AS none;
SELECT count(*) AS sessions FROM anon_auth.list_sessions(token('ada'));
SELECT anon_auth.remove_passkey(base64url('ada 1'), token('ada')), log_in(assertion(request(), 'ada 1', sub('ada'), flags => 29)) AS login;
SELECT count(*) AS sessions FROM anon_auth.list_sessions(token('ada'));
SELECT cardinality(passkey_routes) AS passkeys FROM anon_auth.users WHERE id = :'ada';
SELECT type, payload FROM anon_auth.events WHERE user_id = :'ada' AND type LIKE 'passkey.%' ORDER BY id;
-- an account keeps a way in
INSERT INTO account SELECT 'eve', s.sub, s.access_token, s.refresh_token FROM anon_auth.sign_up('app', passkey => (SELECT registration(anon_auth.passkey_creation_options(), 'eve 1'))) s;
SELECT anon_auth.userinfo(token('eve')) ->> 'https://authgear.com/claims/user/is_anonymous' AS is_anonymous,
	(SELECT array_agg(i ->> 'type') FROM jsonb_array_elements(anon_auth.userinfo(token('eve')) -> 'https://authgear.com/claims/user/authenticators') i) AS authenticators;
SELECT log_in(assertion(request(), 'eve 1', sub('eve'))), try(format('SELECT anon_auth.remove_passkey(%L, token(''eve''))', base64url('eve 1'))) AS last_one;
SELECT add('eve', registration(creation('eve'), 'eve 2'));
SELECT try(format('SELECT anon_auth.remove_passkey(%L, token(''eve''))', base64url('eve 1'))) AS one_of_two;
-- a guest can remove the last one
SELECT anon_auth.remove_passkey(base64url('guest 2'), token('guest')), anon_auth.remove_passkey(base64url('guest 1'), token('guest'));
-- not more than twenty
SELECT count(*) FROM (SELECT add('bob', registration(creation('bob'), ('bob ' || i)::bytea)) FROM generate_series(10, 27) i) a;
SELECT add('bob', registration(creation('bob'), 'one too many')), (SELECT count(*) FROM anon_auth.list_passkeys(token('bob')));

-- ---- sign-up ----

SELECT bytes(o #>> '{user,id}') = uuid_send(s.sub) AS same_id FROM anon_auth.passkey_creation_options() o, LATERAL anon_auth.sign_up('app', username => 'fay', passkey => registration(o, 'fay 1')) s;
SELECT anon_auth.passkey_creation_options() AS options \gset
SELECT try(format('SELECT sub(''x'') FROM anon_auth.sign_up(''app'', username => ''fay'', passkey => %L)', registration(:'options', 'fay 2'))) AS taken,
	try(format('SELECT ''signed up'' FROM anon_auth.sign_up(''app'', username => ''gus'', passkey => %L)', registration(:'options', 'fay 1'))) AS known_passkey,
	try(format('SELECT ''signed up'' FROM anon_auth.sign_up(''app'', username => ''gus'', passkey => %L)', registration(creation('ada'), 'gus 1'))) AS for_another_user,
	try(format('SELECT ''signed up'' FROM anon_auth.sign_up(''app'', passkey => %L)', assertion(request(), 'eve 2', sub('eve')))) AS log_in_instead,
	try(format('SELECT ''signed up'' FROM anon_auth.sign_up(''app'', username => ''gus'', passkey => %L)', registration(:'options', 'gus 1'))) AS signed_up,
	try(format('SELECT ''signed up'' FROM anon_auth.sign_up(''app'', username => ''gus2'', passkey => %L)', registration(:'options', 'gus 2'))) AS used;
UPDATE anon_auth.settings SET public_sign_up_enabled = false;
SELECT try('SELECT anon_auth.passkey_creation_options()') AS closed;
UPDATE anon_auth.settings SET public_sign_up_enabled = DEFAULT;

-- ---- promotion ----

CALL guest('hal');
SELECT add('hal', registration(creation('hal'), 'hal 1'));
-- a passkey instead of a password and login IDs
SELECT r.sub = sub('hal') AS same_sub FROM anon_auth.promote_anonymous_user('app', refresh_token => (SELECT refresh_token FROM account WHERE name = 'hal'),
	passkey => registration(creation('hal'), 'hal 2')) r;
SELECT log_in(assertion(request(), 'hal 1', sub('hal'))) AS kept, log_in(assertion(request(), 'hal 2', sub('hal'))) AS added;
SELECT sub('hal') AS hal \gset
SELECT type, payload FROM anon_auth.events WHERE user_id = :'hal' AND type LIKE 'user.anonymous%';
-- whoever has sent the link keeps nothing
CALL guest('ian');
SELECT add('ian', registration(creation('ian'), 'of the sender'));
SELECT promotion_code FROM anon_auth.create_promotion_code((SELECT refresh_token FROM account WHERE name = 'ian')) \gset
SELECT r.sub = sub('ian') AS same_sub FROM anon_auth.promote_anonymous_user('app', username => 'ian', password => 'correct horse', promotion_code => :'promotion_code') r;
SELECT log_in(assertion(request(), 'of the sender', sub('ian'))) AS sender;
-- a conflict
CALL guest('jon');
SELECT add('jon', registration(creation('jon'), 'jon 1'));
CREATE FUNCTION promote(who text, passkey jsonb, username text DEFAULT NULL) RETURNS text LANGUAGE sql AS $$
	SELECT try(format('SELECT coalesce((SELECT name FROM account WHERE account.sub = r.sub), ''somebody else'') FROM anon_auth.promote_anonymous_user(''app'', username => %L, passkey => %L, refresh_token => %L) r',
		username, passkey, (SELECT refresh_token FROM account WHERE name = who)))
$$;
SELECT promote('jon', assertion(request(), 'eve 2', sub('eve'))) AS error, promote('jon', assertion(request(), 'jon 1', sub('jon'))) AS own, promote('jon', registration(creation('eve'), 'jon 2')) AS of_another_user;
UPDATE anon_auth.settings SET promotion_conflict = 'login';
SELECT promote('jon', assertion(request(), 'eve 2', sub('eve'))) AS by_passkey, promote('jon', assertion(request(), 'eve 2', sub('eve')), 'ada') AS of_another_account,
	promote('jon', registration(creation('jon'), 'jon 2'), 'ada') AS proves_nothing;
SELECT sub('jon') AS jon \gset
SELECT is_anonymous FROM anon_auth.users WHERE id = :'jon';
UPDATE anon_auth.settings SET promotion_conflict = 'merge';
SELECT promote('jon', assertion(request(), 'eve 2', sub('eve'))) AS merged, log_in(assertion(request(), 'jon 1', sub('jon'))) AS of_the_guest;
SELECT count(*) AS guests FROM anon_auth.users WHERE id = :'jon';
-- a claim does not give an account the passkey of whoever had the guest
CALL guest('kim');
SELECT add('kim', registration(creation('kim'), 'kim 1'));
SELECT count(*) FROM anon_auth.claim_anonymous_user('app', token('eve'), refresh_token => (SELECT refresh_token FROM account WHERE name = 'kim'));
SELECT log_in(assertion(request(), 'kim 1', sub('kim'))) AS of_the_guest, log_in(assertion(request(), 'kim 1', sub('eve'))) AS of_the_account;
UPDATE anon_auth.settings SET promotion_conflict = DEFAULT;

-- ---- disabling, deletion, reclaiming, purge, export ----

SELECT anon_auth.disable_user(sub('hal'));
SELECT log_in(assertion(request(), 'hal 1', sub('hal'))) AS disabled;
SELECT payload FROM anon_auth.events WHERE user_id = :'hal' AND type = 'authentication.failed';
SELECT anon_auth.delete_user(sub('hal'));
SELECT log_in(assertion(request(), 'hal 1', sub('hal'))) AS deleted;
-- somebody has opened an account with another person's address
INSERT INTO account SELECT 'mal', s.sub, s.access_token, s.refresh_token FROM anon_auth.sign_up('app', email => 'owner@example.com', password => 'correct horse',
	passkey => (SELECT registration(anon_auth.passkey_creation_options(), 'of the attacker'))) s;
SELECT anon_auth.request_login_code('app', 'owner@example.com') IS NOT NULL AS requested;
SELECT code FROM anon_auth.take_outbox_messages(100) WHERE code IS NOT NULL \gset
WITH login AS MATERIALIZED (SELECT * FROM anon_auth.authenticate_with_code('app', 'owner@example.com', :'code'))
UPDATE account a SET name = 'owner', access_token = l.access_token FROM login l WHERE a.sub = l.sub RETURNING a.name;
SELECT log_in(assertion(request(), 'of the attacker', sub('owner'))) AS attacker;
-- the owner of a verified address gets a message
SELECT add('owner', registration(creation('owner'), 'owner 1'));
SELECT anon_auth.remove_passkey(base64url('owner 1'), token('owner'));
SELECT type, recipient, code FROM anon_auth.take_outbox_messages(100);
CALL guest('pat');
SELECT add('pat', registration(creation('pat'), 'pat 1'));
SELECT anon_auth.request_login_code('app', 'pat@example.com', refresh_token => (SELECT refresh_token FROM account WHERE name = 'pat')) IS NOT NULL AS requested;
SELECT code FROM anon_auth.take_outbox_messages(100) WHERE code IS NOT NULL \gset
SELECT r.sub = sub('pat') AS same_sub FROM anon_auth.promote_anonymous_user('app', email => 'pat@example.com', code => :'code', refresh_token => (SELECT refresh_token FROM account WHERE name = 'pat')) r;
SELECT type, recipient, code FROM anon_auth.take_outbox_messages(100);
-- a guest with a passkey is kept as one with a device key
CALL guest('ned');
CALL guest('oda');
SELECT add('ned', registration(creation('ned'), 'ned 1'));
SELECT sub('ned') AS ned, sub('oda') AS oda \gset
DELETE FROM anon_auth.sessions WHERE user_id IN (:'ned', :'oda');
UPDATE anon_auth.users SET purge_from = now() - interval '1 day', last_seen_at = now() - interval '1 day' WHERE id IN (:'ned', :'oda');
SELECT guests FROM anon_auth.purge();
SELECT name FROM account JOIN anon_auth.users ON id = sub WHERE name IN ('ned', 'oda');
SELECT log_in(assertion(request(), 'ned 1', sub('ned')));
DELETE FROM anon_auth.sessions WHERE user_id = :'ned';
UPDATE anon_auth.settings SET guest_retention = '1 hour';
UPDATE anon_auth.users SET purge_from = now() - interval '1 day', last_seen_at = now() - interval '1 day' WHERE id = :'ned';
SELECT guests FROM anon_auth.purge();
SELECT count(*) AS guests FROM anon_auth.users WHERE id = :'ned';
SELECT count(*) AS passkeys FROM anon_auth.passkeys WHERE user_id = :'ned';
UPDATE anon_auth.settings SET guest_retention = DEFAULT;
SELECT (anon_auth.export_account(token('eve')) #> '{passkeys,0}') - 'created_at' - 'last_used_at' - 'jwk' - 'user_id' AS exported;

-- ---- rights of the tables' rows ----

SELECT count(*) AS lost FROM (SELECT route, user_id FROM anon_auth.passkeys OFFSET 0) p FULL JOIN (SELECT id, unnest(passkey_routes) AS route FROM anon_auth.users OFFSET 0) u ON u.id = p.user_id AND u.route = p.route
WHERE u.id IS NULL OR p.user_id IS NULL;

DROP FUNCTION base64url, bytes, number, octets, power_mod, signature, cose_key, head, client_data, registration, assertion, try, sub, token, creation, add, request, log_in, promote;
DROP PROCEDURE guest, sign_up;
DROP TABLE account;
