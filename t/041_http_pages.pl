# From /oauth2/authorize through the pages to the client's redirect URI: what a
# browser is shown, what it cannot be made to do, and what comes of it.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Browser;
use AnonAuth::Clock;
use AnonAuth::Device qw(call challenge jws_parts sql_literal);
use Digest::SHA qw(sha256 sha256_base64);
use MIME::Base64 qw(decode_base64url encode_base64url);
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
SELECT anon_auth.grant_http_api('anon'), anon_auth.grant_http_api('authenticated'),
	   anon_auth.grant_http_api('authenticator');
SELECT anon_auth.create_client('web', 'spa', '{https://app.example/cb,https://app.example/cb?tenant=1}',
							   name => 'Notebook'),
	   anon_auth.create_client('site', 'traditional_webapp', '{https://app.example/home}',
							   post_logout_redirect_uris => '{https://app.example/bye}'),
	   anon_auth.create_client('phone', 'native', '{com.example.app://host/path}'),
	   anon_auth.create_client('partner', 'third_party_app', '{https://partner.example/}');
UPDATE anon_auth.settings SET issuer = 'https://auth.example', password_hash_memory_kib = 8192,
	password_hash_passes = 1;
SQL

my $page = 'https://auth.example/flows/promote_user';
my $verifier = 'v' x 43;
my %authorize = (
	client_id => 'web',
	redirect_uri => 'https://app.example/cb',
	response_type => 'code',
	scope => 'openid https://authgear.com/scopes/full-access offline_access',
	state => 'a state',
	prompt => 'login',
	code_challenge_method => 'S256',
	code_challenge => encode_base64url(sha256($verifier)));

sub query { return $node->safe_psql('postgres', $_[0]); }

sub settings
{
	my (%settings) = @_;

	query('UPDATE anon_auth.settings SET '
		  . join(', ', map { "$_ = " . sql_literal($settings{$_}) } sort keys %settings));
}

sub browser { return AnonAuth::Browser->new($node, headers => { 'sec-fetch-site' => 'same-origin', @_ }); }

sub hint
{
	my ($name, $value) = @_;

	return 'https://authgear.com/login_hint?' . AnonAuth::Browser::form(type => 'anonymous', $name => $value);
}

# A guest: its tokens, its sub, and a promotion code as login_hint.
sub guest
{
	my ($browser) = @_;
	my $tokens = ($browser // browser())->post_json('/api/anonymous_user/signup',
		{ session_type => 'refresh_token', client_id => 'web' })->{json}{result};
	my $code = browser()->post_json('/api/anonymous_user/promotion_code',
		{ session_type => 'refresh_token', refresh_token => $tokens->{refresh_token} })->{json}{result}{promotion_code};

	return { %$tokens, sub => (jws_parts($tokens->{access_token}))[1]{sub}, code => $code,
		hint => hint(promotion_code => $code) };
}

sub authorize
{
	my ($browser, %parameters) = @_;
	my %all = (%authorize, %parameters);

	return $browser->get('/oauth2/authorize', map { defined $all{$_} ? ($_ => $all{$_}) : () } sort keys %all);
}

# The address of the form that a new guest gets in a new browser.
sub form
{
	my ($browser, %parameters) = @_;
	my $guest = guest();

	return (authorize($browser, login_hint => $guest->{hint}, %parameters)->{location}, $guest);
}

sub submit
{
	my ($browser, $form, %fields) = @_;
	my %all = (login_id_type => 'email', password => 'long enough', %fields);

	return $browser->post_form($form, map { $_ => $all{$_} } sort keys %all);
}

sub parameters
{
	my ($url) = @_;

	return { map { my ($n, $v) = split /=/, $_, 2; $v =~ s/%(..)/chr hex $1/ge; ($n => $v) } split /&/, $url =~ s/^[^?]*\?//r };
}

sub exchange
{
	my ($location, %parameters) = @_;
	my %all = (grant_type => 'authorization_code', client_id => 'web', code => parameters($location)->{code},
		redirect_uri => $authorize{redirect_uri}, code_verifier => $verifier, %parameters);

	return browser()->post_form('/oauth2/token', map { $_ => $all{$_} } sort keys %all);
}

sub is_anonymous { return query("SELECT is_anonymous FROM anon_auth.users WHERE id = '$_[0]'"); }

sub shows
{
	my ($answer, $status, @rest) = @_;
	my $name = pop @rest;

	is($answer->{status}, $status, "$name: status");
	is_deeply($answer->{headers}{'content-type'}, ['text/html; charset=utf-8'], "$name: it is a page");
	like($answer->{body}, $_, $name) for @rest;
}

# ---------------------------------------------------------------------------
# The way through
# ---------------------------------------------------------------------------

my $browser = browser();
my ($form, $guest) = form($browser);

like($form, qr{^\Q$page\E\?x_ref=}, 'authorize sends the browser to the form');
unlike($form, qr/\Q$guest->{code}/, 'whose address does not hold the promotion code');
my $shown = $browser->get($form);
shows($shown, 200, qr/<form[^>]*method="post"/i, qr/name="login_id"/, qr/name="password"/, qr/Notebook/, 'the form');
is_deeply($shown->{headers}{'cache-control'}, ['no-store'], 'the form is not cached');

my $done = submit($browser, $form, login_id => 'Me@Example.com');
is($done->{status}, 303, 'the form redirects');
like($done->{location}, qr{^https://app\.example/cb\?code=[-\w]+&state=a%20state$}, 'with code and state to the client');
is($done->{headers}{'set-cookie'}, undef, 'a token client gets no cookie');
my $tokens = exchange($done->{location});
is($tokens->{status}, 200, 'the code is exchanged for tokens');
is((jws_parts($tokens->{json}{access_token}))[1]{sub}, $guest->{sub}, 'of the same user');
is((jws_parts($tokens->{json}{access_token}))[1]{is_anonymous}, 0, 'who is no guest any more');
is(query("SELECT original_value FROM anon_auth.login_ids WHERE user_id = '$guest->{sub}'"), 'Me@Example.com',
	'and has the e-mail address');
is(browser()->get('/oauth2/userinfo', 'Authorization:' => "Bearer $guest->{access_token}")->{status}, 401,
	'the guest\'s session has ended');
is(exchange($done->{location})->{json}{error}, 'invalid_grant', 'the code works once');

# The second click of a double click, and the back button

my $repeated = submit($browser, $form, login_id => 'me@example.com');
is($repeated->{status}, 303, 'sending the form again is harmless');
is((jws_parts(exchange($repeated->{location})->{json}{access_token}))[1]{sub}, $guest->{sub}, 'and logs in to the same user');
shows(submit($browser, $form, login_id => 'me@example.com', password => 'not the one'), 422,
	qr/aria-invalid="true"/, 'with another password it does not');
shows(submit($browser, $form, login_id => 'other@example.com'), 200, qr/<main|<body/, 'nor with another login ID');
shows($browser->get($form), 200, qr{https://app\.example/cb\?state=a%20state}, 'coming back to the form shows the way on');
unlike($browser->get($form)->{body}, qr/name="password"/, 'and no form');

# A device key in the login_hint

my $device = AnonAuth::Device->new(alg => 'RS256');
my $keyed = call($node, 'authenticate_anonymously', client_id => 'phone',
	jwt => $device->request(challenge => challenge($node), with_jwk => 1));
my $promote_jwt = $device->request(challenge => challenge($node), action => 'promote');
my $phone = browser();
my $phone_form = authorize($phone, client_id => 'phone', redirect_uri => 'com.example.app://host/path',
	login_hint => hint(jwt => $promote_jwt), x_platform => 'android')->{location};
my $phone_page = $phone->get($phone_form);
like($phone_page->{headers}{'content-security-policy'}[0], qr/form-action 'self' com\.example\.app:/,
	'the form may lead to the app');
is($phone->get(authorize($phone, client_id => 'phone', redirect_uri => 'com.example.app://host/path',
		login_hint => hint(jwt => $promote_jwt))->{location})->{status}, 200, 'the authorization URL can be reloaded');
my $phone_done = submit($phone, $phone_form, login_id => 'phone@example.com');
like($phone_done->{location}, qr{^com\.example\.app://host/path\?code=}, 'a device is promoted with its key');
is((jws_parts(exchange($phone_done->{location}, client_id => 'phone', redirect_uri => 'com.example.app://host/path')
		  ->{json}{access_token}))[1]{sub}, $keyed->{sub}, 'and stays the same user');

shows(submit($browser, $form, login_id => 'phone@example.com'), 200, qr/<main/,
	'sending the first form again with the login ID of another user does not log in');

# Every kind of login ID

for my $case ([ 'phone_number', '+852 9876 5432', '+85298765432' ], [ 'username', 'Somebody', 'somebody' ])
{
	my ($type, $given, $kept) = @$case;
	my $b = browser();
	my ($f, $g) = form($b);

	like($b->get("$f&login_id_type=$type")->{body}, qr/value="$type"/, "the form can ask for a $type");
	is(submit($b, $f, login_id_type => $type, login_id => $given)->{status}, 303, "a $type is taken");
	is(query("SELECT value FROM anon_auth.login_ids WHERE user_id = '$g->{sub}'"), $kept, "and kept as $kept");
}

# A client whose redirect URI has a query

my ($tenant_form) = form(browser(), redirect_uri => 'https://app.example/cb?tenant=1');
{
	my $b = browser();
	my ($f) = form($b, redirect_uri => 'https://app.example/cb?tenant=1', state => undef);

	like(submit($b, $f, login_id => 'tenant@example.com')->{location}, qr{^https://app\.example/cb\?tenant=1&code=[-\w]+$},
		'code is added to the query of a redirect URI');
}

# ---------------------------------------------------------------------------
# Cookie clients
# ---------------------------------------------------------------------------

my $cookies = browser();
$cookies->post_json('/api/anonymous_user/signup', { session_type => 'cookie', client_id => 'site' });
my $cookie_sub = $cookies->get('/oauth2/userinfo')->{json}{sub};
my $cookie_code = $cookies->post_json('/api/anonymous_user/promotion_code', { session_type => 'cookie' })
  ->{json}{result}{promotion_code};
my $guest_cookie = $cookies->cookies->{session}[0];
my %site = (client_id => 'site', redirect_uri => 'https://app.example/home', response_type => 'none',
	code_challenge => undef, code_challenge_method => undef, x_sso_enabled => 'true');
my $cookie_done = submit($cookies,
	authorize($cookies, %site, login_hint => hint(promotion_code => $cookie_code))->{location},
	login_id => 'cookie@example.com');
is($cookie_done->{location}, 'https://app.example/home?state=a%20state', 'a cookie client gets the state alone');
isnt($cookies->cookies->{session}[0], $guest_cookie, 'the cookie changes at promotion');
is($cookies->get('/oauth2/userinfo')->{json}{sub}, $cookie_sub, 'and stands for the same user');
is($cookies->get('/oauth2/userinfo')->{json}{email}, 'cookie@example.com', 'who has an account now');
my $fixated = browser();
$fixated->cookies->{session} = [ $guest_cookie, {} ];
is($fixated->get('/oauth2/userinfo')->{status}, 401, 'the guest\'s cookie is dead: no session fixation');
is($cookies->post_json('/api/anonymous_user/signup', { session_type => 'cookie' })->{json}{error}{message},
	'user logged in as normal user', 'signing up with the new cookie is refused');

# Another login in the same browser
sub signed_out { return query("SELECT count(*) FROM anon_auth.events WHERE type = 'user.signed_out' AND user_id = '$cookie_sub' AND client_id = 'site'"); }
my $signed_out = signed_out();
my $account_cookie = $cookies->cookies->{session}[0];
is(submit($cookies, authorize($cookies, %site)->{location}, login_id => 'cookie@example.com')->{status}, 303, 'a login in a browser with a session');
isnt($cookies->cookies->{session}[0], $account_cookie, '... gives it another one');
is(query("SELECT count(*) FROM anon_auth.sessions WHERE user_id = '$cookie_sub'"), 1, '... in place of the old one');
is(signed_out() - $signed_out, 1, '... whose end is an event');

# ---------------------------------------------------------------------------
# What the form does not take
# ---------------------------------------------------------------------------

settings(password_require_digit => 'true', password_min_length => 12, email_domain_blocklist => '{blocked.example}');
my $careful = browser();
my ($careful_form, $careful_guest) = form($careful);
my $before = query('TABLE anon_auth.events') . query('TABLE anon_auth.users');
my @unacceptable = (
	[ 'nothing', {}, 'login_id' ],
	[ 'no password', { login_id => 'a@example.com', password => '' }, 'password' ],
	[ 'no e-mail address', { login_id => 'not an address' }, 'login_id' ],
	[ 'a blocked domain', { login_id => 'a@blocked.example', password => 'long enough 1' }, 'login_id' ],
	[ 'a short password', { login_id => 'a@example.com', password => 'short1' }, 'password' ],
	[ 'a password without a digit', { login_id => 'a@example.com', password => 'long enough but' }, 'password' ],
	[ 'a password of 9000 bytes', { login_id => 'a@example.com', password => 'x1' x 4500 }, 'password' ],
	[ 'a taken address', { login_id => 'me@example.com', password => 'long enough 1' }, 'login_id' ]);

for my $case (@unacceptable)
{
	my ($name, $fields, $invalid) = @$case;
	my $answer = submit($careful, $careful_form, %$fields);

	shows($answer, 422, qr/<input(?=[^>]*name="$invalid")(?=[^>]*aria-invalid="true")/s, $name);
	like($answer->{body}, qr/<input(?=[^>]*name="login_id")(?=[^>]*value="\Q$fields->{login_id}\E")/s,
		"$name: what was typed is still there") if $fields->{login_id};
	unlike($answer->{body}, qr/<input(?=[^>]*name="password")[^>]*value=/s, "$name: the password is not sent back");
}
is(query('TABLE anon_auth.events') . query('TABLE anon_auth.users'), $before, 'none of these has written anything');
is(submit($careful, $careful_form, login_id => 'careful@example.com', password => 'long enough 1')->{status}, 303,
	'and the form still works after them');
settings(password_require_digit => 'false', password_min_length => 8, email_domain_blocklist => '{}');

# A login ID of somebody else, where that leads to a login

settings(promotion_conflict => 'login');
my $known = browser();
my ($known_form, $known_guest) = form($known);
my $asked = submit($known, $known_form, login_id => 'ME@example.com', password => 'some new password');
shows($asked, 422, qr/will not be moved to that account/, qr/name="mode"[^>]*value="log_in"|value="log_in"[^>]*name="mode"/, qr/current-password/,
	'an address that is taken leads to the login form');
unlike($asked->{body}, qr/<input(?=[^>]*name="password")(?=[^>]*aria-invalid="true")/s, 'which blames nobody yet');
shows(submit($known, $known_form, mode => 'log_in', login_id => 'me@example.com', password => 'wrong password'), 422,
	qr/<input(?=[^>]*name="password")(?=[^>]*aria-invalid="true")/s, 'a wrong password is called wrong');
is(query("SELECT count(*) FROM anon_auth.events WHERE type = 'authentication.failed' AND user_id = '$guest->{sub}'"), 3,
	'failed logins are events');
my $logged_in = submit($known, $known_form, mode => 'log_in', login_id => 'me@example.com', password => 'long enough');
is((jws_parts(exchange($logged_in->{location})->{json}{access_token}))[1]{sub}, $guest->{sub},
	'the right password logs in to the account');
is(is_anonymous($known_guest->{sub}), 't', 'and the guest is left as it was');

# ... or to a merge

settings(promotion_conflict => 'merge');
$node->safe_psql('postgres', 'CREATE TABLE carts (user_id uuid UNIQUE REFERENCES anon_auth.users ON DELETE CASCADE, items integer)');
my $merging = browser();
my ($merge_form, $merge_guest) = form($merging);
query("INSERT INTO carts VALUES ('$merge_guest->{sub}', 3)");
shows(submit($merging, $merge_form, login_id => 'me@example.com', password => 'some new password'), 422, qr/will be moved to that account/,
	'an address that is taken leads to a login that says what becomes of the guest');
shows(submit($merging, $merge_form, mode => 'log_in', login_id => 'me@example.com', password => 'wrong password'), 422,
	qr/<input(?=[^>]*name="password")(?=[^>]*aria-invalid="true")/s, 'a wrong password merges nothing');
is(is_anonymous($merge_guest->{sub}), 't', 'and the guest stays');
my $merged = submit($merging, $merge_form, mode => 'log_in', login_id => 'me@example.com', password => 'long enough');
is((jws_parts(exchange($merged->{location})->{json}{access_token}))[1]{sub}, $guest->{sub},
	'the right password logs in to the account');
is(query("SELECT user_id FROM carts"), $guest->{sub}, 'which has what the guest had');
is(query("SELECT count(*) FROM anon_auth.users WHERE id = '$merge_guest->{sub}'"), 0, 'and the guest is gone');
my $merged_again = submit($merging, $merge_form, mode => 'log_in', login_id => 'me@example.com', password => 'long enough');
is((jws_parts(exchange($merged_again->{location})->{json}{access_token}))[1]{sub}, $guest->{sub},
	'the same form sent twice logs in to it again');
shows(submit($merging, $merge_form, login_id => 'someone.new@example.com', password => 'long enough'), 400,
	qr/<h1/, 'and can promote nobody else');
{
	my $b = browser();
	my ($f, $g) = form($b);

	query("INSERT INTO carts VALUES ('$g->{sub}', 4)");
	shows(submit($b, $f, mode => 'log_in', login_id => 'me@example.com', password => 'long enough'), 422,
		qr/role="alert"/, 'rows that collide refuse the merge');
	is(query("SELECT items FROM carts WHERE user_id = '$g->{sub}'"), 4, 'and nothing is lost');
	is(is_anonymous($g->{sub}), 't', 'nor the guest');
	query('DROP TABLE carts');
}
settings(promotion_conflict => 'error');

# Switched-off kinds of login ID

settings(login_id_types => '{username}');
{
	my $b = browser();
	my ($f) = form($b);

	like($b->get($f)->{body}, qr/name="login_id_type"[^>]*value="username"|value="username"[^>]*name="login_id_type"/,
		'the form asks for the kind of login ID that is switched on');
	unlike($b->get("$f&login_id_type=email")->{body}, qr/value="email"/, 'and for no other, whatever the address says');
}
settings(login_id_types => '{email,phone_number,username}');

# ---------------------------------------------------------------------------
# Logging in without a guest
# ---------------------------------------------------------------------------

# Passwords are tried here more often than a person would.
settings(password_attempts_per_minute_per_user_per_ip => 1000, password_attempts_per_minute_per_user => 1000);
my $returning = browser();
my $login_form = authorize($returning)->{location};
like($login_form, qr{^https://auth\.example/flows/login\?x_ref=}, 'without a guest, authorize leads to the login');
shows($returning->get($login_form), 200, qr/current-password/, qr/<input(?=[^>]*name="login_id")(?![^>]*readonly)/s, 'the login form');
for my $wrong ([ 'me@example.com', 'wrong password' ], [ 'nobody@example.com', 'long enough' ])
{
	my $answer = $returning->post_form($login_form, login_id => $wrong->[0], password => $wrong->[1]);

	is($answer->{status}, 422, 'wrong credentials are refused');
	$answer->{body} =~ s/\Q$wrong->[0]\E//g;
	push @$wrong, $answer->{body};
	is($answer->{body} eq $wrong->[2], 1, 'with a page');
}
{
	my @bodies = map {
		$returning->post_form($login_form, login_id => $_, password => 'wrong one')->{body} =~ s/\Q$_\E//gr
	} 'me@example.com', 'nobody@example.com';

	is($bodies[0], $bodies[1], 'which does not tell whether there is such an account');
}
shows($returning->post_form($login_form, login_id => '', password => ''), 422, qr/aria-invalid="true"/, 'an empty login form');
my $back = $returning->post_form($login_form, login_id => 'me@example.com', password => 'long enough');
is((jws_parts(exchange($back->{location})->{json}{access_token}))[1]{sub}, $guest->{sub}, 'the right password logs in');
shows($returning->get($login_form =~ s/login/promote_user/r), 400, qr/./, 'the login is no promotion');
my $cookie_login = browser();
$cookie_login->post_form(authorize($cookie_login, %site)->{location}, login_id => 'cookie@example.com', password => 'long enough');
is($cookie_login->get('/oauth2/userinfo')->{json}{sub}, $cookie_sub, 'a cookie client gets a session by login');
{
	my $b = browser();
	$b->post_json('/api/anonymous_user/signup', { session_type => 'cookie' });
	my $left = $b->get('/oauth2/userinfo')->{json}{sub};
	$b->post_form(authorize($b, %site)->{location}, login_id => 'cookie@example.com', password => 'long enough');
	is($b->get('/oauth2/userinfo')->{json}{sub}, $cookie_sub, 'a guest with a cookie who logs in is the other user');
	is(query("SELECT count(*) FROM anon_auth.sessions WHERE user_id = '$left'"), 0, 'and the session that nobody can show any more is gone');
}
is(authorize(browser(), client_id => 'partner', redirect_uri => 'https://partner.example/')->{location} =~ /error=unauthorized_client/, 1,
	'clients of third parties get no login');

# Too many attempts

settings(password_attempts_per_minute_per_user => 2);
{
	my $b = browser();
	my $f = authorize($b)->{location};
	my $try = sub { return $b->post_form($f, login_id => $_[0], password => 'wrong password'); };

	is(join(' ', map { $try->('throttled@example.com')->{status} } 1 .. 3), '422 422 429', 'the third of two attempts a minute is refused');
	my $answer = $try->('THROTTLED@example.com ');
	shows($answer, 429, qr/role="alert"/, 'another spelling of the login ID does not help');
	like(join(',', @{ $answer->{headers}{'retry-after'} }), qr/^(?:29|30)$/, 'the answer says when to try again');
	is($try->('somebody.else@example.com')->{status}, 422, 'others are not concerned');
}
settings(password_attempts_per_minute_per_user => 1000);

# ---------------------------------------------------------------------------
# authorize: errors that are shown, and errors that are sent to the client
# ---------------------------------------------------------------------------

my @not_redirected = (
	[ 'an unknown client', { client_id => 'x' } ],
	[ 'no client', { client_id => undef } ],
	[ 'no redirect URI', { redirect_uri => undef } ],
	[ 'a redirect URI of nobody', { redirect_uri => 'https://evil.example/' } ],
	[ 'a redirect URI of another client', { redirect_uri => 'https://app.example/home' } ],
	map { [ "the redirect URI $_", { redirect_uri => $_ } ] } 'https://app.example/cb/', 'https://app.example/CB',
	'https://app.example/cb#x', 'https://app.example/cb?x=1', 'https://app.example/cb/../evil', 'https://app.example@evil.example/cb',
	'//app.example/cb', 'javascript:alert(1)', "https://app.example/cb\rSet-Cookie: a=b");

for my $case (@not_redirected)
{
	my ($name, $parameters) = @$case;
	my $answer = authorize(browser(), login_hint => $guest->{hint}, %$parameters);

	is($answer->{status}, 400, "$name: refused");
	is($answer->{location}, undef, "$name: not redirected");
	is_deeply($answer->{headers}{'content-type'}, ['text/plain; charset=utf-8'], "$name: plain text");
	like($answer->{body}, qr/^Invalid OAuth authorization request: /, "$name: says what it is");
	is($answer->{headers}{'set-cookie'}, undef, "$name: no cookie");
}
is(browser()->get('/oauth2/authorize?client_id=web&client_id=web')->{status}, 400, 'a parameter twice: refused');

my $live = guest();
my $live_sub = $live->{sub};
my @redirected = (
	[ 'no response type', { response_type => undef }, 'invalid_request', 'response_type is required' ],
	[ 'an unknown response type', { response_type => 'token' }, 'unsupported_response_type', 'response type is not supported' ],
	[ 'response mode fragment', { response_mode => 'fragment' }, 'invalid_request', "only response mode 'query' is supported" ],
	[ 'no scope', { scope => undef }, 'invalid_request', 'scope is required' ],
	[ 'a scope without openid', { scope => 'offline_access' }, 'invalid_scope', "must request 'openid' scope" ],
	[ 'an unknown scope', { scope => 'openid admin' }, 'invalid_scope', 'specified scope is not allowed: admin' ],
	[ 'no PKCE', { code_challenge => undef }, 'invalid_request', 'PKCE code challenge is required for public clients' ],
	[ 'PKCE plain', { code_challenge_method => 'plain' }, 'invalid_request', "only 'S256' PKCE transform is supported" ],
	[ 'PKCE without a method', { code_challenge_method => undef }, 'invalid_request', "only 'S256' PKCE transform is supported" ],
	[ 'a bad code challenge', { code_challenge => 'x' }, 'invalid_request', 'invalid PKCE code challenge' ],
	[ 'prompt none', { prompt => 'none' }, 'interaction_required', 'the user must fill in a form' ],
	[ 'a nonce of 300 bytes', { nonce => 'n' x 300 }, 'invalid_request', 'nonce is too long' ],
	[ 'a login hint of somebody else', { login_hint => 'https://evil.example/login_hint?type=anonymous&jwt=x' },
		'invalid_request', 'invalid login_hint' ],
	[ 'a login hint of another type', { login_hint => 'https://authgear.com/login_hint?type=app_session_token' },
		'invalid_request', 'invalid login_hint type' ],
	[ 'a login hint without proof', { login_hint => 'https://authgear.com/login_hint?type=anonymous' },
		'invalid_request', 'unexpected login hint content' ],
	[ 'a promotion code that is none', { login_hint => hint(promotion_code => 'x') }, 'invalid_request', 'invalid promotion code' ],
	[ 'a jwt that is none', { login_hint => hint(jwt => 'x') }, 'invalid_request', 'InvalidCredentials' ],
	[ 'a jwt that was used to promote', { login_hint => hint(jwt => $promote_jwt) }, 'invalid_request', 'InvalidCredentials' ],
	[ 'the promotion code of a regular user', { login_hint => $guest->{hint} }, 'invalid_request', 'user logged in as normal user' ]);

for my $case (@redirected)
{
	my ($name, $parameters, $error, $description) = @$case;
	my $answer = authorize(browser(), login_hint => $live->{hint}, %$parameters);

	is($answer->{status}, 303, "$name: redirected");
	like($answer->{location}, qr{^https://app\.example/cb\?error=}, "$name: to the client");
	is_deeply(parameters($answer->{location}), { error => $error, error_description => $description, state => 'a state' },
		"$name: with error, description and state");
	is($answer->{headers}{'set-cookie'}, undef, "$name: no cookie");
}
is(parameters(authorize(browser(), login_hint => $live->{hint}, state => 's' x 7000)->{location})->{error}, 'invalid_request',
	'a state of 7000 bytes is refused');
is(browser()->post_form('/oauth2/authorize', %authorize, login_hint => $live->{hint})->{status}, 303, 'authorize takes POST, too');

# ---------------------------------------------------------------------------
# A redirect URI that is removed from the client while a flow is open
# ---------------------------------------------------------------------------

{
	my $kept = query(q{SELECT redirect_uris FROM anon_auth.clients WHERE client_id = 'web'});
	my $signing_up = browser();
	my $logging_in = browser();
	my ($sign_up_form, $waiting_guest) = form($signing_up);
	my $log_in_form = authorize($logging_in)->{location};
	my $log_in = sub { return $logging_in->post_form($log_in_form, login_id => 'me@example.com', password => 'long enough') };
	my $code = $log_in->()->{location};

	query(q{UPDATE anon_auth.clients SET redirect_uris = '{https://app.example/other}' WHERE client_id = 'web'});
	shows($signing_up->get($sign_up_form), 400, qr/./, 'when its redirect URI is removed, an open sign-up page is not shown again');
	my $answer = submit($signing_up, $sign_up_form, login_id => 'removed@example.com');
	is($answer->{location}, undef, '... its form redirects nobody');
	unlike($answer->{body}, qr{app\.example/cb}, '... and the page has no link there');
	is(is_anonymous($waiting_guest->{sub}), 't', '... and the guest stays a guest');
	is($log_in->()->{location}, undef, '... nor does an open login page');
	is(exchange($code)->{status}, 400, '... and a code that was issued for it is refused');
	query("UPDATE anon_auth.clients SET redirect_uris = '$kept' WHERE client_id = 'web'");
	ok(exchange($code)->{json}{access_token}, 'when the URI is registered again, the code can be exchanged');
	ok($log_in->()->{location}, '... and the login page works');
}

# ---------------------------------------------------------------------------
# The form is this browser's, for a while, and for the guest it was made for
# ---------------------------------------------------------------------------

my $mine = browser();
my ($my_form, $my_guest) = form($mine);
sub expired
{
	my ($answer, $name) = @_;

	shows($answer, 400, qr/./, $name);
	unlike($answer->{body}, qr/name="password"/, "$name: there is no form");
}
expired(browser()->get($my_form), 'the address in another browser');
expired(submit(browser(), $my_form, login_id => 'thief@example.com'), 'the form in another browser');
my $third = browser();
form($third);
expired($third->get($my_form), 'the address in a browser with a form of its own');
expired($mine->get($page), 'no address');
expired($mine->get("$page?x_ref=" . ($my_form =~ /x_ref=([^.]*)/)[0] . '.AAAA'), 'a forged tag');
my ($payload, $tag) = $my_form =~ /x_ref=([^.]*)\.(.*)/;
my $changed = encode_base64url(decode_base64url($payload) =~ s/"sub":"\K[^"]*/$live_sub/r);
expired($mine->get("$page?x_ref=$payload." . encode_base64url("\0" x 32)), 'a forged tag of the right length');
expired($mine->get("$page?x_ref=$changed.$tag"), 'the address with the id of another guest');
expired($mine->get("$page?x_ref=$payload."), 'no tag');
expired($mine->get("$page?x_ref=$payload.$tag."), 'two tags');
expired($mine->get("$page?x_ref=x" . ($my_form =~ /x_ref=(.*)/)[0]), 'a changed address');
is(is_anonymous($my_guest->{sub}), 't', 'the guest is still one');

for my $from ({ 'sec-fetch-site' => 'cross-site' }, { origin => 'https://evil.example', 'sec-fetch-site' => undef },
	{ origin => 'null', 'sec-fetch-site' => undef }, { origin => 'https://app.example', 'sec-fetch-site' => 'same-site' })
{
	my $answer = $mine->request('POST', $my_form,
		AnonAuth::Browser::form(login_id_type => 'email', login_id => 'x@example.com', password => 'long enough'),
		'content-type' => 'application/x-www-form-urlencoded', %$from);

	cmp_ok($answer->{status}, '>=', 400, 'a form sent by another site is refused: '
		  . join ' ', map { $_ . ' ' . ($from->{$_} // 'none') } sort keys %$from);
}
is(is_anonymous($my_guest->{sub}), 't', 'and does nothing');
is($returning->request('POST', $login_form, AnonAuth::Browser::form(login_id => 'me@example.com', password => 'long enough'),
		'content-type' => 'application/x-www-form-urlencoded', origin => 'https://app.example', 'sec-fetch-site' => 'same-site')->{status},
	403, 'another origin cannot log a browser in');

my $second_tab = authorize($mine, login_hint => guest()->{hint})->{location};
is($mine->get($my_form)->{status}, 200, 'a second tab does not disturb the first');
is(submit($mine, $second_tab, login_id => 'tab2@example.com')->{status}, 303, 'the second tab works');
is(submit($mine, $my_form, login_id => 'tab1@example.com')->{status}, 303, 'and then the first');

my $ended = browser();
my ($ended_form, $ended_guest) = form($ended);
browser()->post_form('/oauth2/revoke', token => $ended_guest->{refresh_token});
expired(submit($ended, $ended_form, login_id => 'late@example.com'), 'a guest who has logged out meanwhile');
my $disabled = browser();
my ($disabled_form, $disabled_guest) = form($disabled);
call($node, 'disable_user', user_id => $disabled_guest->{sub});
cmp_ok(submit($disabled, $disabled_form, login_id => 'late@example.com')->{status}, '>=', 400,
	'a guest who was disabled meanwhile cannot go on');
is(query("SELECT count(*) FROM anon_auth.login_ids WHERE value = 'late\@example.com'"), 0, 'neither has got an account');

# ---------------------------------------------------------------------------
# Headers of a page; hostile strings in it
# ---------------------------------------------------------------------------

my $hostile = q{"><script>alert(1)</script><img src=x onerror=alert(1)>'};
settings(brand_name => $hostile, page_texts => '{"en": {"sign_up_title": "<b>{app}</b><script>"}}');
my $victim = browser('accept-language' => $hostile);
my ($victim_form) = form($victim, state => $hostile, ui_locales => $hostile);
my @pages = ($victim->get($victim_form), submit($victim, $victim_form, login_id => $hostile),
	submit($victim, $victim_form, login_id => $hostile, login_id_type => $hostile, mode => $hostile),
	$victim->get("$victim_form&login_id_type=" . AnonAuth::Browser::encode($hostile)),
	browser()->get('/oauth2/end_session', post_logout_redirect_uri => $hostile, state => $hostile),
	$cookies->get('/oauth2/end_session', post_logout_redirect_uri => $hostile, state => $hostile, 'sec-fetch-site:' => 'cross-site'));
for my $i (0 .. $#pages)
{
	my $body = $pages[$i]{body};
	my $csp = $pages[$i]{headers}{'content-security-policy'}[0];
	my @scripts = $body =~ m{<script[^>]*>(.*?)</script>}gs;
	my @styles = $body =~ m{<style[^>]*>(.*?)</style>}gs;

	unlike($body, qr/<script>alert|<img src=x|<b>/, "page $i: hostile strings are escaped");
	unlike($body =~ s/"[^"]*"//gr, qr/<[a-z][^<>]*\s(?:on\w+|style)\s*=/i, "page $i: no inline handler, no inline style");
	unlike($body, qr{<[a-z][^<>]*\s(?:src|href)\s*=\s*["']?(?:https?:)?//(?!app\.example)}i, "page $i: nothing comes from elsewhere");
	like($csp, qr/(?:^|; )default-src 'none'(?:;|$)/, "page $i: nothing is allowed by default");
	like($csp, qr/frame-ancestors 'none'/, "page $i: it cannot be framed");
	like($csp, qr/base-uri 'none'/, "page $i: no base");
	like($csp, qr/form-action 'self'/, "page $i: forms lead here");
	unlike($csp, qr/unsafe|\*/, "page $i: no wildcard");
	for my $inline (@scripts, @styles)
	{
		utf8::encode($inline) if utf8::is_utf8($inline);
		like($csp, qr/'sha256-\Q@{[ sha256_base64($inline) ]}\E=?'/, "page $i: inline code is allowed by its hash");
	}
	is_deeply($pages[$i]{headers}{$_->[0]}, [ $_->[1] ], "page $i: $_->[0]")
	  for [ 'x-frame-options', 'DENY' ], [ 'x-content-type-options', 'nosniff' ], [ 'referrer-policy', 'same-origin' ];
}
settings(brand_name => undef, page_texts => '{}');

# Languages

for my $case ([ 'de', '', 'de' ], [ 'zh-TW en', '', 'zh-Hant' ], [ '', 'de-AT,de;q=0.9,en;q=0.5', 'de' ],
	[ 'fr', 'xx', 'en' ], [ '', '', 'en' ])
{
	my ($ui_locales, $accept_language, $expected) = @$case;
	my $b = browser('accept-language' => $accept_language);
	my ($f) = form($b, ui_locales => $ui_locales);

	like($b->get($f)->{body}, qr/<html[^>]*lang="$expected"/, "ui_locales '$ui_locales', Accept-Language '$accept_language': $expected");
}

# A promotion that leads to an account there is, whose password is guessed

settings(promotion_conflict => 'merge', password_attempts_per_minute_per_user => 1);
my $guessing = browser();
my ($guessing_form) = form($guessing);
shows(submit($guessing, $guessing_form, mode => 'log_in', login_id => 'phone@example.com', password => 'a wrong one'), 422, qr/aria-invalid="true"/,
	'a wrong password of an account to merge with');
my $too_often = submit($guessing, $guessing_form, mode => 'log_in', login_id => 'phone@example.com', password => 'another one');
shows($too_often, 429, qr/name="password"/, qr/one attempt too many/, '... too often');
like($too_often->{headers}{'retry-after'}[0], qr/^\d+$/, '... says when to try again');
settings(promotion_conflict => 'error', password_attempts_per_minute_per_user => 30);
query('SELECT anon_auth.reset_counters()');

# Login IDs longer than anybody's

my $long = browser();
my ($long_form) = form($long);
shows(submit($long, $long_form, login_id => 'x' x 5000 . '@example.com'), 422, qr/aria-invalid="true"/, 'a login ID of 5000 characters at sign-up');
my $long_login = authorize($long)->{location};
shows($long->post_form($long_login, login_id => 'x' x 5000, password => 'long enough'), 422, qr/aria-invalid="true"/, '... at login');

# Logout that another site asks for

my $asked_out = $cookies->get('/oauth2/end_session', post_logout_redirect_uri => 'https://app.example/bye', state => 's',
	ui_locales => 'de', 'sec-fetch-site:' => 'cross-site');
shows($asked_out, 200, qr/<form[^>]*method="post"/i, qr/<html[^>]*lang="de"/, qr/name="ui_locales" value="de"/, 'a logout that another site asks for is asked about');
is($cookies->get('/oauth2/userinfo')->{status}, 200, 'and has not happened');
is($cookies->post_form('/oauth2/end_session', post_logout_redirect_uri => 'https://app.example/bye', state => 's')->{location},
	'https://app.example/bye?state=s', 'until the user says so');
is($cookies->get('/oauth2/userinfo')->{status}, 401, 'then it has');
my $unregistered = browser()->get('/oauth2/end_session', post_logout_redirect_uri => 'https://evil.example/');
shows($unregistered, 200, qr/./, 'a logout URI that is not registered');
is($unregistered->{location}, undef, 'is not gone to');

# Time

SKIP:
{
	my $clock = AnonAuth::Clock->new;

	skip 'there is no C compiler to make a clock with', 1 if !$clock;
	$clock->restart($node);

	my $slow = browser();
	my ($slow_form, $slow_guest) = form($slow);
	$clock->set_ahead(19 * 60);
	is($slow->get($slow_form)->{status}, 200, 'the form is good for 19 minutes, though the promotion code was for 5');
	my $slow_done = submit($slow, $slow_form, login_id => 'slow@example.com');
	is($slow_done->{status}, 303, 'and can be sent');
	is((jws_parts(exchange($slow_done->{location})->{json}{access_token}))[1]{sub}, $slow_guest->{sub}, 'for the guest');

	my $slower = browser();
	my ($slower_form) = form($slower);
	$clock->set_ahead(40 * 60);
	expired($slower->get($slower_form), 'the form after 21 minutes');
	expired(submit($slower, $slower_form, login_id => 'slower@example.com'), 'what is sent after 21 minutes');
}

$node->stop;
done_testing();
