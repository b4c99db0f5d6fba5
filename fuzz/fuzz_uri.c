/*-------------------------------------------------------------------------
 *
 * fuzz_uri.c
 *	  The input is a kind and a URI, or two URIs for the loopback rule.
 *
 * Properties: an accepted URI is its own normal form and is accepted as it is; the
 * normal form of a refused URI is accepted; both consist of characters of RFC 3986
 * and have no user name; a URI at a loopback address matches itself.
 *
 *-------------------------------------------------------------------------
 */
#include "fuzz.h"
#include "uri/uri.h"

static void
check_normal(UriKind kind, const char *normal)
{
	char		again[URI_NORMAL_SIZE];
	size_t		authority = strcspn(normal, ":") + 3;
	size_t		i;

	MUST(strlen(normal) <= URI_MAX_LENGTH);
	MUST(uri_check(kind, normal, again) == NULL);
	MUST(strcmp(normal, again) == 0);
	for (i = 0; normal[i] != '\0'; i++)
		MUST(normal[i] > ' ' && normal[i] < 0x7F && strchr("\"<>\\^`{|}", normal[i]) == NULL);
	if (strstr(normal, "://") == normal + authority - 3)
		MUST(memchr(normal + authority, '@', strcspn(normal + authority, "/?#")) == NULL);
	if (strncmp(normal, "http://127.0.0.1/", 17) == 0)
		MUST(uri_loopback_matches(normal, normal));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	FuzzInput	input = {data, size};
	UriKind		kind = fuzz_byte(&input) % URI_AUDIENCE;
	char	   *uri = malloc(input.length + 1);
	char	   *second;
	char		normal[URI_NORMAL_SIZE];

	memcpy(uri, input.data, input.length);
	uri[input.length] = '\0';
	if (uri_check(kind, uri, normal) == NULL)
		MUST(strcmp(uri, normal) == 0);
	if (normal[0] != '\0')
		check_normal(kind, normal);

	second = strchr(uri, ' ');
	if (second != NULL)
	{
		*second++ = '\0';
		if (uri_loopback_matches(uri, second))
			MUST(strncmp(second, "http://127.0.0.1", 16) == 0 || strncmp(second, "http://[::1]", 12) == 0);
	}
	free(uri);
	return 0;
}
