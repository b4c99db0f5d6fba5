/*-------------------------------------------------------------------------
 *
 * discovery.c
 *	  The metadata of this server: its endpoints and capabilities
 *	  (docs/authgear.md, section 5.4).
 *
 * The document lists the endpoints of anon_auth_http.  The SQL function
 * openid_configuration() returns it without that extension, too: a proxy or an
 * application may serve the endpoints itself.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "domain/claims.h"
#include "domain/discovery.h"
#include "jose/jwa.h"
#include "json/json_write.h"
#include "store/settings.h"

const char *
discovery_issuer(void)
{
	return settings_get()->issuer;
}

static void
add_endpoint(StringInfo json, const char *name, const char *path)
{
	json_add_string(json, name, psprintf("%s%s", discovery_issuer(), path));
}

/*
 * The values of prompt that do something (Initiating User Registration via OpenID Connect 1.0,
 * section 4.1).  Without none, users log in on a page in any case.
 */
static void
add_prompt_values(StringInfo json)
{
	AccountPolicy policy;

	settings_read_account_policy(&policy);
	json_add_raw(json, "prompt_values_supported",
				 policy.page_sign_up ? "[\"none\", \"login\", \"create\"]" :
				 "[\"none\", \"login\"]");
}

/* Authgear's document also has members for features that do not exist here. */
char *
discovery_document(void)
{
	StringInfoData json;
	char		algorithms[JOSE_ALG_LIST_SIZE];

	initStringInfo(&json);
	json_open(&json);
	add_endpoint(&json, "issuer", "");
	add_endpoint(&json, "authorization_endpoint", "/oauth2/authorize");
	add_endpoint(&json, "token_endpoint", "/oauth2/token");
	add_endpoint(&json, "userinfo_endpoint", "/oauth2/userinfo");
	add_endpoint(&json, "revocation_endpoint", "/oauth2/revoke");
	add_endpoint(&json, "end_session_endpoint", "/oauth2/end_session");
	add_endpoint(&json, "jwks_uri", "/oauth2/jwks");
	json_add_raw(&json, "response_types_supported", "[\"code\", \"none\","
				 " \"" RESPONSE_TYPE_SETTINGS_ACTION "\"]");
	json_add_raw(&json, "response_modes_supported", "[\"query\"]");
	add_prompt_values(&json);
	json_add_raw(&json, "grant_types_supported",
				 "[\"authorization_code\", \"refresh_token\","
				 " \"" GRANT_ANONYMOUS_REQUEST "\","
				 " \"" GRANT_BIOMETRIC_REQUEST "\","
				 " \"" GRANT_REFRESH_ID_TOKEN "\","
				 " \"" GRANT_SETTINGS_ACTION "\","
				 " \"" GRANT_LOGIN_CODE "\","
				 " \"" GRANT_PASSKEY "\","
				 " \"" GRANT_ID_TOKEN "\"]");
	json_add_raw(&json, "code_challenge_methods_supported", "[\"S256\"]");
	json_add_raw(&json, "token_endpoint_auth_methods_supported", "[\"none\"]");
	json_add_raw(&json, "revocation_endpoint_auth_methods_supported", "[\"none\"]");
	json_add_raw(&json, "scopes_supported",
				 "[\"openid\", \"offline_access\","
				 " \"https://authgear.com/scopes/full-access\"]");
	json_add_raw(&json, "subject_types_supported", "[\"public\"]");
	json_add_raw(&json, "id_token_signing_alg_values_supported",
				 psprintf("[%s]", jose_alg_list(JOSE_USE_MAKE_KEYS, ", ", "\"", algorithms)));
	json_add_raw(&json, "dpop_signing_alg_values_supported",
				 psprintf("[%s]", jose_alg_list(JOSE_USE_PROOFS, ", ", "\"", algorithms)));
	json_add_raw(&json, "claims_supported",
				 "[\"iss\", \"aud\", \"iat\", \"exp\", \"sub\", \"sid\", \"auth_time\", \"amr\","
				 " \"nonce\", \"at_hash\", \"email\", \"email_verified\", \"phone_number\","
				 " \"phone_number_verified\", \"preferred_username\", \"updated_at\","
				 " \"custom_attributes\", \"x_web3\","
				 " \"" USER_CLAIM_PREFIX "is_anonymous\","
				 " \"" USER_CLAIM_PREFIX "is_verified\","
				 " \"" USER_CLAIM_PREFIX "can_reauthenticate\","
				 " \"" USER_CLAIM_PREFIX "roles\","
				 " \"" USER_CLAIM_PREFIX "authenticators\","
				 " \"" USER_CLAIM_PREFIX "identities\","
				 " \"" USER_CLAIM_PREFIX "recovery_code_enabled\"]");
	json_add_boolean(&json, "claims_parameter_supported", false);
	json_add_boolean(&json, "request_parameter_supported", false);
	json_add_boolean(&json, "request_uri_parameter_supported", false);
	json_add_boolean(&json, "authorization_response_iss_parameter_supported", true);
	json_close(&json);
	return json.data;
}
