# A device signs up and logs in with requests that it signs with its key, in the
# format of Authgear's SDKs. The file tests the requests that must be accepted;
# t/011_bad_requests.pl has those that must be refused.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Device qw(call challenge jws_parts random_kid refusal sql_literal);
use JSON::PP ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION anon_auth');
call($node, 'create_client', client_id => 'app', application_type => 'native');
call($node, 'create_client', client_id => 'other_app', application_type => 'native');

sub log_in
{
	my ($device, %arguments) = @_;

	return call($node, 'authenticate_anonymously',
		client_id => 'app',
		jwt => $device->request(challenge => challenge($node), %arguments));
}

sub sign_up
{
	return log_in($_[0], with_jwk => 1);
}

sub session_of
{
	my ($response) = @_;

	return (jws_parts($response->{access_token}))[1]{sid};
}

sub query
{
	my ($format, @values) = @_;

	return $node->safe_psql('postgres', sprintf $format, map { sql_literal($_) } @values);
}

sub claims
{
	my ($response) = @_;

	return call($node, 'verify_jwt', token => $response->{access_token})->{verify_jwt};
}

# Every key algorithm

for my $alg (qw(ES256 ES384 ES512 RS256 RS384 RS512 PS256 PS384 PS512 EdDSA))
{
	my $device = AnonAuth::Device->new(alg => $alg);
	my $guest = sign_up($device);
	my $again = log_in($device);
	my $with_jwk = log_in($device, with_jwk => 1);

	like($guest->{sub}, qr/^[0-9a-f-]{36}$/, "$alg: a device signs up with its public key");
	is(claims($guest)->{sub}, $guest->{sub}, "$alg: the access token is the guest's");
	is($again->{sub}, $guest->{sub}, "$alg: a request with only the key ID returns the same guest");
	is($with_jwk->{sub}, $guest->{sub}, "$alg: a request that sends the key again returns the same guest");
	is( query('SELECT alg, kid FROM anon_auth.device_keys WHERE user_id = %s', $guest->{sub}),
		"$alg|" . $device->kid,
		"$alg: device_keys stores the key with its algorithm");
	is( query(
			'SELECT anon_auth.jwk_thumbprint(jwk) FROM anon_auth.device_keys WHERE user_id = %s',
			$guest->{sub}),
		$device->thumbprint,
		"$alg: device_keys stores the key unchanged");
}

# Sessions

{
	my $device = AnonAuth::Device->new;
	my @responses = (sign_up($device), map { log_in($device) } 1 .. 3);
	my %sessions = map { session_of($_) => 1 } @responses;
	my %refresh_tokens = map { $_->{refresh_token} => 1 } @responses;

	is(keys %sessions, 4, 'every login creates a session');
	is(keys %refresh_tokens, 4, 'every login returns a different refresh token');
	is( query(
			'SELECT count(*) FROM anon_auth.sessions WHERE user_id = %s AND expires_at > now()',
			$responses[0]{sub}),
		4,
		'a login keeps earlier sessions alive');
	is( call($node, 'refresh_session',
			client_id => 'app',
			refresh_token => $responses[0]{refresh_token})->{sub},
		$responses[0]{sub},
		'the refresh token of the first session still works after more logins');
	is( query(
			q{SELECT string_agg(type, ' ' ORDER BY id) FROM anon_auth.events WHERE user_id = %s},
			$responses[0]{sub}),
		'user.created user.authenticated user.authenticated user.authenticated',
		'the sign-up and each login write an event');
}

{
	my $device = AnonAuth::Device->new;
	my $guest = sign_up($device);
	my $elsewhere = call($node, 'authenticate_anonymously',
		client_id => 'other_app',
		jwt => $device->request(challenge => challenge($node)));

	is($elsewhere->{sub}, $guest->{sub}, 'the same key returns the same guest to another client');
}

{
	my @devices = map { AnonAuth::Device->new } 1 .. 2;
	my $challenge = challenge($node);
	my @subs = map {
		call($node, 'authenticate_anonymously',
			client_id => 'app',
			jwt => $_->request(challenge => $challenge, with_jwk => 1))->{sub}
	} @devices;

	isnt($subs[0], $subs[1], 'two devices become two guests, even with the same challenge');
}

{
	my $device = AnonAuth::Device->new;
	my @early = map { challenge($node) } 1 .. 3;
	my $guest = sign_up($device);
	my @subs = map {
		call($node, 'authenticate_anonymously',
			client_id => 'app',
			jwt => $device->request(challenge => $_))->{sub}
	} reverse @early;

	is_deeply(
		\@subs,
		[ ($guest->{sub}) x 3 ],
		'challenges that were issued earlier are accepted in any order');
}

# Requests of the SDKs, byte for byte

sub react_native_jwt
{
	my ($device, $action, $with_jwk) = @_;
	my $jwk = $device->jwk;
	my $header = sprintf '{"typ":"vnd.authgear.anonymous-request","kid":"%s","alg":"RS256"%s}',
	  $device->kid,
	  $with_jwk
	  ? sprintf(',"jwk":{"kid":"%s","alg":"RS256","kty":"RSA","n":"%s","e":"AQAB"}',
		$device->kid, $jwk->{n})
	  : '';
	my $payload = sprintf '{"iat":%d,"exp":%d,"challenge":"%s","action":"%s"}',
	  time(), time() + 60, challenge($node), $action;

	return $device->sign($header, $payload);
}

for my $platform (
	[ 'iOS', '4ABDD8A7-2102-4AA0-A229-299456A45B33' ],
	[ 'Android', 'c1f0cf8b-2a3c-4c14-9d0f-7ee1e30c9d32' ])
{
	my ($name, $kid) = @$platform;
	my $device = AnonAuth::Device->new(alg => 'RS256', kid => $kid);
	my $guest = call($node, 'authenticate_anonymously',
		client_id => 'app',
		jwt => react_native_jwt($device, 'auth', 1));
	my $again = call($node, 'authenticate_anonymously',
		client_id => 'app',
		jwt => react_native_jwt($device, 'auth', 0));
	my $user = call($node, 'promote_anonymous_user',
		client_id => 'app',
		username => lc "user.$name",
		password => 'correct horse',
		jwt => react_native_jwt($device, 'promote', 0));

	ok($guest->{sub}, "the React Native SDK on $name signs up");
	is($again->{sub}, $guest->{sub}, "the React Native SDK on $name logs in again");
	is($user->{sub}, $guest->{sub}, "the React Native SDK on $name can promote its guest");
}

{
	my $device = AnonAuth::Device->new(alg => 'RS256');
	my $guest = log_in(
		$device,
		with_jwk => 1,
		payload => {
			device_info => { android => { Build => { MODEL => 'Pixel', VERSION => { SDK_INT => 35 } } } }
		});

	ok($guest->{sub}, 'members of the payload that are not specified, such as those of the Android SDK, are ignored');
}

# Places of the key ID

{
	my $device = AnonAuth::Device->new;
	my $guest = log_in($device, header => { jwk => $device->jwk(kid => undef, alg => undef) });

	is(log_in($device)->{sub}, $guest->{sub},
		'a jwk without kid, as exportJWK() of the npm package jose returns it, takes the kid of the header');
}

{
	my $device = AnonAuth::Device->new;
	my $guest = log_in($device, header => { kid => undef, jwk => $device->jwk });

	is(log_in($device)->{sub}, $guest->{sub}, 'a kid in the jwk alone is accepted');
}

for my $kid ('abcdefgh', '_-_-_-_-', 'x' x 64)
{
	my $device = AnonAuth::Device->new(kid => $kid);

	is(sign_up($device)->{sub}, log_in($device)->{sub}, "the kid $kid is accepted");
}

{
	my $upper = AnonAuth::Device->new(kid => 'CASE-SENSITIVE');
	my $lower = AnonAuth::Device->new(kid => 'case-sensitive');

	isnt(sign_up($upper)->{sub}, sign_up($lower)->{sub}, 'key IDs are case-sensitive');
}

{
	my $device = AnonAuth::Device->new(alg => 'RS256');
	my $jwk = $device->jwk(
		use => 'sig',
		key_ops => ['verify'],
		x5t => 'kept-nowhere',
		ext => JSON::PP::true);
	my $guest = log_in($device, header => { jwk => $jwk });

	is( query(
			q{SELECT string_agg(member, ',' ORDER BY member)
			  FROM anon_auth.device_keys, jsonb_object_keys(jwk) member WHERE user_id = %s},
			$guest->{sub}),
		'e,kty,n',
		'device_keys stores only the required members of the jwk');
}

# Times

{
	my $device = AnonAuth::Device->new;
	my $guest = sign_up($device);

	is(log_in($device, payload => { iat => undef, exp => undef })->{sub},
		$guest->{sub}, 'iat and exp are optional');
	is(log_in($device, payload => { iat => time() + 240, nbf => time() + 240 })->{sub},
		$guest->{sub}, 'a device whose clock is four minutes ahead can log in');
	is(log_in($device, payload => { iat => time() - 300, exp => time() - 240 })->{sub},
		$guest->{sub}, 'a device whose clock is four minutes behind can log in');
	is(log_in($device, payload => { iat => time() + 0.5, exp => time() + 60.25 })->{sub},
		$guest->{sub}, 'iat and exp may have fractions of a second');
}

# Device information

{
	my $device = AnonAuth::Device->new;
	my $guest = call($node, 'authenticate_anonymously',
		client_id => 'app',
		jwt => $device->request(challenge => challenge($node), with_jwk => 1),
		device_info => '{"ios": {"uname": {"machine": "iPhone13,1"}}}');
	my $bare = log_in($device);

	is( query(
			q{SELECT device_info #>> '{ios,uname,machine}' FROM anon_auth.sessions
			  WHERE user_id = %s AND id = %s}, $guest->{sub}, session_of($guest)),
		'iPhone13,1',
		'device_info is stored with the session');
	is( query(
			'SELECT device_info IS NULL FROM anon_auth.sessions WHERE user_id = %s AND id = %s',
			$bare->{sub}, session_of($bare)),
		't',
		'a session without device_info stores NULL');
}

# Promotion

{
	my $device = AnonAuth::Device->new;
	my $guest = sign_up($device);
	my $user = call($node, 'promote_anonymous_user',
		client_id => 'app',
		email => 'device@example.com',
		password => 'correct horse',
		jwt => $device->request(challenge => challenge($node), action => 'promote'));
	my $error;

	is($user->{sub}, $guest->{sub}, 'promotion with a signed request keeps the sub');
	ok(!claims($user)->{is_anonymous}, 'the access token after promotion belongs to a regular user');
	is( query('SELECT count(*) FROM anon_auth.device_keys WHERE user_id = %s', $guest->{sub}),
		0,
		'promotion deletes the device key');

	$error = refusal($node, 'authenticate_anonymously',
		client_id => 'app',
		jwt => $device->request(challenge => challenge($node)));
	is($error->{sqlstate}, 'AA031', 'after promotion a request with only the key ID is refused as removed');
	like($error->{hint}, qr/Log in to the account/, 'the hint tells the client to log in');

	my $new_guest = sign_up($device);
	isnt($new_guest->{sub}, $guest->{sub}, 'after promotion the key signs up a new guest');
	ok(claims($new_guest)->{is_anonymous}, 'the user that signed up after the promotion is a guest');
	is( call($node, 'authenticate',
			client_id => 'app',
			login_id => 'device@example.com',
			password => 'correct horse')->{sub},
		$guest->{sub},
		'the promoted user can log in with its password');
}

{
	my $device = AnonAuth::Device->new;
	my $guest = sign_up($device);
	my $user = call($node, 'promote_anonymous_user',
		client_id => 'app',
		username => 'with.key',
		password => 'correct horse',
		jwt => $device->request(
			challenge => challenge($node),
			action => 'promote',
			with_jwk => 1));

	is($user->{sub}, $guest->{sub}, 'a request to promote may contain the key');
}

{
	my $device = AnonAuth::Device->new;
	my $guest = sign_up($device);

	call($node, 'delete_user', user_id => $guest->{sub});
	is( refusal($node, 'authenticate_anonymously',
			client_id => 'app',
			jwt => $device->request(challenge => challenge($node)))->{sqlstate},
		'AA004',
		'a request with the key ID of a deleted guest is refused as unknown');
	isnt(sign_up($device)->{sub}, $guest->{sub}, 'the device of a deleted guest can sign up again as a new guest');
}

# A device cannot take over another device's kid

for my $removal (
	[ 'alive' => sub { } ],
	[ 'deleted' => sub { call($node, 'delete_user', user_id => $_[0]{sub}) } ],
	[
		'promoted' => sub {
			call($node, 'promote_anonymous_user',
				client_id => 'app',
				username => 'u' . ($_[0]{sub} =~ s/-//gr),
				password => 'correct horse',
				refresh_token => $_[0]{refresh_token});
		} ])
{
	my ($state, $remove) = @$removal;
	my $device = AnonAuth::Device->new;
	my @thieves = map { AnonAuth::Device->new(kid => $device->kid, alg => $_) } qw(ES256 EdDSA RS256 ES256 ES256);
	my $guest = sign_up($device);

	$remove->($guest);
	my @stolen = map { sign_up($_) } @thieves;
	is(scalar keys %{ { map { $_->{sub} => 1 } $guest, @stolen } }, 6, "$state guest: other keys with the same kid sign up as separate guests");
	if ($state ne 'alive')
	{
		my $error = refusal($node, 'authenticate_anonymously', client_id => 'app', jwt => $device->request(challenge => challenge($node)));

		is($error->{sqlstate}, $state eq 'promoted' ? 'AA031' : 'AA003',
			"$state guest: the device's request with only the shared kid is refused");
		like($error->{hint}, qr/"jwk"/, "$state guest: the hint tells the device to send its key");
		my $again = sign_up($device);
		isnt($again->{sub}, $_->{sub}, "$state guest: the device's key signs up a new guest") for $guest, @stolen;
		$guest = $again;
	}
	my $request = $device->request(challenge => challenge($node), with_jwk => 1);
	is(call($node, 'authenticate_anonymously', client_id => 'app', jwt => $request)->{sub}, $guest->{sub}, "$state guest: the device's key returns the device's guest");
	is(refusal($node, 'authenticate_anonymously', client_id => 'app', jwt => $request)->{sqlstate}, 'AA005', "$state guest: the same request is refused the second time");
	next if $state ne 'alive';
	is(log_in($device)->{sub}, $guest->{sub}, "$state guest: the shared kid alone returns the device's guest");
	is(log_in($thieves[$_])->{sub}, $stolen[$_]{sub}, "$state guest: the shared kid alone returns the guest of the other key ($_)") for 0 .. 2;
}

# A request stays used after its key is deleted

for my $removal (
	[ 'promotion' => sub { call($node, 'promote_anonymous_user', client_id => 'app', username => 'replayed.one',
				password => 'correct horse', refresh_token => $_[0]{refresh_token}) } ],
	[ 'deletion' => sub { call($node, 'delete_user', user_id => $_[0]{sub}) } ])
{
	my ($name, $remove) = @$removal;
	my $device = AnonAuth::Device->new(alg => 'ES256');
	my $request = $device->request(challenge => challenge($node), with_jwk => 1);
	my $guest = call($node, 'authenticate_anonymously', client_id => 'app', jwt => $request);

	$remove->($guest);
	is(refusal($node, 'authenticate_anonymously', client_id => 'app', jwt => $request)->{sqlstate},
		'AA005', "the request that signed up is refused as a replay after the $name of its guest");
	isnt(sign_up($device)->{sub}, $guest->{sub}, "a new request after the $name signs up a new guest");
}

done_testing();
