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
SELECT anon_auth.create_client('web', 'spa', '{https://app.example/cb}', name => 'Notebook', id_token => 'always'),
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

# Forget all messages.
sub drain { query('SELECT count(*) FROM anon_auth.take_outbox_messages(1000)'); }

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

	# The code of a link names its address itself.
	no_limits();
	settings(code_link_uri => 'https://auth.example/flows/code_link?code={code}');
	drain();
	browser()->post_json('/api/login_code', { client_id => 'site', login_id => 'bob@example.com' });
	my ($long) = query("SELECT link FROM anon_auth.take_outbox_messages(1000) WHERE recipient = 'bob\@example.com'") =~ /code=(.*)/;
	cmp_ok(length($long), '>', 40, 'the link of another account has a long code');
	shows(submit($browser, $again, %form, code => $long), 422, qr/This code is wrong/, 'the code of that link is wrong, too');
	is(query("SELECT count(*) FROM anon_auth.sessions WHERE user_id = '$bob' AND session_type = 'cookie'"), 0, 'that account is still not logged in');
	settings(code_link_uri => undef);

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

# ---------------------------------------------------------------------------
# A forgotten password
# ---------------------------------------------------------------------------

# The address of the page for a forgotten password in a browser, as the log-in page has it.
sub link_of
{
	my ($page, $path) = @_;

	$page->{body} =~ /href="([^"]*\Q$path\E[^"]*)"/ or return undef;
	return $1 =~ s/&amp;/&/gr;
}

sub forgot
{
	my ($browser, %parameters) = @_;

	return link_of($browser->get(authorize($browser, %site, %parameters)), '/flows/forgot_password');
}

account('erin@example.com');

{
	my $browser = browser();
	my $form = forgot($browser, login_hint => 'erin@example.com');
	like($form, qr{^https://auth\.example/flows/forgot_password\?x_ref=}, 'the log-in page has a link');
	my $page = $browser->get($form);
	shows($page, 200, qr/<title>Choose a new password – Site</, qr/label for="login_id">Email address or phone number</, qr/value="erin\@example\.com"/, qr{href="https://auth\.example/flows/login\?[^"]*">Back to log in<},
		'the page asks for the address, which is filled in');
	shows(submit($browser, $form), 422, qr/Enter your email address or phone number/, 'without an address');
	shows(submit($browser, $form, login_id => 'erin@'), 422, qr/Enter a complete email address/, qr/value="erin\@"/, 'with an address that is none');
	shows(submit($browser, $form, login_id => 'erin'), 422, qr/A code can be sent only to an email address or phone number/, qr/value="erin"/, 'with a username');
	is(query('SELECT count(*) FROM anon_auth.outbox'), 0, 'nothing has been sent');
	my $sent = submit($browser, $form, login_id => 'Erin@Example.com');
	shows($sent, 200, qr/If <b dir="ltr">Erin\@Example\.com<\/b> belongs to an account, we have sent/, qr/name="code"/, qr/autocomplete="new-password"/, qr/at least 8 characters/, qr/ten letters and digits.*work for \d+ minutes/,
		'the next page asks for the code and a new password');
	my $code = code_for('erin@example.com');
	like($code, qr/^[0-9A-Z]{10}$/, 'a code has been sent');
	my %form = (step => 'code', login_id => 'Erin@Example.com');
	shows(submit($browser, $form, %form), 422, qr/Enter the code/, qr/Enter a password/, 'all errors at once');
	shows(submit($browser, $form, %form, code => $code, password => 'short'), 422, qr/does not follow all the rules/, qr/name="code"[^>]* value="$code"/, 'with a weak password, the code is kept');
	shows(submit($browser, $form, %form, code => 'AAAAAAAAAA', password => 'another horse'), 422, qr/This code is wrong/, qr/value="AAAAAAAAAA"/, 'with a wrong code');
	unlike(text_of(submit($browser, $form, %form, code => 'AAAAAAAAAA', password => 'another horse')), qr/another horse/, 'no page keeps a password');
	is(query("SELECT count(*) FROM anon_auth.authenticate('web', 'erin\@example.com', 'correct horse')"), 1, 'the password is still the former one');
	no_limits();
	my $done = submit($browser, $form, %form, code => lc($code =~ s/^.{5}/$&-/r), password => 'another horse');
	is($done->{status}, 303, 'the right code sets the password');
	like($done->{location}, qr{^https://auth\.example/flows/login\?x_ref=[^&]+$}, 'the log-in goes on');
	unlike(decode_base64url($done->{location} =~ /x_ref=([\w-]+)/), qr/erin/i, 'the address of the page does not contain the login ID in clear');
	unlike(text_of($browser->get("$form&notice=new_password" =~ s{/forgot_password}{/login}r)), qr/new password is set/, 'a link cannot make the log-in page say that there is a new password');
	my $login = $browser->get($done->{location});
	shows($login, 200, qr/Your new password is set\. Log in with it/, qr/value="Erin\@Example\.com"/, 'the log-in page says so, and has the login ID');
	is(query("SELECT count(*) FROM anon_auth.authenticate('web', 'erin\@example.com', 'correct horse')"), 0, 'the former password does not log in');
	is(submit($browser, $done->{location}, login_id => 'Erin@Example.com', password => 'another horse')->{location}, 'https://app.example/home?state=a%20state&iss=https%3A%2F%2Fauth.example', 'the new one does, and the flow ends');
	shows(submit($browser, $form, %form, code => $code, password => 'third horse'), 422, qr/already used.*log in with it/, qr/Back to log in/, 'the code works once, and a second click is told what to do');
	no_limits();
}

# Nobody learns who has an account.

{
	my $browser = browser();
	my $form = forgot($browser);
	my $of = sub {
		my ($answer, $address) = @_;
		my %headers = %{ $answer->{headers} };

		return $json->encode([ $answer->{status}, \%headers, text_of($answer) =~ s/\Q$address\E/ADDRESS/gr =~ s{href="[^"]*flows/login[^"]*"}{}gr ]);
	};

	for my $case ([ 'the page after the request', {} ], [ 'another code at once', { use => 'another_code', step => 'code' } ],
		[ 'a wrong code', { step => 'code', code => 'AAAAAAAAAA', password => 'another horse' } ])
	{
		my ($name, $fields) = @$case;

		is($of->(submit($browser, $form, login_id => 'erin@example.com', %$fields), 'erin@example.com'),
			$of->(submit($browser, $form, login_id => 'nobody@example.com', %$fields), 'nobody@example.com'), "$name: an unknown address has the same answer");
	}
	no_limits();
	is(join(' ', map { submit($browser, $form, login_id => 'nobody@example.com')->{status} } 1 .. 3) =~ /429/ ? 1 : 0,
		join(' ', map { submit($browser, $form, login_id => 'erin@example.com')->{status} } 1 .. 3) =~ /429/ ? 1 : 0, 'the limits are those of any address');
	no_limits();
}

# Who can use the page

{
	my $browser = browser();
	my $form = forgot($browser);
	drain();

	is(browser()->get($form)->{status}, 400, 'another browser cannot open the page');
	for my $site (qw(cross-site same-site none))
	{
		local $browser->{headers}{'sec-fetch-site'} = $site;
		like(submit($browser, $form, login_id => 'erin@example.com')->{status}, qr/^40[03]$/, "a form from $site is refused");
	}
	is(query("SELECT count(*) FROM anon_auth.outbox WHERE recipient = 'erin\@example.com'"), 0, 'nothing has been sent for it');
	settings(page_login_methods => '{code}');
	is(forgot(browser()), undef, 'without passwords, the log-in page has no link');
	is($browser->get($form)->{status}, 403, 'and the page cannot be used');
	settings(page_login_methods => '{password,code}');
	like(text_of($browser->get($form, 'Accept-Language:' => 'de')), qr/Neues Passwort wählen/, 'the page is there in German');
	like(text_of($browser->get($form, 'Accept-Language:' => 'zh-TW')), qr/設定新密碼/, 'the page is there in Chinese');
	like(text_of(submit($browser, $form, login_id => 'x@example.com', 'Accept-Language:' => 'de')), qr/Falls .* zu einem Konto gehört/, 'the next page is in German');
	no_limits();
}

# The link in the message

{
	settings(code_link_uri => 'https://auth.example/flows/code_link?code={code}&client_id={client_id}&ui_locales={language}');
	drain();
	no_limits();
	my $browser = browser();
	submit($browser, forgot($browser), login_id => 'erin@example.com');
	my $link = query("SELECT link FROM anon_auth.take_outbox_messages(1000) WHERE recipient = 'erin\@example.com'");
	my $other = browser();
	my $page = $other->get($link);
	shows($page, 200, qr/<title>Choose a new password – Site</, qr/name="login_id"/, qr/autocomplete="new-password"/, qr/name="code" value="[0-9A-Z]{10}"/, qr/class="digits"/, 'the link asks for the address and a new password');
	$other->get($link) for 1 .. 3;
	local $other->{headers}{'sec-purpose'} = 'prefetch';
	is($other->get($link)->{status}, 503, 'a prefetch shows nothing');
	delete $other->{headers}{'sec-purpose'};
	my ($code) = $link =~ /code=(\w+)/;
	my %form = (code => $code, client_id => 'site');
	my $action = '/flows/code_link';
	shows(submit($other, $action, %form), 422, qr/Enter your email address/, qr/Enter a password/, 'the form of the link shows all errors at once');
	shows(submit($other, $action, %form, login_id => 'nobody@example.com', password => 'third horse'), 422, qr/Check that this is the address/, qr/value="nobody\@example\.com"/, 'another address than that of the message');
	{
		local $other->{headers}{'sec-fetch-site'} = 'cross-site';
		is(submit($other, $action, %form, login_id => 'erin@example.com', password => 'third horse')->{status}, 403, 'a form from another site is refused');
	}
	shows(submit($other, $action, %form, login_id => 'erin@example.com', password => 'third horse'), 200, qr/Your new password is set/, 'the right address sets the password, after all those requests');
	is(query("SELECT count(*) FROM anon_auth.authenticate('web', 'erin\@example.com', 'third horse')"), 1, 'it logs in');
	shows(submit($other, $action, %form, login_id => 'erin@example.com', password => 'fourth horse'), 422, qr/already used/, 'the link works once');
	settings(code_link_uri => undef);
}

# ---------------------------------------------------------------------------
# Creating an account without having been a guest
# ---------------------------------------------------------------------------

my %create = (%web, prompt => 'create');

{
	my $browser = browser();
	like(authorize($browser, %create), qr{^https://app\.example/cb\?error=access_denied&error_description=[^&]*&state=a%20state}, 'prompt=create is refused unless the site has switched it on');
	unlike(text_of($browser->get(authorize($browser, %web))), qr/Create an account/, 'and the log-in page has no link');
	settings(page_sign_up => 'true');
	my $link = link_of($browser->get(authorize($browser, %web)), '/flows/sign_up');
	like($link, qr{^https://auth\.example/flows/sign_up\?x_ref=}, 'the log-in page has a link to the sign-up page');
	my $form = authorize($browser, %create);
	like($form, qr{^https://auth\.example/flows/sign_up\?x_ref=}, 'prompt=create leads to the sign-up page');
	for my $uri ($link, $form)
	{
		my $page = $browser->get($uri);
		shows($page, 200, qr/<title>Create your account – Notebook</, qr/With an account, you can log in to Notebook on every device/, qr/name="login_id"/, qr/autocomplete="new-password"/, qr{Already have an account\? <a [^>]*/flows/login\?}, 'the sign-up page');
		unlike(text_of($page), qr/guest/i, 'nothing on it is about guests');
	}
	my %form = (login_id_type => 'email', login_id => 'frank@example.com');
	shows(submit($browser, $form, login_id_type => 'email'), 422, qr/Enter your email address/, qr/Enter a password/, 'all errors at once');
	shows(submit($browser, $form, %form, password => 'short'), 422, qr/does not follow all the rules/, qr/value="frank\@example\.com"/, 'a weak password');
	shows(submit($browser, $form, login_id_type => 'email', login_id => 'frank', password => 'correct horse'), 422, qr/complete email address/, 'no address');
	my $done = submit($browser, $form, %form, password => 'correct horse');
	like($done->{location}, qr{^https://app\.example/cb\?code=[-\w]+&state=a%20state}, 'the client gets a code');
	my ($code) = $done->{location} =~ /code=([-\w]+)/;
	my $tokens = browser()->post_form('/oauth2/token', grant_type => 'authorization_code', client_id => 'web', code => $code, redirect_uri => $web{redirect_uri}, code_verifier => $verifier)->{json};
	my $claims = (jws_parts($tokens->{access_token}))[1];
	ok(!$claims->{'https://authgear.com/claims/user/is_anonymous'}, 'the user is no guest');
	is(query("SELECT user_id FROM anon_auth.login_ids WHERE value = 'frank\@example.com'"), $claims->{sub}, 'the account has the address');
	is(query("SELECT string_agg(type, ' ' ORDER BY created_at, type) FROM anon_auth.events WHERE user_id = '$claims->{sub}' AND type LIKE 'user.%'"), 'user.created', 'it was created, and never a guest');
	is(submit($browser, $form, %form, password => 'correct horse')->{status}, 303, 'a second click logs in');
	shows(submit($browser, $form, %form, password => 'other'), 422, qr/This password is not right/, 'but not with another password');
	shows($browser->get($form), 200, qr/Your account is ready/, 'the page says that there is nothing left to do');
	no_limits();
}

# An existing account

{
	my $browser = browser();
	my $form = authorize($browser, %create);
	my %form = (login_id_type => 'email', login_id => 'Frank@example.com');
	my $taken = submit($browser, $form, %form, password => 'correct horse');
	shows($taken, 422, qr/There is already an account with this email address/, qr/Log in to that account/, 'the form does not log in, even with the right password');
	unlike(text_of($taken), qr/guest/i, 'and does not speak of guests');
	is(query("SELECT count(*) FROM anon_auth.events WHERE type = 'login_id.conflict' AND user_id = '00000000-0000-0000-0000-000000000000'"), 1, 'this is an event');
	my $login = submit($browser, $form, %form, mode => 'choose_log_in');
	shows($login, 200, qr/Log in to the account that has this email address/, qr{/flows/forgot_password\?}, qr/value="Frank\@example\.com" readonly/, 'the button leads to the log-in');
	unlike(text_of($login), qr/guest/i, 'which does not speak of guests');
	shows(submit($browser, $form, %form, mode => 'log_in', password => 'wrong'), 422, qr/This password is not right/, 'a wrong password');
	like(submit($browser, $form, %form, mode => 'log_in', password => 'correct horse')->{location}, qr/^https:\/\/app\.example\/cb\?code=/, 'the right password logs in');
	no_limits();
	settings(login_id_conflicts_per_minute_per_ip => 2, trusted_proxy_hops => 1);
	local $browser->{headers}{'x-forwarded-for'} = '192.0.2.1';
	$form = authorize($browser, %create);
	is(join(' ', map { submit($browser, $form, %form, password => 'correct horse')->{status} } 1 .. 3), '422 422 429', 'such answers are limited');
	is(submit($browser, $form, login_id_type => 'email', login_id => 'new@example.com', password => 'correct horse')->{status}, 429, 'at the limit, a free address has the same answer');
	settings(login_id_conflicts_per_minute_per_ip => 10, trusted_proxy_hops => 0);
	settings(promotion_conflict => 'login');
	shows(submit($browser, authorize($browser, %create), %form, password => 'wrong'), 422, qr/There is already an account/, qr/readonly/, qr/value="log_in"/, 'with promotion_conflict login, the log-in follows');
	settings(promotion_conflict => 'error');
}

# With a code

{
	my $browser = browser();
	my $form = authorize($browser, %create);
	my %form = (login_id_type => 'email', login_id => 'grace@example.com', method => 'code');
	my $sent = submit($browser, $form, %form, use => 'code');
	my $known = submit($browser, $form, %form, login_id => 'frank@example.com', use => 'code');
	shows($sent, 200, qr/sent a message with a code to <b dir="ltr">grace/, 'the address gets a code');
	is(text_of($known) =~ s/frank/grace/gr =~ s{href="[^"]*"}{}gr, text_of($sent) =~ s{href="[^"]*"}{}gr, 'the page is the same for an address of an account');
	my $code = code_for('grace@example.com');
	shows(submit($browser, $form, %form, step => 'code', code => wrong($code)), 422, qr/This code is wrong/, 'a wrong code');
	like(submit($browser, $form, %form, step => 'code', code => $code)->{location}, qr/\?code=/, 'the right code creates the account');
	is(query("SELECT verified_at IS NOT NULL FROM anon_auth.login_ids WHERE value = 'grace\@example.com'"), 't', 'with a verified address');
	is(query("SELECT has_password FROM anon_auth.users WHERE id = (SELECT user_id FROM anon_auth.login_ids WHERE value = 'grace\@example.com')"), 'f', 'and without a password');

	# The owner of an address that has an account
	my $again = browser();
	$form = authorize($again, %create);
	no_limits();
	submit($again, $form, %form, use => 'code');
	$code = code_for('grace@example.com');
	my $proven = submit($again, $form, %form, step => 'code', code => $code);
	shows($proven, 200, qr/This is your account/, qr/name="mode" value="log_in"/, 'the owner of an account is asked whether to log in to it');
	unlike(text_of($proven), qr/guest/i, 'and not told of guests');
	like(submit($again, $form, %form, step => 'code', mode => 'log_in', code => $code)->{location}, qr/\?code=/, 'and logs in with the same code');
	is(query("SELECT count(*) FROM anon_auth.login_ids WHERE value = 'grace\@example.com'"), 1, 'there is one account');
	no_limits();
}

# login_id_verification = required: the code comes first, and the password with it

{
	settings(login_id_verification => 'required');
	my $browser = browser();
	my $form = authorize($browser, %create);
	my %form = (login_id_type => 'email', login_id => 'heidi@example.com');
	my $page = $browser->get($form);
	shows($page, 200, qr/Send code/, 'the first form has a code sent');
	unlike(text_of($page), qr/name="password"/, 'and asks for no password');
	my ($new, $known) = map { submit($browser, $form, %form, login_id => $_) } 'heidi@example.com', 'frank@example.com';
	is(text_of($known) =~ s/frank/heidi/gr =~ s{href="[^"]*"}{}gr, text_of($new) =~ s{href="[^"]*"}{}gr, 'a stranger does not learn that an address has an account');
	shows($new, 200, qr/name="code"/, qr/autocomplete="new-password"/, 'the page for the code asks for a password');
	my $code = code_for('heidi@example.com');
	shows(submit($browser, $form, %form, step => 'code', code => $code, password => 'short'), 422, qr/does not follow all the rules/, qr/value="$code"/, 'a weak password');
	like(submit($browser, $form, %form, step => 'code', code => $code, password => 'correct horse')->{location}, qr/\?code=/, 'the account is created');
	is(query("SELECT u.is_verified AND u.has_password FROM anon_auth.users u JOIN anon_auth.login_ids l ON l.user_id = u.id WHERE l.value = 'heidi\@example.com'"), 't', 'with a verified address and a password');
	no_limits();

	# The link of the message, in the browser of the flow
	settings(code_link_uri => 'https://auth.example/flows/code_link?code={code}&client_id={client_id}&ui_locales={language}');
	$form = authorize($browser, %create);
	submit($browser, $form, %form, login_id => 'ivan@example.com');
	my $link = query("SELECT link FROM anon_auth.take_outbox_messages(1000) WHERE recipient = 'ivan\@example.com'");
	my $opened = $browser->get($link);
	shows($opened, 200, qr{action="https://auth\.example/flows/sign_up\?}, qr/autocomplete="new-password"/, 'the link continues the sign-up, and asks for the password');
	unlike(text_of($opened), qr/guest/i, 'without a word of guests');
	my ($long) = $link =~ /code=([^&]+)/;
	like(submit($browser, $form, %form, login_id => 'ivan@example.com', step => 'code', code => $long, password => 'correct horse')->{location}, qr/\?code=/, 'its code creates the account');
	$form = authorize($browser, %create);
	no_limits();
	drain();
	submit($browser, $form, %form, login_id => 'ivan@example.com');
	$opened = $browser->get(query("SELECT link FROM anon_auth.take_outbox_messages(1000) WHERE recipient = 'ivan\@example.com'"));
	unlike(text_of($opened), qr/name="password"/, 'for the owner of an account, the link asks for no password');
	($long) = text_of($opened) =~ /name="code" value="([^"]+)"/;
	shows(submit($browser, $form, login_id_type => 'email', login_id => 'ivan@example.com', method => 'code', step => 'code', code => $long), 200, qr/This is your account/, 'it leads to that account');
	settings(login_id_verification => 'optional', code_link_uri => undef);
}

# Who can use the page

{
	my $browser = browser();
	my $form = authorize($browser, %create);
	my %form = (login_id_type => 'email', login_id => 'mallory@example.com', password => 'correct horse');

	for my $site (qw(cross-site same-site none))
	{
		local $browser->{headers}{'sec-fetch-site'} = $site;
		like(submit($browser, $form, %form)->{status}, qr/^40[03]$/, "a form from $site is refused");
	}
	is(browser()->get($form)->{status}, 400, 'another browser cannot open the page');
	settings(public_sign_up_enabled => 'false');
	is(submit($browser, $form, %form)->{status}, 422, 'nobody can sign up while the site is closed for it');
	settings(public_sign_up_enabled => 'true', page_sign_up => 'false');
	like($browser->get($form)->{location}, qr{^https://auth\.example/flows/login\?}, 'without page_sign_up, the page leads to the log-in');
	like(submit($browser, $form, %form)->{location}, qr{^https://auth\.example/flows/login\?}, 'also its form');
	settings(page_sign_up => 'true');
	is(query("SELECT count(*) FROM anon_auth.login_ids WHERE value = 'mallory\@example.com'"), 0, 'none of these has created an account');
	my $tokens = $json->decode(query("SELECT row_to_json(t) FROM anon_auth.authenticate('web', 'frank\@example.com', 'correct horse') t"));
	like(authorize($browser, %create, id_token_hint => $tokens->{id_token}), qr/error=invalid_request/, 'prompt=create cannot be combined with an id_token_hint');
	like(text_of($browser->get($form, 'Accept-Language:' => 'de')), qr/Konto erstellen/, 'the page is there in German');
	like(text_of($browser->get($form, 'Accept-Language:' => 'zh-TW')), qr/建立/, 'the page is there in Chinese');
	settings(page_sign_up => 'false');
}

# A long wait is shown in hours.

{
	my $wait = sub { return $node->safe_psql('postgres', 'SELECT html FROM anon_auth_internal.page(' . sql_literal(qq({"view": "log_in", "action": "?x", "errors": {"form": "$_[0]"}, "wait_minutes": $_[1]})) . ')'); };

	like($wait->('rate_limited', 120), qr/Wait 120 minutes/, 'two hours are shown in minutes');
	like($wait->('rate_limited', 121), qr/Wait 3 hours/, 'more is shown in hours, rounded up');
	like($wait->('code_wait', 1440), qr/wait 24 hours/, 'a day is shown as 24 hours');
}

done_testing;
