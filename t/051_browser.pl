# Test the example's pages in headless Chromium with the unmodified
# @authgear/web SDK.
#
# browser/run.mjs drives the browser and prints its results. Set
# PG_TEST_SCREENSHOTS to a directory to get screenshots of the sign-up page.
#
# Duration: 130 s

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::BrowserScript;
use AnonAuth::Web;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $directory = PostgreSQL::Test::Utils::tempdir('browser');
my $reason = AnonAuth::Web->missing('chromium')
  // AnonAuth::Web->npm_install($directory, '*.json', '*.mjs');

plan skip_all => $reason if $reason;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->start;

my $web = AnonAuth::Web->new($node);

$reason = $web->build_app;
plan skip_all => $reason if $reason;

AnonAuth::BrowserScript->run(
	"$directory/run.mjs",
	ORIGIN => $web->origin,
	DATABASE => $node->connstr('postgres')) or diag($web->log('nginx'));

$web->stop;
done_testing();
