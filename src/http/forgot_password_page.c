/*-------------------------------------------------------------------------
 *
 * forgot_password_page.c
 *	  GET and POST /flows/forgot_password: the pages on which a user who has forgotten the
 *	  password chooses a new one, with a code that is sent to an address of the account.
 *
 * The first page asks for the address.  The second page, which looks the same whether or
 * not a user has the address, asks for the code and the new password.  Then the log-in goes
 * on.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/errors.h"
#include "base/limits.h"
#include "domain/login.h"
#include "domain/password_reset.h"
#include "http/http_code_flow.h"
#include "http/http_code_page.h"
#include "http/http_endpoint.h"
#include "http/http_errors.h"
#include "http/http_flow.h"
#include "http/http_methods.h"
#include "http/http_page.h"
#include "http/http_params.h"
#include "http/http_password_form.h"
#include "http/http_request.h"
#include "http/http_response.h"
#include "json/json_write.h"

typedef struct ForgottenPassword
{
	HttpFlow	flow;
	AccountPolicy policy;
	char	   *login_id;		/* each is NULL if it is empty */
	char	   *code;
	char	   *password;
	bool		is_set;
} ForgottenPassword;

/* ---- the form with the address ---- */

static void
show_address_form(const ForgottenPassword *forgotten, const HttpCodePage *page,
				  HttpResponse *response)
{
	StringInfoData model;

	http_flow_begin_page(&model, &forgotten->flow, "forgot_password");
	http_methods_add_login_id_types(&model, &forgotten->policy, METHOD_CODE);
	json_add_string(&model, "log_in_uri", http_flow_login_uri(&forgotten->flow, NULL));
	if (forgotten->login_id != NULL)
		json_add_string(&model, "login_id", forgotten->login_id);
	http_page_add_wait(&model, page->wait);
	json_add_name(&model, "errors");
	json_open(&model);
	if (page->login_id_error != NULL)
		json_add_string(&model, "login_id", page->login_id_error);
	if (page->form_error != NULL)
		json_add_string(&model, "form", page->form_error);
	json_close(&model);
	http_code_page_show(&model, page, response);
}

/* Return the error of a text that no code can be sent to, whoever has it; NULL: none. */
static const char *
address_error(const ForgottenPassword *forgotten)
{
	LoginId		address;
	bool		is_well_formed;

	if (forgotten->login_id == NULL)
		return "required";
	is_well_formed = login_parse_id(forgotten->login_id, &forgotten->policy, &address);
	if (address.type == LOGIN_ID_USERNAME &&
		account_policy_allows(&forgotten->policy, LOGIN_ID_USERNAME))
		return "no_reset_address";
	return is_well_formed && address.type != LOGIN_ID_USERNAME ? NULL : "invalid";
}

/* ---- the form with the code ---- */

static void
show_code_form(const ForgottenPassword *forgotten, HttpCodePage *page, HttpResponse *response)
{
	LoginId		address;
	StringInfoData model;

	(void) login_parse_id(forgotten->login_id, &forgotten->policy, &address);
	page->purpose = "reset_password";
	page->type = address.type;
	page->login_id = forgotten->login_id;
	page->code = forgotten->code;
	http_code_page_begin(&model, &forgotten->flow, &forgotten->policy, page);
	json_add_boolean(&model, "asks_password", true);
	json_add_string(&model, "log_in_uri", http_flow_login_uri(&forgotten->flow, forgotten->login_id));
	http_password_form_add_policy(&model, &forgotten->policy.password);
	http_code_page_show(&model, page, response);
}

/* A SubtransactionAction: have a code sent. */
static void
request_code(void *arg)
{
	ForgottenPassword *forgotten = arg;
	const HttpFlow *flow = &forgotten->flow;
	CodeDelivery delivery = {
		.client_id = flow->client.client_id,
		.language = http_code_flow_language(flow->request, flow->authorization.ui_locales)
	};

	password_reset_request(forgotten->login_id, &delivery, flow->request->now);
}

/* Have a code sent.  If that fails, a user who already has a code stays on its page. */
static void
send_code(ForgottenPassword *forgotten, bool is_another, HttpResponse *response)
{
	HttpCodePage page = {
		.login_id = forgotten->login_id,
		.login_id_error = address_error(forgotten),
		.status = HTTP_UNACCEPTABLE
	};

	if (page.login_id_error == NULL &&
		(http_code_page_try(&forgotten->policy, request_code, forgotten, &page) ||
		 (is_another && page.login_id_error == NULL)))
	{
		forgotten->code = NULL;
		show_code_form(forgotten, &page, response);
	}
	else
		show_address_form(forgotten, &page, response);
}

/* A SubtransactionAction: set the password if the code is right. */
static void
set_password(void *arg)
{
	ForgottenPassword *forgotten = arg;

	forgotten->is_set = password_reset_complete(forgotten->login_id, forgotten->code,
												forgotten->password,
												forgotten->flow.request->now);
}

/* Let the user log in with the new password. */
static void
go_to_login(const ForgottenPassword *forgotten, HttpResponse *response)
{
	http_redirect(response, http_flow_new_password_uri(&forgotten->flow, forgotten->login_id));
	http_no_store(response);
}

static void
submit_code(ForgottenPassword *forgotten, HttpResponse *response)
{
	HttpCodePage page = {.status = HTTP_UNACCEPTABLE};
	ErrorData  *error;

	page.password_errors = forgotten->password == NULL ? "[\"required\"]" :
		http_password_form_errors(forgotten->password, &forgotten->policy.password);
	if (forgotten->code == NULL)
		page.code_error = "required";
	if (page.password_errors != NULL || page.code_error != NULL)
	{
		show_code_form(forgotten, &page, response);
		return;
	}
	error = http_try(set_password, forgotten);
	if (error == NULL && forgotten->is_set)
	{
		go_to_login(forgotten, response);
		return;
	}
	if (error == NULL)
		page.code_error = "wrong_reset";
	else if (error->sqlerrcode == ERRCODE_AA_PASSWORD_POLICY)
		page.password_errors = "[\"error\"]";
	else
		http_code_page_set_error(&page, error);
	show_code_form(forgotten, &page, response);
}

/* ---- requests ---- */

static char *
short_param(const HttpParams *params, const char *name)
{
	char	   *value = http_param(params, name);

	return value != NULL && strlen(value) > HTTP_LOGIN_ID_MAX_LENGTH ? NULL : value;
}

static void
handle_form(ForgottenPassword *forgotten, HttpResponse *response)
{
	HttpParams	params;
	bool		wants_another;

	http_form(forgotten->flow.request, &params);
	wants_another = http_param_is(&params, "use", "another_code");
	forgotten->login_id = short_param(&params, "login_id");
	forgotten->code = short_param(&params, "code");
	forgotten->password = http_param(&params, "password");
	if (http_param_is(&params, "step", "code") && !wants_another &&
		address_error(forgotten) == NULL)
		submit_code(forgotten, response);
	else
		send_code(forgotten, wants_another, response);
}

static void
handle_forgot_password(const HttpRequest *request, HttpResponse *response)
{
	ForgottenPassword forgotten = {0};
	HttpCodePage page = {.status = 200};
	bool		is_post = strcmp(request->method, "POST") == 0;

	if (!http_flow_open(&forgotten.flow, request, response))
		return;
	login_read_policy(&forgotten.policy);
	if (is_post && http_is_foreign(request, false))
		http_flow_message(&forgotten.flow, 403, "failed", response);
	else if (forgotten.flow.authorization.has_guest ||
			 !http_methods_can_reset_password(&forgotten.policy))
		http_flow_message(&forgotten.flow, 403, "failed", response);
	else if (is_post)
		handle_form(&forgotten, response);
	else
	{
		forgotten.login_id = forgotten.flow.authorization.login_hint;
		show_address_form(&forgotten, &page, response);
	}
}

PG_FUNCTION_INFO_V1(anon_auth_http_forgot_password);
Datum
anon_auth_http_forgot_password(PG_FUNCTION_ARGS)
{
	return http_serve(fcinfo, handle_forgot_password, http_write_page_error);
}
