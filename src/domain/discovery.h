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
