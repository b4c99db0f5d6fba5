/*-------------------------------------------------------------------------
 *
 * uri.h
 *	  The normal form of the URIs that administrators store, and loopback
 *	  redirect URIs.
 *
 * A URI is in normal form if browsers send it unchanged: the URL Standard of the
 * WHATWG serialises it as it is, except that an http or https URI may leave out the
 * path "/".  It must also follow RFC 3986, which allows fewer characters.  So code
 * that compares URIs and origins byte for byte decides as browsers do.
 *
 * Plain C without PostgreSQL.  Texts are NUL-terminated UTF-8; malformed UTF-8 is
 * never read past its end.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_URI_H
#define ANON_AUTH_URI_H

#include <stdbool.h>

#include "base/limits.h"

typedef enum UriKind
{
	/* http or https, without query, final slash and empty path segments */
	URI_ISSUER,

	/*
	 * Any scheme, except schemes with which a browser runs a script, shows data,
	 * opens a file or writes a message instead of calling an application.
	 */
	URI_REDIRECT,
	URI_LINK,					/* http or https; may have a fragment */
	URI_IMAGE,					/* http or https */

	/* Not a URI, or a URI of any scheme; only http and https are checked. */
	URI_AUDIENCE
} UriKind;

/* Room for the longest normal form, with its NUL. */
#define URI_NORMAL_SIZE		(3 * URI_MAX_LENGTH + 64)

/*
 * Return NULL if a URI is in normal form and allowed.  Otherwise return a static
 * sentence that says why not, and write the normal form to normal.  It is the empty
 * string if there is no URI that could be meant.
 */
extern const char *uri_check(UriKind kind, const char *uri, char normal[URI_NORMAL_SIZE]);

/*
 * Return whether two URIs are of http, have the same loopback IP address 127.0.0.1
 * or [::1], and differ at most in the port (RFC 8252, section 7.3).  registered is
 * in normal form.  A port of requested must be a number from 1 to 65535 without
 * leading zeros.
 */
extern bool uri_loopback_matches(const char *registered, const char *requested);

#endif							/* ANON_AUTH_URI_H */
