# Test recovery after crashes under load.
#
# Clients sign up, log in, refresh, promote, claim guests, prove addresses with codes,
# use ID tokens and delete while the server is killed again and again. After each recovery, every answer that a client
# received must still hold, and no operation may be half done.
#
# ANON_AUTH_CRASH_ROUNDS is the number of crashes. The default is 30.
#
# Duration: 80 s

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Device qw(challenge);
use AnonAuth::Invariants qw(damage invariants tokens_refused tries);
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use constant CLIENTS => 4;
use constant REQUESTS => 3;    # requests of a device key, for each client and round

my $rounds = $ENV{ANON_AUTH_CRASH_ROUNDS} // 30;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--no-locale', '--encoding=UTF8', '--data-checksums' ]);
# When a backend is killed, all others end, and the server restarts.
$node->append_conf('postgresql.conf', "restart_after_crash = on\nautovacuum = off");
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION anon_auth;
SELECT anon_auth.create_client('app', 'native', refresh_token_rotation_enabled => true);
UPDATE anon_auth.settings SET password_hash_memory_kib = 8192, password_hash_passes = 1;
UPDATE anon_auth.clients SET refresh_token_rotation_grace_seconds = 3600;
UPDATE anon_auth.settings SET guest_sign_ups_per_minute_per_ip = NULL, code_requests_per_minute_per_ip = NULL;

-- The provider of ID tokens has a key of this database.
CREATE TABLE provider_key AS SELECT anon_auth.create_signing_key('EdDSA') AS kid;
SELECT anon_auth.create_identity_provider('https://accounts.example', '{app.example}', anon_auth.jwks(), '{EdDSA}');
SELECT anon_auth.create_signing_key();
CREATE FUNCTION make_id_token(subject text) RETURNS text LANGUAGE sql AS $$
	SELECT anon_auth.sign_jwt(jsonb_build_object('iss', 'https://accounts.example', 'aud', 'app.example', 'sub', subject, 'nonce', c.token,
		'iat', extract(epoch FROM now())::bigint, 'exp', extract(epoch FROM now())::bigint + 3600), k.kid)
	FROM provider_key k, anon_auth.create_challenge('id_token') c
$$;

-- A client takes the messages of all clients from the outbox.
CREATE TABLE inbox (recipient text, code text);
CREATE PROCEDURE wait_for_code(address text) LANGUAGE plpgsql AS $$
BEGIN
	LOOP
		INSERT INTO inbox SELECT m.recipient, m.code FROM anon_auth.take_outbox_messages() m;
		COMMIT;
		EXIT WHEN EXISTS (SELECT FROM inbox WHERE recipient = address);
	END LOOP;
END
$$;
CREATE TABLE notes (user_id uuid REFERENCES anon_auth.users ON DELETE CASCADE, writer uuid);
CREATE INDEX ON notes (user_id);
CREATE INDEX ON notes (writer);
SQL

sub query { return $node->safe_psql('postgres', $_[0]); }

# ---------------------------------------------------------------------------
# The clients, and the answers they received
# ---------------------------------------------------------------------------

# One guest's life. The client prints a line only after it has the answer. The
# name identifies the guest's rows.
my $life = <<'SQL';
SELECT sub, refresh_token AS token FROM anon_auth.authenticate_anonymously('app') \gset
\echo guest :sub :token
SELECT refresh_token AS token FROM anon_auth.refresh_session('app', :'token') \gset
\echo guest :sub :token
SELECT promotion_code AS code FROM anon_auth.create_promotion_code(:'token') \gset
\echo promoting :sub :code
SELECT refresh_token AS token, access_token AS access FROM anon_auth.promote_anonymous_user('app', username => 'u' || replace(:'sub', '-', ''), password => 'correct horse', promotion_code => :'code') \gset
\echo account :sub :token
SELECT refresh_token AS token FROM anon_auth.refresh_session('app', :'token') \gset
\echo account :sub :token
SELECT sub AS guest, refresh_token AS guest_token FROM anon_auth.authenticate_anonymously('app') \gset
INSERT INTO notes VALUES (:'guest', :'guest');
\echo claiming :guest :guest_token|:access|:sub
SELECT count(*) AS tables FROM anon_auth.claim_anonymous_user('app', access_token => :'access', refresh_token => :'guest_token') \gset
\echo claimed :guest :sub
SQL

# Accounts that are made by codes and ID tokens: sign-ups, the login of the owner of an
# address that somebody has claimed, and a promotion. A line "proof" is printed before a
# code or ID token is used, and "proven" afterwards.
my $proofs = <<'SQL';
SELECT 'p' || replace(gen_random_uuid()::text, '-', '') || '@example.com' AS address \gset
SELECT anon_auth.request_login_code('app', :'address') \g /dev/null
CALL wait_for_code(:'address');
SELECT code FROM inbox WHERE recipient = :'address' \gset
\echo proof code :address|:code
SELECT sub, refresh_token AS token, access_token AS access FROM anon_auth.sign_up('app', email => :'address', code => :'code') \gset
\echo proven code :address|:code
\echo prover :sub :token
SELECT make_id_token(:'sub') AS id_token, make_id_token(:'sub') AS id_token_2, make_id_token('j' || :'sub') AS id_token_3 \gset
\echo proof token :id_token
SELECT anon_auth.add_identity(:'id_token', access_token => :'access') AS added \gset
\echo proven token :id_token
\echo proof token :id_token_2
SELECT sub, refresh_token AS token FROM anon_auth.authenticate_with_id_token('app', :'id_token_2') \gset
\echo proven token :id_token_2
\echo prover :sub :token
\echo proof token :id_token_3
SELECT sub, refresh_token AS token FROM anon_auth.sign_up('app', id_token => :'id_token_3') \gset
\echo proven token :id_token_3
\echo prover :sub :token
SELECT 'q' || replace(gen_random_uuid()::text, '-', '') || '@example.com' AS address \gset
SELECT sub, refresh_token AS token FROM anon_auth.sign_up('app', email => :'address', password => 'correct horse') \gset
\echo reclaiming :sub :token
SELECT anon_auth.request_login_code('app', :'address') \g /dev/null
CALL wait_for_code(:'address');
SELECT code FROM inbox WHERE recipient = :'address' \gset
\echo proof code :address|:code
SELECT sub, refresh_token AS token FROM anon_auth.authenticate_with_code('app', :'address', :'code') \gset
\echo proven code :address|:code
\echo prover :sub :token
SELECT 'r' || replace(gen_random_uuid()::text, '-', '') || '@example.com' AS address \gset
SELECT sub, refresh_token AS token FROM anon_auth.authenticate_anonymously('app') \gset
\echo guest :sub :token
SELECT anon_auth.request_login_code('app', :'address', refresh_token => :'token') \g /dev/null
CALL wait_for_code(:'address');
SELECT code FROM inbox WHERE recipient = :'address' \gset
\echo proving :sub :token
SELECT sub, refresh_token AS token FROM anon_auth.promote_anonymous_user('app', email => :'address', code => :'code', refresh_token => :'token') \gset
\echo prover :sub :token
SQL

# The second of the two accounts is deleted, the first is kept.
my $lives = $life . $proofs . $life . <<'SQL';
\echo deleting :sub :token
SELECT anon_auth.delete_user(:'sub');
\echo deleted :sub gone
SQL

sub script
{
	my (@requests) = @_;
	my $script = "\\set ON_ERROR_STOP 1\n";

	for my $request (@requests)
	{
		$script .= "\\echo asked $request\n"
		  . "SELECT sub, refresh_token AS token FROM anon_auth.authenticate_anonymously('app', jwt => '$request') \\gset\n"
		  . "\\echo answered $request\n\\echo guest :sub :token\n$lives";
	}
	return $script . $lives x 300;
}

sub start_client
{
	my ($name, $script) = @_;
	my %client = (out => '', err => '');
	my $file = $node->basedir . "/$name.sql";

	unlink $file;
	append_to_file($file, $script);
	$client{run} = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-f', $file ],
		'>', \$client{out}, '2>', \$client{err},
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	return \%client;
}

# ---------------------------------------------------------------------------
# Ways to crash the server
# ---------------------------------------------------------------------------

sub killed
{
	kill 'KILL', $_[0];
	return;
}

# The processes of a killed postmaster may live for a moment and prevent a
# restart.
sub start_again
{
	my $deadline = time + $PostgreSQL::Test::Utils::timeout_default;

	until ($node->start(fail_ok => 1))
	{
		die 'the server does not start' if time > $deadline;
		$node->stop('fast', fail_ok => 1);
	}
	return;
}

my %ways = (
	'SIGKILL of the postmaster' => sub { $node->kill9; start_again(); },
	'an immediate shutdown' => sub { $node->stop('immediate'); start_again(); },
	'SIGKILL of a backend' => sub {
		my $started = query('SELECT pg_postmaster_start_time()');
		my $crash = 'all server processes terminated; reinitializing';
		my $before = () = slurp_file($node->logfile) =~ /$crash/g;
		my $deadline = time + $PostgreSQL::Test::Utils::timeout_default;

		killed(query(
			q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend'
				AND pid <> pg_backend_pid() AND query ~ 'anon_auth' ORDER BY state = 'active' DESC, random() LIMIT 1}));
		until ((() = slurp_file($node->logfile) =~ /$crash/g) > $before)
		{
			die 'the server has not noticed' if time > $deadline;
		}
		$node->poll_query_until('postgres', 'SELECT true') or die 'the server does not come back';
		die 'the postmaster has ended' if query('SELECT pg_postmaster_start_time()') ne $started;
	});

# ---------------------------------------------------------------------------
# Invariants
# ---------------------------------------------------------------------------

my %broken = (
	invariants(),
	'has more sessions than logins' => q{
		SELECT count(*) FROM anon_auth.users u
		WHERE has_password AND 1 <> (SELECT count(*) FROM anon_auth.sessions s WHERE s.user_id = u.id)});

# Codes and ID tokens that clients have used, by whether they got an answer:
# { code => { address|code => 1 }, token => ... }.
sub proofs_told
{
	my (@lines) = @_;
	my %proofs = (code => {}, token => {});

	/^(proof|proven) (code|token) (.*)/ and $proofs{$2}{$3} = $1 eq 'proven' for @lines;
	return \%proofs;
}

# The last answer that a client received about each user, by sub: its state, its
# token, and its promotion code. If a promotion or deletion was in progress, it
# may or may not have been committed.
sub last_told
{
	my (@lines) = @_;
	my %told;

	for (@lines)
	{
		my ($what, $sub, $secret) = split / /;

		next if $what =~ /^(asked|answered|proof|proven)$/;
		if ($what eq 'promoting') { $told{$sub}{code} = $secret; }
		elsif ($what eq 'deleting') { $told{$sub}{what} = $what; }
		else { $told{$sub} = { what => $what, token => $secret, code => $told{$sub}{code} }; }
	}
	return %told;
}

my @devices = map { AnonAuth::Device->new(alg => 'ES256') } 1 .. CLIENTS;
my %total;

for my $round (1 .. $rounds)
{
	my $way = (sort keys %ways)[ $round % 3 ];
	my @clients = map {
		my $device = $_;
		start_client($device->kid, script(map { $device->request(challenge => challenge($node), with_jwk => 1, payload => { exp => time + 300 }) } 1 .. REQUESTS))
	} @devices;
	my $key = query('SELECT anon_auth.sign_jwt(\'{"round": 1}\')');
	my $deadline = time + $PostgreSQL::Test::Utils::timeout_default;
	my $answers = 8 + int rand 60;

	# All clients have work to do, so the kill can hit any part of it.
	until (!grep { (() = $_->{out} =~ /^account/mg) < $answers / 4 } @clients)
	{
		$_->{run}->pump_nb for @clients;
		die "the clients do not get on: $_->{err}" for grep { $_->{err} ne '' } @clients;
		die 'the clients do not get on' if time > $deadline;
	}
	# The provider's key stays in use.
	query(q{
		BEGIN;
		SELECT anon_auth.rotate_signing_key();
		UPDATE anon_auth.signing_keys s SET state = 'active', retiring_since = NULL, verify_until = NULL FROM provider_key p WHERE s.kid = p.kid;
		COMMIT}) if $round % 5 == 0;
	query('SELECT anon_auth.rotate_master_key(), anon_auth.reseal_signing_keys()') if $round % 10 == 0;
	$ways{$way}->();
	$_->{run}->finish for @clients;

	my @lines = grep { $_ ne '' } map { split /\n/ } map { $_->{out} } @clients;
	my %told = last_told(@lines);
	my %users = map { my $what = $_; $what => [ grep { $told{$_}{what} eq $what } sort keys %told ] } qw(guest account claiming claimed deleting deleted prover reclaiming proving);
	my @undecided = grep { defined $told{$_}{code} } @{ $users{guest} };
	my @guests = grep { !defined $told{$_}{code} } @{ $users{guest} };
	my $name = "round $round, $way";

	$total{$_} += @{ $users{$_} } for keys %users;
	$total{lines} += @lines;
	is(tokens_refused($node, 'app', map { [ $_, $told{$_}{token} ] } @guests, @{ $users{account} }, @{ $users{prover} }), '', "$name: the tokens that clients received are valid");

	# Each request without an answer is completely done, or not at all.
	my $list = join ', ', map { "'$_'" } @undecided;
	my %accounts = map { $_ => 1 } @undecided ? split /\n/, query("SELECT id FROM anon_auth.users WHERE NOT is_anonymous AND id IN ($list)") : ();
	is(tokens_refused($node, 'app', map { [ $_, $told{$_}{token} ] } grep { !$accounts{$_} } @undecided), '', 'tokens of guests whose promotion did not commit are valid');
	$total{'promoted unheard'} += keys %accounts;
	is(tries($node, "SELECT sub FROM anon_auth.authenticate('app', %s, 'correct horse')", map { 'u' . s/-//gr } keys %accounts)->{done},
		scalar keys %accounts, 'users whose promotion committed without an answer can log in with their password');
	is(query('SELECT count(*) FROM anon_auth.users WHERE id IN (' . join(', ', map { "'$_'" } @{ $users{deleted} }, '00000000-0000-0000-0000-000000000000') . ')'),
		0, 'no deleted user exists again');

	my $leaving = join ', ', map { "'$_'" } @{ $users{deleting} }, '00000000-0000-0000-0000-000000000000';
	my @stayed = split /\n/, query("SELECT id FROM anon_auth.users WHERE id IN ($leaving)");
	$total{'deleted unheard'} += @{ $users{deleting} } - @stayed;
	is(tokens_refused($node, 'app', map { [ $_, $told{$_}{token} ] } @stayed), '', 'users whose deletion had no answer exist completely, or not at all');

	# A claim is completely done, or can be repeated.
	my $claimed = join ', ', '(NULL::uuid, NULL::uuid)', map { "('$_', '$told{$_}{token}')" } @{ $users{claimed} };
	is(query("SELECT count(*) FROM (VALUES $claimed) c (guest, account) WHERE EXISTS (SELECT FROM anon_auth.users u WHERE u.id = guest)"), 0, 'no claimed guest exists again');
	is(query("SELECT count(*) FROM (VALUES $claimed) c (guest, account) JOIN anon_auth.users u ON u.id = account
		WHERE NOT EXISTS (SELECT FROM notes WHERE user_id = account AND writer = guest) OR NOT EXISTS (SELECT FROM anon_auth.merged_guests m WHERE m.user_id = account AND m.guest_id = guest)"),
		0, 'the rows of claimed guests belong to their accounts');
	my @claims = map { $told{$_}{token} } @{ $users{claiming} };
	my $claiming = join ', ', map { "'$_'" } @{ $users{claiming} }, '00000000-0000-0000-0000-000000000000';
	$total{'claimed unheard'} += query("SELECT count(*) FROM anon_auth.merged_guests WHERE guest_id IN ($claiming)");
	is(tries($node, q{SELECT 'done' FROM (SELECT string_to_array(%s, '|') AS t OFFSET 0) s,
		LATERAL (SELECT count(*) FROM anon_auth.claim_anonymous_user('app', access_token => t[2], refresh_token => t[1])) c}, @claims)->{done},
		scalar @claims, 'a claim without an answer can be repeated');
	is(query("SELECT count(*) FROM anon_auth.merged_guests m JOIN notes n ON n.user_id = m.user_id AND n.writer = m.guest_id WHERE m.guest_id IN ($claiming)"),
		scalar @claims, 'afterwards, it is done once');

	# Nothing can be used twice.
	my @used = map { $told{$_}{code} } grep { defined $told{$_}{code} } @{ $users{account} }, keys %accounts;
	my $tried = tries($node, "SELECT sub FROM anon_auth.promote_anonymous_user('app', username => 'again', password => 'correct horse', promotion_code => %s)", @used);
	is($tried->{done}, 0, 'no used promotion code is accepted again');
	my %answered = map { /^answered (.*)/ ? ($1 => 1) : () } @lines;
	my @open = grep { !$answered{$_} } map { /^asked (.*)/ ? $1 : () } @lines;
	is_deeply(tries($node, "SELECT sub FROM anon_auth.authenticate_anonymously('app', jwt => %s)", keys %answered), { done => 0, AA005 => scalar keys %answered }, 'no used device request is accepted again');
	tries($node, "SELECT sub FROM anon_auth.authenticate_anonymously('app', jwt => %s)", @open);
	is_deeply(tries($node, "SELECT sub FROM anon_auth.authenticate_anonymously('app', jwt => %s)", @open), { done => 0, @open ? (AA005 => scalar @open) : () }, 'a device request without an answer is accepted at most once');

	# A proof that was answered never works again. One without an answer works once at
	# most, and not at all if its request has committed.
	my $nobody = '00000000-0000-0000-0000-000000000000';
	my $reclaiming = join ', ', map { "'$_'" } @{ $users{reclaiming} }, $nobody;
	my $proving = join ', ', map { "'$_'" } @{ $users{proving} }, $nobody;
	is(query("SELECT count(*) FROM anon_auth.users WHERE id IN ($reclaiming) AND has_password = is_verified"), 0, 'an account is reclaimed completely or not at all');
	is(query("SELECT count(*) FROM anon_auth.users WHERE id IN ($proving) AND is_anonymous = is_verified"), 0, 'a promotion with a code is complete, or did not happen');
	my %still = map { $_ => 1 } split /\n/, query("SELECT id FROM anon_auth.users WHERE id IN ($reclaiming) AND has_password OR id IN ($proving) AND is_anonymous");
	is(tokens_refused($node, 'app', map { [ $_, $told{$_}{token} ] } sort keys %still), '', 'tokens of users who have not proven their address yet are valid');
	my $proofs = proofs_told(@lines);
	my %try = (
		code => q{SELECT 'done' FROM (SELECT string_to_array(%s, '|') AS t OFFSET 0) s, LATERAL anon_auth.authenticate_with_code('app', t[1], t[2]) r},
		token => q{SELECT sub FROM anon_auth.authenticate_with_id_token('app', %s)});
	my %sign_up = (
		code => q{SELECT 'done' FROM (SELECT string_to_array(%s, '|') AS t OFFSET 0) s, LATERAL anon_auth.sign_up('app', email => t[1], code => t[2]) r},
		token => q{SELECT sub FROM anon_auth.sign_up('app', id_token => %s)});
	for my $kind (qw(code token))
	{
		my @proven = grep { $proofs->{$kind}{$_} } sort keys %{ $proofs->{$kind} };
		my @unheard = grep { !$proofs->{$kind}{$_} } sort keys %{ $proofs->{$kind} };
		my $used = $kind eq 'code' ? 'split_part(a, $$|$$, 1) IN (SELECT original_value FROM anon_auth.login_ids WHERE verified_at IS NOT NULL)' : 'false';
		my $committed = @unheard ? query("SELECT count(*) FROM unnest(ARRAY[" . join(', ', map { "'$_'" } @unheard) . "]) a WHERE $used") : 0;

		$total{"$kind proven"} += @proven;
		$total{"$kind unheard"} += @unheard;
		is_deeply([ map { tries($node, $_->{$kind}, @proven) } \%try, \%sign_up ], [ { done => 0 }, { done => 0 } ], "no $kind that was answered is accepted again");
		my @done = map { tries($node, $_->{$kind}, @unheard)->{done} } \%try, \%sign_up, \%sign_up, \%try;
		cmp_ok($done[0] + $done[1] + $done[2] + $done[3], '<=', @unheard - $committed, "a $kind without an answer is accepted at most once, and not if its request committed");
	}

	# The logins above created further sessions.
	query("DELETE FROM anon_auth.sessions s USING anon_auth.sessions n WHERE s.user_id = n.user_id AND s.created_at < n.created_at AND s.user_id IN ($list)") if keys %accounts;
	is(query($broken{$_}), 0, "after the recovery, nothing $_") for sort keys %broken;
	is(query("SELECT anon_auth.verify_jwt('$key') ->> 'round'"), 1, 'keys that signed before the crash still verify');
	is(query(q{SELECT anon_auth.verify_jwt(anon_auth.sign_jwt('{"round": 2}')) ->> 'round'}), 2,
		'keys that signed before the crash still sign');
	my @errors = grep { !/^(connection to server was lost|server closed|This probably|before or while|WARNING:|DETAIL:|HINT:|psql:|\s*The connection|SSL|FATAL:  (the database system|terminating)|could not receive)/ } map { split /\n/ } map { $_->{err} =~ s/^\t//mgr } @clients;
	is_deeply(\@errors, [], 'clients saw no errors except that the server was gone');
}

diag(join ', ', map { "$_: $total{$_}" } sort keys %total);
cmp_ok($total{$_}, '>', $rounds, "the rounds completed enough operations: $_") for qw(guest account claimed deleted prover), 'code proven', 'token proven';

is_deeply([ damage($node) ], [], 'indexes match their tables, and no page is damaged');

$node->stop;
done_testing();
