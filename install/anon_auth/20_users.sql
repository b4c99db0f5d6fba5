-- ---------------------------------------------------------------------------
-- users and the tables of their rows
--
-- A table of rows that are looked up by user has a primary key that begins with
-- user_id.  Other rows are looked up by another value: device keys by kid, login
-- IDs by value, codes by hash.  Their primary keys begin with route, the first 16
-- bytes of the SHA-256 of that value.  So the tables can be distributed over
-- several nodes without changing a statement.
-- ---------------------------------------------------------------------------

CREATE TABLE anon_auth.users (
	id uuid NOT NULL PRIMARY KEY,
	is_anonymous boolean NOT NULL,
	is_disabled boolean NOT NULL DEFAULT false,
	is_verified boolean NOT NULL DEFAULT false,
	has_password boolean NOT NULL DEFAULT false,
	created_at timestamptz NOT NULL,
	updated_at timestamptz NOT NULL,
	last_seen_at timestamptz NOT NULL,
	delete_at timestamptz,
	purge_from timestamptz NOT NULL DEFAULT pg_catalog.now(),
	device_kid text,
	login_id_routes uuid[] NOT NULL DEFAULT '{}',
	identity_routes uuid[] NOT NULL DEFAULT '{}',
	device_key_routes uuid[] NOT NULL DEFAULT '{}',
	passkey_routes uuid[] NOT NULL DEFAULT '{}',
	standard_attributes anon_auth.json_object NOT NULL DEFAULT '{}',
	custom_attributes anon_auth.json_object NOT NULL DEFAULT '{}',
	roles anon_auth.role_names NOT NULL DEFAULT '{}',

	CONSTRAINT users_device_kid_check CHECK (is_anonymous OR device_kid IS NULL),
	-- A guest has nothing that only an account has.
	CONSTRAINT users_guest_check
		CHECK (NOT is_anonymous
			   OR (NOT has_password AND delete_at IS NULL
				   AND pg_catalog.cardinality(login_id_routes)
				   OPERATOR(pg_catalog.+) pg_catalog.cardinality(identity_routes)
				   OPERATOR(pg_catalog.+) pg_catalog.cardinality(device_key_routes)
				   OPERATOR(pg_catalog.=) 0))
) WITH (fillfactor = 85);
CREATE INDEX users_keyless_guests_idx ON anon_auth.users (purge_from)
	WHERE is_anonymous AND device_kid IS NULL
		AND passkey_routes OPERATOR(pg_catalog.=) '{}'::pg_catalog.uuid[];
CREATE INDEX users_keyed_guests_idx ON anon_auth.users (purge_from)
	WHERE is_anonymous
		AND (device_kid IS NOT NULL OR passkey_routes OPERATOR(pg_catalog.<>) '{}'::pg_catalog.uuid[]);
CREATE INDEX users_due_accounts_idx ON anon_auth.users (purge_from)
	WHERE delete_at IS NOT NULL;

COMMENT ON TABLE anon_auth.users IS
'One row per user, guest or regular. id is the sub claim and never changes. To reference a user, use a foreign key of one column of type uuid. To delete a user, call delete_user(): DELETE and TRUNCATE are rejected.';
COMMENT ON COLUMN anon_auth.users.id IS 'The sub claim; a UUIDv7.';
COMMENT ON COLUMN anon_auth.users.is_anonymous IS 'True for a guest; false after promotion.';
COMMENT ON COLUMN anon_auth.users.is_disabled IS 'True if the user is disabled: it cannot log in, and its sessions have ended. See disable_user().';
COMMENT ON COLUMN anon_auth.users.is_verified IS 'True if at least one login ID of the user is verified.';
COMMENT ON COLUMN anon_auth.users.has_password IS 'True if the user has a row in passwords.';
COMMENT ON COLUMN anon_auth.users.last_seen_at IS 'Time of the last login or refresh, accurate to one hour.';
COMMENT ON COLUMN anon_auth.users.delete_at IS 'From when on purge() deletes this account, because its user called delete_account(). NULL: not scheduled. cancel_account_deletion() sets it to NULL.';
COMMENT ON COLUMN anon_auth.users.purge_from IS 'Time at which purge() next checks this guest, or this account if delete_at is set. For a guest with a device key or a passkey, settings.guest_retention is added. Only the insert, the first passkey and purge() set it, so it can be earlier than the time at which the guest expires. Has no meaning for other regular users.';
COMMENT ON COLUMN anon_auth.users.device_kid IS 'Key ID of the guest''s device key. NULL for guests without a device key and for regular users.';
COMMENT ON COLUMN anon_auth.users.login_id_routes IS 'The route of each row that the user has in login_ids.';
COMMENT ON COLUMN anon_auth.users.identity_routes IS 'The route of each row that the user has in user_identities.';
COMMENT ON COLUMN anon_auth.users.device_key_routes IS 'The route of each row that the account has in device_keys. Empty for a guest, whose key device_kid names.';
COMMENT ON COLUMN anon_auth.users.passkey_routes IS 'The route of each row that the user has in passkeys. A guest with a passkey counts as one with a device key.';
COMMENT ON COLUMN anon_auth.users.standard_attributes IS 'OpenID Connect standard claims that userinfo() returns: email, phone_number, preferred_username, name, ...';
COMMENT ON COLUMN anon_auth.users.custom_attributes IS 'The custom_attributes claim that userinfo() returns. Your application sets it; update_profile() sets the members that settings.user_writable_attributes names.';
COMMENT ON COLUMN anon_auth.users.roles IS 'The roles claim of the user''s access tokens, which has_role() reads. set_roles() sets it.';

CREATE TABLE anon_auth.device_keys (
	route uuid NOT NULL,
	kid anon_auth.key_id NOT NULL,
	thumbprint text NOT NULL,
	user_id uuid NOT NULL,
	alg text NOT NULL,
	jwk jsonb NOT NULL,
	used_challenges bytea NOT NULL,
	created_at timestamptz NOT NULL,
	last_used_at timestamptz NOT NULL,
	of_account boolean NOT NULL DEFAULT false,
	name text,
	device_info anon_auth.json_object,

	PRIMARY KEY (route, kid, thumbprint),
	CONSTRAINT device_keys_user_id_fkey FOREIGN KEY (user_id)
		REFERENCES anon_auth.users (id) ON DELETE CASCADE,
	CONSTRAINT device_keys_user_id_key UNIQUE (user_id, kid)
) WITH (fillfactor = 70);

COMMENT ON TABLE anon_auth.device_keys IS
'The public keys of devices, looked up by their kid. A guest has at most one; an account can have several, see add_device_key(). Several devices can have keys with the same kid, so that nobody can block the kid of another device. Private keys never reach the server.';
COMMENT ON COLUMN anon_auth.device_keys.route IS 'First 16 bytes of the SHA-256 of kid.';
COMMENT ON COLUMN anon_auth.device_keys.thumbprint IS 'SHA-256 thumbprint of jwk (RFC 7638). See jwk_thumbprint().';
COMMENT ON COLUMN anon_auth.device_keys.alg IS 'The only JWS algorithm that is accepted for this key.';
COMMENT ON COLUMN anon_auth.device_keys.jwk IS 'The public JWK (RFC 7517), with its required members only.';
COMMENT ON COLUMN anon_auth.device_keys.used_challenges IS 'Challenges that this key has used and that have not expired. A key can use each challenge once.';
COMMENT ON COLUMN anon_auth.device_keys.last_used_at IS 'When the key was used last.';
COMMENT ON COLUMN anon_auth.device_keys.of_account IS 'True if the key belongs to an account, and logs in with authenticate_with_device_key(). False for the key of a guest.';
COMMENT ON COLUMN anon_auth.device_keys.name IS 'The name that add_device_key() was given for the device. NULL: none.';
COMMENT ON COLUMN anon_auth.device_keys.device_info IS 'What the device reported about itself when the key was added. NULL for guests, whose sessions have it.';

CREATE TABLE anon_auth.removed_device_keys (
	route uuid NOT NULL,
	kid text NOT NULL,
	thumbprint text NOT NULL,
	used_challenges bytea NOT NULL,
	removed_at timestamptz NOT NULL,
	user_id uuid,
	alg text,
	jwk jsonb,

	PRIMARY KEY (route, kid, thumbprint),
	CONSTRAINT removed_device_keys_user_id_fkey FOREIGN KEY (user_id)
		REFERENCES anon_auth.users (id) ON DELETE SET NULL
);
CREATE INDEX removed_device_keys_user_id_idx ON anon_auth.removed_device_keys (user_id);
-- for purge(): the rows of accounts stay, and can be many
CREATE INDEX removed_device_keys_removed_at_idx ON anon_auth.removed_device_keys (removed_at)
	WHERE user_id IS NULL;

COMMENT ON TABLE anon_auth.removed_device_keys IS
'Device keys of guests that were promoted, merged or deleted, and keys that were removed from accounts. used_challenges prevents that a repeated request of the key is accepted as a sign-up. The key of an account, or of its former guest, is kept as long as the account, so that its device gets AA031 and can ask its user to log in.';
COMMENT ON COLUMN anon_auth.removed_device_keys.route IS 'First 16 bytes of the SHA-256 of kid.';
COMMENT ON COLUMN anon_auth.removed_device_keys.thumbprint IS 'SHA-256 thumbprint of the key (RFC 7638).';
COMMENT ON COLUMN anon_auth.removed_device_keys.used_challenges IS 'Challenges that the key had used when it was removed. They have no effect after 10 minutes.';
COMMENT ON COLUMN anon_auth.removed_device_keys.user_id IS 'The account that had the key, or that the guest became or was merged into. NULL if the guest or the account was deleted: purge() then deletes the row.';
COMMENT ON COLUMN anon_auth.removed_device_keys.alg IS 'The algorithm of the key. NULL if user_id is NULL.';
COMMENT ON COLUMN anon_auth.removed_device_keys.jwk IS 'The public JWK. Only a request that this key signed gets AA031. NULL if user_id is NULL.';

CREATE TABLE anon_auth.merged_guests (
	user_id uuid NOT NULL,
	guest_id uuid NOT NULL,
	merged_at timestamptz NOT NULL,

	PRIMARY KEY (user_id, guest_id),
	CONSTRAINT merged_guests_user_id_fkey FOREIGN KEY (user_id)
		REFERENCES anon_auth.users (id) ON DELETE CASCADE
);
-- for purge()
CREATE INDEX merged_guests_merged_at_idx ON anon_auth.merged_guests (merged_at);

COMMENT ON TABLE anon_auth.merged_guests IS
'Guests that were merged into an account, for 30 days. A client that has lost the response of claim_anonymous_user() can so repeat the call. purge() deletes older rows.';
COMMENT ON COLUMN anon_auth.merged_guests.user_id IS 'The account.';
COMMENT ON COLUMN anon_auth.merged_guests.guest_id IS 'The id that the guest had. No row of users has it.';

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
'E-mail addresses, phone numbers and usernames that users log in with. Each belongs to at most one user.';
COMMENT ON COLUMN anon_auth.login_ids.route IS 'First 16 bytes of the SHA-256 of type, a colon and value.';
COMMENT ON COLUMN anon_auth.login_ids.value IS 'The normalised login ID: case and Unicode folded, domain in Punycode, phone number in E.164.';
COMMENT ON COLUMN anon_auth.login_ids.original_value IS 'The login ID as the user typed it.';
COMMENT ON COLUMN anon_auth.login_ids.verified_at IS 'When the user proved ownership. NULL: not verified.';

CREATE TABLE anon_auth.passwords (
	user_id uuid NOT NULL PRIMARY KEY,
	password_hash anon_auth.password_hash NOT NULL,
	created_at timestamptz NOT NULL,
	updated_at timestamptz NOT NULL,

	CONSTRAINT passwords_user_id_fkey FOREIGN KEY (user_id)
		REFERENCES anon_auth.users (id) ON DELETE CASCADE
);

COMMENT ON TABLE anon_auth.passwords IS 'The password hash of each regular user who has a password.';
COMMENT ON COLUMN anon_auth.passwords.password_hash IS 'Argon2id hash in the PHC string format, which includes its cost and salt. Of an imported user until the first login: $imported, then the hash of the other system.';

CREATE TABLE anon_auth.sessions (
	user_id uuid NOT NULL,
	id uuid NOT NULL,
	session_type anon_auth.session_type NOT NULL DEFAULT 'refresh_token',
	client_id text,
	secret_hash anon_auth.hash NOT NULL,
	generation integer NOT NULL DEFAULT 0,
	rotated_at timestamptz,
	created_at timestamptz NOT NULL,
	authenticated_at timestamptz NOT NULL,
	amr text[],
	last_used_at timestamptz NOT NULL,
	expires_at timestamptz NOT NULL,
	purge_from timestamptz NOT NULL DEFAULT pg_catalog.now(),
	device_info anon_auth.json_object,
	client_address inet,
	user_agent anon_auth.user_agent,
	app_token_issued_at timestamptz,
	dpop_jkt anon_auth.base64url_hash,
	device_kid text,

	PRIMARY KEY (user_id, id),
	CONSTRAINT sessions_user_id_fkey FOREIGN KEY (user_id)
		REFERENCES anon_auth.users (id) ON DELETE CASCADE,
	CONSTRAINT sessions_client_id_check
		CHECK (client_id IS NOT NULL OR session_type OPERATOR(pg_catalog.=) 'cookie')
) WITH (fillfactor = 85);
CREATE INDEX sessions_purge_from_idx ON anon_auth.sessions (purge_from);

COMMENT ON TABLE anon_auth.sessions IS
'One row per session. Ending a session deletes its row. A session expires at expires_at; purge() deletes its row later.';
COMMENT ON COLUMN anon_auth.sessions.session_type IS 'refresh_token, or cookie if a browser keeps the secret in a session cookie.';
COMMENT ON COLUMN anon_auth.sessions.client_id IS 'The client that the session belongs to. If that client no longer exists, the session is not valid. NULL: a cookie session that was requested without a client.';
COMMENT ON COLUMN anon_auth.sessions.secret_hash IS 'SHA-256 of the secret in the refresh token or cookie.';
COMMENT ON COLUMN anon_auth.sessions.generation IS 'Number of times that the refresh token was rotated.';
COMMENT ON COLUMN anon_auth.sessions.rotated_at IS 'Time of the last rotation. The previous refresh token works until the grace period after it ends.';
COMMENT ON COLUMN anon_auth.sessions.authenticated_at IS 'The auth_time claim.';
COMMENT ON COLUMN anon_auth.sessions.amr IS 'The amr claim: how the user authenticated (RFC 8176). pop: with the key of a device; pwd: with a password; otp: with a code; sms: that was sent to a phone number; user: with a passkey (and pop), whose authenticator has seen the user; mfa: and verified the user. NULL: with nothing that this server checks.';
COMMENT ON COLUMN anon_auth.sessions.expires_at IS 'When the session expires: at the end of its maximum lifetime or of its idle timeout, whichever is earlier. The client sets both; for a cookie session, settings does.';
COMMENT ON COLUMN anon_auth.sessions.purge_from IS 'Time at which purge() next checks this session: the first value of expires_at. A refresh does not change it, so that no index entry changes.';
COMMENT ON COLUMN anon_auth.sessions.device_info IS 'What the client reported about its device at sign-up, login or promotion. A promotion without a report keeps that of the guest.';
COMMENT ON COLUMN anon_auth.sessions.client_address IS 'The last known address of the client, at the login or a refresh: see use_client_address(). NULL if unknown, or if settings.session_client_address is off.';
COMMENT ON COLUMN anon_auth.sessions.user_agent IS 'The User-Agent header of the last login or refresh over HTTP, at most 512 characters. NULL if there was none, or if settings.session_user_agent is off.';
COMMENT ON COLUMN anon_auth.sessions.app_token_issued_at IS 'When the app session token was issued that was used last. It and earlier ones are not accepted. NULL: none was used.';
COMMENT ON COLUMN anon_auth.sessions.dpop_jkt IS 'Thumbprint (RFC 7638) of the key that the refresh token is bound to: it needs a DPoP proof of this key (RFC 9449). NULL: not bound.';
COMMENT ON COLUMN anon_auth.sessions.device_kid IS 'The kid of the account''s device key that opened the session with authenticate_with_device_key(). The session ends when the key is removed. NULL: another login.';

CREATE TABLE anon_auth.authorization_codes (
	route uuid NOT NULL,
	code_hash anon_auth.hash NOT NULL,
	user_id uuid NOT NULL,
	client_id text NOT NULL,
	redirect_uri text NOT NULL,
	code_challenge anon_auth.base64url_hash NOT NULL,
	nonce text,
	authenticated_at timestamptz NOT NULL,
	amr text[],
	expires_at timestamptz NOT NULL,
	offline_access boolean NOT NULL DEFAULT true,
	hint_session_id uuid,
	source_session_id uuid,
	device_info anon_auth.json_object,
	dpop_jkt anon_auth.base64url_hash,
	session_id uuid,
	used_at timestamptz,

	PRIMARY KEY (route, code_hash),
	CONSTRAINT authorization_codes_user_id_fkey FOREIGN KEY (user_id)
		REFERENCES anon_auth.users (id) ON DELETE CASCADE
);
CREATE INDEX authorization_codes_user_id_idx ON anon_auth.authorization_codes (user_id);

COMMENT ON TABLE anon_auth.authorization_codes IS
'OAuth 2.0 authorization codes (RFC 6749, section 4.1, with PKCE, RFC 7636). A code that was exchanged is kept until it expires: if it is used again, its session ends.';
COMMENT ON COLUMN anon_auth.authorization_codes.route IS 'First 16 bytes of code_hash.';
COMMENT ON COLUMN anon_auth.authorization_codes.code_hash IS 'SHA-256 of the code.';
COMMENT ON COLUMN anon_auth.authorization_codes.code_challenge IS 'PKCE code challenge, method S256.';
COMMENT ON COLUMN anon_auth.authorization_codes.amr IS 'The methods of the login; see sessions.amr.';
COMMENT ON COLUMN anon_auth.authorization_codes.nonce IS 'The nonce claim of the ID token.';
COMMENT ON COLUMN anon_auth.authorization_codes.offline_access IS 'True if the client requested the scope offline_access: the session then has a refresh token.';
COMMENT ON COLUMN anon_auth.authorization_codes.hint_session_id IS 'The session of the id_token_hint, if that is a session of this client.';
COMMENT ON COLUMN anon_auth.authorization_codes.source_session_id IS 'The session that the code was issued from without a login (prompt=none). When it has ended, the code is not valid. NULL: the code was issued for a login.';
COMMENT ON COLUMN anon_auth.authorization_codes.device_info IS 'The device_info of the promotion or of its guest, for the session.';
COMMENT ON COLUMN anon_auth.authorization_codes.dpop_jkt IS 'Thumbprint (RFC 7638) of the key that the exchange needs a DPoP proof of. NULL: of none.';
COMMENT ON COLUMN anon_auth.authorization_codes.session_id IS 'The session whose tokens were issued for the code. NULL until it is used.';
COMMENT ON COLUMN anon_auth.authorization_codes.used_at IS 'Time of the exchange.';
