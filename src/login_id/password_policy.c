/*-------------------------------------------------------------------------
 *
 * password_policy.c
 *	  The rules for passwords (docs/authgear.md, section 8.2).
 *
 * Letters and digits are those of ASCII, as in Authgear; a letter of another
 * script counts as a symbol.  Copies of the password are wiped.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include "base/limits.h"
#include "base/wipe.h"
#include "login_id/login_text.h"
#include "login_id/password_policy.h"

/* The kinds of characters in a password. */
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
	wipe_string(folded);
	pfree(folded);
	return found;
}

uint32
password_policy_check(const char *password, const PasswordPolicy *policy)
{
	PasswordContents contents;
	bool		broken[PASSWORD_RULES] = {false};
	uint32		bits = 0;
	char	   *normalised;
	int			i;

	/* Do not read a password that is too long: it can have up to 1 GB. */
	if (strlen(password) > PASSWORD_MAX_LENGTH)
		return 1 << PASSWORD_TOO_LONG;

	normalised = login_text_opaque(password);
	scan_password(normalised, &contents);
	wipe_string(normalised);
	pfree(normalised);
	/* An empty password is refused under every policy. */
	broken[PASSWORD_TOO_SHORT] = contents.length < Max(policy->password_min_length, 1);
	broken[PASSWORD_UPPERCASE_REQUIRED] = policy->password_require_uppercase &&
		!contents.has_uppercase;
	broken[PASSWORD_LOWERCASE_REQUIRED] = policy->password_require_lowercase &&
		!contents.has_lowercase;
	broken[PASSWORD_ALPHABET_REQUIRED] = policy->password_require_alphabet &&
		!contents.has_uppercase && !contents.has_lowercase;
	broken[PASSWORD_DIGIT_REQUIRED] = policy->password_require_digit && !contents.has_digit;
	broken[PASSWORD_SYMBOL_REQUIRED] = policy->password_require_symbol && !contents.has_symbol;
	broken[PASSWORD_EXCLUDED_KEYWORD] =
		has_excluded_keyword(password, &policy->password_excluded_keywords);
	for (i = 0; i < PASSWORD_RULES; i++)
		if (broken[i])
			bits |= 1 << i;
	return bits;
}

static const struct
{
	const char *code;
	const char *member;			/* that has the rule's number; NULL: it has none */
	const char *clause;
}			rules[PASSWORD_RULES] = {
#define RULE_TEXTS(name, code, member, clause) [PASSWORD_##name] = {code, member, clause},
	PASSWORD_REASONS(RULE_TEXTS)
};

const char *
password_rule_code(PasswordRule rule)
{
	return rules[rule].code;
}

int
password_rule_number(PasswordRule rule, const PasswordPolicy *policy, const char **member)
{
	*member = rules[rule].member;
	switch (rule)
	{
		case PASSWORD_TOO_LONG:
			return PASSWORD_MAX_LENGTH;
		case PASSWORD_TOO_SHORT:
			return Max(policy->password_min_length, 1);
		default:
			return 0;
	}
}

char *
password_rule_clause(PasswordRule rule, const PasswordPolicy *policy)
{
	const char *member;
	int			number = password_rule_number(rule, policy, &member);

	return psprintf(rules[rule].clause, number, number == 1 ? "" : "s");
}
