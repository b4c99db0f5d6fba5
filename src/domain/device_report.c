/*-------------------------------------------------------------------------
 *
 * device_report.c
 *	  What is known about the device that logs in or uses a session.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/limits.h"
#include "domain/client_address.h"
#include "domain/device_report.h"
#include "json/json_write.h"
#include "mb/pg_wchar.h"
#include "store/settings.h"

void
device_report_check_info(Jsonb *device_info)
{
	if (device_info == NULL)
		return;
	if (!JB_ROOT_IS_OBJECT(device_info))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("device_info must be a JSON object")));
	if (json_text_is_longer(device_info, DEVICE_INFO_MAX_LENGTH))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("device_info is larger than %d bytes", DEVICE_INFO_MAX_LENGTH)));
}

void
device_report_complete(const DeviceReport *report, SessionDevice *device)
{
	const Settings *settings = settings_get();

	memset(device, 0, sizeof(SessionDevice));
	device->device_info = report->device_info;
	device->keep_client_address = settings->session_client_address;
	device->keep_user_agent = settings->session_user_agent;
	if (device->keep_client_address)
		device->client_address = client_address_in_full();
	if (device->keep_user_agent && report->user_agent != NULL)
		device->user_agent = pnstrdup(report->user_agent,
									  pg_mbcharcliplen(report->user_agent,
													   strlen(report->user_agent),
													   USER_AGENT_MAX_LENGTH));
}
