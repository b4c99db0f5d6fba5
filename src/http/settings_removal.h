/*-------------------------------------------------------------------------
 *
 * settings_removal.h
 *	  The settings pages that remove a credential: each asks first.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_SETTINGS_REMOVAL_H
#define ANON_AUTH_SETTINGS_REMOVAL_H

#include "postgres.h"

#include "http/http_response.h"
#include "http/http_settings.h"
#include "lib/stringinfo.h"

typedef struct SettingsRemoval
{
	const char *subject;		/* names the texts of the page */
	const char *path;			/* of the page, with its query */
	const char *id;				/* of the credential */
	const void *row;			/* the credential itself, for add_row */
	const char *name;			/* that the text on the page mentions; NULL: none */

	/* Add the row of the credential to a list in the model.  NULL: there is no list. */
	void		(*add_row) (StringInfo model, const HttpSettings *settings, const void *row);
	bool		ends_other_sessions;	/* the page says so */

	/* Remove it.  Returns false if the caller has no such credential any longer. */
	bool		(*remove) (HttpSettings *settings, const char *id);
} SettingsRemoval;

/*
 * Handle GET, which shows the page, and POST, which removes a credential that the caller has.
 * Returns true if it was removed: the caller then answers.
 */
extern bool settings_removal_page(HttpSettings *settings, const SettingsRemoval *removal,
								  HttpResponse *response);

#endif							/* ANON_AUTH_SETTINGS_REMOVAL_H */
