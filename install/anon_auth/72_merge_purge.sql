-- ---------------------------------------------------------------------------
-- Merging and purging guests: only the owner can execute these functions
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
'Moves the rows that a guest has in your tables with a foreign key to users to a regular user, and deletes the guest. A promotion does the same if settings.promotion_conflict is merge. Returns one row per table, with the number of rows moved. With dry_run, performs the merge, including the merge hook and triggers, returns the rows, and rolls back. Errors: 42704 unknown user; 22023 not a guest and a regular user; AA021 a table refuses; AA020 the merge hook refuses; 40001 there are new rows that the transaction does not see: try again; 0A000 a foreign key to users that is not of type uuid (see doctor()); 55000 the guest is disabled, one of your triggers creates or drops foreign keys during the merge, or Citus distributes a table of another owner.';

CREATE FUNCTION anon_auth.purge(
	batch_size integer DEFAULT 1000,
	dry_run boolean DEFAULT false,
	OUT guests bigint,
	OUT skipped_guests bigint,
	OUT accounts bigint,
	OUT skipped_accounts bigint,
	OUT sessions bigint,
	OUT authorization_codes bigint,
	OUT one_time_codes bigint,
	OUT address_codes bigint,
	OUT outbox_messages bigint,
	OUT removed_device_keys bigint,
	OUT removed_identities bigint,
	OUT merged_guests bigint,
	OUT events bigint,
	OUT has_more boolean)
	RETURNS record
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_purge';
COMMENT ON FUNCTION anon_auth.purge(integer, boolean) IS
'Deletes expired rows, at most batch_size (1 to 100000) of each kind: guests without a device key whose last session has ended, because nobody can log in as them; guests with a device key that were not seen for settings.guest_retention; accounts whose users called delete_account(), after settings.account_deletion_grace; expired sessions, codes and outbox messages; sessions that were revoked in a transaction that rolled back; rows of merged_guests after 30 days; events older than settings.event_retention. Returns the numbers of deleted rows, the number of guests skipped because of rows in your tables, the number of accounts that a foreign key, a trigger or the hook before_deletion keeps (a WARNING has the first error), and has_more: whether to call it again. settings.purge_policy decides which guests are skipped. Skipped guests and accounts are tried again after a day, or after 5 minutes if the cause may be temporary. With dry_run, counts the rows and deletes nothing. Errors: 22023 bad batch_size.';
