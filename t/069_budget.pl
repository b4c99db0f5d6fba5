# Test the cost of each operation by counts that are the same on every machine:
# statements, buffers, and octets of WAL. The budget is at the end of this file.
# If you make an operation cheaper, lower its budget.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Device;
use JSON::PP ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $calls = 20;
my $node = PostgreSQL::Test::Cluster->new('main');

$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->append_conf('postgresql.conf', <<'CONF');
fsync = off
autovacuum = off
full_page_writes = off
shared_preload_libraries = 'pg_stat_statements, anon_auth'
pg_stat_statements.track = all
CONF
$node->start;

sub query { return $node->safe_psql('postgres', $_[0]) }

query(<<'SQL');
CREATE EXTENSION pg_stat_statements;
CREATE EXTENSION anon_auth;
SELECT anon_auth.create_client('app', 'native');
UPDATE anon_auth.settings SET password_hash_memory_kib = 8192, password_hash_passes = 1;
CREATE TABLE request (i integer PRIMARY KEY, jwt text);
CREATE TABLE guest (i integer PRIMARY KEY, refresh_token text, access_token text);
CREATE TABLE challenge (i integer, token text);
SQL

# One device for each call, and one for the call that warms up the caches.
my @devices = map { AnonAuth::Device->new(alg => 'ES256') } 0 .. $calls;

sub prepare_requests
{
	my ($with_jwk) = @_;
	my @challenges = split /\n/, query("SELECT c.token FROM generate_series(0, $calls), LATERAL anon_auth.create_challenge() AS c");

	query('TRUNCATE request');
	query(join '', map {
		"INSERT INTO request VALUES ($_, '" . $devices[$_]->request(challenge => $challenges[$_], with_jwk => $with_jwk) . "');\n"
	} 0 .. $calls);
}

sub prepare_guests
{
	query("TRUNCATE guest; INSERT INTO guest SELECT i, r.refresh_token, r.access_token
		FROM generate_series(0, $calls) AS i, LATERAL anon_auth.authenticate_anonymously(concat('app', left(i::text, 0))) AS r");
}

# Each operation is called once to create its plans, then measured.
my @operations = (
	[ 'sign-up with a key', sub { prepare_requests(1) }, "anon_auth.authenticate_anonymously('app', (SELECT jwt FROM request WHERE i = %d))" ],
	[ 'login with a key', sub { prepare_requests(0) }, "anon_auth.authenticate_anonymously('app', (SELECT jwt FROM request WHERE i = %d))" ],
	[ 'sign-up without a key', undef, "anon_auth.authenticate_anonymously('app') WHERE %d >= 0" ],
	[ 'refresh', \&prepare_guests, "anon_auth.refresh_session('app', (SELECT refresh_token FROM guest WHERE i = %d))" ],
	[ 'userinfo', undef, "anon_auth.userinfo((SELECT access_token FROM guest WHERE i = %d))" ],
	[ 'verify_jwt', undef, "anon_auth.verify_jwt((SELECT access_token FROM guest WHERE i = %d))" ],
	[   'promotion', undef,
		"anon_auth.promote_anonymous_user('app', email => 'budget%1\$d\@example.com', password => 'correct horse', refresh_token => (SELECT refresh_token FROM guest WHERE i = %1\$d))" ],
	[ 'login with a password', undef, "anon_auth.authenticate('app', 'budget%d\@example.com', 'correct horse')" ],
	[ 'revoke', \&prepare_guests, "anon_auth.revoke((SELECT refresh_token FROM guest WHERE i = %d))" ],
	[ 'create_challenge', undef, "anon_auth.create_challenge() WHERE %d >= 0" ],
	[ 'uid', undef, "anon_auth.uid() WHERE %d >= 0" ]);

# Statements, buffers and octets of WAL for one call, rounded up.
sub cost
{
	my ($call) = @_;
	my $counts = query(join '', sprintf("SELECT $call \\g /dev/null\n", 0),
		"SELECT pg_stat_statements_reset() \\g /dev/null\n",
		map({ sprintf "SELECT $call \\g /dev/null\n", $_ } 1 .. $calls),
		"SELECT ceil(sum(calls) FILTER (WHERE NOT toplevel)::numeric / $calls),
			ceil(sum(shared_blks_hit + shared_blks_read) FILTER (WHERE toplevel) / $calls),
			ceil(sum(wal_bytes) FILTER (WHERE toplevel) / $calls)
		FROM pg_stat_statements WHERE query NOT LIKE '%pg_stat_statements%'");

	return map { $_ eq '' ? 0 : $_ } split /\|/, $counts;
}

my %budget = map { /^(.*?)\s+(\d+)\s+(\d+)\s+(\d+)$/ ? ($1 => [ $2, $3, $4 ]) : () } <DATA>;

for my $operation (@operations)
{
	my ($name, $prepare, $call) = @$operation;
	my ($statements, $buffers, $wal);

	$prepare->() if $prepare;
	($statements, $buffers, $wal) = cost($call);
	note sprintf '%-24s %3d %5d %6d', $name, $statements, $buffers, $wal;
	is($statements, $budget{$name}[0], "$name runs $statements statements");
	cmp_ok($buffers, '<=', $budget{$name}[1], "$name touches no more buffers than its budget");
	cmp_ok($wal, '<=', $budget{$name}[2], "$name writes no more WAL than its budget");
}
is_deeply([ sort keys %budget ], [ sort map { $_->[0] } @operations ], 'each operation has a budget');

done_testing();

# Statements include PostgreSQL's own for foreign keys, and are exact.  Buffers
# and WAL have a tenth in reserve, for other versions of PostgreSQL and the
# sizes of page that keys happen to fill.
#
# operation       statements buffers    WAL
__DATA__
sign-up with a key         11      39   1730
login with a key            9      35   1050
sign-up without a key       7      22   1080
refresh                     4      15    170
userinfo                    6      17      0
verify_jwt                  2       6      0
promotion                  17      62   1860
login with a password      12      33    880
revoke                      4      31    680
create_challenge            1       2      0
uid                         0       0      0
