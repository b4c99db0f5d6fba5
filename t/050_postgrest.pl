# The example of examples/postgrest, with real nginx and PostgREST: every path,
# what an SDK's requests get there, and what does not get past nginx.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Device qw(call jws_parts refusal sql_literal);
use AnonAuth::Web;
use Digest::SHA qw(sha256);
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
# What clients do
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

# A browser's cookies: name => value; takes over what a response sets.
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

# The attribute of HTML tags, by name.
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

# What a browser without JavaScript would send: action and fields of the page's
# form.
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

# Follows redirects within the site.  Returns the last response, with its path.
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
	'/flows/promote_user' => 'GET POST');

for my $path (sort keys %methods)
{
	my %allowed = map { $_ => 1 } split / /, $methods{$path};
	my %status = map { $_ => $web->request($_, $path)->{status} } qw(GET POST PUT PATCH DELETE OPTIONS);
	my @refused = sort grep { $status{$_} == 405 } keys %status;

	is_deeply(
		\@refused,
		[ sort grep { !$allowed{$_} } qw(GET POST PUT PATCH DELETE) ],
		"$path answers $methods{$path}, and 405 to others");
	is($status{OPTIONS}, 204, "$path answers OPTIONS");
	like($web->request('DELETE', $path)->{headers}{allow},
		qr/^\Q@{[ $methods{$path} =~ s{ .*}{}r ]}\E\b.*\bOPTIONS$/, "its 405 says what it answers ($path)");
	is($web->get("$path/x")->{status}, 404, "$path/x is not there");
}

is($web->get('/resolve')->{status}, 404, '/resolve is for nginx alone');
is($web->post_form('/resolve', {})->{status}, 404, '/resolve is for nginx alone (POST)');
is($web->get('/rpc/jwks')->{status}, 404, "PostgREST's own paths are not there");
is($web->get('/')->{headers}{location}, '/app/', 'the site begins at the application');

{
	my $head = $web->request('HEAD', '/oauth2/jwks');

	is("$head->{status} $head->{headers}{'content-type'} $head->{content}",
		'200 application/json ', 'HEAD is GET without the body');
}

# ---------------------------------------------------------------------------
# Discovery
# ---------------------------------------------------------------------------

for my $path ('/.well-known/openid-configuration', '/.well-known/oauth-authorization-server')
{
	my $response = $web->get($path);
	my $document = $response->{json};

	is($response->{status}, 200, "$path is there");
	is($response->{headers}{'content-type'}, 'application/json', "$path is JSON");
	is_deeply(
		[
			@$document{
				qw(issuer authorization_endpoint token_endpoint userinfo_endpoint revocation_endpoint
				  end_session_endpoint jwks_uri)}
		],
		[ $origin, map { "$origin/oauth2/$_" } qw(authorize token userinfo revoke end_session jwks) ],
		"$path names this site's endpoints");
}
is_deeply($web->get('/oauth2/jwks')->{json}, call($node, 'jwks')->{jwks}, 'jwks has the keys');
is_deeply([ grep { /^content-(?:profile|range)$/ } keys %{ $web->get('/oauth2/jwks')->{headers} } ],
	[], "PostgREST's headers do not show");

# ---------------------------------------------------------------------------
# The web SDK, session type refresh_token (docs/authgear.md, 11.2)
# ---------------------------------------------------------------------------

{
	my $response = $web->post_json('/api/anonymous_user/signup',
		{ client_id => 'notebook', session_type => 'refresh_token' });
	my $guest = $response->{json}{result};

	is($response->{status}, 200, 'a guest signs up');
	is_deeply([ sort keys %$guest ], [qw(access_token expires_in refresh_token token_type)],
		'and gets an access token and a refresh token');
	is($guest->{expires_in}, 1800, 'expires_in is a number of seconds');
	is($response->{headers}{'cache-control'}, 'no-store', 'which nobody may store');

	my $sub = sub_of($guest);
	my $info = userinfo($guest);

	is($info->{status}, 200, 'userinfo answers');
	is($info->{json}{sub}, $sub, 'it is about the guest');
	is($info->{json}{"${claim}is_anonymous"}, JSON::PP::true, 'who is anonymous');
	is($web->request('POST', '/oauth2/userinfo', headers => { bearer($guest) })->{json}{sub},
		$sub, 'userinfo answers POST');

	my $again = $web->post_json(
		'/api/anonymous_user/signup',
		{
			client_id => 'notebook',
			session_type => 'refresh_token',
			refresh_token => $guest->{refresh_token}
		},
		bearer($guest));
	is_deeply([ sort keys %{ $again->{json}{result} } ],
		[qw(access_token expires_in token_type)], 'a second sign-up gets an access token only');
	is(sub_of($again->{json}{result}), $sub, 'and the same guest');

	my $refreshed = token(
		grant_type => 'refresh_token',
		client_id => 'notebook',
		refresh_token => $guest->{refresh_token});
	is($refreshed->{status}, 200, 'the token endpoint refreshes');
	is(sub_of($refreshed->{json}), $sub, 'it is the same guest');
	is("$refreshed->{headers}{'cache-control'} $refreshed->{headers}{pragma}",
		'no-store no-cache', 'nobody may store tokens');

	is($web->post_json('/rest/notes', { body => 'Buy milk' }, bearer($guest))->{status},
		201, 'the guest writes a note');
	is($web->get('/rest/notes', bearer($guest))->{json}[0]{body}, 'Buy milk', 'and reads it');
	is_deeply($web->get('/rest/notes', bearer(sign_up()))->{json}, [], 'another guest does not');
	is($web->get('/rest/notes')->{status}, 401, 'nobody gets none');

	my $code = $web->post_json('/api/anonymous_user/promotion_code',
		{ session_type => 'refresh_token', refresh_token => $guest->{refresh_token} });
	is($code->{status}, 200, 'there is a promotion code');
	like($code->{json}{result}{expire_at}, qr/^\d{4}-\d\d-\d\dT[\d:.]+Z$/, 'it says until when');

	my %jar;
	my $start = $web->get(
		authorize_path(
			login_hint => login_hint(promotion_code => $code->{json}{result}{promotion_code})));
	like("$start->{status} $start->{headers}{location}",
		qr{^30[23] (?:\Q$origin\E)?/flows/promote_user\?}, 'authorize goes to the page');
	unlike($start->{headers}{location}, qr/\Q$code->{json}{result}{promotion_code}\E/,
		'whose address does not show the promotion code');
	keep_cookies(\%jar, $start);

	my $page = visit(\%jar, $start->{headers}{location} =~ s/^\Q$origin\E//r);
	is($page->{status}, 200, 'the page is there');
	like($page->{headers}{'content-type'}, qr{^text/html; *charset=utf-8$}i, 'it is HTML');
	like($page->{headers}{'content-security-policy'}, qr/frame-ancestors 'none'/, 'nobody may frame it');
	unlike($page->{headers}{'content-security-policy'}, qr/unsafe/, 'its policy is strict');
	is($page->{headers}{'cache-control'}, 'no-store', 'nobody may store it');

	my ($action, $fields) = form_of($page);
	my $forged = $web->post_form(
		$page->{path},
		{ %$fields, login_id => 'mallory@example.com', password => $password },
		cookies(\%jar),
		Origin => 'https://evil.example',
		'Sec-Fetch-Site' => 'cross-site');
	is($forged->{status}, 403, 'a page of another site cannot send the form');
	is( $web->post_form($page->{path}, { %$fields, login_id => 'mallory@example.com', password => $password },
			Origin => $origin)->{status},
		400,
		'nor can another browser');

	my $refused = fill_in(\%jar, $page, login_id => 'ada@example.com', password => 'short');
	like($refused->{status}, qr/^(?:200|4\d\d)$/, 'a weak password comes back');
	is(count_of('anon_auth.login_ids'), 0, 'and changes nothing');

	my $done = fill_in(\%jar, $refused, login_id => 'ada@example.com', password => $password);
	my $answer = query_of($done->{headers}{location});
	like("$done->{status} $done->{headers}{location}", qr{^30[23] \Q$app\E\?}, 'promotion leads back');
	is($answer->{state}, 'the state', 'with the state');

	is( $web->post_json('/rest/notes', { body => 'x' }, bearer($guest))->{status},
		401, "the guest's session has ended");

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
		'another verifier is refused');
	my $exchanged = token(%exchange);
	is($exchanged->{status}, 200, 'the code becomes tokens');
	is_deeply([ sort keys %{ $exchanged->{json} } ],
		[qw(access_token expires_in id_token refresh_token token_type)], 'all of them');
	is(token(%exchange)->{json}{error}, 'invalid_grant', 'once');

	my $user = $exchanged->{json};
	is(sub_of($user), $sub, 'the user is the same');
	is(userinfo($user)->{json}{email}, 'ada@example.com', 'with its e-mail address');
	is(userinfo($user)->{json}{"${claim}is_anonymous"}, JSON::PP::false, 'and no guest');
	is($web->get('/rest/notes', bearer($user))->{json}[0]{body}, 'Buy milk', 'its note is there');

	my $normal = $web->post_json(
		'/api/anonymous_user/signup',
		{
			client_id => 'notebook',
			session_type => 'refresh_token',
			refresh_token => $user->{refresh_token}
		});
	is( "$normal->{status} $normal->{json}{error}{name} $normal->{json}{error}{message}",
		'400 Invalid user logged in as normal user',
		'it cannot become a guest');

	my $revoked = $web->post_form('/oauth2/revoke', { token => $user->{refresh_token} });
	is("$revoked->{status} $revoked->{content}", '200 ', 'revoke answers 200 without a body');
	is($web->post_form('/oauth2/revoke', { token => 'nonsense' })->{status}, 200, 'to nonsense, too');
	my $ended = userinfo($user);
	is_deeply(
		[ $ended->{status}, $ended->{json}, $ended->{headers}{'www-authenticate'} ],
		[
			401,
			{ error => 'invalid_grant', error_description => 'invalid session' },
			'Bearer error="invalid_grant", error_description="invalid session"'
		],
		'userinfo knows that the session has ended');
	my $stale = token(
		grant_type => 'refresh_token',
		client_id => 'notebook',
		refresh_token => $user->{refresh_token});
	is("$stale->{status} $stale->{json}{error} $stale->{json}{error_description}",
		'400 invalid_grant invalid refresh token', 'and so does the token endpoint');
	my $stale_sign_up = $web->post_json(
		'/api/anonymous_user/signup',
		{
			client_id => 'notebook',
			session_type => 'refresh_token',
			refresh_token => $user->{refresh_token}
		});
	is("$stale_sign_up->{status} $stale_sign_up->{json}{error}{message}",
		'400 invalid refresh token', 'and sign-up');
}

# ---------------------------------------------------------------------------
# The web SDK, session type cookie (docs/authgear.md, 11.3)
# ---------------------------------------------------------------------------

{
	my %jar;
	my $cookie_app = "$app?session=cookie";
	my $response = $web->post_json('/api/anonymous_user/signup',
		{ client_id => 'notebook-cookie', session_type => 'cookie' }, Origin => $origin);

	is("$response->{status} $response->{content}", '200 {"result":{}}', 'a guest signs up with a cookie');
	keep_cookies(\%jar, $response);
	my ($line) = grep { /^session=/ } set_cookies($response);
	like($line, qr/;\s*$_(?:;|$)/i, "the cookie has $_") for 'HttpOnly', 'Path=/', 'SameSite=Lax', 'Max-Age=\d+';
	unlike($line, qr/;\s*Secure/i, 'no Secure where the site is http');
	ok($jar{same_site_strict}, 'there is a cookie that knows same-site requests');

	my $info = $web->get('/oauth2/userinfo', cookies(\%jar));
	my $sub = $info->{json}{sub};
	is($info->{json}{"${claim}is_anonymous"}, JSON::PP::true, 'userinfo knows the cookie');
	is($web->post_json('/rest/notes', { body => 'Buy tea' }, cookies(\%jar), Origin => $origin)->{status},
		201, 'the cookie writes a note');
	is($web->get('/rest/notes', cookies(\%jar))->{json}[0]{user_id}, $sub, 'and reads it');
	is( $web->post_json('/rest/notes', { body => 'x' }, cookies(\%jar), Origin => 'https://evil.example')
		  ->{status},
		403,
		'but not for a page of another site');

	my $again = $web->post_json(
		'/api/anonymous_user/signup',
		{ client_id => 'notebook-cookie', session_type => 'cookie' },
		cookies(\%jar), Origin => $origin);
	is("$again->{status} $again->{content}", '200 {"result":{}}', 'the guest signs up again');
	is_deeply([ set_cookies($again) ], [], 'and keeps its cookie');

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

	is($done->{headers}{location}, $cookie_app, 'promotion leads back, without a code');
	isnt($jar{session}, $guest_jar{session}, 'with another cookie');
	is($web->get('/oauth2/userinfo', cookies(\%jar))->{json}{sub}, $sub, 'for the same user');
	is($web->get('/rest/notes', cookies(\%jar))->{json}[0]{body}, 'Buy tea', 'its note is there');
	is($web->get('/oauth2/userinfo', cookies(\%guest_jar))->{status}, 401, "the guest's cookie is void");
	is($web->get('/rest/notes', cookies(\%guest_jar))->{status}, 401, 'also for the data');

	my $end = '/oauth2/end_session?'
	  . HTTP::Tiny->new->www_form_urlencode({ post_logout_redirect_uri => $cookie_app });
	my %lax = %jar;
	delete $lax{same_site_strict};
	my $asked = $web->get($end, cookies(\%lax));
	is($asked->{status}, 200, 'logout asks when another site has sent the browser');
	is($web->get('/oauth2/userinfo', cookies(\%jar))->{status}, 200, 'and ends nothing before');
	my $foreign = $web->get(
		'/oauth2/end_session?post_logout_redirect_uri=https%3A%2F%2Fevil.example%2F');
	unlike("$foreign->{status} " . ($foreign->{headers}{location} // ''),
		qr/evil/, 'logout leads to no other site');
	my %old = %jar;
	my $out = $web->get($end, cookies(\%jar));
	keep_cookies(\%jar, $out);
	like("$out->{status} $out->{headers}{location}", qr/^30[23] \Q$cookie_app\E$/, 'logout leads back');
	ok(!exists $jar{session}, 'without the cookie');
	is($web->get('/oauth2/userinfo', cookies(\%old))->{status}, 401, 'the session has ended');
}

settings(q{issuer = 'https://secure.example'});
{
	my @lines = set_cookies(
		$web->post_json('/api/anonymous_user/signup',
			{ client_id => 'notebook-cookie', session_type => 'cookie' }));

	is(scalar(grep { /;\s*Secure(?:;|$)/i } @lines), scalar @lines, 'cookies are Secure where the site is https');
	cmp_ok(scalar @lines, '>=', 2, 'all of them');
}
settings("issuer = '$origin'");

# ---------------------------------------------------------------------------
# React Native (docs/authgear.md, 11.4)
# ---------------------------------------------------------------------------

{
	my $device = AnonAuth::Device->new(alg => 'RS256');

	# Headers and payloads as the SDK's JSON.stringify() orders them.
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
		[qw(expire_at token)], 'with the time when it expires');
	is($challenge->{headers}{'cache-control'}, 'no-store', 'which nobody may store');

	my $unknown = $log_in->($request->('auth'));
	is("$unknown->{status} $unknown->{json}{error}", '400 invalid_grant', 'an unknown device key is refused');

	my $first = $log_in->($request->('auth', 1));
	is($first->{status}, 200, 'a device signs up');
	is_deeply([ sort keys %{ $first->{json} } ],
		[qw(access_token expires_in id_token refresh_token token_type)], 'and gets all tokens');
	my $sub = sub_of($first->{json});
	my $again = $log_in->($request->('auth'));
	is(sub_of($again->{json}), $sub, 'it logs in to the same user');
	isnt($again->{json}{refresh_token}, $first->{json}{refresh_token}, 'with a new session');
	is($web->post_json('/rest/notes', { body => 'Buy rice' }, bearer($again->{json}))->{status},
		201, 'it writes a note');
	my $jwt = $request->('auth');
	$log_in->($jwt);
	is($log_in->($jwt)->{json}{error_description}, 'InvalidCredentials', 'a request is good once');

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
	like($done->{headers}{location}, qr{^\Q$redirect_uri\E\?}, "the page leads to the app");
	my $exchanged = token(
		grant_type => 'authorization_code',
		client_id => 'phone',
		code => $answer->{code},
		redirect_uri => $redirect_uri,
		code_verifier => $verifier);
	is(sub_of($exchanged->{json}), $sub, 'the promoted user is the same');
	is(userinfo($exchanged->{json})->{json}{email}, 'carol@example.com', 'with its e-mail address');
	is($web->get('/rest/notes', bearer($exchanged->{json}))->{json}[0]{body},
		'Buy rice', 'its note is there');
	is($log_in->($request->('auth'))->{json}{error}, 'invalid_grant', 'the device key leads nowhere now');
	isnt(sub_of($log_in->($request->('auth', 1))->{json}), $sub, 'sent again, it makes another guest');
}

# ---------------------------------------------------------------------------
# Signing keys
# ---------------------------------------------------------------------------

{
	my @older = sign_up();

	for my $alg (qw(EdDSA RS256 ES256))
	{
		my $kid = call($node, 'rotate_signing_key', alg => $alg)->{rotate_signing_key};
		my $guest = sign_up();

		is((jws_parts($guest->{access_token}))[0]{kid}, $kid, "a new $alg key signs");
		ok( eval {
				$web->wait_for("PostgREST to know a new $alg key",
					sub { $web->get('/rest/notes', bearer($guest))->{status} == 200 });
				1;
			},
			"PostgREST accepts its tokens, without a restart ($alg)") or diag $@;
		is($web->get('/rest/notes', bearer($_))->{status}, 200, "and those from before ($alg)")
		  for @older;
		push @older, $guest;
	}

	my $last = (jws_parts($older[-1]{access_token}))[0]{kid};
	my $next = call($node, 'rotate_signing_key', alg => 'ES256')->{rotate_signing_key};

	call($node, 'retire_signing_key', kid => $last);
	ok( eval {
			$web->wait_for('PostgREST to forget a retired key',
				sub { $web->get('/rest/notes', bearer($older[-1]))->{status} == 401 });
			1;
		},
		'PostgREST refuses the tokens of a retired key, without a restart') or diag $@;
	is($web->get('/rest/notes', bearer($older[0]))->{status}, 200, 'and no others');
	push @older, sign_up();
	is((jws_parts($older[-1]{access_token}))[0]{kid}, $next, 'the next key signs');

	my ($header, $payload, $signature) = split /\./, $older[-1]{access_token};
	is($web->get('/rest/notes', Authorization => 'Bearer ' . join '.', $header, $payload, 'A' x 86)->{status},
		401, 'PostgREST refuses a signature that is none');
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
	is($web->get('/rest/notes', bearer($guest))->{status}, 200, "a session lives ($checked)");
	call($node, 'revoke_sessions', user_id => sub_of($guest));
	is( $web->get('/rest/notes', bearer($guest))->{status},
		$checked ? 401 : 200,
		$checked
		? 'with check_session_on_request the token of a revoked session is refused'
		: 'without it the token is good until it expires');
	is(userinfo($guest)->{status}, 401, "userinfo refuses it always ($checked)");
}
settings('check_session_on_request = true');

# As many headers as nginx lets through, with the ones that it adds.
sub many_headers { return map { ("h$_" => 1) } 1 .. 993; }

{
	my $guest = sign_up();

	is($web->get('/rest/notes', bearer($guest), many_headers())->{status}, 200, 'a request may have a thousand headers');
	call($node, 'revoke_sessions', user_id => sub_of($guest));
	is($web->get('/rest/notes', bearer($guest), many_headers())->{status}, 401, 'which do not hide that its session has ended');
}

{
	my $guest = sign_up();

	call($node, 'disable_user', user_id => sub_of($guest));
	is($web->get('/rest/notes', bearer($guest))->{status}, 401, 'a disabled user is refused');
}

# ---------------------------------------------------------------------------
# nginx: what others may not, and what they cannot forge
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
			[], "pages of $foreign are told nothing");
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
			"a preflight of an origin we know ($path)");
		like($headers->{'access-control-allow-headers'}, qr/\b$_\b/i, "$_ may be sent ($path)")
		  for qw(Authorization Content-Type);
		like($headers->{'access-control-allow-methods'}, qr/\bPOST\b/, "POST may be sent ($path)");
		is($headers->{vary}, 'Origin', "caches know ($path)");
	}
	for my $response (
		$web->get('/rest/notes', bearer($guest), Origin => $partner),
		$web->get('/oauth2/userinfo', bearer($guest), Origin => $partner),
		$web->get('/oauth2/userinfo', Origin => $partner))
	{
		is($response->{headers}{'access-control-allow-origin'},
			$partner, "an answer for an origin we know ($response->{url} $response->{status})");
	}

	is( $web->get('/oauth2/userinfo', bearer($guest),
			'X-Original-Authorization' => "Bearer $other->{access_token}")->{json}{sub},
		sub_of($guest),
		'X-Original-Authorization of a client counts for nothing');
	is($web->get('/oauth2/userinfo', 'X-Original-Authorization' => "Bearer $other->{access_token}")->{status},
		401, 'also where there is no Authorization');
	is( $web->post_json(
			'/oauth2/challenge',
			{ purpose => 'anonymous_request' },
			'X-Original-Method' => 'GET',
			'X-Original-Content-Type' => 'text/html',
			'X-Original-Query' => 'x=y')->{status},
		200,
		'so do the other X-Original headers');
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

			is($response->{status}, 404, "$path with the profile $profile leads nowhere");
		}
	}
	is(count_of('anon_auth.users'), $guests, 'and makes no guest');
	is($web->get('/rest/users', bearer($guest), 'Accept-Profile' => 'anon_auth')->{status},
		404, "nor does a table of anon_auth's");

	is( $web->get('/private/', bearer($guest))->{json}{user_id}, sub_of($guest),
		'auth_request says who it is');
	is($web->get('/private/', 'X-Authgear-Session-Valid' => 'true', 'X-Authgear-User-Id' => $other_id)->{status},
		401, 'which a client cannot say itself');
	is( $web->get('/private/', bearer($guest), 'X-Authgear-User-Id' => $other_id)->{json}{user_id},
		sub_of($guest),
		'also not beside a session of its own');
	is_deeply(
		$web->post_json('/private/', { x => 'y' }, bearer($guest))->{json},
		{
			user_id => sub_of($guest),
			anonymous => JSON::PP::true,
			verified => JSON::PP::false,
			can_reauthenticate => JSON::PP::false,
			authenticated_at => (jws_parts($guest->{access_token}))[1]{auth_time}
		},
		'auth_request works for a request with a body, and tells all');
	is($web->get('/private/', Authorization => 'Bearer nonsense')->{status}, 401, 'it refuses nonsense');

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
		'unknown parameters are ignored (RFC 6749, 3.2)');
	like(
		$web->get(
			authorize_path(
				unknown => 'parameter',
				select => 'x',
				columns => 'y',
				login_hint => login_hint(promotion_code => $code)))->{headers}{location},
		qr{/flows/promote_user},
		'also by authorize (RFC 6749, 3.1)');
	is($web->get('/oauth2/jwks?select=x&limit=0&unknown=y')->{status}, 200, 'and in other queries');
	is( $web->request(
			'GET',
			'/oauth2/jwks',
			headers => { Prefer => 'tx=rollback', Range => '5-6', Accept => 'text/csv' })->{status},
		200,
		"so are headers that mean something to PostgREST");
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
			'400 ', "authorize does not lead to $bad");
	}
	is($web->get(authorize_path(%trusted, client_id => 'nobody'))->{status},
		400, 'nor anywhere for an unknown client');

	my $response = $web->get(authorize_path(%trusted, code_challenge => undef, state => "<\"'&\r\nX: y>"));
	my $answer = query_of($response->{headers}{location});
	like($response->{headers}{location}, qr{^\Q$app\E\?}, 'other errors go back to the client');
	is("$answer->{error} $answer->{state}", "invalid_request <\"'&\r\nX: y>", 'with the state as it was');
	ok(!exists $response->{headers}{x}, 'which adds no header');
	is(query_of($web->get(authorize_path(login_hint => 'nonsense'))->{headers}{location})->{error},
		'invalid_request', 'so does a login hint that is none');
}

# ---------------------------------------------------------------------------
# Limits, by the address that the proxy tells
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

	is("@statuses", '200 200 429', 'a client that names another address each time is counted as one');
	is($refused->{status}, 429, 'too many guests are told to wait');
	like($refused->{headers}{'retry-after'}, qr/^(?:29|30)$/, 'for how long');
	is($refused->{json}{error}{reason}, 'RateLimited', 'in words that SDKs know');
	is($sign_up->(many_headers())->{status}, 429, 'however many headers come with the request');
	$node->safe_psql('postgres', 'SELECT anon_auth.reset_counters()');
	is($sign_up->()->{status}, 200, 'and let in once the counters are reset');
}
settings('guest_sign_ups_per_minute_per_ip = 60');
$node->safe_psql('postgres', 'SELECT anon_auth.reset_counters()');

# ---------------------------------------------------------------------------
# A function of the application's that calls authenticate(), as in docs/guide.md
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
		'a wrong password is null, whatever the client asks for');
	is(count_of(q{anon_auth.events WHERE type = 'authentication.failed'}) - $before,
		3, '... and PostgREST can be made to undo none of the attempts');
}

# ---------------------------------------------------------------------------
# Clients that have PostgREST roll back what they have tried
# ---------------------------------------------------------------------------

{
	$node->safe_psql('postgres', <<'SQL');
SELECT anon_auth.reset_counters();
UPDATE anon_auth.settings SET password_attempts_per_minute_per_user = 4, password_attempts_per_minute_per_user_per_ip = NULL;
-- A sequence is not rolled back: it counts the passwords that were looked at.
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
	# Three calls by each of these.
	my $evade = sub {
		my ($function, $arguments) = @_;

		for my $evasion (@evasions)
		{
			my ($query, @headers) = @$evasion;

			$web->post_json("$uri/rpc/$function$query", $arguments, @headers) for 1 .. 3;
		}
	};

	$evade->('try', { password => 'a guess' });
	like($node->safe_psql('postgres', 'SELECT last_value FROM looked_at'), qr/^[45]$/, 'however a client has PostgREST roll back, passwords are tried as often as the limit allows');
	$node->safe_psql('postgres', "SELECT anon_auth.request_verification('email', '$account')");
	my $code = $node->safe_psql('postgres', 'SELECT code FROM anon_auth.take_outbox_messages()');
	$evade->('verify', { code => 'not it', access_token => $account });
	is($web->post_json("$uri/rpc/verify", { code => $code, access_token => $account })->{content}, 'false', '... and so are codes');

	# The answer of a login shows its token in an error, and is rolled back.
	$node->safe_psql('postgres', 'SELECT anon_auth.reset_counters(); UPDATE anon_auth.settings SET password_attempts_per_minute_per_user = DEFAULT, password_attempts_per_minute_per_user_per_ip = DEFAULT');
	my $answer = $web->post_json("$uri/rpc/login?select=pgrst_scalar:pgrst_scalar->>access_token::int", { login_id => 'squeezed@example.com', password => 'correct horse' });
	my ($token) = $answer->{content} =~ /(ey[\w.-]+)/;
	ok($token, 'a client can have its tokens shown by an error');
	is($web->post_json("$uri/rpc/verify", { code => $code, access_token => $account }, Authorization => "Bearer $token")->{status}, 401, '... which are worth nothing');
	cmp_ok($node->safe_psql('postgres', 'SELECT rolled_back_logins FROM anon_auth.stats'), '>', 0, '... and are counted');
}

# ---------------------------------------------------------------------------
# @supabase/postgrest-js, with the functions of anon_auth as they are
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
