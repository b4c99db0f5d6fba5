# The list of types that settings.event_types accepts, the comment of the table and
# the guide name each type of event that the code writes, and no other.

use strict;
use warnings;

use FindBin;
use PostgreSQL::Test::Utils;
use Test::More;

my $root = "$FindBin::Bin/..";
my $type = qr/[a-z_]+(?:\.[a-z_]+)+/;

# The first argument of events_insert(), or the third one of the function that passes
# its own argument on.
my %written;
my @unknown;
for my $path (glob "$root/src/*/*.c")
{
	my $source = slurp_file($path);

	while ($source =~ /\bevents_insert\(([^,]+),/g)
	{
		my $argument = $1;

		if ($argument =~ /^"($type)"$/) { $written{$1} = 1 }
		elsif ($argument ne 'const char *type' && $argument ne 'event_type') { push @unknown, "$path: $argument" }
	}
	$written{$1} = 1 while $source =~ /\b(?:session_end_copied|end_copied_session)\([^;]*?"($type)"/g;
}
is_deeply(\@unknown, [], 'the type of each event is known from the source');
cmp_ok(keys %written, '>', 15, 'the code writes events');
# purge() inserts many at once.
like(slurp_file("$root/src/domain/purge.c"), qr/"user\.deleted"/, 'purge() writes an event of a type that others write, too');

sub listed
{
	my ($text) = @_;

	return [ sort $text =~ /$type/g ];
}

my $written = [ sort keys %written ];
my ($setting) = slurp_file("$root/src/store/settings.list") =~ /check\s+event_types: items of (.*?)\n\t\w/s;
is_deeply(listed($setting), $written, 'settings.event_types accepts every type of event that the code writes');
my ($comment) = slurp_file("$root/install/anon_auth/30_keys_events.sql") =~ /COMMENT ON TABLE anon_auth\.events IS\n'[^']*?Types: ([^']*)\.';/;
is_deeply(listed($comment), $written, 'the comment of events lists every type');
my ($table) = slurp_file("$root/docs/guide.md") =~ /\| type \| when \| payload \|\n\|---\|---\|---\|\n((?:\|.*\n)+)/;
is_deeply([ sort map { /`($type)`/g } $table =~ /^\| ([^|]+) \|/mg ], $written, 'the guide describes every type');

done_testing();
