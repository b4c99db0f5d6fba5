# Tokens that are bound to a key over HTTP: the token endpoint, resources of anon_auth and of
# PostgREST, behind the nginx of examples/postgrest.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Device qw(call challenge jws_parts sql_literal);
use AnonAuth::Web;
use Digest::SHA qw(sha256);
use IO::Socket::INET ();
use MIME::Base64 qw(encode_base64url);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $reason = AnonAuth::Web->missing;

plan skip_all => $reason if $reason;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->append_conf('postgresql.conf', 'fsync = off');
$node->start;

my $web = AnonAuth::Web->new($node, origins => ["https://app.example"]);
my $origin = $web->origin;
my $endpoint = "$origin/oauth2/token";

sub query { return $node->safe_psql('postgres', sprintf $_[0], map { sql_literal($_) } @_[ 1 .. $#_ ]); }

query(<<'SQL');
CREATE FUNCTION api.who() RETURNS json LANGUAGE sql STABLE AS
	$$ SELECT json_build_object('uid', coalesce(anon_auth.uid()::text, 'nobody'), 'role', current_user, 'key', anon_auth.key_bound(),
		'sub', current_setting('request.jwt.claims', true)::jsonb ->> 'sub') $$;
GRANT EXECUTE ON FUNCTION api.who() TO anon, authenticated;
NOTIFY pgrst, 'reload schema';
SQL
call($node, 'create_client', client_id => 'native', application_type => 'native', redirect_uris => '{com.example.app://cb}');
call($node, 'create_client', client_id => 'strict', application_type => 'native', dpop => 'required');
$web->wait_for('PostgREST to know the function', sub { $web->get('/rest/rpc/who')->{status} == 200 });

my $key = AnonAuth::Device->new;
my $other = AnonAuth::Device->new;

# A header with a proof for a method, a path and, if given, an access token.
sub proof
{
	my ($device, $method, $path, $token, %arguments) = @_;

	return (DPoP => $device->proof(htm => $method, htu => "$origin$path", access_token => $token, %arguments));
}

sub bound { my ($token) = @_; return (Authorization => "DPoP $token"); }
sub token_request { my ($form, %headers) = @_; return $web->post_form('/oauth2/token', $form, %headers); }

# The tokens of a new guest with a device key.
sub sign_up
{
	my ($client, %headers) = @_;
	my $device = AnonAuth::Device->new;

	return token_request({
			grant_type => 'urn:authgear:params:oauth:grant-type:anonymous-request',
			client_id => $client,
			jwt => $device->request(challenge => challenge($node), with_jwk => 1) }, %headers);
}

sub refresh
{
	my ($client, $tokens, %headers) = @_;

	return token_request({ grant_type => 'refresh_token', client_id => $client, refresh_token => $tokens->{refresh_token} }, %headers);
}

# "status error" of a response.
sub outcome
{
	my ($response) = @_;
	my $error = $response->{json}{error};

	return join ' ', $response->{status}, grep { defined } ref $error ? $error->{reason} : $error;
}

# ---------------------------------------------------------------------------
# The token endpoint
# ---------------------------------------------------------------------------

my $response = sign_up('native', proof($key, 'POST', '/oauth2/token'));
is(outcome($response), '200', 'a guest signs up with a proof');
my $tokens = $response->{json};
is($tokens->{token_type}, 'Bearer', 'optional: the access token is a Bearer token');
is(outcome(refresh('native', $tokens)), '400 invalid_dpop_proof', 'its refresh token needs a proof');
is(outcome(refresh('native', $tokens, proof($other, 'POST', '/oauth2/token'))), '400 invalid_grant', '... of the same key');
$response = refresh('native', $tokens, proof($key, 'POST', '/oauth2/token', undef, payload => { htm => 'GET' }));
is(outcome($response), '400 invalid_dpop_proof', '... for the method');
like($response->{json}{x_detail}, qr/htm/, '... and x_detail says why it is refused');
is(outcome(refresh('native', $tokens, proof($key, 'POST', '/oauth2/revoke'))), '400 invalid_dpop_proof', '... and for the URI');
is(outcome(refresh('native', $tokens, DPoP => $key->proof(htu => 'https://other.example/oauth2/token'))), '400 invalid_dpop_proof',
	'... of this host');
my %used = proof($key, 'POST', '/oauth2/token');
is(outcome(refresh('native', $tokens, %used)), '200', 'the right proof refreshes');
is(outcome(refresh('native', $tokens, %used)), '400 invalid_dpop_proof', '... once');
is(outcome(sign_up('native', DPoP => 'garbage')), '400 invalid_dpop_proof', 'a proof that cannot be read is refused, not ignored');
is(outcome($web->post_form('/oauth2/revoke', { token => sign_up('native', proof($key, 'POST', '/oauth2/token'))->{json}{refresh_token} })),
	'200', 'a bound token is revoked without a proof');

# Two header lines, by hand: HTTP::Tiny joins them.
{
	my ($host, $port) = $origin =~ m{//([^:/]+):(\d+)};
	my $socket = IO::Socket::INET->new(PeerAddr => $host, PeerPort => $port) or die "cannot connect: $!";
	my $body = "grant_type=refresh_token&client_id=native&refresh_token=$tokens->{refresh_token}";
	my @proofs = ($other->proof(htu => $endpoint), $key->proof(htu => $endpoint));

	print $socket "POST /oauth2/token HTTP/1.1\r\nHost: $host:$port\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\n"
	  . "DPoP: $proofs[0]\r\nDPoP: $proofs[1]\r\nContent-Length: @{[ length $body ]}\r\n\r\n$body";
	local $/;
	my $answer = <$socket>;
	# nginx before 1.23 passes the first of them on, and later versions both in one line.
	like($answer, qr/^HTTP\S+ 400.*(?:invalid_grant|invalid_dpop_proof)/s, 'a second DPoP header never counts');
}
is(outcome(refresh('native', $tokens, DPoP => join(', ', map { $key->proof(htu => $endpoint) } 1, 2))), '400 invalid_dpop_proof',
	'two proofs in one header are refused');

is(outcome(sign_up('strict')), '400 invalid_dpop_proof', 'required: no tokens without a proof');
my $strict = sign_up('strict', proof($key, 'POST', '/oauth2/token'))->{json};
is($strict->{token_type}, 'DPoP', 'required: token_type is DPoP');

# ---------------------------------------------------------------------------
# Other endpoints that take a refresh token
# ---------------------------------------------------------------------------

my @endpoints = (
	[ '/api/anonymous_user/signup', { client_id => 'native', session_type => 'refresh_token' }, '403 InvalidDPoPProof' ],
	[ '/api/anonymous_user/promotion_code', { session_type => 'refresh_token' }, '403 InvalidDPoPProof' ],
	[ '/api/login_code', { client_id => 'native', login_id => 'ada@example.com' }, '403 InvalidDPoPProof' ],
	[ '/oauth2/app_session_token', {}, '403 InvalidDPoPProof' ]);
for my $case (@endpoints)
{
	my ($path, $body, $refused) = @$case;
	my %body = (%$body, refresh_token => $path =~ /signup/ ? undef : $tokens->{refresh_token});

	if ($path =~ /signup/)
	{
		my $guest = $web->post_json($path, { client_id => 'native', session_type => 'refresh_token' }, proof($key, 'POST', $path));

		$body{refresh_token} = $guest->{json}{result}{refresh_token};
	}
	is(outcome($web->post_json($path, \%body)), $refused, "$path needs a proof for a bound refresh token");
	is(outcome($web->post_json($path, \%body, proof($key, 'POST', '/oauth2/token'))), $refused, '... for its own URI');
	like(outcome($web->post_json($path, \%body, proof($other, 'POST', $path))), qr/^4\d\d (?:InvalidGrant|Forbidden|Invalid)$/, '... of its key');
	is(outcome($web->post_json($path, \%body, proof($key, 'POST', $path))), '200', '... and works with it');
}
is($web->post_json('/oauth2/app_session_token', { refresh_token => $tokens->{refresh_token} },
		proof($other, 'POST', '/oauth2/app_session_token'))->{json}{error}{reason}, 'InvalidGrant', 'SDKs end the session of a lost key');

# ---------------------------------------------------------------------------
# Resources of anon_auth
# ---------------------------------------------------------------------------

# The outcome and, if refused, the scheme and error of the challenge.
sub resource
{
	my ($path, %headers) = @_;
	my $answer = $web->get($path, %headers);
	my ($challenge) = ($answer->{headers}{'www-authenticate'} // '') =~ /^(\w+(?: error="\w+")?)/;

	return join ' ', $answer->{status}, grep { defined } $challenge;
}

my $access = $strict->{access_token};
my $userinfo = '/oauth2/userinfo';
is(resource($userinfo, Authorization => "Bearer $access"), '401 Bearer error="invalid_token"', 'userinfo: a bound token is no Bearer token');
is(resource($userinfo, Authorization => "Bearer $access", proof($key, 'GET', $userinfo, $access)), '401 Bearer error="invalid_token"',
	'... not even with a proof');
is(resource($userinfo, bound($access)), '401 DPoP error="invalid_dpop_proof"', '... needs a proof');
is(resource($userinfo, bound($access), proof($key, 'GET', $userinfo)), '401 DPoP error="invalid_dpop_proof"', '... with ath');
is(resource($userinfo, bound($access), proof($other, 'GET', $userinfo, $access)), '401 DPoP error="invalid_token"', '... of its key');
is(resource($userinfo, bound($access), proof($key, 'GET', $userinfo, $access)), '200', '... and works with it');
my $as_bearer = $web->get($userinfo, Authorization => "Bearer $access");
like($as_bearer->{headers}{'www-authenticate'}, qr/^Bearer error="invalid_token", error_description="the access token is bound to a key: [^"]*", DPoP algs="ES256 EdDSA RS256 PS256"$/,
	'the challenge to a bound token with the scheme Bearer names the scheme DPoP');
like($as_bearer->{json}{error_description}, qr/^the access token is bound to a key: send it with the scheme DPoP/, '... and so does the description');
like($web->get($userinfo, bound($tokens->{access_token}), proof($key, 'GET', $userinfo, $tokens->{access_token}))->{json}{error_description},
	qr/is not bound to a key: send it with the scheme Bearer/, 'the description of the reverse says so');
like($web->get($userinfo, bound($access), proof($other, 'GET', $userinfo, $access))->{json}{error_description}, qr/^the DPoP proof is of another key/,
	'the description of a proof of another key says so');
like($web->get($userinfo, Authorization => "Bearer ${access}x")->{json}{error_description}, qr/^the access token is invalid or has expired$/,
	'a bound token that does not verify is not said to be bound');
like($web->get($userinfo, bound($access))->{headers}{'www-authenticate'}, qr/algs="ES256 EdDSA RS256 PS256"$/, 'the challenge lists the algorithms');
is(resource($userinfo, bound($tokens->{access_token}), proof($key, 'GET', $userinfo, $tokens->{access_token})), '401 DPoP error="invalid_token"',
	'a token that is not bound needs the scheme Bearer');
is(resource($userinfo, Authorization => "Bearer $tokens->{access_token}", proof($key, 'GET', $userinfo)), '200',
	'native SDKs send a proof with Bearer tokens: it is ignored');
is(resource($userinfo, Authorization => "Bearer $tokens->{access_token}", DPoP => 'garbage'), '200', '... also if it is bad');
is($web->get('/.well-known/openid-configuration', proof($key, 'GET', '/.well-known/openid-configuration'))->{status}, 200, '... and at discovery');
is_deeply($web->get('/.well-known/openid-configuration')->{json}{dpop_signing_alg_values_supported}, [qw(ES256 EdDSA RS256 PS256)],
	'discovery lists the algorithms');
my $private = $web->get('/private/x', bound($access), proof($key, 'GET', '/private/x', $access));
is($private->{status} == 401 ? 'refused' : 'passed', 'passed', 'resolve: a proof is for the path about which the proxy asks') or diag explain $private;
is(resource('/private/x', bound($access), proof($key, 'GET', '/resolve', $access)) =~ /^401/ ? 'refused' : 'passed', 'refused', '... and for no other');
is(resource('/private/x', Authorization => "Bearer $access") =~ /^401/ ? 'refused' : 'passed', 'refused', 'resolve: a bound token is no Bearer token');

# The account API and the claim
my $sessions = '/api/account/list_sessions';
is(outcome($web->post_json($sessions, {}, Authorization => "Bearer $access")), '401 Unauthorized', 'the account API: a bound token is no Bearer token');
like($web->post_json($sessions, {}, Authorization => "Bearer $access")->{headers}{'www-authenticate'}, qr/^Bearer error="invalid_token", .*, DPoP algs="ES256 /,
	'... and the challenge says so');
{
	my $answer = $web->post_json($sessions, {}, bound($access));

	is(outcome($answer), '401 InvalidDPoPProof', '... needs a proof');
	is($answer->{json}{error}{info}{description}, 'The call needs a DPoP proof.', '... and says that it has none');
	$answer = $web->post_json($sessions, {}, bound($access), proof($key, 'GET', $sessions, $access));
	is("$answer->{json}{error}{message}: $answer->{json}{error}{info}{description}", 'invalid DPoP proof: The method (htm) of the proof is not that of the request.', 'the account API gives the reason of a bad proof');
	like($answer->{headers}{'www-authenticate'}, qr/^DPoP error="invalid_dpop_proof", .*, algs="ES256 EdDSA RS256 PS256"$/, '... and a challenge');
	$answer = $web->post_json($sessions, {}, bound($access), proof($other, 'POST', $sessions, $access));
	is("$answer->{status} $answer->{json}{error}{message}", '401 the DPoP proof is of another key than that of the access token', 'a proof of another key is told apart');
	like($answer->{headers}{'www-authenticate'}, qr/^DPoP error="invalid_token"/, '... as an invalid token');
}
is(outcome($web->post_json($sessions, {}, bound($access), proof($key, 'POST', $sessions, $access))), '200', '... and works with it');

# ---------------------------------------------------------------------------
# PostgREST
# ---------------------------------------------------------------------------

my $who = '/rest/rpc/who';
$response = $web->get($who, Authorization => "Bearer $access");
is("$response->{status} $response->{json}{code} $response->{json}{message}: $response->{json}{details}", '401 PT401 invalid access token: the access token is bound to a key: send it with the scheme DPoP and a proof',
	'PostgREST: a bound token is no Bearer token');
like($response->{headers}{'www-authenticate'}, qr/^Bearer error="invalid_token", .*, DPoP algs="ES256 /, '... and the challenge names the scheme DPoP');
is(resource($who, bound($access)), '401 DPoP error="invalid_dpop_proof"', '... needs a proof');
is(resource($who, bound($access), proof($key, 'GET', $who)), '401 DPoP error="invalid_dpop_proof"', '... with ath');
is(resource($who, bound($access), proof($key, 'POST', $who, $access)), '401 DPoP error="invalid_dpop_proof"', '... for the method');
is(resource($who, bound($access), proof($key, 'GET', '/rest/rpc/other', $access)), '401 DPoP error="invalid_dpop_proof"', '... and the URI');
is(resource($who, bound($access), proof($other, 'GET', $who, $access)), '401 DPoP error="invalid_token"', '... of its key');
my $sub = (jws_parts($access))[1]{sub};
my %once = proof($key, 'GET', $who, $access);
$response = $web->get("$who?select=*", bound($access), %once);
is_deeply($response->{json}, { uid => $sub, role => 'authenticated', key => JSON::PP::true, sub => $sub }, '... and then gives identity and role');
is(resource($who, bound($access), %once), '401 DPoP error="invalid_dpop_proof"', '... once, also for GET, which is read-only');
is_deeply($web->get($who, Authorization => "Bearer $tokens->{access_token}", proof($key, 'GET', $who))->{json}{key}, JSON::PP::false,
	'a Bearer token gives an identity without a key');
is(resource($who, bound('x.y.z'), proof($key, 'GET', $who, 'x.y.z')) =~ /^401/ ? 401 : 0, 401, 'a token that cannot be read is refused');
is(resource($who, bound($tokens->{access_token}), proof($key, 'GET', $who, $tokens->{access_token})), '401 DPoP error="invalid_token"',
	'a token that is not bound needs the scheme Bearer');
query('SELECT anon_auth.revoke_sessions(%s)', $sub);
is($web->get($who, bound($access), proof($key, 'GET', $who, $access))->{status}, 401, 'a session that has ended is refused');

# Without nginx
{
	my $direct = $web->start_postgrest;
	my $fresh = sign_up('strict', proof($key, 'POST', '/oauth2/token'))->{json};
	my $answer = $web->get("$direct/rpc/who", bound($fresh->{access_token}), proof($key, 'GET', '/rpc/who', $fresh->{access_token}));

	is($answer->{json}{key}, JSON::PP::true, 'without nginx, the path of the proof is that at PostgREST');
}

# ---------------------------------------------------------------------------
# dpop_jkt
# ---------------------------------------------------------------------------

my %authorize = (client_id => 'native', redirect_uri => 'com.example.app://cb', response_type => 'code', scope => 'openid offline_access',
	code_challenge_method => 'S256', code_challenge => 'x' x 43);
is($web->get('/oauth2/authorize?' . HTTP::Tiny->new->www_form_urlencode({ %authorize, dpop_jkt => $key->thumbprint }))->{status}, 303,
	'/oauth2/authorize accepts dpop_jkt');
like($web->get('/oauth2/authorize?' . HTTP::Tiny->new->www_form_urlencode({ %authorize, dpop_jkt => 'x' }))->{headers}{location},
	qr/error=invalid_request.*dpop_jkt/, '... and refuses what is no thumbprint');

# ---------------------------------------------------------------------------
# Nonces, and pages of other origins
# ---------------------------------------------------------------------------

query('UPDATE anon_auth.settings SET dpop_nonce = true');
$response = sign_up('native', proof($key, 'POST', '/oauth2/token'));
is(outcome($response), '400 use_dpop_nonce', 'dpop_nonce: a proof without a nonce gets one');
my $nonce = $response->{headers}{'dpop-nonce'};
$response = sign_up('strict', proof($key, 'POST', '/oauth2/token', undef, nonce => $nonce));
is(outcome($response), '200', '... in the header DPoP-Nonce, for the next proof');
isnt($response->{headers}{'dpop-nonce'}, undef, 'a response to a proof has the next nonce');
$access = $response->{json}{access_token};
$response = $web->get($who, bound($access), proof($key, 'GET', $who, $access));
is("$response->{status} $response->{headers}{'www-authenticate'}" =~ s/error_description.*//r, '401 DPoP error="use_dpop_nonce", ', 'PostgREST asks for a nonce, too');
$response = $web->get($who, bound($access), proof($key, 'GET', $who, $access, nonce => $response->{headers}{'dpop-nonce'}));
is($response->{status}, 200, '... which works');
isnt($response->{headers}{'dpop-nonce'}, undef, '... and gives the next one');
is(resource($userinfo, bound($access), proof($key, 'GET', $userinfo, $access)), '401 DPoP error="use_dpop_nonce"', 'userinfo asks for a nonce');
is($web->get('/oauth2/jwks', proof($key, 'GET', '/oauth2/jwks'))->{headers}{'dpop-nonce'}, undef, 'a response that caches may keep has no nonce');
query('UPDATE anon_auth.settings SET dpop_nonce = false');

$response = $web->request('OPTIONS', '/oauth2/token', headers => { Origin => 'https://app.example', 'Access-Control-Request-Method' => 'POST',
		'Access-Control-Request-Headers' => 'dpop' });
like($response->{headers}{'access-control-allow-headers'}, qr/\bDPoP\b/, 'pages of other origins may send DPoP');
like($web->get('/oauth2/jwks', Origin => 'https://app.example')->{headers}{'access-control-expose-headers'}, qr/\bDPoP-Nonce\b/, '... and read DPoP-Nonce');

done_testing();
