/*-------------------------------------------------------------------------
 *
 * strict_cbor.c
 *	  Reading CBOR in the one form that authenticators may write.
 *
 * libcbor accepts more than this form.  Its callbacks tell the width of a number, and the
 * number of bytes that it has read tells the width of a length: both must be the
 * shortest.  A callback of something that is refused is left out, so that the item counts as
 * not read.
 *
 *-------------------------------------------------------------------------
 */
#include "webauthn/strict_cbor.h"

#include <cbor.h>
#include <string.h>
#include <unicode/utf8.h>

#include "base/limits.h"

/* What a callback has found. */
typedef struct Found
{
	StrictCborItem *item;
	bool		is_set;
} Found;

/* ---- callbacks ---- */

static void
set_number(void *context, StrictCborType type, uint64_t number)
{
	Found	   *found = context;

	found->item->type = type;
	found->item->number = number;
	found->is_set = true;
}

static void
set_bytes(void *context, StrictCborType type, cbor_data data, size_t length)
{
	Found	   *found = context;

	set_number(context, type, length);
	found->item->bytes = (Span) {(const char *) data, length};
}

#define NUMBER_CALLBACK(name, argument, type) \
	static void name(void *context, argument value) { set_number(context, type, value); }
#define BYTES_CALLBACK(name, type) \
	static void name(void *context, cbor_data data, size_t length) \
	{ set_bytes(context, type, data, length); }

NUMBER_CALLBACK(found_uint8, uint8_t, STRICT_CBOR_UNSIGNED)
NUMBER_CALLBACK(found_uint16, uint16_t, STRICT_CBOR_UNSIGNED)
NUMBER_CALLBACK(found_uint32, uint32_t, STRICT_CBOR_UNSIGNED)
NUMBER_CALLBACK(found_uint64, uint64_t, STRICT_CBOR_UNSIGNED)
NUMBER_CALLBACK(found_negint8, uint8_t, STRICT_CBOR_NEGATIVE)
NUMBER_CALLBACK(found_negint16, uint16_t, STRICT_CBOR_NEGATIVE)
NUMBER_CALLBACK(found_negint32, uint32_t, STRICT_CBOR_NEGATIVE)
NUMBER_CALLBACK(found_negint64, uint64_t, STRICT_CBOR_NEGATIVE)
NUMBER_CALLBACK(found_array, size_t, STRICT_CBOR_ARRAY)
NUMBER_CALLBACK(found_map, size_t, STRICT_CBOR_MAP)
NUMBER_CALLBACK(found_boolean, bool, STRICT_CBOR_SIMPLE)
BYTES_CALLBACK(found_bytes, STRICT_CBOR_BYTES)
BYTES_CALLBACK(found_text, STRICT_CBOR_TEXT)

static void
found_null(void *context)
{
	set_number(context, STRICT_CBOR_SIMPLE, 0);
}

/* libcbor calls every callback, so those of refused items do nothing. */
static void
refuse_item(void *context)
{
	(void) context;
}

static void
refuse_tag(void *context, uint64_t tag)
{
	(void) context;
	(void) tag;
}

static void
refuse_float(void *context, float number)
{
	(void) context;
	(void) number;
}

static void
refuse_double(void *context, double number)
{
	(void) context;
	(void) number;
}

static const struct cbor_callbacks callbacks = {
	.uint8 = found_uint8,
	.uint16 = found_uint16,
	.uint32 = found_uint32,
	.uint64 = found_uint64,
	.negint8 = found_negint8,
	.negint16 = found_negint16,
	.negint32 = found_negint32,
	.negint64 = found_negint64,
	.byte_string_start = refuse_item,
	.byte_string = found_bytes,
	.string = found_text,
	.string_start = refuse_item,
	.indef_array_start = refuse_item,
	.array_start = found_array,
	.indef_map_start = refuse_item,
	.map_start = found_map,
	.tag = refuse_tag,
	.float2 = refuse_float,
	.float4 = refuse_float,
	.float8 = refuse_double,
	.undefined = refuse_item,
	.null = found_null,
	.boolean = found_boolean,
	.indef_break = refuse_item
};

/* ---- checks ---- */

/* The bytes of the shortest head with this argument. */
static size_t
shortest_head(uint64_t argument)
{
	if (argument < 24)
		return 1;
	if (argument <= UINT8_MAX)
		return 2;
	if (argument <= UINT16_MAX)
		return 3;
	return argument <= UINT32_MAX ? 5 : 9;
}

static bool
is_utf8(Span text)
{
	size_t		i = 0;

	while (i < text.length)
	{
		UChar32		character;

		U8_NEXT(text.data, i, text.length, character);
		if (character < 0)
			return false;
	}
	return true;
}

bool
strict_cbor_read(StrictCborReader *reader, StrictCborItem *item)
{
	Found		found = {item, false};
	struct cbor_decoder_result result;

	memset(item, 0, sizeof(StrictCborItem));
	if (reader->left == 0)
		return false;
	result = cbor_stream_decode(reader->next, reader->left, &callbacks, &found);
	if (result.status != CBOR_DECODER_FINISHED || !found.is_set ||
		result.read != shortest_head(item->number) + item->bytes.length)
		return false;
	if (item->type == STRICT_CBOR_TEXT && !is_utf8(item->bytes))
		return false;
	reader->next += result.read;
	reader->left -= result.read;
	return true;
}

/* ---- maps, and everything in an item ---- */

/*
 * CTAP2 orders keys by major type, then by the length of their encoding, then by its bytes.
 */
static bool
comes_after(Span before, Span key)
{
	int			type = (uint8_t) key.data[0] >> 5;
	int			type_before = (uint8_t) before.data[0] >> 5;

	if (type != type_before)
		return type > type_before;
	if (key.length != before.length)
		return key.length > before.length;
	return memcmp(key.data, before.data, key.length) > 0;
}

bool
strict_cbor_read_key(StrictCborReader *reader, StrictCborKeys *keys, StrictCborItem *key)
{
	Span		encoded = {(const char *) reader->next, reader->left};

	if (!strict_cbor_read(reader, key) ||
		(key->type != STRICT_CBOR_UNSIGNED && key->type != STRICT_CBOR_NEGATIVE &&
		 key->type != STRICT_CBOR_TEXT))
		return false;
	encoded.length -= reader->left;
	if (keys->last.data != NULL && !comes_after(keys->last, encoded))
		return false;
	keys->last = encoded;
	return true;
}

/* depth is the number of levels that may still follow. */
static bool
skip_item(StrictCborReader *reader, int depth)
{
	StrictCborKeys keys = {{0}};
	StrictCborItem item;
	StrictCborItem key;
	uint64_t	i;

	if (!strict_cbor_read(reader, &item))
		return false;
	if (item.type != STRICT_CBOR_ARRAY && item.type != STRICT_CBOR_MAP)
		return true;
	if (depth == 0)
		return false;
	/* Each item has a byte at least, so a wrong number of them ends the loop. */
	for (i = 0; i < item.number; i++)
		if ((item.type == STRICT_CBOR_MAP && !strict_cbor_read_key(reader, &keys, &key)) ||
			!skip_item(reader, depth - 1))
			return false;
	return true;
}

bool
strict_cbor_skip(StrictCborReader *reader)
{
	return skip_item(reader, CBOR_MAX_DEPTH);
}
