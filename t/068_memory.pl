# Test that the memory of a backend stays flat over very many calls, two fifths of
# which fail, and over 10,000 different keys of devices, passkeys and DPoP proofs.
#
# ANON_AUTH_CALLS is the number of calls, ANON_AUTH_KEYS that of keys. The defaults are 20000
# and 10000.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Device qw(call challenge sql_literal);
use JSON::PP ();
use List::Util qw(max min);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use constant SAMPLES => 20;
use constant CALLS => 60;    # in one round

my $calls = $ENV{ANON_AUTH_CALLS} // 20_000;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->append_conf('postgresql.conf', <<'CONF');
fsync = off
jit = off
log_statement = none
log_min_messages = fatal
CONF

# The C library keeps what was freed, more or less of it as it happens. With fixed thresholds it
# returns it, so that the memory of the process is what is in use.
$ENV{MALLOC_MMAP_THRESHOLD_} = $ENV{MALLOC_TRIM_THRESHOLD_} = 65536;
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION anon_auth;
CREATE EXTENSION anon_auth_http;
SELECT anon_auth.create_client('app', 'native', refresh_token_rotation_enabled => true);
UPDATE anon_auth.settings SET password_hash_memory_kib = 8192, password_hash_passes = 1, lockout_max_attempts = 1000000,
	password_attempts_per_minute_per_ip = NULL, password_attempts_per_minute_per_user = NULL, password_attempts_per_minute_per_user_per_ip = NULL,
	device_key_logins_per_minute = NULL, unknown_login_ids_per_minute = NULL, code_requests_per_minute_per_ip = NULL;
CREATE TABLE notes (user_id uuid REFERENCES anon_auth.users (id) ON DELETE CASCADE, note text);
SQL

sub samples_of { return map { [ (split /\|/)[ 1, 2, 3 ] ] } grep { /^sample/ } split /\n/, $_[0]; }

# Test that the later samples of memory are not greater than the earlier ones.
sub is_flat
{
	my ($work, @samples) = @_;
	my @after = @samples[ SAMPLES / 4 .. $#samples ];    # caches are filled by then

	for my $what ([ 0, 'bytes in memory contexts', 64 * 1024 ], [ 1, 'kB of anonymous memory', 512 ], [ 2, 'memory contexts', 2 ])
	{
		my ($column, $name, $margin) = @$what;
		my @values = map { $_->[$column] } @after;

		cmp_ok(max(@values[ @values / 2 .. $#values ]), '<=', max(@values[ 0 .. @values / 2 - 1 ]) + $margin, "$work: the second half uses no more $name than the first half")
		  or diag(join ' ', map { $_->[$column] } @samples);
		diag(sprintf '%s: %d to %d, over %s', $name, min(@values), max(@values), $work);
	}
	return;
}

# A provider of ID tokens, whose key is one of the database. The newest key signs access
# tokens.
$node->safe_psql('postgres', <<'SQL');
SELECT anon_auth.create_signing_key('EdDSA') AS kid \gset
SELECT anon_auth.create_identity_provider('https://accounts.example', '{app.example}', anon_auth.jwks(), '{EdDSA}');
CREATE FUNCTION id_token(subject text, nonce text) RETURNS text LANGUAGE sql AS $$
	SELECT anon_auth.sign_jwt(jsonb_build_object('iss', 'https://accounts.example', 'aud', 'app.example', 'sub', subject, 'nonce', nonce,
		'iat', extract(epoch FROM now())::bigint, 'exp', extract(epoch FROM now())::bigint + 3600), jwks -> 'keys' -> 0 ->> 'kid')
	FROM anon_auth.identity_providers
$$;
SELECT anon_auth.create_signing_key();
SQL

my $device = AnonAuth::Device->new(alg => 'ES256');
my $request = $device->request(challenge => challenge($node), with_jwk => 1);
my $jwk = sql_literal(JSON::PP->new->canonical->encode($device->jwk));
call($node, 'authenticate_anonymously', client_id => 'app', jwt => $request);

# Calls that succeed and calls that fail, early or late. A few hash a password.
my $round = <<"SQL";
SELECT token FROM anon_auth.create_challenge() \\gset
SELECT sub, access_token, refresh_token FROM anon_auth.authenticate_anonymously('app') \\gset
SELECT refresh_token FROM anon_auth.refresh_session('app', :'refresh_token') \\gset
SELECT anon_auth.refresh_session('app', 'x' || :'refresh_token');
SELECT anon_auth.verify_jwt(:'access_token') IS NULL;
SELECT anon_auth.verify_jwt(:'access_token' || 'AAAA');
SELECT anon_auth.userinfo(:'access_token') IS NULL;
SELECT anon_auth.userinfo(left(:'access_token', -3));
SELECT anon_auth.jws_verify('$request', $jwk);
SELECT anon_auth.jws_verify('$request', '{"kty": "EC", "crv": "P-256", "x": "AAAA", "y": "AAAA"}');
SELECT length(anon_auth.sign_jwt('{"a": 1}'));
SELECT anon_auth.sign_jwt('[]');
SELECT promotion_code FROM anon_auth.create_promotion_code(:'refresh_token') \\gset
SELECT anon_auth.authenticate_anonymously('app', jwt => '$request');
SELECT count(anon_auth_http.challenge('{"purpose": "anonymous_request"}'));
SELECT anon_auth.import_signing_key('{"kty": "RSA", "n": "AQAB", "e": "AQAB", "d": "AA"}');
SELECT count(anon_auth_http.token('grant_type=refresh_token&client_id=app&refresh_token=wrong'));
SELECT anon_auth.promote_anonymous_user('app', email => 'nobody', password => 'correct horse', promotion_code => :'promotion_code');
SELECT anon_auth.revoke(:'refresh_token');
SELECT anon_auth.authenticate_anonymously('nobody');
SELECT anon_auth.create_challenge('no purpose');
SELECT anon_auth.exchange_authorization_code('app', 'no code', 'https://app.example/', repeat('v', 43));
SELECT anon_auth.authenticate_anonymously('app', jwt => 'x.y.z');
SELECT anon_auth.create_promotion_code('x');
SELECT anon_auth.verify_jwt(:'access_token', 'another audience');
SELECT anon_auth.jwk_thumbprint('{"kty": "OKP", "crv": "Ed25519", "x": "AA"}');
SELECT anon_auth.delete_user('00000000-0000-0000-0000-000000000000');
SELECT anon_auth.use_access_token('x');
SELECT anon_auth.create_client('app', 'native');
SELECT anon_auth.promote_anonymous_user('app', username => 'somebody', password => 'short', refresh_token => :'refresh_token');
SQL
my $now_and_then = <<'SQL';
SELECT sub, refresh_token FROM anon_auth.authenticate_anonymously('app') \gset
INSERT INTO notes VALUES (:'sub', 'a note');
SELECT sub FROM anon_auth.promote_anonymous_user('app', username => 'u' || replace(:'sub', '-', ''), password => 'correct horse', refresh_token => :'refresh_token') \gset
SELECT anon_auth.promote_anonymous_user('app', username => 'u' || replace(:'sub', '-', ''), password => 'correct horse', refresh_token => :'refresh_token');
SELECT count(*) FROM anon_auth.authenticate('app', 'u' || replace(:'sub', '-', ''), 'wrong');
SELECT anon_auth.delete_user(:'sub');
SELECT 'm' || replace(:'sub', '-', '') || '@example.com' AS address \gset
SELECT anon_auth.request_login_code('app', :'address') \g /dev/null
SELECT anon_auth.request_login_code('app', :'address');
SELECT code FROM anon_auth.take_outbox_messages() \gset
SELECT count(*) FROM anon_auth.sign_up('app', email => :'address', code => 'wrong');
SELECT sub, access_token FROM anon_auth.sign_up('app', email => :'address', code => :'code') \gset
SELECT count(*) FROM anon_auth.authenticate_with_code('app', :'address', :'code');
SELECT count(*) FROM anon_auth.authenticate_with_code('app', 'nobody', :'code');
SELECT token FROM anon_auth.create_challenge('id_token') \gset
SELECT id_token(:'sub', :'token') AS id_token \gset
SELECT count(*) FROM anon_auth.authenticate_with_id_token('app', :'id_token');
SELECT anon_auth.add_identity(:'id_token', access_token => :'access_token');
SELECT count(*) FROM anon_auth.authenticate_with_id_token('app', :'id_token');
SELECT anon_auth.authenticate_with_id_token('app', :'id_token' || 'AAAA');
SELECT anon_auth.authenticate_with_id_token('app', id_token(:'sub', 'no challenge'));
SELECT anon_auth.remove_identity('https://accounts.example', :'access_token');
SELECT anon_auth.sign_up('app', email => :'address', password => 'correct horse');
SELECT refresh_token FROM anon_auth.authenticate_anonymously('app') \gset
SELECT count(*) FROM anon_auth.claim_anonymous_user('app', access_token => :'access_token', refresh_token => 'x');
SELECT count(*) FROM anon_auth.claim_anonymous_user('app', access_token => :'access_token', refresh_token => :'refresh_token');
SELECT anon_auth.delete_user(:'sub');
SELECT anon_auth.rotate_signing_key() IS NULL;
UPDATE anon_auth.signing_keys SET retiring_since = now() + interval '1 hour' WHERE alg = 'EdDSA';
UPDATE anon_auth.signing_keys SET verify_until = now() WHERE state = 'retiring' AND alg <> 'EdDSA';
SELECT count(*) FROM anon_auth.purge();
DELETE FROM anon_auth.signing_keys WHERE state = 'retired';
SELECT anon_auth.reset_counters();
DELETE FROM anon_auth.removed_identities;
SQL
my $sample_query = q{SELECT 'sample', (SELECT sum(total_bytes) FROM pg_backend_memory_contexts), substring(pg_read_file('/proc/' || pg_backend_pid() || '/status') FROM 'RssAnon:\s+(\d+)'), (SELECT count(*) FROM pg_backend_memory_contexts);} . "\n";

my $directory = $node->basedir;
my $per_sample = int($calls / SAMPLES / CALLS) || 1;
append_to_file("$directory/calls.sql", "$round$now_and_then" x $per_sample);
append_to_file("$directory/sample.sql", $sample_query);

my ($output, $errors) = ('', '');
IPC::Run::run(
	[ 'psql', '-XAtq', '-v', 'VERBOSITY=sqlstate', '-d', $node->connstr('postgres'), map { ('-f', "$directory/calls.sql", '-f', "$directory/sample.sql") } 1 .. SAMPLES ],
	'>', \$output, '2>', \$errors) or die "psql failed: $errors";

my @samples = samples_of($output);
my %states;
$states{$1}++ while $errors =~ /ERROR:  (\w{5})$/mg;
my $failed = 0;
$failed += $_ for values %states;
my $made = $per_sample * CALLS * SAMPLES;

is(scalar @samples, SAMPLES, 'the backend made all calls');
is_deeply([ sort keys %states ], [qw(22023 42704 42710 AA001 AA003 AA005 AA006 AA009 AA010 AA012 AA014 AA016 AA018 AA028 AA030)], 'the calls failed with the intended errors')
  or diag($errors =~ s/^(.{2000}).*/$1/sr);
cmp_ok($failed, '>=', $made * 2 / 5, 'at least two fifths of the calls failed');
is_flat("$made calls, $failed of which failed", @samples);

# ---------------------------------------------------------------------------
# Different keys
# ---------------------------------------------------------------------------

# Each key is an RSA key with a modulus of its own, whose private part nobody has: so a
# passkey is added, and what the key seems to have signed is refused after the key was read.
my $keys = $ENV{ANON_AUTH_KEYS} // 10_000;
my $keys_per_sample = int($keys / SAMPLES) || 1;

$node->safe_psql('postgres', <<'SQL');
SELECT anon_auth.create_client('keyed', 'native', dpop => 'required');
UPDATE anon_auth.settings SET guest_sign_ups_per_minute_per_ip = NULL;
CREATE FUNCTION base64url(bytes bytea) RETURNS text IMMUTABLE LANGUAGE sql AS $$ SELECT rtrim(translate(encode(bytes, 'base64'), E'+/\n', '-_'), '=') $$;
CREATE FUNCTION modulus(i integer) RETURNS bytea IMMUTABLE LANGUAGE sql AS $$
	SELECT '\xc0'::bytea || substr(string_agg(sha256((i || ' ' || part)::bytea), '' ORDER BY part), 3) || '\x01' FROM generate_series(1, 8) AS part
$$;
-- A JWS whose header has the key, and whose signature is wrong.
CREATE FUNCTION jws(i integer, header jsonb, payload jsonb) RETURNS text IMMUTABLE LANGUAGE sql AS $$
	SELECT concat_ws('.', base64url(convert_to((header || jsonb_build_object('alg', 'RS256', 'jwk', jsonb_build_object('kty', 'RSA', 'e', 'AQAB', 'n', base64url(modulus(i)))))::text, 'UTF8')),
		base64url(convert_to((payload || jsonb_build_object('iat', extract(epoch FROM now())::bigint, 'exp', extract(epoch FROM now())::bigint + 60))::text, 'UTF8')),
		base64url(modulus(i)))
$$;
CREATE FUNCTION client_data(type text, challenge text) RETURNS bytea IMMUTABLE LANGUAGE sql AS $$
	SELECT convert_to(jsonb_build_object('type', type, 'challenge', challenge, 'origin', 'http://localhost', 'crossOrigin', false)::text, 'UTF8')
$$;
-- The responses for a passkey: flags are UP 1, UV 4 and credential 64.
CREATE FUNCTION response(i integer, inner_response jsonb) RETURNS jsonb IMMUTABLE LANGUAGE sql AS $$
	SELECT jsonb_build_object('id', base64url(sha256(i::text::bytea)), 'type', 'public-key', 'clientExtensionResults', '{}'::jsonb, 'response', inner_response)
$$;
CREATE FUNCTION registration(i integer, challenge text) RETURNS jsonb IMMUTABLE LANGUAGE sql AS $$
	SELECT response(i, jsonb_build_object('clientDataJSON', base64url(client_data('webauthn.create', challenge)), 'attestationObject',
			base64url('\xa363666d74646e6f6e656761747453746d74a068617574684461746159' || int2send(length(data)::int2) || data)))
	FROM (SELECT sha256('localhost') || '\x4500000000' || decode(repeat('00', 16), 'hex') || '\x0020' || sha256(i::text::bytea)
		|| '\xa401030339010020590100' || modulus(i) || '\x2143010001') AS d (data)
$$;
CREATE FUNCTION assertion(i integer, challenge text, handle uuid) RETURNS jsonb IMMUTABLE LANGUAGE sql AS $$
	SELECT response(i, jsonb_build_object('clientDataJSON', base64url(client_data('webauthn.get', challenge)), 'authenticatorData', base64url(sha256('localhost') || '\x0500000000'),
		'signature', base64url(modulus(i)), 'userHandle', base64url(uuid_send(handle))))
$$;
CREATE TABLE owner AS SELECT sub, access_token FROM anon_auth.authenticate_anonymously('app');
CREATE TABLE account AS SELECT access_token FROM anon_auth.sign_up('app', username => 'ada', password => 'correct horse');
-- The SQLSTATE of a statement, or its result.
CREATE FUNCTION outcome(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	EXECUTE statement INTO result;
	RETURN result;
EXCEPTION WHEN OTHERS THEN
	RETURN sqlstate;
END $$;
-- The outcomes of all uses of key number i.
CREATE FUNCTION use_key(i integer) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	challenge text := (SELECT token FROM anon_auth.create_challenge('biometric_request'));
	biometric jsonb := '{"typ": "vnd.authgear.biometric-request"}';
	the_owner owner := (SELECT owner FROM owner);
	token text := (SELECT access_token FROM account);
BEGIN
	RETURN concat_ws(' ', outcome(format('SELECT anon_auth.add_device_key(%L, access_token => %L)',
			jws(i, biometric || jsonb_build_object('kid', i), jsonb_build_object('action', 'setup', 'challenge', challenge)), token)),
		outcome(format('SELECT anon_auth.authenticate_anonymously(''keyed'', dpop => %L)',
			jws(i, '{"typ": "dpop+jwt"}', jsonb_build_object('jti', i::text, 'htm', 'POST', 'htu', 'http://localhost/oauth2/token')))),
		outcome(format('SELECT anon_auth.add_passkey(%L, access_token => %L) IS NOT NULL', registration(i, anon_auth.passkey_creation_options(the_owner.access_token) ->> 'challenge'), the_owner.access_token)),
		outcome(format('SELECT anon_auth.authenticate_with_passkey(''app'', %L)', assertion(i, anon_auth.passkey_request_options('app') ->> 'challenge', the_owner.sub))),
		outcome(format('SELECT anon_auth.remove_passkey(%L, %L)', base64url(sha256(i::text::bytea)), the_owner.access_token)));
END $$;
SQL
my $script = '';
for my $sample (1 .. SAMPLES)
{
	$script .= sprintf "SELECT 'used', use_key(i), count(*) FROM generate_series(%d, %d) AS i GROUP BY 2;\nSELECT anon_auth.reset_counters();\n$sample_query",
	  ($sample - 1) * $keys_per_sample + 1, $sample * $keys_per_sample;
}
$output = $node->safe_psql('postgres', $script);
is_deeply([ map { (split /\|/)[1] } grep { /^used/ } split /\n/, $output ], [ ('AA003 AA026 true AA029 true') x SAMPLES ], 'each key was read and refused, and each passkey was added and removed');
is_flat($keys_per_sample * SAMPLES . ' different keys', samples_of($output));

$node->stop;
done_testing();
