# Authorization codes that are used again (RFC 6749, section 4.1.2): one after the
# other, at the same time, and after a rollback.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Browser;
use AnonAuth::Device qw(jws_parts sql_literal);
use Digest::SHA qw(sha256);
use JSON::PP ();
use MIME::Base64 qw(encode_base64url);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION anon_auth;
CREATE EXTENSION anon_auth_http;
CREATE ROLE anon NOLOGIN;
CREATE ROLE authenticator LOGIN NOINHERIT;
GRANT anon TO authenticator;
SELECT anon_auth.grant_http_api('anon'), anon_auth.grant_http_api('authenticator'), anon_auth.grant_client_api('anon');
SELECT anon_auth.create_client('web', 'spa', '{https://app.example/cb}'),
	   anon_auth.create_client('other', 'spa', '{https://app.example/cb}');
UPDATE anon_auth.settings SET issuer = 'https://auth.example', password_hash_memory_kib = 8192,
	password_hash_passes = 1;
SQL

my $json = JSON::PP->new->canonical;
my $verifier = 'v' x 43;
my $challenge = encode_base64url(sha256($verifier));
my $names = 0;

sub query { return $node->safe_psql('postgres', $_[0]); }

# A code of a new user, and the arguments of its exchange in SQL.
sub code
{
	my $name = 'user' . ++$names;
	my $code = query(<<"SQL");
SELECT c.code FROM anon_auth.authenticate_anonymously('web') g,
	anon_auth.authorize_promotion('web', 'https://app.example/cb', '$challenge', username => '$name',
								  password => 'a long password', refresh_token => g.refresh_token) c;
SQL
	return $code;
}

sub exchange
{
	my ($code, $known) = @_;

	return sprintf q{SELECT access_token, refresh_token FROM anon_auth.exchange_authorization_code('%s', %s, 'https://app.example/cb', '%s')},
	  $known->{client} // 'web', sql_literal($code), $known->{verifier} // $verifier;
}

sub http_exchange
{
	my ($code) = @_;

	return AnonAuth::Browser->new($node)->post_form('/oauth2/token', grant_type => 'authorization_code', client_id => 'web',
		code => $code, redirect_uri => 'https://app.example/cb', code_verifier => $verifier);
}

sub is_alive
{
	my ($refresh_token) = @_;
	my ($code, $stdout, $stderr) = $node->psql('postgres',
		"SELECT sub FROM anon_auth.refresh_session('web', " . sql_literal($refresh_token) . ')');

	return $stderr eq '' && $stdout ne '';
}

sub refusal
{
	my ($statement) = @_;
	my ($code, $stdout, $stderr) = $node->psql('postgres', "\\set VERBOSITY sqlstate\n$statement");

	return $stderr =~ /ERROR:\s+(\w+)/ ? $1 : $stdout;
}

# --- one after the other ------------------------------------------------------

my $code = code();
my (undef, $token) = split /\|/, query(exchange($code));
ok(is_alive($token), 'a code is exchanged for a session');
is(refusal(exchange($code, { verifier => 'w' x 43 })), 'AA012', 'a used code with a wrong verifier is refused');
is(refusal(exchange($code, { client => 'other' })), 'AA012', 'a used code of another client is refused');
ok(is_alive($token), 'neither ends the session: the sender may have found the code in a log');
is(query(exchange($code)), '', 'a used code returns no row');
ok(!is_alive($token), 'the second use of a code ends the session');
is(query("SELECT count(*) FROM anon_auth.events WHERE type = 'authorization_code.reused'"), 1, 'the second use of a code writes an event');
is(query(exchange($code)), '', 'a third use returns no row');
is(query("SELECT count(*) FROM anon_auth.events WHERE type = 'authorization_code.reused'"), 1, 'a third use writes no event');

$code = code();
my $tokens = http_exchange($code)->{json};
is_deeply(http_exchange($code)->{json}, { error => 'invalid_grant', error_description => 'invalid authorization code' },
	'over HTTP, a used code is invalid_grant');
is(AnonAuth::Browser->new($node)->get('/oauth2/userinfo', 'Authorization:' => "Bearer $tokens->{access_token}")->{json}{error},
	'invalid_grant', 'over HTTP, the second use of a code ends the session');

$code = code();
query(exchange($code));
query('UPDATE anon_auth.authorization_codes SET expires_at = now()');
is(refusal(exchange($code)), 'AA012', 'a used code that has expired is refused like an unknown one');
cmp_ok(query('SELECT authorization_codes FROM anon_auth.purge()'), '>', 0, 'purge() deletes used codes that have expired');

# --- transactions that roll back ----------------------------------------------

$code = code();
(undef, $token) = split /\|/, query(exchange($code));
query('BEGIN; ' . exchange($code) . '; ROLLBACK');
ok(!is_alive($token), 'a rollback of the second use does not bring the session back');

$code = code();
isnt(query('BEGIN; ' . exchange($code) . '; ROLLBACK'), '', 'a transaction that rolls back gets tokens');
is(query(exchange($code)), '', 'a rollback does not make a code usable again');
is(query(exchange($code)), '', 'nor does the answer to the second use');

$code = code();
my $rows = query('BEGIN; SAVEPOINT s; ' . exchange($code) . '; ROLLBACK TO s; ' . exchange($code) . '; COMMIT');
is(scalar(split /\n/, $rows), 1, 'a savepoint does not make a code usable again');

query(q{CREATE SCHEMA app; CREATE FUNCTION app.refuse(jsonb) RETURNS jsonb LANGUAGE plpgsql AS 'BEGIN RAISE ''no''; END';
	CREATE ROLE app LOGIN; ALTER FUNCTION app.refuse(jsonb) OWNER TO app});
$code = code();
query("UPDATE anon_auth.settings SET access_token_claims = 'app.refuse(jsonb)'");
isnt(refusal(exchange($code)), '', 'an exchange can fail in a hook');
query('UPDATE anon_auth.settings SET access_token_claims = NULL');
isnt(query(exchange($code)), '', 'an exchange that failed does not use up the code');

# --- at the same time ---------------------------------------------------------

$code = code();
my $user = query("SELECT user_id FROM anon_auth.authorization_codes WHERE used_at IS NULL AND expires_at > now()");
my $blocker = $node->background_psql('postgres');
$blocker->query_safe("BEGIN; SELECT 1 FROM anon_auth.users WHERE id = '$user' FOR UPDATE");
my (@running, @results);
for (1 .. 12)
{
	my $result = '';

	push @results, \$result;
	push @running, IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', exchange($code) ], '>', \$result);
}
$node->poll_query_until('postgres',
	"SELECT count(*) = 12 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%exchange_authorization_code%'")
  or die 'the exchanges do not wait';
$blocker->query_safe('COMMIT');
$blocker->quit;
$_->finish for @running;
my @winners = grep { $_ ne '' } map { $$_ } @results;
is(scalar @winners, 1, 'of 12 exchanges at the same time, one returns tokens');
chomp(my $winner = $winners[0]);
ok(is_alive((split /\|/, $winner)[1]), 'its session lives: a client that sends a code twice at once keeps it');
is(query("SELECT count(*) FROM anon_auth.sessions WHERE user_id = '$user'"), 1, 'there is one session');

done_testing;
