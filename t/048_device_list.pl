# What sessions say about their devices over HTTP: the user agent, the address
# that trusted proxies name, and x_device_info.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Browser;
use AnonAuth::Device qw(jws_parts sql_literal);
use Digest::SHA qw(sha256);
use MIME::Base64 qw(encode_base64url);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION anon_auth;
CREATE EXTENSION anon_auth_http;
CREATE ROLE anon NOLOGIN;
CREATE ROLE authenticated NOLOGIN;
CREATE ROLE authenticator LOGIN NOINHERIT;
GRANT anon, authenticated TO authenticator;
SELECT anon_auth.grant_http_api('anon'), anon_auth.grant_http_api('authenticated'), anon_auth.grant_http_api('authenticator');
SELECT anon_auth.create_client('web', 'spa', '{https://app.example/cb}'),
	   anon_auth.create_client('phone', 'native', '{com.example.app://host/path}'),
	   anon_auth.create_client('site', 'traditional_webapp', '{https://app.example/home}');
UPDATE anon_auth.settings SET issuer = 'https://auth.example', password_hash_memory_kib = 8192, password_hash_passes = 1, trusted_proxy_hops = 1;
SQL

sub query { return $node->safe_psql('postgres', $_[0]); }

# A client with a user agent and an address. The first entry of
# X-Forwarded-For is the client's own invention.
sub client
{
	my ($agent, $address) = @_;

	return AnonAuth::Browser->new($node, headers => { 'sec-fetch-site' => 'same-origin', 'user-agent' => $agent, 'x-forwarded-for' => "203.0.113.9, $address" });
}

sub sub_of { return (jws_parts($_[0]{access_token}))[1]{sub}; }

# The newest session of a user: its type, address, user agent and device_info.
sub device
{
	my ($sub) = @_;

	return query("SELECT session_type, client_address, user_agent, device_info FROM anon_auth.sessions WHERE user_id = '$sub' ORDER BY id DESC LIMIT 1");
}

sub info { return encode_base64url(qq({"model":"$_[0]"})); }

# Guests with a device key

my $key = AnonAuth::Device->new;
sub device_login
{
	my ($client, $info, @with_jwk) = @_;
	my $challenge = $client->post_json('/oauth2/challenge', { purpose => 'anonymous_request' })->{json}{result}{token};

	return $client->post_form('/oauth2/token', grant_type => 'urn:authgear:params:oauth:grant-type:anonymous-request', client_id => 'phone',
		jwt => $key->request(challenge => $challenge, @with_jwk), ($info ? (x_device_info => $info) : ()));
}
my $phone = client('App/1.0', '2001:db8:1:2:3:4:5:6');
my $tokens = device_login($phone, info('Pixel'), with_jwk => 1)->{json};
my $sub = sub_of($tokens);
is(device($sub), 'refresh_token|2001:db8:1:2:3:4:5:6|App/1.0|{"model": "Pixel"}', 'a sign-up stores the whole address, the user agent and x_device_info');
$tokens = device_login(client('App/1.1', '192.0.2.1'), info('Pixel 2'))->{json};
is(device($sub), 'refresh_token|192.0.2.1|App/1.1|{"model": "Pixel 2"}', 'a login stores those of its request');

sub refresh
{
	my ($client, $token, @parameters) = @_;

	return $client->post_form('/oauth2/token', grant_type => 'refresh_token', client_id => 'phone', refresh_token => $token, @parameters);
}
is(refresh(client('App/1.2', '192.0.2.2'), $tokens->{refresh_token})->{status}, 200, 'the session is refreshed');
is(device($sub), 'refresh_token|192.0.2.2|App/1.2|{"model": "Pixel 2"}', 'a refresh updates address and user agent, and keeps device_info');
refresh(client('App/1.2', '192.0.2.2'), $tokens->{refresh_token}, x_device_info => info('Pixel 3'));
is(device($sub), 'refresh_token|192.0.2.2|App/1.2|{"model": "Pixel 3"}', 'a refresh with x_device_info updates device_info');
my $before = device($sub);
for my $bad ([ 'not base64url', '!' ], [ 'not JSON', 'eA' ], [ 'not an object', encode_base64url('[]') ], [ 'too long', 'A' x 20000 ])
{
	my ($what, $value) = @$bad;
	my $answer = refresh(client('App/1.3', '192.0.2.3'), $tokens->{refresh_token}, x_device_info => $value);

	is("$answer->{status} $answer->{json}{error} $answer->{json}{error_description}", '400 invalid_request invalid x_device_info', "a refresh with x_device_info that is $what is refused");
}
is(device($sub), $before, 'a refused refresh changes nothing');

my $long = ('x' x 511) . "\x{e9}tail";
refresh(client($long, '192.0.2.2'), $tokens->{refresh_token});
is(query("SELECT length(user_agent), right(user_agent, 2) FROM anon_auth.sessions WHERE user_id = '$sub' ORDER BY id DESC LIMIT 1"), "512|x\x{c3}\x{a9}",
	'512 characters of a user agent are kept');
refresh(client('App/1.4', '192.0.2.4'), $tokens->{refresh_token});
query(sprintf q{SELECT FROM anon_auth.refresh_session('phone', %s)}, sql_literal($tokens->{refresh_token}));
is(device($sub), 'refresh_token|192.0.2.4|App/1.4|{"model": "Pixel 3"}', 'a refresh in SQL without an address keeps the last known values');

# Promotion through the page, and the exchange of its code

my $verifier = 'v' x 43;
sub promote
{
	my ($browser, $client_id, $hint, $email, %parameters) = @_;
	my %request = (client_id => $client_id, response_type => 'code', scope => 'openid offline_access https://authgear.com/scopes/full-access', prompt => 'login',
		state => 's', code_challenge_method => 'S256', code_challenge => encode_base64url(sha256($verifier)),
		login_hint => 'https://authgear.com/login_hint?' . AnonAuth::Browser::form(type => 'anonymous', %$hint), %parameters);
	my $form = $browser->get('/oauth2/authorize', map { $_ => $request{$_} } grep { defined $request{$_} } sort keys %request)->{location};

	return $browser->post_form($form, login_id_type => 'email', login_id => $email, password => 'correct horse')->{location};
}
my $challenge = $phone->post_json('/oauth2/challenge', { purpose => 'anonymous_request' })->{json}{result}{token};
my $location = promote(client('Mozilla/5.0', '192.0.2.5'), 'phone', { jwt => $key->request(challenge => $challenge, action => 'promote') },
	'ada@example.com', redirect_uri => 'com.example.app://host/path');
my ($code) = $location =~ /[?&]code=([^&]*)/;
is(query("SELECT count(*) FROM anon_auth.sessions WHERE user_id = '$sub'"), 0, 'the promotion ends the sessions of the guest');
sub exchange
{
	my ($client, $code, @parameters) = @_;

	return $client->post_form('/oauth2/token', grant_type => 'authorization_code', client_id => 'phone', code => $code,
		redirect_uri => 'com.example.app://host/path', code_verifier => $verifier, @parameters);
}
is(exchange(client('App/1.5', '192.0.2.6'), $code, x_device_info => 'eA')->{json}{error_description}, 'invalid x_device_info', 'an exchange with x_device_info that cannot be read is refused');
is(sub_of(exchange(client('App/1.5', '192.0.2.6'), $code)->{json}), $sub, 'the refusal does not use the code up');
is(device($sub), 'refresh_token|192.0.2.6|App/1.5|{"model": "Pixel 3"}', 'the session after a promotion has the device_info of the guest, and address and user agent of the exchange');

my $guest = client('App/2.0', '192.0.2.7')->post_json('/api/anonymous_user/signup', { session_type => 'refresh_token', client_id => 'phone' })->{json}{result};
is(device(sub_of($guest)), 'refresh_token|192.0.2.7|App/2.0|', 'the session of a key-less guest has address and user agent');
client('App/2.1', '192.0.2.8')->post_json('/api/anonymous_user/signup', { session_type => 'refresh_token', client_id => 'phone', refresh_token => $guest->{refresh_token} });
is(device(sub_of($guest)), 'refresh_token|192.0.2.8|App/2.1|', 'the return of the guest updates them');
my $promotion_code = client('App/2.1', '192.0.2.8')->post_json('/api/anonymous_user/promotion_code', { session_type => 'refresh_token', refresh_token => $guest->{refresh_token} })->{json}{result}{promotion_code};
$location = promote(client('Mozilla/5.0', '192.0.2.9'), 'phone', { promotion_code => $promotion_code }, 'bob@example.com', redirect_uri => 'com.example.app://host/path');
($code) = $location =~ /[?&]code=([^&]*)/;
exchange(client('App/2.2', '192.0.2.10'), $code, x_device_info => info('iPad'));
is(device(sub_of($guest)), 'refresh_token|192.0.2.10|App/2.2|{"model": "iPad"}', 'x_device_info of the exchange is stored');

# Cookie sessions

my $browser = client('Mozilla/5.0', '192.0.2.11');
$browser->post_json('/api/anonymous_user/signup', { session_type => 'cookie', client_id => 'site' });
my $visitor = $browser->get('/oauth2/userinfo')->{json}{sub};
is(device($visitor), 'cookie|192.0.2.11|Mozilla/5.0|', 'a cookie session has the address and user agent of the browser');
$browser->{headers}{'user-agent'} = 'Mozilla/5.1';
$browser->post_json('/api/anonymous_user/signup', { session_type => 'cookie', client_id => 'site' });
is(device($visitor), 'cookie|192.0.2.11|Mozilla/5.0|', 'a request that does not write the session does not update them');
query("UPDATE anon_auth.sessions SET expires_at = expires_at - interval '20 minutes', device_info = '{\"kept\": true}' WHERE user_id = '$visitor'");
$browser->post_json('/api/anonymous_user/signup', { session_type => 'cookie', client_id => 'site' });
is(device($visitor), 'cookie|192.0.2.11|Mozilla/5.1|{"kept": true}', 'a request that prolongs the session updates them');
$promotion_code = $browser->post_json('/api/anonymous_user/promotion_code', { session_type => 'cookie' })->{json}{result}{promotion_code};
$browser->{headers}{'user-agent'} = 'Mozilla/5.2';
promote($browser, 'site', { promotion_code => $promotion_code }, 'cyd@example.com', redirect_uri => 'https://app.example/home', response_type => 'none',
	scope => 'openid https://authgear.com/scopes/full-access', code_challenge => undef, code_challenge_method => undef);
is(device($visitor), 'cookie|192.0.2.11|Mozilla/5.2|{"kept": true}', 'the cookie session after a promotion has the user agent of the page and the device_info of the guest');

# Headers that cannot be read

for my $case ([ 'a user agent that is a number', '{"user-agent": 1}' ], [ 'no JSON', '{' ])
{
	my ($what, $headers) = @$case;
	my ($status, $output, $errors) = $node->psql('postgres', qq{BEGIN; SELECT set_config('request.headers', '$headers', true), set_config('request.method', 'POST', true);
		SELECT anon_auth_http.anonymous_user_signup('{"session_type": "cookie"}'); SELECT current_setting('response.status'); COMMIT});

	like($output, qr/^400$/m, "a request with $what is refused");
}

# The settings

query('UPDATE anon_auth.settings SET session_client_address = false, session_user_agent = false');
my $private = client('App/3.0', '192.0.2.12')->post_json('/api/anonymous_user/signup', { session_type => 'refresh_token', client_id => 'phone' })->{json}{result};
is(device(sub_of($private)), 'refresh_token|||', 'with both settings off, a session stores neither address nor user agent');
query('UPDATE anon_auth.settings SET session_client_address = true, session_user_agent = true');
refresh(client('App/3.0', '192.0.2.12'), $private->{refresh_token});
is(device(sub_of($private)), 'refresh_token|192.0.2.12|App/3.0|', 'with the settings on, the next use stores them');
query('UPDATE anon_auth.settings SET session_client_address = false, session_user_agent = false');
refresh(client('App/3.0', '192.0.2.12'), $private->{refresh_token});
is(device(sub_of($private)), 'refresh_token|||', 'with the settings off, the next use removes them');

done_testing();
