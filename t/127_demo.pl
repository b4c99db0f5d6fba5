# script/demo in a new checkout: it shows all of its steps, checks their facts, leaves no
# server, and fails if a fact is wrong.
#
# Duration: 50 s

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
my $temporary = "$directory/tmp";
my $story = "$checkout/script/demo.d/story.sh";

# (exit status, output)
sub demo
{
	my (@arguments) = @_;
	my $output = '';

	local $ENV{TMPDIR} = $temporary;
	IPC::Run::run([ "$checkout/script/demo", @arguments ], '<', \undef, '>', \$output, '2>', \$output,
		init => sub { chdir $checkout or die "$checkout: $!" },
		IPC::Run::timeout(3 * $PostgreSQL::Test::Utils::timeout_default));
	return ($? >> 8, $output);
}

mkdir $_ or die "cannot make $_: $!" for $checkout, $temporary;
IPC::Run::run([ 'tar', '-C', $root, '--exclude=./build', '--exclude=./.git', '--exclude=tmp_check*', '--exclude=node_modules', '-cf', '-', '.' ], '|', [ 'tar', '-C', $checkout, '-xf', '-' ])
  or die 'cannot copy the checkout';
delete @ENV{qw(CI SITE TERM)};

my $missing = '';
IPC::Run::run([ "$checkout/script/setup" ], '<', \undef, '>', \$missing, '2>', \$missing) or plan skip_all => "script/setup: $missing";

my @steps = map { /^\tstep (['"])(.*)\1$/ ? $2 : () } split /\n/, slurp_file($story);
my @facts = slurp_file($story) =~ /^\s+expect(?:_match)? '/mg;
my ($status, $output) = demo();

is($status, 0, 'the demo succeeds') or diag($output);
cmp_ok(scalar @steps, '>=', 10, 'the story has steps');
is_deeply([ $output =~ /^ ?\d+\. (.*)$/mg ], \@steps, 'it shows all of them, in their order');
cmp_ok(scalar(() = $output =~ /^    ok  \S/mg), '>=', scalar @facts, 'it checks each fact');
like($output, qr/^That was it: ${\ scalar @steps} steps, and every "ok" was checked\.$/m, 'it says so at the end');
like($output, qr/^    demo=# SELECT /m, 'it shows the SQL');
like($output, qr/^ +sub +[0-9a-f]{8}-[0-9a-f]{4}-7/m, '... and real results');
unlike($output, qr/\e\[|^not ok|ERROR: .*(?:syntax|does not exist)|: command not found|unbound variable/m, 'it has no colours without a terminal, and no accident');
is(join(' ', glob "$temporary/*"), '', 'no server and no file is left');

# A fact that is wrong
my $changed = slurp_file($story);
ok($changed =~ s/(expect 'the application has its client_id') notes /$1 another /, 'the first fact can be changed');
unlink $story or die "cannot remove $story: $!";
append_to_file($story, $changed);
($status, $output) = demo();
isnt($status, 0, 'with a wrong fact, the demo fails');
like($output, qr/the application has its client_id/, '... and names the fact');
unlike($output, qr/That was it/, '... and stops');
is(join(' ', glob "$temporary/*"), '', '... and cleans up');

($status, $output) = demo('--unknown');
is($status, 2, 'an unknown option is refused');
like($output, qr{script/demo --stop DIR}, '... with the usage');

done_testing();
