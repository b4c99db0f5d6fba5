/*-------------------------------------------------------------------------
 *
 * secret_memory.c
 *	  Memory that is wiped even if an error is raised.
 *
 * PostgreSQL resets the memory context of a call after the call and after an
 * error.  Before it does so, it runs the reset callbacks of the context.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/secret_memory.h"
#include "base/wipe.h"

typedef struct Secret
{
	MemoryContextCallback callback;
	Size		size;
	double		data[FLEXIBLE_ARRAY_MEMBER];	/* aligned for any type */
} Secret;

static void
wipe_on_reset(void *arg)
{
	Secret	   *secret = arg;

	wipe_bytes(secret->data, secret->size);
}

void *
secret_memory_alloc(Size size)
{
	Secret	   *secret = palloc0(offsetof(Secret, data) + size);

	secret->size = size;
	secret->callback.func = wipe_on_reset;
	secret->callback.arg = secret;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &secret->callback);
	return secret->data;
}
