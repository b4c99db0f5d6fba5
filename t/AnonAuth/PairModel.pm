
=pod

=head1 NAME

AnonAuth::PairModel - the effect of each operation on users when it runs alone

=head1 SYNOPSIS

  use AnonAuth::PairModel qw(initial_state describe operation serial_results);

  my $state = initial_state(operation('promote'), operation('refresh'));
  my @results = serial_results($state, 0, [ A => operation('promote') ], [ B => operation('refresh') ]);

=head1 DESCRIPTION

A model of anon_auth, with which a test compares the tables. Two concurrent
transactions are correct if they leave the same rows and return the same
answers as one after the other would.

Users and sessions have short names. G is a guest with the device key K. H is
a guest without a key. R is a regular user with login ID eve. A user who signs
up during the test has the name of its device key, K or N. Sessions of G: s, r
(its client rotates refresh tokens) and z (its client has no grace period).
Session of H: h. Sessions of R: x and y (y rotates). A and B are sessions that
the operations create.

T is an account with a password that has claimed the address "claimed" without
proof. S is an account with a password, the verified address "mail" and the
identity i at a provider. Session of T: w, of S: v. Nobody has the address "new"
and the identity j. Codes are named by their address and the user whose proof
asked for them: "new G", and "new" if nobody's proof did. ID tokens are named by
their identity and a number: i1, i2, j1. sign_up() makes P (by code), Q (by
password) and J (by ID token), and import_user() makes I.

S is also the user who looks after its own account, with session v. It asks for
the code "new S" to add that address. It has the device key L and the passkey p, and
adds the device key M and the passkey q. create_user() makes C.

=cut

package AnonAuth::PairModel;

use strict;
use warnings;

use Exporter 'import';

our @EXPORT_OK = qw(initial_state describe operation serial_results share_rows);

=pod

=over

=item operation($name)

A hash: name; needs, the users and sessions that the operation requires;
touches, the things that it changes (two operations without a common one never
affect each other); client, of the tokens that it returns; code and id_token, by
which it proves an address or identity; ddl, the statement,
if the operation is DDL on the application's tables; makes, the users that it
may create; and does, a function (state, session, overlaps) that returns a
list of [state, answer].

The first result of does is the one without a concurrent operation. The others
may occur only if the other operation was in progress (overlaps). The list is
complete: every other result fails the test.

=cut

sub _op
{
	my ($name, $needs, $touches, $does, %more) = @_;

	return $name => {
		name => $name,
		needs => [ split ' ', $needs ],
		touches => [ split ' ', $touches ],
		does => $does,
		client => 'app',
		%more };
}

sub _ddl
{
	my ($name, $statement, $does) = @_;

	return _op($name, '', 'rows', $does, ddl => $statement);
}

# An operation with the code for an address, asked for by nobody's proof or by user.
sub _code_op
{
	my ($name, $needs, $touches, $does, $login, %more) = @_;
	my $code = join ' ', $login, $more{user} // ();

	my $part = 'code:' . ($code =~ s/ /:/r);

	return _op($name, "$needs $part", "$touches $part", $does, login => $login, code => $code, %more);
}

# Everything that belongs to G, R, T and S.
my $guest = 'G K s r z';
my $account = 'R eve x y';
my $claimant = 'T claimed w';
my $holder = 'S mail i j v L M p q';

my %operations = (
	_op('sign_up_new', '', 'N', \&_sign_up, key => 'N', jwk => 1),
	_op('sign_up_again', '', 'G K', \&_sign_up, key => 'K', jwk => 1),
	_op('log_in_with_key', '', 'G K', \&_sign_up, key => 'K'),
	# A login with a login ID that other operations promote with.
	_op('log_in', '', 'ada', \&_log_in, login => 'ada'),
	_op('refresh', '', 's', \&_refresh, session => 's', user => 'G'),
	_op('refresh_rotating', 'r', 'r', \&_refresh, session => 'r', user => 'G', client => 'rotating', rotates => 1),
	_op('refresh_no_grace', 'z', 'z', \&_refresh, session => 'z', user => 'G', client => 'strict', rotates => 1, strict => 1),
	_op('promote', '', "$guest ada", \&_promote, session => 's', login => 'ada'),
	_op('promote_with_key', '', "$guest bob", \&_promote, key => 'K', login => 'bob'),
	_op('promote_other', 'h', 'H h ada', \&_promote, session => 'h', user => 'H', login => 'ada'),
	_op('merge', 'account', "$guest $account rows", \&_promote, session => 's', login => 'eve'),
	_op('claim', 'account', "$guest $account rows", \&_claim, session => 's'),
	_op('claim_with_key', 'account', "$guest $account rows", \&_claim, key => 'K'),
	_op('revoke', '', 's', \&_revoke, session => 's', user => 'G'),
	_op('revoke_all', '', $guest, \&_revoke_all, user => 'G'),
	_op('disable', '', $guest, \&_disable, user => 'G'),
	_op('delete', '', "$guest ada bob rows", \&_delete, user => 'G'),
	_op('purge', 'idle', "$guest rows", \&_purge),
	_op('rotate_key', '', 'signing_keys', \&_rotate_key),
	_op('log_in_account', 'account', 'R', \&_log_in, login => 'eve'),
	_op('refresh_account', 'account', 'x', \&_refresh, session => 'x', user => 'R'),
	_op('refresh_rotating_account', 'account y', 'y', \&_refresh, session => 'y', user => 'R', client => 'rotating', rotates => 1),
	_op('revoke_account', 'account', 'x', \&_revoke, session => 'x', user => 'R'),
	_op('revoke_all_account', 'account', $account, \&_revoke_all, user => 'R'),
	_op('disable_account', 'account', $account, \&_disable, user => 'R'),
	_op('set_password', '', 'G', \&_set_password, user => 'G'),
	_op('set_password_account', 'account', $account, \&_set_password, user => 'R'),
	_op('delete_account', 'account', "$account rows", \&_delete, user => 'R'),
	# An address that nobody has.
	_code_op('code_log_in', '', 'new P Q G H', \&_log_in_with_code, 'new'),
	_code_op('code_sign_up', '', 'new P', \&_sign_up_account, 'new', makes => 'P'),
	_code_op('code_promote', '', "$guest new", \&_promote_with_proof, 'new', user => 'G', session => 's'),
	_code_op('code_promote_other', 'h', 'H h new', \&_promote_with_proof, 'new', user => 'H', session => 'h'),
	_op('password_sign_up', '', 'new Q', \&_sign_up_account, login => 'new', makes => 'Q'),
	# An address that an account has claimed without proof.
	_code_op('reclaim', 'claimant', $claimant, \&_log_in_with_code, 'claimed'),
	_code_op('code_promote_claimed', 'claimant', "$guest $claimant", \&_promote_with_proof, 'claimed', user => 'G', session => 's'),
	_op('log_in_claimant', 'claimant', 'T claimed', \&_log_in, login => 'claimed'),
	_op('disable_claimant', 'claimant', $claimant, \&_disable, user => 'T'),
	_op('set_password_claimant', 'claimant', $claimant, \&_set_password, user => 'T'),
	_op('delete_claimant', 'claimant', $claimant, \&_delete, user => 'T'),
	# A verified address, and an identity.
	_code_op('code_log_in_holder', 'holder', 'S mail', \&_log_in_with_code, 'mail'),
	_code_op('code_merge', 'holder', "$guest $holder rows", \&_promote_with_proof, 'mail', user => 'G', session => 's'),
	_op('identity_log_in', 'holder i1', 'S i', \&_log_in_with_identity, id_token => 'i1'),
	_op('identity_log_in_again', 'holder i2', 'S i', \&_log_in_with_identity, id_token => 'i2'),
	_op('identity_merge', 'holder i1', "$guest $holder rows", \&_promote_with_proof, user => 'G', session => 's', id_token => 'i1'),
	_op('remove_identity', 'holder', 'S i j', \&_remove_identity, user => 'S', session => 'v'),
	_op('disable_holder', 'holder', $holder, \&_disable, user => 'S'),
	_op('revoke_all_holder', 'holder', $holder, \&_revoke_all, user => 'S'),
	_op('delete_holder', 'holder', $holder, \&_delete, user => 'S'),
	# An identity that nobody has.
	_op('add_identity', 'holder j1', 'S j', \&_add_identity, user => 'S', session => 'v', id_token => 'j1'),
	_op('identity_promote', 'j1', "$guest j", \&_promote_with_proof, user => 'G', session => 's', id_token => 'j1'),
	_op('identity_sign_up', 'j1', 'j J', \&_sign_up_account, makes => 'J', id_token => 'j1'),
	# What users do with their own account, and an import.
	_op('log_in_holder', 'holder', 'S mail', \&_log_in, login => 'mail'),
	_op('change_password', 'holder', $holder, \&_change_password, user => 'S', session => 'v'),
	_op('add_username', 'holder', 'S ada', \&_add_login_id, user => 'S', session => 'v', login => 'ada'),
	_code_op('add_address', 'holder', 'S new', \&_add_login_id, 'new', user => 'S', session => 'v'),
	_op('remove_address', 'holder', $holder, \&_remove_login_id, user => 'S', session => 'v', login => 'mail'),
	_op('end_own_session', 'holder', 'S v', \&_end_own_session, user => 'S', session => 'v'),
	_op('end_others', 'holder', $holder, \&_end_others, user => 'S', session => 'v'),
	_op('update_profile', 'holder', 'S', \&_update_profile, user => 'S', session => 'v'),
	_op('export', 'holder', 'S', \&_export, user => 'S', session => 'v'),
	_op('set_roles', 'holder', 'S', \&_set_roles, user => 'S'),
	_op('schedule_deletion', 'holder', $holder, \&_schedule_deletion, user => 'S', session => 'v'),
	_op('cancel_deletion', 'holder', 'S', \&_cancel_deletion, user => 'S', session => 'v'),
	_op('purge_due', 'holder due', "$holder rows", \&_purge_due),
	_op('delete_self', '', "$guest ada bob new rows", \&_delete_self, user => 'G', session => 's'),
	_op('import_user', '', 'I ada', \&_import, user => 'I', login => 'ada'),
	_op('create_user', '', 'C ada', \&_create_user, login => 'ada', makes => 'C'),
	# Device keys and passkeys of an account.
	_op('add_device_key', 'holder', 'S M', \&_add_credential, user => 'S', session => 'v', credential => 'M'),
	_op('log_in_device_key', 'holder L', 'S L', \&_log_in_with_credential, credential => 'L'),
	_op('remove_device_key', 'holder L', 'S L', \&_remove_credential, user => 'S', session => 'v', credential => 'L'),
	_op('add_passkey', 'holder', 'S q', \&_add_credential, user => 'S', session => 'v', credential => 'q'),
	_op('log_in_passkey', 'holder p', 'S p', \&_log_in_with_credential, credential => 'p'),
	_op('remove_passkey', 'holder p', $holder, \&_remove_credential, user => 'S', session => 'v', credential => 'p'),
	# DDL on the tables of PairWorld's begin_tables(). Operations that add a
	# foreign key are refused if the guest is deleted.
	_ddl('add_key', 'ALTER TABLE ddl_plain ADD FOREIGN KEY (user_id) REFERENCES anon_auth.users ON DELETE CASCADE', \&_refer),
	_ddl('drop_key', 'ALTER TABLE ddl_keyed DROP CONSTRAINT ddl_key', \&_alter),
	_ddl('create_table',
		'CREATE TABLE ddl_new (user_id uuid REFERENCES anon_auth.users ON DELETE CASCADE); INSERT INTO ddl_new VALUES (GUEST)', \&_refer),
	_ddl('attach_partition', 'ALTER TABLE ddl_parts ATTACH PARTITION ddl_parts_2 FOR VALUES IN (2)', \&_refer),
	_ddl('detach_partition', 'ALTER TABLE ddl_parts DETACH PARTITION ddl_parts_1', \&_alter),
	_ddl('alter_type', 'ALTER TABLE ddl_keyed ALTER user_id TYPE uuid USING user_id', \&_alter));

# The users who have a login ID before the operations.
my %owner_of = (eve => 'R', claimed => 'T', mail => 'S');

sub operation { return $operations{ $_[0] } // die "there is no operation $_[0]"; }

=pod

=item share_rows($one, $other)

Whether two operations change the same thing.

=cut

sub share_rows
{
	my ($one, $other) = @_;
	my %touched = map { $_ => 1 } @{ $one->{touches} };

	return scalar grep { $touched{$_} } @{ $other->{touches} };
}

=pod

=item initial_state(@operations)

The state before the operations.

=cut

sub initial_state
{
	my (@operations) = @_;
	my %needs = map { $_ => 1 } map { @{ $_->{needs} } } @operations;
	my $state = {
		users => { G => { guest => 1, idle => $needs{idle}, sessions => { s => 0 } } },
		keys => { K => 'G' },
		removed => {},
		merged => {},
		logins => {},
		identities => {},
		passkeys => {},
		key_of => {},
		verified => {},
		codes => { map { $_->{code} ? ($_->{code} => 1) : () } @operations },
		spent => {},
		tokens => {},
		rows => 'G',
		signer => 'old',
		events => [] };

	$state->{users}{G}{sessions}{$_} = 0 for grep { $needs{$_} } qw(r z);
	$state->{users}{H} = { guest => 1, sessions => { h => 0 } } if $needs{h};
	if ($needs{account})
	{
		$state->{users}{R} = { sessions => { x => 0 } };
		$state->{users}{R}{sessions}{y} = 0 if $needs{y};
		$state->{logins}{eve} = 'R';
	}
	if ($needs{claimant})
	{
		$state->{users}{T} = { sessions => { w => 0 } };
		$state->{logins}{claimed} = 'T';
	}
	if ($needs{holder})
	{
		$state->{users}{S} = { sessions => { v => 0 } };
		$state->{logins}{mail} = 'S';
		$state->{verified}{mail} = 1;
		$state->{identities}{i} = 'S';
		$state->{keys}{L} = 'S' if $needs{L};
		$state->{passkeys}{p} = 'S' if $needs{p};
		$state->{users}{S}{leaving} = $state->{users}{S}{due} = 1 if $needs{due};
	}
	# purge() deletes only guests without rows of the application.
	$state->{rows} = '' if $needs{idle};
	return $state;
}

=pod

=item serial_results($state, $overlaps, [$session => $operation], ...)

The possible results of the operations one after another: a list of [state,
answers]. answers is a hash by session.

=cut

sub serial_results
{
	my ($state, $overlaps, @calls) = @_;
	my @results = ([ $state, {} ]);

	for my $call (@calls)
	{
		my ($session, $operation) = @$call;

		@results = map {
			my ($before, $answers) = @$_;

			map { [ $_->[0], { %$answers, $session => $_->[1] } ] }
			  $operation->{does}->(_copy($before), $session, $overlaps, $operation)
		} @results;
	}
	return @results;
}

=pod

=item describe($state)

Returns the state as text.

=back

=cut

sub describe
{
	my ($state) = @_;
	my @lines;

	for my $name (sort keys %{ $state->{users} })
	{
		my $user = $state->{users}{$name};

		push @lines, join ' ', $name, $user->{guest} ? 'guest' : 'account',
		  ($user->{disabled} ? 'disabled' : ()),
		  ($user->{passwordless} ? 'passwordless' : ()),
		  ($user->{leaving} ? 'leaving' : ()),
		  ($user->{named} ? 'named' : ()),
		  ($user->{editor} ? 'editor' : ()),
		  (map { "identity $_" } grep { $state->{identities}{$_} eq $name } sort keys %{ $state->{identities} }),
		  (map { "key $_" } grep { $state->{keys}{$_} eq $name } sort keys %{ $state->{keys} }),
		  (map { "login $_" . ($state->{verified}{$_} ? ' verified' : '') } grep { $state->{logins}{$_} eq $name } sort keys %{ $state->{logins} }),
		  (map { "merged $_" } grep { $state->{merged}{$_} eq $name } sort keys %{ $state->{merged} }),
		  (map { "passkey $_" } grep { $state->{passkeys}{$_} eq $name } sort keys %{ $state->{passkeys} }),
		  (map { "removed $_" } grep { $state->{removed}{$_} eq $name } sort keys %{ $state->{removed} }),
		  (map { "session $_" . ($user->{sessions}{$_} ? "+$user->{sessions}{$_}" : '') } sort keys %{ $user->{sessions} });
	}
	push @lines, (map { "code $_" } sort keys %{ $state->{codes} }), ($state->{rows} eq '' ? 'rows' : "rows $state->{rows}"),
	  "signer $state->{signer}", map { "event $_" } sort @{ $state->{events} };
	return join "\n", @lines;
}

sub _copy
{
	my ($state) = @_;
	my %copy = (%$state, events => [ @{ $state->{events} } ]);

	$copy{$_} = { %{ $state->{$_} } } for qw(keys logins removed merged identities passkeys key_of verified codes spent tokens);
	$copy{users} = {
		map { $_ => { %{ $state->{users}{$_} }, sessions => { %{ $state->{users}{$_}{sessions} } } } }
		  keys %{ $state->{users} } };
	return \%copy;
}

sub _event { my ($state, $type, $name) = @_; push @{ $state->{events} }, "$type $name"; return; }

sub _begin_session
{
	my ($state, $name, $session) = @_;

	$state->{users}{$name}{sessions}{$session} = 0;
	$state->{users}{$name}{idle} = 0;
	return "$name $session";
}

sub _remove
{
	my ($state, $name) = @_;
	my %gone = map { $_ => 1 } grep { $state->{logins}{$_} eq $name } keys %{ $state->{logins} };

	# The codes for its addresses are deleted, too.
	delete $state->{codes}{$_} for grep { $gone{ (split / /)[0] } } keys %{ $state->{codes} };
	delete $state->{users}{$name};
	for my $owned (qw(keys logins removed merged identities passkeys))
	{
		delete $state->{$owned}{$_} for grep { $state->{$owned}{$_} eq $name } keys %{ $state->{$owned} };
	}
	$state->{rows} = '' if $state->{rows} eq $name;
	return;
}

# The keys of a guest that becomes part of an account.
sub _end_keys
{
	my ($state, $guest, $account) = @_;

	for my $key (grep { $state->{keys}{$_} eq $guest } keys %{ $state->{keys} })
	{
		delete $state->{keys}{$key};
		$state->{removed}{$key} = $account;
	}
	return;
}

sub _merge
{
	my ($state, $guest, $account) = @_;

	$state->{rows} = $account if $state->{rows} eq $guest;
	_end_keys($state, $guest, $account);
	_remove($state, $guest);
	$state->{merged}{$guest} = $account;
	_event($state, 'user.anonymous.merged', $account);
	_event($state, 'user.deleted', $guest);
	return;
}

sub _unregistered
{
	my ($state, $key) = @_;

	return defined $state->{removed}{$key} ? 'AA031' : 'AA004';
}

sub _sign_up
{
	my ($state, $session, $overlaps, $operation) = @_;
	my $key = $operation->{key};
	my $name = $state->{keys}{$key};

	if (!defined $name)
	{
		return [ $state, _unregistered($state, $key) ] if !$operation->{jwk};
		$name = $key;
		$state->{keys}{$key} = $name;
		$state->{users}{$name} = { guest => 1, sessions => {} };
		_event($state, 'user.created', $name);
		return [ $state, _begin_session($state, $name, $session) ];
	}
	return [ $state, 'AA007' ] if $state->{users}{$name}{disabled};
	_event($state, 'user.authenticated', $name);
	return [ $state, _begin_session($state, $name, $session) ];
}

# Whether a login with the password of the operations fails.
sub _refuses_password { my ($user) = @_; return $user->{disabled} || $user->{passwordless} || $user->{other_password}; }

sub _log_in
{
	my ($state, $session, $overlaps, $operation) = @_;
	my $name = $state->{logins}{ $operation->{login} };

	if (!defined $name || _refuses_password($state->{users}{$name}))
	{
		my @results;

		# The login had found the user, which was deleted or lost the login ID while
		# the login waited.
		my $former = $owner_of{ $operation->{login} };
		push @results, _failed(_copy($state), $former)
		  if $overlaps && $former && ($name // '') ne $former;
		return (_failed($state, $name // 'nobody'), @results);
	}
	_event($state, 'user.authenticated', $name);
	return [ $state, _begin_session($state, $name, $session) ];
}

sub _failed
{
	my ($state, $name) = @_;

	_event($state, 'authentication.failed', $name);
	return [ $state, 'nothing' ];
}

sub _refresh
{
	my ($state, $session, $overlaps, $operation) = @_;
	my ($name, $used) = @$operation{qw(user session)};
	my $user = $state->{users}{$name};

	return [ $state, 'AA006' ] if !$user || !exists $user->{sessions}{$used};
	$user->{idle} = 0;
	if ($operation->{strict} && $user->{sessions}{$used})
	{
		delete $user->{sessions}{$used};
		_event($state, 'refresh_token.reused', $name);
		return [ $state, 'nothing' ];
	}
	$user->{sessions}{$used} = 1 if $operation->{rotates};
	return [ $state, "$name $used" ];
}

# Finds the user to promote, or the errors that refuse the promotion: the one
# without concurrency, and those that are possible if the proof became invalid
# while the operation waited.
sub _prove
{
	my ($state, $overlaps, $operation) = @_;
	my $key = $operation->{key};
	my $name = $operation->{user} // 'G';

	$name = $state->{keys}{$key} // 'G' if $key;
	my $user = $state->{users}{$name};
	if ($key ? !defined $state->{keys}{$key} : !$user || !exists $user->{sessions}{ $operation->{session} })
	{
		my @refusals = ($key ? _unregistered($state, $key) : 'AA006');

		push @refusals, 'AA008' if $overlaps && $user && !$user->{guest};
		push @refusals, 'AA007' if $overlaps && $user && $user->{disabled};
		return (undef, @refusals);
	}
	return (undef, 'AA007') if $user->{disabled};
	return $name;
}

sub _promote
{
	my ($state, $session, $overlaps, $operation) = @_;
	my ($name, @refusals) = _prove($state, $overlaps, $operation);
	my $login = $operation->{login};
	my $owner = $state->{logins}{$login};
	my @also;

	return map { [ $state, $_ ] } @refusals if !defined $name;
	if (defined $owner && $login eq 'eve')
	{
		return _failed($state, $owner) if _refuses_password($state->{users}{$owner});
		_event($state, 'user.authenticated', $owner);
		_merge($state, $name, $owner);
		return [ $state, _begin_session($state, $owner, $session) ];
	}
	return [ $state, 'AA009' ] if defined $owner;
	# The guest was to be merged into an account that was deleted while the
	# merge waited.
	push @also, _failed(_copy($state), 'R') if $login eq 'eve' && $overlaps;
	my $user = $state->{users}{$name};

	$user->{guest} = 0;
	$user->{sessions} = {};
	_end_keys($state, $name, $name);
	$state->{logins}{$login} = $name;
	_event($state, 'user.anonymous.promoted', $name);
	return ([ $state, _begin_session($state, $name, $session) ], @also);
}

# R claims G. A repeat finds nothing to do.
sub _claim
{
	my ($state, $session, $overlaps, $operation) = @_;
	my $key = $operation->{key};
	my $account = $state->{users}{R};

	return [ $state, 'AA014' ] if !$account || !exists $account->{sessions}{x};
	return [ $state, 'nothing' ]
	  if $key ? !defined $state->{keys}{$key} && ($state->{removed}{$key} // '') eq 'R' : ($state->{merged}{G} // '') eq 'R';
	my ($name, @refusals) = _prove($state, $overlaps, $operation);

	return map { [ $state, $_ ] } @refusals if !defined $name;
	_merge($state, $name, 'R');
	return [ $state, 'moved' ];
}

sub _revoke
{
	my ($state, $session, $overlaps, $operation) = @_;
	my ($name, $ended) = @$operation{qw(user session)};
	my $user = $state->{users}{$name};

	_event($state, 'user.signed_out', $name) if $user && defined delete $user->{sessions}{$ended};
	return [ $state, 'done' ];
}

# An administrator's command for a user that does not exist.
sub _unknown_user
{
	my ($state) = @_;

	return [ $state, '42704' ];
}

sub _revoke_all
{
	my ($state, $session, $overlaps, $operation) = @_;
	my $user = $state->{users}{ $operation->{user} } or return _unknown_user($state);

	_event($state, 'user.signed_out', $operation->{user}) if %{ $user->{sessions} };
	$user->{sessions} = {};
	return [ $state, 'done' ];
}

# An administrator replaces the password that other operations use. A guest has
# none.
sub _set_password
{
	my ($state, $session, $overlaps, $operation) = @_;
	my $user = $state->{users}{ $operation->{user} } or return _unknown_user($state);

	return [ $state, 'AA024' ] if $user->{guest};
	_event($state, 'password.set', $operation->{user});
	$user->{sessions} = {};
	$user->{other_password} = 1;
	delete $user->{passwordless};
	return [ $state, 'done' ];
}

sub _disable
{
	my ($state, $session, $overlaps, $operation) = @_;
	my $user = $state->{users}{ $operation->{user} } or return _unknown_user($state);

	_event($state, 'user.disabled', $operation->{user}) if !$user->{disabled};
	$user->{disabled} = 1;
	$user->{sessions} = {};
	return [ $state, 'done' ];
}

sub _delete
{
	my ($state, $session, $overlaps, $operation) = @_;

	return _unknown_user($state) if !$state->{users}{ $operation->{user} };
	_remove($state, $operation->{user});
	_event($state, 'user.deleted', $operation->{user});
	return [ $state, 'done' ];
}

sub _purge
{
	my ($state, $session, $overlaps) = @_;
	my $user = $state->{users}{G};
	my @skipped;

	return [ $state, 'purged 0' ] if !$user || !$user->{guest} || !$user->{idle};
	# purge() skips a guest that another transaction has locked.
	push @skipped, [ _copy($state), 'purged 0' ] if $overlaps;
	_remove($state, 'G');
	_event($state, 'user.deleted', 'G');
	return ([ $state, 'purged 1' ], @skipped);
}

# Whether a code is neither used up nor marked as such by a transaction that rolled back.
sub _is_live
{
	my ($state, $code) = @_;

	return $state->{codes}{$code} && !$state->{spent}{$code};
}

# A login with the code for an address that is perhaps nobody's, or only claimed.
sub _log_in_with_code
{
	my ($state, $session, $overlaps, $operation) = @_;
	my ($login, $code) = @$operation{qw(login code)};
	my $name = $state->{logins}{$login};
	my $first = $owner_of{$login};

	if (!_is_live($state, $code))
	{
		# Another operation took the address, or made its account, after this one had looked.
		my @also = map { _failed(_copy($state), $_) } grep { $_ ne ($name // 'nobody') } 'nobody', $first // ();

		return (_failed($state, $name // 'nobody'), @also);
	}
	if (!defined $name)
	{
		# The user was deleted while the login waited.
		my @also = $overlaps && $first && !$state->{users}{$first} ? _failed(_copy($state), $first) : ();

		return ([ $state, 'AA030' ], @also);
	}
	my $user = $state->{users}{$name};
	# The address got another owner while the login waited.
	my @also = $overlaps && $first && $name ne $first ? [ _copy($state), 'AA030' ] : ();

	return _failed($state, $name) if $user->{disabled};
	delete $state->{codes}{$code};
	if (!$state->{verified}{$login})
	{
		_event($state, 'user.reclaimed', $name);
		$state->{verified}{$login} = 1;
		$user->{passwordless} = 1;
		$user->{sessions} = {};
	}
	_event($state, 'user.authenticated', $name);
	return ([ $state, _begin_session($state, $name, $session) ], @also);
}

# Gives an account its proven address or identity, and takes the address from the account
# that has claimed it.
sub _give_proven
{
	my ($state, $name, $operation) = @_;
	my $login = $operation->{login};

	if ($operation->{id_token})
	{
		$state->{identities}{ substr $operation->{id_token}, 0, 1 } = $name;
		$state->{tokens}{ $operation->{id_token} } = 1;
		$state->{users}{$name}{passwordless} = 1;
	}
	return if !defined $login;
	_event($state, 'login_id.taken', $state->{logins}{$login}) if $state->{logins}{$login};
	$state->{logins}{$login} = $name;
	return if !$operation->{code};
	delete $state->{codes}{ $operation->{code} };
	$state->{verified}{$login} = 1;
	$state->{users}{$name}{passwordless} = 1;
	return;
}

# Whether a proof of an address or identity fails.
sub _fails_proof
{
	my ($state, $operation) = @_;

	return 1 if $operation->{code} && !_is_live($state, $operation->{code});
	return $operation->{id_token} && $state->{tokens}{ $operation->{id_token} };
}

# sign_up() with a code, a password or an ID token. An account that the caller has proven
# to be its own is to be logged in to.
sub _sign_up_account
{
	my ($state, $session, $overlaps, $operation) = @_;
	my $name = $operation->{makes};
	my $owner = $operation->{id_token} ? $state->{identities}{ substr $operation->{id_token}, 0, 1 } : $state->{logins}{ $operation->{login} };

	if (_fails_proof($state, $operation))
	{
		# The ID token was used while the sign-up waited.
		my @also = $overlaps && $operation->{id_token} ? [ _copy($state), 'AA030' ] : ();

		return (_failed($state, 'nobody'), @also);
	}
	return [ $state, $operation->{code} || $operation->{id_token} ? 'AA030' : 'AA009' ] if defined $owner;
	$state->{users}{$name} = { sessions => {} };
	_give_proven($state, $name, $operation);
	_event($state, 'user.created', $name);
	return [ $state, _begin_session($state, $name, $session) ];
}

# A promotion with a code or an ID token, perhaps of an account that the guest is merged into.
sub _promote_with_proof
{
	my ($state, $session, $overlaps, $operation) = @_;
	my ($name, @refusals) = _prove($state, $overlaps, $operation);
	my $login = $operation->{login};
	my $identity = $operation->{id_token} && substr $operation->{id_token}, 0, 1;
	my $owner = $identity ? $state->{identities}{$identity} : $state->{logins}{$login};
	my @also;

	# The proof was used, or the account was removed, while the promotion waited.
	push @also, _failed(_copy($state), 'S') if $overlaps && $operation->{name} =~ /_merge$/ && (!defined $owner || _fails_proof($state, $operation));
	push @also, [ _copy($state), 'AA009' ] if $overlaps && $identity && defined $owner && _fails_proof($state, $operation);
	if (!defined $name)
	{
		# A used code or ID token may be noticed before the proof of the guest is used.
		push @also, _failed(_copy($state), $operation->{user}) if _fails_proof($state, $operation);
		return ((map { [ $state, $_ ] } @refusals), @also);
	}
	return (_failed($state, $name), @also) if _fails_proof($state, $operation);
	if (defined $owner && $operation->{name} =~ /_merge$/)
	{
		return _failed($state, $owner) if $state->{users}{$owner}{disabled};
		$identity ? ($state->{tokens}{ $operation->{id_token} } = 1) : delete $state->{codes}{ $operation->{code} };
		_event($state, 'user.authenticated', $owner);
		_merge($state, $name, $owner);
		return [ $state, _begin_session($state, $owner, $session) ];
	}
	return [ $state, 'AA009' ] if defined $owner && ($identity || $state->{verified}{$login});
	my $user = $state->{users}{$name};

	$user->{guest} = 0;
	$user->{sessions} = {};
	_end_keys($state, $name, $name);
	_give_proven($state, $name, $operation);
	_event($state, 'user.anonymous.promoted', $name);
	return ([ $state, _begin_session($state, $name, $session) ], @also);
}

sub _log_in_with_identity
{
	my ($state, $session, $overlaps, $operation) = @_;
	my $token = $operation->{id_token};
	my $name = $state->{identities}{ substr $token, 0, 1 };

	if (!defined $name)
	{
		# The identity or the user was removed while the login waited.
		my @also = $overlaps ? _failed(_copy($state), 'S') : ();

		return ($state->{tokens}{$token} ? _failed($state, 'nobody') : [ $state, 'AA030' ], @also);
	}
	return _failed($state, $name) if $state->{tokens}{$token} || $state->{users}{$name}{disabled};
	$state->{tokens}{$token} = 1;
	_event($state, 'user.authenticated', $name);
	return [ $state, _begin_session($state, $name, $session) ];
}

# Whether the caller's session has ended.
sub _is_signed_out
{
	my ($state, $operation) = @_;
	my $user = $state->{users}{ $operation->{user} };

	return !$user || !exists $user->{sessions}{ $operation->{session} };
}

sub _add_identity
{
	my ($state, $session, $overlaps, $operation) = @_;
	my ($name, $token) = @$operation{qw(user id_token)};
	my $identity = substr $token, 0, 1;
	my $owner = $state->{identities}{$identity} // '';

	return [ $state, 'AA014' ] if _is_signed_out($state, $operation);
	return [ $state, 't' ] if $owner eq $name;
	# The token was used while the call waited.
	return ([ $state, 'f' ], $overlaps && $owner ne '' ? [ _copy($state), 'AA030' ] : ()) if $state->{tokens}{$token};
	return [ $state, 'AA030' ] if $owner ne '';
	$state->{identities}{$identity} = $name;
	$state->{tokens}{$token} = 1;
	_event($state, 'identity.added', $name);
	return [ $state, 't' ];
}

sub _remove_identity
{
	my ($state, $session, $overlaps, $operation) = @_;
	my $name = $operation->{user};
	my @removed = grep { $state->{identities}{$_} eq $name } keys %{ $state->{identities} };

	return [ $state, 'AA014' ] if _is_signed_out($state, $operation);
	return [ $state, 'f' ] if !@removed;
	return [ $state, 'AA023' ] if !_opens_without($state, $name, @removed);
	delete @{ $state->{identities} }{@removed};
	_event($state, 'identity.removed', $name);

	# Somebody may have logged in with the identity.
	_end_other_sessions($state, $operation);
	return [ $state, 't' ];
}

# Only the caller's session stays. Returns how many have ended.
sub _end_other_sessions
{
	my ($state, $operation) = @_;
	my $sessions = $state->{users}{ $operation->{user} }{sessions};
	my @others = grep { $_ ne $operation->{session} } keys %$sessions;

	delete @{$sessions}{@others};
	_event($state, 'user.signed_out', $operation->{user}) if @others;
	return scalar @others;
}

# Whether the account can be opened without these login IDs and identities.
sub _opens_without
{
	my ($state, $name, @without) = @_;
	my %without = map { $_ => 1 } @without;
	my @logins = grep { $state->{logins}{$_} eq $name && !$without{$_} } keys %{ $state->{logins} };

	return 1 if grep { $state->{identities}{$_} eq $name && !$without{$_} } keys %{ $state->{identities} };
	return 1 if grep { $state->{$_->[0]}{$_->[1]} eq $name && !$without{$_->[1]} } map { my $kind = $_; map { [ $kind, $_ ] } keys %{ $state->{$kind} } } qw(keys passkeys);
	return 1 if grep { $state->{verified}{$_} } @logins;
	return @logins && !$state->{users}{$name}{passwordless};
}

# Device keys have capital letters, passkeys small ones. Each call has its own request or
# response.
sub _is_device_key { return $_[0] =~ /[A-Z]/; }

# A key that the account has is added again; a passkey is not.
sub _add_credential
{
	my ($state, $session, $overlaps, $operation) = @_;
	my ($name, $credential) = @$operation{qw(user credential)};
	my ($kind, $event) = _is_device_key($credential) ? qw(keys device_key.added) : qw(passkeys passkey.added);

	return [ $state, 'AA014' ] if _is_signed_out($state, $operation);
	return [ $state, $kind eq 'keys' ? 'done' : 'AA029' ] if exists $state->{$kind}{$credential};
	$state->{$kind}{$credential} = $name;
	_event($state, $event, $name);
	return [ $state, 'done' ];
}

# A device key has one session.
sub _log_in_with_credential
{
	my ($state, $session, $overlaps, $operation) = @_;
	my $credential = $operation->{credential};
	my $is_key = _is_device_key($credential);
	my $name = $state->{ $is_key ? 'keys' : 'passkeys' }{$credential};

	return [ $state, $is_key ? _unregistered($state, $credential) : 'AA029' ] if !defined $name;
	return _failed($state, $name) if $state->{users}{$name}{disabled};
	_event($state, 'user.authenticated', $name);
	_end_sessions_of_key($state, $name, $credential) if $is_key;
	$state->{key_of}{$session} = $credential if $is_key;
	return [ $state, _begin_session($state, $name, $session) ];
}

sub _end_sessions_of_key
{
	my ($state, $name, $key) = @_;

	delete $state->{users}{$name}{sessions}{$_} for grep { $state->{key_of}{$_} eq $key } keys %{ $state->{key_of} };
	return;
}

# Sessions record the device key that they began with, but not the passkey.
sub _remove_credential
{
	my ($state, $session, $overlaps, $operation) = @_;
	my ($name, $credential) = @$operation{qw(user credential)};
	my ($kind, $event) = _is_device_key($credential) ? qw(keys device_key.removed) : qw(passkeys passkey.removed);

	return [ $state, 'AA014' ] if _is_signed_out($state, $operation);
	return [ $state, 'f' ] if !exists $state->{$kind}{$credential};
	return [ $state, 'AA023' ] if !_opens_without($state, $name, $credential);
	delete $state->{$kind}{$credential};
	_event($state, $event, $name);
	if ($kind eq 'keys')
	{
		$state->{removed}{$credential} = $name;
		_end_sessions_of_key($state, $name, $credential);
	}
	else { _end_other_sessions($state, $operation); }
	return [ $state, 't' ];
}

# The old password is that of the operations.
sub _change_password
{
	my ($state, $session, $overlaps, $operation) = @_;
	my $user = $state->{users}{ $operation->{user} };

	return [ $state, 'AA014' ] if _is_signed_out($state, $operation);
	if ($user->{other_password})
	{
		_event($state, 'authentication.failed', $operation->{user});
		return [ $state, 'f' ];
	}
	$user->{other_password} = 1;
	_event($state, 'password.changed', $operation->{user});
	_end_other_sessions($state, $operation);
	return [ $state, 't' ];
}

# With a code, the address is taken from an account that only claims it.
sub _add_login_id
{
	my ($state, $session, $overlaps, $operation) = @_;
	my ($name, $login, $code) = @$operation{qw(user login code)};
	my $owner = $state->{logins}{$login};

	return [ $state, 'AA014' ] if _is_signed_out($state, $operation);
	# A repeated call: the code is not looked at.
	return [ $state, 't' ] if ($owner // '') eq $name && $state->{verified}{$login};
	if (_fails_proof($state, $operation))
	{
		_event($state, 'authentication.failed', $name);
		return [ $state, 'f' ];
	}
	return [ $state, 't' ] if ($owner // '') eq $name && !$code;
	return [ $state, 'AA009' ] if defined $owner && (!$code || $state->{verified}{$login});
	_event($state, 'login_id.taken', $owner) if defined $owner;
	$state->{logins}{$login} = $name;
	_event($state, 'login_id.added', $name);
	if ($code)
	{
		delete $state->{codes}{$code};
		$state->{verified}{$login} = 1;
	}
	return [ $state, 't' ];
}

# Removes a verified address.
sub _remove_login_id
{
	my ($state, $session, $overlaps, $operation) = @_;
	my ($name, $login) = @$operation{qw(user login)};

	return [ $state, 'AA014' ] if _is_signed_out($state, $operation);
	return [ $state, 'f' ] if ($state->{logins}{$login} // '') ne $name;
	return [ $state, 'AA023' ] if !_opens_without($state, $name, $login);
	delete $state->{$_}{$login} for qw(logins verified);
	_event($state, 'login_id.removed', $name);
	_end_other_sessions($state, $operation);
	return [ $state, 't' ];
}

sub _end_own_session
{
	my ($state, $session, $overlaps, $operation) = @_;

	return [ $state, 'AA014' ] if _is_signed_out($state, $operation);
	delete $state->{users}{ $operation->{user} }{sessions}{ $operation->{session} };
	_event($state, 'user.signed_out', $operation->{user});
	return [ $state, 't' ];
}

sub _end_others
{
	my ($state, $session, $overlaps, $operation) = @_;

	return [ $state, 'AA014' ] if _is_signed_out($state, $operation);
	return [ $state, _end_other_sessions($state, $operation) ];
}

sub _update_profile
{
	my ($state, $session, $overlaps, $operation) = @_;
	my $user = $state->{users}{ $operation->{user} };

	return [ $state, 'AA014' ] if _is_signed_out($state, $operation);
	_event($state, 'profile.updated', $operation->{user}) if !$user->{named};
	$user->{named} = 1;
	return [ $state, 'done' ];
}

# Every copy is an event.
sub _export
{
	my ($state, $session, $overlaps, $operation) = @_;

	return [ $state, 'AA014' ] if _is_signed_out($state, $operation);
	_event($state, 'account.exported', $operation->{user});
	return [ $state, 'done' ];
}

# Tokens get roles at the next login.
sub _set_roles
{
	my ($state, $session, $overlaps, $operation) = @_;
	my $user = $state->{users}{ $operation->{user} } or return _unknown_user($state);

	_event($state, 'user.roles_set', $operation->{user}) if !$user->{editor};
	$user->{editor} = 1;
	return [ $state, 'done' ];
}

# A repeated call changes nothing.
sub _schedule_deletion
{
	my ($state, $session, $overlaps, $operation) = @_;
	my $user = $state->{users}{ $operation->{user} };

	return [ $state, 'AA014' ] if _is_signed_out($state, $operation);
	return [ $state, 'done' ] if $user->{leaving};
	$user->{leaving} = 1;
	_event($state, 'user.deletion_scheduled', $operation->{user});
	_end_other_sessions($state, $operation);
	return [ $state, 'done' ];
}

sub _cancel_deletion
{
	my ($state, $session, $overlaps, $operation) = @_;
	my $user = $state->{users}{ $operation->{user} };

	return [ $state, 'AA014' ] if _is_signed_out($state, $operation);
	return [ $state, 'f' ] if !$user->{leaving};
	$user->{leaving} = $user->{due} = 0;
	_event($state, 'user.deletion_unscheduled', $operation->{user});
	return [ $state, 't' ];
}

# purge() deletes the account whose time has come, unless another transaction holds it.
sub _purge_due
{
	my ($state, $session, $overlaps) = @_;
	my $user = $state->{users}{S};

	return [ $state, 'purged 0' ] if !$user || !$user->{due};
	my @skipped = $overlaps ? [ _copy($state), 'purged 0' ] : ();

	_remove($state, 'S');
	_event($state, 'user.deleted', 'S');
	return ([ $state, 'purged 1' ], @skipped);
}

# A guest deletes itself at once.
sub _delete_self
{
	my ($state, $session, $overlaps, $operation) = @_;
	my $name = $operation->{user};
	my $user = $state->{users}{$name};
	my @also;

	if (_is_signed_out($state, $operation))
	{
		# revoke() holds only the session, and was in progress.
		return [ $state, 'AA014' ] if !$overlaps || !$user || !$user->{guest} || $user->{disabled} || %{ $user->{sessions} };
		push @also, [ _copy($state), 'AA014' ];
	}
	_remove($state, $name);
	_event($state, 'user.deleted', $name);
	return (@also, [ $state, 'done' ]);
}

sub _import
{
	my ($state, $session, undef, $operation) = @_;
	my ($name, $login) = @$operation{qw(user login)};

	# An import of a user who exists says so, even if the login ID is taken as well.
	return ([ $state, '23505' ]) if $state->{users}{$name};
	return ([ $state, 'AA009' ]) if defined $state->{logins}{$login};
	$state->{users}{$name} = { sessions => {} };
	$state->{logins}{$login} = $name;
	_event($state, 'user.imported', $name);
	return [ $state, 'done' ];
}

# An administrator makes an account.
sub _create_user
{
	my ($state, $session, undef, $operation) = @_;
	my $login = $operation->{login};

	return [ $state, 'AA009' ] if defined $state->{logins}{$login};
	$state->{users}{C} = { sessions => {} };
	$state->{logins}{$login} = 'C';
	_event($state, 'user.created', 'C');
	return [ $state, 'done' ];
}

sub _alter { my ($state) = @_; return [ $state, 'nothing' ]; }

# Adding a foreign key fails for a guest that is deleted.
sub _refer
{
	my ($state) = @_;

	return [ $state, $state->{users}{G} ? 'nothing' : '23503' ];
}

sub _rotate_key
{
	my ($state, $session) = @_;

	$state->{signer} = $session;
	return [ $state, 'done' ];
}

1;
