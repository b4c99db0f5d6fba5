# Requests with a user's cookies that other sites send, in headless Chromium:
# logouts, forms, cookies that a sibling host replaces, and promotion links of
# other people's guests.
#
# browser/cross_site.mjs serves the site, its siblings and other sites over
# https, and drives the browser.
#
# Duration: 60 s

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::BrowserScript;
use AnonAuth::Web;
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $directory = PostgreSQL::Test::Utils::tempdir('browser');
my $reason = AnonAuth::Web->missing('chromium', 'openssl')
  // AnonAuth::Web->npm_install($directory, '*.json', '*.mjs');

plan skip_all => $reason if $reason;

my ($output, $errors) = ('', '');
IPC::Run::run(
	[
		qw(openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost),
		'-addext', 'subjectAltName=DNS:localhost,DNS:*.localhost,DNS:*.app.localhost',
		'-keyout', "$directory/key.pem", '-out', "$directory/certificate.pem"
	],
	'<', \undef, '>', \$output, '2>', \$errors) or die "openssl: $errors";

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->start;

my $web = AnonAuth::Web->new($node);

AnonAuth::BrowserScript->run(
	"$directory/cross_site.mjs",
	ORIGIN => $web->origin,
	DATABASE => $node->connstr('postgres'),
	TLS => $directory) or diag($web->log('nginx'), $web->log('postgrest'));

$web->stop;
done_testing();
