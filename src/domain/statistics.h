/*-------------------------------------------------------------------------
 *
 * statistics.h
 *	  Counts of calls since the file of the counters was made, as jsonb.
 *
 * Every key is always there, with 0 if nothing was counted, so that a program can
 * compute differences from the first value on.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_STATISTICS_H
#define ANON_AUTH_STATISTICS_H

#include "postgres.h"

#include "utils/jsonb.h"

/* Logins by method: {"device_key": 1, "password": 2}. */
extern Jsonb *statistics_logins(void);

/*
 * Refused calls by reason: the name of a rate limit, the name of an error of class AA in
 * lower case, or the kind of a refusal that returns no row.
 */
extern Jsonb *statistics_refusals(void);

#endif							/* ANON_AUTH_STATISTICS_H */
