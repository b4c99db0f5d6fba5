/*-------------------------------------------------------------------------
 *
 * passkey_response.c
 *	  What a browser sends for a passkey.
 *
 * The checks follow WebAuthn Level 3, sections 7.1 and 7.2, and are stricter where it
 * leaves a choice: responses from frames of other sites are refused, a get() without
 * a user handle too, and CBOR has one form.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sodium.h>

#include "base/limits.h"
#include "domain/passkey_challenge.h"
#include "domain/passkey_policy.h"
#include "domain/passkey_response.h"
#include "jose/base64url.h"
#include "json/json_parse.h"
#include "json/json_read.h"
#include "json/json_write.h"
#include "json/raise_json.h"
#include "keyring/public_key.h"
#include "utils/builtins.h"
#include "webauthn/assertion.h"

/* ---- members of the JSON ---- */

pg_noreturn static void
raise_malformed(const char *description)
{
	raise_invalid_passkey(PASSKEY_MALFORMED, description);
}

/* The bytes of a member in base64url, palloc'd.  They are absent if the member is. */
static Span
get_bytes(const Jsonb *object, const char *name)
{
	Span		text;
	Span		bytes = {0};
	size_t		length;
	char	   *decoded;

	if (json_member(object, name) == NULL)
		return bytes;
	if (!json_string(object, name, &text))
		raise_malformed(psprintf("The member \"%s\" is no string.", name));
	length = BASE64URL_DECODED_MAX(text.length);
	decoded = palloc(length + 1);
	if (base64url_decode((uint8 *) decoded, &length, text.data, text.length) != JOSE_OK)
		raise_malformed(psprintf("The member \"%s\" is not base64url.", name));
	return (Span) {decoded, length};
}

static Span
get_required_bytes(const Jsonb *object, const char *name)
{
	Span		bytes = get_bytes(object, name);

	if (bytes.data == NULL || bytes.length == 0)
		raise_malformed(psprintf("The member \"%s\" is missing.", name));
	return bytes;
}

/* The texts of a member that is an array.  Those that are no name of a transport are left out. */
static StringList
get_transports(const Jsonb *object)
{
	const JsonbValue *array = json_member(object, "transports");
	StringList	list = {0};
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	value;

	if (array == NULL || array->type != jbvBinary ||
		!JsonContainerIsArray(array->val.binary.data))
		return list;
	iterator = JsonbIteratorInit(array->val.binary.data);
	while (list.count < PASSKEY_TRANSPORTS_MAX &&
		   (token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		char	   *name;

		if (token != WJB_ELEM || value.type != jbvString || value.val.string.len == 0 ||
			value.val.string.len > PASSKEY_TRANSPORT_MAX_LENGTH)
			continue;
		name = pnstrdup(value.val.string.val, value.val.string.len);
		if (strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") != strlen(name))
			continue;
		if (list.items == NULL)
			list.items = palloc(sizeof(char *) * PASSKEY_TRANSPORTS_MAX);
		list.items[list.count++] = name;
	}
	return list;
}

/* ---- client data ---- */

/*
 * Check the origin.  A page of another site must not get at the passkeys of its visitors,
 * even if a browser allows it to show ours in a frame.
 */
static void
check_origin(const Jsonb *client_data, const PasskeyPolicy *policy)
{
	char	   *origin = json_cstring(client_data, "origin");
	JsonbValue *cross_origin = json_member(client_data, "crossOrigin");

	if (origin == NULL || !string_list_contains(&policy->passkey_origins, origin))
		raise_invalid_passkey(PASSKEY_ORIGIN, NULL);
	if (json_member(client_data, "topOrigin") != NULL ||
		(cross_origin != NULL && (cross_origin->type != jbvBool || cross_origin->val.boolean)))
		raise_invalid_passkey(PASSKEY_CROSS_ORIGIN, NULL);
}

static void
check_client_data(const PasskeyPolicy *policy, TimestampTz now, PasskeyResponse *response)
{
	const char *problem;
	Jsonb	   *json = json_parse_object(response->client_data.data, response->client_data.length,
										 &problem);
	Span		challenge;

	if (json == NULL)
		raise_malformed("The member \"clientDataJSON\" is no JSON object.");
	if (!json_string_equals(json, "type", response->creates ? "webauthn.create" : "webauthn.get"))
		raise_invalid_passkey(PASSKEY_TYPE, NULL);
	if (!json_string(json, "challenge", &challenge))
		raise_malformed("The client data have no challenge.");
	problem = passkey_challenge_problem(challenge, now, &response->challenge);
	if (problem != NULL)
		raise_invalid_passkey(PASSKEY_CHALLENGE, problem);
	if ((response->challenge.challenge.purpose == CHALLENGE_PASSKEY_LOGIN) == response->creates)
		raise_invalid_passkey(PASSKEY_CHALLENGE, "The challenge was issued for another purpose.");
	check_origin(json, policy);
}

/* Return the member "response", or NULL if it is no object. */
static Jsonb *
inner_object(const Jsonb *json)
{
	Jsonb	   *inner = json_container(json_member(json, "response"));

	return inner != NULL && JB_ROOT_IS_OBJECT(inner) ? inner : NULL;
}

bool
passkey_response_creates(const Jsonb *json)
{
	Jsonb	   *response = inner_object(json);

	return response != NULL && json_member(response, "attestationObject") != NULL;
}

/* Find the challenge in the client data of a response.  Return false if it has none of ours. */
static bool
read_challenge(Span client_data, PasskeyChallenge *challenge)
{
	size_t		length = BASE64URL_DECODED_MAX(client_data.length);
	char	   *decoded = palloc(length + 1);
	const char *problem;
	Jsonb	   *json;
	Span		text;

	if (base64url_decode((uint8 *) decoded, &length, client_data.data,
						 client_data.length) != JOSE_OK)
		return false;
	json = json_parse_object(decoded, length, &problem);
	return json != NULL && json_string(json, "challenge", &text) &&
		passkey_challenge_read(text, challenge);
}

bool
passkey_response_user(const Jsonb *json, pg_uuid_t *user_id)
{
	Jsonb	   *response = inner_object(json);
	Span		client_data;
	PasskeyChallenge challenge;

	if (response == NULL || !json_string(response, "clientDataJSON", &client_data) ||
		!read_challenge(client_data, &challenge) ||
		challenge.challenge.purpose == CHALLENGE_PASSKEY_LOGIN)
		return false;
	memcpy(user_id->data, challenge.user_id, UUID_LEN);
	return true;
}

/* ---- authenticator data ---- */

static void
check_flags(uint8 flags, const PasskeyPolicy *policy)
{
	if (!(flags & AUTHENTICATOR_USER_PRESENT))
		raise_invalid_passkey(PASSKEY_USER_PRESENCE, NULL);
	if (policy->passkey_user_verification == PASSKEY_USER_VERIFICATION_REQUIRED &&
		!(flags & AUTHENTICATOR_USER_VERIFIED))
		raise_invalid_passkey(PASSKEY_USER_VERIFICATION, NULL);
	if ((flags & AUTHENTICATOR_BACKED_UP) && !(flags & AUTHENTICATOR_BACKUP_ELIGIBLE))
		raise_invalid_passkey(PASSKEY_BACKUP, NULL);
}

static void
check_authenticator_data(const PasskeyPolicy *policy, PasskeyResponse *response)
{
	uint8		hash[RP_ID_HASH_LENGTH];
	AuthenticatorData *data = &response->data;

	switch (authenticator_data_read(response->authenticator_data, data))
	{
		case WEBAUTHN_OK:
			break;
		case WEBAUTHN_UNSUPPORTED:
			raise_invalid_passkey(PASSKEY_ALGORITHM, NULL);
			break;
		default:
			raise_malformed("The authenticator data cannot be read.");
	}
	if (response->creates != ((data->flags & AUTHENTICATOR_HAS_CREDENTIAL) != 0))
		raise_malformed("The authenticator data do not fit the type of the response.");
	crypto_hash_sha256(hash, (const uint8 *) policy->passkey_rp_id,
					   strlen(policy->passkey_rp_id));
	if (memcmp(hash, data->rp_id_hash, sizeof(hash)) != 0)
		raise_invalid_passkey(PASSKEY_RP_ID, NULL);
	check_flags(data->flags, policy);
	response->user_verified = (data->flags & AUTHENTICATOR_USER_VERIFIED) != 0;
}

/* ---- a response ---- */

/* The id of the credential, which the JSON and the authenticator data name. */
static void
check_credential_id(const Jsonb *json, const PasskeyResponse *response)
{
	Span		raw_id = get_bytes(json, "rawId");
	Span		id = {VARDATA(response->credential_id), VARSIZE_ANY_EXHDR(response->credential_id)};
	Span		known = response->data.credential_id;

	if (id.length > CREDENTIAL_ID_MAX_LENGTH)
		raise_malformed("The id of the credential is too long.");
	if (raw_id.data != NULL &&
		(raw_id.length != id.length || memcmp(raw_id.data, id.data, id.length) != 0))
		raise_malformed("The members \"id\" and \"rawId\" differ.");
	if (known.data != NULL &&
		(known.length != id.length || memcmp(known.data, id.data, id.length) != 0))
		raise_malformed("The authenticator data are about another credential.");
}

/* A passkey that the authenticator does not keep is found by nobody at a login. */
static void
check_resident(const Jsonb *json)
{
	Jsonb	   *results = json_container(json_member(json, "clientExtensionResults"));
	Jsonb	   *properties = results == NULL || !JB_ROOT_IS_OBJECT(results) ? NULL :
		json_container(json_member(results, "credProps"));
	JsonbValue *resident = properties == NULL || !JB_ROOT_IS_OBJECT(properties) ? NULL :
		json_member(properties, "rk");

	if (resident != NULL && resident->type == jbvBool && !resident->val.boolean)
		raise_invalid_passkey(PASSKEY_NOT_RESIDENT, NULL);
}

static void
read_creation(const Jsonb *json, const Jsonb *inner, PasskeyResponse *response)
{
	Span		object = get_required_bytes(inner, "attestationObject");

	if (attestation_object_read(object, &response->authenticator_data) != WEBAUTHN_OK)
		raise_malformed("The attestation object cannot be read.");
	response->transports = get_transports(inner);
	check_resident(json);
}

static void
read_assertion(const Jsonb *inner, PasskeyResponse *response)
{
	response->authenticator_data = get_required_bytes(inner, "authenticatorData");
	response->signature = get_required_bytes(inner, "signature");
	response->user_handle = get_bytes(inner, "userHandle");
}

void
passkey_response_read(Jsonb *json, TimestampTz now, PasskeyResponse *response)
{
	PasskeyPolicy policy;
	Jsonb	   *inner;

	memset(response, 0, sizeof(PasskeyResponse));
	if (VARSIZE(json) > PASSKEY_RESPONSE_MAX_LENGTH)
		raise_malformed("The response is too long.");
	if (!JB_ROOT_IS_OBJECT(json) || !json_string_equals(json, "type", "public-key"))
		raise_malformed("The response is no object with the type \"public-key\".");
	inner = inner_object(json);
	if (inner == NULL)
		raise_malformed("The member \"response\" is no object.");
	passkey_policy_read(&policy);
	response->creates = json_member(inner, "attestationObject") != NULL;
	response->credential_id = passkeys_id_of(get_required_bytes(json, "id"));
	response->client_data = get_required_bytes(inner, "clientDataJSON");
	if (response->creates)
		read_creation(json, inner, response);
	else
		read_assertion(inner, response);
	check_client_data(&policy, now, response);
	check_authenticator_data(&policy, response);
	check_credential_id(json, response);
}

void
passkey_response_require(const PasskeyResponse *response, bool creates)
{
	if (response->creates != creates)
		raise_invalid_passkey(PASSKEY_TYPE, NULL);
}

Passkey
passkey_response_passkey(const PasskeyResponse *response)
{
	const AuthenticatorData *data = &response->data;
	char		jwk[JOSE_MAX_PUBLIC_JWK_LENGTH + 1];
	Passkey		passkey = {
		.credential_id = response->credential_id,
		.alg = pstrdup(jose_alg_name(data->key.alg)),
		.sign_count = data->sign_count,
		.is_backup_eligible = (data->flags & AUTHENTICATOR_BACKUP_ELIGIBLE) != 0,
		.is_backed_up = (data->flags & AUTHENTICATOR_BACKED_UP) != 0,
		.transports = response->transports,
		.used_challenges = palloc0(VARHDRSZ)
	};
	const char *reason;

	SET_VARSIZE(passkey.used_challenges, VARHDRSZ);
	if (!cose_key_write_jwk(&data->key, jwk, sizeof(jwk)))
		raise_invalid_passkey(PASSKEY_KEY, NULL);
	passkey.jwk = json_to_jsonb(jwk);
	if (public_key_get(passkey.jwk, &reason) == NULL)
		raise_invalid_passkey(PASSKEY_KEY, psprintf("The key is refused: %s.", reason));
	return passkey;
}

void
passkey_response_verify(const PasskeyResponse *response, const Passkey *passkey)
{
	const JoseKey *key;
	const char *reason;
	JoseAlg		alg = jose_alg_by_name(span_of_string(passkey->alg));

	if (response->user_handle.length != UUID_LEN ||
		memcmp(response->user_handle.data, passkey->user_id.data, UUID_LEN) != 0)
		raise_invalid_passkey(PASSKEY_USER_HANDLE, NULL);
	key = public_key_get(passkey->jwk, &reason);
	if (key == NULL ||
		assertion_verify(key, alg, response->authenticator_data, response->client_data,
						 response->signature) != JOSE_OK)
		raise_invalid_passkey(PASSKEY_SIGNATURE, NULL);
	if (((response->data.flags & AUTHENTICATOR_BACKUP_ELIGIBLE) != 0) !=
		passkey->is_backup_eligible)
		raise_invalid_passkey(PASSKEY_BACKUP, NULL);
}
