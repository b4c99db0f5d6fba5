\set i :i + 1
\set n :client_id * :calls + :i
SELECT anon_auth.authenticate_anonymously('app', jwt) FROM requests WHERE i = :n;
