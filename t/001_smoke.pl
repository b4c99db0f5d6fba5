# The extensions of this repository can be created and dropped, have one
# version, and leave no object behind. The test counts the rows of the system
# catalogs before and after.

use strict;
use warnings;

use File::Basename qw(basename);
use FindBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# Number of objects in the database by catalog, without temporary and TOAST
# schemas.
my $inventory = q{
	SELECT classid::regclass, count(*)
	FROM (SELECT 'pg_namespace'::regclass, oid FROM pg_namespace WHERE nspname !~ '^pg_(toast_)?temp_'
		  UNION ALL SELECT 'pg_class', oid FROM pg_class
		  UNION ALL SELECT 'pg_proc', oid FROM pg_proc
		  UNION ALL SELECT 'pg_type', oid FROM pg_type
		  UNION ALL SELECT 'pg_trigger', oid FROM pg_trigger
		  UNION ALL SELECT 'pg_event_trigger', oid FROM pg_event_trigger
		  UNION ALL SELECT 'pg_extension', oid FROM pg_extension
		  UNION ALL SELECT 'pg_constraint', oid FROM pg_constraint
		  UNION ALL SELECT 'pg_init_privs', objoid FROM pg_init_privs
		  UNION ALL SELECT 'pg_description', objoid FROM pg_description
		  UNION ALL SELECT 'pg_authid', oid FROM pg_authid) AS object (classid, oid)
	GROUP BY classid ORDER BY classid};

# The other extensions, by their control files. script/test-without removes some
# of these files.
my @parts = grep { $_ ne 'anon_auth' } map { basename($_, '.control') } sort glob "$FindBin::Bin/../*.control";

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->start;

# DROP EXTENSION keeps this role, so create it before counting; see t/003.
$node->safe_psql('postgres', 'CREATE ROLE anon_auth_owner');
my $before = $node->safe_psql('postgres', $inventory);

$node->safe_psql('postgres', 'CREATE EXTENSION anon_auth');
is( $node->safe_psql(
		'postgres',
		q{SELECT extversion = default_version
		  FROM pg_extension JOIN pg_available_extensions ON name = extname
		  WHERE extname = 'anon_auth'}),
	't',
	'CREATE EXTENSION installs the default version');
cmp_ok(
	$node->safe_psql(
		'postgres',
		q{SELECT count(*) FROM pg_proc WHERE pronamespace = 'anon_auth'::regnamespace}),
	'>', 0,
	'schema anon_auth contains functions');

# The extensions that require anon_auth.
my $alone = $node->safe_psql('postgres', $inventory);
my $findings = $node->safe_psql('postgres', 'SELECT finding, what FROM anon_auth.doctor()');
$node->safe_psql('postgres', "CREATE EXTENSION $_") for @parts;
is( $node->safe_psql(
		'postgres',
		q{SELECT count(DISTINCT extversion), count(*) FROM pg_extension WHERE starts_with(extname, 'anon_auth')}),
	'1|' . (1 + @parts), 'all extensions have the same version') if @parts;
is($node->safe_psql('postgres', 'SELECT finding, what FROM anon_auth.doctor()'), $findings, 'doctor() reports nothing more after all other extensions were created');
$node->safe_psql('postgres', "DROP EXTENSION $_") for @parts;
is($node->safe_psql('postgres', $inventory), $alone, 'DROP EXTENSION of the other extensions leaves no object behind');
is($node->safe_psql('postgres', 'SELECT finding, what FROM anon_auth.doctor()'), $findings, 'doctor() works after the other extensions were dropped');

$node->safe_psql('postgres', 'DROP EXTENSION anon_auth');
is( $node->safe_psql(
		'postgres',
		q{SELECT nspname FROM pg_namespace WHERE nspname ~ '^anon_auth'}),
	'',
	'DROP EXTENSION removes its schemas');
is($node->safe_psql('postgres', $inventory),
	$before, 'DROP EXTENSION leaves no object behind');

$node->safe_psql('postgres', 'CREATE EXTENSION anon_auth');
is( $node->safe_psql(
		'postgres', q{SELECT count(*) FROM pg_extension WHERE extname = 'anon_auth'}),
	'1',
	'the extension can be created again');

$node->stop;

done_testing();
