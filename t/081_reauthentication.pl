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
SELECT anon_auth.create_client('web', 'spa', '{https://app.example/cb}', name => 'Notebook'),
	   anon_auth.create_client('phone', 'native', '{com.example.app://host/path}'),
	   anon_auth.create_client('partner', 'third_party_app', '{https://partner.example/}');
UPDATE anon_auth.settings SET issuer = 'https://auth.example', password_hash_memory_kib = 8192,
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

# A user with this login ID, and its tokens for the client web.
sub account
{
	my ($email) = @_;
	my $tokens = $json->decode(query(<<"SQL"));
SELECT row_to_json(p) FROM anon_auth.authenticate_anonymously('web') g,
	anon_auth.promote_anonymous_user('web', email => '$email', password => 'a long password',
									 refresh_token => g.refresh_token) p;
SQL
	return { %$tokens, claims => (jws_parts($tokens->{id_token}))[1] };
}

sub parameters
{
	my ($uri) = @_;

	return map { s/\+/ /gr =~ s/%([0-9A-F]{2})/chr hex $1/gre } map { split /=/, $_, 2 } split /&/, $uri =~ s/^[^?]*\?//r;
}

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
	my $location = browser()->get('/oauth2/authorize', %authorize, id_token_hint => $hint)->{location};

	return $location =~ m{^https://auth\.example/flows/login\?x_ref=} ? 'login page' : { parameters($location) };
}

my %refused = (error => 'invalid_request', error_description => 'invalid id_token_hint', state => 'a state');

is(answer_to_hint($alice->{id_token}), 'login page', 'an ID token is a hint');
is(answer_to_hint(id_token(exp => 1000)), 'login page', 'an ID token that has expired is a hint');
is(answer_to_hint(id_token(iss => 'https://former.example')), 'login page', 'an ID token of a former issuer is a hint');
is(answer_to_hint(id_token(aud => 'phone')), 'login page', 'an ID token of another first-party client is a hint');

my ($header, $payload, $signature) = split /\./, $alice->{id_token};
my %no_hint = (
	'text' => 'nonsense',
	'an access token' => $alice->{access_token},
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

done_testing;
