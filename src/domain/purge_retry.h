/*-------------------------------------------------------------------------
 *
 * purge_retry.h
 *	  Users that purge() could not delete.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_PURGE_RETRY_H
#define ANON_AUTH_PURGE_RETRY_H

#include "postgres.h"

/* Return how long a user is postponed after an error, in microseconds. */
extern int64 purge_retry_interval(const ErrorData *error);

/* Raise a WARNING for an error that was caught.  what begins the message. */
extern void purge_retry_warn(const ErrorData *error, const char *what);

#endif							/* ANON_AUTH_PURGE_RETRY_H */
