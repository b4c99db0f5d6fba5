/*-------------------------------------------------------------------------
 *
 * device_report.h
 *	  What is known about the device that logs in or uses a session.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_DEVICE_REPORT_H
#define ANON_AUTH_DEVICE_REPORT_H

#include "postgres.h"

#include "domain/dpop.h"
#include "store/sessions.h"
#include "utils/jsonb.h"

/* The parts that the client reports. */
typedef struct DeviceReport
{
	Jsonb	   *device_info;	/* a JSON object, or NULL */
	const char *user_agent;		/* the header User-Agent; NULL: none, or not over HTTP */
	DpopCheck  *dpop;			/* the key that it shows; NULL: none */
} DeviceReport;

/*
 * Raise 22023 unless device_info is NULL or an object whose text has at most 8192 bytes.
 * The text counts, not the stored form: 1e100000 is short there, and has 100001 digits.
 */
extern void device_report_check_info(Jsonb *device_info);

/*
 * Fill device with the report and the client's address, as far as the settings allow to
 * store them.  Raises 22023 as client_address_in_full().
 */
extern void device_report_complete(const DeviceReport *report, SessionDevice *device);

#endif							/* ANON_AUTH_DEVICE_REPORT_H */
