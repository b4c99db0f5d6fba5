/*-------------------------------------------------------------------------
 *
 * client_address.h
 *	  The address that a request comes from, for the limits by address.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_CLIENT_ADDRESS_H
#define ANON_AUTH_CLIENT_ADDRESS_H

#include "postgres.h"

/* The name of all requests that have no address although proxies are trusted. */
#define CLIENT_ADDRESS_UNKNOWN	"unknown"

/*
 * Return the address that a request comes from, in one form: an IPv4 address, or
 * the first 64 bits of an IPv6 address as "1:2:3:4::/64".  With
 * settings.trusted_proxy_hops = 0, NULL for a local connection and for a
 * background worker; otherwise CLIENT_ADDRESS_UNKNOWN for these.  Raises 22023 if
 * request.headers is needed and cannot be read.
 */
extern char *client_address(void);

/*
 * Return the wider network of such an address, with a prefix of that many bits,
 * a multiple of 8.  NULL for IPv4, where only the address is known.
 */
extern char *client_address_network(const char *address, int prefix_length);

#endif							/* ANON_AUTH_CLIENT_ADDRESS_H */
