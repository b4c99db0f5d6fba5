# Passkeys on the pages: what the forms accept, and the responses that they must refuse.
# t/AnonAuth/Browser.pm calls the functions as PostgREST would; t/119_passkeys_in_browser.pl
# drives a browser.

use strict;
use warnings;
use utf8;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Authenticator;
use AnonAuth::Browser;
use AnonAuth::Device qw(sql_literal);
use Digest::SHA qw(sha256);
use JSON::PP ();
use MIME::Base64 qw(encode_base64url);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $origin = 'https://auth.example';
my $json = JSON::PP->new->canonical;
my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->start;
$node->safe_psql('postgres', <<"SQL");
CREATE EXTENSION anon_auth;
CREATE EXTENSION anon_auth_http;
CREATE ROLE anon NOLOGIN;
CREATE ROLE authenticated NOLOGIN;
CREATE ROLE authenticator LOGIN NOINHERIT;
GRANT anon, authenticated TO authenticator;
SELECT anon_auth.grant_http_api('anon'), anon_auth.grant_http_api('authenticated'),
	   anon_auth.grant_http_api('authenticator');
SELECT anon_auth.create_client('web', 'spa', '{https://app.example/cb}', name => 'Notebook', id_token => 'always'),
	   anon_auth.create_client('site', 'traditional_webapp', '{https://app.example/home}', name => 'Site');
UPDATE anon_auth.settings SET issuer = '$origin', password_hash_memory_kib = 8192, password_hash_passes = 1;
SQL

my $verifier = 'v' x 43;
my %web = (
	client_id => 'web',
	redirect_uri => 'https://app.example/cb',
	response_type => 'code',
	scope => 'openid offline_access',
	state => 'a state',
	code_challenge_method => 'S256',
	code_challenge => encode_base64url(sha256($verifier)));
my %site = (client_id => 'site', redirect_uri => 'https://app.example/home', response_type => 'none', scope => 'openid', state => 'a state');

sub query { return $node->safe_psql('postgres', $_[0]); }
sub no_limits { query('SELECT anon_auth.reset_counters()'); }

sub settings
{
	my (%settings) = @_;

	query('UPDATE anon_auth.settings SET '
		  . join(', ', map { "$_ = " . (defined $settings{$_} ? sql_literal($settings{$_}) : 'NULL') } sort keys %settings)
		  . '; SELECT anon_auth.reset_counters()');
}

sub browser { return AnonAuth::Browser->new($node, headers => { 'sec-fetch-site' => 'same-origin', @_ }); }

# The address of the page that an authorization request leads to.
sub authorize
{
	my ($browser, %parameters) = @_;

	return $browser->get('/oauth2/authorize', map { defined $parameters{$_} ? ($_ => $parameters{$_}) : () } sort keys %parameters)->{location};
}

# The options on a page; undef: it offers no passkey.
sub options_on
{
	my ($page, $method) = @_;
	$method //= 'get';
	my ($text) = $page->{body} =~ /class="passkey" hidden data-method="\Q$method\E" data-options="([^"]*)"/ or return undef;
	my %entities = (quot => '"', amp => '&', lt => '<', gt => '>', '#39' => q{'});

	return JSON::PP->new->decode($text =~ s/&(quot|amp|lt|gt|#39);/$entities{$1}/gr);
}

# Send a form as the script does.
sub send_passkey
{
	my ($browser, $form, $response, %fields) = @_;

	return $browser->post_form($form, use => 'passkey', passkey_response => ref $response ? $json->encode($response) : $response,
		map { $_ => $fields{$_} } sort keys %fields);
}

# A page without style and script.
sub text_of { return ($_[0]{body} // '') =~ s{<(style|script)>.*?</\1>}{}gsr; }

sub shows
{
	my ($answer, $status, @rest) = @_;
	my $name = pop @rest;

	is($answer->{status}, $status, "$name: status $status");
	like(text_of($answer), $_, $name) for @rest;
}

# A user with a passkey: an account with this address, or a guest without one.
sub person
{
	my ($email) = @_;
	my $tokens = $email ? "anon_auth.sign_up('web', email => " . sql_literal($email) . ", password => 'correct horse')" : "anon_auth.authenticate_anonymously('web')";
	my ($user, $access_token) = split /\|/, query("SELECT sub, access_token FROM $tokens");
	my $passkey = AnonAuth::Authenticator->new(origin => $origin);
	my $response = $passkey->create($json->decode(query("SELECT anon_auth.passkey_creation_options('$access_token')")));

	query('SELECT anon_auth.add_passkey(' . sql_literal($json->encode($response)) . ", access_token => '$access_token'); SELECT anon_auth.reset_counters()");
	return { sub => $user, access_token => $access_token, passkey => $passkey };
}

sub whose { return $_[0]->get('/oauth2/userinfo')->{json}{sub}; }

my $ada = person('ada@example.com');
my $guest = person();

# ---------------------------------------------------------------------------
# Logging in
# ---------------------------------------------------------------------------

{
	my $browser = browser();
	my $form = authorize($browser, %site);
	my $page = $browser->get($form);
	my $options = options_on($page);

	shows($page, 200, qr/<button class="button plain" type="submit" name="use" value="passkey"[^>]*>Log in with a passkey</, 'the log-in page offers a passkey');
	like($page->{body}, qr/ data-autofills/, 'also in the autofill');
	like($page->{headers}{'content-security-policy'}[0], qr/; connect-src 'self';/, 'the script may ask the page for new options');
	is_deeply([ map { $options->{$_} } qw(rpId userVerification timeout allowCredentials) ], [ 'auth.example', 'preferred', 300_000, undef ], 'the options are for any passkey');
	my $done = send_passkey($browser, $form, $ada->{passkey}->get($options));
	is($done->{status}, 303, 'a passkey logs in');
	like($done->{location}, qr{^https://app\.example/home\?state=a%20state&}, 'and leads to the application');
	is(whose($browser), $ada->{sub}, 'as its user');
	is(query("SELECT amr FROM anon_auth.sessions WHERE user_id = '$ada->{sub}' AND session_type = 'cookie'"), '{pop,user,mfa}', 'the session knows how');
}

done_testing();
