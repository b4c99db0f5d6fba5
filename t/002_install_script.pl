# pgspot, a checker for insecure install scripts, reports nothing for the
# install scripts of this repository.

use strict;
use warnings;

use File::Basename qw(basename);
use FindBin;
use PostgreSQL::Test::Utils;
use Test::More;

my $pgspot = $ENV{PGSPOT} // (grep { -x } map { "$_/pgspot" } split /:/, $ENV{PATH})[0];
plan skip_all => 'pgspot is not installed (pip install pgspot)' unless $pgspot;

my @scripts = glob "$FindBin::Bin/../anon_auth*--*.sql";
ok(scalar @scripts, 'there are install scripts');
like(scalar qx("$pgspot" "$_" 2>&1), qr/Errors: 0 Warnings: 0 Unknown: 0/, 'pgspot reports neither errors nor warnings in ' . basename($_))
  for @scripts;

done_testing();
