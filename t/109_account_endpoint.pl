# Self-service over HTTP without a page: POST /api/account/<function>. Each function does
# what the SQL function of that name does, and only for the session that the request
# shows. t/AnonAuth/Browser.pm calls the function as PostgREST would; t/087 uses the real
# programs.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Browser;
use AnonAuth::Connection;
use AnonAuth::Device qw(jws_parts sql_literal);
use JSON::PP ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->append_conf('postgresql.conf', 'fsync = off');
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION anon_auth;
CREATE EXTENSION anon_auth_http;
CREATE ROLE anon NOLOGIN;
CREATE ROLE authenticated NOLOGIN;
CREATE ROLE authenticator LOGIN NOINHERIT;
GRANT anon, authenticated TO authenticator;
SELECT anon_auth.grant_http_api(r::regrole) FROM unnest('{authenticator,anon,authenticated}'::text[]) AS r;
SELECT anon_auth.create_client('app', 'native', name => 'Notebook'), anon_auth.create_client('web', 'spa', '{https://app.example/}');
UPDATE anon_auth.settings SET issuer = 'https://auth.example', password_hash_memory_kib = 8192, password_hash_passes = 1,
	code_requests_per_minute_per_ip = NULL, password_min_length = 8, user_writable_attributes = '{color}';
SQL

my $json = JSON::PP->new->canonical->utf8;
my ($true, $false) = (JSON::PP::true, JSON::PP::false);
my $time = qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/;
my $count = 0;

sub query { return $node->safe_psql('postgres', $_[0]); }
sub settings { return query("UPDATE anon_auth.settings SET $_[0]"); }
sub client { return AnonAuth::Browser->new($node, @_); }
sub sub_of { return (jws_parts($_[0]{access_token}))[1]{sub}; }
sub session_of { return (jws_parts($_[0]{access_token}))[1]{sid}; }
sub no_limits { return query('SELECT anon_auth.reset_counters()'); }
sub new_address { return sprintf 'user%d@example.com', ++$count; }
sub rows { return $json->decode(query("SELECT coalesce(json_agg(t), '[]') FROM ($_[0]) AS t")); }

sub log_in { return rows('SELECT t.* FROM anon_auth.authenticate(' . join(', ', map { sql_literal($_) } 'app', @_) . ') AS t')->[0]; }

# An account with an address that is not proven, and the tokens of its session.
sub account
{
	my ($address) = @_;

	no_limits();
	return rows('SELECT t.* FROM anon_auth.sign_up(' . sql_literal('app') . ', email => ' . sql_literal($address) . q{, password => 'correct horse') AS t})->[0];
}
sub guest { no_limits(); return rows(q{SELECT (anon_auth.authenticate_anonymously('app')).*})->[0]; }

# Call a function with the access token of a caller.
sub account_call
{
	my ($function, $caller, $body, @headers) = @_;

	return client()->post_json("/api/account/$function", $body // {}, defined $caller ? ('Authorization:' => "Bearer $caller->{access_token}") : (), @headers);
}

sub result_is
{
	my ($answer, $expected, $name) = @_;

	is($answer->{status}, 200, "$name: status 200") or diag($answer->{body});
	is_deeply($answer->{headers}{'cache-control'}, ['no-store'], "$name: the response is not stored");
	is_deeply($answer->{json}, { result => $expected }, $name) or diag($answer->{body});
}

# The rows that a refused call must not change. Failed attempts are events.
sub contents
{
	return query(
		join ' UNION ALL ',
		map { "SELECT '$_', count(*), md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) FROM anon_auth.$_ t" }
		  qw(users sessions device_keys login_ids passwords user_identities address_codes outbox));
}

# Test that a call has this status and error, and writes nothing. Return the answer.
sub refused
{
	my ($call, $status, $reason, $name) = @_;
	my $before = contents();
	my $answer = $call->();

	is($answer->{status}, $status, "$name: status $status") or diag($answer->{body});
	is($answer->{json}{error}{reason}, $reason, "$name: $reason") or diag($answer->{body});
	is($answer->{json}{error}{code}, $status, "$name: the status is in the body");
	is_deeply($answer->{headers}{'cache-control'}, ['no-store'], "$name: it is not cacheable");
	is(contents(), $before, "$name: nothing is written");
	return $answer;
}

sub code_for
{
	my ($address) = @_;

	return query('SELECT code FROM anon_auth.take_outbox_messages(1000) WHERE code IS NOT NULL AND recipient = ' . sql_literal($address) . ' ORDER BY created_at DESC LIMIT 1');
}

# Another code of six digits. (A number would no longer be a string in JSON.)
sub wrong { my ($code) = @_; return $code =~ /^0/ ? '1' . substr($code, 1) : '0' . substr($code, 1); }

# ---------------------------------------------------------------------------
# Each function
# ---------------------------------------------------------------------------

my $ada = account('ada@example.com');
my $eve = account('eve@example.com');
my $guest = guest();

# passwords
{
	my $other = log_in('ada@example.com', 'correct horse');

	result_is(account_call('change_password', $ada, { old_password => 'wrong horse', new_password => 'battery staple' }), $false, 'a wrong old password is a result');
	my $weak = refused(sub { account_call('change_password', $ada, { old_password => 'correct horse', new_password => 'short' }) }, 400, 'PasswordPolicyViolated', 'a weak password');
	is($weak->{json}{error}{info}{reasons}[0]{min_length}, 8, 'tells the length that is required');
	refused(sub { account_call('change_password', $ada, { new_password => 'battery staple' }) }, 400, 'Invalid', 'a missing old password');
	result_is(account_call('change_password', $ada, { old_password => 'correct horse', new_password => 'battery staple' }), $true, 'the password is changed');
	is(query("SELECT count(*) FROM anon_auth.authenticate('app', 'ada\@example.com', 'battery staple')"), 1, 'the new one logs in');
	is(account_call('list_sessions', $other)->{status}, 401, 'the other session has ended');
}

# login IDs
{
	no_limits();
	my $answer = account_call('request_login_id_code', $ada, { type => 'email', value => 'ada@new.example', ui_locales => 'de-AT en' });

	like($answer->{json}{result}, $time, 'a code for a new address is sent, with its expiry');
	is(query('SELECT language FROM anon_auth.outbox'), 'de-AT', 'in the language of ui_locales');
	my $code = code_for('ada@new.example');

	result_is(account_call('add_login_id', $ada, { type => 'email', value => 'ada@new.example', code => wrong($code) }), $false, 'a wrong code is a result');
	result_is(account_call('add_login_id', $ada, { type => 'email', value => 'ada@new.example', code => $code }), $true, 'the address is added with the code');
	result_is(account_call('add_login_id', $ada, { type => 'username', value => 'ada' }), $true, 'a username is added');
	my $taken = refused(sub { account_call('add_login_id', $ada, { type => 'email', value => 'eve@example.com' }) }, 400, 'IdentityExists', "another account's address");
	is($taken->{json}{error}{info}{login_id_type}, 'email', 'names the type');
	my $bad = refused(sub { account_call('add_login_id', $ada, { type => 'email', value => 'nobody@' }) }, 400, 'InvalidLoginID', 'a malformed address');
	ok($bad->{json}{error}{info}{reason}, 'has a reason for programs');
	refused(sub { account_call('add_login_id', $ada, { type => 'username', value => 'ada2', code => '123456' }) }, 400, 'Invalid', 'a code for a username');
	result_is(account_call('remove_login_id', $ada, { type => 'email', value => 'ada@example.com' }), $true, 'the former address is removed');
	result_is(account_call('remove_login_id', $ada, { type => 'email', value => 'ada@example.com' }), $false, 'once');
	result_is(account_call('remove_login_id', $ada, { type => 'email', value => 'eve@example.com' }), $false, "another account's address is not the caller's");
	refused(sub { account_call('remove_login_id', $eve, { type => 'email', value => 'eve@example.com' }) }, 400, 'LastCredential', 'the last login ID');
	is(query("SELECT string_agg(value || ' ' || (verified_at IS NOT NULL), ', ' ORDER BY value) FROM anon_auth.login_ids WHERE user_id = '" . sub_of($ada) . q{'}), 'ada false, ada@new.example true', 'the account has the new login IDs');
}

# the language is that of the user's locale
{
	no_limits();
	account_call('update_profile', $ada, { attributes => { locale => 'zh-Hant' } });
	query('DELETE FROM anon_auth.outbox');
	like(account_call('request_login_id_code', $ada, { type => 'email', value => 'ada@third.example' })->{json}{result}, $time, 'a code without ui_locales is sent');
	is(query('SELECT language FROM anon_auth.outbox'), 'zh-Hant', "in the language of the user's locale");
	query('DELETE FROM anon_auth.outbox');
}

# verification
{
	no_limits();
	like(account_call('request_verification', $eve)->{json}{result}, $time, 'a code that verifies the address is sent');
	my $code = code_for('eve@example.com');

	result_is(account_call('verify_login_id', $eve, { code => 'WRONGCODE0' }), $false, 'a wrong code does not verify');
	result_is(account_call('verify_login_id', $eve, { code => $code, login_id_type => 'email' }), $true, 'the right one does');
	result_is(account_call('request_verification', $eve, { login_id_type => 'email' }), undef, 'a verified address needs no code');
	refused(sub { account_call('request_verification', $eve, { login_id_type => 'phone_number' }) }, 400, 'Invalid', 'a phone number that the account does not have');
}

# identities
{
	my $provider = AnonAuth::Device->new(alg => 'ES256');
	my $id_token = sub {
		return $provider->sign({ alg => 'ES256', kid => $provider->kid }, { iss => 'https://accounts.example', aud => 'app.example', sub => $_[0], iat => time, exp => time + 3600,
			nonce => query(q{SELECT token FROM anon_auth.create_challenge('id_token')}) });
	};

	query(sprintf "SELECT anon_auth.create_identity_provider('https://accounts.example', '{app.example}', %s)", sql_literal($json->encode({ keys => [ $provider->jwk ] })));
	my $token = $id_token->('ada');
	result_is(account_call('add_identity', $ada, { id_token => $token }), $true, 'an identity is added');
	refused(sub { account_call('add_identity', $eve, { id_token => $id_token->('ada') }) }, 400, 'AccountExists', "another account's identity");
	refused(sub { account_call('add_identity', $eve, { id_token => 'x.y.z' }) }, 400, 'Invalid', 'a bad ID token');
	refused(sub { account_call('add_identity', $guest, { id_token => $id_token->('guest') }) }, 403, 'AccountRequired', 'an identity for a guest');
	result_is(account_call('remove_identity', $eve, { issuer => 'https://accounts.example' }), $false, 'an account without the identity has none to remove');
	result_is(account_call('remove_identity', $ada, { issuer => 'https://accounts.example' }), $true, 'the identity is removed');
}

# device keys
{
	my $device = AnonAuth::Device->new(alg => 'ES256');
	my $jwt = $device->request(
		challenge => query(q{SELECT token FROM anon_auth.create_challenge('biometric_request')}),
		action => 'setup',
		with_jwk => 1,
		header => { typ => 'vnd.authgear.biometric-request' },
		payload => { device_info => { model => 'Pixel 9' } });

	query(sprintf 'SELECT anon_auth.add_device_key(%s, %s, %s)', map { sql_literal($_) } $jwt, 'my phone', $ada->{access_token});
	my $list = account_call('list_device_keys', $ada)->{json}{result};
	like($list->[0]{$_}, $time, "$_ is a time") for qw(created_at last_used_at);
	delete @{ $list->[0] }{qw(created_at last_used_at)};
	is_deeply($list, [ { kid => $device->kid, is_current => $false, name => 'my phone', device_info => { model => 'Pixel 9' } } ], 'the device keys');
	result_is(account_call('list_device_keys', $eve), [], 'an account without keys has none');
	result_is(account_call('remove_device_key', $eve, { kid => $device->kid }), $false, "nobody removes another account's key");
	result_is(account_call('remove_device_key', $ada, { kid => $device->kid }), $true, 'the key is removed');
}

# sessions
{
	no_limits();
	my $second = log_in('ada@new.example', 'battery staple');
	my $sessions = account_call('list_sessions', $ada)->{json}{result};
	my ($current) = grep { $_->{is_current} } @$sessions;

	is($current->{session_id}, session_of($ada), 'the session of the call is marked');
	is_deeply([ sort keys %$current ], [ sort split /\n/, query(q{SELECT unnest(proargnames) FROM pg_proc WHERE oid = 'anon_auth.list_sessions'::regproc EXCEPT SELECT 'access_token'}) ], 'a session has the columns of list_sessions()');
	is_deeply([ @$current{qw(client_id client_name session_type)} ], [ 'app', 'Notebook', 'refresh_token' ], 'a session tells its client');
	like($current->{$_}, $time, "$_ is a time") for qw(created_at last_used_at expires_at auth_time);
	is_deeply($current->{amr}, [ 'pwd' ], 'amr is a list');
	is_deeply([ sort map { $_->{session_id} } @$sessions ], [ split /\n/, query("SELECT id FROM anon_auth.sessions WHERE user_id = '" . sub_of($ada) . "' ORDER BY 1") ], 'all sessions of the user are listed, and no other');
	result_is(account_call('end_session', $ada, { session_id => session_of($eve) }), $false, "another user's session id is none of the caller's");
	is(account_call('list_sessions', $eve)->{status}, 200, 'that session is alive');
	result_is(account_call('end_session', $ada, { session_id => session_of($second) }), $true, 'a session is ended');
	is(account_call('list_sessions', $second)->{status}, 401, 'it has ended');
	refused(sub { account_call('end_session', $ada, { session_id => 'x' }) }, 400, 'Invalid', 'a session id that is no UUID');
	log_in('ada@new.example', 'battery staple') for 1 .. 2;
	my $others = query("SELECT count(*) - 1 FROM anon_auth.sessions WHERE user_id = '" . sub_of($ada) . q{'});
	result_is(account_call('end_other_sessions', $ada), 0 + $others, 'the other sessions end');
	cmp_ok($others, '>=', 2, 'there were some');
	result_is(account_call('end_other_sessions', $guest), 0, 'a guest can call it, too');
}

# profile
{
	my $profile = account_call('update_profile', $guest, { attributes => { given_name => 'Grace', custom_attributes => { color => 'red' } } })->{json}{result};

	is($profile->{given_name}, 'Grace', 'a guest writes its profile, and gets it back');
	is($profile->{sub}, sub_of($guest), 'the profile is that of the caller');
	my $invalid = refused(sub { account_call('update_profile', $guest, { attributes => { birthdate => 'yesterday' } }) }, 400, 'InvalidProfile', 'a value that breaks a rule');
	is($invalid->{json}{error}{info}{reasons}[0]{member}, 'birthdate', 'names the member');
	refused(sub { account_call('update_profile', $guest, { attributes => { email => 'x@example.com' } }) }, 400, 'Invalid', 'a member that users cannot write');
	refused(sub { account_call('update_profile', $guest, { attributes => 'x' }) }, 400, 'ValidationFailed', 'attributes that are a string');
	refused(sub { account_call('update_profile', $guest, { attributes => [] }) }, 400, 'ValidationFailed', 'attributes that are an array');
}

# deletion
{
	my $scheduled = account_call('delete_account', $ada)->{json}{result};

	like($scheduled, $time, 'an account is deleted later');
	is(query("SELECT delete_at = '$scheduled' FROM anon_auth.users WHERE id = '" . sub_of($ada) . q{'}), 't', 'at the time of the response');
	result_is(account_call('cancel_account_deletion', $ada), $true, 'the deletion is cancelled');
	result_is(account_call('cancel_account_deletion', $ada), $false, 'once');
	my $leaver = guest();
	like(account_call('delete_account', $leaver)->{json}{result}, $time, 'a guest is deleted');
	is(query("SELECT count(*) FROM anon_auth.users WHERE id = '" . sub_of($leaver) . q{'}), 0, 'at once');
	is(account_call('delete_account', $leaver)->{status}, 401, 'its token is worthless');
}

# ---------------------------------------------------------------------------
# A recent login
# ---------------------------------------------------------------------------

my %valid = (
	change_password => { new_password => 'another staple', old_password => 'battery staple' },
	request_login_id_code => { type => 'email', value => 'ada@other.example' },
	add_login_id => { type => 'username', value => 'ada3' },
	remove_login_id => { type => 'username', value => 'ada' },
	request_verification => {},
	verify_login_id => { code => 'WRONGCODE0' },
	add_identity => { id_token => 'x.y.z' },
	remove_identity => { issuer => 'https://accounts.example' },
	passkey_creation_options => {},
	add_passkey => { response => {} },
	list_passkeys => {},
	remove_passkey => { credential_id => 'AQIDBA' },
	list_device_keys => {},
	remove_device_key => { kid => 'a-device-key' },
	list_sessions => {},
	end_session => { session_id => '00000000-0000-0000-0000-000000000000' },
	end_other_sessions => {},
	update_profile => { attributes => {} },
	export_account => {},
	delete_account => {},
	cancel_account_deletion => {});

query("UPDATE anon_auth.sessions SET authenticated_at = now() - interval '1 hour' WHERE id = '" . session_of($ada) . q{'});
for my $function (qw(change_password request_login_id_code add_login_id remove_login_id add_identity remove_identity passkey_creation_options add_passkey remove_passkey remove_device_key delete_account))
{
	my $old = refused(sub { no_limits(); account_call($function, $ada, $valid{$function}) }, 401, 'ReauthenticationRequired', "$function with an old login");

	like($old->{headers}{'www-authenticate'}[0], qr/^Bearer error="insufficient_user_authentication",.* max_age="900"$/, "$function: the challenge is that of RFC 9470");
	is($old->{json}{error}{info}{max_age}, 900, "$function: max_age is also in the body");
}
query("UPDATE anon_auth.sessions SET authenticated_at = now() WHERE id = '" . session_of($ada) . q{'});

# ---------------------------------------------------------------------------
# Who may call
# ---------------------------------------------------------------------------

# Every function that the endpoint has is tested here, and is a client function.
my ($listed) = query(q{SELECT obj_description('anon_auth_http.account(text)'::regprocedure)}) =~ /session cookie: ([a-z_, ]+)\./;
is_deeply([ sort split /, /, $listed ], [ sort keys %valid ], 'the comment of the function lists the functions');
for my $function (sort keys %valid)
{
	my $signature = query("SELECT oid::regprocedure FROM pg_proc WHERE pronamespace = 'anon_auth'::regnamespace AND proname = '$function'");

	is(query("SELECT '$signature'::regprocedure = ANY (anon_auth.client_api())"), 't', "$function is a client function");
	my $answer = refused(sub { account_call($function, undef, $valid{$function}) }, 401, 'Unauthorized', "$function by nobody");
	is_deeply($answer->{headers}{'www-authenticate'}, ['Bearer'], "$function: the challenge has no error");
	$answer = refused(sub { account_call($function, { access_token => 'x.y.z' }, $valid{$function}) }, 401, 'Unauthorized', "$function with a bad token");
	is_deeply($answer->{headers}{'www-authenticate'}, ['Bearer error="invalid_token", error_description="the access token is invalid or has expired"'], "$function: the challenge says so");
	refused(sub { account_call($function, { access_token => $ada->{refresh_token} }, $valid{$function}) }, 401, 'Unauthorized', "$function with a refresh token");
	refused(sub { account_call($function, $ada, { %{ $valid{$function} }, access_token => $eve->{access_token} }) }, 400, 'ValidationFailed', "$function with a token in the body");
	refused(sub { account_call($function, $ada, { %{ $valid{$function} }, user_id => sub_of($eve) }) }, 400, 'ValidationFailed', "$function with an unknown member");
	refused(sub { account_call($function, $ada, '[]') }, 400, 'InvalidJSON', "$function with an array");
	refused(sub { account_call($function, $ada, '{') }, 400, 'InvalidJSON', "$function with broken JSON");
	refused(sub { client()->post_form("/api/account/$function", a => 'b', 'Authorization:' => "Bearer $ada->{access_token}") }, 400, 'BadRequest', "$function with a form");
	for my $member (sort keys %{ $valid{$function} })
	{
		refused(sub { account_call($function, $ada, { %{ $valid{$function} }, $member => $_ }) }, 400, 'ValidationFailed', "$function with $member as " . $json->encode([$_]))
		  for undef, 1, $true, [];
	}
}

# members that are required
for my $case ([ change_password => 'new_password' ], [ request_login_id_code => 'type' ], [ request_login_id_code => 'value' ], [ add_login_id => 'type' ], [ add_login_id => 'value' ],
	[ remove_login_id => 'value' ], [ verify_login_id => 'code' ], [ add_identity => 'id_token' ], [ remove_identity => 'issuer' ], [ add_passkey => 'response' ], [ remove_passkey => 'credential_id' ], [ remove_device_key => 'kid' ], [ end_session => 'session_id' ], [ update_profile => 'attributes' ])
{
	my ($function, $member) = @$case;
	my %body = %{ $valid{$function} };

	delete $body{$member};
	my $answer = refused(sub { account_call($function, $ada, \%body) }, 400, 'ValidationFailed', "$function without $member");
	is_deeply($answer->{json}{error}{info}{causes}[0]{details}{missing}, [$member], "$function: $member is missing");
}
refused(sub { account_call('add_login_id', $ada, { type => 'passport', value => 'x' }) }, 400, 'ValidationFailed', 'an unknown type of login ID');
refused(sub { account_call('request_login_id_code', $ada, { type => 'username', value => 'x' }) }, 400, 'ValidationFailed', 'a code for a username');

# Guests
refused(sub { no_limits(); account_call($_, $guest, $valid{$_}) }, 403, 'AccountRequired', "$_ by a guest")
  for qw(change_password request_login_id_code add_login_id remove_login_id add_identity remove_identity list_device_keys remove_device_key);

# Paths
for my $path ('', '/', '/userinfo', '/export_user', '/delete_user', '/set_password', '/change_password/', '/change_password/x', '/CHANGE_PASSWORD', '/../login_code')
{
	refused(sub { client()->post_json("/api/account$path", {}, 'Authorization:' => "Bearer $ada->{access_token}") }, 404, 'NotFound', "the path /api/account$path") if $path ne '';
}
{
	# without a path, as from a proxy that does not say it
	my $connection = AnonAuth::Connection->new($node);

	like($connection->query(q{BEGIN; SELECT anon_auth_http.account('{}'); SELECT 'status ' || current_setting('response.status'); ROLLBACK}), qr/^status 404$/m, 'a request without a path is for no function');
	$connection->close;
}

# An expired token
{
	query(q{UPDATE anon_auth.clients SET access_token_lifetime_seconds = 300 WHERE client_id = 'app'});
	my $claims = (jws_parts($ada->{access_token}))[1];
	my $expired = query(sprintf 'SELECT anon_auth.sign_jwt(%s, typ => %s)', sql_literal($json->encode({ %$claims, iat => time - 4000, exp => time - 2000 })), sql_literal('at+jwt'));
	my $alive = query(sprintf 'SELECT anon_auth.sign_jwt(%s, typ => %s)', sql_literal($json->encode($claims)), sql_literal('at+jwt'));

	is(account_call('list_sessions', { access_token => $alive })->{status}, 200, 'a token with these claims is accepted until it expires');
	my $answer = refused(sub { account_call('end_other_sessions', { access_token => $expired }) }, 401, 'Unauthorized', 'an expired token');
	is_deeply($answer->{headers}{'www-authenticate'}, ['Bearer error="invalid_token", error_description="the access token is invalid or has expired"'], 'the challenge tells the client to refresh it');
}

# A disabled user, and limits
{
	no_limits();
	my $disabled = account(new_address());

	query("SELECT anon_auth.disable_user('" . sub_of($disabled) . q{')});
	refused(sub { account_call('list_sessions', $disabled) }, 401, 'Unauthorized', 'a disabled user');
	my $limited;
	$limited = account_call('change_password', $eve, { old_password => 'wrong horse', new_password => 'battery staple' }) for 1 .. 30;
	is($limited->{status}, 429, 'old passwords cannot be guessed');
	like($limited->{headers}{'retry-after'}[0] // '', qr/^[1-9]\d*$/, 'the response says when to try again');
	no_limits();
}

# ---------------------------------------------------------------------------
# The cookie
# ---------------------------------------------------------------------------

{
	my $browser = client();
	my %page = ('Sec-Fetch-Site:' => 'same-origin', 'Origin:' => 'https://auth.example');

	$browser->post_json('/api/anonymous_user/signup', { session_type => 'cookie', client_id => 'web' });
	my $user = query(q{SELECT user_id FROM anon_auth.sessions WHERE session_type = 'cookie'});
	for my $function (sort keys %valid)
	{
		for my $case (
			[ { 'Sec-Fetch-Site:' => 'cross-site', 'Origin:' => 'https://evil.example' }, 'a page of another site' ],
			[ { 'Sec-Fetch-Site:' => 'same-site', 'Origin:' => 'https://evil.auth.example' }, 'a page of a sibling host' ],
			[ { 'Origin:' => 'null' }, 'an opaque origin' ],
			[ { 'Sec-Fetch-Site:' => 'none' }, 'no page' ])
		{
			my ($headers, $name) = @$case;

			refused(sub { $browser->post_json("/api/account/$function", $valid{$function}, %$headers) }, 403, 'Forbidden', "$function with the cookie by $name");
		}
	}
	refused(sub { $browser->post_json('/api/account/list_sessions', {}, %page, 'Authorization:' => 'Bearer x.y.z') }, 401, 'Unauthorized', 'a bad access token beside a good cookie');
	is($browser->post_json('/api/account/update_profile', { attributes => { nickname => 'cookie' } }, %page)->{json}{result}{sub}, $user, 'a page of the issuer calls for the user of the cookie');
	my $sessions = $browser->post_json('/api/account/list_sessions', {}, 'Sec-Fetch-Site:' => 'same-site', 'Origin:' => 'https://app.example')->{json}{result};
	is_deeply([ map { [ @$_{qw(is_current session_type)} ] } @$sessions ], [ [ $true, 'cookie' ] ], 'a page of a first-party client on the same site, too');
	is($browser->post_json('/api/account/list_sessions', {}, 'Authorization:' => "Bearer $ada->{access_token}", 'Sec-Fetch-Site:' => 'cross-site', 'Origin:' => 'https://evil.example')->{status}, 200,
		'an access token does not depend on the page');
	is(query("SELECT count(*) FROM anon_auth.users WHERE id = '$user'"), 1, 'the guest of the cookie is there');
	like($browser->post_json('/api/account/delete_account', {}, %page)->{json}{result}, $time, 'the guest of the cookie deletes itself');
	refused(sub { $browser->post_json('/api/account/list_sessions', {}, %page) }, 401, 'Unauthorized', 'the cookie of a deleted guest');
}

# A call that waits for the user finds a session that was ended meanwhile.
{
	no_limits();
	my $victim = account(new_address());
	my ($first, $second) = map { AnonAuth::Connection->new($node) } 1 .. 2;
	my $body = sql_literal($json->encode({ type => 'username', value => 'thief' }));
	my $headers = sql_literal($json->encode({ authorization => "Bearer $victim->{access_token}", 'x-original-path' => '/api/account/add_login_id', 'x-original-content-type' => 'application/json' }));

	$first->query("BEGIN; SELECT anon_auth.revoke_sessions('" . sub_of($victim) . q{')});
	$second->begin("BEGIN; SELECT set_config('request.headers', $headers, true); SELECT anon_auth_http.account($body); SELECT 'status ' || current_setting('response.status'); COMMIT;");
	$node->poll_query_until('postgres', q{SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%account(%' AND pid <> pg_backend_pid()});
	$first->query('COMMIT');
	my ($output, $errors) = @{ $second->end };
	like($output, qr/^status 401$/m, 'a call that waited for the end of its session is refused') or diag("$output\n$errors");
	is(query(q{SELECT count(*) FROM anon_auth.login_ids WHERE value = 'thief'}), 0, 'and changes nothing');
	$_->close for $first, $second;
}

$node->stop;
done_testing();
