# The statements of Authgear's page "Add Anonymous Users", in the order of that
# page.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Device qw(call challenge jws_parts refusal sql_literal);
use Digest::SHA qw(sha256);
use MIME::Base64 qw(encode_base64url);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION anon_auth');

my $redirect_uri = 'com.example.app://host/path';
my $claim = 'https://authgear.com/claims/user/';

for my $type (qw(native spa traditional_webapp confidential third_party_app m2m))
{
	call($node, 'create_client',
		client_id => $type,
		application_type => $type,
		id_token => 'always',
		redirect_uris => "{$redirect_uri}");
}

# Every call opens a separate connection, like an app that was closed and
# reopened.

sub guest
{
	return call($node, 'authenticate_anonymously', client_id => 'spa', @_);
}

sub log_in
{
	my ($device, %arguments) = @_;

	return call($node, 'authenticate_anonymously',
		client_id => 'native',
		jwt => $device->request(challenge => challenge($node), %arguments));
}

sub userinfo
{
	return call($node, 'userinfo', access_token => $_[0]{access_token})->{userinfo};
}

sub refresh
{
	my ($response, $client_id) = @_;

	return call($node, 'refresh_session',
		client_id => $client_id // 'spa',
		refresh_token => $response->{refresh_token});
}

sub refresh_refusal
{
	my ($response) = @_;

	return refusal($node, 'refresh_session',
		client_id => 'spa',
		refresh_token => $response->{refresh_token});
}

sub query
{
	my ($format, @values) = @_;

	return $node->safe_psql('postgres', sprintf $format, map { sql_literal($_) } @values);
}

# ---------------------------------------------------------------------------
# Overview
# ---------------------------------------------------------------------------

# A guest uses the app like a normal user, and keeps its rows after promotion.
{
	my $guest = guest();
	my $other = guest();

	$node->safe_psql(
		'postgres', q{
			CREATE TABLE comments (
				author uuid NOT NULL DEFAULT anon_auth.uid() REFERENCES anon_auth.users,
				body text NOT NULL);
			ALTER TABLE comments ENABLE ROW LEVEL SECURITY;
			CREATE POLICY own ON comments USING (author = (SELECT anon_auth.uid()));
			CREATE ROLE app_user;
			GRANT SELECT, INSERT ON comments TO app_user;
			SELECT anon_auth.grant_client_api('app_user')});

	my $as = sub {
		my ($response, $statement) = @_;

		return (split /\n/, query("
			BEGIN;
			SET LOCAL ROLE app_user;
			SELECT anon_auth.use_access_token(%s);
			$statement;
			COMMIT", $response->{access_token}))[1] // '';
	};

	$as->($guest, q{INSERT INTO comments (body) VALUES ('first') RETURNING body});
	is($as->($guest, 'SELECT string_agg(body, NULL) FROM comments'),
		'first', 'a guest uses the app like a normal user');
	is($as->($other, 'SELECT string_agg(body, NULL) FROM comments'),
		'', "another guest does not see the guest's rows");

	my $user = call($node, 'promote_anonymous_user',
		client_id => 'spa',
		email => 'commenter@example.com',
		password => 'correct horse',
		refresh_token => $guest->{refresh_token});

	is($as->($user, 'SELECT string_agg(body, NULL) FROM comments'),
		'first', 'after promotion the user still has the rows of the guest');
}

{
	my $guest = guest();

	$node->restart;
	is(refresh($guest)->{sub}, $guest->{sub},
		'a session survives closing the app and restarting the server');
}

# ---------------------------------------------------------------------------
# Client applications
# ---------------------------------------------------------------------------

for my $type (qw(native spa traditional_webapp))
{
	my $device = AnonAuth::Device->new;

	ok(guest(client_id => $type)->{sub}, "a client of type $type can have guests");
	ok( call($node, 'authenticate_anonymously',
			client_id => $type,
			jwt => $device->request(challenge => challenge($node), with_jwk => 1))->{sub},
		"a client of type $type can have guests with a device key");
}

for my $type (qw(confidential third_party_app))
{
	is( refusal($node, 'authenticate_anonymously', client_id => $type)->{message},
		'Anonymous user is not supported by the client application type. '
		  . 'Try using SPA, Traditional Web App, or Native App client types if applicable.',
		"for a client of type $type, the error names the supported types");
}
is(refusal($node, 'authenticate_anonymously', client_id => 'm2m')->{sqlstate},
	'AA002', 'a client of type m2m cannot have guests');

# ---------------------------------------------------------------------------
# Enabling
# ---------------------------------------------------------------------------

{
	my $guest = guest();
	my $device = AnonAuth::Device->new;
	my $device_guest = log_in($device, with_jwk => 1);
	my $promoted;

	query('UPDATE anon_auth.settings SET anonymous_users_enabled = false');
	is(refusal($node, 'authenticate_anonymously', client_id => 'spa')->{message},
		'anonymous user disallowed', 'when anonymous users are disabled, nobody can sign up as a guest');
	is( refusal($node, 'authenticate_anonymously',
			client_id => 'native',
			jwt => $device->request(challenge => challenge($node)))->{message},
		'anonymous user disallowed',
		'when anonymous users are disabled, a guest cannot log in with its device key');
	is( refusal($node, 'authenticate_anonymously',
			client_id => 'spa',
			refresh_token => $guest->{refresh_token})->{message},
		'anonymous user disallowed',
		'when anonymous users are disabled, a guest cannot return with its refresh token');
	$promoted = call($node, 'promote_anonymous_user',
		client_id => 'spa',
		username => 'still.promoted',
		password => 'correct horse',
		refresh_token => $guest->{refresh_token});
	is($promoted->{sub}, $guest->{sub}, 'when anonymous users are disabled, existing guests can be promoted');
	query('UPDATE anon_auth.settings SET anonymous_users_enabled = true');
	is(log_in($device)->{sub}, $device_guest->{sub}, 'when anonymous users are enabled again, existing guests can log in');

	query('UPDATE anon_auth.settings SET public_sign_up_enabled = false');
	is(refusal($node, 'authenticate_anonymously', client_id => 'spa')->{message},
		'public signup is disabled', 'when public sign-up is disabled, nobody can sign up as a guest');
	is( refusal($node, 'authenticate_anonymously',
			client_id => 'native',
			jwt => AnonAuth::Device->new->request(challenge => challenge($node), with_jwk => 1))
		  ->{sqlstate},
		'AA015',
		'when public sign-up is disabled, no device key can sign up');
	is(log_in($device, with_jwk => 1)->{sub},
		$device_guest->{sub}, 'when public sign-up is disabled, existing guests can log in');
	query('UPDATE anon_auth.settings SET public_sign_up_enabled = true');
}

# ---------------------------------------------------------------------------
# Signing up as an anonymous user
# ---------------------------------------------------------------------------

{
	my $guest = guest();
	my $again = guest(refresh_token => $guest->{refresh_token});
	my $users = query('SELECT count(*) FROM anon_auth.users');

	is(userinfo($guest)->{sub}, $guest->{sub}, 'the access token of a session has the sub of the guest');
	is(userinfo($again)->{sub}, $guest->{sub}, 'signing up again with the refresh token returns the same guest');
	is(userinfo(refresh($guest))->{sub}, $guest->{sub}, 'refreshing keeps the sub');
	is(query('SELECT count(*) FROM anon_auth.users'), $users, 'refreshing and signing up again with the refresh token create no user');
	isnt(guest()->{sub}, $guest->{sub}, 'a sign-up without the refresh token creates another guest');
}

{
	my $info = userinfo(guest());

	ok($info->{"${claim}is_anonymous"}, 'userinfo says that a guest is anonymous');
	ok(!$info->{"${claim}is_verified"}, 'userinfo says that a guest is not verified');
	ok(!$info->{"${claim}can_reauthenticate"}, 'userinfo says that a guest cannot reauthenticate');
	is_deeply([ map { $_->{type} } @{ $info->{"${claim}identities"} } ],
		['anonymous'], 'a guest has an anonymous identity');
	is_deeply($info->{"${claim}authenticators"}, [], 'a guest needs no authenticator');
}

# ---------------------------------------------------------------------------
# Promotion
# ---------------------------------------------------------------------------

my %login_ids = (
	email => 'promoted@example.com',
	phone_number => '+85298765432',
	username => 'promoted');

for my $type (sort keys %login_ids)
{
	my $guest = guest();
	my $user = call($node, 'promote_anonymous_user',
		client_id => 'spa',
		$type => $login_ids{$type},
		password => 'correct horse',
		refresh_token => $guest->{refresh_token});
	my $info = userinfo($user);
	my $login = call($node, 'authenticate',
		client_id => 'spa',
		login_id => $login_ids{$type},
		password => 'correct horse');

	is($user->{sub}, $guest->{sub}, "the sub stays the same after promotion with $type");
	ok(!$info->{"${claim}is_anonymous"}, "a user promoted with $type is not anonymous");
	is($info->{ $type eq 'username' ? 'preferred_username' : $type },
		$login_ids{$type}, "userinfo contains the $type");
	is_deeply([ map { $_->{type} } @{ $info->{"${claim}authenticators"} } ],
		['password'], "a user promoted with $type has a password");
	is($login->{sub}, $guest->{sub}, "the $type and the password log in to the same sub");
	ok( !call($node, 'authenticate',
			client_id => 'spa',
			login_id => $login_ids{$type},
			password => 'wrong horse'),
		"the $type and a wrong password do not log in");
}

{
	my $guest = guest();
	my %promotion = (client_id => 'spa', refresh_token => $guest->{refresh_token});

	is( refusal($node, 'promote_anonymous_user', %promotion, password => 'correct horse')->{message},
		'a login ID is required', 'promotion without a login ID is refused');
	is( refusal($node, 'promote_anonymous_user', %promotion, username => 'no.password')->{message},
		'password is required', 'promotion without a password is refused');
	ok(userinfo(refresh($guest))->{"${claim}is_anonymous"}, 'refused promotions leave the guest a guest');
}

{
	my $guest = guest();
	my $code =
	  call($node, 'create_promotion_code', refresh_token => $guest->{refresh_token})->{promotion_code};
	my $user = call($node, 'promote_anonymous_user',
		client_id => 'spa',
		username => 'by.code',
		password => 'correct horse',
		promotion_code => $code);

	is($user->{sub}, $guest->{sub}, 'a promotion code promotes the guest of its session');
	is(refresh_refusal($guest)->{sqlstate}, 'AA006', "the guest's session has ended after promotion");
	is(refresh($user)->{sub}, $guest->{sub}, 'the new session of the promoted user can be refreshed');
}

# On the web, the sign-up page redirects the browser to the client with a code.
{
	my $guest = guest();
	my $verifier = encode_base64url(sha256('verifier'));
	my %promotion = (
		client_id => 'spa',
		code_challenge => encode_base64url(sha256($verifier)),
		username => 'by.web',
		password => 'correct horse',
		nonce => 'n-0S6_WzA2Mj',
		refresh_token => $guest->{refresh_token});

	is( refusal($node, 'authorize_promotion',
			%promotion, redirect_uri => 'https://elsewhere.example/')->{message},
		'redirect URI is not allowed',
		'a redirect URI that the client has not registered is refused');

	my $code = call($node, 'authorize_promotion', %promotion, redirect_uri => $redirect_uri)->{code};
	my %exchange = (client_id => 'spa', code => $code, redirect_uri => $redirect_uri);

	is( refusal($node, 'exchange_authorization_code', %exchange, code_verifier => 'x' x 43)->{sqlstate},
		'AA012', 'the code is refused without the code verifier of the client that began the promotion');

	my $user = call($node, 'exchange_authorization_code', %exchange, code_verifier => $verifier);

	is($user->{sub}, $guest->{sub}, 'exchanging the code returns tokens with the same sub');
	ok(!userinfo($user)->{"${claim}is_anonymous"}, 'the tokens belong to a regular user');
	is((jws_parts($user->{id_token}))[1]{nonce}, 'n-0S6_WzA2Mj', 'the ID token contains the nonce');
	is(call($node, 'exchange_authorization_code', %exchange, code_verifier => $verifier), undef,
		'the code cannot be exchanged twice');
}

# ---------------------------------------------------------------------------
# Lifetime
# ---------------------------------------------------------------------------

# With a device key, a guest lives as long as the key.
{
	my $device = AnonAuth::Device->new(alg => 'RS256');
	my $guest = log_in($device, with_jwk => 1);

	call($node, 'revoke', token => $guest->{refresh_token});
	is(log_in($device)->{sub}, $guest->{sub}, 'a guest with a device key can log in after logout');
	query('UPDATE anon_auth.sessions SET expires_at = now() WHERE user_id = %s', $guest->{sub});
	is(log_in($device)->{sub}, $guest->{sub}, 'a guest with a device key can log in after all its sessions have expired');
	call($node, 'revoke_sessions', user_id => $guest->{sub});
	is(log_in($device)->{sub}, $guest->{sub}, 'a guest with a device key can log in after its sessions were revoked');
}

# Without a device key, a guest lives as long as its session.
{
	my $guest = guest();
	my $new_guest;

	query('UPDATE anon_auth.sessions SET expires_at = now() WHERE user_id = %s', $guest->{sub});
	is(refresh_refusal($guest)->{sqlstate}, 'AA006', 'the expired session of a guest without a device key cannot be refreshed');
	is( refusal($node, 'authenticate_anonymously',
			client_id => 'spa',
			refresh_token => $guest->{refresh_token})->{sqlstate},
		'AA006',
		'a guest without a device key cannot return after its session has expired');
	$new_guest = guest();
	isnt($new_guest->{sub}, $guest->{sub}, 'a sign-up after the session has expired creates another guest');
}

{
	my $guest = guest();

	call($node, 'revoke', token => $guest->{refresh_token});
	is(refresh_refusal($guest)->{sqlstate}, 'AA006', 'after logout, the session of a guest without a device key cannot be refreshed');
}

# Seconds until a guest's session ends.
sub time_left
{
	my ($response) = @_;

	return query(
		'SELECT round(extract(epoch FROM expires_at - now()))
		 FROM anon_auth.sessions WHERE user_id = %s', $response->{sub});
}

sub near
{
	my ($value, $expected, $name) = @_;

	cmp_ok(abs($value - $expected), '<', 60, $name) or diag("$value seconds");
	return;
}

# The test that each use restarts the idle timeout needs a clock that can be
# moved; see t/011_bad_requests.pl.
near(time_left(guest()), 30 * 86400, 'a new session expires after 30 days without use');

{
	call($node, 'create_client',
		client_id => 'short',
		application_type => 'spa',
		access_token_lifetime_seconds => 300,
		refresh_token_idle_timeout_seconds => 600,
		refresh_token_lifetime_seconds => 3600);
	my $guest = guest(client_id => 'short');

	near(time_left($guest), 600, 'a client can have its own idle timeout');
	query(
		q{UPDATE anon_auth.clients SET refresh_token_idle_timeout_seconds = 86400
		  WHERE client_id = 'short'});
	refresh($guest, 'short');
	near(time_left($guest), 3600, 'a refresh does not extend a session beyond its lifetime');
	query(
		q{UPDATE anon_auth.clients SET refresh_token_idle_timeout_enabled = false
		  WHERE client_id = 'short'});
	near(time_left(guest(client_id => 'short')), 3600, 'when the idle timeout is disabled, a session lasts for its lifetime');
	query(
		q{UPDATE anon_auth.clients
		  SET refresh_token_lifetime_seconds = 315360000 WHERE client_id = 'short'});
	refresh($guest, 'short');
	near(time_left($guest), 315360000, 'a changed lifetime applies to existing sessions');
}

done_testing();
