-- ---------------------------------------------------------------------------
-- doctor(): settings and operation
-- ---------------------------------------------------------------------------

CREATE FUNCTION anon_auth_internal.is_loopback_uri(uri text)
	RETURNS boolean
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT uri ~ '^http://([a-z0-9.-]+\.)?localhost(:|/|$)' OR uri ~ '^http://127(\.[0-9]+){3}(:|/|$)' OR uri ~ '^http://\[::1\]'
$$;
COMMENT ON FUNCTION anon_auth_internal.is_loopback_uri(text) IS
'Part of doctor(). Returns true for an http URI on this machine: localhost, a name below it, 127.0.0.0/8 or [::1].';

CREATE FUNCTION anon_auth_internal.doctor_settings()
	RETURNS SETOF anon_auth.finding
	LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	s anon_auth.settings;
	hook record;
BEGIN
	SELECT * INTO s FROM anon_auth.settings;
	IF NOT FOUND THEN
		RETURN QUERY SELECT 'error', 'no_settings', 'anon_auth.settings has no row', 'Every call fails.',
			'INSERT INTO anon_auth.settings DEFAULT VALUES;  -- better restore the row from a backup: this one has the default issuer and limits, no hooks, and another database_id. Until database_id is that of this database in anon_auth.master_key_users(), signing keys cannot be opened, and every login fails';
		RETURN;
	END IF;

	IF anon_auth_internal.is_loopback_uri(s.issuer) THEN
		IF EXISTS (SELECT FROM anon_auth.clients WHERE array_to_string(redirect_uris, ' ') ~ 'https://') THEN
			RETURN QUERY SELECT 'warning', 'local_issuer', format('the issuer is %s, although clients have https redirect URIs', s.issuer),
				'Tokens and the discovery document name a host that other machines cannot reach.',
				'UPDATE anon_auth.settings SET issuer = ''https://your.site'';';
		ELSIF s.issuer = 'http://localhost' AND EXISTS (SELECT FROM anon_auth.clients) THEN
			RETURN QUERY SELECT 'notice', 'default_issuer', 'the issuer is the default, http://localhost',
				'Every token names the issuer. A later change makes issued access tokens invalid, and passkeys of this host no longer work.',
				'UPDATE anon_auth.settings SET issuer = ''https://your.site'';  -- not needed while you develop on this machine';
		END IF;
	ELSIF s.issuer ~ '^http://' THEN
		RETURN QUERY SELECT 'warning', 'issuer_without_tls', format('the issuer is %s', s.issuer),
			'Tokens and cookies are sent unencrypted, and cookies are not marked Secure.',
			format('UPDATE anon_auth.settings SET issuer = %L;', regexp_replace(s.issuer, '^http:', 'https:'));
	END IF;
	IF EXISTS (SELECT FROM anon_auth.clients WHERE client_id = coalesce(s.audience, s.issuer)) THEN
		RETURN QUERY SELECT 'error', 'audience_is_client_id', format('the audience of access tokens, %L, is also a client ID', coalesce(s.audience, s.issuer)),
			'The aud claim of an ID token is the client ID, so that programs can take ID tokens of this client for access tokens.',
			CASE WHEN s.audience = s.issuer OR s.audience IS NULL
				 THEN format('UPDATE anon_auth.settings SET audience = %L;', s.issuer || '/api')
				 ELSE 'UPDATE anon_auth.settings SET audience = NULL;' END || '  -- issued access tokens are refused; clients refresh them';
	END IF;
	RETURN QUERY
	SELECT 'warning', 'redirect_uri_without_tls', format('client %s has the URI %s', c.client_id, u.uri),
		'Everybody on the way can read the authorization code and the page that receives it.',
		format('UPDATE anon_auth.clients SET %1$I = array_replace(%1$I, %2$L, %3$L) WHERE client_id = %4$L;', u.list, u.uri, regexp_replace(u.uri, '^http:', 'https:'), c.client_id)
	FROM anon_auth.clients c, LATERAL (
		SELECT 'redirect_uris', unnest(c.redirect_uris) UNION ALL SELECT 'post_logout_redirect_uris', unnest(c.post_logout_redirect_uris)) AS u (list, uri)
	WHERE u.uri ~ '^http:' AND NOT anon_auth_internal.is_loopback_uri(u.uri);
	RETURN QUERY
	SELECT 'warning', 'redirect_uri_wildcard', format('client %s has the redirect URI %s', c.client_id, u.uri),
		'The asterisk is no wildcard. Only a request with exactly this URI is accepted.',
		format('UPDATE anon_auth.clients SET redirect_uris = array_remove(redirect_uris, %L) WHERE client_id = %L;  -- and list each URI', u.uri, c.client_id)
	FROM anon_auth.clients c, unnest(c.redirect_uris) AS u (uri) WHERE strpos(u.uri, '*') > 0;
	RETURN QUERY
	SELECT 'warning', 'redirect_uri_scheme', format('client %s has the redirect URI %s', c.client_id, u.uri),
		'Other applications may use the same scheme, and then receive the authorization code. RFC 8252 requires the reverse of a domain name that you own.',
		format('UPDATE anon_auth.clients SET redirect_uris = array_replace(redirect_uris, %L, %L) WHERE client_id = %L;', u.uri, regexp_replace(u.uri, '^[^:]*', 'com.example.app'), c.client_id)
	FROM anon_auth.clients c, unnest(c.redirect_uris) AS u (uri) WHERE u.uri !~ '^(https?|[^:]*\.[^:]*):';
	-- RFC 6265, section 5.3: browsers refuse a cookie for a domain that does not contain the host.
	RETURN QUERY
	SELECT 'error', 'cookie_domain_of_another_site', format('settings.cookie_domain %s does not contain the host of the issuer, %s', s.cookie_domain, h.host),
		'Browsers refuse the cookies, so nobody can log in on the pages.', 'UPDATE anon_auth.settings SET cookie_domain = NULL;'
	FROM (SELECT lower(substring(s.issuer FROM '^[a-z]+://([^/:]+)')) AS host) h
	WHERE h.host <> lower(s.cookie_domain) AND NOT right(h.host, length(s.cookie_domain) + 1) = '.' || lower(s.cookie_domain);
	IF s.trust_request_claims THEN
		RETURN QUERY SELECT 'notice', 'request_claims_trusted', 'uid() and related functions trust request.jwt.claims',
			'A role that can run SET can impersonate any user. Only PostgREST should be able to connect to this database with the roles of your API.',
			'UPDATE anon_auth.settings SET trust_request_claims = false;  -- if you call use_access_token() instead';
		IF NOT EXISTS (SELECT FROM pg_proc p, aclexplode(p.proacl) a
					   WHERE p.oid = to_regprocedure('anon_auth.postgrest_pre_request()') AND a.grantee <> p.proowner) THEN
			RETURN QUERY SELECT 'warning', 'request_claims_unchecked',
				'uid() and related functions trust request.jwt.claims, and no role can call postgrest_pre_request()',
				'PostgREST also accepts tokens of other types that a signing key signed, and access tokens whose session has ended.',
				'CREATE EXTENSION IF NOT EXISTS anon_auth_http; SELECT anon_auth.grant_http_api(''anon''), anon_auth.grant_http_api(''authenticated''), anon_auth.grant_http_api(''authenticator'');  -- and set db-pre-request = "anon_auth.postgrest_pre_request" in postgrest.conf';
		END IF;
	END IF;
	IF s.guest_sign_ups_per_minute IS NULL AND s.guest_sign_ups_per_minute_per_ip IS NULL THEN
		RETURN QUERY SELECT 'notice', 'unlimited_sign_ups', 'the number of guest sign-ups is not limited',
			'A script can create guests until the disk is full.', 'UPDATE anon_auth.settings SET guest_sign_ups_per_minute_per_ip = 60;';
	END IF;
	IF s.password_attempts_per_minute_per_user IS NULL AND s.password_attempts_per_minute_per_user_per_ip IS NULL THEN
		RETURN QUERY SELECT 'warning', 'unlimited_passwords', 'the number of password attempts for one user is not limited',
			'Attackers can guess weak passwords.', 'UPDATE anon_auth.settings SET password_attempts_per_minute_per_user_per_ip = 10;';
	END IF;
	IF s.trusted_proxy_hops = 0
	   AND EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name ILIKE 'postgrest%') THEN
		RETURN QUERY SELECT 'notice', 'client_addresses_unknown', 'PostgREST is connected, and trusted_proxy_hops is 0',
			'All clients have the address of PostgREST, or none. Limits per address apply to all clients together, or not at all.',
			'UPDATE anon_auth.settings SET trusted_proxy_hops = 1;  -- with one proxy that appends to X-Forwarded-For';
	END IF;
	RETURN QUERY
	SELECT 'warning', 'one_address',
		format('limits per address have refused %s calls from %s, the address of a connection, since %s; the last one at %s', r.refusals,
			   coalesce(abbrev(r.address), 'an unknown address'), to_char(r.first, 'YYYY-MM-DD HH24:MI TZ'), to_char(r.last, 'YYYY-MM-DD HH24:MI TZ')),
		'If it is the address of an application server or a proxy, all its users share one limit.',
		'SELECT anon_auth.grant_client_address(''app_server'');  -- the application then calls use_client_address() with the address of its user. Behind a proxy, set trusted_proxy_hops. The finding disappears 24 hours after its first call, or after reset_counters()'
	FROM anon_auth_internal.shared_address_refusals() r
	WHERE r.refusals > 0;
	-- Loopback: for development.
	IF s.code_link_uri ~ '^http://' AND s.code_link_uri !~ '^http://(localhost|127[.]0[.]0[.]1|\[::1\])[:/?#]' THEN
		RETURN QUERY SELECT 'warning', 'code_link_without_tls', 'settings.code_link_uri begins with http://',
			'Whoever can read or change the traffic of a user gets the code, and with it the account.',
			format('UPDATE anon_auth.settings SET code_link_uri = %L;', regexp_replace(s.code_link_uri, '^http:', 'https:'));
	END IF;
	IF s.phone_country_code_allowlist = '{}' THEN
		RETURN QUERY
		SELECT 'warning', 'sms_to_all_countries', format('%s codes to phone numbers were requested in at most 24 hours, and phone_country_code_allowlist is empty', n),
			'Fraudsters request messages to expensive numbers, for which they are paid a share.',
			'UPDATE anon_auth.settings SET phone_country_code_allowlist = ''{your calling codes}'';  -- first replace the placeholder, for example by {852,49}: users with other numbers get no codes. The finding disappears 24 hours after its first request, or after reset_counters()'
		FROM anon_auth_internal.unrestricted_sms() n WHERE n > 0;
	END IF;
	IF s.password_hash_concurrency IS NOT NULL AND s.password_hash_memory_kib::bigint * least(s.password_hash_concurrency, current_setting('max_connections')::integer) > 4194304 THEN
		RETURN QUERY SELECT 'warning', 'password_hash_memory',
			format('concurrent password hashes can use %s of memory', pg_size_pretty(s.password_hash_memory_kib::bigint * 1024 * least(s.password_hash_concurrency, current_setting('max_connections')::integer))),
			'Many concurrent logins can exhaust the memory of the server.', format('UPDATE anon_auth.settings SET password_hash_concurrency = %s;', 4194304 / s.password_hash_memory_kib);
	END IF;

	RETURN QUERY
	SELECT 'warning', 'overdue_deletions', format('%s accounts should have been deleted, the first one at %s', count(*), to_char(min(u.delete_at), 'YYYY-MM-DD HH24:MI TZ')),
		'Their users have called delete_account(). purge() does not run, or a foreign key without an action, a trigger or the hook before_deletion prevents the deletion.',
		'SELECT accounts, skipped_accounts FROM anon_auth.purge();  -- a WARNING has the first error. An account that could not be deleted is tried again after a day'
	FROM anon_auth.users u
	WHERE u.delete_at < now() - interval '2 days'
	HAVING count(*) > 0;

	FOR hook IN
		SELECT h.setting, h.name,
			   -- Not to_regprocedure(): the owner may lack USAGE on the schema.
			   (SELECT p.oid::regprocedure
				FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace,
					 parse_ident(regexp_replace(h.name, '\(.*', '')) AS i (parts)
				WHERE n.nspname = i.parts[1] AND p.proname = i.parts[2] AND cardinality(i.parts) = 2
				  AND ARRAY(SELECT unnest(p.proargtypes)) = h.arguments::oid[]) AS function
		FROM (VALUES ('before_sign_up', s.before_sign_up, '{uuid, text, jsonb}'::regtype[]),
					 ('access_token_claims', s.access_token_claims, '{jsonb}'),
					 ('after_promotion', s.after_promotion, '{uuid, text}'),
					 ('before_deletion', s.before_deletion, '{uuid}'),
					 ('merge', s.merge, '{uuid, uuid}')) AS h(setting, name, arguments)
		WHERE h.name IS NOT NULL
	LOOP
		IF hook.function IS NULL THEN
			RETURN QUERY SELECT 'error', 'no_hook', format('settings.%s names %s, which does not exist', hook.setting, hook.name),
				'Every call that needs this hook fails.', format('UPDATE anon_auth.settings SET %I = NULL;', hook.setting);
		ELSIF EXISTS (SELECT FROM pg_proc p JOIN pg_roles r ON r.oid = p.proowner WHERE p.oid = hook.function AND r.rolsuper) THEN
			RETURN QUERY SELECT 'error', 'superuser_hook', format('the hook %s belongs to a superuser', hook.function),
				'Hooks run as their owner, and a hook of a superuser is not run. Every call that needs this hook fails.',
				format('ALTER FUNCTION %s OWNER TO your_role;', hook.function);
		ELSIF EXISTS (SELECT FROM pg_proc p, pg_roles o WHERE p.oid = hook.function AND o.rolname = 'anon_auth_owner' AND pg_has_role(p.proowner, o.oid, 'MEMBER')) THEN
			RETURN QUERY SELECT 'warning', 'owner_hook', format('the hook %s belongs to anon_auth_owner or a member of it', hook.function),
				'Hooks run as their owner, so an error in this hook can affect all accounts.',
				format('ALTER FUNCTION %s OWNER TO your_role;', hook.function);
		END IF;
		RETURN QUERY
		SELECT 'error', 'temporary_tables_searched_first', format('the hook %s searches temporary tables first', hook.function),
			'A client that can run its own SQL can create temporary tables. Code attached to these tables then runs with the privileges of the hook''s owner.',
			format('ALTER FUNCTION %s SET search_path TO %s, pg_temp;', hook.function, coalesce(substring(c.setting FROM '^search_path=(("[^"]*"|[a-z0-9_$]+)(, *("[^"]*"|[a-z0-9_$]+))*)$'), 'its_schema'))
		FROM pg_proc p, unnest(p.proconfig) AS c(setting)
		WHERE p.oid = hook.function AND c.setting LIKE 'search\_path=%' AND c.setting !~ '[=, "]pg_temp("|,| |$)';
	END LOOP;
END
$$;
COMMENT ON FUNCTION anon_auth_internal.doctor_settings() IS
'Part of doctor(). Checks the settings of the extension and of the server.';

CREATE FUNCTION anon_auth_internal.tables_are_local()
	RETURNS boolean
	LANGUAGE c STABLE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'anon_auth_tables_are_local';
COMMENT ON FUNCTION anon_auth_internal.tables_are_local() IS
'Part of doctor() and stats. Returns true if all rows of the extension''s tables are in this database, false if they are distributed over several nodes.';

-- An extension that distributes the tables provides estimated_rows_on_all_nodes().
CREATE FUNCTION anon_auth_internal.estimated_rows(relation regclass)
	RETURNS bigint
	LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	wanted record;
BEGIN
	SELECT c.reltuples INTO wanted
		FROM pg_class c WHERE c.oid = relation AND c.relnamespace = 'anon_auth'::regnamespace;
	IF NOT FOUND THEN
		RETURN NULL;
	END IF;
	IF NOT anon_auth_internal.tables_are_local() THEN
		-- NULL without the extension: doctor() reports that it is missing.
		IF to_regprocedure('anon_auth_internal.estimated_rows_on_all_nodes(regclass)') IS NULL THEN
			RETURN NULL;
		END IF;
		RETURN anon_auth_internal.estimated_rows_on_all_nodes(relation);
	END IF;
	RETURN CASE WHEN wanted.reltuples >= 0 THEN wanted.reltuples::bigint END;
END
$$;
COMMENT ON FUNCTION anon_auth_internal.estimated_rows(regclass) IS
'Part of stats. Returns the planner''s estimate of the number of rows of a table or index of the extension, on all nodes; NULL if it was never analyzed or does not belong to the extension.';

CREATE FUNCTION anon_auth_internal.doctor_operations()
	RETURNS SETOF anon_auth.finding
	LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	s record;
	scheduled text := CASE WHEN EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_cron')
		THEN 'SELECT cron.schedule(''anon_auth purge'', ''* * * * *'', ''SELECT anon_auth.purge()'');'
		ELSE 'SELECT anon_auth.purge();  -- schedule this to run every minute' END;
BEGIN
	SELECT guest_retention, event_retention INTO s FROM anon_auth.settings;
	IF EXISTS (SELECT 1 FROM anon_auth.sessions WHERE purge_from < now() - interval '2 days')
	   OR EXISTS (SELECT 1 FROM anon_auth.users WHERE is_anonymous AND device_kid IS NULL
				  AND passkey_routes = '{}'::uuid[] AND purge_from < now() - interval '2 days')
	   OR EXISTS (SELECT 1 FROM anon_auth.users WHERE is_anonymous AND (device_kid IS NOT NULL OR passkey_routes <> '{}'::uuid[])
				  AND purge_from < now() - s.guest_retention - interval '2 days') THEN
		RETURN QUERY SELECT 'warning', 'purge_overdue', 'purge() does not run often enough, or not at all',
			'Guests and sessions that nobody can use accumulate.', scheduled;
	END IF;
	RETURN QUERY
	SELECT 'notice', 'guests_kept', format('there are about %s guests with a device key, and no retention time is set', n),
		'The server does not learn when a user deletes the app, so these guests are kept forever.', 'UPDATE anon_auth.settings SET guest_retention = ''1 year'';  -- purge() then deletes guests that were not seen for a year'
	FROM anon_auth_internal.estimated_rows('anon_auth.users_keyed_guests_idx') n WHERE n > 1e6 AND s.guest_retention IS NULL;
	RETURN QUERY
	SELECT 'notice', 'events_kept', format('there are about %s events, and no retention time is set', n),
		'The events become the largest table.', 'UPDATE anon_auth.settings SET event_retention = ''1 year'';  -- purge() then deletes older events'
	FROM anon_auth_internal.estimated_rows('anon_auth.events') n WHERE n > 1e7 AND s.event_retention IS NULL;
	RETURN QUERY
	SELECT 'warning', 'outbox_not_drained', format('a message created at %s is still in the outbox', o.created_at),
		'Users do not receive their codes.', '-- Start the worker that runs anon_auth.take_outbox_messages() and sends the messages. Do not run it by hand: it deletes the messages that it returns'
	FROM (SELECT created_at FROM anon_auth.outbox ORDER BY id LIMIT 1) o WHERE o.created_at < now() - interval '10 minutes';
	IF NOT anon_auth_internal.tables_are_local() AND to_regprocedure('anon_auth_internal.estimated_rows_on_all_nodes(regclass)') IS NULL THEN
		RETURN QUERY SELECT 'error', 'distribution_extension_missing', 'the tables are distributed, and the extension that distributed them is not installed',
			'The functions that administer the distribution are missing.', 'CREATE EXTENSION anon_auth_citus;';
	END IF;
	RETURN QUERY
	SELECT 'warning', 'published_table',
		format('publication %I contains %s', p.pubname, CASE WHEN p.puballtables THEN 'all tables, also those of the extension' ELSE (
			SELECT string_agg(format('%I.%I', t.schemaname, t.tablename), ', ' ORDER BY t.tablename) FROM pg_publication_tables t
			WHERE t.pubname = p.pubname AND t.schemaname = 'anon_auth') END),
		'Subscribers get password hashes, sessions and encrypted keys. Sessions and codes are valid in one database only.',
		CASE WHEN p.puballtables THEN format('DROP PUBLICATION %I;  -- first create one that lists your own tables, and let the subscriptions use it', p.pubname)
			 WHEN EXISTS (SELECT FROM pg_publication_rel r JOIN pg_class c ON c.oid = r.prrelid WHERE r.prpubid = p.oid AND c.relnamespace = 'anon_auth'::regnamespace)
			 THEN (SELECT format('ALTER PUBLICATION %I DROP TABLE %s;', p.pubname, string_agg(c.oid::regclass::text, ', ' ORDER BY c.relname))
				   FROM pg_publication_rel r JOIN pg_class c ON c.oid = r.prrelid WHERE r.prpubid = p.oid AND c.relnamespace = 'anon_auth'::regnamespace)
			 ELSE format('ALTER PUBLICATION %I DROP TABLES IN SCHEMA anon_auth;', p.pubname) END
	FROM pg_publication p
	WHERE p.puballtables OR EXISTS (SELECT FROM pg_publication_tables t WHERE t.pubname = p.pubname AND t.schemaname = 'anon_auth');
	IF current_setting('autovacuum') = 'off' THEN
		RETURN QUERY SELECT 'warning', 'autovacuum_off', 'autovacuum is off', 'Sessions are updated often, so their table grows without limit.',
			'ALTER SYSTEM SET autovacuum = on; SELECT pg_reload_conf();';
	END IF;
	RETURN QUERY
	SELECT 'warning', 'autovacuum_off', format('autovacuum is off for %s', c.oid::regclass), 'The space of dead rows is never reclaimed.',
		format('ALTER TABLE %s RESET (autovacuum_enabled);', c.oid::regclass)
	FROM pg_class c
	WHERE c.relnamespace = 'anon_auth'::regnamespace
	  AND EXISTS (SELECT FROM pg_options_to_table(c.reloptions) o WHERE o.option_name = 'autovacuum_enabled' AND NOT o.option_value::boolean);
	RETURN QUERY
	SELECT 'warning', 'old_version', format('extension %s is at version %s, its library at %s', e.extname, e.extversion, a.default_version),
		'The SQL functions do not match the library.', format('ALTER EXTENSION %I UPDATE;', e.extname)
	FROM pg_extension e JOIN pg_available_extensions a ON a.name = e.extname
	WHERE e.oid = ANY (anon_auth_internal.part_extensions()) AND a.default_version <> e.extversion;
END
$$;
COMMENT ON FUNCTION anon_auth_internal.doctor_operations() IS
'Part of doctor(). Checks purging, the outbox, autovacuum and the versions.';

-- SECURITY DEFINER, so that a monitoring role needs no rights on the tables, and sees the
-- same findings as an administrator.  The findings contain no secrets and no data of users.
-- The caller's standard_conforming_strings would change how the functions are parsed,
-- and quote_all_identifiers the names that are compared.  A part that fails is a finding:
-- an error would hide the findings of the others.
CREATE FUNCTION anon_auth.doctor()
	RETURNS SETOF anon_auth.finding
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	SET standard_conforming_strings = on
	SET quote_all_identifiers = off
AS $$
DECLARE
	-- Not anon_auth.finding[]: without USAGE on the schema, the type has no name.
	found jsonb;
	more jsonb;
	part record;
	message text;
BEGIN
	-- This query names no object of the extension: the owner may lack rights on all.
	SELECT coalesce(jsonb_agg(jsonb_build_object('severity', 'error', 'finding', 'owner_lacks_privileges', 'what', o.what, 'fix', o.fix,
			'why', 'Functions of the extension run with the privileges of their owner, and fail.')), '[]')
		INTO found
		FROM (SELECT format('role %I, which owns the extension, lacks %s on %s', current_user, min(m.privilege),
				   CASE count(*) WHEN 1 THEN min(m.name) ELSE format('%s %s in schema %I', count(*), lower(m.kind), m.nspname) END) AS what,
			CASE WHEN m.kind = 'SCHEMA' THEN format('GRANT ALL ON SCHEMA %I TO %I;', m.nspname, current_user)
				 ELSE format('GRANT ALL ON ALL %s IN SCHEMA %I TO %I;', m.kind, m.nspname, current_user) END AS fix
		FROM (SELECT 'SCHEMA' AS kind, 'schema ' || quote_ident(n.nspname) AS name, n.nspname, 'USAGE' AS privilege, d.refobjid
			  FROM pg_depend d JOIN pg_namespace n ON n.oid = d.objid
			  WHERE d.classid = 'pg_namespace'::regclass AND d.deptype = 'e' AND n.nspowner = current_user::regrole AND NOT has_schema_privilege(n.oid, 'USAGE')
			  UNION ALL
			  SELECT 'TABLES', format('table %I.%I', n.nspname, c.relname), n.nspname, p, d.refobjid
			  FROM pg_depend d JOIN pg_class c ON c.oid = d.objid JOIN pg_namespace n ON n.oid = c.relnamespace,
				   LATERAL (SELECT string_agg(w, ', ') FROM unnest(CASE c.relkind WHEN 'v' THEN '{SELECT}' ELSE '{SELECT,INSERT,UPDATE,DELETE}' END::text[]) w
							WHERE NOT has_table_privilege(c.oid, w)) AS missing (p)
			  WHERE d.classid = 'pg_class'::regclass AND d.deptype = 'e' AND c.relkind IN ('r', 'v') AND c.relowner = current_user::regrole AND p IS NOT NULL
			  UNION ALL
			  SELECT 'FUNCTIONS', format('function %I.%I', n.nspname, f.proname), n.nspname, 'EXECUTE', d.refobjid
			  FROM pg_depend d JOIN pg_proc f ON f.oid = d.objid JOIN pg_namespace n ON n.oid = f.pronamespace
			  WHERE d.classid = 'pg_proc'::regclass AND d.deptype = 'e' AND f.proowner = current_user::regrole AND NOT has_function_privilege(f.oid, 'EXECUTE')) m
		JOIN pg_extension e ON e.oid = m.refobjid
		WHERE e.extname = 'anon_auth' OR starts_with(e.extname, 'anon_auth_')
		GROUP BY m.kind, m.nspname) o;
	BEGIN
		FOR part IN SELECT p AS name FROM anon_auth_internal.part_functions('doctor\_%', 'anon_auth.finding') p LOOP
			BEGIN
				EXECUTE format('SELECT coalesce(jsonb_agg(f), ''[]'') FROM %s f', part.name) INTO more;
				found := found || more;
			EXCEPTION WHEN OTHERS THEN
				GET STACKED DIAGNOSTICS message = MESSAGE_TEXT;
				found := found || jsonb_build_object('severity', 'error', 'finding', 'check_failed',
					'what', format('%s failed: %s', part.name, message), 'why', 'Its findings are missing.',
					'fix', '-- First fix the other errors. If there are none, report this as a bug');
			END;
		END LOOP;
	EXCEPTION WHEN OTHERS THEN
		GET STACKED DIAGNOSTICS message = MESSAGE_TEXT;
		found := found || jsonb_build_object('severity', 'error', 'finding', 'check_failed',
			'what', format('the checks of doctor() could not be found: %s', message), 'why', 'Their findings are missing.',
			'fix', '-- First fix the other errors. If there are none, report this as a bug');
	END;
	RETURN QUERY SELECT f.* FROM jsonb_to_recordset(found) AS f (severity text, finding text, what text, why text, fix text)
		ORDER BY array_position('{error,warning,notice}', f.severity), f.finding, f.what;
END
$$;
COMMENT ON FUNCTION anon_auth.doctor() IS
'Lists configuration problems, one row each, worst first: severity (error, warning, notice), a code, the problem, its consequence, and the SQL that fixes it. Run the statements of a fix one at a time: ALTER SYSTEM cannot run in a transaction block. Returns no rows if it found no problem. Reads catalogs and indexes only, so its cost does not grow with the number of users. Works on a standby. Runs as its owner: a role with EXECUTE (grant_monitoring()) gets the same rows as an administrator. They contain names of roles, tables, functions, databases and clients, settings, and the path of the master key file, but no secrets and no data of users.';

CREATE VIEW anon_auth.stats AS
SELECT
	anon_auth_internal.estimated_rows('anon_auth.users') AS users,
	anon_auth_internal.estimated_rows('anon_auth.users_keyless_guests_idx') AS guests_without_key,
	anon_auth_internal.estimated_rows('anon_auth.users_keyed_guests_idx') AS guests_with_key,
	-- The estimates have different ages, so the difference can be negative.  GREATEST
	-- ignores NULL, so the minimum is NULL, too, before the first ANALYZE.
	GREATEST(anon_auth_internal.estimated_rows('anon_auth.users')
			 OPERATOR(pg_catalog.-) anon_auth_internal.estimated_rows('anon_auth.users_keyless_guests_idx')
			 OPERATOR(pg_catalog.-) anon_auth_internal.estimated_rows('anon_auth.users_keyed_guests_idx'),
			 anon_auth_internal.estimated_rows('anon_auth.users') OPERATOR(pg_catalog.*) 0::pg_catalog.int8) AS regular_users,
	anon_auth_internal.estimated_rows('anon_auth.sessions') AS sessions,
	day.sign_ups AS sign_ups_24h,
	day.promotions AS promotions_24h,
	day.events AS events_24h,
	(SELECT pg_catalog.count(*) FROM (SELECT 1 FROM anon_auth.users u
		WHERE u.is_anonymous AND u.device_kid IS NULL
			AND u.passkey_routes OPERATOR(pg_catalog.=) '{}'::pg_catalog.uuid[] AND u.purge_from OPERATOR(pg_catalog.<=) pg_catalog.now()
		LIMIT 100000) due)
	OPERATOR(pg_catalog.+)
	(SELECT pg_catalog.count(*) FROM (SELECT 1 FROM anon_auth.users u
		WHERE u.is_anonymous
			AND (u.device_kid IS NOT NULL OR u.passkey_routes OPERATOR(pg_catalog.<>) '{}'::pg_catalog.uuid[])
			AND u.purge_from OPERATOR(pg_catalog.<)
			(SELECT pg_catalog.now() OPERATOR(pg_catalog.-) s.guest_retention FROM anon_auth.settings s)
		LIMIT 100000) due) AS purgeable_guests,
	(SELECT pg_catalog.count(*) FROM (SELECT 1 FROM anon_auth.sessions s
		WHERE s.purge_from OPERATOR(pg_catalog.<=) pg_catalog.now()
		LIMIT 100000) due) AS purgeable_sessions,
	(SELECT pg_catalog.min(o.purge_from) FROM (
		SELECT pg_catalog.min(s.purge_from) AS purge_from FROM anon_auth.sessions s
			WHERE s.purge_from OPERATOR(pg_catalog.<=) pg_catalog.now()
		UNION ALL
		SELECT pg_catalog.min(u.purge_from) FROM anon_auth.users u
			WHERE u.is_anonymous AND u.device_kid IS NULL
			AND u.passkey_routes OPERATOR(pg_catalog.=) '{}'::pg_catalog.uuid[] AND u.purge_from OPERATOR(pg_catalog.<=) pg_catalog.now()) o) AS oldest_unpurged,
	(SELECT pg_catalog.count(*) FROM anon_auth.outbox) AS outbox_messages,
	attempts.counters,
	attempts.counters_max,
	attempts.counters_refused,
	attempts.rate_limited,
	attempts.locked_out,
	attempts.rolled_back_logins,
	attempts.rolled_back_refreshes,
	attempts.sign_ups_total,
	attempts.logins_total,
	attempts.refreshes_total,
	attempts.promotions_total,
	attempts.merges_total,
	attempts.purged_guests_total,
	attempts.purged_sessions_total,
	attempts.refusals_total
FROM anon_auth_internal.counter_statistics() attempts
-- A LEFT JOIN, which is not executed by a query that reads none of its columns.
LEFT JOIN (
	SELECT
		COALESCE(pg_catalog.jsonb_object_agg(t.type, t.n), '{}'::pg_catalog.jsonb) AS events,
		COALESCE(pg_catalog.sum(t.n) FILTER (WHERE t.type OPERATOR(pg_catalog.=) 'user.created'), 0::pg_catalog.numeric)::pg_catalog.int8 AS sign_ups,
		COALESCE(pg_catalog.sum(t.n) FILTER (WHERE t.type OPERATOR(pg_catalog.=) 'user.anonymous.promoted'), 0::pg_catalog.numeric)::pg_catalog.int8 AS promotions
	FROM (SELECT e.type, pg_catalog.count(*) AS n FROM anon_auth.events e
		  WHERE e.created_at OPERATOR(pg_catalog.>) (pg_catalog.now() OPERATOR(pg_catalog.-) '1 day'::pg_catalog.interval)
		  GROUP BY e.type) t) day ON true;
COMMENT ON VIEW anon_auth.stats IS
'One row of numbers to monitor. Numbers of all users are the planner''s estimates, as of the last VACUUM or ANALYZE. The others are counted through indexes, so that the cost does not grow with the number of users.';
COMMENT ON COLUMN anon_auth.stats.users IS 'Estimate. NULL until the first VACUUM or ANALYZE of the table.';
COMMENT ON COLUMN anon_auth.stats.guests_without_key IS 'Estimate: guests without a device key, who live as long as their session.';
COMMENT ON COLUMN anon_auth.stats.guests_with_key IS 'Estimate: guests with a device key, which can log in again.';
COMMENT ON COLUMN anon_auth.stats.regular_users IS 'Estimate: accounts, which are the users that are no guests.';
COMMENT ON COLUMN anon_auth.stats.sessions IS 'Estimate: live sessions, and expired ones that purge() has not deleted yet.';
COMMENT ON COLUMN anon_auth.stats.sign_ups_24h IS 'Guests and accounts created in the last 24 hours, counted from the events user.created.';
COMMENT ON COLUMN anon_auth.stats.promotions_24h IS 'Promotions of the last 24 hours, counted from their events.';
COMMENT ON COLUMN anon_auth.stats.events_24h IS 'Events of the last 24 hours: {"type": count}.';
COMMENT ON COLUMN anon_auth.stats.purgeable_guests IS 'Guests that purge() would check now. At most 100000 of each kind are counted.';
COMMENT ON COLUMN anon_auth.stats.purgeable_sessions IS 'Sessions that purge() would check now. At most 100000 are counted.';
COMMENT ON COLUMN anon_auth.stats.oldest_unpurged IS 'When the oldest row that purge() has not processed yet became due. NULL: no row is due.';
COMMENT ON COLUMN anon_auth.stats.outbox_messages IS 'Messages that no worker has taken yet.';
COMMENT ON COLUMN anon_auth.stats.counters IS 'Live counters of attempts: rate limits, lockouts, codes. This column and the following ones count on this server only.';
COMMENT ON COLUMN anon_auth.stats.counters_max IS 'Maximum number of counters (anon_auth.counter_cells).';
COMMENT ON COLUMN anon_auth.stats.counters_refused IS 'Calls refused with AA018 because there was no room for a counter. This column and the following ones only grow. They restart at 0 when the file of counters is lost, for example after a change of anon_auth.counter_cells.';
COMMENT ON COLUMN anon_auth.stats.rate_limited IS 'Calls that a rate limit refused (AA018).';
COMMENT ON COLUMN anon_auth.stats.locked_out IS 'Logins that a lockout refused (AA019).';
COMMENT ON COLUMN anon_auth.stats.rolled_back_logins IS 'Logins and sign-ups that had issued tokens when the transaction rolled back.';
COMMENT ON COLUMN anon_auth.stats.rolled_back_refreshes IS 'Refreshes that had issued tokens when the transaction rolled back.';
COMMENT ON COLUMN anon_auth.stats.sign_ups_total IS 'Guests created, and accounts created by sign_up(). This column and the following ones count transactions that committed; a transaction that is prepared counts at PREPARE TRANSACTION. They have no values from before the file of counters was created.';
COMMENT ON COLUMN anon_auth.stats.logins_total IS 'Logins: {"method": count}. Methods are code, device_key, id_token, passkey and password.';
COMMENT ON COLUMN anon_auth.stats.refreshes_total IS 'Refresh tokens exchanged for tokens, also by guests without a device key that come back.';
COMMENT ON COLUMN anon_auth.stats.promotions_total IS 'Guests promoted to regular users.';
COMMENT ON COLUMN anon_auth.stats.merges_total IS 'Guests merged into an account.';
COMMENT ON COLUMN anon_auth.stats.purged_guests_total IS 'Guests that purge() deleted.';
COMMENT ON COLUMN anon_auth.stats.purged_sessions_total IS 'Sessions that purge() deleted.';
COMMENT ON COLUMN anon_auth.stats.refusals_total IS 'Refused calls: {"reason": count}. Counted at once, also in transactions that roll back. A reason is the limit that AA018 names in its detail, the name of an error of class AA in lower case, wrong_credentials, wrong_code, refresh_token_reused, authorization_code_reused, or unknown_login_ids_per_minute. All reasons are present, with 0 if there were none.';
