-- What is measured, and what was measured.  The two sides of an operation take
-- turns, so that a machine that is slow for a while is slow for both.
--
-- An operation more is a CALL compare(...) in the file of its subject, and where
-- it is a user's, one with footprint => true.  Through pgbench it is two files in
-- clients/, .ours.sql and .floor.sql, and a pgbench_compare in script/bench.

CREATE TABLE operations (
	place integer GENERATED ALWAYS AS IDENTITY,		-- in the table that is printed
	operation text,
	side text CHECK (side IN ('ours', 'floor')),
	calls integer,
	goal numeric,									-- ratio that we set ourselves; NULL: none
	footprint boolean NOT NULL DEFAULT false,		-- WAL and buffers are measured, too
	prepare text,									-- not timed; NULL: nothing to do
	statement text CHECK (statement LIKE '%$1%'),	-- $1: how many calls; NULL: pgbench runs it
	PRIMARY KEY (operation, side));
CREATE TABLE times (operation text, side text, round integer, microseconds double precision);

-- An operation of both sides.  Its statements are executed with $1, the calls.
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
	-- Round 0 warms caches, and makes keys.
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

-- Medians of the rounds' ratios: each compares neighbours in time.
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
