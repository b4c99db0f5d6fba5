# Calls that must be refused. Each refusal must have the documented SQLSTATE,
# message and detail, must repeat no secret, and must write nothing to the
# database. The file ends with the server log and with expiry, for which it
# moves the server's clock.
#
# Duration: 50 s

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Clock;
use AnonAuth::Device
  qw(call challenge hmac_jws json_null jws_parts random_kid refusal sql_literal);
use Digest::SHA qw(sha256);
use JSON::PP ();
use MIME::Base64 qw(encode_base64url decode_base64url);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->append_conf('postgresql.conf', 'log_statement = none');
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION anon_auth');

my $redirect_uri = 'https://app.example/cb';
call($node, 'create_client',
	client_id => $_,
	application_type => 'spa',
	id_token => 'always',
	redirect_uris => "{$redirect_uri,https://app.example/other}") for qw(app other_app);
call($node, 'create_client', client_id => $_, application_type => $_)
  for qw(native traditional_webapp confidential third_party_app m2m);

my $json = JSON::PP->new->canonical->utf8;
my $wrong_signature = qr/^The signature does not match the device key\.$/;
my $no_time = qr/^The "exp" is not a number of seconds since 1970\.$/;
my $wrong_size = qr/^An ES256 signature has 64 bytes: R and S, one after the other, not in DER\.$/;

# Secrets in the arguments of refused calls. The test of the server log searches
# for them.
my @seen_secrets;

sub secrets_in
{
	my (%arguments) = @_;
	my @values = map { $arguments{$_} // () } qw(jwt token access_token refresh_token
	  promotion_code code code_verifier password);

	return grep { length >= 12 } map { ($_, split /\./) } @values;
}

# A call that must fail. detail is a pattern for the DETAIL of the error, or
# undef.
sub refused
{
	my ($name, $function, $arguments, $sqlstate, $message, $detail) = @_;
	my @secrets = secrets_in(%$arguments);

	push @seen_secrets, @secrets;
	subtest $name => sub {
		my $error = refusal($node, $function, %$arguments);
		my $text;

		is($error->{sqlstate}, $sqlstate, 'SQLSTATE');
		is($error->{message}, $message, 'message');
		if (ref $detail eq 'HASH')
		{
			my $members = eval { $json->decode($error->{detail} // '') } // {};

			like(delete $members->{description} // '', qr/^[A-Z].*\.$/, 'the description in the detail');
			is_deeply($members, $detail, 'its members for programs');
		}
		elsif ($detail)
		{
			like($error->{detail} // '', $detail, 'detail');
		}
		ok($error->{unchanged}, 'nothing was written');
		$text = join ' ', map { $error->{$_} // '' } qw(message detail hint context);
		ok(!(grep { index($text, $_) >= 0 } @secrets), 'the error contains no secret');
	};
	return;
}

sub refused_jwt
{
	my ($name, $jwt, $sqlstate, $message, $detail) = @_;

	refused($name, 'authenticate_anonymously', { client_id => 'app', jwt => $jwt },
		$sqlstate, $message, $detail);
	return;
}

sub bad_jwt
{
	my ($name, $jwt, $detail) = @_;

	refused_jwt($name, $jwt, 'AA003', 'invalid request JWT', $detail);
	return;
}

sub bad_challenge
{
	my ($name, $jwt, $detail) = @_;

	refused_jwt($name, $jwt, 'AA005', 'invalid challenge', $detail);
	return;
}

sub bad_key
{
	my ($name, $jwt, $detail) = @_;

	refused_jwt($name, $jwt, 'AA016', 'invalid device key', $detail);
	return;
}

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

sub guest
{
	return call($node, 'authenticate_anonymously', client_id => 'app', @_);
}

# The value with the character at a position changed.
sub altered
{
	my ($text, $position) = @_;
	my $character = substr $text, $position, 1;

	substr($text, $position, 1) = $character eq 'A' ? 'B' : 'A';
	return $text;
}

# The value of a header or payload member, from its JSON text.
sub member
{
	my ($text) = @_;

	return $text eq 'null' ? json_null() : $json->decode("[$text]")->[0];
}

my $device = AnonAuth::Device->new;
my $device_guest = sign_up($device);
my $rsa = AnonAuth::Device->new(alg => 'RS256');
sign_up($rsa);

sub request
{
	return $device->request(challenge => challenge($node), @_);
}

# The JSON text of a valid header and of a valid payload, plus further members.
sub header_json
{
	return sprintf '{"typ":"vnd.authgear.anonymous-request","kid":"%s","alg":"ES256"%s}',
	  $device->kid, $_[0] // '';
}

sub payload_json
{
	return sprintf '{"iat":%d,"challenge":"%s","action":"auth"%s}', time(), challenge($node),
	  $_[0] // '';
}

# ---------------------------------------------------------------------------
# The compact form
# ---------------------------------------------------------------------------

{
	my ($header, $payload, $signature) = split /\./, request();
	my $parts = qr/^The request is not a compact JWS: the token does not have three dot-separated parts\.$/;
	my $base64url = qr/^The request is not a compact JWS: the text is not valid unpadded base64url\.$/;

	bad_jwt('an empty JWT is refused', '', $parts);
	bad_jwt('a JWT of one part is refused', $header, $parts);
	bad_jwt('a JWT of two parts is refused', "$header.$payload", $parts);
	bad_jwt('a JWT of four parts is refused', "$header.$payload.$signature.$signature", $parts);
	bad_jwt('a JWT of five parts, as in a JWE, is refused', join('.', ($header) x 5), $parts);
	bad_jwt('a JWT of only dots is refused', '..', $parts);
	bad_jwt('a JWT without header is refused', ".$payload.$signature", $parts);
	bad_jwt('a JWT without payload is refused', "$header..$signature", qr/^The payload is refused: it is not valid JSON\.$/);
	bad_jwt('a JWT without signature is refused', "$header.$payload.", $parts);
	bad_jwt('a JWT with a dot at the end is refused', "$header.$payload.$signature.", $parts);
	bad_jwt('white space around a JWT is refused', " $header.$payload.$signature\n", $base64url);
	bad_jwt('a line break inside a JWT is refused', "$header.$payload.\n$signature", $base64url);
	bad_jwt('base64 padding is refused', "$header.$payload.$signature==", $base64url);
	bad_jwt('base64 with + and / is refused', "$header.$payload.+/" . substr($signature, 2), $base64url);
	bad_jwt('characters outside ASCII are refused', "$header.$payload.\xc3\xa9$signature", $base64url);
	bad_jwt('base64url of length 1 modulo 4 is refused', "$header.$payload." . substr($signature, 0, 85), $base64url);
	bad_jwt('the JWS JSON serialization is refused',
		$json->encode({ protected => $header, payload => $payload, signature => $signature }), $parts);
}

# Trailing bits that base64url decoding discards, in each part. The signature
# covers the non-canonical text, so only the encoding is wrong.
{
	my ($header, $payload) = map { encode_base64url($_) } header_json(), payload_json();
	my $text = qr/^The request is not a compact JWS: the text is not valid unpadded base64url\.$/;

	my $sloppy = sub {
		my ($json_text) = @_;
		my $part;

		$json_text .= ' ' while length($json_text) % 3 != 1;
		$part = encode_base64url($json_text);
		return substr($part, 0, -1) . chr(1 + ord substr $part, -1);
	};
	my $signed = sub {
		my ($input) = @_;

		return "$input." . encode_base64url($device->signature($input));
	};

	bad_jwt('non-canonical trailing bits of the header are refused',
		$signed->($sloppy->(header_json()) . ".$payload"), $text);
	bad_jwt('non-canonical trailing bits of the payload are refused',
		$signed->("$header." . $sloppy->(payload_json())), $text);

	my $jwt = request();
	my %next = (A => 'B', Q => 'R', g => 'h', w => 'x');

	bad_jwt('non-canonical trailing bits of the signature are refused',
		substr($jwt, 0, -1) . $next{ substr $jwt, -1 }, $text);
}

# ---------------------------------------------------------------------------
# JSON
# ---------------------------------------------------------------------------

for my $case (
	[ 'text', 'not json', qr/not valid JSON/ ],
	[ 'white space', ' ', qr/not valid JSON/ ],
	[ 'an array', '[{"typ":"x"}]', qr/not a JSON object/ ],
	[ 'a string', '"typ"', qr/not a JSON object/ ],
	[ 'null', 'null', qr/not a JSON object/ ],
	[ 'an object without end', '{"typ":"x"', qr/not valid JSON/ ],
	[ 'two objects', '{} {}', qr/not valid JSON/ ],
	[ 'a trailing comma', '{"typ":"x",}', qr/not valid JSON/ ],
	[ 'a comment', '{"typ":"x"} // x', qr/not valid JSON/ ],
	[ 'a byte order mark', "\xef\xbb\xbf{}", qr/not valid JSON/ ],
	[ 'invalid UTF-8', "{\"typ\":\"\xff\xfe\"}", qr/not valid UTF-8/ ],
	[ 'an overlong UTF-8 sequence', "{\"typ\":\"\xc0\xaf\"}", qr/not valid UTF-8/ ],
	[ 'a UTF-8 surrogate', "{\"typ\":\"\xed\xa0\x80\"}", qr/not valid UTF-8/ ],
	[ 'a NUL byte', "{\"typ\":\"a\0b\"}", qr/not valid UTF-8/ ],
	[ 'a NUL byte at the end', "{}\0", qr/not valid UTF-8/ ],
	[ 'an escaped NUL', '{"typ":"a\u0000b"}', qr/not valid JSON/ ],
	[ 'half a surrogate pair', '{"typ":"\ud800"}', qr/not valid JSON/ ],
	[ 'a control character', "{\"typ\":\"\x01\"}", qr/not valid JSON/ ],
	[ 'a number out of the range of any type', '{"x":1e999999}', qr/an exponent is longer than 3 characters/ ],
	[ 'a number of a thousand digits', '{"x":' . '9' x 1000 . '}', qr/a number is longer than 40 characters/ ],
	[ 'an object 100 deep', '{"a":' x 100 . '1' . '}' x 100, qr/nested deeper than 32 levels/ ],
	[ 'an array 20,000 deep', '{"a":' . '[' x 20000 . ']' x 20000 . '}', qr/nested deeper than 32 levels/ ],
	[ '20,000 opening brackets', '[' x 20000, qr/nested deeper than 32 levels/ ],
	[ '5,000 members, two with the same name', '{' . join(',', map { "\"$_\":0" } 1 .. 5000, 17) . '}', qr/a member name appears twice/ ])
{
	my ($what, $text, $reason) = @$case;

	bad_jwt("a header that is $what is refused", $device->sign($text, payload_json()),
		qr/^The header .*$reason/);
	bad_jwt("a payload that is $what is refused", $device->sign(header_json(), $text),
		qr/^The payload .*$reason/);
}

for my $case (
	[ 'alg', ',"alg":"ES256"' ],
	[ 'kid', ',"kid":"' . $device->kid . '"' ],
	[ 'typ', ',"typ":"vnd.authgear.anonymous-request"' ],
	[ 'a name written with an escape', ',"\u0061lg":"none"' ],
	[ 'a member of the jwk',
		sprintf ',"jwk":{"kty":"EC","crv":"P-256","x":"%s","y":"%s","kty":"EC"}',
		@{ $device->jwk }{qw(x y)} ],
	[ 'a member of a nested object', ',"x":{"y":[{"z":1,"z":2}]}' ])
{
	my ($what, $addition) = @$case;

	bad_jwt("a header with $what twice is refused",
		$device->sign(header_json($addition), payload_json()),
		qr/^The header .*appears twice/);
}

for my $case (
	[ 'action', ',"action":"auth"' ],
	[ 'challenge', ',"challenge":"x"' ],
	[ 'a name written with an escape', ',"\u0061ction":"auth"' ],
	[ 'a member of an unknown object', ',"device_info":{"a":1,"a":1}' ],
	[ 'a member of an object in an array', ',"x":[[{"a":1,"b":1,"a":1}]]' ])
{
	my ($what, $addition) = @$case;

	bad_jwt("a payload with $what twice is refused",
		$device->sign(header_json(), payload_json($addition)),
		qr/^The payload .*appears twice/);
}

{
	my $harmless = ',"a":{"x":1,"y":{"x":1}},"b":{"x":1},"c":[{"x":1},{"x":1}]';

	is( call($node, 'authenticate_anonymously',
			client_id => 'app',
			jwt => $device->sign(header_json($harmless), payload_json($harmless)))->{sub},
		$device_guest->{sub},
		'the same member name in different objects is accepted');
}

# ---------------------------------------------------------------------------
# Size
# ---------------------------------------------------------------------------

# A request of the device with the given number of characters.
sub request_of_length
{
	my ($length) = @_;

	for my $padding (0 .. 3)
	{
		my $header = header_json(sprintf ',"x":"%s"', 'x' x $padding);
		my $left = $length - length(encode_base64url($header)) - length('..') - 86;
		my $payload = payload_json(',"x":"%s"');

		next if $left % 4 == 1;
		return $device->sign($header,
			sprintf $payload, 'x' x (int($left * 3 / 4) - length($payload) + length('%s')));
	}
	die 'no payload gives a request of this length';
}

{
	my $longest = request_of_length(65536);
	my $too_long = request_of_length(65537);

	is(length $longest, 65536, 'the longest request has 64 kB');
	is( call($node, 'authenticate_anonymously', client_id => 'app', jwt => $longest)->{sub},
		$device_guest->{sub},
		'a request of 64 kB is accepted');
	is(length $too_long, 65537, 'the request that is too long has 64 kB and a byte');
	bad_jwt('a request of 64 kB and a byte is refused', $too_long, qr/too long/);
	bad_jwt('a request of a megabyte is refused', 'A' x 1048576, qr/too long/);
}

# ---------------------------------------------------------------------------
# Times
# ---------------------------------------------------------------------------

for my $case (
	[ 'that expired ten minutes ago', { exp => time() - 600 }, qr/^The request has expired \(exp\)\.$/ ],
	[ 'that expired in 1970', { exp => 0 }, qr/exp/ ],
	[ 'with a negative exp', { exp => -1 }, qr/exp/ ],
	[ 'with an exp of text', { exp => 'tomorrow' }, $no_time ],
	[ 'with an exp of digits as text', { exp => '' . (time() + 60) }, $no_time ],
	[ 'with an exp of null', { exp => json_null() }, $no_time ],
	[ 'with an exp of true', { exp => JSON::PP::true }, qr/exp/ ],
	[ 'with an exp of an array', { exp => [ time() + 60 ] }, $no_time ],
	[ 'with times in milliseconds', { exp => (time() + 60) . '000' + 0 }, $no_time ],
	[ 'issued in ten minutes', { iat => time() + 600 }, qr/^The request was issued in the future \(iat\)\.$/ ],
	[ 'with an iat of text', { iat => 'now' }, qr/iat/ ],
	[ 'with an iat of null', { iat => json_null() }, qr/iat/ ],
	[ 'valid in ten minutes only', { nbf => time() + 600 }, qr/^The request is not valid yet \(nbf\)\.$/ ],
	[ 'with an nbf of text', { nbf => 'now' }, qr/nbf/ ])
{
	my ($what, $payload, $detail) = @$case;

	bad_jwt("a request $what is refused", request(payload => $payload), $detail);
}

for my $number ('1e308', '1e99', '-1e99')
{
	bad_jwt("an exp of $number is refused",
		$device->sign(header_json(), payload_json(",\"exp\":$number")), qr/exp/);
}

# ---------------------------------------------------------------------------
# Challenge and action
# ---------------------------------------------------------------------------

{
	my $not_ours = qr/^The challenge was not issued here\.$/;
	my $challenge = challenge($node);

	bad_jwt('a request without challenge is refused',
		$device->request(payload => { challenge => undef }), qr/^The payload has no "challenge"\.$/);
	bad_jwt('a challenge that is null is refused',
		$device->request(payload => { challenge => json_null() }), qr/^The payload has no "challenge"\.$/);
	bad_jwt('a challenge that is a number is refused',
		$device->request(payload => { challenge => 1 }), qr/^The payload has no "challenge"\.$/);
	bad_challenge('an empty challenge is refused', $device->request(challenge => ''), $not_ours);
	bad_challenge('random text as challenge is refused',
		$device->request(challenge => 'garbage'), $not_ours);
	bad_challenge("a challenge in Authgear's format is refused",
		$device->request(challenge => '2YW8N6MS0MPSA880JKZRTKQR63WS6M7H'), $not_ours);
	bad_challenge('a challenge without its last character is refused',
		$device->request(challenge => substr $challenge, 0, -1), $not_ours);
	bad_challenge('a challenge with an additional character is refused',
		$device->request(challenge => $challenge . 'A'), $not_ours);
	bad_challenge('a challenge in lower case is refused',
		$device->request(challenge => lc $challenge), $not_ours);
	bad_challenge("a challenge changed at position $_ is refused",
		$device->request(challenge => altered($challenge, $_)), $not_ours)
	  for 0, 5, 15, int(length($challenge) / 2), length($challenge) - 3;
	bad_challenge("a challenge with purpose $_ is refused",
		$device->request(challenge => call($node, 'create_challenge', purpose => $_)->{token}),
		qr/^The challenge was issued for another purpose\.$/)
	  for qw(biometric_request app2app_request);

	my $session = guest();
	my $code = call($node, 'create_promotion_code', refresh_token => $session->{refresh_token});

	bad_challenge('a refresh token is refused as a challenge',
		$device->request(challenge => $session->{refresh_token}), $not_ours);
	bad_challenge('a promotion code is refused as a challenge',
		$device->request(challenge => $code->{promotion_code}), $not_ours);
	refused('a challenge is refused as a refresh token', 'refresh_session',
		{ client_id => 'app', refresh_token => $challenge }, 'AA006', 'invalid refresh token');
	refused('create_challenge() refuses an unknown purpose', 'create_challenge',
		{ purpose => 'dessert' }, '22023', 'unknown challenge purpose');
	refused('create_challenge() refuses a NULL purpose', 'create_challenge',
		{ purpose => undef }, '22023', 'purpose is required');
}

{
	my $fresh = AnonAuth::Device->new;
	my $sign_up = $fresh->request(challenge => challenge($node), with_jwk => 1);
	my $log_in = request();
	my $challenge = challenge($node);
	my $used = qr/^The challenge was used before\.$/;

	guest(jwt => $sign_up);
	guest(jwt => $log_in);
	guest(jwt => $device->request(challenge => $challenge));
	bad_challenge('a request to sign up is refused the second time', $sign_up, $used);
	bad_challenge('a request to log in is refused the second time', $log_in, $used);
	bad_challenge('another request with a used challenge is refused',
		$device->request(challenge => $challenge, payload => { jti => 'other' }), $used);
	refused('a request to promote with a used challenge is refused',
		'promote_anonymous_user',
		{
			client_id => 'app',
			username => 'replayed',
			password => 'correct horse',
			jwt => $device->request(challenge => $challenge, action => 'promote')
		},
		'AA005', 'invalid challenge', $used);

	log_in($device) for 1 .. 3;
	bad_challenge('a used challenge is refused after three later logins of the device', $log_in, $used);
}

{
	my $challenge = challenge($node);
	my $other = AnonAuth::Device->new(kid => $device->kid);

	bad_jwt("a request signed with another device's key is refused", $other->request(challenge => $challenge), $wrong_signature);
	is(guest(jwt => $device->request(challenge => $challenge))->{sub},
		$device_guest->{sub}, 'a refused request does not use up its challenge');
}

{
	my $auth = qr/^The "action" must be auth\.$/;
	my $promote = qr/^The "action" must be promote\.$/;
	my $promotion = sub {
		my ($name, $jwt) = @_;

		refused($name, 'promote_anonymous_user',
			{ client_id => 'app', username => 'wrong.action', password => 'correct horse', jwt => $jwt },
			'AA003', 'invalid request JWT', $promote);
	};

	bad_jwt('a request with action promote is refused for login', request(action => 'promote'), $auth);
	bad_jwt('a request without action is refused for login', request(payload => { action => undef }), $auth);
	bad_jwt("a request with action $_ is refused for login",
		request(payload => { action => member($_) }), $auth)
	  for qw("Auth" "auth\u0020" "setup" null true 1 ["auth"]);
	$promotion->('a request with action auth is refused for promotion', request());
	$promotion->('a request without action is refused for promotion', request(payload => { action => undef }));
}

# ---------------------------------------------------------------------------
# Key IDs
# ---------------------------------------------------------------------------

{
	my $stranger = AnonAuth::Device->new;
	my $pattern = qr/^The "kid" must be 8 to 64 letters, digits, hyphens or underscores\.$/;

	refused_jwt('an unknown kid without a jwk is refused',
		$stranger->request(challenge => challenge($node)),
		'AA004', 'unknown device key', qr/"kid".*"jwk"/);
	bad_jwt('a request without any kid is refused',
		$stranger->request(challenge => challenge($node), header => { kid => undef }),
		qr/^The request has no key ID \(kid\)\.$/);
	bad_jwt('a jwk without kid does not replace the kid of the header',
		$stranger->request(
			challenge => challenge($node),
			header => { kid => undef, jwk => $stranger->jwk(kid => undef) }),
		qr/^The request has no key ID \(kid\)\.$/);
	bad_jwt('a kid that is a number is refused',
		$stranger->request(challenge => challenge($node), header => { kid => 12345678 }),
		qr/^The "kid" is not a string\.$/);
	bad_jwt('a kid that differs from the kid of the jwk is refused',
		$stranger->request(
			challenge => challenge($node),
			header => { kid => random_kid(), jwk => $stranger->jwk }),
		qr/^The "kid" of the header is not that of the "jwk"\.$/);
	for my $kid (
		'1234567', 'x' x 65, '', 'with space', 'with.dots', 'with/slash', "quo'te'quote",
		"umlaut-\x{e4}\x{f6}\x{fc}", "line\nbreak", 'percent%20', "end\n12345")
	{
		my $name = $json->encode([$kid]);

		bad_jwt("the kid $name is refused",
			$stranger->request(challenge => challenge($node), with_jwk => 1,
				header => { kid => $kid, jwk => $stranger->jwk(kid => undef) }),
			$pattern);
		bad_jwt("the kid $name is refused in the jwk",
			$stranger->request(challenge => challenge($node), with_jwk => 1,
				header => { kid => undef, jwk => $stranger->jwk(kid => $kid) }),
			$pattern);
	}
	bad_jwt("a jwk that is $_->[0] is refused",
		$stranger->request(challenge => challenge($node), header => { jwk => $_->[1] }),
		qr/^The "jwk" is not a JSON object\.$/)
	  for [ 'null', json_null() ], [ 'text', 'key' ], [ 'an array', [ $stranger->jwk ] ];
}

# ---------------------------------------------------------------------------
# Another device's key
# ---------------------------------------------------------------------------

{
	my $attacker = AnonAuth::Device->new(kid => $device->kid);
	my $rsa_attacker = AnonAuth::Device->new(alg => 'RS256', kid => $device->kid);

	bad_jwt('a request with a known kid is refused when another key signed it', $attacker->request(challenge => challenge($node)), $wrong_signature);
	bad_jwt('a request with a known kid is refused when a key of another algorithm signed it', $rsa_attacker->request(challenge => challenge($node)),
		qr/^The "alg" is not that of the device key\.$/);
	bad_jwt("the jwk of the device does not make another key's signature valid",
		$attacker->request(challenge => challenge($node), header => { jwk => $device->jwk }),
		$wrong_signature);
	bad_jwt("a device cannot register another device's public key",
		AnonAuth::Device->new->request(
			challenge => challenge($node),
			header => { kid => 'squatted', jwk => $device->jwk(kid => 'squatted') }),
		$wrong_signature);
	is(log_in($device)->{sub}, $device_guest->{sub}, 'the device still logs in to its guest after the attacks');
}

# ---------------------------------------------------------------------------
# Tampering
# ---------------------------------------------------------------------------

{
	my $fresh = AnonAuth::Device->new;

	for my $signer ([ 'a known key', $device, 0 ], [ 'a new key', $fresh, 1 ])
	{
		my ($whose, $who, $with_jwk) = @$signer;
		my $jwt = $who->request(challenge => challenge($node), with_jwk => $with_jwk);
		my ($header, $payload, $signature) = split /\./, $jwt;
		my ($members, $claims, $bytes) = jws_parts($jwt);
		my $with_signature = sub { return "$header.$payload." . encode_base64url($_[0]); };
		my $last = substr $bytes, -1;

		bad_jwt("$whose: a changed payload is refused",
			join('.', $header, encode_base64url($json->encode({ %$claims, x => 1 })), $signature),
			$wrong_signature);
		bad_jwt("$whose: a payload with white space added is refused",
			join('.', $header, encode_base64url($json->encode($claims) . ' '), $signature),
			$wrong_signature);
		bad_jwt("$whose: a changed header is refused",
			join('.', encode_base64url($json->encode({ %$members, x => 1 })), $payload, $signature),
			$wrong_signature);
		bad_jwt("$whose: a signature with bit $_ changed is refused",
			$with_signature->($bytes ^ pack "x$_ C x" . (length($bytes) - $_ - 1), 1),
			$wrong_signature)
		  for 0, 31, 32, 63;
		bad_jwt("$whose: a truncated signature is refused",
			$with_signature->(substr $bytes, 0, -1), $wrong_size);
		bad_jwt("$whose: a signature with an additional byte is refused",
			$with_signature->("$bytes\0"), $wrong_size);
		bad_jwt("$whose: half a signature is refused",
			$with_signature->(substr $bytes, 0, 32), $wrong_size);
		bad_jwt("$whose: a signature of zeroes is refused",
			$with_signature->("\0" x 64), $wrong_signature);
		bad_jwt("$whose: a signature of ones is refused",
			$with_signature->(("\0" x 31 . "\1") x 2), $wrong_size);
		bad_jwt("$whose: a signature equal to the order of the curve is refused",
			$with_signature->(
				pack('H*', 'ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551') x 2),
			$wrong_signature);
		bad_jwt("$whose: a signature in DER is refused",
			$with_signature->(der_signature($bytes)), $wrong_size);
		bad_jwt("$whose: a signature of a kilobyte is refused",
			$with_signature->('x' x 1025), $wrong_size);
		bad_jwt("$whose: the signature of another request is refused",
			$with_signature->((jws_parts($who->request(challenge => challenge($node))))[2]),
			$wrong_signature);
	}
}

sub der_signature
{
	my ($pair) = @_;
	my $numbers = join '', map {
		my $number = s/^\0+//r;

		$number = "\0$number" if ord($number) >= 0x80;
		pack 'CC/a', 2, $number
	} unpack 'a32 a32', $pair;

	return pack 'CC/a', 0x30, $numbers;
}

{
	my ($header, $payload, $signature) = split /\./, $rsa->request(challenge => challenge($node));

	bad_jwt("an RSA signature of $_->[0] is refused",
		"$header.$payload." . encode_base64url($_->[1]), $wrong_signature)
	  for [ 'zeroes', "\0" x 256 ],
	  [ 'one', "\0" x 255 . "\1" ],
	  [ 'all bits', "\xff" x 256 ],
	  [ '255 bytes', substr decode_base64url($signature), 1 ],
	  [ '257 bytes', "\0" . decode_base64url($signature) ];
}

# ---------------------------------------------------------------------------
# Algorithms
# ---------------------------------------------------------------------------

{
	my $asymmetric = qr/^The "alg" must be one of ES256, /;
	my $claims = $json->decode(payload_json());
	my $as = sub {
		my ($who, $alg) = @_;

		return {
			typ => 'vnd.authgear.anonymous-request',
			kid => $who->kid,
			alg => $alg };
	};

	for my $alg (
		qw(none None NONE nOnE HS256 HS384 HS512 ES256K RS1 es256 dir RSA-OAEP A128GCM),
		'', "ES256\x{200b}")
	{
		my $name = $json->encode([$alg]);

		bad_jwt("the alg $name is refused",
			$device->sign($as->($device, $alg), payload_json()), $asymmetric);
		bad_jwt("the alg $name is refused for a new key",
			$device->sign(
				{
					%{ $as->($device, $alg) },
					kid => 'new-key-id',
					jwk => $device->jwk(kid => undef, alg => undef)
				},
				payload_json()),
			$asymmetric);
	}
	bad_jwt('a request without alg is refused',
		request(header => { alg => undef }), qr/^The header has no algorithm \(alg\)\.$/);
	bad_jwt('an alg that is not a string is refused',
		request(header => { alg => ['ES256'] }), qr/^The header has no algorithm \(alg\)\.$/);
	bad_jwt('an unsigned request with alg none is refused',
		encode_base64url($json->encode($as->($device, 'none'))) . '.' . encode_base64url(payload_json()) . '.',
		qr/three dot-separated parts/);

	for my $who ($device, $rsa)
	{
		for my $secret (
			[ 'the PEM', $who->public_pem ],
			[ 'the PEM without line end', $who->public_pem =~ s/\n\z//r ],
			[ 'the DER', $who->public_der ],
			[ 'the JWK', $json->encode($who->jwk) ],
			[ 'the stored JWK',
				$node->safe_psql('postgres',
					'SELECT jwk FROM anon_auth.device_keys WHERE kid = ' . sql_literal($who->kid)) ],
			[ 'the kid', $who->kid ],
			[ 'an empty secret instead', '' ])
		{
			bad_jwt("HS256 with $secret->[0] of a public key (" . $who->alg . ') is refused',
				hmac_jws($as->($who, 'HS256'), payload_json(), $secret->[1]), $asymmetric);
		}
	}

	my $secret = sha256('secret');
	my $oct = { kty => 'oct', k => encode_base64url($secret), kid => 'symmetric-key' };

	bad_jwt('a symmetric key with HS256 is refused',
		hmac_jws(
			{ typ => 'vnd.authgear.anonymous-request', alg => 'HS256', kid => 'symmetric-key', jwk => $oct },
			payload_json(), $secret),
		$asymmetric);
	bad_key("a symmetric key with $_ is refused",
		hmac_jws(
			{ typ => 'vnd.authgear.anonymous-request', alg => $_, kid => 'symmetric-key', jwk => $oct },
			payload_json(), $secret),
		qr/a device key must be asymmetric/)
	  for qw(ES256 RS256 EdDSA Ed25519);
}

{
	my $other_alg = qr/^The "alg" is not that of the device key\.$/;
	my $no_fit = qr/the request's algorithm does not fit it/;
	my $pss = AnonAuth::Device->new(alg => 'PS256');
	my $fresh = AnonAuth::Device->new(alg => 'RS256');
	my $p384 = AnonAuth::Device->new(alg => 'ES384');
	my $ed = AnonAuth::Device->new(alg => 'EdDSA');
	my $in_alg = sub {
		my ($who, $alg, $with_jwk, $signed_as) = @_;

		return $who->sign(
			{
				typ => 'vnd.authgear.anonymous-request',
				kid => $who->kid,
				alg => $alg,
				$with_jwk ? (jwk => $who->jwk(alg => undef)) : ()
			},
			payload_json(),
			alg => $signed_as // $alg);
	};

	sign_up($pss);
	bad_jwt("a key that signed up with RS256 cannot use $_", $in_alg->($rsa, $_, 0), $other_alg)
	  for qw(PS256 RS384 RS512 PS512);
	bad_jwt('a key that signed up with PS256 cannot use RS256', $in_alg->($pss, 'RS256', 0), $other_alg);
	bad_jwt('a request with a jwk cannot change the algorithm of the device key', $in_alg->($rsa, 'PS256', 1), $other_alg);
	bad_jwt('an RS256 signature is refused as a PS256 signature',
		$in_alg->($fresh, 'PS256', 1, 'RS256'), $wrong_signature);
	bad_jwt('a PS256 signature is refused as an RS256 signature',
		$in_alg->($fresh, 'RS256', 1, 'PS256'), $wrong_signature);
	bad_jwt("a PS256 signature with a salt of length $_ is refused",
		$pss->sign(
			{ typ => 'vnd.authgear.anonymous-request', kid => $pss->kid, alg => 'PS256' },
			payload_json(),
			salt_length => $_),
		$wrong_signature)
	  for 0, 20, 31, 33, 'max';
	bad_key('an alg that differs from the alg of the jwk is refused',
		$fresh->sign(
			{
				typ => 'vnd.authgear.anonymous-request',
				kid => $fresh->kid,
				alg => 'PS256',
				jwk => $fresh->jwk
			},
			payload_json(),
			alg => 'PS256'),
		qr/its "alg" is not that of the request/);
	bad_key('an alg of the jwk that is not a string is refused',
		$fresh->request(challenge => challenge($node), header => { jwk => $fresh->jwk(alg => 1) }),
		qr/its "alg" is not that of the request/);
	bad_key('ES256 with a P-384 key is refused', $in_alg->($p384, 'ES256', 1), $no_fit);
	bad_key('RS256 with an EC key is refused', $in_alg->($p384, 'RS256', 1, 'ES384'), $no_fit);
	bad_key('ES256 with an RSA key is refused', $in_alg->($fresh, 'ES256', 1, 'RS256'), $no_fit);
	bad_key('EdDSA with an EC key is refused', $in_alg->($p384, 'EdDSA', 1, 'ES384'), $no_fit);
	bad_key('Ed25519 with an EC key is refused', $in_alg->($p384, 'Ed25519', 1, 'ES384'), $no_fit);
	bad_key('Ed25519 with an RSA key is refused', $in_alg->($fresh, 'Ed25519', 1, 'RS256'), $no_fit);
	bad_key('ES256 with an Ed25519 key is refused', $in_alg->($ed, 'ES256', 1, 'EdDSA'), $no_fit);
}

# ---------------------------------------------------------------------------
# Other header members
# ---------------------------------------------------------------------------

bad_jwt("the typ $_ is refused",
	request(header => { typ => member($_) }),
	qr/^The "typ" must be vnd\.authgear\.anonymous-request\.$/)
  for qw("JWT" "at+jwt" "vnd.authgear.biometric-request" "VND.AUTHGEAR.ANONYMOUS-REQUEST"
  "application/vnd.authgear.anonymous-request" "" null 1);
bad_jwt('a request without typ is refused',
	request(header => { typ => undef }),
	qr/^The "typ" must be vnd\.authgear\.anonymous-request\.$/);
bad_jwt("a crit that is $_->[0] is refused", request(header => $_->[1]), qr/\(crit\)/)
  for [ 'exp', { crit => ['exp'], exp => time() + 60 } ],
  [ 'b64', { crit => ['b64'], b64 => JSON::PP::false } ],
  [ 'that is empty', { crit => [] } ],
  [ 'that is null', { crit => json_null() } ];

# ---------------------------------------------------------------------------
# Unusable and weak keys
# ---------------------------------------------------------------------------

# A request with a jwk in which the given members are replaced.
sub with_jwk
{
	my ($who, %changes) = @_;

	return $who->request(challenge => challenge($node), header => { jwk => $who->jwk(%changes) });
}

{
	my $weak = qr/the key is too weak or of an unacceptable size/;
	my $malformed = qr/a member of the key has a wrong encoding or size/;
	my $incomplete = qr/the key lacks a required member/;
	my $off_curve = qr/the key is not a point on its curve/;
	my $unsupported = qr/the key type or curve is not supported/;
	my $ec = AnonAuth::Device->new;
	my $big = AnonAuth::Device->new(alg => 'RS256');
	my $ed = AnonAuth::Device->new(alg => 'EdDSA');
	my $n = decode_base64url($big->jwk->{n});
	my ($x, $y) = map { decode_base64url($_) } @{ $ec->jwk }{qw(x y)};
	my $p256 = pack 'H*', 'ffffffff00000001000000000000000000000000ffffffffffffffffffffffff';

	bad_key("a jwk with a private part (" . $_->alg . ') is refused',
		with_jwk($_, %{ $_->private_jwk_members }),
		qr/it has a private part, which must never leave the device/)
	  for $ec, $big, $ed;
	bad_key('a jwk with factors of the modulus is refused',
		with_jwk($big, map { $_ => $big->private_jwk_members->{$_} } qw(p q)), undef);
	bad_key('a jwk for encryption is refused',
		with_jwk($ec, use => 'enc'), qr/the JWK is not meant for signatures/);
	bad_key("a jwk with the key_ops $_->[0] is refused",
		with_jwk($ec, key_ops => $_->[1]), qr/the JWK is not meant for verifying/)
	  for [ 'sign', ['sign'] ], [ 'encrypt', [ 'encrypt', 'wrapKey' ] ], [ 'none', [] ], [ 'text', 'verify' ];
	bad_key('a jwk without kty is refused', with_jwk($ec, kty => undef), qr/the JWK has no "kty"/);
	bad_key('a jwk with an unknown kty is refused', with_jwk($ec, kty => 'DSA'), $unsupported);
	bad_key('a kty in lower case is refused', with_jwk($ec, kty => 'ec'), $unsupported);
	bad_key("a jwk without $_ is refused", with_jwk($ec, $_ => undef), $incomplete) for qw(crv x y);
	bad_key("a jwk with a number as $_ is refused",
		with_jwk($ec, $_ => 1), qr/member "$_" of the JWK must be a string/)
	  for qw(crv x y);
	bad_key('a JWK set is refused',
		$ec->request(
			challenge => challenge($node),
			header => { jwk => { keys => [ $ec->jwk ], kid => $ec->kid } }),
		qr/the JWK has no "kty"/);

	bad_key("RSA with $_ bits is refused",
		with_jwk(AnonAuth::Device->new(alg => 'RS256', bits => $_)), $weak)
	  for 1024, 2047;
	bad_key('RSA with 16,384 bits is refused',
		with_jwk($big, n => encode_base64url("\xff" x 2048)), $weak);
	bad_key("an RSA exponent of $_->[0] is refused",
		with_jwk($big, e => encode_base64url($_->[1])), $weak)
	  for [ '1', "\1" ], [ '2', "\2" ], [ '65536', "\1\0\0" ], [ '9 bytes', "\1" . "\0" x 7 . "\1" ];
	bad_key('an RSA exponent of 0 is refused', with_jwk($big, e => encode_base64url("\0")), $malformed);
	bad_key('an empty RSA exponent is refused', with_jwk($big, e => ''), $malformed);
	bad_key('an even RSA modulus is refused',
		with_jwk($big, n => encode_base64url(substr($n, 0, -1) . "\2")), $weak);
	bad_key('an RSA modulus with a leading zero is refused',
		with_jwk($big, n => encode_base64url("\0$n")), $malformed);
	bad_key('an RSA exponent with a leading zero is refused',
		with_jwk($big, e => encode_base64url("\0\1\0\1")), $malformed);
	bad_key('an RSA modulus with padding is refused', with_jwk($big, n => $big->jwk->{n} . '=='), $malformed);
	bad_key("an RSA key without $_ is refused", with_jwk($big, $_ => undef), $incomplete) for qw(n e);

	bad_key('a point off the curve is refused',
		with_jwk($ec, y => encode_base64url($y ^ ("\0" x 31 . "\1"))), $off_curve);
	bad_key('exchanged x and y coordinates are refused',
		with_jwk($ec, x => encode_base64url($y), y => encode_base64url($x)), $off_curve);
	bad_key('the point (0, 0) is refused',
		with_jwk($ec, map { $_ => encode_base64url("\0" x 32) } qw(x y)), $off_curve);
	bad_key('a coordinate not below the field prime is refused',
		with_jwk($ec, map { $_ => encode_base64url($p256) } qw(x y)), $off_curve);
	bad_key('a coordinate of 31 bytes is refused',
		with_jwk($ec, x => encode_base64url(substr $x, 1)), $malformed);
	bad_key('a coordinate of 33 bytes is refused',
		with_jwk($ec, x => encode_base64url("\0$x")), $malformed);
	bad_key('a point of P-256 with crv P-384 is refused', with_jwk($ec, crv => 'P-384'), $malformed);
	bad_key('secp256k1 is refused',
		with_jwk(AnonAuth::Device->new(alg => 'ES256', curve => 'secp256k1')), $unsupported);

	my $x25519 = AnonAuth::Device->new(alg => 'EdDSA', curve => 'X25519');

	bad_key('X25519 is refused',
		$ed->request(
			challenge => challenge($node),
			header => { jwk => $x25519->jwk(kid => $ed->kid) }),
		$unsupported);
	bad_key("an Ed25519 key of $_->[0] bytes is refused",
		with_jwk($ed, x => encode_base64url($_->[1])), $malformed)
	  for [ 31, 'x' x 31 ], [ 33, 'x' x 33 ];

	# R is the neutral element and S is 0. With a public key of small order,
	# this signature is valid for any message.
	my $trivial = "\1" . "\0" x 63;

	for my $point (
		[ 1, "\1" . "\0" x 31 ],
		[ 2, "\xec" . "\xff" x 30 . "\x7f" ],
		[ 4, "\0" x 32 ],
		[ 4, "\0" x 31 . "\x80" ],
		[ 8, pack 'H*', '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05' ],
		[ 8, pack 'H*', 'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a' ])
	{
		my ($order, $bytes) = @$point;
		my $input = join '.', map { encode_base64url($_) } $json->encode(
			{
				typ => 'vnd.authgear.anonymous-request',
				alg => 'EdDSA',
				kid => 'small-order',
				jwk => { kty => 'OKP', crv => 'Ed25519', x => encode_base64url($bytes) }
			}),
		  payload_json();

		bad_key("an Ed25519 point of order $order with the trivial signature is refused",
			"$input." . encode_base64url($trivial), $weak);
	}
}

# ---------------------------------------------------------------------------
# Clients and arguments
# ---------------------------------------------------------------------------

{
	my $unsupported =
		'Anonymous user is not supported by the client application type. '
	  . 'Try using SPA, Traditional Web App, or Native App client types if applicable.';
	my $not_allowed = 'grant type is not allowed for this client';
	my $session = guest();
	my %promotion = (username => 'refused', password => 'correct horse');

	for my $proof ('jwt', 'no key', 'refresh_token')
	{
		my %arguments =
			$proof eq 'jwt' ? (jwt => $device->request(challenge => challenge($node), with_jwk => 1))
		  : $proof eq 'refresh_token' ? (refresh_token => $session->{refresh_token})
		  : ();

		refused("an unknown client is refused ($proof)", 'authenticate_anonymously',
			{ client_id => 'nobody', %arguments }, 'AA001', 'invalid client ID');
		refused("a client ID in another case is refused ($proof)", 'authenticate_anonymously',
			{ client_id => 'APP', %arguments }, 'AA001', 'invalid client ID');
		refused("a NULL client_id is refused ($proof)", 'authenticate_anonymously',
			{ client_id => undef, %arguments }, '22023', 'client_id is required');
		refused("an empty client_id is refused ($proof)", 'authenticate_anonymously',
			{ client_id => '', %arguments }, '22023', 'client_id is required');
		refused("a client of type $_ cannot have guests ($proof)", 'authenticate_anonymously',
			{ client_id => $_, %arguments }, 'AA002', $unsupported)
		  for qw(confidential third_party_app);
	}
	refused('a client of type m2m cannot have guests with a device key', 'authenticate_anonymously',
		{ client_id => 'm2m', jwt => request(with_jwk => 1) }, 'AA002', $not_allowed);
	is(refusal($node, 'authenticate_anonymously', client_id => 'm2m')->{sqlstate},
		'AA002', 'a client of type m2m cannot have guests without a device key');

	refused("a client of type $_ cannot promote", 'promote_anonymous_user',
		{ client_id => $_, %promotion, refresh_token => $session->{refresh_token} },
		'AA002', $unsupported)
	  for qw(confidential third_party_app);
	refused("a client of type $_ cannot log in with a password", 'authenticate',
		{ client_id => $_, login_id => 'nobody', password => 'correct horse' },
		'AA002', $not_allowed)
	  for qw(confidential third_party_app m2m);

	refused('jwt and refresh_token together are refused', 'authenticate_anonymously',
		{ client_id => 'app', jwt => request(), refresh_token => $session->{refresh_token} },
		'22023', 'jwt and refresh_token cannot both be given');
	refused("device_info that is $_ is refused", 'authenticate_anonymously',
		{ client_id => 'app', device_info => $_ },
		'22023', 'device_info must be a JSON object')
	  for qw("phone" [] 1);
}

{
	my $fresh = AnonAuth::Device->new;
	my $guest = sign_up($fresh);
	my $code = call($node, 'create_promotion_code', refresh_token => $guest->{refresh_token});
	my %account = (client_id => 'app', username => 'disabled.user', password => 'correct horse');

	call($node, 'disable_user', user_id => $guest->{sub});
	refused_jwt('a disabled guest cannot log in',
		$fresh->request(challenge => challenge($node)), 'AA007', 'user is disabled');
	refused_jwt('a disabled guest cannot sign up again with its key',
		$fresh->request(challenge => challenge($node), with_jwk => 1), 'AA007', 'user is disabled');
	refused('the session of a disabled guest has ended', 'refresh_session',
		{ client_id => 'app', refresh_token => $guest->{refresh_token} },
		'AA006', 'invalid refresh token');
	refused('a disabled guest cannot return with its refresh token', 'authenticate_anonymously',
		{ client_id => 'app', refresh_token => $guest->{refresh_token} },
		'AA006', 'invalid refresh token');
	refused('a disabled guest cannot be promoted with its key', 'promote_anonymous_user',
		{ %account, jwt => $fresh->request(challenge => challenge($node), action => 'promote') },
		'AA007', 'user is disabled');
	refused('a disabled guest cannot be promoted with a promotion code', 'promote_anonymous_user',
		{ %account, promotion_code => $code->{promotion_code} },
		'AA013', 'invalid promotion code');
	refused('userinfo refuses a disabled guest', 'userinfo',
		{ access_token => $guest->{access_token} }, 'AA014', 'invalid session');
	call($node, 'enable_user', user_id => $guest->{sub});
	is(log_in($fresh)->{sub}, $guest->{sub}, 'an enabled guest can log in again');
}

# ---------------------------------------------------------------------------
# Promotion
# ---------------------------------------------------------------------------

{
	my $taken = guest();
	my $session = guest();
	my %proof = (client_id => 'app', refresh_token => $session->{refresh_token});
	my $stranger = AnonAuth::Device->new;
	my @login_ids = (email => 'taken@example.com', phone_number => '+85298765432', username => 'taken');
	my %taken = @login_ids;

	call($node, 'promote_anonymous_user',
		client_id => 'app',
		@login_ids,
		password => 'correct horse',
		refresh_token => $taken->{refresh_token});

	refused("promotion with a taken $_ is refused", 'promote_anonymous_user',
		{ %proof, $_ => $taken{$_}, password => 'correct horse' },
		'AA009', 'identity already exists', { login_id_type => $_ })
	  for qw(email phone_number username);
	refused("promotion with $_->[1], another spelling of a taken login ID, is refused", 'promote_anonymous_user',
		{ %proof, $_->[0] => $_->[1], password => 'correct horse' },
		'AA009', 'identity already exists')
	  for [ email => 'Taken@EXAMPLE.com' ], [ email => ' taken@example.com ' ],
	  [ username => 'TAKEN' ], [ phone_number => '+852 9876 5432' ];
	refused('promotion with a free and a taken login ID is refused', 'promote_anonymous_user',
		{ %proof, email => 'free@example.com', username => 'taken', password => 'correct horse' },
		'AA009', 'identity already exists', { login_id_type => 'username' });

	refused("promotion with the e-mail address $_->[0] is refused", 'promote_anonymous_user',
		{ %proof, email => $_->[0], password => 'correct horse' },
		'AA010', 'invalid login ID', { login_id_type => 'email', reason => $_->[1] })
	  for [ 'plain', 'no_at_sign' ], [ '@example.com', 'local_part_empty' ], [ 'a@', 'domain_empty' ],
	  [ 'a b@example.com', 'local_part_invisible_character' ], [ 'a@b@example.com', 'local_part_invalid_character' ],
	  [ 'a@exa mple.com', 'domain_invisible_character' ], [ 'a@-example.com', 'domain_invalid' ],
	  [ 'a@example..com', 'domain_invalid' ], [ '', 'empty' ], [ ' ', 'empty' ],
	  [ 'x' x 400 . '@example.com', 'too_long' ], [ "a\n\@example.com", 'local_part_invisible_character' ];
	refused("promotion with the phone number $_->[0] is refused", 'promote_anonymous_user',
		{ %proof, phone_number => $_->[0], password => 'correct horse' },
		'AA010', 'invalid login ID', { login_id_type => 'phone_number', reason => $_->[1] })
	  for [ '98765432', 'no_calling_code' ], [ '+', 'wrong_number_of_digits' ], [ '+0', 'wrong_number_of_digits' ],
	  [ '+999123456789', 'unknown_calling_code' ], [ '+1', 'wrong_number_of_digits' ],
	  [ '+852987654321234567', 'wrong_number_of_digits' ], [ '+852x9876543', 'not_digits' ], [ '', 'empty' ];
	refused("promotion with the username $_->[0] is refused", 'promote_anonymous_user',
		{ %proof, username => $_->[0], password => 'correct horse' },
		'AA010', 'invalid login ID', { login_id_type => 'username', reason => $_->[1] })
	  for [ 'admin', 'reserved' ], [ 'ROOT', 'reserved' ], [ 'two words', 'not_ascii' ], [ "tab\there", 'not_ascii' ],
	  [ 'a@example.com', 'not_ascii' ], [ "\xd0\xb0dmin", 'not_ascii' ], [ 'x' x 100, 'too_long' ], [ '', 'empty' ];
	refused("promotion with a password of $_->[0] is refused", 'promote_anonymous_user',
		{ %proof, username => 'weak', password => $_->[1] },
		'AA011', 'password policy violated', { reasons => [ $_->[2] ] })
	  for [ 'seven characters', '1234567', { reason => 'too_short', min_length => 8 } ],
	  [ 'no character', '', { reason => 'too_short', min_length => 8 } ],
	  [ 'eight blanks less one', ' ' x 7, { reason => 'too_short', min_length => 8 } ],
	  [ '8,193 bytes', 'x' x 8193, { reason => 'too_long', max_bytes => 8192 } ];
	refused('promotion with a password of seven four-byte characters is refused', 'promote_anonymous_user',
		{ %proof, username => 'weak', password => "\xf0\x9f\x98\x80" x 7 },
		'AA011', 'password policy violated');
	refused('promotion without a password is refused', 'promote_anonymous_user',
		{ %proof, username => 'free' }, '22023', 'password is required');
	refused('promotion without a login ID is refused', 'promote_anonymous_user',
		{ %proof, password => 'correct horse' }, '22023', 'a login ID is required');
	refused('promotion without a proof is refused', 'promote_anonymous_user',
		{ client_id => 'app', username => 'free', password => 'correct horse' },
		'22023', 'a proof of being the guest is required');

	my %proofs = (
		refresh_token => $session->{refresh_token},
		jwt => request(action => 'promote'),
		promotion_code =>
		  call($node, 'create_promotion_code', refresh_token => $session->{refresh_token})->{promotion_code});

	for my $left_out (sort keys %proofs)
	{
		my %two = %proofs;

		delete $two{$left_out};
		refused('two proofs are refused: ' . join(' and ', sort keys %two), 'promote_anonymous_user',
			{ client_id => 'app', username => 'free', password => 'correct horse', %two },
			'22023', 'more than one proof of being the guest was given');
	}
	refused('promotion with three proofs is refused', 'promote_anonymous_user',
		{ client_id => 'app', username => 'free', password => 'correct horse', %proofs },
		'22023', 'more than one proof of being the guest was given');
	refused('a request with an unknown key cannot promote', 'promote_anonymous_user',
		{
			client_id => 'app',
			username => 'free',
			password => 'correct horse',
			jwt => $stranger->request(challenge => challenge($node), action => 'promote', with_jwk => 1)
		},
		'AA004', 'unknown device key');
	refused('a regular user cannot be promoted', 'promote_anonymous_user',
		{
			client_id => 'app',
			username => 'free',
			password => 'correct horse',
			refresh_token => call($node, 'authenticate',
				client_id => 'app', login_id => 'taken', password => 'correct horse')->{refresh_token}
		},
		'AA008', 'user logged in as normal user');
	is( call($node, 'promote_anonymous_user', %proof, username => 'free', password => 'correct horse')
		  ->{sub},
		$session->{sub},
		'the guest can be promoted after all refused attempts');
}

# ---------------------------------------------------------------------------
# Refresh tokens
# ---------------------------------------------------------------------------

# Refuses each of the texts, in a single test.
sub all_refused
{
	my ($name, $function, $argument, $arguments, $sqlstate, @texts) = @_;
	my @accepted;

	push @seen_secrets, grep { length >= 12 } @texts;
	for my $text (@texts)
	{
		my $error = refusal($node, $function, %$arguments, $argument => $text);
		my $said = join ' ', map { $_ // '' } @{$error}{qw(message detail hint context)};

		push @accepted, $text
		  if $error->{sqlstate} ne $sqlstate
		  || !$error->{unchanged}
		  || (length $text >= 12 && index($said, $text) >= 0);
	}
	is_deeply(\@accepted, [], $name);
	return;
}

{
	my $session = guest();
	my $token = $session->{refresh_token};
	my $user = guest();
	my %client = (client_id => 'app');

	refused("a refresh token of $_->[0] is refused", 'refresh_session',
		{ %client, refresh_token => $_->[1] }, 'AA006', 'invalid refresh token')
	  for [ 'garbage', 'garbage' ], [ 'dots', '...' ], [ 'Authgear\'s form', random_kid() . '.' . 'x' x 32 ],
	  [ 'the right length', 'A' x length $token ], [ 'a megabyte', 'A' x 1048576 ],
	  [ 'an access token', $session->{access_token} ], [ 'an ID token', $session->{id_token} ],
	  [ 'an e acute', "\xc3\xa9" x length $token ], [ 'white space', ' ' ], [ 'blanks around it', " $token " ],
	  [ 'its padding', "$token=" ];
	refused('a NULL refresh token is refused', 'refresh_session',
		{ %client, refresh_token => undef }, '22023', 'refresh_token is required');
	refused('an empty refresh token is refused', 'refresh_session',
		{ %client, refresh_token => '' }, '22023', 'refresh_token is required');
	all_refused('a refresh token changed at any position is refused', 'refresh_session',
		'refresh_token', \%client, 'AA006', map { altered($token, $_) } 0 .. length($token) - 1);
	all_refused('a refresh token truncated at any position is refused', 'refresh_session',
		'refresh_token', \%client, 'AA006',
		map { substr $token, 0, $_ } 1, 2, 22, 43, 64, length($token) - 4 .. length($token) - 1);
	all_refused('a changed refresh token does not return a guest', 'authenticate_anonymously',
		'refresh_token', \%client, 'AA006', map { altered($token, $_) } 0, 30, 60, length($token) - 1);
	all_refused('a changed refresh token gives no promotion code', 'create_promotion_code',
		'refresh_token', {}, 'AA006', 'garbage', map { altered($token, $_) } 0, 30, 60);

	refused('the refresh token of a session of another client is refused', 'refresh_session',
		{ client_id => 'other_app', refresh_token => $token },
		'AA006', 'invalid refresh token');
	is( call($node, 'refresh_session', %client, refresh_token => $token)->{sub},
		$session->{sub},
		'the refresh token still works after all refused attempts');

	$user = call($node, 'promote_anonymous_user',
		%client,
		username => 'refresh.user',
		password => 'correct horse',
		refresh_token => $user->{refresh_token});
	refused('the refresh token of a regular user does not return a guest', 'authenticate_anonymously',
		{ %client, refresh_token => $user->{refresh_token} },
		'AA008', 'user logged in as normal user');

	call($node, 'revoke', token => $token);
	refused('a revoked refresh token is refused', 'refresh_session',
		{ %client, refresh_token => $token }, 'AA006', 'invalid refresh token');
	refused('a revoked refresh token does not return a guest', 'authenticate_anonymously',
		{ %client, refresh_token => $token }, 'AA006', 'invalid refresh token');
}

# ---------------------------------------------------------------------------
# Promotion codes
# ---------------------------------------------------------------------------

{
	my $session = guest();
	my $code = call($node, 'create_promotion_code', refresh_token => $session->{refresh_token})
	  ->{promotion_code};
	my $second = call($node, 'create_promotion_code', refresh_token => $session->{refresh_token})
	  ->{promotion_code};
	my %account = (client_id => 'app', username => 'coded', password => 'correct horse');
	my $user;

	refused("a promotion code of $_->[0] is refused", 'promote_anonymous_user',
		{ %account, promotion_code => $_->[1] },
		'AA013', 'invalid promotion code', qr/^The code was not issued here\.$/)
	  for [ 'garbage', 'garbage' ], [ 'nothing', '' ], [ 'a challenge', challenge($node) ],
	  [ 'a refresh token', $session->{refresh_token} ], [ 'a character more', $code . 'A' ];
	all_refused('a promotion code changed at any position is refused', 'promote_anonymous_user',
		'promotion_code', \%account, 'AA013', map { altered($code, $_) } 0 .. length($code) - 1);
	refused('a promotion code is refused as a refresh token', 'refresh_session',
		{ client_id => 'app', refresh_token => $code }, 'AA006', 'invalid refresh token');

	$user = call($node, 'promote_anonymous_user', %account, promotion_code => $code);
	is($user->{sub}, $session->{sub}, 'the promotion code still works after all refused attempts');
	refused("after promotion, $_->[0] is refused", 'promote_anonymous_user',
		{ %account, username => 'coded.again', promotion_code => $_->[1] },
		'AA008', 'user logged in as normal user')
	  for [ 'the same promotion code', $code ], [ 'another promotion code', $second ];
	refused('create_promotion_code() refuses the refresh token of a regular user', 'create_promotion_code',
		{ refresh_token => $user->{refresh_token} }, 'AA008', 'user logged in as normal user');
}

{
	my $session = guest();
	my $code = call($node, 'create_promotion_code', refresh_token => $session->{refresh_token})
	  ->{promotion_code};

	call($node, 'revoke', token => $session->{refresh_token});
	refused('a promotion code is refused after its session has ended', 'promote_anonymous_user',
		{ client_id => 'app', username => 'revoked', password => 'correct horse', promotion_code => $code },
		'AA013', 'invalid promotion code', qr/session/);
}

# ---------------------------------------------------------------------------
# Authorization codes
# ---------------------------------------------------------------------------

{
	my $verifier = 'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk';
	my $s256 = encode_base64url(sha256($verifier));
	my $session = guest();
	my %promotion = (
		client_id => 'app',
		redirect_uri => $redirect_uri,
		code_challenge => $s256,
		username => 'web.user',
		password => 'correct horse',
		refresh_token => $session->{refresh_token});

	refused("the redirect URI $_ is refused", 'authorize_promotion',
		{ %promotion, redirect_uri => $_ }, '22023', 'redirect URI is not allowed')
	  for 'https://evil.example/cb', "$redirect_uri/", 'https://app.example/CB', "$redirect_uri?x=1",
	  "$redirect_uri#x", 'http://app.example/cb', 'HTTPS://app.example/cb', 'https://app.example:443/cb';
	refused('a NULL redirect URI is refused', 'authorize_promotion',
		{ %promotion, redirect_uri => undef }, '22023', 'redirect_uri is required');
	refused("the PKCE method $_ is refused", 'authorize_promotion',
		{ %promotion, code_challenge_method => $_ },
		'22023', 'only \'S256\' PKCE transform is supported')
	  for qw(plain s256 none);
	refused('a NULL PKCE method is refused', 'authorize_promotion',
		{ %promotion, code_challenge_method => undef }, '22023', 'code_challenge_method is required');
	refused('a NULL code challenge is refused', 'authorize_promotion',
		{ %promotion, code_challenge => undef }, '22023', 'code_challenge is required');
	refused("a code challenge of $_->[0] is refused", 'authorize_promotion',
		{ %promotion, code_challenge => $_->[1] }, '22023', 'invalid PKCE code challenge')
	  for [ '42 characters', substr $s256, 1 ], [ '44 characters', $s256 . 'A' ],
	  [ 'another alphabet', '.' . substr $s256, 1 ], [ 'padding', substr($s256, 1) . '=' ];

	my $code = call($node, 'authorize_promotion', %promotion)->{code};
	my %exchange = (
		client_id => 'app',
		code => $code,
		redirect_uri => $redirect_uri,
		code_verifier => $verifier);
	my $tokens;

	refused('a wrong code verifier is refused', 'exchange_authorization_code',
		{ %exchange, code_verifier => altered($verifier, 0) }, 'AA012', 'invalid authorization code');
	refused('the code challenge is refused as the code verifier', 'exchange_authorization_code',
		{ %exchange, code_verifier => $s256 }, 'AA012', 'invalid authorization code');
	refused("a code verifier of $_->[0] is refused", 'exchange_authorization_code',
		{ %exchange, code_verifier => $_->[1] }, '22023', 'invalid PKCE code verifier')
	  for [ '42 characters', 'x' x 42 ], [ '129 characters', 'x' x 129 ], [ 'another alphabet', '+' x 43 ];
	refused('a NULL code verifier is refused', 'exchange_authorization_code',
		{ %exchange, code_verifier => undef }, '22023', 'code_verifier is required');
	refused("a redirect URI other than the code's is refused, even a registered one", 'exchange_authorization_code',
		{ %exchange, redirect_uri => 'https://app.example/other' }, '22023', 'invalid redirect URI');
	refused('the code of another client is refused', 'exchange_authorization_code',
		{ %exchange, client_id => 'other_app' }, 'AA012', 'invalid authorization code');
	refused('a changed code is refused', 'exchange_authorization_code',
		{ %exchange, code => altered($code, 5) }, 'AA012', 'invalid authorization code');
	refused('a NULL code is refused', 'exchange_authorization_code',
		{ %exchange, code => undef }, '22023', 'code is required');

	$tokens = call($node, 'exchange_authorization_code', %exchange);
	is($tokens->{sub}, $session->{sub}, 'failed attempts do not use up the code');
	is(call($node, 'exchange_authorization_code', %exchange), undef, 'a used code returns no row');
	refused('the second use of a code ends its session', 'refresh_session',
		{ client_id => $exchange{client_id}, refresh_token => $tokens->{refresh_token} }, 'AA006', 'invalid refresh token');
}

# ---------------------------------------------------------------------------
# Access tokens
# ---------------------------------------------------------------------------

{
	my $session = guest();
	my $token = $session->{access_token};
	my ($header, $payload, $signature) = split /\./, $token;
	my ($members, $claims) = jws_parts($token);
	my $jwks = call($node, 'jwks')->{jwks};
	my $forger = AnonAuth::Device->new;
	my @uses = ([ userinfo => 'access_token' ], [ use_access_token => 'token' ]);

	for my $use (@uses)
	{
		my ($function, $argument) = @$use;

		refused("$function refuses $_->[0]", $function, { $argument => $_->[1] },
			'AA014', 'invalid token', $_->[2] // qr/^The token is refused: /)
		  for [ 'an ID token', $session->{id_token}, qr/it is not an access token/ ],
		  [ 'a refresh token', $session->{refresh_token} ],
		  [ 'garbage', 'garbage' ],
		  [ 'a token of any other type with the claims of an access token',
			call($node, 'sign_jwt', claims => $json->encode($claims))->{sign_jwt},
			qr/it is not an access token/ ],
		  [ 'a token with other claims',
			join('.', $header, encode_base64url($json->encode({ %$claims, sub => random_kid() })), $signature),
			qr/its signature does not match/ ],
		  [ 'a token signed with another key under our kid',
			$forger->sign($members, $claims), qr/its signature does not match/ ],
		  [ 'a token signed with the key in its own header',
			$forger->sign({ %$members, kid => $forger->kid, jwk => $forger->jwk }, $claims),
			qr/no signing key has its key ID/ ],
		  [ 'alg none', $forger->sign({ %$members, alg => 'none' }, $claims), qr/its algorithm/ ],
		  [ 'HS256 with our public key',
			hmac_jws({ %$members, alg => 'HS256' }, $claims, $json->encode($jwks->{keys}[0])),
			qr/its algorithm/ ],
		  [ 'a stripped signature', "$header.$payload." ],
		  [ 'a token without kid', $forger->sign({ %$members, kid => undef }, $claims) ],
		  [ 'critical members',
			$forger->sign({ %$members, crit => ['exp'] }, $claims), qr/critical/ ],
		  [ 'an expired token',
			call($node, 'sign_jwt',
				claims => $json->encode({ %$claims, exp => time() - 10 }),
				typ => 'at+jwt')->{sign_jwt},
			qr/it has expired/ ],
		  [ 'a token of another issuer',
			call($node, 'sign_jwt',
				claims => $json->encode({ %$claims, iss => 'https://evil.example' }),
				typ => 'at+jwt')->{sign_jwt},
			qr/its issuer \(iss\) is not that of the settings/ ],
		  [ 'a token for another audience',
			call($node, 'sign_jwt',
				claims => $json->encode({ %$claims, aud => 'https://evil.example' }),
				typ => 'at+jwt')->{sign_jwt},
			qr/its audience \(aud\) is .*, but ".*" was expected/ ];
	}

	is(call($node, 'userinfo', access_token => $token)->{userinfo}{sub},
		$session->{sub}, 'the unchanged access token is accepted');
	call($node, 'revoke', token => $session->{refresh_token});
	refused('userinfo() refuses an access token whose session was revoked', 'userinfo',
		{ access_token => $token }, 'AA014', 'invalid session');
}

# ---------------------------------------------------------------------------
# Secrets in the server log
# ---------------------------------------------------------------------------

# The default log settings, and parameters in the extended protocol, as drivers
# send them.
{
	my $session = guest();
	my %secrets = (
		jwt => request(challenge => 'a-challenge-that-is-not-ours'),
		refresh_token => altered($session->{refresh_token}, 40),
		promotion_code => 'promotion-code-that-is-not-ours',
		code => 'authorization-code-that-is-not-ours',
		verifier => 'code-verifier-that-is-not-ours' . 'x' x 20,
		password => 'pass8',
		access_token => $session->{id_token},
		good_refresh_token => $session->{refresh_token});
	my %calls = (
		'a request' => q{authenticate_anonymously('app', jwt => :jwt)},
		'a refresh token' => q{refresh_session('app', :refresh_token)},
		'a returning guest' => q{authenticate_anonymously('app', refresh_token => :refresh_token)},
		'a promotion code' =>
		  q{promote_anonymous_user('app', username => 'logged', password => :password,}
		  . q{ promotion_code => :promotion_code)},
		'a password' =>
		  q{promote_anonymous_user('app', username => 'logged', password => :password,}
		  . q{ refresh_token => :good_refresh_token)},
		'an authorization code' =>
		  q{exchange_authorization_code('app', :code, 'https://app.example/cb', :verifier)},
		'an access token' => q{userinfo(:access_token)},
		'use_access_token()' => q{use_access_token(:access_token)});
	my $directory = PostgreSQL::Test::Utils::tempdir();
	my @pieces = map { ($_, grep { length >= 12 } split /\./) } values %secrets;

	for my $what (sort keys %calls)
	{
		my $offset = -s $node->logfile;
		my $script = "$directory/script.sql";
		my ($stdout, $stderr, $log);

		open my $file, '>', $script or die "cannot write $script: $!";
		print $file "SELECT anon_auth.$calls{$what};\n";
		close $file;
		IPC::Run::run(
			[
				'pgbench', '--no-vacuum', '--transactions=1', '--protocol=extended',
				'--file', $script, (map { ('-D', "$_=$secrets{$_}") } sort keys %secrets),
				$node->connstr('postgres')
			],
			'>' => \$stdout,
			'2>' => \$stderr);
		$log = slurp_file($node->logfile, $offset);
		like($log, qr/ERROR: .*\n.*STATEMENT: .*\$1/s, "the log shows the error for $what");
		ok(!(grep { index($log, $_) >= 0 } @pieces), "the log does not show the secrets of the call with $what");
		ok(!(grep { index($stderr, $_) >= 0 } @pieces), "the error does not show the secrets of the call with $what");
	}
}

# All calls refused so far. The test sends their arguments as literals, which
# the server logs as part of the statement; so search all lines except STATEMENT
# lines.
{
	my @lines = grep { !/ STATEMENT:  / } split /\n(?!\t)/, slurp_file($node->logfile);
	my $rest = join "\n", @lines;

	cmp_ok(scalar(@lines), '>', 300, 'the log contains the errors of the refused calls');
	is_deeply([ grep { index($rest, $_) >= 0 } @seen_secrets ],
		[], 'no log line except STATEMENT lines contains a secret');
}

# ---------------------------------------------------------------------------
# Expiry
# ---------------------------------------------------------------------------

SKIP:
{
	my $clock = AnonAuth::Clock->new;
	my $verifier = 'x' x 43;

	skip 'no C compiler is available to build the library that moves the clock', 1 if !$clock;
	$clock->restart($node);

	my $session = guest();
	my $code = call($node, 'create_promotion_code', refresh_token => $session->{refresh_token})
	  ->{promotion_code};
	my $web = guest();
	my %exchange = (
		client_id => 'app',
		redirect_uri => $redirect_uri,
		code_verifier => $verifier,
		code => call($node, 'authorize_promotion',
			client_id => 'app',
			redirect_uri => $redirect_uri,
			code_challenge => encode_base64url(sha256($verifier)),
			username => 'late',
			password => 'correct horse',
			refresh_token => $web->{refresh_token})->{code});
	my @requests = map { request(payload => { iat => undef, exp => undef }) } 1 .. 2;
	my $used = request(payload => { iat => undef, exp => undef });
	my $with_times = request();

	guest(jwt => $used);
	$clock->set_ahead(290);
	is(guest(jwt => $requests[0])->{sub}, $device_guest->{sub}, 'a challenge is accepted after 290 seconds');
	bad_challenge('a used challenge is still refused after 290 seconds', $used, qr/used before/);
	$clock->set_ahead(301);
	bad_challenge('a challenge expires after 5 minutes', $requests[1], qr/^The challenge has expired\.$/);
	bad_challenge('a used challenge is refused as expired after 5 minutes', $used, qr/^The challenge has expired\.$/);
	refused('a promotion code expires after 5 minutes', 'promote_anonymous_user',
		{ client_id => 'app', username => 'too.late', password => 'correct horse', promotion_code => $code },
		'AA013', 'invalid promotion code', qr/^The code has expired\.$/);
	refused('an authorization code expires after 5 minutes', 'exchange_authorization_code',
		\%exchange, 'AA012', 'invalid authorization code');
	refused('an ID token expires after 5 minutes', 'verify_jwt',
		{ token => $session->{id_token}, audience => 'app' }, 'AA014', 'invalid token', qr/it has expired/);
	is(call($node, 'userinfo', access_token => $session->{access_token})->{userinfo}{sub},
		$session->{sub}, 'an access token is still accepted after 5 minutes');
	$clock->set_ahead(361);
	bad_jwt('a request expires 5 minutes after its exp', $with_times, qr/^The request has expired \(exp\)\.$/);
	$clock->set_ahead(1801);
	refused('an access token expires after 30 minutes', 'userinfo',
		{ access_token => $session->{access_token} }, 'AA014', 'invalid token', qr/it has expired/);
	is( call($node, 'refresh_session', client_id => 'app', refresh_token => $session->{refresh_token})->{sub},
		$session->{sub},
		'the session of an expired access token can be refreshed');
	$clock->set_ahead(2592000 + 1800);
	is( call($node, 'refresh_session', client_id => 'app', refresh_token => $session->{refresh_token})->{sub},
		$session->{sub},
		'a session that is used again lives longer than 30 days');
	$clock->set_ahead(2 * 2592000);
	is(guest(refresh_token => $session->{refresh_token})->{sub},
		$session->{sub}, 'a session whose guest returns lives longer than 30 days');
	$clock->set_ahead(3 * 2592000 + 2);
	refused('a session that was not used for 30 days has ended', 'refresh_session',
		{ client_id => 'app', refresh_token => $session->{refresh_token} },
		'AA006', 'invalid refresh token');
	is(log_in($device, payload => { iat => undef, exp => undef })->{sub},
		$device_guest->{sub}, 'a device key never expires');
}

done_testing();
