# Test the PostgREST example of examples/postgrest with real nginx and
# PostgREST.
#
# The test sends the requests that Authgear's SDKs send (docs/authgear.md), to
# every path. It also sends requests that nginx must refuse, forged headers, and
# requests that make PostgREST roll back an attempt.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Device qw(call jws_parts refusal sql_literal);
use AnonAuth::Web;
use Digest::SHA qw(sha256 sha256_hex);
use IPC::Run ();
use JSON::PP ();
use MIME::Base64 qw(encode_base64url);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $reason = AnonAuth::Web->missing;

plan skip_all => $reason if $reason;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->start;

my $partner = 'https://partner.example';
my $web = AnonAuth::Web->new($node, origins => [$partner]);
my $origin = $web->origin;
my $app = "$origin/app/";
my $claim = 'https://authgear.com/claims/user/';
my $anonymous_request = 'urn:authgear:params:oauth:grant-type:anonymous-request';
my $full_access = 'openid offline_access https://authgear.com/scopes/full-access';
my $password = 'correct horse';

call($node, 'create_client',
	client_id => 'phone',
	application_type => 'native',
	redirect_uris => '{com.example.app://host/path}');

# ---------------------------------------------------------------------------
# Clients
# ---------------------------------------------------------------------------

sub settings
{
	$node->safe_psql('postgres', "UPDATE anon_auth.settings SET $_[0]");
	return;
}

sub count_of
{
	my ($from, @values) = @_;

	return $node->safe_psql('postgres',
		sprintf "SELECT count(*) FROM $from", map { sql_literal($_) } @values);
}

sub bearer
{
	return (Authorization => "Bearer $_[0]{access_token}");
}

sub sign_up
{
	my $response = $web->post_json('/api/anonymous_user/signup',
		{ client_id => 'notebook', session_type => 'refresh_token' });

	die "sign-up: $response->{status} $response->{content}" if $response->{status} != 200;
	return $response->{json}{result};
}

sub sub_of
{
	return (jws_parts($_[0]{access_token}))[1]{sub};
}

sub userinfo
{
	return $web->get('/oauth2/userinfo', bearer($_[0]));
}

sub token
{
	return $web->post_form('/oauth2/token', {@_});
}

sub set_cookies
{
	my ($response) = @_;
	my $lines = $response->{headers}{'set-cookie'} // [];

	return ref $lines ? @$lines : ($lines);
}

# A browser's cookies: name => value. Adds the cookies that a response sets.
sub keep_cookies
{
	my ($jar, $response) = @_;

	for my $line (set_cookies($response))
	{
		my ($name, $value) = $line =~ /^([^=]+)=([^;]*)/ or die "no cookie: $line";

		if ($line =~ /;\s*Max-Age=0*(?:;|$)/i || $value eq '')
		{
			delete $jar->{$name};
		}
		else
		{
			$jar->{$name} = $value;
		}
	}
	return;
}

sub cookies
{
	my ($jar) = @_;

	return %$jar ? (Cookie => join '; ', map { "$_=$jar->{$_}" } sort keys %$jar) : ();
}

# Return the attributes of an HTML tag as a hash.
sub attributes
{
	my ($tag) = @_;
	my %attributes = $tag =~ /\s([\w-]+)(?:="([^"]*)")?/g;

	for (grep { defined } values %attributes)
	{
		s/&#(\d+);/chr $1/ge;
		s/&quot;/"/g;
		s/&lt;/</g;
		s/&gt;/>/g;
		s/&amp;/&/g;
	}
	return \%attributes;
}

# Send the page's form as a browser without JavaScript does: with its action and
# fields.
sub form_of
{
	my ($page) = @_;
	my ($tag, $inside) = $page->{content} =~ m{(<form\b[^>]*\bmethod="post"[^>]*>)(.*?)</form>}si
	  or die "no form in $page->{content}";
	my %fields;

	for my $input ($inside =~ /<input\b[^>]*>/gi)
	{
		my $attributes = attributes($input);

		$fields{ $attributes->{name} } = $attributes->{value} // '' if defined $attributes->{name};
	}
	return (attributes($tag)->{action}, \%fields);
}

# Follow redirects within the site. Returns the last response, with its path.
sub visit
{
	my ($jar, $path) = @_;
	my $response;

	for (1 .. 5)
	{
		$response = $web->get($path, cookies($jar), 'Sec-Fetch-Site' => 'same-origin');
		$response->{path} = $path;
		keep_cookies($jar, $response);
		last if $response->{status} !~ /^30[237]$/;
		my $location = $response->{headers}{location};

		last if $location !~ m{^(?:\Q$origin\E)?(/(?!app/).*)$};
		$path = $1;
	}
	return $response;
}

sub fill_in
{
	my ($jar, $page, %fields) = @_;
	my ($action, $form) = form_of($page);
	my $path =
		!defined $action || $action eq '' ? $page->{path}
	  : $action =~ m{^\?} ? ($page->{path} =~ s/\?.*//r) . $action
	  : $action =~ m{^\Q$origin\E(/.*)$} ? $1
	  : $action;
	my $response = $web->post_form($path, { %$form, %fields }, cookies($jar), Origin => $origin);

	$response->{path} = $path;
	keep_cookies($jar, $response);
	return $response;
}

sub query_of
{
	my ($uri) = @_;
	my (undef, $query) = split /\?/, $uri // '', 2;

	return {
		map { s/\+/ /gr =~ s/%([0-9A-Fa-f]{2})/chr hex $1/ger }
		map { (split(/=/, $_, 2), '')[ 0, 1 ] } split /&/,
		$query // '' };
}

my $verifier = 'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk';

sub authorize_path
{
	my (%parameters) = @_;

	%parameters = (
		response_type => 'code',
		client_id => 'notebook',
		redirect_uri => $app,
		scope => $full_access,
		state => 'the state',
		prompt => 'login',
		code_challenge_method => 'S256',
		code_challenge => encode_base64url(sha256($verifier)),
		x_suppress_idp_session_cookie => 'true',
		x_sso_enabled => 'false',
		%parameters);
	delete @parameters{ grep { !defined $parameters{$_} } keys %parameters };
	return '/oauth2/authorize?' . HTTP::Tiny->new->www_form_urlencode(\%parameters);
}

sub login_hint
{
	return 'https://authgear.com/login_hint?' . HTTP::Tiny->new->www_form_urlencode({ type => 'anonymous', @_ });
}

sub promotion_code
{
	my ($guest) = @_;

	return $web->post_json('/api/anonymous_user/promotion_code',
		{ session_type => 'refresh_token', refresh_token => $guest->{refresh_token} })
	  ->{json}{result}{promotion_code};
}

# ---------------------------------------------------------------------------
# Paths and methods
# ---------------------------------------------------------------------------

my %methods = (
	'/.well-known/openid-configuration' => 'GET',
	'/.well-known/oauth-authorization-server' => 'GET',
	'/oauth2/jwks' => 'GET',
	'/oauth2/challenge' => 'POST',
	'/oauth2/token' => 'POST',
	'/oauth2/userinfo' => 'GET POST',
	'/oauth2/revoke' => 'POST',
	'/oauth2/authorize' => 'GET POST',
	'/oauth2/end_session' => 'GET POST',
	'/api/anonymous_user/signup' => 'POST',
	'/api/anonymous_user/promotion_code' => 'POST',
	'/api/anonymous_user/claim' => 'POST',
	'/api/login_code' => 'POST',
	'/api/passkey/request_options' => 'POST',
	'/api/account/list_sessions' => 'POST',
	'/flows/promote_user' => 'GET POST');

for my $path (sort keys %methods)
{
	my %allowed = map { $_ => 1 } split / /, $methods{$path};
	my %status = map { $_ => $web->request($_, $path)->{status} } qw(GET POST PUT PATCH DELETE OPTIONS);
	my @refused = sort grep { $status{$_} == 405 } keys %status;

	is_deeply(
		\@refused,
		[ sort grep { !$allowed{$_} } qw(GET POST PUT PATCH DELETE) ],
		"$path answers $methods{$path}, and answers other methods with 405");
	is($status{OPTIONS}, 204, "$path answers OPTIONS");
	like($web->request('DELETE', $path)->{headers}{allow},
		qr/^\Q@{[ $methods{$path} =~ s{ .*}{}r ]}\E\b.*\bOPTIONS$/, "the 405 of $path lists the allowed methods");
	is($web->get("$path/x")->{status}, 404, "$path/x does not exist");
}

is($web->get('/resolve')->{status}, 404, 'a client cannot GET /resolve, which only nginx may request');
is($web->post_form('/resolve', {})->{status}, 404, 'a client cannot POST to /resolve');
is($web->get('/rpc/jwks')->{status}, 404, "PostgREST's own paths are not reachable");
is($web->get('/')->{headers}{location}, '/app/', 'the root of the site redirects to the application');

{
	my $head = $web->request('HEAD', '/oauth2/jwks');

	is("$head->{status} $head->{headers}{'content-type'} $head->{content}",
		'200 application/json ', 'HEAD returns the headers of GET and no body');
}

# ---------------------------------------------------------------------------
# Codes, ID tokens and claims
# ---------------------------------------------------------------------------

{
	my $key = AnonAuth::Device->new(alg => 'ES256');
	my $nonce = $web->post_json('/oauth2/challenge', { purpose => 'id_token' })->{json}{result}{token};
	my %request = (
		grant_type => 'urn:anon-auth:params:oauth:grant-type:id-token', client_id => 'notebook', nonce => $nonce,
		id_token => $key->sign({ alg => 'ES256', kid => $key->kid },
			{ iss => 'https://idp.example', aud => 'my-app', sub => 'ada', iat => time, exp => time + 300, nonce => sha256_hex($nonce) }));

	call($node, 'create_identity_provider', issuer => 'https://idp.example', audiences => '{my-app}');
	my $unavailable = $web->post_form('/oauth2/token', \%request);
	is("$unavailable->{status} $unavailable->{json}{error}", '503 temporarily_unavailable', "the key of an ID token's provider is not known yet");
	is($unavailable->{headers}{'retry-after'}, 5, 'Retry-After is that of the proxy');
	is($unavailable->{headers}{'cache-control'}, 'no-store', 'which must not be stored');
	call($node, 'set_identity_provider_keys', issuer => 'https://idp.example', jwks => JSON::PP->new->encode({ keys => [ $key->jwk ] }));
	my $account = $web->post_form('/oauth2/token', { %request, prompt => 'create' })->{json};
	ok($account->{refresh_token}, 'once the worker has fetched it, the same token makes an account');

	my %guest = %{ $web->post_json('/api/anonymous_user/signup', { session_type => 'refresh_token', client_id => 'notebook' })->{json}{result} };
	my $claim = $web->post_json('/api/anonymous_user/claim', { client_id => 'notebook', refresh_token => $guest{refresh_token} }, Authorization => "Bearer $account->{access_token}");
	is($claim->{status}, 200, 'the account claims a guest with its access token') or diag($claim->{content});
	is($web->post_json('/api/login_code', { client_id => 'notebook', login_id => 'codes@example.com' })->{status}, 200, 'a code is sent');
	like($web->post_json('/api/login_code', { client_id => 'notebook', login_id => 'codes@example.com' })->{headers}{'retry-after'} // '', qr/^\d+$/, 'for another one, Retry-After says when');

	my $sessions = $web->post_json('/api/account/list_sessions', {}, Authorization => "Bearer $account->{access_token}");
	is_deeply([ map { $_->{is_current} } @{ $sessions->{json}{result} } ], [ JSON::PP::true ], 'the account lists its sessions') or diag($sessions->{content});
	is($web->post_json('/api/account/create_user', {}, Authorization => "Bearer $account->{access_token}")->{json}{error}{reason}, 'NotFound', 'and has no other functions');
	for my $path ('/api/login_code', '/api/passkey/request_options', '/api/anonymous_user/claim', '/api/account/end_session')
	{
		my $preflight = $web->request('OPTIONS', $path, headers => { Origin => $partner, 'Access-Control-Request-Method' => 'POST', 'Access-Control-Request-Headers' => 'authorization,content-type' });

		is("$preflight->{status} $preflight->{headers}{'access-control-allow-origin'}", "204 $partner", "$path answers a preflight request of an allowed origin");
		is($web->post_json($path, {}, Origin => 'https://evil.example')->{headers}{'access-control-allow-origin'}, undef, "$path lets no page of another origin read the response");
	}
}

# ---------------------------------------------------------------------------
# Discovery
# ---------------------------------------------------------------------------

for my $path ('/.well-known/openid-configuration', '/.well-known/oauth-authorization-server')
{
	my $response = $web->get($path);
	my $document = $response->{json};

	is($response->{status}, 200, "$path exists");
	is($response->{headers}{'content-type'}, 'application/json', "$path returns JSON");
	is_deeply(
		[
			@$document{
				qw(issuer authorization_endpoint token_endpoint userinfo_endpoint revocation_endpoint
				  end_session_endpoint jwks_uri)}
		],
		[ $origin, map { "$origin/oauth2/$_" } qw(authorize token userinfo revoke end_session jwks) ],
		"$path lists the endpoints of this site");
}
is_deeply($web->get('/oauth2/jwks')->{json}, call($node, 'jwks')->{jwks},
	'the JWKS endpoint returns the published keys');
is_deeply([ grep { /^content-(?:profile|range)$/ } keys %{ $web->get('/oauth2/jwks')->{headers} } ],
	[], 'responses have no headers of PostgREST');

# ---------------------------------------------------------------------------
# The web SDK, session type refresh_token (docs/authgear.md, 11.2)
# ---------------------------------------------------------------------------

{
	my $response = $web->post_json('/api/anonymous_user/signup',
		{ client_id => 'notebook', session_type => 'refresh_token' });
	my $guest = $response->{json}{result};

	is($response->{status}, 200, 'a guest can sign up');
	is_deeply([ sort keys %$guest ], [qw(access_token expires_in refresh_token token_type)],
		'sign-up returns an access token and a refresh token');
	is($guest->{expires_in}, 1800, 'expires_in is a number of seconds');
	is($response->{headers}{'cache-control'}, 'no-store', 'the response of a sign-up must not be cached');

	my $sub = sub_of($guest);
	my $info = userinfo($guest);

	is($info->{status}, 200, 'userinfo answers');
	is($info->{json}{sub}, $sub, "userinfo returns the guest's sub");
	is($info->{json}{"${claim}is_anonymous"}, JSON::PP::true, 'userinfo says that the user is a guest');
	is($web->request('POST', '/oauth2/userinfo', headers => { bearer($guest) })->{json}{sub},
		$sub, 'userinfo accepts POST');

	my $again = $web->post_json(
		'/api/anonymous_user/signup',
		{
			client_id => 'notebook',
			session_type => 'refresh_token',
			refresh_token => $guest->{refresh_token}
		},
		bearer($guest));
	is_deeply([ sort keys %{ $again->{json}{result} } ],
		[qw(access_token expires_in token_type)], 'a sign-up with a live session returns only an access token');
	is(sub_of($again->{json}{result}), $sub, 'a sign-up with a live session returns the same guest');

	my $refreshed = token(
		grant_type => 'refresh_token',
		client_id => 'notebook',
		refresh_token => $guest->{refresh_token});
	is($refreshed->{status}, 200, 'the token endpoint refreshes a session');
	is(sub_of($refreshed->{json}), $sub, 'a refresh returns the same guest');
	is("$refreshed->{headers}{'cache-control'} $refreshed->{headers}{pragma}",
		'no-store no-cache', 'the response of the token endpoint must not be cached');

	is($web->post_json('/rest/notes', { body => 'Buy milk' }, bearer($guest))->{status},
		201, 'a guest can insert a note');
	is($web->get('/rest/notes', bearer($guest))->{json}[0]{body}, 'Buy milk', 'the guest can read its note');
	is_deeply($web->get('/rest/notes', bearer(sign_up()))->{json}, [], 'another guest cannot read the note');
	is($web->get('/rest/notes')->{status}, 401, 'a request without a token is refused');

	my $code = $web->post_json('/api/anonymous_user/promotion_code',
		{ session_type => 'refresh_token', refresh_token => $guest->{refresh_token} });
	is($code->{status}, 200, 'a guest gets a promotion code');
	like($code->{json}{result}{expire_at}, qr/^\d{4}-\d\d-\d\dT[\d:.]+Z$/,
		'the promotion code comes with its expiry time');

	my %jar;
	my $start = $web->get(
		authorize_path(
			login_hint => login_hint(promotion_code => $code->{json}{result}{promotion_code})));
	like("$start->{status} $start->{headers}{location}",
		qr{^30[23] (?:\Q$origin\E)?/flows/promote_user\?},
			'the authorization endpoint redirects to the promotion page');
	unlike($start->{headers}{location}, qr/\Q$code->{json}{result}{promotion_code}\E/,
		'the address of the page does not contain the promotion code');
	keep_cookies(\%jar, $start);

	my $page = visit(\%jar, $start->{headers}{location} =~ s/^\Q$origin\E//r);
	is($page->{status}, 200, 'the promotion page exists');
	like($page->{headers}{'content-type'}, qr{^text/html; *charset=utf-8$}i, 'the promotion page is HTML');
	like($page->{headers}{'content-security-policy'}, qr/frame-ancestors 'none'/,
		'no site may frame the promotion page');
	unlike($page->{headers}{'content-security-policy'}, qr/unsafe/, 'the policy of the page allows nothing unsafe');
	is($page->{headers}{'cache-control'}, 'no-store', 'the promotion page must not be cached');

	my ($action, $fields) = form_of($page);
	my $forged = $web->post_form(
		$page->{path},
		{ %$fields, login_id => 'mallory@example.com', password => $password },
		cookies(\%jar),
		Origin => 'https://evil.example',
		'Sec-Fetch-Site' => 'cross-site');
	is($forged->{status}, 403, 'a page of another site cannot submit the form');
	is( $web->post_form($page->{path}, { %$fields, login_id => 'mallory@example.com', password => $password },
			Origin => $origin)->{status},
		400,
		'another browser cannot submit the form');

	my $refused = fill_in(\%jar, $page, login_id => 'ada@example.com', password => 'short');
	like($refused->{status}, qr/^(?:200|4\d\d)$/, 'a weak password shows the form again');
	is(count_of('anon_auth.login_ids'), 0, 'a weak password changes nothing');

	my $done = fill_in(\%jar, $refused, login_id => 'ada@example.com', password => $password);
	my $answer = query_of($done->{headers}{location});
	like("$done->{status} $done->{headers}{location}", qr{^30[23] \Q$app\E\?},
		'promotion redirects to the application');
	is($answer->{state}, 'the state', 'the redirect of a promotion returns the state');

	is( $web->post_json('/rest/notes', { body => 'x' }, bearer($guest))->{status},
		401, "promotion ends the guest's session");

	my %exchange = (
		grant_type => 'authorization_code',
		client_id => 'notebook',
		code => $answer->{code},
		redirect_uri => $app,
		code_verifier => $verifier);
	my $wrong = token(%exchange, code_verifier => 'x' x 43);
	is_deeply(
		[ $wrong->{status}, @{ $wrong->{json} }{qw(error error_description)} ],
		[ 400, 'invalid_grant', 'invalid authorization code' ],
		'a code is refused with another PKCE verifier');
	my $exchanged = token(%exchange);
	is($exchanged->{status}, 200, 'the code is exchanged for tokens');
	is_deeply([ sort keys %{ $exchanged->{json} } ],
		[qw(access_token expires_in id_token refresh_token token_type)],
			'the exchange returns an access token, an ID token and a refresh token');

	my $user = $exchanged->{json};
	is(sub_of($user), $sub, 'promotion keeps the user id');
	is(userinfo($user)->{json}{email}, 'ada@example.com', 'userinfo returns the e-mail address of the promoted user');
	is(userinfo($user)->{json}{"${claim}is_anonymous"}, JSON::PP::false,
		'userinfo says that the promoted user is not a guest');
	is($web->get('/rest/notes', bearer($user))->{json}[0]{body}, 'Buy milk',
		"the promoted user can read the guest's note");

	my $normal = $web->post_json(
		'/api/anonymous_user/signup',
		{
			client_id => 'notebook',
			session_type => 'refresh_token',
			refresh_token => $user->{refresh_token}
		});
	is( "$normal->{status} $normal->{json}{error}{name} $normal->{json}{error}{message}",
		'400 Invalid user logged in as normal user',
		'sign-up with the refresh token of an account is refused');

	my $revoked = $web->post_form('/oauth2/revoke', { token => $user->{refresh_token} });
	is("$revoked->{status} $revoked->{content}", '200 {}', 'revocation answers 200 with an empty object');
	is($web->post_form('/oauth2/revoke', { token => 'nonsense' })->{status}, 200,
		'revocation of an unknown token answers 200');
	my $ended = userinfo($user);
	is_deeply(
		[ $ended->{status}, $ended->{json}, $ended->{headers}{'www-authenticate'} ],
		[
			401,
			{ error => 'invalid_grant', error_description => 'invalid session' },
			'Bearer error="invalid_grant", error_description="invalid session"'
		],
		'userinfo refuses the access token of an ended session');
	my $stale = token(
		grant_type => 'refresh_token',
		client_id => 'notebook',
		refresh_token => $user->{refresh_token});
	is("$stale->{status} $stale->{json}{error} $stale->{json}{error_description}",
		'400 invalid_grant invalid refresh token', 'the token endpoint refuses the refresh token of an ended session');
	my $stale_sign_up = $web->post_json(
		'/api/anonymous_user/signup',
		{
			client_id => 'notebook',
			session_type => 'refresh_token',
			refresh_token => $user->{refresh_token}
		});
	is("$stale_sign_up->{status} $stale_sign_up->{json}{error}{message}",
		'400 invalid refresh token', 'sign-up refuses the refresh token of an ended session');
}

# ---------------------------------------------------------------------------
# The web SDK, session type cookie (docs/authgear.md, 11.3)
# ---------------------------------------------------------------------------

{
	my %jar;
	my $cookie_app = "$app?session=cookie";
	my $response = $web->post_json('/api/anonymous_user/signup',
		{ client_id => 'notebook-cookie', session_type => 'cookie' }, Origin => $origin);

	is("$response->{status} $response->{content}", '200 {"result":{}}', 'a guest signs up with a cookie session');
	keep_cookies(\%jar, $response);
	my ($line) = grep { /^session=/ } set_cookies($response);
	like($line, qr/;\s*$_(?:;|$)/i,
		"the session cookie has $_") for 'HttpOnly', 'Path=/', 'SameSite=Lax', 'Max-Age=\d+';
	unlike($line, qr/;\s*Secure/i, 'the cookie is not Secure where the site uses http');

	my $info = $web->get('/oauth2/userinfo', cookies(\%jar));
	my $sub = $info->{json}{sub};
	is($info->{json}{"${claim}is_anonymous"}, JSON::PP::true, 'userinfo accepts the session cookie');
	is($web->post_json('/rest/notes', { body => 'Buy tea' }, cookies(\%jar), Origin => $origin)->{status},
		201, 'a request with the session cookie can insert a note');
	is($web->get('/rest/notes', cookies(\%jar))->{json}[0]{user_id}, $sub,
		'a request with the session cookie can read the note');
	is( $web->post_json('/rest/notes', { body => 'x' }, cookies(\%jar), Origin => 'https://evil.example')
		  ->{status},
		403,
		'a page of another site cannot use the session cookie');

	my $again = $web->post_json(
		'/api/anonymous_user/signup',
		{ client_id => 'notebook-cookie', session_type => 'cookie' },
		cookies(\%jar), Origin => $origin);
	is("$again->{status} $again->{content}", '200 {"result":{}}', 'a second sign-up with the session cookie succeeds');
	is_deeply([ set_cookies($again) ], [], 'a second sign-up keeps the session cookie');

	my $code = $web->post_json(
		'/api/anonymous_user/promotion_code',
		{ session_type => 'cookie' },
		cookies(\%jar), Origin => $origin)->{json}{result}{promotion_code};
	my $page = visit(
		\%jar,
		authorize_path(
			client_id => 'notebook-cookie',
			response_type => 'none',
			redirect_uri => $cookie_app,
			scope => 'openid https://authgear.com/scopes/full-access',
			state => undef,
			code_challenge => undef,
			code_challenge_method => undef,
			x_suppress_idp_session_cookie => undef,
			x_sso_enabled => 'true',
			login_hint => login_hint(promotion_code => $code)));
	my %guest_jar = %jar;
	my $done = fill_in(\%jar, $page, login_id => 'bob@example.com', password => $password);

	like($done->{headers}{location}, qr{^\Q$cookie_app\E&iss=[^&]+$}, 'promotion of a cookie session redirects without a code');
	isnt($jar{session}, $guest_jar{session}, 'promotion replaces the session cookie');
	is($web->get('/oauth2/userinfo', cookies(\%jar))->{json}{sub}, $sub, 'the new cookie belongs to the same user');
	is($web->get('/rest/notes', cookies(\%jar))->{json}[0]{body}, 'Buy tea',
		"the promoted user of the cookie can read the guest's note");
	is($web->get('/oauth2/userinfo', cookies(\%guest_jar))->{status}, 401,
		"userinfo refuses the guest's former cookie");
	is($web->get('/rest/notes', cookies(\%guest_jar))->{status}, 401, "a table refuses the guest's former cookie");

	my $end = '/oauth2/end_session?'
	  . HTTP::Tiny->new->www_form_urlencode({ post_logout_redirect_uri => $cookie_app });
	my $asked = $web->get($end, cookies(\%jar), 'Sec-Fetch-Site' => 'cross-site');
	is($asked->{status}, 200, 'logout asks for confirmation when another site sent the browser');
	is_deeply([ set_cookies($asked) ], [], 'logout removes no cookie before the confirmation');
	is($web->get('/oauth2/userinfo', cookies(\%jar))->{status}, 200, 'logout ends no session before the confirmation');
	my $foreign = $web->get(
		'/oauth2/end_session?post_logout_redirect_uri=https%3A%2F%2Fevil.example%2F');
	unlike("$foreign->{status} " . ($foreign->{headers}{location} // ''),
		qr/evil/, 'logout does not redirect to a URI that is not registered');
	my %old = %jar;
	my $out = $web->get($end, cookies(\%jar), 'Sec-Fetch-Site' => 'same-origin');
	keep_cookies(\%jar, $out);
	like("$out->{status} $out->{headers}{location}", qr/^30[23] \Q$cookie_app\E$/,
		'logout redirects to the application');
	ok(!exists $jar{session}, 'logout deletes the session cookie');
	is($web->get('/oauth2/userinfo', cookies(\%old))->{status}, 401, 'logout ends the session');
}

settings(q{issuer = 'https://secure.example'});
{
	my @lines = set_cookies(
		$web->post_json('/api/anonymous_user/signup',
			{ client_id => 'notebook-cookie', session_type => 'cookie' }));

	is(scalar @lines, 1, 'the https site sets one cookie');
	like($lines[0], qr/^__Host-session=.*;\s*Secure(?:;|$)/i, 'the cookie is __Host- and Secure where the site uses https');
}
settings("issuer = '$origin'");

# ---------------------------------------------------------------------------
# React Native (docs/authgear.md, 11.4)
# ---------------------------------------------------------------------------

{
	my $device = AnonAuth::Device->new(alg => 'RS256');

	# Headers and payloads in the order in which the SDK's JSON.stringify()
	# writes them.
	my $request = sub {
		my ($action, $with_jwk) = @_;
		my $challenge = $web->request(
			'POST',
			'/oauth2/challenge',
			headers => { 'Content-Type' => 'application/json' },
			content => '{"purpose":"anonymous_request"}');
		my $now = time();
		my $jwk = $device->jwk;
		my $header = sprintf '{"typ":"vnd.authgear.anonymous-request","kid":"%s","alg":"RS256"', $device->kid;

		$header .= sprintf ',"jwk":{"kid":"%s","alg":"RS256","kty":"RSA","n":"%s","e":"%s"}',
		  $device->kid, @$jwk{qw(n e)}
		  if $with_jwk;
		return $device->sign(
			"$header}",
			sprintf '{"iat":%d,"exp":%d,"challenge":"%s","action":"%s"}',
			$now, $now + 60, $challenge->{json}{result}{token}, $action);
	};
	my $log_in = sub {
		return $web->request(
			'POST',
			'/oauth2/token',
			headers => { 'Content-Type' => 'application/x-www-form-urlencoded' },
			content => 'grant_type='
			  . ($anonymous_request =~ s/:/%3A/gr)
			  . "&client_id=phone&jwt=$_[0]");
	};

	my $challenge = $web->post_json('/oauth2/challenge', { purpose => 'anonymous_request' });
	is($challenge->{status}, 200, 'a device gets a challenge');
	is_deeply([ sort keys %{ $challenge->{json}{result} } ],
		[qw(expire_at token)], 'the challenge has an expiry time');
	is($challenge->{headers}{'cache-control'}, 'no-store', 'the challenge must not be cached');

	my $unknown = $log_in->($request->('auth'));
	is("$unknown->{status} $unknown->{json}{error}", '400 invalid_grant',
		'login with an unknown device key is refused');

	my $first = $log_in->($request->('auth', 1));
	is($first->{status}, 200, 'a device can sign up with a key');
	is_deeply([ sort keys %{ $first->{json} } ],
		[qw(access_token expires_in id_token refresh_token token_type)],
			'sign-up with a device key returns all tokens');
	my $sub = sub_of($first->{json});
	my $again = $log_in->($request->('auth'));
	is(sub_of($again->{json}), $sub, 'the device logs in to the same user');
	isnt($again->{json}{refresh_token}, $first->{json}{refresh_token}, 'a login of the device starts a new session');
	is($web->post_json('/rest/notes', { body => 'Buy rice' }, bearer($again->{json}))->{status},
		201, 'the user of the device can insert a note');
	my $jwt = $request->('auth');
	$log_in->($jwt);
	is($log_in->($jwt)->{json}{error_description}, 'InvalidCredentials', 'a device request is accepted once');

	my %jar;
	my $redirect_uri = 'com.example.app://host/path';
	my $page = visit(
		\%jar,
		authorize_path(
			client_id => 'phone',
			redirect_uri => $redirect_uri,
			x_platform => 'ios',
			login_hint => login_hint(jwt => $request->('promote'))));
	my $done = fill_in(\%jar, $page, login_id => 'carol@example.com', password => $password);
	my $answer = query_of($done->{headers}{location});
	like($done->{headers}{location}, qr{^\Q$redirect_uri\E\?}, 'the promotion page redirects to the app');
	my $exchanged = token(
		grant_type => 'authorization_code',
		client_id => 'phone',
		code => $answer->{code},
		redirect_uri => $redirect_uri,
		code_verifier => $verifier);
	is(sub_of($exchanged->{json}), $sub, "promotion of a device's guest keeps the user id");
	is(userinfo($exchanged->{json})->{json}{email}, 'carol@example.com',
		"userinfo returns the e-mail address of the device's promoted user");
	is($web->get('/rest/notes', bearer($exchanged->{json}))->{json}[0]{body},
		'Buy rice', "the promoted user of the device can read the guest's note");
	is($log_in->($request->('auth'))->{json}{error}, 'invalid_grant',
		'the device key cannot log in after the promotion');
	isnt(sub_of($log_in->($request->('auth', 1))->{json}), $sub,
		'a request with the public key signs up another guest');
}

# ---------------------------------------------------------------------------
# Signing keys
# ---------------------------------------------------------------------------

{
	my @older = sign_up();

	for my $alg (qw(EdDSA RS256 ES256))
	{
		my $kid = call($node, 'rotate_signing_key', alg => $alg, immediately => 'true')->{rotate_signing_key};
		my $guest = sign_up();

		is((jws_parts($guest->{access_token}))[0]{kid}, $kid, "a new $alg key signs tokens");
		ok( eval {
				$web->wait_for("PostgREST to know a new $alg key",
					sub { $web->get('/rest/notes', bearer($guest))->{status} == 200 });
				1;
			},
			"PostgREST accepts the tokens of a new key without a restart ($alg)") or diag $@;
		is($web->get('/rest/notes', bearer($_))->{status}, 200, "PostgREST still accepts tokens of earlier keys ($alg)")
		  for @older;
		push @older, $guest;
	}

	my $last = (jws_parts($older[-1]{access_token}))[0]{kid};
	my $next = call($node, 'rotate_signing_key', alg => 'ES256', immediately => 'true')->{rotate_signing_key};

	call($node, 'retire_signing_key', kid => $last);
	ok( eval {
			$web->wait_for('PostgREST to forget a retired key',
				sub { $web->get('/rest/notes', bearer($older[-1]))->{status} == 401 });
			1;
		},
		'PostgREST refuses the tokens of a retired key without a restart') or diag $@;
	is($web->get('/rest/notes', bearer($older[0]))->{status}, 200,
		'PostgREST accepts the tokens of the keys that are not retired');
	push @older, sign_up();
	is((jws_parts($older[-1]{access_token}))[0]{kid}, $next, 'the next key signs new tokens');

	my ($header, $payload, $signature) = split /\./, $older[-1]{access_token};
	is($web->get('/rest/notes', Authorization => 'Bearer ' . join '.', $header, $payload, 'A' x 86)->{status},
		401, 'PostgREST refuses an invalid signature');
	my $other_audience = $node->safe_psql(
		'postgres',
		sprintf q{SELECT anon_auth.sign_jwt(anon_auth.verify_jwt(%s) || '{"aud": "https://other.example"}',
			typ => 'at+jwt')},
		sql_literal($older[-1]{access_token}));
	is($web->get('/rest/notes', Authorization => "Bearer $other_audience")->{status},
		401, 'PostgREST refuses a token for another audience');
}

# ---------------------------------------------------------------------------
# Sessions that have ended
# ---------------------------------------------------------------------------

for my $checked (1, 0)
{
	my $guest = sign_up();

	settings("check_session_on_request = $checked" =~ s/1$/true/r =~ s/0$/false/r);
	is($web->get('/rest/notes', bearer($guest))->{status}, 200, "a live session is accepted ($checked)");
	call($node, 'revoke_sessions', user_id => sub_of($guest));
	is( $web->get('/rest/notes', bearer($guest))->{status},
		$checked ? 401 : 200,
		$checked
		? 'with check_session_on_request the token of a revoked session is refused'
		: 'without check_session_on_request the token of a revoked session is accepted until it expires');
	is(userinfo($guest)->{status}, 401, "userinfo refuses a revoked session ($checked)");
}
settings('check_session_on_request = true');

# As many headers as nginx accepts, including the headers that nginx adds.
sub many_headers { return map { ("h$_" => 1) } 1 .. 993; }

{
	my $guest = sign_up();

	is($web->get('/rest/notes', bearer($guest), many_headers())->{status}, 200, 'a request may have about a thousand headers');
	call($node, 'revoke_sessions', user_id => sub_of($guest));
	is($web->get('/rest/notes', bearer($guest), many_headers())->{status}, 401, 'a thousand headers do not hide that the session has ended');
}

{
	my $guest = sign_up();

	call($node, 'disable_user', user_id => sub_of($guest));
	is($web->get('/rest/notes', bearer($guest))->{status}, 401, 'a disabled user is refused');
}

# ---------------------------------------------------------------------------
# nginx: requests that it refuses, and headers that clients cannot forge
# ---------------------------------------------------------------------------

{
	my $guest = sign_up();
	my $other = sign_up();
	my $other_id = sub_of($other);

	for my $foreign ('https://evil.example', "$partner.evil.example", 'null', "$origin.evil.example")
	{
		my @responses = (
			$web->get('/oauth2/userinfo', bearer($guest), Origin => $foreign),
			$web->get('/rest/notes', bearer($guest), Origin => $foreign),
			$web->get('/oauth2/nothing', Origin => $foreign),
			map {
				$web->request(
					'OPTIONS', $_,
					headers => {
						Origin => $foreign,
						'Access-Control-Request-Method' => 'POST',
						'Access-Control-Request-Headers' => 'authorization'
					})
			} '/oauth2/token',
			'/rest/notes');

		is_deeply([ grep { /^access-control-/ } map { keys %{ $_->{headers} } } @responses ],
			[], "pages of $foreign get no CORS headers");
	}

	for my $path ('/oauth2/token', '/api/anonymous_user/signup', '/oauth2/userinfo', '/rest/notes')
	{
		my $preflight = $web->request(
			'OPTIONS', $path,
			headers => {
				Origin => $partner,
				'Access-Control-Request-Method' => 'POST',
				'Access-Control-Request-Headers' => 'authorization,content-type'
			});
		my $headers = $preflight->{headers};

		is( "$preflight->{status} $headers->{'access-control-allow-origin'} "
			  . $headers->{'access-control-allow-credentials'},
			"204 $partner true",
			"a preflight request of a registered origin is accepted ($path)");
		like($headers->{'access-control-allow-headers'}, qr/\b$_\b/i, "$_ is an allowed header ($path)")
		  for qw(Authorization Content-Type);
		like($headers->{'access-control-allow-methods'}, qr/\bPOST\b/, "POST is an allowed method ($path)");
		is($headers->{vary}, 'Origin', "caches distinguish origins ($path)");
	}
	for my $response (
		$web->get('/rest/notes', bearer($guest), Origin => $partner),
		$web->get('/oauth2/userinfo', bearer($guest), Origin => $partner),
		$web->get('/oauth2/userinfo', Origin => $partner))
	{
		is($response->{headers}{'access-control-allow-origin'},
			$partner, "a registered origin may read the answer ($response->{url} $response->{status})");
	}

	is( $web->get('/oauth2/userinfo', bearer($guest),
			'X-Original-Authorization' => "Bearer $other->{access_token}")->{json}{sub},
		sub_of($guest),
		'the header X-Original-Authorization of a client is ignored');
	is($web->get('/oauth2/userinfo', 'X-Original-Authorization' => "Bearer $other->{access_token}")->{status},
		401, 'X-Original-Authorization is ignored without an Authorization header');
	is( $web->post_json(
			'/oauth2/challenge',
			{ purpose => 'anonymous_request' },
			'X-Original-Method' => 'GET',
			'X-Original-Content-Type' => 'text/html',
			'X-Original-Query' => 'x=y')->{status},
		200,
		'the other X-Original headers of a client are ignored');
	my $guests = count_of('anon_auth.users');
	for my $path ('/rest/rpc/anonymous_user_signup', '/rest/rpc/token', '/rest/rpc/resolve')
	{
		for my $profile ('anon_auth_http', 'anon_auth', 'api')
		{
			my $response = $web->request(
				'POST', $path,
				headers => {
					'Content-Type' => 'text/plain',
					'Content-Profile' => $profile,
					'Accept-Profile' => $profile,
					'X-Original-Method' => 'POST',
					'X-Original-Content-Type' => 'application/json'
				},
				content => '{"client_id":"notebook","session_type":"refresh_token"}');

			is($response->{status}, 404, "$path with the profile $profile does not exist");
		}
	}
	is(count_of('anon_auth.users'), $guests, 'requests with a profile sign up no guest');
	is($web->get('/rest/users', bearer($guest), 'Accept-Profile' => 'anon_auth')->{status},
		404, "a table of anon_auth's schema is not reachable");

	is( $web->get('/private/', bearer($guest))->{json}{user_id}, sub_of($guest),
		'auth_request passes the verified user to the program behind nginx');
	is($web->get('/private/', 'X-Authgear-Session-Valid' => 'true', 'X-Authgear-User-Id' => $other_id)->{status},
		401, 'a client cannot set the header with the verified user');
	is( $web->get('/private/', bearer($guest), 'X-Authgear-User-Id' => $other_id)->{json}{user_id},
		sub_of($guest),
		'a client with a session cannot set the header with the verified user');
	is_deeply(
		$web->post_json('/private/', { x => 'y' }, bearer($guest))->{json},
		{
			user_id => sub_of($guest),
			anonymous => JSON::PP::true,
			verified => JSON::PP::false,
			can_reauthenticate => JSON::PP::false,
			authenticated_at => (jws_parts($guest->{access_token}))[1]{auth_time}
		},
		'auth_request works for a request with a body, and passes all its headers');
	is($web->get('/private/', Authorization => 'Bearer nonsense')->{status}, 401,
		'auth_request refuses an invalid token');

	is( $web->request(
			'POST', '/api/anonymous_user/signup',
			headers => { 'Content-Type' => 'application/json' },
			content => '{"client_id":"' . 'x' x 1_100_000 . '"}')->{status},
		413,
		'a body of more than a megabyte is refused');
}

{
	my $guest = sign_up();
	my $code = promotion_code($guest);

	is( $web->post_form(
			'/oauth2/token?unknown=query',
			{
				grant_type => 'refresh_token',
				client_id => 'notebook',
				refresh_token => $guest->{refresh_token},
				unknown => 'parameter',
				select => 'x'
			})->{status},
		200,
		'the token endpoint ignores unknown parameters (RFC 6749, 3.2)');
	like(
		$web->get(
			authorize_path(
				unknown => 'parameter',
				select => 'x',
				columns => 'y',
				login_hint => login_hint(promotion_code => $code)))->{headers}{location},
		qr{/flows/promote_user},
		'the authorization endpoint ignores unknown parameters (RFC 6749, 3.1)');
	is($web->get('/oauth2/jwks?select=x&limit=0&unknown=y')->{status}, 200,
		'the JWKS endpoint ignores query parameters');
	is( $web->request(
			'GET',
			'/oauth2/jwks',
			headers => { Prefer => 'tx=rollback', Range => '5-6', Accept => 'text/csv' })->{status},
		200,
		'headers that have a meaning for PostgREST are ignored');
}

# ---------------------------------------------------------------------------
# Redirects
# ---------------------------------------------------------------------------

{
	my %trusted = (login_hint => login_hint(promotion_code => promotion_code(sign_up())));

	for my $bad ('https://evil.example/', "${app}x", "$app?x", "$app#x", '//evil.example/', 'javascript:alert(1)')
	{
		my $response = $web->get(authorize_path(%trusted, redirect_uri => $bad));

		is("$response->{status} " . ($response->{headers}{location} // ''),
			'400 ', "authorize does not redirect to $bad");
	}
	is($web->get(authorize_path(%trusted, client_id => 'nobody'))->{status},
		400, 'authorize does not redirect for an unknown client');

	my $response = $web->get(authorize_path(%trusted, code_challenge => undef, state => "<\"'&\r\nX: y>"));
	my $answer = query_of($response->{headers}{location});
	like($response->{headers}{location}, qr{^\Q$app\E\?}, 'other authorization errors redirect to the client');
	is("$answer->{error} $answer->{state}", "invalid_request <\"'&\r\nX: y>", 'an error returns the state unchanged');
	ok(!exists $response->{headers}{x}, 'the state cannot add a header');
	is(query_of($web->get(authorize_path(login_hint => 'https://authgear.com/login_hint?type=nonsense'))->{headers}{location})->{error},
		'invalid_request', 'an invalid login hint is an error for the client');
}

# ---------------------------------------------------------------------------
# Rate limits by client address, as the proxy reports it
# ---------------------------------------------------------------------------

settings('guest_sign_ups_per_minute_per_ip = 2');
$node->safe_psql('postgres', 'SELECT anon_auth.reset_counters()');
{
	my $sign_up = sub {
		return $web->post_json('/api/anonymous_user/signup',
			{ client_id => 'notebook', session_type => 'refresh_token' }, @_);
	};
	my @statuses = map { $sign_up->('X-Forwarded-For' => "192.0.2.$_")->{status} } 1 .. 3;
	my $refused = $sign_up->();

	is("@statuses", '200 200 429', 'a client that sends different X-Forwarded-For values is counted as one client');
	is($refused->{status}, 429, 'a sign-up over the limit answers 429');
	like($refused->{headers}{'retry-after'}, qr/^(?:[12]\d|30)$/, 'the 429 has a Retry-After header');
	is($refused->{json}{error}{reason}, 'RateLimited', 'the 429 has the reason that SDKs expect');
	is($sign_up->(many_headers())->{status}, 429, 'a sign-up over the limit answers 429 however many headers it has');
	$node->safe_psql('postgres', 'SELECT anon_auth.reset_counters()');
	is($sign_up->()->{status}, 200, 'a sign-up succeeds after the counters are reset');
}
settings('guest_sign_ups_per_minute_per_ip = 60');
$node->safe_psql('postgres', 'SELECT anon_auth.reset_counters()');

# ---------------------------------------------------------------------------
# An application's function that calls authenticate(), as in docs/guide.md
# ---------------------------------------------------------------------------

{
	$node->safe_psql('postgres', <<'SQL');
CREATE FUNCTION api.login(login_id text, password text) RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_agg(t) -> 0 FROM anon_auth.authenticate('notebook', login_id, password) t
$$;
SQL
	my $uri = $web->start_postgrest(PGRST_DB_SCHEMAS => 'api');
	my $before = count_of(q{anon_auth.events WHERE type = 'authentication.failed'});
	my @answers = map {
		$web->post_json("$uri/rpc/login$_", { login_id => 'nobody@example.com', password => 'a guess' },
			Accept => 'application/vnd.pgrst.object+json')
	} ('', '?offset=1', '?pgrst_scalar=not.is.null');

	is(join(' ', map { "$_->{status} $_->{content}" } @answers), join(' ', ('200 null') x 3),
		'a wrong password returns null, whatever query the client adds');
	is(count_of(q{anon_auth.events WHERE type = 'authentication.failed'}) - $before,
		3, 'PostgREST cannot be made to roll back a failed attempt');
}

# ---------------------------------------------------------------------------
# Clients that make PostgREST roll back an attempt
# ---------------------------------------------------------------------------

{
	$node->safe_psql('postgres', <<'SQL');
SELECT anon_auth.reset_counters();
UPDATE anon_auth.settings SET password_attempts_per_minute_per_user = 4, password_attempts_per_minute_per_user_per_ip = NULL;
-- The sequence is not rolled back: it counts the passwords that were compared.
CREATE SEQUENCE looked_at;
CREATE FUNCTION api.try(password text) RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
	answer jsonb := (SELECT to_jsonb(t) FROM anon_auth.authenticate('notebook', 'squeezed@example.com', password) t);
BEGIN
	PERFORM nextval('looked_at');
	RETURN answer;
END $$;
CREATE FUNCTION api.verify(code text, access_token text) RETURNS boolean LANGUAGE sql AS $$
	SELECT anon_auth.verify_login_id(code, 'email', access_token)
$$;
CREATE FUNCTION api.refresh(refresh_token text) RETURNS jsonb LANGUAGE sql AS $$
	SELECT to_jsonb(t) FROM anon_auth.refresh_session('notebook', refresh_token) t
$$;
SQL
	my $uri = $web->start_postgrest(PGRST_DB_SCHEMAS => 'api', PGRST_DB_TX_END => 'commit-allow-override');
	my $guest = $node->safe_psql('postgres', "SELECT refresh_token FROM anon_auth.authenticate_anonymously('notebook')");
	my $account = $node->safe_psql('postgres', "SELECT access_token FROM anon_auth.promote_anonymous_user('notebook', email => 'squeezed\@example.com', password => 'correct horse', refresh_token => '$guest')");
	my @evasions = (
		[ '', Prefer => 'tx=rollback' ],
		['?pgrst_scalar->>0=like.f*%5C'],
		['?select=pgrst_scalar:pgrst_scalar->>access_token::int'],
		['?select=pgrst_scalar::int'],
		['?pgrst_scalar=lt.1'],
		[ '?limit=0', Accept => 'application/vnd.pgrst.object+json' ],
		[ '', Accept => 'text/csv' ]);
	# Three calls with each of these queries.
	my $evade = sub {
		my ($function, $arguments) = @_;

		for my $evasion (@evasions)
		{
			my ($query, @headers) = @$evasion;

			$web->post_json("$uri/rpc/$function$query", $arguments, @headers) for 1 .. 3;
		}
	};

	$evade->('try', { password => 'a guess' });
	like($node->safe_psql('postgres', 'SELECT last_value FROM looked_at'), qr/^[4-9]$/, 'a client that makes PostgREST roll back gets no further attempts at a password');
	$node->safe_psql('postgres', "SELECT anon_auth.request_verification('email', '$account')");
	my $code = $node->safe_psql('postgres', 'SELECT code FROM anon_auth.take_outbox_messages()');
	$evade->('verify', { code => 'not it', access_token => $account });
	is($web->post_json("$uri/rpc/verify", { code => $code, access_token => $account })->{content}, 'false', 'a client that makes PostgREST roll back gets no further attempts at a code');

	# The answer of a login puts its token into an error message, and is rolled
	# back.
	$node->safe_psql('postgres', 'SELECT anon_auth.reset_counters(); UPDATE anon_auth.settings SET password_attempts_per_minute_per_user = DEFAULT, password_attempts_per_minute_per_user_per_ip = DEFAULT');
	my $answer = $web->post_json("$uri/rpc/login?select=pgrst_scalar:pgrst_scalar->>access_token::int", { login_id => 'squeezed@example.com', password => 'correct horse' });
	my ($token) = $answer->{content} =~ /(ey[\w.-]+)/;
	ok($token, 'a client can make an error show its tokens');
	is($web->post_json("$uri/rpc/verify", { code => $code, access_token => $account }, Authorization => "Bearer $token")->{status}, 401, 'the tokens of a login that was rolled back are refused');
	cmp_ok($node->safe_psql('postgres', 'SELECT rolled_back_logins FROM anon_auth.stats'), '>', 0, 'stats counts logins that were rolled back');
}

# ---------------------------------------------------------------------------
# @supabase/postgrest-js calls the functions of anon_auth directly
# ---------------------------------------------------------------------------

SKIP:
{
	my $directory = PostgreSQL::Test::Utils::tempdir('postgrest-js');
	my $missing = AnonAuth::Web->npm_install($directory, '*.json', '*.mjs');

	skip $missing, 1 if $missing;
	my $uri = $web->start_postgrest(PGRST_DB_SCHEMAS => 'api, anon_auth');
	my ($output, $errors) = ('', '');

	IPC::Run::run([ 'node', "$directory/postgrest-js.mjs", $uri ], '<', \undef, '>', \$output, '2>', \$errors)
	  or die "postgrest-js.mjs: $errors";
	for my $result (@{ JSON::PP->new->utf8->decode($output) })
	{
		is_deeply($result->{actual}, $result->{expected}, "postgrest-js: $result->{name}");
	}
}

$web->stop;
done_testing();
