/*-------------------------------------------------------------------------
 *
 * uri.c
 *	  The normal form of the URIs that administrators store, and loopback
 *	  redirect URIs.
 *
 * uri_check() writes the normal form of a URI, and compares.  The rules are those
 * of the URL Standard (https://url.spec.whatwg.org) for the characters that RFC
 * 3986 allows.  Where the standard repairs what RFC 3986 forbids, such as a
 * backslash, the URI is refused.
 *
 *-------------------------------------------------------------------------
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/span.h"
#include "uri/uri.h"
#include "uri/uri_host.h"

/* A number that is a macro, as text. */
#define AS_TEXT(number)		AS_TEXT_EXPANDED(number)
#define AS_TEXT_EXPANDED(number)	#number

#define DIGITS			"0123456789"
#define LETTERS			"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define UNRESERVED		LETTERS DIGITS "-._~"

/* RFC 3986, section 3.3 to 3.5 */
#define PATH_CHARACTERS		UNRESERVED "!$&'()*+,;=:@/"
#define FRAGMENT_CHARACTERS	PATH_CHARACTERS "?"

/* Without the apostrophe: Chromium encodes it, for all schemes. */
#define QUERY_CHARACTERS	UNRESERVED "!$&()*+,;=:@/?"

/* The parts of a URI.  data of a part that is absent is NULL. */
typedef struct UriParts
{
	Span		scheme;
	Span		authority;
	Span		path;			/* never absent */
	Span		query;
	Span		fragment;
} UriParts;

/* The normal form while it is written.  length is at most URI_NORMAL_SIZE - 1. */
typedef struct Output
{
	char	   *data;
	size_t		length;
} Output;

static const char *const too_long = "It is longer than " AS_TEXT(URI_MAX_LENGTH) " bytes.";

static void
append_bytes(Output *output, const char *data, size_t length)
{
	if (length > URI_NORMAL_SIZE - 1 - output->length)
		length = URI_NORMAL_SIZE - 1 - output->length;
	memcpy(output->data + output->length, data, length);
	output->length += length;
	output->data[output->length] = '\0';
}

static void
append_string(Output *output, const char *string)
{
	append_bytes(output, string, strlen(string));
}

static bool
is_one_of(char c, const char *characters)
{
	return c != '\0' && strchr(characters, c) != NULL;
}

static char
lower_case(char c)
{
	return c >= 'A' && c <= 'Z' ? (char) (c + 'a' - 'A') : c;
}

/* Append text, and percent-encode the characters that are not allowed. */
static void
append_encoded(Output *output, Span text, const char *allowed)
{
	size_t		i;

	for (i = 0; i < text.length; i++)
	{
		char		encoded[4];

		if (text.data[i] == '%' || is_one_of(text.data[i], allowed))
			append_bytes(output, text.data + i, 1);
		else
		{
			snprintf(encoded, sizeof(encoded), "%%%02X", (unsigned char) text.data[i]);
			append_bytes(output, encoded, 3);
		}
	}
}

/* ---- parts ---- */

/* Cut the part of *rest before the first of these characters. */
static Span
cut_before(Span *rest, const char *characters)
{
	Span		part = {rest->data, 0};

	while (part.length < rest->length && !is_one_of(rest->data[part.length], characters))
		part.length++;
	rest->data += part.length;
	rest->length -= part.length;
	return part;
}

static bool
starts_with(Span text, const char *prefix)
{
	return text.length >= strlen(prefix) && memcmp(text.data, prefix, strlen(prefix)) == 0;
}

static void
skip_bytes(Span *text, size_t length)
{
	text->data += length;
	text->length -= length;
}

/* Split a URI.  Return false if it does not begin with a scheme. */
static bool
split_uri(const char *uri, UriParts *parts)
{
	Span		rest = span_of_string(uri);
	size_t		i;

	memset(parts, 0, sizeof(*parts));
	parts->scheme = cut_before(&rest, ":/?#");
	if (!starts_with(rest, ":") || parts->scheme.length == 0 || !is_one_of(uri[0], LETTERS))
		return false;
	for (i = 0; i < parts->scheme.length; i++)
		if (!is_one_of(uri[i], LETTERS DIGITS "+-."))
			return false;
	skip_bytes(&rest, 1);
	if (starts_with(rest, "//"))
	{
		skip_bytes(&rest, 2);
		parts->authority = cut_before(&rest, "/?#");
	}
	parts->path = cut_before(&rest, "?#");
	if (starts_with(rest, "?"))
	{
		skip_bytes(&rest, 1);
		parts->query = cut_before(&rest, "#");
	}
	if (starts_with(rest, "#"))
	{
		skip_bytes(&rest, 1);
		parts->fragment = rest;
	}
	return true;
}

static bool
has_scheme(const UriParts *parts, const char *scheme)
{
	return parts->scheme.length == strlen(scheme) &&
		strncasecmp(parts->scheme.data, scheme, parts->scheme.length) == 0;
}

static bool
is_web(const UriParts *parts)
{
	return has_scheme(parts, "http") || has_scheme(parts, "https");
}

/* ---- rules ---- */

static const char *
check_characters(const char *uri)
{
	size_t		i;

	if (strlen(uri) > URI_MAX_LENGTH)
		return too_long;
	for (i = 0; uri[i] != '\0'; i++)
	{
		unsigned char c = (unsigned char) uri[i];

		if (c <= ' ' || c == 0x7F)
			return "It must not contain white space or control characters.";
		if (c == '\\')
			return "It must not contain a backslash, which browsers read as a slash.";
		if (c == '%' && (!is_one_of(uri[i + 1], DIGITS "abcdefABCDEF") ||
						 !is_one_of(uri[i + 2], DIGITS "abcdefABCDEF")))
			return "A percent sign must be followed by two hexadecimal digits.";
	}
	return NULL;
}

static const char *
check_scheme(UriKind kind, const UriParts *parts)
{
	/* Schemes of browsers and systems.  An application cannot have them. */
	static const char *const refused[] = {
		"about", "blob", "chrome", "content", "data", "file", "filesystem", "ftp", "intent",
		"jar", "javascript", "mailto", "resource", "sms", "tel", "urn", "vbscript",
		"view-source", "ws", "wss"
	};
	size_t		i;

	if (is_web(parts))
		return parts->authority.length == 0 ? "An http or https URI must have a host." : NULL;
	if (kind != URI_REDIRECT)
		return "It must be an http or https URI.";
	for (i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		if (has_scheme(parts, refused[i]))
			return "Its scheme does not lead to an application.";
	return NULL;
}

static const char *
check_parts(UriKind kind, const UriParts *parts)
{
	if (parts->authority.data != NULL &&
		memchr(parts->authority.data, '@', parts->authority.length) != NULL)
		return "It must not contain a user name or password.";
	if (kind != URI_LINK && parts->fragment.data != NULL)
		return "It must not have a fragment (\"#\").";
	if (kind == URI_ISSUER && parts->query.data != NULL)
		return "An issuer must not have a query (\"?\").";
	return NULL;
}

/* ---- the normal form ---- */

/* Append the authority.  Return a reason if host or port is invalid. */
static const char *
append_authority(Output *output, const UriParts *parts)
{
	char		host[URI_HOST_SIZE];
	char		number[8];
	Span		port = {NULL, 0};
	Span		name = parts->authority;
	size_t		i = name.length;
	long		value;

	while (i > 0 && is_one_of(name.data[i - 1], DIGITS))
		i--;
	if (i > 0 && name.data[i - 1] == ':')
	{
		port = (Span) {name.data + i, name.length - i};
		name.length = i - 1;
	}
	if (!(is_web(parts) ? uri_host_normalise(name, host) : uri_host_normalise_opaque(name, host)))
		return "Its host is not valid.";
	append_string(output, host);
	if (port.length == 0)
		return NULL;

	/* strtol() stops at the character after the port, or at the end of the URI. */
	value = strtol(port.data, NULL, 10);
	if (value > 65535)
		return "Its port must be a number up to 65535.";
	if (!(value == 80 && has_scheme(parts, "http")) &&
		!(value == 443 && has_scheme(parts, "https")))
	{
		snprintf(number, sizeof(number), ":%d", (int) value);
		append_string(output, number);
	}
	return NULL;
}

/* Return how many dots a path segment stands for, if it is "." or ".."; otherwise 0. */
static int
count_dots(Span segment)
{
	int			dots = 0;

	while (segment.length > 0)
	{
		size_t		length = starts_with(segment, ".") ? 1 :
			starts_with(segment, "%2e") || starts_with(segment, "%2E") ? 3 : 0;

		if (length == 0 || ++dots > 2)
			return 0;
		skip_bytes(&segment, length);
	}
	return dots;
}

/* Append a path that begins with a slash, without "." and ".." segments. */
static void
append_path(Output *output, Span path)
{
	size_t		begin = output->length;

	while (path.length > 0)
	{
		Span		segment;
		int			dots;

		skip_bytes(&path, 1);
		segment = cut_before(&path, "/");
		dots = count_dots(segment);
		if (dots == 0)
		{
			append_string(output, "/");
			append_encoded(output, segment, PATH_CHARACTERS);
			continue;
		}
		if (dots == 2)
		{
			while (output->length > begin && output->data[output->length - 1] != '/')
				output->length--;
			if (output->length > begin)
				output->length--;
			output->data[output->length] = '\0';
		}
		if (path.length == 0)
			append_string(output, "/");
	}
}

/* Append path, query and fragment. */
static void
append_rest(Output *output, const UriParts *parts)
{
	if (starts_with(parts->path, "/"))
		append_path(output, parts->path);
	else if (parts->path.length > 0)
		append_encoded(output, parts->path, PATH_CHARACTERS);
	else if (is_web(parts) && (parts->query.data != NULL || parts->fragment.data != NULL))
		append_string(output, "/");
	if (parts->query.data != NULL)
	{
		append_string(output, "?");
		append_encoded(output, parts->query, QUERY_CHARACTERS);
	}
	if (parts->fragment.data != NULL)
	{
		append_string(output, "#");
		append_encoded(output, parts->fragment, FRAGMENT_CHARACTERS);
	}
}

static const char *
write_normal(UriKind kind, const UriParts *parts, Output *output)
{
	const char *reason;
	size_t		i;

	for (i = 0; i < parts->scheme.length; i++)
	{
		char		c = lower_case(parts->scheme.data[i]);

		append_bytes(output, &c, 1);
	}
	append_string(output, ":");
	if (parts->authority.data != NULL)
	{
		append_string(output, "//");
		reason = append_authority(output, parts);
		if (reason != NULL)
			return reason;
	}
	i = output->length;
	append_rest(output, parts);
	if (parts->authority.data == NULL && strncmp(output->data + i, "//", 2) == 0)
		return "Its path must not begin with two slashes.";
	if (kind == URI_ISSUER && strstr(output->data + i, "//") != NULL)
		return "An issuer must not have empty path segments.";
	if (kind == URI_ISSUER && output->data[output->length - 1] == '/')
		output->data[--output->length] = '\0';
	return NULL;
}

const char *
uri_check(UriKind kind, const char *uri, char normal[URI_NORMAL_SIZE])
{
	Output		output = {normal, 0};
	UriParts	parts;
	const char *reason;

	normal[0] = '\0';
	if (kind == URI_AUDIENCE && strncasecmp(uri, "http:", 5) != 0 &&
		strncasecmp(uri, "https:", 6) != 0)
		return NULL;
	reason = check_characters(uri);
	if (reason == NULL && !split_uri(uri, &parts))
		reason = "It must begin with a scheme, such as https.";
	if (reason == NULL)
		reason = check_scheme(kind, &parts);
	if (reason == NULL)
		reason = check_parts(kind, &parts);
	if (reason == NULL)
		reason = write_normal(kind, &parts, &output);
	if (reason != NULL)
	{
		normal[0] = '\0';
		return reason;
	}
	if (strcmp(uri, normal) == 0)
		return NULL;
	if (output.length > URI_MAX_LENGTH)
	{
		normal[0] = '\0';
		return too_long;
	}
	if (kind == URI_ISSUER && uri[strlen(uri) - 1] == '/')
		return "An issuer must not end with a slash.";
	return "Browsers send it in another form.";
}

/* ---- loopback redirect URIs ---- */

/*
 * Return the part of a URI after "http://" and a loopback IP address; NULL if there
 * is none.
 */
static const char *
after_loopback(const char *uri, const char *address)
{
	size_t		length = strlen(address);

	return strncmp(uri, address, length) == 0 && (uri[length] == '\0' || is_one_of(uri[length], ":/?")) ?
		uri + length : NULL;
}

/* Skip a port.  Return NULL if it is not valid. */
static const char *
after_port(const char *text)
{
	size_t		digits;

	if (text[0] != ':')
		return text;
	text++;
	digits = strspn(text, DIGITS);
	if (digits == 0 || digits > 5 || text[0] == '0' || strtol(text, NULL, 10) > 65535)
		return NULL;
	return text + digits;
}

bool
uri_loopback_matches(const char *registered, const char *requested)
{
	static const char *const addresses[] = {"http://127.0.0.1", "http://[::1]"};
	size_t		i;

	for (i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++)
	{
		const char *a = after_loopback(registered, addresses[i]);
		const char *b = after_loopback(requested, addresses[i]);

		if (a == NULL || b == NULL)
			continue;
		a = after_port(a);
		b = after_port(b);
		return a != NULL && b != NULL && strcmp(a, b) == 0;
	}
	return false;
}
