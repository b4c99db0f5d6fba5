/*-------------------------------------------------------------------------
 *
 * message_language.c
 *	  The language of a message to a user, as a language tag (BCP 47).
 *
 * A tag is stored as the caller wrote it.  Whether there is a text in that language is
 * known to the worker that sends the message.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "domain/message_language.h"
#include "json/json_read.h"

/* RFC 5646, section 4.4.1: tags of this length are the longest in common use. */
#define LANGUAGE_TAG_LENGTH		35

/* Characters of ui_locales. */
#define UI_LOCALES_LENGTH		255

#define TAG_CHARACTERS \
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-"

/* Return the length of the language tag at the beginning of a text, 0 if there is none. */
static size_t
tag_length(const char *text)
{
	size_t		length = strspn(text, TAG_CHARACTERS);
	size_t		subtag = 0;
	size_t		i;

	if (length > LANGUAGE_TAG_LENGTH)
		return 0;
	for (i = 0; i < length; i++)
	{
		subtag = text[i] == '-' ? 0 : subtag + 1;
		if (subtag > 8 || (text[i] == '-' && (i == 0 || text[i - 1] == '-')))
			return 0;
	}
	return subtag > 0 ? length : 0;
}

/* Some write "en_US" for "en-US" (OpenID Connect Core, section 5.1). */
static void
replace_underscores(char *text)
{
	char	   *underscore;

	while ((underscore = strchr(text, '_')) != NULL)
		*underscore = '-';
}

char *
message_language_of_request(const char *argument)
{
	char	   *ui_locales;
	const char *rest;
	size_t		length;

	/* A form sends an empty text for a field that is not filled in. */
	if (argument == NULL || *argument == '\0')
		return NULL;
	ui_locales = pnstrdup(argument, UI_LOCALES_LENGTH + 1);
	replace_underscores(ui_locales);
	for (rest = ui_locales;;)
	{
		length = tag_length(rest);
		if (length == 0 || (rest[length] != ' ' && rest[length] != '\0') ||
			strlen(ui_locales) > UI_LOCALES_LENGTH)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("ui_locales must be a list of language tags, separated by single spaces"),
					 errhint("For example: \"zh-Hant-HK en\".")));
		if (rest[length] == '\0')
			return pnstrdup(ui_locales, tag_length(ui_locales));
		rest += length + 1;
	}
}

char *
message_language_of_browser(const char *list)
{
	size_t		length = list == NULL ? 0 : tag_length(list);

	if (length == 0 || strchr(" \t,;", list[length]) == NULL)
		return NULL;
	return pnstrdup(list, length);
}

char *
message_language_tag(const char *text)
{
	char	   *tag = pnstrdup(text, LANGUAGE_TAG_LENGTH + 1);

	replace_underscores(tag);
	return tag_length(tag) > 0 && tag[tag_length(tag)] == '\0' ? tag : NULL;
}

char *
message_language_of_user(const User *user)
{
	char	   *locale = json_cstring(user->standard_attributes, "locale");

	return locale == NULL ? NULL : message_language_tag(locale);
}
