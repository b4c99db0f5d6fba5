# A signing key is published before it signs, so that a program that caches the
# keys accepts its first token. Here that is jose's remote key set, which fetches
# the keys again at most every 30 seconds. Also a change of the issuer and of the
# audience with a real PostgREST, which must accept new tokens at once.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Clients;
use AnonAuth::Device qw(call jws_parts sql_literal);
use AnonAuth::Web;
use AnonAuth::Wire;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $reason = AnonAuth::Web->missing // AnonAuth::Clients->missing;

plan skip_all => $reason if $reason;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->append_conf('postgresql.conf', 'fsync = off');
$node->start;

my $web = AnonAuth::Web->new($node);
my $jose = AnonAuth::Clients->new->start('jose-remote', $web->origin . '/oauth2/jwks');

sub query { return $node->safe_psql('postgres', $_[0]); }

sub sign_up
{
	my $response = $web->post_json('/api/anonymous_user/signup',
		{ client_id => 'notebook', session_type => 'refresh_token' });

	die "sign-up: $response->{status} $response->{content}" if $response->{status} != 200;
	return $response->{json}{result}{access_token};
}

sub kid_of { return (jws_parts($_[0]))[0]{kid}; }

sub notes
{
	my ($token) = @_;

	return $web->get('/rest/notes', Authorization => "Bearer $token")->{status};
}

sub jose_accepts
{
	my ($token) = @_;

	return $jose->ask(token => $token)->{result};
}

# Let time pass for the keys.
sub let_pass
{
	query("UPDATE anon_auth.signing_keys SET signs_from = signs_from - interval '$_[0]',
		retiring_since = retiring_since - interval '$_[0]', verify_until = verify_until - interval '$_[0]'");
}

sub max_age
{
	return ($web->get('/oauth2/jwks')->{headers}{'cache-control'} =~ /max-age=(\d+)/)[0];
}

# ---------------------------------------------------------------------------
# A verifier that caches the keys
# ---------------------------------------------------------------------------

my $first = sign_up();

is(jose_accepts($first), 'verified', 'jose accepts a token of the first key');

# The cool-down of jose has just begun: an immediate rotation shows what a
# verifier does that has not fetched the key.
my $immediate = call($node, 'rotate_signing_key', immediately => 'true')->{rotate_signing_key};
my $token = sign_up();

is(kid_of($token), $immediate, 'after an immediate rotation the new key signs at once');
is(jose_accepts($token), 'ERR_JWKS_NO_MATCHING_KEY', 'within its cool-down, jose refuses a token of a key that signed at once');

# Another verifier, which has just fetched the keys.
$jose = AnonAuth::Clients->new->start('jose-remote', $web->origin . '/oauth2/jwks');
is(jose_accepts($token), 'verified', 'jose has fetched the keys');
my $next = call($node, 'rotate_signing_key')->{rotate_signing_key};
$token = sign_up();

is(kid_of($token), $immediate, 'after a rotation the former key signs for the lead time');
is(jose_accepts($token), 'verified', 'within its cool-down, jose accepts a token issued right after a rotation');
is_deeply([ sort grep { $_ eq $next || $_ eq $immediate } map { $_->{kid} } @{ $web->get('/oauth2/jwks')->{json}{keys} } ],
	[ sort $next, $immediate ], 'the new key is published at once');
is(query(q{SELECT count(*) FROM anon_auth.doctor() WHERE finding ~ 'signing_key'}), 0, 'doctor() reports nothing about keys during the lead time');

# During the lead time, the verifier fetches the keys: because its copy is too
# old, or for a token of a key that it does not know.
$jose = AnonAuth::Clients->new->start('jose-remote', $web->origin . '/oauth2/jwks');
is(jose_accepts($token), 'verified', 'jose fetches the keys during the lead time');
let_pass('1 minute');
$token = sign_up();
is(kid_of($token), $next, 'after the lead time the new key signs without another call');
is(jose_accepts($token), 'verified', 'jose accepts the first token of the new key without fetching the keys again');
is($jose->ask(fetches => 1)->{result}, 1, 'jose has fetched the keys once');
is(notes($token), 200, 'PostgREST accepts the first token of the new key');
is(notes($first), 200, 'PostgREST still accepts the tokens of earlier keys');

# A backend that has cached the former key changes to the new one, also within a
# long transaction.
my $wire = AnonAuth::Wire->new($node, $node->safe_psql('postgres', 'SELECT current_user'));
sub signer { return kid_of($wire->run(q{SELECT anon_auth.sign_jwt('{"a": 1}') AS jwt})->{rows}[0]{jwt}); }
$wire->run('BEGIN');
is(signer(), $next, 'a transaction signs with the current key');
my $later = call($node, 'rotate_signing_key')->{rotate_signing_key};
is(signer(), $next, 'a transaction signs with the former key during the lead time');
let_pass('1 minute');
is(signer(), $later, 'a long transaction changes to the new key after the lead time');
$wire->run('COMMIT');
$wire->close;

# The new key begins to sign by the clock alone.
query("UPDATE anon_auth.settings SET signing_key_lead_time = '2 seconds'");
my $timed = call($node, 'rotate_signing_key')->{rotate_signing_key};
is(kid_of(sign_up()), $later, 'the former key signs while the lead time passes');
ok( $node->poll_query_until('postgres', "SELECT clock_timestamp() > signs_from FROM anon_auth.signing_keys WHERE kid = '$timed'"),
	'the lead time passes');
is(kid_of(sign_up()), $timed, 'the new key signs when the lead time has passed');

# ---------------------------------------------------------------------------
# Cache-Control fits the lead time
# ---------------------------------------------------------------------------

for my $case ([ '0', 0 ], [ '20 seconds', 10 ], [ '60 seconds', 30 ], [ '1 day', 60 ])
{
	my ($lead_time, $max_age) = @$case;

	query("UPDATE anon_auth.settings SET signing_key_lead_time = '$lead_time'");
	is(max_age(), $max_age, "with a lead time of $lead_time, the keys may be cached for $max_age seconds");
}
query('UPDATE anon_auth.settings SET signing_key_lead_time = DEFAULT');

# ---------------------------------------------------------------------------
# A changed issuer and audience
# ---------------------------------------------------------------------------

my $origin = $web->origin;
my $before = sign_up();
my @log_in = map { $_->{refresh_token} } call($node, 'authenticate_anonymously', client_id => 'notebook');

sub refreshed
{
	my $response = $web->post_form('/oauth2/token',
		{ client_id => 'notebook', grant_type => 'refresh_token', refresh_token => $log_in[0] });

	return $response->{json}{access_token} // die "refresh: $response->{status} $response->{content}";
}

for my $change ("audience = 'https://api.example'", "audience = NULL, issuer = '$origin/tenant'", "issuer = '$origin'", "audience = 'https://again.example'")
{
	my $told = query("LISTEN pgrst; UPDATE anon_auth.settings SET $change \\g /dev/null\nSELECT 1");

	like($told, qr/notification "pgrst" with payload "reload config"/, "PostgREST is notified of $change");
	is(notes(refreshed()), 200, "PostgREST accepts a new token at once after $change");
}
is(notes($before), 401, 'PostgREST refuses a token for the former audience');
unlike(query('LISTEN pgrst; UPDATE anon_auth.settings SET audience = audience, brand_name = $$B$$ \g /dev/null' . "\nSELECT 1"),
	qr/notification/, 'a change of other settings notifies nobody');
unlike(query("LISTEN pgrst; BEGIN; UPDATE anon_auth.settings SET issuer = 'https://undone.example'; ROLLBACK;\nSELECT 1"),
	qr/notification/, 'a change that is rolled back notifies nobody');
is(notes(refreshed()), 200, 'PostgREST accepts new tokens after a change that was rolled back');

$node->stop;
done_testing();
