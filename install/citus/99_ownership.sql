SELECT anon_auth_internal.set_owners_and_rights('anon_auth_citus');
