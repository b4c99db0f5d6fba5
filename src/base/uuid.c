/*-------------------------------------------------------------------------
 *
 * uuid.c
 *	  UUIDs (RFC 9562): making version 7, writing and reading text.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sodium.h>

#include "base/uuid.h"
#include "utils/timestamp.h"

/*
 * RFC 9562 section 5.7: 48 bits of Unix milliseconds, then random bits.  The 12 bits
 * after the milliseconds have the fraction of the millisecond (section 6.2, method
 * 3).  "now" can be the same for all calls of a transaction, so each UUID is made
 * later than the one before in this backend, unless the clock was set back by more than a second.
 */
pg_uuid_t
uuid_new_v7(TimestampTz now)
{
	static uint64 last = 0;
	pg_uuid_t	uuid;
	int64		usecs = now + (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY;
	uint64		stamp = (uint64) (usecs / 1000) << 12 | (uint64) (usecs % 1000) * 4096 / 1000;
	int			i;

	if (stamp <= last && last - stamp < 1000 << 12)
		stamp = last + 1;
	last = stamp;

	randombytes_buf(uuid.data + 8, UUID_LEN - 8);
	for (i = 0; i < 6; i++)
		uuid.data[i] = (unsigned char) (stamp >> (52 - 8 * i));
	uuid.data[6] = 0x70 | ((stamp >> 8) & 0x0F);
	uuid.data[7] = stamp & 0xFF;
	uuid.data[8] = (uuid.data[8] & 0x3F) | 0x80;
	return uuid;
}

TimestampTz
uuid_v7_time(const pg_uuid_t *uuid)
{
	int64		msecs = 0;
	int			i;

	for (i = 0; i < 6; i++)
		msecs = msecs << 8 | uuid->data[i];
	return msecs * 1000 - (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY;
}

pg_uuid_t
uuid_v7_first(TimestampTz time)
{
	pg_uuid_t	uuid = {{0}};
	int64		msecs = (time + (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY) / 1000;
	int			i;

	for (i = 5; i >= 0; i--, msecs >>= 8)
		uuid.data[i] = msecs & 0xFF;
	uuid.data[6] = 0x70;
	uuid.data[8] = 0x80;
	return uuid;
}

void
uuid_to_text(const pg_uuid_t *uuid, char text[UUID_TEXT_LENGTH + 1])
{
	static const char digits[] = "0123456789abcdef";
	char	   *out = text;
	int			i;

	for (i = 0; i < UUID_LEN; i++)
	{
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*out++ = '-';
		*out++ = digits[uuid->data[i] >> 4];
		*out++ = digits[uuid->data[i] & 0x0F];
	}
	*out = '\0';
}

bool
uuid_from_text(const char *text, size_t length, pg_uuid_t *uuid)
{
	size_t		position = 0;
	int			i;

	if (length != UUID_TEXT_LENGTH)
		return false;
	for (i = 0; i < UUID_LEN; i++)
	{
		int			nibble;
		unsigned char byte = 0;

		if (i == 4 || i == 6 || i == 8 || i == 10)
		{
			if (text[position++] != '-')
				return false;
		}
		for (nibble = 0; nibble < 2; nibble++)
		{
			char		c = text[position++];

			byte <<= 4;
			if (c >= '0' && c <= '9')
				byte |= c - '0';
			else if (c >= 'a' && c <= 'f')
				byte |= c - 'a' + 10;
			else if (c >= 'A' && c <= 'F')
				byte |= c - 'A' + 10;
			else
				return false;
		}
		uuid->data[i] = byte;
	}
	return true;
}

bool
uuid_is_nil(const pg_uuid_t *uuid)
{
	static const pg_uuid_t nil;

	return uuid_equals(uuid, &nil);
}
