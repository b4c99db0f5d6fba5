/*-------------------------------------------------------------------------
 *
 * account_login_ids.c
 *	  Changes of the login IDs of an account, and of what its row says about them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "domain/account_login_ids.h"

const LoginIdRow *
account_login_ids_find(const LoginIdRow *rows, int count, const LoginId *login_id)
{
	int			i;

	for (i = 0; i < count; i++)
		if (rows[i].type == login_id->type && strcmp(rows[i].value, login_id->value) == 0)
			return &rows[i];
	return NULL;
}

static LoginId
login_id_of_row(const LoginIdRow *row)
{
	return (LoginId)
	{
		.type = row->type,.value = row->value,.original_value = row->original_value
	};
}

bool
account_login_ids_add(const User *user, const LoginId *login_id, bool verified, TimestampTz now)
{
	pg_uuid_t	route = login_ids_route(login_id);

	if (!login_ids_insert(login_id, &user->id, verified, now))
		return false;
	users_add_login_id(&user->id, &route, login_id_claim(login_id->type), login_id->value, now);
	if (verified)
		users_set_verified(&user->id, true, now);
	return true;
}

void
account_login_ids_verify(const User *user, const LoginIdRow *row, const char *original_value,
						 TimestampTz now)
{
	LoginId		login_id = login_id_of_row(row);

	users_set_verified(&user->id, true, now);
	login_ids_set_proven(&login_id, original_value, now);
}

void
account_login_ids_remove(const User *user, const LoginIdRow *row, TimestampTz now)
{
	LoginId		login_id = login_id_of_row(row);

	login_ids_delete(&login_id, &user->id);
	account_login_ids_forget(user, row, now);
}

/* The next login ID that the claim names is a verified one if there is any. */
void
account_login_ids_forget(const User *user, const LoginIdRow *row, TimestampTz now)
{
	LoginId		login_id = login_id_of_row(row);
	pg_uuid_t	route = login_ids_route(&login_id);
	const LoginIdRow *next = NULL;
	bool		verified = false;
	int			count;
	LoginIdRow *rows = login_ids_of(user, &count);
	int			i;

	for (i = 0; i < count; i++)
	{
		verified |= rows[i].verified;
		if (rows[i].type == row->type && (next == NULL || (rows[i].verified && !next->verified)))
			next = &rows[i];
	}
	users_remove_login_id(&user->id, &route, login_id_claim(row->type), row->value,
						  next != NULL ? next->value : NULL, now);
	if (row->verified && !verified)
		users_set_verified(&user->id, false, now);
}
