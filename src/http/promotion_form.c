/*-------------------------------------------------------------------------
 *
 * promotion_form.c
 *	  The forms on which a guest becomes a regular user: reading, checking and showing
 *	  them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/limits.h"
#include "base/unix_time.h"
#include "domain/passkey_options.h"
#include "http/http_code_page.h"
#include "http/http_page.h"
#include "http/http_passkey.h"
#include "http/http_params.h"
#include "http/http_password_form.h"
#include "http/http_request.h"
#include "http/http_response.h"
#include "http/promotion_form.h"
#include "json/json_write.h"

/* ---- methods and types ---- */

/* Return whether the pages can promote with a login ID of this type. */
static bool
offers_type(const AccountPolicy *policy, LoginIdType type)
{
	return account_policy_allows(policy, type) &&
		(type != LOGIN_ID_USERNAME || http_methods_have(policy, METHOD_PASSWORD));
}

/* The type of this name if it is offered, else the first type that is. */
static LoginIdType
login_id_type_of(const AccountPolicy *policy, const char *name)
{
	LoginIdType first = LOGIN_ID_EMAIL;
	int			type;

	for (type = LOGIN_ID_TYPES - 1; type >= 0; type--)
	{
		if (!offers_type(policy, type))
			continue;
		if (name != NULL && strcmp(login_id_type_name(type), name) == 0)
			return type;
		first = type;
	}
	return first;
}

/* No code can be sent to a username. */
static bool
can_choose_method(const AccountPolicy *policy, LoginIdType type)
{
	return type != LOGIN_ID_USERNAME && http_methods_have(policy, METHOD_CODE) &&
		http_methods_have(policy, METHOD_PASSWORD);
}

static bool
requires_proof(const AccountPolicy *policy, LoginIdType type)
{
	return policy->login_id_verification == LOGIN_ID_VERIFICATION_REQUIRED &&
		type != LOGIN_ID_USERNAME && http_methods_have(policy, METHOD_CODE);
}

bool
promotion_form_needs_code(const AccountPolicy *policy, const PromotionForm *form)
{
	return form->type != LOGIN_ID_USERNAME &&
		((form->method == METHOD_CODE && !form->with_passkey && !form->proves_passkey) ||
		 (form->view == VIEW_SIGN_UP && requires_proof(policy, form->type)));
}

bool
promotion_form_code_and_password(const AccountPolicy *policy, const PromotionForm *form)
{
	return form->view == VIEW_SIGN_UP && form->method == METHOD_PASSWORD &&
		!form->with_passkey && requires_proof(policy, form->type);
}

void
promotion_form_begin(const AccountPolicy *policy, const char *type_name, PromotionForm *form)
{
	memset(form, 0, sizeof(PromotionForm));
	form->type = login_id_type_of(policy, type_name);
	form->method = form->type == LOGIN_ID_USERNAME ? METHOD_PASSWORD :
		http_methods_first(policy);
}

/* ---- reading ---- */

static PromotionWish
wish_of(const HttpParams *params)
{
	if (http_param_is(params, "mode", "choose_log_in"))
		return WISH_LOG_IN_FORM;
	if (http_param_is(params, "use", "password"))
		return WISH_OTHER_METHOD;
	if (http_param_is(params, "use", "code") || http_param_is(params, "use", "another_code"))
		return WISH_CODE;
	return WISH_GO_ON;
}

/*
 * The user chooses a passkey with a button.  At a sign-up, the forms after that repeat it; at a
 * log-in, the form has the response already.
 */
static void
read_passkey(const HttpParams *params, PromotionForm *form)
{
	form->proves_passkey = form->view == VIEW_LOG_IN && http_passkey_is_used(params);
	form->with_passkey = form->view == VIEW_SIGN_UP && form->wish != WISH_OTHER_METHOD &&
		!http_param_is(params, "use", "code") &&
		(http_passkey_is_used(params) || http_param_is(params, "with", "passkey"));
	if (form->proves_passkey)
		form->has_code_field = false;
	else if (!form->with_passkey)
		return;
	form->has_response = form->with_passkey && http_passkey_has_response(params);
	form->password = NULL;
	form->password_errors = NULL;
}

void
promotion_form_read(const HttpRequest *request, const AccountPolicy *policy, PromotionForm *form)
{
	HttpParams	params;

	http_form(request, &params);
	form->params = params;
	form->view = http_param_is(&params, "mode", "log_in") ? VIEW_LOG_IN : VIEW_SIGN_UP;
	form->wish = wish_of(&params);
	form->has_code_field = http_param_is(&params, "step", "code");
	form->type = login_id_type_of(policy, http_param(&params, "login_id_type"));
	form->method = form->type == LOGIN_ID_USERNAME ? METHOD_PASSWORD :
		form->has_code_field && !http_methods_have(policy, METHOD_PASSWORD) ? METHOD_CODE :
		http_methods_of_form(&params);
	form->login_id = http_param(&params, "login_id");
	form->password = http_param(&params, "password");
	form->code = http_param(&params, "code");
	if (form->code != NULL && strlen(form->code) > HTTP_LOGIN_ID_MAX_LENGTH)
		form->code = NULL;
	if (form->login_id == NULL)
		form->login_id_error = "required";
	else if (strlen(form->login_id) > HTTP_LOGIN_ID_MAX_LENGTH)
	{
		form->login_id = NULL;
		form->login_id_error = "invalid";
	}
	if (form->password == NULL)
		form->password_errors = "[\"required\"]";
	read_passkey(&params, form);
}

/* ---- checking ---- */

void
promotion_form_check_login_id(const AccountPolicy *policy, PromotionForm *form)
{
	LoginId		login_id;

	if (form->login_id_error == NULL &&
		login_id_normalise(form->type, form->login_id, &policy->login_id, &login_id) !=
		LOGIN_ID_ACCEPTED)
		form->login_id_error = login_id_is_well_formed(form->type, form->login_id) ?
			"not_allowed" : "invalid";
}

void
promotion_form_check_password(const AccountPolicy *policy, PromotionForm *form)
{
	if (form->password_errors == NULL)
		form->password_errors = http_password_form_errors(form->password, &policy->password);
}

/* ---- showing ---- */

static void
add_errors(StringInfo model, const PromotionForm *form)
{
	json_add_name(model, "errors");
	json_open(model);
	if (form->login_id_error != NULL)
		json_add_string(model, "login_id", form->login_id_error);
	if (form->password_errors != NULL)
		json_add_raw(model, "password", form->password_errors);
	if (form->form_error != NULL)
		json_add_string(model, "form", form->form_error);
	json_close(model);
}

/*
 * Name the client and the start of the guest, unless it is that of this browser:
 * the sender of a link may have created the guest.  A guest's session belongs to the
 * client of the flow or to none.
 */
static void
add_guest(StringInfo model, const PromotionContext *context)
{
	const Client *client = &context->flow->client;

	if (context->guest_since == 0 || http_flow_has_own_guest(context->flow))
		return;
	json_add_name(model, "guest");
	json_open(model);
	json_add_string(model, "client_name",
					client->name != NULL && client->name[0] != '\0' ? client->name :
					client->client_id);
	json_add_integer(model, "since", unix_seconds(context->guest_since));
	json_close(model);
}

/* Add what is known about an account that has the login ID, and what happens to the guest. */
static void
add_effect(StringInfo model, const PromotionContext *context, const PromotionForm *form)
{
	json_add_boolean(model, "taken", form->was_taken);
	if (context->flow->authorization.has_guest)
		json_add_boolean(model, "merges",
						 context->policy->promotion_conflict == PROMOTION_CONFLICT_MERGE);
	else
	{
		json_add_boolean(model, "without_guest", true);
		if (form->view == VIEW_LOG_IN && http_methods_can_reset_password(context->policy))
			json_add_string(model, "forgot_password_uri",
							http_flow_forgot_password_uri(context->flow));
		else if (!form->was_taken)
			json_add_string(model, "have_account_uri", http_flow_login_uri(context->flow, NULL));
	}
}

/* Add the method, and the button for the other one. */
static void
add_method(StringInfo model, const AccountPolicy *policy, const PromotionForm *form)
{
	if (form->view == VIEW_SIGN_UP && requires_proof(policy, form->type))
	{
		if (form->method == METHOD_CODE)
			json_add_string(model, "method", "code");
	}
	else if (can_choose_method(policy, form->type) || form->method == METHOD_CODE)
		http_methods_add(model, policy, form->method);
	json_add_boolean(model, "sends_code", promotion_form_needs_code(policy, form));
}

/* Add the button to log in to the account with its passkey.  Its ids would tell who has some. */
static void
add_proof_by_passkey(StringInfo model, const PromotionContext *context,
					 const PromotionForm *form)
{
	HttpPasskeyButton button = {
		.text = "log_in_with_passkey",
		.unknown_id = form->unknown_passkey
	};

	if (!http_passkey_is_offered())
		return;
	button.options = passkey_options_to_log_in(NULL, context->flow->request->now);
	http_passkey_add(model, &button);
}

void
promotion_form_show(const PromotionContext *context, const PromotionForm *form, int status,
					HttpResponse *response)
{
	const AccountPolicy *policy = context->policy;
	StringInfoData model;

	http_flow_begin_page(&model, context->flow,
						 form->view == VIEW_LOG_IN ? "log_in" : "sign_up");
	http_methods_add_login_id_types(&model, policy,
									http_methods_have(policy, METHOD_PASSWORD) ?
									METHOD_PASSWORD : METHOD_CODE);
	add_method(&model, policy, form);
	http_page_add_wait(&model, form->wait);
	add_guest(&model, context);
	add_effect(&model, context, form);
	json_add_string(&model, "login_id_type", login_id_type_name(form->type));
	if (form->login_id != NULL)
		json_add_string(&model, "login_id", form->login_id);
	add_errors(&model, form);
	http_password_form_add_policy(&model, &policy->password);
	if (form->view == VIEW_SIGN_UP)
		json_add_boolean(&model, "offers_passkey", http_passkey_is_offered());
	else
		add_proof_by_passkey(&model, context, form);
	json_close(&model);
	http_page(response, status, model.data);
	http_no_store(response);
	http_add_retry_after(response, form->wait);
}

static const char *
purpose_of(const PromotionForm *form)
{
	return form->view == VIEW_LOG_IN ? "log_in" : "sign_up";
}

void
promotion_form_show_code(const PromotionContext *context, const PromotionForm *form, int status,
						 HttpResponse *response)
{
	bool		asks_password = promotion_form_code_and_password(context->policy, form);
	HttpCodePage page = {
		.uri = context->uri,
		.purpose = purpose_of(form),
		.type = form->type,
		.login_id = form->login_id,
		.code = form->code,
		.code_error = form->code_error,
		.password_errors = asks_password ? form->password_errors : NULL,
		.form_error = form->form_error,
		.wait = form->wait,
		.status = status
	};
	StringInfoData model;

	http_code_page_begin(&model, context->flow, context->policy, &page);
	/* The form before this one has shown the guest of a sign-up. */
	if (form->view == VIEW_LOG_IN || context->is_link)
		add_guest(&model, context);
	add_effect(&model, context, form);
	json_add_boolean(&model, "asks_password", asks_password);
	json_add_boolean(&model, "offers_passkey", asks_password && http_passkey_is_offered());
	if (form->method == METHOD_CODE || (!asks_password && !form->with_passkey))
		json_add_string(&model, "method", "code");
	if (form->view == VIEW_LOG_IN)
		json_add_raw(&model, "hidden", "{\"mode\": \"log_in\"}");
	else if (form->with_passkey)
		json_add_raw(&model, "hidden", "{\"with\": \"passkey\"}");
	http_password_form_add_policy(&model, &context->policy->password);
	http_code_page_show(&model, &page, response);
}

/* Add what the form of the passkey repeats. */
static void
add_told(StringInfo model, const PromotionForm *form)
{
	json_add_name(model, "hidden");
	json_open(model);
	json_add_string(model, "with", "passkey");
	if (form->has_code_field)
	{
		json_add_string(model, "step", "code");
		json_add_string(model, "code", form->code);
	}
	json_close(model);
	json_add_string(model, "login_id_type", login_id_type_name(form->type));
	json_add_string(model, "login_id", form->login_id);
	if (form->method == METHOD_CODE)
		json_add_string(model, "method", "code");
}

static void
add_passkey_button(StringInfo model, const PromotionContext *context, const PromotionForm *form)
{
	const HttpFlow *flow = context->flow;
	const AuthorizationRequest *authorization = &flow->authorization;
	HttpPasskeyButton button = {
		.creates = true,
		.options = passkey_options_for_account(authorization->has_guest ?
											   &authorization->ticket.user_id : NULL,
											   form->login_id, flow->request->now),
		.text = "create_passkey",
		.exists = authorization->has_guest ? "passkey_of_guest" : NULL,
		.is_only_way = true
	};

	http_passkey_add(model, &button);
}

void
promotion_form_show_passkey(const PromotionContext *context, const PromotionForm *form,
							int status, HttpResponse *response)
{
	const AccountPolicy *policy = context->policy;
	StringInfoData model;

	http_flow_begin_page(&model, context->flow, "passkey");
	http_methods_add_login_id_types(&model, policy, METHOD_PASSWORD);
	http_page_add_wait(&model, form->wait);
	add_told(&model, form);
	if (http_methods_have(policy, METHOD_PASSWORD))
		json_add_string(&model, "other", "password");
	else if (!form->has_code_field)
		json_add_string(&model, "other", "code");
	add_passkey_button(&model, context, form);
	add_errors(&model, form);
	json_close(&model);
	http_page(response, status, model.data);
	http_no_store(response);
	http_add_retry_after(response, form->wait);
}

void
promotion_form_show_proven(const PromotionContext *context, const PromotionForm *form,
						   HttpResponse *response)
{
	StringInfoData model;

	http_flow_begin_page(&model, context->flow, "proven");
	http_methods_add_login_id_types(&model, context->policy, METHOD_CODE);
	add_guest(&model, context);
	add_effect(&model, context, form);
	json_add_string(&model, "purpose", purpose_of(form));
	json_add_string(&model, "login_id_type", login_id_type_name(form->type));
	json_add_string(&model, "login_id", form->login_id);
	json_add_name(&model, "hidden");
	json_open(&model);
	json_add_string(&model, "step", "code");
	json_add_string(&model, "method", "code");
	if (form->view == VIEW_LOG_IN)
		json_add_string(&model, "mode", "log_in");
	json_add_string(&model, "login_id", form->login_id);
	json_add_string(&model, "code", form->code);
	json_close(&model);
	json_close(&model);
	http_page(response, 200, model.data);
	http_no_store(response);
}
