/*-------------------------------------------------------------------------
 *
 * span.h
 *	  A range of bytes that somebody else owns.
 *
 * A span is valid as long as the memory it points into.  Plain C without
 * PostgreSQL: src/jose uses it, too.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_SPAN_H
#define ANON_AUTH_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* data is NULL if the value is absent.  There is no terminating NUL byte. */
typedef struct Span
{
	const char *data;
	size_t		length;
} Span;

/* The span of a NUL-terminated string, without its terminator. */
static inline Span
span_of_string(const char *string)
{
	return (Span) {string, strlen(string)};
}

/* True if the span is present and consists of exactly the bytes of string. */
static inline bool
span_equals(Span span, const char *string)
{
	size_t		length = strlen(string);

	return span.data != NULL && span.length == length &&
		memcmp(span.data, string, length) == 0;
}

#endif							/* ANON_AUTH_SPAN_H */
