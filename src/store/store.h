/*-------------------------------------------------------------------------
 *
 * store.h
 *	  All headers of the tables, until callers include what they use.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_STORE_H
#define ANON_AUTH_STORE_H

#include "base/uuid.h"
#include "store/authorization_codes.h"
#include "store/clients.h"
#include "store/device_keys.h"
#include "store/events.h"
#include "store/login_ids.h"
#include "store/one_time_codes.h"
#include "store/outbox.h"
#include "store/passwords.h"
#include "store/sessions.h"
#include "store/settings.h"
#include "store/signing_keys.h"
#include "store/user_deletion.h"
#include "store/users.h"

#endif							/* ANON_AUTH_STORE_H */
