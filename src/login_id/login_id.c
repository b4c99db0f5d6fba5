/*-------------------------------------------------------------------------
 *
 * login_id.c
 *	  Login IDs of all types: names, trimming and maximum lengths.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include "base/limits.h"
#include "login_id/email.h"
#include "login_id/login_id.h"
#include "login_id/phone_number.h"
#include "login_id/username.h"

typedef struct LoginIdRules
{
	const char *noun;			/* in messages */
	int			max_length;		/* bytes */
	LoginIdReason (*normalise) (const char *text, const LoginIdPolicy *policy, char **value);
} LoginIdRules;

const char *const login_id_type_texts[LOGIN_ID_TYPES] = {
	[LOGIN_ID_EMAIL] = "email",
	[LOGIN_ID_PHONE_NUMBER] = "phone_number",
	[LOGIN_ID_USERNAME] = "username"
};

static const LoginIdRules rules_by_type[LOGIN_ID_TYPES] = {
	[LOGIN_ID_EMAIL] = {
		"email address", EMAIL_MAX_LENGTH, email_normalise
	},
	[LOGIN_ID_PHONE_NUMBER] = {
		"phone number", PHONE_NUMBER_MAX_LENGTH, phone_number_normalise
	},
	[LOGIN_ID_USERNAME] = {
		"username", USERNAME_MAX_LENGTH, username_normalise
	}
};

static const LoginIdRules *
get_rules(LoginIdType type)
{
	if ((unsigned int) type >= LOGIN_ID_TYPES)
		elog(ERROR, "unknown type of login ID: %d", (int) type);
	return &rules_by_type[type];
}

const char *
login_id_type_name(LoginIdType type)
{
	(void) get_rules(type);
	return login_id_type_texts[type];
}

const char *
login_id_claim(LoginIdType type)
{
	return type == LOGIN_ID_USERNAME ? "preferred_username" : login_id_type_name(type);
}

static const struct
{
	const char *code;
	const char *clause;
}			reasons[] = {
#define REASON_TEXTS(name, code, clause) [LOGIN_ID_##name] = {code, clause},
	LOGIN_ID_REASONS(REASON_TEXTS)
};

const char *
login_id_reason_code(LoginIdReason reason)
{
	return reasons[reason].code;
}

char *
login_id_reason_clause(LoginIdReason reason, LoginIdType type)
{
	const LoginIdRules *rules = get_rules(type);

	return psprintf(reasons[reason].clause, rules->noun, rules->max_length);
}

LoginIdReason
login_id_normalise(LoginIdType type, const char *input,
				   const LoginIdPolicy *policy, LoginId *result)
{
	const LoginIdRules *rules = get_rules(type);
	const char *start = input + strspn(input, " ");
	size_t		length = strlen(start);
	LoginIdReason reason;
	char	   *trimmed;
	char	   *value = NULL;

	while (length > 0 && start[length - 1] == ' ')
		length--;

	/* Check this before anything is copied: the input can have up to 1 GB. */
	if (length == 0)
		return LOGIN_ID_EMPTY;
	if (length > rules->max_length)
		return LOGIN_ID_TOO_LONG;

	trimmed = pnstrdup(start, length);
	reason = rules->normalise(trimmed, policy, &value);
	if (reason != LOGIN_ID_ACCEPTED)
	{
		pfree(trimmed);
		return reason;
	}
	result->type = type;
	result->value = value;
	result->original_value = trimmed;
	return LOGIN_ID_ACCEPTED;
}

bool
login_id_is_well_formed(LoginIdType type, const char *text)
{
	LoginIdPolicy rules = {0};
	LoginId		login_id;

	return login_id_normalise(type, text, &rules, &login_id) == LOGIN_ID_ACCEPTED;
}

bool
login_id_differs_in_case_only(const char *a, const char *b)
{
	int32_t		a_length = (int32_t) strlen(a);
	int32_t		b_length = (int32_t) strlen(b);
	int32_t		i = 0;
	int32_t		j = 0;

	while (i < a_length && j < b_length)
	{
		UChar32		from_a;
		UChar32		from_b;

		U8_NEXT(a, i, a_length, from_a);
		U8_NEXT(b, j, b_length, from_b);
		if (from_a < 0 || u_foldCase(from_a, U_FOLD_CASE_DEFAULT) !=
			u_foldCase(from_b, U_FOLD_CASE_DEFAULT))
			return false;
	}
	return i == a_length && j == b_length;
}
