/*-------------------------------------------------------------------------
 *
 * jose_check.h
 *	  Raising the failures of src/jose that no input can cause.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_JOSE_CHECK_H
#define ANON_AUTH_JOSE_CHECK_H

#include "postgres.h"

#include "jose/jose_status.h"

/*
 * Raise XX000 unless status is JOSE_OK.  For operations on keys that were
 * checked before: they fail only if memory is short or a library is broken.
 */
extern void jose_check_internal(JoseStatus status);

#endif							/* ANON_AUTH_JOSE_CHECK_H */
