# The columns of stats that only grow, and the rights of a monitoring role.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Device qw(call challenge refusal sql_literal);
use Cwd ();
use JSON::PP ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $sources = Cwd::abs_path("$FindBin::Bin/../src");
my $json = JSON::PP->new->canonical;
my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ], allows_streaming => 1);
$node->append_conf('postgresql.conf', "fsync = off\nautovacuum = off\nmax_prepared_transactions = 2\nlog_statement = none");
$node->start;

my $superuser = getpwuid($<);

sub query { return $node->safe_psql('postgres', $_[0]); }

query(<<'SQL');
CREATE EXTENSION anon_auth;
SELECT anon_auth.create_client('app', 'native');
SELECT anon_auth.create_client('rotating', 'native', refresh_token_rotation_enabled => true, refresh_token_rotation_grace_seconds => 0);
UPDATE anon_auth.settings SET password_hash_memory_kib = 8192, password_hash_passes = 1, promotion_conflict = 'merge', lockout_max_attempts = 3;
SQL

# ---------------------------------------------------------------------------
# What is counted
# ---------------------------------------------------------------------------

# The columns as one flat hash: logins.password, refusals.invalid_token, ...
sub statistics
{
	my ($role) = @_;
	my $row = $json->decode(query(($role ? "SET ROLE $role; " : '') . q{
		SELECT jsonb_object_agg(key, value) FROM anon_auth.stats s, jsonb_each(to_jsonb(s)) WHERE key LIKE '%\_total'}));
	my %flat;

	while (my ($column, $value) = each %$row)
	{
		my $name = $column =~ s/_total\z//r;

		if (ref $value) { $flat{"$name.$_"} = $value->{$_} for keys %$value; }
		else { $flat{$name} = $value; }
	}
	return \%flat;
}

my $last = statistics();

# Returns the differences since the last call, as "name +n" in the order of the names.
sub growth
{
	my $now = statistics();
	my @changes = map { sprintf '%s +%d', $_, $now->{$_} - ($last->{$_} // 0) } grep { $now->{$_} != ($last->{$_} // 0) } sort keys %$now;

	$last = $now;
	return join ', ', @changes;
}

is($last->{$_}, 0, "$_ starts at 0") for qw(sign_ups logins.device_key logins.password refreshes promotions merges purged_guests purged_sessions
  refusals.invalid_token refusals.wrong_credentials refusals.guest_sign_ups_per_minute_per_ip refusals.account_locked);

my $device = AnonAuth::Device->new(alg => 'ES256');
call($node, 'authenticate_anonymously', client_id => 'app', jwt => $device->request(challenge => challenge($node), with_jwk => 1));
is(growth(), 'sign_ups +1', 'a sign-up is counted');
call($node, 'authenticate_anonymously', client_id => 'app', jwt => $device->request(challenge => challenge($node)));
is(growth(), 'logins.device_key +1', 'a login with a device key is counted');
my $guest = call($node, 'authenticate_anonymously', client_id => 'app');
call($node, 'refresh_session', client_id => 'app', refresh_token => $guest->{refresh_token});
call($node, 'authenticate_anonymously', client_id => 'app', refresh_token => $guest->{refresh_token});
is(growth(), 'refreshes +2, sign_ups +1', 'refreshes are counted, also those of a guest that comes back');
call($node, 'promote_anonymous_user', client_id => 'app', email => 'ada@example.com', password => 'correct horse', refresh_token => $guest->{refresh_token});
is(growth(), 'promotions +1', 'a promotion is counted');
call($node, 'authenticate', client_id => 'app', login_id => 'ada@example.com', password => 'correct horse');
is(growth(), 'logins.password +1', 'a login with a password is counted');
$guest = call($node, 'authenticate_anonymously', client_id => 'app');
call($node, 'promote_anonymous_user', client_id => 'app', email => 'ada@example.com', password => 'correct horse', refresh_token => $guest->{refresh_token});
is(growth(), 'logins.password +1, merges +1, sign_ups +1', 'a merge is counted');
call($node, 'authenticate_anonymously', client_id => 'app') for 1 .. 2;
growth();
query(q{UPDATE anon_auth.sessions SET expires_at = now() - interval '1 hour', purge_from = now() - interval '1 hour';
	UPDATE anon_auth.users SET purge_from = now() - interval '1 hour' WHERE is_anonymous AND device_kid IS NULL});
my $due = query('SELECT guests || $$ $$ || sessions FROM anon_auth.purge(dry_run => true)');
like($due, qr/\A[1-9]\d* [1-9]\d*\z/, 'guests and sessions are due');
is(growth(), '', 'a dry run of purge() is not counted');
my ($guests, $sessions) = split / /, query('SELECT guests || $$ $$ || sessions FROM anon_auth.purge()');
is(growth(), "purged_guests +$guests, purged_sessions +$sessions", 'purged guests and sessions are counted');

# ---------------------------------------------------------------------------
# Rollbacks, savepoints, two-phase commit
# ---------------------------------------------------------------------------

query(q{BEGIN; SELECT anon_auth.authenticate_anonymously('app'); ROLLBACK});
is(growth(), '', 'a sign-up that is rolled back is not counted');
$node->psql('postgres', q{BEGIN; SELECT anon_auth.authenticate_anonymously('app'); SELECT 1 / 0});
is(growth(), '', 'a sign-up whose transaction fails is not counted');
query(<<'SQL');
BEGIN;
SELECT anon_auth.authenticate_anonymously('app');
SAVEPOINT a;
SELECT anon_auth.authenticate_anonymously('app');
SAVEPOINT b;
SELECT anon_auth.authenticate_anonymously('app');
RELEASE b;
ROLLBACK TO a;
SELECT anon_auth.authenticate_anonymously('app');
SAVEPOINT c;
SELECT anon_auth.authenticate_anonymously('app');
RELEASE c;
COMMIT;
SQL
is(growth(), 'sign_ups +3', 'of calls in savepoints, those that are committed are counted');
query(<<'SQL');
DO $$
BEGIN
	FOR i IN 1 .. 20 LOOP
		BEGIN
			PERFORM anon_auth.authenticate_anonymously('app');
			IF i % 2 = 0 THEN
				RAISE division_by_zero;
			END IF;
		EXCEPTION WHEN division_by_zero THEN NULL;
		END;
	END LOOP;
END $$;
SQL
is(growth(), 'sign_ups +10', 'blocks that fail in a loop are not counted, and the others are');
query(q{BEGIN; SELECT anon_auth.authenticate_anonymously('app'); PREPARE TRANSACTION 'p'});
is(growth(), 'sign_ups +1', 'a prepared transaction is counted when it is prepared');
query(q{COMMIT PREPARED 'p'});
is(growth(), '', 'and not again when it is committed');

# ---------------------------------------------------------------------------
# Refusals
# ---------------------------------------------------------------------------

sub refused
{
	my ($expected, $name, @call) = @_;

	growth();
	$node->psql('postgres', "BEGIN; SELECT anon_auth.$_; ROLLBACK") for @call;
	is(growth(), $expected, "$name: counted although the transaction is rolled back");
	return;
}

refused('refusals.wrong_credentials +1', 'a wrong password', q{authenticate('app', 'ada@example.com', 'wrong')});
refused('refusals.wrong_credentials +1', 'an unknown login ID', q{authenticate('app', 'nobody@example.com', 'wrong')});
refused('refusals.invalid_token +1', 'an invalid access token', q{use_access_token('x')});
refused('refusals.invalid_refresh_token +1', 'an invalid refresh token', q{refresh_session('app', 'x')});
refused('refusals.invalid_client +1', 'an unknown client', q{refresh_session('nobody', 'x')});
refused('refusals.account_locked +1, refusals.wrong_credentials +2', 'a lockout', (q{authenticate('app', 'ada@example.com', 'wrong')}) x 3);
query('SELECT anon_auth.reset_counters(); UPDATE anon_auth.settings SET guest_sign_ups_per_minute = 2, lockout_max_attempts = 0, password_attempts_per_minute_per_user = 2');
growth();
refused('refusals.guest_sign_ups_per_minute +1', 'a rate limit', (q{authenticate_anonymously('app')}) x 3);
refused('refusals.password_attempts_per_minute_per_user +1, refusals.wrong_credentials +2', 'the limit of password attempts', (q{authenticate('app', 'ada@example.com', 'wrong')}) x 3);
query('SELECT anon_auth.reset_counters(); UPDATE anon_auth.settings SET guest_sign_ups_per_minute = NULL');
my $rotating = call($node, 'authenticate_anonymously', client_id => 'rotating');
my $next = call($node, 'refresh_session', client_id => 'rotating', refresh_token => $rotating->{refresh_token});
call($node, 'refresh_session', client_id => 'rotating', refresh_token => $next->{refresh_token});
refused('refusals.refresh_token_reused +1', 'a reused refresh token', "refresh_session('rotating', " . sql_literal($rotating->{refresh_token}) . ')');
refused('refusals.wrong_code +1', 'a wrong code', q{reset_password('ada@example.com', 'AAAAAAAAAA', 'battery staple')});

# An error of class AA that is raised with errcode() would not be counted.
my @files = split /\n/, `grep -rl --include='*.c' 'errcode(ERRCODE_AA_' $sources`;
is("@files", '', 'no file of the sources raises an error of class AA without counting it');

# ---------------------------------------------------------------------------
# The file of the counters
# ---------------------------------------------------------------------------

my $before = statistics()->{sign_ups};
cmp_ok($before, '>', 10, 'there are counts');
$node->stop('immediate');
$node->start;
is(statistics()->{sign_ups}, $before, 'the counts survive a crash of the server');
my ($file) = glob $node->data_dir . '/pg_stat_tmp/anon_auth.*.counters';
my $session = $node->background_psql('postgres');
$session->query('SELECT count(*) FROM anon_auth.stats');
open my $handle, '+<:raw', $file or die "$file: $!";
seek $handle, 16, 0;
print $handle pack('L', 1);
close $handle;
# The layout is checked when a file is mapped: a new server, and a new connection.
is(statistics()->{sign_ups}, 0, 'a file with the layout of another version is replaced');
query(q{SELECT anon_auth.authenticate_anonymously('app')});
is($session->query('SELECT sign_ups_total FROM anon_auth.stats'), 1, 'a connection that had mapped the former file uses the new one');
$session->quit;

# ---------------------------------------------------------------------------
# The rights of a monitoring role
# ---------------------------------------------------------------------------

query(<<'SQL');
CREATE ROLE monitor LOGIN;
CREATE ROLE chief LOGIN IN ROLE anon_auth_owner;
CREATE ROLE ordinary LOGIN;
CREATE ROLE app_owner;
SELECT anon_auth.grant_monitoring('monitor');
CREATE SCHEMA app AUTHORIZATION app_owner;
CREATE FUNCTION app.token_claims(claims jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'the hook runs'; END $$;
ALTER FUNCTION app.token_claims OWNER TO app_owner;
UPDATE anon_auth.settings SET access_token_claims = 'app.token_claims', trust_request_claims = true;
CREATE TABLE app.carts (user_id uuid REFERENCES anon_auth.users);
GRANT EXECUTE ON FUNCTION anon_auth.delete_user TO ordinary;
SQL

sub findings
{
	my ($role, $server) = @_;

	return ($server // $node)->safe_psql('postgres', 'SELECT f FROM anon_auth.doctor() f', extra_params => [ '-U', $role ]);
}

my $all = findings($superuser);
cmp_ok(() = $all =~ /^\(/mg, '>=', 5, 'doctor() has findings about tables, rights, settings and the master key');
unlike($all, qr/no_hook/, 'a hook in a schema that the owner cannot use is found');
is(findings('monitor'), $all, 'doctor() shows a monitoring role the same as a superuser');
is(findings('chief'), $all, 'and a member of anon_auth_owner');
unlike($all, qr/monitor/, 'doctor() accepts the grants of grant_monitoring()');
is_deeply([ sort keys %{ statistics('monitor') } ], [ sort keys %{ statistics() } ], 'the role reads stats');
query('SELECT anon_auth.grant_client_api($$monitor$$)');
like(findings('monitor'), qr/function_privilege,"monitor can execute anon_auth\.doctor\(\)"/, 'doctor() reports a role that has the client API as well');
query('DROP OWNED BY monitor; SELECT anon_auth.grant_monitoring($$monitor$$)');
query('GRANT EXECUTE ON FUNCTION anon_auth.doctor() TO PUBLIC');
like(findings('ordinary'), qr/function_privilege,"PUBLIC can execute anon_auth\.doctor\(\)"/, 'doctor() reports a grant to everybody') if query('GRANT USAGE ON SCHEMA anon_auth TO ordinary; SELECT true') eq 't';
query('REVOKE EXECUTE ON FUNCTION anon_auth.doctor() FROM PUBLIC');

# The SQLSTATE of a statement of the role, or "done"
sub attempt
{
	my ($role, $statement) = @_;
	my ($status, undef, $errors) = $node->psql('postgres', "\\set VERBOSITY sqlstate\n$statement", extra_params => [ '-U', $role ], on_error_stop => 1);

	return $status == 0 ? 'done' : ($errors =~ /(?:ERROR|FATAL):  (\w{5})/)[0] // $errors;
}

is(attempt($superuser, "SELECT anon_auth.grant_monitoring($_->[0])"), $_->[1], "grant_monitoring($_->[0]) fails with SQLSTATE $_->[1]")
  for [ 'NULL', '22023' ], [ '0', '22023' ], [ "'no_such_role'", '42704' ], [ '4294967295', '42704' ];
is(attempt('chief', q{SELECT anon_auth.grant_monitoring('ordinary')}), 'done', 'a member of anon_auth_owner can grant');
is(attempt('monitor', q{SELECT anon_auth.grant_monitoring('ordinary')}), '42501', 'a monitoring role cannot');

my $allowed = query(q{SELECT string_agg(p.oid::regprocedure::text, ' ' ORDER BY p.oid::regprocedure::text COLLATE "C") FROM pg_proc p
	WHERE p.pronamespace IN ('anon_auth'::regnamespace, 'anon_auth_internal'::regnamespace)
	  AND has_function_privilege('monitor', p.oid, 'EXECUTE') AND NOT has_function_privilege('app_owner', p.oid, 'EXECUTE')});
is($allowed, 'anon_auth.doctor() anon_auth_internal.counter_statistics() anon_auth_internal.estimated_rows(regclass)', 'the role can execute these functions and no others');
is(query(q{SELECT string_agg(c.relname, ' ') FROM pg_class c, unnest('{SELECT,INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER}'::text[]) r
	WHERE c.relnamespace = 'anon_auth'::regnamespace AND c.relkind IN ('r', 'v', 'p') AND has_table_privilege('monitor', c.oid, r)}), 'stats', 'the role has rights on no relation but stats, and only one');
is(attempt('monitor', $_), '42501', "refused: $_")
  for 'SELECT FROM anon_auth.users', 'SELECT FROM anon_auth.settings', 'SELECT anon_auth_internal.counter_statistics()', 'SELECT anon_auth_internal.doctor_keys()',
  q{SELECT anon_auth.sign_jwt('{}')}, 'SELECT anon_auth.purge()', 'SELECT anon_auth.master_key_ids()',
  'CREATE TABLE anon_auth.x ()', 'SELECT anon_auth.reset_counters()', q{SELECT anon_auth.authenticate_anonymously('app')};

# Objects of the role, and its parameters, do not change what runs as the owner.
my $traps = <<'SQL';
CREATE TEMP TABLE caught (who text);
GRANT ALL ON caught TO PUBLIC;
CREATE FUNCTION pg_temp.trap() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN INSERT INTO pg_temp.caught VALUES (current_user); RETURN true; END $$;
CREATE FUNCTION pg_temp.format(text, VARIADIC text[]) RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_temp.trap(); RETURN $1; END $$;
CREATE FUNCTION pg_temp.count(text) RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_temp.trap(); RETURN 0; END $$;
CREATE FUNCTION pg_temp.same(name, name) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RETURN pg_temp.trap(); END $$;
CREATE OPERATOR pg_temp.= (LEFTARG = name, RIGHTARG = name, FUNCTION = pg_temp.same);
CREATE VIEW pg_temp.pg_class AS SELECT * FROM pg_catalog.pg_class WHERE pg_temp.trap();
CREATE VIEW pg_temp.pg_proc AS SELECT * FROM pg_catalog.pg_proc WHERE pg_temp.trap();
CREATE VIEW pg_temp.pg_roles AS SELECT * FROM pg_catalog.pg_roles WHERE pg_temp.trap();
CREATE TYPE pg_temp.finding AS (severity text);
SET search_path = pg_temp, pg_catalog;
SET quote_all_identifiers = on;
SET standard_conforming_strings = off;
SET transform_null_equals = on;
SET row_security = off;
SQL
is($node->safe_psql('postgres', "$traps; SELECT pg_catalog.count(*) > 0, pg_catalog.count(*) FILTER (WHERE finding OPERATOR(pg_catalog.=) 'attached_object') FROM anon_auth.doctor(); SELECT * FROM pg_temp.caught", extra_params => [ '-U', 'monitor', '-q' ]), 't|0', 'temporary objects and parameters of the role change nothing');

# A user's names are quoted.
query(<<'SQL');
SET ROLE app_owner;
CREATE TABLE app."x'; DROP TABLE anon_auth.events; --" (user_id uuid);
RESET ROLE;
GRANT USAGE ON SCHEMA anon_auth TO app_owner;
GRANT REFERENCES (id) ON anon_auth.users TO app_owner;
SET ROLE app_owner;
ALTER TABLE app."x'; DROP TABLE anon_auth.events; --" ADD FOREIGN KEY (user_id) REFERENCES anon_auth.users;
SQL
like(findings('monitor'), qr/DROP TABLE anon_auth\.events/, 'doctor() reports a table with a hostile name');
is(query(q{SELECT to_regclass('anon_auth.events') IS NOT NULL}), 't', 'and runs nothing of it');

# Nothing of users, no secret.
my $secrets = query(q{SELECT string_agg(s, E'\n') FROM (
	SELECT original_value FROM anon_auth.login_ids UNION ALL SELECT id::text FROM anon_auth.users
	UNION ALL SELECT encode(secret_hash, 'hex') FROM anon_auth.sessions
	UNION ALL SELECT kid FROM anon_auth.device_keys) x (s)});
is(join(' ', grep { index($all, $_) >= 0 } split /\n/, $secrets), '', 'doctor() shows no login ID, user, session or device key');
unlike($all, qr/\bey[A-Za-z0-9_-]{10}/, 'and no token');

# The estimates: autovacuum is off.
is(query('SELECT users IS NULL, regular_users IS NULL FROM anon_auth.stats'), 't|t', 'before ANALYZE, the estimates are NULL');
query(slurp_file("$FindBin::Bin/../docs/operations.md") =~ /`(ANALYZE anon_auth[^`]*)`/ ? $1 : die 'no ANALYZE');
is(query('SELECT users = (SELECT count(*) FROM anon_auth.users), regular_users = (SELECT count(*) FROM anon_auth.users WHERE NOT is_anonymous), regular_users > 0, sessions IS NOT NULL FROM anon_auth.stats'),
	't|t|t|t', 'after it, they are the numbers of users and accounts');

# operations.md lists the reasons.
{
	my ($text) = slurp_file("$FindBin::Bin/../docs/operations.md") =~ /^`refusals_total` has every reason.*?\n(.*?)^\[examples/ms;
	my ($refusals, $errors) = $text =~ /^\| reasons \|(.*?)^\| SQLSTATE \|(.*)/ms or die 'no tables of reasons';
	my %documented = map { $_ => 1 } (map { /`(\w+)`/g } $refusals =~ /^\|([^|]*)\|/mg), $errors =~ /`(\w+)`/g;

	is(join(' ', sort keys %documented), query('SELECT string_agg(k, \' \' ORDER BY k COLLATE "C") FROM anon_auth.stats, jsonb_object_keys(refusals_total) k'),
		'operations.md lists every reason of refusals_total');
	my %sqlstate = reverse $errors =~ /(AA\d+) \| `(\w+)`/g;
	my %code = slurp_file("$FindBin::Bin/../src/base/errors.h") =~ m{/\* (AA\d+) \*/ ERROR_ROW\(.*?, .*?, .*?, (\w+),}g;
	delete @code{qw(AA018 AA019)};
	is_deeply(\%sqlstate, { map { lc $code{$_} => $_ } keys %code }, 'with the SQLSTATE of each error');
}

# A standby

$node->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'backup', has_streaming => 1);
chmod 0600, $standby->data_dir . '/anon_auth.master_key';
$standby->start;
$node->wait_for_catchup($standby);
# The fix of the master key's place names the data directory.
my ($here, $there) = (findings('monitor'), findings('monitor', $standby));
$here =~ s/\Q${\ $node->data_dir}\E/DATA/g;
$there =~ s/\Q${\ $standby->data_dir}\E/DATA/g;
is($there, $here, 'a monitoring role gets the same findings on a standby');
is($standby->safe_psql('postgres', 'SELECT sign_ups_total FROM anon_auth.stats', extra_params => [ '-U', 'monitor' ]), 0, 'a standby has counts of its own');
$standby->stop;

$node->stop;
done_testing();
