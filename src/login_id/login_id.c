/*-------------------------------------------------------------------------
 *
 * login_id.c
 *	  What the types of login ID have in common: names, trimming, bounds.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "login_id/login_id_private.h"

typedef struct LoginIdRules
{
	const char *noun;
	int			max_length;
	const char *(*normalise) (const char *text, const LoginIdPolicy *policy, char **value);
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
login_id_normalise(LoginIdType type, const char *input,
				   const LoginIdPolicy *policy, LoginId *result)
{
	const LoginIdRules *rules = get_rules(type);
	const char *start = input + strspn(input, " ");
	size_t		length = strlen(start);
	const char *reason;
	char	   *trimmed;
	char	   *value = NULL;

	while (length > 0 && start[length - 1] == ' ')
		length--;

	/* Before anything is copied: the input may be as long as a text can be. */
	if (length == 0)
		return psprintf("the %s is empty", rules->noun);
	if (length > rules->max_length)
		return psprintf("the %s is longer than %d bytes", rules->noun, rules->max_length);

	trimmed = pnstrdup(start, length);
	reason = rules->normalise(trimmed, policy, &value);
	if (reason != NULL)
	{
		pfree(trimmed);
		return reason;
	}
	result->type = type;
	result->value = value;
	result->original_value = trimmed;
	return NULL;
}
