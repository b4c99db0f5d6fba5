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

/* Return the language that the page is in if the site has it. */
static const char *
language_of(const HttpFlow *flow)
{
	const char *language = message_language_of_browser(flow->authorization.ui_locales);

	return language != NULL ? language :
		message_language_of_browser(http_header(flow->request, "accept-language"));
}

TimestampTz
http_code_flow_request(const HttpFlow *flow, const char *login_id, const GuestTicket *ticket)
{
	GuestProof	proof = {.ticket = ticket};

	return code_login_request_in_flow(&flow->client, login_id, ticket != NULL ? &proof : NULL,
									  language_of(flow), flow->x_ref, flow->request->now);
}

bool
http_code_flow_find(const HttpRequest *request, const LoginLink *link, HttpFlow *flow)
{
	return link->origin.flow != NULL && http_flow_find(flow, request, link->origin.flow);
}
