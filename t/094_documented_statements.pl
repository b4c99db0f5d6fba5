# SQL of the documents, as a reader runs it after the tour of README.md: the request of
# a device, the password of an account, and the removal of the role.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Device qw(call challenge);
use IPC::Run ();
use JSON::PP ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $root = "$FindBin::Bin/..";
my ($readme, $guide, $operations) = map { slurp_file("$root/$_") } 'README.md', 'docs/guide.md', 'docs/operations.md';
my $json = JSON::PP->new->canonical;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->append_conf('postgresql.conf', "fsync = off\nlog_statement = all\nlog_min_duration_statement = 0");
$node->start;

sub query { return $node->safe_psql('postgres', $_[0]); }

# The blocks of a section
sub blocks
{
	my ($document, $heading, $language) = @_;
	my ($level, $section) = $document =~ /^(#+) \Q$heading\E\n(.*?)(?:^##? |^### |\z)/ms or die "no section $heading";

	return map { my ($indentation) = /^( *)/; s/^$indentation//mgr } $section =~ /^ *```$language\n(.*?)^ *```$/mgs;
}

$node->psql('postgres', (blocks($readme, 'Getting started', 'sql'))[0], on_error_stop => 0);
is(query('SELECT count(*) FROM anon_auth.users'), 1, 'the tour of README.md leaves an account');

# ---------------------------------------------------------------------------
# guide.md: the request of a device
# ---------------------------------------------------------------------------

{
	my ($header, $payload) = map { $json->decode($_) } (blocks($guide, 'Device keys', 'json'))[ 0, 1 ];
	my $thumbprint = query("SELECT anon_auth.jwk_thumbprint('" . $json->encode($header->{jwk}) . "')");

	is($header->{kid}, $thumbprint, 'the kid of the guide is the thumbprint of its key');
	my $device = AnonAuth::Device->new(alg => $header->{alg});
	is(join(' ', sort keys %{ $header->{jwk} }), join(' ', sort keys %{ $device->jwk(alg => undef) }), 'the key of the guide has the members of a key');
	$header->{jwk} = $device->jwk(alg => undef);
	$header->{kid} = $device->kid;
	my %now = (challenge => challenge($node), iat => time, exp => time + 60);
	exists $payload->{$_} and $payload->{$_} = $now{$_} for keys %now;
	ok(call($node, 'authenticate_anonymously', client_id => 'app', jwt => $device->sign($header, $payload))->{sub}, 'a device signs up with the header and the payload of the guide');
}

# ---------------------------------------------------------------------------
# guide.md: the results of functions
# ---------------------------------------------------------------------------

my $tables = 0;
while ($guide =~ /^    (\w+)\([^\n]*?\)\s+RETURNS TABLE \((.*?)\)\n/msg)
{
	my ($name, $columns) = ($1, $2);

	$columns =~ s/\s+/ /g;
	$tables++;
	is($columns, query(<<"SQL"),
SELECT string_agg(a.name || ' ' || replace(a.type::regtype::text, 'timestamp with time zone', 'timestamptz'), ', ' ORDER BY ordinality)
FROM pg_proc, unnest(proargnames, proallargtypes, proargmodes) WITH ORDINALITY AS a (name, type, mode)
WHERE pronamespace = 'anon_auth'::regnamespace AND proname = '$name' AND mode IN ('t', 'o')
SQL
		"the guide has the columns of $name()");
}
cmp_ok($tables, '>=', 3, 'the guide has functions that return a table');

# ---------------------------------------------------------------------------
# operations.md: a forgotten password
# ---------------------------------------------------------------------------

{
	my ($role) = blocks($operations, 'The owner, and administrators', 'sql');
	my ($find, $bind, $settings, $prompt) = blocks($operations, 'A user who has forgotten the password', 'sql');

	query($role);
	# psql as the administrator. The passwords are read from the terminal, here from the input.
	my $run = sub {
		my ($script, $password) = @_;
		my $text = $script =~ s/^\\prompt .*$/\\set password '$password'/mr;
		my ($output, $errors) = ('', '');

		IPC::Run::run([ 'psql', '-XAt', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres') . ' user=auth_admin' ], '<', \$text, '>', \$output, '2>', \$errors);
		return $errors;
	};
	my $log_in = sub { return query("SELECT count(*) FROM anon_auth.authenticate('app', 'ada\@example.com', '$_[0]')"); };

	my ($version) = (run_command([ 'psql', '--version' ]))[0] =~ /(\d+)/;
  SKIP:
	{
		skip 'this psql has no \bind', 2 if $version < 16;
		is($run->("$find\n$bind", 'a bound password'), '', 'a new psql sets a password');
		is($log_in->('a bound password'), 1, 'it logs in');
	}
	query($settings);
	my $start = -s $node->logfile;
	is($run->("$find\n$prompt", 'a password in the text'), '', 'an older psql sets a password, without the rights of a superuser');
	is($run->("SELECT anon_auth.set_password('00000000-0000-0000-0000-000000000000', :'password')" =~ s/^/\\prompt x\n/r, 'a password of a failed call') =~ /^ERROR/m ? 1 : 0, 1, 'a call fails');
	my $log = substr slurp_file($node->logfile), $start;
	unlike($log, qr/a password (?:in the text|of a failed call)/, 'no password is in the log');
	is($log_in->('a password in the text'), 1, 'the password logs in');
	like(substr(slurp_file($node->logfile), $start), qr/a password in the text/, 'the search finds a statement of another role');
}

# ---------------------------------------------------------------------------
# operations.md: the sessions that end with a master key
# ---------------------------------------------------------------------------

{
	my ($count) = grep { /session_type/ } blocks($operations, 'Key rotation schedule', 'sql');
	my $guest = call($node, 'authenticate_anonymously', client_id => 'app');

	query("DELETE FROM anon_auth.sessions WHERE user_id <> '$guest->{sub}'");
	$count =~ s/'2026-[^']*'/'2100-01-01'/ or die 'no time of the rotation';
	is(query($count), 'refresh_token|1|1', 'the query counts the guests that a former master key loses');
	is(query($count =~ s/2100/2000/r), '', 'sessions since the rotation do not count');
	query("UPDATE anon_auth.sessions SET session_type = 'cookie'");
	is(query($count), 'cookie|1|1', 'it counts cookie sessions, too');
}

# ---------------------------------------------------------------------------
# operations.md: purge() from a systemd timer
# ---------------------------------------------------------------------------

{
	my ($service, $timer) = blocks($operations, 'Purging', 'ini');
	my ($command) = $service =~ /^ExecStart=(.*)$/m;
	my ($output, $errors, $expired) = ('', '', "SELECT count(*) FROM anon_auth.sessions WHERE expires_at < now() - interval '1 day'");

	$command =~ s{^/usr/bin/psql }{psql } or die;
	$command =~ s{ -d app }{ -d '${\ $node->connstr('postgres')}' } or die;
	query(q{UPDATE anon_auth.sessions SET created_at = now() - interval '3 days', authenticated_at = now() - interval '3 days', last_used_at = now() - interval '3 days',
		expires_at = now() - interval '2 days', purge_from = now() - interval '2 days'});
	isnt(query($expired), 0, 'there are expired sessions');
	is(IPC::Run::run([ 'sh', '-c', $command ], '>', \$output, '2>', \$errors) . $output . $errors, '1', 'the command of the unit is silent');
	is(query($expired), 0, 'and purges');
	my ($unit) = $operations =~ m{`/etc/systemd/system/(\S+)[.]service`};
	like($operations, qr{`/etc/systemd/system/\Q$unit\E[.]timer`}, 'the timer belongs to the unit');
	$command =~ s/anon_auth[.]purge/anon_auth.no_such_function/;
	ok(!IPC::Run::run([ 'sh', '-c', $command ], '>', \$output, '2>', \$errors), 'a failure fails the unit');
  SKIP:
	{
		skip 'systemd-analyze is not installed', 1 if system('command -v systemd-analyze >/dev/null') != 0;
		my $directory = PostgreSQL::Test::Utils::tempdir();

		append_to_file("$directory/$unit.service", $service =~ s{/usr/bin/psql}{/bin/true}r);
		append_to_file("$directory/$unit.timer", $timer);
		is(IPC::Run::run([ 'systemd-analyze', 'verify', "$directory/$unit.service", "$directory/$unit.timer" ], '>&', \$output) . ($output =~ /anon-auth/ ? $output : ''), '1', 'systemd accepts the units');
	}
}

# ---------------------------------------------------------------------------
# guide.md: importing users
# ---------------------------------------------------------------------------

{
	my ($import) = grep { /import_users/ } blocks($guide, 'Importing users', 'sql');
	my ($prepare, @calls) = split /^(?=SELECT \* FROM anon_auth[.]import_users)/m, $import;

	query($prepare);
	is(@calls, 2, 'the guide has a dry run and an import');
	is($node->safe_psql('postgres', $_, extra_params => [ '-U', 'auth_admin' ]), '', 'a member of anon_auth_owner imports the users of the guide') for @calls;
	is(query(q{SELECT count(*) FROM anon_auth.authenticate('app', 'grace@legacy.example', 'open sesame')}), 1, 'an imported user logs in');
	query(q{SELECT anon_auth.delete_user(user_id) FROM to_import; DROP SCHEMA legacy CASCADE});
}

# ---------------------------------------------------------------------------
# README.md: the removal of the role
# ---------------------------------------------------------------------------

{
	# objects and rights that the role got
	my ($support) = grep { /VIEW support\.events/ } blocks($operations, 'Rights for other roles', 'sql');

	query($support);
	my ($status, undef, $errors) = $node->psql('postgres', 'DROP EXTENSION anon_auth');

	like($errors, qr/view support\.events depends on/, 'DROP EXTENSION names the view');
	query('DROP VIEW support.events; DROP TABLE notes; DROP EXTENSION anon_auth');
	(undef, undef, $errors) = $node->psql('postgres', 'DROP ROLE anon_auth_owner');
	like($errors, qr/privileges for schema support/, 'DROP ROLE names the rights');
	query('REVOKE anon_auth_owner FROM auth_admin; DROP OWNED BY anon_auth_owner; DROP ROLE anon_auth_owner');
	is(query("SELECT count(*) FROM pg_roles WHERE rolname = 'anon_auth_owner'"), 0, 'after DROP OWNED BY, the role can be dropped');
	is(query("SELECT count(*) FROM pg_proc WHERE pronamespace = 'support'::regnamespace"), 0, 'its function is gone');
}

$node->stop;
done_testing();
