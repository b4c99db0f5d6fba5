/*-------------------------------------------------------------------------
 *
 * jwt_functions.c
 *	  sign_jwt(), verify_jwt(), jws_verify(), jwk_thumbprint()
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "api/api.h"
#include "base/raise.h"
#include "base/span.h"
#include "catalog/pg_type.h"
#include "domain/own_jwt.h"
#include "jose/base64url.h"
#include "jose/jose_status.h"
#include "jose/jwa.h"
#include "jose/jwk_members.h"
#include "jose/jws.h"
#include "jose/key.h"
#include "json/json_parse.h"
#include "json/json_read.h"
#include "json/json_write.h"
#include "json/jwk.h"
#include "keyring/public_key.h"
#include "utils/array.h"

/*
 * Raise 22023 unless the times in the claims are numbers: verify_jwt() refuses any
 * other (RFC 7519, section 4.1).
 */
static void
check_times(const Jsonb *claims)
{
	static const char *const names[] = {"exp", "nbf"};
	int64		seconds;
	int			i;

	for (i = 0; i < lengthof(names); i++)
		if (json_member(claims, names[i]) != NULL &&
			!json_numeric_date(claims, names[i], &seconds))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("claim \"%s\" is not a time", names[i]),
					 errhint("Give it in seconds since 1970, as a number.")));
}

PG_FUNCTION_INFO_V1(anon_auth_sign_jwt);
Datum
anon_auth_sign_jwt(PG_FUNCTION_ARGS)
{
	Jsonb	   *claims = api_jsonb(fcinfo, 0);
	char	   *payload;
	const char *reason;
	char	   *typ = api_required_text(fcinfo, 2, "typ");

	if (claims == NULL)
		raise_required("claims");
	if (!JB_ROOT_IS_OBJECT(claims))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("claims must be a JSON object")));
	check_times(claims);
	payload = json_from_jsonb(claims);
	reason = own_jwt_claims_problem(payload, strlen(payload));
	if (reason != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("verify_jwt() would refuse a token with these claims"),
				 errdetail("The claims are refused: %s.", reason)));
	PG_RETURN_TEXT_P(cstring_to_text(own_jwt_sign(payload, strlen(payload),
												  api_text(fcinfo, 1), typ)));
}

PG_FUNCTION_INFO_V1(anon_auth_verify_jwt);
Datum
anon_auth_verify_jwt(PG_FUNCTION_ARGS)
{
	Span		token = api_token(fcinfo, 0, "token");
	char	   *audience = api_text(fcinfo, 1);
	OwnJwt		jwt;

	own_jwt_authenticate(token.data, token.length, &jwt);
	own_jwt_check_claims(&jwt, audience, GetCurrentTimestamp());
	PG_RETURN_JSONB_P(jwt.claims);
}

/* The key of a JWK that a caller passed; raises 22023 for NULL and AA016. */
static const JoseKey *
get_public_key(Jsonb *jwk)
{
	const char *reason;
	const JoseKey *key;

	if (jwk == NULL)
		raise_required("jwk");
	key = public_key_get(jwk, &reason);
	if (key == NULL)
		raise_invalid_jwk(reason);
	return key;
}

/* True if the list has alg; raises 22023 if it has an unknown algorithm. */
static bool
alg_is_listed(ArrayType *algorithms, JoseAlg alg)
{
	Datum	   *items;
	bool	   *nulls;
	int			count;
	int			i;
	bool		listed = false;

	deconstruct_array(algorithms, TEXTOID, -1, false, TYPALIGN_INT, &items, &nulls, &count);
	for (i = 0; i < count; i++)
	{
		char	   *name = nulls[i] ? "" : TextDatumGetCString(items[i]);
		Span		span = {name, strlen(name)};
		JoseAlg		item = jose_alg_by_name(span);

		if (item == JOSE_ALG_UNKNOWN)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("unknown algorithm \"%s\"", name)));
		listed = listed || item == alg;
	}
	return listed;
}

/* Read the algorithm of a protected header; false if the header is unusable. */
static bool
read_header_alg(const JoseCompact *parts, JoseAlg *alg)
{
	const char *reason;
	Jsonb	   *header = json_parse_header(&parts->header, &reason);
	Span		name;

	if (header == NULL || json_member(header, "crit") != NULL ||
		!json_string(header, "alg", &name))
		return false;
	*alg = jose_alg_by_name(name);
	return jose_alg_is_for(*alg, JOSE_USE_VERIFY);
}

PG_FUNCTION_INFO_V1(anon_auth_jws_verify);
Datum
anon_auth_jws_verify(PG_FUNCTION_ARGS)
{
	Jsonb	   *jwk = api_jsonb(fcinfo, 1);
	const JoseKey *key = get_public_key(jwk);
	Span		token;
	JoseCompact parts;
	JoseAlg		alg = JOSE_ALG_UNKNOWN;
	bool		good;

	/* Check the list even if the token is malformed: an error in it is the caller's. */
	good = !PG_ARGISNULL(0);
	if (good)
	{
		token = api_token(fcinfo, 0, "token");
		good = jose_compact_split(token.data, token.length, &parts) == JOSE_OK &&
			read_header_alg(&parts, &alg);
	}
	if (!PG_ARGISNULL(2) && !alg_is_listed(PG_GETARG_ARRAYTYPE_P(2), alg))
		good = false;
	PG_RETURN_BOOL(good && public_key_verify(key, jwk, alg, &parts) == JOSE_OK);
}

PG_FUNCTION_INFO_V1(anon_auth_jwk_thumbprint);
Datum
anon_auth_jwk_thumbprint(PG_FUNCTION_ARGS)
{
	Jsonb	   *jwk = PG_GETARG_JSONB_P(0);
	JoseJwk		members;
	JoseKey    *key = NULL;
	uint8_t		thumbprint[JOSE_THUMBPRINT_LENGTH];
	char		text[BASE64URL_ENCODED_LENGTH(JOSE_THUMBPRINT_LENGTH)];
	const char *reason = jwk_from_jsonb(jwk, &members);
	JoseStatus	status;

	if (reason == NULL)
	{
		status = jose_key_import(&members, &key);
		if (status == JOSE_OK)
			status = jose_key_thumbprint(key, thumbprint);
		jose_key_free(key);
		if (status != JOSE_OK)
			reason = jose_status_message(status);
	}
	if (reason != NULL)
		raise_invalid_jwk(reason);
	base64url_encode(text, thumbprint, sizeof(thumbprint));
	PG_RETURN_TEXT_P(cstring_to_text_with_len(text, sizeof(text)));
}
