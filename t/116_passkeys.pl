# Passkeys with every algorithm, from an authenticator whose keys openssl has made: what is accepted, what changed responses
# get, responses that are used at the same time, and the endpoints. sql/passkeys.sql has the rules.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Authenticator;
use AnonAuth::Browser;
use AnonAuth::Connection;
use AnonAuth::Device qw(call jws_parts refusal sql_literal);
use JSON::PP ();
use MIME::Base64 qw(encode_base64url decode_base64url);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ], allows_streaming => 1);
$node->append_conf('postgresql.conf', "fsync = off\nmax_connections = 60");
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION anon_auth;
CREATE EXTENSION anon_auth_http;
CREATE ROLE anon NOLOGIN;
CREATE ROLE authenticated NOLOGIN;
CREATE ROLE authenticator LOGIN NOINHERIT;
GRANT anon, authenticated TO authenticator;
SELECT anon_auth.grant_http_api(r::regrole) FROM unnest('{authenticator,anon,authenticated}'::text[]) AS r;
SELECT anon_auth.create_client('app', 'native'), anon_auth.create_client('partner', 'third_party_app', '{https://partner.example/}');
UPDATE anon_auth.settings SET issuer = 'https://auth.example', password_hash_memory_kib = 8192, password_hash_passes = 1,
	guest_sign_ups_per_minute_per_ip = NULL, device_key_logins_per_minute = NULL;
SQL

my $json = JSON::PP->new->canonical->utf8;

sub query { return $node->safe_psql('postgres', $_[0]); }
sub authenticator { return AnonAuth::Authenticator->new(origin => 'https://auth.example', @_); }
sub guest { return call($node, 'authenticate_anonymously', client_id => 'app'); }
sub creation_options { return call($node, 'passkey_creation_options', access_token => $_[0]{access_token})->{passkey_creation_options}; }
sub request_options { return call($node, 'passkey_request_options', client_id => 'app')->{passkey_request_options}; }
sub log_in { return call($node, 'authenticate_with_passkey', client_id => 'app', response => $json->encode($_[0])); }
sub add { return call($node, 'add_passkey', response => $json->encode($_[1]), access_token => $_[0]{access_token})->{add_passkey}; }

sub is_refused
{
	my ($response, $reason, $name, $user) = @_;
	my $error = $user ? refusal($node, 'add_passkey', response => $json->encode($response), access_token => $user->{access_token}) :
	  refusal($node, 'authenticate_with_passkey', client_id => 'app', response => $json->encode($response));

	is("$error->{sqlstate} " . ($error->{sqlstate} eq 'AA029' ? $json->decode($error->{detail})->{reason} : $error->{message}), "AA029 $reason", $name);
	ok($error->{unchanged}, "$name: nothing is changed");
	return;
}

# ---------------------------------------------------------------------------
# Each algorithm
# ---------------------------------------------------------------------------

my %guest;
my %authenticator;

for my $alg (qw(ES256 EdDSA RS256))
{
	my $guest = $guest{$alg} = guest();
	my $passkey = $authenticator{$alg} = authenticator(alg => $alg);

	is(add($guest, $passkey->create(creation_options($guest))), $passkey->id, "$alg: a guest adds a passkey");
	is(query("SELECT alg FROM anon_auth.list_passkeys('$guest->{access_token}')"), $alg, "$alg: the key is stored with its algorithm");
	my $login = log_in($passkey->get(request_options()));
	is($login->{sub}, $guest->{sub}, "$alg: the guest logs in with it");
	is_deeply((jws_parts($login->{access_token}))[1]{amr} // [ split /,/, query("SELECT array_to_string(amr, ',') FROM anon_auth.sessions WHERE user_id = '$guest->{sub}' ORDER BY id DESC LIMIT 1") ],
		[qw(pop user mfa)], "$alg: how the user has authenticated");

	# Every bit of the signature counts, and every byte of what it signs.
	my $response = $passkey->get(request_options());
	my $signature = decode_base64url($response->{response}{signature});
	for my $position (0, length($signature) / 2, length($signature) - 1)
	{
		my $changed = $signature;

		substr($changed, $position, 1) ^= "\1";
		is_refused({ %$response, response => { %{ $response->{response} }, signature => encode_base64url($changed) } }, 'signature', "$alg: another byte at $position");
	}
	is_refused({ %$response, response => { %{ $response->{response} }, signature => encode_base64url("$signature\0") } }, 'signature', "$alg: a longer signature");
	is_refused({ %$response, response => { %{ $response->{response} }, signature => encode_base64url(substr $signature, 0, -1) } }, 'signature', "$alg: a shorter signature");
	my $data = decode_base64url($response->{response}{authenticatorData});
	substr($data, 36, 1) ^= "\1";
	is_refused({ %$response, response => { %{ $response->{response} }, authenticatorData => encode_base64url($data) } }, 'signature', "$alg: another counter");
	my $client_data = decode_base64url($response->{response}{clientDataJSON});
	is_refused({ %$response, response => { %{ $response->{response} }, clientDataJSON => encode_base64url("$client_data ") } }, 'signature', "$alg: a space after the client data");
	is(log_in($response)->{sub}, $guest->{sub}, "$alg: and the response itself is accepted");
	is_refused($response, 'challenge', "$alg: once");
}

# A key works only with its algorithm, and a passkey only with its key.
for my $pair ([qw(ES256 -8)], [qw(ES256 -257)], [qw(EdDSA -7)], [qw(RS256 -7)], [qw(RS256 -37)], [qw(ES256 -35)])
{
	my ($alg, $cose) = @$pair;
	my $passkey = authenticator(alg => $alg);

	is_refused($passkey->create(creation_options($guest{ES256}), cose_key => $passkey->cose_key(alg => $cose)),
		$cose == -37 || $cose == -35 ? 'algorithm' : 'malformed', "a key of $alg as one of $cose", $guest{ES256});
}
{
	my $thief = authenticator(id => $authenticator{ES256}{id});

	$thief->{user_handle} = $authenticator{ES256}{user_handle};
	is_refused($thief->get(request_options()), 'signature', 'the id and the user of a passkey, with another key');
	is_refused($authenticator{ES256}->get(request_options(), user_handle => decode_base64url($authenticator{RS256}{user_handle})), 'user_handle', "another user's handle");
	is_refused($thief->create(creation_options($guest{RS256})), 'credential_exists', 'another user cannot add a key with the id of a passkey', $guest{RS256});
}

# Attestations are accepted unverified, if they have the form of CBOR.
{
	my $passkey = authenticator();

	is_refused($passkey->create(creation_options($guest{EdDSA}), statement => "\xa1\x61x\x00"), 'malformed', 'a statement of the format none', $guest{EdDSA});
	is_refused($passkey->create(creation_options($guest{EdDSA}), format => 'packed', statement => "\xbf\xff"), 'malformed', 'a statement of indefinite length', $guest{EdDSA});
	is_refused($passkey->create(creation_options($guest{EdDSA}), format => 'packed', statement => ("\x81" x 100) . "\x00"), 'malformed', 'a statement of many levels', $guest{EdDSA});
	is(add($guest{EdDSA}, $passkey->create(creation_options($guest{EdDSA}), format => 'packed', statement => "\xa2\x63alg\x26\x63sig\x42no")), $passkey->id,
		'a statement that is not true');
}

# ---------------------------------------------------------------------------
# At the same time
# ---------------------------------------------------------------------------

# Run statements at once in connections that wait for a lock, and return their results in any order.
sub at_once
{
	my (@statements) = @_;
	my $gate = AnonAuth::Connection->new($node);
	my @connections = map { AnonAuth::Connection->new($node) } @statements;

	$gate->query('SELECT pg_advisory_lock(1)');
	$connections[$_]->begin("SELECT pg_advisory_lock_shared(1) \\g /dev/null\n$statements[$_]") for 0 .. $#statements;
	$node->poll_query_until('postgres', "SELECT count(*) = @{[ scalar @statements ]} FROM pg_stat_activity WHERE wait_event_type = 'Lock'");
	$gate->query('SELECT pg_advisory_unlock(1)');
	my @results = map { $_->end } @connections;

	$_->close for $gate, @connections;
	return sort map { $_->[1] eq '' ? $_->[0] : $_->[1] =~ /invalid passkey response/ ? 'refused' : $_->[1] } @results;
}

{
	my $response = $json->encode($authenticator{ES256}->get(request_options()));
	my @logins = at_once(("SELECT sub FROM anon_auth.authenticate_with_passkey('app', " . sql_literal($response) . ');') x 6);

	is(scalar(grep { $_ eq $guest{ES256}{sub} } @logins), 1, 'of six uses of a response at once, one logs in') or diag(explain(\@logins));
	is(scalar(grep { $_ eq 'refused' } @logins), 5, 'the others are refused');

	my @responses = map { $json->encode($authenticator{ES256}->get(request_options())) } 1 .. 6;
	is_deeply([ at_once(map { "SELECT sub FROM anon_auth.authenticate_with_passkey('app', " . sql_literal($_) . ');' } @responses) ], [ ($guest{ES256}{sub}) x 6 ],
		'six responses of a synchronized passkey at once all log in');

	my @counted = map { $json->encode($authenticator{ES256}->get(request_options(), count => 7)) } 1 .. 4;
	@logins = at_once(map { "SELECT count(*) FROM anon_auth.authenticate_with_passkey('app', " . sql_literal($_) . ');' } @counted);
	is_deeply(\@logins, [ 0, 0, 0, 1 ], 'of four responses with one counter, one logs in');
	is(query("SELECT count(*) FROM anon_auth.events WHERE type = 'passkey.counter_not_increased' AND user_id = '$guest{ES256}{sub}'"), 3, 'and the others are events');

	my ($one, $other) = (guest(), guest());
	my $passkey = authenticator();
	my @additions = at_once(map { "SELECT anon_auth.add_passkey(" . sql_literal($json->encode($passkey->create(creation_options($_)))) . ", access_token => '$_->{access_token}');" } $one, $other);
	is_deeply(\@additions, [ $passkey->id, 'refused' ], 'of two users who add one credential at once, one gets it');
}

# ---------------------------------------------------------------------------
# A standby
# ---------------------------------------------------------------------------

{
	my $standby = PostgreSQL::Test::Cluster->new('standby');

	$node->backup('base');
	$standby->init_from_backup($node, 'base', has_streaming => 1);
	$standby->append_conf('postgresql.conf', "anon_auth.master_key_file = '" . $node->data_dir . "/anon_auth.master_key'");
	$standby->start;
	$node->wait_for_catchup('standby', 'replay', $node->lsn('insert'));
	my $options = call($standby, 'passkey_request_options', client_id => 'app')->{passkey_request_options};
	my $passkey = $authenticator{EdDSA};
	my $response = $passkey->get($options);

	is(refusal($standby, 'authenticate_with_passkey', client_id => 'app', response => $json->encode($response))->{sqlstate}, '25006', 'a standby cannot log in');
	is(log_in($response)->{sub}, $guest{EdDSA}{sub}, 'options of a standby are for the primary');
	is(call($standby, 'passkey_creation_options', access_token => $guest{EdDSA}{access_token})->{passkey_creation_options}{user}{id}, $passkey->{user_handle},
		'a standby has options to add a passkey');
	$node->wait_for_catchup('standby', 'replay', $node->lsn('insert'));
	$standby->promote;
	my $error = refusal($standby, 'authenticate_with_passkey', client_id => 'app', response => $json->encode($response));
	is("$error->{sqlstate} " . $json->decode($error->{detail})->{reason}, 'AA029 challenge', 'after a failover, a response that the primary accepted is refused');
	$standby->stop('fast');
}

# ---------------------------------------------------------------------------
# Over HTTP
# ---------------------------------------------------------------------------

sub client { return AnonAuth::Browser->new($node, @_); }
sub api { my ($path, $body, %headers) = @_; return client()->post_json($path, $body, %headers); }
sub bearer { return ('Authorization:' => "Bearer $_[0]{access_token}"); }
sub token { return client()->post_form('/oauth2/token', client_id => 'app', grant_type => 'urn:anon-auth:params:oauth:grant-type:passkey', @_); }
sub options_of { my ($path, @more) = @_; return api("/api/passkey/$path", { client_id => 'app' }, @more)->{json}{result}; }

ok((grep { $_ eq 'urn:anon-auth:params:oauth:grant-type:passkey' } @{ client()->get('/.well-known/openid-configuration')->{json}{grant_types_supported} }), 'discovery: the grant');
{
	my $answer = api('/api/passkey/request_options', { client_id => 'app' });

	is($answer->{status}, 200, 'options for a login');
	is_deeply([ sort keys %{ $answer->{json}{result} } ], [qw(challenge rpId timeout userVerification)], 'which name nobody');
	is_deeply($answer->{headers}{'cache-control'}, ['no-store'], 'they must not be stored');
	is(api('/api/passkey/request_options', { client_id => 'nobody' })->{status}, 400, 'an unknown client gets none');
	is(api("/api/passkey/$_", { client_id => 'partner' })->{status}, 400, "nor $_ a client of somebody else") for qw(request_options creation_options);
	is(api('/api/passkey/request_options', {})->{json}{error}{reason}, 'ValidationFailed', 'nor a request without a client');
	is(api('/api/passkey/other', { client_id => 'app' })->{status}, 404, 'there is no other function');
}

my $eve = authenticator(alg => 'EdDSA');
my $account = token(passkey => $json->encode($eve->create(options_of('creation_options'))), prompt => 'create', login_id => 'eve')->{json};
ok($account->{refresh_token}, 'somebody signs up with a passkey and a username') or diag(explain($account));
is((jws_parts($account->{access_token}))[1]{sub} =~ s/-//gr, unpack('H*', decode_base64url($eve->{user_handle})), 'the account has the id that the authenticator knows');
{
	my $login = token(passkey => $json->encode($eve->get(options_of('request_options'))));

	is($login->{status}, 200, 'and logs in') or diag($login->{body});
	is_deeply($login->{headers}{'cache-control'}, ['no-store'], 'the tokens must not be stored');
	my $unknown = authenticator();
	$unknown->{user_handle} = $eve->{user_handle};
	my $refused = token(passkey => $json->encode($unknown->get(options_of('request_options'))));
	is_deeply([ $refused->{status}, @{ $refused->{json} }{qw(error error_description x_code)} ], [ 400, 'invalid_grant', 'invalid passkey response', 'unknown_credential' ],
		'an unknown passkey');
	is(token(passkey => 'x')->{json}{error}, 'invalid_request', 'text that is no JSON');
	is(token(passkey => '{"id": 1, "id": 2}')->{json}{error}, 'invalid_request', 'JSON with a member twice');
	is(token()->{json}{error}, 'invalid_request', 'no passkey');
	is(token(passkey => $json->encode($eve->get(options_of('request_options'))), prompt => 'create')->{json}{x_code}, 'account_exists', 'a sign-up with the passkey of an account');
	query("SELECT anon_auth.disable_user('" . (jws_parts($account->{access_token}))[1]{sub} . "')");
	my $disabled = token(passkey => $json->encode($eve->get(options_of('request_options'))));
	is_deeply($disabled->{json}, { error => 'invalid_grant', error_description => 'InvalidCredentials' }, 'a disabled user is not told why');
	query("SELECT anon_auth.enable_user('" . (jws_parts($account->{access_token}))[1]{sub} . "')");
	$account = token(passkey => $json->encode($eve->get(options_of('request_options'))))->{json};
}
{
	my $second = authenticator(alg => 'RS256');
	my $options = api('/api/account/passkey_creation_options', {}, bearer($account))->{json}{result};

	is_deeply([ map { $_->{id} } @{ $options->{excludeCredentials} } ], [ $eve->id ], 'options to add another passkey exclude the first one');
	my $response = $second->create($options);
	is(api('/api/account/add_passkey', { response => $response, name => 'Key ring' }, bearer($account))->{json}{result}, $second->id, 'it is added');
	my $again = api('/api/account/add_passkey', { response => $response }, bearer($account));
	is_deeply([ $again->{status}, $again->{json}{error}{reason}, $again->{json}{error}{info}{reason} ], [ 400, 'InvalidPasskey', 'credential_exists' ], 'once') or diag($again->{body});
	is_deeply([ map { [ @$_{qw(credential_id name alg)} ] } @{ api('/api/account/list_passkeys', {}, bearer($account))->{json}{result} } ],
		[ [ $eve->id, undef, 'EdDSA' ], [ $second->id, 'Key ring', 'RS256' ] ], 'both are listed');
	is(api('/api/account/remove_passkey', { credential_id => $second->id }, bearer($account))->{json}{result}, JSON::PP::true, 'it is removed');
	is(api('/api/account/remove_passkey', { credential_id => $second->id }, bearer($account))->{json}{result}, JSON::PP::false, 'once');
	is(api('/api/account/remove_passkey', { credential_id => $eve->id }, bearer($account))->{json}{error}{reason}, 'LastCredential', 'the last one stays');
	is(api("/api/account/$_", {})->{status}, 401, "nobody calls $_") for qw(passkey_creation_options list_passkeys);
	is(api('/api/account/add_passkey', { response => 'x' }, bearer($account))->{json}{error}{reason}, 'ValidationFailed', 'a response that is no object');
}
{
	my $guest = api('/api/anonymous_user/signup', { session_type => 'refresh_token', client_id => 'app' })->{json}{result};
	my $passkey = authenticator();
	my $promoted = token(passkey => $json->encode($passkey->create(api('/api/account/passkey_creation_options', {}, bearer($guest))->{json}{result})), refresh_token => $guest->{refresh_token});

	is((jws_parts($promoted->{json}{access_token}))[1]{sub}, (jws_parts($guest->{access_token}))[1]{sub}, 'a guest is promoted with a passkey alone') or diag($promoted->{body});
	is(query("SELECT is_anonymous FROM anon_auth.users WHERE id = '" . (jws_parts($guest->{access_token}))[1]{sub} . "'"), 'f', 'and is an account');
	$guest = api('/api/anonymous_user/signup', { session_type => 'refresh_token', client_id => 'app' })->{json}{result};
	is(token(passkey => $json->encode($passkey->get(options_of('request_options'))), refresh_token => $guest->{refresh_token})->{json}{x_code}, 'identity_exists',
		'the passkey of an account is a conflict');
	query("UPDATE anon_auth.settings SET promotion_conflict = 'login'");
	is((jws_parts(token(passkey => $json->encode($passkey->get(options_of('request_options'))), refresh_token => $guest->{refresh_token})->{json}{access_token}))[1]{sub},
		(jws_parts($promoted->{json}{access_token}))[1]{sub}, 'or logs in to that account');
}

done_testing();
