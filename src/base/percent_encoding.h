/*-------------------------------------------------------------------------
 *
 * percent_encoding.h
 *	  Percent-encoding of values in URIs (RFC 3986, section 2.1).
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_PERCENT_ENCODING_H
#define ANON_AUTH_PERCENT_ENCODING_H

#include "postgres.h"

#include "lib/stringinfo.h"

/* Append a value, percent-encoding all but unreserved characters (RFC 3986, 2.3). */
extern void percent_encoding_append(StringInfo uri, const char *value);

#endif							/* ANON_AUTH_PERCENT_ENCODING_H */
