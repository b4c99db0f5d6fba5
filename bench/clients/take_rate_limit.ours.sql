SELECT anon_auth.take_rate_limit('bench', 1000000000, '1 day');
