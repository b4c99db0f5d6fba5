/*-------------------------------------------------------------------------
 *
 * id_token_hint.c
 *	  An ID token of ours that a client sends back to name its user.
 *
 * An ID token expires after five minutes, and a client keeps it for the whole
 * session.  So exp is not checked.  A hint gives no access: it only selects a user
 * who must log in, or a session that ends.
 *
 * iss is checked, because a program may sign claims of its clients with sign_jwt(): a
 * token that does not claim to be ours must not end sessions.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "domain/client.h"
#include "domain/id_token_hint.h"
#include "domain/own_jwt.h"
#include "json/json_read.h"
#include "store/clients.h"
#include "store/settings.h"
#include "utils/jsonb.h"

/* Return the only audience of a token, or NULL if it has none or several. */
static char *
only_audience(const Jsonb *claims)
{
	const JsonbValue *aud = json_member(claims, "aud");

	if (aud != NULL && aud->type == jbvBinary && JsonContainerIsArray(aud->val.binary.data) &&
		JsonContainerSize(aud->val.binary.data) == 1)
		aud = getIthJsonbValueFromContainer(aud->val.binary.data, 0);
	if (aud == NULL || aud->type != jbvString)
		return NULL;
	return pnstrdup(aud->val.string.val, aud->val.string.len);
}

bool
id_token_hint_read(const char *token, IdTokenHint *hint)
{
	OwnJwt		jwt;
	char	   *client_id;

	if (own_jwt_open(token, strlen(token), &jwt) != NULL ||
		!json_string_equals(jwt.header, "typ", "JWT") ||
		!json_string_equals(jwt.claims, "iss", settings_get()->issuer) ||
		!json_uuid(jwt.claims, "sub", &hint->sub) || !json_uuid(jwt.claims, "sid", &hint->sid))
		return false;
	client_id = only_audience(jwt.claims);
	return client_id != NULL && client_find(client_id, &hint->client) &&
		client_is_first_party(&hint->client);
}
