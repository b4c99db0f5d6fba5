/*-------------------------------------------------------------------------
 *
 * uri_test.c
 *	  Unit tests of src/uri, which run without a server.
 *
 * A plain program that prints TAP and exits with 1 if a test failed.  sql/uris.sql
 * has many more spellings, and t/055_redirect_uris.pl compares them with a browser.
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "uri/uri.h"
#include "uri/uri_host.h"

static int	test_count = 0;
static int	failure_count = 0;

static void
ok(bool condition, const char *name, const char *detail)
{
	printf("%sok %d - %s: %s\n", condition ? "" : "not ", ++test_count, name, detail);
	if (!condition)
		failure_count++;
}

/* form is the normal form, NULL if the URI has none. */
static void
check(UriKind kind, const char *uri, const char *form)
{
	char		normal[URI_NORMAL_SIZE];
	char		again[URI_NORMAL_SIZE];
	const char *reason = uri_check(kind, uri, normal);

	ok((reason == NULL) == (form != NULL && strcmp(uri, form) == 0), "accepted or not", uri);
	if (form != NULL)
	{
		ok(strcmp(normal, form) == 0, "normal form", uri);
		ok(uri_check(kind, normal, again) == NULL, "normal form of the normal form", uri);
	}
	else
		ok(normal[0] == '\0', "no normal form", uri);
}

static void
test_uris(void)
{
	check(URI_REDIRECT, "https://app.example/cb", "https://app.example/cb");
	check(URI_REDIRECT, "HTTPS://App.Example:443/a/../cb?q='", "https://app.example/cb?q=%27");
	check(URI_REDIRECT, "com.example.app:/cb", "com.example.app:/cb");
	check(URI_REDIRECT, "javascript:alert(1)", NULL);
	check(URI_REDIRECT, "", NULL);
	check(URI_REDIRECT, ":", NULL);
	check(URI_REDIRECT, "a:", "a:");
	check(URI_REDIRECT, "http://%", NULL);
	check(URI_REDIRECT, "http://a/\xFF", "http://a/%FF");
	check(URI_REDIRECT, "http://\xFF/", NULL);
	check(URI_REDIRECT, "http://a\xC3", NULL);
	check(URI_REDIRECT, "http://[", NULL);
	check(URI_REDIRECT, "http://]", NULL);
	check(URI_REDIRECT, "http://[1:2:3:4:5:6:7:8]", "http://[1:2:3:4:5:6:7:8]");
	check(URI_REDIRECT, "http://[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
		  "http://[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535");
	check(URI_REDIRECT, "http://[0:0:0:1::]", "http://[0:0:0:1::]");
	check(URI_REDIRECT, "http://[1:0:0:1:0:0:0:0]", "http://[1:0:0:1::]");
	check(URI_ISSUER, "https://auth.example/v1/", "https://auth.example/v1");
	check(URI_ISSUER, "https://auth.example?", NULL);
	check(URI_LINK, "https://a.example/#x", "https://a.example/#x");
	check(URI_LINK, "https://a.example#x", "https://a.example/#x");
	check(URI_IMAGE, "https://a.example/#x", NULL);
}

/* The longest URI, and one that is too long in its normal form only. */
static void
test_lengths(void)
{
	char		uri[URI_MAX_LENGTH + 2] = "http://a/";
	char		normal[URI_NORMAL_SIZE];

	memset(uri + 9, '"', sizeof(uri) - 9);
	uri[URI_MAX_LENGTH] = '\0';
	ok(uri_check(URI_REDIRECT, uri, normal) != NULL && normal[0] == '\0', "length", "encoded");
	memset(uri + 9, 'x', sizeof(uri) - 9);
	uri[URI_MAX_LENGTH] = '\0';
	ok(uri_check(URI_REDIRECT, uri, normal) == NULL, "length", "longest");
	uri[URI_MAX_LENGTH] = 'x';
	uri[URI_MAX_LENGTH + 1] = '\0';
	ok(uri_check(URI_REDIRECT, uri, normal) != NULL, "length", "too long");
}

static void
test_hosts(void)
{
	char		long_name[URI_HOST_MAX_LENGTH + 2];
	char		normal[URI_HOST_SIZE];
	size_t		i;

	for (i = 0; i < sizeof(long_name) - 1; i++)
		long_name[i] = i % 50 == 49 ? '.' : 'a';
	long_name[URI_HOST_MAX_LENGTH + 1] = '\0';
	ok(!uri_host_normalise((Span) {long_name, URI_HOST_MAX_LENGTH + 1}, normal), "host", "too long");
	ok(uri_host_normalise((Span) {long_name, URI_HOST_MAX_LENGTH}, normal), "host", "longest");
	ok(!uri_host_normalise_opaque((Span) {long_name, URI_HOST_MAX_LENGTH + 1}, normal), "opaque host", "too long");
	ok(uri_host_normalise_opaque((Span) {long_name, URI_HOST_MAX_LENGTH}, normal), "opaque host", "longest");
	ok(!uri_host_normalise((Span) {"", 0}, normal), "host", "empty");
	ok(uri_host_normalise_opaque((Span) {"", 0}, normal) && normal[0] == '\0', "opaque host", "empty");
	ok(!uri_host_normalise((Span) {"a\0b", 3}, normal), "host", "NUL");
}

static void
test_loopback(void)
{
	ok(uri_loopback_matches("http://127.0.0.1/cb", "http://127.0.0.1:1/cb"), "loopback", "port added");
	ok(uri_loopback_matches("http://[::1]:1/cb", "http://[::1]/cb"), "loopback", "port left out");
	ok(!uri_loopback_matches("http://[::1]/cb", "http://127.0.0.1/cb"), "loopback", "another address");
	ok(!uri_loopback_matches("http://127.0.0.1/cb", "http://127.0.0.1:0/cb"), "loopback", "port 0");
	ok(!uri_loopback_matches("http://127.0.0.1/cb", "http://127.0.0.1:65536/cb"), "loopback", "port 65536");
	ok(!uri_loopback_matches("http://localhost/cb", "http://localhost:1/cb"), "loopback", "a name");
	ok(!uri_loopback_matches("http://127.0.0.1", "http://127.0.0.11"), "loopback", "a longer address");
	ok(!uri_loopback_matches("http://127.0.0.1", "http://127.0.0.1:1@evil.example"), "loopback", "a user name");
}

int
main(void)
{
	test_uris();
	test_lengths();
	test_hosts();
	test_loopback();

	printf("1..%d\n", test_count);
	return failure_count == 0 ? 0 : 1;
}
