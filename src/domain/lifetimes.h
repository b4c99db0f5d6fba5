/*-------------------------------------------------------------------------
 *
 * lifetimes.h
 *	  The lifetime of challenges, promotion codes and authorization codes.
 *
 * base/limits.h has the number, in seconds.  Lifetimes of access tokens and
 * sessions are columns of clients and settings.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_LIFETIMES_H
#define ANON_AUTH_LIFETIMES_H

#include "postgres.h"

#include "base/limits.h"
#include "datatype/timestamp.h"

/* SHORT_LIFETIME_SECONDS in microseconds, to add to a TimestampTz. */
#define SHORT_LIFETIME			(INT64CONST(1) * SHORT_LIFETIME_SECONDS * USECS_PER_SEC)

#endif							/* ANON_AUTH_LIFETIMES_H */
