# Test the example's pages in headless Chromium with the unmodified
# @authgear/web SDK.
#
# browser/run.mjs drives the browser and prints its results. Set
# PG_TEST_SCREENSHOTS to a directory to get screenshots of the sign-up page.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Device qw(call);
use AnonAuth::Web;
use IPC::Run ();
use JSON::PP ();
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

local %ENV = (
	%ENV,
	ORIGIN => $web->origin,
	DATABASE => $node->connstr('postgres'),
	TIMEOUT => $PostgreSQL::Test::Utils::timeout_default);

# Each result is one line of JSON.
my ($line, $errors, $seen, $done) = ('', '', 0, 0);
my $finished = IPC::Run::run(
	[ 'node', "$directory/run.mjs" ],
	'<', \undef,
	'>',
	sub {
		$line .= $_[0];
		while ($line =~ s/^(.*)\n//)
		{
			my $result = JSON::PP->new->utf8->decode($1);

			if ($result->{done})
			{
				$done = 1;
				next;
			}
			$seen++;
			ok($result->{ok}, $result->{name}) or diag($result->{why} // '');
		}
	},
	'2>', \$errors);

ok($finished && $done, 'the browser tests run to their end') or diag($errors, $web->log('nginx'));
cmp_ok($seen, '>', 0, 'the browser tests report results');

$web->stop;
done_testing();
