/*-------------------------------------------------------------------------
 *
 * strict_cbor.h
 *	  Reading CBOR in the one form that authenticators may write.
 *
 * That form is CTAP2's canonical CBOR: definite lengths, numbers and lengths in their
 * shortest encoding, no tags, map keys in ascending order without duplicates, and few
 * levels.  Floating-point numbers and undefined are refused, because nothing that is read
 * has them.  So bytes have one meaning, and no two programs read them differently.
 *
 * libcbor decodes item by item and allocates nothing.  Plain C without PostgreSQL, as
 * src/jose.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_STRICT_CBOR_H
#define ANON_AUTH_STRICT_CBOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"

typedef enum StrictCborType
{
	STRICT_CBOR_UNSIGNED,		/* number */
	STRICT_CBOR_NEGATIVE,		/* the value is -1 - number */
	STRICT_CBOR_BYTES,			/* bytes */
	STRICT_CBOR_TEXT,			/* bytes, valid UTF-8 */
	STRICT_CBOR_ARRAY,			/* number of items that follow */
	STRICT_CBOR_MAP,			/* number of pairs that follow */
	STRICT_CBOR_SIMPLE			/* false, true or null */
} StrictCborType;

typedef struct StrictCborItem
{
	StrictCborType type;
	uint64_t	number;
	Span		bytes;
} StrictCborItem;

/* The rest of a text.  A function that returns false leaves it in an undefined state. */
typedef struct StrictCborReader
{
	const uint8_t *next;
	size_t		left;
} StrictCborReader;

/*
 * Read an item.  Of an array or a map, only the head is read: its items follow.  Returns
 * false if the text is not in the strict form.
 */
extern bool strict_cbor_read(StrictCborReader *reader, StrictCborItem *item);

/* Read an item with everything in it, and check all of it. */
extern bool strict_cbor_skip(StrictCborReader *reader);

/*
 * The keys of a map, while it is read.  Begin with a zeroed struct for each map, and call
 * strict_cbor_read_key() instead of strict_cbor_read() for each key.  It returns false if
 * the key does not come after the key before it.  Keys are numbers or text.
 */
typedef struct StrictCborKeys
{
	Span		last;			/* the encoded key before */
} StrictCborKeys;

extern bool strict_cbor_read_key(StrictCborReader *reader, StrictCborKeys *keys,
								 StrictCborItem *key);

#endif							/* ANON_AUTH_STRICT_CBOR_H */
