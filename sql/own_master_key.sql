--
-- Give the tests their own master key file, in the data directory, so that
-- `make installcheck` changes nothing for other databases of the server. The
-- key is no secret.
--
DO $$
BEGIN
	COPY (SELECT 'da604d34447dc3d0 8li764sfkSXw7HBzKmoMkYunrnxZjj5lG-7ithZueJc') TO PROGRAM 'umask 077; cat >anon_auth.regress.master_key';
	EXECUTE format('ALTER DATABASE %I SET anon_auth.master_key_file = %L', current_database(),
				   current_setting('data_directory') || '/anon_auth.regress.master_key');
END
$$;

\c
SHOW anon_auth.master_key_file \g /dev/null
SELECT current_setting('anon_auth.master_key_file') ~ '/anon_auth[.]regress[.]master_key$' AS has_its_own;
