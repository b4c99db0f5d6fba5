/*-------------------------------------------------------------------------
 *
 * http_reauthentication.h
 *	  The way from a page that needs a recent login (recent_login.h) to the page on which
 *	  its user logs in again, and back.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_HTTP_REAUTHENTICATION_H
#define ANON_AUTH_HTTP_REAUTHENTICATION_H

#include "postgres.h"

#include "http/http_response.h"

/*
 * Redirect the browser to /settings/reauthenticate, from where it comes back to next: the
 * path below the issuer of a settings page, such as /settings/change_password, with the
 * query that the page needs.  Nothing else is kept.
 */
extern void http_reauthenticate(HttpResponse *response, const char *next);

/*
 * Return the address of a settings page from the parameter x_next, or that of the overview
 * if the parameter does not name a settings page: anybody can make a link.
 */
extern char *http_reauthentication_next(const char *next);

#endif							/* ANON_AUTH_HTTP_REAUTHENTICATION_H */
