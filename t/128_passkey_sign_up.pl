# Passkeys in place of a password on the pages of sign-up and promotion: the forms, what they
# make, and the responses that they must refuse. t/AnonAuth/Authenticator.pm plays browser and
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

$site->settings(page_sign_up => 'true');

my %site = (client_id => 'site', redirect_uri => 'https://app.example/home', response_type => 'none', scope => 'openid');

sub query { return $site->query($_[0]); }
sub authenticator { return AnonAuth::Authenticator->new(origin => $origin, @_); }
sub user_of { return query("SELECT user_id FROM anon_auth.login_ids WHERE value = '$_[0]'"); }
sub passkeys_of { return query("SELECT count(*) FROM anon_auth.passkeys WHERE user_id = '$_[0]'"); }

# A browser on the page of a sign-up, and the address of the page
sub on_sign_up
{
	my $browser = $site->browser;

	return ($browser, $browser->get('/oauth2/authorize', %site, prompt => 'create')->{location});
}

# A browser on the page of a guest's promotion, the address of the page, and the guest. elsewhere:
# the browser is not that of the guest, which has sent a link; the guest's tokens are then known.
sub on_promotion
{
	my (%more) = @_;
	my $browser = $more{elsewhere} ? $site->browser : $site->guest;
	my %session = (session_type => 'cookie');
	my %client = %site;
	my $tokens;

	if ($more{elsewhere})
	{
		$tokens = $site->browser->post_json('/api/anonymous_user/signup', { session_type => 'refresh_token', client_id => 'web' })->{json}{result};

		%session = (session_type => 'refresh_token', refresh_token => $tokens->{refresh_token});
		%client = (client_id => 'web', redirect_uri => 'https://app.example/cb', response_type => 'code', scope => 'openid',
			code_challenge_method => 'S256', code_challenge => 'c' x 43);
	}
	my $code = $browser->post_json('/api/anonymous_user/promotion_code', \%session)->{json}{result}{promotion_code};
	my $hint = 'https://authgear.com/login_hint?' . AnonAuth::Browser::form(type => 'anonymous', promotion_code => $code);
	my $page = $browser->get('/oauth2/authorize', %client, login_hint => $hint)->{location};

	die "no page: $page" if $page !~ m{/flows/};
	return ($browser, $page, query('SELECT id FROM anon_auth.users WHERE is_anonymous ORDER BY created_at DESC LIMIT 1'), $tokens);
}

# Send a form that a page shows, with changed fields.
sub submit
{
	my ($browser, $page, $path, %fields) = @_;
	my %sent = (fields($page, 'class="button'), %fields);

	delete $sent{$_} for grep { !defined $sent{$_} } keys %sent;
	return $browser->post_form($path, %sent);
}

# From the first form to that of the passkey.
sub to_passkey
{
	my ($browser, $path, $login_id) = @_;

	return submit($browser, $browser->get($path), $path, login_id => $login_id, use => 'passkey');
}

# The passkey that a page tells the authenticator to forget
sub forgotten
{
	my ($answer) = @_;

	return $answer->{body} =~ /class="forgotten-passkey" hidden data-rp-id="([^"]*)" data-unknown-id="([^"]*)"/ ? "$1 $2" : undef;
}

# Return whether a passkey logs in, and as whom.
sub logs_in_as
{
	my ($authenticator) = @_;
	my $response = $authenticator->get($json->decode(query(q{SELECT anon_auth.passkey_request_options('web')})));

	return query(q{SELECT anon_auth.verify_jwt(access_token) ->> 'sub' FROM anon_auth.authenticate_with_passkey('web', } . sql_literal($json->encode($response)) . ')');
}

# ---------------------------------------------------------------------------
# Sign-up
# ---------------------------------------------------------------------------

{
	my ($browser, $path) = on_sign_up();
	my $first = $browser->get($path);

	shows($first, 200, qr{<div class="passkey-way" hidden><button [^>]*name="use" value="passkey"[^>]*>Use a passkey instead<}, 'the first form has the way to a passkey, hidden without a script');
	is(data_of($first, 'options'), undef, 'no passkey is made before the login ID was checked');
	shows(submit($browser, $first, $path, use => 'passkey'), 422, qr/Enter your email address/, 'the login ID is needed');
	shows(submit($browser, $first, $path, login_id => 'nonsense', use => 'passkey'), 422, qr/complete email address/, 'and must be one');
	$site->account('taken@example.com');
	shows(submit($browser, $first, $path, login_id => 'taken@example.com', use => 'passkey'), 422, qr/already an account/, 'and not that of an account');

	my $page = to_passkey($browser, $path, 'Ada@example.com');
	my $options = data_of($page, 'options');
	my $ada = authenticator();
	my %form = with_passkey($page, $ada->create($options));

	shows($page, 200, qr/Create your passkey/, qr{<b dir="ltr">Ada\@example\.com</b>}, qr/Use a password instead/, 'the last form');
	unlike($page->{body}, qr/type="password"/, 'it asks for no password');
	is($options->{user}{name}, 'Ada@example.com', 'the options name what the person has entered');
	is(user_of('ada@example.com'), '', 'nothing is made yet');

	my $answer = $browser->post_form($path, %form);

	like($answer->{location}, qr{^https://app\.example/home\b}, 'the response makes the account') or diag($answer->{body});
	my $user = user_of('ada@example.com');

	is(query("SELECT has_password FROM anon_auth.users WHERE id = '$user'"), 'f', 'without a password');
	is($browser->get('/oauth2/userinfo')->{json}{sub}, $user, 'the browser is logged in');
	is(logs_in_as($ada), $user, 'the passkey logs in');
	like(query('SET "request.cookies" TO ' . sql_literal($json->encode({ map { $_ => $browser->cookies->{$_}[0] } keys %{ $browser->cookies } })) . q{; SET "request.headers" TO '{}'; SET "request.method" TO 'GET'; BEGIN;
		SELECT anon_auth.postgrest_pre_request(); SELECT current_setting('request.jwt.claims')}), qr{"sub":"$user".*can_reauthenticate":true}, 'requests of the application have its claims');
	shows($browser->post_form($path, %form), 200, qr/Your account is ready/, 'the same form again');

	# The response was lost, with the cookies in it.
	my ($lost, $lost_path) = on_sign_up();
	$page = to_passkey($lost, $lost_path, 'grace@example.com');
	my $grace = authenticator();
	%form = with_passkey($page, $grace->create(data_of($page, 'options')));
	my %cookies = %{ $lost->cookies };
	is($lost->post_form($lost_path, %form)->{status}, 303, 'a sign-up whose response is lost');
	%{ $lost->cookies } = %cookies;
	shows($lost->post_form($lost_path, %form), 200, qr/Log in with the passkey that you have just created/, 'when the form is sent again, the page says how to go on');
	is(logs_in_as($grace), user_of('grace@example.com'), 'the passkey logs in');
	is(query(q{SELECT count(*) FROM anon_auth.users WHERE NOT is_anonymous AND id IN (SELECT user_id FROM anon_auth.passkeys)}), 2, 'no second account was made');

	# Back from the passkey to a password
	my ($other, $other_path) = on_sign_up();
	$page = submit($other, to_passkey($other, $other_path, 'joan@example.com'), $other_path, use => 'password');
	shows($page, 200, qr/value="joan\@example\.com"/, qr/name="password"/, 'the other button leads back to the password, and the login ID stays');
	is(submit($other, $page, $other_path, login_id => 'joan@example.com', password => 'correct horse')->{status}, 303, 'which makes the account');
}

# Refusals: the form is shown again with new options and what was typed.
{
	my ($browser, $path) = on_sign_up();
	my $page = to_passkey($browser, $path, 'mary@example.com');
	my $other = authenticator();
	my $mine = $json->decode(query('SELECT anon_auth.passkey_creation_options()'));
	my %attempts = (
		'another origin' => [ sub { authenticator(origin => 'https://evil.example')->create($_[0]) }, qr/did not work/ ],
		'a frame of another site' => [ sub { authenticator()->create($_[0], client_data => { crossOrigin => JSON::PP::true }) }, qr/did not work/ ],
		'another domain' => [ sub { authenticator()->create($_[0], rp_id => 'evil.example') }, qr/did not work/ ],
		'an invented challenge' => [ sub { authenticator()->create({ %{ $_[0] }, challenge => 'AAAA' }) }, qr/took too long/ ],
		'a challenge to log in' => [ sub { authenticator()->create({ %{ $_[0] }, challenge => $json->decode(query(q{SELECT anon_auth.passkey_request_options('web')}))->{challenge} }) }, qr/took too long/ ],
		'a response that cannot be read' => [ sub { [] }, qr/did not work/ ]);

	for my $name (sort keys %attempts)
	{
		my ($make, $message) = @{ $attempts{$name} };
		my $response = $make->(data_of($page, 'options'));
		my $shown = $browser->post_form($path, with_passkey($page, $response));

		shows($shown, 422, $message, qr{<b dir="ltr">mary\@example\.com</b>}, "$name: the page says so");
		isnt(data_of($shown, 'options')->{challenge}, data_of($page, 'options')->{challenge}, "$name: the challenge is new");
		like($shown->{body}, qr/data-unknown-id="\Q$response->{id}\E"/, "$name: the authenticator can forget the passkey") if ref $response eq 'HASH';
		$site->no_limits;
	}
	is(user_of('mary@example.com'), '', 'none of these makes an account');
	shows(submit($browser, $page, $path, passkey_response => undef, use => 'passkey'), 200, qr/Create your passkey/, 'a form without a response gets new options');
	is($browser->post_form($path, with_passkey($page, authenticator()->create(data_of($page, 'options'))), 'Sec-Fetch-Site:' => 'cross-site')->{status}, 400, 'a form of another site is refused, which the cookie does not come with');
	is($site->browser->post_form($path, with_passkey($page, authenticator()->create(data_of($page, 'options'))))->{status}, 400, 'as is that of another browser');
	is(user_of('mary@example.com'), '', 'still no account');

	# The login ID was taken while the person made the passkey.
	$site->account('mary@example.com');
	my $late = authenticator();
	my %form = with_passkey($page, $late->create(data_of($page, 'options')));
	my $taken = $browser->post_form($path, %form);
	shows($taken, 422, qr/already an account/, 'a login ID that was taken meanwhile');
	is(forgotten($taken), 'auth.example ' . $late->id, 'the authenticator can forget the passkey');
	$site->settings(passkey_signals => 'false');
	is(forgotten($browser->post_form($path, %form)), undef, 'passkey_signals = false: nothing is said to it');
	$site->settings(passkey_signals => 'true');
	my $used = $json->decode($form{passkey_response});
	delete $used->{response}{attestationObject};
	my $answer = $browser->post_form($path, %{ { %form, passkey_response => $json->encode($used) } });
	shows($answer, 422, qr/did not work/, 'a response that makes no passkey');
	is(forgotten($answer), undef, 'is no reason to forget one');
	is(forgotten($browser->post_form($path, %form, 'Sec-Fetch-Site:' => 'cross-site')), undef, 'nor because another site says so');
}

# Whether a passkey exists is said to its owner only.
{
	my $owner = authenticator();
	my ($browser, $path) = on_sign_up();
	my $page = to_passkey($browser, $path, 'owner@example.com');
	my %form = with_passkey($page, $owner->create(data_of($page, 'options')));

	is($browser->post_form($path, %form)->{status}, 303, 'somebody has a passkey');
	($browser, $path) = on_sign_up();
	$page = to_passkey($browser, $path, 'curious@example.com');
	my $mine = authenticator(id => $owner->{id})->create(data_of($page, 'options'));
	my $other = authenticator()->create(data_of($page, 'options'));
	for my $response ({ id => $owner->id }, { %$mine, id => $owner->id }, { %$other, id => $owner->id })
	{
		my $answer = $browser->post_form($path, %{ { with_passkey($page, $response) } });

		shows($answer, 422, qr/did not work|took too long|already in use/, 'a form with the id of a known passkey makes no account');
		unlike($answer->{body}, qr/Your account is ready/, 'and is not told that it did');
		$site->no_limits;
	}
	query(q{UPDATE anon_auth.login_ids SET value = 'gone@example.com', original_value = 'gone@example.com' WHERE value = 'owner@example.com'});
}

# ---------------------------------------------------------------------------
# Codes
# ---------------------------------------------------------------------------

$site->settings(login_id_verification => 'required', page_login_methods => '{password,code}');
{
	my ($browser, $path) = on_sign_up();
	my $page = to_passkey($browser, $path, 'code@example.com');

	shows($page, 200, qr/Enter the code/, qr/>Continue</, 'where addresses must be proven, the code comes first');
	unlike($page->{body}, qr/type="password"/, 'without a password');
	shows(submit($browser, $page, $path, code => '1'), 422, qr/This code is wrong/, 'a wrong code leads to no passkey');
	$page = submit($browser, $page, $path, code => $site->code_for('code@example.com'));
	shows($page, 200, qr/Create your passkey/, 'the right code does');
	my $passkey = authenticator();
	like($browser->post_form($path, with_passkey($page, $passkey->create(data_of($page, 'options'))))->{location}, qr{^https://app\.example/home\b}, 'the response makes the account');
	is(query("SELECT verified_at IS NOT NULL FROM anon_auth.login_ids WHERE value = 'code\@example.com'"), 't', 'the address is verified');
	is(logs_in_as($passkey), user_of('code@example.com'), 'the passkey logs in');

	# With the code typed, from a password to a passkey and back
	($browser, $path) = on_sign_up();
	$page = submit($browser, $browser->get($path), $path, login_id => 'both@example.com');
	shows($page, 200, qr/Enter the code/, qr/name="password"/, qr/Use a passkey instead/, 'the form of the code with a password has the way, too');
	my $code = $site->code_for('both@example.com');
	$page = submit($browser, $page, $path, code => $code, use => 'passkey', password => '');
	shows($page, 200, qr/Create your passkey/, 'it leads to the passkey');
	$page = submit($browser, $page, $path, use => 'password');
	shows($page, 200, qr/name="code"[^>]*value="$code"/, qr/name="password"/, 'and back, with the code');
	is(submit($browser, $page, $path, password => 'correct horse')->{status}, 303, 'the code was not used up');

	# Without the code, no address is attached.
	($browser, $path) = on_sign_up();
	$page = to_passkey($browser, $path, 'skip@example.com');
	my $response = authenticator()->create($json->decode(query('SELECT anon_auth.passkey_creation_options()')));
	shows($browser->post_form($path, login_id => 'skip@example.com', login_id_type => 'email', with => 'passkey', use => 'passkey', passkey_response => $json->encode($response)), 429, qr/code/, 'a form that leaves the code out is asked for it');
	is(user_of('skip@example.com'), '', 'and makes no account');
}
$site->settings(login_id_verification => 'optional', page_login_methods => '{code}');
{
	my ($browser, $path) = on_sign_up();
	my $page = to_passkey($browser, $path, 'only@example.com');

	shows($page, 200, qr/Create your passkey/, qr/Use a code instead/, 'on a site without passwords, the passkey takes the place of the code');
	is($browser->post_form($path, with_passkey($page, authenticator()->create(data_of($page, 'options'))))->{status}, 303, 'and makes the account');
}
$site->settings(page_login_methods => '{password}');

# ---------------------------------------------------------------------------
# Promotion
# ---------------------------------------------------------------------------

for my $elsewhere (0, 1)
{
	my $name = $elsewhere ? 'a promotion by a link' : 'a promotion in the browser of the guest';
	my ($browser, $path, $guest) = on_promotion(elsewhere => $elsewhere);
	my $address = "promoted$elsewhere\@example.com";

	$site->no_limits;
	my $page = to_passkey($browser, $path, $address);
	my $passkey = authenticator();
	my $options = data_of($page, 'options');

	is($options->{user}{id}, $json->decode(query("SELECT to_json(translate(encode(uuid_send('$guest'), 'base64'), '+/=', '-_'))") =~ s/^/[/r =~ s/$/]/r)->[0], "$name: the passkey is for the guest");
	is($options->{user}{name}, $address, "$name: under the new address");
	is_deeply($options->{excludeCredentials}, [], "$name: no authenticator is excluded");
	like($browser->post_form($path, with_passkey($page, $passkey->create($options)))->{location}, qr{^https://app\.example/(?:home\b|cb\?code=)}, "$name: the response promotes");
	is(user_of($address), $guest, "$name: the account is that of the guest");
	is(logs_in_as($passkey), $guest, "$name: the passkey logs in");
	is(passkeys_of($guest), 1, "$name: it is the only one");
}
for my $elsewhere (0, 1)
{
	# An authenticator would replace the guest's passkey by the new one, and keep it if the promotion fails.
	my $name = $elsewhere ? 'a guest elsewhere with a passkey' : 'a guest with a passkey';
	my ($browser, $path, $guest, $tokens) = on_promotion(elsewhere => $elsewhere);
	my $old = authenticator();

	$site->no_limits;
	if ($elsewhere)
	{
		my $token = sql_literal($tokens->{access_token});

		query('SELECT anon_auth.add_passkey(' . sql_literal($json->encode($old->create($json->decode(query("SELECT anon_auth.passkey_creation_options($token)"))))) . ", access_token => $token)");
	}
	else
	{
		my $settings = $browser->get('/settings/passkeys/add');

		is($browser->post_form('/settings/passkeys/add', with_passkey($settings, $old->create(data_of($settings, 'options'))))->{status}, 303, "$name");
	}
	my $page = to_passkey($browser, $path, "kept$elsewhere\@example.com");
	is_deeply([ map { $_->{id} } @{ data_of($page, 'options')->{excludeCredentials} } ], [ $old->id ], "$name: its authenticator makes no other one");
	like($page->{body}, qr/data-exists="This device already has your passkey as a guest/, "$name: the page says why");
	$site->account("kept$elsewhere\@example.com");
	my $taken = $browser->post_form($path, with_passkey($page, authenticator()->create(data_of($page, 'options'))));
	shows($taken, 422, qr/already an account/, "$name: the promotion fails");
	is(logs_in_as($old), $guest, "$name: the passkey still logs in");

	# A form that names the guest's passkey promotes nobody, and does not look like one that has.
	my $shown = $browser->post_form($path, with_passkey(to_passkey($browser, $path, "free$elsewhere\@example.com"), { id => $old->id }));
	shows($shown, 422, qr/did not work/, "$name: a form with the id of that passkey");
	$page = to_passkey($browser, $path, "free$elsewhere\@example.com");
	$shown = $browser->post_form($path, with_passkey($page, authenticator(id => $old->{id}, origin => 'https://evil.example')->create(data_of($page, 'options'))));
	shows($shown, 422, qr/did not work/, "$name: nor with a response to the page's request that is refused");
	is(forgotten($shown), undef, "$name: and the authenticator keeps that passkey");
	is(query("SELECT is_anonymous FROM anon_auth.users WHERE id = '$guest'"), 't', "$name: the guest stays one");
}
{
	# Whoever sent the link has a passkey of the guest.
	my ($browser, $path, $guest, $tokens) = on_promotion(elsewhere => 1);
	my $token = sql_literal($tokens->{access_token});
	my $sender = authenticator();
	my $mine = authenticator();
	my $page;

	$site->no_limits;
	query('SELECT anon_auth.add_passkey(' . sql_literal($json->encode($sender->create($json->decode(query("SELECT anon_auth.passkey_creation_options($token)")))))
		. ", access_token => $token)");
	is(logs_in_as($sender), $guest, 'the sender of a link logs in as the guest with a passkey');
	$page = to_passkey($browser, $path, 'linked@example.com');
	my %form = with_passkey($page, $mine->create(data_of($page, 'options')));

	# Another guest's form
	my ($thief, $thief_path, $victim) = on_promotion();
	my $thief_page = to_passkey($thief, $thief_path, 'thief@example.com');
	shows($thief->post_form($thief_path, with_passkey($thief_page, authenticator()->create(data_of($page, 'options')))), 422, qr/took too long/, "the response for a guest cannot be used for another guest");
	shows($thief->post_form($thief_path, with_passkey($thief_page, authenticator()->create($json->decode(query('SELECT anon_auth.passkey_creation_options()'))))), 422, qr/took too long/, 'nor that for a sign-up');
	is(query("SELECT is_anonymous FROM anon_auth.users WHERE id = '$victim'"), 't', 'that guest stays one');

	# The response was lost.
	my %cookies = %{ $browser->cookies };
	is($browser->post_form($path, %form)->{status}, 303, 'a promotion whose response is lost');
	%{ $browser->cookies } = %cookies;
	shows($browser->post_form($path, %form), 200, qr/Log in with the passkey that you have just created/, 'when the form is sent again, the page says how to go on');
	is(logs_in_as($mine), $guest, 'the passkey logs in');
	is(query("SELECT string_agg(translate(encode(credential_id, 'base64'), '+/=', '-_'), ',') FROM anon_auth.passkeys WHERE user_id = '$guest'"), $mine->id, 'that of the sender is gone');
}

# A taken login ID under each policy: the page offers to log in instead, and makes no passkey.
for my $policy ('error', 'login', 'merge')
{
	$site->settings(promotion_conflict => $policy);
	my ($browser, $path, $guest) = on_promotion();

	shows(to_passkey($browser, $path, 'taken@example.com'), 422, qr/already an account/, "$policy: a taken address");
	is(query("SELECT is_anonymous FROM anon_auth.users WHERE id = '$guest'"), 't', "$policy: the guest stays one");
}
$site->settings(promotion_conflict => 'error');

# Sites without passkeys
{
	my ($browser, $path) = on_sign_up();
	my $page = to_passkey($browser, $path, 'late@example.com');

	$site->settings(page_passkeys => 'false');
	unlike($browser->get($path)->{body}, qr/passkey-way" hidden/, 'a site can offer none');
	shows($browser->post_form($path, with_passkey($page, authenticator()->create(data_of($page, 'options')))), 422, qr/no longer available/, 'a form from before is refused');
	is(user_of('late@example.com'), '', 'and makes no account');
	$site->settings(page_passkeys => 'true');
}
for my $case ([ de => qr/Passkey erstellen/ ], [ 'zh-Hant' => qr/建立您的通行密鑰/ ])
{
	my $browser = $site->browser;
	my $path = $browser->get('/oauth2/authorize', %site, prompt => 'create', ui_locales => $case->[0])->{location};

	shows(to_passkey($browser, $path, "$case->[0]\@example.com"), 200, $case->[1], "the page in $case->[0]");
}

done_testing();
