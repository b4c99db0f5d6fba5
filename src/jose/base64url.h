/*-------------------------------------------------------------------------
 *
 * base64url.h
 *	  base64url without padding (RFC 4648 section 5, RFC 7515 section 2).
 *
 * Decoding is strict, so that one sequence of bytes has one text.  It refuses
 * padding, white space, other characters, a length of 1 modulo 4, and unused
 * bits at the end that are not zero.  Without the last rule a signature could
 * be changed and would still verify.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_BASE64URL_H
#define ANON_AUTH_BASE64URL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "jose/jose_status.h"

/* Characters that encode n bytes, without a terminator. */
#define BASE64URL_ENCODED_LENGTH(n)		(((n) * 4 + 2) / 3)

/* An upper bound of the bytes that n characters encode. */
#define BASE64URL_DECODED_MAX(n)		((n) / 4 * 3 + 3)

/*
 * Return true if src has characters of the alphabet only.  Does not check the
 * length and the unused bits of the last character.
 */
extern bool base64url_alphabet_only(const char *src, size_t length);

/*
 * Encode length bytes and return the number of characters, which is
 * BASE64URL_ENCODED_LENGTH(length).  Writes no terminator.
 */
extern size_t base64url_encode(char *dst, const uint8_t *src, size_t length);

/*
 * Decode length characters.  *dst_length is the size of dst on entry and the
 * number of bytes written on return; 0 on failure.  Returns JOSE_TOO_LARGE if
 * dst is too small, and JOSE_BAD_BASE64URL for any other text than the one that
 * base64url_encode() makes.  dst is undefined on failure.
 */
extern JoseStatus base64url_decode(uint8_t *dst, size_t *dst_length,
								   const char *src, size_t length);

#endif							/* ANON_AUTH_BASE64URL_H */
