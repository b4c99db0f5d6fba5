# Test examples/monitoring with postgres_exporter and Prometheus: the metrics equal
# stats, the alerts fire, and every expression of the dashboard returns data.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Device qw(call challenge);
use File::Copy ();
use File::Spec ();
use HTTP::Tiny;
use IPC::Run ();
use JSON::PP ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes ();

my $example = "$FindBin::Bin/../examples/monitoring";
my $json = JSON::PP->new->canonical;
my %programs;

for my $program (qw(prometheus promtool prometheus-postgres-exporter setpriv))
{
	($programs{$program}) = grep { -x } map { "$_/$program" } File::Spec->path;
	next if defined $programs{$program};
	# script/setup installs them there.
	BAIL_OUT("$program is not installed") if $ENV{CI};
	plan skip_all => "$program is not installed";
}

my $directory = PostgreSQL::Test::Utils::tempdir();
File::Copy::copy($_, $directory) or die "$_: $!" for glob "$example/*";

# ---------------------------------------------------------------------------
# The alerts, on series of eight days
# ---------------------------------------------------------------------------

my @days = (2304, '5m');    # samples, and the time between them
my $data = '{datname="app"}';

# Returns the alerts that fire at the end. The series are those of a busy site that
# has no problem, except those given.
sub alerts
{
	my (%changed) = @_;
	my %series = (
		'anon_auth_outbox_messages' => "0x$days[0]",
		'pg_exporter_user_queries_load_error' => "0x$days[0]",
		'anon_auth_unpurged_seconds' => "60x$days[0]",
		'anon_auth_doctor_findings/severity="error"' => "0x$days[0]",
		'anon_auth_counters_refused_total' => "0x$days[0]",
		'anon_auth_sign_ups_total' => "0+1000x$days[0]",
		'anon_auth_promotions_total' => "0+100x$days[0]",
		'anon_auth_refreshes_total' => "0+10000x$days[0]",
		'anon_auth_logins_total/method="password"' => "0+1000x$days[0]",
		'anon_auth_rolled_back_logins_total' => "0+10x$days[0]",
		'anon_auth_rolled_back_refreshes_total' => "0+10x$days[0]",
		'anon_auth_refusals_total/reason="wrong_credentials"' => "0+100x$days[0]",
		'anon_auth_refusals_total/reason="refresh_token_reused"' => "0+10x$days[0]",
		%changed);
	my @input;

	for my $name (sort grep { defined $series{$_} } keys %series)
	{
		my ($metric, $label) = split m{/}, $name;

		push @input, { series => "$metric\{datname=\"app\"" . ($label ? ",$label" : '') . '}', values => $series{$name} };
	}
	# promtool prints the alerts that it did not expect.
	my $test = {
		rule_files => ['rules.yml'],
		evaluation_interval => '1h',    # each evaluation reads a week
		tests => [
			{
				interval => $days[1],
				input_series => \@input,
				promql_expr_test => [ { expr => 'count by (alertname) (ALERTS{alertstate="firing"})', eval_time => '191h', exp_samples => [ { labels => '{alertname="none"}', value => 1 } ] } ]
			} ] };
	open my $file, '>', "$directory/test.yml" or die $!;
	print $file $json->encode($test);
	close $file;
	my $output = '';

	IPC::Run::run([ $programs{promtool}, 'test', 'rules', "$directory/test.yml" ], '<', \undef, '>&', \$output);
	my ($got) = $output =~ /got:(.*)/ or die $output;

	my @names = $got =~ /alertname="(\w+)"/g;

	return join ' ', sort @names;
}

# So many in five minutes, and so many in the last two hours
sub spike { my ($usual, $spike) = @_; return "0+${usual}x2280 " . 2280 * $usual . "+${spike}x24"; }

is(exit_status($programs{promtool}, 'check', 'rules', "$directory/rules.yml"), 0, 'promtool accepts the alerts');
is(exit_status($programs{promtool}, 'check', 'config', "$directory/prometheus.yml"), 0, 'promtool accepts the configuration');
{
	# The commands of README.md, on a configuration with the keys of Debian's
	my ($commands) = slurp_file("$example/README.md") =~ /^   ```sh\n(   install [^\n]*rules.*?)^   ```/ms or die 'no commands';

	mkdir "$directory/debian" or die $!;
	append_to_file("$directory/debian/prometheus.yml", <<'YAML');
global:
  scrape_interval:     15s # a comment
rule_files:
  # - "first_rules.yml"
  # - "second_rules.yml"
scrape_configs:
  # a comment
  - job_name: 'prometheus'
    static_configs:
      - targets: ['localhost:9090']
YAML
	$commands =~ s{/etc/prometheus}{$directory/debian}g;
	$commands =~ s/^ *systemctl .*//m or die 'no reload';
	is(exit_status('sh', '-ec', "cd '$directory'\n$commands"), 0, 'the commands of README.md change the configuration of Debian, and promtool accepts it');
	my $changed = slurp_file("$directory/debian/prometheus.yml");
	like($changed, qr/^rule_files:\n  - anon_auth_rules\.yml$/m, 'it has the alerts');
	is(join(' ', $changed =~ /job_name: '?(\w+)/g), 'anon_auth prometheus', 'it has the new job and the former one');
}
is(alerts(), '', 'no alert fires for a busy site without a problem');
for my $case (
	[ AnonAuthNotMonitored => 'anon_auth_outbox_messages' => undef ],
	[ AnonAuthNotMonitored => 'anon_auth_outbox_messages/instance="other"' => '0x2260 _x44' ],
	[ AnonAuthQueryFile => 'pg_exporter_user_queries_load_error' => '0x2270 1x34' ],
	[ AnonAuthDoctorFails => 'anon_auth_doctor_findings/severity="error"' => '0x2270 _x34' ],
	[ AnonAuthConfigurationError => 'anon_auth_doctor_findings/severity="error"' => '0x2270 1x34' ],
	[ AnonAuthPurgeStopped => 'anon_auth_unpurged_seconds' => '60+300x2304' ],
	[ AnonAuthCodesNotSent => 'anon_auth_outbox_messages' => '0x2260 1+5x44' ],
	[ AnonAuthPasswordGuessing => 'anon_auth_refusals_total/reason="wrong_credentials"' => spike(100, 1000) ],
	[ AnonAuthRefreshTokenReused => 'anon_auth_refusals_total/reason="refresh_token_reused"' => spike(10, 100) ],
	[ AnonAuthCallsRolledBack => 'anon_auth_rolled_back_logins_total' => spike(10, 5000) ],
	[ AnonAuthCountersFull => 'anon_auth_counters_refused_total' => '0x2290 5x14' ],
	[ AnonAuthGuestsByScript => 'anon_auth_sign_ups_total' => spike(1000, 10000) ])
{
	my ($alert, @series) = @$case;

	is(alerts(@series), $alert, "$alert fires, and no other alert");
}
is(alerts('anon_auth_sign_ups_total' => spike(1000, 10000), 'anon_auth_promotions_total' => spike(100, 1000)), '', 'no alert fires if promotions grow with sign-ups');
is(alerts('anon_auth_outbox_messages' => '0x2260 500-5x44'), '', 'no alert fires while the outbox is emptied');

# ---------------------------------------------------------------------------
# The exporter
# ---------------------------------------------------------------------------

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->append_conf('postgresql.conf', "fsync = off\nautovacuum = off");
$node->start;

sub query { return $node->safe_psql('postgres', $_[0]); }

query(<<'SQL');
CREATE EXTENSION anon_auth;
SELECT anon_auth.create_client('app', 'native');
UPDATE anon_auth.settings SET password_hash_memory_kib = 8192, password_hash_passes = 1, promotion_conflict = 'merge';
CREATE ROLE prometheus LOGIN;
SELECT anon_auth.grant_monitoring('prometheus');
SQL

my %started;
my $http = HTTP::Tiny->new(timeout => $PostgreSQL::Test::Utils::timeout_default, no_proxy => ['127.0.0.1']);

# Starts a program that ends with this one, and returns the address that it listens on.
sub start_program
{
	my ($name, $environment, $listen, @arguments) = @_;
	my $address = '127.0.0.1:' . PostgreSQL::Test::Cluster::get_free_port();

	local %ENV = (%ENV, %$environment);
	delete @ENV{ grep { /^PG/ } keys %ENV };
	$started{$address} = IPC::Run::start([ $programs{setpriv}, '--pdeathsig', 'KILL', '--', $programs{$name}, "$listen=$address", @arguments ], '<', \undef, '>', "$directory/$name-$address.log", '2>&1');
	return $address;
}

sub wait_until
{
	my ($what, $condition) = @_;
	my $deadline = time + $PostgreSQL::Test::Utils::timeout_default;

	until ($condition->())
	{
		die "timed out: $what\n" . join("\n", map { slurp_file($_) } glob "$directory/*.log") if time > $deadline;
		Time::HiRes::sleep(0.1);
	}
	return;
}

# Starts an exporter, and returns its address.
sub start_exporter
{
	my ($queries) = @_;

	return start_program(
		'prometheus-postgres-exporter',
		{ DATA_SOURCE_NAME => 'user=prometheus dbname=postgres host=' . $node->host . ' port=' . $node->port },
		'--web.listen-address', "--extend.query-path=$queries",
		qw(--disable-default-metrics --disable-settings-metrics --no-collector.database --no-collector.bgwriter));
}

my $exporter = start_exporter("$directory/queries.yaml");

# Metrics of anon_auth by name and labels, without the labels that all have
sub metrics
{
	my ($address) = @_;
	my $response = $http->get('http://' . ($address // $exporter) . '/metrics');
	my %metrics;

	return if $response->{status} != 200;
	while ($response->{content} =~ /^(\w+)(?:\{(.*)\})? (\S+)$/mg)
	{
		my ($name, $labels, $value) = ($1, $2 // '', $3);
		my %labels = $labels =~ /(\w+)="([^"]*)"/g;

		delete @labels{qw(server datname)};
		$metrics{ join ' ', $name, map { "$_=$labels{$_}" } sort keys %labels } = $value if $name =~ /^(?:anon_auth|pg_exporter)/;
	}
	return \%metrics;
}

my $device = AnonAuth::Device->new(alg => 'ES256');
call($node, 'authenticate_anonymously', client_id => 'app', jwt => $device->request(challenge => challenge($node), with_jwk => 1));
my $round = 0;

# One of each call that is counted
sub traffic
{
	my $email = 'user' . ++$round . '@example.com';

	call($node, 'authenticate_anonymously', client_id => 'app', jwt => $device->request(challenge => challenge($node)));
	for (1 .. 2)    # a promotion, and a merge
	{
		my $guest = call($node, 'authenticate_anonymously', client_id => 'app');

		call($node, 'refresh_session', client_id => 'app', refresh_token => $guest->{refresh_token});
		call($node, 'promote_anonymous_user', client_id => 'app', email => $email, password => 'correct horse', refresh_token => $guest->{refresh_token});
	}
	call($node, 'authenticate_anonymously', client_id => 'app');
	query(qq{SELECT anon_auth.authenticate('app', '$email', 'wrong');
		BEGIN; SELECT anon_auth.authenticate_anonymously('app'); ROLLBACK;
		UPDATE anon_auth.sessions SET expires_at = now() - interval '2 hours', purge_from = now() - interval '2 hours';
		UPDATE anon_auth.users SET purge_from = now() - interval '2 hours' WHERE is_anonymous AND device_kid IS NULL});
	query('SELECT anon_auth.purge()') if $round % 2;
	return;
}

traffic();
query('ANALYZE');
wait_until('the exporter answers', sub { keys %{ metrics() // {} } });
my $metrics = metrics();
is($metrics->{'pg_exporter_last_scrape_error'}, 0, 'the exporter reports no error');
is(join(' ', grep { /user_queries_load_error/ && $metrics->{$_} ne '0' } keys %$metrics), '', 'the exporter could read the query file');
my $stats = $json->decode(query('SELECT to_jsonb(s) FROM anon_auth.stats s'));
is($metrics->{"anon_auth_$_"}, $stats->{$_}, "metric anon_auth_$_") for grep { /_total\z/ && !ref $stats->{$_} } sort keys %$stats;
is($metrics->{"anon_auth_$_"} + 0, $stats->{$_}, "metric anon_auth_$_") for qw(users regular_users sessions purgeable_guests outbox_messages counters_max);
is($metrics->{"anon_auth_${_}_total"}, $stats->{$_}, "metric anon_auth_${_}_total") for qw(counters_refused rolled_back_logins rolled_back_refreshes);
is($metrics->{"anon_auth_logins_total method=$_"}, $stats->{logins_total}{$_}, "logins by $_") for sort keys %{ $stats->{logins_total} };
is(join(' ', map { "$_=" . ($metrics->{"anon_auth_refusals_total reason=$_"} // '') } sort keys %{ $stats->{refusals_total} }),
	join(' ', map { "$_=$stats->{refusals_total}{$_}" } sort keys %{ $stats->{refusals_total} }), 'refusals by reason');
cmp_ok($stats->{refusals_total}{wrong_credentials}, '>', 0, 'there are refusals');
is_deeply([ map { $metrics->{"anon_auth_doctor_findings severity=$_"} } qw(error warning notice) ],
	[ map { query("SELECT count(*) FROM anon_auth.doctor() WHERE severity = '$_'") } qw(error warning notice) ], 'findings by severity, also where there are none');
is($metrics->{'anon_auth_doctor_finding_count finding=autovacuum_off severity=warning'}, 1, 'each finding by its code');

# ---------------------------------------------------------------------------
# Prometheus and the dashboard
# ---------------------------------------------------------------------------

my $config = slurp_file("$directory/prometheus.yml");
$config =~ s/127\.0\.0\.1:9187/$exporter/ or die 'no target';
$config =~ s/scrape_interval: 15s/scrape_interval: 1s\n  evaluation_interval: 1s/ or die 'no interval';
open my $file, '>', "$directory/prometheus.yml" or die $!;
print $file $config;
close $file;
my $prometheus = start_program('prometheus', {}, '--web.listen-address', "--config.file=$directory/prometheus.yml", "--storage.tsdb.path=$directory/data");

sub api
{
	my ($path, %parameters) = @_;
	my $response = $http->get("http://$prometheus/api/v1/$path?" . $http->www_form_urlencode(\%parameters));

	return if $response->{status} == 599;
	my $answer = eval { $json->decode($response->{content}) } // {};
	return $answer->{status} eq 'success' ? $answer->{data} : die "$path: $response->{content}" if defined $answer->{status};
	return;
}

# The values of an expression. NaN is no value.
sub values_of { return grep { lc ne 'nan' } map { $_->{value}[1] } @{ (api('query', query => $_[0]) // { result => [] })->{result} }; }

wait_until('Prometheus has scraped', sub { scalar values_of('anon_auth_sign_ups_total') });
traffic();
my $total = query('SELECT sign_ups_total FROM anon_auth.stats');
wait_until('Prometheus has scraped the new counts', sub { join(' ', values_of('anon_auth_sign_ups_total')) eq $total });
wait_until('rates have values', sub { my ($rate) = values_of('rate(anon_auth_purged_guests_total[1m])'); return defined $rate || !traffic(); });

my $dashboard = $json->decode(slurp_file("$directory/dashboard.json"));
my @panels = @{ $dashboard->{panels} };
my %seen;

is(join(' ', grep { $seen{$_}++ } map { $_->{id} } @panels), '', 'panels have different ids');
is(join(', ', map { $_->{title} } grep { $_->{gridPos}{x} + $_->{gridPos}{w} > 24 } @panels), '', 'panels fit into the grid');
is(join(', ', overlaps(@panels)), '', 'panels do not overlap');
my %variables = map { $_->{name} => $_ } @{ $dashboard->{templating}{list} };
my $count = 0;
for my $panel (@panels)
{
	for my $target (@{ $panel->{targets} })
	{
		my $expression = $target->{expr};

		is($_->{datasource}{uid}, '${datasource}', "panel \"$panel->{title}\" uses the selected data source") for $panel, $target;
		$expression =~ s/\$database\b/$variables{database}{allValue}/g;
		$expression =~ s/\$__rate_interval\b/1m/g;
		unlike($expression, qr/\$/, "the variables of \"$expression\" are known");
		cmp_ok(scalar(values_of($expression)), '>', 0, "\"$panel->{title}\": $expression returns data");
		$count++;
	}
}
cmp_ok($count, '>', 20, 'the dashboard has expressions');
is(scalar(values_of('anon_auth_no_such_total')), 0, 'an expression with a wrong name returns no data');
my ($metric, $label) = $variables{database}{definition} =~ /label_values\((\w+), (\w+)\)/;
is_deeply(api("label/$label/values", 'match[]' => $metric), ['postgres'], 'the variable has the databases');
my @rules = map { @{ $_->{rules} } } @{ api('rules')->{groups} };
wait_until('Prometheus has evaluated the alerts', sub { @rules = map { @{ $_->{rules} } } @{ api('rules')->{groups} }; return !grep { $_->{health} eq 'unknown' } @rules });
is(scalar(@rules), 11, 'Prometheus has the alerts');
is(join(' ', map { "$_->{name}: $_->{lastError}" } grep { $_->{health} ne 'ok' } @rules), '', 'Prometheus evaluates all alerts');

# What the exporter shows when it cannot do its work. The alerts read that.
{
	my $other = start_exporter("$directory/no such file");
	wait_until('an exporter without query file answers', sub { keys %{ metrics($other) // {} } });
	my ($error) = grep { /^pg_exporter_user_queries_load_error / } keys %{ metrics($other) };
	is($error && metrics($other)->{$error}, 1, 'an exporter that cannot read the query file says so');

	query('REVOKE EXECUTE ON FUNCTION anon_auth.doctor FROM prometheus');
	$other = start_exporter("$directory/queries.yaml");
	wait_until('an exporter without doctor() answers', sub { keys %{ metrics($other) // {} } });
	is(metrics($other)->{'anon_auth_outbox_messages'}, 0, 'without doctor(), the exporter has the numbers of stats');
	is(scalar(grep { /^anon_auth_doctor/ } keys %{ metrics($other) }), 0, 'and none of doctor()');
}

$_->kill_kill for values %started;
$node->stop;
done_testing();

sub exit_status
{
	my $output = '';

	IPC::Run::run([@_], '<', \undef, '>&', \$output) or diag $output;
	return $?;
}

sub overlaps
{
	my (@boxes) = map { { %{ $_->{gridPos} }, title => $_->{title} } } @_;
	my @found;

	for my $i (0 .. $#boxes)
	{
		for my $j (0 .. $i - 1)
		{
			my ($one, $two) = @boxes[ $i, $j ];

			push @found, "$one->{title} and $two->{title}"
			  if $one->{x} < $two->{x} + $two->{w} && $two->{x} < $one->{x} + $one->{w} && $one->{y} < $two->{y} + $two->{h} && $two->{y} < $one->{y} + $one->{h};
		}
	}
	return @found;
}
