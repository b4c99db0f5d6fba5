/*-------------------------------------------------------------------------
 *
 * api.h
 *	  Arguments and results that several SQL functions have in common.
 *
 * The SQL functions themselves are documented in install/, where callers of
 * SQL see them: every CREATE FUNCTION has a COMMENT with arguments, result and
 * errors.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_API_H
#define ANON_AUTH_API_H

#include "postgres.h"

#include "api/result_row.h"
#include "base/span.h"
#include "base/string_list.h"
#include "domain/claims.h"
#include "domain/device_report.h"
#include "domain/dpop.h"
#include "fmgr.h"
#include "store/app_tables.h"
#include "store/clients.h"
#include "store/users.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

/* A text argument as a C string, or NULL for NULL. */
extern char *api_text(FunctionCallInfo fcinfo, int argument);

/* A jsonb argument, or NULL for NULL. */
extern Jsonb *api_jsonb(FunctionCallInfo fcinfo, int argument);

/*
 * An argument that must not be NULL.  A text must not be empty, either.  Raise
 * 22023 "<name> is required".
 */
extern char *api_required_text(FunctionCallInfo fcinfo, int argument, const char *name);
extern pg_uuid_t *api_required_uuid(FunctionCallInfo fcinfo, int argument, const char *name);
extern pg_uuid_t *api_required_user(FunctionCallInfo fcinfo, int argument, const char *name);
extern bool api_required_bool(FunctionCallInfo fcinfo, int argument, const char *name);
extern int	api_required_integer(FunctionCallInfo fcinfo, int argument, const char *name);

/*
 * The items of a text[] argument.  NULL is an empty list.  Raises 22023 if an item is NULL.
 */
extern StringList api_text_list(FunctionCallInfo fcinfo, int argument, const char *name);

/*
 * The bytes of a token argument, which are not copied.  The token may be empty.
 * Raises 22023 for NULL.
 */
extern Span api_token(FunctionCallInfo fcinfo, int argument, const char *name);

/*
 * Raise 25006 in a read-only transaction and on a standby.  Every function that
 * writes calls this first, so that the error names the function and not a table.
 */
extern void api_begin_write(const char *function_name);

/*
 * Set *token to the access token in an argument, and return it.  NULL: the current identity
 * counts.
 */
extern const Span *api_access_token(FunctionCallInfo fcinfo, int argument, Span *token);

/*
 * Fill user with the user of the access token in an argument or, if that is NULL,
 * of the current identity, and session with its session.  session may be NULL.  Raises AA014.
 */
extern void api_caller(FunctionCallInfo fcinfo, int argument, TimestampTz now, User *user,
					   Session *session);

/* Same, and hold the user's row, as identity_lock_user() does. */
extern void api_lock_caller(FunctionCallInfo fcinfo, int argument, TimestampTz now, User *user,
							Session *session);

/* Look up the client that the argument client_id names.  Raises 22023, AA001. */
extern void api_client(FunctionCallInfo fcinfo, int argument, Client *client);

/* The report of a call with the argument device_info, which may be NULL.  Raises 22023. */
extern DeviceReport api_device(FunctionCallInfo fcinfo, int argument);

/*
 * Check the DPoP proof in the last argument.  Raises AA026 and AA027 unless the client
 * accepts it; shows_token is false for a call without refresh token and new tokens, which
 * needs none.
 */
extern DpopCheck *api_dpop(FunctionCallInfo fcinfo, const Client *client, bool shows_token,
						   TimestampTz now);

/* Return a value of type anon_auth.token_response. */
extern Datum api_token_response(FunctionCallInfo fcinfo, const TokenResponse *response);

/* Add it to the result set of a function that returns SETOF token_response. */
extern void api_add_token_response(ResultRow *row, const TokenResponse *response);

/* Add a row for each table, with the number of its rows that a merge has moved. */
extern void api_add_moved_rows(ResultRow *row, const AppTable *tables, int count);

/* Return a row of a secret, in the named column, and the column "expire_at". */
extern Datum api_secret_with_expiry(FunctionCallInfo fcinfo, const char *column,
									const char *secret, TimestampTz expires_at);

#endif							/* ANON_AUTH_API_H */
