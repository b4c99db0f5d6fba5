/*-------------------------------------------------------------------------
 *
 * user_creation.c
 *	  Accounts that an administrator makes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "domain/account_request.h"
#include "domain/password.h"
#include "domain/user_creation.h"
#include "domain/user_import.h"
#include "domain/user_roles.h"
#include "store/events.h"

static void
check_account(UserCreation *creation, AccountPlan *plan)
{
	ExistingAccount account;

	user_import_check_attributes(&creation->state);
	user_roles_normalise(&creation->state.roles);
	account_request_plan_import(creation->login_ids, creation->verified, plan);
	if (plan->count == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("at least one of email, phone_number and username is required")));
	account_request_require_proofs(plan);
	if (creation->password != NULL)
		password_check_policy(creation->password, &plan->policy);
	(void) account_request_find_existing(plan, false, &account);
}

pg_uuid_t
user_creation_run(UserCreation *creation, TimestampTz now)
{
	pg_uuid_t	id = users_new_id(NULL, now);
	AccountPlan plan;
	AccountState state;
	const char *hash;

	check_account(creation, &plan);
	/* Before rows are locked, because it takes long. */
	hash = creation->password == NULL ? NULL :
		password_make_hash(creation->password, &plan.policy);
	/* A race for a login ID is then AA009: an administrator cannot log in instead. */
	plan.asker = &id;
	account_request_take_addresses(&plan, NULL, now);
	account_request_fill_state(&plan, &state);
	state.has_password = hash != NULL;
	creation->state.created_at = now;
	(void) users_import_account(&id, &state, &creation->state, now);
	account_request_insert(&plan, NULL, &id, hash, now);
	events_insert("user.created", &id, NULL, account_request_event(&plan), now);
	return id;
}
