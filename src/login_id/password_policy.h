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

#include "base/detail_codes.h"
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

/*
 * The rules that a password can break, in the order of base/detail_codes.h: bits in
 * password_policy_check().
 */
#define PASSWORD_RULE_NUMBER(name, code, number, clause) PASSWORD_##name,

typedef enum PasswordRule
{
	PASSWORD_REASONS(PASSWORD_RULE_NUMBER)
	PASSWORD_RULES				/* their number */
} PasswordRule;

/*
 * Check a password, given as NUL-terminated UTF-8.  Returns a bit (1 << rule) for
 * every rule that it breaks; 0 if it follows the policy.
 */
extern uint32 password_policy_check(const char *password, const PasswordPolicy *policy);

/* The code of a rule, such as "too_short". */
extern const char *password_rule_code(PasswordRule rule);

/*
 * The number that a rule has under a policy, or 0 if it has none.  *member is then
 * "min_length" or the like, or NULL.
 */
extern int	password_rule_number(PasswordRule rule, const PasswordPolicy *policy,
								 const char **member);

/*
 * A palloc'd clause about a rule and its number, such as "must contain a digit".  It
 * says nothing of the password.
 */
extern char *password_rule_clause(PasswordRule rule, const PasswordPolicy *policy);

#endif							/* ANON_AUTH_PASSWORD_POLICY_H */
