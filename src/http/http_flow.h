/*-------------------------------------------------------------------------
 *
 * http_flow.h
 *	  The pages between /oauth2/authorize and the client's redirect URI.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_HTTP_FLOW_H
#define ANON_AUTH_HTTP_FLOW_H

#include "postgres.h"

#include "base/limits.h"
#include "domain/authorization.h"
#include "domain/browser_flows.h"
#include "http/http_page.h"
#include "http/http_params.h"
#include "http/http_response.h"
#include "store/clients.h"
#include "store/users.h"

typedef struct HttpFlow
{
	const HttpRequest *request;
	char	   *x_ref;			/* the authorization request, as the address has it */
	AuthorizationRequest authorization;
	Client		client;
	BrowserFlows browser;		/* all flows of this browser */
	BrowserFlow *own;			/* this flow among them */

	/* The form that a page of the flow has sent, if it may have made a passkey; or NULL. */
	const HttpParams *passkey_form;

	/* The result: the user that is logged in, how, and the code or cookie for it. */
	User		user;
	StringList	amr;			/* auth_methods.h */
	char	   *code;
	char	   *cookie;
} HttpFlow;

/*
 * Begin a flow for an authorization request: fill its browser member, and set the cookie
 * that lets this browser alone open the flow.  A request that is not a navigation
 * gets no cookie, so that nobody can open its flow.
 */
extern void http_flow_begin(const HttpRequest *request, AuthorizationRequest *authorization,
							HttpResponse *response);

/*
 * Open the flow that the request belongs to.  Return false if this browser has no
 * such flow, or if the request is a prefetch; the response then says so.
 */
extern bool http_flow_open(HttpFlow *flow, const HttpRequest *request, HttpResponse *response);

/*
 * Find the flow of an authorization request (authorization_request_write()).  Return false
 * if this browser has no such flow.
 */
extern bool http_flow_find(HttpFlow *flow, const HttpRequest *request, const char *x_ref);

/*
 * True if the flow has already led to a result in this browser.  A finished flow may
 * log in again with a password, for a form that is sent twice, and nothing else.
 */
extern bool http_flow_is_finished(const HttpFlow *flow);

/*
 * True if the guest is that of this browser's session cookie.  Otherwise another person
 * may have created the guest and sent the link to the user.
 */
extern bool http_flow_has_own_guest(const HttpFlow *flow);

/*
 * Return the address of another page of the flow: log-in, sign-up or forgotten password.
 * login_id, unless it is NULL or does not fit, is filled in there.
 */
extern char *http_flow_login_uri(const HttpFlow *flow, const char *login_id);
extern char *http_flow_sign_up_uri(const HttpFlow *flow);
extern char *http_flow_forgot_password_uri(const HttpFlow *flow);

/* Return the address of the log-in for a user who has just chosen a new password. */
extern char *http_flow_new_password_uri(const HttpFlow *flow, const char *login_id);

/* Open the model of a page with the members that all pages of a flow have. */
extern void http_flow_begin_page(StringInfo model, const HttpFlow *flow, const char *view);

/* The same for a page whose forms go to another page of the flow: uri is that page's. */
extern void http_flow_begin_page_for(StringInfo model, const HttpFlow *flow, const char *view,
									 const char *uri);

/* Answer with a page that shows a message and leads back to the client. */
extern void http_flow_message(const HttpFlow *flow, int status, const char *message,
							  HttpResponse *response);

/* Make what the client asked for, an authorization code or a cookie session, for flow->user. */
extern void http_flow_finish(HttpFlow *flow);

/*
 * Redirect the browser to the client with the result of http_flow_finish(), and mark the
 * flow as finished in the browser's cookie.
 */
extern void http_flow_redirect(const HttpFlow *flow, HttpResponse *response);

#endif							/* ANON_AUTH_HTTP_FLOW_H */
