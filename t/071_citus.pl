# Test the extension on a Citus cluster of one coordinator and workers. It
# covers distribute() and undistribute(), calls on every node, nodes that are
# added, crash and return, and the number of shards that a call touches.
# (t/072_citus_regress.pl runs the regression tests on a cluster.)

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Citus qw(add_node citus_missing start_cluster use_same_master_key);
use AnonAuth::Device qw(call challenge sql_literal);
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $missing = citus_missing();
plan(skip_all => $missing) if $missing;

my ($coordinator, @workers) = start_cluster('citus', 2);

sub query { return $coordinator->safe_psql('postgres', $_[0]); }

# Return "SQLSTATE: message" of a statement's error.
sub error_on
{
	my ($node, $statement) = @_;
	my ($result, $stdout, $stderr) = $node->psql('postgres', $statement, extra_params => [ '-v', 'VERBOSITY=verbose' ]);

	return $stderr =~ /ERROR:  (.*)/ ? $1 : '';
}

sub guest { return call($_[0] // $coordinator, 'authenticate_anonymously', client_id => 'app'); }
sub refreshed { return call($_[0], 'refresh_session', client_id => 'app', refresh_token => $_[1]{refresh_token}); }

sub promoted
{
	my ($node, $session, $name) = @_;

	return call($node, 'promote_anonymous_user', client_id => 'app', username => $name, password => 'correct horse',
		refresh_token => $session->{refresh_token});
}

sub keyed
{
	my ($node, $device) = @_;

	return call($node, 'authenticate_anonymously', client_id => 'app', jwt => $device->request(challenge => challenge($node), with_jwk => 1));
}

query(<<'SQL');
UPDATE anon_auth.settings SET password_hash_memory_kib = 8192, password_hash_passes = 1, promotion_conflict = 'merge';
SELECT anon_auth.create_client('app', 'native');
SQL
call($coordinator, 'create_signing_key', alg => 'ES256');

# ---------------------------------------------------------------------------
# Preconditions of distribute()
# ---------------------------------------------------------------------------

my $key_file = $workers[1]->data_dir . '/anon_auth.master_key';
rename $key_file, "$key_file.away" or die $!;
like(error_on($coordinator, 'SELECT anon_auth.distribute()'), qr/^55000: worker \S+ does not have the master key of the coordinator/,
	'distribute() refuses a worker without the master key');
ok(!-e $key_file, 'distribute() does not create the master key on a worker');
rename "$key_file.away", $key_file or die $!;

query('CREATE TABLE notes (author uuid REFERENCES anon_auth.users)');
like(error_on($coordinator, 'SELECT anon_auth.distribute()'), qr/^55000: foreign keys of your tables .*: notes_author_fkey on public\.notes/,
	'distribute() lists the foreign keys that prevent it');
query('DROP TABLE notes; CREATE TRIGGER mine AFTER DELETE ON anon_auth.users EXECUTE FUNCTION suppress_redundant_updates_trigger()');
like(error_on($coordinator, 'SELECT anon_auth.distribute()'), qr/^55000: triggers .*: mine on anon_auth\.users/, 'distribute() lists the triggers that prevent it');
query('DROP TRIGGER mine ON anon_auth.users');
like(error_on($workers[0], 'SELECT anon_auth.distribute()'), qr/^55000: this is not the coordinator/, 'distribute() can only be called on the coordinator');
is(query('SELECT count(*) FROM pg_dist_partition'), 0, 'a refused distribute() changes nothing');

# ---------------------------------------------------------------------------
# Distributing existing rows
# ---------------------------------------------------------------------------

# Return the definitions of all constraints, indexes and triggers.
my $definitions = <<'SQL';
SELECT string_agg(d, E'\n' ORDER BY d) FROM (
	SELECT conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid) AS d FROM pg_constraint WHERE connamespace = 'anon_auth'::regnamespace
	UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'anon_auth'
	UNION ALL SELECT tgname || ' ' || tgenabled::text || ' ' || pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal AND tgrelid::regclass::text LIKE 'anon_auth.%') x
SQL
# Return every row of every distributed table, in order.
sub contents
{
	return join "\n", map {
		my $table = $_;
		map { "$table $_" } sort split /\n/, query("SELECT * FROM anon_auth.$table")
	} split /\n/, query('SELECT table_name FROM anon_auth_internal.distributed_tables()');
}

my $device = AnonAuth::Device->new(alg => 'ES256');
my $with_key = keyed($coordinator, $device);
my $without_key = guest();
my $account = promoted($coordinator, guest(), 'ada');
my ($defined, $contained) = (query($definitions), contents());

query('SELECT anon_auth.distribute(8)');
is(query("SELECT string_agg(DISTINCT partmethod::text || ' ' || (SELECT count(*) FROM pg_dist_shard s WHERE s.logicalrelid = p.logicalrelid), ', ') FROM pg_dist_partition p"),
	'h 8, n 1', 'distribute() creates the given number of shards, and reference tables');
is(contents(), $contained, 'distribute() keeps every row');
query('SELECT anon_auth.distribute(4)');
is(query("SELECT count(*) FROM pg_dist_shard WHERE logicalrelid = 'anon_auth.users'::regclass"), 8, 'a second distribute() changes no shards');
is(error_on($coordinator, 'SELECT anon_auth.distribute(0)'), '22023: shard_count must be between 1 and 64000', 'a second distribute() still checks its argument');

# ---------------------------------------------------------------------------
# Calls on any node
# ---------------------------------------------------------------------------

is(keyed($workers[0], $device)->{sub}, $with_key->{sub}, 'a device logs in on a worker to the same user as before');
is(keyed($workers[1], $device)->{sub}, $with_key->{sub}, 'a device logs in on another worker');
is(refreshed($workers[1], $without_key)->{sub}, $without_key->{sub},
	'a worker accepts a refresh token that was issued before');
is(call($workers[0], 'authenticate', client_id => 'app', login_id => 'ada', password => 'correct horse')->{sub}, $account->{sub}, 'a worker accepts a password that was set before');
my $at_worker = guest($workers[0]);
for my $node ($coordinator, @workers)
{
	is($node->safe_psql('postgres', sprintf "SELECT anon_auth.verify_jwt(%s) ->> 'sub'", sql_literal($at_worker->{access_token})), $at_worker->{sub},
		'a token that a worker has signed is verified by ' . $node->name);
}
$at_worker = promoted($workers[1], refreshed($coordinator, $at_worker), 'bob');
is(call($workers[0], 'authenticate', client_id => 'app', login_id => 'BOB', password => 'correct horse')->{sub}, $at_worker->{sub}, 'a guest of one worker can be promoted on another');
query("UPDATE anon_auth.settings SET issuer = 'https://from.coordinator.example'");
is($workers[0]->safe_psql('postgres', "SELECT anon_auth.openid_configuration() ->> 'issuer'"), 'https://from.coordinator.example', 'settings that one node changed apply on the other nodes');
$workers[1]->safe_psql('postgres', 'SELECT anon_auth.rotate_signing_key()');
is($workers[0]->safe_psql('postgres', 'SELECT anon_auth.jwks()'), query('SELECT anon_auth.jwks()'), 'a signing key that a worker created is on all nodes');

# ---------------------------------------------------------------------------
# The number of shards that a call touches
# ---------------------------------------------------------------------------

query(sprintf "SELECT citus_set_node_property('%s', %d, 'shouldhaveshards', false)", $coordinator->host, $coordinator->port);

# Return [number of shards of the users' tables, number of statements sent to
# them] for a call. Shards with the same number count as one.
sub touched
{
	my ($statement) = @_;
	my ($result, $stdout, $stderr) = $coordinator->psql('postgres', "SET citus.log_remote_commands = on; SET client_min_messages = notice; $statement");
	my @statements = grep { /anon_auth\.\w+_\d+/ } map { /issuing (.*)/ ? $1 : () } split /\n/, $stderr;
	my %shards = map { $_ => 1 } map { /anon_auth\.\w+?_(\d+)/g } @statements;
	my $groups = query(sprintf "SELECT count(DISTINCT shardminvalue) FROM pg_dist_shard WHERE shardid IN (%s)", join ',', 0, keys %shards);

	is($result, 0, "$statement" =~ /anon_auth\.(\w+)/ ? "$1 succeeds" : '') or diag($stderr);
	return [ $groups, scalar @statements ];
}

# Return where the row of an id is: nodeport, or shardminvalue, which colocated
# shards share.
sub place
{
	my ($what, $table, $id) = @_;

	return query(<<"SQL");
SELECT $what FROM pg_dist_shard JOIN pg_dist_placement p USING (shardid) JOIN pg_dist_node n USING (groupid)
WHERE shardid = get_shard_id_for_distribution_column('$table', '$id')
SQL
}

# A login ID on another shard than its user.
my $names = 0;
sub name_elsewhere
{
	my ($what, $user_id) = @_;
	my $user_place = place($what, 'anon_auth.users', $user_id);

	while (1)
	{
		my $name = 'name' . $names++;
		my $route = query("SELECT substr(encode(sha256('username:$name'), 'hex'), 1, 32)::uuid");

		return $name if place($what, 'anon_auth.login_ids', $route) ne $user_place;
	}
}

sub statement_of
{
	my ($function, %arguments) = @_;

	return sprintf 'SELECT count(*) FROM anon_auth.%s(%s)', $function, join ', ', map { "$_ => " . sql_literal($arguments{$_}) } sort keys %arguments;
}

is_deeply(touched(statement_of('authenticate_anonymously', client_id => 'app')), [ 1, 3 ], 'a sign-up without a key touches one shard, with three statements');
my $new = guest();
is_deeply(touched(statement_of('refresh_session', client_id => 'app', refresh_token => $new->{refresh_token})), [ 1, 1 ], 'a refresh touches one shard, with one statement');
$new = guest();
my $cleo = name_elsewhere('shardminvalue', $new->{sub});
is(touched(statement_of('promote_anonymous_user', client_id => 'app', username => $cleo, password => 'correct horse', refresh_token => $new->{refresh_token}))->[0],
	2, 'a promotion touches two shards: the user\'s and the login ID\'s');
is(touched(statement_of('authenticate', client_id => 'app', login_id => $cleo, password => 'correct horse'))->[0], 2, 'a login with a password touches two shards');
# A key's user gets an id on the key's shard. Without that, one in eight would
# be there by chance.
for my $number (1 .. 3)
{
	my $other = AnonAuth::Device->new(alg => 'ES256');
	my $request = sub { return $other->request(challenge => challenge($coordinator), @_) };

	is(touched(statement_of('authenticate_anonymously', client_id => 'app', jwt => $request->(with_jwk => 1)))->[0], 1, "a sign-up with a key touches one shard ($number)");
	is(touched(statement_of('authenticate_anonymously', client_id => 'app', jwt => $request->()))->[0], 1, "a login with a key touches one shard ($number)");
	my $id = query(sprintf "SELECT user_id FROM anon_auth.device_keys WHERE kid = %s", sql_literal($other->{kid}));
	my $dora = name_elsewhere('shardminvalue', $id);
	is(touched(statement_of('promote_anonymous_user', client_id => 'app', username => $dora, password => 'correct horse', jwt => $request->(action => 'promote')))->[0],
		2, "the promotion of a guest with a key touches two shards ($number)");
	is(query("SELECT is_anonymous FROM anon_auth.users WHERE id = '$id'"), 'f',
		"the promotion of a guest with a key is complete ($number)");
}
# Which removed keys an account has is not known by its row.
is(touched("SELECT anon_auth.delete_user('" . guest()->{sub} . "')")->[0], 1, 'the deletion of a guest touches one shard');
my $deletion = touched("SELECT anon_auth.delete_user('" . promoted($coordinator, guest(), 'eve')->{sub} . "')");
is($deletion->[0], 8, 'the deletion of an account touches all shards');
note("$deletion->[1] statements");
like(query("EXPLAIN SELECT * FROM anon_auth.sessions WHERE user_id = '$new->{sub}'"), qr/Task Count: 1\b/, 'all sessions of a user are on one shard');

# ---------------------------------------------------------------------------
# Privileges
# ---------------------------------------------------------------------------

query(<<'SQL');
CREATE ROLE web LOGIN;
GRANT USAGE ON SCHEMA anon_auth TO web;
GRANT EXECUTE ON FUNCTION anon_auth.create_challenge(text) TO web;
SQL
like(query("SELECT what FROM anon_auth.doctor() WHERE finding = 'grants_differ'"), qr/does not have the coordinator's grants/, 'doctor() sees that Citus does not copy grants on functions');
query('SELECT anon_auth.distribute()');
is(query("SELECT count(*) FROM anon_auth.doctor() WHERE finding IN ('grants_differ', 'worker_cannot_serve')"), 0, 'distribute() copies the grants to the workers');
sub as_web { return $_[0]->psql('postgres', "SET ROLE web; SELECT anon_auth.create_challenge()"); }
is(as_web($workers[0]), 0, 'a client can call the granted functions on a worker');
query('REVOKE EXECUTE ON FUNCTION anon_auth.create_challenge(text) FROM web; SELECT anon_auth.distribute()');
isnt(as_web($workers[0]), 0, 'a client cannot call a function on a worker after the right was revoked');
query('GRANT EXECUTE ON FUNCTION anon_auth.create_challenge(text) TO web; SELECT anon_auth.distribute()');
query("CREATE ROLE guest_of_web; GRANT EXECUTE ON FUNCTION anon_auth.create_challenge(text) TO web WITH GRANT OPTION; SELECT anon_auth.distribute()");
$workers[0]->safe_psql('postgres', 'SET citus.enable_ddl_propagation = off; SET ROLE web; GRANT EXECUTE ON FUNCTION anon_auth.create_challenge(text) TO guest_of_web');
like(error_on($coordinator, 'SELECT anon_auth.distribute()'), qr/^55000: could not copy the grants of the coordinator to worker /, 'distribute() names the worker with grants that the owner cannot revoke');
$workers[0]->safe_psql('postgres', 'SET citus.enable_ddl_propagation = off; SET ROLE web; REVOKE EXECUTE ON FUNCTION anon_auth.create_challenge(text) FROM guest_of_web');
query('REVOKE GRANT OPTION FOR EXECUTE ON FUNCTION anon_auth.create_challenge(text) FROM web; CREATE PROCEDURE anon_auth.not_of_the_extension() LANGUAGE sql AS \'\'');
is(error_on($coordinator, 'SELECT anon_auth.distribute()'), '',
	'distribute() ignores functions that do not belong to the extension');
query('DROP PROCEDURE anon_auth.not_of_the_extension; DROP ROLE guest_of_web');

# ---------------------------------------------------------------------------
# The application's tables
# ---------------------------------------------------------------------------

query(<<'SQL');
CREATE TABLE notes (user_id uuid NOT NULL, id bigint GENERATED ALWAYS AS IDENTITY, note text, length int GENERATED ALWAYS AS (length(note)) STORED, PRIMARY KEY (user_id, id));
SELECT create_distributed_table('notes', 'user_id', colocate_with => 'anon_auth.users');
ALTER TABLE notes ADD FOREIGN KEY (user_id) REFERENCES anon_auth.users ON DELETE CASCADE;
ALTER TABLE notes OWNER TO anon_auth_owner;
SQL
my @owners = map { guest() } 1 .. 2;
query("INSERT INTO notes (user_id, note) VALUES ('$owners[0]{sub}', 'of the guest'), ('$owners[1]{sub}', 'deleted')");
is(call($coordinator, 'promote_anonymous_user', client_id => 'app', username => 'ada', password => 'correct horse', refresh_token => $owners[0]{refresh_token})->{sub},
	$account->{sub}, 'a guest can be merged into an account on another shard');
is(query("SELECT note, length FROM notes WHERE user_id = '$account->{sub}'"), 'of the guest|12', "a merge moves the guest's rows of a distributed table");

# Claims, at several nodes.
my $login = call($coordinator, 'authenticate', client_id => 'app', login_id => 'ada', password => 'correct horse');
my $claimed_device = AnonAuth::Device->new(alg => 'ES256');
my $claimed = keyed($workers[0], $claimed_device);
query("INSERT INTO notes (user_id, note) VALUES ('$claimed->{sub}', 'claimed')");
sub claim
{
	my ($node, %proof) = @_;
	my ($name, $value) = %proof;

	return $node->safe_psql('postgres', sprintf q{SELECT table_name || ' ' || rows FROM anon_auth.claim_anonymous_user('app', access_token => %s, %s => %s)},
		sql_literal($login->{access_token}), $name, sql_literal($value));
}
my $claim_jwt = $claimed_device->request(challenge => challenge($workers[0]), action => 'promote');
is(claim($coordinator, jwt => $claim_jwt), 'notes 1', 'an account claims a guest by its device key');
is(query("SELECT string_agg(note, ' ' ORDER BY note) FROM notes WHERE user_id = '$account->{sub}'"), 'claimed of the guest', 'the rows belong to the account');
is(claim($workers[1], jwt => $claim_jwt), '', 'a repeat at another node finds nothing to do');
my $by_token = guest($workers[1]);
is(claim($coordinator, refresh_token => $by_token->{refresh_token}), 'notes 0', 'an account claims a guest by its refresh token');
is(claim($workers[0], refresh_token => $by_token->{refresh_token}), '', 'a repeat at another node finds nothing to do, either');
is(query("SELECT count(*) FROM anon_auth.merged_guests WHERE user_id = '$account->{sub}'"), 3, 'each merge is remembered');
query("UPDATE anon_auth.merged_guests SET merged_at = now() - interval '31 days' WHERE user_id = '$account->{sub}' AND guest_id <> '$by_token->{sub}'");
is(query('SELECT merged_guests FROM anon_auth.purge()'), 2, 'purge() deletes old rows of merged_guests');
query("DELETE FROM notes WHERE note = 'claimed'");

query("SELECT anon_auth.delete_user('$owners[1]{sub}')");
is(query('SELECT count(*) FROM notes'), 1, 'deleting a user deletes its rows of a distributed table');
query("ALTER TABLE notes ENABLE ROW LEVEL SECURITY; CREATE POLICY own ON notes USING (user_id = anon_auth.uid()); GRANT SELECT ON notes TO web; GRANT EXECUTE ON FUNCTION anon_auth.uid() TO web; SELECT anon_auth.distribute()");
my ($rc, $seen) = $coordinator->psql('postgres', "SET ROLE web; SELECT set_config('request.jwt.claims', '{\"sub\": \"$account->{sub}\"}', false); SELECT count(*) FROM notes");
unlike($seen // '', qr/^[1-9]/m, 'a policy on a shard does not see the claims of the entry node, and shows no rows');

# ---------------------------------------------------------------------------
# A node that is added later
# ---------------------------------------------------------------------------

my $late = add_node($coordinator, 'citus_worker_late');
like(error_on($late, "SELECT anon_auth.authenticate_anonymously('app')"), qr/^F0000: /, 'a new node without the master key refuses calls');
ok(!-e $late->data_dir . '/anon_auth.master_key', 'a new node does not create a master key');
like(query("SELECT finding FROM anon_auth.doctor() WHERE what LIKE '%:" . $late->port . " %' ORDER BY 1"), qr/^grants_differ\nworker_cannot_serve$/, 'doctor() reports the new node');
use_same_master_key($coordinator, $late);
query('SELECT anon_auth.distribute()');
my $at_late = guest($late);
is(refreshed($coordinator, $at_late)->{sub}, $at_late->{sub},
	'a new node serves users as soon as it has the master key');
is(as_web($late), 0, 'a new node has the grants of the other nodes');
# Citus creates a moved shard as the owner of the table.  Since PostgreSQL 15, that role
# cannot create tables in public without a grant.
$_->safe_psql('postgres', 'SET citus.enable_ddl_propagation = off; GRANT CREATE ON SCHEMA public TO anon_auth_owner')
	for $coordinator, @workers, $late;
query("SELECT rebalance_table_shards(shard_transfer_mode => 'block_writes')");
cmp_ok(query(sprintf "SELECT count(*) FROM citus_shards WHERE nodeport = %d AND nodename = '%s' AND table_name = 'notes'::regclass", $late->port, $late->host),
	'>', 0, 'shards can move to the new node');
$at_late = refreshed($workers[0], $at_late);
is($at_late->{sub}, refreshed($late, $at_late)->{sub}, 'users whose shards moved can refresh on the new node');

# ---------------------------------------------------------------------------
# Master key rotation, as docs/citus.md describes it
# ---------------------------------------------------------------------------

my @all = ($coordinator, @workers, $late);

# Return which nodes refuse the refresh tokens of which other nodes.
sub refusals
{
	my @refusals;

	for my $from (@all)
	{
		my $session = guest($from);

		push @refusals, map { $from->name . ' by ' . $_->name } grep { refreshed($_, $session)->{sub} ne $session->{sub} } @all;
	}
	return join ', ', @refusals;
}

# Rewrite the lines of a node's master key file.
sub change_key_file
{
	my ($node, $change) = @_;
	my $file = $node->data_dir . '/anon_auth.master_key';
	my @lines = $change->(split /^/, slurp_file($file));

	append_to_file("$file.new", join '', @lines);
	chmod 0600, "$file.new";
	rename "$file.new", $file or die $!;
}

my $old_session = guest();
my ($command) = slurp_file("$FindBin::Bin/../docs/operations.md") =~ /^(    key=.*\n(?:    .*\n)+)/m;
IPC::Run::run([ 'bash', '-c', $command ], '>', \my $new_key) or die 'no key';
my $former_id = query("SELECT (anon_auth.master_key_ids())[1]");
change_key_file($_, sub { return (@_, $new_key) }) for @all;
is(refusals(), '', 'a second master key in all files changes nothing');
for my $node (@all)
{
	change_key_file($node, sub { my @lines = @_; my $last = pop @lines; return ((grep { /^#/ } @lines), $last, grep { !/^#/ } @lines) });
	is(refusals(), '', 'nodes serve each other\'s users when it is the first on ' . $node->name);
}
is(query('SELECT anon_auth.reseal_signing_keys()'), query("SELECT count(*) FROM anon_auth.signing_keys"), 'reseal_signing_keys() seals every signing key with the new master key');
is(refreshed($late, $old_session)->{sub}, $old_session->{sub}, 'a session from before the rotation continues');
$_->safe_psql('postgres', "SELECT anon_auth.retire_master_key('$former_id')") for @all;
is(refusals(), '', 'the former master key can be retired on all nodes');
my ($rotated, $id, $warning) = $coordinator->psql('postgres', 'SELECT anon_auth.rotate_master_key()');
like($warning, qr/WARNING:  the other nodes cannot open what is sealed here until they have this master key file/, 'rotate_master_key() warns that the other nodes need the file');
use_same_master_key($coordinator, @workers, $late);
is(refusals(), '', "the nodes accept each other's tokens after the file was copied");

# ---------------------------------------------------------------------------
# A node that crashes and returns
# ---------------------------------------------------------------------------

my (@here, @there);
while (@here < 2 || @there < 2)
{
	my $one = guest();

	push @{ place('nodeport', 'anon_auth.users', $one->{sub}) == $late->port ? \@there : \@here }, $one;
}
my $name;
do { $name = name_elsewhere('nodeport', $here[1]{sub}); }
	while place('nodeport', 'anon_auth.login_ids', query("SELECT substr(encode(sha256('username:$name'), 'hex'), 1, 32)::uuid")) != $late->port;

$late->stop('immediate');
is(refreshed($coordinator, $here[0])->{sub}, $here[0]{sub}, 'while a node is down, users on other nodes can refresh');
isnt(error_on($coordinator, statement_of('refresh_session', client_id => 'app', refresh_token => $there[0]{refresh_token})), '', 'while a node is down, its own users cannot refresh');
isnt(error_on($coordinator, statement_of('promote_anonymous_user', client_id => 'app', username => $name, password => 'correct horse', refresh_token => $here[1]{refresh_token})),
	'', 'while a node is down, a guest cannot be promoted with a login ID on it');
$late->start;
is(refreshed($coordinator, $there[0])->{sub}, $there[0]{sub}, 'users can refresh after their node returned');
is(query("SELECT is_anonymous, login_id_routes FROM anon_auth.users WHERE id = '$here[1]{sub}'"), 't|{}', 'the failed promotion left nothing half done');
is(promoted($coordinator, $here[1], $name)->{sub}, $here[1]{sub}, 'the promotion succeeds on the second attempt');

# Promotions while the node is killed: each is completely done, or not at all.
my @many = map { guest() } 1 .. 60;
my $script = join '', map { statement_of('promote_anonymous_user', client_id => 'app', username => "many$_", password => 'correct horse', refresh_token => $many[$_]{refresh_token}) . ";\n" } 0 .. $#many;
my $file = PostgreSQL::Test::Utils::tempdir() . '/promotions.sql';
append_to_file($file, $script);
my $output = '';
my $run = IPC::Run::start([ 'psql', '-X', '-q', '-d', $workers[0]->connstr('postgres'), '-f', $file ], '>&', \$output);
$coordinator->poll_query_until('postgres', "SELECT count(*) > 10 FROM anon_auth.login_ids WHERE value LIKE 'many%'");
$late->stop('immediate');
$run->finish;
$late->start;
query('SELECT recover_prepared_transactions()') for 1 .. 2;
$_->safe_psql('postgres', 'SELECT recover_prepared_transactions()') for @workers, $late;
is($coordinator->safe_psql('postgres', 'SELECT count(*) FROM pg_prepared_xacts') + $workers[0]->safe_psql('postgres', 'SELECT count(*) FROM pg_prepared_xacts') +
		$late->safe_psql('postgres', 'SELECT count(*) FROM pg_prepared_xacts'), 0, 'no prepared transaction remains after a crash');
my $half = query(<<'SQL');
WITH u AS MATERIALIZED (SELECT id, unnest(login_id_routes) AS route FROM anon_auth.users),
	l AS MATERIALIZED (SELECT user_id, route FROM anon_auth.login_ids),
	p AS MATERIALIZED (SELECT user_id FROM anon_auth.passwords)
SELECT (SELECT count(*) FROM (TABLE u EXCEPT TABLE l) a), (SELECT count(*) FROM (TABLE l EXCEPT TABLE u) b),
	(SELECT count(*) FROM (SELECT user_id FROM l EXCEPT TABLE p) c)
SQL
is($half, '0|0|0', 'no promotion is half done after a crash');
my $done = query("SELECT count(*) FROM anon_auth.login_ids WHERE value LIKE 'many%'");
note("$done of 60 promotions were done");

# ---------------------------------------------------------------------------
# Undistributing, and distributing again
# ---------------------------------------------------------------------------

query('DROP TABLE notes');
query('DROP OWNED BY web; SELECT anon_auth.distribute(); DROP ROLE web');
my $before = contents();
query('SELECT anon_auth.undistribute()');
is(contents(), $before, 'undistribute() keeps every row');
is(query($definitions), $defined, 'undistribute() restores every constraint, index and trigger');
is(query("SELECT count(*) FROM pg_dist_partition"), 0, 'undistribute() leaves no shards');
query('CALL citus_cleanup_orphaned_resources()');  # remove shards that rebalancing left behind
is(query("SELECT count(*) FROM run_command_on_workers('SELECT count(*) FROM pg_class WHERE relname ~ ''^users_[0-9]+\$''') WHERE result <> '0'"), 0, 'undistribute() leaves no shard table on any node');
for my $function ('distribute', 'undistribute')
{
	like(error_on($coordinator, "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT anon_auth.$function()"), qr/^55000: tables can be moved only at isolation level READ COMMITTED/, "$function() refuses a snapshot that may be old");
}
query('SELECT anon_auth.undistribute()');
is(keyed($coordinator, $device)->{sub}, $with_key->{sub}, 'a second undistribute() changes nothing, and the device can log in');
query('SELECT anon_auth.distribute(4)');
is(keyed($workers[1], $device)->{sub}, $with_key->{sub}, 'the tables can be distributed again');
query('SELECT anon_auth.undistribute()');

# A call that waits for distribute() may fail once, since its snapshot is older.
my $sign_up = PostgreSQL::Test::Utils::tempdir() . '/sign_up.sql';
append_to_file($sign_up, "INSERT INTO answered SELECT sub FROM anon_auth.authenticate_anonymously('app');\n");
query('CREATE TABLE answered (sub uuid); UPDATE anon_auth.settings SET guest_sign_ups_per_minute_per_ip = NULL');
for my $change ('distribute(4)', 'undistribute()')
{
	my $more = "SELECT count(*) > 20 + " . query('SELECT count(*) FROM answered') . ' FROM answered';
	my $sign_ups = IPC::Run::start([ 'pgbench', '-n', '-T', '60', '-c', '3', '-f', $sign_up, '-h', $coordinator->host, '-p', $coordinator->port, 'postgres' ],
		'>', \my $printed, '2>&1');
	$coordinator->poll_query_until('postgres', $more);
	is(error_on($coordinator, "SELECT anon_auth.$change"), '', "$change works while guests sign up");
	$sign_ups->signal('INT');
	$sign_ups->finish;
}
is(query('SELECT count(*) FROM answered WHERE sub NOT IN (SELECT user_id FROM anon_auth.sessions)'), 0, 'distribute() and undistribute() lose no guest that signs up meanwhile');
query('DROP TABLE answered; DROP EXTENSION anon_auth CASCADE');
is(query("SELECT count(*) FROM run_command_on_workers('SELECT count(*) FROM pg_namespace WHERE nspname LIKE ''anon_auth%''') WHERE result <> '0'"), 0, 'DROP EXTENSION leaves nothing on any node');

# ---------------------------------------------------------------------------
# An application's table, as docs/citus.md describes it
# ---------------------------------------------------------------------------

query(<<'SQL');
CREATE EXTENSION anon_auth;
CREATE EXTENSION anon_auth_citus;
SELECT anon_auth.create_client('app', 'native');
CREATE ROLE app_role LOGIN;
SELECT anon_auth.grant_client_api('app_role');
CREATE TABLE notes (user_id uuid NOT NULL DEFAULT anon_auth.uid() REFERENCES anon_auth.users (id) ON DELETE CASCADE, body text NOT NULL);
CREATE INDEX ON notes (user_id);
ALTER TABLE notes ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_notes ON notes USING (user_id = (SELECT anon_auth.uid()));
GRANT SELECT, INSERT, UPDATE, DELETE ON notes TO app_role;
SQL
query($_) for slurp_file("$FindBin::Bin/../docs/citus.md") =~ /^## Your tables\n.*?^```sql\n(.*?)^```/ms;
for my $node ($coordinator, @workers)
{
	my $one = guest($node);
	my $as_guest = "BEGIN; SET LOCAL ROLE app_role; SELECT FROM anon_auth.use_access_token('$one->{access_token}')";

	$node->safe_psql('postgres', "$as_guest; SELECT FROM add_note('of ' || anon_auth.uid()); COMMIT");
	is($node->safe_psql('postgres', "$as_guest; SELECT my_notes()") =~ s/^\s+//r, "of $one->{sub}", 'a guest sees its own row, and no other, on ' . $node->name);
}

done_testing();
