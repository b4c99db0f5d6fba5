# ALTER EXTENSION UPDATE gives the catalog of a new installation, and keeps rows and
# granted rights.  Nothing has been released, so the test makes an older version
# itself: the current script without a function, a column and a comment.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my ($share) = run_command([ 'pg_config', '--sharedir' ]);
my $directory = "$share/extension";
my $version = slurp_file("$directory/anon_auth.control") =~ /^default_version = '(.+)'/m ? $1 : die;
my @extensions = sort grep { -f "$directory/$_.control" } qw(anon_auth anon_auth_http anon_auth_citus);
my $old = '0.0.1';
my @made;

plan skip_all => "$directory cannot be written to" unless -w $directory;

sub install
{
	my ($name, $script) = @_;

	push @made, "$directory/$name";
	unlink $made[-1];
	append_to_file($made[-1], $script);
	return;
}
END { unlink @made; }

# Takes a part out of the script, and returns it.
sub cut
{
	my ($script, $part) = @_;

	$$script =~ s/($part)// or die "there is no $part";
	return $1;
}

my $script = slurp_file("$directory/anon_auth--$version.sql");
my $function = cut(\$script, qr/CREATE FUNCTION anon_auth\.reset_counters\(\).*?;\nCOMMENT ON FUNCTION anon_auth\.reset_counters\(\) IS\n.*?';\n/s);
my $comment = cut(\$script, qr/COMMENT ON TABLE anon_auth\.clients IS\s.*?';\n/s);
my $column = cut(\$script, qr/\tpayload jsonb NOT NULL DEFAULT '\{\}',\n(?=\n\tPRIMARY KEY)/);
my $column_comment = cut(\$script, qr/COMMENT ON COLUMN anon_auth\.events\.payload IS .*?';\n/s);

$column =~ s/^\s+|,\s*$//g;
$script =~ s/('\{\}'),(\s*\))/$1$2/;
install("anon_auth--$old.sql", $script);

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->start;

sub query { return $node->safe_psql($_[1] // 'postgres', $_[0]); }

# Everything of a database's catalog, members of extensions included, as SQL
# without OIDs.
sub catalog
{
	my ($database) = @_;
	my ($sql, $errors) = run_command([ 'pg_dump', '--schema-only', '--binary-upgrade', '-d', $node->connstr($database) ]);

	die $errors if $sql eq '';
	$sql =~ s/^SELECT pg_catalog\.binary_upgrade_\w+\(.*?\);\n//msg;
	$sql =~ s/(frozenxid|minmxid|oid) = '\d+'/$1 = ''/g;
	# A new column does not rewrite the table: its default is stored for the existing rows.
	$sql =~ s/^-- set missing value\.\n//mg;
	$sql =~ s/^\\(?:un)?restrict .*\n//mg;
	return $sql . query(<<'SQL', $database);
SELECT extname, extversion, extnamespace::regnamespace, (SELECT string_agg(c::regclass::text, ' ') FROM unnest(extconfig) c), extcondition FROM pg_extension ORDER BY extname;
SELECT pg_describe_object(classoid, objoid, objsubid), privtype, initprivs FROM pg_init_privs
WHERE pg_describe_object(classoid, objoid, objsubid) LIKE '%anon_auth%' ORDER BY 1;
SELECT e.extname, pg_describe_object(classid, objid, objsubid) FROM pg_depend JOIN pg_extension e ON e.oid = refobjid
WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e' ORDER BY 1, 2;
SELECT object, owner::regrole, acl FROM anon_auth_internal.extension_objects() ORDER BY object COLLATE "C"
SQL
}

sub same_catalog
{
	my ($got, $expected, $name) = @_;
	my %lines;

	$lines{$_}-- for grep { length } split /\n/, $expected;
	$lines{$_}++ for grep { length } split /\n/, $got;
	is(join("\n", map { ($lines{$_} > 0 ? '+ ' : '- ') . $_ } grep { $lines{$_} != 0 } sort keys %lines), '', $name);
	return;
}

query("CREATE DATABASE $_") for qw(fresh updated with_rights);
query("CREATE EXTENSION $_", 'fresh') for @extensions;
my $fresh = catalog('fresh');

# What a developer writes: see upgrade/README.md.
install("anon_auth--$old--$version.sql", join "\n",
	"ALTER TABLE anon_auth.events ADD COLUMN $column;", $column_comment, $function, $comment,
	(map { query("SELECT pg_get_functiondef('anon_auth_internal.$_()'::regprocedure)", 'fresh') . ';' } qw(own_attached_objects own_definitions own_routines)),
	q{SELECT anon_auth_internal.set_owners_and_rights('anon_auth');});
for my $extension (grep { $_ ne 'anon_auth' } @extensions)
{
	install("$extension--$old.sql", slurp_file("$directory/$extension--$version.sql"));
	install("$extension--$old--$version.sql", "SELECT anon_auth_internal.set_owners_and_rights('$extension');\n");
}

query("CREATE EXTENSION $_ VERSION '$old'", 'updated') for @extensions;
my $before = catalog('updated');
unlike($before, qr/CREATE FUNCTION anon_auth\.reset_counters/, 'the older version has no such function');
like($fresh, qr/CREATE FUNCTION anon_auth\.reset_counters/, '... and the current one has it');
is(query(q{SELECT string_agg(fix, ' ' ORDER BY fix) FROM anon_auth.doctor() WHERE finding = 'old_version'}, 'updated'),
	join(' ', map { "ALTER EXTENSION $_ UPDATE;" } @extensions), 'doctor() says which extensions are older than the library');
query('ALTER EXTENSION anon_auth UPDATE', 'updated');
query("ALTER EXTENSION $_ UPDATE", 'updated') for @extensions;
same_catalog(catalog('updated'), $fresh, 'an update gives the catalog of a new installation');
is(query(q{SELECT finding FROM anon_auth.doctor() WHERE finding IN ('old_version', 'attached_object', 'wrong_owner', 'function_privilege')}, 'updated'),
	'', '... and doctor() finds nothing');

# With rows, and with rights that somebody has granted.
query("CREATE EXTENSION $_ VERSION '$old'", 'with_rights') for @extensions;
query(<<'SQL', 'with_rights');
CREATE ROLE app_user;
CREATE ROLE watcher;
SELECT anon_auth.create_client('app', 'native'), anon_auth.grant_client_api('app_user');
GRANT EXECUTE ON FUNCTION anon_auth.purge(integer, boolean) TO watcher;
REVOKE EXECUTE ON FUNCTION anon_auth.jwk_thumbprint(jsonb) FROM PUBLIC;
UPDATE anon_auth.settings SET issuer = 'https://kept.example';
SQL
my $rights = q{SELECT p.oid::regprocedure, proacl FROM pg_proc p WHERE pronamespace IN ('anon_auth'::regnamespace, 'anon_auth_internal'::regnamespace) AND proname NOT IN ('reset_counters', 'own_attached_objects') ORDER BY p.oid::regprocedure::text};
my $granted = query($rights, 'with_rights');
query('ALTER EXTENSION anon_auth UPDATE', 'with_rights');
is(query($rights, 'with_rights'), $granted, 'an update leaves granted and revoked rights as they are');
is(query('SELECT issuer, (SELECT count(*) FROM anon_auth.clients) FROM anon_auth.settings', 'with_rights'), 'https://kept.example|1', '... and rows');
is(query(q{SET ROLE app_user; SELECT length(token) > 40 FROM anon_auth.create_challenge()}, 'with_rights'), 't', '... and a client goes on');

$node->stop;
done_testing();
