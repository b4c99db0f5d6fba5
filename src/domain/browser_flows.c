/*-------------------------------------------------------------------------
 *
 * browser_flows.c
 *	  The flows of pages that one browser has open: the content of the cookie
 *	  "promotion".
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sodium.h>

#include "domain/browser_flows.h"
#include "jose/base64url.h"
#include "keyring/master_key.h"
#include "lib/stringinfo.h"

/* Between entries; base64url has no such character. */
#define SEPARATOR	'.'

/* Return true if one of our master keys, the current one or an older one, made the entry. */
static bool
read_entry(const char *text, size_t length, BrowserFlow *flow)
{
	const uint8 *key;
	int			i;

	for (i = 0; (key = master_key_derived(MASTER_KEY_BROWSER_FLOWS, i)) != NULL; i++)
		if (token_read_browser_flow(flow, key, text, length))
			return true;
	return false;
}

/* Add a flow at the end.  The oldest one makes room. */
static BrowserFlow *
append_flow(BrowserFlows *flows)
{
	if (flows->count == BROWSER_FLOWS_MAX)
	{
		flows->count--;
		memmove(flows->flows, flows->flows + 1, flows->count * sizeof(BrowserFlow));
	}
	return &flows->flows[flows->count++];
}

void
browser_flows_read(const char *cookie, TimestampTz now, BrowserFlows *flows)
{
	const char *next = cookie == NULL ? "" : cookie;

	flows->count = 0;
	while (*next != '\0')
	{
		size_t		length = strcspn(next, (char[]) {SEPARATOR, '\0'});
		BrowserFlow flow;

		if (read_entry(next, length, &flow) &&
			flow.started_at > now - PAGE_LIFETIME_SECONDS * USECS_PER_SEC)
			*append_flow(flows) = flow;
		next += length;
		if (*next == SEPARATOR)
			next++;
	}
}

char *
browser_flows_write(const BrowserFlows *flows)
{
	const uint8 *key = master_key_derived(MASTER_KEY_BROWSER_FLOWS, 0);
	char		entry[TOKEN_TEXT_SIZE];
	StringInfoData cookie;
	int			i;

	initStringInfo(&cookie);
	for (i = 0; i < flows->count; i++)
	{
		token_write_browser_flow(&flows->flows[i], key, entry);
		if (i > 0)
			appendStringInfoChar(&cookie, SEPARATOR);
		appendStringInfoString(&cookie, entry);
	}
	return cookie.data;
}

char *
browser_flows_begin(BrowserFlows *flows, TimestampTz now)
{
	BrowserFlow *flow = append_flow(flows);

	flow->finished = false;
	flow->started_at = now;
	randombytes_buf(flow->value, sizeof(flow->value));
	return browser_flows_proof(flow);
}

/* Replace a secret by its proof. */
static void
hash_secret(BrowserFlow *flow)
{
	uint8		hash[crypto_hash_sha256_BYTES];

	crypto_hash_sha256(hash, flow->value, sizeof(flow->value));
	memcpy(flow->value, hash, sizeof(flow->value));
}

char *
browser_flows_proof(const BrowserFlow *flow)
{
	BrowserFlow finished = *flow;
	char	   *proof = palloc0(BASE64URL_ENCODED_LENGTH(BROWSER_FLOW_SECRET_LENGTH) + 1);

	browser_flows_finish(&finished);
	base64url_encode(proof, finished.value, sizeof(finished.value));
	return proof;
}

void
browser_flows_finish(BrowserFlow *flow)
{
	if (!flow->finished)
		hash_secret(flow);
	flow->finished = true;
}
