/*-------------------------------------------------------------------------
 *
 * profile_value.h
 *	  The standard claims of OpenID Connect (Core, section 5.1) that users write into
 *	  their profile, and the rules for their values.
 *
 * The claims that are login IDs are not among them: those need a proof.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_PROFILE_VALUE_H
#define ANON_AUTH_PROFILE_VALUE_H

#include "postgres.h"

#include "base/detail_codes.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

typedef enum ProfileKind
{
	PROFILE_TEXT,
	PROFILE_URI,
	PROFILE_BIRTHDATE,
	PROFILE_TIME_ZONE,
	PROFILE_LANGUAGE,
	PROFILE_ADDRESS
} ProfileKind;

typedef struct ProfileClaim
{
	const char *name;
	ProfileKind kind;
} ProfileClaim;

/* Return the claim of this name, or NULL if users cannot write it. */
extern const ProfileClaim *profile_value_claim(const char *name);

/* The members of the claim address.  Return NULL beyond the last one. */
extern const char *profile_value_address_member(int i);

/*
 * Check the value of a claim, or of a member of the claim address, and set *stored to what
 * is to be stored: a URI in the form that browsers send, a language tag with hyphens.  It
 * is NULL for an empty text.  Return false and set *reason if the value breaks a rule.
 */
extern bool profile_value_check(const ProfileClaim *claim, const char *text, TimestampTz now,
								char **stored, ProfileReason *reason);
extern bool profile_value_check_address(const char *member, const char *text, char **stored,
										ProfileReason *reason);

#endif							/* ANON_AUTH_PROFILE_VALUE_H */
