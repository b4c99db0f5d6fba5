/*-------------------------------------------------------------------------
 *
 * placement.c
 *	  Which table of operations holds.
 *
 * This file calls none of the operations itself and names no implementation, so that
 * statement.c, which all implementations use, can call it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "store/placement.h"

static const Placement *default_placement = NULL;
static PlacementChooser placement_chooser = NULL;

const Placement *
placement_current(void)
{
	const Placement *chosen = placement_chooser != NULL ? placement_chooser() : NULL;

	return chosen != NULL ? chosen : default_placement;
}

bool
placement_is_local(void)
{
	return placement_current() == default_placement;
}

void
placement_set_default(const Placement *operations)
{
	default_placement = operations;
}

void
placement_set_chooser(PlacementChooser chooser)
{
	placement_chooser = chooser;
}
