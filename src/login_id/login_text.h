/*-------------------------------------------------------------------------
 *
 * login_text.h
 *	  Normal forms and character classes of Unicode text, by ICU.
 *
 * For the files of src/login_id and the password hashes.  Texts are NUL-terminated
 * UTF-8.  Malformed UTF-8 is never read past its end; it counts as U+FFFD, or as a
 * character that is not allowed.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_LOGIN_TEXT_H
#define ANON_AUTH_LOGIN_TEXT_H

#include "postgres.h"

#include "base/string_list.h"

/* Return the palloc'd NFKC, or with fold_case the NFKC_Casefold, of a text. */
extern char *login_text_normalise(const char *text, bool fold_case);

/*
 * Return the palloc'd form in which passwords are compared: every space character
 * becomes U+0020, and the result is in NFC (RFC 8265, section 4.2.2).  It has at
 * most three times as many bytes.  The caller wipes it.
 */
extern char *login_text_opaque(const char *text);

/*
 * True if a text has no white space and no control, invisible, private-use or
 * unassigned character.  With allow_joiners, zero-width joiners are allowed.
 */
extern bool login_text_is_plain(const char *text, bool allow_joiners);

/*
 * True if a text consists of letters, decimal digits, marks that follow one of
 * these, and the given ASCII characters.
 */
extern bool login_text_is_word(const char *text, const char *punctuation);

/* True if all characters are used with the Latin script. */
extern bool login_text_is_latin(const char *text);

/* True if a text in NFKC_Casefold contains a word of the list. */
extern bool login_text_has_keyword(const char *folded, const StringList *keywords);

#endif							/* ANON_AUTH_LOGIN_TEXT_H */
