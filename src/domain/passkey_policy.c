/*-------------------------------------------------------------------------
 *
 * passkey_policy.c
 *	  The settings of passkeys.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/string_list.h"
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

/*
 * Return whether a browser gives a page of this origin access to passkeys: the connection is
 * safe, and the host is a domain name.  The last label of an IPv4 address is a number.
 */
static bool
is_origin_for_passkeys(const char *origin, const char *host)
{
	const char *label = strrchr(host, '.');

	label = label == NULL ? host : label + 1;
	return (strncmp(origin, "https://", strlen("https://")) == 0 ||
			strcmp(host, "localhost") == 0) &&
		host[0] != '[' && label[strspn(label, "0123456789")] != '\0';
}

/* Return whether a host is the domain of an RP ID, or below it. */
static bool
host_belongs_to(const char *host, const char *rp_id)
{
	size_t		length = strlen(host);
	size_t		suffix = strlen(rp_id);

	return strcmp(host, rp_id) == 0 ||
		(length > suffix && host[length - suffix - 1] == '.' &&
		 strcmp(host + length - suffix, rp_id) == 0);
}

bool
passkey_policy_has_pages(const PasskeyPolicy *policy)
{
	char	   *origin = origin_of(settings_get()->issuer);
	char	   *host = host_of(origin);

	return policy->page_passkeys && is_origin_for_passkeys(origin, host) &&
		host_belongs_to(host, policy->passkey_rp_id) &&
		string_list_contains(&policy->passkey_origins, origin);
}

bool
passkey_policy_opens_pages(const User *user)
{
	PasskeyPolicy policy;

	if (!users_have_passkeys(user))
		return false;
	passkey_policy_read(&policy);
	return passkey_policy_has_pages(&policy);
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
