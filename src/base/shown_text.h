/*-------------------------------------------------------------------------
 *
 * shown_text.h
 *	  Texts of strangers that a person reads: which characters can be in them.
 *
 * Control characters end lines or are not shown.  Others, which are not shown either, change
 * the direction of the text around them or hide words in it.  With these, a text could imitate
 * what stands beside it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_SHOWN_TEXT_H
#define ANON_AUTH_SHOWN_TEXT_H

#include "postgres.h"

/*
 * Return whether a character must not be in a shown text: control characters, line and
 * paragraph separators, bidirectional controls (UAX #9), U+FEFF, and the tag characters from
 * U+E0000 to U+E007F.  A negative number, which U8_NEXT() returns for malformed text, counts.
 */
extern bool shown_text_forbids(int32 character);

/*
 * Return a copy of a text, in UTF-8, with a space in place of each run of such characters and
 * of spaces.  A copy of more than max_length characters ends with an ellipsis.  NULL if
 * nothing is left.
 */
extern char *shown_text(const char *text, int max_length);

#endif							/* ANON_AUTH_SHOWN_TEXT_H */
