/*-------------------------------------------------------------------------
 *
 * input_limits.h
 *	  How large JSON and tokens may be.
 *
 * The parser refuses input beyond these limits, and the signer refuses to
 * make a token that the parser would refuse.  Plain C: src/jose uses it, too.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_INPUT_LIMITS_H
#define ANON_AUTH_INPUT_LIMITS_H

/* Bytes of a JSON text; this also bounds the number of its members. */
#define JSON_MAX_LENGTH			1048576

/* Levels of nested objects and arrays. */
#define JSON_MAX_DEPTH			32

/* Characters of a number, and of its exponent without the "e". */
#define JSON_MAX_NUMBER			40
#define JSON_MAX_EXPONENT		3

/* Bytes of a compact JWS. */
#define JOSE_MAX_TOKEN_LENGTH	65536

/* Bytes of the claims of a token of ours: header and signature need room, too. */
#define JOSE_MAX_CLAIMS_LENGTH	32768

#endif							/* ANON_AUTH_INPUT_LIMITS_H */
