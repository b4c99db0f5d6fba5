/*-------------------------------------------------------------------------
 *
 * base64url.c
 *	  Strict, unpadded base64url (RFC 4648 section 5).
 *
 * Private keys and secrets pass through here, so that characters are mapped
 * by arithmetic: neither a branch nor a table index depends on their value.
 *
 *-------------------------------------------------------------------------
 */
#include "jose/jose.h"

/* All ones in the low 24 bits if lo <= c <= hi, else zero; for 0 <= c <= 255. */
static inline unsigned int
in_range(int c, int lo, int hi)
{
	return ((unsigned int) (lo - 1 - c) & (unsigned int) (c - hi - 1)) >> 8;
}

/* The steps are the distances between the alphabet's runs A-Z a-z 0-9 - _ */
static inline char
encode_char(int v)
{
	unsigned int c = (unsigned int) (v + 'A');

	c += ((unsigned int) (25 - v) >> 8) & 6;
	c -= ((unsigned int) (51 - v) >> 8) & 75;
	c -= ((unsigned int) (61 - v) >> 8) & 13;
	c += ((unsigned int) (62 - v) >> 8) & 49;

	return (char) c;
}

/* The six bits of a character, or -1 (all bits) if it is not of the alphabet. */
static inline int
decode_char(char ch)
{
	int			c = (unsigned char) ch;
	unsigned int v = 0;

	v += in_range(c, 'A', 'Z') & (unsigned int) (c - 'A' + 1);
	v += in_range(c, 'a', 'z') & (unsigned int) (c - 'a' + 27);
	v += in_range(c, '0', '9') & (unsigned int) (c - '0' + 53);
	v += in_range(c, '-', '-') & 63;
	v += in_range(c, '_', '_') & 64;

	return (int) v - 1;
}

size_t
base64url_encode(char *dst, const uint8_t *src, size_t length)
{
	char	   *out = dst;
	size_t		i;

	for (i = 0; length - i >= 3; i += 3)
	{
		int			bits = src[i] << 16 | src[i + 1] << 8 | src[i + 2];

		*out++ = encode_char(bits >> 18);
		*out++ = encode_char(bits >> 12 & 63);
		*out++ = encode_char(bits >> 6 & 63);
		*out++ = encode_char(bits & 63);
	}
	if (length - i >= 1)
	{
		int			bits = src[i] << 16 | (length - i == 2 ? src[i + 1] << 8 : 0);

		*out++ = encode_char(bits >> 18);
		*out++ = encode_char(bits >> 12 & 63);
		if (length - i == 2)
			*out++ = encode_char(bits >> 6 & 63);
	}

	return (size_t) (out - dst);
}

/*
 * The last two or three characters.  bad collects, in any bit, that a
 * character was not of the alphabet or that unused bits were not zero.
 */
static uint8_t *
decode_tail(uint8_t *out, const char *src, size_t length, int *bad)
{
	int			a = decode_char(src[0]);
	int			b = decode_char(src[1]);
	int			c = length == 3 ? decode_char(src[2]) : 0;
	unsigned int bits = ((unsigned int) a & 63) << 12 | ((unsigned int) b & 63) << 6 |
		((unsigned int) c & 63);

	*bad |= (a | b | c) >> 6;
	*bad |= (int) (bits & (length == 3 ? 3 : 0x3ff));
	*out++ = (uint8_t) (bits >> 10);
	if (length == 3)
		*out++ = (uint8_t) (bits >> 2);

	return out;
}

JoseStatus
base64url_decode(uint8_t *dst, size_t *dst_length, const char *src, size_t length)
{
	size_t		tail = length % 4;
	size_t		whole = length - tail;
	size_t		available = *dst_length;
	uint8_t    *out = dst;
	int			bad = 0;
	size_t		i;

	*dst_length = 0;
	if (tail == 1)
		return JOSE_BAD_BASE64URL;
	if (length / 4 * 3 + (tail > 0 ? tail - 1 : 0) > available)
		return JOSE_TOO_LARGE;

	for (i = 0; i < whole; i += 4)
	{
		int			a = decode_char(src[i]);
		int			b = decode_char(src[i + 1]);
		int			c = decode_char(src[i + 2]);
		int			d = decode_char(src[i + 3]);
		unsigned int bits = ((unsigned int) a & 63) << 18 | ((unsigned int) b & 63) << 12 |
			((unsigned int) c & 63) << 6 | ((unsigned int) d & 63);

		bad |= (a | b | c | d) >> 6;
		*out++ = (uint8_t) (bits >> 16);
		*out++ = (uint8_t) (bits >> 8);
		*out++ = (uint8_t) bits;
	}
	if (tail > 0)
		out = decode_tail(out, src + whole, tail, &bad);

	if (bad != 0)
		return JOSE_BAD_BASE64URL;
	*dst_length = (size_t) (out - dst);
	return JOSE_OK;
}
