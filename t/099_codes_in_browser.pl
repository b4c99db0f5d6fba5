# Test codes and links in headless Chromium with the unmodified @authgear/web SDK.  The
# worker of examples/worker sends the messages to a local SMTP server, and the tests read
# them there.
#
# browser/codes.mjs drives the browser and prints its results. Set
# PG_TEST_SCREENSHOTS to a directory to get screenshots of the pages.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::BrowserScript;
use AnonAuth::Mail;
use AnonAuth::Web;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $directory = PostgreSQL::Test::Utils::tempdir('codes');
my $reason = !AnonAuth::Mail->python ? AnonAuth::Mail->missing
  : AnonAuth::Web->missing('chromium') // AnonAuth::Web->npm_install($directory, '*.json', '*.mjs');

plan skip_all => $reason if $reason;

# ---------------------------------------------------------------------------
# The site
# ---------------------------------------------------------------------------

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->append_conf('postgresql.conf', "log_parameter_max_length = 0\nlog_parameter_max_length_on_error = 0");
$node->start;

my $web = AnonAuth::Web->new($node);

# The page keeps what the SDK returns, for the tests.
$web->edit_file('web/app.js', qr/return await authgear\.fetchUserInfo\(\);/, 'return (globalThis.userInfo = await authgear.fetchUserInfo());');
$web->edit_file('web/app.js', qr/await authgear\.finishPromoteAnonymousUser\(\);/,
	'globalThis.promoted = { ...(await authgear.finishPromoteAnonymousUser()).userInfo, idToken: authgear.getIDTokenHint() };');

$reason = $web->build_app;
plan skip_all => $reason if $reason;

my $origin = $web->origin;
my $link = "$origin/flows/code_link?code={code}&client_id={client_id}&ui_locales={language}";

$node->safe_psql('postgres', <<"SQL");
CREATE ROLE worker LOGIN;
SELECT anon_auth.grant_worker('worker');
UPDATE anon_auth.settings SET code_link_uri = '$link', page_login_methods = '{code,password}',
	password_hash_memory_kib = 8192, password_hash_passes = 1, code_requests_per_minute_per_ip = NULL;
SQL

my $mail = AnonAuth::Mail->start($node, $directory);

# ---------------------------------------------------------------------------
# The browser
# ---------------------------------------------------------------------------

AnonAuth::BrowserScript->run(
	"$directory/codes.mjs",
	ORIGIN => $origin,
	MAILBOX => $mail->mailbox,
	DATABASE => $node->connstr('postgres')) or diag($web->log('nginx'), slurp_file(($mail->logs)[0]));

# ---------------------------------------------------------------------------
# No code of a link is in a log
# ---------------------------------------------------------------------------

{
	my @codes = map { slurp_file($_) =~ /[?&]code=([A-Za-z0-9_-]{64})/ } glob($mail->mailbox . "/*.json");
	my @logs = grep { -f } glob($web->directory . '/run/*.log'), $mail->logs, $node->logfile;
	my $access = slurp_file($web->directory . '/run/access.log');

	cmp_ok(@codes, '>', 5, 'the messages have links');
	like($access, qr{"GET /flows/code_link" 200}, 'the log of nginx has the path of the page');
	for my $log (@logs)
	{
		my $text = slurp_file($log);

		is(scalar(grep { index($text, $_) >= 0 } @codes), 0, 'no code of a link is in ' . $log =~ s{.*/}{}r);
	}
}

$web->stop;
done_testing();
