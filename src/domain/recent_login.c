/*-------------------------------------------------------------------------
 *
 * recent_login.c
 *	  Changes that only a user who has logged in a short time ago can make.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/raise.h"
#include "domain/recent_login.h"
#include "json/raise_json.h"
#include "store/settings.h"

void
recent_login_require(const User *user, const Session *session, TimestampTz now)
{
	int64		max_age;

	if (user->is_anonymous)
		return;
	max_age = settings_read_reauthentication_max_age();
	if (max_age > 0 && now - session->authenticated_at > max_age)
		raise_recent_login_required(max_age / USECS_PER_SEC);
}

void
recent_login_require_account(const User *user, const Session *session, TimestampTz now)
{
	if (user->is_anonymous)
		raise_account_required();
	recent_login_require(user, session, now);
}
