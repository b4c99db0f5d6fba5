-- WAL and buffers of one call, and the memory of a backend.

-- Averages over $1 calls of the statement.
CREATE FUNCTION footprint(statement text, calls integer, OUT wal_bytes numeric, OUT buffers numeric) LANGUAGE plpgsql AS $$
DECLARE
	plan json;
BEGIN
	EXECUTE 'EXPLAIN (ANALYZE, BUFFERS, WAL, TIMING off, FORMAT json) ' || replace(statement, '$1', calls::text) INTO plan;
	plan := plan -> 0 -> 'Plan';
	wal_bytes := (plan ->> 'WAL Bytes')::numeric / calls;
	buffers := ((plan ->> 'Shared Hit Blocks')::numeric + (plan ->> 'Shared Read Blocks')::numeric) / calls;
END $$;

CREATE TABLE footprints (place integer, operation text, side text, wal_bytes numeric, buffers numeric);

CREATE PROCEDURE run_footprints() LANGUAGE plpgsql AS $$
DECLARE
	o operations;
	f record;
BEGIN
	-- The first change of a page writes the whole page to WAL.
	FOR round IN 1 .. 2 LOOP
		FOR o IN SELECT * FROM operations WHERE footprint ORDER BY place LOOP
			IF o.prepare IS NOT NULL THEN
				EXECUTE o.prepare USING o.calls;
			END IF;
			COMMIT;
			f := footprint(o.statement, o.calls);
			IF round = 2 THEN
				INSERT INTO footprints VALUES (o.place, o.operation, o.side, f.wal_bytes, f.buffers);
			END IF;
			COMMIT;
		END LOOP;
	END LOOP;
END $$;

CREATE FUNCTION footprint_results(OUT operation text, OUT wal_bytes numeric, OUT floor_wal_bytes numeric, OUT wal_ratio numeric,
	OUT buffers numeric, OUT floor_buffers numeric, OUT buffer_ratio numeric, OUT goal numeric) RETURNS SETOF record LANGUAGE sql AS $$
	SELECT o.operation, round(o.wal_bytes), round(f.wal_bytes), round(o.wal_bytes / nullif(f.wal_bytes, 0), 2),
		round(o.buffers, 1), round(f.buffers, 1), round(o.buffers / nullif(f.buffers, 0), 2), 1.1
	FROM footprints AS o JOIN footprints AS f USING (operation)
	WHERE o.side = 'ours' AND f.side = 'floor' ORDER BY o.place
$$;

-- In kB: the memory of this backend alone, and its memory contexts.
CREATE FUNCTION backend_memory(OUT rss_anon integer, OUT contexts integer) LANGUAGE sql AS $$
	SELECT (regexp_match(pg_read_file('/proc/self/status'), 'RssAnon:\s+(\d+)'))[1]::integer, (sum(total_bytes) / 1024)::integer
	FROM pg_backend_memory_contexts
$$;
