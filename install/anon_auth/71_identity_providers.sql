-- ---------------------------------------------------------------------------
-- Identity providers and their keys
-- ---------------------------------------------------------------------------

CREATE FUNCTION anon_auth.set_identity_provider_keys(issuer text, jwks jsonb)
	RETURNS void
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_set_identity_provider_keys';
COMMENT ON FUNCTION anon_auth.set_identity_provider_keys(text, jsonb) IS
'Replaces the keys of an identity provider by those of a JWK Set (RFC 7517), which your worker has fetched over https. Whoever can call it can be any user of the provider. Keys for another use than signatures are left out; other keys that cannot be used as well, with a NOTICE: those without kid, of an unknown type, or too weak. If the keys changed, writes the event identity_provider.keys_changed. Errors: AA016 the set is empty, has a symmetric or private key, two keys with the same kid, or no key that can be used; 42704 unknown provider; 22023 no JWK Set, more than 64 keys, or a missing argument.';

CREATE FUNCTION anon_auth.create_identity_provider(
	issuer text,
	audiences text[],
	jwks jsonb DEFAULT NULL,
	algorithms text[] DEFAULT '{RS256,ES256}',
	trust_email boolean DEFAULT false)
	RETURNS text
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	violated text;
	message text;
BEGIN
	IF issuer IS NULL OR audiences IS NULL OR algorithms IS NULL OR trust_email IS NULL THEN
		RAISE EXCEPTION 'issuer, audiences, algorithms and trust_email are required'
			USING ERRCODE = 'invalid_parameter_value';
	END IF;
	-- The tokens that these endpoints give have the issuer of the user's tenant.
	IF issuer ~ '^https://login[.]microsoftonline[.][a-z]+/(common|organizations|consumers)(/|$)' THEN
		RAISE EXCEPTION 'no ID token has the issuer "%"', issuer
			USING ERRCODE = 'invalid_parameter_value',
				  HINT = 'Register each tenant: https://login.microsoftonline.com/<tenant id>/v2.0. That of personal accounts is 9188040d-6c67-4c5b-b112-36a304b66dad.';
	END IF;
	BEGIN
		INSERT INTO anon_auth.identity_providers (issuer, audiences, algorithms, trust_email)
			VALUES (issuer, audiences, algorithms, trust_email)
			ON CONFLICT ON CONSTRAINT identity_providers_pkey DO NOTHING;
	EXCEPTION WHEN check_violation THEN
		-- On Citus, only the message names the constraint, with the number of a shard
		-- at its end.
		GET STACKED DIAGNOSTICS violated = CONSTRAINT_NAME, message = MESSAGE_TEXT;
		violated := substring(COALESCE(NULLIF(violated, ''), message) FROM 'identity_providers_[a-z_]+_check');
		RAISE EXCEPTION 'the identity provider violates constraint "%"', violated
			USING ERRCODE = 'check_violation', CONSTRAINT = violated,
				  DETAIL = (SELECT obj_description(c.oid, 'pg_constraint') FROM pg_constraint c
							WHERE c.conrelid = 'anon_auth.identity_providers'::regclass AND c.conname = violated);
	END;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'identity provider "%" already exists', issuer
			USING ERRCODE = 'duplicate_object';
	END IF;
	IF jwks IS NOT NULL THEN
		PERFORM anon_auth.set_identity_provider_keys(issuer, jwks);
	END IF;
	RETURN issuer;
END
$$;
COMMENT ON FUNCTION anon_auth.create_identity_provider(text, text[], jsonb, text[], boolean) IS
'Registers a provider of OpenID Connect, whose ID tokens your users can then log in with, and returns its issuer. The columns of identity_providers describe the arguments. issuer must be what the provider writes as iss, such as https://appleid.apple.com or https://accounts.google.com. audiences are your client IDs at the provider. jwks is as in set_identity_provider_keys(); without it, due_identity_providers() returns the provider, and its tokens are refused (AA025) until your worker has set the keys. Set trust_email only for a provider that verifies addresses and lets nobody choose those of others. Errors: AA016 bad keys; 22023 a missing argument, no JWK Set, or an issuer of Microsoft that is not that of a tenant; 23514 bad issuer, audiences or algorithms; 42710 the provider exists.';

CREATE FUNCTION anon_auth.due_identity_providers()
	RETURNS TABLE (
		issuer text,
		keys_set_at timestamptz,
		reason text)
	LANGUAGE c VOLATILE PARALLEL RESTRICTED SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_due_identity_providers';
COMMENT ON FUNCTION anon_auth.due_identity_providers() IS
'Returns the identity providers whose keys your worker should fetch and pass to set_identity_provider_keys(), for it to poll. reason is no_keys: they were never set; unknown_key: an ID token named a key that they do not include, more than a minute after they were set; or old_keys: they were set more than a day ago. A provider stays due until its keys are set. unknown_key is known only on the server that refused the token, and forgotten after a day.';

-- grant_worker() grants these functions; doctor() reports them for a client's role.
CREATE FUNCTION anon_auth_internal.worker_functions()
	RETURNS regprocedure[]
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN ARRAY[
		'anon_auth.take_outbox_messages(integer)'::regprocedure,
		'anon_auth.due_identity_providers()'::regprocedure,
		'anon_auth.set_identity_provider_keys(text, jsonb)'::regprocedure];
END
$$;
COMMENT ON FUNCTION anon_auth_internal.worker_functions() IS
'Part of grant_worker() and doctor(). Returns the functions of the worker.';

CREATE FUNCTION anon_auth.grant_worker(role_name regrole)
	RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM anon_auth_internal.grant_functions(role_name, anon_auth_internal.worker_functions());
END
$$;
COMMENT ON FUNCTION anon_auth.grant_worker(regrole) IS
'Lets the role of your worker take messages from the outbox and set the keys of identity providers, and nothing else. Such a role can log in as any user: it reads codes, and can set a key of its own. Do not use a role that has the client API, or that a role with the client API is a member of: doctor() reports both. Errors: 22023 no role; 42704 unknown role; 42501 caller may not grant.';
