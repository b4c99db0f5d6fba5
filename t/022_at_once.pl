# Twenty clients run the same operation at the same moment. The outcome must be
# the same as for one client after the other, and no user may be left in an
# inconsistent state. The clients queue behind a lock on a table and start when
# it is released.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Device qw(call challenge sql_literal);
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use constant CLIENTS => 20;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->append_conf('postgresql.conf', 'deadlock_timeout = 100ms');
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION anon_auth; CREATE TABLE gate ()');
call($node, 'create_client', client_id => 'app', application_type => 'native');
call(
	$node, 'create_client',
	client_id => 'rotating',
	application_type => 'native',
	refresh_token_rotation_enabled => 'true');
$node->safe_psql('postgres',
	'UPDATE anon_auth.settings SET password_hash_memory_kib = 8192, password_hash_passes = 1');

sub query { return $node->safe_psql('postgres', $_[0]); }

# Runs the statements at the same time, each in a separate connection. Returns a
# list of [output, SQLSTATE or ''].
sub at_once
{
	my (@statements) = @_;
	my @clients;
	my $gate_in = '';
	my $gate_out = '';
	my $gate = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres') ],
		'<', \$gate_in, '>', \$gate_out);

	$gate_in = "BEGIN;\nLOCK TABLE gate;\n\\echo locked\n";
	$gate->pump until $gate_out =~ /locked/;
	for my $statement (@statements)
	{
		my %client = (in => "TABLE gate;\n$statement;\n", out => '', err => '');

		$client{run} = IPC::Run::start(
			[ 'psql', '-XAtq', '-v', 'VERBOSITY=verbose', '-d', $node->connstr('postgres') ],
			'<', \$client{in}, '>', \$client{out}, '2>', \$client{err});
		$client{run}->pump_nb;
		push @clients, \%client;
	}
	my $waiting = q{SELECT count(*) FROM pg_locks WHERE relation = 'gate'::regclass AND NOT granted};
	my $deadline = time + $PostgreSQL::Test::Utils::timeout_default;
	until (query($waiting) == @statements)
	{
		$_->{run}->pump_nb for @clients;
		die 'not all clients waited for the lock' if time > $deadline;
	}
	$gate_in .= "COMMIT;\n\\q\n";
	$gate->finish;
	$_->{run}->finish for @clients;
	return map {
		chomp $_->{out};
		[ $_->{out}, $_->{err} =~ /ERROR:  (\w{5}):/ ? $1 : '' ]
	} @clients;
}

sub winners { return grep { $_->[1] eq '' } @_; }

sub states
{
	my %count;

	$count{ $_->[1] || 'done' }++ for @_;
	return \%count;
}

sub promotion
{
	my ($guest, $email) = @_;

	return sprintf q{SELECT sub FROM anon_auth.promote_anonymous_user('app', email => %s,
		password => 'correct horse', refresh_token => %s)},
	  sql_literal($email), sql_literal($guest->{refresh_token});
}

sub guest { return call($node, 'authenticate_anonymously', client_id => $_[0] // 'app'); }

# Number of inconsistent users: guests with credentials, regular users without,
# keys without owner, missing events.
my $broken = q{
	SELECT count(*) FROM anon_auth.users u
	WHERE is_anonymous = EXISTS (SELECT FROM anon_auth.passwords p WHERE p.user_id = u.id)
	   OR is_anonymous = EXISTS (SELECT FROM anon_auth.login_ids l WHERE l.user_id = u.id)
	   OR (device_kid IS NOT NULL) <> EXISTS (SELECT FROM anon_auth.device_keys d WHERE d.user_id = u.id AND d.kid = u.device_kid)
	   OR NOT EXISTS (SELECT FROM anon_auth.events e WHERE e.user_id = u.id AND e.type = 'user.created')
	   OR NOT is_anonymous AND 1 <> (SELECT count(*) FROM anon_auth.events e WHERE e.user_id = u.id AND e.type = 'user.anonymous.promoted')};

# First logins of one key

my $device = AnonAuth::Device->new(alg => 'ES256');
my @results = at_once(
	map {
		sprintf q{SELECT sub FROM anon_auth.authenticate_anonymously('app', jwt => %s)},
		  sql_literal($device->request(challenge => challenge($node), with_jwk => 1))
	} 1 .. CLIENTS);
my %subs = map { $_->[0] => 1 } winners(@results);
is_deeply(states(@results), { done => CLIENTS }, 'twenty first logins of one key all succeed');
is(scalar keys %subs, 1, 'twenty first logins of one key return the same user');
is(query('SELECT count(*) FROM anon_auth.users'), 1, 'twenty first logins of one key create one user');
is(query('SELECT count(*) FROM anon_auth.sessions'), CLIENTS, 'twenty first logins of one key create twenty sessions');
is(query(q{SELECT count(*) FROM anon_auth.events WHERE type = 'user.created'}),
	1, 'twenty first logins of one key write one user.created event');
is(query($broken), 0, 'twenty first logins of one key leave every user consistent');

# The same request

my $request = $device->request(challenge => challenge($node));
@results = at_once(
	(sprintf q{SELECT sub FROM anon_auth.authenticate_anonymously('app', jwt => %s)}, sql_literal($request))
	x CLIENTS);
is_deeply(states(@results), { done => 1, AA005 => CLIENTS - 1 },
	'of twenty logins with one request, one succeeds and the others are refused as replays');

my $new_device = AnonAuth::Device->new(alg => 'ES256');
$request = $new_device->request(challenge => challenge($node), with_jwk => 1);
@results = at_once(
	(sprintf q{SELECT sub FROM anon_auth.authenticate_anonymously('app', jwt => %s)}, sql_literal($request))
	x CLIENTS);
is_deeply(states(@results), { done => 1, AA005 => CLIENTS - 1 }, 'of twenty sign-ups with one request, one succeeds and the others are refused as replays');
is(query($broken), 0, 'twenty sign-ups with one request leave every user consistent');

# Promotions of one guest

my $guest = guest();
@results = at_once(map { promotion($guest, "one$_\@example.com") } 1 .. CLIENTS);
my $states = states(@results);
is($states->{done}, 1, 'of twenty promotions of one guest, one succeeds');
is($states->{AA008} + ($states->{AA006} // 0),
	CLIENTS - 1, 'the other promotions are refused because the user is a regular user or the session has ended');
is((winners(@results))[0][0], $guest->{sub}, "the successful promotion returns the guest's sub");
is( query(
		sprintf q{SELECT (SELECT count(*) FROM anon_auth.login_ids WHERE user_id = %s),
			(SELECT count(*) FROM anon_auth.sessions WHERE user_id = %s)},
		(sql_literal($guest->{sub})) x 2),
	'1|1',
	'twenty promotions of one guest leave one login ID and one session');
is(query($broken), 0, 'twenty promotions of one guest leave every user consistent');

# Guests that want one login ID

my @guests = map { guest() } 1 .. CLIENTS;
@results = at_once(map { promotion($_, 'wanted@example.com') } @guests);
is_deeply(states(@results), { done => 1, AA009 => CLIENTS - 1 },
	'of twenty guests that are promoted with one e-mail address, one succeeds');
is( query(
		'SELECT count(*) FROM anon_auth.users WHERE is_anonymous AND id IN ('
		  . join(', ', map { sql_literal($_->{sub}) } @guests) . ')'),
	CLIENTS - 1,
	'the guests whose promotion failed are still guests');
is(query($broken), 0, 'twenty promotions with one e-mail address leave every user consistent');
@results = map { [ $node->psql('postgres',
		sprintf q{SELECT FROM anon_auth.refresh_session('app', %s)}, sql_literal($_->{refresh_token})) ] } @guests;
is((grep { $_->[0] == 0 } @results), CLIENTS - 1, 'the guests whose promotion failed keep their sessions');

# Refreshes of one session with rotation

$guest = guest('rotating');
@results = at_once(
	(sprintf q{SELECT refresh_token FROM anon_auth.refresh_session('rotating', %s)},
		sql_literal($guest->{refresh_token})) x CLIENTS);
my %successors = map { $_->[0] => 1 } winners(@results);
is_deeply(states(@results), { done => CLIENTS }, 'twenty refreshes with one token all succeed');
is(scalar keys %successors, 1, 'twenty refreshes with one token return the same successor');
isnt((keys %successors)[0], $guest->{refresh_token}, 'the successor differs from the refreshed token');

# Exchanges of one authorization code

$node->safe_psql('postgres',
	q{UPDATE anon_auth.clients SET redirect_uris = '{https://app.example/}' WHERE client_id = 'app'});
my $code = call(
	$node, 'authorize_promotion',
	client_id => 'app',
	redirect_uri => 'https://app.example/',
	code_challenge => 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
	email => 'code@example.com',
	password => 'correct horse',
	refresh_token => guest()->{refresh_token})->{code};
@results = at_once(
	(sprintf q{SELECT sub FROM anon_auth.exchange_authorization_code('app', %s, 'https://app.example/',
		'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk')}, sql_literal($code)) x CLIENTS);
is_deeply(states(@results), { done => CLIENTS }, 'twenty exchanges of one authorization code raise no error');
is(scalar(grep { $_->[0] ne '' } @results), 1, 'of twenty exchanges of one authorization code, one returns tokens');

# Different operations on one user at the same time: no order may deadlock

my $busy = AnonAuth::Device->new(alg => 'ES256');
my $session = call($node, 'authenticate_anonymously',
	client_id => 'app', jwt => $busy->request(challenge => challenge($node), with_jwk => 1));
$node->safe_psql('postgres', q{UPDATE anon_auth.users SET last_seen_at = last_seen_at - interval '2 hours'});
@results = at_once(
	(map {
		sprintf q{SELECT sub FROM anon_auth.authenticate_anonymously('app', jwt => %s)},
		  sql_literal($busy->request(challenge => challenge($node)))
	} 1 .. 5),
	(sprintf q{SELECT sub FROM anon_auth.refresh_session('app', %s)}, sql_literal($session->{refresh_token})) x 5,
	(map {
		sprintf q{SELECT sub FROM anon_auth.promote_anonymous_user('app', email => 'busy%d@example.com',
			password => 'correct horse', jwt => %s)},
		  $_, sql_literal($busy->request(challenge => challenge($node), action => 'promote'))
	} 1 .. 3),
	(map { promotion($session, "busy1$_\@example.com") } 1 .. 3),
	(sprintf q{SELECT anon_auth.revoke_sessions(%s)}, sql_literal($session->{sub})) x 2,
	sprintf(q{SELECT anon_auth.disable_user(%s)}, sql_literal($session->{sub})));
is(states(@results)->{'40P01'}, undef, 'concurrent logins, refreshes, promotions and disable_user() do not deadlock');
is(query($broken), 0, 'concurrent operations on one user leave it consistent');
is( query(
		sprintf q{SELECT count(*) FROM anon_auth.sessions WHERE user_id = %s}, sql_literal($session->{sub})),
	0,
	'the disabled user has no session');

$node->stop;

done_testing();
