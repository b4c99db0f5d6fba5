/*-------------------------------------------------------------------------
 *
 * jose_status.h
 *	  What the functions of src/jose return instead of raising an error.
 *
 * Nothing in src/jose includes postgres.h, allocates from a memory context or
 * raises an error.  OpenSSL objects can therefore be freed on every path, and
 * the code can be unit-tested and fuzzed without a server.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_JOSE_STATUS_H
#define ANON_AUTH_JOSE_STATUS_H

typedef enum JoseStatus
{
	JOSE_OK = 0,
	JOSE_BAD_BASE64URL,			/* not strict, unpadded base64url */
	JOSE_BAD_FORMAT,			/* not three parts separated by dots */
	JOSE_TOO_LARGE,				/* longer than JOSE_MAX_TOKEN_LENGTH, or than
								 * the buffer for it */
	JOSE_KEY_UNSUPPORTED,		/* unknown kty or crv */
	JOSE_KEY_INCOMPLETE,		/* a member that the kty requires is missing */
	JOSE_KEY_MALFORMED,			/* a member has a wrong encoding or size */
	JOSE_KEY_WEAK,				/* RSA key of a refused size or exponent, short
								 * secret, Ed25519 point of small order */
	JOSE_KEY_OFF_CURVE,			/* the EC point is not on its curve */
	JOSE_KEY_MISMATCH,			/* private and public part differ */
	JOSE_KEY_NOT_PRIVATE,		/* a public key cannot sign */
	JOSE_ALG_UNSUPPORTED,		/* unknown alg, or none */
	JOSE_ALG_MISMATCH,			/* the key does not allow this alg */
	JOSE_BAD_SIGNATURE,			/* well-formed, but not made by this key */
	JOSE_FAILURE				/* out of memory, or the library failed */
} JoseStatus;

/*
 * Return a clause in English about a status, in lower case and without a
 * period: "the key has no private part".  Never NULL, also for a number that
 * is no status.  The text is static and never contains input.
 */
extern const char *jose_status_message(JoseStatus status);

#endif							/* ANON_AUTH_JOSE_STATUS_H */
