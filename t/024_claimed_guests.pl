# An account claims the guest of a device with a request that the device's key
# signed, and repeats the claim.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Connection;
use AnonAuth::Device qw(sql_literal);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->append_conf('postgresql.conf', "autovacuum = off\nfsync = off\ndeadlock_timeout = 100ms");
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION anon_auth;
SELECT anon_auth.create_client('app', 'native');
SELECT anon_auth.create_client('other', 'native');
UPDATE anon_auth.settings SET password_hash_memory_kib = 8192, password_hash_passes = 1, promotion_conflict = 'merge';
CREATE TABLE notes (user_id uuid REFERENCES anon_auth.users ON DELETE CASCADE);
SQL

my $database = 'postgres';

sub query { return $node->safe_psql($database, sprintf $_[0], map { sql_literal($_) } @_[ 1 .. $#_ ]); }

sub signed
{
	my ($device, %options) = @_;

	return $device->request(challenge => query('SELECT token FROM anon_auth.create_challenge()'), action => 'promote', %options);
}

sub account
{
	my ($username) = @_;
	my ($sub, $token) = split /\|/, query(q{SELECT p.sub, p.access_token FROM anon_auth.authenticate_anonymously('app') g,
		anon_auth.promote_anonymous_user('app', username => %s, password => 'correct horse', refresh_token => g.refresh_token) p}, $username);

	return { sub => $sub, token => $token };
}

# A new guest of the device, with a row of the application.
sub guest
{
	my ($device) = @_;
	my $sub = query(q{SELECT sub FROM anon_auth.authenticate_anonymously('app', jwt => %s)}, signed($device, action => 'auth', with_jwk => 1));

	query('INSERT INTO notes VALUES (%s)', $sub);
	return $sub;
}

sub claim_statement
{
	my ($account, $jwt, $more) = @_;

	return sprintf q{SELECT table_name || ' ' || rows FROM anon_auth.claim_anonymous_user('app', access_token => %s, jwt => %s%s)},
	  sql_literal($account->{token}), sql_literal($jwt), $more // '';
}

# The result: the rows, or the SQLSTATE.
sub claim
{
	my ($status, $stdout, $stderr) = $node->psql($database, "\\set VERBOSITY verbose\n" . claim_statement(@_));

	query('SELECT anon_auth.reset_counters()');
	return $stderr =~ /ERROR:  (\w{5}):/ ? $1 : $stdout;
}

my $ada = account('ada');
my $bob = account('bob');
my $device = AnonAuth::Device->new(alg => 'ES256');
my $guest = guest($device);

# The request that was signed for a login cannot claim the guest, and nobody
# else's key can.
is(claim($ada, signed($device, action => 'auth')), 'AA003', 'a request with action auth is refused');
my $stranger = AnonAuth::Device->new(alg => 'ES256', kid => $device->kid);
is(claim($ada, signed($stranger)), 'AA003', "the request of another key with this kid is refused");
is(claim($ada, signed(AnonAuth::Device->new(alg => 'ES256'))), 'AA004', 'the request of an unknown key is refused');
is(claim($ada, signed(AnonAuth::Device->new(alg => 'ES256'), with_jwk => 1)), 'AA004', 'an unknown key does not sign up by a claim');
my $wrong_client = claim_statement($ada, signed($device)) =~ s/'app'/'other'/r;
like(($node->psql($database, "\\set VERBOSITY verbose\n$wrong_client"))[2], qr/AA014/, 'the access token of another client is refused');

# A dry run and an error leave the request unused.
my $request = signed($device);
is(claim($ada, $request, ', dry_run => true'), 'notes 1', 'a dry run reports the rows');
is(claim($ada, $request, ', dry_run => true'), 'notes 1', 'a dry run does not use up the challenge');
query(q{ALTER TABLE notes ADD CONSTRAINT one UNIQUE (user_id)});
query('INSERT INTO notes VALUES (%s)', $ada->{sub});
is(claim($ada, $request), 'AA021', 'a table refuses');
query(q{ALTER TABLE notes DROP CONSTRAINT one});
is(claim($ada, $request), 'notes 1', 'the same request is accepted afterwards');
is(query('SELECT count(*) FROM notes WHERE user_id = %s', $ada->{sub}), 2, 'the row belongs to the account');
is(query('SELECT count(*) FROM anon_auth.users WHERE id = %s', $guest), 0, 'the guest is gone');
is(query('SELECT user_id FROM anon_auth.removed_device_keys WHERE kid = %s', $device->kid), $ada->{sub}, 'the removed key belongs to the account');

# Repeats.
is(claim($ada, $request), '', 'the same request again returns no rows');
is(claim($ada, signed($device)), '', 'so does a new request');
is(claim($ada, signed($device, with_jwk => 1)), '', 'so does a request with the jwk');
is(claim($ada, $request, ', dry_run => true'), '', 'so does a dry run');
is(claim($ada, signed($device, action => 'auth')), 'AA003', 'a repeat needs the action promote');
is(claim($ada, signed($device, payload => { challenge => 'x' })), 'AA005', 'a repeat needs a valid challenge');
is(claim($bob, $request), 'AA031', 'another account gets the error of a removed key');
is(claim($bob, signed($device, with_jwk => 1)), 'AA031', 'also with the jwk');
is(claim($_->[0], signed($stranger)), 'AA004', "$_->[1] who knows the kid gets the error of an unknown key") for [ $ada, 'the account' ], [ $bob, 'another account' ];
query(q{UPDATE anon_auth.merged_guests SET merged_at = merged_at - interval '1 year'; SELECT FROM anon_auth.purge()});
is(claim($ada, signed($device)), '', 'a device is told a year later, too');

# A copy of the request cannot claim the next guest of the device.
my $second = guest($device);
is(claim($bob, $request), 'AA005', 'a request that has claimed a guest cannot claim the next guest of its key');
is(claim($ada, $request), 'AA005', 'not even for the same account');
is(claim($bob, signed($device)), 'notes 1', 'a new request can');
is(claim($ada, signed($device)), 'AA031', 'the key now belongs to the other account');

# A guest that was promoted is part of its own account only.
$device = AnonAuth::Device->new(alg => 'EdDSA');
$guest = guest($device);
my $carl = { sub => $guest, token => query(q{SELECT access_token FROM anon_auth.promote_anonymous_user('app', username => 'carl', password => 'correct horse', jwt => %s)}, signed($device)) };
is(claim($ada, signed($device)), 'AA031', 'an account cannot claim a guest that was promoted');
is(claim($carl, signed($device)), '', 'for the promoted account itself, there is nothing to claim');

# A merge by promotion is remembered.
guest($device);
query(q{SELECT sub FROM anon_auth.promote_anonymous_user('app', username => 'bob', password => 'correct horse', jwt => %s)}, signed($device));
is(claim($bob, signed($device)), '', 'a claim after a promotion that merged the guest returns no rows');

# A disabled guest.
$guest = guest($device);
query('SELECT anon_auth.disable_user(%s)', $guest);
is(claim($ada, signed($device)), 'AA007', 'a disabled guest cannot be claimed');
query('SELECT anon_auth.enable_user(%s)', $guest);

# A restored dump answers a repeat as the original does.
is(claim($ada, $request = signed($device)), 'notes 1', 'an enabled guest can be claimed');
my $keyless = query(q{SELECT refresh_token FROM anon_auth.authenticate_anonymously('app')});
my $by_token = sprintf q{SELECT count(*) FROM anon_auth.claim_anonymous_user('app', access_token => %s, refresh_token => %s)}, map { sql_literal($_) } $ada->{token}, $keyless;
is(query($by_token =~ s/%/%%/gr), 1, 'a guest without a device key can be claimed');
query('CREATE DATABASE copy');
$node->command_ok([ 'bash', '-c', 'pg_dump -Fc -f "$1" postgres && pg_restore --exit-on-error -d copy "$1"', 'bash', PostgreSQL::Test::Utils::tempdir() . '/dump' ],
	'a dump is restored');
$database = 'copy';
is(query($by_token =~ s/%/%%/gr), 0, 'a restored dump remembers the merge');
is(claim($ada, $request), '', 'also by the device key');
$database = 'postgres';

# The account is forgotten with its deletion.
query('SELECT anon_auth.delete_user(%s)', $ada->{sub});
is(query('SELECT count(*) FROM anon_auth.merged_guests WHERE user_id = %s', $ada->{sub}), 0, 'the deletion of the account forgets its guests');

# Two claims of one guest with the same request: one account gets it.
for my $order ([ $bob, $carl ], [ $carl, $bob ])
{
	guest($device);
	$request = signed($device);
	my @connections = map { AnonAuth::Connection->new($node, 'postgres') } 1, 2;
	$_->query("\\set VERBOSITY verbose\n") for @connections;
	$connections[0]->begin('BEGIN; ' . claim_statement($order->[0], $request) . ';');
	is($connections[0]->end->[0], 'notes 1', 'the first account claims the guest');
	$connections[1]->begin(claim_statement($order->[1], $request) . ';');
	my $pid = query(q{SELECT pid FROM pg_stat_activity WHERE query LIKE '%%claim_anonymous_user%%' AND state = 'active' AND pid <> pg_backend_pid()});
	ok($node->poll_query_until('postgres', "SELECT cardinality(pg_blocking_pids($pid)) > 0"), 'the second account waits');
	$connections[0]->query('COMMIT');
	like($connections[1]->end->[1], qr/ERROR:  AA031:/, 'the second account gets the error of a removed key');
	$_->close for @connections;
}

$node->stop;
done_testing();
