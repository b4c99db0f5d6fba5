# Measures the cost of calls on distributed tables: see script/bench-citus.

use strict;
use warnings;

use AnonAuth::Citus qw(start_cluster);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my ($rounds, $seconds) = @ARGV;
my $refreshes = 20;
my $directory = PostgreSQL::Test::Utils::tempdir();

my $request = "SELECT device_request(device_key(), token, 'auth', true) AS jwt FROM anon_auth.create_challenge() \\gset\n";
my %scripts = (
	'request' => $request,
	'sign-up with a key' => $request . "SELECT sub FROM anon_auth.authenticate_anonymously('app', :jwt);\n",
	'sign-up' => "SELECT sub FROM anon_auth.authenticate_anonymously('app');\n",
	'refresh' => "SELECT refresh_token AS token FROM anon_auth.authenticate_anonymously('app') \\gset\n" .
		"SELECT sub FROM anon_auth.refresh_session('app', :token);\n" x $refreshes);
append_to_file("$directory/$_.sql", $scripts{$_}) for keys %scripts;

sub make_ready
{
	my ($node) = @_;

	$node->safe_psql('postgres', <<'SQL');
SELECT anon_auth.create_client('app', 'native'), anon_auth.create_signing_key('ES256');
UPDATE anon_auth.settings SET guest_sign_ups_per_minute_per_ip = NULL, event_types = '{}';
SQL
}

# Install the functions that sign as a device does, on each node that clients
# use.
sub add_devices
{
	my ($node, @settings) = @_;

	$node->safe_psql('postgres', join '; ', @settings, 'CREATE SCHEMA bench', 'SET search_path = bench', slurp_file('bench/module.sql'),
		'ALTER DATABASE postgres SET search_path = bench');
}

# Start a cluster: a coordinator and workers.
sub distributed
{
	my ($name, $workers, $entry) = @_;
	my ($coordinator, @workers) = start_cluster("bench_$name", $workers);

	make_ready($coordinator);
	$coordinator->safe_psql('postgres', sprintf "SELECT citus_set_node_property('%s', %d, 'shouldhaveshards', %s)",
		$coordinator->host, $coordinator->port, @workers ? 'false' : 'true');
	$coordinator->safe_psql('postgres', 'SELECT anon_auth.distribute(32)');
	add_devices($_, 'SET citus.enable_ddl_propagation = off') for $coordinator, @workers;
	return ($coordinator, @workers);
}

my $plain = PostgreSQL::Test::Cluster->new('bench_plain');
$plain->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$plain->start;
$plain->safe_psql('postgres', 'CREATE EXTENSION anon_auth');
make_ready($plain);
add_devices($plain);

my @alone = distributed('alone', 0);
my @one = distributed('one', 1);
my @three = distributed('three', 3);
my @cases = (
	[ 'PostgreSQL', [$plain], [$plain] ],
	[ 'Citus, one node', \@alone, \@alone ],
	[ 'coordinator, 1 worker', \@one, [ $one[0] ] ],
	[ 'coordinator, 3 workers', \@three, [ $three[0] ] ],
	[ '1 worker as entry', \@one, [ $one[1] ] ],
	[ '3 workers as entries', \@three, [ @three[ 1 .. 3 ] ] ]);

# Return the processor seconds of a server's processes, including those that
# ended.
sub processor_time
{
	my ($node) = @_;
	my $postmaster = (split /\n/, slurp_file($node->data_dir . '/postmaster.pid'))[0];
	my $ticks = 0;

	for my $pid ($postmaster, split ' ', slurp_file("/proc/$postmaster/task/$postmaster/children"))
	{
		my $stat = eval { slurp_file("/proc/$pid/stat") } or next;
		my @fields = split ' ', $stat =~ s/^.*\) //sr;

		$ticks += $fields[11] + $fields[12] + ($pid == $postmaster ? $fields[13] + $fields[14] : 0);
	}
	return $ticks / 100;
}

# Run transactions of eight clients.  Returns the elapsed time and the processor
# time of all nodes, in microseconds per call.
sub measure
{
	my ($operation, $nodes, $entries) = @_;
	my $clients = 24 / @$entries / 3;
	my $calls = 0;
	my $before = 0;
	my @runs;

	$before += processor_time($_) for @$nodes;
	for my $entry (@$entries)
	{
		my $output = '';
		my $run = IPC::Run::start([ 'pgbench', '-n', '-M', 'prepared', '-T', $seconds, '-c', int($clients + 0.5), '-f', "$directory/$operation.sql",
			'-h', $entry->host, '-p', $entry->port, 'postgres' ], '>', \$output, '2>&1');

		push @runs, [ $run, \$output ];
	}
	for (@runs)
	{
		my ($run, $output) = @$_;

		$run->finish or die $$output;
		$calls += $$output =~ /number of transactions actually processed: (\d+)/ ? $1 : die $$output;
	}
	my $after = 0;
	$after += processor_time($_) for @$nodes;
	return (1e6 * $seconds / $calls, 1e6 * ($after - $before) / $calls);
}

sub median { return (sort { $a <=> $b } @_)[ $#_ / 2 ]; }

my %times;
for my $round (0 .. $rounds)
{
	for my $case (@cases)
	{
		my ($name, $nodes, $entries) = @$case;
		my %run = map { $_ => [ measure($_, $nodes, $entries) ] } sort keys %scripts;
		my %result = (
			'sign-up' => $run{'sign-up'},
			'sign-up with a key' => [ map { $run{'sign-up with a key'}[$_] - $run{request}[$_] } 0, 1 ],
			'refresh' => [ map { ($run{refresh}[$_] - $run{'sign-up'}[$_]) / $refreshes } 0, 1 ]);

		next if $round == 0;
		for my $operation (keys %result)
		{
			push @{ $times{$name}{$operation}[$_] }, $result{$operation}[$_] for 0, 1;
		}
	}
}

# other output goes to a log
my $out = Test::More->builder->output;
print $out sprintf "%-24s %-18s %12s %8s %16s %8s\n", 'nodes', 'call', 'us elapsed', 'ratio', 'us of processors', 'ratio';
for my $case (@cases)
{
	for my $operation ('sign-up', 'sign-up with a key', 'refresh')
	{
		my @mine = map { median(@$_) } @{ $times{ $case->[0] }{$operation} };
		my @base = map { median(@$_) } @{ $times{PostgreSQL}{$operation} };

		print $out sprintf "%-24s %-18s %12.0f %8.2f %16.0f %8.2f\n", $case->[0], $operation, map { ($mine[$_], $mine[$_] / $base[$_]) } 0, 1;
	}
}
