SELECT anon_auth.create_challenge();
