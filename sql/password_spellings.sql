--
-- Passwords are compared in NFC, with every space as U+0020 (RFC 8265, OpaqueString).
--
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS anon_auth CASCADE;
CREATE EXTENSION anon_auth;
RESET client_min_messages;

SELECT anon_auth.create_client('app', 'native', '{https://app.example/callback}');
UPDATE anon_auth.settings SET password_hash_memory_kib = 8192, password_hash_passes = 1, promotion_conflict = 'login',
	password_attempts_per_minute_per_user_per_ip = NULL;

-- the same password: composed, decomposed, with another order of marks, and with
-- the space of the option key of a Mac
CREATE TABLE spellings (name text, password text);
INSERT INTO spellings VALUES
	('composed', U&'caf\00E9 \1EC7 \AC00'),
	('decomposed', U&'cafe\0301 e\0323\0302 \1100\1161'),
	('marks in another order', U&'cafe\0301 e\0302\0323 \1100\1161'),
	('no-break spaces', U&'caf\00E9\00A0\1EC7\3000\AC00'),
	('other letters', 'cafe e' || U&' \AC00'),
	('other case', U&'CAF\00C9 \1EC7 \AC00'),
	('compatibility characters', U&'\FF43af\00E9 \1EC7 \AC00'),
	('two spaces', U&'caf\00E9  \1EC7 \AC00');

-- a password set in one spelling is right in the others, also for a proof of the
-- account at promotion
CREATE FUNCTION logs_in(login_id text, password text) RETURNS boolean LANGUAGE sql AS $$
	SELECT EXISTS (SELECT FROM anon_auth.authenticate('app', login_id, password))
$$;
CREATE FUNCTION sign_up(email text, password text) RETURNS boolean LANGUAGE sql AS $$
	SELECT EXISTS (SELECT FROM anon_auth.authenticate_anonymously('app') g,
		anon_auth.promote_anonymous_user('app', email => email, password => password, refresh_token => g.refresh_token))
$$;
SELECT s.name AS set, sign_up(replace(s.name, ' ', '.') || '@example.com', s.password) FROM spellings s LIMIT 4;
SELECT t.name AS typed, bool_and(logs_in(replace(s.name, ' ', '.') || '@example.com', t.password)) AS all_log_in,
	bool_or(logs_in(replace(s.name, ' ', '.') || '@example.com', t.password)) AS any_logs_in
FROM (SELECT * FROM spellings LIMIT 4) s, spellings t GROUP BY t.name ORDER BY t.name COLLATE "C";
SELECT sign_up('composed@example.com', (SELECT password FROM spellings WHERE name = 'decomposed')) AS proven_at_promotion,
	sign_up('composed@example.com', (SELECT password FROM spellings WHERE name = 'other letters')) AS not_proven;

-- a reset, too
SELECT anon_auth.request_password_reset('composed@example.com');
SELECT code FROM anon_auth.take_outbox_messages() \gset
SELECT anon_auth.reset_password('composed@example.com', :'code', U&'nai\0308vete\0301\2003x');
SELECT logs_in('composed@example.com', U&'na\00EFvet\00E9 x');

-- the policy counts the characters of the normal form
SELECT sign_up('short@example.com', U&'e\0301e\0301e\0301e\0301');
SELECT sign_up('short@example.com', repeat(U&'\00E9', 8));

-- a password at the limit of length is hashed, although its normal form is longer;
-- a longer one is refused without being read
SELECT sign_up('long@example.com', repeat(U&'\0958', 2730));
SELECT logs_in('long@example.com', repeat(U&'\0958', 2730));
SELECT logs_in('long@example.com', repeat(U&'\0958', 2731));
SELECT sign_up('longer@example.com', repeat(U&'\0958', 100000000));

DROP FUNCTION logs_in, sign_up;
DROP TABLE spellings;
