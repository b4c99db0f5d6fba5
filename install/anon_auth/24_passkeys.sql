-- ---------------------------------------------------------------------------
-- Passkeys: credentials of WebAuthn
-- ---------------------------------------------------------------------------

CREATE TABLE anon_auth.passkeys (
	route uuid NOT NULL,
	credential_id anon_auth.credential_id NOT NULL,
	user_id uuid NOT NULL,
	alg text NOT NULL,
	jwk jsonb NOT NULL,
	sign_count anon_auth.sign_count NOT NULL,
	is_backup_eligible boolean NOT NULL,
	is_backed_up boolean NOT NULL,
	transports text[],
	name text,
	used_challenges bytea NOT NULL,
	created_at timestamptz NOT NULL,
	last_used_at timestamptz NOT NULL,

	PRIMARY KEY (route, credential_id),
	CONSTRAINT passkeys_user_id_fkey FOREIGN KEY (user_id)
		REFERENCES anon_auth.users (id) ON DELETE CASCADE,
	CONSTRAINT passkeys_is_backed_up_check CHECK (is_backup_eligible OR NOT is_backed_up)
) WITH (fillfactor = 70);
CREATE INDEX passkeys_user_id_idx ON anon_auth.passkeys (user_id);
ALTER TABLE anon_auth.passkeys ENABLE ROW LEVEL SECURITY;
SELECT pg_catalog.pg_extension_config_dump('anon_auth.passkeys'::pg_catalog.regclass, '');

COMMENT ON TABLE anon_auth.passkeys IS
'Passkeys of guests and accounts: public keys of WebAuthn credentials. Private keys never reach the server. A user can have up to 20.';
COMMENT ON COLUMN anon_auth.passkeys.route IS 'First 16 bytes of the SHA-256 of credential_id.';
COMMENT ON COLUMN anon_auth.passkeys.credential_id IS 'The id that the authenticator gave. list_passkeys() shows it in base64url.';
COMMENT ON COLUMN anon_auth.passkeys.alg IS 'The only JWS algorithm that is accepted for this key: ES256, EdDSA or RS256.';
COMMENT ON COLUMN anon_auth.passkeys.jwk IS 'The public JWK (RFC 7517), with its required members only.';
COMMENT ON COLUMN anon_auth.passkeys.sign_count IS 'The counter in the last accepted response. 0 if the authenticator has none, as most passkeys that are synchronized.';
COMMENT ON COLUMN anon_auth.passkeys.is_backup_eligible IS 'True if the authenticator can copy the passkey to other devices. Does not change.';
COMMENT ON COLUMN anon_auth.passkeys.is_backed_up IS 'True if the authenticator had a copy of the passkey elsewhere when it was used last.';
COMMENT ON COLUMN anon_auth.passkeys.transports IS 'How browsers reach the authenticator, such as internal or hybrid: for the lists in passkey_creation_options(). NULL: unknown.';
COMMENT ON COLUMN anon_auth.passkeys.name IS 'The name that the user gave it. NULL: none.';
COMMENT ON COLUMN anon_auth.passkeys.used_challenges IS 'Challenges that this passkey has used and that have not expired. A passkey can use each challenge once.';
COMMENT ON COLUMN anon_auth.passkeys.last_used_at IS 'When somebody logged in with it last, or added it.';
