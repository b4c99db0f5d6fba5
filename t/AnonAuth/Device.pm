
=pod

=head1 NAME

AnonAuth::Device - a device for tests: its key pair, and the calls of its app

=head1 SYNOPSIS

  use AnonAuth::Device;

  use AnonAuth::Device qw(call refusal challenge);

  my $device = AnonAuth::Device->new(alg => 'ES256');

  my $sign_up = $device->request(challenge => challenge($node), with_jwk => 1);
  my $log_in = $device->request(challenge => challenge($node));
  my $promote = $device->request(challenge => challenge($node), action => 'promote');

  my $guest = call($node, 'authenticate_anonymously', client_id => 'app', jwt => $sign_up);
  is($guest->{token_type}, 'Bearer');

  my $error = refusal($node, 'authenticate_anonymously', client_id => 'app', jwt => $sign_up);
  is($error->{sqlstate}, 'AA005');
  ok($error->{unchanged});

  my $jws = $device->sign({ alg => 'ES256', kid => $device->kid }, { sub => 'me' });

=head1 DESCRIPTION

The C<openssl> command generates the keys and computes the signatures, so that
the code under test takes no part in it. Needs only Perl's core modules.

A node is a L<PostgreSQL::Test::Cluster> with the extension in its database
C<postgres>.

=cut

package AnonAuth::Device;

use strict;
use warnings;

use Carp;
use Digest::SHA qw(sha256 hmac_sha256);
use Exporter 'import';
use File::Temp ();
use JSON::PP ();
use MIME::Base64 qw(encode_base64url decode_base64url);
use POSIX ();

our @EXPORT_OK = qw(call challenge hmac_jws json_null jws_parts random_kid refusal sql_literal);

# openssl's options for each algorithm.
my %algorithms = (
	(map { +"RS$_" => { type => 'RSA', digest => "sha$_", options => [] } } 256, 384, 512),
	(   map {
			+"PS$_" => {
				type => 'RSA',
				digest => "sha$_",
				options => [qw(-sigopt rsa_padding_mode:pss)],
				salted => 1
			}
		} 256, 384, 512),
	ES256 => { type => 'EC', digest => 'sha256', curve => 'P-256' },
	ES384 => { type => 'EC', digest => 'sha384', curve => 'P-384' },
	ES512 => { type => 'EC', digest => 'sha512', curve => 'P-521' },
	EdDSA => { type => 'ED25519', curve => 'Ed25519' });

my %contents_queries;
my $device_count = 0;

my %curve_width = ('P-256' => 32, 'P-384' => 48, 'P-521' => 66, 'secp256k1' => 32);

my $json = JSON::PP->new->canonical->utf8->convert_blessed;

# A change of a member to json_null() writes null; a change to undef removes the
# member.
{
	package AnonAuth::Device::Null;

	sub TO_JSON { return; }
}

=pod

=head1 FUNCTIONS

All functions are exported on request only.

=over

=item random_kid()

A version 4 UUID in upper case, like a kid of the iOS SDK.

=cut

sub random_kid
{
	my @bytes = unpack('C16', _random_bytes(16));

	$bytes[6] = $bytes[6] & 0x0f | 0x40;
	$bytes[8] = $bytes[8] & 0x3f | 0x80;
	return sprintf('%02X%02X%02X%02X-%02X%02X-%02X%02X-%02X%02X-%02X%02X%02X%02X%02X%02X', @bytes);
}

=pod

=item json_null()

A null in a header, payload or jwk.

=cut

sub json_null
{
	return bless {}, 'AnonAuth::Device::Null';
}

=pod

=item hmac_jws($header, $payload, $secret)

A compact JWS, signed by HMAC-SHA256 with the bytes of the secret.

=cut

sub hmac_jws
{
	my ($header, $payload, $secret) = @_;
	my $input = _part($header) . '.' . _part($payload);

	return $input . '.' . encode_base64url(hmac_sha256($input, $secret));
}

=pod

=item call($node, $function, name => value, ...)

Calls a function of schema anon_auth in a separate transaction. Returns its
row as a hash, or undef for no row. If the function returns a scalar, the hash
has one member with the function's name. Dies if the call fails.

=cut

sub call
{
	my ($node, $function, %arguments) = @_;
	my ($output, $error) = _run($node, _statement($function, \%arguments));

	croak "$function: $error->{sqlstate}: $error->{message}"
	  . (defined $error->{detail} ? " ($error->{detail})" : '')
	  if $error;
	return $output eq '' ? undef : $json->decode($output);
}

=pod

=item refusal($node, $function, name => value, ...)

Calls a function that is expected to fail. Returns the error as a hash:
sqlstate, message, detail, hint, context and unchanged. unchanged is true if
the call did not change any row of the extension's tables. If the call
succeeds, sqlstate is 00000 and message is empty.

=cut

sub refusal
{
	my ($node, $function, %arguments) = @_;
	my $contents = _contents_query($node);
	my ($output, $error) =
	  _run($node, $contents, _statement($function, \%arguments), $contents);

	return { sqlstate => '00000', message => '' } if !$error;
	my @contents = split /\n/, $output;
	$error->{unchanged} = @contents == 2 && $contents[0] eq $contents[1];
	return $error;
}

=pod

=item challenge($node)

A new challenge.

=cut

sub challenge
{
	my ($node) = @_;

	return call($node, 'create_challenge')->{token};
}

=pod

=item sql_literal($value)

The value as an SQL literal; NULL for undef.

=cut

sub sql_literal
{
	my ($value) = @_;

	return defined $value ? q{'} . $value =~ s/'/''/gr . q{'} : 'NULL';
}

=pod

=item jws_parts($jws)

Header and payload as hashes, and the bytes of the signature.

=back

=cut

sub jws_parts
{
	my @parts = split /\./, shift, -1;

	return ($json->decode(decode_base64url($parts[0])),
		$json->decode(decode_base64url($parts[1])),
		decode_base64url($parts[2]));
}

=pod

=head1 METHODS

=over

=item AnonAuth::Device->new(alg => 'ES256', kid => ..., bits => 2048, exponent => 65537, curve => ...)

Generates a key pair. alg is RS*, PS* or ES* with 256, 384 or 512, or EdDSA.
bits and exponent are for RSA. curve replaces the curve of the algorithm;
secp256k1 and X25519 give keys that must be refused. By default, kid is the
result of random_kid().

=cut

sub new
{
	my ($class, %arguments) = @_;
	my $alg = delete $arguments{alg} // 'ES256';
	my $self = {
		alg => $alg,
		kid => delete $arguments{kid} // random_kid(),
		bits => delete $arguments{bits} // 2048,
		exponent => delete $arguments{exponent} // 65537,
		curve => delete $arguments{curve},
		directory => sprintf('%s/%d', _temporary_directory(), ++$device_count) };
	my $info = $algorithms{$alg} or croak "unknown algorithm $alg";

	croak 'unknown arguments: ' . join(', ', sort keys %arguments) if %arguments;
	$self->{curve} //= $info->{curve};
	mkdir $self->{directory} or croak "cannot make $self->{directory}: $!";
	bless $self, $class;
	$self->_generate($info->{type});
	return $self;
}

sub kid { return $_[0]{kid}; }

sub alg { return $_[0]{alg}; }

=pod

=item $device->kid, $device->alg

=item $device->jwk(%changes)

The public JWK as a hash, with kid and alg. A change to undef removes a
member; a change to json_null() sets it to null.

=cut

sub jwk
{
	my ($self, %changes) = @_;

	return _changed({ %{ $self->{jwk} }, kid => $self->{kid}, alg => $self->{alg} }, \%changes);
}

=pod

=item $device->private_jwk_members

The members that only the private JWK has.

=cut

sub private_jwk_members
{
	my ($self) = @_;
	my $text = $self->_openssl('pkey', '-in', $self->_private_key, '-noout', '-text');

	if ($self->{jwk}{kty} eq 'RSA')
	{
		my %names = (
			d => 'privateExponent',
			p => 'prime1',
			q => 'prime2',
			dp => 'exponent1',
			dq => 'exponent2',
			qi => 'coefficient');

		return {
			map { $_ => encode_base64url(_hex_bytes($text, $names{$_}) =~ s/^\0+//r) }
			  keys %names };
	}
	my $d = _hex_bytes($text, 'priv');
	my $width = $curve_width{ $self->{curve} } // 32;

	$d =~ s/^\0+//;
	return { d => encode_base64url(("\0" x ($width - length $d)) . $d) };
}

=pod

=item $device->public_pem, $device->public_der

The public key as SubjectPublicKeyInfo.

=cut

sub public_pem
{
	my ($self) = @_;

	return $self->_openssl('pkey', '-in', $self->_private_key, '-pubout');
}

sub public_der
{
	my ($self) = @_;

	return $self->_openssl('pkey', '-in', $self->_private_key, '-pubout', '-outform', 'DER');
}

=pod

=item $device->thumbprint

The RFC 7638 thumbprint with SHA-256.

=cut

sub thumbprint
{
	my ($self) = @_;

	return encode_base64url(sha256($json->encode($self->{jwk})));
}

=pod

=item $device->signature($input, alg => ..., salt_length => 'digest')

The bytes of a JWS signature: R || S for ES*. By default, alg is the algorithm
of the device. salt_length is for PS*.

=cut

sub signature
{
	my ($self, $input, %arguments) = @_;
	my $info = $algorithms{ $arguments{alg} // $self->{alg} };
	my @options = @{ $info->{options} // [] };
	my $input_file = "$self->{directory}/input";
	my $signature;

	_write_file($input_file, $input);
	return $self->_openssl('pkeyutl', '-sign', '-inkey', $self->_private_key, '-rawin', '-in',
		$input_file)
	  if $info->{type} eq 'ED25519';

	push @options, '-sigopt', 'rsa_pss_saltlen:' . ($arguments{salt_length} // 'digest')
	  if $info->{salted};
	$signature = $self->_openssl('dgst', "-$info->{digest}", '-sign', $self->_private_key,
		@options, $input_file);
	return $info->{type} eq 'EC' ? _der_to_pair($signature, $curve_width{ $self->{curve} }) : $signature;
}

=pod

=item $device->sign($header, $payload, alg => ..., salt_length => ...)

A compact JWS. Header and payload are hashes, or JSON text as bytes, which is
used unchanged. alg is the algorithm of the signature only; it does not change
the header.

=cut

sub sign
{
	my ($self, $header, $payload, %arguments) = @_;
	my $input = _part($header) . '.' . _part($payload);

	return $input . '.' . encode_base64url($self->signature($input, %arguments));
}

=pod

=item $device->request(challenge => ..., action => 'auth', with_jwk => 0, header => {}, payload => {})

A request in the format of the SDKs. header and payload are changes to their
members. A change to undef removes a member.

=cut

sub request
{
	my ($self, %arguments) = @_;
	my $header = {
		typ => 'vnd.authgear.anonymous-request',
		kid => $self->{kid},
		alg => $self->{alg} };
	my $payload = {
		iat => time(),
		exp => time() + 60,
		challenge => $arguments{challenge},
		action => $arguments{action} // 'auth' };

	$header->{jwk} = $self->jwk if $arguments{with_jwk};
	return $self->sign(
		_changed($header, $arguments{header} // {}),
		_changed($payload, $arguments{payload} // {}));
}

=pod

=item $device->proof(htm => 'POST', htu => ..., access_token => ..., nonce => ..., header => {}, payload => {})

A DPoP proof in the format of the SDKs. By default, it is for the token endpoint of
http://localhost, the default issuer. header and payload are changes to their members.

=cut

sub proof
{
	my ($self, %arguments) = @_;
	my $header = { typ => 'dpop+jwt', kid => $self->{kid}, alg => $self->{alg}, jwk => $self->jwk };
	my $payload = {
		iat => time(),
		exp => time() + 60,
		jti => random_kid(),
		htm => $arguments{htm} // 'POST',
		htu => $arguments{htu} // 'http://localhost/oauth2/token' };

	$payload->{ath} = encode_base64url(sha256($arguments{access_token})) if defined $arguments{access_token};
	$payload->{nonce} = $arguments{nonce} if defined $arguments{nonce};
	return $self->sign(
		_changed($header, $arguments{header} // {}),
		_changed($payload, $arguments{payload} // {}));
}

=pod

=back

=cut

sub _statement
{
	my ($function, $arguments) = @_;
	my $list = join ', ',
	  map { "$_ => " . sql_literal($arguments->{$_}) } sort keys %$arguments;

	return "SELECT row_to_json(r) FROM (SELECT * FROM anon_auth.$function($list)) AS r";
}

# A query whose result, one line, changes with any row of the extension's
# tables.
sub _contents_query
{
	my ($node) = @_;

	return $contents_queries{ $node->name } //= _make_contents_query($node);
}

sub _make_contents_query
{
	my ($node) = @_;
	my @tables = split /\n/, $node->safe_psql(
		'postgres', q{
			SELECT oid::regclass FROM pg_class
			WHERE relnamespace = 'anon_auth'::regnamespace AND relkind = 'r'
			ORDER BY relname});

	croak 'the extension has no tables' if !@tables;
	return "SELECT concat_ws(' ', " . join(
		', ',
		map { "(SELECT count(*) || ':' || md5(string_agg(t::text, ',' ORDER BY t::text)) FROM $_ t)" }
		  @tables) . ')';
}

# Runs the statements, each in a separate transaction. Returns their output, and
# the error if one fails.
sub _run
{
	my ($node, @statements) = @_;
	my ($output, $messages);
	my $script = join("\n", q{\set VERBOSITY verbose}, map { "$_;" } @statements) . "\n";

	$node->psql(
		'postgres', $script,
		stdout => \$output,
		stderr => \$messages,
		on_error_stop => 0);
	return ($output, _error($messages));
}

# Parses an error that psql prints with \set VERBOSITY verbose.
sub _error
{
	my ($messages) = @_;
	my %error;
	my $field;

	for my $line (split /\n/, $messages)
	{
		if ($line =~ /^psql:\S* ERROR:  ([0-9A-Z]{5}): (.*)/ && !%error)
		{
			($field, %error) = ('message', sqlstate => $1, message => $2);
		}
		elsif ($line =~ /^(DETAIL|HINT|CONTEXT|LOCATION):  ?(.*)/ && %error)
		{
			$field = lc $1;
			$error{$field} = $2;
		}
		elsif (%error)
		{
			$error{$field} .= "\n$line";
		}
		else
		{
			croak "psql says: $line";
		}
	}
	return %error ? \%error : undef;
}

sub _changed
{
	my ($members, $changes) = @_;

	for my $name (keys %$changes)
	{
		if (defined $changes->{$name})
		{
			$members->{$name} = $changes->{$name};
		}
		else
		{
			delete $members->{$name};
		}
	}
	return $members;
}

sub _part
{
	my ($value) = @_;

	return encode_base64url(ref $value ? $json->encode($value) : $value);
}

sub _random_bytes
{
	my ($count) = @_;
	my $bytes;

	open my $random, '<:raw', '/dev/urandom' or croak "cannot open /dev/urandom: $!";
	read($random, $bytes, $count) == $count or croak 'cannot read /dev/urandom';
	close $random;
	return $bytes;
}

# A directory for all devices, removed at the end of the program.
sub _temporary_directory
{
	our $directory //= File::Temp::tempdir('anon_auth_devices_XXXXXX', TMPDIR => 1, CLEANUP => 1);

	return $directory;
}

sub _write_file
{
	my ($path, $bytes) = @_;

	open my $file, '>:raw', $path or croak "cannot write $path: $!";
	print $file $bytes;
	close $file or croak "cannot write $path: $!";
	return;
}

sub _private_key
{
	my ($self) = @_;

	return "$self->{directory}/private.pem";
}

# The output of the openssl command. If it fails, the exception has its standard
# error.
sub _openssl
{
	my ($self, @arguments) = @_;
	my $errors = "$self->{directory}/errors";
	my $pid = open(my $pipe, '-|') // croak "cannot fork: $!";
	my $output;

	if ($pid == 0)
	{
		open STDERR, '>', $errors;
		exec 'openssl', @arguments or POSIX::_exit(127);
	}
	binmode $pipe;
	$output = do { local $/; <$pipe> };
	if (!close $pipe)
	{
		open my $file, '<', $errors;
		croak "openssl @arguments failed: " . join('', $file ? <$file> : ());
	}
	return $output;
}

sub _generate
{
	my ($self, $type) = @_;
	my @arguments = ('-algorithm', $type);

	if ($type eq 'RSA')
	{
		push @arguments,
		  '-pkeyopt', "rsa_keygen_bits:$self->{bits}",
		  '-pkeyopt', "rsa_keygen_pubexp:$self->{exponent}";
	}
	elsif ($type eq 'EC')
	{
		push @arguments, '-pkeyopt', "ec_paramgen_curve:$self->{curve}";
	}
	elsif ($self->{curve} eq 'X25519')
	{
		@arguments = ('-algorithm', 'X25519');
	}
	$self->_openssl('genpkey', @arguments, '-out', $self->_private_key);
	$self->{jwk} = $self->_public_jwk($type);
	return;
}

# The members that are part of the thumbprint.
sub _public_jwk
{
	my ($self, $type) = @_;
	my $der = $self->public_der;

	if ($type eq 'RSA')
	{
		my ($n, $e) = _rsa_numbers($der);

		return { kty => 'RSA', n => encode_base64url($n), e => encode_base64url($e) };
	}
	elsif ($type eq 'EC')
	{
		my $width = $curve_width{ $self->{curve} };

		return {
			kty => 'EC',
			crv => $self->{curve},
			x => encode_base64url(substr $der, -2 * $width, $width),
			y => encode_base64url(substr $der, -$width) };
	}
	return { kty => 'OKP', crv => $self->{curve}, x => encode_base64url(substr $der, -32) };
}

# Removes one DER element from the front of the bytes and returns its content.
sub _der_take
{
	my ($der, $tag) = @_;
	my ($found, $length) = unpack('CC', $$der);
	my $offset = 2;

	croak sprintf('DER tag %02x where %02x was expected', $found, $tag) if $found != $tag;
	if ($length & 0x80)
	{
		my $count = $length & 0x7f;

		$length = 0;
		$length = $length << 8 | $_ for unpack("x2 C$count", $$der);
		$offset += $count;
	}
	my $content = substr $$der, $offset, $length;

	$$der = substr $$der, $offset + $length;
	return $content;
}

sub _der_integer
{
	my ($der) = @_;

	return _der_take($der, 0x02) =~ s/^\0+//r;
}

sub _rsa_numbers
{
	my ($der) = @_;
	my $info = _der_take(\$der, 0x30);

	_der_take(\$info, 0x30);
	my $bits = substr _der_take(\$info, 0x03), 1;
	my $numbers = _der_take(\$bits, 0x30);

	return (_der_integer(\$numbers), _der_integer(\$numbers));
}

sub _der_to_pair
{
	my ($der, $width) = @_;
	my $numbers = _der_take(\$der, 0x30);

	return join '', map { ("\0" x ($width - length $_)) . $_ }
	  map { _der_integer(\$numbers) } 1 .. 2;
}

# The bytes below a title in the output of openssl's option -text.
sub _hex_bytes
{
	my ($text, $title) = @_;

	$text =~ /^\s*\Q$title\E:\s*((?:\s+(?:[0-9a-f]{2}:?)+\s*?\n)+)/m
	  or croak "there is no $title";
	return pack 'H*', $1 =~ s/[^0-9a-f]//gr;
}

1;
