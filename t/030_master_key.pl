# The master key file: how it is created, its permissions, and the errors when
# it is missing or unusable. Also the data that must survive a crash, a dump,
# and a switch to a standby.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Device qw(call challenge refusal sql_literal);
use File::Copy;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

sub new_node
{
	my ($name) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	$node->init(extra => [ '--no-locale', '--encoding=UTF8' ], allows_streaming => 1);
	$node->start;
	return $node;
}

sub key_file { return $_[0]->data_dir . '/anon_auth.master_key'; }

# The error of a statement with its SQLSTATE, DETAIL and HINT.
sub error
{
	my ($node, $statement) = @_;
	my ($result, $stdout, $stderr) = $node->psql('postgres', $statement,
		extra_params => [ '-v', 'VERBOSITY=verbose' ]);

	return $stderr;
}

my $node = new_node('main');
$node->safe_psql('postgres', 'CREATE EXTENSION anon_auth');

# First use

ok(!-e key_file($node), 'no master key file exists before the first use');
my @clients = map {
	my $output = '';
	+{ run => IPC::Run::start(
			[ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', 'SELECT token FROM anon_auth.create_challenge()' ],
			'>', \$output), out => \$output }
} 1 .. 10;
$_->{run}->finish for @clients;
is((grep { ${ $_->{out} } =~ /^[-\w]{40,}$/ } @clients), 10, 'ten backends that need the first master key at once all succeed');
is(sprintf('%o', (stat key_file($node))[2] & 0777), '600', 'the master key file has mode 0600');
is(scalar(grep { !/^#/ } split /\n/, slurp_file(key_file($node))), 1, 'ten backends at once create one key');
is(scalar(glob(key_file($node) . '.*')), undef, 'no temporary file remains beside the master key file');

call($node, 'create_client', client_id => 'app', application_type => 'native');
my $device = AnonAuth::Device->new(alg => 'ES256');
my $early_challenges = join '|', map { ${ $_->{out} } } @clients;
my ($first_challenge) = split /\s*\|\s*/, $early_challenges;
my $guest = call($node, 'authenticate_anonymously',
	client_id => 'app', jwt => $device->request(challenge => $first_challenge, with_jwk => 1));
ok($guest->{sub}, 'a challenge of one backend is accepted by another');

# A crash

my $late = call($node, 'authenticate_anonymously', client_id => 'app');
$node->stop('immediate');
$node->start;
is(call($node, 'refresh_session', client_id => 'app', refresh_token => $late->{refresh_token})->{sub},
	$late->{sub}, 'a session whose tokens were returned survives a crash');

# A standby

$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
chmod 0600, key_file($standby);    # init_from_backup() copies it readable by others
$standby->start;
$node->wait_for_catchup($standby, 'replay', $node->lsn('write'));
is( call($node, 'authenticate_anonymously',
		client_id => 'app', jwt => $device->request(challenge => challenge($standby)))->{sub},
	$guest->{sub},
	'the primary accepts a challenge of the standby');
is($standby->safe_psql('postgres', sprintf q{SELECT anon_auth.verify_jwt(%s) ->> 'sub'}, sql_literal($guest->{access_token})),
	$guest->{sub}, 'verify_jwt() works on the standby');
is($standby->safe_psql('postgres', sprintf q{SELECT anon_auth.userinfo(%s) ->> 'sub'}, sql_literal($guest->{access_token})),
	$guest->{sub}, 'userinfo() works on the standby');
is($standby->safe_psql('postgres', sprintf q{SELECT uid FROM anon_auth.use_access_token(%s), anon_auth.uid() uid}, sql_literal($guest->{access_token})),
	$guest->{sub}, 'use_access_token() and uid() work on the standby');
is($standby->safe_psql('postgres', 'SELECT anon_auth.jwks()'),
	$node->safe_psql('postgres', 'SELECT anon_auth.jwks()'), 'jwks() returns the same keys on the standby');
for my $statement (
	q{SELECT anon_auth.authenticate_anonymously('app')},
	q{SELECT anon_auth.refresh_session('app', 'x')},
	q{SELECT anon_auth.promote_anonymous_user('app')},
	q{SELECT anon_auth.authenticate('app', 'ada', 'x')},
	q{SELECT anon_auth.exchange_authorization_code('app', 'x', 'y', 'z')},
	q{SELECT anon_auth.revoke('x')},
	q{SELECT anon_auth.create_signing_key()},
	q{SELECT anon_auth.disable_user(NULL)})
{
	my ($function) = $statement =~ /anon_auth\.(\w+)/;

	like(error($standby, $statement), qr/25006: cannot execute $function\(\) during recovery/,
		"the standby refuses $function() and names it");
}
unlink key_file($standby);
$standby->restart;
like(error($standby, 'SELECT anon_auth.create_challenge()'),
	qr/F0000: master key file ".*anon_auth.master_key" does not exist.*Copy the file from the primary/s,
	'without the master key file, the error on the standby says to copy it from the primary');
ok(!-e key_file($standby), 'the standby does not create a master key');
$standby->stop;

# A dump

$node->safe_psql('postgres', q{UPDATE anon_auth.settings SET issuer = 'https://kept.example'});
my $account = call($node, 'authenticate_anonymously', client_id => 'app');
$account = call($node, 'promote_anonymous_user', client_id => 'app', email => 'ada@example.com',
	password => 'correct horse', refresh_token => $account->{refresh_token});
my $dump = PostgreSQL::Test::Utils::tempdir() . '/dump';
$node->command_ok([ 'pg_dump', '-Fc', '-f', $dump, $node->connstr('postgres') ], 'pg_dump can dump the database');
my $copy = new_node('copy');
$copy->command_ok([ 'pg_restore', '--exit-on-error', '-d', $copy->connstr('postgres'), $dump ],
	'pg_restore can restore the dump');
is($copy->safe_psql('postgres', 'SELECT issuer FROM anon_auth.settings'), 'https://kept.example',
	'the restored database has the settings');
is( $copy->safe_psql('postgres', 'SELECT count(*) FROM anon_auth.users'),
	$node->safe_psql('postgres', 'SELECT count(*) FROM anon_auth.users'),
	'the restored database has the users');
$copy->safe_psql('postgres', 'CREATE DATABASE parallel TEMPLATE template0');
$node->safe_psql('postgres', q{INSERT INTO anon_auth.users (id, is_anonymous, created_at, updated_at, last_seen_at)
	SELECT gen_random_uuid(), true, now(), now(), now() FROM generate_series(1, 20000)});
$node->command_ok([ 'pg_dump', '-Fc', '-f', "$dump.large", $node->connstr('postgres') ], 'pg_dump can dump a database of 20,000 users');
{
	local $ENV{PGOPTIONS} = '-c session_replication_role=replica';
	$copy->command_ok(
		[ 'pg_restore', '--exit-on-error', '-j', '4', '-d', $copy->connstr('parallel'), "$dump.large" ],
		'pg_restore can restore the larger dump with four jobs, as the manual describes');
}
my $totals = q{SELECT (SELECT count(*) FROM anon_auth.users), (SELECT count(*) FROM anon_auth.sessions),
	(SELECT count(*) FROM anon_auth.device_keys), (SELECT count(*) FROM anon_auth.passwords),
	(SELECT count(*) FROM anon_auth.login_ids), (SELECT issuer FROM anon_auth.settings)};
is($copy->safe_psql('parallel', $totals), $node->safe_psql('postgres', $totals), 'the restore with four jobs restored every row');
my ($key_id) = slurp_file(key_file($node)) =~ /^([0-9a-f]{16}) /m;
like(error($copy, q{SELECT anon_auth.authenticate_anonymously('app')}),
	qr/F0000: master key file ".*anon_auth.master_key" does not exist.*sealed with master key $key_id.*Restore the file/s,
	'without the master key file, the error names the missing key');
$copy->safe_psql('postgres', q{CREATE ROLE regress_client; SELECT anon_auth.grant_client_api('regress_client')});
like(error($copy, 'SET ROLE regress_client; SELECT anon_auth.create_challenge()'),
	qr/F0000: master key file ".*anon_auth.master_key" does not exist.*sealed with master key $key_id/s,
	'the error names the missing key also for a role that cannot read signing_keys');
ok(!-e key_file($copy), 'the restored server does not create a master key');
copy(key_file($node), key_file($copy));
chmod 0600, key_file($copy);
is(call($copy, 'refresh_session', client_id => 'app', refresh_token => $account->{refresh_token})->{sub},
	$account->{sub}, 'with the master key file, sessions of the dump can be refreshed');
is(call($copy, 'authenticate', client_id => 'app', login_id => 'ada@example.com', password => 'correct horse')->{sub},
	$account->{sub}, 'with the master key file, users of the dump can log in');

# A data directory that the server's group can read

my $open = PostgreSQL::Test::Cluster->new('open');
$open->init(extra => [ '--no-locale', '--encoding=UTF8', '--allow-group-access' ]);
$open->start;
$open->safe_psql('postgres', 'CREATE EXTENSION anon_auth; SELECT anon_auth.create_challenge()');
is(sprintf('%o', (stat key_file($open))[2] & 0777), '600', 'the master key file has mode 0600 also when the group can read the data directory');
chmod 0640, key_file($open);
ok(challenge($open), 'a master key file of mode 0640, as pg_basebackup copies it there, is accepted');
chmod 0644, key_file($open);
like(error($open, 'SELECT anon_auth.create_challenge()'), qr/F0000: .* is readable by others/, 'a master key file of mode 0644 is refused');
$open->stop;

# Unusable key files

my $content = slurp_file(key_file($copy));
my $sign = q{SELECT length(anon_auth.sign_jwt('{}'))};

sub write_key
{
	my ($text, $mode) = @_;

	open my $file, '>', key_file($copy) or die;
	print $file $text;
	close $file;
	chmod $mode // 0600, key_file($copy);
}

write_key($content, 0644);
like(error($copy, $sign), qr/F0000: master key file ".*" is readable by others.*chmod 600/s, 'a key file that others can read is refused');
write_key($content =~ s/^([0-9a-f]{16}) (.)/"$1 " . ($2 eq 'A' ? 'B' : 'A')/emr);
like(error($copy, $sign), qr/F0000: master key file ".*" is damaged.*Line 4/s, 'a damaged key file is refused, and the error names the line');
write_key(($content =~ /^([0-9a-f]{16} .*\n)/m)[0] x 9);
like(error($copy, $sign), qr/F0000: master key file ".*" is damaged.*Line 9 has one more key than the maximum of 8/s, 'a key file with nine keys is refused');
write_key('');
like(error($copy, $sign), qr/F0000: master key file ".*" is damaged/, 'an empty key file is refused');
my $other = new_node('other');
$other->safe_psql('postgres', 'CREATE EXTENSION anon_auth; SELECT anon_auth.create_challenge()');
my $other_content = slurp_file(key_file($other));
my ($other_id) = $other_content =~ /^([0-9a-f]{16}) /m;
write_key($other_content);
like(error($copy, $sign),
	qr/F0000: master key file ".*" does not contain the required key.*Master key $key_id is required; the current key of the file is $other_id/s,
	'a key file with another key is refused, and the error names both key ids');
write_key($other_content . $content);
like($copy->safe_psql('postgres', $sign), qr/^\d+$/, 'a former key in the key file still opens the signing keys sealed with it');
like(error($copy, q{SET anon_auth.master_key_file = '/nonexistent/key'; } . $sign),
	qr/F0000: master key file "\/nonexistent\/key" does not exist/, 'a key file that anon_auth.master_key_file names is never created');

# operations.md: the file and all copies of it are lost.
{
	my ($section) = slurp_file("$FindBin::Bin/../docs/operations.md") =~ /^### If the master key is lost for good\n(.*?)^##/ms;
	my ($write) = map { s/^   //mgr } $section =~ /```sh\n(.*?)^ *```/ms;
	my ($replace) = $section =~ /```sql\n(.*?)^ *```/ms;
	my $path = PostgreSQL::Test::Utils::tempdir() . '/master_key';
	my $log_in = sub { my ($jwt) = @_; return call($other, 'authenticate_anonymously', client_id => 'app', jwt => $jwt)->{sub}; };
	my $device = AnonAuth::Device->new;

	$other->safe_psql('postgres', q{SELECT anon_auth.create_client('app', 'native')});
	my $sub = $log_in->($device->request(challenge => challenge($other), with_jwk => 1));
	unlink key_file($other);
	like(error($other, 'SELECT anon_auth.create_signing_key()'), qr/F0000.*HINT:  Restore the file from its backup, or set anon_auth.master_key_file to its path\.\nLOCATION/s,
		'without its file, no key is made');
	$other->safe_psql('postgres', $replace);
	ok(-e key_file($other), 'the steps for a lost key make a new file in the data directory');
	is($log_in->($device->request(challenge => challenge($other))), $sub, 'a device logs in to its guest with the new key');

	unlink key_file($other);
	$other->append_conf('postgresql.conf', "anon_auth.master_key_file = '$path'");
	$other->reload;
	$other->psql('postgres', $replace);
	like(error($other, 'SELECT anon_auth.create_signing_key()'), qr/F0000.*HINT: .* first write a new key to this path: see "If the master key is lost for good"/s,
		'the hint for a configured path says that a new key must be written first');
	$write =~ s/^file=\K.*$/$path/m or die;
	$write =~ s/-o postgres -g postgres // or die;
	is(system('bash', '-euc', $write), 0, 'the commands write a new key');
	$other->safe_psql('postgres', $replace);
	is($log_in->($device->request(challenge => challenge($other))), $sub, 'a device logs in to its guest with the key at the configured path');
	my $written = slurp_file($path);
	is(system('bash', '-euc', $write), 0, 'the commands can be repeated');
	is(slurp_file($path), $written, 'they do not overwrite a key');
}

unlike(slurp_file($_->logfile), qr/\b[-\w]{43}\b(?=\s*$)/m, 'the server log contains no key: ' . $_->name) for $node, $copy;

$_->stop for $node, $copy, $other;

done_testing();
