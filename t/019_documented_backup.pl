# The checklist and restore drill in docs/operations.md: its commands run as they
# are written, and report a backup that cannot be used.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Device qw(call);
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $directory = PostgreSQL::Test::Utils::tempdir_short();
my ($chapter) = slurp_file("$FindBin::Bin/../docs/operations.md") =~ /^### Checklist and restore drill\n(.*?)^### /ms;
my ($backup, $drill) = map { s{^   }{}gmr =~ s{/var/backups}{$directory}gr } $chapter =~ /^   ```sh\n(.*?)^   ```/gms;
my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE app');
$node->safe_psql(
	'app', q{
		CREATE EXTENSION anon_auth;
		CREATE ROLE app_role;
		SELECT anon_auth.grant_client_api('app_role');
		SELECT anon_auth.create_client('app', 'native');
		SELECT count(*) FROM (SELECT anon_auth.authenticate_anonymously('app') FROM generate_series(1, 3)) s});

# (whether the script succeeded, its output)
sub run_script
{
	my ($script) = @_;
	my $output = '';

	local %ENV = (%ENV, PGHOST => $node->host, PGPORT => $node->port, PGDATABASE => 'postgres');
	my $done = IPC::Run::run([ 'sh', '-c', $script ], '<', \undef, '>', \$output, '2>', \$output);
	return ($done, $output);
}

# The number of users, the signed claims, and the errors of doctor().
sub is_restored
{
	my ($name) = @_;
	my ($done, $output) = run_script($drill);

	ok($done, "$name: the drill succeeds") or diag($output);
	like($output, qr/^3\n\{"drill": true\}\nwaiting for server to shut down/m, "$name: the restored database has the users, can sign and has no error");
	return;
}

my ($done, $output) = run_script($backup);
ok($done, 'the backup succeeds') or diag($output);
is($output, "3\n", 'the backup prints the number of users');
is((stat "$directory/anon_auth/keys/master_key")[2] & 0777, 0600, 'nobody else can read the copy of the key');
is_restored('as documented');

# pg_cron in the database. Its jobs must not run in the drill.
SKIP:
{
	my ($library) = run_command([ 'pg_config', '--pkglibdir' ]);
	skip 'pg_cron is not installed', 5 if !-e "$library/pg_cron.so";
	my ($options) = $chapter =~ /^(options=".*pg_cron.*")$/m or die 'no options for pg_cron';
	my $plain = $drill;

	$node->append_conf('postgresql.conf', "shared_preload_libraries = 'pg_cron'\ncron.database_name = 'app'\ncron.use_background_workers = on");
	$node->restart;
	$node->safe_psql('app', q{CREATE EXTENSION pg_cron; SELECT cron.schedule('* * * * *', 'SELECT 1')});
	($done, $output) = run_script($backup);
	ok($done, 'a database with pg_cron is backed up') or diag($output);
	($done, $output) = run_script($drill);
	like($output, qr/unrecognized configuration parameter "cron\.database_name"/, 'without the options, the drill stops at pg_cron');
	ok($drill =~ s/^options="".*$/$options/m, 'the drill has a place for the options');
	is_restored('with pg_cron and the options');
	$node->safe_psql('app', 'DROP EXTENSION pg_cron');
	$drill = $plain;
}

# A key file in another place, and a rotated key.
my $key_file = "$directory/elsewhere";
rename $node->data_dir . '/anon_auth.master_key', $key_file or die "cannot move the key: $!";
$node->append_conf('postgresql.conf', "anon_auth.master_key_file = '$key_file'");
$node->reload;
$node->poll_query_until('postgres', qq{SELECT current_setting('anon_auth.master_key_file', true) = '$key_file'}) or die 'the parameter does not change';
$node->safe_psql('app', 'SELECT anon_auth.rotate_master_key()');
($done, $output) = run_script($backup);
ok($done, 'the backup finds a key file that was moved') or diag($output);
is_restored('after the key was moved and rotated');

# A backup that cannot be used.
unlink "$directory/anon_auth/keys/master_key" or die "cannot remove the key: $!";
append_to_file("$directory/anon_auth/keys/master_key", "0123456789abcdef " . 'A' x 43 . "\n");
($done, $output) = run_script($drill);
ok(!$done, 'the drill fails with the wrong key file');
like($output, qr/ERROR: .*master key/, 'the message names the master key') or diag($output);

$node->stop;
done_testing();
