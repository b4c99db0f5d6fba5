/*-------------------------------------------------------------------------
 *
 * row_check.c
 *	  Errors that explain the constraints of settings and clients.
 *
 * The conditions come from the catalog, so they are those that PostgreSQL enforces
 * after the trigger.  Only the words are in the library: a comment on a constraint
 * can be changed by the owner of the table, and superusers read the error.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/sysattr.h"
#include "base/compat.h"
#include "domain/row_check.h"
#include "executor/executor.h"
#include "generated/clients_columns.h"
#include "generated/settings_columns.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/rls.h"

/* The longest value in a DETAIL, in bytes. */
#define SHOWN_VALUE_LENGTH	200

/* Return the rule of a constraint of settings or clients, or NULL for any other constraint. */
static const char *
rule_of(Relation table, const char *constraint)
{
	static const struct
	{
		const char *table;
		const char *constraint;
		const char *rule;
	}			rules[] =
	{
#define SETTINGS_RULE(constraint, rule) {"settings", constraint, rule},
		SETTINGS_CHECKS(SETTINGS_RULE)
#define CLIENTS_RULE(constraint, rule) {"clients", constraint, rule},
		CLIENTS_CHECKS(CLIENTS_RULE)
	};
	int			i;

	for (i = 0; i < lengthof(rules); i++)
		if (strcmp(rules[i].constraint, constraint) == 0 &&
			strcmp(rules[i].table, RelationGetRelationName(table)) == 0)
			return rules[i].rule;
	return NULL;
}

/*
 * Return whether the current user knows the value of a column.  An INSERT sets all
 * columns.  Under row security, SELECT on the column is not enough: a policy can let
 * a role update a row that it cannot read.
 */
static bool
can_be_shown(const TriggerData *trigger, AttrNumber column)
{
	Oid			table = RelationGetRelid(trigger->tg_relation);

	if (TRIGGER_FIRED_BY_INSERT(trigger->tg_event) ||
		bms_is_member(column - FirstLowInvalidHeapAttributeNumber, trigger->tg_updatedcols))
		return true;
	return check_enable_rls(table, InvalidOid, true) != RLS_ENABLED &&
		(pg_class_aclcheck(table, GetUserId(), ACL_SELECT) == ACLCHECK_OK ||
		 pg_attribute_aclcheck(table, column, GetUserId(), ACL_SELECT) == ACLCHECK_OK);
}

static void
append_value(StringInfo detail, Form_pg_attribute attribute, Datum value)
{
	Oid			output;
	bool		is_varlena;
	char	   *text;
	int			shown;

	getTypeOutputInfo(attribute->atttypid, &output, &is_varlena);
	text = OidOutputFunctionCall(output, value);
	shown = pg_mbcliplen(text, strlen(text), SHOWN_VALUE_LENGTH);
	appendStringInfo(detail, "%s is \"%.*s%s\".", NameStr(attribute->attname), shown, text,
					 text[shown] == '\0' ? "" : "...");
}

/* Return a sentence for each column of the condition.  Returns NULL if none can be shown. */
static const char *
describe_columns(const TriggerData *trigger, TupleTableSlot *row, Node *condition)
{
	TupleDesc	columns = RelationGetDescr(trigger->tg_relation);
	Bitmapset  *named = NULL;
	StringInfoData detail;
	int			i;

	pull_varattnos(condition, 1, &named);
	initStringInfo(&detail);
	for (i = 0; i < columns->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(columns, i);
		bool		is_null;
		Datum		value;

		if (!bms_is_member(i + 1 - FirstLowInvalidHeapAttributeNumber, named) ||
			!can_be_shown(trigger, i + 1))
			continue;
		if (detail.len > 0)
			appendStringInfoChar(&detail, ' ');
		value = slot_getattr(row, i + 1, &is_null);
		if (is_null)
			appendStringInfo(&detail, "%s is NULL.", NameStr(attribute->attname));
		else
			append_value(&detail, attribute, value);
	}
	return detail.len > 0 ? detail.data : NULL;
}

static void
check_not_null(Relation table, TupleTableSlot *row)
{
	TupleDesc	columns = RelationGetDescr(table);
	int			i;

	for (i = 0; i < columns->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(columns, i);

		/* PostgreSQL computes generated columns after the triggers. */
		if (attribute->attnotnull && attribute->attgenerated == '\0' &&
			slot_attisnull(row, i + 1))
			ereport(ERROR,
					(errcode(ERRCODE_NOT_NULL_VIOLATION),
					 errmsg("null value in column \"%s\" of relation \"%s\" violates not-null constraint",
							NameStr(attribute->attname), RelationGetRelationName(table)),
					 errtablecol(table, i + 1)));
	}
}

static void
check_constraints(const TriggerData *trigger, TupleTableSlot *row)
{
	Relation	table = trigger->tg_relation;
	const TupleConstr *constraints = RelationGetDescr(table)->constr;
	EState	   *estate = CreateExecutorState();
	ExprContext *context = GetPerTupleExprContext(estate);
	int			i;

	context->ecxt_scantuple = row;
	for (i = 0; i < (constraints == NULL ? 0 : constraints->num_check); i++)
	{
		const ConstrCheck *check = &constraints->check[i];
		const char *rule = rule_of(table, check->ccname);
		Node	   *condition;
		const char *detail;

		if (rule == NULL || !ConstraintIsEnforced(check))
			continue;
		condition = stringToNode(check->ccbin);
		if (ExecCheck(ExecPrepareExpr((Expr *) condition, estate), context))
			continue;
		detail = describe_columns(trigger, row, condition);
		ereport(ERROR,
				(errcode(ERRCODE_CHECK_VIOLATION),
				 errmsg("new row for relation \"%s\" violates check constraint \"%s\"",
						RelationGetRelationName(table), check->ccname),
				 detail == NULL ? 0 : errdetail_internal("%s", detail),
				 errhint("%s", rule),
				 errtableconstraint(table, check->ccname)));
	}
	FreeExecutorState(estate);
}

void
row_check(TriggerData *trigger)
{
	TupleTableSlot *row = TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) ?
		trigger->tg_newslot : trigger->tg_trigslot;

	check_not_null(trigger->tg_relation, row);
	check_constraints(trigger, row);
}
