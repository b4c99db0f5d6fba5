# Test that the time of a refusal does not reveal whether a user exists, or how
# much of a token is right.
#
# One backend makes calls in random order, measures each in the server, and
# undoes it. The area under the ROC curve (AUC) is the probability that a call
# of one kind takes longer than a call of the other: 0.5 if time reveals
# nothing.
#
# ANON_AUTH_TIMING_SAMPLES is the number of calls of each kind. The default is
# 300.
#
# Runs alone: it compares times.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Connection;
use AnonAuth::Device qw(call challenge sql_literal);
use JSON::PP ();
use List::Util qw(max min);
use MIME::Base64 qw(decode_base64url encode_base64url);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use constant POOL => 20;    # users, tokens and so on of each kind
use constant BLOCK => 100;    # calls of each kind before dead rows are removed

# Five times the random deviation from 0.5 with 200 calls (0.03). The leaks that
# this test looks for are far larger.
use constant MARGIN => 0.15;

my $samples = $ENV{ANON_AUTH_TIMING_SAMPLES} // 300;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->append_conf('postgresql.conf', <<'CONF');
fsync = off
jit = off
autovacuum = off
log_statement = none
log_min_messages = fatal
CONF
$node->start;

# Use the cheapest hash that the settings allow, since it hides the least. Users
# and tokens of different kinds differ in nothing else: length and number of
# rows are the same.
$node->safe_psql('postgres', <<'SQL' . sprintf('CALL make_users(%d);', POOL));
CREATE EXTENSION anon_auth;
SELECT anon_auth.create_client('app', 'native');
UPDATE anon_auth.settings SET password_hash_memory_kib = 8192, password_hash_passes = 1, lockout_max_attempts = 0,
	password_attempts_per_minute_per_ip = NULL, password_attempts_per_minute_per_user = NULL,
	password_attempts_per_minute_per_user_per_ip = NULL;
CREATE TABLE inputs (kind text, input text);

CREATE PROCEDURE make_user(kind text, n integer) LANGUAGE plpgsql AS $$
DECLARE
	address text := format('%s-%s@example.com', left(md5(kind), 8), n);
	guest anon_auth.token_response;
	account anon_auth.token_response;
BEGIN
	guest := anon_auth.authenticate_anonymously('app');
	account := anon_auth.promote_anonymous_user('app', email => address, password => 'correct horse',
		refresh_token => guest.refresh_token);
	IF kind = 'disabled' THEN
		PERFORM anon_auth.disable_user(account.sub);
	ELSIF kind = 'verified' THEN
		UPDATE anon_auth.login_ids SET verified_at = now() WHERE user_id = account.sub;
		UPDATE anon_auth.users SET is_verified = true WHERE id = account.sub;
	END IF;
	INSERT INTO inputs VALUES (kind, address);
	COMMIT;
END $$;

CREATE PROCEDURE make_users(pool integer) LANGUAGE plpgsql AS $$
BEGIN
	FOR n IN 10 .. 9 + pool LOOP
		CALL make_user('known', n);
		CALL make_user('disabled', n);
		CALL make_user('verified', n);
		INSERT INTO inputs VALUES ('unknown', format('%s-%s@example.com', left(md5('unknown'), 8), n));
		INSERT INTO inputs SELECT 'token', refresh_token FROM anon_auth.authenticate_anonymously('app');
	END LOOP;
END $$;

-- The calls to time.  Nothing is planned while the clock runs.
CREATE FUNCTION call_authenticate(input text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM anon_auth.authenticate('app', input, 'wrong horse');
END $$;
CREATE FUNCTION call_request_password_reset(input text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM anon_auth.request_password_reset(input);
END $$;
CREATE FUNCTION call_reset_password(input text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM anon_auth.reset_password(input, 'WRONGCODE0', 'another horse');
END $$;
CREATE FUNCTION call_request_login_code(input text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM anon_auth.request_login_code('app', input);
END $$;
CREATE FUNCTION call_authenticate_with_code(input text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM anon_auth.authenticate_with_code('app', input, '000000');
END $$;
CREATE FUNCTION call_sign_up(input text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM anon_auth.sign_up('app', email => input, code => '000000');
END $$;
CREATE FUNCTION call_authenticate_with_id_token(input text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM anon_auth.authenticate_with_id_token('app', input);
END $$;
CREATE FUNCTION call_refresh_session(input text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM anon_auth.refresh_session('app', input);
END $$;
CREATE FUNCTION call_authenticate_anonymously(input text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM anon_auth.authenticate_anonymously('app', jwt => input);
END $$;
SQL

my $backend = AnonAuth::Connection->new($node);

# Create a timer for each function, so that PL/pgSQL keeps the plan of the call.
# An error undoes a call that succeeds.  Unless the limit's refusal is timed, the
# counters of the limits are reset before each call.
sub make_timer
{
	my ($function, $is_limited) = @_;
	my $forget = $is_limited ? '' : 'PERFORM anon_auth.reset_counters();';

	$backend->query(<<"SQL");
CREATE FUNCTION time_$function(kinds text[], calls integer, OUT kind text, OUT microseconds bigint)
	RETURNS SETOF record LANGUAGE plpgsql AS \$\$
DECLARE
	sample record;
	begun timestamptz;
	ended timestamptz;
BEGIN
	FOR sample IN
		SELECT k, (SELECT input FROM inputs i WHERE i.kind = k AND n IS NOT NULL ORDER BY random() LIMIT 1) AS input
		FROM unnest(kinds) k, generate_series(1, calls) n ORDER BY random()
	LOOP
		$forget
		BEGIN
			begun := clock_timestamp();
			PERFORM call_$function(sample.input);
			ended := clock_timestamp();
			RAISE SQLSTATE 'ZZ000';
		EXCEPTION
			WHEN SQLSTATE 'ZZ000' THEN NULL;
			WHEN OTHERS THEN ended := clock_timestamp();
		END;
		kind := sample.k;
		microseconds := extract(epoch FROM ended - begun) * 1000000;
		RETURN NEXT;
	END LOOP;
END \$\$
SQL
}

# Return the times of the calls of each kind: kind => [microseconds, ...].
sub time_calls
{
	my ($function, $count, @kinds) = @_;
	my $list = join ', ', map { sql_literal($_) } @kinds;
	my %times = (function => $function);

	$backend->query("SELECT * FROM time_$function(ARRAY[$list], 10)");    # do not measure cold caches
	for (my $left = $count; $left > 0; $left -= BLOCK)
	{
		my $calls = min($left, BLOCK);

		$backend->query('VACUUM');
		for my $line (split /\n/, $backend->query("SELECT * FROM time_$function(ARRAY[$list], $calls)"))
		{
			my ($kind, $microseconds) = split /\|/, $line;

			push @{ $times{$kind} }, $microseconds;
		}
	}
	return \%times;
}

sub median
{
	my @sorted = sort { $a <=> $b } @{ $_[0] };

	return ($sorted[ $#sorted / 2 ] + $sorted[ @sorted / 2 ]) / 2;
}

# Return the Kolmogorov-Smirnov statistic and the AUC (Mann-Whitney, ties count
# half).
sub compare
{
	my ($left, $right) = @_;
	my %counts;
	my ($below_left, $below_right, $distance, $wins) = (0, 0, 0, 0);

	$counts{$_}[0]++ for @$left;
	$counts{$_}[1]++ for @$right;
	for my $time (sort { $a <=> $b } keys %counts)
	{
		my ($l, $r) = map { $_ // 0 } @{ $counts{$time} }[ 0, 1 ];

		$wins += $r * ($below_left + $l / 2);
		$below_left += $l;
		$below_right += $r;
		$distance = max($distance, abs($below_left / @$left - $below_right / @$right));
	}
	return ($distance, $wins / (@$left * @$right));
}

sub describe
{
	my ($times, $left, $right) = @_;
	my ($distance, $auc) = compare($times->{$left}, $times->{$right});

	diag(sprintf '%s(), %s / %s: n %d, medians %.0f and %.0f us, KS %.3f, AUC %.3f', $times->{function}, $left, $right,
		scalar @{ $times->{$left} }, median($times->{$left}), median($times->{$right}), $distance, $auc);
	return $auc;
}

sub cannot_be_told_apart
{
	my ($times, $left, $right, $name) = @_;
	my $auc = describe($times, $left, $right);

	return ok(abs($auc - 0.5) < MARGIN, $name);
}

sub add_inputs
{
	my ($kind, @inputs) = @_;

	$backend->query('INSERT INTO inputs VALUES ' . join ', ', map { sprintf '(%s, %s)', sql_literal($kind), sql_literal($_) } @inputs);
}

$backend->query(q{CREATE FUNCTION call_refused_request(input text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM anon_auth.request_password_reset(input);
END $$});
make_timer('refused_request', 1);
make_timer($_) for qw(authenticate request_password_reset reset_password request_login_code authenticate_with_code sign_up authenticate_with_id_token refresh_session authenticate_anonymously);

# Check the measure itself: it shows a difference, and shows none where there is
# none.
{
	my @fast = map { 100 + $_ % 7 } 1 .. 1000;

	is(sprintf('%.3f %.3f', compare(\@fast, \@fast)), '0.000 0.500', 'equal times have KS 0 and AUC 0.5');
	is(sprintf('%.3f %.3f', compare(\@fast, [ map { $_ + 10 } @fast ])), '1.000 1.000', 'a second kind that always takes longer has KS 1 and AUC 1');
	is(sprintf('%.3f', (compare([ 1, 2, 2, 4 ], [ 2, 3 ]))[1]), '0.625', 'ties count half');
}

# Passwords

my $logins = time_calls('authenticate', $samples, qw(known unknown disabled));
cannot_be_told_apart($logins, 'known', 'unknown',
	'a wrong password takes equally long for an existing and a missing user');
cannot_be_told_apart($logins, 'known', 'disabled',
	'a wrong password takes equally long for a disabled and a missing user');

# Password resets. These calls wait, so that all take the same time.

my $fewer = int $samples * 2 / 3;
my $requests = time_calls('request_password_reset', $fewer, qw(known unknown disabled));
cannot_be_told_apart($requests, 'known', 'unknown',
	'a request for a code takes equally long for an existing and a missing user');
cannot_be_told_apart($requests, 'disabled', 'unknown',
	'a request for a code takes equally long for a disabled and a missing user');

$backend->query('SELECT anon_auth.reset_counters()');
$backend->query(q{SELECT anon_auth.request_password_reset(input) FROM inputs WHERE kind IN ('known', 'unknown')});
my $refusals = time_calls('refused_request', $samples, qw(known unknown));
cannot_be_told_apart($refusals, 'known', 'unknown',
	'the refusal of a second request takes equally long for an existing and a missing user');
my $resets = time_calls('reset_password', $fewer, qw(known unknown));
cannot_be_told_apart($resets, 'known', 'unknown',
	'a wrong code takes equally long with and without a code that was sent');

# Login codes. These calls wait as well.

my $code_requests = time_calls('request_login_code', $fewer, qw(known unknown disabled verified));
cannot_be_told_apart($code_requests, $_, 'unknown', "a request for a login code takes equally long for an address that is $_ and a missing one")
  for qw(known disabled verified);
$backend->query('SELECT anon_auth.reset_counters()');
$backend->query(q{SELECT anon_auth.request_login_code('app', input) FROM inputs WHERE kind IN ('known', 'unknown', 'verified')});
my $code_logins = time_calls('authenticate_with_code', $fewer, qw(known unknown disabled verified));
cannot_be_told_apart($code_logins, $_, 'unknown', "a wrong login code takes equally long for an address that is $_ and a missing one")
  for qw(known disabled verified);

# A sign-up with a wrong code. Nobody has asked for a code for a disabled address here.

my $sign_ups = time_calls('sign_up', $fewer, qw(known unknown disabled verified));
cannot_be_told_apart($sign_ups, $_, 'unknown', "a sign-up with a wrong code takes equally long for an address that is $_ and a missing one")
  for qw(known disabled verified);

# ID tokens. Only the provider can sign one, and the signature is verified before the
# identity is looked up. So a forged token does not reveal whether its subject has an account.

my $provider = AnonAuth::Device->new(alg => 'ES256');
my $forger = AnonAuth::Device->new(alg => 'ES256', kid => $provider->kid);

sub id_token
{
	my ($signer, $subject) = @_;

	return $signer->sign({ alg => 'ES256', kid => $provider->kid },
		{ iss => 'https://accounts.example', aud => 'app.example', sub => $subject, iat => time, exp => time + 3600,
			nonce => $backend->query(q{SELECT token FROM anon_auth.create_challenge('id_token')}) });
}

$backend->query(sprintf "SELECT anon_auth.create_identity_provider('https://accounts.example', '{app.example}', '%s')",
	JSON::PP->new->encode({ keys => [ $provider->jwk ] }));
is($backend->query(sprintf 'SELECT count(*) FROM anon_auth.sign_up(%s, id_token => %s)', map { sql_literal($_) } 'app', id_token($provider, "known $_")), 1, 'an ID token signs up')
  for 1 .. 3;
add_inputs('forged known', map { id_token($forger, "known $_") } 1 .. 3);
add_inputs('forged unknown', map { id_token($forger, "other $_") } 1 .. 3);
cannot_be_told_apart(time_calls('authenticate_with_id_token', $samples, 'forged known', 'forged unknown'), 'forged known', 'forged unknown',
	'a forged ID token is refused equally fast for an identity of an account and for another one');

# Refresh tokens

my @tokens = split /\n/, $backend->query(q{SELECT input FROM inputs WHERE kind = 'token'});

# Return the token with all bits of one byte inverted.
sub changed
{
	my ($token, $at) = @_;
	my $bytes = decode_base64url($token);

	substr($bytes, $at, 1) ^= "\xff";
	return encode_base64url($bytes);
}

add_inputs('wrong from its first byte on', map { substr(encode_base64url(~decode_base64url($_)), 0, length $_) } @tokens);
add_inputs('wrong first byte', map { changed($_, 0) } @tokens);
add_inputs('wrong secret', map { changed($_, 36) } @tokens);
add_inputs('wrong tag', map { changed($_, -16) } @tokens);
add_inputs('wrong last byte', map { changed($_, -1) } @tokens);
$backend->query(<<'SQL');
INSERT INTO inputs SELECT 'ended session', refresh_token FROM generate_series(1, 20), anon_auth.authenticate_anonymously('app');
SELECT anon_auth.revoke(input) FROM inputs WHERE kind = 'ended session'
SQL
my @wrong = ('wrong from its first byte on', 'wrong first byte', 'wrong secret', 'wrong tag', 'wrong last byte');
my $refreshes = time_calls('refresh_session', $samples, @wrong, 'ended session');
cannot_be_told_apart($refreshes, $wrong[0], $_, "a refresh token with every byte wrong takes as long as one with a $_")
  for @wrong[ 1 .. $#wrong ];

# Only the holder of a token that the server issued can present it after its
# session has ended.
describe($refreshes, 'wrong tag', 'ended session');

# Device keys: error AA004 reveals an unknown kid anyway, so time need not hide
# it.

my @devices = map { AnonAuth::Device->new(alg => 'ES256') } 1 .. 3;
call($node, 'authenticate_anonymously', client_id => 'app', jwt => $_->request(challenge => challenge($node), with_jwk => 1)) for @devices;
my @requests = map { $_->request(challenge => challenge($node)) } @devices;
add_inputs('wrong signature', map { s/\.([^.]*)$/'.' . changed($1, 40)/er } @requests);
add_inputs('unknown kid', map { AnonAuth::Device->new(alg => 'ES256')->request(challenge => challenge($node)) } 1 .. 3);
describe(time_calls('authenticate_anonymously', $samples, 'wrong signature', 'unknown kid'), 'wrong signature', 'unknown kid');

$backend->close;
$node->stop;
done_testing();
