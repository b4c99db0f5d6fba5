
=pod

=head1 NAME

AnonAuth::BrowserScript - runs a program of t/browser and reports its results

=head1 SYNOPSIS

  use AnonAuth::BrowserScript;

  AnonAuth::BrowserScript->run("$directory/run.mjs", ORIGIN => $web->origin) or diag($web->log('nginx'));

=head1 DESCRIPTION

The program drives Chromium. It writes each result as one line of JSON: name,
ok, and why it failed; see C<tell()> in t/browser/browser.mjs. The last line
says that it is done.

=cut

package AnonAuth::BrowserScript;

use strict;
use warnings;

use IPC::Run ();
use JSON::PP ();
use PostgreSQL::Test::Utils;
use Test::More;

=pod

=over

=item AnonAuth::BrowserScript->run($path, %environment)

Runs the program with further environment variables, and reports each result as
a test. Returns true if the program came to its end.

=back

=cut

sub run
{
	my ($class, $path, %environment) = @_;
	my ($line, $errors, $seen, $done) = ('', '', 0, 0);

	local %ENV = (%ENV, %environment, TIMEOUT => $PostgreSQL::Test::Utils::timeout_default);
	my $finished = IPC::Run::run(
		[ 'node', $path ],
		'<', \undef,
		'>',
		sub {
			$line .= $_[0];
			while ($line =~ s/^(.*)\n//)
			{
				my $result = JSON::PP->new->utf8->decode($1);

				if ($result->{done})
				{
					$done = 1;
					next;
				}
				$seen++;
				ok($result->{ok}, $result->{name}) or diag($result->{why} // '');
			}
		},
		'2>', \$errors);

	ok($finished && $done, 'the browser tests run to their end') or diag($errors);
	cmp_ok($seen, '>', 0, 'the browser tests report results');
	return $finished && $done;
}

1;
