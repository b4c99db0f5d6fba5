-- ---------------------------------------------------------------------------
-- Identities at other providers of OpenID Connect
--
-- The database makes no requests: a worker of the application fetches the keys of
-- the providers and stores them with set_identity_provider_keys().
-- ---------------------------------------------------------------------------

CREATE TABLE anon_auth.identity_providers (
	issuer text NOT NULL PRIMARY KEY,
	audiences text[] NOT NULL,
	algorithms text[] NOT NULL DEFAULT '{RS256,ES256}',
	trust_email boolean NOT NULL DEFAULT false,
	jwks jsonb,
	keys_set_at timestamptz,
	created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),

	CONSTRAINT identity_providers_issuer_check
		CHECK ((issuer OPERATOR(pg_catalog.~) '^https://[^/?#[:space:]]+(/[^?#[:space:]]*)?$'
				OR issuer OPERATOR(pg_catalog.~) '^http://(localhost|127[.]0[.]0[.]1|\[::1\])(:[0-9]+)?(/[^?#[:space:]]*)?$')
			   AND pg_catalog.octet_length(issuer) OPERATOR(pg_catalog.<=) 2000),
	CONSTRAINT identity_providers_audiences_check
		CHECK (pg_catalog.cardinality(audiences) OPERATOR(pg_catalog.>) 0
			   AND pg_catalog.array_position(audiences, NULL) IS NULL
			   AND '' OPERATOR(pg_catalog.<>) ALL (audiences)),
	CONSTRAINT identity_providers_algorithms_check
		CHECK (pg_catalog.cardinality(algorithms) OPERATOR(pg_catalog.>) 0
			   AND algorithms OPERATOR(pg_catalog.<@) '{ES256,ES384,ES512,EdDSA,RS256,RS384,RS512,PS256,PS384,PS512}'::pg_catalog.text[]),
	CONSTRAINT identity_providers_jwks_check
		CHECK (jwks IS NULL
			   OR COALESCE(pg_catalog.jsonb_typeof(jwks OPERATOR(pg_catalog.->) 'keys') OPERATOR(pg_catalog.=) 'array', false)),
	CONSTRAINT identity_providers_keys_set_at_check
		CHECK ((jwks IS NULL) OPERATOR(pg_catalog.=) (keys_set_at IS NULL))
);
ALTER TABLE anon_auth.identity_providers ENABLE ROW LEVEL SECURITY;
SELECT pg_catalog.pg_extension_config_dump('anon_auth.identity_providers'::pg_catalog.regclass, '');

COMMENT ON TABLE anon_auth.identity_providers IS
'Providers of OpenID Connect whose ID tokens authenticate_with_id_token() and related functions accept. See create_identity_provider(). Without its row, a provider''s tokens are refused; the identities of its users stay.';
COMMENT ON COLUMN anon_auth.identity_providers.issuer IS 'The iss claim of the provider''s ID tokens, compared byte for byte. Begins with https://; http:// is only allowed for localhost, 127.0.0.1 and [::1].';
COMMENT ON COLUMN anon_auth.identity_providers.audiences IS 'Your client IDs at the provider. Every value of a token''s aud claim must be one of them, and its azp claim, if present.';
COMMENT ON COLUMN anon_auth.identity_providers.algorithms IS 'JWS algorithms that are accepted from the provider. A key with an alg is accepted only with that one.';
COMMENT ON COLUMN anon_auth.identity_providers.trust_email IS 'True if an email claim with email_verified counts as proof of the address. Otherwise it is only stored as a claim of the identity.';
COMMENT ON COLUMN anon_auth.identity_providers.jwks IS 'The provider''s public keys, as a JWK Set (RFC 7517) that set_identity_provider_keys() has checked. NULL: not set yet.';
COMMENT ON COLUMN anon_auth.identity_providers.keys_set_at IS 'When jwks was set last, whether or not the keys changed.';

CREATE TABLE anon_auth.user_identities (
	route uuid NOT NULL,
	issuer text NOT NULL,
	subject text NOT NULL,
	user_id uuid NOT NULL,
	claims anon_auth.json_object NOT NULL,
	used_challenges bytea NOT NULL,
	created_at timestamptz NOT NULL,
	last_used_at timestamptz NOT NULL,

	PRIMARY KEY (route, issuer, subject),
	CONSTRAINT user_identities_user_id_fkey FOREIGN KEY (user_id)
		REFERENCES anon_auth.users (id) ON DELETE CASCADE
) WITH (fillfactor = 70);
CREATE INDEX user_identities_user_id_idx ON anon_auth.user_identities (user_id);
ALTER TABLE anon_auth.user_identities ENABLE ROW LEVEL SECURITY;
SELECT pg_catalog.pg_extension_config_dump('anon_auth.user_identities'::pg_catalog.regclass, '');

COMMENT ON CONSTRAINT identity_providers_issuer_check ON anon_auth.identity_providers IS
'An issuer begins with https://, or with http:// for localhost, 127.0.0.1 or [::1]. It has no query, no fragment and no white space, and at most 2000 bytes.';
COMMENT ON CONSTRAINT identity_providers_audiences_check ON anon_auth.identity_providers IS
'There is at least one audience, and none is empty or NULL.';
COMMENT ON CONSTRAINT identity_providers_algorithms_check ON anon_auth.identity_providers IS
'There is at least one algorithm, and each is one of ES256, ES384, ES512, EdDSA, RS256, RS384, RS512, PS256, PS384 and PS512.';

COMMENT ON TABLE anon_auth.user_identities IS
'Identities of accounts at other providers. Each belongs to at most one account; an account can have several.';
COMMENT ON COLUMN anon_auth.user_identities.route IS 'First 16 bytes of the SHA-256 of issuer, a zero byte and subject.';
COMMENT ON COLUMN anon_auth.user_identities.issuer IS 'The iss claim: identity_providers.issuer.';
COMMENT ON COLUMN anon_auth.user_identities.subject IS 'The sub claim: the provider''s id of the user.';
COMMENT ON COLUMN anon_auth.user_identities.claims IS 'Profile claims of the ID tokens, such as name and email. A claim keeps its last value if later tokens do not have it.';
COMMENT ON COLUMN anon_auth.user_identities.used_challenges IS 'Challenges in the nonces of ID tokens of this identity that were used and have not expired. So each ID token works once.';
COMMENT ON COLUMN anon_auth.user_identities.last_used_at IS 'When an ID token of this identity was used last.';

CREATE TABLE anon_auth.removed_identities (
	route uuid NOT NULL PRIMARY KEY,
	used_challenges bytea NOT NULL,
	removed_at timestamptz NOT NULL
);
ALTER TABLE anon_auth.removed_identities ENABLE ROW LEVEL SECURITY;
SELECT pg_catalog.pg_extension_config_dump('anon_auth.removed_identities'::pg_catalog.regclass, '');

COMMENT ON TABLE anon_auth.removed_identities IS
'Challenges that identities had used when they were removed from an account, or when the account was deleted. So an ID token that was used before does not work again as a sign-up. purge() deletes the rows after 10 minutes.';
COMMENT ON COLUMN anon_auth.removed_identities.route IS 'user_identities.route: a hash. Anybody who knows the issuer and the subject can compute it.';
COMMENT ON COLUMN anon_auth.removed_identities.used_challenges IS 'user_identities.used_challenges. They have no effect after 10 minutes.';
