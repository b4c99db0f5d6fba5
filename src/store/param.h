/*-------------------------------------------------------------------------
 *
 * param.h
 *	  Parameters of SQL statements: a name, a type and a value each.
 *
 * PARAMS(param_uuid("user_id", id), param_text("client_id", client_id)) gives
 * :user_id and :client_id their values.  A NULL pointer is the SQL value NULL.
 * Values are not copied, except for text and hashes.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_PARAM_H
#define ANON_AUTH_PARAM_H

#include "postgres.h"

#include "store/record.h"
#include "utils/inet.h"

typedef struct NamedParam
{
	const char *name;			/* NULL ends a list */
	Oid			type;
	bool		is_null;
	Datum		value;
	const RecordType *record;	/* of param_record(), else NULL */
} NamedParam;

/* A list, for as long as the enclosing block runs; NO_PARAMS is the empty one. */
#define PARAMS(...)	((const NamedParam[]) {__VA_ARGS__, {.name = NULL}})
#define NO_PARAMS	NULL

extern NamedParam param_bool(const char *name, bool value);
extern NamedParam param_int4(const char *name, int32 value);
extern NamedParam param_int8(const char *name, int64 value);
extern NamedParam param_oid(const char *name, Oid value);
extern NamedParam param_text(const char *name, const char *value);
/* An empty list is NULL. */
extern NamedParam param_text_list(const char *name, const StringList *value);
extern NamedParam param_uuid(const char *name, const pg_uuid_t *value);
extern NamedParam param_uuids(const char *name, ArrayType *value);
extern NamedParam param_timestamp(const char *name, TimestampTz value);
extern NamedParam param_inet(const char *name, inet *value);
extern NamedParam param_jsonb(const char *name, Jsonb *value);
extern NamedParam param_bytea(const char *name, bytea *value);
extern NamedParam param_hash(const char *name, const uint8 value[SECRET_HASH_LENGTH]);

/* Every column of a struct, by the column's name. */
extern NamedParam param_record(const RecordType *type, const void *record);

#endif							/* ANON_AUTH_PARAM_H */
