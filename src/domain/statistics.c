/*-------------------------------------------------------------------------
 *
 * statistics.c
 *	  Counts of calls since the file of the counters was made, as jsonb.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/detail_codes.h"
#include "base/errors.h"
#include "counters/counters.h"
#include "counters/refusals.h"
#include "domain/statistics.h"
#include "json/json_write.h"
#include "utils/formatting.h"

typedef struct NamedStatistic
{
	const char *name;
	CounterStatistic statistic;
} NamedStatistic;

static const NamedStatistic logins[] = {
	{"device_key", COUNTER_DEVICE_KEY_LOGINS},
	{"password", COUNTER_PASSWORD_LOGINS},
	{"id_token", COUNTER_ID_TOKEN_LOGINS},
	{"code", COUNTER_CODE_LOGINS},
	{"passkey", COUNTER_PASSKEY_LOGINS}
};

/* Refusals that are no errors of class AA, or need a name of their own. */
static const NamedStatistic refusals[] = {
	{"wrong_credentials", COUNTER_WRONG_CREDENTIALS},
	{"unknown_login_ids_per_minute", COUNTER_UNHASHED_LOGINS},
	{"wrong_code", COUNTER_WRONG_CODES},
	{"refresh_token_reused", COUNTER_REUSED_REFRESH_TOKENS},
	{"authorization_code_reused", COUNTER_REUSED_AUTHORIZATION_CODES},
	{"id_token_reused", COUNTER_REUSED_ID_TOKENS}
};

#define LIMIT_NAME(code, what) #code,

static const char *const limits[] = {
	RATE_LIMIT_CODES(LIMIT_NAME)
};

StaticAssertDecl(lengthof(limits) <= COUNTER_LIMITS, "too many limits for the statistics");

#define ERROR_ROW(a, b, c, name, ...) {ERRCODE_AA_##name, #name},

static const struct
{
	int			sqlstate;
	const char *name;
}			errors[] = {
	AA_ERRORS(ERROR_ROW)
};

static void
add_statistics(StringInfo json, const NamedStatistic *statistics, int count)
{
	int			i;

	for (i = 0; i < count; i++)
		json_add_integer(json, statistics[i].name,
						 (int64) counter_statistic(statistics[i].statistic));
}

static void
add_limits(StringInfo json)
{
	int			i;

	for (i = 0; i < lengthof(limits); i++)
		json_add_integer(json, limits[i],
						 (int64) counter_statistic(i == RATE_LIMIT_counter_cells ?
												   COUNTER_NO_ROOM : COUNTER_FIRST_LIMIT + i));
}

static void
add_errors(StringInfo json)
{
	int			i;

	for (i = 0; i < lengthof(errors); i++)
	{
		char	   *name = asc_tolower(errors[i].name, strlen(errors[i].name));

		/* Each limit has a count of its own. */
		if (errors[i].sqlstate != ERRCODE_AA_RATE_LIMITED)
			json_add_integer(json, name, (int64) refusals_count(errors[i].sqlstate));
	}
}

Jsonb *
statistics_logins(void)
{
	StringInfoData json;

	initStringInfo(&json);
	json_open(&json);
	add_statistics(&json, logins, lengthof(logins));
	json_close(&json);
	return json_to_jsonb(json.data);
}

Jsonb *
statistics_refusals(void)
{
	StringInfoData json;

	initStringInfo(&json);
	json_open(&json);
	add_limits(&json);
	add_statistics(&json, refusals, lengthof(refusals));
	add_errors(&json);
	json_close(&json);
	return json_to_jsonb(json.data);
}
