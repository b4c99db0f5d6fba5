/*-------------------------------------------------------------------------
 *
 * json_setting.h
 *	  JSON objects in configuration parameters, in which PostgREST hands over requests.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_JSON_SETTING_H
#define ANON_AUTH_JSON_SETTING_H

#include "postgres.h"

#include "utils/jsonb.h"

/*
 * Parse the JSON object in a configuration parameter.  Returns NULL if the parameter is not
 * set or empty.  Raises an error with the given SQLSTATE that names the parameter if its value
 * is not a JSON object (json_parse_object()).  Treating an unreadable value as absent would
 * switch off the limits and checks that depend on it.
 */
extern Jsonb *json_setting(const char *name, int sqlstate);

/*
 * Same, and require that every member is a string or null.  The object must not be changed or
 * freed: later calls in the transaction return it again while the parameter has that value.
 */
extern Jsonb *json_setting_of_strings(const char *name, int sqlstate);

#endif							/* ANON_AUTH_JSON_SETTING_H */
