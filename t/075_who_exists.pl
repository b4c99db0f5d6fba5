# Test that a password reset does not reveal whether a user exists: by the
# traces it leaves in the caller's transaction, by lock waits, or by time. The
# same by time for the endpoint and the pages of login codes.
#
# Clients measure the times, commits included: eight at once, with fsync on, by
# SQL. They also measure by HTTP where nginx and PostgREST are installed or npm
# can fetch them. The area under the ROC curve (AUC) is the probability that a
# call for one kind of login ID takes longer than a call for the other: 0.5 if
# time reveals nothing. Known against known is measured as well, to show the
# random deviation.
#
# ANON_AUTH_TIMING_SAMPLES is the number of calls of each kind. The default is
# 240.
#
# Runs alone: it compares times.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Connection;
use AnonAuth::Device qw(sql_literal);
use AnonAuth::Web;
use AnonAuth::Wire;
use HTTP::Tiny;
use JSON::PP ();
use List::Util qw(max shuffle sum);
use POSIX ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Storable ();
use Test::More;
use Time::HiRes qw(time);

use constant CLIENTS => 8;
use constant BLOCK => 10;    # login IDs of each kind, for each client
use constant ROUNDS => 40;    # rounds of eight calls at once for one login ID

# The random deviation is 0.03 with 240 calls of each kind, and 0.07 with 40
# rounds.
use constant MARGIN => 0.12;
use constant ROUNDS_MARGIN => 0.25;

my $samples = $ENV{ANON_AUTH_TIMING_SAMPLES} // 240;
my $json = JSON::PP->new->canonical->utf8;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->append_conf('postgresql.conf', <<'CONF');
fsync = on
synchronous_commit = on
jit = off
autovacuum = off
max_connections = 60
log_statement = none
log_min_messages = fatal
CONF
$node->start;

sub query { return $node->safe_psql('postgres', $_[0]); }

my $web;
my $no_web = AnonAuth::Web->missing;
if (!$no_web)
{
	$web = AnonAuth::Web->new($node);
}
else { query('CREATE EXTENSION anon_auth; CREATE EXTENSION anon_auth_http; CREATE ROLE anon'); }

# known-1-2@example.com belongs to the third user of the second client. The
# phone number of that user ends in 0102.
query(sprintf <<'SQL', CLIENTS, BLOCK);
SELECT anon_auth.create_client('resets', 'native'), anon_auth.grant_client_api('anon');
CREATE ROLE visitor LOGIN;
SELECT anon_auth.grant_client_api('visitor');
UPDATE anon_auth.settings SET password_hash_memory_kib = 8192, password_hash_passes = 1, guest_sign_ups_per_minute_per_ip = NULL,
	password_attempts_per_minute_per_ip = NULL, code_requests_per_minute_per_ip = NULL, sms_requests_per_hour = NULL, login_id_types = '{email,phone_number,username}';
CREATE PROCEDURE make_users(clients integer, users integer) LANGUAGE plpgsql AS $$
BEGIN
	FOR c IN 0 .. clients - 1 LOOP
		FOR u IN 0 .. users - 1 LOOP
			PERFORM anon_auth.promote_anonymous_user('resets', email => format('known-%%s-%%s@example.com', c, u), phone_number => '+852' || 51230000 + c * 100 + u,
				password => 'correct horse', refresh_token => (anon_auth.authenticate_anonymously('resets')).refresh_token);
			COMMIT;
		END LOOP;
	END LOOP;
END $$;
CALL make_users(%d, %d);
SELECT anon_auth.request_password_reset(format('known-%%s-%%s@example.com', c, u)) FROM generate_series(0, 7) c, generate_series(0, 9) u;
DELETE FROM anon_auth.outbox;
SQL

sub no_limits { query('SELECT anon_auth.reset_counters()'); }

# ---------------------------------------------------------------------------
# Traces in the caller's transaction
# ---------------------------------------------------------------------------

my ($first, $second) = map { AnonAuth::Connection->new($node) } 1 .. 2;
my %mail = (user => 'known-0-0@example.com', nobody => 'unknown-0-0@example.com');
my %phone = (user => '+85251230000', nobody => '+85259999999');

sub request_of { return 'SELECT anon_auth.request_password_reset(' . sql_literal($_[0]) . ') IS NULL'; }

sub reset_of { return 'SELECT anon_auth.reset_password(' . sql_literal($_[0]) . q{, 'WRONGCODE0', 'another horse')}; }

# Return whether the transaction has something to commit, and its locks except
# those on tables.
my $traces = q{SELECT pg_current_xact_id_if_assigned() IS NOT NULL,
	(SELECT string_agg(locktype || ' ' || mode, ', ' ORDER BY locktype, mode) FROM pg_locks WHERE pid = pg_backend_pid() AND locktype NOT IN ('relation', 'virtualxid'))};

sub traces_of
{
	my ($call) = @_;

	$first->query($call);    # warm up the caches of the backend
	no_limits();
	my $traces = $first->query("BEGIN; $call; $traces; ROLLBACK");
	no_limits();
	return $traces;
}

is(traces_of(reset_of($mail{user})), traces_of(reset_of($mail{nobody})), "a wrong code leaves the same traces for a user's address as for an unknown address");
is(traces_of(reset_of($phone{user})), traces_of(reset_of($mail{nobody})),
	"a wrong code leaves the same traces for a user's phone number as for an unknown address");
is(traces_of(reset_of('somebody')), traces_of(reset_of($mail{nobody})),
	'a wrong code leaves the same traces for a username as for an unknown address');
unlike(traces_of(reset_of($mail{user})), qr/^t/m, 'a wrong code writes nothing');
is(traces_of(request_of($mail{user})), traces_of(request_of($mail{nobody})), "a request leaves the same traces for a user's address as for an unknown address");
is(traces_of(request_of($phone{user})), traces_of(request_of($phone{nobody})),
	"a request leaves the same traces for a user's phone number as for an unknown one");

# ---------------------------------------------------------------------------
# Lock waits
# ---------------------------------------------------------------------------

# Return what the second call does while the transaction of the first is open.
sub beside
{
	my ($open, $call) = @_;

	no_limits();
	$first->query("BEGIN; $open");
	no_limits();
	$second->begin("SET lock_timeout = '500ms';\n\\set VERBOSITY sqlstate\n$call;\nRESET lock_timeout;");
	my ($output, $errors) = @{ $second->end };
	$first->query('ROLLBACK');
	return $errors eq '' ? 'done' : $errors =~ /ERROR:  (\w{5})/ ? $1 : $errors;
}

is(beside(reset_of($mail{user}), reset_of($phone{user})), 'done', 'a wrong code for a phone number does not wait for one for the address of the same user');
is(beside(reset_of($mail{user}), reset_of($mail{user})), 'done',
	'a wrong code does not wait for one for the same address');
is(beside(request_of($mail{user}), request_of($phone{user})), 'done', 'a request for a phone number does not wait for one for the address of the same user');
is(beside(request_of($mail{user}), reset_of($mail{user})), 'done', 'a wrong code does not wait for a request');
is(beside(request_of($mail{$_}), request_of($mail{$_})), '55P03', "a request waits for one for the same address ($_)") for qw(user nobody);
is(beside(request_of($mail{user}), q{SELECT count(*) FROM anon_auth.authenticate('resets', } . sql_literal($mail{user}) . q{, 'correct horse')}), 'done', 'a login does not wait for a request');
$_->close for $first, $second;

# ---------------------------------------------------------------------------
# Time
# ---------------------------------------------------------------------------

# Return the AUC (Mann-Whitney, ties count half).
sub auc
{
	my ($left, $right) = @_;
	my %counts;
	my ($below, $wins) = (0, 0);

	$counts{$_}[0]++ for @$left;
	$counts{$_}[1]++ for @$right;
	for my $time (sort { $a <=> $b } keys %counts)
	{
		my ($l, $r) = map { $_ // 0 } @{ $counts{$time} }[ 0, 1 ];

		$wins += $r * ($below + $l / 2);
		$below += $l;
	}
	return $wins / (@$left * @$right);
}

sub median { return (sort { $a <=> $b } @{ $_[0] })[ @{ $_[0] } / 2 ]; }

is(sprintf('%.3f', auc([ 1, 2, 2, 4 ], [ 2, 3 ])), '0.625', 'the measure counts ties half');
is(auc([ 1 .. 100 ], [ 101 .. 200 ]), 1, 'the measure is 1 where every call of one kind takes longer');

# A way to call: returns a function of (function, login ID) that waits for the
# result.
my %bodies = (
	reset_password => sub { +{ login_id => $_[0], code => 'WRONGCODE0', new_password => 'another horse' } },
	request_password_reset => sub { +{ login_id => $_[0] } });

sub by_sql
{
	my $wire = AnonAuth::Wire->new($node, 'visitor');

	for my $function (keys %bodies)
	{
		my @names = sort keys %{ $bodies{$function}->('') };
		my $n = 0;

		$wire->prepare($function, "SELECT anon_auth.$function(" . join(', ', map { "$_ => \$" . ++$n } @names) . ')');
	}
	return sub {
		my ($function, $login_id) = @_;
		my $body = $bodies{$function}->($login_id);

		$wire->begin_prepared($function, map { $body->{$_} } sort keys %$body);
		my $error = $wire->end->{error};
		die "$function: $error->{C} $error->{M}" if $error;
	};
}

my $rest;

sub by_http
{
	my $http = HTTP::Tiny->new(agent => 'test', keep_alive => 1, timeout => $PostgreSQL::Test::Utils::timeout_default, no_proxy => ['127.0.0.1']);

	return sub {
		my ($function, $login_id) = @_;
		my $response = $http->request('POST', "$rest/rpc/$function",
			{ headers => { 'Content-Type' => 'application/json' }, content => $json->encode($bodies{$function}->($login_id)) });

		die "$function: $response->{status} $response->{content}" if !$response->{success};
	};
}

# Run work(client number) in as many processes at once. Returns their results.
sub in_parallel
{
	my ($work) = @_;
	my @running;

	for my $client (0 .. CLIENTS - 1)
	{
		my $file = PostgreSQL::Test::Utils::tempdir() . '/result';
		my $pid = fork // die "cannot fork: $!";

		if ($pid == 0)
		{
			srand;
			my $result = eval { $work->($client) } // "$@";

			Storable::store(\$result, $file);
			POSIX::_exit(0);
		}
		push @running, [ $pid, $file ];
	}
	return map {
		waitpid $_->[0], 0;
		my $result = ${ Storable::retrieve($_->[1]) };
		die "a client has failed: $result" if !ref $result;
		$result;
	} @running;
}

# Return the times of the calls, kind => [...]. Half of the users are "also
# known". $prepare->(connection, login IDs) comes before each block of calls.
sub time_calls
{
	my ($way, $function, $prepare) = @_;
	my %times;
	my $blocks = POSIX::ceil($samples / (CLIENTS * BLOCK / 2));
	my @results = in_parallel(sub {
		my ($client) = @_;
		my $call = $way->();
		my $admin = AnonAuth::Wire->new($node, query('SELECT current_user'));
		my %own;

		for my $block (0 .. $blocks)
		{
			my @ids = (
				(map { [ 'known', "known-$client-$_\@example.com" ] } 0 .. BLOCK / 2 - 1),
				(map { [ 'also known', "known-$client-$_\@example.com" ] } BLOCK / 2 .. BLOCK - 1),
				(map { [ 'unknown', "wrong-$client-$_\@example.com" ] } 0 .. BLOCK / 2 - 1));

			$admin->run('SELECT anon_auth.reset_counters()');
			$prepare->($admin, map { $_->[1] } @ids) if $prepare;
			for my $id (shuffle @ids)
			{
				my $begin = time;

				# Another client may just have reset the limits; this client
				# does not exploit that.
				$call->($function, $id->[1]);
				# Do not measure cold caches.
				push @{ $own{ $id->[0] } }, time - $begin if $block > 0;
			}
		}
		return \%own;
	});

	for my $own (@results)
	{
		push @{ $times{$_} }, @{ $own->{$_} } for keys %$own;
	}
	return \%times;
}

sub compare
{
	my ($what, $times, $left, $right) = @_;
	my $auc = auc(@$times{ $left, $right });

	diag(sprintf '%s, %s / %s: n %d, medians %.2f and %.2f ms, AUC %.3f', $what, $left, $right, scalar @{ $times->{$left} }, map({ 1000 * median($times->{$_}) } $left, $right), $auc);
	return abs($auc - 0.5);
}

# A disturbance of the machine does not occur three times; a leak in the code
# does.
sub tells_nothing
{
	my ($what, $measure, $margin, $name) = @_;

	for my $try (1 .. 3)
	{
		my $times = $measure->();
		my $distance = compare($what, $times, 'known', 'unknown');

		compare($what, $times, 'known', 'also known') if $times->{'also known'};
		return ok(1, $name) if $distance < $margin;
	}
	return ok(0, $name);
}

# Return the time of the slowest of eight calls at once for one login ID.
sub time_rounds
{
	my ($way) = @_;
	my $start = time + 1;
	my $interval = 0.15;
	my %slowest;
	my @results = in_parallel(sub {
		my $call = $way->();
		my @times;

		$call->('reset_password', 'warm-up@example.com');
		for my $round (0 .. 3 * ROUNDS - 1)
		{
			my $begin = $start + $round * $interval;
			my $id = sprintf '%s-0-%d@example.com', ($round % 3 == 2 ? 'wrong' : 'known'), $round % BLOCK;

			Time::HiRes::sleep($begin - time) if $begin > time;
			my $called = time;
			$call->('reset_password', $id);
			push @times, time - $called;
		}
		return \@times;
	});

	for my $round (0 .. 3 * ROUNDS - 1)
	{
		push @{ $slowest{ ('known', 'also known', 'unknown')[ $round % 3 ] } }, max map { $_->[$round] } @results;
	}
	return \%slowest;
}

sub try_way
{
	my ($way, $by) = @_;

	tells_nothing("reset_password() by $by", sub { time_calls($way, 'reset_password') }, MARGIN, "a wrong code takes equally long for an existing and a missing user, by $by");
	tells_nothing("request_password_reset() by $by", sub { time_calls($way, 'request_password_reset') }, MARGIN, "a request for a code takes equally long for an existing and a missing user, by $by");
	tells_nothing("the slowest of eight reset_password() by $by", sub { no_limits(); time_rounds($way) }, ROUNDS_MARGIN, "the slowest of eight wrong codes at once for one login ID takes equally long, by $by");
	return;
}

# ---------------------------------------------------------------------------
# Login codes over HTTP
# ---------------------------------------------------------------------------

# No address may have more than three live codes.
sub forget_codes
{
	my ($admin, @ids) = @_;

	$admin->run('DELETE FROM anon_auth.address_codes WHERE recipient IN (' . join(', ', map { sql_literal($_) } @ids) . ')');
	return;
}

sub send_codes
{
	my ($admin, @ids) = @_;

	forget_codes($admin, @ids);
	$admin->run("SELECT anon_auth.request_login_code('resets', " . sql_literal($_) . ')') for @ids;
	$admin->run('SELECT anon_auth.reset_counters()');
	return;
}

# The endpoint, and the log-in page on which a code is requested or typed. Each
# function takes the URI of the client's log-in page and a login ID.
my %code_forms = (
	'POST /api/login_code' => sub { return ("$web->{origin}/api/login_code", 200, $json->encode({ client_id => 'resets', login_id => $_[1] }), 'application/json'); },
	'the page that sends a code' => sub { return ($_[0], 200, HTTP::Tiny->new->www_form_urlencode({ method => 'code', login_id => $_[1] })); },
	'the page that checks a code' => sub { return ($_[0], 422, HTTP::Tiny->new->www_form_urlencode({ step => 'code', login_id => $_[1], code => '000000' })); });

sub by_browser
{
	my $http = HTTP::Tiny->new(agent => 'test', keep_alive => 1, max_redirect => 0, timeout => $PostgreSQL::Test::Utils::timeout_default, no_proxy => ['127.0.0.1']);
	my $start = $http->get("$web->{origin}/oauth2/authorize?" . $http->www_form_urlencode({
		client_id => 'pages', redirect_uri => 'https://app.example/cb', response_type => 'code', scope => 'openid', prompt => 'login',
		code_challenge => 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM', code_challenge_method => 'S256' }));
	my $cookies = $start->{headers}{'set-cookie'} // [];
	my %headers = (Origin => $web->{origin}, Cookie => join '; ', map { /^([^;]*)/ } ref $cookies ? @$cookies : $cookies);
	my $page = $start->{headers}{location} // die "authorize: $start->{status} $start->{content}";

	$page = "$web->{origin}$page" if $page !~ /^http/;
	return sub {
		my ($form, $login_id) = @_;
		my ($uri, $status, $content, $type) = $code_forms{$form}->($page, $login_id);
		my $response = $http->post($uri, { content => $content, headers => { %headers, 'Content-Type' => $type // 'application/x-www-form-urlencoded' } });

		die "$form: $response->{status} $response->{content}" if $response->{status} != $status;
	};
}

sub codes_tell_nothing
{
	query(q{SELECT anon_auth.create_client('pages', 'spa', '{https://app.example/cb}'); UPDATE anon_auth.settings SET page_login_methods = '{code}'});
	query(q{UPDATE anon_auth.login_ids SET verified_at = now(); UPDATE anon_auth.users SET is_verified = true WHERE NOT is_anonymous});
	for my $form (sort keys %code_forms)
	{
		my $prepare = $form =~ /checks/ ? \&send_codes : \&forget_codes;

		tells_nothing($form, sub { time_calls(\&by_browser, $form, $prepare) }, MARGIN, "$form takes equally long for an existing and a missing user");
	}
	return;
}

# ---------------------------------------------------------------------------
# Responses of the endpoints
# ---------------------------------------------------------------------------

# Status, headers and body, without times and lengths of times.
sub whole_response
{
	my ($response) = @_;
	my %headers = %{ $response->{headers} };

	delete $headers{date};
	return join "\n", $response->{status}, map({ "$_: " . (ref $headers{$_} ? "@{ $headers{$_} }" : $headers{$_}) } sort keys %headers),
	  $response->{content} =~ s/"expire_at":"\d{4}-\d\d-\d\dT[\d:.]{15}Z"/"expire_at":"..."/r;
}

# The addresses of a verified login ID, of one that is only claimed, and of nobody.
sub same_over_http
{
	my @addresses = ('known-0-1@example.com', 'known-0-2@example.com', 'wrong-0-1@example.com');
	my %calls = (
		'a request for a code' => sub { $web->post_json('/api/login_code', { client_id => 'resets', login_id => $_[0] }) },
		'a second request for a code' => sub {
			my %body = (client_id => 'resets', login_id => $_[0]);

			$web->post_json('/api/login_code', \%body);
			$web->post_json('/api/login_code', \%body);
		},
		'a wrong code' => sub { $web->post_form('/oauth2/token', { client_id => 'resets', grant_type => 'urn:anon-auth:params:oauth:grant-type:login-code', login_id => $_[0], code => '000000' }) },
		'a sign-up with a wrong code' => sub { $web->post_form('/oauth2/token', { client_id => 'resets', grant_type => 'urn:anon-auth:params:oauth:grant-type:login-code', login_id => $_[0], code => '000000', prompt => 'create' }) },
		'a promotion with a wrong code' => sub {
			my $guest = $web->post_json('/api/anonymous_user/signup', { session_type => 'refresh_token', client_id => 'resets' })->{json}{result};

			$web->post_form('/oauth2/token', { client_id => 'resets', grant_type => 'urn:anon-auth:params:oauth:grant-type:login-code', login_id => $_[0], code => '000000', refresh_token => $guest->{refresh_token} });
		});

	query(q{UPDATE anon_auth.login_ids SET verified_at = now() WHERE value = 'known-0-1@example.com'; UPDATE anon_auth.users u SET is_verified = true FROM anon_auth.login_ids l WHERE l.user_id = u.id AND l.value = 'known-0-1@example.com'});
	query('DELETE FROM anon_auth.outbox');
	for my $name (sort keys %calls)
	{
		my %seen;

		for my $address (@addresses)
		{
			no_limits();
			my $response = whole_response($calls{$name}->($address));

			$seen{$response} = $address;
			like($response, $name =~ /^a request/ ? qr/^200\b/ : $name =~ /second/ ? qr/^429\b/ : qr/^400\b.*InvalidCredentials/s, "$name: the response for $address");
		}
		is(scalar keys %seen, 1, "$name has the same status, headers and body for a verified, a claimed and an unknown address") or diag(join "\n----\n", keys %seen);
	}
	is(query(q{SELECT recipient, count(*), count(code), min(type), max(client_id), count(language), count(link) FROM anon_auth.take_outbox_messages(100) GROUP BY 1 ORDER BY 1}),
		join("\n", map { "$_|2|2|login_code|resets|0|2" } @addresses), 'and the same messages are sent');
	return;
}

try_way(\&by_sql, 'SQL');
SKIP:
{
	skip $no_web, 3 if $no_web;
	same_over_http();
	codes_tell_nothing();
	$rest = $web->start_postgrest(PGRST_DB_SCHEMAS => 'anon_auth', PGRST_DB_ANON_ROLE => 'anon', PGRST_DB_POOL => 16);
	try_way(\&by_http, 'HTTP');
	$web->stop;
}

$node->stop;
done_testing();
