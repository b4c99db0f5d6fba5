# Which tokens give an identity at a real PostgREST: access tokens, and no other
# token that a signing key of the database signed.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Device qw(call jws_parts sql_literal);
use AnonAuth::Web;
use JSON::PP ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $reason = AnonAuth::Web->missing;

plan skip_all => $reason if $reason;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->append_conf('postgresql.conf', 'fsync = off');
$node->start;

my $web = AnonAuth::Web->new($node);
my $json = JSON::PP->new->canonical;

sub query { return $node->safe_psql('postgres', $_[0]); }

sub settings { return query("UPDATE anon_auth.settings SET $_[0]"); }

# Returns the status and, as "uid role", whom a request belongs to.
sub who
{
	my ($token, $base) = @_;
	my $response = $web->get(($base // '') . ($base ? '/rpc/who' : '/rest/rpc/who'), defined $token ? (Authorization => ref $token ? $token : "Bearer $token") : ());

	return $response->{status} == 200 ? "$response->{json}{uid} $response->{json}{role}" : $response->{status};
}

sub signed
{
	my ($claims, $typ) = @_;

	return call($node, 'sign_jwt', claims => $json->encode($claims), typ => $typ // 'JWT')->{sign_jwt};
}

query(<<'SQL');
CREATE FUNCTION api.who() RETURNS json LANGUAGE sql STABLE AS
	$$ SELECT json_build_object('uid', coalesce(anon_auth.uid()::text, 'nobody'), 'role', current_user) $$;
GRANT EXECUTE ON FUNCTION api.who() TO anon, authenticated;
NOTIFY pgrst, 'reload schema';
SQL
$web->wait_for('PostgREST to know the function', sub { who() eq 'nobody anon' });
# One without nginx, and one whose configuration names no pre-request function.
my $direct = $web->start_postgrest;
my $unchecked = $web->start_postgrest(PGRST_DB_PRE_REQUEST => '');

query(q{UPDATE anon_auth.clients SET id_token = 'always'});
my $guest = call($node, 'authenticate_anonymously', client_id => 'notebook');
my $access = $guest->{access_token};
my $claims = (jws_parts($access))[1];
my $without = sub { my %left = %$claims; delete @left{@_}; return \%left; };
my $known = "$guest->{sub} authenticated";

is(who($access), $known, 'an access token gives an identity');
is(who(signed($claims, 'at+jwt')), $known, 'so does a token with the same claims and type');

# ---------------------------------------------------------------------------
# Other tokens
# ---------------------------------------------------------------------------

my $later = time + 600;
my %machine = (role => 'authenticated', exp => $later);
my @refused = (
	[ 'an ID token', $guest->{id_token} ],
	[ 'a token of sign_jwt() with sub', signed({ %machine, sub => $guest->{sub} }) ],
	[ 'the same with the type of an access token', signed({ %machine, sub => $guest->{sub} }, 'at+jwt') ],
	[ 'a token with a sub that is no string', signed({ %machine, sub => 1 }) ],
	(map { [ "an access token without $_", signed($without->($_), 'at+jwt') ] } qw(iss aud exp sid client_id)),
	(map { [ "an access token of type $_", signed($claims, $_) ] } qw(JWT dpop+jwt AT+JWT vnd.authgear.anonymous-request)),
	[ 'an access token of another issuer', signed({ %$claims, iss => 'https://other.example' }, 'at+jwt') ],
	[ 'an access token for another audience', signed({ %$claims, aud => 'https://other.example' }, 'at+jwt') ],
	[ 'an access token for a client', signed({ %$claims, aud => ['notebook'] }, 'at+jwt') ],
	[ 'an access token of a session that is no UUID', signed({ %$claims, sid => 'me' }, 'at+jwt') ],
	[ 'a token without sub for another audience', signed({ %machine, aud => 'https://other.example' }) ],
	[ 'a token without sub of another issuer', signed({ %machine, iss => 'https://other.example' }) ]);

for my $checked ('true', 'false')
{
	settings("check_session_on_request = $checked");
	is(who($_->[1]), 401, "$_->[0] is refused (check_session_on_request $checked)") for @refused;
	is(who($access), $known, "an access token is accepted (check_session_on_request $checked)");
	is(who(signed({ %$claims, aud => [ 'notebook', $claims->{aud} ] }, 'at+jwt')), $known, "so is one for several audiences ($checked)");
	is(who(signed(\%machine)), 'nobody authenticated', "a token without sub gives a role, and no identity ($checked)");
	is(who(signed({ %machine, iss => $claims->{iss}, aud => $claims->{aud}, sid => $claims->{sid} })),
		'nobody authenticated', "so does one with iss, aud and sid ($checked)");
	is(who(signed({ %machine, sub => undef })), 'nobody authenticated', "so does one whose sub is null ($checked)");
	is(who(signed({})), 'nobody anon', "a token without sub and role has the role of requests without a token ($checked)");
}
settings('check_session_on_request = true');

my $response = $web->get('/rest/rpc/who', Authorization => "Bearer $guest->{id_token}");

is_deeply([ @{ $response->{json} }{qw(message details)}, $response->{headers}{'www-authenticate'} ],
	[ 'invalid access token', 'The token is not an access token of this server: its audience (aud) is not that of the settings.', 'Bearer' ],
	'the response says why the token is refused');

# docs/http.md tells clients to refresh or to log in again by these members.
{
	my $ended = call($node, 'authenticate_anonymously', client_id => 'notebook');

	call($node, 'revoke_sessions', user_id => $ended->{sub});
	is_deeply([ @{ $web->get('/rest/rpc/who', Authorization => "Bearer $ended->{access_token}")->{json} }{qw(code message)} ],
		[ 'PT401', 'invalid session' ], 'a client can tell that the session has ended');
	my $expired = $web->get('/rest/rpc/who', Authorization => 'Bearer ' . signed({ %$claims, exp => time - 3600 }, 'at+jwt'));

	like("$expired->{status} $expired->{json}{code}", qr/^401 PGRST30[13]$/, 'a client can tell that the token has expired');
}

# The audience is a client: an ID token has the right aud, and nothing else.
settings("audience = 'notebook'");
is(who($guest->{id_token}), 401, 'an ID token is refused even if the audience of access tokens is its client');
is(query(q{SELECT severity FROM anon_auth.doctor() WHERE finding = 'audience_is_client_id'}), 'error', 'doctor() reports an audience that is a client ID');
query(query(q{SELECT fix FROM anon_auth.doctor() WHERE finding = 'audience_is_client_id'}));
is(query(q{SELECT count(*) FROM anon_auth.doctor() WHERE finding = 'audience_is_client_id'}), 0, 'the fix of doctor() removes the finding');
is(who($access), $known, 'and access tokens are accepted again');
is($node->psql('postgres', sprintf 'SELECT anon_auth.create_client(%s, %s)', sql_literal($claims->{aud}), sql_literal('spa')), 3, 'create_client() refuses the audience as a client ID');

# Two Authorization headers: PostgREST verifies one of them, and shows the other
# one to the pre-request function.  nginx passes only one on.
my $foreign_type = signed($claims, 'JWT');

for my $pair ([ $access, $guest->{id_token} ], [ $guest->{id_token}, $access ], [ $access, $foreign_type ], [ $foreign_type, $access ])
{
	my $answer = who([ map { "Bearer $_" } @$pair ]);

	unlike($answer, qr/authenticated/, 'a second Authorization header does not hide the type of a token') if $pair->[0] ne $access;
	unlike(who([ map { "Bearer $_" } @$pair ], $direct), qr/authenticated/, 'nor does it make PostgREST accept an ID token')
	  if $pair->[0] eq $guest->{id_token};
}
for my $scheme ('bearer', 'BEARER', 'Bearer ', "Bearer\t")
{
	my $answer = who(["$scheme $foreign_type"], $direct);

	isnt($answer, $known, "the type is checked after \"$scheme\"");
}
is(who(["bearer $access"], $direct), $known, 'the name of the scheme is case-insensitive');
is(who(["Basic $access"], $direct), 'nobody anon', 'another scheme gives no identity');

# Without postgrest_pre_request(), uid() checks all but the type and the session.
is(who($access, $unchecked), $known, 'without the pre-request function an access token gives an identity');
for my $case (grep { $_->[0] !~ /of type/ } @refused)
{
	unlike(who($case->[1], $unchecked), qr/\Q$guest->{sub}\E/, "$case->[0] gives no identity even without the pre-request function");
}

# ---------------------------------------------------------------------------
# The example for programs in docs/guide.md
# ---------------------------------------------------------------------------

{
	my ($sql) = slurp_file("$FindBin::Bin/../docs/guide.md") =~ /^\*\*Tokens for programs\.\*\*.*?^```sql\n(.*?)^```$/ms
	  or die 'docs/guide.md has no example of a token for a program';
	query('CREATE ROLE unprepared NOLOGIN; GRANT unprepared TO authenticator; GRANT USAGE ON SCHEMA api TO unprepared; GRANT SELECT ON api.notes TO unprepared');
	is($web->get('/rest/notes', Authorization => 'Bearer ' . signed({ %machine, role => 'unprepared' }))->{status}, 403,
		'without grant_http_api() the role of a program can do nothing');
	my ($token) = query($sql) =~ /^(ey\S+)$/m;

	query("NOTIFY pgrst, 'reload schema'");
	$web->wait_for('PostgREST to know the role', sub { $web->get('/rest/notes', Authorization => "Bearer $token")->{status} == 200 });
	is(who($token), 403, 'a program with the token of docs/guide.md cannot call uid()');
	query("SELECT anon_auth.grant_client_api('reports')");
	is(who($token), 'nobody reports', 'with grant_client_api() it can, and has its role and no identity');
	is($web->get('/rest/notes', Authorization => "Bearer $token")->{content}, '[]', 'without a policy it sees no rows');
	query('CREATE POLICY reports ON api.notes TO reports USING (true)');
	query("INSERT INTO api.notes (user_id, body) VALUES ('$guest->{sub}', 'a note')");
	is($web->get('/rest/notes?select=body', Authorization => "Bearer $token")->{json}[0]{body}, 'a note', 'with a policy it sees the rows');
}

# ---------------------------------------------------------------------------
# A guest that was promoted
# ---------------------------------------------------------------------------

my $password = 'correct horse';

for my $checked ('true', 'false')
{
	my $link = call($node, 'authenticate_anonymously', client_id => 'notebook');
	my $revoked = call($node, 'authenticate_anonymously', client_id => 'notebook');

	settings("check_session_on_request = $checked");
	is(who($link->{access_token}), "$link->{sub} authenticated", "a guest is known before the promotion ($checked)");
	my $account = call($node, 'promote_anonymous_user', client_id => 'notebook', email => "$checked\@example.com",
		password => $password, refresh_token => $link->{refresh_token});

	is(who($link->{access_token}), 401, "the guest's access token is refused after the promotion (check_session_on_request $checked)");
	is(who($account->{access_token}), "$link->{sub} authenticated", "the account's is accepted ($checked)");
	call($node, 'revoke_sessions', user_id => $_->{sub}) for $account, $revoked;
	for my $ended ($account, $revoked)
	{
		is(who($ended->{access_token}), $checked eq 'true' ? 401 : "$ended->{sub} authenticated",
			'without check_session_on_request, other tokens of ended sessions are accepted until they expire' . " ($checked)");
	}
	is(query(q{SELECT count(*) FROM anon_auth.doctor() WHERE finding = 'sessions_not_checked'}), $checked eq 'true' ? 0 : 1,
		"doctor() reports check_session_on_request if it is off ($checked)");
}

$node->stop;
done_testing();
