# Biometric login of Authgear's SDK: enableBiometric(), authenticateBiometric() and
# disableBiometric() of the unmodified package @authgear/react-native, with a native part
# made of Node's crypto, against nginx and PostgREST.

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

my $programs = AnonAuth::Programs->new(source => "$FindBin::Bin/clients/oauth", directories => { node => 'node' });
my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->append_conf('postgresql.conf', 'fsync = off');
$node->start;

my $port = PostgreSQL::Test::Cluster::get_free_port();
my $driver = "http://127.0.0.1:$port";
my $web = AnonAuth::Web->new($node, origins => [$driver]);

# All calls come from one address, and are more than one person makes.
$node->safe_psql('postgres', <<'SQL');
UPDATE anon_auth.settings
SET guest_sign_ups_per_minute_per_ip = NULL,
	password_attempts_per_minute_per_user = NULL,
	password_attempts_per_minute_per_user_per_ip = NULL,
	password_attempts_per_minute_per_ip = NULL;
SQL
call($node, 'create_client', client_id => 'sdk-native', application_type => 'native', redirect_uris => '{com.example.app://host/path}');

$reason = $programs->missing('node');
if ($reason)
{
	$web->stop;
	plan skip_all => $reason;
}

# driver.mjs opens the pages, and runs statements.
my %environment = (
	ORIGIN => $web->origin,
	DATABASE => $node->connstr('postgres'),
	DRIVER => $driver,
	DRIVER_PORT => $port,
	TIMEOUT => $ENV{ANON_AUTH_CLIENT_TIMEOUT} // 60);
$programs->start_server('node', [qw(node driver.mjs)], $driver, \%environment);

my $seen = 0;
my $error = $programs->run('node', [qw(node react-native-biometric.mjs)], \%environment, sub {
	my ($result) = @_;

	$seen++;
	ok($result->{ok}, $result->{name}) or diag($result->{why} // '');
});
ok(!defined $error && $seen > 0, 'the tests run to their end') or diag($error // '', $web->log('nginx'));

$web->stop;
done_testing();
