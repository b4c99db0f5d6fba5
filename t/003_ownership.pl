# The extension belongs to anon_auth_owner, a role that is not a superuser. This
# file tests which existing roles CREATE EXTENSION accepts as the owner, and the
# owners and rights after a dump and an upgrade. It also tests the operations
# open to members of the role, and that neither the role nor its members can
# gain rights on the server. For the last part, a hostile member attaches code
# to as many objects as it can, and a superuser then administers the extension.
#
# Duration: 50 s

use strict;
use warnings;

use Cwd;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my @initdb = (extra => [ '--no-locale', '--encoding=UTF8' ]);
my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(@initdb);
$node->append_conf('postgresql.conf', "fsync = off\nlog_statement = none\nlog_parameter_max_length_on_error = 0");
$node->start;

sub sql { return $node->safe_psql('postgres', $_[0]); }

use constant ALL_EXTENSIONS => join '', map { "CREATE EXTENSION $_;\n" } qw(anon_auth anon_auth_http anon_auth_citus);

# Runs the statements as a role, continuing after errors, and returns the
# messages.
sub attempt
{
	my ($role, @statements) = @_;
	my $messages;

	$node->psql('postgres', join("\n", map { "$_;" } @statements), stderr => \$messages, on_error_stop => 0, extra_params => [ '-U', $role ]);
	return $messages =~ s/^psql:\S+ //gmr;
}

# Returns the output of the statements as a role. On an error, returns the
# messages, so that the caller's test fails and shows them.
sub as_role
{
	my ($role, $statements) = @_;
	my ($output, $messages);

	$node->psql('postgres', $statements, stdout => \$output, stderr => \$messages, on_error_stop => 1, extra_params => [ '-U', $role ]);
	return $messages =~ /ERROR/ ? $messages : $output;
}

# Like is(), but a failure shows only the lines that differ.
sub same_lines
{
	my ($got, $expected, $name) = @_;
	my %lines;

	$lines{$_}-- for split /\n/, $expected;
	$lines{$_}++ for split /\n/, $got;
	is(join("\n", map { ($lines{$_} > 0 ? '+ ' : '- ') . $_ } grep { $lines{$_} != 0 } sort keys %lines), '', $name);
}

# ---------------------------------------------------------------------------
# Roles that are accepted as the owner
# ---------------------------------------------------------------------------

for my $case (
	map({ [ "ALTER ROLE anon_auth_owner $_", "has the attribute $_", "ALTER ROLE anon_auth_owner NO$_;" ] } qw(SUPERUSER CREATEROLE CREATEDB REPLICATION BYPASSRLS LOGIN)),
	[ 'GRANT pg_read_all_data TO anon_auth_owner', 'is a member of role pg_read_all_data', 'REVOKE pg_read_all_data FROM anon_auth_owner;' ],
	[ 'ALTER ROLE anon_auth_owner SET search_path = evil', 'has role settings: search_path=evil', 'ALTER ROLE anon_auth_owner RESET ALL;' ],
	[ 'ALTER ROLE anon_auth_owner IN DATABASE postgres SET search_path = evil', 'has role settings in database postgres: search_path=evil', 'ALTER ROLE anon_auth_owner IN DATABASE postgres RESET ALL;' ])
{
	my ($make, $problem, $fix) = @$case;

	sql("CREATE ROLE anon_auth_owner; $make");
	my $messages = attempt($node->safe_psql('postgres', 'SELECT current_user'), 'CREATE EXTENSION anon_auth');
	like($messages, qr/^ERROR:  role "anon_auth_owner" \Q$problem\E$/m, "CREATE EXTENSION refuses an owner after $make");
	like($messages, qr/^HINT:  \Q$fix\E$/m, "the hint has the statement that fixes $make");
	is(sql(q{SELECT count(*) FROM pg_namespace WHERE nspname ~ '^anon_auth'}), 0, "the refused CREATE EXTENSION leaves no schema behind after $make");
	sql("$fix CREATE EXTENSION anon_auth");
	sql($make);
	is(sql(q{SELECT severity || ' ' || what || '; ' || fix FROM anon_auth.doctor() WHERE finding = 'owner_has_too_much'}),
		"error role anon_auth_owner $problem; $fix", "doctor() reports the owner when $make runs after CREATE EXTENSION");
	sql($fix);
	is(sql(q{SELECT finding FROM anon_auth.doctor() WHERE finding ~ 'owner'}), '', "doctor() reports nothing about the owner after $fix");
	sql('DROP EXTENSION anon_auth; DROP ROLE anon_auth_owner');
}
# Citus itself is not needed: the extension checks only that pg_extension lists
# it.
sql(<<'SQL');
CREATE ROLE anon_auth_owner LOGIN;
ALTER ROLE anon_auth_owner SET log_statement = 'none';
SET allow_system_table_mods = on;
INSERT INTO pg_extension SELECT 99999, 'citus', 10, 11, true, '1', NULL, NULL;
CREATE EXTENSION anon_auth;
DELETE FROM pg_extension WHERE extname = 'citus';
SQL
is(sql(q{SELECT what FROM anon_auth.doctor() WHERE finding = 'owner_has_too_much' ORDER BY 1}), "role anon_auth_owner has role settings: log_statement=none\nrole anon_auth_owner has the attribute LOGIN",
	'doctor() accepts LOGIN and log settings of the owner only on a Citus node');
sql('DROP EXTENSION anon_auth; DROP ROLE anon_auth_owner');

sql('CREATE ROLE anon_auth_owner; CREATE ROLE helper; CREATE ROLE "Odd one"; GRANT anon_auth_owner TO helper, "Odd one"');
like(attempt(sql('SELECT current_user'), 'CREATE EXTENSION anon_auth'), qr/^WARNING:  role "anon_auth_owner" has members: "Odd one", helper$/m, 'CREATE EXTENSION warns about members of an existing owner role');
is(sql(q{SELECT severity || ' ' || fix FROM anon_auth.doctor() WHERE finding = 'owner_member' ORDER BY fix COLLATE "C"}),
	qq{notice REVOKE anon_auth_owner FROM "Odd one";\nnotice REVOKE anon_auth_owner FROM helper;}, 'doctor() reports the members of the owner role');
sql('DROP ROLE helper, "Odd one"');
sql('CREATE ROLE role_maker CREATEROLE LOGIN');
my $major = int(sql(q{SELECT current_setting('server_version_num')}) / 10000);
is(sql(q{SELECT severity || ' ' || fix FROM anon_auth.doctor() WHERE finding = 'owner_can_be_granted'}),
	$major < 16 ? 'warning ALTER ROLE role_maker NOCREATEROLE;' : '', 'doctor() reports roles that can make themselves members of the owner role');
my $granted = attempt('role_maker', 'GRANT anon_auth_owner TO role_maker');
$major < 16 ? is($granted, '', 'before PostgreSQL 16, a role with CREATEROLE can make itself a member of the owner role') : like($granted, qr/permission denied|admin option/i, 'since PostgreSQL 16, a role with CREATEROLE cannot make itself a member of the owner role');
sql('DROP EXTENSION anon_auth; DROP ROLE role_maker, anon_auth_owner');

# ---------------------------------------------------------------------------
# Owners of the objects, and rights on them
# ---------------------------------------------------------------------------

# Roles are compared by name, so that clusters can be compared. The installer
# counts as "superuser".
my $rights = q{
	SELECT object, CASE WHEN r.rolsuper THEN 'superuser' ELSE r.rolname END, of_superuser, (
		SELECT string_agg(format('%s=%s/%s', CASE WHEN g.rolsuper THEN 'superuser' ELSE coalesce(g.rolname, 'PUBLIC') END, a.privilege_type,
								 CASE WHEN b.rolsuper THEN 'superuser' ELSE b.rolname END), ' ' ORDER BY g.rolname, a.privilege_type)
		FROM aclexplode(acl) a LEFT JOIN pg_roles g ON g.oid = a.grantee JOIN pg_roles b ON b.oid = a.grantor)
	FROM anon_auth_internal.extension_objects() JOIN pg_roles r ON r.oid = owner ORDER BY object COLLATE "C"};

sql(ALL_EXTENSIONS);
my $fresh = sql($rights);
is(sql(q{SELECT rolcanlogin, rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls FROM pg_roles WHERE rolname = 'anon_auth_owner'}), 'f|f|f|f|f|f',
	'CREATE EXTENSION creates the role without any attribute');
is(sql('SELECT count(*) FROM anon_auth_internal.extension_objects() WHERE of_superuser <> (SELECT rolsuper FROM pg_roles WHERE oid = owner)'), 0,
	'the role owns every object except those that superusers run');
sql('DROP EXTENSION anon_auth CASCADE; DROP ROLE anon_auth_owner');

# Default privileges of the installer, including those that revoke rights from
# the owner.
sql(<<'SQL');
CREATE ROLE chief SUPERUSER LOGIN;
CREATE ROLE stranger LOGIN;
CREATE DATABASE chiefs;
SQL
$node->safe_psql('chiefs', join '', map { "ALTER DEFAULT PRIVILEGES FOR ROLE chief GRANT ALL ON $_ TO stranger WITH GRANT OPTION; ALTER DEFAULT PRIVILEGES FOR ROLE chief REVOKE ALL ON $_ FROM chief;" } qw(TABLES FUNCTIONS SEQUENCES TYPES SCHEMAS));
$node->safe_psql('chiefs', ALL_EXTENSIONS, extra_params => [ '-U', 'chief' ]);
same_lines($node->safe_psql('chiefs', $rights), $fresh, 'default privileges of the installer do not change owners and rights');

# ---------------------------------------------------------------------------
# A second database, DROP EXTENSION, DROP ROLE
# ---------------------------------------------------------------------------

sql(ALL_EXTENSIONS);
same_lines(sql($rights), $fresh, 'a second database of the server uses the same owner role');
like(attempt(sql('SELECT current_user'), 'DROP ROLE anon_auth_owner'), qr/cannot be dropped because some objects depend on it/, 'the owner role cannot be dropped while the extension exists in two databases');
sql('DROP EXTENSION anon_auth CASCADE');
same_lines($node->safe_psql('chiefs', $rights), $fresh, 'DROP EXTENSION does not change owners and rights in another database');
like(attempt(sql('SELECT current_user'), 'DROP ROLE anon_auth_owner'), qr/cannot be dropped because some objects depend on it/, 'the owner role cannot be dropped while another database still needs it');
sql('ALTER ROLE chief NOSUPERUSER');
$node->safe_psql('chiefs', 'CREATE TEMPORARY TABLE loads_the_library (); DROP EXTENSION anon_auth_http; DROP EXTENSION anon_auth CASCADE', extra_params => [ '-U', 'chief' ]);
is($node->safe_psql('chiefs', q{SELECT count(*) FROM pg_namespace WHERE nspname ~ '^anon_auth'}), 0, 'the role that created the extension can drop it after it lost SUPERUSER');
is(sql(q{SELECT count(*) FROM pg_roles WHERE rolname = 'anon_auth_owner'}), 1, 'DROP EXTENSION keeps the owner role');
sql('DROP ROLE anon_auth_owner; DROP DATABASE chiefs; DROP ROLE chief');

# ---------------------------------------------------------------------------
# Dumps restored into a cluster without the role, and pg_upgrade
# ---------------------------------------------------------------------------

my $directory = PostgreSQL::Test::Utils::tempdir();

# Returns the dump without the keys of \restrict, which differ each time.
sub dump_of
{
	my ($server) = @_;
	my $file = "$directory/" . $server->name . '.sql';

	$server->command_ok([ 'pg_dump', '-f', $file, $server->connstr('postgres') ], 'pg_dump can dump the database');
	return slurp_file($file) =~ s/^\\(un)?restrict .*//gmr;
}

sql(ALL_EXTENSIONS);
unlike(dump_of($node), qr/^(GRANT|REVOKE|ALTER (?!TABLE .* ENABLE)[^;]*OWNER|CREATE EVENT TRIGGER)/m, 'a dump of an unchanged extension contains no owner and no right');
sql(<<'SQL');
UPDATE anon_auth.settings SET issuer = 'https://kept.example';
SELECT anon_auth.create_client('app', 'spa');
CREATE ROLE app_user;
CREATE ROLE watcher;
SELECT anon_auth.grant_client_api('app_user');
SELECT anon_auth.grant_http_api('app_user');
GRANT SELECT ON anon_auth.stats TO watcher;
REVOKE EXECUTE ON FUNCTION anon_auth.jwk_thumbprint(jsonb) FROM PUBLIC;
SQL
my $first = dump_of($node);
my $kept = sql($rights);
isnt($kept, $fresh, 'the grants changed the rights');
$node->command_ok([ 'pg_dump', '-Fc', '-f', "$directory/dump", $node->connstr('postgres') ], 'pg_dump can dump the database with the changed rights');

my $copy = PostgreSQL::Test::Cluster->new('copy');
$copy->init(@initdb);
$copy->append_conf('postgresql.conf', 'fsync = off');
$copy->start;
$copy->safe_psql('postgres', 'CREATE ROLE app_user; CREATE ROLE watcher; CREATE DATABASE twice');
$copy->command_ok([ 'pg_restore', '-1', '-e', '-d', $copy->connstr('postgres'), "$directory/dump" ], 'a dump can be restored into a cluster without the owner role');
same_lines($copy->safe_psql('postgres', $rights), $kept, 'the restored database has the same owners and rights');
same_lines(dump_of($copy), $first, 'a dump of the restored database is the same');
$copy->command_ok([ 'pg_restore', '-e', '-d', $copy->connstr('twice'), "$directory/dump" ], 'the dump can be restored into a second database of that cluster');
same_lines($copy->safe_psql('twice', $rights), $kept, 'the second restored database has the same owners and rights');
is($copy->safe_psql('twice', q{SELECT issuer, (SELECT count(*) FROM anon_auth.clients) FROM anon_auth.settings}), 'https://kept.example|1', 'the second restored database has the rows');

$copy->safe_psql('postgres', 'DROP DATABASE twice');
$copy->stop;
my $new = PostgreSQL::Test::Cluster->new('upgraded');
$new->init(@initdb);
my $bin = $node->config_data('--bindir');
{
	my $before = getcwd();
	chdir $directory or die;
	command_ok([ 'pg_upgrade', '-b', $bin, '-B', $bin, '-d', $copy->data_dir, '-D', $new->data_dir, '-p', $copy->port, '-P', $new->port, '-s', $new->host ], 'pg_upgrade');
	chdir $before;
}
$new->start;
same_lines($new->safe_psql('postgres', $rights), $kept, 'pg_upgrade keeps owners and rights');
same_lines(dump_of($new), $first, 'a dump after pg_upgrade is the same');
$new->stop;

# ---------------------------------------------------------------------------
# A DBA who is not a superuser
# ---------------------------------------------------------------------------

sql(<<"SQL");
DROP EXTENSION anon_auth CASCADE;
DROP OWNED BY app_user, watcher;
@{[ ALL_EXTENSIONS ]}CREATE ROLE dba LOGIN IN ROLE anon_auth_owner;
GRANT CREATE ON SCHEMA public TO dba;
SQL

is(as_role('dba', <<'SQL'), "app\nES256\nEdDSA\nes|1\n5\nhttps://dba.example", 'a member of anon_auth_owner can set up the extension');
UPDATE anon_auth.settings SET issuer = 'https://dba.example', password_hash_memory_kib = 8192, password_hash_passes = 1;
SELECT anon_auth.create_client('app', 'spa');
SELECT alg FROM anon_auth.signing_keys;
SELECT anon_auth.rotate_signing_key('EdDSA') <> '' AS rotated \gset
SELECT alg FROM anon_auth.signing_keys WHERE state = 'active';
SELECT anon_auth.create_signing_key('RS256') AS kid \gset
UPDATE anon_auth.signing_keys SET created_at = created_at - interval '1 day' WHERE kid = :'kid';
SELECT anon_auth.retire_signing_key(:'kid') \g /dev/null
SELECT anon_auth.import_signing_key('{"kty": "oct", "kid": "es", "k": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}') AS imported \gset
SELECT :'imported', count(*) FROM anon_auth.signing_keys WHERE state = 'active' AND kid = :'imported';
SELECT anon_auth.rotate_signing_key('ES256') \g /dev/null
SELECT count(*) FROM anon_auth.signing_keys;
SELECT issuer FROM anon_auth.settings;
SELECT anon_auth.grant_client_api('app_user') \g /dev/null
SELECT anon_auth.grant_http_api('app_user') \g /dev/null
GRANT SELECT ON anon_auth.stats TO watcher;
GRANT EXECUTE ON FUNCTION anon_auth.purge(integer, boolean) TO watcher;
SQL
is(sql(q{SELECT has_function_privilege('app_user', 'anon_auth.uid()', 'EXECUTE'), has_function_privilege('app_user', 'anon_auth_http.token(text)', 'EXECUTE'),
	has_table_privilege('watcher', 'anon_auth.stats', 'SELECT')}), 't|t|t', 'a member of anon_auth_owner can grant rights');
is(as_role('dba', <<'SQL'), "1\nt\nt", 'a member of anon_auth_owner can rotate the master key');
SELECT anon_auth.rotate_master_key() AS old \gset
SELECT anon_auth.reseal_signing_keys() \g /dev/null
SELECT (anon_auth.master_key_ids())[2] AS old \gset
SELECT anon_auth.retire_master_key(:'old') \g /dev/null
SELECT cardinality(anon_auth.master_key_ids());
SELECT anon_auth.verify_jwt(anon_auth.sign_jwt('{"sub": "x"}')) IS NOT NULL;
SELECT anon_auth_internal.master_key_exists();
SQL
is(as_role('dba', <<'SQL'), "0|0\n1\n0\n0", 'a member of anon_auth_owner can administer users');
CREATE TABLE notes (user_id uuid);
SELECT sub AS a FROM anon_auth.authenticate_anonymously('app') \gset
SELECT sub AS b, refresh_token FROM anon_auth.authenticate_anonymously('app') \gset
SELECT anon_auth.promote_anonymous_user('app', username => 'bob', password => 'correct horse', refresh_token => :'refresh_token') \g /dev/null
SELECT anon_auth.disable_user(:'b'), anon_auth.enable_user(:'b'), anon_auth.revoke_sessions(:'b') \g /dev/null
SELECT anon_auth.merge_anonymous_user(:'a', :'b') \g /dev/null
SELECT guests, skipped_guests FROM anon_auth.purge();
SELECT count(*) FROM anon_auth.users;
SELECT count(*) FROM anon_auth.take_outbox_messages();
SELECT anon_auth.delete_user(:'b') \g /dev/null
SELECT count(*) FROM anon_auth.users;
SQL
like(as_role('dba', 'SELECT sign_ups_24h, outbox_messages FROM anon_auth.stats'), qr/^\d+\|0$/, 'a member of anon_auth_owner can read stats');
is(as_role('dba', q{SELECT string_agg(finding || ' ' || what, ',' ORDER BY finding, what) FROM anon_auth.doctor()}),
	sql(q{SELECT string_agg(finding || ' ' || what, ',' ORDER BY finding, what) FROM anon_auth.doctor()}), 'doctor() shows a member of anon_auth_owner the same findings as a superuser');
isnt(sql('SELECT count(*) FROM anon_auth.doctor()'), 0, 'doctor() has findings to compare');
is(as_role('dba', <<'SQL'), 'dbas|t', 'a member of anon_auth_owner can set a hook that it owns');
CREATE FUNCTION public.dbas_claims(claims jsonb) RETURNS jsonb LANGUAGE sql AS $$SELECT '{"plan": "dbas"}'::jsonb$$;
UPDATE anon_auth.settings SET access_token_claims = 'public.dbas_claims';
SELECT anon_auth.verify_jwt(access_token) ->> 'plan', sub IS NOT NULL FROM anon_auth.authenticate_anonymously('app');
UPDATE anon_auth.settings SET access_token_claims = NULL;
SQL
like(attempt('dba', $_), qr/^ERROR:  (must be|permission denied|only superusers)/, "only superusers can run: $_")
  for 'DROP EXTENSION anon_auth', 'DROP EXTENSION anon_auth_http', 'ALTER EXTENSION anon_auth UPDATE', 'CREATE ROLE other', 'ALTER TABLE anon_auth.users RESET (autovacuum_enabled)', 'ALTER SYSTEM SET autovacuum = on';

# ---------------------------------------------------------------------------
# Neither the owner nor its members become superusers
# ---------------------------------------------------------------------------

my $powerful = q{SELECT string_agg(r.rolname, ' ' ORDER BY r.rolname) FROM pg_roles r WHERE r.rolsuper OR r.rolcreaterole OR r.rolcreatedb OR r.rolreplication OR r.rolbypassrls
	OR (r.rolname !~ '^pg_' AND pg_has_role(r.oid, 'pg_execute_server_program', 'MEMBER'))};
my $superusers = sql($powerful);
my @climb = (
	'ALTER ROLE current_user SUPERUSER', 'ALTER ROLE anon_auth_owner SUPERUSER', 'ALTER ROLE mallory SUPERUSER', 'CREATE ROLE climber SUPERUSER',
	'GRANT pg_execute_server_program TO mallory', 'GRANT anon_auth_owner TO mallory', "COPY (SELECT 1) TO PROGRAM 'true'", "COPY (SELECT 1) TO '/tmp/anon_auth'",
	'UPDATE pg_authid SET rolsuper = true', 'SELECT count(*) FROM pg_authid', 'CREATE EXTENSION dblink', 'ALTER EVENT TRIGGER anon_auth_guard_objects DISABLE');

# A role that may reference users has a type with its own cast to uuid. The
# extension's event triggers would refuse the foreign key. They are disabled
# here, to show that the owner's lack of rights alone limits the damage.
sql(<<'SQL');
CREATE ROLE mallory LOGIN;
CREATE SCHEMA mallory AUTHORIZATION mallory;
GRANT USAGE ON SCHEMA anon_auth TO mallory;
GRANT REFERENCES (id) ON anon_auth.users TO mallory;
DO $$
DECLARE
	name name;
BEGIN
	FOR name IN SELECT evtname FROM pg_event_trigger LOOP
		EXECUTE format('ALTER EVENT TRIGGER %I DISABLE', name);
	END LOOP;
END $$;
SQL
is( attempt(
		'mallory', <<'SQL'), '', 'a role with REFERENCES can create a foreign key with its own cast while the guards are disabled');
CREATE TYPE mallory.ref AS ENUM ('x');
CREATE TABLE mallory.loot (who text, outcome text);
GRANT ALL ON SCHEMA mallory TO PUBLIC;
GRANT ALL ON mallory.loot TO PUBLIC;
CREATE TABLE mallory.climb (statement text);
GRANT ALL ON mallory.climb TO PUBLIC;
CREATE FUNCTION mallory.ref_uuid(mallory.ref) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
	sql text;
BEGIN
	FOR sql IN SELECT statement FROM mallory.climb LOOP
		BEGIN
			EXECUTE sql;
			INSERT INTO mallory.loot VALUES (current_user, 'done: ' || sql);
		EXCEPTION WHEN OTHERS THEN
			INSERT INTO mallory.loot VALUES (current_user, SQLSTATE || ': ' || sql);
		END;
	END LOOP;
	RETURN '00000000-0000-0000-0000-000000000000';
END $$;
CREATE CAST (mallory.ref AS uuid) WITH FUNCTION mallory.ref_uuid(mallory.ref) AS IMPLICIT;
CREATE TABLE mallory.refs (ref mallory.ref REFERENCES anon_auth.users (id));
SQL
sql('INSERT INTO mallory.climb VALUES ' . join ', ', map { "(\$s\$$_\$s\$)" } @climb);
sql(q{INSERT INTO anon_auth.users (id, is_anonymous, created_at, updated_at, last_seen_at) VALUES ('00000000-0000-0000-0000-000000000000', true, now(), now(), now())});
is(attempt('mallory', "INSERT INTO mallory.refs VALUES ('x')"), '', 'inserting into the referencing table runs the cast');
is(sql('SELECT DISTINCT who FROM mallory.loot'), 'anon_auth_owner', 'the cast runs as the owner');
is(sql(q{SELECT string_agg(outcome, ' ') FROM mallory.loot WHERE outcome LIKE 'done%'}), '', 'none of the statements that would gain rights on the server succeeds as the owner');
is(sql('SELECT count(DISTINCT outcome) FROM mallory.loot'), scalar @climb, 'every statement that would gain rights was tried');
is(sql($powerful), $superusers, 'no role has more rights on the server than before');
sql(<<'SQL');
DROP SCHEMA mallory CASCADE;
DROP OWNED BY mallory;
DO $$
DECLARE
	name name;
BEGIN
	FOR name IN SELECT evtname FROM pg_event_trigger LOOP
		EXECUTE format('ALTER EVENT TRIGGER %I ENABLE ALWAYS', name);
	END LOOP;
END $$;
SQL

# The worst case: a hostile role has all rights of the owner and attaches code
# to the extension's objects. A superuser then administers the extension.
sql(<<'SQL');
GRANT anon_auth_owner TO mallory;
CREATE SCHEMA mallory AUTHORIZATION mallory;
CREATE TABLE mallory.loot (who name, superuser boolean);
GRANT ALL ON SCHEMA mallory TO PUBLIC;
GRANT ALL ON mallory.loot TO PUBLIC;
CREATE FUNCTION public.of_superuser(jsonb) RETURNS jsonb LANGUAGE sql AS $$
	INSERT INTO mallory.loot SELECT rolname, rolsuper FROM pg_roles WHERE rolname = current_user;
	SELECT NULL::jsonb $$;
REVOKE ALL ON FUNCTION public.of_superuser(jsonb) FROM PUBLIC;
SQL
is(attempt('mallory', <<'SQL'), '', 'a hostile member of the owner role can create functions of its own');
CREATE FUNCTION mallory.take() RETURNS void LANGUAGE sql AS
	$$INSERT INTO mallory.loot SELECT rolname, rolsuper FROM pg_roles WHERE rolname = current_user$$;
CREATE FUNCTION mallory.evil(text DEFAULT NULL) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	PERFORM mallory.take();
	RETURN true;
END $$;
CREATE FUNCTION mallory.evil_trigger() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM mallory.take();
	RETURN NEW;
END $$;
CREATE FUNCTION mallory.finding_text(anon_auth.finding) RETURNS text LANGUAGE sql AS $$SELECT mallory.take()::text$$;
CREATE FUNCTION mallory.settings_text(anon_auth.settings) RETURNS text LANGUAGE sql AS $$SELECT mallory.take()::text$$;
CREATE FUNCTION mallory.calls_superuser(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$BEGIN PERFORM public.of_superuser_too(); RETURN $1; END$$;
CREATE TABLE mallory.names (name text PRIMARY KEY, other text);
CREATE TABLE mallory.heir (LIKE anon_auth.settings INCLUDING CONSTRAINTS);
CREATE VIEW mallory.view AS SELECT * FROM anon_auth.users;
SQL
sql('GRANT CREATE ON DATABASE postgres TO mallory');
my @planted = (
	'CREATE OR REPLACE FUNCTION anon_auth.grant_client_api(role_name regrole) RETURNS void LANGUAGE plpgsql AS $$BEGIN PERFORM mallory.take(); END$$',
	'ALTER FUNCTION anon_auth.delete_user(uuid) SECURITY INVOKER',
	'ALTER ROUTINE anon_auth.doctor() SET search_path = mallory',
	'ALTER FUNCTION anon_auth.doctor() RENAME TO healer',
	'CREATE FUNCTION anon_auth.delete_user(text) RETURNS void LANGUAGE sql AS $$SELECT mallory.take()$$',
	'CREATE PROCEDURE anon_auth.tidy() LANGUAGE sql AS $$SELECT mallory.take()$$',
	'CREATE AGGREGATE anon_auth.counted(*) (SFUNC = int8inc, STYPE = bigint, INITCOND = 0)',
	'CREATE OR REPLACE VIEW anon_auth.stats AS SELECT s.*, mallory.evil() FROM (SELECT * FROM anon_auth.stats) s',
	'ALTER VIEW anon_auth.stats RENAME TO old_stats',
	'ALTER TABLE anon_auth.stats RENAME TO old_stats',
	'ALTER VIEW anon_auth.stats ALTER COLUMN users SET DEFAULT 1',
	'CREATE VIEW anon_auth.more AS SELECT 1',
	'CREATE TYPE anon_auth.evil AS ENUM ()',
	'CREATE OPERATOR anon_auth.= (LEFTARG = text, RIGHTARG = text, FUNCTION = texteq)',
	'CREATE TRIGGER evil BEFORE UPDATE ON anon_auth.settings FOR EACH ROW EXECUTE FUNCTION mallory.evil_trigger()',
	'CREATE TRIGGER evil BEFORE INSERT ON anon_auth.clients FOR EACH ROW EXECUTE FUNCTION mallory.evil_trigger()',
	'CREATE CONSTRAINT TRIGGER evil AFTER DELETE ON anon_auth.users FOR EACH ROW EXECUTE FUNCTION mallory.evil_trigger()',
	'CREATE RULE evil AS ON UPDATE TO anon_auth.settings DO ALSO SELECT mallory.evil()',
	'ALTER TABLE anon_auth.clients ALTER COLUMN name SET DEFAULT mallory.evil()::text',
	'ALTER TABLE anon_auth.clients ADD CHECK (mallory.evil(client_id))',
	'ALTER TABLE anon_auth.clients ADD COLUMN evil boolean DEFAULT mallory.evil()',
	'ALTER TABLE anon_auth.settings DISABLE TRIGGER settings_changed',
	'ALTER TABLE anon_auth.settings RENAME TO old_settings',
	'ALTER TABLE anon_auth.settings RENAME issuer TO old_issuer',
	'CREATE INDEX evil ON anon_auth.clients ((mallory.evil(client_id)))',
	'CREATE POLICY evil ON anon_auth.clients USING (mallory.evil(client_id))',
	'CREATE TABLE mallory.child () INHERITS (anon_auth.settings)',
	'ALTER DOMAIN anon_auth_http."*/*" ADD CHECK (mallory.evil(VALUE))',
	'DROP TRIGGER settings_changed ON anon_auth.settings',
	# PostgreSQL evaluates the expressions of statistics when it plans a query
	# on the table.
	q{CREATE STATISTICS mallory.evil ON (mallory.evil('x')), issuer FROM anon_auth.settings},
	'CREATE STATISTICS mallory.evil ON (mallory.evil(client_id)) FROM anon_auth.clients',
	[ 'ALTER STATISTICS mallory.evil SET STATISTICS 10', 'CREATE STATISTICS mallory.evil ON name, client_id FROM anon_auth.clients; ALTER STATISTICS mallory.evil OWNER TO mallory',
		'DROP STATISTICS mallory.evil' ],
	q{CREATE INDEX CONCURRENTLY evil ON anon_auth.settings ((mallory.evil('x')))},
	'CREATE UNIQUE INDEX CONCURRENTLY evil ON anon_auth.clients (client_id) WHERE mallory.evil(client_id)',
	'CREATE INDEX evil ON anon_auth.clients (name)',
	'DROP INDEX anon_auth.login_ids_user_id_idx',
	'ALTER INDEX anon_auth.login_ids_user_id_idx RENAME TO evil',
	'ALTER TABLE anon_auth.clients ADD UNIQUE (name)',
	q{ALTER TABLE anon_auth.clients ADD EXCLUDE ((mallory.evil('x')::text) WITH =)},
	'ALTER TABLE anon_auth.clients ALTER COLUMN name TYPE text USING mallory.evil(name)::text',
	'ALTER TABLE anon_auth.clients ADD COLUMN evil boolean GENERATED ALWAYS AS (mallory.evil(client_id)) STORED',
	'ALTER TABLE anon_auth.clients ADD FOREIGN KEY (client_id) REFERENCES mallory.names ON UPDATE CASCADE NOT VALID',
	'ALTER TABLE anon_auth.clients DROP COLUMN name',
	'ALTER TABLE anon_auth.sessions DROP CONSTRAINT sessions_pkey CASCADE',
	'ALTER TABLE anon_auth.clients ALTER COLUMN application_type DROP NOT NULL',
	'ALTER TABLE anon_auth.clients ALTER COLUMN name SET STATISTICS 10',
	'ALTER TABLE anon_auth.clients ENABLE ROW LEVEL SECURITY',
	'ALTER TABLE anon_auth.clients FORCE ROW LEVEL SECURITY',
	'ALTER TABLE anon_auth.clients REPLICA IDENTITY FULL',
	'ALTER TABLE anon_auth.clients CLUSTER ON clients_pkey',
	'ALTER TABLE anon_auth.settings ENABLE REPLICA TRIGGER settings_changed',
	'ALTER TABLE anon_auth.clients SET (fillfactor = 50)',
	'ALTER TABLE anon_auth.clients SET UNLOGGED',
	'ALTER TABLE mallory.heir INHERIT anon_auth.settings',
	'CREATE TABLE mallory.refs (client_id text REFERENCES anon_auth.clients ON DELETE CASCADE ON UPDATE CASCADE)',
	'ALTER TABLE mallory.names ADD FOREIGN KEY (name) REFERENCES anon_auth.signing_keys (kid) ON DELETE CASCADE',
	'CREATE CAST (anon_auth.finding AS text) WITH FUNCTION mallory.finding_text(anon_auth.finding) AS ASSIGNMENT',
	'CREATE CAST (anon_auth.settings AS text) WITH FUNCTION mallory.settings_text(anon_auth.settings) AS IMPLICIT',
	'ALTER FUNCTION mallory.evil(text) SET SCHEMA anon_auth',
	'ALTER FUNCTION mallory.evil(text) SET SCHEMA anon_auth_internal',
	'ALTER TABLE mallory.view SET SCHEMA anon_auth',
	'CREATE DOMAIN anon_auth.evil AS text CHECK (mallory.evil(VALUE))',
	'CREATE FUNCTION anon_auth_internal.doctor_evil() RETURNS SETOF anon_auth.finding LANGUAGE sql AS $$SELECT NULL::anon_auth.finding WHERE mallory.evil()$$',
	'CREATE TYPE anon_auth.evil AS (a integer)',
	'CREATE STATISTICS anon_auth.evil ON name, other FROM mallory.names',
	'ALTER TYPE anon_auth.finding ADD ATTRIBUTE evil text',
	'ALTER TYPE anon_auth.finding RENAME TO evil',
	'ALTER DOMAIN anon_auth_http."*/*" SET DEFAULT mallory.evil()::text',
	'CREATE SCHEMA evil CREATE TABLE child () INHERITS (anon_auth.settings)',
	# A superuser's function runs DDL while PostgreSQL builds the index.
	[ q{CREATE INDEX evil ON anon_auth.clients ((mallory.calls_superuser('x')))},
		'CREATE FUNCTION public.of_superuser_too() RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$BEGIN CREATE TABLE public.by_superuser (); DROP TABLE public.by_superuser; END$$',
		'DROP FUNCTION public.of_superuser_too()' ],
	'DO $$ BEGIN CREATE STATISTICS mallory.evil ON (mallory.evil(client_id)) FROM anon_auth.clients; END $$');
# Each statement must succeed while the guards are disabled. Otherwise its
# refusal would prove nothing.
sub guards { sql(join ' ', map { "ALTER EVENT TRIGGER $_ $_[0];" } split /\n/, sql(q{SELECT evtname FROM pg_event_trigger})); }

# A hash of all rows of the catalogs that describe objects. Any DDL that is not
# undone changes it.
sub catalogs
{
	return sql('SELECT md5(string_agg(version, chr(32) ORDER BY version)) FROM (' .
		join(' UNION ALL ', map { "SELECT format('%s %s %s', tableoid, ctid, xmin) AS version FROM $_" } map { "pg_$_" }
			qw(attrdef attribute cast class constraint depend event_trigger index inherits namespace operator policy proc rewrite statistic_ext transform trigger type)) . ') c');
}

for my $statement (@planted)
{
	# The statements that a superuser runs before and after the one under test.
	my ($change, $before, $after) = ref $statement ? @$statement : ($statement, '', '');
	my $commits = $change =~ /CONCURRENTLY/;

	sql($before);
	guards('DISABLE');
	is(attempt('mallory', $commits ? $change : "BEGIN; $change; ROLLBACK"), '', "without the guards, the owner could run: $change");
	sql('DROP INDEX anon_auth.evil') if $commits;
	guards('ENABLE ALWAYS');
	my $catalogs = catalogs();
	like(attempt('mallory', $change), qr/^ERROR:  only superusers may (change objects|reference tables) of extension anon_auth(, except users)?$/m, "the guards refuse: $change");
	is(catalogs(), $catalogs, "the refusal leaves the catalogs unchanged: $change");
	sql($after);
}
for my $statement (
	'CREATE OR REPLACE FUNCTION anon_auth_internal.settings_changed() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN PERFORM mallory.take(); RETURN NULL; END$$',
	'CREATE OR REPLACE FUNCTION anon_auth_internal.guard_objects() RETURNS event_trigger LANGUAGE plpgsql AS $$BEGIN PERFORM mallory.take(); END$$',
	'ALTER FUNCTION anon_auth.doctor() SET SCHEMA mallory',
	'ALTER TABLE anon_auth.settings SET SCHEMA mallory',
	'ALTER TABLE anon_auth.settings OWNER TO mallory',
	'ALTER SCHEMA anon_auth RENAME TO old_auth',
	'ALTER SCHEMA anon_auth_internal RENAME TO old_auth',
	'DROP FUNCTION anon_auth_internal.check_uri(text, text) CASCADE',
	'DROP EVENT TRIGGER anon_auth_guard_objects',
	'ALTER EVENT TRIGGER anon_auth_guard_objects OWNER TO mallory',
	'DROP EVENT TRIGGER anon_auth_guard_altered_tables',
	'CREATE TABLE mallory.first (); REASSIGN OWNED BY anon_auth_owner TO mallory',
	'DROP OWNED BY anon_auth_owner CASCADE',
	'ALTER EXTENSION anon_auth DROP FUNCTION anon_auth.doctor()', 'ALTER EXTENSION anon_auth_http DROP FUNCTION anon_auth.http_api()',
	'DROP FUNCTION anon_auth.distribute(integer)', 'ALTER FUNCTION anon_auth_http.token(text) RESET ALL',
	'DROP FUNCTION anon_auth.doctor()',
	q{UPDATE anon_auth.settings SET access_token_claims = 'public.of_superuser'},
	'SET session_replication_role = replica; DROP TRIGGER settings_changed ON anon_auth.settings',
	@climb[1 .. $#climb])
{
	next if $statement =~ /^GRANT anon_auth_owner/;	# mallory is a member already
	like(attempt('mallory', $statement), qr/^ERROR:  (permission denied|must be|must have|only superusers|cannot drop|hook function|Only roles)/m, "a hostile member of the owner role cannot run: $statement");
}
# The owner's code runs as the owner in the middle of a superuser's command.
is(attempt('mallory', <<'SQL'), '', 'a member of the owner role can create a function that would change the extension');
CREATE FUNCTION mallory.plant() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	CREATE INDEX evil ON anon_auth.clients ((mallory.evil(client_id)));
EXCEPTION WHEN insufficient_privilege THEN
	RAISE WARNING '%', SQLERRM;
END $$;
CREATE FUNCTION mallory.plants(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$BEGIN PERFORM mallory.plant(); RETURN $1; END$$;
CREATE TABLE mallory.bait AS SELECT 'x'::text AS t;
SQL
my $superuser = sql('SELECT current_user');
like(attempt($superuser, 'CREATE INDEX ON mallory.bait (mallory.plants(t))'), qr/^WARNING:  only superusers may change objects of extension anon_auth$/m, 'the function cannot change the extension when a superuser creates an index with it');
is(sql(q{SELECT to_regclass('anon_auth.evil')}), '', 'the function leaves no index behind');

# Each statement runs in a separate session, whose first DDL loads the library.
is(attempt($superuser, $_), '', "a superuser can: $_")
  for 'CREATE INDEX more ON anon_auth.clients (lower(name))', 'DROP INDEX anon_auth.more', 'CREATE INDEX CONCURRENTLY more ON anon_auth.clients (name)', 'DROP INDEX CONCURRENTLY anon_auth.more',
  'ALTER TABLE anon_auth.clients ADD CONSTRAINT more UNIQUE (name)', 'ALTER TABLE anon_auth.clients DROP CONSTRAINT more',
  'CREATE STATISTICS more ON name, client_id FROM anon_auth.clients', 'DROP STATISTICS more',
  'CREATE TABLE more (client_id text REFERENCES anon_auth.clients); DROP TABLE more',
  'DO $$ BEGIN CREATE INDEX more ON anon_auth.clients (name); DROP INDEX anon_auth.more; END $$';
is(attempt('mallory', $_), '', "a member of the owner can: $_")
  for 'CREATE TABLE mallory.own (user_id uuid CONSTRAINT own_fkey REFERENCES anon_auth.users ON DELETE CASCADE)',
  'ALTER TABLE mallory.own ALTER CONSTRAINT own_fkey DEFERRABLE',
  'CREATE POLICY own ON mallory.own USING (user_id IN (SELECT id FROM anon_auth.users))',
  'CREATE RULE own AS ON INSERT TO mallory.own DO ALSO SELECT count(*) FROM anon_auth.users',
  'CREATE MATERIALIZED VIEW mallory.counted AS SELECT count(*) FROM anon_auth.users',
  'REFRESH MATERIALIZED VIEW mallory.counted',
  'CREATE FUNCTION mallory.reads() RETURNS bigint BEGIN ATOMIC SELECT count(*) FROM anon_auth.users; END',
  'CREATE TABLE mallory.copy (LIKE anon_auth.users INCLUDING ALL)',
  'CREATE TABLE mallory.types (u anon_auth.users, r anon_auth.token_response)',
  'DROP TABLE mallory.own, mallory.copy, mallory.types',
  'GRANT SELECT ON anon_auth.events TO watcher; REVOKE SELECT ON anon_auth.events FROM watcher',
  q{COMMENT ON TABLE anon_auth.clients IS 'Clients.'},
  'SET client_min_messages = error; CREATE PUBLICATION mallory FOR TABLE anon_auth.events WHERE (id IS NOT NULL); DROP PUBLICATION mallory',
  'CREATE TABLE mallory.loaded (); VACUUM FULL anon_auth.clients',
  'DROP TABLE mallory.loaded; REINDEX TABLE CONCURRENTLY anon_auth.clients',
  'CREATE TABLE mallory.loaded (); CLUSTER anon_auth.clients USING clients_pkey',
  'REINDEX INDEX anon_auth.clients_pkey', 'ANALYZE anon_auth.clients';
is(attempt('mallory', <<'SQL'), '', 'a member of the owner role can create triggers on a table that references users');
CREATE TABLE mallory.notes (user_id uuid REFERENCES anon_auth.users (id) ON DELETE CASCADE);
CREATE TRIGGER evil AFTER DELETE ON mallory.notes FOR EACH ROW EXECUTE FUNCTION mallory.evil_trigger();
CREATE TRIGGER evil_too AFTER DELETE ON mallory.notes FOR EACH STATEMENT EXECUTE FUNCTION mallory.evil_trigger();
INSERT INTO mallory.notes SELECT id FROM anon_auth.users;
SQL
sql(<<'SQL');
UPDATE anon_auth.settings SET issuer = 'https://superuser.example';
SELECT anon_auth.grant_client_api('app_user');
SELECT anon_auth.create_client('another', 'spa');
INSERT INTO anon_auth.clients (client_id, name, application_type) VALUES ('third', 'third', 'spa');
SELECT * FROM anon_auth.doctor();
SELECT * FROM anon_auth.stats;
SELECT anon_auth.purge(dry_run => true), anon_auth.purge();
SELECT anon_auth.delete_user(id) FROM anon_auth.users;
CREATE TABLE public.unrelated ();
SQL
isnt(sql('SELECT count(*) FROM mallory.loot'), 0, 'the hostile triggers have run');
is(sql('SELECT DISTINCT who FROM mallory.loot WHERE superuser'), '', 'a superuser who administers the extension runs no code of a hostile member of the owner role');
is(sql($powerful), $superusers, 'no role has more rights on the server than before the attacks');
$node->stop;

done_testing();
