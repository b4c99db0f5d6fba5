/*-------------------------------------------------------------------------
 *
 * dpop_test.c
 *	  Unit tests of src/token/dpop_proof.c and src/uri/uri_target.c, which run
 *	  without a server.
 *
 * A plain program that prints TAP and exits with 1 if a test failed.  The proofs of
 * RFC 9449 are its own examples; the other ones are signed here.
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "jose/base64url.h"
#include "jose/jwa.h"
#include "token/dpop_proof.h"
#include "uri/uri_target.h"

#define NOW		1562262616

/* RFC 9449, sections 4.2 and 7.1 */
#define RFC_HEADER \
	"eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19"
#define RFC_TOKEN_PROOF RFC_HEADER \
	".eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ" \
	".2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg"
#define RFC_RESOURCE_PROOF RFC_HEADER \
	".eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9" \
	".2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA"
#define RFC_ACCESS_TOKEN	"Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU"
#define RFC_JKT			"0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"

static int	test_count = 0;
static int	failure_count = 0;

static void
ok(bool condition, const char *name, const char *detail)
{
	printf("%sok %d - %s: %s\n", condition ? "" : "not ", ++test_count, name, detail);
	if (!condition)
		failure_count++;
}

/* detail is part of the expected problem, NULL for a valid proof. */
static void
check(const DpopProof *proof, const DpopTarget *target, const char *name, const char *expected)
{
	uint8_t		thumbprint[JOSE_THUMBPRINT_LENGTH];
	const char *problem = dpop_proof_problem(proof, target, thumbprint);

	ok(expected == NULL ? problem == NULL : problem != NULL && strstr(problem, expected) != NULL,
	   name, problem == NULL ? "valid" : problem);
}

static Span
span(const char *text)
{
	return span_of_string(text);
}

/* ---- the examples of RFC 9449 ---- */

static void
fill_rfc_proof(const char *compact, DpopProof *proof)
{
	memset(proof, 0, sizeof(*proof));
	ok(jose_compact_split(compact, strlen(compact), &proof->parts) == JOSE_OK, "RFC 9449", "a JWS");
	proof->typ = span("dpop+jwt");
	proof->alg = span("ES256");
	proof->jwk.kty = span("EC");
	proof->jwk.crv = span("P-256");
	proof->jwk.x = span("l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs");
	proof->jwk.y = span("9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA");
	proof->iat.present = true;
}

static void
test_rfc_examples(void)
{
	DpopTarget	target = {.method = "POST",.uri = "https://server.example.com/token",.now = NOW};
	uint8_t		thumbprint[JOSE_THUMBPRINT_LENGTH];
	char		jkt[BASE64URL_ENCODED_LENGTH(JOSE_THUMBPRINT_LENGTH) + 1] = "";
	DpopProof	proof;

	fill_rfc_proof(RFC_TOKEN_PROOF, &proof);
	proof.jti = span("-BwC3ESc6acc2lTc");
	proof.htm = span("POST");
	proof.htu = span("https://server.example.com/token");
	proof.iat.seconds = NOW;
	ok(dpop_proof_problem(&proof, &target, thumbprint) == NULL, "RFC 9449", "figure 1");
	base64url_encode(jkt, thumbprint, sizeof(thumbprint));
	ok(strcmp(jkt, RFC_JKT) == 0, "RFC 9449", "the thumbprint of section 6.1");
	ok(dpop_is_thumbprint(jkt), "RFC 9449", "dpop_jkt");

	fill_rfc_proof(RFC_RESOURCE_PROOF, &proof);
	proof.jti = span("e1j3V_bKic8-LAEB");
	proof.htm = span("GET");
	proof.htu = span("https://resource.example.org/protectedresource");
	proof.iat.seconds = NOW + 2;
	proof.ath = span("fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo");
	target.method = "GET";
	target.uri = "https://resource.example.org/protectedresource";
	target.access_token = span(RFC_ACCESS_TOKEN);
	check(&proof, &target, "RFC 9449, section 7.1", NULL);
	target.access_token.length--;
	check(&proof, &target, "RFC 9449, section 7.1, another token", "(ath)");
}

/* ---- proofs of our own ---- */

/* A valid proof with its texts. */
typedef struct SignedProof
{
	JoseKey    *key;
	char		jwk[JOSE_MAX_PUBLIC_JWK_LENGTH + 1];
	char		compact[8192];
	DpopProof	proof;
	DpopTarget	target;
} SignedProof;

/* The value of a member of the key's public JWK, which has no white space. */
static Span
jwk_member(const char *jwk, const char *name)
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
sign_proof(JoseAlg alg, SignedProof *signed_proof)
{
	DpopProof  *proof = &signed_proof->proof;
	uint8_t		signature[JOSE_MAX_SIGNATURE_LENGTH];
	size_t		length = sizeof(signature);
	size_t		jwk_length = sizeof(signed_proof->jwk) - 1;
	const char *input = "eyJhIjoxfQ.eyJiIjoyfQ";

	memset(signed_proof, 0, sizeof(*signed_proof));
	if (jose_key_generate(alg, &signed_proof->key) != JOSE_OK ||
		jose_key_public_jwk(signed_proof->key, signed_proof->jwk, &jwk_length) != JOSE_OK ||
		jose_sign(signed_proof->key, alg, (const uint8_t *) input, strlen(input), signature,
				  &length) != JOSE_OK)
		ok(false, "signing", jose_alg_name(alg));
	strcpy(signed_proof->compact, input);
	strcat(signed_proof->compact, ".");
	base64url_encode(signed_proof->compact + strlen(input) + 1, signature, length);
	(void) jose_compact_split(signed_proof->compact, strlen(signed_proof->compact), &proof->parts);

	proof->typ = span("dpop+jwt");
	proof->alg = span(jose_alg_name(alg));
	proof->jwk.kty = jwk_member(signed_proof->jwk, "kty");
	proof->jwk.crv = jwk_member(signed_proof->jwk, "crv");
	proof->jwk.x = jwk_member(signed_proof->jwk, "x");
	proof->jwk.y = jwk_member(signed_proof->jwk, "y");
	proof->jwk.n = jwk_member(signed_proof->jwk, "n");
	proof->jwk.e = jwk_member(signed_proof->jwk, "e");
	proof->jti = span("1");
	proof->htm = span("POST");
	proof->htu = span("https://auth.example/oauth2/token");
	proof->iat = (DpopTime) {true, NOW};
	signed_proof->target = (DpopTarget) {
		.method = "POST",.uri = "https://auth.example/oauth2/token",.now = NOW
	};
}

static void
test_algorithms(void)
{
	SignedProof proof;
	int			alg;

	for (alg = JOSE_ALG_UNKNOWN + 1; alg < JOSE_ALG_END; alg++)
	{
		bool		allowed = jose_alg_is_for((JoseAlg) alg, JOSE_USE_PROOFS);

		ok(!allowed || !jose_alg_is_symmetric((JoseAlg) alg), "asymmetric", jose_alg_name((JoseAlg) alg));
		sign_proof((JoseAlg) alg, &proof);
		if (jose_alg_is_symmetric((JoseAlg) alg))
			proof.proof.jwk.k = jwk_member(proof.jwk, "k");
		check(&proof.proof, &proof.target, jose_alg_name((JoseAlg) alg), allowed ? NULL : "\"alg\"");
		jose_key_free(proof.key);
	}
}

/* Each test changes one member of a valid proof or of its target. */
#define CHECK_CHANGED(statement, expected) \
	do { \
		SignedProof changed = valid; \
		DpopProof  *p = &changed.proof; \
		DpopTarget *t = &changed.target; \
		(void) p; \
		(void) t; \
		statement; \
		check(p, t, #statement, expected); \
	} while (0)

static void
test_header(const SignedProof *original)
{
	SignedProof valid = *original;

	CHECK_CHANGED((void) 0, NULL);
	CHECK_CHANGED(p->typ = span("JWT"), "\"typ\"");
	CHECK_CHANGED(p->typ = span("DPOP+JWT"), "\"typ\"");
	CHECK_CHANGED(p->typ.data = NULL, "\"typ\"");
	CHECK_CHANGED(p->has_crit = true, "crit");
	CHECK_CHANGED(p->alg.data = NULL, "\"alg\"");
	CHECK_CHANGED(p->alg = span("none"), "\"alg\"");
	CHECK_CHANGED(p->alg = span("HS256"), "\"alg\"");
	CHECK_CHANGED(p->alg = span("RS256"), "does not fit");
	CHECK_CHANGED(p->jwk_alg = span("ES256"), NULL);
	CHECK_CHANGED(p->jwk_alg = span("RS256"), "\"alg\" of the \"jwk\"");
	CHECK_CHANGED(p->jwk.kty.data = NULL, "no public key");
	CHECK_CHANGED(p->jwk.d = span("AA"), "private");
	CHECK_CHANGED(p->jwk.k = span("AA"), "private");
	CHECK_CHANGED(p->jwk.qi = span("AA"), "private");
	CHECK_CHANGED(p->jwk.y = p->jwk.x, "malformed");
	CHECK_CHANGED(p->jwk.kty = span("oct"), "malformed");
}

static void
test_payload(const SignedProof *original)
{
	SignedProof valid = *original;
	char		jti[DPOP_JTI_MAX_LENGTH + 2];

	memset(jti, 'j', sizeof(jti) - 1);
	jti[sizeof(jti) - 1] = '\0';
	CHECK_CHANGED(p->jti = span(""), "(jti)");
	CHECK_CHANGED(p->jti.data = NULL, "(jti)");
	CHECK_CHANGED(p->jti = span(jti), "too long");
	CHECK_CHANGED(p->jti = span(jti + 1), NULL);
	CHECK_CHANGED(p->htm = span("GET"), "(htm)");
	CHECK_CHANGED(p->htm = span("post"), "(htm)");
	CHECK_CHANGED(p->htm.data = NULL, "(htm)");
	CHECK_CHANGED(t->method = "GET", "(htm)");
	CHECK_CHANGED(p->htu = span("https://auth.example/oauth2/revoke"), "(htu)");
	CHECK_CHANGED(p->htu = span("HTTPS://AUTH.example:443/x/../oauth2/%74oken?a=1#b"), NULL);
	CHECK_CHANGED(p->htu.data = NULL, "(htu)");
	CHECK_CHANGED(p->htu = ((Span) {"https://auth.example/oauth2/token\0x", 35}), "(htu)");
	CHECK_CHANGED(t->access_token = span("token"), "(ath)");
	CHECK_CHANGED(p->ath = span("whatever"), NULL);
}

static void
test_times(const SignedProof *original)
{
	SignedProof valid = *original;

	CHECK_CHANGED(p->iat.present = false, "no time");
	CHECK_CHANGED(t->now = NOW + DPOP_PROOF_SECONDS, NULL);
	CHECK_CHANGED(t->now = NOW + DPOP_PROOF_SECONDS + 1, "expired (iat)");
	CHECK_CHANGED(t->now = NOW - CLOCK_SKEW_SECONDS, NULL);
	CHECK_CHANGED(t->now = NOW - CLOCK_SKEW_SECONDS - 1, "future");
	CHECK_CHANGED((t->now = NOW + 3600, t->ignore_times = true), NULL);
	CHECK_CHANGED((p->iat.present = false, t->ignore_times = true), "no time");
	CHECK_CHANGED(p->exp = ((DpopTime) {true, NOW - CLOCK_SKEW_SECONDS}), "(exp)");
	CHECK_CHANGED(p->exp = ((DpopTime) {true, NOW - CLOCK_SKEW_SECONDS + 1}), NULL);
	CHECK_CHANGED(p->nbf = ((DpopTime) {true, NOW + CLOCK_SKEW_SECONDS + 1}), "(nbf)");
}

static void
test_signature(const SignedProof *original)
{
	SignedProof valid = *original;
	SignedProof other;

	sign_proof(JOSE_ALG_ES256, &other);
	CHECK_CHANGED(p->jwk = other.proof.jwk, "does not match");
	CHECK_CHANGED(p->parts.signature = other.proof.parts.signature, "does not match");
	CHECK_CHANGED(p->parts.signing_input.length--, "does not match");
	CHECK_CHANGED(p->parts.signature.length--, "does not match");
	jose_key_free(other.key);
}

static void
test_targets(void)
{
	static const struct
	{
		const char *a;
		const char *b;
		bool		same;
	}			cases[] = {
		{"https://a.example", "https://a.example/", true},
		{"https://a.example?x", "https://A.example:443/#y", true},
		{"http://a.example:80/", "http://a.example/", true},
		{"http://a.example:443/", "http://a.example/", false},
		{"https://a.example/b", "https://a.example/b/", false},
		{"https://a.example/b", "https://a.example/B", false},
		{"https://a.example/%7eb", "https://a.example/~b", true},
		{"https://a.example/%2fb", "https://a.example/%2Fb", true},
		{"https://a.example/%2fb", "https://a.example//b", false},
		{"https://a.example/x/%2e%2E/b", "https://a.example/b", true},
		{"https://[::1]/", "https://[0:0::1]/", true},
		{"https://a.example/", "http://a.example/", false},
		{"https://a.example@b.example/", "https://a.example@b.example/", false},
		{"a.example:/b", "a.example:/b", false},
		{"/b", "/b", false},
		{"", "", false}
	};
	char		longest[URI_MAX_LENGTH + 2] = "https://a.example/";
	size_t		i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		ok(uri_is_same_target(cases[i].a, cases[i].b) == cases[i].same &&
		   uri_is_same_target(cases[i].b, cases[i].a) == cases[i].same, "targets", cases[i].a);
	memset(longest + 18, 'x', sizeof(longest) - 19);
	longest[URI_MAX_LENGTH + 1] = '\0';
	ok(!uri_is_same_target(longest, longest), "targets", "too long");
	longest[URI_MAX_LENGTH] = '\0';
	ok(uri_is_same_target(longest, longest), "targets", "longest");
}

static void
test_thumbprints(void)
{
	ok(dpop_is_thumbprint(RFC_JKT), "dpop_jkt", "of RFC 9449");
	ok(!dpop_is_thumbprint(""), "dpop_jkt", "empty");
	ok(!dpop_is_thumbprint(RFC_JKT "A"), "dpop_jkt", "too long");
	ok(!dpop_is_thumbprint("0ZcOCORZNYy+DWpqq30jZyJGHTN0d2HglBV3uiguA4I"), "dpop_jkt", "base64");
	ok(!dpop_is_thumbprint("0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4J"), "dpop_jkt", "not canonical");
}

int
main(void)
{
	SignedProof valid;

	test_rfc_examples();
	test_algorithms();
	sign_proof(JOSE_ALG_ES256, &valid);
	test_header(&valid);
	test_payload(&valid);
	test_times(&valid);
	test_signature(&valid);
	jose_key_free(valid.key);
	test_targets();
	test_thumbprints();

	printf("1..%d\n", test_count);
	return failure_count == 0 ? 0 : 1;
}
