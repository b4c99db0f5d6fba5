/*-------------------------------------------------------------------------
 *
 * login_page.c
 *	  GET and POST /flows/login: the page on which a regular user logs in.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/limits.h"
#include "domain/auth_methods.h"
#include "domain/authorization.h"
#include "domain/login.h"
#include "http/http_endpoint.h"
#include "http/http_errors.h"
#include "http/http_flow.h"
#include "http/http_page.h"
#include "http/http_params.h"
#include "http/http_request.h"
#include "http/http_response.h"
#include "json/json_write.h"

typedef struct LoggingIn
{
	HttpFlow	flow;
	char	   *login_id;		/* NULL: empty */
	char	   *password;
	bool		logged_in;
	bool		is_other_user;	/* than the id_token_hint names */
	int			wait;			/* seconds until the next try; 0: it need not wait */
} LoggingIn;

static void
show_form(const LoggingIn *login, const char *login_id_error, const char *password_errors,
		  const char *form_error, int status, HttpResponse *response)
{
	AccountPolicy policy;
	StringInfoData model;

	http_flow_begin_page(&model, &login->flow, "log_in");
	login_read_policy(&policy);
	http_page_add_login_id_types(&model, &policy);
	http_page_add_wait(&model, login->wait);
	if (login->login_id != NULL)
		json_add_string(&model, "login_id", login->login_id);
	json_add_name(&model, "errors");
	json_open(&model);
	if (login_id_error != NULL)
		json_add_string(&model, "login_id", login_id_error);
	if (password_errors != NULL)
		json_add_raw(&model, "password", password_errors);
	if (form_error != NULL)
		json_add_string(&model, "form", form_error);
	json_close(&model);
	json_close(&model);
	http_page(response, status, model.data);
	http_no_store(response);
	http_add_retry_after(response, login->wait);
}

/* Check the password of a LoggingIn; arg is void * for http_try(). */
static void
verify_and_finish(void *arg)
{
	LoggingIn  *login = arg;

	login->logged_in = login_verify(&login->flow.client, login->login_id, login->password,
									login->flow.request->now, &login->flow.user);
	login->flow.amr = auth_methods_password;
	login->is_other_user = login->logged_in &&
		!authorization_request_allows(&login->flow.authorization, &login->flow.user);
	if (login->logged_in && !login->is_other_user)
		http_flow_finish(&login->flow);
}

static void
handle_form(LoggingIn *login, HttpResponse *response)
{
	HttpParams	params;
	ErrorData  *error;

	if (http_is_foreign(login->flow.request, false))
	{
		http_flow_message(&login->flow, 403, "failed", response);
		return;
	}
	http_form(login->flow.request, &params);
	login->login_id = http_param(&params, "login_id");
	login->password = http_param(&params, "password");
	if (login->login_id != NULL && strlen(login->login_id) > HTTP_LOGIN_ID_MAX_LENGTH)
		login->login_id = NULL;
	if (login->login_id == NULL || login->password == NULL)
	{
		show_form(login, login->login_id == NULL ? "required" : NULL,
				  login->password == NULL ? "[\"required\"]" : NULL, NULL,
				  HTTP_UNACCEPTABLE, response);
		return;
	}
	error = http_try(verify_and_finish, login);
	if (error != NULL && http_is_rate_limit(error))
	{
		login->wait = http_retry_after(error);
		show_form(login, NULL, NULL, "rate_limited", 429, response);
	}
	else if (error != NULL)
		show_form(login, NULL, NULL, "failed", http_is_refusal(error) ? HTTP_UNACCEPTABLE : 500,
				  response);
	else if (!login->logged_in)
		show_form(login, NULL, NULL, "wrong_credentials", HTTP_UNACCEPTABLE, response);
	else if (login->is_other_user)
		show_form(login, NULL, NULL, "other_user", HTTP_UNACCEPTABLE, response);
	else
		http_flow_redirect(&login->flow, response);
}

static void
handle_login(const HttpRequest *request, HttpResponse *response)
{
	LoggingIn	login = {0};

	if (!http_flow_open(&login.flow, request, response))
		return;
	if (strcmp(request->method, "POST") == 0)
		handle_form(&login, response);
	else
	{
		login.login_id = login.flow.authorization.login_hint;
		show_form(&login, NULL, NULL, NULL, 200, response);
	}
}

PG_FUNCTION_INFO_V1(anon_auth_http_login);
Datum
anon_auth_http_login(PG_FUNCTION_ARGS)
{
	return http_serve(fcinfo, handle_login, http_write_page_error);
}
