/*-------------------------------------------------------------------------
 *
 * passkey_policy.c
 *	  The settings of passkeys.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "domain/passkey_policy.h"

/* Return the scheme, host and port of a URI that settings.issuer allows. */
static char *
origin_of(const char *uri)
{
	const char *host = strstr(uri, "://");

	if (host == NULL)
		elog(ERROR, "the issuer has no scheme");
	host += strlen("://");
	return pnstrdup(uri, host + strcspn(host, "/") - uri);
}

/* Return the host of an origin.  One that is an IP address is no RP ID: no browser accepts it. */
static char *
host_of(const char *origin)
{
	const char *host = strstr(origin, "://") + strlen("://");

	return pnstrdup(host, host[0] == '[' ? strlen(host) : strcspn(host, ":"));
}

void
passkey_policy_read(PasskeyPolicy *policy)
{
	char	   *origin = origin_of(settings_get()->issuer);

	settings_read_passkey_policy(policy);
	if (policy->passkey_origins.count == 0)
	{
		policy->passkey_origins.items = palloc(sizeof(char *));
		policy->passkey_origins.items[0] = origin;
		policy->passkey_origins.count = 1;
	}
	if (policy->passkey_rp_id == NULL)
		policy->passkey_rp_id = host_of(origin);
	if (policy->passkey_rp_name == NULL)
		policy->passkey_rp_name = policy->passkey_rp_id;
}

const char *
passkey_policy_user_verification(const PasskeyPolicy *policy)
{
	switch (policy->passkey_user_verification)
	{
		case PASSKEY_USER_VERIFICATION_REQUIRED:
			return "required";
		case PASSKEY_USER_VERIFICATION_PREFERRED:
			return "preferred";
		case PASSKEY_USER_VERIFICATION_DISCOURAGED:
			break;
	}
	return "discouraged";
}
