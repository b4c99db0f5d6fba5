/*-------------------------------------------------------------------------
 *
 * username.c
 *	  Usernames.
 *
 * They are shown to other people, so what looks like another name has to be
 * the same name or none: compatibility characters and case are folded, and
 * letters of other scripts than Latin are refused.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "login_id/login_id_private.h"

#define USERNAME_PUNCTUATION	"_.-"
#define USERNAME_ASCII \
	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789" USERNAME_PUNCTUATION

/* Of what was given: normalisation would hide what is not ASCII. */
static const char *
check_given(const char *username, bool ascii_only)
{
	if (ascii_only && username[strspn(username, USERNAME_ASCII)] != '\0')
		return "the username contains something other than ASCII letters, digits, \"_\", \".\" and \"-\"";
	if (!login_text_is_plain(username, false))
		return "the username contains white space, a control or an invisible character";
	return NULL;
}

static const char *
check_normalised(const char *username, const LoginIdPolicy *policy)
{
	if (strlen(username) > USERNAME_MAX_LENGTH)
		return psprintf("the username is longer than %d bytes", USERNAME_MAX_LENGTH);
	if (!login_text_is_word(username, USERNAME_PUNCTUATION))
		return "the username contains something other than letters, digits, \"_\", \".\" and \"-\"";
	if (!login_text_is_latin(username))
		return "the username contains confusable characters";
	if (policy->username_block_reserved && username_is_reserved(username))
		return "the username is reserved";
	if (login_text_has_keyword(username, &policy->username_excluded_keywords))
		return "the username contains a word that is not allowed";
	return NULL;
}

const char *
username_normalise(const char *username, const LoginIdPolicy *policy, char **value)
{
	const char *reason = check_given(username, policy->username_ascii_only);
	char	   *normalised;

	if (reason != NULL)
		return reason;

	normalised = login_text_normalise(username, true);
	reason = check_normalised(normalised, policy);
	if (reason != NULL)
		return reason;
	*value = normalised;
	return NULL;
}
