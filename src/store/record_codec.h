/*-------------------------------------------------------------------------
 *
 * record_codec.h
 *	  Decoding result rows into records, and encoding records as parameters.
 *
 * Only statement.c and its helpers need this.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_RECORD_CODEC_H
#define ANON_AUTH_RECORD_CODEC_H

#include "postgres.h"

#include "access/tupdesc.h"
#include "store/record.h"

#define RECORD_MAX_COLUMNS	64

/* The attributes of a result row that a record's columns are in, in the record's order. */
typedef struct RecordMap
{
	int			count;
	AttrNumber	attributes[RECORD_MAX_COLUMNS];
} RecordMap;

/*
 * Find a record's columns among the attributes of a result by their names, passing
 * over those that are used already, and mark them as used.  Raises an internal
 * error if one is missing or of another type.
 */
extern void record_map_columns(const RecordType *type, TupleDesc desc, bool *used, RecordMap *map);

/* Copy a deformed row to a struct.  Values of variable length are palloc'd. */
extern void record_decode(const RecordType *type, const RecordMap *map, const Datum *values,
						  const bool *nulls, void *record);

/* The SQL type of a column, and a struct's value of it as a parameter. */
extern Oid	record_column_type(const RecordColumn *column);
extern Datum record_encode_text_list(const StringList *list);
extern Datum record_encode(const RecordColumn *column, const void *record, bool *is_null);

#endif							/* ANON_AUTH_RECORD_CODEC_H */
