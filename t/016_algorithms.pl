# The SQL scripts and the guide list the same algorithms as the table in
# src/jose/jwa.h.

use strict;
use warnings;

use FindBin;
use PostgreSQL::Test::Utils;
use Test::More;

my $root = "$FindBin::Bin/..";
my $install = join '', map { slurp_file($_) } sort glob "$root/install/*/*.sql";
my $guide = slurp_file("$root/docs/guide.md");

# The rows of the table: ALGORITHM(ES256, "ES256", EC, P256, SHA256, 64, true, ...)
my @rows = slurp_file("$root/src/jose/jwa.h") =~
  /^\tALGORITHM\(\w+,\s*("\w+",[^)]*)\)/gm;
my @algorithms = map {
	my %row;
	@row{qw(name type scheme hash signature tokens devices verify proofs)} = split /,\s*/;
	$row{name} =~ tr/"//d;
	\%row;
} @rows;

sub names
{
	my ($condition) = @_;

	return [ sort map { $_->{name} } grep { $condition->() } @algorithms ];
}

# The names of the algorithms in a text, each once.
sub names_in
{
	my ($text) = @_;
	my %seen = map { $_ => 1 } $text =~ /\b((?:[A-Z]S\d+)|EdDSA)\b/g;

	return [ sort keys %seen ];
}

# The algorithms of "RS, PS and ES with 256, 384 and 512, and EdDSA".  Names of single
# algorithms may follow.
sub families_in
{
	my ($text) = @_;
	my ($families, $sizes) =
	  $text =~ /((?:[A-Z]S(?:, | or | and |))+) with ((?:\d{3}(?:, | or | and |))+)/
	  or return [];
	my @sizes = $sizes =~ /\d+/g;

	return [ sort(@{ names_in($text) },
			map { my $family = $_; map { "$family$_" } @sizes } $families =~ /[A-Z]S/g) ];
}

# The rows of the synonyms: SYNONYM(EDDSA, "Ed25519")
my @synonyms = slurp_file("$root/src/jose/jwa.h") =~ /^\tSYNONYM\(\w+, "(\w+)"\)/gm;

cmp_ok(@algorithms, '>', 12, 'the table has rows');
is_deeply(names(sub { $_->{devices} eq 'true' && $_->{type} eq 'OCT' }), [],
	'no symmetric algorithm is allowed for device keys');
is_deeply(names(sub { $_->{proofs} eq 'true' && $_->{type} eq 'OCT' }), [],
	'no symmetric algorithm is allowed for DPoP proofs');

my $signing = names(sub { $_->{tokens} eq 'true' });
my $made = names(sub { $_->{tokens} eq 'true' && $_->{type} ne 'OCT' });

my ($check) = $install =~ /CHECK \(alg [^{]*\{([^}]*)\}/;
is_deeply([ sort split /,/, $check // '' ], $signing,
	'the CHECK constraint of signing_keys accepts the algorithms that sign tokens');

my ($comment) = $install =~ /^COMMENT ON FUNCTION anon_auth\.create_signing_key\(.*?IS\s*'(.*?)';$/ms;
is_deeply(names_in($comment // ''), $made, 'the comment of create_signing_key() lists the algorithms that it accepts');
my ($row) = $guide =~ /^(\| `create_signing_key\(\)`.*)$/m;
is_deeply(names_in($row // ''), $made, 'the guide lists the algorithms that create_signing_key() accepts');

my ($verify) = $install =~ /^COMMENT ON FUNCTION anon_auth\.jws_verify\(.*?IS\s*'(.*?)';$/ms;
is_deeply(families_in($verify // ''), names(sub { $_->{verify} eq 'true' }),
	'the comment of jws_verify() lists the algorithms that it verifies');
($verify) = $guide =~ /^(\| `jws_verify\(.*)$/m;
is_deeply(families_in($verify // ''), names(sub { $_->{verify} eq 'true' }),
	'the guide lists the algorithms that jws_verify() verifies');

my ($device) = $guide =~ /^(\|[^\n]*\| `alg` \|.*)$/m;
is_deeply(families_in($device // ''), names(sub { $_->{devices} eq 'true' }),
	'the guide lists the algorithms of device keys');

cmp_ok(@synonyms, '>', 0, 'the table has synonyms');
for my $synonym (@synonyms)
{
	ok(!grep({ $_->{name} eq $synonym } @algorithms), "$synonym is not an algorithm of the table as well");
	like($_, qr/name `?$synonym\b|called `$synonym`/, "the documents say that $synonym is another name")
	  for grep { $_ } $verify, $device, $install =~ /^(COMMENT ON FUNCTION anon_auth\.jws_verify\(.*?;)$/ms;
}

done_testing();
