/*-------------------------------------------------------------------------
 *
 * http_password_form.c
 *	  The field for a new password: its rules, and those that a password breaks.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "http/http_password_form.h"
#include "json/json_write.h"

char *
http_password_form_errors(const char *password, const PasswordPolicy *policy)
{
	uint32		broken = password_policy_check(password, policy);
	StringInfoData json;
	int			i;

	initStringInfo(&json);
	for (i = 0; i < PASSWORD_RULES; i++)
		if (broken & (1 << i))
			appendStringInfo(&json, "%c\"%s\"", json.len == 0 ? '[' : ',',
							 password_rule_code(i));
	appendStringInfoChar(&json, ']');
	return broken == 0 ? NULL : json.data;
}

void
http_password_form_add_policy(StringInfo model, const PasswordPolicy *policy)
{
	json_add_name(model, "password_policy");
	json_open(model);
	json_add_integer(model, "min_length", policy->password_min_length);
	json_add_boolean(model, "uppercase", policy->password_require_uppercase);
	json_add_boolean(model, "lowercase", policy->password_require_lowercase);
	json_add_boolean(model, "alphabet", policy->password_require_alphabet);
	json_add_boolean(model, "digit", policy->password_require_digit);
	json_add_boolean(model, "symbol", policy->password_require_symbol);
	json_close(model);
}
