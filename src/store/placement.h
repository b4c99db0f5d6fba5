/*-------------------------------------------------------------------------
 *
 * placement.h
 *	  The operations that depend on where the extension's rows are stored.
 *
 * Nearly all statements are the same whether one database has all rows or the
 * nodes of a cluster share them.  struct Placement lists the exceptions.  A caller
 * calls placement_current() each time, because rows can move between two statements.
 *
 * placement_local.c has the operations for plain PostgreSQL.  A module that stores
 * rows elsewhere, such as src/citus, calls placement_set_chooser().
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_PLACEMENT_H
#define ANON_AUTH_PLACEMENT_H

#include "postgres.h"

#include "lib/stringinfo.h"
#include "store/app_tables.h"
#include "store/due_rows.h"
#include "utils/array.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

/* How many plans a statement can keep: one for each value of plan_slot. */
#define PLACEMENT_SLOTS		2

/*
 * Operations raise the errors that their callers document.  Unless its comment says
 * otherwise, an operation holds no lock after it returns, and plain PostgreSQL does nothing in it.
 */
typedef struct Placement
{
	/*
	 * Where a statement keeps its plan.  A plan that was made for rows in this
	 * database would not find them on other nodes.
	 */
	int			plan_slot;

	/*
	 * Options of SPI_prepare_cursor() for statements without custom_plans.  Plain
	 * PostgreSQL uses generic plans, so that no plan contains secrets.  Citus needs
	 * the parameters to find the node, and chooses.
	 */
	int			cursor_options;

	/*
	 * Begin a statement, which is not planned yet.  Returns the nest level of
	 * parameters to restore after it: the given one, or a new one if that was 0 and
	 * a parameter had to be changed.  Citus sets the parameters that determine the
	 * text sent to other nodes.  It raises 55000 if the library was loaded too
	 * late to check earlier SET commands, and 0A000 in ALTER TABLE, where the statement
	 * would return no rows.
	 */
	int			(*enter_statement) (int nest_level);

	/*
	 * Begin a statement that writes, after enter_statement().  Citus raises 0A000
	 * if the write on another node could not be rolled back with this transaction.
	 */
	void		(*require_safe_write) (void);

	/*
	 * Return the id of a new user, a UUIDv7.  route is that of its device key, or
	 * NULL.  Citus chooses an id of the same shard, so that a login needs one node only.
	 */
	pg_uuid_t	(*new_user_id) (const pg_uuid_t *route, TimestampTz now);

	/*
	 * Lock the device keys of users until the end of the transaction, skipping keys
	 * that other transactions hold.  Returns the users whose keys are locked.  Plain PostgreSQL
	 * finds keys by their user; Citus by their route, which names the shard.
	 */
	ArrayType  *(*lock_device_keys) (ArrayType *users);

	/*
	 * How many users a statement of purge() may lock.  Plain PostgreSQL has no
	 * limit.  Citus locks rows on one shard at a time, so its limit is 1.
	 */
	int			users_per_lock;

	/*
	 * due_rows_delete_sessions() and due_rows_delete().  Both lock the rows that they
	 * delete and skip rows that other transactions hold.  Plain PostgreSQL does that in
	 * one statement.  Citus finds rows first, and then locks and deletes each by its key.
	 */
	uint64		(*delete_due_sessions) (TimestampTz now, int limit, bool *more);
	uint64		(*delete_due_rows) (DueKind kind, TimestampTz before, int limit);

	/*
	 * outbox_take().  Plain PostgreSQL locks and deletes the messages in
	 * one statement; Citus locks and deletes each by its key.
	 */
	struct OutboxMessage *(*take_outbox_messages) (int limit, int *count);

	/*
	 * Delete users, whose rows the caller has locked and which no row of the
	 * application references, with all their rows in the extension's tables.  Plain
	 * PostgreSQL lets no trigger fire, and raises 40001 for rows that the
	 * transaction does not see.  On Citus, foreign keys of the shards delete some of
	 * the rows.
	 */
	void		(*delete_users) (ArrayType *users);

	/*
	 * Raise an error if an application's table cannot be changed in this
	 * transaction.  Citus raises 55000 for a distributed table of another owner.
	 */
	void		(*check_app_tables) (const AppTable *tables, int count);

	/*
	 * Append common table expressions that let rows of user $1 reference user $2.
	 * The last one is named t<number> and returns a row for each row that it
	 * changed.  Plain PostgreSQL appends an UPDATE.  Citus does not let an UPDATE
	 * move a row to another shard: it deletes and inserts such rows, and raises
	 * AA021 if other tables would follow the deletion.
	 */
	void		(*append_move) (StringInfo sql, AppTable *table, int number);

	/*
	 * Called when this node's master key file has a new current key.  Citus warns
	 * that the other nodes need the file.
	 */
	void		(*master_key_rotated) (void);
} Placement;

/* Return the operations for where the rows are now. */
extern const Placement *placement_current(void);

/* Whether this database has all rows, so that the default operations are in use. */
extern bool placement_is_local(void);

/* Called once when the library is loaded, by placement_local.c. */
extern void placement_set_default(const Placement *operations);

/*
 * Called at most once, when the library is loaded.  The function returns the
 * operations to use now, or NULL for the default ones.  It is called several times
 * for each statement, and must not run statements of src/store itself.
 */
typedef const Placement *(*PlacementChooser) (void);
extern void placement_set_chooser(PlacementChooser chooser);

#endif							/* ANON_AUTH_PLACEMENT_H */
