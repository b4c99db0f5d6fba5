/*-------------------------------------------------------------------------
 *
 * shown_text.c
 *	  Texts of strangers that a person reads: which characters can be in them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include "base/shown_text.h"
#include "lib/stringinfo.h"

#define ELLIPSIS	"\xE2\x80\xA6"

bool
shown_text_forbids(int32 character)
{
	int			type = character < 0 ? U_CONTROL_CHAR : u_charType(character);

	return type == U_CONTROL_CHAR || type == U_LINE_SEPARATOR || type == U_PARAGRAPH_SEPARATOR ||
		(character >= 0x202A && character <= 0x202E) ||
		(character >= 0x2066 && character <= 0x2069) ||
		character == 0x200E || character == 0x200F || character == 0x061C ||
		character == 0xFEFF || (character >= 0xE0000 && character <= 0xE007F);
}

char *
shown_text(const char *text, int max_length)
{
	int32_t		length = (int32_t) strlen(text);
	int32_t		i = 0;
	int			characters = 0;
	bool		has_space = false;
	StringInfoData shown;

	initStringInfo(&shown);
	while (i < length)
	{
		int32_t		start = i;
		UChar32		character;

		U8_NEXT(text, i, length, character);
		if (character == ' ' || shown_text_forbids(character))
		{
			has_space = true;
			continue;
		}
		characters += has_space && shown.len > 0 ? 2 : 1;
		if (characters > max_length)
		{
			appendStringInfoString(&shown, ELLIPSIS);
			break;
		}
		if (has_space && shown.len > 0)
			appendStringInfoChar(&shown, ' ');
		has_space = false;
		appendBinaryStringInfo(&shown, text + start, i - start);
	}
	return shown.len == 0 ? NULL : shown.data;
}
