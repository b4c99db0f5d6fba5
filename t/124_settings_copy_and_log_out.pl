# The settings pages that give users a copy of their account data and log them out, and the
# function of the account API that makes the same copy.

use strict;
use warnings;
use utf8;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Pages qw(fields shows);
use JSON::PP ();
use PostgreSQL::Test::Utils;
use Test::More;

my $site = AnonAuth::Pages->new;
my $origin = 'https://auth.example';
my $ada = $site->account('ada@example.com');
my $bob = $site->account('bob@example.com');

sub query { return $site->query($_[0]); }

sub exports_of { return query("SELECT count(*) FROM anon_auth.events WHERE type = 'account.exported' AND user_id = '$_[0]'"); }

sub sessions_of { return query("SELECT count(*) FROM anon_auth.sessions WHERE user_id = '$_[0]'"); }

# Opens the session of an app in a browser.
sub open_app
{
	my ($browser, $tokens) = @_;
	my $token = $browser->post_json('/oauth2/app_session_token', { refresh_token => $tokens->{refresh_token} })->{json}{result}{app_session_token};

	return $browser->get('/oauth2/authorize', client_id => 'web', response_type => 'none', prompt => 'none', scope => 'openid', redirect_uri => "$origin/settings",
		login_hint => "https://authgear.com/login_hint?type=app_session_token&app_session_token=$token");
}

# ---------------------------------------------------------------------------
# A copy of the account data
# ---------------------------------------------------------------------------

{
	my $browser = $site->logged_in('ada@example.com');
	my $overview = $browser->get('/settings');
	my $page = $browser->get('/settings/export');

	shows($overview, 200, qr{href="\Q$origin\E/settings/export"}, 'the overview leads to the copy');
	shows($page, 200, qr/<h1>Download your account data/, qr/data-busy/, 'the page of the copy');
	is(exports_of($ada), 0, 'GET makes no copy');

	my $copy = $browser->post_form('/settings/export', fields($page));
	my $data = JSON::PP->new->decode($copy->{body});

	is($copy->{status}, 200, 'the button answers with the copy');
	is_deeply($copy->{headers}{'content-type'}, ['application/json'], 'it is JSON');
	is_deeply($copy->{headers}{'content-disposition'}, ['attachment; filename="account.json"'], 'the browser saves it as a file');
	is_deeply($copy->{headers}{'cache-control'}, ['no-store'], 'no cache keeps it');
	is_deeply($copy->{headers}{'x-content-type-options'}, ['nosniff'], 'no browser takes it for another type');
	like($copy->{body}, qr/\n    "user": \{\n/, 'people can read it');
	is($data->{user}{id}, $ada, 'it is about the user');
	is($data->{login_ids}[0]{original_value}, 'ada@example.com', 'it has the login ID');
	unlike($copy->{body}, qr/bob\@example|\$argon2|$bob/, 'it has no secret and nothing about anybody else');
	is(exports_of($ada), 1, 'the copy is an event');

	my $api = $browser->post_json('/api/account/export_account', {}, 'Sec-Fetch-Site:' => 'same-origin', 'Origin:' => $origin)->{json}{result};

	is_deeply([ sort keys %$api ], [ sort keys %$data ], 'the function of the account API answers with the same members');
	is($api->{user}{id}, $ada, 'about the same user');
	is(exports_of($ada), 2, 'that copy is an event, too');

	# A form of another site, one for another user, and one with an old log-in make none.
	is($browser->post_form('/settings/export', fields($page), 'Sec-Fetch-Site:' => 'cross-site')->{status}, 403, 'a form of another site is refused');
	shows($browser->post_form('/settings/export', x_user => 'x'), 409, qr/This form was for another account/, 'a form that no page has made');
	query("UPDATE anon_auth.sessions SET authenticated_at = now() - interval '1 hour' WHERE user_id = '$ada'");
	for my $answer ($browser->get('/settings/export'), $browser->post_form('/settings/export', fields($page)))
	{
		is($answer->{status}, 303, 'an old log-in gets a redirect');
		is($answer->{location}, "$origin/settings/reauthenticate?x_next=%2Fsettings%2Fexport", 'to the page that asks for another one');
		unlike($answer->{body}, qr/ada\@example/, 'the answer has no data');
	}
	is(exports_of($ada), 2, 'none of them makes a copy');
}

{
	my $guest = $site->guest;
	my $page = $guest->get('/settings/export');
	my $copy = JSON::PP->new->decode($guest->post_form('/settings/export', fields($page))->{body});

	ok($copy->{user}{is_anonymous}, 'a guest gets a copy, too');
}

# ---------------------------------------------------------------------------
# Logging out
# ---------------------------------------------------------------------------

{
	my $browser = $site->logged_in('bob@example.com');
	my $phone = $site->tokens('bob@example.com');
	my $page = $browser->get('/settings');
	my $before = sessions_of($bob);
	my $answer;

	shows($page, 200, qr{<button class="button plain"[^>]*>Log out</button>}, 'the overview has a button that logs out');
	is($browser->post_form('/settings', fields($page, qr/name="log_out"/), 'Sec-Fetch-Site:' => 'cross-site')->{status}, 403, 'a form of another site is refused');
	shows($browser->post_form('/settings', x_user => 'x', log_out => 'yes'), 409, qr/This form was for another account/, 'a form that no page has made');
	shows($browser->get('/settings?log_out=yes'), 200, qr/Your account/, 'a link does not log out');
	is(sessions_of($bob), $before, 'none of them ends a session');

	$answer = $browser->post_form('/settings', fields($page, qr/name="log_out"/));
	shows($answer, 200, qr/You are logged out/, 'the button');
	is(sessions_of($bob), $before - 1, 'one session has ended');
	is(query("SELECT count(*) FROM anon_auth.sessions WHERE id = '$phone->{sid}'"), 1, 'that of another device goes on');
	is(query("SELECT count(*) FROM anon_auth.events WHERE type = 'user.signed_out' AND user_id = '$bob'"), 1, 'there is an event');
	like(join("\n", @{ $answer->{headers}{'set-cookie'} }), qr/__Host-session=; .*Max-Age=0/, 'the cookie is removed');
	is($browser->get('/settings')->{status}, 403, 'the browser is logged out');
	is($browser->post_form('/settings', fields($page, qr/name="log_out"/))->{status}, 403, 'a second click finds no session');

	# The page shows the session of an app: that one ends.
	$browser = $site->browser;
	open_app($browser, $phone);
	$page = $browser->get('/settings');
	shows($browser->post_form('/settings', fields($page, qr/name="log_out"/)), 200, qr/You are logged out/, 'the button of a page that an app has opened');
	is(query("SELECT count(*) FROM anon_auth.sessions WHERE id = '$phone->{sid}'"), 0, 'the session of the app has ended');
	is($browser->get('/settings')->{status}, 403, 'the page no longer shows it');
}

{
	my $guest = $site->guest;
	my $page = $guest->get('/settings');

	unlike($page->{body}, qr/name="log_out"/, 'a guest, who could not come back, has no such button');
	is($guest->post_form('/settings', x_user => { fields($page) }->{x_user}, log_out => 'yes')->{location}, "$origin/settings", 'such a form leads back');
	is($guest->get('/settings')->{status}, 200, 'the guest stays');
}

done_testing();
