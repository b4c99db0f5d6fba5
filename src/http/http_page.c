/*-------------------------------------------------------------------------
 *
 * http_page.c
 *	  HTML pages: a model in JSON, rendered by anon_auth_internal.page().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "domain/run_action.h"
#include "executor/executor.h"
#include "http/http_errors.h"
#include "http/http_page.h"
#include "http/http_params.h"
#include "http/http_request.h"
#include "http/http_response.h"
#include "json/json_write.h"
#include "login_id/login_id.h"
#include "nodes/value.h"
#include "parser/parse_func.h"
#include "utils/builtins.h"
#include "utils/formatting.h"

typedef struct PageRendering
{
	const char *model;
	HeapTupleHeader page;		/* a row of html and content_security_policy */
} PageRendering;

/* Call anon_auth_internal.page(), as run_action_with_safe_settings() does. */
static void
render_page(void *arg)
{
	PageRendering *rendering = arg;
	List	   *name = list_make2(makeString("anon_auth_internal"), makeString("page"));
	Oid			argument_types[] = {JSONBOID};
	Oid			function = LookupFuncName(name, lengthof(argument_types), argument_types, false);
	Datum		model = JsonbPGetDatum(json_to_jsonb(rendering->model));

	rendering->page = DatumGetHeapTupleHeader(OidFunctionCall1(function, model));
}

/* A column of the row of a page, which must not be NULL. */
static char *
page_text(HeapTupleHeader page, const char *column)
{
	bool		is_null;
	Datum		value = GetAttributeByName(page, column, &is_null);

	if (is_null)
		elog(ERROR, "a page was rendered without %s", column);
	return TextDatumGetCString(value);
}

void
http_page(HttpResponse *response, int status, const char *model)
{
	PageRendering rendering = {.model = model};
	HeapTupleHeader page;

	/* The function reads settings: its plans must not reach the client. */
	run_action_with_safe_settings(render_page, &rendering);
	page = rendering.page;

	response->status = status;
	response->body = page_text(page, "html");
	http_add_header(response, "Content-Type", "text/html; charset=utf-8");
	http_add_header(response, "Content-Security-Policy", page_text(page, "content_security_policy"));
	http_add_header(response, "X-Frame-Options", "DENY");
	http_add_header(response, "X-Content-Type-Options", "nosniff");

	/*
	 * The address contains x_ref, so only the origin may be sent as the referrer.
	 * With no-referrer, browsers would send "Origin: null" with the form.
	 */
	http_add_header(response, "Referrer-Policy", "strict-origin");
	http_add_header(response, "Vary", "Accept-Language");
}

void
http_page_begin(StringInfo model, const HttpRequest *request, const char *view,
				const char *ui_locales)
{
	char	   *accept_language = http_header(request, "accept-language");

	json_open(model);
	json_add_string(model, "view", view);
	if (ui_locales != NULL)
		json_add_string(model, "ui_locales", ui_locales);
	if (accept_language != NULL)
		json_add_string(model, "accept_language", accept_language);
}

char *
http_json_array(const char *string)
{
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfoChar(&json, '[');
	json_append_string(&json, string);
	appendStringInfoChar(&json, ']');
	return json.data;
}

void
http_message_page(const HttpRequest *request, HttpResponse *response, int status,
				  const char *message, const char *client_name, const char *continue_uri,
				  const char *ui_locales)
{
	StringInfoData model;

	initStringInfo(&model);
	http_page_begin(&model, request, "message", ui_locales);
	json_add_string(&model, "message", message);
	if (client_name != NULL)
		json_add_string(&model, "client_name", client_name);
	if (continue_uri != NULL)
		json_add_string(&model, "continue_uri", continue_uri);
	json_close(&model);
	http_page(response, status, model.data);
}

bool
http_accepts_html(const HttpRequest *request)
{
	char	   *accept = http_header(request, "x-original-accept");
	char	   *range;

	if (accept == NULL)
		return false;
	range = strstr(asc_tolower(accept, strlen(accept)), "text/html");
	if (range == NULL)
		return false;
	range += strlen("text/html");
	range[strcspn(range, ",")] = '\0';
	return strstr(range, "q=0") == NULL || strpbrk(strstr(range, "q=0"), "123456789") != NULL;
}

typedef struct LocalesOfRequest
{
	const HttpRequest *request;
	char	   *ui_locales;
} LocalesOfRequest;

/* A SubtransactionAction: find the parameter ui_locales of a LocalesOfRequest. */
static void
read_ui_locales(void *arg)
{
	LocalesOfRequest *locales = arg;
	HttpParams	params;

	http_params(locales->request, &params);
	locales->ui_locales = http_param(&params, "ui_locales");
}

/* Return the parameter ui_locales, or NULL: also if the parameters cannot be read. */
static const char *
ui_locales_of(const HttpRequest *request)
{
	LocalesOfRequest locales = {.request = request};

	(void) http_try(read_ui_locales, &locales);
	return locales.ui_locales;
}

void
http_refusal_page(const HttpRequest *request, HttpResponse *response, int status,
				  const char *detail)
{
	StringInfoData model;

	if (!http_accepts_html(request))
		http_text(response, status, psprintf("%s\n", detail));
	else
	{
		/* Parameters that cannot be read may be what is refused. */
		initStringInfo(&model);
		http_page_begin(&model, request, "message", ui_locales_of(request));
		json_add_string(&model, "message", "refused");
		json_add_string(&model, "detail", detail);
		json_close(&model);
		http_page(response, status, model.data);
	}
	http_add_header(response, "Vary", "Accept");
	http_no_store(response);
}

void
http_page_add_wait(StringInfo model, int seconds)
{
	if (seconds > 0)
		json_add_integer(model, "wait_minutes",
						 (seconds + SECS_PER_MINUTE - 1) / SECS_PER_MINUTE);
}

HttpFormError
http_form_error(const ErrorData *error)
{
	HttpFormError shown = {.text = "failed",.wait = http_retry_after(error)};

	if (http_is_rate_limit(error))
	{
		shown.status = 429;
		shown.text = "rate_limited";
	}
	else if (http_is_lock_timeout(error))
		shown.status = 503;
	else
		shown.status = http_is_refusal(error) ? HTTP_UNACCEPTABLE : 500;
	return shown;
}

typedef struct Unavailable
{
	const HttpRequest *request;
	HttpResponse *response;
} Unavailable;

/* A SubtransactionAction: answer that the user should try again. */
static void
write_unavailable_page(void *arg)
{
	Unavailable *page = arg;

	http_message_page(page->request, page->response, 503, "unavailable", NULL, NULL,
					  ui_locales_of(page->request));
}

/* Answer a lock timeout.  The page itself can wait for a lock, such as that of a migration. */
static void
write_unavailable(const HttpRequest *request, int seconds, HttpResponse *response)
{
	Unavailable page = {.request = request,.response = response};

	if (!http_accepts_html(request) || http_try(write_unavailable_page, &page) != NULL)
	{
		http_response_begin(response);
		http_text(response, 503, "temporarily unavailable\n");
	}
	http_add_header(response, "Vary", "Accept");
	http_no_store(response);
	http_add_retry_after(response, seconds);
}

/* A faulty server may be unable to make a page. */
void
http_write_page_error(const HttpRequest *request, const ErrorData *error, HttpResponse *response)
{
	if (http_is_lock_timeout(error))
	{
		write_unavailable(request, http_retry_after(error), response);
		return;
	}
	if (http_is_refusal(error))
	{
		http_refusal_page(request, response, 400, error->message);
		return;
	}
	http_text(response, 500, "internal server error");
	http_no_store(response);
}
