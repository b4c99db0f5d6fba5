# Passkeys on the pages: what the forms accept, and the responses that they must refuse.
# t/AnonAuth/Browser.pm calls the functions as PostgREST would; t/129_passkeys_in_browser.pl
# drives a browser.

use strict;
use warnings;
use utf8;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Authenticator;
use AnonAuth::Browser;
use AnonAuth::Device qw(sql_literal);
use Digest::SHA qw(sha256);
use JSON::PP ();
use MIME::Base64 qw(encode_base64url);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $origin = 'https://auth.example';
my $json = JSON::PP->new->canonical;
my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->start;
$node->safe_psql('postgres', <<"SQL");
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
UPDATE anon_auth.settings SET issuer = '$origin', password_hash_memory_kib = 8192, password_hash_passes = 1;
SQL

my $verifier = 'v' x 43;
my %web = (
	client_id => 'web',
	redirect_uri => 'https://app.example/cb',
	response_type => 'code',
	scope => 'openid offline_access',
	state => 'a state',
	code_challenge_method => 'S256',
	code_challenge => encode_base64url(sha256($verifier)));
my %site = (client_id => 'site', redirect_uri => 'https://app.example/home', response_type => 'none', scope => 'openid', state => 'a state');

sub query { return $node->safe_psql('postgres', $_[0]); }
sub no_limits { query('SELECT anon_auth.reset_counters()'); }

sub settings
{
	my (%settings) = @_;

	query('UPDATE anon_auth.settings SET '
		  . join(', ', map { "$_ = " . (defined $settings{$_} ? sql_literal($settings{$_}) : 'NULL') } sort keys %settings)
		  . '; SELECT anon_auth.reset_counters()');
}

sub browser { return AnonAuth::Browser->new($node, headers => { 'sec-fetch-site' => 'same-origin', @_ }); }

# The address of the page that an authorization request leads to.
sub authorize
{
	my ($browser, %parameters) = @_;

	return $browser->get('/oauth2/authorize', map { defined $parameters{$_} ? ($_ => $parameters{$_}) : () } sort keys %parameters)->{location};
}

# The options on a page; undef: it offers no passkey.
sub options_on
{
	my ($page, $method) = @_;
	$method //= 'get';
	my ($text) = $page->{body} =~ /class="passkey" hidden data-method="\Q$method\E" data-options="([^"]*)"/ or return undef;
	my %entities = (quot => '"', amp => '&', lt => '<', gt => '>', '#39' => q{'});

	return JSON::PP->new->decode($text =~ s/&(quot|amp|lt|gt|#39);/$entities{$1}/gr);
}

# Send a form as the script does.
sub send_passkey
{
	my ($browser, $form, $response, %fields) = @_;

	return $browser->post_form($form, use => 'passkey', passkey_response => ref $response ? $json->encode($response) : $response,
		map { $_ => $fields{$_} } sort keys %fields);
}

# A page without style and script.
sub text_of { return ($_[0]{body} // '') =~ s{<(style|script)>.*?</\1>}{}gsr; }

sub shows
{
	my ($answer, $status, @rest) = @_;
	my $name = pop @rest;

	is($answer->{status}, $status, "$name: status $status");
	like(text_of($answer), $_, $name) for @rest;
}

# A user with a passkey: an account with this address, or a guest without one.
sub person
{
	my ($email) = @_;
	my $tokens = $email ? "anon_auth.sign_up('web', email => " . sql_literal($email) . ", password => 'correct horse')" : "anon_auth.authenticate_anonymously('web')";
	my ($user, $access_token) = split /\|/, query("SELECT sub, access_token FROM $tokens");
	my $passkey = AnonAuth::Authenticator->new(origin => $origin);
	my $response = $passkey->create($json->decode(query("SELECT anon_auth.passkey_creation_options('$access_token')")));

	query('SELECT anon_auth.add_passkey(' . sql_literal($json->encode($response)) . ", access_token => '$access_token'); SELECT anon_auth.reset_counters()");
	return { sub => $user, access_token => $access_token, passkey => $passkey };
}

sub whose { return $_[0]->get('/oauth2/userinfo')->{json}{sub}; }

my $ada = person('ada@example.com');
my $guest = person();

# ---------------------------------------------------------------------------
# Logging in
# ---------------------------------------------------------------------------

{
	my $browser = browser();
	my $form = authorize($browser, %site);
	my $page = $browser->get($form);
	my $options = options_on($page);

	shows($page, 200, qr/<button class="button plain" type="submit" name="use" value="passkey"[^>]*>Log in with a passkey</, 'the log-in page offers a passkey');
	like($page->{body}, qr/ data-autofills/, 'also in the autofill');
	like($page->{headers}{'content-security-policy'}[0], qr/; connect-src 'self';/, 'the script may ask the page for new options');
	is_deeply([ map { $options->{$_} } qw(rpId userVerification timeout allowCredentials) ], [ 'auth.example', 'preferred', 300_000, undef ], 'the options are for any passkey');
	my $done = send_passkey($browser, $form, $ada->{passkey}->get($options));
	is($done->{status}, 303, 'a passkey logs in');
	like($done->{location}, qr{^https://app\.example/home\?state=a%20state&}, 'and leads to the application');
	is(whose($browser), $ada->{sub}, 'as its user');
	is(query("SELECT amr FROM anon_auth.sessions WHERE user_id = '$ada->{sub}' AND session_type = 'cookie'"), '{pop,user,mfa}', 'the session knows how');
}

# Responses that are refused, each with new options.
{
	my $browser = browser();
	my $form = authorize($browser, %site);
	my $fresh = sub { return options_on($browser->get($form)); };
	my $refused = sub {
		my ($response, $text, $name, %more) = @_;
		my $answer = send_passkey($browser, $form, $response, login_id => 'typed@example.com');
		my $options = options_on($answer);

		shows($answer, 422, qr/role="alert"[^>]*>.*$text/s, qr/value="typed\@example\.com"/, $name);
		ok($options && $options->{challenge} ne ($more{challenge} // ''), "$name: the page has new options");
		is(whose($browser), undef, "$name: nobody is logged in");
		return $answer;
	};
	my $passkey = $ada->{passkey};
	my $failed = qr/The passkey did not work/;
	my $challenge = $fresh->();

	$refused->($passkey->get($challenge, client_data => { origin => 'https://app.example' }), $failed, 'a page of another origin');
	$refused->($passkey->get($challenge, client_data => { crossOrigin => JSON::PP::true }), $failed, 'a frame of another site');
	$refused->($passkey->get($challenge, rp_id => 'app.example'), $failed, 'another RP ID');
	$refused->($passkey->get($challenge, user_handle => 'x' x 16), $failed, 'another user handle');
	$refused->($passkey->get($challenge, user_handle => ''), $failed, 'no user handle');
	$refused->(AnonAuth::Authenticator->new(origin => $origin, id => $passkey->{id}, alg => 'EdDSA')->get($challenge, user_handle => pack('H*', $ada->{sub} =~ tr/-//dr)), $failed,
		'another key');
	$refused->($passkey->get($challenge, flags => ['user_verified']), $failed, 'without the presence of the user');
	$refused->($passkey->create($json->decode(query("SELECT anon_auth.passkey_creation_options('$ada->{access_token}')"))), $failed, 'a response to create()');
	$refused->($passkey->get({ %$challenge, challenge => $json->decode(query("SELECT anon_auth.passkey_creation_options('$ada->{access_token}')"))->{challenge} }),
		qr/This took too long/, 'a challenge to create a passkey', challenge => $challenge->{challenge});
	$refused->($passkey->get({ %$challenge, challenge => $challenge->{challenge} =~ s/^(.)/$1 eq 'A' ? 'B' : 'A'/er }), qr/This took too long/, 'a challenge of nobody');
	$refused->($_, $failed, 'a response that cannot be read') for '', 'x', '[]', '{}', '{"type": "public-key"}', '{' x 70_000;
	my $missing = $browser->post_form($form, use => 'passkey', login_id => 'typed@example.com');
	shows($missing, 422, $failed, 'a form without a response');

	my $unknown = AnonAuth::Authenticator->new(origin => $origin);
	$unknown->{user_handle} = $passkey->{user_handle};
	my $answer = $refused->($unknown->get($challenge), qr/This passkey is no longer valid here/, 'a passkey that nobody has');
	like($answer->{body}, qr/ data-unknown-id="\Q@{[ $unknown->id ]}\E"/, 'the authenticator may forget it');
	unlike($browser->get($form)->{body}, qr/ data-unknown-id=/, 'and no other one');

	settings(passkey_user_verification => 'required');
	$refused->($passkey->get($fresh->(), flags => ['user_present']), qr/has not checked that it is you/, 'a user whom the authenticator has not verified');
	settings(passkey_user_verification => 'preferred');

	# A copied passkey: the second counter is not greater.
	query("UPDATE anon_auth.passkeys SET sign_count = 5 WHERE user_id = '$ada->{sub}'");
	$refused->($passkey->get($fresh->(), count => 5), qr/This passkey was not accepted/, 'a counter that has not increased');
	is(query("SELECT count(*) FROM anon_auth.events WHERE type = 'passkey.counter_not_increased' AND user_id = '$ada->{sub}'"), 1, 'which is an event');
	is(send_passkey($browser, $form, $passkey->get($fresh->(), count => 6))->{status}, 303, 'a greater one logs in');
	query("UPDATE anon_auth.passkeys SET sign_count = 0 WHERE user_id = '$ada->{sub}'");
}

# A response works once: for this browser, and for one that has got hold of it.
{
	my ($browser, $thief) = (browser(), browser());
	my $form = authorize($browser, %site);
	my $response = $ada->{passkey}->get(options_on($browser->get($form)));

	is(send_passkey($browser, $form, $response)->{status}, 303, 'a response logs in');
	no_limits();
	shows(send_passkey($browser, $form, $response), 200, qr/You are logged in/, 'a form that is sent twice');
	shows(send_passkey($thief, authorize($thief, %site), $response), 422, qr/This took too long, or was sent twice/, 'in another browser, it does not');
	is(whose($thief), undef, 'which is not logged in');
}

# The rules of the form.
{
	my $browser = browser();
	my $form = authorize($browser, %site);
	my $response = $ada->{passkey}->get(options_on($browser->get($form)));
	my $foreign = $browser->post_form($form, use => 'passkey', passkey_response => $json->encode($response), 'Sec-Fetch-Site:' => 'same-site');

	is($foreign->{status}, 403, 'a form of another site is refused');
	is(whose($browser), undef, '... and logs nobody in');
	is(send_passkey(browser(), $form, $response)->{status}, 400, "the flow of another browser is refused");
	is($browser->post_form($form, passkey_response => $json->encode($response), login_id => 'ada@example.com', password => 'correct horse')->{status}, 303,
		'a response that the user did not choose to use is ignored');
	query("UPDATE anon_auth.users SET is_disabled = true WHERE id = '$ada->{sub}'");
	shows(send_passkey($browser, $form = authorize($browser, %site, prompt => 'login'), $ada->{passkey}->get(options_on($browser->get($form)))), 403, qr/This account is disabled/, 'a disabled user');
	query("UPDATE anon_auth.users SET is_disabled = false WHERE id = '$ada->{sub}'");
	settings(device_key_logins_per_minute => 1);
	send_passkey($browser, $form, $ada->{passkey}->get(options_on($browser->get($form)))) for 1 .. 3;
	my $limited = send_passkey($browser, $form, $ada->{passkey}->get(options_on($browser->get($form))));
	shows($limited, 429, qr/too many attempts/, 'too many logins');
	ok($limited->{headers}{'retry-after'}, 'say how long to wait');
	settings(device_key_logins_per_minute => 60);
}

# A code for the application, also for one of somebody else, and a guest.
{
	my $browser = browser();
	my $form = authorize($browser, %web, max_age => 0, login_hint => 'ada@example.com');
	my $done = send_passkey($browser, $form, $guest->{passkey}->get(options_on($browser->get($form))));
	my ($code) = ($done->{location} // '') =~ /[?&]code=([^&]+)/;

	is($done->{status}, 303, 'a guest logs in with its passkey');
	is(query("SELECT sub FROM anon_auth.exchange_authorization_code('web', " . sql_literal($code) . ", 'https://app.example/cb', '$verifier')"), $guest->{sub}, 'and the application gets its code');
	is(query("SELECT is_anonymous FROM anon_auth.users WHERE id = '$guest->{sub}'"), 't', 'it stays a guest');
}

# Pages on which no browser can use passkeys do not offer them.
{
	my $browser = browser();
	my $offers = sub {
		my ($expected, $name, %settings) = @_;
		my %before = map { $_ => query("SELECT $_ FROM anon_auth.settings") || undef } keys %settings;

		settings(%settings);
		my $page = $browser->get(authorize($browser, %site));
		is(defined options_on($page) ? 1 : 0, $expected, $name);
		unlike($page->{headers}{'content-security-policy'}[0], qr/connect-src/, "$name: the script may ask nobody") if !$expected;
		like(text_of($page), qr/name="password"/, "$name: other ways are there");
		settings(%before);
	};

	$offers->(1, 'the origin of the issuer among others', passkey_origins => "{https://app.example,$origin}");
	$offers->(0, 'an origin that is not in passkey_origins', passkey_origins => '{https://app.example}');
	$offers->(1, 'an RP ID above the host', passkey_rp_id => 'example', passkey_origins => "{$origin}");
	$offers->(0, 'a host that does not belong to the RP ID', passkey_rp_id => 'uth.example', passkey_origins => "{$origin}");
	$offers->(0, 'an issuer with an IPv4 address', issuer => 'http://127.0.0.1:8080');
	$offers->(0, 'an issuer with an IPv6 address', issuer => 'https://[2001:db8::1]');
	$offers->(0, 'settings.page_passkeys is off', page_passkeys => 'false');
}
{
	my $browser = browser();
	my $form = authorize($browser, %site);
	my $response = $ada->{passkey}->get(options_on($browser->get($form)));

	settings(page_passkeys => 'false');
	shows(send_passkey($browser, $form, $response), 422, qr/This way is no longer available/, 'a page that was opened before passkeys were turned off');
	settings(page_passkeys => 'true');
}

# ---------------------------------------------------------------------------
# Logging in again
# ---------------------------------------------------------------------------

my $again = '/settings/reauthenticate';
my $other = person('ben@example.com');

# A browser whose user has logged in with a passkey a day ago.
sub returning
{
	my ($person) = @_;
	my $browser = browser();
	my $form = authorize($browser, %site);

	send_passkey($browser, $form, $person->{passkey}->get(options_on($browser->get($form))))->{status} == 303 or die 'cannot log in';
	query("UPDATE anon_auth.sessions SET authenticated_at = now() - interval '1 day' WHERE user_id = '$person->{sub}'; SELECT anon_auth.reset_counters()");
	return $browser;
}

sub is_recent
{
	my ($person) = @_;

	return query("SELECT max(authenticated_at) > now() - interval '1 minute' FROM anon_auth.sessions WHERE user_id = '$person->{sub}' AND session_type = 'cookie'");
}

{
	my $browser = returning($ada);
	my $page = $browser->get($again, x_next => '/settings/change_password');
	my $options = options_on($page);
	my $form = "$again?x_next=%2Fsettings%2Fchange_password";

	shows($page, 200, qr/>Continue with a passkey</, qr/name="password"/, 'who has both can choose');
	unlike($page->{body}, qr/ data-autofills/, 'without autofill, because the user is known');
	is_deeply($options->{allowCredentials}, [ { type => 'public-key', id => $ada->{passkey}->id, transports => [qw(internal hybrid)] } ], 'only the passkeys of this user are asked for');

	my $refused = send_passkey($browser, $form, $other->{passkey}->get($options));
	shows($refused, 422, qr/This passkey is for another account/, 'the passkey of another user is refused');
	is(is_recent($ada), 'f', 'which is no login');
	is(query("SELECT count(*) FROM anon_auth.events WHERE type = 'authentication.failed' AND user_id = '$other->{sub}' AND payload ->> 'reason' = 'another user must log in'"), 1, 'but an event');
	is(query("SELECT count(*) FROM anon_auth.events WHERE type = 'user.authenticated' AND user_id = '$other->{sub}' AND created_at > now() - interval '1 hour'"), 0, 'the other user is not logged in');
	shows(send_passkey($browser, $form, $other->{passkey}->get($options, user_handle => '')), 422, qr/The passkey did not work/, 'without a user handle, too');
	my $forged = $other->{passkey}->get($options, user_handle => pack 'H*', $ada->{sub} =~ tr/-//dr);
	shows(send_passkey($browser, $form, $forged), 422, qr/The passkey did not work/, 'with the user handle of this user, too');
	my $done = send_passkey($browser, $form, $ada->{passkey}->get($options));
	is($done->{status}, 303, "the user's passkey is accepted");
	is($done->{location}, "$origin/settings/change_password", 'and leads back');
	is(is_recent($ada), 't', 'it is a recent login');
	shows(send_passkey($browser, $form, $ada->{passkey}->get($options)), 422, qr/This took too long, or was sent twice/, 'the challenge works once');
	no_limits();
}
{
	my $browser = returning($ada);
	my $options = options_on($browser->get($again));

	is(send_passkey($browser, $again, $ada->{passkey}->get($options, user_handle => ''))->{status}, 303, 'an authenticator may leave out the handle of a known user');
	no_limits();
	$browser = returning($ada);
	my $response = $ada->{passkey}->get(options_on($browser->get($again)));
	shows($browser->post_form($again, use => 'passkey', passkey_response => $json->encode($response), x_user => $other->{sub}), 409, qr/This form was for another account/, 'a form for another user');
	is(is_recent($ada), 'f', '... is no login');
}

# An account with nothing but a passkey.
{
	my $only = person('only@example.com');
	my $can = sub { return $json->decode(query("SELECT anon_auth.userinfo('$only->{access_token}')"))->{'https://authgear.com/claims/user/can_reauthenticate'}; };

	query("DELETE FROM anon_auth.passwords WHERE user_id = '$only->{sub}'; UPDATE anon_auth.users SET has_password = false WHERE id = '$only->{sub}'");
	my $browser = returning($only);
	my $page = $browser->get($again);
	shows($page, 200, qr/<button class="button" type="submit" name="use" value="passkey"/, qr/passkey-unavailable">To go on, you need a passkey/, 'a passkey is the only way');
	unlike(text_of($page), qr/name="password"|>Continue</, 'no other one is offered');
	ok($can->(), 'userinfo says that the user can log in again');
	settings(page_passkeys => 'false');
	ok(!$can->(), 'not without passkeys on pages');
	shows($browser->get($again), 403, qr/no password, passkey or confirmed address/, 'then the page says so');
	settings(page_passkeys => 'true');
	shows($browser->post_form($again, password => 'correct horse'), 422, qr/This way is no longer available/, 'a password is refused');
	is(send_passkey($browser, $again, $only->{passkey}->get(options_on($page)))->{status}, 303, 'the passkey is accepted');
}

# For an application, with an id_token_hint.
{
	my $hint = query("SELECT id_token FROM anon_auth.authenticate('web', 'ada\@example.com', 'correct horse')");
	my $browser = browser();
	my $form = authorize($browser, %web, id_token_hint => $hint, max_age => 0, prompt => 'login');
	my $page = $browser->get($form);
	my $options = options_on($page);

	shows($page, 200, qr/log in again as <b dir="ltr">a•••\@example\.com</, 'a browser that has not shown whose it is');
	is($options->{allowCredentials}, undef, 'does not learn the ids of passkeys');
	shows(send_passkey($browser, $form, $other->{passkey}->get($options)), 422, qr/This passkey is for another account/, 'nor logs another user in');
	my $response = $ada->{passkey}->get($options);
	my $done = send_passkey($browser, $form, $response);
	like($done->{location} // '', qr{^https://app\.example/cb\?code=}, "the user's passkey leads to the application") or diag(text_of($done));
	shows(send_passkey($browser, $form, $response), 200, qr/You are logged in/, 'a form that is sent twice');
}

# ---------------------------------------------------------------------------
# The conflict of a promotion: the passkey of the account proves it
# ---------------------------------------------------------------------------

# A browser whose guest asks for a login ID that an account has, the form, and the guest.
sub conflict
{
	my ($email, %more) = @_;
	my $browser = browser();

	$browser->post_json('/api/anonymous_user/signup', { client_id => 'site', session_type => 'cookie' });
	my $user = whose($browser);
	my $hint = $browser->post_json('/api/anonymous_user/promotion_code', { session_type => 'cookie' })->{json}{result}{promotion_code};
	my $form = authorize($browser, %site, prompt => 'login', login_hint => "https://authgear.com/login_hint?type=anonymous&promotion_code=$hint");
	my $page = $browser->post_form($form, mode => 'choose_log_in', login_id_type => 'email', login_id => $email, %more);

	no_limits();
	return { browser => $browser, form => $form, page => $page, guest => $user, fields => { mode => 'log_in', login_id_type => 'email', login_id => $email, %more } };
}

sub prove
{
	my ($conflict, $response, %more) = @_;

	return send_passkey($conflict->{browser}, $conflict->{form}, $response, %{ $conflict->{fields} }, %more);
}

{
	my $conflict = conflict('ben@example.com');
	my $options = options_on($conflict->{page});

	shows($conflict->{page}, 200, qr/>Log in with a passkey</, qr/Log in to the account that has this email address/, 'the log-in to another account offers a passkey');
	is($options->{allowCredentials}, undef, 'it does not tell whether the account has one');
	unlike($conflict->{page}{body}, qr/ data-autofills/, 'and the login ID is fixed');
	shows(prove($conflict, $ada->{passkey}->get($options)), 422, qr/This passkey is for another account/, qr/value="ben\@example\.com"/, 'the passkey of a third user proves nothing');
	is(whose($conflict->{browser}), $conflict->{guest}, 'the guest stays logged in');
	shows(prove($conflict, $other->{passkey}->get($options, client_data => { origin => 'https://app.example' })), 422, qr/The passkey did not work/, 'a response for another origin');
	my $unknown = AnonAuth::Authenticator->new(origin => $origin);
	$unknown->{user_handle} = $other->{passkey}{user_handle};
	like(prove($conflict, $unknown->get($options))->{body}, qr/ data-unknown-id="\Q@{[ $unknown->id ]}\E"/, 'a passkey that nobody has');
	shows(prove($conflict, ''), 422, qr/The passkey did not work/, 'without a response');
	my $response = $other->{passkey}->get($options);
	my $done = prove($conflict, $response);
	is($done->{status}, 303, 'the passkey of the account logs in');
	is(whose($conflict->{browser}), $other->{sub}, 'as its user');
	is(query("SELECT is_anonymous FROM anon_auth.users WHERE id = '$conflict->{guest}'"), 't', 'the guest is left');
	shows(prove($conflict, $response), 200, qr/Your account is ready/, 'a form that is sent twice');
	my $later = conflict('ben@example.com');
	shows(prove($later, $response), 422, qr/This took too long, or was sent twice/, 'a response that was used');
	is(whose($later->{browser}), $later->{guest}, '... logs nobody in');
}
{
	settings(promotion_conflict => 'merge');
	my $conflict = conflict('ben@example.com');
	query("UPDATE anon_auth.passkeys SET sign_count = 9 WHERE user_id = '$other->{sub}'");
	shows(prove($conflict, $other->{passkey}->get(options_on($conflict->{page}), count => 3)), 422, qr/This passkey was not accepted/, 'a counter that has not increased');
	is(query("SELECT count(*) FROM anon_auth.users WHERE id = '$conflict->{guest}'"), 1, 'merges nobody');
	query("UPDATE anon_auth.users SET is_disabled = true WHERE id = '$other->{sub}'");
	shows(prove($conflict, $other->{passkey}->get(options_on($conflict->{page}), count => 10)), 403, qr/This account is disabled/, 'a disabled account');
	query("UPDATE anon_auth.users SET is_disabled = false WHERE id = '$other->{sub}'");
	$conflict = conflict('ben@example.com');
	is(prove($conflict, $other->{passkey}->get(options_on($conflict->{page}), count => 11))->{status}, 303, 'the passkey logs in');
	is(whose($conflict->{browser}), $other->{sub}, 'as the user of the account');
	is(query("SELECT count(*) FROM anon_auth.users WHERE id = '$conflict->{guest}'"), 0, 'and the guest is merged into it');
	settings(promotion_conflict => 'error');
}
{
	my $conflict = conflict('ben@example.com');

	settings(page_passkeys => 'false');
	shows(prove($conflict, $other->{passkey}->get(options_on($conflict->{page}), count => 12)), 422, qr/This way is no longer available/, 'passkeys were turned off meanwhile');
	settings(page_passkeys => 'true', page_login_methods => '{code}');
	$conflict = conflict('ben@example.com', method => 'code');
	is(prove($conflict, $other->{passkey}->get(options_on($conflict->{page}), count => 13))->{status}, 303, 'where codes are the other way');
	settings(page_login_methods => '{password}', page_sign_up => 'true');
}

# Somebody who was no guest finds that there is an account.
{
	my $browser = browser();
	my $form = authorize($browser, %site, prompt => 'create');
	my %fields = (mode => 'log_in', login_id_type => 'email', login_id => 'ben@example.com');
	my $fresh = sub { return options_on($browser->post_form($form, %{ { %fields, mode => 'choose_log_in' } })); };

	shows(send_passkey($browser, $form, $other->{passkey}->get($fresh->(), count => 2), %fields), 422, qr/This passkey was not accepted/, 'at a sign-up, too');
	is(send_passkey($browser, $form, $other->{passkey}->get($fresh->(), count => 14), %fields)->{status}, 303, 'the passkey logs in');
	is(whose($browser), $other->{sub}, 'as its user');
}

done_testing();
