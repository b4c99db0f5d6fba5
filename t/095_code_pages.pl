# The pages on which a code is asked for and typed: their states, and that they
# look the same for known and unknown addresses. t/AnonAuth/Browser.pm calls the
# functions as PostgREST would.

use strict;
use warnings;
use utf8;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Browser;
use AnonAuth::Device qw(jws_parts sql_literal);
use Digest::SHA qw(sha256);
use MIME::Base64 qw(encode_base64url);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

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
SELECT anon_auth.create_client('web', 'spa', '{https://app.example/cb}', name => 'Notebook', id_token => 'always'),
	   anon_auth.create_client('site', 'traditional_webapp', '{https://app.example/home}');
UPDATE anon_auth.settings SET issuer = 'https://auth.example', password_hash_memory_kib = 8192,
	password_hash_passes = 1, page_login_methods = '{code}', page_passkeys = false;
SQL

my $verifier = 'v' x 43;
my %authorize = (
	client_id => 'web',
	redirect_uri => 'https://app.example/cb',
	response_type => 'code',
	scope => 'openid https://authgear.com/scopes/full-access offline_access',
	state => 'a state',
	prompt => 'login',
	code_challenge_method => 'S256',
	code_challenge => encode_base64url(sha256($verifier)));

sub query { return $node->safe_psql('postgres', $_[0]); }

# Change settings, and forget all limits.
sub settings
{
	my (%settings) = @_;

	query('UPDATE anon_auth.settings SET '
		  . join(', ', map { "$_ = " . sql_literal($settings{$_}) } sort keys %settings) . '; SELECT anon_auth.reset_counters()');
}

sub no_limits { query('SELECT anon_auth.reset_counters()'); }

sub browser { return AnonAuth::Browser->new($node, headers => { 'sec-fetch-site' => 'same-origin', @_ }); }

sub account
{
	my ($email, %more) = @_;
	my $user = query("SELECT user_id FROM anon_auth.sign_up('web', email => " . sql_literal($email) . ", password => 'correct horse') t, "
		  . "LATERAL (SELECT (anon_auth.verify_jwt(t.access_token) ->> 'sub') AS user_id) u");

	query(sprintf 'UPDATE anon_auth.login_ids SET verified_at = now() WHERE user_id = %1$s; UPDATE anon_auth.users SET is_verified = true WHERE id = %1$s',
		sql_literal($user)) if !$more{unproven};
	return $user;
}

# The URL of the log-in page in the given browser.
sub log_in
{
	my ($browser, %parameters) = @_;
	my %all = (%authorize, %parameters);

	return $browser->get('/oauth2/authorize', map { defined $all{$_} ? ($_ => $all{$_}) : () } sort keys %all)->{location};
}

sub submit
{
	my ($browser, $form, %fields) = @_;

	return $browser->post_form($form, map { $_ => $fields{$_} } sort keys %fields);
}

# The code of the last message to an address.
sub code_for
{
	my ($address) = @_;

	return query('SELECT code FROM anon_auth.take_outbox_messages(1000) WHERE recipient = ' . sql_literal($address) . ' ORDER BY created_at DESC LIMIT 1');
}

sub wrong { return sprintf '%06d', ($_[0] + 1) % 1_000_000; }

sub parameters
{
	my ($url) = @_;

	return { map { my ($n, $v) = split /=/, $_, 2; $v =~ s/%(..)/chr hex $1/ge; ($n => $v) } split /&/, $url =~ s/^[^?]*\?//r };
}

# The claims of the access token that a redirect's code gives.
sub claims_of
{
	my ($location) = @_;
	my $answer = browser()->post_form('/oauth2/token', grant_type => 'authorization_code', client_id => 'web', code => parameters($location)->{code},
		redirect_uri => $authorize{redirect_uri}, code_verifier => $verifier);

	return $answer->{status} == 200 ? (jws_parts($answer->{json}{access_token}))[1] : {};
}

sub shows
{
	my ($answer, $status, @rest) = @_;
	my $name = pop @rest;

	is($answer->{status}, $status, "$name: status $status");
	is_deeply($answer->{headers}{'content-type'}, ['text/html; charset=utf-8'], "$name: the answer is an HTML page");
	is_deeply($answer->{headers}{'cache-control'}, ['no-store'], "$name: nobody keeps the page");
	like($answer->{body}, $_, $name) for @rest;
}

# The hidden inputs and buttons of the page, as the browser sends them.
sub fields
{
	my ($answer) = @_;
	my %fields;

	while ($answer->{body} =~ /<input ([^>]*)>/g)
	{
		my ($name, $value) = map { $1 =~ /\b$_="([^"]*)"/ ? $1 : undef } qw(name value);

		$fields{$name} = $value if defined $name && defined $value;
	}
	return %fields;
}

my $typed = qr/name="code"/;
my $asks_login_id = qr/id="login_id"/;

# ---------------------------------------------------------------------------
# Log-in with a code
# ---------------------------------------------------------------------------

my $ada = account('Ada@example.com');
my $browser = browser('accept-language' => 'de-AT,de;q=0.9,en;q=0.5');
my $form = log_in($browser, ui_locales => 'en');
my $page = $browser->get($form);

shows($page, 200, $asks_login_id, qr/Email address or phone number/, qr/>Send code</, 'the log-in page asks for an address');
unlike($page->{body}, qr/name="password"|name="use"/, 'the log-in page has no password field and no other way if codes are the only one');
is_deeply({ fields($page) }, { method => 'code' }, 'the log-in page sends only what its user types');

my $sent = submit($browser, $form, fields($page), login_id => 'ada@example.com');

shows($sent, 200, $typed, qr/autocomplete="one-time-code"/, qr/inputmode="numeric"/, qr/ada\@example\.com/, qr/name="use" value="another_code"/, qr/They work for 20 minutes/,
	'the next page asks for the code');
unlike($sent->{body}, qr/name="password"/, 'the page for the code has no password field');
is_deeply({ fields($sent) }, { step => 'code', login_id => 'ada@example.com', login_id_type => 'email' }, 'the page for the code repeats the address');
is(query('SELECT language, client_id FROM anon_auth.outbox'), 'en|web', 'the message is in the language that the client asks for, and names the client');

my $code = code_for('Ada@example.com');

shows(submit($browser, $form, fields($sent), code => ''), 422, $typed, qr/Enter the code/, qr/aria-invalid="true"/, 'a missing code is an error beside the field');

my $wrong = submit($browser, $form, fields($sent), code => wrong($code));

shows($wrong, 422, $typed, qr/id="code_error"/, qr/aria-invalid="true"/, qr/This code is wrong/, 'a wrong code is an error beside the field');
is({ fields($wrong) }->{code}, wrong($code), 'a wrong code stays in the field');
unlike($wrong->{body} =~ s/<style>.*?<\/style>|<script>.*?<\/script>//gsr, qr/\b[45] (?:tries|attempts)/, 'the page does not tell how many tries are left');

my $spaced = ' ' . (substr $code, 0, 3) . ' ' . (substr $code, 3);
my $done = submit($browser, $form, fields($wrong), code => $spaced);

is($done->{status}, 303, 'the right code redirects');
like($done->{location}, qr{^https://app\.example/cb\?code=[-\w]+&state=a%20state}, 'the right code redirects to the client with code and state');
my $claims = claims_of($done->{location});
is($claims->{sub}, $ada, 'the right code logs in to the account');
is_deeply($claims->{amr}, ['otp'], 'the token says that the user had a code');

shows(submit($browser, $form, fields($sent), code => $code), 200, qr/You are logged in/, qr{https://app\.example/cb\?state=a%20state},
	'the form sent again, by a second click or the back button, shows that the user is logged in');

# The response was lost: the browser does not know that it is finished.
{
	no_limits();
	my $lost = browser();
	my $start = log_in($lost);

	submit($lost, $start, method => 'code', login_id => 'ada@example.com');
	my $right = code_for('Ada@example.com');
	my %cookies = %{ $lost->cookies };

	is(submit($lost, $start, step => 'code', login_id => 'ada@example.com', code => $right)->{status}, 303, 'the first response is a redirect');
	%{ $lost->cookies } = %cookies;
	shows(submit($lost, $start, step => 'code', login_id => 'ada@example.com', code => $right), 422, $typed, qr/was already used/, qr/value="another_code"/,
		'after a lost response, the page says that the code is used up, and offers another one');
	no_limits();
	shows(submit($lost, $start, step => 'code', login_id => 'ada@example.com', use => 'another_code'), 200, $typed, 'another code is sent');
	is(submit($lost, $start, step => 'code', login_id => 'ada@example.com', code => code_for('Ada@example.com'))->{status}, 303, 'it logs in');
}

# A cookie session
{
	no_limits();
	my $visitor = browser();
	my $start = log_in($visitor, client_id => 'site', redirect_uri => 'https://app.example/home', response_type => 'none', code_challenge => undef, code_challenge_method => undef);

	submit($visitor, $start, method => 'code', login_id => 'ada@example.com');
	my $in = submit($visitor, $start, step => 'code', login_id => 'ada@example.com', code => code_for('Ada@example.com'));

	is($in->{status}, 303, 'a code logs in to a cookie session');
	is($visitor->get('/oauth2/userinfo')->{json}{sub}, $ada, 'the cookie is that of the account');
}

# Forms of a code, as keyboards and people write it
{
	my $visitor = browser();
	my $start = log_in($visitor);
	my $full_width = sub { return join '', map { chr(0xFF10 + $_) } split //, $_[0]; };
	my %spellings = (
		'with a hyphen' => sub { return (substr $_[0], 0, 3) . '-' . (substr $_[0], 3); },
		'with an ideographic space and a line feed' => sub { return (substr $_[0], 0, 3) . "\x{3000}" . (substr $_[0], 3) . "\n"; },
		'in full-width digits' => $full_width,
		'in full-width digits with a full-width hyphen' => sub { return $full_width->(substr $_[0], 0, 3) . "\x{FF0D}" . $full_width->(substr $_[0], 3); });

	for my $name (sort keys %spellings)
	{
		no_limits();
		submit($visitor, $start, method => 'code', login_id => 'ada@example.com');
		is(submit($visitor, $start, step => 'code', login_id => 'ada@example.com', code => $spellings{$name}->(code_for('Ada@example.com')))->{status}, 303, "a code works $name");
	}
	shows(submit($visitor, $start, step => 'code', login_id => 'ada@example.com', code => 'x' x 1000), 200, qr/You are logged in/, 'a text that is too long is no code');
}

# Login IDs that no code can be sent to
{
	no_limits();
	my $visitor = browser();
	my $start = log_in($visitor);

	shows(submit($visitor, $start, method => 'code', login_id => ''), 422, $asks_login_id, qr/Enter your email address or phone number/, 'a missing address is an error beside the field');
	shows(submit($visitor, $start, method => 'code', login_id => 'nobody'), 422, $asks_login_id, qr/id="login_id_error"/, qr/value="nobody"/, qr/complete email address/, 'a username is no address');
	shows(submit($visitor, $start, method => 'code', login_id => 'nobody@'), 422, $asks_login_id, qr/id="login_id_error"/, 'half an address is none');
	settings(phone_country_code_allowlist => '{852}');
	shows(submit($visitor, $start, method => 'code', login_id => '+41446681800'), 422, $asks_login_id, qr/id="login_id_error"/, qr/cannot be used here/, 'no code is sent to a country that is not allowed');
	shows(submit($visitor, $start, method => 'code', login_id => '+852 5123 4567'), 200, $typed, 'a code is sent to a phone number');
	settings(phone_country_code_allowlist => '{}');
	is(query("SELECT count(*) FROM anon_auth.take_outbox_messages(1000) WHERE recipient <> '+85251234567'"), 0, 'nothing else was sent');
}

# Known and unknown addresses
{
	no_limits();
	my $visitor = browser();
	my $start = log_in($visitor);
	my $seen = sub {
		my ($address, $answer) = @_;
		my %headers = %{ $answer->{headers} };

		return join "\n", $answer->{status}, (map { "$_: @{ $headers{$_} }" } sort keys %headers), $answer->{body} =~ s/\Q$address\E/ADDRESS/gr;
	};
	my @addresses = qw(ada@example.com eve@example.com);

	my @asked = map { $seen->($_, submit($visitor, $start, method => 'code', login_id => $_)) } @addresses;
	my @again = map { $seen->($_, submit($visitor, $start, method => 'code', login_id => $_)) } @addresses;
	my @typed = map { $seen->($_, submit($visitor, $start, step => 'code', login_id => $_, code => '12345')) } @addresses;
	my @limited = map {
		my $address = $_;
		(map { $seen->($address, submit($visitor, $start, step => 'code', login_id => $address, code => 'x')) } 1 .. 7)[-1]
	} @addresses;

	is($asked[1], $asked[0], 'after a request, the page is the same for an unknown address');
	is($again[1], $again[0], 'after a second request, the page is the same for an unknown address');
	like($again[0], qr/^429\n.*retry-after: \d+\n.*wait a minute before/s, 'a second request within a minute shows the page for the first code, and says to wait');
	is($typed[1], $typed[0], 'after a wrong code, the page is the same for an unknown address');
	is($limited[1], $limited[0], 'after many wrong codes, the page is the same for an unknown address');
	query('DELETE FROM anon_auth.outbox');
}

# Limits
{
	no_limits();
	my $visitor = browser('x-forwarded-for' => '192.0.2.1');
	my $start = log_in($visitor);

	settings(code_requests_per_minute_per_ip => 1, trusted_proxy_hops => 1);
	submit($visitor, $start, method => 'code', login_id => 'one@example.com');
	my $refused = submit($visitor, $start, method => 'code', login_id => 'two@example.com');
	shows($refused, 429, $asks_login_id, qr/too many attempts/, qr/value="two\@example\.com"/, 'beyond the limit of an address, no code is sent, and the page says so');
	ok($refused->{headers}{'retry-after'}, 'the answer says when to try again');
	shows(submit($visitor, $start, step => 'code', login_id => 'one@example.com', use => 'another_code', code => '123'), 429, $typed, qr/too many attempts/, qr/value="123"/,
		'who has a code stays on its page');
	settings(code_requests_per_minute_per_ip => 10, password_attempts_per_minute_per_ip => 1);
	submit($visitor, $start, step => 'code', login_id => 'one@example.com', code => '000000');
	shows(submit($visitor, $start, step => 'code', login_id => 'one@example.com', code => '000000'), 429, $typed, qr/too many attempts/, 'the limit of attempts is shown on the page for the code');
	settings(password_attempts_per_minute_per_ip => 120, trusted_proxy_hops => 0);
	query('DELETE FROM anon_auth.outbox');
}

# No account, a disabled one, an unproven one, and another one than the client asks for
{
	my $visitor = browser();
	my $start = log_in($visitor);
	my $try = sub {
		my ($address, %authorization) = @_;
		my $own = browser();
		my $own_start = log_in($own, %authorization);

		no_limits();
		submit($own, $own_start, method => 'code', login_id => $address);
		my $right = code_for($address);
		return (submit($own, $own_start, step => 'code', login_id => $address, code => $right), $own, $own_start, $right);
	};

	my ($answer, $own, $own_start, $right) = $try->('nobody@example.com');
	shows($answer, 422, $asks_login_id, qr/No account can be opened with this address/, qr/value="nobody\@example\.com"/, 'who proves an address without an account is told so');
	my $nobody = account('nobody@example.com');
	is(submit($own, $own_start, step => 'code', login_id => 'nobody@example.com', code => $right)->{status}, 303, 'the code was not used up');

	query("SELECT anon_auth.disable_user('$nobody')");
	($answer) = $try->('nobody@example.com');
	shows($answer, 403, qr/This account is disabled/, 'who proves the address of a disabled account is told so');

	my $claimed = account('claimed@example.com', unproven => 1);
	($answer) = $try->('claimed@example.com');
	is($answer->{status}, 303, 'a code opens an account that claims the address');
	is(claims_of($answer->{location})->{sub}, $claimed, 'it is that account');
	is(query("SELECT count(*) FROM anon_auth.passwords WHERE user_id = '$claimed'"), 0, 'the password of the account is removed');

	my $hint = query("SELECT id_token FROM anon_auth.authenticate('web', 'ada\@example.com', 'correct horse')");
	my $unclaimed = account('unclaimed@example.com', unproven => 1);
	($answer, $own, $own_start, $right) = $try->('unclaimed@example.com', id_token_hint => $hint);
	shows($answer, 422, qr/to <b dir="ltr">A\x{2022}{3}\@example\.com</, qr/Enter the code/, 'with an id_token_hint, the code goes to the user of the hint, whatever the form says');
	query("SELECT anon_auth.request_login_code('web', 'unclaimed\@example.com')");
	shows(submit($own, $own_start, step => 'code', login_id => 'unclaimed@example.com', code => code_for('unclaimed@example.com')), 422, qr/This code is wrong/, 'the code of another user is refused');
	is(query("SELECT count(*) FROM anon_auth.passwords WHERE user_id = '$unclaimed'"), 1, 'it changes nothing in the account');
	no_limits();
	submit($own, $own_start, method => 'code', login_id => 'ada@example.com');
	is(submit($own, $own_start, step => 'code', login_id => 'ada@example.com', code => code_for('Ada@example.com'))->{status}, 303, 'the user of the hint logs in in the same flow');
}

# ---------------------------------------------------------------------------
# Both ways, and a change of the settings
# ---------------------------------------------------------------------------

{
	settings(page_login_methods => '{password,code}');
	my $visitor = browser();
	my $start = log_in($visitor);
	my $both = $visitor->get($start);

	shows($both, 200, qr/name="password"/, qr/Email address, phone number or username/, qr/name="use" value="code"/, 'the preferred way is first, and the other one has a button');
	shows(submit($visitor, $start, login_id => 'ada@example.com', password => 'wrong horse'), 422, qr/No account matches/, qr/name="use" value="code"/, 'the form of the password still offers a code');
	shows(submit($visitor, $start, login_id => 'ada', password => '', use => 'code'), 422, $asks_login_id, qr/A code can be sent only to/, 'a username needs its password');
	shows(submit($visitor, $start, login_id => 'ada@example.com', password => '', use => 'code'), 200, $typed, 'the button sends a code');
	query('DELETE FROM anon_auth.outbox');

	settings(page_login_methods => '{code,password}');
	shows($visitor->get($start), 200, qr/name="method" value="code"/, qr/name="use" value="password"/, 'with codes first, the form has a button for the password');
	shows(submit($visitor, $start, method => 'code', login_id => 'ada@example.com', use => 'password'), 200, qr/name="password"/, qr/value="ada\@example\.com"/,
		'the button shows the form with a password, and keeps the address');
	is(submit($visitor, $start, login_id => 'ada@example.com', password => 'correct horse')->{status}, 303, 'the password logs in');

	settings(page_login_methods => '{code}');
	shows(submit($visitor, $start, login_id => 'ada@example.com', password => 'correct horse'), 422, qr/no longer available/, qr/value="ada\@example\.com"/, qr/name="method" value="code"/,
		'a password is refused if the pages no longer offer it');
	settings(page_login_methods => '{password}');
	shows(submit($visitor, $start, method => 'code', login_id => 'ada@example.com'), 422, qr/no longer available/, qr/name="password"/, 'a code is refused if the pages no longer offer it');
	shows(submit($visitor, $start, step => 'code', login_id => 'ada@example.com', code => '123456'), 422, qr/no longer available/, 'so is one that was sent');
	is(query('SELECT count(*) FROM anon_auth.outbox'), 0, 'no code is sent then');
	unlike($visitor->get($start)->{body}, qr/name="use"|name="method"|value="code"/, 'without codes, the page does not mention them');
}

# ---------------------------------------------------------------------------
# Promotion with a code
# ---------------------------------------------------------------------------

# A guest and the URL of its sign-up page.
sub promotion
{
	my ($visitor, %parameters) = @_;
	my $tokens = browser()->post_json('/api/anonymous_user/signup', { session_type => 'refresh_token', client_id => 'web' })->{json}{result};
	my $promotion_code = browser()->post_json('/api/anonymous_user/promotion_code',
		{ session_type => 'refresh_token', refresh_token => $tokens->{refresh_token} })->{json}{result}{promotion_code};
	my $hint = 'https://authgear.com/login_hint?' . AnonAuth::Browser::form(type => 'anonymous', promotion_code => $promotion_code);

	no_limits();
	return (log_in($visitor, login_hint => $hint, %parameters), (jws_parts($tokens->{access_token}))[1]{sub});
}

# Go on from the page with what its user types; returns the next page.
sub go_on
{
	my ($visitor, $start, $shown, %typed) = @_;

	return submit($visitor, $start, fields($shown), %typed);
}

sub is_guest { return query("SELECT is_anonymous FROM anon_auth.users WHERE id = '$_[0]'"); }

query('DELETE FROM anon_auth.outbox');
settings(page_login_methods => '{code}', trusted_proxy_hops => 0, promotion_conflict => 'error');
{
	my $visitor = browser();
	my ($start, $guest) = promotion($visitor);
	my $first = $visitor->get($start);

	shows($first, 200, $asks_login_id, qr/>Send code</, qr/Use phone number instead/, qr/The guest of Notebook/, 'the sign-up page asks for an address');
	unlike($first->{body}, qr/name="password"|Use username|name="use"/, 'it has no password field, and no username, which only a password opens');
	shows(go_on($visitor, $start, $first, login_id => 'nonsense'), 422, $asks_login_id, qr/id="login_id_error"/, qr/value="nonsense"/, 'no code is sent to a malformed address');
	my $second = go_on($visitor, $start, $first, login_id => 'Grace@example.com');
	shows($second, 200, $typed, qr/Create account/, qr/Grace\@example\.com/, 'the next page asks for the code');
	unlike($second->{body}, qr/name="password"/, 'it has no password field');
	my $right = code_for('Grace@example.com');
	shows(go_on($visitor, $start, $second, code => wrong($right)), 422, $typed, qr/id="code_error"/, 'a wrong code is an error beside the field');
	is(is_guest($guest), 't', 'the guest is still a guest');

	my $other = browser();
	my ($other_start) = promotion($other);
	shows(go_on($other, $other_start, $second, code => $right), 422, $typed, "another guest cannot use the code");

	my $promoted = go_on($visitor, $start, $second, code => $right);
	is($promoted->{status}, 303, 'the right code redirects');
	my $token = claims_of($promoted->{location});
	is($token->{sub}, $guest, 'the account is that of the guest');
	is_deeply($token->{amr}, ['otp'], 'the token says that the user had a code');
	is(query("SELECT original_value || ' ' || (verified_at IS NOT NULL) FROM anon_auth.login_ids WHERE user_id = '$guest'"), 'Grace@example.com true', 'the address is verified');
	is(query("SELECT has_password FROM anon_auth.users WHERE id = '$guest'"), 'f', 'the account has no password');
	shows(go_on($visitor, $start, $second, code => $right), 200, qr/Your account is ready/, 'the form sent again shows that the account is ready');
	shows(go_on($visitor, $start, $first, login_id => 'grace@example.com'), 200, qr/Your account is ready/, 'so does the first form, and no code is sent');
	shows($visitor->get($start), 200, qr/Your account is ready/, 'and a reload');
	is(query('SELECT count(*) FROM anon_auth.outbox'), 0, 'no other code was sent');
}

# A lost response: the browser has not learned that its flow is finished.
{
	my $visitor = browser();
	my ($start, $guest) = promotion($visitor);
	my $second = submit($visitor, $start, method => 'code', login_id => 'lost@example.com');
	my $right = code_for('lost@example.com');
	my %cookies = %{ $visitor->cookies };

	is(go_on($visitor, $start, $second, code => $right)->{status}, 303, 'the first response is a redirect');
	%{ $visitor->cookies } = %cookies;
	shows(go_on($visitor, $start, $second, code => $right), 200, qr/Your account is ready/, 'after a lost response, the page says that the account is ready');
	shows(go_on($visitor, $start, $second, use => 'another_code'), 200, qr/Your account is ready/, 'so does the button for another code');
}

# An existing account, which the code proves
for my $policy (qw(error login merge))
{
	my $existing = account("$policy\@example.com");

	settings(promotion_conflict => $policy);
	my $visitor = browser();
	my ($start, $guest) = promotion($visitor);
	my $second = submit($visitor, $start, method => 'code', login_id => "$policy\@example.com");
	unlike($second->{body}, qr/already an account/, "$policy: before the code, the page does not tell that there is an account");
	my $right = code_for("$policy\@example.com");
	my $proven = go_on($visitor, $start, $second, code => $right);
	shows($proven, 200, qr/There is already an account with/, $policy eq 'merge' ? qr/will be moved to (?:that account|it)/ : qr/will not be moved/, qr/>Log in</, qr/Use another email address/,
		"$policy: the right code shows the account, and what happens to the guest");
	unlike($proven->{body}, qr/name="password"/, "$policy: no password is asked");
	is(is_guest($guest), 't', "$policy: nothing has happened yet");
	my $in = go_on($visitor, $start, $proven);
	is($in->{status}, 303, "$policy: the button logs in");
	is(claims_of($in->{location})->{sub}, $existing, "$policy: to the existing account");
	is(is_guest($guest), $policy eq 'merge' ? '' : 't', "$policy: the guest is left or merged");
	shows(go_on($visitor, $start, $proven), 200, qr/Your account is ready/, "$policy: the button pressed again shows that the account is ready");

	query("SELECT anon_auth.disable_user('$existing')");
	my ($again) = promotion($visitor = browser());
	$second = submit($visitor, $again, method => 'code', login_id => "$policy\@example.com");
	$proven = go_on($visitor, $again, $second, code => code_for("$policy\@example.com"));
	shows(go_on($visitor, $again, $proven), 403, qr/This account is disabled/, "$policy: a disabled account is not opened, and its user is told so");
}

# An account that claims the address without proof loses it.
{
	settings(promotion_conflict => 'login');
	my $claimant = account('claimant@example.com', unproven => 1);
	my $visitor = browser();
	my ($start, $guest) = promotion($visitor);
	my $second = submit($visitor, $start, method => 'code', login_id => 'claimant@example.com');
	my $in = go_on($visitor, $start, $second, code => code_for('claimant@example.com'));

	is(claims_of($in->{location})->{sub}, $guest, 'who proves an address that another account only claims gets it');
	is(query("SELECT user_id FROM anon_auth.login_ids WHERE value = 'claimant\@example.com'"), $guest, 'the other account has lost it');
}

# Passwords first: a taken address, with a code instead of its password
{
	settings(page_login_methods => '{password,code}', promotion_conflict => 'login');
	my $existing = account('forgetful@example.com');
	my $visitor = browser();
	my ($start, $guest) = promotion($visitor);

	shows($visitor->get($start), 200, qr/name="password"/, qr/name="use" value="code"/, 'with both ways, the sign-up form has a password and a button for the code');
	my $taken = submit($visitor, $start, login_id_type => 'email', login_id => 'forgetful@example.com', password => 'long enough');
	shows($taken, 422, qr/name="password"/, qr/already an account/, qr/name="use" value="code"/, 'the log-in to a taken address has a password and a button for the code');
	my $second = go_on($visitor, $start, $taken, use => 'code');
	shows($second, 200, $typed, qr/will not be moved/, qr/>Log in</, 'the button sends a code');
	my $in = go_on($visitor, $start, $second, code => code_for('forgetful@example.com'));
	is(claims_of($in->{location})->{sub}, $existing, 'the code logs in without the password');

	# The account has not proven the address.
	my $unproven = account('unproven@example.com', unproven => 1);
	($start, $guest) = promotion($visitor = browser());
	$taken = submit($visitor, $start, login_id_type => 'email', login_id => 'unproven@example.com', password => 'long enough');
	$second = go_on($visitor, $start, $taken, use => 'code');
	my $asked = go_on($visitor, $start, $second, code => code_for('unproven@example.com'));
	shows($asked, 200, qr/no account has confirmed/, qr/Create account/, 'if the account has not proven the address, the page asks before it takes the address away');
	is(query("SELECT user_id FROM anon_auth.login_ids WHERE value = 'unproven\@example.com'"), $unproven, 'nothing has happened yet');
	$in = go_on($visitor, $start, $asked);
	is(claims_of($in->{location})->{sub}, $guest, 'the button creates the account');

	# A sign-up with a code in place of the password
	($start, $guest) = promotion($visitor = browser());
	$second = submit($visitor, $start, login_id_type => 'email', login_id => 'no-password@example.com', password => '', use => 'code');
	shows($second, 200, $typed, qr/Create account/, 'a code can take the place of the password');
	is(claims_of(go_on($visitor, $start, $second, code => code_for('no-password@example.com'))->{location})->{sub}, $guest, 'it creates the account');

	settings(page_login_methods => '{code,password}');
	($start, $guest) = promotion($visitor = browser());
	my $first = $visitor->get($start);
	shows($first, 200, qr/name="method" value="code"/, qr/name="use" value="password"/, qr/Use username instead/, 'with codes first, the sign-up form has a button for the password');
	shows(go_on($visitor, $start, $first, login_id => 'b@example.com', use => 'password'), 200, qr/name="password"/, qr/value="b\@example\.com"/, qr/name="use" value="code"/, 'it leads to the form with a password');
	shows($visitor->get("$start&login_id_type=username"), 200, qr/name="password"/, qr/Username/, 'a username has a password');
	is(submit($visitor, $start, login_id_type => 'username', login_id => 'b-b-b', password => 'long enough')->{status}, 303, 'and is promoted with it');
}

# Addresses must be proven
{
	settings(page_login_methods => '{password,code}', login_id_verification => 'required', promotion_conflict => 'error');
	my $visitor = browser();
	my ($start, $guest) = promotion($visitor);
	my $first = $visitor->get($start);

	shows($first, 200, qr/>Send code</, 'if addresses must be proven, the sign-up form sends a code');
	unlike($first->{body}, qr/name="password"|name="use"/, 'the password comes with the code');
	my $second = go_on($visitor, $start, $first, login_id => 'strict@example.com');
	shows($second, 200, $typed, qr/name="password"/, qr/autocomplete="new-password"/, qr/at least 8 characters/, 'the form of the code asks for a new password');
	my $right = code_for('strict@example.com');
	my $weak = go_on($visitor, $start, $second, code => '', password => 'short');
	shows($weak, 422, qr/id="code_error"/, qr/id="password_error"/, 'it shows all its errors');
	shows(go_on($visitor, $start, $second, code => $right, password => 'short'), 422, qr/id="password_error"/, qr/value="$right"/, 'a weak password does not use the code up, and the code stays');
	my $done = go_on($visitor, $start, $second, code => $right, password => 'long enough');
	is(claims_of($done->{location})->{sub}, $guest, 'code and password create the account');
	is(query("SELECT has_password AND is_verified FROM anon_auth.users WHERE id = '$guest'"), 't', 'with both');
	is(go_on($visitor, $start, $second, code => $right, password => 'long enough')->{status}, 303, 'the form sent again logs in with the password');
	shows(go_on($visitor, $start, $second, code => $right, password => 'other than that'), 200, qr/Your account is ready/, 'and does not with another one');

	($start, $guest) = promotion($visitor = browser());
	is(submit($visitor, $start, login_id_type => 'username', login_id => 'strict-name', password => 'long enough')->{status}, 303, 'a username needs no proof');
	($start, $guest) = promotion($visitor = browser());
	shows(submit($visitor, $start, login_id_type => 'email', login_id => 'no@example.com', password => 'long enough'), 200, $typed, qr/name="password"/, 'a form without a code leads to the code');
	settings(page_login_methods => '{password}');
	shows(submit($visitor, $start, login_id_type => 'email', login_id => 'no@example.com', password => 'long enough'), 422, qr/id="login_id_error"/, 'without codes, the page refuses addresses');
	is(query("SELECT count(*) FROM anon_auth.doctor() WHERE finding = 'pages_without_codes'"), 1, 'doctor() warns of that');
	settings(page_login_methods => '{code}');
	is(query("SELECT count(*) FROM anon_auth.doctor() WHERE finding = 'pages_without_codes'"), 0, 'doctor() does not if the pages have codes');
	settings(login_id_verification => 'optional');
}

# Known and unknown addresses at a sign-up
{
	my $visitor = browser();
	my ($start) = promotion($visitor);
	my $seen = sub {
		my ($address, $answer) = @_;
		my %headers = %{ $answer->{headers} };

		return join "\n", $answer->{status}, (map { "$_: @{ $headers{$_} }" } sort keys %headers), $answer->{body} =~ s/\Q$address\E/ADDRESS/gr;
	};
	my @addresses = qw(ada@example.com mia@example.com);

	for my $step ([ 'a request', method => 'code' ], [ 'a second request', method => 'code' ], [ 'a wrong code', method => 'code', step => 'code', code => '12345x' ])
	{
		my ($name, %sent) = @$step;
		my ($known, $unknown) = map { $seen->($_, submit($visitor, $start, %sent, login_id_type => 'email', login_id => $_)) } @addresses;

		is($unknown, $known, "at a sign-up, $name shows the same page for an unknown address");
	}
	query('DELETE FROM anon_auth.outbox');
	settings(page_login_methods => '{password}');
	shows(submit($visitor, $start, method => 'code', login_id_type => 'email', login_id => 'ada@example.com'), 422, qr/no longer available/, qr/name="password"/, 'a code is refused if the pages no longer offer it');
	is(query('SELECT count(*) FROM anon_auth.outbox'), 0, 'and not sent');
}

# Another site's page cannot have a code sent.
{
	settings(page_login_methods => '{code}');
	my $visitor = browser();
	my $start = log_in($visitor);

	shows(submit($visitor, $start, method => 'code', login_id => 'ada@example.com', 'Sec-Fetch-Site:' => 'cross-site'), 400, qr/expired/, "another site's form gets no cookie");
	shows(submit($visitor, $start, method => 'code', login_id => 'ada@example.com', 'Sec-Fetch-Site:' => 'same-site', 'Origin:' => 'https://evil.example'), 403, qr/went wrong/, "a neighbour's form is refused");
	is(query('SELECT count(*) FROM anon_auth.outbox'), 0, 'no code is sent');
}

# The texts of the pages
for my $locale (qw(en de zh-Hant))
{
	my $visitor = browser();
	my $start = log_in($visitor, ui_locales => $locale);

	no_limits();
	for my $answer ($visitor->get($start), submit($visitor, $start, method => 'code', login_id => 'ada@example.com'), submit($visitor, $start, step => 'code', login_id => 'ada@example.com', code => '1'))
	{
		unlike($answer->{body} =~ s/<style>.*?<\/style>|<script>.*?<\/script>//gsr, qr/\{[a-z_]+\}|<(?:button|label|h1|p|a|b)\b[^>]*><\//, "$locale: no text is missing");
	}
}
is(query(q{SELECT count(*) FROM jsonb_object_keys(anon_auth_http.page_texts('en')) k, unnest('{de,zh-Hant}'::text[]) l WHERE NOT anon_auth_http.page_texts(l) ? k}), 0,
	'every language has all texts');

$node->stop;
done_testing();
