# Test every pair of operations at every isolation level.
#
# Two transactions run one operation each. Afterwards the tables and the answers
# to both clients must be those of one of the two serial orders, or one
# transaction must fail with an error that allows a retry.
#
# DDL on the application's tables runs beside the operations, too. It must leave
# no row with a foreign key to a missing user, and no row may be lost unless its
# user is deleted.
#
# ANON_AUTH_PAIRS is a regular expression. Only pairs that match it are tried, such as
# "code_promote code_sign_up". The default is all pairs.
#
# AnonAuth::PairModel describes what one operation does, so that the expected
# results are computed, not listed. It also defines the names of users and
# sessions.
#
# Duration: 150 s

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

# The interleavings.  Each says which transaction commits first:
#   late		A has its snapshot, B runs and commits, A runs and commits
#   commit		A runs, B runs as far as it can, A commits, B continues
#   rollback	A runs, B runs as far as it can, A rolls back, B continues
my @interleavings = qw(late commit rollback);

my @on_guest = qw(sign_up_new sign_up_again log_in_with_key log_in refresh refresh_rotating promote promote_with_key
  promote_other merge claim claim_with_key revoke revoke_all disable set_password delete purge rotate_key);
my @on_account = qw(log_in_account refresh_account refresh_rotating_account merge claim claim_with_key revoke_account revoke_all_account
  disable_account set_password_account delete_account purge rotate_key);

# Proofs of addresses and identities, device keys and passkeys, and what users do with their own account: two operations with one code, ID token, address,
# identity or account. The first list of a line runs with itself, and with the second.
my @proofs = (
	[ [qw(code_log_in code_sign_up code_promote code_promote_other password_sign_up)], [] ],
	[ [qw(code_promote)], [qw(promote promote_with_key log_in_with_key revoke disable delete purge)] ],
	[ [qw(reclaim code_promote_claimed log_in_claimant)], [qw(disable_claimant set_password_claimant delete_claimant)] ],
	[ [qw(code_log_in_holder identity_log_in remove_identity)], [qw(identity_log_in_again disable_holder revoke_all_holder delete_holder)] ],
	[ [qw(add_identity identity_promote identity_sign_up)], [qw(remove_identity delete_holder)] ],
	[ [qw(identity_promote)], [qw(promote disable delete)] ],
	[ [qw(change_password remove_address add_address end_own_session end_others schedule_deletion cancel_deletion update_profile export set_roles)],
		[qw(log_in_holder code_log_in_holder identity_log_in remove_identity disable_holder revoke_all_holder delete_holder purge_due)] ],
	[ [qw(add_username import_user)], [qw(promote promote_with_key log_in delete disable_holder delete_holder)] ],
	[ [qw(add_address)], [qw(code_promote code_sign_up password_sign_up code_log_in)] ],
	[ [qw(delete_self)], [qw(promote promote_with_key log_in_with_key refresh revoke disable delete purge merge claim code_promote)] ],
	[ [qw(add_device_key log_in_device_key remove_device_key add_passkey log_in_passkey remove_passkey)],
		[qw(log_in_holder change_password remove_identity end_own_session end_others revoke_all_holder disable_holder delete_holder)] ],
	[ [qw(create_user)], [qw(add_username import_user promote promote_with_key log_in)] ],
	[ [qw(code_merge identity_merge)], [qw(claim remove_identity code_log_in_holder identity_log_in disable_holder delete_holder promote disable delete)] ]);

# DDL on the application's tables, which runs beside every operation on a guest.
my @ddl = qw(add_key drop_key create_table attach_partition detach_partition alter_type);

my %seen;
my @pairs = grep { !$seen{"@$_"}++ } (
	(map { my $first = $_; map { [ $first, $_ ] } @on_guest } @on_guest),
	(map { my $first = $_; map { [ $first, $_ ] } @on_account } @on_account),
	[qw(refresh_no_grace refresh_no_grace)]);
my @proof_pairs = grep { !$seen{"@$_"}++ } map {
	my ($group, $others) = @$_;

	map { my $one = $_; ((map { [ $one, $_ ] } @$group), (map { ([ $one, $_ ], [ $_, $one ]) } @$others)) } @$group
} @proofs;
my @ddl_pairs = map { my $operation = $_; map { ([ $_, $operation ], [ $operation, $_ ]) } @ddl } @on_guest, 'delete_account';

my $wanted = $ENV{ANON_AUTH_PAIRS} // '';
@$_ = grep { "@$_" =~ /$wanted/ } @$_ for \@pairs, \@proof_pairs, \@ddl_pairs;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->append_conf('postgresql.conf', "autovacuum = off\nfsync = off\nmax_connections = 30");
$node->start;

# A worker is a process with its own database, since purge() and
# rotate_signing_key() affect all users. One of the workers merges where the
# others refuse.
my %workers = (merging => [], one => [], two => [], tables => []);
my $turn = 0;
for my $pair (@pairs, @proof_pairs, @ddl_pairs)
{
	my $has_ddl = grep { operation($_)->{ddl} } @$pair;
	my $worker = grep({ /merge$/ } @$pair) ? 'merging' : $has_ddl ? 'tables' : $turn++ % 2 ? 'one' : 'two';

	push @{ $workers{$worker} }, $pair;
}
AnonAuth::PairWorld->prepare($node, $_, $_ eq 'merging' ? 'merge' : 'error', $_ eq 'tables' ? 'cascade' : 'skip') for sort keys %workers;
my %keys;
for my $database (keys %workers)
{
	$keys{$database} = { map { $_ => AnonAuth::Device->new(alg => 'EdDSA') } qw(K N L M p q provider) };
}

# The state of a worker.
my ($control, $first_in, $second_in, $worlds);

sub begin { return "BEGIN ISOLATION LEVEL $_[0]"; }

# Wait until B is done or waits for a lock.
sub wait_for_b
{
	until ($second_in->has_ended)
	{
		return 1 if $control->query("SELECT cardinality(pg_blocking_pids($second_in->{pid})) > 0") eq 't' && !$second_in->has_ended;
		usleep(POLL_MICROSECONDS);
	}
	return 0;
}

# Append the output of a COMMIT to the output before it.
sub commit
{
	my ($connection, $end) = @_;

	$connection->begin('COMMIT;');
	my $committed = $connection->end;
	return [ $end->[0], "$end->[1]$committed->[1]" ];
}

# Run both operations. Returns the answers by session, and which session waited.
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
	# The transaction that committed first names the new users, and one that only logs in
	# to them names none.
	my %operation = (A => $first, B => $second);
	my @order = sort { !$operation{$a}{makes} <=> !$operation{$b}{makes} || $a cmp $b } keys %end;
	my %answers = map { $_ => $worlds->answer($operation{$_}, $_, $end{$_}) } @order;
	for my $session (grep { $answers{$_} =~ /^40/ } keys %answers)
	{
		$worlds->forget($session);
	}
	return (\%answers, $waited);
}

# Return whether a transaction may be told to retry. At READ COMMITTED: never.
# At REPEATABLE READ: if its snapshot is older than the other's commit, and both
# work on the same rows. At SERIALIZABLE: either, if both committed.
sub may_retry
{
	my ($level, $interleaving, $session, @operations) = @_;

	return 0 if $level eq 'READ COMMITTED' || $interleaving eq 'rollback';
	return 1 if $level eq 'SERIALIZABLE';
	return $session eq ($interleaving eq 'late' ? 'A' : 'B') && share_rows(@operations);
}

# Return the serial orders that could explain the result.
sub orders
{
	my ($level, $interleaving, @sessions) = @_;

	return [@sessions] if @sessions < 2;
	# This transaction saw all effects of the other.
	return [qw(B A)] if $interleaving eq 'late' && $level eq 'READ COMMITTED';
	return ([qw(A B)], [qw(B A)]);
}

# A refresh token that was presented in a transaction that rolled back counts as
# used, and so does a code.
sub state_before
{
	my ($interleaving, $first, $second) = @_;
	my $state = initial_state($first, $second);

	return $state if $interleaving ne 'rollback';
	$state->{users}{ $first->{user} }{sessions}{ $first->{session} } = 1 if $first->{strict};
	spend($state, $first);
	return $state;
}

# Mark the code that an operation would use as used.
sub spend
{
	my ($state, $operation) = @_;
	my $code = $operation->{code} // return $state;
	my ($alone) = serial_results($state, 0, [ A => $operation ]);

	$state->{spent}{$code} = 1 if !$alone->[0]{codes}{$code};
	return $state;
}

# Return the problems of one run: a list of strings.
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

	# An operation that must be tried again can have used its code.
	my @used = map { [ $operation{$_} ] } grep { $operation{$_}{code} } @retried;
	for my $spender ([], @used)
	{
		for my $order (orders($level, $interleaving, @sessions))
		{
			my $before = state_before($interleaving, $first, $second);

			spend($before, $_) for @$spender;
			push @expected, map {
				my ($state, $replies) = @$_;
				join("\n", join(', ', map { "$_: $replies->{$_}" } @sessions), describe($state))
			} serial_results($before, $overlaps, map { [ $_ => $operation{$_} ] } @$order);
		}
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
		# The parent stops the server, however the workers end.
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

		is(join("\n", @$problems), '', "$first and $second have the result of a serial order at any isolation level");
	}
	$count{$_} += $result->{count}{$_} // 0 for keys %{ $result->{count} };
}
note("$_: $count{$_}") for sort keys %count;
is($count{runs}, (@pairs + @proof_pairs + @ddl_pairs) * @levels * @interleavings, 'every pair was tried at every isolation level in every order');
cmp_ok($count{waits}, '>', @pairs, 'many transactions waited for each other') if $wanted eq '';
unlike(slurp_file($node->logfile), qr/PANIC|terminated by signal|TRAP:/, 'no backend crashed');

$node->stop;

done_testing();
