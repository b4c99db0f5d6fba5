
# ID tokens of a real provider of OpenID Connect, the npm package oidc-provider, with the
# claims of Google and Apple: login, adding and removing, rotation of the provider's keys.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Device qw(call jws_parts refusal);
use AnonAuth::Web;
use Digest::SHA qw(sha256 sha256_hex);
use IPC::Run ();
use JSON::PP ();
use MIME::Base64 qw(encode_base64url);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $json = JSON::PP->new->canonical->utf8;
my $directory = PostgreSQL::Test::Utils::tempdir() . '/provider';
my $reason = AnonAuth::Web->npm_install($directory, '../clients/provider/*');

plan skip_all => $reason if $reason;

my ($in, $out, $err) = ('', '', '');
my $program = IPC::Run::start([ 'node', "$directory/provider.mjs" ], '<', \$in, '>', \$out, '2>', \$err,
	IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));

END
{
	local ($?, $@);
	eval { $program->kill_kill } if $program;
}

# The answer of provider.mjs to a request.
sub provider
{
	my ($task, %request) = @_;

	$in .= $json->encode({ task => $task, %request }) . "\n";
	until ($out =~ /\n/)
	{
		die "the provider has ended: $err" if !$program->pumpable;
		$program->pump;
	}
	(my $line, $out) = split /\n/, $out, 2;
	my $answer = $json->decode($line);

	die "$task: $answer->{error}" if exists $answer->{error};
	return $answer;
}

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->start;
$node->safe_psql(
	'postgres', q{
		CREATE EXTENSION anon_auth;
		CREATE ROLE worker LOGIN;
		SELECT anon_auth.grant_worker('worker');
		UPDATE anon_auth.settings SET password_hash_memory_kib = 8192, password_hash_passes = 1});
call($node, 'create_client', client_id => 'app', application_type => 'native');

sub query { return $node->safe_psql('postgres', $_[0]); }

# What a worker does, as its role: fetch the keys of the providers that are due. Returns the issuers and reasons.
sub work
{
	my $due = $node->safe_psql('postgres', 'SELECT issuer, reason FROM anon_auth.due_identity_providers()', extra_params => [ '-U', 'worker' ]);

	for my $issuer (map { (split /\|/)[0] } split /\n/, $due)
	{
		my $jwks = $json->encode(provider('keys', issuer => $issuer)->{jwks});

		$node->safe_psql('postgres', "SELECT anon_auth.set_identity_provider_keys('$issuer', '$jwks')", extra_params => [ '-U', 'worker' ]);
	}
	return $due;
}

sub nonce { return call($node, 'create_challenge', purpose => 'id_token')->{token}; }

sub account
{
	my ($username) = @_;

	return call($node, 'promote_anonymous_user',
		client_id => 'app', username => $username, password => 'correct horse',
		refresh_token => call($node, 'authenticate_anonymously', client_id => 'app')->{refresh_token});
}

# The arguments of a login: a token of the provider, and the nonce.
sub token
{
	my ($issuer, $subject, %options) = @_;
	my $nonce = nonce();
	my $token = provider('login',
		issuer => $issuer, clientId => $options{client} // 'app.example', subject => $subject,
		nonce => $options{form} ? $options{form}->($nonce) : $nonce)->{idToken};

	return (id_token => $token, nonce => $nonce);
}

sub log_in
{
	return call($node, 'authenticate_with_id_token', client_id => 'app', @_);
}

sub log_in_refusal
{
	my $error = refusal($node, 'authenticate_with_id_token', client_id => 'app', @_);

	return "$error->{sqlstate} " . ($error->{detail} =~ /^\{/ ? $json->decode($error->{detail})->{description} : $error->{detail});
}

# ---------------------------------------------------------------------------
# Login with the tokens of both providers
# ---------------------------------------------------------------------------

my %issuer = map { $_ => provider('start', shape => $_)->{issuer} } 'google', 'apple';

call($node, 'create_identity_provider', issuer => $issuer{google}, audiences => '{app.example}', trust_email => 'true');
call($node, 'create_identity_provider', issuer => $issuer{apple}, audiences => '{app.example}');
like(log_in_refusal(token($issuer{google}, 'ada')), qr/^AA025 /, 'without the keys, a token is refused');
is(join("\n", sort split /\n/, work()), join("\n", sort map { "$_|no_keys" } values %issuer), 'the worker fetches the keys of both providers');
is(work(), '', 'no provider is due afterwards');

my $no_account = 'AA030 The caller has proven the address or identity, and no account has it.';

for my $shape ('google', 'apple')
{
	my $ada = account("ada.$shape");
	my @token = token($issuer{$shape}, 'ada', form => \&sha256_hex);

	is(log_in_refusal(@token), $no_account, "$shape: nobody has the identity");
	ok(call($node, 'add_identity', @token, access_token => $ada->{access_token})->{add_identity}, "$shape: the same token adds it");
	is(log_in(@token), undef, "$shape: the token works once");
	is(log_in(token($issuer{$shape}, 'ada'))->{sub}, $ada->{sub}, "$shape: the nonce itself logs in");
	is(log_in(token($issuer{$shape}, 'ada', form => \&sha256_hex))->{sub}, $ada->{sub}, "$shape: its SHA-256 in hex logs in");
	is(log_in(token($issuer{$shape}, 'ada', form => sub { encode_base64url(sha256($_[0])) }))->{sub}, $ada->{sub}, "$shape: its SHA-256 in base64url logs in");
	is(log_in_refusal(token($issuer{$shape}, 'bob')), $no_account, "$shape: another user of the provider has no account");
	like(log_in_refusal(token($issuer{$shape}, 'ada', client => 'other.example')), qr/^AA028 The audience \(aud\) has a value/, "$shape: a token for another application is refused");
	like(log_in_refusal(token($issuer{$shape}, 'ada'), nonce => nonce()), qr/^AA028 The nonce of the token is neither/, "$shape: a token with another nonce is refused");
	my %of_ada = token($issuer{$shape}, 'ada');
	my ($header, undef, $signature) = split /\./, $of_ada{id_token};
	my (undef, $payload) = split /\./, { token($issuer{$shape}, 'bob') }->{id_token};
	like(log_in_refusal(id_token => "$header.$payload.$signature"), qr/^AA028 The signature does not match/, "$shape: the claims of another token are refused");
}
is_deeply($json->decode(query("SELECT claims FROM anon_auth.user_identities WHERE issuer = '$issuer{google}'")),
	{
		hd => 'example.com',
		email => 'ada@example.com',
		email_verified => JSON::PP::true,
		name => 'Ada Lovelace',
		given_name => 'Ada',
		family_name => 'Lovelace',
		picture => 'https://lh3.googleusercontent.com/a/x=s96-c',
		locale => 'en'
	},
	'google: the profile is stored, and nothing else');
is_deeply($json->decode(query("SELECT claims FROM anon_auth.user_identities WHERE issuer = '$issuer{apple}'")),
	{ email => 'ada@privaterelay.appleid.com', email_verified => 'true', is_private_email => 'true' },
	'apple: the profile is stored, and nothing else');

# ---------------------------------------------------------------------------
# The address in a token
# ---------------------------------------------------------------------------

# carol@example.com belongs to an account that has verified it.
{
	my $carol = call($node, 'promote_anonymous_user',
		client_id => 'app', email => 'carol@example.com', password => 'correct horse',
		refresh_token => call($node, 'authenticate_anonymously', client_id => 'app')->{refresh_token});

	is(log_in_refusal(token($issuer{google}, 'carol')), $no_account, 'an address that the account has not verified is not mentioned');
	call($node, 'request_verification', access_token => $carol->{access_token});
	call($node, 'verify_login_id', code => query('SELECT code FROM anon_auth.take_outbox_messages()'), access_token => $carol->{access_token});
	my @token = token($issuer{google}, 'carol');
	is(log_in_refusal(@token), 'AA030 The caller has proven the address or identity, and an account has it.', 'an address that the provider has verified does not open the account');
	ok(call($node, 'add_identity', @token, access_token => $carol->{access_token})->{add_identity}, 'its user logs in and adds the identity');
	is(log_in(token($issuer{google}, 'carol'))->{sub}, $carol->{sub}, 'and can then log in with the provider');
}

# ---------------------------------------------------------------------------
# A guest becomes an account, and an account that was never a guest
# ---------------------------------------------------------------------------

for my $shape ('google', 'apple')
{
	my $guest = call($node, 'authenticate_anonymously', client_id => 'app');
	my @token = token($issuer{$shape}, "guest-$shape", form => \&sha256_hex);
	my $account = call($node, 'promote_anonymous_user', client_id => 'app', @token, refresh_token => $guest->{refresh_token});

	is($account->{sub}, $guest->{sub}, "$shape: a token promotes a guest, without a password");
	is(log_in(@token), undef, "$shape: the promotion has used the token up");
	is(log_in(token($issuer{$shape}, "guest-$shape"))->{sub}, $guest->{sub}, "$shape: the account logs in with another token");
	is(refusal($node, 'remove_identity', issuer => $issuer{$shape}, access_token => $account->{access_token})->{sqlstate},
		$shape eq 'google' ? '00000' : 'AA023', "$shape: the identity can be removed only if a trusted provider has verified the address");
	my $new = call($node, 'sign_up', client_id => 'app', token($issuer{$shape}, "new-$shape"));
	is(log_in(token($issuer{$shape}, "new-$shape"))->{sub}, $new->{sub}, "$shape: a token signs up");
}

# ---------------------------------------------------------------------------
# The provider replaces its keys
# ---------------------------------------------------------------------------

{
	my %before = token($issuer{google}, 'ada');

	provider('rotate', issuer => $issuer{google});
	query("UPDATE anon_auth.identity_providers SET keys_set_at = keys_set_at - interval '61 seconds'");
	my @token = token($issuer{google}, 'ada');
	like(log_in_refusal(@token), qr/^AA025 /, 'a token of the new key is refused');
	is(work(), "$issuer{google}|unknown_key", 'the worker fetches the new keys');
	ok(log_in(@token)->{sub}, 'the same token is accepted afterwards');
	like(log_in_refusal(%before), qr/^AA025 /, 'a token of the former key is refused');
	is(work(), '', 'which makes the provider due at most once a minute');
	is(query(q{SELECT payload ->> 'reason', jsonb_array_length(payload -> 'kids') FROM anon_auth.events WHERE type = 'identity_provider.keys_changed' ORDER BY id DESC LIMIT 1}),
		'unknown_key|2', 'an event tells of the new keys');
}

# ---------------------------------------------------------------------------
# Removal
# ---------------------------------------------------------------------------

{
	my $ada = call($node, 'authenticate', client_id => 'app', login_id => 'ada.apple', password => 'correct horse');
	my @token = token($issuer{apple}, 'ada');

	ok(call($node, 'remove_identity', issuer => $issuer{apple}, access_token => $ada->{access_token})->{remove_identity}, 'the identity is removed');
	is(log_in_refusal(@token), $no_account, 'it no longer logs in');
	my $bob = account('bob');
	ok(call($node, 'add_identity', @token, access_token => $bob->{access_token})->{add_identity}, 'another account can have it');
	is(log_in(token($issuer{apple}, 'ada'))->{sub}, $bob->{sub}, 'and logs in with it');
}

done_testing();
