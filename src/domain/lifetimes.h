/*-------------------------------------------------------------------------
 *
 * lifetimes.h
 *	  The lifetime of everything that is used once and soon.
 *
 * Lifetimes of access tokens and sessions are columns of clients and settings.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_LIFETIMES_H
#define ANON_AUTH_LIFETIMES_H

#include "postgres.h"

#include "datatype/timestamp.h"

/*
 * Seconds that a challenge, a promotion code, an authorization code and an ID
 * token are valid (docs/authgear.md, section 0).
 */
#define SHORT_LIFETIME_SECONDS	300

/* The same in microseconds, to add to a TimestampTz. */
#define SHORT_LIFETIME			(INT64CONST(1) * SHORT_LIFETIME_SECONDS * USECS_PER_SEC)

#endif							/* ANON_AUTH_LIFETIMES_H */
