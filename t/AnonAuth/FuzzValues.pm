
=pod

=head1 NAME

AnonAuth::FuzzValues - random numbers from a seed, and hostile values

=head1 SYNOPSIS

  use AnonAuth::FuzzValues;

  my $values = AnonAuth::FuzzValues->new($seed);

  my $name = $values->pick(qw(a b c));
  my $spec = $values->hostile('jsonb');    # a value of this type, or of another one

=head1 DESCRIPTION

The same seed gives the same values, whatever else the program does, because
the class has its own random number generator.

Values are descriptions, so that plans stay small and do not depend on the
server's answers. A description is a hash. Its member C<is> is one of:

  null                          NULL
  omitted                       the argument is left out
  text, text                    these bytes
  repeat, text, times, before, after
  pool, pool, at, change        something the server has issued; at is where in
                                the pool, from 0 to 1
  request, device, action, with_jwk, payload, change
                                a request signed by a device's key
  form, pairs / json, pairs     names and descriptions of values
  concat, parts                 several in a row

A change describes the damage to a value: how (flip, truncate, extend, insert,
upper), at, with.

=cut

package AnonAuth::FuzzValues;

use strict;
use warnings;

use Digest::SHA qw(sha256);

use constant MEGABYTE => 1024 * 1024;

=pod

=over

=item AnonAuth::FuzzValues->new($seed)

=cut

sub new
{
	my ($class, $seed) = @_;

	return bless { state => unpack('N', sha256($seed)) || 1 }, $class;
}

=pod

=item $values->below($n), $values->fraction, $values->one_in($n), $values->pick(@list)

An integer from 0 to $n - 1; a fraction from 0 up to but not including 1; true
once in $n calls; one element of the list.

=cut

# Xorshift of 32 bits (Marsaglia).
sub below
{
	my ($self, $n) = @_;
	my $x = $self->{state};

	$x ^= $x << 13 & 0xffffffff;
	$x ^= $x >> 17;
	$x ^= $x << 5 & 0xffffffff;
	$self->{state} = $x;
	return int($x / 2**32 * $n);
}

sub fraction { return $_[0]->below(2**20) / 2**20; }

sub one_in { return $_[0]->below($_[1]) == 0; }

sub pick
{
	my ($self, @list) = @_;

	return $list[ $self->below(scalar @list) ];
}

=pod

=item $values->weighted($weight => $value, ...)

Returns one of the values, with a probability in proportion to its weight. If
the value is a function, returns its result.

=cut

sub weighted
{
	my ($self, @pairs) = @_;
	my $total = 0;

	$total += $pairs[ 2 * $_ ] for 0 .. $#pairs / 2;
	my $left = $self->below($total);
	while (my ($weight, $value) = splice @pairs, 0, 2)
	{
		next if ($left -= $weight) >= 0;
		return ref $value eq 'CODE' ? $value->() : $value;
	}
	return;
}

=pod

=item text(@bytes), null(), omitted()

Return descriptions.

=cut

sub text { return { is => 'text', text => join '', @_ }; }

sub null { return { is => 'null' }; }

sub omitted { return { is => 'omitted' }; }

=pod

=item $values->change

Returns a change that damages a value.

=cut

sub change
{
	my ($self) = @_;

	return {
		how => $self->weighted(6 => 'flip', 3 => 'truncate', 2 => 'extend', 1 => 'insert', 1 => 'upper'),
		at => $self->fraction,
		with => $self->pick('A', '=', '.', ' ', "\n", '%', "\xc3\xa9", '-', "\x01") };
}

=pod

=item $values->hostile($type)

Returns a value for an argument of this type, often of another type.

=cut

my @texts = (
	'', ' ', "\t\r\n", '0', '-1', 'null', 'NULL', '\\', q{'}, q{''}, '"', '$1', '%s%n', '${x}', '../../etc/passwd',
	"a\x01b", "\x7f", "\x1b[31m", "\xef\xbb\xbf", "\xe2\x80\xae", "\xc3\xa9", "e\xcc\x81", "\xf0\x9f\x92\xa9", "\xed\x9f\xbf",
	"\xf4\x8f\xbf\xbf", "\xef\xbf\xbd", "\xe2\x80\x8b", "\xc5\xbf", "\xef\xac\x80", "\xc4\xb0",
	# Invalid UTF-8.
	"\xff", "\xc3", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "abc\xfe",
	'a@b', 'a@b.c', '@', 'a@@b', 'a@[127.0.0.1]', "a\@xn--nxasmq6b.example", "\xc3\xa9\@\xc3\xa9.example", '"a b"@example.com',
	'+85212345678', '+0', '+1 (555) 0100', "+\xd9\xa1\xd9\xa2", 'admin', 'root', "adm\xc4\xb1n", "\xd1\x80\xd0\xb0ypal",
	'..', '...', 'a.b.c', 'e30.e30.', 'e30.e30.e30', 'eyJhbGciOiJub25lIn0.e30.', '====', 'AAAA', '-' x 43, 'A' x 43, 'A' x 112, '_' x 112,
	'javascript:alert(1)', 'https://app.example/cb', 'https://app.example/cb?x=#y', "https://app.example/\r\nSet-Cookie: a=b",
	'https://evil.example/', 'urn:x', '00000000-0000-0000-0000-000000000000', 'ffffffff-ffff-ffff-ffff-ffffffffffff',
	'password', 'x' x 72, 'x' x 73, 'x' x 1025, 'a=b&a=b', 'a=%00', 'a=%ff', 'a=%', '&&&=', '{', '[]', '{}', '"x"', '1e999',
	'email', 'phone_number', 'username', 'S256', 'plain', 'anonymous_request', 'ES256', 'none', 'HS256',
	'1970-01-01', 'infinity', '-infinity', '294276-12-31 23:59:59.999999+00', '4714-11-24 00:00:00+00 BC', 'epoch', 'now', 'today');

my %typed = (
	boolean => [qw(t f true false 1 0 yes maybe), ''],
	integer => [qw(0 1 -1 2 100 1000 100000 100001 2147483647 -2147483648 2147483648 1e3 0x10), ''],
	uuid => [ '00000000-0000-0000-0000-000000000000', 'ffffffff-ffff-ffff-ffff-ffffffffffff', '{01890a5d-ac96-774b-bcce-b302099a8057}',
		'01890a5d-ac96-774b-bcce-b302099a8057', '01890a5dac96774bbcceb302099a8057', 'x', '' ],
	'text[]' => [ '{}', '{a,b}', '{NULL}', '{"",""}', '{{a},{b}}', '{ES256}', '{none,ES256}', '[0:1]={a,b}', '{', "{\"\xc3\xa9\"}",
		'{https://app.example/cb}', '{javascript:alert(1)}', '{ES256,ES384,ES512,RS256,PS256,EdDSA,HS256}' ],
	regrole => [ 'fuzz_app', 'nobody_at_all', '0', '-', '4294967295', '10' ],
	regclass => [ 'anon_auth.users', 'pg_class', '0', 'nothing', '1259' ],
	name => [ 'users', '', 'x' x 70 ],
	bigint => [ '0', '-1', '9223372036854775807', '9223372036854775808' ]);

sub hostile
{
	my ($self, $type) = @_;

	return null() if $self->one_in(8);
	return $self->json if $type eq 'jsonb' || $type eq 'json';
	return text($self->pick(@{ $typed{$type} })) if $typed{$type};
	return $self->huge if $self->one_in(40);
	return text(map { $self->pick(@texts) } 1 .. 1 + $self->below(4)) if $self->one_in(4);
	return text($self->pick(@texts));
}

=pod

=item $values->huge

Returns a text of a megabyte, sometimes of ten.

=cut

sub huge
{
	my ($self) = @_;
	my $text = $self->pick('a', '.', 'A', '%41', "\xe2\x82\xac", '{"a":', '[', 'a=b&', "\\", '1', ' ', 'a.');
	my $bytes = $self->one_in(12) ? 10 * MEGABYTE : MEGABYTE;

	return { is => 'repeat', text => $text, times => int($bytes / length $text), before => $self->pick('', 'e30.', '{"a":"'), after => $self->pick('', '"}', '@example.com') };
}

=pod

=item $values->json

Returns JSON of some shape, or text that resembles JSON.

=cut

my @jsons = (
	'{}', '[]', 'null', 'true', '0', '""', '"a"', '-0', '1e400', '{"a":1,"a":2}', '{"":""}', '{"a":null}', '[[[[[[]]]]]]', '{"a":{"b":{"c":{}}}}',
	'{"\u0000":1}', '{"a":"\u0000"}', '{"a":"\ud800"}', '{"a":"\ud83d\ude00"}', "{\"\xc3\xa9\":1}", "{\"a\":\"\xff\"}", '{"a":1,}', '{', '{"a"', "{'a':1}", 'NaN',
	'{"kty":"oct","k":"AAAA"}', '{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}', '{"kty":"RSA","n":"AQAB","e":"AQAB"}', '{"kty":"RSA","n":1,"e":[]}',
	'{"kty":"OKP","crv":"Ed25519","x":"AA"}', '{"kty":null}', '{"kty":"EC","crv":"P-256","crv":"P-384"}', '{"kid":"","kty":"oct","k":""}',
	'{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}',
	'{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"}',
	'{"sub":"x","exp":1e300,"iat":-1,"nbf":"a","aud":[[]],"iss":{}}', '{"exp":9999999999999999999999999}', '{"exp":0.1e-400}', '{"sub":null,"exp":null}',
	'{"session_type":"cookie"}', '{"session_type":"refresh_token","client_id":"app"}', '{"purpose":"anonymous_request"}', '{"purpose":["anonymous_request"]}',
	'{"model":"phone","os":{"name":"x"}}');

sub json
{
	my ($self) = @_;

	return text($self->pick(@jsons)) if !$self->one_in(4);
	my $depth = $self->pick(10, 31, 32, 33, 100, 1000, 7000, 200_000);
	my $width = $self->pick(10, 999, 1000, 1001, 20_000);

	return $self->weighted(
		2 => sub { { is => 'repeat', text => '[', times => $depth, before => '', after => ']' x $depth } },
		2 => sub { { is => 'repeat', text => '{"a":', times => $depth, before => '', after => '1' . '}' x $depth } },
		2 => sub { text('{' . join(',', map { "\"k$_\":$_" } 1 .. $width) . '}') },
		1 => sub { text('[' . join(',', ('"x"') x $width) . ']') },
		1 => sub { text('{' . join(',', ('"a":1') x $width) . '}') },
		1 => sub { text('{"a":' . '9' x $self->pick(40, 41, 1000, 100_000) . '}') },
		1 => sub { text('{"a":0.' . '1' x $self->pick(1000, 16_000) . '}') },
		1 => sub { text('{"exp":1' . '0' x 1000 . ',"sub":"a"}') },
		1 => sub { { is => 'repeat', text => 'x', times => $self->pick(16_384, 65_536, MEGABYTE), before => '{"a":"', after => '"}' } },
		1 => sub { { is => 'repeat', text => 'x', times => MEGABYTE, before => '{"', after => '":1}' } });
}

=pod

=back

=cut

1;
