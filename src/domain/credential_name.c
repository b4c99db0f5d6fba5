/*-------------------------------------------------------------------------
 *
 * credential_name.c
 *	  The name that a user gives a passkey or a device key.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <unicode/utf8.h>

#include "base/limits.h"
#include "base/shown_text.h"
#include "domain/credential_name.h"
#include "mb/pg_wchar.h"

void
credential_name_check(const char *name, const char *credential)
{
	char	   *text;
	int32		length;
	int32		i = 0;
	UChar32		character;

	if (name == NULL)
		return;
	if (name[0] == '\0' || pg_mbstrlen(name) > CREDENTIAL_NAME_MAX_LENGTH)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the name of a %s must have 1 to %d characters", credential,
						CREDENTIAL_NAME_MAX_LENGTH)));
	text = pg_server_to_any(name, strlen(name), PG_UTF8);
	length = strlen(text);
	while (i < length)
	{
		U8_NEXT(text, i, length, character);
		if (shown_text_forbids(character))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("the name of a %s must not contain control characters", credential)));
	}
}
