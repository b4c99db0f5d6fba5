# The programs in examples/clients print what they promise, each with its own
# driver.
#
# Duration: 60 s

use strict;
use warnings;

use File::Copy qw(copy);
use FindBin;
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $examples = "$FindBin::Bin/../examples/clients";
my $directory = PostgreSQL::Test::Utils::tempdir();
my $node = PostgreSQL::Test::Cluster->new('main');

$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->start;
$node->safe_psql('postgres', slurp_file("$examples/setup.sql"));

my $story = <<'STORY';
signed up: a guest
wrote a note
came back: the same guest, 1 note
promoted: the same user, 1 note
STORY

sub run_in
{
	my ($where, @command) = @_;
	my ($output, $error) = ('', '');
	my $done = eval {
		IPC::Run::run(\@command, '<', \undef, '>', \$output, '2>', \$error,
			init => sub { chdir $where or die "$where: $!" },
			IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	};

	return ($done, $output, $@ || $error);
}

# Debian's packages are for Debian's Python.
my ($python) = ((grep { (run_in('.', $_, '-c', 'import psycopg'))[0] } qw(python3 /usr/bin/python3)), 'python3');

# For each program: its name, its files, the command that prepares it (it may
# fail where a registry cannot be reached), and the command that runs it.
my @libpq = map { split ' ' } map { my ($done, $flags) = run_in('.', qw(pkg-config --cflags --libs libpq libsodium)); $done ? $flags : () } 1;
my @programs = (
	[ 'node-postgres', [qw(node-postgres.mjs package.json package-lock.json)], [qw(npm ci --silent)], [qw(node node-postgres.mjs)] ],
	[ 'psycopg', ['python.py'], [ $python, '-c', 'import psycopg, cryptography' ], [ $python, 'python.py' ] ],
	[ 'pgx', [qw(pgx/main.go pgx/go.mod pgx/go.sum)], [qw(go build -buildvcs=false -o example .)], ["$directory/pgx/example"] ],
	[ 'libpq', ['libpq.c'], [ qw(cc -Wall -Wextra -Werror libpq.c -o libpq), @libpq ], ["$directory/libpq/libpq"] ]);

# Other tests use the same packages and builds.
my %caches = (GOPATH => "$directory/go", GOCACHE => "$directory/go-cache", npm_config_cache => "$directory/npm");
%caches = () if defined $ENV{HOME} && -w $ENV{HOME};
local @ENV{ keys %caches } = values %caches;
local $ENV{GOFLAGS} = '-modcacherw';

for my $program (@programs)
{
	my ($name, $files, $prepare, $run) = @$program;
	my $where = "$directory/$name";
	my ($done, $output, $error);

	local @ENV{qw(PGHOST PGPORT PGDATABASE PGUSER)} = ($node->host, $node->port, 'postgres', 'app_role');
	mkdir $where or die "$where: $!";
	copy("$examples/$_", $where) or die "$_: $!" for @$files;
	($done, $output, $error) = run_in($where, @$prepare);
  SKIP:
	{
		note $error unless $done;
		skip "$name: '@$prepare' fails here", 1 unless $done;
		($done, $output, $error) = run_in($where, @$run);
		is($output . $error, $story, "$name signs up, logs in again and is promoted");
	}
}

is($node->safe_psql('postgres', 'SELECT count(*) FROM anon_auth.users WHERE is_anonymous'), 0, 'the examples leave no guest behind');

done_testing();
