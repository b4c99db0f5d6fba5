# Passkeys on the settings pages: the list, a page that adds one and a page that removes one,
# and the attacks that they must refuse. t/AnonAuth/Authenticator.pm plays browser and
# authenticator.

use strict;
use warnings;
use utf8;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Authenticator;
use AnonAuth::Device qw(sql_literal);
use AnonAuth::Pages qw(data_of fields shows with_passkey);
use JSON::PP ();
use PostgreSQL::Test::Utils;
use Test::More;

my $site = AnonAuth::Pages->new;
my $origin = 'https://auth.example';
my $json = JSON::PP->new->utf8->canonical;
my $agent = 'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36';

sub query { return $site->query($_[0]); }

sub authenticator { return AnonAuth::Authenticator->new(origin => $origin, @_); }

sub passkeys_of { return query("SELECT count(*) FROM anon_auth.passkeys WHERE user_id = '$_[0]'"); }
sub names_of { return query("SELECT string_agg(coalesce(name, '-'), ',' ORDER BY created_at) FROM anon_auth.passkeys WHERE user_id = '$_[0]'"); }
sub grow_old { query("UPDATE anon_auth.sessions SET authenticated_at = now() - interval '1 hour' WHERE user_id = '$_[0]'"); }

# Add a passkey on the page, and return its authenticator.
sub add_passkey
{
	my ($browser, %more) = @_;
	my $page = $browser->get('/settings/passkeys/add');
	my $authenticator = authenticator();
	my $answer = $browser->post_form('/settings/passkeys/add', with_passkey($page, $authenticator->create(data_of($page, 'options')), %more));

	is($answer->{location}, "$origin/settings/passkeys?x_done=passkey_added", 'a passkey is added') or diag($answer->{body});
	return $authenticator;
}

my $ada = $site->account('ada@example.com');
my $eve = $site->account('eve@example.com');
my $browser = $site->logged_in('ada@example.com', undef, 'user-agent' => $agent);
my $attacker = $site->logged_in('eve@example.com');

# ---------------------------------------------------------------------------
# Adding
# ---------------------------------------------------------------------------

shows($browser->get('/settings'), 200, qr{Passkeys.*None.*href="\Q$origin\E/settings/passkeys"}s, 'the overview has the number of passkeys');
shows($browser->get('/settings/passkeys'), 200, qr/Your passkeys/, qr/You have no passkeys yet/, qr{href="\Q$origin\E/settings/passkeys/add"}, 'the list without passkeys');

my $page = $browser->get('/settings/passkeys/add');
my $options = data_of($page, 'options');
my $first = authenticator();

shows($page, 200, qr/Add a passkey/, qr/value="Chrome, Windows"/, qr/maxlength="100"/, qr/passkey-unavailable/, 'the page that adds one');
is($options->{user}{name}, 'ada@example.com', 'the options name the user');
is($options->{rp}{id}, 'auth.example', 'and the domain');
is_deeply($page->{headers}{'cache-control'}, ['no-store'], 'no cache keeps them');
unlike($page->{body}, qr/<form[^>]*>(?:(?!<\/form>).)*<button(?![^>]*value="passkey")[^>]*type="submit"/s, 'no button sends the form without a passkey');

my %form = with_passkey($page, $first->create($options), passkey_name => 'My <phone>');
my $answer = $browser->post_form('/settings/passkeys/add', %form);

is($answer->{location}, "$origin/settings/passkeys?x_done=passkey_added", 'the form adds the passkey');
is(names_of($ada), 'My <phone>', 'with its name');
is(query("SELECT count(*) FROM anon_auth.events WHERE user_id = '$ada' AND type = 'passkey.added'"), 1, 'and an event');
is(query("SELECT count(*) FROM anon_auth.take_outbox_messages() WHERE recipient = 'ada\@example.com'"), 1, 'and a message to the user');
$page = $browser->get('/settings/passkeys?x_done=passkey_added');
shows($page, 200, qr/has been added/, qr{<bdi>My &lt;phone&gt;</bdi>}, qr/Only on one device/, 'the list has it');
shows($browser->get('/settings'), 200, qr/1 passkey/, 'the overview counts it');
is(data_of($page, 'accepted'), undef, 'after an addition, the page says nothing to authenticators');

# The form is sent twice, because the first response was lost.
$answer = $browser->post_form('/settings/passkeys/add', %form);
is($answer->{location}, "$origin/settings/passkeys?x_done=passkey_added", 'the same form again: it is done');
is(passkeys_of($ada), 1, 'nothing is added twice');
like($json->encode(data_of($browser->get('/settings/passkeys/add'), 'options')->{excludeCredentials}), qr/\Q@{[ $first->id ]}\E/, 'new options exclude the passkey');

# A name cannot imitate the page, and is no reason to lose the passkey.
add_passkey($browser, passkey_name => "A\x{202E}da\n" . 'x' x 200);
like(names_of($ada), qr/^My <phone>,A da x{90,}/, 'a name is cut, and loses what cannot be shown');
query("DELETE FROM anon_auth.passkeys WHERE user_id = '$ada' AND name LIKE 'A%'; UPDATE anon_auth.users SET passkey_routes = passkey_routes[1:1] WHERE id = '$ada'");
add_passkey($browser, passkey_name => ' ');
is(names_of($ada), 'My <phone>,-', 'a name may be empty');

# Refusals, after each of which the page has new options and the name
{
	my %attempts = (
		'the challenge of another user' => [ sub { authenticator()->create(data_of($attacker->get('/settings/passkeys/add'), 'options')) }, qr/This took too long/ ],
		'a challenge to log in' => [ sub { authenticator()->create({ %$options, challenge => $json->decode(query(q{SELECT anon_auth.passkey_request_options('web')}))->{challenge} }) }, qr/This took too long/ ],
		'a challenge to sign up' => [ sub { authenticator()->create({ %$options, challenge => $json->decode(query('SELECT anon_auth.passkey_creation_options()'))->{challenge} }) }, qr/This took too long/ ],
		'a used challenge' => [ sub { authenticator()->create($options) }, qr/This took too long/ ],
		'another origin' => [ sub { authenticator(origin => 'https://evil.example')->create(data_of($_[0], 'options')) }, qr/did not work/ ],
		'a frame of another site' => [ sub { authenticator()->create(data_of($_[0], 'options'), client_data => { crossOrigin => JSON::PP::true }) }, qr/did not work/ ],
		'another domain' => [ sub { authenticator()->create(data_of($_[0], 'options'), rp_id => 'evil.example') }, qr/did not work/ ],
		"another user's passkey" => [ sub { authenticator(id => $first->{id})->create(data_of($_[0], 'options')) }, qr/already in use/ ],
		'a login with a passkey' => [ sub { $first->get($json->decode(query(q{SELECT anon_auth.passkey_request_options('web')}))) }, qr/did not work/ ],
		'no response' => [ sub { undef }, qr/did not work/ ],
		'a response that is no JSON object' => [ sub { [] }, qr/did not work/ ]);
	my $count = passkeys_of($ada);
	my $mine = passkeys_of($eve);

	for my $name (sort keys %attempts)
	{
		my ($make, $message) = @{ $attempts{$name} };
		my $who = $name eq "another user's passkey" ? $attacker : $browser;
		my $form = $who->get('/settings/passkeys/add');
		my $response = $make->($form);
		my %sent = with_passkey($form, $response // {}, passkey_name => 'Kept');
		my $shown;

		delete $sent{passkey_response} if !defined $response;
		$shown = $who->post_form('/settings/passkeys/add', %sent);

		shows($shown, 422, $message, qr/value="Kept"/, "$name: the page says so, and keeps the name");
		isnt(data_of($shown, 'options')->{challenge}, data_of($form, 'options')->{challenge}, "$name: the page has a new challenge");
	}
	is(passkeys_of($ada), $count, 'none of these adds a passkey');
	is(passkeys_of($eve), $mine, 'to anybody');
}

# Forms of other sites and of other users
{
	my $form = $browser->get('/settings/passkeys/add');
	my %fields = with_passkey($form, authenticator()->create(data_of($form, 'options')));
	my $count = passkeys_of($ada);

	is($browser->post_form('/settings/passkeys/add', %fields, 'Sec-Fetch-Site:' => 'cross-site')->{status}, 403, 'a form of another site is refused');
	shows($attacker->post_form('/settings/passkeys/add', %fields), 409, qr/another account/, 'the form of another user does nothing');
	is(passkeys_of($eve), 0, 'the other user gets no passkey');
	is(passkeys_of($ada), $count, 'nor does its owner');
}

# An old login, and too many passkeys
{
	my $form = $browser->get('/settings/passkeys/add');
	my %fields = with_passkey($form, authenticator()->create(data_of($form, 'options')));
	my $count = passkeys_of($ada);

	grow_old($ada);
	like($browser->get('/settings/passkeys/add')->{location}, qr{/flows/reauthenticate|/reauthenticate}, 'the page asks for a recent login first');
	like($browser->post_form('/settings/passkeys/add', %fields)->{location}, qr{reauthenticate}, 'the form does, too');
	is(passkeys_of($ada), $count, 'and adds nothing');
	shows($browser->get('/settings/passkeys'), 200, qr/My &lt;phone&gt;/, 'the list needs no recent login');
	$browser = $site->logged_in('ada@example.com', undef, 'user-agent' => $agent);
}
{
	my $grace = $site->account('grace@example.com');
	my $many = $site->logged_in('grace@example.com');
	my $form = $many->get('/settings/passkeys/add');

	add_passkey($many) for 1 .. 20;
	unlike($many->get('/settings/passkeys')->{body}, qr{/passkeys/add"}, 'a user with 20 passkeys gets no link to add one');
	shows($many->get('/settings/passkeys'), 200, qr/cannot add more/, 'the page says why');
	is($many->get('/settings/passkeys/add')->{location}, "$origin/settings", 'nor is there a page');
	shows($many->post_form('/settings/passkeys/add', with_passkey($form, authenticator()->create(data_of($form, 'options')))), 422, qr/cannot add more/, 'an old form is refused');
	is(passkeys_of($grace), 20, 'there are 20');
}

# ---------------------------------------------------------------------------
# Removing
# ---------------------------------------------------------------------------

sub link_to { my ($list, $id) = @_; my ($link) = $list->{body} =~ m{href="([^"]*/passkeys/remove\?q_id=\Q$id\E[^"]*)"}; return $link; }

{
	my $other = $site->logged_in('ada@example.com');
	my $link = link_to($browser->get('/settings/passkeys'), $first->id);
	my $removal = $browser->get($link);

	ok(defined $link, 'each passkey has a link') or BAIL_OUT('no link');
	shows($removal, 200, qr/Remove this passkey\?/, qr{<bdi>My &lt;phone&gt;</bdi>}, qr/other devices will be logged out/, 'the page asks first');
	is(passkeys_of($ada), 2, 'and removes nothing');
	is($attacker->get($link)->{location}, "$origin/settings", "another user does not see it");
	is($attacker->post_form($link)->{location}, "$origin/settings", 'nor removes it');
	is(passkeys_of($ada), 2, 'it is still there');
	grow_old($ada);
	like($browser->get($link)->{location}, qr/reauthenticate/, 'an old login must be renewed first');
	like($browser->post_form($link, fields($removal))->{location}, qr/reauthenticate/, 'also to send the form');
	is(passkeys_of($ada), 2, 'nothing is removed without');
	$browser = $site->logged_in('ada@example.com');
	is($browser->post_form($link, fields($browser->get($link)))->{location}, "$origin/settings/passkeys?x_done=passkey_removed", 'the form');
	is(names_of($ada), '-', 'removes the passkey');
	shows($other->get('/settings'), 403, qr/not logged in/, 'and ends the other sessions');
	is($browser->post_form($link)->{location}, "$origin/settings", 'the form again leads to the overview');

	my $list = $browser->get('/settings/passkeys?x_done=passkey_removed');
	my $accepted = data_of($list, 'accepted');

	shows($list, 200, qr/has been removed/, 'the list says so');
	is($accepted->{rpId}, 'auth.example', 'the script can tell the authenticators: the domain');
	is($accepted->{userId}, $options->{user}{id}, 'the user');
	is(scalar @{ $accepted->{allAcceptedCredentialIds} }, 1, 'and the passkeys that are left');
	is(data_of($browser->get('/settings/passkeys?x_done=passkey_removed', 'Sec-Fetch-Site:' => 'cross-site'), 'accepted'), undef, 'not if another site leads here');
}

# The last way in
{
	query("DELETE FROM anon_auth.passwords WHERE user_id = '$ada'; UPDATE anon_auth.users SET has_password = false WHERE id = '$ada';
		UPDATE anon_auth.login_ids SET verified_at = NULL WHERE user_id = '$ada'");
	my ($id) = query("SELECT translate(encode(credential_id, 'base64'), '+/=', '-_') FROM anon_auth.passkeys WHERE user_id = '$ada'");
	my $list = $browser->get('/settings/passkeys');

	shows($list, 200, qr/You log in only with this/, 'the last credential has a note');
	is(link_to($list, $id), undef, 'and no link to remove it');
	shows($browser->post_form("/settings/passkeys/remove?q_id=$id", fields($browser->get("/settings/passkeys/remove?q_id=$id"))), 422, qr/you could no longer log in/, 'an old link is refused in words');
	is(passkeys_of($ada), 1, 'it is still there');
}

# ---------------------------------------------------------------------------
# Guests, and sites without passkeys
# ---------------------------------------------------------------------------

{
	my $guest = $site->guest;
	my $authenticator;

	shows($guest->get('/settings/passkeys'), 200, qr/come back as this guest/, 'a guest sees what a passkey is for');
	$authenticator = add_passkey($guest);
	like(link_to($guest->get('/settings/passkeys'), $authenticator->id), qr/remove/, 'a guest may remove the only one');
	is(query(q{SELECT count(*) FROM anon_auth.authenticate_with_passkey('web', } . sql_literal($json->encode($authenticator->get($json->decode(query(q{SELECT anon_auth.passkey_request_options('web')}))))) . ')'), 1, 'the passkey logs the guest in');
	my $link = link_to($guest->get('/settings/passkeys'), $authenticator->id);
	is($guest->post_form($link, fields($guest->get($link)))->{location}, "$origin/settings/passkeys?x_done=passkey_removed", 'and does so');
}
{
	my $user = $site->logged_in('eve@example.com');

	for my $settings ({ page_passkeys => 'false' }, { passkey_origins => '{https://app.example}' })
	{
		$site->settings(%$settings);
		unlike($user->get('/settings')->{body}, qr{/settings/passkeys}, "@{[ %$settings ]}: the overview has no passkeys");
		is($user->get('/settings/passkeys/add')->{location}, "$origin/settings", 'there is no page that adds one');
		$site->settings(page_passkeys => 'true');
		query('UPDATE anon_auth.settings SET passkey_origins = NULL');
	}
}
for my $case ([ de => qr/Ihre Passkeys/, qr/Passkey erstellen/ ], [ 'zh-Hant' => qr/您的通行密鑰/, qr/建立通行密鑰/ ])
{
	my ($locale, $list, $add) = @$case;
	my $user = $site->logged_in('eve@example.com');

	shows($user->get('/settings/passkeys', ui_locales => $locale), 200, $list, "the list in $locale");
	shows($user->get('/settings/passkeys/add', ui_locales => $locale), 200, $add, "the form in $locale");
}

done_testing();
