/*-------------------------------------------------------------------------
 *
 * login_page.c
 *	  GET and POST /flows/login: the pages on which a regular user logs in.
 *
 * The first page asks for the login ID, and for the password unless the user logs in with
 * a code.  The second page asks for the code.  Its form repeats the login ID.  A passkey
 * needs no login ID; that of a guest logs in to the guest.
 *
 * If an id_token_hint names the user, the forms are those of reauthentication_form.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/errors.h"
#include "base/limits.h"
#include "domain/auth_methods.h"
#include "domain/authorization.h"
#include "domain/code_login.h"
#include "domain/login.h"
#include "domain/passkey.h"
#include "domain/passkey_options.h"
#include "http/http_code_page.h"
#include "http/http_endpoint.h"
#include "http/http_errors.h"
#include "http/http_flow.h"
#include "http/http_methods.h"
#include "http/http_page.h"
#include "http/http_params.h"
#include "http/http_passkey.h"
#include "http/http_request.h"
#include "http/http_response.h"
#include "http/reauthentication_form.h"
#include "json/json_write.h"

typedef struct LoggingIn
{
	HttpFlow	flow;
	AccountPolicy policy;
	HttpMethod	method;			/* of the form */
	char	   *login_id;		/* NULL: empty */
	char	   *password;
	char	   *code;
	bool		logged_in;
	CodeLoginResult code_result;
	bool		has_new_password;	/* the user has just chosen it */
	int			wait;			/* seconds until the next try; 0: it need not wait */
	const HttpParams *params;	/* of the form */
	PasskeyLoginResult passkey_result;
	char	   *unknown_passkey;	/* its id, or NULL */
} LoggingIn;

/* ---- the form with the login ID ---- */

/* Add links for users who have forgotten their password, or have no account. */
static void
add_ways_out(StringInfo model, const LoggingIn *login)
{
	const HttpFlow *flow = &login->flow;

	if (login->method == METHOD_PASSWORD && http_methods_can_reset_password(&login->policy))
		json_add_string(model, "forgot_password_uri",
						http_flow_forgot_password_uri(flow));
	if (login->policy.page_sign_up)
		json_add_string(model, "sign_up_uri", http_flow_sign_up_uri(flow));
	if (login->has_new_password)
		json_add_string(model, "notice", "new_password");
}

/* Add the button for a passkey, and offer passkeys in the autofill of the login ID. */
static void
add_passkey(StringInfo model, const LoggingIn *login)
{
	HttpPasskeyButton button = {
		.text = "log_in_with_passkey",
		.autofills = true,
		.unknown_id = login->unknown_passkey
	};

	if (!http_passkey_is_offered())
		return;
	button.options = passkey_options_to_log_in(NULL, login->flow.request->now);
	http_passkey_add(model, &button);
}

static void
show_form(const LoggingIn *login, const char *login_id_error, const char *password_errors,
		  const char *form_error, int status, HttpResponse *response)
{
	StringInfoData model;

	http_flow_begin_page(&model, &login->flow, "log_in");
	http_methods_add(&model, &login->policy, login->method);
	http_methods_add_login_id_types(&model, &login->policy, login->method);
	http_page_add_wait(&model, login->wait);
	add_ways_out(&model, login);
	add_passkey(&model, login);
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

/* Show the form again for an error of the whole form. */
static void
show_form_error(LoggingIn *login, const ErrorData *error, HttpResponse *response)
{
	HttpFormError shown = http_form_error(error);

	login->wait = shown.wait;
	show_form(login, NULL, NULL, shown.text, shown.status, response);
}

/* ---- with a password ---- */

/* Check the password of a LoggingIn; arg is void * for http_try(). */
static void
verify_and_finish(void *arg)
{
	LoggingIn  *login = arg;

	login->logged_in = login_verify(&login->flow.client, login->login_id, login->password,
									login->flow.request->now, &login->flow.user);
	login->flow.amr = auth_methods_password;
	if (login->logged_in)
		http_flow_finish(&login->flow);
}

static void
try_password(LoggingIn *login, HttpResponse *response)
{
	ErrorData  *error;

	if (login->login_id == NULL || login->password == NULL)
	{
		show_form(login, login->login_id == NULL ? "required" : NULL,
				  login->password == NULL ? "[\"required\"]" : NULL, NULL,
				  HTTP_UNACCEPTABLE, response);
		return;
	}
	error = http_try(verify_and_finish, login);
	if (error != NULL)
		show_form_error(login, error, response);
	else if (!login->logged_in)
		show_form(login, NULL, NULL, "wrong_credentials", HTTP_UNACCEPTABLE, response);
	else
		http_flow_redirect(&login->flow, response);
}

/* ---- with a code ---- */

static void
show_code_page(const LoggingIn *login, HttpCodePage *page, HttpResponse *response)
{
	StringInfoData model;

	page->code = login->code;
	http_code_page_begin(&model, &login->flow, &login->policy, page);
	http_code_page_show(&model, page, response);
}

/*
 * Have a code sent, and show the page for it.  If that fails, a user who already has a code
 * stays on that page.
 */
static void
send_code(LoggingIn *login, bool is_another, HttpResponse *response)
{
	HttpCodePage page = {.purpose = "log_in",.login_id = login->login_id};

	login->method = METHOD_CODE;
	if (login->login_id == NULL)
		show_form(login, "required", NULL, NULL, HTTP_UNACCEPTABLE, response);
	else if (http_code_page_request(&login->flow, &login->policy, NULL, &page) ||
			 (is_another && page.login_id_error == NULL))
		show_code_page(login, &page, response);
	else
	{
		login->wait = page.wait;
		show_form(login, page.login_id_error, NULL, page.form_error, page.status, response);
	}
}

/* Check the code of a LoggingIn; arg is void * for http_try(). */
static void
verify_code_and_finish(void *arg)
{
	LoggingIn  *login = arg;
	HttpFlow   *flow = &login->flow;

	login->code_result = code_login_verify(&flow->client, login->login_id, login->code, NULL,
										   flow->request->now, &flow->user, &flow->amr);
	if (login->code_result == CODE_LOGIN_DONE)
		http_flow_finish(flow);
}

/* Show the page for the code again. */
static void
show_code_error(const LoggingIn *login, const char *code_error, const ErrorData *error,
				HttpResponse *response)
{
	HttpCodePage page = {
		.purpose = "log_in",
		.login_id = login->login_id,
		.code_error = code_error,
		.status = HTTP_UNACCEPTABLE
	};
	LoginId		address;

	(void) login_parse_id(login->login_id, &login->policy, &address);
	page.type = address.type;
	if (error != NULL)
		http_code_page_set_error(&page, error);
	show_code_page(login, &page, response);
}

/* Answer a code that was checked without an error. */
static void
show_code_result(LoggingIn *login, HttpResponse *response)
{
	switch (login->code_result)
	{
		case CODE_LOGIN_DONE:
			http_flow_redirect(&login->flow, response);
			break;
		case CODE_LOGIN_USER_DISABLED:
			http_flow_message(&login->flow, 403, "disabled", response);
			break;
		case CODE_LOGIN_OTHER_USER:
		case CODE_LOGIN_WRONG_CODE:
			/* A second click, or the back button, has sent the form again. */
			if (http_flow_is_finished(&login->flow))
				http_flow_message(&login->flow, 200, "logged_in", response);
			else
				show_code_error(login, "wrong", NULL, response);
			break;
	}
}

static void
try_code(LoggingIn *login, HttpResponse *response)
{
	ErrorData  *error;

	login->method = METHOD_CODE;
	if (login->login_id == NULL)
		show_form(login, "required", NULL, NULL, HTTP_UNACCEPTABLE, response);
	else if (login->code == NULL)
		show_code_error(login, "required", NULL, response);
	else if ((error = http_try(verify_code_and_finish, login)) == NULL)
		show_code_result(login, response);
	else if (error->sqlerrcode == ERRCODE_AA_NO_ACCOUNT)
		show_form(login, "no_account", NULL, NULL, HTTP_UNACCEPTABLE, response);
	else
		show_code_error(login, NULL, error, response);
}

/* ---- with a passkey ---- */

/* A SubtransactionAction: check the response in the form of a LoggingIn. */
static void
verify_passkey_and_finish(void *arg)
{
	LoggingIn  *login = arg;
	HttpFlow   *flow = &login->flow;

	login->passkey_result = passkey_log_in_on_page(&flow->client,
												   http_passkey_response(login->params), NULL,
												   flow->request->now, &flow->user, &flow->amr);
	if (login->passkey_result == PASSKEY_LOGIN_DONE)
		http_flow_finish(flow);
}

/*
 * Show the form again, with new options, for a response that was refused.  The authenticator
 * is asked to forget a passkey that no user has.
 */
static void
show_passkey_error(LoggingIn *login, const ErrorData *error, HttpResponse *response)
{
	const char *form_error = http_passkey_error(error);

	if (form_error == NULL)
		show_form_error(login, error, response);
	/* A second click, or the back button, has sent the form again. */
	else if (strcmp(form_error, "passkey_expired") == 0 && http_flow_is_finished(&login->flow))
		http_flow_message(&login->flow, 200, "logged_in", response);
	else
	{
		if (strcmp(form_error, "passkey_unknown") == 0)
			login->unknown_passkey = http_passkey_id(login->params);
		show_form(login, NULL, NULL, form_error, HTTP_UNACCEPTABLE, response);
	}
}

static void
try_passkey(LoggingIn *login, HttpResponse *response)
{
	ErrorData  *error = http_try(verify_passkey_and_finish, login);

	if (error != NULL)
		show_passkey_error(login, error, response);
	else if (login->passkey_result == PASSKEY_LOGIN_DONE)
		http_flow_redirect(&login->flow, response);
	else if (login->passkey_result == PASSKEY_LOGIN_USER_DISABLED)
		http_flow_message(&login->flow, 403, "disabled", response);
	else
		show_form(login, NULL, NULL, "passkey_refused", HTTP_UNACCEPTABLE, response);
}

/* ---- requests ---- */

static char *
short_param(const HttpParams *params, const char *name)
{
	char	   *value = http_param(params, name);

	return value != NULL && strlen(value) > HTTP_LOGIN_ID_MAX_LENGTH ? NULL : value;
}

/* Act on a form of a method that the pages offer. */
static void
act_on_form(LoggingIn *login, const HttpParams *params, HttpResponse *response)
{
	bool		wants_another = http_param_is(params, "use", "another_code");

	if (http_param_is(params, "use", "password"))
		show_form(login, NULL, NULL, NULL, 200, response);
	else if (login->method == METHOD_PASSWORD)
		try_password(login, response);
	else if (http_param_is(params, "step", "code") && !wants_another)
		try_code(login, response);
	else
		send_code(login, wants_another, response);
}

static void
handle_form(LoggingIn *login, HttpResponse *response)
{
	HttpParams	params;

	if (http_is_foreign(login->flow.request, false))
	{
		http_flow_message(&login->flow, 403, "failed", response);
		return;
	}
	http_form(login->flow.request, &params);
	login->login_id = short_param(&params, "login_id");
	login->password = http_param(&params, "password");
	login->code = short_param(&params, "code");
	login->method = http_param_is(&params, "step", "code") ? METHOD_CODE :
		http_methods_of_form(&params);
	login->params = &params;
	if (http_passkey_is_used(&params) && http_passkey_is_offered())
		try_passkey(login, response);
	else if (http_methods_have(&login->policy, login->method) &&
			 !http_passkey_is_used(&params))
		act_on_form(login, &params, response);
	else
	{
		/* The setting was changed after the form was shown. */
		login->method = http_methods_first(&login->policy);
		show_form(login, NULL, NULL, "other_method", HTTP_UNACCEPTABLE, response);
	}
}

/* ---- reauthentication ---- */

/* See ReauthenticationPage. */
static void
begin_reauthentication(StringInfo model, const char *view, const void *arg)
{
	const HttpFlow *flow = arg;
	AccountPolicy policy;

	login_read_policy(&policy);
	http_flow_begin_page(model, flow, view);
	if (http_methods_can_reset_password(&policy))
		json_add_string(model, "forgot_password_uri", http_flow_forgot_password_uri(flow));
}

/* See ReauthenticationPage. */
static void
finish_reauthentication(const User *user, const StringList *amr, void *arg)
{
	HttpFlow   *flow = arg;

	flow->user = *user;
	flow->amr = *amr;
	http_flow_finish(flow);
}

static const ReauthenticationPage reauthentication_page = {
	begin_reauthentication, finish_reauthentication
};

static void
handle_reauthentication_form(HttpFlow *flow, Reauthentication *form, HttpResponse *response)
{
	switch (reauthentication_form_submit(form, response))
	{
		case REAUTHENTICATION_SHOWN:
			break;
		case REAUTHENTICATION_DONE:
			http_flow_redirect(flow, response);
			break;
		case REAUTHENTICATION_DISABLED:
			http_flow_message(flow, 403, "disabled", response);
			break;
		case REAUTHENTICATION_REFUSED:
			/* A second click, or the back button, has sent the form again. */
			if (http_flow_is_finished(flow))
				http_flow_message(flow, 200, "logged_in", response);
			else
				reauthentication_form_show_refused(form, response);
			break;
	}
}

/* Let only the user of the id_token_hint log in. */
static void
handle_reauthentication(HttpFlow *flow, HttpResponse *response)
{
	const HttpRequest *request = flow->request;
	bool		is_post = strcmp(request->method, "POST") == 0;
	Reauthentication form = {
		.page = &reauthentication_page,
		.arg = flow,
		.request = request,
		.client = &flow->client,
		.flow = flow->x_ref,
		.ui_locales = flow->authorization.ui_locales,
		.is_masked = true,
		.can_send = true
	};

	if (is_post && http_is_foreign(request, false))
		http_flow_message(flow, 403, "failed", response);
	else if (!reauthentication_form_open(&form,
										 authorization_request_user(&flow->authorization)))
		http_flow_message(flow, 403, "reauthenticate_elsewhere", response);
	else if (is_post)
		handle_reauthentication_form(flow, &form, response);
	else
		reauthentication_form_show(&form, 200, response);
}

static void
handle_login(const HttpRequest *request, HttpResponse *response)
{
	LoggingIn	login = {0};

	if (!http_flow_open(&login.flow, request, response))
		return;
	if (authorization_request_user(&login.flow.authorization) != NULL)
	{
		handle_reauthentication(&login.flow, response);
		return;
	}
	login_read_policy(&login.policy);
	login.method = http_methods_first(&login.policy);
	if (strcmp(request->method, "POST") == 0)
		handle_form(&login, response);
	else
	{
		login.has_new_password = login.flow.authorization.has_new_password;
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
