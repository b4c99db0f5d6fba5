# Crashes in the middle of a transaction, promoted standbys, and restored dumps:
# every result that a client received must still hold. Also the verified claims
# of a connection, which nobody may forge, in the leader or in a parallel
# worker. t/030_master_key.pl tests the master key file itself.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Device qw(call challenge refusal sql_literal);
use File::Copy;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my @initdb = (extra => [ '--no-locale', '--encoding=UTF8' ]);

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(@initdb, allows_streaming => 1);
$node->append_conf('postgresql.conf', 'max_parallel_workers = 8');
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION anon_auth; CREATE EXTENSION anon_auth_http; CREATE EXTENSION anon_auth_citus');
$node->safe_psql('postgres',
	'UPDATE anon_auth.settings SET password_hash_memory_kib = 8192, password_hash_passes = 1');
call($node, 'create_client', client_id => 'app', application_type => 'native');

sub query { return $node->safe_psql('postgres', $_[0]); }

sub key_file { return $_[0]->data_dir . '/anon_auth.master_key'; }

# [output, errors] of statements in a separate connection, which continues after
# an error.
sub answer
{
	my ($server, $statements, %options) = @_;
	my ($result, $stdout, $stderr) = $server->psql(
		$options{database} // 'postgres', $statements,
		on_error_stop => 0,
		extra_params => [ '-v', 'VERBOSITY=verbose', @{ $options{params} // [] } ]);

	return [ $stdout, $stderr ];
}

sub guest { return call($_[0] // $node, 'authenticate_anonymously', client_id => 'app'); }

sub refreshed
{
	my ($server, $session) = @_;

	return call($server, 'refresh_session', client_id => 'app', refresh_token => $session->{refresh_token});
}

# ---------------------------------------------------------------------------
# Crashes
# ---------------------------------------------------------------------------

# Processes of the killed server may still run for a moment, and a new server
# cannot start until they end.
sub crash
{
	my $deadline = time + $PostgreSQL::Test::Utils::timeout_default;

	$node->kill9;
	until ($node->start(fail_ok => 1))
	{
		die 'the server does not start after a crash' if time > $deadline;
		$node->stop('fast', fail_ok => 1);
	}
}

# A connection with an open transaction in which the statement has completed.
sub left_open
{
	my ($statement) = @_;
	my %session = (in => "BEGIN;\n$statement;\n\\echo ended :SQLSTATE\n", out => '', err => '');

	$session{run} = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres') ],
		'<', \$session{in}, '>', \$session{out}, '2>', \$session{err},
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	$session{run}->pump until $session{out} =~ /^ended 00000$/m;
	return \%session;
}

my $device = AnonAuth::Device->new(alg => 'ES256');
my $keyed = call($node, 'authenticate_anonymously',
	client_id => 'app', jwt => $device->request(challenge => challenge($node), with_jwk => 1));
my $half = guest();
my @open = (
	left_open(
		sprintf q{SELECT sub FROM anon_auth.promote_anonymous_user('app', email => 'half@example.com',
			password => 'correct horse', refresh_token => %s)}, sql_literal($half->{refresh_token})),
	left_open(q{SELECT sub FROM anon_auth.authenticate_anonymously('app')}),
	left_open(
		sprintf q{SELECT anon_auth.delete_user(%s)}, sql_literal($keyed->{sub})));
my $request = $device->request(challenge => challenge($node));
my $answered = guest();
my $promoted = call($node, 'promote_anonymous_user', client_id => 'app', email => 'whole@example.com',
	password => 'correct horse', refresh_token => guest()->{refresh_token});
crash();
$_->{run}->kill_kill for @open;

is(refreshed($node, $answered)->{sub}, $answered->{sub}, 'a sign-up that returned before the crash is kept');
is(call($node, 'authenticate', client_id => 'app', login_id => 'whole@example.com', password => 'correct horse')->{sub},
	$promoted->{sub}, 'a promotion that returned before the crash is kept');
is(query(q{SELECT count(*) FROM anon_auth.users}), 4, 'transactions that had not committed before the crash leave no user');
is(refreshed($node, $half)->{sub}, $half->{sub}, 'a guest whose promotion had not committed before the crash keeps its session');
is(query(sprintf q{SELECT is_anonymous, (SELECT count(*) FROM anon_auth.login_ids l WHERE l.user_id = u.id), (SELECT count(*) FROM anon_auth.passwords p WHERE p.user_id = u.id)
		FROM anon_auth.users u WHERE id = %s}, sql_literal($half->{sub})),
	't|0|0', 'a guest whose promotion had not committed before the crash is still a guest');
is(call($node, 'promote_anonymous_user', client_id => 'app', email => 'half@example.com',
		password => 'correct horse', refresh_token => $half->{refresh_token})->{sub},
	$half->{sub}, 'a guest whose promotion had not committed before the crash can be promoted');
is(call($node, 'authenticate_anonymously', client_id => 'app', jwt => $request)->{sub},
	$keyed->{sub}, 'a user whose deletion had not committed can log in with a challenge from before the crash');
my $used = refusal($node, 'authenticate_anonymously', client_id => 'app', jwt => $request);
is($used->{sqlstate}, 'AA005', 'the request from before the crash is refused the second time');
crash();
is(refusal($node, 'authenticate_anonymously', client_id => 'app', jwt => $request)->{sqlstate},
	'AA005', 'a used request is still refused after another crash');

# ---------------------------------------------------------------------------
# Read-only transactions and standbys
# ---------------------------------------------------------------------------

# A call of each function that writes. The call must fail at the check for
# read-only transactions, before it writes.
my @writers = split /\n/, query(q{
	SELECT proname || '(' || CASE WHEN pronargs > 0 THEN (SELECT string_agg('NULL::' || format_type(t, NULL), ', ') FROM unnest(proargtypes) t) ELSE '' END || ')'
	FROM pg_proc WHERE pronamespace = 'anon_auth'::regnamespace AND provolatile = 'v' AND prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype)
		AND proname NOT IN ('create_challenge', 'create_promotion_code', 'passkey_creation_options', 'passkey_request_options', 'use_access_token', 'use_client_address', 'sign_jwt', 'grant_client_api', 'grant_client_address', 'grant_http_api', 'grant_monitoring', 'grant_worker', 'due_identity_providers',
							'postgrest_pre_request', 'postgrest_pre_config', 'take_rate_limit', 'reset_counters')
		-- these check for Citus first
		AND proname NOT IN ('distribute', 'undistribute')
	ORDER BY proname});
cmp_ok(scalar @writers, '>=', 14, 'there are functions that write');

# Some functions check their arguments first, so give these valid arguments.
for (@writers)
{
	s/^create_client\(NULL::text, NULL::text, NULL::text\[\]/create_client('late', 'native', '{}'/;
	s/^create_identity_provider\(.*/create_identity_provider('https:\/\/late.example', '{app}')/;
	s/^claim_anonymous_user\(.*/claim_anonymous_user(NULL)/;
	s/^authorize_promotion\(NULL::text, NULL::text, NULL::text, NULL::text/authorize_promotion('app', 'x', 'y', 'S256'/;
}

sub refuses_writes
{
	my ($server, $before, $where) = @_;

	for my $call (@writers)
	{
		my ($function) = $call =~ /^(\w+)/;
		my $errors = answer($server, "$before SELECT anon_auth.$call")->[1];

		like($errors, qr/ERROR:  25006: /, "$function() is refused $where");
		# These are written in PL/pgSQL, so their errors name a statement instead.
		like($errors, qr/25006: cannot execute $function\(\) /, "the error names $function() $where") if $function !~ /^create_(client|identity_provider)$/;
	}
}

refuses_writes($node, 'SET default_transaction_read_only = on;', 'in a read-only transaction');

$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
chmod 0600, key_file($standby);    # init_from_backup() copies it readable by others
$standby->start;

sub catch_up { $node->wait_for_catchup($standby, 'replay', $node->lsn('write')); }

refuses_writes($standby, '', 'on a standby');

my $session = guest();
catch_up();
my $token = sql_literal($session->{access_token});

# Statements that only read, with their expected results.
my %readers = (
	'claims' => [ "SELECT c ->> 'sub' FROM anon_auth.use_access_token($token), anon_auth.claims() c", $session->{sub} ],
	'is_anonymous' => [ "SELECT a FROM anon_auth.use_access_token($token), anon_auth.is_anonymous() a", 't' ],
	'session_id' => [ "SELECT s = (anon_auth.claims() ->> 'sid')::uuid FROM anon_auth.use_access_token($token), anon_auth.session_id() s", 't' ],
	'session_alive' => [ "SELECT a FROM anon_auth.use_access_token($token), anon_auth.session_alive() a", 't' ],
	'userinfo of the caller' => [ "SELECT u ->> 'sub' FROM anon_auth.use_access_token($token), anon_auth.userinfo() u", $session->{sub} ],
	'list_sessions' => [ "SELECT is_current, client_id FROM anon_auth.list_sessions($token)", 't|app' ],
	'key_bound' => [ "SELECT a FROM anon_auth.use_access_token($token), anon_auth.key_bound() a", 'f' ],
	'has_role' => [ "SELECT a FROM anon_auth.use_access_token($token), anon_auth.has_role('x') a", 'f' ],
	'find_user' => [ q{SELECT anon_auth.find_user('nobody') IS NULL}, 't' ],
	'claims of the connection' => [ "SELECT anon_auth.use_access_token($token, false) IS NULL; SELECT anon_auth.uid()", "f\n$session->{sub}" ],
	'openid_configuration' => [ q{SELECT anon_auth.openid_configuration() ->> 'issuer'}, 'http://localhost' ],
	'jwks' => [ q{SELECT jsonb_array_length(anon_auth.jwks() -> 'keys')}, 1 ],
	'verify_jwt' => [ "SELECT anon_auth.verify_jwt($token) ->> 'sub'", $session->{sub} ],
	'sign_jwt' => [ q{SELECT anon_auth.verify_jwt(anon_auth.sign_jwt('{"a": 1}'))}, '{"a": 1}' ]);
for my $what (sort keys %readers)
{
	is_deeply(answer($standby, $readers{$what}[0]), [ $readers{$what}[1], '' ], "$what works on a standby");
}
my $code = call($standby, 'create_promotion_code', refresh_token => $session->{refresh_token})->{promotion_code};
my $account = call($node, 'promote_anonymous_user', client_id => 'app', username => 'ada', password => 'correct horse',
	promotion_code => $code);
is($account->{sub}, $session->{sub}, 'the primary accepts a promotion code of the standby');
catch_up();
is_deeply(answer($standby, $readers{session_alive}[0]), [ 'f', '' ], 'session_alive() on the standby is false after the promotion ended the session');
like(answer($standby, $readers{'userinfo of the caller'}[0])->[1], qr/AA014: invalid session/, 'userinfo() on the standby refuses a session that the promotion ended');

like($standby->safe_psql('postgres', "SELECT anon_auth_http.$_"), qr/^\{/, "HTTP: $_ works on a standby")
  for q(challenge('{"purpose": "anonymous_request"}')), q(jwks('')), q(openid_configuration('')), q(userinfo(''));
like(answer($standby, q(SELECT anon_auth_http.anonymous_user_signup('{"session_type": "cookie"}')))->[1],
	qr/25006/, 'HTTP: a sign-up on a standby raises an error');

# Promotion of the standby

my $last_request = $device->request(challenge => challenge($standby));
$node->stop('fast');
$standby->promote;
is(refreshed($standby, $account)->{sub}, $account->{sub}, 'sessions of the old primary can be refreshed on the promoted standby');
is(call($standby, 'authenticate_anonymously', client_id => 'app', jwt => $last_request)->{sub},
	$keyed->{sub}, 'the promoted standby accepts a challenge from before its promotion');
is(refusal($standby, 'authenticate_anonymously', client_id => 'app', jwt => $request)->{sqlstate},
	'AA005', 'the promoted standby refuses a request that was used on the old primary');
$standby->stop;
$node->start;

# ---------------------------------------------------------------------------
# Dumps
# ---------------------------------------------------------------------------

query(q{
	CREATE ROLE app_user;
	SELECT anon_auth.grant_client_api('app_user');
	UPDATE anon_auth.settings SET issuer = 'https://kept.example', password_min_length = 10;
	CREATE TABLE notes (user_id uuid NOT NULL DEFAULT anon_auth.uid() REFERENCES anon_auth.users (id), note text);
	ALTER TABLE notes ENABLE ROW LEVEL SECURITY;
	CREATE POLICY own_notes ON notes USING (user_id = (SELECT anon_auth.uid()));
	GRANT SELECT, INSERT ON notes TO app_user;
	INSERT INTO notes (user_id, note) SELECT id, 'note of ' || id FROM anon_auth.users});
my $tokens = refreshed($node, $account);

# A query for a hash of each table whose rows pg_dump includes.
my $contents = query(q{
	SELECT string_agg(format('SELECT %L, md5(string_agg(t::text, E''\n'' ORDER BY t::text)) FROM anon_auth.%I t', c.relname, c.relname), ' UNION ALL ' ORDER BY c.relname)
	FROM pg_extension e, unnest(extconfig) t JOIN pg_class c ON c.oid = t WHERE extname = 'anon_auth'});
my $kept = query($contents);
is(scalar(() = $kept =~ /\n/g) + 1, 18, 'a dump includes the rows of eighteen tables');

my $dumps = PostgreSQL::Test::Utils::tempdir();
my %formats = (
	plain => [ '-Fp' ],
	custom => [ '-Fc' ],
	directory => [ '-Fd', '-j', 2 ]);    # t/030_master_key.pl restores a dump with -j

my $copy = PostgreSQL::Test::Cluster->new('copy');
$copy->init(@initdb);
$copy->start;
$copy->safe_psql('postgres', 'CREATE ROLE app_user');
for my $format (sort keys %formats)
{
	my $file = "$dumps/$format";
	my $source = $node->connstr('postgres');
	my $database = "copy_$format";

	$copy->safe_psql('postgres', "CREATE DATABASE $database TEMPLATE template0");
	my $target = $copy->connstr($database);
	$node->command_ok([ 'pg_dump', @{ $formats{$format} }, '-f', $file, $source ], "pg_dump can write a $format dump");
	$copy->command_ok(
		$format eq 'plain' ? [ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-f', $file, $target ] :
		  [ 'pg_restore', '--exit-on-error', '-d', $target, $file ],
		"a $format dump can be restored");
	is($copy->safe_psql($database, $contents), $kept, "a $format dump restores all rows of the extension");
	is($copy->safe_psql($database, 'SELECT anon_auth.verify_jwt(' . sql_literal($tokens->{access_token}) . q{) ->> 'sub'}),
		$account->{sub}, "after a $format restore, verify_jwt() works without the master key");
	like(
		answer($copy, sprintf(q{SELECT anon_auth.refresh_session('app', %s)}, sql_literal($tokens->{refresh_token})), database => $database)->[1],
		qr/F0000: master key file ".*anon_auth\.master_key" does not exist.*DETAIL: .*[0-9a-f]{16}.*HINT:  Restore the file from its backup/s,
		"after a $format restore, the error of a refresh names the missing master key");
	ok(!-e key_file($copy), "after a $format restore, the server does not create a master key");
}
copy(key_file($node), key_file($copy));
chmod 0600, key_file($copy);
for my $format (sort keys %formats)
{
	my $database = "copy_$format";
	my $answer = answer(
		$copy, sprintf(
			q{SET ROLE app_user;
			SELECT access_token AS token FROM anon_auth.refresh_session('app', %s) \gset
			SELECT anon_auth.use_access_token(:'token', false);
			INSERT INTO notes (note) VALUES ('new');
			SELECT note FROM notes ORDER BY 1;
			SELECT count(*) FROM anon_auth.authenticate_anonymously('app', jwt => %s)},
			sql_literal($tokens->{refresh_token}), sql_literal($device->request(challenge => challenge($node)))),
		database => $database);
	is_deeply($answer, [ "$account->{sub}\nnew\nnote of $account->{sub}\n1", '' ],
		"with the master key, sessions, devices, grants and policies work after a $format restore");
	like(answer($copy, q{SELECT anon_auth.promote_anonymous_user('app', username => 'eve', password => 'too short', refresh_token => (anon_auth.authenticate_anonymously('app')).refresh_token)}, database => $database)->[1],
		qr/AA011/, "the settings apply after a $format restore");
}

# A key file outside the data directory

my $elsewhere = "$dumps/the key";
move(key_file($copy), $elsewhere);
my $link = "$dumps/link";
symlink $elsewhere, $link;
$copy->append_conf('postgresql.conf', "anon_auth.master_key_file = '$link'");
$copy->reload;
is($copy->safe_psql('copy_plain', sprintf q{SELECT sub FROM anon_auth.refresh_session('app', %s)}, sql_literal($tokens->{refresh_token})),
	$account->{sub}, 'the key file can be outside the data directory and behind a symbolic link');
ok(!-e key_file($copy), 'the server does not create a key file in the data directory when another one is set');
my $content = slurp_file($elsewhere);
open my $file, '>', $elsewhere or die;
print $file $content =~ s/\n\z//r;
close $file;
is($copy->safe_psql('copy_plain', q{SELECT length(anon_auth.sign_jwt('{}')) > 0}), 't', 'the last line of the key file needs no newline');
like(answer($copy, q{SET ROLE app_user; SELECT anon_auth.uid(); SET anon_auth.master_key_file = '/dev/null'; SHOW anon_auth.master_key_file},
		database => 'copy_plain')->[1],
	qr/42501: .*anon_auth\.master_key_file.*42501: /s, 'a role without rights can neither set nor show anon_auth.master_key_file');
my $chosen = answer($copy, q{SET ROLE app_user; SET anon_auth.master_key_file = '/dev/null'; SELECT length(anon_auth.create_challenge()::text) > 40; SHOW anon_auth.master_key_file},
	database => 'copy_plain');
is($chosen->[0], 't', 'a value set before the library is loaded has no effect');
like($chosen->[1], qr/WARNING:  42501: .*ERROR:  42501: /s, 'loading the library warns about a value that the role may not set');
unlink $elsewhere, $link;
mkdir $link;
like(answer($copy, q{SELECT anon_auth.sign_jwt('{}')}, database => 'copy_plain')->[1],
	qr/F0000: master key "\Q$link\E" is not a regular file/, 'a directory is refused as key file');
$copy->stop;

# ---------------------------------------------------------------------------
# Claims
# ---------------------------------------------------------------------------

# Two tokens of two guests. A token that expires soon follows below.
my $ada = guest();
my $bob = guest();
my ($ada_token, $bob_token) = map { sql_literal($_->{access_token}) } $ada, $bob;
my $forged = q{'{"sub": "00000000-0000-7000-8000-000000000001", "sid": "00000000-0000-7000-8000-000000000002", "exp": 99999999999}'};
query('CREATE ROLE eve LOGIN');
query(q{SELECT anon_auth.grant_client_api('eve')});
query('GRANT pg_read_all_stats TO eve');    # in_worker() reads backend_type

sub says
{
	my ($statements, $expected, $name, %options) = @_;

	is_deeply(answer($node, $statements, %options), [ $expected, '' ], $name);
}

says("SELECT anon_auth.use_access_token($ada_token, false); DISCARD ALL; SELECT anon_auth.uid() IS NULL",
	"$ada->{sub}\nt", 'DISCARD ALL removes the claims');
says("SELECT anon_auth.use_access_token($ada_token, false); RESET anon_auth.verified_claims; SELECT anon_auth.uid() IS NULL",
	"$ada->{sub}\nt", 'RESET removes the claims');
says("BEGIN; SELECT anon_auth.use_access_token($ada_token); SELECT anon_auth.uid(); COMMIT; SELECT anon_auth.uid() IS NULL",
	"$ada->{sub}\n$ada->{sub}\nt", 'COMMIT removes the local claims of the transaction');
says("BEGIN; SELECT anon_auth.use_access_token($ada_token); ROLLBACK; SELECT anon_auth.uid() IS NULL",
	"$ada->{sub}\nt", 'ROLLBACK removes the local claims of the transaction');
says("SELECT anon_auth.use_access_token($ada_token, false); BEGIN; SELECT anon_auth.use_access_token($bob_token, false); ROLLBACK; SELECT anon_auth.uid()",
	"$ada->{sub}\n$bob->{sub}\n$ada->{sub}", 'ROLLBACK restores the claims that the connection had before');
says("BEGIN; SELECT anon_auth.use_access_token($ada_token); SAVEPOINT s; SELECT anon_auth.use_access_token($bob_token);
	SAVEPOINT t; RESET anon_auth.verified_claims; SELECT anon_auth.uid() IS NULL; ROLLBACK TO t; SELECT anon_auth.uid();
	ROLLBACK TO s; SELECT anon_auth.uid(); RELEASE s; SELECT anon_auth.uid(); COMMIT",
	"$ada->{sub}\n$bob->{sub}\nt\n$bob->{sub}\n$ada->{sub}\n$ada->{sub}", 'ROLLBACK TO SAVEPOINT restores the claims from before the savepoint');
says("BEGIN; SELECT anon_auth.use_access_token($ada_token); DO \$\$ BEGIN PERFORM anon_auth.use_access_token($bob_token); RAISE division_by_zero;
	EXCEPTION WHEN division_by_zero THEN NULL; END \$\$; SELECT anon_auth.uid(); COMMIT",
	"$ada->{sub}\n$ada->{sub}", 'a caught exception restores the claims from before its block');
says("BEGIN; SELECT anon_auth.use_access_token($ada_token); CREATE FUNCTION pg_temp.other() RETURNS uuid LANGUAGE sql SET work_mem = '1MB'
	AS \$\$ SELECT anon_auth.use_access_token($bob_token); SELECT anon_auth.uid() \$\$;
	SELECT pg_temp.other(); COMMIT; SELECT anon_auth.uid() IS NULL",
	"$ada->{sub}\n$bob->{sub}\nt", 'local claims set inside a function with a SET clause end with the transaction');

# An expired token

my $soon = query(
	sprintf q{SELECT anon_auth.sign_jwt(anon_auth.verify_jwt(%s) || jsonb_build_object('exp', ceil(extract(epoch FROM clock_timestamp()) + 2)::bigint), typ => 'at+jwt')},
	$ada_token);
my %late = (in => "SELECT anon_auth.use_access_token('$soon', false);\nSELECT anon_auth.uid();\n\\echo before\n", out => '', err => '');
$late{run} = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres') ],
	'<', \$late{in}, '>', \$late{out}, '2>', \$late{err}, IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
$late{run}->pump until $late{out} =~ /before/;
is($late{out}, "$ada->{sub}\n$ada->{sub}\nbefore\n", 'the claims of a token count until it expires');
$node->poll_query_until('postgres',
	qq{SELECT (convert_from(decode(translate(split_part('$soon', '.', 2), '-_', '+/') || repeat('=', -length(split_part('$soon', '.', 2)) & 3), 'base64'), 'UTF8')::jsonb ->> 'exp')::bigint
		< extract(epoch FROM clock_timestamp())}) or die;
$late{out} = '';
$late{in} .= "SELECT anon_auth.uid() IS NULL, anon_auth.is_anonymous() IS NULL, anon_auth.session_id() IS NULL, anon_auth.claims() IS NULL, anon_auth.session_alive();\n\\q\n";
$late{run}->finish;
is($late{out}, "t|t|t|t|f\n", 'after the token has expired, an open connection has no claims');
like(answer($node, "SELECT anon_auth.use_access_token('$soon')")->[1], qr/AA014/, 'use_access_token() refuses the expired token');

# Forgeries

my $nobody = 'SELECT anon_auth.uid() IS NULL, anon_auth.claims() IS NULL';
my $load = 'SELECT anon_auth.uid() IS NULL;';    # loads the library

for my $loaded (0, 1)
{
	my $before = $loaded ? $load : '';
	my $when = $loaded ? 'after the library is loaded' : 'before the library is loaded';
	my %attempts = (
		'SET' => "SET anon_auth.verified_claims = $forged;",
		'SET LOCAL' => "BEGIN; SET LOCAL anon_auth.verified_claims = $forged;",
		'set_config()' => "SELECT set_config('anon_auth.verified_claims', $forged, false) IS NULL;",
		'UPDATE pg_settings' => "UPDATE pg_settings SET setting = $forged WHERE name = 'anon_auth.verified_claims';");

	for my $attempt (sort keys %attempts)
	{
		my $answer = answer($node, "$before SET ROLE eve; $attempts{$attempt} ROLLBACK; $nobody");
		like($answer->[0], qr/^t\|t$/m, "$attempt $when gives another role no claims");
		$answer = answer($node, "$before $attempts{$attempt} $nobody");
		unlike($answer->[0], qr/00000000-0000/, "$attempt $when gives a superuser no claims");
	}
	my $answer = answer($node,
		"$before CREATE FUNCTION pg_temp.forge() RETURNS uuid LANGUAGE sql SET anon_auth.verified_claims = $forged AS 'SELECT anon_auth.uid()';
		SELECT pg_temp.forge()");
	unlike($answer->[0], qr/00000000-0000/, "the SET clause of a function created $when gives no claims");
}
# Every CREATE in a database with the extension loads the library, which would
# refuse the clause. So store the clause directly, as CREATE FUNCTION would have
# stored it before CREATE EXTENSION.
query(qq{CREATE FUNCTION forge() RETURNS uuid LANGUAGE sql AS 'SELECT anon_auth.uid()';
	UPDATE pg_proc SET proconfig = ARRAY['anon_auth.verified_claims=' || $forged] WHERE oid = 'forge()'::regprocedure});
my $from_clause = answer($node, "$load SELECT forge()");
unlike($from_clause->[0], qr/00000000-0000/, 'the SET clause of a function created without the library gives no claims after the library is loaded');
like($from_clause->[1], qr/42501: parameter "anon_auth\.verified_claims" cannot be set/, 'calling a function with such a SET clause is refused after the library is loaded');
unlike(answer($node, 'SELECT forge()')->[0], qr/00000000-0000/, 'the SET clause of a function created without the library gives no claims before the library is loaded');

query(qq{ALTER ROLE eve SET anon_auth.verified_claims = $forged});
for my $statements ($nobody, "$load $nobody")
{
	like(answer($node, $statements, params => [ '-U', 'eve' ])->[0], qr/^t\|t$/m, 'ALTER ROLE ... SET gives no claims');
}
query('ALTER ROLE eve RESET ALL');
query(qq{ALTER DATABASE postgres SET anon_auth.verified_claims = $forged});
like(answer($node, $nobody)->[0], qr/^t\|t$/m, 'ALTER DATABASE ... SET gives no claims');
query('ALTER DATABASE postgres RESET ALL');
{
	local $ENV{PGOPTIONS} = '-c anon_auth.verified_claims={"sub":"00000000-0000-7000-8000-000000000001","exp":99999999999}';
	like(answer($node, $nobody)->[0], qr/^t\|t$/m, 'PGOPTIONS gives no claims');
	$ENV{PGOPTIONS} .= ' -c session_preload_libraries=anon_auth';
	like(answer($node, $nobody)->[0], qr/^t\|t$/m, 'PGOPTIONS gives no claims when the library is preloaded');
}
like(answer($node, "$load ALTER SYSTEM SET anon_auth.verified_claims = $forged")->[1], qr/ERROR/, 'ALTER SYSTEM refuses claims');

# Parallel workers

my $forced = query(q{SELECT name FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query')});
my $parallel = "SET $forced = on; SET min_parallel_table_scan_size = 0; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0;
	SET parallel_leader_participation = off; SET max_parallel_workers_per_gather = 2; SET enable_indexonlyscan = off; SET enable_bitmapscan = off;";
query(q{
	CREATE TABLE owned (owner uuid, worker boolean);
	CREATE FUNCTION in_worker() RETURNS boolean LANGUAGE sql PARALLEL SAFE
		AS 'SELECT backend_type = ''parallel worker'' FROM pg_stat_activity WHERE pid = pg_backend_pid()';
	-- only the body of this function, which runs in the worker, calls the library
	CREATE FUNCTION late_uid() RETURNS uuid LANGUAGE plpgsql STABLE PARALLEL SAFE
		AS $$ BEGIN RETURN anon_auth.uid(); END $$;
	});
query(sprintf q{INSERT INTO owned SELECT CASE n %% 10 WHEN 0 THEN %s::uuid WHEN 1 THEN %s::uuid END FROM generate_series(1, 20000) n},
	sql_literal($ada->{sub}), sql_literal($bob->{sub}));
query('ANALYZE owned');

says("$parallel SELECT bool_and(in_worker()) FROM owned WHERE owner = anon_auth.uid()", '', 'without claims, a parallel worker sees no row under uid()');
says("$parallel SELECT anon_auth.use_access_token($ada_token, false);
	SELECT count(*), bool_and(in_worker()), bool_and(anon_auth.is_anonymous()), bool_and(anon_auth.session_alive()), bool_and(anon_auth.session_id()::text = anon_auth.claims() ->> 'sid')
	FROM owned WHERE owner = anon_auth.uid()",
	"$ada->{sub}\n2000|t|t|t|t", 'parallel workers see the claims of the connection');
says("$parallel BEGIN; SELECT anon_auth.use_access_token($ada_token); SAVEPOINT s; SELECT anon_auth.use_access_token($bob_token); ROLLBACK TO s;
	SELECT count(*), bool_and(in_worker()), min(owner::text) FROM owned WHERE owner = late_uid(); COMMIT;
	SELECT count(*) FROM owned WHERE owner = anon_auth.uid()",
	"$ada->{sub}\n$bob->{sub}\n2000|t|$ada->{sub}\n0", 'parallel workers see local claims and the effect of ROLLBACK TO SAVEPOINT');
says("$parallel BEGIN; SELECT anon_auth.use_client_address('192.0.2.1'); SAVEPOINT s; SELECT anon_auth.use_client_address('192.0.2.2'); ROLLBACK TO s;
	SELECT min(current_setting('anon_auth.client_address')), bool_and(in_worker()) FROM owned WHERE owner IS NULL; COMMIT",
	"\n\n192.0.2.1|t", 'parallel workers see the address that use_client_address() stated');
{
	my $answer = answer($node, "$parallel SET anon_auth.client_address = '192.0.2.9'; SELECT bool_and(in_worker()) FROM owned WHERE owner IS NULL;
		SELECT current_setting('anon_auth.client_address') FROM anon_auth.jwks();
		SELECT count(*) FROM owned WHERE owner = late_uid(); SELECT DISTINCT current_setting('anon_auth.client_address') = '' FROM owned");
	unlike($answer->[0], qr/192\.0\.2\.9/, 'an address set before the library is loaded does not count');
}
for my $role ('', 'SET ROLE eve;')
{
	my $answer = answer($node,
		"GRANT SELECT ON owned TO eve; $parallel $role SET anon_auth.verified_claims = '" . qq({"sub": "$ada->{sub}", "exp": 99999999999})
		  . "'; SELECT count(*), bool_and(in_worker()) FROM owned WHERE owner IS NULL; SELECT count(*) AS seen FROM owned WHERE owner = late_uid()");
	is($answer->[0], "16000|t\n0", 'a value set before the library is loaded gives no claims in a parallel worker' . ($role ? ', as another role' : ''));
}

query(q{UPDATE anon_auth.settings SET trust_request_claims = true});
says("$parallel SELECT set_config('request.jwt.claims', anon_auth.verify_jwt('$bob->{access_token}')::text, false) IS NULL;
	SELECT count(*), bool_and(in_worker()), bool_and(anon_auth.is_anonymous()) FROM owned WHERE owner = anon_auth.uid()",
	"f\n2000|t|t", 'parallel workers see request.jwt.claims when trust_request_claims is on');
query(q{UPDATE anon_auth.settings SET trust_request_claims = false});

$node->stop;

done_testing();
