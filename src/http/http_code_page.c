/*-------------------------------------------------------------------------
 *
 * http_code_page.c
 *	  Having a code sent, and the page on which it is typed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/errors.h"
#include "domain/login.h"
#include "domain/login_code.h"
#include "http/http_code_flow.h"
#include "http/http_code_page.h"
#include "http/http_errors.h"
#include "http/http_methods.h"
#include "http/http_page.h"
#include "http/http_response.h"
#include "json/json_write.h"
#include "json/raise_json.h"

/* ---- the page ---- */

/* Add the code: as text to correct, unless it is that of a link, which nobody has typed. */
static void
add_code(StringInfo model, const HttpCodePage *page)
{
	if (page->code != NULL && login_code_is_of_link(page->code))
	{
		if (page->code_error == NULL)
			json_add_string(model, "link_code", page->code);
	}
	else if (page->code != NULL)
		json_add_string(model, "code", page->code);
}

void
http_code_page_begin(StringInfo model, const HttpFlow *flow, const AccountPolicy *policy,
					 const HttpCodePage *page)
{
	http_flow_begin_page_for(model, flow, "code", page->uri == NULL ? "" : page->uri);
	http_methods_add_login_id_types(model, policy, METHOD_CODE);
	http_code_page_add(model, page);
}

void
http_code_page_add(StringInfo model, const HttpCodePage *page)
{
	http_page_add_wait(model, page->wait);
	json_add_string(model, "purpose", page->purpose);
	json_add_string(model, "other", "another_code");
	json_add_string(model, "login_id_type", login_id_type_name(page->type));
	json_add_string(model, "login_id", page->login_id);
	add_code(model, page);
	json_add_name(model, "errors");
	json_open(model);
	if (page->code_error != NULL)
		json_add_string(model, "code", page->code_error);
	if (page->password_errors != NULL)
		json_add_raw(model, "password", page->password_errors);
	if (page->form_error != NULL)
		json_add_string(model, "form", page->form_error);
	json_close(model);
}

void
http_code_page_show(StringInfo model, const HttpCodePage *page, HttpResponse *response)
{
	json_close(model);
	http_page(response, page->status, model->data);
	http_no_store(response);
	http_add_retry_after(response, page->wait);
}

/* ---- requests ---- */

typedef struct CodeRequest
{
	HttpFlow   *flow;
	const char *login_id;
	const GuestTicket *ticket;
} CodeRequest;

/* A SubtransactionAction: have the code of a CodeRequest sent. */
static void
request_code(void *arg)
{
	CodeRequest *request = arg;

	(void) http_code_flow_request(request->flow, request->login_id, request->ticket);
}

bool
http_code_page_is_wait(const ErrorData *error)
{
	return error->sqlerrcode == ERRCODE_AA_RATE_LIMITED &&
		(raise_json_is_limit(error->detail, RATE_LIMIT_codes_per_minute) ||
		 raise_json_is_limit(error->detail, RATE_LIMIT_codes_per_hour) ||
		 raise_json_is_limit(error->detail, RATE_LIMIT_unused_codes));
}

/* The error of a login ID that no code can be sent to. */
static const char *
login_id_error_of(const AccountPolicy *policy, LoginIdType type, const char *login_id)
{
	if (type == LOGIN_ID_USERNAME)
		return account_policy_allows(policy, LOGIN_ID_USERNAME) &&
			http_methods_have(policy, METHOD_PASSWORD) ? "no_address" : "invalid";
	return login_id_is_well_formed(type, login_id) ? "not_allowed" : "invalid";
}

void
http_code_page_set_error(HttpCodePage *page, const ErrorData *error)
{
	HttpFormError shown = http_form_error(error);

	page->wait = shown.wait;
	page->form_error = http_code_page_is_wait(error) ? "code_wait" : shown.text;
	page->status = shown.status;
}

bool
http_code_page_request(HttpFlow *flow, const AccountPolicy *policy, const GuestTicket *ticket,
					   HttpCodePage *page)
{
	CodeRequest request = {.flow = flow,.login_id = page->login_id,.ticket = ticket};

	return http_code_page_try(policy, request_code, &request, page);
}

bool
http_code_page_try(const AccountPolicy *policy, SubtransactionAction action, void *arg,
				   HttpCodePage *page)
{
	LoginId		address;
	ErrorData  *error;

	(void) login_parse_id(page->login_id, policy, &address);
	page->type = address.type;
	error = http_try(action, arg);
	page->error = error;
	if (error == NULL)
	{
		page->status = 200;
		return true;
	}
	if (error->sqlerrcode == ERRCODE_AA_INVALID_LOGIN_ID)
	{
		page->status = HTTP_UNACCEPTABLE;
		page->login_id_error = login_id_error_of(policy, page->type, page->login_id);
	}
	else
		http_code_page_set_error(page, error);
	return http_code_page_is_wait(error);
}
