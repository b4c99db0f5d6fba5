/*-------------------------------------------------------------------------
 *
 * authenticator_data.h
 *	  What an authenticator says and signs (WebAuthn Level 3, section 6.1), and the object
 *	  that contains it at a registration (section 6.5).
 *
 * Plain C without PostgreSQL, as src/jose.  Spans point into the input.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_AUTHENTICATOR_DATA_H
#define ANON_AUTH_AUTHENTICATOR_DATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"
#include "webauthn/cose_key.h"

/* SHA-256 */
#define RP_ID_HASH_LENGTH		32

/* Flags.  The two that are reserved may have any value. */
#define AUTHENTICATOR_USER_PRESENT		0x01
#define AUTHENTICATOR_USER_VERIFIED		0x04
#define AUTHENTICATOR_BACKUP_ELIGIBLE	0x08
#define AUTHENTICATOR_BACKED_UP			0x10
#define AUTHENTICATOR_HAS_CREDENTIAL	0x40
#define AUTHENTICATOR_HAS_EXTENSIONS	0x80

typedef struct AuthenticatorData
{
	const uint8_t *rp_id_hash;
	uint8_t		flags;
	uint32_t	sign_count;
	Span		credential_id;	/* absent unless AUTHENTICATOR_HAS_CREDENTIAL */
	CoseKey		key;
} AuthenticatorData;

typedef enum WebauthnStatus
{
	WEBAUTHN_OK = 0,
	WEBAUTHN_MALFORMED,
	WEBAUTHN_UNSUPPORTED		/* the algorithm of the key */
} WebauthnStatus;

/*
 * Read all of the data.  The id of a credential has at most CREDENTIAL_ID_MAX_LENGTH bytes.
 * Of extensions, only the form is checked.
 */
extern WebauthnStatus authenticator_data_read(Span text, AuthenticatorData *data);

/*
 * Find the authenticator data in the object of a registration.  The attestation
 * statement is not verified, only its form is checked: it must be empty for the format
 * none.  Sets *data to the part of text that authenticator_data_read() reads.
 */
extern WebauthnStatus attestation_object_read(Span text, Span *data);

#endif							/* ANON_AUTH_AUTHENTICATOR_DATA_H */
