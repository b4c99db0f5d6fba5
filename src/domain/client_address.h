/*-------------------------------------------------------------------------
 *
 * client_address.h
 *	  The address that a request comes from, for the limits by address and for the list
 *	  of a user's sessions.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_CLIENT_ADDRESS_H
#define ANON_AUTH_CLIENT_ADDRESS_H

#include "postgres.h"

#include "utils/inet.h"

/* The name of all requests that have no address although proxies are trusted. */
#define CLIENT_ADDRESS_UNKNOWN	"unknown"

/*
 * State the address of the client that the following calls are for: until the end of
 * the transaction if is_local, otherwise for the connection.  Raises 22023 for a
 * network.
 */
extern void client_address_use(const inet *address, bool is_local);

/*
 * Return the address that a request comes from, in one form: an IPv4 address, or
 * the first 64 bits of an IPv6 address as "1:2:3:4::/64".  The address of
 * client_address_use() comes first, then that of X-Forwarded-For if
 * settings.trusted_proxy_hops is not 0, then that of the connection.  Without any, NULL
 * if trusted_proxy_hops is 0, otherwise CLIENT_ADDRESS_UNKNOWN.  Raises 22023 if
 * request.headers is needed and cannot be read.
 */
extern char *client_address_for_limits(void);

/* Return the same address in full, or NULL if it is unknown.  Raises 22023. */
extern inet *client_address_in_full(void);

/*
 * True if nobody named the client: its address is that of the connection, or unknown.
 * Many clients of an application server or a proxy may then have the same one.  Raises
 * 22023.
 */
extern bool client_address_is_shared(void);

/*
 * Return the wider network of such an address, with a prefix of that many bits,
 * a multiple of 8.  NULL for IPv4, where only the address is known.
 */
extern char *client_address_network(const char *address, int prefix_length);

#endif							/* ANON_AUTH_CLIENT_ADDRESS_H */
