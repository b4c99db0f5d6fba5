/*-------------------------------------------------------------------------
 *
 * email.c
 *	  E-mail addresses: bare ones, as in RFC 5321 and RFC 6531.
 *
 * The local part is a dot-atom of RFC 5322, to which letters, digits and
 * combining marks of all scripts are added; quoted strings, comments and
 * display names are not accepted.  Everything that is asked of the local part
 * is asked both of what was given, which is where mail goes, and of its
 * normalised form, which is what is compared: compatibility characters can
 * turn into "@", dots and spaces.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "login_id/login_id_private.h"

/* The atext of RFC 5322, section 3.2.3, without letters and digits; the dot. */
#define LOCAL_PART_PUNCTUATION	"!#$%&'*+-/=?^_`{|}~."

static const char *
check_local_part(const char *local)
{
	size_t		length = strlen(local);

	if (length == 0)
		return "the local part of the email address is empty";
	if (length > EMAIL_LOCAL_PART_MAX_LENGTH)
		return psprintf("the local part of the email address is longer than %d bytes",
						EMAIL_LOCAL_PART_MAX_LENGTH);
	if (!login_text_is_plain(local, false))
		return "the local part of the email address contains white space, a control or an invisible character";
	if (!login_text_is_word(local, LOCAL_PART_PUNCTUATION))
		return "the local part of the email address contains a character that is not allowed";
	if (local[0] == '.' || local[length - 1] == '.' || strstr(local, "..") != NULL)
		return "the local part of the email address begins or ends with a dot or contains two in a row";
	return NULL;
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

static const char *
normalise_local_part(const char *local, const LoginIdPolicy *policy, char **value)
{
	bool		fold_case = !policy->email_case_sensitive;
	const char *reason = check_local_part(local);
	char	   *normalised;

	if (reason != NULL)
		return reason;

	normalised = login_text_normalise(local, fold_case);
	reason = check_local_part(normalised);
	if (reason != NULL)
		return reason;
	if (policy->email_block_plus_sign && strchr(normalised, '+') != NULL)
		return "the email address contains a plus sign";

	if (policy->email_ignore_dot_sign)
	{
		/* What the dots kept apart may compose, as Hangul letters do. */
		strip_dots(normalised);
		normalised = login_text_normalise(normalised, fold_case);
	}
	*value = normalised;
	return NULL;
}

const char *
email_normalise(const char *email, const LoginIdPolicy *policy, char **value)
{
	const char *at = strrchr(email, '@');
	const char *reason;
	char	   *local;
	char	   *domain;

	if (at == NULL)
		return "the email address has no \"@\"";

	reason = normalise_local_part(pnstrdup(email, at - email), policy, &local);
	if (reason != NULL)
		return reason;
	reason = email_domain_normalise(at + 1, &domain);
	if (reason != NULL)
		return reason;

	if (email_domain_is_listed(domain, &policy->email_domain_blocklist))
		return "the domain of the email address is blocked";
	if (policy->email_domain_allowlist.count > 0 &&
		!email_domain_is_listed(domain, &policy->email_domain_allowlist))
		return "the domain of the email address is not on the list of allowed domains";

	*value = psprintf("%s@%s", local, domain);
	return NULL;
}
