# Every operation against every other, at every isolation level: what two
# transactions leave in the tables, and what they have told their callers, is
# what one after the other would have, or one of them is told to try again.
#
# Beside DDL on the application's tables no row is left that refers to nobody by a
# foreign key, and none is lost unless its user is deleted.
#
# What an operation does alone is written down in AnonAuth::PairModel, so that
# "right" is computed and not a list of 1000 expectations.  See there for the
# names of users and sessions.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Connection;
use AnonAuth::Device qw(sql_literal);
use AnonAuth::PairModel qw(initial_state describe operation serial_results share_rows);
use AnonAuth::PairWorld;
use JSON::PP ();
use POSIX ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

use constant POLL_MICROSECONDS => 2000;

my @levels = ('READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE');

# Which of two transactions commits first, and what it does to the other:
#   late		A has its snapshot, B runs and commits, A runs and commits
#   commit		A runs, B runs as far as it can, A commits, B goes on
#   rollback	A runs, B runs as far as it can, A rolls back, B goes on
my @interleavings = qw(late commit rollback);

my @on_guest = qw(sign_up_new sign_up_again log_in_with_key log_in refresh refresh_rotating promote promote_with_key
  promote_other merge revoke revoke_all disable delete purge rotate_key);
my @on_account = qw(log_in_account refresh_account refresh_rotating_account merge revoke_account revoke_all_account
  disable_account delete_account purge rotate_key);

# DDL on the application's tables, beside every operation on a guest.
my @ddl = qw(add_key drop_key create_table attach_partition detach_partition alter_type);

my %seen;
my @pairs = grep { !$seen{"@$_"}++ } (
	(map { my $first = $_; map { [ $first, $_ ] } @on_guest } @on_guest),
	(map { my $first = $_; map { [ $first, $_ ] } @on_account } @on_account),
	[qw(refresh_no_grace refresh_no_grace)]);
my @ddl_pairs = map { my $operation = $_; map { ([ $_, $operation ], [ $operation, $_ ]) } @ddl } @on_guest, 'delete_account';

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->append_conf('postgresql.conf', "autovacuum = off\nfsync = off\nmax_connections = 30");
$node->start;

# A worker is a process with a database of its own, since purge() and
# rotate_signing_key() work on everybody; one of them merges where others refuse.
my %workers = (merging => [], one => [], two => [], tables => []);
my $turn = 0;
for my $pair (@pairs, @ddl_pairs)
{
	my $has_ddl = grep { operation($_)->{ddl} } @$pair;
	my $worker = grep({ $_ eq 'merge' } @$pair) ? 'merging' : $has_ddl ? 'tables' : $turn++ % 2 ? 'one' : 'two';

	push @{ $workers{$worker} }, $pair;
}
AnonAuth::PairWorld->prepare($node, $_, $_ eq 'merging' ? 'merge' : 'error', $_ eq 'tables' ? 'cascade' : 'skip') for sort keys %workers;
my %keys;
for my $database (keys %workers)
{
	$keys{$database} = { map { $_ => AnonAuth::Device->new(alg => 'EdDSA') } qw(K N) };
}

# What a worker holds.
my ($control, $first_in, $second_in, $worlds);

sub begin { return "BEGIN ISOLATION LEVEL $_[0]"; }

# Until B is done or waits for somebody.
sub wait_for_b
{
	until ($second_in->has_ended)
	{
		return 1 if $control->query("SELECT cardinality(pg_blocking_pids($second_in->{pid})) > 0") eq 't' && !$second_in->has_ended;
		usleep(POLL_MICROSECONDS);
	}
	return 0;
}

# Adds what a COMMIT says to what was said before.
sub commit
{
	my ($connection, $end) = @_;

	$connection->begin('COMMIT;');
	my $committed = $connection->end;
	return [ $end->[0], "$end->[1]$committed->[1]" ];
}

# Runs both; returns the answers by session, and who has waited.
sub run
{
	my ($level, $interleaving, $first, $second) = @_;
	my $statement_a = $worlds->statement($first, 'A') . ';';
	my $script_b = begin($level) . ";\n" . $worlds->statement($second, 'B') . ";\nCOMMIT;";
	my (%end, $waited);

	if ($interleaving eq 'late')
	{
		$first_in->query(begin($level) . '; SELECT');
		$second_in->begin($script_b);
		$end{B} = $second_in->end;
		$first_in->begin($statement_a);
		$end{A} = commit($first_in, $first_in->end);
	}
	else
	{
		$first_in->begin(begin($level) . ";\n$statement_a");
		$end{A} = $first_in->end;
		$second_in->begin($script_b);
		$waited = wait_for_b();
		if ($interleaving eq 'commit')
		{
			$end{A} = commit($first_in, $end{A});
		}
		else
		{
			$first_in->query('ROLLBACK');
			delete $end{A};
		}
		$end{B} = $second_in->end;
	}
	# Who has committed first gives names to what is new.
	my %operation = (A => $first, B => $second);
	my %answers = map { $_ => $worlds->answer($operation{$_}, $_, $end{$_}) } sort keys %end;
	for my $session (grep { $answers{$_} =~ /^40/ } keys %answers)
	{
		$worlds->forget($session);
	}
	return (\%answers, $waited);
}

# Whether a transaction may be told to try again: at READ COMMITTED never; at
# REPEATABLE READ who has an older snapshot than the other's commit, and works
# on the same rows; at SERIALIZABLE either, if both have committed.
sub may_retry
{
	my ($level, $interleaving, $session, @operations) = @_;

	return 0 if $level eq 'READ COMMITTED' || $interleaving eq 'rollback';
	return 1 if $level eq 'SERIALIZABLE';
	return $session eq ($interleaving eq 'late' ? 'A' : 'B') && share_rows(@operations);
}

# In which orders what has happened may have happened.
sub orders
{
	my ($level, $interleaving, @sessions) = @_;

	return [@sessions] if @sessions < 2;
	# It has seen all that the other has done.
	return [qw(B A)] if $interleaving eq 'late' && $level eq 'READ COMMITTED';
	return ([qw(A B)], [qw(B A)]);
}

# A refresh token that was presented in a transaction that rolled back is used.
sub state_before
{
	my ($interleaving, $first, $second) = @_;
	my $state = initial_state($first, $second);

	$state->{users}{ $first->{user} }{sessions}{ $first->{session} } = 1 if $interleaving eq 'rollback' && $first->{strict};
	return $state;
}

# What is wrong after one run: a list of strings.
sub problems
{
	my ($level, $interleaving, $first, $second, $count) = @_;
	my %operation = (A => $first, B => $second);

	$worlds->begin($first, $second);
	my ($answers, $waited) = run($level, $interleaving, $first, $second);
	my ($found, @problems) = $worlds->describe;
	my @retried = grep { $answers->{$_} =~ /^(?:40001|40P01)$/ } sort keys %$answers;
	my @sessions = grep { $answers->{$_} !~ /^(?:40001|40P01)$/ } sort keys %$answers;
	my $overlaps = $interleaving ne 'late';

	$count->{runs}++;
	$count->{waits}++ if $waited;
	$count->{"retried at $level"}++ if @retried;
	push @problems, map { "$_ is told $answers->{$_}" }
	  grep { $answers->{$_} eq '40P01' || !may_retry($level, $interleaving, $_, $first, $second) } @retried;
	push @problems, 'nobody has got anywhere' if !@sessions;
	push @problems, $worlds->wrong_tokens;

	my $told = join ', ', map { "$_: $answers->{$_}" } @sessions;
	my @expected;
	for my $order (orders($level, $interleaving, @sessions))
	{
		push @expected, map {
			my ($state, $replies) = @$_;
			join("\n", join(', ', map { "$_: $replies->{$_}" } @sessions), describe($state))
		} serial_results(state_before($interleaving, $first, $second), $overlaps, map { [ $_ => $operation{$_} ] } @$order);
	}
	push @problems, "this is left:\n$told\n$found\nwhich is none of:\n" . join("\n--\n", @expected)
	  if !grep { $_ eq "$told\n$found" } @expected;

	return map { "$level, $interleaving: $_" } @problems;
}

sub work
{
	my ($database) = @_;
	my %count;
	my %problems;

	($control, $first_in, $second_in) = map { AnonAuth::Connection->new($node, $database) } 1 .. 3;
	$_->query("\\set VERBOSITY verbose\n") for $first_in, $second_in;
	$second_in->{pid} = $second_in->query('SELECT pg_backend_pid()');
	$worlds = AnonAuth::PairWorld->new($control, $keys{$database});
	for my $pair (@{ $workers{$database} })
	{
		my ($first, $second) = map { operation($_) } @$pair;

		$problems{"@$pair"} = [
			map {
				my $level = $_;
				map { problems($level, $_, $first, $second, \%count) } @interleavings
			} @levels ];
	}
	$_->close for $control, $first_in, $second_in;
	return { problems => \%problems, count => \%count };
}

my %results;
for my $database (sort keys %workers)
{
	my $file = PostgreSQL::Test::Utils::tempdir() . "/$database";
	my $pid = fork // die "cannot fork: $!";

	if ($pid == 0)
	{
		# The parent stops the server, whatever becomes of the workers.
		my $result = eval { work($database) } // { died => $@ };

		PostgreSQL::Test::Utils::append_to_file($file, JSON::PP->new->encode($result));
		POSIX::_exit(0);
	}
	$results{$database} = { pid => $pid, file => $file };
}

my %count;
for my $database (sort keys %workers)
{
	waitpid $results{$database}{pid}, 0;
	my $result = eval { JSON::PP->new->decode(slurp_file($results{$database}{file})) } // { died => "no result: $@" };

	is($result->{died}, undef, "all pairs of database $database were tried");
	for my $pair (@{ $workers{$database} })
	{
		my ($first, $second) = @$pair;
		my $problems = $result->{problems}{"@$pair"} // ['not tried'];

		is(join("\n", @$problems), '', "$first and $second do as one after the other would, at any isolation level");
	}
	$count{$_} += $result->{count}{$_} // 0 for keys %{ $result->{count} };
}
note("$_: $count{$_}") for sort keys %count;
is($count{runs}, (@pairs + @ddl_pairs) * @levels * @interleavings, 'every pair was tried at every isolation level in every order');
cmp_ok($count{waits}, '>', @pairs, '... and many had to wait for each other');
unlike(slurp_file($node->logfile), qr/PANIC|terminated by signal|TRAP:/, 'no backend crashed');

$node->stop;

done_testing();
