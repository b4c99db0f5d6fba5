# Compare verify_jwt() with the npm package jose on thousands of JWTs, valid
# ones and ones that are wrong in some way. Every difference must be in the
# lists of intended differences below.
#
# ANON_AUTH_OPINIONS is the number of JWTs; the default is 5000. Set
# ANON_AUTH_SEED to repeat a run.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Clients;
use AnonAuth::Device qw(sql_literal);
use JSON::PP ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $reason = AnonAuth::Clients->missing;

plan skip_all => $reason if $reason;

my $count = $ENV{ANON_AUTH_OPINIONS} // 5000;
my $seed = $ENV{ANON_AUTH_SEED} // int rand 2**31;
my $issuer = 'https://auth.example/tenant';
my $audience = 'https://api.example';
my $opinion = AnonAuth::Clients->new->run('second-opinion',
	{ seed => $seed, count => $count, issuer => $issuer, audience => $audience });

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->append_conf('postgresql.conf', 'fsync = off');
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION anon_auth');
$node->safe_psql('postgres', sprintf 'UPDATE anon_auth.settings SET issuer = %s, audience = %s', map { sql_literal($_) } $issuer, $audience);
$node->safe_psql('postgres', sprintf 'SELECT anon_auth.import_signing_key(%s)', sql_literal(JSON::PP->new->encode($_))) for @{ $opinion->{keys} };

# All calls run in one backend, so that a token with side effects would break
# later ones.
my $file = $node->basedir . '/cases.json';
append_to_file($file, JSON::PP->new->ascii->encode($opinion->{cases}));
chmod 0644, $file;
my @answers = split /\n/, $node->safe_psql('postgres', <<"SQL");
CREATE FUNCTION verdict(token text) RETURNS text LANGUAGE plpgsql AS \$\$
DECLARE
	why text;
BEGIN
	PERFORM anon_auth.verify_jwt(token);
	RETURN 'accepted';
EXCEPTION WHEN SQLSTATE 'AA014' THEN
	GET STACKED DIAGNOSTICS why = PG_EXCEPTION_DETAIL;
	RETURN why;
END
\$\$;
SELECT verdict(c ->> 'token') FROM jsonb_array_elements(pg_read_file('$file')::jsonb) WITH ORDINALITY e(c, n) ORDER BY n;
SQL
is(scalar @answers, $count, 'verify_jwt() accepts each token, or refuses it with AA014 and a reason');

# Tokens that verify_jwt() refuses and jose accepts: the change to the token,
# and the reason.
my %stricter = (
	'a member name appears twice' => 'RFC 7515, section 4; RFC 8725, section 2.4: jose takes the last',
	'it has no key ID (kid)' => 'jose tries the one key of that algorithm',
	'its "exp" is not a number of seconds since 1970' => 'jose takes any number',
	'its "nbf" is not a number of seconds since 1970' => 'jose takes any number',
	'not valid unpadded base64url' => 'RFC 4648, section 3.5: jose ignores bits that must be zero',
	'a byte order mark' => 'RFC 8259, section 8.1: jose ignores it, as parsers may');

# Tokens that verify_jwt() accepts and jose refuses, by jose's reason.
# verify_jwt() requires fewer claims than access tokens must have.
my %laxer = (
	'iss: missing' => 'verify_jwt() checks iss where there is one',
	'aud: missing' => 'verify_jwt() checks aud where there is one',
	'iat: invalid' => 'RFC 7519, section 4.1.6: iat is no reason to refuse');

my (@stricter, @laxer, %reasons, %kinds);
my ($accepted, $refused) = (0, 0);

for my $i (0 .. $#answers)
{
	my $case = $opinion->{cases}[$i];
	my ($why) = $answers[$i] =~ /^The token is refused: (.*)\.$/;

	defined $why ? $refused++ : $accepted++;
	$reasons{$why}++ if defined $why;
	if (defined $why && !defined $case->{why})
	{
		my ($meant) = grep { index("$case->{made}: $why", $_) >= 0 } sort keys %stricter;

		$meant ? $kinds{$meant}++ : push @stricter, "$case->{made}: $why: $case->{token}";
	}
	elsif (!defined $why && defined $case->{why})
	{
		$laxer{ $case->{why} } ? $kinds{ $case->{why} }++ : push @laxer, "$case->{made}: $case->{why}: $case->{token}";
	}
}
is_deeply(\@laxer, [], "verify_jwt() accepts no token that jose refuses (seed $seed)");
is_deeply(\@stricter, [], 'verify_jwt() refuses no token that jose accepts');
cmp_ok($_, '>', $count / 10,
	'more than a tenth of the tokens are accepted, and more than a tenth refused') for $accepted, $refused;
diag("$count tokens: $accepted accepted, $refused refused");
diag("meant: $_: $kinds{$_}") for sort keys %kinds;
diag("refused: $_: $reasons{$_}") for sort keys %reasons;

$node->stop;
done_testing();
