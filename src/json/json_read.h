/*-------------------------------------------------------------------------
 *
 * json_read.h
 *	  Reading members of JSON objects.
 *
 * A member that is absent and a member of another type give the same result.
 * Callers that must tell the two apart look at json_member() first.  Spans point
 * into the object.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_JSON_READ_H
#define ANON_AUTH_JSON_READ_H

#include "postgres.h"

#include "base/span.h"
#include "utils/jsonb.h"
#include "utils/uuid.h"

/* The value of a member, or NULL if it is absent. */
extern JsonbValue *json_member(const Jsonb *object, const char *name);

/* Set *value and return true if the member is a string. */
extern bool json_string(const Jsonb *object, const char *name, Span *value);

/* The string as a palloc'd C string, or NULL if the member is no string. */
extern char *json_cstring(const Jsonb *object, const char *name);

/* Set *value and return true if the member is a string that is a UUID. */
extern bool json_uuid(const Jsonb *object, const char *name, pg_uuid_t *value);

/* True if the member is a string and equals value. */
extern bool json_string_equals(const Jsonb *object, const char *name, const char *value);

/* True if the member is the JSON value true. */
extern bool json_boolean(const Jsonb *object, const char *name);

/*
 * Read a NumericDate (RFC 7519 section 2), rounded down to whole seconds since
 * 1970.  False if the member is no number from 0 to 10^12.
 */
extern bool json_numeric_date(const Jsonb *object, const char *name, int64 *seconds);

/*
 * True if a value is the string, or an array that contains it, as "aud" can be
 * (RFC 7519 section 4.1.3).  False for NULL.
 */
extern bool json_string_or_array_contains(const JsonbValue *value, const char *string);

/* A palloc'd copy of a nested object, or NULL if the value is NULL or none. */
extern Jsonb *json_container(const JsonbValue *value);

#endif							/* ANON_AUTH_JSON_READ_H */
