# Reauthentication (OpenID Connect Core, sections 3.1.2.1 and 12.2): an ID token as
# a hint names the user who must log in. AnonAuth::Browser calls the functions as
# PostgREST would.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Browser;
use AnonAuth::Device qw(jws_parts sql_literal);
use Digest::SHA qw(sha256);
use JSON::PP ();
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
SELECT anon_auth.grant_http_api('anon'), anon_auth.grant_http_api('authenticated'),
	   anon_auth.grant_http_api('authenticator');
SELECT anon_auth.create_client('web', 'spa', '{https://app.example/cb}', name => 'Notebook', id_token => 'always'),
	   anon_auth.create_client('phone', 'native', '{com.example.app://host/path}'),
	   anon_auth.create_client('partner', 'third_party_app', '{https://partner.example/}');
UPDATE anon_auth.settings SET issuer = 'https://auth.example', signing_key_lead_time = '0 seconds', password_hash_memory_kib = 8192,
	password_hash_passes = 1;
SQL

my $json = JSON::PP->new->canonical;
my $verifier = 'v' x 43;
my %authorize = (
	client_id => 'web',
	redirect_uri => 'https://app.example/cb',
	response_type => 'code',
	scope => 'openid https://authgear.com/scopes/full-access',
	state => 'a state',
	code_challenge_method => 'S256',
	code_challenge => encode_base64url(sha256($verifier)));

sub query { return $node->safe_psql('postgres', $_[0]); }

sub browser { return AnonAuth::Browser->new($node, headers => { 'sec-fetch-site' => 'same-origin' }); }

# A user with this login ID and password, and its tokens for the client web.
sub account
{
	my ($email, $password) = (@_, 'a long password');
	my $tokens = $json->decode(query(<<"SQL"));
SELECT row_to_json(p) FROM anon_auth.authenticate_anonymously('web') g,
	anon_auth.promote_anonymous_user('web', email => '$email', password => '$password',
									 refresh_token => g.refresh_token) p;
SQL
	return { %$tokens, claims => (jws_parts($tokens->{id_token}))[1] };
}

sub parameters
{
	my ($uri) = @_;

	return map { s/\+/ /gr =~ s/%([0-9A-F]{2})/chr hex $1/gre } map { split /=/, $_, 2 } split /&/, $uri =~ s/^[^?]*\?//r;
}

# The Location of the answer to an authorization request.
sub authorize
{
	my ($browser, %parameters) = @_;
	my %all = (%authorize, %parameters);

	return $browser->get('/oauth2/authorize', %all)->{location};
}

# The answer to the login form at the end of an authorization request.
sub log_in
{
	my ($email, %parameters) = @_;
	my $browser = browser();

	return $browser->post_form(authorize($browser, %parameters), login_id => $email, password => 'a long password');
}

sub exchange
{
	my ($answer, %parameters) = @_;
	my %redirected = parameters($answer->{location});

	return browser()->post_form('/oauth2/token',
		grant_type => 'authorization_code',
		client_id => 'web',
		code => $redirected{code},
		redirect_uri => $authorize{redirect_uri},
		code_verifier => $verifier,
		%parameters)->{json};
}

sub refresh
{
	my ($token) = @_;

	return browser()->post_form('/oauth2/token', grant_type => 'refresh_token', client_id => 'web', refresh_token => $token)->{json};
}

sub claims { return (jws_parts($_[0]))[1]; }

sub sessions
{
	my ($user) = @_;

	return query("SELECT count(*) FROM anon_auth.sessions WHERE user_id = '$user->{sub}' AND expires_at > now()");
}

# Moves the login of a user's sessions to the past.
sub log_in_earlier { query("UPDATE anon_auth.sessions SET authenticated_at = now() - interval '1 day' WHERE user_id = '$_[0]{sub}'"); }

# --- which tokens are hints ---------------------------------------------------

my $alice = account('alice@example.com');

sub id_token
{
	my (%claims) = @_;
	my %options = (typ => 'JWT', %{ delete $claims{options} // {} });
	my $claims = { %{ $alice->{claims} }, %claims };

	delete $claims->{$_} for grep { !defined $claims->{$_} } keys %$claims;
	return query('SELECT anon_auth.sign_jwt(' . sql_literal($json->encode($claims))
		  . ', typ => ' . sql_literal($options{typ}) . ')');
}

sub answer_to_hint
{
	my ($hint) = @_;
	my $location = authorize(browser(), id_token_hint => $hint);

	return $location =~ m{^https://auth\.example/flows/login\?x_ref=} ? 'login page' : { parameters($location) };
}

my %refused = (
	error => 'invalid_request',
	error_description => 'invalid id_token_hint',
	state => 'a state',
	iss => 'https://auth.example');

is(answer_to_hint($alice->{id_token}), 'login page', 'an ID token is a hint');
is(answer_to_hint(id_token(exp => 1000)), 'login page', 'an ID token that has expired is a hint');
is(answer_to_hint(id_token(aud => 'phone')), 'login page', 'an ID token of another first-party client is a hint');

my ($header, $payload, $signature) = split /\./, $alice->{id_token};
my %no_hint = (
	'text' => 'nonsense',
	'an access token' => $alice->{access_token},
	'a token of a former issuer' => id_token(iss => 'https://former.example'),
	'a token without an issuer' => id_token(iss => undef),
	'a token of another type' => id_token(options => { typ => 'at+jwt' }),
	'a forged signature' => "$header.$payload." . ('A' x length $signature),
	'no signature' => encode_base64url('{"alg":"none","typ":"JWT"}') . ".$payload.",
	'changed claims' => "$header." . encode_base64url($json->encode({ %{ $alice->{claims} }, iat => 1 })) . ".$signature",
	'two audiences' => id_token(aud => [qw(web phone)]),
	'no audience' => id_token(aud => undef),
	'an empty list of audiences' => id_token(aud => []),
	'an audience that is no client' => id_token(aud => ['nobody']),
	'an audience that is a third-party client' => id_token(aud => ['partner']),
	'an audience that is no string' => id_token(aud => [1]),
	'no sid' => id_token(sid => undef),
	'a sub that is no UUID' => id_token(sub => 'alice'));

is_deeply(answer_to_hint($no_hint{$_}), \%refused, "$_ is no hint") for sort keys %no_hint;

query("SELECT anon_auth.create_signing_key()");
query("SELECT anon_auth.retire_signing_key('" . (jws_parts($alice->{id_token}))[0]{kid} . "')");
is_deeply(answer_to_hint($alice->{id_token}), \%refused, 'an ID token of a retired key is no hint');
is(answer_to_hint(id_token()), 'login page', 'an ID token of the next key is a hint');

# --- which users can log in ---------------------------------------------------

$alice = account('alicia@example.com');
my $bob = account('bob@example.com', 'another password');

{
	my $browser = browser();
	my $form = authorize($browser, id_token_hint => $alice->{id_token});
	my $page = $browser->get($form);

	is($page->{status}, 200, 'a hint leads to a page');
	like($page->{body}, qr/log in again as <b dir="ltr">a\x{2022}{3}\@example\.com</, 'the page names the account');
	unlike($page->{body}, qr/alicia/, 'only its user recognizes the address: the ID token does not contain it');
	like($page->{body}, qr/name="password"/, 'the page asks for the password');
	unlike($page->{body}, qr/name="login_id"|name="use"/, 'no other account and no other way can be chosen');
	my $other = $browser->post_form($form, login_id => 'bob@example.com', password => 'another password');
	is($other->{status}, 422, 'a user other than that of the hint is refused');
	is($other->{location}, undef, 'a user other than that of the hint is not redirected');
	like($other->{body}, qr/This password is not right/, 'the form says that the password is wrong');
}
is(query("SELECT count(*) FROM anon_auth.authorization_codes WHERE user_id = '$bob->{sub}'"), 0, 'no code is issued for the other user');
is(sessions($bob), 1, 'the other user gets no session');
{
	my $browser = browser();

	is($browser->post_form(authorize($browser), login_id => 'bob@example.com', password => 'another password')->{status}, 303, 'without a hint, that user can log in');
}

my $guest = $json->decode(query("SELECT row_to_json(g) FROM anon_auth.authenticate_anonymously('web') g"));
my %login_required = (
	error => 'login_required',
	error_description => 'the user of the id_token_hint cannot log in',
	state => 'a state',
	iss => 'https://auth.example');
is_deeply(answer_to_hint($guest->{id_token}), \%login_required, 'the user of a hint cannot be a guest');
query("SELECT anon_auth.disable_user('$bob->{sub}')");
is_deeply(answer_to_hint($bob->{id_token}), \%login_required, 'the user of a hint cannot be disabled');
query("SELECT anon_auth.delete_user('$bob->{sub}')");
is_deeply(answer_to_hint($bob->{id_token}), \%login_required, 'the user of a hint must exist');

# --- the session continues ----------------------------------------------------

log_in_earlier($alice);
my $before = claims(refresh($alice->{refresh_token})->{id_token});
my $answer = exchange(log_in('alicia@example.com', id_token_hint => $alice->{id_token}, max_age => 0, nonce => 'n'));
my $claims = claims($answer->{id_token});

ok($answer->{access_token}, 'reauthentication returns an access token');
is($answer->{refresh_token}, undef, 'reauthentication returns no refresh token');
is($claims->{sid}, $alice->{claims}{sid}, 'the ID token names the session of the hint');
is(claims($answer->{access_token})->{sid}, $alice->{claims}{sid}, 'the access token names the session of the hint');
is($claims->{nonce}, 'n', 'the ID token has the nonce of the request');
cmp_ok($claims->{auth_time}, '>', $before->{auth_time} + 3600, 'the ID token has the time of the new login');
is(claims($answer->{access_token})->{auth_time}, $claims->{auth_time}, 'the access token has the time of the new login');
is(sessions($alice), 1, 'reauthentication begins no second session');
my $refreshed = refresh($alice->{refresh_token});
is(claims($refreshed->{id_token})->{auth_time}, $claims->{auth_time}, 'a later refresh keeps the time of the new login');
is(browser()->get('/oauth2/userinfo', 'Authorization:' => "Bearer $answer->{access_token}")->{json}{sub}, $alice->{sub},
	'userinfo accepts the access token of a reauthentication');

query("UPDATE anon_auth.clients SET max_concurrent_sessions = 1 WHERE client_id = 'web'");
ok(exchange(log_in('alicia@example.com', id_token_hint => $alice->{id_token}))->{access_token},
	'a user with one session can reauthenticate');
ok(refresh($alice->{refresh_token})->{access_token}, 'reauthentication does not end the only session of a user');
query("UPDATE anon_auth.clients SET max_concurrent_sessions = 0 WHERE client_id = 'web'");

# --- another session begins ---------------------------------------------------

sub short_session
{
	my ($name, @request) = @_;
	my $tokens = exchange(log_in('alicia@example.com', @request));

	ok($tokens->{access_token}, "$name: an access token");
	is($tokens->{refresh_token}, undef, "$name: no refresh token");
	my $sid = claims($tokens->{access_token})->{sid};
	isnt($sid, $alice->{claims}{sid}, "$name: another session");
	is(query("SELECT floor(extract(epoch FROM expires_at)) FROM anon_auth.sessions WHERE id = '$sid'"),
		claims($tokens->{access_token})->{exp}, "$name: the session ends with its access token");
	return;
}

short_session('a login without offline_access');
short_session('the hint of another client', id_token_hint => id_token(%{ $alice->{claims} }, aud => 'phone'));
my $signed_out = account('signed-out@example.com');
query("SELECT anon_auth.revoke_sessions('$signed_out->{sub}')");
is(claims(exchange(log_in('signed-out@example.com', id_token_hint => $signed_out->{id_token}))->{id_token})->{sub}, $signed_out->{sub},
	'a user whose session has ended can log in with a hint');
is(sessions($signed_out), 1, 'that login begins a session');

my $offline = exchange(log_in('alicia@example.com', id_token_hint => $alice->{id_token}, scope => "$authorize{scope} offline_access"));
ok(refresh($offline->{refresh_token})->{access_token}, 'with offline_access, a login with a hint returns a refresh token');
isnt(claims($offline->{id_token})->{sid}, $alice->{claims}{sid}, 'with offline_access, a login with a hint begins a session');

query("UPDATE anon_auth.clients SET refresh_token_without_offline_access = true WHERE client_id = 'web'");
ok(refresh(exchange(log_in('alicia@example.com'))->{refresh_token})->{access_token},
	'refresh_token_without_offline_access: a login without that scope returns a refresh token');
is(exchange(log_in('alicia@example.com', id_token_hint => $alice->{id_token}))->{refresh_token}, undef,
	'refresh_token_without_offline_access: reauthentication still continues the session of the hint');

# --- a session that ends before the exchange ----------------------------------

query("UPDATE anon_auth.clients SET refresh_token_without_offline_access = false WHERE client_id = 'web'");
my $logged_in = log_in('alicia@example.com', id_token_hint => $alice->{id_token});
query("SELECT anon_auth.revoke(" . sql_literal($alice->{refresh_token}) . ')');
my $late = exchange($logged_in);
is(claims($late->{id_token})->{sub}, $alice->{sub}, 'a code can be exchanged after the session of the hint has ended');
isnt(claims($late->{id_token})->{sid}, $alice->{claims}{sid}, 'it does not bring that session back');

done_testing;
