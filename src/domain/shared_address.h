/*-------------------------------------------------------------------------
 *
 * shared_address.h
 *	  Calls that a limit refused because many clients have one address: for doctor().
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_SHARED_ADDRESS_H
#define ANON_AUTH_SHARED_ADDRESS_H

#include "postgres.h"

#include "utils/inet.h"
#include "utils/timestamp.h"

/* The refused calls of at most 24 hours. */
typedef struct SharedAddressReport
{
	int64		refusals;		/* if 0, the rest is not set */
	inet	   *address;		/* of the last call; an IPv6 /64; NULL: unknown */
	TimestampTz first;
	TimestampTz last;
} SharedAddressReport;

/*
 * Count a call that a limit by address refused, if client_address_is_shared().  Return
 * whether it is.  address is client_address_for_limits().
 */
extern bool shared_address_refused(const char *address);

extern void shared_address_report(SharedAddressReport *report);

#endif							/* ANON_AUTH_SHARED_ADDRESS_H */
