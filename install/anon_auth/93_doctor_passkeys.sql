-- ---------------------------------------------------------------------------
-- doctor(): the settings of passkeys
-- ---------------------------------------------------------------------------

-- Web Authentication, section 5.1.3, step 7: the effective domain of an origin must be a domain.
CREATE FUNCTION anon_auth_internal.is_domain_name(host text)
	RETURNS boolean
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	-- URL Standard, section 3.5: a host that ends in a number is an IPv4 address, or no host.
	SELECT host ~ '^[a-z0-9]([a-z0-9-]*[a-z0-9])?([.][a-z0-9]([a-z0-9-]*[a-z0-9])?)*$'
		AND host !~ '(^|[.])([0-9]+|0x[0-9a-f]*)$'
$$;
COMMENT ON FUNCTION anon_auth_internal.is_domain_name(text) IS
'Part of doctor(). Returns true for a domain name in lower case, and false for an IP address.';

CREATE FUNCTION anon_auth_internal.doctor_passkeys()
	RETURNS SETOF anon_auth.finding
	LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	s anon_auth.settings;
	issuer_origin text;
	issuer_host text;
	rp_id text;
	-- NULL and the empty array stand for the origin of the issuer.
	has_origins boolean;
BEGIN
	SELECT * INTO s FROM anon_auth.settings;
	issuer_origin := substring(s.issuer FROM '^https?://[^/]+');
	issuer_host := substring(issuer_origin FROM '^https?://(.*?)(?::[0-9]+)?$');
	rp_id := coalesce(s.passkey_rp_id, issuer_host);
	has_origins := cardinality(s.passkey_origins) > 0;

	-- The CHECK of passkey_rp_id refuses IP addresses, so here it is the host of the issuer.
	IF NOT anon_auth_internal.is_domain_name(rp_id) THEN
		RETURN QUERY SELECT CASE WHEN has_origins THEN 'warning' ELSE 'notice' END, 'passkey_rp_id_is_address',
			format('the RP ID of passkeys is the host of the issuer, %s, which is an IP address', rp_id),
			'Browsers refuse the options of passkeys.',
			CASE WHEN anon_auth_internal.is_loopback_uri(s.issuer)
				 THEN format('UPDATE anon_auth.settings SET passkey_rp_id = ''localhost'', passkey_origins = ''{%s}'';  -- and open your pages there',
							 replace(issuer_origin, issuer_host, 'localhost'))
				 ELSE 'UPDATE anon_auth.settings SET issuer = ''https://your.site'';' END;
		RETURN;
	END IF;
	RETURN QUERY
	SELECT 'warning', 'passkey_origin_unusable', format('settings.passkey_origins has %s, whose host is no domain name', o.origin),
		'Browsers offer no passkeys on pages of this origin.',
		format('UPDATE anon_auth.settings SET passkey_origins = array_remove(passkey_origins, %L);', o.origin)
	FROM unnest(s.passkey_origins) AS o (origin)
	WHERE o.origin ~ '^https?:'
	  AND NOT anon_auth_internal.is_domain_name(substring(o.origin FROM '^https?://(.*?)(?::[0-9]+)?$'));
	-- A domain of one label above another one is a public suffix.
	RETURN QUERY
	SELECT 'warning', 'passkey_origin_outside_rp_id',
		format('the RP ID of passkeys, %s, is neither the host of the origin %s nor a domain above it', rp_id, o.origin),
		'Browsers refuse passkeys on pages of this origin, except those that support related origin requests.',
		format('UPDATE anon_auth.settings SET passkey_rp_id = %L;  -- or another domain above all origins. Passkeys made with the former RP ID can then no longer be used. To keep them, list the origin at https://%s/.well-known/webauthn',
			   o.host, rp_id)
	FROM (SELECT u.origin, substring(u.origin FROM '^https?://(.*?)(?::[0-9]+)?$') AS host
		  FROM unnest(CASE WHEN has_origins THEN s.passkey_origins ELSE ARRAY[issuer_origin] END) AS u (origin)) o
	WHERE anon_auth_internal.is_domain_name(o.host)
	  AND o.host <> rp_id AND NOT (right(o.host, length(rp_id) + 1) = '.' || rp_id AND strpos(rp_id, '.') > 0);
END
$$;
COMMENT ON FUNCTION anon_auth_internal.doctor_passkeys() IS
'Part of doctor(). Compares the RP ID and the origins of passkeys.';
