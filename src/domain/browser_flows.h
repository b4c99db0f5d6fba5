/*-------------------------------------------------------------------------
 *
 * browser_flows.h
 *	  The flows of pages that one browser has open: the content of the cookie
 *	  "promotion".
 *
 * An authorization request is in the address of its page.  Addresses end up in logs
 * and histories, so the page works only in the browser that has the flow's secret.
 * The cookie has an entry for each flow: a random secret, the time when the flow began,
 * and a MAC.  Nobody else can make an entry, and no entry serves two flows.
 *
 * The authorization request holds a hash of the flow's proof, which is a hash of
 * the secret.  When the flow ends, the proof takes the place of the secret.  The
 * browser can then still show the page, for the back button and a second click, but
 * the flow is marked as finished.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_BROWSER_FLOWS_H
#define ANON_AUTH_BROWSER_FLOWS_H

#include "postgres.h"

#include "base/limits.h"
#include "datatype/timestamp.h"
#include "token/token.h"

typedef struct BrowserFlows
{
	int			count;
	BrowserFlow flows[BROWSER_FLOWS_MAX];	/* the oldest first */
} BrowserFlows;

/*
 * Read the cookie's value, which may be NULL.  Entries that are not authentic or that
 * began more than PAGE_LIFETIME_SECONDS ago are left out.
 */
extern void browser_flows_read(const char *cookie, TimestampTz now, BrowserFlows *flows);

/* Return the cookie's value. */
extern char *browser_flows_write(const BrowserFlows *flows);

/* Add a flow, in place of the oldest one if there is no room, and return its proof. */
extern char *browser_flows_begin(BrowserFlows *flows, TimestampTz now);

/* Return the proof of a flow. */
extern char *browser_flows_proof(const BrowserFlow *flow);

/* Mark a flow as finished and forget its secret. */
extern void browser_flows_finish(BrowserFlow *flow);

#endif							/* ANON_AUTH_BROWSER_FLOWS_H */
