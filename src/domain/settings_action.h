/*-------------------------------------------------------------------------
 *
 * settings_action.h
 *	  One page of the settings that an application opens for its user, and that leads back
 *	  to the application when the user has finished (docs/authgear.md, section 7).
 *
 * The request travels in the page's address.  It belongs to one session: in the address
 * bar of another person, it does nothing.  When the user has finished, the application gets
 * a code, which shows that its request was carried out and gives access to nothing.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_SETTINGS_ACTION_H
#define ANON_AUTH_SETTINGS_ACTION_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "store/clients.h"
#include "store/sessions.h"
#include "utils/uuid.h"

typedef struct SettingsAction
{
	const char *name;			/* change_password, delete_account, ... */
	char	   *client_id;
	char	   *redirect_uri;
	char	   *state;			/* may be NULL, as the next two */
	char	   *ui_locales;
	char	   *login_id;		/* the login ID to replace */
	char	   *code_challenge;
	pg_uuid_t	session_id;
	TimestampTz expires_at;
} SettingsAction;

/*
 * Return the path of an action's page below /settings/, or NULL if there is no such action.
 * Sets *is_for_guests, which may be NULL, to whether a guest may do it.
 */
extern const char *settings_action_path(const char *name, bool *is_for_guests);

/* Return an action as authenticated text. */
extern char *settings_action_write(const SettingsAction *action);

/*
 * Fill action and client from such a text.  Return false unless the text is authentic, has
 * not expired, and belongs to this session, and the client still has the redirect URI.
 */
extern bool settings_action_read(const char *text, const Session *session, TimestampTz now,
								 SettingsAction *action, Client *client);

/*
 * Fill in the client, and the redirect URI, state and ui_locales of the action, from a text
 * that may have expired or may belong to another session: good for a link back to the
 * client.
 */
extern bool settings_action_origin(const char *text, SettingsAction *action, Client *client);

/*
 * Return a code for an action that was carried out.  It lives on if its user is deleted, so
 * no table has it.
 */
extern char *settings_action_create_code(const SettingsAction *action, TimestampTz now);

/*
 * Use a code up.  Raises AA002 for the client, AA012 if the code is not authentic, expired,
 * used, another client's, or does not match the verifier, 22023 for a malformed verifier or
 * another redirect URI, and AA018 if there is no room to note the use.
 */
extern void settings_action_use_code(const Client *client, const char *code,
									 const char *redirect_uri, const char *code_verifier,
									 TimestampTz now);

#endif							/* ANON_AUTH_SETTINGS_ACTION_H */
