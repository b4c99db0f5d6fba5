
=pod

=head1 NAME

AnonAuth::Authenticator - an authenticator for tests: it makes and uses one passkey

=head1 SYNOPSIS

  use AnonAuth::Authenticator;

  my $authenticator = AnonAuth::Authenticator->new(alg => 'ES256', origin => 'https://app.example');

  my $created = $authenticator->create($creation_options);
  my $used = $authenticator->get($request_options);
  my $replayed = $authenticator->get($request_options, count => 3, client_data => { crossOrigin => \1 });

=head1 DESCRIPTION

It plays the browser, too: it makes the client data and the JSON forms of WebAuthn Level 3.
L<AnonAuth::Device> has the key, so that the code under test takes no part in signing.

=cut

package AnonAuth::Authenticator;

use strict;
use warnings;

use AnonAuth::Device;
use Carp;
use Digest::SHA qw(sha256);
use JSON::PP ();
use MIME::Base64 qw(encode_base64url decode_base64url);

my $json = JSON::PP->new->canonical->utf8;
my $number = 0;

# Flags of authenticator data
my %flags = (user_present => 1, user_verified => 4, backup_eligible => 8, backed_up => 16, credential => 64, extensions => 128);

=pod

=over

=item AnonAuth::Authenticator->new(alg => 'ES256', origin => 'http://localhost', id => ...)

alg is ES256, EdDSA or RS256. The id of the credential is chosen otherwise.

=cut

sub new
{
	my ($class, %arguments) = @_;
	my $alg = $arguments{alg} // 'ES256';

	return bless {
		alg => $alg,
		key => $arguments{key} // AnonAuth::Device->new(alg => $alg),
		id => $arguments{id} // sprintf('credential %d of %d', ++$number, $$),
		origin => $arguments{origin} // 'http://localhost',
		count => 0,
		flags => [qw(user_present user_verified)] }, $class;
}

sub id { return encode_base64url($_[0]{id}); }

# ---------------------------------------------------------------------------
# CBOR, in the canonical form
# ---------------------------------------------------------------------------

sub _head
{
	my ($type, $argument) = @_;
	my $major = $type << 5;

	return chr($major | $argument) if $argument < 24;
	return pack 'CC', $major | 24, $argument if $argument < 256;
	return pack 'Cn', $major | 25, $argument if $argument < 65536;
	return pack 'CN', $major | 26, $argument;
}

sub _integer { return $_[0] < 0 ? _head(1, -1 - $_[0]) : _head(0, $_[0]); }
sub _bytes { return _head(2, length $_[0]) . $_[0]; }
sub _text { return _head(3, length $_[0]) . $_[0]; }

# Pairs of encoded keys and values, in the order of the keys.
sub _map { return _head(5, @_ / 2) . join '', @_; }

my %cose_alg = (ES256 => -7, EdDSA => -8, RS256 => -257);

=pod

=item $authenticator->cose_key(alg => ...)

The public key as COSE_Key. alg is the number in it.

=cut

sub cose_key
{
	my ($self, %changes) = @_;
	my $jwk = $self->{key}->jwk;
	my $alg = _integer($changes{alg} // $cose_alg{ $self->{alg} });
	my %bytes = map { $_ => _bytes(decode_base64url($jwk->{$_})) } grep { defined $jwk->{$_} } qw(x y n e);

	return _map(_integer(1), _integer(2), _integer(3), $alg, _integer(-1), _integer(1), _integer(-2), $bytes{x}, _integer(-3), $bytes{y}) if $jwk->{kty} eq 'EC';
	return _map(_integer(1), _integer(1), _integer(3), $alg, _integer(-1), _integer(6), _integer(-2), $bytes{x}) if $jwk->{kty} eq 'OKP';
	return _map(_integer(1), _integer(3), _integer(3), $alg, _integer(-1), $bytes{n}, _integer(-2), $bytes{e});
}

# ---------------------------------------------------------------------------
# Responses
# ---------------------------------------------------------------------------

sub _client_data
{
	my ($self, $type, $options, $changes) = @_;
	my %data = (type => $type, challenge => $options->{challenge}, origin => $self->{origin}, crossOrigin => JSON::PP::false, %{ $changes // {} });

	delete $data{$_} for grep { !defined $data{$_} } keys %data;
	return $json->encode(\%data);
}

sub _data
{
	my ($self, $rp_id, $changes, @more) = @_;
	my $bits = 0;

	$bits |= $flags{$_} // croak "unknown flag $_" for @{ $changes->{flags} // $self->{flags} }, @more;
	return sha256($changes->{rp_id} // $rp_id) . pack 'CN', $bits, $changes->{count} // $self->{count};
}

sub _response
{
	my ($self, $response, $changes) = @_;

	return {
		id => $self->id, rawId => $self->id, type => 'public-key', clientExtensionResults => {}, authenticatorAttachment => 'platform',
		response => { (map { $_ => encode_base64url($response->{$_}) } grep { $_ ne 'transports' } keys %$response), $response->{transports} ? (transports => $response->{transports}) : () } };
}

=pod

=item $authenticator->create($options, client_data => {}, flags => [...], rp_id => ..., count => ..., cose_key => ..., format => ..., statement => ...)

The RegistrationResponseJSON for PublicKeyCredentialCreationOptionsJSON. It keeps the user handle. A change of client_data to undef removes a
member. format and statement (in CBOR) are those of an attestation.

=cut

sub create
{
	my ($self, $options, %changes) = @_;
	my $data = $self->_data($options->{rp}{id}, \%changes, 'credential') . "\0" x 16 . pack('n', length $self->{id}) . $self->{id} . ($changes{cose_key} // $self->cose_key);

	$self->{user_handle} = $options->{user}{id};
	return $self->_response({
		clientDataJSON => $self->_client_data('webauthn.create', $options, $changes{client_data}),
		transports => [qw(internal hybrid)],
		attestationObject => _map(_text('fmt'), _text($changes{format} // 'none'), _text('attStmt'), $changes{statement} // _map(), _text('authData'), _bytes($data)) });
}

=pod

=item $authenticator->get($options, client_data => {}, flags => [...], rp_id => ..., count => ..., user_handle => ..., alg => ...)

The AuthenticationResponseJSON for PublicKeyCredentialRequestOptionsJSON. alg is the algorithm of the signature.

=back

=cut

sub get
{
	my ($self, $options, %changes) = @_;
	my $client_data = $self->_client_data('webauthn.get', $options, $changes{client_data});
	my $data = $self->_data($options->{rpId}, \%changes);
	my $signature = $self->{key}->signature($data . sha256($client_data), alg => $changes{alg} // $self->{alg});

	return $self->_response({
		clientDataJSON => $client_data, authenticatorData => $data, signature => $self->{alg} eq 'ES256' ? _der($signature) : $signature,
		userHandle => $changes{user_handle} // decode_base64url($self->{user_handle}) });
}

# The DER form of R || S.
sub _der
{
	my ($pair) = @_;
	my $numbers = join '', map { my $n = s/^\0+//r; $n = "\0$n" if $n eq '' || ord $n > 127; "\x02" . chr(length $n) . $n } substr($pair, 0, 32), substr($pair, 32);

	return "\x30" . chr(length $numbers) . $numbers;
}

1;
