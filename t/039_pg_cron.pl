# The line of the documentation that schedules purge() with pg_cron.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my ($library) = run_command([ 'pg_config', '--pkglibdir' ]);
plan skip_all => 'pg_cron is not installed' if !-e "$library/pg_cron.so";

# The line as it is printed
my $documentation = slurp_file("$FindBin::Bin/../docs/operations.md");
my ($schedule) = $documentation =~ /^(SELECT cron\.schedule\(.*purge.*\);)$/m;
ok($schedule, 'the documentation schedules purge()');

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->append_conf('postgresql.conf', <<"CONF");
fsync = off
shared_preload_libraries = 'pg_cron'
cron.database_name = 'postgres'
cron.use_background_workers = on
CONF
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION pg_cron;
CREATE EXTENSION anon_auth;
SELECT anon_auth.create_client('app', 'native');
UPDATE anon_auth.settings SET guest_sign_ups_per_minute_per_ip = 1;
SQL

my ($token) = split /\n/, $node->safe_psql('postgres', "SELECT refresh_token FROM anon_auth.authenticate_anonymously('app')");
$node->safe_psql('postgres', "SELECT anon_auth.revoke('$token')");
is($node->safe_psql('postgres', 'SELECT count(*) FROM anon_auth.users'), 1, 'a guest who has logged out is still there');
$node->safe_psql('postgres', $schedule);
ok($node->poll_query_until('postgres', 'SELECT count(*) = 0 FROM anon_auth.users'), '... and gone within a minute, by pg_cron');
ok($node->poll_query_until('postgres', "SELECT count(*) > 0 FROM cron.job_run_details WHERE status = 'succeeded'"), '... whose job has succeeded');
is($node->safe_psql('postgres', "UPDATE anon_auth.users SET purge_from = now() - interval '3 days'; INSERT INTO anon_auth.users VALUES (gen_random_uuid(), true, false, false, now(), now(), now(), now() - interval '3 days'); SELECT fix FROM anon_auth.doctor() WHERE finding = 'purge_overdue'"),
	$schedule, 'doctor() names the same line where purge() does not run');

# What pg_cron runs has no client, so no address.
is($node->safe_psql('postgres', "SELECT count(*) FROM cron.job_run_details WHERE status = 'failed'"), 0, 'no run has failed');

$node->stop;
done_testing();
