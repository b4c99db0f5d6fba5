# stats and doctor() work although the tables are distributed and the extension
# anon_auth_citus is not installed: PostgreSQL lets it be dropped.  A table with the name
# of Citus' catalog takes the place of Citus, which need not be installed.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->append_conf('postgresql.conf', 'fsync = off');
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION anon_auth;
CREATE EXTENSION anon_auth_citus;
SET allow_system_table_mods = on;
CREATE TABLE pg_catalog.pg_dist_partition (logicalrelid regclass, partkey text);
INSERT INTO pg_catalog.pg_dist_partition VALUES ('anon_auth.users', 'id');
DROP EXTENSION anon_auth_citus;
SQL
my ($finding, $fix) = split /\|/, $node->safe_psql('postgres', "SELECT finding, fix FROM anon_auth.doctor() WHERE severity = 'error'");
is($finding, 'distribution_extension_missing', 'doctor() reports that the extension is missing, and no other error');
is($node->safe_psql('postgres', 'SELECT users IS NULL FROM anon_auth.stats'), 't', 'stats does not know the number of users and shows the other columns');
$node->safe_psql('postgres', $fix);
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_extension WHERE extname = 'anon_auth_citus'"), 1, 'the fix installs the extension');

done_testing();
