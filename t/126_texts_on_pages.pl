# Texts on pages: what strangers have written imitates nothing, and what a page says is true.

use strict;
use warnings;
use utf8;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Device qw(sql_literal);
use AnonAuth::Pages qw(fields shows);
use Encode qw(decode_utf8);
use JSON::PP ();
use PostgreSQL::Test::Utils;
use Test::More;

my $site = AnonAuth::Pages->new;
my $origin = 'https://auth.example';
my $ada = $site->account('ada@example.com');
my $browser = $site->logged_in('ada@example.com');

sub query { return $site->query($_[0]); }

# The text of a page: the bytes of the answer may be decoded already.
sub text_of
{
	my ($body) = @_;

	return utf8::is_utf8($body) ? $body : decode_utf8($body);
}

# ---------------------------------------------------------------------------
# The name of a device
# ---------------------------------------------------------------------------

{
	my $phone = $site->tokens('ada@example.com');
	my $json = JSON::PP->new->ascii;

	for my $case (
		[ "Pix\x{202E}el\x{2066} 9\x{2069}", 'Pix el 9', 'controls of the direction' ],
		[ "\x{200F}Pixel\x{200E}\x{061C}", 'Pixel', 'marks of the direction' ],
		[ "Pixel\x{FEFF}", 'Pixel', 'a mark of the byte order' ],
		[ "Pixel\x{E0041}\x{E007F}", 'Pixel', 'tag characters' ],
		[ "Pixel\r\n\t\x{2028}This device", 'Pixel This device', 'line breaks' ],
		[ "\x{1B}[2JPixel", '[2JPixel', 'an escape sequence' ],
		[ 'x' x 61, 'x' x 60 . "\x{2026}", 'a name that is too long' ],
		[ 'x' x 60, 'x' x 60, 'a name that is just short enough' ],
		[ "\x{1F469}\x{200D}\x{1F680} Ada's", "\x{1F469}\x{200D}\x{1F680} Ada&#39;s", 'an emoji with a joiner' ])
	{
		my ($reported, $shown, $name) = @$case;
		my $info = sql_literal($json->encode({ android => { Build => { MODEL => $reported } } }));
		my $body;

		query("UPDATE anon_auth.sessions SET device_info = $info WHERE id = '$phone->{sid}'");
		$body = text_of($browser->get('/settings/sessions')->{body});
		like($body, qr{<bdi>\Q$shown\E</bdi>}, "$name: what is shown of it");
		unlike($body, qr/[\x{202A}-\x{202E}\x{2066}-\x{2069}\x{200E}\x{200F}\x{061C}\x{FEFF}\x{E0000}-\x{E007F}\x{2028}\x{1B}]/, "$name: nothing is left that could imitate a page");
	}
	query("UPDATE anon_auth.sessions SET device_info = '{\"android\": {\"Build\": {\"MODEL\": \"\\u202e \\n\"}}}' WHERE id = '$phone->{sid}'");
	like($browser->get('/settings/sessions')->{body}, qr/Unknown device/, 'a name of which nothing is left');
}

# The profile may be written by an administrator, who is not held to the rules.
{
	query("UPDATE anon_auth.users SET standard_attributes = jsonb_build_object('name', U&'Ada\\202Ex') WHERE id = '$ada'");
	unlike(text_of($browser->get('/settings')->{body}), qr/\x{202E}/, 'the name of the user has none on the overview');
}

# ---------------------------------------------------------------------------
# What the site does not offer
# ---------------------------------------------------------------------------

$site->settings(login_id_types => '{email,username}');
for my $path ('/settings/identity/add_phone')
{
	for my $answer ($browser->get($path), $browser->post_form($path, login_id => '+15551234567'))
	{
		is($answer->{status}, 303, "$path: a type of login ID that the site does not have");
		is($answer->{location}, "$origin/settings", "$path: the answer leads to the overview");
	}
}
is($browser->get('/settings/identity/add_email')->{status}, 200, 'a type that it has');

# ---------------------------------------------------------------------------
# A message that was not sent
# ---------------------------------------------------------------------------

{
	my @form = ('/settings/identity/add_email', login_id => 'new@example.com');
	my $page = $browser->post_form(@form);
	my $again;

	shows($page, 200, qr/We have sent a message with a code to <bdi>new\@example\.com/, 'a code was sent');
	query('DELETE FROM anon_auth.outbox');
	$again = $browser->post_form(@form);
	shows($again, 429, qr/A code was sent a short while ago/, qr/If a message with a code has reached <bdi>new\@example\.com/, 'a second code at once');
	unlike($again->{body}, qr/We have sent/, 'the page does not say that it was sent');
	is(query('SELECT count(*) FROM anon_auth.outbox'), 0, 'it was not');
}

# The same on the page of a log-in
{
	$site->settings(page_login_methods => '{code}');
	my $visitor = $site->browser;
	my $form = $visitor->get('/oauth2/authorize', client_id => 'site', redirect_uri => 'https://app.example/home', response_type => 'none', scope => 'openid')->{location};

	shows($visitor->post_form($form, method => 'code', login_id => 'ada@example.com'), 200, qr/We have sent a message with a code to/, 'the code of a log-in');

	my $again = $visitor->post_form($form, method => 'code', login_id => 'ada@example.com');

	shows($again, 429, qr/A code was sent a short while ago/, 'a second code at once');
	unlike($again->{body}, qr/We have sent/, 'the page does not say that it was sent');
	$site->settings(page_login_methods => '{password,code}');
}

# ---------------------------------------------------------------------------
# The code of another address of the user
# ---------------------------------------------------------------------------

{
	my $again = '/settings/reauthenticate';
	my ($code, $answer);

	query(q{UPDATE anon_auth.settings SET code_link_uri = 'https://auth.example/flows/code_link?code={code}'});
	query("SELECT anon_auth.request_login_code('site', 'nobody\@example.com')");
	$code = query(q{SELECT substring(link FROM 'code=(.*)') FROM anon_auth.take_outbox_messages(100) WHERE recipient = 'nobody@example.com'});
	like($code, qr/^[\w-]{30,}$/, 'a message has the code of a link');
	$site->no_limits;
	$browser->post_form($again, method => 'code', address => 0, use => 'code');
	$answer = $browser->post_form($again, method => 'code', step => 'code', address => 0, code => $code);
	shows($answer, 422, qr/This code is wrong, has expired or was already used/, 'the code of an address that opens no account');
	unlike($answer->{body}, qr/Try again in a moment/, 'the page does not ask to try the same again');
}

# ---------------------------------------------------------------------------
# "Ready-made pages" of docs/guide.md, followed step by step
# ---------------------------------------------------------------------------

{
	my ($chapter) = slurp_file("$FindBin::Bin/../docs/guide.md") =~ /^## Ready-made pages\n(.*?)^## /ms or die 'no chapter';
	my @steps = $chapter =~ /^ +```sql\n(.*?)^ +```$/gms;
	my %link = map { my ($name, $value) = split /=/; ($name => $value =~ s/%3A/:/gr =~ s/%2F/\//gr) } $chapter =~ /`((?:client_id|response_type|scope|redirect_uri)=[^`]*)`/g;
	my $visit = sub { my (%more) = @_; my $visitor = $site->browser; my $answer = $visitor->get('/oauth2/authorize', %link, %more); return $visitor->get($answer->{location}); };
	my $page;

	is(scalar @steps, 6, 'the chapter has six statements');
	$site->settings(page_login_methods => '{password}', page_client_id => undef, login_id_types => '{email,phone_number,username}');
	query($steps[0]);
	shows($visit->(), 200, qr/<h1>Log in/, qr/name="password"/, qr/Forgot/, 'step 1: people can log in to the client');
	unlike($visit->()->{body}, qr/Create an account/, 'step 1: and not sign up');
	{
		my $visitor = $site->browser;
		my $form = $visitor->get('/oauth2/authorize', %link)->{location};

		like($visitor->post_form($form, login_id => 'ada@example.com', password => 'correct horse')->{location}, qr{^https://shop\.example/welcome}, 'step 1: they come back');
		ok($visitor->cookies->{'__Host-session'}, 'step 1: with the cookie');
	}
	query($steps[1]);
	shows($visit->(), 200, qr/>Create an account</, 'step 2: the log-in page leads to the sign-up page');
	shows($visit->(prompt => 'create'), 200, qr/<h1>Create/, 'step 2: with prompt=create, the address does');
	query($steps[2]);
	$page = $visit->();
	shows($page, 200, qr/name="password"/, qr/value="code"/, 'step 3: the password comes first, and a button leads to codes');
	$site->no_limits;
	query('DELETE FROM anon_auth.outbox');
	query("SELECT anon_auth.request_login_code('shop', 'ada\@example.com')");
	like(query(q{SELECT link FROM anon_auth.take_outbox_messages(100) WHERE recipient = 'ada@example.com' AND link IS NOT NULL LIMIT 1}), qr{^\Q$origin\E/flows/code_link\?code=[^&]+&client_id=shop&},
		'step 3: messages have a link to the page');
	like($site->browser->get('/settings')->{body}, qr/You are not logged in/, 'before step 4, the settings do not lead to a log-in');
	query($steps[3]);
	{
		my $visitor = $site->browser;
		my $form = $visitor->get('/settings')->{location};

		is($visitor->post_form($form, login_id => 'ada@example.com', password => 'correct horse')->{location}, "$origin/settings", 'step 4: they do');
		shows($visitor->get('/settings/profile'), 200, qr/>color</, 'step 4: the profile has the attribute');
		query($steps[4]);
		shows($visitor->get('/settings'), 200, qr/Corner Shop/, qr/#7a1f5c/i, 'step 5: the pages look like the site');
		shows($visit->(prompt => 'create'), 200, qr{href="https://shop\.example/privacy"}, qr{href="https://shop\.example/terms"}, 'step 5: the sign-up page links to the privacy policy and the terms');
		query($steps[5]);
		shows($visitor->get('/settings/profile?ui_locales=it'), 200, qr/>Colore</, qr/Your profile/, 'step 6: a language of the site, with texts in English');
	}
	shows($visit->(ui_locales => 'en'), 200, qr/<h1>Your Corner Shop/, 'step 6: a text of the site');
	shows($visit->(ui_locales => 'it'), 200, qr/<h1>Bentornato/, qr/<html lang="it"/, 'step 6: a language of the site');
	shows($visit->(ui_locales => 'fi'), 200, qr/<html lang="de"/, 'step 6: the default');
	is(query(q{SELECT string_agg(DISTINCT finding, ' ') FROM anon_auth.doctor() WHERE finding IN ('unknown_page_text', 'missing_page_texts', 'no_page_client')}), 'missing_page_texts', 'step 7: doctor() finds the missing translations');
}

done_testing();
