\set i :i + 1
SELECT floor_revoke(user_id, session_id) FROM floor_leavers WHERE i = :i;
