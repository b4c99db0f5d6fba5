/*-------------------------------------------------------------------------
 *
 * address_codes.h
 *	  The table anon_auth.address_codes: codes that prove an address, whether or not a
 *	  user has it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_ADDRESS_CODES_H
#define ANON_AUTH_ADDRESS_CODES_H

#include "postgres.h"

#include "store/login_ids.h"
#include "store/record.h"
#include "utils/inet.h"

#define ADDRESS_CODE_COLUMNS(COLUMN) \
	COLUMN(UUID, route)				/* login_ids_route() of the address */ \
	COLUMN(UUID, id) \
	COLUMN(LOGIN_ID_TYPE, login_id_type) \
	COLUMN(TEXT, recipient)			/* the address that the code was sent to */ \
	COLUMN(UUID_OR_NULL, asker)		/* nil: the request had no proof of a guest */ \
	COLUMN(TEXT, client_id) \
	COLUMN(HASH, code_hash) \
	COLUMN(BYTEA, link_code_hash)	/* NULL: the message has no link */ \
	COLUMN(TIMESTAMP, created_at) \
	COLUMN(TIMESTAMP, expires_at)

typedef struct AddressCode
{
	ADDRESS_CODE_COLUMNS(RECORD_FIELD)
} AddressCode;

/* Where the request for a code came from.  Each may be NULL. */
#define ADDRESS_CODE_ORIGIN_COLUMNS(COLUMN) \
	COLUMN(TEXT, client_address, "pg_catalog.host(client_address)") \
	COLUMN(TEXT, flow)				/* authorization_request_write() */

typedef struct AddressCodeOrigin
{
	ADDRESS_CODE_ORIGIN_COLUMNS(RECORD_FIELD)
} AddressCodeOrigin;

/* client_address and flow are those of the request, or NULL. */
extern void address_codes_insert(const AddressCode *code, inet *client_address, const char *flow);

/*
 * The codes for an address and asker that have not expired, palloc'd, the oldest
 * first.  asker NULL: codes that were requested without a proof.
 */
extern AddressCode *address_codes_find(const pg_uuid_t *route, const pg_uuid_t *asker,
									   TimestampTz now, int *count);

/* Read one code unless it has expired.  False if there is none. */
extern bool address_codes_find_one(const pg_uuid_t *route, const pg_uuid_t *id, TimestampTz now,
								   AddressCode *code);

/* Read where the request for a code came from.  False if the code is gone. */
extern bool address_codes_find_origin(const AddressCode *code, AddressCodeOrigin *origin);

/* False if it is gone. */
extern bool address_codes_delete(const AddressCode *code);

#endif							/* ANON_AUTH_ADDRESS_CODES_H */
