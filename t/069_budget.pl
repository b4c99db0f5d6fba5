# Test the cost of each operation by counts that are the same on every machine:
# statements, buffers, and octets of WAL. The budget is at the end of this file.
# If you make an operation cheaper, lower its budget. ANON_AUTH_STATEMENTS=1 shows the
# statements of each operation in the log.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Authenticator;
use AnonAuth::Device qw(sql_literal);
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
pg_stat_statements.track_planning = on
CONF
$node->start;

sub query { return $node->safe_psql('postgres', $_[0]) }

query(<<'SQL');
CREATE EXTENSION pg_stat_statements;
CREATE EXTENSION anon_auth;
SELECT anon_auth.create_client('app', 'native'), anon_auth.create_client('keyed', 'native', dpop => 'required');
UPDATE anon_auth.settings SET password_hash_memory_kib = 8192, password_hash_passes = 1;
CREATE TABLE request (i integer PRIMARY KEY, jwt text);
CREATE TABLE guest (i integer PRIMARY KEY, refresh_token text, access_token text);
CREATE TABLE challenge (i integer, token text);
CREATE TABLE address_code (i integer PRIMARY KEY, code text);
CREATE TABLE id_token (i integer PRIMARY KEY, token text);
CREATE TABLE account (i integer PRIMARY KEY, access_token text);
CREATE TABLE other_session (i integer PRIMARY KEY, id uuid);
CREATE TABLE passkey_response (i integer PRIMARY KEY, response jsonb);
CREATE TABLE proof (i integer PRIMARY KEY, proof text);
CREATE TABLE written (i integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, total numeric);
UPDATE anon_auth.settings SET guest_sign_ups_per_minute_per_ip = NULL, code_requests_per_minute_per_ip = NULL;
SQL

# Many users, of whom the planner has no statistics, as after an upgrade of the server: a plan that
# looks at all of them exceeds its budget.
query(<<'SQL');
SELECT count(*) FROM generate_series(1, 10000) AS i, LATERAL anon_auth.authenticate_anonymously(concat('app', left(i::text, 0)));
SELECT count(*) FROM generate_series(1, 2000) AS i, LATERAL anon_auth.create_user(email => i || '@many.example');
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

# A code for each address prefix<i>@example.com, asked for by the guests if they are to be
# promoted, or by nobody's proof.
sub prepare_codes
{
	my ($prefix, $of_guests) = @_;
	my $proof = $of_guests ? ', refresh_token => (SELECT refresh_token FROM guest WHERE i = %1$d)' : '';

	query(join '', 'TRUNCATE address_code; DELETE FROM anon_auth.outbox;', map {
		sprintf "SELECT anon_auth.request_login_code('app', '$prefix%1\$d\@example.com'$proof);
			INSERT INTO address_code SELECT %1\$d, code FROM anon_auth.take_outbox_messages();", $_
	} 0 .. $calls);
}

sub address_code { return '(SELECT code FROM address_code WHERE i = %1$d)'; }

# Requests of the devices of accounts: to add their keys, or to log in.
my @account_devices = map { AnonAuth::Device->new(alg => 'ES256') } 0 .. $calls;

sub prepare_account_requests
{
	my ($action) = @_;
	my @challenges = split /\n/, query("SELECT c.token FROM generate_series(0, $calls), LATERAL anon_auth.create_challenge('biometric_request') AS c");

	query(join '', 'TRUNCATE request;', map {
		my $request = $account_devices[$_]->request(challenge => $challenges[$_], action => $action, with_jwk => $action eq 'setup', header => { typ => 'vnd.authgear.biometric-request' });

		"INSERT INTO request VALUES ($_, '$request');\n"
	} 0 .. $calls);
}

sub request { return '(SELECT jwt FROM request WHERE i = %1$d)'; }

# Responses of authenticators: to add their passkeys to the accounts, or to log in.
my @authenticators = map { AnonAuth::Authenticator->new(alg => 'ES256') } 0 .. $calls;

sub prepare_passkeys
{
	my ($options, $respond) = @_;
	my @options = map { JSON::PP->new->utf8->decode($_) } split /\n/, query("SELECT $options FROM account ORDER BY i");

	query(join '', 'TRUNCATE passkey_response;', map {
		"INSERT INTO passkey_response VALUES ($_, " . sql_literal(JSON::PP->new->utf8->encode($authenticators[$_]->$respond($options[$_]))) . ");\n"
	} 0 .. $calls);
}

sub passkey_response { return '(SELECT response FROM passkey_response WHERE i = %1$d)'; }

# Proofs of the devices, for the access tokens of their guests if they are to be shown.
sub prepare_proofs
{
	my ($with_token) = @_;
	my @tokens = $with_token ? split /\n/, query('SELECT access_token FROM guest ORDER BY i') : ();

	query(join '', 'TRUNCATE proof;', map { "INSERT INTO proof VALUES ($_, '" . $devices[$_]->proof(access_token => $tokens[$_]) . "');\n" } 0 .. $calls);
}

sub proof { return '(SELECT proof FROM proof WHERE i = %1$d)'; }

sub prepare_bound_guests
{
	prepare_proofs();
	query(join '', 'TRUNCATE guest;', map { sprintf "INSERT INTO guest SELECT %1\$d, r.refresh_token, r.access_token FROM anon_auth.authenticate_anonymously('keyed', dpop => " . proof() . ') AS r;', $_ } 0 .. $calls);
	prepare_proofs(@_);
}

# The provider of ID tokens. A subject has one token for each preparation.
my $provider = AnonAuth::Device->new(alg => 'ES256');

sub prepare_id_tokens
{
	my @challenges = split /\n/, query("SELECT c.token FROM generate_series(0, $calls), LATERAL anon_auth.create_challenge('id_token') AS c");

	query(join '', 'TRUNCATE id_token;', map {
		my $token = $provider->sign({ alg => 'ES256', kid => $provider->kid },
			{ iss => 'https://accounts.example', aud => 'app.example', sub => "subject $_", nonce => $challenges[$_], iat => time, exp => time + 3600 });

		"INSERT INTO id_token VALUES ($_, '$token');"
	} 0 .. $calls);
}

sub id_token { return '(SELECT token FROM id_token WHERE i = %1$d)'; }

# Accounts for prepare_accounts().
sub make_accounts
{
	query(join '', map { "SELECT anon_auth.create_user(email => '$_[0]$_\@example.com', password => 'correct horse');" } 0 .. $calls);
	return;
}

# The accounts with addresses prefix<i>@example.com, each with a new session.
sub prepare_accounts
{
	my ($prefix) = @_;

	query(join '', 'SELECT anon_auth.reset_counters(); TRUNCATE account;', map {
		"INSERT INTO account SELECT $_, access_token FROM anon_auth.authenticate('app', '$prefix$_\@example.com', 'correct horse');"
	} 0 .. $calls);
}

sub access_token { return '(SELECT access_token FROM account WHERE i = %1$d)'; }

# A code for each account, to add the address added<i>@example.com.
sub prepare_new_addresses
{
	query(join '', 'TRUNCATE address_code; DELETE FROM anon_auth.outbox;', map {
		sprintf "SELECT anon_auth.request_login_id_code('email', 'added%1\$d\@example.com', " . access_token() . ");
			INSERT INTO address_code SELECT %1\$d, code FROM anon_auth.take_outbox_messages() WHERE code IS NOT NULL;", $_
	} 0 .. $calls);
}

# One more session of each account.
sub prepare_other_sessions
{
	my ($prefix) = @_;

	query(join '', 'SELECT anon_auth.reset_counters(); TRUNCATE other_session;', map {
		"INSERT INTO other_session SELECT $_, (anon_auth.verify_jwt(access_token) ->> 'sid')::uuid FROM anon_auth.authenticate('app', '$prefix$_\@example.com', 'correct horse');"
	} 0 .. $calls);
}

query(sprintf "SELECT anon_auth.create_identity_provider('https://accounts.example', '{app.example}', '%s')",
	JSON::PP->new->encode({ keys => [ $provider->jwk ] }));

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
	[ 'uid', undef, "anon_auth.uid() WHERE %d >= 0" ],
	[ 'request of a login code', undef, "anon_auth.request_login_code('app', 'new%d\@example.com')" ],
	[   'request of a guest\'s code', \&prepare_guests,
		"anon_auth.request_login_code('app', 'asked%1\$d\@example.com', refresh_token => (SELECT refresh_token FROM guest WHERE i = %1\$d))" ],
	[   'sign-up with a code', sub { prepare_codes('code') },
		"anon_auth.sign_up('app', email => 'code%1\$d\@example.com', code => " . address_code() . ')' ],
	[   'login with a code', sub { query('SELECT anon_auth.reset_counters()'); prepare_codes('code') },
		"anon_auth.authenticate_with_code('app', 'code%1\$d\@example.com', " . address_code() . ')' ],
	[   'promotion with a code', sub { prepare_guests(); prepare_codes('promoted', 1) },
		"anon_auth.promote_anonymous_user('app', email => 'promoted%1\$d\@example.com', code => " . address_code()
		  . ', refresh_token => (SELECT refresh_token FROM guest WHERE i = %1$d))' ],
	[ 'sign-up with a password', undef, "anon_auth.sign_up('app', email => 'password%d\@example.com', password => 'correct horse')" ],
	[ 'sign-up with an ID token', \&prepare_id_tokens, "anon_auth.sign_up('app', id_token => " . id_token() . ')' ],
	[ 'login with an ID token', \&prepare_id_tokens, "anon_auth.authenticate_with_id_token('app', " . id_token() . ')' ],
	[   'adding an identity', sub { prepare_accounts('password'); query('DELETE FROM anon_auth.user_identities'); prepare_id_tokens() },
		'anon_auth.add_identity(' . id_token() . ', access_token => (SELECT access_token FROM account WHERE i = %1$d))' ],
	[ 'removing an identity', undef, "anon_auth.remove_identity('https://accounts.example', (SELECT access_token FROM account WHERE i = %d))" ],
	[   'claim', sub { prepare_accounts('password'); prepare_guests() },
		"anon_auth.claim_anonymous_user('app', access_token => (SELECT access_token FROM account WHERE i = %1\$d), refresh_token => (SELECT refresh_token FROM guest WHERE i = %1\$d))" ],
	[ 'list_sessions', sub { prepare_accounts('password') }, '(SELECT count(*) FROM anon_auth.list_sessions(' . access_token() . '))' ],
	[ 'update_profile', undef, q{anon_auth.update_profile('{"name": "Ada"}', } . access_token() . ')' ],
	[ 'request_login_id_code', undef, q{anon_auth.request_login_id_code('email', 'other%1$d@example.com', } . access_token() . ')' ],
	[ 'add_login_id', \&prepare_new_addresses, q{anon_auth.add_login_id('email', 'added%1$d@example.com', } . address_code() . ', ' . access_token() . ')' ],
	[ 'remove_login_id', undef, q{anon_auth.remove_login_id('email', 'added%1$d@example.com', } . access_token() . ')' ],
	[ 'end_session', sub { prepare_other_sessions('password') }, 'anon_auth.end_session((SELECT id FROM other_session WHERE i = %1$d), ' . access_token() . ')' ],
	[ 'end_other_sessions', sub { prepare_other_sessions('password') }, 'anon_auth.end_other_sessions(' . access_token() . ')' ],
	[ 'change_password', sub { prepare_other_sessions('password') }, q{anon_auth.change_password('battery staple', 'correct horse', } . access_token() . ')' ],
	[ 'delete_account', undef, 'anon_auth.delete_account(' . access_token() . ')' ],
	[ 'cancel_account_deletion', undef, 'anon_auth.cancel_account_deletion(' . access_token() . ')' ],
	[ 'delete_account of a guest', \&prepare_guests, 'anon_auth.delete_account((SELECT access_token FROM guest WHERE i = %d))' ],
	[ 'import_user', undef, q{anon_auth.import_user(gen_random_uuid(), email => 'imported%d@example.com', verified => true)} ],
	[ 'create_user', undef, q{anon_auth.create_user(email => 'created%d@example.com', verified => true)} ],
	[ 'export_account', undef, 'anon_auth.export_account(' . access_token() . ')' ],
	[ 'set_roles', undef, 'anon_auth.set_roles((anon_auth.verify_jwt(' . access_token() . q{) ->> 'sub')::uuid, ARRAY['r' || gen_random_uuid()])} ],
	[ 'sign-up with a proof', sub { prepare_proofs() }, "anon_auth.authenticate_anonymously('keyed', dpop => " . proof() . ')' ],
	[ 'refresh with a proof', \&prepare_bound_guests, "anon_auth.refresh_session('keyed', (SELECT refresh_token FROM guest WHERE i = %1\$d), " . proof() . ')' ],
	[ 'use_access_token', sub { prepare_bound_guests(1) }, 'anon_auth.use_access_token((SELECT access_token FROM guest WHERE i = %1$d), dpop => ' . proof() . ')' ],
	[   'add_device_key', sub { make_accounts('keyed'); prepare_accounts('keyed'); prepare_account_requests('setup') },
		 'anon_auth.add_device_key(' . request() . ', access_token => ' . access_token() . ')' ],
	[ 'login with its device key', sub { prepare_account_requests('authenticate') }, "anon_auth.authenticate_with_device_key('app', " . request() . ')' ],
	[ 'list_device_keys', undef, '(SELECT count(*) FROM anon_auth.list_device_keys(' . access_token() . '))' ],
	[   'remove_device_key', undef,
		'anon_auth.remove_device_key((SELECT kid FROM anon_auth.list_device_keys(' . access_token() . ')), ' . access_token() . ')' ],
	[   'add_passkey', sub { prepare_passkeys('anon_auth.passkey_creation_options(access_token)', 'create') },
		'anon_auth.add_passkey(' . passkey_response() . ', access_token => ' . access_token() . ')' ],
	[   'login with a passkey', sub { prepare_passkeys("anon_auth.passkey_request_options('app')", 'get') },
		"anon_auth.authenticate_with_passkey('app', " . passkey_response() . ')' ],
	[ 'list_passkeys', undef, '(SELECT count(*) FROM anon_auth.list_passkeys(' . access_token() . '))' ],
	[ 'remove_passkey', undef, "anon_auth.remove_passkey((SELECT response ->> 'id' FROM passkey_response WHERE i = %1\$d), " . access_token() . ')' ]);

# Statements, buffers, octets of WAL and planned statements for one call, rounded up.  PostgreSQL
# plans its own statements for foreign keys (FROM ONLY) five times before it keeps a plan.  The WAL
# is the median of the calls: when a page of an index is full, one call writes half of it again.
sub cost
{
	my ($call) = @_;
	my $keep_wal = "INSERT INTO written (total) SELECT coalesce(sum(wal_bytes) FILTER (WHERE toplevel), 0)
		FROM pg_stat_statements WHERE query NOT LIKE '%written%' \\g /dev/null\n";
	my $counts = query(join '', sprintf("SELECT $call \\g /dev/null\n", 0),
		"TRUNCATE written RESTART IDENTITY; SELECT pg_stat_statements_reset() \\g /dev/null\n",
		map({ sprintf("SELECT $call \\g /dev/null\n", $_) . $keep_wal } 1 .. $calls),
		"SELECT ceil(sum(calls) FILTER (WHERE NOT toplevel)::numeric / $calls),
			ceil(sum(shared_blks_hit + shared_blks_read) FILTER (WHERE toplevel) / $calls),
			(SELECT ceil(percentile_cont(0.5) WITHIN GROUP (ORDER BY wal))
				FROM (SELECT total - lag(total, 1, 0) OVER (ORDER BY i) AS wal FROM written) AS w),
			coalesce(ceil(sum(plans) FILTER (WHERE NOT toplevel AND query NOT LIKE '% FROM ONLY %')::numeric / $calls), 0)
		FROM pg_stat_statements WHERE query NOT LIKE '%pg_stat_statements%' AND query NOT LIKE '%written%'");

	return map { $_ eq '' ? 0 : $_ } split /\|/, $counts;
}

my %budget = map { /^(.*?)\s+(\d+)\s+(\d+)\s+(\d+)$/ ? ($1 => [ $2, $3, $4 ]) : () } <DATA>;

for my $operation (@operations)
{
	my ($name, $prepare, $call) = @$operation;
	my ($statements, $buffers, $wal, $plans);

	$prepare->() if $prepare;
	($statements, $buffers, $wal, $plans) = cost($call);
	note query('SELECT calls, query FROM pg_stat_statements WHERE NOT toplevel') if $ENV{ANON_AUTH_STATEMENTS};
	note sprintf '%-26s %3d %5d %6d %3d', $name, $statements, $buffers, $wal, $plans;
	is($statements, $budget{$name}[0], "$name runs $statements statements");
	cmp_ok($buffers, '<=', $budget{$name}[1], "$name touches no more buffers than its budget");
	cmp_ok($wal, '<=', $budget{$name}[2], "$name writes no more WAL than its budget");
	is($plans, 0, "$name plans no statement again");
}
is_deeply([ sort keys %budget ], [ sort map { $_->[0] } @operations ], 'each operation has a budget');

done_testing();

# Statements include PostgreSQL's own for foreign keys, and are exact.  Buffers
# have a tenth in reserve, for the pages that keys happen to fill, and WAL a
# twentieth, for other versions of PostgreSQL.
#
# operation        statements buffers    WAL
__DATA__
sign-up with a key          7      39   1810
login with a key            6      37   1040
sign-up without a key       4      24   1010
refresh                     1      13    100
userinfo                    0      11      0
verify_jwt                  0       3      0
promotion                   9      72   1770
login with a password       4      35    760
revoke                      3      37    570
create_challenge            0       0      0
uid                         0       0      0
request of a login code     4      17    990
request of a guest's code   4      28   1000
sign-up with a code         8      49   1560
login with a code           6      39    850
promotion with a code       9      72   1570
sign-up with a password     8      49   1790
sign-up with an ID token   11      52   1600
login with an ID token      7      37    910
adding an identity          8      51   1010
removing an identity        8      58   1150
claim                      13     137   1190
list_sessions               1      17      0
update_profile              2      29    590
request_login_id_code       4      26   1010
add_login_id                7      76   1200
remove_login_id             8      92   1450
end_session                 3      30    530
end_other_sessions          3      35    500
change_password             5      63    950
delete_account              3      49    640
cancel_account_deletion     2      29    580
delete_account of a guest   8     115    420
import_user                 4      30   1120
create_user                 4      30   1120
export_account             15      68    340
set_roles                   3      32    740
sign-up with a proof        4      26   1060
refresh with a proof        1      15    100
use_access_token            0       5      0
add_device_key              6      44   1320
login with its device key   7      38   1120
list_device_keys            1      11      0
remove_device_key           9      68   1380
add_passkey                 4      44   1270
login with a passkey        7      42   1130
list_passkeys               1      13      0
remove_passkey              7      59   1020
