/*-------------------------------------------------------------------------
 *
 * statement_text.c
 *	  Translating the names in a statement's text.
 *
 * This runs once for each statement in a backend.  The texts are constants of the
 * extension.  So the scanner recognizes string literals, quoted names and casts, but
 * not the rest of SQL's lexical rules, such as comments and dollar quotes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "store/statement_text.h"

/* A translation in progress. */
typedef struct Translation
{
	const char *sql;			/* for messages */
	const RecordType *row;
	const RecordType *joined;
	const NamedParam *params;
	uint64		used;			/* bit i: the text names params[i]; statement.c allows 16 */
	StringInfoData text;
} Translation;

/* Names consist of lower-case letters, digits and underscores. */
static bool
is_name_start(char c)
{
	return (c >= 'a' && c <= 'z') || c == '_';
}

static bool
is_name_part(char c)
{
	return is_name_start(c) || (c >= '0' && c <= '9');
}

static bool
is_name(const char *name, const char *start, size_t length)
{
	return strlen(name) == length && memcmp(name, start, length) == 0;
}

/* Append $n for the name of a parameter, or of a column of a record that is a parameter. */
static void
append_param(Translation *translation, const char *name, size_t length)
{
	int			position = 0;
	int			found = 0;
	int			i;

	for (i = 0; translation->params != NULL && translation->params[i].name != NULL; i++)
	{
		const NamedParam *param = &translation->params[i];
		const RecordColumn *columns = NULL;
		int			count = 1;
		int			c;

		if (param->record != NULL)
			columns = param->record->columns(&count);
		for (c = 0; c < count; c++)
		{
			position++;
			if (!is_name(columns != NULL ? columns[c].name : param->name, name, length))
				continue;
			if (found != 0)
				elog(ERROR, "parameter \"%.*s\" is given twice: %s", (int) length, name,
					 translation->sql);
			found = position;
			translation->used |= UINT64CONST(1) << i;
		}
	}
	if (found == 0)
		elog(ERROR, "parameter \"%.*s\" is not given: %s", (int) length, name, translation->sql);
	appendStringInfo(&translation->text, "$%d", found);
}

/* Return the record that a marker names: one that the statement returns, or a parameter. */
static const RecordType *
find_record(const Translation *translation, const char *name, size_t length)
{
	const NamedParam *param;

	if (translation->row != NULL && is_name(translation->row->name, name, length))
		return translation->row;
	if (translation->joined != NULL && is_name(translation->joined->name, name, length))
		return translation->joined;
	for (param = translation->params; param != NULL && param->name != NULL; param++)
		if (param->record != NULL && is_name(param->name, name, length))
			return param->record;
	elog(ERROR, "record \"%.*s\" is not given: %s", (int) length, name, translation->sql);
	pg_unreachable();
}

/* Append the columns of a record as a list for SELECT, RETURNING or INSERT. */
static void
append_columns(StringInfo text, const RecordType *record, const char *alias, size_t alias_length)
{
	int			count;
	const RecordColumn *columns = record->columns(&count);
	int			i;

	for (i = 0; i < count; i++)
	{
		if (i > 0)
			appendStringInfoString(text, ", ");
		if (columns[i].expression[0] != '\0')
			appendStringInfo(text, "%s AS %s", columns[i].expression, columns[i].name);
		else if (alias_length > 0)
			appendStringInfo(text, "%.*s.%s", (int) alias_length, alias, columns[i].name);
		else
			appendStringInfoString(text, columns[i].name);
	}
}

/* Append the parameters of a record for VALUES, in the order of append_columns(). */
static void
append_record_params(Translation *translation, const RecordType *record)
{
	int			count;
	const RecordColumn *columns = record->columns(&count);
	int			i;

	for (i = 0; i < count; i++)
	{
		if (i > 0)
			appendStringInfoString(&translation->text, ", ");
		append_param(translation, columns[i].name, strlen(columns[i].name));
	}
}

/* Translate a marker, without its braces: "record", "alias.record" or ":record". */
static void
append_marker(Translation *translation, const char *marker, size_t length)
{
	const char *dot = memchr(marker, '.', length);

	if (marker[0] == ':')
		append_record_params(translation, find_record(translation, marker + 1, length - 1));
	else if (dot != NULL)
		append_columns(&translation->text,
					   find_record(translation, dot + 1, length - (dot + 1 - marker)),
					   marker, dot - marker);
	else
		append_columns(&translation->text, find_record(translation, marker, length), NULL, 0);
}

/* Return the position after the next occurrence of a delimiter.  Raises if there is none. */
static const char *
skip_to(const Translation *translation, const char *start, char end)
{
	const char *found = strchr(start + 1, end);

	if (found == NULL)
		elog(ERROR, "%c has no end: %s", *start, translation->sql);
	return found + 1;
}

/* Raise an error for a parameter that the text does not name: one of the two is misspelled. */
static void
require_all_used(const Translation *translation)
{
	int			i;

	for (i = 0; translation->params != NULL && translation->params[i].name != NULL; i++)
		if ((translation->used & UINT64CONST(1) << i) == 0)
			elog(ERROR, "parameter \"%s\" is not used: %s", translation->params[i].name,
				 translation->sql);
}

char *
statement_text_translate(const char *sql, const RecordType *row, const RecordType *joined,
						 const NamedParam *params)
{
	Translation translation = {.sql = sql,.row = row,.joined = joined,.params = params};
	const char *start = sql;

	initStringInfo(&translation.text);
	while (*start != '\0')
	{
		const char *end = start + 1;

		if (*start == '\'' || *start == '"')
			end = skip_to(&translation, start, *start);
		else if (*start == '{')
		{
			end = skip_to(&translation, start, '}');
			append_marker(&translation, start + 1, end - start - 2);
			start = end;
			continue;
		}
		else if (start[0] == ':' && start[1] == ':')
			end = start + 2;
		else if (*start == ':' && is_name_start(*end))
		{
			while (is_name_part(*end))
				end++;
			append_param(&translation, start + 1, end - start - 1);
			start = end;
			continue;
		}
		appendBinaryStringInfo(&translation.text, start, end - start);
		start = end;
	}
	require_all_used(&translation);
	return translation.text.data;
}
