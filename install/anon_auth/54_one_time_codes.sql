-- ---------------------------------------------------------------------------
-- One-time codes, and the outbox
--
-- A code proves that somebody can read an address.  The database sends no messages:
-- a worker of the application takes them from the outbox.  one_time_codes and
-- address_codes store keyed hashes; only the outbox contains codes, encrypted.
--
-- The codes of one_time_codes belong to a user.  Those of address_codes belong to an
-- address and to the person who asked: the address may belong to nobody yet.
-- ---------------------------------------------------------------------------

CREATE TABLE anon_auth.one_time_codes (
	user_id uuid NOT NULL,
	purpose text NOT NULL,
	login_id_type anon_auth.address_type NOT NULL,
	code_hash anon_auth.hash NOT NULL,
	created_at timestamptz NOT NULL,
	expires_at timestamptz NOT NULL,

	PRIMARY KEY (user_id, purpose, login_id_type),
	CONSTRAINT one_time_codes_user_id_fkey FOREIGN KEY (user_id)
		REFERENCES anon_auth.users (id) ON DELETE CASCADE,
	CONSTRAINT one_time_codes_purpose_check
		CHECK (purpose OPERATOR(pg_catalog.=) ANY ('{login_id_verification,password_reset}'::pg_catalog.text[]))
);
CREATE INDEX one_time_codes_expires_at_idx ON anon_auth.one_time_codes (expires_at);
ALTER TABLE anon_auth.one_time_codes ENABLE ROW LEVEL SECURITY;
SELECT pg_catalog.pg_extension_config_dump('anon_auth.one_time_codes'::pg_catalog.regclass, '');
COMMENT ON TABLE anon_auth.one_time_codes IS
'Codes that were sent and not used yet. Only the newest code is kept for each user, purpose and type of address.';
COMMENT ON COLUMN anon_auth.one_time_codes.code_hash IS
'BLAKE2b of the code, keyed with a key derived from the master key. A plain hash of six digits could be inverted by trying all codes.';

CREATE TABLE anon_auth.address_codes (
	route uuid NOT NULL,
	id uuid NOT NULL,
	login_id_type anon_auth.address_type NOT NULL,
	recipient text NOT NULL,
	asker uuid,
	client_id text NOT NULL,
	client_address inet,
	flow text,
	code_hash anon_auth.hash NOT NULL,
	link_code_hash anon_auth.hash,
	created_at timestamptz NOT NULL,
	expires_at timestamptz NOT NULL,

	PRIMARY KEY (route, id)
);
CREATE INDEX address_codes_expires_at_idx ON anon_auth.address_codes (expires_at);
ALTER TABLE anon_auth.address_codes ENABLE ROW LEVEL SECURITY;
SELECT pg_catalog.pg_extension_config_dump('anon_auth.address_codes'::pg_catalog.regclass, '');
COMMENT ON TABLE anon_auth.address_codes IS
'Login codes that were sent and not used yet. A code belongs to an address, whether or not a user has it, and to the guest who asked for it, if one did.';
COMMENT ON COLUMN anon_auth.address_codes.route IS 'The route that the address has, or would have, in login_ids.';
COMMENT ON COLUMN anon_auth.address_codes.id IS 'A UUIDv7.';
COMMENT ON COLUMN anon_auth.address_codes.login_id_type IS 'email or phone_number.';
COMMENT ON COLUMN anon_auth.address_codes.recipient IS 'The address that the message is sent to: as the user typed it, or as a user who has proven it typed it.';
COMMENT ON COLUMN anon_auth.address_codes.asker IS 'The guest whose proof the request had. The code works for this guest only. NULL: the request had no proof.';
COMMENT ON COLUMN anon_auth.address_codes.client_address IS 'The address that the request came from: see use_client_address(). NULL if unknown, or if settings.session_client_address is off.';
COMMENT ON COLUMN anon_auth.address_codes.flow IS 'The authorization request of the page on which the code was requested: its parameter x_ref. Only the browser that has the flow''s cookie can use it. NULL: the code was not requested on a page.';
COMMENT ON COLUMN anon_auth.address_codes.code_hash IS 'BLAKE2b of the six digits, keyed with a key derived from the master key.';
COMMENT ON COLUMN anon_auth.address_codes.link_code_hash IS 'The same of the long code in the link. NULL: settings.code_link_uri was not set.';

CREATE TABLE anon_auth.outbox (
	route uuid NOT NULL,
	id uuid NOT NULL,
	user_id uuid,
	type text NOT NULL,
	login_id_type anon_auth.address_type NOT NULL,
	recipient text NOT NULL,
	sealed_code bytea,
	created_at timestamptz NOT NULL,
	expires_at timestamptz NOT NULL,
	client_id text,
	language text,

	PRIMARY KEY (route, id)
);
CREATE INDEX outbox_id_idx ON anon_auth.outbox (id);
ALTER TABLE anon_auth.outbox ENABLE ROW LEVEL SECURITY;
-- No pg_extension_config_dump(): a restored copy must not send the messages again.
COMMENT ON TABLE anon_auth.outbox IS
'Messages to be sent by your worker, which takes them with take_outbox_messages(). NOTIFY anon_auth_outbox announces new messages. Dumps do not contain this table.';
COMMENT ON COLUMN anon_auth.outbox.route IS 'user_id, or the route that the recipient has, or would have, in login_ids.';
COMMENT ON COLUMN anon_auth.outbox.id IS 'A UUIDv7. The oldest message has the lowest id.';
COMMENT ON COLUMN anon_auth.outbox.user_id IS 'The user that the message is about. NULL for a code of request_login_code() or request_login_id_code(): it is sent whether or not a user has the address.';
COMMENT ON COLUMN anon_auth.outbox.type IS 'login_code, promotion (a login code that a guest has asked for), login_id_verification or password_reset; or a notice without a code: login_id_taken, password_changed, login_id_added, login_id_removed, identity_added, identity_removed, device_key_added, device_key_removed, passkey_added, passkey_removed or account_deletion_scheduled.';
COMMENT ON COLUMN anon_auth.outbox.login_id_type IS 'email or phone_number.';
COMMENT ON COLUMN anon_auth.outbox.recipient IS 'The address as the user typed it.';
COMMENT ON COLUMN anon_auth.outbox.client_id IS 'The client that the code was requested with. NULL: unknown.';
COMMENT ON COLUMN anon_auth.outbox.language IS 'Language tag (BCP 47) of the message: the first of ui_locales, or the locale attribute of the user. NULL: unknown.';
COMMENT ON COLUMN anon_auth.outbox.sealed_code IS 'The code that the user must type (six digits, or ten characters for a password reset) and the long code of a link, sealed: encrypted with XChaCha20-Poly1305 under a key derived from the master key, with route, id and recipient as additional data. NULL: a notice without a code.';

