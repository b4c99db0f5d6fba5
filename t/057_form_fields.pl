# Duration: 30 s
#
# Every page with every subset of the fields of its form: no request crashes the server, and none gets
# the status of a failure of the server. Browsers send the fields of the form that they were shown.
# Other programs send what they like.

use strict;
use warnings;
use utf8;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Authenticator;
use AnonAuth::Browser;
use AnonAuth::Device qw(sql_literal);
use AnonAuth::Pages qw(data_of);
use JSON::PP ();
use Test::More;

my $origin = 'https://auth.example';
my $json = JSON::PP->new->utf8->canonical;
my %site = (client_id => 'site', redirect_uri => 'https://app.example/home', response_type => 'none', scope => 'openid');
my $too_long = 'x' x 330;
my $site = AnonAuth::Pages->new;

# All forms that have each field with one of its values or not at all. Field and values are pairs.
sub subsets
{
	my ($name, $values, @rest) = @_;

	return ([]) if !defined $name;
	my @others = subsets(@rest);
	return (@others, map { my $value = $_; map { [ $name => $value, @$_ ] } @others } @$values);
}

# The functions of the pages.
sub function_of
{
	my ($path) = @_;

	return 'reauthenticate' if $path eq '/settings/reauthenticate';
	return $1 if $path =~ m{^/(settings)};
	return $1 if $path =~ m{/(\w+)$};
}

# Posts forms to a page as one browser. Each transaction is rolled back, so that each form meets the same
# state; only counters outlive it. Returns how often each status came.
sub post_all
{
	my ($name, $browser, $target, @forms) = @_;
	my ($path, $query) = $target =~ m{^(?:https?://[^/]+)?([^?#]*)\??([^#]*)};
	my %headers = (%{ $browser->{headers} },
		'x-original-content-type' => 'application/x-www-form-urlencoded', 'x-original-method' => 'POST', 'x-original-path' => $path,
		$query eq '' ? () : ('x-original-query' => $query));
	my %cookies = map { $_ => $browser->cookies->{$_}[0] } keys %{ $browser->cookies };
	my @script = (
		"SELECT set_config('role', 'anon', false), set_config('request.headers', " . sql_literal($json->encode(\%headers)) . ', false), '
		  . "set_config('request.cookies', " . sql_literal($json->encode(\%cookies)) . ", false), set_config('request.method', 'POST', false) \\g /dev/null");
	my ($stdout, $stderr) = ('', '');
	my $function = function_of($path);
	my %count;

	for my $i (0 .. $#forms)
	{
		push @script, 'BEGIN;', "SELECT 'form $i', length(anon_auth_http.$function(" . sql_literal(AnonAuth::Browser::form(@{ $forms[$i] })) . ")::text), "
		  . "coalesce(nullif(current_setting('response.status', true), ''), '200');", 'ROLLBACK;';
	}
	$site->node->psql('postgres', join("\n", @script), on_error_stop => 0, stdout => \$stdout, stderr => \$stderr,
		connstr => $site->node->connstr('postgres') . ' user=authenticator');
	my %status = $stdout =~ /^form (\d+)\|\d*\|(\d+)$/mg;
	my @bad = grep { ($status{$_} // 500) >= 500 } 0 .. $#forms;
	$count{ $status{$_} }++ for keys %status;
	is("@bad[0 .. ($#bad > 9 ? 9 : $#bad)]", '', sprintf '%s: the server answers all of %d forms', $name, scalar @forms)
	  or diag(($stderr =~ /.*?(?:ERROR|FATAL|server closed).*/g)[0] // '', "\n", AnonAuth::Browser::form(@{ $forms[ $bad[0] ] }));
	BAIL_OUT("the server has crashed: $name") if $stderr =~ /server closed the connection/;
	note "$name: ", join ', ', map { "$count{$_} times $_" } sort keys %count;
	return \%count;
}

# The page on which a guest becomes a regular user.
sub promotion_page
{
	my ($guest) = @_;
	my $code = $guest->post_json('/api/anonymous_user/promotion_code', { session_type => 'cookie' })->{json}{result}{promotion_code};

	return $guest->get('/oauth2/authorize', %site, login_hint => 'https://authgear.com/login_hint?' . AnonAuth::Browser::form(type => 'anonymous', promotion_code => $code))
	  ->{location};
}

# A response with a passkey for an account that the page creates.
sub created_passkey
{
	my ($browser, $page, %form) = @_;
	my $options = data_of($browser->post_form($page, %form), 'options') // die 'no passkey is offered';

	return $json->encode(AnonAuth::Authenticator->new(origin => $origin)->create($options));
}

$site->account('taken@example.com');
$site->account('me@example.com');

# ---------------------------------------------------------------------------
# Creating an account
# ---------------------------------------------------------------------------

my %no_limits = map { $_ => undef }
  qw(password_attempts_per_minute_per_ip password_attempts_per_minute_per_user password_attempts_per_minute_per_user_per_ip code_requests_per_minute_per_ip
  guest_sign_ups_per_minute_per_ip login_id_conflicts_per_minute_per_ip);

for my $settings (
	{ login_id_verification => 'required', page_login_methods => '{password,code}' },
	{ login_id_verification => 'optional', page_login_methods => '{code}' })
{
	my $name = "$settings->{login_id_verification}, $settings->{page_login_methods}";

	for my $title (qw(sign_up promote_user))
	{
		$site->settings(page_sign_up => 'true', trusted_proxy_hops => 1, %no_limits, %$settings);
		my $browser = $title eq 'sign_up' ? $site->browser : $site->guest;
		my $target = $title eq 'sign_up' ? $browser->get('/oauth2/authorize', %site, prompt => 'create')->{location} : promotion_page($browser);
		my %form = (login_id_type => 'email', login_id => "$title-$settings->{login_id_verification}\@example.com");

		$browser->post_form($target, %form, use => 'code');
		my %code = (step => 'code', code => $site->code_for($form{login_id}));
		my $passkey = created_passkey($browser, $target, %form, %code, with => 'passkey');
		my @forms = map {
			my @form = @$_;
			map { [ @form, @$_ ] } [], [ password => 'correct horse' ], [ passkey_response => $passkey ]
		} subsets(
			mode => ['log_in'],
			step => ['code'],
			use => [qw(passkey password another_code)],
			with => ['passkey'],
			login_id => [ $form{login_id} ],
			code => [ $code{code} ]);
		my $usual = post_all("$title, $name", $browser, $target, @forms);
		cmp_ok($usual->{303} // 0, '>', 0, "$title, $name: some forms create the account");
		next if $settings->{login_id_verification} eq 'optional';

		# Another address: one that has just been sent a code would meet its own limit first.
		$site->settings(code_requests_per_minute_per_ip => 1);
		$browser->post_form($target, login_id_type => 'email', login_id => "limit$_\@example.com", use => 'code') for 1, 2;
		my $limited = post_all("$title, $name, beyond the limit of codes", $browser, $target,
			map { [ map { $_ eq $form{login_id} ? 'other@example.com' : $_ } @$_ ] } @forms);
		cmp_ok($limited->{429} // 0, '>', 0, "$title, $name: some forms meet the limit");
	}
}

# ---------------------------------------------------------------------------
# Logging in
# ---------------------------------------------------------------------------

$site->settings(page_login_methods => '{password,code}', login_id_verification => 'required', login_id_types => '{email,username,phone_number}');

my @fields = (
	step => ['code'],
	use => [qw(passkey password another_code)],
	login_id => [ 'me@example.com', $too_long ],
	code => ['AAAAAA'],
	password => ['correct horse'],
	passkey_response => ['{"id": "AAAA"}']);

for my $prompt (qw(log_in forgot_password))
{
	my $browser = $site->browser('x-forwarded-for' => '192.0.2.3');
	my $target = $browser->get('/oauth2/authorize', %site, prompt => 'login')->{location};

	$target =~ s{/flows/login}{/flows/forgot_password} if $prompt eq 'forgot_password';
	post_all($prompt, $browser, $target, subsets(@fields));
}
post_all('code_link', $site->browser, '/flows/code_link',
	subsets(code => [ 'AAAAAA', 'A' x 43, $too_long ], client_id => [ 'site', 'none' ], ui_locales => ['de'], login_id => [ 'me@example.com', $too_long ],
		password => ['correct horse battery']));
for my $browser ($site->browser, $site->guest)
{
	post_all('end_session', $browser, '/oauth2/end_session',
		subsets(client_id => [ 'site', 'none' ], id_token_hint => ['x'], post_logout_redirect_uri => ['https://app.example/home'], state => ['a'],
			ui_locales => ['de'], mode => [ 'log_out', 'sign_up' ]));
}

# ---------------------------------------------------------------------------
# Settings
# ---------------------------------------------------------------------------

my %own_fields = (
	passkeys => [ use => ['passkey'], passkey_response => [ '{"id": "AAAA"}', 'x' ], passkey_name => ['n'] ],
	identity => [ step => ['code'], use => ['another_code'], login_id => [ 'new@example.com', $too_long ], code => [ 'AAAAAA', $too_long ] ],
	change_password => [ old_password => [ 'correct horse', 'x' ], password => ['another one'] ],
	sessions => [ session_id => ['x'] ],
	profile => [ map { $_ => ['x'] } qw(name given_name birthdate locale) ],
	delete_account => [ confirmed => ['yes'], keep => ['yes'] ],
	'' => [ sign_up => ['yes'], log_out => ['yes'] ]);
my $me = $site->logged_in('me@example.com');
my $guest = $site->guest;

for my $user ([ $me, 'an account' ], [ $guest, 'a guest' ])
{
	my ($browser, $who) = @$user;
	my ($owner) = $browser->get('/settings/profile')->{body} =~ /name="x_user" value="([\w-]+)"/;

	post_all("reauthenticate, $who", $browser, '/settings/reauthenticate', map { [ x_user => $owner, @$_ ] } subsets(@fields), [ step => 'code', address => '7' ]);
	for my $path (
		'', qw(/profile /sessions /sessions/remove_device_key /passkeys /passkeys/add /passkeys/remove /change_password /identity/remove_identity
		/identity/add_username /identity/add_email /identity/add_phone /identity/change_email /identity/verify_email /identity/remove_email
		/export /delete_account /none))
	{
		my ($area) = $path =~ m{^/?(\w*)};

		post_all("/settings$path, $who", $browser, "/settings$path", map { $_, [ x_user => $owner, @$_ ] } subsets(@{ $own_fields{$area} // [] }));
	}
}

done_testing();
