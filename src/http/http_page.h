/*-------------------------------------------------------------------------
 *
 * http_page.h
 *	  HTML pages: a model in JSON, rendered by anon_auth_internal.page().
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_HTTP_PAGE_H
#define ANON_AUTH_HTTP_PAGE_H

#include "postgres.h"

#include "http/http_response.h"
#include "store/settings.h"

/* The status of a form that is well-formed and not acceptable as it is. */
#define HTTP_UNACCEPTABLE	422

/* How a form is shown again after an error that is the reason of none of its fields. */
typedef struct HttpFormError
{
	int			status;
	const char *text;			/* the member "form" of the errors in the model */
	int			wait;			/* seconds; 0: the page does not say */
} HttpFormError;

/* Render a page from its model; anon_auth_internal.page() documents the members. */
extern void http_page(HttpResponse *response, int status, const char *model);

/*
 * Open the model of a page with the members that all pages have.  ui_locales are
 * the languages that the client asked for, or NULL.
 */
extern void http_page_begin(StringInfo model, const HttpRequest *request, const char *view,
							const char *ui_locales);

/* A JSON array of one string, for a model. */
extern char *http_json_array(const char *string);

/* Answer with a page that shows a message; client_name and continue_uri may be NULL. */
extern void http_message_page(const HttpRequest *request, HttpResponse *response, int status,
							  const char *message, const char *client_name,
							  const char *continue_uri, const char *ui_locales);

/*
 * Return whether the client accepts HTML by name: a browser does when it navigates;
 * libraries and scripts send no header, or any type.
 */
extern bool http_accepts_html(const HttpRequest *request);

/*
 * Answer a request that no page can be made for: with a page that says so and shows
 * the detail, if the client accepts HTML, otherwise with the detail as text.  The page is
 * in a language of the parameter ui_locales, if the request has it.
 */
extern void http_refusal_page(const HttpRequest *request, HttpResponse *response, int status,
							  const char *detail);

/* Return how a form is shown again after an error. */
extern HttpFormError http_form_error(const ErrorData *error);

/* Add to a model how long the client must wait until its next try.  0: do nothing. */
extern void http_page_add_wait(StringInfo model, int seconds);

/* The error writer of pages, for errors that no page of the endpoint shows. */
extern void http_write_page_error(const HttpRequest *request, const ErrorData *error,
								  HttpResponse *response);

#endif							/* ANON_AUTH_HTTP_PAGE_H */
