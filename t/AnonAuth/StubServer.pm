
=pod

=head1 NAME

AnonAuth::StubServer - a program behind nginx that misbehaves when asked to

=head1 SYNOPSIS

  use AnonAuth::StubServer;

  my $stub = AnonAuth::StubServer->new("$directory/run/postgrest.sock");

  $stub->behave('hang');
  $stub->behave('answer');
  is($stub->requests->[-1]{headers}{host}, 'localhost');
  $stub->stop;

=head1 DESCRIPTION

Listens on a Unix-domain socket and records all requests. behave() selects its
answer:

=over

=item answer

It answers 200 and keeps the connection. This is the default.

=item close

It closes the connection without an answer, except for its first request.

=item hang

It does not answer.

=item huge

It answers with a header of 300 kB.

=item unavailable

It answers 503.

=back

=head1 METHODS

=over

=item AnonAuth::StubServer->new($socket)

=cut

package AnonAuth::StubServer;

use strict;
use warnings;

use IO::Select;
use IO::Socket::UNIX;
use JSON::PP ();
use POSIX ();
use Socket qw(SOCK_STREAM);
use Time::HiRes ();

my $json = JSON::PP->new->canonical->latin1;

sub new
{
	my ($class, $socket) = @_;
	my $self = bless { socket => $socket, log => "$socket.requests", mode => "$socket.mode" }, $class;

	unlink $socket, $self->{log};
	$self->behave('answer');
	_append($self->{log}, '');
	my $listener = IO::Socket::UNIX->new(Type => SOCK_STREAM, Local => $socket, Listen => 100)
	  or die "cannot listen on $socket: $!";

	chmod 0777, $socket;
	$self->{pid} = fork() // die "cannot fork: $!";
	if ($self->{pid} == 0)
	{
		my $parent = getppid();

		eval { $self->_serve($listener, $parent) };
		warn $@ if $@;
		POSIX::_exit(1);
	}
	return $self;
}

=pod

=item $stub->behave($how)

=cut

sub behave
{
	my ($self, $how) = @_;

	open my $file, '>', "$self->{mode}.new" or die "cannot write $self->{mode}: $!";
	print $file $how;
	close $file;
	rename "$self->{mode}.new", $self->{mode};
	return;
}

=pod

=item $stub->requests

The requests so far: hashes of connection, method, path, headers (by name in
lower case) and body.

=item $stub->closed

The number of seconds for which each closed connection was idle before the
other side closed it, by the number of the connection.

=cut

sub _events
{
	my ($self) = @_;

	open my $file, '<', $self->{log} or die "cannot read $self->{log}: $!";
	return map { $json->decode($_) } <$file>;
}

sub requests { return [ grep { $_->{method} } $_[0]->_events ]; }

sub closed { return { map { $_->{connection} => $_->{idle} } grep { !$_->{method} } $_[0]->_events }; }

=pod

=item $stub->stop

=back

=cut

sub stop
{
	my ($self) = @_;
	my $pid = delete $self->{pid} or return;

	kill 'KILL', $pid;
	waitpid $pid, 0;
	unlink $self->{socket};
	return;
}

sub DESTROY
{
	my ($self) = @_;

	local ($?, $@);
	$self->stop;
	return;
}

sub _append
{
	my ($path, $text) = @_;

	open my $file, '>>', $path or die "cannot write $path: $!";
	print $file $text;
	close $file;
	return;
}

# Ends when the parent has died.
sub _serve
{
	my ($self, $listener, $parent) = @_;
	my $select = IO::Select->new($listener);
	my (%connections, $count);

	local $SIG{PIPE} = 'IGNORE';
	while (getppid() == $parent)
	{
		for my $handle ($select->can_read(1))
		{
			if ($handle == $listener)
			{
				my $client = $listener->accept or next;

				$select->add($client);
				$connections{$client} = { number => ++$count, data => '', served => 0, last => Time::HiRes::time() };
				next;
			}
			my $connection = $connections{$handle};

			next
			  if sysread($handle, $connection->{data}, 65536, length $connection->{data})
			  && $self->_handle($handle, $connection);
			_append($self->{log},
				$json->encode(
					{ connection => $connection->{number}, idle => Time::HiRes::time() - $connection->{last} })
				  . "\n");
			$select->remove($handle);
			delete $connections{$handle};
			close $handle;
		}
	}
	return;
}

# Returns false if the server must close the connection.
sub _handle
{
	my ($self, $handle, $connection) = @_;

	while ($connection->{data} =~ /^(\S+) (\S+) HTTP[^\r]*\r\n(.*?)\r\n\r\n(.*)$/s)
	{
		my ($method, $path, $lines, $rest) = ($1, $2, "$3\r\n", $4);
		my %headers;

		push @{ $headers{ lc $1 } }, $2 while $lines =~ /^([^:]+): ?([^\r]*)\r$/mg;
		my $length = ($headers{'content-length'} // [0])->[0];

		return 1 if length $rest < $length;
		$connection->{data} = substr $rest, $length;
		_append($self->{log}, $json->encode({
			connection => $connection->{number},
			method => $method,
			path => $path,
			headers => { map { $_ => join ', ', @{ $headers{$_} } } keys %headers },
			body => substr $rest, 0, $length }) . "\n");
		open my $file, '<', $self->{mode} or die "cannot read $self->{mode}: $!";
		my $how = <$file>;

		next if $how eq 'hang';
		return 0 if $how eq 'close' && $connection->{served};
		my $status = $how eq 'unavailable' ? '503 Service Unavailable' : '200 OK';
		my $more = $how eq 'huge' ? 'Location: /' . 'x' x 300_000 . "\r\n" : '';
		my $body = $how eq 'unavailable' ? '{"code":"PGRST001","details":"connection to server at 10.1.2.3"}' : '{}';

		syswrite $handle, "HTTP/1.1 $status\r\nContent-Type: application/json\r\n${more}Content-Length: "
		  . length($body) . "\r\n\r\n$body";
		$connection->{served}++;
		$connection->{last} = Time::HiRes::time();
	}
	return 1;
}

1;
