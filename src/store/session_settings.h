/*-------------------------------------------------------------------------
 *
 * session_settings.h
 *	  What the parameters of a session could do to statements of ours.
 *
 * Whoever calls us may set them, and our statements run with the owner's
 * rights.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_SESSION_SETTINGS_H
#define ANON_AUTH_SESSION_SETTINGS_H

#include "postgres.h"

/*
 * Called once when the library is loaded.  Whether it watches over what is sent to
 * other nodes: there is Citus, and no transaction has begun yet.
 */
extern bool session_settings_init(void);

/*
 * Around each statement, which writes or only reads: parameters that would show what is in it to the client, or
 * change it on its way to another node, have a value of ours.  An error in
 * between needs no clean-up.  Raises 55000 where tables are distributed and the
 * session could have sent something along, and as distributed_transaction_require().
 */
extern int	session_settings_enter(bool writes);
extern void session_settings_leave(int nest_level);

/*
 * Return the value that a string parameter will have when all functions that are
 * running, and their SET clauses, have ended: that of the session or of SET LOCAL.
 */
extern char *session_settings_outside(const char *name);

#endif							/* ANON_AUTH_SESSION_SETTINGS_H */
