# Rotating and retiring master keys under connections that stay open, crashes,
# concurrency, other databases, standbys, and files that are not the server's to
# write.  (t/030_master_key.pl has the file itself.)

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

# Key ids in a file, the current one first.
sub keys_in { return slurp_file($_[0] // $file) =~ /^([0-9a-f]{16}) /mg; }

sub sealed_with
{
	my ($database) = @_;

	return $node->safe_psql($database // 'postgres',
		q{SELECT string_agg(DISTINCT master_key_id, ',') FROM anon_auth.signing_keys});
}

# As an editor does it: in place, or with a new file.
sub write_key
{
	my ($path, $content, $mode) = @_;

	open my $out, '>', $path or die "$path: $!";
	print $out $content;
	close $out;
	chmod $mode // 0600, $path;
}

# A line with a new key, as docs/operations.md makes it.
sub new_line
{
	return `key=\$(mktemp); openssl rand 32 >\$key
		echo "\$(b2sum -l 256 \$key | cut -c 1-16) \$(basenc --base64url -w 0 \$key | tr -d =)"; rm \$key`;
}

# One key alone, so that there is room for others.
my @databases = ('postgres');

sub tidy_up
{
	$node->safe_psql($_, 'SELECT anon_auth.reseal_signing_keys()') for @databases;
	my ($current, @former) = keys_in();
	retire($_) for @former;
}

# ---------------------------------------------------------------------------
# Everything that a master key makes: how it is got, and how it is used
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

# All kinds, made in one connection and used in another.
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
# Connections from before
# ---------------------------------------------------------------------------

# A file that has just been made is read again at each statement: let it settle.
sleep 3;
my $old = AnonAuth::Connection->new($node);
my $in_transaction = AnonAuth::Connection->new($node);
get_all($old);
my $from_before = get_all($node);
my $from_before_too = get_all($old);
$in_transaction->query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT anon_auth.create_challenge()');
my ($first) = keys_in();

my $second = rotate();
is_deeply([ keys_in() ], [ $second, $first ], 'a rotation puts a new key before the former one');
is(sprintf('%o', (stat $file)[2] & 0777), '600', '... in a file as private as before');
is_deeply([ glob "$file.*" ], [], '... and leaves no draft of it');
is(sealed_with(), $second, '... that seals all signing keys');
my $from_after = get_all($node);
all_work($old, $from_after, 'of the new key works at once in a connection from before the rotation');
all_work($old, $from_before, 'of the former key works there, too');
all_work($node, $from_before_too, 'of the former key works in a new connection');
all_work($node, get_all($old), 'that a connection from before makes after the rotation works in a new one');
my $new_challenge = $in_transaction->query('SELECT token FROM anon_auth.create_challenge()');
$in_transaction->query('COMMIT');
retire($first);
ok($kinds{'a challenge'}{use}->($node, $new_challenge),
	'a transaction that was open during the rotation made a challenge of the new key');
like($old->error(sprintf q{SELECT anon_auth.refresh_session('app', %s)}, sql_literal($from_before->{'a refresh token'}{refresh_token})),
	qr/AA006/, 'a refresh token that was never refreshed dies with its key, in a connection from before as well');
is($from_before->{'a session cookie'}->get('/resolve')->{headers}{'x-authgear-user-id'}, undef, '... and so does a cookie');
all_work($old, get_all($node), 'works in a connection from before the former key was retired');
all_work($node, get_all($old), '... and the other way round');

# ---------------------------------------------------------------------------
# What a browser without rotation of refresh tokens keeps
# ---------------------------------------------------------------------------

sub grant
{
	return AnonAuth::Browser->new($node)->post_form('/oauth2/token',
		grant_type => 'refresh_token', client_id => 'web', refresh_token => $_[0])->{json};
}

my $web = call($node, 'authenticate_anonymously', client_id => 'web');
ok(!exists grant($web->{refresh_token})->{refresh_token}, 'the token endpoint sends no refresh token where it is the same');
my $third = rotate();
my $renewed = grant($web->{refresh_token})->{refresh_token};
isnt($renewed, undef, '... and sends one after a rotation of the master key');
retire($second);
ok(grant($renewed)->{access_token}, '... which outlives the former key');

# ---------------------------------------------------------------------------
# A file that changes under a connection
# ---------------------------------------------------------------------------

sleep 3;
my $content = slurp_file($file);
my $create = 'SELECT length(token) > 40 FROM anon_auth.create_challenge()';
is($old->query($create), 't', 'a connection has the keys');
my @times = (stat $file)[ 8, 9 ];
chmod 0644, $file;
like($old->error($create), qr/F0000: .* is readable by others/, 'where the file has become readable by others, it says so');
chmod 0600, $file;
is($old->query($create), 't', '... and goes on when that is mended');
sleep 3;
is($old->query($create), 't', '... for as long as it stays so');
write_key($file, $content =~ s/^([0-9a-f]{16}) (.)(.)/"$1 " . ($2 ne $3 ? "$3$2" : "$2" . ($3 eq 'A' ? 'B' : 'A'))/emr);
utime @times, $file;
like($old->error($create), qr/F0000: .* is damaged/, 'a damaged file of the same size and time is noticed');
write_key($file, $content . ('#' x 32768) . "\n");
like($old->error($create), qr/F0000: .* is damaged.*longer than 32768 bytes/s, '... and one that is too long');
unlink $file;
like($old->error($create), qr/F0000: .* does not exist.*sealed with master key $third/s, '... and one that is gone');
like($old->error('SELECT anon_auth.rotate_master_key()'), qr/F0000: .* does not exist/, '... which cannot be rotated');
ok(!-e $file, '... and is not made anew');
write_key($file, $content);
is($old->query($create), 't', 'and all goes on with the file from its backup');

# ---------------------------------------------------------------------------
# Rolled back, killed
# ---------------------------------------------------------------------------

tidy_up();
my ($current) = keys_in();
my $before = get_all($node);
my $changing = AnonAuth::Connection->new($node);
$changing->query('BEGIN; SELECT anon_auth.rotate_master_key(); ROLLBACK');
is(sealed_with(), $current, 'a rotation that is rolled back leaves the signing keys as they were');
is_deeply([ (keys_in())[1] ], [$current], '... with their key in the file');
all_work($node, $before, 'from before it works');
all_work($node, get_all($old), 'in a connection from before works after it');

# Kills a backend, which takes the others with it, and waits for the server.
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
isnt((keys_in())[0], $current, 'a transaction that is open has changed the file');
kill_backend($pid);
$_->kill_client for $changing, $old, $in_transaction;
is(sealed_with(), $current, 'its backend is killed before it commits: the signing keys are as they were');
is((keys_in())[1], $current, '... with their key in the file');
all_work($node, $before, 'from before the crash works');
all_work($node, get_all($node), 'works after it');
is(query('SELECT anon_auth.reseal_signing_keys()'), 3, '... and the signing keys can be sealed with the new one');

# Killed wherever it is.  A commit that was lost must not lose a key.
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
is($broken, 0, 'wherever a backend that rotates and retires is killed, every signing key is opened by a key of the file');
write_key("$file.new", 'what a killed server left', 0644);
tidy_up();
my $after_stray = rotate();
is_deeply([ (keys_in())[0], glob "$file.*" ], [$after_stray], 'a temporary file that was left behind does not matter, and goes');
$node->append_conf('postgresql.conf', 'synchronous_commit = on');
$node->reload;

# ---------------------------------------------------------------------------
# At once
# ---------------------------------------------------------------------------

sub wait_for_waiting
{
	my ($count) = @_;

	$node->poll_query_until('postgres',
		"SELECT count(*) = $count FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND backend_type = 'client backend'")
	  or die "there are not $count sessions that wait";
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
	'of rotations at once, in one database or several, each adds its key');
is(sealed_with(), $two, '... and the last one of a database seals its signing keys');
is(sealed_with('second'), $three, '... in each of them');
all_work($node, get_all($rotating[0]), 'works between the connections that rotated');

# A signing key that is made while the master key is retired that the statement
# began with.
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
is($rotating[0]->end->[1], '', 'a statement that began before a rotation makes a signing key after it');
is(sealed_with(), $next, '... and seals it with the new master key');
$rotating[0]->query('BEGIN; SELECT anon_auth.create_signing_key()');
my $after_next = AnonAuth::Connection->new($node);
$after_next->begin('SELECT anon_auth.rotate_master_key();');
wait_for_waiting(1);
$rotating[0]->query('COMMIT');
my $rotated = $after_next->end->[0];
is(sealed_with(), $rotated, 'a rotation waits for whoever makes a signing key');
$after_next->close;

# A snapshot from before does not know what the key seals by now.
$rotating[0]->query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM anon_auth.signing_keys');
$next = rotate();
write_key($file, new_line() . slurp_file($file));
like($rotating[0]->error(sprintf 'SELECT anon_auth.retire_master_key(%s)', sql_literal($next)),
	qr/55000: .* is still needed/, '... and an old snapshot does not hide that the key is needed');
$rotating[0]->query('ROLLBACK');
$_->close for @rotating;

# ---------------------------------------------------------------------------
# Another database, a key that is gone
# ---------------------------------------------------------------------------

$node->safe_psql('second', 'SELECT anon_auth.reseal_signing_keys()');
tidy_up();
my ($former) = keys_in();
my $with_former = slurp_file($file);
my $elsewhere = $node->safe_psql('second', q{SELECT refresh_token FROM anon_auth.authenticate_anonymously('app')});
$next = rotate();
is(sealed_with('second'), $former, 'a rotation leaves the signing keys of another database alone');
my $refresh_elsewhere = sprintf q{SELECT sub IS NOT NULL FROM anon_auth.refresh_session('app', %s)}, sql_literal($elsewhere);
is($node->safe_psql('second', $refresh_elsewhere), 't', '... which goes on');
like(error(sprintf('SELECT anon_auth.retire_master_key(%s)', sql_literal($former)), 'second'),
	qr/55000: master key $former is still needed.*It seals 1 signing key .*reseal_signing_keys\(\)/s,
	'... and does not let the former key be retired');
is($node->safe_psql('second', 'SELECT anon_auth.reseal_signing_keys()'), 1, '... until its keys are sealed anew');
is($node->safe_psql('second', 'SELECT anon_auth.reseal_signing_keys()'), 0, '... once');
is(sealed_with('second'), $next, '... with the new key');
my $with_both = slurp_file($file);
$elsewhere = $node->safe_psql('second', q{SELECT refresh_token FROM anon_auth.authenticate_anonymously('app')});
$node->safe_psql('second', sprintf 'SELECT anon_auth.retire_master_key(%s)', sql_literal($former));
is_deeply([ keys_in() ], [$next], '... and then the former key can be');

# Rows from an old backup, sealed with a key that is gone.
my $last = rotate();
query(sprintf 'SELECT anon_auth.retire_master_key(%s, force => true)', sql_literal($next));
like(error(q{SELECT anon_auth.sign_jwt('{}')}, 'second'),
	qr/F0000: master key file ".*" does not contain the required key.*Master key $next is required; the current key of the file is $last/s,
	'where the key of a signing key was taken out of the file, the error names it');
like(error("SELECT anon_auth.$_()", 'second'), qr/F0000: .*Master key $next is required/s, "... and so does $_()")
  for qw(rotate_master_key reseal_signing_keys);
is_deeply([ keys_in() ], [$last], '... which leave the file as it is');
my ($line) = $with_both =~ /^($next .*\n)/m;
write_key($file, slurp_file($file) . $line);
is($node->safe_psql('second', 'SELECT anon_auth.reseal_signing_keys()'), 1, 'with its line from a backup it works again');

# ---------------------------------------------------------------------------
# Eight keys
# ---------------------------------------------------------------------------

rotate() until (() = keys_in()) == 8;
my ($oldest) = (keys_in())[-1];
like(error('SELECT anon_auth.rotate_master_key()'),
	qr/54000: .*already has the maximum of 8 keys.*reseal_signing_keys\(\) in each database.*retire_master_key\('$oldest'\)/s,
	'the ninth key is refused, and the error says which to retire');
is(scalar(() = keys_in()), 8, '... and the file is as before');
$node->safe_psql('second', 'SELECT anon_auth.reseal_signing_keys()');
tidy_up();

# ---------------------------------------------------------------------------
# A standby
# ---------------------------------------------------------------------------

$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
my $standby_file = $standby->data_dir . '/anon_auth.master_key';
chmod 0600, $standby_file;    # the test's copying, unlike pg_basebackup, opens it
$standby->start;
my $on_standby = AnonAuth::Connection->new($standby);
my $secret_token = $kinds{'a token of a sealed secret'}{get}->($node);
rotate();
$node->wait_for_catchup($standby, 'replay', $node->lsn('write'));
ok($kinds{'a challenge'}{use}->($node, challenge($on_standby)), 'a challenge of a standby that has the former file is good on the primary');
like($on_standby->error('SELECT anon_auth.' . $_), qr/25006: cannot execute \w+\(\) during recovery/, "the standby refuses $_")
  for q{rotate_master_key()}, q{reseal_signing_keys()}, q{retire_master_key('0123456789abcdef')};
my ($needed) = keys_in();
like($on_standby->error(sprintf 'SELECT anon_auth.verify_jwt(%s)', sql_literal($secret_token)),
	qr/F0000: .*Master key $needed is required/s, '... and says which key it lacks');
copy($file, $standby_file);
is($on_standby->query(sprintf q{SELECT anon_auth.verify_jwt(%s) ->> 'by'}, sql_literal($secret_token)), 'secret',
	'... until the file is copied, in the same connection');
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
is($load->full_result(0), 0, 'while four clients refresh sessions, the master key is rotated seven times');
unlike($err, qr/ERROR|FATAL/, '... and nothing is refused');
like($out, qr/number of failed transactions: 0 /, '... not one');
my ($transactions) = $out =~ /number of transactions actually processed: (\d+)/;
cmp_ok($transactions, '>', 100, "... of many ($transactions)");
is(scalar(() = keys_in()), 8, '... and all eight keys are there');
tidy_up();

# ---------------------------------------------------------------------------
# A file that is not the server's to write
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
ok(-l "$directory/link", 'a symbolic link to the file stays one');
is_deeply([ keys_in("$directory/key") ], [ $elsewhere_made, keys_in() ], '... and the file that it names gets the key');
is(sprintf('%o', (stat "$directory/key")[2] & 0777), '400', '... and has the mode that it had');
all_work($old, $before, 'from before works with a file elsewhere');
$node->safe_psql('second', 'SELECT anon_auth.reseal_signing_keys()');
chmod 0500, $directory;
SKIP:
{
	skip 'root may write everywhere', 13 if $> == 0;
	like(error('SELECT anon_auth.rotate_master_key()'),
		qr/F0000: the server may not change master key file ".*".*may not write in directory.*Add a line with a new key before the first key by hand, then call anon_auth.reseal_signing_keys\(\)/s,
		'where the server may not write, the error says how to do it by hand');
	like(error(sprintf 'SELECT anon_auth.retire_master_key(%s)', sql_literal((keys_in())[0])),
		qr/F0000: the server may not change .*Remove the line with the key by hand/s, '... and so for retiring');
	is_deeply([ keys_in("$directory/key") ], [ $elsewhere_made, keys_in() ], '... and the file is as before');

	# By hand
	$before = get_all($old);
	chmod 0700, $directory;
	my $line = new_line();
	my $with_line = "# by hand\n$line" . slurp_file("$directory/key");
	unlink "$directory/key";
	write_key("$directory/key", $with_line, 0400);
	chmod 0500, $directory;
	is(sealed_with(), $elsewhere_made, 'a line that is put in by hand seals nothing yet');
	ok($kinds{'a challenge'}{use}->($node, challenge($old)), '... and is used at once by a connection from before');
	is($old->query('SELECT anon_auth.reseal_signing_keys()'), query('SELECT count(*) FROM anon_auth.signing_keys'),
		'reseal_signing_keys() seals the signing keys with it');
	is(sealed_with(), substr($line, 0, 16), '... all of them');
	all_work($old, $before, 'from before works with a file changed by hand');
}
chmod 0700, $directory;
$node->stop;

unlike(slurp_file($node->logfile), qr/\b[-\w]{43}\b(?=\s*$)/m, 'the log has no key');

done_testing();
