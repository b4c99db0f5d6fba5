# clients/web in headless Firefox: the tests of t/120_web_client.pl.
#
# FIREFOX is the path of the browser, by default firefox or firefox-esr in PATH.
#
# Duration: 150 s

use strict;
use warnings;

use File::Spec;
use FindBin;
use lib $FindBin::Bin;

use AnonAuth::BrowserScript;
use AnonAuth::Web;
use AnonAuth::WebClient;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my ($firefox) = grep { -x } map { my $name = $_; map { "$_/$name" } File::Spec->path } qw(firefox firefox-esr);
my $directory = PostgreSQL::Test::Utils::tempdir('web_client');

$firefox = $ENV{FIREFOX} if ($ENV{FIREFOX} // '') ne '';
plan skip_all => 'Firefox is not installed' if !defined $firefox;

my $reason = AnonAuth::Web->missing
  // AnonAuth::Web->npm_install($directory, 'firefox/*.json', '*.mjs');

plan skip_all => $reason if $reason;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->start;

my $site = AnonAuth::WebClient->new($node);
my $profile = PostgreSQL::Test::Utils::tempdir('profile');

AnonAuth::BrowserScript->run(
	"$directory/web_client.mjs", $site->environment,
	BROWSER => './firefox.mjs',
	FIREFOX => $firefox,
	PROFILE => $profile) or diag($site->web->log('nginx'));

$site->web->stop;
done_testing();
