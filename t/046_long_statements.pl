# A statement that is already running sees changes that other sessions commit:
# retired signing keys and settings.

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
$node->append_conf('postgresql.conf', 'fsync = off');
$node->start;
$node->safe_psql('postgres', q{CREATE EXTENSION anon_auth; SELECT anon_auth.create_client('app', 'native')});

my $user = $node->safe_psql('postgres', 'SELECT current_user');
my $guest = call($node, 'authenticate_anonymously', client_id => 'app');
my $token = sql_literal($guest->{access_token});
my $claims = sql_literal($node->safe_psql('postgres', "SELECT anon_auth.verify_jwt($token)"));
my $kid = sql_literal($node->safe_psql('postgres', 'SELECT kid FROM anon_auth.signing_keys'));

# Calls a function in one statement until it fails, for half a minute at most.
# After the first call, another session commits a change.
for my $case (
	[ 'a retired signing key', "anon_auth.verify_jwt($token)", "SELECT anon_auth.rotate_signing_key(), anon_auth.retire_signing_key($kid)", 'AA014' ],
	[ 'settings', q{anon_auth.authenticate_anonymously('app')}, 'UPDATE anon_auth.settings SET anonymous_users_enabled = false', 'AA002' ],
	[ 'trust_request_claims', q{1 / (SELECT count(*) FROM anon_auth.uid() u WHERE u IS NULL)::integer}, 'UPDATE anon_auth.settings SET trust_request_claims = true', '22012' ])
{
	my ($name, $call, $change, $sqlstate) = @$case;
	my $wire = AnonAuth::Wire->new($node, $user);

	$wire->run("SELECT set_config('request.jwt.claims', $claims, false)");
	$wire->begin("DO \$\$ BEGIN FOR i IN 1 .. 300 LOOP PERFORM $call; PERFORM pg_sleep(0.1); PERFORM set_config('application_name', 'called', false); END LOOP; END \$\$");
	$node->poll_query_until('postgres', q{SELECT count(*) > 0 FROM pg_stat_activity WHERE application_name = 'called'}) or die 'the statement does not call the function';
	$node->safe_psql('postgres', $change);
	is($wire->end->{error}{C}, $sqlstate, "a running statement sees the change of $name");
	$wire->close;
}

$node->stop;
done_testing();
