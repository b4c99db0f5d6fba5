# Two databases of a server share a master key file. Each database must refuse
# everything that the other one made, even if both have the same rows.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Browser;
use AnonAuth::Device qw(call challenge refusal sql_literal);
use Digest::SHA qw(sha256);
use MIME::Base64 qw(encode_base64url);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# Makes a database look like a node to the helpers, which use a node's database
# postgres.
{
	package OneDatabase;

	sub new
	{
		my ($class, $node, $name) = @_;

		return bless { node => $node, name => $name }, $class;
	}

	sub psql { my ($self, undef, @rest) = @_; return $self->{node}->psql($self->{name}, @rest); }
	sub safe_psql { my ($self, undef, @rest) = @_; return $self->{node}->safe_psql($self->{name}, @rest); }
	sub query { my ($self, @rest) = @_; return $self->{node}->safe_psql($self->{name}, @rest); }
	sub connstr { my ($self) = @_; return $self->{node}->connstr($self->{name}); }
}

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE ROLE anon NOLOGIN;
CREATE ROLE authenticated NOLOGIN;
CREATE ROLE authenticator LOGIN NOINHERIT;
GRANT anon, authenticated TO authenticator;
SQL

my %redirect_uris = (one => 'https://app.example/cb', two => 'https://evil.example/cb');
my ($one, $two) = map { OneDatabase->new($node, $_) } qw(one two);
for my $database ($one, $two)
{
	$node->safe_psql('postgres', "CREATE DATABASE $database->{name}");
	$database->query(<<"SQL");
CREATE EXTENSION anon_auth;
CREATE EXTENSION anon_auth_http;
SELECT anon_auth.grant_client_api('anon'), anon_auth.grant_http_api('anon'), anon_auth.grant_http_api('authenticator');
SELECT anon_auth.create_client('app', 'spa', '{$redirect_uris{$database->{name}}}');
UPDATE anon_auth.settings SET issuer = 'https://auth.example', password_hash_memory_kib = 8192, password_hash_passes = 1;
SQL
}

# ---------------------------------------------------------------------------
# Everything that a database makes: how to get it, and whether a database
# accepts it
# ---------------------------------------------------------------------------

my $verifier = 'v' x 43;
my %same_origin = ('sec-fetch-site' => 'same-origin');
my $addresses = 0;

sub guest { return call($_[0], 'authenticate_anonymously', client_id => 'app'); }

sub account
{
	my ($database) = @_;
	my $email = 'ada' . ++$addresses . '@example.com';
	my $account = call($database, 'promote_anonymous_user', client_id => 'app', email => $email,
		password => 'correct horse', refresh_token => guest($database)->{refresh_token});

	return { %$account, email => $email };
}

sub authorize
{
	my ($database, $browser, @more) = @_;

	return $browser->get('/oauth2/authorize',
		client_id => 'app', redirect_uri => $redirect_uris{ $database->{name} } // $redirect_uris{one}, response_type => 'code',
		scope => 'openid offline_access', prompt => 'login', code_challenge_method => 'S256',
		code_challenge => encode_base64url(sha256($verifier)), @more)->{location};
}

sub code_in { return ($_[0] // '') =~ /[?&]code=([^&]+)/ ? $1 : undef; }

sub exchange
{
	my ($database, $code) = @_;

	return AnonAuth::Browser->new($database)->post_form('/oauth2/token',
		grant_type => 'authorization_code', client_id => 'app', code => $code, code_verifier => $verifier,
		redirect_uri => $redirect_uris{ $database->{name} } // $redirect_uris{one})->{json}{access_token};
}

my %kinds = (
	'a refresh token' => {
		get => sub { return guest($_[0])->{refresh_token} },
		use => sub {
			my ($database, $token) = @_;

			return eval { call($database, 'refresh_session', client_id => 'app', refresh_token => $token)->{sub} };
		} },
	'a challenge' => {
		get => sub { return challenge($_[0]) },
		use => sub {
			my ($database, $challenge) = @_;
			my $device = AnonAuth::Device->new(alg => 'ES256');

			return eval {
				call($database, 'authenticate_anonymously', client_id => 'app',
					jwt => $device->request(challenge => $challenge, with_jwk => 1))->{sub};
			};
		} },
	'a promotion code' => {
		get => sub {
			return call($_[0], 'create_promotion_code', refresh_token => guest($_[0])->{refresh_token})->{promotion_code};
		},
		use => sub {
			my ($database, $code) = @_;

			return eval {
				call($database, 'promote_anonymous_user', client_id => 'app', password => 'correct horse',
					email => 'promoted' . ++$addresses . '@example.com', promotion_code => $code)->{sub};
			};
		} },
	'a session cookie' => {
		get => sub {
			my $browser = AnonAuth::Browser->new($_[0]);

			$browser->post_json('/api/anonymous_user/signup', { session_type => 'cookie', client_id => 'app' });
			return $browser;
		},
		use => sub {
			my ($database, $browser) = @_;

			local $browser->{node} = $database;
			local $browser->{cookies} = { %{ $browser->{cookies} } };
			return $browser->get('/resolve')->{headers}{'x-authgear-user-id'}[0];
		} },
	'an open login page' => {
		get => sub {
			my $browser = AnonAuth::Browser->new($_[0], headers => {%same_origin});
			my $account = account($_[0]);

			return { browser => $browser, email => $account->{email}, page => authorize($_[0], $browser) };
		},
		use => sub {
			my ($database, $open) = @_;

			local $open->{browser}{node} = $database;
			return code_in($open->{browser}->post_form($open->{page}, login_id => $open->{email},
					password => 'correct horse')->{location});
		} },
	'an open sign-up page' => {
		get => sub {
			my $code = call($_[0], 'create_promotion_code', refresh_token => guest($_[0])->{refresh_token})->{promotion_code};
			my $browser = AnonAuth::Browser->new($_[0], headers => {%same_origin});

			return { browser => $browser, page => authorize($_[0], $browser,
					login_hint => 'https://authgear.com/login_hint?' . AnonAuth::Browser::form(type => 'anonymous', promotion_code => $code)) };
		},
		use => sub {
			my ($database, $open) = @_;

			local $open->{browser}{node} = $database;
			return code_in($open->{browser}->post_form($open->{page}, login_id_type => 'email', password => 'long enough',
					login_id => 'page' . ++$addresses . '@example.com')->{location});
		} },
	'a one-time code' => {
		get => sub {
			my $account = account($_[0]);

			$_[0]->query(sprintf 'SELECT anon_auth.request_password_reset(%s)', sql_literal($account->{email}));
			return { %$account, code => $_[0]->query('SELECT code FROM anon_auth.take_outbox_messages() WHERE code IS NOT NULL') };
		},
		use => sub {
			my ($database, $account) = @_;

			return $database->query(sprintf q{SELECT anon_auth.reset_password(%s, %s, 'correct horse 2')},
				sql_literal($account->{email}), sql_literal($account->{code})) eq 't';
		} });

sub get_all { my ($database) = @_; return { map { $_ => $kinds{$_}{get}->($database) } keys %kinds }; }

sub is_accepted
{
	my ($database, $kind, $thing) = @_;
	my $accepted = eval { $kinds{$kind}{use}->($database, $thing) };

	note $@ if $@;
	return !!$accepted;
}

sub all_are
{
	my ($expected, $database, $things, $name) = @_;

	is(is_accepted($database, $_, $things->{$_}), $expected, "$_ $name") for sort keys %kinds;
}

# Gives the second database the rows of the first, as a copy for tests would
# have them.
sub copy_rows
{
	my $directory = PostgreSQL::Test::Utils::tempdir();

	$two->query(q{DELETE FROM anon_auth.login_ids; SET session_replication_role = replica; DELETE FROM anon_auth.passwords;
		DELETE FROM anon_auth.one_time_codes; DELETE FROM anon_auth.sessions; DELETE FROM anon_auth.device_keys; DELETE FROM anon_auth.users});
	for my $table (qw(users login_ids passwords sessions device_keys one_time_codes))
	{
		$one->query("COPY anon_auth.$table TO '$directory/$table'");
		$two->query("SET session_replication_role = replica; COPY anon_auth.$table FROM '$directory/$table'");
	}
	return;
}

my $made_by_one = get_all($one);
copy_rows();
all_are(!!0, $two, $made_by_one, 'of another database is refused, although the rows exist');
all_are(!!1, $one, $made_by_one, 'is accepted by the database that made it');

# A page of another database must not redirect to its redirect URI.
my $account = account($one);
my $victim = AnonAuth::Browser->new($two, headers => {%same_origin});
my $page = authorize($two, $victim);
like($page, qr{/flows/login\?x_ref=}, 'authorize redirects to the login form');
$victim->{node} = $one;
my $answer = $victim->post_form($page, login_id => $account->{email}, password => 'correct horse');
is($answer->{location}, undef, 'submitting a form of another database does not redirect');
is($answer->{status}, 400, 'submitting a form of another database is answered with an error');

my $code = code_in($kinds{'an open login page'}{use} && do
	{
		my $open = $kinds{'an open login page'}{get}->($one);

		$open->{browser}->post_form($open->{page}, login_id => $open->{email}, password => 'correct horse')->{location};
	});
is(exchange($two, $code), undef, 'an authorization code of another database is refused');
ok(exchange($one, $code), 'an authorization code is accepted by the database that made it');

$node->stop;

done_testing();
