/*-------------------------------------------------------------------------
 *
 * challenge_window.c
 *	  The challenges that a device key has used.
 *
 * A window is the floor (8 bytes) and then entries: the time of issue (8 bytes)
 * and the nonce, in ascending order of that time.  Numbers are big-endian.
 *
 *-------------------------------------------------------------------------
 */
#include "token/challenge_window.h"

#include <string.h>

static int64_t
get_time(const uint8_t *src)
{
	uint64_t	value = 0;
	int			i;

	for (i = 0; i < 8; i++)
		value = value << 8 | src[i];
	return (int64_t) value;
}

static void
put_time(uint8_t *dst, int64_t time)
{
	uint64_t	value = (uint64_t) time;
	int			i;

	for (i = 7; i >= 0; i--)
	{
		dst[i] = (uint8_t) value;
		value >>= 8;
	}
}

/* The number of entries issued at or before a time. */
static size_t
entries_up_to(const uint8_t *entries, size_t count, int64_t time)
{
	size_t		position = count;

	while (position > 0 &&
		   get_time(entries + (position - 1) * CHALLENGE_WINDOW_ENTRY) > time)
		position--;
	return position;
}

static bool
contains_challenge(const uint8_t *entries, size_t count, const Challenge *challenge)
{
	size_t		i;

	for (i = 0; i < count; i++)
	{
		const uint8_t *entry = entries + i * CHALLENGE_WINDOW_ENTRY;

		if (get_time(entry) == challenge->issued_at &&
			memcmp(entry + 8, challenge->nonce, CHALLENGE_NONCE_LENGTH) == 0)
			return true;
	}
	return false;
}

bool
challenge_window_accept(const uint8_t *window, size_t length, const Challenge *challenge,
						int64_t expired, uint8_t result[CHALLENGE_WINDOW_SIZE],
						size_t *result_length)
{
	/* Room for one entry more than a window holds. */
	uint8_t		entries[(CHALLENGE_WINDOW_ENTRIES + 1) * CHALLENGE_WINDOW_ENTRY];
	size_t		count = 0;
	size_t		drop;
	size_t		position;
	int64_t		floor = INT64_MIN;

	/* A window of an impossible length is damaged: accept no challenge. */
	if (length != 0)
	{
		if (length < 8 || length > CHALLENGE_WINDOW_SIZE ||
			(length - 8) % CHALLENGE_WINDOW_ENTRY != 0)
			return false;
		floor = get_time(window);
		count = (length - 8) / CHALLENGE_WINDOW_ENTRY;
		memcpy(entries, window + 8, length - 8);
	}
	if (challenge->issued_at <= floor || contains_challenge(entries, count, challenge))
		return false;

	position = entries_up_to(entries, count, challenge->issued_at);
	memmove(entries + (position + 1) * CHALLENGE_WINDOW_ENTRY,
			entries + position * CHALLENGE_WINDOW_ENTRY,
			(count - position) * CHALLENGE_WINDOW_ENTRY);
	put_time(entries + position * CHALLENGE_WINDOW_ENTRY, challenge->issued_at);
	memcpy(entries + position * CHALLENGE_WINDOW_ENTRY + 8, challenge->nonce,
		   CHALLENGE_NONCE_LENGTH);
	count++;

	drop = entries_up_to(entries, count, expired);
	if (count - drop > CHALLENGE_WINDOW_ENTRIES)
		drop = count - CHALLENGE_WINDOW_ENTRIES;

	/*
	 * The new floor refuses the challenges that leave the window, even if the
	 * clock is set back and they are no longer expired.
	 */
	if (drop > 0)
		floor = get_time(entries + (drop - 1) * CHALLENGE_WINDOW_ENTRY);
	put_time(result, floor);
	memcpy(result + 8, entries + drop * CHALLENGE_WINDOW_ENTRY,
		   (count - drop) * CHALLENGE_WINDOW_ENTRY);
	*result_length = 8 + (count - drop) * CHALLENGE_WINDOW_ENTRY;
	return true;
}
