\set i :i + 1
SELECT floor_promote(user_id, gen_random_uuid() || '@example.com') FROM floor_leavers WHERE i = :i;
