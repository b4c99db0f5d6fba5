# clients/web in headless Chromium, with nginx, PostgREST and a network that fails: sign-up,
# return, tabs, cleared storage, wrong clocks, promotion, and fetch.
#
# browser/web_client.mjs drives the browser and prints its results.
#
# Duration: 100 s

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::BrowserScript;
use AnonAuth::Web;
use AnonAuth::WebClient;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $directory = PostgreSQL::Test::Utils::tempdir('web_client');
my $reason = AnonAuth::Web->missing('chromium')
  // AnonAuth::Web->npm_install($directory, '*.json', '*.mjs');

plan skip_all => $reason if $reason;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->start;

my $site = AnonAuth::WebClient->new($node);

AnonAuth::BrowserScript->run("$directory/web_client.mjs", $site->environment) or diag($site->web->log('nginx'));

$site->web->stop;
done_testing();
