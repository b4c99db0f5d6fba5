/*-------------------------------------------------------------------------
 *
 * user_import.c
 *	  Accounts of another system, with the ids and passwords that they have there.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/raise.h"
#include "base/uuid.h"
#include "domain/account_request.h"
#include "domain/imported_hash.h"
#include "domain/user_import.h"
#include "domain/user_roles.h"
#include "json/raise_json.h"
#include "store/events.h"
#include "store/login_ids.h"

static void
check_hash(const char *hash)
{
	const char *problem = imported_hash_problem(hash);

	if (problem != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the password hash cannot be imported"),
				 errdetail("It %s.", problem),
				 errhint("The formats and the limits of their cost are in the guide, \"Importing users\".")));
}

static void
check_object(Jsonb *attributes, const char *name)
{
	if (!JB_ROOT_IS_OBJECT(attributes))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be a JSON object", name)));
}

void
user_import_check_attributes(const ImportedState *state)
{
	check_object(state->standard_attributes, "standard_attributes");
	check_object(state->custom_attributes, "custom_attributes");
}

static void
raise_user_exists(const pg_uuid_t *id)
{
	char		text[UUID_TEXT_LENGTH + 1];

	uuid_to_text(id, text);
	ereport(ERROR,
			(errcode(ERRCODE_UNIQUE_VIOLATION),
			 errmsg("user %s exists already", text)));
}

/* Raise an error if the user itself has a login ID already, which would otherwise be AA009. */
static void
refuse_second_import(const pg_uuid_t *id, AccountPlan *plan)
{
	int			i;

	for (i = 0; i < plan->count; i++)
	{
		const LoginIdRow *row = account_request_holder(plan, i);

		if (row != NULL && memcmp(&row->user_id, id, UUID_LEN) == 0)
			raise_user_exists(id);
	}
}

void
user_import(UserImport *import, TimestampTz now)
{
	AccountPlan plan;
	AccountState state;
	ExistingAccount account;
	const char *hash = NULL;

	user_import_check_attributes(&import->state);
	if (import->password_hash != NULL)
	{
		check_hash(import->password_hash);
		hash = imported_hash_stored(import->password_hash);
	}
	user_roles_normalise(&import->state.roles);
	account_request_plan_import(import->login_ids, import->verified, &plan);
	refuse_second_import(&import->id, &plan);
	(void) account_request_find_existing(&plan, false, &account);

	account_request_take_addresses(&plan, NULL, now);
	account_request_fill_state(&plan, &state);
	state.has_password = hash != NULL;
	if (!users_import_account(&import->id, &state, &import->state, now))
		raise_user_exists(&import->id);
	account_request_insert(&plan, NULL, &import->id, hash, now);
	events_insert("user.imported", &import->id, NULL, account_request_event(&plan), now);
}
