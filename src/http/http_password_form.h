/*-------------------------------------------------------------------------
 *
 * http_password_form.h
 *	  The field for a new password: its rules, and those that a password breaks.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_HTTP_PASSWORD_FORM_H
#define ANON_AUTH_HTTP_PASSWORD_FORM_H

#include "postgres.h"

#include "lib/stringinfo.h"
#include "login_id/password_policy.h"

/* Return the rules that a password breaks, as a JSON array; NULL: none. */
extern char *http_password_form_errors(const char *password, const PasswordPolicy *policy);

/* Add the rules to the model of a page with the field. */
extern void http_password_form_add_policy(StringInfo model, const PasswordPolicy *policy);

#endif							/* ANON_AUTH_HTTP_PASSWORD_FORM_H */
