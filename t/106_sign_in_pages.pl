# The pages on which users log in again, choose a new password, and sign up without
# having been a guest: their states, and the attacks that they must refuse.
# t/AnonAuth/Browser.pm calls the functions as PostgREST would.

use strict;
use warnings;
use utf8;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Browser;
use AnonAuth::Device qw(jws_parts sql_literal);
use Digest::SHA qw(sha256);
use JSON::PP ();
use MIME::Base64 qw(encode_base64url);
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
SELECT anon_auth.create_client('web', 'spa', '{https://app.example/cb}', name => 'Notebook'),
	   anon_auth.create_client('site', 'traditional_webapp', '{https://app.example/home}', name => 'Site');
UPDATE anon_auth.settings SET issuer = 'https://auth.example', password_hash_memory_kib = 8192,
	password_hash_passes = 1, page_login_methods = '{password,code}';
SQL

my $json = JSON::PP->new->canonical;
my $verifier = 'v' x 43;
my %web = (
	client_id => 'web',
	redirect_uri => 'https://app.example/cb',
	response_type => 'code',
	scope => 'openid https://authgear.com/scopes/full-access offline_access',
	state => 'a state',
	code_challenge_method => 'S256',
	code_challenge => encode_base64url(sha256($verifier)));
my %site = (client_id => 'site', redirect_uri => 'https://app.example/home', response_type => 'none', scope => 'openid', state => 'a state');

sub query { return $node->safe_psql('postgres', $_[0]); }

# Change settings, and forget all limits.
sub settings
{
	my (%settings) = @_;

	query('UPDATE anon_auth.settings SET '
		  . join(', ', map { "$_ = " . (defined $settings{$_} ? sql_literal($settings{$_}) : 'NULL') } sort keys %settings)
		  . '; SELECT anon_auth.reset_counters()');
}

sub no_limits { query('SELECT anon_auth.reset_counters()'); }

sub browser { return AnonAuth::Browser->new($node, headers => { 'sec-fetch-site' => 'same-origin', @_ }); }

sub submit
{
	my ($browser, $form, %fields) = @_;

	return $browser->post_form($form, map { $_ => $fields{$_} } sort keys %fields);
}

# An account with this address, which is proven unless it must not be, and its user id.
sub account
{
	my ($email, %more) = @_;
	my $password = $more{password} // 'correct horse';
	my $user = query("SELECT anon_auth.verify_jwt(access_token) ->> 'sub' FROM anon_auth.sign_up('web', email => "
		  . sql_literal($email) . ', password => ' . sql_literal($password)
		  . ($more{phone_number} ? ', phone_number => ' . sql_literal($more{phone_number}) : '') . ')');

	prove($user) if !$more{unproven};
	no_limits();
	return $user;
}

sub prove
{
	my ($user) = @_;

	query(sprintf 'UPDATE anon_auth.login_ids SET verified_at = now() WHERE user_id = %1$s; UPDATE anon_auth.users SET is_verified = true WHERE id = %1$s',
		sql_literal($user));
}

# The address of the page that an authorization request leads to.
sub authorize
{
	my ($browser, %parameters) = @_;

	return $browser->get('/oauth2/authorize', map { defined $parameters{$_} ? ($_ => $parameters{$_}) : () } sort keys %parameters)->{location};
}

# A browser with a cookie session of an account.
sub signed_in
{
	my ($email, $password) = @_;
	my $browser = browser();
	my $answer = submit($browser, authorize($browser, %site), login_id => $email, password => $password // 'correct horse');

	$answer->{status} == 303 or die "cannot log in: $answer->{status}";
	no_limits();
	return $browser;
}

sub cookie { return $_[0]->cookies->{'__Host-session'}[0] // ''; }

# The code of the last message to an address.
sub code_for
{
	my ($address) = @_;

	return query('SELECT code FROM anon_auth.take_outbox_messages(1000) WHERE recipient = ' . sql_literal($address) . ' ORDER BY created_at DESC LIMIT 1');
}

sub wrong { return sprintf '%06d', ($_[0] + 1) % 1_000_000; }

sub shows
{
	my ($answer, $status, @rest) = @_;
	my $name = pop @rest;

	is($answer->{status}, $status, "$name: status $status");
	is_deeply($answer->{headers}{'content-type'}, ['text/html; charset=utf-8'], "$name: the answer is an HTML page");
	is_deeply($answer->{headers}{'cache-control'}, ['no-store'], "$name: nothing stores the page");
	like(text_of($answer), $_, $name) for @rest;
}

# A page without style, script and the authorization request.
sub text_of { return ($_[0]{body} // '') =~ s/x_ref=[-\w.%]+//gr =~ s{<(style|script)>.*?</\1>}{}gsr; }

# ---------------------------------------------------------------------------
# Logging in again, for the settings pages
# ---------------------------------------------------------------------------

my $again = '/settings/reauthenticate';
my $next = '/settings/change_password?x_ref=abc';
my $alice = account('alice@example.com');

{
	my $browser = signed_in('alice@example.com');
	my $before = cookie($browser);
	query("UPDATE anon_auth.sessions SET authenticated_at = now() - interval '1 day', device_info = '{\"web\": {\"name\": \"her browser\"}}' WHERE user_id = '$alice' AND session_type = 'cookie'");
	my $page = $browser->get($again, x_next => $next);
	shows($page, 200, qr/<title>Confirm that it is you – Site</, qr/log in again as <b dir="ltr">alice\@example\.com</,
		qr/autocomplete="current-password"/, 'the page names the account and asks for its password');
	like(text_of($page), qr/value="alice\@example\.com" autocomplete="username" readonly hidden/, 'a password manager finds the account');
	unlike(text_of($page), qr/name="login_id_type"|forgot/i, 'no other account can be chosen');
	my $form = "$again?x_next=" . AnonAuth::Browser::encode($next);
	like($page->{body} =~ s/&amp;/&/gr, qr/action="\?x_next=%2Fsettings%2Fchange_password%3Fx_ref%3Dabc"/, 'the form keeps the page to return to');

	shows(submit($browser, $form, password => ''), 422, qr/Enter a password/, 'without a password');
	shows(submit($browser, $form, password => 'wrong'), 422, qr/This password is not right/, 'with a wrong password');
	is(cookie($browser), $before, 'a wrong password keeps the session');
	my $done = submit($browser, $form, password => 'correct horse');
	is($done->{status}, 303, 'the right password redirects');
	is($done->{location}, "https://auth.example$next", 'the browser returns to the page');
	isnt(cookie($browser), $before, 'the browser has another session');
	is(query("SELECT count(*), min(extract(epoch FROM now() - authenticated_at)::int / 60), min(client_id), min(amr::text), min(device_info #>> '{web,name}') FROM anon_auth.sessions WHERE user_id = '$alice' AND session_type = 'cookie'"),
		'1|0|site|{pwd}|her browser', 'it replaces the former one, whose device it has, and its login is recent');
	my $copy = browser();
	$copy->cookies->{'__Host-session'} = [$before];
	is($copy->get('/oauth2/userinfo')->{status}, 401, 'a copy of the former cookie does not become a recent login');

	# A double click sends the form again with the former cookie.
	is(submit($copy, $form, password => 'correct horse')->{location}, "https://auth.example$next", 'the second click of a double click leads to the page, too');
	is(cookie($copy), $before, 'without another login');
}

# Where the browser returns to

for my $case ([ '/settings' => '/settings' ], [ '/settings/identity/add_email?type=a%20b&x=(1)' => '/settings/identity/add_email?type=a%20b&x=(1)' ],
	map { [ $_ => '/settings' ] } '', 'https://evil.example/settings', '//evil.example', '/settingsX', '/settings.evil.example', '/settings@evil.example',
	'/settings/../oauth2/end_session', '/settings/%2e%2e/x', '/settings\\evil', "/settings/a\r\nX: y", '/settings/a#b', '/settings?a b', '/oauth2/end_session', '/settings/' . 'a' x 8000)
{
	my ($given, $expected) = @$case;
	my $location = browser()->get($again, x_next => $given)->{location};

	is($location, "https://auth.example$expected", 'x_next ' . substr($given =~ s/[^!-~]/?/gr, 0, 60) . " leads to $expected");
}

# Who can use the page

{
	my $guest = browser();
	$guest->post_json('/api/anonymous_user/signup', { session_type => 'cookie' });
	is($guest->get($again, x_next => $next)->{location}, "https://auth.example$next", 'a guest need not log in again');
	my $browser = signed_in('alice@example.com');
	my $cookie = cookie($browser);
	for my $site (qw(cross-site same-site none))
	{
		local $browser->{headers}{'sec-fetch-site'} = $site;
		shows(submit($browser, $again, password => 'correct horse'), 403, qr/Something went wrong/, "a form from $site");
	}
	is(cookie($browser), $cookie, 'those forms log nobody in');
	local $browser->{headers}{'sec-purpose'} = 'prefetch';
	is($browser->get($again)->{status}, 503, 'a prefetch shows nothing');
}

# Limits: they are those of passwords

{
	my $browser = signed_in('alice@example.com');
	settings(password_attempts_per_minute_per_user => 3);
	is(join(' ', map { submit($browser, $again, password => "guess $_")->{status} } 1 .. 4), '422 422 422 429', 'wrong passwords count as attempts at the password');
	my $page = submit($browser, $again, password => 'correct horse');
	shows($page, 429, qr/too many attempts/, 'at the limit, the right password is refused');
	ok($page->{headers}{'retry-after'}, 'it says when to try again');
	settings(password_attempts_per_minute_per_user => 30);
	my $failures = query("SELECT count(*) FROM anon_auth.events WHERE type = 'authentication.failed' AND user_id = '$alice'");
	submit($browser, $again, password => 'wrong');
	is(query("SELECT count(*) FROM anon_auth.events WHERE type = 'authentication.failed' AND user_id = '$alice'"), $failures + 1, 'a wrong password is an event');
	settings(lockout_max_attempts => 2);
	submit($browser, $again, password => 'wrong') for 1 .. 2;
	is(submit($browser, $again, password => 'correct horse')->{status}, 429, 'wrong passwords lock the account');
	settings(lockout_max_attempts => 0);
}

# With a code

{
	my $browser = signed_in('alice@example.com');
	my $before = cookie($browser);
	like($browser->get($again)->{body}, qr/name="use" value="code"/, 'a code can take the place of the password');
	my $sent = submit($browser, $again, use => 'code');
	shows($sent, 200, qr/We have sent a message with a code to <b dir="ltr">alice\@example\.com</, qr/autocomplete="one-time-code"/,
		qr/name="step" value="code"/, qr/name="address" value="0"/, 'the only address gets the code at once');
	unlike(text_of($sent), qr/Use another email address/, 'no other address can be typed');
	my $code = code_for('alice@example.com');
	my %form = (step => 'code', method => 'code', address => 0);
	shows(submit($browser, $again, %form), 422, qr/Enter the code/, 'without a code');
	shows(submit($browser, $again, %form, code => wrong($code)), 422, qr/This code is wrong/, 'with a wrong code');
	is(cookie($browser), $before, 'a wrong code keeps the session');
	shows(submit($browser, $again, %form, use => 'another_code'), 429, qr/A code was sent a short while ago/, qr/name="code"/, 'another code at once is refused');
	my $done = submit($browser, $again, %form, code => $code);
	is($done->{location}, 'https://auth.example/settings', 'the right code redirects');
	isnt(cookie($browser), $before, 'the browser has another session');
	is(query("SELECT amr FROM anon_auth.sessions WHERE user_id = '$alice' AND session_type = 'cookie' ORDER BY created_at DESC LIMIT 1"), '{otp}', 'the session says that a code was used');
	shows(submit($browser, $again, %form, code => $code), 422, qr/This code is wrong/, 'the code works once');

	# The code of another account's address
	my $bob = account('bob@example.com');
	browser()->post_json('/api/login_code', { client_id => 'site', login_id => 'bob@example.com' });
	my $other = code_for('bob@example.com');
	shows(submit($browser, $again, %form, code => $other), 422, qr/This code is wrong/, 'a code that was sent to another account is wrong');
	is(query("SELECT count(*) FROM anon_auth.sessions WHERE user_id = '$bob' AND session_type = 'cookie'"), 0, 'that account is not logged in');

	# A user with several addresses chooses one.
	no_limits();
	my $carol = account('carol@example.com', phone_number => '+442079460958');
	my $two = signed_in('carol@example.com');
	my $choice = submit($two, $again, use => 'code');
	shows($choice, 200, qr/<fieldset.*<legend>Where should the code be sent.*value="0" checked><span dir="ltr">carol\@example\.com<.*value="1"><span dir="ltr">\+442079460958</s,
		'a user with two addresses chooses one of them');
	shows(submit($two, $again, method => 'code', address => 1), 200, qr/code to <b dir="ltr">\+442079460958</, qr/name="address" value="1"/, 'the chosen one gets the code');
	like(code_for('+442079460958'), qr/^\d{6}$/, 'the message is sent there');
	shows(submit($two, $again, method => 'code', address => $_), 200, qr/code to <b dir="ltr">carol/, "address $_ is the first one"), no_limits() for 2, 'x';
}

# Ways that the account or the site does not have

{
	account('dora@example.com', unproven => 1);
	my $browser = signed_in('dora@example.com');

	unlike(text_of($browser->get($again)), qr/value="code"/, 'no code is sent to an address that is not proven');
	shows(submit($browser, $again, step => 'code', method => 'code', address => 0, code => '123456'), 422, qr/This way is no longer available/, qr/name="password"/, 'nor is one accepted');
	settings(page_login_methods => '{code}');
	shows($browser->get($again), 403, qr/Log in again first/, qr{href="https://auth.example/settings"}, 'an account without a way of the pages is told so');
	shows(submit($browser, $again, password => 'correct horse'), 403, qr/Log in again first/, 'its password is not accepted');
	my $alices = browser();
	submit($alices, authorize($alices, %site), login_id => 'alice@example.com', method => 'code');
	submit($alices, authorize($alices, %site), login_id => 'alice@example.com', step => 'code', code => code_for('alice@example.com'));
	shows($alices->get($again), 200, qr/You will get a message with a code at <b dir="ltr">alice/, qr/Send code/, 'with codes only, the page offers the code');
	unlike(text_of($alices->get($again)), qr/name="password"|name="use"/, 'and nothing else');
	settings(page_login_methods => '{password,code}');
	query("SELECT anon_auth.disable_user('$alice')");
	is(submit($alices, $again, password => 'correct horse')->{location}, 'https://auth.example/settings', 'a disabled user has no session');
	query("SELECT anon_auth.enable_user('$alice')");
}

# An authorization request with an id_token_hint: the same forms, and the address is masked

{
	my $tokens = $json->decode(query("SELECT row_to_json(t) FROM anon_auth.authenticate('web', 'carol\@example.com', 'correct horse') t"));
	no_limits();
	my $browser = browser();
	my $form = authorize($browser, %web, id_token_hint => $tokens->{id_token});
	my $choice = submit($browser, $form, use => 'code');
	shows($choice, 200, qr/>c\x{2022}{3}\@example\.com</, qr/>\+44\x{2022}{3}958</, 'the addresses are masked');
	my $sent = submit($browser, $form, method => 'code', address => 1);
	shows($sent, 200, qr/code to <b dir="ltr">\+44\x{2022}{3}958</, 'the page for the code masks the address');
	unlike("$choice->{body}$sent->{body}", qr/carol\@|2079460958/, 'the addresses are nowhere on the pages');
	my $code = code_for('+442079460958');
	shows(submit($browser, $form, step => 'code', method => 'code', address => 0, code => $code), 422, qr/This code is wrong/, 'the code of one address is wrong for another');
	my %right = (step => 'code', method => 'code', address => 1, code => $code);
	is(submit($browser, $form, %right)->{status}, 303, 'the right code logs in');
	shows(submit($browser, $form, %right), 200, qr/You are logged in/, 'a second click shows that the user is logged in');
	settings(page_login_methods => '{password}');
	$form = authorize($browser, %web, id_token_hint => $tokens->{id_token});
	unlike(text_of($browser->get($form)), qr/value="code"/, 'codes are offered only if the site does');
	settings(page_login_methods => '{password,code}');
}

# Languages

{
	my $browser = signed_in('bob@example.com');

	shows($browser->get($again, 'Accept-Language:' => 'de'), 200, qr/lang="de"/, qr/Bestätigen Sie, dass Sie es sind/, qr/noch einmal als <b dir="ltr">bob/, 'in German');
	shows($browser->get($again, 'Accept-Language:' => 'zh-HK'), 200, qr/lang="zh-Hant"/, qr/確認是您本人/, 'in Chinese');
	shows($browser->get($again, ui_locales => 'de'), 200, qr/lang="de"/, qr/action="\?ui_locales=de"/, 'in the language of the address, which the form keeps');
}

done_testing;
