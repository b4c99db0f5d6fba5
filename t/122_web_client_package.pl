# clients/web as a package: its unit tests, its contents, its types, and its versions.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Web;

use File::Copy qw(copy);
use IPC::Run ();
use JSON::PP ();
use PostgreSQL::Test::Utils;
use Test::More;

my $client = "$FindBin::Bin/../clients/web";
my $directory = PostgreSQL::Test::Utils::tempdir('package');

sub run_in
{
	my ($where, @command) = @_;
	my ($output, $errors) = ('', '');
	my $done = eval {
		IPC::Run::run(\@command, '<', \undef, '>', \$output, '2>', \$errors,
			init => sub { chdir $where or die "$where: $!" },
			IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	};

	return ($done, $output, $@ || $errors);
}

my $reason = AnonAuth::Web->npm_install("$directory/types", '../../clients/web/test/types/*');

plan skip_all => $reason if $reason;

# ---------------------------------------------------------------------------
# Unit tests
# ---------------------------------------------------------------------------

{
	my ($done, $output) = run_in($client, 'npm', 'test', '--silent');

	ok($done, 'the unit tests pass') or diag($output);
	like($output, qr/^# pass [3-9]\d$/m, 'all of them ran');
	like($output, qr/^# fail 0$/m, 'none failed');
}

# ---------------------------------------------------------------------------
# The package
# ---------------------------------------------------------------------------

my $package = JSON::PP->new->utf8->decode(slurp_file("$client/package.json"));
my ($packed, $listing, $error) = run_in($directory, 'npm', 'pack', '--json', '--pack-destination', $directory, $client);

ok($packed, 'npm packs the package') or diag($error);
my $contents = JSON::PP->new->utf8->decode($listing)->[0];

is(
	join(' ', sort map { $_->{path} } @{ $contents->{files} }),
	join(' ', sort qw(LICENSE README.md package.json), map { s{.*/}{src/}r } glob("$client/src/*")),
	'the package has the module, its types, the README and the licence, and nothing else');
ok(!exists $package->{dependencies}, 'the package has no dependencies');
ok(!grep({ /install|prepare|prepublish/ } keys %{ $package->{scripts} }), 'the package has no install scripts');
is(slurp_file("$client/LICENSE"), slurp_file("$FindBin::Bin/../LICENSE"), 'the licence is that of the project');
is($package->{version}, JSON::PP->new->utf8->decode(slurp_file("$FindBin::Bin/../META.json"))->{version}, 'the version is that of the project');

# npm shows the README without the repository.
is(join(' ', slurp_file("$client/README.md") =~ /\]\((?!#|https?:|src\/)([^)]*)\)/g), '', 'the links of the README lead to nothing outside of the package');

for my $file (glob("$client/src/*.js"))
{
	my $name = $file =~ s{.*/}{}r;
	my @imported = slurp_file($file) =~ /^(?:import|export) .*?from '([^']*)'/gm;

	is(join(' ', grep { !/\A\.\/\w+\.js\z/ || !-f "$client/src/$_" } @imported), '', "$name imports only files of the package, by their full names");
	unlike(slurp_file($file), qr/\beval\b|new Function|innerHTML|localStorage|sessionStorage|console\./, "$name has none of eval, innerHTML and localStorage");
}

# ---------------------------------------------------------------------------
# The types, with the package installed
# ---------------------------------------------------------------------------

{
	my ($installed, undef, $errors) = run_in("$directory/types", 'npm', 'install', '--no-save', '--offline', '--no-audit', '--no-fund',
		'--ignore-scripts', "$directory/$contents->{filename}");

	ok($installed, 'npm installs the package') or diag($errors);
	my ($compiled, $output) = run_in("$directory/types", 'node', 'node_modules/typescript/bin/tsc', '-p', '.');

	ok($compiled, 'tsc --strict accepts the sample') or diag($output);
	copy("$client/test/interface.mjs", "$directory/types") or die "cannot copy interface.mjs: $!";
	my (undef, $differences, $failure) = run_in("$directory/types", 'node', 'interface.mjs');

	is($differences . $failure, '', 'the types have what the module has');
}

# Every error code of the types is one that a caller can find.
{
	my @codes = slurp_file("$client/src/index.d.ts") =~ /^  \| '(\w+)'/gm;

	cmp_ok(scalar @codes, '>', 20, 'the types list the error codes');
	is(join(' ', grep { my $code = $_; !grep { $_ eq $code } @codes } slurp_file("$client/README.md") =~ /case '(\w+)'/g), '',
		'the codes in the README exist');
}

done_testing();
