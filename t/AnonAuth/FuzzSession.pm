
=pod

=head1 NAME

AnonAuth::FuzzSession - executes the plans of AnonAuth::FuzzGenerator and checks the results

=head1 SYNOPSIS

  use AnonAuth::FuzzSession;

  my $session = AnonAuth::FuzzSession->new(
      node => $node, who => 'app', user => 'fuzz_app', admin => $superuser, name => 'w1',
      errors => $errors, pools => {}, devices => [...]);
  $session->run($generator->transaction) until time > $end;
  my $report = $session->finish;

=head1 DESCRIPTION

Has two connections, and a third one of a superuser that cancels statements
and terminates backends. Values that the server issues are added to the pools.
Later plans take their values from there.

The report's list of problems contains a text for each of these:

=over

=item * an error that L<AnonAuth::FuzzErrors> objects to;

=item * a damaged, expired or foreign token that a function has accepted;

=item * a token or a user other than the requested one;

=item * a connection that ends without a reason.

=back

The uses in the report are the single-use secrets, each with the number of
committed transactions that have used it.

=cut

package AnonAuth::FuzzSession;

use strict;
use warnings;

use AnonAuth::Browser;
use AnonAuth::Wire;
use Encode ();
use JSON::PP ();
use MIME::Base64 qw(decode_base64url);
use Time::HiRes qw(sleep time);

use constant POOL => 400;    # keep the newest of each kind
use constant REQUEST_SECONDS => 60;

my $json = JSON::PP->new->canonical->allow_nonref;

=pod

=over

=item AnonAuth::FuzzSession->new(%options)

=cut

sub new
{
	my ($class, %options) = @_;
	my $self = bless {
		%options, problems => [], uses => {}, states => {}, calls => 0, prepared => [], memory => [], doubtful => {} }, $class;

	$self->{admin_wire} = AnonAuth::Wire->new($self->{node}, $self->{admin});
	$self->connect($_) for 0, 1;
	return $self;
}

sub connect
{
	my ($self, $n) = @_;
	my $wire;

	# The backend of the previous connection may still be running.
	for my $try (1 .. 50)
	{
		last if $wire = eval { AnonAuth::Wire->new($self->{node}, $self->{user}) };
		sleep 0.1;
	}
	die "cannot connect: $@" if !$wire;
	$self->{wires}[$n] = { wire => $wire, status => 'I', pending => [], statements => {} };
	return;
}

sub problem
{
	my ($self, $what) = @_;

	push @{ $self->{problems} }, $what if @{ $self->{problems} } < 50;
	return;
}

# ---------------------------------------------------------------------------
# Values
# ---------------------------------------------------------------------------

sub changed
{
	my ($value, $change) = @_;
	my $at = int($change->{at} * length $value);

	return $value . $change->{with} if $change->{how} eq 'extend' || $value eq '';
	return substr $value, 0, $at if $change->{how} eq 'truncate';
	return uc $value if $change->{how} eq 'upper';
	return substr($value, 0, $at) . $change->{with} . substr($value, $at) if $change->{how} eq 'insert';
	my $old = substr $value, $at, 1;
	return substr($value, 0, $at) . ($old eq 'A' ? 'B' : 'A') . substr $value, $at + 1;
}

# The newest values are the most likely.
sub from_pool
{
	my ($self, $name, $at) = @_;
	my $pool = $self->{pools}{$name};

	return if !$pool || !@$pool;
	return $pool->[ int((1 - (1 - $at)**2) * @$pool) ];
}

sub signed_request
{
	my ($self, $spec) = @_;
	my $device = $self->{devices}[ $spec->{device} ];

	if ($spec->{again})
	{
		my $old = $self->from_pool("request $spec->{action}", $spec->{at});

		return $old if defined $old;
	}
	my $challenge = $self->from_pool('challenge', $spec->{at}) // 'none';
	my $payload = { exp => CORE::time() + REQUEST_SECONDS };

	for my $name (keys %{ $spec->{payload} // {} })
	{
		my $value = $self->value($spec->{payload}{$name});

		$payload->{$name} = defined $value ? Encode::decode('UTF-8', substr $value, 0, 10_000) : AnonAuth::Device::json_null();
	}
	my $jwt = $device->request(challenge => $challenge, action => $spec->{action}, with_jwk => $spec->{with_jwk}, payload => $payload);
	$self->issue("request $spec->{action}", $jwt);
	return $jwt;
}

# Bytes, or undef for NULL. Adds values from a pool to $self->{used}.
sub value
{
	my ($self, $spec) = @_;
	my $is = $spec->{is};

	return undef if $is eq 'null' || $is eq 'omitted';    ## no critic: it is called in lists
	return $spec->{text} if $is eq 'text';
	return $spec->{before} . $spec->{text} x $spec->{times} . $spec->{after} if $is eq 'repeat';
	return join '', map { $self->value($_) // '' } @{ $spec->{parts} } if $is eq 'concat';
	if ($is eq 'form' || $is eq 'json')
	{
		my @pairs = @{ $spec->{pairs} };
		my (@form, %members);

		while (my ($name, $member) = splice @pairs, 0, 2)
		{
			my $value = $self->value($member) // '';

			push @form, $name, $value;
			$members{$name} = Encode::decode('UTF-8', $value);
		}
		return $is eq 'form' ? AnonAuth::Browser::form(@form) : Encode::encode('UTF-8', $json->encode(\%members));
	}
	my $original = $is eq 'request' ? $self->signed_request($spec) : $self->from_pool($spec->{pool}, $spec->{at});
	return 'nothing' if !defined $original;
	my $value = $spec->{change} ? changed($original, $spec->{change}) : $original;

	push @{ $self->{used} }, { pool => $spec->{pool} // 'request', value => $value, intact => $value eq $original };
	return $value;
}

# ---------------------------------------------------------------------------
# Values that the server has issued
# ---------------------------------------------------------------------------

sub issue
{
	my ($self, $pool, $value) = @_;

	return if !defined $value || $value eq '';
	push @{ $self->{pools}{$pool} }, $value;
	shift @{ $self->{pools}{$pool} } if @{ $self->{pools}{$pool} } > POOL;
	push @{ $self->{new}{$pool} }, $value;
	return;
}

sub harvest_row
{
	my ($self, $function, $row) = @_;

	$self->issue($_, $row->{$_}) for qw(refresh_token access_token id_token promotion_code sub);
	$self->issue(authorization_code => $row->{code}) if $function =~ /authorize_promotion/;
	$self->issue(challenge => $row->{token}) if $function =~ /create_challenge/;
	$self->issue(one_time_code => $row->{code}) if $function =~ /take_outbox/;
	return;
}

# Adds the values in the body and the response headers of an endpoint.
sub harvest_response
{
	my ($self, $body, $headers) = @_;
	my $answer = eval { JSON::PP->new->decode($body // '') };
	my %cookies;

	$answer = $answer->{result} if ref $answer eq 'HASH' && ref $answer->{result} eq 'HASH';
	if (ref $answer eq 'HASH')
	{
		$self->issue($_, $answer->{$_}) for grep { !ref $answer->{$_} } qw(refresh_token access_token id_token promotion_code);
		$self->issue(challenge => $answer->{token}) if !ref $answer->{token};
	}
	my $list = eval { JSON::PP->new->decode($headers // '') };
	return if ref $list ne 'ARRAY';
	for my $header (grep { ref $_ eq 'HASH' } @$list)
	{
		my ($name, $value) = %$header;

		next if !defined $value;
		$self->issue(location => $1) if lc $name eq 'location' && $value =~ /\?([^#]*x_ref=[^#]*)/;
		$self->issue(authorization_code => $1) if lc $name eq 'location' && $value =~ /[?&]code=([\w-]+)/;
		$cookies{$1} = $2 if lc $name eq 'set-cookie' && $value =~ /^([^=]+)=([^;]+)/;
	}
	$self->issue(cookies => $json->encode({ %{ $self->{cookies} // {} }, %cookies })) if %cookies;
	$self->{cookies} = \%cookies if %cookies && !$self->{cookies};
	return;
}

# ---------------------------------------------------------------------------
# Statements
# ---------------------------------------------------------------------------

# Runs one statement. Returns its result, or undef if the connection was lost.
sub execute
{
	my ($self, $n, $interrupt, $function, $run) = @_;
	my $connection = $self->{wires}[$n];
	my $wire = $connection->{wire};
	my $result;

	$self->{calls}++;
	@{ $wire->{said} } = ();
	if (!eval { $result = $run->($wire, $interrupt); 1 })
	{
		my $last = $wire->{said}[-1] // {};

		$self->problem("a connection is gone: $@ " . join(' ', %$last) . "\n    " . $self->what) if !$wire->{terminated} && ($last->{C} // '') ne '57P01';
		$self->{states}{ $last->{C} // 'gone' }++;
		$self->connect($n);
		return;
	}
	$connection->{status} = $result->{status};
	for my $message (@{ $result->{notices} })
	{
		my ($state) = $message->{M} =~ /^caught (\w{5})/;

		# The notice has no source file to check.
		$self->judge($function, { C => $state, M => $message->{M} }) if $state && $state =~ /^(?:XX|F|EV)/;
	}
	if ($result->{error})
	{
		$self->{states}{ $result->{error}{C} }++;
		$self->judge($function, $result->{error});
	}
	else
	{
		$self->{states}{'00000'}++;
		$self->{by_function}{ $function->{name} }{'00000'}++ if $function;
	}
	return $result;
}

sub judge
{
	my ($self, $function, $error) = @_;
	my $objection = $self->{errors}->objection($function && $function->{name}, $error);

	$self->{by_function}{ $function ? $function->{name} : 'SQL' }{ $error->{C} }++;
	$self->problem(($function ? "$function->{name}: " : 'SQL: ') . "$objection\n    " . $self->what) if defined $objection;
	return;
}

# The current statement, for a person to repeat.
sub what
{
	my ($self) = @_;

	return join ' ', map { !defined $_ ? 'NULL' : length $_ > 2000 ? substr($_, 0, 300) . '... (' . length($_) . ' bytes)' : $_ =~ s/([^ -~])/sprintf '\\x%02x', ord $1/ger }
	  "[$self->{name}]", @{ $self->{statement} };
}

sub statement_of
{
	my ($self, $n, $sql, @values) = @_;

	# Lengths are in bytes.
	for ($sql, @values)
	{
		utf8::encode($_) if defined $_ && !utf8::downgrade($_, 1);
	}
	$self->{statement} = [ $sql, @values ];
	return sub {
		my ($wire, $interrupt) = @_;

		$wire->begin($sql, @values);
		$self->interrupt($wire, $interrupt) if $interrupt;
		return $wire->end;
	};
}

sub interrupt
{
	my ($self, $wire, $interrupt) = @_;
	my ($how, $milliseconds) = @$interrupt;

	$wire->{terminated} = 1 if $how eq 'terminate';
	sleep $milliseconds / 1000;
	$self->{admin_wire}->run("SELECT pg_${how}_backend(\$1)", $wire->pid);
	return;
}

# ---------------------------------------------------------------------------
# Calls
# ---------------------------------------------------------------------------

# Qualified names: with a temporary type of the same name, a cast could fail and
# show the value.
my %types = (
	boolean => 'pg_catalog.bool', integer => 'pg_catalog.int4', bigint => 'pg_catalog.int8',
	map { $_ => "pg_catalog.$_" } qw(text text[] jsonb json uuid name regrole regclass));

# The call, with an expression for each argument that is passed.
sub expression
{
	my ($step, $argument) = @_;
	my $n = 0;
	my $function = $step->{function};

	return "$function->{name}(" . join(', ', map { ($_->[0] eq '' ? '' : "$_->[0] => ") . $argument->(++$n, $types{ $_->[1] } // $_->[1]) }
		  grep { $_->[2]{is} ne 'omitted' } @{ $step->{arguments} }) . ')';
}

my %statements = (
	from => 'SELECT * FROM %s',
	select => 'SELECT %s',
	where => 'SELECT g FROM pg_catalog.generate_series(1, 3) g WHERE %s IS NOT NULL',
	order => 'SELECT g FROM pg_catalog.generate_series(1, 3) g ORDER BY %s IS NULL, g',
	lateral => 'SELECT * FROM pg_catalog.generate_series(1, 2) g, LATERAL %s r',
	cte => 'WITH c AS MATERIALIZED (SELECT %s AS r) SELECT * FROM c a, c b',
	explain => 'EXPLAIN (ANALYZE, VERBOSE, COSTS OFF) SELECT %s',
	insert => "INSERT INTO fuzz.scratch SELECT (%s)::pg_catalog.text RETURNING *",
	aggregate => 'SELECT pg_catalog.count(%s) FROM pg_catalog.generate_series(1, 2)',
	case => 'SELECT CASE WHEN %s IS NULL THEN 1 ELSE 2 END',
	union => 'SELECT (%s)::pg_catalog.text UNION ALL SELECT NULL',
	table => 'CREATE TEMP TABLE fuzz_made AS SELECT * FROM %s r',
	parallel => 'SELECT pg_catalog.count(*) FROM fuzz.big WHERE %s IS NULL');

sub call
{
	my ($self, $n, $step) = @_;
	my $function = $step->{function};
	my @given = grep { $_->[2]{is} ne 'omitted' } @{ $step->{arguments} };
	my $form = $step->{form};
	my $run;

	$self->{used} = [];
	my @values = map { $self->value($_->[2]) } @given;
	my $call = expression($step, sub { my ($i, $type) = @_; "\$$i\::$type" });
	if ($form eq 'do' || $form eq 'copy' || $form eq 'simple')
	{
		# These statements have no parameters, and secrets must not be in their
		# text.
		my $setting = $self->statement_of($n, 'SELECT ' . join(', ', 'NULL', map { "fuzz.set_argument($_, \$$_)" } 1 .. @values), @values);
		my $set = $self->execute($n, undef, undef, $setting);

		return if !$set || $set->{error};
		$call = expression($step, sub { my ($i, $type) = @_; "fuzz.argument($i)::$type" });
		my $sql =
			$form eq 'do' ? "DO \$fuzz\$ BEGIN FOR i IN 1 .. 3 LOOP BEGIN PERFORM * FROM $call; EXCEPTION WHEN OTHERS THEN "
		  . "RAISE NOTICE 'caught % %', SQLSTATE, SQLERRM; END; END LOOP; END \$fuzz\$"
		  : $form eq 'copy' ? "COPY (SELECT $call) TO STDOUT"
		  : "SELECT * FROM $call; SELECT 1";

		$self->{statement} = [ $sql, @values ];
		$run = sub { $_[0]->simple($sql) };
	}
	elsif ($form eq 'prepared')
	{
		my $sql = "SELECT * FROM $call";
		my $connection = $self->{wires}[$n];
		my $name = $connection->{statements}{$sql};

		utf8::downgrade($sql);
		if (!defined $name)
		{
			$name = 's' . ++$self->{statement_count};
			$self->{statement} = [ $sql, @values ];
			my $prepared = $self->execute($n, undef, $function, sub { $_[0]->prepare($name, $sql) });
			return if !$prepared || $prepared->{error};
			$connection->{statements}{$sql} = $name;
		}
		$self->{statement} = [ $sql, @values ];
		$run = sub { $_[0]->begin_prepared($name, @values); $self->interrupt($_[0], $_[1]) if $_[1]; $_[0]->end };
	}
	elsif ($form eq 'cursor' || $form eq 'hold')
	{
		my $sql = 'DECLARE fuzz_cursor ' . ($form eq 'hold' ? 'SCROLL CURSOR WITH HOLD' : 'SCROLL CURSOR') . " FOR SELECT * FROM $call";
		my $declared = $self->execute($n, undef, $function, $self->statement_of($n, $sql, @values));

		return if !$declared || $declared->{error};
		$run = $self->statement_of($n, 'FETCH 2 FROM fuzz_cursor');
	}
	else
	{
		my $sql = $form eq 'expand' ? ($function->{composite} ? 'SELECT (%s).*' : 'SELECT %s') : $statements{$form};

		$run = $self->statement_of($n, sprintf($sql, $call), @values);
	}
	my @used = @{ $self->{used} };
	my $result = $self->execute($n, $step->{interrupt}, $function, $run);
	return if !$result || $result->{error} || $form !~ /^(?:from|prepared)$/;
	my $row = $result->{rows}[0] // {};

	$self->harvest_row($function->{name}, $_) for @{ $result->{rows} };
	$self->issue(kid => (values %$row)[0]) if $function->{name} =~ /(?:create|rotate|import)_signing_key$/;
	$self->check($n, $function->{name}, $row, @used);
	return;
}

my $takes_tokens = qr/^anon_auth\.(?:refresh_session|create_promotion_code|promote_anonymous_user|authorize_promotion|authenticate_anonymously|userinfo|use_access_token|verify_jwt|exchange_authorization_code|request_verification)$/;

# The pool that a successful function must have taken its argument from.
my %right = (
	'anon_auth.refresh_session' => qr/^refresh_token$/,
	'anon_auth.create_promotion_code' => qr/^refresh_token$/,
	'anon_auth.promote_anonymous_user' => qr/^(?:refresh_token|promotion_code|request)$/,
	'anon_auth.authorize_promotion' => qr/^(?:refresh_token|promotion_code|request)$/,
	'anon_auth.authenticate_anonymously' => qr/^(?:refresh_token|request)$/,
	'anon_auth.exchange_authorization_code' => qr/^authorization_code$/,
	'anon_auth.userinfo' => qr/^access_token$/,
	'anon_auth.use_access_token' => qr/^access_token$/,
	'anon_auth.verify_jwt' => qr/^(?:access_token|id_token)$/,
	'anon_auth.request_verification' => qr/^access_token$/);

# The user id inside a refresh token.
sub owner_of
{
	my ($token) = @_;
	my $bytes = decode_base64url($token);

	return join '-', unpack 'H8H4H4H4H12', substr $bytes, 0, 16;
}

sub check
{
	my ($self, $n, $name, $row, @used) = @_;
	my $rows = grep { defined } values %$row;

	return if !$rows;
	if ($name =~ $takes_tokens)
	{
		$self->problem("$name has accepted a damaged $_->{pool}\n    " . $self->what) for grep { !$_->{intact} } @used;
		$self->problem("$name has accepted a value of the pool $_->{pool}\n    " . $self->what) for grep { $_->{pool} !~ $right{$name} } @used;
	}
	my ($token) = map { $_->{value} } grep { $_->{pool} eq 'refresh_token' } @used;
	$self->problem("$name has answered for another user\n    " . $self->what)
	  if $name eq 'anon_auth.refresh_session' && defined $token && $row->{sub} ne owner_of($token);
	my ($access) = map { $_->{value} } grep { $_->{pool} eq 'access_token' } @used;
	if ($name eq 'anon_auth.use_access_token' && defined $access)
	{
		my ($sub) = decode_base64url((split /\./, $access)[1]) =~ /"sub":"([^"]+)"/;

		$self->problem("use_access_token() has answered for another user\n    " . $self->what) if $row->{use_access_token} ne $sub;
	}

	my ($once) =
		$name eq 'anon_auth.exchange_authorization_code' ? grep { $_->{pool} eq 'authorization_code' } @used
	  : $name eq 'anon_auth.authenticate_anonymously' ? grep { $_->{pool} eq 'request' } @used
	  : $name =~ /reset_password|verify_login_id/ && ((values %$row)[0] // '') eq 't' ? map { +{ value => join ' ', map { $_->{value} } @used } } $used[0] || ()
	  : ();
	$self->note_use($n, "$name $once->{value}") if $once;
	return;
}

sub note_use
{
	my ($self, $n, $use) = @_;
	my $connection = $self->{wires}[$n];

	push @{ $connection->{pending} }, $use;
	$self->settle($connection) if $connection->{status} eq 'I';
	return;
}

# The same for an endpoint.
sub check_response
{
	my ($self, $n, $name, $status, @used) = @_;

	return if $name ne 'anon_auth_http.token' || $status ne '200';
	$self->problem("the token endpoint has accepted a damaged $_->{pool}\n    " . $self->what) for grep { !$_->{intact} } @used;
	for my $use (@used)
	{
		my $function = { request => 'authenticate_anonymously', authorization_code => 'exchange_authorization_code' }->{ $use->{pool} };

		$self->note_use($n, "anon_auth.$function $use->{value}") if $function;
	}
	return;
}

# Counts the values that a committed transaction has used.
sub settle
{
	my ($self, $connection) = @_;

	$self->{uses}{$_}++ for @{ $connection->{pending} };
	$connection->{pending} = [];
	return;
}

# ---------------------------------------------------------------------------
# Requests
# ---------------------------------------------------------------------------

sub http
{
	my ($self, $n, $step) = @_;
	my $function = $step->{function};
	my $own = $self->{wires}[$n]{status} eq 'I';

	$self->{used} = [];
	my ($headers, $cookies, $claims) = map { $self->value($step->{$_}) } qw(headers cookies claims);
	$self->{used} = [];
	my $body = $self->value($step->{body});
	my @used = @{ $self->{used} };
	my $role = defined $claims && $claims =~ /"authenticated"/ ? 'authenticated' : 'anon';
	my @settings = (
		[ role => $role ], [ 'request.method' => $step->{method} ], [ 'request.path' => '/rpc/x' ], [ 'request.headers' => $headers ],
		[ 'request.cookies' => $cookies ], [ 'request.jwt.claims' => $claims ]);
	my $i = 0;
	my @statements = (
		$own ? [ undef, 'BEGIN' ] : (),
		[ undef, 'SELECT ' . join(', ', map { $i += 2; sprintf 'pg_catalog.set_config($%d, $%d, true)', $i - 1, $i } @settings), map { @$_ } @settings ],
		$step->{pre_request} ? [ { name => 'anon_auth.postgrest_pre_request' }, 'SELECT anon_auth.postgrest_pre_request()' ] : ());
	for my $statement (@statements)
	{
		my ($called, @sql) = @$statement;
		my $result = $self->execute($n, undef, $called, $self->statement_of($n, @sql));

		return if !$result;
		last if $result->{error};
	}
	if ($self->{wires}[$n]{status} eq 'T')
	{
		my $call = $function->{name} =~ /postgrest_pre/ ? "$function->{name}()" : "$function->{name}(\$1)::pg_catalog.text";
		my $result = $self->execute($n, $step->{interrupt}, $function, $self->statement_of($n, "SELECT $call AS body", $call =~ /\$1/ ? $body : ()));

		return if !$result;
		if (!$result->{error})
		{
			my $response = $self->execute($n, undef, undef,
				$self->statement_of($n, q{SELECT pg_catalog.current_setting('response.headers', true) AS headers, pg_catalog.current_setting('response.status', true) AS status}));

			return if !$response;
			my $row = $response->{rows}[0] // {};
			my $status = $row->{status} // '';

			$self->{states}{"HTTP $status"}++ if $status =~ /^\d{3}$/;
			$self->{statement} = [ "$step->{method} $function->{name}, answered $status", $headers, $cookies, $body, $result->{rows}[0]{body} ];
			$self->check_response($n, $function->{name}, $status, @used);
			$self->harvest_response($result->{rows}[0]{body}, $row->{headers}) if length($result->{rows}[0]{body} // '') < 20_000;
		}
	}
	$self->execute($n, undef, undef, $self->statement_of($n, 'COMMIT')) if $own;
	return;
}

# ---------------------------------------------------------------------------
# Transactions
# ---------------------------------------------------------------------------

=pod

=item $session->run($plan)

=cut

sub run
{
	my ($self, $plan) = @_;
	my $n = $plan->{connection};
	my $connection = $self->{wires}[$n];

	if (defined $plan->{begin})
	{
		$self->{statement} = [ $plan->{begin} ];
		$self->execute($n, undef, undef, sub { $_[0]->simple($plan->{begin}) }) or return;
	}
	for my $step (@{ $plan->{steps} })
	{
		# In a failed transaction, most steps would only get the error that it
		# has failed.
		next if $connection->{status} eq 'E' && !$step->{even_then} && !($step->{sql} && $step->{sql} =~ /^(?:ROLLBACK|RELEASE|SAVEPOINT)/);
		my $guarded = $plan->{guarded} && $connection->{status} eq 'T';
		my $pending = @{ $connection->{pending} };
		if ($guarded) { $self->execute($n, undef, undef, $self->statement_of($n, 'SAVEPOINT guard')) or return; }
		if ($step->{do} eq 'call') { $self->call($n, $step); }
		elsif ($step->{do} eq 'http') { $self->http($n, $step); }
		else
		{
			$self->{used} = [];
			$self->execute($n, undef, undef, $self->statement_of($n, $step->{sql}, map { $self->value($_) } @{ $step->{values} }));
			# The test does not track the values that the transaction used
			# before this statement.
			$connection->{pending} = [] if $step->{sql} =~ /^(?:ROLLBACK|COMMIT|BEGIN)/;
		}
		return if $self->{wires}[$n] != $connection;
		next if !$guarded || $connection->{status} ne 'E';
		$self->execute($n, undef, undef, $self->statement_of($n, 'ROLLBACK TO guard')) or return;
		splice @{ $connection->{pending} }, $pending;
	}
	$self->end_transaction($n, $plan->{end});
	return if !$plan->{reset} || $self->{wires}[$n] != $connection;
	for my $reset ('RESET SESSION AUTHORIZATION', 'RESET ALL')
	{
		$self->execute($n, undef, undef, $self->statement_of($n, $reset)) or return;
	}
	return;
}

sub end_transaction
{
	my ($self, $n, $end) = @_;
	my $connection = $self->{wires}[$n];

	if (($end // '') eq 'abandon')
	{
		CORE::close $connection->{wire}{socket};
		$self->connect($n);
		return;
	}
	if (($end // '') eq 'PREPARE TRANSACTION' && $connection->{status} eq 'T')
	{
		my $gid = "fuzz $self->{name} " . ++$self->{gid};
		my $result = $self->execute($n, undef, undef, $self->statement_of($n, "PREPARE TRANSACTION '$gid'"));

		$self->finish_prepared if @{ $self->{prepared} };
		return if !$result || $self->{wires}[$n] != $connection;
		# The transaction stays prepared during the next one.
		push @{ $self->{prepared} }, [ $gid, @{ $connection->{pending} } ] if !$result->{error};
		$connection->{pending} = [];
		return;
	}
	$self->finish_prepared if @{ $self->{prepared} };
	if ($connection->{status} ne 'I')
	{
		my $result = $self->execute($n, undef, undef, $self->statement_of($n, $end && $end eq 'COMMIT' ? 'COMMIT' : 'ROLLBACK'));

		return if !$result;
		$self->settle($connection) if !$result->{error} && ($result->{tag} // '') eq 'COMMIT';
	}
	$connection->{pending} = [];
	return;
}

sub finish_prepared
{
	my ($self) = @_;

	for my $prepared (splice @{ $self->{prepared} })
	{
		my ($gid, @pending) = @$prepared;
		my $commit = $gid =~ /[02468]$/;
		my $result = $self->{admin_wire}->run(($commit ? 'COMMIT' : 'ROLLBACK') . " PREPARED '$gid'");

		$self->problem("'$gid' cannot be finished: $result->{error}{M}") if $result->{error};
		if ($commit) { $self->{uses}{$_}++ for @pending; }
	}
	return;
}

=pod

=item $session->sample_memory

Records the memory of the idle backends: a list of pid, bytes in memory
contexts, kB of anonymous memory.

=cut

sub sample_memory
{
	my ($self) = @_;

	for my $n (0, 1)
	{
		# A backend that was terminated can have answered before it ends.
		$self->connect($n) if $self->{wires}[$n]{wire}{terminated};
		my $connection = $self->{wires}[$n];
		my $wire = $connection->{wire};

		$wire->run('ROLLBACK') if $connection->{status} ne 'I';
		$wire->run('SET statement_timeout = 0');
		$wire->run('RESET SESSION AUTHORIZATION');
		$wire->run('DISCARD ALL');
		$connection->{statements} = {};
		my $bytes = $wire->run('SELECT fuzz.memory() AS bytes')->{rows}[0]{bytes};
		my ($rss) = PostgreSQL::Test::Utils::slurp_file('/proc/' . $wire->pid . '/status') =~ /^RssAnon:\s+(\d+)/m;

		push @{ $self->{memory} }, [ $wire->pid, $bytes, $rss ];
		@$connection{qw(status pending)} = ('I', []);
	}
	return;
}

=pod

=item $session->finish

Ends the connections. Returns the report: a hash of problems, uses, states
(the number of each SQLSTATE and HTTP status), by_function, calls, new (the
issued values by pool) and memory.

=back

=cut

sub finish
{
	my ($self) = @_;

	$self->finish_prepared;
	$self->sample_memory;
	eval { $_->{wire}->close } for @{ $self->{wires} };
	$self->{admin_wire}->close;
	return { map { $_ => $self->{$_} // {} } qw(problems uses states by_function calls new memory) };
}

1;
