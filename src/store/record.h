/*-------------------------------------------------------------------------
 *
 * record.h
 *	  Table rows as C structs, with their SQL and decoding, from one list.
 *
 * A table's header has the list and the struct:
 *
 *		#define CLIENT_COLUMNS(COLUMN) \
 *			COLUMN(TEXT, client_id) \
 *			COLUMN(INT4, access_token_lifetime_seconds)
 *
 *		typedef struct Client
 *		{
 *			CLIENT_COLUMNS(RECORD_FIELD)
 *		} Client;
 *
 * A file with statements on the table contains RECORD_TYPE(client, Client,
 * CLIENT_COLUMNS) once, which defines client_record.  The SQL text of a
 * statement names the record in braces; see statement.h.
 *
 * A third argument of COLUMN is an SQL expression that is read instead of a
 * column, as in COLUMN(BOOL, is_verified, "verified_at IS NOT NULL").
 *
 * A null value is decoded as 0, false, the nil UUID, NULL, or an empty list.
 * Encoding a struct does the reverse for pointers, TIMESTAMP and UUID_OR_NULL.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_RECORD_H
#define ANON_AUTH_RECORD_H

#include "postgres.h"

#include "base/string_list.h"
#include "utils/array.h"
#include "utils/inet.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#define SECRET_HASH_LENGTH	32	/* SHA-256 */

typedef enum FieldKind
{
	FIELD_BOOL,
	FIELD_INT4,
	FIELD_INT8,
	FIELD_FLOAT8,
	FIELD_OID,
	FIELD_TEXT,
	FIELD_ENUM,
	FIELD_UUID,
	FIELD_UUID_OR_NULL,
	FIELD_UUID_ARRAY,
	FIELD_TEXT_LIST,
	FIELD_TIMESTAMP,
	FIELD_TIMESTAMP_OR_NEVER,
	FIELD_INTERVAL,
	FIELD_INET,
	FIELD_JSONB,
	FIELD_BYTEA,
	FIELD_HASH
} FieldKind;

/* The texts of an enum's values.  The index is the value. */
typedef struct EnumNames
{
	int			count;
	const char *const *names;
} EnumNames;

static inline const char *
enum_name(const EnumNames *names, int value)
{
	Assert(value >= 0 && value < names->count);
	return names->names[value];
}

/*
 * The C declaration of each kind.  The header of an enum that is stored as text
 * defines a kind for it: RECORD_C_<KIND>, and RECORD_KIND_<KIND> as
 * RECORD_ENUM(names).
 */
#define RECORD_C_BOOL(name)			bool name
#define RECORD_C_INT4(name)			int32 name
#define RECORD_C_INT8(name)			int64 name
#define RECORD_C_FLOAT8(name)		double name
#define RECORD_C_OID(name)			Oid name
#define RECORD_C_TEXT(name)			char *name
#define RECORD_C_UUID(name)			pg_uuid_t name
#define RECORD_C_UUID_OR_NULL(name)	pg_uuid_t name	/* null: the nil UUID */
#define RECORD_C_UUID_ARRAY(name)	ArrayType *name
#define RECORD_C_TEXT_LIST(name)	StringList name
#define RECORD_C_TIMESTAMP(name)	TimestampTz name	/* null: 0 */
#define RECORD_C_TIMESTAMP_OR_NEVER(name)	TimestampTz name	/* null: DT_NOEND */
#define RECORD_C_INTERVAL(name)		Interval *name
#define RECORD_C_INET(name)			inet *name
#define RECORD_C_JSONB(name)		Jsonb *name
#define RECORD_C_BYTEA(name)		bytea *name
#define RECORD_C_HASH(name)			uint8 name[SECRET_HASH_LENGTH]

#define RECORD_KIND_BOOL			FIELD_BOOL, NULL
#define RECORD_KIND_INT4			FIELD_INT4, NULL
#define RECORD_KIND_INT8			FIELD_INT8, NULL
#define RECORD_KIND_FLOAT8			FIELD_FLOAT8, NULL
#define RECORD_KIND_OID				FIELD_OID, NULL
#define RECORD_KIND_TEXT			FIELD_TEXT, NULL
#define RECORD_KIND_UUID			FIELD_UUID, NULL
#define RECORD_KIND_UUID_OR_NULL	FIELD_UUID_OR_NULL, NULL
#define RECORD_KIND_UUID_ARRAY		FIELD_UUID_ARRAY, NULL
#define RECORD_KIND_TEXT_LIST		FIELD_TEXT_LIST, NULL
#define RECORD_KIND_TIMESTAMP		FIELD_TIMESTAMP, NULL
#define RECORD_KIND_TIMESTAMP_OR_NEVER	FIELD_TIMESTAMP_OR_NEVER, NULL
#define RECORD_KIND_INTERVAL		FIELD_INTERVAL, NULL
#define RECORD_KIND_INET			FIELD_INET, NULL
#define RECORD_KIND_JSONB			FIELD_JSONB, NULL
#define RECORD_KIND_BYTEA			FIELD_BYTEA, NULL
#define RECORD_KIND_HASH			FIELD_HASH, NULL
#define RECORD_ENUM(names)			FIELD_ENUM, &(names)

typedef struct RecordColumn
{
	const char *name;
	const char *expression;		/* "" for the column itself */
	FieldKind	kind;
	const EnumNames *names;		/* of FIELD_ENUM */
	size_t		offset;
} RecordColumn;

typedef struct RecordType
{
	const char *name;
	size_t		size;
	const RecordColumn *(*columns) (int *count);
} RecordType;

#define RECORD_FIELD(kind, name, ...)	RECORD_C_##kind(name);

#define RECORD_COLUMN(kind, name, ...) \
	{#name, "" __VA_ARGS__, RECORD_KIND_##kind, offsetof(RecordStruct, name)},

/*
 * The columns are in a function because offsetof() needs the struct: the typedef in it
 * gives RECORD_COLUMN a fixed name.
 */
#define RECORD_TYPE(record, Struct, COLUMNS) \
	static const RecordColumn * \
	record##_columns(int *count) \
	{ \
		typedef Struct RecordStruct; \
		static const RecordColumn columns[] = {COLUMNS(RECORD_COLUMN)}; \
		*count = lengthof(columns); \
		return columns; \
	} \
	static const RecordType record##_record = {#record, sizeof(Struct), record##_columns}

#endif							/* ANON_AUTH_RECORD_H */
