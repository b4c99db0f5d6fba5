package AnonAuth::Citus;

# A Citus cluster on this machine: a coordinator and workers, connected through
# their Unix-domain sockets, with the extension and one master key.

use strict;
use warnings;

use Exporter 'import';
use File::Copy qw(copy);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT_OK = qw(citus_missing add_node start_cluster use_same_master_key);

# The reason that no cluster can be started, or undef.
sub citus_missing
{
	my $pg_config = $ENV{PG_CONFIG} // 'pg_config';
	chomp(my $directory = `$pg_config --pkglibdir`);

	return -f "$directory/citus.so" ? undef : 'Citus is not installed for this PostgreSQL';
}

sub start_node
{
	my ($name) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
	$node->append_conf('postgresql.conf', <<'CONF');
shared_preload_libraries = 'citus, anon_auth'
max_prepared_transactions = 100
max_connections = 100
citus.node_conninfo = 'sslmode=disable'
citus.enable_statistics_collection = off
citus.max_adaptive_executor_pool_size = 4
citus.multi_shard_modify_mode = 'sequential'
CONF
	$node->append_conf('postgresql.conf', sprintf "citus.local_hostname = '%s'", $node->host);
	$node->start;
	$node->safe_psql('postgres', 'CREATE EXTENSION citus');
	# The extension's functions connect to other nodes as the owner of the
	# extension.
	$node->safe_psql('postgres', 'SET citus.enable_ddl_propagation = off; CREATE ROLE anon_auth_owner LOGIN');
	return $node;
}

sub use_same_master_key
{
	my ($from, @to) = @_;

	for my $node (@to)
	{
		my $file = $node->data_dir . '/anon_auth.master_key';

		copy($from->data_dir . '/anon_auth.master_key', $file) or die "$file: $!";
		chmod 0600, $file;
	}
}

# Starts another worker and adds it to the coordinator's metadata.
sub add_node
{
	my ($coordinator, $name) = @_;
	my $node = start_node($name);

	$coordinator->safe_psql('postgres', sprintf "SELECT citus_add_node('%s', %d)", $node->host, $node->port);
	return $node;
}

# Starts a cluster and returns (coordinator, workers...). All nodes have the
# extension; its tables are not distributed.
sub start_cluster
{
	my ($name, $workers) = @_;
	my $coordinator = start_node("${name}_coordinator");

	$coordinator->safe_psql('postgres', sprintf "SELECT citus_set_coordinator_host('%s', %d)", $coordinator->host, $coordinator->port);
	my @workers = map { add_node($coordinator, "${name}_worker_$_") } 1 .. $workers;
	$coordinator->safe_psql('postgres', 'CREATE EXTENSION anon_auth; CREATE EXTENSION anon_auth_http; CREATE EXTENSION anon_auth_citus; SELECT anon_auth.create_challenge()');
	use_same_master_key($coordinator, @workers);
	return ($coordinator, @workers);
}

1;
