/*-------------------------------------------------------------------------
 *
 * secret_memory.c
 *	  Memory that is wiped, however the code that uses it ends.
 *
 * An error leaves what stands on the stack there.  A memory context is reset
 * after every call and every error, and calls back before it is.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sodium.h>

#include "base/secret_memory.h"

typedef struct Secret
{
	MemoryContextCallback callback;
	Size		size;
	double		data[FLEXIBLE_ARRAY_MEMBER];	/* aligned for any type */
} Secret;

static void
wipe(void *arg)
{
	Secret	   *secret = arg;

	sodium_memzero(secret->data, secret->size);
}

void *
palloc_secret(Size size)
{
	Secret	   *secret = palloc0(offsetof(Secret, data) + size);

	secret->size = size;
	secret->callback.func = wipe;
	secret->callback.arg = secret;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &secret->callback);
	return secret->data;
}
