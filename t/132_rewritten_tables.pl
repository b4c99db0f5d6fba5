# While one connection rewrites settings, clients or signing_keys again and again, the calls
# of another one find the rows: their snapshots are not older than their locks.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Device qw(call sql_literal);
use AnonAuth::Wire;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->append_conf('postgresql.conf', "fsync = off");
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE PROCEDURE rewrite(name text, times integer) LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1 .. times LOOP
		EXECUTE format('ALTER TABLE anon_auth.%I ADD COLUMN added text DEFAULT clock_timestamp()::text', name);
		COMMIT;
		EXECUTE format('ALTER TABLE anon_auth.%I DROP COLUMN added', name);
		COMMIT;
	END LOOP;
END $$;
CREATE PROCEDURE read_until_free(lock integer, token text, INOUT calls integer DEFAULT 0, INOUT failures text[] DEFAULT '{}') LANGUAGE plpgsql AS $$
BEGIN
	WHILE NOT pg_try_advisory_lock(lock) LOOP
		BEGIN
			PERFORM anon_auth.verify_jwt(token), anon_auth.authenticate_anonymously('app');
		EXCEPTION WHEN OTHERS THEN
			failures := failures || (sqlstate || ' ' || sqlerrm);
		END;
		calls := calls + 1;
		COMMIT;
	END LOOP;
END $$;
CREATE EXTENSION anon_auth;
SELECT anon_auth.create_client('app', 'native');
UPDATE anon_auth.settings SET guest_sign_ups_per_minute_per_ip = NULL;
SQL
my $token = sql_literal(call($node, 'authenticate_anonymously', client_id => 'app')->{access_token});
my $superuser = $node->safe_psql('postgres', 'SELECT current_user');
my $writer = AnonAuth::Wire->new($node, $superuser);
my $reader = AnonAuth::Wire->new($node, $superuser);
for my $table (qw(settings clients signing_keys))
{
	$writer->run('SELECT pg_advisory_lock(1)');
	$reader->begin("CALL read_until_free(1, $token)");
	is($writer->run("CALL rewrite('$table', 60)")->{error}{M}, undef, "$table is rewritten");
	$writer->run('SELECT pg_advisory_unlock(1)');
	my $read = $reader->end->{rows}[0];
	$reader->run('SELECT pg_advisory_unlock(1)');
	cmp_ok($read->{calls}, '>', 0, "$table is read meanwhile");
	is($read->{failures}, '{}', "no call finds $table empty");
}

$_->close for $reader, $writer;
$node->stop;
done_testing();
