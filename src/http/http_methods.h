/*-------------------------------------------------------------------------
 *
 * http_methods.h
 *	  The ways to log in that the pages offer: settings.page_login_methods.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_HTTP_METHODS_H
#define ANON_AUTH_HTTP_METHODS_H

#include "postgres.h"

#include "http/http_params.h"
#include "store/settings.h"

typedef enum HttpMethod
{
	METHOD_PASSWORD,
	METHOD_CODE					/* sent to an e-mail address or phone number */
} HttpMethod;

/* Return whether the pages offer a method. */
extern bool http_methods_have(const AccountPolicy *policy, HttpMethod method);

/* Return the preferred method. */
extern HttpMethod http_methods_first(const AccountPolicy *policy);

/* Return whether the pages let users choose a new password with a code. */
extern bool http_methods_can_reset_password(const AccountPolicy *policy);

/*
 * Add to the model of a form that it is for this method, and that the user can choose the
 * other one if the pages offer it.  Adds nothing if passwords are the only method.
 */
extern void http_methods_add(StringInfo model, const AccountPolicy *policy, HttpMethod method);

/*
 * Add to a model the types of login ID that a form for this method accepts: no code can be
 * sent to a username.
 */
extern void http_methods_add_login_id_types(StringInfo model, const AccountPolicy *policy,
											HttpMethod method);

/* Return the method that a form is for, or that its user has chosen with a button. */
extern HttpMethod http_methods_of_form(const HttpParams *params);

#endif							/* ANON_AUTH_HTTP_METHODS_H */
