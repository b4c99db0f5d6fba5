
=pod

=head1 NAME

AnonAuth::FuzzErrors - the errors that a function may raise

=head1 SYNOPSIS

  use AnonAuth::FuzzErrors;

  my $errors = AnonAuth::FuzzErrors->new($source_directory, { 'anon_auth.uid' => $comment, ... });

  my $reason = $errors->objection('anon_auth.uid', \%fields);    # undef: it may

=head1 DESCRIPTION

An error that the extension's C code raises must have an SQLSTATE from the
function's comment. The comment lists them after "Errors:", where "AA001 to
AA003" means all three, and "as f()" means those of f. PostgreSQL's own errors
must be in a list that is the same for all functions. The fields of an error
are named by their letters in the protocol; F is the source file that raised
it.

=cut

package AnonAuth::FuzzErrors;

use strict;
use warnings;

use File::Find ();

# PostgreSQL's errors that any call may raise, depending on arguments, limits
# and settings.
my %general = map { $_ => 1 } qw(
  0A000 22003 22007 22008 22009 2200G 22021 22023 22032 22P02 22P03 22P05 24000 25001 25006 25P01 25P02 26000 34000
  3B001 40001 40P01 42501 42P03 42P05 42P18 53300 54000 54001 55000 55P03 57014 57P01 57P05);

# PostgreSQL's errors that statements without a function of the extension may
# raise.
my %elsewhere = map { $_ => 1 } qw(22012 22026 2BP01 3D000 42602 42704 42710 42723 42809 42883 42P01 42P06 42P07 42P16 42939 58P01);

=pod

=over

=item AnonAuth::FuzzErrors->new($source_directory, \%comments)

=cut

sub new
{
	my ($class, $directory, $comments) = @_;
	my %ours;

	File::Find::find(sub { $ours{$_} = 1 if /\.c$/ }, $directory);
	my $self = bless { ours => \%ours, comments => $comments, documented => {} }, $class;
	$self->{documented}{$_} = { map { $_ => 1 } $self->_named($_, {}) } for keys %$comments;
	return $self;
}

sub _named
{
	my ($self, $function, $seen) = @_;
	my ($text) = ($self->{comments}{$function} // '') =~ /\bErrors\b(.*)/s;

	return if !defined $text || $seen->{$function}++;
	my @states = grep { !/^(?:[EHPR]S\d{3})$/ } $text =~ /\b(PGRST|(?=\w*\d)[0-9A-Z]{5})\b/g;
	push @states, map { sprintf 'AA%03d', $_ } $1 .. $2 while $text =~ /\bAA(\d{3}) to AA(\d{3})\b/g;
	while ($text =~ /\bas (?:for )?(\w+)\(\)/g)
	{
		push @states, $self->_named("anon_auth.$1", $seen);
	}
	return @states;
}

=pod

=item $errors->documented($function)

The SQLSTATEs that the comment of the function lists.

=cut

sub documented { return sort keys %{ $_[0]{documented}{ $_[1] } // {} }; }

=pod

=item $errors->objection($function, \%fields)

The reason that the function must not raise this error, or undef if it may.
Without a function: the reason that no statement must raise it.

=back

=cut

sub objection
{
	my ($self, $function, $error) = @_;
	my ($state, $file, $context) = ($error->{C}, $error->{F} // '', $error->{W} // '');
	my $what = "$state: $error->{M}" . (defined $error->{D} ? " ($error->{D})" : '') . " [$file:" . ($error->{L} // '') . "] $context";

	return "an internal error, $what" if $state =~ /^(?:XX\d|F)/ && !(defined $function && $self->{documented}{$function}{$state});
	return "a hostile function has run as another role, $what" if $state eq 'EV001' && $error->{M} !~ /\brun by (?:fuzz_\w+|anon|authenticated)$/;
	return if $state eq 'EV001';
	return if defined $function && $self->{documented}{$function}{$state};
	return if !defined $function && $elsewhere{$state};
	# PostgreSQL reads the arguments, and has a uuid.c, too.
	return if $state eq '22P02' && $error->{M} =~ /^invalid input syntax for type uuid: /;
	# Rows are locked in place of PostgreSQL, with the error that it raises.
	return if $state eq '40001' && $file eq 'key_read.c';
	# Compare the file only for functions of the extension: PostgreSQL has a
	# guc.c, too.
	return "undocumented, $what" if defined $function && $self->{ours}{$file};
	return if $file =~ /^parse_/ || ($state =~ /^42P(?:07|16)$/ && $file =~ /^(?:heap|createas)\.c$/);
	return if $state =~ /^42(?:P01|704|602|883)$/ && ($context eq '' || $context =~ /^\S+ portal(?: "\w+")? parameter/);
	return "a right was missing within, $what" if $state eq '42501' && $context =~ /anon_auth/;
	# Functions for parts of the pages, which only the owner may call.
	return if $state =~ /^22/ && ($function // '') =~ /^anon_auth_internal\.(?:page|color|html)_/;
	return if $general{$state};
	return "unexpected, $what";
}

1;
