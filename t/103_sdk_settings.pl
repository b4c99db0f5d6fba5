# The calls of Authgear's SDKs for an account: refreshIDToken(), open(Page.Settings),
# prompt=none and the settings actions, with the unmodified packages @authgear/web (in
# Chromium) and @authgear/react-native (with a native part made of Node's crypto).
#
# Duration: 60 s

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
	directories => { node => 'node' },
	files => { node => [ map { "$FindBin::Bin/browser/$_.mjs" } qw(browser results) ] });
my @clients = (
	{ name => '@authgear/web', command => [qw(node authgear-settings.mjs)], browser => 1 },
	{ name => '@authgear/react-native', command => [qw(node react-native-settings.mjs)] });

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
	password_attempts_per_minute_per_user_per_ip = NULL,
	code_requests_per_minute_per_ip = NULL,
	login_id_types = '{email,phone_number,username}';
SQL
for my $version ('2', '2.15', '6')
{
	call($node, 'create_client', client_id => "sdk-$version", application_type => 'spa', redirect_uris => "{$driver/sdk-$version}");
	call($node, 'create_client',
		client_id => "sdk-$version-cookie",
		application_type => 'traditional_webapp',
		redirect_uris => "{$driver/sdk-$version-cookie}",
		post_logout_redirect_uris => "{$driver/sdk-$version-cookie}");
}
call($node, 'create_client',
	client_id => 'sdk-native',
	application_type => 'native',
	redirect_uris => '{com.example.app://host/path}');

$reason = $programs->missing('node');
if ($reason)
{
	$web->stop;
	plan skip_all => $reason;
}

# driver.mjs serves the pages of the applications, and runs statements.
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
		skip "$client->{name}: $without_browser", 1 if $client->{browser} && $without_browser;
		my $seen = 0;
		my $error = $programs->run('node', $client->{command}, \%environment, sub {
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
