/*-------------------------------------------------------------------------
 *
 * promotion_form.h
 *	  The forms on which a guest becomes a regular user, and on which somebody who was no
 *	  guest creates an account: reading, checking and showing them.  promote_page.c decides
 *	  what they do.
 *
 * The first form asks for a login ID, and for a password unless a code takes its place or
 * has to come first.  The second one asks for the code.  The third one asks whether to go
 * on with what the code has proven.  Each repeats what the one before was told, except
 * passwords: nothing is kept in between.
 *
 * A passkey can take the place of the password.  Its form is the last one: an authenticator
 * keeps a passkey that it has made, so everything else is certain before.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_PROMOTION_FORM_H
#define ANON_AUTH_PROMOTION_FORM_H

#include "postgres.h"

#include "http/http_flow.h"
#include "http/http_methods.h"
#include "login_id/login_id.h"
#include "store/settings.h"

typedef enum PromotionView
{
	VIEW_SIGN_UP,
	VIEW_LOG_IN					/* to the account that has the login ID */
} PromotionView;

/* What the user wants, by the button that sent a form. */
typedef enum PromotionWish
{
	WISH_GO_ON,
	WISH_LOG_IN_FORM,			/* to see the form of the log-in */
	WISH_OTHER_METHOD,			/* to see the form of the method */
	WISH_CODE					/* to have a code sent, or another one */
} PromotionWish;

/*
 * The values of the form, as they were sent and as it is shown again.  Errors are codes of
 * anon_auth_internal.page(); NULL: none.
 */
typedef struct PromotionForm
{
	PromotionView view;
	HttpMethod	method;
	bool		has_code_field; /* the second or third form */
	bool		with_passkey;	/* in place of a password */
	bool		has_response;	/* of the authenticator, in params */
	bool		proves_passkey; /* the log-in is with the passkey of the account */
	const char *unknown_passkey;	/* that the authenticator can forget, or NULL */
	HttpParams	params;			/* the form as it was sent */
	PromotionWish wish;
	bool		was_taken;		/* this request found that an account has the login ID */
	LoginIdType type;
	char	   *login_id;		/* NULL: empty */
	char	   *password;
	char	   *code;
	const char *login_id_error;
	const char *code_error;
	const char *form_error;
	int			wait;			/* seconds until the next try, if form_error says to wait */
	const char *password_errors;	/* JSON array */
} PromotionForm;

/* What the forms need to know about the promotion. */
typedef struct PromotionContext
{
	const HttpFlow *flow;
	const AccountPolicy *policy;
	TimestampTz guest_since;	/* 0: not known */
	bool		is_link;		/* no form before this one has shown the guest */
	const char *uri;			/* of the page that the form of the code goes to; NULL: this page */
} PromotionContext;

/* Begin the first form; type_name, which may be NULL, is the type of login ID that the user wants. */
extern void promotion_form_begin(const AccountPolicy *policy, const char *type_name,
								 PromotionForm *form);

/* Read a form that was sent. */
extern void promotion_form_read(const HttpRequest *request, const AccountPolicy *policy,
								PromotionForm *form);

/* Return whether a code must prove the login ID before the form can do what it is for. */
extern bool promotion_form_needs_code(const AccountPolicy *policy, const PromotionForm *form);

/* Return whether the form of the code also asks for a new password. */
extern bool promotion_form_code_and_password(const AccountPolicy *policy,
											 const PromotionForm *form);

/*
 * Find everything in a sign-up form that can be found without looking for accounts, so
 * that the user learns of all errors at once.
 */
extern void promotion_form_check_login_id(const AccountPolicy *policy, PromotionForm *form);
extern void promotion_form_check_password(const AccountPolicy *policy, PromotionForm *form);

/* Show the first form, or that of the log-in with a password. */
extern void promotion_form_show(const PromotionContext *context, const PromotionForm *form,
								int status, HttpResponse *response);

/* Show the form of the code. */
extern void promotion_form_show_code(const PromotionContext *context, const PromotionForm *form,
									 int status, HttpResponse *response);

/* Show the form that has the passkey made. */
extern void promotion_form_show_passkey(const PromotionContext *context,
										const PromotionForm *form, int status,
										HttpResponse *response);

/*
 * Show what the code has proven, and ask whether to go on: with a log-in to the account
 * that has proven the address, or with a sign-up, because no account has.
 */
extern void promotion_form_show_proven(const PromotionContext *context,
									   const PromotionForm *form, HttpResponse *response);

#endif							/* ANON_AUTH_PROMOTION_FORM_H */
