\set i :i + 1
SELECT anon_auth.authenticate_anonymously('app', jwt) FROM requests WHERE i = :client_id * 1000 + :i;
