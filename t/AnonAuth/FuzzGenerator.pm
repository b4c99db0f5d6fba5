
=pod

=head1 NAME

AnonAuth::FuzzGenerator - plans of transactions that call the extension

=head1 SYNOPSIS

  use AnonAuth::FuzzGenerator;

  my $generator = AnonAuth::FuzzGenerator->new(
      seed => 'a', who => 'app', functions => [ { name => 'anon_auth.revoke', kind => 'client', arguments => [ [ 'token', 'text' ] ], defaults => 0 } ]);
  my $plan = $generator->transaction;

=head1 DESCRIPTION

A plan describes a transaction, and is the same for the same seed.
L<AnonAuth::FuzzSession> executes it. It is a hash: connection (0 or 1), begin
(a statement, or undef for none), steps, and end (a statement, or 'abandon':
the client closes the connection without a message). guarded: whether each
failed step is rolled back to a savepoint. reset: whether parameters and role
are reset at the end.

A step is a hash. Its member C<do> is one of:

  call     function, arguments (name, type and value; see AnonAuth::FuzzValues),
           form (how it stands in a statement), interrupt ([cancel or terminate,
           milliseconds])
  http     function, and a request: method, headers, cookies, claims, body, and
           whether postgrest_pre_request() runs before
  sql      sql, values: calls no function of the extension

A step with even_then is sent even if the transaction has failed.

who is app (a role with the client API), web (PostgREST's role) or owner.

=cut

package AnonAuth::FuzzGenerator;

use strict;
use warnings;

use AnonAuth::FuzzValues;
use Digest::SHA qw(sha256);
use MIME::Base64 qw(encode_base64url);

use constant DEVICES => 6;
use constant PEOPLE => 25;
use constant PASSWORD => 'Correct-horse.1battery';
use constant CODE_VERIFIER => 'v' x 43;

BEGIN { *text = \&AnonAuth::FuzzValues::text; *null = \&AnonAuth::FuzzValues::null; *omitted = \&AnonAuth::FuzzValues::omitted; }

=pod

=over

=item AnonAuth::FuzzGenerator->new(seed => ..., who => ..., functions => [...], restore => ...)

A function is a hash: name with schema, kind (client, http or owner),
arguments (pairs of name and type of all inputs), defaults (the number of
trailing arguments that may be omitted), set (whether it returns a set),
composite (whether its result has columns), and safe (whether it is parallel
safe). restore is the statement with which the owner restores the settings
that it has changed.

=cut

sub new
{
	my ($class, %options) = @_;
	my $self = bless {%options}, $class;

	$self->{values} = AnonAuth::FuzzValues->new("$options{seed}");
	for my $function (@{ $options{functions} })
	{
		push @{ $self->{by_kind}{ $function->{kind} } }, ($function) x ($function->{name} =~ /(?:anonymous|session|promotion|code|authenticate|challenge|outbox|token)\w*$/ ? 3 : 1);
	}
	return $self;
}

# ---------------------------------------------------------------------------
# Meaningful arguments
# ---------------------------------------------------------------------------

# A value that the server issued; sometimes damaged, sometimes of another kind.
sub issued
{
	my ($self, $pool, @others) = @_;
	my $v = $self->{values};

	$pool = $v->pick(@others, qw(refresh_token access_token promotion_code authorization_code challenge)) if $v->one_in(15);
	return { is => 'pool', pool => $pool, at => $v->fraction, $v->one_in(10) ? (change => $v->change) : () };
}

sub person
{
	my ($self) = @_;

	return $self->{values}->below(PEOPLE);
}

sub email
{
	my ($self) = @_;

	return text(sprintf $self->{values}->pick('p%d@example.com', 'P%d@Example.COM', "p\xc3\xa9%d\@example.com", 'p%d+x@example.com'), $self->person);
}

sub phone { return text(sprintf '+852%08d', 51_234_500 + $_[0]->person); }

sub username { return text(sprintf $_[0]{values}->pick('person%d', 'Person%d', 'per.son%d'), $_[0]->person); }

sub password
{
	my ($self) = @_;

	return text($self->{values}->one_in(5) ? 'another-Horse.2' : PASSWORD);
}

sub request
{
	my ($self, $action) = @_;
	my $v = $self->{values};
	my $request = {
		is => 'request', device => $v->below(DEVICES), action => $action, with_jwk => $v->below(2), at => $v->fraction,
		# Some values are sent again.
		again => $v->one_in(3) };

	$request->{change} = $v->change if $v->one_in(8);
	$request->{payload} = { $v->pick(qw(iat exp nbf action challenge aud extra)) => $v->hostile('text') } if $v->one_in(8);
	return $request;
}

sub client_id
{
	my ($self) = @_;

	return text($self->{values}->weighted(10 => 'app', 6 => 'rotating', 6 => 'web', 2 => 'site', 2 => 'single', 1 => 'partner', 1 => 'machine'));
}

my %meaningful = (
	client_id => sub { $_[0]->client_id },
	refresh_token => sub { $_[0]->issued('refresh_token') },
	promotion_code => sub { $_[0]->issued('promotion_code') },
	access_token => sub { $_[0]->issued($_[0]{values}->weighted(12 => 'access_token', 1 => 'id_token', 1 => 'expired_token')) },
	token => sub {
		my ($self, $name) = @_;
		return $self->issued('refresh_token') if $name eq 'anon_auth.revoke' && $self->{values}->below(2);
		return $self->issued($self->{values}->weighted(12 => 'access_token', 1 => 'id_token', 1 => 'expired_token'));
	},
	code => sub { $_[0]->issued($_[1] =~ /exchange/ ? 'authorization_code' : 'one_time_code') },
	jwt => sub { $_[0]->request('auth') },
	login_id => sub { my ($self) = @_; $self->{values}->weighted(5 => sub { $self->email }, 3 => sub { $self->username }, 2 => sub { $self->phone }) },
	email => sub { $_[0]->email },
	phone_number => sub { $_[0]->phone },
	username => sub { $_[0]->username },
	password => sub { $_[0]->password },
	new_password => sub { $_[0]->password },
	redirect_uri => sub { text('https://app.example/cb') },
	code_challenge => sub { text(encode_base64url(sha256(CODE_VERIFIER))) },
	code_challenge_method => sub { text('S256') },
	code_verifier => sub { text(CODE_VERIFIER) },
	nonce => sub { text('nonce') },
	purpose => sub { text('anonymous_request') },
	login_id_type => sub { text($_[0]{values}->pick(qw(email phone_number username))) },
	user_id => sub { { is => 'pool', pool => 'sub', at => $_[0]{values}->fraction } },
	guest_id => sub { { is => 'pool', pool => 'sub', at => $_[0]{values}->fraction } },
	kid => sub { { is => 'pool', pool => 'kid', at => $_[0]{values}->fraction } },
	alg => sub { text($_[0]{values}->pick(qw(ES256 EdDSA))) },
	typ => sub { text('JWT') },
	audience => sub { text($_[0]{values}->pick('https://auth.example', 'app', 'web')) },
	batch_size => sub { text($_[0]{values}->pick(1, 10, 100)) },
	dry_run => sub { text($_[0]{values}->pick('true', 'false')) },
	is_local => sub { text($_[0]{values}->pick('true', 'false')) },
	application_type => sub { text($_[0]{values}->pick(qw(spa native traditional_webapp confidential))) },
	role_name => sub { text('fuzz_other') });

# A guest arrives with a signed request, with a refresh token, or without
# either.
sub guest
{
	my ($self, $function) = @_;
	my $proof = $self->{values}->pick(qw(jwt refresh_token nothing));

	return map { [ @$_, $_->[0] =~ /^(?:jwt|refresh_token|device_info|dpop)$/ && $_->[0] ne $proof ? omitted() : $self->argument($function, @$_) ] } @{ $function->{arguments} };
}

# The arguments of a promotion must fit together.
sub promotion
{
	my ($self, $function) = @_;
	my $v = $self->{values};
	my $proof = $v->pick(qw(jwt promotion_code refresh_token));
	my %given = ($proof => $proof eq 'jwt' ? $self->request('promote') : $self->issued($proof));

	$given{ $v->pick(qw(email phone_number username)) } = 1 for 1 .. 1 + $v->below(2);
	$given{password} = 1;
	return map {
		my ($name, $type) = @$_;
		my $value = $given{$name};

		[ $name, $type,
			ref $value ? $value
			: $value || !exists $meaningful{$name} || $name =~ /^(?:client_id|redirect_uri|code_challenge|code_challenge_method)$/ ? $self->argument($function, @$_)
			: omitted() ]
	} @{ $function->{arguments} };
}

sub argument
{
	my ($self, $function, $name, $type) = @_;
	my $v = $self->{values};
	my $make = $meaningful{$name};

	return $v->hostile($type) if !$make || $v->one_in(12) || ($name eq 'client_id' && $function->{name} =~ /create_client/);
	return $make->($self, $function->{name});
}

sub arguments
{
	my ($self, $function) = @_;
	my $v = $self->{values};
	my @arguments = @{ $function->{arguments} };
	my $optional = @arguments - $function->{defaults};

	# Hostile arguments
	return map { [ @$_, $v->hostile($_->[1]) ] } @arguments if $v->one_in(8);
	return $self->guest($function) if $function->{name} =~ /authenticate_anonymously/ && !$v->one_in(6);
	return $self->promotion($function) if $function->{name} =~ /promot/ && @arguments > 3 && !$v->one_in(6);
	return map {
		my $i = $_;
		[ @{ $arguments[$i] },
			$i >= $optional && $v->below(2) ? omitted() : $self->argument($function, @{ $arguments[$i] }) ]
	} 0 .. $#arguments;
}

# ---------------------------------------------------------------------------
# Calls
# ---------------------------------------------------------------------------

my @forms = (
	40 => 'from', 6 => 'select', 4 => 'prepared', 3 => 'where', 3 => 'order', 3 => 'lateral', 3 => 'cte', 3 => 'cursor', 4 => 'do', 2 => 'copy', 2 => 'expand',
	2 => 'explain', 2 => 'insert', 1 => 'aggregate', 1 => 'case', 1 => 'union', 1 => 'table', 1 => 'simple', 2 => 'parallel', 1 => 'hold');

sub call
{
	my ($self, $kind) = @_;
	my $v = $self->{values};
	my $function = $v->pick(@{ $self->{by_kind}{$kind} });
	my %call = (do => 'call', function => $function, arguments => [ $self->arguments($function) ], form => $v->weighted(@forms), even_then => $v->one_in(12));

	$call{form} = 'from' if $call{form} eq 'parallel' && !$function->{safe};
	$call{interrupt} = [ $v->weighted(3 => 'cancel', 1 => 'terminate'), $v->below(15) ] if $v->one_in(60);
	return \%call;
}

# A guest's proof, by its name.
sub proof
{
	my ($self) = @_;
	my $proof = $self->{values}->pick(qw(jwt promotion_code refresh_token));

	return ($proof => $proof eq 'jwt' ? $self->request('promote') : $self->issued($proof));
}

# What decides whether a grant promotes a guest, signs up or logs in.
sub proof_or_prompt
{
	my ($self) = @_;
	my $v = $self->{values};

	return $v->weighted(2 => sub { () }, 2 => sub { (prompt => text('create')) }, 2 => sub { $self->proof }, 1 => sub { (prompt => $v->hostile('text'), $self->proof) });
}

# The members of a request body, by endpoint.
my %forms = (
	token => sub {
		my ($self) = @_;
		my $v = $self->{values};

		return $v->weighted(
			3 => sub { [ grant_type => text('refresh_token'), client_id => $self->client_id, refresh_token => $self->issued('refresh_token') ] },
			3 => sub { [ grant_type => text('urn:authgear:params:oauth:grant-type:anonymous-request'), client_id => $self->client_id, jwt => $self->request('auth') ] },
			3 => sub { [
				grant_type => text('authorization_code'), client_id => text('web'), code => $self->issued('authorization_code'),
				redirect_uri => text('https://app.example/cb'), code_verifier => text(CODE_VERIFIER) ] },
			3 => sub { [
				grant_type => text('urn:anon-auth:params:oauth:grant-type:login-code'), client_id => $self->client_id,
				login_id => $self->email, code => $self->issued('one_time_code'), $self->proof_or_prompt ] },
			1 => sub { [
				grant_type => text('urn:anon-auth:params:oauth:grant-type:id-token'), client_id => $self->client_id,
				id_token => $self->issued('id_token'), nonce => $self->issued('challenge'), $self->proof_or_prompt ] },
			1 => sub { [ grant_type => text('urn:authgear:params:oauth:grant-type:id-token'), client_id => $self->client_id ] },
			1 => sub { [
				grant_type => text('urn:authgear:params:oauth:grant-type:settings-action'), client_id => text('web'), code => $self->issued('authorization_code'),
				redirect_uri => text('https://app.example/cb'), code_verifier => text(CODE_VERIFIER) ] },
			1 => sub { [ grant_type => $v->hostile('text'), client_id => $self->client_id, x_device_info => $v->hostile('text') ] });
	},
	revoke => sub { [ token => $_[0]->issued('refresh_token') ] },
	promote_user => sub {
		my ($self) = @_;
		my $type = $self->{values}->pick(qw(email phone_number username));

		return [ mode => text($self->{values}->pick(qw(sign_up login merge))), login_id_type => text($type), login_id => $meaningful{$type}->($self), password => $self->password ];
	},
	login => sub { [ login_id => $meaningful{login_id}->($_[0]), password => $_[0]->password ] },
	end_session => sub { [ post_logout_redirect_uri => text('https://app.example/bye'), state => $_[0]{values}->hostile('text') ] },
	authorize => sub {
		my ($self) = @_;
		my $v = $self->{values};

		return [
			client_id => text('web'), redirect_uri => text('https://app.example/cb'), response_type => text($v->pick(qw(code code none urn:authgear:params:oauth:response-type:settings-action))),
			$v->one_in(3) ? (x_settings_action => $v->one_in(3) ? $v->hostile('text') : text($v->pick(qw(delete_account add_email link_oauth)))) : (),
			code_challenge_method => text('S256'), code_challenge => text(encode_base64url(sha256(CODE_VERIFIER))), scope => text('openid offline_access'),
			prompt => text($v->pick(qw(login none consent))), state => $v->one_in(4) ? $v->hostile('text') : text('s'),
			ui_locales => text($v->pick('de', 'en', 'zh-Hant fr', 'x' x 3000)),
			$v->one_in(4) ? () : (
				login_hint => { is => 'concat', parts => [
					text('https://authgear.com/login_hint?'),
					$v->one_in(4) ? { is => 'form', pairs => [ type => text('app_session_token'), app_session_token => $self->issued('promotion_code') ] }
					: { is => 'form', pairs => [ type => text('anonymous'),
						$v->below(3) ? (promotion_code => $self->issued('promotion_code')) : (jwt => $self->request('promote')) ] } ] }) ];
	},
	challenge => sub { { is => 'json', pairs => [ purpose => text('anonymous_request') ] } },
	anonymous_user_signup => sub {
		my ($self) = @_;

		return { is => 'json', pairs => [ session_type => text($self->{values}->pick(qw(refresh_token cookie))), client_id => text('web'),
			$self->{values}->one_in(3) ? (refresh_token => $self->issued('refresh_token')) : () ] };
	},
	login_code => sub {
		my ($self) = @_;
		my $v = $self->{values};

		return { is => 'json', pairs => [ client_id => $self->client_id, login_id => $self->email, $v->one_in(3) ? $self->proof : (), $v->one_in(4) ? (ui_locales => text($v->pick('de en', 'x', ''))) : () ] };
	},
	app_session_token => sub { { is => 'json', pairs => [ refresh_token => $_[0]->issued('refresh_token') ] } },
	anonymous_user_claim => sub { { is => 'json', pairs => [ client_id => $_[0]->client_id, $_[0]->proof ] } },
	anonymous_user_promotion_code => sub {
		my ($self) = @_;

		return { is => 'json', pairs => [ session_type => text($self->{values}->pick(qw(refresh_token cookie))), refresh_token => $self->issued('refresh_token') ] };
	});

my @languages = ('en', 'de-DE,de;q=0.9', '*', 'zh-Hant-HK', 'x' x 2000, ';q=', "\xc3\xa9");
my @addresses = ('192.0.2.1', '198.51.100.7, 192.0.2.9', '2001:db8::1', '::ffff:192.0.2.1', 'unknown', '1.2.3', '[2001:db8::1]:443', ',,,', 'fe80::1%eth0', '10.0.0.1, ' x 300);

sub headers
{
	my ($self, $method, $query, $type) = @_;
	my $v = $self->{values};

	return $v->json if $v->one_in(15);
	return { is => 'json', pairs => [ map { ("h$_" => text('x')) } 1 .. $v->pick(900, 1001, 5000) ] } if $v->one_in(40);
	return {
		is => 'json',
		pairs => [
			$v->one_in(10) ? () : ('x-original-method' => text($method)),
			$query ? ('x-original-query' => $query) : (),
			$v->one_in(10) ? () : ('x-original-content-type' => text($v->one_in(20) ? $v->pick('', 'text/html', 'application/json; charset=latin1') : $type)),
			$v->one_in(4) ? ('x-original-authorization' => { is => 'concat', parts => [ text($v->pick('Bearer ', 'Bearer ', 'bearer ', 'Basic ', 'DPoP ')), $self->issued('access_token') ] }) : (),
			$v->one_in(8) ? (authorization => { is => 'concat', parts => [ text('Bearer '), $self->issued('access_token') ] }) : (),
			'x-forwarded-for' => text($v->pick(@addresses)),
			'accept-language' => text($v->pick(@languages)),
			$v->one_in(3) ? ('sec-fetch-site' => text($v->pick(qw(same-origin same-site cross-site none x)))) : (),
			$v->one_in(3) ? (origin => text($v->pick('https://auth.example', 'https://app.example', 'https://evil.example', 'null', '', 'http:'))) : (),
			$v->one_in(12) ? ($v->pick(qw(host cookie x-original-method dpop content-type)) => $v->hostile('text')) : () ] };
}

sub http
{
	my ($self) = @_;
	my $v = $self->{values};
	my $function = $v->pick(@{ $self->{by_kind}{http} });
	my ($name) = $function->{name} =~ /(\w+)$/;
	my $form = $forms{$name} && !$v->one_in(12) ? $forms{$name}->($self) : undef;
	my $method = $v->one_in(10) ? $v->pick(qw(PUT HEAD get), '', "\xc3\xa9") : !$form || ($name =~ /^(?:authorize|promote_user|login|end_session)$/ && $v->below(2)) ? 'GET' : 'POST';
	my ($query, $type, $body) = (undef, 'application/x-www-form-urlencoded', text(''));

	# A page is opened with the x_ref that authorize() has returned.
	$query = { is => 'pool', pool => 'location', at => $v->fraction, $v->one_in(10) ? (change => $v->change) : () } if $name =~ /^(?:promote_user|login)$/;
	if (ref $form eq 'ARRAY')
	{
		my $pairs = { is => 'form', pairs => $form };

		if ($method eq 'GET' && $name !~ /^(?:promote_user|login)$/) { $query = $pairs; }
		else { $body = $pairs; }
	}
	elsif ($form) { ($type, $body) = ('application/json', $form); }
	else { $body = $v->hostile($v->pick('text', 'jsonb')); }
	if ($v->one_in(15)) { $body = $v->weighted(3 => sub { $v->hostile('text') }, 1 => sub { $v->huge }, 2 => sub { $v->json }); }
	return {
		do => 'http', function => $function, method => $method, body => $body, headers => $self->headers($method, $query, $type),
		cookies => $v->one_in(20) ? $v->json : { is => 'pool', pool => 'cookies', at => $v->fraction },
		claims => $v->one_in(10) ? $v->json : text($v->pick('{"role":"anon"}', '{"role":"authenticated"}', '')),
		pre_request => !$v->one_in(4),
		even_then => $v->one_in(12), interrupt => $v->one_in(80) ? [ $v->weighted(3 => 'cancel', 1 => 'terminate'), $v->below(15) ] : undef };
}

# ---------------------------------------------------------------------------
# Other statements of a transaction
# ---------------------------------------------------------------------------

# Parameters that any role may set, with values of all types.
my %parameters = (
	search_path => [ 'fuzz_evil, pg_catalog', 'pg_temp, fuzz_evil, public', '', '"$user"', 'fuzz_evil, pg_temp, pg_catalog' ],
	plan_cache_mode => [qw(force_custom_plan force_generic_plan auto)],
	client_min_messages => [qw(debug5 log notice warning error)],
	DateStyle => [ 'SQL, DMY', 'German', 'Postgres, MDY', 'ISO, YMD' ],
	IntervalStyle => [qw(sql_standard iso_8601 postgres_verbose)],
	TimeZone => [ 'UTC', 'Pacific/Apia', 'Asia/Kathmandu', '<+14>-14', 'America/New_York' ],
	lock_timeout => [qw(1 20 300)],
	statement_timeout => [qw(1 5 30 500)],
	work_mem => [qw(64kB 1MB 1GB)],
	hash_mem_multiplier => [qw(1 1000)],
	temp_buffers => [qw(800kB)],
	extra_float_digits => [qw(-15 0 3)],
	bytea_output => [qw(escape hex)],
	xmloption => [qw(document content)],
	standard_conforming_strings => [qw(off on)],
	escape_string_warning => [qw(off on)],
	backslash_quote => [qw(on off safe_encoding)],
	array_nulls => [qw(off on)],
	quote_all_identifiers => [qw(on off)],
	transform_null_equals => [qw(on off)],
	default_transaction_isolation => [ 'serializable', 'repeatable read', 'read committed' ],
	default_transaction_read_only => [qw(on off)],
	transaction_isolation => [ 'serializable', 'repeatable read' ],
	transaction_read_only => [qw(on off)],
	jit => [qw(on off)],
	force_parallel_mode => [qw(on regress off)],
	debug_parallel_query => [qw(on regress off)],
	parallel_setup_cost => [qw(0 1000)],
	parallel_tuple_cost => [qw(0 1)],
	min_parallel_table_scan_size => [qw(0 8MB)],
	max_parallel_workers_per_gather => [qw(0 4)],
	parallel_leader_participation => [qw(on off)],
	(map { ("enable_$_" => [qw(off on)]) } qw(seqscan indexscan indexonlyscan bitmapscan hashjoin mergejoin nestloop hashagg sort material memoize)),
	seq_page_cost => [qw(0 1e10)],
	random_page_cost => [qw(0 1e10)],
	geqo => [qw(off on)],
	geqo_threshold => [qw(2 12)],
	from_collapse_limit => [qw(1 8)],
	join_collapse_limit => [qw(1 8)],
	constraint_exclusion => [qw(on off)],
	cursor_tuple_fraction => [qw(0 1)],
	row_security => [qw(off on)],
	session_replication_role => [qw(replica)],
	check_function_bodies => [qw(off on)],
	default_table_access_method => [qw(heap nothing)],
	default_toast_compression => [qw(pglz lz4)],
	synchronous_commit => [qw(off on local remote_apply)],
	commit_delay => [qw(100)],
	gin_fuzzy_search_limit => [qw(1 0)],
	vacuum_cost_delay => [qw(10)],
	stats_fetch_consistency => [qw(none snapshot)],
	track_activities => [qw(off on)],
	application_name => [ '', 'x' x 100, "\xc3\xa9" ],
	client_encoding => [qw(UTF8 LATIN1 SQL_ASCII EUC_JP)],
	lc_monetary => [qw(C)],
	'anon_auth.verified_claims' => [ '{"sub":"00000000-0000-0000-0000-000000000000"}', '', '{' ],
	'anon_auth.master_key_file' => ['/etc/passwd'],
	'request.jwt.claims' => [ '{"sub":"00000000-0000-0000-0000-000000000000","role":"authenticated"}', '{', '' ],
	'request.headers' => [ '{"x-forwarded-for":"192.0.2.3"}', '{', '' ],
	'response.headers' => [ '[]', '{' ],
	'response.status' => [qw(200 x)]);

sub parameter
{
	my ($self, $name) = @_;
	my $v = $self->{values};

	$name //= $v->pick(sort keys %parameters);

	return { do => 'sql', sql => 'SELECT pg_catalog.set_config($1, $2, $3)', values => [ text($name), text($v->pick(@{ $parameters{$name} })), text($v->pick(qw(true true true false))) ] };
}

my @temporary = (
	'CREATE TEMP TABLE users (id uuid, is_anonymous boolean, is_disabled boolean)', 'CREATE TEMP TABLE sessions (LIKE fuzz.notes)',
	'CREATE TEMP TABLE settings AS SELECT true AS trust_request_claims', 'CREATE TEMP TABLE text (x integer)', 'CREATE TEMP TABLE pg_class (x integer)',
	'CREATE TEMP VIEW login_ids AS SELECT 1 AS x', "CREATE FUNCTION pg_temp.now() RETURNS timestamptz LANGUAGE sql AS 'SELECT NULL::timestamptz'",
	"CREATE DOMAIN pg_temp.uuid AS text", 'CREATE TEMP TABLE scratch (x text) ON COMMIT DROP', 'DROP TABLE IF EXISTS pg_temp.users, pg_temp.sessions, pg_temp.text',
	'CREATE TYPE pg_temp.token_response AS (x integer)', 'CREATE TEMP SEQUENCE clients');

my @else = (
	'SELECT 1/0', 'LISTEN anon_auth_outbox', 'UNLISTEN *', "NOTIFY anon_auth_outbox, 'x'", 'CLOSE ALL', 'DEALLOCATE ALL', 'DISCARD PLANS', 'DISCARD TEMP', 'DISCARD ALL', 'RESET ALL', 'RESET ROLE',
	'RESET SESSION AUTHORIZATION', 'SET CONSTRAINTS ALL DEFERRED', 'SET CONSTRAINTS ALL IMMEDIATE', 'SET TRANSACTION READ ONLY', 'SET TRANSACTION ISOLATION LEVEL SERIALIZABLE',
	'FETCH 3 FROM fuzz_cursor', 'FETCH BACKWARD 2 FROM fuzz_cursor', 'FETCH ABSOLUTE -1 FROM fuzz_cursor', 'FETCH ALL FROM fuzz_cursor', 'MOVE FIRST FROM fuzz_cursor', 'CLOSE fuzz_cursor',
	'FETCH BACKWARD ALL FROM fuzz_cursor', 'FETCH RELATIVE 0 FROM fuzz_cursor', 'SELECT pg_catalog.pg_export_snapshot()', 'SELECT pg_catalog.pg_advisory_xact_lock(1)',
	'SELECT pg_catalog.pg_notify($$pgrst$$, $$reload config$$)', 'BEGIN', 'COMMIT AND CHAIN', 'ROLLBACK AND CHAIN', 'SELECT count(*) FROM fuzz.notes',
	'SELECT count(*) FROM fuzz.big WHERE id = (SELECT anon_auth.uid())', 'SELECT * FROM anon_auth.users', 'SELECT anon_auth.sign_jwt($${}$$)', 'TABLE anon_auth.settings',
	"INSERT INTO fuzz.notes SELECT anon_auth.uid(), 'x' WHERE anon_auth.uid() IS NOT NULL ON CONFLICT DO NOTHING");

my @owner_sql = (
	(map { ("UPDATE anon_auth.settings SET promotion_conflict = '$_'") x 2 } qw(error login merge)),
	'UPDATE anon_auth.settings SET password_attempts_per_minute_per_ip = 5', 'UPDATE anon_auth.settings SET password_attempts_per_minute_per_ip = NULL',
	'UPDATE anon_auth.settings SET guest_sign_ups_per_minute = 100', 'UPDATE anon_auth.settings SET guest_sign_ups_per_minute = NULL',
	'UPDATE anon_auth.settings SET lockout_max_attempts = 2, lockout_minimum_seconds = 1, lockout_maximum_seconds = 1', 'UPDATE anon_auth.settings SET lockout_max_attempts = 0',
	'UPDATE anon_auth.settings SET trust_request_claims = NOT trust_request_claims', 'UPDATE anon_auth.settings SET check_session_on_request = NOT check_session_on_request',
	'UPDATE anon_auth.settings SET trusted_proxy_hops = 1 - least(trusted_proxy_hops, 1)', 'UPDATE anon_auth.settings SET public_sign_up_enabled = NOT public_sign_up_enabled',
	"UPDATE anon_auth.settings SET audience = 'https://api.example'", 'UPDATE anon_auth.settings SET audience = NULL',
	"UPDATE anon_auth.settings SET purge_policy = 'cascade'", "UPDATE anon_auth.settings SET purge_policy = 'skip'", "UPDATE anon_auth.settings SET guest_retention = '1 hour'",
	"UPDATE anon_auth.settings SET access_token_claims = 'fuzz.claims'", 'UPDATE anon_auth.settings SET access_token_claims = NULL', "UPDATE anon_auth.settings SET before_sign_up = 'fuzz.before_sign_up'",
	"UPDATE anon_auth.settings SET after_promotion = 'fuzz.after_promotion', merge = 'fuzz.merge'", 'UPDATE anon_auth.settings SET before_sign_up = NULL, after_promotion = NULL, merge = NULL',
	"UPDATE anon_auth.settings SET cookie_prefix = 'x_'", "UPDATE anon_auth.settings SET cookie_prefix = NULL", "UPDATE anon_auth.settings SET login_id_types = '{email}'",
	"UPDATE anon_auth.settings SET login_id_types = '{email,phone_number,username}'", 'UPDATE anon_auth.settings SET email_block_plus_sign = NOT email_block_plus_sign',
	"UPDATE anon_auth.clients SET refresh_token_rotation_grace_seconds = 0 WHERE client_id = 'rotating'", "UPDATE anon_auth.clients SET refresh_token_rotation_enabled = NOT refresh_token_rotation_enabled WHERE client_id = 'web'",
	"UPDATE anon_auth.clients SET max_concurrent_sessions = 1 - max_concurrent_sessions WHERE client_id = 'single'",
	'LOCK TABLE anon_auth.sessions IN SHARE MODE', 'LOCK TABLE anon_auth.users IN SHARE UPDATE EXCLUSIVE MODE', 'VACUUM anon_auth.sessions', 'ANALYZE anon_auth.users', 'REINDEX TABLE anon_auth.login_ids',
	'CHECKPOINT', 'SELECT * FROM anon_auth.stats', 'SELECT * FROM anon_auth.doctor()', 'CREATE INDEX ON fuzz.notes (note)', 'CLUSTER anon_auth.sessions USING sessions_pkey');

my @begin = (
	'BEGIN', 'BEGIN', 'BEGIN', 'BEGIN ISOLATION LEVEL READ COMMITTED', 'BEGIN ISOLATION LEVEL REPEATABLE READ', 'BEGIN ISOLATION LEVEL SERIALIZABLE', 'BEGIN READ ONLY',
	'BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY DEFERRABLE', 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');

my %roles = (app => [qw(fuzz_app fuzz_other none)], web => [qw(anon authenticated fuzz_authenticator none)], owner => [qw(fuzz_app none fuzz_owner)]);

sub sql { return { do => 'sql', sql => $_[0], values => [] }; }

sub other_step
{
	my ($self, $in_transaction) = @_;
	my $v = $self->{values};

	return $v->weighted(
		12 => sub { $self->parameter },
		$in_transaction ? (10 => sub { sql($v->pick('SAVEPOINT a', 'SAVEPOINT b', 'SAVEPOINT a', 'ROLLBACK TO a', 'ROLLBACK TO b', 'RELEASE a', 'RELEASE b')) }) : (),
		3 => sub { sql($v->pick(@temporary)) },
		5 => sub { sql($v->pick(@else)) },
		2 => sub { sql(($v->one_in(4) ? 'SET ROLE ' : 'SET LOCAL ROLE ') . $v->pick(@{ $roles{ $self->{who} } })) },
		1 => sub { { do => 'sql', sql => 'SELECT $1::text, $2::jsonb', values => [ $v->hostile('text'), $v->json ] } });
}

sub step
{
	my ($self, $in_transaction) = @_;
	my $v = $self->{values};

	return $self->other_step($in_transaction) if $v->one_in(4);
	return $self->http if $self->{who} eq 'web' && $v->below(4);
	if ($self->{who} eq 'owner')
	{
		return sql($v->one_in(3) ? $self->{restore} : $v->pick(@owner_sql)) if $v->one_in(3);
		return $self->call('owner') if $v->below(3);
	}
	# Functions that the role may not call are refused.
	return $self->call($v->weighted(40 => 'client', 1 => 'owner', 1 => 'http'));
}

=pod

=item $generator->transaction

Returns the next plan.

=back

=cut

sub transaction
{
	my ($self) = @_;
	my $v = $self->{values};
	my $begin = $v->below(5) < 3 ? undef : $v->pick(@begin);
	my @steps = map { $self->step(defined $begin) } 1 .. (defined $begin ? 1 + $v->below(7) : 1);

	# Set search_path, the most dangerous parameter, in many transactions.
	unshift @steps, $self->parameter('search_path') if $v->one_in(5);

	# A server with assertions crashes if waiting for a deferrable snapshot is
	# canceled in a subtransaction and retried (PostgreSQL 15.18, predicate.c).
	$begin .= '; SELECT 1' if defined $begin && $begin =~ /DEFERRABLE/;
	my $end = !defined $begin ? undef : $v->weighted(12 => 'COMMIT', 4 => 'ROLLBACK', 2 => 'PREPARE TRANSACTION', 1 => 'abandon');

	return { connection => $v->below(2), begin => $begin, steps => \@steps, end => $end, guarded => $v->below(2), reset => $v->below(2) };
}

1;
