/*-------------------------------------------------------------------------
 *
 * uri_host.h
 *	  The normal form of the host in a URI.
 *
 * Plain C without PostgreSQL.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_URI_HOST_H
#define ANON_AUTH_URI_HOST_H

#include <stdbool.h>

#include "base/span.h"

/* Longest domain name, RFC 1035, section 2.3.4. */
#define URI_HOST_MAX_LENGTH		253

/* Room for the longest normal form, with its NUL. */
#define URI_HOST_SIZE			(URI_HOST_MAX_LENGTH + 1)

/*
 * Write the normal form of the host of an http or https URI: an IPv4 address with
 * four decimal numbers, an IPv6 address in brackets (RFC 5952, without embedded
 * IPv4), or a domain name in lower case, in Punycode (UTS #46), and without a final
 * dot.  Return false if it is none of these.
 */
extern bool uri_host_normalise(Span host, char normal[URI_HOST_SIZE]);

/*
 * The same for other schemes.  A name is not converted: it may be empty, and must
 * consist of letters, digits, and "-._~".
 */
extern bool uri_host_normalise_opaque(Span host, char normal[URI_HOST_SIZE]);

#endif							/* ANON_AUTH_URI_HOST_H */
