-- The operations to measure, and the results.  The two sides of an operation
-- alternate, so that a slow phase of the machine affects both.
--
-- To add an operation, add a CALL compare(...) to the file of its subject.  If
-- clients call the operation, add footprint => true.  For an operation through
-- pgbench, add .ours.sql and .floor.sql in clients/, and a pgbench_compare in
-- script/bench.

CREATE TABLE operations (
	place integer GENERATED ALWAYS AS IDENTITY,		-- order in the printed table
	operation text,
	side text CHECK (side IN ('ours', 'floor')),
	calls integer,
	goal numeric,									-- our own goal for the ratio; NULL: none
	footprint boolean NOT NULL DEFAULT false,		-- WAL and buffers are also measured
	prepare text,									-- not timed; NULL: nothing to prepare
	statement text CHECK (statement LIKE '%$1%'),	-- $1: number of calls; NULL: pgbench runs it
	PRIMARY KEY (operation, side));
CREATE TABLE times (operation text, side text, round integer, microseconds double precision);

-- Add an operation.  The statements of both sides are executed with $1, the
-- number of calls.
CREATE PROCEDURE compare(operation text, goal numeric, calls integer, ours text, floor text,
	prepare_ours text DEFAULT NULL, prepare_floor text DEFAULT NULL, footprint boolean DEFAULT false)
BEGIN ATOMIC
	INSERT INTO operations (operation, side, calls, goal, footprint, prepare, statement)
	VALUES (operation, 'ours', calls, goal, footprint, prepare_ours, ours),
		(operation, 'floor', calls, NULL, footprint, prepare_floor, floor);
END;

CREATE PROCEDURE run_rounds(rounds integer) LANGUAGE plpgsql AS $$
DECLARE
	o operations;
	begun timestamptz;
BEGIN
	-- Round 0 warms up caches and creates keys.
	FOR round IN 0 .. rounds LOOP
		FOR o IN SELECT * FROM operations WHERE statement IS NOT NULL
				ORDER BY operation, (side = 'ours') = (round % 2 = 0) LOOP
			IF o.prepare IS NOT NULL THEN
				EXECUTE o.prepare USING o.calls;
				COMMIT;
			END IF;
			begun := clock_timestamp();
			EXECUTE o.statement USING o.calls;
			IF round > 0 THEN
				INSERT INTO times VALUES (o.operation, o.side, round, extract(epoch FROM clock_timestamp() - begun) * 1e6 / o.calls);
			END IF;
			COMMIT;
		END LOOP;
		ANALYZE;
	END LOOP;
END $$;

-- Medians of the ratios of all rounds: each ratio compares measurements that
-- are close in time.
CREATE VIEW results AS
SELECT o.operation, round(percentile_cont(0.5) WITHIN GROUP (ORDER BY ours.microseconds)::numeric, 1) AS ours_us,
	round(percentile_cont(0.5) WITHIN GROUP (ORDER BY base.microseconds)::numeric, 1) AS floor_us,
	round(percentile_cont(0.5) WITHIN GROUP (ORDER BY ours.microseconds / base.microseconds)::numeric, 3) AS ratio,
	o.goal,
	CASE WHEN percentile_cont(0.5) WITHIN GROUP (ORDER BY ours.microseconds / base.microseconds) > o.goal THEN 'over' END AS " "
FROM operations o JOIN times ours ON ours.operation = o.operation AND ours.side = o.side
	JOIN times base ON base.operation = ours.operation AND base.round = ours.round AND base.side = 'floor'
WHERE o.side = 'ours'
GROUP BY o.place, o.operation, o.goal
ORDER BY o.place;
