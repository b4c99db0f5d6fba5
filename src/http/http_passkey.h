/*-------------------------------------------------------------------------
 *
 * http_passkey.h
 *	  Passkeys on pages: a button, for which the script of the pages asks the authenticator,
 *	  and the response that it puts into the form.
 *
 * The form sends "use=passkey" and the response in "passkey_response".  Without a
 * script, the button is hidden.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_HTTP_PASSKEY_H
#define ANON_AUTH_HTTP_PASSKEY_H

#include "postgres.h"

#include "http/http_params.h"
#include "lib/stringinfo.h"
#include "utils/jsonb.h"

typedef struct HttpPasskeyButton
{
	bool		creates;		/* a passkey; otherwise uses one */
	const char *options;		/* JSON for the browser: passkey_options.h */
	const char *text;			/* the key of the button's text */
	const char *name_field;		/* of the form: its value names the user of a new passkey; or NULL */
	bool		autofills;		/* offer passkeys in the autofill of the login ID, too */
	bool		is_only_way;	/* the page has no other way to go on */
	const char *exists;			/* the key of the text if there is one already; NULL: the usual */
	const char *unknown_id;		/* a passkey that the authenticator can forget; or NULL */
} HttpPasskeyButton;

/* Return whether pages offer passkeys. */
extern bool http_passkey_is_offered(void);

/* Add a button to the model of a page, as page_passkey() in SQL reads it. */
extern void http_passkey_add(StringInfo model, const HttpPasskeyButton *button);

/* Return whether a form was sent for a passkey. */
extern bool http_passkey_is_used(const HttpParams *form);

/* Return whether a form has a response, which may be unreadable. */
extern bool http_passkey_has_response(const HttpParams *form);

/* Return the response in a form.  Raises AA029 if there is none or it cannot be read. */
extern Jsonb *http_passkey_response(const HttpParams *form);

/*
 * Return the error of a form (page_errors() in SQL) for AA029: "passkey_expired",
 * "passkey_unknown", "passkey_unverified", "passkey_other_user" or "passkey_failed".  NULL for other errors.
 */
extern const char *http_passkey_error(const ErrorData *error);

/*
 * The same for a passkey that was to be created: "passkey_not_created", "passkey_exists",
 * "passkey_too_many", "passkey_not_kept", "passkey_unverified" or "passkey_failed".
 */
extern const char *http_passkey_creation_error(const ErrorData *error);

/* Return the id of the passkey that a response names, to be shown in a page; NULL if unreadable. */
extern char *http_passkey_id(const HttpParams *form);

/* Return whether pages may tell authenticators which passkeys they can forget. */
extern bool http_passkey_signals(void);

/*
 * Return that id, unless a user has the passkey or the setting passkey_signals is off: the
 * authenticator can forget it.  So a form that is sent twice makes no authenticator forget a
 * passkey that is in use.
 */
extern char *http_passkey_unknown_id(const HttpParams *form);

/*
 * Add to the model of a page the passkey that a form brings with the response to create(), if
 * it was made in vain: nobody has it.  The form must be one of our own pages.
 */
extern void http_passkey_add_forgotten(StringInfo model, const HttpParams *form);

/* Return whether a form was sent before: passkey_has_made_account(). */
extern bool http_passkey_has_made_account(const HttpParams *form);

#endif							/* ANON_AUTH_HTTP_PASSKEY_H */
