# Independent implementations accept the extension's tokens and keys, and the
# extension accepts theirs. The npm package jose, Node.js's crypto module and
# the openssl command sign requests; jose and Node.js verify tokens.
#
# Duration: 70 s

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Clients;
use AnonAuth::Device qw(call challenge jws_parts random_kid refusal sql_literal);
use JSON::PP ();
use MIME::Base64 qw(encode_base64url decode_base64url);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $json = JSON::PP->new->canonical->utf8;
my $reason = AnonAuth::Clients->missing;

plan skip_all => $reason if $reason;

my $clients = AnonAuth::Clients->new;

# The answers of a client's functions to the tasks; see clients/tasks.mjs.
sub ask
{
	my ($client, @tasks) = @_;
	my $answers = $clients->run($client, \@tasks);

	return wantarray ? @$answers : $answers->[0];
}

# The same for tasks that must succeed: the results, or an exception.
sub results
{
	my @results = map {
		die "$_[0]: $_->{error}" if exists $_->{error};
		$_->{result}
	} ask(@_);

	return wantarray ? @results : $results[0];
}

# ---------------------------------------------------------------------------
# The server
# ---------------------------------------------------------------------------

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->start;
$node->safe_psql('postgres', q{CREATE EXTENSION anon_auth; UPDATE anon_auth.settings SET signing_key_lead_time = '0'});
call($node, 'create_client', client_id => 'app', application_type => 'native', id_token => 'always');

my $issuer = 'https://auth.example/tenant';
my $audience = 'https://api.example';
$node->safe_psql('postgres',
	"UPDATE anon_auth.settings SET issuer = '$issuer', audience = '$audience'");

sub request_header
{
	my ($kid, $jwk) = @_;

	return {
		typ => 'vnd.authgear.anonymous-request',
		kid => $kid,
		$jwk ? (jwk => $jwk) : () };
}

sub request_payload
{
	return $json->encode(
		{
			iat => time(),
			exp => time() + 60,
			challenge => challenge($node),
			action => $_[0] // 'auth'
		});
}

sub guest
{
	return call($node, 'authenticate_anonymously', client_id => 'app', @_);
}

sub jws_verify
{
	my ($jws, $jwk, %arguments) = @_;

	return call($node, 'jws_verify', token => $jws, jwk => $json->encode($jwk), %arguments)
	  ->{jws_verify};
}

sub thumbprint
{
	return call($node, 'jwk_thumbprint', jwk => $json->encode($_[0]))->{jwk_thumbprint};
}

# ---------------------------------------------------------------------------
# Requests
# ---------------------------------------------------------------------------

my @asymmetric = qw(ES256 ES384 ES512 RS256 RS384 RS512 PS256 PS384 PS512 EdDSA);

for my $client ('jose', 'node-crypto')
{
	my @keys = results($client, map { { task => 'generate', alg => $_ } } @asymmetric);

	for my $alg (@asymmetric)
	{
		my $key = shift @keys;
		my $kid = random_kid();
		my ($sign_up, $log_in, $promote) = results(
			$client,
			map {
				{
					task => 'sign',
					alg => $alg,
					privateJwk => $key->{privateJwk},
					header => request_header($kid, $_->[0]),
					payload => request_payload($_->[1])
				}
			} [ $key->{publicJwk}, 'auth' ],
			[ undef, 'auth' ],
			[ undef, 'promote' ]);
		my $guest = guest(jwt => $sign_up);

		ok($guest->{sub}, "a request signed by $client with $alg signs up");
		is(guest(jwt => $log_in)->{sub},
			$guest->{sub}, "a request signed by $client with $alg logs in");
		is( call($node, 'promote_anonymous_user',
				client_id => 'app',
				username => lc "$alg.$client",
				password => 'correct horse',
				jwt => $promote)->{sub},
			$guest->{sub},
			"a request signed by $client with $alg promotes");
	}
}

for my $alg (qw(ES256 RS256))
{
	my $key = results('node-crypto', { task => 'generateInBrowser', alg => $alg });
	my $sign_up = results(
		'node-crypto',
		{
			task => 'sign',
			alg => $alg,
			privateJwk => $key->{privateJwk},
			header => request_header(random_kid(), $key->{publicJwk}),
			payload => request_payload()
		});

	is_deeply($key->{publicJwk}{key_ops}, ['verify'], "the key_ops of a browser's $alg key contain only verify");
	ok(guest(jwt => $sign_up)->{sub}, "a browser can sign up with its $alg key");
}

# WebCrypto names the algorithm of an Ed25519 key Ed25519 (RFC 9864).
{
	my @keys = results('node-crypto', map { { task => 'generateInBrowser', alg => 'Ed25519' } } 1 .. 2);
	my @names = ([ 'EdDSA', 'Ed25519' ], [ 'Ed25519', 'EdDSA' ]);

	for my $key (@keys)
	{
		my ($first, $then) = @{ shift @names };
		my $kid = random_kid();
		my ($sign_up, $log_in) = results(
			'node-crypto',
			map {
				{
					task => 'sign',
					alg => $_->[0],
					privateJwk => $key->{privateJwk},
					header => request_header($kid, $_->[1]),
					payload => request_payload()
				}
			} [ $first, $key->{publicJwk} ],
			[ $then, undef ]);

		is($key->{publicJwk}{alg}, 'Ed25519', "a browser's Ed25519 key names its algorithm as RFC 9864 does");
		my $guest = guest(jwt => $sign_up);

		ok($guest->{sub}, "a browser can sign up with its Ed25519 key and $first in the header");
		is(guest(jwt => $log_in)->{sub}, $guest->{sub}, "the key logs in with $then in the header");
		is($node->safe_psql('postgres', sprintf 'SELECT alg FROM anon_auth.device_keys WHERE kid = %s', sql_literal($kid)),
			'EdDSA', 'the algorithm is stored as EdDSA');
		ok(call($node, 'jws_verify', token => $sign_up, jwk => $json->encode($key->{publicJwk}))->{jws_verify},
			"jws_verify() verifies $first with the exported key");
	}
	my $kid = call($node, 'import_signing_key', jwk => $json->encode($keys[0]{privateJwk}))->{import_signing_key};
	my ($jwk) = grep { $_->{kid} eq $kid } @{ call($node, 'jwks')->{jwks}{keys} };

	is($jwk->{alg}, 'EdDSA', 'an exported Ed25519 key can be imported to sign tokens, and is published as EdDSA');
}

# AnonAuth::Device signs with the openssl command. Here jose verifies its
# requests.
for my $alg (@asymmetric)
{
	my $device = AnonAuth::Device->new(alg => $alg);
	my $jwt = $device->request(challenge => challenge($node), with_jwk => 1);

	ok( results('jose', { task => 'verify', jws => $jwt, alg => $alg, jwk => $device->jwk }),
		"jose verifies a request signed by openssl with $alg");
	ok(guest(jwt => $jwt)->{sub}, "a request signed by openssl with $alg signs up");
}

# ---------------------------------------------------------------------------
# Tokens
# ---------------------------------------------------------------------------

for my $alg (qw(ES256 EdDSA RS256 PS256))
{
	my $kid = call($node, 'create_signing_key', alg => $alg)->{create_signing_key};
	my $guest = guest();
	my $jwks = call($node, 'jwks')->{jwks};
	my ($jwk) = grep { $_->{kid} eq $kid } @{ $jwks->{keys} };
	my @access = (
		task => 'verifyJwt',
		token => $guest->{access_token},
		jwks => $jwks,
		issuer => $issuer,
		audience => $audience,
		typ => 'at+jwt',
		algorithms => [$alg]);
	my @id = (
		task => 'verifyJwt',
		token => $guest->{id_token},
		jwks => $jwks,
		issuer => $issuer,
		audience => 'app',
		typ => 'JWT',
		algorithms => [$alg]);
	my ($header, $payload, $signature) = split /\./, $guest->{access_token};
	my $claims = $json->decode(decode_base64url($payload));
	my $tampered = encode_base64url($json->encode({ %$claims, sub => random_kid() }));
	my ($access_token, $id_token, $thumbprint) =
	  results('jose', {@access}, {@id}, { task => 'thumbprint', jwk => $jwk });

	is($access_token->{payload}{sub}, $guest->{sub}, "jose verifies an access token ($alg)");
	is($access_token->{protectedHeader}{alg}, $alg, "the access token is signed with $alg");
	is($access_token->{protectedHeader}{kid}, $kid, "the access token names its key ($alg)");
	is($access_token->{payload}{exp} - $access_token->{payload}{iat},
		$guest->{expires_in}, "expires_in is the lifetime of the access token ($alg)");
	is($id_token->{payload}{sub}, $guest->{sub}, "jose verifies an ID token ($alg)");
	is($thumbprint, $kid, "the kid is the thumbprint that jose calculates ($alg)");
	is(scalar(grep { exists $jwk->{$_} } qw(d p q dp dq qi k)), 0, "the key set contains no private member ($alg)");
	is_deeply(
		[ map { $_->{error} } ask(
				'jose',
				{ @access, token => "$header.$tampered.$signature" },
				{ @access, issuer => 'https://other.example' },
				{ @access, audience => 'https://other.example' },
				{ @access, token => $guest->{id_token} },
				{ @access, algorithms => [ $alg eq 'RS256' ? 'PS256' : 'RS256' ] }) ],
		[
			'ERR_JWS_SIGNATURE_VERIFICATION_FAILED', ('ERR_JWT_CLAIM_VALIDATION_FAILED') x 3,
			'ERR_JOSE_ALG_NOT_ALLOWED'
		],
		"jose refuses a changed token, another issuer, another audience, an ID token as access token, and another algorithm ($alg)");
}

# Keys that other software has generated.
for my $alg (qw(ES256 EdDSA RS256 PS256 HS256))
{
	for my $client ('jose', 'node-crypto')
	{
		my $key = results($client, { task => 'generate', alg => $alg });
		my $kid = "$client-$alg";
		my $imported = call($node, 'import_signing_key',
			jwk => $json->encode({ %{ $key->{privateJwk} }, alg => $alg, kid => $kid }))
		  ->{import_signing_key};
		my $guest = guest();
		my $text = $node->safe_psql('postgres', 'SELECT anon_auth.jwks()');
		my %checks = (
			token => $guest->{access_token},
			issuer => $issuer,
			audience => $audience,
			algorithms => [$alg]);
		my $verified = results(
			'jose',
			$alg eq 'HS256'
			? { task => 'verifyJwtWithSecret', jwk => $key->{privateJwk}, %checks }
			: { task => 'verifyJwt', jwks => $json->decode($text), %checks });

		is($imported, $kid, "an imported key ($alg) made by $client keeps its kid");
		is((jws_parts($guest->{access_token}))[0]{kid}, $kid, "the imported key signs the next token ($alg, $client)");
		is($verified->{payload}{sub}, $guest->{sub}, "jose verifies a token signed with the imported key ($alg, $client)");
		ok( !(grep { index($text, $key->{privateJwk}{$_} // "\0") >= 0 } qw(d p q dp dq qi k)),
			"the key set contains no private member of the imported key ($alg, $client)");
		is( call($node, 'userinfo', access_token => $guest->{access_token})->{userinfo}{sub},
			$guest->{sub},
			"userinfo() accepts a token signed with the imported key ($alg, $client)");
		ok( jws_verify($guest->{access_token}, $key->{publicJwk} // $key->{privateJwk}),
			"jws_verify() accepts a token signed with the imported key ($alg, $client)");
	}
}

# ---------------------------------------------------------------------------
# Thumbprints
# ---------------------------------------------------------------------------

for my $alg (qw(ES256 ES384 ES512 RS256 EdDSA HS256))
{
	my $key = results('jose', { task => 'generate', alg => $alg });
	my $jwk = { %{ $key->{publicJwk} // $key->{privateJwk} }, kid => 'a-key', alg => $alg, x5t => 'x' };

	is(thumbprint($jwk), results('jose', { task => 'thumbprint', jwk => $jwk }),
		"jwk_thumbprint() and jose agree on a key for $alg");
}

# ---------------------------------------------------------------------------
# jws_verify()
# ---------------------------------------------------------------------------

# Copies of the JWS with one part changed. The shortened signature loses its
# last byte, not its first: a signature without a leading zero byte is the same
# number, and OpenSSL accepts that for PS256 to PS512.
sub tampered
{
	my ($jws) = @_;
	my ($header, $payload, $signature) = map { decode_base64url($_) } split /\./, $jws;
	my $join = sub { return join '.', map { encode_base64url($_) } @_; };
	my $flip = sub {
		my ($bytes, $position) = @_;

		substr($bytes, $position, 1) ^= "\1";
		return $bytes;
	};

	return (
		$join->($header =~ s/"typ":"test"/"typ":"tesT"/r, $payload, $signature),
		$join->($header, "$payload ", $signature),
		$join->($header, '', $signature),
		$join->($header, $payload, substr $signature, 0, -1),
		$join->($header, $payload, "$signature\0"),
		map { $join->($header, $payload, $flip->($signature, $_)) }
		  0, int(length($signature) / 2), length($signature) - 1);
}

for my $client ('jose', 'node-crypto')
{
	my @algs = (qw(HS256 HS384 HS512), @asymmetric);
	my @keys = results($client, map { { task => 'generate', alg => $_ } } @algs, @algs);
	my $payload = $json->encode({ text => "\x{e4}\x{20ac}\x{1f600}", number => 1.5 });

	for my $i (0 .. $#algs)
	{
		my $alg = $algs[$i];
		my ($jwk, $other) = map { $_->{publicJwk} // $_->{privateJwk} } @keys[ $i, $i + @algs ];
		my $jws = results(
			$client,
			{
				task => 'sign',
				alg => $alg,
				privateJwk => $keys[$i]{privateJwk},
				header => { typ => 'test', kid => 'x' },
				payload => $payload
			});
		my @bad = tampered($jws);
		my @their_verdicts =
		  results($client, map { { task => 'verify', jws => $_, alg => $alg, jwk => $jwk } } $jws, @bad);

		ok(jws_verify($jws, $jwk), "jws_verify() accepts a JWS that $client has signed with $alg");
		ok(jws_verify($jws, $jwk, algorithms => "{$alg}"), "jws_verify() accepts the JWS when algorithms contains $alg ($client)");
		ok( !jws_verify($jws, $jwk, algorithms => $alg eq 'ES256' ? '{EdDSA}' : '{ES256}'),
			"jws_verify() refuses the JWS when algorithms contains only another algorithm ($client, $alg)");
		ok(!jws_verify($jws, $other), "jws_verify() refuses the JWS with another key ($client, $alg)");
		is_deeply(
			[ map { jws_verify($_, $jwk) ? 1 : 0 } $jws, @bad ],
			[ map { $_ ? 1 : 0 } @their_verdicts ],
			"jws_verify() and $client agree on the valid JWS and on all changed copies ($alg)");
		is(scalar(grep { $_ } @their_verdicts), 1, "$client accepts only the unchanged JWS ($alg)");
	}
}

# The other direction: the extension signs claims of several types, and the
# other implementations verify.
{
	my $claims = {
		sub => "\x{e4}\x{20ac}\x{1f600}\"\\\n\t",
		nested => { list => [ 1, 2.5, JSON::PP::true, undef, 'x' x 10000 ] } };

	for my $alg (qw(ES256 EdDSA RS256 PS256 HS256))
	{
		my ($key, $other_key) =
		  results('node-crypto', map { { task => 'generate', alg => $alg } } 1 .. 2);
		my ($public, $other) = map { $_->{publicJwk} // $_->{privateJwk} } $key, $other_key;

		call($node, 'import_signing_key', jwk => $json->encode({ %{ $key->{privateJwk} }, alg => $alg }));
		my $jws = call($node, 'sign_jwt', claims => $json->encode($claims), typ => 'test')->{sign_jwt};

		is_deeply((jws_parts($jws))[1], $claims, "sign_jwt() signs the claims unchanged ($alg)");
		for my $client ('jose', 'node-crypto')
		{
			my @verdicts = results(
				$client,
				(map { { task => 'verify', jws => $_, alg => $alg, jwk => $public } } $jws, tampered($jws)),
				{ task => 'verify', jws => $jws, alg => $alg, jwk => $other });

			ok(shift @verdicts, "$client verifies a token that sign_jwt() signed with $alg");
			ok(!(grep { $_ } @verdicts), "$client refuses changed tokens and another key ($alg)");
		}
	}
}

done_testing();
