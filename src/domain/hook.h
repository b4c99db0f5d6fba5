/*-------------------------------------------------------------------------
 *
 * hook.h
 *	  Calls of the application's functions that the settings name.
 *
 * A hook runs as its owner, who must not be a superuser, in a
 * security-restricted operation: it can leave no role, parameter, temporary
 * object or deferred trigger behind.  A name of NULL means that there is no hook:
 * nothing is called.
 *
 * If a hook refuses (RAISE with P0001 or a PTxyz code), its message reaches the
 * caller, and the DETAIL names the hook; P0001 becomes AA020.  The message of any other
 * error names the hook.  It keeps its SQLSTATE, but 22023 and class AA become 38000.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_HOOK_H
#define ANON_AUTH_HOOK_H

#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/jsonb.h"
#include "utils/uuid.h"

/* settings.before_sign_up: may refuse a guest.  The user has no row yet. */
extern void hook_before_sign_up(const char *name, const pg_uuid_t *user_id,
								const char *client_id, Jsonb *device_info);

/* settings.after_promotion: sees the regular user, and may refuse. */
extern void hook_after_promotion(const char *name, const pg_uuid_t *user_id,
								 const char *client_id);

/* settings.before_deletion: sees the user with all its rows, and may refuse. */
extern void hook_before_deletion(const char *name, const pg_uuid_t *user_id);

/*
 * settings.merge: resolves conflicts between rows of the two, before the guest's rows
 * are moved to the user.
 */
extern void hook_merge(const char *name, const pg_uuid_t *guest_id, const pg_uuid_t *user_id);

/*
 * settings.access_token_claims: append the claims that the hook returns to a
 * JSON object of claims that is closed already.  Raises AA020 for a claim that
 * only the server may set, and for claims that no token can have.
 */
extern void hook_access_token_claims(const char *name, StringInfo claims);

/*
 * Called when the row of settings has changed: this backend reads it again within
 * the same statement.  If check_hooks, raise 42602 for a hook whose name has no
 * schema, 42883 for a function that does not exist, 42P13 for one of another kind
 * or result, 42501 for one of a superuser.
 */
extern void hook_settings_changed(bool check_hooks);

#endif							/* ANON_AUTH_HOOK_H */
