
=pod

=head1 NAME

AnonAuth::Secrets - what must not be seen, in whatever way it is written

=head1 SYNOPSIS

  use AnonAuth::Secrets qw(secret password found_in);

  secret('refresh token', $token);
  is(found_in($log), '', 'no secret is in the log');

=head1 DESCRIPTION

A secret is looked for as it is, as the bytes that it encodes, and as the
SHA-256 of either; bytes in hex, base64 and base64url.

=over

=item secret($name, $value)

Remembers a secret, and returns it.

=item add_needle($name, $text)

Remembers that a text, as it is, is a secret.

=item add_bytes($name, $bytes)

That bytes are, however written.

=item password($what)

Makes a new one and remembers it; what it is for is readable in its name.

=item found_in($text)

Names of the secrets that a text has, as one string.

=item known

A hash of all secrets by name.

=back

=cut

package AnonAuth::Secrets;

use strict;
use warnings;

use Digest::SHA qw(sha256);
use Exporter 'import';
use MIME::Base64 qw(decode_base64url encode_base64 encode_base64url);

our @EXPORT_OK = qw(add_bytes add_needle found_in known password secret);

# So much of a long secret in one piece is a leak.
use constant PIECE => 16;

my %needles;    # what to look for => name of the secret
my %secrets;    # name => value

# Of these a secret is made, in whatever way it is written.
my $letters = qr{[-\w+/=\$,.]};

sub add_needle
{
	my ($name, $text) = @_;

	$text =~ /^$letters+$/ or die "$name would not be found";
	for (my $at = 0; $at + PIECE <= length $text; $at += PIECE / 2)
	{
		$needles{ substr $text, $at, PIECE } //= $name;
	}
	$needles{$text} //= $name if length $text < PIECE;
	return;
}

# Bytes as PostgreSQL, drivers and people write them.
sub add_bytes
{
	my ($name, $bytes) = @_;

	add_needle("$name, in hex", unpack 'H*', $bytes);
	add_needle("$name, in hex", uc unpack 'H*', $bytes);
	add_needle("$name, in base64", encode_base64($bytes, '') =~ s/=+$//r);
	add_needle("$name, in base64url", encode_base64url($bytes));
	return;
}

# A secret that is text; also the bytes behind it, and what hashes of these would be.
sub secret
{
	my ($name, $value) = @_;

	$secrets{$name} = $value;
	if ($value =~ /^[\w-]+\.[\w-]+\.([\w-]+)$/)
	{
		add_needle("$name, signature", $1);    # the claims are no secret
	}
	else
	{
		add_needle($name, $value);
		add_bytes($name, $value) if length $value >= 8;
	}
	add_bytes("$name, SHA-256", sha256($value));
	if ($value =~ /^[\w-]{40,}$/)
	{
		my $bytes = decode_base64url($value);

		# Of a refresh token: user, session, generation, secret, tag.
		my $own = length $bytes == 84 ? substr $bytes, 36, 32 : $bytes;
		add_bytes("$name, bytes", $own);
		add_bytes("$name, SHA-256 of the bytes", sha256($own));
	}
	return $value;
}

my $count = 0;

# One of ours; what it is for is readable, in case it is found.
sub password
{
	my ($what) = @_;

	return secret("password $what", 'pw-' . substr unpack('H*', sha256($what . $$ . ++$count)), 0, 20);
}

# Names of the secrets that a text has.
sub found_in
{
	my ($text) = @_;
	my %found;
	my $short = join '|', map { quotemeta } grep { length $_ < PIECE } keys %needles;
	my %runs = map { $_ => 1 } $text =~ /(?:$letters){${\ PIECE},}/g;

	for my $run (keys %runs)
	{
		for my $at (0 .. length($run) - PIECE)
		{
			my $name = $needles{ substr $run, $at, PIECE };

			$found{$name} = 1 if $name;
		}
	}
	if ($short ne '')
	{
		$found{ $needles{$1} } = 1 while $text =~ /(?<![\w.])($short)(?![\w.])/g;
	}
	return join ', ', sort keys %found;
}

sub known { return \%secrets; }

1;
