/*-------------------------------------------------------------------------
 *
 * link_page.c
 *	  GET and POST /flows/code_link: the page behind the link in a message with a
 *	  code (settings.code_link_uri).
 *
 * Programs open links in messages, too: scanners of mail servers, and previews.  So GET
 * changes nothing and uses nothing up; the user confirms with POST.  The form has the code
 * as a field, so that only the first address contains it.
 *
 * In the browser that has the flow in which a login code was requested, the page continues
 * that flow.  In any other browser, a log-in begins a cookie session if the client uses
 * them.  Otherwise, the page shows the six digits, to be typed where the code was requested.
 * It never completes what another browser has begun: whoever began it may be an attacker.
 *
 * An attacker can also send a link to the attacker's own account.  So the page names the
 * address that the browser is logged in as, and when and where the code was requested.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/errors.h"
#include "base/limits.h"
#include "base/raise.h"
#include "base/unix_time.h"
#include "base/uuid.h"
#include "domain/client.h"
#include "domain/code_login.h"
#include "domain/discovery.h"
#include "domain/login.h"
#include "domain/login_code.h"
#include "domain/one_time_code.h"
#include "domain/password_reset.h"
#include "domain/promotion.h"
#include "domain/session.h"
#include "domain/verification.h"
#include "http/http_caller.h"
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
#include "http/promotion_form.h"
#include "json/json_write.h"
#include "login_id/login_id.h"
#include "store/sessions.h"
#include "store/users.h"

typedef struct OpenLink
{
	const HttpRequest *request;
	char	   *code;			/* as the link has it; each string may be NULL */
	char	   *ui_locales;
	char	   *client_id;
	Client		client;			/* its name is NULL if it is not known */
	bool		has_client;
	LoginLink	login;			/* of a login code */
	HttpFlow	flow;			/* in which it was requested */
	bool		has_flow;
	const char *digits;			/* of a code that is typed, as the page shows them */
	HttpCaller	caller;			/* whose session the browser shows */
	Session		session;
	User		user;

	/* The form of a new password */
	AccountPolicy policy;
	char	   *login_id;
	char	   *password;
	const char *login_id_error;
	const char *password_errors;	/* JSON array */
	bool		is_set;

	/* The result of a confirmation. */
	CodeLoginResult result;
	char	   *cookie;
	bool		is_verified;
} OpenLink;

/* ---- messages ---- */

static const char *
name_of(const Client *client)
{
	return client->name != NULL && client->name[0] != '\0' ? client->name : client->client_id;
}

static void
show_message(const OpenLink *link, int status, const char *message, HttpResponse *response)
{
	http_message_page(link->request, response, status, message,
					  link->has_client ? name_of(&link->client) : NULL, NULL, link->ui_locales);
	http_no_store(response);
}

/* ---- pages that show a code ---- */

/* Begin the model of a page about the link. */
static void
begin_page(StringInfo model, const OpenLink *link, const char *view, const char *purpose)
{
	initStringInfo(model);
	http_page_begin(model, link->request, view, link->ui_locales);
	json_add_string(model, "purpose", purpose);
	if (link->has_client)
		json_add_string(model, "client_name", name_of(&link->client));
	if (link->digits != NULL)
		json_add_string(model, "digits", link->digits);
}

static void
end_page(StringInfo model, int status, HttpResponse *response)
{
	json_close(model);
	http_page(response, status, model->data);
	http_no_store(response);
}

/* Add what the user can recognize the request for a login code by. */
static void
add_request(StringInfo model, const LoginLink *login)
{
	json_add_string(model, "login_id", login->row.recipient);
	json_add_name(model, "request");
	json_open(model);
	json_add_integer(model, "time", unix_seconds(login->row.created_at));
	if (login->origin.client_address != NULL)
		json_add_string(model, "place", login->origin.client_address);
	json_close(model);
}

/* Add the form: the fields that the link consists of. */
static void
add_form(StringInfo model, const OpenLink *link)
{
	json_add_string(model, "action", psprintf("%s/flows/code_link", discovery_issuer()));
	json_add_name(model, "hidden");
	json_open(model);
	json_add_string(model, "code", link->code);
	if (link->client_id != NULL)
		json_add_string(model, "client_id", link->client_id);
	if (link->ui_locales != NULL)
		json_add_string(model, "ui_locales", link->ui_locales);
	json_close(model);
}

/* Show the code, to be typed where it was requested. */
static void
show_code(const OpenLink *link, const char *purpose, HttpResponse *response)
{
	StringInfoData model;

	begin_page(&model, link, "link_code", purpose);
	if (link->login.digits != NULL)
		add_request(&model, &link->login);
	end_page(&model, 200, response);
}

/* ---- login codes in the browser that requested them ---- */

/* Show the form of a promotion, which may also ask for a new password. */
static void
show_promotion(const OpenLink *link, const AccountPolicy *policy, HttpResponse *response)
{
	PromotionContext context = {
		.flow = &link->flow,
		.policy = policy,
		.is_link = true,
		.uri = psprintf("%s/flows/%s", discovery_issuer(),
						link->flow.authorization.has_guest ? "promote_user" : "sign_up")
	};
	PromotionForm form;

	promotion_form_begin(policy, login_id_type_name(link->login.row.login_id_type), &form);
	form.login_id = link->login.row.recipient;
	form.code = link->code;
	if (link->flow.authorization.has_guest)
		(void) promotion_state(&link->flow.authorization.ticket, &context.guest_since);

	/* The account that has proven the address, and that the code opens, has no new password. */
	if (code_login_has_account(&link->login.address))
		form.method = METHOD_CODE;
	promotion_form_show_code(&context, &form, 200, response);
}

/* Show the page of the flow on which the code is typed, with the code filled in. */
static void
show_flow(const OpenLink *link, HttpResponse *response)
{
	HttpCodePage page = {
		.uri = psprintf("%s/flows/login", discovery_issuer()),
		.purpose = "log_in",
		.type = link->login.row.login_id_type,
		.login_id = link->login.row.recipient,
		.code = link->code,
		.status = 200
	};
	AccountPolicy policy;
	StringInfoData model;

	login_read_policy(&policy);
	if (link->flow.authorization.has_guest || link->flow.authorization.wants_account)
	{
		show_promotion(link, &policy, response);
		return;
	}
	http_code_page_begin(&model, &link->flow, &policy, &page);
	http_code_page_show(&model, &page, response);
}

/* Add an error of the whole form to the model of a form without other errors. */
static void
add_form_error(StringInfo model, const HttpFormError *shown)
{
	json_add_name(model, "errors");
	json_open(model);
	json_add_string(model, "form", shown->text);
	json_close(model);
	http_page_add_wait(model, shown->wait);
}

/* ---- login codes in a browser that did not request them ---- */

/* Ask the user whether to log in with this browser.  error is NULL, or that of the last try. */
static void
show_log_in(const OpenLink *link, const ErrorData *error, HttpResponse *response)
{
	HttpFormError shown = {.status = 200};
	StringInfoData model;

	begin_page(&model, link, "link_log_in", "log_in");
	add_request(&model, &link->login);
	add_form(&model, link);
	if (link->caller == CALLER_KNOWN)
		json_add_string(&model, "replaces", link->user.is_anonymous ? "guest" : "account");
	if (error != NULL)
	{
		shown = http_form_error(error);
		add_form_error(&model, &shown);
	}
	end_page(&model, shown.status, response);
	http_add_retry_after(response, shown.wait);
}

/* A SubtransactionAction: log in to the account that the code opens. */
static void
log_in(void *arg)
{
	OpenLink   *link = arg;
	StringList	amr;
	User		user;

	link->result = code_login_verify(&link->client, NULL, link->code, NULL, link->request->now,
									 &user, &amr);
	if (link->result == CODE_LOGIN_DONE)
		link->cookie = http_replace_session(link->request, link->client.client_id, &user, &amr, NULL);
}

static void
show_logged_in(const OpenLink *link, HttpResponse *response)
{
	StringInfoData model;

	begin_page(&model, link, "message", "log_in");
	json_add_string(&model, "message", "link_logged_in");
	json_add_string(&model, "login_id", link->login.row.recipient);
	if (link->client.redirect_uris.count > 0)
		json_add_string(&model, "continue_uri", link->client.redirect_uris.items[0]);
	end_page(&model, 200, response);
	http_set_session_cookie(link->request, response, link->cookie, link->request->now);
}

static void
confirm_log_in(OpenLink *link, HttpResponse *response)
{
	ErrorData  *error = http_try(log_in, link);

	if (error != NULL && error->sqlerrcode == ERRCODE_AA_NO_ACCOUNT)
		show_message(link, HTTP_UNACCEPTABLE, "link_no_account", response);
	else if (error != NULL)
		show_log_in(link, error, response);
	else if (link->result == CODE_LOGIN_DONE)
		show_logged_in(link, response);
	else if (link->result == CODE_LOGIN_USER_DISABLED)
		show_message(link, 403, "disabled", response);
	else
		show_message(link, 400, "link_expired", response);
}

/* A SubtransactionAction: find out what a login code is for.  Raises AA001 and AA002. */
static void
open_login_code(void *arg)
{
	OpenLink   *link = arg;

	if (!login_code_open_link(link->code, link->request->now, &link->login))
		return;
	link->digits = link->login.digits;

	/* The session of an account's user may belong to no client. */
	if (link->login.adds_address && link->login.row.client_id[0] == '\0')
		return;
	client_get(link->login.row.client_id, &link->client);
	client_require_first_party(&link->client);
	link->has_client = true;
	link->has_flow = http_code_flow_find(link->request, &link->login, &link->flow);
}

static void
handle_login_code(OpenLink *link, HttpResponse *response)
{
	bool		is_post = strcmp(link->request->method, "POST") == 0;
	bool		is_guest;
	ErrorData  *error = http_try(open_login_code, link);

	if (error != NULL && !http_is_refusal(error))
		ReThrowError(error);
	if (error != NULL || link->login.digits == NULL)
	{
		show_message(link, 400, "link_expired", response);
		return;
	}
	is_guest = !uuid_is_nil(&link->login.row.asker);
	if (link->login.adds_address)
		show_code(link, "verify", response);
	else if (link->has_flow && !http_flow_is_finished(&link->flow))
		show_flow(link, response);
	else if (is_guest || link->client.application_type != APPLICATION_TRADITIONAL_WEBAPP)
		show_code(link, is_guest ? "sign_up" : "log_in", response);
	else if (is_post)
		confirm_log_in(link, response);
	else
		show_log_in(link, NULL, response);
}

/* ---- codes of the other messages ---- */

/*
 * Show the form that verifies an address of the browser's user.  error is NULL, or that of the
 * last try.
 */
static void
show_verify(const OpenLink *link, const ErrorData *error, HttpResponse *response)
{
	HttpFormError shown = {.status = 200};
	StringInfoData model;

	begin_page(&model, link, "link_verify", "verify");
	add_form(&model, link);
	if (error != NULL)
	{
		shown = http_form_error(error);
		add_form_error(&model, &shown);
	}
	end_page(&model, shown.status, response);
	http_add_retry_after(response, shown.wait);
}

/* A SubtransactionAction: verify the address that the code was sent to. */
static void
verify_address(void *arg)
{
	OpenLink   *link = arg;
	TimestampTz now = link->request->now;
	User		user;
	Session		session;

	link->is_verified = verification_complete_link(&link->user.id, link->code, now);

	/* The call may have waited for whoever ended the session. */
	if (link->is_verified &&
		!session_find_alive(&link->user.id, &link->session.id, now, &session, &user))
		raise_invalid_session("The session has ended.");
}

static void
confirm_verification(OpenLink *link, HttpResponse *response)
{
	ErrorData  *error = http_try(verify_address, link);

	if (error != NULL)
		show_verify(link, error, response);
	else if (link->is_verified)
		show_message(link, 200, "link_verified", response);
	else
		show_message(link, 400, "link_expired", response);
}

/*
 * Six digits verify an address of the user who asked for them.  This needs the user's
 * session: that of the browser's cookie, or the client's own.
 */
static void
handle_verification(OpenLink *link, HttpResponse *response)
{
	bool		is_post = strcmp(link->request->method, "POST") == 0;

	link->digits = link->code;
	if (link->caller != CALLER_KNOWN || link->user.is_anonymous)
		show_code(link, "verify", response);
	else if (is_post)
		confirm_verification(link, response);
	else
		show_verify(link, NULL, response);
}

/* ---- codes of password resets ---- */

/* Read and check the fields of the form.  Return whether they can be used. */
static bool
read_reset_form(OpenLink *link)
{
	HttpParams	params;
	LoginId		address;

	http_form(link->request, &params);
	link->login_id = http_param(&params, "login_id");
	link->password = http_param(&params, "password");
	if (link->login_id == NULL)
		link->login_id_error = "required";
	else if (strlen(link->login_id) > HTTP_LOGIN_ID_MAX_LENGTH ||
			 !login_parse_id(link->login_id, &link->policy, &address) ||
			 address.type == LOGIN_ID_USERNAME)
		link->login_id_error = "invalid";
	link->password_errors = link->password == NULL ? "[\"required\"]" :
		http_password_form_errors(link->password, &link->policy.password);
	return link->login_id_error == NULL && link->password_errors == NULL;
}

/* Show the form.  error is a code of the whole form, or NULL. */
static void
show_reset(const OpenLink *link, const char *error, int wait, int status, HttpResponse *response)
{
	StringInfoData model;

	begin_page(&model, link, "link_reset", "reset_password");
	add_form(&model, link);
	http_methods_add_login_id_types(&model, &link->policy, METHOD_CODE);
	http_password_form_add_policy(&model, &link->policy.password);
	http_page_add_wait(&model, wait);
	if (link->login_id != NULL)
		json_add_string(&model, "login_id", link->login_id);
	json_add_name(&model, "errors");
	json_open(&model);
	if (link->login_id_error != NULL)
		json_add_string(&model, "login_id", link->login_id_error);
	if (link->password_errors != NULL)
		json_add_raw(&model, "password", link->password_errors);
	if (error != NULL)
		json_add_string(&model, "form", error);
	json_close(&model);
	end_page(&model, status, response);
	http_add_retry_after(response, wait);
}

/* A SubtransactionAction: set the new password. */
static void
set_password(void *arg)
{
	OpenLink   *link = arg;

	link->is_set = password_reset_complete(link->login_id, link->code, link->password,
										   link->request->now);
}

static void
confirm_reset(OpenLink *link, HttpResponse *response)
{
	ErrorData  *error;
	HttpFormError shown;

	if (!read_reset_form(link))
		show_reset(link, NULL, 0, HTTP_UNACCEPTABLE, response);
	else if ((error = http_try(set_password, link)) == NULL)
	{
		if (link->is_set)
			show_message(link, 200, "link_password_set", response);
		else
			show_reset(link, "link_wrong", 0, HTTP_UNACCEPTABLE, response);
	}
	else if (error->sqlerrcode == ERRCODE_AA_PASSWORD_POLICY)
	{
		link->password_errors = "[\"error\"]";
		show_reset(link, NULL, 0, HTTP_UNACCEPTABLE, response);
	}
	else
	{
		shown = http_form_error(error);
		show_reset(link, shown.text, shown.wait, shown.status, response);
	}
}

/*
 * The code sets a new password for the user who has the address.  The link does not tell
 * which address that is, so the form asks for it.
 */
static void
handle_reset(OpenLink *link, HttpResponse *response)
{
	link->digits = link->code;
	login_read_policy(&link->policy);
	if (!http_methods_can_reset_password(&link->policy))
		show_code(link, "reset_password", response);
	else if (strcmp(link->request->method, "POST") == 0)
		confirm_reset(link, response);
	else
		show_reset(link, NULL, 0, 200, response);
}

/* ---- requests ---- */

/* Read the parameters, and whose session the browser shows. */
static void
read_link(OpenLink *link, const HttpRequest *request)
{
	HttpParams	params;

	link->request = request;
	http_params(request, &params);
	link->code = http_param(&params, "code");
	link->ui_locales = http_param(&params, "ui_locales");
	link->client_id = http_param(&params, "client_id");
	link->has_client = link->client_id != NULL && client_find(link->client_id, &link->client);
	link->caller = http_cookie_caller(request, &link->session, &link->user);
}

static void
handle_code_link(const HttpRequest *request, HttpResponse *response)
{
	OpenLink	link = {0};

	if (http_refuse_prefetch(request, response))
		return;
	read_link(&link, request);
	if (strcmp(request->method, "POST") == 0 && http_is_foreign(request, false))
	{
		show_message(&link, 403, "failed", response);
		return;
	}
	switch (link.code == NULL ? CODE_FORM_NONE : one_time_code_form(link.code))
	{
		case CODE_FORM_DIGITS:
			handle_verification(&link, response);
			break;
		case CODE_FORM_RESET:
			handle_reset(&link, response);
			break;
		case CODE_FORM_NONE:
			if (link.code != NULL)
				handle_login_code(&link, response);
			else
				show_message(&link, 400, "link_expired", response);
	}
}

PG_FUNCTION_INFO_V1(anon_auth_http_code_link);
Datum
anon_auth_http_code_link(PG_FUNCTION_ARGS)
{
	return http_serve(fcinfo, handle_code_link, http_write_page_error);
}
