/*-------------------------------------------------------------------------
 *
 * form_owner.h
 *	  For which user a form was made.
 *
 * The session in which a form is sent can be another one than that in which it was shown:
 * the former has ended, the user has logged in again, or a link has opened the session of
 * another account in the browser.  So the form names its user, not its session.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_FORM_OWNER_H
#define ANON_AUTH_FORM_OWNER_H

#include "postgres.h"

#include "utils/uuid.h"

/* Return a text that names a user, and that only we can make. */
extern char *form_owner_write(const pg_uuid_t *user_id);

/* Return whether a text, which may be NULL, names this user.  Takes constant time. */
extern bool form_owner_is(const char *text, const pg_uuid_t *user_id);

#endif							/* ANON_AUTH_FORM_OWNER_H */
