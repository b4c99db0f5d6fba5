-- ---------------------------------------------------------------------------
-- Only the owner accesses the tables; other roles call functions.  Row-level
-- security without a policy denies access even if a privilege was granted by
-- mistake.
-- ---------------------------------------------------------------------------


ALTER TABLE anon_auth.settings ENABLE ROW LEVEL SECURITY;
ALTER TABLE anon_auth.clients ENABLE ROW LEVEL SECURITY;
ALTER TABLE anon_auth.users ENABLE ROW LEVEL SECURITY;
ALTER TABLE anon_auth.device_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE anon_auth.removed_device_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE anon_auth.merged_guests ENABLE ROW LEVEL SECURITY;
ALTER TABLE anon_auth.login_ids ENABLE ROW LEVEL SECURITY;
ALTER TABLE anon_auth.passwords ENABLE ROW LEVEL SECURITY;
ALTER TABLE anon_auth.sessions ENABLE ROW LEVEL SECURITY;
ALTER TABLE anon_auth.authorization_codes ENABLE ROW LEVEL SECURITY;
ALTER TABLE anon_auth.signing_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE anon_auth.events ENABLE ROW LEVEL SECURITY;

SELECT pg_catalog.pg_extension_config_dump('anon_auth.settings'::pg_catalog.regclass, '');
SELECT pg_catalog.pg_extension_config_dump('anon_auth.clients'::pg_catalog.regclass, '');
SELECT pg_catalog.pg_extension_config_dump('anon_auth.users'::pg_catalog.regclass, '');
SELECT pg_catalog.pg_extension_config_dump('anon_auth.device_keys'::pg_catalog.regclass, '');
SELECT pg_catalog.pg_extension_config_dump('anon_auth.removed_device_keys'::pg_catalog.regclass, '');
SELECT pg_catalog.pg_extension_config_dump('anon_auth.merged_guests'::pg_catalog.regclass, '');
SELECT pg_catalog.pg_extension_config_dump('anon_auth.login_ids'::pg_catalog.regclass, '');
SELECT pg_catalog.pg_extension_config_dump('anon_auth.passwords'::pg_catalog.regclass, '');
SELECT pg_catalog.pg_extension_config_dump('anon_auth.sessions'::pg_catalog.regclass, '');
SELECT pg_catalog.pg_extension_config_dump('anon_auth.authorization_codes'::pg_catalog.regclass, '');
SELECT pg_catalog.pg_extension_config_dump('anon_auth.signing_keys'::pg_catalog.regclass, '');
SELECT pg_catalog.pg_extension_config_dump('anon_auth.events'::pg_catalog.regclass, '');
