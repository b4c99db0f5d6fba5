# The configuration and the statements in docs/operations.md that schedule purge() with
# pg_cron work as printed: in the database of anon_auth, and in another one.
#
# Duration: 95 s

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my ($library) = run_command([ 'pg_config', '--pkglibdir' ]);
plan skip_all => 'pg_cron is not installed' if !-e "$library/pg_cron.so";

# The statement as printed.
my $documentation = slurp_file("$FindBin::Bin/../docs/operations.md");
my ($chapter) = $documentation =~ /^## Purging\n(.*?)^## /ms;
my ($schedule) = $chapter =~ /^ *(SELECT cron\.schedule\(.*purge.*\);)$/m;
my ($elsewhere) = $chapter =~ /^ *(SELECT cron\.schedule_in_database\(.*purge.*\);)$/m;
my ($configuration) = $chapter =~ /^ *```\n( *shared_preload_libraries.*?)^ *```/ms;
my ($in_cron, $in_anon_auth) = $chapter =~ /^-- in the database of pg_cron\n(.*?)^-- in the database of anon_auth\n(.*?)^```/ms;
ok($schedule, 'docs/operations.md has a statement that schedules purge()');

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->append_conf('postgresql.conf', "fsync = off\n$configuration");
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION pg_cron;
CREATE EXTENSION anon_auth;
SELECT anon_auth.create_client('app', 'native');
UPDATE anon_auth.settings SET guest_sign_ups_per_minute_per_ip = 1;
SQL

my ($token) = split /\n/, $node->safe_psql('postgres', "SELECT refresh_token FROM anon_auth.authenticate_anonymously('app')");
$node->safe_psql('postgres', "SELECT anon_auth.revoke('$token')");
is($node->safe_psql('postgres', 'SELECT count(*) FROM anon_auth.users'), 1, 'the guest exists before purge() runs');
$node->safe_psql('postgres', $schedule);
ok($node->poll_query_until('postgres', 'SELECT count(*) = 0 FROM anon_auth.users'), 'pg_cron runs purge(), which deletes the guest');
ok($node->poll_query_until('postgres', "SELECT count(*) > 0 FROM cron.job_run_details WHERE status = 'succeeded'"), 'pg_cron records a successful run');
is($node->safe_psql('postgres', "UPDATE anon_auth.users SET purge_from = now() - interval '3 days'; INSERT INTO anon_auth.users (id, is_anonymous, is_disabled, is_verified, last_seen_at, created_at, updated_at, purge_from) VALUES (gen_random_uuid(), true, false, false, now(), now(), now(), now() - interval '3 days'); SELECT fix FROM anon_auth.doctor() WHERE finding = 'purge_overdue'"),
	$schedule, 'when purge() has not run, doctor() prints the same statement');

# A background worker of pg_cron has no client address, and the rate limit is
# set.
is($node->safe_psql('postgres', "SELECT count(*) FROM cron.job_run_details WHERE status = 'failed'"), 0, 'no run of pg_cron failed');

# anon_auth in another database than pg_cron, and a role that is not a superuser
$node->safe_psql('postgres', $schedule =~ s/schedule\(('[^']*').*/unschedule($1)/r);
$node->safe_psql('postgres', 'CREATE DATABASE app; CREATE ROLE scheduler LOGIN');
$node->safe_psql('app', "CREATE EXTENSION anon_auth; SELECT anon_auth.create_client('app', 'native')");
($token) = split /\n/, $node->safe_psql('app', "SELECT refresh_token FROM anon_auth.authenticate_anonymously('app')");
$node->safe_psql('app', "SELECT anon_auth.revoke('$token')");
$node->safe_psql('postgres', $in_cron);
$node->safe_psql('app', $in_anon_auth);
$node->safe_psql('postgres', $elsewhere, extra_params => [ '-U', 'scheduler' ]);
ok($node->poll_query_until('app', 'SELECT count(*) = 0 FROM anon_auth.users'), 'pg_cron runs purge() in another database, as a role with the documented rights');
is($node->safe_psql('app', "SELECT count(*) FROM anon_auth.doctor() WHERE severity = 'error'"), 0, 'doctor() accepts these rights');

$node->stop;
done_testing();
