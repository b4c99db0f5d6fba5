# Published OAuth and OpenID Connect libraries, and Authgear's SDKs, work with the
# example site: nginx, PostgREST and anon_auth.
#
# Each program in clients/oauth uses a library as its documentation says. Set
# ANON_AUTH_CLIENTS to a regular expression to run only some programs.
#
# Duration: 110 s

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Device qw(call);
use AnonAuth::Programs;
use AnonAuth::Web;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $reason = AnonAuth::Web->missing;

plan skip_all => $reason if $reason;

my $programs = AnonAuth::Programs->new(
	source => "$FindBin::Bin/clients/oauth",
	directories => { map { $_ => $_ } qw(node go python java) },
	files => { node => [ map { "$FindBin::Bin/browser/$_.mjs" } qw(browser results) ] });
my @clients = (
	{ language => 'node', name => 'openid-client-6', command => [qw(node openid-client-6.mjs)] },
	{ language => 'node', name => 'openid-client-5', command => [qw(node openid-client-5.mjs)] },
	{ language => 'node', name => 'oauth4webapi', command => [qw(node oauth4webapi.mjs)] },
	{ language => 'node', name => 'oidc-client-ts', command => [qw(node oidc-client-ts.mjs)], browser => 1 },
	{ language => 'node', name => '@authgear/web', command => [qw(node authgear-web.mjs)], browser => 1 },
	{ language => 'node', name => '@authgear/capacitor', command => [qw(node capacitor.mjs)], browser => 1 },
	{ language => 'node', name => '@authgear/react-native', command => [qw(node react-native.mjs)] },
	{ language => 'go', name => 'go-oidc', command => [qw(env ./program)] },
	{ language => 'python', name => 'Authlib', command => [qw(python3 client.py)] },
	{ language => 'java', name => 'Nimbus', command => [ 'java', '-cp', 'target/*:.', 'Client' ] });

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->append_conf('postgresql.conf', 'fsync = off');
$node->start;

my $port = PostgreSQL::Test::Cluster::get_free_port();
my $driver = "http://127.0.0.1:$port";
my $web = AnonAuth::Web->new($node, origins => [$driver]);

# All programs have one address, and more attempts than one person.
$node->safe_psql('postgres', <<'SQL');
UPDATE anon_auth.settings
SET guest_sign_ups_per_minute_per_ip = NULL,
	password_attempts_per_minute_per_user = NULL,
	password_attempts_per_minute_per_user_per_ip = NULL;
SQL
call($node, 'create_client',
	client_id => 'rp',
	application_type => 'spa',
	redirect_uris => "{$driver/callback}",
	post_logout_redirect_uris => "{$driver/logged-out}");
call($node, 'create_client',
	client_id => 'rp-key',
	application_type => 'spa',
	dpop => 'required',
	redirect_uris => "{$driver/callback}");
call($node, 'create_client',
	client_id => 'rp-native',
	application_type => 'native',
	redirect_uris => '{http://127.0.0.1/callback}',
	post_logout_redirect_uris => '{http://127.0.0.1/logged-out}');
for my $version ('0', '2', '6')
{
	call($node, 'create_client',
		client_id => "sdk-$version",
		application_type => 'spa',
		redirect_uris => "{$driver/sdk-$version}");
	call($node, 'create_client',
		client_id => "sdk-$version-cookie",
		application_type => 'traditional_webapp',
		redirect_uris => "{$driver/sdk-$version-cookie}",
		post_logout_redirect_uris => "{$driver/sdk-$version-cookie}");
	call($node, 'create_client',
		client_id => "sdk-$version-one-session",
		application_type => 'spa',
		redirect_uris => "{$driver/sdk-$version-one-session}",
		max_concurrent_sessions => 1);
}
call($node, 'create_client',
	client_id => 'sdk-native',
	application_type => 'native',
	redirect_uris => '{com.example.app://host/path}');
# The page that an id_token_hint leads to asks for no login ID, so the passwords differ.
for my $name ('alice', 'bob')
{
	my $password = $name eq 'bob' ? 'another horse' : 'correct horse';

	$node->safe_psql('postgres', <<"SQL");
SELECT anon_auth.promote_anonymous_user('rp', email => '$name\@example.com', password => '$password',
	refresh_token => (SELECT refresh_token FROM anon_auth.authenticate_anonymously('rp')))
SQL
}

$reason = $programs->missing('node');
if ($reason)
{
	$web->stop;
	plan skip_all => $reason;
}

# driver.mjs logs in for the programs.
my %environment = (
	ORIGIN => $web->origin,
	DATABASE => $node->connstr('postgres'),
	DRIVER => $driver,
	DRIVER_PORT => $port,
	TIMEOUT => $ENV{ANON_AUTH_CLIENT_TIMEOUT} // 60);
$programs->start_server('node', [qw(node driver.mjs)], $driver, \%environment);

my $without_browser = AnonAuth::Web->missing('chromium');
my $wanted = $ENV{ANON_AUTH_CLIENTS} // '';
for my $client (grep { $_->{name} =~ /$wanted/ } @clients)
{
SKIP:
	{
		$reason = $programs->missing($client->{language}) // ($client->{browser} && $without_browser);
		skip "$client->{name}: $reason", 1 if $reason;
		my $seen = 0;
		my $error = $programs->run($client->{language}, $client->{command}, \%environment, sub {
			my ($result) = @_;

			$seen++;
			ok($result->{ok}, $result->{name}) or diag($result->{why} // '');
		});

		ok(!defined $error && $seen > 0, "$client->{name}: the tests run to their end")
		  or diag($error // '', $web->log('nginx'));
	}
}

$web->stop;
done_testing();
