/*-------------------------------------------------------------------------
 *
 * login_id.h
 *	  Login IDs: email addresses, phone numbers and usernames.
 *
 * A login ID is unique in its normalised form.  The rules are those of Authgear
 * (docs/authgear.md, section 8.1); anon_auth.settings says which of them apply.
 * src/login_id needs a database with encoding UTF8.  It runs no SQL and reads no
 * catalog.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_LOGIN_ID_H
#define ANON_AUTH_LOGIN_ID_H

#include "postgres.h"

#include "base/detail_codes.h"
#include "login_id/policy_field.h"

typedef enum LoginIdType
{
	LOGIN_ID_EMAIL,
	LOGIN_ID_PHONE_NUMBER,
	LOGIN_ID_USERNAME
} LoginIdType;

#define LOGIN_ID_TYPES		3

/* The rule that a login ID breaks; base/detail_codes.h lists them. */
#define LOGIN_ID_REASON_NUMBER(name, code, clause) LOGIN_ID_##name,

typedef enum LoginIdReason
{
	LOGIN_ID_ACCEPTED,			/* none */
	LOGIN_ID_REASONS(LOGIN_ID_REASON_NUMBER)
} LoginIdReason;

/*
 * The rules that apply, from anon_auth.settings.  Empty block lists block nothing;
 * empty allow lists allow everything.
 */
typedef struct LoginIdPolicy
{
	LOGIN_ID_POLICY_COLUMNS(POLICY_FIELD)
} LoginIdPolicy;

/* Both strings are palloc'd. */
typedef struct LoginId
{
	LoginIdType type;
	char	   *value;			/* normalised: the unique key */
	char	   *original_value; /* as given, without outer spaces */
} LoginId;

/* The names of the types in SQL: "email", "phone_number" and "username". */
extern const char *const login_id_type_texts[LOGIN_ID_TYPES];

/* The name of a type.  Raises XX000 if the number is none. */
extern const char *login_id_type_name(LoginIdType type);

/* The claim of OpenID Connect (Core, section 5.1) that has a user's login ID of a type. */
extern const char *login_id_claim(LoginIdType type);

/*
 * Check and normalise a login ID, given as NUL-terminated UTF-8.  Returns
 * LOGIN_ID_ACCEPTED and fills *result if it follows the rules.  Otherwise returns the
 * first rule that it breaks.
 */
extern LoginIdReason login_id_normalise(LoginIdType type, const char *input,
										const LoginIdPolicy *policy, LoginId *result);

/*
 * The code of a broken rule, and a palloc'd clause about it, such as "the domain of the
 * email address is blocked".  Neither repeats the input.
 */
extern const char *login_id_reason_code(LoginIdReason reason);
extern char *login_id_reason_clause(LoginIdReason reason, LoginIdType type);

/* Return whether a text could be a login ID of this type under any settings. */
extern bool login_id_is_well_formed(LoginIdType type, const char *text);

/*
 * Return true if two normalised texts are equal except for the case of single
 * characters.  Full case folding equates more: it maps a sharp s to "ss", which is
 * the address of another mailbox.
 */
extern bool login_id_differs_in_case_only(const char *a, const char *b);

#endif							/* ANON_AUTH_LOGIN_ID_H */
