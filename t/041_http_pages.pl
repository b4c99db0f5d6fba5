# The pages, from /oauth2/authorize to the client's redirect URI: their content,
# their results, and the attacks that they must refuse. t/AnonAuth/Browser.pm
# calls the functions as PostgREST would.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Browser;
use AnonAuth::Clock;
use AnonAuth::Device qw(call challenge jws_parts sql_literal);
use Digest::SHA qw(sha256 sha256_base64);
use MIME::Base64 qw(decode_base64url encode_base64url);
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
SELECT anon_auth.create_client('web', 'spa', '{https://app.example/cb,https://app.example/cb?tenant=1}',
							   name => 'Notebook'),
	   anon_auth.create_client('site', 'traditional_webapp', '{https://app.example/home}',
							   post_logout_redirect_uris => '{https://app.example/bye}'),
	   anon_auth.create_client('phone', 'native', '{com.example.app://host/path}'),
	   anon_auth.create_client('partner', 'third_party_app', '{https://partner.example/}');
UPDATE anon_auth.clients SET id_token = 'always';
UPDATE anon_auth.settings SET issuer = 'https://auth.example', password_hash_memory_kib = 8192,
	password_hash_passes = 1;
SQL

my $page = 'https://auth.example/flows/promote_user';
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

sub settings
{
	my (%settings) = @_;

	query('UPDATE anon_auth.settings SET '
		  . join(', ', map { "$_ = " . sql_literal($settings{$_}) } sort keys %settings));
}

sub browser { return AnonAuth::Browser->new($node, headers => { 'sec-fetch-site' => 'same-origin', @_ }); }

sub hint
{
	my ($name, $value) = @_;

	return 'https://authgear.com/login_hint?' . AnonAuth::Browser::form(type => 'anonymous', $name => $value);
}

# A guest: its tokens, its sub, and a promotion code as login_hint.
sub guest
{
	my ($browser) = @_;
	my $tokens = ($browser // browser())->post_json('/api/anonymous_user/signup',
		{ session_type => 'refresh_token', client_id => 'web' })->{json}{result};
	my $code = browser()->post_json('/api/anonymous_user/promotion_code',
		{ session_type => 'refresh_token', refresh_token => $tokens->{refresh_token} })->{json}{result}{promotion_code};

	return { %$tokens, sub => (jws_parts($tokens->{access_token}))[1]{sub}, code => $code,
		hint => hint(promotion_code => $code) };
}

sub authorize
{
	my ($browser, %parameters) = @_;
	my %all = (%authorize, %parameters);

	return $browser->get('/oauth2/authorize', map { defined $all{$_} ? ($_ => $all{$_}) : () } sort keys %all);
}

# The URL of the sign-up form for a new guest in the given browser.
sub form
{
	my ($browser, %parameters) = @_;
	my $guest = guest();

	return (authorize($browser, login_hint => $guest->{hint}, %parameters)->{location}, $guest);
}

sub submit
{
	my ($browser, $form, %fields) = @_;
	my %all = (login_id_type => 'email', password => 'long enough', %fields);

	return $browser->post_form($form, map { $_ => $all{$_} } sort keys %all);
}

sub parameters
{
	my ($url) = @_;

	return { map { my ($n, $v) = split /=/, $_, 2; $v =~ s/%(..)/chr hex $1/ge; ($n => $v) } split /&/, $url =~ s/^[^?]*\?//r };
}

sub exchange
{
	my ($location, %parameters) = @_;
	my %all = (grant_type => 'authorization_code', client_id => 'web', code => parameters($location)->{code},
		redirect_uri => $authorize{redirect_uri}, code_verifier => $verifier, %parameters);

	return browser()->post_form('/oauth2/token', map { $_ => $all{$_} } sort keys %all);
}

sub is_anonymous { return query("SELECT is_anonymous FROM anon_auth.users WHERE id = '$_[0]'"); }

# Each page has a challenge of its own for a passkey.
sub without_challenge { return $_[0] =~ s/&quot;challenge&quot;: &quot;[-\w]+//gr; }

sub shows
{
	my ($answer, $status, @rest) = @_;
	my $name = pop @rest;

	is($answer->{status}, $status, "$name: status $status");
	is_deeply($answer->{headers}{'content-type'}, ['text/html; charset=utf-8'], "$name: the answer is an HTML page");
	like($answer->{body}, $_, $name) for @rest;
}

# ---------------------------------------------------------------------------
# A complete promotion
# ---------------------------------------------------------------------------

my $browser = browser();
my ($form, $guest) = form($browser);

like($form, qr{^\Q$page\E\?x_ref=}, 'authorize redirects the browser to the sign-up form');
unlike($form, qr/\Q$guest->{code}/, 'the URL of the form does not contain the promotion code');
my $shown = $browser->get($form);
shows($shown, 200, qr/<form[^>]*method="post"/i, qr/name="login_id"/, qr/name="password"/, qr/Notebook/, 'the form asks for a login ID and a password, and names the application');
is_deeply($shown->{headers}{'cache-control'}, ['no-store'], 'the form has Cache-Control: no-store');

my $done = submit($browser, $form, login_id => 'Me@Example.com');
is($done->{status}, 303, 'submitting the form redirects');
like($done->{location}, qr{^https://app\.example/cb\?code=[-\w]+&state=a%20state&iss=https%3A%2F%2Fauth\.example$}, 'submitting the form redirects to the client with code and state');
is_deeply([ map { /^([^=]+)=/ } @{ $done->{headers}{'set-cookie'} } ], ['__Host-promotion'],
	'submitting the form sets no session cookie for a client that uses tokens');
my $tokens = exchange($done->{location});
is($tokens->{status}, 200, 'the client can exchange the code for tokens');
is((jws_parts($tokens->{json}{access_token}))[1]{sub}, $guest->{sub}, 'the tokens belong to the same user');
is((jws_parts($tokens->{json}{access_token}))[1]{is_anonymous}, 0, 'the user is no longer anonymous');
is(query("SELECT original_value FROM anon_auth.login_ids WHERE user_id = '$guest->{sub}'"), 'Me@Example.com',
	'the user has the e-mail address');
is(browser()->get('/oauth2/userinfo', 'Authorization:' => "Bearer $guest->{access_token}")->{status}, 401,
	"promotion ends the guest's session");
is(exchange($done->{location})->{json}{error}, 'invalid_grant', 'the code cannot be exchanged twice');

# A double click on the submit button, and the back button

my $repeated = submit($browser, $form, login_id => 'me@example.com');
is($repeated->{status}, 303, 'submitting the form again redirects');
is((jws_parts(exchange($repeated->{location})->{json}{access_token}))[1]{sub}, $guest->{sub}, 'submitting the form again logs in to the same user');
shows(submit($browser, $form, login_id => 'me@example.com', password => 'not the one'), 422,
	qr/aria-invalid="true"/, 'submitting the form again with another password is refused');

# The form does not tell which login ID the guest has chosen.

{
	my $other_text = sub { return without_challenge($_[0]{body} =~ s/\Q$_[1]\E/LOGIN ID/gr); };
	my $wrong_password = submit($browser, $form, login_id => 'me@example.com', password => 'not the one');
	my $wrong_login_id = submit($browser, $form, login_id => 'other@example.com', password => 'not the one');

	is("$wrong_login_id->{status} " . $other_text->($wrong_login_id, 'other@example.com'),
		"$wrong_password->{status} " . $other_text->($wrong_password, 'me@example.com'),
		'submitting the form again has the same answer for another login ID as for another password');
	is(submit($browser, $form, login_id => 'other@example.com')->{status}, 422,
		'submitting the form again with the password and another login ID is refused');
	query('SELECT anon_auth.reset_counters()');
	settings(password_attempts_per_minute_per_user => 5);
	is(join(' ', map { submit($browser, $form, login_id => "guess$_\@example.com")->{status} } 1 .. 6), '422 422 422 422 422 429',
		'submitting the form again with other login IDs counts as attempts at the password');
	is(submit($browser, $form, login_id => 'me@example.com')->{status}, 429, 'at the limit, the right login ID has the same answer');
	settings(password_attempts_per_minute_per_user => 30);
	query('SELECT anon_auth.reset_counters()');
}
shows($browser->get($form), 200, qr{https://app\.example/cb\?state=a%20state}, 'reloading the form after the promotion shows a link to the client');
unlike($browser->get($form)->{body}, qr/name="password"/, 'reloading the form after the promotion shows no password field');

# A device key in the login_hint

my $device = AnonAuth::Device->new(alg => 'RS256');
my $keyed = call($node, 'authenticate_anonymously', client_id => 'phone',
	jwt => $device->request(challenge => challenge($node), with_jwk => 1));
my $promote_jwt = $device->request(challenge => challenge($node), action => 'promote');
my $phone = browser();
my $phone_form = authorize($phone, client_id => 'phone', redirect_uri => 'com.example.app://host/path',
	login_hint => hint(jwt => $promote_jwt), x_platform => 'android')->{location};
my $phone_page = $phone->get($phone_form);
like($phone_page->{headers}{'content-security-policy'}[0], qr/form-action 'self' com\.example\.app:/,
	'the Content-Security-Policy allows the form to redirect to the app');
is($phone->get(authorize($phone, client_id => 'phone', redirect_uri => 'com.example.app://host/path',
		login_hint => hint(jwt => $promote_jwt))->{location})->{status}, 200, 'the authorization URL can be loaded again');
my $phone_done = submit($phone, $phone_form, login_id => 'phone@example.com');
like($phone_done->{location}, qr{^com\.example\.app://host/path\?code=}, 'a device can be promoted with its key');
is((jws_parts(exchange($phone_done->{location}, client_id => 'phone', redirect_uri => 'com.example.app://host/path')
		  ->{json}{access_token}))[1]{sub}, $keyed->{sub}, 'the promoted device keeps its user');

shows(submit($browser, $form, login_id => 'phone@example.com'), 422, qr/<main/,
	"submitting the first form with another user's login ID does not log in");

# Every kind of login ID

for my $case ([ 'phone_number', '+852 9876 5432', '+85298765432' ], [ 'username', 'Somebody', 'somebody' ])
{
	my ($type, $given, $kept) = @$case;
	my $b = browser();
	my ($f, $g) = form($b);

	like($b->get("$f&login_id_type=$type")->{body}, qr/value="$type"/, "the form can ask for a login ID of type $type");
	is(submit($b, $f, login_id_type => $type, login_id => $given)->{status}, 303, "the form accepts a login ID of type $type");
	is(query("SELECT value FROM anon_auth.login_ids WHERE user_id = '$g->{sub}'"), $kept, "the login ID is stored as $kept");
}

# A redirect URI with a query

my ($tenant_form) = form(browser(), redirect_uri => 'https://app.example/cb?tenant=1');
{
	my $b = browser();
	my ($f) = form($b, redirect_uri => 'https://app.example/cb?tenant=1', state => undef);

	like(submit($b, $f, login_id => 'tenant@example.com')->{location}, qr{^https://app\.example/cb\?tenant=1&code=[-\w]+&iss=https%3A%2F%2Fauth\.example$},
		'code is appended to the query of the redirect URI');
}

# ---------------------------------------------------------------------------
# Clients that use cookies
# ---------------------------------------------------------------------------

my $cookies = browser();
$cookies->post_json('/api/anonymous_user/signup', { session_type => 'cookie', client_id => 'site' });
my $cookie_sub = $cookies->get('/oauth2/userinfo')->{json}{sub};
my $cookie_code = $cookies->post_json('/api/anonymous_user/promotion_code', { session_type => 'cookie' })
  ->{json}{result}{promotion_code};
my $guest_cookie = $cookies->cookies->{'__Host-session'}[0];
my %site = (client_id => 'site', redirect_uri => 'https://app.example/home', response_type => 'none',
	code_challenge => undef, code_challenge_method => undef, x_sso_enabled => 'true');
my $cookie_done = submit($cookies,
	authorize($cookies, %site, login_hint => hint(promotion_code => $cookie_code))->{location},
	login_id => 'cookie@example.com');
is($cookie_done->{location}, 'https://app.example/home?state=a%20state&iss=https%3A%2F%2Fauth.example', 'a client that uses cookies gets only the state and the issuer');
isnt($cookies->cookies->{'__Host-session'}[0], $guest_cookie, 'promotion replaces the session cookie');
is($cookies->get('/oauth2/userinfo')->{json}{sub}, $cookie_sub, 'the new session cookie belongs to the same user');
is($cookies->get('/oauth2/userinfo')->{json}{email}, 'cookie@example.com', 'the user of the new session cookie has the e-mail address');
my $fixated = browser();
$fixated->cookies->{'__Host-session'} = [ $guest_cookie, {} ];
is($fixated->get('/oauth2/userinfo')->{status}, 401, "the guest's cookie is refused after promotion, which prevents session fixation");
is($cookies->post_json('/api/anonymous_user/signup', { session_type => 'cookie' })->{json}{error}{message},
	'user logged in as normal user', 'a sign-up with the cookie of a regular user is refused');

# Another login in the same browser
sub signed_out { return query("SELECT count(*) FROM anon_auth.events WHERE type = 'user.signed_out' AND user_id = '$cookie_sub' AND client_id = 'site'"); }
my $signed_out = signed_out();
my $account_cookie = $cookies->cookies->{'__Host-session'}[0];
is(submit($cookies, authorize($cookies, %site)->{location}, login_id => 'cookie@example.com')->{status}, 303, 'a browser with a session can log in again');
isnt($cookies->cookies->{'__Host-session'}[0], $account_cookie, 'another login replaces the session cookie');
is(query("SELECT count(*) FROM anon_auth.sessions WHERE user_id = '$cookie_sub'"), 1, 'another login ends the previous session');
is(signed_out() - $signed_out, 1, 'another login writes a user.signed_out event for the previous session');

# ---------------------------------------------------------------------------
# Input that the form refuses
# ---------------------------------------------------------------------------

settings(password_require_digit => 'true', password_min_length => 12, email_domain_blocklist => '{blocked.example}');
my $careful = browser();
my ($careful_form, $careful_guest) = form($careful);
my $before = query('TABLE anon_auth.events') . query('TABLE anon_auth.users');
my @unacceptable = (
	[ 'empty fields', {}, 'login_id' ],
	[ 'no password', { login_id => 'a@example.com', password => '' }, 'password' ],
	[ 'an invalid e-mail address', { login_id => 'not an address' }, 'login_id' ],
	[ 'a blocked domain', { login_id => 'a@blocked.example', password => 'long enough 1' }, 'login_id' ],
	[ 'a short password', { login_id => 'a@example.com', password => 'short1' }, 'password' ],
	[ 'a password without a digit', { login_id => 'a@example.com', password => 'long enough but' }, 'password' ],
	[ 'a password of 9000 bytes', { login_id => 'a@example.com', password => 'x1' x 4500 }, 'password' ]);

for my $case (@unacceptable)
{
	my ($name, $fields, $invalid) = @$case;
	my $answer = submit($careful, $careful_form, %$fields);

	shows($answer, 422, qr/<input(?=[^>]*name="$invalid")(?=[^>]*aria-invalid="true")/s, "a form with $name is refused");
	like($answer->{body}, qr/<input(?=[^>]*name="login_id")(?=[^>]*value="\Q$fields->{login_id}\E")/s,
		"a form with $name is shown again with the login ID") if $fields->{login_id};
	unlike($answer->{body}, qr/<input(?=[^>]*name="password")[^>]*value=/s, "a form with $name is shown again without the password");
}
is(query('TABLE anon_auth.events') . query('TABLE anon_auth.users'), $before, 'refused forms write nothing');

# All errors at once, and none of them more often than needed

sub invalid_fields { return join ' ', grep { $_[0] =~ /<input(?=[^>]*name="$_")(?=[^>]*aria-invalid="true")/s } qw(login_id password); }

# The sentence that a page shows most often, and how often.
sub repeated
{
	my ($body) = @_;
	my %count;

	$body =~ s{<(script|style|head)\b.*?</\1>}{}gs;
	$count{$_}++ for grep { /\w \w/ } map { s/^\s+|\s+$//gr } split /[\n.]/, $body =~ s/<[^>]*>/\n/gr;
	my ($most) = sort { $count{$b} <=> $count{$a} } keys %count;
	return ($count{$most}, $most);
}

for my $case ([ 'a malformed address and a weak password', { login_id => 'nonsense', password => 'short' } ],
	[ 'a malformed address and no password', { login_id => 'nonsense', password => '' } ],
	[ 'no address and a weak password', { login_id => '', password => 'short' } ],
	[ 'a blocked domain and a weak password', { login_id => 'a@blocked.example', password => 'short' } ],
	[ 'a taken address and a weak password', { login_id => 'me@example.com', password => 'short' } ],
	[ 'a taken address and no password', { login_id => 'me@example.com', password => '' } ])
{
	my ($name, $fields) = @$case;
	my $answer = submit($careful, $careful_form, %$fields);

	is($answer->{status}, 422, "a form with $name is refused");
	is(invalid_fields($answer->{body}), 'login_id password', "a form with $name is shown with both errors");
	like($answer->{body}, qr/<a href="#$_"/, "a form with $name: the list of errors has a link to $_") for qw(login_id password);
	my ($times, $sentence) = repeated($answer->{body});
	cmp_ok($times, '<=', 2, "a form with $name: no sentence is shown three times") or diag($sentence);
}
my $weak = submit($careful, $careful_form, login_id => 'a@example.com', password => 'lettersonly');
like($weak->{body}, qr/<li(?=[^>]*data-rule="$_")(?=[^>]*class="broken")/, "a weak password: the rule $_ is marked in the list")
  for qw(length digit);
is(scalar(() = $weak->{body} =~ /at least 12 characters/g), 1, 'a weak password: the page names a broken rule once');
is(is_anonymous($careful_guest->{sub}), 't', 'the guest stays a guest after all errors');
is(submit($careful, $careful_form, login_id => 'careful@example.com', password => 'long enough 1')->{status}, 303,
	'the form can be submitted after refused attempts');
settings(password_require_digit => 'false', password_min_length => 8, email_domain_blocklist => '{}');

# promotion_conflict error: another user's login ID is refused, with an offer to log in

{
	my $b = browser();
	my ($f, $g) = form($b);
	my $taken = submit($b, $f, login_id => 'ME@example.com');
	my $fields = sub { return { map { /name="(\w+)" value="([^"]*)"/ ? ($1 => $2) : () } $_[0] =~ /(<input type="hidden"[^>]*>)/g }; };
	my ($offer) = $taken->{body} =~ m{(<form(?:(?!</form>).)*choose_log_in.*?</form>)}s;

	shows($taken, 422, qr/There is already an account/, qr/will not be moved to that account/, 'with promotion_conflict error, a taken address is refused with an offer to log in');
	is(invalid_fields($taken->{body}), 'login_id', 'the taken address is marked as invalid');
	is_deeply($fields->($offer // ''), { mode => 'choose_log_in', login_id => 'ME@example.com', login_id_type => 'email' }, 'the offer contains the login ID and no password');
	my $chosen = $b->post_form($f, %{ $fields->($offer // '') });
	shows($chosen, 200, qr/current-password/, qr/will not be moved to that account/, qr/<input(?=[^>]*name="login_id")(?=[^>]*value="ME\@example.com")(?=[^>]*readonly)/s,
		'the offer leads to the log-in form of that account, which says what happens to the data of the guest');
	is(invalid_fields($chosen->{body}), '', 'the log-in form marks no field as invalid before a log-in was tried');
	my @wrong = map { without_challenge(submit($b, $f, mode => 'log_in', login_id => $_, password => 'wrong password')->{body} =~ s/\Q$_\E//gr) } 'me@example.com', 'nobody@example.com';
	is($wrong[0], $wrong[1], 'a wrong password at the log-in form does not reveal whether the account exists');
	like($wrong[0], qr/<input(?=[^>]*name="password")(?=[^>]*aria-invalid="true")/s, 'a wrong password is marked as invalid');
	is(query("SELECT count(*) FROM anon_auth.login_ids WHERE value = 'nobody\@example.com'"), 0, 'the log-in form does not sign up');
	my $in = submit($b, $f, mode => 'log_in', login_id => 'me@example.com');
	is((jws_parts(exchange($in->{location})->{json}{access_token}))[1]{sub}, $guest->{sub}, 'the right password logs in to the existing account');
	is(is_anonymous($g->{sub}), 't', 'the guest stays a guest after the login');
	is(query("SELECT count(*) FROM anon_auth.sessions WHERE user_id = '$g->{sub}'"), 1, 'the session of the guest is still alive');
	is(query("SELECT count(*), min(client_id), min(payload ->> 'login_id_type') FROM anon_auth.events WHERE type = 'login_id.conflict' AND user_id = '$g->{sub}'"), '1|web|email',
		'the taken address is an event of the guest');
}

# promotion_conflict login: another user's login ID leads to a login

settings(promotion_conflict => 'login');
my $known = browser();
my ($known_form, $known_guest) = form($known);
my $failures = sub { return query("SELECT count(*) FROM anon_auth.events WHERE type = 'authentication.failed' AND user_id = '$guest->{sub}'"); };
my $failures_before = $failures->();
my $asked = submit($known, $known_form, login_id => 'ME@example.com', password => 'some new password');
shows($asked, 422, qr/There is already an account/, qr/will not be moved to that account/, qr/name="mode"[^>]*value="log_in"|value="log_in"[^>]*name="mode"/, qr/current-password/,
	'with promotion_conflict login, a taken e-mail address leads to the login form');
unlike($asked->{body}, qr/<input(?=[^>]*name="password")(?=[^>]*aria-invalid="true")/s, 'the login form marks no field as invalid before a login was tried');
shows(submit($known, $known_form, mode => 'log_in', login_id => 'me@example.com', password => 'wrong password'), 422,
	qr/<input(?=[^>]*name="password")(?=[^>]*aria-invalid="true")/s, 'the login form marks a wrong password as invalid');
is($failures->(), $failures_before + 1,
	'each failed login writes an event, and a sign-up with a taken address is no login');
is(submit($known, $known_form, login_id => 'me\@example.com')->{status}, 422, 'the sign-up form does not log in, even with the right password');
my $logged_in = submit($known, $known_form, mode => 'log_in', login_id => 'me@example.com', password => 'long enough');
is((jws_parts(exchange($logged_in->{location})->{json}{access_token}))[1]{sub}, $guest->{sub},
	'the right password logs in to the account');
is(is_anonymous($known_guest->{sub}), 't', 'the guest stays a guest after the login');

# promotion_conflict merge: another user's login ID leads to a login and a merge

settings(promotion_conflict => 'merge');
$node->safe_psql('postgres', 'CREATE TABLE carts (user_id uuid UNIQUE REFERENCES anon_auth.users ON DELETE CASCADE, items integer)');
my $merging = browser();
my ($merge_form, $merge_guest) = form($merging);
query("INSERT INTO carts VALUES ('$merge_guest->{sub}', 3)");
shows(submit($merging, $merge_form, login_id => 'me@example.com', password => 'some new password'), 422, qr/will be moved to that account/,
	"with promotion_conflict merge, the login form says that the guest's data will be moved");
shows(submit($merging, $merge_form, mode => 'log_in', login_id => 'me@example.com', password => 'wrong password'), 422,
	qr/<input(?=[^>]*name="password")(?=[^>]*aria-invalid="true")/s, 'a wrong password is refused and merges nothing');
is(is_anonymous($merge_guest->{sub}), 't', 'the guest stays a guest after a wrong password');
my $merged = submit($merging, $merge_form, mode => 'log_in', login_id => 'me@example.com', password => 'long enough');
is((jws_parts(exchange($merged->{location})->{json}{access_token}))[1]{sub}, $guest->{sub},
	'the right password logs in to the account and merges');
is(query("SELECT user_id FROM carts"), $guest->{sub}, "the account has the guest's rows after the merge");
is(query("SELECT count(*) FROM anon_auth.users WHERE id = '$merge_guest->{sub}'"), 0, 'the guest is deleted by the merge');
my $merged_again = submit($merging, $merge_form, mode => 'log_in', login_id => 'me@example.com', password => 'long enough');
is((jws_parts(exchange($merged_again->{location})->{json}{access_token}))[1]{sub}, $guest->{sub},
	'submitting the merge form again logs in to the account again');
shows(submit($merging, $merge_form, login_id => 'someone.new@example.com', password => 'long enough'), 422,
	qr/<input(?=[^>]*name="password")(?=[^>]*aria-invalid="true")/s, 'the form of a merged guest does not tell that a login ID is free');
{
	my $b = browser();
	my ($f, $g) = form($b);

	query("INSERT INTO carts VALUES ('$g->{sub}', 4)");
	shows(submit($b, $f, mode => 'log_in', login_id => 'me@example.com', password => 'long enough'), 422,
		qr/role="alert"/, 'rows that violate a constraint fail the merge');
	is(query("SELECT items FROM carts WHERE user_id = '$g->{sub}'"), 4, "a failed merge keeps the guest's rows");
	is(is_anonymous($g->{sub}), 't', 'a failed merge keeps the guest');
	query('DROP TABLE carts');
}
settings(promotion_conflict => 'error');

# How often an address may learn that a login ID is taken

{
	my @asking = map { my $b = browser('x-forwarded-for' => $_); [ $b, form($b) ] } '192.0.2.1', '192.0.2.2';
	my $try = sub { my ($n, %fields) = @_; return submit($asking[$n][0], $asking[$n][1], %fields); };
	my $count = sub { return query("SELECT count(*) FROM anon_auth.events WHERE type = 'login_id.conflict' AND user_id = '$asking[$_[0]][2]{sub}'"); };

	# Ask about a taken login ID until the limit is reached. Return the number of answers, the
	# seconds that they took, and how long the limit lasts.
	my $until_refused = sub {
		my $begin = time;
		my $answers = 0;
		my $answer;

		$answers++ while ($answer = $try->(0, login_id => 'me@example.com'))->{status} == 422;
		is($answer->{status}, 429, 'the limit is reached');
		return ($answers, time - $begin, $answer->{headers}{'retry-after'}[0]);
	};

	query('SELECT anon_auth.reset_counters()');
	settings(trusted_proxy_hops => 1, password_min_length => 12);
	for my $policy (qw(error login merge))
	{
		query('SELECT anon_auth.reset_counters()');
		settings(promotion_conflict => $policy);
		my $before = $count->(0);
		my ($answers, $seconds) = $until_refused->();

		# On a slow machine, the limit recovers meanwhile.
		ok($answers >= 10 && $answers <= 10 + $seconds / 6, "with promotion_conflict $policy, an address learns ten times a minute that a login ID is taken")
		  or diag("$answers in $seconds seconds");
		is($count->(0) - $before, $answers, "with promotion_conflict $policy, each of these answers is an event");
		my ($free, $refused_for, $asked);
		do
		{
			($refused_for) = ($until_refused->())[2];
			$asked = time;
			$free = $try->(0, login_id => 'free@example.com');
		} while (time - $asked >= $refused_for - 1);
		shows($free, 429, qr/too many attempts/, "with promotion_conflict $policy, beyond the limit a free login ID is refused like a taken one");
		like($free->{headers}{'retry-after'}[0], qr/^[1-6]$/, 'the answer has a Retry-After header');
		is($try->(1, login_id => 'free@example.com')->{status}, 422, 'the limit of one address does not affect another one');
	}
	query('SELECT anon_auth.reset_counters()');
	is(join(' ', map { $try->(0, login_id => "free$_\@example.com")->{status} } 1 .. 20), join(' ', (422) x 20), 'attempts with free login IDs do not count');
	settings(trusted_proxy_hops => 0, password_min_length => 8, promotion_conflict => 'error');
	query('SELECT anon_auth.reset_counters()');
}

# A page says whose guest it is

for my $case ([ 'en', 'error', qr/The guest of Notebook that began on <time datetime="2026-02-03T04:05:06Z">3 February 2026, 04:05 UTC<\/time>/ ],
	[ 'de', 'error', qr/Der Gast von Notebook, der am <time[^>]*>3\. Februar 2026, 04:05 Uhr UTC<\/time>/ ],
	[ 'zh-Hant', 'error', qr/<time[^>]*>2026 \x{5e74} 2 \x{6708} 3 \x{65e5} 04:05/ ],
	[ 'en', 'merge', qr/the guest\x{2019}s data will be moved to it/ ])
{
	my ($language, $policy, $expected) = @$case;
	my $b = browser();
	my ($f, $g) = form($b, ui_locales => $language);

	query("UPDATE anon_auth.users SET created_at = '2026-02-03 04:05:06+00' WHERE id = '$g->{sub}'");
	settings(promotion_conflict => $policy);
	my $body = $b->get($f)->{body};
	utf8::decode($body) if !utf8::is_utf8($body);
	like($body, $expected, "the sign-up page says whose guest it is ($language, promotion_conflict $policy)");
	next if $policy ne 'merge';
	like(submit($b, $f, login_id => 'me@example.com')->{body}, qr/The data of the guest of Notebook that began on <time[^>]*>3 February 2026, 04:05 UTC<\/time> will be moved to that account/,
		'with promotion_conflict merge, the log-in page says whose data will be moved to the account');
}
{
	my $b = browser();

	$b->post_json('/api/anonymous_user/signup', { session_type => 'cookie', client_id => 'site' });
	my $code = $b->post_json('/api/anonymous_user/promotion_code', { session_type => 'cookie' })->{json}{result}{promotion_code};
	my $f = authorize($b, %site, login_hint => hint(promotion_code => $code))->{location};
	unlike($b->get($f)->{body}, qr/The guest of|<time/, 'the page for the guest of this browser does not ask whose guest it is');
	my $asked = submit($b, $f, login_id => 'me@example.com');
	shows($asked, 422, qr/What you did as a guest will be moved to that account/, "with promotion_conflict merge, the page says that the browser's guest will be moved");
	unlike($asked->{body}, qr/The data of the guest/, 'the log-in page for the guest of this browser does not ask whose guest it is');
}
settings(promotion_conflict => 'error');

# Disabled types of login ID

settings(login_id_types => '{username}');
{
	my $b = browser();
	my ($f) = form($b);

	like($b->get($f)->{body}, qr/name="login_id_type"[^>]*value="username"|value="username"[^>]*name="login_id_type"/,
		'the form asks for an enabled type of login ID');
	unlike($b->get("$f&login_id_type=email")->{body}, qr/value="email"/, 'the form does not ask for a disabled type that the URL names');
}
for my $case ([ '{username}', 'Username', 'text', 'Enter a username' ], [ '{email}', 'Email address', 'email', 'Enter your email address' ],
	[ '{phone_number}', 'Phone number', 'tel', 'Enter your phone number' ],
	[ '{username,email}', 'Email address or username', 'text', 'Enter your email address or username' ],
	[ '{phone_number,email}', 'Email address or phone number', 'text', 'Enter your email address or phone number' ],
	[ '{phone_number,username}', 'Phone number or username', 'text', 'Enter your phone number or username' ],
	[ '{email,phone_number,username}', 'Email address, phone number or username', 'text', 'Enter your email address, phone number or username' ])
{
	my ($types, $label, $input, $required) = @$case;
	my $b = browser();

	settings(login_id_types => $types);
	my $f = authorize($b)->{location};
	my $body = $b->get($f)->{body};
	is($body =~ m{<label for="login_id">(.*?)</label>} ? $1 : undef, $label, "the log-in form names only enabled types of login ID: $types");
	like($body, qr/<input(?=[^>]*name="login_id")(?=[^>]*type="$input")(?=[^>]*autocomplete="username")/s, "the input of the log-in form has the type $input for $types");
	like($b->post_form($f, login_id => '', password => 'x')->{body}, qr/<a href="#login_id">\Q$required\E\./, "the message about an empty login ID names only enabled types: $types");
}
settings(login_id_types => '{email,phone_number,username}');

# ---------------------------------------------------------------------------
# Logging in without a guest
# ---------------------------------------------------------------------------

# The tests below try more passwords than the default limits allow.
settings(password_attempts_per_minute_per_user_per_ip => 1000, password_attempts_per_minute_per_user => 1000);
my $returning = browser();
my $login_form = authorize($returning)->{location};
like($login_form, qr{^https://auth\.example/flows/login\?x_ref=}, 'without a login_hint, authorize redirects to the login form');
shows($returning->get($login_form), 200, qr/current-password/, qr/<input(?=[^>]*name="login_id")(?![^>]*readonly)/s, 'the login form asks for a login ID and a password');
for my $wrong ([ 'me@example.com', 'wrong password' ], [ 'nobody@example.com', 'long enough' ])
{
	my $answer = $returning->post_form($login_form, login_id => $wrong->[0], password => $wrong->[1]);

	is($answer->{status}, 422, 'wrong credentials are answered with status 422');
	$answer->{body} =~ s/\Q$wrong->[0]\E//g;
	push @$wrong, $answer->{body};
	is($answer->{body} eq $wrong->[2], 1, 'the answer to wrong credentials is a page');
}
{
	my @bodies = map {
		without_challenge($returning->post_form($login_form, login_id => $_, password => 'wrong one')->{body} =~ s/\Q$_\E//gr)
	} 'me@example.com', 'nobody@example.com';

	is($bodies[0], $bodies[1], 'the page for wrong credentials does not reveal whether the account exists');
}
shows($returning->post_form($login_form, login_id => '', password => ''), 422, qr/aria-invalid="true"/, 'empty credentials are refused');
my $back = $returning->post_form($login_form, login_id => 'me@example.com', password => 'long enough');
is((jws_parts(exchange($back->{location})->{json}{access_token}))[1]{sub}, $guest->{sub}, 'the right password logs in');
shows($returning->get($login_form =~ s/login/promote_user/r), 400, qr/./, 'the URL of the login form is refused by the promotion page');
my $cookie_login = browser();
$cookie_login->post_form(authorize($cookie_login, %site)->{location}, login_id => 'cookie@example.com', password => 'long enough');
is($cookie_login->get('/oauth2/userinfo')->{json}{sub}, $cookie_sub, 'a client that uses cookies gets a session by login');
{
	my $b = browser();
	$b->post_json('/api/anonymous_user/signup', { session_type => 'cookie' });
	my $left = $b->get('/oauth2/userinfo')->{json}{sub};
	$b->post_form(authorize($b, %site)->{location}, login_id => 'cookie@example.com', password => 'long enough');
	is($b->get('/oauth2/userinfo')->{json}{sub}, $cookie_sub, 'a guest with a cookie who logs in gets the session of the account');
	is(query("SELECT count(*) FROM anon_auth.sessions WHERE user_id = '$left'"), 0, "the guest's session is deleted, because its cookie was replaced");
}
is(authorize(browser(), client_id => 'partner', redirect_uri => 'https://partner.example/')->{location} =~ /error=unauthorized_client/, 1,
	'authorize refuses a login for a third-party client');

# Too many attempts

settings(password_attempts_per_minute_per_user => 2);
{
	my $b = browser();
	my $f = authorize($b)->{location};
	my $try = sub { return $b->post_form($f, login_id => $_[0], password => 'wrong password'); };

	is(join(' ', map { $try->('throttled@example.com')->{status} } 1 .. 3), '422 422 429', 'with two attempts a minute, the third one is answered with status 429');
	my $answer = $try->('THROTTLED@example.com ');
	shows($answer, 429, qr/role="alert"/, 'another spelling of the login ID does not avoid the limit');
	like(join(',', @{ $answer->{headers}{'retry-after'} }), qr/^(?:29|30)$/, 'the answer has a Retry-After header');
	is($try->('somebody.else@example.com')->{status}, 422, 'the limit of one login ID does not affect another one');
}
settings(password_attempts_per_minute_per_user => 1000);

# ---------------------------------------------------------------------------
# Errors of authorize: those shown to the user, and those sent to the client
# ---------------------------------------------------------------------------

my @not_redirected = (
	[ 'an unknown client', { client_id => 'x' } ],
	[ 'no client', { client_id => undef } ],
	[ 'no redirect URI', { redirect_uri => undef } ],
	[ 'an unregistered redirect URI', { redirect_uri => 'https://evil.example/' } ],
	[ 'a redirect URI of another client', { redirect_uri => 'https://app.example/home' } ],
	map { [ "the redirect URI $_", { redirect_uri => $_ } ] } 'https://app.example/cb/', 'https://app.example/CB',
	'https://app.example/cb#x', 'https://app.example/cb?x=1', 'https://app.example/cb/../evil', 'https://app.example@evil.example/cb',
	'//app.example/cb', 'javascript:alert(1)', "https://app.example/cb\rSet-Cookie: a=b");

for my $case (@not_redirected)
{
	my ($name, $parameters) = @$case;
	my $answer = authorize(browser(), login_hint => $guest->{hint}, %$parameters);

	is($answer->{status}, 400, "authorize with $name answers with status 400");
	is($answer->{location}, undef, "authorize with $name does not redirect");
	is_deeply($answer->{headers}{'content-type'}, ['text/plain; charset=utf-8'], "authorize with $name answers in plain text");
	like($answer->{body}, qr/^Invalid OAuth authorization request: /, "authorize with $name answers that the request is invalid");
	is($answer->{headers}{'set-cookie'}, undef, "authorize with $name sets no cookie");
}

for my $case ([ 'text/html,application/xhtml+xml,*/*;q=0.8', 1 ], [ 'application/xml;q=0.9, TEXT/HTML;q=0.5', 1 ],
	[ '*/*', 0 ], [ 'application/json', 0 ], [ 'text/html;q=0, */*', 0 ], [ 'text/html;q=0.0', 0 ])
{
	my ($accept, $is_page) = @$case;
	my $answer = authorize(browser(accept => $accept, 'accept-language' => 'de'), client_id => 'x');

	is($answer->{status}, 400, "an unknown client is answered with status 400 (Accept: $accept)");
	is_deeply($answer->{headers}{'content-type'}, [ $is_page ? 'text/html; charset=utf-8' : 'text/plain; charset=utf-8' ],
		'an unknown client is answered with ' . ($is_page ? 'a page' : 'text') . " (Accept: $accept)");
	like($answer->{body}, qr/Invalid OAuth authorization request: /, "the answer says that the request is invalid (Accept: $accept)");
	like($answer->{body}, qr/<html[^>]*lang="de"(?s:.*)<h1>/, "the page has a heading in the language of the browser (Accept: $accept)") if $is_page;
	ok((grep { /\bAccept\b(?!-)/ } @{ $answer->{headers}{vary} // [] }) > 0, "caches are told that the answer depends on Accept (Accept: $accept)");
}
is(browser()->get('/oauth2/authorize?client_id=web&client_id=web')->{status}, 400, 'authorize with a repeated parameter answers with status 400');
for my $case ([ 'authorize with an unknown client', '/oauth2/authorize?client_id=x&ui_locales=de', 'de' ],
	[ 'end_session with an unknown client', '/oauth2/end_session?client_id=x&ui_locales=de', 'de' ],
	[ 'authorize with a repeated ui_locales', '/oauth2/authorize?client_id=x&ui_locales=de&ui_locales=de', 'en' ],
	[ 'authorize with a malformed parameter', '/oauth2/authorize?client_id=%&ui_locales=de', 'en' ])
{
	my ($name, $path, $locale) = @$case;
	my $answer = browser(accept => 'text/html', 'accept-language' => 'en')->get($path);

	is("$answer->{status} $answer->{headers}{'content-type'}[0]", '400 text/html; charset=utf-8', "$name answers with a page");
	like($answer->{body}, qr/<html[^>]*lang="$locale"/, "$name answers in the language of ui_locales, if that can be read");
}

my $id_token = do
{
	my $b = browser();

	exchange($b->post_form(authorize($b)->{location}, login_id => 'me@example.com', password => 'long enough')->{location})->{json}{id_token};
};
my $live = guest();
my $live_sub = $live->{sub};
my @redirected = (
	[ 'no response type', { response_type => undef }, 'invalid_request', 'response_type is required' ],
	[ 'an unknown response type', { response_type => 'token' }, 'unsupported_response_type', 'response type is not supported' ],
	[ 'response mode "fragment"', { response_mode => 'fragment' }, 'invalid_request', "only response mode 'query' is supported" ],
	[ 'no scope', { scope => undef }, 'invalid_request', 'scope is required' ],
	[ 'a scope without openid', { scope => 'offline_access' }, 'invalid_scope', "must request 'openid' scope" ],
	[ 'an unknown scope', { scope => 'openid admin' }, 'invalid_scope', 'specified scope is not allowed: admin' ],
	[ 'no PKCE', { code_challenge => undef }, 'invalid_request', 'PKCE code challenge is required for public clients' ],
	[ 'PKCE method "plain"', { code_challenge_method => 'plain' }, 'invalid_request', "only 'S256' PKCE transform is supported" ],
	[ 'PKCE without a method', { code_challenge_method => undef }, 'invalid_request', "only 'S256' PKCE transform is supported" ],
	[ 'a bad code challenge', { code_challenge => 'x' }, 'invalid_request', 'invalid PKCE code challenge' ],
	[ 'a request object', { request => 'e30.e30.' }, 'request_not_supported', 'request is not supported' ],
	[ 'the URI of a request object', { request_uri => 'https://app.example/r' }, 'request_uri_not_supported', 'request_uri is not supported' ],
	[ 'client metadata', { registration => '{}' }, 'registration_not_supported', 'registration is not supported' ],
	[ 'response type "none" of a client without cookies', { response_type => 'none' }, 'unauthorized_client', 'response type is not allowed for this client' ],
	[ 'characters that an error_description cannot have', { scope => "openid \"a\\\x{fc}\x{4e2d}" }, 'invalid_scope', "specified scope is not allowed: 'a/??" ],
	[ 'prompt "none"', { prompt => 'none' }, 'login_required', 'authentication required' ],
	[ 'prompt "none login"', { prompt => 'none login' }, 'invalid_request', "prompt 'none' cannot be combined with other values" ],
	[ 'a negative max_age', { max_age => '-1' }, 'invalid_request', 'max_age must be a number of seconds' ],
	[ 'a max_age in words', { max_age => 'soon' }, 'invalid_request', 'max_age must be a number of seconds' ],
	[ 'ui_locales of 3000 bytes', { ui_locales => 'de ' x 1000 }, 'invalid_request', 'ui_locales is too long' ],
	[ 'an id_token_hint beside the hint of a guest', { id_token_hint => $id_token }, 'invalid_request', 'id_token_hint cannot be combined with the login_hint of a guest' ],
	[ 'a nonce of 300 bytes', { nonce => 'n' x 300 }, 'invalid_request', 'nonce is too long' ],
	[ 'a login hint of another type', { login_hint => 'https://authgear.com/login_hint?type=oauth' },
		'invalid_request', 'invalid login_hint type' ],
	[ 'a login hint without proof', { login_hint => 'https://authgear.com/login_hint?type=anonymous' },
		'invalid_request', 'unexpected login hint content' ],
	[ 'an invalid promotion code', { login_hint => hint(promotion_code => 'x') }, 'invalid_request', 'invalid promotion code' ],
	[ 'an invalid jwt', { login_hint => hint(jwt => 'x') }, 'invalid_request', 'InvalidCredentials' ],
	[ 'a jwt that was used for a promotion', { login_hint => hint(jwt => $promote_jwt) }, 'invalid_request', 'InvalidCredentials' ],
	[ 'the promotion code of a regular user', { login_hint => $guest->{hint} }, 'invalid_request', 'user logged in as normal user' ]);

for my $case (@redirected)
{
	my ($name, $parameters, $error, $description) = @$case;
	my $answer = authorize(browser(), login_hint => $live->{hint}, %$parameters);

	is($answer->{status}, 303, "authorize with $name redirects");
	like($answer->{location}, qr{^https://app\.example/cb\?error=}, "authorize with $name redirects to the client with an error");
	is_deeply(parameters($answer->{location}), { error => $error, error_description => $description, state => 'a state', iss => 'https://auth.example' },
		"authorize with $name sends the error, its description and the state");
	is($answer->{headers}{'set-cookie'}, undef, "authorize with $name sets no cookie");
}
like(browser()->post_form('/oauth2/authorize', %authorize, login_hint => $live->{hint})->{location}, qr{^\Q$page\E\?x_ref=},
	'authorize accepts POST from a page of the issuer');
for my $from ({ 'sec-fetch-site' => 'cross-site', origin => 'https://app.example' }, { 'sec-fetch-site' => 'same-site', origin => 'https://app.example' },
	{ 'sec-fetch-site' => undef, origin => 'null' }, { 'sec-fetch-site' => undef }, { 'sec-fetch-site' => 'none' })
{
	my $name = join ' ', map { $_ . ' ' . ($from->{$_} // 'none') } sort keys %$from;
	my $posting = browser();
	my $sent = $posting->post_form('/oauth2/authorize', %authorize, login_hint => $live->{hint}, x_page => 'login',
		"line\r\nX-Injected: yes\r\n\r\n" => 'x', map { ("$_:" => $from->{$_}) } keys %$from);

	is_deeply([ $sent->{status}, $sent->{headers}{'set-cookie'} ], [ 303, undef ], "authorize redirects a POST without a cookie ($name)");
	like($sent->{location}, qr{^https://auth\.example/oauth2/authorize\?}, "authorize redirects a POST to itself ($name)");
	is_deeply(parameters($sent->{location}), { %authorize, login_hint => $live->{hint} }, "authorize redirects a POST with the parameters that it knows ($name)");
	is($posting->get($posting->get($sent->{location}, 'Sec-Fetch-Site:' => 'cross-site')->{location})->{status}, 200,
		"the redirected POST leads to the form ($name)");
}
is_deeply(parameters(browser()->post_form('/oauth2/authorize', %authorize, login_hint => $live->{hint}, nonce => 'x' x 7000,
			'Sec-Fetch-Site:' => 'cross-site')->{location}),
	{ error => 'invalid_request', error_description => 'the request is too long', state => 'a state', iss => 'https://auth.example' },
	'authorize refuses a POST that is too long for an address');
for my $header ([ 'sec-fetch-mode', 'no-cors' ], [ 'sec-fetch-mode', 'cors' ], [ 'sec-fetch-dest', 'image' ], [ 'sec-fetch-dest', 'iframe' ])
{
	is(browser(@$header)->get('/oauth2/authorize', %authorize)->{headers}{'set-cookie'}, undef, "authorize sets no cookie with @$header");
}
# A state is refused before it is repeated, and the answer stays short.
for my $case ([ 'a state of 7000 bytes', state => 's' x 7000 ], [ 'a state of 2000 bytes that need encoding', state => '%' x 2000 ],
	[ 'a state of 7000 bytes and an error', state => 's' x 7000, prompt => 'none' ])
{
	my ($name, %parameters) = @$case;

	is_deeply(parameters(authorize(browser(), login_hint => $live->{hint}, %parameters)->{location}),
		{ error => 'invalid_request', error_description => 'state is too long', iss => 'https://auth.example' },
		"authorize with $name is refused");
}
{
	my $b = browser();
	my $state = 'Ab-_' x 650;

	is(parameters(authorize($b, prompt => 'none', state => $state)->{location})->{state}, $state, 'an error has a state of 2600 bytes');
	my $f = authorize($b, state => $state)->{location};
	is(parameters($b->post_form($f, login_id => 'me@example.com', password => 'long enough')->{location})->{state}, $state,
		'an authorization response has a state of 2600 bytes');
}

# A login_hint that is not Authgear's is only a hint (OpenID Connect Core, section 3.1.2.1).
for my $hint ('https://evil.example/login_hint?type=anonymous&jwt=x', 'opaque id', 'https://authgear.com/login_hint',
	'd9428888-122b-11e1-b85c-61cd3cbb3210', '<b>')
{
	my $b = browser();
	my $page = $b->get(authorize($b, login_hint => $hint)->{location});

	is($page->{status}, 200, "the login_hint $hint leads to the login page");
	unlike($page->{body}, qr/name="login_id"[^>]*value="[^"]/, "the login_hint $hint fills in no login ID");
}
for my $hint ('me@example.com', '+49 30 123456', 'some_body')
{
	my $b = browser();

	like($b->get(authorize($b, login_hint => $hint)->{location})->{body}, qr/name="login_id"[^>]*value="\Q$hint\E"/,
		"the login_hint $hint fills in the login ID");
}

# ---------------------------------------------------------------------------
# A redirect URI that is removed from the client while a flow is open
# ---------------------------------------------------------------------------

{
	my $kept = query(q{SELECT redirect_uris FROM anon_auth.clients WHERE client_id = 'web'});
	my $signing_up = browser();
	my $logging_in = browser();
	my ($sign_up_form, $waiting_guest) = form($signing_up);
	my $log_in_form = authorize($logging_in)->{location};
	my $log_in = sub { return $logging_in->post_form($log_in_form, login_id => 'me@example.com', password => 'long enough') };
	my $code = $log_in->()->{location};

	query(q{UPDATE anon_auth.clients SET redirect_uris = '{https://app.example/other}' WHERE client_id = 'web'});
	shows($signing_up->get($sign_up_form), 400, qr/./, 'after its redirect URI was removed, an open sign-up form is not shown again');
	my $answer = submit($signing_up, $sign_up_form, login_id => 'removed@example.com');
	is($answer->{location}, undef, 'after its redirect URI was removed, submitting the form does not redirect');
	unlike($answer->{body}, qr{app\.example/cb}, 'after its redirect URI was removed, the page has no link to it');
	is(is_anonymous($waiting_guest->{sub}), 't', 'after its redirect URI was removed, submitting the form does not promote the guest');
	is($log_in->()->{location}, undef, 'after its redirect URI was removed, submitting a login form does not redirect');
	is(exchange($code)->{status}, 400, 'after its redirect URI was removed, a code issued for it is refused');
	query("UPDATE anon_auth.clients SET redirect_uris = '$kept' WHERE client_id = 'web'");
	ok(exchange($code)->{json}{access_token}, 'after its redirect URI was registered again, the code can be exchanged');
	ok($log_in->()->{location}, 'after its redirect URI was registered again, submitting the login form redirects');
}

# ---------------------------------------------------------------------------
# A form is bound to its browser and its guest, and expires
# ---------------------------------------------------------------------------

my $mine = browser();
my ($my_form, $my_guest) = form($mine);
sub expired
{
	my ($answer, $name) = @_;

	shows($answer, 400, qr/./, $name);
	unlike($answer->{body}, qr/name="password"/, "$name: the page has no form");
}
# The same, with a link back to the client.
sub expired_with_link
{
	my ($answer, $name) = @_;

	expired(@_);
	like($answer->{body}, qr{<a [^>]*href="https://app\.example/cb\?error=access_denied&amp;[^"]*"}, "$name: the page has a link to the client");
}
expired_with_link(browser()->get($my_form), 'the form is not shown in another browser');
expired_with_link(submit(browser(), $my_form, login_id => 'thief@example.com'), 'the form cannot be submitted in another browser');
my $third = browser();
form($third);
expired_with_link($third->get($my_form), 'the form is not shown in a browser that has another form');
expired($mine->get($page), 'the form is not shown without x_ref');
expired($mine->get("$page?x_ref=" . ($my_form =~ /x_ref=([^.]*)/)[0] . '.AAAA'), 'the form is not shown with a tag that is too short');
my ($payload, $tag) = $my_form =~ /x_ref=([^.]*)\.(.*)/;
my $changed = encode_base64url(decode_base64url($payload) =~ s/"sub":"\K[^"]*/$live_sub/r);
expired($mine->get("$page?x_ref=$payload." . encode_base64url("\0" x 32)), 'the form is not shown with a forged tag of the right length');
my $foreign = $mine->get("$page?x_ref=$changed.$tag");
expired($foreign, 'the form is not shown with the id of another guest');
unlike($foreign->{body}, qr{app\.example}, 'the page does not repeat addresses that are not authentic');
expired($mine->get("$page?x_ref=$payload."), 'the form is not shown without a tag');
expired($mine->get("$page?x_ref=$payload.$tag."), 'the form is not shown with two tags');
expired($mine->get("$page?x_ref=x" . ($my_form =~ /x_ref=(.*)/)[0]), 'the form is not shown with a changed x_ref');
is(is_anonymous($my_guest->{sub}), 't', 'the guest stays a guest after all refused forms');

for my $from ({ 'sec-fetch-site' => 'cross-site' }, { origin => 'https://evil.example', 'sec-fetch-site' => undef },
	{ origin => 'null', 'sec-fetch-site' => undef }, { origin => 'https://app.example', 'sec-fetch-site' => 'same-site' })
{
	my $answer = $mine->request('POST', $my_form,
		AnonAuth::Browser::form(login_id_type => 'email', login_id => 'x@example.com', password => 'long enough'),
		'content-type' => 'application/x-www-form-urlencoded', %$from);

	cmp_ok($answer->{status}, '>=', 400, 'a form submitted from another site is refused: '
		  . join ' ', map { $_ . ' ' . ($from->{$_} // 'none') } sort keys %$from);
}
is(is_anonymous($my_guest->{sub}), 't', 'a form submitted from another site does not promote the guest');
is($returning->request('POST', $login_form, AnonAuth::Browser::form(login_id => 'me@example.com', password => 'long enough'),
		'content-type' => 'application/x-www-form-urlencoded', origin => 'https://app.example', 'sec-fetch-site' => 'same-site')->{status},
	403, 'a login form submitted from another origin is refused');

my $second_tab = authorize($mine, login_hint => guest()->{hint})->{location};
is($mine->get($my_form)->{status}, 200, 'the first form is still shown after another one was opened in a second tab');
is(submit($mine, $second_tab, login_id => 'tab2@example.com')->{status}, 303, 'the form of the second tab can be submitted');
is(submit($mine, $my_form, login_id => 'tab1@example.com')->{status}, 303, 'the form of the first tab can be submitted after that of the second');


# The cookie that binds flows to a browser

sub flows { return $_[0]->cookies->{'__Host-promotion'}; }
{
	my $tabs = browser();
	my @forms = map { (form($tabs))[0] } 1 .. 9;
	my @entries = split /\./, flows($tabs)->[0];

	is(scalar @entries, 8, 'the cookie has entries for eight flows');
	expired($tabs->get($forms[0]), 'the ninth flow replaces the oldest');
	is($tabs->get($_)->{status}, 200, 'the other flows stay open') for @forms[ 1 .. 8 ];

	my $with = sub {
		my ($value) = @_;
		my $forger = browser();

		$forger->cookies->{'__Host-promotion'} = [ $value, {} ];
		return $forger->get($forms[1]);
	};
	is($with->($entries[0])->{status}, 200, 'the entry of a flow opens it');
	is($with->("garbage..$entries[0].")->{status}, 200, 'entries that cannot be read are left out');
	expired($with->(join '.', @entries[ 1 .. 7 ]), 'the entries of other flows do not open it');
	my $flipped = decode_base64url($entries[0]);
	substr($flipped, 9, 1) ^= "\x01";
	expired($with->(encode_base64url($flipped)), 'an entry with another secret is not authentic');
	expired($with->(encode_base64url(substr(decode_base64url($entries[0]), 0, 25) . "\0" x 16)), 'an entry with a forged MAC is not authentic');
	expired($with->(encode_base64url(decode_base64url($entries[0]) . 'x')), 'an entry that is too long is not authentic');
	expired($with->(query("SELECT token FROM anon_auth.create_challenge()")), 'a challenge is no entry');
	my ($x_ref) = $forms[1] =~ /x_ref=([^.]*)/;
	my ($browser_hash) = decode_base64url($x_ref) =~ /"browser":"([^"]*)"/;
	expired($with->($browser_hash), 'the hash in x_ref is no entry');

	my $before = flows($tabs)->[0];
	is(submit($tabs, $forms[8], login_id => 'ninth@example.com')->{status}, 303, 'the ninth form can be submitted');
	my @after = split /\./, flows($tabs)->[0];
	is(scalar(grep { my $entry = $_; !grep { $_ eq $entry } split /\./, $before } @after), 1, 'the end of a flow changes its entry alone');
	is($tabs->get($forms[1])->{status}, 200, 'the other flows stay open after the end of one');
	my $secret = substr decode_base64url($entries[7]), 9, 16;
	unlike(join('', map { decode_base64url($_) } @after), qr/\Q$secret\E/, 'the end of a flow removes its secret from the cookie');
}
{
	settings(promotion_conflict => 'login');
	my $b = browser();
	my ($f, $g) = form($b);

	submit($b, $f, login_id => 'me@example.com');
	is(submit($b, $f, mode => 'log_in', login_id => 'me@example.com')->{status}, 303, 'a flow can end with a login to another account');
	my $again = submit($b, $f, login_id => 'afterwards@example.com');
	isnt($again->{status}, 303, 'a finished flow does not promote its guest any longer');
	is(is_anonymous($g->{sub}), 't', 'the guest of a finished flow stays a guest');
	shows($b->get($f), 200, qr{https://app\.example/cb\?state=a%20state}, 'a finished flow shows a link to the client');
	settings(promotion_conflict => 'error');
}

my $ended = browser();
my ($ended_form, $ended_guest) = form($ended);
browser()->post_form('/oauth2/revoke', token => $ended_guest->{refresh_token});
expired(submit($ended, $ended_form, login_id => 'late@example.com'), 'the form of a guest that has logged out is refused');
my $disabled = browser();
my ($disabled_form, $disabled_guest) = form($disabled);
call($node, 'disable_user', user_id => $disabled_guest->{sub});
cmp_ok(submit($disabled, $disabled_form, login_id => 'late@example.com')->{status}, '>=', 400,
	'the form of a disabled guest is refused');
is(query("SELECT count(*) FROM anon_auth.login_ids WHERE value = 'late\@example.com'"), 0, 'the refused forms create no login ID');

# ---------------------------------------------------------------------------
# Headers of the pages, and hostile text in them
# ---------------------------------------------------------------------------

my $hostile = q{"><script>alert(1)</script><img src=x onerror=alert(1)>'};
settings(brand_name => $hostile, page_texts => '{"en": {"sign_up_title": "<b>{app}</b><script>"}}');
my $victim = browser('accept-language' => $hostile);
my ($victim_form) = form($victim, state => $hostile, ui_locales => $hostile);
my @pages = ($victim->get($victim_form), submit($victim, $victim_form, login_id => $hostile),
	submit($victim, $victim_form, login_id => $hostile, login_id_type => $hostile, mode => $hostile),
	$victim->get("$victim_form&login_id_type=" . AnonAuth::Browser::encode($hostile)),
	browser()->get('/oauth2/end_session', post_logout_redirect_uri => $hostile, state => $hostile),
	$cookies->get('/oauth2/end_session', post_logout_redirect_uri => $hostile, state => $hostile, 'sec-fetch-site:' => 'cross-site'));
for my $i (0 .. $#pages)
{
	my $body = $pages[$i]{body};
	my $csp = $pages[$i]{headers}{'content-security-policy'}[0];
	my @scripts = $body =~ m{<script[^>]*>(.*?)</script>}gs;
	my @styles = $body =~ m{<style[^>]*>(.*?)</style>}gs;

	unlike($body, qr/<script>alert|<img src=x|<b>/, "page $i: hostile strings are escaped");
	unlike($body =~ s/"[^"]*"//gr, qr/<[a-z][^<>]*\s(?:on\w+|style)\s*=/i, "page $i: there is no inline handler and no inline style");
	unlike($body, qr{<[a-z][^<>]*\s(?:src|href)\s*=\s*["']?(?:https?:)?//(?!app\.example)}i, "page $i: nothing is loaded from other origins");
	like($csp, qr/(?:^|; )default-src 'none'(?:;|$)/, "page $i: the Content-Security-Policy allows nothing by default");
	like($csp, qr/frame-ancestors 'none'/, "page $i: the Content-Security-Policy forbids framing");
	like($csp, qr/img-src 'self'(?:;| https?:)/, "page $i: the Content-Security-Policy allows the site's icon");
	like($csp, qr/base-uri 'none'/, "page $i: the Content-Security-Policy forbids a base URL");
	like($csp, qr/form-action 'self'/, "page $i: the Content-Security-Policy allows forms to the page's own origin");
	unlike($csp, qr/unsafe|\*/, "page $i: the Content-Security-Policy has neither wildcards nor unsafe sources");
	for my $inline (@scripts, @styles)
	{
		utf8::encode($inline) if utf8::is_utf8($inline);
		like($csp, qr/'sha256-\Q@{[ sha256_base64($inline) ]}\E=?'/, "page $i: the Content-Security-Policy allows the inline code by its hash");
	}
	is_deeply($pages[$i]{headers}{$_->[0]}, [ $_->[1] ], "page $i: the header $_->[0] is set")
	  for [ 'x-frame-options', 'DENY' ], [ 'x-content-type-options', 'nosniff' ], [ 'referrer-policy', 'strict-origin' ];
}
settings(brand_name => undef, page_texts => '{}');

# Languages

for my $case ([ 'de', '', 'de' ], [ 'zh-TW en', '', 'zh-Hant' ], [ '', 'de-AT,de;q=0.9,en;q=0.5', 'de' ],
	[ 'fr', 'xx', 'en' ], [ '', '', 'en' ])
{
	my ($ui_locales, $accept_language, $expected) = @$case;
	my $b = browser('accept-language' => $accept_language);
	my ($f) = form($b, ui_locales => $ui_locales);

	like($b->get($f)->{body}, qr/<html[^>]*lang="$expected"/, "ui_locales '$ui_locales', Accept-Language '$accept_language': $expected");
}

# Guessing the password of an account during a promotion

settings(promotion_conflict => 'merge', password_attempts_per_minute_per_user => 1);
my $guessing = browser();
my ($guessing_form) = form($guessing);
shows(submit($guessing, $guessing_form, mode => 'log_in', login_id => 'phone@example.com', password => 'a wrong one'), 422, qr/aria-invalid="true"/,
	'a wrong password for the account to merge with is refused');
my $too_often = submit($guessing, $guessing_form, mode => 'log_in', login_id => 'phone@example.com', password => 'another one');
shows($too_often, 429, qr/name="password"/, qr/too many attempts/, 'the second wrong password in a minute is answered with status 429');
like($too_often->{headers}{'retry-after'}[0], qr/^\d+$/, 'the answer has a Retry-After header');
settings(promotion_conflict => 'error', password_attempts_per_minute_per_user => 30);
query('SELECT anon_auth.reset_counters()');

# Overlong login IDs

my $long = browser();
my ($long_form) = form($long);
shows(submit($long, $long_form, login_id => 'x' x 5000 . '@example.com'), 422, qr/aria-invalid="true"/, 'a sign-up with a login ID of 5000 characters is refused');
my $long_login = authorize($long)->{location};
shows($long->post_form($long_login, login_id => 'x' x 5000, password => 'long enough'), 422, qr/aria-invalid="true"/, 'a login with a login ID of 5000 characters is refused');

# Logout requested by another site

my $asked_out = $cookies->get('/oauth2/end_session', post_logout_redirect_uri => 'https://app.example/bye', state => 's',
	ui_locales => 'de', 'sec-fetch-site:' => 'cross-site');
shows($asked_out, 200, qr/<form[^>]*method="post"/i, qr/<html[^>]*lang="de"/, qr/name="ui_locales" value="de"/, 'end_session requested by another site asks the user to confirm');
is($cookies->get('/oauth2/userinfo')->{status}, 200, 'end_session requested by another site does not end the session');
is($cookies->post_form('/oauth2/end_session', post_logout_redirect_uri => 'https://app.example/bye', state => 's')->{location},
	'https://app.example/bye?state=s', 'end_session redirects after the user confirmed');
is($cookies->get('/oauth2/userinfo')->{status}, 401, 'end_session ends the session after the user confirmed');

# A guest who would be lost

{
	my $leaving = browser();
	my %sign_up = (session_type => 'cookie', client_id => 'site');
	my %bye = (post_logout_redirect_uri => 'https://app.example/bye', state => 's');
	my $again = qr/You can log in again at any time/;

	$leaving->post_json('/api/anonymous_user/signup', \%sign_up);
	my $guest = $leaving->get('/oauth2/userinfo')->{json}{sub};
	my $asked = $leaving->get('/oauth2/end_session', %bye, 'Sec-Fetch-Site:' => 'none');

	shows($asked, 200, qr/What you did as a guest will be lost/, qr/name="mode" value="sign_up"/, qr/Log out anyway/, 'the log-out page warns a guest');
	unlike($asked->{body}, $again, 'the log-out page does not promise a guest that it can log in again');
	like($asked->{headers}{'content-security-policy'}[0], qr{form-action 'self' https://app\.example;}, 'both forms can lead to the client');
	shows($leaving->get('/oauth2/end_session', %bye, ui_locales => $_->[0], 'Sec-Fetch-Site:' => 'none'), 200, $_->[1], "the log-out page warns a guest in $_->[0]")
	  for [ de => qr/geht verloren/ ], [ 'zh-Hant' => qr/lang="zh-Hant".*name="mode" value="sign_up"/s ];

	my $posted = $leaving->post_form('/oauth2/end_session', %bye, mode => 'sign_up');
	like($posted->{location}, qr{^https://auth\.example/oauth2/authorize\?}, 'the button of the page leads to the sign-up');
	is($leaving->get('/oauth2/userinfo')->{json}{sub}, $guest, 'the button ends no session');
	my $form = $leaving->get($posted->{location})->{location};
	like($form, qr{^https://auth\.example/flows/promote_user\?}, 'the guest of the cookie is promoted');
	is($leaving->post_form($form, login_id_type => 'username', login_id => 'stays', password => 'long enough')->{location}, 'https://app.example/home?iss=https%3A%2F%2Fauth.example',
		'the sign-up leads back to the client of the guest');
	is($leaving->get('/oauth2/userinfo')->{json}{sub}, $guest, 'the account is that of the guest');
	$asked = $leaving->get('/oauth2/end_session', %bye, 'Sec-Fetch-Site:' => 'none');
	shows($asked, 200, $again, qr/>Log out</, 'the log-out page tells a regular user that it can log in again');
	unlike($asked->{body}, qr/name="mode"|will be lost/, 'the log-out page warns no regular user');
	is($leaving->post_form('/oauth2/end_session', %bye, mode => 'sign_up')->{location}, 'https://auth.example/oauth2/end_session?post_logout_redirect_uri=https%3A%2F%2Fapp.example%2Fbye&state=s',
		'a form that another tab has made out of date leads to the question again');

	my $other = browser();
	$other->post_json('/api/anonymous_user/signup', \%sign_up);
	is($other->post_form('/oauth2/end_session', %bye, mode => 'sign_up', 'sec-fetch-site:' => 'cross-site')->{headers}{'set-cookie'}, undef,
		'another site cannot begin the sign-up');
	$posted = browser()->post_form('/oauth2/end_session', %bye, 'sec-fetch-site:' => 'cross-site', 'origin:' => 'https://evil.example');
	is($posted->{location}, 'https://auth.example/oauth2/end_session?post_logout_redirect_uri=https%3A%2F%2Fapp.example%2Fbye&state=s',
		'a POST of another site, which comes without the cookie, is sent again as a GET, so that the page knows whether it asks a guest');

	my $clientless = browser();
	$clientless->post_json('/api/anonymous_user/signup', { session_type => 'cookie' });
	$asked = $clientless->get('/oauth2/end_session', 'Sec-Fetch-Site:' => 'none');
	shows($asked, 200, qr/will be lost/, 'a guest without a client is warned');
	unlike($asked->{body}, qr/name="mode"/, 'without a client, nothing can be offered');
}

# Origins that may end the session of a cookie

{
	my $by_cookie = browser();
	$by_cookie->post_json('/api/anonymous_user/signup', { session_type => 'cookie', client_id => 'site' });
	my @bye = (post_logout_redirect_uri => 'https://app.example/bye');
	my %cookie = %{ $by_cookie->cookies };
	my $post = sub {
		return $by_cookie->request('POST', '/oauth2/end_session', AnonAuth::Browser::form(@bye),
			'content-type' => 'application/x-www-form-urlencoded', @_);
	};
	my %asked = (
		'a GET without headers' => sub { $by_cookie->get('/oauth2/end_session', @bye, 'Sec-Fetch-Site:' => undef) },
		'a GET of an address that was opened' => sub { $by_cookie->get('/oauth2/end_session', @bye, 'Sec-Fetch-Site:' => 'none') },
		'a POST with Sec-Fetch-Site: none' => sub { $post->('sec-fetch-site' => 'none') },
		'a GET of the same site' => sub { $by_cookie->get('/oauth2/end_session', @bye, 'Sec-Fetch-Site:' => 'same-site') },
		'a POST of the same site' => sub { $post->('sec-fetch-site' => 'same-site', origin => 'https://app.example') },
		'a POST with another Origin' => sub { $post->('sec-fetch-site' => 'same-origin', origin => 'https://app.example') },
		'a POST with Origin null' => sub { $post->('sec-fetch-site' => undef, origin => 'null') },
		'a POST without headers' => sub { $post->('sec-fetch-site' => undef) });
	for my $name (sort keys %asked)
	{
		my $answer = $asked{$name}->();

		shows($answer, 200, qr/<form[^>]*method="post"/i, "$name to end_session leads to a question");
		is($answer->{headers}{'set-cookie'}, undef, "$name to end_session sets no cookie");
		is_deeply($answer->{headers}{'cache-control'}, ['no-store'], "$name to end_session is not cacheable");
		is($by_cookie->get('/oauth2/userinfo')->{status}, 200, "$name to end_session ends no session");
	}
	is($post->('sec-fetch-site' => undef, origin => 'https://auth.example')->{location}, 'https://app.example/bye',
		'a POST with the Origin of the issuer logs out at once');
	is($by_cookie->cookies->{'__Host-session'}, undef, 'a POST with the Origin of the issuer removes the cookie');

	my $nobody = browser()->get('/oauth2/end_session', @bye, 'Sec-Fetch-Site:' => 'cross-site');
	is($nobody->{location}, 'https://app.example/bye', 'a browser without a session is redirected at once');
	is($nobody->{headers}{'set-cookie'}, undef, 'a browser without a session keeps its cookies if another site asks');
}

# A logout that names a client, and one with an ID token

{
	query(q{UPDATE anon_auth.clients SET post_logout_redirect_uris = '{https://app.example/web-bye}' WHERE client_id = 'web'});
	my $log_in = sub { return call($node, 'authenticate_anonymously', client_id => 'web'); };
	my $alive = sub { return query("SELECT count(*) FROM anon_auth.sessions WHERE user_id = '$_[0]{sub}'"); };
	my @from = ('Sec-Fetch-Site:' => 'cross-site');
	my @web_bye = (post_logout_redirect_uri => 'https://app.example/web-bye');

	my $user = $log_in->();
	is(browser()->get('/oauth2/end_session', @web_bye, id_token_hint => $user->{id_token}, client_id => 'site', @from)->{location}, undef,
		'end_session does not redirect to the URI of another client');
	is($alive->($user), 1, "an id_token_hint of another client than client_id's ends no session");
	is(browser()->get('/oauth2/end_session', @web_bye, id_token_hint => $user->{access_token}, @from)->{status}, 303, 'an access token is no hint');
	is($alive->($user), 1, 'an access token as hint ends no session');
	is(browser()->get('/oauth2/end_session', post_logout_redirect_uri => 'https://app.example/bye', id_token_hint => $user->{id_token}, @from)->{location},
		undef, "with a hint, end_session redirects only to a URI of the hint's client");
	is($alive->($user), 0, 'a hint ends its session, also without a redirect');
	is(browser()->get('/oauth2/end_session', @web_bye, state => 's', id_token_hint => $user->{id_token}, client_id => 'web', @from)->{location},
		'https://app.example/web-bye?state=s', 'end_session redirects with the hint of a session that has ended');
	is(query("SELECT count(*) FROM anon_auth.events WHERE type = 'user.signed_out' AND user_id = '$user->{sub}' AND client_id = 'web'"), 1,
		'a logout with a hint is an event of its client');

	$user = $log_in->();
	settings(issuer => 'https://new.example');
	is(browser()->get('/oauth2/end_session', @web_bye, id_token_hint => $user->{id_token}, @from)->{location}, 'https://app.example/web-bye',
		'end_session redirects with an ID token of a former issuer');
	is($alive->($user), 1, 'an ID token of a former issuer ends no session');
	settings(issuer => 'https://auth.example');

	$user = $log_in->();
	my $posted = AnonAuth::Browser->new($node)->post_form('/oauth2/end_session', @web_bye, id_token_hint => $user->{id_token});
	is($posted->{location}, 'https://app.example/web-bye', 'a program can send the hint with POST');
	is($alive->($user), 0, 'a hint that a program sends ends its session');
	$user = $log_in->();
	$posted = browser()->post_form('/oauth2/end_session', @web_bye, state => 's', id_token_hint => $user->{id_token}, @from);
	is($posted->{location}, 'https://auth.example/oauth2/end_session?client_id=web&post_logout_redirect_uri=https%3A%2F%2Fapp.example%2Fweb-bye&state=s',
		'a POST of another site with a hint is redirected to GET without the hint');
	is($alive->($user), 0, 'a hint in a POST of another site ends its session');
	is(browser()->get('/oauth2/end_session', client_id => 'nobody')->{json}{error}, 'invalid_client', 'end_session refuses an unknown client_id');
	my $page = browser()->get('/oauth2/end_session', client_id => 'nobody', 'Accept:' => 'text/html,*/*;q=0.8');

	is("$page->{status} $page->{headers}{'content-type'}[0]", '400 text/html; charset=utf-8', 'a person who navigates there gets a page');
	like($page->{body}, qr/invalid client ID/, 'that page names the error');
}
my $unregistered = browser()->get('/oauth2/end_session', post_logout_redirect_uri => 'https://evil.example/');
shows($unregistered, 200, qr/./, 'end_session with an unregistered URI answers with a page');
is($unregistered->{location}, undef, 'end_session does not redirect to an unregistered URI');

# Expiry

SKIP:
{
	my $clock = AnonAuth::Clock->new;

	skip 'no C compiler is available to build the library that moves the clock', 1 if !$clock;
	$clock->restart($node);

	my $slow = browser();
	my ($slow_form, $slow_guest) = form($slow);
	$clock->set_ahead(19 * 60);
	is($slow->get($slow_form)->{status}, 200, 'the form is shown after 19 minutes, although the promotion code expired after 5');
	my $slow_done = submit($slow, $slow_form, login_id => 'slow@example.com');
	is($slow_done->{status}, 303, 'the form can be submitted after 19 minutes');
	is((jws_parts(exchange($slow_done->{location})->{json}{access_token}))[1]{sub}, $slow_guest->{sub}, 'the form submitted after 19 minutes promotes its guest');

	my $slower = browser();
	my ($slower_form) = form($slower);
	$clock->set_ahead(40 * 60);
	expired_with_link($slower->get($slower_form), 'the form is not shown after 21 minutes');
	expired_with_link(submit($slower, $slower_form, login_id => 'slower@example.com'), 'the form cannot be submitted after 21 minutes');
}

$node->stop;
done_testing();
