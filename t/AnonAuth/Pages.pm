=pod

=head1 NAME

AnonAuth::Pages - a database with clients and accounts, for tests of the pages

=head1 SYNOPSIS

  use AnonAuth::Pages qw(fields shows);

  my $site = AnonAuth::Pages->new;
  my $user = $site->account('ada@example.com');
  my $browser = $site->logged_in('ada@example.com');
  my $page = $browser->get('/settings/change_password');

  shows($page, 200, qr/name="password"/, 'the page asks for a password');
  $browser->post_form('/settings/change_password', fields($page), password => 'another one');

=head1 DESCRIPTION

The requests go through L<AnonAuth::Browser>, without PostgREST. The issuer is
https://auth.example. There are two clients: "web", an app named Notebook, and
"site", whose sessions are cookies.

=cut

package AnonAuth::Pages;

use strict;
use warnings;

use AnonAuth::Browser;
use AnonAuth::Device qw(jws_parts sql_literal);
use Digest::SHA qw(sha256);
use Exporter qw(import);
use JSON::PP ();
use MIME::Base64 qw(encode_base64url);
use PostgreSQL::Test::Cluster;
use Test::More;

our @EXPORT_OK = qw(data_of fields shows with_passkey);

my $password = 'correct horse';
my $json = JSON::PP->new->utf8->canonical;

=pod

=over

=item AnonAuth::Pages->new

Starts a server.

=cut

sub new
{
	my ($class) = @_;
	my $node = PostgreSQL::Test::Cluster->new('main');

	$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
	$node->start;
	$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION anon_auth;
CREATE EXTENSION anon_auth_http;
CREATE ROLE anon NOLOGIN;
CREATE ROLE authenticated NOLOGIN;
CREATE ROLE authenticator LOGIN NOINHERIT;
GRANT anon, authenticated TO authenticator;
SELECT anon_auth.grant_http_api('anon'), anon_auth.grant_http_api('authenticated'),
	   anon_auth.grant_http_api('authenticator');
SELECT anon_auth.create_client('web', 'spa', '{https://app.example/cb}', name => 'Notebook'),
	   anon_auth.create_client('site', 'traditional_webapp', '{https://app.example/home}', name => 'Notebook');
UPDATE anon_auth.settings SET issuer = 'https://auth.example', password_hash_memory_kib = 8192,
	password_hash_passes = 1;
SQL
	return bless { node => $node }, $class;
}

=pod

=item $site->node

=item $site->query($sql)

=item $site->settings(name => value, ...)

Changes settings, and forgets all limits.

=item $site->no_limits

=cut

sub node { return $_[0]{node}; }

sub query { return $_[0]{node}->safe_psql('postgres', $_[1]); }

sub settings
{
	my ($self, %settings) = @_;

	$self->query('UPDATE anon_auth.settings SET ' . join(', ', map { "$_ = " . sql_literal($settings{$_}) } sort keys %settings));
	$self->no_limits;
}

sub no_limits { $_[0]->query('SELECT anon_auth.reset_counters()'); }

=pod

=item $site->browser(header => value, ...)

A browser whose requests come from a page of the issuer.

=item $site->account($email, unproven => 0)

Creates an account with the password "correct horse", and returns its user id.

=item $site->tokens($email, $password)

Logs in with the client "web", and returns access token, refresh token and session id.

=item $site->logged_in($email, $password, header => value, ...)

Returns a browser with a cookie session of the client "site".

=item $site->guest(header => value, ...)

Returns a browser with the cookie session of a new guest.

=cut

sub browser
{
	my ($self, %headers) = @_;

	return AnonAuth::Browser->new($self->{node}, headers => { 'sec-fetch-site' => 'same-origin', %headers });
}

sub account
{
	my ($self, $email, %more) = @_;
	my $user = $self->query("SELECT anon_auth.verify_jwt(access_token) ->> 'sub' FROM anon_auth.sign_up('web', email => "
		  . sql_literal($email) . ', password => ' . sql_literal($password) . ')');

	$self->query("UPDATE anon_auth.login_ids SET verified_at = now() WHERE user_id = '$user';
		UPDATE anon_auth.users SET is_verified = true WHERE id = '$user'") if !$more{unproven};
	return $user;
}

sub tokens
{
	my ($self, $email, $given) = @_;
	my ($access, $refresh) = split /\|/, $self->query('SELECT access_token, refresh_token FROM anon_auth.authenticate(' . "'web', "
		  . sql_literal($email) . ', ' . sql_literal($given // $password) . ')');

	return { access_token => $access, refresh_token => $refresh, sid => (jws_parts($access))[1]{sid} };
}

sub logged_in
{
	my ($self, $email, $given, %headers) = @_;
	my $browser = $self->browser(%headers);
	my $form = $browser->get('/oauth2/authorize', client_id => 'site', redirect_uri => 'https://app.example/home',
		response_type => 'none', scope => 'openid', prompt => 'login')->{location};
	my $answer = $browser->post_form($form, login_id => $email, password => $given // $password);

	die "the log-in failed: $answer->{body}" if $answer->{status} != 303;
	return $browser;
}

sub guest
{
	my ($self, %headers) = @_;
	my $browser = $self->browser(%headers);

	$browser->post_json('/api/anonymous_user/signup', { session_type => 'cookie', client_id => 'site' });
	return $browser;
}

=pod

=item $site->code_for($address)

Returns the code of the last message to an address, and takes all messages.

=cut

sub code_for
{
	my ($self, $address) = @_;

	return $self->query('SELECT code FROM anon_auth.take_outbox_messages(1000) WHERE lower(recipient) = ' . sql_literal(lc $address)
		  . ' AND code IS NOT NULL ORDER BY created_at DESC LIMIT 1');
}

=pod

=item fields($answer, $button)

Returns the inputs that a page sends, as the browser does: names and values. $button is
a regular expression for the form's HTML; without it, all forms count.

=item data_of($answer, $name)

Returns the JSON in a data attribute, such as the options for a passkey; undef if the page has none.

=item with_passkey($answer, $response, name => value, ...)

Returns the fields of a page with the response of an authenticator, as the script sends them.

=item shows($answer, $status, @patterns, $name)

Checks that an answer is an HTML page that no cache keeps, and matches the patterns.

=back

=cut

sub fields
{
	my ($answer, $button) = @_;
	my @forms = $answer->{body} =~ m{(<form.*?</form>)}gs;
	my %fields;

	for my $form (grep { !defined $button || /$button/ } @forms)
	{
		while ($form =~ m{<input ([^>]*)>|<textarea ([^>]*)>\n(.*?)</textarea>}gs)
		{
			my ($input, $text) = ($1 // $2, $3);
			my ($name, $value) = map { $input =~ /\b$_="([^"]*)"/ ? $1 : undef } qw(name value);

			$value = $text =~ s/\r?\n/\r\n/gr if defined $text;

			next if $input =~ /type="checkbox"/ && $input !~ / checked/;
			$fields{$name} = $value =~ s/&#39;/'/gr =~ s/&quot;/"/gr =~ s/&lt;/</gr =~ s/&gt;/>/gr =~ s/&amp;/&/gr
			  if defined $name && defined $value;
		}
	}
	return %fields;
}

sub _unescape
{
	my ($text) = @_;
	my %characters = (quot => '"', amp => '&', lt => '<', gt => '>', '#39' => "'");

	return $text =~ s/&(quot|amp|lt|gt|#39);/$characters{$1}/gr;
}

sub data_of
{
	my ($answer, $name) = @_;
	my ($text) = $answer->{body} =~ /\bdata-\Q$name\E="([^"]*)"/;

	return defined $text ? $json->decode(_unescape($text)) : undef;
}

sub with_passkey
{
	my ($answer, $response, %more) = @_;
	my %form = (fields($answer), use => 'passkey', passkey_response => $json->encode($response), %more);

	return %form;
}

sub shows
{
	my ($answer, $status, @rest) = @_;
	my $name = pop @rest;

	is($answer->{status}, $status, "$name: status $status");
	is_deeply($answer->{headers}{'content-type'}, ['text/html; charset=utf-8'], "$name: the answer is an HTML page");
	is_deeply($answer->{headers}{'cache-control'}, ['no-store'], "$name: no cache keeps the page");
	like($answer->{body}, $_, $name) for @rest;
}

1;
