SELECT anon_auth.authenticate_anonymously('app');
