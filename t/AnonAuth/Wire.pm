=pod

=head1 NAME

AnonAuth::Wire - a connection that binds parameters, as drivers do

=head1 SYNOPSIS

  my $wire = AnonAuth::Wire->new($node, 'app_user');
  my $result = $wire->run('SELECT $1 || $2 AS both', 'a', undef);

  is_deeply($result->{rows}, [ { both => undef } ]);
  is($wire->run('SELECT 1 / $1::int', 0)->{error}{C}, '22012');

=head1 DESCRIPTION

Speaks the extended query protocol itself, because psql before version 16 puts
values into the text of statements, and psql shows only some fields of errors.

=cut

package AnonAuth::Wire;

use strict;
use warnings;

use Carp;
use IO::Socket::UNIX;
use PostgreSQL::Test::Utils ();

=pod

=over

=item AnonAuth::Wire->new($node, $user)

=cut

sub new
{
	my ($class, $node, $user) = @_;
	my $path = $node->host . '/.s.PGSQL.' . $node->port;
	my $self = bless { said => [] }, $class;

	$self->{socket} = IO::Socket::UNIX->new(Peer => $path) or croak "cannot connect to $path: $!";
	my $parameters = pack 'N(Z*)*', 196608, user => $user, database => 'postgres', '';
	$self->_write(pack('N', 4 + length $parameters) . $parameters);
	$self->end;
	$self->{pid} = $self->run('SELECT pg_backend_pid() AS pid')->{rows}[0]{pid};
	return $self;
}

=pod

=item $wire->pid

The process id of the backend.

=item $wire->said

All errors and notices so far, each with the fields that the server sent.

=cut

sub pid { return $_[0]{pid}; }

sub said { return join "\n", map { my $s = $_; map { "$_ $s->{$_}" } sort keys %$s } @{ $_[0]{said} }; }

=pod

=item $wire->begin($sql, @parameters), $wire->end

begin() sends a statement, and end() waits for its end. end() and run() return
a hash: rows, each a hash of columns as text; error, if there is one, a hash
of its fields by their letters in the protocol; notices, in the same format;
tag, the command tag of the last completed statement; status, the transaction
status (I, T or E).

=item $wire->run($sql, @parameters)

Calls begin() and end().

=item $wire->simple($sql)

Runs a string of statements in one message of the simple query protocol, as
psql does.

=item $wire->prepare($name, $sql), $wire->begin_prepared($name, @parameters)

The same with a named prepared statement.

=cut

sub begin
{
	my ($self, $sql, @parameters) = @_;

	$self->_write(_message(P => pack 'Z*Z*n', '', $sql, 0) . _execution('', @parameters));
	return;
}

sub prepare
{
	my ($self, $name, $sql) = @_;

	$self->_write(_message(P => pack 'Z*Z*n', $name, $sql, 0) . _message('S'));
	return $self->end;
}

sub begin_prepared
{
	my ($self, $name, @parameters) = @_;

	$self->_write(_execution($name, @parameters));
	return;
}

sub run
{
	my ($self, @arguments) = @_;

	$self->begin(@arguments);
	return $self->end;
}

sub simple
{
	my ($self, $sql) = @_;

	$self->_write(_message(Q => pack 'Z*', $sql));
	return $self->end;
}

sub end
{
	my ($self) = @_;
	my %result = (rows => [], notices => []);
	my @columns;

	for (;;)
	{
		my ($type, $length) = unpack 'aN', $self->_read(5);
		my $body = $self->_read($length - 4);

		if ($type eq 'T') { @columns = unpack 'n/(Z*x18)', $body; }
		elsif ($type eq 'D') { push @{ $result{rows} }, _row($body, @columns); }
		elsif ($type eq 'C') { $result{tag} = unpack 'Z*', $body; }
		elsif ($type eq 'E' || $type eq 'N')
		{
			my %fields = map { /^(.)(.*)/s } split /\0/, $body;

			push @{ $self->{said} }, \%fields;
			if ($type eq 'E') { $result{error} = \%fields; }
			else { push @{ $result{notices} }, \%fields; }
		}
		if ($type eq 'Z')
		{
			$result{status} = $body;
			return \%result;
		}
	}
}

sub _message
{
	my ($type, $body) = (@_, '');

	return pack('aN', $type, 4 + length $body) . $body;
}

sub _execution
{
	my ($name, @parameters) = @_;
	my $values = join '', map { defined $_ ? pack('N/a*', $_) : pack('N', 0xffffffff) } @parameters;

	return _message(B => pack('Z*Z*nn', '', $name, 0, scalar @parameters) . $values . pack('n', 0))
	  . _message(D => 'P' . "\0")
	  . _message(E => pack 'Z*N', '', 0)
	  . _message('S');
}

sub _row
{
	my ($body, @columns) = @_;
	my $count = unpack 'n', $body;
	my $at = 2;
	my %row;

	for my $column (@columns[ 0 .. $count - 1 ])
	{
		my $length = unpack 'l>', substr $body, $at, 4;

		$row{$column} = $length < 0 ? undef : substr $body, $at + 4, $length;
		$at += 4 + ($length > 0 ? $length : 0);
	}
	return \%row;
}

sub _write
{
	my ($self, $bytes) = @_;

	utf8::encode($bytes) if utf8::is_utf8($bytes);
	while (length $bytes)
	{
		my $written = syswrite($self->{socket}, $bytes) // croak "cannot write to the server: $!";

		substr $bytes, 0, $written, '';
	}
	return;
}

sub _read
{
	my ($self, $length) = @_;
	my $bytes = '';

	while (length $bytes < $length)
	{
		local $SIG{ALRM} = sub { croak 'the server does not answer' };
		alarm $PostgreSQL::Test::Utils::timeout_default;
		my $read = sysread $self->{socket}, $bytes, $length - length $bytes, length $bytes;
		alarm 0;
		croak 'the connection is gone' if !$read;
	}
	return $bytes;
}

=pod

=item $wire->close

=back

=cut

sub close { $_[0]->_write(_message('X')); CORE::close $_[0]{socket}; return; }

1;
