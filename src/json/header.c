/*-------------------------------------------------------------------------
 *
 * header.c
 *	  Protected headers of JWS, the last few of which are kept parsed: all
 *	  tokens that a key signs have the same one.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "json/json.h"
#include "utils/memutils.h"

#define CACHE_SIZE	8

/* A longer one has a key in it, or certificates, and comes once. */
#define MAX_KEPT	256

static struct
{
	char	   *text;			/* in TopMemoryContext; NULL: free */
	size_t		length;
	Jsonb	   *header;
}			cache[CACHE_SIZE];
static int	next_victim = 0;

static void
keep(const Span *part, const Jsonb *header)
{
	char	   *text;
	Jsonb	   *copy;
	int			i = next_victim;

	if (part->length > MAX_KEPT)
		return;
	text = MemoryContextAlloc(TopMemoryContext, part->length);
	memcpy(text, part->data, part->length);
	copy = MemoryContextAlloc(TopMemoryContext, VARSIZE(header));
	memcpy(copy, header, VARSIZE(header));

	next_victim = (next_victim + 1) % CACHE_SIZE;
	if (cache[i].text != NULL)
	{
		pfree(cache[i].text);
		pfree(cache[i].header);
	}
	cache[i].text = text;
	cache[i].length = part->length;
	cache[i].header = copy;
}

static Jsonb *
find(const Span *part)
{
	Jsonb	   *copy;
	int			i;

	for (i = 0; i < CACHE_SIZE; i++)
		if (cache[i].text != NULL && cache[i].length == part->length &&
			memcmp(cache[i].text, part->data, part->length) == 0)
		{
			copy = palloc(VARSIZE(cache[i].header));
			memcpy(copy, cache[i].header, VARSIZE(cache[i].header));
			return copy;
		}
	return NULL;
}

Jsonb *
json_parse_encoded_object(const Span *part, const char **reason)
{
	size_t		length = BASE64URL_DECODED_MAX(part->length);
	char	   *decoded = palloc(length);
	JoseStatus	status = base64url_decode((uint8_t *) decoded, &length, part->data, part->length);
	Jsonb	   *object;

	if (status != JOSE_OK)
	{
		*reason = jose_status_message(status);
		return NULL;
	}
	object = json_parse_object(decoded, length, reason);
	pfree(decoded);
	return object;
}

Jsonb *
json_parse_header(const Span *part, const char **reason)
{
	Jsonb	   *header = find(part);

	if (header == NULL && (header = json_parse_encoded_object(part, reason)) != NULL)
		keep(part, header);
	return header;
}
