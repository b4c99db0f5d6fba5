# The extension can be created, knows its version, and leaves nothing behind.

use strict;
use warnings;

use File::Basename qw(basename);
use FindBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# What exists in a database, apart from what belongs to a session or to TOAST.
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

# The other control files: see script/test-without.
my @parts = grep { $_ ne 'anon_auth' } map { basename($_, '.control') } sort glob "$FindBin::Bin/../*.control";

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->start;

# It belongs to the server and stays: see t/003.
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
	'there are functions in schema anon_auth');

# The extensions that add to it.
my $alone = $node->safe_psql('postgres', $inventory);
my $findings = $node->safe_psql('postgres', 'SELECT finding, what FROM anon_auth.doctor()');
$node->safe_psql('postgres', "CREATE EXTENSION $_") for @parts;
is( $node->safe_psql(
		'postgres',
		q{SELECT count(DISTINCT extversion), count(*) FROM pg_extension WHERE starts_with(extname, 'anon_auth')}),
	'1|' . (1 + @parts), 'all extensions have one version') if @parts;
is($node->safe_psql('postgres', 'SELECT finding, what FROM anon_auth.doctor()'), $findings, 'doctor() finds nothing more with all of them');
$node->safe_psql('postgres', "DROP EXTENSION $_") for @parts;
is($node->safe_psql('postgres', $inventory), $alone, 'they leave no object behind');
is($node->safe_psql('postgres', 'SELECT finding, what FROM anon_auth.doctor()'), $findings, '... and doctor() works without them');

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
	'it can be created again');

$node->stop;

done_testing();
