# The settings pages: what they show, what their forms do, and the attacks that they must
# refuse. t/AnonAuth/Browser.pm calls the function as PostgREST would.

use strict;
use warnings;
use utf8;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Pages qw(fields shows);
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

redirects($browser->post_form('/settings/sessions', session_id => $others->{sid}), '/settings/sessions?x_done=session_ended', 'the session of another account');
redirects($browser->post_form('/settings/sessions', session_id => "'; DROP TABLE x"), '/settings/sessions?x_done=session_ended', 'an id that is none');
redirects($browser->post_form('/settings/sessions'), '/settings/sessions?x_done=session_ended', 'no id');
is(state_of_all(), $before, 'none of them ends a session');

redirects($browser->post_form('/settings/sessions', fields($page, qr/Log out: Google/)), '/settings/sessions?x_done=session_ended', 'the button for one session');
is(query("SELECT count(*) FROM anon_auth.sessions WHERE id = '$phone->{sid}'"), 0, 'the session has ended');
is(query("SELECT payload ->> 'session_id' FROM anon_auth.events WHERE type = 'user.signed_out' AND user_id = '$ada'"), $phone->{sid}, 'there is an event');
redirects($browser->post_form('/settings/sessions', fields($page, qr/Log out: Google/)), '/settings/sessions?x_done=session_ended', 'the same button again');

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
	[ 'nothing', {}, 422, qr/Enter your current password/, qr/Enter a password/ ],
	[ 'no current password', { password => 'long enough 1' }, 422, qr/id="old_password_error"/ ],
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
shows($browser->get('/settings'), 200, qr/Your account/, 'the session of the browser goes on');
ok($site->tokens('ada@example.com', 'a new horse')->{sid}, 'the new password logs in');
is(query("SELECT count(*) FROM anon_auth.authenticate('web', 'ada\@example.com', 'correct horse')"), 0, 'the former one does not');
is(query("SELECT count(*) FROM anon_auth.outbox WHERE type = 'password_changed' AND recipient = 'Ada\@example.com'"), 1, 'the address gets a message');

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
# A guest
# ---------------------------------------------------------------------------

my $guest = $site->guest;

$page = $guest->get('/settings');
shows($page, 200, qr/You are using Notebook as a guest|You are a guest/, qr{/settings/sessions"}, 'the overview of a guest');
unlike($page->{body}, qr/change_password|How you log in/, 'a guest has no password and no login IDs');
redirects($guest->get('/settings/change_password'), '/settings', 'a page that guests do not have');
redirects($guest->post_form('/settings/change_password', password => 'long enough 1'), '/settings', 'a form that guests do not have');
shows($guest->get('/settings/sessions'), 200, qr/This device/, 'the sessions of a guest');

# ---------------------------------------------------------------------------
# Attacks
# ---------------------------------------------------------------------------

my @forms = (
	[ '/settings/sessions', session_id => 'others' ],
	[ '/settings/change_password', old_password => 'a new horse', password => 'long enough 1' ]);

$site->tokens('ada@example.com', 'a new horse');
$site->no_limits;
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
	isnt($browser->get("$path?" . AnonAuth::Browser::form(@fields))->{status}, 303, "$path with GET does not answer as a form");
	isnt($browser->post_json($path, {@fields})->{status}, 303, "$path with JSON does nothing");
	isnt($browser->request('POST', $path, AnonAuth::Browser::form(@fields), 'content-type' => 'text/plain')->{status}, 303, "$path with text does nothing");
}
is(state_of_all(), $before, 'requests of other sites, and GET, change nothing');

# ---------------------------------------------------------------------------
# Languages
# ---------------------------------------------------------------------------

for my $language ('en', 'de', 'zh-Hant')
{
	is(query("SELECT string_agg(key, ', ') FROM jsonb_object_keys(anon_auth_http.page_texts('en')) AS e (key) WHERE anon_auth_http.page_texts('$language') ->> key IS NULL"),
		'', "$language has all texts");
	for my $path ('', '/sessions', '/change_password')
	{
		my $text = $browser->get("/settings$path?ui_locales=$language")->{body} =~ s/<(style|script).*?<\/\1>| data-count="[^"]*"//gsr;

		like($text, qr/<html lang="$language"/, "/settings$path in $language");
		unlike($text, qr/\{[a-z_]+\}|settings_[a-z]|<(a|button|h1|h2|label|p|bdi|time)\b(?! class="sr")[^>]*>\s*<\/\1>/, "/settings$path in $language: every text is there");
	}
}

done_testing();
