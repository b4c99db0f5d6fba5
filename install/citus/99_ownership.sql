SELECT anon_auth.set_owners_and_rights('anon_auth_citus');
