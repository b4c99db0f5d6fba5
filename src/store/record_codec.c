/*-------------------------------------------------------------------------
 *
 * record_codec.c
 *	  Decoding and encoding the columns of a record.
 *
 * Names are compared when a statement is prepared.  A row is decoded by the map
 * that results, so that the names cost nothing at run time.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/uuid.h"
#include "catalog/pg_type.h"
#include "store/record_codec.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

/* The SQL type of each kind, of which a column can be a domain.  Enums are text, hashes are bytea. */
static const Oid kind_types[] = {
	[FIELD_BOOL] = BOOLOID,
	[FIELD_INT4] = INT4OID,
	[FIELD_INT8] = INT8OID,
	[FIELD_FLOAT8] = FLOAT8OID,
	[FIELD_OID] = OIDOID,
	[FIELD_TEXT] = TEXTOID,
	[FIELD_ENUM] = TEXTOID,
	[FIELD_UUID] = UUIDOID,
	[FIELD_UUID_OR_NULL] = UUIDOID,
	[FIELD_UUID_ARRAY] = UUIDARRAYOID,
	[FIELD_TEXT_LIST] = TEXTARRAYOID,
	[FIELD_TIMESTAMP] = TIMESTAMPTZOID,
	[FIELD_TIMESTAMP_OR_NEVER] = TIMESTAMPTZOID,
	[FIELD_INTERVAL] = INTERVALOID,
	[FIELD_INET] = INETOID,
	[FIELD_JSONB] = JSONBOID,
	[FIELD_BYTEA] = BYTEAOID,
	[FIELD_HASH] = BYTEAOID
};

Oid
record_column_type(const RecordColumn *column)
{
	return kind_types[column->kind];
}

/*
 * Two records of a join may have columns of the same name.  The statement lists
 * the first record's columns first, so the first unused one is the right one.
 */
static AttrNumber
find_unused_attribute(const RecordColumn *column, TupleDesc desc, const bool *used)
{
	int			i;

	for (i = 0; i < desc->natts; i++)
		if (!used[i] && strcmp(NameStr(TupleDescAttr(desc, i)->attname), column->name) == 0)
			return i + 1;
	/* The statement's text and the record's list disagree. */
	elog(ERROR, "a statement of anon_auth returns no column \"%s\"", column->name);
	pg_unreachable();
}

void
record_map_columns(const RecordType *type, TupleDesc desc, bool *used, RecordMap *map)
{
	const RecordColumn *columns = type->columns(&map->count);
	int			i;

	Assert(map->count <= RECORD_MAX_COLUMNS);
	for (i = 0; i < map->count; i++)
	{
		AttrNumber	attribute = find_unused_attribute(&columns[i], desc, used);

		if (getBaseType(TupleDescAttr(desc, attribute - 1)->atttypid) !=
			record_column_type(&columns[i]))
			elog(ERROR, "column \"%s\" of record \"%s\" has a wrong type", columns[i].name,
				 type->name);
		map->attributes[i] = attribute;
		used[attribute - 1] = true;
	}
}

/* A text that the enum does not have was written by a later version, or by hand. */
static int
decode_enum(const RecordColumn *column, Datum value)
{
	char	   *word = TextDatumGetCString(value);
	int			i;

	for (i = 0; i < column->names->count; i++)
		if (strcmp(column->names->names[i], word) == 0)
			return i;
	elog(ERROR, "column \"%s\" has the unknown value \"%s\"", column->name, word);
	pg_unreachable();
}

/* Callers compare the whole hash, so another length must not pass as one. */
static void
decode_hash(const RecordColumn *column, Datum value, uint8 hash[SECRET_HASH_LENGTH])
{
	bytea	   *bytes = DatumGetByteaPP(value);

	if (VARSIZE_ANY_EXHDR(bytes) != SECRET_HASH_LENGTH)
		elog(ERROR, "column \"%s\" has a wrong length", column->name);
	memcpy(hash, VARDATA_ANY(bytes), SECRET_HASH_LENGTH);
}

/* NULL elements would be an error here; the constraints of the columns exclude them. */
static void
decode_text_list(Datum value, StringList *list)
{
	Datum	   *items;
	int			i;

	deconstruct_array(DatumGetArrayTypeP(value), TEXTOID, -1, false, TYPALIGN_INT, &items, NULL,
					  &list->count);
	list->items = palloc(sizeof(char *) * Max(list->count, 1));
	for (i = 0; i < list->count; i++)
		list->items[i] = TextDatumGetCString(items[i]);
}

/* The value is not null.  It belongs to the result and is copied. */
static void
decode_value(const RecordColumn *column, Datum value, void *field)
{
	switch (column->kind)
	{
		case FIELD_BOOL:
			*(bool *) field = DatumGetBool(value);
			break;
		case FIELD_INT4:
			*(int32 *) field = DatumGetInt32(value);
			break;
		case FIELD_INT8:
			*(int64 *) field = DatumGetInt64(value);
			break;
		case FIELD_FLOAT8:
			*(double *) field = DatumGetFloat8(value);
			break;
		case FIELD_OID:
			*(Oid *) field = DatumGetObjectId(value);
			break;
		case FIELD_TEXT:
			*(char **) field = TextDatumGetCString(value);
			break;
		case FIELD_ENUM:
			*(int *) field = decode_enum(column, value);
			break;
		case FIELD_UUID:
		case FIELD_UUID_OR_NULL:
			*(pg_uuid_t *) field = *DatumGetUUIDP(value);
			break;
		case FIELD_UUID_ARRAY:
			*(ArrayType **) field = DatumGetArrayTypePCopy(value);
			break;
		case FIELD_TEXT_LIST:
			decode_text_list(value, field);
			break;
		case FIELD_TIMESTAMP:
		case FIELD_TIMESTAMP_OR_NEVER:
			*(TimestampTz *) field = DatumGetTimestampTz(value);
			break;
		case FIELD_INTERVAL:
			*(Interval **) field = memcpy(palloc(sizeof(Interval)), DatumGetIntervalP(value),
										  sizeof(Interval));
			break;
		case FIELD_INET:
			*(inet **) field = (inet *) PG_DETOAST_DATUM_COPY(value);
			break;
		case FIELD_JSONB:
			*(Jsonb **) field = DatumGetJsonbPCopy(value);
			break;
		case FIELD_BYTEA:
			*(bytea **) field = DatumGetByteaPCopy(value);
			break;
		case FIELD_HASH:
			decode_hash(column, value, field);
			break;
	}
}

/*
 * The struct is zeroed first: padding is then equal for equal rows, and a record that
 * covers a part of a struct leaves the other fields zero.
 */
void
record_decode(const RecordType *type, const RecordMap *map, const Datum *values, const bool *nulls,
			  void *record)
{
	int			count;
	const RecordColumn *columns = type->columns(&count);
	int			i;

	memset(record, 0, type->size);
	for (i = 0; i < count; i++)
	{
		int			attribute = map->attributes[i] - 1;
		void	   *field = (char *) record + columns[i].offset;

		if (!nulls[attribute])
			decode_value(&columns[i], values[attribute], field);
		else if (columns[i].kind == FIELD_TIMESTAMP_OR_NEVER)
			*(TimestampTz *) field = DT_NOEND;
		else if (columns[i].kind == FIELD_HASH)
			/* All zeros would be a hash that looks valid. */
			elog(ERROR, "column \"%s\" is null", columns[i].name);
	}
}

Datum
record_encode_text_list(const StringList *list)
{
	Datum	   *items = palloc(sizeof(Datum) * Max(list->count, 1));
	int			i;

	for (i = 0; i < list->count; i++)
		items[i] = CStringGetTextDatum(list->items[i]);
	return PointerGetDatum(construct_array(items, list->count, TEXTOID, -1, false, TYPALIGN_INT));
}

static Datum
encode_hash(const uint8 *hash)
{
	bytea	   *bytes = palloc(VARHDRSZ + SECRET_HASH_LENGTH);

	SET_VARSIZE(bytes, VARHDRSZ + SECRET_HASH_LENGTH);
	memcpy(VARDATA(bytes), hash, SECRET_HASH_LENGTH);
	return PointerGetDatum(bytes);
}

/* Pointers are passed as they are: the struct outlives the statement. */
Datum
record_encode(const RecordColumn *column, const void *record, bool *is_null)
{
	const void *field = (const char *) record + column->offset;

	*is_null = false;
	switch (column->kind)
	{
		case FIELD_BOOL:
			return BoolGetDatum(*(const bool *) field);
		case FIELD_INT4:
			return Int32GetDatum(*(const int32 *) field);
		case FIELD_INT8:
			return Int64GetDatum(*(const int64 *) field);
		case FIELD_FLOAT8:
			return Float8GetDatum(*(const double *) field);
		case FIELD_OID:
			return ObjectIdGetDatum(*(const Oid *) field);
		case FIELD_ENUM:
			return CStringGetTextDatum(enum_name(column->names, *(const int *) field));
		case FIELD_UUID:
			return UUIDPGetDatum((const pg_uuid_t *) field);
		case FIELD_UUID_OR_NULL:
			*is_null = uuid_is_nil(field);
			return UUIDPGetDatum((const pg_uuid_t *) field);
		case FIELD_HASH:
			return encode_hash(field);
		case FIELD_TEXT_LIST:
			*is_null = ((const StringList *) field)->items == NULL;
			return *is_null ? (Datum) 0 : record_encode_text_list(field);
		case FIELD_TIMESTAMP:
			*is_null = *(const TimestampTz *) field == 0;
			return TimestampTzGetDatum(*(const TimestampTz *) field);
		case FIELD_TIMESTAMP_OR_NEVER:
			*is_null = *(const TimestampTz *) field == DT_NOEND;
			return TimestampTzGetDatum(*(const TimestampTz *) field);
		case FIELD_TEXT:
			*is_null = *(char *const *) field == NULL;
			return *is_null ? (Datum) 0 : CStringGetTextDatum(*(char *const *) field);
		case FIELD_UUID_ARRAY:
		case FIELD_INTERVAL:
		case FIELD_INET:
		case FIELD_JSONB:
		case FIELD_BYTEA:
			*is_null = *(void *const *) field == NULL;
			return PointerGetDatum(*(void *const *) field);
	}
	pg_unreachable();
}
