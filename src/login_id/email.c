/*-------------------------------------------------------------------------
 *
 * email.c
 *	  Email addresses as login IDs: bare addresses of RFC 5321 and RFC 6531.
 *
 * The local part is a dot-atom of RFC 5322 in which letters, digits and combining
 * marks of all scripts are allowed.  Quoted strings, comments and display names
 * are not accepted.  Both the given local part, to which mail is sent, and its
 * normalised form, which is compared, must follow the rules: normalisation can
 * turn compatibility characters into "@", dots and spaces.
 *
 * Domains are compared in their ASCII form by UTS #46.  The UIDNA object of ICU is
 * opened at first use and kept until the backend ends, so that no error leaks it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <unicode/uidna.h>

#include "base/limits.h"
#include "login_id/email.h"
#include "login_id/login_text.h"

/* The atext of RFC 5322 section 3.2.3 without letters and digits, and the dot. */
#define LOCAL_PART_PUNCTUATION	"!#$%&'*+-/=?^_`{|}~."

/* Bytes for ICU's output.  Longer output is too long for a domain anyway. */
#define DOMAIN_BUFFER_SIZE		512

#define UTS46_OPTIONS	(UIDNA_USE_STD3_RULES | UIDNA_CHECK_BIDI | \
						 UIDNA_CHECK_CONTEXTJ | UIDNA_NONTRANSITIONAL_TO_ASCII)

static LoginIdReason
check_local_part(const char *local)
{
	size_t		length = strlen(local);

	if (length == 0)
		return LOGIN_ID_LOCAL_PART_EMPTY;
	if (length > EMAIL_LOCAL_PART_MAX_LENGTH)
		return LOGIN_ID_LOCAL_PART_TOO_LONG;
	if (!login_text_is_plain(local, false))
		return LOGIN_ID_LOCAL_PART_INVISIBLE;
	if (!login_text_is_word(local, LOCAL_PART_PUNCTUATION))
		return LOGIN_ID_LOCAL_PART_CHARACTER;
	if (local[0] == '.' || local[length - 1] == '.' || strstr(local, "..") != NULL)
		return LOGIN_ID_LOCAL_PART_DOTS;
	return LOGIN_ID_ACCEPTED;
}

static void
strip_dots(char *text)
{
	const char *from;
	char	   *to = text;

	for (from = text; *from != '\0'; from++)
	{
		if (*from != '.')
			*to++ = *from;
	}
	*to = '\0';
}

/* Check a local part and set *value to its palloc'd normal form; returns a reason. */
static LoginIdReason
normalise_local_part(const char *local, const LoginIdPolicy *policy, char **value)
{
	bool		fold_case = !policy->email_case_sensitive;
	LoginIdReason reason = check_local_part(local);
	char	   *normalised;

	if (reason != LOGIN_ID_ACCEPTED)
		return reason;

	normalised = login_text_normalise(local, fold_case);
	reason = check_local_part(normalised);
	if (reason != LOGIN_ID_ACCEPTED)
		return reason;
	if (policy->email_block_plus_sign && strchr(normalised, '+') != NULL)
		return LOGIN_ID_PLUS_SIGN;

	if (policy->email_ignore_dot_sign)
	{
		/* Characters that dots kept apart can compose, as Hangul letters do. */
		strip_dots(normalised);
		normalised = login_text_normalise(normalised, fold_case);
	}
	*value = normalised;
	return LOGIN_ID_ACCEPTED;
}

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
 * Return the palloc'd lower-case Punycode form, or NULL if the text is no domain
 * name.  A final dot, which stands for the root, is kept.
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

/* Check a domain and set *ascii to its palloc'd Punycode form; returns a reason. */
static LoginIdReason
normalise_domain(const char *domain, char **ascii)
{
	char	   *converted;
	const char *last_dot;

	if (domain[0] == '\0')
		return LOGIN_ID_DOMAIN_EMPTY;
	if (domain[0] == '[')
		return LOGIN_ID_DOMAIN_IP_ADDRESS;

	/*
	 * UTS #46 removes invisible characters.  In an address they can only deceive
	 * readers, so they are refused.  Joiners have a meaning in some scripts, and
	 * UTS #46 checks where they stand.
	 */
	if (!login_text_is_plain(domain, true))
		return LOGIN_ID_DOMAIN_INVISIBLE;

	converted = domain_to_ascii(domain);
	if (converted == NULL || converted[strlen(converted) - 1] == '.')
		return LOGIN_ID_DOMAIN_INVALID;

	last_dot = strrchr(converted, '.');
	if (last_dot == NULL)
		return LOGIN_ID_DOMAIN_SINGLE_LABEL;

	/* Top-level domains begin with a letter, also in Punycode (RFC 1123 section 2.1). */
	if (last_dot[1] < 'a' || last_dot[1] > 'z')
		return LOGIN_ID_DOMAIN_IP_ADDRESS;

	*ascii = converted;
	return LOGIN_ID_ACCEPTED;
}

/*
 * Return true if an entry of a list matches a domain.  An entry that begins with
 * "." or "*." matches the subdomains of the rest, but not the rest itself.  An
 * entry that is no domain name matches nothing.
 */
static bool
entry_matches_domain(const char *ascii, const char *entry)
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

static bool
domain_is_listed(const char *ascii, const StringList *list)
{
	int			i;

	for (i = 0; i < list->count; i++)
	{
		if (entry_matches_domain(ascii, list->items[i]))
			return true;
	}
	return false;
}

LoginIdReason
email_normalise(const char *email, const LoginIdPolicy *policy, char **value)
{
	const char *at = strrchr(email, '@');
	LoginIdReason reason;
	char	   *local;
	char	   *domain;

	if (at == NULL)
		return LOGIN_ID_NO_AT_SIGN;

	reason = normalise_local_part(pnstrdup(email, at - email), policy, &local);
	if (reason != LOGIN_ID_ACCEPTED)
		return reason;
	reason = normalise_domain(at + 1, &domain);
	if (reason != LOGIN_ID_ACCEPTED)
		return reason;

	if (domain_is_listed(domain, &policy->email_domain_blocklist))
		return LOGIN_ID_DOMAIN_BLOCKED;
	if (policy->email_domain_allowlist.count > 0 &&
		!domain_is_listed(domain, &policy->email_domain_allowlist))
		return LOGIN_ID_DOMAIN_NOT_ALLOWED;

	*value = psprintf("%s@%s", local, domain);
	return LOGIN_ID_ACCEPTED;
}
