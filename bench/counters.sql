-- The counters outside the transaction, compared with one row per counter: an
-- UPSERT on an unlogged table, whose row lock the transaction holds.

CREATE UNLOGGED TABLE floor_limits (name text PRIMARY KEY, arrival_at timestamptz NOT NULL) WITH (fillfactor = 70);
CREATE FUNCTION floor_take(name text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO floor_limits AS l VALUES (name, clock_timestamp() + interval '1 millisecond')
	ON CONFLICT ON CONSTRAINT floor_limits_pkey DO UPDATE SET arrival_at = greatest(l.arrival_at, clock_timestamp()) + interval '1 millisecond'
		WHERE l.arrival_at < clock_timestamp() + interval '1 day';
	RETURN FOUND;
END $$;
CALL compare('take_rate_limit, against an UPSERT', 0.5, 5000,
	'SELECT count(*) FROM generate_series(1, $1) AS i WHERE anon_auth.take_rate_limit(''bench '' || i, 100000000, ''1 day'')',
	'SELECT count(*) FROM generate_series(1, $1) AS i WHERE floor_take(''bench '' || i)');
