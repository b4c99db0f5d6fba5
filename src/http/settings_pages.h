/*-------------------------------------------------------------------------
 *
 * settings_pages.h
 *	  The settings pages.  Each handles GET and POST for its own path.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_SETTINGS_PAGES_H
#define ANON_AUTH_SETTINGS_PAGES_H

#include "postgres.h"

#include "http/http_response.h"
#include "http/http_settings.h"
#include "login_id/login_id.h"

/* What the account has, with links to the other pages. */
extern void settings_overview_page(HttpSettings *settings, HttpResponse *response);

/* The live sessions, which the user can end. */
extern void settings_sessions_page(HttpSettings *settings, HttpResponse *response);

/* The claims and custom attributes that users write themselves. */
extern void settings_profile_page(HttpSettings *settings, HttpResponse *response);

/* Change the password, or set one where there is none. */
extern void settings_password_page(HttpSettings *settings, HttpResponse *response);

/* Add, change, confirm or remove a login ID. */
extern void settings_login_ids_page(HttpSettings *settings, HttpResponse *response);

/*
 * Return the path of that page.  verb is "add", "change", "verify" or "remove"; login_id is
 * NULL to add one.
 */
extern char *settings_login_ids_path(const char *verb, LoginIdType type, const char *login_id);

/* Remove an identity at a provider. */
extern void settings_identity_page(HttpSettings *settings, HttpResponse *response);

/* Return the path of that page. */
extern char *settings_identity_path(const char *issuer);

/* Remove the key with which a device logs in. */
extern void settings_device_key_page(HttpSettings *settings, HttpResponse *response);

/* Add a list of the account's device keys to a model, if there are any. */
extern void settings_device_key_add_rows(StringInfo model, const HttpSettings *settings);

/* The passkeys, one to add and one to remove. */
extern void settings_passkeys_page(HttpSettings *settings, HttpResponse *response);
extern void settings_add_passkey_page(HttpSettings *settings, HttpResponse *response);
extern void settings_remove_passkey_page(HttpSettings *settings, HttpResponse *response);

/* Add to a list how many passkeys there are, unless there are none and pages offer none. */
extern void settings_passkeys_add_row(StringInfo model, const HttpSettings *settings);

/* Return whether the user has the passkey with this id, which may be NULL. */
extern bool settings_passkeys_have(const HttpSettings *settings, const char *id);

/* Download a copy of everything that is stored about the account. */
extern void settings_export_page(HttpSettings *settings, HttpResponse *response);

/* Delete the account, or keep it while that is still possible. */
extern void settings_deletion_page(HttpSettings *settings, HttpResponse *response);

/* Add to a model when the account will be deleted, and a button to keep it. */
extern void settings_deletion_add_undo(StringInfo model, const HttpSettings *settings);

#endif							/* ANON_AUTH_SETTINGS_PAGES_H */
