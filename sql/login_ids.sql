--
-- Login IDs and passwords: accepted values, and their normalised form.
--
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS anon_auth CASCADE;
CREATE EXTENSION anon_auth;
RESET client_min_messages;

\pset format unaligned
SELECT anon_auth.create_client('app', 'native');
UPDATE anon_auth.settings SET password_hash_memory_kib = 8192, password_hash_passes = 1;

-- Return the normalised value after a promotion of a new guest with one login
-- ID, or the error. Everything is rolled back.
CREATE FUNCTION attempt(type text, input text, password text DEFAULT 'correct horse')
	RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	guest anon_auth.token_response;
	result text;
	detail text;
	reasons text;
BEGIN
	guest := anon_auth.authenticate_anonymously('app');
	PERFORM anon_auth.promote_anonymous_user('app',
		email => CASE WHEN type = 'email' THEN input END,
		phone_number => CASE WHEN type = 'phone_number' THEN input END,
		username => CASE WHEN type = 'username' THEN input END,
		password => password,
		refresh_token => guest.refresh_token);
	SELECT value INTO result FROM anon_auth.login_ids WHERE user_id = guest.sub;
	RAISE EXCEPTION 'undo' USING ERRCODE = 'ZZ000';
EXCEPTION
	WHEN SQLSTATE 'ZZ000' THEN
		RETURN result;
	WHEN OTHERS THEN
		GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
		IF SQLSTATE NOT IN ('AA009', 'AA010', 'AA011') THEN
			RAISE;
		END IF;
		SELECT string_agg(reason #>> '{}', ' ') INTO reasons FROM jsonb_path_query(detail::jsonb, '$.**.reason') AS reason;
		RETURN concat_ws(' ', SQLSTATE, reasons) || ': ' || (detail::jsonb ->> 'description');
END
$$;

-- on a cluster, a transaction accesses a row as one role
SET ROLE anon_auth_owner;

-- email
SELECT i, CASE WHEN octet_length(input) > 60 THEN left(input, 30) || '...' || octet_length(input) ELSE input END AS input, left(attempt('email', input), 150) AS result
FROM (VALUES
	(1, U&'user@example.com'),
	(2, U&'  User.Name@Example.COM  '),
	(3, U&'user+tag@example.com'),
	(4, U&'a.b.c@example.com'),
	(5, U&'#$%&''*+-/=?^_`{|}~!@example.com'),
	(6, U&'grüßen@example.com'),
	(7, U&'ℌ𝒌@example.com'),
	(8, U&'u@測試.香港'),
	(9, U&'u@測試。香港'),
	(10, U&'u@XN--G6W251D.xn--j6w193g'),
	(11, U&'u@faß.de'),
	(12, U&'u@ＥＸＡＭＰＬＥ．ＣＯＭ'),
	(13, U&'joeK@example.com'),
	(14, U&'用户@例子.广告'),
	(15, U&'e\0301@example.com'),
	(16, U&'STRASSE@example.com'),
	(17, U&'İ@example.com'),
	(18, U&'ı@example.com'),
	(19, U&'хранение@пример.рф'),
	(20, U&''),
	(21, U&'    '),
	(22, U&'@'),
	(23, U&'@example.com'),
	(24, U&'user'),
	(25, U&'user@'),
	(26, U&'user＠example.com'),
	(27, U&'a＠evil.com@example.com'),
	(28, U&'a﹫b@example.com'),
	(29, U&'a@b@example.com'),
	(30, U&'<user@example.com>'),
	(31, U&'Bob <user@example.com>'),
	(32, U&'"a b"@example.com'),
	(33, U&'"ab"@example.com'),
	(34, U&'a(x)@example.com'),
	(35, U&'a,b@example.com'),
	(36, U&'a;b@example.com'),
	(37, U&'a:b@example.com'),
	(38, U&'a\\b@example.com'),
	(39, U&'user@example.com(x)'),
	(40, U&'user@example.com>'),
	(41, U&'a\0009b@example.com'),
	(42, U&'a@example.com\000A'),
	(43, U&'\0009user@example.com'),
	(44, U&'a\000D\000ABcc:x@example.com'),
	(45, U&'a\007F@example.com'),
	(46, U&'a\0001@example.com'),
	(47, U&'a\0085@example.com'),
	(48, U&'a\00A0b@example.com'),
	(49, U&'a\3000b@example.com'),
	(50, U&'\2003user@example.com'),
	(51, U&'us\200Ber@example.com'),
	(52, U&'us\200Der@example.com'),
	(53, U&'us\202Eer@example.com'),
	(54, U&'us\2066er@example.com'),
	(55, U&'us\00ADer@example.com'),
	(56, U&'us\FEFFer@example.com'),
	(57, U&'us\2060er@example.com'),
	(58, U&'us\+0E0041er@example.com'),
	(59, U&'us\3164er@example.com'),
	(60, U&'us\FFA0er@example.com'),
	(61, U&'us\115Fer@example.com'),
	(62, U&'us\FE0Fer@example.com'),
	(63, U&'us\034Fer@example.com'),
	(64, U&'us\E000er@example.com'),
	(65, U&'us\0378er@example.com'),
	(66, U&'us\FFFEer@example.com'),
	(67, U&'us\+10FFFFer@example.com'),
	(68, U&'us�er@example.com'),
	(69, U&'😀@example.com'),
	(70, U&'a．b@example.com'),
	(71, U&'a﹒b@example.com'),
	(72, U&'a․b@example.com'),
	(73, U&'a…b@example.com'),
	(74, U&'a＋b@example.com'),
	(75, U&'a℀b@example.com'),
	(76, U&'ﷺ@example.com'),
	(77, U&'aͺb@example.com'),
	(78, U&'\0301a@example.com'),
	(79, U&'=\0338@example.com'),
	(80, U&'a.\0301b@example.com'),
	(81, U&'ﾞa@example.com'),
	(82, U&'²@example.com'),
	(83, U&'.a@example.com'),
	(84, U&'a.@example.com'),
	(85, U&'a..b@example.com'),
	(86, U&'.@example.com'),
	(87, U&'user@localhost'),
	(88, U&'user@com.'),
	(89, U&'user@example.com.'),
	(90, U&'user@.example.com'),
	(91, U&'user@example..com'),
	(92, U&'user@.'),
	(93, U&'user@-example.com'),
	(94, U&'user@example-.com'),
	(95, U&'user@ab--cd.com'),
	(96, U&'user@exa_mple.com'),
	(97, U&'user@exa mple.com'),
	(98, U&'user@exa%6dple.com'),
	(99, U&'user@[127.0.0.1]'),
	(100, U&'user@[IPv6:::1]'),
	(101, U&'user@127.0.0.1'),
	(102, U&'user@example.123'),
	(103, U&'user@2130706433'),
	(104, U&'user@a.0x7f'),
	(105, U&'user@１２７.０.０.１'),
	(106, U&'user@::1'),
	(107, U&'user@exa\00ADmple.com'),
	(108, U&'user@exa\200Bmple.com'),
	(109, U&'user@example.com\202E'),
	(110, U&'user@ex\200Dample.com'),
	(111, U&'user@نامه\200Cای.com'),
	(112, U&'user@xn--a.com'),
	(113, U&'user@xn--.com'),
	(114, U&'user@xn--example-.com'),
	(115, U&'user@\0301a.com'),
	(116, U&'user@א1a.com'),
	(117, U&'user@exa／mple.com'),
	(118, U&'user@⒈com'),
	(119, U&'user@a℀.com'),
	(120, U&'user@exa／mple.com'),
	(121, U&'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@example.com'),
	(122, U&'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@example.com'),
	(123, U&'ΐΐΐΐΐΐΐΐΐΐΐΐΐΐΐΐΐΐΐΐΐΐΐΐΐΐΐΐΐΐΐΐ@example.com'),
	(124, U&'ŉŉŉŉŉŉŉŉŉŉŉŉŉŉŉŉŉŉŉŉŉŉŉŉŉŉŉŉŉŉŉŉ@example.com'),
	(125, U&'u@aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.com'),
	(126, U&'''; DROP TABLE users; --@example.com'),
	(127, U&'a%00b@example.com'),
	(128, repeat('a', 321)),
	(129, 'u@' || repeat(repeat('a', 62) || '.', 3) || repeat('b', 61)),
	(130, 'u@' || repeat(repeat('a', 62) || '.', 4) || 'com'),
	(131, 'u@' || repeat('測', 100) || '.com'),
	(132, repeat(' ', 5000)),
	(133, repeat('@', 320))) AS v (i, input) ORDER BY i;

-- email, with email_case_sensitive
BEGIN;
UPDATE anon_auth.settings SET email_case_sensitive = 'true';
SELECT i, CASE WHEN octet_length(input) > 60 THEN left(input, 30) || '...' || octet_length(input) ELSE input END AS input, left(attempt('email', input), 150) AS result
FROM (VALUES
	(1, U&'User@Example.COM'),
	(2, U&'GRÜßEN@example.com'),
	(3, U&'ℌ𝒌@example.com'),
	(4, U&'K@example.com')) AS v (i, input) ORDER BY i;
ROLLBACK;

-- email, with email_block_plus_sign
BEGIN;
UPDATE anon_auth.settings SET email_block_plus_sign = 'true';
SELECT i, CASE WHEN octet_length(input) > 60 THEN left(input, 30) || '...' || octet_length(input) ELSE input END AS input, left(attempt('email', input), 150) AS result
FROM (VALUES
	(1, U&'user+tag@example.com'),
	(2, U&'user@example.com'),
	(3, U&'user＋tag@example.com')) AS v (i, input) ORDER BY i;
ROLLBACK;

-- email, with email_ignore_dot_sign
BEGIN;
UPDATE anon_auth.settings SET email_ignore_dot_sign = 'true';
SELECT i, CASE WHEN octet_length(input) > 60 THEN left(input, 30) || '...' || octet_length(input) ELSE input END AS input, left(attempt('email', input), 150) AS result
FROM (VALUES
	(1, U&'u.s.e.r@example.com'),
	(2, U&'.user@example.com'),
	(3, U&'ᄀ.ᅡ@example.com'),
	(4, U&'a.b@x.example.com')) AS v (i, input) ORDER BY i;
ROLLBACK;

-- email, with email_domain_blocklist={Example.com,測試.香港,*.sub.net,.dots.org,dot.end.,*.ru}
BEGIN;
UPDATE anon_auth.settings SET email_domain_blocklist = '{Example.com,測試.香港,*.sub.net,.dots.org,dot.end.,*.ru}';
SELECT i, CASE WHEN octet_length(input) > 60 THEN left(input, 30) || '...' || octet_length(input) ELSE input END AS input, left(attempt('email', input), 150) AS result
FROM (VALUES
	(1, U&'a@EXAMPLE.com'),
	(2, U&'a@xn--g6w251d.xn--j6w193g'),
	(3, U&'a@ｅxample.com'),
	(4, U&'a@sub.example.com'),
	(5, U&'a@notexample.com'),
	(6, U&'a@x.sub.net'),
	(7, U&'a@y.x.sub.net'),
	(8, U&'a@sub.net'),
	(9, U&'a@xsub.net'),
	(10, U&'a@m.dots.org'),
	(11, U&'a@dot.end'),
	(12, U&'a@mail.ru'),
	(13, U&'a@ok.com')) AS v (i, input) ORDER BY i;
ROLLBACK;

-- email, with email_domain_allowlist={example.com,測試.香港}
BEGIN;
UPDATE anon_auth.settings SET email_domain_allowlist = '{example.com,測試.香港}';
SELECT i, CASE WHEN octet_length(input) > 60 THEN left(input, 30) || '...' || octet_length(input) ELSE input END AS input, left(attempt('email', input), 150) AS result
FROM (VALUES
	(1, U&'a@Example.com'),
	(2, U&'a@測試.香港'),
	(3, U&'a@sub.example.com'),
	(4, U&'a@other.com')) AS v (i, input) ORDER BY i;
ROLLBACK;

-- phone_number
SELECT i, CASE WHEN octet_length(input) > 60 THEN left(input, 30) || '...' || octet_length(input) ELSE input END AS input, left(attempt('phone_number', input), 150) AS result
FROM (VALUES
	(1, U&'+85298765432'),
	(2, U&'  +852 9876-5432 '),
	(3, U&'+1 202 555 0123'),
	(4, U&'+49-30-123456'),
	(5, U&'+ 852 98765432'),
	(6, U&'+1234567'),
	(7, U&'+123456789012345'),
	(8, U&'+998901234567'),
	(9, U&'+--1-234567'),
	(10, U&''),
	(11, U&'+'),
	(12, U&'+ -'),
	(13, U&'85298765432'),
	(14, U&'0085298765432'),
	(15, U&'++85298765432'),
	(16, U&'+852(9876)5432'),
	(17, U&'+852.9876.5432'),
	(18, U&'+85298765432x1'),
	(19, U&'tel:+85298765432'),
	(20, U&'+123456'),
	(21, U&'+1234567890123456'),
	(22, U&'+0123456789'),
	(23, U&'+0018529876543'),
	(24, U&'+0085298765432'),
	(25, U&'+21012345678'),
	(26, U&'+99912345678'),
	(27, U&'+99712345678'),
	(28, U&'+38412345678'),
	(29, U&'+８５２98765432'),
	(30, U&'＋85298765432'),
	(31, U&'+852\00A098765432'),
	(32, U&'+852‑98765432'),
	(33, U&'+852\000998765432'),
	(34, U&'+85298765432\000A'),
	(35, U&'+١٢٣٤٥٦٧٨'),
	(36, U&'+1---------------------------------------'),
	(37, U&'+122222222222222222222222222222222222222'),
	(38, U&'+1 202 555 0123                                                            '),
	(39, U&'+1e10000000'),
	(40, U&'+-1234567'),
	(41, U&'+85298765432;ext=1')) AS v (i, input) ORDER BY i;

-- phone_number, with phone_country_code_allowlist={852,+49}
BEGIN;
UPDATE anon_auth.settings SET phone_country_code_allowlist = '{852,+49}';
SELECT i, CASE WHEN octet_length(input) > 60 THEN left(input, 30) || '...' || octet_length(input) ELSE input END AS input, left(attempt('phone_number', input), 150) AS result
FROM (VALUES
	(1, U&'+85298765432'),
	(2, U&'+4930123456'),
	(3, U&'+12025550123'),
	(4, U&'+85398765432'),
	(5, U&'+85012345678')) AS v (i, input) ORDER BY i;
ROLLBACK;

-- phone_number, with phone_country_code_allowlist={85}
BEGIN;
UPDATE anon_auth.settings SET phone_country_code_allowlist = '{85}';
SELECT i, CASE WHEN octet_length(input) > 60 THEN left(input, 30) || '...' || octet_length(input) ELSE input END AS input, left(attempt('phone_number', input), 150) AS result
FROM (VALUES
	(1, U&'+85298765432')) AS v (i, input) ORDER BY i;
ROLLBACK;

-- username
SELECT i, CASE WHEN octet_length(input) > 60 THEN left(input, 30) || '...' || octet_length(input) ELSE input END AS input, left(attempt('username', input), 150) AS result
FROM (VALUES
	(1, U&'alice'),
	(2, U&' Alice_B.c-1 '),
	(3, U&'12345'),
	(4, U&'a'),
	(5, U&'Admin'),
	(6, U&'ROOT'),
	(7, U&'.well-known'),
	(8, U&'..'),
	(9, U&'www2'),
	(10, U&'admin1'),
	(11, U&'null'),
	(12, U&''),
	(13, U&'a b'),
	(14, U&'a@b'),
	(15, U&'a+b'),
	(16, U&'grüßen'),
	(17, U&'Kelvin'),
	(18, U&'аlice'),
	(19, U&'ali\200Bce'),
	(20, U&'alice\000A'),
	(21, U&'a/b'),
	(22, U&'a\\b'),
	(23, U&'<b>'),
	(24, U&'a''b'),
	(25, U&'a%00'),
	(26, U&'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'),
	(27, U&'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'),
	(28, U&'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa  ')) AS v (i, input) ORDER BY i;

-- username, with username_ascii_only=false
BEGIN;
UPDATE anon_auth.settings SET username_ascii_only = 'false';
SELECT i, CASE WHEN octet_length(input) > 60 THEN left(input, 30) || '...' || octet_length(input) ELSE input END AS input, left(attempt('username', input), 150) AS result
FROM (VALUES
	(1, U&'grüßen'),
	(2, U&'ℌ𝒌'),
	(3, U&'GRÜSSEN'),
	(4, U&'u\0308'),
	(5, U&'ａｄｍｉｎ'),
	(6, U&'𝒶𝒹𝓂𝒾𝓃'),
	(7, U&'ⓐdmin'),
	(8, U&'Kelvin'),
	(9, U&'İstanbul'),
	(10, U&'a＿b'),
	(11, U&'a．b'),
	(12, U&'a․b'),
	(13, U&'①'),
	(14, U&'²'),
	(15, U&'Ⅳ'),
	(16, U&'ﬁn'),
	(17, U&'аdmin'),
	(18, U&'αlice'),
	(19, U&'漢字'),
	(20, U&'user٠'),
	(21, U&'user۱'),
	(22, U&'aーb'),
	(23, U&'µ'),
	(24, U&'Ω'),
	(25, U&'a\0327\0301b'),
	(26, U&'a b'),
	(27, U&'a\00A0b'),
	(28, U&'a\3000b'),
	(29, U&'a\200Bb'),
	(30, U&'a\200Db'),
	(31, U&'a\202Eb'),
	(32, U&'a\00ADb'),
	(33, U&'a\3164b'),
	(34, U&'a\180Eb'),
	(35, U&'a\E000'),
	(36, U&'a\0378'),
	(37, U&'a\0001'),
	(38, U&'a\000Ab'),
	(39, U&'a@b'),
	(40, U&'a＠b'),
	(41, U&'a/b'),
	(42, U&'😀'),
	(43, U&'a’b'),
	(44, U&'½'),
	(45, U&'a…b'),
	(46, U&'\0301a'),
	(47, U&'_\0301'),
	(48, U&'ﷺ'),
	(49, U&'℀'),
	(50, U&'a·b'),
	(51, U&'´a'),
	(52, U&'ﷺﷺﷺﷺﷺﷺﷺﷺﷺﷺﷺﷺﷺ'),
	(53, U&'éééééééééééééééééééé'),
	(54, U&'ééééééééééééééééééééé'),
	(55, U&'ŉŉŉŉŉŉŉŉŉŉŉŉŉŉŉŉŉŉŉŉ'),
	(56, U&'…')) AS v (i, input) ORDER BY i;
ROLLBACK;

-- username, with username_block_reserved=false
BEGIN;
UPDATE anon_auth.settings SET username_block_reserved = 'false';
SELECT i, CASE WHEN octet_length(input) > 60 THEN left(input, 30) || '...' || octet_length(input) ELSE input END AS input, left(attempt('username', input), 150) AS result
FROM (VALUES
	(1, U&'Admin')) AS v (i, input) ORDER BY i;
ROLLBACK;

-- username, with username_ascii_only=false username_excluded_keywords={Foo,GRÜß,""}
BEGIN;
UPDATE anon_auth.settings SET username_ascii_only = 'false', username_excluded_keywords = '{Foo,GRÜß,""}';
SELECT i, CASE WHEN octet_length(input) > 60 THEN left(input, 30) || '...' || octet_length(input) ELSE input END AS input, left(attempt('username', input), 150) AS result
FROM (VALUES
	(1, U&'myFOObar'),
	(2, U&'ｆｏｏ'),
	(3, U&'Grüßen'),
	(4, U&'bar')) AS v (i, input) ORDER BY i;
ROLLBACK;

-- password
SELECT i, CASE WHEN octet_length(input) > 60 THEN left(input, 30) || '...' || octet_length(input) ELSE input END AS input, left(attempt('username', 'ada.l', input), 150) AS result
FROM (VALUES
	(1, U&'12345678'),
	(2, U&'1234567'),
	(3, U&''),
	(4, U&'ééééééé'),
	(5, U&'éééééééé'),
	(6, U&'😀😀😀😀😀😀😀😀'),
	(7, U&'        '),
	(8, repeat('a', 8192)),
	(9, repeat('a', 8193))) AS v (i, input) ORDER BY i;

-- password, with password_min_length=1
BEGIN;
UPDATE anon_auth.settings SET password_min_length = '1';
SELECT i, CASE WHEN octet_length(input) > 60 THEN left(input, 30) || '...' || octet_length(input) ELSE input END AS input, left(attempt('username', 'ada.l', input), 150) AS result
FROM (VALUES
	(1, U&''),
	(2, U&'a')) AS v (i, input) ORDER BY i;
ROLLBACK;

-- password, with all password rules
BEGIN;
UPDATE anon_auth.settings SET password_require_uppercase = true, password_require_lowercase = true, password_require_alphabet = true, password_require_digit = true, password_require_symbol = true;
SELECT i, CASE WHEN octet_length(input) > 60 THEN left(input, 30) || '...' || octet_length(input) ELSE input END AS input, left(attempt('username', 'ada.l', input), 150) AS result
FROM (VALUES
	(1, U&'Abcdef1!'),
	(2, U&'abcdef1!'),
	(3, U&'ABCDEF1!'),
	(4, U&'Abcdefg!'),
	(5, U&'Abcdefg1'),
	(6, U&'Abcdef1é'),
	(7, U&'Abcdef1 '),
	(8, U&'Abcdef1\0009'),
	(9, U&'ÀÉÎÕÜ١٢٣'),
	(10, U&'')) AS v (i, input) ORDER BY i;
ROLLBACK;

-- password, with password_excluded_keywords={Authgear,straße}
BEGIN;
UPDATE anon_auth.settings SET password_excluded_keywords = '{Authgear,straße}';
SELECT i, CASE WHEN octet_length(input) > 60 THEN left(input, 30) || '...' || octet_length(input) ELSE input END AS input, left(attempt('username', 'ada.l', input), 150) AS result
FROM (VALUES
	(1, U&'my-AUTHGEAR-pw'),
	(2, U&'ａuthgear1'),
	(3, U&'auth\200Bgear1'),
	(4, U&'STRASSE99'),
	(5, U&'aUTHGEAR'),
	(6, U&'gear'),
	(7, U&'harmless1')) AS v (i, input) ORDER BY i;
ROLLBACK;

-- password, with password_excluded_keywords={x}
BEGIN;
UPDATE anon_auth.settings SET password_excluded_keywords = '{x}';
SELECT i, CASE WHEN octet_length(input) > 60 THEN left(input, 30) || '...' || octet_length(input) ELSE input END AS input, left(attempt('username', 'ada.l', input), 150) AS result
FROM (VALUES
	(1, repeat(U&'\FDFA', 2730))) AS v (i, input) ORDER BY i;
ROLLBACK;

-- the normalised form is itself a valid login ID with the same normal form
-- (a login with what userinfo() shows must find the account)
SELECT count(*) AS unstable
FROM (VALUES ('email', 'Ada+Tag@Example.COM'), ('email', U&'gr\00FC\00DFen@\6E2C\8A66.\9999\6E2F'),
	('phone_number', '+49 151 2345-6789'), ('username', 'Ada.Lovelace')) AS v (type, input),
	LATERAL attempt(type, input) AS once
WHERE attempt(type, once) IS DISTINCT FROM once;

-- login IDs of a disabled kind are refused
UPDATE anon_auth.settings SET login_id_types = '{email}';
SELECT attempt('username', 'ada'), attempt('phone_number', '+4915123456789'), attempt('email', 'ada@example.com');
UPDATE anon_auth.settings SET login_id_types = DEFAULT;

-- each login ID of a user logs in, in any spelling
SELECT * FROM anon_auth.authenticate_anonymously('app') \gset guest_
SELECT sub = :'guest_sub' AS promoted
FROM anon_auth.promote_anonymous_user('app', email => 'Ada@Example.com', phone_number => '+49 151 23456789',
	username => 'Ada', password => 'correct horse', refresh_token => :'guest_refresh_token');
SELECT input, (SELECT sub FROM anon_auth.authenticate('app', input, 'correct horse')) = :'guest_sub' AS logs_in
FROM (VALUES ('ada@example.com'), (' ADA@EXAMPLE.COM '), ('+4915123456789'), ('+49-151-2345 6789'), ('ADA'), ('ada')) AS v (input);
SELECT type, value, original_value, verified_at FROM anon_auth.login_ids ORDER BY type;

-- no other user can get one of them
SELECT attempt('email', 'ADA@example.com'), attempt('phone_number', '+49(0)151'), attempt('phone_number', '+49 15123456789'), attempt('username', 'aDa');
