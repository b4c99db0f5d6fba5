/*-------------------------------------------------------------------------
 *
 * uri_target.c
 *	  Whether two http or https URIs name the same target.
 *
 * uri_check() writes the normal form of browsers, which leaves percent-encoded
 * characters as they are.  RFC 3986 decodes those that need no encoding (section
 * 6.2.2.2) before it removes dot segments.
 *
 *-------------------------------------------------------------------------
 */
#include <stddef.h>
#include <string.h>

#include "uri/uri.h"
#include "uri/uri_target.h"

#define HEX_DIGITS	"0123456789ABCDEF"

/* Return the value of a hexadecimal digit, or -1. */
static int
hex_value(char c)
{
	const char *digits = HEX_DIGITS;
	const char *found;

	if (c >= 'a' && c <= 'f')
		c = (char) (c - 'a' + 'A');
	found = c == '\0' ? NULL : strchr(digits, c);
	return found == NULL ? -1 : (int) (found - digits);
}

static bool
is_unreserved(int c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		c == '-' || c == '.' || c == '_' || c == '~';
}

/*
 * Copy a URI up to its query or fragment.  Decode percent-encoded unreserved characters,
 * and write the other ones with upper-case digits.  Return false if it is too long.
 */
static bool
copy_target(const char *uri, char copy[URI_MAX_LENGTH + 1])
{
	size_t		end = strcspn(uri, "?#");
	size_t		length = 0;
	size_t		i;

	if (end > URI_MAX_LENGTH)
		return false;
	for (i = 0; i < end; i++)
	{
		int			high = uri[i] == '%' ? hex_value(uri[i + 1]) : -1;
		int			low = high < 0 ? -1 : hex_value(uri[i + 2]);

		if (low < 0)
			copy[length++] = uri[i];
		else if (is_unreserved(high * 16 + low))
			copy[length++] = (char) (high * 16 + low);
		else
		{
			copy[length++] = '%';
			copy[length++] = HEX_DIGITS[high];
			copy[length++] = HEX_DIGITS[low];
		}
		if (low >= 0)
			i += 2;
	}
	copy[length] = '\0';
	return true;
}

/* Write the normal form of a target.  Return false if there is none. */
static bool
normalise_target(const char *uri, char normal[URI_NORMAL_SIZE])
{
	char		copy[URI_MAX_LENGTH + 1];
	char	   *path;

	if (!copy_target(uri, copy))
		return false;
	(void) uri_check(URI_LINK, copy, normal);
	if (normal[0] == '\0')
		return false;

	/* An empty path is the path "/" (RFC 3986, section 6.2.3). */
	path = strstr(normal, "://") + 3;
	if (strchr(path, '/') == NULL)
		strcat(normal, "/");
	return true;
}

bool
uri_is_same_target(const char *a, const char *b)
{
	char		normal_a[URI_NORMAL_SIZE];
	char		normal_b[URI_NORMAL_SIZE];

	return normalise_target(a, normal_a) && normalise_target(b, normal_b) &&
		strcmp(normal_a, normal_b) == 0;
}
