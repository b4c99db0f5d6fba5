# What the documents point at is there, and they agree on the version.

use strict;
use warnings;

use File::Find;
use File::Spec;
use FindBin;
use JSON::PP ();
use PostgreSQL::Test::Utils;
use Test::More;

my $root = File::Spec->rel2abs("$FindBin::Bin/..");

# The text without what is shown as code, where brackets mean nothing.
sub prose
{
	my ($file) = @_;
	my $text = slurp_file($file);

	$text =~ s/^```.*?^```//gms;
	$text =~ s/^(?: {4}|\t).*$//gm;
	return $text;
}

# What a heading is called in a link (as GitHub does it), a number added from
# the second of the same name on.
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
			# What is built or fetched is nobody's document here.
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

cmp_ok(scalar @documents, '>', 10, 'the documents are here');

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
	is(join("\n", @dead), '', File::Spec->abs2rel($document, $root) . ': every link leads somewhere');
}

my ($version) = slurp_file("$root/anon_auth.control") =~ /^default_version = '([^']+)'/m;
my $meta = JSON::PP::decode_json(slurp_file("$root/META.json"));
my ($debian) = slurp_file("$root/debian/changelog") =~ /\A\S+ \(([^)-]+)/;
my ($news) = slurp_file("$root/CHANGELOG.md") =~ /^## (\S+)/m;

is($news, $version, 'the first entry of CHANGELOG.md is of the version in anon_auth.control');
is($meta->{provides}{anon_auth}{version}, $meta->{version}, 'META.json names one version');
like($meta->{version}, qr/\A\Q$version\E\.\d+\z/, 'META.json has the version in anon_auth.control');
is($debian, $meta->{version}, 'debian/changelog begins with the version in META.json');

done_testing();
