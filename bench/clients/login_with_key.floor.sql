\set i :i + 1
SELECT floor_log_in(route, kid) FROM floor_guests WHERE i = :i;
