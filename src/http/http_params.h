/*-------------------------------------------------------------------------
 *
 * http_params.h
 *	  application/x-www-form-urlencoded: reading parameters, writing URIs.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_HTTP_PARAMS_H
#define ANON_AUTH_HTTP_PARAMS_H

#include "postgres.h"

#include "http/http_request.h"
#include "lib/stringinfo.h"

/* Decoded parameters of a query string or a form, in their order. */
typedef struct HttpParams
{
	int			count;
	char	  **names;
	char	  **values;
} HttpParams;

/*
 * Decode a name or a value.  Raises 22023 if it is malformed, has a NUL, or is not
 * UTF-8.
 */
extern char *http_decode(const char *text, size_t length);

/*
 * Read the parameters of a text, of the query string, and of the form in the
 * body.  Raise 22023 for a text that is malformed or not UTF-8, and for a body of
 * another media type.
 */
extern void http_parse_params(const char *text, HttpParams *params);
extern void http_query(const HttpRequest *request, HttpParams *params);
extern void http_form(const HttpRequest *request, HttpParams *params);

/* Read the query string of a GET or HEAD request, or the form of any other. */
extern void http_params(const HttpRequest *request, HttpParams *params);

/*
 * The value of a parameter, or NULL if it is absent or empty (RFC 6749, section
 * 3.1).  Raises 22023 if it occurs twice.
 */
extern char *http_param(const HttpParams *params, const char *name);

/* Return whether there is a parameter of this name, empty or not. */
extern bool http_params_have(const HttpParams *params, const char *name);

/* Return whether a parameter has this value. */
extern bool http_param_is(const HttpParams *params, const char *name, const char *value);

/* Same as http_param(), but raise 22023 with this message if it is absent or empty. */
extern char *http_required_param(const HttpParams *params, const char *name,
								 const char *message);

/* Return whether a list of words, separated by spaces, has a word: for scope and prompt. */
extern bool http_words_have(const char *words, const char *word);

/* Append name=value to a URI, both encoded, after ? or &.  A NULL value appends nothing. */
extern void http_append_param(StringInfo url, const char *name, const char *value);

#endif							/* ANON_AUTH_HTTP_PARAMS_H */
