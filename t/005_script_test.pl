# script/test runs files of t/ at the same time, reports those that fail or die, and ends
# them when it is interrupted. Here it runs files that need no server.

use strict;
use warnings;

use File::Copy qw(copy);
use FindBin;
use IPC::Run ();
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

my $checkout = PostgreSQL::Test::Utils::tempdir_short();
my $scripts = "$FindBin::Bin/../script";

sub write_script
{
	my ($name, @lines) = @_;

	append_to_file("$checkout/$name", join '', map { "$_\n" } @lines);
	chmod 0755, "$checkout/$name";
	return;
}

mkdir "$checkout/$_" or die "$checkout/$_: $!" for qw(script t);
copy("$scripts/$_", "$checkout/script/$_") or die "$_: $!" for qw(test instrument.sh);
chmod 0755, "$checkout/script/test";
write_script('script/setup', '#!/bin/sh');
# There is nothing to build.
write_script('script/lib.sh',
	"source '$scripts/lib.sh'",
	"ROOT='$checkout'",
	'prepare() { WORK=$ROOT/work SCRATCH=$ROOT/scratch PGBIN=$ROOT PGXS_SRC=$ROOT; mkdir -p "$WORK" "$SCRATCH"; ln -sfn "$ROOT" "$WORK/src"; trap "exit 143" TERM; }',
	'build() { :; }');

my @begin = ('use strict; use warnings; use Test::More; use Time::HiRes qw(sleep);');

# Two tests that wait for each other.
sub meets
{
	my ($own, $other) = @_;

	return (@begin, "open my \$file, '>', '$checkout/$own' or die;",
		"for (1 .. 600) { last if -e '$checkout/$other'; sleep 0.1; }",
		"ok(-e '$checkout/$other', 'the other test runs'); sleep 0.5; unlink '$checkout/$own'; done_testing();");
}
write_script('t/001_ok.pl', @begin, "ok(1, 'a'); ok(1, 'b'); done_testing();");
write_script('t/002_fails.pl', @begin, "ok(1, 'c'); ok(0, 'not so'); done_testing();");
write_script('t/003_dies.pl', @begin, "ok(1, 'd'); kill 'KILL', \$\$;");
write_script('t/004_alone.pl', '# Runs alone: it looks for others.', @begin, "ok(!-e '$checkout/one' && !-e '$checkout/two', 'no other test runs'); done_testing();");
write_script('t/005_no_plan.pl', @begin, "ok(1, 'e'); exit 0;");
write_script('t/006_meets.pl', meets('one', 'two'));
write_script('t/010_kills.pl', @begin, "ok(1, 'g'); kill 'KILL', getppid; done_testing();");
write_script('t/007_skipped.pl', @begin, "plan skip_all => 'the moon is full';");
write_script('t/008_meets.pl', '# Comes early.', '#', '# Duration: 70 s', meets('two', 'one'));
write_script('t/009_early.pl', '# Duration: 100 s', @begin, "ok(1, 'f'); done_testing();");

my ($output, $status) = ('');
{
	local $ENV{TEST_JOBS} = 3;
	IPC::Run::run([ "$checkout/script/test", 'tap' ], '<', \undef, '>', \$output, '2>&1');
	$status = $? >> 8;
}
my @results = $output =~ s/^Failed:.*//msr =~ /^  tap +(\d\S+ +.*)/mg;
is_deeply([ map { s/ +/ /gr } @results ],
	[ '009_early ok', '008_meets ok', '001_ok ok', '002_fails FAILED (1 of 2)', '003_dies FAILED (1 of 2)', '005_no_plan FAILED (1 of 2)', '006_meets ok',
		'007_skipped skipped: the moon is full', '010_kills (ended early) FAILED (1 of 1)', '004_alone ok' ],
	'results are in the order of the start: long tests, the others, and those that run alone') or diag($output);
like($output, qr/^---- \S*002_fails\S*\nnot ok 2 - not so$/m, 'the output of a test that fails is shown');
like($output, qr/^exit status 137$/m, 'the exit status of a test that dies is shown');
like($output, qr/^Failed:\n  tap 002_fails\n  tap 003_dies\n  tap 005_no_plan\n  tap 010_kills \(ended early\)\n9 passed, 4 failed, 1 skipped\Z/m, 'all failures are counted');
is($status, 1, 'the exit status reports the failures');
is_deeply([ sort map { s/^\d+ //r } split /\n/, slurp_file("$checkout/work/tests/durations") ], [ map { "tap $_" } sort grep { $_ ne '010_kills' } map { /^(\S+)/ } @results ],
	'the durations are written');

# Interruption
unlink glob "$checkout/t/*.pl";
write_script("t/00${_}_hangs.pl", @begin, "open my \$file, '>', '$checkout/pid$_' or die; print \$file \$\$; close \$file; sleep 1000;") for 1 .. 3;
$output = '';
my $run = do
{
	local $ENV{TEST_JOBS} = 2;
	IPC::Run::start([ "$checkout/script/test", 'tap' ], '<', \undef, '>', \$output, '2>&1');
};
sub wait_until
{
	my ($condition) = @_;

	for (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
	{
		return 1 if $condition->();
		sleep 0.1;
	}
	return;
}
ok(wait_until(sub { -s "$checkout/pid1" && -s "$checkout/pid2" }), 'two tests run');
$run->signal('TERM');
$run->finish;
is($run->full_result(0) >> 8, 143, 'script/test ends with the status of the signal');
my @pids = map { slurp_file("$checkout/pid$_") } 1, 2;
ok(wait_until(sub { !kill 0, @pids }), 'the tests that ran end with it');
ok(!-e "$checkout/pid3", 'no further test begins');

done_testing();
