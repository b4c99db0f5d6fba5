# Each connection keeps the rows of settings, clients and signing_keys until they
# change: whichever way they change, the next statement of every connection sees it.
# (t/046_long_statements.pl has statements that are running.)

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Connection;
use AnonAuth::Device qw(call sql_literal);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $primary = PostgreSQL::Test::Cluster->new('primary');
$primary->init(extra => [ '--no-locale', '--encoding=UTF8' ], allows_streaming => 'logical');
$primary->append_conf('postgresql.conf', "fsync = off\nmax_prepared_transactions = 2");
$primary->start;
$primary->safe_psql('postgres', q{CREATE EXTENSION anon_auth; SELECT anon_auth.create_client('app', 'native')});
my $token = sql_literal(call($primary, 'authenticate_anonymously', client_id => 'app')->{access_token});
my $claims = sql_literal($primary->safe_psql('postgres', "SELECT anon_auth.verify_jwt($token)"));
$primary->backup('taken');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'taken', has_streaming => 1);
$standby->start;

sub change { return $primary->safe_psql('postgres', join ';', @_); }

# What a connection says of each table: whether settings.trust_request_claims is on, the
# lifetime of the client's tokens, and whether the signing key verifies.
my %probes = (
	settings => 'SELECT anon_auth.uid() IS NOT NULL',
	clients => q{SELECT expires_in FROM anon_auth.authenticate_anonymously('app')},
	signing_keys => "SELECT anon_auth.verify_jwt($token) IS NOT NULL");

sub connection
{
	my ($node, $database) = @_;
	my $connection = AnonAuth::Connection->new($node, $database);

	$connection->query("SET request.jwt.claims = $claims");
	return $connection;
}

# The probe's value, or the SQLSTATE of its error.
sub seen_by
{
	my ($connection, $table) = @_;

	$connection->begin("\\set VERBOSITY sqlstate\n$probes{$table};");
	my ($output, $errors) = @{ $connection->end };
	return $errors =~ /ERROR:  (\w+)/ ? $1 : $output;
}

sub trust { return 'UPDATE anon_auth.settings SET trust_request_claims = ' . ($_[0] ? 'true' : 'false'); }
sub lifetime { return "UPDATE anon_auth.clients SET access_token_lifetime_seconds = $_[0]"; }

my $reader = connection($primary);
my $reading = connection($standby);

is(seen_by($reader, 'settings'), 'f', 'a connection keeps the settings');
is(seen_by($reader, 'clients'), 1800, 'a connection keeps the client');
is(seen_by($reader, 'signing_keys'), 't', 'a connection keeps the signing key');
is(seen_by($reading, $_), $_ eq 'settings' ? 'f' : 't', "a connection to a standby keeps $_") for qw(settings signing_keys);

# ---------------------------------------------------------------------------
# Another connection commits
# ---------------------------------------------------------------------------

change(trust(1), lifetime(900));
is(seen_by($reader, 'settings'), 't', 'the next statement sees a committed change of settings');
is(seen_by($reader, 'clients'), 900, 'the next statement sees a committed change of a client');
$primary->wait_for_catchup($standby);
is(seen_by($reading, 'settings'), 't', 'a standby sees a change that it has replayed');

my $writer = connection($primary);
$writer->query('BEGIN; ' . trust(0));
is(seen_by($reader, 'settings'), 't', 'a change is not seen before it is committed');
$writer->query('ROLLBACK');
is(seen_by($reader, 'settings'), 't', 'a change that was rolled back is not seen');
is(seen_by($writer, 'settings'), 't', 'nor by the connection that rolled it back');

# ---------------------------------------------------------------------------
# The connection itself changes a row
# ---------------------------------------------------------------------------

$reader->query('BEGIN; ' . trust(0));
is(seen_by($reader, 'settings'), 'f', 'a transaction sees its own change');
$reader->query('SAVEPOINT s; ' . trust(1));
is(seen_by($reader, 'settings'), 't', 'a transaction sees the change after a savepoint');
$reader->query('ROLLBACK TO s');
is(seen_by($reader, 'settings'), 'f', 'ROLLBACK TO brings back the row of before');
$reader->query('ROLLBACK');
is(seen_by($reader, 'settings'), 't', 'ROLLBACK brings back the row of before');
is($reader->query('DO $$ BEGIN ' . lifetime(600) . q{; PERFORM set_config('app.seen', expires_in::text, false) FROM anon_auth.authenticate_anonymously('app'); END $$; SELECT current_setting('app.seen')}),
	600, 'a statement sees what an earlier command of it has changed');

$reader->query('BEGIN; ' . trust(0) . q{; PREPARE TRANSACTION 'settings'});
is(seen_by($reader, 'settings'), 't', 'PREPARE TRANSACTION takes the change away from its connection');
change(q{COMMIT PREPARED 'settings'});
is(seen_by($_->[0], 'settings'), 'f', "COMMIT PREPARED by another connection is seen by $_->[1]") for [ $reader, 'the first one' ], [ $writer, 'a third one' ];

# A function of the command that changes a row reads it before the trigger tells of the
# change, and then the command fails. The row is visible once the command has run another.
change('CREATE FUNCTION public.run_command() RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM count(*) FROM pg_am; END $$');
my %failing = (
	settings => 'UPDATE anon_auth.settings SET trust_request_claims = NOT trust_request_claims',
	clients => 'UPDATE anon_auth.clients SET access_token_lifetime_seconds = 300',
	signing_keys => q{UPDATE anon_auth.signing_keys SET state = 'retired'});
for my $table (sort keys %failing)
{
	my $before = seen_by($reader, $table);
	my $fresh = connection($primary);
	my $command = "$failing{$table} RETURNING public.run_command(), ($probes{$table}), 1 / (random() * 0)::integer";

	like($fresh->error($command), qr/division by zero|AA0/, "a change of $table and a call fail in one command");
	is(seen_by($fresh, $table), $before, "after that, the connection has the row of before: $table");
	$fresh->query("DO \$\$ BEGIN BEGIN EXECUTE " . sql_literal($command) . q{; EXCEPTION WHEN OTHERS THEN NULL; END; END $$});
	is(seen_by($fresh, $table), $before, "the same if a block has caught the error: $table");
	$fresh->close;
}

# ---------------------------------------------------------------------------
# Snapshots
# ---------------------------------------------------------------------------

for my $level ('REPEATABLE READ', 'SERIALIZABLE')
{
	my $old = connection($primary);

	change(trust(0));
	$old->query("BEGIN ISOLATION LEVEL $level; SELECT count(*) FROM pg_class");
	change(trust(1));
	is(seen_by($old, 'settings'), 't', "at $level a call sees the row of now, not that of the snapshot");
	$old->query('COMMIT');
	is(seen_by($old, 'settings'), 't', "after a transaction at $level, no old row is kept");
	$old->close;
}

# ---------------------------------------------------------------------------
# Other ways to change rows
# ---------------------------------------------------------------------------

change('SET session_replication_role = replica', trust(0), lifetime(450));
is(seen_by($reader, 'settings'), 'f', 'a change with session_replication_role = replica is seen');
is(seen_by($reader, 'clients'), 450, 'for clients as well');

change('CREATE TABLE kept AS SELECT * FROM anon_auth.settings', 'UPDATE kept SET trust_request_claims = true', 'INSERT INTO anon_auth.settings SELECT * FROM kept');
is(seen_by($reader, 'settings'), 't', 'a row that replaces another is seen');

$writer->query('BEGIN; CREATE TEMPORARY TABLE keys AS SELECT * FROM anon_auth.signing_keys; TRUNCATE anon_auth.signing_keys; SAVEPOINT s');
is(seen_by($writer, 'signing_keys'), 'AA014', 'TRUNCATE is seen by its transaction');
$writer->query('ROLLBACK TO s; COMMIT');
is(seen_by($reader, 'signing_keys'), 'AA014', 'a committed TRUNCATE is seen');
$primary->wait_for_catchup($standby);
is(seen_by($reading, 'signing_keys'), 'AA014', 'a TRUNCATE that was replayed is seen by a standby');
$writer->query('INSERT INTO anon_auth.signing_keys SELECT * FROM keys');
is(seen_by($reader, 'signing_keys'), 't', 'rows that come back are seen');

change('DELETE FROM anon_auth.settings');
is(seen_by($reader, 'settings'), '55000', 'a deleted row is seen');
change('INSERT INTO anon_auth.settings SELECT * FROM kept');
is(seen_by($reader, 'settings'), 't', 'and its return');

# A worker that applies changes fires only row triggers that are ALWAYS enabled.
$primary->safe_psql('postgres', 'CREATE DATABASE copy');
$primary->safe_psql('copy', q{CREATE EXTENSION anon_auth; SELECT anon_auth.create_client('app', 'native')});
change('CREATE PUBLICATION app FOR TABLE anon_auth.clients', q{SELECT pg_create_logical_replication_slot('app', 'pgoutput')});
$primary->safe_psql('copy', sprintf 'CREATE SUBSCRIPTION app CONNECTION %s PUBLICATION app WITH (copy_data = false, create_slot = false)', sql_literal($primary->connstr('postgres')));
my $replica = connection($primary, 'copy');
is(seen_by($replica, 'clients'), 1800, 'the subscriber has its own row at first');
change(lifetime(700));
$primary->poll_query_until('copy', 'SELECT access_token_lifetime_seconds = 700 FROM anon_auth.clients') or die 'the change is not replicated';
is(seen_by($replica, 'clients'), 700, 'a change that logical replication applies is seen');
$primary->safe_psql('copy', 'DROP SUBSCRIPTION app');

# ---------------------------------------------------------------------------
# Time, and the extension itself
# ---------------------------------------------------------------------------

# No row is written when the lead time of the new key is over.
sub signer { return $reader->query(q{SELECT public.jwt_kid(access_token) FROM anon_auth.authenticate_anonymously('app')}); }

$reader->query(q{CREATE FUNCTION public.jwt_kid(token text) RETURNS text LANGUAGE sql AS $$
	SELECT convert_from(decode(rpad(translate(split_part(token, '.', 1), '-_', '+/'), (length(split_part(token, '.', 1)) + 3) / 4 * 4, '='), 'base64'), 'UTF8')::jsonb ->> 'kid' $$});
my $old_kid = signer();
change(q{UPDATE anon_auth.settings SET signing_key_lead_time = '2 s'});
my $new_kid = change('SELECT anon_auth.rotate_signing_key()');
is(signer(), $old_kid, 'during the lead time, the former key signs');
my $deadline = time + $PostgreSQL::Test::Utils::timeout_default;
my $kid;
do { $kid = signer() } until $kid eq $new_kid || time > $deadline;
is($kid, $new_kid, 'then the new key signs, although no row was written');
change("SELECT anon_auth.retire_signing_key('$old_kid')");
is(seen_by($reader, 'signing_keys'), 'AA014', 'a retired key no longer verifies in a connection that kept it');

$reader->query('DROP FUNCTION public.jwt_kid(text)');
change('DROP EXTENSION anon_auth CASCADE', 'CREATE EXTENSION anon_auth', q{SELECT anon_auth.create_client('app', 'native')}, lifetime(350));
is(seen_by($reader, 'settings'), 'f', 'a connection sees the settings of an extension that was created again');
is(seen_by($reader, 'clients'), 350, 'and its clients');
is(seen_by($reader, 'signing_keys'), 'AA014', 'and has no key of the former one');

$_->close for $reader, $writer, $replica, $reading;
$standby->stop;
$primary->stop;
done_testing();
