/*-------------------------------------------------------------------------
 *
 * login_id_private.h
 *	  What the files of src/login_id share among themselves.
 *
 * Reasons (const char *) follow the convention of login_id.h: NULL when the
 * input is fine, else one line of English that is static or palloc'd.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_LOGIN_ID_PRIVATE_H
#define ANON_AUTH_LOGIN_ID_PRIVATE_H

#include "postgres.h"

#include "base/limits.h"
#include "login_id/login_id.h"

/*
 * One of these for each type.  The text is trimmed, not empty and not longer
 * than its limit in limits.h; *value is palloc'd and set only on success.
 */
extern const char *email_normalise(const char *email, const LoginIdPolicy *policy,
								   char **value);
extern const char *phone_number_normalise(const char *phone_number,
										  const LoginIdPolicy *policy, char **value);
extern const char *username_normalise(const char *username,
									  const LoginIdPolicy *policy, char **value);

/* email_domain.c: *ascii is the palloc'd lower-case Punycode form. */
extern const char *email_domain_normalise(const char *domain, char **ascii);
extern bool email_domain_is_listed(const char *ascii, const StringList *list);

/* reserved_usernames.c: takes the normalised form. */
extern bool username_is_reserved(const char *username);

/*
 * login_text.c: Unicode text.  Malformed UTF-8 is never read past its end; it
 * counts as U+FFFD or as a character that is not allowed.
 */

/* NFKC, or with fold_case the idempotent NFKC_Casefold; palloc'd. */
extern char *login_text_normalise(const char *text, bool fold_case);

/* No white space, control, invisible, private-use or unassigned character. */
extern bool login_text_is_plain(const char *text, bool allow_joiners);

/* Letters, decimal digits, marks that follow one, and the ASCII given. */
extern bool login_text_is_word(const char *text, const char *punctuation);

/* Only characters that are used with the Latin script. */
extern bool login_text_is_latin(const char *text);

/* Whether folded text (NFKC_Casefold) contains a word of the list. */
extern bool login_text_has_keyword(const char *folded, const StringList *keywords);

/* Overwrites a palloc'd string, which may be a secret, and frees it. */
extern void login_text_wipe(char *text);

#endif							/* ANON_AUTH_LOGIN_ID_PRIVATE_H */
