# A device key is deleted and signs up again while another transaction still
# sees the old row. The key must belong to the new guest, and used requests must
# stay used.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Connection;
use AnonAuth::Device qw(call challenge sql_literal);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->append_conf('postgresql.conf', "autovacuum = off\nfsync = off");
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION anon_auth');
call($node, 'create_client', client_id => 'app', application_type => 'native');
$node->safe_psql('postgres',
	'UPDATE anon_auth.settings SET password_hash_memory_kib = 8192, password_hash_passes = 1');

my ($one, $other) = map { AnonAuth::Connection->new($node) } 1 .. 2;
my $device = AnonAuth::Device->new(alg => 'EdDSA');

sub sign_up_request { return $device->request(challenge => challenge($node), with_jwk => 1); }

sub sign_up
{
	my ($request) = @_;

	return sprintf q{SELECT sub FROM anon_auth.authenticate_anonymously('app', jwt => %s)}, sql_literal($request);
}

# A request can be used once, even by a transaction whose snapshot is older than
# the first use.
for my $level ('REPEATABLE READ', 'SERIALIZABLE')
{
	for my $removal (
		[ 'deletion', sub { call($node, 'delete_user', user_id => $_[0]{sub}) } ],
		[ 'promotion', sub { call($node, 'promote_anonymous_user', client_id => 'app', email => $_[0]{sub} . '@example.com',
					password => 'correct horse', refresh_token => $_[0]{refresh_token}) } ])
	{
		my ($name, $remove) = @$removal;
		my $request = sign_up_request();

		$one->query("BEGIN ISOLATION LEVEL $level; SELECT");
		$remove->(call($node, 'authenticate_anonymously', client_id => 'app', jwt => $request));
		like($one->error(sign_up($request)), qr/ERROR:  (?:40001|AA005):/,
			"a used sign-up is refused under a snapshot from before the $name of its guest, $level");
		$one->query('ROLLBACK');
		like($one->error(sign_up($request)), qr/ERROR:  AA005:/, "a used sign-up is refused when the transaction is retried after the $name, $level");
	}
	$one->query("BEGIN ISOLATION LEVEL $level; SELECT");
	is($one->error(sign_up(sign_up_request())), '', "a new request of the same key signs up, $level");
	$one->query('ROLLBACK');
}

# delete_user() has found a guest and its key, and waits for the row of the key.
# Meanwhile the guest is promoted and the device signs up again.
my $guest = call($node, 'authenticate_anonymously', client_id => 'app', jwt => sign_up_request());
my $again = sign_up_request();

$one->query('BEGIN; LOCK TABLE anon_auth.device_keys IN SHARE ROW EXCLUSIVE MODE');
my $pid = $other->query('SELECT pg_backend_pid()');
$other->begin(sprintf 'SELECT anon_auth.delete_user(%s);', sql_literal($guest->{sub}));
$node->poll_query_until('postgres', "SELECT cardinality(pg_blocking_pids($pid)) > 0") or die 'the deletion does not wait';
$one->query(sprintf q{SELECT FROM anon_auth.promote_anonymous_user('app', username => 'ada', password => 'correct horse',
	refresh_token => %s)}, sql_literal($guest->{refresh_token}));
my $second_guest = $one->query(sign_up($again));
$one->query('COMMIT');
is_deeply($other->end, [ '', '' ], 'delete_user() deletes a user that was promoted while it waited');
isnt($second_guest, $guest->{sub}, 'the device signs up again as another guest');
is( $node->safe_psql('postgres', 'SELECT user_id FROM anon_auth.device_keys'),
	$second_guest,
	'delete_user() does not delete the key of the new guest');
is(call($node, 'authenticate_anonymously', client_id => 'app', jwt => $device->request(challenge => challenge($node)))->{sub},
	$second_guest, 'the new guest can log in with the key');

$_->close for $one, $other;
$node->stop;

done_testing();
