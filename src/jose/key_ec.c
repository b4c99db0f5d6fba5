/*-------------------------------------------------------------------------
 *
 * key_ec.c
 *	  Keys on the NIST curves and ECDSA (RFC 7518 sections 3.4 and 6.2).
 *
 * JOSE writes a signature as R || S, OpenSSL as DER; this file converts between
 * the two.  The public point is kept as bytes beside OpenSSL's key, because
 * reading it back from OpenSSL is slow.
 *
 *-------------------------------------------------------------------------
 */
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>

#include "base/wipe.h"
#include "jose/key_methods.h"

static const JoseCurve curves[] = {
	{"P-256", JOSE_P256, 32},
	{"P-384", JOSE_P384, 48},
	{"P-521", JOSE_P521, 66}
};

#define CURVE_COUNT (sizeof(curves) / sizeof(curves[0]))

/* The longest DER: two INTEGERs of P-521, each with a leading zero, and headers. */
#define ECDSA_DER_MAX_LENGTH	(2 * (JOSE_EC_MAX_WIDTH + 4) + 4)

/* Read curve and point.  build_public() checks that the point is on the curve. */
static JoseStatus
import_point(JoseKey *key, const JoseJwk *jwk)
{
	const JoseCurve *curve = NULL;
	JoseStatus	status;
	size_t		i;

	if (jwk->crv.data == NULL)
		return JOSE_KEY_INCOMPLETE;
	for (i = 0; i < CURVE_COUNT; i++)
	{
		if (span_equals(jwk->crv, curves[i].name))
			curve = &curves[i];
	}
	if (curve == NULL)
		return JOSE_KEY_UNSUPPORTED;

	key->u.ec.curve = curve;
	key->u.ec.point[0] = POINT_CONVERSION_UNCOMPRESSED;
	status = jwk_decode_member_exactly(jwk->x, key->u.ec.point + 1, curve->width);
	if (status == JOSE_OK)
		status = jwk_decode_member_exactly(jwk->y, key->u.ec.point + 1 + curve->width,
										  curve->width);
	return status;
}

/*
 * Return a key of a curve without a point.  It is kept until the process ends:
 * copying it takes a quarter of the time that setting up the curve takes.
 */
static const EVP_PKEY *
curve_template(const JoseCurve *curve)
{
	static EVP_PKEY *templates[CURVE_COUNT];
	EVP_PKEY  **template = &templates[curve - curves];
	OSSL_PARAM	params[2];
	EVP_PKEY_CTX *context;

	if (*template != NULL)
		return *template;
	params[0] = OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME,
												 (char *) curve->name, 0);
	params[1] = OSSL_PARAM_construct_end();
	context = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	if (context != NULL && EVP_PKEY_fromdata_init(context) > 0)
		(void) EVP_PKEY_fromdata(context, template, EVP_PKEY_KEY_PARAMETERS, params);
	EVP_PKEY_CTX_free(context);
	return *template;
}

static JosePkey *
build_public(const JoseKey *key)
{
	const EVP_PKEY *template = curve_template(key->u.ec.curve);
	EVP_PKEY   *pkey = template == NULL ? NULL : EVP_PKEY_dup((EVP_PKEY *) template);

	if (pkey != NULL &&
		EVP_PKEY_set1_encoded_public_key(pkey, key->u.ec.point,
										 1 + 2 * key->u.ec.curve->width) <= 0)
	{
		EVP_PKEY_free(pkey);
		pkey = NULL;
	}
	return jose_pkey_new(pkey);
}

static JosePkey *
build_pair(const JoseKey *key, const BIGNUM *d)
{
	const JoseCurve *curve = key->u.ec.curve;
	OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
	JosePkey   *pair = NULL;

	if (builder != NULL &&
		OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, curve->name, 0) &&
		OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY,
										 key->u.ec.point, 1 + 2 * curve->width) &&
		OSSL_PARAM_BLD_push_BN_pad(builder, OSSL_PKEY_PARAM_PRIV_KEY, d, curve->width))
		pair = jose_pkey_build("EC", builder, true);

	OSSL_PARAM_BLD_free(builder);
	return pair;
}

/* Check that 0 < d < n, and that d times the generator is the public point. */
static JoseStatus
check_private(EVP_PKEY *pkey)
{
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
	JoseStatus	status = JOSE_OK;

	if (context == NULL)
		return JOSE_FAILURE;
	if (EVP_PKEY_private_check(context) != 1)
		status = JOSE_KEY_MALFORMED;
	else if (EVP_PKEY_pairwise_check(context) != 1)
		status = JOSE_KEY_MISMATCH;
	EVP_PKEY_CTX_free(context);
	return status;
}

/*
 * OpenSSL checks that a point is on the curve when it reads the point.  The
 * cofactor of these curves is one, so that every such point is a valid key.
 */
static JoseStatus
import_public(JoseKey *key, const JoseJwk *jwk)
{
	JoseStatus	status = import_point(key, jwk);

	if (status != JOSE_OK)
		return status;
	key->pkey = build_public(key);
	return key->pkey != NULL ? JOSE_OK : JOSE_KEY_OFF_CURVE;
}

/* Add the private part to a key that has its public part. */
static JoseStatus
add_scalar(JoseKey *key, const uint8_t *scalar)
{
	BIGNUM	   *d = BN_bin2bn(scalar, (int) key->u.ec.curve->width, NULL);
	JosePkey   *pair;
	JoseStatus	status;

	if (d == NULL)
		return JOSE_FAILURE;
	pair = build_pair(key, d);
	BN_clear_free(d);

	/* The public part is valid already, so only a scalar out of range can fail. */
	if (pair == NULL)
		return JOSE_KEY_MALFORMED;
	jose_pkey_free(key->pkey);
	key->pkey = pair;
	status = check_private(pair->pkey);
	key->can_sign = status == JOSE_OK;
	return status;
}

static JoseStatus
ec_import(JoseKey *key, const JoseJwk *jwk)
{
	uint8_t		d[JOSE_EC_MAX_WIDTH];
	JoseStatus	status;

	status = import_public(key, jwk);
	if (status != JOSE_OK || jwk->d.data == NULL)
		return status;
	status = jwk_decode_member_exactly(jwk->d, d, key->u.ec.curve->width);
	if (status == JOSE_OK)
		status = add_scalar(key, d);
	wipe_bytes(d, sizeof(d));
	return status;
}

static JoseStatus
ec_import_private(JoseKey *key, const JoseJwk *public_jwk,
				  const uint8_t *private_part, size_t length)
{
	JoseStatus	status = import_public(key, public_jwk);

	if (status != JOSE_OK)
		return status;
	if (length != key->u.ec.curve->width)
		return JOSE_KEY_MALFORMED;
	return add_scalar(key, private_part);
}

/* Write one number of a key in the width of the curve, with leading zeros. */
static bool
get_number(EVP_PKEY *pkey, const char *name, uint8_t *dst, size_t width)
{
	BIGNUM	   *number = NULL;
	bool		done;

	done = EVP_PKEY_get_bn_param(pkey, name, &number) == 1 &&
		BN_bn2binpad(number, dst, (int) width) == (int) width;
	BN_clear_free(number);
	return done;
}

static JoseStatus
ec_generate(JoseKey *key, const JoseAlgInfo *info)
{
	const JoseCurve *curve = curves;

	while (curve->scheme != info->scheme)
		curve++;
	key->u.ec.curve = curve;
	key->pkey = jose_pkey_new(EVP_EC_gen(curve->name));
	key->u.ec.point[0] = POINT_CONVERSION_UNCOMPRESSED;
	if (key->pkey == NULL ||
		!get_number(key->pkey->pkey, OSSL_PKEY_PARAM_EC_PUB_X,
					key->u.ec.point + 1, curve->width) ||
		!get_number(key->pkey->pkey, OSSL_PKEY_PARAM_EC_PUB_Y,
					key->u.ec.point + 1 + curve->width, curve->width))
		return JOSE_FAILURE;
	key->can_sign = true;
	return JOSE_OK;
}

static bool
ec_allows(const JoseKey *key, const JoseAlgInfo *info)
{
	return key->u.ec.curve->scheme == info->scheme;
}

static JoseStatus
ec_write_public(const JoseKey *key, JwkWriter *writer)
{
	const JoseCurve *curve = key->u.ec.curve;

	jwk_write_text(writer, "{\"crv\":\"");
	jwk_write_text(writer, curve->name);
	jwk_write_text(writer, "\",\"kty\":\"EC\",\"x\":\"");
	jwk_write_base64url(writer, key->u.ec.point + 1, curve->width);
	jwk_write_text(writer, "\",\"y\":\"");
	jwk_write_base64url(writer, key->u.ec.point + 1 + curve->width, curve->width);
	jwk_write_text(writer, "\"}");
	return JOSE_OK;
}

static JoseStatus
ec_export_private(const JoseKey *key, uint8_t *buffer, size_t *length)
{
	size_t		width = key->u.ec.curve->width;

	if (*length < width)
		return JOSE_TOO_LARGE;
	*length = width;
	return get_number(key->pkey->pkey, OSSL_PKEY_PARAM_PRIV_KEY, buffer, width) ?
		JOSE_OK : JOSE_FAILURE;
}

static JoseStatus
ec_sign(const JoseKey *key, const JoseAlgInfo *info, const uint8_t *input, size_t input_length,
		uint8_t *signature, size_t *signature_length)
{
	int			width = (int) key->u.ec.curve->width;
	uint8_t		der[ECDSA_DER_MAX_LENGTH];
	size_t		der_length = sizeof(der);
	const unsigned char *next = der;
	ECDSA_SIG  *pair;
	JoseStatus	status;

	if (*signature_length < 2 * (size_t) width)
		return JOSE_TOO_LARGE;
	status = jose_pkey_sign(key->pkey, info, input, input_length,
							der, &der_length);
	if (status != JOSE_OK)
		return status;

	pair = d2i_ECDSA_SIG(NULL, &next, (long) der_length);
	if (pair == NULL ||
		BN_bn2binpad(ECDSA_SIG_get0_r(pair), signature, width) != width ||
		BN_bn2binpad(ECDSA_SIG_get0_s(pair), signature + width, width) != width)
		status = JOSE_FAILURE;
	ECDSA_SIG_free(pair);
	*signature_length = 2 * (size_t) width;
	return status;
}

/*
 * Convert R || S to DER and return its length, or 0 on failure.  der has room for
 * ECDSA_DER_MAX_LENGTH bytes.
 */
static size_t
signature_to_der(const uint8_t *signature, size_t width, uint8_t *der)
{
	BIGNUM	   *r = BN_bin2bn(signature, (int) width, NULL);
	BIGNUM	   *s = BN_bin2bn(signature + width, (int) width, NULL);
	ECDSA_SIG  *pair = ECDSA_SIG_new();
	unsigned char *next = der;
	int			length;

	if (r == NULL || s == NULL || pair == NULL || !ECDSA_SIG_set0(pair, r, s))
	{
		BN_free(r);
		BN_free(s);
		ECDSA_SIG_free(pair);
		return 0;
	}
	length = i2d_ECDSA_SIG(pair, &next);
	ECDSA_SIG_free(pair);
	return length > 0 ? (size_t) length : 0;
}

/* OpenSSL refuses an r or s that is zero or not less than the order. */
static JoseStatus
ec_verify(const JoseKey *key, const JoseAlgInfo *info, const uint8_t *input, size_t input_length,
		  const uint8_t *signature, size_t signature_length)
{
	size_t		width = key->u.ec.curve->width;
	uint8_t		der[ECDSA_DER_MAX_LENGTH];
	size_t		der_length;

	if (signature_length != 2 * width)
		return JOSE_BAD_SIGNATURE;
	der_length = signature_to_der(signature, width, der);
	if (der_length == 0)
		return JOSE_FAILURE;
	return jose_pkey_verify(key->pkey, info, input, input_length,
							der, der_length);
}

const JoseKeyMethods jose_ec_methods = {
	.kty = "EC",
	.type = JOSE_KEY_EC,
	.import = ec_import,
	.import_private = ec_import_private,
	.generate = ec_generate,
	.allows = ec_allows,
	.write_public = ec_write_public,
	.export_private = ec_export_private,
	.sign = ec_sign,
	.verify = ec_verify
};
