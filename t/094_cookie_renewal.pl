# Cookie sessions outlive a change of the master key: the browser gets its cookie
# again, made with the current key, when it uses the session.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Device qw(sql_literal);
use AnonAuth::Web;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $reason = AnonAuth::Web->missing;

plan skip_all => $reason if $reason;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->append_conf('postgresql.conf', 'fsync = off');
$node->start;

my $web = AnonAuth::Web->new($node);
my $origin = $web->origin;
my %own = (Origin => $origin, 'Sec-Fetch-Site' => 'same-origin');

sub query { return $node->safe_psql('postgres', $_[0]); }

query(<<'SQL');
CREATE FUNCTION api.who() RETURNS uuid LANGUAGE sql STABLE AS 'SELECT anon_auth.uid()';
CREATE FUNCTION api.own_headers() RETURNS void LANGUAGE plpgsql STABLE AS
	$$ BEGIN PERFORM set_config('response.headers', '[{"Cache-Control":"public, max-age=60"}]', true); END $$;
CREATE FUNCTION api.change() RETURNS uuid LANGUAGE sql VOLATILE AS 'SELECT anon_auth.uid()';
-- A pre-request function of an application that has headers of its own
CREATE FUNCTION public.before_request() RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		PERFORM set_config('response.headers', nullif(current_setting('app.headers', true), ''), true);
		PERFORM anon_auth.postgrest_pre_request();
	END $$;
NOTIFY pgrst, 'reload schema';
SQL
$web->wait_for('the functions', sub { $web->get('/rest/rpc/who')->{status} == 200 });

# ---------------------------------------------------------------------------
# A browser
# ---------------------------------------------------------------------------

sub set_cookies
{
	my $lines = $_[0]{headers}{'set-cookie'} // [];

	return ref $lines ? @$lines : ($lines);
}

# The session cookie that a response sets; undef: none.
sub cookie_in
{
	my ($response) = @_;
	my ($cookie) = map { /^session=([^;]*)/ } set_cookies($response);

	return $cookie;
}

sub sign_up
{
	my $response = $web->post_json('/api/anonymous_user/signup',
		{ client_id => 'notebook-cookie', session_type => 'cookie' }, %own);

	return cookie_in($response) // die "sign-up: $response->{status} $response->{content}";
}

sub with { return (Cookie => "session=$_[0]"); }

sub user_of { return $web->get('/oauth2/userinfo', with($_[0]))->{json}{sub} // 'nobody'; }

sub rotate
{
	return query('SELECT anon_auth.rotate_master_key()');
}

sub first_key
{
	return (slurp_file($node->data_dir . '/anon_auth.master_key') =~ /^([0-9a-f]{16}) /m)[0];
}

my $active = sign_up();
my $idle = sign_up();
my $guest = user_of($active);
my $rows = query('SELECT count(*), max(xmin::text::bigint) FROM anon_auth.sessions');
my $former = first_key();

is(cookie_in($web->get('/oauth2/userinfo', with($active), %own)), undef,
	'a cookie made with the current master key is not set again');
query(q{UPDATE anon_auth.settings SET session_lifetime_seconds = 1000000});
rotate();
isnt(first_key(), $former, 'the master key has changed');

# ---------------------------------------------------------------------------
# Requests that renew the cookie
# ---------------------------------------------------------------------------

my %renewing = (
	'GET /oauth2/userinfo' => sub { $web->get('/oauth2/userinfo', @_) },
	'POST /oauth2/userinfo' => sub { $web->request('POST', '/oauth2/userinfo', headers => {@_}) },
	'POST /api/anonymous_user/signup' => sub { $web->post_json('/api/anonymous_user/signup', { session_type => 'cookie' }, @_) },
	'POST /api/account/' => sub { $web->post_json('/api/account/list_sessions', {}, @_) },
	'GET /settings' => sub { $web->get('/settings', @_) },
	'GET /rest/' => sub { $web->get('/rest/rpc/who', @_) },
	'POST /rest/' => sub { $web->post_json('/rest/rpc/change', {}, @_) },
	'GET /private/' => sub { $web->get('/private/', @_) });
my $renewed;

for my $request (sort keys %renewing)
{
	my $response = $renewing{$request}->(with($active), %own);
	my ($line) = set_cookies($response);

	is($response->{status}, 200, "$request is answered");
	isnt($renewed = cookie_in($response) // $active, $active, "$request sets the cookie again");
	like($line // '', qr{^session=[\w-]+; Path=/; HttpOnly; SameSite=Lax; Max-Age=\d+$}, "$request sets it with all its attributes");
	my ($age) = ($line // '') =~ /Max-Age=(\d+)/;

	cmp_ok($age // 0, '>', 1000000 - 3600, "the browser keeps the cookie of $request until the session ends");
	cmp_ok($age // 0, '<=', 1000000, "and no longer ($request)");
	my $cache = $response->{headers}{'cache-control'} // '';

	like(ref $cache ? join(', ', @$cache) : $cache, qr/\bno-store\b/, "no cache stores the cookie of $request");
}
is(user_of($renewed), $guest, 'the new cookie shows the same guest');
is(user_of($active), $guest, 'the former cookie still does, for requests that another tab has sent');
is(query('SELECT count(*), max(xmin::text::bigint) FROM anon_auth.sessions'), $rows, 'renewing a cookie writes no row');
is(cookie_in($web->get('/oauth2/userinfo', with($renewed), %own)), undef, 'a renewed cookie is not renewed again');

# ---------------------------------------------------------------------------
# Requests that do not
# ---------------------------------------------------------------------------

for (
	[ 'a page of another site', 'Sec-Fetch-Site' => 'cross-site', Origin => 'https://evil.example' ],
	[ 'a page of a sibling host', 'Sec-Fetch-Site' => 'same-site' ],
	[ 'a link on another site', 'Sec-Fetch-Site' => 'cross-site', 'Sec-Fetch-Mode' => 'navigate' ])
{
	my ($who, @headers) = @$_;

	is(cookie_in($web->get($_, with($active), @headers)), undef, "a request of $who does not get the cookie ($_)")
	  for '/oauth2/userinfo', '/rest/rpc/who', '/private/';
}
is(cookie_in($web->get('/oauth2/userinfo', with($active), %own, Authorization => 'Bearer x')), undef,
	'a request with an access token does not get the cookie');
is(cookie_in($web->get('/oauth2/userinfo', with(substr($active, 0, -1) . ($active =~ /A$/ ? 'B' : 'A')), %own)), undef,
	'a forged cookie is not renewed');
{
	my $ended = sign_up();

	rotate();
	$web->get('/oauth2/end_session', with($ended), %own);
	is(cookie_in($web->get('/oauth2/userinfo', with($ended), %own)), undef, 'the cookie of a session that has ended is not renewed');
}
{
	my $response = $web->get('/rest/rpc/own_headers', with($active), %own);

	is_deeply([ cookie_in($response), $response->{headers}{'cache-control'} ], [ undef, 'public, max-age=60' ],
		'a function that sets its own headers, and may allow caches, sends no cookie');
}
query(q{UPDATE anon_auth.settings SET session_cookie_persistent = false});
like((set_cookies($web->get('/oauth2/userinfo', with($active), %own)))[0] // '', qr{^session=[\w-]+; Path=/; HttpOnly; SameSite=Lax$},
	'with session_cookie_persistent off, the new cookie ends with the browser too');

# ---------------------------------------------------------------------------
# Headers of the application
# ---------------------------------------------------------------------------

for ([ '[{"X-App":"a"}]' => 'a' ], [ ' [ {"X-App":"b"}, {"X-Other":"c"}] ' => 'b' ], [ '[]' => undef ])
{
	my ($headers, $value) = @$_;

	query('ALTER DATABASE postgres SET app.headers = ' . sql_literal($headers));
	my $direct = $web->start_postgrest(PGRST_DB_PRE_REQUEST => 'public.before_request');
	my $response = $web->get("$direct/rpc/who", with($active), 'Accept-Profile' => 'api');

	is("$response->{status} $response->{content}", "200 \"$guest\"", "a request with the former cookie is answered ($headers)");
	is($response->{headers}{'x-app'}, $value, "a pre-request function keeps its headers ($headers)");
	ok(cookie_in($response), "the cookie is set beside them ($headers)");
	like($response->{headers}{'cache-control'}, qr/no-store/, "no cache stores it, without nginx too ($headers)");
}

# ---------------------------------------------------------------------------
# The former keys go
# ---------------------------------------------------------------------------

$renewed = cookie_in($web->get('/rest/rpc/who', with($active), %own));
for my $key (slurp_file($node->data_dir . '/anon_auth.master_key') =~ /^([0-9a-f]{16}) /mg)
{
	query(sprintf 'SELECT anon_auth.retire_master_key(%s)', sql_literal($key)) if $key ne first_key();
}
is(user_of($renewed), $guest, 'a guest who came back between rotation and retirement is still there');
is($web->get('/rest/rpc/who', with($renewed))->{json}, $guest, 'PostgREST knows the guest, too');
is(user_of($active), 'nobody', 'a cookie of the retired key is refused, so that a copy of it is worth nothing');
is(user_of($idle), 'nobody', 'so is the cookie of a guest who did not come back');

$web->stop;
$node->stop;
done_testing();
