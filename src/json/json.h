/*-------------------------------------------------------------------------
 *
 * json.h
 *	  Reading JSON that a stranger sent, and writing JSON of our own.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_JSON_H
#define ANON_AUTH_JSON_H

#include "postgres.h"

#include "base/input_limits.h"
#include "base/uuid.h"
#include "jose/jose.h"
#include "lib/stringinfo.h"
#include "utils/jsonb.h"

/*
 * Parses UTF-8 bytes that must be one JSON object with unique member names
 * (RFC 7515, section 4; RFC 8725, section 3.1 asks for no less).  jsonb alone
 * would keep the last of two equal names.  Returns NULL and sets *reason on
 * bad input; does not throw for it and never quotes it.
 */
extern Jsonb *json_parse_object(const char *data, size_t length, const char **reason);

/* Same, telling how many bytes were read when it went wrong. */
extern Jsonb *json_parse_object_at(const char *data, size_t length, const char **reason,
								   int *offset);

/* Same for a part of a JWS, in base64url. */
extern Jsonb *json_parse_encoded_object(const Span *part, const char **reason);

/* Same for the header of one whose key signs many. */
extern Jsonb *json_parse_header(const Span *part, const char **reason);

/*
 * The JSON object in a configuration parameter; NULL where it is not set or
 * empty.  Raises an error with this SQLSTATE that names the parameter if its
 * value is not one, and in the second function if a member is neither a string
 * nor null.
 */
extern Jsonb *json_setting(const char *name, int sqlstate);
extern Jsonb *json_setting_of_strings(const char *name, int sqlstate);

/* Members of a jsonb object; absent and wrong type give false. */
extern JsonbValue *json_member(const Jsonb *object, const char *name);
extern bool json_string(const Jsonb *object, const char *name, Span *value);
extern char *json_cstring(const Jsonb *object, const char *name);	/* palloc'd or NULL */
extern bool json_string_equals(const Jsonb *object, const char *name, const char *value);
extern bool json_boolean(const Jsonb *object, const char *name);	/* true only */

/* RFC 7519 NumericDate in whole seconds; false when not a sane number. */
extern bool json_numeric_date(const Jsonb *object, const char *name, int64 *seconds);

/* Whether a string, or an array with such a string: "aud" (RFC 7519, 4.1.3). */
extern bool json_string_or_array_contains(const JsonbValue *value, const char *string);

extern Jsonb *json_container(const JsonbValue *value);	/* a nested object */

/* A JSON text under construction. */
extern void json_open(StringInfo json);
extern void json_close(StringInfo json);
extern void json_add_name(StringInfo json, const char *name);
extern void json_add_string(StringInfo json, const char *name, const char *value);
extern void json_add_integer(StringInfo json, const char *name, int64 value);
extern void json_add_boolean(StringInfo json, const char *name, bool value);
extern void json_add_uuid(StringInfo json, const char *name, const pg_uuid_t *value);
extern void json_add_raw(StringInfo json, const char *name, const char *value);

/* For JSON that we made ourselves. */
extern Jsonb *json_to_jsonb(const char *json);
extern char *jsonb_to_json(Jsonb *jsonb);

#endif							/* ANON_AUTH_JSON_H */
