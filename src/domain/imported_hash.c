/*-------------------------------------------------------------------------
 *
 * imported_hash.c
 *	  Password hashes of other systems.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <nettle/blowfish.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <sodium.h>

#include "base/limits.h"
#include "base/wipe.h"
#include "domain/imported_hash.h"

/* Comes before the text of an imported hash, which begins with "$". */
#define STORED_PREFIX		"$imported"

#define AUTHGEAR_PREFIX		"$bcrypt-sha512$"
#define SCRYPT_PREFIX		"$scrypt$"
#define FIREBASE_PREFIX		"$fbscrypt$v=1,"

#define BCRYPT_LENGTH		60
#define FIREBASE_DERIVED_LENGTH 64

/* The reasons. */
#define MALFORMED			"is malformed"
#define TOO_COSTLY			"costs too much to check"

/* Bytes that were in base64. */
typedef struct Field
{
	uint8		bytes[IMPORTED_HASH_FIELD_MAX];
	size_t		length;
} Field;

typedef struct ScryptHash
{
	uint32		log_n;
	uint32		r;
	uint32		p;
	bool		is_firebase;
	Field		salt;
	Field		separator;		/* Firebase's, as the next */
	Field		signer_key;
	Field		hash;
} ScryptHash;

static bool
has_prefix(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* ---- bcrypt ---- */

static const char *
bcrypt_problem(const char *text)
{
	static const char alphabet[] =
		"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
	int			cost;

	if (strlen(text) != BCRYPT_LENGTH || text[0] != '$' || text[1] != '2' ||
		strchr("aby", text[2]) == NULL || text[3] != '$' ||
		!isdigit((unsigned char) text[4]) || !isdigit((unsigned char) text[5]) ||
		text[6] != '$' || strspn(text + 7, alphabet) != BCRYPT_LENGTH - 7)
		return MALFORMED;
	cost = (text[4] - '0') * 10 + text[5] - '0';
	if (cost < 4)
		return MALFORMED;
	return cost > IMPORTED_BCRYPT_MAX_COST ? TOO_COSTLY : NULL;
}

/* key ends with a byte 0, which belongs to what bcrypt hashes. */
static bool
bcrypt_matches(const char *text, const uint8 *key, size_t length)
{
	return blowfish_bcrypt_verify(length, key, strlen(text), (const uint8_t *) text) == 1;
}

/* The digest may contain bytes 0, so libraries that take a string cannot check it. */
static bool
authgear_matches(const char *text, const char *password)
{
	uint8		digest[crypto_hash_sha512_BYTES + 1] = {0};
	bool		matches;

	crypto_hash_sha512(digest, (const uint8 *) password, strlen(password));
	matches = bcrypt_matches(text, digest, crypto_hash_sha512_BYTES);
	wipe_bytes(digest, sizeof(digest));
	return matches;
}

/* ---- scrypt ---- */

/* Read a name and a number from 1 to 99,999,999, and step over them. */
static bool
read_number(const char **text, const char *name, uint32 *number)
{
	size_t		digits;

	if (!has_prefix(*text, name))
		return false;
	*text += strlen(name);
	digits = strspn(*text, "0123456789");
	if (digits == 0 || digits > 8 || **text == '0')
		return false;
	*number = strtoul(*text, NULL, 10);
	*text += digits;
	return true;
}

/* Read bytes in base64 up to one of the ends, and step over them.  At least one. */
static bool
read_field(const char **text, const char *ends, Field *field)
{
	size_t		length = strcspn(*text, ends);
	int			variant = length > 0 && (*text)[length - 1] == '=' ?
		sodium_base64_VARIANT_ORIGINAL : sodium_base64_VARIANT_ORIGINAL_NO_PADDING;
	const char *end;

	if (sodium_base642bin(field->bytes, sizeof(field->bytes), *text, length, NULL,
						  &field->length, &end, variant) != 0 ||
		end != *text + length || field->length == 0)
		return false;
	*text += length;
	return true;
}

static bool
skip_character(const char **text, char character)
{
	if (**text != character)
		return false;
	(*text)++;
	return true;
}

static bool
read_scrypt(const char *text, ScryptHash *hash)
{
	memset(hash, 0, sizeof(ScryptHash));
	hash->is_firebase = has_prefix(text, FIREBASE_PREFIX);
	text += strlen(hash->is_firebase ? FIREBASE_PREFIX : SCRYPT_PREFIX);
	if (!read_number(&text, hash->is_firebase ? "n=" : "ln=", &hash->log_n) ||
		!read_number(&text, ",r=", &hash->r) || !read_number(&text, ",p=", &hash->p))
		return false;
	if (has_prefix(text, ",ss=") && hash->is_firebase)
	{
		text += strlen(",ss=");
		if (!read_field(&text, ",$", &hash->separator))
			return false;
	}
	if (hash->is_firebase)
	{
		if (!has_prefix(text, ",sk="))
			return false;
		text += strlen(",sk=");
		if (!read_field(&text, "$", &hash->signer_key))
			return false;
	}
	return skip_character(&text, '$') && read_field(&text, "$", &hash->salt) &&
		skip_character(&text, '$') && read_field(&text, "$", &hash->hash) && *text == '\0';
}

static const char *
scrypt_problem(const char *text)
{
	ScryptHash	hash;
	uint64		blocks;

	if (!read_scrypt(text, &hash) || hash.hash.length < IMPORTED_HASH_MIN_LENGTH ||
		(hash.is_firebase && hash.signer_key.length != hash.hash.length) ||
		hash.salt.length + hash.separator.length > IMPORTED_HASH_FIELD_MAX)
		return MALFORMED;
	if (hash.log_n > 31 || hash.r > IMPORTED_HASH_MAX_MEMORY_KIB * 8)
		return TOO_COSTLY;
	blocks = ((uint64) 1 << hash.log_n) * hash.r;	/* of 128 bytes */
	return blocks > IMPORTED_HASH_MAX_MEMORY_KIB * 8 ||
		blocks * hash.p > IMPORTED_SCRYPT_MAX_BLOCKS ? TOO_COSTLY : NULL;
}

static bool
derive_bytes(const ScryptHash *hash, const char *password, uint8 *derived, size_t length)
{
	uint8		salt[IMPORTED_HASH_FIELD_MAX];

	memcpy(salt, hash->salt.bytes, hash->salt.length);
	memcpy(salt + hash->salt.length, hash->separator.bytes, hash->separator.length);
	if (EVP_PBE_scrypt(password, strlen(password), salt,
					   hash->salt.length + hash->separator.length,
					   (uint64) 1 << hash->log_n, hash->r, hash->p,
					   (uint64) 2 * IMPORTED_HASH_MAX_MEMORY_KIB * 1024, derived, length) == 1)
		return true;
	ERR_clear_error();
	return false;
}

/* Firebase encrypts the signer key with the derived key, by AES-256 in counter mode from 0. */
static bool
encrypt_signer_key(const ScryptHash *hash, const uint8 *key, uint8 *encrypted)
{
	static const uint8 counter[16];
	EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
	int			length = 0;
	bool		done = context != NULL &&
		EVP_EncryptInit_ex2(context, EVP_aes_256_ctr(), key, counter, NULL) == 1 &&
		EVP_EncryptUpdate(context, encrypted, &length, hash->signer_key.bytes,
						  hash->signer_key.length) == 1;

	EVP_CIPHER_CTX_free(context);
	ERR_clear_error();
	return done && length == hash->signer_key.length;
}

static bool
scrypt_matches(const char *text, const char *password)
{
	ScryptHash	hash;
	uint8		derived[IMPORTED_HASH_FIELD_MAX];
	uint8		encrypted[IMPORTED_HASH_FIELD_MAX];
	const uint8 *result = derived;
	bool		matches;

	if (!read_scrypt(text, &hash) ||
		!derive_bytes(&hash, password, derived,
				hash.is_firebase ? FIREBASE_DERIVED_LENGTH : hash.hash.length))
		return false;
	matches = !hash.is_firebase || encrypt_signer_key(&hash, derived, encrypted);
	if (hash.is_firebase)
		result = encrypted;
	matches = matches && sodium_memcmp(result, hash.hash.bytes, hash.hash.length) == 0;
	wipe_bytes(derived, sizeof(derived));
	wipe_bytes(encrypted, sizeof(encrypted));
	return matches;
}

/* ---- Argon2 ---- */

static const char *
argon2_problem(const char *text)
{
	const char *position = text + strlen(has_prefix(text, "$argon2id$") ?
										 "$argon2id$" : "$argon2i$");
	uint32		memory;
	uint32		passes;
	uint32		lanes;

	if (strlen(text) >= crypto_pwhash_STRBYTES ||
		!read_number(&position, "v=19$m=", &memory) ||
		!read_number(&position, ",t=", &passes) || !read_number(&position, ",p=", &lanes) ||
		crypto_pwhash_str_needs_rehash(text, passes, (size_t) memory * 1024) != 0)
		return MALFORMED;
	return memory > IMPORTED_HASH_MAX_MEMORY_KIB ||
		(uint64) memory * passes > IMPORTED_ARGON2_MAX_KIB_PASSES ? TOO_COSTLY : NULL;
}

/* ---- all of them ---- */

const char *
imported_hash_problem(const char *text)
{
	if (has_prefix(text, "$2"))
		return bcrypt_problem(text);
	if (has_prefix(text, AUTHGEAR_PREFIX))
		return bcrypt_problem(text + strlen(AUTHGEAR_PREFIX));
	if (has_prefix(text, SCRYPT_PREFIX) || has_prefix(text, FIREBASE_PREFIX))
		return scrypt_problem(text);
	if (has_prefix(text, "$argon2id$") || has_prefix(text, "$argon2i$"))
		return argon2_problem(text);
	return "is not in a format that can be imported";
}

char *
imported_hash_stored(const char *text)
{
	return psprintf(STORED_PREFIX "%s", text);
}

bool
imported_hash_is(const char *stored)
{
	return has_prefix(stored, STORED_PREFIX "$");
}

bool
imported_hash_matches(const char *stored, const char *password)
{
	const char *text = stored + strlen(STORED_PREFIX);

	/* Somebody who can write the table can store anything: the limits hold here, too. */
	if (imported_hash_problem(text) != NULL)
		return false;
	if (has_prefix(text, "$2"))
		return bcrypt_matches(text, (const uint8 *) password, strlen(password));
	if (has_prefix(text, AUTHGEAR_PREFIX))
		return authgear_matches(text + strlen(AUTHGEAR_PREFIX), password);
	if (has_prefix(text, SCRYPT_PREFIX) || has_prefix(text, FIREBASE_PREFIX))
		return scrypt_matches(text, password);
	return crypto_pwhash_str_verify(text, password, strlen(password)) == 0;
}
