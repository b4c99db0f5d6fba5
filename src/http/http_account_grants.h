/*-------------------------------------------------------------------------
 *
 * http_account_grants.h
 *	  The grants of the token endpoint that log in, sign up or promote a guest without a
 *	  page.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_HTTP_ACCOUNT_GRANTS_H
#define ANON_AUTH_HTTP_ACCOUNT_GRANTS_H

#include "postgres.h"

#include "http/http_params.h"
#include "http/http_request.h"
#include "http/http_response.h"
#include "store/clients.h"

/*
 * GRANT_LOGIN_CODE, GRANT_ID_TOKEN and GRANT_PASSKEY.  With a proof of being a guest, they promote the
 * guest as promote_anonymous_user(); with prompt=create they sign up as sign_up(); otherwise
 * they log in as authenticate_with_code() and related functions.  They raise the
 * errors of those functions, and 22023 for missing or contradictory parameters.
 */
extern void http_login_code_grant(const HttpRequest *request, const Client *client,
								  const HttpParams *params, HttpResponse *response);
extern void http_id_token_grant(const HttpRequest *request, const Client *client,
								const HttpParams *params, HttpResponse *response);
extern void http_passkey_grant(const HttpRequest *request, const Client *client,
							   const HttpParams *params, HttpResponse *response);

#endif							/* ANON_AUTH_HTTP_ACCOUNT_GRANTS_H */
