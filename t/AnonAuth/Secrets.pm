
=pod

=head1 NAME

AnonAuth::Secrets - finds secrets in a text, in any encoding

=head1 SYNOPSIS

  use AnonAuth::Secrets qw(secret password found_in);

  secret('refresh token', $token);
  is(found_in($log), '', 'the log contains no secret');

=head1 DESCRIPTION

Each secret is searched for in several forms: its text, the bytes that it
encodes, and the SHA-256 of both. Bytes are searched for in hex, base64 and
base64url.

=over

=item secret($name, $value)

Remembers a secret and returns it.

=item add_needle($name, $text)

Remembers a text as a secret, without other forms.

=item add_bytes($name, $bytes)

Remembers bytes as a secret, in all encodings.

=item password($what)

Creates a password and remembers it under a name that contains its purpose.

=item found_in($text)

Returns the names of the secrets in the text, as one string.

=item known

Returns a hash of all secrets by name.

=back

=cut

package AnonAuth::Secrets;

use strict;
use warnings;

use Digest::SHA qw(sha256);
use Exporter 'import';
use MIME::Base64 qw(decode_base64url encode_base64 encode_base64url);

our @EXPORT_OK = qw(add_bytes add_needle found_in known password secret);

# A piece of a long secret with this many characters counts as a leak.
use constant PIECE => 16;

my %needles;    # text to search for => name of the secret
my %secrets;    # name => value

# The characters of a secret, in any encoding.
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

# Bytes in the encodings of PostgreSQL, of drivers and of people.
sub add_bytes
{
	my ($name, $bytes) = @_;

	add_needle("$name, in hex", unpack 'H*', $bytes);
	add_needle("$name, in hex", uc unpack 'H*', $bytes);
	add_needle("$name, in base64", encode_base64($bytes, '') =~ s/=+$//r);
	add_needle("$name, in base64url", encode_base64url($bytes));
	return;
}

# A secret text, the bytes that it encodes, and the hashes of both.
sub secret
{
	my ($name, $value) = @_;

	$secrets{$name} = $value;
	if ($value =~ /^[\w-]+\.[\w-]+\.([\w-]+)$/)
	{
		add_needle("$name, signature", $1);    # the claims are not secret
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

		# A refresh token has these parts: user, session, generation, secret,
		# tag.
		my $own = length $bytes == 84 ? substr $bytes, 36, 32 : $bytes;
		add_bytes("$name, bytes", $own);
		add_bytes("$name, SHA-256 of the bytes", sha256($own));
	}
	return $value;
}

my $count = 0;

# Creates a password. Its name has the purpose, for the case that it is found.
sub password
{
	my ($what) = @_;

	return secret("password $what", 'pw-' . substr unpack('H*', sha256($what . $$ . ++$count)), 0, 20);
}

# The names of the secrets in a text.
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
