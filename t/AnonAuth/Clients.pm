
=pod

=head1 NAME

AnonAuth::Clients - the programs in t/clients and their npm packages

=head1 SYNOPSIS

  my $reason = AnonAuth::Clients->missing;
  plan skip_all => $reason if $reason;

  my $answer = AnonAuth::Clients->new->run('jose', { task => ... });

=head1 DESCRIPTION

Each program reads JSON from standard input and writes JSON to standard output.

=cut

package AnonAuth::Clients;

use strict;
use warnings;

use Carp;
use File::Basename ();
use File::Copy ();
use IPC::Run ();
use JSON::PP ();
use PostgreSQL::Test::Utils ();

my $source = File::Basename::dirname(__FILE__) . '/../clients';
my $json = JSON::PP->new->canonical->utf8;
my $directory;

=pod

=over

=item AnonAuth::Clients->missing

Installs the packages once. Returns the reason if that is not possible, else
undef. Dies on errors that the network does not cause.

=cut

sub missing
{
	return if $directory;
	for my $program (qw(node npm))
	{
		return "$program is not installed" if (_command('', $program, '--version'))[1];
	}
	my $clients = PostgreSQL::Test::Utils::tempdir();

	File::Copy::copy($_, $clients) or croak "cannot copy $_: $!" for glob "$source/*.{json,mjs}";
	local $ENV{npm_config_cache} = "$clients/cache"
	  if !defined $ENV{HOME} || !-d $ENV{HOME} || !-w $ENV{HOME};
	my $error = (
		_command(
			'', 'npm', 'ci', '--prefix', $clients, '--ignore-scripts', '--no-audit', '--no-fund',
			'--fetch-retries=1'))[1];

	if (!$error)
	{
		$directory = $clients;
		return;
	}
	croak "npm ci: $error" if $error =~ /\b(?:EUSAGE|EINTEGRITY|EJSONPARSE)\b/;
	return 'npm cannot install jose: '
	  . ($error =~ /^npm (?:error|ERR!) (.*\S)/m ? $1 : (split /\n/, $error)[0]);
}

=pod

=item AnonAuth::Clients->new

=item $clients->run($program, $input)

The output of t/clients/PROGRAM.mjs for the input. Dies if the program fails.

=item $clients->start($program, @arguments), $client->ask(name => value, ...)

Starts t/clients/PROGRAM.mjs, which ends with the returned object. ask() sends it
an object as a line of JSON, and returns the object that it answers.

=back

=cut

sub start
{
	my (undef, $program, @arguments) = @_;
	my $client = bless { in => '', out => '', err => '' }, 'AnonAuth::Clients::Running';

	$client->{run} = IPC::Run::start([ 'node', "$directory/$program.mjs", @arguments ],
		'<', \$client->{in}, '>', \$client->{out}, '2>', \$client->{err},
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	return $client;
}

sub AnonAuth::Clients::Running::ask
{
	my ($client, %request) = @_;

	$client->{in} .= $json->encode(\%request) . "\n";
	until ($client->{out} =~ /\n/)
	{
		croak "the client has ended: $client->{err}" if !$client->{run}->pumpable;
		$client->{run}->pump;
	}
	my $line;

	($line, $client->{out}) = split /\n/, $client->{out}, 2;
	return $json->decode($line);
}

sub AnonAuth::Clients::Running::DESTROY
{
	my ($client) = @_;

	local ($?, $@);
	eval { $client->{run}->kill_kill };
	return;
}

sub new
{
	croak 'the clients are not installed' if !$directory;
	return bless {}, $_[0];
}

sub run
{
	my ($self, $program, $input) = @_;
	my ($output, $error) = _command($json->encode($input), 'node', "$directory/$program.mjs");

	croak "$program: $error" if defined $error;
	return $json->decode($output);
}

# (standard output, error). The error is undef if the command succeeded.
sub _command
{
	my ($input, @command) = @_;
	my ($output, $errors) = ('', '');
	my $done = eval { IPC::Run::run(\@command, '<' => \$input, '>' => \$output, '2>' => \$errors) };

	return ($output, $done ? undef : $@ || $errors || 'it failed');
}

1;
