
=pod

=head1 NAME

AnonAuth::Connection - a connection that stays open

=head1 SYNOPSIS

  my $old = AnonAuth::Connection->new($node);

  my $guest = call($old, 'authenticate_anonymously', client_id => 'app');
  my $browser = AnonAuth::Browser->new($old);
  my $result = $old->query('SELECT pg_backend_pid()');

=head1 DESCRIPTION

Has those methods of L<PostgreSQL::Test::Cluster> that L<AnonAuth::Device> and
L<AnonAuth::Browser> use. A node opens a connection for each call; an object
of this class runs all calls in one backend.

=cut

package AnonAuth::Connection;

use strict;
use warnings;

use Carp;
use IPC::Run ();
use PostgreSQL::Test::Utils ();

my $marks = 0;

=pod

=over

=item AnonAuth::Connection->new($node, $database)

=cut

sub new
{
	my ($class, $node, $database) = @_;
	my $self = bless {
		node => $node, in => '', out => '', err => '',
		timeout => IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default) }, $class;

	$self->{run} = IPC::Run::start(
		[ 'psql', '-XAtq', '-f', '-', '-d', $node->connstr($database // 'postgres') ],
		'<', \$self->{in}, '>', \$self->{out}, '2>', \$self->{err}, $self->{timeout});
	$self->query('SET client_min_messages = warning');
	return $self;
}

=pod

=item $connection->begin($script)

Sends the statements without waiting for their end.

=item $connection->has_ended

Whether the statements have ended.

=item $connection->end

Waits for the end of the statements and returns [output, errors].

=cut

sub begin
{
	my ($self, $script) = @_;

	$self->{mark} = 'mark ' . ++$marks;
	$self->{out} = $self->{err} = '';
	$self->{in} .= "$script\n\\echo $self->{mark}\n\\warn $self->{mark}\n";
	$self->{timeout}->start;
	$self->{run}->pump_nb while length $self->{in};
	return;
}

sub _is_at_mark
{
	my ($self) = @_;

	return $self->{out} =~ /^\Q$self->{mark}\E$/m && $self->{err} =~ /^\Q$self->{mark}\E$/m;
}

sub has_ended
{
	my ($self) = @_;

	$self->{run}->pump_nb;
	return $self->_is_at_mark;
}

sub end
{
	my ($self) = @_;

	until ($self->_is_at_mark)
	{
		croak "the connection is gone: $self->{err}" if !$self->{run}->pumpable;
		$self->{run}->pump;
	}
	return [ map { s/^\Q$self->{mark}\E\n?//mr =~ s/\n\z//r } $self->{out}, $self->{err} ];
}

=pod

=item $connection->query($sql)

The output of the statements. Dies if there is an error.

=item $connection->error($sql)

The errors of the statements, in the format of C<\set VERBOSITY verbose>.

=cut

sub query
{
	my ($self, $sql) = @_;

	$self->begin("$sql;");
	my ($output, $errors) = @{ $self->end };
	croak $errors if $errors ne '';
	return $output;
}

sub error
{
	my ($self, $sql) = @_;

	$self->begin("\\set VERBOSITY verbose\n$sql;");
	return $self->end->[1];
}

# Like psql() of PostgreSQL::Test::Cluster, but continues after an error.
sub psql
{
	my ($self, $database, $script, %options) = @_;

	$self->begin($script);
	my ($output, $errors) = @{ $self->end };
	${ $options{stdout} } = $output if $options{stdout};
	${ $options{stderr} } = $errors if $options{stderr};
	return $errors eq '' ? 0 : 3;
}

sub connstr { my ($self, @arguments) = @_; return $self->{node}->connstr(@arguments); }

=pod

=item $connection->close, $connection->kill_client

close() ends the connection; kill_client() kills psql, so that the server gets
no Terminate message.

=back

=cut

sub close { $_[0]{in} .= "\\q\n"; $_[0]{run}->finish; return; }

# psql may have ended already, with unread input.
sub kill_client { eval { $_[0]{run}->kill_kill }; return; }

1;
