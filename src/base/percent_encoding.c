/*-------------------------------------------------------------------------
 *
 * percent_encoding.c
 *	  Percent-encoding of values in URIs (RFC 3986, section 2.1).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/percent_encoding.h"

void
percent_encoding_append(StringInfo uri, const char *value)
{
	static const char digits[] = "0123456789ABCDEF";

	for (; *value != '\0'; value++)
	{
		unsigned char c = (unsigned char) *value;

		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
			strchr("-._~", c) != NULL)
			appendStringInfoChar(uri, (char) c);
		else
		{
			appendStringInfoChar(uri, '%');
			appendStringInfoChar(uri, digits[c >> 4]);
			appendStringInfoChar(uri, digits[c & 0x0F]);
		}
	}
}
