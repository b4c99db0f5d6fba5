/*-------------------------------------------------------------------------
 *
 * clients.h
 *	  The table anon_auth.clients: applications and their settings.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_CLIENTS_H
#define ANON_AUTH_CLIENTS_H

#include "postgres.h"

#include "store/record.h"

typedef enum ApplicationType
{
	APPLICATION_SPA,
	APPLICATION_TRADITIONAL_WEBAPP,
	APPLICATION_NATIVE,
	APPLICATION_CONFIDENTIAL,
	APPLICATION_THIRD_PARTY_APP,
	APPLICATION_M2M
} ApplicationType;

extern const EnumNames application_type_names;

#define RECORD_C_APPLICATION_TYPE(name)	ApplicationType name
#define RECORD_KIND_APPLICATION_TYPE	RECORD_ENUM(application_type_names)

/* What a client shows of its key: domain/dpop.h. */
typedef enum DpopMode
{
	DPOP_OFF,
	DPOP_OPTIONAL,
	DPOP_REQUIRED
} DpopMode;

extern const EnumNames dpop_mode_names;

#define RECORD_C_DPOP_MODE(name)		DpopMode name
#define RECORD_KIND_DPOP_MODE			RECORD_ENUM(dpop_mode_names)

typedef enum IdTokenPolicy
{
	ID_TOKEN_ALWAYS,
	ID_TOKEN_OPENID
} IdTokenPolicy;

extern const EnumNames id_token_policy_names;

#define RECORD_C_ID_TOKEN_POLICY(name)	IdTokenPolicy name
#define RECORD_KIND_ID_TOKEN_POLICY		RECORD_ENUM(id_token_policy_names)

#define CLIENT_COLUMNS(COLUMN) \
	COLUMN(TEXT, client_id) \
	COLUMN(TEXT, name) \
	COLUMN(APPLICATION_TYPE, application_type) \
	COLUMN(TEXT_LIST, redirect_uris) \
	COLUMN(TEXT_LIST, post_logout_redirect_uris) \
	COLUMN(INT4, access_token_lifetime_seconds) \
	COLUMN(INT4, refresh_token_lifetime_seconds) \
	COLUMN(BOOL, refresh_token_idle_timeout_enabled) \
	COLUMN(INT4, refresh_token_idle_timeout_seconds) \
	COLUMN(BOOL, refresh_token_rotation_enabled) \
	COLUMN(INT4, refresh_token_rotation_grace_seconds) \
	COLUMN(BOOL, refresh_token_without_offline_access) \
	COLUMN(INT4, max_concurrent_sessions) \
	COLUMN(DPOP_MODE, dpop) \
	COLUMN(ID_TOKEN_POLICY, id_token)

typedef struct Client
{
	CLIENT_COLUMNS(RECORD_FIELD)
} Client;

/* False if there is no such client. */
extern bool clients_find(const char *client_id, Client *client);

/* Whether some client may send browsers there after logout. */
extern bool clients_have_post_logout_redirect_uri(const char *uri);

/* Whether an http or https redirect URI of a first-party client has this origin (RFC 6454). */
extern bool clients_have_origin(const char *origin);

/* The longest lifetime of any client's access tokens, in seconds; 0: no clients. */
extern int	clients_longest_access_token(void);

#endif							/* ANON_AUTH_CLIENTS_H */
