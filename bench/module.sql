-- The functions of anon_auth_floor.so: see floor.c and device.c.

CREATE FUNCTION floor_sign(alg text, message text, calls integer) RETURNS void LANGUAGE c STRICT AS 'anon_auth_floor';
CREATE FUNCTION floor_verify(alg text, message text, calls integer) RETURNS void LANGUAGE c STRICT AS 'anon_auth_floor';
CREATE FUNCTION floor_verify_device(message text) RETURNS void LANGUAGE c STRICT AS 'anon_auth_floor';
CREATE FUNCTION floor_password_hash(memory_kib integer, passes integer) RETURNS text LANGUAGE c STRICT AS 'anon_auth_floor';
CREATE FUNCTION floor_uuid_v7() RETURNS uuid LANGUAGE c VOLATILE AS 'anon_auth_floor';
CREATE FUNCTION device_key() RETURNS bytea LANGUAGE c VOLATILE AS 'anon_auth_floor';
CREATE FUNCTION dpop_proof(key bytea, uri text, access_token text) RETURNS text LANGUAGE c STRICT AS 'anon_auth_floor';
CREATE FUNCTION device_request(key bytea, challenge text, action text, with_jwk boolean) RETURNS text LANGUAGE c STRICT AS 'anon_auth_floor';
CREATE FUNCTION passkey_creation(key bytea, challenge text) RETURNS text LANGUAGE c STRICT AS 'anon_auth_floor';
CREATE FUNCTION passkey_assertion(key bytea, challenge text, user_id uuid) RETURNS text LANGUAGE c STRICT AS 'anon_auth_floor';
