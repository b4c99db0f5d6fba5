/*-------------------------------------------------------------------------
 *
 * dpop.c
 *	  The key that a request shows with a DPoP proof (RFC 9449).
 *
 * token/dpop_proof.c has the rules for a proof.  Here are those that need the server: the
 * nonce, which is a challenge, and the jti, which a counter remembers.  A rollback does not
 * undo counters, and they work in read-only transactions and on standbys.
 *
 * A nonce of ours tells when the proof was made at the earliest, so that iat, which comes from
 * the clock of the device, does not count (RFC 9449, section 4.3, item 11).  A nonce that has
 * expired is refused even if none is needed: the jti is forgotten when the nonce expires, and
 * iat may be later.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/limits.h"
#include "base/raise.h"
#include "base/unix_time.h"
#include "counters/counters.h"
#include "domain/challenge.h"
#include "domain/discovery.h"
#include "domain/dpop.h"
#include "jose/base64url.h"
#include "json/json_parse.h"
#include "json/json_read.h"
#include "json/jwk.h"
#include "json/raise_json.h"
#include "store/settings.h"
#include "token/dpop_proof.h"

StaticAssertDecl(DPOP_JKT_SIZE == BASE64URL_ENCODED_LENGTH(JOSE_THUMBPRINT_LENGTH) + 1,
				 "lengths of thumbprints differ");

/* The purpose of challenges that are nonces. */
#define NONCE_PURPOSE	"dpop_nonce"

/* Read a NumericDate.  Return a sentence if the member is something else. */
static const char *
read_time(const Jsonb *payload, const char *name, DpopTime *time)
{
	int64		seconds;

	time->present = json_member(payload, name) != NULL;
	if (!time->present)
		return NULL;
	if (!json_numeric_date(payload, name, &seconds))
		return "A time of the proof is not a number of seconds since 1970.";
	time->seconds = seconds;
	return NULL;
}

static const char *
read_header(const Jsonb *header, DpopProof *proof)
{
	Jsonb	   *jwk = json_container(json_member(header, "jwk"));

	(void) json_string(header, "typ", &proof->typ);
	(void) json_string(header, "alg", &proof->alg);
	proof->has_crit = json_member(header, "crit") != NULL;
	if (jwk == NULL)
		return "The header of the proof has no public key (jwk).";
	if (jwk_from_jsonb(jwk, &proof->jwk) != NULL)
		return "The \"jwk\" of the proof is malformed.";
	if (json_member(jwk, "alg") != NULL && !json_string(jwk, "alg", &proof->jwk_alg))
		return "The \"jwk\" of the proof is malformed.";
	return NULL;
}

static const char *
read_payload(const Jsonb *payload, DpopProof *proof)
{
	const char *problem = read_time(payload, "iat", &proof->iat);

	if (problem == NULL)
		problem = read_time(payload, "exp", &proof->exp);
	if (problem == NULL)
		problem = read_time(payload, "nbf", &proof->nbf);
	(void) json_string(payload, "jti", &proof->jti);
	(void) json_string(payload, "htm", &proof->htm);
	(void) json_string(payload, "htu", &proof->htu);
	(void) json_string(payload, "ath", &proof->ath);
	(void) json_string(payload, "nonce", &proof->nonce);
	return problem;
}

/* Fill proof from a compact JWS.  Return a sentence if it is malformed. */
static const char *
read_proof(const char *text, DpopProof *proof)
{
	const char *reason;
	const char *problem;
	Jsonb	   *header;
	Jsonb	   *payload;

	memset(proof, 0, sizeof(DpopProof));
	if (strlen(text) > DPOP_PROOF_MAX_LENGTH)
		return "The proof is too long.";
	if (jose_compact_split(text, strlen(text), &proof->parts) != JOSE_OK)
		return "The proof is not a compact JWS.";
	header = json_parse_encoded_object(&proof->parts.header, &reason);
	payload = json_parse_encoded_object(&proof->parts.payload, &reason);
	if (header == NULL || payload == NULL)
		return "Header or payload of the proof is not a JSON object.";
	problem = read_header(header, proof);
	return problem != NULL ? problem : read_payload(payload, proof);
}

/* Return whether a proof has a nonce of ours that is valid now, and set when it was issued. */
static bool
has_valid_nonce(const DpopProof *proof, TimestampTz now, TimestampTz *issued_at)
{
	Challenge	challenge;

	if (proof->nonce.data == NULL ||
		challenge_problem(&proof->nonce, CHALLENGE_DPOP_NONCE, now, &challenge) != NULL)
		return false;
	*issued_at = challenge.issued_at;
	return true;
}

/* Check a proof that was read, and fill in the rest of the result. */
static void
check_proof(const DpopProof *proof, DpopTarget *target, TimestampTz now, DpopCheck *check)
{
	uint8		thumbprint[JOSE_THUMBPRINT_LENGTH];
	TimestampTz begin;
	bool		has_nonce = has_valid_nonce(proof, now, &begin);

	if (!has_nonce)
		begin = unix_time(proof->iat.seconds);
	check->wants_nonce = !has_nonce && (settings_get()->dpop_nonce || proof->nonce.data != NULL);
	target->ignore_times = has_nonce || check->wants_nonce;
	check->problem = dpop_proof_problem(proof, target, thumbprint);
	if (check->problem != NULL)
	{
		check->wants_nonce = false;
		return;
	}
	if (check->wants_nonce)
		check->problem = "The proof needs a new nonce.";
	base64url_encode(check->jkt, thumbprint, sizeof(thumbprint));
	check->jkt[DPOP_JKT_SIZE - 1] = '\0';
	check->jti = pnstrdup(proof->jti.data, proof->jti.length);

	/* One second more: times are rounded down. */
	check->expires_at = begin + (DPOP_PROOF_SECONDS + 1) * USECS_PER_SEC;
}

DpopCheck *
dpop_check(const char *text, const char *method, const char *uri, const Span *access_token,
		   TimestampTz now)
{
	DpopCheck  *check = palloc0(sizeof(DpopCheck));
	DpopProof	proof;
	DpopTarget	target = {
		.method = method != NULL ? method : "POST",
		.uri = uri,
		.now = unix_seconds(now)
	};

	check->given = text != NULL;
	if (text == NULL)
		return check;
	if (uri == NULL)
		target.uri = psprintf("%s/oauth2/token", discovery_issuer());
	if (access_token != NULL)
		target.access_token = *access_token;
	check->problem = read_proof(text, &proof);
	if (check->problem == NULL)
		check_proof(&proof, &target, now, check);
	return check;
}

static char *
create_nonce(void)
{
	TimestampTz expires_at;

	return challenge_create(NONCE_PURPOSE, &expires_at);
}

char *
dpop_next_nonce(const DpopCheck *check)
{
	return check->given && settings_get()->dpop_nonce ? create_nonce() : NULL;
}

/* Raise unless the request has a valid proof. */
static void
require_valid(const DpopCheck *check)
{
	if (check == NULL || !check->given)
		raise_invalid_dpop_proof("The call needs a DPoP proof.");
	if (check->wants_nonce)
		raise_use_dpop_nonce(create_nonce());
	if (check->problem != NULL)
		raise_invalid_dpop_proof(check->problem);
}

void
dpop_admit(const Client *client, const DpopCheck *check)
{
	bool		given = check != NULL && check->given;

	if (client->dpop == DPOP_REQUIRED || (client->dpop == DPOP_OPTIONAL && given))
		require_valid(check);
}

/*
 * Remember the jti.  A second function of the same call may use the proof, too.  The call may
 * have waited for locks since the proof was checked.  So the clock is read again after the
 * mark was made: if the proof is still valid then, so was the mark of an earlier use.
 */
static void
use_proof(DpopCheck *check)
{
	int64		lifetime = check->expires_at - GetCurrentTimestamp();
	int64		count = 1;

	if (check->used)
		return;
	if (lifetime > 0)
		count = counter_mark(psprintf("dpop/%s/%s", check->jkt, check->jti), lifetime);
	if (count == 0)
		raise_counters_full();
	if (count > 1)
		raise_invalid_dpop_proof("The proof was used before (jti).");
	if (GetCurrentTimestamp() >= check->expires_at)
		raise_invalid_dpop_proof("The proof expired while the call waited.");
	check->used = true;
}

const char *
dpop_key_of_session(const Client *client, DpopCheck *check)
{
	dpop_admit(client, check);
	if (client->dpop == DPOP_OFF || check == NULL || !check->given)
		return NULL;
	use_proof(check);
	return check->jkt;
}

bool
dpop_matches(DpopCheck *check, const char *jkt)
{
	require_valid(check);
	if (strcmp(check->jkt, jkt) != 0)
		return false;
	use_proof(check);
	return true;
}
