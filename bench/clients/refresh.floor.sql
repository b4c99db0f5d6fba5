\set i :i + 1
SELECT floor_refresh(user_id, session_id) FROM floor_guests WHERE i = :i;
