/*-------------------------------------------------------------------------
 *
 * end_session_endpoint.c
 *	  GET and POST /oauth2/end_session: logout of a session (docs/authgear.md, 6.5;
 *	  OpenID Connect RP-Initiated Logout 1.0).
 *
 * Any page can send a browser here.  A guest whose cookie is lost cannot come back, so
 * the session of the cookie ends, and the cookie is removed, only at the request of
 * our own pages.  At any other request, a page of ours asks the user: also at an address
 * that the user opened, because a page of another site can cause such requests (see
 * http_origin()).  An id_token_hint proves that the client holds a token of the session,
 * which then ends at once.
 *
 * A guest with a cookie session has no other way back.  The page tells a guest so, and
 * offers to create an account first.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "domain/client.h"
#include "domain/discovery.h"
#include "domain/id_token_hint.h"
#include "domain/session.h"
#include "http/http_caller.h"
#include "http/http_endpoint.h"
#include "http/http_errors.h"
#include "http/http_guest_sign_up.h"
#include "http/http_page.h"
#include "http/http_params.h"
#include "http/http_request.h"
#include "http/http_response.h"
#include "json/json_write.h"
#include "store/clients.h"
#include "store/sessions.h"
#include "store/users.h"

/* The parameters of a logout; each string may be NULL. */
typedef struct Logout
{
	char	   *redirect_uri;
	char	   *state;
	char	   *ui_locales;
	bool		has_hint;		/* an ID token of ours, of the client if one is named */
	IdTokenHint hint;
	bool		wants_sign_up;	/* the guest chose to create an account instead */
	bool		has_client;		/* named by client_id or by the hint */
	Client		client;
} Logout;

/* Whose session the request shows, from http_cookie_caller(). */
typedef struct Asked
{
	HttpCaller	caller;
	Session		session;
	User		user;
} Asked;

static void
read_logout(const HttpRequest *request, Logout *logout)
{
	HttpParams	params;
	char	   *client_id;
	char	   *hint;
	char	   *mode;

	http_params(request, &params);
	client_id = http_param(&params, "client_id");
	hint = http_param(&params, "id_token_hint");
	logout->has_client = client_id != NULL;
	if (client_id != NULL)
		client_get(client_id, &logout->client);
	logout->has_hint = hint != NULL && id_token_hint_read(hint, &logout->hint) &&
		(client_id == NULL || strcmp(logout->hint.client.client_id, client_id) == 0);
	if (logout->has_hint)
	{
		logout->has_client = true;
		logout->client = logout->hint.client;
	}
	logout->redirect_uri = http_param(&params, "post_logout_redirect_uri");
	logout->state = http_param(&params, "state");
	logout->ui_locales = http_param(&params, "ui_locales");
	mode = http_param(&params, "mode");
	logout->wants_sign_up = mode != NULL && strcmp(mode, "sign_up") == 0;
}

/* If the logout names a client, the URI must be the client's (RP-Initiated Logout 1.0, 3). */
static bool
may_redirect(const Logout *logout)
{
	if (logout->redirect_uri == NULL)
		return false;
	return logout->has_client ?
		client_has_post_logout_redirect_uri(&logout->client, logout->redirect_uri) :
		client_any_has_post_logout_redirect_uri(logout->redirect_uri);
}

static void
write_logged_out(const HttpRequest *request, const Logout *logout, HttpResponse *response)
{
	StringInfoData location;

	http_no_store(response);
	if (!may_redirect(logout))
	{
		http_message_page(request, response, 200, "logged_out", NULL, NULL, logout->ui_locales);
		return;
	}
	initStringInfo(&location);
	appendStringInfoString(&location, logout->redirect_uri);
	http_append_param(&location, "state", logout->state);
	http_redirect(response, location.data);
}

/*
 * Return the URI to which the guest of a session goes back with an account, and set client
 * to the session's client or, if it has none, to that of the logout.  NULL: the client
 * cannot promote guests with a cookie.
 */
static const char *
sign_up_redirect_uri(const Logout *logout, const Session *session, Client *client)
{
	if (session->client_id != NULL)
		client_get(session->client_id, client);
	else if (logout->has_client)
		*client = logout->client;
	else
		return NULL;
	if (!http_guest_sign_up_is_possible(client))
		return NULL;
	return logout->redirect_uri != NULL && client_has_redirect_uri(client, logout->redirect_uri) ?
		logout->redirect_uri : client->redirect_uris.items[0];
}

/* Send a guest to the page on which it becomes an account. */
static void
redirect_to_sign_up(const HttpRequest *request, const Logout *logout, const Asked *asked,
					HttpResponse *response)
{
	Client		client;
	const char *redirect_uri = sign_up_redirect_uri(logout, &asked->session, &client);

	if (redirect_uri == NULL)
	{
		http_message_page(request, response, 400, "failed", NULL, NULL, logout->ui_locales);
		http_no_store(response);
		return;
	}
	http_guest_sign_up(request, &asked->session, &asked->user, &client, redirect_uri,
					   logout->ui_locales, response);
}

/* Add what the page tells a guest, and where its forms can lead. */
static void
add_guest(StringInfo model, const Logout *logout, const Asked *asked)
{
	const char *logout_uri = may_redirect(logout) ? logout->redirect_uri : NULL;
	Client		client;
	const char *sign_up_uri = sign_up_redirect_uri(logout, &asked->session, &client);

	json_add_boolean(model, "loses_guest", true);
	json_add_boolean(model, "can_sign_up", sign_up_uri != NULL);
	json_add_name(model, "form_action_sources");
	appendStringInfoChar(model, '[');
	if (logout_uri != NULL)
		json_append_string(model, http_origin_of(logout_uri));
	if (logout_uri != NULL && sign_up_uri != NULL)
		appendStringInfoChar(model, ',');
	if (sign_up_uri != NULL)
		json_append_string(model, http_origin_of(sign_up_uri));
	appendStringInfoChar(model, ']');
}

/*
 * Ask the user.  The form comes from our own page, and therefore ends the session.  Without
 * a known session, the page does not say whether the user can come back.
 */
static void
write_confirmation(const HttpRequest *request, const Logout *logout, const Asked *asked,
				   HttpResponse *response)
{
	const char *redirect_uri = logout->redirect_uri;
	StringInfoData model;

	initStringInfo(&model);
	http_page_begin(&model, request, "log_out", logout->ui_locales);
	json_add_string(&model, "action", psprintf("%s/oauth2/end_session", discovery_issuer()));
	json_add_name(&model, "hidden");
	json_open(&model);
	if (logout->has_client)
		json_add_string(&model, "client_id", logout->client.client_id);
	if (redirect_uri != NULL)
		json_add_string(&model, "post_logout_redirect_uri", redirect_uri);
	if (logout->state != NULL)
		json_add_string(&model, "state", logout->state);
	if (logout->ui_locales != NULL)
		json_add_string(&model, "ui_locales", logout->ui_locales);
	json_close(&model);
	json_add_boolean(&model, "can_log_in_again",
					 asked->caller == CALLER_KNOWN && !asked->user.is_anonymous);
	if (may_redirect(logout))
		json_add_string(&model, "cancel_uri", redirect_uri);
	if (asked->caller == CALLER_KNOWN && asked->user.is_anonymous)
		add_guest(&model, logout, asked);
	else if (may_redirect(logout))
		json_add_raw(&model, "form_action_sources",
					 http_json_array(http_origin_of(redirect_uri)));
	json_close(&model);
	http_page(response, 200, model.data);
	http_no_store(response);
}

/* Let the browser send the same request, without the hint, with GET and its cookies. */
static void
redirect_to_get(const Logout *logout, HttpResponse *response)
{
	StringInfoData location;

	initStringInfo(&location);
	appendStringInfo(&location, "%s/oauth2/end_session", discovery_issuer());
	http_append_param(&location, "client_id", logout->has_client ? logout->client.client_id : NULL);
	http_append_param(&location, "post_logout_redirect_uri", logout->redirect_uri);
	http_append_param(&location, "state", logout->state);
	http_append_param(&location, "ui_locales", logout->ui_locales);
	http_redirect(response, location.data);
	http_no_store(response);
}

/* End the session of the hint if it is a session of the hint's client. */
static void
end_session_of_hint(const HttpRequest *request, const IdTokenHint *hint)
{
	Session		session;
	User		user;

	if (session_find_alive(&hint->sub, &hint->sid, request->now, &session, &user) &&
		session.client_id != NULL && strcmp(session.client_id, hint->client.client_id) == 0)
		session_end(&session.user_id, &session.id, session.client_id, request->now);
}

static void
handle_end_session(const HttpRequest *request, HttpResponse *response)
{
	HttpOrigin	origin = http_origin(request);
	bool		is_post = strcmp(request->method, "POST") == 0;
	Logout		logout;
	Asked		asked;
	const Session *session = &asked.session;

	if (http_refuse_prefetch(request, response))
		return;
	if (request->is_head)
	{
		http_text(response, 200, "");
		http_no_store(response);
		return;
	}
	read_logout(request, &logout);
	if (logout.has_hint)
		end_session_of_hint(request, &logout.hint);
	asked.caller = http_cookie_caller(request, &asked.session, &asked.user);
	if (origin == ORIGIN_OWN && is_post && logout.wants_sign_up &&
		asked.caller == CALLER_KNOWN && asked.user.is_anonymous)
		redirect_to_sign_up(request, &logout, &asked, response);
	else if (origin == ORIGIN_OWN && is_post && logout.wants_sign_up)
		redirect_to_get(&logout, response);
	else if (origin == ORIGIN_OWN)
	{
		if (asked.caller == CALLER_KNOWN)
			session_end(&session->user_id, &session->id, session->client_id, request->now);
		http_clear_session_cookie(request, response);
		write_logged_out(request, &logout, response);
	}
	else if (asked.caller == CALLER_KNOWN)
		write_confirmation(request, &logout, &asked, response);

	/* Another site's POST comes without the cookie, whether there is a session or not. */
	else if (is_post && origin != ORIGIN_UNREPORTED)
		redirect_to_get(&logout, response);
	else if (!logout.has_hint && is_post)
		write_confirmation(request, &logout, &asked, response);
	else
		write_logged_out(request, &logout, response);
}

/* A browser shows the answer to a person, and a library reads it. */
static void
write_end_session_error(const HttpRequest *request, const ErrorData *error,
						HttpResponse *response)
{
	if ((http_is_refusal(error) || http_is_lock_timeout(error)) && http_accepts_html(request))
		http_write_page_error(request, error, response);
	else
		http_write_oauth_error(request, error, response);
}

PG_FUNCTION_INFO_V1(anon_auth_http_end_session);
Datum
anon_auth_http_end_session(PG_FUNCTION_ARGS)
{
	return http_serve(fcinfo, handle_end_session, write_end_session_error);
}
