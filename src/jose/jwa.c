/*-------------------------------------------------------------------------
 *
 * jwa.c
 *	  Lookups in the table of algorithms (jwa.h).
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>

#include "jose/jwa.h"

#define ALGORITHM_ROW(constant, name, type, scheme, hash, length, tokens, devices, verify, proofs) \
	[JOSE_ALG_##constant] = {name, JOSE_KEY_##type, JOSE_##scheme, JOSE_##hash, \
	length, tokens, devices, verify, proofs},

static const JoseAlgInfo algorithms[JOSE_ALG_END] = {
	JOSE_ALGORITHMS(ALGORITHM_ROW)
};

#define SYNONYM_ROW(constant, name)	{name, JOSE_ALG_##constant},

static const struct
{
	const char *name;
	JoseAlg		alg;
}			synonyms[] = {
	JOSE_ALGORITHM_SYNONYMS(SYNONYM_ROW)
};

const JoseAlgInfo *
jose_alg_info(JoseAlg alg)
{
	size_t		i = (size_t) alg;

	if (i >= JOSE_ALG_END || algorithms[i].name == NULL)
		return NULL;
	return &algorithms[i];
}

JoseAlg
jose_alg_by_name(Span name)
{
	size_t		i;

	for (i = JOSE_ALG_UNKNOWN + 1; i < JOSE_ALG_END; i++)
	{
		if (span_equals(name, algorithms[i].name))
			return (JoseAlg) i;
	}
	for (i = 0; i < sizeof(synonyms) / sizeof(synonyms[0]); i++)
	{
		if (span_equals(name, synonyms[i].name))
			return synonyms[i].alg;
	}
	return JOSE_ALG_UNKNOWN;
}

const char *
jose_alg_name(JoseAlg alg)
{
	const JoseAlgInfo *info = jose_alg_info(alg);

	return info != NULL ? info->name : "unknown";
}

bool
jose_alg_is_symmetric(JoseAlg alg)
{
	const JoseAlgInfo *info = jose_alg_info(alg);

	return info != NULL && info->key_type == JOSE_KEY_OCT;
}

bool
jose_alg_is_for(JoseAlg alg, JoseUse use)
{
	const JoseAlgInfo *info = jose_alg_info(alg);

	if (info == NULL)
		return false;
	switch (use)
	{
		case JOSE_USE_SIGN_TOKENS:
			return info->signs_tokens;
		case JOSE_USE_MAKE_KEYS:
			return info->signs_tokens && info->key_type != JOSE_KEY_OCT;
		case JOSE_USE_DEVICE_KEYS:
			return info->for_device_keys;
		case JOSE_USE_VERIFY:
			return info->verifies;
		case JOSE_USE_PROOFS:
			return info->for_proofs;
	}
	return false;
}

const char *
jose_alg_list(JoseUse use, const char *conjunction, const char *quote,
			  char buffer[JOSE_ALG_LIST_SIZE])
{
	JoseAlg		last = JOSE_ALG_UNKNOWN;
	size_t		length = 0;
	size_t		i;

	for (i = JOSE_ALG_UNKNOWN + 1; i < JOSE_ALG_END; i++)
		if (jose_alg_is_for((JoseAlg) i, use))
			last = (JoseAlg) i;

	/* All names with quotes fit, so that snprintf() never cuts the list off. */
	buffer[0] = '\0';
	if (quote == NULL)
		quote = "";
	for (i = JOSE_ALG_UNKNOWN + 1; i <= (size_t) last && length < JOSE_ALG_LIST_SIZE; i++)
	{
		const char *separator = (JoseAlg) i == last ? conjunction : ", ";

		if (jose_alg_is_for((JoseAlg) i, use))
			length += (size_t) snprintf(buffer + length, JOSE_ALG_LIST_SIZE - length, "%s%s%s%s",
										length == 0 ? "" : separator, quote,
										algorithms[i].name, quote);
	}
	return buffer;
}
