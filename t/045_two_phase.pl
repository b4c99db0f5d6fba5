# Two-phase commit: calls that send a NOTIFY cannot be part of a prepared
# transaction, and other calls can.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Device qw(call sql_literal);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->append_conf('postgresql.conf', "fsync = off\nmax_prepared_transactions = 2");
$node->start;

sub query { return $node->safe_psql('postgres', $_[0]); }

# The SQLSTATE of PREPARE TRANSACTION after the calls, or "prepared". The
# transaction is rolled back.
sub prepared
{
	my (@calls) = @_;
	my ($status, $output, $errors) = $node->psql('postgres',
		"\\set VERBOSITY sqlstate\nBEGIN;\n" . join('', map { "SELECT $_ \\g /dev/null\n" } @calls) . "PREPARE TRANSACTION 'p'; ROLLBACK PREPARED 'p';",
		on_error_stop => 1);

	return $status == 0 ? 'prepared' : ($errors =~ /ERROR:  (\w{5})/)[0];
}

query('CREATE EXTENSION anon_auth');
is(prepared(q{anon_auth.create_client('first', 'native')}), '0A000', 'the first create_client() cannot be prepared, because it creates the first signing key');
query(q{SELECT anon_auth.create_client('app', 'native'); UPDATE anon_auth.settings SET password_hash_memory_kib = 8192, password_hash_passes = 1});
my $guest = call($node, 'authenticate_anonymously', client_id => 'app');
my $refresh_token = sql_literal($guest->{refresh_token});
my $promote = "anon_auth.promote_anonymous_user('app', email => 'ada\@example.com', password => 'correct horse', refresh_token => $refresh_token)";
is(prepared($_), 'prepared', "$_ can be prepared")
  for q{anon_auth.create_client('other', 'native')}, q{anon_auth.authenticate_anonymously('app')}, "anon_auth.refresh_session('app', $refresh_token)",
  "anon_auth.revoke($refresh_token)", $promote, "anon_auth.delete_user('$guest->{sub}')", 'anon_auth.purge()';
query("SELECT $promote");
is(query(q{BEGIN; SELECT anon_auth.use_client_address('192.0.2.1'); PREPARE TRANSACTION 'a';
	SELECT current_setting('anon_auth.client_address'); ROLLBACK PREPARED 'a'}), "\n", 'PREPARE TRANSACTION ends the address that use_client_address() stated');
is(prepared($_), '0A000', "$_ cannot be prepared")
  for 'anon_auth.create_signing_key()', 'anon_auth.rotate_signing_key()', q{anon_auth.request_password_reset('ada@example.com')},
  q{anon_auth.request_password_reset('nobody@example.com')}, q{anon_auth.request_login_code('app', 'new@example.com')},
  map { "$_ FROM anon_auth.authenticate('app', 'ada\@example.com', 'correct horse') t" } 'anon_auth.request_verification(access_token => t.access_token)',
  q{anon_auth.request_login_id_code('email', 'new@example.com', t.access_token)};
query(q{UPDATE anon_auth.login_ids SET verified_at = now()});
is(prepared("$_ FROM anon_auth.authenticate('app', 'ada\@example.com', 'correct horse') t"), '0A000', "$_ cannot be prepared")
  for 'anon_auth.set_password(t.sub, \'battery staple\')', 'anon_auth.delete_account(t.access_token)',
  q{anon_auth.change_password('battery staple', 'correct horse', t.access_token)}, q{anon_auth.add_login_id('username', 'ada', access_token => t.access_token)};
my $kid = sql_literal(query('SELECT kid FROM anon_auth.signing_keys'));
is(prepared('anon_auth.rotate_signing_key()', "anon_auth.retire_signing_key($kid)"), '0A000', 'retire_signing_key() cannot be prepared');
for my $case ([ 'issuer', q{'https://two.example'}, '0A000' ], [ 'audience', q{'https://two.example/api'}, '0A000' ], [ 'brand_name', q{'Two'}, 'prepared' ])
{
	my ($setting, $value, $expected) = @$case;

	query("CREATE OR REPLACE FUNCTION change() RETURNS void LANGUAGE sql AS \$\$ UPDATE anon_auth.settings SET $setting = $value \$\$");
	is(prepared('change()'), $expected, "a change of settings.$setting " . ($expected eq 'prepared' ? 'can' : 'cannot') . ' be prepared');
}
# Between the two steps, the session is not there.
sub refreshed
{
	my ($token) = @_;
	my ($status, $output, $errors) = $node->psql('postgres',
		"\\set VERBOSITY sqlstate\nSET statement_timeout = '180s'; SELECT count(*) FROM anon_auth.refresh_session('app', " . sql_literal($token) . ')');

	return $errors =~ /ERROR:  (\w{5})/ ? $1 : $output;
}

sub prepared_sign_up
{
	my ($name) = @_;

	return $node->safe_psql('postgres', "BEGIN; SELECT refresh_token FROM anon_auth.authenticate_anonymously('app'); PREPARE TRANSACTION '$name'");
}

my ($kept, $lost) = map { prepared_sign_up($_) } qw(kept lost);
is(refreshed($kept), 'AA006', 'the refresh token of a prepared transaction is refused');
query(q{COMMIT PREPARED 'kept'});
query(q{ROLLBACK PREPARED 'lost'});
is(refreshed($kept), '1', 'after COMMIT PREPARED, the refresh token is accepted');
is(refreshed($lost), 'AA006', 'after ROLLBACK PREPARED, the refresh token is refused');

my $caller = call($node, 'authenticate_anonymously', client_id => 'app');
like($node->safe_psql('postgres', sprintf q{BEGIN; SELECT anon_auth.use_access_token(%s); PREPARE TRANSACTION 'caller'; SELECT anon_auth.uid() IS NULL; ROLLBACK PREPARED 'caller'}, sql_literal($caller->{access_token})),
	qr/^t\z/m, 'the identity of the caller ends with PREPARE TRANSACTION');

# The rows of the call stay locked.
query(sprintf q{BEGIN; SELECT anon_auth.refresh_session('app', %s); PREPARE TRANSACTION 'locks'}, sql_literal($caller->{refresh_token}));
my (undef, undef, $waiting) = $node->psql('postgres', sprintf q{SET lock_timeout = '100ms'; SELECT anon_auth.delete_user('%s')}, $caller->{sub});
like($waiting, qr/lock timeout/, 'a deletion waits for the prepared refresh of the same user');
like($node->safe_psql('postgres', q{SET lock_timeout = '100ms'; SELECT guests FROM anon_auth.purge()}), qr/\A\d+\z/, 'purge() does not wait');
query(q{COMMIT PREPARED 'locks'});
query(sprintf q{SELECT anon_auth.delete_user('%s')}, $caller->{sub});

# ---------------------------------------------------------------------------
# The documents name exactly the functions that can send a NOTIFY
# ---------------------------------------------------------------------------

# The exported functions of the library from which calls lead to Async_Notify(), by the
# addresses in its code, because several static functions can have one name. A call that
# creates the first signing key is left out: every function that returns tokens has it.
sub notifying_c_functions
{
	my ($library) = run_command([ 'pg_config', '--pkglibdir' ]);
	my (%name, %callers, $function, %reaches);

	for (split /\n/, (run_command([ 'objdump', '-d', '--no-show-raw-insn', "$library/anon_auth.so" ]))[0])
	{
		if (/^([0-9a-f]+) <([^>]+)>:/)
		{
			$function = hex $1;
			$name{$function} = $2;
		}
		elsif (defined $function && /([0-9a-f]+) <([A-Za-z_][^>+]*)(?:\+0x([0-9a-f]+))?>/)
		{
			my $called = hex($1) - hex($3 // 0);

			$name{$called} //= $2;
			$callers{$called}{$function} = 1;
		}
	}
	my @left = grep { $name{$_} =~ /^Async_Notify\b/ } keys %name;
	while (defined(my $called = pop @left))
	{
		push @left, grep { $name{$_} !~ /^keyring_ensure_signer\b/ && !$reaches{$_}++ } keys %{ $callers{$called} // {} };
	}
	return map { $name{$_} } keys %reaches;
}

my %notifies = map { s/^anon_auth_//r => 1 } grep { /^anon_auth_(?!http_)/ } notifying_c_functions();
cmp_ok(scalar keys %notifies, '>', 20, 'there are functions that send a NOTIFY');
ok(!$notifies{refresh_session}, 'there are others');
$notifies{$_} = 1 for qw(ensure_signing_key create_client import_users);
my $calls = 'pg_notify|anon_auth[.](' . join('|', keys %notifies) . ')\M';
is(query(qq{SELECT string_agg(proname, ' ' ORDER BY proname) FROM pg_proc JOIN pg_language l ON l.oid = prolang
	WHERE pronamespace IN ('anon_auth'::regnamespace, 'anon_auth_internal'::regnamespace) AND lanname <> 'c' AND prosrc ~ '$calls'}),
	'client_api create_client doctor_keys import_users own_routines settings_notify',
	'of the other functions, two and a trigger call one of them; client_api, doctor_keys and own_routines only have a name in a text');
sub sorted { my %once = map { $_ => 1 } @_; return join ' ', sort keys %once; }

my ($section) = slurp_file("$FindBin::Bin/../docs/operations.md") =~ /^\*\*Calls that cannot be prepared\.\*\*(.*?)^All other calls/ms;
is(sorted($section =~ /`(\w+)\(\)`/g), sorted(keys %notifies), 'operations.md lists them');
is(query(q{SELECT string_agg(p.proname, ' ' ORDER BY p.proname COLLATE "C") FROM pg_proc p JOIN pg_description d ON d.objoid = p.oid AND d.classoid = 'pg_proc'::regclass
	WHERE p.pronamespace IN ('anon_auth'::regnamespace, 'anon_auth_internal'::regnamespace) AND d.description LIKE '%PREPARE TRANSACTION%0A000%'}),
	sorted(keys %notifies, 'settings_notify'), 'the comments of exactly these functions say that they cannot be prepared');

$node->stop;
done_testing();
