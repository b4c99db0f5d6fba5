# The tests of a Debian package pass where its build and autopkgtest run them: on a
# cluster of pg_virtualenv. Here, the files of the package come from the installation
# under test, and only a few of its tests run.

use strict;
use warnings;

use File::Basename qw(basename);
use File::Copy qw(copy);
use File::Path qw(make_path);
use FindBin;
use IPC::Run ();
use PostgreSQL::Test::Utils;
use Test::More;

my $top = "$FindBin::Bin/..";
my ($version) = (run_command([ 'pg_config', '--version' ]))[0] =~ /(\d+)/;
my $debian = "/usr/lib/postgresql/$version/bin/pg_config";
plan skip_all => 'this is not a PostgreSQL of Debian' if !-x $debian;
plan skip_all => 'pg_buildext is not installed' if !-x '/usr/bin/pg_buildext';
my ($library, $share) = map { (run_command([ 'pg_config', $_ ]))[0] } qw(--pkglibdir --sharedir);
plan skip_all => 'a library with AddressSanitizer cannot be loaded by a server without it' if slurp_file("$library/anon_auth.so") =~ /__asan_init/;

my $tree = PostgreSQL::Test::Utils::tempdir_short();
my $package = "postgresql-$version-anon-auth";
my $files = "$tree/debian/$package/usr";

sub copy_into
{
	my ($directory, @names) = @_;

	make_path($directory);
	copy($_, "$directory/" . basename($_)) or die "$_: $!" for @names;
	return;
}

# Those that reach a limit when all calls come from one address, and one of each kind beside them.
my @tests = qw(own_master_key login_codes login_ids);
my @specs = qw(iso_own_master_key iso_codes);
copy_into($tree, "$top/Makefile", glob("$top/*.control"));
copy_into("$tree/debian", "$top/debian/rules", "$top/debian/control.in", "$top/debian/pgversions");
copy_into("$tree/debian/tests", "$top/debian/tests/installcheck");
copy_into("$tree/sql", map { "$top/sql/$_.sql" } @tests);
copy_into("$tree/specs", map { "$top/specs/$_.spec" } @specs);
copy_into("$tree/expected", map { "$top/expected/$_.out" } @tests, @specs);
copy_into("$files/lib/postgresql/$version/lib", "$library/anon_auth.so");
copy_into("$files/share/postgresql/$version/extension", glob("$share/extension/anon_auth*"));

# The command as debian/rules has it. As in a build, nothing says where a server is.
my ($command) = slurp_file("$top/debian/rules") =~ /^override_dh_pgxs_test:\n(?:ifeq.*\n)?\t(.*)$/m;
is($command, 'sh debian/tests/installcheck . . postgresql-%v-anon-auth', 'debian/rules runs the tests of debian/tests/installcheck');
my %environment = map { $_ => $ENV{$_} } grep { !/^(?:PG|MAKE)/ } keys %ENV;
my ($output, $passed) = ('');
{
	local %ENV = (%environment, PATH => '/usr/bin:/bin', PG_SUPPORTED_VERSIONS => $version, LC_ALL => 'C.UTF-8');
	my $harness = IPC::Run::start([ 'sh', '-c', $command ], '<', '/dev/null', '>&', \$output, init => sub { chdir $tree or die "$tree: $!" },
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));

	$passed = $harness->finish;
}
ok($passed, 'the tests of the package pass');
for my $count (scalar @tests, scalar @specs)
{
	like($output, qr/All $count tests passed/, "$count tests of the package ran");
}
diag($output) if !$passed;

done_testing();
