/*-------------------------------------------------------------------------
 *
 * param.c
 *	  Making parameters of SQL statements.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "store/param.h"
#include "store/record_codec.h"
#include "utils/builtins.h"

/* A value that is passed by value. */
static NamedParam
make_param(const char *name, Oid type, Datum value)
{
	NamedParam		param = {.name = name,.type = type,.value = value};

	return param;
}

/* A pointer that is passed as it is, or as the SQL value NULL. */
static NamedParam
make_pointer_param(const char *name, Oid type, const void *pointer)
{
	NamedParam		param = make_param(name, type, PointerGetDatum(pointer));

	param.is_null = pointer == NULL;
	return param;
}

NamedParam
param_bool(const char *name, bool value)
{
	return make_param(name, BOOLOID, BoolGetDatum(value));
}

NamedParam
param_int4(const char *name, int32 value)
{
	return make_param(name, INT4OID, Int32GetDatum(value));
}

NamedParam
param_int8(const char *name, int64 value)
{
	return make_param(name, INT8OID, Int64GetDatum(value));
}

NamedParam
param_oid(const char *name, Oid value)
{
	return make_param(name, OIDOID, ObjectIdGetDatum(value));
}

NamedParam
param_text(const char *name, const char *value)
{
	return make_pointer_param(name, TEXTOID, value == NULL ? NULL : cstring_to_text(value));
}

NamedParam
param_text_list(const char *name, const StringList *value)
{
	return make_pointer_param(name, TEXTARRAYOID, value->count == 0 ? NULL :
							  DatumGetPointer(record_encode_text_list(value)));
}

NamedParam
param_uuid(const char *name, const pg_uuid_t *value)
{
	return make_pointer_param(name, UUIDOID, value);
}

NamedParam
param_uuids(const char *name, ArrayType *value)
{
	return make_pointer_param(name, UUIDARRAYOID, value);
}

NamedParam
param_timestamp(const char *name, TimestampTz value)
{
	return make_param(name, TIMESTAMPTZOID, TimestampTzGetDatum(value));
}

NamedParam
param_inet(const char *name, inet *value)
{
	return make_pointer_param(name, INETOID, value);
}

NamedParam
param_jsonb(const char *name, Jsonb *value)
{
	return make_pointer_param(name, JSONBOID, value);
}

NamedParam
param_bytea(const char *name, bytea *value)
{
	return make_pointer_param(name, BYTEAOID, value);
}

NamedParam
param_hash(const char *name, const uint8 value[SECRET_HASH_LENGTH])
{
	bytea	   *bytes = palloc(VARHDRSZ + SECRET_HASH_LENGTH);

	SET_VARSIZE(bytes, VARHDRSZ + SECRET_HASH_LENGTH);
	memcpy(VARDATA(bytes), value, SECRET_HASH_LENGTH);
	return make_pointer_param(name, BYTEAOID, bytes);
}

/* The type is that of each column; InvalidOid tells that there is more than one. */
NamedParam
param_record(const RecordType *type, const void *record)
{
	NamedParam		param = make_pointer_param(type->name, InvalidOid, record);

	param.record = type;
	return param;
}
