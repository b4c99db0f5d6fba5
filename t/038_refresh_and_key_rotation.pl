# Refreshing a session when the response is lost, when two tabs do it at once,
# and when a thief has the token. Also rotating the signing keys under load. No
# valid token may be refused.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Device qw(call jws_parts refusal sql_literal);
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->append_conf('postgresql.conf', 'fsync = off');
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION anon_auth;
SELECT anon_auth.create_client('app', 'native', id_token => 'always');
SELECT anon_auth.create_client('rotating', 'spa', refresh_token_rotation_enabled => true, id_token => 'always');
SQL

sub query { return $node->safe_psql('postgres', $_[0]); }
sub guest { return call($node, 'authenticate_anonymously', client_id => $_[0]); }
sub refresh { return call($node, 'refresh_session', client_id => 'rotating', refresh_token => $_[0]); }

sub start
{
	my %run = (out => '', err => '');

	$run{run} = IPC::Run::start([@_], '>', \$run{out}, '2>', \$run{err},
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	return \%run;
}

# ---------------------------------------------------------------------------
# A lost response
# ---------------------------------------------------------------------------

my $steady = guest('app');
is(call($node, 'refresh_session', client_id => 'app', refresh_token => $steady->{refresh_token})->{refresh_token},
	$steady->{refresh_token}, 'without rotation, a refresh returns the same refresh token');

my $guest = guest('rotating');
my $lost = start('psql', '-X', '-d', $node->connstr('postgres'),
	'-c', "SELECT * FROM anon_auth.refresh_session('rotating', '$guest->{refresh_token}')", '-c', 'SELECT pg_sleep(600)');
$node->poll_query_until('postgres', "SELECT generation = 1 FROM anon_auth.sessions WHERE user_id = '$guest->{sub}'") or die 'the session is not refreshed';
$lost->{run}->kill_kill;
my $second = refresh($guest->{refresh_token});
ok($second->{access_token}, 'a client that crashed before it got the response can refresh with its old token');
is(refresh($guest->{refresh_token})->{refresh_token}, $second->{refresh_token}, 'a repeated refresh with the old token returns the same successor');
my $third = refresh($second->{refresh_token});
isnt($third->{refresh_token}, $second->{refresh_token}, 'the successor can be refreshed and has its own successor');
is(query("SELECT count(*) FROM anon_auth.events WHERE type = 'refresh_token.reused'"), 0, 'repeated refreshes within the grace period write no refresh_token.reused event');

# Two tabs that refresh at once, ten times

my $tabs = guest('rotating');
my $token = $tabs->{refresh_token};
for my $round (1 .. 10)
{
	my @tabs = map {
		start('psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', "SELECT refresh_token FROM anon_auth.refresh_session('rotating', '$token')")
	} 1 .. 2;

	$_->{run}->finish for @tabs;
	is($tabs[0]{out}, $tabs[1]{out}, "two tabs that refresh at once get the same token: round $round");
	chomp($token = $tabs[0]{out});
}
is(query("SELECT generation FROM anon_auth.sessions WHERE user_id = '$tabs->{sub}'"), 10, 'the session is rotated once in each round');

# A stolen token

query("UPDATE anon_auth.sessions SET rotated_at = rotated_at - interval '31 seconds' WHERE user_id = '$guest->{sub}'");
is(query("SELECT count(*) FROM anon_auth.refresh_session('rotating', '$second->{refresh_token}')"), 0, 'after the grace period, a replaced refresh token is refused');
is(refusal($node, 'refresh_session', client_id => 'rotating', refresh_token => $third->{refresh_token})->{sqlstate},
	'AA006', 'the use of a replaced refresh token ends the session, because the thief may have the newest token');
is(query("SELECT count(*) FROM anon_auth.events WHERE type = 'refresh_token.reused' AND user_id = '$guest->{sub}'"), 1, 'the use of a replaced refresh token writes a refresh_token.reused event');
is(query("SELECT count(*) FROM anon_auth.sessions WHERE user_id = '$tabs->{sub}'"), 1, 'the use of a replaced refresh token does not end other sessions');

# A stolen token as the proof of a guest, which is answered by an error
for my $use ([ 'create_promotion_code' ], [ 'authenticate_anonymously', client_id => 'rotating' ],
	[ 'promote_anonymous_user', client_id => 'rotating', email => 'stolen@example.com', password => 'correct horse' ])
{
	my ($function, @arguments) = @$use;
	my $victim = guest('rotating');
	my $newest = call($node, 'refresh_session', client_id => 'rotating', refresh_token => $victim->{refresh_token})->{refresh_token};
	my $outcome = sub { return refusal($node, $function, @arguments, refresh_token => $victim->{refresh_token})->{sqlstate}; };
	my $alive = sub { return query("SELECT anon_auth.use_access_token('$victim->{access_token}') IS NOT NULL AND anon_auth.session_alive()"); };

	$outcome->();
	is($alive->(), 't', "$function: a replaced refresh token within the grace period ends nothing");
	query("UPDATE anon_auth.sessions SET rotated_at = rotated_at - interval '31 seconds' WHERE user_id = '$victim->{sub}'");
	is($outcome->(), 'AA006', "$function: a replaced refresh token is refused after the grace period");
	is($alive->(), 'f', "$function: and ends the session, although the error rolls back");
	is(query("SELECT count(*) FROM anon_auth.refresh_session('rotating', '$newest')"), 0, "$function: the newest token is refused, too");
	is(query("SELECT count(*) FROM anon_auth.events WHERE type = 'refresh_token.reused' AND user_id = '$victim->{sub}'"), 1, "$function: that refresh writes the event");
}

# ---------------------------------------------------------------------------
# Rotation of the signing keys while clients refresh and verify tokens
# ---------------------------------------------------------------------------

my @clients = map { guest('app') } 1 .. 4;
query('CREATE TABLE sessions AS SELECT * FROM unnest(ARRAY[' . join(', ', map { sql_literal($_->{refresh_token}) } @clients)
	  . ']) WITH ORDINALITY s(token, n)');
my $script = $node->basedir . '/refresh.sql';
append_to_file($script, <<'SQL');
\set n :client_id + 1
SELECT r.access_token, r.id_token FROM sessions s, anon_auth.refresh_session('app', s.token) r WHERE n = :n \gset
SELECT anon_auth.verify_jwt(':access_token') IS NOT NULL AND anon_auth.verify_jwt(':id_token', 'app') IS NOT NULL;
SQL
my $oldest = $clients[0]{access_token};
my $load = start('pgbench', '-n', '-c', 4, '-j', 2, '-T', 600, '-f', $script, $node->connstr('postgres'));
$node->poll_query_until('postgres', 'SELECT count(*) = 4 FROM anon_auth.sessions WHERE last_used_at > created_at AND client_id = \'app\' AND last_used_at > now() - interval \'1 minute\' AND user_id <> \'' . $steady->{sub} . '\'')
  or die 'the load does not run';
my $refused = 0;
my $unheard = 0;
for my $round (1 .. 30)
{
	my $kid = query(sprintf 'SELECT anon_auth.rotate_signing_key(%s, immediately => true)', sql_literal((qw(ES256 EdDSA PS256))[ $round % 3 ]));

	$refused++ if query("SELECT anon_auth.verify_jwt('$oldest') IS NOT NULL") ne 't';
	# Without a lead time, this call in another connection must sign with the new
	# key at once, while the load runs.
	$unheard++ if (jws_parts(call($node, 'refresh_session', client_id => 'app', refresh_token => $steady->{refresh_token})->{access_token}))[0]{kid} ne $kid;
}
$load->{run}->signal('TERM');
$load->{run}->finish;
is($refused, 0, 'a token of the first key verifies after each of thirty rotations');
is($unheard, 0, 'a key of an immediate rotation signs the next token');
unlike($load->{err}, qr/error|aborted/i, 'every token that the clients get meanwhile verifies');
is(query("SELECT count(*) FROM anon_auth.signing_keys WHERE state = 'active'"), 1, 'one signing key is active after the rotations');
is(query('SELECT jsonb_array_length(anon_auth.jwks() -> \'keys\')'), 31, 'jwks() publishes retiring keys as long as their tokens may be valid');
query("UPDATE anon_auth.signing_keys SET verify_until = now() WHERE state = 'retiring'");
is(query('SELECT jsonb_array_length(anon_auth.jwks() -> \'keys\')'), 1, 'jwks() no longer publishes retiring keys after verify_until');
query('SELECT anon_auth.purge()');
is(query("SELECT count(*) FROM anon_auth.signing_keys WHERE state = 'retired'"), 30, 'purge() marks these keys as retired');

$node->stop;
done_testing();
