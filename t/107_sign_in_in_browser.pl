# The pages for a forgotten password, for an account without a guest, and for logging in
# again, in headless Chromium with the unmodified @authgear/web SDK.  The worker of
# examples/worker sends the messages to a local SMTP server, and the tests read them there.
#
# browser/sign_in.mjs drives the browser and prints its results. Set
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

my $directory = PostgreSQL::Test::Utils::tempdir('sign_in');
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

# A test names options of the SDK's login.
$web->edit_file('web/app.js', qr/startAuthentication\(\{ redirectURI: home \}\)/, 'startAuthentication({ redirectURI: home, ...globalThis.loginOptions })');

$reason = $web->build_app;
plan skip_all => $reason if $reason;

my $origin = $web->origin;
my $link = "$origin/flows/code_link?code={code}&client_id={client_id}&ui_locales={language}";

$node->safe_psql('postgres', <<"SQL");
CREATE ROLE worker LOGIN;
SELECT anon_auth.grant_worker('worker');
UPDATE anon_auth.settings SET code_link_uri = '$link', page_login_methods = '{password,code}',
	password_hash_memory_kib = 8192, password_hash_passes = 1, code_requests_per_minute_per_ip = NULL;
SQL

my $mail = AnonAuth::Mail->start($node, $directory);

# ---------------------------------------------------------------------------
# The browser
# ---------------------------------------------------------------------------

AnonAuth::BrowserScript->run(
	"$directory/sign_in.mjs",
	ORIGIN => $origin,
	MAILBOX => $mail->mailbox,
	DATABASE => $node->connstr('postgres')) or diag($web->log('nginx'), slurp_file(($mail->logs)[0]));

# ---------------------------------------------------------------------------
# No code of a reset is in a log
# ---------------------------------------------------------------------------

{
	my @codes = map { slurp_file($_) =~ /[?&]code=([0-9A-Z]{10})/ } glob($mail->mailbox . '/*.json');
	my @logs = grep { -f } glob($web->directory . '/run/*.log'), $mail->logs, $node->logfile;

	cmp_ok(@codes, '>', 2, 'the messages have links');
	for my $log (@logs)
	{
		my $text = slurp_file($log);

		is(scalar(grep { index($text, $_) >= 0 } @codes), 0, 'no code of a link is in ' . $log =~ s{.*/}{}r);
	}
}

$web->stop;
done_testing();
