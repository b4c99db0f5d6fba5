-- ---------------------------------------------------------------------------
-- settings: one row, changed by UPDATE
-- ---------------------------------------------------------------------------

CREATE TABLE anon_auth.settings (
	singleton boolean NOT NULL DEFAULT true PRIMARY KEY,
	database_id uuid NOT NULL,

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
	password_hash_concurrency integer,

	session_lifetime_seconds integer NOT NULL DEFAULT 31449600,
	session_idle_timeout_enabled boolean NOT NULL DEFAULT true,
	session_idle_timeout_seconds integer NOT NULL DEFAULT 2592000,
	session_cookie_persistent boolean NOT NULL DEFAULT true,
	cookie_prefix text NOT NULL DEFAULT '',
	cookie_domain text,
	check_session_on_request boolean NOT NULL DEFAULT true,

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
	device_key_logins_per_minute integer DEFAULT 60,
	unknown_login_ids_per_minute integer DEFAULT 600,
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
			   AND device_key_logins_per_minute OPERATOR(pg_catalog.>) 0
			   AND unknown_login_ids_per_minute OPERATOR(pg_catalog.>) 0
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
COMMENT ON COLUMN anon_auth.settings.database_id IS
'Random, and part of every key derived from the master key: another database refuses tokens made here. Dumps keep it, and so does CREATE DATABASE ... TEMPLATE. Do not UPDATE it: renew_database_id() also seals the signing keys again.';
COMMENT ON COLUMN anon_auth.settings.issuer IS
'Public origin of the site, without a slash at the end: the iss claim and the base of every endpoint in openid_configuration().';
COMMENT ON COLUMN anon_auth.settings.audience IS
'The aud claim of access tokens; NULL: the issuer.';
COMMENT ON COLUMN anon_auth.settings.token_role IS
'The role claim of access tokens: the database role that PostgREST switches to.';
COMMENT ON COLUMN anon_auth.settings.trust_request_claims IS
'Whether uid(), is_anonymous(), session_id(), claims() and session_alive() trust the parameter request.jwt.claims when use_access_token() was not called. Switch it on only where PostgREST alone connects: a role that can run SET can forge that parameter and impersonate any user.';
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
'Argon2id memory of one password hash, in KiB. When it changes, each password is hashed again at its next login.';
COMMENT ON COLUMN anon_auth.settings.password_hash_passes IS
'Argon2id passes of one password hash.';
COMMENT ON COLUMN anon_auth.settings.password_hash_concurrency IS
'How many password hashes this server computes at once; further logins wait. NULL: twice the number of processors. Times password_hash_memory_kib, it is the memory that logins can take.';
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
'Whether postgrest_pre_request() refuses access tokens whose session has ended or was rolled back, or whose user is disabled. Costs one lookup by primary key for each request.';
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
'Hook: name, with schema, of a function (user_id uuid, client_id text, device_info jsonb) that is called before a guest is created and refuses it by raising an error. Runs as its owner, who must not be a superuser and should not be a member of anon_auth_owner.';
COMMENT ON COLUMN anon_auth.settings.access_token_claims IS
'Hook: name, with schema, of a function (claims jsonb) RETURNS jsonb that gets the claims of an access token and returns an object of those to add. Runs as its owner, as before_sign_up does.';
COMMENT ON COLUMN anon_auth.settings.after_promotion IS
'Hook: name, with schema, of a function (user_id uuid, client_id text) that is called in the transaction of a promotion, when the guest has become a regular user. Runs as its owner, as before_sign_up does.';
COMMENT ON COLUMN anon_auth.settings.merge IS
'Hook: name, with schema, of a function (guest_id uuid, user_id uuid) that is called before the rows of a guest are moved to an account, to resolve conflicts of unique constraints. Runs as its owner, as before_sign_up does.';
COMMENT ON COLUMN anon_auth.settings.trusted_proxy_hops IS
'How many proxies of yours append to X-Forwarded-For (in request.headers). With n, the client address is the n-th entry from the end. 0: it is the address of the database connection, so that all users of an application server have one address, and request.headers is ignored. If it is greater than 0, requests without an address share one limit, and request.headers that cannot be read is an error (22023).';
COMMENT ON COLUMN anon_auth.settings.guest_sign_ups_per_minute IS
'How many guests may sign up in a minute; NULL: no limit.';
COMMENT ON COLUMN anon_auth.settings.guest_sign_ups_per_minute_per_ip IS
'How many guests may sign up from one address in a minute; NULL: no limit. An IPv6 /64 is one address; a /56 may have 4 times as many, a /48 16 times.';
COMMENT ON COLUMN anon_auth.settings.device_key_logins_per_minute IS
'How many logins one device key may have in a minute; NULL: no limit.';
COMMENT ON COLUMN anon_auth.settings.unknown_login_ids_per_minute IS
'For how many login IDs that nobody has a password is hashed in a minute, on this server; NULL: no limit. Beyond it such a login waits as long as a hash takes, without the work, and fails as before.';
COMMENT ON COLUMN anon_auth.settings.password_attempts_per_minute_per_ip IS
'How many passwords and codes may be tried from one address in a minute; NULL: no limit. An IPv6 /64 is one address; a /56 may have 4 times as many, a /48 16 times.';
COMMENT ON COLUMN anon_auth.settings.password_attempts_per_minute_per_user IS
'How many passwords may be tried for one user in a minute; NULL: no limit.';
COMMENT ON COLUMN anon_auth.settings.password_attempts_per_minute_per_user_per_ip IS
'How many passwords may be tried for one user from one address in a minute; NULL: no limit.';
COMMENT ON COLUMN anon_auth.settings.lockout_max_attempts IS
'Number of wrong passwords after which the user is locked, each at most lockout_history_seconds after the one before. A login with the right password starts the count again. 0 switches the lockout off.';
COMMENT ON COLUMN anon_auth.settings.lockout_type IS
'per_user, or per_user_per_ip: only logins from the address that the wrong passwords came from are locked.';
COMMENT ON COLUMN anon_auth.settings.lockout_history_seconds IS
'When the last wrong password is older than this, the count starts again.';
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
'purge() deletes guests with a device key that were not seen for so long; at least an hour; NULL: none. Guests without a key are deleted when their last session has ended.';
COMMENT ON COLUMN anon_auth.settings.purge_policy IS
'What purge() does with guests that have rows in your tables: skip them, or cascade: delete the guest if every foreign key that references it has ON DELETE CASCADE, SET NULL or SET DEFAULT.';
COMMENT ON COLUMN anon_auth.settings.event_types IS
'Which types are kept in events; NULL: all.';
COMMENT ON COLUMN anon_auth.settings.event_retention IS
'purge() deletes events that are older than this, at least an hour; NULL: none.';

-- CREATE EXTENSION makes the row, and so does the data of a dump: the later
-- one wins, else restoring a dump would stop at a duplicate key.  A dump brings
-- its database_id; a row without one, as DEFAULT VALUES makes it, keeps the
-- id that the database has.
CREATE FUNCTION anon_auth.settings_replace() RETURNS trigger
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	former_id uuid;
BEGIN
	DELETE FROM anon_auth.settings RETURNING database_id INTO former_id;
	NEW.database_id := COALESCE(NEW.database_id, former_id, gen_random_uuid());
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION anon_auth.settings_replace() IS
'Trigger of settings: an inserted row replaces the existing one, and keeps its database_id unless it has its own.';

CREATE TRIGGER settings_replace BEFORE INSERT ON anon_auth.settings
	FOR EACH ROW EXECUTE FUNCTION anon_auth.settings_replace();

CREATE FUNCTION anon_auth.settings_changed() RETURNS trigger
	LANGUAGE c VOLATILE
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_settings_changed';
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
