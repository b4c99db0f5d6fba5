/*-------------------------------------------------------------------------
 *
 * api.h
 *	  What the SQL-callable functions share: reading arguments, shaping
 *	  results.  The functions are documented in the install/ directory, where SQL
 *	  callers see them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_API_H
#define ANON_AUTH_API_H

#include "postgres.h"

#include "domain/domain.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

/* A text argument as a C string, or NULL for NULL. */
extern char *api_text(FunctionCallInfo fcinfo, int argument);

/* The same, raising 22023 "<name> is required" for NULL and ''. */
extern char *api_required_text(FunctionCallInfo fcinfo, int argument, const char *name);

/* The bytes of a token argument, not copied; raises 22023 for NULL. */
extern Span api_token(FunctionCallInfo fcinfo, int argument, const char *name);

extern Jsonb *api_jsonb(FunctionCallInfo fcinfo, int argument);

/*
 * First thing in a function that writes: raises 25006 in a read-only
 * transaction and on a standby, naming the function and not a table.
 */
extern void api_begin_write(const char *function_name);

/*
 * The user of the access token in an argument or, where that is NULL, of the
 * current identity.  AA014.
 */
extern void api_caller(FunctionCallInfo fcinfo, int argument, TimestampTz now, User *user);

/* Looks up the client named by the argument client_id.  22023, AA001. */
extern void api_client(FunctionCallInfo fcinfo, int argument, Client *client);

/* A value of the type token_response, which the function must return. */
extern Datum api_token_response(FunctionCallInfo fcinfo, const TokenResponse *response);

/* Its six columns, for a set-returning function. */
extern void api_token_response_values(const TokenResponse *response, Datum values[6]);

/* The one row (text, timestamptz) of a function with two OUT parameters. */
extern Datum api_secret_with_expiry(FunctionCallInfo fcinfo, const char *secret,
									TimestampTz expires_at);

#endif							/* ANON_AUTH_API_H */
