/*-------------------------------------------------------------------------
 *
 * discovery.h
 *	  The metadata of this server: its endpoints and capabilities.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_DISCOVERY_H
#define ANON_AUTH_DISCOVERY_H

#include "postgres.h"

/* Grant types of the token endpoint: Authgear's, and two of ours. */
#define GRANT_ANONYMOUS_REQUEST	"urn:authgear:params:oauth:grant-type:anonymous-request"
#define GRANT_BIOMETRIC_REQUEST	"urn:authgear:params:oauth:grant-type:biometric-request"
#define GRANT_REFRESH_ID_TOKEN	"urn:authgear:params:oauth:grant-type:id-token"
#define GRANT_SETTINGS_ACTION	"urn:authgear:params:oauth:grant-type:settings-action"
#define GRANT_LOGIN_CODE		"urn:anon-auth:params:oauth:grant-type:login-code"
#define GRANT_ID_TOKEN			"urn:anon-auth:params:oauth:grant-type:id-token"
#define GRANT_PASSKEY			"urn:anon-auth:params:oauth:grant-type:passkey"

/* Authgear's response type for http/http_settings_action.h. */
#define RESPONSE_TYPE_SETTINGS_ACTION "urn:authgear:params:oauth:response-type:settings-action"

/*
 * Return the provider metadata as JSON (OpenID Connect Discovery, section 3;
 * docs/authgear.md, section 5.4).
 */
extern char *discovery_document(void);

/*
 * Return settings.issuer: the URL that every endpoint's address begins with, and
 * the "iss" of our tokens.  Valid until the settings are read again.
 */
extern const char *discovery_issuer(void);

#endif							/* ANON_AUTH_DISCOVERY_H */
