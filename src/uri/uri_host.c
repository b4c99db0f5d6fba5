/*-------------------------------------------------------------------------
 *
 * uri_host.c
 *	  The normal form of the host in a URI.
 *
 * The rules are those of the URL Standard.  Additionally, a domain name has no
 * empty label, no label of more than 63 characters, and only letters, digits,
 * hyphens and underscores.  So a host can always be named in a Content Security
 * Policy, except for IPv6 addresses.
 *
 * The UIDNA object of ICU is opened at first use and kept until the process ends.
 *
 *-------------------------------------------------------------------------
 */
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <unicode/uidna.h>

#include "uri/uri_host.h"

#define DIGITS				"0123456789"
#define HOST_CHARACTERS		"abcdefghijklmnopqrstuvwxyz" DIGITS "-._"
#define OPAQUE_CHARACTERS	HOST_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZ~"

#define UTS46_OPTIONS		(UIDNA_CHECK_BIDI | UIDNA_CHECK_CONTEXTJ | \
							 UIDNA_NONTRANSITIONAL_TO_ASCII)

/* Browsers accept hyphens in every place. */
#define IGNORED_ERRORS		(UIDNA_ERROR_LEADING_HYPHEN | UIDNA_ERROR_TRAILING_HYPHEN | \
							 UIDNA_ERROR_HYPHEN_3_4)

/* ---- IP addresses ---- */

/* Find the longest run of at least two groups of zero; *length is 0 without one. */
static void
find_zeros(const uint16_t groups[8], int *begin, int *length)
{
	int			i;
	int			run = 0;

	*begin = *length = 0;
	for (i = 0; i < 8; i++)
	{
		run = groups[i] == 0 ? run + 1 : 0;
		if (run > *length)
		{
			*length = run;
			*begin = i - run + 1;
		}
	}
	if (*length < 2)
		*length = 0;
}

/* inet_ntop() cannot be used: it writes some addresses with an embedded IPv4. */
static void
write_ipv6(const uint8_t bytes[16], char normal[URI_HOST_SIZE])
{
	uint16_t	groups[8];
	size_t		used = 0;
	int			begin;
	int			length;
	int			i;

	for (i = 0; i < 8; i++)
		groups[i] = (uint16_t) (bytes[2 * i] << 8 | bytes[2 * i + 1]);
	find_zeros(groups, &begin, &length);
	normal[used++] = '[';
	for (i = 0; i < 8; i++)
	{
		if (length > 0 && i == begin)
		{
			normal[used++] = ':';
			if (i == 0)
				normal[used++] = ':';
			i += length - 1;
			continue;
		}
		used += (size_t) snprintf(normal + used, URI_HOST_SIZE - used, "%x%s", groups[i],
								  i < 7 ? ":" : "");
	}
	normal[used++] = ']';
	normal[used] = '\0';
}

/* Convert an address in brackets. */
static bool
normalise_ipv6(Span host, char normal[URI_HOST_SIZE])
{
	char		text[INET6_ADDRSTRLEN];
	uint8_t		bytes[16];
	size_t		length = host.length - 2;

	if (host.length < 2 || host.data[host.length - 1] != ']' || length >= sizeof(text))
		return false;
	memcpy(text, host.data + 1, length);
	text[length] = '\0';
	if (inet_pton(AF_INET6, text, bytes) != 1)
		return false;
	write_ipv6(bytes, normal);
	return true;
}

/* Return whether browsers read a name in lower case as an IPv4 address. */
static bool
ends_in_number(const char *name)
{
	const char *label = strrchr(name, '.');
	size_t		length;

	label = label == NULL ? name : label + 1;
	length = strlen(label);
	if (length > 0 && strspn(label, DIGITS) == length)
		return true;
	return strncmp(label, "0x", 2) == 0 && strspn(label + 2, DIGITS "abcdef") == length - 2;
}

/* inet_aton() reads octal and hexadecimal numbers and less than four, as browsers do. */
static bool
normalise_ipv4(char normal[URI_HOST_SIZE])
{
	struct in_addr address;

	return inet_aton(normal, &address) != 0 &&
		inet_ntop(AF_INET, &address, normal, URI_HOST_SIZE) != NULL;
}

/* ---- domain names ---- */

static const UIDNA *
get_uts46(void)
{
	static UIDNA *uts46 = NULL;

	if (uts46 == NULL)
	{
		UErrorCode	status = U_ZERO_ERROR;
		UIDNA	   *opened = uidna_openUTS46(UTS46_OPTIONS, &status);

		if (U_SUCCESS(status))
			uts46 = opened;
	}
	return uts46;
}

static bool
normalise_name(Span host, char normal[URI_HOST_SIZE])
{
	const UIDNA *uts46 = get_uts46();
	UIDNAInfo	info = UIDNA_INFO_INITIALIZER;
	UErrorCode	status = U_ZERO_ERROR;
	int32_t		length;

	if (uts46 == NULL)
		return false;
	length = uidna_nameToASCII_UTF8(uts46, host.data, (int32_t) host.length, normal,
									URI_HOST_SIZE, &info, &status);
	if (U_FAILURE(status) || (info.errors & ~(uint32_t) IGNORED_ERRORS) != 0 ||
		length > URI_HOST_MAX_LENGTH)
		return false;
	if (length > 0 && normal[length - 1] == '.')
		length--;
	normal[length] = '\0';
	return length > 0 && strspn(normal, HOST_CHARACTERS) == (size_t) length &&
		normal[length - 1] != '.';
}

bool
uri_host_normalise(Span host, char normal[URI_HOST_SIZE])
{
	if (host.length > 0 && host.data[0] == '[')
		return normalise_ipv6(host, normal);
	if (!normalise_name(host, normal))
		return false;
	return !ends_in_number(normal) || normalise_ipv4(normal);
}

bool
uri_host_normalise_opaque(Span host, char normal[URI_HOST_SIZE])
{
	if (host.length > 0 && host.data[0] == '[')
		return normalise_ipv6(host, normal);
	if (host.length > URI_HOST_MAX_LENGTH)
		return false;
	memcpy(normal, host.data, host.length);
	normal[host.length] = '\0';
	return strspn(normal, OPAQUE_CHARACTERS) == host.length;
}
