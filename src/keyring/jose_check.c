/*-------------------------------------------------------------------------
 *
 * jose_check.c
 *	  Raising the failures of src/jose that no input can cause.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "keyring/jose_check.h"

void
jose_check_internal(JoseStatus status)
{
	if (status != JOSE_OK)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("cryptographic operation failed"),
				 errdetail_internal("%s", jose_status_message(status))));
}
