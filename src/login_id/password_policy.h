/*-------------------------------------------------------------------------
 *
 * password_policy.h
 *	  The rules for passwords (docs/authgear.md, section 8.2).
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_PASSWORD_POLICY_H
#define ANON_AUTH_PASSWORD_POLICY_H

#include "postgres.h"

#include "login_id/policy_field.h"

/*
 * The rules that apply, from anon_auth.settings.  Lengths are in code points of the
 * normalised password (login_text_opaque()); an empty password is refused under
 * every policy.
 */
typedef struct PasswordPolicy
{
	PASSWORD_POLICY_COLUMNS(POLICY_FIELD)
} PasswordPolicy;

/* The rules that a password can break: bits in password_policy_check(). */
typedef enum PasswordRule
{
	PASSWORD_TOO_LONG,
	PASSWORD_TOO_SHORT,
	PASSWORD_UPPERCASE_REQUIRED,
	PASSWORD_LOWERCASE_REQUIRED,
	PASSWORD_ALPHABET_REQUIRED,
	PASSWORD_DIGIT_REQUIRED,
	PASSWORD_SYMBOL_REQUIRED,
	PASSWORD_EXCLUDED_KEYWORD
} PasswordRule;

#define PASSWORD_RULES	8

/*
 * Check a password, given as NUL-terminated UTF-8.  Returns a bit (1 << rule) for
 * every rule that it breaks; 0 if it follows the policy.
 */
extern uint32 password_policy_check(const char *password, const PasswordPolicy *policy);

/*
 * The same in words.  Returns NULL if the password follows the policy, otherwise a
 * palloc'd list of clauses, separated by "; ", that name the rules and their limits
 * and nothing of the password.
 */
extern const char *password_policy_violations(const char *password,
											  const PasswordPolicy *policy);

#endif							/* ANON_AUTH_PASSWORD_POLICY_H */
