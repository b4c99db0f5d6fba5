# Test copies of a server: pg_basebackup, a standby that only answers reads, and
# logical replication of an application's tables together with the users that
# their rows refer to.
# (t/031_recovery_and_standby.pl tests failover and dumps.)

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Device qw(call challenge refusal sql_literal);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my @initdb = (extra => [ '--no-locale', '--encoding=UTF8', '--data-checksums' ]);
my $extension = <<'SQL';
CREATE EXTENSION anon_auth;
UPDATE anon_auth.settings SET password_hash_memory_kib = 8192, password_hash_passes = 1;
SQL

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(@initdb, allows_streaming => 'logical');
$node->start;
$node->safe_psql('postgres', $extension);
call($node, 'create_client', client_id => 'app', application_type => 'native', refresh_token_rotation_enabled => 'true');

sub query { return $node->safe_psql('postgres', $_[0]); }
sub guest { return call($node, 'authenticate_anonymously', client_id => 'app'); }

sub promote
{
	my ($session, $name, %more) = @_;

	return call($node, 'promote_anonymous_user', client_id => 'app', username => $name, password => 'correct horse',
		refresh_token => $session->{refresh_token}, %more);
}

# Return SQLSTATE and message of a statement's error.
sub error_on
{
	my ($server, $statement) = @_;
	my ($result, $stdout, $stderr) = $server->psql('postgres', $statement, extra_params => [ '-v', 'VERBOSITY=verbose' ]);

	return $stderr =~ /ERROR:  (.*)/ ? $1 : '';
}

# ---------------------------------------------------------------------------
# pg_basebackup
# ---------------------------------------------------------------------------

my $device = AnonAuth::Device->new(alg => 'EdDSA');
my $keyed = call($node, 'authenticate_anonymously', client_id => 'app', jwt => $device->request(challenge => challenge($node), with_jwk => 1));
my $session = guest();
my $account = promote(guest(), 'ada');

$node->backup('taken', backup_options => [ '--checkpoint=fast' ]);
$node->command_ok([ 'pg_verifybackup', $node->backup_dir . '/taken' ],
	'pg_basebackup takes a backup that pg_verifybackup accepts');
ok(-f $node->backup_dir . '/taken/anon_auth.master_key', 'the backup contains the master key');

my $restored = PostgreSQL::Test::Cluster->new('restored');
$restored->init_from_backup($node, 'taken');
chmod 0600, $restored->data_dir . '/anon_auth.master_key';
$restored->start;
is(call($restored, 'refresh_session', client_id => 'app', refresh_token => $session->{refresh_token})->{sub},
	$session->{sub}, 'sessions continue on the restored server');
is(call($restored, 'authenticate_anonymously', client_id => 'app', jwt => $device->request(challenge => challenge($restored)))->{sub},
	$keyed->{sub}, 'devices can log in on the restored server');
is(call($restored, 'authenticate', client_id => 'app', login_id => 'ada', password => 'correct horse')->{sub},
	$account->{sub}, 'passwords are accepted on the restored server');
is(call($restored, 'verify_jwt', token => $account->{access_token}) ? 1 : 0, 1, 'the restored server verifies tokens that were issued before the backup');
$restored->stop;
unlink $restored->data_dir . '/anon_auth.master_key';
$restored->start;
my $error = refusal($restored, 'refresh_session', client_id => 'app', refresh_token => $session->{refresh_token});
is($error->{sqlstate}, 'F0000', 'a restored server without the master key signs nothing');
like($error->{hint}, qr/Restore the file from its backup/, 'the hint of the error says how to restore the master key');
ok($error->{unchanged}, 'the failed call changes nothing');
ok(!-e $restored->data_dir . '/anon_auth.master_key', 'the failed call creates no other master key');
$restored->stop;

# ---------------------------------------------------------------------------
# A standby that only answers reads
# ---------------------------------------------------------------------------

my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'taken', has_streaming => 1);
chmod 0600, $standby->data_dir . '/anon_auth.master_key';
$standby->start;

sub catch_up { return $node->wait_for_catchup($standby, 'replay', $node->lsn('write')); }

my $bob = guest();
catch_up();
is(call($standby, 'userinfo', access_token => $bob->{access_token})->{userinfo}{sub}, $bob->{sub}, 'a standby returns userinfo for an access token');
my $rows = query(q{SELECT count(*) FROM anon_auth.users});
is($standby->safe_psql('postgres', 'SELECT count(*) FROM anon_auth.users'), $rows, 'the standby has the users');

$node->safe_psql('postgres', <<'SQL');
CREATE ROLE app_user;
SELECT anon_auth.grant_client_api('app_user');
CREATE TABLE notes (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, user_id uuid NOT NULL DEFAULT anon_auth.uid() REFERENCES anon_auth.users (id) ON DELETE CASCADE, note text);
ALTER TABLE notes ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_notes ON notes USING (user_id = (SELECT anon_auth.uid()));
GRANT SELECT, INSERT ON notes TO app_user;
SQL
query("INSERT INTO notes (user_id, note) VALUES ('$bob->{sub}', 'of bob'), ('$account->{sub}', 'of ada')");
catch_up();
is($standby->safe_psql('postgres',
		sprintf 'SET ROLE app_user; BEGIN; SELECT anon_auth.use_access_token(%s); SELECT note FROM notes; COMMIT', sql_literal($bob->{access_token})),
	"$bob->{sub}\nof bob", 'row-level security works on the standby as on the primary');
call($node, 'revoke', token => $bob->{refresh_token});
catch_up();
like(error_on($standby, sprintf 'SELECT anon_auth.userinfo(%s)', sql_literal($bob->{access_token})), qr/^AA014: /, 'the standby refuses userinfo for a session that was ended');
my $kid = query('SELECT anon_auth.rotate_signing_key(immediately => true)');
catch_up();
my $fresh = guest();
catch_up();
is(call($standby, 'verify_jwt', token => $fresh->{access_token})->{verify_jwt}{sub}, $fresh->{sub}, 'a standby verifies with a key that the primary has just created');
like(call($standby, 'jwks')->{jwks}{keys}[0]{kid} . call($standby, 'jwks')->{jwks}{keys}[1]{kid}, qr/\Q$kid\E/, 'the standby publishes the new key');
query('SELECT anon_auth.rotate_master_key()');
my $newer = guest();
catch_up();
is(call($standby, 'verify_jwt', token => $newer->{access_token})->{verify_jwt}{sub}, $newer->{sub}, 'the standby verifies tokens of a key sealed under another master key');
like(error_on($standby, sprintf 'SELECT anon_auth.create_promotion_code(%s)', sql_literal($newer->{refresh_token})), qr/^AA006: /, 'the standby refuses calls that need a master key that it does not have');
$standby->stop;
PostgreSQL::Test::Utils::run_log([ 'cp', $node->data_dir . '/anon_auth.master_key', $standby->data_dir . '/anon_auth.master_key' ]);
$standby->start;
ok(call($standby, 'create_promotion_code', refresh_token => $newer->{refresh_token})->{promotion_code}, 'the standby accepts the call after the master key file was copied');
$standby->stop;

# ---------------------------------------------------------------------------
# Logical replication
# ---------------------------------------------------------------------------

my $copy = PostgreSQL::Test::Cluster->new('copy');
$copy->init(@initdb);
$copy->start;
$copy->safe_psql('postgres', $extension . <<'SQL');
CREATE TABLE notes (id int PRIMARY KEY, user_id uuid NOT NULL REFERENCES anon_auth.users (id) ON DELETE CASCADE, note text);
SQL
query('CREATE PUBLICATION app FOR TABLE notes, anon_auth.users');
$copy->safe_psql('postgres', sprintf 'CREATE SUBSCRIPTION app CONNECTION %s PUBLICATION app', sql_literal($node->connstr('postgres')));
$copy->poll_query_until('postgres', q{SELECT count(*) = 2 FROM pg_subscription_rel WHERE srsubstate = 'r'}) or die 'the first copy does not end';

my $both = q{SELECT u.id, u.is_anonymous, n.note FROM anon_auth.users u LEFT JOIN notes n ON n.user_id = u.id ORDER BY u.id, n.id};

sub is_copied
{
	my ($name) = @_;

	$node->wait_for_catchup('app');
	return is($copy->safe_psql('postgres', $both), query($both), $name);
}

is_copied('logical replication copies users and their rows');
my $carol = guest();
my $dave = guest();
query("INSERT INTO notes (user_id, note) SELECT u, 'later' FROM unnest('{$carol->{sub},$dave->{sub}}'::uuid[]) u");
is_copied('logical replication copies new guests');
promote($carol, 'carol');
is_copied('logical replication copies a promotion, with the same sub');
query(q{UPDATE anon_auth.settings SET promotion_conflict = 'merge'});
is(promote($dave, 'carol')->{sub}, $carol->{sub}, 'a guest is merged into an account');
is_copied('logical replication copies the moved rows and the deletion of a merge');
is($copy->safe_psql('postgres', "SELECT count(*) FROM notes WHERE user_id = '$carol->{sub}'"), 2, "the merged guest's notes belong to the account on the copy");
query("SELECT anon_auth.delete_user('$carol->{sub}')");
is_copied('logical replication copies a deletion, with the rows that ON DELETE CASCADE deletes');
is($copy->safe_psql('postgres', "SELECT count(*) FROM notes WHERE user_id = '$carol->{sub}'"), 0, "the deleted account's notes are gone on the copy");
my $gone = guest();
query("INSERT INTO notes (user_id, note) VALUES ('$gone->{sub}', 'soon gone')");
call($node, 'revoke', token => $gone->{refresh_token});
query('SELECT anon_auth.purge()');
is(query("SELECT count(*) FROM anon_auth.users WHERE id = '$gone->{sub}'"), 1, 'purge() keeps a guest that rows of the application refer to');
query(q{UPDATE anon_auth.settings SET purge_policy = 'cascade'; UPDATE anon_auth.users SET purge_from = created_at});    # purge() would skip it for a day otherwise
query('SELECT anon_auth.purge()');
is(query("SELECT count(*) FROM anon_auth.users WHERE id = '$gone->{sub}'"), 0,
	"purge() deletes such a guest with purge_policy = 'cascade'");
is_copied('logical replication copies the deletions of purge()');
is($copy->safe_psql('postgres', 'SELECT count(*) FROM notes n WHERE NOT EXISTS (SELECT FROM anon_auth.users u WHERE u.id = n.user_id)'), 0, 'no row on the copy refers to a missing user');

# Every table has the replica identity that UPDATE and DELETE need once it is
# published.
query('CREATE PUBLICATION everything FOR ALL TABLES');
my $eve = guest();
is(call($node, 'refresh_session', client_id => 'app', refresh_token => $eve->{refresh_token})->{sub}, $eve->{sub}, 'a session can be refreshed where all tables are published');
my $again = call($node, 'authenticate_anonymously', client_id => 'app', jwt => $device->request(challenge => challenge($node)));
is(promote($again, 'eve')->{sub}, $keyed->{sub}, "a device's guest can be promoted where all tables are published");
is(query("SELECT count(*) FROM anon_auth.request_password_reset('eve')"), 1,
	'a password reset can be requested where all tables are published');
query("SELECT anon_auth.disable_user('$keyed->{sub}'), anon_auth.enable_user('$keyed->{sub}'), anon_auth.delete_user('$keyed->{sub}')");
query('SELECT anon_auth.rotate_signing_key(), anon_auth.purge()');
is(query(q{SELECT string_agg(c.relname, ', ') FROM pg_class c WHERE relnamespace = 'anon_auth'::regnamespace AND relkind IN ('r', 'p') AND relpersistence = 'p'
		AND relreplident = 'd' AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary)}),
	'', 'every table has a primary key');

$copy->safe_psql('postgres', 'DROP SUBSCRIPTION app');
$copy->stop;
$node->stop;
done_testing();
