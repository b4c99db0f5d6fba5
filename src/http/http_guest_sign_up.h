/*-------------------------------------------------------------------------
 *
 * http_guest_sign_up.h
 *	  The way from a page of a cookie session's guest to the page on which it becomes an
 *	  account.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_HTTP_GUEST_SIGN_UP_H
#define ANON_AUTH_HTTP_GUEST_SIGN_UP_H

#include "postgres.h"

#include "http/http_response.h"
#include "store/clients.h"
#include "store/sessions.h"
#include "store/users.h"

/* Return whether a client can promote guests with a cookie, and has a page to come back to. */
extern bool http_guest_sign_up_is_possible(const Client *client);

/*
 * Redirect the browser of the session, whose user is a guest, to the sign-up page.  It comes
 * back to redirect_uri.  ui_locales may be NULL.
 */
extern void http_guest_sign_up(const HttpRequest *request, const Session *session,
							   const User *user, const Client *client,
							   const char *redirect_uri, const char *ui_locales,
							   HttpResponse *response);

#endif							/* ANON_AUTH_HTTP_GUEST_SIGN_UP_H */
