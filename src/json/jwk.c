/*-------------------------------------------------------------------------
 *
 * jwk.c
 *	  Reading a JWK from jsonb.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "json/json_read.h"
#include "json/jwk.h"

const char *
jwk_from_jsonb(const Jsonb *object, JoseJwk *jwk)
{
	const struct
	{
		const char *name;
		Span	   *span;
	}			members[] = {
		{"kty", &jwk->kty}, {"crv", &jwk->crv}, {"x", &jwk->x}, {"y", &jwk->y},
		{"n", &jwk->n}, {"e", &jwk->e}, {"d", &jwk->d}, {"p", &jwk->p},
		{"q", &jwk->q}, {"dp", &jwk->dp}, {"dq", &jwk->dq}, {"qi", &jwk->qi},
		{"k", &jwk->k}
	};
	int			i;

	memset(jwk, 0, sizeof(JoseJwk));
	if (!JB_ROOT_IS_OBJECT(object))
		return "a JWK must be a JSON object";
	for (i = 0; i < lengthof(members); i++)
	{
		if (json_member(object, members[i].name) == NULL)
			continue;
		if (!json_string(object, members[i].name, members[i].span))
			return psprintf("member \"%s\" of the JWK must be a string", members[i].name);
	}
	if (jwk->kty.data == NULL)
		return "the JWK has no \"kty\"";
	return NULL;
}

bool
jwk_is_for_alg(const Jsonb *object, JoseAlg alg)
{
	Span		name;

	if (json_member(object, "alg") == NULL)
		return true;
	return alg != JOSE_ALG_UNKNOWN && json_string(object, "alg", &name) &&
		jose_alg_by_name(name) == alg;
}
