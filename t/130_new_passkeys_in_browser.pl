# New passkeys on the pages in headless Chromium, with the virtual authenticator of the DevTools
# protocol: sign-up, promotion, and the settings pages that add and remove them.
#
# browser/new_passkeys.mjs drives the browser and prints its results. Set
# PG_TEST_SCREENSHOTS to a directory to get screenshots of the pages.
#
# Duration: 60 s

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::BrowserScript;
use AnonAuth::Web;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $directory = PostgreSQL::Test::Utils::tempdir('new_passkeys');
my $reason = AnonAuth::Web->missing('chromium') // AnonAuth::Web->npm_install($directory, '*.json', '*.mjs');

plan skip_all => $reason if $reason;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->start;

# No IP address can be an RP ID.
my $web = AnonAuth::Web->new($node, host => 'localhost');

$reason = $web->build_app;
plan skip_all => $reason if $reason;

$node->safe_psql('postgres', 'UPDATE anon_auth.settings SET page_sign_up = true, password_hash_memory_kib = 8192, password_hash_passes = 1');

AnonAuth::BrowserScript->run(
	"$directory/new_passkeys.mjs",
	ORIGIN => $web->origin,
	DATABASE => $node->connstr('postgres')) or diag($web->log('nginx'));

$web->stop;
done_testing();
