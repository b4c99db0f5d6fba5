# docs/privacy.md: it lists every column, its statements work, and a deleted user
# leaves in the tables only what the page says.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Device qw(call challenge sql_literal);
use JSON::PP ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $page = slurp_file("$FindBin::Bin/../docs/privacy.md");
my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->append_conf('postgresql.conf', "fsync = off\nautovacuum = off");
$node->start;
$node->safe_psql(
	'postgres', q{
		CREATE EXTENSION anon_auth;
		CREATE ROLE officer LOGIN IN ROLE anon_auth_owner;
		UPDATE anon_auth.settings SET password_hash_memory_kib = 8192, password_hash_passes = 1});
call($node, 'create_client', client_id => 'app', application_type => 'native');

sub query { return $node->safe_psql('postgres', $_[0]); }

# The text of a chapter.
sub chapter
{
	my ($title) = @_;
	my ($text) = $page =~ /^## \Q$title\E\n(.*?)(?=^## |\z)/ms or die "there is no chapter $title";

	return $text;
}

# The SQL of a chapter: its blocks, in their order.
sub blocks
{
	my ($title) = @_;

	return $title eq '' ? $page =~ /^```sql\n(.*?)^```/ms : chapter($title) =~ /^```sql\n(.*?)^```/gms;
}

# Run statements as somebody who administers without being a superuser.
sub as_officer
{
	my ($statements, $user_id) = @_;

	return $node->safe_psql('postgres', $statements,
		extra_params => [ '-U', 'officer', '-v', 'user_id=' . ($user_id // '') ]);
}

# ---------------------------------------------------------------------------
# The list of columns
# ---------------------------------------------------------------------------

# Tables that hold no data about users.
my ($without) = $page =~ /The tables (.*?) hold\s+no data about users/s;
my %without = map { $_ => 1 } $without =~ /`(\w+)`/g;
my %listed = map { $_ => 1 } map { /`(\w+\.\w+)`/g } map { /\A\| ([^|]*) \|/ } split /\n/, chapter('What is stored');
my %columns = map { $_ => 1 } split /\n/, query(q{
	SELECT c.relname || '.' || a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
	WHERE c.relnamespace IN (SELECT oid FROM pg_namespace WHERE nspname ~ '^anon_auth') AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped});

is_deeply([ sort keys %without ], [qw(clients identity_providers settings signing_keys)], 'the page names the tables without data about users');
cmp_ok(scalar(keys %columns), '>', 100, 'there are columns');
is_deeply([ sort grep { !$listed{$_} && !$without{ (split /\./)[0] } } keys %columns ],
	[], 'the page lists every column of every table with data about users');
is_deeply([ sort grep { !$columns{$_} } keys %listed ], [], 'the page lists only columns that exist');
is(query(q{SELECT string_agg(c.conrelid::regclass::text, ' ') FROM pg_constraint c WHERE c.contype = 'f' AND c.conrelid IN ('anon_auth.settings'::regclass, 'anon_auth.clients'::regclass, 'anon_auth.signing_keys'::regclass, 'anon_auth.identity_providers'::regclass)}),
	'', 'no table that holds no data about users refers to one');

# ---------------------------------------------------------------------------
# Retention
# ---------------------------------------------------------------------------

as_officer(blocks(''));
is(query('SELECT event_retention, guest_retention FROM anon_auth.settings'), '1 year|2 years', 'the retention can be set as shown');

# ---------------------------------------------------------------------------
# A user with a row in every table
# ---------------------------------------------------------------------------

query(q{CREATE TABLE orders (buyer uuid REFERENCES anon_auth.users ON DELETE CASCADE)});
my $device = AnonAuth::Device->new(alg => 'ES256');
my $keyed = call($node, 'authenticate_anonymously',
	client_id => 'app', device_info => '{"model": "private model"}', jwt => $device->request(challenge => challenge($node), with_jwk => 1));
my $ada = call($node, 'promote_anonymous_user',
	client_id => 'app', email => 'Ada.Private@example.com', password => 'correct horse', refresh_token => $keyed->{refresh_token});
query(sprintf q{SELECT anon_auth.request_verification(access_token => %s)}, sql_literal($ada->{access_token}));
my $id = $ada->{sub};
query("INSERT INTO orders VALUES ('$id')");

# Other users, whose data is neither exported nor deleted.
my @others = map {
	call($node, 'promote_anonymous_user',
		client_id => 'app', email => "other$_\@example.com", password => 'correct horse',
		refresh_token => call($node, 'authenticate_anonymously', client_id => 'app')->{refresh_token})
} 1 .. 3;

my ($export_sql) = blocks("Exporting a user's data");
my $export = JSON::PP::decode_json(as_officer($export_sql, $id));
my %has_user = map { /\A(\w+)\.user_id\z/ ? ($1 => 1) : () } keys %columns;

is_deeply([ sort keys %$export ], [ sort qw(user address_codes linked_tables), keys %has_user ], 'the export has a member for each table with a user_id');
is_deeply($export->{linked_tables}, { 'public.orders' => [ { buyer => $id } ] }, "the export has the user's rows of the application's tables");
is($export->{user}{id}, $id, 'the export contains the user');
is($export->{login_ids}[0]{original_value}, 'Ada.Private@example.com', 'the export contains the address as typed');
is($export->{outbox}[0]{recipient}, 'Ada.Private@example.com', 'the export contains the message that waits');
is_deeply([ map { $_->{type} } @{ $export->{events} } ],
	[ qw(user.created user.anonymous.promoted verification.requested) ], 'the export contains the events in their order');
unlike(JSON::PP::encode_json($export), qr/other\d/, "the export contains no other user's data");
unlike(JSON::PP::encode_json($export), qr/argon2|hash|sealed|\\\\x/, 'the export contains no hash and no encrypted code');
is(as_officer(chapter("Exporting a user's data") =~ /`(SELECT anon_auth\.find_user[^`]*)`/ ? $1 =~ s/ada\@/ada.private@/r : ''),
	$id, 'a user can be found by address');

my $guest_device = AnonAuth::Device->new(alg => 'ES256');
my $guest = call($node, 'authenticate_anonymously',
	client_id => 'app', device_info => '{"model": "guest model"}', jwt => $guest_device->request(challenge => challenge($node), with_jwk => 1));
my $guest_export = JSON::PP::decode_json(as_officer($export_sql, $guest->{sub}));
is($guest_export->{device_keys}[0]{kid}, $guest_device->{kid}, "the export of a guest contains its device key");
is($guest_export->{sessions}[0]{device_info}{model}, 'guest model', 'the export contains what was reported about the device');
query("UPDATE anon_auth.sessions SET client_address = '192.0.2.1', user_agent = 'Browser' WHERE user_id = '$guest->{sub}'");
$guest_export = JSON::PP::decode_json(as_officer($export_sql, $guest->{sub}));
is("$guest_export->{sessions}[0]{client_address} $guest_export->{sessions}[0]{user_agent}", '192.0.2.1 Browser', 'the export contains the address and the user agent');

# ---------------------------------------------------------------------------
# Deletion
# ---------------------------------------------------------------------------

# The tables of which a row contains a text.
sub tables_with
{
	my ($text) = @_;

	return query(join(' UNION ALL ', map { sprintf q{SELECT '%s' FROM anon_auth.%s t WHERE strpos(t::text, %s) > 0}, $_, $_, sql_literal($text) }
			sort keys %{ { map { (split /\./)[0] => 1 } keys %columns } }) =~ s/\A(.*)\z/SELECT coalesce(string_agg(DISTINCT t, ' ' ORDER BY t), '') FROM ($1) s (t)/rs);
}

is(tables_with($id), 'events login_ids one_time_codes outbox passwords removed_device_keys sessions users', 'the user has rows in these tables');
is(tables_with('rivate@example.com'), 'login_ids outbox users', 'the address is in these tables');
query('ANALYZE anon_auth.users, anon_auth.login_ids');
my $statistics = q{SELECT count(*) > 0 FROM pg_stats WHERE schemaname = 'anon_auth' AND (histogram_bounds::text || coalesce(most_common_vals::text, '')) LIKE '%rivate@example.com%'};

is(query($statistics), 't', 'planner statistics contain addresses');
as_officer("SELECT anon_auth.delete_user('$id'); SELECT anon_auth.delete_user('$guest->{sub}')");
is(tables_with($id), 'events', 'after the deletion, only events contain the id');
is(tables_with('rivate@example.com'), '', 'after the deletion, no table contains the address');
is(tables_with('private model') . tables_with('guest model'), '', 'after the deletion, no table contains the description of the device');
like(tables_with($guest_device->{kid}), qr/\A(?:removed_device_keys)?\z/, 'after the deletion, at most removed_device_keys contains the id of the device key');
is(query($statistics), 't', 'after the deletion, planner statistics contain the address');
as_officer(chapter('Deleting a user completely') =~ /`(ANALYZE [^`]*)`/ ? $1 : die 'there is no ANALYZE');
is(query($statistics), 'f', 'after ANALYZE, planner statistics do not contain the address');

# A guest that was merged into the user that is deleted, and one into another.
query(q{UPDATE anon_auth.settings SET promotion_conflict = 'merge'});
my $merged = call($node, 'authenticate_anonymously', client_id => 'app');
call($node, 'promote_anonymous_user', client_id => 'app', email => 'other1@example.com', password => 'correct horse', refresh_token => $merged->{refresh_token});
is(query(sprintf q{SELECT string_agg(type, ' ' ORDER BY type) FROM anon_auth.events WHERE payload::text LIKE '%%' || %s || '%%'}, sql_literal($merged->{sub})),
	'user.anonymous.merged', "the account's event contains the id of the guest that was merged into it");
is(query(sprintf q{SELECT string_agg(type, ' ') FROM anon_auth.events WHERE payload::text LIKE '%%' || %s || '%%'}, sql_literal($others[0]{sub})),
	'user.deleted', "the guest's event contains the id of the account");

my ($delete_events, $delete_rest) = blocks('Events outlive their user');
my @deleted = ($id, $guest->{sub}, $merged->{sub});
as_officer($delete_events, $_) for @deleted;
is(query(sprintf q{SELECT string_agg(DISTINCT type, ' ') FROM anon_auth.events WHERE user_id = %s}, sql_literal($_)), 'user.deleted', 'of the events of a deleted user, user.deleted is kept') for @deleted;
is(tables_with($_), 'events', 'no other table contains the id after the events were deleted') for @deleted;
as_officer($delete_rest, $_) for @deleted;
is(tables_with($_), '', 'no table contains the id after user.deleted was deleted') for @deleted;
cmp_ok(query(sprintf q{SELECT count(*) FROM anon_auth.events WHERE user_id = %s}, sql_literal($others[1]{sub})), '>', 0, 'events of other users are kept');

# ---------------------------------------------------------------------------
# A backup brings deleted users back
# ---------------------------------------------------------------------------

my ($save, $delete_again) = blocks('Deleting a user completely');
my $directory = PostgreSQL::Test::Utils::tempdir();
$node->command_ok([ 'pg_dump', '-Fc', '-f', "$directory/dump", $node->connstr('postgres') ], 'a backup can be made');
as_officer("SELECT anon_auth.delete_user('$others[2]{sub}')");
as_officer($delete_events, $others[2]{sub});
s{'deleted_users'$}{'$directory/deleted_users'}m for $save, $delete_again;
as_officer($save);
$node->safe_psql('postgres', 'CREATE DATABASE restored TEMPLATE template0');
$node->command_ok([ 'pg_restore', '-e', '-d', $node->connstr('restored'), "$directory/dump" ], 'the backup can be restored');
my $count = sprintf 'SELECT count(*) FROM anon_auth.users WHERE id = %s', sql_literal($others[2]{sub});
is($node->safe_psql('restored', $count), 1, 'the restored database contains the user that was deleted later');
$node->safe_psql('restored', $delete_again, extra_params => [ '-U', 'officer' ]);
is($node->safe_psql('restored', $count), 0, 'the saved list deletes the user again');
is($node->safe_psql('restored', 'SELECT count(*) FROM anon_auth.users'), 2, 'the other users stay');

$node->stop;
done_testing();
