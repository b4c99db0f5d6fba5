\set i :i + 1
SELECT anon_auth.refresh_session('app', refresh_token) FROM guests WHERE i = :i;
