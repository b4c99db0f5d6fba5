# `make installcheck` on a server where another database uses anon_auth must not
# affect that database.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Device qw(call);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $top = "$FindBin::Bin/..";
my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->start;
$node->safe_psql('postgres', q{CREATE EXTENSION anon_auth; SELECT anon_auth.create_client('app', 'native')});

my $file = $node->data_dir . '/anon_auth.master_key';
my $before = slurp_file($file);
my $guest = call($node, 'authenticate_anonymously', client_id => 'app');

# own_master_key, which runs first, and the tests that change keys.
my @tests = grep { -f "$top/sql/$_.sql" } qw(own_master_key key_rotation master_key_rotation signing_keys);
my $output = PostgreSQL::Test::Utils::tempdir();
like(slurp_file("$top/Makefile"), qr/^REGRESS = own_master_key /m, 'own_master_key runs before the other tests');
$node->command_ok(
	[ $ENV{PG_REGRESS}, "--inputdir=$top", "--outputdir=$output", '--bindir=', '--encoding=UTF8', '--dbname=contrib_regression',
		'--host=' . $node->host, '--port=' . $node->port, @tests ],
	'the regression tests pass on a server with another database');
is(slurp_file($file), $before, 'the regression tests do not change the master key file of the server');
is(call($node, 'refresh_session', client_id => 'app', refresh_token => $guest->{refresh_token})->{sub}, $guest->{sub},
	'sessions of the other database can be refreshed after the regression tests');
is($node->safe_psql('postgres', q{SELECT length(anon_auth.sign_jwt('{}', kid)) > 100 FROM anon_auth.signing_keys}), 't',
	'signing keys of the other database can sign after the regression tests');
$node->stop;

done_testing();
