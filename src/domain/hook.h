/*-------------------------------------------------------------------------
 *
 * hook.h
 *	  Functions of the application that the settings name.
 *
 * A hook runs as its owner and can leave nothing behind in the session: no
 * role, no parameter, no temporary object, nothing that runs at commit.  What
 * it raises keeps its message; the detail, or the message where it is a
 * failure rather than a refusal, names the hook.  With name NULL nothing is
 * called.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_HOOK_H
#define ANON_AUTH_HOOK_H

#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/jsonb.h"
#include "utils/uuid.h"

/* Raise AA020 where the hook refuses by RAISE, else what it raised. */
extern void hook_before_sign_up(const char *name, const pg_uuid_t *user_id,
								const char *client_id, Jsonb *device_info);
extern void hook_after_promotion(const char *name, const pg_uuid_t *user_id,
								 const char *client_id);
extern void hook_merge(const char *name, const pg_uuid_t *guest_id, const pg_uuid_t *user_id);

/*
 * Appends the claims that the hook returns to a JSON object of claims, closed.
 * Raises AA020 for a claim that is not the hook's to set.
 */
extern void hook_access_token_claims(const char *name, StringInfo claims);

/* Raises 42883 or 42P13 unless the functions that the settings name can be called. */
extern void hooks_check(void);

#endif							/* ANON_AUTH_HOOK_H */
