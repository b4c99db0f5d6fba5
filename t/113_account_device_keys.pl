# Attacks on the device keys of accounts, in SQL and over HTTP: keys and tokens of other
# users and clients, requests that were used, changed or signed by others, keys that
# were removed. AnonAuth::Browser calls the endpoints as PostgREST would; t/114 uses
# the SDK.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Browser;
use AnonAuth::Device qw(call hmac_jws jws_parts refusal sql_literal);
use JSON::PP ();
use MIME::Base64 qw(encode_base64url);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->append_conf('postgresql.conf', 'fsync = off');
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION anon_auth;
CREATE EXTENSION anon_auth_http;
CREATE ROLE anon NOLOGIN;
CREATE ROLE authenticated NOLOGIN;
CREATE ROLE authenticator LOGIN NOINHERIT;
GRANT anon, authenticated TO authenticator;
SELECT anon_auth.grant_http_api(r::regrole) FROM unnest('{authenticator,anon,authenticated}'::text[]) AS r;
SELECT anon_auth.create_client('app', 'native', '{com.example.app://done}'), anon_auth.create_client('other', 'native', '{com.example.other://done}'), anon_auth.create_client('partner', 'third_party_app', '{https://partner.example/}');
UPDATE anon_auth.settings SET issuer = 'https://auth.example', password_hash_memory_kib = 8192, password_hash_passes = 1,
	guest_sign_ups_per_minute_per_ip = NULL, device_key_logins_per_minute = NULL;
SQL

my $json = JSON::PP->new->canonical->utf8;
my $grant = 'urn:authgear:params:oauth:grant-type:biometric-request';
my $typ = 'vnd.authgear.biometric-request';
my $full_access = 'https://authgear.com/scopes/full-access';
my $count = 0;

sub query { return $node->safe_psql('postgres', sprintf $_[0], map { sql_literal($_) } @_[ 1 .. $#_ ]); }
sub rows { return $json->decode(query("SELECT coalesce(json_agg(t), '[]') FROM ($_[0]) AS t", @_[ 1 .. $#_ ])); }
sub browser { return AnonAuth::Browser->new($node, @_); }
sub challenge_for { return query('SELECT token FROM anon_auth.create_challenge(%s)', $_[0]); }
sub log_in { return rows('SELECT t.* FROM anon_auth.authenticate(%s, %s, %s) AS t', $_[1] // 'app', $_[0], 'correct horse')->[0]; }
sub keys_of { return query('SELECT count(*) FROM anon_auth.device_keys WHERE user_id = %s', $_[0]{sub}); }

sub account
{
	my $name = 'user' . ++$count;

	query('SELECT anon_auth.create_user(username => %s, password => %s)', $name, 'correct horse');
	return { %{ log_in($name) }, name => $name };
}

# A request of a device, with the public key at setup.
sub request
{
	my ($device, $action, %options) = @_;

	return $device->request(
		challenge => challenge_for('biometric_request'),
		action => $action,
		with_jwk => $action eq 'setup',
		%options,
		header => { typ => $typ, %{ $options{header} // {} } });
}

sub token
{
	my ($jwt, %options) = @_;
	my $bearer = delete $options{bearer};

	return browser()->post_form('/oauth2/token', grant_type => $grant, jwt => $jwt, %{ { client_id => 'app', %options } }, defined $bearer ? ('Authorization:' => "Bearer $bearer") : ());
}

sub error_is
{
	my ($answer, $status, $error, $description, $name) = @_;

	is_deeply([ $answer->{status}, @{ $answer->{json} // {} }{qw(error error_description)} ], [ $status, $error, $description ], $name) or diag($answer->{body});
	return $answer;
}

sub is_logged_in
{
	my ($answer, $user, $name) = @_;

	is($answer->{status}, 200, "$name: status 200") or diag($answer->{body});
	is($answer->{status} == 200 ? (jws_parts($answer->{json}{access_token}))[1]{sub} : undef, $user->{sub}, "$name: it is the user of the key");
	return $answer->{json};
}

# ---------------------------------------------------------------------------
# Setup and login
# ---------------------------------------------------------------------------

my $alice = account();
my $mallory = account();
my %device = map { $_ => AnonAuth::Device->new(alg => $_) } qw(ES256 RS256 EdDSA);

for my $alg (sort keys %device)
{
	my $answer = token(request($device{$alg}, 'setup', payload => { device_info => { android => { Build => { MODEL => 'Pixel 9' } } } }), bearer => $alice->{access_token});

	is($answer->{status}, 200, "$alg: setup is answered with 200");
	is($answer->{body}, '', "$alg: and without a body");
	is($answer->{headers}{'content-type'}, undef, "$alg: and without a media type");
	is_deeply($answer->{headers}{'cache-control'}, ['no-store'], "$alg: no cache stores it");
	is_logged_in(token(request($device{$alg}, 'authenticate')), $alice, "$alg: with the key ID");
	is_logged_in(token(request($device{$alg}, 'authenticate', with_jwk => 1), scope => "openid $full_access offline_access"), $alice, "$alg: with the public key and scopes");
}
is(keys_of($alice), 3, 'the account has a key for each device');
my $device = $device{ES256};

# ---------------------------------------------------------------------------
# Setup by others
# ---------------------------------------------------------------------------

my $new = AnonAuth::Device->new;
error_is(token(request($new, 'setup')), 401, 'invalid_grant', 'biometric setup requires authenticated user', 'setup without a token');
error_is(token(request($new, 'setup'), bearer => $_->[1]), 401, 'invalid_grant', 'biometric setup requires authenticated user', "setup with $_->[0]")
  for [ 'an empty token', '' ], [ 'a refresh token', $alice->{refresh_token} ], [ 'an ID token', $alice->{id_token} ], [ 'a changed token', "$alice->{access_token}x" ];
{
	my $user = account();

	query('SELECT anon_auth.revoke(%s)', $user->{refresh_token});
	error_is(token(request($new, 'setup'), bearer => $user->{access_token}), 401, 'invalid_grant', 'biometric setup requires authenticated user', 'setup with the token of a session that has ended');
	$user = account();
	query('SELECT anon_auth.disable_user(%s)', $user->{sub});
	error_is(token(request($new, 'setup'), bearer => $user->{access_token}), 401, 'invalid_grant', 'biometric setup requires authenticated user', 'setup for a disabled user');
}
error_is(token(request($new, 'setup'), bearer => log_in($alice->{name}, 'other')->{access_token}), 400, 'unauthorized_client', 'this client may not use biometric authentication', 'setup with the token of another client');
error_is(token(request($new, 'setup'), client_id => 'partner', bearer => $alice->{access_token}), 400, 'unauthorized_client', 'this client may not use biometric authentication', 'setup by an application of others');
{
	my $elsewhere = log_in($alice->{name}, 'other');

	query(q{UPDATE anon_auth.clients SET application_type = 'third_party_app' WHERE client_id = 'other'});
	error_is(token(request($new, 'setup'), client_id => 'other', bearer => $elsewhere->{access_token}), 400, 'unauthorized_client', 'this client may not use biometric authentication', 'setup with a token of an application of others');
	is(refusal($node, 'add_device_key', jwt => request($new, 'setup'), access_token => $elsewhere->{access_token})->{sqlstate}, 'AA002', 'and in SQL');
	is(refusal($node, 'authenticate_with_device_key', client_id => 'other', jwt => request($device, 'authenticate'))->{sqlstate}, 'AA002', 'it cannot log in with a key');
	query(q{UPDATE anon_auth.clients SET application_type = 'native' WHERE client_id = 'other'});
}
{
	my $guest = rows(q{SELECT (anon_auth.authenticate_anonymously('app')).*})->[0];

	error_is(token(request($new, 'setup'), bearer => $guest->{access_token}), 400, 'unauthorized_client', 'AnonymousUserAddIdentity', 'setup by a guest');
}
query(q{UPDATE anon_auth.sessions SET authenticated_at = now() - interval '1 hour' WHERE user_id = %s}, $mallory->{sub});
my $old = error_is(token(request($new, 'setup'), bearer => $mallory->{access_token}), 401, 'insufficient_user_authentication', 'recent login required', 'setup with an old login');
like($old->{headers}{'www-authenticate'}[0], qr/max_age="900"/, 'the challenge says how old it may be');
$mallory = { %$mallory, %{ log_in($mallory->{name}) } };
# A form of another site cannot set the header, and a cookie is not looked at.
{
	my $browser = browser();

	is($browser->post_json('/api/anonymous_user/signup', { session_type => 'cookie' })->{status}, 200, 'a browser has a session cookie');
	error_is($browser->post_form('/oauth2/token', grant_type => $grant, client_id => 'app', jwt => request($new, 'setup')), 401, 'invalid_grant', 'biometric setup requires authenticated user', 'setup with a cookie');
}
is(query('SELECT count(*) FROM anon_auth.device_keys WHERE kid = %s', $new->kid), 0, 'none of them has added the key');

# ---------------------------------------------------------------------------
# Requests that prove nothing
# ---------------------------------------------------------------------------

# Both actions refuse them, whether the key is new or known, and the SDK keeps its key.
my $thief = AnonAuth::Device->new(kid => $device->kid);
for my $case (
	[ 'unsigned', sub { my ($d, $a) = @_; request($d, $a, header => { alg => 'none' }) =~ s/[^.]*$//r } ],
	[ 'without a signature', sub { my ($d, $a) = @_; request($d, $a) =~ s/[^.]*$//r } ],
	[ 'signed by another key', sub { my ($d, $a) = @_; $thief->sign({ typ => $typ, alg => 'ES256', kid => $d->kid, jwk => $d->jwk }, { action => $a, challenge => challenge_for('biometric_request') }) } ],
	[ 'signed with the public key as a secret', sub { my ($d, $a) = @_; hmac_jws({ typ => $typ, alg => 'HS256', kid => $d->kid, jwk => $d->jwk }, { action => $a, challenge => challenge_for('biometric_request') }, $d->public_pem) } ],
	[ 'of a guest', sub { my ($d, $a) = @_; request($d, $a, with_jwk => 1, header => { typ => 'vnd.authgear.anonymous-request' }) } ],
	[ 'with the challenge of a guest', sub { my ($d, $a) = @_; request($d, $a, with_jwk => 1, payload => { challenge => challenge_for('anonymous_request') }) } ],
	[ 'with the nonce of an ID token', sub { my ($d, $a) = @_; request($d, $a, with_jwk => 1, payload => { challenge => challenge_for('id_token') }) } ],
	[ 'with a challenge of its own', sub { my ($d, $a) = @_; request($d, $a, with_jwk => 1, payload => { challenge => encode_base64url('x' x 60) }) } ],
	[ 'without a challenge', sub { my ($d, $a) = @_; request($d, $a, with_jwk => 1, payload => { challenge => undef }) } ],
	[ 'that has expired', sub { my ($d, $a) = @_; request($d, $a, with_jwk => 1, payload => { exp => time() - 301 }) } ],
	[ 'with critical parameters', sub { my ($d, $a) = @_; request($d, $a, with_jwk => 1, header => { crit => ['b64'] }) } ],
	[ 'with a private key', sub { my ($d, $a) = @_; request($d, $a, header => { jwk => $d->jwk(%{ $d->private_jwk_members }) }) } ],
	[ 'that is changed', sub { my ($d, $a) = @_; my @parts = split /\./, request($d, $a, with_jwk => 1); join '.', $parts[0], encode_base64url($json->encode({ %{ (jws_parts(join '.', @parts))[1] }, iat => 1 })), $parts[2] } ])
{
	my ($name, $make) = @$case;

	for my $action (qw(setup authenticate))
	{
		my $answer = token($make->($action eq 'setup' ? $new : $device, $action), bearer => $alice->{access_token});

		is_deeply([ $answer->{status}, $answer->{json}{error} ], [ 400, 'invalid_grant' ], "a request to $action $name is refused") or diag($answer->{body});
		isnt($answer->{json}{error_description}, 'InvalidCredentials', 'the SDK keeps its key');
		ok($answer->{json}{x_detail}, 'a developer sees the reason');
	}
}
error_is(token($_->[0]), 400, @{ $_->[1] }, $_->[2])
  for [ 'x', [ 'invalid_grant', 'invalid request JWT' ], 'no JWT' ],
  [ request($device, 'remove'), [ 'invalid_request', 'invalid action: remove' ], 'an unknown action' ],
  [ request($device, 'auth', payload => { action => undef }), [ 'invalid_request', 'invalid action: <nil>' ], 'no action' ];
error_is(token(request($device, 'authenticate'), scope => $_), 400, 'invalid_scope', 'offline_access and full-access must be requested', "the scope '$_'")
  for 'openid', "openid $full_access", 'openid offline_access', "openid offline_access ${full_access}x";
error_is(token(request($device, 'authenticate'), client_id => 'partner'), 400, 'unauthorized_client', 'this client may not use biometric authentication', 'a login by an application of others');
is(keys_of($alice), 3, 'no key was added');

# ---------------------------------------------------------------------------
# Requests that were used
# ---------------------------------------------------------------------------

{
	my $jwt = request($device, 'authenticate');

	is_logged_in(token($jwt), $alice, 'a request');
	error_is(token($jwt), 400, 'invalid_grant', 'invalid challenge', 'a request that was used logs in once');
	$jwt = request($new, 'setup');
	is(token($jwt, bearer => $alice->{access_token})->{status}, 200, 'a setup');
	error_is(token($jwt, bearer => $alice->{access_token}), 400, 'invalid_grant', 'invalid challenge', 'it works once');
	error_is(token($jwt, bearer => $mallory->{access_token}), 400, 'invalid_grant', 'the device key cannot be added', 'and for nobody else');
	my $error = refusal($node, 'add_device_key', jwt => $jwt, access_token => $mallory->{access_token});
	is_deeply([ @$error{qw(sqlstate detail)} ], [ 'AA016', 'Another user has this key.' ], 'nor in SQL');
	is_logged_in(token(request($new, 'authenticate')), $alice, 'the key still logs in to its account');
	call($node, 'remove_device_key', kid => $new->kid, access_token => $alice->{access_token});
	error_is(token($jwt, bearer => $_->{access_token}), 400, 'invalid_grant', 'invalid challenge', 'nor after the key was removed') for $alice, $mallory;
}

# A thief who presents a setup before its owner gets the key, and the owner an error.
{
	my $stolen = AnonAuth::Device->new;
	my $jwt = request($stolen, 'setup');

	is(token($jwt, bearer => $mallory->{access_token})->{status}, 200, 'a request to set up is not bound to a user');
	is(refusal($node, 'add_device_key', jwt => $jwt, access_token => $alice->{access_token})->{sqlstate}, 'AA016', 'but its owner notices');
}

# ---------------------------------------------------------------------------
# Key IDs of other users
# ---------------------------------------------------------------------------

{
	is(token(request($thief, 'setup'), bearer => $mallory->{access_token})->{status}, 200, 'another account can have a key with the same ID');
	is_logged_in(token(request($device, 'authenticate')), $alice, 'the first key');
	is_logged_in(token(request($thief, 'authenticate')), $mallory, 'the second key');
	is_logged_in(token(request($device, 'authenticate', with_jwk => 1)), $alice, 'the first key with its public key');
	my $error = token($device->sign({ typ => $typ, alg => 'ES256', kid => $device->kid, jwk => $thief->jwk }, { action => 'authenticate', challenge => challenge_for('biometric_request') }));
	error_is($error, 400, 'invalid_grant', 'invalid request JWT', 'the public key of another');
	is(call($node, 'remove_device_key', kid => $device->kid, access_token => $mallory->{access_token})->{remove_device_key}, JSON::PP::true, 'removing it');
	is_logged_in(token(request($device, 'authenticate')), $alice, 'does not remove that of the other account: a login');

	# a limit counts the key
	query('UPDATE anon_auth.settings SET device_key_logins_per_minute = 2');
	query('SELECT anon_auth.reset_counters()');
	is(token(request($thief, 'setup'), bearer => log_in($mallory->{name})->{access_token})->{status}, 200, 'adding it again');
	is_logged_in(token(request($thief, 'authenticate')), $mallory, "login $_ of the second key") for 1, 2;
	my $answer = token(request($thief, 'authenticate'));
	is($answer->{status}, 429, 'the third is one too many');
	is($answer->{json}{error}, 'x_rate_limited', 'and the SDK keeps its key');
	is_logged_in(token(request($device, 'authenticate')), $alice, 'the key of the other account is not limited');
	query('UPDATE anon_auth.settings SET device_key_logins_per_minute = NULL');

	# more keys than are tried for a request without the public key
	my @crowd = map { AnonAuth::Device->new(kid => 'a-common-kid') } 1 .. 5;
	is(refusal($node, 'add_device_key', jwt => request($_, 'setup'), access_token => account()->{access_token})->{sqlstate}, '00000', 'a key ID that others use') for @crowd[ 0 .. 3 ];
	is(refusal($node, 'add_device_key', jwt => request($crowd[4], 'setup'), access_token => account()->{access_token})->{detail}, 'Too many devices have a key with this "kid".', 'but not too many');
}

# ---------------------------------------------------------------------------
# Guests
# ---------------------------------------------------------------------------

{
	my $guest_device = AnonAuth::Device->new;
	my $guest = call($node, 'authenticate_anonymously', client_id => 'app', jwt => $guest_device->request(challenge => challenge_for('anonymous_request'), with_jwk => 1));

	error_is(token(request($guest_device, 'authenticate')), 400, 'invalid_grant', 'account required', "a guest's key logs in to no account");
	is(refusal($node, 'add_device_key', jwt => request($guest_device, 'setup'), access_token => $alice->{access_token})->{sqlstate}, 'AA016', 'nor can an account have it');
	is(refusal($node, 'authenticate_anonymously', client_id => 'app', jwt => $device->request(challenge => challenge_for('anonymous_request'), with_jwk => $_))->{sqlstate}, 'AA008', "an account's key signs up no guest") for 0, 1;
	my $anonymous = browser()->post_form('/oauth2/token', grant_type => 'urn:authgear:params:oauth:grant-type:anonymous-request', client_id => 'app', jwt => $device->request(challenge => challenge_for('anonymous_request')));
	error_is($anonymous, 400, 'invalid_grant', 'user logged in as normal user', 'nor over HTTP');
	is(refusal($node, 'promote_anonymous_user', client_id => 'app', username => 'promoted', password => 'correct horse', jwt => $device->request(challenge => challenge_for('anonymous_request'), action => 'promote'))->{sqlstate}, 'AA008', 'nor does it promote one');
}

# ---------------------------------------------------------------------------
# Removal
# ---------------------------------------------------------------------------

{
	my $lost = AnonAuth::Device->new;
	my $thiefs = call($node, 'add_device_key', jwt => request($lost, 'setup'), access_token => $alice->{access_token}) && token(request($lost, 'authenticate'))->{json};
	my $kept = request($lost, 'authenticate');
	my $hint = 'https://authgear.com/login_hint?type=app_session_token&app_session_token=' . browser()->post_json('/oauth2/app_session_token', { refresh_token => $thiefs->{refresh_token} })->{json}{result}{app_session_token};
	my $settings = browser();

	$settings->get('/oauth2/authorize', response_type => 'none', client_id => 'app', redirect_uri => 'https://auth.example/settings', prompt => 'none', login_hint => $hint, scope => "$full_access offline_access");
	is($settings->get('/settings')->{status}, 200, 'a thief opens the settings pages with the key');
	my $list = browser()->post_json('/api/account/list_device_keys', {}, 'Authorization:' => "Bearer $thiefs->{access_token}")->{json}{result};
	is_deeply([ map { $_->{kid} } grep { $_->{is_current} } @$list ], [ $lost->kid ], 'the list marks the key of the session');
	is(browser()->post_json('/api/account/remove_device_key', { kid => $lost->kid }, 'Authorization:' => "Bearer $alice->{access_token}")->{json}{result}, JSON::PP::true, 'the owner removes the key');
	my $refresh = browser()->post_form('/oauth2/token', grant_type => 'refresh_token', client_id => 'app', refresh_token => $thiefs->{refresh_token});
	is($refresh->{json}{error}, 'invalid_grant', 'the session of the thief has ended');
	is(browser()->get('/oauth2/userinfo', 'Authorization:' => "Bearer $thiefs->{access_token}")->{status}, 401, 'its access token is refused');
	is($settings->get('/settings')->{status}, 403, 'the settings pages are closed');
	is(refusal($node, 'add_device_key', jwt => request(AnonAuth::Device->new, 'setup'), access_token => $thiefs->{access_token})->{sqlstate}, 'AA014', 'it cannot add another key');
	for my $jwt ($kept, request($lost, 'authenticate'), request($lost, 'authenticate', with_jwk => 1))
	{
		my $answer = error_is(token($jwt), 400, 'invalid_grant', 'InvalidCredentials', 'the key is refused for good');

		is($answer->{json}{x_code}, 'removed_device_key', 'an app sees why');
	}
	is(error_is(token(request(AnonAuth::Device->new(kid => $lost->kid), 'authenticate')), 400, 'invalid_grant', 'InvalidCredentials', 'another key with its ID')->{json}{x_code}, 'unknown_device_key', 'does not learn of it');
	is(call($node, 'remove_device_key', kid => $lost->kid, access_token => $alice->{access_token})->{remove_device_key}, JSON::PP::false, 'a second removal removes nothing');
	is(browser()->post_json('/api/account/remove_device_key', { kid => $device->kid }, 'Authorization:' => "Bearer " . account()->{access_token})->{json}{result}, JSON::PP::false, "nobody removes another account's key");
	is_logged_in(token(request($device, 'authenticate')), $alice, 'which still works');
}

# A login that is rolled back has used nothing up, and given nothing.
{
	my $jwt = request($device, 'authenticate');

	query('BEGIN; SELECT count(*) FROM anon_auth.authenticate_with_device_key(%s, %s); ROLLBACK', 'app', $jwt);
	is_logged_in(token($jwt), $alice, 'after a rollback, the request');
}
is(query(q{SELECT count(*) FROM anon_auth.sessions s WHERE device_kid IS NOT NULL AND NOT EXISTS (SELECT FROM anon_auth.device_keys k WHERE k.user_id = s.user_id AND k.kid = s.device_kid AND k.of_account)}), 0, 'no session is left of a key that was removed');
is(query(q{SELECT count(*) FROM anon_auth.users u WHERE cardinality(device_key_routes) <> (SELECT count(*) FROM anon_auth.device_keys k WHERE k.user_id = u.id AND k.of_account AND k.route = ANY (device_key_routes))}), 0, 'the accounts know where their keys are');

done_testing();
