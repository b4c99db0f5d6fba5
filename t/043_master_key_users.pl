# The master key file records the keys that each database needs, so that no
# database retires a key that another one needs. t/032_master_key_rotation.pl
# tests the rotations of one database, and t/042_two_databases.pl tests that
# databases refuse each other's tokens.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Connection;
use AnonAuth::Device qw(sql_literal);
use File::Copy;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ], allows_streaming => 1);
$node->start;

my $file = $node->data_dir . '/anon_auth.master_key';

sub in_database { my ($database, $statement) = @_; return $node->safe_psql($database, $statement); }

sub error
{
	my ($database, $statement) = @_;

	return ($node->psql($database, $statement, extra_params => [ '-v', 'VERBOSITY=verbose' ]))[2];
}

sub keys_in { return slurp_file($_[0] // $file) =~ /^([0-9a-f]{16}) /mg; }

sub write_file
{
	my ($path, $content) = @_;

	open my $out, '>', $path or die "$path: $!";
	print $out $content;
	close $out;
	chmod 0600, $path;
}

# The databases in the file: name => ids of their keys, sorted.
sub users
{
	return { map { my ($ids, $name) = /^#database \d+\/\d+ [-0-9a-f]{36} (\S+) (.*)$/ or die $_; ($name => join ',', sort split /,/, $ids) }
		  grep { /^#database / } split /\n/, slurp_file($_[0] // $file) };
}

sub create
{
	my ($database) = @_;

	in_database('postgres', "CREATE DATABASE $database");
	in_database($database, q{CREATE EXTENSION anon_auth; SELECT anon_auth.create_client('app', 'native')});
}

my $sign = q{SELECT length(anon_auth.sign_jwt('{}')) > 100};

sub retire { return sprintf 'SELECT anon_auth.retire_master_key(%s)', sql_literal($_[0]); }
sub force { return sprintf 'SELECT anon_auth.retire_master_key(%s, force => true)', sql_literal($_[0]); }

# ---------------------------------------------------------------------------
# A needed key cannot be retired
# ---------------------------------------------------------------------------

create('one');
my ($first) = keys_in();
is_deeply(users(), { one => $first }, 'the file records the database that created its first signing key');
in_database('one', $sign);
create('two');
is_deeply(users(), { one => $first, two => $first }, 'the file records a second database');
is(sprintf('%o', (stat $file)[2] & 0777), '600', 'the file has mode 0600 after a database was recorded');
is_deeply([ glob "$file.*" ], [], 'recording a database leaves no temporary file');
my $second = in_database('one', 'SELECT anon_auth.rotate_master_key()');
is_deeply(users(), { one => $second, two => $first }, 'a rotation records the new key');
like(error('one', retire($first)),
	qr/55000: master key $first is still needed.*Another database needs it: "two".*reseal_signing_keys\(\) there first.*force => true/s,
	'a key that another database needs cannot be retired, and the error names the database');
is_deeply([ keys_in() ], [ $second, $first ], 'a refused retire_master_key() keeps both keys in the file');
is(in_database('two', $sign), 't', 'the other database can sign after the refused retire_master_key()');
is(in_database('one', q{SELECT string_agg(concat_ws(' ', database_name, key_ids[1], is_of_this_server, is_this_database), ', ' ORDER BY database_name) FROM anon_auth.master_key_users()}),
	"one $second t t, two $first t f", 'master_key_users() lists the databases and their keys');

# The need for a former key is removed only after the commit.
my $resealing = AnonAuth::Connection->new($node, 'two');
$resealing->query('BEGIN; SELECT anon_auth.reseal_signing_keys()');
is_deeply(users(), { one => $second, two => join(',', sort $first, $second) }, 'during reseal_signing_keys(), the file records both keys');
$resealing->query('ROLLBACK');
is(users()->{two}, join(',', sort $first, $second), 'after reseal_signing_keys() was rolled back, the file records both keys');
like(error('one', retire($first)), qr/55000: .*Another database needs it: "two"/s, 'after reseal_signing_keys() was rolled back, the former key cannot be retired');
$resealing->query('BEGIN; SAVEPOINT s; SELECT anon_auth.reseal_signing_keys(); ROLLBACK TO s; COMMIT');
is(users()->{two}, join(',', sort $first, $second), 'after a rollback to a savepoint, the file records both keys');
is(in_database('two', $sign), 't', 'after a rollback to a savepoint, the database can sign');
$resealing->query('BEGIN; SAVEPOINT s; SELECT anon_auth.reseal_signing_keys(); RELEASE s');
is(users()->{two}, join(',', sort $first, $second), 'before the commit of reseal_signing_keys(), the file records both keys');
$resealing->query('COMMIT');
is_deeply(users(), { one => $second, two => $second }, 'after the commit of reseal_signing_keys(), the file records only the new key');
$resealing->close;
in_database('one', retire($first));
is_deeply([ keys_in() ], [$second], 'after the commit of reseal_signing_keys(), the former key can be retired');
is(in_database($_, $sign), 't', "database $_ can sign after the former key was retired") for qw(one two);
is(in_database('two', 'SELECT anon_auth.reseal_signing_keys()'), 0, 'a repeated reseal_signing_keys() finds nothing to seal');
my $before = (stat $file)[1];
in_database('two', 'SELECT anon_auth.reseal_signing_keys()');
is((stat $file)[1], $before, 'a repeated reseal_signing_keys() does not write the file');

# ---------------------------------------------------------------------------
# Renamed databases, dropped databases, and force
# ---------------------------------------------------------------------------

in_database('postgres', 'ALTER DATABASE two RENAME TO "an other"');
my $third = in_database('one', 'SELECT anon_auth.rotate_master_key()');
like(error('one', retire($second)), qr/55000: .*Another database needs it: "an other"\./s, 'the error names a renamed database by its new name');
in_database('an other', 'DROP EXTENSION anon_auth CASCADE');
like(error('one', retire($second)), qr/55000: .*"an other".*If anon_auth is no longer used there/s,
	'after DROP EXTENSION the database is still recorded, and the HINT mentions that case');
in_database('one', force($second));
is_deeply([ keys_in() ], [$third], 'retire_master_key() with force removes the key');
is_deeply(users(), { one => $third }, 'retire_master_key() with force removes the record of the database');
create('three');
create('four');
my $fourth = in_database('one', 'SELECT anon_auth.rotate_master_key()');
like(error('one', retire($third)), qr/55000: .*Other databases need it: "(three|four)", "(three|four)"\./s, 'the error names all databases that need the key');
in_database('postgres', 'DROP DATABASE four');
in_database('three', 'SELECT anon_auth.reseal_signing_keys()');
in_database('one', retire($third));
is_deeply(users(), { one => $fourth, three => $fourth }, 'a dropped database needs no key, and its record is removed');
my $fifth = in_database('one', 'SELECT anon_auth.rotate_master_key()');
in_database('one', force($fourth));
like(error('three', $sign), qr/F0000: .*does not contain the required key/, 'with force, a key that another database needs is retired');
like(error('one', "SELECT anon_auth.retire_master_key('$fifth', NULL)"), qr/22023/, 'a NULL force is refused');
like(error('one', force($fifth)), qr/55000: master key $fifth is the current one/, 'with force, the current key cannot be retired');
in_database('postgres', 'DROP DATABASE three');

# ---------------------------------------------------------------------------
# Copies of a database
# ---------------------------------------------------------------------------

my $guest = in_database('one', q{SELECT refresh_token FROM anon_auth.authenticate_anonymously('app')});
in_database('postgres', 'CREATE DATABASE copy TEMPLATE one');
is(in_database('copy', $sign), 't', 'a copy of a database can sign');
is_deeply(users(), { one => $fifth, copy => $fifth }, 'a copy of a database is recorded when it first signs');
is(in_database('copy', q{SELECT finding FROM anon_auth.doctor() WHERE finding = 'copied_database' AND what = 'database one has the database_id of this one'}),
	'copied_database', 'doctor() reports the copy');
my $refresh = sprintf q{SELECT sub IS NOT NULL FROM anon_auth.refresh_session('app', %s)}, sql_literal($guest);
is(in_database('copy', $refresh), 't', 'a copy accepts a refresh token of the original');
my $held = AnonAuth::Connection->new($node, 'copy');
is($held->query($refresh), 't', 'an open connection to the copy accepts a refresh token of the original');
my $renewed = in_database('copy', 'SELECT anon_auth.renew_database_id()');
is(in_database('copy', 'SELECT database_id FROM anon_auth.settings'), $renewed, 'renew_database_id() stores a new id');
isnt(in_database('one', 'SELECT database_id FROM anon_auth.settings'), $renewed, 'renew_database_id() does not change the id of the original');
like(error('copy', $refresh), qr/AA006/, 'after renew_database_id(), the copy refuses a refresh token of the original');
like($held->error($refresh), qr/AA006/, 'after renew_database_id(), an open connection refuses a refresh token of the original');
is($held->query($sign), 't', 'after renew_database_id(), an open connection can sign');
$held->close;
is(in_database('one', $refresh), 't', 'after renew_database_id(), the original accepts its refresh token');
is(in_database('copy', $sign), 't', 'after renew_database_id(), the copy can sign');
is(in_database('copy', q{SELECT count(*) FROM anon_auth.doctor() WHERE finding = 'copied_database'}), 0, 'after renew_database_id(), doctor() reports no copy');
is_deeply(users(), { one => $fifth, copy => $fifth }, 'after renew_database_id(), the file has one record of each database');
my $later = in_database('copy', 'SELECT anon_auth.create_signing_key()');
is(in_database('copy', $sign), 't', 'after renew_database_id(), the copy can sign with a new signing key');
in_database('copy', 'BEGIN; SELECT anon_auth.renew_database_id(); ROLLBACK');
is(in_database('copy', $sign), 't', 'after renew_database_id() was rolled back, the copy can sign');
like(error('copy', 'BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT anon_auth.renew_database_id()'), qr/55000: .*only be renewed at isolation level READ COMMITTED/,
	'renew_database_id() is refused at isolation level REPEATABLE READ');

# A snapshot from before a renewal shows the former id. A signing key sealed for
# it could never be opened, so the current one is read.
my $old_snapshot = AnonAuth::Connection->new($node, 'copy');
$old_snapshot->query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM anon_auth.clients');
in_database('copy', 'SELECT anon_auth.renew_database_id()');
my $sealed = $old_snapshot->query('SELECT anon_auth.create_signing_key()');
$old_snapshot->query('COMMIT');
is(in_database('copy', "SELECT anon_auth.sign_jwt('{}', '$sealed') IS NOT NULL"), 't', 'a signing key that was created with a snapshot from before the renewal can sign');
$old_snapshot->query('BEGIN; SELECT anon_auth.create_challenge()');
in_database('copy', 'SELECT anon_auth.renew_database_id()');
is($old_snapshot->query('SELECT anon_auth.create_signing_key() IS NOT NULL'), 't', 'create_signing_key() works in a transaction that sees the new id');
$old_snapshot->query('COMMIT');
$old_snapshot->close;
is(in_database('copy', $sign), 't', 'the signing key created in that transaction can sign');

# A DBA replaces the row of settings by its defaults, or loses it.
in_database('copy', 'INSERT INTO anon_auth.settings DEFAULT VALUES');
is(in_database('copy', $sign), 't', 'inserting default settings keeps the database_id');
my $kept = in_database('copy', 'SELECT database_id FROM anon_auth.settings');
in_database('copy', 'DELETE FROM anon_auth.settings; INSERT INTO anon_auth.settings DEFAULT VALUES');
like(error('copy', $sign), qr/XX001: .*HINT: .*restore the former database_id. It is in the master key file and in dumps/s,
	'after the row of settings was lost, the HINT says to restore the database_id');
like(slurp_file($file), qr/^#database \S+ $kept /m, 'the master key file contains the lost database_id');
in_database('copy', "UPDATE anon_auth.settings SET database_id = '$kept'");
is(in_database('copy', $sign), 't', 'after the database_id was restored, the database can sign');
in_database('postgres', 'DROP DATABASE copy');

# A restored dump
my $dump = PostgreSQL::Test::Utils::tempdir() . '/dump';
my $account = in_database('one', q{SELECT access_token FROM anon_auth.promote_anonymous_user('app', email => 'ada@example.com', password => 'correct horse',
	refresh_token => (SELECT refresh_token FROM anon_auth.authenticate_anonymously('app')))});
in_database('one', q{SELECT anon_auth.request_password_reset('ada@example.com')});
$node->command_ok([ 'pg_dump', '-f', $dump, $node->connstr('one') ], 'pg_dump can dump the database');
in_database('postgres', 'CREATE DATABASE restored');
$node->command_ok([ 'psql', '-Xqb', '-v', 'ON_ERROR_STOP=1', '-f', $dump, '-d', $node->connstr('restored') ], 'psql can restore the dump');
is(in_database('restored', 'SELECT count(*), min(database_id::text) FROM anon_auth.settings'),
	in_database('one', 'SELECT 1, database_id FROM anon_auth.settings'), 'the restored database has one row of settings, with the same database_id');
is(in_database('restored', $refresh), 't', 'the restored database accepts refresh tokens of the original');
is_deeply(users(), { one => $fifth, restored => $fifth }, 'the restored database is recorded');
is(in_database('restored', 'SELECT count(*) FROM anon_auth.outbox'), 0, 'the restored outbox is empty');
my $code = in_database('one', 'SELECT code FROM anon_auth.take_outbox_messages()');
like($code, qr/^\w{10}$/, 'the outbox of the original had a message');
unlike(slurp_file($dump), qr/\Q$code\E/, 'the dump does not contain the code of the message');

# ---------------------------------------------------------------------------
# Outbox messages whose key is retired
# ---------------------------------------------------------------------------

in_database('one', q{SELECT anon_auth.reset_counters(); SELECT anon_auth.request_password_reset('ada@example.com')});
my $sixth = in_database('one', 'SELECT anon_auth.rotate_master_key()');
in_database('restored', 'SELECT anon_auth.reseal_signing_keys()');
is(in_database('one', 'BEGIN; SELECT count(*) FROM anon_auth.take_outbox_messages(); ROLLBACK'), 1, 'a rotation keeps the messages of the outbox');
in_database('one', retire($fifth));
my ($ret, $stdout, $stderr) = $node->psql('one', 'SELECT count(*) FROM anon_auth.take_outbox_messages()');
is($stdout, 0, 'a message whose key was retired is not delivered');
like($stderr, qr/WARNING:  dropped a message of the outbox because its code cannot be opened/, 'a WARNING reports the dropped message');
is(in_database('one', 'SELECT count(*) FROM anon_auth.outbox'), 0, 'the message whose key was retired is deleted from the outbox');

# ---------------------------------------------------------------------------
# Records of other servers, invalid lines, and a full file
# ---------------------------------------------------------------------------

my $content = slurp_file($file);
my ($id) = $content =~ /^#database \S+ (\S+) \S+ one$/m;
my $seventh = in_database('one', 'SELECT anon_auth.rotate_master_key()');
in_database('restored', 'SELECT anon_auth.reseal_signing_keys()');
$content = slurp_file($file);
write_file($file, $content . "#database 42/16384 $id $sixth,$seventh one\n#database 42/1 nonsense\n#database\n# my own comment");
is(in_database('one', $sign), 't', 'invalid lines are ignored as comments');
my $with_other = slurp_file($file) . "\n#database 43/5 00000000-0000-4000-8000-000000000000 $sixth its name\n";
write_file($file, $with_other);
like(error('one', retire($sixth)), qr/55000: .*Another database needs it: "its name" of the server with system identifier 43\./s,
	'a key that a database of another server needs cannot be retired');
write_file($file, $with_other =~ s/^#database 43.*\n//mr);
in_database('one', retire($sixth));
like(slurp_file($file), qr/^#database 42\/16384 $id $seventh one\n#database 42\/1 nonsense\n#database\n# my own comment$/m,
	'a record of this database on another server does not keep its key, and other lines are unchanged');
my $eighth = in_database('one', 'SELECT anon_auth.rotate_master_key()');
unlike(slurp_file($file), qr/^#database 42\/16384/m, 'the record of this database on another server is removed when the database is recorded for this server');
$content = slurp_file($file);
write_file($file, $content . join '', map { sprintf "#database 44/%d 00000000-0000-4000-8000-%012d $eighth some database\n", $_, $_ } 1 .. 285);
cmp_ok(-s $file, '<', 32768, 'the file with 285 more records is below the limit of 32768 bytes');
in_database('restored', 'SELECT anon_auth.reseal_signing_keys()');
write_file($file, slurp_file($file) . '#' . ('x' x (32766 - -s $file)) . "\n");
is(-s $file, 32768, 'the file can be filled up to 32768 bytes');
is(in_database('one', $sign), 't', 'a full file can be read');
like(error('one', retire($seventh)), qr/55000: master key $seventh may still be needed.*has no room to record all databases/s,
	'with a full file, retire_master_key() is refused, because databases may be missing');
create('unrecorded');
is(in_database('unrecorded', $sign), 't', 'with a full file, a new database can sign');
like(error('one', 'SELECT anon_auth.rotate_master_key()'), qr/54000: .*cannot be longer than 32768 bytes/, 'with a full file, a rotation is refused');
in_database('postgres', 'DROP DATABASE unrecorded');
write_file($file, $content);
in_database('restored', 'SELECT anon_auth.reseal_signing_keys()');
in_database('one', retire($seventh));

# A database name that contains a line break
in_database('postgres', qq{CREATE DATABASE "line\n$eighth AAAA" TEMPLATE template0});
in_database("line\n$eighth AAAA", q{CREATE EXTENSION anon_auth; SELECT anon_auth.create_signing_key()});
is(in_database('one', $sign), 't', 'a database name with a newline does not damage the file');
like(slurp_file($file), qr/^#database \S+ \S+ $eighth line\?$eighth AAAA$/m, 'a database name with a newline is recorded on one line');
in_database('postgres', qq{DROP DATABASE "line\n$eighth AAAA"});

# ---------------------------------------------------------------------------
# A standby, and a file that the server cannot write
# ---------------------------------------------------------------------------

$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
my $standby_file = $standby->data_dir . '/anon_auth.master_key';
write_file($standby_file, join '', map { "$_\n" } grep { /^[0-9a-f]/ } split /\n/, slurp_file($file));
$standby->start;
$node->wait_for_catchup($standby, 'replay', $node->lsn('write'));
my $before_standby = slurp_file($standby_file);
is($standby->safe_psql('one', 'SELECT length(token) > 40 FROM anon_auth.create_challenge()'), 't', 'a standby can create challenges');
is(slurp_file($standby_file), $before_standby, 'a standby does not write the file');
$standby->promote;
is($standby->safe_psql('one', $sign), 't', 'a promoted standby can sign');
is_deeply(users($standby_file), { one => $eighth }, 'a promoted standby records the database');
$standby->stop;

my $directory = PostgreSQL::Test::Utils::tempdir() . '/keys';
mkdir $directory;
write_file("$directory/key", join '', map { "$_\n" } grep { /^[0-9a-f]/ } split /\n/, slurp_file($file));
$node->append_conf('postgresql.conf', "anon_auth.master_key_file = '$directory/key'");
$node->restart;
chmod 0500, $directory;
SKIP:
{
	skip 'root can write every file', 4 if $> == 0;
	is(in_database('one', $sign), 't', 'a database can sign when the server cannot write the file');
	is_deeply(users("$directory/key"), {}, 'a database is not recorded when the server cannot write the file');
	is(in_database('restored', 'SELECT anon_auth.create_signing_key() IS NOT NULL'), 't', 'a database can create a signing key when the server cannot write the file');
	unlike(slurp_file($node->logfile), qr/could not record/, 'the server does not log that it cannot write the file');
}
chmod 0700, $directory;
# Before doctor(), which opens the signing key and so records the database.
is(in_database('one', q{SELECT count(*) FROM anon_auth.master_key_users() WHERE is_this_database}), 0, 'master_key_users() does not list a database that is not recorded')
  if $> != 0;
is(in_database('one', q{SELECT count(*) FROM anon_auth.doctor() WHERE finding = 'master_key_in_data_directory'}), 0,
	'doctor() does not warn about a master key file outside the data directory');

# A file that another user owns
SKIP:
{
	skip 'only root can change the owner of a file', 1 if $> != 0;
	chown 1, 1, "$directory/key";
	like(error('one', $sign), qr/F0000: .*must be owned by the server's user or root.*HINT: .*chown/s, 'a file of another user is refused, with a hint');
}
$node->append_conf('postgresql.conf', "anon_auth.master_key_file = ''");
$node->restart;
is(in_database('one', q{SELECT severity FROM anon_auth.doctor() WHERE finding = 'master_key_in_data_directory'}), 'notice',
	'doctor() reports a master key file in the data directory');
$node->stop;

# ---------------------------------------------------------------------------
# A file system without hard links
# ---------------------------------------------------------------------------

SKIP:
{
	my $shim = PostgreSQL::Test::Utils::tempdir() . '/no_links';

	write_file("$shim.c", <<'C');
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <string.h>

int
link(const char *from, const char *to)
{
	int			(*next) (const char *, const char *) = dlsym(RTLD_NEXT, "link");

	if (strstr(to, "master_key") == NULL)
		return next(from, to);
	errno = EPERM;
	return -1;
}
C
	skip 'no C compiler is available', 2 if system("cc -shared -fPIC -o $shim.so $shim.c -ldl 2>/dev/null") != 0;
	my $without = PostgreSQL::Test::Cluster->new('without');
	$without->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
	{
		local $ENV{LD_PRELOAD} = "$shim.so";
		$without->start;
	}
	is($without->safe_psql('postgres', 'CREATE EXTENSION anon_auth; SELECT length(token) > 40 FROM anon_auth.create_challenge()'), 't',
		'the master key file is created on a file system without hard links');
	is(scalar(() = keys_in($without->data_dir . '/anon_auth.master_key')), 1, 'the file created without hard links has a key');
	$without->stop;
}

done_testing();
