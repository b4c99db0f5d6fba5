# @simplewebauthn/server and this extension agree on responses for passkeys: those of t/AnonAuth/Authenticator.pm, and
# changed ones. Where they differ, the extension is stricter, and the test says how.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Authenticator;
use AnonAuth::Clients;
use AnonAuth::Device qw(call refusal);
use JSON::PP ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $reason = AnonAuth::Clients->missing;

plan skip_all => $reason if $reason;

my $clients = AnonAuth::Clients->new;
my $json = JSON::PP->new->canonical->utf8;
my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->append_conf('postgresql.conf', 'fsync = off');
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION anon_auth;
SELECT anon_auth.create_client('app', 'native');
UPDATE anon_auth.settings SET issuer = 'https://app.example', device_key_logins_per_minute = NULL;
SQL

my $guest = call($node, 'authenticate_anonymously', client_id => 'app');

sub creation_options { return call($node, 'passkey_creation_options', access_token => $guest->{access_token})->{passkey_creation_options}; }
sub request_options { return call($node, 'passkey_request_options', client_id => 'app')->{passkey_request_options}; }
sub other { return $clients->run('webauthn', [ { origin => 'https://app.example', @_ } ])->[0]; }

sub own
{
	my ($function, $response, %more) = @_;
	my $error = refusal($node, $function, response => $json->encode($response), %more);

	return $error->{sqlstate} eq '00000' ? 'accepted' : $json->decode($error->{detail})->{reason};
}

sub agree
{
	my ($name, $other, $own, $expected) = @_;

	is($own, $expected, "$name: $expected");
	is($other->{verified} ? 'accepted' : 'refused', $expected eq 'accepted' ? 'accepted' : 'refused', "$name: the other library agrees") or diag(explain($other));
	return;
}

for my $alg (qw(ES256 EdDSA RS256))
{
	my $passkey = AnonAuth::Authenticator->new(alg => $alg, origin => 'https://app.example');
	my @registrations = (
		[ 'another origin', { client_data => { origin => 'https://evil.example' } }, 'origin' ],
		[ 'another RP ID', { rp_id => 'evil.example' }, 'rp_id' ],
		[ 'another challenge', { client_data => { challenge => 'AAAA' } }, 'challenge' ],
		[ 'another type', { client_data => { type => 'webauthn.get' } }, 'type' ],
		[ 'nobody is present', { flags => ['user_verified'] }, 'user_presence' ],
		[ 'a backup that is not allowed', { flags => [qw(user_present backed_up)] }, 'backup' ],
		[ 'a registration', {}, 'accepted' ]);
	my $key;

	for my $case (@registrations)
	{
		my ($name, $changes, $expected) = @$case;
		my $options = creation_options();
		my $response = $passkey->create($options, %$changes);
		my $other = other(options => $options, response => $response);

		$key = $other->{publicKey} if $other->{verified};
		agree("$alg, $name", $other, own('add_passkey', $response, access_token => $guest->{access_token}), $expected);
	}
	my @logins = (
		[ 'another origin', { client_data => { origin => 'https://evil.example' } }, 'origin' ],
		[ 'another RP ID', { rp_id => 'evil.example' }, 'rp_id' ],
		[ 'another challenge', { client_data => { challenge => 'AAAA' } }, 'challenge' ],
		[ 'another type', { client_data => { type => 'webauthn.create' } }, 'type' ],
		[ 'nobody is present', { flags => ['user_verified'] }, 'user_presence' ],
		[ 'a login', {}, 'accepted' ],
		[ 'a login with a counter', { count => 4_000_000_000 }, 'accepted' ]);

	for my $case (@logins)
	{
		my ($name, $changes, $expected) = @$case;
		my $options = request_options();
		my $response = $passkey->get($options, %$changes);
		my %credential = (id => $passkey->id, publicKey => $key, counter => 0);

		agree("$alg, $name", other(options => $options, response => $response, credential => \%credential), own('authenticate_with_passkey', $response, client_id => 'app'), $expected);
		substr($response->{response}{signature}, 20, 1) = substr($response->{response}{signature}, 20, 1) eq 'A' ? 'B' : 'A';
		is(other(options => $options, response => $response, credential => \%credential)->{verified} ? 'accepted' : 'refused', 'refused', "$alg, $name: the other library refuses a changed signature")
		  if $expected eq 'accepted';
	}
}

done_testing();
