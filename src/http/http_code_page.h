/*-------------------------------------------------------------------------
 *
 * http_code_page.h
 *	  Having a code sent, and the page on which it is typed.
 *
 * The code is not kept anywhere: it is a field of the form, like the login ID.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_HTTP_CODE_PAGE_H
#define ANON_AUTH_HTTP_CODE_PAGE_H

#include "postgres.h"

#include "base/subtransaction.h"
#include "domain/guest_proof.h"
#include "http/http_flow.h"
#include "login_id/login_id.h"
#include "store/settings.h"

/* What the page says, and how it is filled in.  Errors are codes of anon_auth_internal.page(). */
typedef struct HttpCodePage
{
	const char *uri;			/* of the page that the form goes to; NULL: this page */
	const char *purpose;		/* of anon_auth_internal.page() */
	LoginIdType type;
	const char *login_id;		/* that the code was sent to */
	const char *code;			/* as it was typed, or that of a link; NULL: not yet */
	const char *code_error;		/* NULL: none */
	const char *password_errors;	/* JSON array, or NULL */
	const char *form_error;
	const char *login_id_error; /* for the form with the login ID */
	int			wait;			/* seconds until the next try, if form_error says to wait */
	int			status;			/* of the response */
	const ErrorData *error;		/* of http_code_page_request(); NULL: none */
} HttpCodePage;

/*
 * Begin the model of the page; the caller can add members before http_code_page_show().
 * With the code of a link, the page asks to confirm.  If that code is wrong, the page asks
 * for another one.
 */
extern void http_code_page_begin(StringInfo model, const HttpFlow *flow,
								 const AccountPolicy *policy, const HttpCodePage *page);

/* The same for a page that is of no flow: add the members to a model that has been begun. */
extern void http_code_page_add(StringInfo model, const HttpCodePage *page);

extern void http_code_page_show(StringInfo model, const HttpCodePage *page,
								HttpResponse *response);

/* Return whether an error says that codes for the address were sent a short while ago. */
extern bool http_code_page_is_wait(const ErrorData *error);

/* Fill in an error that no field is the reason of. */
extern void http_code_page_set_error(HttpCodePage *page, const ErrorData *error);

/*
 * Have a code sent to page->login_id.  ticket is that of the guest who will use the code,
 * or NULL.  Fill type, errors, wait and status of page; they are the same whether or not a
 * user has the address.
 *
 * Return whether the page can be shown: a code was sent now or a short while ago.
 * Otherwise, the errors are for the form with the login ID.
 */
extern bool http_code_page_request(HttpFlow *flow, const AccountPolicy *policy,
								   const GuestTicket *ticket, HttpCodePage *page);

/* The same, with an action that has the code sent. */
extern bool http_code_page_try(const AccountPolicy *policy, SubtransactionAction action,
							   void *arg, HttpCodePage *page);

#endif							/* ANON_AUTH_HTTP_CODE_PAGE_H */
