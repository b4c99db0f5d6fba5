/*-------------------------------------------------------------------------
 *
 * http_api.h
 *	  Responses that the endpoints of Authgear's API have in common (docs/authgear.md, 2.5).
 *	  Errors: http_errors.h.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_HTTP_API_H
#define ANON_AUTH_HTTP_API_H

#include "postgres.h"

#include "domain/guest_proof.h"
#include "http/http_request.h"
#include "http/http_response.h"
#include "store/sessions.h"
#include "store/users.h"
#include "utils/jsonb.h"

/* Answer {"result": json}. */
extern void http_api_result(HttpResponse *response, const char *json);

/* Return a time as text of RFC 3339 in UTC. */
extern char *http_api_time(TimestampTz time);

/* Answer {"result": {"<name>": secret, "expire_at": a time of RFC 3339 in UTC}}. */
extern void http_api_secret(HttpResponse *response, const char *name, const char *secret,
							TimestampTz expires_at);

/* The same without a secret. */
extern void http_api_expiry(HttpResponse *response, TimestampTz expires_at);

/*
 * Fill proof from the members jwt, promotion_code and refresh_token of a body.  Return
 * whether it has one of them.
 */
extern bool http_api_guest_proof(const Jsonb *body, GuestProof *proof);

/*
 * Return true, and answer with 403, if a page that may not use the session cookie sent the
 * request.  The proxy's CORS rules are not enough: they decide who reads the answer.
 */
extern bool http_api_refuse_foreign(const HttpRequest *request, HttpResponse *response);

/* Answer 401 to a request that shows no session. */
extern void http_api_authentication_required(HttpResponse *response);

/*
 * Fill session and user with the caller's, or answer 401 or 403 and return false.  The cookie
 * counts only for pages that may use it.  http_api_lock_caller() also holds the user's row.
 */
extern bool http_api_caller(const HttpRequest *request, Session *session, User *user,
							HttpResponse *response);
extern bool http_api_lock_caller(const HttpRequest *request, Session *session, User *user,
								 HttpResponse *response);

#endif							/* ANON_AUTH_HTTP_API_H */
