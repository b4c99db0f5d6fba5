# Refresh tokens, authorization codes and access tokens that are bound to a key: the SQL
# functions. t/111_dpop_attacks.pl has the attacks, t/112_dpop_http.pl the HTTP interface.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Device qw(call challenge jws_parts refusal sql_literal);
use Digest::SHA qw(sha256);
use MIME::Base64 qw(encode_base64url);
use JSON::PP ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION anon_auth;
UPDATE anon_auth.settings SET issuer = 'https://auth.example', password_hash_memory_kib = 8192, password_hash_passes = 1;
SQL
call($node, 'create_client', client_id => 'app', application_type => 'native', redirect_uris => '{com.example:/cb}');
call($node, 'create_client', client_id => 'off', application_type => 'native', dpop => 'off');
call($node, 'create_client', client_id => 'strict', application_type => 'native', dpop => 'required', redirect_uris => '{com.example:/cb}');
call($node, 'create_client', client_id => 'rotating', application_type => 'native', refresh_token_rotation_enabled => 'true');

my $endpoint = 'https://auth.example/oauth2/token';
my $key = AnonAuth::Device->new;
my $other = AnonAuth::Device->new;

sub proof { my ($device, %arguments) = @_; return $device->proof(htu => $endpoint, %arguments); }
sub query { return $node->safe_psql('postgres', sprintf $_[0], map { sql_literal($_) } @_[ 1 .. $#_ ]); }
sub sign_up { my ($client, @arguments) = @_; return call($node, 'authenticate_anonymously', client_id => $client, @arguments); }
sub jkt_of { return query('SELECT dpop_jkt FROM anon_auth.sessions WHERE user_id = %s', $_[0]{sub}); }
sub confirmation { return (jws_parts($_[0]{access_token}))[1]{cnf}; }

# The SQLSTATE of a refresh; 00000 if it returns tokens.
sub refresh
{
	my ($client, $tokens, @arguments) = @_;

	return refusal($node, 'refresh_session', client_id => $client, refresh_token => $tokens->{refresh_token}, @arguments)->{sqlstate};
}

# ---------------------------------------------------------------------------
# What is bound
# ---------------------------------------------------------------------------

my $unbound = sign_up('app');
is(jkt_of($unbound), '', 'a login without a proof starts a session that is not bound');
is(refresh('app', $unbound), '00000', '... and needs none to be refreshed');
is(refresh('app', $unbound, dpop => proof($key)), '00000', '... and accepts one');
is(jkt_of($unbound), '', '... which does not bind it');

for my $alg (qw(ES256 EdDSA RS256 PS256))
{
	my $device = AnonAuth::Device->new(alg => $alg);
	my $tokens = sign_up('app', dpop => proof($device));

	is(jkt_of($tokens), $device->thumbprint, "$alg: a login with a proof binds the session to its key");
	is(refresh('app', $tokens, dpop => proof($device)), '00000', "$alg: the key refreshes the session");
}

my $bound = sign_up('app', dpop => proof($key));
is($bound->{token_type}, 'Bearer', 'optional: access tokens are not bound');
is(confirmation($bound), undef, '... and have no cnf');
is(refresh('app', $bound), 'AA026', 'a bound refresh token needs a proof');
is(refresh('app', $bound, dpop => proof($other)), 'AA006', 'a valid proof of another key makes the refresh token invalid');
is(refresh('app', $bound, dpop => proof($key, payload => { htm => 'GET' })), 'AA026', 'a bad proof is refused');
is(refresh('app', $bound, dpop => proof($key)), '00000', 'none of these has ended the session');

my $off = sign_up('off', dpop => proof($key));
is(jkt_of($off), '', 'off: no session is bound');
is(refresh('off', $off, dpop => 'garbage'), '00000', '... and proofs are ignored');
query(q{UPDATE anon_auth.clients SET dpop = 'off' WHERE client_id = 'app'});
is(refresh('app', $bound), 'AA026', 'a session that is bound stays bound if the client is set to off');
is(refresh('app', $bound, dpop => proof($other)), 'AA006', '... to its key');
is(refresh('app', $bound, dpop => proof($key)), '00000', '... which still works');
query(q{UPDATE anon_auth.clients SET dpop = 'optional' WHERE client_id = 'app'});

# ---------------------------------------------------------------------------
# required
# ---------------------------------------------------------------------------

is(refusal($node, 'authenticate_anonymously', client_id => 'strict')->{sqlstate}, 'AA026', 'required: no login without a proof');
my $strict = sign_up('strict', dpop => proof($key));
is($strict->{token_type}, 'DPoP', 'required: the type of the access token is DPoP');
is_deeply(confirmation($strict), { jkt => $key->thumbprint }, '... and it has the thumbprint of the key');
is(refresh('strict', $strict), 'AA026', '... no refresh without a proof');
my $refreshed = call($node, 'refresh_session', client_id => 'strict', refresh_token => $strict->{refresh_token}, dpop => proof($key));
is_deeply(confirmation($refreshed), { jkt => $key->thumbprint }, 'the access token of a refresh is bound, too');

query(q{UPDATE anon_auth.clients SET dpop = 'required' WHERE client_id = 'off'});
is(refresh('off', $off), 'AA026', 'a session from before "required" needs a proof');
is(refresh('off', $off, dpop => proof($key)), '00000', '... of any key');
is(jkt_of($off), $key->thumbprint, '... and its next refresh binds it');
is(refresh('off', $off, dpop => proof($other)), 'AA006', '... so that no other key can follow');

# ---------------------------------------------------------------------------
# Every function that takes a refresh token
# ---------------------------------------------------------------------------

my %with_refresh_token = (
	authenticate_anonymously => [ client_id => 'app' ],
	create_promotion_code => [],
	request_login_code => [ client_id => 'app', login_id => 'ada@example.com' ],
	promote_anonymous_user => [ client_id => 'app', username => 'ada', password => 'correct horse' ],
	authorize_promotion => [ client_id => 'app', username => 'bob', password => 'correct horse',
		redirect_uri => 'com.example:/cb', code_challenge => 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWJ-26MJGQAbw' ]);

for my $function (sort keys %with_refresh_token)
{
	my @arguments = @{ $with_refresh_token{$function} };
	my $guest = sign_up('app', dpop => proof($key));

	push @arguments, refresh_token => $guest->{refresh_token};
	is(refusal($node, $function, @arguments)->{sqlstate}, 'AA026', "$function() needs a proof for a bound refresh token");
	is(refusal($node, $function, @arguments, dpop => proof($other))->{sqlstate}, 'AA006', '... of its key');
	my $error = refusal($node, $function, @arguments, dpop => proof($key));
	is($error->{sqlstate}, '00000', '... and works with it') or diag explain $error;
}

my $account = call($node, 'authenticate', client_id => 'app', login_id => 'ada', password => 'correct horse', dpop => proof($key));
my $guest = sign_up('app', dpop => proof($key));
my @claim = (client_id => 'app', access_token => $account->{access_token}, refresh_token => $guest->{refresh_token});
is(refusal($node, 'claim_anonymous_user', @claim)->{sqlstate}, 'AA026', 'claim_anonymous_user() needs a proof for a bound refresh token');
is(refusal($node, 'claim_anonymous_user', @claim, dpop => proof($other))->{sqlstate}, 'AA006', '... of its key');
is(refusal($node, 'claim_anonymous_user', @claim, dpop => proof($key))->{sqlstate}, '00000', '... and works with it');

$guest = sign_up('app', dpop => proof($key));
query('SELECT anon_auth.revoke(%s)', $guest->{refresh_token});
is(query('SELECT count(*) FROM anon_auth.sessions WHERE user_id = %s', $guest->{sub}), '0', 'revoke() needs no proof');

# ---------------------------------------------------------------------------
# Every function that starts a session
# ---------------------------------------------------------------------------

$guest = sign_up('app');
my $promoted = call($node, 'promote_anonymous_user', client_id => 'app', username => 'eve', password => 'correct horse',
	refresh_token => $guest->{refresh_token}, dpop => proof($key));
is(jkt_of($promoted), $key->thumbprint, 'promote_anonymous_user() binds the new session');
my $login = call($node, 'authenticate', client_id => 'strict', login_id => 'eve', password => 'correct horse', dpop => proof($other));
is_deeply(confirmation($login), { jkt => $other->thumbprint }, 'authenticate() binds the new session');
is(refusal($node, 'authenticate', client_id => 'strict', login_id => 'eve', password => 'correct horse')->{sqlstate}, 'AA026',
	'... and needs a proof');
is(jkt_of(call($node, 'sign_up', client_id => 'app', username => 'mallory', password => 'correct horse', dpop => proof($key))),
	$key->thumbprint, 'sign_up() binds the new session');
is(refusal($node, 'sign_up', client_id => 'strict', username => 'trent', password => 'correct horse')->{sqlstate}, 'AA026', '... and needs a proof');
my $code = query(q{SELECT anon_auth.request_login_code('app', 'peggy@example.com') IS NOT NULL});
$code = query(q{SELECT code FROM anon_auth.take_outbox_messages(100) WHERE recipient = 'peggy@example.com'});
is(jkt_of(call($node, 'sign_up', client_id => 'app', email => 'peggy@example.com', code => $code, dpop => proof($key))), $key->thumbprint,
	'... also for a code');
is(refusal($node, 'authenticate_with_code', client_id => 'strict', login_id => 'peggy@example.com', code => '123456')->{sqlstate}, 'AA026',
	'authenticate_with_code() needs a proof');
is(refusal($node, 'authenticate_with_id_token', client_id => 'strict', id_token => 'x')->{sqlstate}, 'AA026',
	'authenticate_with_id_token() needs a proof');

# ---------------------------------------------------------------------------
# Authorization codes
# ---------------------------------------------------------------------------

my $verifier = 'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk';
my $name = 'user0';

# A code that is bound to a key.
sub authorize
{
	my ($client, @arguments) = @_;
	my $new = sign_up($client, dpop => proof($key));

	return call($node, 'authorize_promotion', client_id => $client, username => ++$name, password => 'correct horse',
		redirect_uri => 'com.example:/cb', code_challenge => encode_base64url(sha256($verifier)),
		refresh_token => $new->{refresh_token}, dpop => proof($key))->{code};
}

sub exchange
{
	my ($client, $authorization_code, @arguments) = @_;

	return (client_id => $client, code => $authorization_code, redirect_uri => 'com.example:/cb', code_verifier => $verifier, @arguments);
}

my $bound_code = authorize('app');
is(refusal($node, 'exchange_authorization_code', exchange('app', $bound_code))->{sqlstate}, 'AA026', 'a bound authorization code needs a proof');
is(refusal($node, 'exchange_authorization_code', exchange('app', $bound_code, dpop => proof($other)))->{sqlstate}, 'AA012',
	'... and is invalid with another key');
my $exchanged = call($node, 'exchange_authorization_code', exchange('app', $bound_code, dpop => proof($key)));
is(jkt_of($exchanged), $key->thumbprint, '... and its session is bound to its key');

# ---------------------------------------------------------------------------
# Access tokens
# ---------------------------------------------------------------------------

sub use_token
{
	my ($tokens, @arguments) = @_;

	return refusal($node, 'use_access_token', token => $tokens->{access_token}, @arguments)->{sqlstate};
}

my $token = $strict->{access_token};
is(use_token($strict), 'AA026', 'use_access_token() refuses a bound token without a proof');
is(use_token($strict, dpop => proof($key)), 'AA026', '... with a proof that has no ath');
is(use_token($strict, dpop => proof($key, access_token => "${token}x")), 'AA026', '... with the ath of another token');
is(use_token($strict, dpop => proof($other, access_token => $token)), 'AA014', '... with a proof of another key');
is(use_token($strict, dpop => proof($key, access_token => $token)), '00000', '... and accepts the right one');
is(use_token($bound, dpop => 'garbage'), '00000', 'it ignores the proof for a token that is not bound');
my @request = (htm => 'PATCH', htu => 'https://api.example/todos?id=eq.1');
is(use_token($strict, dpop => $key->proof(@request, access_token => $token), @request), '00000',
	'htm and htu are those of the request that the caller names');
is(use_token($strict, dpop => proof($key, access_token => $token), @request), 'AA026', '... and no others');

# The results of statements in one transaction.
sub transaction
{
	my (@statements) = @_;
	my ($status, $stdout, $stderr) = $node->psql('postgres', join '', "\\set VERBOSITY verbose\n", map { "$_;\n" } 'BEGIN', @statements, 'COMMIT');

	return $stderr =~ /ERROR:  (\w{5}):/ ? $1 : $stdout;
}

sub use_statement
{
	my ($tokens, $device) = @_;

	return sprintf 'SELECT FROM anon_auth.use_access_token(%s, dpop => %s)', sql_literal($tokens->{access_token}),
	  sql_literal(proof($device, access_token => $tokens->{access_token}));
}

my $userinfo = sprintf q{SELECT anon_auth.userinfo(%s) ->> 'sub'}, sql_literal($token);
is(transaction($userinfo), 'AA014', 'a bound access_token argument alone is refused');
is(transaction(use_statement($strict, $key), $userinfo), $strict->{sub}, '... and counts after use_access_token() has accepted it');
is(transaction(use_statement($strict, $key), 'COMMIT', 'BEGIN', $userinfo), 'AA014', '... in the same transaction only');
my $strange = sign_up('strict', dpop => proof($other));
is(transaction(use_statement($strange, $other), $userinfo), 'AA014', '... and only that token');
is(transaction(use_statement($strict, $key), 'SELECT anon_auth.key_bound()'), 't', 'key_bound() is true for the caller of a bound token');
is(transaction(sprintf('SELECT FROM anon_auth.use_access_token(%s)', sql_literal($bound->{access_token})), 'SELECT anon_auth.key_bound()'),
	'f', '... false for another one');
is(transaction('SELECT anon_auth.key_bound()'), 'f', '... and without a caller');

my $claims = query('SELECT anon_auth.verify_jwt(%s)', $token);
query('UPDATE anon_auth.settings SET trust_request_claims = true');
is(transaction("SET LOCAL request.jwt.claims = '$claims'", 'SELECT anon_auth.uid() IS NULL, anon_auth.key_bound()'), 't|f',
	'the claims of a bound token in request.jwt.claims are nobody');
query('UPDATE anon_auth.settings SET trust_request_claims = false');

$node->safe_psql('postgres', <<'SQL');
CREATE ROLE hook_owner;
CREATE SCHEMA app;
GRANT USAGE ON SCHEMA app TO hook_owner;
CREATE FUNCTION app.forge(claims jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT '{"cnf": {"jkt": "x"}}'::jsonb $$;
ALTER FUNCTION app.forge OWNER TO hook_owner;
UPDATE anon_auth.settings SET access_token_claims = 'app.forge';
SQL
is(refusal($node, 'authenticate_anonymously', client_id => 'app')->{sqlstate}, 'AA020', 'a hook cannot set cnf');
query('UPDATE anon_auth.settings SET access_token_claims = NULL');

# ---------------------------------------------------------------------------
# Nonces
# ---------------------------------------------------------------------------

query('UPDATE anon_auth.settings SET dpop_nonce = true');
my $error = refusal($node, 'refresh_session', client_id => 'app', refresh_token => $bound->{refresh_token}, dpop => proof($key));
is($error->{sqlstate}, 'AA027', 'settings.dpop_nonce: a proof needs a nonce');
my ($nonce) = $error->{detail} =~ /"dpop_nonce": ?"([^"]+)"/;
is(refresh('app', $bound, dpop => proof($key, nonce => $nonce)), '00000', '... which the error has');
is(refresh('app', $bound, dpop => proof($key, nonce => $nonce)), '00000', '... and which other proofs can have, too');
is(refresh('app', $bound, dpop => proof($key, nonce => $nonce, payload => { iat => time() + 3600, exp => time() + 3660 })), '00000',
	'... then the clock of the device does not matter');
is(refresh('app', $bound, dpop => proof($key, payload => { iat => time() - 3600, exp => time() - 3540 })), 'AA027',
	'a device whose clock is wrong gets a nonce, too');
is(refresh('app', $bound, dpop => proof($key, nonce => challenge($node))), 'AA027', 'a challenge for another purpose is no nonce');
is(refresh('app', $bound, dpop => proof($key, nonce => $nonce, payload => { htm => 'GET' })), 'AA026', 'a nonce does not excuse other mistakes');
query('UPDATE anon_auth.settings SET dpop_nonce = false');
$nonce = query(q{SELECT token FROM anon_auth.create_challenge('dpop_nonce')});
is(refresh('app', $bound, dpop => proof($key, nonce => $nonce, payload => { iat => time() + 3600 })), '00000', 'create_challenge() makes nonces, too');
is(refresh('app', $bound, dpop => proof($key, nonce => 'stale')), 'AA027', 'a nonce that is not valid is refused without the setting, too');

# ---------------------------------------------------------------------------
# Proofs as the SDKs make them
# ---------------------------------------------------------------------------

my $now = time();
my $header = sprintf '{"alg":"ES256","jwk":%s,"kid":"%s","typ":"dpop+jwt"}', JSON::PP->new->canonical->encode($key->jwk), $key->kid;
my %payloads = (
	'fractional times' => sprintf('{"iat":%d.123,"exp":%d.456,"jti":"a","htm":"POST","htu":"%s"}', $now, $now + 60, $endpoint),
	'times with an exponent' => sprintf('{"iat":%.9E,"exp":%.9E,"jti":"b","htm":"POST","htu":"%s"}', $now, $now + 60, $endpoint),
	'escaped slashes' => sprintf('{"iat":%d,"jti":"c","htm":"POST","htu":"%s"}', $now, $endpoint =~ s{/}{\\/}gr));
for my $what (sort keys %payloads)
{
	is(refresh('app', $bound, dpop => $key->sign($header, $payloads{$what})), '00000', "a proof with $what is accepted");
}

done_testing();
