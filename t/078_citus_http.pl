# The HTTP interface (anon_auth_http) on a Citus cluster (anon_auth_citus): the endpoints are
# called on the coordinator and on a worker, in turn, as a load balancer would. A guest signs
# up, comes back, is promoted and logs in, with device keys and passkeys, too.
#
# Duration: 40 s

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Authenticator;
use AnonAuth::Browser;
use AnonAuth::Citus qw(citus_missing start_cluster);
use AnonAuth::Device qw(jws_parts);
use JSON::PP ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $missing = citus_missing();
plan(skip_all => $missing) if $missing;

my ($coordinator, $worker) = start_cluster('http', 2);
my $json = JSON::PP->new->canonical->utf8;

$coordinator->safe_psql('postgres', <<'SQL');
CREATE ROLE anon LOGIN;
CREATE ROLE authenticated LOGIN;
CREATE ROLE authenticator LOGIN NOINHERIT;
GRANT anon, authenticated TO authenticator;
SELECT anon_auth.grant_http_api(r::regrole) FROM unnest('{authenticator,anon,authenticated}'::text[]) AS r;
SELECT anon_auth.create_client('app', 'native', '{com.example.app://done}', refresh_token_rotation_enabled => true);
UPDATE anon_auth.settings SET password_hash_memory_kib = 8192, password_hash_passes = 1, guest_sign_ups_per_minute_per_ip = NULL;
SELECT anon_auth.distribute(4);
SQL

sub query { return $coordinator->safe_psql('postgres', $_[0]); }
sub sub_of { return (jws_parts($_[0]{access_token}))[1]{sub}; }
sub bearer { return ('Authorization:' => "Bearer $_[0]{access_token}"); }

for my $case ([ 'the coordinator, then a worker', $coordinator, $worker ], [ 'a worker, then the coordinator', $worker, $coordinator ])
{
	my ($where, $first, $second) = @$case;
	my $name = $first == $coordinator ? 'ada' : 'bob';
	my ($here, $there) = map { AnonAuth::Browser->new($_) } $first, $second;
	my $token = sub { my ($node, @parameters) = @_; return $node->post_form('/oauth2/token', client_id => 'app', @parameters); };
	my $challenge = sub { return $_[0]->post_json('/oauth2/challenge', { purpose => $_[1] })->{json}{result}{token}; };

	# A guest without a key
	my $guest = $here->post_json('/api/anonymous_user/signup', { session_type => 'refresh_token', client_id => 'app' })->{json}{result};
	ok($guest->{refresh_token}, "$where: a guest signs up");
	my $refreshed = $token->($there, grant_type => 'refresh_token', refresh_token => $guest->{refresh_token})->{json};
	is(sub_of($refreshed), sub_of($guest), "$where: its token is refreshed");
	is($there->get('/oauth2/userinfo', bearer($refreshed))->{json}{sub}, sub_of($guest), "$where: and shows who it is");

	# A guest with a device key
	my $device = AnonAuth::Device->new(alg => 'EdDSA');
	my $grant = 'urn:authgear:params:oauth:grant-type:anonymous-request';
	my $keyed = $token->($here, grant_type => $grant, jwt => $device->request(challenge => $challenge->($here, 'anonymous_request'), with_jwk => 1))->{json};
	ok($keyed->{refresh_token}, "$where: a device signs up with its key") or diag(explain($keyed));
	is(sub_of($token->($there, grant_type => $grant, jwt => $device->request(challenge => $challenge->($here, 'anonymous_request')))->{json}), sub_of($keyed),
		"$where: it comes back, with a challenge of the other node");

	# A passkey promotes a guest, and logs in
	my $passkey = AnonAuth::Authenticator->new(alg => 'EdDSA');
	my $options = $here->post_json('/api/account/passkey_creation_options', {}, bearer($refreshed))->{json}{result};
	my $promoted = $token->($there, grant_type => 'urn:anon-auth:params:oauth:grant-type:passkey', passkey => $json->encode($passkey->create($options)), refresh_token => $refreshed->{refresh_token});
	is($promoted->{status}, 200, "$where: a passkey promotes the guest") or diag($promoted->{body});
	is(sub_of($promoted->{json}), sub_of($guest), "$where: which keeps its id");
	my $login = $token->($here, grant_type => 'urn:anon-auth:params:oauth:grant-type:passkey',
		passkey => $json->encode($passkey->get($there->post_json('/api/passkey/request_options', { client_id => 'app' })->{json}{result})));
	is(sub_of($login->{json}), sub_of($guest), "$where: the passkey logs in") or diag($login->{body});

	# A device key of the account
	my $biometric = 'urn:authgear:params:oauth:grant-type:biometric-request';
	my $phone = AnonAuth::Device->new(alg => 'ES256');
	my $request = sub {
		my ($action) = @_;

		return $phone->request(challenge => $challenge->($there, 'biometric_request'), action => $action, with_jwk => $action eq 'setup', header => { typ => 'vnd.authgear.biometric-request' });
	};
	is($token->($here, grant_type => $biometric, jwt => $request->('setup'), scope => 'openid offline_access https://authgear.com/scopes/full-access')->{status}, 401,
		"$where: a device key is not added without a session");
	my $added = $here->post_form('/oauth2/token', client_id => 'app', grant_type => $biometric, jwt => $request->('setup'), bearer($login->{json}));
	is($added->{status}, 200, "$where: it is added with one") or diag($added->{body});
	is(sub_of($token->($there, grant_type => $biometric, jwt => $request->('authenticate'))->{json}), sub_of($guest), "$where: and logs in");

	# The account API, and the end of a session
	my $second_login = $login->{json};
	is($here->post_json('/api/account/add_login_id', { type => 'username', value => $name }, bearer($second_login))->{status}, 200, "$where: a username is added");
	my @keys = map { scalar @{ $there->post_json("/api/account/$_", {}, bearer($second_login))->{json}{result} } } qw(list_device_keys list_passkeys);
	is("@keys", '1 1', "$where: a device key and a passkey are listed");
	is($here->post_form('/oauth2/revoke', token => $second_login->{refresh_token})->{status}, 200, "$where: the session is revoked");
	is($token->($there, grant_type => 'refresh_token', refresh_token => $second_login->{refresh_token})->{json}{error}, 'invalid_grant', "$where: and its token refused");
}
is(query('SELECT count(*) FROM anon_auth.users'), 4, 'each user is there once');

done_testing();
