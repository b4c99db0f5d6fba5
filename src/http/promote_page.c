/*-------------------------------------------------------------------------
 *
 * promote_page.c
 *	  GET and POST /flows/promote_user: the page on which a guest becomes a
 *	  regular user, and what comes of it (docs/authgear.md, 3.1 and 3.4).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/errors.h"
#include "base/limits.h"
#include "base/unix_time.h"
#include "domain/login.h"
#include "domain/promotion.h"
#include "http/http_endpoint.h"
#include "http/http_errors.h"
#include "http/http_flow.h"
#include "http/http_methods.h"
#include "http/http_page.h"
#include "http/http_params.h"
#include "http/http_request.h"
#include "http/http_response.h"
#include "json/json_write.h"
#include "login_id/login_id.h"
#include "login_id/password_policy.h"
#include "store/settings.h"

typedef enum PromotionView
{
	VIEW_SIGN_UP,
	VIEW_LOG_IN					/* to the account that has the login ID */
} PromotionView;

/* The values of the form, as they were sent and as it is shown again. */
typedef struct PromotionForm
{
	PromotionView view;
	bool		was_taken;		/* this request found that an account has the login ID */
	LoginIdType type;
	char	   *login_id;		/* NULL: empty */
	char	   *password;
	const char *login_id_error; /* a code of anon_auth_internal.page(); NULL: none */
	const char *form_error;
	int			wait;			/* seconds until the next try, if form_error says to wait */
	const char *password_errors;	/* JSON array */
} PromotionForm;

/* promotion_log_in() or promotion_repeat(). */
typedef bool (*LogInFunction) (const Client *client, const PromotionRequest *request,
							   TimestampTz now, PromotionResult *result);

typedef struct Promoting
{
	HttpFlow	flow;
	AccountPolicy policy;
	TimestampTz guest_since;	/* 0: not known */
	PromotionForm form;
	LogInFunction log_in_by;
	bool		logged_in;
} Promoting;

/* ---- showing the form ---- */

static void
add_password_policy(StringInfo model, const PasswordPolicy *policy)
{
	json_add_name(model, "password_policy");
	json_open(model);
	json_add_integer(model, "min_length", policy->password_min_length);
	json_add_boolean(model, "uppercase", policy->password_require_uppercase);
	json_add_boolean(model, "lowercase", policy->password_require_lowercase);
	json_add_boolean(model, "alphabet", policy->password_require_alphabet);
	json_add_boolean(model, "digit", policy->password_require_digit);
	json_add_boolean(model, "symbol", policy->password_require_symbol);
	json_close(model);
}

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
add_guest(StringInfo model, const Promoting *promoting)
{
	const Client *client = &promoting->flow.client;

	if (promoting->guest_since == 0 || http_flow_has_own_guest(&promoting->flow))
		return;
	json_add_name(model, "guest");
	json_open(model);
	json_add_string(model, "client_name",
					client->name != NULL && client->name[0] != '\0' ? client->name :
					client->client_id);
	json_add_integer(model, "since", unix_seconds(promoting->guest_since));
	json_close(model);
}

static void
show_form(const Promoting *promoting, int status, HttpResponse *response)
{
	const PromotionForm *form = &promoting->form;
	StringInfoData model;

	http_flow_begin_page(&model, &promoting->flow,
						 form->view == VIEW_LOG_IN ? "log_in" : "sign_up");
	http_methods_add_login_id_types(&model, &promoting->policy, METHOD_PASSWORD);
	http_page_add_wait(&model, form->wait);
	add_guest(&model, promoting);
	json_add_boolean(&model, "taken", form->was_taken);
	json_add_string(&model, "login_id_type", login_id_type_name(form->type));
	if (form->login_id != NULL)
		json_add_string(&model, "login_id", form->login_id);
	json_add_boolean(&model, "merges",
					 promoting->policy.promotion_conflict == PROMOTION_CONFLICT_MERGE);
	add_errors(&model, form);
	add_password_policy(&model, &promoting->policy.password);
	json_close(&model);
	http_page(response, status, model.data);
	http_no_store(response);
	http_add_retry_after(response, form->wait);
}

/* ---- reading the form ---- */

/* The type of this name if it is allowed, else the first type that is. */
static LoginIdType
login_id_type_of(const AccountPolicy *policy, const char *name)
{
	LoginIdType first = LOGIN_ID_EMAIL;
	int			type;

	for (type = LOGIN_ID_TYPES - 1; type >= 0; type--)
	{
		if (!account_policy_allows(policy, type))
			continue;
		if (name != NULL && strcmp(login_id_type_name(type), name) == 0)
			return type;
		first = type;
	}
	return first;
}

/* *chooses_log_in: the user has not seen the form of the log-in yet, and asks for it. */
static void
read_form(const HttpRequest *request, const AccountPolicy *policy, PromotionForm *form,
		  bool *chooses_log_in)
{
	HttpParams	params;
	char	   *mode;

	http_form(request, &params);
	mode = http_param(&params, "mode");
	form->view = mode != NULL && strcmp(mode, "log_in") == 0 ? VIEW_LOG_IN : VIEW_SIGN_UP;
	*chooses_log_in = mode != NULL && strcmp(mode, "choose_log_in") == 0;
	form->type = login_id_type_of(policy, http_param(&params, "login_id_type"));
	form->login_id = http_param(&params, "login_id");
	form->password = http_param(&params, "password");
	if (form->login_id == NULL)
		form->login_id_error = "required";
	else if (strlen(form->login_id) > HTTP_LOGIN_ID_MAX_LENGTH)
	{
		form->login_id = NULL;
		form->login_id_error = "invalid";
	}
	if (form->password == NULL)
		form->password_errors = "[\"required\"]";
}

/* The rules that a password breaks, as a JSON array; NULL: none. */
static char *
password_error_codes(const char *password, const PasswordPolicy *policy)
{
	uint32		broken = password_policy_check(password, policy);
	StringInfoData json;
	int			i;

	initStringInfo(&json);
	for (i = 0; i < PASSWORD_RULES; i++)
		if (broken & (1 << i))
			appendStringInfo(&json, "%c\"%s\"", json.len == 0 ? '[' : ',',
							 password_rule_code(i));
	appendStringInfoChar(&json, ']');
	return broken == 0 ? NULL : json.data;
}

/*
 * Find everything in a sign-up form that can be found without looking for accounts,
 * so that the user learns of all errors at once.
 */
static void
check_sign_up_form(const AccountPolicy *policy, PromotionForm *form)
{
	LoginId		login_id;

	if (form->login_id_error == NULL &&
		login_id_normalise(form->type, form->login_id, &policy->login_id, &login_id) !=
		LOGIN_ID_ACCEPTED)
		form->login_id_error = login_id_is_well_formed(form->type, form->login_id) ?
			"not_allowed" : "invalid";
	if (form->password_errors == NULL)
		form->password_errors = password_error_codes(form->password, &policy->password);
}

/* ---- promoting ---- */

static void
fill_promotion_request(const Promoting *promoting, PromotionRequest *request)
{
	memset(request, 0, sizeof(PromotionRequest));
	request->proof.ticket = &promoting->flow.authorization.ticket;
	request->account.login_ids[promoting->form.type] = promoting->form.login_id;
	request->account.password = promoting->form.password;

	/* No policy accepts an empty password.  First comes whether the login ID is taken. */
	if (request->account.password == NULL)
		request->account.password = "";
}

static void
finish_promotion(Promoting *promoting, const PromotionResult *result)
{
	promoting->logged_in = true;
	promoting->flow.user = result->user;
	promoting->flow.amr = result->amr;
	promoting->flow.authorization.device_info = result->device_info;
	http_flow_finish(&promoting->flow);
}

/* Promote the guest of a Promoting; arg is void * for http_try(). */
static void
sign_up(void *arg)
{
	Promoting  *promoting = arg;
	PromotionRequest request;
	PromotionResult result;

	fill_promotion_request(promoting, &request);
	if (promotion_sign_up(&promoting->flow.client, &request, promoting->flow.request->now,
						  &result))
		finish_promotion(promoting, &result);
}

/* A SubtransactionAction: call promoting->log_in_by. */
static void
log_in(void *arg)
{
	Promoting  *promoting = arg;
	PromotionRequest request;
	PromotionResult result;

	fill_promotion_request(promoting, &request);
	if (promoting->log_in_by(&promoting->flow.client, &request, promoting->flow.request->now,
							 &result))
		finish_promotion(promoting, &result);
}

static ErrorData *
try_log_in(Promoting *promoting, LogInFunction log_in_by)
{
	promoting->log_in_by = log_in_by;
	return http_try(log_in, promoting);
}

/*
 * Another user has the login ID.  Either the form is shown again, with an offer to log
 * in to that account, or the log-in takes its place.
 */
static void
show_taken(Promoting *promoting)
{
	PromotionForm *form = &promoting->form;

	promotion_record_conflict(&promoting->flow.client, &promoting->flow.authorization.ticket,
							  form->type, promoting->flow.request->now);
	form->was_taken = true;
	if (promoting->policy.promotion_conflict == PROMOTION_CONFLICT_ERROR)
		form->login_id_error = "taken";
	else
	{
		form->view = VIEW_LOG_IN;
		form->password_errors = NULL;
	}
}

/* Show an error beside its field or above the form, or end the flow with a message. */
static void
show_error(Promoting *promoting, const ErrorData *error, HttpResponse *response)
{
	PromotionForm *form = &promoting->form;
	int			status = HTTP_UNACCEPTABLE;

	switch (error->sqlerrcode)
	{
		case ERRCODE_AA_NOT_ANONYMOUS:
			http_flow_message(&promoting->flow, 200, "done", response);
			return;
		case ERRCODE_AA_INVALID_PROMOTION_CODE:
			http_flow_message(&promoting->flow, 400, "expired", response);
			return;
		case ERRCODE_AA_USER_DISABLED:
			http_flow_message(&promoting->flow, 403, "disabled", response);
			return;
		case ERRCODE_AA_IDENTITY_EXISTS:
			show_taken(promoting);
			break;
		case ERRCODE_AA_INVALID_LOGIN_ID:
			form->login_id_error = "not_allowed";
			break;
		case ERRCODE_AA_PASSWORD_POLICY:
			/* check_sign_up_form() has found the rules, unless the policy has just changed. */
			if (form->password_errors == NULL)
				form->password_errors = "[\"error\"]";
			break;
		case ERRCODE_AA_RATE_LIMITED:
		case ERRCODE_AA_ACCOUNT_LOCKED:
			form->form_error = "rate_limited";
			form->wait = http_retry_after(error);
			status = 429;
			break;
		default:
			form->form_error = "failed";
			if (!http_is_refusal(error))
				status = 500;
	}
	show_form(promoting, status, response);
}

/* True if a double click or the back button may have sent the form again. */
static bool
may_be_repeated(const ErrorData *error)
{
	return error->sqlerrcode == ERRCODE_AA_NOT_ANONYMOUS ||
		error->sqlerrcode == ERRCODE_AA_INVALID_PROMOTION_CODE;
}

/* Act on a form that is complete, except that a new password may be too weak. */
static void
try_form(Promoting *promoting, HttpResponse *response)
{
	PromotionForm *form = &promoting->form;
	bool		finished = http_flow_is_finished(&promoting->flow);
	ErrorData  *error;

	if (finished)
		error = NULL;
	else if (form->view == VIEW_LOG_IN)
		error = try_log_in(promoting, promotion_log_in);
	else
		error = http_try(sign_up, promoting);

	if (form->password != NULL && (finished || (error != NULL && may_be_repeated(error))))
	{
		ErrorData  *second = try_log_in(promoting, promotion_repeat);

		if (second == NULL || finished || error->sqlerrcode == ERRCODE_AA_NOT_ANONYMOUS)
			error = second;
	}
	if (error != NULL)
		show_error(promoting, error, response);
	else if (promoting->logged_in)
		http_flow_redirect(&promoting->flow, response);
	else if (form->password == NULL)
		http_flow_message(&promoting->flow, 200, "done", response);
	else
	{
		form->view = VIEW_LOG_IN;
		form->password_errors = "[\"wrong\"]";
		show_form(promoting, HTTP_UNACCEPTABLE, response);
	}
}

static void
handle_form(Promoting *promoting, HttpResponse *response)
{
	PromotionForm *form = &promoting->form;
	bool		chooses_log_in;

	if (http_is_foreign(promoting->flow.request, false))
	{
		http_flow_message(&promoting->flow, 403, "failed", response);
		return;
	}
	read_form(promoting->flow.request, &promoting->policy, form, &chooses_log_in);
	if (chooses_log_in && form->login_id_error == NULL)
	{
		form->view = VIEW_LOG_IN;
		form->password_errors = NULL;
		show_form(promoting, 200, response);
		return;
	}
	if (form->view == VIEW_SIGN_UP)
		check_sign_up_form(&promoting->policy, form);
	if (form->login_id_error != NULL ||
		(form->view == VIEW_LOG_IN && form->password_errors != NULL))
	{
		show_form(promoting, HTTP_UNACCEPTABLE, response);
		return;
	}
	try_form(promoting, response);
}

static void
handle_promote_user(const HttpRequest *request, HttpResponse *response)
{
	Promoting	promoting = {0};
	PromotionState state;
	HttpParams	query;

	if (!http_flow_open(&promoting.flow, request, response))
		return;
	if (!promoting.flow.authorization.has_guest)
	{
		http_flow_message(&promoting.flow, 400, "failed", response);
		return;
	}

	login_read_policy(&promoting.policy);
	state = promotion_state(&promoting.flow.authorization.ticket, &promoting.guest_since);
	if (strcmp(request->method, "POST") == 0)
		handle_form(&promoting, response);
	else if (http_flow_is_finished(&promoting.flow) || state == PROMOTION_DONE)
		http_flow_message(&promoting.flow, 200, "done", response);
	else if (state == PROMOTION_GUEST_GONE)
		http_flow_message(&promoting.flow, 400, "expired", response);
	else
	{
		http_query(request, &query);
		promoting.form.type = login_id_type_of(&promoting.policy,
											   http_param(&query, "login_id_type"));
		show_form(&promoting, 200, response);
	}
}

PG_FUNCTION_INFO_V1(anon_auth_http_promote_user);
Datum
anon_auth_http_promote_user(PG_FUNCTION_ARGS)
{
	return http_serve(fcinfo, handle_promote_user, http_write_page_error);
}
