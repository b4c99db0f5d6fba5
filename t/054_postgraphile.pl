# Test examples/postgraphile: GraphQL over SQL functions. The example's server
# and client run unchanged.
#
# The test checks whose token a request has, what the schema exposes, and what a
# failed part of a request leaves behind.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Web;
use Cwd ();
use File::Copy qw(copy);
use HTTP::Tiny;
use IPC::Run ();
use JSON::PP qw(decode_json encode_json);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $example = Cwd::abs_path("$FindBin::Bin/../examples/postgraphile");
my $directory = PostgreSQL::Test::Utils::tempdir();
my $timeout = $PostgreSQL::Test::Utils::timeout_default;

my $reason = AnonAuth::Web->npm_install("$directory/app", '../../examples/postgraphile/*.json');

plan skip_all => $reason if $reason;
copy("$example/$_", "$directory/app") or die "$_: $!" for qw(server.mjs client.mjs);

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->append_conf('postgresql.conf', "log_statement = 'all'\nlog_parameter_max_length = 0");
$node->start;
$node->safe_psql('postgres', slurp_file("$example/setup.sql"));
$node->safe_psql('postgres', 'UPDATE anon_auth.settings SET password_hash_memory_kib = 8192, password_hash_passes = 1');

sub query { return $node->safe_psql('postgres', $_[0]); }

# The server prints its URL.
my $log = '';
my $server;
{
	local %ENV = (%ENV, PGHOST => $node->host, PGPORT => $node->port, PGDATABASE => 'postgres', PGUSER => 'graphql', PORT => 0);
	$server = IPC::Run::start([ 'setpriv', '--pdeathsig', 'TERM', '--', 'node', "$directory/app/server.mjs" ],
		'<', \undef, '>', \$log, '2>&1', IPC::Run::timeout(10 * $timeout));
}
$server->pump until $log =~ m{^http://\S+\n}m || !$server->pumpable;
my ($url) = $log =~ m{^(http://127\.0\.0\.1:\d+/graphql)\n} or BAIL_OUT("the server does not start: $log");

# Return [data, SQLSTATEs of the errors].
sub ask
{
	my ($text, %headers) = @_;
	my $response = HTTP::Tiny->new(timeout => $timeout, no_proxy => ['127.0.0.1'])
	  ->post($url, { headers => { 'Content-Type' => 'application/json', %headers }, content => encode_json({ query => $text }) });
	my $answer = decode_json($response->{content});

	return [ $answer->{data}, [ map { $_->{extensions}{code} // $_->{message} } @{ $answer->{errors} // [] } ] ];
}

sub bearer { return (Authorization => "Bearer $_[0]{accessToken}"); }

sub guest
{
	return ask('mutation { authenticateAnonymously(input: {}) { session { sub accessToken } } }', @_)
	  ->[0]{authenticateAnonymously}{session};
}

sub login { return sprintf 'login(input: { loginId: "%s", password: "%s" }) { session { sub refreshToken } }', @_; }

my $nobody = { isAnonymous => undef, allNotes => { nodes => [] } };
my $whoami = '{ isAnonymous allNotes { nodes { body } } }';

# ---------------------------------------------------------------------------
# The example's own client
# ---------------------------------------------------------------------------

sub client
{
	my $output = '';
	my $done = eval {
		IPC::Run::run([ 'node', "$directory/app/client.mjs", $url, "$directory/device.json" ],
			'<', \undef, '>', \$output, '2>&1', IPC::Run::timeout($timeout));
	};

	return $output . ($done ? '' : $@ || "exit status $?\n");
}

is(client(), "signed up: a guest\nwrote a note\n", 'client.mjs signs up with its key and writes a note');
my $sub = query('SELECT user_id FROM anon_auth.device_keys');
is(client(), "came back: the same guest, 1 note\npromoted: the same user, 1 note\n", 'client.mjs logs in again with its key, and is promoted');
is(query('SELECT id, is_anonymous, (SELECT count(*) FROM api.notes n WHERE n.user_id = u.id) FROM anon_auth.users u'),
	"$sub|f|1", 'the guest and the account are one user with one note');
like(client(), qr/AA031/, 'the key cannot log in after the promotion');

# ---------------------------------------------------------------------------
# A session
# ---------------------------------------------------------------------------

my $email = query('SELECT original_value FROM anon_auth.login_ids');
my $session = ask('mutation {' . login($email, 'correct horse') . '}')->[0]{login}{session};
my $refresh = sprintf 'mutation { refreshSession(input: { refreshToken: "%s" }) { session { sub } } }', $session->{refreshToken};

is($session->{sub}, $sub, 'the account logs in with its password');
is(ask($refresh)->[0]{refreshSession}{session}{sub}, $sub, 'the account refreshes its tokens');
ask(sprintf 'mutation { revoke(input: { token: "%s" }) { clientMutationId } }', $session->{refreshToken});
is_deeply(ask($refresh)->[1], ['AA006'], 'the refresh token is refused after a logout');

# ---------------------------------------------------------------------------
# The token of a request
# ---------------------------------------------------------------------------

my ($ada, $bob) = map { guest() } 1, 2;
my $write = 'mutation { createNote(input: { note: { body: "of ada" } }) { note { body } } }';

is_deeply(ask($write, bearer($ada))->[1], [], 'a guest inserts a note');
my $of_ada = { isAnonymous => JSON::PP::true, allNotes => { nodes => [ { body => 'of ada' } ] } };
is_deeply(ask($whoami, bearer($ada)), [ $of_ada, [] ], 'the guest reads its note');
is_deeply(ask($whoami, bearer($bob))->[0]{allNotes}{nodes}, [], 'another guest does not see the note');
for my $round (1 .. 5)
{
	is_deeply(ask($whoami), [ $nobody, [] ], "a request without a token has no user, whatever its connection did before ($round)");
}
my $forged = { accessToken => $ada->{accessToken} =~ s/.{8}\z/AAAAAAAA/r };
is_deeply(ask($whoami, bearer($forged)), [ undef, ['AA014'] ], 'a request with a forged token reads nothing');
my $users = query('SELECT count(*) FROM anon_auth.users');
is_deeply(ask('mutation { authenticateAnonymously(input: {}) { session { sub } } }', bearer($forged))->[1],
	['AA014'], 'a request with a forged token writes nothing');
is(query('SELECT count(*) FROM anon_auth.users'), $users, 'a request with a forged token signs up no guest');
is_deeply(ask($write)->[1], ['42501'], 'a request without a token cannot insert a note');
my $theirs = qq{mutation { createNote(input: { note: { body: "x", userId: "$bob->{sub}" } }) { note { body } } }};
is_deeply(ask($theirs, bearer($ada))->[0], undef, 'a guest cannot insert a note for another user');

# ---------------------------------------------------------------------------
# The exposed schema
# ---------------------------------------------------------------------------

my $schema = ask('{ __schema { queryType { fields { name } } mutationType { fields { name } } types { name } } }')->[0]{__schema};
my %fields = map { $_ => join ' ', sort map { $_->{name} } @{ $schema->{$_}{fields} } } qw(queryType mutationType);
is($fields{queryType}, 'allNotes isAnonymous node nodeId note noteById query',
	'only the schema api is exposed for queries');
is($fields{mutationType},
	'authenticateAnonymously createChallenge createNote deleteNote deleteNoteById login promote refreshSession revoke',
	'only the schema api is exposed for mutations');
is_deeply([ grep { /user|login_?id|device|signing|setting/i } map { $_->{name} } @{ $schema->{types} } ],
	[], 'no type describes a table of the extension');

# ---------------------------------------------------------------------------
# Requests of which a part fails
# ---------------------------------------------------------------------------

my $failures = q{SELECT count(*) FROM anon_auth.events WHERE type = 'authentication.failed'};
my $before = query($failures);
my $wrong = login('nobody@example.com', 'wrong');
my $answer = ask("mutation { a: $wrong b: promote(input: { jwt: \"x\", email: \"x\", password: \"x\" }) { session { sub } }"
	  . " c: $wrong d: deleteNoteById(input: { id: \"99999999999999999999\" }) { deletedNoteId } }");

is_deeply($answer->[1], [ 'AA003', 'internal error' ], 'a request logs in twice with a wrong password, and has two parts that fail');
is_deeply([ @{ $answer->[0] }{qw(a c)} ], [ ({ session => undef }) x 2 ], 'a wrong password is no error');
is(query($failures), $before + 2, 'both wrong passwords are counted although other parts failed');
like(ask("mutation {" . ($wrong =~ s/\}\z/query { noteById(id: "99999999999999999999") { body } } }/r) . '}')->[1][0],
	qr/^Cannot query field "query"/, 'a mutation contains no query whose failure could roll it back');

query('SELECT anon_auth.reset_counters()');
is_deeply(ask('mutation {' . (join ' ', map { "l$_: $wrong" } 1 .. 15) . '}')->[1],
	[ ('AA018') x 5 ], 'one request makes ten of fifteen attempts at a password');
is_deeply(ask('mutation {' . login('other@example.com', 'wrong') . '}')->[1], [], 'the limit of one user does not affect another user');

query('UPDATE anon_auth.settings SET guest_sign_ups_per_minute_per_ip = 1, trusted_proxy_hops = 2');
query('SELECT anon_auth.reset_counters()');
ok(guest('X-Forwarded-For' => '192.0.2.1'), 'with one more proxy, an address can sign up once a minute');
is(guest('X-Forwarded-For' => '192.0.2.1'), undef, 'with one more proxy, a second sign-up of the address is refused');
ok(guest('X-Forwarded-For' => '192.0.2.2'), 'with one more proxy, another address can sign up');
query('UPDATE anon_auth.settings SET trusted_proxy_hops = 1');
ok(guest('X-Forwarded-For' => '192.0.2.3'), 'without a trusted proxy, a client can sign up');
is(guest('X-Forwarded-For' => '192.0.2.4'), undef, 'without a trusted proxy, the client does not choose its address');

# ---------------------------------------------------------------------------
# The log, and how the server ends
# ---------------------------------------------------------------------------

$server->signal('TERM');
$server->finish;
is($log, "$url\nerror 22003 at d\n", "the log has the SQLSTATE of an error that is not anon_auth's, and nothing else");
my $statements = slurp_file($node->logfile);
ok($statements =~ /use_access_token/ && index($statements, $ada->{accessToken}) < 0 && $statements !~ /correct horse/,
	'no token and no password is in the text of a statement');
$node->stop;
done_testing();
