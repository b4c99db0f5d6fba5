
=pod

=head1 NAME

AnonAuth::OAuthClients - programs in t/clients/oauth that use OAuth libraries

=head1 SYNOPSIS

  my $clients = AnonAuth::OAuthClients->new;

  $clients->start_driver(ORIGIN => ...);
  for my $program ($clients->programs)
  {
      my $reason = $clients->missing($program);
      my $error = $clients->run($program, sub { my ($result) = @_; ... }) if !$reason;
  }

=head1 DESCRIPTION

Each program is written in the language of its libraries and prints its results
as lines of JSON: C<{"name", "ok", "why"}> for each test, and C<{"done": true}> at
the end. new() starts to install the packages that the lock files name, for all
languages at the same time.

=cut

package AnonAuth::OAuthClients;

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

my $source = File::Basename::dirname(__FILE__) . '/../clients/oauth';

# For each language: programs that are needed, a command that shows whether they
# can install packages, and the installation. Some errors of the installation are
# not caused by the network or an old version.
my %languages = (
	node => {
		needs => [qw(node npm)],
		install => [qw(npm ci --legacy-peer-deps --ignore-scripts --no-audit --no-fund --fetch-retries=1)],
		ours => qr/\b(?:EUSAGE|EINTEGRITY|EJSONPARSE)\b/
	},
	go => {
		needs => ['go'],
		install => [qw(go build -mod=readonly -buildvcs=false -o client .)],
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
	});

my @programs = (
	{ language => 'node', name => 'openid-client-6', command => [qw(node openid-client-6.mjs)] },
	{ language => 'node', name => 'openid-client-5', command => [qw(node openid-client-5.mjs)] },
	{ language => 'node', name => 'oauth4webapi', command => [qw(node oauth4webapi.mjs)] },
	{ language => 'node', name => 'oidc-client-ts', command => [qw(node oidc-client-ts.mjs)], needs => 'chromium' },
	{ language => 'node', name => '@authgear/web', command => [qw(node authgear-web.mjs)], needs => 'chromium' },
	{ language => 'node', name => '@authgear/capacitor', command => [qw(node capacitor.mjs)], needs => 'chromium' },
	{ language => 'node', name => '@authgear/react-native', command => [qw(node react-native.mjs)] },
	{ language => 'go', name => 'go-oidc', command => [qw(env ./client)] },
	{ language => 'python', name => 'Authlib', command => [qw(python3 client.py)] },
	{ language => 'java', name => 'Nimbus', command => [ 'java', '-cp', 'target/*:.', 'Client' ] });

=pod

=over

=item AnonAuth::OAuthClients->new

=cut

sub new
{
	my ($class) = @_;
	my $self = bless {
		directory => PostgreSQL::Test::Utils::tempdir('oauth'),
		reasons => {},
		installations => {} }, $class;

	for my $language (sort keys %languages)
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
		else
		{
			$self->_install($language);
		}
	}
	return $self;
}

=pod

=item $clients->start_driver(%environment)

Starts driver.mjs, which logs in for the programs. ORIGIN, DATABASE and DRIVER
(its URI) are variables in the environment of all programs. Returns the reason if
this is not possible, else undef.

=cut

sub start_driver
{
	my ($self, %environment) = @_;
	my $reason = $self->missing({ language => 'node' });
	my $end = time() + $PostgreSQL::Test::Utils::timeout_default;

	return $reason if defined $reason;
	$self->{environment} = \%environment;
	$self->{driver} = $self->_start('node', [qw(setpriv --pdeathsig TERM -- node driver.mjs)], \my $output);
	until (HTTP::Tiny->new(timeout => 5)->get($environment{DRIVER})->{success})
	{
		croak "driver.mjs does not answer: $output" if time() > $end || !$self->{driver}->pumpable;
		sleep 0.05;
	}
	return;
}

=pod

=item $clients->programs

=item $clients->missing($program)

Waits until the packages of the program are installed. Returns the reason if the
program cannot run, as one line, else undef. Dies if the lock file or the source
is wrong.

=cut

sub programs { return @programs; }

sub missing
{
	my ($self, $program) = @_;
	my $language = $program->{language};

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
	return "$program->{needs} is not installed" if $program->{needs} && !_find($program->{needs});
	return;
}

=pod

=item $clients->run($program, $report)

Calls $report with each result. Returns an error if the program did not run to its
end, else undef.

=back

=cut

sub run
{
	my ($self, $program, $report) = @_;
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
	my $process = $self->_start($program->{language}, $program->{command}, $read, \$errors);

	$process->finish;
	return if $done && !$process->result(0);
	return $errors || 'it ended early';
}

# The kernel ends the driver with this process. Keep $?, the exit status of the test.
sub DESTROY
{
	my ($self) = @_;

	local ($?, $@);
	eval {
		for my $process ($self->{driver} // (), map { $_->{process} } values %{ $self->{installations} })
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
	for my $file (glob("$source/$language/*"), $language eq 'node' ? "$source/../../browser/browser.mjs" : ())
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
		process => $self->_start($language, $languages{$language}{install}, \$output, \$output)
	};
	return;
}

sub _start
{
	my ($self, $language, $command, $output, $errors) = @_;

	local %ENV = (
		%ENV,
		GOTOOLCHAIN => 'local',
		GOFLAGS => '',
		CGO_ENABLED => 0,
		PYTHONPATH => "$self->{directory}/python/packages",
		PYTHONDONTWRITEBYTECODE => 1,
		%{ $self->{environment} // {} });
	return IPC::Run::start(
		$command, '<', \undef, '>', $output, '2>', $errors // $output,
		init => sub { chdir "$self->{directory}/$language" or die "$self->{directory}/$language: $!" });
}

1;
