# The commands of docs/http.md, "The endpoints" and "Tokens bound to a key", run in their
# order in a shell against the example site, and the responses have the members that the
# document shows. Then: paths in the responses of /rest/, and a second run of setup.sql.

use strict;
use warnings;

use File::Spec ();
use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Device qw(call);
use AnonAuth::Web;
use IPC::Run ();
use JSON::PP ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $reason = AnonAuth::Web->missing;

plan skip_all => $reason if $reason;
for my $program (qw(bash curl jq openssl xxd))
{
	plan skip_all => "$program is not installed" if !grep { -x "$_/$program" } File::Spec->path;
}

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->append_conf('postgresql.conf', 'fsync = off');
$node->start;

my $web = AnonAuth::Web->new($node);
my $origin = $web->origin;

# ---------------------------------------------------------------------------
# docs/http.md
# ---------------------------------------------------------------------------

my $document = slurp_file("$FindBin::Bin/../docs/http.md");
my $section = join '', map { $document =~ /^## $_\n(.*?)^## /ms ? $1 : die "no section $_" } 'The endpoints', 'Tokens bound to a key';
my @commands;

# A block of commands, and the response after it, if it is shown.
while ($section =~ /^```sh\n(.*?)^```\n(?:\n```json\n(.*?)^```$)?/gms)
{
	push @commands, { text => $1, response => $2 };
}
cmp_ok(scalar @commands, '>=', 10, 'docs/http.md has commands');

# The members of a JSON value, without the values.
sub members
{
	my ($value) = @_;

	return ref $value eq 'HASH' ? { map { $_ => members($value->{$_}) } keys %$value } : ref $value eq 'ARRAY' ? [] : '';
}

my $directory = PostgreSQL::Test::Utils::tempdir();
my $provider = AnonAuth::Device->new(alg => 'RS256', kid => 'provider-key');

call($node, 'create_identity_provider', issuer => 'https://idp.example', audiences => '{my-app}',
	jwks => JSON::PP->new->encode({ keys => [ $provider->jwk ] }));
my $script = "set -euo pipefail\ncd '$directory'\ncurl() { command curl -sS --max-time 60 \"\$@\"; }\n";

for my $i (0 .. $#commands)
{
	my $text = $commands[$i]{text} =~ s{https://auth\.example\.com}{$origin}gr =~ s{https://app\.example\.com/}{$origin/app/}gr;

	# A person fills in the page between two blocks, reads the message, or uses the provider.
	$script .= "{\n$text} >$i.out\n";
	$script .= "code=\$(promote \"\$authorize_url\")\n" if $text =~ /^authorize_url=/m;
	$script .= "login_code=\$(take_login_code)\n" if $text =~ m{/api/login_code};
	$script .= "provider_id_token=\$(make_id_token \"\$nonce_for_sdk\")\n" if $text =~ /^nonce_for_sdk=/m;
	$script .= "test \"\$(curl -o $i.page -w '%{http_code}' \"\$$1\")\" = 303\n" if $text =~ /^((?:login|reauthentication)_url)=/m;
}
append_to_file("$directory/promote", <<'PROMOTE');
# Sign up on the page as a browser does; print the code.
promote() {
	local page location
	page=$(command curl -sSL -c jar -b jar -H 'Sec-Fetch-Site: none' -H 'Accept: text/html' -w '\n%{url_effective}' "$1")
	local args=() name value
	while IFS=$'\t' read -r name value; do args+=(--data-urlencode "$name=$value"); done < <(
		grep -o '<input[^>]*type="hidden"[^>]*>' <<<"$page" | sed -E 's/.*name="([^"]*)".*value="([^"]*)".*/\1\t\2/')
	location=$(command curl -sS -b jar -c jar -o answer.html -w '%{redirect_url}' -H "Origin: $issuer" -H 'Sec-Fetch-Site: same-origin' \
		"${args[@]}" --data-urlencode "login_id=user$RANDOM$RANDOM@example.com" --data-urlencode 'password=correct horse' "$(tail -1 <<<"$page")")
	sed -n 's/.*[?&]code=\([^&]*\).*/\1/p' <<<"$location" | grep .
}
PROMOTE
append_to_file("$directory/promote", <<"OTHERS");
# Read the message of the outbox; print its six digits.
take_login_code() { psql -XAtq -d "${\ $node->connstr('postgres') }" -c 'SELECT code FROM anon_auth.take_outbox_messages()' | grep .; }

# Print an ID token of the provider with this nonce.
make_id_token() {
	local signed
	signed=\$(printf %s '{"alg":"RS256","kid":"provider-key"}' | base64url).\$(jq -njc --arg nonce "\$1" '{iss: "https://idp.example", aud: "my-app", sub: "ada", iat: (now | floor), exp: (now + 300 | floor), \$nonce}' | base64url)
	printf %s "\$signed." && printf %s "\$signed" | openssl dgst -sha256 -sign '$provider->{directory}/private.pem' | base64url
}
OTHERS
append_to_file("$directory/script", "source '$directory/promote'\n$script");
my ($output, $error) = ('', '');
my $done = IPC::Run::run([ 'bash', "$directory/script" ], '>', \$output, '2>', \$error);

ok($done, 'the commands succeed') or diag("$error\n" . join "\n", map { "$_: " . (-f $_ ? slurp_file($_) : '') } glob "$directory/*.out");
for my $i (0 .. $#commands)
{
	unlike(slurp_file("$directory/$i.out"), qr/offline_access/, 'a reauthentication does not request offline_access')
	  if $commands[$i]{text} =~ /^reauthentication_url=/m;
	my $shown = $commands[$i]{response} // next;
	my ($name) = $commands[$i]{text} =~ m{(/(?:oauth2|api|\.well-known)/[\w/-]+)};
	my $got = -f "$directory/$i.out" ? slurp_file("$directory/$i.out") : '';

	is_deeply(
		members(scalar eval { JSON::PP->new->decode($got) }),
		members(JSON::PP->new->decode($shown)),
		"the response of $name is as docs/http.md shows it ($i)") or diag($got);
}

# ---------------------------------------------------------------------------
# Paths in responses of /rest/
# ---------------------------------------------------------------------------

{
	my $guest = call($node, 'authenticate_anonymously', client_id => 'notebook');
	my %bearer = (Authorization => "Bearer $guest->{access_token}");
	my $created = $web->post_json('/rest/notes', { body => 'a note' }, %bearer, Prefer => 'return=headers-only');

	like($created->{headers}{location} // '', qr{^/rest/notes\?id=eq\.\d+$}, 'the Location of a new row has the prefix of /rest/');
	is($web->get($created->{headers}{location} =~ s/^(?!\/rest)/\/rest/r, %bearer)->{json}[0]{body}, 'a note', 'a client can follow it');
	is($web->get('/rest/notes', %bearer)->{headers}{'content-location'}, '/rest/notes', 'so has Content-Location');
	$node->safe_psql('postgres', <<'SQL');
CREATE FUNCTION api.to_app() RETURNS void LANGUAGE sql AS
	$$ SELECT set_config('response.headers', '[{"Location": "/app/"}]', true), set_config('response.status', '303', true) $$;
NOTIFY pgrst, 'reload schema';
SQL
	my $response;

	$web->wait_for('the function', sub { ($response = $web->post_json('/rest/rpc/to_app', {}, %bearer))->{status} == 303 });
	is($response->{headers}{location}, '/app/', 'a Location that a function sets is left unchanged');
}

# ---------------------------------------------------------------------------
# setup.sql with another origin
# ---------------------------------------------------------------------------

sub uris { return $node->safe_psql('postgres', "SELECT redirect_uris, post_logout_redirect_uris FROM anon_auth.clients WHERE client_id = '$_[0]'"); }

{
	$node->safe_psql('postgres', "UPDATE anon_auth.clients SET redirect_uris = redirect_uris || '{https://other.example/}' WHERE client_id = 'notebook'");
	for my $to ('https://site.example', 'https://site.example', $origin)
	{
		run_log([ 'psql', '-Xq', '-d', $node->connstr('postgres'), '-v', "origin=$to", '-o', File::Spec->devnull, '-f', $web->directory . '/setup.sql' ])
		  or die 'setup.sql failed';
		is(uris('notebook'), "{$to/app/,https://other.example/}|{}", "setup.sql moves the URI of a client to $to, and keeps others");
		is(uris('notebook-key'), "{$to/app/key.html}|{}", "setup.sql moves the URI of the client with a key to $to");
		is(uris('notebook-cookie'), "{$to/app/?session=cookie}|{$to/app/?session=cookie}", "setup.sql moves the URIs of the other client to $to");
	}

	my $site = q{SELECT issuer, brand_name, brand_color, login_id_types, trusted_proxy_hops, check_session_on_request FROM anon_auth.settings};

	$node->safe_psql('postgres', q{UPDATE anon_auth.settings SET issuer = 'https://mine.example', brand_name = 'Mine', brand_color = '#123456',
		login_id_types = '{username}', trusted_proxy_hops = 3, check_session_on_request = false});
	my $before = $node->safe_psql('postgres', $site);

	run_log([ 'psql', '-Xq', '-d', $node->connstr('postgres'), '-o', File::Spec->devnull, '-f', $web->directory . '/setup.sql' ])
	  or die 'setup.sql failed';
	is($node->safe_psql('postgres', $site), $before, 'a later run of setup.sql without an origin keeps the settings of the site');
}

$web->stop;
$node->stop;
done_testing();
