-- Row security over a million rows.  Three roles read one table: with uid() and
-- is_anonymous() as docs/guide.md recommends, with uid() outside a sub-select,
-- and with constants.

CREATE ROLE reader;
CREATE ROLE careless_reader;
CREATE ROLE constant_reader;
SELECT anon_auth.grant_client_api('reader') \g /dev/null
SELECT anon_auth.grant_client_api('careless_reader') \g /dev/null

CREATE TABLE notes (id integer, user_id uuid, for_guests boolean);
INSERT INTO notes SELECT i, CASE WHEN i % 10 = 0 THEN (SELECT user_id FROM anon_auth.sessions LIMIT 1) ELSE gen_random_uuid() END, true
FROM generate_series(1, 1000000) AS i;
VACUUM ANALYZE notes;
GRANT SELECT ON notes TO reader, careless_reader, constant_reader;
ALTER TABLE notes ENABLE ROW LEVEL SECURITY;

CREATE TABLE note_reader AS
SELECT g.refresh_token, r.sub FROM guests AS g, LATERAL anon_auth.refresh_session('app', refresh_token) AS r WHERE i = 1;
UPDATE notes SET user_id = (SELECT sub FROM note_reader) WHERE id % 10 = 0;
VACUUM FULL ANALYZE notes;
DO $$ BEGIN
	EXECUTE 'CREATE POLICY by_uid ON notes TO reader USING (user_id = (SELECT anon_auth.uid()) AND for_guests = (SELECT anon_auth.is_anonymous()))';
	EXECUTE 'CREATE POLICY by_uid_each_row ON notes TO careless_reader USING (user_id = anon_auth.uid() AND for_guests = anon_auth.is_anonymous())';
	EXECUTE format('CREATE POLICY by_constant ON notes TO constant_reader USING (user_id = %L AND for_guests = true)', (SELECT sub FROM note_reader));
END $$;

DO $$
DECLARE
	role text;
BEGIN
	FOREACH role IN ARRAY '{reader,careless_reader,constant_reader}'::text[] LOOP
		EXECUTE format('CREATE FUNCTION count_as_%s() RETURNS bigint LANGUAGE sql VOLATILE SECURITY DEFINER AS ''SELECT count(*) FROM public.notes''', role);
		EXECUTE format('ALTER FUNCTION count_as_%1$s() OWNER TO %1$s', role);
	END LOOP;
END $$;
CREATE FUNCTION prepare_reader() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	SET max_parallel_workers_per_gather = 0;
	PERFORM anon_auth.use_access_token(r.access_token, false)
	FROM note_reader AS n, anon_auth.refresh_session('app', n.refresh_token) AS r;
END $$;

-- Every tenth row belongs to the caller.
CREATE FUNCTION expect_notes(visible bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF visible <> 100000 THEN RAISE EXCEPTION 'row security shows % rows', visible; END IF;
END $$;
CALL compare('1,000,000 rows by (SELECT uid())', 1.05, 1,
	'SELECT expect_notes(count_as_reader()) WHERE $1 = 1', 'SELECT expect_notes(count_as_constant_reader()) WHERE $1 = 1',
	'SELECT prepare_reader() WHERE $1 = 1', 'SELECT prepare_reader() WHERE $1 = 1');
CALL compare('1,000,000 rows by uid()', NULL, 1,
	'SELECT expect_notes(count_as_careless_reader()) WHERE $1 = 1', 'SELECT expect_notes(count_as_constant_reader()) WHERE $1 = 1',
	'SELECT prepare_reader() WHERE $1 = 1', 'SELECT prepare_reader() WHERE $1 = 1');
