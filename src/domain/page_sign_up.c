/*-------------------------------------------------------------------------
 *
 * page_sign_up.c
 *	  What the forms of promotion.h do for somebody who was no guest.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "domain/auth_methods.h"
#include "domain/code_login.h"
#include "domain/login.h"
#include "domain/page_sign_up.h"
#include "domain/passkey.h"
#include "domain/sign_up.h"

bool
page_sign_up_create(const Client *client, const PromotionRequest *request, TimestampTz now,
					PromotionResult *result)
{
	result->device_info = request->device_info;
	return sign_up_make_account(client, &request->account, request->device_info, now,
								&result->user, &result->amr);
}

/* Return the only login ID of a request. */
static const char *
login_id_of(const AccountRequest *account)
{
	int			type;

	for (type = 0; type < LOGIN_ID_TYPES; type++)
		if (account->login_ids[type] != NULL)
			return account->login_ids[type];
	return "";
}

bool
page_sign_up_log_in(const Client *client, const PromotionRequest *request, TimestampTz now,
					PromotionResult *result)
{
	const AccountRequest *account = &request->account;
	CodeLoginResult code_result;

	result->device_info = request->device_info;
	if (account->passkey != NULL)
	{
		PasskeyLoginResult login = passkey_log_in_on_page(client, account->passkey, NULL, now,
														  &result->user, &result->amr);

		result->is_disabled = login == PASSKEY_LOGIN_USER_DISABLED;
		return login == PASSKEY_LOGIN_DONE;
	}
	if (account->code == NULL)
	{
		result->amr = auth_methods_password;
		return login_verify(client, login_id_of(account), account->password, now, &result->user);
	}
	code_result = code_login_verify(client, login_id_of(account), account->code, NULL, now,
									&result->user, &result->amr);
	result->is_disabled = code_result == CODE_LOGIN_USER_DISABLED;
	return code_result == CODE_LOGIN_DONE;
}
