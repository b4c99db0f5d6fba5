/*-------------------------------------------------------------------------
 *
 * promote_page.c
 *	  GET and POST /flows/promote_user: the pages on which a guest becomes a
 *	  regular user, and what comes of them (docs/authgear.md, 3.1 and 3.4).
 *	  GET and POST /flows/sign_up: the same pages for somebody who was no guest.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/errors.h"
#include "domain/login.h"
#include "domain/page_sign_up.h"
#include "domain/promotion.h"
#include "http/http_code_page.h"
#include "http/http_endpoint.h"
#include "http/http_errors.h"
#include "http/http_flow.h"
#include "http/http_page.h"
#include "http/http_params.h"
#include "http/http_passkey.h"
#include "http/http_request.h"
#include "http/http_response.h"
#include "http/promotion_form.h"

typedef bool (*PromotionFunction) (const Client *client, const PromotionRequest *request,
								   TimestampTz now, PromotionResult *result);

/* What the forms do. */
typedef struct PromotionFunctions
{
	PromotionFunction sign_up;
	PromotionFunction log_in;	/* to the account that has the login ID */
	PromotionFunction repeat;	/* log in again, for a form that is sent twice */
} PromotionFunctions;

static const PromotionFunctions of_guest = {
	promotion_sign_up, promotion_log_in, promotion_repeat
};
static const PromotionFunctions of_nobody = {
	page_sign_up_create, page_sign_up_log_in, page_sign_up_log_in
};

typedef struct Promoting
{
	HttpFlow	flow;
	AccountPolicy policy;
	PromotionContext context;
	PromotionForm form;
	const PromotionFunctions *functions;
	const GuestTicket *ticket;	/* NULL: nobody is a guest */
	PromotionFunction function; /* one of them */
	bool		repeats;		/* it is that for a form that is sent twice */
	bool		logged_in;
	bool		is_disabled;	/* the user of the account that the code proves */
} Promoting;

/* ---- promoting ---- */

static void
fill_promotion_request(const Promoting *promoting, PromotionRequest *request)
{
	const PromotionForm *form = &promoting->form;

	memset(request, 0, sizeof(PromotionRequest));
	request->proof.ticket = promoting->ticket;
	request->account.login_ids[form->type] = form->login_id;
	if (form->has_response || form->proves_passkey)
		request->account.passkey = http_passkey_response(&form->params);
	if (!form->has_code_field || promotion_form_code_and_password(&promoting->policy, form) ||
		promoting->repeats)
		request->account.password = form->password;

	/* A repeated form logs in with its password.  Its code has been used up. */
	if (form->has_code_field && !promoting->repeats)
		request->account.code = form->code;

	/*
	 * No policy accepts an empty password.  First comes whether the code is right and the login
	 * ID is not taken: that is to be known before a passkey is made.
	 */
	if (request->account.password == NULL && request->account.passkey == NULL &&
		(request->account.code == NULL || form->with_passkey))
		request->account.password = "";
}

/* A SubtransactionAction: call promoting->function. */
static void
run_and_finish(void *arg)
{
	Promoting  *promoting = arg;
	HttpFlow   *flow = &promoting->flow;
	PromotionRequest request;
	PromotionResult result = {0};

	fill_promotion_request(promoting, &request);
	promoting->logged_in = promoting->function(&flow->client, &request, flow->request->now,
											   &result);
	promoting->is_disabled = result.is_disabled;
	if (!promoting->logged_in)
		return;
	flow->user = result.user;
	flow->amr = result.amr;
	flow->authorization.device_info = result.device_info;
	http_flow_finish(flow);
}

static ErrorData *
try_promotion(Promoting *promoting, PromotionFunction function, bool repeats)
{
	promoting->function = function;
	promoting->repeats = repeats;
	return http_try(run_and_finish, promoting);
}

/* ---- showing what came of it ---- */

/* Show the form that the user has sent. */
static void
show_form_again(const Promoting *promoting, int status, HttpResponse *response)
{
	const PromotionForm *form = &promoting->form;

	if (form->has_response)
		promotion_form_show_passkey(&promoting->context, form, status, response);
	else if (form->has_code_field)
		promotion_form_show_code(&promoting->context, form, status, response);
	else
		promotion_form_show(&promoting->context, form, status, response);
}

/* Show the first form with the error of its login ID. */
static void
show_login_id_error(Promoting *promoting, const char *error, HttpResponse *response)
{
	PromotionForm *form = &promoting->form;

	form->login_id_error = error;
	form->has_code_field = false;
	form->view = VIEW_SIGN_UP;
	promotion_form_show(&promoting->context, form, HTTP_UNACCEPTABLE, response);
}

/*
 * Another user has the login ID.  If a code proves that account, ask whether to log in to
 * it.  Otherwise, either the form is shown again, with an offer to log in to that account,
 * or the log-in takes its place.
 */
static void
show_taken(Promoting *promoting, HttpResponse *response)
{
	PromotionForm *form = &promoting->form;

	promotion_record_conflict(&promoting->flow.client, promoting->ticket, form->type, promoting->flow.request->now);
	if (form->has_code_field)
	{
		form->view = VIEW_LOG_IN;
		promotion_form_show_proven(&promoting->context, form, response);
		return;
	}
	form->was_taken = true;
	if (promoting->policy.promotion_conflict == PROMOTION_CONFLICT_ERROR)
		form->login_id_error = "taken";
	else
	{
		form->view = VIEW_LOG_IN;
		form->password_errors = NULL;
	}
	promotion_form_show(&promoting->context, form, HTTP_UNACCEPTABLE, response);
}

/* Fill in an error that is the reason of no field, and show the form again. */
static void
show_form_error(Promoting *promoting, const ErrorData *error, HttpResponse *response)
{
	PromotionForm *form = &promoting->form;
	HttpFormError shown = http_form_error(error);
	const char *passkey_error = form->proves_passkey ? http_passkey_error(error) :
		http_passkey_creation_error(error);

	if (form->proves_passkey && passkey_error != NULL &&
		strcmp(passkey_error, "passkey_unknown") == 0)
		form->unknown_passkey = http_passkey_unknown_id(&form->params);
	if (passkey_error != NULL)
		form->form_error = passkey_error;
	else
	{
		form->form_error = shown.text;
		form->wait = shown.wait;
	}
	show_form_again(promoting, shown.status, response);
}

/* Show an error beside its field or above the form, or end the flow with a message. */
static void
show_error(Promoting *promoting, const ErrorData *error, HttpResponse *response)
{
	PromotionForm *form = &promoting->form;

	/* The form was sent twice. */
	if (form->has_response && http_passkey_has_made_account(&form->params))
	{
		http_flow_message(&promoting->flow, 200, "passkey_ready", response);
		return;
	}
	switch (error->sqlerrcode)
	{
		case ERRCODE_AA_NOT_ANONYMOUS:
			http_flow_message(&promoting->flow, 200, "done", response);
			break;
		case ERRCODE_AA_INVALID_PROMOTION_CODE:
			http_flow_message(&promoting->flow, 400, "expired", response);
			break;
		case ERRCODE_AA_USER_DISABLED:
			http_flow_message(&promoting->flow, 403, "disabled", response);
			break;
		case ERRCODE_AA_IDENTITY_EXISTS:
			if (form->proves_passkey)
			{
				form->form_error = "passkey_other_user";
				show_form_again(promoting, HTTP_UNACCEPTABLE, response);
			}
			else
				show_taken(promoting, response);
			break;
		case ERRCODE_AA_NO_ACCOUNT:
			form->view = form->view == VIEW_SIGN_UP ? VIEW_LOG_IN : VIEW_SIGN_UP;
			promotion_form_show_proven(&promoting->context, form, response);
			break;
		case ERRCODE_AA_INVALID_LOGIN_ID:
			show_login_id_error(promoting, "not_allowed", response);
			break;
		case ERRCODE_AA_PASSWORD_POLICY:
			if (form->with_passkey)
			{
				promotion_form_show_passkey(&promoting->context, form, 200, response);
				break;
			}
			/* The form was checked by the rules, unless the policy has just changed. */
			if (form->password_errors == NULL)
				form->password_errors = "[\"error\"]";
			show_form_again(promoting, HTTP_UNACCEPTABLE, response);
			break;
		default:
			show_form_error(promoting, error, response);
	}
}

/* The code or the password is wrong, or the counter of the passkey has not increased. */
static void
show_wrong(Promoting *promoting, HttpResponse *response)
{
	PromotionForm *form = &promoting->form;

	if (form->has_code_field)
	{
		form->code_error = "wrong";
		promotion_form_show_code(&promoting->context, form, HTTP_UNACCEPTABLE, response);
		return;
	}
	form->view = VIEW_LOG_IN;
	if (form->proves_passkey)
		form->form_error = "passkey_refused";
	else
		form->password_errors = "[\"wrong\"]";
	promotion_form_show(&promoting->context, form, HTTP_UNACCEPTABLE, response);
}

/* ---- acting on a form ---- */

/* True if a double click or the back button may have sent the form again. */
static bool
may_be_repeated(const ErrorData *error)
{
	return error->sqlerrcode == ERRCODE_AA_NOT_ANONYMOUS ||
		error->sqlerrcode == ERRCODE_AA_INVALID_PROMOTION_CODE;
}

/*
 * Act on a form that is complete, except that a new password may be too weak.  A form that
 * is sent again can log in with its password; without one, it shows that the account is
 * ready.
 */
static void
try_form(Promoting *promoting, HttpResponse *response)
{
	PromotionForm *form = &promoting->form;
	bool		finished = http_flow_is_finished(&promoting->flow);
	bool		repeated = finished;
	ErrorData  *error = NULL;

	if (!finished)
		error = try_promotion(promoting, form->view == VIEW_LOG_IN ?
							  promoting->functions->log_in : promoting->functions->sign_up,
							  false);
	repeated |= error != NULL && may_be_repeated(error);
	if (form->password != NULL && repeated)
	{
		ErrorData  *second = try_promotion(promoting, promoting->functions->repeat, true);

		if (second == NULL || finished || error->sqlerrcode == ERRCODE_AA_NOT_ANONYMOUS)
			error = second;
	}
	if (error != NULL)
		show_error(promoting, error, response);
	else if (promoting->logged_in)
		http_flow_redirect(&promoting->flow, response);
	else if (promoting->is_disabled)
		http_flow_message(&promoting->flow, 403, "disabled", response);
	else if (repeated && (form->password == NULL || form->has_code_field))
		http_flow_message(&promoting->flow, 200, "done", response);
	else
		show_wrong(promoting, response);
}

/*
 * Have a code sent, and show the form for it.  If that fails, a user who already has a code
 * keeps that form.
 */
static void
send_code(Promoting *promoting, HttpResponse *response)
{
	PromotionForm *form = &promoting->form;
	HttpCodePage page = {.login_id = form->login_id};
	bool		was_sent;

	/* The form of the passkey repeats a code.  This form may have none yet. */
	form->has_response = false;
	promotion_form_check_login_id(&promoting->policy, form);
	if (form->login_id_error != NULL)
	{
		form->password_errors = NULL;
		show_login_id_error(promoting, form->login_id_error, response);
		return;
	}
	if (http_flow_is_finished(&promoting->flow))
	{
		http_flow_message(&promoting->flow, 200, "done", response);
		return;
	}
	was_sent = http_code_page_request(&promoting->flow, &promoting->policy, promoting->ticket,
									  &page);
	form->password_errors = NULL;
	form->form_error = page.form_error;
	form->wait = page.wait;
	if (was_sent)
		promotion_form_show_code(&promoting->context, form, page.status, response);
	else
		show_error(promoting, page.error, response);
}

/* Check the fields of the form for the code, and act on it. */
static void
try_code_form(Promoting *promoting, HttpResponse *response)
{
	PromotionForm *form = &promoting->form;

	if (promotion_form_code_and_password(&promoting->policy, form))
		promotion_form_check_password(&promoting->policy, form);
	else
	{
		form->password = NULL;
		form->password_errors = NULL;
	}
	if (form->code == NULL)
		form->code_error = "required";
	if (form->code_error != NULL || form->password_errors != NULL)
		promotion_form_show_code(&promoting->context, form, HTTP_UNACCEPTABLE, response);
	else
		try_form(promoting, response);
}

/* Check the fields of the form with a password, and act on it. */
static void
try_password_form(Promoting *promoting, HttpResponse *response)
{
	PromotionForm *form = &promoting->form;

	if (form->view == VIEW_SIGN_UP)
	{
		promotion_form_check_login_id(&promoting->policy, form);
		if (!form->with_passkey)
			promotion_form_check_password(&promoting->policy, form);
	}
	if (form->login_id_error != NULL ||
		(form->view == VIEW_LOG_IN && form->password_errors != NULL))
		promotion_form_show(&promoting->context, form, HTTP_UNACCEPTABLE, response);
	else
		try_form(promoting, response);
}

/* Act on what the user wants, with a method that the pages offer. */
static void
act_on_form(Promoting *promoting, HttpResponse *response)
{
	PromotionForm *form = &promoting->form;

	if (form->wish == WISH_LOG_IN_FORM)
		form->view = VIEW_LOG_IN;
	if (form->has_code_field && form->login_id_error != NULL)
		show_login_id_error(promoting, form->login_id_error, response);
	else if (form->wish == WISH_OTHER_METHOD && form->has_code_field &&
			 promotion_form_code_and_password(&promoting->policy, form))
	{
		form->password_errors = NULL;
		promotion_form_show_code(&promoting->context, form, 200, response);
	}
	else if (form->wish == WISH_OTHER_METHOD ||
		(form->wish == WISH_LOG_IN_FORM && form->login_id_error == NULL))
	{
		form->login_id_error = NULL;
		form->password_errors = NULL;
		promotion_form_show(&promoting->context, form, 200, response);
	}
	else if (form->wish == WISH_CODE || (!form->has_code_field &&
										 promotion_form_needs_code(&promoting->policy, form)))
		send_code(promoting, response);
	else if (form->has_code_field)
		try_code_form(promoting, response);
	else
		try_password_form(promoting, response);
}

static void
handle_form(Promoting *promoting, HttpResponse *response)
{
	PromotionForm *form = &promoting->form;

	if (http_is_foreign(promoting->flow.request, false))
	{
		http_flow_message(&promoting->flow, 403, "failed", response);
		return;
	}
	promotion_form_read(promoting->flow.request, &promoting->policy, form);
	promoting->flow.passkey_form = &form->params;
	if (http_methods_have(&promoting->policy, form->method) &&
		((!form->with_passkey && !form->proves_passkey) || http_passkey_is_offered()) &&
		(!form->has_code_field || http_methods_have(&promoting->policy, METHOD_CODE)))
		act_on_form(promoting, response);
	else
	{
		/* The setting was changed after the form was shown. */
		form->with_passkey = false;
		form->proves_passkey = false;
		form->has_code_field = false;
		form->method = http_methods_first(&promoting->policy);
		form->view = VIEW_SIGN_UP;
		form->login_id_error = NULL;
		form->password_errors = NULL;
		form->form_error = "other_method";
		promotion_form_show(&promoting->context, form, HTTP_UNACCEPTABLE, response);
	}
}

/* Begin the first form. */
static void
show_first_form(Promoting *promoting, HttpResponse *response)
{
	HttpParams	query;

	http_query(promoting->flow.request, &query);
	promotion_form_begin(&promoting->policy, http_param(&query, "login_id_type"),
						 &promoting->form);
	promotion_form_show(&promoting->context, &promoting->form, 200, response);
}

static void
handle_promote_user(const HttpRequest *request, HttpResponse *response)
{
	Promoting	promoting = {0};
	PromotionState state;

	if (!http_flow_open(&promoting.flow, request, response))
		return;
	if (!promoting.flow.authorization.has_guest)
	{
		http_flow_message(&promoting.flow, 400, "failed", response);
		return;
	}

	promoting.functions = &of_guest;
	promoting.ticket = &promoting.flow.authorization.ticket;
	login_read_policy(&promoting.policy);
	promoting.context.flow = &promoting.flow;
	promoting.context.policy = &promoting.policy;
	state = promotion_state(&promoting.flow.authorization.ticket,
							&promoting.context.guest_since);
	if (strcmp(request->method, "POST") == 0)
		handle_form(&promoting, response);
	else if (http_flow_is_finished(&promoting.flow) || state == PROMOTION_DONE)
		http_flow_message(&promoting.flow, 200, "done", response);
	else if (state == PROMOTION_GUEST_GONE)
		http_flow_message(&promoting.flow, 400, "expired", response);
	else
		show_first_form(&promoting, response);
}

static void
handle_sign_up(const HttpRequest *request, HttpResponse *response)
{
	Promoting	promoting = {.functions = &of_nobody};
	HttpFlow   *flow = &promoting.flow;

	if (!http_flow_open(flow, request, response))
		return;
	login_read_policy(&promoting.policy);
	promoting.context.flow = flow;
	promoting.context.policy = &promoting.policy;
	if (flow->authorization.has_guest || authorization_request_user(&flow->authorization) != NULL)
		http_flow_message(flow, 400, "failed", response);
	else if (!promoting.policy.page_sign_up)
	{
		http_redirect(response, http_flow_login_uri(flow, NULL));
		http_no_store(response);
	}
	else if (strcmp(request->method, "POST") == 0)
		handle_form(&promoting, response);
	else if (http_flow_is_finished(flow))
		http_flow_message(flow, 200, "done", response);
	else
		show_first_form(&promoting, response);
}

PG_FUNCTION_INFO_V1(anon_auth_http_promote_user);
Datum
anon_auth_http_promote_user(PG_FUNCTION_ARGS)
{
	return http_serve(fcinfo, handle_promote_user, http_write_page_error);
}

PG_FUNCTION_INFO_V1(anon_auth_http_sign_up);
Datum
anon_auth_http_sign_up(PG_FUNCTION_ARGS)
{
	return http_serve(fcinfo, handle_sign_up, http_write_page_error);
}
