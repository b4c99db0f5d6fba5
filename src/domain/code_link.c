/*-------------------------------------------------------------------------
 *
 * code_link.c
 *	  The link in a message with a one-time code.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/percent_encoding.h"
#include "domain/code_link.h"

char *
code_link_make(const char *uri_template, const OutboxMessage *message, const char *code)
{
	const struct
	{
		const char *name;
		const char *value;
	}			values[] = {
		{"{code}", code},
		{"{type}", enum_name(&message_type_names, message->type)},
		{"{language}", message->language},
		{"{client_id}", message->client_id}
	};
	const char *rest = uri_template;
	StringInfoData link;
	int			i;

	initStringInfo(&link);
	while (*rest != '\0')
	{
		for (i = 0; i < lengthof(values); i++)
			if (strncmp(rest, values[i].name, strlen(values[i].name)) == 0)
				break;
		if (i == lengthof(values))
		{
			appendStringInfoChar(&link, *rest++);
			continue;
		}
		if (values[i].value != NULL)
			percent_encoding_append(&link, values[i].value);
		rest += strlen(values[i].name);
	}
	return link.data;
}
