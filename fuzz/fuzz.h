/*-------------------------------------------------------------------------
 *
 * fuzz.h
 *	  Shared by the fuzz targets: checking a property, and reading numbers and
 *	  spans from the fuzzer's bytes.
 *
 * Each file fuzz_*.c is one libFuzzer target (see script/fuzz).  In addition
 * to the checks of the sanitizers, a target aborts if a property does not hold.
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

/* libFuzzer's entry points; a target need not have the second one. */
extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
extern int	LLVMFuzzerInitialize(int *argc, char ***argv);

/* Abort unless the property holds. */
#define MUST(condition) \
	do { \
		if (!(condition)) \
		{ \
			fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition); \
			abort(); \
		} \
	} while (0)

/* The bytes that have not been read.  Reads past the end return zeroes. */
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

/* Copy at most length bytes, and fill the rest with zeroes. */
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
