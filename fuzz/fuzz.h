/*-------------------------------------------------------------------------
 *
 * fuzz.h
 *	  What the fuzz targets share: a property that must hold, and reading
 *	  numbers and spans from the fuzzer's bytes.
 *
 * Each file fuzz_*.c is one libFuzzer target (see script/fuzz).  Besides what
 * the sanitizers find, a target aborts when a property does not hold.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_FUZZ_H
#define ANON_AUTH_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jose/jose.h"

/* libFuzzer's entry point. */
extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A property, in the words of what it means. */
#define MUST(condition) \
	do { \
		if (!(condition)) \
		{ \
			fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition); \
			abort(); \
		} \
	} while (0)

/* Bytes not yet read; after the last, zeroes. */
typedef struct FuzzInput
{
	const uint8_t *data;
	size_t		length;
} FuzzInput;

static inline uint8_t
fuzz_byte(FuzzInput *input)
{
	if (input->length == 0)
		return 0;
	input->length--;
	return *input->data++;
}

static inline uint16_t
fuzz_short(FuzzInput *input)
{
	uint16_t	high = fuzz_byte(input);

	return (uint16_t) (high << 8 | fuzz_byte(input));
}

/* Copies what is there, at most length bytes, and fills up with zeroes. */
static inline void
fuzz_bytes(FuzzInput *input, uint8_t *bytes, size_t length)
{
	size_t		taken = length < input->length ? length : input->length;

	memset(bytes, 0, length);
	if (taken > 0)
		memcpy(bytes, input->data, taken);
	input->data += taken;
	input->length -= taken;
}

static inline Span
fuzz_span(const char *text)
{
	return (Span) {text, strlen(text)};
}

#endif							/* ANON_AUTH_FUZZ_H */
