/*-------------------------------------------------------------------------
 *
 * settings_pages.h
 *	  The settings pages.  Each handles GET and POST for its own path.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_SETTINGS_PAGES_H
#define ANON_AUTH_SETTINGS_PAGES_H

#include "postgres.h"

#include "http/http_response.h"
#include "http/http_settings.h"

/* What the account has, with links to the other pages. */
extern void settings_overview_page(HttpSettings *settings, HttpResponse *response);

/* The live sessions, which the user can end. */
extern void settings_sessions_page(HttpSettings *settings, HttpResponse *response);

/* Change the password, or set one where there is none. */
extern void settings_password_page(HttpSettings *settings, HttpResponse *response);

#endif							/* ANON_AUTH_SETTINGS_PAGES_H */
