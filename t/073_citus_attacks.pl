# Attacks on a Citus cluster by a role that may call the client functions and
# run its own SQL.
#
# Citus writes statements under the session's parameters, and sends them to
# other nodes on connections of the extension's owner. A role must not be able
# to read these statements, change their meaning, or add its own.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Citus qw(citus_missing start_cluster);
use AnonAuth::Device qw(call sql_literal);
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $missing = citus_missing();
plan(skip_all => $missing) if $missing;

my ($coordinator, @workers) = start_cluster('attacks', 2);

sub query { return $coordinator->safe_psql('postgres', $_[0]); }

my $superuser = query('SELECT current_user');

# Return psql's output for statements that a role sends one after the other.
sub printed
{
	my ($node, $role, @statements) = @_;
	my ($result, $stdout, $stderr) = $node->psql('postgres', '', on_error_stop => 0,
		extra_params => [ '-U', $role, '-v', 'VERBOSITY=verbose', map { ('-c', $_) } @statements ]);

	return "$stdout\n$stderr";
}

sub as_mallory { return printed($_[0], 'mallory', @_[ 1 .. $#_ ]); }

sub guest { return call($coordinator, 'authenticate_anonymously', client_id => 'app'); }

sub promoted
{
	return call($coordinator, 'promote_anonymous_user', client_id => 'app', password => 'correct horse', refresh_token => guest()->{refresh_token}, @_);
}

query(sprintf "SELECT citus_set_node_property('%s', %d, 'shouldhaveshards', false)", $coordinator->host, $coordinator->port);
query(<<'SQL');
UPDATE anon_auth.settings SET password_hash_memory_kib = 8192, password_hash_passes = 1, lockout_max_attempts = 3, guest_sign_ups_per_minute_per_ip = NULL,
	password_attempts_per_minute_per_user_per_ip = NULL, promotion_conflict = 'merge';
SELECT anon_auth.create_client('app', 'native', redirect_uris => '{com.example.app://back}');
SELECT anon_auth.create_signing_key('ES256');
CREATE ROLE mallory LOGIN;
SELECT anon_auth.grant_client_api('mallory');
CREATE ROLE application LOGIN;
SQL

# ---------------------------------------------------------------------------
# The library must be preloaded
# ---------------------------------------------------------------------------

sub restart_with
{
	my ($node, $parameter, $value) = @_;

	$node->adjust_conf('postgresql.conf', $parameter, "'$value'");
	$node->restart;
}

restart_with($workers[1], shared_preload_libraries => 'citus');
like(printed($coordinator, $superuser, 'SELECT anon_auth.distribute(4)'), qr/55000: worker \S+ cannot serve distributed tables safely\n.*anon_auth does not come after citus/,
	'distribute() refuses a worker where anon_auth is not preloaded');
restart_with($workers[1], shared_preload_libraries => 'citus, anon_auth');
$workers[1]->append_conf('postgresql.conf', 'standard_conforming_strings = on');
restart_with($workers[1], standard_conforming_strings => 'off');
like(printed($coordinator, $superuser, 'SELECT anon_auth.distribute(4)'), qr/55000: worker \S+ cannot serve .*\n.*standard_conforming_strings is off/, 'distribute() refuses a worker with standard_conforming_strings off');
restart_with($workers[1], standard_conforming_strings => 'on');
restart_with($coordinator, shared_preload_libraries => 'citus');
like(printed($coordinator, $superuser, 'SELECT anon_auth.distribute(4)'), qr/55000: this node cannot serve distributed tables safely/, 'distribute() refuses to run on a coordinator where anon_auth is not preloaded');
restart_with($coordinator, shared_preload_libraries => 'citus, anon_auth');
query('SELECT anon_auth.distribute(4); SELECT anon_auth.grant_client_api(\'mallory\'); SELECT anon_auth.distribute()');
restart_with($workers[1], shared_preload_libraries => 'citus');
like(as_mallory($workers[1], "SELECT sub FROM anon_auth.authenticate_anonymously('app')"), qr/55000: anon_auth must be preloaded where Citus distributes its tables/,
	'a node that starts without preloading anon_auth refuses calls');
like(query("SELECT what FROM anon_auth.doctor() WHERE finding = 'node_is_not_guarded'"), qr/^worker \S+ cannot serve distributed tables safely$/, 'doctor() names the node that does not preload anon_auth');
restart_with($workers[1], shared_preload_libraries => 'citus, anon_auth');
is(query("SELECT count(*) FROM anon_auth.doctor() WHERE finding = 'node_is_not_guarded'"), 0,
	'doctor() reports nothing after the node preloads anon_auth again');

# ---------------------------------------------------------------------------
# Reading the statements that Citus sends
# ---------------------------------------------------------------------------

for my $node ($coordinator, @workers)
{
	$node->append_conf('postgresql.conf', 'log_min_messages = notice');
	$node->reload;
}
my $victim = promoted(email => 'victim@example.com');
my @show = ('SET citus.log_remote_commands = on', 'SET citus.log_local_commands = on', 'SET client_min_messages = debug5', 'SET debug_print_plan = on');
for my $node ($coordinator, @workers)
{
	my $printed = as_mallory($node, @show, "SELECT anon_auth.request_password_reset('victim\@example.com')");
	my $code = query("SELECT code FROM anon_auth.take_outbox_messages() WHERE user_id = '$victim->{sub}'");

	like($code, qr/^\w{6,}$/, 'a code is created on ' . $node->name);
	unlike($printed, qr/$code/, 'the client is not shown the code');
	unlike($printed, qr/$victim->{sub}/, "the client is not shown the code's user");
	unlike(slurp_file($node->logfile), qr/NOTICE:  (?:issuing|executing the command locally).*$code/, 'the client cannot have the code logged');
	query("DELETE FROM anon_auth.one_time_codes WHERE user_id = '$victim->{sub}'");
}
like(printed($coordinator, $superuser, $show[0], "SELECT anon_auth.userinfo('$victim->{access_token}')"), qr/(?:issuing|executing the command locally:) .*anon_auth\.users_\d/, 'a superuser can see the statements that Citus sends');

# ---------------------------------------------------------------------------
# Adding parameters to the statements that Citus sends
# ---------------------------------------------------------------------------

my $sending = "SET citus.propagate_set_commands = 'local'";
for my $statement ('SET LOCAL search_path = mallory, pg_catalog', 'SET LOCAL standard_conforming_strings = off', 'SET LOCAL mallory.x = 1; SELECT 1', 'RESET ALL', 'SET TRANSACTION READ WRITE')
{
	like(as_mallory($coordinator, 'BEGIN', $sending, $statement), qr/42501: parameters cannot be sent to other nodes/, "a transaction that sends parameters with $statement is refused");
}
like(as_mallory($coordinator, 'BEGIN', $sending, "SET citus.propagate_set_commands = 'none'", 'SET LOCAL search_path = mallory', "SELECT 'then ' || current_schemas(false)::text"),
	qr/^then /m, 'a session that sends no parameters may use SET');
for my $other ([ 'no_anon_auth', 'CREATE EXTENSION citus; CREATE SCHEMA anon_auth' ], [ 'no_citus', 'CREATE EXTENSION anon_auth; CREATE EXTENSION anon_auth_citus' ])
{
	my ($database, $made) = @$other;

	query("CREATE DATABASE $database");
	$coordinator->safe_psql($database, $made);
	is($coordinator->safe_psql($database, "$sending; BEGIN; SET LOCAL work_mem = '1MB'; SELECT 'then'", extra_params => [ '-U', 'mallory' ]), 'then', "every role may send parameters in database $database");
}
like(printed($coordinator, $superuser, 'BEGIN', $sending, 'SET LOCAL work_mem = 1024', "SELECT 'then ' || current_setting('work_mem')"), qr/^then 1MB/m, 'a superuser may send parameters');

# ---------------------------------------------------------------------------
# Changing the format of values that Citus sends
# ---------------------------------------------------------------------------

for my $settings ([ 'SET DateStyle = German' ], [ "SET DateStyle = 'Postgres, DMY'", "SET TimeZone = 'EST+120'" ], [ "SET DateStyle = 'SQL, DMY'", "SET TimeZone = 'Asia/Kolkata'" ],
	[ 'SET standard_conforming_strings = off', 'SET bytea_output = escape' ])
{
	my ($sub) = as_mallory($coordinator, @$settings, "SELECT 'sub ' || sub FROM anon_auth.authenticate_anonymously('app', device_info => jsonb_build_object('name', 'a' || chr(92) || 'b'''))") =~ /^sub (\S+)/m;

	isnt($sub, undef, "a guest can sign up under @$settings");
	is(query("SELECT count(*) FROM anon_auth.sessions WHERE user_id = '$sub' AND abs(extract(epoch FROM now() - created_at)) < 60 AND expires_at > now() + interval '1 day'"), 1,
		"timestamps are stored correctly under @$settings");
	is(query("SELECT device_info ->> 'name' FROM anon_auth.sessions WHERE user_id = '$sub'"), 'a\b\'', "strings are stored correctly under @$settings");
}
query('SELECT anon_auth.reset_counters()');
query("SELECT anon_auth.request_password_reset('victim\@example.com')");
my $code = query("SELECT code FROM anon_auth.take_outbox_messages() WHERE user_id = '$victim->{sub}'");
query("UPDATE anon_auth.one_time_codes SET expires_at = now() - interval '2 days' WHERE user_id = '$victim->{sub}'");
like(as_mallory($coordinator, 'SET DateStyle = Postgres', "SET TimeZone = 'EST+120'", "SELECT 'reset ' || anon_auth.reset_password('victim\@example.com', '$code', 'mallory was here')"),
	qr/^reset false$/m, 'an expired code is refused in every time zone');
is(call($coordinator, 'authenticate', client_id => 'app', login_id => 'victim@example.com', password => 'correct horse')->{sub}, $victim->{sub}, 'an expired code sets no password');

# ---------------------------------------------------------------------------
# Transactions on several nodes
# ---------------------------------------------------------------------------

like(as_mallory($coordinator, 'SET citus.function_opens_transaction_block = off', sprintf
		"SELECT 1 / (length(sub::text) - 36) FROM anon_auth.promote_anonymous_user('app', username => 'half', password => 'correct horse', refresh_token => %s)",
		sql_literal(guest()->{refresh_token})), qr/22012/, 'a statement after a promotion fails');
is(query("SELECT count(*) FROM anon_auth.login_ids WHERE value = 'half'"), 0,
	'the promotion leaves nothing on any node');

# Statements around a call that Citus does not know of.
my $users = 'SELECT count(*) FROM anon_auth.users';
my $counted = query($users);
my $prepared = 'PREPARE p (text) AS SELECT $1';
my $execute = "EXECUTE p ((anon_auth.authenticate_anonymously('app')).access_token)";
like(as_mallory($coordinator, $prepared, $execute), qr/0A000: tables that Citus distributes cannot be changed here/, 'a sign-up in a parameter of EXECUTE is refused');
like(as_mallory($coordinator, 'CREATE TEMPORARY TABLE t AS SELECT 1', "ALTER TABLE t ADD token text DEFAULT (anon_auth.authenticate_anonymously('app')).access_token"),
	qr/0A000: tables that Citus distributes cannot be read in ALTER TABLE/, 'a sign-up in ALTER TABLE is refused');
is(query($users), $counted, 'the refused sign-ups create no user');
like(as_mallory($coordinator, $prepared, 'BEGIN', $execute, "SELECT 'then'", 'COMMIT'), qr/^eyJ.*^then$/ms, 'a sign-up in a parameter of EXECUTE is accepted in a transaction block');
like(as_mallory($coordinator, "DO \$\$ DECLARE token text; BEGIN token := (anon_auth.authenticate_anonymously('app')).access_token; END \$\$", "SELECT 'then'"), qr/^\s*then\s*$/,
	'a sign-up in DO is accepted');
query("CREATE PROCEDURE sign_up() LANGUAGE plpgsql AS \$\$ DECLARE token text; BEGIN SELECT access_token INTO token FROM anon_auth.authenticate_anonymously('app'); END \$\$");
like(as_mallory($coordinator, 'CALL sign_up()', "SELECT 'then'"), qr/^\s*then\s*$/,
	'a sign-up in a procedure is accepted');
is(query($users), $counted + 3, 'the accepted sign-ups create three users');

# Citus runs the procedure on another node. Its result has a domain type with a
# check that signs up.
query('CREATE SCHEMA mallory AUTHORIZATION mallory');
as_mallory($coordinator, 'CREATE TABLE mallory.keys (id int PRIMARY KEY)', "SELECT create_distributed_table('mallory.keys', 'id')", <<'SQL',
CREATE FUNCTION mallory.sign_up(text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	token text;
BEGIN
	IF current_setting('mallory.here', true) = 'yes' THEN
		token := (anon_auth.authenticate_anonymously('app')).access_token;
		RAISE EXCEPTION 'after a sign-up';
	END IF;
	RETURN true;
END $$
SQL
	'CREATE DOMAIN mallory.checked AS text CHECK (mallory.sign_up(value))',
	'CREATE PROCEDURE mallory.run(id int, INOUT x mallory.checked) LANGUAGE plpgsql AS $$ BEGIN x := x; END $$',
	"SELECT create_distributed_function('mallory.run(int, mallory.checked)', 'id', colocate_with => 'mallory.keys')");
like(as_mallory($coordinator, "SET mallory.here = 'yes'", 'SET client_min_messages = debug1', "CALL mallory.run(1, NULL::mallory.checked)"),
	qr/pushing down the procedure.*0A000: tables that Citus distributes cannot be changed here/s, 'the input of a result from another node cannot sign up');
is(query($users), $counted + 3, 'the refused sign-up creates no user');
$coordinator->safe_psql('postgres', 'DROP SCHEMA mallory CASCADE');

# ---------------------------------------------------------------------------
# Objects where the owner's connections look up names
# ---------------------------------------------------------------------------

for my $worker (@workers)
{
	$worker->safe_psql('postgres', 'SET citus.enable_ddl_propagation = off; GRANT CREATE ON SCHEMA public TO mallory');
	printed($worker, 'mallory', 'SET citus.enable_ddl_propagation = off', 'SET search_path = public', <<'SQL');
CREATE SEQUENCE calls MINVALUE 0;
CREATE FUNCTION is_called() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RETURN nextval('public.calls') >= 0; END $$;
CREATE FUNCTION collect(uuid[], uuid) RETURNS uuid[] LANGUAGE sql AS $$ SELECT array_append($1, $2) WHERE public.is_called() $$;
CREATE AGGREGATE array_agg(uuid) (SFUNC = collect, STYPE = uuid[]);
CREATE FUNCTION unnest(uuid[]) RETURNS SETOF uuid LANGUAGE sql AS $$ SELECT $1[1] WHERE public.is_called() $$;
CREATE FUNCTION compare(real, integer) RETURNS boolean LANGUAGE sql AS $$ SELECT public.is_called() $$;
CREATE OPERATOR >= (LEFTARG = real, RIGHTARG = integer, FUNCTION = compare);
CREATE FUNCTION compare(oid, regclass) RETURNS boolean LANGUAGE sql AS $$ SELECT public.is_called() $$;
CREATE OPERATOR = (LEFTARG = oid, RIGHTARG = regclass, FUNCTION = compare);
SQL
	is(printed($worker, 'mallory', "SELECT array_length(public.array_agg(gen_random_uuid()), 1), last_value FROM public.calls GROUP BY last_value") =~ /^(\S+)/m ? $1 : '', '1|0', 'the trap exists on ' . $worker->name);
}
my $calls = "SELECT string_agg(result, ' ') FROM run_command_on_workers('SELECT last_value FROM public.calls')";
guest() for 1 .. 3;
my $trapped = promoted(username => 'trapped');
call($coordinator, 'authenticate', client_id => 'app', login_id => 'trapped', password => 'correct horse');
call($coordinator, 'refresh_session', client_id => 'app', refresh_token => $trapped->{refresh_token});
is(query($calls), '0 0', 'sign-up, promotion, login and refresh call no trap');
query("UPDATE anon_auth.users SET purge_from = now() - interval '1 day'; UPDATE anon_auth.sessions SET expires_at = now() - interval '1 day', purge_from = now() - interval '1 day'; ANALYZE");
for my $statement ('SELECT users, sessions, outbox_messages FROM anon_auth.stats', 'SELECT count(*) FROM anon_auth.doctor()', 'SELECT guests FROM anon_auth.purge()')
{
	unlike(printed($coordinator, $superuser, $statement), qr/ERROR/, "$statement succeeds");
	is(query($calls), '0 0', "$statement calls no trap");
}
is(query('SELECT count(*) FROM anon_auth.users WHERE is_anonymous'), 0, 'purge() deletes the guests');
$_->safe_psql('postgres', 'SET citus.enable_ddl_propagation = off; DROP OWNED BY mallory CASCADE') for @workers;
query('SELECT anon_auth.distribute()');

# ---------------------------------------------------------------------------
# The application's tables
# ---------------------------------------------------------------------------

query($_) for <<'SQL', map { "SELECT create_distributed_table('$_', 'user_id', colocate_with => 'anon_auth.users')" } 'notes', 'parts';
CREATE TABLE notes (user_id uuid, id uuid DEFAULT gen_random_uuid(), PRIMARY KEY (user_id, id));
CREATE TABLE parts (user_id uuid, note_id uuid);
SQL
query('ALTER TABLE notes ADD FOREIGN KEY (user_id) REFERENCES anon_auth.users ON DELETE CASCADE');
query('ALTER TABLE parts ADD CONSTRAINT parts_of_notes FOREIGN KEY (user_id, note_id) REFERENCES notes ON DELETE CASCADE');
query("ALTER TABLE $_ OWNER TO anon_auth_owner") for 'notes', 'parts';
my ($guest, $account) = (guest(), promoted(username => 'ada'));
query("INSERT INTO notes VALUES ('$guest->{sub}')");
query("INSERT INTO parts SELECT user_id, id FROM notes");
like(printed($coordinator, $superuser, "SELECT * FROM anon_auth.merge_anonymous_user('$guest->{sub}', '$account->{sub}')"),
	qr/AA021: the guest cannot be merged: table public\.notes\n.*"parts_of_notes" of table public\.parts/, 'a merge that would delete rows by ON DELETE CASCADE is refused');
is(query("SELECT count(*) FROM notes JOIN parts USING (user_id) WHERE user_id = '$guest->{sub}'"), 1, 'the refused merge deletes no rows');

query('ALTER TABLE parts DROP CONSTRAINT parts_of_notes');
query($_) for 'CREATE TABLE logs (user_id uuid REFERENCES anon_auth.users ON DELETE CASCADE, id int, PRIMARY KEY (user_id, id)) PARTITION BY RANGE (id)',
	"SELECT create_distributed_table('logs', 'user_id', colocate_with => 'anon_auth.users')", 'CREATE TABLE logs_1 PARTITION OF logs FOR VALUES FROM (0) TO (100)',
	'CREATE TABLE lines (user_id uuid, log_id int)', "SELECT create_distributed_table('lines', 'user_id', colocate_with => 'anon_auth.users')",
	'ALTER TABLE lines ADD CONSTRAINT lines_of_logs FOREIGN KEY (user_id, log_id) REFERENCES logs_1 (user_id, id) ON DELETE CASCADE',
	map { "ALTER TABLE $_ OWNER TO anon_auth_owner" } 'logs', 'lines';
like(printed($coordinator, $superuser, "SELECT * FROM anon_auth.merge_anonymous_user('$guest->{sub}', '$account->{sub}')"), qr/AA021: .*"lines_of_logs" of table public\.lines/s,
	'such a merge is refused if the rows refer to a partition');
query('DROP TABLE lines, logs');
query("ALTER TABLE notes OWNER TO application");
for my $node ($coordinator, @workers)
{
	my $deleted = promoted(username => 'deleted' . $node->port);

	like(printed($node, $superuser, "SELECT anon_auth.delete_user('$deleted->{sub}')"), qr/55000: distributed table public\.notes must belong to the owner of anon_auth\n.*HINT:  ALTER TABLE public\.notes OWNER TO anon_auth_owner;/s,
		'a deletion is refused where a table has another owner, on ' . $node->name);
	is(query("SELECT count(*) FROM anon_auth.login_ids WHERE user_id = '$deleted->{sub}'"), 1, 'the refused deletion deletes nothing of the user');
}
like(query("SELECT fix FROM anon_auth.doctor() WHERE finding = 'table_of_another_owner'"), qr/^ALTER TABLE (public\.)?notes OWNER TO anon_auth_owner;$/, 'the fix of doctor() changes the owner of the table');
query(query("SELECT fix FROM anon_auth.doctor() WHERE finding = 'table_of_another_owner'"));
for my $node ($coordinator, @workers)
{
	my $user_id = query(sprintf "SELECT user_id FROM anon_auth.login_ids WHERE value = 'deleted%d'", $node->port);

	$node->safe_psql('postgres', "SELECT anon_auth.delete_user('$user_id')");
	is(query("SELECT count(*) FROM anon_auth.login_ids WHERE user_id = '$user_id'"), 0, 'after the fix the user can be deleted on ' . $node->name);
}
is(query("SELECT string_agg(table_name || ' ' || rows, ', ') FROM anon_auth.merge_anonymous_user('$guest->{sub}', '$account->{sub}')"), 'notes 1', 'after the fix the guest can be merged');

my ($merging, $taken) = (guest(), promoted(username => 'taken'));
unlike(as_mallory($coordinator, @show, sprintf "SELECT 'merged' FROM anon_auth.promote_anonymous_user('app', username => 'taken', password => 'correct horse', refresh_token => %s)",
	sql_literal($merging->{refresh_token})), qr/$taken->{sub}|issuing SELECT/,
		'no role is shown the statements of a merge');

# ---------------------------------------------------------------------------
# Concurrent purge() calls
# ---------------------------------------------------------------------------

query("UPDATE anon_auth.settings SET event_retention = '1 year'; DELETE FROM anon_auth.outbox; SELECT anon_auth.reset_counters(); DELETE FROM anon_auth.one_time_codes");
query("SELECT anon_auth.request_password_reset('victim\@example.com')");
query("UPDATE anon_auth.one_time_codes SET expires_at = now() - interval '1 day'; UPDATE anon_auth.outbox SET expires_at = now() - interval '1 day'; SELECT anon_auth.reset_counters()");
my $holding = $coordinator->background_psql('postgres');
$holding->query_safe("BEGIN; SELECT anon_auth.request_password_reset('victim\@example.com')");
is($workers[0]->safe_psql('postgres', "SET statement_timeout = '20s'; SELECT one_time_codes, outbox_messages FROM anon_auth.purge()"), '0|1', 'purge() skips only the rows that an open transaction on another node holds');
$holding->query_safe('ROLLBACK');
$holding->quit;
is(query('SELECT one_time_codes FROM anon_auth.purge()'), 1,
	'purge() deletes the rows after that transaction has ended');

my ($held, $expired) = map { guest() } 1 .. 2;
query("UPDATE anon_auth.sessions SET purge_from = '2000-01-01' WHERE user_id = '$held->{sub}'; UPDATE anon_auth.sessions SET purge_from = '2000-01-02', expires_at = '2000-01-02' WHERE user_id = '$expired->{sub}'");
$holding = $coordinator->background_psql('postgres');
$holding->query_safe(sprintf "BEGIN; SELECT sub FROM anon_auth.refresh_session('app', %s)", sql_literal($held->{refresh_token}));
is(query('SELECT sessions, has_more FROM anon_auth.purge(1)'), '1|t', 'purge() looks further when other transactions hold every candidate');
is(query('SELECT sessions, has_more FROM anon_auth.purge(1)'), '0|f', 'purge() does not report has_more when other transactions hold every candidate');
$holding->query_safe('ROLLBACK');
$holding->quit;

query("INSERT INTO anon_auth.events (user_id, id, type, created_at) SELECT gen_random_uuid(), gen_random_uuid(), 'user.created', '2000-01-01' FROM generate_series(1, 20)");
my $first = $coordinator->background_psql('postgres');
$first->query_safe('BEGIN; SELECT anon_auth.purge()');
my $second = IPC::Run::start([ 'psql', '-XAtq', '-d', $workers[0]->connstr('postgres'), '-c', 'SELECT events FROM anon_auth.purge()' ], '>', \my $purged, '2>', \my $errors);
$coordinator->poll_query_until('postgres', "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND relation = 'anon_auth.events'::regclass");
$first->query_safe('COMMIT');
$first->quit;
$second->finish;
is($errors, '', "a second purge() on another node waits for the first one's events");
is($purged, "0\n", 'the second purge() finds no events');

query("INSERT INTO anon_auth.events (user_id, id, type, created_at) SELECT gen_random_uuid(), gen_random_uuid(), 'user.created', '2000-01-01' FROM generate_series(1, 20)");
query("INSERT INTO anon_auth.events (user_id, id, type, created_at) SELECT user_id, gen_random_uuid(), type, created_at FROM anon_auth.events WHERE created_at = '2000-01-01'");
is(query('SELECT has_more FROM anon_auth.purge(15)'), 't', 'purge() reports has_more when events remain, although it deletes all old events of a user');
1 while query('SELECT has_more FROM anon_auth.purge(15)') eq 't';
is(query("SELECT count(*) FROM anon_auth.events WHERE created_at = '2000-01-01'"), 0,
	'purge() reports has_more until all old events are deleted');

done_testing();
