/*-------------------------------------------------------------------------
 *
 * promote_user.c
 *	  GET and POST /flows/promote_user: the page on which a guest becomes a
 *	  regular user, and what comes of it (authgear facts, 3.1 and 3.4).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "errors.h"
#include "http/http.h"
#include "json/json.h"
#include "utils/json.h"

/* The form was understood but cannot be accepted as it is. */
#define STATUS_UNACCEPTABLE	422

/* What the form holds, or shall hold. */
typedef struct PromotionForm
{
	bool		log_in;			/* to the account that has the login ID */
	LoginIdType type;
	char	   *login_id;		/* NULL: empty */
	char	   *password;
	const char *login_id_error; /* NULL: none; codes of anon_auth_http.page() */
	const char *form_error;
	const char *password_errors;	/* JSON array */
} PromotionForm;

typedef struct Promoting
{
	const HttpRequest *request;
	AuthorizationRequest authorization;
	Client		client;
	AccountPolicy policy;
	PromotionForm form;

	/* The outcome */
	bool		logged_in;
	User		user;
	char	   *code;
	char	   *cookie;
} Promoting;

/* ---- showing the form ---- */

static char *
back_to_client(const Promoting *promoting, const char *error, const char *description)
{
	StringInfoData location;

	initStringInfo(&location);
	appendStringInfoString(&location, promoting->authorization.redirect_uri);
	http_append_param(&location, "error", error);
	http_append_param(&location, "error_description", description);
	http_append_param(&location, "state", promoting->authorization.state);
	return location.data;
}

static void
add_types(StringInfo model, const AccountPolicy *policy)
{
	bool		first = true;
	int			type;

	json_add_name(model, "login_id_types");
	appendStringInfoChar(model, '[');
	for (type = 0; type < LOGIN_ID_TYPES; type++)
	{
		if (!policy->login_id_allowed[type])
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
	json_add_integer(model, "min_length", policy->min_length);
	json_add_boolean(model, "uppercase", policy->require_uppercase);
	json_add_boolean(model, "lowercase", policy->require_lowercase);
	json_add_boolean(model, "alphabet", policy->require_alphabet);
	json_add_boolean(model, "digit", policy->require_digit);
	json_add_boolean(model, "symbol", policy->require_symbol);
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
show_form(const Promoting *promoting, const char *x_ref, int status, HttpResponse *response)
{
	const PromotionForm *form = &promoting->form;
	StringInfoData action;
	StringInfoData model;

	initStringInfo(&action);
	http_append_param(&action, "x_ref", x_ref);

	initStringInfo(&model);
	http_page_begin(&model, promoting->request, form->log_in ? "log_in" : "sign_up",
					promoting->authorization.ui_locales);
	json_add_string(&model, "action", action.data);
	json_add_string(&model, "client_name", promoting->client.name);
	add_types(&model, &promoting->policy);
	json_add_string(&model, "login_id_type", login_id_type_name(form->type));
	if (form->login_id != NULL)
		json_add_string(&model, "login_id", form->login_id);
	add_errors(&model, form);
	add_password_policy(&model, &promoting->policy.password);
	json_add_string(&model, "cancel_uri",
					back_to_client(promoting, "access_denied", "the user has cancelled"));
	json_add_raw(&model, "form_action_sources",
				 http_json_array(http_origin_of(promoting->authorization.redirect_uri)));
	json_close(&model);
	http_page(response, status, model.data);
	http_no_store(response);
}

static void
show_message(const Promoting *promoting, int status, const char *message,
			 HttpResponse *response)
{
	http_message_page(promoting->request, response, status, message, promoting->client.name,
					  back_to_client(promoting, NULL, NULL), promoting->authorization.ui_locales);
	http_no_store(response);
}

/* ---- reading the form ---- */

/* The type that was asked for, else the first that is allowed. */
static LoginIdType
login_id_type_of(const AccountPolicy *policy, const char *name)
{
	LoginIdType first = LOGIN_ID_EMAIL;
	int			type;

	for (type = LOGIN_ID_TYPES - 1; type >= 0; type--)
	{
		if (!policy->login_id_allowed[type])
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

/* Whoever is logged in now is given what the client asked for. */
static void
finish_login(Promoting *promoting)
{
	const AuthorizationRequest *authorization = &promoting->authorization;
	TimestampTz now = promoting->request->now;
	TimestampTz expires_at;

	if (authorization->wants_code)
		promoting->code = authorization_code_create(&promoting->client, &promoting->user,
													authorization->redirect_uri,
													authorization->code_challenge,
													authorization->nonce, now, &expires_at);
	else
		promoting->cookie = cookie_session_start(promoting->client.client_id, &promoting->user,
												 &promoting->request->policy, now);
}

static void
fill_promotion_request(const Promoting *promoting, PromotionRequest *request)
{
	memset(request, 0, sizeof(PromotionRequest));
	request->ticket = &promoting->authorization.ticket;
	request->login_ids[promoting->form.type] = promoting->form.login_id;
	request->password = promoting->form.password;
}

static void
promote(void *arg)
{
	Promoting  *promoting = arg;
	PromotionRequest request;

	fill_promotion_request(promoting, &request);
	promoting->logged_in = promotion_run(&promoting->client, &request, promoting->request->now,
										 &promoting->user);
	if (promoting->logged_in)
		finish_login(promoting);
}

static void
repeat_promotion(void *arg)
{
	Promoting  *promoting = arg;
	PromotionRequest request;

	fill_promotion_request(promoting, &request);
	promoting->logged_in = promotion_repeat(&promoting->client, &request,
											promoting->request->now, &promoting->user);
	if (promoting->logged_in)
		finish_login(promoting);
}

static void
redirect_back(const Promoting *promoting, HttpResponse *response)
{
	StringInfoData location;

	initStringInfo(&location);
	appendStringInfoString(&location, promoting->authorization.redirect_uri);
	http_append_param(&location, "code", promoting->code);
	http_append_param(&location, "state", promoting->authorization.state);
	http_redirect(response, location.data);
	http_no_store(response);
	if (promoting->cookie != NULL)
		http_set_session_cookie(promoting->request, response, promoting->cookie);
}

/* The error belongs to a field or to the whole form, or ends it all. */
static void
show_error(Promoting *promoting, const char *x_ref, const ErrorData *error,
		   HttpResponse *response)
{
	PromotionForm *form = &promoting->form;
	int			status = STATUS_UNACCEPTABLE;

	switch (error->sqlerrcode)
	{
		case ERRCODE_AA_NOT_ANONYMOUS:
			show_message(promoting, 200, "done", response);
			return;
		case ERRCODE_AA_INVALID_PROMOTION_CODE:
			show_message(promoting, 400, "expired", response);
			return;
		case ERRCODE_AA_USER_DISABLED:
			show_message(promoting, 403, "disabled", response);
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
		default:
			form->form_error = "failed";
			if (!http_is_refusal(error))
				status = 500;
	}
	form->log_in = false;
	show_form(promoting, x_ref, status, response);
}

static void
handle_form(Promoting *promoting, const char *x_ref, HttpResponse *response)
{
	PromotionForm *form = &promoting->form;
	bool		asked_to_log_in;
	ErrorData  *error;

	if (http_is_cross_site(promoting->request))
	{
		show_message(promoting, 403, "failed", response);
		return;
	}
	read_form(promoting->request, &promoting->policy, form);
	if (form->login_id_error != NULL || form->password_errors != NULL)
	{
		show_form(promoting, x_ref, STATUS_UNACCEPTABLE, response);
		return;
	}

	asked_to_log_in = form->log_in;
	error = http_try(promote, promoting);
	if (error != NULL && error->sqlerrcode == ERRCODE_AA_NOT_ANONYMOUS)
	{
		/* A double click, or the back button. */
		asked_to_log_in = true;
		error = http_try(repeat_promotion, promoting);
	}
	if (error != NULL)
		show_error(promoting, x_ref, error, response);
	else if (promoting->logged_in)
		redirect_back(promoting, response);
	else
	{
		/* Who only wanted to sign up is told of the account first. */
		form->log_in = true;
		form->password_errors = asked_to_log_in ? "[\"wrong\"]" : NULL;
		show_form(promoting, x_ref, STATUS_UNACCEPTABLE, response);
	}
}

static void
handle_promote_user(const HttpRequest *request, HttpResponse *response)
{
	Promoting	promoting = {.request = request};
	HttpParams	query;
	char	   *x_ref;
	User		user;

	http_query(request, &query);
	x_ref = http_param(&query, "x_ref");
	if (x_ref == NULL ||
		!authorization_request_read(x_ref, http_cookie(request, "promotion"), request->now,
									&promoting.authorization) ||
		!client_find(promoting.authorization.client_id, &promoting.client))
	{
		http_message_page(request, response, 400, "expired", NULL, NULL,
						  http_param(&query, "ui_locales"));
		http_no_store(response);
		return;
	}

	settings_read_account_policy(&promoting.policy);
	if (strcmp(request->method, "POST") == 0)
		handle_form(&promoting, x_ref, response);
	else if (user_find(&promoting.authorization.ticket.user_id, &user) && !user.is_anonymous)
		show_message(&promoting, 200, "done", response);
	else
	{
		promoting.form.type = login_id_type_of(&promoting.policy,
											   http_param(&query, "login_id_type"));
		show_form(&promoting, x_ref, 200, response);
	}
}

/* Only what no form can be shown for. */
static void
write_page_error(const HttpRequest *request, const ErrorData *error, HttpResponse *response)
{
	http_text(response, http_is_refusal(error) ? 400 : 500,
			  http_is_refusal(error) ? error->message : "internal server error");
	http_no_store(response);
}

PG_FUNCTION_INFO_V1(anon_auth_http_promote_user);
Datum
anon_auth_http_promote_user(PG_FUNCTION_ARGS)
{
	return http_serve(fcinfo, handle_promote_user, write_page_error);
}
