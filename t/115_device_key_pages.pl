# The device keys of an account on the settings pages: the list, and the page that removes
# one, which needs a recent login and works without a script.

use strict;
use warnings;
use utf8;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Device qw(call);
use AnonAuth::Pages qw(shows);
use PostgreSQL::Test::Utils;
use Test::More;

my $site = AnonAuth::Pages->new;
my $node = $site->node;
my $ada = $site->account('ada@example.com');
my $eve = $site->account('eve@example.com');
my $browser = $site->logged_in('ada@example.com');

# Add the key of a device to an account. Returns the device.
sub add_key
{
	my ($address, %options) = @_;
	my $device = AnonAuth::Device->new;
	my $jwt = $device->request(
		challenge => call($node, 'create_challenge', purpose => 'biometric_request')->{token},
		action => 'setup',
		with_jwk => 1,
		header => { typ => 'vnd.authgear.biometric-request' },
		payload => { device_info => $options{device_info} });

	call($node, 'add_device_key', jwt => $jwt, name => $options{name}, access_token => $site->tokens($address)->{access_token});
	return $device;
}

sub link_to { my ($page, $device) = @_; my ($link) = $page->{body} =~ m{href="([^"]*/sessions/remove_device_key\?q_kid=\Q$_[1]->{kid}\E[^"]*)"}; return $link; }
sub keys_of { return $site->query("SELECT count(*) FROM anon_auth.device_keys WHERE user_id = '$_[0]'"); }

unlike($browser->get('/settings/sessions')->{body}, qr/Devices that can log in by themselves/, 'an account without keys has no list of them');
my $phone = add_key('ada@example.com', device_info => { android => { Build => { MANUFACTURER => 'Google', MODEL => 'Pixel 9' } } });
my $tablet = add_key('ada@example.com', name => "Ada's <tablet>");
my $nameless = add_key('ada@example.com');
my $other = add_key('eve@example.com', name => 'of Eve');

my $page = $browser->get('/settings/sessions');
shows($page, 200, qr/Devices that can log in by themselves/, qr{<bdi>Google Pixel 9</bdi>}, qr{<bdi>Ada&#39;s &lt;tablet&gt;</bdi>}, qr/Unknown device/, 'the list');
unlike($page->{body}, qr/of Eve/, 'it has no keys of others');
shows($browser->get('/settings/sessions', ui_locales => $_->[0]), 200, $_->[1], "the list in $_->[0]")
  for [ de => qr/Geräte, die sich selbst anmelden/ ], [ 'zh-Hant' => qr/可自行登入的裝置/ ];

my $link = link_to($page, $phone);
ok(defined $link, 'each key has a link') or BAIL_OUT('no link');
shows($browser->get($link), 200, qr/Remove this device\?/, qr{<bdi>Google Pixel 9</bdi>}, 'the page asks first');
is(keys_of($ada), 3, 'and removes nothing');
like($browser->post_form($link)->{location}, qr{/settings/sessions\?x_done=device_key_removed$}, 'the form');
is(keys_of($ada), 2, 'removes the key');
shows($browser->get('/settings/sessions?x_done=device_key_removed'), 200, qr/can no longer log in by itself/, 'the page says so');
like($browser->post_form($link)->{location}, qr{/settings$}, 'the form again leads to the overview');
like($browser->get('/settings/sessions/remove_device_key', q_kid => $other->kid)->{location}, qr{/settings$}, "the key of another account is not shown");
like($browser->post_form("/settings/sessions/remove_device_key?q_kid=" . $other->kid)->{location}, qr{/settings$}, 'nor removed');
is(keys_of($eve), 1, 'it is still there');

$site->query("UPDATE anon_auth.sessions SET authenticated_at = now() - interval '1 hour' WHERE user_id = '$ada'");
$page = $browser->get(link_to($browser->get('/settings/sessions'), $tablet));
unlike($page->{body} // '', qr/Remove this device\?/, 'an old login must be renewed first');
$browser->post_form('/settings/sessions/remove_device_key?q_kid=' . $tablet->kid);
is(keys_of($ada), 2, 'nothing is removed without');

done_testing();
