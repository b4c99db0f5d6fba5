/*-------------------------------------------------------------------------
 *
 * reauthentication_form.c
 *	  The forms on which a user who is known logs in again.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/errors.h"
#include "base/limits.h"
#include "domain/auth_methods.h"
#include "domain/code_login.h"
#include "domain/login.h"
#include "domain/passkey.h"
#include "domain/passkey_options.h"
#include "http/http_code_flow.h"
#include "http/http_code_page.h"
#include "http/http_errors.h"
#include "http/http_page.h"
#include "http/http_params.h"
#include "http/http_passkey.h"
#include "http/reauthentication_form.h"
#include "json/json_write.h"

/* ---- ways ---- */

/* Return whether the pages offer a method, and the account has it. */
static bool
has_method(const Reauthentication *form, HttpMethod method)
{
	if (!http_methods_have(&form->policy, method))
		return false;
	return method == METHOD_PASSWORD ? form->ways.has_password :
		form->can_send && form->ways.count > 0;
}

static HttpMethod
other_method(HttpMethod method)
{
	return method == METHOD_PASSWORD ? METHOD_CODE : METHOD_PASSWORD;
}

/* The preferred one of the methods that the account has. */
static HttpMethod
first_method(const Reauthentication *form)
{
	HttpMethod	first = http_methods_first(&form->policy);

	return has_method(form, first) ? first : other_method(first);
}

bool
reauthentication_form_open(Reauthentication *form, const pg_uuid_t *user_id)
{
	login_read_policy(&form->policy);
	reauthentication_find_ways(user_id, &form->policy, &form->ways);
	form->method = first_method(form);
	return has_method(form, form->method) || form->ways.has_passkey;
}

/* ---- the first form ---- */

/* Return a login ID as the page shows it. */
static const char *
shown_login_id(const Reauthentication *form, const LoginIdRow *login_id)
{
	return form->is_masked ? reauthentication_masked(login_id) : login_id->original_value;
}

/* Add the addresses that the user can choose from. */
static void
add_addresses(StringInfo model, const Reauthentication *form)
{
	StringList	addresses = {.count = form->ways.count};
	int			i;

	addresses.items = palloc(sizeof(char *) * Max(addresses.count, 1));
	for (i = 0; i < addresses.count; i++)
		addresses.items[i] = unconstify(char *, shown_login_id(form, &form->ways.addresses[i]));
	json_add_strings(model, "addresses", &addresses);
}

/* Add the errors of the form, and how long the user must wait. */
static void
add_errors(StringInfo model, const Reauthentication *form)
{
	json_add_name(model, "errors");
	json_open(model);
	if (form->password_errors != NULL)
		json_add_raw(model, "password", form->password_errors);
	if (form->form_error != NULL)
		json_add_string(model, "form", form->form_error);
	json_close(model);
	http_page_add_wait(model, form->wait);
}

/*
 * Add the button for a passkey.  The options name the user's passkeys only if the browser has
 * shown that it is the user's: otherwise they would tell how many there are.
 */
static void
add_passkey(StringInfo model, const Reauthentication *form)
{
	HttpPasskeyButton button = {
		.text = "reauthenticate_with_passkey",
		.is_only_way = !has_method(form, form->method),
		.unknown_id = form->unknown_passkey
	};

	if (!form->ways.has_passkey)
		return;
	button.options = passkey_options_to_log_in(form->is_masked ? NULL : &form->ways.user_id,
											   form->request->now);
	http_passkey_add(model, &button);
}

void
reauthentication_form_show(Reauthentication *form, int status, HttpResponse *response)
{
	const LoginIdRow *known_as = form->ways.known_as;
	StringInfoData model;

	initStringInfo(&model);
	form->page->begin(&model, "reauthenticate", form->arg);
	if (known_as != NULL)
		json_add_string(&model, "account", shown_login_id(form, known_as));
	if (known_as != NULL && !form->is_masked)
		json_add_string(&model, "login_id", known_as->original_value);
	add_passkey(&model, form);
	if (form->method == METHOD_CODE && has_method(form, METHOD_CODE))
	{
		json_add_string(&model, "method", "code");
		add_addresses(&model, form);
	}
	if (has_method(form, other_method(form->method)))
		json_add_string(&model, "other", form->method == METHOD_CODE ? "password" : "code");
	add_errors(&model, form);
	json_close(&model);
	http_page(response, status, model.data);
	http_no_store(response);
	http_add_retry_after(response, form->wait);
}

void
reauthentication_form_show_error(Reauthentication *form, int status, const char *error,
								 HttpResponse *response)
{
	form->form_error = error;
	reauthentication_form_show(form, status, response);
}

/* Show the first form again for an error that is the reason of no field. */
static void
show_error(Reauthentication *form, const ErrorData *error, HttpResponse *response)
{
	HttpFormError shown = http_form_error(error);

	form->form_error = shown.text;
	form->wait = shown.wait;
	reauthentication_form_show(form, shown.status, response);
}

/* ---- with a password ---- */

/* A SubtransactionAction: check the password, and use the login. */
static void
try_password(void *arg)
{
	Reauthentication *form = arg;
	User		user;

	if (!login_with_password(form->client, &form->ways.user_id, NULL, form->password,
							 &form->policy, form->request->now, &user))
		return;
	form->page->finish(&user, &auth_methods_password, form->arg);
	form->result = REAUTHENTICATION_DONE;
}

static ReauthenticationResult
submit_password(Reauthentication *form, HttpResponse *response)
{
	ErrorData  *error;

	if (form->password == NULL)
	{
		form->password_errors = "[\"required\"]";
		reauthentication_form_show(form, HTTP_UNACCEPTABLE, response);
		return REAUTHENTICATION_SHOWN;
	}
	error = http_try(try_password, form);
	if (error != NULL)
		show_error(form, error, response);
	else if (form->result == REAUTHENTICATION_DONE)
		return REAUTHENTICATION_DONE;
	else
	{
		form->password_errors = "[\"wrong\"]";
		reauthentication_form_show(form, HTTP_UNACCEPTABLE, response);
	}
	return REAUTHENTICATION_SHOWN;
}

/* ---- with a code ---- */

static void
show_code_page(Reauthentication *form, HttpCodePage *page, HttpResponse *response)
{
	StringInfoData model;

	page->purpose = "reauthenticate";
	page->type = form->address->type;
	page->login_id = shown_login_id(form, form->address);
	page->code = form->code;
	initStringInfo(&model);
	form->page->begin(&model, "code", form->arg);
	json_add_name(&model, "hidden");
	json_open(&model);
	json_add_string(&model, "address", psprintf("%d", (int) (form->address - form->ways.addresses)));
	json_close(&model);
	http_code_page_add(&model, page);
	http_code_page_show(&model, page, response);
}

/* A SubtransactionAction: have a code sent to the address. */
static void
request_code(void *arg)
{
	Reauthentication *form = arg;

	(void) code_login_request_in_flow(form->client, form->address->value, NULL,
									  http_code_flow_language(form->request, form->ui_locales),
									  form->flow, form->request->now);
}

/* Have a code sent.  If that fails, a user who already has a code stays on its page. */
static void
send_code(Reauthentication *form, bool is_another, HttpResponse *response)
{
	HttpCodePage page = {.login_id = form->address->value};

	if (http_code_page_try(&form->policy, request_code, form, &page) || is_another)
		show_code_page(form, &page, response);
	else
	{
		form->form_error = page.form_error == NULL ? "failed" : page.form_error;
		form->wait = page.wait;
		reauthentication_form_show(form, page.status, response);
	}
}

/* Return the result of a login with a code. */
static ReauthenticationResult
result_of(CodeLoginResult result)
{
	return result == CODE_LOGIN_DONE ? REAUTHENTICATION_DONE :
		result == CODE_LOGIN_USER_DISABLED ? REAUTHENTICATION_DISABLED :
		REAUTHENTICATION_REFUSED;
}

/* A SubtransactionAction: check the code, and use the login. */
static void
try_code(void *arg)
{
	Reauthentication *form = arg;
	bool		is_of_link = login_code_is_of_link(form->code);
	StringList	amr;
	User		user;

	/* The code of a link names its address. */
	form->result = result_of(code_login_verify(form->client,
											   is_of_link ? NULL : form->address->value,
											   form->code, &form->ways.user_id,
											   form->request->now, &user, &amr));
	if (form->result == REAUTHENTICATION_DONE)
		form->page->finish(&user, &amr, form->arg);
}

static void
show_code_error(Reauthentication *form, const char *code_error, const ErrorData *error,
				HttpResponse *response)
{
	HttpCodePage page = {.code_error = code_error,.status = HTTP_UNACCEPTABLE};

	if (error != NULL)
		http_code_page_set_error(&page, error);
	show_code_page(form, &page, response);
}

void
reauthentication_form_show_refused(Reauthentication *form, HttpResponse *response)
{
	if (form->uses_passkey)
		reauthentication_form_show_error(form, HTTP_UNACCEPTABLE, "passkey_expired", response);
	else
		show_code_error(form, "wrong", NULL, response);
}

static ReauthenticationResult
submit_code(Reauthentication *form, HttpResponse *response)
{
	ErrorData  *error;

	if (form->code == NULL)
		show_code_error(form, "required", NULL, response);
	else if ((error = http_try(try_code, form)) == NULL)
		return form->result;
	/* The code is for an address that the user has not proven. */
	else if (error->sqlerrcode == ERRCODE_AA_NO_ACCOUNT)
		return REAUTHENTICATION_REFUSED;
	else
		show_code_error(form, NULL, error, response);
	return REAUTHENTICATION_SHOWN;
}

/* ---- with a passkey ---- */

/* A SubtransactionAction: check the response for a passkey, and use the login. */
static void
try_passkey(void *arg)
{
	Reauthentication *form = arg;
	StringList	amr;
	User		user;

	form->passkey_result = passkey_log_in_on_page(form->client,
												  http_passkey_response(&form->params),
												  &form->ways.user_id, form->request->now,
												  &user, &amr);
	if (form->passkey_result == PASSKEY_LOGIN_DONE)
		form->page->finish(&user, &amr, form->arg);
}

/* Act on an error of a response. */
static ReauthenticationResult
show_passkey_error(Reauthentication *form, const ErrorData *error, HttpResponse *response)
{
	const char *form_error = http_passkey_error(error);

	if (form_error == NULL)
		show_error(form, error, response);
	else if (strcmp(form_error, "passkey_expired") == 0)
		return REAUTHENTICATION_REFUSED;
	else
	{
		if (strcmp(form_error, "passkey_unknown") == 0)
			form->unknown_passkey = http_passkey_id(&form->params);
		reauthentication_form_show_error(form, HTTP_UNACCEPTABLE, form_error, response);
	}
	return REAUTHENTICATION_SHOWN;
}

static ReauthenticationResult
submit_passkey(Reauthentication *form, HttpResponse *response)
{
	ErrorData  *error = http_try(try_passkey, form);

	form->method = first_method(form);
	if (error != NULL)
		return show_passkey_error(form, error, response);
	switch (form->passkey_result)
	{
		case PASSKEY_LOGIN_DONE:
			return REAUTHENTICATION_DONE;
		case PASSKEY_LOGIN_USER_DISABLED:
			return REAUTHENTICATION_DISABLED;
		case PASSKEY_LOGIN_COUNTER:
			reauthentication_form_show_error(form, HTTP_UNACCEPTABLE, "passkey_refused", response);
			break;
		case PASSKEY_LOGIN_OTHER_USER:
			reauthentication_form_show_error(form, HTTP_UNACCEPTABLE, "passkey_other_user",
											 response);
			break;
	}
	return REAUTHENTICATION_SHOWN;
}

/* ---- requests ---- */

/* Read the number of an address.  The user may have removed one since the form was shown. */
static const LoginIdRow *
read_address(const Reauthentication *form, const HttpParams *params)
{
	char	   *text = http_param(params, "address");
	int			i = text == NULL || strlen(text) > 2 ? 0 : atoi(text);

	return form->ways.count == 0 ? NULL :
		&form->ways.addresses[i >= 0 && i < form->ways.count ? i : 0];
}

static void
read_form(Reauthentication *form)
{
	const HttpParams *params = &form->params;

	http_form(form->request, &form->params);
	form->uses_passkey = http_passkey_is_used(params);
	form->method = http_param_is(params, "step", "code") ? METHOD_CODE :
		http_methods_of_form(params);
	form->address = read_address(form, params);
	form->password = http_param(params, "password");
	form->code = http_param(params, "code");
	if (form->code != NULL && strlen(form->code) > HTTP_LOGIN_ID_MAX_LENGTH)
		form->code = NULL;
}

/* Return whether the user has chosen a method, and not yet filled in its form. */
static bool
chooses_method(const Reauthentication *form, const HttpParams *params)
{
	return http_param_is(params, "use", "password") ||
		(http_param_is(params, "use", "code") && form->ways.count > 1);
}

ReauthenticationResult
reauthentication_form_submit(Reauthentication *form, HttpResponse *response)
{
	bool		wants_another;

	read_form(form);
	wants_another = http_param_is(&form->params, "use", "another_code");
	if (form->uses_passkey && form->ways.has_passkey)
		return submit_passkey(form, response);
	if (form->uses_passkey || !has_method(form, form->method))
	{
		/* The setting or the account was changed after the form was shown. */
		form->method = first_method(form);
		reauthentication_form_show_error(form, HTTP_UNACCEPTABLE, "other_method", response);
	}
	else if (chooses_method(form, &form->params))
		reauthentication_form_show(form, 200, response);
	else if (form->method == METHOD_PASSWORD)
		return submit_password(form, response);
	else if (http_param_is(&form->params, "step", "code") && !wants_another)
		return submit_code(form, response);
	else
		send_code(form, wants_another, response);
	return REAUTHENTICATION_SHOWN;
}
