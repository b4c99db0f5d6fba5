/*-------------------------------------------------------------------------
 *
 * http_code_flow.h
 *	  Login codes that are requested on a page: the link in the message continues the
 *	  page's flow if the same browser opens it.
 *
 * The code's row keeps the flow's authorization request, which is of no use without the
 * cookie of the browser (browser_flows.h).  So there is no second cookie, and of several
 * flows in a browser, the link continues the one on which the code was requested.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_HTTP_CODE_FLOW_H
#define ANON_AUTH_HTTP_CODE_FLOW_H

#include "postgres.h"

#include "domain/login_code.h"
#include "http/http_flow.h"

/*
 * Return the language of messages that the browser asks for: ui_locales, which may be NULL,
 * or else Accept-Language.  NULL: the site has none of these.
 */
extern const char *http_code_flow_language(const HttpRequest *request, const char *ui_locales);

/*
 * Have a code sent to an address for the flow, and return when it expires.  ticket is that
 * of the guest who will use the code, or NULL.  The message has the language that the
 * client or the browser asked for.  Raises the errors of code_login_request().
 */
extern TimestampTz http_code_flow_request(const HttpFlow *flow, const char *login_id,
										  const GuestTicket *ticket);

/*
 * Fill flow with the one in which the code of a link was requested.  Return false if the
 * code was not requested on a page, or if this browser does not have the flow.
 */
extern bool http_code_flow_find(const HttpRequest *request, const LoginLink *link,
								HttpFlow *flow);

#endif							/* ANON_AUTH_HTTP_CODE_FLOW_H */
