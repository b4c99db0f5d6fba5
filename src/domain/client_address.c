/*-------------------------------------------------------------------------
 *
 * client_address.c
 *	  The address that a request comes from, for the limits by address and for the list
 *	  of a user's sessions.
 *
 * An application server states the address of its user (use_client_address()).
 *
 * A client can send any X-Forwarded-For, but each proxy appends an entry to it.
 * The last entry was written by the proxy that talks to PostgREST, the entry before
 * by the proxy before that one.  settings.trusted_proxy_hops says how many proxies
 * are trusted, so the entry at that place from the end is the client's address.
 *
 * A limit must hold for everybody: a request whose address cannot be told is
 * counted with all others of its kind, and headers that cannot be read are an
 * error.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include "base/guc.h"
#include "domain/client_address.h"
#include "fmgr.h"
#include "json/json_read.h"
#include "json/json_setting.h"
#include "store/settings.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/inet.h"

/*
 * Return an address in one form, or NULL if the text is no address.  An IPv4 address
 * in the form of IPv6 becomes IPv4.
 */
static char *
canonical_address(const char *text)
{
	struct in_addr ipv4;
	struct in6_addr ipv6;
	char		canonical[INET6_ADDRSTRLEN];

	if (inet_pton(AF_INET, text, &ipv4) == 1)
		return pstrdup(inet_ntop(AF_INET, &ipv4, canonical, sizeof(canonical)));
	if (inet_pton(AF_INET6, text, &ipv6) != 1)
		return NULL;
	if (IN6_IS_ADDR_V4MAPPED(&ipv6))
		return pstrdup(inet_ntop(AF_INET, &ipv6.s6_addr[12], canonical, sizeof(canonical)));
	return pstrdup(inet_ntop(AF_INET6, &ipv6, canonical, sizeof(canonical)));
}

/* Return the text of an address without the length of a prefix, in one form. */
static char *
address_of_inet(Datum address)
{
	return canonical_address(TextDatumGetCString(DirectFunctionCall1(network_host, address)));
}

/*
 * Return the address of an entry of X-Forwarded-For, or NULL.  Proxies write
 * "1.2.3.4", "1.2.3.4:56", "1::2" or "[1::2]:34", with spaces around it.
 */
static char *
parse_entry(const char *entry, size_t length)
{
	char	   *text;
	char	   *end;

	while (length > 0 && (*entry == ' ' || *entry == '\t'))
		entry++, length--;
	while (length > 0 && (entry[length - 1] == ' ' || entry[length - 1] == '\t'))
		length--;
	text = pnstrdup(entry, length);
	if (text[0] == '[' && (end = strchr(text, ']')) != NULL)
	{
		*end = '\0';
		return canonical_address(text + 1);
	}
	end = strchr(text, ':');
	if (end != NULL && strchr(end + 1, ':') == NULL)
		*end = '\0';
	return canonical_address(text);
}

/* Return the entry at a place from the end of the list, 1 being the last; or NULL. */
static char *
forwarded_address(const char *list, int hops)
{
	const char *end = list + strlen(list);
	const char *begin;

	for (;;)
	{
		for (begin = end; begin > list && begin[-1] != ',';)
			begin--;
		if (--hops == 0)
			return parse_entry(begin, end - begin);
		if (begin == list)
			return NULL;
		end = begin - 1;
	}
}

/* Return NULL for a Unix socket, and for a process without a client. */
static char *
connection_address(void)
{
	LOCAL_FCINFO(fcinfo, 0);
	Datum		address;

	InitFunctionCallInfoData(*fcinfo, NULL, 0, InvalidOid, NULL, NULL);
	address = inet_client_addr(fcinfo);
	return fcinfo->isnull ? NULL : address_of_inet(address);
}

/*
 * Return the address that the application or a trusted proxy names, or NULL.  A request
 * that did not pass all trusted proxies has no entry at that place in the list.
 */
static char *
named_address(void)
{
	const char *stated = guc_client_address();
	int			hops = settings_get()->trusted_proxy_hops;
	Jsonb	   *headers;
	char	   *list;

	if (stated[0] != '\0')
		return pstrdup(stated);
	if (hops == 0)
		return NULL;
	headers = json_setting_of_strings("request.headers", ERRCODE_INVALID_PARAMETER_VALUE);
	if (headers == NULL || (list = json_cstring(headers, "x-forwarded-for")) == NULL)
		return NULL;
	return forwarded_address(list, hops);
}

static char *
full_address(void)
{
	char	   *address = named_address();

	return address != NULL ? address : connection_address();
}

void
client_address_use(const inet *address, bool is_local)
{
	if (ip_bits(address) != ip_maxbits(address))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("address must be the address of a host, not a network")));
	guc_set_client_address(address_of_inet(InetPGetDatum(address)), is_local);
}

/*
 * An IPv6 subscriber has at least a /64 and can use another address for each
 * request, so the network counts.
 */
char *
client_address_for_limits(void)
{
	char	   *address = full_address();
	char		text[INET6_ADDRSTRLEN];
	struct in6_addr ipv6;

	if (address == NULL)
		return settings_get()->trusted_proxy_hops == 0 ? NULL : pstrdup(CLIENT_ADDRESS_UNKNOWN);
	if (inet_pton(AF_INET6, address, &ipv6) != 1)
		return address;
	memset(&ipv6.s6_addr[8], 0, 8);
	return psprintf("%s/64", inet_ntop(AF_INET6, &ipv6, text, sizeof(text)));
}

inet *
client_address_in_full(void)
{
	char	   *address = full_address();

	return address == NULL ? NULL :
		DatumGetInetPP(DirectFunctionCall1(inet_in, CStringGetDatum(address)));
}

bool
client_address_is_shared(void)
{
	return named_address() == NULL;
}

char *
client_address_network(const char *address, int prefix_length)
{
	char		text[INET6_ADDRSTRLEN];
	const char *slash = strchr(address, '/');
	struct in6_addr network;
	struct in6_addr prefix = {0};

	if (slash == NULL || inet_pton(AF_INET6, pnstrdup(address, slash - address), &network) != 1)
		return NULL;
	memcpy(prefix.s6_addr, network.s6_addr, prefix_length / 8);
	return psprintf("%s/%d", inet_ntop(AF_INET6, &prefix, text, sizeof(text)), prefix_length);
}
