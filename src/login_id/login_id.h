/*-------------------------------------------------------------------------
 *
 * login_id.h
 *	  What a login ID (e-mail address, phone number, username) and a password
 *	  must look like, and the one form in which a login ID is unique.
 *
 * Rules are those of Authgear (docs/authgear.md, section 8.1 and 8.2); which of
 * them apply is the DBA's choice in anon_auth.settings.  Needs a UTF8
 * database.  No SQL, no catalog access here.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_LOGIN_ID_H
#define ANON_AUTH_LOGIN_ID_H

#include "postgres.h"

#include "base/limits.h"
#include "base/string_list.h"

typedef enum LoginIdType
{
	LOGIN_ID_EMAIL,
	LOGIN_ID_PHONE_NUMBER,
	LOGIN_ID_USERNAME
} LoginIdType;

#define LOGIN_ID_TYPES		3

/* "email", "phone_number", "username": the SQL face's words. */
extern const char *const login_id_type_texts[LOGIN_ID_TYPES];

/* One of these.  Raises an internal error for another number. */
extern const char *login_id_type_name(LoginIdType type);

typedef struct LoginIdPolicy
{
	bool		email_case_sensitive;
	bool		email_block_plus_sign;
	bool		email_ignore_dot_sign;
	StringList	email_domain_blocklist; /* empty: none blocked */
	StringList	email_domain_allowlist; /* empty: all allowed */
	StringList	phone_country_code_allowlist;	/* "852", "49"; empty: all */
	bool		username_ascii_only;
	bool		username_block_reserved;
	StringList	username_excluded_keywords;
} LoginIdPolicy;

typedef struct LoginId
{
	LoginIdType type;
	char	   *value;			/* normalised: the unique key */
	char	   *original_value; /* as given, trimmed */
} LoginId;

/*
 * Normalises and checks one login ID, input being NUL-terminated UTF-8.
 * Returns NULL and fills *result (palloc'd) when it is fine; otherwise returns
 * a palloc'd or static one-line reason in English that names what is wrong and
 * never repeats the whole input ("the domain of the email address is blocked").
 */
extern const char *login_id_normalise(LoginIdType type, const char *input,
									  const LoginIdPolicy *policy, LoginId *result);

/*
 * Whether normalised texts differ in the case of single characters alone.  Full
 * case folding does more: it makes "ss" of a sharp s, which is another mailbox.
 */
extern bool login_id_differs_in_case_only(const char *a, const char *b);

typedef struct PasswordPolicy
{
	int			min_length;		/* code points */
	bool		require_uppercase;
	bool		require_lowercase;
	bool		require_alphabet;
	bool		require_digit;
	bool		require_symbol;
	StringList	excluded_keywords;
} PasswordPolicy;

/* The rules that a password may break, as bits of password_policy_check(). */
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

/* A bit (1 << rule) for every rule that a NUL-terminated UTF-8 password breaks. */
extern uint32 password_policy_check(const char *password, const PasswordPolicy *policy);

/*
 * Checks a NUL-terminated UTF-8 password.  Returns NULL when it is fine, else
 * a palloc'd list of every rule that it breaks, one clause each separated by
 * "; ", naming the rule and its bound but nothing of the password.
 */
extern const char *password_policy_violations(const char *password,
											  const PasswordPolicy *policy);

#endif							/* ANON_AUTH_LOGIN_ID_H */
