=pod

=head1 NAME

AnonAuth::Clock - moves the clock of a server ahead

=head1 SYNOPSIS

  use AnonAuth::Clock;

  my $clock = AnonAuth::Clock->new or skip 'there is no C compiler', 1;

  $clock->restart($node);
  $clock->set_ahead(290);    # seconds ahead, at once

=head1 DESCRIPTION

Loads a library into the server that adds seconds to the result of
gettimeofday().

=cut

package AnonAuth::Clock;

use strict;
use warnings;

use IPC::Run ();
use PostgreSQL::Test::Utils;

my $source = <<'SOURCE';
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>

int
gettimeofday(struct timeval *restrict now, void *restrict zone)
{
	int		(*original)(struct timeval *, void *) = dlsym(RTLD_NEXT, "gettimeofday");
	int		result = original(now, zone);
	FILE   *file = fopen(getenv("CLOCK_AHEAD"), "r");
	long	seconds;

	if (file != NULL)
	{
		if (fscanf(file, "%ld", &seconds) == 1)
			now->tv_sec += seconds;
		fclose(file);
	}
	return result;
}
SOURCE

=pod

=over

=item AnonAuth::Clock->new

Returns undef if there is no C compiler.

=cut

sub new
{
	my ($class) = @_;
	my $directory = PostgreSQL::Test::Utils::tempdir();

	open my $file, '>', "$directory/clock.c" or die "cannot write $directory/clock.c: $!";
	print $file $source;
	close $file;
	eval { IPC::Run::run([ 'cc', '-shared', '-fPIC', '-o', "$directory/clock.so", "$directory/clock.c", '-ldl' ],
			'2>' => '/dev/null') }
	  or return;
	return bless { library => "$directory/clock.so", file => "$directory/seconds" }, $class;
}

=pod

=item $clock->restart($node)

Restarts a L<PostgreSQL::Test::Cluster> with the library. The clock is not
ahead yet.

=cut

sub restart
{
	my ($self, $node) = @_;

	$node->stop;
	$self->set_ahead(0);
	local $ENV{CLOCK_AHEAD} = $self->{file};
	local $ENV{LD_PRELOAD} = join ' ', grep { $_ } $self->{library}, $ENV{LD_PRELOAD};
	$node->start;
	return;
}

=pod

=item $clock->set_ahead($seconds)

=cut

sub set_ahead
{
	my ($self, $seconds) = @_;

	open my $file, '>', "$self->{file}.new" or die "cannot write $self->{file}.new: $!";
	print $file $seconds;
	close $file;
	rename "$self->{file}.new", $self->{file} or die "cannot write $self->{file}: $!";
	return;
}

=pod

=back

=cut

1;
