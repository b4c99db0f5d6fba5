-- ---------------------------------------------------------------------------
-- What users do with their own account
-- ---------------------------------------------------------------------------

CREATE FUNCTION anon_auth.list_sessions(access_token text DEFAULT NULL)
	RETURNS TABLE (
		session_id uuid,
		is_current boolean,
		session_type text,
		client_id text,
		client_name text,
		device_info jsonb,
		client_address inet,
		user_agent text,
		created_at timestamptz,
		last_used_at timestamptz,
		expires_at timestamptz,
		auth_time timestamptz,
		amr text[])
	LANGUAGE c STABLE PARALLEL RESTRICTED SECURITY DEFINER ROWS 10
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_list_sessions';
COMMENT ON FUNCTION anon_auth.list_sessions(text) IS
'Returns the caller''s live sessions, the last used one first. The caller, who may be a guest, is the user of access_token, or of use_access_token() if access_token is NULL. is_current marks the session of that token. session_type is refresh_token or cookie; device_info, client_address, user_agent, amr and client_id can be NULL, as in anon_auth.sessions. auth_time is the time of the login. Works on a standby. Errors: AA014 bad access token or session; 22023 as for uid().';

CREATE FUNCTION anon_auth.end_session(
	session_id uuid,
	access_token text DEFAULT NULL)
	RETURNS boolean
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_end_session';
COMMENT ON FUNCTION anon_auth.end_session(uuid, text) IS
'Ends one of the caller''s sessions, as revoke() does: its refresh token no longer works, and its access tokens only where nobody checks the session. The caller, who may be a guest, is as for list_sessions(). Returns false if the caller has no such session, also if the id is that of another user''s session. Ending the session of the call itself is a logout. Errors: AA014 bad access token or session; 22023 no session id.';

CREATE FUNCTION anon_auth.end_other_sessions(access_token text DEFAULT NULL)
	RETURNS bigint
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_end_other_sessions';
COMMENT ON FUNCTION anon_auth.end_other_sessions(text) IS
'Ends all sessions of the caller except that of the call, also logins that have an authorization code but no session yet. The caller, who may be a guest, is as for list_sessions(). Returns how many sessions ended. Device keys still work: the device of a guest can log in again. Errors: AA014 bad access token or session.';

CREATE FUNCTION anon_auth.update_profile(
	attributes jsonb,
	access_token text DEFAULT NULL)
	RETURNS jsonb
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_update_profile';
COMMENT ON FUNCTION anon_auth.update_profile(jsonb, text) IS
'Changes the caller''s profile, and returns it as userinfo() does. Members of attributes are the standard claims name, given_name, family_name, middle_name, nickname, profile, picture, website, gender, birthdate, zoneinfo, locale and address, and custom_attributes, an object of the attributes that settings.user_writable_attributes names. Other members stay as they are. Null or an empty text removes a member; address is replaced as a whole. Login IDs are not members: see add_login_id(). The caller, who may be a guest, is as for list_sessions(). Needs no recent login. Errors: AA014 bad access token or session; AA032 values that break a rule, with the reasons in the detail; 22023 no attributes, or a member that users cannot write.';

CREATE FUNCTION anon_auth.export_account(access_token text DEFAULT NULL)
	RETURNS jsonb
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_export_account';
COMMENT ON FUNCTION anon_auth.export_account(text) IS
'Returns everything that the extension stores about the caller: the member user, and for each table with rows of users an array of rows, named as the table. Hashes, encrypted values and public columns that only find rows are left out. Codes that are still open are there without the code. Does not read your own tables: see export_user(). The caller, who may be a guest, is as for list_sessions(). Needs no recent login, but is the event account.exported. Errors: AA014 bad access token or session.';

CREATE FUNCTION anon_auth.delete_account(access_token text DEFAULT NULL)
	RETURNS timestamptz
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_delete_account';
COMMENT ON FUNCTION anon_auth.delete_account(text) IS
'Deletes the caller: a guest at once, an account after settings.account_deletion_grace. Returns the time from which on purge() deletes the account, or the current time if it was deleted at once. The caller is the user of access_token, or of use_access_token() if access_token is NULL. Until that time, logins work, userinfo() has delete_at, and cancel_account_deletion() undoes the call. Its other sessions end, and its verified addresses get a message. A repeated call changes nothing and returns the same time. Rows in your tables follow their foreign keys as in delete_user(). If a message is sent, PREPARE TRANSACTION fails (0A000). Errors: AA014 bad access token or session; AA020 the hook before_deletion refuses; AA022 the login is too old, not for guests; 23503 a foreign key forbids the deletion at once; others as delete_user().';

CREATE FUNCTION anon_auth.cancel_account_deletion(access_token text DEFAULT NULL)
	RETURNS boolean
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_cancel_account_deletion';
COMMENT ON FUNCTION anon_auth.cancel_account_deletion(text) IS
'Undoes delete_account() for the caller''s account, as long as purge() has not deleted it. The caller is as for delete_account(). Returns false if no deletion was scheduled. Errors: AA014 bad access token or session.';
