/*-------------------------------------------------------------------------
 *
 * http_methods.c
 *	  The ways to log in that the pages offer: settings.page_login_methods.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/string_list.h"
#include "http/http_methods.h"
#include "json/json_write.h"

/* As in settings.list and in the model of a page. */
static const char *const method_names[] = {
	[METHOD_PASSWORD] = "password",
	[METHOD_CODE] = "code"
};

bool
http_methods_have(const AccountPolicy *policy, HttpMethod method)
{
	return string_list_contains(&policy->page_login_methods, method_names[method]);
}

HttpMethod
http_methods_first(const AccountPolicy *policy)
{
	return strcmp(policy->page_login_methods.items[0], method_names[METHOD_CODE]) == 0 ?
		METHOD_CODE : METHOD_PASSWORD;
}

bool
http_methods_can_reset_password(const AccountPolicy *policy)
{
	return http_methods_have(policy, METHOD_PASSWORD) &&
		(account_policy_allows(policy, LOGIN_ID_EMAIL) ||
		 account_policy_allows(policy, LOGIN_ID_PHONE_NUMBER));
}

void
http_methods_add(StringInfo model, const AccountPolicy *policy, HttpMethod method)
{
	HttpMethod	other = method == METHOD_CODE ? METHOD_PASSWORD : METHOD_CODE;

	if (method == METHOD_CODE)
		json_add_string(model, "method", method_names[METHOD_CODE]);
	if (http_methods_have(policy, other))
		json_add_string(model, "other", method_names[other]);
}

void
http_methods_add_login_id_types(StringInfo model, const AccountPolicy *policy, HttpMethod method)
{
	bool		first = true;
	int			type;

	json_add_name(model, "login_id_types");
	appendStringInfoChar(model, '[');
	for (type = 0; type < LOGIN_ID_TYPES; type++)
	{
		if (!account_policy_allows(policy, type) ||
			(method == METHOD_CODE && type == LOGIN_ID_USERNAME))
			continue;
		appendStringInfo(model, "%s\"%s\"", first ? "" : ",", login_id_type_name(type));
		first = false;
	}
	appendStringInfoChar(model, ']');
}

HttpMethod
http_methods_of_form(const HttpParams *params)
{
	char	   *use = http_param(params, "use");
	char	   *method = http_param(params, "method");

	if (use != NULL && strcmp(use, method_names[METHOD_PASSWORD]) == 0)
		return METHOD_PASSWORD;
	if (use != NULL && strcmp(use, method_names[METHOD_CODE]) == 0)
		return METHOD_CODE;
	return method != NULL && strcmp(method, method_names[METHOD_CODE]) == 0 ?
		METHOD_CODE : METHOD_PASSWORD;
}
