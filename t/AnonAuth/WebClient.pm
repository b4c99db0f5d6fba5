
=pod

=head1 NAME

AnonAuth::WebClient - the site for the browser tests of clients/web

=head1 SYNOPSIS

  my $site = AnonAuth::WebClient->new($node);

  AnonAuth::BrowserScript->run("$directory/web_client.mjs", $site->environment);

=head1 DESCRIPTION

The example's site with pages that load clients/web, under its Content-Security-Policy. The
browser reaches it by t/browser/unreliable.mjs, whose address is the issuer. The clients:

  web        the default
  rotating   rotates refresh tokens
  bound      requires tokens that are bound to a key

=cut

package AnonAuth::WebClient;

use strict;
use warnings;

use AnonAuth::Web;
use Cwd ();
use File::Copy ();
use File::Path ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;

my $root = Cwd::abs_path(__FILE__ =~ s{/[^/]*\z}{/../..}r);

=pod

=over

=item AnonAuth::WebClient->new($node)

Starts the site.

=cut

sub new
{
	my ($class, $node) = @_;
	my ($port, $foreign) = map { PostgreSQL::Test::Cluster::get_free_port() } 1, 2;
	my $self = bless {
		port => $port,
		issuer => "http://127.0.0.1:$port",
		foreign => "http://localhost:$foreign",
		node => $node
	}, $class;

	$self->{web} = AnonAuth::Web->new($node, origins => [ $self->{foreign} ]);
	$self->_write_pages;
	$self->_prepare_database;
	return $self;
}

=pod

=item $site->environment

The environment variables of web_client.mjs: ORIGIN, the issuer; UPSTREAM, nginx; FOREIGN, an
origin whose pages may send requests; PAGES, the directory with the pages; DATABASE.

=cut

sub environment
{
	my ($self) = @_;

	return (
		ORIGIN => $self->{issuer},
		UPSTREAM => $self->{web}->origin,
		FOREIGN => $self->{foreign},
		PAGES => $self->{web}->directory . '/web/dist',
		DATABASE => $self->{node}->connstr('postgres'));
}

=pod

=item $site->web

The AnonAuth::Web behind it.

=back

=cut

sub web { return $_[0]{web}; }

sub _write_pages
{
	my ($self) = @_;
	my $dist = $self->{web}->directory . '/web/dist';

	File::Path::make_path("$dist/src");
	for my $file (glob("$root/clients/web/src/*.js"))
	{
		File::Copy::copy($file, "$dist/src") or die "cannot copy $file: $!";
	}
	File::Copy::copy("$root/t/browser/client/page.js", $dist) or die "cannot copy page.js: $!";
	for my $client (qw(web rotating bound))
	{
		append_to_file("$dist/$client.html", <<"HTML");
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>$client</title>
<body data-client="$client" data-issuer="$self->{issuer}" data-origins="">
<script type="module" src="page.js"></script>
HTML
	}
	return;
}

sub _prepare_database
{
	my ($self) = @_;

	$self->{node}->safe_psql('postgres', <<"SQL");
UPDATE anon_auth.settings SET issuer = '$self->{issuer}', password_hash_memory_kib = 8192, password_hash_passes = 1,
	code_requests_per_minute_per_ip = NULL, guest_sign_ups_per_minute_per_ip = NULL;
SELECT anon_auth.create_client('web', 'spa', '{$self->{issuer}/app/web.html,$self->{foreign}/app/web.html}'),
	anon_auth.create_client('rotating', 'spa', '{$self->{issuer}/app/rotating.html}'),
	anon_auth.create_client('bound', 'spa', '{$self->{issuer}/app/bound.html,$self->{foreign}/app/bound.html}');
UPDATE anon_auth.clients SET dpop = 'required' WHERE client_id = 'bound';
UPDATE anon_auth.clients SET refresh_token_rotation_enabled = true WHERE client_id = 'rotating';
SQL
	return;
}

1;
