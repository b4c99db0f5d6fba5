/*-------------------------------------------------------------------------
 *
 * unix_time.h
 *	  PostgreSQL's times as JWTs write them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_UNIX_TIME_H
#define ANON_AUTH_UNIX_TIME_H

#include "postgres.h"

#include "datatype/timestamp.h"

/* Return whole seconds since 1970 in UTC: a NumericDate (RFC 7519, section 2). */
static inline int64
unix_seconds(TimestampTz time)
{
	return (time + (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY) / USECS_PER_SEC;
}

/* The reverse, for a number of seconds that unix_seconds() has returned. */
static inline TimestampTz
unix_time(int64 seconds)
{
	return seconds * USECS_PER_SEC - (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY;
}

#endif							/* ANON_AUTH_UNIX_TIME_H */
