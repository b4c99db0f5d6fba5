# The master key file records which databases need which key, so that none of them
# takes a key away from another.  (t/032_master_key_rotation.pl has one database's
# rotations, t/042_two_databases.pl what the databases accept.)

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

# What the file records: name of the database => ids of its keys, sorted.
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
# Who needs a key keeps it
# ---------------------------------------------------------------------------

create('one');
my ($first) = keys_in();
is_deeply(users(), { one => $first }, 'the file records the database that made its first signing key');
in_database('one', $sign);
create('two');
is_deeply(users(), { one => $first, two => $first }, '... and the next one');
is(sprintf('%o', (stat $file)[2] & 0777), '600', '... and stays private');
is_deeply([ glob "$file.*" ], [], '... with nothing left beside it');
my $second = in_database('one', 'SELECT anon_auth.rotate_master_key()');
is_deeply(users(), { one => $second, two => $first }, 'a rotation is recorded');
like(error('one', retire($first)),
	qr/55000: master key $first is still needed.*Another database needs it: "two".*reseal_signing_keys\(\) there first.*force => true/s,
	'a key that another database needs is not retired, and the error names the database');
is_deeply([ keys_in() ], [ $second, $first ], '... and the file has both keys');
is(in_database('two', $sign), 't', '... and the other database signs');
is(in_database('one', q{SELECT string_agg(concat_ws(' ', database_name, key_ids[1], is_of_this_server, is_this_database), ', ' ORDER BY database_name) FROM anon_auth.master_key_users()}),
	"one $second t t, two $first t f", 'master_key_users() lists them');

# Nothing is forgotten before it is certain.
my $resealing = AnonAuth::Connection->new($node, 'two');
$resealing->query('BEGIN; SELECT anon_auth.reseal_signing_keys()');
is_deeply(users(), { one => $second, two => join(',', sort $first, $second) }, 'while signing keys are sealed again, both keys are needed');
$resealing->query('ROLLBACK');
is(users()->{two}, join(',', sort $first, $second), '... and still when that is rolled back');
like(error('one', retire($first)), qr/55000: .*Another database needs it: "two"/s, '... so that the former one is not retired');
$resealing->query('BEGIN; SAVEPOINT s; SELECT anon_auth.reseal_signing_keys(); ROLLBACK TO s; COMMIT');
is(users()->{two}, join(',', sort $first, $second), '... nor when a savepoint was rolled back');
is(in_database('two', $sign), 't', '... and the database signs');
$resealing->query('BEGIN; SAVEPOINT s; SELECT anon_auth.reseal_signing_keys(); RELEASE s');
is(users()->{two}, join(',', sort $first, $second), 'before the commit both keys are needed');
$resealing->query('COMMIT');
is_deeply(users(), { one => $second, two => $second }, '... and after it only the new one');
$resealing->close;
in_database('one', retire($first));
is_deeply([ keys_in() ], [$second], '... and then the former key can be retired');
is(in_database($_, $sign), 't', "... while $_ signs") for qw(one two);
is(in_database('two', 'SELECT anon_auth.reseal_signing_keys()'), 0, 'sealing again what is sealed');
my $before = (stat $file)[1];
in_database('two', 'SELECT anon_auth.reseal_signing_keys()');
is((stat $file)[1], $before, '... does not touch the file');

# ---------------------------------------------------------------------------
# Renamed, dropped, forced
# ---------------------------------------------------------------------------

in_database('postgres', 'ALTER DATABASE two RENAME TO "an other"');
my $third = in_database('one', 'SELECT anon_auth.rotate_master_key()');
like(error('one', retire($second)), qr/55000: .*Another database needs it: "an other"\./s, 'a database that was renamed is called by its new name');
in_database('an other', 'DROP EXTENSION anon_auth CASCADE');
like(error('one', retire($second)), qr/55000: .*"an other".*If anon_auth is no longer used there/s,
	'where the extension was dropped, nobody knows of it, and the error says what to do');
in_database('one', force($second));
is_deeply([ keys_in() ], [$third], '... which is done');
is_deeply(users(), { one => $third }, '... and nothing is recorded of it any more');
create('three');
create('four');
my $fourth = in_database('one', 'SELECT anon_auth.rotate_master_key()');
like(error('one', retire($third)), qr/55000: .*Other databases need it: "(three|four)", "(three|four)"\./s, 'several databases are all named');
in_database('postgres', 'DROP DATABASE four');
in_database('three', 'SELECT anon_auth.reseal_signing_keys()');
in_database('one', retire($third));
is_deeply(users(), { one => $fourth, three => $fourth }, 'a database that was dropped needs nothing, and its line goes');
my $fifth = in_database('one', 'SELECT anon_auth.rotate_master_key()');
in_database('one', force($fourth));
like(error('three', $sign), qr/F0000: .*does not contain the required key/, 'force takes the key of another database');
like(error('one', "SELECT anon_auth.retire_master_key('$fifth', NULL)"), qr/22023/, 'force is not NULL');
like(error('one', force($fifth)), qr/55000: master key $fifth is the current one/, '... and does not take the current key');
in_database('postgres', 'DROP DATABASE three');

# ---------------------------------------------------------------------------
# Copies
# ---------------------------------------------------------------------------

my $guest = in_database('one', q{SELECT refresh_token FROM anon_auth.authenticate_anonymously('app')});
in_database('postgres', 'CREATE DATABASE copy TEMPLATE one');
is(in_database('copy', $sign), 't', 'a copy of a database signs');
is_deeply(users(), { one => $fifth, copy => $fifth }, '... and is recorded when it first does');
is(in_database('copy', q{SELECT finding FROM anon_auth.doctor() WHERE finding = 'copied_database' AND what = 'database one has the database_id of this one'}),
	'copied_database', '... and doctor() says that it is a copy');
my $refresh = sprintf q{SELECT sub IS NOT NULL FROM anon_auth.refresh_session('app', %s)}, sql_literal($guest);
is(in_database('copy', $refresh), 't', 'a copy accepts what the original makes');
my $held = AnonAuth::Connection->new($node, 'copy');
is($held->query($refresh), 't', '... also in a connection that stays open');
my $renewed = in_database('copy', 'SELECT anon_auth.renew_database_id()');
is(in_database('copy', 'SELECT database_id FROM anon_auth.settings'), $renewed, 'renew_database_id() gives it an id of its own');
isnt(in_database('one', 'SELECT database_id FROM anon_auth.settings'), $renewed, '... which the original has not');
like(error('copy', $refresh), qr/AA006/, '... and what the original made is refused');
like($held->error($refresh), qr/AA006/, '... at once, in a connection from before as well');
is($held->query($sign), 't', '... which goes on signing');
$held->close;
is(in_database('one', $refresh), 't', '... and the original accepts it');
is(in_database('copy', $sign), 't', '... and the copy signs');
is(in_database('copy', q{SELECT count(*) FROM anon_auth.doctor() WHERE finding = 'copied_database'}), 0, '... and doctor() has nothing to say');
is_deeply(users(), { one => $fifth, copy => $fifth }, '... and one line each is recorded');
my $later = in_database('copy', 'SELECT anon_auth.create_signing_key()');
is(in_database('copy', $sign), 't', '... and makes new signing keys');
in_database('copy', 'BEGIN; SELECT anon_auth.renew_database_id(); ROLLBACK');
is(in_database('copy', $sign), 't', 'a renewal that is rolled back changes nothing');
like(error('copy', 'BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT anon_auth.renew_database_id()'), qr/55000: .*only be renewed at isolation level READ COMMITTED/,
	'an old snapshot is refused');

# A signing key that is made with a snapshot from before a renewal could never be opened.
my $old_snapshot = AnonAuth::Connection->new($node, 'copy');
$old_snapshot->query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM anon_auth.clients');
in_database('copy', 'SELECT anon_auth.renew_database_id()');
like($old_snapshot->error('SELECT anon_auth.create_signing_key()'), qr/40001/, 'a signing key is not sealed for an id that is gone');
$old_snapshot->query('ROLLBACK');
$old_snapshot->query('BEGIN; SELECT anon_auth.create_challenge()');
in_database('copy', 'SELECT anon_auth.renew_database_id()');
is($old_snapshot->query('SELECT anon_auth.create_signing_key() IS NOT NULL'), 't', '... and is for the new one where that can be seen');
$old_snapshot->query('COMMIT');
$old_snapshot->close;
is(in_database('copy', $sign), 't', '... which opens');

# The settings' row is replaced by its defaults, by a DBA; and lost.
in_database('copy', 'INSERT INTO anon_auth.settings DEFAULT VALUES');
is(in_database('copy', $sign), 't', 'new settings keep the id');
my $kept = in_database('copy', 'SELECT database_id FROM anon_auth.settings');
in_database('copy', 'DELETE FROM anon_auth.settings; INSERT INTO anon_auth.settings DEFAULT VALUES');
like(error('copy', $sign), qr/XX001: .*HINT: .*restore the former database_id. It is in the master key file and in dumps/s,
	'where the row was lost, the error says what to do');
like(slurp_file($file), qr/^#database \S+ $kept /m, '... and the file has the id');
in_database('copy', "UPDATE anon_auth.settings SET database_id = '$kept'");
is(in_database('copy', $sign), 't', '... with which the database signs again');
in_database('postgres', 'DROP DATABASE copy');

# A dump
my $dump = PostgreSQL::Test::Utils::tempdir() . '/dump';
my $account = in_database('one', q{SELECT access_token FROM anon_auth.promote_anonymous_user('app', email => 'ada@example.com', password => 'correct horse',
	refresh_token => (SELECT refresh_token FROM anon_auth.authenticate_anonymously('app')))});
in_database('one', q{SELECT anon_auth.request_password_reset('ada@example.com')});
$node->command_ok([ 'pg_dump', '-f', $dump, $node->connstr('one') ], 'a database is dumped');
in_database('postgres', 'CREATE DATABASE restored');
$node->command_ok([ 'psql', '-Xqb', '-v', 'ON_ERROR_STOP=1', '-f', $dump, '-d', $node->connstr('restored') ], '... and restored');
is(in_database('restored', 'SELECT count(*), min(database_id::text) FROM anon_auth.settings'),
	in_database('one', 'SELECT 1, database_id FROM anon_auth.settings'), '... with its id, once');
is(in_database('restored', $refresh), 't', '... and accepts the tokens that are out there');
is_deeply(users(), { one => $fifth, restored => $fifth }, '... and is recorded');
is(in_database('restored', 'SELECT count(*) FROM anon_auth.outbox'), 0, 'messages that wait to be sent are not in a dump');
my $code = in_database('one', 'SELECT code FROM anon_auth.take_outbox_messages()');
like($code, qr/^\w{10}$/, '... of which there was one');
unlike(slurp_file($dump), qr/\Q$code\E/, '... whose code is not in the dump');

# ---------------------------------------------------------------------------
# Messages that wait to be sent when their key is retired
# ---------------------------------------------------------------------------

in_database('one', q{SELECT anon_auth.reset_counters(); SELECT anon_auth.request_password_reset('ada@example.com')});
my $sixth = in_database('one', 'SELECT anon_auth.rotate_master_key()');
in_database('restored', 'SELECT anon_auth.reseal_signing_keys()');
is(in_database('one', 'BEGIN; SELECT count(*) FROM anon_auth.take_outbox_messages(); ROLLBACK'), 1, 'a rotation leaves the outbox alone');
in_database('one', retire($fifth));
my ($ret, $stdout, $stderr) = $node->psql('one', 'SELECT count(*) FROM anon_auth.take_outbox_messages()');
is($stdout, 0, 'a message whose key was retired is not sent');
like($stderr, qr/WARNING:  a message of the outbox was dropped, because its code cannot be opened/, '... which is told');
is(in_database('one', 'SELECT count(*) FROM anon_auth.outbox'), 0, '... and does not stand in the way of others');

# ---------------------------------------------------------------------------
# Lines of other servers, lines that are none, too many lines
# ---------------------------------------------------------------------------

my $content = slurp_file($file);
my ($id) = $content =~ /^#database \S+ (\S+) \S+ one$/m;
my $seventh = in_database('one', 'SELECT anon_auth.rotate_master_key()');
in_database('restored', 'SELECT anon_auth.reseal_signing_keys()');
$content = slurp_file($file);
write_file($file, $content . "#database 42/16384 $id $sixth,$seventh one\n#database 42/1 nonsense\n#database\n# my own comment");
is(in_database('one', $sign), 't', 'lines that are none are comments');
my $with_other = slurp_file($file) . "\n#database 43/5 00000000-0000-4000-8000-000000000000 $sixth its name\n";
write_file($file, $with_other);
like(error('one', retire($sixth)), qr/55000: .*Another database needs it: "its name" of the server with system identifier 43\./s,
	'a database of another server needs its key as well');
write_file($file, $with_other =~ s/^#database 43.*\n//mr);
in_database('one', retire($sixth));
like(slurp_file($file), qr/^#database 42\/16384 $id $seventh one\n#database 42\/1 nonsense\n#database\n# my own comment$/m,
	'... but not this database on the server that the file was copied from; other lines stay');
my $eighth = in_database('one', 'SELECT anon_auth.rotate_master_key()');
unlike(slurp_file($file), qr/^#database 42\/16384/m, 'the line of the server from before goes when the database has one here');
$content = slurp_file($file);
write_file($file, $content . join '', map { sprintf "#database 44/%d 00000000-0000-4000-8000-%012d $eighth some database\n", $_, $_ } 1 .. 285);
cmp_ok(-s $file, '<', 32768, 'a file may be long');
in_database('restored', 'SELECT anon_auth.reseal_signing_keys()');
write_file($file, slurp_file($file) . '#' . ('x' x (32766 - -s $file)) . "\n");
is(-s $file, 32768, '... and full');
is(in_database('one', $sign), 't', '... and is read');
like(error('one', retire($seventh)), qr/55000: master key $seventh may still be needed.*has no room to record all databases/s,
	'... but then nobody knows who else needs a key');
create('unrecorded');
is(in_database('unrecorded', $sign), 't', '... and a new database works');
like(error('one', 'SELECT anon_auth.rotate_master_key()'), qr/54000: .*cannot be longer than 32768 bytes/, '... and there is no room for a key');
in_database('postgres', 'DROP DATABASE unrecorded');
write_file($file, $content);
in_database('restored', 'SELECT anon_auth.reseal_signing_keys()');
in_database('one', retire($seventh));

# A name that would make up lines
in_database('postgres', qq{CREATE DATABASE "line\n$eighth AAAA" TEMPLATE template0});
in_database("line\n$eighth AAAA", q{CREATE EXTENSION anon_auth; SELECT anon_auth.create_signing_key()});
is(in_database('one', $sign), 't', 'a name with a newline breaks nothing');
like(slurp_file($file), qr/^#database \S+ \S+ $eighth line\?$eighth AAAA$/m, '... and is one line');
in_database('postgres', qq{DROP DATABASE "line\n$eighth AAAA"});

# ---------------------------------------------------------------------------
# A standby, a file that is not the server's to write
# ---------------------------------------------------------------------------

$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
my $standby_file = $standby->data_dir . '/anon_auth.master_key';
write_file($standby_file, join '', map { "$_\n" } grep { /^[0-9a-f]/ } split /\n/, slurp_file($file));
$standby->start;
$node->wait_for_catchup($standby, 'replay', $node->lsn('write'));
my $before_standby = slurp_file($standby_file);
is($standby->safe_psql('one', 'SELECT length(token) > 40 FROM anon_auth.create_challenge()'), 't', 'a standby makes challenges');
is(slurp_file($standby_file), $before_standby, '... and records nothing');
$standby->promote;
is($standby->safe_psql('one', $sign), 't', 'a standby that was promoted signs');
is_deeply(users($standby_file), { one => $eighth }, '... and is recorded');
$standby->stop;

my $directory = PostgreSQL::Test::Utils::tempdir() . '/keys';
mkdir $directory;
write_file("$directory/key", join '', map { "$_\n" } grep { /^[0-9a-f]/ } split /\n/, slurp_file($file));
$node->append_conf('postgresql.conf', "anon_auth.master_key_file = '$directory/key'");
$node->restart;
chmod 0500, $directory;
SKIP:
{
	skip 'root may write everywhere', 4 if $> == 0;
	is(in_database('one', $sign), 't', 'where the server may not write the file, it signs');
	is_deeply(users("$directory/key"), {}, '... and records nothing');
	is(in_database('restored', 'SELECT anon_auth.create_signing_key() IS NOT NULL'), 't', '... and seals');
	unlike(slurp_file($node->logfile), qr/could not record/, '... and does not complain');
}
chmod 0700, $directory;
# before doctor(), which opens the signing key
is(in_database('one', q{SELECT count(*) FROM anon_auth.master_key_users() WHERE is_this_database}), 0, 'where nothing is recorded, nothing is listed')
  if $> != 0;
is(in_database('one', q{SELECT count(*) FROM anon_auth.doctor() WHERE finding = 'master_key_in_data_directory'}), 0,
	'outside the data directory, the file is in no base backup');

# A file of another user
SKIP:
{
	skip 'only root can give a file away', 1 if $> != 0;
	chown 1, 1, "$directory/key";
	like(error('one', $sign), qr/F0000: .*must be owned by the server's user or root.*HINT: .*chown/s, 'a file of another user is refused, with a hint');
}
$node->append_conf('postgresql.conf', "anon_auth.master_key_file = ''");
$node->restart;
is(in_database('one', q{SELECT severity FROM anon_auth.doctor() WHERE finding = 'master_key_in_data_directory'}), 'notice',
	'where the file is in the data directory, doctor() says so');
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
	skip 'no C compiler', 2 if system("cc -shared -fPIC -o $shim.so $shim.c -ldl 2>/dev/null") != 0;
	my $without = PostgreSQL::Test::Cluster->new('without');
	$without->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
	{
		local $ENV{LD_PRELOAD} = "$shim.so";
		$without->start;
	}
	is($without->safe_psql('postgres', 'CREATE EXTENSION anon_auth; SELECT length(token) > 40 FROM anon_auth.create_challenge()'), 't',
		'where a file cannot be linked, the master key file is made all the same');
	is(scalar(() = keys_in($without->data_dir . '/anon_auth.master_key')), 1, '... with a key');
	$without->stop;
}

done_testing();
