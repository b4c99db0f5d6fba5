# Test that no secret, and no hash of one, is in the server's log or in any
# other place that a DBA, a monitoring tool or another user can read.
#
# The server logs as much as it can, and clients bind their parameters. See
# docs/operations.md, "The log".
#
# The test calls all functions of the extension, with success and with every
# kind of failure. It also plants a secret in each place and searches for it, to
# show that the search works.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Authenticator;
use AnonAuth::Browser;
use AnonAuth::Device qw(jws_parts sql_literal);
use AnonAuth::Secrets qw(add_bytes add_needle found_in known password secret);
use AnonAuth::Wire;
use Digest::SHA qw(sha256 sha256_hex);
use Encode ();
use JSON::PP ();
use MIME::Base64 qw(decode_base64url encode_base64url);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $json = JSON::PP->new->canonical->utf8;
my $count = 0;

# ---------------------------------------------------------------------------
# The server
# ---------------------------------------------------------------------------

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->append_conf('postgresql.conf', <<'CONF');
fsync = off
shared_preload_libraries = 'pg_stat_statements, auto_explain'
pg_stat_statements.track = all
track_functions = all
track_activity_query_size = 100kB
log_line_prefix = '%m '
log_min_messages = debug1
log_min_error_statement = debug1
log_error_verbosity = verbose
log_statement = all
log_min_duration_statement = 0
log_duration = on
log_lock_waits = on
deadlock_timeout = 100ms
auto_explain.log_min_duration = 0
auto_explain.log_nested_statements = on
auto_explain.log_analyze = on
auto_explain.log_triggers = on

# The settings that the manual recommends.
log_parameter_max_length = 0
log_parameter_max_length_on_error = 0
CONF
$node->append_conf('postgresql.conf', 'auto_explain.log_parameter_max_length = 0') if $node->pg_version >= 16;
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION pg_stat_statements;
CREATE EXTENSION anon_auth;
CREATE EXTENSION anon_auth_http;
CREATE EXTENSION anon_auth_citus;
CREATE ROLE app LOGIN;
CREATE ROLE ordinary LOGIN;
CREATE ROLE anon;
CREATE ROLE authenticated;
CREATE ROLE authenticator LOGIN NOINHERIT;
GRANT anon, authenticated TO authenticator;
SELECT anon_auth.grant_client_api('app');
GRANT USAGE ON SCHEMA anon_auth TO ordinary;
SELECT anon_auth.grant_http_api('anon'), anon_auth.grant_http_api('authenticated'), anon_auth.grant_http_api('authenticator');
SELECT anon_auth.create_client('native', 'native'),
	anon_auth.create_client('rotating', 'native', refresh_token_rotation_enabled => true, refresh_token_rotation_grace_seconds => 0),
	anon_auth.create_client('web', 'spa', '{https://app.example/cb}'),
	anon_auth.create_client('site', 'traditional_webapp', '{https://app.example/home}'),
	anon_auth.create_client('partner', 'third_party_app', '{https://partner.example/}');
UPDATE anon_auth.clients SET id_token = 'always';
UPDATE anon_auth.settings SET issuer = 'https://auth.example', password_hash_memory_kib = 8192, password_hash_passes = 1,
	password_attempts_per_minute_per_ip = NULL, password_attempts_per_minute_per_user = NULL,
	password_attempts_per_minute_per_user_per_ip = NULL, guest_sign_ups_per_minute_per_ip = NULL;
CREATE SCHEMA hooks;
CREATE TABLE hooks.carts (user_id uuid PRIMARY KEY REFERENCES anon_auth.users (id) ON DELETE CASCADE, item text);
CREATE FUNCTION hooks.sign_up(uuid, text, jsonb) RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE 'no guests today'; END $$;
CREATE FUNCTION hooks.claims(jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN 1 / 0; END $$;
CREATE FUNCTION hooks.promoted(uuid, text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'promoted'; PERFORM 'x'::integer; END $$;
CREATE ROLE hook_owner;
ALTER FUNCTION hooks.sign_up OWNER TO hook_owner;
ALTER FUNCTION hooks.claims OWNER TO hook_owner;
ALTER FUNCTION hooks.promoted OWNER TO hook_owner;
SQL

my $admin = AnonAuth::Wire->new($node, $node->safe_psql('postgres', 'SELECT current_user'));
my $app = AnonAuth::Wire->new($node, 'app');
my $rival = AnonAuth::Wire->new($node, 'app');
my $ordinary = AnonAuth::Wire->new($node, 'ordinary');
my @wires = ($admin, $app, $rival, $ordinary);

# Snapshots of what other users can read, taken each time.
my $watcher = AnonAuth::Wire->new($node, $node->safe_psql('postgres', 'SELECT current_user'));
$watcher->run("SET $_") for 'log_min_messages = fatal', 'log_statement = none', 'log_duration = off',
  'log_min_duration_statement = -1', 'auto_explain.log_min_duration = -1';
my %seen;    # place => its contents

sub dump_of
{
	my ($wire, $query) = @_;

	return join "\n", map { my $r = $_; join ' ', map { $r->{$_} // '' } sort keys %$r } @{ $wire->run($query)->{rows} };
}

sub look
{
	$seen{$_} .= dump_of($watcher, "SELECT * FROM $_") for qw(pg_stat_activity pg_locks);
	know_stored();
	return;
}

# ---------------------------------------------------------------------------
# Calls
# ---------------------------------------------------------------------------

# The caller's own statements begin with this text in the log.
use constant CALLER => '/* caller */';

my %errors;    # SQLSTATE => how often

sub statement
{
	my ($function, @names) = @_;
	my $n = 0;

	$function = "anon_auth.$function" if $function !~ /\./;
	return CALLER . " SELECT * FROM $function(" . join(', ', map { "$_ => \$" . ++$n } @names) . ')';
}

sub call_on
{
	my ($wire, $function, @arguments) = @_;
	my (@names, @values);

	while (my ($name, $value) = splice @arguments, 0, 2)
	{
		push @names, $name;
		push @values, $value;
	}
	my $result = $wire->run(statement($function, @names), @values);
	look();
	$errors{ $result->{error}{C} }++ if $result->{error};
	remember($function, $result->{rows}[0] // {});
	return $result;
}

# Record every secret in the result of a call.
sub remember
{
	my ($function, $row) = @_;

	for my $name (grep { defined $row->{$_} } qw(access_token refresh_token id_token promotion_code code token))
	{
		secret("$name $_ of $function", $row->{$name}) for ++$count;
	}
	return;
}

# Return the row of a call that must succeed.
sub ok_call
{
	my ($wire, $function, @arguments) = @_;
	my $result = call_on($wire, $function, @arguments);

	BAIL_OUT("$function: $result->{error}{M} $result->{error}{D}") if $result->{error};
	return $result->{rows}[0];
}

# A call that must fail; the errors are examined later.
sub fails
{
	my ($wire, $function, @arguments) = @_;
	my $error = call_on($wire, $function, @arguments)->{error};

	fail("$function should have failed") if !$error;
	return $error;
}

sub challenge { return ok_call($app, 'create_challenge')->{token}; }

sub request
{
	my ($device, %arguments) = @_;

	return secret('device request ' . ++$count, $device->request(challenge => challenge(), %arguments));
}

sub guest { return ok_call($app, 'authenticate_anonymously', client_id => $_[0] // 'native'); }

sub account
{
	my ($email, $password, $client) = @_;

	return ok_call($app, 'promote_anonymous_user', client_id => $client // 'native', email => $email, password => $password,
		refresh_token => guest($client)->{refresh_token});
}

sub settings
{
	my (%settings) = @_;

	$admin->run('UPDATE anon_auth.settings SET ' . join ', ', map { "$_ = " . sql_literal($settings{$_}) } keys %settings);
	return;
}

# A browser whose requests arrive as PostgREST's parameters.
{
	package Browser;

	our @ISA = ('AnonAuth::Browser');

	sub _transaction
	{
		my ($self, $call, %request) = @_;
		my ($function, $body) = $call =~ /^([\w.]+)\('(.*)'\)$/s;
		my $wire = $self->{wire};
		my %parameters = (
			role => 'anon',
			'request.method' => $request{method},
			'request.path' => $request{path},
			'request.headers' => $json->encode($request{headers}),
			'request.cookies' => $json->encode($request{cookies}));
		my @names = sort keys %parameters;
		my $n = 0;

		$wire->run('BEGIN');
		$wire->run('SELECT ' . join(', ', map { "set_config('$_', \$" . ++$n . ', true)' } @names), @parameters{@names});
		my $answer = $wire->run(main::CALLER . ' SELECT anon_auth.postgrest_pre_request()');
		$answer = $wire->run(main::CALLER . " SELECT $function(\$1)::text AS body, current_user AS role", $body =~ s/''/'/gr)
		  if !$answer->{error};
		my $response = $wire->run(q{SELECT current_setting('response.status', true) AS status,
			nullif(current_setting('response.headers', true), '') AS headers});
		$wire->run('COMMIT');
		main::look();
		return { status => 500, headers => {}, body => $answer->{error}{M} } if $answer->{error};
		my $result = $response->{rows}[0];
		return $self->_answer({
				answer => { body => Encode::decode('UTF-8', $answer->{rows}[0]{body}), role => $answer->{rows}[0]{role} },
				status => $result->{status},
				headers => $result->{headers} && $json->decode($result->{headers}) });
	}

	sub _keep_cookie
	{
		my ($self, $header) = @_;
		my ($name, $value) = $header =~ /^([^=]+)=([^;]*)/;

		main::secret("cookie $name " . ++$count, $value) if length $value >= 20;
		return $self->SUPER::_keep_cookie($header);
	}
}

sub browser
{
	push @wires, AnonAuth::Wire->new($node, 'authenticator');
	return Browser->new($node, wire => $wires[-1], headers => { 'sec-fetch-site' => 'same-origin' });
}

# ---------------------------------------------------------------------------
# Clients
# ---------------------------------------------------------------------------

sub guests
{
	my $device = AnonAuth::Device->new(alg => 'ES256');
	my $request = request($device, with_jwk => 1);
	my $other = AnonAuth::Device->new(alg => 'EdDSA');
	my @api = ($app, 'authenticate_anonymously', client_id => 'native');

	ok_call(@api, jwt => $request, device_info => '{"model": "phone"}');
	ok_call(@api, jwt => request($device));
	fails(@api, jwt => $request);
	fails(@api, jwt => $request =~ s/.{6}$//r);
	fails(@api, jwt => "$request.$request");
	fails(@api, jwt => request($device, payload => { exp => 1 }));
	fails(@api, jwt => request($device, payload => { challenge => substr challenge(), 1 }));
	fails(@api, jwt => request($device, action => 'promote'));
	fails(@api, jwt => request($other));
	fails(@api, jwt => request($other, header => { kid => $device->kid }));
	fails(@api, jwt => request($other, header => { jwk => { %{ $other->jwk }, %{ $other->private_jwk_members } } }));
	fails(@api, jwt => request($other, header => { jwk => { kty => 'oct', k => 'AAAA' } }));
	my $private = $other->private_jwk_members->{d};
	secret('private key of a device ' . ++$count, $private);
	fails(@api, jwt => request($other, header => { jwk => $private }));
	fails(@api, jwt => request($other, header => { kid => $private }, payload => { challenge => [$private] }));

	my $guest = guest('rotating');
	fails(@api, refresh_token => $guest->{refresh_token});
	fails(@api, refresh_token => $guest->{refresh_token}, jwt => $request);
	fails(@api, refresh_token => $guest->{access_token});
	fails(@api, refresh_token => $guest->{refresh_token}, device_info => $json->encode([ $guest->{refresh_token} ]));
	ok_call($app, 'authenticate_anonymously', client_id => 'rotating', refresh_token => $guest->{refresh_token});
	ok_call($app, 'refresh_session', client_id => 'rotating', refresh_token => $guest->{refresh_token});
	my $reused = ok_call($app, 'refresh_session', client_id => 'rotating', refresh_token => $guest->{refresh_token});
	fails($app, 'refresh_session', client_id => 'rotating', refresh_token => $guest->{refresh_token});
	fails($app, 'refresh_session', client_id => $guest->{refresh_token}, refresh_token => 'native');
	fails($app, 'refresh_session', client_id => 'native', refresh_token => 'x', dpop => $guest->{refresh_token});
	fails($app, 'use_access_token', token => 'x', dpop => $guest->{refresh_token}, htu => $guest->{refresh_token});
	fails($app, 'refresh_session', client_id => 'native', refresh_token => "$guest->{refresh_token} ");
	fails($app, 'create_promotion_code', refresh_token => $guest->{refresh_token});
	fails($app, 'create_challenge', purpose => $guest->{refresh_token});
	return;
}

sub promotion
{
	my ($run) = @_;
	my $device = AnonAuth::Device->new(alg => 'ES256');
	my $password = password('of an account');
	my @api = ($app, 'promote_anonymous_user', client_id => 'native');
	my %taken = (email => "first$run\@example.com", password => $password);

	account(@taken{qw(email password)});
	ok_call($app, 'authenticate_anonymously', client_id => 'native', jwt => request($device, with_jwk => 1));
	fails(@api, %taken, jwt => request($device, action => 'promote'));
	fails(@api, email => password('where an address should be'), password => $password, jwt => request($device, action => 'promote'));
	fails(@api, email => "second$run\@example.com", password => 'short', jwt => request($device, action => 'promote'));
	fails(@api, email => "second$run\@example.com", password => $password x 1000, jwt => request($device, action => 'promote'));
	fails(@api, email => "second$run\@example.com", password => $password, jwt => request($device));
	ok_call(@api, email => "second$run\@example.com", password => $password, jwt => request($device, action => 'promote'));

	my $guest = guest();
	my $code = ok_call($app, 'create_promotion_code', refresh_token => $guest->{refresh_token})->{promotion_code};
	fails(@api, %taken, promotion_code => $code);
	fails(@api, %taken, promotion_code => "A$code");
	fails(@api, %taken, promotion_code => $code, refresh_token => $guest->{refresh_token});
	fails(@api, %taken, refresh_token => $code);
	settings(promotion_conflict => 'login');
	ok_call(@api, email => $taken{email}, password => password('wrong'), promotion_code => $code);
	ok_call(@api, %taken, promotion_code => $code);
	settings(promotion_conflict => 'merge');
	my $moved = guest();
	$admin->run('INSERT INTO hooks.carts VALUES ($1, $2)', $moved->{sub}, 'a book');
	ok_call(@api, %taken, refresh_token => $moved->{refresh_token});
	$moved = guest();
	$admin->run('INSERT INTO hooks.carts VALUES ($1, $2)', $moved->{sub}, 'a second book');
	fails(@api, %taken, refresh_token => $moved->{refresh_token});
	settings(promotion_conflict => 'error');
	ok_call($admin, 'merge_anonymous_user', guest_id => guest()->{sub}, user_id => account("third$run\@example.com", $password)->{sub});

	# An account claims a guest; a table refuses; a repeat; a stranger's repeat.
	my $claimer = account("claimer$run\@example.com", $password);
	my $claimed = guest();
	my @claim = ($app, 'claim_anonymous_user', client_id => 'native', access_token => $claimer->{access_token});

	$admin->run('INSERT INTO hooks.carts VALUES ($1, $2), ($3, $2)', $claimed->{sub}, 'a book', $claimer->{sub});
	fails(@claim, refresh_token => $claimed->{refresh_token});
	$admin->run('DELETE FROM hooks.carts WHERE user_id = $1', $claimer->{sub});
	ok_call(@claim, refresh_token => $claimed->{refresh_token});
	ok_call(@claim, refresh_token => $claimed->{refresh_token});
	fails(@claim[ 0 .. 3 ], access_token => account("stranger$run\@example.com", $password)->{access_token}, refresh_token => $claimed->{refresh_token});
	fails(@claim, promotion_code => $claimed->{refresh_token});
	fails(@claim, jwt => request($device, action => 'promote'));

	my %pkce = (
		client_id => 'web', redirect_uri => 'https://app.example/cb', password => $password,
		code_challenge => encode_base64url(sha256(my $verifier = secret('code verifier' . ++$count, encode_base64url(sha256($count . $$))))));
	fails($app, 'authorize_promotion', %pkce, email => $taken{email}, refresh_token => guest('web')->{refresh_token});
	$code = ok_call($app, 'authorize_promotion', %pkce, email => "fourth$run\@example.com", nonce => 'n',
		refresh_token => guest('web')->{refresh_token})->{code};
	my @exchange = ($app, 'exchange_authorization_code', client_id => 'web', code => $code, redirect_uri => 'https://app.example/cb');
	fails(@exchange, code_verifier => scalar reverse $verifier);
	fails(@exchange, code_verifier => $verifier . '!');
	fails(@exchange[ 0 .. 5 ], redirect_uri => "https://app.example/$code", code_verifier => $verifier);
	ok_call(@exchange, code_verifier => $verifier);
	call_on(@exchange, code_verifier => $verifier);
	return;
}

sub logins
{
	my ($run) = @_;
	my $password = password('to log in');
	my $user = account("ada$run\@example.com", $password);
	my @api = ($app, 'authenticate', client_id => 'native');

	ok_call(@api, login_id => "ada$run\@example.com", password => $password);
	ok_call($app, 'sign_up', client_id => 'native', email => "nora$run\@example.com", password => password('to sign up'));
	fails($app, 'sign_up', client_id => 'native', email => "nora$run\@example.com", password => password('to sign up'));
	fails($app, 'sign_up', client_id => 'native', email => password('as email'), password => password('to sign up'));
	settings(password_hash_memory_kib => 8193);
	ok_call(@api, login_id => "ada$run\@example.com", password => $password);
	settings(password_hash_memory_kib => 8192);
	ok_call(@api, login_id => "ada$run\@example.com", password => password('wrong'));
	ok_call(@api, login_id => 'nobody@example.com', password => $password);
	ok_call(@api, login_id => $password, password => "ada$run\@example.com");
	ok_call(@api, login_id => "ada$run\@example.com", password => $password x 1000);
	fails(@api, login_id => $password, password => '');
	fails($app, 'authenticate', client_id => $password, login_id => "ada$run\@example.com", password => $password);
	fails($app, 'authenticate', client_id => 'partner', login_id => "ada$run\@example.com", password => $password);
	settings(lockout_max_attempts => 1);
	ok_call(@api, login_id => "ada$run\@example.com", password => password('wrong'));
	fails(@api, login_id => "ada$run\@example.com", password => $password);
	settings(lockout_max_attempts => 0, password_attempts_per_minute_per_user => 1);
	ok_call(@api, login_id => "ada$run\@example.com", password => $password) for 1;
	fails(@api, login_id => "ada$run\@example.com", password => $password);
	$admin->run('UPDATE anon_auth.settings SET password_attempts_per_minute_per_user = NULL');

	# Tokens
	$user = ok_call(@api, login_id => "ada$run\@example.com", password => $password);
	my $token = $user->{access_token};
	my $broken = $token =~ s/.$/$& eq 'A' ? 'Q' : 'A'/er;
	ok_call($app, 'userinfo', access_token => $token);
	ok_call($app, 'list_sessions', access_token => $token);
	ok_call($app, 'end_session', session_id => '00000000-0000-7000-8000-000000000000', access_token => $token);
	ok_call($app, 'end_other_sessions', access_token => $token);
	ok_call($app, 'export_account', access_token => $token);
	ok_call($app, 'update_profile', attributes => $json->encode({ name => 'Ada', birthdate => '1990-12-31' }), access_token => $token);
	fails($app, 'update_profile', attributes => $json->encode({ $_ => password('as profile') }), access_token => $token) for qw(birthdate zoneinfo email);
	ok_call($app, 'delete_account', access_token => $token);
	ok_call($app, 'cancel_account_deletion', access_token => $token);
	ok_call($app, 'verify_jwt', token => $token);
	ok_call($app, 'jws_verify', token => $token, jwk => $json->encode({ kty => 'oct', k => encode_base64url(sha256(password('as HMAC key'))) }));
	fails($app, 'verify_jwt', token => $user->{refresh_token});
	fails($app, 'verify_jwt', token => $token, audience => $token);
	fails($app, $_->[0], $_->[1] => $broken) for [ 'userinfo', 'access_token' ], [ 'list_sessions', 'access_token' ], [ 'end_other_sessions', 'access_token' ], [ 'update_profile', 'access_token' ], [ 'export_account', 'access_token' ], [ 'delete_account', 'access_token' ], [ 'cancel_account_deletion', 'access_token' ], [ 'verify_jwt', 'token' ], [ 'use_access_token', 'token' ];
	fails($app, 'jws_verify', token => $token, jwk => $json->encode({ kty => 'EC', d => $password, crv => $token }));
	fails($app, 'jws_verify', token => $token, jwk => '{"kty": "oct", "k": "AAAA"}', algorithms => "{$broken}");
	fails($app, 'jwk_thumbprint', jwk => $json->encode({ kty => $token, k => $password }));
	$app->run('BEGIN');
	ok_call($app, 'use_access_token', token => $token);
	ok_call($admin, 'use_client_address', address => '192.0.2.1');
	ok_call($app, $_) for qw(uid is_anonymous session_id claims session_alive key_bound userinfo);
	ok_call($app, 'has_role', role => 'editor');
	$app->run('COMMIT');
	fails($app, 'userinfo');
	ok_call($app, 'revoke', token => $_) for $token, $broken, $user->{refresh_token}, $password;
	ok_call($app, $_) for qw(jwks openid_configuration);

	# Codes
	$user = ok_call(@api, login_id => "ada$run\@example.com", password => $password);
	my @caller = (access_token => $user->{access_token});
	ok_call($app, 'request_verification', @caller);
	fails($app, 'request_verification', @caller);
	fails($app, 'request_verification', @caller, login_id_type => $password);
	fails($app, 'request_verification', @caller, login_id_type => 'phone_number');
	fails($app, 'request_verification', access_token => $broken);
	my $code = ok_call($admin, 'take_outbox_messages')->{code};
	ok_call($app, 'verify_login_id', @caller, code => secret('wrong code ' . ++$count, $code eq '417863' ? '417864' : '417863'));
	ok_call($app, 'verify_login_id', @caller, code => $code);
	fails($app, 'verify_login_id', code => $code);
	ok_call($app, 'request_password_reset', login_id => "ada$run\@example.com");
	fails($app, 'request_password_reset', login_id => "ada$run\@example.com");
	ok_call($app, 'request_password_reset', login_id => $password);
	$code = ok_call($admin, 'take_outbox_messages')->{code};
	fails($admin, 'take_outbox_messages', batch_size => 0);
	ok_call($app, 'reset_password', login_id => "ada$run\@example.com", code => 'WRONGCODE0', new_password => password('new'));
	fails($app, 'reset_password', login_id => "ada$run\@example.com", code => $code, new_password => 'x');
	my $new_password = password('new');
	ok_call($app, 'reset_password', login_id => "ada$run\@example.com", code => $code, new_password => $new_password);
	login_codes($run);
	own_credentials($run, $new_password);
	return;
}

sub own_credentials
{
	my ($run, $old) = @_;
	my $changed = password('changed');
	my $user = ok_call($app, 'authenticate', client_id => 'native', login_id => "ada$run\@example.com", password => $old);
	my @caller = (access_token => $user->{access_token});
	my @address = (type => 'email', value => "second-ada$run\@example.com");

	$admin->run(q{UPDATE anon_auth.settings SET code_link_uri = 'https://app.example/#{code}'});
	ok_call($app, 'request_login_id_code', @address, @caller);
	fails($app, 'request_login_id_code', @address, @caller);
	fails($app, 'request_login_id_code', type => 'email', value => password('as address'), @caller);
	my $message = ok_call($admin, 'take_outbox_messages');
	my $code = $message->{code};

	secret('long code ' . ++$count, $message->{link} =~ s/.*#//sr);
	$admin->run('UPDATE anon_auth.settings SET code_link_uri = NULL');
	ok_call($app, 'add_login_id', @address, code => secret('wrong code ' . ++$count, $code eq '417863' ? '417864' : '417863'), @caller);
	fails($app, 'add_login_id', @address, code => $code, access_token => password('as token'));
	fails($app, 'add_login_id', type => password('as type'), value => $code, @caller);
	ok_call($app, 'add_login_id', @address, code => $code, @caller);
	ok_call($app, 'remove_login_id', @address, @caller);
	fails($app, 'remove_login_id', type => 'email', value => "ada$run\@example.com", access_token => $user->{refresh_token});
	ok_call($app, 'change_password', new_password => $changed, old_password => password('as old password'), @caller);
	fails($app, 'change_password', new_password => $changed, @caller);
	fails($app, 'change_password', new_password => 'x', old_password => $old, @caller);
	ok_call($app, 'change_password', new_password => $changed, old_password => $old, @caller);
	ok_call($app, 'change_password', new_password => $old, old_password => $changed, @caller);
	ok_call($admin, 'take_outbox_messages');    # the notices
	return;
}

sub login_codes
{
	my ($run) = @_;
	my @request = ($app, 'request_login_code', client_id => 'native');
	my @login = ($app, 'authenticate_with_code', client_id => 'native');
	my @ada = (login_id => "ada$run\@example.com");
	my $device = AnonAuth::Device->new(alg => 'ES256');

	$admin->run(q{UPDATE anon_auth.settings SET code_link_uri = 'https://app.example/#{code}'});
	ok_call($admin, 'take_outbox_messages');    # the notice of the reset
	ok_call(@request, @ada);
	fails(@request, @ada);
	fails(@request, login_id => password('where an address should be'));
	my $message = ok_call($admin, 'take_outbox_messages');
	my $code = $message->{code};
	my $long = secret('long code ' . ++$count, $message->{link} =~ s/.*#//sr);

	ok_call(@login, @ada, code => secret('wrong code ' . ++$count, $code eq '417863' ? '417864' : '417863'));
	ok_call(@login, @ada, code => $long =~ s/.$/$& eq 'A' ? 'B' : 'A'/er);
	ok_call(@login, login_id => $long, code => $long);
	fails(@login, @ada, code => $long, device_info => $json->encode([$long]));
	fails($app, 'authenticate_with_code', client_id => $long, @ada, code => $long);
	ok_call(@login, login_id => undef, code => $long);
	ok_call(@login, @ada, code => $code);

	# A code of an address that nobody has, and the code of a guest.
	ok_call(@request, login_id => "nobody$run\@example.com");
	fails(@login, login_id => "nobody$run\@example.com", code => ok_call($admin, 'take_outbox_messages')->{code});
	ok_call($app, 'authenticate_anonymously', client_id => 'native', jwt => request($device, with_jwk => 1));
	my $proof = request($device, action => 'promote');

	ok_call(@request, @ada, jwt => $proof);
	fails(@request, @ada, jwt => $proof);
	fails(@request, @ada, jwt => request($device));
	ok_call(@login, @ada, code => ok_call($admin, 'take_outbox_messages')->{code});
	$admin->run(q{UPDATE anon_auth.settings SET code_link_uri = NULL});
	return;
}

# ID tokens of another provider, which a device's key signs.
# The signature of a response is good until it was used.
sub passkeys
{
	my ($run) = @_;
	my $user = account("passkey$run\@example.com", password('of an account with a passkey'));
	my @caller = (access_token => $user->{access_token});
	my ($issuer) = $watcher->run('SELECT issuer FROM anon_auth.settings')->{rows}[0]{issuer};
	my $authenticator = AnonAuth::Authenticator->new(alg => 'EdDSA', origin => $issuer =~ s{(?<=[^/:])/.*}{}sr);
	my $response = sub {
		my $got = $authenticator->get($json->decode(ok_call($app, 'passkey_request_options', client_id => 'native')->{passkey_request_options}), @_);

		secret('signature of a passkey ' . ++$count, $got->{response}{signature});
		return $json->encode($got);
	};

	fails($app, 'passkey_creation_options', access_token => $user->{refresh_token});
	my $created = $authenticator->create($json->decode(ok_call($app, 'passkey_creation_options', @caller)->{passkey_creation_options}));
	fails($app, 'add_passkey', response => $json->encode({ %$created, id => password('as id') }), @caller);
	fails($app, 'add_passkey', response => $json->encode($created), name => password('as name') x 5, @caller);
	ok_call($app, 'add_passkey', response => $json->encode($created), name => 'mine', @caller);
	fails($app, 'passkey_request_options', client_id => password('as client'));
	fails($app, 'authenticate_with_passkey', client_id => 'native', response => $response->(client_data => { origin => 'https://evil.example' }));
	fails($app, 'authenticate_with_passkey', client_id => 'nobody', response => $response->());
	my $used = $response->();
	ok_call($app, 'authenticate_with_passkey', client_id => 'native', response => $used);
	fails($app, 'authenticate_with_passkey', client_id => 'native', response => $used);
	ok_call($app, 'list_passkeys', @caller);
	fails($app, 'remove_passkey', credential_id => $authenticator->id, access_token => $user->{refresh_token});
	ok_call($app, 'remove_passkey', credential_id => $authenticator->id, @caller);
	return;
}

# Device keys of an account: requests that succeed, and that are used, changed or of others.
sub device_keys
{
	my ($run) = @_;
	my $device = AnonAuth::Device->new(alg => 'ES256');
	my $user = account("keys$run\@example.com", password('of an account with device keys'));
	my @caller = (access_token => $user->{access_token});
	my $request = sub {
		my ($action, %header) = @_;

		return (jwt => secret("request to $action " . ++$count, $device->request(
					challenge => ok_call($app, 'create_challenge', purpose => 'biometric_request')->{token},
					action => $action,
					with_jwk => $action eq 'setup',
					header => { typ => 'vnd.authgear.biometric-request', %header })));
	};
	my %setup = $request->('setup');

	secret("private key of a device $run", $device->private_jwk_members->{d});
	fails($app, 'add_device_key', %setup, access_token => guest()->{access_token});
	ok_call($app, 'add_device_key', %setup, name => 'phone', @caller);
	fails($app, 'add_device_key', %setup, @caller);
	fails($app, 'add_device_key', $request->('setup', jwk => { %{ $device->jwk }, %{ $device->private_jwk_members } }), @caller);
	my %login = $request->('authenticate');
	ok_call($app, 'authenticate_with_device_key', client_id => 'native', %login);
	fails($app, 'authenticate_with_device_key', client_id => 'native', %login);
	fails($app, 'authenticate_with_device_key', client_id => 'native', jwt => "$login{jwt}x");
	ok_call($app, 'list_device_keys', @caller);
	fails($app, 'list_device_keys', access_token => $login{jwt});
	fails($app, 'remove_device_key', kid => $device->kid, access_token => $login{jwt});
	ok_call($app, 'remove_device_key', kid => $device->kid, @caller);
	fails($app, 'authenticate_with_device_key', client_id => 'native', $request->('authenticate'));
	return;
}

sub identities
{
	my ($run) = @_;
	my $issuer = "https://accounts$run.example";
	my $signer = AnonAuth::Device->new(alg => 'ES256');
	my %private = (%{ $signer->jwk }, %{ $signer->private_jwk_members });
	my $user = account("federated$run\@example.com", password('of a federated account'));
	my @caller = (access_token => $user->{access_token});
	my $id_token = sub {
		my ($subject, %changes) = @_;
		my $nonce = ok_call($app, 'create_challenge', purpose => 'id_token')->{token};

		return (
			id_token => secret("ID token $subject " . ++$count, $signer->sign(
					{ alg => 'ES256', kid => $signer->kid },
					{ iss => $issuer, aud => 'app.example', sub => "$subject $run", nonce => sha256_hex($nonce), iat => time(), exp => time() + 60, email => "$subject\@example.com", %changes })),
			nonce => $nonce);
	};

	secret("private key of a provider $run", $private{d});
	ok_call($admin, 'create_identity_provider', issuer => $issuer, audiences => '{app.example}', trust_email => 'true');
	fails($admin, 'create_identity_provider', issuer => $issuer, audiences => '{app.example}');
	fails($admin, 'create_identity_provider', issuer => password('as issuer'), audiences => '{app.example}');
	ok_call($admin, 'due_identity_providers');
	fails($app, 'authenticate_with_id_token', client_id => 'native', $id_token->('ada'));
	fails($admin, 'set_identity_provider_keys', issuer => $issuer, jwks => $json->encode({ keys => [ \%private ] }));
	fails($admin, 'set_identity_provider_keys', issuer => $issuer, jwks => $json->encode({ keys => [ { kty => 'oct', kid => 'a', k => $private{d} } ] }));
	fails($admin, 'set_identity_provider_keys', issuer => $issuer, jwks => $json->encode({ keys => [ { %{ $signer->jwk }, x => $private{d} } ] }));
	ok_call($admin, 'set_identity_provider_keys', issuer => $issuer, jwks => $json->encode({ keys => [ $signer->jwk ] }));
	my %token = $id_token->('ada');
	fails($app, 'authenticate_with_id_token', client_id => 'native', %token);
	ok_call($app, 'add_identity', %token, @caller);
	ok_call($app, 'authenticate_with_id_token', client_id => 'native', $id_token->('ada'));
	call_on($app, 'authenticate_with_id_token', client_id => 'native', %token);
	fails($app, 'authenticate_with_id_token', client_id => 'native', %token, nonce => password('as nonce'));
	fails($app, 'authenticate_with_id_token', client_id => 'native', id_token => "$token{id_token}x");
	fails($app, 'authenticate_with_id_token', client_id => 'native', id_token => $token{nonce});
	fails($app, 'authenticate_with_id_token', client_id => 'native', $id_token->('ada', $_ => password("as $_"))) for qw(iss aud azp exp iat nonce);
	fails($app, 'add_identity', $id_token->('bob'), access_token => guest()->{access_token});
	fails($app, 'remove_identity', issuer => $issuer, access_token => $token{id_token});
	ok_call($app, 'remove_identity', issuer => $issuer, @caller);
	return;
}

# Calls that are stopped by a lock, a timeout or a snapshot.
sub interruptions
{
	my ($run) = @_;
	my $password = password('of somebody who waits');
	my $email = "busy$run\@example.com";
	my $user = account($email, $password);
	my %calls = (
		authenticate => [ client_id => 'native', login_id => $email, password => $password ],
		refresh_session => [ client_id => 'native', refresh_token => $user->{refresh_token} ],
		revoke => [ token => $user->{access_token} ],
		request_password_reset => [ login_id => $email ]);

	ok_call($admin, 'take_rate_limit', name => $email, max_count => 1, period => '1 minute');
	ok_call($admin, 'anon_auth_internal.counter_statistics');
	for my $stop ([ 'statement_timeout', '57014' ], [ 'lock_timeout', '55P03' ])
	{
		$rival->run("SET $stop->[0] = '200ms'");
		for my $function (sort keys %calls)
		{
			ok_call($admin, 'reset_counters');
			$admin->run('BEGIN');
			$admin->run(CALLER . ' SELECT FROM anon_auth.users u LEFT JOIN anon_auth.sessions s ON s.user_id = u.id WHERE u.id = $1 FOR UPDATE OF u', $user->{sub});
			$admin->run(CALLER . ' SELECT FROM anon_auth.sessions WHERE user_id = $1 FOR UPDATE', $user->{sub});
			is(fails($rival, $function, @{ $calls{$function} })->{C}, $stop->[1], "$function() can be stopped by $stop->[0]");
			$admin->run('ROLLBACK');
		}
		$rival->run("RESET $stop->[0]");
	}

	# While the call waits
	my @arguments = @{ $calls{authenticate} };
	$admin->run('BEGIN');
	$admin->run(CALLER . ' SELECT FROM anon_auth.users WHERE id = $1 FOR UPDATE', $user->{sub});
	$rival->begin(statement('authenticate', @arguments[ 0, 2, 4 ]), @arguments[ 1, 3, 5 ]);
	$node->poll_query_until('postgres', "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = " . $rival->pid)
	  or BAIL_OUT('no login waits');
	look();
	$watcher->run('SELECT pg_log_backend_memory_contexts($1)', $rival->pid);
	$admin->run('ROLLBACK');
	remember('authenticate', $rival->end->{rows}[0]);

	# Snapshots
	$rival->run('BEGIN ISOLATION LEVEL REPEATABLE READ');
	$rival->run('SELECT 1');
	ok_call($app, 'refresh_session', @{ $calls{refresh_session} });
	is(fails($rival, 'refresh_session', @{ $calls{refresh_session} })->{C}, '40001', 'refresh_session() fails with a serialization error');
	$rival->run('ROLLBACK');
	$rival->run('BEGIN READ ONLY');
	is(fails($rival, 'authenticate', @arguments)->{C}, '25006', 'authenticate() fails in a read-only transaction');
	$rival->run('ROLLBACK');

	# Rights
	is(fails($ordinary, 'authenticate', @arguments)->{C}, '42501',
		'a role without the right cannot call authenticate()');
	fails($app, 'sign_jwt', claims => $json->encode({ password => $password }));
	fails($ordinary, 'anon_auth_http.token', '"" ' => $password);

	# Hooks
	settings(before_sign_up => 'hooks.sign_up');
	fails($app, 'authenticate_anonymously', client_id => 'native', device_info => $json->encode({ note => $password }));
	$admin->run('UPDATE anon_auth.settings SET before_sign_up = NULL');
	my $guest = guest();
	settings(access_token_claims => 'hooks.claims');
	fails($app, 'authenticate', @arguments);
	fails($app, 'refresh_session', client_id => 'native', refresh_token => $guest->{refresh_token});
	$admin->run('UPDATE anon_auth.settings SET access_token_claims = NULL');
	settings(after_promotion => 'hooks.promoted');
	fails($app, 'promote_anonymous_user', client_id => 'native', email => "hooked$run\@example.com", password => $password,
		refresh_token => $guest->{refresh_token});
	settings(after_promotion => 'hooks.nothing');
	fails($app, 'promote_anonymous_user', client_id => 'native', email => "hooked$run\@example.com", password => $password,
		refresh_token => $guest->{refresh_token});
	$admin->run('UPDATE anon_auth.settings SET after_promotion = NULL');

	# With prepared statements and cursors
	$app->prepare("login$run", statement('authenticate', @arguments[ 0, 2, 4 ]));
	$app->begin_prepared("login$run", @arguments[ 1, 3, 5 ]);
	remember('authenticate', $app->end->{rows}[0]);
	$app->run('BEGIN');
	$app->run("DECLARE tokens$run CURSOR FOR " . statement('authenticate', @arguments[ 0, 2, 4 ]), @arguments[ 1, 3, 5 ]);
	remember('authenticate', $app->run("FETCH tokens$run")->{rows}[0] // {});
	$seen{$_} .= dump_of($app, "SELECT * FROM $_") for qw(pg_prepared_statements pg_cursors);
	$app->run('COMMIT');
	return;
}

# ---------------------------------------------------------------------------
# The owner's functions
# ---------------------------------------------------------------------------

sub keys_and_users
{
	my ($run) = @_;
	my $signer = AnonAuth::Device->new(alg => 'ES256');
	my $rsa = AnonAuth::Device->new(alg => 'RS256');
	my %hmac = (kty => 'oct', alg => 'HS256', kid => "hmac-$run", k => encode_base64url(sha256("$run$$")));

	secret("HMAC key $run", $hmac{k});
	for my $device ($signer, $rsa)
	{
		my $private = $device->private_jwk_members;
		my $pem = $device->_openssl('pkey', '-in', $device->_private_key);
		my @lines = grep { !/-----/ } split /\n/, $pem;

		secret($device->alg . " private key $_ $run", $private->{$_}) for keys %$private;
		add_needle($device->alg . " private key $run, PEM", $_) for @lines[ 1 .. $#lines ];
		my $jwk = { %{ $device->jwk }, %$private };
		fails($admin, 'import_signing_key', jwk => $json->encode({ %$jwk, d => $private->{d} . '=' }));
		fails($admin, 'import_signing_key', jwk => $json->encode({ %$jwk, d => substr $private->{d}, 4 }));
		fails($admin, 'import_signing_key', jwk => $json->encode({ %$jwk, kty => $private->{d} }));
		fails($admin, 'import_signing_key', jwk => $json->encode({ %$jwk, alg => $private->{d} }));
		fails($admin, 'import_signing_key', jwk => $json->encode($pem));
		fails($app, 'import_signing_key', jwk => $json->encode($jwk));
		ok_call($admin, 'import_signing_key', jwk => $json->encode($jwk));
		fails($admin, 'import_signing_key', jwk => $json->encode($jwk));
		ok_call($admin, 'sign_jwt', claims => '{"a": 1}', kid => $device->kid);
		fails($admin, 'retire_signing_key', kid => ++$count);
	}
	# The new keys sign at once: no backend has opened their private keys yet.
	settings(signing_key_lead_time => '0');
	fails($admin, 'import_signing_key', jwk => $json->encode({ %hmac, k => substr $hmac{k}, 0, 30 }));
	ok_call($admin, 'import_signing_key', jwk => $json->encode(\%hmac));
	secret("JWT by HMAC $run", ok_call($admin, 'sign_jwt', claims => '{"a": 1}', kid => $hmac{kid})->{sign_jwt});
	fails($admin, 'sign_jwt', claims => '[]');
	fails($admin, 'create_signing_key', alg => 'none');
	ok_call($admin, 'create_signing_key', alg => 'EdDSA');
	ok_call($admin, 'retire_signing_key', kid => $hmac{kid});
	ok_call($admin, 'rotate_signing_key', alg => 'ES256');
	ok_call($admin, $_) for qw(ensure_signing_key reseal_signing_keys client_api http_api);

	# The master key
	know_master_keys();
	my ($line) = grep { /^[0-9a-f]{16} / } split /\n/, slurp_file(master_key_file());
	ok_call($admin, 'rotate_master_key');
	know_master_keys();
	ok_call($admin, $_) for qw(master_key_ids master_key_users anon_auth_internal.master_key_exists anon_auth_internal.master_key_in_data_directory);
	fails($admin, 'retire_master_key', key_id => $line);
	fails($admin, 'retire_master_key', key_id => substr $line, 17);
	my $content = slurp_file(master_key_file());
	for my $damaged ("$content$line$line\n", $content =~ s/^(\w{16} )(.)/$1 . ($2 eq 'A' ? 'B' : 'A')/emr, $content =~ s/^(\w{16} \S+)...$/$1/mr, '', "$line\n" x 9)
	{
		write_file(master_key_file(), $damaged);
		fails($admin, 'create_challenge');
		$admin->run('SELECT * FROM anon_auth.doctor()');
	}
	write_file(master_key_file(), "$line\n");
	fails($admin, 'sign_jwt', claims => '{}');
	write_file(master_key_file(), $content);
	ok_call($admin, 'retire_master_key', key_id => substr $line, 0, 16);

	# Rolled back, since sessions end when the database id changes.
	$admin->run('BEGIN');
	ok_call($admin, 'renew_database_id');
	$admin->run('ROLLBACK');

	# Users
	my $user = account("old$run\@example.com", password('of who is deleted'));
	ok_call($admin, $_, user_id => $user->{sub}) for qw(disable_user);
	fails($app, 'refresh_session', client_id => 'native', refresh_token => $user->{refresh_token});
	ok_call($admin, 'set_password', user_id => $user->{sub}, new_password => password('by an administrator'));
	fails($admin, 'set_password', user_id => $user->{sub}, new_password => 'short');
	my $hash = '$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW';
	secret('imported hash', $hash);
	my $created = ok_call($admin, 'create_user', email => "created$run\@example.com", password => password('of a new user'))->{create_user};
	fails($admin, 'create_user', email => "created$run\@example.com", password => password('of a known user'));
	fails($admin, 'create_user', email => "other$run\@example.com", password => 'short');
	is(ok_call($admin, 'find_user', login_id => "created$run\@example.com")->{find_user}, $created, 'the user is found');
	ok_call($admin, 'find_user', login_id => password('as login ID'));
	ok_call($admin, 'export_user', user_id => $created);
	ok_call($admin, 'set_roles', user_id => $created, roles => '{editor}');
	fails($admin, 'set_roles', user_id => $created, roles => '{"a b"}');
	ok_call($admin, 'import_user', user_id => '00000000-0000-4000-8000-0000000000' . sprintf('%02d', $run), email => "imported$run\@example.com", password_hash => $hash);
	fails($admin, 'import_user', user_id => $user->{sub}, password_hash => $hash);
	fails($admin, 'import_user', user_id => $user->{sub}, password_hash => substr $hash, 0, 59);
	$admin->run('CREATE TEMP TABLE imports AS SELECT gen_random_uuid() AS user_id');
	ok_call($admin, 'import_users', source => 'imports', dry_run => 1);
	$admin->run('DROP TABLE imports');
	ok_call($admin, $_, user_id => $user->{sub}) for qw(enable_user revoke_sessions delete_user);
	fails($admin, 'delete_user', user_id => $user->{sub});
	fails($admin, 'create_client', client_id => "new$run", application_type => 'native', access_token_lifetime_seconds => 1);
	ok_call($admin, 'create_client', client_id => "new$run", application_type => 'native');
	ok_call($admin, 'grant_client_api', role_name => 'app');
	ok_call($admin, 'grant_http_api', role_name => 'anon');
	ok_call($admin, 'purge', dry_run => 'true');
	ok_call($admin, 'purge');
	ok_call($admin, 'doctor');
	ok_call($admin, 'postgrest_pre_config');
	return;
}

sub master_key_file { return $node->data_dir . '/anon_auth.master_key'; }

sub write_file
{
	my ($path, $content) = @_;

	open my $file, '>', $path or die "cannot write $path: $!";
	print $file $content;
	close $file;
	chmod 0600, $path;
	return;
}

sub openssl_mac
{
	my ($key, $size, $input, @options) = @_;
	my $file = PostgreSQL::Test::Utils::tempdir() . '/input';

	write_file($file, $input);
	my ($output) = run_command([ qw(openssl mac -macopt), 'hexkey:' . unpack('H*', $key), '-macopt', "size:$size",
		(map { ('-macopt', $_) } @options), '-in', $file, 'BLAKE2BMAC' ]);

	return pack 'H*', $output;
}

# Equivalent to crypto_kdf_derive_from_key() of libsodium.
sub derived_key
{
	my ($master, $use) = @_;

	return openssl_mac($master, 32, '', 'custom:anonauth', sprintf 'hexsalt:%02x%030d', $use, 0);
}

# Derive the key for this database: keyed BLAKE2b of the database's id.
sub database_key
{
	my ($derived) = @_;
	my $id = $node->safe_psql('postgres', 'SELECT database_id FROM anon_auth.settings');

	return openssl_mac($derived, 32, pack 'H*', $id =~ tr/-//dr);
}

my $refresh_token_keys = '';

# The keys of the file, and the keys derived from them.
sub know_master_keys
{
	for my $line (slurp_file(master_key_file()) =~ /^[0-9a-f]{16} (.*)$/mg)
	{
		next if known()->{"master key $line"};
		secret("master key $line", $line);
		for my $use (1 .. 8)
		{
			my $derived = derived_key(decode_base64url($line), $use);
			my $key = database_key($derived);

			add_bytes("key $use of all databases", $derived);
			add_bytes("derived key $use", $key);
			add_bytes("derived key $use, SHA-256", sha256($key));
			$refresh_token_keys .= $key if $use == 3;
		}
	}
	return;
}

# ---------------------------------------------------------------------------
# Browsers and apps, over HTTP
# ---------------------------------------------------------------------------

sub http
{
	my ($run) = @_;
	my $browser = browser();
	my $password = password('on the web');
	my $tokens = $browser->post_json('/api/anonymous_user/signup', { session_type => 'refresh_token', client_id => 'web' })->{json}{result};

	BAIL_OUT('no tokens over HTTP') if !$tokens->{refresh_token};
	remember('signup', $tokens);
	my $code = $browser->post_json('/api/anonymous_user/promotion_code',
		{ session_type => 'refresh_token', refresh_token => $tokens->{refresh_token} })->{json}{result}{promotion_code};
	secret("promotion code on the web $run", $code);
	my $challenge = $browser->post_json('/oauth2/challenge', { purpose => 'anonymous_request' })->{json}{result}{token};
	secret("challenge on the web $run", $challenge);
	my $device = AnonAuth::Device->new(alg => 'ES256');
	my @grant = (client_id => 'web', grant_type => 'urn:authgear:params:oauth:grant-type:anonymous-request');
	my $jwt = secret("device request on the web $run", $device->request(challenge => $challenge, with_jwk => 1));
	remember('token', $browser->post_form('/oauth2/token', @grant, jwt => $jwt)->{json});
	is($browser->post_form('/oauth2/token', @grant, jwt => $jwt)->{status}, 400, 'a device request sent over HTTP is refused the second time');
	$browser->post_form('/oauth2/token', @grant, jwt => $jwt, jwt => $jwt);
	$browser->post_form('/oauth2/token', @grant, $jwt => $jwt, $jwt => '');
	$browser->post_form('/oauth2/token', client_id => $jwt, grant_type => $jwt);
	my @refresh = (client_id => 'web', grant_type => 'refresh_token');
	remember('token', $browser->post_form('/oauth2/token', @refresh, refresh_token => $tokens->{refresh_token})->{json});
	$browser->post_form('/oauth2/token', @refresh, refresh_token => $jwt);
	$browser->post_json($_, "{\"session_type\": \"refresh_token\", \"refresh_token\": \"$tokens->{refresh_token}\" oops")
	  for qw(/api/anonymous_user/signup /api/anonymous_user/promotion_code /oauth2/challenge);
	$browser->post_json('/api/anonymous_user/signup', { session_type => $tokens->{refresh_token}, client_id => 'web' });
	$browser->post_json('/oauth2/challenge', { purpose => $tokens->{refresh_token} });
	$browser->get('/oauth2/userinfo', 'Authorization:' => "Bearer $_") for $tokens->{access_token}, $tokens->{refresh_token};
	$browser->get($_) for qw(/oauth2/jwks /.well-known/openid-configuration /resolve);

	accounts_over_http($browser, $run);
	app_sessions($browser, $tokens, $run);

	# A fault of the server
	settings(access_token_claims => 'hooks.claims');
	is($browser->post_form('/oauth2/token', @refresh, refresh_token => $tokens->{refresh_token})->{status}, 500, 'a fault of the server answers 500');
	$admin->run('UPDATE anon_auth.settings SET access_token_claims = NULL');

	# Pages
	my $verifier = secret("code verifier on the web $run", encode_base64url(sha256("$run$$ web")));
	my @authorize = (
		client_id => 'web', redirect_uri => 'https://app.example/cb', response_type => 'code', scope => 'openid', prompt => 'login',
		code_challenge_method => 'S256', code_challenge => encode_base64url(sha256($verifier)));
	my $hint = 'https://authgear.com/login_hint?' . AnonAuth::Browser::form(type => 'anonymous', promotion_code => $code);
	my $form = $browser->get('/oauth2/authorize', @authorize, login_hint => $hint)->{location};
	know_form($form);
	$browser->get($form);
	is($browser->post_form($form, login_id_type => 'email', login_id => 'x', password => $password)->{status}, 422, 'the form with an invalid login ID is shown again');
	$browser->post_form($form, login_id_type => 'email', login_id => "web$run\@example.com", password => $password, 'Sec-Fetch-Site:' => 'cross-site');
	my $done = $browser->post_form($form, login_id_type => 'email', login_id => "web$run\@example.com", password => $password)->{location};
	my ($authorization_code) = $done =~ /code=([\w-]+)/ or BAIL_OUT("no code in $done");
	secret("authorization code on the web $run", $authorization_code);
	my @exchange = (grant_type => 'authorization_code', client_id => 'web', code => $authorization_code, redirect_uri => 'https://app.example/cb');
	$browser->post_form('/oauth2/token', @exchange, code_verifier => scalar reverse $verifier);
	remember('token', $browser->post_form('/oauth2/token', @exchange, code_verifier => $verifier)->{json});
	my $login = $browser->get('/oauth2/authorize', @authorize)->{location};
	know_form($login);
	$browser->get($login);
	$browser->post_form($login, login_id => "web$run\@example.com", password => password('wrong'));
	$browser->post_form($login, login_id => "web$run\@example.com", password => $password);
	$browser->get('/oauth2/authorize', @authorize, redirect_uri => "https://app.example/$code");

	# Cookies
	my $visitor = browser();
	$visitor->post_json('/api/anonymous_user/signup', { session_type => 'cookie', client_id => 'site' });
	my $cookie = $visitor->cookies->{'__Host-session'}[0] // BAIL_OUT('no session cookie');
	is($visitor->get('/oauth2/userinfo')->{status}, 200, 'the cookie is a session');
	$visitor->get('/resolve');
	secret("promotion code of a cookie $run",
		$visitor->post_json('/api/anonymous_user/promotion_code', { session_type => 'cookie' })->{json}{result}{promotion_code});
	$visitor->cookies->{'__Host-session'}[0] =~ s/^...//;
	$visitor->get($_) for '/oauth2/userinfo', '/resolve';
	$visitor->cookies->{'__Host-session'}[0] = $cookie;
	$visitor->get('/oauth2/end_session', id_token_hint => $tokens->{id_token} // $tokens->{access_token});
	$visitor->post_form('/oauth2/end_session');
	$browser->post_form('/oauth2/revoke', token => $_) for $tokens->{refresh_token}, $jwt;
	return;
}

# What the SDKs call in the session of an app.
sub app_sessions
{
	my ($browser, $tokens, $run) = @_;
	my $ask = sub { $browser->post_json('/oauth2/app_session_token', { refresh_token => $_[0] })->{json}{result}{app_session_token} };
	my @open = (
		client_id => 'web', redirect_uri => 'https://auth.example/settings', response_type => 'none', scope => 'openid', prompt => 'none');
	my $hint = 'https://authgear.com/login_hint?type=app_session_token&app_session_token=';
	my $visitor = browser();

	$browser->post_json('/oauth2/app_session_token', "{\"refresh_token\": \"$tokens->{refresh_token}\" oops");
	$ask->("x$tokens->{refresh_token}");
	my $token = secret("app session token $run", $ask->($tokens->{refresh_token}));
	is($visitor->get('/oauth2/authorize', @open, login_hint => $hint . $token)->{status}, 303, 'an app session token opens the settings');
	my $cookie = secret("cookie of an app session $run", $visitor->cookies->{'__Host-app_session'}[0]);
	$visitor->get('/oauth2/authorize', @open, login_hint => $hint . $_) for $token, "x$token", $cookie, "$token&app_session_token=$token", '%';
	is($visitor->get('/settings')->{status}, 200, 'the settings are shown');
	$visitor->cookies->{'__Host-app_session'}[0] = "x$cookie";
	$visitor->get('/settings');

	my @grant = (client_id => 'web', grant_type => 'urn:authgear:params:oauth:grant-type:id-token');
	remember('token', $browser->post_form('/oauth2/token', @grant, 'Authorization:' => "Bearer $tokens->{access_token}")->{json});
	$browser->post_form('/oauth2/token', @grant, 'Authorization:' => "Bearer $_") for "x$tokens->{access_token}", $tokens->{refresh_token};
	my $action = $visitor->get('/oauth2/authorize',
		client_id => 'web', redirect_uri => 'https://app.example/cb', scope => 'openid', code_challenge_method => 'S256', code_challenge => 'c' x 43,
		response_type => 'urn:authgear:params:oauth:response-type:settings-action', x_settings_action => 'delete_account',
		login_hint => $hint . secret("app session token of an action $run", $ask->($tokens->{refresh_token})))->{location};
	know_form($action);
	$visitor->get($action);
	$browser->post_form('/oauth2/token',
		client_id => 'web', grant_type => 'urn:authgear:params:oauth:grant-type:settings-action', redirect_uri => 'https://app.example/cb',
		code => $_, code_verifier => secret("code verifier of an action $run", encode_base64url(sha256("action $run$$")))) for $token, $cookie;
	return;
}

# The page behind the link of a message.
sub links
{
	my ($run) = @_;
	my $browser = browser();
	my @page = '/flows/code_link';

	account("link$run\@example.com", password('behind a link'));
	$admin->run(q{UPDATE anon_auth.settings SET code_link_uri = 'https://auth.example/flows/code_link?code={code}'});
	ok_call($app, 'request_login_code', client_id => 'site', login_id => "link$run\@example.com");
	my $message = ok_call($admin, 'take_outbox_messages');
	my $long = secret('code of a link ' . ++$count, $message->{link} =~ s/.*code=//sr);

	is($browser->get(@page, code => $long)->{status}, 200, 'the page of a link is shown');
	$browser->get(@page, code => "x$long");
	$browser->get(@page, code => $long, code => $long);
	$browser->get(@page, $long => $long, client_id => $long, ui_locales => $long);
	$browser->post_form(@page, code => $long, 'Sec-Fetch-Site:' => 'cross-site');
	is($browser->post_form(@page, code => $long)->{status}, 200, 'the link logs in');
	is($browser->post_form(@page, code => $long)->{status}, 400, 'the link works once');
	$browser->get(@page, code => $message->{code});
	$browser->post_form(@page, code => $message->{code});
	$admin->run(q{UPDATE anon_auth.settings SET code_link_uri = NULL});
	return;
}

# A new account on the sign-up page, a forgotten password, and a log-in for the settings.
sub sign_in_pages
{
	my ($run) = @_;
	my $browser = browser();
	my ($password, $new) = (password('of the sign-up page'), password('in place of a forgotten one'));
	my @site = (client_id => 'site', redirect_uri => 'https://app.example/home', response_type => 'none', scope => 'openid');
	my @login_id = (login_id => "page$run\@example.com");

	settings(page_sign_up => 'true');
	my $form = $browser->get('/oauth2/authorize', @site, prompt => 'create')->{location};
	know_form($form);
	$browser->get($form);
	is($browser->post_form($form, login_id_type => 'email', login_id => 'x', password => $password)->{status}, 422, 'the sign-up form with an invalid address is shown again');
	$browser->post_form($form, login_id_type => 'email', @login_id, password => $password, 'Sec-Fetch-Site:' => 'cross-site');
	is($browser->post_form($form, login_id_type => 'email', @login_id, password => $password)->{status}, 303, 'the sign-up page creates an account');
	settings(page_sign_up => 'false');

	my $again = '/settings/reauthenticate';
	$browser->get($again, x_next => '/settings');
	$browser->post_form($again, password => password('wrong'));
	is($browser->post_form($again, password => $password)->{status}, 303, 'the account logs in again for the settings');
	settings_pages($browser, $password, $run);

	my $login = $browser->get($browser->get('/oauth2/authorize', @site, prompt => 'login')->{location});
	my ($forgot) = $login->{body} =~ m{href="([^"]*/flows/forgot_password[^"]*)"} or BAIL_OUT('no link to the page of a forgotten password');
	$forgot =~ s/&amp;/&/g;
	know_form($forgot);
	$browser->get($forgot);
	is($browser->post_form($forgot, @login_id)->{status}, 200, 'a code for a forgotten password is sent');
	my $code = secret("code for a forgotten password $run", ok_call($admin, 'take_outbox_messages')->{code});
	$browser->post_form($forgot, step => 'code', @login_id, code => "x$code", password => $new);
	$browser->post_form($forgot, step => 'code', @login_id, code => $code, password => $new, 'Sec-Fetch-Site:' => 'cross-site');
	is($browser->post_form($forgot, step => 'code', @login_id, code => $code, password => $new)->{status}, 303, 'the code sets a new password');
	$browser->post_form($forgot, step => 'code', @login_id, code => $code, password => $new);
	$admin->run('DELETE FROM anon_auth.outbox');
	return;
}

# Codes, ID tokens and claims.
sub accounts_over_http
{
	my ($browser, $run) = @_;
	my %grant = map { $_ => "urn:anon-auth:params:oauth:grant-type:$_" } qw(login-code id-token);
	my $token = sub { $browser->post_form('/oauth2/token', client_id => 'web', @_) };
	my $new_guest = sub { remembered('signup', $browser->post_json('/api/anonymous_user/signup', { session_type => 'refresh_token', client_id => 'web' })->{json}{result}) };
	my ($guest, $other) = ($new_guest->(), $new_guest->());
	my %body = (client_id => 'web', login_id => "codes-web$run\@example.com", refresh_token => $guest->{refresh_token});

	settings(code_link_uri => 'https://app.example/#{code}');
	is($browser->post_json('/api/login_code', \%body)->{status}, 200, 'a code is requested over HTTP');
	$browser->post_json('/api/login_code', \%body);
	$browser->post_json("/api/passkey/$_", { client_id => 'web' }) for qw(request_options creation_options other);
	$browser->post_json('/api/login_code', { %body, $_ => $guest->{refresh_token} }) for qw(jwt promotion_code ui_locales login_id client_id unknown);
	$browser->post_json('/api/login_code', $json->encode(\%body) . 'oops');
	my $message = ok_call($admin, 'take_outbox_messages');
	my $long = secret('long code ' . ++$count, $message->{link} =~ s/.*#//sr);
	my @code = (grant_type => $grant{'login-code'}, login_id => $body{login_id}, code => $long);

	$token->(@code);
	$token->(@code, $_ => $long) for qw(client_id login_id prompt jwt promotion_code refresh_token x_device_info);
	$token->(@code, code => $long);
	$token->(@code, refresh_token => $guest->{refresh_token}, prompt => 'create');
	my $account = $token->(@code, refresh_token => $guest->{refresh_token})->{json};
	BAIL_OUT('no promotion with a code over HTTP') if !$account->{refresh_token};
	remember('token', $account);
	is($token->(@code)->{json}{error}, 'invalid_grant', 'a used code is refused over HTTP');

	my $issuer = "https://web-accounts$run.example";
	my $signer = AnonAuth::Device->new(alg => 'ES256');
	my $nonce = secret('challenge ' . ++$count, $browser->post_json('/oauth2/challenge', { purpose => 'id_token' })->{json}{result}{token});
	my @identity = (grant_type => $grant{'id-token'}, nonce => $nonce, id_token => secret('ID token ' . ++$count, $signer->sign(
				{ alg => 'ES256', kid => $signer->kid }, { iss => $issuer, aud => 'app.example', sub => "web $run", nonce => sha256_hex($nonce), iat => time(), exp => time() + 60 })));

	$token->(@identity);
	ok_call($admin, 'create_identity_provider', issuer => $issuer, audiences => '{app.example}');
	is($token->(@identity)->{status}, 503, 'an ID token whose key is not known yet');
	ok_call($admin, 'set_identity_provider_keys', issuer => $issuer, jwks => $json->encode({ keys => [ $signer->jwk ] }));
	$token->(@identity);
	$token->(@identity, prompt => $nonce);
	$token->(@identity, jwt => $identity[-1]);
	remember('token', $token->(@identity, prompt => 'create')->{json});
	is($token->(@identity)->{json}{error}, 'invalid_grant', 'a used ID token is refused over HTTP');

	my %claim = (client_id => 'web', refresh_token => $other->{refresh_token});
	my @bearer = ('Authorization:' => "Bearer $account->{access_token}");
	$browser->post_json('/api/anonymous_user/claim', \%claim);
	$browser->post_json('/api/anonymous_user/claim', \%claim, 'Authorization:' => "Bearer $account->{access_token}x");
	$browser->post_json('/api/anonymous_user/claim', { %claim, $_ => $other->{refresh_token} }, @bearer) for qw(client_id jwt promotion_code dry_run);
	is($browser->post_json('/api/anonymous_user/claim', \%claim, @bearer)->{status}, 200, 'a guest is claimed over HTTP');
	$browser->post_json('/api/anonymous_user/claim', \%claim, @bearer);
	account_over_http($browser, $account, $run);
	settings(code_link_uri => undef);
	return;
}

# The forms of the settings pages, with secrets in each field, right and wrong.
sub settings_pages
{
	my ($browser, $password, $run) = @_;
	my $changed = password('of the settings page');
	my $typed = password('in a field for something else');
	my $email = "settings$run\@example.com";
	my $form = sub { my ($path, @fields) = @_; return $browser->post_form("/settings$path", @fields)->{status}; };

	$form->('/change_password', @$_) for [ old_password => $password ],
	  [ old_password => $typed, password => $changed ], [ old_password => $password, password => substr($changed, 0, 3) ], [ old_password => $password, password => $changed x 2000 ],
	  [ old_password => $password, password => $changed, x_user => $typed ], [ old_password => $password, password => $changed, 'Sec-Fetch-Site:' => 'cross-site' ];
	ok_call($admin, 'reset_counters');
	is($form->('/change_password', old_password => $password, password => $changed), 303, 'a password is changed on the settings page');
	is($form->('/profile', birthdate => $typed, zoneinfo => $typed, website => $typed), 422, 'a profile with invalid values is shown again');
	is($form->('/sessions', session_id => $typed), 303, 'the id of a session that is none');
	$admin->run('DELETE FROM anon_auth.outbox');
	settings(code_link_uri => 'https://auth.example/flows/code_link?code={code}');
	my $verify = "/identity/verify_email?q_login_id=page$run%40example.com";
	is($form->($verify), 200, 'a code for the address of the account is requested');
	my $code = secret("code of the settings page $run", ok_call($admin, 'take_outbox_messages')->{link} =~ s/.*=//sr);
	$form->($verify, step => 'code', code => "x$code");
	is($form->($verify, step => 'code', code => $code), 303, 'the address is confirmed');
	$form->('/identity/add_email', login_id => $typed);
	is($form->('/identity/add_email', login_id => $email), 200, 'a code for an address is requested on the settings page');
	my $long = secret("long code of the settings page $run", ok_call($admin, 'take_outbox_messages')->{link} =~ s/.*=//sr);
	$form->('/identity/add_email', step => 'code', login_id => $email, code => "x$long");
	is($form->('/identity/add_email', step => 'code', login_id => $email, code => $long), 303, 'the address is added');
	$form->('/identity/add_email', step => 'code', login_id => $email, code => $long);
	settings(code_link_uri => undef);
	$form->("/identity/$_", login_id => $typed, code => $typed) for 'remove_identity?q_issuer=' . $typed, 'change_email?q_login_id=' . $typed, 'add_username';
	is($form->('/export'), 200, 'a copy of the account data is downloaded');
	is($form->('/delete_account', delete => $typed), 422, 'an account is not deleted without the tick');
	$form->('/delete_account', keep => $typed);
	is($form->('', log_out => 'yes'), 200, 'the settings page logs out');
	$admin->run('DELETE FROM anon_auth.outbox');
	ok_call($admin, 'reset_counters');
	return;
}

# The functions for one's own account, with secrets in each member, right and wrong.
sub account_over_http
{
	my ($browser, $account, $run) = @_;
	my $call = sub {
		my ($function, $body, @headers) = @_;

		return $browser->post_json("/api/account/$function", $body, @headers ? @headers : ('Authorization:' => "Bearer $account->{access_token}"));
	};
	my $password = secret('password over HTTP', 'A1' . sha256_hex("over HTTP $run"));
	my $new = "added-web$run\@example.com";

	ok_call($admin, 'reset_counters');
	is($call->('change_password', { new_password => $password })->{json}{result}, JSON::PP::true, 'a password is set over HTTP');
	$call->('change_password', { new_password => $password, old_password => $_ }) for $password, substr($password, 1), 'x' x 2000;
	$call->('change_password', { new_password => $password, unknown => $password });
	$call->('change_password', $json->encode({ new_password => $password }) . 'oops');
	$call->('change_password', { new_password => $password }, 'Authorization:' => "Bearer $account->{access_token}x");
	$call->($password, {});
	# the notices of the change
	ok_call($admin, 'take_outbox_messages');
	ok($call->('request_login_id_code', { type => 'email', value => $new })->{json}{result}, 'a code is requested over HTTP');
	my $message = ok_call($admin, 'take_outbox_messages');
	my $long = secret('long code ' . ++$count, $message->{link} =~ s/.*#//sr);
	$call->('add_login_id', { type => 'email', value => $_, code => $long }) for $long, "x$new";
	$call->('add_login_id', { type => $long, value => $new, code => $long });
	is($call->('add_login_id', { type => 'email', value => $new, code => $long })->{json}{result}, JSON::PP::true, 'an address is added over HTTP');
	$call->('verify_login_id', { code => $long, login_id_type => 'email' });
	$call->('request_verification', { login_id_type => $password });
	$call->('add_identity', { id_token => $account->{access_token}, nonce => $password });
	$call->('remove_identity', { issuer => $password });
	$call->('end_session', { session_id => $password });
	$call->('update_profile', { attributes => { name => 'Web', birthdate => $password } });
	$call->($_, {}) for qw(list_sessions end_other_sessions export_account delete_account cancel_account_deletion);
	is($call->('remove_login_id', { type => 'email', value => "codes-web$run\@example.com" })->{json}{result}, JSON::PP::true, 'an address is removed over HTTP');
	ok_call($admin, 'take_outbox_messages');
	return;
}

sub remembered
{
	remember(@_);
	return $_[1];
}

# x_ref names the flow of the form, and is valid only with its cookie.
sub know_form
{
	my ($form) = @_;
	my ($x_ref) = $form =~ /x_ref=([^&]+)/ or BAIL_OUT("no x_ref in $form");

	secret('x_ref ' . ++$count, $x_ref);
	return;
}

# Stored values: hashes and sealed keys. Collected repeatedly, as rows are
# deleted.
my %known;

sub know_stored
{
	my %columns = (
		'sessions.secret_hash' => 'hex', 'authorization_codes.code_hash' => 'hex', 'one_time_codes.code_hash' => 'hex',
		'address_codes.code_hash' => 'hex', 'address_codes.link_code_hash' => 'hex',
		'signing_keys.sealed_private_key' => 'hex', 'passwords.password_hash' => 'text', 'outbox.sealed_code' => 'hex');
	my $rows = join ' UNION ALL ', map {
		my ($table, $column) = split /\./;

		"SELECT '$_' AS place, " . ($columns{$_} eq 'hex' ? "encode($column, 'hex')" : $column) . " AS value FROM anon_auth.$table WHERE $column IS NOT NULL"
	} sort keys %columns;

	for my $row (grep { !$known{ $_->{value} }++ } @{ $watcher->run($rows)->{rows} })
	{
		my $name = "stored $row->{place}";

		if ($columns{ $row->{place} } eq 'hex') { add_bytes($name, pack 'H*', $row->{value}); }
		else { add_needle($name, $row->{value} =~ s/^.*?p=1\$//r); }    # all begin with the same text
	}
	return;
}

# ---------------------------------------------------------------------------
# The search
# ---------------------------------------------------------------------------

sub drive
{
	my ($run) = @_;

	guests();
	promotion($run);
	logins($run);
	device_keys($run);
	identities($run);
	passkeys($run);
	interruptions($run);
	http($run);
	links($run);
	sign_in_pages($run);
	keys_and_users($run);
	return;
}

# Wait for a line that is written after all others.
sub log_since
{
	my ($offset) = @_;
	my $mark = 'mark ' . ++$count;

	$admin->run("DO \$\$ BEGIN RAISE LOG '$mark'; END \$\$");
	return substr slurp_file($node->logfile), $offset;
}

my $offset = -s $node->logfile;
$node->safe_psql('postgres', 'SELECT pg_stat_reset(), pg_stat_statements_reset()');
drive(1);
my $log = log_since($offset);
is(found_in($log), '', 'no secret is in the log of a server with the settings of the manual');

# The functions that were called, and the errors that they raised

my $uncalled = dump_of($watcher, <<'SQL');
SELECT p.oid::regprocedure FROM pg_proc p
JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
JOIN pg_extension e ON e.oid = d.refobjid AND starts_with(e.extname, 'anon_auth')
WHERE p.prolang = (SELECT oid FROM pg_language WHERE lanname = 'c') AND p.prorettype <> 'trigger'::regtype
	AND p.oid NOT IN (SELECT funcid FROM pg_stat_user_functions)
SQL
is($uncalled, '', 'the test called all functions in C');
my @expected = qw(22023 23514 25006 40001 42501 42704 42710 55P03 57014 AA001 AA002 AA003 AA004 AA005 AA006 AA009 AA010 AA011 AA012
  AA013 AA014 AA016 AA018 AA019 AA020 AA021 AA024 AA025 AA028 AA029 AA030 F0000);
is(join(' ', grep { !$errors{$_} } @expected), '', 'the calls failed with every expected error');
cmp_ok(scalar(keys %{ known() }), '>', 150, 'the calls produced more than 150 secrets');
my ($token) = map { known()->{$_} } grep { /refresh_token \d+ of promote/ } sort keys %{ known() };
my $sealed = decode_base64url($token);
my $tag = openssl_mac(substr($refresh_token_keys, 0, 32), 16, substr $sealed, 0, 68);
is(unpack('H*', $tag), unpack('H*', substr $sealed, 68), 'the secrets include the keys derived from the master key');

# The other places. Each place is a query, and a way to put a secret there.

my $planted = password('of the control');
$seen{errors_and_notices} = join "\n", map { $_->said } @wires;
$seen{pg_stat_statements} = dump_of($watcher, 'SELECT query FROM pg_stat_statements');
$seen{events} = dump_of($watcher, 'SELECT * FROM anon_auth.events');
$seen{stats_and_doctor} = dump_of($watcher, 'SELECT * FROM anon_auth.stats') . dump_of($watcher, 'SELECT * FROM anon_auth.doctor()');
$watcher->run('ANALYZE');
$seen{pg_stats} = dump_of($ordinary, 'SELECT * FROM pg_stats') . dump_of($ordinary, 'SELECT * FROM pg_stats_ext');
$seen{pg_settings} = dump_of($ordinary, 'SELECT * FROM pg_settings') . dump_of($watcher, 'SELECT * FROM pg_settings');
like($seen{pg_stat_statements}, qr/INSERT INTO anon_auth\.outbox/, 'pg_stat_statements contains the statements of the extension');
like($log, qr/Query Text: INSERT INTO anon_auth\.outbox/,
	'the log contains the statements of the extension with their plans');
like($seen{pg_stats}, qr/pg_class/, 'an ordinary user can read statistics');
is(found_in($seen{$_}), '', "no secret is in $_") for sort keys %seen;

# The search finds planted secrets

my @hidden = sort keys %seen;
$_ = '' for values %seen;
my $literal = sql_literal($planted);
$offset = -s $node->logfile;
$app->run("SELECT $literal AS \"$planted\"");
look();
$seen{pg_stat_statements} = dump_of($watcher, 'SELECT query FROM pg_stat_statements');
$app->run("PREPARE control AS SELECT $literal");
$app->run('BEGIN');
$app->run("DECLARE control CURSOR FOR SELECT $literal");
$seen{$_} = dump_of($app, "SELECT * FROM $_") for qw(pg_prepared_statements pg_cursors);
$app->run('COMMIT');
$app->run('SELECT $1::integer', $planted);
$seen{errors_and_notices} = $app->said;
$watcher->run('INSERT INTO anon_auth.events SELECT user_id, gen_random_uuid(), type, client_id, created_at, to_jsonb($1::text) FROM anon_auth.events LIMIT 1', $planted);
$seen{events} = dump_of($watcher, 'SELECT * FROM anon_auth.events');
$watcher->run("CREATE TABLE public.open AS SELECT \$1::text FROM generate_series(1, 10)", $planted);
$watcher->run($_) for 'GRANT SELECT ON public.open TO ordinary', 'ANALYZE public.open';
$seen{pg_stats} = dump_of($ordinary, 'SELECT * FROM pg_stats');
$ordinary->run("SELECT set_config('request.headers', \$1, false)", $planted);
$seen{pg_settings} = dump_of($ordinary, 'SELECT * FROM pg_settings') . $ordinary->run('SHOW request.headers')->{rows}[0]{'request.headers'};
for my $place (grep { !/pg_locks|stats_and_doctor/ } @hidden)
{
	is(found_in($seen{$place}), 'password of the control', "the search finds a secret that is put into $place");
}
is(found_in(log_since($offset)), 'password of the control', 'the search finds a secret that a client writes into the text of a statement');
$offset = -s $node->logfile;
$app->run('SELECT $1::text', unpack 'H*', sha256($planted));
is(found_in(log_since($offset)), '', 'a bound parameter is not in the log');
$admin->run('SET log_parameter_max_length = -1');
$admin->run('SELECT $1::text', unpack 'H*', sha256($planted));
is(found_in(log_since($offset)), 'password of the control, SHA-256, in hex', "a bound parameter is in the log with PostgreSQL's default settings");
$admin->run('RESET log_parameter_max_length');

# auto_explain with log_verbose shows the arguments of a client's call, but must
# show no value of the extension's own statements.

$node->append_conf('postgresql.conf', 'auto_explain.log_verbose = on');
$node->reload;
$offset = -s $node->logfile;
$node->poll_query_until('postgres', q{SELECT current_setting('auto_explain.log_verbose', true) = 'on'}) or BAIL_OUT('no verbose plans');
drive(2);

# Split a text into plans: return the plans of the extension's statements, and
# the plans of the clients' statements.
sub plans_in
{
	my ($begin, $text) = @_;
	my @plans = grep { /Query Text: / } split /^(?=$begin)/m, $text;
	my @clients = grep { m{Query Text: .*/\* caller \*/} } @plans;

	return ([ grep { !m{Query Text: .*/\* caller \*/} && m{Query Text: .*\banon_auth\.} } @plans ], \@clients);
}

my ($ours, $clients) = plans_in('\d{4}-\d\d-\d\d \d\d:\d\d:', log_since($offset));
my @ours = @$ours;
like(join('', @ours), qr/Output: \$1/, 'auto_explain logs verbose plans of the extension');
is(found_in(join '', @ours), '', "no secret is in the verbose plans of the extension's statements");
isnt(found_in(join '', @$clients), '', "the verbose plans of the clients' statements contain secrets");

# A client may ask for custom plans, which contain parameters as constants, and
# may have the log messages sent to it.

for my $setting ('plan_cache_mode = force_custom_plan', 'client_min_messages = log')
{
	$watcher->run("ALTER ROLE authenticator SET $setting");
	$_->run("SET $setting") for @wires;
}
$offset = -s $node->logfile;
my %before = map { $_ => length $_->said } @wires;
drive(3);
($ours) = plans_in('\d{4}-\d\d-\d\d \d\d:\d\d:', log_since($offset));
cmp_ok(scalar @$ours, '>', 100, "plans of the extension's statements are logged, whatever plans the client asks for");
is(found_in(join '', @$ours), '', "no secret is in the plans of the extension's statements");
my @constants = grep { /\([^()]*\b(?:route|id|user_id|session_id|bucket|kid)\b = '/ } @$ours;
is("@constants[0 .. 1]" =~ s/^ +$//r, '',
	"no user id, session id or device key is a constant in the plans of the extension's statements");
my $sent = join "\n", map { substr $_->said, $before{$_} // 0 } grep { $_ != $admin } @wires;
($ours, $clients) = plans_in('M ', $sent);
cmp_ok(scalar @$clients, '>', 100, 'a client can have the plans of its own statements sent to it');
is_deeply($ours, [], "a client is sent no plan of the extension's statements");

$_->close for @wires, $watcher;
$node->stop;
done_testing();
