/*-------------------------------------------------------------------------
 *
 * settings_device.h
 *	  How a settings page names the device of a session or of a key.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_SETTINGS_DEVICE_H
#define ANON_AUTH_SETTINGS_DEVICE_H

#include "postgres.h"

#include "http/http_request.h"
#include "lib/stringinfo.h"
#include "store/device_keys.h"
#include "store/sessions.h"

/*
 * Begin a row (settings_parts.h) with the name of a session's device: what the app has
 * reported or, without a report, the browser and the system in the user agent.
 */
extern void settings_device_begin_row(StringInfo model, const ListedSession *session);

/* Begin a row with the name of the device of a key: its own, or that in the report of the app. */
extern void settings_device_begin_key_row(StringInfo model, const DeviceKey *key);

/* Return a name for what is kept on the device of a browser, such as "Chrome, Windows", or NULL. */
extern const char *settings_device_of_browser(const HttpRequest *request);

#endif							/* ANON_AUTH_SETTINGS_DEVICE_H */
