# How many lines everyday failures write to the server's log, as docs/operations.md
# says, and that its settings for PostgREST's role switch them off.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Device qw(call jws_parts);
use AnonAuth::Web;
use JSON::PP ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $reason = AnonAuth::Web->missing;

plan skip_all => $reason if $reason;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->append_conf('postgresql.conf', "fsync = off\nlog_statement = none\nlog_connections = off\nlog_disconnections = off\n");
$node->start;

my $web = AnonAuth::Web->new($node);
my $json = JSON::PP->new->canonical;

sub query { return $node->safe_psql('postgres', $_[0]); }

query(<<'SQL');
CREATE FUNCTION api.who() RETURNS text LANGUAGE sql STABLE AS 'SELECT current_user::text';
GRANT EXECUTE ON FUNCTION api.who() TO anon, authenticated;
CREATE FUNCTION api.caller(token text) RETURNS uuid LANGUAGE sql AS 'SELECT anon_auth.use_access_token(token)';
GRANT EXECUTE ON FUNCTION api.caller(text) TO anon, authenticated;
UPDATE anon_auth.clients SET refresh_token_rotation_enabled = true, refresh_token_rotation_grace_seconds = 0 WHERE client_id = 'notebook';
NOTIFY pgrst, 'reload schema';
SQL
$web->wait_for('PostgREST to know the functions', sub { $web->get('/rest/rpc/who')->{status} == 200 });

my $claims = (jws_parts(call($node, 'authenticate_anonymously', client_id => 'notebook')->{access_token}))[1];
my $expired = call($node, 'sign_jwt', claims => $json->encode({ %$claims, exp => time - 3600 }), typ => 'at+jwt')->{sign_jwt};

sub refresh
{
	return $web->post_form('/oauth2/token', { grant_type => 'refresh_token', client_id => 'notebook', refresh_token => $_[0] });
}

# Each failure, the status that proves that it happened, and the lines that it writes.
my @failures = (
	[ 'an expired access token at PostgREST', 401, 0, sub { $web->get('/rest/rpc/who', Authorization => "Bearer $expired") } ],
	[ 'an access token of a session that has ended', 401, 2, sub {
		my $ended = call($node, 'authenticate_anonymously', client_id => 'notebook');

		call($node, 'revoke_sessions', user_id => $ended->{sub});
		return sub { $web->get('/rest/rpc/who', Authorization => "Bearer $ended->{access_token}") };
	} ],
	[ 'an expired access token passed to use_access_token()', 400, 3, sub { $web->post_json('/rest/rpc/caller', { token => $expired }) } ],
	[ 'a reused refresh token', 400, 0, sub {
		my $guest = call($node, 'authenticate_anonymously', client_id => 'notebook');

		refresh($guest->{refresh_token});
		return sub { refresh($guest->{refresh_token}) };
	} ],
	[ 'an unknown refresh token', 400, 0, sub { refresh('x') } ],
	[ 'a device request that is no JWT', 400, 0, sub {
		$web->post_form('/oauth2/token', { grant_type => 'urn:authgear:params:oauth:grant-type:anonymous-request', client_id => 'notebook', jwt => 'x' });
	} ],
	[ 'a sign-up over the limit', 429, 0, sub {
		query('UPDATE anon_auth.settings SET guest_sign_ups_per_minute_per_ip = 1');
		my $sign_up = sub { $web->post_json('/api/anonymous_user/signup', { client_id => 'notebook', session_type => 'refresh_token' }) };

		$sign_up->();
		return $sign_up;
	} ]);

# Returns the status of each failure and the lines that it wrote.
sub measure
{
	query('UPDATE anon_auth.settings SET guest_sign_ups_per_minute_per_ip = DEFAULT; SELECT anon_auth.reset_counters()');
	return map {
		my ($name, undef, undef, $request) = @$_;
		my $before;
		my $prepared = $name =~ /ended|reused|over/ ? $request->() : $request;

		$before = -s $node->logfile;
		my $response = $prepared->();
		my @lines = split /^/m, substr(slurp_file($node->logfile), $before);

		note "$name: $response->{status}\n", @lines;
		"$name: $response->{status}, " . scalar(@lines) . ' lines'
	} @failures;
}

is_deeply([ measure() ], [ map { "$_->[0]: $_->[1], $_->[2] lines" } @failures ], 'each failure writes the lines that the manual says');

# PostgREST's connections must be new.
sub restart_postgrest
{
	$web->stop_process('postgrest');
	$web->start_process('postgrest');
	$web->wait_for('PostgREST to come back', sub { $web->get('/rest/rpc/who')->{status} == 200 });
	return;
}

# Returns whether the log says that an endpoint failed.
sub internal_error
{
	my $before = -s $node->logfile;

	query('ALTER TABLE anon_auth.clients RENAME TO clients_gone');
	is($web->get('/oauth2/authorize?client_id=notebook')->{status}, 500, 'an endpoint without its table fails');
	query('ALTER TABLE anon_auth.clients_gone RENAME TO clients');
	return substr(slurp_file($node->logfile), $before) =~ /LOG:  anon_auth_http answers 500/ ? 1 : 0;
}

my ($manual) = slurp_file("$FindBin::Bin/../docs/operations.md") =~ /^### How much is logged\n.*?^```sql\n(.*?)^```/ms or BAIL_OUT('no settings in the manual');

# The settings of the manual, and the milder ones, which keep internal errors.
for my $level (undef, 'log')
{
	query($manual);
	query("ALTER ROLE authenticator SET log_min_messages = '$level'") if $level;
	restart_postgrest();
	is_deeply([ measure() ], [ map { "$_->[0]: $_->[1], 0 lines" } @failures ], 'none of them writes a line with ' . ($level // 'fatal'));
	is(internal_error(), $level ? 1 : 0, 'an internal error of an endpoint is ' . ($level ? '' : 'not ') . 'logged with ' . ($level // 'fatal'));
}

my $before = -s $node->logfile;
query(q{DO $$ BEGIN RAISE WARNING 'seen'; END $$});
like(substr(slurp_file($node->logfile), $before), qr/seen/, 'other roles are still logged');

done_testing();
