/*-------------------------------------------------------------------------
 *
 * hash.h
 *	  The hash functions of OpenSSL that the algorithms use.
 *
 * Only for the files of src/jose.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_HASH_H
#define ANON_AUTH_HASH_H

#include <openssl/evp.h>

#include "jose/jwa.h"

/*
 * Return OpenSSL's implementation, or NULL if it cannot be loaded.  It is kept
 * until the process ends; the caller does not free it.
 */
extern const EVP_MD *jose_hash_md(JoseHash hash);

/* OpenSSL's name of the hash, such as "SHA256". */
extern const char *jose_hash_name(JoseHash hash);

/* Bytes of a digest. */
extern size_t jose_hash_length(JoseHash hash);

#endif							/* ANON_AUTH_HASH_H */
