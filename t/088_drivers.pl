# The servers in examples/drivers, each with its own driver and pool: users who share
# the pool keep their addresses and callers apart, programs read the errors, and the
# server's log has no secret with the settings of docs/drivers.md.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Connection;
use AnonAuth::Device;
use AnonAuth::Programs;
use AnonAuth::Secrets qw(found_in password secret);
use IO::Socket::INET;
use IPC::Run ();
use JSON::PP ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

my $examples = "$FindBin::Bin/../examples/drivers";
my $json = JSON::PP->new->canonical->utf8;
my $programs = AnonAuth::Programs->new(
	source => $examples,
	directories => { node => 'node-postgres', python => 'python', go => 'pgx', java => 'jdbc', ruby => 'ruby', php => 'php' });

# ---------------------------------------------------------------------------
# docs/drivers.md shows the code of the examples
# ---------------------------------------------------------------------------

# Text without indentation and empty lines.
sub plain
{
	return join "\n", grep { $_ ne '' } map { s/^\s+|\s+$//gr } split /\n/, $_[0];
}

{
	my $document = slurp_file("$FindBin::Bin/../docs/drivers.md");
	my %code = map { $_ => plain(slurp_file($_)) } glob "$examples/*.sql $examples/*/*.{mjs,py,go,java,rb,php}";
	my $blocks = 0;

	while ($document =~ /^( *)```(js|python|go|java|sql|ruby|php)\n(.*?)^ *```$/gms)
	{
		my $block = plain($3);

		$blocks++;
		ok((grep { index($_, $block) >= 0 } values %code), "block $blocks of docs/drivers.md is in an example") or diag $block;
	}
	cmp_ok($blocks, '>=', 8, 'docs/drivers.md shows code');
}

# ---------------------------------------------------------------------------
# The database and PgBouncer
# ---------------------------------------------------------------------------

# The server logs as much as it can. JDBC needs TCP.
my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->append_conf('postgresql.conf', <<'CONF');
fsync = off
listen_addresses = '127.0.0.1'
log_statement = all
log_min_duration_statement = 0
log_line_prefix = '%u '
CONF
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE app');
$node->safe_psql('postgres', 'CREATE DATABASE mistakes');
run_log([ 'psql', '-Xq', '-d', $node->connstr('app'), '-f', "$examples/setup.sql" ]) or BAIL_OUT('setup.sql failed');

# A role that can do the same and has the default log settings.
$node->safe_psql('app', <<'SQL');
CREATE ROLE default_role LOGIN;
SELECT anon_auth.grant_client_api('default_role'), anon_auth.grant_client_address('default_role');
UPDATE anon_auth.clients SET refresh_token_rotation_enabled = true, refresh_token_rotation_grace_seconds = 0;
UPDATE anon_auth.settings SET password_hash_memory_kib = 8192, password_hash_passes = 1;
SQL

# Here the programs make mistakes: a function does not exist, another has an argument
# of another type.
$node->safe_psql('mistakes', <<'SQL');
CREATE SCHEMA anon_auth;
GRANT USAGE ON SCHEMA anon_auth TO PUBLIC;
CREATE FUNCTION anon_auth.use_client_address(inet) RETURNS void LANGUAGE sql AS '';
CREATE FUNCTION anon_auth.refresh_session(text, uuid, dpop text DEFAULT NULL) RETURNS SETOF text LANGUAGE sql AS $$ SELECT '' $$;
SQL

sub query { return $node->safe_psql('app', $_[0]); }

my $locker = AnonAuth::Connection->new($node, 'app');
my $pooler = start_pgbouncer();

# PgBouncer in transaction mode with two connections. Returns its port, or undef if it
# is not installed.
sub start_pgbouncer
{
	local $ENV{PATH} = "$ENV{PATH}:/usr/sbin";
	return if !eval { run_command([ 'pgbouncer', '--version' ]); 1 };
	my $directory = PostgreSQL::Test::Utils::tempdir_short();
	my $port = PostgreSQL::Test::Cluster::get_free_port();

	append_to_file("$directory/users", "\"app_role\" \"\"\n");
	append_to_file("$directory/pgbouncer.ini", <<"INI");
[databases]
app = host=127.0.0.1 port=${\ $node->port} dbname=app user=app_role

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = $port
unix_socket_dir =
auth_type = trust
auth_file = $directory/users
pool_mode = transaction
default_pool_size = 2
ignore_startup_parameters = extra_float_digits
logfile = $directory/log
INI
	my @command = ('pgbouncer', "$directory/pgbouncer.ini");
	our $pgbouncer = IPC::Run::start([ qw(setpriv --pdeathsig TERM --), @command ], '<', \undef, '>', \my $output, '2>', \my $errors);
	my $end = time + $PostgreSQL::Test::Utils::timeout_default;

	until (IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port"))
	{
		BAIL_OUT("PgBouncer does not answer: $errors") if time > $end || !$pgbouncer->pumpable;
		sleep 0.05;
	}
	return $port;
}

# ---------------------------------------------------------------------------
# The servers
# ---------------------------------------------------------------------------

# PHP's server is a group of processes, and only its terminal ends the whole group.
my $php = <<'SH';
trap 'trap - TERM; kill 0' TERM
PHP_CLI_SERVER_WORKERS=$POOL_SIZE php -S 127.0.0.1:$PORT server.php &
wait
SH

my @drivers = (
	{ name => 'node-postgres', language => 'node', command => [qw(node server.mjs)] },
	{ name => 'psycopg', language => 'python', command => [qw(python3 server_psycopg.py)] },
	{ name => 'psycopg2', language => 'python', command => [qw(python3 server_psycopg2.py)] },
	{ name => 'Django', language => 'python', command => [qw(python3 server_django.py)] },
	{ name => 'pgx', language => 'go', command => [qw(env ./program)] },
	{ name => 'JDBC', language => 'java', command => [ 'java', '-cp', 'target:target/*', 'Server' ] },
	{ name => 'Ruby', language => 'ruby', command => [qw(ruby server.rb)] },
	{ name => 'PDO', language => 'php', command => [ qw(setsid sh -c), $php ] });

my ($server, $port, $name);
my $count = 0;

# Start a driver's server with a pool of two connections.
sub start_server
{
	my ($driver, $database, $user, $database_port, %environment) = @_;
	my $through_pooler = $database_port != $node->port;
	my %database = (
		node => {},
		python => {},
		ruby => {},
		php => {},
		go => {
			DATABASE => "host=127.0.0.1 port=$database_port user=$user dbname=$database pool_max_conns=2"
			  . ($through_pooler ? ' default_query_exec_mode=exec' : '') },
		java => {
			DATABASE => "jdbc:postgresql://127.0.0.1:$database_port/$database?user=$user"
			  . ($through_pooler ? '&prepareThreshold=0' : '') });

	$name = $driver->{name};
	$port = PostgreSQL::Test::Cluster::get_free_port();
	$server = $programs->start_server(
		$driver->{language}, $driver->{command}, "http://127.0.0.1:$port/",
		{
			PORT => $port,
			PGHOST => '127.0.0.1',
			PGPORT => $database_port,
			PGDATABASE => $database,
			PGUSER => $user,
			POOL_SIZE => 2,
			%{ $database{ $driver->{language} } },
			%environment
		});
	return;
}

# Send a request from a local address; answer() reads the response.
sub send_request
{
	my ($address, $route, $body, $token, @headers) = @_;
	my $socket = IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port", LocalAddr => $address) or die "$name: cannot connect: $!";
	my ($method, $path) = split / /, $route;
	my $content = $body ? $json->encode($body) : '';

	print $socket join "\r\n", "$method $path HTTP/1.0", 'Host: 127.0.0.1', 'Content-Type: application/json',
	  'Content-Length: ' . length $content, $token ? "Authorization: Bearer $token" : (), @headers, '', $content;
	$socket->flush;
	return $socket;
}

sub answer
{
	my ($socket) = @_;
	my $text = '';

	while (sysread $socket, $text, 65536, length $text) { }
	my ($head, $content) = split /\r\n\r\n/, $text, 2;
	my ($status) = ($head // '') =~ m{^HTTP/1\.\d (\d+)} or die "$name: no answer: $text";
	my %headers = map { /^([^:]+): *(.*)$/ ? (lc $1 => $2) : () } split /\r\n/, $head;

	my $body = $json->decode($content);

	if (ref $body eq 'HASH')
	{
		secret("$_ of $name " . ++$count, $body->{$_}) for grep { defined $body->{$_} } qw(access_token refresh_token id_token);
	}
	return { status => $status, headers => \%headers, body => $body };
}

sub request { return answer(send_request(@_)); }

# Run requests at the same time: they wait for a lock on a table until all of them are
# in the database. Then the statement, if any, is run. Returns the responses. Each is
# sent when the previous one waits: a process of PHP's server that is idle accepts
# several connections, although it then serves one after the other.
sub at_once
{
	my ($table, $statement, @requests) = @_;
	my $waiting = 'FROM (SELECT DISTINCT pid FROM pg_locks WHERE NOT granted) AS waiting';
	my $end = time + $PostgreSQL::Test::Utils::timeout_default;

	$locker->query("BEGIN; LOCK TABLE $table");
	my @sockets;
	for my $request (@requests)
	{
		push @sockets, send_request(@$request);
		while ($locker->query("SELECT count(*) $waiting") < @sockets)
		{
			die "$name: the requests do not wait" if time > $end;
			sleep 0.01;
		}
	}
	$locker->query("SELECT $statement $waiting") if $statement;
	$locker->query('COMMIT');
	return map { answer($_) } @sockets;
}

# ---------------------------------------------------------------------------
# What the servers do
# ---------------------------------------------------------------------------

sub life
{
	my $email = lc "$name\@example.com";
	my $password = password("of $name");
	my $guest = request('127.0.0.2', 'POST /guests')->{body};

	is(request('127.0.0.2', 'POST /notes', { body => 'Buy milk' }, $guest->{access_token})->{body}{user_id}, $guest->{sub}, "$name: a guest writes a note");
	my $fresh = request('127.0.0.2', 'POST /refresh', { refresh_token => $guest->{refresh_token} });
	is("$fresh->{status} $fresh->{body}{sub}", "200 $guest->{sub}", "$name: a session is refreshed");

	my %promotion = (email => $email, refresh_token => $fresh->{body}{refresh_token});
	my $weak = request('127.0.0.2', 'POST /promote', { %promotion, password => 'short' });
	is("$weak->{status} $weak->{body}{error}", '422 AA011', "$name: a weak password is an error");
	ok((grep { ($_->{min_length} // 0) == 8 } @{ $weak->{body}{reasons} }), "$name: the program knows the required length") or diag $json->encode($weak->{body});

	my $account = request('127.0.0.2', 'POST /promote', { %promotion, password => $password });
	is("$account->{status} $account->{body}{sub}", "200 $guest->{sub}", "$name: a guest becomes an account");
	is_deeply(request('127.0.0.2', 'GET /notes', undef, $account->{body}{access_token})->{body}, [ { user_id => $guest->{sub}, body => 'Buy milk' } ],
		"$name: the account has the note");

	my $other = request('127.0.0.2', 'POST /guests')->{body};
	my $taken = request('127.0.0.2', 'POST /promote', { email => $email, password => $password, refresh_token => $other->{refresh_token} });
	is("$taken->{status} $taken->{body}{error} $taken->{body}{login_id_type}", '409 AA009 email', "$name: a login ID that is taken is an error");

	request('127.0.0.2', 'POST /refresh', { refresh_token => $other->{refresh_token} });
	is(request('127.0.0.2', 'POST /refresh', { refresh_token => $other->{refresh_token} })->{status}, 401, "$name: a reused refresh token is no row");
	is(query("SELECT count(*) FROM anon_auth.events WHERE type = 'refresh_token.reused' AND user_id = '$other->{sub}'"), 1, "$name: its event is committed");

	my $failures = "SELECT count(*) FROM anon_auth.events WHERE type = 'authentication.failed'";
	my $before = query($failures);
	is(request('127.0.0.2', 'POST /login', { login_id => $email, password => 'wrong password' })->{status}, 401, "$name: a wrong password is no row");
	is(query($failures), $before + 1, "$name: the event of a failed login is committed");
	is(request('127.0.0.2', 'POST /login', { login_id => $email, password => $password })->{body}{sub}, $guest->{sub}, "$name: the right password logs in");
	return;
}

# The status and SQLSTATE of a refused request
sub refusal
{
	my $answer = request('127.0.0.2', @_);

	return "$answer->{status} " . ($answer->{body}{error} // '');
}

sub refusals
{
	my $device = AnonAuth::Device->new;
	my $signed = sub { return { jwt => $device->request(challenge => request('127.0.0.2', 'POST /challenge')->{body}{token}, @_) }; };
	my $note = { body => 'Buy milk' };

	is(refusal('POST /device', $signed->()), '401 AA004', "$name: an unknown device key is refused");
	is(refusal('POST /device', { jwt => 'no JWT' }), '401 AA003', "$name: a malformed request of a device is refused");
	is(refusal('POST /device', $signed->(header => { jwk => { kty => 'RSA' } })), '400 AA016', "$name: a malformed key is refused");
	my $sign_up = $signed->(with_jwk => 1);
	my $guest = request('127.0.0.2', 'POST /device', $sign_up)->{body};
	is(refusal('POST /device', $sign_up), '401 AA005', "$name: a used challenge is refused");
	is(request('127.0.0.2', 'POST /device', $signed->())->{body}{sub}, $guest->{sub}, "$name: a device logs in to its guest again");

	is(refusal('POST /promote', { email => undef, password => 'correct horse', refresh_token => $guest->{refresh_token} }), '400 22023', "$name: a promotion without a login ID is refused");
	is(refusal('POST /promote', { email => '', password => 'x', refresh_token => $guest->{refresh_token} }), '422 AA010', "$name: an empty login ID is not a missing one");
	my %promotion = (email => lc "device.$name\@example.com", password => password("of the device of $name"));
	my $account = request('127.0.0.2', 'POST /promote', { %promotion, refresh_token => $guest->{refresh_token} })->{body};
	is(refusal('POST /promote', { %promotion, refresh_token => $guest->{refresh_token} }), '401 AA006', "$name: a promotion that is repeated is refused");
	is(request('127.0.0.2', 'POST /login', { login_id => $promotion{email}, password => $promotion{password} })->{body}{sub}, $guest->{sub}, "$name: the login ID and password of the promotion log in");
	is(refusal('POST /promote', { %promotion, refresh_token => $account->{refresh_token} }), '409 AA008', "$name: an account is not promoted again");
	is(refusal('POST /device', $signed->()), '401 AA031', "$name: the key of a promoted guest is refused");

	my $other = request('127.0.0.2', 'POST /device', $signed->(with_jwk => 1))->{body};
	isnt($other->{sub}, $guest->{sub}, "$name: with the jwk, the key starts a new guest");
	is(request('127.0.0.2', 'POST /device', $signed->())->{body}{sub}, $other->{sub}, "$name: then the kid alone logs in to that guest");
	query("SELECT anon_auth.disable_user('$other->{sub}')");
	is(refusal('POST /device', $signed->()), '403 AA007', "$name: a disabled user is refused");

	query("SELECT anon_auth.delete_user('$guest->{sub}')");
	is(refusal('POST /notes', $note, $account->{access_token}), '401 23503', "$name: a user who was deleted cannot write");
	is(refusal('GET /notes', undef, 'no token'), '401 AA014', "$name: an invalid token is refused");
	is(request('127.0.0.2', 'POST /login', { login_id => "a\0b", password => password("of nobody with $name") })->{status}, 400, "$name: text with a NUL is refused");
	return;
}

# The account screen, which one of the servers has
sub account_screen
{
	my $email = lc "screen.$name\@example.com";
	my ($password, $new) = map { password("$_ of the screen of $name") } 'first password', 'second password';
	my $guest = request('127.0.0.2', 'POST /guests')->{body};
	my $account = request('127.0.0.2', 'POST /promote', { email => $email, password => $password, refresh_token => $guest->{refresh_token} })->{body};
	my $call = sub { my ($route, $body, $token) = @_; my $answer = request('127.0.0.2', $route, $body, $token // $account->{access_token}); return $answer->{body}{error} // $answer->{body}{result}; };

	is($call->('GET /account')->{sub}, $guest->{sub}, "$name: the screen shows the account");
	is($call->('POST /account/profile', { attributes => { name => 'Jo' } })->{name}, 'Jo', "$name: a name is saved");
	is($call->('POST /account/profile', { attributes => { birthdate => 'soon' } }), 'AA032', "$name: a wrong date is refused");
	is($call->('POST /account/password', { new_password => $new, old_password => $new }), JSON::PP::false, "$name: a wrong password changes nothing");
	my $other = request('127.0.0.2', 'POST /login', { login_id => $email, password => $password })->{body};
	is(scalar @{ $call->('GET /account/sessions') }, 2, "$name: the screen shows both sessions");
	my ($session) = grep { !$_->{is_current} } @{ $call->('GET /account/sessions') };
	is($call->('DELETE /account/sessions', { session_id => $session->{session_id} }), JSON::PP::true, "$name: one of them is ended");
	is($call->('GET /account', undef, $other->{access_token}), 'AA014', "$name: its token is refused");
	is($call->('DELETE /account/other_sessions'), 0, "$name: no other is left");
	is($call->('POST /account/password', { new_password => $new, old_password => $password }), JSON::PP::true, "$name: the password is changed");

	my %address = (type => 'email', value => "new.$email");
	like($call->('POST /account/login_id_code', \%address), qr/^\d{4}-/, "$name: a code for another address is sent");
	is($call->('POST /account/login_ids', { %address, code => 'WRONGCODE0' }), JSON::PP::false, "$name: a wrong code adds nothing");
	is($call->('POST /account/login_ids', { %address, code => secret("code of the screen of $name", query("SELECT code FROM anon_auth.take_outbox_messages(100) WHERE recipient = 'new.$email'")) }), JSON::PP::true,
		"$name: the right one adds it");
	is($call->('DELETE /account/login_ids', { type => 'email', value => $email }), JSON::PP::true, "$name: the former address is removed");
	is($call->('DELETE /account/login_ids', \%address), 'AA023', "$name: the last one is not");

	query("UPDATE anon_auth.sessions SET authenticated_at = now() - interval '1 hour' WHERE user_id = '$guest->{sub}'");
	my $old = request('127.0.0.2', 'DELETE /account', undef, $account->{access_token});
	is("$old->{status} $old->{body}{error} $old->{body}{max_age}", '401 AA022 900', "$name: an old login must be repeated");
	$account = request('127.0.0.2', 'POST /login', { login_id => "new.$email", password => $new })->{body};
	is($call->('GET /account/export')->{user}{id}, $guest->{sub}, "$name: the data is exported");
	like($call->('DELETE /account'), qr/^\d{4}-/, "$name: the deletion is scheduled");
	is($call->('POST /account/keep'), JSON::PP::true, "$name: and cancelled");

	my $visitor = request('127.0.0.2', 'POST /guests')->{body}{access_token};
	is(refusal('POST /account/password', { new_password => $new }, $visitor), '403 AA024', "$name: a guest has no password to change");
	is(refusal('GET /account/export', undef, ''), '401 AA014', "$name: nobody without a token");
	return;
}

# Device keys of an account, which one of the servers has
sub device_keys
{
	my %login = (login_id => lc "keys.$name\@example.com", password => password("of the account with keys of $name"));
	my $device = AnonAuth::Device->new;
	my $signed = sub {
		my ($action, %more) = @_;
		my $challenge = request('127.0.0.2', 'POST /challenge', { purpose => 'biometric_request' })->{body}{token};

		return { jwt => $device->request(challenge => $challenge, action => $action, header => { typ => 'vnd.authgear.biometric-request' }, %more) };
	};
	my $guest = request('127.0.0.2', 'POST /guests')->{body};
	my $account = request('127.0.0.2', 'POST /promote', { email => $login{login_id}, password => $login{password}, refresh_token => $guest->{refresh_token} })->{body};
	my $setup = { %{ $signed->('setup', with_jwk => 1) }, name => 'My phone' };

	is(refusal('POST /account/device_keys', $setup), '401 AA014', "$name: nobody adds a key without a token");
	is(refusal('POST /account/device_keys', $setup, $guest->{access_token}), '401 AA014', "$name: nor with the token of a session that has ended");
	is(request('127.0.0.2', 'POST /account/device_keys', $setup, $account->{access_token})->{body}{result}, $device->kid, "$name: an account adds the key of a device");
	is(request('127.0.0.2', 'GET /account/device_keys', undef, $account->{access_token})->{body}{result}[0]{name}, 'My phone', "$name: the key is listed");
	my $attempt = $signed->('authenticate');
	my $session = request('127.0.0.2', 'POST /device_login', $attempt)->{body};
	is($session->{sub}, $guest->{sub}, "$name: the key logs in to the account");
	is(refusal('POST /device_login', $attempt), '401 AA005', "$name: a signed request works once");
	is(request('127.0.0.2', 'DELETE /account/device_keys', { kid => $device->kid }, $account->{access_token})->{body}{result}, JSON::PP::true, "$name: the key is removed");
	is(refusal('POST /device_login', $signed->('authenticate')), '401 AA031', "$name: then it does not log in");
	is(refusal('GET /account', undef, $session->{access_token}), '401 AA014', "$name: its session has ended");
	return;
}

# Tokens that are bound to a key, which one of the servers accepts
sub bound_tokens
{
	my ($key, $other) = map { AnonAuth::Device->new } 1, 2;
	my $endpoint = query('SELECT issuer FROM anon_auth.settings') . '/oauth2/token';
	my $proof = sub { my ($device, %claims) = @_; return 'DPoP: ' . $device->proof(htm => 'POST', htu => $endpoint, %claims); };

	query("UPDATE anon_auth.clients SET dpop = 'required' WHERE client_id = 'app'");
	my $refused = request('127.0.0.2', 'POST /guests');
	is("$refused->{status} $refused->{body}{error}", '401 AA026', "$name: a client that needs proofs gets no tokens without one");
	is($refused->{headers}{'www-authenticate'}, 'DPoP error="invalid_dpop_proof", algs="ES256 EdDSA RS256 PS256"', "$name: the challenge says so");
	my $guest = request('127.0.0.2', 'POST /guests', undef, undef, $proof->($key))->{body};
	is($guest->{token_type}, 'DPoP', "$name: with a proof, the tokens are bound");

	my %note = (htu => "http://127.0.0.1:$port/notes", access_token => $guest->{access_token});
	my $write = sub { my $answer = request('127.0.0.2', 'POST /notes', { body => 'Buy milk' }, undef, @_); return "$answer->{status} " . ($answer->{body}{error} // $answer->{body}{body}); };
	my @once = ("Authorization: DPoP $guest->{access_token}", $proof->($key, %note));
	is($write->(@once), '200 Buy milk', "$name: a bound token works with a proof");
	is($write->(@once), '401 AA026', "$name: a proof works once");
	is($write->($once[0]), '401 AA026', "$name: a bound token does not work alone");
	is($write->("Authorization: Bearer $guest->{access_token}", $proof->($key, %note)), '401 AA026', "$name: nor as a Bearer token");
	is($write->($once[0], $proof->($other, %note)), '401 AA014', "$name: nor with a proof of another key");
	is($write->($once[0], $proof->($key, %note, htu => "http://127.0.0.1:$port/other")), '401 AA026', "$name: nor with one for another path");
	is($write->($once[0], $proof->($key, %note, htm => 'GET')), '401 AA026', "$name: nor with one for another method");

	is(refusal('POST /refresh', { refresh_token => $guest->{refresh_token} }), '401 AA026', "$name: a bound refresh token needs a proof");
	is(refusal('POST /refresh', { refresh_token => $guest->{refresh_token} }, undef, $proof->($other)), '401 AA006', "$name: of its key");
	is(request('127.0.0.2', 'POST /refresh', { refresh_token => $guest->{refresh_token} }, undef, $proof->($key))->{body}{sub}, $guest->{sub}, "$name: with it, the session is refreshed");

	query('UPDATE anon_auth.settings SET dpop_nonce = true');
	$refused = request('127.0.0.2', 'POST /guests', undef, undef, $proof->($key));
	is("$refused->{status} $refused->{body}{error} $refused->{headers}{'www-authenticate'}", '401 AA027 DPoP error="use_dpop_nonce", algs="ES256 EdDSA RS256 PS256"', "$name: a proof without a nonce gets one");
	is(request('127.0.0.2', 'POST /guests', undef, undef, $proof->($key, nonce => $refused->{headers}{'dpop-nonce'}))->{status}, 200, "$name: which works");
	query("UPDATE anon_auth.settings SET dpop_nonce = false; UPDATE anon_auth.clients SET dpop = DEFAULT WHERE client_id = 'app'");
	return;
}

# What PDO gives the program is the text of the whole error: DETAIL is one of its lines.
sub details_of_pdo
{
	my $email = 'nobody@example.com';

	query("SELECT anon_auth.request_login_code('app', '$email')");
	my $code = secret('code for nobody', query("SELECT code FROM anon_auth.take_outbox_messages(100) WHERE recipient = '$email'"));
	my $failed = $programs->run(
		'php', [ 'php', '-r', <<'PHP' ],
require 'errors.php';
$db = new PDO('pgsql:', getenv('PGUSER'));
function answer_of(PDO $db, string $statement, array $values): array
{
    try {
        $db->prepare($statement)->execute($values);
        return [200, [], ''];
    } catch (PDOException $error) {
        return [...error_answer($error), $error->errorInfo[2]];
    }
}
function report(string $name, bool $ok, mixed $why): void
{
    echo json_encode(['name' => $name, 'ok' => $ok, 'why' => json_encode($why)]), "\n";
}
$answer = answer_of($db, "SELECT anon_auth.authenticate_with_code('app', ?, ?)", [getenv('EMAIL'), getenv('CODE')]);
report('AA030', $answer[0] === 409 && $answer[1]['reason'] === 'no_account', $answer);
for ($count = 0; $count < 1000 && ($answer[1]['error'] ?? '') !== 'AA018'; $count++) {
    $answer = answer_of($db, "SELECT anon_auth.authenticate_anonymously('app')", []);
}
report('AA018 with a hint', $answer[0] === 429 && $answer[1]['retry_after'] > 0 && str_contains($answer[2], 'HINT:'), $answer);
echo json_encode(['done' => true]), "\n";
PHP
		{ PGHOST => '127.0.0.1', PGPORT => $node->port, PGDATABASE => 'app', PGUSER => 'app_role', EMAIL => $email, CODE => $code },
		sub { my ($result) = @_; ok($result->{ok}, "$name: the program reads the DETAIL of $result->{name}") or diag $result->{why}; });
	is($failed, undef, "$name: its program ran");
	query('SELECT anon_auth.reset_counters()');
	return;
}

# By itself, Ruby's pg returns the string "f" for false, which an if takes for true.
sub booleans_of_ruby
{
	my ($pool) = slurp_file("$examples/ruby/server.rb") =~ /^# pool: .*?\n(.*?)^# end$/ms or die 'server.rb has no pool';
	my $failed = $programs->run(
		'ruby', [ qw(ruby -W -r json -r pg -r connection_pool -e), $pool . <<'RUBY' ],
row = POOL.with { |db| db.exec_params("SELECT false AS no, true AS yes, '00000000-0000-0000-0000-000000000000'::uuid AS id, '{}'::jsonb AS json")[0] }
[[false, 'no'], [true, 'yes'], ['00000000-0000-0000-0000-000000000000', 'id'], [{}, 'json']].each do |value, name|
  puts JSON.generate(name: name, ok: row[name] == value, why: row[name].inspect)
end
puts JSON.generate(done: true)
RUBY
		{ PGHOST => '127.0.0.1', PGPORT => $node->port, PGDATABASE => 'app', PGUSER => 'app_role' },
		sub { my ($result) = @_; ok($result->{ok}, "$name: the type map converts '$result->{name}'") or diag $result->{why}; });
	is($failed, undef, "$name: its program ran");
	return;
}

sub users_at_once
{
	my @guests = map { $_->{body} } at_once('anon_auth.users', undef, map { [ $_, 'POST /guests' ] } '127.0.0.11', '127.0.0.12');

	is_deeply(
		[ map { $_->{body}{user_id} } at_once('notes', undef, map { [ '127.0.0.11', 'POST /notes', { body => 'mine' }, $_->{access_token} ] } @guests) ],
		[ map { $_->{sub} } @guests ],
		"$name: two users at once are two callers");

	# Both connections have had a caller. An error ends a transaction in another way.
	for my $round (1 .. 2)
	{
		my @errors = at_once('notes', undef, map { [ '127.0.0.11', 'POST /notes', { body => undef }, $_->{access_token} ] } @guests);
		is_deeply([ map { "$_->{status} $_->{body}{error}" } @errors ], [ ('500 23502') x 2 ], "$name: both requests fail");
		is_deeply([ map { $_->{body} } at_once('notes', undef, ([ '127.0.0.11', 'GET /notes' ]) x 2) ], [ [], [] ], "$name: the next user is not the caller of a failed transaction");
		is_deeply([ map { scalar @{ $_->{body} } } at_once('notes', undef, map { [ '127.0.0.11', 'GET /notes', undef, $_->{access_token} ] } @guests) ], [ 1, 1 ],
			"$name: a failed transaction leaves usable connections");
		is_deeply([ map { "$_->{status} $_->{body}{error}" } at_once('notes', undef, ([ '127.0.0.11', 'POST /notes', { body => 'whose?' } ]) x 2) ], [ ('403 42501') x 2 ],
			"$name: an insert without a token is refused, so the caller does not outlive a transaction");
	}

	my ($lost) = at_once('notes', 'pg_terminate_backend(pid)', [ '127.0.0.11', 'POST /notes', { body => password("in a note of $name") }, $guests[0]{access_token} ]);
	is($lost->{status}, 500, "$name: a connection is lost");
	is(request('127.0.0.11', 'GET /notes', undef, $guests[0]{access_token})->{status}, 200, "$name: another takes its place");
	return;
}

sub limits
{
	my %statuses;

	query('SELECT anon_auth.reset_counters()');
	$statuses{ request("127.0.1.$_", 'POST /guests')->{status} }++ for 1 .. 61;
	is_deeply(\%statuses, { 200 => 61 }, "$name: 61 guests from 61 addresses sign up");

	my ($passed, $start, $refused) = (0, time);
	$passed++ while ($refused = request('127.0.0.3', 'POST /guests'))->{status} == 200 && $passed < 1000;
	my $most = 60 + time - $start + 1;    # one more each second
	ok($passed >= 60 && $passed <= $most, "$name: of one address, 60 sign up") or diag "$passed, at most $most";
	is("$refused->{status} $refused->{body}{error} $refused->{body}{limit}", '429 AA018 guest_sign_ups_per_minute_per_ip', "$name: then the limit refuses it");
	like($refused->{body}{retry_after}, qr/^[1-9]\d*$/, "$name: the program knows when to try again");
	is($refused->{headers}{'retry-after'}, $refused->{body}{retry_after}, "$name: and says it");
	is(request('127.0.0.4', 'POST /guests')->{status}, 200, "$name: another address is not refused");
	query('SELECT anon_auth.reset_counters()');
	return;
}

# ---------------------------------------------------------------------------
# Secrets in the log
# ---------------------------------------------------------------------------

# Make the mistakes in the other database, and a call that fails in this one. Returns
# the secrets of each that were logged meanwhile.
sub logged_secrets
{
	my ($driver, $user, %environment) = @_;
	my %secrets = map { $_ => password("of $name $user, $_") } 'no function', 'wrong type', 'failed call';
	my $start = -s $node->logfile;

	start_server($driver, 'mistakes', $user, $node->port, %environment);
	is(request('127.0.0.2', 'POST /login', { login_id => 'me@example.com', password => $secrets{'no function'} })->{status}, 500,
		"$name, $user: a function does not exist");
	is(request('127.0.0.2', 'POST /refresh', { refresh_token => $secrets{'wrong type'} })->{status}, $name =~ /^(?:pgx|JDBC)$/ ? 500 : 400,
		"$name, $user: an argument has the wrong type");
	$programs->stop_server($server);

	start_server($driver, 'app', $user, $node->port, %environment);
	is(request('127.0.0.2', 'POST /refresh', { refresh_token => $secrets{'failed call'} })->{status}, 401, "$name, $user: a call fails");
	$programs->stop_server($server);

	my $log = substr slurp_file($node->logfile), $start;
	ok($user eq 'app_role' || $log =~ /^$user /m, "$name, $user: the log has the statements of the role");
	return [ grep { index($log, $secrets{$_}) >= 0 } sort keys %secrets ];
}

my $wanted = $ENV{ANON_AUTH_CLIENTS} // '';
for my $driver (grep { $_->{name} =~ /$wanted/ } @drivers)
{
	$name = $driver->{name};
SKIP:
	{
		my $reason = $programs->missing($driver->{language});
		skip "$name: $reason", 1 if $reason;
		my $start = -s $node->logfile;
		start_server($driver, 'app', 'app_role', $pooler // $node->port);
		life();
		refusals();
		if ($name eq 'node-postgres')
		{
			account_screen();
			device_keys();
			bound_tokens();
		}
		booleans_of_ruby() if $name eq 'Ruby';
		details_of_pdo() if $name eq 'PDO';
		users_at_once();
		limits();
		$programs->stop_server($server);
		is(found_in(substr slurp_file($node->logfile), $start), '', "$name: nothing of this is logged");

		is_deeply(logged_secrets($driver, 'app_role'), [], "$name: no secret is logged with the settings of docs/drivers.md");
		is_deeply(logged_secrets($driver, 'default_role'), [ 'failed call', 'no function', 'wrong type' ], "$name: without them every secret is logged")
		  if $name eq 'psycopg2';
		is_deeply(logged_secrets($driver, 'default_role'), [ 'failed call', 'wrong type' ], "$name: with binding no statement has a secret")
		  if $name eq 'Django';
		is_deeply(logged_secrets($driver, 'default_role', SERVER_SIDE_BINDING => 'no'), [ 'failed call', 'no function', 'wrong type' ],
			"$name: without them and without binding every secret is logged")
		  if $name eq 'Django';
		is_deeply(logged_secrets($driver, 'default_role'), [ 'failed call', 'wrong type' ],
			"$name: without them a parameter and the message of an error are logged, although the driver binds")
		  if $name =~ /^(?:node-postgres|Ruby|PDO)$/;
	}
}

done_testing();
