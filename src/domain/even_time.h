/*-------------------------------------------------------------------------
 *
 * even_time.h
 *	  Waiting, so that the time a call takes does not tell what it found.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_EVEN_TIME_H
#define ANON_AUTH_EVEN_TIME_H

#include "postgres.h"

#include "portability/instr_time.h"

/* Wait until so many microseconds have passed since begin.  Can be cancelled. */
extern void wait_since(const instr_time *begin, int64 microseconds);

#endif							/* ANON_AUTH_EVEN_TIME_H */
