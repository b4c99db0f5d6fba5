# What somebody can do to an account with another user's session id, a guest's token, the
# access token of a session that has ended, a stolen session, or two calls at once.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Device qw(sql_literal);
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->append_conf('postgresql.conf', "autovacuum = off\nfsync = off\ndeadlock_timeout = 100ms");
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION anon_auth;
SELECT anon_auth.create_client('app', 'native');
UPDATE anon_auth.settings SET password_hash_memory_kib = 8192, password_hash_passes = 1;
SQL

my $count = 0;

sub query { return $node->safe_psql('postgres', sprintf $_[0], map { sql_literal($_) } @_[ 1 .. $#_ ]); }

# The result of a query, or the SQLSTATE of its error.
sub outcome
{
	my ($sql, @values) = @_;
	my ($status, $stdout, $stderr) = $node->psql('postgres', "\\set VERBOSITY verbose\n" . sprintf $sql, map { sql_literal($_) } @values);

	return $stderr =~ /ERROR:  (\w{5}):/ ? $1 : $stdout;
}

sub login
{
	my ($account, $password) = @_;
	my ($access_token, $refresh_token) = split /\|/, query(q{SELECT access_token, refresh_token FROM anon_auth.authenticate('app', %s, %s)},
		$account->{email}, $password // 'correct horse');

	return { access_token => $access_token, refresh_token => $refresh_token };
}

# A new account with a verified address, and its session.
sub account
{
	my %account = (email => 'user' . ++$count . '@example.com');

	$account{sub} = query(q{SELECT anon_auth.create_user(%s, password => 'correct horse', verified => true)}, $account{email});
	query('SELECT anon_auth.reset_counters()');
	return { %account, %{ login(\%account) } };
}

sub guest
{
	my %guest;

	@guest{qw(sub access_token refresh_token)} = split /\|/, query(q{SELECT sub, access_token, refresh_token FROM anon_auth.authenticate_anonymously('app')});
	return \%guest;
}

sub sid { return query(q{SELECT anon_auth.verify_jwt(%s) ->> 'sid'}, $_[0]{access_token}); }
sub sessions_of { return query(q{SELECT count(*) FROM anon_auth.sessions WHERE user_id = %s}, $_[0]{sub}); }
sub messages { return query('SELECT type, recipient FROM anon_auth.take_outbox_messages(100) ORDER BY id'); }

sub code { return query('SELECT code FROM anon_auth.take_outbox_messages(100) WHERE code IS NOT NULL ORDER BY id DESC LIMIT 1'); }

# ---------------------------------------------------------------------------
# Every function that acts for a caller
# ---------------------------------------------------------------------------

# The arguments of a call, what a session of jo with an old login gets, and what a guest gets.
# A guest has no address to verify, so verify_login_id() is false for it.
my %functions = (
	'userinfo' => [ '', 'works', 'works' ],
	'list_sessions' => [ '', 'works', 'works' ],
	'end_session' => [ "'00000000-0000-7000-8000-000000000000', ", 'works', 'works' ],
	'end_other_sessions' => [ '', 'works', 'works' ],
	'update_profile' => [ q('{"name": "Jo"}', ), 'works', 'works' ],
	'export_account' => [ '', 'works', 'works' ],
	'cancel_account_deletion' => [ '', 'works', 'works' ],
	'request_verification' => [ '', 'works', '22023' ],
	'verify_login_id' => [ q('123456', ), 'works', 'works' ],
	'claim_anonymous_user' => [ q('app', ), '22023', 'AA024' ],
	'change_password' => [ q('battery staple', 'correct horse', ), 'AA022', 'AA024' ],
	'request_login_id_code' => [ q('email', 'new@example.com', ), 'AA022', 'AA024' ],
	'add_login_id' => [ q('username', 'jojo', NULL, ), 'AA022', 'AA024' ],
	'remove_login_id' => [ q('email', 'user1@example.com', ), 'AA022', 'AA024' ],
	'add_identity' => [ q('an ID token', NULL, ), 'AA022', 'AA024' ],
	'remove_identity' => [ q('https://provider.example', ), 'AA022', 'AA024' ],
	'add_device_key' => [ q('a request', NULL, ), 'AA022', 'AA024' ],
	'list_device_keys' => [ '', 'works', 'AA024' ],
	'remove_device_key' => [ q('a-device-key', ), 'AA022', 'AA024' ],
	'passkey_creation_options' => [ '', 'AA022', 'works' ],
	'add_passkey' => [ q('{}', NULL, ), 'AA022', 'AA029' ],
	'list_passkeys' => [ '', 'works', 'works' ],
	'remove_passkey' => [ q('AQIDBA', ), 'AA022', 'works' ],
	'delete_account' => [ '', 'AA022', 'works' ]);

is_deeply([ sort keys %functions ], [ split /\n/, query(q{SELECT proname FROM pg_proc WHERE oid = ANY (anon_auth.client_api()::oid[]) AND 'access_token' = ANY (proargnames) ORDER BY 1}) ],
	'the list has each function that acts for a caller');

my $jo = account();

sub attempt
{
	my ($function, $token) = @_;
	my ($arguments) = @{ $functions{$function} };
	my $result = outcome("SELECT count(*) FROM anon_auth.$function(${arguments}access_token => %s)", $token);

	query('SELECT anon_auth.reset_counters()');
	return $result =~ /^\d$/ ? 'works' : $result;
}

# A session whose login is old cannot change how the account can be opened.
query(q{UPDATE anon_auth.sessions SET authenticated_at = now() - interval '1 hour' WHERE user_id = %s}, $jo->{sub});
my %before = map { $_ => query("SELECT md5(string_agg(t::text, ',' ORDER BY t::text)) FROM anon_auth.$_ t") } qw(login_ids passwords user_identities device_keys);
for my $function (sort keys %functions)
{
	my $result = attempt($function, $jo->{access_token});

	is($result, $functions{$function}[1], "$function() with a session whose login is old");
}
is(query("SELECT md5(string_agg(t::text, ',' ORDER BY t::text)) FROM anon_auth.$_ t"), $before{$_}, "an old login changes nothing in $_") for sort keys %before;
is(query('SELECT delete_at IS NULL FROM anon_auth.users WHERE id = %s', $jo->{sub}), 't', 'and does not delete the account');
isnt(login($jo)->{access_token}, undef, 'the owner can still log in');
messages();

# A guest
for my $function (grep { $_ ne 'delete_account' } sort keys %functions)
{
	my $guest = guest();

	is(attempt($function, $guest->{access_token}), $functions{$function}[2], "$function() with a guest's token");
}
messages();

# A session that has ended, before its access token expires
my $ended = login($jo);
is(query('SELECT anon_auth.end_session(%s, %s)', sid($ended), login($jo)->{access_token}), 't', 'a session ends');
like(query('SELECT anon_auth.verify_jwt(%s)', $ended->{access_token}), qr/"sub"/, 'its access token has not expired');
is(attempt($_, $ended->{access_token}), 'AA014', "$_() with the access token of a session that has ended") for sort keys %functions;
is(outcome('BEGIN; SELECT anon_auth.use_access_token(%s) IS NULL; SELECT anon_auth.export_account(); COMMIT', $ended->{access_token}),
	'AA014', 'nor as the caller of a transaction');

# ---------------------------------------------------------------------------
# Another user's session
# ---------------------------------------------------------------------------

my $max = account();
my $victim = login($jo);
my $sessions = sessions_of($jo);
is(query('SELECT anon_auth.end_session(%s, %s)', sid($victim), $max->{access_token}), 'f', "another user's session is as unknown");
is(query('SELECT anon_auth.end_other_sessions(%s)', $max->{access_token}), 0, 'nor are its sessions among the others');
is(sessions_of($jo), $sessions, 'they are alive');
{
	my $owner = account();
	my $thief = login($owner);

	is(query('SELECT anon_auth.end_other_sessions(%s)', $owner->{access_token}), 1, 'the owner ends the session of a thief');
	is(outcome('SELECT anon_auth.export_account(%s)', $thief->{access_token}), 'AA014', 'which is worth nothing then');
	is(sessions_of($owner), 1, "the owner's own goes on");
}
unlike(query('SELECT anon_auth.export_account(%s)', $max->{access_token}), qr/$jo->{sub}|$jo->{email}/, 'an export has nothing of another user');

# ---------------------------------------------------------------------------
# A stolen session within the time of a recent login
# ---------------------------------------------------------------------------

# The thief has no password.
my $thief = account();
my $owner = login($thief);
messages();
is(outcome('SELECT anon_auth.change_password(%s, access_token => %s)', 'password of the thief', $thief->{access_token}), '22023', 'a password is not changed without the old one');
is(query('SELECT anon_auth.change_password(%s, %s, %s)', 'password of the thief', "guess $_", $thief->{access_token}), 'f', 'nor with a guess') for 1 .. 3;
is(query("SELECT count(*) FROM anon_auth.events WHERE type = 'authentication.failed' AND user_id = %s", $thief->{sub}), 3, 'each guess is a failed attempt');

# It can take the account over step by step; each step is told to the owner.
query(q{SELECT anon_auth.request_login_id_code('email', 'thief@example.com', %s)}, $thief->{access_token});
is(query(q{SELECT anon_auth.add_login_id('email', 'thief@example.com', %s, %s)}, code(), $thief->{access_token}), 't', 'the thief adds an address');
is(messages(), "login_id_added|$thief->{email}", 'the owner is told of it');
query(q{SELECT anon_auth.request_password_reset('thief@example.com')});
is(query(q{SELECT anon_auth.reset_password('thief@example.com', %s, 'password of the thief')}, code()), 't', 'the thief sets a password with it');
is((split /\n/, messages())[0], "password_changed|$thief->{email}", 'the owner is told of it');
my $stolen = login({ email => 'thief@example.com' }, 'password of the thief');
is(query(q{SELECT anon_auth.remove_login_id('email', %s, %s)}, $thief->{email}, $stolen->{access_token}), 't', "the thief removes the owner's address");
like(messages(), qr/^login_id_removed\|\Q$thief->{email}\E$/m, 'the removed address is told of it');

# Nobody can flood the owner with notices, and rolled back changes do not use them up.
my $flooded = account();
messages();
query(q{BEGIN; SELECT anon_auth.change_password('battery staple', 'correct horse', %s); ROLLBACK}, $flooded->{access_token}) for 1 .. 6;
my @passwords = ('correct horse', map { "battery staple $_" } 1 .. 8);
for my $i (1 .. 8)
{
	query('SELECT anon_auth.reset_counters()');
	query('SELECT anon_auth.change_password(%s, %s, %s)', $passwords[$i], $passwords[ $i - 1 ], $flooded->{access_token});
}
is(messages(), join("\n", ("password_changed|$flooded->{email}") x 5), 'eight changes send five notices');
is(query("SELECT count(*) FROM anon_auth.events WHERE type = 'password.changed' AND user_id = %s", $flooded->{sub}), 8, 'and are eight events');
query(q{UPDATE anon_auth.events SET id = overlay(id::text placing '0100' from 1 for 4)::uuid WHERE user_id = %s}, $flooded->{sub});
query('SELECT anon_auth.change_password(%s, %s, %s)', 'after an hour', $passwords[8], $flooded->{access_token});
is(messages(), "password_changed|$flooded->{email}", 'later changes are told again');

# ---------------------------------------------------------------------------
# Two calls at once
# ---------------------------------------------------------------------------

sub connection
{
	my %session = (in => '', out => '', err => '', timeout => IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));

	$session{run} = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres') ],
		'<', \$session{in}, '>', \$session{out}, '2>', \$session{err}, $session{timeout});
	return \%session;
}

sub begin
{
	my ($session, $sql, @values) = @_;

	$session->{out} = '';
	$session->{in} .= sprintf($sql, map { sql_literal($_) } @values) . ";\n\\echo ended :SQLSTATE\n";
	$session->{run}->pump_nb while length $session->{in};
}

# The result, or the SQLSTATE.
sub end
{
	my ($session) = @_;

	until ($session->{out} =~ /^ended (\w{5})$/m)
	{
		die 'no answer: ' . $session->{err} if !$session->{run}->pumpable;
		$session->{run}->pump;
	}
	my ($output, $state) = $session->{out} =~ /\A(.*?)\n?^ended (\w{5})$/ms;
	return $state eq '00000' ? $output : $state;
}

my ($first, $second) = (connection(), connection());

# Run a call in a transaction, begin another one, wait until that waits for a lock, and commit.
sub race
{
	my ($one, $other) = @_;

	query('SELECT anon_auth.reset_counters()');
	begin($first, 'BEGIN');
	end($first);
	begin($first, @$one);
	my $result = end($first);
	begin($second, @$other);
	$node->poll_query_until('postgres', q{SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query ~ 'anon_auth'});
	begin($first, 'COMMIT');
	end($first);
	return [ $result, end($second) ];
}

my $change = 'SELECT anon_auth.change_password(%s, %s, %s)';
my $racer = account();
my $elsewhere = login($racer);
is_deeply(race([ $change, 'password one', 'correct horse', $racer->{access_token} ], [ $change, 'password two', 'correct horse', $elsewhere->{access_token} ]),
	[ 't', 'AA014' ], 'two sessions change the password: the first ends the other session');
is_deeply(race([ $change, 'password three', 'password one', $racer->{access_token} ], [ $change, 'password four', 'password one', $racer->{access_token} ]),
	[ 't', 'f' ], 'one session changes it twice: the second has the wrong old password');
isnt(login($racer, 'password three')->{access_token}, undef, 'the first one is the password');

my ($a, $b) = (account(), account());
my $add = q{SELECT anon_auth.add_login_id('username', 'wanted', NULL, %s)};
is_deeply(race([ $add, $a->{access_token} ], [ $add, $b->{access_token} ]), [ 't', 'AA009' ], 'two users add the same login ID: the second is refused');
is(query(q{SELECT anon_auth.find_user('wanted')}), $a->{sub}, 'the first one has it');

my $promote = q{SELECT count(*) FROM anon_auth.promote_anonymous_user('app', username => %s, password => 'correct horse', refresh_token => %s)};
my $delete = 'SELECT anon_auth.delete_account(%s) IS NOT NULL';
my $guest = guest();
is_deeply(race([ $delete, $guest->{access_token} ], [ $promote, 'racer1', $guest->{refresh_token} ]), [ 't', 'AA006' ], 'a guest that is being deleted is not promoted');
is(query('SELECT count(*) FROM anon_auth.users WHERE id = %s', $guest->{sub}), 0, 'it is gone');
$guest = guest();
is_deeply(race([ $promote, 'racer2', $guest->{refresh_token} ], [ $delete, $guest->{access_token} ]), [ 1, 'AA014' ], "the guest's token does not delete the account that it becomes meanwhile");
is(query('SELECT is_anonymous FROM anon_auth.users WHERE id = %s', $guest->{sub}), 'f', 'it is there');

my $claim = q{SELECT count(*) FROM anon_auth.claim_anonymous_user('app', access_token => %s, refresh_token => %s)};
$guest = guest();
is_deeply(race([ $claim, $a->{access_token}, $guest->{refresh_token} ], [ $delete, $guest->{access_token} ]), [ 0, 'AA014' ], 'nor does it delete anything after a merge');
$guest = guest();
is_deeply(race([ $delete, $guest->{access_token} ], [ $claim, $a->{access_token}, $guest->{refresh_token} ]), [ 't', 'AA006' ], 'a guest that is being deleted is not merged');

$_->{run}->finish for map { $_->{in} .= "\\q\n"; $_ } $first, $second;
$node->stop;
done_testing();
