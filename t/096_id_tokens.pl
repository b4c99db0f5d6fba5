
# Hostile ID tokens, made with the npm package jose: authenticate_with_id_token()
# and add_identity() refuse all of them, and change nothing.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Clients;
use AnonAuth::Device qw(call refusal);
use Digest::SHA qw(sha256 sha256_hex);
use JSON::PP ();
use MIME::Base64 qw(encode_base64url decode_base64url);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $json = JSON::PP->new->canonical->utf8;
my $reason = AnonAuth::Clients->missing;

plan skip_all => $reason if $reason;

my $clients = AnonAuth::Clients->new;

# The answers of jose to tasks that must succeed; see clients/tasks.mjs.
sub jose
{
	my @results = map {
		die "jose: $_->{error}" if exists $_->{error};
		$_->{result}
	} @{ $clients->run('jose', \@_) };

	return wantarray ? @results : $results[0];
}

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION anon_auth');
$node->safe_psql('postgres', 'UPDATE anon_auth.settings SET password_hash_memory_kib = 8192, password_hash_passes = 1');
call($node, 'create_client', client_id => 'app', application_type => 'native');

sub query { return $node->safe_psql('postgres', $_[0]); }

# ---------------------------------------------------------------------------
# Two providers, an account, and its identity
# ---------------------------------------------------------------------------

my $issuer = 'https://accounts.example';
my @algorithms = qw(RS256 ES256 EdDSA PS256);
my %key;

@key{ @algorithms, 'other' } = jose(map { { task => 'generate', alg => $_ } } @algorithms, 'RS256');
# Each key with its kid, as a provider publishes it. The other provider uses the same kid.
sub published
{
	my ($name, $kid, $alg) = @_;

	return { %{ $key{$name}{publicJwk} }, kid => $kid, use => 'sig', $alg ? (alg => $alg) : () };
}
call($node, 'create_identity_provider',
	issuer => $issuer,
	audiences => '{app.example,web.example}',
	algorithms => '{RS256,ES256,PS256}',
	jwks => $json->encode({ keys => [ published('RS256', 'rsa', 'RS256'), published('ES256', 'ec'), published('EdDSA', 'ed'), published('PS256', 'any-rsa') ] }));
call($node, 'create_identity_provider',
	issuer => 'https://other.example',
	audiences => '{app.example}',
	jwks => $json->encode({ keys => [ published('other', 'rsa', 'RS256') ] }));
my $ada = call($node, 'promote_anonymous_user',
	client_id => 'app', username => 'ada', password => 'correct horse',
	refresh_token => call($node, 'authenticate_anonymously', client_id => 'app')->{refresh_token});

sub nonce { return call($node, 'create_challenge', purpose => 'id_token')->{token}; }

# The claims of a valid token, with changes. A change to undef removes a claim.
sub claims
{
	my ($nonce, %changes) = @_;
	my %claims = (
		iss => $issuer, aud => 'app.example', sub => 'ada', nonce => sha256_hex($nonce),
		iat => time(), exp => time() + 3600, %changes);

	return { map { defined $claims{$_} ? ($_ => $claims{$_}) : () } keys %claims };
}

# A token: claims as a hash or as text, and how it is signed.
sub token
{
	my ($claims, %options) = @_;
	my $alg = $options{alg} // 'RS256';

	return jose(
		{
			task => 'sign',
			alg => $alg,
			privateJwk => $options{key} // $key{$alg}{privateJwk},
			header => $options{header} // { kid => 'rsa', typ => 'JWT' },
			payload => ref $claims ? $json->encode($claims) : $claims
		});
}

# The error of a login with the token, and of adding its identity: they must be the same, and change nothing.
sub is_refused
{
	my ($token, $nonce, $sqlstate, $detail, $name) = @_;
	my $login = refusal($node, 'authenticate_with_id_token', client_id => 'app', id_token => $token, nonce => $nonce);
	my $adding = refusal($node, 'add_identity', id_token => $token, nonce => $nonce, access_token => $ada->{access_token});

	is("$login->{sqlstate} " . ($login->{detail} // ''), "$sqlstate $detail", "$name: refused");
	is("$adding->{sqlstate} " . ($adding->{detail} // ''), "$sqlstate $detail", "$name: not added");
	ok($login->{unchanged} && $adding->{unchanged}, "$name: nothing has changed");
	return;
}

# The same for a valid token that is changed.
sub is_refused_with
{
	my ($changes, $detail, $name, %options) = @_;
	my $nonce = nonce();

	is_refused(token(claims($nonce, %$changes), %options), $nonce, $options{sqlstate} // 'AA028', $detail, $name);
	return;
}

sub logs_in
{
	my ($token, $nonce, $name) = @_;
	my $response = call($node, 'authenticate_with_id_token', client_id => 'app', id_token => $token, nonce => $nonce);

	is($response && $response->{sub}, $ada->{sub}, $name);
	return;
}

{
	my $nonce = nonce();

	ok(call($node, 'add_identity', id_token => token(claims($nonce)), nonce => $nonce, access_token => $ada->{access_token})->{add_identity}, 'the identity is added');
}
for my $case ([ 'RS256', 'rsa' ], [ 'ES256', 'ec' ], [ 'PS256', 'any-rsa' ])
{
	my ($alg, $kid) = @$case;
	my $nonce = nonce();

	logs_in(token(claims($nonce, nonce => encode_base64url(sha256($nonce))), alg => $alg, header => { kid => $kid }), $nonce, "a token signed with $alg logs in");
}

# ---------------------------------------------------------------------------
# Claims
# ---------------------------------------------------------------------------

my $unknown_issuer = 'The issuer (iss) is not an identity provider of this database.';
my $foreign_audience = q{The audience (aud) has a value that is not in the provider's audiences.};

is_refused_with({ iss => "$issuer.evil.example" }, $unknown_issuer, 'an issuer that begins with the right one');
is_refused_with({ iss => "https://evil.example/$issuer" }, $unknown_issuer, 'an issuer that ends with the right one');
is_refused_with({ iss => "$issuer/" }, $unknown_issuer, 'an issuer with a slash more');
is_refused_with({ aud => 'other.example' }, $foreign_audience, 'a token for another application');
is_refused_with({ aud => [ 'app.example', 'other.example' ], azp => 'app.example' }, $foreign_audience, 'two audiences, one of them foreign');
is_refused_with({ aud => [ 'app.example', 'web.example' ] }, 'The token has several audiences (aud), but no authorized party (azp).', 'two audiences without azp');
is_refused_with({ azp => 'other.example' }, q{The authorized party (azp) is not in the provider's audiences.}, 'a wrong azp');
is_refused_with({ exp => time() - 1 }, 'The token has expired (exp).', 'expired by a second');
for my $value ('"tomorrow"', 'null', 'true', '1e30', '-1', '[1]')
{
	for my $claim ('exp', 'iat', 'nbf')
	{
		my $nonce = nonce();
		my $text = $json->encode(claims($nonce, $claim => 'X')) =~ s/"X"/$value/r;

		is_refused(token($text), $nonce, 'AA028', qq{The "$claim" is not a number of seconds since 1970.}, "$claim is $value");
	}
}

# ---------------------------------------------------------------------------
# Nonces
# ---------------------------------------------------------------------------

{
	my ($nonce, $other) = (nonce(), nonce());

	is_refused(token(claims($nonce)), $other, 'AA028', 'The nonce of the token is neither the nonce that was passed nor its SHA-256.', 'the nonce of another token');
	is_refused(token(claims($nonce)), undef, 'AA028', 'The nonce is not a challenge that can be used: The challenge was not issued here.', 'a hashed nonce without the nonce');
	is_refused(token(claims($nonce, nonce => undef)), $nonce, 'AA028', 'The token has no nonce.', 'no nonce');
	logs_in(token(claims($nonce)), $nonce, 'the refused nonce can still be used');
}

# ---------------------------------------------------------------------------
# Keys, algorithms, headers
# ---------------------------------------------------------------------------

# An attacker who knows the public key signs with it as the secret of HMAC.
for my $secret ([ 'the modulus', $key{RS256}{publicJwk}{n} ],
	[ 'the JWK', encode_base64url($json->encode($key{RS256}{publicJwk})) ])
{
	is_refused_with({}, q{The algorithm (alg) is not one of the provider's algorithms.}, "HS256 with the public key: $secret->[0]",
		alg => 'HS256', key => { kty => 'oct', k => $secret->[1] });
}
is_refused_with({}, q{The algorithm (alg) is not one of the provider's algorithms.}, 'an algorithm of the key, but not of the provider', alg => 'EdDSA', header => { kid => 'ed' });
is_refused_with({}, q{The signature does not match the provider's key.}, q{the algorithm of another key}, alg => 'ES256');
is_refused_with({}, q{The signature does not match the provider's key.}, q{PS256 with a key whose "alg" is RS256}, alg => 'PS256', key => $key{RS256}{privateJwk});
is_refused_with({}, q{The signature does not match the provider's key.}, q{another provider's key with the same kid}, key => $key{other}{privateJwk});
is_refused_with({ iss => 'https://other.example' }, q{The signature does not match the provider's key.}, q{another provider's issuer});
is_refused_with({}, q{The provider's keys do not include the "kid" of the token.}, 'an unknown kid', header => { kid => 'new' }, sqlstate => 'AA025');
is_refused_with({}, q{The header has no key ID (kid).}, 'no kid', header => {});
is_refused_with({}, q{The header has no key ID (kid).}, 'a jwk instead of a kid', header => { jwk => $key{other}{publicJwk} }, key => $key{other}{privateJwk});
is_refused_with({}, q{The signature does not match the provider's key.}, 'a jwk beside the kid', header => { kid => 'rsa', jwk => $key{other}{publicJwk} }, key => $key{other}{privateJwk});
is_refused_with({}, q{The "typ" is not JWT.}, 'an access token', header => { kid => 'rsa', typ => 'at+jwt' });
for my $case ([ '{"alg":"none","kid":"rsa"}', q{The algorithm (alg) is not one of the provider's algorithms.}, 'no algorithm' ],
	[ '{"alg":"rs256","kid":"rsa"}', q{The algorithm (alg) is not one of the provider's algorithms.}, 'an algorithm in lower case' ],
	[ '{"kid":"rsa"}', 'The header has no algorithm (alg).', 'no alg' ],
	[ '{"alg":"RS256","kid":"rsa","crit":["exp"],"exp":1}', 'The header has critical parameters (crit) that are not supported.', 'crit' ],
	[ '{"alg":"RS256","kid":"rsa","b64":false,"crit":["b64"]}', 'The header has critical parameters (crit) that are not supported.', 'an unencoded payload' ],
	[ '{"alg":"RS256","alg":"RS256","kid":"rsa"}', 'The header is refused: a member name appears twice.', 'a duplicate member of the header' ],
	[ '[]', 'The header is refused: it is not a JSON object.', 'a header that is no object' ])
{
	my ($header, $detail, $name) = @$case;
	my $nonce = nonce();
	my (undef, $payload, $signature) = split /\./, token(claims($nonce));

	is_refused(join('.', encode_base64url($header), $payload, $signature), $nonce, 'AA028', $detail, $name);
}

# ---------------------------------------------------------------------------
# Changed and malformed tokens
# ---------------------------------------------------------------------------

{
	my $nonce = nonce();
	my ($header, $payload, $signature) = split /\./, token(claims($nonce));
	my $victim = encode_base64url($json->encode(claims($nonce, sub => 'victim')));
	my $twice = $json->encode(claims($nonce)) =~ s/"sub":"ada"/"sub":"ada","sub":"victim"/r;
	my $changed = decode_base64url($signature);
	substr($changed, 10, 1) ^= "\1";
	my $bad_signature = q{The signature does not match the provider's key.};
	my $bad_base64url = 'The token is not a compact JWS: the text is not valid unpadded base64url.';
	my $bad_format = 'The token is not a compact JWS: the token does not have three dot-separated parts.';

	is_refused("$header.$victim.$signature", $nonce, 'AA028', $bad_signature, 'another subject');
	is_refused("$header.$payload." . encode_base64url($changed), $nonce, 'AA028', $bad_signature, 'a changed signature');
	is_refused("$header.$payload." . encode_base64url(substr($changed, 0, -1)), $nonce, 'AA028', $bad_signature, 'a shorter signature');
	is_refused("$header.$payload.", $nonce, 'AA028', $bad_format, 'no signature');
	is_refused("$header.$payload.$signature.", $nonce, 'AA028', $bad_format, 'a fourth part');
	is_refused("$header.$payload.$signature=", $nonce, 'AA028', $bad_base64url, 'padding');
	is_refused("$header.$payload.$signature\n", $nonce, 'AA028', $bad_base64url, 'a newline at the end');
	# The last of 342 characters has four unused bits.
	is_refused("$header.$payload." . ($signature =~ s/(.)\z/chr(ord($1) + 1)/er), $nonce, 'AA028', $bad_base64url, 'other unused bits at the end of the signature');
	is_refused(token($twice), $nonce, 'AA028', 'The payload is refused: a member name appears twice.', 'a duplicate member of the payload');
	is_refused(token('[]'), $nonce, 'AA028', 'The payload is refused: it is not a JSON object.', 'a payload that is no object');
	is_refused(token('x'), $nonce, 'AA028', 'The payload is refused: it is not valid JSON.', 'a payload that is no JSON');
	is_refused(token(claims($nonce, name => 'x' x 70000)), $nonce, 'AA028', 'The token is not a compact JWS: the data is too long.', 'a long token');
	logs_in("$header.$payload.$signature", $nonce, 'the token itself logs in');

	# Replay.
	for my $time (1, 2)
	{
		is(call($node, 'authenticate_with_id_token', client_id => 'app', id_token => "$header.$payload.$signature", nonce => $nonce),
			undef, 'the token does not log in again');
	}
	is( call($node, 'authenticate_with_id_token', client_id => 'app', id_token => token(claims($nonce, name => 'Ada')), nonce => $nonce),
		undef, 'another token with the same nonce does not log in');
}

is(query('SELECT issuer, subject FROM anon_auth.user_identities'), "$issuer|ada", 'no identity was added');

# ---------------------------------------------------------------------------
# Many tokens of one identity
# ---------------------------------------------------------------------------

{
	my @nonces = map { nonce() } 1 .. 70;
	my @tokens = jose(map { { task => 'sign', alg => 'ES256', privateJwk => $key{ES256}{privateJwk}, header => { kid => 'ec' }, payload => $json->encode(claims($_)) } } @nonces);
	my @first = grep { call($node, 'authenticate_with_id_token', client_id => 'app', id_token => $tokens[$_], nonce => $nonces[$_]) } 0 .. $#tokens;
	my @second = grep { call($node, 'authenticate_with_id_token', client_id => 'app', id_token => $tokens[$_], nonce => $nonces[$_]) } 0 .. $#tokens;

	is(scalar @first, 70, 'all tokens work once');
	is(scalar @second, 0, 'none works twice, also those that the row of the identity no longer has room for');
}

done_testing();
