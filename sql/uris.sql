--
-- URIs in settings and clients are stored only in the form in which browsers send them.
-- t/055_redirect_uris.pl compares the table "spellings" with Chromium.
--
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS anon_auth CASCADE;
CREATE EXTENSION anon_auth;
RESET client_min_messages;
SELECT anon_auth.create_client('app', 'native'), anon_auth.create_client('site', 'spa');

CREATE TABLE spellings (n integer GENERATED ALWAYS AS IDENTITY, uri text);
COPY spellings (uri) FROM stdin;
https://app.example/cb
https://app.example
https://app.example/
https://app.example/cb?tenant=1&next=/home
https://app.example/cb?
https://app.example?tenant=1
https://app.example:8443/cb
https://app.example:65535/
https://app.example/a//b/
https://app.example/~ada/(x)'!$&*+,;=:@
https://app.example/a%2Fb%41
https://sub_domain.app-1.example/
https://xn--bcher-kva.example/
https://xn--80ak6aa92e.com/
https://r3---sn-apo3qvuoxuxbt-j5pe.example/
https://127.0.0.1.example/
http://app.example/
http://localhost:3000/cb
http://127.0.0.1/cb
http://127.0.0.1:8080/cb
http://[::1]/cb
http://[2001:db8::1]:8080/
http://[1:0:0:2::]/
http://[::]/
http://192.168.1.20:5173/
com.example.app://host/path
com.example.app://host
com.example.app://
com.example.app:///cb
com.example.app:/oauth2redirect
com.example.app:cb
com.example.app://Host/it's?x=1
com.example.app://Host/path?x='1'
com.googleusercontent.apps.123-abc:/oauth2redirect/google
msal8a1b2c://auth
myapp://callback
exp://192.168.1.5:19000/--/cb
http.example.app://host/path
https+app:/cb
HTTPS://app.example/cb
https://App.Example/cb
https://app.example:443/cb
http://app.example:80/cb
https://app.example:/cb
https://app.example:08443/cb
https://app.example:65536/cb
https://app.example:99999999999999999999/cb
https://app.example:8443x/cb
https://app.example:-1/cb
https://user@app.example/cb
https://user:password@app.example/cb
https://@app.example/cb
https://app.example@evil.example/cb
https://app.example:443@evil.example/cb
https://app.example%40evil.example/cb
https://app.example\\@evil.example/cb
https://app.example\\.evil.example/cb
https:\\\\app.example\\cb
https:app.example/cb
https:/app.example/cb
https:///app.example/cb
https://
https://?x
https://:443/
//app.example/cb
/cb
app.example/cb
:cb
1app://cb

 https://app.example/cb
https://app.example/cb 
https://app.example/\tcb
https://app.example/\ncb
https://app.example/a b
https://app.example/cb#fragment
https://app.example/cb#
https://app.example/./cb
https://app.example/a/../cb
https://app.example/a/%2e%2E/cb
https://app.example/a/.%2e
https://app.example/..
https://app.example/a/b/..
https://app.example//../x
https://app.example/.../x
https://app.example/%2e%2e%2e
https://app.example/%
https://app.example/%zz
https://app.example/%4
https://app.example/ü
https://app.example/?q=ü
https://app.example/?q='
https://app.example/<script>
https://app.example/?"
https://app.example/?q[]=1
https://app.example/{id}
https://app.example/a|b^c`d
https://bücher.example/
https://BÜCHER.example/
https://faß.example/
https://xn--fa-hia.example/
https://XN--BCHER-KVA.example/
https://xn--a.example/
https://xn--.example/
https://xn--abc.example/
https://аррӏе.com/
https://app。example/
https://ａｐｐ.example/
https://app\\u00AD.example/
https://a\\u200Bb.example/
https://☃.example/
https://app.example./
https://app..example/
https://.app.example/
https://./
https://-app-.example/
https://*.app.example/
https://app.example,evil.example/
https://app.example;evil.example/
https://app!example/
https://ap%70.example/
https://aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.example/
http://2130706433/cb
http://127.1/cb
http://0x7f.0.0.1/cb
http://0177.0.0.1/cb
http://127.0.0.1./cb
http://127.0.0.256/cb
http://127.0.0.1.1/cb
http://app.example.1/cb
http://1.2.3.08/
http://0x/
http://app.0x1g/
http://[0:0:0:0:0:0:0:1]/cb
http://[::0001]/cb
http://[::FFFF:1]/cb
http://[::ffff:127.0.0.1]/cb
http://[1:0:0:2:0:0:0:3]/cb
http://[fe80::1%25eth0]/cb
http://[fe80::1%eth0]/cb
http://[::1/cb
http://[::1]x/cb
http://::1/cb
http://[]/cb
http://[:]/cb
http://[1::2::3]/cb
http://[127.0.0.1]/cb
Com.Example.App://host/path
com.example.app://user@host/path
com.example.app://host:08/path
com.example.app://host/a/../b
com.example.app:/a/..//b
com.example.app:/./cb
com.example.app://hö/
com.example.app://ho st/
com.example.app://host/ü
com_example:/cb
com.example.app:/cb#x
javascript:alert(1)
JavaScript:alert(1)
java\tscript:alert(1)
javascript://app.example/%0aalert(1)
vbscript:x
data:text/html,x
DATA:text/html,x
blob:https://app.example/x
filesystem:https://app.example/x
file:///etc/passwd
about:blank
view-source:https://app.example/
intent://app.example/
content://app.example/
ftp://app.example/
ws://app.example/
wss://app.example/
mailto:a@app.example
tel:110
urn:ietf:wg:oauth:2.0:oob
chrome://settings
\.
UPDATE spellings SET uri = replace(replace(uri, '\u00AD', U&'\00AD'), '\u200B', U&'\200B');
INSERT INTO spellings (uri) VALUES
	('https://app.example/' || repeat('x', 1980)),
	('https://app.example/' || repeat('x', 1981)),
	('https://app.example/' || repeat('ü', 990));

-- what an UPDATE of a column says to a value
CREATE FUNCTION verdict(setting text, uri text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	message text;
	detail text;
	hint text;
BEGIN
	EXECUTE CASE WHEN setting LIKE '%redirect_uris' THEN format('UPDATE anon_auth.clients SET %I = ARRAY[$1] WHERE client_id = ''app''', setting)
		ELSE format('UPDATE anon_auth.settings SET %I = $1', setting) END USING uri;
	RETURN 'accepted';
EXCEPTION WHEN invalid_parameter_value OR check_violation THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	IF message <> format('invalid URI "%s" in %s', uri, setting) THEN
		RETURN message;
	END IF;
	RETURN concat_ws(' ', detail, nullif(hint, ''));
END
$$;

\pset format unaligned
\pset tuples_only
SELECT left(uri, 80), left(verdict('redirect_uris', uri), 160) FROM spellings ORDER BY n;

-- the normal form is itself accepted
SELECT count(*) FILTER (WHERE verdict('redirect_uris', hint) = 'accepted') AS accepted, count(*) AS hints
FROM (SELECT substring(verdict('redirect_uris', uri) FROM 'Use "(.*)"\.$') AS hint FROM spellings) s WHERE hint IS NOT NULL;
-- the same rules apply after a logout
SELECT uri FROM spellings WHERE verdict('post_logout_redirect_uris', uri) <> verdict('redirect_uris', uri);

-- an issuer has neither query nor final slash
SELECT uri, verdict('issuer', uri) FROM (VALUES ('https://auth.example'), ('https://auth.example/v1'), ('https://auth.example:8443/v1'), ('http://[::1]:8080'),
	('https://auth.example/'), ('https://auth.example/v1/'), ('https://Auth.example'), ('https://auth.example:443'), ('http://auth.example:80'),
	('https://auth.example?x'), ('https://auth.example/#x'), ('https://auth.example//v1'), ('https://auth.example/a/../v1'), ('https://auth.exämple'),
	('https://user@auth.example'), ('com.example.app://auth'), ('auth.example'), ('')) v (uri);
-- an audience need not be a URI
SELECT uri, verdict('audience', uri) FROM (VALUES ('https://api.example'), ('https://api.example/'), ('api'), ('urn:example:API'), ('Api.Example'),
	('HTTPS://api.example'), ('https://API.example'), ('http://api.example:80/'), ('https:api')) v (uri);
-- links can have fragments; only http and https are possible
SELECT s, uri, verdict(s, uri) FROM (VALUES ('https://a.example/x;script-src'), ('https://a.example/#privacy'), ('https://a.example/x"onload='), ('javascript:alert(1)'), ('/terms'), ('com.example.app:/x')) v (uri),
	unnest('{brand_logo_uri,policy_uri,tos_uri}'::text[]) s;

\pset format aligned
\pset tuples_only off

-- create_client() and UPDATE say the same
\set SHOW_CONTEXT never
SELECT anon_auth.create_client('x', 'spa', '{https://App.example}');
SELECT anon_auth.create_client('x', 'spa', post_logout_redirect_uris => '{https://app.example,NULL}');
UPDATE anon_auth.clients SET redirect_uris = '{https://App.example}';
UPDATE anon_auth.settings SET issuer = 'https://App.example/';
-- as a role that may only write to the table: the constraints need no rights on the functions that they call
CREATE ROLE regress_uris LOGIN;
GRANT USAGE ON SCHEMA anon_auth TO regress_uris;
GRANT SELECT, UPDATE (issuer) ON anon_auth.settings TO regress_uris;
CREATE POLICY regress_uris ON anon_auth.settings TO regress_uris USING (true);
SET ROLE regress_uris;
UPDATE anon_auth.settings SET issuer = 'https://App.example/';
UPDATE anon_auth.settings SET issuer = 'https://app.example';
SELECT anon_auth_internal.check_uri('issuer', 'https://app.example');
RESET ROLE;
SELECT anon_auth_internal.check_uri('name', 'https://app.example');
DROP OWNED BY regress_uris;
DROP ROLE regress_uris;

-- a native client can use any port of a loopback IP address, also one that differs
-- from the registered one (RFC 8252, section 7.3)
UPDATE anon_auth.clients SET redirect_uris = '{http://127.0.0.1/cb,http://[::1]:8080/cb?x=1,http://localhost/cb,https://127.0.0.1/tls,http://127.0.0.2/cb,http://127.0.0.1}';
CREATE FUNCTION starts_at(client_id text, redirect_uri text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	PERFORM anon_auth.authorize_promotion(starts_at.client_id, starts_at.redirect_uri, 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
		username => 'ada', password => 'correct horse', refresh_token => 'none');
EXCEPTION WHEN OTHERS THEN
	RETURN sqlerrm <> 'redirect URI is not allowed';
END
$$;
SELECT uri, starts_at('app', uri) AS native, starts_at('site', uri) AS spa
FROM (VALUES ('http://127.0.0.1/cb'), ('http://127.0.0.1:1/cb'), ('http://127.0.0.1:51004/cb'), ('http://127.0.0.1:65535/cb'), ('http://[::1]/cb?x=1'), ('http://[::1]:51004/cb?x=1'), ('http://127.0.0.1:80/cb'),
	('http://127.0.0.1'), ('http://127.0.0.1:51004'),
	('http://127.0.0.1:0/cb'), ('http://127.0.0.1:65536/cb'), ('http://127.0.0.1:/cb'), ('http://127.0.0.1:080/cb'), ('http://127.0.0.1:1e3/cb'), ('http://127.0.0.1:51004/CB'), ('http://127.0.0.1:51004/cb/'),
	('http://127.0.0.1:51004/cb?x'), ('http://127.0.0.1:51004/cb#x'), ('http://127.0.0.1:51004@evil.example/cb'), ('http://127.0.0.1:@evil.example/cb'), ('http://127.0.0.1.evil.example/cb'), ('http://127.0.0.10/cb'),
	('http://127.1:51004/cb'), ('http://[::1]:51004/cb'), ('http://[::2]:51004/cb?x=1'), ('HTTP://127.0.0.1:51004/cb'), ('https://127.0.0.1:51004/tls'), ('http://127.0.0.2:51004/cb'),
	('http://localhost/cb'), ('http://localhost:51004/cb')) v (uri);

-- the code is exchanged with exactly the URI that was used
UPDATE anon_auth.settings SET password_hash_memory_kib = 8192, password_hash_passes = 1;
SELECT refresh_token FROM anon_auth.authenticate_anonymously('app') \gset
SELECT code FROM anon_auth.authorize_promotion('app', 'http://127.0.0.1:51004/cb', 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM', username => 'ada', password => 'correct horse', refresh_token => :'refresh_token') \gset
SELECT anon_auth.exchange_authorization_code('app', :'code', 'http://127.0.0.1:51005/cb', 'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk');
SELECT anon_auth.exchange_authorization_code('app', :'code', 'http://127.0.0.1/cb', 'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk');
SELECT access_token IS NOT NULL AS exchanged FROM anon_auth.exchange_authorization_code('app', :'code', 'http://127.0.0.1:51004/cb', 'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk');

DROP FUNCTION verdict, starts_at;
DROP TABLE spellings;
