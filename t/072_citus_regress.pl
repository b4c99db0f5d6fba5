# Run the regression tests on a Citus cluster with distributed tables.
#
# All tests run on the coordinator; the tests that do not depend on the
# coordinator also run on a worker. A patch in t/citus lists the differences
# from a test's expected output, with the reason.
#
# ANON_AUTH_CITUS_TESTS is a regular expression. Only tests whose names match it run.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Citus qw(citus_missing start_cluster use_same_master_key);
use File::Basename qw(basename dirname);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $missing = citus_missing();
plan(skip_all => $missing) if $missing;

my $top = "$FindBin::Bin/..";
my $scratch = PostgreSQL::Test::Utils::tempdir();
my $node_path = dirname(PostgreSQL::Test::Utils::tempdir_short());
my ($coordinator, @workers) = start_cluster('regress', 2);

# Tests that cannot run on a cluster: inventory lists the catalog, which
# differs. constraint_messages tests a trigger that does not exist with Citus.
# distribute tests a server without Citus. foreign_keys tests a trigger
# of users that does not exist with Citus. attached_objects, doctor_objects and
# http_doctor attach objects and disable triggers, which Citus refuses.
# own_master_key gives one session a master key file, but all nodes must have
# the same file. devices updates rows as
# another role in the transaction of a call, and reads them through a view as a
# role that cannot log in to other nodes. key_reads tests reads without statements, of
# which Citus has none; user_triggers tests triggers.
my @tests = grep { !/^(?:attached_objects|constraint_messages|devices|doctor_objects|http_doctor|distribute|foreign_keys|key_reads|(?:\w+_)?inventory|own_master_key|user_triggers)$/ } map { basename($_, '.sql') } sort glob("$top/sql/*.sql");
my @on_worker = qw(claims guests jose_vectors jws_verify key_rotation login_ids master_key_rotation promotion refresh_rotation signing_keys);

@$_ = grep { /$ENV{ANON_AUTH_CITUS_TESTS}/ } @$_ for $ENV{ANON_AUTH_CITUS_TESTS} ? (\@tests, \@on_worker) : ();

# doctor() reads users as two roles, and Citus refuses DDL on a table that was read
# over two connections of the transaction. So the fix runs once more by itself.
my $separately = "\\o /dev/null\n\\set ECHO none\n";
my %mended = map { ("SELECT app.mend('$_');\n" => $separately . "SELECT fix FROM app.findings WHERE finding = '$_' \\gexec\n\\o\n\\set ECHO all\n") }
  qw(references_privilege table_privilege);

my %distribute = (
	'CREATE' => "\\o /dev/null\nCREATE EXTENSION IF NOT EXISTS anon_auth_citus;\nSELECT anon_auth.distribute(4);\n\\o\n",
	# a test may have dropped anon_auth_citus before
	'DROP' => "\\o /dev/null\nSELECT to_regprocedure('anon_auth.undistribute()') IS NOT NULL AS has_citus \\gset\n"
		. "\\if :has_citus\nSELECT anon_auth.undistribute();\nDROP EXTENSION anon_auth_citus;\n\\endif\n\\o\n");

# Remove the master key file that only the test's session has.
sub with_file_of_all_nodes
{
	my ($text) = @_;

	$text =~ s/^(?:COPY \(VALUES .* TO PROGRAM|SET anon_auth\.master_key_file) .*\n//mg;
	$text =~ s/anon_auth\.rotation\.master_key/anon_auth.master_key/g;
	return $text;
}

# Return the test's script with distribute() after each CREATE EXTENSION and
# undistribute() before each DROP, unless a master key that the test changed
# prevents it.
sub with_distribution
{
	my ($name) = @_;
	my $distributed = 0;
	my $result = '';

	for my $line (split /^/, with_file_of_all_nodes(slurp_file("$top/sql/$name.sql")))
	{
		$result .= $distribute{DROP} if $line =~ /^DROP EXTENSION anon_auth\b/ && $distributed;
		$result .= $line . ($mended{$line} // '');
		$result .= $distribute{CREATE} if $line =~ /^CREATE EXTENSION anon_auth;/ && !$distributed++;
	}
	return $result;
}

sub without_extension
{
	my ($text) = @_;

	return join '', grep { !/^(?:CREATE|DROP) EXTENSION/ } split /^/, $text;
}

# Return psql's output with the options of pg_regress.
sub output_of
{
	my ($node, $sql, @options) = @_;
	my $file = "$scratch/input.sql";
	my $output = '';

	append_to_file($file, $sql);
	{
		# One connection to a node: on a busy machine, Citus opens others, and
		# DDL in the same transaction fails after it has read over several.
		local %ENV = (%ENV, PGTZ => 'PST8PDT', PGDATESTYLE => 'Postgres, MDY',
			PGOPTIONS => join ' ', '-c intervalstyle=postgres_verbose', '-c citus.max_adaptive_executor_pool_size=1', @options);
		IPC::Run::run([ 'psql', '-X', '-a', '-q', '-d', $node->connstr('postgres'), '-v', 'HIDE_TABLEAM=on', '-v', 'HIDE_TOAST_COMPRESSION=on' ],
			'<', $file, '>&', \$output);
	}
	unlink $file;
	$output =~ s/\Q$_\E//g for values %distribute, $separately;
	# remove shard numbers from names of tables and constraints; mask paths and
	# ports of nodes
	$output =~ s/((?:relation|constraint) "\w+?)_1\d{5}"/$1"/g;
	$output =~ s/\Q$node_path\E\S*:\d+/NODE/g;
	$output =~ s/\bplacement \d+/placement N/g;
	# remove the warning that the other nodes now have another master key
	$output =~ s/^WARNING:  the other nodes cannot open .*\nHINT:  .*\n//mg;
	# remove doctor()'s findings about the workers' grants, which every answer
	# has
	$output =~ s/^.*(?:grants_differ|anon_auth\.distribute\(\);$|^worker NODE does not have the coordinator's grants$).*\n//mg;
	return $output;
}

sub without_counts
{
	my ($text) = @_;

	$text =~ s/^\(\d+ rows?\)$/(rows)/mg;
	return $text;
}

sub expected
{
	my ($name) = @_;
	my $text = without_counts(with_file_of_all_nodes(slurp_file("$top/expected/$name.out")));
	my $patch = "$top/t/citus/$name.patch";

	return $text if !-f $patch;
	unlink "$scratch/expected";
	append_to_file("$scratch/expected", $text);
	# The hunks that no longer apply show in the difference.
	system('patch', '--quiet', '--force', '--reject-file=-', "$scratch/expected", $patch);
	return slurp_file("$scratch/expected");
}

# Show the difference.
sub same
{
	my ($output, $expected, $name) = @_;

	$output = without_counts($output);
	return pass($name) if $output eq $expected;
	fail($name);
	unlink "$scratch/a", "$scratch/b";
	append_to_file("$scratch/a", $expected);
	append_to_file("$scratch/b", $output);
	IPC::Run::run([ 'diff', '-U2', "$scratch/a", "$scratch/b" ], '>', \my $difference);
	diag(substr $difference, 0, 12000);
}

# Drop everything that a test may have left behind.
sub clean
{
	$coordinator->psql('postgres', 'SELECT anon_auth.undistribute(); DROP EXTENSION anon_auth CASCADE; DROP SCHEMA IF EXISTS app, yard, traps CASCADE; DROP FUNCTION IF EXISTS attempt', on_error_stop => 0);
	unlink map { $_->data_dir . '/anon_auth.master_key' } $coordinator, @workers;
	$coordinator->safe_psql('postgres', 'CREATE EXTENSION anon_auth; CREATE EXTENSION anon_auth_http; CREATE EXTENSION anon_auth_citus; SELECT anon_auth.create_challenge()');
	use_same_master_key($coordinator, @workers);
}

for my $name (@tests)
{
	clean();
	# the examples call distribute() themselves
	same(output_of($coordinator, $name eq 'examples' ? slurp_file("$top/sql/$name.sql") : with_distribution($name)),
		expected($name), "$name has the expected output on the coordinator");
}

for my $name (@on_worker)
{
	clean();
	$coordinator->safe_psql('postgres', 'SELECT anon_auth.distribute(4)');
	same(output_of($workers[0], without_extension(with_file_of_all_nodes(slurp_file("$top/sql/$name.sql"))), '-c citus.enable_ddl_propagation=off'),
		without_extension(expected($name)), "$name has the expected output on a worker");
	# the worker's roles and functions exist only there
	$workers[0]->psql('postgres', 'SET citus.enable_ddl_propagation = off; DROP OWNED BY regress_anon_auth_app; DROP ROLE regress_anon_auth_app', on_error_stop => 0);
}

done_testing();
