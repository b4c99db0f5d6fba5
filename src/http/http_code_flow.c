/*-------------------------------------------------------------------------
 *
 * http_code_flow.c
 *	  Login codes that are requested on a page: the link in the message continues the
 *	  page's flow if the same browser opens it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "domain/code_login.h"
#include "domain/message_language.h"
#include "http/http_code_flow.h"

const char *
http_code_flow_language(const HttpRequest *request, const char *ui_locales)
{
	const char *language = message_language_of_browser(ui_locales);

	return language != NULL ? language :
		message_language_of_browser(http_header(request, "accept-language"));
}

TimestampTz
http_code_flow_request(const HttpFlow *flow, const char *login_id, const GuestTicket *ticket)
{
	GuestProof	proof = {.ticket = ticket};

	return code_login_request_in_flow(&flow->client, login_id, ticket != NULL ? &proof : NULL,
									  http_code_flow_language(flow->request,
															  flow->authorization.ui_locales),
									  flow->x_ref, flow->request->now);
}

bool
http_code_flow_find(const HttpRequest *request, const LoginLink *link, HttpFlow *flow)
{
	return link->origin.flow != NULL && http_flow_find(flow, request, link->origin.flow);
}
