# "PostgREST and PostGraphile" in docs/guide.md, followed word for word on an empty
# server: the SQL of both documents, the configuration, and the functions.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Device qw(call);
use AnonAuth::Web;
use HTTP::Tiny;
use IPC::Run ();
use JSON::PP ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

my $reason = AnonAuth::Web->missing;

plan skip_all => $reason if $reason;

my $json = JSON::PP->new->canonical->utf8;
my ($guide) = slurp_file("$FindBin::Bin/../docs/guide.md") =~ /^## PostgREST and PostGraphile\n(.*?)^## /ms or die 'no section';
my ($setup) = slurp_file("$FindBin::Bin/../docs/http.md") =~ /^## Setting it up\n(.*?)^## /ms or die 'no section';
my $node = PostgreSQL::Test::Cluster->new('main');

$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->append_conf('postgresql.conf', 'fsync = off');
$node->start;
$node->safe_psql('postgres', $1) while $setup =~ /^ +```sql\n(.*?)^ +```$/gms;

my ($conf) = $setup =~ /^ +```\n( +db-uri .*?)^ +```$/ms or die 'no configuration';
my ($schemas) = $guide =~ /In `db-schemas` name only .*?`(\w+)`/s or die 'no db-schemas';
$conf =~ s/^ +(db-schemas += ).*/$1"$schemas"/m or die;
$conf =~ s/^ +//mg;

# Each function is an indented block.
my @functions = $guide =~ /^( +CREATE FUNCTION .*?\$\$;\n)/gms;
cmp_ok(scalar @functions, '>=', 2, 'the guide has functions');
$node->safe_psql('postgres', $_) for @functions;

# The test's own addition: a table with row-level security.
$node->safe_psql('postgres', <<'SQL');
CREATE TABLE api.notes (user_id uuid NOT NULL DEFAULT anon_auth.uid() REFERENCES anon_auth.users (id), body text);
ALTER TABLE api.notes ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_notes ON api.notes USING (user_id = (SELECT anon_auth.uid()));
GRANT SELECT, INSERT ON api.notes TO anon, authenticated;
SQL

my $port = PostgreSQL::Test::Cluster::get_free_port();
my $directory = PostgreSQL::Test::Utils::tempdir_short();
append_to_file("$directory/postgrest.conf", $conf);
my ($output, $postgrest) = ('');
{
	local %ENV = (
		%ENV,
		PGRST_DB_URI => sprintf('postgres://authenticator@/postgres?host=%s&port=%d', $node->host, $node->port),
		PGRST_SERVER_UNIX_SOCKET => '',
		PGRST_SERVER_HOST => '127.0.0.1',
		PGRST_SERVER_PORT => $port);
	delete @ENV{ grep { /^PG(?!DATA$|RST)/ } keys %ENV };
	$postgrest = IPC::Run::start([ qw(setpriv --pdeathsig TERM --), AnonAuth::Web->postgrest, "$directory/postgrest.conf" ],
		'<', \undef, '>', \$output, '2>&1');
}

# (status, body)
sub request
{
	my ($method, $path, $body, $token, %headers) = @_;
	my $response = HTTP::Tiny->new->request($method, "http://127.0.0.1:$port$path", {
			headers => { 'Content-Type' => 'application/json', $token ? (Authorization => "Bearer $token") : (), %headers },
			defined $body ? (content => $json->encode($body)) : () });

	return ($response->{status}, scalar eval { JSON::PP->new->utf8->allow_nonref->decode($response->{content}) } // $response->{content});
}

my $end = time + $PostgreSQL::Test::Utils::timeout_default;
until ((request('GET', '/'))[0] == 404)
{
	BAIL_OUT("PostgREST does not answer: $output") if time > $end || !$postgrest->pumpable;
	sleep 0.05;
}

my ($status, $guest) = request('POST', '/rpc/sign_up', {});
is($status, 200, 'a guest signs up') or diag explain $guest;
is((request('POST', '/notes', { body => 'Buy milk' }, $guest->{access_token}))[0], 201, 'it writes a note');
is_deeply([ request('GET', '/notes?select=user_id', undef, $guest->{access_token}) ], [ 200, [ { user_id => $guest->{sub} } ] ], 'it sees the note');
is_deeply([ request('GET', '/notes') ], [ 200, [] ], 'nobody else does');

call($node, 'promote_anonymous_user', client_id => 'notebook', email => 'me@example.com', password => 'correct horse', refresh_token => $guest->{refresh_token});
my %login = (login_id => 'me@example.com', password => 'correct horse');
($status, my $account) = request('POST', '/rpc/login', \%login);
is("$status $account->{sub}", "200 $guest->{sub}", 'its account logs in');
is_deeply([ request('GET', '/notes?select=body', undef, $account->{access_token}) ], [ 200, [ { body => 'Buy milk' } ] ], 'and sees the note');
($status, my $wrong) = request('POST', '/rpc/login', { %login, password => 'wrong' }, undef, Accept => 'application/vnd.pgrst.object+json');
is("$status $wrong", '200 null', 'a wrong password is null, whatever format the client demands');
is($node->safe_psql('postgres', "SELECT count(*) FROM anon_auth.events WHERE type = 'authentication.failed'"), 1, 'its event is committed');
# Codes, as the worker takes them
sub code { return $node->safe_psql('postgres', 'SELECT code FROM anon_auth.take_outbox_messages()'); }

my ($refused, $error) = request('POST', '/rpc/request_verification', {});
is("$refused $error->{code}", '400 AA014', 'without a token, no verification is requested, and the answer has the SQLSTATE');
is((request('POST', '/rpc/request_verification', {}, $account->{access_token}))[0], 200, 'an account requests the verification of its address');
is_deeply([ request('POST', '/rpc/verify_email', { code => 'wrong' }, $account->{access_token}) ], [ 200, JSON::PP::false ], 'a wrong code is false');
is_deeply([ request('POST', '/rpc/verify_email', { code => code() }, $account->{access_token}) ], [ 200, JSON::PP::true ], 'the right code verifies the address');
cmp_ok((request('POST', '/rpc/request_password_reset', { login_id => 'me@example.com' }))[0], '<', 300, 'a password reset is requested without a token');
is_deeply([ request('POST', '/rpc/reset_password', { login_id => 'me@example.com', code => code(), new_password => 'correct battery' }) ], [ 200, JSON::PP::true ], 'the code sets a password');
is((request('POST', '/rpc/login', { %login, password => 'correct battery' }))[1]{sub}, $account->{sub}, 'the new password logs in');

# the account screen
my $token = (request('POST', '/rpc/login', { %login, password => 'correct battery' }))[1]{access_token};
my ($updated, $profile) = request('POST', '/rpc/update_profile', { attributes => { name => 'Jo Doe', locale => 'fr-CH' } }, $token);
is("$updated $profile->{name} $profile->{locale}", '200 Jo Doe fr-CH', 'the profile is changed');
my ($bad, $problem) = request('POST', '/rpc/update_profile', { attributes => { birthdate => 'tomorrow' } }, $token);
is("$bad $problem->{code}", '400 AA032', 'a bad value is refused');
is(JSON::PP::decode_json($problem->{details})->{reasons}[0]{member}, 'birthdate', 'and its member is named');
my $sessions = (request('POST', '/rpc/list_sessions', {}, $token))[1];
is(scalar(grep { $_->{is_current} } @$sessions), 1, 'one of the sessions is that of the call');
is_deeply([ request('POST', '/rpc/end_other_sessions', {}, $token) ], [ 200, @$sessions - 1 ], 'the others end');
is_deeply([ request('POST', '/rpc/change_password', { new_password => 'another battery', old_password => 'wrong' }, $token) ], [ 200, JSON::PP::false ], 'a wrong password is false');
is_deeply([ request('POST', '/rpc/change_password', { new_password => 'another battery', old_password => 'correct battery' }, $token) ], [ 200, JSON::PP::true ], 'the password is changed');
is((request('POST', '/rpc/export_account', {}, $token))[1]{user}{id}, $guest->{sub}, 'the export is that of the caller');
is((request('POST', '/rpc/export_account', {}))[0], 400, 'without a token, there is no export');
like((request('POST', '/rpc/delete_account', {}, $token))[1], qr/^\d{4}-/, 'the deletion is scheduled');

is((request('POST', '/rpc/authenticate', { client_id => 'notebook', %login }))[0], 404, 'the functions of anon_auth are not exposed');

$postgrest->signal('TERM');
$postgrest->finish;
done_testing();
