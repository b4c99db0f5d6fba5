-- Makes docs/reference.md from the comments in the catalog, from the examples in
-- sql/examples.sql, whose text is in the variable "examples", and from the output
-- of script/columns and script/limits, which is in the variables "settings",
-- "clients" and "limits".
-- script/reference runs this, and t/014 checks that the file is up to date.

\set QUIET on
\pset format unaligned
\pset tuples_only on

CREATE TEMPORARY TABLE chapter (place integer, title text, about text, functions oid[]);
INSERT INTO chapter VALUES
	(1, 'Functions for clients', '`grant_client_api(role)` grants these.', anon_auth.client_api()::oid[]),
	(2, 'Functions for anybody', 'They only compute. A role still needs `USAGE` on the schema.',
	 ARRAY(SELECT oid FROM pg_proc WHERE pronamespace = 'anon_auth'::regnamespace AND has_function_privilege('public', oid, 'EXECUTE'))),
	(4, 'Functions behind PostgREST', '`grant_http_api(role)` grants these. See [http.md](http.md).',
	 ARRAY(SELECT oid FROM pg_proc WHERE pronamespace = 'anon_auth_http'::regnamespace AND prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype)
		   AND oid = ANY (anon_auth.http_api()::oid[])));
INSERT INTO chapter SELECT 3, 'Functions for the owner', 'Granted to nobody. Internal functions are in the schema `anon_auth_internal`; `\df+ anon_auth_internal.*` describes them.',
	ARRAY(SELECT p.oid FROM pg_proc p WHERE pronamespace = 'anon_auth'::regnamespace AND prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype)
		  AND obj_description(p.oid, 'pg_proc') IS NOT NULL
		  AND NOT EXISTS (SELECT FROM chapter WHERE p.oid = ANY (functions)));

-- As in sql/examples.sql: names, and what stands below up to an empty line.
CREATE TEMPORARY TABLE example AS
SELECT string_to_array(part[1], ', ') AS names, part[2] AS text
FROM regexp_matches(:'examples', '^-- example: ([a-z_, ]+?)\n(.+?)\n(?=\n)', 'gw') AS part;

SELECT '# Reference

Made by `script/reference` from the comments in the catalog, which `\df+` and `\d+` show, too, and from the examples in `sql/examples.sql`, which
the tests run. In `psql`, `\gset` keeps a result in variables, and `:''name''` puts one in. The [guide](guide.md#errors)
explains the errors of class AA.
';

SELECT string_agg(part, E'\n' ORDER BY place, name, part)
FROM (
	SELECT place, '' AS name, format(E'## %s\n\n%s\n', title, about) AS part FROM chapter
	UNION ALL
	SELECT place, p.oid::regprocedure::text, format(E'### %s\n\n%s\n\n%s\n', proname,
		regexp_replace(format('    %s.%s(%s)%s', p.pronamespace::regnamespace, proname, regexp_replace(pg_get_function_arguments(p.oid), '::(timestamp with time zone|double precision|[a-z]+)(\[\])?', '', 'g'),
			CASE WHEN pg_get_function_result(p.oid) = 'record' OR prokind = 'p' THEN '' ELSE E'\n        RETURNS ' || pg_get_function_result(p.oid) END),
			'timestamp with time zone', 'timestamptz', 'g'),
		replace(obj_description(p.oid, 'pg_proc'), ' Errors: ', E'\n\n**Errors:** ')
		|| coalesce((SELECT E'\n\n```sql\n' || text || E'\n```' FROM example
					 WHERE proname = ANY (names) AND pronamespace = 'anon_auth'::regnamespace), ''))
	FROM chapter, unnest(functions) AS f (id) JOIN pg_proc AS p ON p.oid = f.id) AS parts;

SELECT E'## Tables\n';
SELECT string_agg(CASE relname WHEN 'settings' THEN :'settings' WHEN 'clients' THEN :'clients' ELSE format(E'### %s\n\n%s\n\n| column | type | default | |\n|---|---|---|---|\n%s\n', relname, obj_description(c.oid, 'pg_class'),
	(SELECT string_agg(format('| `%s` | %s | %s | %s |', attname,
			replace(format_type(atttypid, atttypmod), 'timestamp with time zone', 'timestamptz'),
			coalesce('`' || regexp_replace(pg_get_expr(adbin, adrelid), '::[a-z ]+(\[\])?', '', 'g') || '`', CASE WHEN attnotnull OR relkind = 'v' THEN '' ELSE 'NULL' END),
			coalesce(replace(col_description(c.oid, attnum), '|', '\|'), '')), E'\n' ORDER BY attnum)
	 FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
	 WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped)) END, E'\n' ORDER BY relname)
FROM pg_class AS c WHERE relnamespace = 'anon_auth'::regnamespace AND relkind IN ('r', 'v') AND obj_description(c.oid, 'pg_class') IS NOT NULL;

SELECT E'\n## Fixed limits\n\nThese numbers are compiled in. Limits that you can change are columns of [settings](#settings) and [clients](#clients).\n\n' || :'limits';
