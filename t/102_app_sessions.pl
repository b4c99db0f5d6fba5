# What the SDKs call in a session of an app: app session tokens, settings actions,
# refreshing the ID token, and prompt=none; and the attacks on them. AnonAuth::Browser calls
# the functions as PostgREST would. t/103 uses the SDKs themselves.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Browser;
use AnonAuth::Clock;
use AnonAuth::Connection;
use AnonAuth::Device qw(jws_parts sql_literal);
use Digest::SHA qw(sha256);
use JSON::PP ();
use MIME::Base64 qw(encode_base64url);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->append_conf('postgresql.conf', 'fsync = off');
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION anon_auth;
CREATE EXTENSION anon_auth_http;
CREATE ROLE anon NOLOGIN;
CREATE ROLE authenticated NOLOGIN;
CREATE ROLE authenticator LOGIN NOINHERIT;
GRANT anon, authenticated TO authenticator;
SELECT anon_auth.grant_http_api(r::regrole) FROM unnest('{authenticator,anon,authenticated}'::text[]) AS r;
SELECT anon_auth.create_client('app', 'native', '{com.example.app://done}', name => 'Notebook'),
	anon_auth.create_client('other', 'native', '{com.example.other://done}'),
	anon_auth.create_client('web', 'spa', '{https://app.example/cb}'),
	anon_auth.create_client('site', 'traditional_webapp', '{https://site.example/}'),
	anon_auth.create_client('partner', 'third_party_app', '{https://partner.example/}');
UPDATE anon_auth.clients SET id_token = 'always';
UPDATE anon_auth.settings SET issuer = 'https://auth.example', password_hash_memory_kib = 8192, password_hash_passes = 1,
	cookie_prefix = '', login_id_types = '{email,username}';
SQL

my $json = JSON::PP->new->canonical;
my $hint = 'https://authgear.com/login_hint?type=app_session_token&app_session_token=';
my $verifier = 'v' x 43;
my $id_token_grant = 'urn:authgear:params:oauth:grant-type:id-token';
my $action_grant = 'urn:authgear:params:oauth:grant-type:settings-action';
my $action_type = 'urn:authgear:params:oauth:response-type:settings-action';
my $full_access = 'openid https://authgear.com/scopes/full-access';
my $count = 0;

sub query { return $node->safe_psql('postgres', $_[0]); }
sub browser { return AnonAuth::Browser->new($node, @_); }
sub parameters { return map { s/\+/ /gr =~ s/%([0-9A-F]{2})/chr hex $1/ger } map { split /=/, $_, 2 } split /&/, $_[0] =~ s/^[^?]*\??//r; }
sub claims { return (jws_parts($_[0]))[1]; }

# A later parameter replaces one of the same name.
sub token
{
	my %parameters = (client_id => 'app', @_);

	return browser()->post_form('/oauth2/token', %parameters);
}

# A user with tokens of a client.
sub account
{
	my ($client, %options) = @_;
	my $email = $options{email} // sprintf 'user%d@example.com', ++$count;
	my $tokens = $json->decode(query(<<"SQL"));
SELECT row_to_json(p) FROM anon_auth.authenticate_anonymously('$client') g,
	anon_auth.promote_anonymous_user('$client', email => '$email', password => 'a long password', refresh_token => g.refresh_token) p;
SQL
	return { %$tokens, email => $email, claims => claims($tokens->{id_token}) };
}

sub guest { return $json->decode(query("SELECT row_to_json(g) FROM anon_auth.authenticate_anonymously('$_[0]') g")); }

sub ask_for_token { return browser()->post_json('/oauth2/app_session_token', { refresh_token => $_[0] }); }
sub app_session_token { return ask_for_token($_[0]{refresh_token})->{json}{result}{app_session_token}; }

# The answer to open(Page.Settings) of the SDKs.
sub open_settings
{
	my ($browser, $token, %parameters) = @_;
	my %all = (
		response_type => 'none',
		client_id => 'app',
		redirect_uri => 'https://auth.example/settings',
		prompt => 'none',
		login_hint => "$hint$token",
		scope => "$full_access offline_access",
		%parameters);

	return $browser->get('/oauth2/authorize', %all);
}

# The answer to a settings action of the SDKs.
sub start_action
{
	my ($browser, $token, $action, %parameters) = @_;
	my %all = (
		response_type => $action_type,
		client_id => 'app',
		redirect_uri => 'com.example.app://done',
		scope => $full_access,
		state => 'a state',
		code_challenge_method => 'S256',
		code_challenge => encode_base64url(sha256($verifier)),
		login_hint => "$hint$token",
		x_settings_action => $action,
		x_settings_action_query => 'q_login_id=undefined',
		%parameters);

	delete $all{$_} for grep { !defined $all{$_} } keys %all;
	return $browser->get('/oauth2/authorize', %all);
}

sub is_expired_page
{
	my ($answer, $name) = @_;

	is($answer->{status}, 400, "$name: status 400");
	is($answer->{headers}{'set-cookie'}, undef, "$name: no cookie is set");
	is($answer->{location}, undef, "$name: the browser is not redirected");
	return;
}

# ---------------------------------------------------------------------------
# POST /oauth2/app_session_token
# ---------------------------------------------------------------------------

my $alice = account('app');
my $answer = ask_for_token($alice->{refresh_token});
is($answer->{status}, 200, 'a refresh token gives an app session token') or diag($answer->{body});
is_deeply([ sort keys %{ $answer->{json}{result} } ], [qw(app_session_token expire_at)], 'with the time of its expiry');
like($answer->{json}{result}{expire_at}, qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z$/, 'in RFC 3339');
is_deeply($answer->{headers}{'cache-control'}, ['no-store'], 'and nobody may store it');

sub api_error_is
{
	my ($answer, $status, $reason, $message, $name) = @_;

	is($answer->{status}, $status, "$name: status $status");
	is("$answer->{json}{error}{reason}: $answer->{json}{error}{message}", "$reason: $message", "$name: the error");
	return;
}

my $invalid_refresh_token = [ 403, 'InvalidGrant', 'invalid refresh token' ];
api_error_is(ask_for_token('nonsense'), @$invalid_refresh_token, 'a text that is no refresh token');
my $ended = account('app');
query('SELECT anon_auth.revoke(' . sql_literal($ended->{refresh_token}) . ')');
api_error_is(ask_for_token($ended->{refresh_token}), @$invalid_refresh_token, 'a session that has ended');
my $disabled = account('app');
query("SELECT anon_auth.disable_user('$disabled->{sub}')");
api_error_is(ask_for_token($disabled->{refresh_token}), @$invalid_refresh_token, 'a disabled user');
api_error_is(browser()->post_json('/oauth2/app_session_token', {}), 400, 'ValidationFailed', 'invalid request body', 'no refresh token');
my $partner = account('app');
query("UPDATE anon_auth.sessions SET client_id = 'partner' WHERE user_id = '$partner->{sub}'");
api_error_is(ask_for_token($partner->{refresh_token}), 403, 'Forbidden', 'the client is not authorized to have full user access', 'a third-party client');

# ---------------------------------------------------------------------------
# Opening a settings page
# ---------------------------------------------------------------------------

my $browser = browser();
my $token = app_session_token($alice);
$answer = open_settings($browser, $token);
is($answer->{status}, 303, 'an app session token opens a settings page') or diag($answer->{body});
is($answer->{location}, 'https://auth.example/settings', 'without code and state');
is_deeply($answer->{headers}{'cache-control'}, ['no-store'], 'and nobody may store the answer');
my ($cookie) = @{ $answer->{headers}{'set-cookie'} };
like($cookie, qr/^app_session=[\w-]{86}; Path=\/settings; HttpOnly; SameSite=Lax; Secure$/, 'the cookie counts on the settings pages only');
is_expired_page(open_settings(browser(), $token), 'the same token again');

for my $type (qw(code none whatever))
{
	is(open_settings(browser(), app_session_token($alice), response_type => $type, code_challenge => 'x')->{status}, 303,
		"response_type=$type does not matter, because some SDKs send it");
}
is(open_settings(browser(), app_session_token($alice), redirect_uri => 'https://auth.example/settings/sessions?ui_locales=de&x_color_scheme=dark')->{location},
	'https://auth.example/settings/sessions?ui_locales=de&x_color_scheme=dark', 'a page and its parameters');
query("UPDATE anon_auth.settings SET cookie_prefix = NULL");
$answer = open_settings(browser(), app_session_token($alice));
like($answer->{headers}{'set-cookie'}[0], qr/^__Host-app_session=[\w-]+; Path=\/; HttpOnly; SameSite=Lax; Secure$/, 'a cookie with __Host- has the only path that browsers accept');
query("UPDATE anon_auth.settings SET cookie_prefix = '', issuer = 'https://example.com/auth'");
$answer = open_settings(browser(), app_session_token($alice), redirect_uri => 'https://example.com/settings?ui_locales=en');
is($answer->{location}, 'https://example.com/auth/settings?ui_locales=en', 'the SDKs leave out the path of the issuer');
like($answer->{headers}{'set-cookie'}[0], qr/; Path=\/auth\/settings;/, 'the cookie has that path');
query("UPDATE anon_auth.settings SET issuer = 'https://auth.example'");

# The token is not used up by a request that cannot be the user's.
for my $uri (
	'https://auth.example/', 'https://auth.example/settings2', 'https://auth.example/settings#f', 'https://auth.example/settings/../oauth2/authorize',
	'https://auth.example/settings/%2e%2e/flows/login', 'https://auth.example.evil.example/settings', 'https://auth.example@evil.example/settings',
	'https://evil.example/settings', 'http://auth.example/settings', "https://auth.example/settings?a=b\r\nSet-Cookie: x=y", 'https://auth.example/oauth2/authorize', '/settings', '')
{
	my $open = app_session_token($alice);
	my $refused = open_settings(browser(), $open, redirect_uri => $uri);
	is($refused->{status}, 400, 'not redirected to ' . ($uri =~ s/[\r\n]/./gr));
	is($refused->{headers}{'set-cookie'}, undef, 'and no cookie');
	is(open_settings(browser(), $open)->{status}, 303, 'and the token is not used up');
}
is(open_settings(browser(), 'x', redirect_uri => 'https://auth.example/settings', login_hint => 'alice@example.com')->{status}, 400, 'a settings page is no redirect URI for a login');
for my $headers ([ 'Sec-Purpose:' => 'prefetch' ], [ 'Sec-Fetch-Mode:' => 'no-cors', 'Sec-Fetch-Dest:' => 'image' ], [ 'Sec-Fetch-Mode:' => 'navigate', 'Sec-Fetch-Dest:' => 'iframe' ])
{
	my $open = app_session_token($alice);
	my $refused = open_settings(browser(), $open, @$headers);
	cmp_ok($refused->{status}, '>=', 400, "not a navigation: @$headers");
	is($refused->{headers}{'set-cookie'}, undef, 'no cookie is set');
	is(open_settings(browser(), $open)->{status}, 303, 'the token is not used up');
}

# A link preview.
{
	my $open = app_session_token($alice);
	my $target = '/oauth2/authorize?' . AnonAuth::Browser::form(response_type => 'none', client_id => 'app', redirect_uri => 'https://auth.example/settings', login_hint => "$hint$open");
	my $previewed = browser()->request('HEAD', $target);
	is($previewed->{headers}{'set-cookie'}, undef, 'HEAD sets no cookie');
	is(open_settings(browser(), $open)->{status}, 303, 'HEAD does not use up a token');
}
{
	my $user = account('app');
	browser()->request('HEAD', '/oauth2/end_session?' . AnonAuth::Browser::form(id_token_hint => $user->{id_token}));
	is(query("SELECT count(*) FROM anon_auth.sessions WHERE user_id = '$user->{sub}'"), 1, 'HEAD does not end the session of an id_token_hint');
	is(browser()->get('/oauth2/end_session', id_token_hint => $user->{id_token})->{status}, 200, 'GET shows the page');
	is(query("SELECT count(*) FROM anon_auth.sessions WHERE user_id = '$user->{sub}'"), 0, 'and ends it');
}

# Attacks on tokens.
is_expired_page(open_settings(browser(), app_session_token($alice), client_id => 'other'), 'the token of another client');
is_expired_page(open_settings(browser(), 'nonsense'), 'a text that is no token');
my $forged = app_session_token($alice);
substr($forged, 50, 1) = substr($forged, 50, 1) eq 'A' ? 'B' : 'A';
is_expired_page(open_settings(browser(), $forged), 'a forged token');
is_expired_page(open_settings(browser(), $cookie =~ /=([\w-]+)/), 'a cookie in place of a token');
is_expired_page(open_settings(browser(), $alice->{refresh_token}), 'a refresh token in place of a token');
my ($first, $second) = map { app_session_token($alice) } 1, 2;
is(open_settings(browser(), $second)->{status}, 303, 'a later token can be used first');
is_expired_page(open_settings(browser(), $first), 'an earlier token is used up by a later one');
my $old = app_session_token($alice);
query("UPDATE anon_auth.sessions SET app_token_issued_at = now() + interval '1 second' WHERE user_id = '$alice->{sub}'");
is_expired_page(open_settings(browser(), $old), 'a token that was issued before the last used one');
query("UPDATE anon_auth.sessions SET app_token_issued_at = NULL WHERE user_id = '$alice->{sub}'");
for my $end (
	[ 'a session that was revoked', sub { query('SELECT anon_auth.revoke(' . sql_literal($_[0]{refresh_token}) . ')') } ],
	[ 'a user whose sessions were revoked', sub { query("SELECT anon_auth.revoke_sessions('$_[0]{sub}')") } ],
	[ 'a user who was disabled', sub { query("SELECT anon_auth.disable_user('$_[0]{sub}')") } ],
	[ 'a user who was deleted', sub { query("SELECT anon_auth.delete_user('$_[0]{sub}')") } ],
	[ 'a session that has expired', sub { query("UPDATE anon_auth.sessions SET expires_at = now() WHERE user_id = '$_[0]{sub}'") } ])
{
	my $user = account('app');
	my $open = app_session_token($user);
	$end->[1]->($user);
	is_expired_page(open_settings(browser(), $open), "the token of $end->[0]");
}
is(open_settings(browser(), app_session_token({ refresh_token => guest('app')->{refresh_token} }))->{status}, 303, 'a guest has settings, too');

# In parallel: the second transaction waits for the first one.
{
	my $open = app_session_token($alice);
	my $blocker = AnonAuth::Connection->new($node);
	$blocker->query('BEGIN');
	$blocker->query("SELECT FROM anon_auth.sessions WHERE user_id = '$alice->{sub}' FOR UPDATE");
	my $request = sub {
		my $headers = $json->encode({ 'x-original-method' => 'GET', 'x-original-query' => AnonAuth::Browser::form(response_type => 'none', client_id => 'app', redirect_uri => 'https://auth.example/settings', login_hint => "$hint$open") });
		return 'BEGIN; SELECT set_config(\'request.headers\', ' . sql_literal($headers) . ", true); SELECT anon_auth_http.authorize(''); SELECT current_setting('response.status'); COMMIT;";
	};
	my @racing = map { AnonAuth::Connection->new($node) } 1 .. 4;
	$_->begin($request->()) for @racing;
	$node->poll_query_until('postgres', "SELECT count(*) = 4 FROM pg_stat_activity WHERE wait_event_type = 'Lock'") or die 'the requests do not wait';
	$blocker->query('COMMIT');
	my @statuses = sort map { my ($status) = grep { /^\d{3}$/ } split /\s+/, $_->end->[0]; $status } @racing;
	is("@statuses", '303 400 400 400', 'of four requests at the same time with a token, one opens the page');
}


# ---------------------------------------------------------------------------
# The cookie of an app's session
# ---------------------------------------------------------------------------

# The address of the account that the settings pages show, or the status.
sub shown
{
	my ($browser) = @_;
	my $page = $browser->get('/settings');

	return $page->{status} == 200 && $page->{body} =~ /(user\d+\@example\.com)/ ? $1 : $page->{status};
}

# A browser with the session of an app, and one with a login of its own.
sub app_browser
{
	my ($user, %parameters) = @_;
	my $new = browser();

	open_settings($new, app_session_token($user), %parameters);
	return $new;
}

sub log_in
{
	my ($browser, $user) = @_;
	my $page = $browser->get('/oauth2/authorize', client_id => 'site', response_type => 'none', scope => 'openid', redirect_uri => 'https://site.example/')->{location};

	is($browser->post_form($page, login_id => $user->{email}, password => 'a long password')->{status}, 303, "$user->{email} logs in on the page");
	return $browser;
}

$alice = account('app');
my $bob = account('app');
$browser = app_browser($alice);
is(shown($browser), $alice->{email}, 'the settings show the account of the app');
is(shown(browser()), 403, 'without the cookie, they show nobody');
is($browser->get('/oauth2/userinfo')->{status}, 401, 'the cookie is not sent to userinfo');
$browser->cookies->{app_session}[1]{path} = '/';
is(shown($browser), $alice->{email}, 'with another path, the cookie counts on the settings pages');
is($browser->get('/oauth2/userinfo')->{status}, 401, 'and is no session for userinfo');
is($browser->get('/resolve')->{headers}{'x-authgear-session-valid'}, undef, 'nor for other programs');
is({ parameters($browser->get('/oauth2/authorize', client_id => 'site', response_type => 'none', scope => 'openid', redirect_uri => 'https://site.example/', prompt => 'none')->{location}) }->{error},
	'login_required', 'nor for prompt=none');
is($browser->post_form('/oauth2/token', grant_type => $id_token_grant, client_id => 'app')->{status}, 401, 'nor for an ID token');

# Beside the login of another user: each counts in its place.
log_in($browser, $bob);
is(shown($browser), $alice->{email}, 'beside a login of another user, the settings show the account of the app');
is($browser->get('/oauth2/userinfo')->{json}{sub}, $bob->{sub}, 'and userinfo that of the login');
is_expired_page(open_settings($browser, 'nonsense'), 'a token that is not valid');
is(shown($browser), $alice->{email}, 'the cookie of a former token stays');
query('SELECT anon_auth.revoke(' . sql_literal($alice->{refresh_token}) . ')');
is(shown($browser), $bob->{email}, 'after the session of the app, the login of the browser counts again');

# The cookie and its session.
for my $end (
	[ 'a logout of the app', sub { query('SELECT anon_auth.revoke(' . sql_literal($_[0]{refresh_token}) . ')') } ],
	[ 'revoke_sessions()', sub { query("SELECT anon_auth.revoke_sessions('$_[0]{sub}')") } ],
	[ 'disable_user()', sub { query("SELECT anon_auth.disable_user('$_[0]{sub}')") } ],
	[ 'delete_user()', sub { query("SELECT anon_auth.delete_user('$_[0]{sub}')") } ],
	[ 'the expiry of the session', sub { query("UPDATE anon_auth.sessions SET expires_at = now() WHERE user_id = '$_[0]{sub}'") } ])
{
	my $user = account('app');
	my $shows = app_browser($user);
	is(shown($shows), $user->{email}, "before $end->[0], the settings show the account");
	$end->[1]->($user);
	is(shown($shows), 403, "after $end->[0], they do not");
}

# The cookie in other hands.
$alice = account('app');
$browser = app_browser($alice);
my $value = $browser->cookies->{app_session}[0];
my $thief = browser();
$thief->cookies->{app_session} = [ $value, { path => '/settings' } ];
is(shown($thief), $alice->{email}, 'a copied cookie shows the account, as any copied session cookie does');
for my $position (0, 30, 45, 60, 85)
{
	my $changed = $value;
	substr($changed, $position, 1) = substr($changed, $position, 1) eq 'A' ? 'B' : 'A';
	$thief->cookies->{app_session}[0] = $changed;
	is(shown($thief), 403, "a cookie that is changed at $position is not valid");
}
$thief->cookies->{app_session}[0] = app_session_token($alice);
is(shown($thief), 403, 'an app session token is no cookie');
$thief->cookies->{app_session}[0] = $alice->{refresh_token};
is(shown($thief), 403, 'a refresh token is no cookie');
my $cookie_user = log_in(browser(), $bob);
$thief->cookies->{app_session}[0] = $cookie_user->cookies->{session}[0];
is(shown($thief), 403, 'a session cookie is no cookie of an app session');
$cookie_user->cookies->{session}[0] = $value;
is($cookie_user->get('/oauth2/userinfo')->{status}, 401, 'a cookie of an app session is no session cookie');

# After a rotation of the refresh token, the session is the same.
query("UPDATE anon_auth.clients SET refresh_token_rotation_enabled = true WHERE client_id = 'app'");
my $rotated = token(grant_type => 'refresh_token', refresh_token => $alice->{refresh_token})->{json};
isnt($rotated->{refresh_token}, $alice->{refresh_token}, 'the refresh token rotates');
is(shown($browser), $alice->{email}, 'the cookie survives a rotation of the refresh token');
api_error_is(ask_for_token($alice->{refresh_token}), @$invalid_refresh_token, 'the former refresh token');
is(ask_for_token($rotated->{refresh_token})->{status}, 200, 'the new refresh token gives a token');
query("UPDATE anon_auth.clients SET refresh_token_rotation_enabled = false WHERE client_id = 'app'");

# After a change of the master key, what the former one made is still accepted.
$alice = account('app');
$browser = app_browser($alice);
my ($former_token, $former_page) = (app_session_token($alice), start_action(browser(), app_session_token($alice), 'change_password')->{location});
$former_token = app_session_token($alice);
query('SELECT anon_auth.rotate_master_key()');
is(shown($browser), $alice->{email}, 'a cookie outlives the master key');
is(open_settings(browser(), $former_token)->{status}, 303, 'a token outlives the master key');
is($browser->get($former_page)->{status}, 200, 'the page of an action outlives the master key');

# ---------------------------------------------------------------------------
# refreshIDToken()
# ---------------------------------------------------------------------------

sub refresh_id_token { return browser(%{ $_[1] // {} })->post_form('/oauth2/token', grant_type => $id_token_grant, client_id => 'app', 'Authorization:' => "Bearer $_[0]"); }

$alice = account('app');
$answer = refresh_id_token($alice->{access_token});
is($answer->{status}, 200, 'an access token gives an ID token') or diag($answer->{body});
is_deeply([ keys %{ $answer->{json} } ], ['id_token'], 'and nothing else');
is_deeply($answer->{headers}{'cache-control'}, ['no-store'], 'which nobody may store');
my $claims = claims($answer->{json}{id_token});
is_deeply([ @$claims{qw(sub sid auth_time)}, @{ $claims->{aud} } ], [ @{ $alice->{claims} }{qw(sub sid auth_time)}, 'app' ], 'of the same session, and for the client');
ok(!exists $claims->{at_hash}, 'without the hash of an access token, because there is none in the answer');
query("SELECT anon_auth.add_login_id('username', 'name' || left(replace('$alice->{sub}', '-', ''), 20), access_token => " . sql_literal($alice->{access_token}) . ')');
query("UPDATE anon_auth.users SET standard_attributes = '{\"name\": \"Alice\"}' WHERE id = '$alice->{sub}'");
ok(claims(refresh_id_token($alice->{access_token})->{json}{id_token})->{'https://authgear.com/claims/user/can_reauthenticate'}, 'with the present claims of the user');

sub oauth_error_is
{
	my ($answer, $status, $error, $description, $name) = @_;

	is($answer->{status}, $status, "$name: status $status");
	is("$answer->{json}{error}: $answer->{json}{error_description}", "$error: $description", "$name: the error");
	return;
}

my @no_session = (401, 'invalid_grant', 'valid session is required');
oauth_error_is(token(grant_type => $id_token_grant), @no_session, 'without a session');
oauth_error_is(refresh_id_token('nonsense'), 401, 'invalid_token', 'the access token is invalid or has expired', 'a text that is no access token');
oauth_error_is(refresh_id_token($alice->{refresh_token}), 401, 'invalid_token', 'the access token is invalid or has expired', 'a refresh token');
oauth_error_is(token(grant_type => $id_token_grant, client_id => 'other', 'Authorization:' => "Bearer $alice->{access_token}"),
	400, 'unauthorized_client', 'this client may not refresh id token', 'the session of another client');
oauth_error_is(token(grant_type => $id_token_grant, client_id => 'partner', 'Authorization:' => "Bearer $alice->{access_token}"),
	400, 'unauthorized_client', 'this client may not refresh id token', 'a third-party client');
$cookie_user = log_in(browser(), $bob);
my @by_cookie = ('/oauth2/token', grant_type => $id_token_grant, client_id => 'site');
$answer = $cookie_user->post_form(@by_cookie, 'Sec-Fetch-Site:' => 'same-origin');
is(claims($answer->{json}{id_token})->{sub}, $bob->{sub}, 'a session cookie gives an ID token, too');
is($cookie_user->post_form(@by_cookie, 'Sec-Fetch-Site:' => 'same-site', 'Origin:' => 'https://evil.auth.example')->{json}{error}, 'unauthorized_client', 'but not to the page of another site');
query('SELECT anon_auth.revoke(' . sql_literal($alice->{refresh_token}) . ')');
oauth_error_is(refresh_id_token($alice->{access_token}), @no_session, 'a session that has ended');

# ---------------------------------------------------------------------------
# Settings actions
# ---------------------------------------------------------------------------

sub finish
{
	my ($code, %parameters) = @_;

	return token(grant_type => $action_grant, code => $code, redirect_uri => 'com.example.app://done', code_verifier => $verifier, %parameters);
}

sub action_error
{
	my ($answer) = @_;
	my %redirected = parameters($answer->{location} // '');

	return join ': ', grep { defined } @redirected{qw(error error_description)};
}

$alice = account('app');
my %pages = (
	change_password => 'change_password',
	delete_account => 'delete_account',
	map { ("add_$_" => "identity/add_$_", "change_$_" => "identity/change_$_") } qw(email phone username));
for my $action (sort keys %pages)
{
	$browser = browser();
	$answer = start_action($browser, app_session_token($alice), $action);
	like($answer->{location}, qr{^https://auth\.example/settings/$pages{$action}\?x_ref=[\w.-]+$}, "$action opens its page");
	like($answer->{headers}{'set-cookie'}[0] // '', qr/^app_session=/, "$action: in the session of the app");
}
like(start_action(browser(), app_session_token($alice), 'change_email', x_settings_action_query => 'q_login_id=a%2Bb%40example.com')->{location},
	qr{/settings/identity/change_email\?q_login_id=a%2Bb%40example\.com&x_ref=}, 'the login ID to change is in the address');
is(start_action(browser(), app_session_token($alice), 'change_password', prompt => 'none', max_age => 0)->{status}, 303, 'prompt=none does not matter, because some SDKs send it');

my %wrong = (
	'no action' => [ [ x_settings_action => undef ], 'invalid_request: invalid settings action' ],
	'an unknown action' => [ [ x_settings_action => 'become_admin' ], 'invalid_request: invalid settings action' ],
	'link_oauth without a provider' => [ [ x_settings_action => 'link_oauth' ], 'invalid_request: oauthProviderAlias is required for link_oauth' ],
	'unlink_oauth without a provider' => [ [ x_settings_action => 'unlink_oauth' ], 'invalid_request: oauthProviderAlias is required for unlink_oauth' ],
	'link_oauth' => [ [ x_settings_action => 'link_oauth', x_oauth_provider_alias => 'google' ], 'invalid_request: link_oauth is not supported: there are no pages for identity providers' ],
	'no hint' => [ [ login_hint => undef ], 'invalid_request: login_hint must be provided when using settings action' ],
	'the hint of a login' => [ [ login_hint => 'alice@example.com' ], 'invalid_request: login_hint must be app_session_token when using settings action' ],
	'the hint of a guest' => [ [ login_hint => 'https://authgear.com/login_hint?type=anonymous&promotion_code=x' ], 'invalid_request: login_hint must be app_session_token when using settings action' ],
	'no token' => [ [ login_hint => 'https://authgear.com/login_hint?type=app_session_token' ], 'invalid_request: unexpected login hint content' ],
	'a forged token' => [ [ login_hint => "${hint}nonsense" ], 'invalid_request: invalid app session token' ],
	'the token of another client' => [ [ client_id => 'other', redirect_uri => 'com.example.other://done' ], 'invalid_request: invalid app session token' ],
	'no PKCE' => [ [ code_challenge => undef, code_challenge_method => undef ], 'invalid_request: PKCE code challenge is required for public clients' ],
	'plain PKCE' => [ [ code_challenge => $verifier, code_challenge_method => 'plain' ], 'invalid_request: only \'S256\' PKCE transform is supported' ],
	'no scope' => [ [ scope => undef ], 'invalid_request: scope is required' ],
	'the ID token of another user' => [ [ id_token_hint => $bob->{id_token} ], 'login_required: the user is not that of the id_token_hint' ],
	'a hint that is no ID token' => [ [ id_token_hint => $alice->{access_token} ], 'invalid_request: invalid id_token_hint' ],
	'a page that another site loads as an image' => [ [ 'Sec-Fetch-Mode:' => 'no-cors' ], 'invalid_request: invalid app session token' ]);
for my $name (sort keys %wrong)
{
	my ($parameters, $error) = @{ $wrong{$name} };
	$answer = start_action(browser(), app_session_token($alice), 'change_password', @$parameters);
	is(action_error($answer), $error, "$name is refused");
	is($answer->{headers}{'set-cookie'}, undef, "$name: no cookie is set");
}
is(start_action(browser(), app_session_token($alice), 'change_password', id_token_hint => $alice->{id_token})->{status}, 303, 'the ID token of the user is accepted');
is(start_action(browser(), app_session_token($alice), 'change_password', redirect_uri => 'com.example.evil://done')->{status}, 400, 'a redirect URI of nobody gets no answer');
my $settings_uri = start_action(browser(), app_session_token($alice), 'change_password', redirect_uri => 'https://auth.example/settings');
is($settings_uri->{location}, 'https://auth.example/settings', 'a settings page as redirect URI is only opened');
my $guest = guest('app');
is(action_error(start_action(browser(), app_session_token($guest), 'change_password')),
	'invalid_request: the settings action requires an account, and the user is anonymous', 'a guest has no password to change');
like(start_action(browser(), app_session_token($guest), 'delete_account')->{location}, qr{/settings/delete_account}, 'a guest can delete its account');
$token = app_session_token($alice);
start_action(browser(), $token, 'change_password');
is(action_error(start_action(browser(), $token, 'change_password')), 'invalid_request: invalid app session token', 'a token begins one action');
is(action_error(start_action(browser(), app_session_token($alice), 'change_password', state => 'x' x 5000)), 'invalid_request: state is too long', 'the address of the page is not too long');

# The page of an action.
my %done = (grant_type => $action_grant, redirect_uri => 'com.example.app://done', code_verifier => $verifier);
sub on_page
{
	my ($user, $action, %parameters) = @_;
	my $new = browser(headers => { 'sec-fetch-site' => 'same-origin' });

	return ($new, start_action($new, app_session_token($user), $action, %parameters)->{location});
}

sub changed { return query("SELECT count(*) FROM anon_auth.authenticate('app', '$_[0]{email}', 'another password')") eq '1' ? 'changed' : 'as before'; }

my @passwords = (old_password => 'a long password', password => 'another password');
$alice = account('app');
my ($at, $page) = on_page($alice, 'change_password');
$answer = $at->get($page);
is($answer->{status}, 200, 'the page of an action is shown') or diag($answer->{body});
like($answer->{body}, qr/Notebook/, 'with the name of the application');
my ($cancel) = map { s/&amp;/&/gr } $answer->{body} =~ /href="(com\.example\.app:[^"]*)"/;
is_deeply({ parameters($cancel) }, { error => 'access_denied', error_description => 'the user has cancelled', state => 'a state', iss => 'https://auth.example' }, 'and a link that cancels');
is($at->post_form($page, @passwords, old_password => 'wrong')->{status} // 0, 400, 'a field that is given twice is refused');
is($at->post_form($page, old_password => 'wrong', password => 'another password')->{status}, 422, 'a wrong password is not the end of the action');
is($at->post_form($page, @passwords, 'Sec-Fetch-Site:' => 'cross-site', 'Origin:' => 'https://evil.example')->{location}, undef, 'the form of another site gets no code');
is(changed($alice), 'as before', 'and changes nothing');
$answer = $at->post_form($page, @passwords);
is($answer->{status}, 303, 'the action ends with a redirect to the application') or diag($answer->{body});
my %redirected = parameters($answer->{location});
is_deeply([ sort keys %redirected ], [qw(code iss state)], 'with code, state and iss');
is(changed($alice), 'changed', 'the password is changed');

# The code.
my $code = $redirected{code};
oauth_error_is(finish($code, client_id => 'other', redirect_uri => 'com.example.other://done'), 400, 'invalid_grant', 'invalid authorization code', 'the code at another client');
oauth_error_is(finish($code, code_verifier => 'w' x 43), 400, 'invalid_grant', 'invalid authorization code', 'another verifier');
oauth_error_is(finish($code, code_verifier => 'short'), 400, 'invalid_request', 'invalid PKCE code verifier', 'a malformed verifier');
oauth_error_is(finish($code, code_verifier => ''), 400, 'invalid_request', 'PKCE code verifier is required', 'no verifier');
oauth_error_is(finish($code, redirect_uri => 'https://app.example/cb'), 400, 'invalid_request', 'invalid redirect URI', 'another redirect URI');
oauth_error_is(finish($code, client_id => 'partner'), 400, 'unauthorized_client', 'grant type is not allowed for this client', 'a third-party client');
oauth_error_is(finish($code, grant_type => 'authorization_code'), 400, 'invalid_grant', 'invalid authorization code', 'the code as an authorization code');
oauth_error_is(finish('A' . substr $code, 1), 400, 'invalid_grant', 'invalid authorization code', 'a changed code');
oauth_error_is(finish($page =~ /x_ref=([\w.-]+)/), 400, 'invalid_grant', 'invalid authorization code', 'the address of the page');
$answer = finish($code);
is("$answer->{status} $answer->{body}", '200 {}', 'the client exchanges the code');
is_deeply($answer->{headers}{'cache-control'}, ['no-store'], 'and nobody may store the answer');
oauth_error_is(finish($code), 400, 'invalid_grant', 'invalid authorization code', 'the code again');

# The same code in parallel: a counter decides.
{
	($at, $page) = on_page($alice, 'change_password');
	my %answer = parameters($at->post_form($page, old_password => 'another password', password => 'a third password')->{location});
	my $headers = $json->encode({ 'x-original-method' => 'POST', 'x-original-content-type' => 'application/x-www-form-urlencoded' });
	my $request = 'BEGIN; SELECT set_config(\'request.headers\', ' . sql_literal($headers) . ', true); SELECT anon_auth_http.token('
	  . sql_literal(AnonAuth::Browser::form(%done, client_id => 'app', code => $answer{code})) . "); SELECT current_setting('response.status'); SELECT pg_sleep(0.2); COMMIT;";
	my @racing = map { AnonAuth::Connection->new($node) } 1 .. 4;
	$_->begin($request) for @racing;
	my @statuses = sort map { my ($status) = grep { /^\d{3}$/ } split /\s+/, $_->end->[0]; $status } @racing;
	is("@statuses", '200 400 400 400', 'of four exchanges at the same time, one succeeds');
}

# The address of the page in other hands.
my $mallory = account('app');
$alice = account('app');
($at, $page) = on_page($alice, 'change_password');
sub is_refused_page
{
	my ($answer, $name) = @_;

	is($answer->{status}, 400, "$name: the page is refused");
	is($answer->{location}, undef, "$name: there is no redirect");
	return;
}
my $elsewhere = app_browser($mallory);
is_refused_page($elsewhere->get($page), 'in the session of another user');
is_refused_page($elsewhere->post_form($page, @passwords), 'a form in the session of another user');
is(join(' ', changed($alice), changed($mallory)), 'as before as before', 'no password changes');
is_refused_page(browser()->get($page), 'in a browser without a session');
is_refused_page(log_in(browser(), $bob)->get($page), 'beside the login of another user');
my $second_session = $json->decode(query("SELECT row_to_json(a) FROM anon_auth.authenticate('app', '$alice->{email}', 'a long password') a"));
is_refused_page(app_browser({ %$alice, %$second_session })->get($page), 'in another session of the user');
is_refused_page($at->get($page =~ s/(x_ref=.{20})./$1A/r . 'x'), 'a changed address');
is_refused_page($at->get($page =~ s/change_password/delete_account/r), 'on the page of another action');
my $login_page = browser()->get('/oauth2/authorize', client_id => 'site', response_type => 'none', scope => 'openid', redirect_uri => 'https://site.example/')->{location};
is_refused_page($at->get('/settings/change_password?x_ref=' . ($login_page =~ /x_ref=([\w.-]+)/)[0]), 'with the request of a login');
query("UPDATE anon_auth.clients SET redirect_uris = '{com.example.app://other}' WHERE client_id = 'app'");
is_refused_page($at->get($page), 'after the redirect URI was removed');
query("UPDATE anon_auth.clients SET redirect_uris = '{com.example.app://done}' WHERE client_id = 'app'");
is($at->get($page)->{status}, 200, 'in the session of the app, the page is still shown');
log_in($at, $bob);
query('SELECT anon_auth.revoke(' . sql_literal($alice->{refresh_token}) . ')');
my $ended_page = $at->get($page);
is_refused_page($ended_page, 'after the session of the app, although the browser has a login of another user');
like($ended_page->{body}, qr/com\.example\.app:[^"]*error=access_denied/, 'the page leads back to the application');

# A deletion: the code outlives the account.
query("UPDATE anon_auth.settings SET account_deletion_grace = '0 seconds'");
$alice = account('app');
($at, $page) = on_page($alice, 'delete_account');
$answer = $at->post_form($page, delete => 'yes');
%redirected = parameters($answer->{location} // '');
ok($redirected{code}, 'a deletion at once leads back with a code') or diag($answer->{body});
is($at->cookies->{app_session}, undef, 'and removes the cookie');
is(query("SELECT count(*) FROM anon_auth.users WHERE id = '$alice->{sub}'"), '0', 'the account is deleted');
is(finish($redirected{code})->{status}, 200, 'the code can be exchanged afterwards');
query("UPDATE anon_auth.settings SET account_deletion_grace = '30 days'");
$guest = guest('app');
($at, $page) = on_page($guest, 'delete_account');
%redirected = parameters($at->post_form($page, delete_guest => 'yes')->{location} // '');
is(finish($redirected{code} // '')->{status}, 200, 'a guest is deleted, too');
is(query("SELECT count(*) FROM anon_auth.users WHERE id = '$guest->{sub}'"), '0', 'at once');
$alice = account('app');
($at, $page) = on_page($alice, 'delete_account');
%redirected = parameters($at->post_form($page, delete => 'yes')->{location} // '');
is(finish($redirected{code} // '')->{status}, 200, 'a scheduled deletion ends the action');
($at, $page) = on_page($alice, 'delete_account');
is({ parameters($at->post_form($page, keep => 'yes')->{location} // '') }->{code}, undef, 'whoever keeps the account has not deleted it');
is(query("SELECT delete_at FROM anon_auth.users WHERE id = '$alice->{sub}'"), '', 'and keeps it');

# An action that cannot do what it is for gets no code.
$alice = account('app');
($at, $page) = on_page($alice, 'change_username');
is_refused_page($at->post_form($page, login_id => 'newname'), 'the change of a username that the account does not have');
is(query("SELECT count(*) FROM anon_auth.login_ids WHERE user_id = '$alice->{sub}'"), 1, 'it changes nothing');

# A login that is too old: the user logs in again, for this browser only.
$alice = account('app');
query("UPDATE anon_auth.sessions SET authenticated_at = now() - interval '1 hour' WHERE user_id = '$alice->{sub}'");
($at, $page) = on_page($alice, 'change_password');
$answer = $at->get($page);
like($answer->{location} // '', qr{^https://auth\.example/settings/reauthenticate\?}, 'after an hour, the page asks for a login');
like($at->get($answer->{location})->{body} =~ s/&amp;/&/gr, qr{href="com\.example\.app://done\?error=access_denied[^"]*state=a%20state}, 'whose way back leads to the application');
unlike($at->get($answer->{location} =~ s/(x_ref%3D.{20})./$1A/r . 'x')->{body}, qr/com\.example\.app/, 'unless the address was changed');
my $again = $at->post_form($answer->{location}, password => 'a long password');
is($again->{status}, 303, 'the user logs in again') or diag($again->{body});
like($again->{location}, qr{^https://auth\.example/settings/change_password\?x_ref=}, 'and comes back to the page of the action');
is({ parameters($at->post_form($again->{location}, @passwords)->{location} // '') }->{state}, 'a state', 'which then ends with the redirect to the application');
is(changed($alice), 'changed', 'the password is changed');
cmp_ok(query("SELECT extract(epoch FROM now() - authenticated_at) FROM anon_auth.sessions WHERE user_id = '$alice->{sub}' AND client_id = 'app' ORDER BY created_at LIMIT 1"),
	'>', 3000, 'the login on the page is none of the app');
is(app_browser($alice)->get('/settings/change_password')->{status}, 303, 'another browser with the session of the app must log in again');

# ---------------------------------------------------------------------------
# prompt=none
# ---------------------------------------------------------------------------

sub silently
{
	my ($of, %parameters) = @_;
	my %all = (
		response_type => 'code', client_id => 'web', redirect_uri => 'https://app.example/cb', scope => "$full_access offline_access", state => 'a state',
		code_challenge_method => 'S256', code_challenge => encode_base64url(sha256($verifier)), prompt => 'none', %parameters);

	delete $all{$_} for grep { !defined $all{$_} } keys %all;
	return { parameters($of->get('/oauth2/authorize', %all)->{location}) };
}

my $login_required = { error => 'login_required', error_description => 'authentication required', state => 'a state', iss => 'https://auth.example' };
is_deeply(silently(browser()), $login_required, 'prompt=none without a cookie');
is_deeply(silently(app_browser($alice)), $login_required, 'prompt=none with the session of an app');
$browser = log_in(browser(), $bob);
query("UPDATE anon_auth.sessions SET authenticated_at = now() - interval '1 hour' WHERE user_id = '$bob->{sub}' AND session_type = 'cookie'");
my $silent = silently($browser);
is_deeply([ sort keys %$silent ], [qw(code iss state)], 'prompt=none with a live cookie gives a code');
my $tokens = token(grant_type => 'authorization_code', client_id => 'web', code => $silent->{code}, redirect_uri => 'https://app.example/cb', code_verifier => $verifier)->{json};
is(claims($tokens->{id_token})->{sub}, $bob->{sub}, 'of the user of the cookie');
cmp_ok(claims($tokens->{id_token})->{auth_time}, '<', time - 3000, 'with the time of the login, not of the code');
is_deeply(claims($tokens->{id_token})->{amr}, ['pwd'], 'and its methods');
is_deeply(silently($browser, max_age => 600), $login_required, 'a login that is older than max_age');
ok(silently($browser, max_age => 7200)->{code}, 'a login that is not older than max_age');
is_deeply(silently($browser, max_age => 0), $login_required, 'max_age=0');
is_deeply(silently($browser, id_token_hint => account('web')->{id_token}), $login_required, 'the ID token of another user');
my $hinted = silently($browser, id_token_hint => $tokens->{id_token}, scope => $full_access);
ok($hinted->{code}, 'the ID token of the user');
my $hinted_tokens = token(grant_type => 'authorization_code', client_id => 'web', code => $hinted->{code}, redirect_uri => 'https://app.example/cb', code_verifier => $verifier)->{json};
isnt(claims($hinted_tokens->{id_token})->{sid}, claims($tokens->{id_token})->{sid}, 'the session of the hint does not get a new login by it');
is(silently($browser, prompt => 'none login')->{error}, 'invalid_request', 'prompt=none with another value');
$silent = silently($browser, response_type => 'none', client_id => 'site', redirect_uri => 'https://site.example/', code_challenge => undef, code_challenge_method => undef);
is_deeply([ sort keys %$silent ], [qw(iss state)], 'response_type=none needs no code');
is(silently($browser, client_id => 'partner', redirect_uri => 'https://partner.example/')->{error}, 'unauthorized_client', 'a third-party client');
my $cookie_guest = browser();
$cookie_guest->post_json('/api/anonymous_user/signup', { session_type => 'cookie', client_id => 'site' });
is_deeply(silently($cookie_guest), $login_required, 'a guest has not logged in');

# A thief of the cookie keeps a code for later.
sub exchange
{
	my ($code) = @_;

	return token(grant_type => 'authorization_code', client_id => 'web', code => $code, redirect_uri => 'https://app.example/cb', code_verifier => $verifier);
}

for my $end (
	[ 'end_session()', sub {
		my ($user, $id) = @_;
		query("SELECT anon_auth.end_session('$id', '$user->{access_token}')");
	} ],
	[ '/oauth2/end_session', sub { $_[2]->post_form('/oauth2/end_session', 'Sec-Fetch-Site:' => 'same-origin'); } ],
	[ 'the settings page', sub { log_in(browser(), $_[0])->post_form('/settings/sessions', session_id => $_[1]); } ],
	[ 'its expiry', sub { query("UPDATE anon_auth.sessions SET expires_at = now() WHERE id = '$_[1]'"); } ],
	[ 'a login in the browser', sub { log_in($_[2], $_[0]); } ])
{
	my $user = account('app');
	my $thief = log_in(browser(), $user);
	my ($used, $kept) = map { silently($thief)->{code} } 1, 2;
	my $id = query("SELECT id FROM anon_auth.sessions WHERE user_id = '$user->{sub}' AND session_type = 'cookie'");

	is(exchange($used)->{status}, 200, 'a code gives tokens while its session lives');
	$end->[1]->($user, $id, $thief);
	is(query("SELECT count(*) FROM anon_auth.sessions WHERE id = '$id' AND expires_at > now()"), 0, "$end->[0] ends the session");
	is(exchange($kept)->{json}{error}, 'invalid_grant', 'and its codes');
}

# The exchange waits for a transaction that ends the session.
{
	my $user = account('app');
	my $code = silently(log_in(browser(), $user))->{code};
	my $owner = AnonAuth::Connection->new($node);
	my $racing = AnonAuth::Connection->new($node);
	my $call = "SELECT sub FROM anon_auth.exchange_authorization_code('web', '$code', 'https://app.example/cb', '$verifier');";

	$owner->query('BEGIN');
	$owner->query("DELETE FROM anon_auth.sessions WHERE user_id = '$user->{sub}' AND session_type = 'cookie'");
	$racing->begin($call);
	$node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'") or die 'the exchange does not wait';
	$owner->query('COMMIT');
	like(join(' ', grep { defined } @{ $racing->end }), qr/It is unknown, expired, used/, 'a code is not valid if its session ends during the exchange');
	is(query("SELECT count(*) FROM anon_auth.sessions WHERE user_id = '$user->{sub}'"), 1, 'and there is no new session');
}

query("SELECT anon_auth.revoke_sessions('$bob->{sub}')");
is_deeply(silently($browser), $login_required, 'a session that has ended');

# ---------------------------------------------------------------------------
# An access token beside a cookie
# ---------------------------------------------------------------------------

for my $value ('Bearer', 'Bearer ', 'bearer', "Bearer\t", 'Bearer x')
{
	my $both = log_in(browser(), account('app'));
	my %header = ('Authorization:' => $value);

	my $userinfo = $both->get('/oauth2/userinfo', %header);

	is($userinfo->{status}, 401, "userinfo with the header \"$value\" does not take the cookie");
	is($userinfo->{json}{error}, $value =~ /[x\t]/ ? 'invalid_token' : 'invalid_grant', 'an empty token is answered as an ended session, another one as invalid');
	is($both->post_form('/oauth2/token', grant_type => $id_token_grant, client_id => 'site', %header)->{status}, 401, 'neither does the ID token grant');
	is($both->get('/resolve', %header)->{headers}{'x-authgear-session-valid'}[0], 'false', 'nor /resolve');
}
{
	my $both = log_in(browser(), account('app'));

	is($both->get('/oauth2/userinfo', 'Authorization:' => 'Basic eDp5')->{status}, 200, 'another scheme is for somebody else');
}

# ---------------------------------------------------------------------------
# login_hint
# ---------------------------------------------------------------------------

sub filled_in
{
	my ($login_hint) = @_;
	my $new = browser();
	my $page = $new->get('/oauth2/authorize', client_id => 'site', response_type => 'none', scope => 'openid', redirect_uri => 'https://site.example/', login_hint => $login_hint)->{location};

	return { parameters($page) }->{error_description} if $page !~ m{/flows/login\?};
	my ($filled) = $new->get($page)->{body} =~ /<input[^>]*name="login_id"[^>]*value="([^"]*)"/;
	return $filled // '';
}

my $login_id_hint = 'https://authgear.com/login_hint?type=login_id&';
is(filled_in('alice@example.com'), 'alice@example.com', 'a login_hint is filled in');
is(filled_in("${login_id_hint}email=a%2Bb%40example.com"), 'a+b@example.com', 'type=login_id with an email address');
is(filled_in("${login_id_hint}username=alice&enforce=true"), 'alice', 'with a username');
is(filled_in("${login_id_hint}phone=%2B4915112345678"), '+4915112345678', 'with a phone number');
is(filled_in($login_id_hint), '', 'without a login ID');
is(filled_in("${login_id_hint}email=%22%3E%3Cscript%3E"), '', 'a text that cannot be a login ID');
is(filled_in('https://authgear.com/login_hint?type=magic'), 'invalid login_hint type', 'an unknown type');

# ---------------------------------------------------------------------------
# Time
# ---------------------------------------------------------------------------

SKIP:
{
	my $clock = AnonAuth::Clock->new or skip 'there is no C compiler', 1;

	$clock->restart($node);
	$alice = account('app');
	my ($in_time, $late) = map { app_session_token($alice) } 1, 2;
	$clock->set_ahead(290);
	is(open_settings(browser(), $in_time)->{status}, 303, 'a token is valid for five minutes');
	$clock->set_ahead(301);
	is_expired_page(open_settings(browser(), $late), 'a token that is older');

	$browser = app_browser($alice);
	is($browser->get('/settings')->{headers}{'set-cookie'}, undef, 'a page does not renew a new cookie');
	$clock->set_ahead(301 + 310);
	my $before = $browser->cookies->{app_session}[0];
	like($browser->get('/settings')->{headers}{'set-cookie'}[0] // '', qr/^app_session=[\w-]+; Path=\/settings; HttpOnly/, 'a page renews a cookie that is five minutes old');
	isnt($browser->cookies->{app_session}[0], $before, 'with another value');
	my $former = browser();
	$former->cookies->{app_session} = [ $before, { path => '/settings' } ];
	$clock->set_ahead(301 + 3590);
	is(shown($former), $alice->{email}, 'a cookie is valid for an hour');
	$former->cookies->{app_session}[0] = $before;
	$clock->set_ahead(301 + 3610);
	is(shown($former), 403, 'and not longer');
	is(shown($browser), $alice->{email}, 'unless a page has renewed it');
	my ($in_action, $action_page) = on_page($alice, 'change_password');
	$clock->set_ahead(301 + 3610 + 1190);
	is($in_action->get($action_page)->{status}, 303, 'the page of an action is valid for twenty minutes');
	$clock->set_ahead(301 + 3610 + 1201);
	is($in_action->get($action_page)->{status}, 400, 'and not longer');
	$clock->set_ahead(301 + 3610 + 3700);
	is(shown($browser), 403, 'an hour after its last page, the browser shows nobody');
	$clock->set_ahead(0);
}

done_testing;
