# A device comes back with only the kid of a key that was removed when its guest
# became part of an account. It is told so, and nobody else is.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Device qw(call challenge refusal sql_literal);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->append_conf('postgresql.conf', "autovacuum = off\nfsync = off");
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION anon_auth;
SELECT anon_auth.create_client('app', 'native');
UPDATE anon_auth.settings SET password_hash_memory_kib = 8192, password_hash_passes = 1;
SQL

my $database = 'postgres';

sub query { return $node->safe_psql($database, sprintf $_[0], map { sql_literal($_) } @_[ 1 .. $#_ ]); }

# The server's challenges are read from the current database.
sub signed
{
	my ($device, %options) = @_;

	return $device->request(challenge => query('SELECT token FROM anon_auth.create_challenge()'), %options);
}

# The answer to a request: the sub, or the SQLSTATE.
sub answer
{
	my ($device, %options) = @_;
	my $call = sprintf q{SELECT sub FROM anon_auth.authenticate_anonymously('app', jwt => %s)}, sql_literal(signed($device, %options));
	my ($status, $stdout, $stderr) = $node->psql($database, "\\set VERBOSITY verbose\n$call");

	return $stderr =~ /ERROR:  (\w{5}):/ ? $1 : $stdout;
}

sub promote
{
	my ($device, $username) = @_;

	return query(q{SELECT sub FROM anon_auth.promote_anonymous_user('app', username => %s, password => 'correct horse', jwt => %s)},
		$username, signed($device, action => 'promote'));
}

my $device = AnonAuth::Device->new(alg => 'ES256');
my $guest = answer($device, with_jwk => 1);
is(promote($device, 'ada'), $guest, 'a guest with a device key is promoted');

my $error = refusal($node, 'authenticate_anonymously', client_id => 'app', jwt => signed($device));
is($error->{sqlstate}, 'AA031', 'a request with only the kid of the removed key gets AA031');
is($error->{message}, 'removed device key', 'the message names the removed key');
like($error->{hint}, qr/^Log in to the account\..*"jwk"/, 'the hint says how to go on');
$error = refusal($node, 'promote_anonymous_user', client_id => 'app', username => 'lost', password => 'correct horse',
	jwt => signed($device, action => 'promote', with_jwk => 1));
is($error->{sqlstate}, 'AA031', 'a repeated promotion with the removed key gets AA031, also with the jwk');
is($error->{hint}, 'Log in to the account.', 'the hint of a promotion does not speak of a new guest');
query('SELECT count(*) FROM anon_auth.purge()');
query(q{UPDATE anon_auth.removed_device_keys SET removed_at = removed_at - interval '1 year'});
is(query('SELECT removed_device_keys FROM anon_auth.purge()'), 0, 'purge() keeps the removed keys of accounts');
is(answer($device), 'AA031', 'the key is remembered a year later');

# Others can register and promote keys with the kid.
my @others = map { AnonAuth::Device->new(alg => 'ES256', kid => $device->kid) } 1 .. 6;
answer($others[0], with_jwk => 1);
is(answer($device), 'AA031', 'a guest with another key of the same kid does not hide the removed key');
for my $n (0 .. 4)
{
	answer($others[$n], with_jwk => 1);
	promote($others[$n], "other$n");
}
is(answer($device), 'AA031', 'removed keys of other accounts with the same kid do not hide it');
query('SELECT anon_auth.delete_user(id) FROM anon_auth.users WHERE id <> %s', $guest);

# Only the device itself is told.
my $stranger = AnonAuth::Device->new(alg => 'ES256', kid => $device->kid);
is(answer($stranger), 'AA004', 'another key with the same kid is an unknown one');
is(answer(AnonAuth::Device->new(alg => 'EdDSA', kid => $device->kid)), 'AA004', 'so is a key of another algorithm');

# With its public key the device begins again.
my $second_guest = answer($device, with_jwk => 1);
isnt($second_guest, $guest, 'a request with the jwk of the removed key starts a new guest');
is(answer($device), $second_guest, 'the kid then belongs to the new guest');
query('SELECT anon_auth.delete_user(%s)', $second_guest);
is(answer($device), 'AA031', 'after the deletion of the new guest, the key leads to the account again');

# A copy of the database remembers the key.
query('CREATE DATABASE copy');
$node->command_ok([ 'bash', '-c', 'pg_dump -Fc -f "$1" postgres && pg_restore --exit-on-error -d copy "$1"', 'bash', PostgreSQL::Test::Utils::tempdir() . '/dump' ],
	'a dump is restored');
$database = 'copy';
is(answer($device), 'AA031', 'a restored dump remembers the removed key');
$database = 'postgres';

# The account is forgotten with its deletion. Requests that were used stay used.
query('SELECT anon_auth.delete_user(%s)', $guest);
is(answer($device), 'AA004', 'after the deletion of the account, the key is unknown');
is(query('SELECT count(*) FROM anon_auth.removed_device_keys WHERE num_nonnulls(user_id, alg, jwk) > 0'), 0, 'nothing of the account is kept');

# A merge leads to the account that the guest was merged into.
query(q{UPDATE anon_auth.settings SET promotion_conflict = 'merge'});
$device = AnonAuth::Device->new(alg => 'EdDSA');
my $account = query(q{SELECT p.sub FROM anon_auth.authenticate_anonymously('app') g,
	anon_auth.promote_anonymous_user('app', username => 'eve', password => 'correct horse', refresh_token => g.refresh_token) p});
$guest = answer($device, with_jwk => 1);
is(promote($device, 'eve'), $account, 'a guest with a device key is merged into an account');
is(answer($device), 'AA031', 'after a merge, the kid gets AA031');
is(query('SELECT user_id FROM anon_auth.removed_device_keys WHERE kid = %s', $device->kid), $account, 'the removed key belongs to the account');
$guest = answer($device, with_jwk => 1);
query('SELECT FROM anon_auth.merge_anonymous_user(%s, %s)', $guest, $account);
is(answer($device), 'AA031', 'after a merge by an administrator, the kid gets AA031');
query('SELECT anon_auth.delete_user(%s)', $account);
is(answer($device), 'AA004', 'the key is forgotten with that account');

# Purged guests had no account.
$guest = answer($device, with_jwk => 1);
query(q{UPDATE anon_auth.settings SET guest_retention = '1 day'});
query(q{BEGIN; UPDATE anon_auth.users SET last_seen_at = last_seen_at - interval '1 year', purge_from = purge_from - interval '1 year';
	DELETE FROM anon_auth.sessions; COMMIT});
is(query('SELECT guests FROM anon_auth.purge()'), 1, 'the guest is purged');
is(answer($device), 'AA004', 'the key of a purged guest is unknown');

$node->stop;
done_testing();
