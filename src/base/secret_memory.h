/*-------------------------------------------------------------------------
 *
 * secret_memory.h
 *	  Memory that is wiped even if an error is raised.
 *
 * Use it for secrets that are alive while code runs that can raise an error.
 * An error skips the wiping of a local variable, which then stays on the
 * stack.  For code that cannot raise one, wipe.h is enough.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_SECRET_MEMORY_H
#define ANON_AUTH_SECRET_MEMORY_H

#include "postgres.h"

/*
 * Return size zeroed bytes in the current memory context.  They are wiped when
 * the context is reset or deleted.  Do not pfree() them: the callback that
 * wipes them stays registered.  Raises 53200 if memory is short.
 */
extern void *secret_memory_alloc(Size size);

#endif							/* ANON_AUTH_SECRET_MEMORY_H */
