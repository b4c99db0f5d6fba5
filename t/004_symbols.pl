# The library exports only the symbols that PostgreSQL calls. Another library in
# the same server may define functions of the same names; neither library may
# call the other's. The test preloads such a library, whose functions PANIC.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

sub output_of
{
	my ($output, $errors) = run_command([@_]);

	die "@_: $errors" if $? != 0;
	return $output;
}

my $library = output_of('pg_config', '--pkglibdir') . '/anon_auth.so';
my @exported = map { (split)[-1] } split /\n/, output_of('nm', '-D', '--defined-only', $library);

cmp_ok(scalar @exported, '>', 100, 'the library exports functions');
is_deeply([ grep { !/^(?:Pg_magic_func|_PG_init|(?:pg_finfo_)?anon_auth_\w+)$/ } @exported ], [], "every exported symbol has a name of PostgreSQL's or a name that starts with anon_auth_");
my %is_exported = map { $_ => 1 } @exported;
is_deeply([ grep { /^anon_auth_/ && !$is_exported{"pg_finfo_$_"} } @exported ], [], 'every exported anon_auth_ function can be called from SQL');

# Preload a library with functions of the same names. A library linked to
# libjansson is a real example: it has json_string().

my $directory = PostgreSQL::Test::Utils::tempdir();
my @names = qw(base64url_decode client_find http_serve identity_current jose_sign json_member json_string own_jwt_open
  sessions_find settings_get statement_run token_read users_find uuid_to_text);
append_to_file("$directory/other.c", join "\n",
	'#include "postgres.h"', '#include "fmgr.h"', 'PG_MODULE_MAGIC;',
	map { "PGDLLEXPORT int $_(void);\nint $_(void) { elog(PANIC, \"the other library's $_() was called\"); }" } @names);
my ($compiler) = split ' ', output_of('pg_config', '--cc');
output_of($compiler, '-shared', '-fPIC', '-w', '-I' . output_of('pg_config', '--includedir-server'), '-o', "$directory/other.so", "$directory/other.c");

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->append_conf('postgresql.conf', "fsync = off\nshared_preload_libraries = '$directory/other.so'");
$node->start;
$node->safe_psql('postgres', q{CREATE EXTENSION anon_auth; SELECT anon_auth.create_client('app', 'native')});
my $call = q{SELECT anon_auth.use_access_token(access_token) = sub AND anon_auth.uid() = sub FROM anon_auth.authenticate_anonymously('app')};
my ($status, $output, $errors) = $node->psql('postgres', $call);
is("$status $output", '0 t', "functions of another library do not replace the extension's") or diag($errors);

# JIT compilation resolves the functions that an inlined function calls by their
# names.

SKIP:
{
	skip 'this server has no JIT compilation', 1 if $node->safe_psql('postgres', 'SELECT pg_jit_available()') ne 't';
	($status, $output, $errors) = $node->psql('postgres',
		qq{BEGIN; $call; SET jit_above_cost = 0; SET jit_inline_above_cost = 0; SET jit_optimize_above_cost = 0;
		SELECT count(anon_auth.uid()) FILTER (WHERE anon_auth.is_anonymous() AND anon_auth.session_id() IS NOT NULL) FROM generate_series(1, 10); COMMIT});
	is("$status $output", "0 t\n10", "JIT compilation can inline the extension's functions") or diag($errors);
}

$node->stop;
done_testing();
