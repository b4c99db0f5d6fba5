# The page behind the link of a message with a code (settings.code_link_uri), in
# every state that is not a browser's matter. t/AnonAuth/Browser.pm calls the
# functions as PostgREST would; t/099_codes_in_browser.pl uses a real browser.

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

my $json = JSON::PP->new->canonical->utf8;
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
SELECT anon_auth.create_client('app', 'native', '{com.example.app://cb}', name => 'Notebook'),
	   anon_auth.create_client('web', 'spa', '{https://app.example/cb}', name => 'Notebook'),
	   anon_auth.create_client('site', 'traditional_webapp', '{https://app.example/home}', name => 'Notebook');
UPDATE anon_auth.settings SET issuer = 'https://auth.example', password_hash_memory_kib = 8192,
	password_hash_passes = 1, page_login_methods = '{code}', trusted_proxy_hops = 1,
	code_link_uri = 'https://auth.example/flows/code_link?code={code}&client_id={client_id}&ui_locales={language}';
SQL

my $password = 'correct horse';
my $page_path = '/flows/code_link';

sub query { return $node->safe_psql('postgres', $_[0]); }

sub settings
{
	my (%settings) = @_;

	query('UPDATE anon_auth.settings SET ' . join ', ', map { "$_ = " . sql_literal($settings{$_}) } sort keys %settings);
	return;
}

sub no_limits { query('SELECT anon_auth.reset_counters()'); }

# Forget limits, and codes that were not used.
sub forget
{
	query(q{DELETE FROM anon_auth.address_codes WHERE recipient ILIKE 'ada@%'});
	no_limits();
	return;
}

my $address = 0;

# A browser, each at another address.
sub browser
{
	return AnonAuth::Browser->new($node,
		headers => { 'sec-fetch-site' => 'same-origin', 'x-forwarded-for' => '203.0.113.' . ++$address, @_ });
}

# The only message in the outbox: code and link.
sub message
{
	my @rows = split /\n/, query(q{SELECT concat_ws('|', type, recipient, code, link, language) FROM anon_auth.take_outbox_messages()});

	is(@rows, 1, 'one message was sent') or BAIL_OUT("@rows");
	my %message;
	@message{qw(type recipient code link language)} = split /\|/, $rows[0];
	($message{query}) = ($message{link} // '') =~ m{^https://auth\.example/flows/code_link\?(.*)$};
	($message{long}) = ($message{link} // '') =~ /[?&]code=([^&]*)/;
	return \%message;
}

# Have a code sent as an application would.
sub request_code
{
	my ($client, $login_id, %more) = @_;

	forget();
	query('SELECT anon_auth.request_login_code(' . join(', ', map { sql_literal($_) } $client, $login_id)
		  . join('', map { ", $_ => " . sql_literal($more{$_}) } sort keys %more) . ')');
	return message();
}

sub sign_up
{
	my ($email, %more) = @_;
	my $sub = query("SELECT sub FROM anon_auth.sign_up('site', email => " . sql_literal($email) . ', password => ' . sql_literal($password) . ')');

	query("UPDATE anon_auth.login_ids SET verified_at = now() WHERE user_id = '$sub'; UPDATE anon_auth.users SET is_verified = true WHERE id = '$sub'")
	  if !$more{unproven};
	return $sub;
}

sub codes { return query('SELECT count(*) FROM anon_auth.address_codes'); }
sub sessions { return query('SELECT count(*) FROM anon_auth.sessions'); }
sub open_link { my ($browser, $message, @more) = @_; return $browser->get("$page_path?$message->{query}", @more); }

# The fields of the form on a page, and where it goes.
sub form_of
{
	my ($page) = @_;
	my ($form) = $page->{body} =~ m{(<form.*?</form>)}s or return;
	my ($action) = $form =~ /action="([^"]*)"/;
	my %fields = $form =~ /<input type="hidden" name="([^"]*)" value="([^"]*)">/g;

	$action =~ s{^https://auth\.example}{};
	$action =~ s/&amp;/&/g;
	return ($action, %fields);
}

sub confirm
{
	my ($browser, $page, @more) = @_;
	my ($action, @fields) = form_of($page);

	return $browser->post_form($action, @fields, @more);
}

sub text_of
{
	my ($page) = @_;
	my ($main) = $page->{body} =~ m{<main>(.*)</main>}s;

	$main =~ s/<[^>]+>/ /g;
	$main =~ s/&#39;/'/g;
	$main =~ s/\s+/ /g;
	return $main;
}

# ---------------------------------------------------------------------------
# Log-in in another browser
# ---------------------------------------------------------------------------

my $ada = sign_up('ada@example.com');

{
	my $message = request_code('site', 'Ada@example.com', ui_locales => 'en');
	my $browser = browser();
	my ($codes, $sessions) = (codes(), sessions());

	for my $try ('a scanner', 'another scanner', 'a preview', 'the user')
	{
		my $page = open_link(browser(), $message);

		is($page->{status}, 200, "GET by $try shows the page");
		ok(!$page->{headers}{'set-cookie'}, "... and sets no cookie");
	}
	is_deeply([ codes(), sessions() ], [ $codes, $sessions ], 'GET uses nothing up and starts no session');
	is(query("SELECT count(*) FROM anon_auth.events WHERE type LIKE 'authentication%' OR type = 'user.authenticated'"), 0, '... and is no attempt');

	my $page = open_link($browser, $message);
	my $text = text_of($page);
	like($text, qr/Log in to Notebook\?/, 'the page names the client');
	like($text, qr/will be logged in as ada\@example\.com/, '... and the address, as its owner has proven it');
	like($text, qr/requested on \d+ \w+ \d{4}, \d\d:\d\d UTC \./, '... and when the code was requested');
	like($text, qr/if this is not your address, close this page/, '... and warns');
	is_deeply([ $page->{headers}{'cache-control'}, $page->{headers}{'referrer-policy'}, $page->{headers}{'x-frame-options'} ],
		[ ['no-store'], ['strict-origin'], ['DENY'] ], 'the page is not stored, not framed, and its address is not sent on');
	my ($action, %fields) = form_of($page);
	is($action, $page_path, 'the code is not in the address of the form');
	is($fields{code}, $message->{long}, '... but in a field');

	my $prefetch = open_link(browser(), $message, 'Sec-Purpose:' => 'prefetch');
	is($prefetch->{status}, 503, 'a prefetch is refused');

	my $foreign = confirm(browser('sec-fetch-site' => 'cross-site', origin => 'https://evil.example'), $page);
	is($foreign->{status}, 403, 'a form of another site is refused');
	$foreign = confirm(browser('sec-fetch-site' => 'same-site', origin => 'https://x.auth.example'), $page);
	is($foreign->{status}, 403, '... also of the same site');
	$foreign = confirm(browser('sec-fetch-site' => 'none'), $page);
	is($foreign->{status}, 403, '... and a request of no page');
	is_deeply([ codes(), sessions() ], [ $codes, $sessions ], '... without any effect');

	my $done = confirm($browser, $page);
	is($done->{status}, 200, 'POST logs in');
	like(text_of($done), qr/You are logged in This browser is logged in to Notebook as ada\@example\.com/, 'the page says so and names the client');
	like($done->{body}, qr{href="https://app\.example/home"}, '... with a link to it');
	my $userinfo = $browser->get('/oauth2/userinfo');
	is($userinfo->{json}{sub}, $ada, 'the browser has a session of the account');
	is_deeply($userinfo->{json}{amr} // ['otp'], ['otp'], '... by a code');
	is(query("SELECT string_agg(client_id || ' ' || session_type || ' ' || array_to_string(amr, '+'), ',') FROM anon_auth.sessions WHERE user_id = '$ada' AND amr <> '{pwd}'"),
		'site cookie otp', 'the session says how');
	is(codes(), $codes - 1, 'the code is used up');

	my $again = confirm(browser(), $page);
	is($again->{status}, 400, 'it cannot be used again');
	like(text_of($again), qr/This link no longer works/, '... and the page says why');
	is(open_link(browser(), $message)->{status}, 400, '... also when the link is opened again');
}

# Sessions that the log-in replaces.
{
	my $guest = browser();
	$guest->post_json('/api/anonymous_user/signup', { session_type => 'cookie', client_id => 'site' });
	my $sub = $guest->get('/oauth2/userinfo')->{json}{sub};
	my $message = request_code('site', 'ada@example.com');
	my $page = open_link($guest, $message);
	like(text_of($page), qr/You are a guest in this browser/, 'the page warns a guest');
	confirm($guest, $page);
	is($guest->get('/oauth2/userinfo')->{json}{sub}, $ada, '... who is logged in');
	is(query("SELECT count(*) FROM anon_auth.sessions WHERE user_id = '$sub'"), 0, '... and whose session has ended');

	$message = request_code('site', 'eve@example.com');
	like(text_of(open_link($guest, $message)), qr/You will be logged out of the account/, 'the page says that another account is logged out');
}

# ---------------------------------------------------------------------------
# Known and unknown addresses; accounts that do not open
# ---------------------------------------------------------------------------

{
	my %page;

	for my $email (qw(ada@example.com nobody@example.com))
	{
		my $message = request_code('site', $email);
		my $page = open_link(browser(), $message);
		$page{$email} = $page->{status} . ($page->{body} =~ s/\Q$email\E/ADDRESS/gr =~ s/\Q$message->{long}\E/CODE/gr
			  =~ s/@{[ $message->{code} =~ s|^(...)|$1 |r ]}/DIGITS/gr =~ s/<time.*?<\/time>/TIME/gr);
		next if $email =~ /^ada/;
		my $answer = confirm(my $browser = browser(), $page);
		is($answer->{status}, 422, 'without an account there is no log-in');
		like(text_of($answer), qr/There is no account to log in to/, '... and the owner of the address is told');
		is($browser->get('/oauth2/userinfo')->{status}, 401, '... without a session');
		sign_up($email);
		is(confirm(browser(), $page)->{status}, 200, 'the link still works after the user has signed up');
	}
	is($page{'ada@example.com'}, $page{'nobody@example.com'}, 'before the confirmation, known and unknown addresses look the same');
}

{
	my $mallory = sign_up('mallory@example.com');
	my $message = request_code('site', 'mallory@example.com');
	my $page = open_link(browser(), $message);
	query("SELECT anon_auth.disable_user('$mallory')");
	my $answer = confirm(my $browser = browser(), $page);
	is($answer->{status}, 403, 'a disabled account does not open');
	like(text_of($answer), qr/This account is disabled/, '... and the page says so');
	is($browser->get('/oauth2/userinfo')->{status}, 401, '... without a session');
}

# An account that somebody claimed without proof is opened for the owner alone.
{
	my $sub = sign_up('claimed@example.com', unproven => 1);
	my $message = request_code('site', 'claimed@example.com');
	my $browser = browser();
	is(confirm($browser, open_link(browser(), $message))->{status}, 200, 'a claimed address opens its account');
	is($browser->get('/oauth2/userinfo')->{json}{sub}, $sub, '... to the owner of the address');
	is(query("SELECT count(*) FROM anon_auth.passwords WHERE user_id = '$sub'"), 0, '... without the password of whoever claimed it');
}

# ---------------------------------------------------------------------------
# Clients without cookies, guests: the six digits
# ---------------------------------------------------------------------------

for my $client (qw(app web))
{
	my $message = request_code($client, 'ada@example.com');
	my $sessions = sessions();
	my $page = open_link(browser(), $message);
	my $text = text_of($page);
	my $digits = $message->{code} =~ s/^(...)/$1 /r;

	is($page->{status}, 200, "$client: the page shows the digits, because its users have no cookie session");
	like($text, qr/Your code .*log in to Notebook, enter this code where you asked for it\. \Q$digits\E .*Do not give this code to anybody/, '... says where, and warns');
	ok($page->{body} !~ /<form/, '... and has no form');
	my $posted = browser()->post_form($page_path, code => $message->{long});
	is($posted->{status}, 200, 'POST shows the same');
	ok(!$posted->{headers}{'set-cookie'}, '... without a cookie');
	is(sessions(), $sessions, '... or a session');
	is(query("SELECT count(*) FROM anon_auth.authenticate_with_code('$client', 'ada\@example.com', '$message->{code}')"), 1, 'the digits log in where the user types them');
}

{
	my $refresh_token = query("SELECT refresh_token FROM anon_auth.authenticate_anonymously('site')");
	my $message = request_code('site', 'grace@example.com', refresh_token => $refresh_token);
	my $browser = browser();
	my $page = open_link($browser, $message);
	like(text_of($page), qr/create your account with Notebook, enter this code where you asked for it/, 'the page of a guest\'s code shows the digits elsewhere');
	for my $posted (confirm($browser, { body => qq{<form action="$page_path"><input type="hidden" name="code" value="$message->{long}"></form>} }))
	{
		is($posted->{status}, 200, 'POST shows the same');
		ok(!$posted->{headers}{'set-cookie'}, '... and completes nothing');
	}
	is(query("SELECT is_anonymous FROM anon_auth.users WHERE id = (SELECT asker FROM anon_auth.address_codes WHERE recipient = 'grace\@example.com')"), 't', 'the guest is still a guest');
	is(query("SELECT count(*) FROM anon_auth.promote_anonymous_user('site', email => 'grace\@example.com', code => '$message->{code}', refresh_token => '$refresh_token')"),
		1, 'the digits promote the guest where it is');
	is(open_link(browser(), $message)->{status}, 400, 'afterwards the link no longer works');
}

# Where the request came from.
{
	my $settings = "SELECT anon_auth.use_client_address('198.51.100.7', false)";
	forget();
	query("$settings; SELECT anon_auth.request_login_code('app', 'ada\@example.com')");
	my $with = message();
	like(text_of(open_link(browser(), $with)), qr/from the IP address 198\.51\.100\.7 \./, 'the page says from where the code was requested');
	settings(session_client_address => 'false');
	forget();
	query("$settings; SELECT anon_auth.request_login_code('app', 'ada\@example.com')");
	my $without = message();
	my $text = text_of(open_link(browser(), $without));
	like($text, qr/requested on [^.]* UTC \./, '... or only when, if addresses are not kept');
	unlike($text, qr/198\.51/, '... without the address');
	settings(session_client_address => 'true');
}

# ---------------------------------------------------------------------------
# Limits, and settings that changed meanwhile
# ---------------------------------------------------------------------------

{
	my @messages = reverse map { request_code('site', $_) } qw(fred@example.com ada@example.com);
	my $browser = browser();

	settings(password_attempts_per_minute_per_ip => 1);
	is($browser->post_form($page_path, code => $messages[0]{long})->{status}, 200, 'a log-in counts as an attempt');
	my $refused = confirm($browser, open_link($browser, $messages[1]));
	is($refused->{status}, 429, 'beyond the limit of attempts, a log-in is refused');
	like(text_of($refused), qr/too many attempts/, '... the page says so');
	ok($refused->{headers}{'retry-after'}[0] > 0, '... and for how long');
	is((form_of($refused))[0], $page_path, '... and has the form again');
	settings(password_attempts_per_minute_per_ip => 1000);
	no_limits();
	is(confirm($browser, $refused)->{status}, 422, '... which works later');
}

{
	my $message = request_code('site', 'ada@example.com');
	my $page = open_link(browser(), $message);
	query("UPDATE anon_auth.address_codes SET expires_at = now()");
	for my $answer (open_link(browser(), $message), confirm(browser(), $page))
	{
		is($answer->{status}, 400, 'an expired link');
		like(text_of($answer), qr/This link no longer works/, '... says so');
	}

	$message = request_code('site', 'ada@example.com');
	query("UPDATE anon_auth.clients SET application_type = 'third_party_app' WHERE client_id = 'site'");
	like(text_of(open_link(browser(), $message)), qr/This link no longer works/, 'a client that no longer has users log in');
	query("UPDATE anon_auth.clients SET application_type = 'traditional_webapp' WHERE client_id = 'site'");
	is(open_link(browser(), $message)->{status}, 200, 'the link works again with the former settings');
}

for my $query ('', 'code=', 'code=x', 'code=' . 'A' x 64, 'code=' . 'A' x 5000, 'code=%3Cscript%3E&client_id=nobody', 'code=12345', 'code=ABCDEFGHIL')
{
	my $answer = browser()->get("$page_path?$query");
	is($answer->{status}, 400, 'no link: ' . substr $query, 0, 40);
	like(text_of($answer), qr/This link no longer works/, '... has a page');
	is(browser()->post_form($page_path, map { split /=/, $_, 2 } split /&/, $query)->{status}, 400, '... also for POST') if $query !~ /%/;
}

# ---------------------------------------------------------------------------
# Links of other messages
# ---------------------------------------------------------------------------

# Have a verification code sent for the account of a browser.
sub request_verification
{
	my ($browser) = @_;
	my $sub = $browser->get('/oauth2/userinfo')->{json}{sub};

	no_limits();
	my $tokens = query("SELECT access_token FROM anon_auth.authenticate('site', (SELECT value FROM anon_auth.login_ids WHERE user_id = '$sub' AND type = 'email'), '$password')");
	query("SELECT anon_auth.request_verification('email', '$tokens', ui_locales => 'en')");
	return message();
}

sub browser_of
{
	my ($email) = @_;
	my $message = request_code('site', $email);
	my $browser = browser();

	is(confirm($browser, open_link(browser(), $message))->{status}, 200, "a browser of $email");
	return $browser;
}

{
	my $ida = browser_of('ada@example.com');
	my $sub = $ida->get('/oauth2/userinfo')->{json}{sub};
	query("UPDATE anon_auth.login_ids SET verified_at = NULL WHERE user_id = '$sub'; UPDATE anon_auth.users SET is_verified = false WHERE id = '$sub'");
	my $message = request_verification($ida);
	my $verified = "SELECT count(*) FROM anon_auth.login_ids WHERE user_id = '$sub' AND verified_at IS NOT NULL";

	is($message->{type}, 'login_id_verification', 'a verification message');
	my $stranger = open_link(browser(), $message);
	my $digits = $message->{code} =~ s/^(...)/$1 /r;
	like(text_of($stranger), qr/confirm your address, enter this code in Notebook\. \Q$digits\E/, 'in a browser without session, its link shows the digits');
	confirm(browser(), { body => qq{<form action="$page_path"><input type="hidden" name="code" value="$message->{code}"></form>} });
	is(query($verified), 0, '... and POST verifies nothing');

	my $page = open_link($ida, $message);
	like(text_of($page), qr/Confirm your address\?/, 'in a browser of the account, it asks');
	is(query($verified), 0, '... and verifies nothing before');
	my $wrong = $ida->post_form($page_path, code => $message->{code} eq '000000' ? '000001' : '000000');
	is($wrong->{status}, 400, 'wrong digits');
	like(text_of($wrong), qr/no longer works/, '... are refused');
	my $answer = confirm($ida, $page);
	is($answer->{status}, 200, 'POST verifies');
	like(text_of($answer), qr/Your address is confirmed/, '... and the page says so');
	is(query($verified), 1, '... and the address is verified');
	is(confirm($ida, $page)->{status}, 400, 'the code works once');
}

# A code for another address of an account: its session may belong to a client or to none.
for my $client (qw(site), undef)
{
	my $app = $client // 'no client';
	my $name = $client ? ' in Notebook' : ' where you asked for it';
	no_limits();
	query("SELECT anon_auth.request_login_id_code('email', 'other-ada\@example.com', (SELECT access_token FROM anon_auth.authenticate('site', 'ada\@example.com', '$password')), 'en')");
	my $message = message();
	if (!$client)
	{
		query(q{UPDATE anon_auth.address_codes SET client_id = '' WHERE recipient ~ 'other-ada'});
		$message->{query} =~ s/client_id=\w+/client_id=/;
	}
	my $digits = $message->{code} =~ s/^(...)/$1 /r;
	is($message->{type}, 'login_id_verification', "$app: a message for another address");
	my $page = open_link(browser(), $message);
	is($page->{status}, 200, "$app: its link");
	like(text_of($page), qr/confirm your address, enter this code\Q$name. $digits\E/, "$app: ... shows the digits");
	ok($page->{body} !~ /<form/, "$app: ... and has no form");
	query(q{DELETE FROM anon_auth.address_codes WHERE recipient ~ 'other-ada'});
}

{
	no_limits();
	query("SELECT anon_auth.request_password_reset('ada\@example.com', 'en', 'site')");
	my $message = message();
	my $code = $message->{code} =~ s/^(.....)/$1 /r;
	my $page = open_link(browser(), $message);
	like(text_of($page), qr/choose a new password, enter this code in Notebook\. \Q$code\E/, 'the link of a reset shows the code');
	unlike(text_of($page), qr/requested on/, '... without a time that is not known');
	ok($page->{body} !~ /<form/, '... and has no form');
}

# ---------------------------------------------------------------------------
# The flow in which the code was requested
# ---------------------------------------------------------------------------

my $verifier = 'v' x 43;

sub begin_log_in
{
	my ($browser, $client) = @_;
	my %client = $client eq 'site'
	  ? (redirect_uri => 'https://app.example/home', response_type => 'none', scope => 'openid')
	  : (redirect_uri => 'https://app.example/cb', response_type => 'code', scope => 'openid offline_access',
		code_challenge_method => 'S256', code_challenge => encode_base64url(sha256($verifier)));
	my $answer = $browser->get('/oauth2/authorize', client_id => $client, state => 'a state', %client, 'Sec-Fetch-Site:' => 'cross-site');

	return $answer->{location};
}

sub send_code
{
	my ($browser, $page, $email) = @_;

	forget();
	my $answer = $browser->post_form($page, login_id => $email, method => 'code');
	is($answer->{status}, 200, "a code is sent to $email");
	return message();
}

for my $client (qw(web site))
{
	query("UPDATE anon_auth.login_ids SET verified_at = now() WHERE user_id = '$ada'; UPDATE anon_auth.users SET is_verified = true WHERE id = '$ada'");
	my $browser = browser();
	my $other_flow = begin_log_in($browser, $client eq 'web' ? 'site' : 'web');
	my $page = begin_log_in($browser, $client);
	my $third = begin_log_in($browser, $client);
	my $message = send_code($browser, $page, 'ada@example.com');

	my $elsewhere = open_link(browser(), $message);
	unlike($elsewhere->{body}, qr/x_ref/, "$client: another browser does not get the flow");
	for my $way ('none', 'cross-site')
	{
		my $shown = open_link($browser, $message, 'Sec-Fetch-Site:' => $way);
		is($shown->{status}, 200, "$client: the link in the same browser ($way)");
		my ($action) = form_of($shown);
		my ($x_ref) = $page =~ /x_ref=(.*)/;
		like($action, qr{^/flows/login\?x_ref=\Q$x_ref\E}, '... continues the flow in which the code was requested, of three');
		like(text_of($shown), qr/Log in to Notebook\? .*logged in as ada\@example\.com/, '... after a question');
	}
	my $done = confirm($browser, open_link($browser, $message));
	is($done->{status}, 303, "$client: the flow ends");
	if ($client eq 'web')
	{
		like($done->{location}, qr{^https://app\.example/cb\?code=[^&]+&state=a%20state&}, '... with a code for the client');
		my ($code) = $done->{location} =~ /code=([^&]+)/;
		my $tokens = $browser->post_form('/oauth2/token', grant_type => 'authorization_code', client_id => 'web', code => $code,
			redirect_uri => 'https://app.example/cb', code_verifier => $verifier)->{json};
		is_deeply((jws_parts($tokens->{id_token}))[1]{amr}, ['otp'], '... which the client exchanges for tokens that say how the user logged in');
	}
	else
	{
		like($done->{location}, qr{^https://app\.example/home\?state=a%20state&}, '... at the client');
		is($browser->get('/oauth2/userinfo')->{json}{sub}, $ada, '... with a cookie session');
	}
	is(open_link($browser, $message)->{status}, 400, "$client: the link no longer works");
}

# A browser whose cookie is gone is another browser; a client that lost the URI has no flow.
{
	my $browser = browser();
	my $message = send_code($browser, begin_log_in($browser, 'web'), 'ada@example.com');
	query("UPDATE anon_auth.clients SET redirect_uris = '{https://app.example/other}' WHERE client_id = 'web'");
	like(text_of(open_link($browser, $message)), qr/enter this code where you asked/, 'without the redirect URI, the flow is gone');
	query("UPDATE anon_auth.clients SET redirect_uris = '{https://app.example/cb}' WHERE client_id = 'web'");
	like((form_of(open_link($browser, $message)))[0], qr/x_ref/, 'with it, it is back');
	delete $browser->cookies->{'__Host-promotion'} or fail('the browser has a cookie');
	like(text_of(open_link($browser, $message)), qr/enter this code where you asked/, 'without the cookie, it is gone');
}

# A guest's promotion, in the browser in which the guest asked.
{
	my $browser = browser();
	$browser->post_json('/api/anonymous_user/signup', { session_type => 'cookie', client_id => 'site' });
	my $sub = $browser->get('/oauth2/userinfo')->{json}{sub};
	my $code = $browser->post_json('/api/anonymous_user/promotion_code', { session_type => 'cookie' })->{json}{result}{promotion_code};
	my $page = $browser->get('/oauth2/authorize', client_id => 'site', redirect_uri => 'https://app.example/home', response_type => 'none', scope => 'openid',
		login_hint => 'https://authgear.com/login_hint?' . AnonAuth::Browser::form(type => 'anonymous', promotion_code => $code))->{location};
	no_limits();
	is($browser->post_form($page, login_id_type => 'email', login_id => 'promoted@example.com', method => 'code')->{status}, 200, 'a guest asks for a code');
	my $message = message();
	like(text_of(open_link(browser(), $message)), qr/Your code To create your account with Notebook/, 'the link elsewhere shows the digits');
	my $shown = open_link($browser, $message);
	like((form_of($shown))[0], qr{^/flows/promote_user\?x_ref=}, 'in the browser of the guest, it continues the promotion');
	like(text_of($shown), qr/promoted\@example\.com/, '... and names the address');
	is(query("SELECT is_anonymous FROM anon_auth.users WHERE id = '$sub'"), 't', '... and promotes nobody before the user confirms');
	is(confirm($browser, $shown)->{status}, 303, 'POST promotes the guest');
	is(query("SELECT is_anonymous FROM anon_auth.users WHERE id = '$sub'"), 'f', '... with the same user id');
}

# The same if accounts have passwords.  A sign-up by a link has no other way to set one.
{
	settings(page_login_methods => '{password,code}', login_id_verification => 'required');
	my $browser = browser();
	$browser->post_json('/api/anonymous_user/signup', { session_type => 'cookie', client_id => 'site' });
	my $sub = $browser->get('/oauth2/userinfo')->{json}{sub};
	my $code = $browser->post_json('/api/anonymous_user/promotion_code', { session_type => 'cookie' })->{json}{result}{promotion_code};
	my $page = $browser->get('/oauth2/authorize', client_id => 'site', redirect_uri => 'https://app.example/home', response_type => 'none', scope => 'openid',
		login_hint => 'https://authgear.com/login_hint?' . AnonAuth::Browser::form(type => 'anonymous', promotion_code => $code))->{location};
	no_limits();
	is($browser->post_form($page, login_id_type => 'email', login_id => 'secret@example.com')->{status}, 200, 'a guest asks for a code, to sign up with a password');
	my $message = message();
	my $shown = open_link($browser, $message);
	my ($action, @fields) = form_of($shown);

	like($shown->{body}, qr/name="password"[^>]*autocomplete="new-password"|autocomplete="new-password"[^>]*name="password"/, 'the link asks for the password');
	like($shown->{body}, qr/name="login_id" value="secret\@example\.com" autocomplete="username"/, '... and has the address for password managers');
	unlike($shown->{body}, qr/id="code"|role="alert"|name="use" value="(?!passkey")/, '... and neither a field for the code nor an error nor a second button');
	@fields = (@fields, login_id => 'secret@example.com');
	for my $case ([ 'no password', 422 ], [ 'a weak password', 422, password => 'short' ])
	{
		my ($name, $status, @password) = @$case;

		my $again = $browser->post_form($action, @fields, @password);
		is($again->{status}, $status, "$name: refused");
		like($again->{body}, qr/<input type="hidden" name="code" value="\Q$message->{long}\E">/, "... the form has the link's code");
		unlike($again->{body}, qr/id="code"/, '... in no field that is shown');
	}
	is(query("SELECT is_anonymous FROM anon_auth.users WHERE id = '$sub'"), 't', 'the guest is still a guest');
	is($browser->post_form($action, @fields, password => $password)->{status}, 303, 'link and password promote the guest');
	is(query("SELECT is_anonymous::text || has_password || is_verified FROM anon_auth.users WHERE id = '$sub'"), 'falsetruetrue', '... with a password and a verified address');
	settings(page_login_methods => '{code}', login_id_verification => 'optional');
}

# A code that expires after the link was opened
{
	my $browser = browser();
	my $message = send_code($browser, begin_log_in($browser, 'web'), 'ada@example.com');
	my $shown = open_link($browser, $message);
	query("UPDATE anon_auth.address_codes SET expires_at = now()");
	my $answer = confirm($browser, $shown);
	is($answer->{status}, 422, 'a code that expires while the page is open is refused');
	like($answer->{body}, qr/id="code_error"/, '... with a field for another code');
	unlike($answer->{body}, qr/\Q$message->{long}\E/, "... that does not show the link's");
	like($answer->{body}, qr/name="use" value="another_code"/, '... and a button that has another one sent');
}

# ---------------------------------------------------------------------------
# Languages
# ---------------------------------------------------------------------------

for ([ de => 'Ihr Code' ], [ 'zh-TW' => '您的驗證碼' ], [ fr => 'Your code' ])
{
	my ($language, $title) = @$_;
	my $message = request_code('app', 'ada@example.com', ui_locales => $language);

	like(text_of(open_link(browser(), $message)), qr/^ \Q$title\E/, "the page is in the language of the message: $language");
}

done_testing();
