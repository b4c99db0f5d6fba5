\set i :i + 1
\set n :client_id * :calls + :i
SELECT floor_sign_up_with_key() FROM requests WHERE i = :n;
