/*-------------------------------------------------------------------------
 *
 * new_device_key.c
 *	  Registration of the key that a request has brought along.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "domain/challenge.h"
#include "domain/new_device_key.h"
#include "jose/jwa.h"
#include "jose/key.h"
#include "json/json_write.h"
#include "keyring/jose_check.h"
#include "keyring/public_key.h"

/* Return only the public members of a key, in one form, whatever else the device sent. */
static Jsonb *
canonical_jwk(Jsonb *jwk)
{
	const char *reason;
	const JoseKey *key = public_key_get(jwk, &reason);
	char		json[JOSE_MAX_PUBLIC_JWK_LENGTH + 1];
	size_t		length = JOSE_MAX_PUBLIC_JWK_LENGTH;

	if (key == NULL)
		elog(ERROR, "device key was accepted when it was parsed, but not now");
	jose_check_internal(jose_key_public_jwk(key, json, &length));
	json[length] = '\0';
	return json_to_jsonb(json);
}

void
new_device_key_init(const RequestJwt *request, const pg_uuid_t *user_id, TimestampTz now,
					DeviceKey *key)
{
	memset(key, 0, sizeof(DeviceKey));
	key->kid = request->kid;
	key->thumbprint = request->thumbprint;
	key->user_id = *user_id;
	key->alg = (char *) jose_alg_name(request->alg);
	key->jwk = canonical_jwk(request->jwk);
	key->used_challenges = challenge_use(NULL, &request->challenge, now);
}

/*
 * If the key belonged to another user before, refuse a request that was used then,
 * and take over the challenges that were used.  This comes after the insertion of
 * the key: from then on, no other transaction can remove it.
 */
static void
take_over_challenges(const RequestJwt *request, const DeviceKey *key, TimestampTz now)
{
	bytea	   *removed = device_keys_removed_challenges(key);

	if (removed != NULL)
		device_keys_replace_challenges(key, challenge_use(removed, &request->challenge, now), now);
}

bool
new_device_key_insert(const RequestJwt *request, const DeviceKey *key, TimestampTz now)
{
	if (!device_keys_insert(key, now))
		return false;
	take_over_challenges(request, key, now);
	return true;
}
