/*-------------------------------------------------------------------------
 *
 * uri_target.h
 *	  Whether two http or https URIs name the same target.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_URI_TARGET_H
#define ANON_AUTH_URI_TARGET_H

#include <stdbool.h>

/*
 * Return whether two URIs are equal without query and fragment after syntax-based and
 * scheme-based normalization (RFC 3986, sections 6.2.2 and 6.2.3; RFC 9449, section
 * 4.3).  False if one of them is no http or https URI or has a user name.
 */
extern bool uri_is_same_target(const char *a, const char *b);

#endif							/* ANON_AUTH_URI_TARGET_H */
