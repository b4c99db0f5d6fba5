\set i :i + 1
SELECT floor_sign_up_with_key() FROM requests WHERE i = :client_id * 1000 + :i;
