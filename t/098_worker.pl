# Test examples/worker with an SMTP server and providers of OpenID Connect: mail arrives,
# crashes and other servers' faults lose no message, two workers send each message once,
# keys are fetched when a token needs them, and hostile providers change nothing.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Device qw(call refusal);
use AnonAuth::Web;
use Digest::SHA qw(sha256_hex);
use IPC::Run ();
use JSON::PP ();
use MIME::Base64 ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $example = "$FindBin::Bin/../examples/worker";
my $json = JSON::PP->new->canonical->utf8;
my $directory = PostgreSQL::Test::Utils::tempdir();
my $mailbox = "$directory/mail";

# Debian's packages are for Debian's Python.
my ($python) = grep { eval { run_command([ $_, '-c', 'import psycopg, aiosmtpd, tomllib' ]); 1 } && $? == 0 } qw(python3 /usr/bin/python3);

plan skip_all => 'Python 3.11 with psycopg 3 and aiosmtpd is not installed' if !$python;

sub wait_for
{
	my ($condition, $what) = @_;
	my $end = time + $PostgreSQL::Test::Utils::timeout_default;

	until ($condition->())
	{
		die "timed out waiting for $what" if time > $end;
		sleep 0.05;
	}
	return;
}

sub openssl_certificate
{
	my ($name) = @_;

	run_command([ qw(openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc -days 2 -subj /CN=localhost),
			'-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1', '-keyout', "$directory/$name.key", '-out', "$directory/$name.pem" ]);
	return;
}

openssl_certificate($_) for qw(ours other);
mkdir $mailbox or die;

# ---------------------------------------------------------------------------
# The database
# ---------------------------------------------------------------------------

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->append_conf('postgresql.conf', 'fsync = off');
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION anon_auth;
CREATE ROLE worker LOGIN;
SELECT anon_auth.grant_worker('worker');
UPDATE anon_auth.settings SET password_hash_memory_kib = 8192, password_hash_passes = 1,
	code_requests_per_minute_per_ip = NULL, code_link_uri = 'https://app.example/{type}?lang={language}#{code}',
	phone_country_code_allowlist = '{49}';
SQL
call($node, 'create_client', client_id => 'app', application_type => 'native');

sub query { return $node->safe_psql('postgres', $_[0]); }
sub waiting { return query('SELECT count(*) FROM anon_auth.outbox'); }

# A notice in the outbox: it has no code, so that the test can write the row itself.
sub notice
{
	my ($recipient, %row) = @_;

	$row{id} //= query('SELECT gen_random_uuid()');
	$row{expires} //= '1 hour';
	query("INSERT INTO anon_auth.outbox (route, id, type, login_id_type, recipient, created_at, expires_at, client_id, language)
		VALUES (gen_random_uuid(), '$row{id}', 'login_id_taken', 'email', $recipient, now(), now() + interval '$row{expires}', "
		. ($row{client_id} // 'NULL') . ', ' . ($row{language} // 'NULL') . '); NOTIFY anon_auth_outbox');
	return $row{id};
}

sub account
{
	my (%login_ids) = @_;

	return call($node, 'promote_anonymous_user',
		client_id => 'app', password => 'correct horse', %login_ids,
		refresh_token => call($node, 'authenticate_anonymously', client_id => 'app')->{refresh_token});
}

# ---------------------------------------------------------------------------
# The SMTP server, and the worker
# ---------------------------------------------------------------------------

my $smtp_port = PostgreSQL::Test::Cluster::get_free_port();
my ($smtp, %workers, @logs, %secrets);

# Only processes that this test has started
END
{
	local ($?, $@);
	eval { $_->kill_kill } for grep { defined } $smtp, map { $_->{run} } values %workers;
}

sub start_smtp
{
	my $out = '';

	$smtp = IPC::Run::start([ $python, "$FindBin::Bin/worker/smtp.py", "$directory/ours.pem", "$directory/ours.key", $smtp_port, $mailbox ],
		'<', \undef, '>', \$out, '2>', "$directory/smtp.log");
	$smtp->pump until $out =~ /ready/;
	return;
}

sub stop_smtp
{
	$smtp->kill_kill;
	undef $smtp;
	return;
}

# Starts a worker. The options replace values of the configuration; undef removes one.
sub start_worker
{
	my ($name, %options) = @_;
	my %configuration = (
		database => $node->connstr('postgres') . ' user=worker',
		poll_seconds => 600,
		retry_seconds => [ 0.3, 0.3, 0.3 ],
		mail => {
			host => 'localhost', port => $smtp_port, user => 'app', password => 'secret',
			sender => 'Example App <no-reply@app.example>', ca_file => "$directory/ours.pem"
		},
		texts => { app => 'Example', apps => { app => 'Example Mobile' } },
		%options);
	my $log = "$directory/worker-$name-" . @logs . '.log';
	my $toml = '';

	# TOML has the strings and arrays of JSON.
	$toml .= "$_ = " . JSON::PP->new->allow_nonref->encode($configuration{$_}) . "\n" for grep { defined $configuration{$_} && ref $configuration{$_} ne 'HASH' } sort keys %configuration;
	for my $section (grep { ref $configuration{$_} eq 'HASH' } sort keys %configuration)
	{
		my %values = %{ $configuration{$section} };

		$toml .= "[$section]\n" . join '', map { "$_ = " . JSON::PP->new->allow_nonref->encode($values{$_}) . "\n" }
		  grep { defined $values{$_} && ref $values{$_} ne 'HASH' } sort keys %values;
		$toml .= "[$section.apps]\napp = " . JSON::PP->new->allow_nonref->encode($values{apps}{app}) . "\n" if $values{apps};
	}
	append_to_file("$log.toml", $toml);
	my $run = IPC::Run::start([ $python, "$example/anon_auth_worker.py", "$log.toml" ], '<', \undef, '>', "$log.out", '2>', $log);
	push @logs, $log, "$log.out";
	$workers{$name} = { run => $run, log => $log };
	return;
}

sub worker_log { return slurp_file($workers{ $_[0] }{log}); }

sub wait_for_log
{
	my ($name, $pattern) = @_;

	eval {
		wait_for(sub { -e $workers{$name}{log} && worker_log($name) =~ $pattern }, "$pattern in the log of $name");
		1;
	} or die $@ . worker_log($name);
	return;
}

# Sends SIGTERM and returns the exit status.
sub stop_worker
{
	my ($name) = @_;
	my $run = delete($workers{$name})->{run};

	$run->signal('TERM');
	$run->finish;
	return scalar $run->full_result(0);
}

# The messages that the server has accepted, or all to one recipient
sub mails
{
	my ($recipient) = @_;

	return grep { !defined $recipient || $_->{to}[0] eq $recipient } map { $json->decode(slurp_file($_)) } glob "$mailbox/*.json";
}

# The first message to a recipient, when it has come
sub mail_to
{
	my ($recipient, $index) = @_;
	my @mails;

	wait_for(sub { (@mails = mails($recipient)) > ($index // 0) }, "mail to $recipient");
	return $mails[ $index // 0 ];
}

sub code_in
{
	my ($mail) = @_;
	my ($code) = $mail->{text} =~ /\b(\d{6}|[0-9A-HJKMNP-TV-Z]{10})\b/ or die $mail->{text};

	$secrets{$code} = 1;
	$secrets{$1} = 1 if $mail->{text} =~ /#(\S+)/;
	return $code;
}

sub request_code
{
	my ($address, %options) = @_;

	$secrets{$address} = 1;
	call($node, 'request_login_code', client_id => 'app', login_id => $address, %options);
	return;
}

sub set_flag { append_to_file("$mailbox/$_[0]", ''); return; }
sub clear_flag { unlink "$mailbox/$_[0]" or die; return; }

# ---------------------------------------------------------------------------
# Messages of each type arrive, and their codes work
# ---------------------------------------------------------------------------

start_smtp();

# The outbox has a message before the worker starts; later ones come by notification, because it does not poll.
my $ada = account(email => 'ada@mail.example');
$secrets{'ada@mail.example'} = 1;
call($node, 'request_verification', access_token => $ada->{access_token});
is(waiting(), 1, 'a message waits for a worker');
start_worker('one');
{
	my $mail = mail_to('ada@mail.example');

	is_deeply([ $mail->{from}, @{ $mail->{to} } ], [ 'no-reply@app.example', 'ada@mail.example' ], 'the envelope has the sender and the address');
	is($mail->{headers}{from}, 'Example App <no-reply@app.example>', 'From');
	is($mail->{headers}{to}, 'ada@mail.example', 'To');
	is($mail->{headers}{subject}, 'Confirm your address for Example Mobile', 'the subject has the name of the client');
	like($mail->{headers}{'message-id'}, qr/^<[-0-9a-f]{36}\@app\.example>$/, 'Message-ID is the id of the message');
	is($mail->{headers}{'auto-submitted'}, 'auto-generated', 'no vacation program answers');
	ok($mail->{tls}, 'the message was sent over TLS');
	unlike($mail->{text}, qr/\$/, 'all placeholders are filled in');
	ok(call($node, 'verify_login_id', code => code_in($mail), access_token => $ada->{access_token})->{verify_login_id}, 'the code of a verification works');
	wait_for(sub { waiting() == 0 }, 'the commit');
}
{
	request_code('ada@mail.example');
	my $mail = mail_to('ada@mail.example', 1);
	my ($link) = $mail->{text} =~ m{^(https://app\.example/login_code\?lang=#\S+)}m;

	ok($link, 'the link of a login code has a line of its own');
	is(call($node, 'authenticate_with_code', client_id => 'app', login_id => 'ada@mail.example', code => code_in($mail))->{sub},
		$ada->{sub}, 'a login code works');
}
{
	call($node, 'request_password_reset', login_id => 'ada@mail.example');
	ok(call($node, 'reset_password', login_id => 'ada@mail.example', code => code_in(mail_to('ada@mail.example', 2)), new_password => 'battery staple')->{reset_password},
		'the code of a password reset works');
	notice("'taken\@mail.example'");
	is(mail_to('taken@mail.example')->{headers}{subject}, 'An address was removed from your account at Example', 'a notice arrives');
}

# ---------------------------------------------------------------------------
# Languages
# ---------------------------------------------------------------------------

{
	my %languages = ('de-AT' => 'Ihr Code', 'zh-Hant-TW' => '驗證碼', 'fr' => 'Your code', 'zh' => 'Your code');

	for my $language (sort keys %languages)
	{
		request_code("language-$language\@mail.example", ui_locales => $language);
		my $mail = mail_to("language-$language\@mail.example");
		utf8::decode(my $word = $languages{$language});
		like($mail->{headers}{subject}, qr/\Q$word\E/, "$language: the closest text is chosen");
		code_in($mail);
	}
	query('UPDATE anon_auth.settings SET code_link_uri = NULL');
	request_code('no-link@mail.example');
	my $mail = mail_to('no-link@mail.example');
	code_in($mail);
	unlike($mail->{text}, qr/link|http|None/, 'without a link, the text does not mention one');
	query(q{UPDATE anon_auth.settings SET code_link_uri = 'https://app.example/{type}?lang={language}#{code}'});
}

# ---------------------------------------------------------------------------
# Messages that cannot be sent
# ---------------------------------------------------------------------------

{
	my %hostile = (
		'a header' => q{E'eve@mail.example\r\nBcc: bcc@mail.example'},
		'a second recipient' => q{'eve@mail.example, bcc@mail.example'},
		'an end of the path' => q{'eve@mail.example> SIZE=1'},
		'a display name' => q{'Eve <bcc@mail.example>'},
		'nothing' => q{''});

	for my $what (sort keys %hostile)
	{
		my $id = notice($hostile{$what});
		wait_for_log('one', qr/message $id: login_id_taken not sent: Refused: not an e-mail address/);
		pass("an address with $what is refused");
	}
	notice(q{'odd@mail.example'}, language => q{'../../../etc/passwd'}, client_id => q{E'x\r\nBcc: bcc@mail.example'});
	is(mail_to('odd@mail.example')->{headers}{bcc}, undef, 'the language and the client add no header');
	is(scalar(grep { $json->encode($_) =~ /bcc\@|eve\@/ } mails()), 0, 'nothing was sent to the hostile addresses');

	request_code('refused-1@mail.example');
	wait_for_log('one', qr/login_code not sent: Refused: the mail server refuses the recipient: 550 5\.1\.1/);
	wait_for(sub { waiting() == 0 }, 'the commit');
	is(waiting(), 0, 'a message to an unknown recipient is dropped');
}
{
	set_flag('busy');
	request_code('later-1@mail.example');
	wait_for_log('one', qr/must wait: the mail server refuses the recipient: 450/);
	request_code('after-1@mail.example');
	code_in(mail_to('after-1@mail.example'));
	pass('a recipient that is refused for the moment does not keep back others');
	clear_flag('busy');
	code_in(mail_to('later-1@mail.example'));
	pass('it gets the message later');
	set_flag('drop');
	request_code('drop-1@mail.example');
	wait_for_log('one', qr/must wait: no answer of the mail server/);
	request_code('after-2@mail.example');
	code_in(mail_to('after-2@mail.example'));
	is(waiting(), 1, 'a message without an answer stays in the outbox');
	clear_flag('drop');
	wait_for(sub { waiting() == 0 }, 'the answer');
	code_in($_) for mails('drop-1@mail.example');
}
{
	$secrets{'+4915112345678'} = 1;
	request_code('+4915112345678');
	wait_for_log('one', qr/login_code not sent: Refused: phone numbers are not supported/);
	is(stop_worker('one'), 0, 'SIGTERM ends an idle worker');

	append_to_file("$directory/send-sms", "#!/bin/sh\ncat >>'$directory/sms'\n[ -e '$directory/network' ] || { touch '$directory/network'; exit 75; }\n");
	chmod 0755, "$directory/send-sms";
	start_worker('one', phone => { command => ["$directory/send-sms"] });
	$secrets{'+4915112345679'} = 1;
	request_code('+4915112345679', ui_locales => 'de');
	wait_for_log('one', qr/login_code must wait: phone\.command cannot send/);
	wait_for_log('one', qr/login_code sent/);
	my ($first, $second) = slurp_file("$directory/sms") =~ /(\{[^}]*\})/g;
	is($second, $first, 'the command gets the message again after status 75');
	my $sms = $json->decode($second);
	is("$sms->{recipient} $sms->{type}", '+4915112345679 login_code', 'the command gets the number');
	like($sms->{text}, qr/^\d{6} ist Ihr Code/, 'and the text');
	code_in($sms);
}

# Expired messages count for take_outbox_messages().
{
	is(stop_worker('one'), 0, 'it ends');
	notice("'expired\@mail.example'", id => "00000000-0000-7000-8000-00000000000$_", expires => '-1 second') for 1 .. 5;
	notice("'behind\@mail.example'");
	start_worker('one');
	ok(mail_to('behind@mail.example'), 'expired messages do not hide the next one');
	wait_for(sub { waiting() == 0 }, 'the commit');
	is(scalar(mails('expired@mail.example')), 0, 'they are not sent');
}

# ---------------------------------------------------------------------------
# Faults of servers
# ---------------------------------------------------------------------------

{
	stop_smtp();
	request_code('down@mail.example');
	wait_for_log('one', qr/messages: Unavailable: the mail server cannot be used/);
	is(waiting(), 1, 'while the mail server is down, the message stays');
	start_smtp();
	code_in(mail_to('down@mail.example'));
	wait_for(sub { waiting() == 0 }, 'the commit');
	is(scalar(mails('down@mail.example')), 1, 'afterwards, it is sent once');

	$node->restart;
	request_code('restart@mail.example');
	code_in(mail_to('restart@mail.example'));
	pass('the worker connects again after a restart of the database');
	is(stop_worker('one'), 0, 'it ends');
}
for my $case ([ 'the certificate is not trusted', { ca_file => "$directory/other.pem" }, qr/CERTIFICATE_VERIFY_FAILED/ ],
	[ 'the password is wrong', { password => 'wrong' }, qr/SMTPAuthenticationError 535/ ],
	[ 'TLS is not possible', { tls => 'implicit' }, qr/SSLError/ ])
{
	my ($what, $changes, $error) = @$case;
	my %mail = (host => 'localhost', port => $smtp_port, user => 'app', password => 'secret', sender => 'no-reply@app.example', ca_file => "$directory/ours.pem", %$changes);

	notice("'never\@mail.example'") if waiting() == 0;
	start_worker('bad', mail => \%mail);
	wait_for_log('bad', qr/messages: Unavailable: the mail server cannot be used: [^\n]*$error/);
	stop_worker('bad');
	is(waiting(), 1, "$what: the message stays");
	is(scalar(mails('never@mail.example')), 0, "$what: it is not sent");
}
{
	my %mail = (host => 'localhost', port => $smtp_port, sender => 'no-reply@app.example', ca_file => "$directory/ours.pem");

	append_to_file("$mailbox/open", '');
	notice("'never\@mail.example'") if waiting() == 0;
	start_worker('bad', mail => { %mail, user => 'app', password => 'secret' });
	wait_for_log('bad', qr/messages: Unavailable: the mail server has no login \(AUTH\): remove mail\.user and mail\.password/);
	stop_worker('bad');
	is(waiting(), 1, 'the server has no login: the message stays');
	start_worker('open', mail => \%mail);
	ok(mail_to('never@mail.example'), 'it is sent without user and password');
	stop_worker('open');
	unlink "$mailbox/open";
}
query('DELETE FROM anon_auth.outbox');

# ---------------------------------------------------------------------------
# Crashes, SIGTERM, several workers
# ---------------------------------------------------------------------------

{
	set_flag('hold');
	start_worker('one');
	request_code('crash@mail.example');
	mail_to('crash@mail.example');
	$workers{one}{run}->kill_kill(grace => 0);
	delete $workers{one};
	clear_flag('hold');
	wait_for(sub { query("SELECT count(*) FROM pg_stat_activity WHERE usename = 'worker'") == 0 }, 'the end of its connections');
	is(waiting(), 1, 'a worker that dies before it commits leaves the message');
	start_worker('one');
	mail_to('crash@mail.example', 1);
	wait_for(sub { waiting() == 0 }, 'the commit');
	my @mails = mails('crash@mail.example');
	is(scalar(@mails), 2, 'the next one sends it again');
	is($mails[0]{headers}{'message-id'}, $mails[1]{headers}{'message-id'}, 'with the same Message-ID');
	is(code_in($mails[0]), code_in($mails[1]), 'and the same code');
}
{
	set_flag('hold');
	request_code('term@mail.example');
	mail_to('term@mail.example');
	my $run = delete($workers{one})->{run};
	$run->signal('TERM');
	request_code('after-term@mail.example');
	clear_flag('hold');
	$run->finish;
	is(scalar $run->full_result(0), 0, 'SIGTERM ends a worker that sends');
	code_in($_) for mails('term@mail.example');
	is(scalar(mails('term@mail.example')), 1, 'it waits for the answer');
	is(waiting(), 1, 'and leaves the next message');
}
{
	my @addresses = map { "many-$_\@mail.example" } 1 .. 40;

	request_code($_) for @addresses;
	start_worker($_) for qw(one two);
	wait_for(sub { waiting() == 0 }, 'all messages');
	is(stop_worker($_), 0, "worker $_ ends") for qw(one two);
	is_deeply([ map { scalar mails($_) } @addresses ], [ (1) x @addresses ], 'two workers send each message once');
	code_in($_) for map { mails($_) } @addresses, 'after-term@mail.example';
}

# ---------------------------------------------------------------------------
# Hostile providers
# ---------------------------------------------------------------------------

my %keys = (ca_file => "$directory/ours.pem", timeout_seconds => 2, min_refresh_seconds => 1);
my $key_json = sub {
	my ($kid) = @_;

	run_command([ qw(openssl ecparam -name prime256v1 -genkey -noout -out), "$directory/$kid.pem" ]);
	my ($der) = run_command([ 'sh', '-c', "openssl ec -in '$directory/$kid.pem' -pubout -outform DER 2>/dev/null | tail -c 64 | od -An -v -tx1" ]);
	my @coordinates = map { MIME::Base64::encode_base64url(pack 'H*', $_) } (join '', split ' ', $der) =~ /^(.{64})(.{64})$/;

	return { kty => 'EC', crv => 'P-256', kid => $kid, x => $coordinates[0], y => $coordinates[1] };
};

{
	append_to_file("$directory/jwks.json", $json->encode({ keys => [ $key_json->('first') ] }));
	my ($out, $untrusted_out) = ('', '');
	my $server = IPC::Run::start([ $python, "$FindBin::Bin/worker/hostile_provider.py", "$directory/ours.pem", "$directory/ours.key", "$directory/jwks.json" ],
		'<', \undef, '>', \$out, '2>', "$directory/hostile.log");
	my $untrusted = IPC::Run::start([ $python, "$FindBin::Bin/worker/hostile_provider.py", "$directory/other.pem", "$directory/other.key", "$directory/jwks.json" ],
		'<', \undef, '>', \$untrusted_out, '2>', "$directory/untrusted.log");
	$server->pump until $out =~ /^(\d+) (\d+)\n/;
	my ($port, $http_port) = ($1, $2);
	$untrusted->pump until $untrusted_out =~ /^(\d+) \d+\n/;
	my $untrusted_port = $1;
	my %reasons = (
		'redirected' => 'the provider answers 302',
		'redirected-keys' => 'the provider answers 302',
		'elsewhere' => 'the provider answers 307',
		'http-keys' => 'the URI is not https',
		'file-keys' => 'the URI is not https',
		'no-keys' => 'the configuration has no jwks_uri',
		'huge' => 'the answer has more than 262144 bytes',
		'huge-keys' => 'the answer has more than 262144 bytes',
		'slow' => 'the answer takes longer than 2 s',
		'slow-keys' => 'the answer takes longer than 2 s',
		'failing-keys' => 'the provider answers 500',
		'html-keys' => 'the answer is not JSON',
		'list-keys' => 'the answer is not a JSON object',
		'secret-keys' => 'AA016 ',
		'nul-keys' => '22P05 ',
		'other-issuer' => 'the configuration is that of another issuer',
		'slash-issuer' => 'the configuration is that of another issuer',
		'cut' => 'the answer is not JSON',
		'deep' => 'the answer is not JSON',
		'binary' => 'UnicodeDecodeError');
	my %issuers = map { ("https://127.0.0.1:$port/$_" => $reasons{$_}) } keys %reasons;

	$issuers{"https://127.0.0.1:$untrusted_port/good"} = 'CERTIFICATE_VERIFY_FAILED';
	$issuers{"http://127.0.0.1:$http_port/good"} = 'the URI is not https';
	call($node, 'create_identity_provider', issuer => $_, audiences => '{app}', algorithms => '{ES256}') for sort keys %issuers;
	start_worker('keys', mail => undef, poll_seconds => 0.2, keys => \%keys);
	for my $issuer (sort keys %issuers)
	{
		wait_for_log('keys', qr/keys of \Q$issuer\E \(no_keys\): [^\n]*\Q$issuers{$issuer}\E/);
		pass("$issuers{$issuer}: " . ($issuer =~ s/^https?:..127.0.0.1:\d+.//r));
	}
	is(query('SELECT count(*) FROM anon_auth.identity_providers WHERE keys_set_at IS NOT NULL OR jwks IS NOT NULL'), 0, 'no provider has keys');

	# The same server, without faults: its keys are fetched, and again when they expire.
	my $good = "https://127.0.0.1:$port/good";
	call($node, 'create_identity_provider', issuer => $good, audiences => '{app}', algorithms => '{ES256}');
	wait_for(sub { query("SELECT jwks::text FROM anon_auth.identity_providers WHERE issuer = '$good'") =~ /"first"/ }, 'the first keys');
	pass('the keys of a provider without faults are set');
	append_to_file("$directory/jwks.new", $json->encode({ keys => [ $key_json->('second') ] }));
	rename "$directory/jwks.new", "$directory/jwks.json" or die;
	wait_for(sub { query("SELECT jwks::text FROM anon_auth.identity_providers WHERE issuer = '$good'") =~ /"second"/ }, 'the second keys');
	like(worker_log('keys'), qr/keys of \Q$good\E \(refresh\): set/, 'and fetched again after max-age');
	query('DELETE FROM anon_auth.identity_providers');
	$server->pump_nb;
	unlike($out, qr/^http /m, 'no request was made without TLS');
	is(scalar(() = $out =~ m{^https /(?:no-keys|http-keys|file-keys|other-issuer|slash-issuer)/jwks}mg), 0, 'no keys are fetched after a bad configuration');
	is(stop_worker('keys'), 0, 'SIGTERM ends a worker that only fetches keys');
	$_->kill_kill for $server, $untrusted;
}

# ---------------------------------------------------------------------------
# A real provider
# ---------------------------------------------------------------------------

SKIP:
{
	my $reason = AnonAuth::Web->npm_install("$directory/provider", '../clients/provider/*');

	skip $reason, 1 if $reason;
	local $ENV{NODE_EXTRA_CA_CERTS} = "$directory/ours.pem";
	my ($in, $out) = ('', '');
	my $program = IPC::Run::start([ 'node', "$directory/provider/provider.mjs" ], '<', \$in, '>', \$out, '2>', "$directory/provider.log",
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	my $provider = sub {
		my ($task, %request) = @_;

		$in .= $json->encode({ task => $task, %request }) . "\n";
		$program->pump until $out =~ /\n/;
		(my $line, $out) = split /\n/, $out, 2;
		my $answer = $json->decode($line);
		die "$task: $answer->{error}" if exists $answer->{error};
		return $answer;
	};
	my $issuer = $provider->('start', shape => 'google', tls => { key => "$directory/ours.key", cert => "$directory/ours.pem" })->{issuer};
	my $token = sub {
		my $nonce = call($node, 'create_challenge', purpose => 'id_token')->{token};

		return (nonce => $nonce, id_token => $provider->('login', issuer => $issuer, clientId => 'app.example', subject => 'ada', nonce => sha256_hex($nonce))->{idToken});
	};
	my $keys_set = sub { return query("SELECT keys_set_at IS NOT NULL AND keys_set_at > now() - interval '30 seconds' FROM anon_auth.identity_providers") eq 't' };

	$ada = call($node, 'authenticate', client_id => 'app', login_id => 'ada@mail.example', password => 'battery staple');
	call($node, 'create_identity_provider', issuer => $issuer, audiences => '{app.example}');
	my @token = $token->();
	is(refusal($node, 'add_identity', @token, access_token => $ada->{access_token})->{sqlstate}, 'AA025', 'without the keys, a token is refused');
	start_worker('keys', mail => undef, poll_seconds => 0.2, keys => { %keys, min_refresh_seconds => 3600 });
	wait_for($keys_set, 'the keys');
	ok(call($node, 'add_identity', @token, access_token => $ada->{access_token})->{add_identity}, 'the worker fetches them, and the same token is accepted');

	$provider->('rotate', issuer => $issuer);
	query("UPDATE anon_auth.identity_providers SET keys_set_at = keys_set_at - interval '61 seconds'");
	@token = $token->();
	is(refusal($node, 'authenticate_with_id_token', client_id => 'app', @token)->{sqlstate}, 'AA025', 'a token of a new key is refused');
	wait_for($keys_set, 'the new keys');
	is(call($node, 'authenticate_with_id_token', client_id => 'app', @token)->{sub}, $ada->{sub}, 'the worker fetches it, and the login works');
	like(worker_log('keys'), qr/keys of \Q$issuer\E \(unknown_key\): set/, 'because the provider was due');
	is(stop_worker('keys'), 0, 'the worker ends');
	$program->kill_kill;
}

# ---------------------------------------------------------------------------
# Logs
# ---------------------------------------------------------------------------

{
	my $logs = join '', map { slurp_file($_) } @logs;

	cmp_ok(scalar(keys %secrets), '>', 100, 'addresses and codes are known');
	is(join(' ', grep { index($logs, $_) >= 0 } sort keys %secrets), '', 'no log has a code or an address');
	unlike($logs, qr/unexpected|Traceback/, 'no error was unexpected');
}

done_testing();
