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

