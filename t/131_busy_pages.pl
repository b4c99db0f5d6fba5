# A page whose request waits too long for a lock is answered with 503: the same request may
# succeed a moment later.  A form that was sent is shown again with its fields.

use strict;
use warnings;
use utf8;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Pages qw(fields shows);
use PostgreSQL::Test::Utils;
use Test::More;

my $site = AnonAuth::Pages->new;
my $email = 'ada@example.com';
my $ada = $site->account($email);
my $browser = $site->logged_in($email);
my $holder = $site->node->background_psql('postgres');
my %html = ('Accept:' => 'text/html');

# Calls a function while another transaction has run a statement and lock_timeout is short.
sub while_locked
{
	my ($statement, $call) = @_;

	$holder->query_safe("BEGIN; $statement");
	$site->query(q{ALTER DATABASE postgres SET lock_timeout = '100ms'});
	my @answers = $call->();
	$site->query('ALTER DATABASE postgres RESET lock_timeout');
	$holder->query_safe('ROLLBACK');
	return @answers;
}

# Checks that the answer tells the user, and programs, to try again.
sub is_busy
{
	my ($answer, @patterns) = @_;
	my $name = $patterns[-1];

	shows($answer, 503, @patterns);
	is_deeply($answer->{headers}{'retry-after'}, ['1'], "$name, with Retry-After");
	return;
}

sub is_busy_text
{
	my ($answer, $name) = @_;

	is("$answer->{status} $answer->{body}", "503 temporarily unavailable\n", $name);
	is_deeply([ map { $answer->{headers}{$_}[0] } qw(content-type retry-after cache-control) ], [ 'text/plain; charset=utf-8', '1', 'no-store' ], "$name, with Retry-After");
	return;
}

my $users = 'SELECT 1 FROM anon_auth.users FOR UPDATE; SELECT 1 FROM anon_auth.sessions FOR UPDATE';

# ---------------------------------------------------------------------------
# Pages that are opened
# ---------------------------------------------------------------------------

my ($page, $german, $text, $plain) = while_locked('LOCK anon_auth.sessions', sub {
	return $browser->get('/settings', %html), $browser->get('/settings?ui_locales=de', %html), $browser->get('/settings'),
	  $browser->get('/oauth2/end_session', %html);
});

is_busy($page, qr{<h1>Try again in a moment</h1>.*reload this page}s, 'a page');
is_busy($german, qr{<html lang="de".*gleich noch einmal}s, 'a page in the language of the request');
is_busy_text($text, 'a client that does not ask for HTML gets text');
is_busy($plain, qr{<h1>Try again in a moment</h1>}, 'the page to log out');
shows($browser->get('/settings', %html), 200, qr/\Q$email\E/, 'a moment later, the page is shown');

$site->query('ALTER FUNCTION anon_auth_internal.page(jsonb) RENAME TO no_page');
my ($bare) = while_locked('LOCK anon_auth.sessions', sub { return $browser->get('/settings', %html); });
is_busy_text($bare, 'if no page can be made, the answer is text');
$site->query('ALTER FUNCTION anon_auth_internal.no_page(jsonb) RENAME TO page');

# ---------------------------------------------------------------------------
# Forms that are sent
# ---------------------------------------------------------------------------

my $failed = qr/That did not work\. Try again in a moment\./;
$site->settings(page_client_id => 'site');
my $visitor = $site->browser;
my $login = $visitor->get('/settings')->{location};
my %login = (fields($visitor->get($login)), login_id => $email, password => 'correct horse');
my $password = $browser->get('/settings/change_password');
my %password = (fields($password), old_password => 'correct horse', password => 'battery staple');

my ($log_in, $change) = while_locked($users, sub {
	return $visitor->post_form($login, %login), $browser->post_form('/settings/change_password', %password);
});
is_busy($log_in, qr/$failed/, qr/value="\Q$email\E"/, 'the form to log in is shown again with what was entered');
is_busy($change, $failed, 'so is the one for a new password');
like(slurp_file($site->node->logfile), qr/anon_auth_http answers 503: canceling statement due to lock timeout/, 'the log says why');
is($visitor->post_form($login, %login)->{status}, 303, 'the form to log in succeeds a moment later');

$holder->quit;
done_testing();
