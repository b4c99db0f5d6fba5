/*-------------------------------------------------------------------------
 *
 * shared_address.c
 *	  Calls that a limit refused because many clients have one address: for doctor().
 *
 * The clients of an application server have its address unless it names theirs, and use
 * up a limit together.  The refusals are counted outside the transaction, because each
 * one is an error.  A counter with the number of refusals lives for a day from the first
 * one.  Another counter has the last address as its value, and its time of expiry tells
 * when that call was.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include "counters/counters.h"
#include "domain/client_address.h"
#include "domain/shared_address.h"
#include "port/pg_bswap.h"
#include "utils/fmgrprotos.h"

#define LIFETIME	USECS_PER_DAY
#define REFUSALS	"shared_address/refusals"

/* The counters of the last address of each kind. */
typedef enum AddressKind
{
	ADDRESS_UNKNOWN,
	ADDRESS_IPV4,
	ADDRESS_IPV6				/* the first 64 bits */
} AddressKind;

static const char *const last_address[] = {
	[ADDRESS_UNKNOWN] = "shared_address/unknown",
	[ADDRESS_IPV4] = "shared_address/ipv4",
	[ADDRESS_IPV6] = "shared_address/ipv6"
};

/* The opposite of unpack_address(); address is client_address_for_limits(). */
static AddressKind
pack_address(const char *address, int64 *value)
{
	char	   *host = pnstrdup(address, strcspn(address, "/"));
	struct in_addr ipv4;
	struct in6_addr ipv6;
	uint64		prefix;

	*value = 0;
	if (inet_pton(AF_INET, host, &ipv4) == 1)
	{
		*value = pg_ntoh32(ipv4.s_addr);
		return ADDRESS_IPV4;
	}
	if (inet_pton(AF_INET6, host, &ipv6) != 1)
		return ADDRESS_UNKNOWN;
	memcpy(&prefix, ipv6.s6_addr, sizeof(prefix));
	*value = (int64) pg_ntoh64(prefix);
	return ADDRESS_IPV6;
}

static inet *
unpack_address(AddressKind kind, int64 value)
{
	char		host[INET6_ADDRSTRLEN];
	struct in_addr ipv4 = {.s_addr = pg_hton32((uint32) value)};
	struct in6_addr ipv6 = {0};
	uint64		prefix = pg_hton64((uint64) value);
	char	   *text;

	memcpy(ipv6.s6_addr, &prefix, sizeof(prefix));
	if (kind == ADDRESS_UNKNOWN)
		return NULL;
	text = kind == ADDRESS_IPV4 ?
		pstrdup(inet_ntop(AF_INET, &ipv4, host, sizeof(host))) :
		psprintf("%s/64", inet_ntop(AF_INET6, &ipv6, host, sizeof(host)));
	return DatumGetInetPP(DirectFunctionCall1(inet_in, CStringGetDatum(text)));
}

bool
shared_address_refused(const char *address)
{
	int64		value;
	AddressKind kind;

	if (!client_address_is_shared())
		return false;
	kind = pack_address(address, &value);
	/* The counter of the address needs room, too: it comes first, and may raise AA018. */
	counter_set(last_address[kind], value, LIFETIME);
	(void) counter_increment(REFUSALS, LIFETIME, false);
	return true;
}

void
shared_address_report(SharedAddressReport *report)
{
	TimestampTz now = GetCurrentTimestamp();
	int64		left;
	int64		value;
	AddressKind kind;

	memset(report, 0, sizeof(*report));
	left = counter_get(REFUSALS, LIFETIME, &report->refusals);
	report->first = now - (LIFETIME - left);
	for (kind = ADDRESS_UNKNOWN; kind <= ADDRESS_IPV6; kind++)
	{
		left = counter_get(last_address[kind], LIFETIME, &value);
		if (left == 0 || now - (LIFETIME - left) <= report->last)
			continue;
		report->last = now - (LIFETIME - left);
		report->address = unpack_address(kind, value);
	}
}
