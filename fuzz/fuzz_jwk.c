/*-------------------------------------------------------------------------
 *
 * fuzz_jwk.c
 *	  The input is the members of a JWK, a line "name value" each.
 *
 * Properties: the public form of an accepted key is accepted and has the same
 * thumbprint; the key verifies its own signatures, and only with its own
 * algorithms; its private part, as it is stored sealed, results in the same key.
 *
 *-------------------------------------------------------------------------
 */
#include <openssl/err.h>

#include "fuzz.h"

/* A larger RSA key takes a second to generate, and the generation is not fuzzed. */
#define MAX_RSA_N	400

/* Store the value of a line in the member that it names. */
static void
take_line(JoseJwk *jwk, const char *line, size_t length)
{
	static const struct
	{
		const char *name;
		size_t		offset;
	}			members[] = {
		{"kty ", offsetof(JoseJwk, kty)}, {"crv ", offsetof(JoseJwk, crv)},
		{"x ", offsetof(JoseJwk, x)}, {"y ", offsetof(JoseJwk, y)},
		{"n ", offsetof(JoseJwk, n)}, {"e ", offsetof(JoseJwk, e)},
		{"dp ", offsetof(JoseJwk, dp)}, {"dq ", offsetof(JoseJwk, dq)},
		{"qi ", offsetof(JoseJwk, qi)}, {"d ", offsetof(JoseJwk, d)},
		{"p ", offsetof(JoseJwk, p)}, {"q ", offsetof(JoseJwk, q)},
		{"k ", offsetof(JoseJwk, k)}
	};
	size_t		i;

	for (i = 0; i < sizeof(members) / sizeof(members[0]); i++)
	{
		size_t		name = strlen(members[i].name);

		if (length >= name && memcmp(line, members[i].name, name) == 0)
		{
			*(Span *) ((char *) jwk + members[i].offset) =
				(Span) {line + name, length - name};
			return;
		}
	}
}

static JoseJwk
read_jwk(const char *text, size_t length)
{
	JoseJwk		jwk = {0};

	while (length > 0)
	{
		const char *end = memchr(text, '\n', length);
		size_t		line = end != NULL ? (size_t) (end - text) : length;

		take_line(&jwk, text, line);
		if (end == NULL)
			break;
		length -= line + 1;
		text = end + 1;
	}
	return jwk;
}

/* Return a string member of the JSON text that jose_key_public_jwk() wrote. */
static Span
member(const char *json, size_t length, const char *name)
{
	char		pattern[16];
	const char *found;
	const char *end;

	snprintf(pattern, sizeof(pattern), "\"%s\":\"", name);
	found = memmem(json, length, pattern, strlen(pattern));
	if (found == NULL)
		return (Span) {NULL, 0};
	found += strlen(pattern);
	end = memchr(found, '"', length - (size_t) (found - json));
	MUST(end != NULL);
	return (Span) {found, (size_t) (end - found)};
}

static void
check_signing(const JoseKey *key)
{
	static const uint8_t message[] = "message";
	uint8_t		signature[JOSE_MAX_SIGNATURE_LENGTH];
	int			alg;

	for (alg = JOSE_ALG_UNKNOWN + 1; alg < JOSE_ALG_END; alg++)
	{
		size_t		length = sizeof(signature);
		JoseStatus	status = jose_sign(key, (JoseAlg) alg, message, sizeof(message),
									   signature, &length);

		if (!jose_key_allows(key, (JoseAlg) alg))
		{
			MUST(status == JOSE_ALG_MISMATCH);
			MUST(jose_verify(key, (JoseAlg) alg, message, sizeof(message),
							 signature, 64) == JOSE_ALG_MISMATCH);
			continue;
		}
		if (!jose_key_can_sign(key))
		{
			MUST(status == JOSE_KEY_NOT_PRIVATE);
			continue;
		}
		MUST(status == JOSE_OK);
		MUST(jose_verify(key, (JoseAlg) alg, message, sizeof(message),
						 signature, length) == JOSE_OK);
		signature[length / 2] ^= 1;
		MUST(jose_verify(key, (JoseAlg) alg, message, sizeof(message),
						 signature, length) == JOSE_BAD_SIGNATURE);
	}
}

static void
check_copies(const JoseKey *key)
{
	char		json[JOSE_MAX_PUBLIC_JWK_LENGTH];
	size_t		json_length = sizeof(json);
	uint8_t		thumbprint[JOSE_THUMBPRINT_LENGTH];
	uint8_t		again[JOSE_THUMBPRINT_LENGTH];
	JoseJwk		public_jwk = {0};
	JoseKey    *copy;

	MUST(jose_key_public_jwk(key, json, &json_length) == JOSE_OK);
	MUST(jose_key_thumbprint(key, thumbprint) == JOSE_OK);
	public_jwk.kty = member(json, json_length, "kty");
	public_jwk.crv = member(json, json_length, "crv");
	public_jwk.x = member(json, json_length, "x");
	public_jwk.y = member(json, json_length, "y");
	public_jwk.n = member(json, json_length, "n");
	public_jwk.e = member(json, json_length, "e");
	public_jwk.k = member(json, json_length, "k");
	MUST(jose_key_import(&public_jwk, &copy) == JOSE_OK);
	MUST(jose_key_can_sign(copy) == jose_key_is_symmetric(key));
	MUST(jose_key_thumbprint(copy, again) == JOSE_OK);
	MUST(memcmp(thumbprint, again, sizeof(again)) == 0);
	jose_key_free(copy);

	if (jose_key_can_sign(key))
	{
		static uint8_t private[JOSE_MAX_PRIVATE_LENGTH];
		size_t		length = sizeof(private);

		if (jose_key_is_symmetric(key))
			public_jwk.k = (Span) {NULL, 0};
		MUST(jose_key_export_private(key, private, &length) == JOSE_OK);
		MUST(jose_key_import_private(&public_jwk, private, length, &copy) == JOSE_OK);
		MUST(jose_key_can_sign(copy));
		MUST(jose_key_thumbprint(copy, again) == JOSE_OK);
		MUST(memcmp(thumbprint, again, sizeof(again)) == 0);
		jose_key_free(copy);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	JoseJwk		jwk = read_jwk((const char *) data, size);
	JoseKey    *key = (JoseKey *) &jwk;
	JoseStatus	status;

	if (jwk.n.length > MAX_RSA_N)
		return 0;
	status = jose_key_import(&jwk, &key);
	if (status == JOSE_OK)
	{
		check_copies(key);
		check_signing(key);
		jose_key_free(key);
	}
	else
		MUST(key == NULL);
	MUST(ERR_peek_error() == 0);
	return 0;
}
