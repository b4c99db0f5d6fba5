# Test URIs in headless Chromium: the forms that are stored are the forms that the
# browser sends, and a login ends at loopback addresses, schemes of applications and
# hosts with any spelling that can be stored.
#
# browser/redirect_uris.mjs drives the browser and prints its results.

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

$node->safe_psql('postgres', q{
	SELECT anon_auth.create_client('cli', 'native');
	SELECT anon_auth.promote_anonymous_user('cli', email => 'ada@example.com', password => 'correct horse',
		refresh_token => (SELECT refresh_token FROM anon_auth.authenticate_anonymously('cli')));
});

# The table of sql/uris.sql.
my ($spellings) = slurp_file("$FindBin::Bin/../sql/uris.sql") =~ /^(CREATE TABLE spellings .*?\n)-- what an UPDATE/ms
  or die 'sql/uris.sql has no table "spellings"';
$node->safe_psql('postgres', $spellings);

AnonAuth::BrowserScript->run("$directory/redirect_uris.mjs", ORIGIN => $web->origin, DATABASE => $node->connstr('postgres'))
  or diag($web->log('nginx'));

$web->stop;
done_testing();
