/*-------------------------------------------------------------------------
 *
 * span.h
 *	  A span of bytes that belong to somebody else.
 *
 * Plain C without PostgreSQL: src/jose uses it, too.
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

/* True if the span is present and consists of exactly the bytes of string. */
static inline bool
span_equals(Span span, const char *string)
{
	size_t		length = strlen(string);

	return span.data != NULL && span.length == length &&
		memcmp(span.data, string, length) == 0;
}

#endif							/* ANON_AUTH_SPAN_H */
