=pod

=head1 NAME

AnonAuth::Browser - a client of the HTTP endpoints, for tests without PostgREST

=head1 SYNOPSIS

  use AnonAuth::Browser;

  my $browser = AnonAuth::Browser->new($node);
  my $answer = $browser->post_json('/api/anonymous_user/signup', { session_type => 'cookie' });

  is($answer->{status}, 200);
  is_deeply($answer->{json}, { result => {} });
  my $page = $browser->get('/oauth2/userinfo');	# with the cookies

=head1 DESCRIPTION

Runs a request in one transaction, as nginx and PostgREST would: it sets the
role and the C<request.*> settings, calls the pre-request function and the
endpoint, and reads the C<response.*> settings. Keeps cookies like a browser.
It respects Path, Max-Age and SameSite, but not Domain.

=cut

package AnonAuth::Browser;

use strict;
use warnings;

use AnonAuth::Device qw(sql_literal);
use JSON::PP ();

my $json = JSON::PP->new->canonical->utf8;

my %functions = (
	'/.well-known/openid-configuration' => 'openid_configuration',
	'/oauth2/jwks' => 'jwks',
	'/oauth2/challenge' => 'challenge',
	'/oauth2/token' => 'token',
	'/oauth2/userinfo' => 'userinfo',
	'/oauth2/revoke' => 'revoke',
	'/oauth2/authorize' => 'authorize',
	'/oauth2/end_session' => 'end_session',
	'/oauth2/app_session_token' => 'app_session_token',
	'/api/anonymous_user/signup' => 'anonymous_user_signup',
	'/api/anonymous_user/promotion_code' => 'anonymous_user_promotion_code',
	'/api/anonymous_user/claim' => 'anonymous_user_claim',
	'/api/login_code' => 'login_code',
	'/flows/promote_user' => 'promote_user',
	'/flows/login' => 'login',
	'/flows/forgot_password' => 'forgot_password',
	'/flows/sign_up' => 'sign_up',
	'/flows/code_link' => 'code_link',
	'/settings' => 'settings',
	'/settings/reauthenticate' => 'reauthenticate',
	'/resolve' => 'resolve');

=pod

=over

=item AnonAuth::Browser->new($node, headers => {...})

Every request has these headers.

=cut

sub new
{
	my ($class, $node, %options) = @_;

	return bless { node => $node, cookies => {}, headers => {}, %options }, $class;
}

=pod

=item $browser->cookies

A hash of name to [value, attributes], which tests may read and change.

=cut

sub cookies { return $_[0]{cookies}; }

# Percent-encodes all characters except the unreserved ones.
sub encode
{
	my ($value) = @_;

	utf8::encode($value) if utf8::is_utf8($value);
	$value =~ s/([^A-Za-z0-9_.~-])/sprintf '%%%02X', ord $1/ge;
	return $value;
}

=pod

=item form(name => value, ...)

Encodes the pairs as application/x-www-form-urlencoded.

=cut

sub form
{
	my @pairs;

	while (my ($name, $value) = splice @_, 0, 2)
	{
		push @pairs, encode($name) . '=' . encode($value);
	}
	return join '&', @pairs;
}

=pod

=item $browser->get($target, name => value, ...)

The target is a path or a URL, with or without a query. Arguments named
C<"Header-Name:"> are headers, all others are parameters.

=item $browser->post_form($target, name => value, ...)

To a settings page, it sends the field that names the user, unless the parameters have it.

=item $browser->post_json($target, $value, "Header-Name:" => value, ...)

Each returns a hash: status, headers (lower-case name to an array of values),
location, body, and json if the body is JSON. If the call raised an error, it
also has sqlstate and message.

=cut

sub _headers
{
	my ($arguments) = @_;
	my (%headers, @rest);

	while (my ($name, $value) = splice @$arguments, 0, 2)
	{
		if ($name =~ /^(.*):$/) { $headers{ lc $1 } = $value; }
		else { push @rest, $name, $value; }
	}
	@$arguments = @rest;
	return %headers;
}

sub get
{
	my ($self, $target, @arguments) = @_;
	my %headers = _headers(\@arguments);
	my $query = form(@arguments);

	$target .= ($target =~ /\?/ ? '&' : '?') . $query if $query ne '';
	return $self->request('GET', $target, undef, %headers);
}

sub post_form
{
	my ($self, $target, @arguments) = @_;
	my %headers = _headers(\@arguments);
	my %given = @arguments;

	push @arguments, $self->_form_owner($1) if !exists $given{x_user} && $target =~ m{^(.*?/settings)(?:[/?]|$)};
	return $self->request('POST', $target, form(@arguments),
		'content-type' => 'application/x-www-form-urlencoded', %headers);
}

sub post_json
{
	my ($self, $target, $value, @arguments) = @_;

	return $self->request('POST', $target, ref $value ? $json->encode($value) : $value,
		'content-type' => 'application/json', _headers(\@arguments));
}

# Returns the field of all forms of the settings pages, or nothing if nobody is logged in.
sub _form_owner
{
	my ($self, $settings) = @_;

	return $self->get("$settings/profile")->{body} =~ /name="(x_user)" value="([\w-]+)"/;
}

# RFC 6265, section 5.1.4.
sub _path_matches
{
	my ($path, $of_cookie) = @_;

	return $path eq $of_cookie || $path =~ m{^\Q$of_cookie\E} && ($of_cookie =~ m{/$} || $path =~ m{^\Q$of_cookie\E/});
}

# SameSite applies only to requests whose Sec-Fetch-Site header is cross-site.
sub _cookie_header
{
	my ($self, $method, $headers, $path) = @_;
	my $cross_site = ($headers->{'sec-fetch-site'} // '') eq 'cross-site';
	my %sent;

	for my $name (keys %{ $self->{cookies} })
	{
		my ($value, $attributes) = @{ $self->{cookies}{$name} };
		my $same_site = $attributes->{samesite} // '';

		next if defined $path && !_path_matches($path, $attributes->{path} // '/');
		next if $cross_site && ($same_site eq 'Strict' || $method ne 'GET');
		$sent{$name} = $value;
	}
	return \%sent;
}

sub _keep_cookie
{
	my ($self, $header) = @_;
	my ($pair, @attributes) = split /;\s*/, $header;
	my ($name, $value) = split /=/, $pair, 2;
	my %attributes = map { /^([^=]*)=?(.*)$/; lc $1 => $2 } @attributes;

	if (defined $attributes{'max-age'} && $attributes{'max-age'} <= 0)
	{
		delete $self->{cookies}{$name};
		return;
	}
	$self->{cookies}{$name} = [ $value, \%attributes ];
}

=pod

=item $browser->request($method, $target, $body, header => value, ...)

=cut

sub request
{
	my ($self, $method, $target, $body, %headers) = @_;
	my ($path, $query) = $target =~ m{^(?:https?://[^/]+)?([^?#]*)\??([^#]*)};
	my $function = $functions{$path} // $functions{ $path =~ s{(?<=.)/.*}{}r } // ($path =~ m{^/api/(account|passkey)/} ? $1 : undef) or die "no function for $path";
	my %sent = (%{ $self->{headers} }, %headers);
	my $cookies = $self->_cookie_header($method, \%sent, $path);

	$sent{"x-original-$_"} = delete $sent{$_} for grep { defined $sent{$_} } qw(content-type authorization accept);
	delete $sent{$_} for grep { !defined $sent{$_} } keys %sent;
	$sent{'x-original-method'} = $method;
	$sent{'x-original-path'} = $path;
	$sent{'x-original-query'} = $query if $query ne '';
	return $self->_transaction(
		"anon_auth_http.$function(" . sql_literal($body // '') . ')',
		method => 'POST', path => "/rpc/$function", headers => \%sent, cookies => $cookies);
}

=pod

=item $browser->sql($expression, method => 'GET', headers => {...})

Calls a function of the application as PostgREST would. The body is the value
of the SQL expression.

=cut

sub sql
{
	my ($self, $expression, %request) = @_;
	my %headers = (%{ $self->{headers} }, %{ $request{headers} // {} });
	my $method = $request{method} // 'GET';

	return $self->_transaction("$expression",
		%request, method => $method, path => '/rpc/own', headers => \%headers,
		cookies => $self->_cookie_header($method, \%headers));
}

sub _set
{
	my ($name, $value) = @_;

	return sprintf 'set_config(%s, %s, true)', sql_literal($name), sql_literal($value);
}

sub _transaction
{
	my ($self, $call, %request) = @_;
	my $claims = $request{claims} // { role => 'anon' };
	my $role = $claims->{role} // 'anon';
	my $settings = join ', ',
	  _set('role', $role),
	  _set('request.jwt.claims', $json->encode($claims)),
	  _set('request.method', $request{method}),
	  _set('request.path', $request{path}),
	  _set('request.headers', $json->encode($request{headers})),
	  _set('request.cookies', $json->encode($request{cookies}));
	my $mode = $request{method} =~ /^(?:GET|HEAD)$/ ? 'READ ONLY' : 'READ WRITE';
	my $script = join "\n",
	  '\set VERBOSITY verbose', "BEGIN $mode;",
	  "SELECT set_config('search_path', 'public', true), $settings \\g /dev/null",
	  'SELECT anon_auth.postgrest_pre_request() \g /dev/null',
	  "SELECT json_build_object('body', ($call)::text,"
	  . " 'role', current_user) AS answer \\gset",
	  "SELECT json_build_object('answer', :'answer'::json,"
	  . " 'status', current_setting('response.status', true),"
	  . " 'headers', nullif(current_setting('response.headers', true), '')::json);",
	  'COMMIT;';
	my ($stdout, $stderr) = ('', '');

	$self->{node}->psql('postgres', $script,
		on_error_stop => 1, stdout => \$stdout, stderr => \$stderr,
		connstr => $self->{node}->connstr('postgres') . ' user=authenticator');
	return _refused($stderr) if $stderr =~ /ERROR/;
	return $self->_answer($json->decode($stdout));
}

sub _refused
{
	my ($stderr) = @_;
	my ($sqlstate, $message) = $stderr =~ /ERROR:  ([0-9A-Z]{5}): (.*)/;

	return {
		sqlstate => $sqlstate,
		message => $message,
		status => $sqlstate =~ /^PT(\d{3})/ ? $1 : 500,
		headers => {},
		body => $stderr
	};
}

sub _answer
{
	my ($self, $result) = @_;
	my %headers;

	for my $header (@{ $result->{headers} // [] })
	{
		my ($name, $value) = %$header;

		push @{ $headers{ lc $name } }, $value;
		$self->_keep_cookie($value) if lc $name eq 'set-cookie';
	}
	my $type = ($headers{'content-type'} // [''])->[0];

	return {
		status => $result->{status} || 200,
		headers => \%headers,
		location => ($headers{location} // [])->[0],
		body => $result->{answer}{body},
		role => $result->{answer}{role},
		$type =~ /json/ ? (json => $json->decode(_bytes($result->{answer}{body}))) : ()
	};
}

sub _bytes
{
	my ($text) = @_;

	utf8::encode($text);
	return $text;
}

=pod

=back

=cut

1;
