/*-------------------------------------------------------------------------
 *
 * object_guard.c
 *	  Only superusers change the extension's objects.
 *
 * PostgreSQL calls the object access hook right after it has changed the catalog, and
 * before it runs an expression of the new object or commits.  At that time, only
 * SnapshotSelf sees the new rows of the catalog.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/compat.h"
#include "catalog/catalog.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_extension.h"
#include "commands/extension.h"
#include "domain/object_change.h"
#include "domain/object_guard.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "tcop/utility.h"
#include "utils/acl.h"

static object_access_hook_type previous_hook = NULL;
static ProcessUtility_hook_type previous_utility = NULL;

/* The innermost utility command: the role that runs it, and whether it is REINDEX. */
static Oid	command_user = InvalidOid;
static bool command_is_reindex = false;

/*
 * Return whether the current role may change all objects.  CREATE INDEX, and ALTER TABLE for a
 * unique constraint, continue as the owner of the table in a security-restricted
 * operation.  In that case, the role that runs the command counts.  Code of the owner
 * gains nothing from this: it changes objects by a separate utility command, and
 * that command has the owner as command_user.
 */
static bool
is_allowed_everything(void)
{
	return IsBinaryUpgrade || superuser() ||
		(InSecurityRestrictedOperation() && OidIsValid(command_user) && superuser_arg(command_user));
}

/* Describe a change from the arguments of the hook. */
static ObjectChange
make_change(ObjectAccessType access, Oid class_id, Oid id, int sub_id, void *arg)
{
	ObjectChange change = {.access = access,.is_reindex = command_is_reindex};

	ObjectAddressSubSet(change.object, class_id, id, sub_id);
	if (arg != NULL && access == OAT_POST_CREATE)
		change.is_internal = ((ObjectAccessPostCreate *) arg)->is_internal;
	else if (arg != NULL && access == OAT_POST_ALTER)
	{
		change.is_internal = ((ObjectAccessPostAlter *) arg)->is_internal;
		change.parent_id = ((ObjectAccessPostAlter *) arg)->auxiliary_id;
	}
	else if (arg != NULL && access == OAT_DROP)
		change.is_internal = (((ObjectAccessDrop *) arg)->dropflags & PERFORM_DELETION_INTERNAL) != 0;
	return change;
}

/*
 * The owner of the extension may drop it.  That is the role that called CREATE EXTENSION,
 * which may have lost its superuser rights since.
 */
static bool
may_drop(const ObjectAddress *object)
{
	Oid			extension_id = object_change_extension(object->classId, object->objectId);

	if (!OidIsValid(extension_id))
		extension_id = get_extension_oid("anon_auth", false);
	return OwnsExtension(extension_id, GetUserId());
}

/* Raise an error if an object of the extension is changed. */
static void
refuse_change(const ObjectChange *change)
{
	ObjectAddress changed;
	char	   *description;

	if (!OidIsValid(get_namespace_oid("anon_auth", true)) ||
		!object_change_concerns_extension(change, &changed) ||
		(change->access == OAT_DROP && may_drop(&changed)))
		return;
	/* The catalog snapshot does not show a new column yet: describe its table. */
	changed.objectSubId = 0;
	description = getObjectDescription(&changed, true);
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("only superusers may change objects of extension anon_auth"),
			 description != NULL ? errdetail("The command would change %s.", description) : 0,
			 errhint("Members of anon_auth_owner may call its functions, write to its tables, and grant rights on them.")));
}

static void
check_access(ObjectAccessType access, Oid class_id, Oid id, int sub_id, void *arg)
{
	ObjectChange change;

	if (previous_hook != NULL)
		previous_hook(access, class_id, id, sub_id, arg);
	if ((access == OAT_POST_CREATE || access == OAT_POST_ALTER || access == OAT_DROP) &&
		!IsSharedRelation(class_id) && !is_allowed_everything())
	{
		change = make_change(access, class_id, id, sub_id, arg);
		refuse_change(&change);
	}
}

/* Stores only the OID: superuser_arg() reads catalogs, which ROLLBACK must not do. */
void
object_guard_command_begins(Node *statement)
{
	command_user = GetUserId();
	command_is_reindex = IsA(statement, ReindexStmt);
}

static void
note_command(PlannedStmt *planned, const char *query, bool read_only_tree,
			 ProcessUtilityContext context, ParamListInfo params, QueryEnvironment *environment,
			 DestReceiver *destination, QueryCompletion *completion)
{
	Oid			outer_user = command_user;
	bool		outer_is_reindex = command_is_reindex;

	/* A subcommand keeps the values of its command. */
	if (context != PROCESS_UTILITY_SUBCOMMAND)
		object_guard_command_begins(planned->utilityStmt);
	PG_TRY();
	{
		if (previous_utility != NULL)
			previous_utility(planned, query, read_only_tree, context, params, environment,
							 destination, completion);
		else
			standard_ProcessUtility(planned, query, read_only_tree, context, params, environment,
									destination, completion);
	}
	PG_FINALLY();
	{
		command_user = outer_user;
		command_is_reindex = outer_is_reindex;
	}
	PG_END_TRY();
}

void
object_guard_init(void)
{
	previous_hook = object_access_hook;
	object_access_hook = check_access;
	previous_utility = ProcessUtility_hook;
	ProcessUtility_hook = note_command;
}
