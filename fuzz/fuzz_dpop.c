/*-------------------------------------------------------------------------
 *
 * fuzz_dpop.c
 *	  The input chooses an algorithm, a member of a valid DPoP proof, and another
 *	  value for it; or it is two URIs.
 *
 * Properties: a proof is refused if a member was changed that decides about it; another
 * spelling of htu is accepted only if both URIs name the same target, which is a symmetric
 * relation.
 *
 *-------------------------------------------------------------------------
 */
#include "fuzz.h"
#include "token/dpop_proof.h"
#include "uri/uri_target.h"

#define INPUT	"eyJhIjoxfQ.eyJiIjoyfQ"
#define NOW		1562262616

static const JoseAlg algorithms[] = {
	JOSE_ALG_ES256, JOSE_ALG_EDDSA, JOSE_ALG_RS256, JOSE_ALG_PS256
};

#define ALGORITHMS	(sizeof(algorithms) / sizeof(algorithms[0]))

/* A valid proof for each algorithm, made once. */
static struct
{
	DpopProof	proof;
	char		jwk[JOSE_MAX_PUBLIC_JWK_LENGTH + 1];
	char		compact[4096];
}			cases[ALGORITHMS];

static const DpopTarget target = {
	.method = "POST",
	.uri = "https://auth.example/oauth2/token",
	.now = NOW
};

static Span
member(const char *jwk, const char *name)
{
	char		pattern[16];
	const char *value;

	snprintf(pattern, sizeof(pattern), "\"%s\":\"", name);
	value = strstr(jwk, pattern);
	if (value == NULL)
		return (Span) {NULL, 0};
	value += strlen(pattern);
	return (Span) {value, strcspn(value, "\"")};
}

static void
fill_proof(DpopProof *proof, const char *jwk, const char *compact, JoseAlg alg)
{
	MUST(jose_compact_split(compact, strlen(compact), &proof->parts) == JOSE_OK);
	proof->typ = fuzz_span("dpop+jwt");
	proof->alg = fuzz_span(jose_alg_name(alg));
	proof->jwk.kty = member(jwk, "kty");
	proof->jwk.crv = member(jwk, "crv");
	proof->jwk.x = member(jwk, "x");
	proof->jwk.y = member(jwk, "y");
	proof->jwk.n = member(jwk, "n");
	proof->jwk.e = member(jwk, "e");
	proof->jti = fuzz_span("1");
	proof->htm = fuzz_span("POST");
	proof->htu = fuzz_span(target.uri);
	proof->iat = (DpopTime) {true, NOW};
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	size_t		i;

	(void) argc;
	(void) argv;
	for (i = 0; i < ALGORITHMS; i++)
	{
		uint8_t		signature[JOSE_MAX_SIGNATURE_LENGTH];
		size_t		length = sizeof(signature);
		size_t		jwk_length = sizeof(cases[i].jwk) - 1;
		JoseKey    *key;

		MUST(jose_key_generate(algorithms[i], &key) == JOSE_OK);
		MUST(jose_key_public_jwk(key, cases[i].jwk, &jwk_length) == JOSE_OK);
		MUST(jose_sign(key, algorithms[i], (const uint8_t *) INPUT, strlen(INPUT), signature,
					   &length) == JOSE_OK);
		strcpy(cases[i].compact, INPUT ".");
		base64url_encode(cases[i].compact + strlen(INPUT) + 1, signature, length);
		fill_proof(&cases[i].proof, cases[i].jwk, cases[i].compact, algorithms[i]);
		jose_key_free(key);
	}
	return 0;
}

/* Change a member.  Return whether the proof may be valid afterwards. */
static bool
change(DpopProof *proof, uint8_t which, Span value)
{
	Span	   *const deciding[] = {
		&proof->typ, &proof->alg, &proof->htm, &proof->jwk.kty, &proof->jwk.crv, &proof->jwk.x,
		&proof->jwk.y, &proof->jwk.n, &proof->jwk.e, &proof->jwk.d, &proof->jwk.k,
		&proof->parts.signature, &proof->parts.signing_input
	};
	const size_t count = sizeof(deciding) / sizeof(deciding[0]);
	Span	   *span = which < count ? deciding[which] : which == count ? &proof->jti : &proof->htu;
	bool		same = span->data != NULL && span->length == value.length &&
		memcmp(span->data, value.data, value.length) == 0;

	/* The other name of an algorithm, and members that keys of this type do not have. */
	if (span == &proof->alg && span_equals(*span, "EdDSA") && value.length == 7 &&
		memcmp(value.data, "Ed25519", 7) == 0)
		same = true;
	if (which >= 4 && which <= 8 && span->data == NULL)
		same = true;
	*span = value;
	return same || which >= count;
}

static void
check_targets(const char *a, const char *b)
{
	bool		same = uri_is_same_target(a, b);

	MUST(same == uri_is_same_target(b, a));
	if (same)
	{
		MUST(uri_is_same_target(a, a) && uri_is_same_target(b, b));
		MUST((a[0] | 0x20) == 'h' && (b[0] | 0x20) == 'h');
		MUST(strcspn(a, ":") == strcspn(b, ":"));
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	FuzzInput	input = {data, size};
	uint8_t		choice = fuzz_byte(&input);
	uint8_t		which = fuzz_byte(&input) % 16;
	uint8_t		thumbprint[JOSE_THUMBPRINT_LENGTH];
	char	   *value = malloc(input.length + 1);
	char	   *second;
	DpopProof	proof = cases[choice % ALGORITHMS].proof;
	bool		may_be_valid;

	memcpy(value, input.data, input.length);
	value[input.length] = '\0';
	MUST(dpop_proof_problem(&proof, &target, thumbprint) == NULL);
	may_be_valid = change(&proof, which, (Span) {value, input.length});
	if (dpop_proof_problem(&proof, &target, thumbprint) == NULL)
	{
		MUST(may_be_valid);
		MUST(proof.jti.length > 0 && proof.jti.length <= DPOP_JTI_MAX_LENGTH);
		if (proof.htu.data == value)
			MUST(uri_is_same_target(value, target.uri));
	}

	second = strchr(value, ' ');
	if (second != NULL)
	{
		*second++ = '\0';
		check_targets(value, second);
	}
	free(value);
	return 0;
}
