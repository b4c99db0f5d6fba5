/*-------------------------------------------------------------------------
 *
 * email_domain.c
 *	  Domains of e-mail addresses: their ASCII form by UTS #46, and lists.
 *
 * The one UIDNA object is opened at first use and kept for the life of the
 * backend, so that no error can leak it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <unicode/uidna.h>

#include "login_id/login_id_private.h"

/* Of ICU's output; what does not fit is too long anyway. */
#define DOMAIN_BUFFER_SIZE		512

#define UTS46_OPTIONS	(UIDNA_USE_STD3_RULES | UIDNA_CHECK_BIDI | \
						 UIDNA_CHECK_CONTEXTJ | UIDNA_NONTRANSITIONAL_TO_ASCII)

static UIDNA *
get_uts46(void)
{
	static UIDNA *uts46 = NULL;

	if (uts46 == NULL)
	{
		UErrorCode	status = U_ZERO_ERROR;
		UIDNA	   *opened = uidna_openUTS46(UTS46_OPTIONS, &status);

		if (U_FAILURE(status))
			elog(ERROR, "ICU could not open UTS #46: %s", u_errorName(status));
		uts46 = opened;
	}
	return uts46;
}

/*
 * The palloc'd lower-case Punycode form, or NULL when there is none.  A dot at
 * the end, which names the root, stays.
 */
static char *
domain_to_ascii(const char *domain)
{
	UIDNAInfo	info = UIDNA_INFO_INITIALIZER;
	UErrorCode	status = U_ZERO_ERROR;
	char		ascii[DOMAIN_BUFFER_SIZE];
	int32_t		length;

	length = uidna_nameToASCII_UTF8(get_uts46(), domain, (int32_t) strlen(domain),
									ascii, sizeof(ascii), &info, &status);
	if (status == U_MEMORY_ALLOCATION_ERROR)
		elog(ERROR, "ICU could not convert a domain name: %s", u_errorName(status));
	if (U_FAILURE(status) || info.errors != 0)
		return NULL;
	if (length == 0 || length > EMAIL_DOMAIN_MAX_LENGTH)
		return NULL;
	return pnstrdup(ascii, length);
}

const char *
email_domain_normalise(const char *domain, char **ascii)
{
	char	   *converted;
	const char *last_dot;

	if (domain[0] == '\0')
		return "the domain of the email address is empty";
	if (domain[0] == '[')
		return "the domain of the email address is not a name but an IP address";

	/*
	 * UTS #46 drops invisible characters; in an address they only hide what
	 * it is.  Joiners change letters of some scripts, and it checks those.
	 */
	if (!login_text_is_plain(domain, true))
		return "the domain of the email address contains white space, a control or an invisible character";

	converted = domain_to_ascii(domain);
	if (converted == NULL || converted[strlen(converted) - 1] == '.')
		return "the domain of the email address is not a valid domain name";

	last_dot = strrchr(converted, '.');
	if (last_dot == NULL)
		return "the domain of the email address has only one label";

	/* Top-level domains are alphabetic, A-labels included (RFC 1123, 2.1). */
	if (last_dot[1] < 'a' || last_dot[1] > 'z')
		return "the domain of the email address is not a name but an IP address";

	*ascii = converted;
	return NULL;
}

/*
 * An entry that begins with "." or "*." stands for the subdomains of the rest
 * and not for the rest itself.  An entry that is no domain name matches none,
 * which no address could be of.
 */
static bool
entry_matches(const char *ascii, const char *entry)
{
	bool		subdomains = false;
	bool		matches = false;
	char	   *wanted;

	if (entry[0] == '*' && entry[1] == '.')
		entry++;
	if (entry[0] == '.')
	{
		subdomains = true;
		entry++;
	}

	wanted = domain_to_ascii(entry);
	if (wanted == NULL)
		return false;
	if (wanted[strlen(wanted) - 1] == '.')
		wanted[strlen(wanted) - 1] = '\0';

	if (!subdomains)
		matches = strcmp(ascii, wanted) == 0;
	else if (strlen(ascii) > strlen(wanted) + 1)
	{
		const char *tail = ascii + strlen(ascii) - strlen(wanted);

		matches = tail[-1] == '.' && strcmp(tail, wanted) == 0;
	}
	pfree(wanted);
	return matches;
}

bool
email_domain_is_listed(const char *ascii, const StringList *list)
{
	int			i;

	for (i = 0; i < list->count; i++)
	{
		if (entry_matches(ascii, list->items[i]))
			return true;
	}
	return false;
}
