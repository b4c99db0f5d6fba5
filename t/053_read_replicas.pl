# What docs/read-replicas.md says: two connection strings, what is read where, what
# a standby that is behind does not know yet, how to wait for it, and its taking over.
# (t/031_recovery_and_standby.pl has every function that a standby refuses.)

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Device qw(call challenge sql_literal);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $guide = slurp_file("$FindBin::Bin/../docs/read-replicas.md");

my $primary = PostgreSQL::Test::Cluster->new('primary');
$primary->init(extra => [ '--no-locale', '--encoding=UTF8' ], allows_streaming => 1);
$primary->start;
$primary->safe_psql('postgres', 'CREATE EXTENSION anon_auth; UPDATE anon_auth.settings SET password_hash_memory_kib = 8192, password_hash_passes = 1, lockout_max_attempts = 3');
call($primary, 'create_client', client_id => 'app', application_type => 'native');

# The standby, by the command of the guide.
my ($command) = $guide =~ /^\s*(pg_basebackup .*)$/m or die 'no pg_basebackup in the guide';
my $standby = PostgreSQL::Test::Cluster->new('standby');
$command =~ s/-h primary -U replicator/-h @{[ $primary->host ]} -p @{[ $primary->port ]}/ or die;
$command =~ s/"\$PGDATA"/@{[ $standby->data_dir ]}/ or die;
is(system($command), 0, 'pg_basebackup takes the standby');
ok(-f $standby->data_dir . '/anon_auth.master_key', '... and the master key file with it');
$standby->append_conf('postgresql.conf', 'port = ' . $standby->port . "\nunix_socket_directories = '" . $standby->host . "'");
$standby->start;

sub caught_up
{
	my $lsn = $primary->safe_psql('postgres', 'SELECT pg_current_wal_insert_lsn()');

	$standby->poll_query_until('postgres', "SELECT pg_last_wal_replay_lsn() >= '$lsn'::pg_lsn") or die 'the standby does not catch up';
}

# ---------------------------------------------------------------------------
# The connection strings
# ---------------------------------------------------------------------------

# One of the guide, with the hosts of this test.
sub connection_string
{
	my ($attributes) = @_;
	my ($hosts) = $guide =~ m{`postgresql://([\w,]+)/app\?target_session_attrs=$attributes`} or die "no string for $attributes";
	my %nodes = (primary => $primary, standby => $standby);
	my @nodes = map { $nodes{$_} } split /,/, $hosts;

	return join ' ', 'dbname=postgres', 'host=' . join(',', map { $_->host } @nodes), 'port=' . join(',', map { $_->port } @nodes), "target_session_attrs=$attributes";
}

my ($writing, $reading) = map { connection_string($_) } qw(read-write prefer-standby);

# [output, errors] of statements over a connection string.
sub answer
{
	my ($string, $sql) = @_;
	my ($output, $errors) = ('', '');

	IPC::Run::run([ 'psql', '-XAtq', '-v', 'VERBOSITY=verbose', '-d', $string, '-c', $sql ], '>', \$output, '2>', \$errors);
	chomp $output;
	return [ $output, $errors =~ /ERROR:  (\w+)/ ? $1 : $errors ];
}

is_deeply(answer($writing, 'SELECT pg_is_in_recovery()'), [ 'f', '' ], 'what writes goes to the primary');
is_deeply(answer($reading, 'SELECT pg_is_in_recovery()'), [ 't', '' ], 'what reads goes to the standby');

# ---------------------------------------------------------------------------
# What is read there
# ---------------------------------------------------------------------------

$primary->safe_psql('postgres', <<'SQL');
CREATE ROLE reader;
GRANT USAGE ON SCHEMA anon_auth TO reader;
GRANT EXECUTE ON FUNCTION anon_auth.use_access_token, anon_auth.uid TO reader;
CREATE TABLE notes (user_id uuid NOT NULL REFERENCES anon_auth.users, note text);
ALTER TABLE notes ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON notes USING (user_id = (SELECT anon_auth.uid()));
GRANT SELECT ON notes TO reader;
SQL

my $device = AnonAuth::Device->new(alg => 'ES256');
sub on_device { return call($_[0], 'authenticate_anonymously', client_id => 'app', jwt => $_[1]->request(challenge => challenge($standby), with_jwk => 1)); }
sub guest { return call($primary, 'authenticate_anonymously', client_id => 'app'); }

# Functions of an access token.
sub userinfo { return answer($reading, sprintf "SELECT anon_auth.userinfo(%s) ->> 'sub'", sql_literal($_[0]{access_token})); }
sub verified { return answer($reading, sprintf "SELECT anon_auth.verify_jwt(%s) ->> 'sub'", sql_literal($_[0]{access_token})); }

my $guest = on_device($primary, $device);
$primary->safe_psql('postgres', "INSERT INTO notes VALUES ('$guest->{sub}', 'mine'), ('@{[ guest()->{sub} ]}', 'not mine')");
caught_up();
is($guest->{sub} ne '', 1, 'the primary accepts a challenge that the standby has made');
is_deeply(verified($guest), [ $guest->{sub}, '' ], 'the standby verifies an access token');
is_deeply(userinfo($guest), [ $guest->{sub}, '' ], '... gives userinfo');
is_deeply(answer($reading, sprintf 'SET ROLE reader; BEGIN; SELECT anon_auth.use_access_token(%s); SELECT note FROM notes', sql_literal($guest->{access_token})),
	[ "$guest->{sub}\nmine", '' ], '... and shows a user its rows alone');
is_deeply(answer($reading, 'SELECT anon_auth.jwks() = (SELECT anon_auth.jwks())'), [ 't', '' ], '... and publishes the keys');
is(answer($reading, "SELECT anon_auth.authenticate_anonymously('app')")->[1], '25006', 'a sign-up on the standby is refused');
is(answer($reading, sprintf "SELECT anon_auth.refresh_session('app', %s)", sql_literal($guest->{refresh_token}))->[1], '25006', '... and so is a refresh');

# ---------------------------------------------------------------------------
# What it does not know yet
# ---------------------------------------------------------------------------

my %seen = map { $_ => guest() } qw(revoked disabled deleted);
caught_up();
$standby->safe_psql('postgres', 'SELECT pg_wal_replay_pause()');
$standby->poll_query_until('postgres', "SELECT pg_get_wal_replay_pause_state() = 'paused'") or die 'replay does not pause';
my $new = guest();
$primary->safe_psql('postgres', "SELECT anon_auth.revoke_sessions('$seen{revoked}{sub}'), anon_auth.disable_user('$seen{disabled}{sub}'), anon_auth.delete_user('$seen{deleted}{sub}')");
is_deeply(verified($new), [ $new->{sub}, '' ], 'a standby that is behind verifies the token of a guest that it does not have');
is(userinfo($new)->[1], 'AA014', '... and has no userinfo for it');
is_deeply(userinfo($seen{$_}), [ $seen{$_}{sub}, '' ], "... and does not know yet of a user that is $_") for sort keys %seen;
$primary->safe_psql('postgres', 'SELECT anon_auth.rotate_signing_key()');
my $by_new_key = guest();
is(verified($by_new_key)->[1], 'AA014', '... and refuses what a new key has signed');

# Waiting for one's own write.
my ($where, $there) = $guide =~ /^(SELECT pg_current_wal_insert_lsn\(\);).*\n(SELECT pg_last_wal_replay_lsn\(\) >= '.*'::pg_lsn);/m or die 'no LSN in the guide';
my $lsn = answer($writing, $where)->[0];
$there =~ s/'.*'/'$lsn'/;
is_deeply(answer($reading, $there), [ 'f', '' ], 'a reader sees that the write is not there yet');
$standby->safe_psql('postgres', 'SELECT pg_wal_replay_resume()');
$standby->poll_query_until('postgres', $there) or die 'the standby does not catch up';
is_deeply(userinfo($new), [ $new->{sub}, '' ], '... and when it is, has the guest');
is(userinfo($seen{$_})->[1], 'AA014', "... and no longer one that is $_") for sort keys %seen;
is_deeply(verified($by_new_key), [ $by_new_key->{sub}, '' ], '... and knows the new key');

# A revocation that is seen when it is answered.
$primary->append_conf('postgresql.conf', "synchronous_standby_names = '*'\nsynchronous_commit = local");
$primary->reload;
$primary->poll_query_until('postgres', "SELECT sync_state = 'sync' FROM pg_stat_replication") or die 'the standby is not synchronous';
my ($revocation) = $guide =~ /^(BEGIN;\nSET LOCAL synchronous_commit = remote_apply;\n.*?COMMIT;)/ms or die 'no revocation in the guide';
my $late = guest();
caught_up();
$standby->safe_psql('postgres', 'SELECT pg_wal_replay_pause()');
my $output = '';
$revocation =~ s/'\.\.\.'/'$late->{sub}'/;
my $run = IPC::Run::start([ 'psql', '-XAtq', '-d', $primary->connstr('postgres'), '-c', $revocation ], '>', \$output);
ok($primary->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'"),
	'with remote_apply a revocation is not answered before the standby has it');
$standby->safe_psql('postgres', 'SELECT pg_wal_replay_resume()');
$run->finish;
is(userinfo($late)->[1], 'AA014', '... and then it has');
$primary->append_conf('postgresql.conf', "synchronous_standby_names = ''");
$primary->reload;

# ---------------------------------------------------------------------------
# The standby takes over
# ---------------------------------------------------------------------------

my $account = call($primary, 'promote_anonymous_user', client_id => 'app', username => 'ada', password => 'correct horse', refresh_token => guest()->{refresh_token});
answer($writing, "SELECT anon_auth.authenticate('app', 'ada', 'wrong')") for 1 .. 3;
is(answer($writing, "SELECT count(*) FROM anon_auth.authenticate('app', 'ada', 'correct horse')")->[1], 'AA019', 'an account is locked on the primary');
caught_up();
my $last = on_device($primary, $device);
caught_up();
$primary->stop('immediate');
is_deeply(answer($reading, 'SELECT pg_is_in_recovery()'), [ 't', '' ], 'while the primary is down reads go on');
isnt(answer($writing, 'SELECT 1')->[1], '', '... and nothing can write');
$standby->promote;
is_deeply(answer($writing, 'SELECT pg_is_in_recovery()'), [ 'f', '' ], 'the same connection string finds the new primary');
is(call($standby, 'refresh_session', client_id => 'app', refresh_token => $last->{refresh_token})->{sub}, $guest->{sub}, 'sessions go on there');
is(on_device($standby, $device)->{sub}, $guest->{sub}, '... devices come back');
is_deeply(answer($writing, "SELECT sub FROM anon_auth.authenticate('app', 'ada', 'correct horse')"), [ $account->{sub}, '' ], '... and an account that was locked may log in: lockouts start empty');
is_deeply(answer($reading, sprintf "SELECT anon_auth.userinfo(%s) ->> 'sub'", sql_literal($account->{access_token})), [ $account->{sub}, '' ], '... and reads go to it, too');

done_testing();
