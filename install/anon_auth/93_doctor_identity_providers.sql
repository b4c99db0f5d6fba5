-- ---------------------------------------------------------------------------
-- doctor(): identity providers
-- ---------------------------------------------------------------------------

CREATE FUNCTION anon_auth_internal.doctor_identity_providers()
	RETURNS SETOF anon_auth.finding
	LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN QUERY
	SELECT 'warning', 'provider_without_keys', format('identity provider %s has no keys', p.issuer),
		'Its ID tokens are refused (AA025) until a worker that polls due_identity_providers() has set the keys.',
		format('SELECT anon_auth.set_identity_provider_keys(%L, jwks);  -- jwks: the document at jwks_uri of %s/.well-known/openid-configuration',
			   p.issuer, rtrim(p.issuer, '/'))
	FROM anon_auth.identity_providers p WHERE p.jwks IS NULL;
	RETURN QUERY
	SELECT 'warning', 'stale_provider_keys',
		format('the keys of identity provider %s were set %s days ago', p.issuer, extract(day FROM now() - p.keys_set_at)),
		CASE d.reason WHEN 'unknown_key' THEN 'An ID token named a key that they do not include, and was refused (AA025).'
			 ELSE 'The provider may have replaced its keys, perhaps because somebody has obtained one.' END,
		format('SELECT anon_auth.set_identity_provider_keys(%L, jwks);  -- or start the worker that polls due_identity_providers()', p.issuer)
	FROM anon_auth.identity_providers p LEFT JOIN anon_auth.due_identity_providers() d ON d.issuer = p.issuer
	WHERE p.keys_set_at < now() - CASE d.reason WHEN 'unknown_key' THEN interval '24 hours' ELSE interval '30 days' END;
END
$$;
COMMENT ON FUNCTION anon_auth_internal.doctor_identity_providers() IS
'Part of doctor(). Checks the keys of identity providers.';
