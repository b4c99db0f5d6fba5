/*-------------------------------------------------------------------------
 *
 * uuid.h
 *	  UUIDs (RFC 9562): making version 7, writing and reading text.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_UUID_H
#define ANON_AUTH_UUID_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "utils/uuid.h"

/* Length of a UUID in text form, without a terminator. */
#define UUID_TEXT_LENGTH	36

/*
 * Return a new UUIDv7 for the time now.  The UUIDs of one backend are strictly
 * ascending, also within a microsecond, unless the clock was set back by more than a
 * second.
 */
extern pg_uuid_t uuid_new_v7(TimestampTz now);

/* Return the time of a UUIDv7, to the millisecond. */
extern TimestampTz uuid_v7_time(const pg_uuid_t *uuid);

/* Return the lowest UUIDv7 of the millisecond of a time. */
extern pg_uuid_t uuid_v7_first(TimestampTz time);

/* Write a UUID in lower-case hexadecimal with hyphens and a terminator. */
extern void uuid_to_text(const pg_uuid_t *uuid, char text[UUID_TEXT_LENGTH + 1]);

/*
 * Read a UUID in hexadecimal with hyphens, in either case.  Return false for any
 * other text; *uuid is then undefined.
 */
extern bool uuid_from_text(const char *text, size_t length, pg_uuid_t *uuid);

/* Return whether all bits are zero (RFC 9562, section 5.9). */
extern bool uuid_is_nil(const pg_uuid_t *uuid);

/* Return whether two UUIDs are the same. */
static inline bool
uuid_equals(const pg_uuid_t *a, const pg_uuid_t *b)
{
	return memcmp(a->data, b->data, UUID_LEN) == 0;
}

#endif							/* ANON_AUTH_UUID_H */
