# The HTTP endpoints without the pages: their answers to an SDK, to invalid
# requests, and to requests of a session that has ended. t/AnonAuth/Browser.pm
# calls the functions as PostgREST would. t/050_postgrest.pl uses the real
# PostgREST.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Browser;
use AnonAuth::Device qw(call challenge jws_parts random_kid sql_literal);
use Digest::SHA qw(sha256 sha512);
use JSON::PP ();
use MIME::Base64 qw(encode_base64 encode_base64url);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION anon_auth;
CREATE EXTENSION anon_auth_http;
CREATE ROLE anon NOLOGIN;
CREATE ROLE authenticated NOLOGIN;
CREATE ROLE authenticator LOGIN NOINHERIT;
GRANT anon, authenticated TO authenticator;
SELECT anon_auth.grant_client_api('anon'), anon_auth.grant_client_api('authenticated'),
	   anon_auth.grant_http_api('anon'), anon_auth.grant_http_api('authenticated'),
	   anon_auth.grant_http_api('authenticator');
SELECT anon_auth.create_client('web', 'spa', '{https://app.example/}',
							   post_logout_redirect_uris => '{https://app.example/bye}'),
	   anon_auth.create_client('rotating', 'spa', refresh_token_rotation_enabled => true),
	   anon_auth.create_client('machine', 'm2m'),
	   anon_auth.create_client('phone', 'native', '{com.example.app://host/path}'),
	   anon_auth.create_client('partner', 'third_party_app', '{https://partner.example/}');
UPDATE anon_auth.settings SET issuer = 'https://auth.example', password_hash_memory_kib = 8192,
	password_hash_passes = 1;
SQL

my $anonymous_request = 'urn:authgear:params:oauth:grant-type:anonymous-request';
my $unsupported = 'Anonymous user is not supported by the client application type. Try using SPA, '
  . 'Traditional Web App, or Native App client types if applicable.';
my $json = JSON::PP->new->canonical->utf8;

sub query { return $node->safe_psql('postgres', $_[0]); }

sub settings
{
	my (%settings) = @_;

	query('UPDATE anon_auth.settings SET '
		  . join(', ', map { "$_ = " . sql_literal($settings{$_}) } sort keys %settings));
}

sub client { return AnonAuth::Browser->new($node); }

# The rows that a refused call must not change.
sub contents
{
	return query(
		join ' UNION ALL ',
		map { "SELECT '$_', count(*), md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) FROM anon_auth.$_ t" }
		  qw(users sessions device_keys login_ids passwords authorization_codes events));
}

my $body_is = sub {
	my ($answer, $status, $json, $name) = @_;

	is($answer->{status}, $status, "$name: status $status");
	is_deeply($answer->{json}, $json, "$name: body") or diag($answer->{body});
};

# A refused call. Besides status and body, it must set no cookie, must not be
# cacheable, and must write nothing.
sub refused
{
	my ($call, $status, $json, $name) = @_;
	my $before = contents();
	my $answer = $call->();

	$body_is->($answer, $status, $json, $name);
	is($answer->{headers}{'set-cookie'}, undef, "$name: no cookie is set");
	is_deeply($answer->{headers}{'cache-control'}, ['no-store'], "$name: the answer is not cacheable");
	is(contents(), $before, "$name: nothing is written");
	return $answer;
}

sub oauth_error
{
	my ($error, $description, $code, $detail) = @_;

	return {
		error => $error,
		error_description => $description,
		$code ? (x_code => $code) : (),
		$detail ? (x_detail => $detail) : () };
}

sub api_error
{
	my ($name, $code, $message, $reason) = @_;

	return { error => { name => $name, reason => $reason // $name, message => $message, code => $code } };
}

sub sign_up
{
	my ($browser, $client_id) = @_;

	return ($browser // client())->post_json('/api/anonymous_user/signup',
		{ session_type => 'refresh_token', client_id => $client_id // 'web' })->{json}{result};
}

sub bearer { return ('Authorization:' => "Bearer $_[0]"); }

sub refresh
{
	my ($token, $client_id) = @_;

	return client()->post_form('/oauth2/token',
		grant_type => 'refresh_token', client_id => $client_id // 'web', refresh_token => $token);
}

# ---------------------------------------------------------------------------
# Discovery
# ---------------------------------------------------------------------------

my $discovery = client()->get('/.well-known/openid-configuration');
is($discovery->{status}, 200, 'discovery answers with status 200');
is($discovery->{json}{$_}, "https://auth.example/oauth2/" . ($_ =~ /^(.*)_endpoint/)[0],
	"discovery: $_ is under the issuer")
  for qw(token_endpoint authorization_endpoint userinfo_endpoint end_session_endpoint)[ 0, 2, 3 ];
is($discovery->{json}{authorization_endpoint}, 'https://auth.example/oauth2/authorize',
	'discovery: authorization_endpoint is at the origin of the issuer');
my $metadata = $discovery->{json};
is($metadata->{issuer}, 'https://auth.example', 'discovery: the issuer is that of the settings');
is($metadata->{$_}, JSON::PP::false, "discovery: $_ is false")
  for qw(request_parameter_supported request_uri_parameter_supported claims_parameter_supported);
is($metadata->{authorization_response_iss_parameter_supported}, JSON::PP::true, 'discovery: authorization responses have iss (RFC 9207)');
is_deeply($metadata->{$_}, ['none'], "discovery: $_ says that clients are public")
  for qw(token_endpoint_auth_methods_supported revocation_endpoint_auth_methods_supported);
is_deeply($metadata->{response_modes_supported}, ['query'], 'discovery: response_modes_supported');
ok((grep { $_ eq 'RS256' } @{ $metadata->{id_token_signing_alg_values_supported} }) == 1, 'discovery: RS256 is supported, as the specification requires');

# OpenID Connect Discovery, section 3, and RFC 8414, section 2.
ok(defined $metadata->{$_}, "discovery: the required member $_ exists")
  for qw(issuer authorization_endpoint token_endpoint jwks_uri response_types_supported subject_types_supported
  id_token_signing_alg_values_supported);
is(scalar @{ client()->get('/oauth2/jwks')->{json}{keys} }, 1, 'jwks publishes the public key');
unlike(client()->get('/oauth2/jwks')->{body}, qr/"d"/, 'jwks publishes no private member');

# ---------------------------------------------------------------------------
# Challenges
# ---------------------------------------------------------------------------

my $challenge = client()->post_json('/oauth2/challenge', { purpose => 'anonymous_request' });
is($challenge->{status}, 200, 'a challenge request answers with status 200');
is_deeply([ sort keys %{ $challenge->{json}{result} } ], [qw(expire_at token)],
	'the challenge is inside the result member');
like($challenge->{json}{result}{expire_at}, qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z$/,
	'expire_at is an RFC 3339 timestamp in UTC');

sub invalid_body
{
	my (@causes) = @_;
	my $error = api_error('Invalid', 400, 'invalid request body', 'ValidationFailed');

	$error->{error}{info} = { causes => \@causes };
	return $error;
}

refused(sub { client()->post_json('/oauth2/challenge', { purpose => 'juggling' }) },
	400, invalid_body({ location => '/purpose', kind => 'general', details => { msg => 'unknown challenge purpose' } }),
	'a challenge request with an unknown purpose is refused');
refused(sub { client()->post_json('/oauth2/challenge', {}) },
	400, invalid_body({ location => '', kind => 'required',
		details => { actual => [], expected => ['purpose'], missing => ['purpose'] } }),
	'a challenge request without a purpose is refused');
refused(sub { client()->post_json('/oauth2/challenge', { purpose => 1 }) },
	400, invalid_body({ location => '/purpose', kind => 'type',
		details => { actual => ['number'], expected => ['string'] } }),
	'a challenge request with a number as purpose is refused');
refused(sub { client()->post_json('/oauth2/challenge', { purpose => 'anonymous_request', 'a/b~' => 1 }) },
	400, invalid_body({ location => '/a~1b~0', kind => 'additionalProperties' }),
	'a challenge request with an unknown member is refused');
for my $case ([ undef, 'null' ], [ JSON::PP::true, 'boolean' ], [ [], 'array' ], [ {}, 'object' ], [ 1, 'number' ])
{
	my ($value, $type) = @$case;

	refused(sub { client()->post_json('/oauth2/challenge', { purpose => $value, other => 1 }) },
		400, invalid_body(
			{ location => '/other', kind => 'additionalProperties' },
			{ location => '/purpose', kind => 'type', details => { actual => [$type], expected => ['string'] } }),
		"a challenge request with a purpose of type $type and an unknown member names both errors");
}
refused(sub { client()->request('POST', '/oauth2/challenge', '{"purpose":"anonymous_request"}', 'content-type' => $_) },
	400, api_error('BadRequest', 400, 'request content type is invalid'),
	"a challenge request of content type $_ is refused") for 'text/plain', 'application/json; charset=latin1', 'application/jsonx';
refused(sub { client()->request('POST', '/oauth2/challenge', '{"purpose":"anonymous_request"}') },
	400, api_error('BadRequest', 400, 'request content type is invalid'),
	'a challenge request without content type is refused');
is(client()->request('POST', '/oauth2/challenge', '{"purpose":"anonymous_request"}',
		'content-type' => 'Application/JSON; charset=UTF-8')->{status},
	200, 'the case and the charset utf-8 of the content type do not matter');
for my $malformed ('{"purpose":', '[]', '', '{"purpose":"a","purpose":"b"}', '"x"', '{"purpose":"\\u0000"}')
{
	my $answer = client()->post_json('/oauth2/challenge', $malformed);

	is($answer->{status}, 400, "malformed JSON is refused: $malformed");
	is($answer->{json}{error}{reason}, 'InvalidJSON', "malformed JSON is reported as InvalidJSON: $malformed");
	like($answer->{json}{error}{info}{byte_offset}, qr/^\d+$/, "the error has a byte offset: $malformed");
}

# ---------------------------------------------------------------------------
# The token endpoint: device keys, in the format of the React Native SDK
# ---------------------------------------------------------------------------

my $device = AnonAuth::Device->new(alg => 'RS256');

sub token_request
{
	my (%parameters) = @_;

	return client()->post_form('/oauth2/token',
		grant_type => $anonymous_request, client_id => 'web', %parameters);
}

sub signed
{
	my ($device, %options) = @_;

	return $device->request(
		challenge => client()->post_json('/oauth2/challenge', { purpose => 'anonymous_request' })
		  ->{json}{result}{token},
		%options);
}

my $first = token_request(jwt => signed($device, with_jwk => 1), unknown_parameter => 'ignored');
is($first->{status}, 200, 'a device can sign up');
is_deeply([ sort keys %{ $first->{json} } ],
	[qw(access_token expires_in id_token refresh_token token_type)],
	'the token response has five members');
is($first->{json}{token_type}, 'Bearer', 'token_type is Bearer');
cmp_ok($first->{body}, '=~', qr/"expires_in":1800,/, 'expires_in is a number');
is_deeply($first->{headers}{'cache-control'}, ['no-store'], 'the token response has Cache-Control: no-store');
is_deeply($first->{headers}{pragma}, ['no-cache'], 'the token response has Pragma: no-cache for HTTP/1.0');

my $sub = (jws_parts($first->{json}{access_token}))[1]{sub};
my $again = token_request(jwt => signed($device));
is((jws_parts($again->{json}{access_token}))[1]{sub}, $sub, 'the device logs in to the same user');

my $info = encode_base64url('{"ios":{"uname":{"machine":"iPhone13,1"}}}');
is(token_request(jwt => signed($device), x_device_info => $info)->{status}, 200, 'a request with x_device_info is accepted');
is(query("SELECT count(*) FROM anon_auth.sessions WHERE device_info #>> '{ios,uname,machine}' = 'iPhone13,1'"),
	1, 'x_device_info is stored with the session');

my $used = signed($device);
token_request(jwt => $used);

my $promoted = AnonAuth::Device->new(alg => 'ES256');
query(sprintf q{SELECT FROM anon_auth.promote_anonymous_user('web', username => 'promoted', password => 'correct horse', refresh_token => %s)},
	sql_literal(token_request(jwt => signed($promoted, with_jwk => 1))->{json}{refresh_token}));

my @refused_tokens = (
	[ 'no grant type', { client_id => 'web' }, 'invalid_request', 'grant_type is required' ],
	[ 'an unknown grant type', { client_id => 'web', grant_type => 'password' },
		'unsupported_grant_type', 'grant type is not supported' ],
	[ 'an unknown client', { client_id => 'x', grant_type => $anonymous_request, jwt => 'x' },
		'invalid_client', 'invalid client ID' ],
	[ 'no client', { grant_type => $anonymous_request, jwt => 'x' }, 'invalid_client', 'client_id is required' ],
	[ 'an m2m client', { client_id => 'machine', grant_type => $anonymous_request, jwt => 'x' },
		'unauthorized_client', 'grant type is not allowed for this client' ],
	[ 'a third-party client', { client_id => 'partner', grant_type => $anonymous_request, jwt => 'x' },
		'unauthorized_client', $unsupported ],
	[ 'no jwt', { client_id => 'web', grant_type => $anonymous_request }, 'invalid_request', 'jwt is required' ],
	[ 'an empty jwt', { client_id => 'web', grant_type => $anonymous_request, jwt => '' },
		'invalid_request', 'jwt is required' ],
	[ 'an invalid jwt', { client_id => 'web', grant_type => $anonymous_request, jwt => 'x' },
		'invalid_grant', 'InvalidCredentials', undef, 'The request is not a compact JWS: the token does not have three dot-separated parts.' ],
	[ 'a used jwt', { client_id => 'web', grant_type => $anonymous_request, jwt => $used },
		'invalid_grant', 'InvalidCredentials', undef, 'The challenge was used before.' ],
	[ 'a jwt with action promote', { client_id => 'web', grant_type => $anonymous_request, jwt => signed($device, action => 'promote') },
		'invalid_grant', 'InvalidCredentials', undef, 'The "action" must be auth.' ],
	[ 'a jwk that is no key', { client_id => 'web', grant_type => $anonymous_request, jwt => signed(AnonAuth::Device->new(alg => 'ES256'), header => { jwk => {} }) },
		'invalid_grant', 'InvalidCredentials', undef, 'The "jwk" of the request is refused: the JWK has no "kty".' ],
	[ 'an unknown device key',
		{ client_id => 'web', grant_type => $anonymous_request, jwt => signed(AnonAuth::Device->new(alg => 'ES256')) },
		'invalid_grant', 'InvalidCredentials', 'unknown_device_key', 'No guest has this "kid", and the request has no "jwk" to register.' ],
	[ 'a removed device key', { client_id => 'web', grant_type => $anonymous_request, jwt => signed($promoted) },
		'invalid_grant', 'InvalidCredentials', 'removed_device_key',
		'The guest of this key was promoted to an account, or the key was removed from the account.' ],
	[ 'x_device_info that is not JSON',
		{ client_id => 'web', grant_type => $anonymous_request, jwt => signed($device), x_device_info => 'eA' },
		'invalid_request', 'invalid x_device_info' ],
	[ 'no refresh token', { client_id => 'web', grant_type => 'refresh_token' },
		'invalid_request', 'refresh token is required' ],
	[ 'an invalid refresh token', { client_id => 'web', grant_type => 'refresh_token', refresh_token => 'a.b' },
		'invalid_grant', 'invalid refresh token' ],
	[ 'a refresh token of another client',
		{ client_id => 'rotating', grant_type => 'refresh_token', refresh_token => $first->{json}{refresh_token} },
		'invalid_grant', 'invalid refresh token' ],
	[ 'no code', { client_id => 'web', grant_type => 'authorization_code' }, 'invalid_request', 'code is required' ],
	[ 'no code verifier', { client_id => 'web', grant_type => 'authorization_code', code => 'x' },
		'invalid_request', 'PKCE code verifier is required' ],
	[ 'an invalid code',
		{ client_id => 'web', grant_type => 'authorization_code', code => 'x', code_verifier => 'v' x 43, redirect_uri => 'https://app.example/' },
		'invalid_grant', 'invalid authorization code' ]);

for my $case (@refused_tokens)
{
	my ($name, $parameters, @error) = @$case;

	refused(sub { client()->post_form('/oauth2/token', %$parameters) }, 400, oauth_error(@error), "a token request with $name is refused");
}

# HTTP Basic authentication with an empty password names a public client (RFC 6749, section 2.3.1).
sub with_basic
{
	my ($credentials, %parameters) = @_;

	return client()->post_form('/oauth2/token', grant_type => 'refresh_token', refresh_token => $first->{json}{refresh_token},
		%parameters, 'Authorization:' => "Basic $credentials");
}
is(with_basic(encode_base64('web:', ''))->{status}, 200, 'a client ID in HTTP Basic authentication is accepted');
is(with_basic(encode_base64('%77eb:', ''), client_id => 'web')->{status}, 200, 'so is one that is percent-encoded, beside the same client_id');
for my $case ([ 'a password', encode_base64('web:secret', '') ], [ 'an unknown client', encode_base64('nobody:', '') ],
	[ 'another client than client_id', encode_base64('rotating:', ''), client_id => 'web' ], [ 'no colon', encode_base64('web', '') ],
	[ 'characters outside Base64', '%%%' ], [ 'nothing', '' ])
{
	my ($name, @arguments) = @$case;
	my $answer = refused(sub { with_basic(@arguments) }, 401, oauth_error('invalid_client', 'client authentication failed'),
		"HTTP Basic authentication with $name is refused");

	is_deeply($answer->{headers}{'www-authenticate'}, ['Basic realm="OAuth"'], "HTTP Basic authentication with $name: WWW-Authenticate names the scheme");
}
refused(sub { client()->post_form('/oauth2/token', client_id => 'web', client_id => 'web') },
	400, oauth_error('invalid_request', 'client_id is given more than once'), 'a token request with a repeated parameter is refused');
refused(sub { client()->request('POST', '/oauth2/token', $_, 'content-type' => 'application/x-www-form-urlencoded') },
	400, oauth_error('invalid_request', 'malformed parameters'), "a token request with the malformed form $_ is refused")
  for 'a=%', 'a=%4', 'a=%zz', 'a=%00', 'a=%ff', 'a=%ed%a0%80', join '&', ('a=1') x 101;
# ID tokens

for my $case ([ 'no scope', undef, 1 ], [ 'openid among others', 'offline_access openid', 1 ], [ 'other scopes', 'offline_access', '' ],
	[ 'a scope that begins with openid', 'openid2', '' ])
{
	my ($name, $scope, $has_id_token) = @$case;
	my $tokens = client()->post_form('/oauth2/token', grant_type => 'refresh_token', client_id => 'web',
		refresh_token => sign_up()->{refresh_token}, defined $scope ? (scope => $scope) : ())->{json};

	is(exists $tokens->{id_token}, $has_id_token, "a token request with $name: whether there is an ID token");
	ok($tokens->{access_token}, "a token request with $name gets an access token");
}

refused(sub { client()->post_json($_, { grant_type => 'refresh_token' }) },
	400, oauth_error('invalid_request', 'content type must be application/x-www-form-urlencoded'), "$_ names the content type that it expects")
  for '/oauth2/token', '/oauth2/revoke', '/oauth2/end_session';

settings(anonymous_users_enabled => 'false');
refused(sub { token_request(jwt => signed($device)) },
	400, oauth_error('unauthorized_client', 'AnonymousUserDisallowed'), 'a token request of a guest is refused when anonymous users are disabled');
refused(sub { client()->post_json('/api/anonymous_user/signup', { session_type => $_, client_id => 'web' }) },
	400, api_error('Invalid', 400, 'anonymous user disallowed'), "a sign-up with $_ is refused when anonymous users are disabled")
  for qw(refresh_token cookie);
settings(anonymous_users_enabled => 'true', public_sign_up_enabled => 'false');
refused(sub { client()->post_json('/api/anonymous_user/signup', { session_type => $_, client_id => 'web' }) },
	403, api_error('Forbidden', 403, 'public signup is disabled', 'NoPublicSignup'),
	"a sign-up with $_ is refused when public sign-up is disabled") for qw(refresh_token cookie);
settings(public_sign_up_enabled => 'true');

# ---------------------------------------------------------------------------
# Guests without a key: refresh tokens
# ---------------------------------------------------------------------------

my $guest = sign_up();
is_deeply([ sort keys %$guest ], [qw(access_token expires_in refresh_token token_type)],
	'a sign-up without a device key returns tokens, but no ID token');

my $resumed = client()->post_json('/api/anonymous_user/signup',
	{ session_type => 'refresh_token', client_id => 'web', refresh_token => $guest->{refresh_token} },
	bearer($guest->{access_token}))->{json}{result};
is_deeply([ sort keys %$resumed ], [qw(access_token expires_in token_type)],
	"a sign-up with the guest's refresh token returns an access token, but no refresh token");
is((jws_parts($resumed->{access_token}))[1]{sub}, (jws_parts($guest->{access_token}))[1]{sub}, "a sign-up with the guest's refresh token returns the same user");

my $refreshed = refresh($guest->{refresh_token});
is_deeply([ sort keys %{ $refreshed->{json} } ], [qw(access_token expires_in id_token token_type)],
	'a refresh without rotation returns no refresh token');

my $rotating = sign_up(undef, 'rotating');
my $rotated = refresh($rotating->{refresh_token}, 'rotating')->{json};
isnt($rotated->{refresh_token}, undef, 'a refresh with rotation returns a new refresh token');
refresh($rotated->{refresh_token}, 'rotating');
query("UPDATE anon_auth.sessions SET rotated_at = rotated_at - interval '1 hour' WHERE generation > 0");
$body_is->(refresh($rotating->{refresh_token}, 'rotating'),
	400, oauth_error('invalid_grant', 'invalid refresh token'), 'a replaced refresh token is refused after the grace period');
is(query("SELECT count(*) FROM anon_auth.events WHERE type = 'refresh_token.reused'"), 1,
	'the use of a replaced refresh token writes an event, although the call is refused');

refused(sub { client()->post_json('/api/anonymous_user/signup', $_->[1]) }, 400, $_->[2], "a sign-up with $_->[0] is refused")
  for [ 'an unknown client', { session_type => 'refresh_token', client_id => 'x' }, api_error('Invalid', 400, 'invalid client ID') ],
  [ 'an unknown client, with a cookie', { session_type => 'cookie', client_id => 'x' }, api_error('Invalid', 400, 'invalid client ID') ],
  [ 'a third-party client', { session_type => 'refresh_token', client_id => 'partner' }, api_error('Invalid', 400, $unsupported) ],
  [ 'an invalid refresh token', { session_type => 'refresh_token', client_id => 'web', refresh_token => 'x' },
	api_error('Invalid', 400, 'invalid refresh token') ],
  [ 'an unknown session type', { session_type => 'token', client_id => 'web' },
	invalid_body({ location => '/session_type', kind => 'enum', details => { actual => 'token', expected => [qw(cookie refresh_token)] } }) ],
  [ 'no client', { session_type => 'refresh_token' },
	invalid_body({ location => '', kind => 'required',
		details => { actual => ['session_type'], expected => [qw(session_type client_id)], missing => ['client_id'] } }) ];

# ---------------------------------------------------------------------------
# userinfo, revoke, resolve
# ---------------------------------------------------------------------------

my $userinfo = client()->get('/oauth2/userinfo', bearer($guest->{access_token}));
is($userinfo->{status}, 200, 'userinfo accepts an access token');
is($userinfo->{json}{'https://authgear.com/claims/user/is_anonymous'}, JSON::PP::true, 'userinfo reports that the guest is anonymous');
is(client()->request('POST', '/oauth2/userinfo', '', authorization => "bearer $guest->{access_token}")->{status},
	200, 'userinfo accepts POST, and "bearer" in lower case');

# A refusal by userinfo. Authgear's SDKs delete their session on invalid_grant, and keep
# it on invalid_token.
sub unauthorized
{
	my ($call, $name, $error, $description) = @_;
	my $answer = refused($call, 401, oauth_error($error // 'invalid_grant', $description // 'invalid session'), $name);

	$error //= 'invalid_grant';
	$description //= 'invalid session';
	is_deeply($answer->{headers}{'www-authenticate'},
		[qq{Bearer error="$error", error_description="$description"}], "$name: WWW-Authenticate has the error");
}

sub invalid_token { unauthorized(@_, 'invalid_token', 'the access token is invalid or has expired'); }

for my $case ([ 'userinfo without a token is refused' ],
	[ 'userinfo with Basic authentication is refused', 'Authorization:' => 'Basic YTpi' ])
{
	my ($name, @headers) = @$case;
	my $answer = refused(sub { client()->get('/oauth2/userinfo', @headers) }, 401, oauth_error('invalid_grant', 'invalid session'), $name);

	is_deeply($answer->{headers}{'www-authenticate'}, ['Bearer'], "$name: the challenge has no error");
}
invalid_token(sub { client()->get('/oauth2/userinfo', bearer('x.y.z')) }, 'userinfo with text instead of a token is refused');
invalid_token(sub { client()->get('/oauth2/userinfo', bearer($first->{json}{id_token})) }, 'userinfo with an ID token is refused');

# A token that no longer verifies while its session is alive.
my $keeper = sign_up();
my $expired = query('SELECT anon_auth.sign_jwt('
	  . sql_literal(JSON::PP->new->encode({ %{ (jws_parts($keeper->{access_token}))[1] }, exp => 1000 })) . ", typ => 'at+jwt')");
invalid_token(sub { client()->get('/oauth2/userinfo', bearer($expired)) }, 'userinfo with an expired access token is refused');
settings(issuer => 'https://next.example');
invalid_token(sub { client()->get('/oauth2/userinfo', bearer($keeper->{access_token})) }, 'userinfo with the token of a former issuer is refused');
settings(issuer => 'https://auth.example', signing_key_lead_time => '0 seconds');
my $kid = query('SELECT anon_auth.rotate_signing_key(immediately => true)');
my $by_next_key = (refresh($keeper->{refresh_token}))->{json}{access_token};
query("SELECT anon_auth.rotate_signing_key(immediately => true), anon_auth.retire_signing_key('$kid')");
invalid_token(sub { client()->get('/oauth2/userinfo', bearer($by_next_key)) }, 'userinfo with the token of a retired key is refused');
is(client()->get('/oauth2/userinfo', bearer(refresh($keeper->{refresh_token})->{json}{access_token}))->{status}, 200,
	'a guest whose access token no longer verified gets another one with its refresh token');

my %supported = map { $_ => 1 } @{ $metadata->{claims_supported} };
is_deeply([ grep { !$supported{$_} } sort keys %{ $userinfo->{json} } ], [], 'discovery: claims_supported has the claims of userinfo');
is_deeply([ grep { !$supported{$_} } sort keys %{ (jws_parts($first->{json}{id_token}))[1] } ], [], 'discovery: claims_supported has the claims of an ID token');

# RFC 9068, section 2.2.
my ($at_header, $at_claims) = jws_parts($first->{json}{access_token});
is($at_header->{typ}, 'at+jwt', 'the type of an access token is at+jwt');
ok(defined $at_claims->{$_}, "an access token has the claim $_") for qw(iss exp aud sub client_id iat jti auth_time);
is($at_claims->{client_id}, 'web', 'client_id is that of the request');

# at_hash (OpenID Connect Core, section 3.1.3.6) uses the hash of the ID token's algorithm.
for my $alg (qw(ES256 EdDSA RS256 PS256))
{
	my $new_key = query("SELECT anon_auth.create_signing_key('$alg')");
	my $tokens = refresh($keeper->{refresh_token})->{json};
	my ($header, $claims) = jws_parts($tokens->{id_token});
	my $hash = $alg eq 'EdDSA' ? sha512($tokens->{access_token}) : sha256($tokens->{access_token});

	is($header->{alg}, $alg, "the ID token is signed with $alg");
	is($claims->{at_hash}, encode_base64url(substr($hash, 0, length($hash) / 2)), "at_hash is right ($alg)");
	query("SELECT anon_auth.retire_signing_key('$new_key')");
}

is_deeply(client()->get('/resolve', bearer($guest->{access_token}))->{headers}{"x-authgear-$_->[0]"},
	[ $_->[1] ], "resolve: X-Authgear-$_->[0]")
  for [ 'session-valid', 'true' ], [ 'user-id', (jws_parts($guest->{access_token}))[1]{sub} ],
  [ 'user-anonymous', 'true' ], [ 'user-verified', 'false' ], [ 'user-can-reauthenticate', 'false' ],
  [ 'session-authenticated-at', (jws_parts($guest->{access_token}))[1]{auth_time} ];
sub authgear_headers
{
	my ($answer) = @_;

	return { map { $_ => $answer->{headers}{$_}[0] } grep { /^x-authgear/ } keys %{ $answer->{headers} } };
}
is_deeply(authgear_headers(client()->get('/resolve')), {}, 'resolve without a session sends no X-Authgear header');
is_deeply(authgear_headers(client()->get('/resolve', bearer('x'))), { 'x-authgear-session-valid' => 'false' },
	'resolve with an invalid session sends only X-Authgear-Session-Valid: false');

for my $token ('x', 'a.b.c', $guest->{refresh_token}, $guest->{refresh_token}, '')
{
	my $answer = client()->post_form('/oauth2/revoke', token => $token, token_type_hint => 'x');

	$body_is->($answer, 200, {}, 'revoke answers an empty object for any token and token_type_hint');
}
unauthorized(sub { client()->get('/oauth2/userinfo', bearer($guest->{access_token})) }, 'userinfo after revoke is refused');
is_deeply(authgear_headers(client()->get('/resolve', bearer($guest->{access_token}))),
	{ 'x-authgear-session-valid' => 'false' }, 'resolve after revoke sends only X-Authgear-Session-Valid: false');
$body_is->(refresh($guest->{refresh_token}), 400, oauth_error('invalid_grant', 'invalid refresh token'),
	'a refresh after revoke is refused');

my $other = sign_up();
client()->post_form('/oauth2/revoke', token => $other->{access_token});
unauthorized(sub { client()->get('/oauth2/userinfo', bearer($other->{access_token})) },
	'userinfo is refused after its access token was revoked');

# ---------------------------------------------------------------------------
# Cookie sessions
# ---------------------------------------------------------------------------

my $browser = client();
my $cookie = $browser->post_json('/api/anonymous_user/signup', { session_type => 'cookie', client_id => 'web' });
$body_is->($cookie, 200, { result => {} }, 'a sign-up with session_type cookie has an empty result');
is(scalar @{ $cookie->{headers}{'set-cookie'} }, 1, 'a sign-up with session_type cookie sets one cookie');
like($cookie->{headers}{'set-cookie'}[0],
	qr{^__Host-session=[-\w]+; Path=/; HttpOnly; SameSite=Lax; Secure; Max-Age=31449600$},
	'the session cookie is __Host-, HttpOnly, Secure, SameSite=Lax, host-only and lives as long as the session');

my $cookie_user = $browser->get('/oauth2/userinfo')->{json}{sub};
isnt($cookie_user, undef, 'userinfo accepts the session cookie');
for my $path ('/oauth2/userinfo', '/resolve')
{
	my $headers = $browser->get($path)->{headers};

	is_deeply([ $headers->{'cache-control'}, $headers->{'x-content-type-options'} ], [ ['no-store'], ['nosniff'] ],
		"the answer of $path by a cookie is neither cached nor sniffed");
}
my $once_more = $browser->post_json('/api/anonymous_user/signup', { session_type => 'cookie', client_id => 'web' });
$body_is->($once_more, 200, { result => {} }, 'a sign-up with a session cookie has an empty result');
is($once_more->{headers}{'set-cookie'}, undef, 'a sign-up with a session cookie sets no cookie');
is($browser->get('/oauth2/userinfo')->{json}{sub}, $cookie_user, 'a sign-up with a session cookie keeps the user');
is($browser->get('/resolve')->{headers}{'x-authgear-user-id'}[0], $cookie_user, 'resolve accepts the session cookie');
is($browser->get('/resolve')->{headers}{'x-authgear-user-roles'}, undef, 'resolve sends no header of roles if there are none');
$node->safe_psql('postgres', "SELECT anon_auth.set_roles('$cookie_user', '{editor,beta}')");
is($browser->get('/resolve')->{headers}{'x-authgear-user-roles'}[0], 'beta editor', 'resolve sends the roles that a cookie session has now');
is(client()->post_json('/api/anonymous_user/signup', { session_type => 'cookie' })->{status}, 200,
	'a sign-up with session_type cookie needs no client');

settings(cookie_prefix => 'my_', cookie_domain => 'example.com', session_cookie_persistent => 'false', issuer => 'http://auth.example');
like(client()->post_json('/api/anonymous_user/signup', { session_type => 'cookie' })->{headers}{'set-cookie'}[0],
	qr{^my_session=[-\w]+; Path=/; HttpOnly; SameSite=Lax; Domain=example\.com$},
	'settings determine the prefix, domain and lifetime of the cookie; without https it is not Secure');
settings(cookie_prefix => undef, cookie_domain => 'example.com', issuer => 'https://auth.example');
like(client()->post_json('/api/anonymous_user/signup', { session_type => 'cookie' })->{headers}{'set-cookie'}[0],
	qr{^session=[-\w]+; .*; Secure; Domain=example\.com$}, 'with cookie_domain, the cookie has no prefix by default');
settings(cookie_domain => undef, issuer => 'http://auth.example');
like(client()->post_json('/api/anonymous_user/signup', { session_type => 'cookie' })->{headers}{'set-cookie'}[0],
	qr{^session=}, 'with an http issuer, the cookie has no prefix by default');
settings(cookie_prefix => undef, cookie_domain => undef, session_cookie_persistent => 'true', issuer => 'https://auth.example');

# The application's functions, which PostgREST calls with the cookie

my $own = $browser->sql('anon_auth.uid()');
is($own->{body}, $cookie_user, "with the cookie, uid() in the application's functions is the user");
is($own->{role}, 'authenticated', 'with the cookie, the role is the role of access tokens');
is($browser->sql("current_setting('request.jwt.claims')::json ->> 'sub'")->{body}, $cookie_user,
	'with the cookie, request.jwt.claims contains the claims for policies of other software');
is($browser->sql('anon_auth.is_anonymous()')->{body}, 'true', 'with the cookie, is_anonymous() is true');
is($browser->sql('anon_auth.session_alive()')->{body}, 'true', 'with the cookie, session_alive() is true');
is(client()->sql('anon_auth.uid()')->{role}, 'anon', 'without a cookie, the role is anon');
is(client()->sql('anon_auth.uid()')->{body}, undef, 'without a cookie, uid() is NULL');

my $stranger = client();
$stranger->cookies->{'__Host-session'} = [ $browser->cookies->{'__Host-session'}[0] . 'A', {} ];
is($stranger->sql('anon_auth.uid()')->{sqlstate}, 'PT401', 'a forged cookie is refused');
$stranger->cookies->{'__Host-session'} = [ sign_up()->{refresh_token}, {} ];
is($stranger->sql('anon_auth.uid()')->{sqlstate}, 'PT401', 'a refresh token is refused as a session cookie');
$body_is->(refresh($browser->cookies->{'__Host-session'}[0]), 400, oauth_error('invalid_grant', 'invalid refresh token'),
	'a session cookie is refused as a refresh token');

my %from = (
	'a page of the issuer' => { origin => 'https://auth.example', 'sec-fetch-site' => 'same-origin' },
	'a page of the issuer in a browser without Sec-Fetch-Site' => { origin => 'https://auth.example' },
	'a page of the issuer with Sec-Fetch-Site: none' => { origin => 'https://auth.example', 'sec-fetch-site' => 'none' },
	'a page of a client' => { origin => 'https://app.example', 'sec-fetch-site' => 'same-site' },
	'a program without an origin' => {});
is($browser->sql('anon_auth.uid()', method => 'POST', headers => $from{$_})->{body}, $cookie_user,
	"a POST with the cookie from $_ is accepted") for sort keys %from;
is($browser->sql('anon_auth.uid()', method => 'POST', headers => { origin => $_ })->{sqlstate}, 'PT403',
	"a POST with the cookie from $_ is refused")
  for 'https://evil.example', 'null', 'https://app.example.evil.example', 'https://app.exampl', 'http://app.example',
  'https://partner.example', 'https:', 'http:', 'com.example.app:', 'https://app.example/', 'https://auth.example:443', '';
is($browser->sql('anon_auth.uid()', method => 'POST', headers => { 'sec-fetch-site' => $_ })->{sqlstate}, 'PT403',
	"a POST with the cookie and Sec-Fetch-Site: $_ is refused without an Origin") for qw(same-site none garbage);
{
	local $browser->cookies->{'__Host-session'}[1]{samesite} = 'None';
	is($browser->sql('anon_auth.uid()', method => 'POST', headers => { 'sec-fetch-site' => 'cross-site' })->{role},
		'anon', 'a cross-site POST without the cookie runs as anon');
}

# Which pages may use the session cookie at the endpoints for guests

for my $call ([ '/api/anonymous_user/signup', { session_type => 'cookie', client_id => 'web' } ],
	[ '/api/anonymous_user/promotion_code', { session_type => 'cookie' } ])
{
	my ($path, $body) = @$call;

	for my $name (sort keys %from)
	{
		is($browser->post_json($path, $body, map { ("$_:" => $from{$name}{$_}) } keys %{ $from{$name} })->{status}, 200,
			"$path accepts the cookie from $name");
	}
	for my $headers ({ origin => 'https://evil.example' }, { origin => 'null' }, { 'sec-fetch-site' => 'same-site' },
		{ 'sec-fetch-site' => 'none' }, { origin => 'https://partner.example', 'sec-fetch-site' => 'same-site' })
	{
		refused(sub { $browser->post_json($path, $body, map { ("$_:" => $headers->{$_}) } keys %$headers) },
			403, api_error('Forbidden', 403, 'cross-site request'),
			"$path refuses the cookie from " . join(' ', map { "$_ $headers->{$_}" } sort keys %$headers));
	}
}
is(client()->post_json('/api/anonymous_user/signup', { session_type => 'refresh_token', client_id => 'web' }, 'Origin:' => 'https://evil.example')->{status},
	200, 'a sign-up with a refresh token does not depend on the origin');

# The end of a cookie session

query("UPDATE anon_auth.sessions SET expires_at = now() - interval '1 second' WHERE user_id = '$cookie_user'");
is($browser->sql('anon_auth.uid()')->{sqlstate}, 'PT401', 'an expired cookie session is refused');
unauthorized(sub { $browser->get('/oauth2/userinfo') }, 'userinfo with an expired cookie session is refused');
is_deeply(authgear_headers($browser->get('/resolve')), { 'x-authgear-session-valid' => 'false' },
	'resolve with an expired cookie session sends only X-Authgear-Session-Valid: false');
refused(sub { $browser->post_json('/api/anonymous_user/promotion_code', { session_type => 'cookie' }) },
	401, api_error('Unauthorized', 401, 'authentication required'), 'a promotion code request with an expired cookie session is refused');

my $old_cookie = $browser->cookies->{'__Host-session'}[0];
$browser->post_json('/api/anonymous_user/signup', { session_type => 'cookie', client_id => 'web' });
isnt($browser->cookies->{'__Host-session'}[0], $old_cookie, 'a sign-up with an expired cookie sets a new cookie');
isnt($browser->get('/oauth2/userinfo')->{json}{sub}, $cookie_user, 'a sign-up with an expired cookie creates another guest');
$cookie_user = $browser->get('/oauth2/userinfo')->{json}{sub};

sub expiry { return query("SELECT extract(epoch FROM expires_at)::bigint FROM anon_auth.sessions WHERE user_id = '$cookie_user'"); }

query("UPDATE anon_auth.sessions SET expires_at = now() + interval '1 day' WHERE user_id = '$cookie_user'");
my $before = expiry();
is($browser->sql('anon_auth.uid()')->{body}, $cookie_user, 'a GET with the cookie is accepted');
is(expiry(), $before, 'a GET, which PostgREST runs read-only, does not restart the idle timeout');
$browser->sql('anon_auth.uid()', method => 'POST');
cmp_ok(expiry(), '>', $before + 20 * 86400, 'a POST restarts the idle timeout');
query("UPDATE anon_auth.sessions SET expires_at = now() + interval '1 day' WHERE user_id = '$cookie_user'");
$browser->get('/oauth2/userinfo');
cmp_ok(expiry(), '>', $before + 20 * 86400, 'userinfo restarts the idle timeout');
settings(session_lifetime_seconds => 3600);
query("UPDATE anon_auth.sessions SET expires_at = now() + interval '20 seconds' WHERE user_id = '$cookie_user'");
$browser->get('/oauth2/userinfo');
is(query("SELECT expires_at - created_at BETWEEN '3599.9 s' AND '3600 s' FROM anon_auth.sessions WHERE user_id = '$cookie_user'"),
	't', 'a restart of the idle timeout does not extend the session beyond its lifetime');
settings(session_lifetime_seconds => 31449600);

my $secret = query("SELECT secret_hash FROM anon_auth.sessions WHERE user_id = '$cookie_user'");
query("UPDATE anon_auth.sessions SET secret_hash = sha256('another') WHERE user_id = '$cookie_user'");
is($browser->sql('anon_auth.uid()')->{sqlstate}, 'PT401', "a cookie with another secret than the session's is refused");
query("UPDATE anon_auth.sessions SET secret_hash = '$secret' WHERE user_id = '$cookie_user'");
is($browser->sql('anon_auth.uid()')->{body}, $cookie_user, "a cookie with the session's secret is accepted");
query("UPDATE anon_auth.users SET is_disabled = true WHERE id = '$cookie_user'");
is($browser->sql('anon_auth.uid()')->{sqlstate}, 'PT401', 'the cookie is refused while is_disabled is true');
query("UPDATE anon_auth.users SET is_disabled = false WHERE id = '$cookie_user'");
call($node, 'disable_user', user_id => $cookie_user);
is($browser->sql('anon_auth.uid()')->{sqlstate}, 'PT401', 'the cookie is refused after disable_user()');

# Logout

$browser = client();
$browser->post_json('/api/anonymous_user/signup', { session_type => 'cookie', client_id => 'web' });
my $session = $browser->cookies->{'__Host-session'}[0];
my @own_page = ('Sec-Fetch-Site:' => 'same-origin');
my $out = $browser->get('/oauth2/end_session', post_logout_redirect_uri => 'https://app.example/bye', state => 'a&b', @own_page);
is($out->{status}, 303, 'end_session redirects');
is($out->{location}, 'https://app.example/bye?state=a%26b', 'end_session redirects to a registered URI, with the state');
is_deeply($browser->cookies, {}, 'end_session deletes the cookies');
$browser->cookies->{'__Host-session'} = [ $session, {} ];
is($browser->sql('anon_auth.uid()')->{sqlstate}, 'PT401', 'the cookie is refused after end_session, even if it was kept');
is(query("SELECT count(*) FROM anon_auth.events WHERE type = 'user.signed_out' AND client_id = 'web'") > 0, 1,
	'end_session writes a user.signed_out event');
is(client()->get('/oauth2/end_session', post_logout_redirect_uri => 'https://app.example/bye')->{location},
	'https://app.example/bye', 'end_session without a session redirects, too');

# Pages that a browser fetches before its user opens them

$browser = client();
$browser->post_json('/api/anonymous_user/signup', { session_type => 'cookie', client_id => 'web' });
my @authorize = (client_id => 'web', redirect_uri => 'https://app.example/', response_type => 'code', scope => 'openid',
	code_challenge => 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM', code_challenge_method => 'S256');
for my $purpose ('prefetch', 'prefetch;prerender', 'prefetch;anonymous-client-ip')
{
	for my $target ([ '/oauth2/end_session', @own_page ], [ '/oauth2/authorize', @authorize ], ['/flows/login'], ['/flows/promote_user'])
	{
		my ($path, @rest) = @$target;
		my $rows = contents();
		my $answer = $browser->get($path, @rest, 'Sec-Purpose:' => $purpose);

		is_deeply([ $answer->{status}, @{ $answer->{headers} }{qw(set-cookie cache-control)} ], [ 503, undef, ['no-store'] ],
			"$path is refused with Sec-Purpose: $purpose, and sets no cookie");
		is(contents(), $rows, "$path writes nothing with Sec-Purpose: $purpose");
	}
}
is($browser->get('/oauth2/authorize', @authorize)->{status}, 303, 'authorize redirects without Sec-Purpose');

# ---------------------------------------------------------------------------
# Access tokens whose session has ended, with PostgREST
# ---------------------------------------------------------------------------

my $token_guest = sign_up();
my $claims = (jws_parts($token_guest->{access_token}))[1];
my %with_token = (claims => $claims, headers => { authorization => "Bearer $token_guest->{access_token}" });

client()->post_form('/oauth2/revoke', token => $token_guest->{refresh_token});
settings(check_session_on_request => 'false');
is(client()->sql('1', %with_token)->{body}, '1', 'without check_session_on_request, an access token is accepted until it expires');
settings(check_session_on_request => 'true');
is(client()->sql('1', %with_token)->{sqlstate}, 'PT401', 'with check_session_on_request, an access token is refused after its session has ended');
$with_token{headers}{'x-original-method'} = 'GET';
is(client()->sql('1', %with_token)->{sqlstate}, 'PT401', 'the header X-Original-Method does not bypass check_session_on_request');
my $alive = sign_up();
is(client()->sql('1', claims => (jws_parts($alive->{access_token}))[1], headers => { authorization => "Bearer $alive->{access_token}" })->{body},
	'1', 'with check_session_on_request, an access token of a live session is accepted');
is(client()->sql('1', claims => { role => 'authenticated', sub => 'somebody', iss => 'https://else.example' },
		headers => { authorization => 'Bearer x' })->{sqlstate},
	'PT401', 'tokens of other issuers with a user are refused');
is(client()->sql('1', claims => { role => 'authenticated' }, headers => { authorization => 'Bearer x' })->{body},
	'1', 'with check_session_on_request, tokens without a user are accepted');
settings(check_session_on_request => 'false');

# ---------------------------------------------------------------------------
# Promotion codes
# ---------------------------------------------------------------------------

my $promotable = sign_up();
my $code = client()->post_json('/api/anonymous_user/promotion_code',
	{ session_type => 'refresh_token', refresh_token => $promotable->{refresh_token} });
is_deeply([ sort keys %{ $code->{json}{result} } ], [qw(expire_at promotion_code)], 'a promotion code request returns a code and its expiry');
refused(sub { client()->post_json('/api/anonymous_user/promotion_code', $_->[1]) }, @{ $_->[2] }, "a promotion code request with $_->[0] is refused")
  for [ 'no token', { session_type => 'refresh_token' },
	[ 401, api_error('Unauthorized', 401, 'authentication required') ] ],
  [ 'an invalid token', { session_type => 'refresh_token', refresh_token => 'x' },
	[ 403, api_error('Forbidden', 403, 'invalid refresh token') ] ],
  [ 'no cookie', { session_type => 'cookie' }, [ 401, api_error('Unauthorized', 401, 'authentication required') ] ];

my $promoted = call($node, 'promote_anonymous_user', client_id => 'web', email => 'me@example.com',
	password => 'long enough', refresh_token => $promotable->{refresh_token});
refused(sub { client()->post_json('/api/anonymous_user/promotion_code',
			{ session_type => 'refresh_token', refresh_token => $promoted->{refresh_token} }) },
	400, api_error('Invalid', 400, 'user logged in as normal user'), 'a promotion code request of a regular user is refused');
refused(sub { client()->post_json('/api/anonymous_user/signup',
			{ session_type => 'refresh_token', client_id => 'web', refresh_token => $promoted->{refresh_token} }) },
	400, api_error('Invalid', 400, 'user logged in as normal user'), 'a sign-up with the refresh token of a regular user is refused');

my $disabled = sign_up();
call($node, 'disable_user', user_id => (jws_parts($disabled->{access_token}))[1]{sub});
refused(sub { client()->post_json('/api/anonymous_user/signup',
			{ session_type => 'refresh_token', client_id => 'web', refresh_token => $disabled->{refresh_token} }) },
	400, api_error('Invalid', 400, 'invalid refresh token'), 'a sign-up with the refresh token of a disabled user is refused');
unauthorized(sub { client()->get('/oauth2/userinfo', bearer($disabled->{access_token})) }, 'userinfo of a disabled user is refused');

# ---------------------------------------------------------------------------
# Internal errors, and errors that PostgREST handles
# ---------------------------------------------------------------------------

my $keys = query('SELECT count(*) FROM anon_auth.signing_keys');
query("UPDATE anon_auth.signing_keys SET state = 'retired'");
refused(sub { client()->post_form('/oauth2/token', grant_type => 'refresh_token', client_id => 'web', refresh_token => $alive->{refresh_token}) },
	500, oauth_error('server_error', 'internal server error'), 'a token request without an active signing key is an internal error');
refused(sub { client()->post_json('/api/anonymous_user/signup', { session_type => 'refresh_token', client_id => 'web' }) },
	500, api_error('InternalError', 500, 'unexpected error occurred', 'UnexpectedError'), 'a sign-up without an active signing key is an internal error');
ok($node->log_contains('anon_auth_http answers 500: there is no active signing key'), 'the log contains the reason of the internal error');
query("UPDATE anon_auth.signing_keys SET state = 'active'");

my ($status, $stdout, $stderr) = $node->psql('postgres', q{
	BEGIN READ ONLY;
	SELECT anon_auth_http.anonymous_user_signup('{"session_type": "cookie"}')}, extra_params => [ '-v', 'VERBOSITY=sqlstate' ]);
like($stderr, qr/ERROR:  25006/, 'a write in a read-only transaction raises SQLSTATE 25006, which PostgREST answers with 405');

($status, $stdout, $stderr) = $node->psql('postgres', q{
	SET statement_timeout = '1s';
	BEGIN; UPDATE anon_auth.users SET updated_at = updated_at;
	SELECT pg_sleep(3)}, extra_params => [ '-v', 'VERBOSITY=sqlstate' ]);
like($stderr, qr/57014/, 'a canceled statement raises SQLSTATE 57014 instead of returning an answer');

# Hooks

query(<<'SQL');
CREATE FUNCTION gate(uuid, text, device_info jsonb) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF current_setting('test.gate') = 'fail' THEN PERFORM 1 / 0; END IF;
	RAISE EXCEPTION 'guests are not welcome today';
END $$;
CREATE FUNCTION plan_of(claims jsonb) RETURNS jsonb LANGUAGE sql STABLE AS $$SELECT '{"plan": "gold"}'::jsonb$$;
CREATE ROLE hook_owner;
ALTER FUNCTION gate OWNER TO hook_owner;
ALTER FUNCTION plan_of OWNER TO hook_owner;
ALTER DATABASE postgres SET test.gate = 'refuse';
SQL
settings(before_sign_up => 'public.gate');
for my $session_type (qw(cookie refresh_token))
{
	refused(sub { client()->post_json('/api/anonymous_user/signup', { session_type => $session_type, client_id => 'web' }) },
		403, api_error('Forbidden', 403, 'guests are not welcome today', 'HookDisallowed'), "a sign-up that a hook refuses is answered with its message ($session_type)");
}
refused(sub { client()->post_form('/oauth2/token', grant_type => $anonymous_request, client_id => 'web',
		jwt => AnonAuth::Device->new(alg => 'ES256')->request(challenge => challenge($node), with_jwk => 1)) },
	400, oauth_error('invalid_request', 'guests are not welcome today'), 'a token request that a hook refuses is answered with its message');
query("ALTER DATABASE postgres SET test.gate = 'fail'");
refused(sub { client()->post_json('/api/anonymous_user/signup', { session_type => 'cookie' }) },
	500, api_error('InternalError', 500, 'unexpected error occurred', 'UnexpectedError'), 'a sign-up whose hook fails is an internal error');
ok($node->log_contains('anon_auth_http answers 500: hook public.gate failed: division by zero'), 'the log contains the name of the hook that failed');
query('UPDATE anon_auth.settings SET before_sign_up = NULL');

my $customer = client();
$customer->post_json('/api/anonymous_user/signup', { session_type => 'cookie' });
settings(access_token_claims => 'public.plan_of');
is($customer->sql("current_setting('request.jwt.claims')::json ->> 'plan'")->{body}, 'gold',
	'claims added by a hook are in request.jwt.claims of a cookie session, also for a GET');
query('UPDATE anon_auth.settings SET access_token_claims = NULL');

# PostgREST's configuration

is(query(q{SELECT anon_auth.postgrest_pre_config();
	SELECT 1}), "\n1", 'postgrest_pre_config() runs');
is(query(q{BEGIN; SELECT anon_auth.postgrest_pre_config() \g /dev/null
	SELECT current_setting('pgrst.jwt_secret')::jsonb = anon_auth.jwks(), current_setting('pgrst.jwt_aud', true) IS NULL}),
	't|t', 'postgrest_pre_config() sets the public keys, and leaves the audience to postgrest_pre_request()');
my $told = $node->safe_psql('postgres', q{LISTEN pgrst; SELECT anon_auth.create_signing_key('EdDSA') \g /dev/null
	SELECT 1});
like($told, qr/Asynchronous notification "pgrst" with payload "reload config"/, 'create_signing_key() notifies PostgREST to reload its configuration');

$node->stop;
done_testing();
