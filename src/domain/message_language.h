/*-------------------------------------------------------------------------
 *
 * message_language.h
 *	  The language of a message to a user, as a language tag (BCP 47).
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_MESSAGE_LANGUAGE_H
#define ANON_AUTH_MESSAGE_LANGUAGE_H

#include "postgres.h"

#include "store/users.h"

/*
 * Return the first tag of ui_locales (OpenID Connect Core, section 3.1.2.1), or NULL if
 * that is NULL or empty.  Raises 22023 unless ui_locales is a list of language tags.
 */
extern char *message_language_of_request(const char *ui_locales);

/*
 * Return the first tag of a list in a browser's request, ui_locales or Accept-Language, or
 * NULL if it does not begin with one.
 */
extern char *message_language_of_browser(const char *list);

/* Return a language tag, with hyphens for underscores, or NULL if the text is none. */
extern char *message_language_tag(const char *text);

/* Return the language of a user's attribute "locale", or NULL. */
extern char *message_language_of_user(const User *user);

#endif							/* ANON_AUTH_MESSAGE_LANGUAGE_H */
