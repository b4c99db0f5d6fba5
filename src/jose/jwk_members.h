/*-------------------------------------------------------------------------
 *
 * jwk_members.h
 *	  The members of a JWK: reading them, and writing those of a public key.
 *
 * src/jose parses no JSON.  Callers hand over the members as spans of the JSON
 * text (src/json/jwk.h does this for jsonb).
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_JWK_MEMBERS_H
#define ANON_AUTH_JWK_MEMBERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"
#include "jose/jose_status.h"

/*
 * The members that we read of a JWK (RFC 7518 section 6, RFC 8037 section 2),
 * still in base64url.  Absent members are spans without data.
 */
typedef struct JoseJwk
{
	Span		kty;
	Span		crv;
	Span		x;
	Span		y;
	Span		n;
	Span		e;
	Span		d;
	Span		p;
	Span		q;
	Span		dp;
	Span		dq;
	Span		qi;
	Span		k;
} JoseJwk;

/*
 * Decode a required member into dst.  *dst_length is the size of dst on entry
 * and the number of bytes on return.  Returns JOSE_KEY_INCOMPLETE if the member
 * is absent, JOSE_KEY_MALFORMED if it is not base64url, and JOSE_TOO_LARGE if
 * it does not fit: what that means depends on the member.
 */
extern JoseStatus jwk_decode_member(Span member, uint8_t *dst, size_t *dst_length);

/*
 * The same for a member that has one possible length in bytes (RFC 7518 section
 * 6.2.1.2, RFC 8037 section 2).  Any other length is JOSE_KEY_MALFORMED.
 */
extern JoseStatus jwk_decode_member_exactly(Span member, uint8_t *dst, size_t length);

/*
 * Appends to a buffer.  Once something does not fit, overflow is set and all
 * further writes do nothing, so that it is enough to check it at the end.
 */
typedef struct JwkWriter
{
	char	   *next;
	size_t		left;
	bool		overflow;
} JwkWriter;

extern void jwk_write_text(JwkWriter *writer, const char *text);
extern void jwk_write_base64url(JwkWriter *writer, const uint8_t *src, size_t length);

#endif							/* ANON_AUTH_JWK_MEMBERS_H */
