/*-------------------------------------------------------------------------
 *
 * json_write.h
 *	  Building JSON text member by member.
 *
 * Start with json_open(), add members, and end with json_close().  An array of objects
 * starts with json_open_array() and ends with json_close_array(); between them, each
 * json_open() begins another object.  Commas are written as needed.  Names are not
 * escaped: they are ours, and plain ASCII.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_JSON_WRITE_H
#define ANON_AUTH_JSON_WRITE_H

#include "postgres.h"

#include "base/string_list.h"
#include "lib/stringinfo.h"
#include "utils/jsonb.h"
#include "utils/uuid.h"

extern void json_open(StringInfo json);
extern void json_close(StringInfo json);
extern void json_open_array(StringInfo json);
extern void json_close_array(StringInfo json);

/* The name and the colon of a member.  The caller appends its value. */
extern void json_add_name(StringInfo json, const char *name);

/*
 * A value must not be NULL: leave the member out, or write null with json_add_raw().  A NULL is
 * an error of the server (XX000).
 */
extern void json_add_string(StringInfo json, const char *name, const char *value);
extern void json_add_integer(StringInfo json, const char *name, int64 value);
extern void json_add_boolean(StringInfo json, const char *name, bool value);
extern void json_add_strings(StringInfo json, const char *name, const StringList *values);
extern void json_add_uuid(StringInfo json, const char *name, const pg_uuid_t *value);

/* value is JSON text of our own. */
extern void json_add_raw(StringInfo json, const char *name, const char *value);

/* Append a string in quotes, such as an item of an array or a name that is not ours. */
extern void json_append_string(StringInfo json, const char *value);

/* Convert JSON text of our own to jsonb, and jsonb to text; both are palloc'd. */
extern Jsonb *json_to_jsonb(const char *json);
extern char *json_from_jsonb(Jsonb *jsonb);

/*
 * Return whether the text of a jsonb has more than length bytes.  Does not make the text of
 * a jsonb that is much longer: 1e100000 is short as jsonb, and has 100001 digits as text.
 */
extern bool json_text_is_longer(Jsonb *jsonb, size_t length);

#endif							/* ANON_AUTH_JSON_WRITE_H */
