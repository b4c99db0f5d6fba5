/*-------------------------------------------------------------------------
 *
 * settings_device.c
 *	  How a settings page names the device of a session or of a key.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/limits.h"
#include "base/shown_text.h"
#include "http/settings_device.h"
#include "http/settings_parts.h"
#include "json/json_read.h"
#include "json/json_write.h"

/* A word of user agents, and the name that it stands for. */
typedef struct AgentWord
{
	const char *word;
	const char *name;
} AgentWord;

/* Most browsers name others that they resemble, so the order counts. */
static const AgentWord browsers[] = {
	{"Edg", "Microsoft Edge"},
	{"OPR/", "Opera"},
	{"SamsungBrowser/", "Samsung Internet"},
	{"FxiOS/", "Firefox"},
	{"Firefox/", "Firefox"},
	{"CriOS/", "Chrome"},
	{"Chrome/", "Chrome"},
	{"Safari/", "Safari"},
	{NULL, NULL}
};

static const AgentWord systems[] = {
	{"iPhone", "iPhone"},
	{"iPad", "iPad"},
	{"Android", "Android"},
	{"Windows", "Windows"},
	{"CrOS", "ChromeOS"},
	{"Macintosh", "macOS"},
	{"Linux", "Linux"},
	{NULL, NULL}
};

static const char *
name_in(const AgentWord *words, const char *user_agent)
{
	for (; user_agent != NULL && words->word != NULL; words++)
		if (strstr(user_agent, words->word) != NULL)
			return words->name;
	return NULL;
}

/* Return a member of an object in an object, or NULL. */
static const Jsonb *
object_member(const Jsonb *object, const char *name)
{
	JsonbValue *member = object == NULL ? NULL : json_member(object, name);

	return member != NULL && member->type == jbvBinary ? json_container(member) : NULL;
}

/* Apps report what they like, so it is cut and has no characters that could imitate a page. */
static const char *
text_member(const Jsonb *object, const char *name)
{
	const char *text = object == NULL ? NULL : json_cstring(object, name);

	return text == NULL ? NULL : shown_text(text, DEVICE_NAME_MAX_LENGTH);
}

/* Return the name of the device in a report of Authgear's SDKs, or NULL. */
static const char *
reported_name(const Jsonb *info)
{
	const Jsonb *build = object_member(object_member(info, "android"), "Build");
	const Jsonb *ios = object_member(info, "ios");
	const char *manufacturer = text_member(build, "MANUFACTURER");
	const char *model = text_member(build, "MODEL");

	if (model != NULL)
		return manufacturer == NULL ? model : psprintf("%s %s", manufacturer, model);
	model = text_member(object_member(ios, "UIDevice"), "model");
	return model != NULL ? model : text_member(object_member(ios, "uname"), "machine");
}

void
settings_device_begin_row(StringInfo model, const ListedSession *session)
{
	const char *name = session->device_info == NULL ? NULL : reported_name(session->device_info);
	const char *browser = name_in(browsers, session->user_agent);
	const char *system = name_in(systems, session->user_agent);

	if (name == NULL && (browser == NULL || system == NULL))
		name = browser != NULL ? browser : system;
	settings_parts_begin_row(model, NULL, name, browser == NULL ? "device_unknown" : "device");
	if (name == NULL && browser != NULL)
	{
		json_add_string(model, "browser", browser);
		json_add_string(model, "system", system);
	}
}

void
settings_device_begin_key_row(StringInfo model, const DeviceKey *key)
{
	const char *name = key->name == NULL ? NULL : shown_text(key->name, DEVICE_NAME_MAX_LENGTH);

	if (name == NULL && key->device_info != NULL)
		name = reported_name(key->device_info);
	settings_parts_begin_row(model, NULL, name, "device_unknown");
}

const char *
settings_device_of_browser(const HttpRequest *request)
{
	const char *user_agent = http_header(request, "user-agent");
	const char *browser = name_in(browsers, user_agent);
	const char *system = name_in(systems, user_agent);

	return browser == NULL || system == NULL ? system : psprintf("%s, %s", browser, system);
}
