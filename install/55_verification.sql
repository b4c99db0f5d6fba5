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
