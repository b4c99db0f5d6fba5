=pod

=head1 NAME

AnonAuth::Mail - a local SMTP server, and the worker of examples/worker that sends to it

=head1 SYNOPSIS

  use AnonAuth::Mail;

  my $python = AnonAuth::Mail->python or plan skip_all => AnonAuth::Mail->missing;
  my $mail = AnonAuth::Mail->start($node, $directory);

  # a message is a file $mail->mailbox . '/*.json'

=head1 DESCRIPTION

The role C<worker> must exist, with C<anon_auth.grant_worker()>. The processes end with the
program.

=cut

package AnonAuth::Mail;

use strict;
use warnings;

use FindBin;
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;

my @processes;

# Only processes that this program has started
END
{
	local ($?, $@);
	eval { $_->kill_kill } for @processes;
}

=pod

=over

=item AnonAuth::Mail->python, AnonAuth::Mail->missing

The program that can run the worker, or undef; and the reason to skip the test.

=cut

sub python
{
	my ($python) = grep { eval { run_command([ $_, '-c', 'import psycopg, aiosmtpd, tomllib' ]); 1 } && $? == 0 } qw(python3 /usr/bin/python3);

	return $python;
}

sub missing { return 'Python 3.11 with psycopg 3 and aiosmtpd is not installed'; }

=pod

=item AnonAuth::Mail->start($node, $directory)

Starts both, with files in a directory that exists.

=item $mail->mailbox, $mail->logs

The directory of the messages, and the files that the worker and the server write.

=back

=cut

sub start
{
	my ($class, $node, $directory) = @_;
	my $self = bless { directory => $directory, mailbox => "$directory/mail" }, $class;
	my $python = $class->python;
	my $port = PostgreSQL::Test::Cluster::get_free_port();
	my $out = '';

	run_command([ qw(openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc -days 2 -subj /CN=localhost),
			'-addext', 'subjectAltName=DNS:localhost', '-keyout', "$directory/mail.key", '-out', "$directory/mail.pem" ]);
	mkdir $self->{mailbox} or die;
	push @processes, IPC::Run::start([ $python, "$FindBin::Bin/worker/smtp.py", "$directory/mail.pem", "$directory/mail.key", $port, $self->{mailbox} ],
		'<', \undef, '>', \$out, '2>', "$directory/smtp.log");
	$processes[-1]->pump until $out =~ /ready/;

	append_to_file("$directory/worker.toml", <<"TOML");
database = "@{[ $node->connstr('postgres') =~ s/["\\]/\\$&/gr ]} user=worker"
poll_seconds = 600
[mail]
host = "localhost"
port = $port
user = "app"
password = "secret"
sender = "Notebook <no-reply\@app.example>"
ca_file = "$directory/mail.pem"
[texts]
app = "Notebook"
TOML
	push @processes, IPC::Run::start([ $python, "$FindBin::Bin/../examples/worker/anon_auth_worker.py", "$directory/worker.toml" ],
		'<', \undef, '>', "$directory/worker.out", '2>', "$directory/worker.log");
	return $self;
}

sub mailbox { return $_[0]{mailbox}; }

sub logs { return map { "$_[0]{directory}/$_" } qw(worker.log worker.out); }

1;
