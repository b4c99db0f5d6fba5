# Accounts over HTTP without a page: codes, ID tokens and claims. The grants of the token
# endpoint, POST /api/login_code, POST /api/anonymous_user/claim, and the identities in
# userinfo. t/AnonAuth/Browser.pm calls the functions as PostgREST would; t/087 uses the
# real programs.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Browser;
use AnonAuth::Connection;
use AnonAuth::Device qw(call challenge jws_parts sql_literal);
use Digest::SHA qw(sha256_hex);
use JSON::PP ();
use MIME::Base64 qw(encode_base64url);
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
SELECT anon_auth.create_client('app', 'native'), anon_auth.create_client('other', 'native'),
	anon_auth.create_client('web', 'spa', '{https://app.example/}'),
	anon_auth.create_client('machine', 'm2m'), anon_auth.create_client('partner', 'third_party_app', '{https://partner.example/}');
UPDATE anon_auth.settings SET issuer = 'https://auth.example', password_hash_memory_kib = 8192, password_hash_passes = 1,
	code_link_uri = 'https://auth.example/l#{code}', login_id_types = '{email,username}', code_requests_per_minute_per_ip = NULL;
CREATE TABLE notes (id serial PRIMARY KEY, user_id uuid NOT NULL REFERENCES anon_auth.users (id) ON DELETE CASCADE, body text UNIQUE);
CREATE INDEX ON notes (user_id);
SQL

my %grant = map { $_ => "urn:anon-auth:params:oauth:grant-type:$_" } qw(login-code id-token);
my $anonymous_request = 'urn:authgear:params:oauth:grant-type:anonymous-request';
my $json = JSON::PP->new->canonical->utf8;
my $count = 0;

sub query { return $node->safe_psql('postgres', $_[0]); }
sub settings { return query("UPDATE anon_auth.settings SET $_[0]"); }
sub client { return AnonAuth::Browser->new($node, @_); }
sub sub_of { return (jws_parts($_[0]{access_token}))[1]{sub}; }

# A later parameter replaces one of the same name.
sub token
{
	my %parameters = (client_id => 'app', @_);

	return client()->post_form('/oauth2/token', %parameters);
}
sub new_address { return sprintf 'user%d@example.com', ++$count; }
sub no_limits { return query('SELECT anon_auth.reset_counters()'); }

# The rows that a refused call must not change. Failed logins are events.
sub contents
{
	return query(
		join ' UNION ALL ',
		map { "SELECT '$_', count(*), md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) FROM anon_auth.$_ t" }
		  qw(users sessions device_keys login_ids passwords user_identities address_codes outbox merged_guests));
}

# Status, and the members of the body that a program reads. The response sets no cookie and
# must not be stored, and nothing is written.
sub refused
{
	my ($call, $status, $body, $name) = @_;
	my $before = contents();
	my $answer = $call->();
	my $got = $answer->{json};
	my $error = $got->{error};

	is($answer->{status}, $status, "$name: status $status") or diag($answer->{body});
	is_deeply(
		ref $error ? { map { $_ => $error->{$_} } qw(name reason message) } : { map { $_ => $got->{$_} } grep { $_ ne 'x_detail' } keys %{ $got // {} } },
		$body, "$name: body") or diag($answer->{body});
	is($error->{code}, $status, "$name: the status is in the body") if ref $error;
	is_deeply($answer->{headers}{'cache-control'}, ['no-store'], "$name: it is not cacheable");
	is($answer->{headers}{'set-cookie'}, undef, "$name: no cookie is set");
	is(contents(), $before, "$name: nothing is written");
	return $answer;
}

sub oauth_error { return { error => $_[0], error_description => $_[1], $_[2] ? (x_code => $_[2]) : () }; }
sub api_error { return { name => $_[0], reason => $_[2] // $_[0], message => $_[1] }; }

my $wrong = oauth_error('invalid_grant', 'InvalidCredentials');

# Ask for a code over HTTP; return the six digits and the long code from the outbox.
sub code_for
{
	my ($address, %proof) = @_;

	no_limits();
	my $answer = client()->post_json('/api/login_code', { client_id => 'app', login_id => $address, %proof });

	is($answer->{status}, 200, 'a code is sent') or diag($answer->{body});
	my $message = call($node, 'take_outbox_messages');
	is($message->{recipient}, $address, 'to the address');
	return ($message->{code}, $message->{link} =~ s/.*#//r);
}

sub guest { return client()->post_json('/api/anonymous_user/signup', { session_type => 'refresh_token', client_id => 'app', @_ })->{json}{result}; }

# A device with its guest.
sub keyed_guest
{
	my $device = AnonAuth::Device->new(alg => 'ES256');
	my $answer = token(grant_type => $anonymous_request, jwt => $device->request(challenge => challenge($node), with_jwk => 1));

	return ($device, $answer->{json});
}

sub promotion_code
{
	return client()->post_json('/api/anonymous_user/promotion_code', { session_type => 'refresh_token', refresh_token => $_[0]{refresh_token} })->{json}{result}{promotion_code};
}

# An account with a verified address.
sub account
{
	my ($address) = @_;
	my ($code) = code_for($address);

	return token(grant_type => $grant{'login-code'}, login_id => $address, code => $code, prompt => 'create')->{json};
}

# ---------------------------------------------------------------------------
# Discovery
# ---------------------------------------------------------------------------

my $metadata = client()->get('/.well-known/openid-configuration')->{json};
is((grep { $_ eq $grant{'login-code'} || $_ eq $grant{'id-token'} } @{ $metadata->{grant_types_supported} }), 2, 'discovery lists both grants');

# ---------------------------------------------------------------------------
# POST /api/login_code
# ---------------------------------------------------------------------------

{
	my $address = new_address();
	my $answer = client()->post_json('/api/login_code', { client_id => 'app', login_id => $address, ui_locales => 'de en' });

	is($answer->{status}, 200, 'a request for a code is accepted');
	is_deeply([ sort keys %{ $answer->{json} }, keys %{ $answer->{json}{result} } ], [qw(expire_at result)], 'the result has the expiry only');
	like($answer->{json}{result}{expire_at}, qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/, 'which is a time of RFC 3339 in UTC');
	is_deeply($answer->{headers}{'cache-control'}, ['no-store'], 'the response is not stored');
	is(query(q{SELECT type, client_id, language FROM anon_auth.take_outbox_messages()}), 'login_code|app|de', 'the message names client and language');

	my $limited = refused(sub { client()->post_json('/api/login_code', { client_id => 'app', login_id => $address }) },
		429, api_error('TooManyRequest', 'request rate limited', 'RateLimited'), 'a second request within a minute');
	like($limited->{headers}{'retry-after'}[0] // '', qr/^[1-9]\d*$/, 'and says when to try again');
	no_limits();
}
for my $case (
	[ { client_id => 'nobody' }, api_error('Invalid', 'invalid client ID'), 'an unknown client' ],
	[ { client_id => 'machine' }, api_error('Invalid', 'grant type is not allowed for this client'), 'an m2m client' ],
	[ { client_id => 'partner' }, api_error('Invalid', 'grant type is not allowed for this client'), 'a third-party client' ],
	[ { login_id => 'somebody' }, api_error('Invalid', 'invalid login ID', 'InvalidLoginID'), 'a username' ],
	[ { login_id => '' }, api_error('Invalid', 'invalid login ID', 'InvalidLoginID'), 'an empty login ID' ],
	[ { login_id => '+85251234567' }, api_error('Invalid', 'invalid login ID', 'InvalidLoginID'), 'a type that is not allowed' ],
	[ { ui_locales => 'de;q=1' }, api_error('Invalid', 'ui_locales must be a list of language tags, separated by single spaces'), 'malformed ui_locales' ],
	[ { refresh_token => 'x' }, api_error('Invalid', 'invalid refresh token'), 'a wrong refresh token' ],
	[ { refresh_token => '' }, api_error('Invalid', 'invalid refresh token'), 'an empty refresh token, which is not taken for none' ],
	[ { promotion_code => 'x' }, api_error('Invalid', 'invalid promotion code'), 'a wrong promotion code' ],
	[ { jwt => 'x' }, api_error('Invalid', 'invalid request JWT'), 'a wrong JWT' ],
	[ { jwt => 'x', refresh_token => 'y' }, api_error('Invalid', 'more than one proof of being the guest was given'), 'two proofs' ],
	[ { login_id => undef }, api_error('Invalid', 'invalid request body', 'ValidationFailed'), 'null' ],
	[ { password => 'x' }, api_error('Invalid', 'invalid request body', 'ValidationFailed'), 'an unknown member' ])
{
	my ($changes, $error, $name) = @$case;

	refused(sub { client()->post_json('/api/login_code', { client_id => 'app', login_id => 'a@example.com', %$changes }) }, 400, $error, "a code is not sent: $name");
}
is(client()->post_json('/api/login_code', { client_id => 'app', login_id => 'somebody' })->{json}{error}{info}{reason}, 'no_address', 'a program can read why no code can be sent');
refused(sub { client()->request('POST', '/api/login_code', $json->encode({ client_id => 'app', login_id => 'a@example.com' }), 'content-type' => 'text/plain') },
	400, api_error('BadRequest', 'request content type is invalid'), 'a body that a page of another site can send');
refused(sub { client()->post_json('/api/login_code', '{"client_id":"app","login_id":"a@example.com","login_id":"b@example.com"}') },
	400, { name => 'BadRequest', reason => 'InvalidJSON', message => 'request body is invalid: a member name appears twice' }, 'a member that is given twice');

# ---------------------------------------------------------------------------
# grant_type=...:login-code
# ---------------------------------------------------------------------------

{
	my $address = new_address();
	my ($digits, $long) = code_for($address);
	my %request = (grant_type => $grant{'login-code'}, login_id => $address, code => $digits);

	refused(sub { token(%request) }, 400, oauth_error('invalid_grant', 'no account', 'no_account'), 'a login without an account');
	refused(sub { token(%request, code => sprintf '%06d', ($digits + 1) % 1000000) }, 400, $wrong, 'a wrong code');
	my $answer = token(%request, prompt => 'create', x_device_info => encode_base64url('{"a":1}'));
	is($answer->{status}, 200, 'with prompt=create the same code makes an account') or diag($answer->{body});
	is_deeply([ sort keys %{ $answer->{json} } ], [qw(access_token expires_in id_token refresh_token token_type)], 'the response is that of other grants');
	is_deeply([ @{ $answer->{headers}{'cache-control'} }, @{ $answer->{headers}{pragma} } ], [qw(no-store no-cache)], 'and is not stored');
	my ($claims) = (jws_parts($answer->{json}{access_token}))[1];
	ok(!$claims->{is_anonymous}, 'the user is no guest');
	is_deeply($claims->{amr}, ['otp'], 'amr names the code');
	is(query("SELECT device_info FROM anon_auth.sessions WHERE user_id = '$claims->{sub}'"), '{"a": 1}', 'x_device_info is stored');
	refused(sub { token(%request) }, 400, $wrong, 'a used code');
	is(token(%request, code => (code_for($address))[0])->{status}, 200, 'a login with another code');
	my ($again, $link) = code_for($address);
	refused(sub { token(%request, code => $again, prompt => 'create') }, 400,
		oauth_error('invalid_grant', 'an account exists already', 'account_exists'), 'a sign-up with an address that has an account');
	is(sub_of(token(grant_type => $grant{'login-code'}, code => $link)->{json}), $claims->{sub}, 'a login with the code of the link needs no login_id');
	refused(sub { token(grant_type => $grant{'login-code'}, code => $link) }, 400, $wrong, 'a used code of a link');
	refused(sub { token(grant_type => $grant{'login-code'}, code => '123456') }, 400, $wrong, 'six digits without a login_id');
}
{
	# The code of a link names its address in a sign-up and a promotion, too.
	my ($address, $guest) = (new_address(), guest());
	my (undef, $link) = code_for($address);
	my $answer = token(grant_type => $grant{'login-code'}, code => $link, prompt => 'create');

	is($answer->{status}, 200, 'a sign-up with the code of a link needs no login_id') or diag($answer->{body});
	is(query("SELECT original_value, verified_at IS NOT NULL FROM anon_auth.login_ids WHERE user_id = '" . sub_of($answer->{json}) . "'"), "$address|t", 'its address is verified');
	(undef, $link) = code_for($address = new_address(), refresh_token => $guest->{refresh_token});
	refused(sub { token(grant_type => $grant{'login-code'}, code => $link, prompt => 'create') }, 400, $wrong, 'a sign-up with the code of a guest');
	refused(sub { token(grant_type => $grant{'login-code'}, code => $link) }, 400, $wrong, 'a login with the code of a guest');
	my $other = guest();
	refused(sub { token(grant_type => $grant{'login-code'}, code => $link, refresh_token => $other->{refresh_token}) }, 400, $wrong, 'a promotion of another guest with the code');
	refused(sub { token(grant_type => $grant{'login-code'}, code => 'A' x 64, refresh_token => $guest->{refresh_token}) }, 400, $wrong, 'a wrong code of a link');
	is(sub_of(token(grant_type => $grant{'login-code'}, code => $link, refresh_token => $guest->{refresh_token})->{json}), sub_of($guest), 'the guest is promoted with the code of the link');
}
for my $proof (qw(refresh_token promotion_code jwt))
{
	my $address = new_address();
	my ($device, $guest) = $proof eq 'jwt' ? keyed_guest() : (undef, guest());
	my $make = sub { $proof eq 'jwt' ? $device->request(challenge => challenge($node), action => 'promote') : $proof eq 'refresh_token' ? $guest->{refresh_token} : promotion_code($guest) };
	my ($digits) = code_for($address, $proof => $make->());
	my %request = (grant_type => $grant{'login-code'}, login_id => $address, code => $digits);
	my $answer;

	refused(sub { token(%request) }, 400, $wrong, "$proof: a login with the guest's code");
	refused(sub { token(%request, $proof => $make->(), prompt => 'create') }, 400, oauth_error('invalid_request', 'a guest is promoted without prompt'), "$proof: a sign-up of a guest");
	refused(sub { token(%request, $proof => $make->(), ($proof eq 'jwt' ? 'refresh_token' : 'jwt') => 'x') }, 400,
		oauth_error('invalid_request', 'more than one proof of being the guest was given'), "$proof: two proofs");
	refused(sub { token(%request, $proof => $make->(), client_id => 'other') }, 400,
		oauth_error('invalid_grant', $proof eq 'refresh_token' ? 'invalid refresh token' : 'invalid promotion code'), "$proof: another client") if $proof ne 'jwt';
	$answer = token(%request, $proof => $make->());
	is($answer->{status}, 200, "$proof: the guest is promoted") or diag($answer->{body});
	is(sub_of($answer->{json}), sub_of($guest), "$proof: sub stays");
	ok(!(jws_parts($answer->{json}{access_token}))[1]{is_anonymous}, "$proof: is_anonymous is false");
	is(token(grant_type => 'refresh_token', refresh_token => $guest->{refresh_token})->{json}{error}, 'invalid_grant', "$proof: the guest's session has ended");
	is($device && token(%request, jwt => $make->())->{json}{x_code}, $device && 'removed_device_key', "$proof: a repetition after a lost response");
}
{
	# The address of an account: settings.promotion_conflict.
	my $address = new_address();
	my $account = account($address);
	my $guest = guest();
	my ($digits) = code_for($address, refresh_token => $guest->{refresh_token});
	my %request = (grant_type => $grant{'login-code'}, login_id => $address, code => $digits, refresh_token => $guest->{refresh_token});
	my $answer = refused(sub { token(%request) }, 400, oauth_error('invalid_grant', 'identity already exists', 'identity_exists'), 'a promotion to an address of an account');

	is($answer->{json}{x_detail}, 'The email belongs to another user.', 'x_detail is a sentence and no JSON');
	query("INSERT INTO notes (user_id, body) VALUES ('" . sub_of($guest) . "', 'twice')");
	query(q{CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE 'not this one' USING ERRCODE = '23514'; END$$;
		CREATE TRIGGER refuse BEFORE UPDATE ON notes FOR EACH ROW EXECUTE FUNCTION refuse()});
	settings("promotion_conflict = 'merge'");
	is(token(%request)->{json}{error}, 'invalid_request', 'a merge that a table refuses is invalid_request');
	query('DROP TRIGGER refuse ON notes');
	refused(sub { token(%request) }, 400, $wrong, 'which has used up the code');
	$answer = token(%request, code => (code_for($address, refresh_token => $guest->{refresh_token}))[0]);
	is($answer->{status} == 200 && sub_of($answer->{json}), sub_of($account), 'with merge, the code logs in to the account') or diag($answer->{body});
	is(query("SELECT user_id FROM notes WHERE body = 'twice'"), sub_of($account), 'and the rows of the guest have moved');
	settings("promotion_conflict = 'error'");
}
{
	# The holder of a token is not told that the user is disabled; a device is.
	my ($device, $guest) = keyed_guest();
	my $jwt = $device->request(challenge => challenge($node), action => 'promote');
	my $code = promotion_code($guest);
	my %request = (grant_type => $grant{'login-code'}, login_id => 'a@example.com', code => '123456');

	query("UPDATE anon_auth.users SET is_disabled = true WHERE id = '" . sub_of($guest) . "'");
	is(token(%request, refresh_token => $guest->{refresh_token})->{json}{error_description}, 'invalid refresh token', 'the holder of a refresh token does not learn that the user is disabled');
	is(token(%request, promotion_code => $code)->{json}{error_description}, 'invalid promotion code', 'nor does that of a promotion code');
	is(token(%request, jwt => $jwt)->{json}{error_description}, 'user is disabled', 'the device learns it');
	is(client()->post_form('/oauth2/token?', client_id => 'app', grant_type => 'refresh_token', refresh_token => $guest->{refresh_token}, jwt => 'x', jwt => 'y')->{json}{error},
		'invalid_grant', 'a parameter that a grant does not have can be given twice');
}
for my $case (
	[ {}, 'invalid_request', 'code is required', 'no code' ],
	[ { code => '' }, 'invalid_request', 'code is required', 'an empty code' ],
	[ { code => '1', prompt => 'login' }, 'invalid_request', 'prompt must be create', 'another prompt' ],
	[ { code => '1', prompt => 'create login' }, 'invalid_request', 'prompt must be create', 'a list of prompts' ],
	[ { code => '123456', prompt => 'create' }, 'invalid_request', 'a login ID is required', 'a sign-up without login_id' ],
	[ { code => '123456', login_id => 'x', prompt => 'create' }, 'invalid_request', 'code needs exactly one of email and phone_number', 'a sign-up with a username' ],
	[ { code => '123456', login_id => '+85251234567', prompt => 'create' }, 'invalid_request', 'invalid login ID', 'a sign-up with a type that is not allowed' ],
	[ { code => '123456', login_id => 'a@example.com', x_device_info => 'e30!' }, 'invalid_request', 'invalid x_device_info', 'a bad x_device_info' ],
	[ { code => '1', client_id => 'machine' }, 'unauthorized_client', 'grant type is not allowed for this client', 'an m2m client' ],
	[ { code => '1', client_id => 'partner' }, 'unauthorized_client', 'grant type is not allowed for this client', 'a third-party client' ],
	[ { code => '1', login_id => 'a@example.com', client_id => 'partner', prompt => 'create' }, 'unauthorized_client', 'grant type is not allowed for this client', 'a sign-up with a third-party client' ],
	[ { code => '1', login_id => 'a@example.com', client_id => 'partner', refresh_token => 'x' }, 'unauthorized_client', qr/^Anonymous user is not supported/, 'a promotion with a third-party client' ],
	[ { code => '1', client_id => 'nobody' }, 'invalid_client', 'invalid client ID', 'an unknown client' ])
{
	my ($parameters, $error, $description, $name) = @$case;
	my %all = (grant_type => $grant{'login-code'}, client_id => 'app', %$parameters);
	my $answer = client()->post_form('/oauth2/token', %all);

	is("$answer->{status} $answer->{json}{error}", "400 $error", "login-code: $name");
	like($answer->{json}{error_description}, ref $description ? $description : qr/^\Q$description\E$/, "login-code: $name: description");
}
for my $name (qw(client_id grant_type code login_id prompt jwt promotion_code refresh_token x_device_info))
{
	my %all = (grant_type => $grant{'login-code'}, client_id => 'app', code => '1', login_id => 'a@example.com');
	my $answer = client()->post_form('/oauth2/token', %all, $name => 'x', exists $all{$name} ? () : ($name => 'x'));

	is("$answer->{json}{error}: $answer->{json}{error_description}", "invalid_request: $name is given more than once", "login-code: two parameters $name are refused");
}
{
	settings('public_sign_up_enabled = false');
	my ($code) = code_for(my $address = new_address());
	refused(sub { token(grant_type => $grant{'login-code'}, login_id => $address, code => $code, prompt => 'create') }, 400,
		oauth_error('unauthorized_client', 'public signup is disabled'), 'a sign-up while sign-up is closed');
	settings('public_sign_up_enabled = true');
	no_limits();
}

# ---------------------------------------------------------------------------
# grant_type=...:id-token
# ---------------------------------------------------------------------------

my $provider = AnonAuth::Device->new(alg => 'ES256', kid => 'provider-key-1');
my $unknown_key = AnonAuth::Device->new(alg => 'ES256', kid => 'provider-key-2');
call($node, 'create_identity_provider', issuer => 'https://idp.example', audiences => '{my-app}', trust_email => 'true',
	jwks => $json->encode({ keys => [ { %{ $provider->jwk }, use => 'sig' } ] }));

sub nonce
{
	my $answer = client()->post_json('/oauth2/challenge', { purpose => 'id_token' });

	is($answer->{status}, 200, 'a challenge for the nonce is returned') or diag($answer->{body});
	return $answer->{json}{result}{token};
}

# The parameters of a grant for a user of the provider.
sub identity
{
	my ($subject, %claims) = @_;
	my $nonce = nonce();
	my $key = delete $claims{key} // $provider;
	my %payload = (iss => 'https://idp.example', aud => 'my-app', sub => $subject, iat => time, exp => time + 300, nonce => sha256_hex($nonce), %claims);

	return (grant_type => $grant{'id-token'}, nonce => $nonce, id_token => $key->sign({ alg => 'ES256', kid => $key->kid }, \%payload));
}

{
	my %ada = identity('ada');
	my $answer;

	refused(sub { token(%ada) }, 400, oauth_error('invalid_grant', 'no account', 'no_account'), 'an ID token of a stranger');
	$answer = token(%ada, prompt => 'create');
	is($answer->{status}, 200, 'with prompt=create the same token makes an account') or diag($answer->{body});
	my $sub = sub_of($answer->{json});
	refused(sub { token(%ada) }, 400, $wrong, 'an ID token that was used');
	is(sub_of(token(identity('ada'))->{json}), $sub, 'another one logs in to the account');
	refused(sub { token(identity('ada'), prompt => 'create') }, 400, oauth_error('invalid_grant', 'an account exists already', 'account_exists'), 'a sign-up with an identity of an account');

	my $userinfo = client()->get('/oauth2/userinfo', 'Authorization:' => "Bearer $answer->{json}{access_token}")->{json};
	my @identities = @{ $userinfo->{'https://authgear.com/claims/user/identities'} };
	is(scalar @identities, 1, 'userinfo lists the identity');
	is_deeply([ sort keys %{ $identities[0] } ], [qw(created_at issuer subject type updated_at)], 'in the form of other identities');
	is("@{ $identities[0] }{qw(type issuer subject)}", 'oauth https://idp.example ada', 'with issuer and subject');
	like($identities[0]{$_}, qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?\+00:00$/, "$_ is a time") for qw(created_at updated_at);
}
for my $proof (qw(refresh_token promotion_code jwt))
{
	my ($device, $guest) = $proof eq 'jwt' ? keyed_guest() : (undef, guest());
	my $value = $proof eq 'jwt' ? $device->request(challenge => challenge($node), action => 'promote') : $proof eq 'refresh_token' ? $guest->{refresh_token} : promotion_code($guest);
	my %bob = identity("bob with $proof", email => "bob-$proof\@example.com", email_verified => JSON::PP::true);
	my $answer = token(%bob, $proof => $value);

	is($answer->{status}, 200, "$proof: a guest is promoted with an ID token") or diag($answer->{body});
	is(sub_of($answer->{json}), sub_of($guest), "$proof: sub stays");
	is(query("SELECT value, verified_at IS NOT NULL FROM anon_auth.login_ids WHERE user_id = '" . sub_of($guest) . "'"), "bob-$proof\@example.com|t", "$proof: the provider's address is verified");
}
{
	my $guest = guest();
	my $invalid = refused(sub { token(identity('eve', aud => 'another-app')) }, 400, oauth_error('invalid_grant', 'invalid ID token'), 'an ID token for another application');
	like($invalid->{json}{x_detail}, qr/^The audience \(aud\)/, 'x_detail gives the reason');
	refused(sub { token(identity('eve'), nonce => nonce()) }, 400, oauth_error('invalid_grant', 'invalid ID token'), 'an ID token with the nonce of another one');
	refused(sub { token(identity('eve'), id_token => 'x') }, 400, oauth_error('invalid_grant', 'invalid ID token'), 'no JWT');
	for my $with ([], [ prompt => 'create' ], [ refresh_token => $guest->{refresh_token} ])
	{
		my $answer = refused(sub { token(identity('eve', key => $unknown_key), @$with) }, 503,
			oauth_error('temporarily_unavailable', 'the key of the ID token is unknown'), "a key that is not known yet (@$with[0 .. $#$with ? 0 : -1])");
		is($answer->{headers}{'retry-after'}[0], 60, 'Retry-After says when to try again');
	}
	is(token(grant_type => $grant{'id-token'})->{json}{error_description}, 'id_token is required', 'an ID token is required');
	is(client()->post_form('/oauth2/token', client_id => 'partner', identity('ada'))->{json}{error}, 'unauthorized_client', 'a third-party client cannot use an ID token');
	is(client()->post_form('/oauth2/token', client_id => 'app', identity('ada'), $_ => 'x', $_ => 'x')->{json}{error_description}, "$_ is given more than once", "id-token: two parameters $_ are refused")
	  for qw(id_token nonce);

	# An address that the provider proves does not open an account that has no such identity.
	my $address = new_address();
	my $account = account($address);
	my @verified = (email => $address, email_verified => JSON::PP::true);
	refused(sub { token(identity('eve', @verified)) }, 400, oauth_error('invalid_grant', 'an account exists already', 'account_exists'), 'a login by the address in an ID token');
	refused(sub { token(identity('eve', @verified), refresh_token => $guest->{refresh_token}) }, 400, oauth_error('invalid_grant', 'identity already exists', 'identity_exists'), 'a promotion with such a token');
}

# ---------------------------------------------------------------------------
# POST /api/anonymous_user/claim
# ---------------------------------------------------------------------------

sub claim
{
	my ($browser, $body, @headers) = @_;

	return $browser->post_json('/api/anonymous_user/claim', { client_id => 'app', %$body }, @headers);
}
sub bearer { return ('Authorization:' => "Bearer $_[0]{access_token}"); }
sub owner { return query("SELECT user_id FROM notes WHERE body = '$_[0]'"); }

# The names of tables that users cannot read stay in the database.
query(<<'SQL');
CREATE SCHEMA secret;
CREATE TABLE secret.scores (user_id uuid PRIMARY KEY REFERENCES anon_auth.users (id) ON DELETE CASCADE);
CREATE TABLE secret.visits (user_id uuid REFERENCES anon_auth.users (id) ON DELETE CASCADE);
CREATE INDEX ON secret.visits (user_id);
GRANT SELECT ON notes, secret.visits TO authenticated;
SQL
{
	my $guest = guest();
	my $account = account(new_address());
	my $ask = sub { return claim(client(), { refresh_token => $guest->{refresh_token}, dry_run => JSON::PP::true }, bearer($account))->{json}; };
	my $notes = { table => 'public.notes', rows => 1 };

	no_limits();
	query('INSERT INTO ' . $_) for map { "$_ VALUES ('" . sub_of($guest) . "')" } 'notes (user_id)', 'secret.scores', 'secret.visits', 'secret.visits';
	is_deeply($ask->(), { result => { tables => [ $notes, { table => undef, rows => 3 } ] } }, 'a claim counts rows of tables that users cannot read together, without a name');
	query('GRANT USAGE ON SCHEMA secret TO authenticated');
	is_deeply($ask->(), { result => { tables => [ $notes, { table => 'secret.visits', rows => 2 }, { table => undef, rows => 1 } ] } }, '... also without USAGE on the schema');
	query('REVOKE SELECT ON notes FROM authenticated; GRANT SELECT (body) ON notes TO authenticated');
	is($ask->()->{result}{tables}[0]{table}, 'public.notes', '... and names a table of which they can read a column');
	query('GRANT SELECT ON notes TO authenticated; DROP SCHEMA secret CASCADE');
}

my $claimant = account(new_address());
my $stranger = account(new_address());
for my $proof (qw(refresh_token promotion_code jwt))
{
	my ($device, $guest) = $proof eq 'jwt' ? keyed_guest() : (undef, guest());
	my $make = sub { $proof eq 'jwt' ? $device->request(challenge => challenge($node), action => 'promote') : $proof eq 'refresh_token' ? $guest->{refresh_token} : promotion_code($guest) };
	my $value = $make->();
	my $answer;

	no_limits();
	query("INSERT INTO notes (user_id, body) VALUES ('" . sub_of($guest) . "', 'of $proof')");
	$answer = claim(client(), { $proof => $make->(), dry_run => JSON::PP::true }, bearer($claimant));
	is($answer->{status}, 200, "$proof: a dry run succeeds") or diag($answer->{body});
	is_deeply($answer->{json}, { result => { tables => [ { table => 'public.notes', rows => 1 } ] } }, "$proof: and counts the rows");
	is(owner("of $proof"), sub_of($guest), "$proof: but moves none");
	$answer = claim(client(), { $proof => $value }, bearer($claimant));
	is_deeply($answer->{json}, { result => { tables => [ { table => 'public.notes', rows => 1 } ] } }, "$proof: the claim succeeds") or diag($answer->{body});
	is_deeply($answer->{headers}{'cache-control'}, ['no-store'], "$proof: the response is not stored");
	is(owner("of $proof"), sub_of($claimant), "$proof: the rows have moved");
	$answer = claim(client(), { $proof => $value, dry_run => JSON::PP::false }, bearer($claimant));
	is_deeply($answer->{json}, { result => { tables => [] } }, "$proof: a repetition after a lost response succeeds") or diag($answer->{body});
	refused(sub { claim(client(), { $proof => $value }, bearer($stranger)) }, 400,
		$proof eq 'jwt' ? api_error('Invalid', 'removed device key', 'RemovedDeviceKey') : api_error('Invalid', $proof eq 'refresh_token' ? 'invalid refresh token' : 'invalid promotion code'),
		"$proof: a repetition by another account");
}
{
	no_limits();
	my $guest = guest();
	my %proof = (refresh_token => $guest->{refresh_token});
	my $answer;

	$answer = refused(sub { claim(client(), \%proof) }, 401, api_error('Unauthorized', 'authentication required'), 'a claim by nobody');
	is_deeply($answer->{headers}{'www-authenticate'}, ['Bearer'], 'has a challenge without an error');
	$answer = refused(sub { claim(client(), \%proof, 'Authorization:' => 'Bearer x.y.z') }, 401, api_error('Unauthorized', 'authentication required'), 'a claim with a bad access token');
	is_deeply($answer->{headers}{'www-authenticate'}, ['Bearer error="invalid_token", error_description="the access token is invalid or has expired"'], 'has a challenge that says so');
	refused(sub { claim(client(), \%proof, bearer($guest)) }, 403, api_error('Forbidden', 'account required', 'AccountRequired'), 'a claim by a guest');
	refused(sub { claim(client(), {}, bearer($claimant)) }, 400, api_error('Invalid', 'a proof of being the guest is required'), 'a claim without a proof');
	refused(sub { claim(client(), { %proof, jwt => 'x' }, bearer($claimant)) }, 400, api_error('Invalid', 'more than one proof of being the guest was given'), 'a claim with two proofs');
	refused(sub { claim(client(), { %proof, client_id => 'other' }, bearer($claimant)) }, 401, api_error('Unauthorized', 'invalid session'), "a claim for another client than the session's");
	refused(sub { claim(client(), { %proof, client_id => 'partner' }, bearer($claimant)) }, 400,
		api_error('Invalid', 'Anonymous user is not supported by the client application type. Try using SPA, Traditional Web App, or Native App client types if applicable.'), 'a claim for a third-party client');
	refused(sub { claim(client(), { %proof, client_id => 'nobody' }, bearer($claimant)) }, 400, api_error('Invalid', 'invalid client ID'), 'a claim for an unknown client');
	refused(sub { claim(client(), { %proof, dry_run => 'true' }, bearer($claimant)) }, 400, api_error('Invalid', 'invalid request body', 'ValidationFailed'), 'a dry_run that is no boolean');
	no_limits();
	refused(sub { claim(client(), { %proof, dry_run => undef }, bearer($claimant)) }, 400, api_error('Invalid', 'invalid request body', 'ValidationFailed'), 'a dry_run that is null');
	my $foreign = client()->post_json('/api/anonymous_user/signup', { session_type => 'refresh_token', client_id => 'other' })->{json}{result};
	refused(sub { claim(client(), { refresh_token => $foreign->{refresh_token} }, bearer($claimant)) }, 400, api_error('Invalid', 'invalid refresh token'), 'a claim of a guest of another client');
	refused(sub { claim(client(), { refresh_token => $claimant->{refresh_token} }, bearer($claimant)) }, 400, api_error('Invalid', 'user logged in as normal user'), 'a claim of the account itself');

	query("INSERT INTO notes (user_id, body) VALUES ('" . sub_of($guest) . "', 'kept')");
	query('CREATE TRIGGER refuse BEFORE UPDATE ON notes FOR EACH ROW EXECUTE FUNCTION refuse()');
	refused(sub { claim(client(), \%proof, bearer($claimant)) }, 400, api_error('Invalid', 'the guest cannot be merged: table public.notes', 'MergeRefused'), 'a claim that a table refuses');
	query('DROP TRIGGER refuse ON notes');

	no_limits();
	my $limited;
	for (1 .. 11) { $limited = claim(client(), { %proof, dry_run => JSON::PP::true }, bearer($claimant)); }
	is($limited->{status}, 429, 'too many claims by one account are refused');
	like($limited->{headers}{'retry-after'}[0] // '', qr/^[1-9]\d*$/, 'with the time to wait');
	no_limits();

	my $ended = token(grant_type => 'refresh_token', refresh_token => $stranger->{refresh_token})->{json};
	client()->post_form('/oauth2/revoke', token => $stranger->{refresh_token});
	refused(sub { claim(client(), \%proof, bearer($ended)) }, 401, api_error('Unauthorized', 'authentication required'), 'a claim by a session that has ended');
}
{
	# The session cookie of an account: only pages of ours and of first-party clients of the same site.
	my $browser = client();
	my %page = ('Sec-Fetch-Site:' => 'same-origin', 'Origin:' => 'https://auth.example');

	$browser->post_json('/api/anonymous_user/signup', { session_type => 'cookie', client_id => 'web' });
	my ($cookie) = keys %{ $browser->cookies };
	is($cookie, '__Host-session', 'a browser has the cookie of a guest');
	my $guest_of_browser = (client()->post_json('/api/anonymous_user/signup', { session_type => 'refresh_token', client_id => 'web' }))->{json}{result};
	refused(sub { claim($browser, { client_id => 'web', refresh_token => $guest_of_browser->{refresh_token} }, %page) }, 403, api_error('Forbidden', 'account required', 'AccountRequired'), 'a claim with the cookie of a guest');

	# Make the user of the cookie an account; t/041 does so on a page.
	my $user = query('SELECT user_id FROM anon_auth.sessions WHERE session_type = \'cookie\'');
	query("UPDATE anon_auth.users SET is_anonymous = false WHERE id = '$user'");
	query("INSERT INTO notes (user_id, body) VALUES ('" . sub_of($guest_of_browser) . "', 'of the browser')");
	my %body = (client_id => 'web', refresh_token => $guest_of_browser->{refresh_token});
	for my $case (
		[ { 'Sec-Fetch-Site:' => 'cross-site', 'Origin:' => 'https://evil.example' }, 'a page of another site' ],
		[ { 'Sec-Fetch-Site:' => 'same-site', 'Origin:' => 'https://evil.auth.example' }, 'a page of a sibling host' ],
		[ { 'Origin:' => 'null' }, 'an opaque origin' ],
		[ { 'Sec-Fetch-Site:' => 'none' }, 'no page' ])
	{
		my ($headers, $name) = @$case;

		refused(sub { claim($browser, \%body, %$headers) }, 403, api_error('Forbidden', 'cross-site request'), "a claim with the cookie by $name");
	}
	is(claim($browser, \%body, %page, 'Authorization:' => 'Bearer x.y.z')->{status}, 401, 'a bad access token is refused even if the cookie is valid');
	refused(sub { $browser->post_json('/api/anonymous_user/claim', { %body, client_id => 'app' }, %page) }, 401, api_error('Unauthorized', 'invalid session'), "a claim with the cookie for another client than the session's");
	my $answer = claim($browser, \%body, 'Sec-Fetch-Site:' => 'same-site', 'Origin:' => 'https://app.example');
	is_deeply($answer->{json}, { result => { tables => [ { table => 'public.notes', rows => 1 } ] } }, 'a page of a first-party client on the same site can claim with the cookie') or diag($answer->{body});
	is(owner('of the browser'), $user, 'the rows have moved to the account of the cookie');
}

{
	# A claim that waits for the account finds a session that was ended meanwhile.
	no_limits();
	my $account = account(new_address());
	my $guest = guest();
	my ($first, $second) = map { AnonAuth::Connection->new($node) } 1 .. 2;
	my $headers = sql_literal($json->encode({ authorization => "Bearer $account->{access_token}" }));
	my $body = sql_literal($json->encode({ client_id => 'app', refresh_token => $guest->{refresh_token} }));

	query("INSERT INTO notes (user_id, body) VALUES ('" . sub_of($guest) . "', 'late')");
	$first->query("BEGIN; SELECT anon_auth.revoke_sessions('" . sub_of($account) . "')");
	$second->begin("BEGIN; SELECT set_config('request.headers', $headers, true); SELECT anon_auth_http.anonymous_user_claim($body); SELECT 'status ' || current_setting('response.status'); COMMIT;");
	$node->poll_query_until('postgres', q{SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%claim%' AND pid <> pg_backend_pid()});
	$first->query('COMMIT');
	my ($output, $errors) = @{ $second->end };
	like($output, qr/^status 401$/m, 'a claim that waited for the end of its session is refused') or diag("$output\n$errors");
	is(owner('late'), sub_of($guest), 'and moves nothing');
	$_->close for $first, $second;
}

# ---------------------------------------------------------------------------
# Standbys and read-only transactions
# ---------------------------------------------------------------------------

for my $call ([ 'token', { client_id => 'app', grant_type => $grant{'login-code'}, login_id => 'a@example.com', code => '123456' } ],
	[ 'login_code', { client_id => 'app', login_id => 'a@example.com' } ])
{
	my ($function, $body) = @$call;
	my $text = $function eq 'token' ? AnonAuth::Browser::form(%$body) : $json->encode($body);
	my $error = '';

	$node->psql('postgres', "\\set VERBOSITY sqlstate\nBEGIN READ ONLY; SELECT anon_auth_http.$function(" . sql_literal($text) . ')', stderr => \$error);
	like($error, qr/25006/, "$function: a read-only transaction is an error that PostgREST answers with 405");
}

$node->stop;
done_testing();
