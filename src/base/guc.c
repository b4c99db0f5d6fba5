/*-------------------------------------------------------------------------
 *
 * guc.c
 *	  The configuration parameters of anon_auth.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/parallel.h"
#include "base/guc.h"
#include "utils/guc.h"

/* Each cell takes 24 bytes in a file in pg_stat_tmp. */
#define DEFAULT_COUNTER_CELLS	1048576
#define MIN_COUNTER_CELLS		4096
#define MAX_COUNTER_CELLS		16777216

#define VERIFIED_CLAIMS			"anon_auth.verified_claims"
#define CLIENT_ADDRESS			"anon_auth.client_address"

char	   *guc_master_key_file = NULL;
int			guc_counter_cells = DEFAULT_COUNTER_CELLS;

static char *verified_claims = NULL;
static uint64 verified_claims_version = 0;

static char *stated_address = NULL;

/* True only while set_own_parameter() runs. */
static bool setting_own_parameter = false;

/*
 * Refuse every value that this library did not set.  Anybody may RESET such a
 * parameter: without claims there are fewer rights, and without a client address the
 * address of the connection counts.  A parallel worker takes over the leader's value,
 * whose source is always the session.  Values from the settings of a role or a database
 * are refused.
 */
static bool
check_own_parameter(const char *newval, GucSource source, const char *name, const char *function)
{
	if (newval == NULL || *newval == '\0' || setting_own_parameter)
		return true;
	if (InitializingParallelWorker && source == PGC_S_SESSION)
		return true;
	GUC_check_errcode(ERRCODE_INSUFFICIENT_PRIVILEGE);
	GUC_check_errmsg("parameter \"%s\" cannot be set", name);
	GUC_check_errhint("Call anon_auth.%s().", function);
	return false;
}

static bool
check_verified_claims(char **newval, void **extra, GucSource source)
{
	return check_own_parameter(*newval, source, VERIFIED_CLAIMS, "use_access_token");
}

static bool
check_client_address(char **newval, void **extra, GucSource source)
{
	return check_own_parameter(*newval, source, CLIENT_ADDRESS, "use_client_address");
}

static void
assign_verified_claims(const char *newval, void *extra)
{
	verified_claims_version++;
}

const char *
guc_verified_claims(void)
{
	return verified_claims != NULL ? verified_claims : "";
}

uint64
guc_verified_claims_version(void)
{
	return verified_claims_version;
}

static void
set_own_parameter(const char *name, const char *value, bool is_local)
{
	setting_own_parameter = true;
	PG_TRY();
	{
		(void) set_config_option(name, value, PGC_USERSET, PGC_S_SESSION,
								 is_local ? GUC_ACTION_LOCAL : GUC_ACTION_SET,
								 true, 0, false);
	}
	PG_FINALLY();
	{
		setting_own_parameter = false;
	}
	PG_END_TRY();
}

void
guc_set_verified_claims(const char *json, bool is_local)
{
	set_own_parameter(VERIFIED_CLAIMS, json, is_local);
}

const char *
guc_client_address(void)
{
	return stated_address != NULL ? stated_address : "";
}

void
guc_set_client_address(const char *address, bool is_local)
{
	set_own_parameter(CLIENT_ADDRESS, address, is_local);
}

void
guc_define(void)
{
	DefineCustomStringVariable("anon_auth.master_key_file",
							   "Path of the file with the master key.",
							   "Empty: anon_auth.master_key in the data directory, made at first use.",
							   &guc_master_key_file,
							   "",
							   PGC_SUSET,
							   GUC_SUPERUSER_ONLY,
							   NULL, NULL, NULL);

	DefineCustomIntVariable("anon_auth.counter_cells",
							"How many counters of attempts a database can have at once on this server.",
							"A change forgets all counters.",
							&guc_counter_cells,
							DEFAULT_COUNTER_CELLS,
							MIN_COUNTER_CELLS,
							MAX_COUNTER_CELLS,
							PGC_SIGHUP,
							0,
							NULL, NULL, NULL);

	DefineCustomStringVariable(VERIFIED_CLAIMS,
							   "Claims of the access token that use_access_token() verified.",
							   NULL,
							   &verified_claims,
							   "",
							   PGC_USERSET,
							   GUC_NO_SHOW_ALL | GUC_NOT_IN_SAMPLE | GUC_DISALLOW_IN_FILE,
							   check_verified_claims, assign_verified_claims, NULL);

	DefineCustomStringVariable(CLIENT_ADDRESS,
							   "Address of the client that use_client_address() stated.",
							   NULL,
							   &stated_address,
							   "",
							   PGC_USERSET,
							   GUC_NO_SHOW_ALL | GUC_NOT_IN_SAMPLE | GUC_DISALLOW_IN_FILE,
							   check_client_address, NULL, NULL);

	MarkGUCPrefixReserved("anon_auth");
}
