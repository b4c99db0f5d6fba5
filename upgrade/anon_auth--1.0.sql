\echo Use "CREATE EXTENSION anon_auth" to load this file. \quit

-- anon_auth: guest-to-account authentication inside PostgreSQL.
--
-- This script is joined from install/*.sql.  It creates its own schema, so
-- that a schema prepared by somebody else is an error and not adopted, and it
-- uses neither OR REPLACE nor IF NOT EXISTS, for the same reason.

-- Login IDs are compared after Unicode normalisation, which PostgreSQL and
-- ICU offer for UTF8 only.
DO LANGUAGE plpgsql $$
BEGIN
	IF pg_catalog.getdatabaseencoding() OPERATOR(pg_catalog.<>) 'UTF8' THEN
		RAISE EXCEPTION 'anon_auth needs a database with encoding UTF8'
			USING ERRCODE = 'feature_not_supported',
				  HINT = 'Create the database with ENCODING ''UTF8'' TEMPLATE template0.';
	END IF;
END
$$;

CREATE SCHEMA anon_auth;
COMMENT ON SCHEMA anon_auth IS
'Guest users, device keys, sessions, signed tokens and promotion to regular accounts.';
REVOKE ALL ON SCHEMA anon_auth FROM PUBLIC;
-- ---------------------------------------------------------------------------
-- settings: one row, changed by UPDATE
-- ---------------------------------------------------------------------------

CREATE TABLE anon_auth.settings (
	singleton boolean NOT NULL DEFAULT true PRIMARY KEY,

	issuer text NOT NULL DEFAULT 'http://localhost',
	audience text,
	token_role text NOT NULL DEFAULT 'authenticated',
	trust_request_claims boolean NOT NULL DEFAULT false,

	anonymous_users_enabled boolean NOT NULL DEFAULT true,
	public_sign_up_enabled boolean NOT NULL DEFAULT true,
	promotion_conflict text NOT NULL DEFAULT 'error',

	login_id_types text[] NOT NULL DEFAULT '{email,phone_number,username}',
	email_case_sensitive boolean NOT NULL DEFAULT false,
	email_block_plus_sign boolean NOT NULL DEFAULT false,
	email_ignore_dot_sign boolean NOT NULL DEFAULT false,
	email_domain_blocklist text[] NOT NULL DEFAULT '{}',
	email_domain_allowlist text[] NOT NULL DEFAULT '{}',
	phone_country_code_allowlist text[] NOT NULL DEFAULT '{}',
	username_ascii_only boolean NOT NULL DEFAULT true,
	username_block_reserved boolean NOT NULL DEFAULT true,
	username_excluded_keywords text[] NOT NULL DEFAULT '{}',

	password_min_length integer NOT NULL DEFAULT 8,
	password_require_uppercase boolean NOT NULL DEFAULT false,
	password_require_lowercase boolean NOT NULL DEFAULT false,
	password_require_alphabet boolean NOT NULL DEFAULT false,
	password_require_digit boolean NOT NULL DEFAULT false,
	password_require_symbol boolean NOT NULL DEFAULT false,
	password_excluded_keywords text[] NOT NULL DEFAULT '{}',
	password_hash_memory_kib integer NOT NULL DEFAULT 19456,
	password_hash_passes integer NOT NULL DEFAULT 2,
	password_hash_concurrency integer NOT NULL DEFAULT 100,

	session_lifetime_seconds integer NOT NULL DEFAULT 31449600,
	session_idle_timeout_enabled boolean NOT NULL DEFAULT true,
	session_idle_timeout_seconds integer NOT NULL DEFAULT 2592000,
	session_cookie_persistent boolean NOT NULL DEFAULT true,
	cookie_prefix text NOT NULL DEFAULT '',
	cookie_domain text,
	check_session_on_request boolean NOT NULL DEFAULT false,

	brand_name text,
	brand_logo_uri text,
	brand_color text,
	policy_uri text,
	tos_uri text,
	default_locale text NOT NULL DEFAULT 'en',
	page_texts jsonb NOT NULL DEFAULT '{}',

	before_sign_up text,
	access_token_claims text,
	after_promotion text,
	merge text,

	trusted_proxy_hops integer NOT NULL DEFAULT 0,
	guest_sign_ups_per_minute integer,
	guest_sign_ups_per_minute_per_ip integer DEFAULT 60,
	password_attempts_per_minute_per_ip integer DEFAULT 60,
	password_attempts_per_minute_per_user integer DEFAULT 30,
	password_attempts_per_minute_per_user_per_ip integer DEFAULT 10,
	lockout_max_attempts integer NOT NULL DEFAULT 0,
	lockout_type text NOT NULL DEFAULT 'per_user',
	lockout_history_seconds integer NOT NULL DEFAULT 86400,
	lockout_minimum_seconds integer NOT NULL DEFAULT 60,
	lockout_maximum_seconds integer NOT NULL DEFAULT 3600,
	lockout_backoff_factor double precision NOT NULL DEFAULT 2,

	verification_code_lifetime_seconds integer NOT NULL DEFAULT 1200,
	password_reset_code_lifetime_seconds integer NOT NULL DEFAULT 1200,

	guest_retention interval,
	purge_policy text NOT NULL DEFAULT 'skip',

	event_types text[],
	event_retention interval,

	CONSTRAINT settings_event_types_check
		CHECK (event_types OPERATOR(pg_catalog.<@)
			   '{user.created,user.authenticated,user.anonymous.promoted,user.anonymous.merged,user.signed_out,user.disabled,user.enabled,user.deleted,authentication.failed,authentication.lockout,refresh_token.reused,verification.requested,login_id.verified,password_reset.requested,password.reset}'::pg_catalog.text[]),
	CONSTRAINT settings_retention_check
		CHECK (guest_retention OPERATOR(pg_catalog.>=) '1 hour'::pg_catalog.interval
			   AND event_retention OPERATOR(pg_catalog.>=) '1 hour'::pg_catalog.interval),
	CONSTRAINT settings_purge_policy_check
		CHECK (purge_policy OPERATOR(pg_catalog.=) ANY ('{skip,cascade}'::pg_catalog.text[])),
	CONSTRAINT settings_trusted_proxy_hops_check
		CHECK (trusted_proxy_hops OPERATOR(pg_catalog.>=) 0
			   AND trusted_proxy_hops OPERATOR(pg_catalog.<=) 16),
	CONSTRAINT settings_rate_limits_check
		CHECK (guest_sign_ups_per_minute OPERATOR(pg_catalog.>) 0
			   AND guest_sign_ups_per_minute_per_ip OPERATOR(pg_catalog.>) 0
			   AND password_attempts_per_minute_per_ip OPERATOR(pg_catalog.>) 0
			   AND password_attempts_per_minute_per_user OPERATOR(pg_catalog.>) 0
			   AND password_attempts_per_minute_per_user_per_ip OPERATOR(pg_catalog.>) 0),
	CONSTRAINT settings_lockout_check
		CHECK (lockout_max_attempts OPERATOR(pg_catalog.>=) 0
			   AND lockout_type OPERATOR(pg_catalog.=) ANY ('{per_user,per_user_per_ip}'::pg_catalog.text[])
			   AND lockout_history_seconds OPERATOR(pg_catalog.>) 0
			   AND lockout_minimum_seconds OPERATOR(pg_catalog.>) 0
			   AND lockout_maximum_seconds OPERATOR(pg_catalog.>=) lockout_minimum_seconds
			   AND lockout_backoff_factor OPERATOR(pg_catalog.>=) 1::pg_catalog.float8
			   AND lockout_backoff_factor OPERATOR(pg_catalog.<=) 100::pg_catalog.float8),
	CONSTRAINT settings_code_lifetimes_check
		CHECK (verification_code_lifetime_seconds OPERATOR(pg_catalog.>=) 60
			   AND verification_code_lifetime_seconds OPERATOR(pg_catalog.<=) 86400
			   AND password_reset_code_lifetime_seconds OPERATOR(pg_catalog.>=) 60
			   AND password_reset_code_lifetime_seconds OPERATOR(pg_catalog.<=) 86400),
	CONSTRAINT settings_singleton_check CHECK (singleton),
	CONSTRAINT settings_issuer_check
		CHECK (issuer OPERATOR(pg_catalog.~) '^https?://[^/?#[:space:]]+(/[^/?#[:space:]]+)*$'),
	CONSTRAINT settings_audience_check CHECK (audience OPERATOR(pg_catalog.<>) ''),
	CONSTRAINT settings_token_role_check CHECK (token_role OPERATOR(pg_catalog.<>) ''),
	CONSTRAINT settings_promotion_conflict_check
		CHECK (promotion_conflict OPERATOR(pg_catalog.=) ANY ('{error,login,merge}'::pg_catalog.text[])),
	CONSTRAINT settings_login_id_types_check
		CHECK (login_id_types OPERATOR(pg_catalog.<@) '{email,phone_number,username}'::pg_catalog.text[]
			   AND pg_catalog.cardinality(login_id_types) OPERATOR(pg_catalog.>) 0),
	CONSTRAINT settings_email_domain_lists_check
		CHECK (email_domain_blocklist OPERATOR(pg_catalog.=) '{}'::pg_catalog.text[]
			   OR email_domain_allowlist OPERATOR(pg_catalog.=) '{}'::pg_catalog.text[]),
	-- An entry that cannot match would block nothing, and say so to nobody.
	CONSTRAINT settings_email_domains_check
		CHECK (pg_catalog.cardinality(email_domain_blocklist OPERATOR(pg_catalog.||) email_domain_allowlist)
			   OPERATOR(pg_catalog.=) 0
			   OR pg_catalog.array_to_string(email_domain_blocklist OPERATOR(pg_catalog.||) email_domain_allowlist, E'\n', '')
			   OPERATOR(pg_catalog.~) '^[^[:space:]@]+(\n[^[:space:]@]+)*$'),
	CONSTRAINT settings_phone_country_codes_check
		CHECK (pg_catalog.cardinality(phone_country_code_allowlist) OPERATOR(pg_catalog.=) 0
			   OR pg_catalog.array_to_string(phone_country_code_allowlist, ' ', '')
			   OPERATOR(pg_catalog.~) '^[+]?[1-9][0-9]{0,2}( [+]?[1-9][0-9]{0,2})*$'),
	CONSTRAINT settings_no_null_items_check
		CHECK (pg_catalog.array_position(login_id_types, NULL) IS NULL
			   AND pg_catalog.array_position(email_domain_blocklist, NULL) IS NULL
			   AND pg_catalog.array_position(email_domain_allowlist, NULL) IS NULL
			   AND pg_catalog.array_position(phone_country_code_allowlist, NULL) IS NULL
			   AND pg_catalog.array_position(username_excluded_keywords, NULL) IS NULL
			   AND pg_catalog.array_position(password_excluded_keywords, NULL) IS NULL
			   AND pg_catalog.array_position(event_types, NULL) IS NULL),
	CONSTRAINT settings_password_min_length_check
		CHECK (password_min_length OPERATOR(pg_catalog.>=) 1
			   AND password_min_length OPERATOR(pg_catalog.<=) 1024),
	CONSTRAINT settings_password_hash_check
		CHECK (password_hash_memory_kib OPERATOR(pg_catalog.>=) 8192
			   AND password_hash_memory_kib OPERATOR(pg_catalog.<=) 1048576
			   AND password_hash_passes OPERATOR(pg_catalog.>=) 1
			   AND password_hash_passes OPERATOR(pg_catalog.<=) 20
			   AND password_hash_concurrency OPERATOR(pg_catalog.>=) 1
			   AND password_hash_concurrency OPERATOR(pg_catalog.<=) 10000),
	CONSTRAINT settings_session_lifetime_check
		CHECK (session_lifetime_seconds OPERATOR(pg_catalog.>=) 300
			   AND session_lifetime_seconds OPERATOR(pg_catalog.<=) 315360000
			   AND session_idle_timeout_seconds OPERATOR(pg_catalog.>=) 300),
	-- RFC 6265, sections 4.1.1 and 5.2.3.
	CONSTRAINT settings_cookie_check
		CHECK (cookie_prefix OPERATOR(pg_catalog.~) '^[A-Za-z0-9_.-]{0,64}$'
			   AND cookie_domain OPERATOR(pg_catalog.~) '^[A-Za-z0-9-]+([.][A-Za-z0-9-]+)*$'),
	-- What a page shows must neither run nor break out of where it stands.
	CONSTRAINT settings_brand_uris_check
		CHECK (brand_logo_uri OPERATOR(pg_catalog.~) '^https?://[^/[:space:]"''<>;,]+(/[^[:space:]"''<>;,]*)?$'
			   AND policy_uri OPERATOR(pg_catalog.~) '^https?://[^[:space:]"''<>]+$'
			   AND tos_uri OPERATOR(pg_catalog.~) '^https?://[^[:space:]"''<>]+$'),
	CONSTRAINT settings_brand_color_check
		CHECK (brand_color OPERATOR(pg_catalog.~) '^#[0-9A-Fa-f]{6}$'),
	CONSTRAINT settings_default_locale_check
		CHECK (default_locale OPERATOR(pg_catalog.~) '^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$'),
	CONSTRAINT settings_page_texts_check
		CHECK (pg_catalog.jsonb_typeof(page_texts) OPERATOR(pg_catalog.=) 'object')
);

COMMENT ON TABLE anon_auth.settings IS
'Exactly one row. Change it with UPDATE; it takes effect with the next statement. Inserting replaces the row (pg_restore does).';
COMMENT ON COLUMN anon_auth.settings.issuer IS
'Public origin of the site, without a slash at the end: the iss claim and the base of every endpoint in openid_configuration().';
COMMENT ON COLUMN anon_auth.settings.audience IS
'The aud claim of access tokens; NULL: the issuer.';
COMMENT ON COLUMN anon_auth.settings.token_role IS
'The role claim of access tokens: the database role that PostgREST switches to.';
COMMENT ON COLUMN anon_auth.settings.trust_request_claims IS
'Whether uid() and its kin believe the setting request.jwt.claims when use_access_token() was not called. Switch it on where only PostgREST connects: whoever can run SET can forge that setting.';
COMMENT ON COLUMN anon_auth.settings.anonymous_users_enabled IS
'Whether guests may sign up and log in. Guests that exist can be promoted all the same.';
COMMENT ON COLUMN anon_auth.settings.public_sign_up_enabled IS
'Whether new users may be created at all. Guests that exist can be promoted all the same.';
COMMENT ON COLUMN anon_auth.settings.promotion_conflict IS
'When a login ID given at promotion belongs to another user: error, login (the right password logs in to that account; the guest is left), or merge (the right password moves the guest''s rows in your tables to that account, and deletes the guest).';
COMMENT ON COLUMN anon_auth.settings.login_id_types IS
'Which kinds of login ID may be attached at promotion: email, phone_number, username.';
COMMENT ON COLUMN anon_auth.settings.email_case_sensitive IS
'Whether the part before the @ keeps its case when addresses are compared. Choose before there are accounts: addresses that are stored are not changed.';
COMMENT ON COLUMN anon_auth.settings.email_block_plus_sign IS
'Refuse addresses with a plus sign before the @.';
COMMENT ON COLUMN anon_auth.settings.email_ignore_dot_sign IS
'Ignore dots before the @ when addresses are compared. Choose before there are accounts: addresses that are stored are not changed.';
COMMENT ON COLUMN anon_auth.settings.email_domain_blocklist IS
'Domains whose addresses are refused. Not together with email_domain_allowlist.';
COMMENT ON COLUMN anon_auth.settings.email_domain_allowlist IS
'The only domains whose addresses are accepted; empty: all.';
COMMENT ON COLUMN anon_auth.settings.phone_country_code_allowlist IS
'The only country calling codes accepted, as digits (852); empty: all.';
COMMENT ON COLUMN anon_auth.settings.username_ascii_only IS
'Usernames consist of ASCII letters, digits, dot, hyphen and underscore only.';
COMMENT ON COLUMN anon_auth.settings.username_block_reserved IS
'Refuse usernames such as admin, root and support.';
COMMENT ON COLUMN anon_auth.settings.username_excluded_keywords IS
'Refuse usernames that contain one of these words.';
COMMENT ON COLUMN anon_auth.settings.password_min_length IS
'Shortest password, in characters.';
COMMENT ON COLUMN anon_auth.settings.password_require_uppercase IS 'A password needs an upper-case letter.';
COMMENT ON COLUMN anon_auth.settings.password_require_lowercase IS 'A password needs a lower-case letter.';
COMMENT ON COLUMN anon_auth.settings.password_require_alphabet IS 'A password needs a letter.';
COMMENT ON COLUMN anon_auth.settings.password_require_digit IS 'A password needs a digit.';
COMMENT ON COLUMN anon_auth.settings.password_require_symbol IS 'A password needs a character that is neither letter nor digit.';
COMMENT ON COLUMN anon_auth.settings.password_excluded_keywords IS
'A password must not contain any of these words.';
COMMENT ON COLUMN anon_auth.settings.password_hash_memory_kib IS
'Argon2id memory of one password hash, in KiB. When raised, each password is hashed anew at its next login.';
COMMENT ON COLUMN anon_auth.settings.password_hash_passes IS
'Argon2id passes of one password hash.';
COMMENT ON COLUMN anon_auth.settings.password_hash_concurrency IS
'How many password hashes this server computes at once; further logins wait. Times password_hash_memory_kib, it is the memory that logins can take.';
COMMENT ON COLUMN anon_auth.settings.session_lifetime_seconds IS
'Longest life of a cookie session, however often it is used.';
COMMENT ON COLUMN anon_auth.settings.session_idle_timeout_enabled IS
'Whether a cookie session that is not used ends early.';
COMMENT ON COLUMN anon_auth.settings.session_idle_timeout_seconds IS
'How long a cookie session lives without being used. Reading through PostgREST is not use: GET runs in a read-only transaction.';
COMMENT ON COLUMN anon_auth.settings.session_cookie_persistent IS
'Whether the session cookie outlives the browser (Max-Age). The session itself ends all the same.';
COMMENT ON COLUMN anon_auth.settings.cookie_prefix IS
'Put before the names of the cookies, for several sites on one host.';
COMMENT ON COLUMN anon_auth.settings.cookie_domain IS
'Domain attribute of the cookies, for an application on a sibling host; NULL: the host of the issuer alone.';
COMMENT ON COLUMN anon_auth.settings.check_session_on_request IS
'Whether postgrest_pre_request() refuses access tokens whose session has ended or whose user is disabled: one lookup more a request.';
COMMENT ON COLUMN anon_auth.settings.brand_name IS
'Whose account it is, as the pages say it; NULL: the name of the client.';
COMMENT ON COLUMN anon_auth.settings.brand_logo_uri IS
'http or https URI of an image, shown at most 48 pixels high.';
COMMENT ON COLUMN anon_auth.settings.brand_color IS
'Colour of buttons and links, as #rrggbb.';
COMMENT ON COLUMN anon_auth.settings.policy_uri IS 'Where the privacy policy is.';
COMMENT ON COLUMN anon_auth.settings.tos_uri IS 'Where the terms of service are.';
COMMENT ON COLUMN anon_auth.settings.default_locale IS
'Language of the pages (BCP 47) when neither ui_locales nor the browser asks for one there is.';
COMMENT ON COLUMN anon_auth.settings.page_texts IS
'Texts of the pages that are not to be the built-in ones: {"en": {"sign_up_title": "Join us"}}; a new locale may be added. See anon_auth_http.page_texts().';
COMMENT ON COLUMN anon_auth.settings.before_sign_up IS
'Hook: name, with schema, of a function (user_id uuid, client_id text, device_info jsonb) that is called before a guest is created and refuses it by raising an error.';
COMMENT ON COLUMN anon_auth.settings.access_token_claims IS
'Hook: name, with schema, of a function (claims jsonb) RETURNS jsonb that gets the claims of an access token and returns an object of those to add.';
COMMENT ON COLUMN anon_auth.settings.after_promotion IS
'Hook: name, with schema, of a function (user_id uuid, client_id text) that is called in the transaction of a promotion, when the guest has become a regular user.';
COMMENT ON COLUMN anon_auth.settings.merge IS
'Hook: name, with schema, of a function (guest_id uuid, user_id uuid) that is called before the rows of a guest are moved to an account, to resolve what would collide.';
COMMENT ON COLUMN anon_auth.settings.trusted_proxy_hops IS
'How many proxies of yours append to X-Forwarded-For (in request.headers): the address that many from its end is the client''s. 0: the address of the database connection.';
COMMENT ON COLUMN anon_auth.settings.guest_sign_ups_per_minute IS
'How many guests may sign up in a minute; NULL: no limit.';
COMMENT ON COLUMN anon_auth.settings.guest_sign_ups_per_minute_per_ip IS
'How many guests may sign up from one address in a minute (an IPv6 /64 is one address); NULL: no limit.';
COMMENT ON COLUMN anon_auth.settings.password_attempts_per_minute_per_ip IS
'How many passwords may be tried from one address in a minute; NULL: no limit.';
COMMENT ON COLUMN anon_auth.settings.password_attempts_per_minute_per_user IS
'How many passwords may be tried for one user in a minute; NULL: no limit.';
COMMENT ON COLUMN anon_auth.settings.password_attempts_per_minute_per_user_per_ip IS
'How many passwords may be tried for one user from one address in a minute; NULL: no limit.';
COMMENT ON COLUMN anon_auth.settings.lockout_max_attempts IS
'So many wrong passwords within lockout_history_seconds lock logins to the user; 0: never.';
COMMENT ON COLUMN anon_auth.settings.lockout_type IS
'per_user, or per_user_per_ip: only logins from the address that the wrong passwords came from are locked.';
COMMENT ON COLUMN anon_auth.settings.lockout_history_seconds IS
'When the last wrong password is older than this, counting begins anew.';
COMMENT ON COLUMN anon_auth.settings.lockout_minimum_seconds IS
'How long the first lock lasts.';
COMMENT ON COLUMN anon_auth.settings.lockout_maximum_seconds IS
'How long a lock lasts at most.';
COMMENT ON COLUMN anon_auth.settings.lockout_backoff_factor IS
'Each further wrong password makes the lock longer by this factor.';
COMMENT ON COLUMN anon_auth.settings.verification_code_lifetime_seconds IS
'How long a code of request_verification() is good.';
COMMENT ON COLUMN anon_auth.settings.password_reset_code_lifetime_seconds IS
'How long a code of request_password_reset() is good.';
COMMENT ON COLUMN anon_auth.settings.guest_retention IS
'purge() deletes guests with a device key that were not seen for so long; at least an hour; NULL: none. Guests without a key go when their last session has ended.';
COMMENT ON COLUMN anon_auth.settings.purge_policy IS
'What purge() does with guests that have rows in your tables: skip them, or cascade: delete them where every foreign key to users says what becomes of those rows (ON DELETE CASCADE, SET NULL, SET DEFAULT).';
COMMENT ON COLUMN anon_auth.settings.event_types IS
'Which types are kept in events; NULL: all.';
COMMENT ON COLUMN anon_auth.settings.event_retention IS
'purge() deletes events that are older than this, at least an hour; NULL: none.';

-- CREATE EXTENSION makes the row, and so does the data of a dump: the later
-- one wins, else restoring a dump would stop at a duplicate key.
CREATE FUNCTION anon_auth.settings_replace() RETURNS trigger
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	DELETE FROM anon_auth.settings;
	RETURN NEW;
END
$$;
REVOKE ALL ON FUNCTION anon_auth.settings_replace() FROM PUBLIC;
COMMENT ON FUNCTION anon_auth.settings_replace() IS
'Trigger of settings: an inserted row takes the place of the one there is.';

CREATE TRIGGER settings_replace BEFORE INSERT ON anon_auth.settings
	FOR EACH ROW EXECUTE FUNCTION anon_auth.settings_replace();

CREATE FUNCTION anon_auth.settings_changed() RETURNS trigger
	LANGUAGE c VOLATILE
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_settings_changed';
REVOKE ALL ON FUNCTION anon_auth.settings_changed() FROM PUBLIC;
COMMENT ON FUNCTION anon_auth.settings_changed() IS
'Trigger of settings: a change is seen within the statement that makes it, too, and a hook that does not exist is refused. Errors: 42883 no such function; 42P13 a function of another kind.';

-- Also where a parallel restore has switched ordinary triggers off.
ALTER TABLE anon_auth.settings ENABLE ALWAYS TRIGGER settings_replace;

CREATE TRIGGER settings_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON anon_auth.settings
	FOR EACH STATEMENT EXECUTE FUNCTION anon_auth.settings_changed();

INSERT INTO anon_auth.settings DEFAULT VALUES;

-- ---------------------------------------------------------------------------
-- clients: the applications
-- ---------------------------------------------------------------------------

CREATE TABLE anon_auth.clients (
	client_id text NOT NULL PRIMARY KEY,
	name text NOT NULL,
	application_type text NOT NULL,
	redirect_uris text[] NOT NULL DEFAULT '{}',
	post_logout_redirect_uris text[] NOT NULL DEFAULT '{}',
	access_token_lifetime_seconds integer NOT NULL DEFAULT 1800,
	refresh_token_lifetime_seconds integer NOT NULL DEFAULT 31449600,
	refresh_token_idle_timeout_enabled boolean NOT NULL DEFAULT true,
	refresh_token_idle_timeout_seconds integer NOT NULL DEFAULT 2592000,
	refresh_token_rotation_enabled boolean NOT NULL DEFAULT false,
	refresh_token_rotation_grace_seconds integer NOT NULL DEFAULT 30,
	max_concurrent_sessions integer NOT NULL DEFAULT 0,
	created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),

	CONSTRAINT clients_client_id_check
		CHECK (client_id OPERATOR(pg_catalog.~) '^[[:graph:]]{1,255}$'),
	CONSTRAINT clients_application_type_check
		CHECK (application_type OPERATOR(pg_catalog.=) ANY
			   ('{spa,traditional_webapp,native,confidential,third_party_app,m2m}'::pg_catalog.text[])),
	CONSTRAINT clients_no_null_uris_check
		CHECK (pg_catalog.array_position(redirect_uris, NULL) IS NULL
			   AND pg_catalog.array_position(post_logout_redirect_uris, NULL) IS NULL),
	-- What create_client() says in words, for those who UPDATE.
	CONSTRAINT clients_uris_check
		CHECK (pg_catalog.cardinality(redirect_uris OPERATOR(pg_catalog.||) post_logout_redirect_uris)
			   OPERATOR(pg_catalog.=) 0
			   OR (pg_catalog.array_to_string(redirect_uris OPERATOR(pg_catalog.||) post_logout_redirect_uris, E'\n', '')
				   OPERATOR(pg_catalog.~) '^([A-Za-z][A-Za-z0-9+.-]*:[^[:space:]#]+(\n|$))+$'
				   AND pg_catalog.array_to_string(redirect_uris OPERATOR(pg_catalog.||) post_logout_redirect_uris, E'\n', '')
				   OPERATOR(pg_catalog.!~*) '(^|\n)(javascript:|vbscript:|data:|blob:|file:|about:|https?:(?!//[^/?]))')),
	CONSTRAINT clients_access_token_lifetime_check
		CHECK (access_token_lifetime_seconds OPERATOR(pg_catalog.>=) 300
			   AND access_token_lifetime_seconds OPERATOR(pg_catalog.<=) 86400),
	CONSTRAINT clients_refresh_token_lifetime_check
		CHECK (refresh_token_lifetime_seconds OPERATOR(pg_catalog.>=) access_token_lifetime_seconds
			   AND refresh_token_lifetime_seconds OPERATOR(pg_catalog.<=) 315360000),
	CONSTRAINT clients_refresh_token_idle_timeout_check
		CHECK (refresh_token_idle_timeout_seconds OPERATOR(pg_catalog.>=) access_token_lifetime_seconds),
	CONSTRAINT clients_rotation_grace_check
		CHECK (refresh_token_rotation_grace_seconds OPERATOR(pg_catalog.>=) 0
			   AND refresh_token_rotation_grace_seconds OPERATOR(pg_catalog.<=) 3600),
	CONSTRAINT clients_max_concurrent_sessions_check
		CHECK (max_concurrent_sessions OPERATOR(pg_catalog.>=) 0
			   AND max_concurrent_sessions OPERATOR(pg_catalog.<=) 1)
);

COMMENT ON TABLE anon_auth.clients IS
'The applications that may ask for tokens (OAuth 2 clients). Made by create_client().';
COMMENT ON COLUMN anon_auth.clients.application_type IS
'spa, traditional_webapp, native: first-party public clients, the only ones that may have guests. confidential, third_party_app, m2m: refused for guests.';
COMMENT ON COLUMN anon_auth.clients.redirect_uris IS
'Where an authorization code may be sent; compared byte for byte.';
COMMENT ON COLUMN anon_auth.clients.post_logout_redirect_uris IS
'Where a browser may be sent after logout.';
COMMENT ON COLUMN anon_auth.clients.access_token_lifetime_seconds IS
'Lifetime of an access token; at least 300.';
COMMENT ON COLUMN anon_auth.clients.refresh_token_lifetime_seconds IS
'Longest life of a session, however often it is used.';
COMMENT ON COLUMN anon_auth.clients.refresh_token_idle_timeout_enabled IS
'Whether a session that is not used ends early.';
COMMENT ON COLUMN anon_auth.clients.refresh_token_idle_timeout_seconds IS
'How long a session lives without being used.';
COMMENT ON COLUMN anon_auth.clients.refresh_token_rotation_enabled IS
'Whether every refresh gives a new refresh token and the old one dies.';
COMMENT ON COLUMN anon_auth.clients.refresh_token_rotation_grace_seconds IS
'How long the last refresh token before the newest still answers with the same successor, for a lost response or two tabs.';
COMMENT ON COLUMN anon_auth.clients.max_concurrent_sessions IS
'1: a login ends the user''s other sessions with this client. 0: no limit.';
-- ---------------------------------------------------------------------------
-- users and what belongs to them
--
-- What a user owns has a primary key that begins with user_id.  What is found
-- by something else (a device key by its kid, a login ID by its value, a code
-- by its hash) is keyed by route: the first 16 bytes of that thing's SHA-256.
-- The same tables can then be spread over nodes without changing a statement.
-- ---------------------------------------------------------------------------

CREATE TABLE anon_auth.users (
	id uuid NOT NULL PRIMARY KEY,
	is_anonymous boolean NOT NULL,
	is_disabled boolean NOT NULL DEFAULT false,
	is_verified boolean NOT NULL DEFAULT false,
	created_at timestamptz NOT NULL,
	updated_at timestamptz NOT NULL,
	last_seen_at timestamptz NOT NULL,
	purge_from timestamptz NOT NULL DEFAULT pg_catalog.now(),
	device_kid text,
	login_id_routes uuid[] NOT NULL DEFAULT '{}',
	standard_attributes jsonb NOT NULL DEFAULT '{}',
	custom_attributes jsonb NOT NULL DEFAULT '{}',

	CONSTRAINT users_device_kid_check CHECK (is_anonymous OR device_kid IS NULL),
	CONSTRAINT users_login_ids_check
		CHECK (is_anonymous OPERATOR(pg_catalog.=)
			   (pg_catalog.cardinality(login_id_routes) OPERATOR(pg_catalog.=) 0)),
	CONSTRAINT users_standard_attributes_check
		CHECK (pg_catalog.jsonb_typeof(standard_attributes) OPERATOR(pg_catalog.=) 'object'),
	CONSTRAINT users_custom_attributes_check
		CHECK (pg_catalog.jsonb_typeof(custom_attributes) OPERATOR(pg_catalog.=) 'object')
) WITH (fillfactor = 85);
CREATE INDEX users_keyless_guests_idx ON anon_auth.users (purge_from)
	WHERE is_anonymous AND device_kid IS NULL;
CREATE INDEX users_keyed_guests_idx ON anon_auth.users (purge_from)
	WHERE is_anonymous AND device_kid IS NOT NULL;

COMMENT ON TABLE anon_auth.users IS
'One row a user, guest or regular. id is the sub claim and never changes: reference it by foreign key.';
COMMENT ON COLUMN anon_auth.users.id IS 'The sub claim; a UUIDv7.';
COMMENT ON COLUMN anon_auth.users.is_anonymous IS 'True for a guest; false once promoted.';
COMMENT ON COLUMN anon_auth.users.is_disabled IS 'A disabled user cannot log in, and its sessions are gone. See disable_user().';
COMMENT ON COLUMN anon_auth.users.is_verified IS 'Whether at least one login ID of the user is verified.';
COMMENT ON COLUMN anon_auth.users.last_seen_at IS 'Last login or refresh; exact to the hour.';
COMMENT ON COLUMN anon_auth.users.purge_from IS 'When purge() looks at a guest next. Without a device key: when its sessions end, as far as purge() knows; with one: last_seen_at, as far as it knows, to which settings.guest_retention is added. It means nothing for a regular user.';
COMMENT ON COLUMN anon_auth.users.device_kid IS 'Key ID of the guest''s device key; NULL for key-less guests and regular users.';
COMMENT ON COLUMN anon_auth.users.login_id_routes IS 'Where the user''s rows in login_ids are.';
COMMENT ON COLUMN anon_auth.users.standard_attributes IS 'OpenID Connect standard claims of userinfo(): email, phone_number, preferred_username, name, ...';
COMMENT ON COLUMN anon_auth.users.custom_attributes IS 'The custom_attributes claim of userinfo(); yours.';

CREATE TABLE anon_auth.device_keys (
	route uuid NOT NULL,
	kid text NOT NULL,
	user_id uuid NOT NULL,
	alg text NOT NULL,
	jwk jsonb NOT NULL,
	used_challenges bytea NOT NULL,
	created_at timestamptz NOT NULL,
	last_used_at timestamptz NOT NULL,

	PRIMARY KEY (route, kid),
	CONSTRAINT device_keys_user_id_fkey FOREIGN KEY (user_id)
		REFERENCES anon_auth.users (id) ON DELETE CASCADE,
	CONSTRAINT device_keys_user_id_key UNIQUE (user_id),
	CONSTRAINT device_keys_kid_check CHECK (kid OPERATOR(pg_catalog.~) '^[-A-Za-z0-9_]{8,64}$')
) WITH (fillfactor = 70);

COMMENT ON TABLE anon_auth.device_keys IS
'The public key of a guest''s device, found by its kid. Private keys never reach the server.';
COMMENT ON COLUMN anon_auth.device_keys.route IS 'First 16 bytes of the SHA-256 of kid.';
COMMENT ON COLUMN anon_auth.device_keys.alg IS 'The only JWS algorithm accepted from this key.';
COMMENT ON COLUMN anon_auth.device_keys.jwk IS 'Public JWK (RFC 7517), its required members.';
COMMENT ON COLUMN anon_auth.device_keys.used_challenges IS 'The challenges that this key has used and that have not yet expired: each is accepted once.';

CREATE TABLE anon_auth.removed_device_keys (
	route uuid NOT NULL,
	kid text NOT NULL,
	used_challenges bytea NOT NULL,
	removed_at timestamptz NOT NULL,

	PRIMARY KEY (route, kid)
);

COMMENT ON TABLE anon_auth.removed_device_keys IS
'Which challenges a device key had used when it was removed, so that a request of it is not accepted again as a sign-up. Rows older than 5 minutes mean nothing.';
COMMENT ON COLUMN anon_auth.removed_device_keys.route IS 'First 16 bytes of the SHA-256 of kid.';

CREATE TABLE anon_auth.login_ids (
	route uuid NOT NULL,
	type text NOT NULL,
	value text NOT NULL,
	user_id uuid NOT NULL,
	original_value text NOT NULL,
	verified_at timestamptz,
	created_at timestamptz NOT NULL,
	updated_at timestamptz NOT NULL,

	PRIMARY KEY (route, type, value),
	CONSTRAINT login_ids_user_id_fkey FOREIGN KEY (user_id)
		REFERENCES anon_auth.users (id) ON DELETE CASCADE,
	CONSTRAINT login_ids_type_check
		CHECK (type OPERATOR(pg_catalog.=) ANY ('{email,phone_number,username}'::pg_catalog.text[]))
);
CREATE INDEX login_ids_user_id_idx ON anon_auth.login_ids (user_id);

COMMENT ON TABLE anon_auth.login_ids IS
'E-mail addresses, phone numbers and usernames that log in; each belongs to at most one user.';
COMMENT ON COLUMN anon_auth.login_ids.route IS 'First 16 bytes of the SHA-256 of type, colon, value.';
COMMENT ON COLUMN anon_auth.login_ids.value IS 'Normalised: case and Unicode folded, domain in punycode, phone number in E.164.';
COMMENT ON COLUMN anon_auth.login_ids.original_value IS 'As the user typed it.';
COMMENT ON COLUMN anon_auth.login_ids.verified_at IS 'When the user proved to own it; NULL: not yet.';

CREATE TABLE anon_auth.passwords (
	user_id uuid NOT NULL PRIMARY KEY,
	password_hash text NOT NULL,
	created_at timestamptz NOT NULL,
	updated_at timestamptz NOT NULL,

	CONSTRAINT passwords_user_id_fkey FOREIGN KEY (user_id)
		REFERENCES anon_auth.users (id) ON DELETE CASCADE,
	CONSTRAINT passwords_password_hash_check
		CHECK (password_hash OPERATOR(pg_catalog.~) '^[$]argon2id[$]')
);

COMMENT ON TABLE anon_auth.passwords IS 'One Argon2id hash a regular user.';
COMMENT ON COLUMN anon_auth.passwords.password_hash IS 'Argon2id in the PHC string format; carries its own cost and salt.';

CREATE TABLE anon_auth.sessions (
	user_id uuid NOT NULL,
	id uuid NOT NULL,
	session_type text NOT NULL DEFAULT 'refresh_token',
	client_id text,
	secret_hash bytea NOT NULL,
	generation integer NOT NULL DEFAULT 0,
	rotated_at timestamptz,
	created_at timestamptz NOT NULL,
	authenticated_at timestamptz NOT NULL,
	last_used_at timestamptz NOT NULL,
	expires_at timestamptz NOT NULL,
	purge_from timestamptz NOT NULL DEFAULT pg_catalog.now(),
	device_info jsonb,

	PRIMARY KEY (user_id, id),
	CONSTRAINT sessions_user_id_fkey FOREIGN KEY (user_id)
		REFERENCES anon_auth.users (id) ON DELETE CASCADE,
	CONSTRAINT sessions_session_type_check
		CHECK (session_type OPERATOR(pg_catalog.=) 'cookie'
			   OR (session_type OPERATOR(pg_catalog.=) 'refresh_token' AND client_id IS NOT NULL)),
	CONSTRAINT sessions_secret_hash_check
		CHECK (pg_catalog.octet_length(secret_hash) OPERATOR(pg_catalog.=) 32),
	CONSTRAINT sessions_device_info_check
		CHECK (pg_catalog.jsonb_typeof(device_info) OPERATOR(pg_catalog.=) 'object')
) WITH (fillfactor = 85);
CREATE INDEX sessions_purge_from_idx ON anon_auth.sessions (purge_from);

COMMENT ON TABLE anon_auth.sessions IS
'One row a live session; ending a session deletes its row. Rows past expires_at are dead and wait for purging.';
COMMENT ON COLUMN anon_auth.sessions.session_type IS 'refresh_token, or cookie: the browser keeps a session cookie.';
COMMENT ON COLUMN anon_auth.sessions.client_id IS 'The client that the session belongs to; a session whose client is gone is dead. NULL: a cookie session that was asked for without a client.';
COMMENT ON COLUMN anon_auth.sessions.secret_hash IS 'SHA-256 of the secret inside the refresh token or cookie.';
COMMENT ON COLUMN anon_auth.sessions.generation IS 'How often the refresh token was rotated.';
COMMENT ON COLUMN anon_auth.sessions.rotated_at IS 'Last rotation; the token before it answers for the grace period.';
COMMENT ON COLUMN anon_auth.sessions.authenticated_at IS 'The auth_time claim.';
COMMENT ON COLUMN anon_auth.sessions.expires_at IS 'The earlier of the longest life and the idle timeout: those of the client, or of settings for a cookie session.';
COMMENT ON COLUMN anon_auth.sessions.purge_from IS 'When purge() looks at it next: expires_at as it was at first. A refresh does not move it, so that no index entry changes.';
COMMENT ON COLUMN anon_auth.sessions.device_info IS 'What the client said of its device.';

CREATE TABLE anon_auth.authorization_codes (
	route uuid NOT NULL,
	code_hash bytea NOT NULL,
	user_id uuid NOT NULL,
	client_id text NOT NULL,
	redirect_uri text NOT NULL,
	code_challenge text NOT NULL,
	nonce text,
	authenticated_at timestamptz NOT NULL,
	expires_at timestamptz NOT NULL,

	PRIMARY KEY (route, code_hash),
	CONSTRAINT authorization_codes_user_id_fkey FOREIGN KEY (user_id)
		REFERENCES anon_auth.users (id) ON DELETE CASCADE,
	CONSTRAINT authorization_codes_code_hash_check
		CHECK (pg_catalog.octet_length(code_hash) OPERATOR(pg_catalog.=) 32),
	CONSTRAINT authorization_codes_code_challenge_check
		CHECK (code_challenge OPERATOR(pg_catalog.~) '^[-A-Za-z0-9_]{43}$')
);
CREATE INDEX authorization_codes_user_id_idx ON anon_auth.authorization_codes (user_id);

COMMENT ON TABLE anon_auth.authorization_codes IS
'OAuth 2 authorization codes that have not been exchanged yet (RFC 6749 section 4.1, PKCE of RFC 7636).';
COMMENT ON COLUMN anon_auth.authorization_codes.route IS 'First 16 bytes of code_hash.';
COMMENT ON COLUMN anon_auth.authorization_codes.code_hash IS 'SHA-256 of the code.';
COMMENT ON COLUMN anon_auth.authorization_codes.code_challenge IS 'PKCE, method S256.';
COMMENT ON COLUMN anon_auth.authorization_codes.nonce IS 'The nonce claim of the ID token.';
-- ---------------------------------------------------------------------------
-- signing keys, audit events, rate limits
-- ---------------------------------------------------------------------------

CREATE TABLE anon_auth.signing_keys (
	kid text NOT NULL PRIMARY KEY,
	alg text NOT NULL,
	state text NOT NULL,
	public_jwk jsonb NOT NULL,
	sealed_private_key bytea NOT NULL,
	master_key_id text NOT NULL,
	created_at timestamptz NOT NULL,
	retiring_since timestamptz,
	verify_until timestamptz,

	CONSTRAINT signing_keys_alg_check
		CHECK (alg OPERATOR(pg_catalog.=) ANY ('{ES256,EdDSA,RS256,PS256,HS256}'::pg_catalog.text[])),
	CONSTRAINT signing_keys_state_check
		CHECK (state OPERATOR(pg_catalog.=) ANY ('{active,retiring,retired}'::pg_catalog.text[])),
	CONSTRAINT signing_keys_public_jwk_check
		CHECK (pg_catalog.jsonb_typeof(public_jwk) OPERATOR(pg_catalog.=) 'object'
			   AND NOT public_jwk OPERATOR(pg_catalog.?|) '{d,p,q,dp,dq,qi,k}'::pg_catalog.text[])
);

COMMENT ON TABLE anon_auth.signing_keys IS
'Keys that sign tokens. The newest active one signs; active and retiring ones verify and stand in jwks().';
COMMENT ON COLUMN anon_auth.signing_keys.kid IS 'Key ID: the RFC 7638 thumbprint, or what an imported key was called.';
COMMENT ON COLUMN anon_auth.signing_keys.state IS 'active: signs and verifies; retiring: verifies until verify_until; retired: neither.';
COMMENT ON COLUMN anon_auth.signing_keys.public_jwk IS 'Public members only; for HS256 just the key type.';
COMMENT ON COLUMN anon_auth.signing_keys.sealed_private_key IS 'Private part, XChaCha20-Poly1305 under the master key with kid as additional data.';
COMMENT ON COLUMN anon_auth.signing_keys.retiring_since IS 'When rotate_signing_key() put another in its place.';
COMMENT ON COLUMN anon_auth.signing_keys.verify_until IS 'When the last token that a retiring key has signed expires; NULL: not known, it verifies until it is retired.';
COMMENT ON COLUMN anon_auth.signing_keys.master_key_id IS 'Which master key it is sealed with.';

CREATE TABLE anon_auth.events (
	user_id uuid NOT NULL,
	id uuid NOT NULL,
	type text NOT NULL,
	client_id text,
	created_at timestamptz NOT NULL,
	payload jsonb NOT NULL DEFAULT '{}',

	PRIMARY KEY (user_id, id)
);
CREATE INDEX events_created_at_idx ON anon_auth.events USING brin (created_at);

COMMENT ON TABLE anon_auth.events IS
'Append-only audit, written in the transaction it tells of. Types: user.created, user.authenticated, user.anonymous.promoted, user.anonymous.merged, user.signed_out, user.disabled, user.enabled, user.deleted, authentication.failed, authentication.lockout, refresh_token.reused, verification.requested, login_id.verified, password_reset.requested, password.reset.';
COMMENT ON COLUMN anon_auth.events.user_id IS
'The user it is about, who may be deleted by now; the nil UUID where no user is known.';
COMMENT ON COLUMN anon_auth.events.id IS 'A UUIDv7: events of one connection are in its order, those of one transaction too.';
COMMENT ON COLUMN anon_auth.events.payload IS 'Details; never a token, a password or a hash of one.';

CREATE UNLOGGED TABLE anon_auth.rate_limits (
	bucket uuid NOT NULL PRIMARY KEY,
	theoretical_arrival_at timestamptz NOT NULL
) WITH (fillfactor = 70);

COMMENT ON TABLE anon_auth.rate_limits IS
'State of the generic cell rate algorithm (GCRA), a row a bucket. Lost at a crash, on purpose.';
COMMENT ON COLUMN anon_auth.rate_limits.bucket IS 'First 16 bytes of the SHA-256 of the bucket''s name.';


CREATE UNLOGGED TABLE anon_auth.lockouts (
	bucket uuid NOT NULL PRIMARY KEY,
	failed_attempts integer NOT NULL,
	last_failed_at timestamptz NOT NULL,
	locked_until timestamptz
) WITH (fillfactor = 70);

COMMENT ON TABLE anon_auth.lockouts IS
'Wrong passwords, a row a user or user and address, while settings.lockout_max_attempts is on. Lost at a crash, on purpose.';
COMMENT ON COLUMN anon_auth.lockouts.bucket IS 'First 16 bytes of the SHA-256 of the bucket''s name.';
COMMENT ON COLUMN anon_auth.lockouts.locked_until IS 'Until when logins are refused; NULL: they are not.';
-- ---------------------------------------------------------------------------
-- Nobody but the owner touches the tables; functions do it for the others.
-- Row security without a policy denies even where a GRANT slipped in.
-- ---------------------------------------------------------------------------

REVOKE ALL ON ALL TABLES IN SCHEMA anon_auth FROM PUBLIC;

ALTER TABLE anon_auth.settings ENABLE ROW LEVEL SECURITY;
ALTER TABLE anon_auth.clients ENABLE ROW LEVEL SECURITY;
ALTER TABLE anon_auth.users ENABLE ROW LEVEL SECURITY;
ALTER TABLE anon_auth.device_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE anon_auth.removed_device_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE anon_auth.login_ids ENABLE ROW LEVEL SECURITY;
ALTER TABLE anon_auth.passwords ENABLE ROW LEVEL SECURITY;
ALTER TABLE anon_auth.sessions ENABLE ROW LEVEL SECURITY;
ALTER TABLE anon_auth.authorization_codes ENABLE ROW LEVEL SECURITY;
ALTER TABLE anon_auth.signing_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE anon_auth.events ENABLE ROW LEVEL SECURITY;
ALTER TABLE anon_auth.rate_limits ENABLE ROW LEVEL SECURITY;
ALTER TABLE anon_auth.lockouts ENABLE ROW LEVEL SECURITY;

SELECT pg_catalog.pg_extension_config_dump('anon_auth.settings'::pg_catalog.regclass, '');
SELECT pg_catalog.pg_extension_config_dump('anon_auth.clients'::pg_catalog.regclass, '');
SELECT pg_catalog.pg_extension_config_dump('anon_auth.users'::pg_catalog.regclass, '');
SELECT pg_catalog.pg_extension_config_dump('anon_auth.device_keys'::pg_catalog.regclass, '');
SELECT pg_catalog.pg_extension_config_dump('anon_auth.login_ids'::pg_catalog.regclass, '');
SELECT pg_catalog.pg_extension_config_dump('anon_auth.passwords'::pg_catalog.regclass, '');
SELECT pg_catalog.pg_extension_config_dump('anon_auth.sessions'::pg_catalog.regclass, '');
SELECT pg_catalog.pg_extension_config_dump('anon_auth.authorization_codes'::pg_catalog.regclass, '');
SELECT pg_catalog.pg_extension_config_dump('anon_auth.signing_keys'::pg_catalog.regclass, '');
SELECT pg_catalog.pg_extension_config_dump('anon_auth.events'::pg_catalog.regclass, '');
-- ---------------------------------------------------------------------------
-- Client functions: what an application, or PostgREST for it, calls.
--
-- They run as the extension's owner with a pinned search_path, take secrets
-- as parameters only, and can be executed by nobody until grant_client_api().
-- ---------------------------------------------------------------------------

CREATE TYPE anon_auth.token_response AS (
	sub uuid,
	token_type text,
	access_token text,
	expires_in integer,
	refresh_token text,
	id_token text
);
COMMENT ON TYPE anon_auth.token_response IS
'What a login gives: the user, "Bearer", a JWT access token, its lifetime in seconds, the refresh token to use next, and an ID token.';

CREATE FUNCTION anon_auth.create_challenge(
	purpose text DEFAULT 'anonymous_request',
	OUT token text,
	OUT expire_at timestamptz)
	RETURNS record
	LANGUAGE c VOLATILE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'anon_auth_create_challenge';
REVOKE ALL ON FUNCTION anon_auth.create_challenge(text) FROM PUBLIC;
COMMENT ON FUNCTION anon_auth.create_challenge(text) IS
'A challenge for a device to sign, good for 5 minutes and once for each device key. Writes nothing, works on a standby. Errors: 22023 unknown purpose; F0000 no master key.';

CREATE FUNCTION anon_auth.authenticate_anonymously(
	client_id text,
	jwt text DEFAULT NULL,
	refresh_token text DEFAULT NULL,
	device_info jsonb DEFAULT NULL)
	RETURNS anon_auth.token_response
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_authenticate_anonymously';
REVOKE ALL ON FUNCTION anon_auth.authenticate_anonymously(text, text, text, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION anon_auth.authenticate_anonymously(text, text, text, jsonb) IS
'Signs a guest up or in. With jwt, a request signed by the device key (typ vnd.authgear.anonymous-request, action auth): the key''s guest comes back, or a new one is made from the jwk in its header. With refresh_token: the same guest without a key comes back. With neither: a new guest without a key. Errors: AA001 unknown client; AA002 client type or setting refuses guests; AA003 bad request JWT; AA004 unknown key and no jwk; AA005 challenge expired or used; AA006 bad refresh token; AA007 user disabled; AA008 refresh token of a regular user; AA015 sign-up closed; AA016 bad key; 22023 bad argument.';

CREATE FUNCTION anon_auth.refresh_session(
	client_id text,
	refresh_token text)
	RETURNS anon_auth.token_response
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_refresh_session';
REVOKE ALL ON FUNCTION anon_auth.refresh_session(text, text) FROM PUBLIC;
COMMENT ON FUNCTION anon_auth.refresh_session(text, text) IS
'New tokens for a session. With rotation (clients.refresh_token_rotation_enabled) the refresh token changes, and the one before answers with the same successor for the grace period. NULL when an older one is used again: the session is ended then, and an event tells. Errors: AA001 unknown client; AA006 bad refresh token; AA007 user disabled; 22023 token of another client.';

CREATE FUNCTION anon_auth.create_promotion_code(
	refresh_token text,
	OUT promotion_code text,
	OUT expire_at timestamptz)
	RETURNS record
	LANGUAGE c VOLATILE PARALLEL RESTRICTED SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_create_promotion_code';
REVOKE ALL ON FUNCTION anon_auth.create_promotion_code(text) FROM PUBLIC;
COMMENT ON FUNCTION anon_auth.create_promotion_code(text) IS
'A code, good for 5 minutes, that lets its bearer promote the guest of this session once. Writes nothing. Errors: AA006 bad refresh token; AA007 user disabled; AA008 not a guest.';

CREATE FUNCTION anon_auth.promote_anonymous_user(
	client_id text,
	email text DEFAULT NULL,
	phone_number text DEFAULT NULL,
	username text DEFAULT NULL,
	password text DEFAULT NULL,
	jwt text DEFAULT NULL,
	promotion_code text DEFAULT NULL,
	refresh_token text DEFAULT NULL)
	RETURNS anon_auth.token_response
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_promote_anonymous_user';
REVOKE ALL ON FUNCTION anon_auth.promote_anonymous_user(text, text, text, text, text, text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION anon_auth.promote_anonymous_user(text, text, text, text, text, text, text, text) IS
'Makes a guest a regular user with the same sub: login IDs and password come, the device key and all sessions of the guest go, new tokens are returned. Needs a password, at least one login ID, and exactly one proof: jwt (signed by the device key, action promote), promotion_code or refresh_token. Where a login ID belongs to another user, settings.promotion_conflict decides: an error, or a login to that account with its password (NULL when that password is wrong). Errors: AA001 to AA008 as for authenticate_anonymously(); AA009 login ID taken; AA010 bad login ID; AA011 weak password; AA013 bad promotion code; AA016 bad key in the jwt; 22023 bad argument.';

CREATE FUNCTION anon_auth.authorize_promotion(
	client_id text,
	redirect_uri text,
	code_challenge text,
	code_challenge_method text DEFAULT 'S256',
	email text DEFAULT NULL,
	phone_number text DEFAULT NULL,
	username text DEFAULT NULL,
	password text DEFAULT NULL,
	jwt text DEFAULT NULL,
	promotion_code text DEFAULT NULL,
	refresh_token text DEFAULT NULL,
	nonce text DEFAULT NULL,
	OUT code text,
	OUT expire_at timestamptz)
	RETURNS record
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_authorize_promotion';
REVOKE ALL ON FUNCTION anon_auth.authorize_promotion(text, text, text, text, text, text, text, text, text, text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION anon_auth.authorize_promotion(text, text, text, text, text, text, text, text, text, text, text, text) IS
'Promotion on the web: as promote_anonymous_user(), but gives an authorization code for exchange_authorization_code() instead of tokens. redirect_uri must be one of the client''s, code_challenge is PKCE S256. Errors: as promote_anonymous_user(); 22023 bad redirect URI or code challenge.';

CREATE FUNCTION anon_auth.authenticate(
	client_id text,
	login_id text,
	password text)
	RETURNS SETOF anon_auth.token_response
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER ROWS 1
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_authenticate';
REVOKE ALL ON FUNCTION anon_auth.authenticate(text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION anon_auth.authenticate(text, text, text) IS
'Logs a regular user in with an e-mail address, phone number or username, and a password. One row, or none when the credentials are wrong or the user is disabled, always after the same work. Errors: AA001 unknown client; AA002 client type not allowed; 22023 missing argument.';

CREATE FUNCTION anon_auth.exchange_authorization_code(
	client_id text,
	code text,
	redirect_uri text,
	code_verifier text)
	RETURNS anon_auth.token_response
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_exchange_authorization_code';
REVOKE ALL ON FUNCTION anon_auth.exchange_authorization_code(text, text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION anon_auth.exchange_authorization_code(text, text, text, text) IS
'Tokens for an authorization code (RFC 6749, section 4.1.3, with PKCE). A code works once and for 5 minutes; a failed exchange does not use it up. Errors: AA001 unknown client; AA002 client type not allowed; AA007 user disabled; AA012 bad code or verifier; 22023 bad argument, other redirect URI.';

CREATE FUNCTION anon_auth.revoke(token text)
	RETURNS void
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_revoke';
REVOKE ALL ON FUNCTION anon_auth.revoke(text) FROM PUBLIC;
COMMENT ON FUNCTION anon_auth.revoke(text) IS
'Ends the session of a refresh token or access token (RFC 7009). An unknown token is no error.';

CREATE FUNCTION anon_auth.userinfo(access_token text DEFAULT NULL)
	RETURNS jsonb
	LANGUAGE c STABLE PARALLEL RESTRICTED SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_userinfo';
REVOKE ALL ON FUNCTION anon_auth.userinfo(text) FROM PUBLIC;
COMMENT ON FUNCTION anon_auth.userinfo(text) IS
'Claims about the user of an access token, or of the caller when none is passed (OpenID Connect Core, section 5.3). The session must be alive. Works on a standby. Errors: AA014 bad token or session.';

CREATE FUNCTION anon_auth.jwks()
	RETURNS jsonb
	LANGUAGE c STABLE PARALLEL RESTRICTED SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_jwks';
REVOKE ALL ON FUNCTION anon_auth.jwks() FROM PUBLIC;
COMMENT ON FUNCTION anon_auth.jwks() IS
'The public keys that verify our tokens, as a JWK Set (RFC 7517). Works on a standby.';

CREATE FUNCTION anon_auth.openid_configuration()
	RETURNS jsonb
	LANGUAGE c STABLE PARALLEL RESTRICTED SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_openid_configuration';
REVOKE ALL ON FUNCTION anon_auth.openid_configuration() FROM PUBLIC;
COMMENT ON FUNCTION anon_auth.openid_configuration() IS
'The discovery document (OpenID Connect Discovery 1.0, section 4), with endpoints below settings.issuer.';
-- ---------------------------------------------------------------------------
-- Codes that prove who reads an address, and the outbox that they leave by
--
-- The database sends nothing: a worker of the application takes messages out
-- of the outbox.  Only there a code stands in the clear.
-- ---------------------------------------------------------------------------

CREATE TABLE anon_auth.one_time_codes (
	user_id uuid NOT NULL,
	purpose text NOT NULL,
	login_id_type text NOT NULL,
	code_hash bytea NOT NULL,
	failed_attempts integer NOT NULL DEFAULT 0,
	created_at timestamptz NOT NULL,
	expires_at timestamptz NOT NULL,

	PRIMARY KEY (user_id, purpose, login_id_type),
	CONSTRAINT one_time_codes_user_id_fkey FOREIGN KEY (user_id)
		REFERENCES anon_auth.users (id) ON DELETE CASCADE,
	CONSTRAINT one_time_codes_purpose_check
		CHECK (purpose OPERATOR(pg_catalog.=) ANY ('{login_id_verification,password_reset}'::pg_catalog.text[])),
	CONSTRAINT one_time_codes_login_id_type_check
		CHECK (login_id_type OPERATOR(pg_catalog.=) ANY ('{email,phone_number}'::pg_catalog.text[])),
	CONSTRAINT one_time_codes_code_hash_check
		CHECK (pg_catalog.octet_length(code_hash) OPERATOR(pg_catalog.=) 32)
);
CREATE INDEX one_time_codes_expires_at_idx ON anon_auth.one_time_codes (expires_at);
ALTER TABLE anon_auth.one_time_codes ENABLE ROW LEVEL SECURITY;
SELECT pg_catalog.pg_extension_config_dump('anon_auth.one_time_codes'::pg_catalog.regclass, '');
COMMENT ON TABLE anon_auth.one_time_codes IS
'Codes that were sent and not yet used, the latest for each user, purpose and kind of address.';
COMMENT ON COLUMN anon_auth.one_time_codes.code_hash IS
'BLAKE2b of the code under a key derived from the master key: six digits could be guessed from a plain hash.';
COMMENT ON COLUMN anon_auth.one_time_codes.failed_attempts IS 'A code is dead after 5.';

CREATE TABLE anon_auth.outbox (
	user_id uuid NOT NULL,
	id uuid NOT NULL,
	type text NOT NULL,
	login_id_type text NOT NULL,
	recipient text NOT NULL,
	code text NOT NULL,
	created_at timestamptz NOT NULL,
	expires_at timestamptz NOT NULL,

	PRIMARY KEY (user_id, id),
	CONSTRAINT outbox_user_id_fkey FOREIGN KEY (user_id)
		REFERENCES anon_auth.users (id) ON DELETE CASCADE
);
CREATE INDEX outbox_id_idx ON anon_auth.outbox (id);
ALTER TABLE anon_auth.outbox ENABLE ROW LEVEL SECURITY;
SELECT pg_catalog.pg_extension_config_dump('anon_auth.outbox'::pg_catalog.regclass, '');
COMMENT ON TABLE anon_auth.outbox IS
'Messages to be sent by a worker of yours, which take_outbox_messages() gives to it; NOTIFY anon_auth_outbox tells of new ones.';
COMMENT ON COLUMN anon_auth.outbox.id IS 'A UUIDv7: the oldest message has the least.';
COMMENT ON COLUMN anon_auth.outbox.type IS 'login_id_verification or password_reset.';
COMMENT ON COLUMN anon_auth.outbox.login_id_type IS 'email or phone_number.';
COMMENT ON COLUMN anon_auth.outbox.recipient IS 'The address, as the user typed it.';
COMMENT ON COLUMN anon_auth.outbox.code IS 'What the user is to type: six digits, or ten characters for a password reset.';

REVOKE ALL ON anon_auth.one_time_codes, anon_auth.outbox FROM PUBLIC;

CREATE FUNCTION anon_auth.request_verification(
	login_id_type text DEFAULT 'email',
	access_token text DEFAULT NULL)
	RETURNS timestamptz
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_request_verification';
REVOKE ALL ON FUNCTION anon_auth.request_verification(text, text) FROM PUBLIC;
COMMENT ON FUNCTION anon_auth.request_verification(text, text) IS
'Puts a code for the e-mail address or phone number of the caller into the outbox, and returns when it expires; NULL where the address is verified already. An earlier code is void. The caller is the user of the access token, or of use_access_token(). Errors: AA014 bad token or session; AA018 sooner than a minute after the last one, or the tenth in an hour; 22023 unknown type, or the user has no such address.';

CREATE FUNCTION anon_auth.verify_login_id(
	code text,
	login_id_type text DEFAULT 'email',
	access_token text DEFAULT NULL)
	RETURNS boolean
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_verify_login_id';
REVOKE ALL ON FUNCTION anon_auth.verify_login_id(text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION anon_auth.verify_login_id(text, text, text) IS
'True: the code is the one that was sent, and the caller''s address is verified from now on; new tokens say so. False, never an error, for a wrong, expired or used code, so that the attempt counts; after 5 of them a new code is needed. Errors: AA014 bad token or session; 22023 unknown type, no code.';

CREATE FUNCTION anon_auth.request_password_reset(login_id text)
	RETURNS void
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_request_password_reset';
REVOKE ALL ON FUNCTION anon_auth.request_password_reset(text) FROM PUBLIC;
COMMENT ON FUNCTION anon_auth.request_password_reset(text) IS
'Puts a code for an e-mail address or phone number into the outbox, if it belongs to a user who is not disabled; the caller does not learn whether. A username has no address, so nothing happens. Errors, whether there is such a user or not: AA018 sooner than a minute after the last one, the tenth in an hour, or too many from one address; 22023 no login_id.';

CREATE FUNCTION anon_auth.reset_password(
	login_id text,
	code text,
	new_password text)
	RETURNS boolean
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_reset_password';
REVOKE ALL ON FUNCTION anon_auth.reset_password(text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION anon_auth.reset_password(text, text, text) IS
'True: the code is the one that was sent to this address. The user has the new password, all its sessions have ended, a lockout is over, and the address is verified. False, never an error, for a wrong, expired or used code and for a login ID that nobody has; after 5 of them a new code is needed. Errors: AA011 the code is right, the password is too weak, and the code can be used again; AA018 too many attempts from one address; 22023 missing argument.';

CREATE FUNCTION anon_auth.take_outbox_messages(batch_size integer DEFAULT 100)
	RETURNS SETOF anon_auth.outbox
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_take_outbox_messages';
REVOKE ALL ON FUNCTION anon_auth.take_outbox_messages(integer) FROM PUBLIC;
COMMENT ON FUNCTION anon_auth.take_outbox_messages(integer) IS
'Takes the oldest messages out of the outbox, at most batch_size, skipping those that another worker is about to take; expired ones are dropped. Send them before you commit: a rollback puts them back. For a worker''s role: GRANT USAGE ON SCHEMA anon_auth, and EXECUTE on this function. Errors: 22023 bad batch_size.';
-- ---------------------------------------------------------------------------
-- Who is calling, for row-level security.
--
-- These are cheap enough for a policy, hence not SECURITY DEFINER: the C code
-- becomes the owner where it must read a table.
-- ---------------------------------------------------------------------------

CREATE FUNCTION anon_auth.use_access_token(
	token text,
	is_local boolean DEFAULT true)
	RETURNS uuid
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_use_access_token';
REVOKE ALL ON FUNCTION anon_auth.use_access_token(text, boolean) FROM PUBLIC;
COMMENT ON FUNCTION anon_auth.use_access_token(text, boolean) IS
'Verifies an access token and makes its claims those of uid(), claims() and the others: until the end of the transaction, or with is_local false of the connection. Returns the sub. Behind a transaction pooler keep is_local true. Errors: AA014 bad token; 22023 no token.';

CREATE FUNCTION anon_auth.uid()
	RETURNS uuid
	LANGUAGE c STABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'anon_auth_uid';
REVOKE ALL ON FUNCTION anon_auth.uid() FROM PUBLIC;
COMMENT ON FUNCTION anon_auth.uid() IS
'The sub claim of the caller; NULL for nobody. In a policy, write (SELECT anon_auth.uid()).';

CREATE FUNCTION anon_auth.is_anonymous()
	RETURNS boolean
	LANGUAGE c STABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'anon_auth_is_anonymous';
REVOKE ALL ON FUNCTION anon_auth.is_anonymous() FROM PUBLIC;
COMMENT ON FUNCTION anon_auth.is_anonymous() IS
'Whether the caller''s token was issued to a guest; NULL for nobody.';

CREATE FUNCTION anon_auth.session_id()
	RETURNS uuid
	LANGUAGE c STABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'anon_auth_session_id';
REVOKE ALL ON FUNCTION anon_auth.session_id() FROM PUBLIC;
COMMENT ON FUNCTION anon_auth.session_id() IS
'The sid claim of the caller; NULL for nobody.';

CREATE FUNCTION anon_auth.claims()
	RETURNS jsonb
	LANGUAGE c STABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'anon_auth_claims';
REVOKE ALL ON FUNCTION anon_auth.claims() FROM PUBLIC;
COMMENT ON FUNCTION anon_auth.claims() IS
'All claims of the caller; NULL for nobody.';

CREATE FUNCTION anon_auth.session_alive()
	RETURNS boolean
	LANGUAGE c STABLE PARALLEL SAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_session_alive';
REVOKE ALL ON FUNCTION anon_auth.session_alive() FROM PUBLIC;
COMMENT ON FUNCTION anon_auth.session_alive() IS
'Whether the caller''s session has not ended and the user is not disabled: an access token alone lives until it expires. Reads one row; in a policy, write (SELECT anon_auth.session_alive()).';

-- ---------------------------------------------------------------------------
-- Tools
-- ---------------------------------------------------------------------------

CREATE FUNCTION anon_auth.sign_jwt(
	claims jsonb,
	kid text DEFAULT NULL,
	typ text DEFAULT 'JWT')
	RETURNS text
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_sign_jwt';
REVOKE ALL ON FUNCTION anon_auth.sign_jwt(jsonb, text, text) FROM PUBLIC;
COMMENT ON FUNCTION anon_auth.sign_jwt(jsonb, text, text) IS
'Signs any claims with an active signing key, the newest one unless kid names another. Privileged: whoever may call it can be any user. Errors: AA017 no such active key; 22023 bad argument; 54000 claims too large; F0000 no master key.';

CREATE FUNCTION anon_auth.verify_jwt(
	token text,
	audience text DEFAULT NULL)
	RETURNS jsonb
	LANGUAGE c STABLE PARALLEL RESTRICTED SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_verify_jwt';
REVOKE ALL ON FUNCTION anon_auth.verify_jwt(text, text) FROM PUBLIC;
COMMENT ON FUNCTION anon_auth.verify_jwt(text, text) IS
'The claims of a JWT that one of our keys has signed. Checks the signature, exp and nbf, iss where there is one, and that aud names audience (when NULL: where there is an aud, that it names settings.audience). Works on a standby. Errors: AA014 refused, the detail says why.';

CREATE FUNCTION anon_auth.jws_verify(
	token text,
	jwk jsonb,
	algorithms text[] DEFAULT NULL)
	RETURNS boolean
	LANGUAGE c IMMUTABLE PARALLEL SAFE COST 1000
AS 'MODULE_PATHNAME', 'anon_auth_jws_verify';
COMMENT ON FUNCTION anon_auth.jws_verify(text, jsonb, text[]) IS
'Whether a key signed a compact JWS (RFC 7515): HS, RS, PS and ES with 256, 384 and 512, and EdDSA with Ed25519; algorithms narrows that. Looks at the signature only, not at claims. Never NULL: a NULL or malformed token is false. Errors: AA016 bad JWK; 22023 NULL JWK, unknown algorithm in the list.';

CREATE FUNCTION anon_auth.jwk_thumbprint(jwk jsonb)
	RETURNS text
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 100
AS 'MODULE_PATHNAME', 'anon_auth_jwk_thumbprint';
COMMENT ON FUNCTION anon_auth.jwk_thumbprint(jsonb) IS
'The SHA-256 thumbprint of a JWK (RFC 7638), as base64url. Errors: AA016 bad JWK.';
-- ---------------------------------------------------------------------------
-- Administration: for the owner only
-- ---------------------------------------------------------------------------

CREATE FUNCTION anon_auth.create_signing_key(alg text DEFAULT 'ES256')
	RETURNS text
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_create_signing_key';
REVOKE ALL ON FUNCTION anon_auth.create_signing_key(text) FROM PUBLIC;
COMMENT ON FUNCTION anon_auth.create_signing_key(text) IS
'Makes a key that signs from now on (ES256, EdDSA, RS256 or PS256) and returns its kid. Earlier active keys go on verifying. Errors: 22023 other algorithm; F0000 no master key.';

CREATE FUNCTION anon_auth.import_signing_key(jwk jsonb)
	RETURNS text
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_import_signing_key';
REVOKE ALL ON FUNCTION anon_auth.import_signing_key(jsonb) FROM PUBLIC;
COMMENT ON FUNCTION anon_auth.import_signing_key(jsonb) IS
'Takes over a private JWK that signs from now on, HS256 secrets included, and returns its kid: the "kid" of the JWK, else its thumbprint. Errors: AA016 bad JWK; 42710 kid exists; F0000 no master key.';

CREATE FUNCTION anon_auth.rotate_signing_key(alg text DEFAULT NULL)
	RETURNS text
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_rotate_signing_key';
REVOKE ALL ON FUNCTION anon_auth.rotate_signing_key(text) FROM PUBLIC;
COMMENT ON FUNCTION anon_auth.rotate_signing_key(text) IS
'Makes a key that signs from now on and returns its kid; alg NULL: the algorithm that signs now. The other active keys sign no more, and stay in jwks() until the last token of theirs has expired. PostgREST is told. Errors: 22023 other algorithm; F0000 no master key.';

CREATE FUNCTION anon_auth.retire_signing_key(kid text)
	RETURNS void
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_retire_signing_key';
REVOKE ALL ON FUNCTION anon_auth.retire_signing_key(text) FROM PUBLIC;
COMMENT ON FUNCTION anon_auth.retire_signing_key(text) IS
'Takes a key out of use at once: no token of it verifies any more. For a key that somebody else may have. PostgREST is told. Errors: 42704 no such key; 55000 no other key could sign; 22023 no kid.';

CREATE FUNCTION anon_auth.rotate_master_key()
	RETURNS text
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_rotate_master_key';
REVOKE ALL ON FUNCTION anon_auth.rotate_master_key() FROM PUBLIC;
COMMENT ON FUNCTION anon_auth.rotate_master_key() IS
'Puts a new master key before the others in the master key file, seals the signing keys of this database with it, and returns its id. What the former key made goes on working, until retire_master_key(). The file stays changed if the transaction is rolled back; that does no harm. Afterwards copy the file to the standby servers and to its backup, and call reseal_signing_keys() in the other databases of the server. Errors: F0000 no master key, it does not open a signing key, or the file is not the server''s to write (the hint says what to do by hand); 54000 the file has 8 keys; 53100 the disk is full; 25006 on a standby.';

CREATE FUNCTION anon_auth.reseal_signing_keys()
	RETURNS bigint
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_reseal_signing_keys';
REVOKE ALL ON FUNCTION anon_auth.reseal_signing_keys() FROM PUBLIC;
COMMENT ON FUNCTION anon_auth.reseal_signing_keys() IS
'Seals all signing keys of this database that are sealed with a former master key with the current one, and returns how many those were. For the other databases of a server after rotate_master_key(), and after the file was changed by hand. Errors: F0000 no master key, or the file does not have that of a signing key; 25006 on a standby.';

CREATE FUNCTION anon_auth.master_key_ids()
	RETURNS text[]
	LANGUAGE c STABLE PARALLEL RESTRICTED SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_master_key_ids';
REVOKE ALL ON FUNCTION anon_auth.master_key_ids() FROM PUBLIC;
COMMENT ON FUNCTION anon_auth.master_key_ids() IS
'The ids of the keys in the master key file, the current one first. Errors: F0000 no master key.';

CREATE FUNCTION anon_auth.retire_master_key(key_id text)
	RETURNS void
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_retire_master_key';
REVOKE ALL ON FUNCTION anon_auth.retire_master_key(text) FROM PUBLIC;
COMMENT ON FUNCTION anon_auth.retire_master_key(text) IS
'Takes a former master key out of the master key file, at once and for good: rolling back does not bring it back. What was made with it dies: session cookies, and refresh tokens that were not refreshed since the rotation, whose users must log in again; challenges, promotion codes and open sign-up pages, which live for minutes. Only this database is checked: call reseal_signing_keys() in all others of the server before. Backups from before need the key: keep it with them. Errors: 42704 the file has no such key; 55000 it is the current one, or still seals a signing key of this database, or this transaction has changed signing keys; 22023 no key id; F0000 no master key, or the file is not the server''s to write; 25006 on a standby.';

CREATE FUNCTION anon_auth.ensure_signing_key()
	RETURNS void
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_ensure_signing_key';
REVOKE ALL ON FUNCTION anon_auth.ensure_signing_key() FROM PUBLIC;
COMMENT ON FUNCTION anon_auth.ensure_signing_key() IS
'Makes the first signing key (ES256) of a database that has none. create_client() calls it. Errors: F0000 no master key.';

CREATE FUNCTION anon_auth.create_client(
	client_id text,
	application_type text,
	redirect_uris text[] DEFAULT '{}',
	name text DEFAULT NULL,
	post_logout_redirect_uris text[] DEFAULT '{}',
	access_token_lifetime_seconds integer DEFAULT 1800,
	refresh_token_lifetime_seconds integer DEFAULT 31449600,
	refresh_token_idle_timeout_enabled boolean DEFAULT true,
	refresh_token_idle_timeout_seconds integer DEFAULT 2592000,
	refresh_token_rotation_enabled boolean DEFAULT false,
	refresh_token_rotation_grace_seconds integer DEFAULT 30,
	max_concurrent_sessions integer DEFAULT 0)
	RETURNS text
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	uri text;
BEGIN
	IF client_id IS NULL OR client_id !~ '^[[:graph:]]{1,255}$' THEN
		RAISE EXCEPTION 'invalid client ID'
			USING ERRCODE = 'invalid_parameter_value',
				  DETAIL = 'A client ID has 1 to 255 characters and no white space.';
	END IF;
	IF application_type IS NULL OR application_type <> ALL
		('{spa,traditional_webapp,native,confidential,third_party_app,m2m}'::text[]) THEN
		RAISE EXCEPTION 'unknown application type "%"', application_type
			USING ERRCODE = 'invalid_parameter_value',
				  HINT = 'Types are spa, traditional_webapp, native, confidential, third_party_app and m2m.';
	END IF;

	-- RFC 6749, section 3.1.2: absolute, without fragment.  Browsers run the
	-- script schemes instead of going there.
	FOREACH uri IN ARRAY redirect_uris || post_logout_redirect_uris LOOP
		IF uri IS NULL OR uri !~ '^[A-Za-z][A-Za-z0-9+.-]*:[^[:space:]#]+$'
		   OR uri ~* '^(javascript|vbscript|data|blob|file|about):'
		   OR uri ~* '^https?:(?!//[^/?])' THEN
			RAISE EXCEPTION 'invalid redirect URI "%"', uri
				USING ERRCODE = 'invalid_parameter_value',
					  DETAIL = 'It must be absolute, without fragment, and of a scheme that leads somewhere.';
		END IF;
	END LOOP;

	INSERT INTO anon_auth.clients
		(client_id, name, application_type, redirect_uris, post_logout_redirect_uris,
		 access_token_lifetime_seconds, refresh_token_lifetime_seconds,
		 refresh_token_idle_timeout_enabled, refresh_token_idle_timeout_seconds,
		 refresh_token_rotation_enabled, refresh_token_rotation_grace_seconds,
		 max_concurrent_sessions)
		VALUES (client_id, coalesce(name, client_id), application_type,
				redirect_uris, post_logout_redirect_uris,
				access_token_lifetime_seconds, refresh_token_lifetime_seconds,
				refresh_token_idle_timeout_enabled, refresh_token_idle_timeout_seconds,
				refresh_token_rotation_enabled, refresh_token_rotation_grace_seconds,
				max_concurrent_sessions)
		ON CONFLICT ON CONSTRAINT clients_pkey DO NOTHING;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'client "%" already exists', client_id
			USING ERRCODE = 'duplicate_object';
	END IF;
	PERFORM anon_auth.ensure_signing_key();
	RETURN client_id;
END
$$;
REVOKE ALL ON FUNCTION anon_auth.create_client(text, text, text[], text, text[], integer, integer, boolean, integer, boolean, integer, integer) FROM PUBLIC;
COMMENT ON FUNCTION anon_auth.create_client(text, text, text[], text, text[], integer, integer, boolean, integer, boolean, integer, integer) IS
'Registers an application and returns its client_id; see the table clients for what the arguments mean. Errors: 22023 bad type or URI; 23514 a lifetime out of bounds; 42710 client exists.';

CREATE FUNCTION anon_auth.disable_user(user_id uuid)
	RETURNS void
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_disable_user';
REVOKE ALL ON FUNCTION anon_auth.disable_user(uuid) FROM PUBLIC;
COMMENT ON FUNCTION anon_auth.disable_user(uuid) IS
'Keeps a user from logging in, and ends all its sessions. Errors: 42704 unknown user.';

CREATE FUNCTION anon_auth.enable_user(user_id uuid)
	RETURNS void
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_enable_user';
REVOKE ALL ON FUNCTION anon_auth.enable_user(uuid) FROM PUBLIC;
COMMENT ON FUNCTION anon_auth.enable_user(uuid) IS
'Lets a disabled user log in again. Errors: 42704 unknown user.';

CREATE FUNCTION anon_auth.delete_user(user_id uuid)
	RETURNS void
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_delete_user';
REVOKE ALL ON FUNCTION anon_auth.delete_user(uuid) FROM PUBLIC;
COMMENT ON FUNCTION anon_auth.delete_user(uuid) IS
'Deletes a user and all that the extension keeps of it but events. Rows of your tables follow their foreign keys, as their owner would have it; triggers of yours on users fire if they are enabled ALWAYS. Errors: 42704 unknown user; 23503 a foreign key of yours forbids it; 40001 something of it came meanwhile.';

CREATE FUNCTION anon_auth.revoke_sessions(user_id uuid)
	RETURNS bigint
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_revoke_sessions';
REVOKE ALL ON FUNCTION anon_auth.revoke_sessions(uuid) FROM PUBLIC;
COMMENT ON FUNCTION anon_auth.revoke_sessions(uuid) IS
'Ends all sessions of a user and returns how many. A device key can still log in. Errors: 42704 unknown user.';

-- What grant_client_api() grants, and doctor() does not wonder at.
CREATE FUNCTION anon_auth.client_api()
	RETURNS regprocedure[]
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN ARRAY[
		'anon_auth.create_challenge(text)'::regprocedure,
		'anon_auth.authenticate_anonymously(text, text, text, jsonb)'::regprocedure,
		'anon_auth.refresh_session(text, text)'::regprocedure,
		'anon_auth.create_promotion_code(text)'::regprocedure,
		'anon_auth.promote_anonymous_user(text, text, text, text, text, text, text, text)'::regprocedure,
		'anon_auth.authorize_promotion(text, text, text, text, text, text, text, text, text, text, text, text)'::regprocedure,
		'anon_auth.authenticate(text, text, text)'::regprocedure,
		'anon_auth.exchange_authorization_code(text, text, text, text)'::regprocedure,
		'anon_auth.request_verification(text, text)'::regprocedure,
		'anon_auth.verify_login_id(text, text, text)'::regprocedure,
		'anon_auth.request_password_reset(text)'::regprocedure,
		'anon_auth.reset_password(text, text, text)'::regprocedure,
		'anon_auth.userinfo(text)'::regprocedure,
		'anon_auth.revoke(text)'::regprocedure,
		'anon_auth.jwks()'::regprocedure,
		'anon_auth.openid_configuration()'::regprocedure,
		'anon_auth.use_access_token(text, boolean)'::regprocedure,
		'anon_auth.uid()'::regprocedure,
		'anon_auth.is_anonymous()'::regprocedure,
		'anon_auth.session_id()'::regprocedure,
		'anon_auth.claims()'::regprocedure,
		'anon_auth.session_alive()'::regprocedure,
		'anon_auth.verify_jwt(text, text)'::regprocedure];
END
$$;
REVOKE ALL ON FUNCTION anon_auth.client_api() FROM PUBLIC;
COMMENT ON FUNCTION anon_auth.client_api() IS
'The client functions, as grant_client_api() grants them.';

-- Runs as the caller, who must be able to grant: the owner or a superuser.
CREATE FUNCTION anon_auth.grant_client_api(role_name regrole)
	RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	api regprocedure;
BEGIN
	IF role_name IS NULL OR role_name::oid = 0 THEN
		RAISE EXCEPTION 'role_name is required' USING ERRCODE = 'invalid_parameter_value';
	END IF;
	EXECUTE format('GRANT USAGE ON SCHEMA anon_auth TO %s', role_name);
	FOREACH api IN ARRAY anon_auth.client_api() LOOP
		EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %s', api, role_name);
	END LOOP;
END
$$;
REVOKE ALL ON FUNCTION anon_auth.grant_client_api(regrole) FROM PUBLIC;
COMMENT ON FUNCTION anon_auth.grant_client_api(regrole) IS
'Lets a role, such as PostgREST''s anon and authenticated, call the client functions and nothing else. Errors: 42704 unknown role; 42501 caller may not grant.';
-- ---------------------------------------------------------------------------
-- Guests that become part of an account, and guests that are given up: for the
-- owner only
-- ---------------------------------------------------------------------------

CREATE FUNCTION anon_auth.merge_anonymous_user(
	guest_id uuid,
	user_id uuid,
	dry_run boolean DEFAULT false)
	RETURNS TABLE (table_name regclass, rows bigint)
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_merge_anonymous_user';
REVOKE ALL ON FUNCTION anon_auth.merge_anonymous_user(uuid, uuid, boolean) FROM PUBLIC;
COMMENT ON FUNCTION anon_auth.merge_anonymous_user(uuid, uuid, boolean) IS
'Moves the rows that a guest has in your tables, those with a foreign key to users, to a regular user, and deletes the guest: what a promotion does where settings.promotion_conflict is merge. One row a table, with how many rows moved. dry_run: does it all, merge hook and triggers included, and undoes it. Errors: 42704 unknown user; 22023 not a guest and a regular user; AA021 a table refuses; AA020 the merge hook refuses; 55000 the guest is disabled.';

CREATE FUNCTION anon_auth.purge(
	batch_size integer DEFAULT 1000,
	dry_run boolean DEFAULT false,
	OUT guests bigint,
	OUT skipped_guests bigint,
	OUT sessions bigint,
	OUT authorization_codes bigint,
	OUT one_time_codes bigint,
	OUT outbox_messages bigint,
	OUT removed_device_keys bigint,
	OUT events bigint,
	OUT rate_limits bigint,
	OUT has_more boolean)
	RETURNS record
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_purge';
REVOKE ALL ON FUNCTION anon_auth.purge(integer, boolean) FROM PUBLIC;
COMMENT ON FUNCTION anon_auth.purge(integer, boolean) IS
'Deletes at most batch_size each (1 to 100000) of: guests without a device key whose last session has ended, since nobody can come back to them; guests with one that were not seen for settings.guest_retention; expired sessions, codes and messages of the outbox; events older than settings.event_retention; rate limits that limit nothing. Tells how many, how many guests were skipped because of rows in your tables (see settings.purge_policy; they are tried again after a day), and whether to call it again. dry_run: counts what it would do, and does nothing. Errors: 22023 bad batch_size.';
-- ---------------------------------------------------------------------------
-- The HTTP face: functions that PostgREST exposes, one for each path.
--
-- Each takes the raw body of a request as its only, unnamed parameter, and
-- reads the rest of the request from PostgREST's settings; a reverse proxy
-- maps the paths (examples/postgrest/nginx.conf, and src/http/http.h for what
-- it must pass on).  The answer is the returned text with the status and
-- headers left in response.status and response.headers.
-- ---------------------------------------------------------------------------

CREATE SCHEMA anon_auth_http;
COMMENT ON SCHEMA anon_auth_http IS
'anon_auth over HTTP, for PostgREST behind a reverse proxy: Authgear''s endpoints and the sign-up page.';
REVOKE ALL ON SCHEMA anon_auth_http FROM PUBLIC;

-- PostgREST takes a function that returns this for any Accept header, and
-- leaves the Content-Type to the function.
CREATE DOMAIN anon_auth_http."*/*" AS text;
COMMENT ON DOMAIN anon_auth_http."*/*" IS 'A response body of any media type.';

CREATE FUNCTION anon_auth_http.openid_configuration(text)
	RETURNS anon_auth_http."*/*"
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_http_openid_configuration';
REVOKE ALL ON FUNCTION anon_auth_http.openid_configuration(text) FROM PUBLIC;
COMMENT ON FUNCTION anon_auth_http.openid_configuration(text) IS
'GET /.well-known/openid-configuration. The discovery document (OpenID Connect Discovery, section 3).';

CREATE FUNCTION anon_auth_http.jwks(text)
	RETURNS anon_auth_http."*/*"
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_http_jwks';
REVOKE ALL ON FUNCTION anon_auth_http.jwks(text) FROM PUBLIC;
COMMENT ON FUNCTION anon_auth_http.jwks(text) IS
'GET /oauth2/jwks. The public signing keys (RFC 7517, section 5).';

CREATE FUNCTION anon_auth_http.challenge(text)
	RETURNS anon_auth_http."*/*"
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_http_challenge';
REVOKE ALL ON FUNCTION anon_auth_http.challenge(text) FROM PUBLIC;
COMMENT ON FUNCTION anon_auth_http.challenge(text) IS
'POST /oauth2/challenge. JSON {"purpose"}: {"result": {"token", "expire_at"}}.';

CREATE FUNCTION anon_auth_http.token(text)
	RETURNS anon_auth_http."*/*"
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_http_token';
REVOKE ALL ON FUNCTION anon_auth_http.token(text) FROM PUBLIC;
COMMENT ON FUNCTION anon_auth_http.token(text) IS
'POST /oauth2/token. Form, RFC 6749 section 4.1.3 and 6: grant_type authorization_code, refresh_token or urn:authgear:params:oauth:grant-type:anonymous-request. Tokens, or {"error", "error_description"}; x_code unknown_device_key where the device must send its public key.';

CREATE FUNCTION anon_auth_http.revoke(text)
	RETURNS anon_auth_http."*/*"
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_http_revoke';
REVOKE ALL ON FUNCTION anon_auth_http.revoke(text) FROM PUBLIC;
COMMENT ON FUNCTION anon_auth_http.revoke(text) IS
'POST /oauth2/revoke. Form, RFC 7009: ends the session of a token. Always 200.';

CREATE FUNCTION anon_auth_http.userinfo(text)
	RETURNS anon_auth_http."*/*"
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_http_userinfo';
REVOKE ALL ON FUNCTION anon_auth_http.userinfo(text) FROM PUBLIC;
COMMENT ON FUNCTION anon_auth_http.userinfo(text) IS
'GET and POST /oauth2/userinfo. The claims of userinfo() for an access token, else for the session cookie; 401 without a live session.';

CREATE FUNCTION anon_auth_http.anonymous_user_signup(text)
	RETURNS anon_auth_http."*/*"
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_http_anonymous_user_signup';
REVOKE ALL ON FUNCTION anon_auth_http.anonymous_user_signup(text) FROM PUBLIC;
COMMENT ON FUNCTION anon_auth_http.anonymous_user_signup(text) IS
'POST /api/anonymous_user/signup. JSON {"session_type", "client_id", "refresh_token"}: a guest without a device key, with tokens or with a session cookie.';

CREATE FUNCTION anon_auth_http.anonymous_user_promotion_code(text)
	RETURNS anon_auth_http."*/*"
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_http_anonymous_user_promotion_code';
REVOKE ALL ON FUNCTION anon_auth_http.anonymous_user_promotion_code(text) FROM PUBLIC;
COMMENT ON FUNCTION anon_auth_http.anonymous_user_promotion_code(text) IS
'POST /api/anonymous_user/promotion_code. JSON {"session_type", "refresh_token"}: {"result": {"promotion_code", "expire_at"}}.';

CREATE FUNCTION anon_auth_http.authorize(text)
	RETURNS anon_auth_http."*/*"
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_http_authorize';
REVOKE ALL ON FUNCTION anon_auth_http.authorize(text) FROM PUBLIC;
COMMENT ON FUNCTION anon_auth_http.authorize(text) IS
'GET and POST /oauth2/authorize. Starts a promotion (RFC 6749, section 4.1.1; response_type code or none): checks client, redirect URI, PKCE and the guests proof in login_hint, and sends the browser to the page. Errors go to the redirect URI, or are shown where that is not known.';

CREATE FUNCTION anon_auth_http.promote_user(text)
	RETURNS anon_auth_http."*/*"
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_http_promote_user';
REVOKE ALL ON FUNCTION anon_auth_http.promote_user(text) FROM PUBLIC;
COMMENT ON FUNCTION anon_auth_http.promote_user(text) IS
'GET and POST /flows/promote_user. The page on which a guest becomes a regular user; sends the browser back with a code or with a session cookie.';

CREATE FUNCTION anon_auth_http.login(text)
	RETURNS anon_auth_http."*/*"
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_http_login';
REVOKE ALL ON FUNCTION anon_auth_http.login(text) FROM PUBLIC;
COMMENT ON FUNCTION anon_auth_http.login(text) IS
'GET and POST /flows/login. The page on which a regular user logs in; sends the browser back with a code or with a session cookie.';

CREATE FUNCTION anon_auth_http.end_session(text)
	RETURNS anon_auth_http."*/*"
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_http_end_session';
REVOKE ALL ON FUNCTION anon_auth_http.end_session(text) FROM PUBLIC;
COMMENT ON FUNCTION anon_auth_http.end_session(text) IS
'GET and POST /oauth2/end_session. Logout of a cookie session (OpenID Connect RP-Initiated Logout 1.0); asks first where another site sent the browser.';

CREATE FUNCTION anon_auth_http.resolve(text)
	RETURNS anon_auth_http."*/*"
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_http_resolve';
REVOKE ALL ON FUNCTION anon_auth_http.resolve(text) FROM PUBLIC;
COMMENT ON FUNCTION anon_auth_http.resolve(text) IS
'GET /resolve. For nginx auth_request: X-Authgear-* headers about the session of the access token or cookie; always 200.';
-- ---------------------------------------------------------------------------
-- What the pages say, and in which language
-- ---------------------------------------------------------------------------

CREATE FUNCTION anon_auth_http.html_escape(text)
	RETURNS text
	LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT replace(replace(replace(replace(replace($1, '&', '&amp;'), '<', '&lt;'),
		'>', '&gt;'), '"', '&quot;'), '''', '&#39;')
$$;
REVOKE ALL ON FUNCTION anon_auth_http.html_escape(text) FROM PUBLIC;
COMMENT ON FUNCTION anon_auth_http.html_escape(text) IS
'The text, written so that it is text in HTML, between tags as well as in a quoted attribute.';

-- In what follows {app} is the name of the site or, where that is not known,
-- the text is the one whose key ends in _without_app.
CREATE FUNCTION anon_auth_http.page_texts(locale text)
	RETURNS jsonb
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE locale WHEN 'en' THEN jsonb '{
		"page_title": "{title} – {app}",
		"page_title_without_app": "{title}",
		"page_title_error": "Error: {title}",
		"error_summary": "There is a problem",
		"list_separator": ", ",
		"sentence_separator": " ",
		"busy": "One moment …",
		"new_tab": "opens in a new tab",
		"sign_up_title": "Create your account",
		"sign_up_lead": "Keep what you have done as a guest in {app}.",
		"sign_up_lead_without_app": "Keep what you have done as a guest.",
		"sign_up_button": "Create account",
		"not_now": "Not now",
		"terms_sentence": "By creating an account, you agree to the {terms}.",
		"terms": "terms of service",
		"privacy_sentence": "How your data is handled is explained in the {privacy}.",
		"privacy": "privacy policy",
		"log_in_title": "Log in",
		"log_in_lead": "Welcome back. Log in to continue to {app}.",
		"log_in_lead_without_app": "Welcome back. Log in to continue.",
		"log_in_button": "Log in",
		"log_in_cancel": "Cancel",
		"notice_email": "There is already an account with this email address. Log in with its password.",
		"notice_phone_number": "There is already an account with this phone number. Log in with its password.",
		"notice_username": "There is already an account with this username. Log in with its password.",
		"notice_guest": "What you did as a guest will not be moved to that account.",
		"notice_merge": "What you did as a guest will be moved to that account.",
		"log_out_title": "Log out of {app}?",
		"log_out_title_without_app": "Log out?",
		"log_out_lead": "You can log in again at any time.",
		"log_out_button": "Log out",
		"log_out_cancel": "Stay logged in",
		"label_email": "Email address",
		"label_phone_number": "Phone number",
		"label_username": "Username",
		"label_login_id": "Email address, phone number or username",
		"label_new_password": "Choose a password",
		"label_password": "Password",
		"hint_phone_number": "With the country code, for example +44 20 7946 0958",
		"show_password": "Show password",
		"use_email": "Use email address instead",
		"use_phone_number": "Use phone number instead",
		"use_username": "Use username instead",
		"another_email": "Use another email address",
		"another_phone_number": "Use another phone number",
		"another_username": "Use another username",
		"email_required": "Enter your email address.",
		"email_invalid": "Enter a complete email address, such as name@example.com.",
		"email_taken": "There is already an account with this email address. Use another one.",
		"email_not_allowed": "This email address cannot be used here. Try another one.",
		"phone_number_required": "Enter your phone number.",
		"phone_number_invalid": "Enter a complete phone number, beginning with + and the country code.",
		"phone_number_taken": "There is already an account with this phone number. Use another one.",
		"phone_number_not_allowed": "This phone number cannot be used here. Try another one.",
		"username_required": "Enter a username.",
		"username_invalid": "This username has characters that cannot be used. Try another one.",
		"username_taken": "This username is taken. Try another one.",
		"username_not_allowed": "This username cannot be used here. Try another one.",
		"login_id_required": "Enter your email address, phone number or username.",
		"login_id_error": "This cannot be used here. Try another one.",
		"password_required": "Enter a password.",
		"password_wrong": "This password is not right. Check it and try again.",
		"password_missing": "The password still needs: {rules}.",
		"password_excluded_keyword": "The password contains a word that is not allowed. Choose another one.",
		"password_too_long": "The password is too long. Choose a shorter one.",
		"password_error": "This password cannot be used. Choose another one.",
		"rules": "The password needs",
		"rule_length": "at least {min_length} characters",
		"rule_uppercase": "a capital letter (A–Z)",
		"rule_lowercase": "a small letter (a–z)",
		"rule_alphabet": "a letter (A–Z)",
		"rule_digit": "a digit (0–9)",
		"rule_symbol": "a symbol (such as ! or ?)",
		"rule_met": "met",
		"rule_unmet": "not met yet",
		"rules_met": "{met} of {total} password requirements met",
		"form_wrong_credentials": "No account matches these details. Check them and try again.",
		"form_rate_limited": "That was one attempt too many. Wait a few minutes, then try again.",
		"form_disabled": "This account is disabled. Contact support if you think this is a mistake.",
		"form_failed": "That did not work. Try again in a moment.",
		"expired_title": "This page has expired",
		"expired_text": "Go back to where you came from and start again.",
		"done_title": "Your account is ready",
		"done_text": "There is nothing left to do here.",
		"cancelled_title": "Cancelled",
		"cancelled_text": "Nothing has been changed.",
		"logged_out_title": "You are logged out",
		"logged_out_text": "You can close this page.",
		"disabled_title": "This account is disabled",
		"disabled_text": "Contact support if you think this is a mistake.",
		"failed_title": "Something went wrong",
		"failed_text": "Go back and try again.",
		"rate_limited_title": "Too many attempts",
		"rate_limited_text": "Wait a few minutes, then try again.",
		"not_found_title": "Page not found",
		"not_found_text": "Nothing is at this address. Check the link.",
		"continue": "Continue to {app}",
		"continue_without_app": "Continue",
		"back": "Back to {app}",
		"back_without_app": "Back"
	}' WHEN 'de' THEN jsonb '{
		"page_title": "{title} – {app}",
		"page_title_without_app": "{title}",
		"page_title_error": "Fehler: {title}",
		"error_summary": "Bitte prüfen Sie Ihre Angaben",
		"list_separator": ", ",
		"sentence_separator": " ",
		"busy": "Einen Moment …",
		"new_tab": "öffnet einen neuen Tab",
		"sign_up_title": "Konto erstellen",
		"sign_up_lead": "Behalten Sie, was Sie als Gast in {app} gemacht haben.",
		"sign_up_lead_without_app": "Behalten Sie, was Sie als Gast gemacht haben.",
		"sign_up_button": "Konto erstellen",
		"not_now": "Nicht jetzt",
		"terms_sentence": "Mit dem Erstellen eines Kontos akzeptieren Sie die {terms}.",
		"terms": "Nutzungsbedingungen",
		"privacy_sentence": "Wie wir mit Ihren Daten umgehen, steht in der {privacy}.",
		"privacy": "Datenschutzerklärung",
		"log_in_title": "Anmelden",
		"log_in_lead": "Willkommen zurück. Melden Sie sich an, um mit {app} weiterzumachen.",
		"log_in_lead_without_app": "Willkommen zurück. Melden Sie sich an, um weiterzumachen.",
		"log_in_button": "Anmelden",
		"log_in_cancel": "Abbrechen",
		"notice_email": "Zu dieser E-Mail-Adresse gibt es bereits ein Konto. Melden Sie sich mit dessen Passwort an.",
		"notice_phone_number": "Zu dieser Telefonnummer gibt es bereits ein Konto. Melden Sie sich mit dessen Passwort an.",
		"notice_username": "Zu diesem Benutzernamen gibt es bereits ein Konto. Melden Sie sich mit dessen Passwort an.",
		"notice_guest": "Was Sie als Gast gemacht haben, wird nicht in dieses Konto übernommen.",
		"notice_merge": "Was Sie als Gast gemacht haben, wird in dieses Konto übernommen.",
		"log_out_title": "Von {app} abmelden?",
		"log_out_title_without_app": "Abmelden?",
		"log_out_lead": "Sie können sich jederzeit wieder anmelden.",
		"log_out_button": "Abmelden",
		"log_out_cancel": "Angemeldet bleiben",
		"label_email": "E-Mail-Adresse",
		"label_phone_number": "Telefonnummer",
		"label_username": "Benutzername",
		"label_login_id": "E-Mail-Adresse, Telefonnummer oder Benutzername",
		"label_new_password": "Passwort wählen",
		"label_password": "Passwort",
		"hint_phone_number": "Mit Ländervorwahl, zum Beispiel +49 30 23125 000",
		"show_password": "Passwort anzeigen",
		"use_email": "E-Mail-Adresse verwenden",
		"use_phone_number": "Telefonnummer verwenden",
		"use_username": "Benutzernamen verwenden",
		"another_email": "Andere E-Mail-Adresse verwenden",
		"another_phone_number": "Andere Telefonnummer verwenden",
		"another_username": "Anderen Benutzernamen verwenden",
		"email_required": "Geben Sie Ihre E-Mail-Adresse ein.",
		"email_invalid": "Geben Sie eine vollständige E-Mail-Adresse ein, etwa name@example.com.",
		"email_taken": "Zu dieser E-Mail-Adresse gibt es bereits ein Konto. Verwenden Sie eine andere.",
		"email_not_allowed": "Diese E-Mail-Adresse kann hier nicht verwendet werden. Versuchen Sie es mit einer anderen.",
		"phone_number_required": "Geben Sie Ihre Telefonnummer ein.",
		"phone_number_invalid": "Geben Sie eine vollständige Telefonnummer ein, beginnend mit + und der Ländervorwahl.",
		"phone_number_taken": "Zu dieser Telefonnummer gibt es bereits ein Konto. Verwenden Sie eine andere.",
		"phone_number_not_allowed": "Diese Telefonnummer kann hier nicht verwendet werden. Versuchen Sie es mit einer anderen.",
		"username_required": "Geben Sie einen Benutzernamen ein.",
		"username_invalid": "Dieser Benutzername enthält Zeichen, die nicht möglich sind. Versuchen Sie es mit einem anderen.",
		"username_taken": "Dieser Benutzername ist vergeben. Versuchen Sie es mit einem anderen.",
		"username_not_allowed": "Dieser Benutzername kann hier nicht verwendet werden. Versuchen Sie es mit einem anderen.",
		"login_id_required": "Geben Sie Ihre E-Mail-Adresse, Ihre Telefonnummer oder Ihren Benutzernamen ein.",
		"login_id_error": "Diese Angabe kann hier nicht verwendet werden. Versuchen Sie es mit einer anderen.",
		"password_required": "Geben Sie ein Passwort ein.",
		"password_wrong": "Das Passwort stimmt nicht. Prüfen Sie es und versuchen Sie es noch einmal.",
		"password_missing": "Das Passwort braucht noch: {rules}.",
		"password_excluded_keyword": "Das Passwort enthält ein Wort, das nicht erlaubt ist. Wählen Sie ein anderes.",
		"password_too_long": "Das Passwort ist zu lang. Wählen Sie ein kürzeres.",
		"password_error": "Dieses Passwort kann nicht verwendet werden. Wählen Sie ein anderes.",
		"rules": "Das Passwort braucht",
		"rule_length": "mindestens {min_length} Zeichen",
		"rule_uppercase": "einen Großbuchstaben (A–Z)",
		"rule_lowercase": "einen Kleinbuchstaben (a–z)",
		"rule_alphabet": "einen Buchstaben (A–Z)",
		"rule_digit": "eine Ziffer (0–9)",
		"rule_symbol": "ein Sonderzeichen (etwa ! oder ?)",
		"rule_met": "erfüllt",
		"rule_unmet": "noch nicht erfüllt",
		"rules_met": "{met} von {total} Anforderungen an das Passwort erfüllt",
		"form_wrong_credentials": "Zu diesen Angaben gibt es kein Konto. Prüfen Sie sie und versuchen Sie es noch einmal.",
		"form_rate_limited": "Das waren zu viele Versuche. Warten Sie ein paar Minuten und versuchen Sie es dann noch einmal.",
		"form_disabled": "Dieses Konto ist gesperrt. Wenden Sie sich an den Support, wenn das ein Irrtum ist.",
		"form_failed": "Das hat nicht geklappt. Versuchen Sie es gleich noch einmal.",
		"expired_title": "Diese Seite ist abgelaufen",
		"expired_text": "Gehen Sie dorthin zurück, woher Sie gekommen sind, und beginnen Sie von vorn.",
		"done_title": "Ihr Konto ist bereit",
		"done_text": "Hier ist nichts weiter zu tun.",
		"cancelled_title": "Abgebrochen",
		"cancelled_text": "Es wurde nichts geändert.",
		"logged_out_title": "Sie sind abgemeldet",
		"logged_out_text": "Sie können diese Seite schließen.",
		"disabled_title": "Dieses Konto ist gesperrt",
		"disabled_text": "Wenden Sie sich an den Support, wenn das ein Irrtum ist.",
		"failed_title": "Etwas ist schiefgegangen",
		"failed_text": "Gehen Sie zurück und versuchen Sie es noch einmal.",
		"rate_limited_title": "Zu viele Versuche",
		"rate_limited_text": "Warten Sie ein paar Minuten und versuchen Sie es dann noch einmal.",
		"not_found_title": "Seite nicht gefunden",
		"not_found_text": "Unter dieser Adresse gibt es nichts. Prüfen Sie den Link.",
		"continue": "Weiter zu {app}",
		"continue_without_app": "Weiter",
		"back": "Zurück zu {app}",
		"back_without_app": "Zurück"
	}' WHEN 'zh-Hant' THEN jsonb '{
		"page_title": "{title} – {app}",
		"page_title_without_app": "{title}",
		"page_title_error": "錯誤：{title}",
		"error_summary": "請檢查以下內容",
		"list_separator": "、",
		"sentence_separator": "",
		"busy": "請稍候⋯⋯",
		"new_tab": "在新分頁中開啟",
		"sign_up_title": "建立帳號",
		"sign_up_lead": "保留您以訪客身分在 {app} 留下的內容。",
		"sign_up_lead_without_app": "保留您以訪客身分留下的內容。",
		"sign_up_button": "建立帳號",
		"not_now": "稍後再說",
		"terms_sentence": "建立帳號即表示您同意{terms}。",
		"terms": "服務條款",
		"privacy_sentence": "我們如何處理您的資料，請參閱{privacy}。",
		"privacy": "隱私權政策",
		"log_in_title": "登入",
		"log_in_lead": "歡迎回來。登入後即可繼續使用 {app}。",
		"log_in_lead_without_app": "歡迎回來。登入後即可繼續。",
		"log_in_button": "登入",
		"log_in_cancel": "取消",
		"notice_email": "這個電子郵件地址已有帳號，請輸入該帳號的密碼登入。",
		"notice_phone_number": "這個電話號碼已有帳號，請輸入該帳號的密碼登入。",
		"notice_username": "這個使用者名稱已有帳號，請輸入該帳號的密碼登入。",
		"notice_guest": "您以訪客身分留下的內容不會移至該帳號。",
		"notice_merge": "您以訪客身分留下的內容會移至該帳號。",
		"log_out_title": "要登出 {app} 嗎？",
		"log_out_title_without_app": "要登出嗎？",
		"log_out_lead": "您隨時可以再次登入。",
		"log_out_button": "登出",
		"log_out_cancel": "保持登入",
		"label_email": "電子郵件地址",
		"label_phone_number": "電話號碼",
		"label_username": "使用者名稱",
		"label_login_id": "電子郵件地址、電話號碼或使用者名稱",
		"label_new_password": "設定密碼",
		"label_password": "密碼",
		"hint_phone_number": "請包含國碼，例如 +886 912 345 678",
		"show_password": "顯示密碼",
		"use_email": "改用電子郵件地址",
		"use_phone_number": "改用電話號碼",
		"use_username": "改用使用者名稱",
		"another_email": "使用其他電子郵件地址",
		"another_phone_number": "使用其他電話號碼",
		"another_username": "使用其他使用者名稱",
		"email_required": "請輸入電子郵件地址。",
		"email_invalid": "請輸入完整的電子郵件地址，例如 name@example.com。",
		"email_taken": "這個電子郵件地址已有帳號，請使用其他地址。",
		"email_not_allowed": "這個電子郵件地址無法在此使用，請改用其他地址。",
		"phone_number_required": "請輸入電話號碼。",
		"phone_number_invalid": "請輸入完整的電話號碼，以 + 和國碼開頭。",
		"phone_number_taken": "這個電話號碼已有帳號，請使用其他號碼。",
		"phone_number_not_allowed": "這個電話號碼無法在此使用，請改用其他號碼。",
		"username_required": "請輸入使用者名稱。",
		"username_invalid": "這個使用者名稱含有無法使用的字元，請改用其他名稱。",
		"username_taken": "這個使用者名稱已有人使用，請改用其他名稱。",
		"username_not_allowed": "這個使用者名稱無法在此使用，請改用其他名稱。",
		"login_id_required": "請輸入電子郵件地址、電話號碼或使用者名稱。",
		"login_id_error": "這項內容無法在此使用，請改用其他內容。",
		"password_required": "請輸入密碼。",
		"password_wrong": "密碼不正確，請檢查後再試一次。",
		"password_missing": "密碼還需要：{rules}。",
		"password_excluded_keyword": "密碼含有不允許使用的字詞，請改用其他密碼。",
		"password_too_long": "密碼太長，請縮短。",
		"password_error": "無法使用這個密碼，請改用其他密碼。",
		"rules": "密碼需要",
		"rule_length": "至少 {min_length} 個字元",
		"rule_uppercase": "一個大寫英文字母（A–Z）",
		"rule_lowercase": "一個小寫英文字母（a–z）",
		"rule_alphabet": "一個英文字母（A–Z）",
		"rule_digit": "一個數字（0–9）",
		"rule_symbol": "一個符號（例如 ! 或 ?）",
		"rule_met": "已符合",
		"rule_unmet": "尚未符合",
		"rules_met": "已符合 {total} 項密碼要求中的 {met} 項",
		"form_wrong_credentials": "找不到符合的帳號，請檢查輸入的內容後再試一次。",
		"form_rate_limited": "嘗試次數過多，請稍等幾分鐘後再試一次。",
		"form_disabled": "這個帳號已停用。如有疑問，請聯絡客服。",
		"form_failed": "操作未成功，請稍後再試一次。",
		"expired_title": "此頁面已過期",
		"expired_text": "請返回原來的地方，重新開始。",
		"done_title": "您的帳號已準備就緒",
		"done_text": "這裡沒有其他需要完成的步驟。",
		"cancelled_title": "已取消",
		"cancelled_text": "沒有任何變更。",
		"logged_out_title": "您已登出",
		"logged_out_text": "您可以關閉此頁面。",
		"disabled_title": "這個帳號已停用",
		"disabled_text": "如有疑問，請聯絡客服。",
		"failed_title": "發生問題",
		"failed_text": "請返回後再試一次。",
		"rate_limited_title": "嘗試次數過多",
		"rate_limited_text": "請稍等幾分鐘後再試一次。",
		"not_found_title": "找不到頁面",
		"not_found_text": "這個網址沒有內容，請檢查連結。",
		"continue": "繼續前往 {app}",
		"continue_without_app": "繼續",
		"back": "返回 {app}",
		"back_without_app": "返回"
	}' END
$$;
REVOKE ALL ON FUNCTION anon_auth_http.page_texts(text) FROM PUBLIC;
COMMENT ON FUNCTION anon_auth_http.page_texts(text) IS
'The built-in texts of the pages in one language (en, de, zh-Hant), as an object of plain text by key; NULL for another. What is in braces is filled in. settings.page_texts goes before them.';

-- The one of available that a language tag names (RFC 4647, section 3.4), or
-- that is a kind of what it names: pt-BR for pt.  Chinese without a script is
-- traditional where that is written.
CREATE FUNCTION anon_auth_http.page_locale_named(tag text, available text[])
	RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	wanted text := lower(tag COLLATE "C");
	match text;
BEGIN
	WHILE wanted <> '' LOOP
		SELECT a INTO match FROM unnest(available) WITH ORDINALITY AS u (a, n)
			WHERE lower(a COLLATE "C") = wanted ORDER BY n LIMIT 1;
		EXIT WHEN FOUND;
		IF wanted ~ '^zh-(tw|hk|mo)$' THEN
			wanted := 'zh-hant';
		ELSE
			wanted := substring(wanted FROM '^(.*)-');
		END IF;
	END LOOP;
	IF match IS NULL AND lower(tag COLLATE "C") <> 'zh' THEN
		SELECT a INTO match FROM unnest(available) WITH ORDINALITY AS u (a, n)
			WHERE starts_with(lower(a COLLATE "C"), lower(tag COLLATE "C") || '-') ORDER BY n LIMIT 1;
	END IF;
	RETURN match;
END
$$;
REVOKE ALL ON FUNCTION anon_auth_http.page_locale_named(text, text[]) FROM PUBLIC;
COMMENT ON FUNCTION anon_auth_http.page_locale_named(text, text[]) IS
'The element of available that a language tag (BCP 47) names; NULL: none.';

CREATE FUNCTION anon_auth_http.page_locale(
	ui_locales text,
	accept_language text,
	available text[],
	default_locale text)
	RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	WITH wanted (tag, rank, q, n) AS (
		SELECT part, 1, 1.0, n
			FROM regexp_split_to_table(left(ui_locales, 1000), '\s+') WITH ORDINALITY AS u (part, n)
		UNION ALL
		SELECT btrim(split_part(part, ';', 1), E' \t'), 2,
			CASE WHEN part !~ ';' THEN 1.0
				 ELSE substring(part FROM ';\s*[qQ]\s*=\s*([01](?:\.[0-9]{0,3})?)\s*$')::numeric END, n
			FROM regexp_split_to_table(left(accept_language, 1000), ',') WITH ORDINALITY AS a (part, n)
	), tags AS (
		SELECT tag, row_number() OVER (ORDER BY rank, q DESC, n) AS place FROM wanted
			WHERE tag ~ '^[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*$' AND q > 0
	), named AS (
		SELECT anon_auth_http.page_locale_named(tag, available) AS locale, 1 AS rank, place FROM tags
		UNION ALL
		-- Better the language in another form than another language.
		SELECT a, 2, place FROM tags, unnest(available) AS u (a)
			WHERE split_part(lower(a COLLATE "C"), '-', 1) = split_part(lower(tag COLLATE "C"), '-', 1)
		UNION ALL
		SELECT anon_auth_http.page_locale_named(default_locale, available), 3, 0
	)
	SELECT coalesce((SELECT locale FROM named WHERE locale IS NOT NULL
						ORDER BY rank, place, locale LIMIT 1), 'en')
$$;
REVOKE ALL ON FUNCTION anon_auth_http.page_locale(text, text, text[], text) FROM PUBLIC;
COMMENT ON FUNCTION anon_auth_http.page_locale(text, text, text[], text) IS
'The best of the available locales for ui_locales (OpenID Connect Core, section 3.1.2.1), then Accept-Language (RFC 9110, section 12.5.4), else the default, else en. What is malformed is passed over.';
-- ---------------------------------------------------------------------------
-- Style and script
-- ---------------------------------------------------------------------------

CREATE FUNCTION anon_auth_http.color_contrast(color text, other text)
	RETURNS double precision
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	WITH luminance (y) AS (
		SELECT sum(weight * CASE WHEN v <= 0.04045 THEN v / 12.92 ELSE ((v + 0.055) / 1.055) ^ 2.4 END)
			FROM unnest(ARRAY[color, other]) AS c (rgb),
				(VALUES (0, 0.2126::float8), (1, 0.7152), (2, 0.0722)) AS w (i, weight),
				LATERAL (SELECT get_byte(decode(substr(rgb, 2), 'hex'), i) / 255.0::float8) AS b (v)
			GROUP BY rgb
	)
	SELECT (max(y) + 0.05) / (min(y) + 0.05) FROM luminance
$$;
REVOKE ALL ON FUNCTION anon_auth_http.color_contrast(text, text) FROM PUBLIC;
COMMENT ON FUNCTION anon_auth_http.color_contrast(text, text) IS
'The contrast ratio (WCAG 2.2) of two colours #rrggbb, from 1 to 21.';

CREATE FUNCTION anon_auth_http.color_readable(color text, background text, towards text)
	RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT mixed FROM generate_series(0, 20) AS s (step),
			LATERAL (SELECT '#' || string_agg(lpad(to_hex(
				(get_byte(decode(substr(color, 2), 'hex'), i) * (20 - step)
				 + get_byte(decode(substr(towards, 2), 'hex'), i) * step) / 20), 2, '0'), '' ORDER BY i)
					FROM generate_series(0, 2) AS g (i)) AS m (mixed)
		WHERE step = 20 OR anon_auth_http.color_contrast(mixed, background) >= 4.6
		ORDER BY step LIMIT 1
$$;
REVOKE ALL ON FUNCTION anon_auth_http.color_readable(text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION anon_auth_http.color_readable(text, text, text) IS
'A colour #rrggbb, moved towards another as far as it must be to be readable on the background.';

CREATE FUNCTION anon_auth_http.page_style(brand_color text)
	RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format($css$
:root{color-scheme:light dark;--page:#f2f3f6;--card:#fff;--text:#16181d;--muted:#565c68;--line:#dcdfe5;--field:#737986;--soft:#f0f2f6;--bad:#b3261e;--bad-soft:#fdf1f0;--good:#1a6f3d;--button:%1$s;--button-text:%2$s;--shade:%3$s;--accent:%4$s}
@media (prefers-color-scheme:dark){:root{--page:#0f1013;--card:#191b20;--text:#f1f2f4;--muted:#abb1bc;--line:#34383f;--field:#868d9a;--soft:#25282f;--bad:#ffb4ab;--bad-soft:#371e1c;--good:#7dd69d;--accent:%5$s}.logo{background:#fff;padding:.375rem .625rem;border-radius:.5rem}}
*,::before,::after{box-sizing:border-box}
html{font:100%%/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","PingFang TC","PingFang HK","Microsoft JhengHei","Noto Sans CJK TC",sans-serif;-webkit-text-size-adjust:100%%;text-size-adjust:100%%}
body{margin:0;min-height:100vh;min-height:100dvh;display:flex;background:var(--card);color:var(--text);line-break:strict;overflow-wrap:anywhere}
.page{width:100%%;max-width:28rem;margin:0 auto;padding:1.5rem 1.25rem 2rem}
.brand{min-height:3rem;margin:0 0 1.25rem;display:flex;align-items:center;font-weight:650;font-size:1.0625rem}
.logo{display:block;max-height:3rem;max-width:100%%;width:auto}
h1{margin:0;font-size:1.625rem;line-height:1.2;font-weight:700;letter-spacing:-.012em;text-wrap:balance}
:lang(zh) h1{letter-spacing:0}
p{margin:0}
.lead{margin-top:.5rem;color:var(--muted);font-size:1.0625rem}
.lead b{color:inherit;font-weight:600}
form,.actions{margin-top:1.5rem}
.box{margin-top:1.25rem;padding:.875rem 1rem;border-radius:.625rem;background:var(--soft);border-inline-start:.25rem solid var(--accent)}
.box p+p{margin-top:.375rem;color:var(--muted)}
.box.bad{background:var(--bad-soft);border-color:var(--bad)}
.box h2{margin:0;font-size:1rem;line-height:1.5;font-weight:650}
.box ul{margin:.25rem 0 0;padding:0;list-style:none}
.box li{margin-top:.25rem}
a{color:var(--accent);text-underline-offset:.18em;text-decoration-thickness:.07em}
a:hover{text-decoration-thickness:.14em}
.bad a,.error{color:var(--bad)}
.field{margin-top:1.25rem}
label{display:block;font-weight:600}
.hint{color:var(--muted);font-size:.9375rem}
.error{display:flex;gap:.5rem;margin-top:.125rem;font-size:.9375rem;font-weight:500}
.error svg{flex:none;width:1.125rem;height:1.125rem;margin-top:.125rem}
.control{position:relative;margin-top:.375rem}
input{display:block;width:100%%;min-height:3rem;padding:.625rem .875rem;border:1px solid var(--field);border-radius:.625rem;background:var(--card);color:inherit;font:inherit}
input[aria-invalid=true]{border-color:var(--bad);box-shadow:inset 0 0 0 1px var(--bad)}
input[readonly]{background:var(--soft);border-style:dashed;text-overflow:ellipsis}
input::-ms-reveal{display:none}
:focus-visible{outline:3px solid var(--accent);outline-offset:2px;border-radius:.25rem}
input:focus-visible{outline-offset:1px;border-radius:.625rem}
.peek input{padding-inline-end:3.5rem}
.peek button{position:absolute;inset-block:0;inset-inline-end:0;width:3rem;display:grid;place-items:center;padding:0;border:0;border-radius:.625rem;background:none;color:var(--muted);cursor:pointer}
.peek button:focus-visible{outline-offset:-4px}
.peek button:hover{color:var(--text)}
.peek svg{width:1.5rem;height:1.5rem}
[aria-pressed=true] .stroke{display:none}
.links{display:flex;flex-wrap:wrap;gap:0 1.25rem;margin:0;padding:0;list-style:none;font-size:.9375rem}
.links a,.other{display:inline-flex;align-items:center;min-height:2.75rem}
.rules{margin-top:.625rem;font-size:.9375rem;color:var(--muted)}
.rules ul{margin:.125rem 0 0;padding:0;list-style:none}
.rules li{position:relative;margin-top:.25rem;padding-inline-start:1.625rem}
.rules li::before{content:"";position:absolute;inset-inline-start:.25rem;top:.3em;width:.8125rem;height:.8125rem;border:.125rem solid var(--field);border-radius:50%%}
.rules .met{color:var(--good)}
.rules .met::before{inset-inline-start:.4375rem;top:.1875em;width:.4375rem;height:.8125rem;border-color:currentColor;border-width:0 .125rem .125rem 0;border-radius:0;transform:rotate(42deg)}
.button{display:flex;align-items:center;justify-content:center;width:100%%;min-height:3rem;margin-top:1.5rem;padding:.625rem 1.25rem;border:1px solid var(--accent);border-radius:.625rem;background:var(--button);color:var(--button-text);font:inherit;font-weight:650;text-align:center;text-decoration:none;cursor:pointer;transition:box-shadow .12s}
.button:hover{box-shadow:inset 0 0 0 9rem var(--shade)}
.button:focus-visible{border-radius:.625rem}
.button[disabled]{cursor:progress;opacity:.75}
.center{margin-top:.5rem;text-align:center}
.legal{margin-top:1rem;color:var(--muted);font-size:.875rem}
.sr{position:absolute;width:1px;height:1px;margin:-1px;padding:0;overflow:hidden;clip-path:inset(50%%);white-space:nowrap}
[hidden]{display:none!important}
@media (min-width:34rem){body{background:var(--page)}.page{margin:auto;max-width:31rem;padding:2.5rem 1.25rem 4rem}.brand{justify-content:center;text-align:center}main{padding:2.25rem 2.25rem 1.75rem;border:1px solid var(--line);border-radius:1rem;background:var(--card);box-shadow:0 .5rem 2rem -1rem rgb(0 0 0/.18)}}
@media (prefers-reduced-motion:reduce){*{transition:none!important}}
@media (forced-colors:active){.box{border:1px solid}.button[disabled]{opacity:1}.rules .met::before{forced-color-adjust:none}}
$css$, button, CASE WHEN dark_text THEN '#000' ELSE '#fff' END,
		CASE WHEN dark_text THEN 'rgb(255 255 255/.25)' ELSE 'rgb(0 0 0/.16)' END,
		anon_auth_http.color_readable(button, '#f0f2f6', '#000000'),
		anon_auth_http.color_readable(button, '#25282f', '#ffffff'))
		FROM (SELECT lower(coalesce(substring(brand_color FROM '^#[0-9A-Fa-f]{6}$'), '#2456d3'))) AS b (button),
			LATERAL (SELECT anon_auth_http.color_contrast(button, '#000000')
							> anon_auth_http.color_contrast(button, '#ffffff')) AS t (dark_text)
$$;
REVOKE ALL ON FUNCTION anon_auth_http.page_style(text) FROM PUBLIC;
COMMENT ON FUNCTION anon_auth_http.page_style(text) IS
'The style sheet of the pages in the colour of the brand, #rrggbb; NULL: a blue.';

-- Nothing needs it: it shows the password, ticks off the rules, and keeps a
-- form from being sent twice.
CREATE FUNCTION anon_auth_http.page_script()
	RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT $js$
(function () {
	"use strict";
	var form = document.querySelector("form");
	if (!form) return;

	var submit = form.querySelector("[type=submit]");
	var label = submit.textContent;
	var timer;
	function ready() {
		clearTimeout(timer);
		submit.disabled = false;
		submit.textContent = label;
	}
	form.addEventListener("submit", function () {
		submit.disabled = true;
		submit.textContent = submit.dataset.busy;
		/* An application may have opened, and this page be left behind. */
		timer = setTimeout(ready, 15000);
	});
	window.addEventListener("pageshow", ready);

	var password = form.querySelector("[type=password]");
	if (!password) return;

	var peek = form.querySelector(".peek button");
	function show(shown) {
		password.type = shown ? "text" : "password";
		peek.setAttribute("aria-pressed", String(shown));
	}
	peek.hidden = false;
	peek.addEventListener("click", function () { show(password.type === "password"); });
	form.addEventListener("submit", function () { show(false); });

	var rules = form.querySelector(".rules");
	if (!rules) return;

	var status = rules.querySelector("[role=status]");
	var items = Array.from(rules.querySelectorAll("li"));
	var checks = {
		length: function (text, item) { return Array.from(text).length >= Number(item.dataset.min); },
		uppercase: function (text) { return /[A-Z]/.test(text); },
		lowercase: function (text) { return /[a-z]/.test(text); },
		alphabet: function (text) { return /[A-Za-z]/.test(text); },
		digit: function (text) { return /[0-9]/.test(text); },
		symbol: function (text) { return /[^A-Za-z0-9\p{C}]/u.test(text); }
	};
	var speak;
	function check() {
		var met = 0;
		items.forEach(function (item) {
			var good = checks[item.dataset.rule](password.value, item);
			met += good ? 1 : 0;
			item.classList.toggle("met", good);
			item.querySelector(".sr").textContent = " (" + rules.dataset[good ? "met" : "unmet"] + ")";
		});
		clearTimeout(speak);
		speak = setTimeout(function () {
			status.textContent = password.value === "" ? "" : rules.dataset.count
				.replace("{met}", met).replace("{total}", items.length);
		}, 800);
	}
	password.addEventListener("input", check);
	window.addEventListener("pageshow", check);
})();
$js$
$$;
REVOKE ALL ON FUNCTION anon_auth_http.page_script() FROM PUBLIC;
COMMENT ON FUNCTION anon_auth_http.page_script() IS
'The script of the pages.';

-- ---------------------------------------------------------------------------
-- The pages: HTML from a model that the C code makes.  Nothing is decided
-- here.
--
-- All but page() take the model with what page_context() has added.  Texts
-- become HTML in page_text() and html_escape(), nowhere else.
-- ---------------------------------------------------------------------------

-- The strings in an array, or the one string that a value is.
CREATE FUNCTION anon_auth_http.page_strings(value jsonb)
	RETURNS text[]
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE jsonb_typeof(value)
		WHEN 'string' THEN ARRAY[value #>> '{}']
		WHEN 'array' THEN ARRAY(SELECT e #>> '{}' FROM jsonb_array_elements(value) AS a (e)
									WHERE jsonb_typeof(e) = 'string')
		ELSE '{}' END
$$;
REVOKE ALL ON FUNCTION anon_auth_http.page_strings(jsonb) FROM PUBLIC;
COMMENT ON FUNCTION anon_auth_http.page_strings(jsonb) IS
'A JSON string or array of strings as an array; other elements are left out.';

CREATE FUNCTION anon_auth_http.page_url(url text)
	RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT anon_auth_http.html_escape(url)
		WHERE url !~ '[[:cntrl:][:space:]]' AND url ~ '^([A-Za-z][A-Za-z0-9+.-]*:.|[?]|/([^/\\]|$))'
			AND url !~* '^(javascript|vbscript|data|blob|file|about|view-source):' COLLATE "C"
$$;
REVOKE ALL ON FUNCTION anon_auth_http.page_url(text) FROM PUBLIC;
COMMENT ON FUNCTION anon_auth_http.page_url(text) IS
'A URL for an attribute, escaped; NULL for one that a browser would run instead of going there.';

CREATE FUNCTION anon_auth_http.page_text(page jsonb, key text, html jsonb DEFAULT '{}')
	RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	-- One pass: what is filled in may itself look like a placeholder.
	SELECT string_agg(coalesce(filled ->> substring(part[1] FROM '^\{(.*)\}$'), part[1]), '' ORDER BY n)
		FROM (SELECT jsonb_build_object('app', anon_auth_http.html_escape(coalesce(page ->> 'app', '')))
					 || html AS filled,
				 coalesce(CASE WHEN page ->> 'app' IS NULL THEN page -> 'texts' ->> (key || '_without_app') END,
						  page -> 'texts' ->> key, '') AS template) AS t,
			regexp_matches(anon_auth_http.html_escape(template), '\{[a-z_]+\}|[^{]+|\{', 'g')
				WITH ORDINALITY AS m (part, n)
$$;
REVOKE ALL ON FUNCTION anon_auth_http.page_text(jsonb, text, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION anon_auth_http.page_text(jsonb, text, jsonb) IS
'A text of the page as HTML, its placeholders filled in with the name of the site and with the HTML given; NULL: no such text, or an empty one.';

-- ---------------------------------------------------------------------------
-- Parts
-- ---------------------------------------------------------------------------

-- What is wrong, as HTML by field: one sentence or two for each.
CREATE FUNCTION anon_auth_http.page_errors(page jsonb)
	RETURNS jsonb
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	WITH password (code, rule, n) AS (
		SELECT code, 'rule_' || CASE code WHEN 'too_short' THEN 'length' ELSE substring(code FROM '^(.*)_required$') END, n
			FROM unnest(anon_auth_http.page_strings(page #> '{errors,password}')) WITH ORDINALITY AS u (code, n)
	), sentences (text, n) AS (
		SELECT anon_auth_http.page_text(page, 'password_missing', jsonb_build_object('rules',
				   string_agg(anon_auth_http.page_text(page, rule, page -> 'numbers'),
							  anon_auth_http.page_text(page, 'list_separator') ORDER BY n))), 0
			FROM password WHERE page -> 'texts' ? rule HAVING count(*) > 0
		UNION ALL
		SELECT coalesce(anon_auth_http.page_text(page, 'password_' || code),
						anon_auth_http.page_text(page, 'password_error')), n
			FROM password WHERE (page -> 'texts' ? rule) IS NOT TRUE
	)
	SELECT jsonb_strip_nulls(jsonb_build_object(
		'form', CASE WHEN page #>> '{errors,form}' IS NOT NULL THEN
			coalesce(anon_auth_http.page_text(page, 'form_' || (page #>> '{errors,form}')),
					 anon_auth_http.page_text(page, 'form_failed')) END,
		'login_id', CASE WHEN page #>> '{errors,login_id}' IS NOT NULL THEN
			coalesce(anon_auth_http.page_text(page, (page ->> 'type') || '_' || (page #>> '{errors,login_id}')),
					 anon_auth_http.page_text(page, 'login_id_' || (page #>> '{errors,login_id}')),
					 anon_auth_http.page_text(page, 'login_id_error')) END,
		'password', (SELECT string_agg(text, anon_auth_http.page_text(page, 'sentence_separator') ORDER BY n)
						 FROM sentences)))
$$;
REVOKE ALL ON FUNCTION anon_auth_http.page_errors(jsonb) FROM PUBLIC;
COMMENT ON FUNCTION anon_auth_http.page_errors(jsonb) IS
'The messages, as HTML, for the codes in errors: {"form", "login_id", "password"}, each only where there is one.';

CREATE FUNCTION anon_auth_http.page_error_summary(page jsonb)
	RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format(E'<div class="box bad" role="alert">\n<h2>%s</h2>\n<ul>\n%s</ul>\n</div>\n',
			anon_auth_http.page_text(page, 'error_summary'),
			string_agg(format(CASE field WHEN 'form' THEN E'<li>%2$s</li>\n' ELSE E'<li><a href="#%1$s">%2$s</a></li>\n' END,
							  field, message), '' ORDER BY field))
		FROM jsonb_each_text(page -> 'messages') AS m (field, message) HAVING count(*) > 0
$$;
REVOKE ALL ON FUNCTION anon_auth_http.page_error_summary(jsonb) FROM PUBLIC;
COMMENT ON FUNCTION anon_auth_http.page_error_summary(jsonb) IS
'The list of all errors, each a link to its field; NULL where there is none.';

CREATE FUNCTION anon_auth_http.page_link(url text, text text, class text DEFAULT NULL)
	RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format('<a%s href="%s">%s</a>', ' class="' || class || '"', anon_auth_http.page_url(url), text)
		WHERE anon_auth_http.page_url(url) IS NOT NULL
$$;
REVOKE ALL ON FUNCTION anon_auth_http.page_link(text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION anon_auth_http.page_link(text, text, text) IS
'A link whose text is HTML; NULL where the URL is missing or does not lead anywhere.';

-- Label, hint, error and control, in the order in which they are read.
CREATE FUNCTION anon_auth_http.page_field(
	page jsonb,
	name text,
	label text,
	attributes text,
	hint text DEFAULT NULL,
	beside text DEFAULT NULL,
	described_by text DEFAULT NULL)
	RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT concat('<label for="', name, '">', anon_auth_http.page_text(page, label), E'</label>\n',
		'<p class="hint" id="' || name || '_hint">' || hint || E'</p>\n',
		'<p class="error" id="' || name || '_error"><svg viewBox="0 0 20 20" aria-hidden="true"><path fill="currentColor" '
			|| 'd="M10 1a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM9 5h2v6.5H9zM9 13h2v2H9z"/></svg><span>' || message || E'</span></p>\n',
		'<div class="control', CASE WHEN beside IS NOT NULL THEN ' peek' END, '"><input id="', name, '" name="', name, '" ',
		attributes, ' required aria-invalid="', (message IS NOT NULL)::text, '"', ' aria-describedby="' || described || '"',
		CASE WHEN page ->> 'focus' = name THEN ' autofocus' END, '>', beside, E'</div>\n')
		FROM (SELECT page -> 'messages' ->> name AS message) AS m,
			LATERAL (SELECT nullif(concat_ws(' ', CASE WHEN message IS NOT NULL THEN name || '_error' END,
				CASE WHEN hint IS NOT NULL THEN name || '_hint' END, described_by), '') AS described) AS d
$$;
REVOKE ALL ON FUNCTION anon_auth_http.page_field(jsonb, text, text, text, text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION anon_auth_http.page_field(jsonb, text, text, text, text, text, text) IS
'An input with its label (the key of a text), its error, and what it has of: hint, HTML beside it, ids that describe it.';

CREATE FUNCTION anon_auth_http.page_login_id(page jsonb)
	RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT concat(E'<div class="field">\n',
		anon_auth_http.page_field(page, 'login_id', 'label_' || coalesce(type, 'login_id'),
			concat('type="', CASE type WHEN 'email' THEN 'email' WHEN 'phone_number' THEN 'tel' ELSE 'text' END,
				CASE WHEN type IN ('email', 'phone_number') THEN '" dir="ltr' END,
				'" inputmode="', CASE type WHEN 'phone_number' THEN 'tel' WHEN 'username' THEN 'text' ELSE 'email' END,
				'" autocomplete="', CASE WHEN logging_in THEN 'username' WHEN type = 'email' THEN 'email'
									WHEN type = 'phone_number' THEN 'tel' ELSE 'username' END,
				'" autocapitalize="none" autocorrect="off" spellcheck="false"',
				' value="' || anon_auth_http.html_escape(page ->> 'login_id') || '"',
				CASE WHEN is_fixed THEN ' readonly' END),
			CASE WHEN NOT is_fixed THEN anon_auth_http.page_text(page, 'hint_' || type) END),
		-- From a log-in back to the sign-up with another login ID of that kind.
		(SELECT E'<ul class="links">\n' || string_agg('<li>' || link || E'</li>\n', '' ORDER BY n) || E'</ul>\n'
			FROM unnest(anon_auth_http.page_strings(page -> 'login_id_types')) WITH ORDINALITY AS u (other, n),
				LATERAL anon_auth_http.page_link((page ->> 'action') || '&login_id_type=' || other,
					anon_auth_http.page_text(page, CASE WHEN logging_in THEN 'another_' ELSE 'use_' END || other)) AS l (link)
			WHERE other IN ('email', 'phone_number', 'username') AND (other = type) = logging_in),
		E'</div>\n')
		FROM (SELECT page ->> 'type', page ->> 'view' = 'log_in', (page -> 'fixed')::boolean) AS t (type, logging_in, is_fixed)
$$;
REVOKE ALL ON FUNCTION anon_auth_http.page_login_id(jsonb) FROM PUBLIC;
COMMENT ON FUNCTION anon_auth_http.page_login_id(jsonb) IS
'The field of the login ID, with links to the other kinds.';

CREATE FUNCTION anon_auth_http.page_rules(page jsonb)
	RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format(E'<div class="rules" data-met="%s" data-unmet="%s" data-count="%s">\n<div id="password_rules">\n<p>%s</p>\n'
				  '<ul>\n%s</ul>\n</div>\n<p class="sr" role="status" aria-live="polite"></p>\n</div>\n',
			anon_auth_http.page_text(page, 'rule_met'), anon_auth_http.page_text(page, 'rule_unmet'),
			anon_auth_http.page_text(page, 'rules_met'), anon_auth_http.page_text(page, 'rules'),
			string_agg(format(E'<li data-rule="%s"%s>%s<span class="sr"></span></li>\n', rule,
				CASE rule WHEN 'length' THEN format(' data-min="%s"', page #>> '{numbers,min_length}') END,
				anon_auth_http.page_text(page, 'rule_' || rule, page -> 'numbers')), '' ORDER BY n))
		FROM unnest('{length,uppercase,lowercase,alphabet,digit,symbol}'::text[]) WITH ORDINALITY AS u (rule, n)
		WHERE CASE rule WHEN 'length' THEN page -> 'numbers' ? 'min_length'
						ELSE page -> 'password_policy' -> rule = 'true' END
		HAVING count(*) > 0
$$;
REVOKE ALL ON FUNCTION anon_auth_http.page_rules(jsonb) FROM PUBLIC;
COMMENT ON FUNCTION anon_auth_http.page_rules(jsonb) IS
'The rules that a new password must keep, which the script ticks off; NULL where there is none.';

CREATE FUNCTION anon_auth_http.page_password(page jsonb)
	RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT concat(E'<div class="field">\n',
		anon_auth_http.page_field(page, 'password', CASE WHEN is_new THEN 'label_new_password' ELSE 'label_password' END,
			concat('type="password" autocomplete="', CASE WHEN is_new THEN 'new-password' ELSE 'current-password' END,
				'" autocapitalize="none" autocorrect="off" spellcheck="false"'),
			NULL,
			concat('<button type="button" hidden aria-pressed="false" aria-controls="password" aria-label="',
				anon_auth_http.page_text(page, 'show_password'), '"><svg viewBox="0 0 24 24" fill="none" stroke="currentColor" ',
				'stroke-width="1.75" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">',
				'<path d="M2.5 12C4.6 8 8 5.75 12 5.75S19.4 8 21.5 12c-2.1 4-5.5 6.25-9.5 6.25S4.6 16 2.5 12z"/>',
				'<circle cx="12" cy="12" r="3"/><path class="stroke" d="M4 20 20 4"/></svg></button>'),
			CASE WHEN rules IS NOT NULL THEN 'password_rules' END),
		rules, E'</div>\n')
		FROM (SELECT page ->> 'view' = 'sign_up') AS v (is_new),
			LATERAL (SELECT CASE WHEN is_new THEN anon_auth_http.page_rules(page) END) AS r (rules)
$$;
REVOKE ALL ON FUNCTION anon_auth_http.page_password(jsonb) FROM PUBLIC;
COMMENT ON FUNCTION anon_auth_http.page_password(jsonb) IS
'The field of the password, at sign-up with the rules.';

CREATE FUNCTION anon_auth_http.page_legal(page jsonb)
	RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	-- In a new tab: in this one, what has been typed would be lost.
	SELECT '<p class="legal">' || string_agg(anon_auth_http.page_text(page, name || '_sentence', jsonb_build_object(name,
				format('<a href="%s" target="_blank" rel="noopener">%s<span class="sr"> (%s)</span></a>', url,
					   anon_auth_http.page_text(page, name), anon_auth_http.page_text(page, 'new_tab')))),
			anon_auth_http.page_text(page, 'sentence_separator') ORDER BY n)
			|| E'</p>\n'
		FROM (VALUES ('terms', anon_auth_http.page_url(page ->> 'tos_uri'), 1),
					 ('privacy', anon_auth_http.page_url(page ->> 'policy_uri'), 2)) AS v (name, url, n)
		WHERE url IS NOT NULL
$$;
REVOKE ALL ON FUNCTION anon_auth_http.page_legal(jsonb) FROM PUBLIC;
COMMENT ON FUNCTION anon_auth_http.page_legal(jsonb) IS
'Sentences with links to the terms of service and the privacy policy; NULL where there are none.';

-- Browsers say what is missing in their own language, and not beside the
-- field; novalidate leaves that to us.
CREATE FUNCTION anon_auth_http.page_form(page jsonb, button text, cancel text, fields text DEFAULT NULL, legal text DEFAULT NULL)
	RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT concat('<form method="post"', ' action="' || anon_auth_http.page_url(page ->> 'action') || '"', E' novalidate>\n',
		(SELECT string_agg(format(E'<input type="hidden" name="%s" value="%s">\n', anon_auth_http.html_escape(name),
								  anon_auth_http.html_escape(value #>> '{}')), '' ORDER BY name)
			FROM jsonb_each(page -> 'hidden') AS h (name, value) WHERE jsonb_typeof(value) = 'string'),
		fields,
		'<button class="button" type="submit" data-busy="', anon_auth_http.page_text(page, 'busy'), '">',
		anon_auth_http.page_text(page, button), E'</button>\n', legal, E'</form>\n',
		'<p class="center">' || anon_auth_http.page_link(page ->> 'cancel_uri', anon_auth_http.page_text(page, cancel), 'other')
			|| E'</p>\n')
$$;
REVOKE ALL ON FUNCTION anon_auth_http.page_form(jsonb, text, text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION anon_auth_http.page_form(jsonb, text, text, text, text) IS
'A form of hidden members and of fields and legal lines given as HTML; button and cancel are keys of texts.';

-- ---------------------------------------------------------------------------
-- The whole
-- ---------------------------------------------------------------------------

CREATE FUNCTION anon_auth_http.page_main(page jsonb)
	RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT concat('<h1>', page ->> 'title', E'</h1>\n', '<p class="lead">' || lead || E'</p>\n',
		anon_auth_http.page_error_summary(page),
		CASE WHEN view = 'log_in' AND page ->> 'type' IS NOT NULL THEN
			format(E'<div class="box">\n<p>%s</p>\n<p>%s</p>\n</div>\n',
				   anon_auth_http.page_text(page, 'notice_' || (page ->> 'type')), anon_auth_http.page_text(page, CASE WHEN page -> 'merges' = 'true' THEN 'notice_merge' ELSE 'notice_guest' END)) END,
		CASE view
			WHEN 'sign_up' THEN anon_auth_http.page_form(page, 'sign_up_button', 'not_now',
				anon_auth_http.page_login_id(page) || anon_auth_http.page_password(page), anon_auth_http.page_legal(page))
			WHEN 'log_in' THEN anon_auth_http.page_form(page, 'log_in_button', 'log_in_cancel',
				anon_auth_http.page_login_id(page) || anon_auth_http.page_password(page))
			WHEN 'log_out' THEN anon_auth_http.page_form(page, 'log_out_button', 'log_out_cancel')
			ELSE '<p class="actions">' || anon_auth_http.page_link(page ->> 'continue_uri', anon_auth_http.page_text(page,
				CASE WHEN page ->> 'message' IN ('done', 'logged_out') THEN 'continue' ELSE 'back' END), 'button') || E'</p>\n'
		END)
		FROM (SELECT page ->> 'view') AS v (view),
			LATERAL (SELECT anon_auth_http.page_text(page, CASE
				WHEN view = 'message' THEN (page ->> 'message') || '_text'
				-- Where there is a notice, that says it.
				WHEN view <> 'log_in' OR page ->> 'type' IS NULL THEN view || '_lead' END)) AS l (lead)
$$;
REVOKE ALL ON FUNCTION anon_auth_http.page_main(jsonb) FROM PUBLIC;
COMMENT ON FUNCTION anon_auth_http.page_main(jsonb) IS
'What the page is there for: heading, errors, form or link.';

CREATE FUNCTION anon_auth_http.page_texts_with(locale text, overrides jsonb)
	RETURNS jsonb
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	-- Of two values of a key the later one stays.
	SELECT jsonb_object_agg(key, value ORDER BY lower(name COLLATE "C") <> 'en', length(name), built_in DESC)
		FROM (SELECT l, true, anon_auth_http.page_texts(l) FROM unnest('{en,de,zh-Hant}'::text[]) AS u (l)
			  UNION ALL
			  SELECT key, false, value FROM jsonb_each(overrides) AS o (key, value)
				WHERE jsonb_typeof(value) = 'object') AS s (name, built_in, texts),
			jsonb_each(texts) AS t (key, value)
		WHERE jsonb_typeof(value) = 'string'
			AND (lower(name COLLATE "C") = 'en'
				 OR starts_with(lower(locale COLLATE "C") || '-', lower(name COLLATE "C") || '-'))
$$;
REVOKE ALL ON FUNCTION anon_auth_http.page_texts_with(text, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION anon_auth_http.page_texts_with(text, jsonb) IS
'The texts of a locale: page_texts() with those of settings.page_texts before them, then those of less special locales, then English.';

CREATE FUNCTION anon_auth_http.page_context(model jsonb)
	RETURNS jsonb
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	settings anon_auth.settings;
	page jsonb := CASE jsonb_typeof(model) WHEN 'object' THEN model ELSE '{}' END;
	view text := coalesce(substring(page ->> 'view' FROM '^(?:sign_up|log_in|log_out|message)$'), 'message');
	type text := substring(page ->> 'login_id_type' FROM '^(?:email|phone_number|username)$');
	min_length integer := substring(page #>> '{password_policy,min_length}' FROM '^[0-9]{1,4}$');
	locale text;
BEGIN
	SELECT s.* INTO settings FROM anon_auth.settings AS s;
	locale := anon_auth_http.page_locale(page ->> 'ui_locales', page ->> 'accept_language',
		'{en,de,zh-Hant}'::text[] || ARRAY(SELECT key FROM jsonb_each(settings.page_texts) AS t (key, value)
			WHERE jsonb_typeof(value) = 'object' AND key ~ '^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$'),
		settings.default_locale);

	IF view = 'sign_up' AND type IS NULL THEN
		type := coalesce(substring(page #>> '{login_id_types,0}' FROM '^(?:email|phone_number|username)$'), 'email');
	END IF;
	page := page || jsonb_build_object(
		'view', view,
		'type', type,
		'locale', locale,
		'texts', anon_auth_http.page_texts_with(locale, settings.page_texts),
		'app', coalesce(nullif(btrim(settings.brand_name), ''), nullif(btrim(page ->> 'client_name'), '')),
		'color', settings.brand_color,
		'logo', settings.brand_logo_uri,
		'policy_uri', settings.policy_uri,
		'tos_uri', settings.tos_uri,
		-- One character is what every password has.
		'numbers', CASE WHEN min_length > 1 THEN jsonb_build_object('min_length', min_length) ELSE '{}' END,
		'hidden', CASE jsonb_typeof(page -> 'hidden') WHEN 'object' THEN page -> 'hidden' ELSE '{}' END
			|| CASE WHEN type IS NULL OR view NOT IN ('sign_up', 'log_in') THEN '{}'
					ELSE jsonb_build_object('login_id_type', type) END
			|| CASE WHEN type IS NULL OR view <> 'log_in' THEN '{}' ELSE jsonb '{"mode": "log_in"}' END);

	IF view = 'message' AND (page -> 'texts' ? ((page ->> 'message') || '_title')) IS NOT TRUE THEN
		page := page || '{"message": "failed"}';
	END IF;
	page := page || jsonb_build_object(
		'title', anon_auth_http.page_text(page, CASE view WHEN 'message' THEN page ->> 'message' ELSE view END || '_title'),
		'messages', anon_auth_http.page_errors(page));
	RETURN page || jsonb_build_object(
		'fixed', coalesce(view = 'log_in' AND type IS NOT NULL AND page ->> 'login_id' <> ''
						  AND NOT page -> 'messages' ? 'login_id', false),
		'focus', CASE WHEN page -> 'messages' ? 'login_id' THEN 'login_id'
					  WHEN page -> 'messages' ? 'password' OR page ->> 'login_id' <> '' THEN 'password'
					  ELSE 'login_id' END);
END
$$;
REVOKE ALL ON FUNCTION anon_auth_http.page_context(jsonb) FROM PUBLIC;
COMMENT ON FUNCTION anon_auth_http.page_context(jsonb) IS
'A model of page() with what its parts need besides: texts, name of the site, messages, settings.';

CREATE FUNCTION anon_auth_http.page_origin(uri text)
	RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT substring(uri FROM '^(https?://[A-Za-z0-9._-]+(?::[0-9]{1,5})?)(?:/|$)')
$$;
REVOKE ALL ON FUNCTION anon_auth_http.page_origin(text) FROM PUBLIC;
COMMENT ON FUNCTION anon_auth_http.page_origin(text) IS
'The origin of a URI as a source (Content Security Policy 3, section 2.3.1); NULL where it cannot be one.';

CREATE FUNCTION anon_auth_http.page_policy(page jsonb, style text, script text)
	RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT concat('default-src ''none''',
		'; style-src ''sha256-', encode(sha256(convert_to(style, 'UTF8')), 'base64'), '''',
		'; script-src ''sha256-', encode(sha256(convert_to(script, 'UTF8')), 'base64'), '''',
		'; img-src ' || anon_auth_http.page_origin(page ->> 'logo'),
		'; form-action ''self''',
		(SELECT string_agg(DISTINCT ' ' || source, '')
			FROM unnest(anon_auth_http.page_strings(page -> 'form_action_sources')) AS u (source)
			WHERE source = anon_auth_http.page_origin(source)
				OR source ~ '^[A-Za-z][A-Za-z0-9+.-]*:$'
				AND source !~* '^(https?|javascript|vbscript|data|blob|file|about):' COLLATE "C"),
		'; base-uri ''none''; frame-ancestors ''none''')
$$;
REVOKE ALL ON FUNCTION anon_auth_http.page_policy(jsonb, text, text) FROM PUBLIC;
COMMENT ON FUNCTION anon_auth_http.page_policy(jsonb, text, text) IS
'The Content-Security-Policy of a page with this style and script.';

CREATE FUNCTION anon_auth_http.page(
	model jsonb,
	OUT html text,
	OUT content_security_policy text)
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	page jsonb := anon_auth_http.page_context(model);
	style text := anon_auth_http.page_style(page ->> 'color');
	script text := anon_auth_http.page_script();
	app text := anon_auth_http.html_escape(page ->> 'app');
	title text := anon_auth_http.page_text(page, 'page_title', jsonb_build_object('title', page -> 'title'));
	brand text;
BEGIN
	IF page -> 'messages' <> '{}' THEN
		title := anon_auth_http.page_text(page, 'page_title_error', jsonb_build_object('title', title));
	END IF;
	IF anon_auth_http.page_origin(page ->> 'logo') IS NOT NULL THEN
		brand := format('<img class="logo" src="%s" alt="%s">', anon_auth_http.page_url(page ->> 'logo'), app);
	ELSE
		brand := app;
	END IF;

	html := concat(E'<!DOCTYPE html>\n<html lang="', page ->> 'locale', '"',
		CASE WHEN page ->> 'locale' ~* '^(ar|dv|fa|he|ku|ps|sd|ug|ur|yi)(-|$)' THEN ' dir="rtl"' END, E'>\n<head>\n',
		E'<meta charset="utf-8">\n<meta name="viewport" content="width=device-width, initial-scale=1">\n',
		E'<meta name="color-scheme" content="light dark">\n<meta name="robots" content="noindex">\n',
		'<title>', title, E'</title>\n<style>', style, E'</style>\n</head>\n<body>\n<div class="page">\n',
		'<header class="brand">' || brand || E'</header>\n',
		E'<main>\n', anon_auth_http.page_main(page), E'</main>\n</div>\n',
		'<script>', script, E'</script>\n</body>\n</html>\n');
	content_security_policy := anon_auth_http.page_policy(page, style, script);
END
$$;
REVOKE ALL ON FUNCTION anon_auth_http.page(jsonb) FROM PUBLIC;
COMMENT ON FUNCTION anon_auth_http.page(jsonb) IS
'A page as HTML, with the Content-Security-Policy it needs. Model: {"view": "sign_up", "log_in", "log_out" or "message", "ui_locales", "accept_language", "action", "hidden": {}, "client_name", "login_id_types": [], "login_id_type", "login_id", "merges", "errors": {"form", "login_id", "password": []}, "password_policy": {"min_length", "uppercase", "lowercase", "alphabet", "digit", "symbol"}, "cancel_uri", "message", "continue_uri", "form_action_sources": []}. A log-in without login_id_type is by any login ID; with one, it is to the account that has the login ID given at sign-up, with which the guest is merged or not.';
-- ---------------------------------------------------------------------------
-- For postgrest.conf
-- ---------------------------------------------------------------------------

-- Not SECURITY DEFINER, which could not switch the role.
CREATE FUNCTION anon_auth.postgrest_pre_request()
	RETURNS void
	LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'anon_auth_postgrest_pre_request';
REVOKE ALL ON FUNCTION anon_auth.postgrest_pre_request() FROM PUBLIC;
COMMENT ON FUNCTION anon_auth.postgrest_pre_request() IS
'PostgREST''s db-pre-request. A request without a token but with a session cookie gets the role and the claims of that session; a cookie whose session has ended is refused, and so is a token where settings.check_session_on_request says so. Errors: PT401 (status 401) the session has ended or the user is disabled; PT403 a change that a page of another site asks for with the cookie.';

CREATE FUNCTION anon_auth.postgrest_pre_config()
	RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	keys jsonb := anon_auth.jwks();
BEGIN
	-- Without any key PostgREST keeps what its own configuration says.
	IF jsonb_array_length(keys -> 'keys') > 0 THEN
		PERFORM set_config('pgrst.jwt_secret', keys::text, true);
	END IF;
	PERFORM set_config('pgrst.jwt_aud', coalesce(audience, issuer), true)
		FROM anon_auth.settings;
END
$$;
REVOKE ALL ON FUNCTION anon_auth.postgrest_pre_config() FROM PUBLIC;
COMMENT ON FUNCTION anon_auth.postgrest_pre_config() IS
'PostgREST''s db-pre-config: tells it the public signing keys and the audience of access tokens. A new key makes PostgREST ask again, without a restart.';

-- What grant_http_api() grants, and doctor() does not wonder at.
CREATE FUNCTION anon_auth.http_api()
	RETURNS regprocedure[]
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN ARRAY[
		'anon_auth.postgrest_pre_request()'::regprocedure,
		'anon_auth.postgrest_pre_config()'::regprocedure,
		'anon_auth_http.openid_configuration(text)'::regprocedure,
		'anon_auth_http.jwks(text)'::regprocedure,
		'anon_auth_http.challenge(text)'::regprocedure,
		'anon_auth_http.token(text)'::regprocedure,
		'anon_auth_http.revoke(text)'::regprocedure,
		'anon_auth_http.userinfo(text)'::regprocedure,
		'anon_auth_http.anonymous_user_signup(text)'::regprocedure,
		'anon_auth_http.anonymous_user_promotion_code(text)'::regprocedure,
		'anon_auth_http.authorize(text)'::regprocedure,
		'anon_auth_http.promote_user(text)'::regprocedure,
		'anon_auth_http.login(text)'::regprocedure,
		'anon_auth_http.end_session(text)'::regprocedure,
		'anon_auth_http.resolve(text)'::regprocedure];
END
$$;
REVOKE ALL ON FUNCTION anon_auth.http_api() FROM PUBLIC;
COMMENT ON FUNCTION anon_auth.http_api() IS
'The functions of the HTTP face, as grant_http_api() grants them.';

-- Runs as the caller, who must be able to grant: the owner or a superuser.
CREATE FUNCTION anon_auth.grant_http_api(role_name regrole)
	RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	api regprocedure;
BEGIN
	IF role_name IS NULL OR role_name::oid = 0 THEN
		RAISE EXCEPTION 'role_name is required' USING ERRCODE = 'invalid_parameter_value';
	END IF;
	EXECUTE format('GRANT USAGE ON SCHEMA anon_auth, anon_auth_http TO %s', role_name);
	FOREACH api IN ARRAY anon_auth.http_api() LOOP
		EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %s', api, role_name);
	END LOOP;
END
$$;
REVOKE ALL ON FUNCTION anon_auth.grant_http_api(regrole) FROM PUBLIC;
COMMENT ON FUNCTION anon_auth.grant_http_api(regrole) IS
'Lets a role use the HTTP face. Call it for PostgREST''s authenticator, its db-anon-role and the role of access tokens. Errors: 42704 unknown role; 42501 caller may not grant.';
-- ---------------------------------------------------------------------------
-- doctor(): what will hurt, why, and how to mend it
--
-- Each part looks at one subject, at catalogs and through indexes only, and
-- copes with what is missing: it is called when something is wrong.
-- ---------------------------------------------------------------------------

CREATE TYPE anon_auth.finding AS (
	severity text,
	finding text,
	what text,
	why text,
	fix text
);
COMMENT ON TYPE anon_auth.finding IS
'What doctor() has found: error, warning or notice; a code that does not change; what it is, why it hurts, and the SQL that mends it.';

CREATE FUNCTION anon_auth.doctor_tables()
	RETURNS SETOF anon_auth.finding
	LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	key record;
	cascades boolean := (SELECT purge_policy = 'cascade' FROM anon_auth.settings);
BEGIN
	FOR key IN
		SELECT c.conname, c.conrelid, c.conrelid::regclass AS table_name, c.confdeltype, c.confupdtype, c.convalidated,
			   cardinality(c.confkey) > 1 AS wide,
			   (SELECT rolsuper FROM pg_roles WHERE oid = r.relowner) AS by_superuser,
			   (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY k.place)
				FROM unnest(c.conkey) WITH ORDINALITY k(num, place)
				JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.num) AS columns,
			   (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY k.place)
				FROM unnest(c.confkey) WITH ORDINALITY k(num, place)
				JOIN pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = k.num) AS user_columns,
			   EXISTS (SELECT FROM pg_index i
					   WHERE i.indrelid = c.conrelid AND i.indisvalid AND i.indpred IS NULL
						 AND (SELECT array_agg(n ORDER BY n) FROM unnest((i.indkey::int2[])[0:cardinality(c.conkey) - 1]) n)
							 = (SELECT array_agg(n ORDER BY n) FROM unnest(c.conkey) n)) AS indexed,
			   r.relkind = 'p' AS partitioned,
			   EXISTS (SELECT FROM unnest(c.conkey, c.confkey) AS k(num, user_num)
					   JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.num
					   JOIN pg_attribute u ON u.attrelid = c.confrelid AND u.attnum = k.user_num
					   JOIN pg_cast t ON t.castsource = a.atttypid AND t.casttarget = u.atttypid
					   WHERE t.castfunc >= 16384) AS casts
		FROM pg_constraint c JOIN pg_class r ON r.oid = c.conrelid
		WHERE c.contype = 'f' AND c.confrelid = 'anon_auth.users'::regclass AND c.conparentid = 0
		  AND NOT EXISTS (SELECT FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
						  WHERE d.classid = 'pg_class'::regclass AND d.objid = c.conrelid AND d.deptype = 'e'
							AND d.refclassid = 'pg_extension'::regclass AND e.extname = 'anon_auth')
		ORDER BY c.conrelid::regclass::text, c.conname
	LOOP
		IF NOT key.indexed THEN
			RETURN QUERY SELECT 'warning', 'unindexed_foreign_key',
				format('foreign key %I of table %s has no index', key.conname, key.table_name),
				'Deleting, purging or merging a user reads the whole table.',
				format('CREATE INDEX %sON %s (%s);', CASE WHEN key.partitioned THEN '' ELSE 'CONCURRENTLY ' END,
					   key.table_name, key.columns);
		END IF;
		IF key.confdeltype IN ('a', 'r') THEN
			RETURN QUERY SELECT CASE WHEN cascades THEN 'warning' ELSE 'notice' END, 'restricting_foreign_key',
				format('foreign key %I of table %s keeps users from being deleted', key.conname, key.table_name),
				'delete_user() fails for users with rows there, and purge() never deletes such guests.',
				format('ALTER TABLE %s DROP CONSTRAINT %I, ADD CONSTRAINT %I FOREIGN KEY (%s) REFERENCES anon_auth.users (%s) ON DELETE CASCADE;',
					   key.table_name, key.conname, key.conname, key.columns, key.user_columns);
		END IF;
		IF key.confupdtype IN ('c', 'n', 'd') AND key.wide AND NOT key.by_superuser THEN
			RETURN QUERY SELECT 'error', 'changing_key_columns',
				format('foreign key %I of table %s refers to columns of users that change', key.conname, key.table_name),
				'When they do, PostgreSQL runs the AFTER triggers of that table with the rights of the extension''s owner.',
				format('ALTER TABLE %s DROP CONSTRAINT %I;', key.table_name, key.conname);
		END IF;
		IF key.casts THEN
			RETURN QUERY SELECT 'error', 'cast_in_foreign_key',
				format('foreign key %I of table %s casts its column with a function', key.conname, key.table_name),
				'PostgreSQL checks a foreign key, and so runs this function, with the rights of the extension''s owner.',
				format('ALTER TABLE %s DROP CONSTRAINT %I;', key.table_name, key.conname);
		END IF;
		IF NOT key.convalidated THEN
			RETURN QUERY SELECT 'warning', 'unvalidated_foreign_key',
				format('foreign key %I of table %s is not validated', key.conname, key.table_name),
				'There may be rows of users who are gone, which nobody will ever see or purge.',
				format('ALTER TABLE %s VALIDATE CONSTRAINT %I;', key.table_name, key.conname);
		END IF;
	END LOOP;

	RETURN QUERY
	SELECT 'warning', 'trigger_on_users', format('trigger %I on anon_auth.users does not fire when a user is deleted', t.tgname),
		'delete_user(), purge() and merges delete users with session_replication_role = replica.',
		format('ALTER TABLE anon_auth.users ENABLE ALWAYS TRIGGER %I;', t.tgname)
	FROM pg_trigger t
	WHERE t.tgrelid = 'anon_auth.users'::regclass AND NOT t.tgisinternal AND t.tgtype & 8 <> 0 AND t.tgenabled = 'O';
	-- What stands in its setting is its owner's, who may mean to be run by a DBA.
	RETURN QUERY
	SELECT 'error', 'temporary_tables_searched_first',
		format('the trigger function %s of table %s looks for tables among temporary ones first', p.oid::regprocedure, t.tgrelid::regclass),
		'Clients start merges, and with SQL of their own they have temporary tables: what these run has the rights of the table''s owner.',
		format('ALTER FUNCTION %s SET search_path TO %s, pg_temp;', p.oid::regprocedure, coalesce(substring(s.setting FROM '^search_path=(("[^"]*"|[a-z0-9_$]+)(, *("[^"]*"|[a-z0-9_$]+))*)$'), 'its_schema'))
	FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid, unnest(p.proconfig) AS s(setting)
	WHERE t.tgrelid IN (SELECT c.conrelid FROM pg_constraint c
						WHERE c.contype = 'f' AND c.confrelid = 'anon_auth.users'::regclass)
	  AND NOT t.tgisinternal AND s.setting LIKE 'search\_path=%' AND s.setting !~ '[=, "]pg_temp("|,| |$)';
	RETURN QUERY
	SELECT 'notice', 'table_without_row_security',
		format('%s may read table %s, which has no row-level security', string_agg(DISTINCT role.rolname, ', '), c.conrelid::regclass),
		'Each user can read the rows of all users.',
		format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY; CREATE POLICY own_rows ON %s USING (%s);',
			   c.conrelid::regclass, c.conrelid::regclass,
			   string_agg(DISTINCT format('%I = (SELECT anon_auth.uid())', a.attname), ' OR '))
	FROM pg_constraint c JOIN pg_class r ON r.oid = c.conrelid
	JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1], pg_roles role
	WHERE c.contype = 'f' AND c.confrelid = 'anon_auth.users'::regclass AND c.conparentid = 0
	  AND r.relnamespace <> 'anon_auth'::regnamespace AND NOT r.relrowsecurity
	  AND NOT role.rolsuper AND role.oid <> r.relowner
	  AND role.oid IN (SELECT g.grantee FROM pg_proc p, aclexplode(p.proacl) g
					   WHERE p.oid = 'anon_auth.uid()'::regprocedure AND g.grantee <> p.proowner)
	  AND has_table_privilege(role.oid, c.conrelid, 'SELECT')
	GROUP BY c.conrelid;
END
$$;
REVOKE ALL ON FUNCTION anon_auth.doctor_tables() FROM PUBLIC;
COMMENT ON FUNCTION anon_auth.doctor_tables() IS 'Part of doctor(): your tables that reference users.';

CREATE FUNCTION anon_auth.doctor_keys()
	RETURNS SETOF anon_auth.finding
	LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	ids text[];
	message text;
	hint text;
	current_key record;
	active_keys bigint := (SELECT count(*) FROM anon_auth.signing_keys WHERE state = 'active');
BEGIN
	-- Where nothing is sealed no file is needed, and looking would make one.
	IF EXISTS (SELECT FROM anon_auth.signing_keys WHERE state <> 'retired') THEN
		BEGIN
			ids := anon_auth.master_key_ids();
		EXCEPTION WHEN config_file_error OR insufficient_privilege THEN
			GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT;
			RETURN QUERY SELECT 'error', 'master_key_unusable', message,
				'No token can be signed, and no session refreshed.', hint;
		END;
	END IF;
	RETURN QUERY
	SELECT 'error', 'master_key_missing',
		format('signing key %L is sealed with master key %s, which is not in the file', k.kid, k.master_key_id),
		'It cannot sign.',
		'Restore the master key file that has this key, or add that line of it to this file. Only where it is lost for good: SELECT anon_auth.rotate_signing_key();'
	FROM anon_auth.signing_keys k WHERE k.state = 'active' AND k.master_key_id <> ALL (ids);
	RETURN QUERY
	SELECT 'warning', 'old_master_key', format('%s signing keys are sealed with a master key that is not the first of the file', count(*)),
		'The old master key cannot be retired.', 'SELECT anon_auth.reseal_signing_keys();'
	FROM anon_auth.signing_keys k WHERE k.state <> 'retired' AND k.master_key_id = ANY (ids[2:]) HAVING count(*) > 0;

	IF active_keys = 0 THEN
		RETURN QUERY SELECT 'warning', 'no_signing_key', 'there is no active signing key',
			'No token can be signed.', 'SELECT anon_auth.create_signing_key();';
		RETURN;
	END IF;
	SELECT kid, alg, created_at INTO current_key FROM anon_auth.signing_keys
		WHERE state = 'active' ORDER BY created_at DESC, kid LIMIT 1;
	IF current_key.created_at < now() - interval '90 days' THEN
		RETURN QUERY SELECT 'warning', 'old_signing_key',
			format('signing key %L is %s days old', current_key.kid, extract(day FROM now() - current_key.created_at)),
			'Who has come by it can sign tokens for as long as it is in use.', 'SELECT anon_auth.rotate_signing_key();';
	END IF;
	IF active_keys > 1 THEN
		RETURN QUERY SELECT 'notice', 'several_active_signing_keys', format('%s signing keys are active', active_keys),
			'Only the newest signs tokens; the others can, if they are named to sign_jwt().', 'SELECT anon_auth.rotate_signing_key();';
	END IF;
	IF current_key.alg = 'HS256' THEN
		RETURN QUERY SELECT 'notice', 'symmetric_signing_key', 'tokens are signed with HS256',
			'The key is not in jwks(), so nobody else can verify them: PostgREST neither, unless you give it the secret.',
			'SELECT anon_auth.rotate_signing_key(''ES256'');';
	ELSIF current_key.alg = 'PS256' THEN
		RETURN QUERY SELECT 'notice', 'postgrest_without_ps256', 'tokens are signed with PS256',
			'PostgREST (seen with 14.17) does not verify them.', 'SELECT anon_auth.rotate_signing_key(''RS256'');';
	END IF;
	RETURN QUERY
	SELECT 'notice', 'signing_key_past_retirement', format('%s signing keys verify no token any more', count(*)),
		'They are still listed as retiring.', 'SELECT anon_auth.purge();'
	FROM anon_auth.signing_keys WHERE state = 'retiring' AND verify_until < now() - interval '2 days' HAVING count(*) > 0;
END
$$;
REVOKE ALL ON FUNCTION anon_auth.doctor_keys() FROM PUBLIC;
COMMENT ON FUNCTION anon_auth.doctor_keys() IS 'Part of doctor(): the master key and the signing keys.';

CREATE FUNCTION anon_auth.doctor_rights()
	RETURNS SETOF anon_auth.finding
	LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	allowed oid[] := anon_auth.client_api() || anon_auth.http_api();
BEGIN
	RETURN QUERY
	SELECT 'warning', 'references_privilege', format('%s may reference anon_auth.users', g.grantee),
		'PostgreSQL checks foreign keys with the rights of the extension''s owner, and runs casts to them that their owner has written: it is as good as these rights.',
		format('REVOKE REFERENCES ON anon_auth.users FROM %s;  -- and create its tables yourself: see the README', g.grantee)
	FROM (SELECT DISTINCT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END AS grantee
		  FROM (SELECT relacl AS acl, relowner FROM pg_class WHERE oid = 'anon_auth.users'::regclass
				UNION ALL
				SELECT t.attacl, c.relowner FROM pg_attribute t JOIN pg_class c ON c.oid = t.attrelid WHERE c.oid = 'anon_auth.users'::regclass) u,
			   aclexplode(u.acl) a
		  WHERE a.privilege_type = 'REFERENCES' AND a.grantee <> u.relowner
			AND NOT EXISTS (SELECT FROM pg_roles r WHERE r.oid = a.grantee AND r.rolsuper)) g;
	-- That is what the finding above is about.
	RETURN QUERY
	SELECT 'error', 'table_privilege',
		format('%s has %s on table %s', grantee, string_agg(privilege_type, ', ' ORDER BY privilege_type), relation),
		'Only row-level security keeps hashes and keys of all users from them.',
		format('REVOKE ALL ON %s FROM %s;', relation, grantee)
	FROM (SELECT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END AS grantee,
				 a.privilege_type, c.oid::regclass AS relation
		  FROM pg_class c, aclexplode(c.relacl) a
		  WHERE c.relnamespace = 'anon_auth'::regnamespace AND c.relkind IN ('r', 'v') AND a.grantee <> c.relowner
			AND NOT (c.relname = 'users' AND a.privilege_type = 'REFERENCES')) g
	GROUP BY grantee, relation;
	RETURN QUERY
	SELECT 'error', 'function_privilege', format('%s may execute %s', g.grantee, g.function),
		'It is for administrators: see its comment.', format('REVOKE ALL ON FUNCTION %s FROM %s;', g.function, g.grantee)
	FROM (SELECT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END AS grantee, p.oid::regprocedure AS function
		  FROM pg_proc p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
		  WHERE p.pronamespace IN ('anon_auth'::regnamespace, 'anon_auth_http'::regnamespace) AND a.grantee <> p.proowner
			AND p.oid <> ALL (allowed)
			-- what a worker or a scheduler may be given a role for
			AND NOT (p.oid IN ('anon_auth.take_outbox_messages(integer)'::regprocedure, 'anon_auth.purge(integer, boolean)'::regprocedure)
					 AND a.grantee <> 0)
			AND NOT (a.grantee = 0 AND p.oid IN ('anon_auth.jws_verify(text, jsonb, text[])'::regprocedure, 'anon_auth.jwk_thumbprint(jsonb)'::regprocedure))) g;
	RETURN QUERY
	SELECT 'error', 'schema_privilege', format('%s may create objects in schema anon_auth', pg_get_userbyid(a.grantee)),
		'They could stand in the way of an upgrade, or be taken for the extension''s.',
		format('REVOKE CREATE ON SCHEMA anon_auth FROM %s;', CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END)
	FROM pg_namespace n, aclexplode(n.nspacl) a
	WHERE n.nspname = 'anon_auth' AND a.privilege_type = 'CREATE' AND a.grantee <> n.nspowner;
	RETURN QUERY
	SELECT 'error', 'powerful_client_role',
		format('role %I, which has the client API, %s', r.rolname,
			   CASE WHEN r.rolsuper THEN 'is a superuser' WHEN r.rolbypassrls THEN 'bypasses row-level security'
					ELSE 'is a member of the extension''s owner' END),
		'Whoever gets a statement past your API has everything.',
		CASE WHEN r.rolsuper THEN format('ALTER ROLE %I NOSUPERUSER;', r.rolname)
			 WHEN r.rolbypassrls THEN format('ALTER ROLE %I NOBYPASSRLS;', r.rolname)
			 ELSE format('REVOKE %I FROM %I;', pg_get_userbyid(o.proowner), r.rolname) END
	FROM pg_roles r, pg_proc o
	WHERE o.oid = 'anon_auth.uid()'::regprocedure AND r.oid <> o.proowner
	  AND (EXISTS (SELECT FROM aclexplode(o.proacl) a WHERE a.grantee = r.oid)
		   OR r.rolname = (SELECT token_role FROM anon_auth.settings))
	  AND (r.rolsuper OR r.rolbypassrls OR pg_has_role(r.oid, o.proowner, 'MEMBER'));
	RETURN QUERY
	SELECT 'warning', 'no_token_role', format('role %L, which access tokens name, does not exist', s.token_role),
		'PostgREST cannot switch to it, and refuses every token.', format('CREATE ROLE %I NOLOGIN; GRANT %I TO authenticator;', s.token_role, s.token_role)
	FROM anon_auth.settings s
	WHERE NOT EXISTS (SELECT FROM pg_roles r WHERE r.rolname = s.token_role)
	  AND EXISTS (SELECT FROM pg_proc p, aclexplode(p.proacl) a
				  WHERE p.oid = 'anon_auth.postgrest_pre_request()'::regprocedure AND a.grantee <> p.proowner);
	RETURN QUERY
	SELECT 'error', 'no_row_security', format('row-level security of %s is switched off', c.oid::regclass),
		'It denies everything to whom a privilege was granted by mistake.',
		format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY;', c.oid::regclass)
	FROM pg_class c WHERE c.relnamespace = 'anon_auth'::regnamespace AND c.relkind = 'r' AND NOT c.relrowsecurity;
END
$$;
REVOKE ALL ON FUNCTION anon_auth.doctor_rights() FROM PUBLIC;
COMMENT ON FUNCTION anon_auth.doctor_rights() IS 'Part of doctor(): who may do what.';
-- ---------------------------------------------------------------------------
-- doctor(), continued: the settings and the running of it
-- ---------------------------------------------------------------------------

CREATE FUNCTION anon_auth.doctor_settings()
	RETURNS SETOF anon_auth.finding
	LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	s anon_auth.settings;
	hook record;
	parameters_logged boolean := current_setting('log_parameter_max_length') <> '0'
		AND (current_setting('log_statement') = 'all' OR current_setting('log_min_duration_statement') <> '-1'
			 OR current_setting('log_min_duration_sample') <> '-1');
BEGIN
	SELECT * INTO s FROM anon_auth.settings;
	IF NOT FOUND THEN
		RETURN QUERY SELECT 'error', 'no_settings', 'anon_auth.settings has no row', 'Every call fails.',
			'INSERT INTO anon_auth.settings DEFAULT VALUES;';
		RETURN;
	END IF;

	IF s.issuer ~ '^http://(localhost|127\.|\[::1\])' THEN
		IF EXISTS (SELECT FROM anon_auth.clients WHERE array_to_string(redirect_uris, ' ') ~ 'https://') THEN
			RETURN QUERY SELECT 'warning', 'local_issuer', format('the issuer is %s, although clients live elsewhere', s.issuer),
				'Tokens and the discovery document name a host that nobody else reaches.',
				'UPDATE anon_auth.settings SET issuer = ''https://your.site'';';
		END IF;
	ELSIF s.issuer ~ '^http://' THEN
		RETURN QUERY SELECT 'warning', 'issuer_without_tls', format('the issuer is %s', s.issuer),
			'Tokens and cookies travel in the clear, and cookies are not marked Secure.',
			format('UPDATE anon_auth.settings SET issuer = %L;', regexp_replace(s.issuer, '^http:', 'https:'));
	END IF;
	IF s.trust_request_claims THEN
		RETURN QUERY SELECT 'notice', 'request_claims_trusted', 'uid() and its kin believe request.jwt.claims',
			'Whoever can run SET can be anybody: let nobody but PostgREST connect to this database with the roles of your API.',
			'UPDATE anon_auth.settings SET trust_request_claims = false;  -- where you call use_access_token() instead';
	END IF;
	IF s.guest_sign_ups_per_minute IS NULL AND s.guest_sign_ups_per_minute_per_ip IS NULL THEN
		RETURN QUERY SELECT 'notice', 'unlimited_sign_ups', 'nothing limits how many guests sign up',
			'A script can fill the disk.', 'UPDATE anon_auth.settings SET guest_sign_ups_per_minute_per_ip = 60;';
	END IF;
	IF s.password_attempts_per_minute_per_user IS NULL AND s.password_attempts_per_minute_per_user_per_ip IS NULL THEN
		RETURN QUERY SELECT 'warning', 'unlimited_passwords', 'nothing limits how often the passwords of a user are tried',
			'Weak ones are found.', 'UPDATE anon_auth.settings SET password_attempts_per_minute_per_user_per_ip = 10;';
	END IF;
	IF s.trusted_proxy_hops = 0
	   AND EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name ILIKE 'postgrest%') THEN
		RETURN QUERY SELECT 'notice', 'client_addresses_unknown', 'PostgREST is connected, and trusted_proxy_hops is 0',
			'All clients have PostgREST''s address, or none: limits by address hold for all of them together, or not at all.',
			'UPDATE anon_auth.settings SET trusted_proxy_hops = 1;  -- with one proxy that appends to X-Forwarded-For';
	END IF;
	IF s.password_hash_memory_kib::bigint * least(s.password_hash_concurrency, current_setting('max_connections')::integer) > 4194304 THEN
		RETURN QUERY SELECT 'warning', 'password_hash_memory',
			format('password hashes may take %s at once', pg_size_pretty(s.password_hash_memory_kib::bigint * 1024 * least(s.password_hash_concurrency, current_setting('max_connections')::integer))),
			'A storm of logins can take the server''s memory.', format('UPDATE anon_auth.settings SET password_hash_concurrency = %s;', 4194304 / s.password_hash_memory_kib);
	END IF;

	RETURN QUERY
	SELECT 'warning', 'unknown_page_text', format('settings.page_texts has %L for %L, and no page has that text', k.key, l.locale),
		'It is shown nowhere.', format('UPDATE anon_auth.settings SET page_texts = page_texts #- %L;', ARRAY[l.locale, k.key])
	FROM jsonb_each(s.page_texts) AS l (locale, texts),
		LATERAL jsonb_object_keys(CASE jsonb_typeof(l.texts) WHEN 'object' THEN l.texts ELSE '{}' END) AS k (key)
	WHERE NOT anon_auth_http.page_texts('en') ? k.key;

	FOR hook IN
		SELECT h.setting, h.name,
			   to_regprocedure(regexp_replace(h.name, '\(.*', '') || h.arguments) AS function
		FROM (VALUES ('before_sign_up', s.before_sign_up, '(uuid, text, jsonb)'),
					 ('access_token_claims', s.access_token_claims, '(jsonb)'),
					 ('after_promotion', s.after_promotion, '(uuid, text)'),
					 ('merge', s.merge, '(uuid, uuid)')) AS h(setting, name, arguments)
		WHERE h.name IS NOT NULL
	LOOP
		IF hook.function IS NULL THEN
			RETURN QUERY SELECT 'error', 'no_hook', format('settings.%s names %s, which does not exist', hook.setting, hook.name),
				'Every call that needs it fails.', format('UPDATE anon_auth.settings SET %I = NULL;', hook.setting);
		ELSIF EXISTS (SELECT FROM pg_proc p JOIN pg_roles r ON r.oid = p.proowner WHERE p.oid = hook.function AND r.rolsuper) THEN
			RETURN QUERY SELECT 'notice', 'superuser_hook', format('the hook %s runs as a superuser', hook.function),
				'A hook runs as its owner, and clients decide what it is given.',
				format('ALTER FUNCTION %s OWNER TO your_role;', hook.function);
		END IF;
		RETURN QUERY
		SELECT 'error', 'temporary_tables_searched_first', format('the hook %s looks for tables among temporary ones first', hook.function),
			'Clients with SQL of their own have temporary tables: what these run has the rights of the hook''s owner.',
			format('ALTER FUNCTION %s SET search_path TO %s, pg_temp;', hook.function, coalesce(substring(c.setting FROM '^search_path=(("[^"]*"|[a-z0-9_$]+)(, *("[^"]*"|[a-z0-9_$]+))*)$'), 'its_schema'))
		FROM pg_proc p, unnest(p.proconfig) AS c(setting)
		WHERE p.oid = hook.function AND c.setting LIKE 'search\_path=%' AND c.setting !~ '[=, "]pg_temp("|,| |$)';
	END LOOP;

	IF parameters_logged THEN
		RETURN QUERY SELECT 'warning', 'parameters_in_log', 'statements are logged with their parameters',
			'Passwords and tokens are parameters of what clients call.',
			'ALTER SYSTEM SET log_parameter_max_length = 0; SELECT pg_reload_conf();';
	END IF;
	IF current_setting('log_parameter_max_length_on_error') <> '0' THEN
		RETURN QUERY SELECT 'warning', 'parameters_in_log_on_error', 'failed statements are logged with their parameters',
			'Passwords and tokens are parameters of what clients call.',
			'ALTER SYSTEM SET log_parameter_max_length_on_error = 0; SELECT pg_reload_conf();';
	END IF;
END
$$;
REVOKE ALL ON FUNCTION anon_auth.doctor_settings() FROM PUBLIC;
COMMENT ON FUNCTION anon_auth.doctor_settings() IS 'Part of doctor(): the settings, and those of the server.';

CREATE FUNCTION anon_auth.doctor_operations()
	RETURNS SETOF anon_auth.finding
	LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	s record;
	scheduled text := CASE WHEN EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_cron')
		THEN 'SELECT cron.schedule(''anon_auth purge'', ''* * * * *'', ''SELECT anon_auth.purge()'');'
		ELSE 'SELECT anon_auth.purge();  -- every minute, by a scheduler of yours' END;
BEGIN
	SELECT guest_retention, event_retention INTO s FROM anon_auth.settings;
	IF EXISTS (SELECT FROM anon_auth.sessions WHERE purge_from < now() - interval '2 days')
	   OR EXISTS (SELECT FROM anon_auth.users WHERE is_anonymous AND device_kid IS NULL AND purge_from < now() - interval '2 days')
	   OR EXISTS (SELECT FROM anon_auth.users WHERE is_anonymous AND device_kid IS NOT NULL
				  AND purge_from < now() - s.guest_retention - interval '2 days') THEN
		RETURN QUERY SELECT 'warning', 'purge_overdue', 'purge() does not run, or not often enough',
			'Guests and sessions that nobody can use pile up.', scheduled;
	END IF;
	RETURN QUERY
	SELECT 'notice', 'guests_kept', format('there are about %s guests with a device key, and all are kept', c.reltuples::bigint),
		'An app that is deleted from a phone does not say so.', 'UPDATE anon_auth.settings SET guest_retention = ''1 year'';'
	FROM pg_class c WHERE c.oid = 'anon_auth.users_keyed_guests_idx'::regclass AND c.reltuples > 1e6 AND s.guest_retention IS NULL;
	RETURN QUERY
	SELECT 'notice', 'events_kept', format('there are about %s events, and all are kept', c.reltuples::bigint),
		'They are the largest table before long.', 'UPDATE anon_auth.settings SET event_retention = ''1 year'';'
	FROM pg_class c WHERE c.oid = 'anon_auth.events'::regclass AND c.reltuples > 1e7 AND s.event_retention IS NULL;
	RETURN QUERY
	SELECT 'warning', 'outbox_not_drained', format('a message of %s is still in the outbox', o.created_at),
		'Users wait for their codes.', 'SELECT * FROM anon_auth.take_outbox_messages();  -- is what your worker must do'
	FROM (SELECT created_at FROM anon_auth.outbox ORDER BY id LIMIT 1) o WHERE o.created_at < now() - interval '10 minutes';
	IF current_setting('autovacuum') = 'off' THEN
		RETURN QUERY SELECT 'warning', 'autovacuum_off', 'autovacuum is off', 'Sessions are updated all the time; their table only grows.',
			'ALTER SYSTEM SET autovacuum = on; SELECT pg_reload_conf();';
	END IF;
	RETURN QUERY
	SELECT 'warning', 'autovacuum_off', format('autovacuum is off for %s', c.oid::regclass), 'Its dead rows are never reclaimed.',
		format('ALTER TABLE %s RESET (autovacuum_enabled);', c.oid::regclass)
	FROM pg_class c
	WHERE c.relnamespace = 'anon_auth'::regnamespace
	  AND EXISTS (SELECT FROM pg_options_to_table(c.reloptions) o WHERE o.option_name = 'autovacuum_enabled' AND NOT o.option_value::boolean);
	RETURN QUERY
	SELECT 'warning', 'old_version', format('the extension is at version %s, its library at %s', e.extversion, a.default_version),
		'The functions are not those of the library.', 'ALTER EXTENSION anon_auth UPDATE;'
	FROM pg_extension e JOIN pg_available_extensions a ON a.name = e.extname
	WHERE e.extname = 'anon_auth' AND a.default_version <> e.extversion;
END
$$;
REVOKE ALL ON FUNCTION anon_auth.doctor_operations() FROM PUBLIC;
COMMENT ON FUNCTION anon_auth.doctor_operations() IS 'Part of doctor(): purging, the outbox, vacuum, versions.';

CREATE FUNCTION anon_auth.doctor()
	RETURNS SETOF anon_auth.finding
	LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN QUERY
	SELECT f.* FROM (
		SELECT * FROM anon_auth.doctor_keys()
		UNION ALL SELECT * FROM anon_auth.doctor_rights()
		UNION ALL SELECT * FROM anon_auth.doctor_settings()
		UNION ALL SELECT * FROM anon_auth.doctor_operations()
		UNION ALL SELECT * FROM anon_auth.doctor_tables()) f
	ORDER BY array_position('{error,warning,notice}'::text[], f.severity), f.finding, f.what;
END
$$;
REVOKE ALL ON FUNCTION anon_auth.doctor() FROM PUBLIC;
COMMENT ON FUNCTION anon_auth.doctor() IS
'What will hurt, one row a finding, the worst first: severity (error, warning, notice), a code, what it is, why it hurts, and the SQL that mends it. No rows: nothing was found. Looks at catalogs and indexes only, however many users there are; works on a standby. Runs as the caller, who must be the owner or a superuser.';

CREATE VIEW anon_auth.stats AS
SELECT
	(SELECT CASE WHEN c.reltuples OPERATOR(pg_catalog.>=) '0'::pg_catalog.float4 THEN c.reltuples::pg_catalog.int8 END FROM pg_catalog.pg_class c
		WHERE c.oid OPERATOR(pg_catalog.=) 'anon_auth.users'::pg_catalog.regclass) AS users,
	(SELECT CASE WHEN c.reltuples OPERATOR(pg_catalog.>=) '0'::pg_catalog.float4 THEN c.reltuples::pg_catalog.int8 END FROM pg_catalog.pg_class c
		WHERE c.oid OPERATOR(pg_catalog.=) 'anon_auth.users_keyless_guests_idx'::pg_catalog.regclass) AS guests_without_key,
	(SELECT CASE WHEN c.reltuples OPERATOR(pg_catalog.>=) '0'::pg_catalog.float4 THEN c.reltuples::pg_catalog.int8 END FROM pg_catalog.pg_class c
		WHERE c.oid OPERATOR(pg_catalog.=) 'anon_auth.users_keyed_guests_idx'::pg_catalog.regclass) AS guests_with_key,
	(SELECT CASE WHEN c.reltuples OPERATOR(pg_catalog.>=) '0'::pg_catalog.float4 THEN c.reltuples::pg_catalog.int8 END FROM pg_catalog.pg_class c
		WHERE c.oid OPERATOR(pg_catalog.=) 'anon_auth.passwords'::pg_catalog.regclass) AS regular_users,
	(SELECT CASE WHEN c.reltuples OPERATOR(pg_catalog.>=) '0'::pg_catalog.float4 THEN c.reltuples::pg_catalog.int8 END FROM pg_catalog.pg_class c
		WHERE c.oid OPERATOR(pg_catalog.=) 'anon_auth.sessions'::pg_catalog.regclass) AS sessions,
	day.sign_ups AS sign_ups_24h,
	day.promotions AS promotions_24h,
	day.events AS events_24h,
	(SELECT pg_catalog.count(*) FROM (SELECT 1 FROM anon_auth.users u
		WHERE u.is_anonymous AND u.device_kid IS NULL AND u.purge_from OPERATOR(pg_catalog.<=) pg_catalog.now()
		LIMIT 100000) due)
	OPERATOR(pg_catalog.+)
	(SELECT pg_catalog.count(*) FROM (SELECT 1 FROM anon_auth.users u
		WHERE u.is_anonymous AND u.device_kid IS NOT NULL AND u.purge_from OPERATOR(pg_catalog.<)
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
			WHERE u.is_anonymous AND u.device_kid IS NULL AND u.purge_from OPERATOR(pg_catalog.<=) pg_catalog.now()) o) AS oldest_unpurged,
	(SELECT pg_catalog.count(*) FROM anon_auth.outbox) AS outbox_messages
FROM (
	SELECT
		COALESCE(pg_catalog.jsonb_object_agg(t.type, t.n), '{}'::pg_catalog.jsonb) AS events,
		COALESCE(pg_catalog.sum(t.n) FILTER (WHERE t.type OPERATOR(pg_catalog.=) 'user.created'), 0::pg_catalog.numeric)::pg_catalog.int8 AS sign_ups,
		COALESCE(pg_catalog.sum(t.n) FILTER (WHERE t.type OPERATOR(pg_catalog.=) 'user.anonymous.promoted'), 0::pg_catalog.numeric)::pg_catalog.int8 AS promotions
	FROM (SELECT e.type, pg_catalog.count(*) AS n FROM anon_auth.events e
		  WHERE e.created_at OPERATOR(pg_catalog.>) (pg_catalog.now() OPERATOR(pg_catalog.-) '1 day'::pg_catalog.interval)
		  GROUP BY e.type) t) day;
REVOKE ALL ON anon_auth.stats FROM PUBLIC;
COMMENT ON VIEW anon_auth.stats IS
'One row of numbers to watch. Those of all users are the planner''s estimates, as of the last VACUUM or ANALYZE; the others are counted through indexes, whatever the number of users.';
COMMENT ON COLUMN anon_auth.stats.users IS 'Estimate; NULL: never analysed.';
COMMENT ON COLUMN anon_auth.stats.guests_without_key IS 'Estimate: guests who live as long as their session.';
COMMENT ON COLUMN anon_auth.stats.guests_with_key IS 'Estimate: guests whose device can come back.';
COMMENT ON COLUMN anon_auth.stats.regular_users IS 'Estimate: guests that were promoted.';
COMMENT ON COLUMN anon_auth.stats.sessions IS 'Estimate: live sessions, and those that purge() has not yet reached.';
COMMENT ON COLUMN anon_auth.stats.sign_ups_24h IS 'Guests of the last 24 hours, by their events.';
COMMENT ON COLUMN anon_auth.stats.promotions_24h IS 'Promotions of the last 24 hours, by their events.';
COMMENT ON COLUMN anon_auth.stats.events_24h IS 'Events of the last 24 hours: {"type": count}.';
COMMENT ON COLUMN anon_auth.stats.purgeable_guests IS 'Guests that purge() would look at now; at most 100000 of each kind are counted.';
COMMENT ON COLUMN anon_auth.stats.purgeable_sessions IS 'Sessions that purge() would look at now; at most 100000 are counted.';
COMMENT ON COLUMN anon_auth.stats.oldest_unpurged IS 'Since when something waits for purge(); NULL: nothing does.';
COMMENT ON COLUMN anon_auth.stats.outbox_messages IS 'Messages that no worker has taken yet.';
