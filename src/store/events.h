/*-------------------------------------------------------------------------
 *
 * events.h
 *	  The table anon_auth.events: the audit log.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_EVENTS_H
#define ANON_AUTH_EVENTS_H

#include "postgres.h"

#include "utils/jsonb.h"
#include "utils/timestamp.h"
#include "base/string_list.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

/* Whether the settings want events of this type to be kept. */
extern bool events_are_kept(const char *type);

/*
 * Insert an event, unless the settings do not want its type.  user_id is NULL if no
 * user is known.  client_id and payload may be NULL.
 */
extern void events_insert(const char *type, const pg_uuid_t *user_id, const char *client_id,
						  Jsonb *payload, TimestampTz now);

/*
 * Return how many events of these types a user has since a time, at most limit.  Events of
 * types that are not kept do not count.
 */
extern uint64 events_count(const pg_uuid_t *user_id, const StringList *types, TimestampTz since,
						   int limit);

#endif							/* ANON_AUTH_EVENTS_H */
