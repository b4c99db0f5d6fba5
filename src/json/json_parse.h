/*-------------------------------------------------------------------------
 *
 * json_parse.h
 *	  Strict parsing of JSON objects that strangers sent.
 *
 * Bad input is a result and not an error, so that callers choose the SQLSTATE.
 * The functions then return NULL and set *reason to a static clause about the
 * text, such as "it is not valid UTF-8", which never contains input.  They
 * return a palloc'd jsonb otherwise and leave *reason alone.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_JSON_PARSE_H
#define ANON_AUTH_JSON_PARSE_H

#include "postgres.h"

#include "base/span.h"
#include "utils/jsonb.h"

/*
 * Parse length bytes of UTF-8 that must be one JSON object within the bounds of
 * base/limits.h.  A member name that appears twice in an object is
 * refused, as RFC 7515 section 4 allows and RFC 8725 section 3.1 recommends:
 * two programs could see different values.
 */
extern Jsonb *json_parse_object(const char *data, size_t length, const char **reason);

/* The same; on failure, *offset is the number of bytes before the mistake, or 0. */
extern Jsonb *json_parse_object_at(const char *data, size_t length, const char **reason,
								   int *offset);

/* The same for a part of a compact JWS, in base64url. */
extern Jsonb *json_parse_encoded_object(const Span *part, const char **reason);

/*
 * The same for the protected header of a token.  Recently parsed headers are
 * cached in this backend, because all tokens of one key have the same header.
 */
extern Jsonb *json_parse_header(const Span *part, const char **reason);

#endif							/* ANON_AUTH_JSON_PARSE_H */
