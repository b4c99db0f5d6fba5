
=pod

=head1 NAME

AnonAuth::Connection - one connection that stays open, where a node makes many

=head1 SYNOPSIS

  my $old = AnonAuth::Connection->new($node);

  my $guest = call($old, 'authenticate_anonymously', client_id => 'app');
  my $browser = AnonAuth::Browser->new($old);
  my $result = $old->query('SELECT pg_backend_pid()');

=head1 DESCRIPTION

Has the methods of a L<PostgreSQL::Test::Cluster> that L<AnonAuth::Device> and
L<AnonAuth::Browser> use, so that what they do is done in one and the same
backend.

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

Sends statements and does not wait for their end.

=item $connection->has_ended

Whether their end has come.

=item $connection->end

Waits for it, and returns what was printed: [output, errors].

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

The output of statements; dies if there is an error.

=item $connection->error($sql)

The errors of statements, as with C<\set VERBOSITY verbose>.

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

# As PostgreSQL::Test::Cluster does it, but what follows an error is run.
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

Ends it; the latter without a word to the server.

=back

=cut

sub close { $_[0]{in} .= "\\q\n"; $_[0]{run}->finish; return; }

# It may have gone by itself, with input that nobody reads.
sub kill_client { eval { $_[0]{run}->kill_kill }; return; }

1;
