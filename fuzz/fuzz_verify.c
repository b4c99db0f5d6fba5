/*-------------------------------------------------------------------------
 *
 * fuzz_verify.c
 *	  The input chooses a key, an algorithm, and changes to a message and its
 *	  valid signature; or it is the signature.
 *
 * A signature is accepted if and only if nothing was changed, and the one-shot
 * functions of OpenSSL accept it too.
 *
 *-------------------------------------------------------------------------
 */
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>

#include "fuzz.h"

static const uint8_t message[] =
	"eyJhbGciOiJ4In0.eyJzdWIiOiIwMDAwMDAwMC0wMDAwLTcwMDAtODAwMC0wMDAwMDAwMDAwMDAifQ";

/* One key for each algorithm, with a valid signature, both created once. */
static struct
{
	JoseKey    *key;
	EVP_PKEY   *reference;		/* NULL for HS* */
	uint8_t		secret[64];
	size_t		secret_length;
	uint8_t		signature[JOSE_MAX_SIGNATURE_LENGTH];
	size_t		length;
}			cases[JOSE_ALG_END];

static const char *
digest_of(JoseAlg alg)
{
	static const char *const digests[JOSE_HASHES] = {
		[JOSE_SHA256] = "SHA256", [JOSE_SHA384] = "SHA384", [JOSE_SHA512] = "SHA512"
	};

	return alg == JOSE_ALG_EDDSA ? NULL : digests[jose_alg_info(alg)->hash];
}

/* Return the bytes of a member of the key's public JWK. */
static size_t
public_member(const JoseKey *key, const char *name, uint8_t *bytes, size_t size)
{
	char		json[JOSE_MAX_PUBLIC_JWK_LENGTH + 1];
	size_t		length = sizeof(json) - 1;
	char		pattern[16];
	char	   *value;

	MUST(jose_key_public_jwk(key, json, &length) == JOSE_OK);
	json[length] = '\0';
	snprintf(pattern, sizeof(pattern), "\"%s\":\"", name);
	value = strstr(json, pattern);
	MUST(value != NULL);
	value += strlen(pattern);
	MUST(base64url_decode(bytes, &size, value, strcspn(value, "\"")) == JOSE_OK);
	return size;
}

/* Create the same public key with OpenSSL from the numbers in the JWK. */
static EVP_PKEY *
reference_key(const JoseKey *key, JoseAlg alg)
{
	uint8_t		a[JOSE_RSA_MAX_BITS / 8];
	uint8_t		b[JOSE_RSA_MAX_BITS / 8 + 1];
	const char *type = "RSA";
	OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
	BIGNUM	   *first = NULL;
	BIGNUM	   *second = NULL;
	OSSL_PARAM *params;
	EVP_PKEY_CTX *context;
	EVP_PKEY   *result = NULL;

	if (alg == JOSE_ALG_EDDSA)
	{
		size_t		length = public_member(key, "x", a, sizeof(a));

		OSSL_PARAM_BLD_free(builder);
		return EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, a, length);
	}
	if (jose_alg_info(alg)->key_type == JOSE_KEY_EC)
	{
		static const char *const curves[] = {
			[JOSE_P256] = "P-256", [JOSE_P384] = "P-384", [JOSE_P521] = "P-521"
		};
		size_t		width = public_member(key, "x", a, sizeof(a));

		type = "EC";
		b[0] = 4;
		memcpy(b + 1, a, width);
		MUST(public_member(key, "y", b + 1 + width, width) == width);
		OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME,
										curves[jose_alg_info(alg)->scheme], 0);
		OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, b, 2 * width + 1);
	}
	else
	{
		first = BN_bin2bn(a, (int) public_member(key, "n", a, sizeof(a)), NULL);
		second = BN_bin2bn(b, (int) public_member(key, "e", b, sizeof(b)), NULL);
		OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, first);
		OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, second);
	}
	params = OSSL_PARAM_BLD_to_param(builder);
	context = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	MUST(EVP_PKEY_fromdata_init(context) == 1);
	MUST(EVP_PKEY_fromdata(context, &result, EVP_PKEY_PUBLIC_KEY, params) == 1);
	EVP_PKEY_CTX_free(context);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(builder);
	BN_free(first);
	BN_free(second);
	return result;
}

/*
 * Called by libFuzzer once, before it measures the time of inputs: making the RSA
 * keys takes seconds on a busy machine.
 */
int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	int			alg;

	(void) argc;
	(void) argv;
	for (alg = JOSE_ALG_UNKNOWN + 1; alg < JOSE_ALG_END; alg++)
	{
		cases[alg].length = sizeof(cases[alg].signature);
		MUST(jose_key_generate((JoseAlg) alg, &cases[alg].key) == JOSE_OK);
		MUST(jose_sign(cases[alg].key, (JoseAlg) alg, message, sizeof(message),
					   cases[alg].signature, &cases[alg].length) == JOSE_OK);
		if (jose_alg_is_symmetric((JoseAlg) alg))
			cases[alg].secret_length = public_member(cases[alg].key, "k", cases[alg].secret,
													 sizeof(cases[alg].secret));
		else
			cases[alg].reference = reference_key(cases[alg].key, (JoseAlg) alg);
	}
	return 0;
}

/* Convert R || S to the DER form that OpenSSL requires.  Returns 0 if there is none. */
static size_t
der_of(const uint8_t *signature, size_t length, size_t width, uint8_t *der)
{
	ECDSA_SIG  *pair;
	uint8_t    *end = der;

	if (length != 2 * width)
		return 0;
	pair = ECDSA_SIG_new();
	ECDSA_SIG_set0(pair, BN_bin2bn(signature, (int) width, NULL),
				   BN_bin2bn(signature + width, (int) width, NULL));
	length = (size_t) i2d_ECDSA_SIG(pair, &end);
	ECDSA_SIG_free(pair);
	return length;
}

static bool
openssl_accepts(JoseAlg alg, const uint8_t *text, size_t text_length,
				const uint8_t *signature, size_t length)
{
	uint8_t		buffer[JOSE_MAX_SIGNATURE_LENGTH];
	EVP_MD_CTX *context;
	EVP_PKEY_CTX *key_context;
	bool		accepted;

	if (jose_alg_is_symmetric(alg))
	{
		unsigned int mac_length = 0;

		MUST(HMAC(EVP_get_digestbyname(digest_of(alg)), cases[alg].secret,
				  (int) cases[alg].secret_length, text, text_length, buffer,
				  &mac_length) != NULL);
		return length == mac_length && memcmp(buffer, signature, length) == 0;
	}
	if (jose_alg_info(alg)->key_type == JOSE_KEY_EC)
	{
		length = der_of(signature, length, jose_alg_info(alg)->signature_length / 2, buffer);
		if (length == 0)
			return false;
		signature = buffer;
	}
	context = EVP_MD_CTX_new();
	MUST(EVP_DigestVerifyInit_ex(context, &key_context, digest_of(alg), NULL, NULL,
								 cases[alg].reference, NULL) == 1);
	if (jose_alg_info(alg)->scheme == JOSE_PSS)
	{
		EVP_PKEY_CTX_set_rsa_padding(key_context, RSA_PKCS1_PSS_PADDING);
		EVP_PKEY_CTX_set_rsa_pss_saltlen(key_context, RSA_PSS_SALTLEN_DIGEST);
	}
	accepted = EVP_DigestVerify(context, signature, length, text, text_length) == 1;
	EVP_MD_CTX_free(context);
	ERR_clear_error();
	return accepted;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	FuzzInput	input = {data, size};
	uint8_t		text[sizeof(message)];
	uint8_t		signature[JOSE_MAX_SIGNATURE_LENGTH];
	size_t		length;
	JoseAlg		alg;
	JoseAlg		claimed;
	uint8_t		how;
	JoseStatus	status;
	bool		changed;

	alg = (JoseAlg) (1 + fuzz_byte(&input) % (JOSE_ALG_END - 1));
	claimed = alg;
	how = fuzz_byte(&input);
	length = cases[alg].length;
	memcpy(text, message, sizeof(text));
	memcpy(signature, cases[alg].signature, length);
	if (how & 1)				/* use another algorithm with the key */
		claimed = (JoseAlg) (how % (JOSE_ALG_END + 1));
	if (how & 2)				/* another length */
		length = fuzz_short(&input) % sizeof(signature);
	if (length > cases[alg].length)
		memset(signature + cases[alg].length, 0, length - cases[alg].length);
	if (how & 4)				/* a signature from the fuzzer's input */
		fuzz_bytes(&input, signature, length);
	while (input.length >= 3)	/* change bits of the message or the signature */
	{
		uint16_t	position = fuzz_short(&input);
		uint8_t		bits = fuzz_byte(&input);

		if (position & 0x8000)
			text[(position & 0x7fff) % sizeof(text)] ^= bits;
		else if (length > 0)
			signature[position % length] ^= bits;
	}
	changed = length != cases[alg].length ||
		memcmp(text, message, sizeof(text)) != 0 ||
		memcmp(signature, cases[alg].signature, length) != 0;

	status = jose_verify(cases[alg].key, claimed, text, sizeof(text), signature, length);
	MUST(ERR_peek_error() == 0);
	if (!jose_key_allows(cases[alg].key, claimed))
		MUST(status == JOSE_ALG_MISMATCH || status == JOSE_ALG_UNSUPPORTED);
	else if (claimed != alg)
		MUST(status == JOSE_BAD_SIGNATURE);
	else
	{
		MUST(status == JOSE_OK || status == JOSE_BAD_SIGNATURE);
		MUST((status == JOSE_OK) == !changed);
		MUST((status == JOSE_OK) == openssl_accepts(alg, text, sizeof(text), signature, length));
	}
	return 0;
}
