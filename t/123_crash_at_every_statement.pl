# A crash at every statement of each operation with which users change their accounts, and
# log in with device keys and passkeys.
#
# Each table has a trigger that counts the statements that write to it, and kills its backend
# at the statement whose number is in crash.point.  All other backends end, too, and the server
# recovers from the WAL.  Afterwards the tables must be as they were before the call.  Then the
# call is repeated, with a crash at the next statement, until it comes to its end.  A crash just
# after that must lose nothing.
#
# Duration: 90 s

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Authenticator;
use AnonAuth::Device qw(sql_literal);
use AnonAuth::Invariants qw(damage invariants);
use JSON::PP ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# More statements than an operation has: a limit for a test that never comes to an end.
use constant MOST_STATEMENTS => 60;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--no-locale', '--encoding=UTF8', '--data-checksums' ]);
$node->append_conf('postgresql.conf', "restart_after_crash = on\nautovacuum = off\nfsync = off");
$node->start;

sub query { return $node->safe_psql('postgres', $_[0]); }

query(<<'SQL');
CREATE EXTENSION anon_auth;
SELECT anon_auth.create_client('app', 'native'), anon_auth.create_client('keyed', 'native', dpop => 'required');
UPDATE anon_auth.settings SET password_hash_memory_kib = 8192, password_hash_passes = 1, promotion_conflict = 'merge', device_key_logins_per_minute = NULL, login_id_types = '{email,username}';

-- The provider of ID tokens has a key of this database.
CREATE TABLE provider_key AS SELECT anon_auth.create_signing_key('EdDSA') AS kid;
SELECT anon_auth.create_identity_provider('https://accounts.example', '{app.example}', anon_auth.jwks(), '{EdDSA}');
SELECT anon_auth.create_signing_key();
CREATE FUNCTION make_id_token(subject text) RETURNS text LANGUAGE sql AS $$
	SELECT anon_auth.sign_jwt(jsonb_build_object('iss', 'https://accounts.example', 'aud', 'app.example', 'sub', subject, 'nonce', c.token,
		'iat', extract(epoch FROM now())::bigint, 'exp', extract(epoch FROM now())::bigint + 3600), k.kid)
	FROM provider_key k, anon_auth.create_challenge('id_token') c
$$;
CREATE TABLE notes (user_id uuid REFERENCES anon_auth.users (id) ON DELETE CASCADE, body text);
CREATE INDEX ON notes (user_id);

-- The point of the crash: 0 is none.  A sequence counts, because it is not rolled back.
CREATE SCHEMA crash;
CREATE SEQUENCE crash.statements;
CREATE TABLE crash.point (at bigint NOT NULL);
INSERT INTO crash.point VALUES (0);
CREATE FUNCTION crash.count() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
	IF nextval('crash.statements') = (SELECT at FROM crash.point) THEN
		-- The parent of the shell is this backend.
		COPY (SELECT 1) TO PROGRAM 'kill -9 $PPID';
	END IF;
	RETURN NULL;
END $$;
DO $$
DECLARE
	name regclass;
BEGIN
	FOR name IN SELECT oid FROM pg_class WHERE relkind = 'r' AND relnamespace IN ('anon_auth'::regnamespace, 'public'::regnamespace) LOOP
		EXECUTE format('CREATE TRIGGER zz_crash AFTER INSERT OR UPDATE OR DELETE ON %s FOR EACH STATEMENT EXECUTE FUNCTION crash.count()', name);
	END LOOP;
END $$;

-- Everything that a call could change
CREATE FUNCTION crash.contents() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	name regclass;
	part text;
	result text := '';
BEGIN
	FOR name IN SELECT oid FROM pg_class WHERE relkind = 'r' AND relnamespace IN ('anon_auth'::regnamespace, 'public'::regnamespace) ORDER BY oid LOOP
		EXECUTE format('SELECT %L || md5(coalesce(string_agg(t::text, %L ORDER BY t::text), %L)) FROM %s t', name || ' ', E'\n', '', name) INTO part;
		result := result || part || E'\n';
	END LOOP;
	RETURN result;
END $$;
SQL

# ---------------------------------------------------------------------------
# Accounts for the operations
# ---------------------------------------------------------------------------

my $count = 0;
my $password = 'correct horse';

# Each has its own account or guest: its name, id, tokens, and the id of another session.
sub account
{
	my $name = 'user' . ++$count;
	my ($id, $token, $refresh) = split /\|/, query(<<"SQL");
SELECT sub, access_token, refresh_token FROM anon_auth.sign_up('app', email => '$name\@example.com', username => '$name', password => '$password');
SQL

	query(<<"SQL");
UPDATE anon_auth.login_ids SET verified_at = now() WHERE user_id = '$id' AND type = 'email';
UPDATE anon_auth.users SET is_verified = true WHERE id = '$id';
INSERT INTO notes VALUES ('$id', 'a note');
SQL
	my $other = query("SELECT anon_auth.verify_jwt(access_token) ->> 'sid' FROM anon_auth.authenticate('app', '$name\@example.com', '$password')");
	return { name => $name, id => $id, token => $token, refresh => $refresh, other => $other };
}

sub unproven
{
	my $user = account();

	query("UPDATE anon_auth.login_ids SET verified_at = NULL WHERE user_id = '$user->{id}'; UPDATE anon_auth.users SET is_verified = false WHERE id = '$user->{id}'");
	return $user;
}

sub guest
{
	my ($id, $token, $refresh) = split /\|/, query("SELECT sub, access_token, refresh_token FROM anon_auth.authenticate_anonymously('app')");

	query("INSERT INTO notes VALUES ('$id', 'a note')");
	return { name => 'guest' . ++$count, id => $id, token => $token, refresh => $refresh };
}

sub scheduled
{
	my $user = account();

	query("SELECT anon_auth.delete_account(access_token => '$user->{token}')");
	return $user;
}

sub with_identity
{
	my $user = account();

	query("SELECT anon_auth.add_identity(make_id_token('$user->{name}'), access_token => '$user->{token}')");
	return $user;
}

sub code_of { return query('SELECT code FROM anon_auth.take_outbox_messages(100) WHERE code IS NOT NULL ORDER BY created_at DESC LIMIT 1'); }

# An account, or another user, with a code that a call of $request has sent.
sub with_code
{
	my ($make, $request) = @_;

	return sub {
		my $user = $make->();

		query("SELECT anon_auth.$_") for $request->($user);
		$user->{code} = code_of();
		return $user;
	};
}

sub with_second
{
	my $user = account();
	my $address = "second-$user->{name}\@example.com";

	query("SELECT anon_auth.request_login_id_code('email', '$address', access_token => '$user->{token}')");
	query("SELECT anon_auth.add_login_id('email', '$address', '" . code_of() . "', access_token => '$user->{token}')");
	return $user;
}

sub with_challenge
{
	my $user = account();

	$user->{id_token} = query("SELECT make_id_token('$user->{name}')");
	return $user;
}

# An account with a device key or a passkey, and the next request or response with it.
my $json = JSON::PP->new->utf8;

sub device_request
{
	my ($device, $action) = @_;

	return $device->request(challenge => query("SELECT token FROM anon_auth.create_challenge('biometric_request')"), action => $action, with_jwk => $action eq 'setup',
		header => { typ => 'vnd.authgear.biometric-request' });
}

sub with_new_key
{
	my $user = account();

	$user->{device} = AnonAuth::Device->new(alg => 'EdDSA');
	$user->{request} = device_request($user->{device}, 'setup');
	return $user;
}

sub with_key
{
	my $user = with_new_key();

	query("SELECT anon_auth.add_device_key('$user->{request}', access_token => '$user->{token}')");
	$user->{request} = device_request($user->{device}, 'authenticate');
	return $user;
}

# The session that a removal must end.
sub with_key_session
{
	my $user = with_key();

	$user->{other} = query("SELECT anon_auth.verify_jwt(access_token) ->> 'sid' FROM anon_auth.authenticate_with_device_key('app', '$user->{request}')");
	return $user;
}

sub with_new_passkey
{
	my $user = account();

	$user->{passkey} = AnonAuth::Authenticator->new(alg => 'EdDSA', id => $user->{name});
	$user->{response} = sql_literal($json->encode($user->{passkey}->create($json->decode(query("SELECT anon_auth.passkey_creation_options('$user->{token}')")))));
	return $user;
}

sub with_passkey
{
	my $user = with_new_passkey();

	query("SELECT anon_auth.add_passkey($user->{response}, access_token => '$user->{token}')");
	$user->{response} = sql_literal($json->encode($user->{passkey}->get($json->decode(query("SELECT anon_auth.passkey_request_options('app')")))));
	return $user;
}

sub with_proof
{
	return { name => 'keyed' . ++$count, proof => AnonAuth::Device->new(alg => 'ES256')->proof };
}

sub guest_and_account
{
	my ($guest, $user) = (guest(), account());

	return { %$user, guest => $guest };
}

# ---------------------------------------------------------------------------
# The operations: who, the call, and a condition that holds when it has come to its end
# ---------------------------------------------------------------------------

sub event { my ($type, $user) = @_; return "EXISTS (SELECT FROM anon_auth.events WHERE type = '$type' AND user_id = '$user->{id}')"; }
sub message { my ($type, $user) = @_; return "EXISTS (SELECT FROM anon_auth.outbox WHERE type = '$type' AND user_id = '$user->{id}')"; }
sub other_is_gone { return "NOT EXISTS (SELECT FROM anon_auth.sessions WHERE id = '$_[0]{other}')"; }
sub has_login_id { my ($value, $user) = @_; return "EXISTS (SELECT FROM anon_auth.login_ids WHERE value = '$value' AND user_id = '$user->{id}')"; }
sub is_gone { return "NOT EXISTS (SELECT FROM anon_auth.users WHERE id = '$_[0]{id}') AND NOT EXISTS (SELECT FROM notes WHERE user_id = '$_[0]{id}')"; }

my @operations = (
	[ 'change_password()', \&account,
		sub { "anon_auth.change_password('another horse', '$password', access_token => '$_[0]{token}')" },
		sub { join ' AND ', event('password.changed', @_), message('password_changed', @_), other_is_gone(@_) } ],
	[ 'request_login_id_code()', \&account,
		sub { "anon_auth.request_login_id_code('email', 'new-$_[0]{name}\@example.com', access_token => '$_[0]{token}') IS NOT NULL" },
		sub { "EXISTS (SELECT FROM anon_auth.outbox WHERE recipient = 'new-$_[0]{name}\@example.com')" } ],
	[ 'add_login_id() with a code', with_code(\&account, sub { "request_login_id_code('email', 'new-$_[0]{name}\@example.com', access_token => '$_[0]{token}')" }),
		sub { "anon_auth.add_login_id('email', 'new-$_[0]{name}\@example.com', '$_[0]{code}', access_token => '$_[0]{token}')" },
		sub { join ' AND ', has_login_id("new-$_[0]{name}\@example.com", @_), event('login_id.added', @_), message('login_id_added', @_) }, 1 ],
	[ 'add_login_id() with an address that another account claims', with_code(
			sub { my $user = account(); query("SELECT anon_auth.sign_up('app', email => 'new-$user->{name}\@example.com', password => '$password')"); return $user; },
			sub { "request_login_id_code('email', 'new-$_[0]{name}\@example.com', access_token => '$_[0]{token}')" }),
		sub { "anon_auth.add_login_id('email', 'new-$_[0]{name}\@example.com', '$_[0]{code}', access_token => '$_[0]{token}')" },
		sub { has_login_id("new-$_[0]{name}\@example.com", @_) }, 1 ],
	[ 'remove_login_id()', \&account,
		sub { "anon_auth.remove_login_id('username', '$_[0]{name}', access_token => '$_[0]{token}')" },
		sub { join ' AND ', 'NOT ' . has_login_id($_[0]{name}, @_), event('login_id.removed', @_), message('login_id_removed', @_) } ],
	[ 'remove_login_id() of an address', \&with_second,
		sub { "anon_auth.remove_login_id('email', '$_[0]{name}\@example.com', access_token => '$_[0]{token}')" },
		sub { join ' AND ', "NOT " . has_login_id("$_[0]{name}\@example.com", @_), event('login_id.removed', @_), message('login_id_removed', @_), other_is_gone(@_) } ],
	[ 'request_verification()', \&unproven,
		sub { "anon_auth.request_verification(access_token => '$_[0]{token}') IS NOT NULL" },
		sub { message('login_id_verification', @_) } ],
	[ 'verify_login_id()', with_code(\&unproven, sub { "request_verification(access_token => '$_[0]{token}')" }),
		sub { "anon_auth.verify_login_id('$_[0]{code}', access_token => '$_[0]{token}')" },
		sub { "(SELECT is_verified FROM anon_auth.users WHERE id = '$_[0]{id}')" }, 1 ],
	[ 'add_identity()', \&with_challenge,
		sub { "anon_auth.add_identity('$_[0]{id_token}', access_token => '$_[0]{token}')" },
		sub { "EXISTS (SELECT FROM anon_auth.user_identities WHERE user_id = '$_[0]{id}')" }, 1 ],
	[ 'remove_identity()', \&with_identity,
		sub { "anon_auth.remove_identity('https://accounts.example', access_token => '$_[0]{token}')" },
		sub { join ' AND ', "NOT EXISTS (SELECT FROM anon_auth.user_identities WHERE user_id = '$_[0]{id}')", other_is_gone(@_) } ],
	[ 'end_session()', \&account,
		sub { "anon_auth.end_session('$_[0]{other}', access_token => '$_[0]{token}')" },
		sub { join ' AND ', other_is_gone(@_), event('user.signed_out', @_) } ],
	[ 'end_other_sessions()', \&account,
		sub { "anon_auth.end_other_sessions(access_token => '$_[0]{token}') = 1" },
		sub { join ' AND ', other_is_gone(@_), event('user.signed_out', @_) } ],
	[ 'update_profile()', \&account,
		sub { "anon_auth.update_profile('{\"name\": \"Ada\"}', access_token => '$_[0]{token}') ->> 'name' = 'Ada'" },
		sub { event('profile.updated', @_) } ],
	[ 'export_account()', \&account,
		sub { "anon_auth.export_account(access_token => '$_[0]{token}') ? 'user'" },
		sub { event('account.exported', @_) } ],
	[ 'delete_account() with a grace period', \&account,
		sub { "anon_auth.delete_account(access_token => '$_[0]{token}') IS NOT NULL" },
		sub { join ' AND ', "(SELECT delete_at IS NOT NULL FROM anon_auth.users WHERE id = '$_[0]{id}')", event('user.deletion_scheduled', @_), other_is_gone(@_) } ],
	[ 'cancel_account_deletion()', \&scheduled,
		sub { "anon_auth.cancel_account_deletion(access_token => '$_[0]{token}')" },
		sub { join ' AND ', "(SELECT delete_at IS NULL FROM anon_auth.users WHERE id = '$_[0]{id}')", event('user.deletion_unscheduled', @_) } ],
	[ 'delete_account() of a guest', \&guest,
		sub { "anon_auth.delete_account(access_token => '$_[0]{token}') IS NOT NULL" },
		sub { is_gone(@_) } ],
	[ 'request_password_reset()', \&account,
		sub { "anon_auth.request_password_reset('$_[0]{name}\@example.com', client_id => 'app') IS NOT NULL" },
		sub { message('password_reset', @_) } ],
	[ 'reset_password()', with_code(\&account, sub { "request_password_reset('$_[0]{name}\@example.com', client_id => 'app')" }),
		sub { "anon_auth.reset_password('$_[0]{name}\@example.com', '$_[0]{code}', 'another horse')" },
		sub { join ' AND ', event('password.reset', @_), other_is_gone(@_) }, 1 ],
	[ 'promote_anonymous_user()', \&guest,
		sub { "EXISTS (SELECT FROM anon_auth.promote_anonymous_user('app', email => '$_[0]{name}\@example.com', password => '$password', refresh_token => '$_[0]{refresh}'))" },
		sub { join ' AND ', has_login_id("$_[0]{name}\@example.com", @_), "(SELECT NOT is_anonymous FROM anon_auth.users WHERE id = '$_[0]{id}')", event('user.anonymous.promoted', @_) } ],
	[ 'claim_anonymous_user()', \&guest_and_account,
		sub { "EXISTS (SELECT FROM anon_auth.claim_anonymous_user('app', access_token => '$_[0]{token}', refresh_token => '$_[0]{guest}{refresh}'))" },
		sub { join ' AND ', is_gone($_[0]{guest}), "(SELECT count(*) = 2 FROM notes WHERE user_id = '$_[0]{id}')" } ],
	[ 'sign_up()', sub { return { name => 'user' . ++$count }; },
		sub { "EXISTS (SELECT FROM anon_auth.sign_up('app', email => '$_[0]{name}\@example.com', password => '$password'))" },
		sub { "EXISTS (SELECT FROM anon_auth.login_ids WHERE value = '$_[0]{name}\@example.com')" } ],
	[ 'add_device_key()', \&with_new_key,
		sub { "anon_auth.add_device_key('$_[0]{request}', access_token => '$_[0]{token}') IS NOT NULL" },
		sub { join ' AND ', "EXISTS (SELECT FROM anon_auth.device_keys WHERE user_id = '$_[0]{id}')", event('device_key.added', @_), message('device_key_added', @_) } ],
	[ 'authenticate_with_device_key()', \&with_key,
		sub { "EXISTS (SELECT FROM anon_auth.authenticate_with_device_key('app', '$_[0]{request}'))" },
		sub { join ' AND ', "EXISTS (SELECT FROM anon_auth.sessions WHERE user_id = '$_[0]{id}' AND device_kid IS NOT NULL)", event('user.authenticated', @_) } ],
	[ 'remove_device_key()', \&with_key_session,
		sub { "anon_auth.remove_device_key('" . $_[0]{device}->kid . "', access_token => '$_[0]{token}')" },
		sub { join ' AND ', "NOT EXISTS (SELECT FROM anon_auth.device_keys WHERE user_id = '$_[0]{id}')", "EXISTS (SELECT FROM anon_auth.removed_device_keys WHERE user_id = '$_[0]{id}')",
			other_is_gone(@_), event('device_key.removed', @_), message('device_key_removed', @_) } ],
	[ 'add_passkey()', \&with_new_passkey,
		sub { "anon_auth.add_passkey($_[0]{response}, access_token => '$_[0]{token}') IS NOT NULL" },
		sub { join ' AND ', "EXISTS (SELECT FROM anon_auth.passkeys WHERE user_id = '$_[0]{id}')", event('passkey.added', @_), message('passkey_added', @_) }, 1 ],
	[ 'authenticate_with_passkey()', \&with_passkey,
		sub { "EXISTS (SELECT FROM anon_auth.authenticate_with_passkey('app', $_[0]{response}))" },
		sub { join ' AND ', "EXISTS (SELECT FROM anon_auth.passkeys WHERE user_id = '$_[0]{id}' AND used_challenges <> '')", event('user.authenticated', @_) }, 1 ],
	[ 'remove_passkey()', \&with_passkey,
		sub { "anon_auth.remove_passkey('" . $_[0]{passkey}->id . "', access_token => '$_[0]{token}')" },
		sub { join ' AND ', "NOT EXISTS (SELECT FROM anon_auth.passkeys WHERE user_id = '$_[0]{id}')", other_is_gone(@_), event('passkey.removed', @_), message('passkey_removed', @_) } ],
	[ 'authenticate_anonymously() with a DPoP proof', \&with_proof,
		sub { "EXISTS (SELECT FROM anon_auth.authenticate_anonymously('keyed', dpop => '$_[0]{proof}'))" },
		sub { "EXISTS (SELECT FROM anon_auth.sessions WHERE dpop_jkt IS NOT NULL)" }, 1 ],
	[ 'create_user()', sub { return { name => 'made' . ++$count }; },
		sub { "anon_auth.create_user(username => '$_[0]{name}', password => '$password') IS NOT NULL" },
		sub { "EXISTS (SELECT FROM anon_auth.authenticate('app', '$_[0]{name}', '$password'))" } ],
	[ 'set_roles()', \&account,
		sub { "anon_auth.set_roles('$_[0]{id}', '{editor}')::text IS NOT NULL" },
		sub { join ' AND ', "(SELECT roles = '{editor}' FROM anon_auth.users WHERE id = '$_[0]{id}')", event('user.roles_set', @_) } ]);

# ---------------------------------------------------------------------------
# Crashes
# ---------------------------------------------------------------------------

my %invariants = invariants();

# Calls with a crash at a statement.  Returns whether the server has crashed, and the result.
sub call_until
{
	my ($call, $at) = @_;

	query("UPDATE crash.point SET at = $at; SELECT setval('crash.statements', 1, false)");
	my $log_begin = -s $node->logfile;
	my $status = $node->psql('postgres', "SELECT $call", stdout => \my $result, stderr => \my $error);
	return (0, $result, $error) if $status == 0 || $error !~ /server closed the connection|terminating connection/;
	recover($log_begin);
	return (1);
}

# Wait until the server has noticed the crash, and has recovered.
sub recover
{
	my ($log_begin) = @_;

	$node->wait_for_log(qr/database system is ready to accept connections/, $log_begin);
	return;
}

sub broken { return join ', ', grep { query($invariants{$_}) ne '0' } sort keys %invariants; }

for my $operation (@operations)
{
	my ($name, $make, $call, $done, $uses_code) = @$operation;
	my ($at, $crashed, $result, $error, $user, $before) = (0);
	my @changed;
	my @broken;

	do
	{
		# A code or ID token may be used up by a call that did not come to its end.
		if (!defined $user || $uses_code)
		{
			query('UPDATE crash.point SET at = 0');
			query('SELECT anon_auth.reset_counters()');
			$user = $make->();
		}
		query('SELECT anon_auth.reset_counters()');
		$before = query('SELECT crash.contents()');
		($crashed, $result, $error) = call_until($call->($user), ++$at);
		query('UPDATE crash.point SET at = 0');
		push @changed, $at if $crashed && query('SELECT crash.contents()') ne $before;
		push @broken, broken() if $crashed && broken() ne '';
	} while ($crashed && $at < MOST_STATEMENTS);

	cmp_ok($at, '>', 1, "$name writes, and crashed at " . ($at - 1) . ' statements');
	is("@changed", '', "$name: none of the crashes has left a change");
	is("@broken", '', "$name: none of them has broken an invariant");
	is($result // $error, 't', "$name comes to its end when there is no crash");
	is(query('SELECT ' . $done->($user)), 't', "$name has done all that it promises");

	# A crash after the commit
	$before = query('SELECT crash.contents()');
	my $log_begin = -s $node->logfile;

	$node->psql('postgres', q(COPY (SELECT 1) TO PROGRAM 'kill -9 $PPID'), stderr => \my $stderr);
	recover($log_begin);
	is(query('SELECT crash.contents()'), $before, "$name: a crash after its end loses nothing");
	is(broken(), '', "$name: all invariants hold");
}
is(join("\n", damage($node)), '', 'no table or index is damaged');

$node->stop;
done_testing();
