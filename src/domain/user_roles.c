/*-------------------------------------------------------------------------
 *
 * user_roles.c
 *	  The roles that the application gives to users, which tokens name.
 *
 * Lists of roles in headers are separated by spaces or commas, and tokens travel in
 * headers.  So names consist of few characters, and a user has few roles.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/limits.h"
#include "domain/user_roles.h"

#define ROLE_CHARACTERS \
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.:/-"

static void
check_name(const char *name)
{
	size_t		length = strlen(name);

	if (length == 0 || length > USER_ROLE_MAX_LENGTH || strspn(name, ROLE_CHARACTERS) != length)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" is not the name of a role of a user", name),
				 errdetail("A name consists of 1 to %d letters, digits, and the characters _ . : / and -.",
						   USER_ROLE_MAX_LENGTH)));
}

static int
compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

void
user_roles_normalise(StringList *roles)
{
	int			count = 0;
	int			i;

	if (roles->count > 1)
		qsort(roles->items, roles->count, sizeof(char *), compare_names);
	for (i = 0; i < roles->count; i++)
	{
		check_name(roles->items[i]);
		if (count == 0 || strcmp(roles->items[count - 1], roles->items[i]) != 0)
			roles->items[count++] = roles->items[i];
	}
	roles->count = count;
	if (count > USER_ROLES_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a user can have at most %d roles", USER_ROLES_MAX)));
}
