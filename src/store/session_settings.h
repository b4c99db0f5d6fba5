/*-------------------------------------------------------------------------
 *
 * session_settings.h
 *	  Parameters of the session that affect the extension's statements.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_SESSION_SETTINGS_H
#define ANON_AUTH_SESSION_SETTINGS_H

#include "postgres.h"

/*
 * Around each statement: give parameters that would show its values to the client
 * a safe value.  session_settings_enter() returns what session_settings_leave()
 * restores; an error in between needs no clean-up.  Raises as
 * Placement.enter_statement().
 */
extern int	session_settings_enter(void);
extern void session_settings_leave(int nest_level);

typedef struct SessionSetting
{
	const char *name;
	const char *value;
} SessionSetting;

/*
 * Give parameters these values, if they exist and have others, until
 * session_settings_leave().  nest_level is 0 as long as no parameter was changed.
 * Returns the nest level.
 */
extern int	session_settings_pin(const SessionSetting *parameters, int count, int nest_level);

/*
 * Return the value that a string parameter will have when all functions that are
 * running, and their SET clauses, have ended: that of the session or of SET LOCAL.
 */
extern char *session_settings_outside(const char *name);

#endif							/* ANON_AUTH_SESSION_SETTINGS_H */
