\set i :i + 1
SELECT anon_auth.revoke(refresh_token) FROM leavers WHERE i = :i;
