/*-------------------------------------------------------------------------
 *
 * wipe.h
 *	  Overwriting secrets.
 *
 * A compiler may leave out a memset() of memory that nobody reads again; it
 * keeps this one.  Wipe every copy of a key, a token or a password as soon as
 * it is no longer needed, also on the paths that fail.
 *
 * Plain C without PostgreSQL: src/jose uses it, too.  secret_memory.h is for
 * secrets that must be wiped even if an error is raised.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_WIPE_H
#define ANON_AUTH_WIPE_H

#include <sodium.h>
#include <string.h>

/* Overwrite length bytes with zeros. */
static inline void
wipe_bytes(void *bytes, size_t length)
{
	sodium_memzero(bytes, length);
}

/* Overwrite a string up to its terminator.  The caller frees it. */
static inline void
wipe_string(char *string)
{
	sodium_memzero(string, strlen(string));
}

#endif							/* ANON_AUTH_WIPE_H */
