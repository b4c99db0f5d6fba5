# One-time codes and the outbox: concurrent workers that empty the outbox,
# concurrent attempts with a code, answers that must not reveal whether a user
# exists, and copies of a code in logs, events and plans.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Device qw(call refusal sql_literal);
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->append_conf('postgresql.conf', "fsync = off\nlog_statement = all\nlog_min_duration_statement = 0");
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE ROLE visitor LOGIN;
CREATE ROLE worker LOGIN;
CREATE EXTENSION anon_auth;
SELECT anon_auth.grant_client_api('visitor');
GRANT USAGE ON SCHEMA anon_auth TO worker;
GRANT EXECUTE ON FUNCTION anon_auth.take_outbox_messages TO worker;
SELECT anon_auth.create_client('app', 'native');
UPDATE anon_auth.settings SET password_hash_memory_kib = 8192, password_hash_passes = 1;
SQL

sub query { return $node->safe_psql('postgres', $_[0]); }

sub account
{
	my ($email) = @_;
	my $guest = call($node, 'authenticate_anonymously', client_id => 'app');

	return call($node, 'promote_anonymous_user', client_id => 'app', email => $email, password => 'correct horse',
		refresh_token => $guest->{refresh_token});
}

sub no_limits { query('SELECT anon_auth.reset_counters()'); }

sub start
{
	my %run = (out => '', err => '');

	$run{run} = IPC::Run::start([ 'psql', '-XAtq', @_ ], '>', \$run{out}, '2>', \$run{err},
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	return \%run;
}

sub code { return query('SELECT code FROM anon_auth.take_outbox_messages() WHERE code IS NOT NULL'); }

# ---------------------------------------------------------------------------
# Workers
# ---------------------------------------------------------------------------

my @accounts = map { account("user$_\@example.com") } 1 .. 40;
call($node, 'request_verification', access_token => $_->{access_token}) for @accounts;
my $as_worker = $node->connstr('postgres') . ' user=worker';
my @workers = map {
	start('-d', $as_worker, map { ('-c', 'SELECT recipient FROM anon_auth.take_outbox_messages(3)') } 1 .. 20)
} 1 .. 4;
$_->{run}->finish for @workers;
my @sent = map { split /\n/, $_->{out} } @workers;
is(join('', map { $_->{err} } @workers), '', 'four workers can drain the outbox at once without errors');
is(join(' ', sort @sent), join(' ', sort map { "user$_\@example.com" } 1 .. 40), 'each outbox message is taken once');
is(query('SELECT count(*) FROM anon_auth.outbox'), 0, 'no outbox message is left');

no_limits();
call($node, 'request_verification', access_token => $accounts[0]{access_token});
query('BEGIN; SELECT anon_auth.take_outbox_messages(); ROLLBACK');
is(query('SELECT count(*) FROM anon_auth.outbox'), 1, 'a worker that rolls back leaves the message in the outbox');
query('DELETE FROM anon_auth.outbox');

my $visitor = $node->connstr('postgres') . ' user=visitor';
for my $forbidden ('SELECT anon_auth.take_outbox_messages()', 'TABLE anon_auth.outbox', 'TABLE anon_auth.one_time_codes')
{
	$node->psql('postgres', $forbidden, connstr => $visitor, stderr => \my $stderr);
	like($stderr, qr/permission denied/, "a client role is refused: $forbidden");
}

no_limits();
my $notified = $node->safe_psql('postgres', "LISTEN anon_auth_outbox; BEGIN; SELECT anon_auth.request_verification('email', '$accounts[1]{access_token}'); ROLLBACK; SELECT 1");
unlike($notified, qr/Asynchronous/, 'no notification is sent for a code that is rolled back');
no_limits();
$notified = $node->safe_psql('postgres', "LISTEN anon_auth_outbox; SELECT anon_auth.request_verification('email', '$accounts[1]{access_token}'); SELECT 1");
like($notified, qr/notification "anon_auth_outbox" received/, 'workers are notified of a new code');
is(query("SELECT recipient FROM anon_auth.take_outbox_messages()"), 'user2@example.com', 'the new code is in the outbox after the notification');

# ---------------------------------------------------------------------------
# Concurrent attempts
# ---------------------------------------------------------------------------

no_limits();
call($node, 'request_verification', access_token => $accounts[2]{access_token});
my $right = code();
my @guesses = grep { $_ ne $right } map { sprintf '%06d', $_ } 1 .. 9;
my @guessers = map {
	start('-d', $visitor, '-c', "SELECT anon_auth.verify_login_id('$_', 'email', '$accounts[2]{access_token}')")
} @guesses[0 .. 7];
$_->{run}->finish for @guessers;
is(join('', map { $_->{out} } @guessers), "f\n" x 8, 'eight concurrent wrong guesses all fail');
is(query("SELECT anon_auth.verify_login_id('$right', 'email', '$accounts[2]{access_token}')"), 'f', 'the code is refused after eight wrong guesses');

no_limits();
call($node, 'request_verification', access_token => $accounts[3]{access_token});
$right = code();
my @clicks = map { start('-d', $visitor, '-c', "SELECT anon_auth.verify_login_id('$right', 'email', '$accounts[3]{access_token}')") } 1 .. 4;
$_->{run}->finish for @clicks;
is(join('', sort map { $_->{out} } @clicks), "f\nf\nf\nt\n", 'of four concurrent uses of the right code, one succeeds');
is(query("SELECT count(*) FROM anon_auth.events WHERE type = 'login_id.verified' AND user_id = '$accounts[3]{sub}'"), 1, 'the successful use of the code writes one login_id.verified event');

no_limits();
call($node, 'request_password_reset', login_id => 'user5@example.com');
my $reset = code();
my @resets = map { start('-d', $visitor, '-c', "SELECT anon_auth.reset_password('user5\@example.com', '$reset', 'new password $_')") } 1 .. 4;
$_->{run}->finish for @resets;
is(join('', sort map { $_->{out} } @resets), "f\nf\nf\nt\n", 'of four concurrent password resets with one code, one succeeds');
is(query("SELECT count(*) FROM generate_series(1, 4) n, anon_auth.authenticate('app', 'user5\@example.com', 'new password ' || n)"), 1, "the password of the successful reset is the user's password");
is(refusal($node, 'refresh_session', client_id => 'app', refresh_token => $accounts[4]{refresh_token})->{sqlstate}, 'AA006', "the password reset ends the user's sessions");

# ---------------------------------------------------------------------------
# Answers that must not reveal whether a user exists
# ---------------------------------------------------------------------------

# Everything in the answer to a call that a client can see.
sub seen
{
	my ($call) = @_;
	my ($stdout, $stderr) = ('', '');

	$node->psql('postgres', "\\set VERBOSITY verbose\nLISTEN anon_auth_outbox;\n$call", connstr => $visitor, stdout => \$stdout, stderr => \$stderr);
	$stderr =~ s/^LOCATION:.*//mg;
	$stderr =~ s/in \d+ seconds/in N seconds/;
	$stdout =~ s/PID \d+/PID N/;
	return "$stdout|$stderr";
}

no_limits();
for my $call ("SELECT anon_auth.request_password_reset('%s\@example.com')", "SELECT anon_auth.request_password_reset('%s\@example.com')",
	"SELECT anon_auth.reset_password('%s\@example.com', 'WRONGCODE0', 'a new password')",
	"SELECT anon_auth.reset_password('%s\@example.com', 'WRONGCODE0', 'x')",
	"SELECT anon_auth.reset_password('%s\@example.com', '', 'x')",
	(q{SELECT anon_auth.reset_password('%s@example.com', 'WRONGCODE0', 'a new password')}) x 6)
{
	is(seen(sprintf $call, 'user6'), seen(sprintf $call, 'nobody'), "the answer does not reveal whether the user exists: $call");
}

# ---------------------------------------------------------------------------
# Copies of a code
# ---------------------------------------------------------------------------

no_limits();
query('DELETE FROM anon_auth.outbox');
call($node, 'request_verification', access_token => $accounts[6]{access_token});
call($node, 'request_password_reset', login_id => 'user8@example.com');
my ($digits, $letters) = split /\n/, query('SELECT code FROM anon_auth.take_outbox_messages() ORDER BY id');
my $log_before = -s $node->logfile;
is(query("SELECT count(*) FROM anon_auth.events WHERE payload::text LIKE '%$digits%' OR payload::text LIKE '%$letters%'"), 0, 'no event contains a code');
my $log = slurp_file($node->logfile);
unlike(substr($log, 0, $log_before), qr/\b$letters\b/, 'the server does not log a code when it creates it');
query('DELETE FROM anon_auth.outbox');
is(query("SELECT count(*) FROM anon_auth.one_time_codes WHERE code_hash IN (sha256('$digits'), sha256('$letters'), sha256('$letters\n'))"), 0, 'the stored hash is not a plain hash of the code');

# Any role can make the server send it the plans of its statements. Constants in
# these plans are printed as bytes.
sub texts_in_plans
{
	my ($statement) = @_;
	my ($out, $err);

	$node->psql(
		'postgres',
		"SET client_min_messages = log; SET debug_print_parse = on; SET debug_print_rewritten = on; SET debug_print_plan = on;
		SET plan_cache_mode = force_custom_plan; $statement",
		stdout => \$out, stderr => \$err, connstr => $node->connstr('postgres') . ' user=visitor');
	return map { join '', map { chr($_ & 255) } (split)[ 4 .. 13 ] } $err =~ /:constvalue 14 \[ ([^\]]*)\]/g;
}

ok((grep { $_ eq 'VISIBLE000' } texts_in_plans(q{SELECT 'VISIBLE000'::text})), 'the test finds a constant in the plans sent to a client');
no_limits();
query('DELETE FROM anon_auth.outbox');
my @texts = texts_in_plans(q{SELECT anon_auth.request_password_reset('user10@example.com')});
my $code = query(q{SELECT code FROM anon_auth.take_outbox_messages() WHERE recipient = 'user10@example.com'});
ok(length $code, 'a code was created while the plans were sent to the client');
is_deeply([ grep { $_ eq $code } @texts ], [], 'the plans sent to the client do not contain the code');

# A copy of a row of one user must not open the account of another.
query("DELETE FROM anon_auth.one_time_codes WHERE user_id = '$accounts[8]{sub}'; INSERT INTO anon_auth.one_time_codes SELECT '$accounts[8]{sub}', purpose, login_id_type, code_hash, created_at, expires_at FROM anon_auth.one_time_codes WHERE user_id = '$accounts[7]{sub}'");
is(query("SELECT anon_auth.reset_password('user9\@example.com', '$letters', 'a new password')"), 'f', 'a code that was copied to another user is refused');
is(query("SELECT anon_auth.reset_password('user8\@example.com', '$letters', 'a new password')"), 't', 'the code is accepted for the user it was created for');

$node->stop;
done_testing();
