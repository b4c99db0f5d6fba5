/*-------------------------------------------------------------------------
 *
 * settings_export_page.c
 *	  /settings/export: download a copy of everything that is stored about the account.
 *
 * The copy is the answer to a form, so that no link can cause a download, and nothing that
 * follows links can fetch it.  It has more about the user than any other page.  So the page
 * asks for a recent login, although export_account() does not.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "domain/account_export.h"
#include "domain/recent_login.h"
#include "http/settings_pages.h"
#include "http/settings_parts.h"
#include "utils/jsonb.h"

#define EXPORT_DISPOSITION	"attachment; filename=\"account.json\""

typedef struct Download
{
	HttpSettings *settings;
	Jsonb	   *copy;
} Download;

static void
show_form(const HttpSettings *settings, HttpResponse *response)
{
	StringInfoData model;

	http_settings_begin(&model, settings, "export");
	settings_parts_begin(&model);
	settings_parts_begin_form(&model, http_settings_uri(settings, "/export"), "download", false);
	settings_parts_end_form(&model);
	settings_parts_end(&model);
	http_settings_show(&model, settings, response);
}

/* A SubtransactionAction. */
static void
make_copy(void *arg)
{
	Download   *download = arg;
	HttpSettings *settings = download->settings;
	TimestampTz now = settings->request->now;

	http_settings_lock(settings);
	recent_login_require(&settings->user, &settings->session, now);
	download->copy = account_export_by_user(&settings->user, &settings->session, now);
}

/* People read the copy, too, so it has lines and indentation. */
static void
write_copy(const Jsonb *copy, HttpResponse *response)
{
	http_json(response, 200,
			  JsonbToCStringIndent(NULL, unconstify(JsonbContainer *, &copy->root), VARSIZE(copy)));
	http_add_header(response, "Content-Disposition", EXPORT_DISPOSITION);
	http_no_store(response);
}

void
settings_export_page(HttpSettings *settings, HttpResponse *response)
{
	Download	download = {.settings = settings};

	if (!settings->is_post)
	{
		if (!http_settings_needs_login(settings, response))
			show_form(settings, response);
		return;
	}
	switch (http_settings_try(settings, make_copy, &download, response, NULL))
	{
		case SETTINGS_DONE:
			write_copy(download.copy, response);
			break;
		case SETTINGS_REFUSED:
			show_form(settings, response);
			break;
		case SETTINGS_ANSWERED:
			break;
	}
}
