-- What is measured, and what was measured.  The two sides of an operation take
-- turns, so that a machine that is slow for a while is slow for both.

CREATE TABLE operations (
	operation text,
	side text CHECK (side IN ('ours', 'floor')),
	calls integer,
	goal numeric,
	statement text,
	PRIMARY KEY (operation, side));
CREATE TABLE times (operation text, side text, round integer, microseconds double precision);

CREATE PROCEDURE run_rounds(rounds integer) LANGUAGE plpgsql AS $$
DECLARE
	o operations;
	begun timestamptz;
BEGIN
	-- Round 0 warms caches, and makes keys.
	FOR round IN 0 .. rounds LOOP
		FOR o IN SELECT * FROM operations ORDER BY operation, (side = 'ours') = (round % 2 = 0) LOOP
			begun := clock_timestamp();
			EXECUTE o.statement USING o.calls;
			IF round > 0 THEN
				INSERT INTO times VALUES (o.operation, o.side, round, extract(epoch FROM clock_timestamp() - begun) * 1e6 / o.calls);
			END IF;
			COMMIT;
		END LOOP;
	END LOOP;
END $$;

-- Medians of the rounds' ratios: each compares neighbours in time.
CREATE VIEW results AS
SELECT operation, round(percentile_cont(0.5) WITHIN GROUP (ORDER BY ours.microseconds)::numeric, 1) AS ours_us,
	round(percentile_cont(0.5) WITHIN GROUP (ORDER BY base.microseconds)::numeric, 1) AS floor_us,
	round(percentile_cont(0.5) WITHIN GROUP (ORDER BY ours.microseconds / base.microseconds)::numeric, 3) AS ratio,
	(SELECT goal FROM operations o WHERE o.operation = ours.operation AND o.side = 'ours') AS goal
FROM times ours JOIN times base USING (operation, round)
WHERE ours.side = 'ours' AND base.side = 'floor'
GROUP BY operation
ORDER BY operation;
