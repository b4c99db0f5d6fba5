# docs/reference.md is what the catalog says.

use strict;
use warnings;

use FindBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $docs = "$FindBin::Bin/../docs";
my $node = PostgreSQL::Test::Cluster->new('main');

$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION anon_auth');

my $made = $node->safe_psql('postgres', slurp_file("$docs/reference.sql"));
my $kept = slurp_file("$docs/reference.md");

chomp $kept;
is($made, $kept, 'docs/reference.md is what script/reference would make');

is( $node->safe_psql('postgres', <<'SQL'), '', 'every function that somebody may call has a comment');
SELECT p.oid::regprocedure FROM pg_proc AS p
WHERE pronamespace IN ('anon_auth'::regnamespace, 'anon_auth_http'::regnamespace)
	AND (p.oid = ANY (anon_auth.client_api()::oid[] || anon_auth.http_api()::oid[]) OR has_function_privilege('public', p.oid, 'EXECUTE'))
	AND obj_description(p.oid, 'pg_proc') IS NULL
SQL

done_testing();
