# Every link in the documents leads to an existing file and heading, and all
# files that state the version agree.

use strict;
use warnings;

use File::Basename qw(basename);
use File::Find;
use File::Spec;
use FindBin;
use JSON::PP ();
use PostgreSQL::Test::Utils;
use Test::More;

my $root = File::Spec->rel2abs("$FindBin::Bin/..");

# The text of a document without code blocks, where brackets are not links.
sub prose
{
	my ($file) = @_;
	my $text = slurp_file($file);

	$text =~ s/^```.*?^```//gms;
	$text =~ s/^(?: {4}|\t).*$//gm;
	return $text;
}

# The anchors of the headings, in GitHub's format: from the second heading with
# the same name on, a number is appended.
sub anchors
{
	my ($file) = @_;
	my (%seen, %anchors);

	for my $heading (prose($file) =~ /^#+ +(.*?) *$/gm)
	{
		my $name = lc $heading;

		$name =~ s/\[([^]]*)\]\([^)]*\)/$1/g;
		$name =~ s/[^\w\- ]//g;
		$name =~ tr/ /-/;
		my $before = $seen{$name}++;
		$anchors{ $before ? "$name-$before" : $name } = 1;
	}
	return \%anchors;
}

my @documents;
find(
	{
		no_chdir => 1,
		wanted => sub {
			# Build results and downloads contain documents of other projects.
			if (-d && m{/(?:\.git|build|node_modules|tmp_check)\z})
			{
				$File::Find::prune = 1;
			}
			elsif (/\.md\z/)
			{
				push @documents, $_;
			}
		}
	},
	$root);

cmp_ok(scalar @documents, '>', 10, 'there are documents');

for my $document (sort @documents)
{
	my ($volume, $directory) = File::Spec->splitpath($document);
	my @dead;
	my $text = prose($document);

	$text =~ s/`[^`\n]*`/code/g;
	while ($text =~ /\]\(([^)\s]+)\)/g)
	{
		my ($path, $anchor) = $1 =~ /\A([^#]*)(?:#(.*))?\z/s;
		my $target = $path eq '' ? $document : "$directory/$path";

		next if $path =~ /\A[a-z]+:/;
		push @dead, $1
		  if !-e $target
		  || defined $anchor && !anchors($target)->{$anchor};
	}
	is(join("\n", @dead), '', File::Spec->abs2rel($document, $root) . ': every link leads to an existing target');
}

my ($version) = slurp_file("$root/anon_auth.control") =~ /^default_version = '([^']+)'/m;
my $meta = JSON::PP::decode_json(slurp_file("$root/META.json"));
my ($debian) = slurp_file("$root/debian/changelog") =~ /\A\S+ \(([^)-]+)/;
my ($news) = slurp_file("$root/CHANGELOG.md") =~ /^## (\S+)/m;

is($news, $version, 'the first entry of CHANGELOG.md has the version in anon_auth.control');
is_deeply(
	{ map { $_ => $meta->{provides}{$_}{version} } keys %{ $meta->{provides} } },
	{ map { basename($_, '.control') => $meta->{version} } glob "$root/*.control" },
	'META.json gives each extension and the distribution the same version');
is_deeply([ grep { slurp_file($_) !~ /^default_version = '\Q$version\E'/m } glob "$root/*.control" ], [], 'all control files have one version');
like($meta->{version}, qr/\A\Q$version\E\.\d+\z/, 'the version in META.json extends the version in anon_auth.control');
is($debian, $meta->{version}, 'the first entry of debian/changelog has the version in META.json');

done_testing();
