
=pod

=head1 NAME

AnonAuth::Invariants - conditions that hold in every database at any time

=head1 SYNOPSIS

  use AnonAuth::Invariants qw(damage invariants tokens_refused tries);

  my %invariants = invariants();
  is($node->safe_psql('postgres', $invariants{$_}), 0, "nothing $_") for sort keys %invariants;

  is(tokens_refused($node, 'app', [ $sub, $refresh_token ]), '', 'the token works');
  is_deeply([ damage($node) ], [], 'indexes and pages are sound');

=head1 DESCRIPTION

Tests that disturb the server use these to check the tables afterwards. A node
is a L<PostgreSQL::Test::Cluster> with the extension in its database
C<postgres>.

=cut

package AnonAuth::Invariants;

use strict;
use warnings;

use AnonAuth::Device qw(sql_literal);
use Exporter 'import';

our @EXPORT_OK = qw(damage invariants tokens_refused tries);

# Each query counts rows that must not exist.
my %invariants = (
	'is a user with inconsistent credentials' => q{
		SELECT count(*) FROM anon_auth.users u
		WHERE has_password <> EXISTS (SELECT FROM anon_auth.passwords p WHERE p.user_id = u.id)
		   OR is_anonymous = (has_password
			   OR EXISTS (SELECT FROM anon_auth.login_ids l WHERE l.user_id = u.id AND l.verified_at IS NOT NULL)
			   OR EXISTS (SELECT FROM anon_auth.user_identities i WHERE i.user_id = u.id)
			   OR EXISTS (SELECT FROM anon_auth.device_keys d WHERE d.user_id = u.id AND d.of_account)
			   -- Guests can have passkeys, too.
			   OR NOT is_anonymous AND EXISTS (SELECT FROM anon_auth.passkeys p WHERE p.user_id = u.id)
			   -- An administrator can make an account whose user sets the password later.
			   OR EXISTS (SELECT FROM anon_auth.login_ids l WHERE l.user_id = u.id) AND EXISTS (
				SELECT FROM anon_auth.events e WHERE e.user_id = u.id
				  AND (e.type = 'user.imported' OR e.type = 'user.created' AND e.client_id IS NULL)))
		   OR is_anonymous AND EXISTS (SELECT FROM anon_auth.login_ids l WHERE l.user_id = u.id)
		   OR cardinality(login_id_routes) <> (SELECT count(*) FROM anon_auth.login_ids l WHERE l.user_id = u.id)
		   OR cardinality(device_key_routes) <> (SELECT count(*) FROM anon_auth.device_keys d WHERE d.user_id = u.id AND d.of_account AND d.route = ANY (device_key_routes))
		   OR cardinality(passkey_routes) <> (SELECT count(*) FROM anon_auth.passkeys p WHERE p.user_id = u.id AND p.route = ANY (passkey_routes))
		   OR (device_kid IS NOT NULL) <> EXISTS (SELECT FROM anon_auth.device_keys d WHERE d.user_id = u.id AND d.kid = u.device_kid)},
	# The event of a guest's creation says whether it has a device key; that of sign_up() does not.
	'is a user without exactly one event for its creation and its promotion' => q{
		SELECT count(*) FROM anon_auth.users u
		WHERE 1 <> (SELECT count(*) FROM anon_auth.events e WHERE e.user_id = u.id AND e.type IN ('user.created', 'user.imported'))
		   OR (SELECT count(*) FROM anon_auth.events e WHERE e.user_id = u.id AND e.type = 'user.anonymous.promoted')
			  <> (SELECT count(*) FROM anon_auth.events e WHERE e.user_id = u.id AND e.type = 'user.created'
				  AND NOT u.is_anonymous AND e.payload ? 'device_key')},
	'belongs to no user' => q{
		SELECT count(*) FROM (SELECT user_id FROM anon_auth.sessions UNION ALL SELECT user_id FROM anon_auth.login_ids
			UNION ALL SELECT user_id FROM anon_auth.passwords UNION ALL SELECT user_id FROM anon_auth.device_keys
			UNION ALL SELECT user_id FROM anon_auth.passkeys UNION ALL SELECT user_id FROM anon_auth.user_identities) r
		WHERE NOT EXISTS (SELECT FROM anon_auth.users u WHERE u.id = r.user_id)},
	# What an account has is what it has added and not removed, by the events.
	'is a device key or passkey without its event, or the reverse' => q{
		SELECT count(*) FROM anon_auth.users u, LATERAL (SELECT count(*) FILTER (WHERE type = 'device_key.added') - count(*) FILTER (WHERE type = 'device_key.removed') AS keys,
			count(*) FILTER (WHERE type = 'passkey.added') - count(*) FILTER (WHERE type = 'passkey.removed') AS passkeys FROM anon_auth.events e WHERE e.user_id = u.id) e
		WHERE NOT u.is_anonymous AND (e.keys <> cardinality(u.device_key_routes) OR e.passkeys <> cardinality(u.passkey_routes))},
	'is a session of a removed device key' => q{
		SELECT count(*) FROM anon_auth.sessions s JOIN anon_auth.users u ON u.id = s.user_id WHERE NOT u.is_anonymous AND s.device_kid IS NOT NULL
			AND NOT EXISTS (SELECT FROM anon_auth.device_keys d WHERE d.user_id = s.user_id AND d.kid = s.device_kid)},
	'is a duplicate login ID' =>
	  q{SELECT count(*) - count(DISTINCT (type, value)) FROM anon_auth.login_ids});

=pod

=over

=item invariants()

Returns a hash. A key describes rows that must not exist, for a test named
"nothing KEY"; its value is a query that counts them.

=cut

sub invariants { return %invariants; }

=pod

=item tokens_refused($node, $client_id, [$sub, $refresh_token], ...)

Returns, as one string, the subs whose token refresh_session() refuses or
accepts for another user.

=cut

sub tokens_refused
{
	my ($node, $client_id, @rows) = @_;
	my $script = join '', map { sprintf "SELECT sub FROM anon_auth.refresh_session(%s, %s);\n", sql_literal($client_id), sql_literal($_->[1]) } @rows;
	my $stdout = '';

	$node->psql('postgres', $script, stdout => \$stdout, stderr => \my $stderr, on_error_stop => 0);
	my %fine = map { $_ => 1 } split /\n/, $stdout;
	return join ' ', grep { !$fine{$_} } map { $_->[0] } @rows;
}

=pod

=item tries($node, $statement, @texts)

Runs the statement with each of the texts in place of its %s. Returns a hash:
done is the number of calls that returned a row, and each SQLSTATE is the
number of calls that failed with it.

=cut

sub tries
{
	my ($node, $statement, @texts) = @_;
	my ($stdout, $stderr) = ('', '');
	my $script = "\\set VERBOSITY sqlstate\n" . join '', map { sprintf("$statement;\n", sql_literal($_)) } @texts;

	$node->psql('postgres', $script, stdout => \$stdout, stderr => \$stderr, on_error_stop => 0);
	return { done => scalar(() = $stdout =~ /^./mg), map { $_ => scalar(() = $stderr =~ /ERROR:  $_$/mg) } $stderr =~ /ERROR:  (\w{5})$/mg };
}

=pod

=item damage($node)

Returns a list of texts: the damages of the extension's indexes and of any
page of the cluster. Installs amcheck.

=back

=cut

sub damage
{
	my ($node) = @_;
	my @damage;

	$node->safe_psql('postgres', 'SET client_min_messages = warning; CREATE EXTENSION IF NOT EXISTS amcheck');
	my $status = $node->psql(
		'postgres',
		q{SELECT count(bt_index_check(c.oid, true)) > 15 FROM pg_class c JOIN pg_am a ON a.oid = c.relam WHERE amname = 'btree' AND relnamespace = 'anon_auth'::regnamespace},
		stdout => \my $stdout, stderr => \my $stderr);
	push @damage, "an index has not what its table has: $stdout$stderr" if $status != 0 || $stdout ne 't';
	my $failures = $node->safe_psql('postgres', 'SELECT sum(checksum_failures) FROM pg_stat_database');
	push @damage, "$failures pages are broken" if $failures ne '0' && $failures ne '';
	return @damage;
}

1;
