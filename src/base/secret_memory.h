/*-------------------------------------------------------------------------
 *
 * secret_memory.h
 *	  Memory that is wiped, however the code that uses it ends.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_SECRET_MEMORY_H
#define ANON_AUTH_SECRET_MEMORY_H

#include "postgres.h"

/*
 * Zeroed memory in the current memory context, which is wiped when the context is
 * reset or deleted, after an error, too.  Must not be freed with pfree().
 */
extern void *palloc_secret(Size size);

#endif							/* ANON_AUTH_SECRET_MEMORY_H */
