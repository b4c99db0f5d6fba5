/*-------------------------------------------------------------------------
 *
 * reauthentication_form.h
 *	  The forms on which a user who is known logs in again.
 *
 * They name the account, offer only the ways that it has, and let no other account in.
 * The first form asks for the password, or for the address that a code is sent to, and has
 * a button for a passkey.  The second one asks for the code.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_REAUTHENTICATION_FORM_H
#define ANON_AUTH_REAUTHENTICATION_FORM_H

#include "postgres.h"

#include "base/string_list.h"
#include "domain/passkey.h"
#include "domain/reauthentication.h"
#include "http/http_methods.h"
#include "http/http_params.h"
#include "http/http_request.h"
#include "http/http_response.h"
#include "store/clients.h"
#include "store/settings.h"
#include "store/users.h"

/* What the page does with the forms; arg is Reauthentication.arg. */
typedef struct ReauthenticationPage
{
	/* Open the model of a page: its action, its way back, and whose page it is. */
	void		(*begin) (StringInfo model, const char *view, const void *arg);

	/*
	 * Use the login, in the subtransaction in which it was checked.  The caller holds the
	 * user's row.
	 */
	void		(*finish) (const User *user, const StringList *amr, void *arg);
} ReauthenticationPage;

typedef struct Reauthentication
{
	/* Filled in by the page */
	const ReauthenticationPage *page;
	void	   *arg;
	const HttpRequest *request;
	const Client *client;		/* that the events and messages name */
	const char *flow;			/* in which the link of a message continues, or NULL */
	const char *ui_locales;		/* may be NULL */
	bool		is_masked;		/* the browser has not shown that it is the user's */
	bool		can_send;		/* the client can have codes sent */

	/* Private */
	AccountPolicy policy;
	ReauthenticationWays ways;
	HttpMethod	method;			/* of the form */
	const LoginIdRow *address;	/* that the user has chosen, or NULL */
	char	   *password;
	char	   *code;
	bool		uses_passkey;
	HttpParams	params;			/* as they were sent */
	const char *unknown_passkey;	/* that the authenticator can forget, or NULL */
	PasskeyLoginResult passkey_result;
	const char *password_errors;	/* JSON array, or NULL */
	const char *form_error;
	int			wait;			/* seconds until the next try; 0: it need not wait */
	int			result;
} Reauthentication;

/* Find the user's ways to log in.  Return false if the pages offer none of them. */
extern bool reauthentication_form_open(Reauthentication *form, const pg_uuid_t *user_id);

/* Show the first form. */
extern void reauthentication_form_show(Reauthentication *form, int status, HttpResponse *response);

/* Show it with an error of the whole form, and this status. */
extern void reauthentication_form_show_error(Reauthentication *form, int status,
											 const char *error, HttpResponse *response);

typedef enum ReauthenticationResult
{
	REAUTHENTICATION_SHOWN,		/* the response is a form again */
	REAUTHENTICATION_DONE,		/* the page has used the login, and responds */
	REAUTHENTICATION_DISABLED,	/* the user is disabled; the page responds */
	REAUTHENTICATION_REFUSED	/* the code or response is wrong, or was used: the page shows it,
								 * unless the form was sent twice */
} ReauthenticationResult;

/* Act on a form that was sent. */
extern ReauthenticationResult reauthentication_form_submit(Reauthentication *form,
														   HttpResponse *response);

/* Show that the code is wrong, or that the response was used. */
extern void reauthentication_form_show_refused(Reauthentication *form, HttpResponse *response);

#endif							/* ANON_AUTH_REAUTHENTICATION_FORM_H */
