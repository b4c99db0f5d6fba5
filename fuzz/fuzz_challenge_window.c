/*-------------------------------------------------------------------------
 *
 * fuzz_challenge_window.c
 *	  The input is a history: challenges that a device uses, and time passing;
 *	  or the bytes of a damaged window.
 *
 * Properties: no challenge is accepted twice, whatever happens in between; a new
 * challenge that is younger than all dropped ones is accepted; a window keeps its
 * maximum size and is sorted by time.
 *
 *-------------------------------------------------------------------------
 */
#include "fuzz.h"
#include "token/challenge_window.h"

#define MAX_STEPS	512

static int64_t
time_at(const uint8_t *bytes)
{
	uint64_t	value = 0;
	int			i;

	for (i = 0; i < 8; i++)
		value = value << 8 | bytes[i];
	return (int64_t) value;
}

static void
check_shape(const uint8_t *window, size_t length)
{
	size_t		i;

	MUST(length >= 8 + CHALLENGE_WINDOW_ENTRY && length <= CHALLENGE_WINDOW_SIZE);
	MUST((length - 8) % CHALLENGE_WINDOW_ENTRY == 0);
	for (i = 8 + CHALLENGE_WINDOW_ENTRY; i < length; i += CHALLENGE_WINDOW_ENTRY)
		MUST(time_at(window + i - CHALLENGE_WINDOW_ENTRY) <= time_at(window + i));
	MUST(time_at(window) <= time_at(window + 8));
}

static void
any_window(FuzzInput *input)
{
	Challenge	challenge = {1, 0, {0}};
	uint8_t		result[CHALLENGE_WINDOW_SIZE];
	size_t		length;

	fuzz_bytes(input, (uint8_t *) &challenge.issued_at, 8);
	challenge.nonce[0] = fuzz_byte(input);
	if (challenge_window_accept(input->data, input->length, &challenge, 0, result, &length))
		MUST(length >= 8 && length <= CHALLENGE_WINDOW_SIZE);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	FuzzInput	input = {data, size};
	static Challenge accepted[MAX_STEPS];
	int			count = 0;
	uint8_t		window[CHALLENGE_WINDOW_SIZE];
	uint8_t		result[CHALLENGE_WINDOW_SIZE];
	size_t		length = 0;
	int64_t		now = 1000;
	int			step;

	if (fuzz_byte(&input) & 1)
	{
		any_window(&input);
		return 0;
	}
	for (step = 0; input.length > 0 && step < MAX_STEPS; step++)
	{
		Challenge	challenge = {1, 0, {0}};
		size_t		result_length = 0;
		bool		used = false;
		bool		taken;
		int			i;

		now += fuzz_byte(&input) % 4;
		challenge.issued_at = now - fuzz_byte(&input) % 64;
		challenge.nonce[15] = fuzz_byte(&input);
		for (i = 0; i < count; i++)
			used |= memcmp(&accepted[i].nonce, challenge.nonce, CHALLENGE_NONCE_LENGTH) == 0 &&
				accepted[i].issued_at == challenge.issued_at;

		taken = challenge_window_accept(window, length, &challenge, now - 32, result, &result_length);
		if (used)
			MUST(!taken);
		else
			MUST(taken == (length == 0 || challenge.issued_at > time_at(window)));
		if (!taken)
			continue;

		/* The only challenge may have been too old to be kept. */
		if (result_length > 8)
			check_shape(result, result_length);
		if (length > 0)
			MUST(time_at(result) >= time_at(window));
		accepted[count++] = challenge;
		memcpy(window, result, result_length);
		length = result_length;
	}
	return 0;
}
