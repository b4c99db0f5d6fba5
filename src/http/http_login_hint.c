/*-------------------------------------------------------------------------
 *
 * http_login_hint.c
 *	  The parameter login_hint of /oauth2/authorize (docs/authgear.md, 2.4).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "domain/login.h"
#include "http/http_login_hint.h"

#define LOGIN_HINT			"https://authgear.com/login_hint?"

static const char *const login_id_parameters[] = {"email", "phone", "username"};

static void
set_invalid(HttpLoginHint *hint, const char *problem)
{
	hint->type = LOGIN_HINT_INVALID;
	hint->problem = problem;
}

static void
set_login_id(HttpLoginHint *hint, char *login_id)
{
	hint->type = LOGIN_HINT_LOGIN_ID;
	if (login_id != NULL && login_may_be_id(login_id))
		hint->login_id = login_id;
}

static void
read_guest(const HttpParams *params, HttpLoginHint *hint)
{
	GuestProof *proof = &hint->proof;

	hint->type = LOGIN_HINT_GUEST;
	proof->promotion_code = http_param(params, "promotion_code");
	if (proof->promotion_code == NULL)
		proof->jwt = http_param(params, "jwt");
	if (proof->promotion_code == NULL && proof->jwt == NULL)
		set_invalid(hint, "unexpected login hint content");
}

static void
read_app_session(const HttpParams *params, HttpLoginHint *hint)
{
	hint->type = LOGIN_HINT_APP_SESSION;
	hint->app_session_token = http_param(params, "app_session_token");
	if (hint->app_session_token == NULL)
		set_invalid(hint, "unexpected login hint content");
}

/* Read the first login ID that is there.  A user can replace it on the page. */
static void
read_login_id(const HttpParams *params, HttpLoginHint *hint)
{
	char	   *login_id = NULL;
	int			i;

	for (i = 0; login_id == NULL && i < lengthof(login_id_parameters); i++)
		login_id = http_param(params, login_id_parameters[i]);
	set_login_id(hint, login_id);
}

void
http_login_hint(const HttpParams *params, HttpLoginHint *hint)
{
	char	   *text = http_param(params, "login_hint");
	HttpParams	members;

	memset(hint, 0, sizeof(HttpLoginHint));
	if (text == NULL)
		return;
	if (strncmp(text, LOGIN_HINT, strlen(LOGIN_HINT)) != 0)
	{
		set_login_id(hint, text);
		return;
	}
	http_parse_params(text + strlen(LOGIN_HINT), &members);
	if (http_param_is(&members, "type", "anonymous"))
		read_guest(&members, hint);
	else if (http_param_is(&members, "type", "app_session_token"))
		read_app_session(&members, hint);
	else if (http_param_is(&members, "type", "login_id"))
		read_login_id(&members, hint);
	else
		set_invalid(hint, "invalid login_hint type");
}
