/*-------------------------------------------------------------------------
 *
 * client.h
 *	  The rights of a client, and the URIs to which it may have its users sent.
 *
 * A client is an application, as in OAuth 2: a row of anon_auth.clients
 * (docs/authgear.md, section 4).
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_CLIENT_H
#define ANON_AUTH_CLIENT_H

#include "postgres.h"

#include "store/clients.h"

/* Fill client from its client_id.  Raises AA001 if there is no such client. */
extern void client_get(const char *client_id, Client *client);

/* Fill client from its client_id.  Return false if there is no such client. */
extern bool client_find(const char *client_id, Client *client);

/* Return whether a client is a first-party public one: spa, traditional_webapp or native. */
extern bool client_is_first_party(const Client *client);

/*
 * Raise AA002 unless the client may have guests: its type must be spa,
 * traditional_webapp or native.  with_key tells that a device key is used:
 * Authgear refuses an m2m client with another message then.
 */
extern void client_require_guests(const Client *client, bool with_key);

/*
 * Raise AA002 unless the client may have users log in: the same types, but the
 * message does not speak of guests.
 */
extern void client_require_first_party(const Client *client);

/*
 * Return whether a URI is one of the client's redirect_uris.  The two are
 * compared byte for byte (RFC 9700, section 4.1.3).  Exception: a native client may
 * listen on any port of a loopback IP address, because the system chooses the port
 * when the application starts (RFC 8252, section 7.3).
 */
extern bool client_has_redirect_uri(const Client *client, const char *redirect_uri);

/* Raise 22023 unless client_has_redirect_uri(). */
extern void client_require_redirect_uri(const Client *client, const char *redirect_uri);

/*
 * Return whether a URI is one of the client's post_logout_redirect_uris: a browser
 * may be sent there after a logout that names the client, by client_id or by
 * id_token_hint (OpenID Connect RP-Initiated Logout 1.0, section 3).  The two are
 * compared byte for byte.
 */
extern bool client_has_post_logout_redirect_uri(const Client *client, const char *uri);

/*
 * Return whether any client has a URI among its post_logout_redirect_uris.  Only
 * for a logout that names no client.
 */
extern bool client_any_has_post_logout_redirect_uri(const char *uri);

/*
 * Return whether a first-party client has an http or https redirect URI of exactly
 * this origin (RFC 6454): its pages may use the cookies of the server.
 */
extern bool client_any_has_origin(const char *origin);

#endif							/* ANON_AUTH_CLIENT_H */
