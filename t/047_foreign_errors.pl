# Errors that other functions raise during purge(). A trigger that raises the
# SQLSTATE of a cancellation, in whatever language, must not stop purge() for
# other guests. A real cancellation must.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->append_conf('postgresql.conf', 'fsync = off');
$node->start;

sub query { return $node->safe_psql('postgres', $_[0]); }

plan skip_all => 'dblink is not installed'
  if query(q{SELECT count(*) FROM pg_available_extensions WHERE name = 'dblink'}) eq '0';

# dblink is a C function that raises the error of the other connection.
my $connection = $node->connstr('postgres') =~ s/'/''/gr;
query(<<"SQL");
CREATE EXTENSION anon_auth;
CREATE EXTENSION dblink;
SELECT anon_auth.create_client('app', 'native');
UPDATE anon_auth.settings SET purge_policy = 'cascade';
CREATE TABLE public.carts (user_id uuid REFERENCES anon_auth.users ON DELETE CASCADE);
CREATE FUNCTION public.raise(code text) RETURNS void LANGUAGE plpgsql AS \$\$ BEGIN RAISE EXCEPTION 'not this one' USING ERRCODE = code; END \$\$;
CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS \$\$
BEGIN
	PERFORM public.dblink_exec('$connection', format('DO \$x\$ BEGIN PERFORM public.raise(%L); END \$x\$', TG_ARGV[0]));
	RETURN OLD;
END \$\$;
CREATE FUNCTION public.wait() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN PERFORM pg_sleep(60); RETURN OLD; END \$\$;
CREATE FUNCTION public.retire(how_many integer) RETURNS uuid LANGUAGE plpgsql AS \$\$
DECLARE
	guest record;
BEGIN
	FOR i IN 1 .. how_many LOOP
		SELECT sub, refresh_token INTO guest FROM anon_auth.authenticate_anonymously('app');
		PERFORM anon_auth.revoke(guest.refresh_token);
	END LOOP;
	INSERT INTO public.carts VALUES (guest.sub);
	RETURN guest.sub;
END \$\$;
SQL

for my $code (qw(57014 57P01 40001 40P01 53200))
{
	query("CREATE TRIGGER refuse BEFORE DELETE ON public.carts FOR EACH ROW EXECUTE FUNCTION public.refuse('$code')");
	my $kept = query('SELECT public.retire(3)');
	my ($status, $output, $errors) = $node->psql('postgres', 'SELECT guests, skipped_guests FROM anon_auth.purge()');

	is("$status $output", '0 2|1', "purge() keeps only the guest whose trigger raises $code") or diag($errors);
	is(query("SELECT count(*) FROM anon_auth.users WHERE id = '$kept'"), 1, "the guest whose trigger raises $code still exists");
	query('DROP TRIGGER refuse ON public.carts; TRUNCATE public.carts; UPDATE anon_auth.users SET purge_from = now()');
	query('SELECT anon_auth.purge()');
}

query('CREATE TRIGGER wait BEFORE DELETE ON public.carts FOR EACH ROW EXECUTE FUNCTION public.wait()');
query('SELECT public.retire(3)');
my ($status, $output, $errors) = $node->psql('postgres', "SET statement_timeout = '500ms'; SELECT guests, skipped_guests FROM anon_auth.purge()");
isnt($status, 0, 'a statement timeout in a trigger cancels purge()');
like($errors, qr/canceling statement due to statement timeout/, 'the error of purge() is the statement timeout');
is(query('SELECT count(*) FROM anon_auth.users'), 3, 'the canceled purge() deletes no guest');

$node->stop;
done_testing();
