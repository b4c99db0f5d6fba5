# Test docs/read-replicas.md: two connection strings, reads on the standby,
# waiting for a standby that lags, and failover. The commands and strings come
# from the document.
# (t/031_recovery_and_standby.pl tests every function that a standby refuses.)

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

# Create the standby with the command of the guide.
my ($command) = $guide =~ /^\s*(pg_basebackup .*)$/m or die 'no pg_basebackup in the guide';
my $standby = PostgreSQL::Test::Cluster->new('standby');
$command =~ s/-h primary -U replicator/-h @{[ $primary->host ]} -p @{[ $primary->port ]}/ or die;
$command =~ s/"\$PGDATA"/@{[ $standby->data_dir ]}/ or die;
is(system($command), 0, 'the pg_basebackup command of the guide creates the standby');
ok(-f $standby->data_dir . '/anon_auth.master_key', 'pg_basebackup copies the master key file');
$standby->append_conf('postgresql.conf', 'port = ' . $standby->port . "\nunix_socket_directories = '" . $standby->host . "'");
$standby->start;
{
	my ($errors, $challenge) = $guide =~ /^5\. .*?`(SELECT \*.*?;)`.*?`(SELECT .*?;)`/ms or die 'no check of the standby in the guide';

	is($standby->safe_psql('postgres', $errors), '', 'the check of the guide finds no error on the standby');
	like($standby->safe_psql('postgres', $challenge), qr/\w/, 'the check of the guide gets a challenge from the standby');
}
is(() = $guide =~ /^ *(?:runuser -u postgres -- )?pg_basebackup -h primary -U replicator -D \S+ -R -C -S standby1 --checkpoint=fast$/mg, 2,
	'the commands for Debian and for other systems have the same options');

sub caught_up
{
	my $lsn = $primary->safe_psql('postgres', 'SELECT pg_current_wal_insert_lsn()');

	$standby->poll_query_until('postgres', "SELECT pg_last_wal_replay_lsn() >= '$lsn'::pg_lsn") or die 'the standby does not catch up';
}

# ---------------------------------------------------------------------------
# The connection strings
# ---------------------------------------------------------------------------

# A connection string of the guide, with the hosts of this test.
sub connection_string
{
	my ($attributes) = @_;
	my ($hosts) = $guide =~ m{`postgresql://([\w,]+)/app\?target_session_attrs=$attributes`} or die "no string for $attributes";
	my %nodes = (primary => $primary, standby => $standby);
	my @nodes = map { $nodes{$_} } split /,/, $hosts;

	return join ' ', 'dbname=postgres', 'host=' . join(',', map { $_->host } @nodes), 'port=' . join(',', map { $_->port } @nodes), "target_session_attrs=$attributes";
}

my ($writing, $reading) = map { connection_string($_) } qw(read-write prefer-standby);

# Return [output, errors] of statements over a connection string.
sub answer
{
	my ($string, $sql) = @_;
	my ($output, $errors) = ('', '');

	IPC::Run::run([ 'psql', '-XAtq', '-v', 'VERBOSITY=verbose', '-d', $string, '-c', $sql ], '>', \$output, '2>', \$errors);
	chomp $output;
	return [ $output, $errors =~ /ERROR:  (\w+)/ ? $1 : $errors ];
}

is_deeply(answer($writing, 'SELECT pg_is_in_recovery()'), [ 'f', '' ],
	'the connection string for writes connects to the primary');
is_deeply(answer($reading, 'SELECT pg_is_in_recovery()'), [ 't', '' ],
	'the connection string for reads connects to the standby');

# ---------------------------------------------------------------------------
# Reads on the standby
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

# Functions that take an access token.
sub userinfo { return answer($reading, sprintf "SELECT anon_auth.userinfo(%s) ->> 'sub'", sql_literal($_[0]{access_token})); }
sub verified { return answer($reading, sprintf "SELECT anon_auth.verify_jwt(%s) ->> 'sub'", sql_literal($_[0]{access_token})); }

my $guest = on_device($primary, $device);
$primary->safe_psql('postgres', "INSERT INTO notes VALUES ('$guest->{sub}', 'mine'), ('@{[ guest()->{sub} ]}', 'not mine')");
caught_up();
is($guest->{sub} ne '', 1, 'the primary accepts a challenge that the standby issued');
is_deeply(verified($guest), [ $guest->{sub}, '' ], 'the standby verifies an access token');
is_deeply(userinfo($guest), [ $guest->{sub}, '' ], 'the standby returns userinfo');
is_deeply(answer($reading, sprintf 'SET ROLE reader; BEGIN; SELECT anon_auth.use_access_token(%s); SELECT note FROM notes', sql_literal($guest->{access_token})),
	[ "$guest->{sub}\nmine", '' ], 'the standby shows a user only its own rows');
is_deeply(answer($reading, 'SELECT anon_auth.jwks() = (SELECT anon_auth.jwks())'), [ 't', '' ], 'the standby publishes the keys');
is(answer($reading, "SELECT anon_auth.authenticate_anonymously('app')")->[1], '25006', 'the standby refuses a sign-up');
is(answer($reading, sprintf "SELECT anon_auth.refresh_session('app', %s)", sql_literal($guest->{refresh_token}))->[1], '25006', 'the standby refuses a refresh');

# ---------------------------------------------------------------------------
# A standby that lags
# ---------------------------------------------------------------------------

my %seen = map { $_ => guest() } qw(revoked disabled deleted);
caught_up();
$standby->safe_psql('postgres', 'SELECT pg_wal_replay_pause()');
$standby->poll_query_until('postgres', "SELECT pg_get_wal_replay_pause_state() = 'paused'") or die 'replay does not pause';
my $new = guest();
$primary->safe_psql('postgres', "SELECT anon_auth.revoke_sessions('$seen{revoked}{sub}'), anon_auth.disable_user('$seen{disabled}{sub}'), anon_auth.delete_user('$seen{deleted}{sub}')");
is_deeply(verified($new), [ $new->{sub}, '' ], 'a standby that lags verifies the token of a guest that it does not have yet');
is(userinfo($new)->[1], 'AA014', 'a standby that lags has no userinfo for a guest that it does not have yet');
is_deeply(userinfo($seen{$_}), [ $seen{$_}{sub}, '' ], "a standby that lags still returns userinfo for a user that is $_") for sort keys %seen;
$primary->safe_psql('postgres', 'SELECT anon_auth.rotate_signing_key(immediately => true)');
my $by_new_key = guest();
is(verified($by_new_key)->[1], 'AA014', 'a standby that lags refuses the tokens of a new signing key');

# Waiting for one's own write.
my ($where, $there) = $guide =~ /^(SELECT pg_current_wal_insert_lsn\(\);).*\n(SELECT pg_last_wal_replay_lsn\(\) >= '.*'::pg_lsn);/m or die 'no LSN in the guide';
my $lsn = answer($writing, $where)->[0];
$there =~ s/'.*'/'$lsn'/;
is_deeply(answer($reading, $there), [ 'f', '' ], "the reader's LSN shows that the write has not arrived");
$standby->safe_psql('postgres', 'SELECT pg_wal_replay_resume()');
$standby->poll_query_until('postgres', $there) or die 'the standby does not catch up';
is_deeply(userinfo($new), [ $new->{sub}, '' ], 'the standby has the guest after the reader waited');
is(userinfo($seen{$_})->[1], 'AA014',
	"the standby no longer returns userinfo for a user that is $_") for sort keys %seen;
is_deeply(verified($by_new_key), [ $by_new_key->{sub}, '' ],
	'the standby accepts tokens of the new signing key after it caught up');

# A revocation that the standby has applied when the call returns.
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
	'with remote_apply a revocation returns only after the standby has applied it');
$standby->safe_psql('postgres', 'SELECT pg_wal_replay_resume()');
$run->finish;
is(userinfo($late)->[1], 'AA014', 'the standby refuses the token when the revocation has returned');
$primary->append_conf('postgresql.conf', "synchronous_standby_names = ''");
$primary->reload;

# ---------------------------------------------------------------------------
# Failover
# ---------------------------------------------------------------------------

my $account = call($primary, 'promote_anonymous_user', client_id => 'app', username => 'ada', password => 'correct horse', refresh_token => guest()->{refresh_token});
answer($writing, "SELECT anon_auth.authenticate('app', 'ada', 'wrong')") for 1 .. 3;
is(answer($writing, "SELECT count(*) FROM anon_auth.authenticate('app', 'ada', 'correct horse')")->[1], 'AA019', 'the account is locked out on the primary');
caught_up();
my $last = on_device($primary, $device);
caught_up();
$primary->stop('immediate');
is_deeply(answer($reading, 'SELECT pg_is_in_recovery()'), [ 't', '' ], 'reads continue while the primary is down');
isnt(answer($writing, 'SELECT 1')->[1], '', 'writes fail while the primary is down');
$standby->promote;
is_deeply(answer($writing, 'SELECT pg_is_in_recovery()'), [ 'f', '' ], 'the connection string for writes connects to the promoted standby');
is(call($standby, 'refresh_session', client_id => 'app', refresh_token => $last->{refresh_token})->{sub}, $guest->{sub}, 'sessions continue on the promoted standby');
is(on_device($standby, $device)->{sub}, $guest->{sub}, 'devices log in on the promoted standby');
is_deeply(answer($writing, "SELECT sub FROM anon_auth.authenticate('app', 'ada', 'correct horse')"), [ $account->{sub}, '' ], 'the promoted standby starts without lockouts: a locked account can log in');
is_deeply(answer($reading, sprintf "SELECT anon_auth.userinfo(%s) ->> 'sub'", sql_literal($account->{access_token})), [ $account->{sub}, '' ], 'the connection string for reads connects to the promoted standby');

done_testing();
