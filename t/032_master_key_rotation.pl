# Rotating and retiring master keys. The file tests connections that stay open,
# crashes, concurrent rotations, other databases, standbys, and key files that
# the server cannot write. After each change, everything made with a master key
# must still work. t/030_master_key.pl tests the file itself.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Browser;
use AnonAuth::Connection;
use AnonAuth::Device qw(call challenge jws_parts refusal sql_literal);
use Digest::SHA qw(sha256);
use File::Copy;
use IPC::Run;
use MIME::Base64 qw(encode_base64url);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ], allows_streaming => 1);
$node->append_conf('postgresql.conf', 'restart_after_crash = on');
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION anon_auth;
CREATE EXTENSION anon_auth_http;
CREATE ROLE anon NOLOGIN;
CREATE ROLE authenticated NOLOGIN;
CREATE ROLE authenticator LOGIN NOINHERIT;
GRANT anon, authenticated TO authenticator;
SELECT anon_auth.grant_client_api('anon'), anon_auth.grant_http_api('anon'), anon_auth.grant_http_api('authenticator');
SELECT anon_auth.create_client('app', 'native'), anon_auth.create_client('web', 'spa', '{https://app.example/cb}');
UPDATE anon_auth.settings SET issuer = 'https://auth.example', password_hash_memory_kib = 8192, password_hash_passes = 1;
SELECT anon_auth.import_signing_key('{"kty": "oct", "kid": "secret", "k": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}');
SELECT anon_auth.create_signing_key();
SQL

my $file = $node->data_dir . '/anon_auth.master_key';

sub query { return $node->safe_psql('postgres', $_[0]); }

sub error
{
	my ($statement, $database) = @_;

	return ($node->psql($database // 'postgres', $statement, extra_params => [ '-v', 'VERBOSITY=verbose' ]))[2];
}

sub rotate { return query('SELECT anon_auth.rotate_master_key()'); }

sub retire { return query(sprintf 'SELECT anon_auth.retire_master_key(%s)', sql_literal($_[0])); }

# The key ids in a file, the current one first.
sub keys_in { return slurp_file($_[0] // $file) =~ /^([0-9a-f]{16}) /mg; }

sub sealed_with
{
	my ($database) = @_;

	return $node->safe_psql($database // 'postgres',
		q{SELECT string_agg(DISTINCT master_key_id, ',') FROM anon_auth.signing_keys});
}

# Writes a key file, over the old one or as a new file.
sub write_key
{
	my ($path, $content, $mode) = @_;

	open my $out, '>', $path or die "$path: $!";
	print $out $content;
	close $out;
	chmod $mode // 0600, $path;
}

# A line with a new key, made with the commands in docs/operations.md.
sub new_line
{
	return `key=\$(mktemp); openssl rand 32 >\$key
		echo "\$(b2sum -l 256 \$key | cut -c 1-16) \$(basenc --base64url -w 0 \$key | tr -d =)"; rm \$key`;
}

# Retires all former keys, so that there is room for others.
my @databases = ('postgres');

sub tidy_up
{
	$node->safe_psql($_, 'SELECT anon_auth.reseal_signing_keys()') for @databases;
	my ($current, @former) = keys_in();
	retire($_) for @former;
}

# ---------------------------------------------------------------------------
# Everything made with a master key: how to get it and how to use it
# ---------------------------------------------------------------------------

my $verifier = 'v' x 43;
my %same_origin = ('sec-fetch-site' => 'same-origin');
my $addresses = 0;

sub guest { return call($_[0], 'authenticate_anonymously', client_id => 'app'); }

my %kinds = (
	'a refresh token' => {
		get => sub { return guest($_[0]) },
		use => sub {
			my ($where, $guest) = @_;

			return call($where, 'refresh_session', client_id => 'app', refresh_token => $guest->{refresh_token})->{sub}
			  eq $guest->{sub};
		} },
	'a challenge' => {
		get => sub { return challenge($_[0]) },
		use => sub {
			my ($where, $challenge) = @_;
			my $device = AnonAuth::Device->new(alg => 'ES256');

			return call($where, 'authenticate_anonymously', client_id => 'app',
				jwt => $device->request(challenge => $challenge, with_jwk => 1))->{sub};
		} },
	'a promotion code' => {
		get => sub {
			my $guest = guest($_[0]);

			return { %$guest, code => call($_[0], 'create_promotion_code', refresh_token => $guest->{refresh_token})->{promotion_code} };
		},
		use => sub {
			my ($where, $guest) = @_;

			return call($where, 'promote_anonymous_user', client_id => 'app', password => 'correct horse',
				email => 'promoted' . ++$addresses . '@example.com', promotion_code => $guest->{code})->{sub} eq $guest->{sub};
		} },
	'a session cookie' => {
		get => sub {
			my $browser = AnonAuth::Browser->new($_[0]);

			$browser->post_json('/api/anonymous_user/signup', { session_type => 'cookie', client_id => 'web' });
			return $browser;
		},
		use => sub {
			my ($where, $browser) = @_;

			$browser->{node} = $where;
			return $browser->get('/resolve')->{headers}{'x-authgear-user-id'}[0];
		} },
	'an open sign-up page' => {
		get => sub {
			my $guest = call($_[0], 'authenticate_anonymously', client_id => 'web');
			my $code = call($_[0], 'create_promotion_code', refresh_token => $guest->{refresh_token})->{promotion_code};
			my $browser = AnonAuth::Browser->new($_[0], headers => {%same_origin});

			return {
				browser => $browser,
				page => $browser->get(
					'/oauth2/authorize',
					client_id => 'web', redirect_uri => 'https://app.example/cb', response_type => 'code',
					scope => 'openid offline_access', prompt => 'login', code_challenge_method => 'S256',
					code_challenge => encode_base64url(sha256($verifier)),
					login_hint => 'https://authgear.com/login_hint?'
					  . AnonAuth::Browser::form(type => 'anonymous', promotion_code => $code))->{location} };
		},
		use => sub {
			my ($where, $open) = @_;

			$open->{browser}{node} = $where;
			return ($open->{browser}->post_form($open->{page}, login_id_type => 'email', password => 'long enough',
					login_id => 'page' . ++$addresses . '@example.com')->{location} // '') =~ /[?&]code=/;
		} },
	'a token of a sealed secret' => {
		get => sub {
			my ($output) = '';

			$_[0]->psql('postgres', q{SELECT anon_auth.sign_jwt('{"by": "secret"}', 'secret');}, stdout => \$output);
			return $output;
		},
		use => sub { return call($_[0], 'verify_jwt', token => $_[1]); } });

# Gets one of each kind in one connection; all_work() uses them in another.
sub get_all { my ($where) = @_; return { map { $_ => $kinds{$_}{get}->($where) } keys %kinds }; }

sub all_work
{
	my ($where, $things, $name) = @_;

	for my $kind (sort keys %kinds)
	{
		ok(eval { $kinds{$kind}{use}->($where, $things->{$kind}) } || (diag($@), 0), "$kind $name");
	}
}

# ---------------------------------------------------------------------------
# Connections that were open during a rotation
# ---------------------------------------------------------------------------

# Each statement reads a new file again until the file is some seconds old, so
# wait.
sleep 3;
my $old = AnonAuth::Connection->new($node);
my $in_transaction = AnonAuth::Connection->new($node);
get_all($old);
my $from_before = get_all($node);
my $from_before_too = get_all($old);
$in_transaction->query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT anon_auth.create_challenge()');
my ($first) = keys_in();

my $second = rotate();
is_deeply([ keys_in() ], [ $second, $first ], 'a rotation puts the new key before the former one');
is(sprintf('%o', (stat $file)[2] & 0777), '600', 'the rotated master key file has mode 0600');
is_deeply([ glob "$file.*" ], [], 'a rotation leaves no temporary file');
is(sealed_with(), $second, 'a rotation seals all signing keys with the new master key');
my $from_after = get_all($node);
all_work($old, $from_after, 'of the new key works at once in a connection from before the rotation');
all_work($old, $from_before, 'of the former key works in a connection from before the rotation');
all_work($node, $from_before_too, 'of the former key works in a new connection');
all_work($node, get_all($old), 'made after the rotation in a connection from before it works in a new connection');
my $new_challenge = $in_transaction->query('SELECT token FROM anon_auth.create_challenge()');
$in_transaction->query('COMMIT');
retire($first);
ok($kinds{'a challenge'}{use}->($node, $new_challenge),
	'a transaction that was open during the rotation makes challenges with the new key');
like($old->error(sprintf q{SELECT anon_auth.refresh_session('app', %s)}, sql_literal($from_before->{'a refresh token'}{refresh_token})),
	qr/AA006/, 'a refresh token that was never refreshed is refused after its key was retired, also in a connection from before');
isnt($from_before->{'a session cookie'}->get('/resolve')->{headers}{'x-authgear-user-id'}, undef, 'a session cookie that was used after the rotation is accepted after its former key was retired');
all_work($old, get_all($node), 'of a new connection works in a connection from before the former key was retired');
all_work($node, get_all($old), 'of a connection from before the former key was retired works in a new connection');

# ---------------------------------------------------------------------------
# A client without rotation of refresh tokens
# ---------------------------------------------------------------------------

sub grant
{
	return AnonAuth::Browser->new($node)->post_form('/oauth2/token',
		grant_type => 'refresh_token', client_id => 'web', refresh_token => $_[0])->{json};
}

my $web = call($node, 'authenticate_anonymously', client_id => 'web');
ok(!exists grant($web->{refresh_token})->{refresh_token}, 'the token endpoint sends no refresh token when it did not change');
my $third = rotate();
my $renewed = grant($web->{refresh_token})->{refresh_token};
isnt($renewed, undef, 'the token endpoint sends a refresh token after a rotation of the master key');
retire($second);
ok(grant($renewed)->{access_token}, 'the refresh token sent after a rotation works after the former key was retired');

# ---------------------------------------------------------------------------
# A key file that changes while a connection is open
# ---------------------------------------------------------------------------

sleep 3;
my $content = slurp_file($file);
my $create = 'SELECT length(token) > 40 FROM anon_auth.create_challenge()';
is($old->query($create), 't', 'a connection can use the key file');
my @times = (stat $file)[ 8, 9 ];
chmod 0644, $file;
like($old->error($create), qr/F0000: .* is readable by others/, 'an open connection refuses the key file after it became readable by others');
chmod 0600, $file;
is($old->query($create), 't', 'an open connection accepts the key file after its mode was corrected');
sleep 3;
is($old->query($create), 't', 'an open connection still accepts the key file three seconds later');
write_key($file, $content =~ s/^([0-9a-f]{16}) (.)(.)/"$1 " . ($2 ne $3 ? "$3$2" : "$2" . ($3 eq 'A' ? 'B' : 'A'))/emr);
utime @times, $file;
like($old->error($create), qr/F0000: .* is damaged/, 'an open connection refuses a damaged key file of the same size and time');
write_key($file, $content . ('#' x 32768) . "\n");
like($old->error($create), qr/F0000: .* is damaged.*longer than 32768 bytes/s, 'an open connection refuses a key file that is too long');
unlink $file;
like($old->error($create), qr/F0000: .* does not exist.*sealed with master key $third/s, 'an open connection reports that the key file does not exist');
like($old->error('SELECT anon_auth.rotate_master_key()'), qr/F0000: .* does not exist/, 'rotate_master_key() is refused without a key file');
ok(!-e $file, 'rotate_master_key() does not create a missing key file');
write_key($file, $content);
is($old->query($create), 't', 'an open connection accepts the key file restored from a backup');

# ---------------------------------------------------------------------------
# Rotations that are rolled back or killed
# ---------------------------------------------------------------------------

tidy_up();
my ($current) = keys_in();
my $before = get_all($node);
my $changing = AnonAuth::Connection->new($node);
$changing->query('BEGIN; SELECT anon_auth.rotate_master_key(); ROLLBACK');
is(sealed_with(), $current, 'a rotation that rolls back does not change the signing keys');
is_deeply([ (keys_in())[1] ], [$current], 'a rotation that rolls back keeps the key of the signing keys in the file');
all_work($node, $before, 'from before a rolled-back rotation works');
all_work($node, get_all($old), 'of a connection from before a rolled-back rotation works');

# Kills a backend, which makes the server restart all of them, and waits for the
# restart.
sub kill_backend
{
	my ($pid) = @_;
	my $log = -s $node->logfile;

	kill 'KILL', $pid;
	$node->wait_for_log(qr/terminated by signal 9.*database system is ready/s, $log);
}

tidy_up();
($current) = keys_in();
$before = get_all($node);
$changing->query('BEGIN; SELECT anon_auth.rotate_master_key()');
my $pid = $changing->query('SELECT pg_backend_pid()');
isnt((keys_in())[0], $current, 'a rotation changes the file before its transaction commits');
kill_backend($pid);
$_->kill_client for $changing, $old, $in_transaction;
is(sealed_with(), $current, 'a rotation whose backend is killed before the commit does not change the signing keys');
is((keys_in())[1], $current, 'a rotation whose backend is killed before the commit keeps the key of the signing keys in the file');
all_work($node, $before, 'from before the crash works');
all_work($node, get_all($node), 'from after the crash works');
is(query('SELECT anon_auth.reseal_signing_keys()'), 3, 'reseal_signing_keys() seals the signing keys with the new key of the killed rotation');

# Kill the backend at random moments. Losing a commit must not lose a key.
$node->append_conf('postgresql.conf', "synchronous_commit = off\nwal_writer_delay = 10s");
$node->reload;
my $broken = 0;
for my $round (1 .. 8)
{
	my $busy = AnonAuth::Connection->new($node);
	my $victim = $busy->query('SELECT pg_backend_pid()');

	$busy->begin(join "\n", map {
			q{SELECT anon_auth.rotate_master_key() AS new, (SELECT min(master_key_id) FROM anon_auth.signing_keys) AS old \gset}
			  . "\nSELECT anon_auth.retire_master_key(:'old');"
		} 1 .. 200);
	sleep 0.1 + rand 0.2;
	kill_backend($victim);
	$busy->kill_client;
	my %in_file = map { $_ => 1 } keys_in();
	$broken++ if grep { !$in_file{$_} } split /,/, sealed_with();
	$broken++ if error(q{SELECT anon_auth.sign_jwt('{}', kid) FROM anon_auth.signing_keys; SELECT anon_auth.create_challenge()}) ne '';
	note(scalar(keys %in_file) . ' keys; ' . join ' ', glob "$file.*");
	tidy_up();
}
is($broken, 0, 'after kills at random moments of rotate_master_key() and retire_master_key(), the file has the key of every signing key');
write_key("$file.new", 'left by a killed server', 0644);
tidy_up();
my $after_stray = rotate();
is_deeply([ (keys_in())[0], glob "$file.*" ], [$after_stray], 'the next rotation ignores and removes a temporary file of a killed server');
$node->append_conf('postgresql.conf', 'synchronous_commit = on');
$node->reload;

# ---------------------------------------------------------------------------
# Concurrent rotations
# ---------------------------------------------------------------------------

sub wait_for_waiting
{
	my ($count) = @_;

	$node->poll_query_until('postgres',
		"SELECT count(*) = $count FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND backend_type = 'client backend'")
	  or die "there are not $count waiting sessions";
}

$node->safe_psql('postgres', 'CREATE DATABASE second');
$node->safe_psql('second', q{CREATE EXTENSION anon_auth; SELECT anon_auth.create_client('app', 'native')});
push @databases, 'second';
tidy_up();
my @rotating = map { AnonAuth::Connection->new($node, $_) } qw(postgres postgres second);
my $one = $rotating[0]->query('BEGIN; SELECT anon_auth.rotate_master_key()');
$rotating[$_]->begin('SELECT anon_auth.rotate_master_key();') for 1, 2;
wait_for_waiting(2);
$rotating[0]->query('COMMIT');
my ($two, $three) = map { $rotating[$_]->end->[0] } 1, 2;
is_deeply([ sort((keys_in())[ 0 .. 2 ]) ], [ sort $one, $two, $three ],
	'of concurrent rotations in one or two databases, each adds its key');
is(sealed_with(), $two, 'the last rotation of a database seals its signing keys');
is(sealed_with('second'), $three, "the last rotation of the second database seals that database's signing keys");
all_work($node, get_all($rotating[0]), 'made after concurrent rotations works');

# A statement creates a signing key. The master key that was current when the
# statement began is retired meanwhile.
$rotating[1]->query('SELECT pg_advisory_lock(1)');
$rotating[0]->begin(q{DO $$ BEGIN
	PERFORM anon_auth.create_challenge();
	PERFORM pg_advisory_xact_lock(1);
	PERFORM anon_auth.create_signing_key();
END $$;});
wait_for_waiting(1);
my ($on_top) = keys_in();
my $next = rotate();
$node->safe_psql('second', 'SELECT anon_auth.reseal_signing_keys()');
retire($on_top);
$rotating[1]->query('SELECT pg_advisory_unlock(1)');
is($rotating[0]->end->[1], '', 'a statement that began before a rotation can create a signing key after it');
is(sealed_with(), $next, 'a statement that began before a rotation seals its signing key with the new master key');
$rotating[0]->query('BEGIN; SELECT anon_auth.create_signing_key()');
my $after_next = AnonAuth::Connection->new($node);
$after_next->begin('SELECT anon_auth.rotate_master_key();');
wait_for_waiting(1);
$rotating[0]->query('COMMIT');
my $rotated = $after_next->end->[0];
is(sealed_with(), $rotated, 'a rotation waits for a transaction that creates a signing key');
$after_next->close;

# An older snapshot does not see the signing keys that are sealed with the key
# now.
$rotating[0]->query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM anon_auth.signing_keys');
$next = rotate();
write_key($file, new_line() . slurp_file($file));
like($rotating[0]->error(sprintf 'SELECT anon_auth.retire_master_key(%s)', sql_literal($next)),
	qr/55000: .* is still needed/, 'retire_master_key() refuses a key that is needed by rows newer than the snapshot');
$rotating[0]->query('ROLLBACK');
$_->close for @rotating;

# ---------------------------------------------------------------------------
# Another database, and a lost key
# ---------------------------------------------------------------------------

$node->safe_psql('second', 'SELECT anon_auth.reseal_signing_keys()');
tidy_up();
my ($former) = keys_in();
my $with_former = slurp_file($file);
my $elsewhere = $node->safe_psql('second', q{SELECT refresh_token FROM anon_auth.authenticate_anonymously('app')});
$next = rotate();
is(sealed_with('second'), $former, 'a rotation does not change the signing keys of another database');
my $refresh_elsewhere = sprintf q{SELECT sub IS NOT NULL FROM anon_auth.refresh_session('app', %s)}, sql_literal($elsewhere);
is($node->safe_psql('second', $refresh_elsewhere), 't', 'a session of the other database can be refreshed after the rotation');
like(error(sprintf('SELECT anon_auth.retire_master_key(%s)', sql_literal($former)), 'second'),
	qr/55000: master key $former is still needed.*It seals 1 signing key .*reseal_signing_keys\(\)/s,
	'retire_master_key() refuses a key that the other database still needs');
is($node->safe_psql('second', 'SELECT anon_auth.reseal_signing_keys()'), 1, 'reseal_signing_keys() seals one signing key of the other database');
is($node->safe_psql('second', 'SELECT anon_auth.reseal_signing_keys()'), 0, 'reseal_signing_keys() finds nothing to seal the second time');
is(sealed_with('second'), $next, 'reseal_signing_keys() seals with the new key');
my $with_both = slurp_file($file);
$elsewhere = $node->safe_psql('second', q{SELECT refresh_token FROM anon_auth.authenticate_anonymously('app')});
$node->safe_psql('second', sprintf 'SELECT anon_auth.retire_master_key(%s)', sql_literal($former));
is_deeply([ keys_in() ], [$next], 'retire_master_key() accepts the key that the other database no longer needs');

# Signing keys of an old backup, sealed with a key that is no longer in the
# file.
my $last = rotate();
query(sprintf 'SELECT anon_auth.retire_master_key(%s, force => true)', sql_literal($next));
like(error(q{SELECT anon_auth.sign_jwt('{}')}, 'second'),
	qr/F0000: master key file ".*" does not contain the required key.*Master key $next is required; the current key of the file is $last/s,
	'the error names the key that was removed from the file');
like(error("SELECT anon_auth.$_()", 'second'), qr/F0000: .*Master key $next is required/s, "$_() names the key that was removed from the file")
  for qw(rotate_master_key reseal_signing_keys);
is_deeply([ keys_in() ], [$last], 'refused rotations and reseals do not change the file');
my ($line) = $with_both =~ /^($next .*\n)/m;
write_key($file, slurp_file($file) . $line);
is($node->safe_psql('second', 'SELECT anon_auth.reseal_signing_keys()'), 1, 'reseal_signing_keys() works after the line of the key was restored from a backup');

# ---------------------------------------------------------------------------
# The limit of eight keys
# ---------------------------------------------------------------------------

rotate() until (() = keys_in()) == 8;
my ($oldest) = (keys_in())[-1];
like(error('SELECT anon_auth.rotate_master_key()'),
	qr/54000: .*already has the maximum of 8 keys.*reseal_signing_keys\(\) in each database.*retire_master_key\('$oldest'\)/s,
	'the ninth key is refused, and the error names the key to retire');
is(scalar(() = keys_in()), 8, 'a refused rotation does not change the file');
$node->safe_psql('second', 'SELECT anon_auth.reseal_signing_keys()');
tidy_up();

# ---------------------------------------------------------------------------
# A standby
# ---------------------------------------------------------------------------

$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
my $standby_file = $standby->data_dir . '/anon_auth.master_key';
chmod 0600, $standby_file;    # init_from_backup() copies it readable by others
$standby->start;
my $on_standby = AnonAuth::Connection->new($standby);
my $secret_token = $kinds{'a token of a sealed secret'}{get}->($node);
rotate();
$node->wait_for_catchup($standby, 'replay', $node->lsn('write'));
ok($kinds{'a challenge'}{use}->($node, challenge($on_standby)), 'the primary accepts a challenge of a standby that has the former file');
like($on_standby->error('SELECT anon_auth.' . $_), qr/25006: cannot execute \w+\(\) during recovery/, "the standby refuses $_")
  for q{rotate_master_key()}, q{reseal_signing_keys()}, q{retire_master_key('0123456789abcdef')};
my ($needed) = keys_in();
like($on_standby->error(sprintf 'SELECT anon_auth.verify_jwt(%s)', sql_literal($secret_token)),
	qr/F0000: .*Master key $needed is required/s, 'the standby names the key that its file lacks');
copy($file, $standby_file);
is($on_standby->query(sprintf q{SELECT anon_auth.verify_jwt(%s) ->> 'by'}, sql_literal($secret_token)), 'secret',
	'an open connection of the standby works after the file was copied');
$on_standby->close;
$standby->stop;

# ---------------------------------------------------------------------------
# Under load
# ---------------------------------------------------------------------------

tidy_up();
query(q{CREATE TABLE old_sessions AS
	SELECT id, (anon_auth.authenticate_anonymously('app')).refresh_token FROM generate_series(1, 20) id});
my $script = PostgreSQL::Test::Utils::tempdir() . '/refresh.sql';
append_to_file($script, <<'SQL');
\set id random(1, 20)
SELECT refresh_token AS token FROM old_sessions WHERE id = :id \gset
SELECT sub AS owner FROM anon_auth.refresh_session('app', :token) \gset
SELECT refresh_token AS token FROM anon_auth.authenticate_anonymously('app') \gset
SELECT refresh_token AS token FROM anon_auth.refresh_session('app', :token) \gset
SELECT refresh_token AS token FROM anon_auth.refresh_session('app', :token) \gset
SELECT promotion_code AS code FROM anon_auth.create_promotion_code(:token) \gset
SQL
my ($out, $err) = ('', '');
my $load = IPC::Run::start(
	[ 'pgbench', '-n', '-c', '4', '-j', '2', '-T', '8', '-M', 'prepared', '-f', $script, $node->connstr('postgres') ],
	'>', \$out, '2>', \$err, IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
for (1 .. 7)
{
	sleep 0.9;
	$_ == 4 ? query('BEGIN; SELECT anon_auth.rotate_master_key(); ROLLBACK') : rotate();
	$load->pump_nb;
}
$load->finish;
is($load->full_result(0), 0, 'seven rotations of the master key do not interrupt four clients that refresh sessions');
unlike($err, qr/ERROR|FATAL/, 'the clients get no error during the rotations');
like($out, qr/number of failed transactions: 0 /, 'no transaction of the clients fails during the rotations');
my ($transactions) = $out =~ /number of transactions actually processed: (\d+)/;
cmp_ok($transactions, '>', 100, "the clients ran many transactions ($transactions)");
is(scalar(() = keys_in()), 8, 'the file has all eight keys after the rotations');
tidy_up();

# ---------------------------------------------------------------------------
# A key file that the server cannot write
# ---------------------------------------------------------------------------

my $directory = PostgreSQL::Test::Utils::tempdir() . '/keys';
mkdir $directory;
copy($file, "$directory/key");
chmod 0400, "$directory/key";
symlink "$directory/key", "$directory/link" or die;
$node->append_conf('postgresql.conf', "anon_auth.master_key_file = '$directory/link'");
$node->restart;
$old = AnonAuth::Connection->new($node);
$before = get_all($old);
my $elsewhere_made = rotate();
ok(-l "$directory/link", 'a rotation keeps the symbolic link to the key file');
is_deeply([ keys_in("$directory/key") ], [ $elsewhere_made, keys_in() ], 'a rotation writes the new key to the target of the symbolic link');
is(sprintf('%o', (stat "$directory/key")[2] & 0777), '400', 'a rotation keeps the mode of the key file');
all_work($old, $before, 'from before the rotation works with a key file outside the data directory');
$node->safe_psql('second', 'SELECT anon_auth.reseal_signing_keys()');
chmod 0500, $directory;
SKIP:
{
	skip 'root can write every file', 13 if $> == 0;
	like(error('SELECT anon_auth.rotate_master_key()'),
		qr/F0000: the server may not change master key file ".*".*may not write in directory.*Add a line with a new key before the first key by hand, then call anon_auth.reseal_signing_keys\(\)/s,
		'the error of a rotation says how to change a file that the server cannot write');
	like(error(sprintf 'SELECT anon_auth.retire_master_key(%s)', sql_literal((keys_in())[0])),
		qr/F0000: the server may not change .*Remove the line with the key by hand/s, 'the error of retire_master_key() says how to change a file that the server cannot write');
	is_deeply([ keys_in("$directory/key") ], [ $elsewhere_made, keys_in() ], 'the file is unchanged after the refused rotation');

	# Rotation by hand
	$before = get_all($old);
	chmod 0700, $directory;
	my $line = new_line();
	my $with_line = "# by hand\n$line" . slurp_file("$directory/key");
	unlink "$directory/key";
	write_key("$directory/key", $with_line, 0400);
	chmod 0500, $directory;
	is(sealed_with(), $elsewhere_made, 'a line added by hand does not seal the signing keys');
	ok($kinds{'a challenge'}{use}->($node, challenge($old)), 'a connection from before makes challenges with the key added by hand at once');
	is($old->query('SELECT anon_auth.reseal_signing_keys()'), query('SELECT count(*) FROM anon_auth.signing_keys'),
		'reseal_signing_keys() seals every signing key with the key added by hand');
	is(sealed_with(), substr($line, 0, 16), 'all signing keys are sealed with the key added by hand');
	all_work($old, $before, 'from before works after the file was changed by hand');
}
chmod 0700, $directory;
$node->stop;

unlike(slurp_file($node->logfile), qr/\b[-\w]{43}\b(?=\s*$)/m, 'the server log contains no key');

done_testing();
