# Each error of class AA that an OAuth endpoint answers has the OAuth error and the
# status of the table in docs/guide.md.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Browser;
use AnonAuth::Device qw(call challenge);
use JSON::PP ();
use MIME::Base64 ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my %stated = slurp_file("$FindBin::Bin/../docs/guide.md") =~ /^\| (AA\d{3}) \| [^|]* \| ([^|]*?) ?\|/mg;
my $node = PostgreSQL::Test::Cluster->new('main');
my %tested;

$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION anon_auth;
CREATE EXTENSION anon_auth_http;
CREATE ROLE anon NOLOGIN;
CREATE ROLE authenticated NOLOGIN;
CREATE ROLE authenticator LOGIN NOINHERIT;
GRANT anon, authenticated TO authenticator;
SELECT anon_auth.grant_http_api(r::regrole) FROM unnest('{authenticator,anon,authenticated}'::text[]) AS r;
SELECT anon_auth.create_client('app', 'native'), anon_auth.create_client('machine', 'm2m');
UPDATE anon_auth.settings SET issuer = 'https://auth.example', password_hash_memory_kib = 8192, password_hash_passes = 1;
CREATE FUNCTION refuse(uuid, text, jsonb) RETURNS void LANGUAGE plpgsql AS $$BEGIN RAISE 'not you'; END$$;
CREATE ROLE hook_owner;
ALTER FUNCTION refuse OWNER TO hook_owner;
SQL

sub query { return $node->safe_psql('postgres', $_[0]); }
sub settings { return query("UPDATE anon_auth.settings SET $_[0]"); }

# The answer of the token endpoint.
sub token
{
	my ($grant_type, %parameters) = @_;

	return AnonAuth::Browser->new($node)->post_form('/oauth2/token', %{ { grant_type => $grant_type, client_id => 'app', %parameters } });
}

sub log_in
{
	my ($device, %parameters) = @_;

	return token('urn:authgear:params:oauth:grant-type:anonymous-request',
		jwt => $device->request(challenge => challenge($node), %parameters));
}

sub answers
{
	my ($sqlstate, $answer, $name) = @_;
	my ($error, $status) = ($stated{$sqlstate} // '') =~ /^`(\w+)`(?:, (\d+))?$/;

	is(join(' ', $answer->{json}{error} // '', $answer->{status}), join(' ', $error // '', $status // 400), "$sqlstate: $name");
	$tested{$sqlstate} = 1;
	return;
}

my $device = AnonAuth::Device->new(alg => 'ES256');
my $guest = log_in($device, with_jwk => 1)->{json};

is($guest->{token_type}, 'Bearer', 'a device signs up');
answers('AA001', token('refresh_token', client_id => 'nobody', refresh_token => 'x'), 'unknown client');
answers('AA002', token('urn:authgear:params:oauth:grant-type:anonymous-request', client_id => 'machine', jwt => 'x'), 'another type of client');
answers('AA003', token('urn:authgear:params:oauth:grant-type:anonymous-request', jwt => 'x'), 'no JWT');
answers('AA004', log_in(AnonAuth::Device->new(alg => 'ES256')), 'unknown device key');
answers('AA005', token('urn:authgear:params:oauth:grant-type:anonymous-request', jwt => $device->request(challenge => 'x')), 'a challenge of somebody else');
answers('AA006', token('refresh_token', refresh_token => 'x'), 'unknown refresh token');
answers('AA012', token('authorization_code', code => 'x', redirect_uri => 'https://app.example/', code_verifier => 'v' x 43), 'unknown authorization code');
answers('AA014', AnonAuth::Browser->new($node, headers => { authorization => 'Bearer x.y.z' })->get('/oauth2/userinfo'), 'bad access token');
settings('public_sign_up_enabled = false');
answers('AA015', log_in(AnonAuth::Device->new(alg => 'ES256'), with_jwk => 1), 'sign-up is closed');
settings("public_sign_up_enabled = true, before_sign_up = 'public.refuse'");
answers('AA020', log_in(AnonAuth::Device->new(alg => 'ES256'), with_jwk => 1), 'a hook refuses');

# Errors of a hook that are not a refusal are faults of the server, whatever their SQLSTATE.
for my $error (['22023', q{PERFORM now() AT TIME ZONE 'SECRET-ROW'}],
	map { [ $_, qq{RAISE 'SECRET-ROW' USING ERRCODE = '$_', DETAIL = '{"retry_after": 99999999999}'} ] } qw(22023 AA004 AA010 AA012 AA014 AA018 AA031))
{
	query("CREATE OR REPLACE FUNCTION refuse(uuid, text, jsonb) RETURNS void LANGUAGE plpgsql AS \$\$BEGIN $error->[1]; END\$\$");
	my $answer = log_in(AnonAuth::Device->new(alg => 'ES256'), with_jwk => 1);

	is("$answer->{status} $answer->{json}{error}", '500 server_error', "a hook that raises $error->[0] makes the answer 500");
	unlike(JSON::PP::encode_json($answer->{json}), qr/SECRET|x_code|x_detail/, 'which has no text of the error');
}
query(q{CREATE OR REPLACE FUNCTION refuse(uuid, text, jsonb) RETURNS void LANGUAGE plpgsql AS $$BEGIN RAISE 'not you'; END$$});
my $info = MIME::Base64::encode_base64url('{"n": [' . '1e999,' x 100 . '1]}');
settings('before_sign_up = NULL');
is(token('urn:authgear:params:oauth:grant-type:anonymous-request', x_device_info => $info,
		jwt => AnonAuth::Device->new(alg => 'ES256')->request(challenge => challenge($node), with_jwk => 1))->{json}{error},
	'invalid_request', 'an x_device_info whose text would be long is refused');
# A lock timeout is no fault: the same request may succeed a moment later.
{
	my $waiter = log_in($device)->{json};
	my $holder = $node->background_psql('postgres');

	$holder->query_safe("BEGIN; SELECT 1 FROM anon_auth.sessions FOR UPDATE; SELECT 1 FROM anon_auth.users FOR UPDATE");
	query(q{ALTER DATABASE postgres SET lock_timeout = '100ms'});
	my $answer = token('refresh_token', refresh_token => $waiter->{refresh_token});
	is("$answer->{status} $answer->{json}{error} $answer->{headers}{'retry-after'}[0]", '503 temporarily_unavailable 1', 'a lock timeout at the token endpoint is answered with 503 and Retry-After');
	$answer = AnonAuth::Browser->new($node, headers => { authorization => "Bearer $waiter->{access_token}" })->post_json('/api/account/end_other_sessions', {});
	is("$answer->{status} $answer->{json}{error}{reason} $answer->{headers}{'retry-after'}[0]", '503 ServiceUnavailable 1', '... and so is one below /api');
	like(slurp_file($node->logfile), qr/anon_auth_http answers 503: canceling statement due to lock timeout/, '... and the log says why');
	query('ALTER DATABASE postgres RESET lock_timeout');
	$holder->query_safe('ROLLBACK');
	$holder->quit;
	is(token('refresh_token', refresh_token => $waiter->{refresh_token})->{status}, 200, 'the same request succeeds when the lock is gone');
}
settings('before_sign_up = NULL, guest_sign_ups_per_minute = 1');
log_in(AnonAuth::Device->new(alg => 'ES256'), with_jwk => 1);
answers('AA018', log_in(AnonAuth::Device->new(alg => 'ES256'), with_jwk => 1), 'too many sign-ups');
settings('guest_sign_ups_per_minute = NULL');
query("SELECT anon_auth.disable_user('$guest->{sub}')") if $guest->{sub};
query('SELECT anon_auth.disable_user(id) FROM anon_auth.users WHERE NOT is_disabled');
answers('AA007', log_in($device), 'the user is disabled');
query('SELECT anon_auth.enable_user(id) FROM anon_auth.users');
query("UPDATE anon_auth.signing_keys SET state = 'retired'");
answers('AA017', log_in($device), 'there is no signing key');

cmp_ok(scalar keys %tested, '>=', 13, 'errors were tested');
is(join(' ', grep { !exists $stated{$_} } sort keys %tested), '', 'the table has each of them');
$node->stop;
done_testing();
