# Test examples/postgrest as a site: the headers that nginx passes on, the format of
# its errors, its limits and timeouts, /private/, and the variant with TLS. The
# logs of all servers must contain no secret.

use strict;
use warnings;

use File::Spec ();
use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Device qw(call jws_parts);
use AnonAuth::Secrets qw(found_in known password secret);
use AnonAuth::StubServer;
use AnonAuth::Web;
use Digest::SHA qw(sha256);
use IO::Select;
use IO::Socket::INET;
use JSON::PP ();
use MIME::Base64 qw(encode_base64 encode_base64url);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes ();

my $reason = AnonAuth::Web->missing;

plan skip_all => $reason if $reason;

# The logs of a server with the settings of SECURITY.md
my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->append_conf('postgresql.conf', <<'CONF');
log_statement = all
log_min_messages = info
log_min_error_statement = info
log_parameter_max_length = 0
CONF
$node->start;

my $partner = 'https://partner.example';
my $web = AnonAuth::Web->new(
	$node,
	origins => [$partner],
	edit => sub {
		my ($directory) = @_;
		my $conf = slurp_file("$directory/nginx/server.conf");

		# The program behind /private/ is a stub.
		$conf =~ s/run\/private\.sock/run\/program.sock/;
		open my $file, '>', "$directory/nginx/server.conf" or die $!;
		print $file $conf;
		close $file;
	});
my $origin = $web->origin;
my $run = $web->directory . '/run';
my $program = AnonAuth::StubServer->new("$run/program.sock");
my $app = "$origin/app/";

$node->safe_psql('postgres', <<'SQL');
CREATE FUNCTION api.seen() RETURNS json LANGUAGE sql STABLE AS
	$$ SELECT current_setting('request.headers')::json $$;
CREATE FUNCTION api.seen_cookies() RETURNS json LANGUAGE sql STABLE AS
	$$ SELECT current_setting('request.cookies')::json $$;
CREATE FUNCTION api.set_cache_control() RETURNS void LANGUAGE plpgsql STABLE AS
	$$ BEGIN PERFORM set_config('response.headers', '[{"Cache-Control":"private, max-age=5"}]', true); END $$;
CREATE FUNCTION api.fail(secret text) RETURNS void LANGUAGE plpgsql STABLE AS
	$$ BEGIN RAISE SQLSTATE 'PT500' USING message = 'failed'; END $$;
NOTIFY pgrst, 'reload schema';
SQL
$web->wait_for('the functions', sub { $web->get('/rest/rpc/seen')->{status} == 200 });

# ---------------------------------------------------------------------------
# Clients
# ---------------------------------------------------------------------------

# Send bytes as they are. Returns a response like that of HTTP::Tiny.
sub send_bytes
{
	my ($bytes) = @_;
	my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $origin =~ /(\d+)$/)
	  or die "cannot connect: $!";
	my $answer = '';

	print $socket $bytes;
	$socket->flush;
	while (sysread $socket, $answer, 65536, length $answer) { }
	my ($status) = $answer =~ m{^HTTP/1\.1 (\d+)} or die "no answer: $answer";
	my ($head, $content) = split /\r\n\r\n/, $answer, 2;
	my %headers = map { /^([^:]+): (.*)$/ ? (lc $1 => $2) : () } split /\r\n/, $head;

	$content =~ s/^[0-9a-f]+\r\n(.*)\r\n0\r\n\r\n$/$1/s if ($headers{'transfer-encoding'} // '') eq 'chunked';
	return {
		status => $status,
		headers => \%headers,
		content => $content,
		json => scalar eval { JSON::PP->new->decode($content) } };
}

sub raw
{
	my ($method, $path, $lines, $body) = @_;

	return send_bytes(join "\r\n", "$method $path HTTP/1.1", 'Host: localhost', 'Connection: close',
		@{ $lines // [] }, defined $body ? 'Content-Length: ' . length $body : (), '', $body // '');
}

sub cookies_set
{
	my ($response) = @_;
	my $lines = $response->{headers}{'set-cookie'} // [];

	return map { /^([^=]+)=([^;]*)/ ? ($1 => $2) : () } ref $lines ? @$lines : $lines;
}

sub cookie_header
{
	my (%cookies) = @_;

	return (Cookie => join '; ', map { "$_=$cookies{$_}" } sort keys %cookies);
}

my $names = 0;

sub sign_up
{
	my $response = $web->post_json('/api/anonymous_user/signup',
		{ client_id => 'notebook', session_type => 'refresh_token' });
	my $tokens = $response->{json}{result} or die "sign-up: $response->{status} $response->{content}";

	$names++;
	secret("$_ $names", $tokens->{$_}) for qw(access_token refresh_token);
	return $tokens;
}

sub sign_up_with_cookie
{
	my $response = $web->post_json('/api/anonymous_user/signup',
		{ client_id => 'notebook-cookie', session_type => 'cookie' }, Origin => $origin);
	my %cookies = cookies_set($response);

	secret('cookie ' . ++$names, $cookies{session} // die "no cookie: $response->{content}");
	return (session => $cookies{session});
}

sub bearer { return (Authorization => "Bearer $_[0]{access_token}"); }

my $verifier = secret('code verifier', encode_base64url(sha256("verifier $$")));

sub authorize_query
{
	my %parameters = (
		response_type => 'code',
		client_id => 'notebook',
		redirect_uri => $app,
		scope => 'openid offline_access https://authgear.com/scopes/full-access',
		state => 'x',
		prompt => 'login',
		code_challenge_method => 'S256',
		code_challenge => encode_base64url(sha256($verifier)),
		x_suppress_idp_session_cookie => 'true',
		@_);

	return HTTP::Tiny->new->www_form_urlencode(\%parameters);
}

sub authorize { return $web->get('/oauth2/authorize?' . authorize_query(@_)); }

sub login_hint
{
	return (login_hint => 'https://authgear.com/login_hint?'
		  . HTTP::Tiny->new->www_form_urlencode({ type => 'anonymous', promotion_code => $_[0] }));
}

sub hidden_fields
{
	my ($page) = @_;
	my %fields;

	for my $input ($page->{content} =~ /<input\b[^>]*type="hidden"[^>]*>/g)
	{
		my ($name) = $input =~ /name="([^"]*)"/;

		($fields{$name}) = $input =~ /value="([^"]*)"/;
	}
	return %fields;
}

my %from_page = (Origin => $origin, 'Sec-Fetch-Site' => 'same-origin', 'Sec-Fetch-Mode' => 'navigate');

# ---------------------------------------------------------------------------
# Bytes that PostgREST cannot read
# ---------------------------------------------------------------------------

{
	my @paths = ('/oauth2/userinfo', '/oauth2/token', '/oauth2/authorize', '/api/anonymous_user/signup', '/rest/notes',
		'/.well-known/openid-configuration');

	for my $path (@paths)
	{
		my $method = $path =~ /token|signup/ ? 'POST' : 'GET';
		my $plain = raw($method, $path)->{status};

		is(raw($method, "$path?x=\xff")->{status}, 400, "a byte in the query that is not UTF-8 is refused ($path)");
		is(raw($method, "$path?x=%fF")->{status}, 400, "such a byte is refused if it is percent-encoded ($path)");
		is(raw($method, $path, ["$_: a\xff"])->{status}, 400, "such a byte is refused in $_ ($path)")
		  for qw(Authorization Content-Type Origin Accept-Language Sec-Fetch-Site DPoP Accept Prefer Range);
		is(raw($method, $path, [ map { "$_: a\xff" } qw(Referer User-Agent Cookie X-Other X-Forwarded-For) ])->{status},
			$plain, "such a byte is ignored in Referer, User-Agent, Cookie and other headers ($path)");
	}
	is(send_bytes("GET /oauth2/jwks HTTP/1.1\r\nHost: a\xff\r\nConnection: close\r\n\r\n")->{status},
		400, 'such a byte is refused in Host');
	is(raw('GET', "/rest/no\xfftes")->{status}, 400, 'such a byte is refused in the path');
	is(raw('GET', '/rest/no%e0%80%80tes')->{status}, 400, 'an overlong form is refused');
	is(raw('GET', '/rest/notes?body=eq.%ed%a0%80')->{status}, 400, 'half of a surrogate pair is refused');
	is(raw('GET', '/rest/notes?body=eq.%00')->{status}, 400, 'NUL is refused');

	my $guest = sign_up();
	my @authorization = ("Authorization: Bearer $guest->{access_token}");

	is(raw('GET', "/rest/notes?body=eq.$_", \@authorization)->{status}, 200, "PostgREST gets $_")
	  for "\xc3\xa9", '%C3%A9', '%e2%82%ac', '%F0%9F%98%80', 'like.100%', '%7E';

	my %cookies = sign_up_with_cookie();

	is(raw('GET', '/oauth2/userinfo', ["Cookie: tossed=\xff; session=$cookies{session}; other=\xfe"])->{status},
		200, 'a cookie that a sibling site sets does not lock the user out');
	is(raw('GET', '/rest/notes', ["Cookie: tossed=\xff; session=$cookies{session}"])->{status},
		200, 'such a cookie does not lock the user out of the data');
	is(raw('GET', '/oauth2/userinfo', ["Cookie: session=$cookies{session}; session=\xff"])->{status},
		200, 'a session cookie that cannot be one is ignored');
}

# ---------------------------------------------------------------------------
# Errors of nginx
# ---------------------------------------------------------------------------

# The form of an error: oauth, api, rest, page or its content.
sub form_of_error
{
	my ($response) = @_;
	my $json = $response->{json};

	return 'page' if ($response->{headers}{'content-type'} // '') =~ m{^text/html} && $response->{content} =~ /<h1>/;
	return $response->{content} if ref $json ne 'HASH' || $response->{headers}{'content-type'} !~ m{^application/json};
	my $names = join ' ', sort keys %$json;

	return 'oauth' if $names eq 'error error_description' && $json->{error} =~ /^[a-z_]+$/;
	return 'rest' if $names eq 'code details hint message';
	return 'api' if $names eq 'error' && join(' ', sort keys %{ $json->{error} }) eq 'code message name reason'
	  && $json->{error}{code} == $response->{status};
	return $response->{content};
}

sub is_error
{
	my ($response, $status, $form, $name) = @_;

	is("$response->{status} " . form_of_error($response), "$status $form", $name) or diag($response->{content});
	return;
}

my %endpoints = (
	'/oauth2/token' => 'oauth',
	'/oauth2/revoke' => 'oauth',
	'/oauth2/userinfo' => 'oauth',
	'/oauth2/jwks' => 'oauth',
	'/oauth2/challenge' => 'api',
	'/api/anonymous_user/signup' => 'api',
	'/api/anonymous_user/promotion_code' => 'api',
	'/api/anonymous_user/claim' => 'api',
	'/api/login_code' => 'api',
	'/api/passkey/creation_options' => 'api',
	'/api/account/end_session' => 'api',
	'/rest/notes' => 'rest',
	'/oauth2/authorize' => 'page',
	'/oauth2/end_session' => 'page',
	'/flows/login' => 'page',
	'/flows/promote_user' => 'page');

is_error(raw('GET', '/oauth2/nothing'), 404, 'oauth', 'an unknown path below /oauth2/ is an error of OAuth 2');
is_error(raw('GET', '/.well-known/other'), 404, 'oauth', 'an unknown well-known path is an error of OAuth 2');
is_error(raw('POST', '/api/nothing'), 404, 'api', 'an unknown path below /api/ is an error of the API');
{
	my $page = raw('GET', '/flows/nothing');
	my ($style) = $page->{content} =~ m{<style>(.*)</style>};

	is_error($page, 404, 'page', 'an unknown page is a page');
	is($page->{headers}{'content-security-policy'},
		"default-src 'none'; style-src 'sha256-" . encode_base64(sha256($style), '') . "'; frame-ancestors 'none'",
		'the policy of the page allows its style, and nothing else');
	my ($colors) = slurp_file("$FindBin::Bin/../src/http/pages/style.css") =~ /:root\{(.*?)--bad/;
	is(index($style, ':root{' . join(';', grep { !/^--(?:field|soft):/ } split /;/, $colors)), 0, 'the page has the colors of the pages of anon_auth');
	unlike($page->{content}, qr/\b(?:src|href|url)\b/, 'the page needs no other file');
}
for my $path (sort keys %endpoints)
{
	my $form = $endpoints{$path};
	my $method = $path =~ /jwks|rest/ ? 'GET' : 'POST';

	is_error(raw('DELETE', $path), 405, $form, "an unknown method gets an error in the format of $path")
	  if $form ne 'rest';
	is_error(raw($method, "$path?x=\xff"), 400, $form, "a malformed request gets an error in the format of $path");
	is_error(raw($method, $path, ['Transfer-Encoding: gzip']), 501, $form,
		"an unknown transfer encoding gets an error in the format of $path");
	is_error(send_bytes("$method $path HTTP/2.0\r\nHost: localhost\r\nConnection: close\r\n\r\n"),
		505, $form, "an unknown version of HTTP gets an error in the format of $path");
	is_error(raw($method, $path, ['Content-Encoding: gzip'], "\x1f\x8b"), 415, $form,
		"a compressed body gets an error in the format of $path");
	is_error(raw($method, $path, [], 'x' x ($form eq 'rest' ? 1_100_000 : 40_000)), 413, $form,
		"a body that is too large gets an error in the format of $path");
	is_error(raw($method, "$path?x=" . 'x' x 20_000), 414, $form,
		"a URI that is too long gets an error in the format of $path");
	is_error(raw($method, $path, [ 'DPoP: ' . 'x' x 20_000 ]), 431, $form,
		"a header that is too large gets an error in the format of $path");
}

for my $path ('/api/nothing', '/oauth2/nothing')
{
	my $preflight = $web->request('OPTIONS', $path,
		headers => { Origin => $partner, 'Access-Control-Request-Method' => 'POST' });

	is("$preflight->{status} " . ($preflight->{headers}{'access-control-allow-origin'} // ''),
		"204 $partner", "a preflight of an unknown path succeeds, so that the page sees its 404 ($path)");
	is($web->post_json($path, {}, Origin => $partner)->{headers}{'access-control-allow-origin'},
		$partner, "a page of a listed origin can read that 404 ($path)");
}
{
	my $allowed = $web->request('OPTIONS', '/oauth2/token', headers => { Origin => $partner })
	  ->{headers}{'access-control-allow-headers'};

	like($allowed, qr/(?:^|, )$_(?:,|$)/i, "a page of another origin may send $_")
	  for qw(DPoP Authorization Content-Type Prefer Range Accept-Profile X-Client-Info apikey If-None-Match);
}
is($web->get('/rest/')->{status}, 404, 'nobody gets a description of the schema');
{
	mkdir $web->directory . '/web/dist';
	open my $file, '>', $web->directory . '/web/dist/file.js' or die $!;
	print $file 'a file';
	close $file;
	is_error($web->get('/app/file.js', Range => 'bytes=100-200'), 416, 'page', 'an impossible range of a file gets an error page');
	is_error($web->get('/app/file.js', 'If-Unmodified-Since' => 'Mon, 01 Jan 2001 00:00:00 GMT'),
		412, 'page', 'a precondition that a file does not meet gets an error page');
}

# ---------------------------------------------------------------------------
# Requests that a browser sends before the user clicks
# ---------------------------------------------------------------------------

for my $path (sort keys %endpoints)
{
	next if $endpoints{$path} eq 'rest';
	for ([ 'Sec-Purpose' => 'prefetch' ], [ 'Sec-Purpose' => 'prefetch;prerender' ],
		[ 'Sec-Purpose' => 'prefetch;anonymous-client-ip' ], [ Purpose => 'prefetch' ], [ 'X-Moz' => 'prefetch' ])
	{
		my $response = $web->get($path, @$_);

		is_error($response, 403, $endpoints{$path}, "$_->[0]: $_->[1] is refused in the format of $path");
		is($response->{headers}{'cache-control'}, 'no-store', "a browser does not store this refusal ($path)");
	}
}
{
	my %cookies = sign_up_with_cookie();
	my $end = sub {
		return $web->get('/oauth2/end_session', cookie_header(%cookies), 'Sec-Fetch-Site' => 'same-origin',
			'Sec-Fetch-Mode' => 'navigate', Accept => 'text/html', @_);
	};

	$end->('Sec-Purpose' => 'prefetch;prerender');
	is($web->get('/oauth2/userinfo', cookie_header(%cookies))->{status}, 200, 'a link that is prerendered does not end the session');
	is($web->get('/rest/notes', cookie_header(%cookies), 'Sec-Purpose' => 'prefetch')->{status}, 200, 'data can be prefetched');
	$end->();
	is($web->get('/oauth2/userinfo', cookie_header(%cookies))->{status}, 401, 'the click ends the session');
}

# ---------------------------------------------------------------------------
# Types of a body that PostgREST cannot read safely
# ---------------------------------------------------------------------------

{
	my @bearer = bearer(sign_up());

	for my $type ('text/csv', 'Text/CSV; header=present', 'application/x-www-form-urlencoded', 'application/x-www-form-urlencoded;charset=utf-8')
	{
		for my $method ('POST', 'PATCH', 'PUT')
		{
			is_error($web->request($method, '/rest/notes', content => "body\n\xff", headers => { @bearer, 'Content-Type' => $type }),
				415, 'rest', "$method with $type is refused");
		}
	}
	is_error($web->request('POST', '/rest/rpc/fail', content => 'secret=%ff', headers => { @bearer, 'Content-Type' => 'application/x-www-form-urlencoded' }),
		415, 'rest', 'a call with a form is refused');
	is($web->get('/rest/notes', @bearer, 'Content-Type' => 'application/x-www-form-urlencoded')->{status}, 200,
		'a request without a body can have any type');
	for my $type ('application/json', 'application/vnd.pgrst.object+json', 'text/plain', 'text/xml', 'application/octet-stream',
		'multipart/form-data; boundary=x', 'text/csvx')
	{
		my $response = $web->request('POST', '/rest/notes', content => "{\"body\":\"\xff\"}", headers => { @bearer, 'Content-Type' => $type });

		like("$response->{status} $response->{headers}{'content-type'}", qr{^4\d\d application/json},
			"PostgREST answers $type that is not UTF-8 with its own error");
	}
	is($web->post_json('/rest/notes', { body => 'a' }, @bearer)->{status}, 201, 'JSON is accepted');
}

# ---------------------------------------------------------------------------
# Long requests
# ---------------------------------------------------------------------------

for my $length (2_600, 4_000)
{
	my $state = 's' x $length;
	my $start = authorize(state => $state);

	is($start->{status}, 303, "a state of $length bytes starts a login");
	my $page = $web->get($start->{headers}{location}, cookie_header(cookies_set($start)));

	is($page->{status}, 200, "the login page exists with a state of $length bytes");
	my $error = authorize(state => $state, prompt => 'none');

	like("$error->{status} " . ($error->{headers}{location} // ''), qr/^303 .*state=s{$length}/,
		"an error is redirected with a state of $length bytes");
}
like(authorize(state => 's' x 14_000)->{headers}{location}, qr/\berror=invalid_request\b/,
	'a longer state is an error for the client');
is(authorize(ui_locales => join ' ', map { "x-$_" } 1 .. 600)->{status}, 303, 'ui_locales may be long');
is($web->post_form('/oauth2/authorize', { map { split /=/, $_, 2 } 'client_id=notebook', 'state=' . 's"' x 15_000 },
	%from_page)->{status} < 500, 1, 'the longest form that is accepted gets no 502');

# ---------------------------------------------------------------------------
# The application's data
# ---------------------------------------------------------------------------

my %cookies = sign_up_with_cookie();
my $guest = sign_up();
{
	my $by_cookie = $web->get('/rest/notes', cookie_header(%cookies));
	my $by_token = $web->get('/rest/notes', bearer($guest));

	for my $response ($by_cookie, $by_token, $web->get('/rest/notes', cookie_header(session => 'x')))
	{
		is($response->{headers}{'cache-control'}, 'no-store', "a user's data must not be stored ($response->{status})");
	}
	for my $response ($by_cookie, $web->get('/rest/rpc/seen'))
	{
		my $vary = $response->{headers}{vary};

		$vary = join ', ', @$vary if ref $vary;
		like($vary // '', qr/(?:^|, )$_(?:,|$)/, "caches distinguish requests by $_") for qw(Cookie Authorization Origin);
		is($response->{headers}{'x-content-type-options'}, 'nosniff', 'browsers do not guess the type of data');
	}
	is($web->get('/rest/rpc/set_cache_control', cookie_header(%cookies))->{headers}{'cache-control'},
		'private, max-age=5', 'a function can set another Cache-Control');
	is($web->get('/rest/rpc/seen')->{headers}{'cache-control'}, undef, 'anonymous data may be stored');
}
{
	my @known = ('Accept-Language', 'DPoP', 'Origin', 'Prefer', 'Sec-Fetch-Mode', 'Sec-Fetch-Site', 'User-Agent', 'X-Client-Info');
	my %values = map { $_ => 'x' } @known;
	my $seen = $web->get(
		'/rest/rpc/seen', bearer($guest), %values,
		Cookie => "a=b; session=$cookies{session}; promotion=p; c=d",
		Referer => "$origin/flows/login?x_ref=x",
		'X-Forwarded-For' => '10.1.2.3',
		map { $_ => 'forged' } 'Accept-Profile', 'Forwarded', 'X-Authgear-User-Id', 'X-Original-Method', 'X-Original-Authorization',
		'X-Real-IP', 'X-Secret')->{json};

	is($seen->{ lc $_ }, 'x', "a function of the application sees $_") for @known;
	is($seen->{$_}, undef, "a function of the application does not see $_ of a client")
	  for qw(referer forwarded x-authgear-user-id x-original-method x-original-authorization x-real-ip x-secret);
	is_deeply(
		$web->get('/rest/rpc/seen_cookies', cookie_header(a => 'b', session => $cookies{session}, promotion => 'p', c => 'd'))->{json},
		{ session => $cookies{session}, promotion => 'p' }, "only anon_auth's cookies are passed on");
	is($seen->{'x-forwarded-for'}, '10.1.2.3, 127.0.0.1', "nginx appends the client's address");
}

# ---------------------------------------------------------------------------
# Programs without anon_auth
# ---------------------------------------------------------------------------

# The last request that the program received.
sub program_saw
{
	my $before = @{ $program->requests };
	my $response = $web->request(@_);
	my $requests = $program->requests;

	return ($response, @$requests > $before ? $requests->[-1] : undef);
}

{
	my ($response, $seen) = program_saw('GET', '/private/x?y=z', headers => {
		cookie_header(%cookies, theme => 'dark', '__Host-session' => 'a', promotion => 'b', xsession => 'c'),
		'X-Requested-With' => 'kept',
		'X-Custom' => 'removed',
		'X-Forwarded-For' => '10.1.2.3',
		Referer => "$origin/app/?code=x",
		map { $_ => 'forged' } 'X-Real-IP', 'Forwarded', 'X-Authgear-User-Roles', 'X-Authgear-Session-Amr', 'X-Authgear-Session-Acr',
		'X-Authgear-Client-Id', 'X-Authgear-User-Id', 'X-Original-Method', 'X-Original-Authorization', 'DPoP', 'X-Authgear-Other', 'X-Authgear-User-Email',
		'X-Original-Other' });

	is("$response->{status} $seen->{path}", '200 /private/x?y=z', 'a program gets path and query');
	my $headers = $seen->{headers};

	is($headers->{'x-authgear-session-valid'}, 'true', 'a program knows that the user is logged in');
	is($headers->{'x-requested-with'}, 'kept', "a program gets the client's headers that are listed");
	is($headers->{'x-custom'}, undef, "a program does not get the client's other headers");
	is_deeply([ grep { /^x-authgear-/ } sort keys %$headers ],
		[ map { "x-authgear-$_" } qw(session-authenticated-at session-valid user-anonymous user-can-reauthenticate user-id user-verified) ],
		'a program gets no X-Authgear-* header that nginx does not set');
	is($headers->{'x-forwarded-for'}, '10.1.2.3, 127.0.0.1', "a program gets the client's address");
	is($headers->{cookie}, 'theme=dark; xsession=c', 'a program gets its own cookies, and not ours with their prefix');
	is($headers->{$_}, undef, "a client cannot send $_ to a program")
	  for qw(x-real-ip forwarded x-authgear-user-roles x-authgear-session-amr x-authgear-session-acr x-authgear-client-id
	  x-original-method x-original-authorization x-original-other dpop referer);
	isnt($headers->{'x-authgear-user-id'}, 'forged', 'a client cannot choose the user');

	for ([ "session=$cookies{session}; theme=dark; promotion=p; other=x" => 'theme=dark; other=x' ],
		[ "theme=dark; session=$cookies{session}" => 'theme=dark' ],
		[ "xsession=1; session=$cookies{session}; sessionx=2" => 'xsession=1; sessionx=2' ],
		[ "session=$cookies{session}" => undef ],
		[ "a=b; session=1; session=2; session=3; session=4; session=$cookies{session}; c=d" => undef ])
	{
		(undef, $seen) = program_saw('GET', '/private/', headers => { Cookie => $_->[0] });
		is($seen->{headers}{cookie}, $_->[1], 'a program gets its own cookies, and not ours');
	}
	(undef, $seen) = program_saw('GET', '/private/', headers => { bearer($guest) });
	is($seen->{headers}{authorization}, undef, 'a program does not get the access token');
	(undef, $seen) = program_saw('GET', '/private/');
	is($seen->{headers}{'x-authgear-session-valid'}, undef, 'a program knows that nobody is logged in');

	for my $method ('POST', 'PUT', 'DELETE', 'PATCH')
	{
		($response, $seen) = program_saw($method, '/private/', content => 'x',
			headers => { cookie_header(%cookies), Origin => 'https://evil.example', 'Sec-Fetch-Site' => 'cross-site' });
		is_error($response, 403, 'oauth', "a page of another site cannot $method with the user's cookie");
		is($seen, undef, "the program does not get that $method");
		($response, $seen) = program_saw($method, '/private/', content => 'x', headers => { cookie_header(%cookies), %from_page });
		is("$response->{status} " . ($seen->{body} // ''), '200 x', "a page of the site can $method with the user's cookie");
	}
	($response) = program_saw('POST', '/private/', content => 'x',
		headers => { bearer($guest), Origin => 'https://evil.example', 'Sec-Fetch-Site' => 'cross-site' });
	is($response->{status}, 200, 'a page of another site can POST with an access token');
	($response) = program_saw('GET', '/private/', headers => { cookie_header(%cookies), 'Sec-Fetch-Site' => 'cross-site' });
	is($response->{status}, 200, 'a link on another site leads to the program');
}

# ---------------------------------------------------------------------------
# No secret in a log. These requests succeed, or fail in all ways.
# ---------------------------------------------------------------------------

# Send every secret so far to every endpoint, in query, body, headers and Referer.
sub send_secrets
{
	my ($what) = @_;
	my %secrets = %{ known() };
	my @values = @secrets{ sort keys %secrets };
	my $query = HTTP::Tiny->new->www_form_urlencode({ map { +"p$_" => $values[$_] } 0 .. $#values });
	my $some = substr $query, 0, 9_000;
	my %statuses;

	for my $path (sort(keys %endpoints), '/private/', '/rest/rpc/fail', '/nothing', '/app/nothing', '/oauth2/nothing')
	{
		for my $method ('GET', 'POST', 'DELETE')
		{
			my $response = $web->request($method, "$path?$some",
				headers => {
					Referer => "$origin/flows/login?$some",
					'User-Agent' => 'test',
					'Content-Type' => 'application/x-www-form-urlencoded',
					cookie_header(%cookies),
					bearer($guest) },
				$method eq 'POST' ? (content => substr $query, 0, 30_000) : ());

			$statuses{ $response->{status} }++;
		}
	}
	note "$what: " . join ', ', map { "$_ ($statuses{$_} times)" } sort keys %statuses;
	return \%statuses;
}

{
	my $code = secret('promotion code', $web->post_json('/api/anonymous_user/promotion_code',
		{ session_type => 'refresh_token', refresh_token => $guest->{refresh_token} })->{json}{result}{promotion_code});
	my $start = authorize(login_hint($code));
	my %browser = cookies_set($start);
	my ($x_ref) = $start->{headers}{location} =~ /x_ref=([^&]+)/ or die "no x_ref: $start->{content}";

	secret('x_ref', $x_ref);
	for my $name (grep { $browser{$_} =~ /./ } keys %browser)
	{
		secret("cookie $name, part $_", (split /[^\w-]+/, $browser{$name})[$_])
		  for grep { length((split /[^\w-]+/, $browser{$name})[$_]) >= 20 } 0 .. split /[^\w-]+/, $browser{$name};
	}
	my $page = $web->get($start->{headers}{location}, cookie_header(%browser));

	is($page->{headers}{'referrer-policy'}, 'strict-origin', "a page's address is not sent as the referrer");
	my $path = $start->{headers}{location} =~ s/^\Q$origin\E//r;
	my $password = password('of the account');
	my %form = (hidden_fields($page), login_id => 'ada@example.com');

	is($web->post_form($path, { %form, password => 'short' }, cookie_header(%browser), %from_page)
		  ->{status} >= 400, 1, 'a form can be refused');
	is($web->post_form($path, { %form, password => $password }, %from_page, cookie_header(%browser), Origin => 'https://evil.example')
		  ->{status}, 403, 'a form from another site is refused');
	is($web->post_form($path, { %form, password => $password }, %from_page)->{status}, 400, 'a form without its cookie is refused');
	is($web->get("$path&x=\xff" =~ s/\xff/%ff/r)->{status}, 400, 'a malformed address of a page is refused');
	my $done = $web->post_form($path, { %form, password => $password }, cookie_header(%browser), %from_page);
	my ($authorization_code) = ($done->{headers}{location} // '') =~ /[?&]code=([\w-]+)/ or die "no code: $done->{content}";

	secret('authorization code', $authorization_code);
	is($web->get("/app/?code=$authorization_code&state=x")->{status} < 500, 1, 'the browser sends the code to the page');
	my @exchange = (grant_type => 'authorization_code', client_id => 'notebook', code => $authorization_code, redirect_uri => $app);

	is($web->post_form('/oauth2/token', { @exchange, code_verifier => scalar reverse $verifier })->{status},
		400, 'an exchange can fail');
	is($web->post_form("/oauth2/token?code=$authorization_code", {})->{status}, 400, 'a query of the token endpoint is ignored');

	my $account = authorize();
	my ($login_x_ref) = $account->{headers}{location} =~ /x_ref=([^&]+)/;

	secret('x_ref of a login', $login_x_ref);
	my %login_browser = cookies_set($account);
	my $login = $account->{headers}{location} =~ s/^\Q$origin\E//r;
	my $login_page = $web->get($login, cookie_header(%login_browser));

	$web->post_form($login, { hidden_fields($login_page), login_id => 'ada@example.com', password => password('that is wrong') },
		cookie_header(%login_browser), %from_page);
	$done = $web->post_form($login, { hidden_fields($login_page), login_id => 'ada@example.com', password => $password },
		cookie_header(%login_browser), %from_page);
	($authorization_code) = ($done->{headers}{location} // '') =~ /[?&]code=([\w-]+)/ or die "no code: $done->{content}";
	secret('authorization code of a login', $authorization_code);
	my $tokens = $web->post_form('/oauth2/token',
		{ @exchange, code => $authorization_code, code_verifier => $verifier })->{json};

	secret("$_ of the account", $tokens->{$_} // die "no $_") for qw(access_token refresh_token id_token);
	is($web->get("/rest/rpc/fail?secret=$tokens->{refresh_token}", bearer($tokens))->{status},
		500, 'a call of a function with a token in its query can fail');
	$web->get('/rest/rpc/nothing?secret=' . password('in a query'), bearer($tokens), Referer => "$origin$path");
	$web->get("/oauth2/end_session?id_token_hint=$tokens->{id_token}");
	$web->post_form('/oauth2/revoke', { token => $tokens->{refresh_token} });
	$web->get('/rest/notes?a=' . password('in another query'), bearer($tokens));
}
cmp_ok(scalar(keys %{ known() }), '>=', 20, 'the requests produced more than 20 secrets');

my $statuses = send_secrets('all servers run');
ok($statuses->{$_}, "some of the requests get $_") for 400, 401, 404, 405;

# Without the database
$node->stop('immediate');
# PostgREST can answer 400 once for each connection in its pool (PostgREST issue 4681).
for my $case (
	[ 'oauth', 'an endpoint of OAuth 2 answers', sub { $web->get('/oauth2/jwks') } ],
	[ 'api', 'the API answers', sub { $web->post_json('/api/anonymous_user/signup', {}) } ],
	[ 'rest', 'the data answers', sub { $web->get('/rest/notes') } ])
{
	my ($form, $what, $request) = @$case;
	my $response;

	$web->wait_for('an answer to a new connection', sub { ($response = $request->())->{status} != 400 });
	is_error($response, 503, $form, "$what in its format if the database is down");
}
send_secrets('the database is down');
$node->start;

# Without PostgREST
$web->stop_process('postgrest');
unlink "$run/postgrest.sock";
for my $path (sort keys %endpoints)
{
	is_error($web->request($path =~ /jwks|rest/ ? 'GET' : 'POST', $path), 502, $endpoints{$path}, "$path answers in its format if PostgREST is down");
}
{
	my $page = raw('GET', '/flows/login');

	like($page->{content}, qr{<p>Wait a moment, then reload this page\.</p>}, 'the page says what to do');
	is($page->{headers}{'retry-after'}, 5, 'and when');
}
$statuses = send_secrets('PostgREST is down');
ok($statuses->{502}, 'some of the requests get 502');

# ---------------------------------------------------------------------------
# Connections to PostgREST
# ---------------------------------------------------------------------------

$web->stop_process('nginx');
$web->edit_file('nginx/http.conf', qr/proxy_read_timeout 30s/, 'proxy_read_timeout 1s');
$web->edit_file('nginx/http.conf', qr/client_header_timeout 10s/, 'client_header_timeout 2s');
$web->edit_file('nginx/http.conf', qr/client_body_timeout 10s/, 'client_body_timeout 2s');
my $stub = AnonAuth::StubServer->new("$run/postgrest.sock");
$web->start_process('nginx');
$web->wait_for('nginx', sub { $web->get('/oauth2/jwks')->{status} == 200 });

# What arrives at PostgREST
{
	my @headers = ('Accept: text/html', 'Accept-Language: en', 'Accept-Profile: x', 'Authorization: Bearer x', 'Content-Profile: x',
		'Content-Type: application/json', 'Cookie: a=b; __Host-session=s; session=old; x=y; __Host-promotion=p; session=tossed', 'DPoP: x', 'If-Match: x', 'Origin: null',
		'Prefer: x', 'Range: 0-1', 'Referer: x', 'Sec-Fetch-Dest: x', 'Sec-Fetch-Mode: x', 'Sec-Fetch-Site: x', 'Sec-Fetch-User: x',
		'User-Agent: x', 'X-Authgear-User-Id: x', 'X-Client-Info: x', 'X-Forwarded-For: a, b', 'X-Original-Method: x',
		'X-Original-Query: x', 'X-Original-Authorization: x', 'X-Original-Content-Type: x', 'X-Original-Other: x', 'X-Other: x',
		'X_Original_Method: x', 'TE: trailers', 'Expect: x', 'Upgrade: x', 'If-None-Match: x');

	raw('POST', '/oauth2/userinfo?a=%20b', \@headers, 'body');
	my $request = $stub->requests->[-1];

	is("$request->{method} $request->{path} $request->{body}", 'POST /rpc/userinfo body', 'a request for a function has no query');
	is_deeply($request->{headers}, {
		accept => '*/*',
		'accept-language' => 'en',
		'content-length' => 4,
		'content-profile' => 'anon_auth_http',
		'content-type' => 'text/plain',
		cookie => '__Host-session=s; session=tossed; __Host-promotion=p',
		dpop => 'x',
		host => 'localhost',
		origin => 'null',
		(map { +"sec-fetch-$_" => 'x' } qw(dest mode site user)),
		'user-agent' => 'x',
		'x-forwarded-for' => 'a, b, 127.0.0.1',
		'x-forwarded-proto' => 'http',
		'x-original-accept' => 'text/html',
		'x-original-authorization' => 'Bearer x',
		'x-original-content-type' => 'application/json',
		'x-original-method' => 'POST',
		'x-original-path' => '/oauth2/userinfo',
		'x-original-query' => 'a=%20b' }, 'a request for a function has the headers of docs/http.md, and no others');
	raw('PATCH', '/rest/notes?a=b', \@headers, 'body');
	$request = $stub->requests->[-1];
	is("$request->{method} $request->{path} $request->{body}", 'PATCH /notes?a=b body', 'a request for data is passed on');
	is_deeply($request->{headers}, {
		accept => 'text/html',
		'accept-language' => 'en',
		'accept-profile' => 'api',
		authorization => 'Bearer x',
		'content-length' => 4,
		'content-profile' => 'api',
		'content-type' => 'application/json',
		cookie => '__Host-session=s; session=tossed; __Host-promotion=p',
		dpop => 'x',
		host => 'localhost',
		'if-match' => 'x',
		'if-none-match' => 'x',
		origin => 'null',
		prefer => 'x',
		range => '0-1',
		(map { +"sec-fetch-$_" => 'x' } qw(dest mode site user)),
		'user-agent' => 'x',
		'x-client-info' => 'x',
		'x-forwarded-for' => 'a, b, 127.0.0.1',
		'x-original-path' => '/rest/notes',
		'x-forwarded-proto' => 'http' }, 'a request for data has the headers of docs/http.md, and no others');
	raw('POST', '/private/', [ 'Cookie: session=s', 'Origin: https://evil.example' ], 'body');
	$request = $stub->requests->[-1];
	is("$request->{method} $request->{path} $request->{body} $request->{headers}{'x-original-method'} $request->{headers}{origin}",
		'POST /rpc/resolve  POST https://evil.example', 'resolve gets the method and the origin of the request, and not its body');
}

sub times_sent
{
	my ($path) = @_;

	return scalar grep { $_->{path} eq $path } @{ $stub->requests };
}

# The stub closes each connection at its second request.
$stub->behave('close');
for my $path ('/rest/a', '/rest/b')
{
	$web->get($path) for 1 .. 4;
}
my $used_again = grep { $_ > 1 } values %{ { map { my $n = $_->{connection}; ($n => scalar grep { $_->{connection} == $n } @{ $stub->requests }) } @{ $stub->requests } } };
cmp_ok($used_again, '>', 0, 'nginx keeps connections to PostgREST and uses them again');
is($web->get("/rest/get$_")->{status}, 200, 'a GET survives a connection that PostgREST closes') for 1 .. 4;
for my $method ('POST', 'PATCH')
{
	for my $path ("/rest/change-$method", "/oauth2/token")
	{
		next if $path =~ /oauth2/ && $method eq 'PATCH';
		my $sent = $path =~ /token/ ? '/rpc/token' : "/change-$method";
		my $failed = 0;

		for (1 .. 6)
		{
			my $before = times_sent($sent);

			$web->get('/rest/warm');
			my $response = $web->request($method, $path, content => 'x');

			is(times_sent($sent) - $before, 1, "a $method is sent once ($path, $response->{status})");
			$failed++ if $response->{status} == 502;
		}
		cmp_ok($failed, '>', 0, "a $method can fail because PostgREST closes a connection ($path)");
	}
}

# Bad answers
$stub->behave('hang');
for my $path (sort keys %endpoints)
{
	is_error($web->request($path =~ /jwks|rest/ ? 'GET' : 'POST', $path), 504, $endpoints{$path}, "$path answers in its format if PostgREST does not answer")
	  if $path =~ m{token|signup|rest|login|jwks};
}
{
	my $before = times_sent('/hanging');

	is($web->get('/rest/hanging')->{status}, 504, 'a GET can time out');
	is(times_sent('/hanging') - $before, 1, 'a request that timed out is not sent again');
}
$stub->behave('huge');
$statuses = send_secrets('PostgREST answers with a header that is too large');
ok($statuses->{502}, 'a header that is too large is a 502');
$stub->behave('unavailable');
is_error($web->get('/oauth2/jwks'), 503, 'oauth', "PostgREST's own errors are not shown");
unlike($web->get('/oauth2/jwks')->{content}, qr/10\.1\.2\.3/, 'an error shows no address of the database');
send_secrets('PostgREST is not available');
$stub->behave('answer');
$web->wait_for('an answer', sub { $web->get('/oauth2/jwks')->{status} == 200 });

# ---------------------------------------------------------------------------
# Slow clients, and many requests
# ---------------------------------------------------------------------------

{
	my @half = map {
		my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $origin =~ /(\d+)$/) or die "connection $_: $!";

		print $socket "GET /oauth2/jwks HTTP/1.1\r\nHost: localhost\r\n";
		$socket->flush;
		$socket
	} 1 .. 900;
	my $began = Time::HiRes::time();

	is($web->get('/oauth2/jwks')->{status}, 200, '900 connections with half a header do not lock others out');
	my $closed = IO::Select->new(@half);
	my $count = 0;

	while (my @ready = $closed->can_read(20))
	{
		for (@ready)
		{
			next if sysread $_, my $data, 1000;
			$closed->remove($_);
			$count++;
		}
		last if !$closed->count;
	}
	is($count, 900, 'nginx closes them after client_header_timeout');
	my $slow = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $origin =~ /(\d+)$/);

	print $slow "POST /oauth2/token HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nx";
	$slow->flush;
	ok(IO::Select->new($slow)->can_read(20), 'nginx answers a client whose body does not arrive');
}

my $closed_after = sub { my $closed = $stub->closed; return grep { $_ > 20 } values %$closed; };
$web->wait_for('nginx closes an idle connection', sub { $closed_after->() > 0 });
cmp_ok((sort { $b <=> $a } values %{ $stub->closed })[0], '<', 29,
	'nginx closes an idle connection before PostgREST does, which waits for 30 seconds');

$web->stop_process('nginx');
$web->edit_file('nginx/http.conf', qr/rate=100000r\/s/, 'rate=50r/s');
$web->edit_file('nginx/server.conf', qr/burst=100000/, 'burst=200');
$web->start_process('nginx');
$web->wait_for('nginx', sub { $web->get('/oauth2/jwks')->{status} == 200 });
{
	my %limited;

	# Send many requests at once.
	my $flood = sub {
		my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $origin =~ /(\d+)$/) or die "cannot connect: $!";
		my $request = "GET /oauth2/jwks HTTP/1.1\r\nHost: localhost\r\n";

		print $socket "$request\r\n" x 300, "${request}Connection: close\r\n\r\n";
		$socket->flush;
		while (sysread $socket, my $data, 65536) { }
	};

	for my $path (sort keys %endpoints)
	{
		my $method = $path =~ /jwks|rest/ ? 'GET' : 'POST';

		$web->wait_for('a limit', sub { $flood->(); ($limited{$path} = raw($method, "$path?secret=" . known()->{'refresh_token 1'}))->{status} == 429 });
		is_error($limited{$path}, 429, $endpoints{$path}, "too many requests of an address get 429 in the format of $path");
		cmp_ok($limited{$path}{headers}{'retry-after'} // 0, '>=', 1, "the 429 of $path says when to try again");
	}
}

# A /64 of IPv6 is one address.  The module realip lets the test choose the address.
SKIP:
{
	skip 'this nginx has no realip module', 9 if join('', run_command([ 'nginx', '-V' ])) !~ /--with-http_realip_module/;
	$web->stop_process('nginx');
	$web->edit_file('nginx.conf', qr/include nginx\/server\.conf;/,
		"set_real_ip_from 127.0.0.1;\n\t\treal_ip_header X-Test-Address;\n\t\tinclude nginx/server.conf;");
	$web->edit_file('nginx/http.conf', qr/rate=50r\/s/, 'rate=1r/m');
	$web->edit_file('nginx/server.conf', qr/burst=200/, 'burst=3');
	$web->start_process('nginx');
	$web->wait_for('nginx', sub { $web->get('/oauth2/jwks', 'X-Test-Address' => '192.0.2.1')->{status} == 200 });
	my $status_for = sub { return $web->get('/oauth2/jwks', 'X-Test-Address' => $_[0])->{status}; };

	is(join(' ', map { $status_for->("2001:db8:0:a:$_:2:3:4") } 1 .. 5), '200 200 200 200 429', 'all addresses of a /64 of IPv6 share one limit');
	is($status_for->('2001:db8:0:a::'), 429, 'the first address of the /64 is one of them');
	is($status_for->('2001:db8:0:b::1'), 200, 'another /64 has its own limit');
	is($status_for->('2001:db8:0:a0a::1'), 200, 'a /64 with a newline in its bytes has its own limit');
	is(join(' ', map { $status_for->('198.51.100.7') } 1 .. 5), '200 200 200 200 429', 'an IPv4 address has a limit');
	is($status_for->('198.51.100.8'), 200, 'the next IPv4 address has its own limit');
	is($status_for->('::ffff:198.51.100.9'), 200, 'an IPv4 address in IPv6 form has its own limit');
	is(join(' ', map { $status_for->('::ffff:198.51.100.9') } 1 .. 4), '200 200 200 429', 'this limit counts');
	is($status_for->('::ffff:198.51.100.10'), 200, 'the next IPv4 address in IPv6 form has its own limit');
}

# ---------------------------------------------------------------------------
# The logs
# ---------------------------------------------------------------------------

$stub->stop;
my %logs = map { s{.*/}{}r => slurp_file($_) } glob "$run/*.log";
$logs{PostgreSQL} = slurp_file($node->logfile);
ok($logs{'access.log'} =~ m{"GET /oauth2/authorize" \d+}, 'the access log has paths');
ok($logs{'access.log'} =~ m{"POST /oauth2/token" 502 .*upstream=502}, 'the access log shows that PostgREST was down');
ok($logs{'access.log'} =~ m{" 504 .*upstream=504}, 'the access log shows a timeout');
ok($logs{'access.log'} =~ m{" 429 .*limit=REJECTED}, 'the access log shows a limit');
ok($logs{'access.log'} !~ /\?/, 'the access log has no query');
cmp_ok(length $logs{$_}, '>', 0, "something is in the log of $_") for qw(PostgreSQL postgrest.log);
is(found_in($logs{$_}), '', "no secret is in the log $_") for sort keys %logs;
isnt(found_in($logs{'access.log'} . known()->{'authorization code'}), '', 'the search finds a secret');

# ---------------------------------------------------------------------------
# The variant with TLS
# ---------------------------------------------------------------------------

SKIP:
{
	skip 'curl or openssl is not installed', 13 if !grep({ -x "$_/curl" } File::Spec->path) || !grep { -x "$_/openssl" } File::Spec->path;
	$web->stop_process('nginx');
	my ($command) = slurp_file("$FindBin::Bin/../examples/postgrest/README.md") =~ /^    (openssl req .*(?:(?<=\\)\n.*)*)/m
	  or die 'README.md has no line with openssl';
	my ($http, $https) = map { PostgreSQL::Test::Cluster::get_free_port() } 1, 2;

	system("cd '" . $web->directory . "' && $command 2>/dev/null") == 0 or die "openssl: $?";
	my $conf = slurp_file($web->directory . '/nginx-tls.conf') =~ s/\b8443\b/$https/gr =~ s/\b8080\b/$http/gr;

	open my $file, '>', $web->directory . '/nginx-tls.conf' or die $!;
	print $file $conf;
	close $file;
	$web->start_process('postgrest');
	$web->{nginx_conf} = 'nginx-tls.conf';
	$web->start_process('nginx');
	my $curl = sub {
		my ($output, $errors) = run_command([ 'curl', '-sS', '-i', '--max-time', 60, '--cacert', "$run/certificate.pem", @_ ]);

		return $output . $errors;
	};

	$web->wait_for('TLS', sub { $curl->("https://localhost:$https/oauth2/jwks") =~ m{^HTTP/1.1 200} });
	my $answer = $curl->("https://localhost:$https/oauth2/jwks");

	like($answer, qr/^Strict-Transport-Security: max-age=31536000\r$/m, 'https answers have HSTS');
	like($curl->("https://localhost:$https/$_"), qr/^Strict-Transport-Security: max-age=31536000\r$/m, "/$_ has HSTS")
	  for 'app/', 'rest/notes', 'oauth2/nothing';
	my $redirect = $curl->("http://localhost:$http/app/x?code=a_secret");

	like($redirect, qr{^HTTP/1.1 301.*^Location: https://localhost:$https/app/x\r$}ms, 'http is redirected to https, without the query');
	unlike($redirect, qr/a_secret/, 'the redirect does not repeat the query');
	mkdir $_ or die "$_: $!" for map { "$run/$_" } 'acme', 'acme/.well-known', 'acme/.well-known/acme-challenge';
	append_to_file("$run/acme/.well-known/acme-challenge/a-token", 'a-token.a-thumbprint');
	like($curl->("http://localhost:$http/.well-known/acme-challenge/a-token"), qr{^HTTP/1.1 200.*a-token\.a-thumbprint\z}ms,
		'the certificate can be renewed with ACME over http');
	like($curl->("http://localhost:$http/.well-known/openid-configuration"), qr{^HTTP/1.1 403}, 'other well-known paths need https');
	like($curl->('-d', 'token=x', "http://localhost:$http/oauth2/revoke"), qr{^HTTP/1.1 403.*^\{"error":"access_denied","error_description":"use https"\}}ms,
		'an endpoint refuses http in its format');
	unlike($curl->("http://localhost:$http/app/"), qr/Strict-Transport/, 'an http answer has no HSTS');
	like($curl->('-k', '-H', 'Host: evil.example', "https://127.0.0.1:$https/oauth2/jwks"), qr{^HTTP/1.1 421.*^\{"error":"invalid_request",}ms, 'another name is refused in our format');
	like($curl->("http://localhost:$https/oauth2/jwks"), qr{^HTTP/1.1 400.*^\{"error":"invalid_request",}ms,
		'plain http on the port for TLS gets an error in our format');
	like($curl->('-H', 'Transfer-Encoding: gzip', "http://localhost:$http/api/x"), qr{^HTTP/1.1 501.*^\{"error":\{"name":}ms,
		'the server for plain http has the same errors');
}

# ---------------------------------------------------------------------------
# As services
# ---------------------------------------------------------------------------

# The commands of README.md below a directory, without those that change the system
{
	my $root = PostgreSQL::Test::Utils::tempdir_short();
	my $example = "$FindBin::Bin/../examples/postgrest";
	my ($commands) = slurp_file("$example/README.md") =~ /^### As services\n.*?^```sh\n(.*?)^```/ms or die 'no commands';

	is(scalar($commands =~ s/^(?:useradd|usermod|systemctl) .*\n//mg), 5, 'README.md has the commands of the system');
	$commands =~ s{(?<![\w.*])/(etc|run|var)\b}{$root/$1}g;
	$commands =~ s{^nginx -t$}{nginx -t -q -c $root/etc/nginx/nginx.conf 2>&1}m or die 'no test of nginx';
	for my $name (qw(etc/nginx etc/systemd/system run var/log/nginx var/lib/nginx site/web/dist))
	{
		my $path = $root;

		for (split m{/}, $name) { $path .= "/$_"; mkdir $path; }
	}
	system("cp -r '$example'/*.conf '$example'/*.service '$example/nginx' '$root/site' && echo page >'$root/site/web/dist/index.html'") == 0 or die 'cp failed';
	my $output = '';
	my ($certificate) = slurp_file("$example/README.md") =~ /^    (openssl req .*(?:(?<=\\)\n.*)*)/m or die 'no openssl';
	my $made = IPC::Run::run([ 'sh', '-ec', "cd $root/site && mkdir run && $certificate && cp run/*.pem $root/etc/nginx && rm -r run" ], '>&', \my $log);
  SKIP:
	{
		skip 'openssl is not installed', 5 if !$made;
		# The user directive has an effect only for root; Debian has the user.
		ok(IPC::Run::run([ 'sh', '-ec', "PATH=\$PATH:/usr/sbin; cd $root/site && $commands" ], '>&', \$output), 'nginx accepts the configuration that the commands make') or diag $output;
		my %files = map { $_ => slurp_file($_) } "$root/etc/nginx/nginx.conf", glob "$root/etc/nginx/nginx/*.conf";
		is(join(' ', map { $files{$_} =~ s/^\s*#.*\n//mgr =~ /((?<![\w\/.])(?:run|web)\/\S+)/g } sort keys %files), '', 'no relative path is left, except those of the includes');
		like($files{"$root/etc/nginx/nginx.conf"}, qr/^user www-data;$/m, 'nginx has the user of its workers');
		unlike($files{"$root/etc/nginx/nginx.conf"}, qr/include.*program\.conf/, 'the stand-in for a program is not included');
		ok(-f "$root/var/www/notebook/index.html", 'the page is where nginx looks for it');
	}
  SKIP:
	{
		skip 'systemd-analyze is not installed', 1 if !grep { -x "$_/systemd-analyze" } File::Spec->path;
		my $unit = slurp_file("$example/postgrest.service") =~ s{^ExecStart=\S+}{ExecStart=/bin/true}mr;
		append_to_file("$root/postgrest.service", $unit);
		my ($verified, $errors) = run_command([ 'systemd-analyze', 'verify', "$root/postgrest.service" ]);
		is($verified . $errors, '', 'systemd accepts the unit of PostgREST');
	}
}

$program->stop;
$web->stop;
$node->stop;
done_testing();
