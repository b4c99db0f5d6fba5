# The master key file: made once, kept private, missed with a clear error; and
# what survives a dump, a crash and on a standby.

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

# The error of a statement: SQLSTATE, message and the rest.
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

ok(!-e key_file($node), 'there is no master key before it is needed');
my @clients = map {
	my $output = '';
	+{ run => IPC::Run::start(
			[ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', 'SELECT token FROM anon_auth.create_challenge()' ],
			'>', \$output), out => \$output }
} 1 .. 10;
$_->{run}->finish for @clients;
is((grep { ${ $_->{out} } =~ /^[-\w]{40,}$/ } @clients), 10, 'ten backends at once come by a key');
is(sprintf('%o', (stat key_file($node))[2] & 0777), '600', 'its file is private');
is(scalar(grep { !/^#/ } split /\n/, slurp_file(key_file($node))), 1, '... and has one key');
is(scalar(glob(key_file($node) . '.*')), undef, '... and no draft of it remains');

call($node, 'create_client', client_id => 'app', application_type => 'native');
my $device = AnonAuth::Device->new(alg => 'ES256');
my $early_challenges = join '|', map { ${ $_->{out} } } @clients;
my ($first_challenge) = split /\s*\|\s*/, $early_challenges;
my $guest = call($node, 'authenticate_anonymously',
	client_id => 'app', jwt => $device->request(challenge => $first_challenge, with_jwk => 1));
ok($guest->{sub}, 'they all came by the same one: a challenge of any backend is good in another');

# A crash

my $late = call($node, 'authenticate_anonymously', client_id => 'app');
$node->stop('immediate');
$node->start;
is(call($node, 'refresh_session', client_id => 'app', refresh_token => $late->{refresh_token})->{sub},
	$late->{sub}, 'a session that was answered survives a crash');

# A standby

$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
chmod 0600, key_file($standby);    # the test's copying, unlike pg_basebackup, opens it
$standby->start;
$node->wait_for_catchup($standby, 'replay', $node->lsn('write'));
is( call($node, 'authenticate_anonymously',
		client_id => 'app', jwt => $device->request(challenge => challenge($standby)))->{sub},
	$guest->{sub},
	'a challenge of the standby is good on the primary');
is($standby->safe_psql('postgres', sprintf q{SELECT anon_auth.verify_jwt(%s) ->> 'sub'}, sql_literal($guest->{access_token})),
	$guest->{sub}, 'the standby verifies tokens');
is($standby->safe_psql('postgres', sprintf q{SELECT anon_auth.userinfo(%s) ->> 'sub'}, sql_literal($guest->{access_token})),
	$guest->{sub}, 'the standby answers userinfo');
is($standby->safe_psql('postgres', sprintf q{SELECT uid FROM anon_auth.use_access_token(%s), anon_auth.uid() uid}, sql_literal($guest->{access_token})),
	$guest->{sub}, 'the standby knows who is calling');
is($standby->safe_psql('postgres', 'SELECT anon_auth.jwks()'),
	$node->safe_psql('postgres', 'SELECT anon_auth.jwks()'), 'the standby publishes the same keys');
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
		"the standby refuses $function(), by name");
}
unlink key_file($standby);
$standby->restart;
like(error($standby, 'SELECT anon_auth.create_challenge()'),
	qr/F0000: master key file ".*anon_auth.master_key" does not exist.*Copy the file from the primary/s,
	'a standby without the key says where to get it');
ok(!-e key_file($standby), '... and makes none of its own');
$standby->stop;

# A dump

$node->safe_psql('postgres', q{UPDATE anon_auth.settings SET issuer = 'https://kept.example'});
my $account = call($node, 'authenticate_anonymously', client_id => 'app');
$account = call($node, 'promote_anonymous_user', client_id => 'app', email => 'ada@example.com',
	password => 'correct horse', refresh_token => $account->{refresh_token});
my $dump = PostgreSQL::Test::Utils::tempdir() . '/dump';
$node->command_ok([ 'pg_dump', '-Fc', '-f', $dump, $node->connstr('postgres') ], 'the database can be dumped');
my $copy = new_node('copy');
$copy->command_ok([ 'pg_restore', '--exit-on-error', '-d', $copy->connstr('postgres'), $dump ],
	'... and restored');
is($copy->safe_psql('postgres', 'SELECT issuer FROM anon_auth.settings'), 'https://kept.example',
	'... with its settings');
is( $copy->safe_psql('postgres', 'SELECT count(*) FROM anon_auth.users'),
	$node->safe_psql('postgres', 'SELECT count(*) FROM anon_auth.users'),
	'... and its users');
$copy->safe_psql('postgres', 'CREATE DATABASE parallel TEMPLATE template0');
$node->safe_psql('postgres', q{INSERT INTO anon_auth.users (id, is_anonymous, created_at, updated_at, last_seen_at)
	SELECT gen_random_uuid(), true, now(), now(), now() FROM generate_series(1, 20000)});
$node->command_ok([ 'pg_dump', '-Fc', '-f', "$dump.large", $node->connstr('postgres') ], 'a larger database can be dumped');
{
	local $ENV{PGOPTIONS} = '-c session_replication_role=replica';
	$copy->command_ok(
		[ 'pg_restore', '--exit-on-error', '-j', '4', '-d', $copy->connstr('parallel'), "$dump.large" ],
		'... and restored in parallel, as the manual says');
}
my $totals = q{SELECT (SELECT count(*) FROM anon_auth.users), (SELECT count(*) FROM anon_auth.sessions),
	(SELECT count(*) FROM anon_auth.device_keys), (SELECT count(*) FROM anon_auth.passwords),
	(SELECT count(*) FROM anon_auth.login_ids), (SELECT issuer FROM anon_auth.settings)};
is($copy->safe_psql('parallel', $totals), $node->safe_psql('postgres', $totals), '... with everything');
my ($key_id) = slurp_file(key_file($node)) =~ /^([0-9a-f]{16}) /m;
like(error($copy, q{SELECT anon_auth.authenticate_anonymously('app')}),
	qr/F0000: master key file ".*anon_auth.master_key" does not exist.*sealed with master key $key_id.*Restore the file/s,
	'without the master key it says which one is missing');
$copy->safe_psql('postgres', q{CREATE ROLE regress_client; SELECT anon_auth.grant_client_api('regress_client')});
like(error($copy, 'SET ROLE regress_client; SELECT anon_auth.create_challenge()'),
	qr/F0000: master key file ".*anon_auth.master_key" does not exist.*sealed with master key $key_id/s,
	'... also to a role that may not read the signing keys');
ok(!-e key_file($copy), '... and makes no other');
copy(key_file($node), key_file($copy));
chmod 0600, key_file($copy);
is(call($copy, 'refresh_session', client_id => 'app', refresh_token => $account->{refresh_token})->{sub},
	$account->{sub}, 'with it, sessions go on');
is(call($copy, 'authenticate', client_id => 'app', login_id => 'ada@example.com', password => 'correct horse')->{sub},
	$account->{sub}, '... and so do accounts');

# A data directory that is open to the server's group

my $open = PostgreSQL::Test::Cluster->new('open');
$open->init(extra => [ '--no-locale', '--encoding=UTF8', '--allow-group-access' ]);
$open->start;
$open->safe_psql('postgres', 'CREATE EXTENSION anon_auth; SELECT anon_auth.create_challenge()');
is(sprintf('%o', (stat key_file($open))[2] & 0777), '600', 'also where the group may read the data directory, the key is private');
chmod 0640, key_file($open);
ok(challenge($open), '... but as pg_basebackup copies it there, it is accepted');
chmod 0644, key_file($open);
like(error($open, 'SELECT anon_auth.create_challenge()'), qr/F0000: .* is readable by others/, '... unless everybody can read it');
$open->stop;

# A file that is not as it should be

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
like(error($copy, $sign), qr/F0000: master key file ".*" is readable by others.*chmod 600/s, 'a file that others can read is refused');
write_key($content =~ s/^([0-9a-f]{16}) (.)/"$1 " . ($2 eq 'A' ? 'B' : 'A')/emr);
like(error($copy, $sign), qr/F0000: master key file ".*" is damaged.*Line 4/s, 'a damaged file is refused, with the line');
write_key(($content =~ /^([0-9a-f]{16} .*\n)/m)[0] x 9);
like(error($copy, $sign), qr/F0000: master key file ".*" is damaged.*Line 9 has one more key than the maximum of 8/s, 'nine keys are refused');
write_key('');
like(error($copy, $sign), qr/F0000: master key file ".*" is damaged/, 'an empty file is refused');
my $other = new_node('other');
$other->safe_psql('postgres', 'CREATE EXTENSION anon_auth; SELECT anon_auth.create_challenge()');
my $other_content = slurp_file(key_file($other));
my ($other_id) = $other_content =~ /^([0-9a-f]{16}) /m;
write_key($other_content);
like(error($copy, $sign),
	qr/F0000: master key file ".*" does not contain the required key.*Master key $key_id is required; the current key of the file is $other_id/s,
	'another key is refused, with both ids');
write_key($other_content . $content);
like($copy->safe_psql('postgres', $sign), qr/^\d+$/, 'a former key in a further line still opens what it sealed');
like(error($copy, q{SET anon_auth.master_key_file = '/nonexistent/key'; } . $sign),
	qr/F0000: master key file "\/nonexistent\/key" does not exist/, 'a file that the DBA named is never made');

unlike(slurp_file($_->logfile), qr/\b[-\w]{43}\b(?=\s*$)/m, 'no log has a key: ' . $_->name) for $node, $copy;

$_->stop for $node, $copy, $other;

done_testing();
