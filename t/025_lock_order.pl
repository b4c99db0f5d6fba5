# A promotion that logs in to an account takes its locks in the same order as a claim by
# that account and a merge by an administrator.

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
$node->append_conf('postgresql.conf', "fsync = off\ndeadlock_timeout = 100ms");
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION anon_auth;
SELECT anon_auth.create_client('app', 'native');
UPDATE anon_auth.settings SET password_hash_memory_kib = 8192, password_hash_passes = 1, promotion_conflict = 'merge';
SQL

sub query { return $node->safe_psql('postgres', sprintf $_[0], map { sql_literal($_) } @_[ 1 .. $#_ ]); }

sub signed
{
	my ($device, %options) = @_;

	return sql_literal($device->request(challenge => query('SELECT token FROM anon_auth.create_challenge()'), %options));
}

my ($account, $token) = split /\|/, query(q{SELECT p.sub, p.access_token FROM anon_auth.authenticate_anonymously('app') g,
	anon_auth.promote_anonymous_user('app', username => 'ada', password => 'correct horse', refresh_token => g.refresh_token) p});
my $device = AnonAuth::Device->new(alg => 'ES256');

# Begin a statement, and wait until it waits for a lock.
sub begin_blocked
{
	my ($connection, $statement) = @_;
	my $pid = $connection->query('SELECT pg_backend_pid()');

	$connection->begin("$statement;");
	$node->poll_query_until('postgres', "SELECT cardinality(pg_blocking_pids($pid)) > 0") or die 'the statement does not wait';
}

my %other = (
	'a merge by an administrator' => sub { sprintf q{SELECT * FROM anon_auth.merge_anonymous_user(%s, %s)}, sql_literal($_[0]), sql_literal($account) },
	'a claim' => sub { sprintf q{SELECT * FROM anon_auth.claim_anonymous_user('app', access_token => %s, jwt => %s)}, sql_literal($token), signed($device, action => 'promote') });

for my $what (sort keys %other)
{
	my $guest = query(sprintf q{SELECT sub FROM anon_auth.authenticate_anonymously('app', jwt => %s)}, signed($device, action => 'auth', with_jwk => 1));
	my ($promotion, $merge, $blocker) = map { AnonAuth::Connection->new($node, 'postgres') } 1 .. 3;
	my @errors;

	$blocker->query("BEGIN; SELECT FROM anon_auth.users WHERE id = '$account' FOR UPDATE");
	begin_blocked($merge, $other{$what}->($guest));
	begin_blocked($promotion, sprintf q{SELECT sub FROM anon_auth.promote_anonymous_user('app', username => 'ada', password => 'correct horse', jwt => %s)},
		signed($device, action => 'promote'));
	$blocker->query('COMMIT');
	@errors = map { $_->end->[1] } $promotion, $merge;
	unlike("@errors", qr/deadlock/, "a promotion to the account and $what do not deadlock");
	is((grep { /ERROR/ } @errors), 1, 'the guest is merged once');
	is(query('SELECT count(*) FROM anon_auth.users WHERE id = %s', $guest), 0, 'the guest is part of the account');
	$_->close for $promotion, $merge, $blocker;
}

$node->stop;
done_testing();
