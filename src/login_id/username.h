/*-------------------------------------------------------------------------
 *
 * username.h
 *	  Usernames as login IDs.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_USERNAME_H
#define ANON_AUTH_USERNAME_H

#include "login_id/login_id.h"

/*
 * Check and normalise a username of 1 to USERNAME_MAX_LENGTH bytes without outer
 * spaces.  Returns as login_id_normalise(); *value is palloc'd and set on success
 * only.
 */
extern LoginIdReason username_normalise(const char *username,
									  const LoginIdPolicy *policy, char **value);

#endif							/* ANON_AUTH_USERNAME_H */
