/*-------------------------------------------------------------------------
 *
 * http_params.c
 *	  application/x-www-form-urlencoded: reading parameters, writing URIs.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/percent_encoding.h"
#include "base/compat.h"
#include "base/limits.h"
#include "http/http_params.h"
#include "http/http_request.h"
#include "mb/pg_wchar.h"

pg_noreturn static void
raise_malformed(const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("malformed parameters"),
			 errdetail_internal("%s", detail)));
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	raise_malformed("A percent sign must be followed by two hexadecimal digits.");
}

char *
http_decode(const char *text, size_t length)
{
	char	   *result = palloc(length + 1);
	char	   *out = result;
	size_t		i;

	for (i = 0; i < length; i++)
	{
		char		c = text[i];

		if (c == '+')
			c = ' ';
		else if (c == '%')
		{
			if (i + 2 >= length)
				raise_malformed("A percent sign must be followed by two hexadecimal digits.");
			c = (char) (hex_digit(text[i + 1]) << 4 | hex_digit(text[i + 2]));
			i += 2;
		}
		if (c == '\0')
			raise_malformed("A value has a NUL character.");
		*out++ = c;
	}
	*out = '\0';
	if (!pg_verify_mbstr(PG_UTF8, result, (int) (out - result), true))
		raise_malformed("A value is not valid UTF-8.");
	return result;
}

void
http_parse_params(const char *text, HttpParams *params)
{
	params->count = 0;
	params->names = palloc(sizeof(char *) * HTTP_MAX_PARAMETERS);
	params->values = palloc(sizeof(char *) * HTTP_MAX_PARAMETERS);
	while (*text != '\0')
	{
		size_t		length = strcspn(text, "&");
		size_t		name_length = Min(strcspn(text, "="), length);

		if (length > 0)
		{
			if (params->count == HTTP_MAX_PARAMETERS)
				raise_malformed("There are too many parameters.");
			params->names[params->count] = http_decode(text, name_length);
			params->values[params->count] = name_length == length ? pstrdup("") :
				http_decode(text + name_length + 1, length - name_length - 1);
			params->count++;
		}
		text += length;
		if (*text == '&')
			text++;
	}
}

void
http_query(const HttpRequest *request, HttpParams *params)
{
	char	   *query = http_header(request, "x-original-query");

	http_parse_params(query == NULL ? "" : query, params);
}

void
http_form(const HttpRequest *request, HttpParams *params)
{
	if (!http_content_type_is(request, "application/x-www-form-urlencoded"))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("content type must be application/x-www-form-urlencoded")));
	http_parse_params(request->body, params);
}

void
http_params(const HttpRequest *request, HttpParams *params)
{
	if (strcmp(request->method, "GET") == 0 || strcmp(request->method, "HEAD") == 0)
		http_query(request, params);
	else
		http_form(request, params);
}

char *
http_param(const HttpParams *params, const char *name)
{
	char	   *value = NULL;
	bool		found = false;
	int			i;

	for (i = 0; i < params->count; i++)
	{
		if (strcmp(params->names[i], name) != 0)
			continue;
		if (found)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("%s is given more than once", name)));
		found = true;
		value = params->values[i];
	}
	return value == NULL || value[0] == '\0' ? NULL : value;
}

bool
http_params_have(const HttpParams *params, const char *name)
{
	int			i;

	for (i = 0; i < params->count; i++)
		if (strcmp(params->names[i], name) == 0)
			return true;
	return false;
}

bool
http_param_is(const HttpParams *params, const char *name, const char *value)
{
	char	   *given = http_param(params, name);

	return given != NULL && strcmp(given, value) == 0;
}

char *
http_required_param(const HttpParams *params, const char *name, const char *message)
{
	char	   *value = http_param(params, name);

	if (value == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s", message)));
	return value;
}

bool
http_words_have(const char *words, const char *word)
{
	size_t		length = strlen(word);

	for (; *words != '\0'; words += strspn(words, " "))
	{
		size_t		next = strcspn(words, " ");

		if (next == length && memcmp(words, word, length) == 0)
			return true;
		words += next;
	}
	return false;
}

void
http_append_param(StringInfo url, const char *name, const char *value)
{
	if (value == NULL)
		return;
	appendStringInfoChar(url, strchr(url->data, '?') == NULL ? '?' : '&');
	percent_encoding_append(url, name);
	appendStringInfoChar(url, '=');
	percent_encoding_append(url, value);
}
