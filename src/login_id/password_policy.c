/*-------------------------------------------------------------------------
 *
 * password_policy.c
 *	  Which rules a password breaks.
 *
 * As in Authgear, letters and digits are those of ASCII: a letter of another
 * script counts as a symbol.  Copies of the password are wiped.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include "lib/stringinfo.h"
#include "login_id/login_id_private.h"

/* What a password is made of. */
typedef struct PasswordContents
{
	int			length;			/* code points */
	bool		has_uppercase;
	bool		has_lowercase;
	bool		has_digit;
	bool		has_symbol;
} PasswordContents;

static void
scan_password(const char *password, PasswordContents *contents)
{
	int32_t		length = (int32_t) strlen(password);
	int32_t		i = 0;

	memset(contents, 0, sizeof(*contents));
	while (i < length)
	{
		UChar32		c;

		U8_NEXT(password, i, length, c);
		contents->length++;
		if (c >= 'A' && c <= 'Z')
			contents->has_uppercase = true;
		else if (c >= 'a' && c <= 'z')
			contents->has_lowercase = true;
		else if (c >= '0' && c <= '9')
			contents->has_digit = true;
		else if (c >= 0 && u_isprint(c))
			contents->has_symbol = true;
	}
}

static bool
has_excluded_keyword(const char *password, const StringList *keywords)
{
	char	   *folded;
	bool		found;

	if (keywords->count == 0)
		return false;
	folded = login_text_normalise(password, true);
	found = login_text_has_keyword(folded, keywords);
	login_text_wipe(folded);
	return found;
}

static void
add_clause(StringInfo clauses, bool broken, const char *clause)
{
	if (!broken)
		return;
	if (clauses->len > 0)
		appendStringInfoString(clauses, "; ");
	appendStringInfoString(clauses, clause);
}

const char *
password_policy_violations(const char *password, const PasswordPolicy *policy)
{
	/* An empty password is none, whatever the policy says. */
	int			min_length = Max(policy->min_length, 1);
	PasswordContents contents;
	StringInfoData clauses;

	/* Nothing more is said of such a password, as it is not looked at. */
	if (strlen(password) > PASSWORD_MAX_LENGTH)
		return psprintf("must be at most %d bytes long", PASSWORD_MAX_LENGTH);

	scan_password(password, &contents);
	initStringInfo(&clauses);
	if (contents.length < min_length)
		appendStringInfo(&clauses, "must be at least %d character%s long",
						 min_length, min_length == 1 ? "" : "s");
	add_clause(&clauses, policy->require_uppercase && !contents.has_uppercase,
			   "must contain an uppercase letter");
	add_clause(&clauses, policy->require_lowercase && !contents.has_lowercase,
			   "must contain a lowercase letter");
	add_clause(&clauses, policy->require_alphabet &&
			   !contents.has_uppercase && !contents.has_lowercase,
			   "must contain a letter");
	add_clause(&clauses, policy->require_digit && !contents.has_digit,
			   "must contain a digit");
	add_clause(&clauses, policy->require_symbol && !contents.has_symbol,
			   "must contain a symbol");
	add_clause(&clauses, has_excluded_keyword(password, &policy->excluded_keywords),
			   "must not contain an excluded keyword");

	return clauses.len > 0 ? clauses.data : NULL;
}
