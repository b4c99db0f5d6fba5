/*-------------------------------------------------------------------------
 *
 * authenticated_json.h
 *	  JSON objects of ours that travel in the address of a page.
 *
 * Everybody can read such a text, and nobody else can make or change one.  Each use has a
 * key, so that no text is accepted in place of one for another use.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_AUTHENTICATED_JSON_H
#define ANON_AUTH_AUTHENTICATED_JSON_H

#include "postgres.h"

#include "keyring/master_key.h"
#include "lib/stringinfo.h"
#include "utils/jsonb.h"

/* Return the text of a JSON object: base64url of it and of a MAC, with a dot between. */
extern char *authenticated_json_write(MasterKeyUse use, const StringInfoData *json);

/* Return the object, or NULL unless one of our master keys made the MAC for this use. */
extern Jsonb *authenticated_json_read(MasterKeyUse use, const char *text);

#endif							/* ANON_AUTH_AUTHENTICATED_JSON_H */
