/*-------------------------------------------------------------------------
 *
 * credentials.c
 *	  The credentials of an account: everything that somebody can log in to it with.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "domain/credentials.h"
#include "store/device_keys.h"
#include "store/passkeys.h"
#include "store/user_identities.h"

void
credentials_of(const User *user, Credentials *credentials)
{
	LoginIdRow *rows;
	int			i;

	memset(credentials, 0, sizeof(Credentials));
	credentials->has_password = user->has_password;
	rows = login_ids_of(user, &credentials->login_ids);
	for (i = 0; i < credentials->login_ids; i++)
		if (rows[i].verified && rows[i].type != LOGIN_ID_USERNAME)
			credentials->verified_addresses++;
	(void) user_identities_of(user, &credentials->identities);
	(void) device_keys_of(user, &credentials->device_keys);
	(void) passkeys_of(user, &credentials->passkeys);
}

bool
credentials_open_account(const Credentials *credentials)
{
	return credentials->identities > 0 || credentials->device_keys > 0 ||
		credentials->passkeys > 0 ||
		credentials->verified_addresses > 0 ||
		(credentials->has_password && credentials->login_ids > 0);
}

bool
credentials_open_account_without(const Credentials *credentials, const LoginIdRow *login_id)
{
	Credentials rest = *credentials;

	rest.login_ids--;
	if (login_id->verified && login_id->type != LOGIN_ID_USERNAME)
		rest.verified_addresses--;
	return credentials_open_account(&rest);
}
