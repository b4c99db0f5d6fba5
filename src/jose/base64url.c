/*-------------------------------------------------------------------------
 *
 * base64url.c
 *	  Strict base64url without padding (RFC 4648 section 5).
 *
 * Private keys and secrets pass through these functions.  Characters are
 * therefore mapped by arithmetic: no branch and no table index depends on a
 * value, so that timing and caches tell nothing about it.
 *
 * Tokens are decoded at every call of a client, so that speed matters.  The main
 * loops work on blocks of a constant size, which compilers turn into vector
 * instructions.
 *
 *-------------------------------------------------------------------------
 */
#include "jose/base64url.h"

/* Characters that the main loops encode or decode at once. */
#define BLOCK	16

/* For 0 <= c <= 255: all ones in the low 24 bits if lo <= c <= hi, else zero. */
static inline unsigned int
in_range(int c, int lo, int hi)
{
	return ((unsigned int) (lo - 1 - c) & (unsigned int) (c - hi - 1)) >> 8;
}

/*
 * The character of six bits.  Each step adds the distance between two runs of
 * the alphabet A-Z a-z 0-9 - _ if v is beyond the first one.
 */
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

/* The six bits of a character, or -1 (all bits set) if it is not in the alphabet. */
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

/* Split three bytes into four times six bits. */
static inline void
split_bytes(int *six, const uint8_t *src)
{
	int			bits = src[0] << 16 | src[1] << 8 | src[2];

	six[0] = bits >> 18;
	six[1] = bits >> 12 & 63;
	six[2] = bits >> 6 & 63;
	six[3] = bits & 63;
}

size_t
base64url_encode(char *dst, const uint8_t *src, size_t length)
{
	char	   *out = dst;
	size_t		i;

	for (i = 0; length - i >= BLOCK / 4 * 3; i += BLOCK / 4 * 3)
	{
		int			six[BLOCK];
		int			j;

		for (j = 0; j < BLOCK / 4; j++)
			split_bytes(six + 4 * j, src + i + 3 * j);
		for (j = 0; j < BLOCK; j++)
			out[j] = encode_char(six[j]);
		out += BLOCK;
	}
	for (; length - i >= 3; i += 3)
	{
		int			six[4];

		split_bytes(six, src + i);
		*out++ = encode_char(six[0]);
		*out++ = encode_char(six[1]);
		*out++ = encode_char(six[2]);
		*out++ = encode_char(six[3]);
	}
	/* One or two bytes are left: two or three characters, with zero bits at the end. */
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

/* The characters' bits, or-ed: negative if a character is not in the alphabet. */
static inline int
collect_bits(const char *src, size_t length)
{
	int			seen = 0;
	size_t		i;

	for (i = 0; i < length; i++)
		seen |= decode_char(src[i]);
	return seen;
}

bool
base64url_alphabet_only(const char *src, size_t length)
{
	int			seen = 0;
	size_t		i;

	for (i = 0; length - i >= BLOCK; i += BLOCK)
		seen |= collect_bits(src + i, BLOCK);
	return (seen | collect_bits(src + i, length - i)) >= 0;
}

/* Join four times six bits; bits beyond the six of a bad character do not count. */
static inline unsigned int
join_bits(const int *six)
{
	return ((unsigned int) six[0] & 63) << 18 | ((unsigned int) six[1] & 63) << 12 |
		((unsigned int) six[2] & 63) << 6 | ((unsigned int) six[3] & 63);
}

/* Write three bytes and return where the next ones belong. */
static inline uint8_t *
put_bytes(uint8_t *out, unsigned int bits)
{
	*out++ = (uint8_t) (bits >> 16);
	*out++ = (uint8_t) (bits >> 8);
	*out++ = (uint8_t) bits;
	return out;
}

/*
 * Decode the last two or three characters.  Sets a bit of *bad if a character is
 * not in the alphabet, or if the unused bits of the last one are not zero.
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

	for (i = 0; whole - i >= BLOCK; i += BLOCK)
	{
		int			six[BLOCK];
		int			j;

		for (j = 0; j < BLOCK; j++)
			six[j] = decode_char(src[i + j]);
		for (j = 0; j < BLOCK; j++)
			bad |= six[j] >> 6;
		for (j = 0; j < BLOCK; j += 4)
			out = put_bytes(out, join_bits(six + j));
	}
	for (; i < whole; i += 4)
	{
		int			six[4] = {decode_char(src[i]), decode_char(src[i + 1]),
		decode_char(src[i + 2]), decode_char(src[i + 3])};

		bad |= (six[0] | six[1] | six[2] | six[3]) >> 6;
		out = put_bytes(out, join_bits(six));
	}
	if (tail > 0)
		out = decode_tail(out, src + whole, tail, &bad);

	/* Only here does a branch depend on the text: on whether it is valid at all. */
	if (bad != 0)
		return JOSE_BAD_BASE64URL;
	*dst_length = (size_t) (out - dst);
	return JOSE_OK;
}
