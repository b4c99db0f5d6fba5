#
# The servers of examples/drivers and docs/drivers.md have a status for every error of a
# client function, the same in each language, and read the DETAIL of all errors that have
# JSON there.
#
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../t";

use PostgreSQL::Test::Utils qw(slurp_file);
use Test::More;

my $root = "$FindBin::Bin/..";
# Errors of the configuration, of hooks and of merges: docs/drivers.md says so.
my %left_out = map { $_ => 1 } qw(AA001 AA002 AA017 AA020 AA021);
my @errors = grep { !$left_out{$_} } slurp_file("$root/src/base/errors.h") =~ m{/\* (AA\d{3}) \*/ ERROR_ROW}g;
my $guide = slurp_file("$root/docs/guide.md");
my ($members) = $guide =~ /^The detail of \w+ errors is one JSON object.*?\n\n(\|.*?)\n\n/ms;
my @json = $members =~ /^\| (AA\d{3}) \|/mg;
my %first;

# The statuses of a text, by SQLSTATE.
sub statuses
{
	my ($text) = @_;
	my %statuses = $text =~ /\b(AA\d{3}|\d{2}[0-9A-Z]{3})["']?(?::| =>) (\d{3})\b/g;

	while ($text =~ /case ((?:"\w{5}"(?:, )?)+) -> (\d{3})/g)
	{
		my ($cases, $status) = ($1, $2);

		$statuses{$_} = $status for $cases =~ /(\w{5})/g;
	}
	return \%statuses;
}

cmp_ok(scalar @errors, '>', 20, 'errors.h lists errors');
cmp_ok(scalar @json, '>=', 6, 'the guide lists errors with JSON');
for my $path (qw(node-postgres/server.mjs jdbc/Server.java pgx/main.go python/calls.py ruby/server.rb php/errors.php ../../docs/drivers.md))
{
	my $text = slurp_file("$root/examples/drivers/$path");
	my $statuses = statuses($text);
	my ($list) = $text =~ /(AA009["']?,? ["']?AA010["']?,? [^)\]:]*)/ or die "$path has no list of errors with JSON";

	is_deeply([ grep { !$statuses->{$_} } @errors ], [], "$path: every error has a status");
	%first = %$statuses unless %first;
	is_deeply($statuses, \%first, "$path: the statuses are those of the other examples");
	is_deeply([ $list =~ /(AA\d{3})/g ], \@json, "$path: it reads the JSON of all errors that have it");
}
is($first{AA025}, 503, 'AA025 asks the client to come back');
is_deeply([ map { $first{$_} } qw(22023 22P02 22021 23503 42501 40001 57014) ], [ 400, 400, 400, 401, 403, 503, 503 ], q{PostgreSQL's own SQLSTATEs have a status});

done_testing();
