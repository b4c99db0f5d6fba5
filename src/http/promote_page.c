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
#include "domain/promotion.h"
#include "http/http_endpoint.h"
#include "http/http_errors.h"
#include "http/http_flow.h"
#include "http/http_page.h"
#include "http/http_params.h"
#include "http/http_request.h"
#include "http/http_response.h"
#include "json/json_write.h"
#include "login_id/login_id.h"
#include "login_id/password_policy.h"
#include "store/settings.h"

/* The values of the form, as they were sent and as it is shown again. */
typedef struct PromotionForm
{
	bool		log_in;			/* log in to the account that has the login ID */
	LoginIdType type;
	char	   *login_id;		/* NULL: empty */
	char	   *password;
	const char *login_id_error; /* a code of anon_auth_http.page(); NULL: none */
	const char *form_error;
	const char *password_errors;	/* JSON array */
} PromotionForm;

typedef struct Promoting
{
	HttpFlow	flow;
	AccountPolicy policy;
	PromotionForm form;
	bool		logged_in;
} Promoting;

/* ---- showing the form ---- */

static void
add_types(StringInfo model, const AccountPolicy *policy)
{
	bool		first = true;
	int			type;

	json_add_name(model, "login_id_types");
	appendStringInfoChar(model, '[');
	for (type = 0; type < LOGIN_ID_TYPES; type++)
	{
		if (!account_policy_allows(policy, type))
			continue;
		appendStringInfo(model, "%s\"%s\"", first ? "" : ",", login_id_type_name(type));
		first = false;
	}
	appendStringInfoChar(model, ']');
}

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

static void
show_form(const Promoting *promoting, int status, HttpResponse *response)
{
	const PromotionForm *form = &promoting->form;
	StringInfoData model;

	http_flow_begin_page(&model, &promoting->flow, form->log_in ? "log_in" : "sign_up");
	add_types(&model, &promoting->policy);
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
	http_add_retry_after(response);
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

static void
read_form(const HttpRequest *request, const AccountPolicy *policy, PromotionForm *form)
{
	HttpParams	params;
	char	   *mode;

	http_form(request, &params);
	mode = http_param(&params, "mode");
	form->log_in = mode != NULL && strcmp(mode, "log_in") == 0;
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

static char *
password_error_codes(const char *password, const PasswordPolicy *policy)
{
	static const char *const codes[PASSWORD_RULES] = {
		[PASSWORD_TOO_LONG] = "too_long",
		[PASSWORD_TOO_SHORT] = "too_short",
		[PASSWORD_UPPERCASE_REQUIRED] = "uppercase_required",
		[PASSWORD_LOWERCASE_REQUIRED] = "lowercase_required",
		[PASSWORD_ALPHABET_REQUIRED] = "alphabet_required",
		[PASSWORD_DIGIT_REQUIRED] = "digit_required",
		[PASSWORD_SYMBOL_REQUIRED] = "symbol_required",
		[PASSWORD_EXCLUDED_KEYWORD] = "excluded_keyword"
	};
	uint32		broken = password_policy_check(password, policy);
	StringInfoData json;
	int			i;

	initStringInfo(&json);
	for (i = 0; i < PASSWORD_RULES; i++)
		if (broken & (1 << i))
			appendStringInfo(&json, "%c\"%s\"", json.len == 0 ? '[' : ',', codes[i]);
	appendStringInfoChar(&json, ']');
	return json.data;
}

/* ---- promoting ---- */

static void
fill_promotion_request(const Promoting *promoting, PromotionRequest *request)
{
	memset(request, 0, sizeof(PromotionRequest));
	request->proof.ticket = &promoting->flow.authorization.ticket;
	request->login_ids[promoting->form.type] = promoting->form.login_id;
	request->password = promoting->form.password;
}

/* Promote the guest of a Promoting; arg is void * for http_try(). */
static void
promote_guest(void *arg)
{
	Promoting  *promoting = arg;
	PromotionRequest request;

	fill_promotion_request(promoting, &request);
	promoting->logged_in = promotion_run(&promoting->flow.client, &request,
										 promoting->flow.request->now, &promoting->flow.user);
	if (promoting->logged_in)
		http_flow_finish(&promoting->flow);
}

/* A SubtransactionAction: log in if the guest was promoted with the same form. */
static void
repeat_promotion(void *arg)
{
	Promoting  *promoting = arg;
	PromotionRequest request;

	fill_promotion_request(promoting, &request);
	promoting->logged_in = promotion_repeat(&promoting->flow.client, &request,
											promoting->flow.request->now,
											&promoting->flow.user);
	if (promoting->logged_in)
		http_flow_finish(&promoting->flow);
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
			form->login_id_error = "taken";
			break;
		case ERRCODE_AA_INVALID_LOGIN_ID:
			form->login_id_error = login_id_is_well_formed(form->type, form->login_id) ?
				"not_allowed" : "invalid";
			break;
		case ERRCODE_AA_PASSWORD_POLICY:
			form->password_errors = password_error_codes(form->password,
														 &promoting->policy.password);
			break;
		case ERRCODE_AA_RATE_LIMITED:
		case ERRCODE_AA_ACCOUNT_LOCKED:
			form->form_error = "rate_limited";
			status = 429;
			break;
		default:
			form->form_error = "failed";
			if (!http_is_refusal(error))
				status = 500;
	}
	form->log_in = false;
	show_form(promoting, status, response);
}

/* True if a double click or the back button may have sent the form again. */
static bool
may_be_repeated(const ErrorData *error)
{
	return error->sqlerrcode == ERRCODE_AA_NOT_ANONYMOUS ||
		error->sqlerrcode == ERRCODE_AA_INVALID_PROMOTION_CODE;
}

static void
handle_form(Promoting *promoting, HttpResponse *response)
{
	PromotionForm *form = &promoting->form;
	bool		asked_to_log_in;
	bool		finished;
	ErrorData  *error;

	if (http_is_foreign(promoting->flow.request, false))
	{
		http_flow_message(&promoting->flow, 403, "failed", response);
		return;
	}
	read_form(promoting->flow.request, &promoting->policy, form);
	if (form->login_id_error != NULL || form->password_errors != NULL)
	{
		show_form(promoting, HTTP_UNACCEPTABLE, response);
		return;
	}

	asked_to_log_in = form->log_in;
	finished = http_flow_is_finished(&promoting->flow);
	error = finished ? NULL : http_try(promote_guest, promoting);
	if (finished || (error != NULL && may_be_repeated(error)))
	{
		ErrorData  *second = http_try(repeat_promotion, promoting);

		if (second == NULL || finished || error->sqlerrcode == ERRCODE_AA_NOT_ANONYMOUS)
		{
			asked_to_log_in = true;
			error = second;
		}
	}
	if (error != NULL)
		show_error(promoting, error, response);
	else if (promoting->logged_in)
		http_flow_redirect(&promoting->flow, response);
	else
	{
		/* A guest who only wanted to sign up is told of the account first. */
		form->log_in = true;
		form->password_errors = asked_to_log_in ? "[\"wrong\"]" : NULL;
		show_form(promoting, HTTP_UNACCEPTABLE, response);
	}
}

static void
handle_promote_user(const HttpRequest *request, HttpResponse *response)
{
	Promoting	promoting = {0};
	HttpParams	query;

	if (!http_flow_open(&promoting.flow, request, response))
		return;
	if (!promoting.flow.authorization.has_guest)
	{
		http_flow_message(&promoting.flow, 400, "failed", response);
		return;
	}

	promotion_read_policy(&promoting.policy);
	if (strcmp(request->method, "POST") == 0)
		handle_form(&promoting, response);
	else if (http_flow_is_finished(&promoting.flow) ||
			 promotion_is_done(&promoting.flow.authorization.ticket))
		http_flow_message(&promoting.flow, 200, "done", response);
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
