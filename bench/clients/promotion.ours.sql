\set i :i + 1
SELECT anon_auth.promote_anonymous_user('app', email => gen_random_uuid() || '@example.com', password => 'correct horse', refresh_token => refresh_token) FROM leavers WHERE i = :i;
