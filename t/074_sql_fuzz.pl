# Fuzz the SQL interface.
#
# Several sessions at once call every function of the SQL interface and of
# anon_auth_http, with hostile arguments, settings and transactions. Meanwhile
# the owner's functions run and calls are cancelled. The test fails if a backend
# crashes, if an error is internal or undocumented, if a damaged token is
# accepted, if anything works twice, or if uninvolved users are affected.
#
# FUZZ_SECONDS is the duration: 10 by default, 30 where CI is set. FUZZ_SEED
# determines the calls: the same seed makes the same calls. Only the order in
# which the sessions run, and the values that the server issues, differ. To find
# more, run it with script/test --assertions, or against a PostgreSQL with
# --enable-cassert.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Device qw(call challenge jws_parts sql_literal);
use AnonAuth::FuzzErrors;
use AnonAuth::FuzzGenerator;
use AnonAuth::FuzzSession;
use AnonAuth::Invariants qw(damage invariants tokens_refused tries);
use AnonAuth::Secrets qw(found_in secret);
use Digest::SHA qw(sha256);
use File::Copy ();
use JSON::PP ();
use List::Util qw(max min);
use MIME::Base64 qw(encode_base64url);
use POSIX ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Storable ();
use Test::More;
use Time::HiRes qw(time);

use constant BATCHES => 10;    # at most, each of
use constant BATCH_SECONDS => 10;    # at least
use constant KNOWN_SECRETS => 100;    # of each kind, in each batch
use constant KEPT => 300;    # entries of each pool that the next batch gets

# The memory that an idle backend may use, and its growth from the middle of a
# batch to the end, while PostgreSQL's caches are being filled. t/068_memory.pl
# measures more exactly.
use constant MAX_CONTEXT_BYTES => 32 * 1024 * 1024;
use constant MAX_GROWTH_BYTES => 16 * 1024 * 1024;

my $seconds = $ENV{FUZZ_SECONDS} // ($ENV{CI} ? 30 : 10);
my $seed = $ENV{FUZZ_SEED} // int rand 2**31;
my @workers = (
	{ name => 'app 1', who => 'app', user => 'fuzz_app' },
	{ name => 'web', who => 'web', user => 'fuzz_authenticator' },
	{ name => 'app 2', who => 'app', user => 'fuzz_app' },
	{ name => 'owner', who => 'owner', user => 'fuzz_owner' });

diag("FUZZ_SEED=$seed FUZZ_SECONDS=$seconds");

# ---------------------------------------------------------------------------
# The server
# ---------------------------------------------------------------------------

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--no-locale', '--encoding=UTF8', '--data-checksums' ]);
$node->append_conf('postgresql.conf', <<'CONF');
fsync = off
autovacuum_naptime = 1s
max_connections = 40
max_prepared_transactions = 20
max_parallel_workers = 4
deadlock_timeout = 100ms
log_line_prefix = '%m [%p] %e '
log_statement = none

# The server logs a statement's text, including values that the caller wrote
# into it. This test searches only the messages.
log_min_error_statement = panic
log_parameter_max_length = 0
log_parameter_max_length_on_error = 0
CONF
$node->start;

sub query { return $node->safe_psql('postgres', $_[0]); }

query(<<'SQL');
CREATE EXTENSION anon_auth;
CREATE EXTENSION anon_auth_http;
CREATE EXTENSION anon_auth_citus;
CREATE ROLE fuzz_app LOGIN;
CREATE ROLE fuzz_other;
CREATE ROLE anon;
CREATE ROLE authenticated;
CREATE ROLE fuzz_authenticator LOGIN NOINHERIT;
CREATE ROLE fuzz_owner LOGIN;
GRANT fuzz_other TO fuzz_app;
GRANT anon, authenticated TO fuzz_authenticator;
GRANT fuzz_app TO fuzz_owner;
DO $$
BEGIN
	EXECUTE format('GRANT %s TO fuzz_owner', (SELECT nspowner::regrole FROM pg_namespace WHERE nspname = 'anon_auth'));
END $$;
SELECT anon_auth.grant_client_api('fuzz_app'), anon_auth.grant_client_api('fuzz_other'), anon_auth.grant_client_api('anon'), anon_auth.grant_client_api('authenticated');
SELECT anon_auth.grant_http_api('anon'), anon_auth.grant_http_api('authenticated'), anon_auth.grant_http_api('fuzz_authenticator');

ALTER ROLE fuzz_authenticator SET role = 'anon';

-- Bound the waits: a session may hold a lock that the worker's other session wants.
ALTER ROLE fuzz_app SET lock_timeout = '300ms';
ALTER ROLE fuzz_authenticator SET lock_timeout = '300ms';
ALTER ROLE fuzz_owner SET lock_timeout = '300ms';
ALTER ROLE fuzz_app SET statement_timeout = '5s';
ALTER ROLE fuzz_authenticator SET statement_timeout = '5s';
ALTER ROLE fuzz_owner SET statement_timeout = '5s';

SELECT anon_auth.create_client('app', 'native'), anon_auth.create_client('witness', 'native', '{https://app.example/cb}'),
	anon_auth.create_client('rotating', 'native', refresh_token_rotation_enabled => true),
	anon_auth.create_client('web', 'spa', '{https://app.example/cb}', post_logout_redirect_uris => '{https://app.example/bye}'),
	anon_auth.create_client('site', 'traditional_webapp', '{https://app.example/cb}'),
	anon_auth.create_client('single', 'native', max_concurrent_sessions => 1),
	anon_auth.create_client('partner', 'third_party_app', '{https://partner.example/}'), anon_auth.create_client('machine', 'm2m');

CREATE SCHEMA fuzz;
GRANT USAGE ON SCHEMA fuzz TO PUBLIC;
CREATE TABLE fuzz.notes (user_id uuid REFERENCES anon_auth.users (id) ON DELETE CASCADE, note text);
CREATE INDEX ON fuzz.notes (user_id);
ALTER TABLE fuzz.notes ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON fuzz.notes USING (user_id = (SELECT anon_auth.uid()) AND (SELECT anon_auth.session_alive()));
CREATE TABLE fuzz.big WITH (parallel_workers = 2) AS SELECT gen_random_uuid() AS id FROM generate_series(1, 5000);
CREATE UNLOGGED TABLE fuzz.scratch (x text);
GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA fuzz TO PUBLIC;
CREATE FUNCTION fuzz.set_argument(n integer, value text) RETURNS text LANGUAGE sql SET search_path = pg_catalog AS
	$$ SELECT set_config('fuzz.argument' || n, coalesce('=' || value, ''), false) $$;
CREATE FUNCTION fuzz.argument(n integer) RETURNS text LANGUAGE sql STABLE SET search_path = pg_catalog AS
	$$ SELECT CASE WHEN s LIKE '=%' THEN substr(s, 2) END FROM current_setting('fuzz.argument' || n, true) s $$;
CREATE FUNCTION fuzz.memory() RETURNS bigint LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS
	'SELECT sum(total_bytes)::bigint FROM pg_backend_memory_contexts';
CREATE FUNCTION fuzz.claims(jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN jsonb_build_object('plan', 'free'); END $$;
CREATE FUNCTION fuzz.before_sign_up(uuid, text, jsonb) RETURNS void LANGUAGE plpgsql AS
	$$ BEGIN IF random() < 0.2 THEN RAISE 'no guests today'; END IF; END $$;
CREATE FUNCTION fuzz.after_promotion(uuid, text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'promoted'; END $$;
CREATE FUNCTION fuzz.merge(uuid, uuid) RETURNS void LANGUAGE plpgsql AS $$ BEGIN NULL; END $$;

-- Functions in a schema that search_path puts before pg_catalog.  They must never
-- run as the owner.
CREATE SCHEMA fuzz_evil AUTHORIZATION fuzz_app;
GRANT USAGE ON SCHEMA fuzz_evil TO PUBLIC;
DO $$
DECLARE
	signature text;
BEGIN
	FOREACH signature IN ARRAY ARRAY['now() RETURNS timestamptz', 'set_config(text, text, boolean) RETURNS text', 'current_setting(text) RETURNS text',
		'sha256(bytea) RETURNS bytea', 'coalesce_(text) RETURNS text', 'format(text, text) RETURNS text', 'jsonb_build_object(text, text) RETURNS jsonb',
		'uuid_equals(uuid, uuid) RETURNS boolean', 'text_equals(text, text) RETURNS boolean', 'text_joined(text, text) RETURNS text',
		'time_before(timestamptz, timestamptz) RETURNS boolean',  'jsonb_member(jsonb, text) RETURNS text', 'jsonb_element(jsonb, text) RETURNS jsonb', 'integer_greater(integer, integer) RETURNS boolean', 'clock_timestamp() RETURNS timestamptz'] LOOP
		EXECUTE format('CREATE FUNCTION fuzz_evil.%s LANGUAGE plpgsql AS %L', signature,
			'BEGIN RAISE EXCEPTION USING ERRCODE = ''EV001'', MESSAGE = ''run by ''::text OPERATOR(pg_catalog.||) current_user::text; END');
	END LOOP;
END $$;
CREATE OPERATOR fuzz_evil.= (LEFTARG = uuid, RIGHTARG = uuid, FUNCTION = fuzz_evil.uuid_equals);
CREATE OPERATOR fuzz_evil.= (LEFTARG = text, RIGHTARG = text, FUNCTION = fuzz_evil.text_equals);
CREATE OPERATOR fuzz_evil.|| (LEFTARG = text, RIGHTARG = text, FUNCTION = fuzz_evil.text_joined);
CREATE OPERATOR fuzz_evil.< (LEFTARG = timestamptz, RIGHTARG = timestamptz, FUNCTION = fuzz_evil.time_before);
CREATE OPERATOR fuzz_evil.> (LEFTARG = integer, RIGHTARG = integer, FUNCTION = fuzz_evil.integer_greater);
CREATE OPERATOR fuzz_evil.-> (LEFTARG = jsonb, RIGHTARG = text, FUNCTION = fuzz_evil.jsonb_element);
CREATE OPERATOR fuzz_evil.->> (LEFTARG = jsonb, RIGHTARG = text, FUNCTION = fuzz_evil.jsonb_member);
SQL

# Witnesses must be able to log in, whatever settings the owner has changed.
my $baseline = q{
	UPDATE anon_auth.settings SET issuer = 'https://auth.example', audience = NULL, password_hash_memory_kib = 8192, password_hash_passes = 1,
		password_attempts_per_minute_per_ip = NULL, password_attempts_per_minute_per_user = NULL, password_attempts_per_minute_per_user_per_ip = NULL,
		guest_sign_ups_per_minute = NULL, guest_sign_ups_per_minute_per_ip = NULL, lockout_max_attempts = 0, promotion_conflict = 'error',
		public_sign_up_enabled = true, before_sign_up = NULL, access_token_claims = NULL, after_promotion = NULL, merge = NULL, trusted_proxy_hops = 0,
		login_id_types = '{email,phone_number,username}', trust_request_claims = false, cookie_prefix = '', check_session_on_request = false,
		guest_retention = NULL, email_block_plus_sign = false, purge_policy = 'skip'};
query($baseline);

# ---------------------------------------------------------------------------
# The functions to call
# ---------------------------------------------------------------------------

my $admin = query('SELECT current_user');
my $functions = JSON::PP->new->decode(query(<<'SQL'));
SELECT json_agg(json_build_object(
		'name', n.nspname || '.' || p.proname,
		'kind', CASE WHEN n.nspname = 'anon_auth_internal' THEN 'owner'
					 WHEN p.oid = ANY (anon_auth.client_api()::oid[]) OR p.proacl IS NULL OR 0 IN (SELECT grantee FROM aclexplode(p.proacl)) THEN 'client'
					 WHEN p.oid = ANY (anon_auth.http_api()::oid[]) THEN 'http' ELSE 'owner' END,
		'arguments', (SELECT coalesce(json_agg(json_build_array(coalesce(p.proargnames[i], ''), format_type(p.proargtypes[i - 1], NULL)) ORDER BY i), '[]')
					  FROM generate_series(1, p.pronargs) i),
		'defaults', p.pronargdefaults, 'set', p.proretset, 'safe', p.proparallel = 's',
		'composite', t.typtype = 'c' OR p.prorettype = 'record'::regtype,
		'comment', obj_description(p.oid, 'pg_proc')) ORDER BY n.nspname, p.oid::regprocedure::text)
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace JOIN pg_type t ON t.oid = p.prorettype
	JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
WHERE d.refobjid IN (SELECT oid FROM pg_extension WHERE extname LIKE 'anon_auth%')
  AND p.prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype)
  AND p.proname <> 'renew_database_id' -- which makes all that was issued void
SQL

my %comments;
$comments{ $_->{name} } .= ' ' . ($_->{comment} // '') for @$functions;
my $errors = AnonAuth::FuzzErrors->new("$FindBin::Bin/../src", \%comments);
my %kinds;
$kinds{ $_->{kind} }++ for @$functions;
cmp_ok($kinds{client}, '>=', 20, 'the functions include the client API');
cmp_ok($kinds{http}, '>=', 10, 'the functions include the HTTP functions');
cmp_ok($kinds{owner}, '>=', 20, "the functions include the owner's functions");

sub generator
{
	my ($worker, $batch) = @_;

	return AnonAuth::FuzzGenerator->new(seed => "$seed $worker->{name} $batch", who => $worker->{who}, functions => $functions, restore => $baseline);
}

sub plans
{
	my ($worker, $batch) = @_;
	my $generator = generator($worker, $batch);

	return JSON::PP->new->canonical->allow_nonref->latin1->encode([ map { $generator->transaction } 1 .. 200 ]);
}

is(plans($workers[0], 1), plans($workers[0], 1), 'the same seed makes the same calls');
isnt(plans($workers[0], 1), plans($workers[0], 2), 'a different seed makes different calls');

# The checks find what they look for.
my %sample = (C => 'XX000', M => 'cache lookup failed', F => 'syscache.c');
ok(defined $errors->objection('anon_auth.uid', \%sample), 'an internal error is reported');
ok(defined $errors->objection('anon_auth.uid', { C => 'AA014', M => 'x', F => 'guest_proof.c' }), "an error of the extension that the function's comment does not list is reported");
ok(!defined $errors->objection('anon_auth.userinfo', { C => 'AA014', M => 'x', F => 'guest_proof.c' }), "an error that the function's comment lists is not reported");
ok(defined $errors->objection('anon_auth.revoke', { C => '23505', M => 'x', F => 'nbtinsert.c' }), 'an unexpected constraint violation is reported');
ok(defined $errors->objection('anon_auth.revoke', { C => 'EV001', M => "run by $admin", F => 'pl_exec.c' }), 'a hostile function that runs as the owner is reported');

# ---------------------------------------------------------------------------
# Batches
# ---------------------------------------------------------------------------

my @devices = map { AnonAuth::Device->new(alg => $_ % 2 ? 'EdDSA' : 'ES256') } 1 .. AnonAuth::FuzzGenerator::DEVICES;
my %pools;
my %total;    # issued values, and the number of calls

sub work
{
	my ($worker, $batch, $length) = @_;
	my $generator = generator($worker, $batch);
	# Each worker gets its own copy of the devices, since signing writes files.
	my @own = map {
		my $directory = PostgreSQL::Test::Utils::tempdir();

		File::Copy::copy("$_->{directory}/private.pem", $directory) or die "cannot copy a key: $!";
		bless { %$_, directory => $directory }, ref $_;
	} @devices;
	my $session = AnonAuth::FuzzSession->new(%$worker, node => $node, admin => $admin, errors => $errors, devices => \@own,
		name => "$worker->{name}, $batch", pools => { map { $_ => [ @{ $pools{$_} } ] } keys %pools });
	my $begin = time;

	local $SIG{PIPE} = 'IGNORE';
	$session->run($generator->transaction) until time - $begin > $length / 2;
	$session->sample_memory;
	$session->run($generator->transaction) until time - $begin > $length;
	return $session->finish;
}

# Run all workers. Returns their reports.
sub run_batch
{
	my ($batch, $length) = @_;
	my @running;

	for my $worker (@workers)
	{
		my $file = PostgreSQL::Test::Utils::tempdir() . "/report";
		my $pid = fork // die "cannot fork: $!";

		if ($pid == 0)
		{
			# The parent stops the server, however the workers end.
			my $report = eval { work($worker, $batch, $length) } // { died => "$@" };

			Storable::store($report, $file);
			POSIX::_exit(0);
		}
		push @running, [ $pid, $file, $worker ];
	}
	return map {
		my ($pid, $file, $worker) = @$_;

		waitpid $pid, 0;
		my $report = eval { Storable::retrieve($file) } // { died => "no report: $@" };
		$report->{worker} = $worker->{name};
		$report;
	} @running;
}

# Witnesses: users that no call names, and what belongs to them.
sub witnesses
{
	my ($batch) = @_;
	my %witness = (device => AnonAuth::Device->new(alg => 'ES256'));

	sub row { return [ split /\|/, query($_[0]) ]; }
	my $guest = "SELECT sub, refresh_token, access_token FROM anon_auth.authenticate_anonymously('witness')";
	$witness{guest} = row($guest);
	$witness{access} = $witness{guest}[2];
	my $keyed = call($node, 'authenticate_anonymously', client_id => 'witness', jwt => $witness{used} = $witness{device}->request(challenge => challenge($node), with_jwk => 1));
	$witness{keyed} = [ $keyed->{sub}, $keyed->{refresh_token} ];
	$witness{unused} = $witness{device}->request(challenge => challenge($node), payload => { exp => time + 300 });
	$witness{login} = "witness$batch";
	my $promoted = row($guest);
	$witness{used_code} = query("SELECT promotion_code FROM anon_auth.create_promotion_code('$promoted->[1]')");
	$witness{account} = row("SELECT sub, refresh_token FROM anon_auth.promote_anonymous_user('witness', username => '$witness{login}', password => 'correct horse', promotion_code => '$witness{used_code}')");
	my $other = row($guest);
	$witness{unused_code} = query("SELECT promotion_code FROM anon_auth.create_promotion_code('$other->[1]')");
	query("INSERT INTO fuzz.notes VALUES ('$witness{account}[0]', 'a witness')");
	return \%witness;
}

sub check_witnesses
{
	my ($batch, $witness) = @_;
	my $promote = "SELECT sub FROM anon_auth.promote_anonymous_user('witness', username => 'again$batch', password => 'correct horse', promotion_code => %s)";
	my $log_in = "SELECT sub FROM anon_auth.authenticate_anonymously('witness', jwt => %s)";

	is(tokens_refused($node, 'witness', @$witness{qw(guest keyed account)}), '', "batch $batch: the tokens of the witnesses are valid");
	is(tries($node, "SELECT sub FROM anon_auth.authenticate('witness', %s, 'correct horse')", $witness->{login})->{done}, 1, 'the password of a witness is accepted');
	# The calls may retire the key that signed the token.
	my ($header) = jws_parts($witness->{access});
	my $retired = query("SELECT count(*) FROM anon_auth.signing_keys WHERE kid = '$header->{kid}' AND state = 'retired'");
	is_deeply(tries($node, 'SELECT anon_auth.userinfo(%s)', $witness->{access}), $retired ? { done => 0, AA014 => 1 } : { done => 1 }, 'the access token of a witness is accepted, unless its key was retired');
	is(query("SELECT count(*) FROM fuzz.notes WHERE user_id = '$witness->{account}[0]'"), 1, 'the rows of the witnesses exist');
	is_deeply(tries($node, $log_in, $witness->{used}), { done => 0, AA005 => 1 }, 'a used device request of a witness is refused');
	is_deeply(tries($node, $log_in, $witness->{unused}, $witness->{unused}), { done => 1, AA005 => 1 }, 'an unused device request of a witness is accepted once');
	is(tries($node, $promote, $witness->{used_code})->{done}, 0, 'a used promotion code of a witness is refused');
	is(tries($node, $promote, $witness->{unused_code}, $witness->{unused_code})->{done}, 1, 'an unused promotion code of a witness is accepted once');
	return;
}

# Initial values of each kind for the sessions; some of them have expired.
sub plant
{
	my ($batch) = @_;
	my $challenge = encode_base64url(sha256(AnonAuth::FuzzGenerator::CODE_VERIFIER));
	my $password = sql_literal(AnonAuth::FuzzGenerator::PASSWORD);
	my $guest = q{(SELECT * FROM anon_auth.authenticate_anonymously(client) OFFSET 0) g};
	my %planted = (
		refresh_token => "SELECT refresh_token FROM unnest('{app,app,rotating,web,single,site}'::text[]) client, LATERAL $guest",
		access_token => "SELECT access_token FROM unnest('{app,web}'::text[]) client, LATERAL $guest",
		sub => "SELECT sub FROM unnest('{app,app,app,app}'::text[]) client, LATERAL $guest",
		promotion_code => "SELECT promotion_code FROM unnest('{app,web,web}'::text[]) client, LATERAL $guest, LATERAL anon_auth.create_promotion_code(refresh_token)",
		authorization_code => "SELECT code FROM unnest('{web,web,web}'::text[]) client, LATERAL $guest, LATERAL anon_auth.authorize_promotion(client, 'https://app.example/cb', '$challenge', username => 'planted' || right(sub::text, 12), password => $password, refresh_token => refresh_token)",
		challenge => 'SELECT token FROM generate_series(1, 20), LATERAL anon_auth.create_challenge()',
		kid => 'SELECT kid FROM anon_auth.signing_keys',
		expired_token => q{SELECT anon_auth.sign_jwt(anon_auth.verify_jwt(access_token) || jsonb_build_object('exp', extract(epoch FROM now())::bigint - 60), typ => 'at+jwt') FROM anon_auth.authenticate_anonymously('app')});

	for my $pool (sort keys %planted)
	{
		my @values = split /\n/, query($planted{$pool});

		push @{ $pools{$pool} }, @values;
		$total{$pool} += @values;
	}
	query(q{UPDATE anon_auth.sessions SET expires_at = now() WHERE random() < 0.05 AND client_id <> 'witness'});
	return;
}

my $logged = 0;

# Return the server's log since the last call.
sub new_log
{
	open my $file, '<', $node->logfile or die "cannot read the log: $!";
	seek $file, $logged, 0;
	my $text = do { local $/; <$file> } // '';
	$logged = tell $file;
	return $text;
}

my %invariants = invariants();
my (%states, %by_function);

sub check_batch
{
	my ($batch, $started, $witness, @reports) = @_;
	my %uses;
	my $log = new_log();
	# An endpoint that cannot get a lock in time answers 500, too.
	my @bad = grep { /anon_auth_http answers 500/ && !/\] 55P03 / || /\b(?:PANIC|TRAP):|terminated by signal|Failed process was running|^\S+ \S+ \S+ \[\d+\] XX/ && !/tuple concurrently/ } split /\n/, $log;

	is(join("\n", @bad[ 0 .. min(20, $#bad) ]), '', "batch $batch: the server logged no crash, no internal error, and no fault behind a 500");
	for my $report (@reports)
	{
		is($report->{died}, undef, "batch $batch: $report->{worker} ran to its end");
		is(join("\n", @{ $report->{problems} // [] }), '', "batch $batch: $report->{worker} reports no problem");
		$uses{$_} += $report->{uses}{$_} for keys %{ $report->{uses} // {} };
		$states{$_} += $report->{states}{$_} for keys %{ $report->{states} // {} };
		for my $function (keys %{ $report->{by_function} // {} })
		{
			$by_function{$function}{$_} += $report->{by_function}{$function}{$_} for keys %{ $report->{by_function}{$function} };
		}
		$total{calls} += $report->{calls} // 0;
		for my $pool (keys %{ $report->{new} // {} })
		{
			my @new = @{ $report->{new}{$pool} };

			push @{ $pools{$pool} }, splice @new, 0, KEPT;
			splice @{ $pools{$pool} }, 0, -(KEPT) if @{ $pools{$pool} } > KEPT;
			$total{$pool} += @{ $report->{new}{$pool} };
			secret("$pool $_ of $batch", $report->{new}{$pool}[$_]) for grep { $pool =~ /token|_code$/ && length $report->{new}{$pool}[$_] > 20 } 0 .. min(KNOWN_SECRETS, scalar @{ $report->{new}{$pool} }) - 1;
		}
		my %memory;
		push @{ $memory{ $_->[0] } }, $_ for @{ $report->{memory} // [] };
		for my $samples (values %memory)
		{
			cmp_ok($samples->[-1][1], '<', MAX_CONTEXT_BYTES,
				"batch $batch: no backend of $report->{worker} uses too much memory");
			cmp_ok($samples->[-1][1] - $samples->[0][1], '<', MAX_GROWTH_BYTES, "batch $batch: the memory of $report->{worker}'s backends does not grow") if @$samples > 1;
			$total{memory} = max($total{memory} // 0, $samples->[-1][1]);
			$total{'RssAnon'} = max($total{RssAnon} // 0, $samples->[-1][2]);
		}
	}
	is($node->psql('postgres', 'SELECT 1'), 0, 'the server is running') or BAIL_OUT("the log is " . $node->logfile);
	is(query('SELECT pg_postmaster_start_time()'), $started, 'the server did not restart');
	is(query('SELECT count(*) FROM pg_prepared_xacts'), 0, 'no prepared transaction remains');
	is(query($invariants{$_}), 0, "nothing $_") for sort keys %invariants;
	is(join("\n", grep { $uses{$_} > 1 } sort keys %uses), '', 'nothing worked twice');
	$total{uses} += keys %uses;
	query($baseline);
	check_witnesses($batch, $witness);

	is(found_in($log . new_log()), '', 'the server logged no secret');
	return;
}

secret('password', AnonAuth::FuzzGenerator::PASSWORD);
my $count = max(min(POSIX::ceil($seconds / BATCH_SECONDS), BATCHES), $seconds >= 6 ? 2 : 1);
my $started = query('SELECT pg_postmaster_start_time()');

for my $batch (1 .. $count)
{
	my $witness = witnesses($batch);

	plant($batch);
	check_batch($batch, $started, $witness, run_batch($batch, $seconds / $count));
}

# Check that the calls got somewhere. A slow machine may make few.
cmp_ok($total{$_} // 0, '>', 0, "the server issued values of the kind $_") for qw(refresh_token access_token promotion_code authorization_code challenge sub);
cmp_ok($total{calls}, '>', 10 * $seconds, 'the workers ran many statements');
cmp_ok(scalar keys %by_function, '>', @$functions / 4, 'the workers called many functions');
for my $function (sort keys %by_function)
{
	note("$function: ", join ', ', map { "$_ $by_function{$function}{$_}" } sort keys %{ $by_function{$function} });
}
note(join ', ', map { "$_: $states{$_}" } sort { $states{$b} <=> $states{$a} } keys %states);
diag(join ', ', map { "$_: $total{$_}" } sort keys %total);
is_deeply([ damage($node) ], [], 'indexes match their tables, and no page is damaged');

$node->stop;
done_testing();
