-- ---------------------------------------------------------------------------
-- Rules for the values of single columns
--
-- PostgreSQL prepares the CHECK constraints of a table again for each statement that
-- writes a row, whatever it changes.  Those of a domain are prepared once, and checked
-- only when the column gets a value.  So in the tables of users, a rule for one
-- column is a domain, and a rule for several columns is a CHECK constraint.
-- ---------------------------------------------------------------------------

CREATE DOMAIN anon_auth.json_object AS jsonb
	CHECK (pg_catalog.jsonb_typeof(VALUE) OPERATOR(pg_catalog.=) 'object');
COMMENT ON DOMAIN anon_auth.json_object IS 'A JSON object.';

CREATE DOMAIN anon_auth.role_names AS text[]
	CHECK (pg_catalog.cardinality(VALUE) OPERATOR(pg_catalog.=) 0
		   OR (pg_catalog.cardinality(VALUE) OPERATOR(pg_catalog.<=) 32
			   AND pg_catalog.array_to_string(VALUE, ',', '')
			   OPERATOR(pg_catalog.~) '^[A-Za-z0-9_.:/-]{1,64}(,[A-Za-z0-9_.:/-]{1,64})*$'));
COMMENT ON DOMAIN anon_auth.role_names IS 'At most 32 roles of a user, each of 1 to 64 characters.';

CREATE DOMAIN anon_auth.key_id AS text CHECK (VALUE OPERATOR(pg_catalog.~) '^[-A-Za-z0-9_]{8,64}$');
COMMENT ON DOMAIN anon_auth.key_id IS 'The kid that a device has chosen for its key.';

CREATE DOMAIN anon_auth.credential_id AS bytea
	CHECK (pg_catalog.octet_length(VALUE) OPERATOR(pg_catalog.>=) 1
		   AND pg_catalog.octet_length(VALUE) OPERATOR(pg_catalog.<=) 1023);
COMMENT ON DOMAIN anon_auth.credential_id IS 'The id of a WebAuthn credential.';

CREATE DOMAIN anon_auth.sign_count AS bigint
	CHECK (VALUE OPERATOR(pg_catalog.>=) 0 AND VALUE OPERATOR(pg_catalog.<=) 4294967295);
COMMENT ON DOMAIN anon_auth.sign_count IS 'The signature counter of a WebAuthn authenticator: 32 bits, unsigned.';

CREATE DOMAIN anon_auth.address_type AS text
	CHECK (VALUE OPERATOR(pg_catalog.=) ANY ('{email,phone_number}'::pg_catalog.text[]));
COMMENT ON DOMAIN anon_auth.address_type IS 'The type of a login ID that messages are sent to: email or phone_number.';

CREATE DOMAIN anon_auth.password_hash AS text
	CHECK (VALUE OPERATOR(pg_catalog.~) '^[$](argon2id|imported)[$]');
COMMENT ON DOMAIN anon_auth.password_hash IS 'A hash of Argon2id, or an imported one within it.';

CREATE DOMAIN anon_auth.session_type AS text
	CHECK (VALUE OPERATOR(pg_catalog.=) ANY ('{refresh_token,cookie}'::pg_catalog.text[]));
COMMENT ON DOMAIN anon_auth.session_type IS 'refresh_token or cookie.';

CREATE DOMAIN anon_auth.user_agent AS text
	CHECK (pg_catalog.length(VALUE) OPERATOR(pg_catalog.<=) 512);
COMMENT ON DOMAIN anon_auth.user_agent IS 'A User-Agent header, or the first 512 characters of it.';

CREATE DOMAIN anon_auth.hash AS bytea
	CHECK (pg_catalog.octet_length(VALUE) OPERATOR(pg_catalog.=) 32);
COMMENT ON DOMAIN anon_auth.hash IS 'A hash of 32 bytes.';

CREATE DOMAIN anon_auth.base64url_hash AS text
	CHECK (VALUE OPERATOR(pg_catalog.~) '^[-A-Za-z0-9_]{43}$');
COMMENT ON DOMAIN anon_auth.base64url_hash IS 'A hash of 32 bytes in base64url without padding: a JWK thumbprint (RFC 7638) or a code challenge (RFC 7636).';

