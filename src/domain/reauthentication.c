/*-------------------------------------------------------------------------
 *
 * reauthentication.c
 *	  A user who is known logs in again.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "domain/passkey_policy.h"
#include "domain/reauthentication.h"
#include "mb/pg_wchar.h"

/* Characters at each end of a part of a masked address that stay readable. */
#define SHOWN_OF_EMAIL	1
#define SHOWN_OF_PHONE	3

#define DOTS			"\xe2\x80\xa2\xe2\x80\xa2\xe2\x80\xa2"

/*
 * A code that opens an account with an unproven address takes its other credentials away
 * (reclaimed_account.h), so only proven addresses are ways to log in again.
 */
static bool
can_get_code(const LoginIdRow *row, const AccountPolicy *policy)
{
	return row->verified && row->type != LOGIN_ID_USERNAME &&
		account_policy_allows(policy, row->type);
}

void
reauthentication_find_ways(const pg_uuid_t *user_id, const AccountPolicy *policy,
						   ReauthenticationWays *ways)
{
	User		user;
	LoginIdRow *rows;
	int			count;
	int			i;

	memset(ways, 0, sizeof(ReauthenticationWays));
	ways->user_id = *user_id;
	if (!users_find(user_id, &user) || user.is_anonymous || user.is_disabled)
		return;
	ways->has_password = user.has_password;
	ways->has_passkey = passkey_policy_opens_pages(&user);
	rows = login_ids_of(&user, &count);
	ways->addresses = palloc(sizeof(LoginIdRow) * Max(count, 1));
	for (i = 0; i < count; i++)
	{
		if (ways->known_as == NULL || (rows[i].verified && !ways->known_as->verified))
			ways->known_as = &rows[i];
		if (can_get_code(&rows[i], policy))
			ways->addresses[ways->count++] = rows[i];
	}
}

char *
reauthentication_masked(const LoginIdRow *login_id)
{
	const char *text = login_id->original_value;
	const char *at = strrchr(text, '@');
	int			begin;

	if (login_id->type == LOGIN_ID_PHONE_NUMBER)
		return psprintf("%.*s" DOTS "%s", SHOWN_OF_PHONE, text,
						text + Max((int) strlen(text) - SHOWN_OF_PHONE, SHOWN_OF_PHONE));
	begin = pg_mbcharcliplen(text, strlen(text), SHOWN_OF_EMAIL);
	return psprintf("%.*s" DOTS "%s", begin, text, at == NULL ? "" : at);
}
