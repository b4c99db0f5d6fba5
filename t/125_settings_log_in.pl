# Who opens a settings page without being logged in logs in and comes back to it, if
# settings.page_client_id names a client for that.  The way back is always a settings page.

use strict;
use warnings;
use utf8;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Pages qw(fields shows);
use Test::More;

my $site = AnonAuth::Pages->new;
my $origin = 'https://auth.example';
my $ada = $site->account('ada@example.com');

sub query { return $site->query($_[0]); }

# Opens the log-in that an answer leads to, and logs in there.
sub log_in
{
	my ($browser, $answer) = @_;

	return $browser->post_form($answer->{location}, login_id => 'ada@example.com', password => 'correct horse');
}

# ---------------------------------------------------------------------------
# No client, or one that cannot have cookie sessions
# ---------------------------------------------------------------------------

for my $client_id (undef, 'nonsense', 'web')
{
	$site->settings(page_client_id => $client_id);

	my $answer = $site->browser->get('/settings');

	shows($answer, 403, qr/You are not logged in/, 'a client for the pages: ' . ($client_id // 'none'));
	ok(!$answer->{headers}{'set-cookie'}, 'no log-in begins');
}

# ---------------------------------------------------------------------------
# There and back
# ---------------------------------------------------------------------------

$site->settings(page_client_id => 'site');
for my $path ('/settings', '/settings/sessions', '/settings/change_password?ui_locales=de', '/settings/identity/add_email?q_login_id=a%26b', '/settings/nonsense')
{
	my $browser = $site->browser;
	my $answer = $browser->get($path);
	my $done;

	is($answer->{status}, 303, "$path: the answer is a redirect");
	like($answer->{location}, qr{^\Q$origin\E/flows/login\?x_ref=}, "$path: to the log-in");
	is_deeply($answer->{headers}{'cache-control'}, ['no-store'], "$path: no cache keeps it");
	shows($browser->get($answer->{location}), 200, qr/name="password"/, $path =~ /=de/ ? qr/<html lang="de"/ : qr/<html lang="en"/, "$path: the page asks for the password");
	shows($browser->post_form($answer->{location}, login_id => 'ada@example.com', password => 'wrong horse'), 422, qr{role="alert"}, "$path: a wrong password");
	$done = log_in($browser, $answer);
	is($done->{status}, 303, "$path: the right password is answered with a redirect");
	is($done->{location}, "$origin$path", "$path: it leads back to the page");
	isnt($browser->get($path)->{status}, 303, "$path: the page is shown");
	$site->no_limits;
}
is(query("SELECT string_agg(DISTINCT client_id || ' ' || session_type, ', ') FROM anon_auth.sessions WHERE user_id = '$ada' AND session_type = 'cookie'"), 'site cookie', 'the sessions belong to that client');

# A user who cancels is not sent to the log-in again.
{
	my $browser = $site->browser;
	my $login = $browser->get($browser->get('/settings/sessions')->{location});
	my ($cancel) = $login->{body} =~ m{href="(\Q$origin\E/settings/sessions\?[^"]*error=access_denied[^"]*)"};

	shows($browser->get($cancel =~ s/&amp;/&/gr), 403, qr/You are not logged in/, qr{href="https://app\.example/home"}, 'after "Cancel"');
}

# A form whose session has ended
{
	my $browser = $site->logged_in('ada@example.com');
	my %fields = fields($browser->get('/settings/profile'), qr/Save/);
	my $answer;

	query("SELECT anon_auth.revoke_sessions('$ada')");
	$answer = $browser->post_form('/settings/profile', %fields, name => 'Countess');
	like($answer->{location}, qr{^\Q$origin\E/flows/login\?x_ref=}, 'a form without a session leads to the log-in');
	is(log_in($browser, $answer)->{location}, "$origin/settings/profile", 'and back to its page');
	is(query("SELECT coalesce(standard_attributes ->> 'name', '-') FROM anon_auth.users WHERE id = '$ada'"), '-', 'it changes nothing');
	is($browser->post_form('/settings/profile', %fields, 'Sec-Fetch-Site:' => 'cross-site')->{status}, 403, 'a form of another site leads nowhere');
}

# ---------------------------------------------------------------------------
# Attacks
# ---------------------------------------------------------------------------

# The log-in works only in the browser that has opened the page.
{
	my $victim = $site->browser;
	my $answer = $site->browser->get('/settings');

	shows($victim->get($answer->{location}), 400, qr/This page has expired/, 'the log-in of another browser');
	is($victim->post_form($answer->{location}, login_id => 'ada@example.com', password => 'correct horse')->{status}, 400, 'it logs nobody in');
	ok(!$victim->cookies->{'__Host-session'}, 'and sets no cookie');
}

# No address leads anywhere but to a settings page, and no parameter does.
for my $query ('redirect_uri=https%3A%2F%2Fevil.example', 'x_next=https%3A%2F%2Fevil.example', 'x_next=%2F%2Fevil.example', 'iss=https%3A%2F%2Fevil.example')
{
	my $browser = $site->browser;
	my $done = log_in($browser, $browser->get("/settings?$query"));

	like($done->{location}, qr{^\Q$origin\E/settings(?:\?|$)}, "$query does not change the way back");
	$site->no_limits;
}
for my $path ('/settings/..%2F..%2Foauth2/authorize', '/settings/@evil.example', '/settings//evil.example')
{
	my $browser = $site->browser;
	my $answer = $browser->get($path);

	like(log_in($browser, $answer)->{location}, qr{^\Q$origin\E/settings(?:/|\?|$)}, "$path does not lead elsewhere");
	$site->no_limits;
}

# Too long for an address
{
	my $browser = $site->browser;

	is(log_in($browser, $browser->get('/settings/sessions?q=' . 'x' x 7000))->{location}, "$origin/settings", 'a page whose address is too long leads back to the overview');
}

# Nothing that is no navigation begins a log-in: a page of another site could replace others.
ok(!$site->browser->get('/settings', 'Sec-Fetch-Dest:' => 'image', 'Sec-Fetch-Mode:' => 'no-cors')->{headers}{'set-cookie'}, 'an image begins no log-in');
is($site->browser->get('/settings', 'Sec-Purpose:' => 'prefetch')->{status}, 503, 'a prefetch begins none');

# The request of such a log-in opens nothing once the issuer is another one, or its client is gone.
{
	my $browser = $site->browser;
	my $answer = $browser->get('/settings');

	query(q{UPDATE anon_auth.settings SET issuer = 'https://other.example'});
	is(log_in($browser, $answer)->{status}, 400, 'a log-in of another issuer has expired');
	query(q{UPDATE anon_auth.settings SET issuer = 'https://auth.example'});
	query(q{INSERT INTO anon_auth.clients SELECT (jsonb_populate_record(c, '{"client_id": "old"}')).* FROM anon_auth.clients c WHERE client_id = 'site'});
	$site->settings(page_client_id => 'old');
	$browser = $site->browser;
	$answer = $browser->get('/settings');
	query(q{DELETE FROM anon_auth.clients WHERE client_id = 'old'});
	is(log_in($browser, $answer)->{status}, 400, 'a log-in to a client that is gone has expired');
}

# /oauth2/authorize itself sends nobody to a settings page.
{
	my $answer = $site->browser->get('/oauth2/authorize', client_id => 'site', redirect_uri => "$origin/settings", response_type => 'none', scope => 'openid');

	is($answer->{status}, 400, 'a settings page is no redirect URI of a client');
}

done_testing();
