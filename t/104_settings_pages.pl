# The settings pages: what they show, what their forms do, and the attacks that they must
# refuse. t/AnonAuth/Browser.pm calls the function as PostgREST would.

use strict;
use warnings;
use utf8;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Device qw(call);
use AnonAuth::Pages qw(fields shows);
use Digest::SHA qw(sha256);
use JSON::PP ();
use MIME::Base64 qw(encode_base64url);
use PostgreSQL::Test::Utils;
use Test::More;

my $site = AnonAuth::Pages->new;
my $origin = 'https://auth.example';

sub query { return $site->query($_[0]); }

# Checks a redirect to a settings page that says what was done.
sub redirects
{
	my ($answer, $path, $name) = @_;

	is($answer->{status}, 303, "$name: the answer is a redirect");
	is($answer->{location}, "$origin$path", "$name: it leads to $path");
	is_deeply($answer->{headers}{'cache-control'}, ['no-store'], "$name: no cache keeps it");
}

sub sessions_of { return query("SELECT count(*) FROM anon_auth.sessions WHERE user_id = '$_[0]'"); }

# Everything that a form could change
sub state_of_all
{
	return query(q{SELECT md5(string_agg(t::text, '' ORDER BY t::text)) FROM (
		SELECT u::text FROM (SELECT id, is_anonymous, is_disabled, has_password, delete_at, standard_attributes, custom_attributes FROM anon_auth.users) u
		UNION ALL SELECT l::text FROM anon_auth.login_ids l
		UNION ALL SELECT p::text FROM anon_auth.passwords p
		UNION ALL SELECT i::text FROM (SELECT issuer, subject, user_id FROM anon_auth.user_identities) i
		UNION ALL SELECT s::text FROM (SELECT user_id, id FROM anon_auth.sessions) s) t});
}

my $ada = $site->account('Ada@example.com');
my $bob = $site->account('bob@example.com');

# ---------------------------------------------------------------------------
# Nobody is logged in
# ---------------------------------------------------------------------------

for my $path ('/settings', '/settings/', '/settings/sessions', '/settings/change_password', '/settings/nonsense')
{
	shows($site->browser->get($path), 403, qr/You are not logged in/, "$path without a session");
}
shows($site->browser->post_form('/settings/sessions', session_id => 'others'), 403, qr/You are not logged in/, 'a form without a session');

# ---------------------------------------------------------------------------
# The overview
# ---------------------------------------------------------------------------

my $browser = $site->logged_in('ada@example.com', undef, 'user-agent' => 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0');
my $page = $browser->get('/settings');

shows($page, 200, qr/<h1>Your account</, qr/You are logged in as <bdi>Ada\@example\.com</, qr{href="\Q$origin\E/settings/sessions"}, qr{href="\Q$origin\E/settings/change_password"},
	qr/Confirmed/, 'the overview');
unlike($page->{body}, qr/bob/, 'the overview shows nothing of another account');
like($page->{headers}{'content-security-policy'}[0], qr/form-action 'self';/, 'forms of the overview can go only to this site');
shows($browser->get('/settings/'), 200, qr/<h1>Your account</, 'the overview with a slash at the end');
redirects($browser->get('/settings/identities'), '/settings', 'an old address of the overview');
shows($browser->get('/settings/nonsense'), 404, qr/Page not found/, 'an unknown settings page');
shows($browser->get('/settings?ui_locales=de'), 200, qr/<html lang="de"/, qr{/settings/sessions\?ui_locales=de"}, 'links keep the language that the app asks for');
is($browser->get('/settings', 'Sec-Purpose:' => 'prefetch')->{status}, 503, 'a prefetch is refused');

# A link cannot make the page say what was done.
for my $case ([ 'same-origin', 1 ], [ 'cross-site', 0 ], [ 'same-site', 0 ], [ 'none', 0 ])
{
	my ($from, $shown) = @$case;
	my $answer = $browser->get('/settings?x_done=password_changed', 'Sec-Fetch-Site:' => $from);

	is($answer->{body} =~ /has been changed/ ? 1 : 0, $shown, "the page says what was done, if the request is $from: $shown");
}

# ---------------------------------------------------------------------------
# Sessions
# ---------------------------------------------------------------------------

my $phone = $site->tokens('ada@example.com');
my $others = $site->tokens('bob@example.com');

query("UPDATE anon_auth.sessions SET device_info = '{\"android\": {\"Build\": {\"MANUFACTURER\": \"Google\", \"MODEL\": \"<b>Pixel\"}}}', client_address = '192.0.2.7' WHERE id = '$phone->{sid}'");
$page = $browser->get('/settings/sessions');
shows($page, 200, qr/Firefox on <bdi>Linux|<bdi>Firefox<\/bdi> on <bdi>Linux/, qr/This device/, qr/Google &lt;b&gt;Pixel/, qr/192\.0\.2\.7/, qr/App: <bdi>Notebook/, qr/Last used on <time/,
	'the page of the sessions');
like($page->{body}, qr/This device.*Pixel/s, 'the session of this browser comes first');
is(() = $page->{body} =~ /aria-label="Log out: /g, 2, 'each other session has a button');
unlike($page->{body}, qr/\Q$others->{sid}/, 'the page has no session of another account');
is({ fields($page, qr/Log out: Google/) }->{session_id}, $phone->{sid}, 'the button sends the id of its session');

my $before = state_of_all();

redirects($browser->post_form('/settings/sessions', session_id => $others->{sid}), '/settings/sessions', 'the session of another account');
redirects($browser->post_form('/settings/sessions', session_id => "'; DROP TABLE x"), '/settings/sessions', 'an id that is none');
redirects($browser->post_form('/settings/sessions'), '/settings/sessions', 'no id');
is(state_of_all(), $before, 'none of them ends a session');

redirects($browser->post_form('/settings/sessions', fields($page, qr/Log out: Google/)), '/settings/sessions?x_done=session_ended', 'the button for one session');
is(query("SELECT count(*) FROM anon_auth.sessions WHERE id = '$phone->{sid}'"), 0, 'the session has ended');
is(query("SELECT payload ->> 'session_id' FROM anon_auth.events WHERE type = 'user.signed_out' AND user_id = '$ada'"), $phone->{sid}, 'there is an event');
redirects($browser->post_form('/settings/sessions', fields($page, qr/Log out: Google/)), '/settings/sessions', 'the same button again');

$site->tokens('ada@example.com') for 1 .. 3;
redirects($browser->post_form('/settings/sessions', fields($browser->get('/settings/sessions'), qr/all other/)), '/settings/sessions?x_done=other_sessions_ended', 'the button for all other sessions');
is(sessions_of($ada), 1, 'all other sessions have ended');
is(sessions_of($bob), 2, 'sessions of other accounts go on');
$page = $browser->get('/settings/sessions?x_done=other_sessions_ended');
shows($page, 200, qr/role="status"[^>]*>All other devices have been logged out/, 'the page says so');
unlike($page->{body}, qr/<form/, 'nothing is left to end');

# ---------------------------------------------------------------------------
# The password
# ---------------------------------------------------------------------------

$page = $browser->get('/settings/change_password');
shows($page, 200, qr/<h1>Change your password/, qr/name="old_password" type="password" autocomplete="current-password"/, qr/name="password" type="password" autocomplete="new-password"/,
	qr/data-rule="length"/, 'the page of the password');

my $session = (split /\./, $browser->cookies->{'__Host-session'}[0])[0];

$site->tokens('ada@example.com');
for my $case (
	[ 'nothing', { old_password => '' }, 422, qr/Enter your current password/, qr/Enter a password/ ],
	[ 'no current password', { old_password => '', password => 'long enough 1' }, 422, qr/id="old_password_error"/ ],
	[ 'a password that is too short', { old_password => 'correct horse', password => 'short' }, 422, qr/id="password_error"/, qr/class="broken"/ ],
	[ 'a wrong current password', { old_password => 'wrong horse', password => 'long enough 1' }, 422, qr/id="old_password_error".*This is not your current password/s ])
{
	my ($name, $fields, $status, @patterns) = @$case;
	my $answer = $browser->post_form('/settings/change_password', %$fields);

	shows($answer, $status, qr/<title>Error: /, qr/role="alert"/, @patterns, $name);
	unlike($answer->{body}, qr/value="(?:correct|wrong|long|short)/, "$name: the page does not contain a password");
}
is(query("SELECT count(*) FROM anon_auth.events WHERE type = 'authentication.failed' AND user_id = '$ada'"), 1, 'a wrong current password is an event of a failed attempt');
is(sessions_of($ada), 2, 'none of them ends a session');

redirects($browser->post_form('/settings/change_password', old_password => 'correct horse', password => 'a new horse'), '/settings?x_done=password_changed', 'the right passwords');
is(sessions_of($ada), 1, 'the other sessions have ended');
$site->no_limits;
shows($browser->post_form('/settings/change_password', old_password => 'correct horse', password => 'a new horse'), 422, qr/This is not your current password/, 'a second click, as any other wrong password');
shows($browser->post_form('/settings/change_password', old_password => 'correct horse', password => 'another new horse'), 422, qr/This is not your current password/, 'another new password with the former one');
$site->no_limits;
shows($browser->get('/settings'), 200, qr/Your account/, 'the session of the browser goes on');
ok($site->tokens('ada@example.com', 'a new horse')->{sid}, 'the new password logs in');
is(query("SELECT count(*) FROM anon_auth.authenticate('web', 'ada\@example.com', 'correct horse')"), 0, 'the former one does not');
is(query("SELECT count(*) FROM anon_auth.outbox WHERE type = 'password_changed' AND recipient = 'Ada\@example.com'"), 1, 'the address gets a message');

# A form in a session whose login is old tells nothing about a password.
{
	my $events = query("SELECT count(*) FROM anon_auth.events WHERE type = 'authentication.failed'");

	query("UPDATE anon_auth.sessions SET authenticated_at = now() - interval '1 hour' WHERE user_id = '$ada'");
	for my $given ({ password => 'a new horse' }, { old_password => 'wrong horse', password => 'a new horse' }, { password => 'long enough 1' }, {})
	{
		my $answer = $browser->post_form('/settings/change_password', %$given);

		is($answer->{status}, 303, 'with an old login: the answer is a redirect');
		like($answer->{location}, qr{^https://auth\.example/settings/reauthenticate\?x_next=}, 'to the page that asks for a login');
	}
	is(query("SELECT count(*) FROM anon_auth.events WHERE type = 'authentication.failed'"), $events, 'no password was tried');
	query("UPDATE anon_auth.sessions SET authenticated_at = now() WHERE user_id = '$ada'");
}

# Attempts at the password are limited.
{
	my $answer;

	$site->settings(lockout_max_attempts => 3);
	$answer = $browser->post_form('/settings/change_password', old_password => 'wrong horse', password => 'long enough 1') for 1 .. 4;
	shows($answer, 429, qr/There were too many attempts\. Wait/, 'after too many wrong passwords');
	ok($answer->{headers}{'retry-after'}[0] > 0, 'the answer says how long to wait');
	is($browser->post_form('/settings/change_password', old_password => 'a new horse', password => 'long enough 1')->{status}, 429, 'the right password must wait, too');
	$site->settings(lockout_max_attempts => 10);
}

# ---------------------------------------------------------------------------
# Login IDs
# ---------------------------------------------------------------------------

sub login_ids_of
{
	return query("SELECT string_agg(original_value || CASE WHEN verified_at IS NULL THEN '' ELSE ' (verified)' END, ', ' ORDER BY original_value) FROM anon_auth.login_ids WHERE user_id = '$_[0]'");
}

sub forget_messages { query('DELETE FROM anon_auth.outbox'); $site->no_limits; }

my $add = '/settings/identity/add_email';

forget_messages();
$page = $browser->get($add);
shows($page, 200, qr/<h1>Add an email address/, qr/name="login_id" type="email"/, qr/>Send code</, 'the page that adds an address');
shows($browser->post_form($add, login_id => ''), 422, qr/id="login_id_error".*Enter your email address/s, 'no address');
shows($browser->post_form($add, login_id => 'no address'), 422, qr/id="login_id_error".*complete email address/s, qr/value="no address"/, 'a text that is no address');
$page = $browser->post_form($add, login_id => 'ada@home.example');
shows($page, 200, qr/<h1>Enter the code/, qr/name="code"[^>]*autocomplete="one-time-code"/, qr/<bdi>ada\@home\.example/, 'the page that asks for the code');
is(login_ids_of($ada), 'Ada@example.com (verified)', 'an address is not added without its code');
shows($browser->post_form($add, fields($page), code => ''), 422, qr/id="code_error".*Enter the code/s, 'no code');
shows($browser->post_form($add, fields($page), code => '1'), 422, qr/id="code_error".*This code is wrong/s, qr/value="1"/, 'a wrong code');
shows($browser->post_form($add, fields($page), code => '1', use => 'another_code'), 429, qr/A code was sent a short while ago/, qr/name="code"/, 'another code at once');

my $code = $site->code_for('ada@home.example');

redirects($browser->post_form($add, fields($page), code => $code), '/settings?x_done=email_added', 'the right code');
is(login_ids_of($ada), 'Ada@example.com (verified), ada@home.example (verified)', 'the address is added and verified');
redirects($browser->post_form($add, fields($page), code => $code), '/settings?x_done=email_added', 'the same form again');
is(query("SELECT count(*) FROM anon_auth.outbox WHERE type = 'login_id_added' AND recipient = 'Ada\@example.com'"), 1, 'the former address gets a message');

# The address of another account: who has it is told only to its owner.
forget_messages();
$page = $browser->post_form($add, login_id => 'bob@example.com');
shows($page, 200, qr/Enter the code/, 'the address of another account gets the same answer');
shows($browser->post_form($add, fields($page), code => $site->code_for('bob@example.com')), 422, qr/id="login_id_error".*already an account with this email address/s, 'with its code');
is(login_ids_of($bob), 'bob@example.com (verified)', 'the other account keeps it');

# Changing an address keeps the old one until the new one is proven.
forget_messages();
$page = $browser->get('/settings');
like($page->{body}, qr{href="\Q$origin\E/settings/identity/change_email\?q_login_id=ada%40home\.example" aria-label="Change: ada\@home\.example"}, 'the overview leads to the change of each address');

my $change = '/settings/identity/change_email?q_login_id=ada%40home.example';

shows($browser->get($change), 200, qr/Change your email address/, qr/<bdi>ada\@home\.example/, qr/Your other devices will be logged out/, 'the page that changes an address');
$page = $browser->post_form($change, login_id => 'ada@work.example');
shows($page, 200, qr/Enter the code/, 'a new address');
is(login_ids_of($ada), 'Ada@example.com (verified), ada@home.example (verified)', 'nothing changes before the new address is proven');
$site->tokens('ada@example.com', 'a new horse');
redirects($browser->post_form($change, fields($page), code => $site->code_for('ada@work.example')), '/settings?x_done=email_changed', 'the code of the new address');
is(login_ids_of($ada), 'Ada@example.com (verified), ada@work.example (verified)', 'the new address replaces the old one');
is(query("SELECT string_agg(DISTINCT recipient, ', ' ORDER BY recipient) FROM anon_auth.outbox WHERE type = 'login_id_removed'"), 'Ada@example.com, ada@home.example', 'the old address gets a message, too');
is(sessions_of($ada), 1, 'other sessions end with an address');

# Another spelling of the same address
forget_messages();
$change = '/settings/identity/change_email?q_login_id=ada%40work.example';
$page = $browser->post_form($change, login_id => 'ADA@work.example');
redirects($browser->post_form($change, fields($page), code => $site->code_for('ADA@work.example')), '/settings?x_done=email_changed', 'a change to the same address');
like(login_ids_of($ada), qr/ada\@work\.example/i, 'the account keeps the address');

# Usernames need no code.
redirects($browser->post_form('/settings/identity/add_username', login_id => 'ada'), '/settings?x_done=username_added', 'a username');
redirects($browser->post_form('/settings/identity/add_username', login_id => 'ada'), '/settings?x_done=username_added', 'the same username again');
shows($browser->post_form('/settings/identity/change_username?q_login_id=undefined', login_id => ''), 422, qr/Enter a username/, 'no username');
redirects($browser->post_form('/settings/identity/change_username?q_login_id=undefined', login_id => 'countess'), '/settings?x_done=username_changed', 'a change of the only username');
like(login_ids_of($ada), qr/countess/, 'the username is changed');
unlike(login_ids_of($ada), qr/, ada(?:,|$)/, 'the former one is gone');

# Removing
my $remove = '/settings/identity/remove_username?q_login_id=countess';

shows($browser->get($remove), 200, qr/Remove this username\?/, qr/<bdi>countess/, qr/class="button danger"/, 'the page that removes a username asks first');
redirects($browser->post_form($remove), '/settings?x_done=username_removed', 'the answer');
redirects($browser->post_form($remove), '/settings', 'the answer, twice');
redirects($browser->get($remove), '/settings', 'the page afterwards');
redirects($browser->post_form('/settings/identity/remove_email?q_login_id=ada%40work.example'), '/settings?x_done=email_removed', 'an address');
shows($browser->post_form('/settings/identity/remove_email?q_login_id=Ada%40example.com'), 422, qr/Without it, you could no longer log in/, 'the last login ID');
is(login_ids_of($ada), 'Ada@example.com (verified)', 'the last login ID stays');
$page = $browser->get('/settings');
shows($page, 200, qr/You log in only with this/, qr{/settings/identity/change_email}, 'the overview says that it cannot be removed');
unlike($page->{body}, qr{/settings/identity/remove_email}, 'and does not offer it');
redirects($browser->post_form('/settings/identity/change_username?q_login_id=lovelace', login_id => 'lady'), '/settings', 'a change of a username that the account does not have');
is(login_ids_of($ada), 'Ada@example.com (verified)', 'it adds none');
redirects($browser->post_form('/settings/identity/remove_email?q_login_id=bob%40example.com'), '/settings', 'the login ID of another account');
is(login_ids_of($bob), 'bob@example.com (verified)', 'the other account keeps it');
shows($browser->get('/settings/identity/steal_email'), 404, qr/Page not found/, 'an unknown page of login IDs');

# An address that was never confirmed
my $eve = $site->account('eve@example.com', unproven => 1);
my $eves = $site->logged_in('eve@example.com');
my $verify = '/settings/identity/verify_email?q_login_id=eve%40example.com';

shows($eves->get('/settings'), 200, qr/Not confirmed yet/, qr{\Q$verify\E}, 'the overview of an address that is not confirmed');
shows($eves->get($verify), 200, qr/Confirm your email address/, qr/We will send a code to <bdi>eve/, 'the page that confirms it');
$page = $eves->post_form($verify, fields($eves->get($verify)));
shows($page, 200, qr/Enter the code/, 'it sends a code');
redirects($eves->post_form($verify, fields($page), code => $site->code_for('eve@example.com')), '/settings?x_done=email_verified', 'the code confirms it');
is(login_ids_of($eve), 'eve@example.com (verified)', 'the address is verified');

# ---------------------------------------------------------------------------
# An account with an identity and without a password
# ---------------------------------------------------------------------------

my $provider = AnonAuth::Device->new(alg => 'ES256');

call($site->node, 'create_identity_provider', issuer => 'https://accounts.example', audiences => '{app.example}',
	jwks => JSON::PP->new->encode({ keys => [ { %{ $provider->jwk }, kid => 'key', alg => 'ES256' } ] }));
{
	my $nonce = call($site->node, 'create_challenge', purpose => 'id_token')->{token};
	my $token = $provider->sign({ alg => 'ES256', kid => 'key', typ => 'JWT' },
		{ iss => 'https://accounts.example', aud => 'app.example', sub => 'eve', email => 'eve@mail.example', nonce => $nonce, iat => time(), exp => time() + 600 });

	call($site->node, 'add_identity', id_token => $token, nonce => $nonce, access_token => $site->tokens('eve@example.com')->{access_token});
}
query("UPDATE anon_auth.users SET has_password = false WHERE id = '$eve'; DELETE FROM anon_auth.passwords WHERE user_id = '$eve'");
$page = $eves->get('/settings');
shows($page, 200, qr/<bdi>accounts\.example/, qr/eve\@mail\.example/, qr/Choose a password/, 'the overview of an account with an identity and without a password');
shows($eves->get('/settings/change_password'), 200, qr/<h1>Choose a password/, 'the page sets a password where there is none');
unlike($eves->get('/settings/change_password')->{body}, qr/old_password/, 'it does not ask for a current one');
redirects($eves->post_form('/settings/change_password', password => 'long enough 2', old_password => ''), '/settings?x_done=password_set', 'a first password');
shows($eves->post_form('/settings/change_password', password => 'long enough 2', old_password => ''), 422, qr/Enter your current password/, 'the same form again');
ok($site->tokens('eve@example.com', 'long enough 2')->{sid}, 'it logs in');

my ($identity) = $page->{body} =~ m{href="([^"]*/identity/remove_identity[^"]*)"};

shows($eves->get($identity), 200, qr/Remove this account\?/, qr{<bdi>https://accounts\.example}, 'the page that removes an identity asks first');
redirects($eves->get('/settings/identity/remove_identity?q_issuer=https://nowhere.example'), '/settings', 'an identity that the account does not have');
$site->tokens('eve@example.com', 'long enough 2');
redirects($eves->post_form($identity), '/settings?x_done=identity_removed', 'the answer');
redirects($eves->post_form($identity), '/settings', 'the answer, twice');
redirects($eves->post_form('/settings/identity/remove_identity?q_issuer=https://nowhere.example'), '/settings', 'a form for an identity that the account does not have');
is(query("SELECT count(*) FROM anon_auth.user_identities WHERE user_id = '$eve'"), 0, 'the identity is removed');
is(sessions_of($eve), 1, 'other sessions end with it');

# ---------------------------------------------------------------------------
# A form is for the account that its page shows
# ---------------------------------------------------------------------------

# Opens the session of an app in a browser.
sub open_app
{
	my ($browser, $tokens) = @_;
	my $token = $browser->post_json('/oauth2/app_session_token', { refresh_token => $tokens->{refresh_token} })->{json}{result}{app_session_token};

	return $browser->get('/oauth2/authorize', client_id => 'web', response_type => 'none', prompt => 'none', scope => 'openid', redirect_uri => "$origin/settings",
		login_hint => "https://authgear.com/login_hint?type=app_session_token&app_session_token=$token");
}

{
	my $carol = $site->account('carol@example.com');
	my $app = $site->tokens('carol@example.com');
	my $shared = $site->logged_in('bob@example.com');
	my %bobs = fields($shared->get('/settings/delete_account'), qr/Delete account/);
	my $before = state_of_all();
	my @refused = (409, qr/You are logged in as <bdi>bob\@example\.com/, qr/role="alert".*This form was for another account/s);

	# The session of the app ends while the page is open.
	open_app($shared, $app);

	my $page = $shared->get('/settings/delete_account');
	my %carols = fields($page, qr/Delete account/);

	shows($page, 200, qr/You are logged in as <bdi>carol/, 'the page shows the session of the app');
	isnt($carols{x_user}, $bobs{x_user}, 'its form names another user');
	query("DELETE FROM anon_auth.sessions WHERE id = '$app->{sid}'");
	$before = state_of_all();
	shows($shared->post_form('/settings/delete_account', %carols, delete => 'yes'), @refused, 'the form of the session that has ended');
	for my $owner ($carols{x_user}, '', 'x', $bobs{x_user} . 'A', 'A' x 43)
	{
		for my $case (
			[ '/settings/sessions', session_id => 'others' ],
			[ '/settings/change_password', old_password => 'correct horse', password => 'long enough 1' ],
			[ '/settings/profile', name => 'Carol' ],
			[ '/settings/identity/add_email', login_id => 'carol@home.example' ],
			[ '/settings/identity/add_username', login_id => 'carol' ],
			[ '/settings/identity/remove_email?q_login_id=bob%40example.com' ],
			[ '/settings/delete_account', delete => 'yes' ])
		{
			shows($shared->post_form(@$case, x_user => $owner), @refused, "a form to $case->[0] for '$owner'");
		}
	}
	shows($shared->post_form('/settings/reauthenticate', password => 'wrong', x_user => $carols{x_user}), 409, qr/bob\@example\.com/, qr/This form was for another account/, 'a form to log in again');
	is(state_of_all(), $before, 'none of them changes anything');
	is(query("SELECT count(*) FROM anon_auth.events WHERE type = 'authentication.failed' AND user_id = '$bob'"), 0, 'or tries a password');

	# A link opens the session of another account while the page is open.
	open_app($shared, $site->tokens('carol@example.com'));
	$before = state_of_all();
	shows($shared->post_form('/settings/delete_account', %bobs, delete => 'yes'), 409, qr/You are logged in as <bdi>carol/, qr/This form was for another account/, 'the form of the browser\'s own account');
	is(state_of_all(), $before, 'it does not act on the account of the link');

	# A later session of the same user
	redirects($site->logged_in('bob@example.com')->post_form('/settings/profile', x_user => $bobs{x_user}, name => 'Bob'), '/settings?x_done=profile_saved', 'a form in another session of its user');
	query("UPDATE anon_auth.users SET standard_attributes = '{}' WHERE id = '$bob'");
}

# ---------------------------------------------------------------------------
# Deletion
# ---------------------------------------------------------------------------

$page = $eves->get('/settings/delete_account');
shows($page, 200, qr/Delete your account\?/, qr/This happens on <time/, qr/type="checkbox"/, qr/class="button danger"/, 'the page that deletes the account');
shows($eves->post_form('/settings/delete_account'), 422, qr/id="delete_error".*Tick the box/s, 'without the tick');
is(query("SELECT delete_at IS NULL FROM anon_auth.users WHERE id = '$eve'"), 't', 'nothing is scheduled without the tick');
redirects($eves->post_form('/settings/delete_account', delete => 'yes'), '/settings?x_done=deletion_scheduled', 'with the tick');
redirects($eves->post_form('/settings/delete_account', delete => 'yes'), '/settings?x_done=deletion_scheduled', 'twice');
is(query("SELECT round(extract(epoch FROM delete_at - now()) / 86400) FROM anon_auth.users WHERE id = '$eve'"), 30, 'the account will be deleted after the grace period');
is(sessions_of($eve), 1, 'its other sessions have ended');
$page = $eves->get('/settings');
shows($page, 200, qr/Your account will be deleted on <time.*Keep my account.*How you log in/s, 'the overview shows it on top');
redirects($eves->post_form('/settings/delete_account', fields($page, qr/Keep my account/)), '/settings?x_done=account_kept', 'the button that keeps the account');
redirects($eves->post_form('/settings/delete_account', fields($page, qr/Keep my account/)), '/settings?x_done=account_kept', 'the same button again');
is(query("SELECT delete_at IS NULL FROM anon_auth.users WHERE id = '$eve'"), 't', 'the account is kept');
unlike($eves->get('/settings')->{body}, qr/will be deleted on/, 'the overview no longer shows a deletion');

{
	my $short = $site->account('short@example.com');
	my $browser = $site->logged_in('short@example.com');

	$site->settings(account_deletion_grace => '0');
	shows($browser->get('/settings/delete_account'), 200, qr/This happens at once/, 'without a grace period');
	shows($browser->post_form('/settings/delete_account', delete => 'yes'), 200, qr/Your account has been deleted/, 'the account is deleted at once');
	is(query("SELECT count(*) FROM anon_auth.users WHERE id = '$short'"), 0, 'the account is gone');
	ok(!$browser->cookies->{'__Host-session'}, 'so is the cookie');
	shows($browser->get('/settings'), 403, qr/You are not logged in/, 'nobody is logged in afterwards');
	$site->settings(account_deletion_grace => '30 days');
}

# ---------------------------------------------------------------------------
# A guest
# ---------------------------------------------------------------------------

my $guest = $site->guest;

$page = $guest->get('/settings');
shows($page, 200, qr/You are using Notebook as a guest|You are a guest/, qr{/settings/sessions"}, 'the overview of a guest');
unlike($page->{body}, qr/change_password|How you log in/, 'a guest has no password and no login IDs');
{
	my $answer = $guest->post_form('/settings', fields($page, qr/Create an account/));
	my $flow = $guest->get($answer->{location});

	is($answer->{status}, 303, 'a button leads the guest to the sign-up page');
	like($flow->{location}, qr{^https://auth\.example/flows/promote_user\?}, 'with the proof that it is this guest');
	shows($guest->get($flow->{location}), 200, qr/Create your account/, 'the sign-up page');
	redirects($browser->post_form('/settings', sign_up => 'yes'), '/settings', 'an account has no such button');
}
redirects($guest->get('/settings/change_password'), '/settings', 'a page that guests do not have');
redirects($guest->post_form('/settings/change_password', password => 'long enough 1'), '/settings', 'a form that guests do not have');
shows($guest->get('/settings/sessions'), 200, qr/This device/, 'the sessions of a guest');
for my $path ('/settings/identity/add_email', '/settings/identity/remove_identity?q_issuer=https://accounts.example')
{
	redirects($guest->get($path), '/settings', "$path, which guests do not have");
	redirects($guest->post_form($path, login_id => 'guest@example.com'), '/settings', "a form for $path, which guests do not have");
}
shows($guest->get('/settings/delete_account'), 200, qr/Delete your data\?/, qr/This happens at once/, 'a guest deletes its data');

{
	my $leaving = $site->guest;
	my $count = query('SELECT count(*) FROM anon_auth.users');

	shows($leaving->post_form('/settings/delete_account', delete => 'yes'), 422, qr/id="delete_guest_error"/, 'a guest must tick the box');
	shows($leaving->post_form('/settings/delete_account', delete_guest => 'yes'), 200, qr/Your data has been deleted/, 'the guest is deleted at once');
	is(query('SELECT count(*) FROM anon_auth.users'), $count - 1, 'the guest is gone');
}

# ---------------------------------------------------------------------------
# The profile
# ---------------------------------------------------------------------------

# What a form sends after the user has changed some fields
sub form_of
{
	my ($page, %changes) = @_;
	my %fields = (fields($page), %changes);

	return map { $_ => $fields{$_} } sort keys %fields;
}

sub profile_of { return query("SELECT standard_attributes::text || custom_attributes::text FROM anon_auth.users WHERE id = '$_[0]'"); }

$site->settings(user_writable_attributes => '{"favourite <color>",points}');
query("UPDATE anon_auth.users SET standard_attributes = '{\"name\": \"Ada\", \"middle_name\": \"B\"}', custom_attributes = '{\"points\": 7, \"secret\": \"x\"}' WHERE id = '$ada'");
$page = $browser->get('/settings/profile');
shows($page, 200, qr/Your profile/, qr/name="name"[^>]* value="Ada"/, qr/favourite &lt;color&gt;/, qr/autocomplete="bday"/, 'the page of the profile');
unlike($page->{body}, qr/secret|points/, 'the page has no attribute that users cannot write, and none that is no text');
shows($browser->post_form('/settings/profile', form_of($page, birthdate => '31 December', website => 'http://x.example', zoneinfo => 'Nowhere/Land', locale => '?', name => 'Ada "&<L>')), 422,
	qr/id="birthdate_error".*such as 1990-12-31/s, qr/id="website_error".*https:/s, qr/id="zoneinfo_error"/, qr/id="locale_error"/, qr/value="31 December"/, qr/value="Ada &quot;&amp;&lt;L&gt;"/, 'wrong values');
like(profile_of($ada), qr/"name": "Ada"/, 'wrong values change nothing');
redirects($browser->post_form('/settings/profile', form_of($page, birthdate => '1815-12-10', name => '', custom_1 => 'blue')), '/settings?x_done=profile_saved', 'right values');
is(profile_of($ada), '{"birthdate": "1815-12-10", "middle_name": "B"}{"points": 7, "secret": "x", "favourite <color>": "blue"}', 'they are saved, and nothing else changes');
redirects($browser->post_form('/settings/profile', name => 'Countess'), '/settings?x_done=profile_saved', 'a form with one field');
is(profile_of($ada), '{"name": "Countess", "birthdate": "1815-12-10", "middle_name": "B"}{"points": 7, "secret": "x", "favourite <color>": "blue"}', 'other fields stay');
redirects($browser->post_form('/settings/profile', custom_2 => 'many', custom_3 => 'x', email => 'evil@example.com', sub => $bob), '/settings?x_done=profile_saved', 'fields that the page does not have');
is(profile_of($ada), '{"name": "Countess", "birthdate": "1815-12-10", "middle_name": "B"}{"points": 7, "secret": "x", "favourite <color>": "blue"}', 'they do nothing');

# The address has several lines and members.
redirects($browser->post_form('/settings/profile', form_of($page, name => 'Ada', birthdate => '', address_street_address => "12 St James's Square\r\nFlat <2>", address_country => 'UK')), '/settings?x_done=profile_saved',
	'an address');
is(query("SELECT standard_attributes -> 'address' FROM anon_auth.users WHERE id = '$ada'"), q({"country": "UK", "street_address": "12 St James's Square\nFlat <2>"}), 'it is saved as an object');
$page = $browser->get('/settings/profile');
shows($page, 200, qr{<textarea id="address_street_address"[^>]*>\n12 St James&\#39;s Square\nFlat &lt;2&gt;</textarea>}, qr/name="address_country"[^>]* value="UK"/, 'the page shows it');
unlike($page->{body}, qr/address_formatted/, 'the whole address has no field before an application writes it');
query("UPDATE anon_auth.users SET standard_attributes = jsonb_set(standard_attributes, '{address}', '{\"formatted\": \"A\\r\\nB\", \"region\": \"C\", \"floor\": 3}') WHERE id = '$ada'");
$page = $browser->get('/settings/profile');
redirects($browser->post_form('/settings/profile', form_of($page, name => 'Ada L')), '/settings?x_done=profile_saved', 'a form with an address that has not changed');
is(query("SELECT standard_attributes -> 'address' FROM anon_auth.users WHERE id = '$ada'"), q({"floor": 3, "region": "C", "formatted": "A\r\nB"}), 'it leaves the address alone');
redirects($browser->post_form('/settings/profile', address_region => 'D'), '/settings?x_done=profile_saved', 'a form with one member');
is(query("SELECT standard_attributes -> 'address' FROM anon_auth.users WHERE id = '$ada'"), q({"region": "D", "formatted": "A\nB"}), 'the others stay');
shows($browser->post_form('/settings/profile', form_of($page, address_locality => "a\nb", address_country => 'x' x 5000)), 422, qr/id="address_locality_error".*characters that cannot/s, qr/id="address_country_error".*too long/s,
	'wrong members');
redirects($browser->post_form('/settings/profile', form_of($page, map { ("address_$_" => '') } qw(formatted region))), '/settings?x_done=profile_saved', 'empty fields');
is(query("SELECT standard_attributes ? 'address' FROM anon_auth.users WHERE id = '$ada'"), 'f', 'they remove the address');
redirects($guest->post_form('/settings/profile', name => 'Guest'), '/settings?x_done=profile_saved', 'a guest has a profile');
shows($guest->get('/settings'), 200, qr/<bdi>Guest/, 'the overview shows its name');

# ---------------------------------------------------------------------------
# Recent log-in
# ---------------------------------------------------------------------------

query("UPDATE anon_auth.sessions SET authenticated_at = now() - interval '1 day'");
for my $case (
	[ '/change_password', password => 'long enough 1', old_password => 'a new horse' ],
	[ '/identity/add_email', login_id => 'x@example.com' ],
	[ '/identity/add_username', login_id => 'xyz' ],
	[ '/identity/remove_email?q_login_id=Ada%40example.com' ],
	[ '/delete_account', delete => 'yes' ])
{
	my ($path, @fields) = @$case;
	my $next = '/settings' . ($path =~ s/ada/Ada/r);
	my $expected = "$origin/settings/reauthenticate?x_next=" . AnonAuth::Browser::encode($next);

	is($browser->get("/settings$path")->{location}, $expected, "GET $path asks for the password first");
	is($browser->post_form("/settings$path", @fields)->{location}, $expected, "POST $path asks for the password first");
}
for my $path ('', '/profile', '/sessions')
{
	is($browser->get("/settings$path")->{status}, 200, "/settings$path needs no recent log-in");
}
is($guest->get('/settings/delete_account')->{status}, 200, 'a guest needs no recent log-in');
$page = $browser->get($browser->get('/settings/change_password')->{location});
shows($page, 200, qr/name="password"/, 'the page on which the user logs in again');
is($browser->post_form($browser->get('/settings/change_password')->{location}, fields($page), password => 'a new horse')->{location}, "$origin/settings/change_password",
	'it leads back');
is($browser->get('/settings/change_password')->{status}, 200, 'the log-in is recent now');

# ---------------------------------------------------------------------------
# Opened by an app: its session, and settings actions
# ---------------------------------------------------------------------------

# The URL of the page of a settings action, in the session of an app.
sub start_action
{
	my ($app, $tokens, $action) = @_;
	my $token = $app->post_json('/oauth2/app_session_token', { refresh_token => $tokens->{refresh_token} })->{json}{result}{app_session_token};

	return $app->get('/oauth2/authorize', client_id => 'web', redirect_uri => 'https://app.example/cb', state => 'a state',
		response_type => 'urn:authgear:params:oauth:response-type:settings-action', scope => 'openid https://authgear.com/scopes/full-access',
		code_challenge_method => 'S256', code_challenge => encode_base64url(sha256('v' x 43)), ui_locales => 'de',
		login_hint => "https://authgear.com/login_hint?type=app_session_token&app_session_token=$token", x_settings_action => $action)->{location};
}

sub finish_action
{
	my ($answer, $name) = @_;

	is($answer->{status}, 303, "$name: the answer is a redirect");
	like($answer->{location}, qr{^https://app\.example/cb\?code=[^&]+&.*state=a}, "$name: it leads to the app with a code");
	my ($code) = $answer->{location} =~ /code=([^&]+)/;
	is($site->browser->post_form('/oauth2/token', grant_type => 'urn:authgear:params:oauth:grant-type:settings-action', client_id => 'web', code => $code,
		redirect_uri => 'https://app.example/cb', code_verifier => 'v' x 43)->{body}, '{}', "$name: the app exchanges it");
}

{
	my $tokens = $site->tokens('ada@example.com', 'a new horse');
	my $app = $site->browser;
	my $uri = start_action($app, $tokens, 'change_password');
	my $page = $app->get($uri);

	shows($page, 200, qr/<html lang="de"/, qr/Passwort ändern/, qr{href="https://app\.example/cb\?error=access_denied}, 'the page of a settings action');
	unlike($page->{body}, qr{class="back"}, 'it does not lead to the overview');
	like($page->{headers}{'content-security-policy'}[0], qr{form-action 'self' https://app\.example}, 'its form can lead to the app');
	my ($action) = $page->{body} =~ m{<form method="post" action="([^"]+)"};

	$action =~ s/&amp;/&/g;
	shows($app->post_form($action, old_password => 'wrong', password => 'long enough 3'), 422, qr/bisheriges Passwort/, 'a wrong password on it');
	finish_action($app->post_form($action, old_password => 'a new horse', password => 'long enough 3'), 'the right password');
	ok($site->tokens('ada@example.com', 'long enough 3')->{sid}, 'the password is changed');
	shows($app->get('/settings'), 200, qr/Ada\@example\.com/, 'the session of the app can open the overview as well');

	$tokens = $site->tokens('ada@example.com', 'long enough 3');
	$uri = start_action($app, $tokens, 'add_username');
	finish_action($app->post_form($uri, login_id => 'lovelace'), 'adding a username');
	$uri = start_action($app, $tokens, 'delete_account');
	finish_action($app->post_form($uri, delete => 'yes'), 'deleting the account');
	is(query("SELECT delete_at IS NOT NULL FROM anon_auth.users WHERE id = '$ada'"), 't', 'the deletion is scheduled');
	is($app->post_form('/settings/delete_account', keep => 'yes')->{status}, 303, 'and can be undone');

	my ($ref) = start_action($app, $tokens, 'change_password') =~ /x_ref=([^&]+)/;

	shows($app->get("/settings/sessions?x_ref=$ref"), 400, qr/This page has expired|abgelaufen/, 'the action of another page');
	shows($browser->get("/settings/change_password?x_ref=$ref"), 400, qr/This page has expired|abgelaufen/, 'the action of another session');
	shows($site->browser->get("/settings/change_password?x_ref=$ref"), 400, qr/This page has expired|abgelaufen/, 'an action without a session');

	# A foreign site's form has the cookie of neither session.
	for my $site ([ 'Sec-Fetch-Site:' => 'cross-site' ], [ 'Sec-Fetch-Site:' => 'same-site' ])
	{
		shows($app->post_form("/settings/change_password?x_ref=$ref", old_password => 'long enough 3', password => 'evil evil', @$site), 403, qr/<h1>/, 'a form of another site in the session of an app');
	}
	ok($site->tokens('ada@example.com', 'long enough 3')->{sid}, 'the password stays');
}
$browser = $site->logged_in('ada@example.com', 'long enough 3');

# ---------------------------------------------------------------------------
# Attacks
# ---------------------------------------------------------------------------

my @forms = (
	[ '/settings/identity/add_username', login_id => 'evil' ],
	[ '/settings/identity/add_email', login_id => 'evil@example.com' ],
	[ '/settings/identity/change_username?q_login_id=ada', login_id => 'evil' ],
	[ '/settings/identity/remove_username?q_login_id=ada', x => 1 ],
	[ '/settings/delete_account', delete => 'yes' ],
	[ '/settings/sessions', session_id => 'others' ],
	[ '/settings/profile', name => 'Evil' ],
	[ '/settings/change_password', old_password => 'long enough 3', password => 'long enough 1' ]);

$site->tokens('ada@example.com', 'long enough 3');
$browser->post_form('/settings/identity/add_username', login_id => 'ada');
forget_messages();
$before = state_of_all();
for my $form (@forms)
{
	my ($path, @fields) = @$form;

	for my $headers ([ 'Sec-Fetch-Site:' => 'cross-site' ], [ 'Sec-Fetch-Site:' => 'same-site', 'Origin:' => 'https://app.example' ], [ 'Sec-Fetch-Site:' => 'none' ],
		[ 'Sec-Fetch-Site:' => undef, 'Origin:' => 'https://evil.example' ], [ 'Sec-Fetch-Site:' => undef, 'Origin:' => 'null' ])
	{
		my $answer = $browser->post_form($path, @fields, @$headers);

		shows($answer, 403, qr/Something went wrong|You are not logged in/, "$path from another site (@{[ map { $_ // 'absent' } @$headers ]})");
	}
	isnt($browser->get("$path" . ($path =~ /\?/ ? '&' : '?') . AnonAuth::Browser::form(@fields))->{status}, 303, "$path with GET does not answer as a form");
	isnt($browser->post_json($path, {@fields})->{status}, 303, "$path with JSON does nothing");
	isnt($browser->request('POST', $path, AnonAuth::Browser::form(@fields), 'content-type' => 'text/plain')->{status}, 303, "$path with text does nothing");
}
is(state_of_all(), $before, 'requests of other sites, and GET, change nothing');
is(query('SELECT count(*) FROM anon_auth.outbox'), 0, 'they send no message');

# ---------------------------------------------------------------------------
# Languages
# ---------------------------------------------------------------------------

for my $language ('en', 'de', 'zh-Hant')
{
	is(query("SELECT string_agg(key, ', ') FROM jsonb_object_keys(anon_auth_http.page_texts('en')) AS e (key) WHERE anon_auth_http.page_texts('$language') ->> key IS NULL"),
		'', "$language has all texts");
	for my $path ('', '/sessions', '/change_password', '/delete_account', '/profile', '/identity/add_email', '/identity/add_phone', '/identity/add_username',
		'/identity/change_username?q_login_id=ada', '/identity/remove_username?q_login_id=ada', '/identity/change_email?q_login_id=Ada%40example.com',
		'/identity/remove_email?q_login_id=Ada%40example.com')
	{
		my $text = $browser->get("/settings$path", ui_locales => $language)->{body} =~ s/<(style|script).*?<\/\1>| data-count="[^"]*"//gsr;

		like($text, qr/<html lang="$language"/, "/settings$path in $language");
		unlike($text, qr/\{[a-z_]+\}|settings_[a-z]|<(a|button|h1|h2|label|p|bdi|time)\b(?! class="sr")[^>]*>\s*<\/\1>/, "/settings$path in $language: every text is there");
	}
}

done_testing();
