/*-------------------------------------------------------------------------
 *
 * own_profile.h
 *	  The profile that users write: standard claims of OpenID Connect, and the custom
 *	  attributes that settings.user_writable_attributes names.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_OWN_PROFILE_H
#define ANON_AUTH_OWN_PROFILE_H

#include "postgres.h"

#include "base/detail_codes.h"
#include "base/string_list.h"
#include "store/sessions.h"
#include "store/users.h"

/* A value that breaks a rule. */
typedef struct ProfileProblem
{
	const char *member;			/* "birthdate", "address.country", "custom_attributes.color" */
	ProfileReason reason;
} ProfileProblem;

/* Return the custom attributes that users can write. */
extern StringList own_profile_custom_attributes(void);

/* Return the code of a rule, such as "not_a_date". */
extern const char *own_profile_reason_code(ProfileReason reason);

/*
 * Return how many values of attributes break rules, and set *problems to a palloc'd array
 * of them.  Raises 22023 as own_profile_update().
 */
extern int own_profile_check(const Jsonb *attributes, TimestampTz now, ProfileProblem **problems);

/*
 * Change members of the user's profile: a value that is null or an empty text removes its
 * member, and members that attributes does not have stay.  Records an event if anything
 * changes.  user is updated.  The caller holds the user's row.
 *
 * Raises 22023 for an unknown member and one that users cannot write, and AA032 for values
 * that break rules.
 */
extern void own_profile_update(User *user, const Session *session, const Jsonb *attributes,
							   TimestampTz now);

#endif							/* ANON_AUTH_OWN_PROFILE_H */
