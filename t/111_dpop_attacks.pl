# What a thief of bound tokens, of proofs, or of both, can do: nothing without the key.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Device qw(call hmac_jws refusal sql_literal);
use IPC::Run ();
use JSON::PP ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ], allows_streaming => 1);
$node->append_conf('postgresql.conf', 'fsync = off');
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION anon_auth');
call($node, 'create_client', client_id => 'app', application_type => 'native');
call($node, 'create_client', client_id => 'strict', application_type => 'native', dpop => 'required');
call($node, 'create_client', client_id => 'rotating', application_type => 'native', refresh_token_rotation_enabled => 'true');

my $endpoint = 'http://localhost/oauth2/token';
my $key = AnonAuth::Device->new;
my $thief = AnonAuth::Device->new;

sub query { return $node->safe_psql('postgres', sprintf $_[0], map { sql_literal($_) } @_[ 1 .. $#_ ]); }

# The last line of output of statements in one session, or the SQLSTATE of the first error.
sub outcome_at
{
	my ($server, @statements) = @_;
	my ($output, $errors) = ('', '');
	my $sql = join '', "\\set VERBOSITY verbose\n", map { "$_;\n" } @statements;

	IPC::Run::run([ 'psql', '-XAtq', '-d', $server->connstr('postgres') ], '<', \$sql, '>', \$output, '2>', \$errors);
	return $errors =~ /ERROR:  (\w{5}):/ ? $1 : (split /\n/, $output)[-1] // '';
}

sub outcome { return outcome_at($node, @_); }
sub statement { return sprintf $_[0], map { sql_literal($_) } @_[ 1 .. $#_ ]; }

sub sign_up
{
	my ($client, $device) = @_;

	return call($node, 'authenticate_anonymously', client_id => $client, defined $device ? (dpop => $device->proof) : ());
}

sub refresh_statement
{
	my ($client, $tokens, $proof) = @_;

	return statement('SELECT sub FROM anon_auth.refresh_session(%s, %s, %s)', $client, $tokens->{refresh_token}, $proof);
}

my $tokens = sign_up('app', $key);
my $strict = sign_up('strict', $key);

# ---------------------------------------------------------------------------
# Replays
# ---------------------------------------------------------------------------

my $proof = $key->proof;
is(outcome(refresh_statement('app', $tokens, $proof)), $tokens->{sub}, 'a proof works');
is(outcome(refresh_statement('app', $tokens, $proof)), 'AA026', '... once');
$proof = $key->proof;
is(outcome('BEGIN', refresh_statement('app', $tokens, $proof), 'ROLLBACK', refresh_statement('app', $tokens, $proof)), 'AA026',
	'a rollback gives no second use');
$proof = $key->proof;
is(outcome('BEGIN', 'SAVEPOINT s', refresh_statement('app', $tokens, $proof), 'ROLLBACK TO s', refresh_statement('app', $tokens, $proof)), 'AA026',
	'... nor does a savepoint');
$proof = $key->proof(access_token => $strict->{access_token});
my $use = statement('SELECT anon_auth.use_access_token(%s, dpop => %s)', $strict->{access_token}, $proof);
is(outcome('BEGIN READ ONLY', $use), $strict->{sub}, 'a read-only transaction accepts a proof');
is(outcome('BEGIN READ ONLY', $use), 'AA026', '... once');
is(outcome($use), 'AA026', '... and no other transaction afterwards');
$proof = $key->proof;
query('SELECT anon_auth.authenticate_anonymously(%s, dpop => %s)', 'app', $proof);
is(outcome(refresh_statement('app', $tokens, $proof)), 'AA026', 'the proof of a login is used up, too');
$node->restart('immediate');
is(outcome(refresh_statement('app', $tokens, $proof)), 'AA026', '... after a crash as well');

# Two at once
{
	$proof = $key->proof;
	my @statements = (refresh_statement('app', $tokens, $proof)) x 8;
	my @outputs = map { '' } @statements;
	my @runs = map { my $i = $_; IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', $statements[$i] ], '>', \$outputs[$i], '2>', '/dev/null') } 0 .. $#statements;

	$_->finish for @runs;
	is((grep { $_ ne '' } @outputs), 1, 'of eight calls at the same time with one proof, one succeeds');
}

# A call that waits until the proof has expired, when nobody remembers its jti any more
{
	my $issued_at = time() - 290;
	my $forgotten = "to_timestamp($issued_at + 301)";

	$proof = $key->proof(payload => { iat => $issued_at, exp => undef });
	is(outcome(refresh_statement('app', $tokens, $proof)), $tokens->{sub}, 'an old proof works');

	my $holder = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', "BEGIN; SELECT FROM anon_auth.sessions WHERE user_id = '$tokens->{sub}' FOR UPDATE;
		DO \$\$ BEGIN
			WHILE clock_timestamp() < $forgotten
				OR (clock_timestamp() < $forgotten + interval '1 minute' AND NOT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock'))
			LOOP
				PERFORM pg_sleep(0.05), pg_stat_clear_snapshot();
			END LOOP;
		END \$\$; ROLLBACK" ], '<', \undef, '>', '/dev/null', '2>', '/dev/null');

	$node->poll_query_until('postgres', q{SELECT EXISTS (SELECT FROM pg_locks WHERE relation = 'anon_auth.sessions'::regclass AND mode = 'RowShareLock' AND granted)}) or die;
	is(outcome(refresh_statement('app', $tokens, $proof)), 'AA026', '... once, even if the second call waits for a lock until the proof has expired');
	$holder->finish;
}

# Another key with the same jti is another proof.
my $shared = 'x' x 20;
is(outcome(refresh_statement('app', $tokens, $key->proof(payload => { jti => $shared }))), $tokens->{sub}, 'a jti belongs to its key');
is(outcome(refresh_statement('app', sign_up('app', $thief), $thief->proof(payload => { jti => $shared }))) =~ /^AA/ ? 'refused' : 'accepted',
	'accepted', '... so nobody can use up the jti of another key');

# ---------------------------------------------------------------------------
# A stolen token
# ---------------------------------------------------------------------------

my %stolen = (client_id => 'app', refresh_token => $tokens->{refresh_token});
is(refusal($node, 'refresh_session', %stolen)->{sqlstate}, 'AA026', 'a stolen refresh token is useless without a proof');
is(refusal($node, 'refresh_session', %stolen, dpop => $thief->proof)->{sqlstate}, 'AA006', '... with a proof of another key');
ok(refusal($node, 'refresh_session', %stolen, dpop => $thief->proof)->{unchanged}, '... which changes nothing');
is(refusal($node, 'refresh_session', %stolen, dpop => '')->{sqlstate}, 'AA026', '... and with an empty one');
is(refusal($node, 'create_promotion_code', refresh_token => $tokens->{refresh_token})->{sqlstate}, 'AA026', 'it gives no promotion code');
is(refusal($node, 'promote_anonymous_user', %stolen, username => 'thief', password => 'correct horse')->{sqlstate}, 'AA026', '... and promotes nobody');
is(refusal($node, 'authenticate_anonymously', %stolen)->{sqlstate}, 'AA026', '... and resumes no guest');
my $account = call($node, 'sign_up', client_id => 'app', username => 'thief', password => 'correct horse');
is(refusal($node, 'claim_anonymous_user', %stolen, access_token => $account->{access_token})->{sqlstate}, 'AA026', '... and claims no guest');
is(refusal($node, 'request_login_code', %stolen, login_id => 'thief@example.com')->{sqlstate}, 'AA026', '... and requests no code');
is(outcome(refresh_statement('app', $tokens, $key->proof)), $tokens->{sub}, 'the owner is not disturbed');

# Rotation does not drop or change the binding, whatever came before.
my $rotating = sign_up('rotating', $key);
my %rotated = %{ call($node, 'refresh_session', client_id => 'rotating', refresh_token => $rotating->{refresh_token}, dpop => $key->proof) };
is(refusal($node, 'refresh_session', client_id => 'rotating', refresh_token => $rotated{refresh_token})->{sqlstate}, 'AA026', 'a rotated token is bound');
is(refusal($node, 'refresh_session', client_id => 'rotating', refresh_token => $rotated{refresh_token}, dpop => $thief->proof)->{sqlstate}, 'AA006',
	'... to the same key');
is(outcome(refresh_statement('rotating', \%rotated, $key->proof)), $rotating->{sub}, '... and these attempts have not used it up');

# ---------------------------------------------------------------------------
# Proofs for something else
# ---------------------------------------------------------------------------

my %private = %{ $key->private_jwk_members };
my $secret = 'k' x 32;
my $oct = { kty => 'oct', k => 'a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s' };
my $now = time();
my %bad = (
	'of another host' => $key->proof(htu => 'http://other.example/oauth2/token'),
	'of another path' => $key->proof(htu => 'http://localhost/oauth2/revoke'),
	'of another scheme' => $key->proof(htu => 'https://localhost/oauth2/token'),
	'of a user at this host' => $key->proof(htu => 'http://x@localhost/oauth2/token'),
	'of a host that begins as this one' => $key->proof(htu => 'http://localhost.evil.example/oauth2/token'),
	'of another method' => $key->proof(htm => 'GET'),
	'of another method in lower case' => $key->proof(htm => 'post'),
	'from the future' => $key->proof(payload => { iat => $now + 400, exp => undef }),
	'from the past' => $key->proof(payload => { iat => $now - 400, exp => undef }),
	'that has expired' => $key->proof(payload => { exp => $now - 400 }),
	'without iat' => $key->proof(payload => { iat => undef }),
	'with a text as iat' => $key->proof(payload => { iat => "$now" }),
	'without jti' => $key->proof(payload => { jti => undef }),
	'with an empty jti' => $key->proof(payload => { jti => '' }),
	'with a number as jti' => $key->proof(payload => { jti => 1 }),
	'with a long jti' => $key->proof(payload => { jti => 'x' x 256 }),
	'without htm' => $key->proof(payload => { htm => undef }),
	'without htu' => $key->proof(payload => { htu => undef }),
	'with a list as htu' => $key->proof(payload => { htu => [$endpoint] }),
	'with another typ' => $key->proof(header => { typ => 'JWT' }),
	'without typ' => $key->proof(header => { typ => undef }),
	'with crit' => $key->proof(header => { crit => ['x'] }),
	'without a key' => $key->proof(header => { jwk => undef }),
	'with a key that is a text' => $key->proof(header => { jwk => 'x' }),
	'with a set of keys' => $key->proof(header => { jwk => { keys => [ $key->jwk ] } }),
	'with the private key' => $key->proof(header => { jwk => { %{ $key->jwk }, %private } }),
	'with the key of somebody else' => $thief->proof(header => { jwk => $key->jwk }),
	'with another alg' => $key->proof(header => { alg => 'RS256' }),
	'with alg none' => $key->proof(header => { alg => 'none' }) =~ s/[^.]*$//r,
	'signed with HS256 by its own key' => hmac_jws({ typ => 'dpop+jwt', alg => 'HS256', jwk => $oct },
		{ iat => $now, jti => 'hs', htm => 'POST', htu => $endpoint }, $secret),
	'signed with HS256 by the public key' => hmac_jws({ typ => 'dpop+jwt', alg => 'HS256', jwk => $key->jwk },
		{ iat => $now, jti => 'hs', htm => 'POST', htu => $endpoint }, $key->public_pem),
	'with a weak key' => AnonAuth::Device->new(alg => 'RS256', bits => 1024)->proof,
	'with an algorithm for devices only' => AnonAuth::Device->new(alg => 'ES384')->proof,
	'with a changed signature' => $key->proof =~ s/(.)(.{20})$/($1 eq 'A' ? 'B' : 'A') . $2/er,
	'with duplicate members' => $key->sign(sprintf('{"alg":"ES256","typ":"dpop+jwt","typ":"dpop+jwt","jwk":%s}', JSON::PP->new->encode($key->jwk)),
		qq({"iat":$now,"jti":"d","htm":"POST","htu":"$endpoint"})),
	'twice' => join(', ', $key->proof, $key->proof),
	'that is too long' => $key->proof(payload => { x => 'x' x 9000 }),
	'that is a request of a device' => $key->request(challenge => 'x', with_jwk => 1));

for my $what (sort keys %bad)
{
	my $error = refusal($node, 'refresh_session', %stolen, dpop => $bad{$what});

	is("$error->{sqlstate} " . ($error->{unchanged} ? 'unchanged' : 'changed'), 'AA026 unchanged', "a proof $what is refused");
	is(refusal($node, 'authenticate_anonymously', client_id => 'app', dpop => $bad{$what})->{sqlstate}, 'AA026', '... also at a login');
}

# Same URI in another spelling
for my $htu ('HTTP://LOCALHOST/oauth2/token', 'http://localhost:80/oauth2/token', 'http://localhost/oauth2/token?a=b#c', 'http://localhost/a/../oauth2/%74oken')
{
	is(outcome(refresh_statement('app', $tokens, $key->proof(htu => $htu))), $tokens->{sub}, "$htu is the same URI");
}

# ---------------------------------------------------------------------------
# Access tokens
# ---------------------------------------------------------------------------

my $other = sign_up('strict', $key);
is(outcome(statement('SELECT anon_auth.use_access_token(%s, dpop => %s)', $strict->{access_token}, $key->proof(access_token => $other->{access_token}))),
	'AA026', 'the proof of one access token is not that of another, even of the same key');
is(outcome(statement('SELECT anon_auth.use_access_token(%s, dpop => %s)', $strict->{access_token}, $key->proof)), 'AA026', 'nor is a proof of the token endpoint');
is(outcome(statement('SELECT anon_auth.userinfo(%s)', $strict->{access_token})), 'AA014', 'userinfo() refuses a bound token that was not accepted');
is(outcome('BEGIN', 'SAVEPOINT s', statement('SELECT anon_auth.use_access_token(%s, dpop => %s)', $strict->{access_token}, $thief->proof(access_token => $strict->{access_token})),
		'ROLLBACK TO s', statement('SELECT anon_auth.userinfo(%s)', $strict->{access_token})), 'AA014', '... also after an attempt with another key');
like(outcome(statement('SELECT anon_auth.claim_anonymous_user(%s, access_token => %s, refresh_token => %s)', 'strict', $strict->{access_token}, 'x')), qr/^AA0(?:14|26)$/,
	'claim_anonymous_user() does, too');

# ---------------------------------------------------------------------------
# Strangers
# ---------------------------------------------------------------------------

my $before = query(q{SELECT counters FROM anon_auth.stats});
for (1 .. 20)
{
	refusal($node, 'refresh_session', client_id => 'app', refresh_token => 'x', dpop => $thief->proof);
}
cmp_ok(query(q{SELECT counters FROM anon_auth.stats}), '<=', $before, 'proofs of strangers with wrong tokens take no room');

# ---------------------------------------------------------------------------
# A standby
# ---------------------------------------------------------------------------

$node->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'backup', has_streaming => 1);
# The test framework copies files without their rights.
chmod 0600, $standby->data_dir . '/anon_auth.master_key' or die;
$standby->start;
$node->wait_for_catchup($standby);
$proof = $key->proof(access_token => $other->{access_token});
$use = statement('SELECT anon_auth.use_access_token(%s, dpop => %s)', $other->{access_token}, $proof);
is(outcome_at($standby, $use), $other->{sub}, 'a standby accepts a proof');
is(outcome_at($standby, $use), 'AA026', '... once');
is(outcome_at($standby, statement('SELECT anon_auth.use_access_token(%s)', $other->{access_token})), 'AA026', '... and needs one');
$node->safe_psql('postgres', 'UPDATE anon_auth.settings SET dpop_nonce = true');
$node->wait_for_catchup($standby);
is(outcome_at($standby, statement('SELECT anon_auth.use_access_token(%s, dpop => %s)', $other->{access_token}, $key->proof(access_token => $other->{access_token}))), 'AA027',
	'... and gives nonces');
my $nonce = $standby->safe_psql('postgres', q{SELECT token FROM anon_auth.create_challenge('dpop_nonce')});
is(outcome_at($node, statement('SELECT anon_auth.use_access_token(%s, dpop => %s)', $other->{access_token}, $key->proof(access_token => $other->{access_token}, nonce => $nonce))),
	$other->{sub}, '... that count on the primary');

# ---------------------------------------------------------------------------
# A store full of proofs
# ---------------------------------------------------------------------------

$node->safe_psql('postgres', 'UPDATE anon_auth.settings SET dpop_nonce = false');
$node->append_conf('postgresql.conf', 'anon_auth.counter_cells = 4096');
$node->reload;
$node->poll_query_until('postgres', 'SELECT counters_max = 4096 FROM anon_auth.stats') or die;
query(<<'SQL');
CREATE FUNCTION use_proof(token text, proof text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM anon_auth.create_promotion_code(token, proof);
	RETURN 'used';
EXCEPTION WHEN SQLSTATE 'AA018' THEN
	RETURN 'no room';
END $$;
SQL
my $fast = AnonAuth::Device->new(alg => 'EdDSA');
my $flooder = sign_up('app', $fast);
my %answers;
$answers{$_}++ for split /\n/, query(join '', map { statement('SELECT use_proof(%s, %s);', $flooder->{refresh_token}, $fast->proof(payload => { exp => undef })) } 1 .. 1500);
cmp_ok($answers{'no room'} // 0, '>', 0, 'the proofs of one session can fill the room of proofs');
cmp_ok($answers{used}, '<=', 4096 / 4, '... which is a quarter of the store');
is(outcome(statement('SELECT count(*) FROM anon_auth.authenticate(%s, %s, %s)', 'app', 'thief', 'wrong password')), 0, '... logins are counted');
is(outcome(statement('SELECT count(sub) FROM anon_auth.authenticate(%s, %s, %s)', 'app', 'thief', 'correct horse')), 1, '... and answered as before');

done_testing();
