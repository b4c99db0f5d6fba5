# "Getting started" in README.md, as a new user pastes it into psql.

use strict;
use warnings;

use FindBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $readme = slurp_file("$FindBin::Bin/../README.md");
my ($tour) = $readme =~ /^## Getting started\n.*?^```sql\n(.*?)^```/ms;
my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->start;

my ($status, $output, $errors) = $node->psql('postgres', $tour, on_error_stop => 0);
my @lines = grep { $_ ne '' } split /\n/, $output;

is($errors =~ s/^psql:.*?ERROR: +AA006: .*\n(?:(?:DETAIL|HINT|LOCATION|LINE \d+):.*\n?|\s+\^.*\n?)*//mr, '', 'the only error is the one that is announced: AA006');
like($errors, qr/ERROR: +AA006: /, 'the refresh token of the guest is refused after the promotion');
my ($is_anonymous, $same_user, $note) = grep { /\A(?:true|t|f|false|Buy milk)\z/ } @lines;
is($is_anonymous, 'true', 'the tour begins with a guest');
is($same_user, 't', 'the user id stays the same');
is($note, 'Buy milk', 'the account still has the note');
is(scalar(grep { /\A[0-9a-f-]{36}\|1800\z/ } @lines), 1, 'the right password logs in, in any case of the address, and the wrong one returns no row');
is($node->safe_psql('postgres', q{SELECT count(*) || ' ' || bool_or(is_anonymous) FROM anon_auth.users}), '1 false', 'there is one user, an account');
is($node->safe_psql('postgres', q{SELECT count(*) FROM anon_auth.doctor() WHERE severity = 'error'}), '0', 'doctor() finds no error');

# Commands that a new user runs.
ok(-x "$FindBin::Bin/../$_", "$_ can be run") for $readme =~ /^    (script\/[\w-]+)$/mg;

$node->stop;
done_testing();
