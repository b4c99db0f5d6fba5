-- ---------------------------------------------------------------------------
-- Counters of attempts, which no rollback undoes (src/counters)
-- ---------------------------------------------------------------------------

CREATE FUNCTION anon_auth.take_rate_limit(
	name text,
	max_count integer,
	period interval)
	RETURNS boolean
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_take_rate_limit';
COMMENT ON FUNCTION anon_auth.take_rate_limit(text, integer, interval) IS
'A rate limit for functions of yours: counts one call under a name of your choice. Call it in a SECURITY DEFINER function whose owner has EXECUTE on it; do not grant it to client roles, which could use up the room for counters. True: the call is within max_count at once, and one more each period / max_count. False: it is one too many, and was not counted. A rollback does not undo the count. Works in read-only transactions and on standbys; each server and database counts for itself. Errors: 22023 bad argument (period: 1 second to 1 day without months; a NULL name, such as one built from uid() without a caller); AA018 no room for another counter.';

CREATE FUNCTION anon_auth.reset_counters()
	RETURNS void
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_reset_counters';
COMMENT ON FUNCTION anon_auth.reset_counters() IS
'Forgets all rate limits, lockouts and failed attempts of all users of this database on this server, at once and for good, also if the transaction rolls back. To unlock one user, call enable_user(). Sessions that were revoked in a transaction that rolled back stay revoked.';

CREATE FUNCTION anon_auth.counter_statistics(
	OUT counters bigint,
	OUT counters_max bigint,
	OUT counters_refused bigint,
	OUT rate_limited bigint,
	OUT locked_out bigint,
	OUT rolled_back_logins bigint,
	OUT rolled_back_refreshes bigint)
	RETURNS record
	LANGUAGE c VOLATILE PARALLEL RESTRICTED SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_counter_statistics';
COMMENT ON FUNCTION anon_auth.counter_statistics() IS
'Part of stats: live counters, how many there is room for, and what was counted on this server since its file of counters was made.';
