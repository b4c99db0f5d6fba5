
=pod

=head1 NAME

AnonAuth::Programs - programs in several languages, with the packages that they need

=head1 SYNOPSIS

  my $programs = AnonAuth::Programs->new(
      source => "$FindBin::Bin/clients/oauth",
      directories => { node => 'node', go => 'go', python => 'python', java => 'java' });

  my $reason = $programs->missing('node');
  $programs->start_server('node', [qw(node server.mjs)], $uri, { PORT => ... }) if !$reason;

=head1 DESCRIPTION

new() copies a directory for each language and starts to install the packages that
its lock files name, for all languages at the same time.

=cut

package AnonAuth::Programs;

use strict;
use warnings;

use Carp;
use File::Basename ();
use File::Copy ();
use File::Spec ();
use HTTP::Tiny;
use IPC::Run ();
use JSON::PP ();
use PostgreSQL::Test::Cluster ();
use PostgreSQL::Test::Utils ();
use Time::HiRes qw(sleep);

# For each language: programs that are needed, a command that shows whether they
# can install packages or have them, and the installation. Some errors of the installation are
# not caused by the network or an old version.
my %languages = (
	node => {
		needs => [qw(node npm)],
		install => [qw(npm ci --legacy-peer-deps --ignore-scripts --no-audit --no-fund --fetch-retries=1)],
		ours => qr/\b(?:EUSAGE|EINTEGRITY|EJSONPARSE)\b/
	},
	go => {
		needs => ['go'],
		install => [qw(go build -mod=readonly -buildvcs=false -o program .)],
		ours => qr/\.go:\d+:\d+: |checksum mismatch|missing go\.sum entry/
	},
	python => {
		needs => ['python3'],
		usable => [qw(python3 -m pip --version)],
		install => [
			qw(python3 -m pip install --quiet --disable-pip-version-check --no-cache-dir --require-hashes
			  --only-binary :all: --target packages -r requirements.txt)
		],
		ours => qr/DO NOT MATCH THE HASHES/
	},
	java => {
		needs => [qw(java javac mvn)],
		install => [qw(sh install.sh)],
		ours => qr/Non-parseable POM|FAILED$|\.java:\d+: error/m
	},
	# Their packages are those of Debian.
	ruby => {
		needs => ['ruby'],
		usable => [qw(ruby -r pg -r connection_pool -r webrick -e 1)]
	},
	php => {
		needs => ['php'],
		usable => [ 'php', '-r', 'exit(extension_loaded("pdo_pgsql") ? 0 : 1);' ]
	});

=pod

=over

=item AnonAuth::Programs->new(source => $directory, directories => {}, files => {})

directories names the directory below source for each language; files names more
files for a language.

=cut

sub new
{
	my ($class, %options) = @_;
	my $self = bless {
		%options,
		directory => PostgreSQL::Test::Utils::tempdir('programs'),
		reasons => {},
		servers => [],
		installations => {} }, $class;

	for my $language (sort keys %{ $self->{directories} })
	{
		my ($missing) = grep { !_find($_) } @{ $languages{$language}{needs} };
		my $usable = $languages{$language}{usable};

		$self->_copy($language);
		if (defined $missing)
		{
			$self->{reasons}{$language} = "$missing is not installed";
		}
		elsif ($usable && !IPC::Run::run($usable, '<', \undef, '>', \my $output, '2>', \my $errors))
		{
			$self->{reasons}{$language} = "'@$usable' does not run";
		}
		elsif ($languages{$language}{install})
		{
			$self->_install($language);
		}
	}
	return $self;
}

=pod

=item $programs->missing($language)

Waits until the packages of the language are installed. Returns the reason if they
cannot be, as one line, else undef. Dies if the lock file or the source is wrong.

=cut

sub missing
{
	my ($self, $language) = @_;

	return $self->{reasons}{$language} if defined $self->{reasons}{$language};
	if (my $installation = delete $self->{installations}{$language})
	{
		$installation->{process}->finish;
		if ($installation->{process}->result(0))
		{
			my $output = ${ $installation->{output} };

			croak "$language: $output" if $output =~ $languages{$language}{ours};
			return $self->{reasons}{$language} = "the packages for $language cannot be installed: "
			  . ($output =~ /^((?:npm )?(?:error|ERR!|\[?ERROR\]?:?|go: ).*\S)/mi ? $1 : (split /\n/, $output)[-1] // '');
		}
	}
	return;
}

=pod

=item $programs->start_server($language, $command, $uri, \%environment)

Starts a server and waits until it answers at the URI. Returns the server. It ends
with $programs->stop_server($server), or with this process.

=cut

sub start_server
{
	my ($self, $language, $command, $uri, $environment) = @_;
	my $end = time() + $PostgreSQL::Test::Utils::timeout_default;
	my $output = '';
	my $server = $self->_start($language, [ qw(setpriv --pdeathsig TERM --), @$command ], $environment, \$output);

	push @{ $self->{servers} }, $server;
	while (HTTP::Tiny->new(timeout => 5)->get($uri)->{status} == 599)
	{
		croak "'@$command' does not answer: $output" if time() > $end || !$server->pumpable;
		sleep 0.05;
	}
	return $server;
}

sub stop_server
{
	my ($self, $server) = @_;

	$server->signal('TERM');
	$server->finish;
	$self->{servers} = [ grep { $_ != $server } @{ $self->{servers} } ];
	return;
}

=pod

=item $programs->run($language, $command, \%environment, $report)

Runs a program that prints its results as lines of JSON: C<{"name", "ok", "why"}> for
each test, and C<{"done": true}> at the end. Calls $report with each result. Returns
an error if the program did not run to its end, else undef.

=back

=cut

sub run
{
	my ($self, $language, $command, $environment, $report) = @_;
	my ($line, $done, $errors) = ('', 0, '');
	my $read = sub {
		$line .= $_[0];
		while ($line =~ s/^(.*)\n//)
		{
			my $result = eval { JSON::PP->new->utf8->decode($1) };

			if (!$result)
			{
				$errors .= "$1\n";
			}
			elsif ($result->{done})
			{
				$done = 1;
			}
			else
			{
				$report->($result);
			}
		}
	};
	my $process = $self->_start($language, $command, $environment, $read, \$errors);

	$process->finish;
	return if $done && !$process->result(0);
	return $errors || 'it ended early';
}

# The kernel ends the servers with this process. Keep $?, the exit status of the test.
sub DESTROY
{
	my ($self) = @_;

	local ($?, $@);
	eval {
		for my $process (@{ $self->{servers} }, map { $_->{process} } values %{ $self->{installations} })
		{
			$process->signal('TERM');
			$process->finish;
		}
	};
	return;
}

sub _find
{
	my ($program) = @_;

	return grep { -f "$_/$program" && -x _ } File::Spec->path;
}

sub _copy
{
	my ($self, $language) = @_;
	my $directory = "$self->{directory}/$language";

	mkdir $directory or croak "cannot make $directory: $!";
	for my $file (glob("$self->{source}/$self->{directories}{$language}/*"), @{ $self->{files}{$language} // [] })
	{
		File::Copy::copy($file, $directory) or croak "cannot copy $file: $!";
	}
	return;
}

sub _install
{
	my ($self, $language) = @_;
	my $output = '';

	# The caches are in the home directory, if there is one.
	local $ENV{HOME} = "$self->{directory}/$language"
	  if !defined $ENV{HOME} || !-d $ENV{HOME} || !-w $ENV{HOME};
	$self->{installations}{$language} = {
		output => \$output,
		process => $self->_start($language, $languages{$language}{install}, {}, \$output, \$output)
	};
	return;
}

sub _start
{
	my ($self, $language, $command, $environment, $output, $errors) = @_;

	local %ENV = (
		%ENV,
		GOTOOLCHAIN => 'local',
		GOFLAGS => '',
		CGO_ENABLED => 0,
		PYTHONPATH => "$self->{directory}/python/packages",
		PYTHONDONTWRITEBYTECODE => 1,
		%$environment);
	return IPC::Run::start(
		$command, '<', \undef, '>', $output, '2>', $errors // $output,
		init => sub { chdir "$self->{directory}/$language" or die "$self->{directory}/$language: $!" });
}

1;
