-- ---------------------------------------------------------------------------
-- Counters of attempts, which a rollback does not undo (src/counters)
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
'Counts one call under a name of your choice, and returns true if it is within the limit. max_count calls pass at once, then one more every period / max_count. Returns false if the call exceeds the limit; it is then not counted. Call it in a SECURITY DEFINER function whose owner has EXECUTE on it. Do not grant it to client roles: they could use up the room for counters. A rollback does not undo the count. Works in read-only transactions and on standbys; each server and database counts separately. Errors: 22023 bad argument (period: 1 second to 1 day without months; a NULL name, such as one built from uid() without a caller); AA018 no room for another counter.';

CREATE FUNCTION anon_auth.reset_counters()
	RETURNS void
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_reset_counters';
COMMENT ON FUNCTION anon_auth.reset_counters() IS
'Deletes all rate limit counts, lockouts and failed attempts of all users of this database on this server. The effect is immediate, and a rollback does not undo it. To unlock one user, call enable_user(). Sessions that were revoked in a transaction that rolled back stay revoked.';

CREATE FUNCTION anon_auth_internal.counter_statistics(
	OUT counters bigint,
	OUT counters_max bigint,
	OUT counters_refused bigint,
	OUT rate_limited bigint,
	OUT locked_out bigint,
	OUT rolled_back_logins bigint,
	OUT rolled_back_refreshes bigint,
	OUT sign_ups_total bigint,
	OUT logins_total jsonb,
	OUT refreshes_total bigint,
	OUT promotions_total bigint,
	OUT merges_total bigint,
	OUT purged_guests_total bigint,
	OUT purged_sessions_total bigint,
	OUT refusals_total jsonb)
	RETURNS record
	LANGUAGE c VOLATILE PARALLEL RESTRICTED SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_counter_statistics';
COMMENT ON FUNCTION anon_auth_internal.counter_statistics() IS
'Part of stats. Returns the number of live counters, the maximum number of counters, and what was counted on this server since its file of counters was created.';

CREATE FUNCTION anon_auth_internal.shared_address_refusals(
	OUT refusals bigint,
	OUT address inet,
	OUT first timestamptz,
	OUT last timestamptz)
	RETURNS record
	LANGUAGE c VOLATILE PARALLEL RESTRICTED SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_shared_address_refusals';
COMMENT ON FUNCTION anon_auth_internal.shared_address_refusals() IS
'Part of doctor(). Returns how many calls a limit per address has refused on this server, in at most 24 hours, for clients whose address nobody named: they share the address of their connection. Also returns the last address (an IPv6 /64; NULL if unknown), and the times of the first and the last of these calls.';

CREATE FUNCTION anon_auth_internal.unrestricted_sms()
	RETURNS bigint
	LANGUAGE c VOLATILE PARALLEL RESTRICTED SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_unrestricted_sms';
COMMENT ON FUNCTION anon_auth_internal.unrestricted_sms() IS
'Part of doctor(). Returns how many codes to phone numbers were requested on this server, in at most 24 hours, while settings.phone_country_code_allowlist was empty.';
