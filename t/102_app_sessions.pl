# What the SDKs call in a session of an app: app session tokens, settings actions,
# refreshing the ID token, and prompt=none; and the attacks on them. AnonAuth::Browser calls
# the functions as PostgREST would. t/103 uses the SDKs themselves.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Browser;
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
sub token { return browser()->post_form('/oauth2/token', client_id => 'app', @_); }

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

done_testing;
