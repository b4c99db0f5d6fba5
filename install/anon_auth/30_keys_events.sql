-- ---------------------------------------------------------------------------
-- signing keys, audit events
-- ---------------------------------------------------------------------------

CREATE TABLE anon_auth.signing_keys (
	kid text NOT NULL PRIMARY KEY,
	alg text NOT NULL,
	state text NOT NULL,
	public_jwk jsonb NOT NULL,
	sealed_private_key bytea NOT NULL,
	master_key_id text NOT NULL,
	created_at timestamptz NOT NULL,
	signs_from timestamptz NOT NULL,
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
'Keys that sign tokens. The active key with the latest signs_from that has passed signs. Active and retiring keys verify tokens and are listed in jwks(). A new key is listed for settings.signing_key_lead_time before it signs.';
COMMENT ON COLUMN anon_auth.signing_keys.kid IS 'Key ID: the RFC 7638 thumbprint, or the kid of the imported JWK.';
COMMENT ON COLUMN anon_auth.signing_keys.state IS 'active: signs from signs_from on, and verifies. retiring: signs until retiring_since, and verifies until verify_until. retired: does neither.';
COMMENT ON COLUMN anon_auth.signing_keys.public_jwk IS 'Public members of the JWK. For HS256, only the key type.';
COMMENT ON COLUMN anon_auth.signing_keys.sealed_private_key IS 'Private key, sealed: encrypted with XChaCha20-Poly1305 under the master key, with kid as additional data.';
COMMENT ON COLUMN anon_auth.signing_keys.signs_from IS 'When the key begins to sign tokens. Until then it only verifies, so that all verifiers can learn of it first.';
COMMENT ON COLUMN anon_auth.signing_keys.retiring_since IS 'When the key stops signing, because the key that replaced it begins. Can be in the future.';
COMMENT ON COLUMN anon_auth.signing_keys.verify_until IS 'When the last token that a retiring key signed expires. NULL: unknown; the key verifies until it is retired.';
COMMENT ON COLUMN anon_auth.signing_keys.master_key_id IS 'Id of the master key that seals the private key.';

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
'Append-only audit log. An event is written in the transaction that it reports. Types: user.created, user.imported, user.authenticated, user.anonymous.promoted, user.anonymous.merged, user.signed_out, user.disabled, user.enabled, user.roles_set, account.exported, user.deleted, user.deletion_scheduled, user.deletion_unscheduled, authentication.failed, authentication.lockout, refresh_token.reused, authorization_code.reused, verification.requested, login_id.verified, login_id.conflict, login_id.taken, login_code.requested, user.reclaimed, password_reset.requested, password.reset, password.set, password.changed, login_id.added, login_id.removed, profile.updated, identity.added, identity.removed, device_key.added, device_key.removed, identity_provider.keys_changed, passkey.added, passkey.removed, passkey.counter_not_increased.';
COMMENT ON COLUMN anon_auth.events.user_id IS
'The user that the event is about, who may have been deleted since. The nil UUID if no user is known.';
COMMENT ON COLUMN anon_auth.events.id IS 'A UUIDv7. The ids of one connection, and so of one transaction, are in the order of the events.';
COMMENT ON COLUMN anon_auth.events.payload IS 'Details. Never contains a token, a password or a hash of one.';

