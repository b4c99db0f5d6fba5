# docs/reference.md and the tables of errors in docs/guide.md are up to date, every callable function has a comment, and
# sql/examples.sql has exactly one example of each callable function.

use strict;
use warnings;

use FindBin;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $docs = "$FindBin::Bin/../docs";
my $node = PostgreSQL::Test::Cluster->new('main');

$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION anon_auth; CREATE EXTENSION anon_auth_http; CREATE EXTENSION anon_auth_citus');

# The output of a script.
sub made_by
{
	my ($script, @arguments) = @_;
	my ($output, $errors);

	ok( IPC::Run::run([ $^X, "$docs/../script/$script", @arguments ], '>', \$output, '2>', \$errors),
		"script/$script can read its input")
	  or diag($errors);
	return $output;
}

my $examples = slurp_file("$docs/../sql/examples.sql");
my $src = "$docs/../src";
my %variables = (
	examples => $examples,
	settings => made_by('columns', 'markdown', "$src/store/settings.list"),
	clients => made_by('columns', 'markdown', "$src/store/clients.list"),
	limits => made_by('limits', "$src/base/limits.h"));

chomp $variables{limits};

my $made = $node->safe_psql(
	'postgres',
	slurp_file("$docs/reference.sql"),
	extra_params => [ map { ('-v', "$_=$variables{$_}") } sort keys %variables ]);
my $kept = slurp_file("$docs/reference.md");

chomp $kept;
is($made, $kept, 'docs/reference.md is identical to the output of script/reference');

my ($errors) = slurp_file("$docs/guide.md") =~ /<!-- script\/errors begins -->\n\n(.*?)\n<!-- script\/errors ends -->/s;

is($errors, made_by('errors'), 'the tables of errors in docs/guide.md are identical to the output of script/errors');

my %default = $variables{settings} =~ /^\| `(\w+)` \| [^|]* \| `([^`]*)` \|/mg;
my ($limits) = slurp_file("$docs/operations.md") =~ /^\| setting \| default \|.*?\n\|---.*?\n(.*?)^$/ms;
my %stated = ($limits // '') =~ /^\| `(\w+)` \| (\w+) \|/mg;

$default{$_} =~ s/^(?:NULL|0)$/off/ for keys %default;
cmp_ok(scalar keys %stated, '>', 5, 'the table of limits in operations.md is found');
is(join(' ', grep { ($default{$_} // '') ne $stated{$_} } sort keys %stated), '', 'its defaults are those of the settings');

unlike($made, qr{[a-z]://`|DEFAULT NULL with|\{`}, 'the reference formats a URI as a whole, and no type is left of a default');

my %column = $variables{clients} =~ /^\| `(\w+)` \| [^|]* \| `([^`]+)` \|/mg;
my %argument =
  $node->safe_psql('postgres', q{SELECT pg_get_function_arguments('anon_auth.create_client'::regproc)}) =~
  /(\w+) [a-z\[\]]+ DEFAULT ([^,:]+)/g;
my @shared = grep { exists $argument{$_} } sort keys %column;

cmp_ok(scalar @shared, '>', 5, 'create_client() has arguments for columns with a default');
is(join(' ', grep { $argument{$_} ne $column{$_} } @shared), '', 'they have the same defaults');

is( $node->safe_psql('postgres', <<'SQL'), '', 'every function that a role may be granted has a comment');
SELECT p.oid::regprocedure FROM pg_proc AS p
WHERE pronamespace IN ('anon_auth'::regnamespace, 'anon_auth_http'::regnamespace)
	AND (p.oid = ANY (anon_auth.client_api()::oid[] || anon_auth.http_api()::oid[]) OR has_function_privilege('public', p.oid, 'EXECUTE'))
	AND obj_description(p.oid, 'pg_proc') IS NULL
SQL

# Functions that are part of another function, and functions that the server
# calls, have no example.
my @callable = split /\n/, $node->safe_psql('postgres', <<'SQL');
SELECT DISTINCT proname FROM pg_proc
WHERE pronamespace = 'anon_auth'::regnamespace AND prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype)
	AND obj_description(oid, 'pg_proc') NOT LIKE 'Part of %'
SQL
my %example;

for my $names ($examples =~ /^-- example: (.*)/mg)
{
	$example{$_}++ for split /, /, $names;
}
cmp_ok(scalar @callable, '>', 40, 'there are functions that need an example');
is(join(' ', grep { ($example{$_} // 0) != 1 } @callable), '', 'each callable function has one example in sql/examples.sql');
delete @example{@callable};
is(join(' ', keys %example), '', 'every example in sql/examples.sql names a callable function');

done_testing();
