-- ---------------------------------------------------------------------------
-- Guests that become part of an account, and guests that are given up: for the
-- owner only
-- ---------------------------------------------------------------------------

CREATE FUNCTION anon_auth.merge_anonymous_user(
	guest_id uuid,
	user_id uuid,
	dry_run boolean DEFAULT false)
	RETURNS TABLE (table_name regclass, rows bigint)
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_merge_anonymous_user';
COMMENT ON FUNCTION anon_auth.merge_anonymous_user(uuid, uuid, boolean) IS
'Moves the rows that a guest has in your tables, those with a foreign key to users, to a regular user, and deletes the guest: what a promotion does where settings.promotion_conflict is merge. Returns one row per table, with the number of rows moved. dry_run: does the merge, with merge hook and triggers, reports the rows, and rolls back. Errors: 42704 unknown user; 22023 not a guest and a regular user; AA021 a table refuses; AA020 the merge hook refuses; 40001 rows have come that the transaction does not see: try again; 0A000 a foreign key to users that is not of type uuid (see doctor()); 55000 the guest is disabled, a trigger of yours makes or drops foreign keys meanwhile, or Citus distributes a table of another owner.';

CREATE FUNCTION anon_auth.purge(
	batch_size integer DEFAULT 1000,
	dry_run boolean DEFAULT false,
	OUT guests bigint,
	OUT skipped_guests bigint,
	OUT sessions bigint,
	OUT authorization_codes bigint,
	OUT one_time_codes bigint,
	OUT outbox_messages bigint,
	OUT removed_device_keys bigint,
	OUT events bigint,
	OUT has_more boolean)
	RETURNS record
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_purge';
COMMENT ON FUNCTION anon_auth.purge(integer, boolean) IS
'Deletes at most batch_size each (1 to 100000) of: guests without a device key whose last session has ended, because nobody can log in as them; guests with one that were not seen for settings.guest_retention; expired sessions, codes and messages of the outbox; events older than settings.event_retention. Returns the numbers of deleted rows, the number of guests skipped because of rows in your tables (see settings.purge_policy; they are tried again after a day, and after 5 minutes if the fault may pass), and whether to call it again. dry_run: counts what it would do, and does nothing. Errors: 22023 bad batch_size.';
