# Passkeys on the pages in headless Chromium, with the virtual authenticators of the DevTools
# protocol: the button, autofill, and what goes wrong with either. @simplewebauthn/browser uses
# the endpoints in JSON.
#
# browser/passkeys.mjs drives the browser and prints its results. Set
# PG_TEST_SCREENSHOTS to a directory to get screenshots of the pages.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::BrowserScript;
use AnonAuth::Web;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $directory = PostgreSQL::Test::Utils::tempdir('passkeys');
my $reason = AnonAuth::Web->missing('chromium') // AnonAuth::Web->npm_install($directory, '*.json', '*.mjs');

plan skip_all => $reason if $reason;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->start;

# No IP address can be an RP ID.
my $web = AnonAuth::Web->new($node, host => 'localhost');

$reason = $web->build_app;
plan skip_all => $reason if $reason;

$node->safe_psql('postgres', 'UPDATE anon_auth.settings SET password_hash_memory_kib = 8192, password_hash_passes = 1');

AnonAuth::BrowserScript->run(
	"$directory/passkeys.mjs",
	ORIGIN => $web->origin,
	DATABASE => $node->connstr('postgres')) or diag($web->log('nginx'));

$web->stop;
done_testing();
