/*-------------------------------------------------------------------------
 *
 * json.h
 *	  All of src/json: reading JSON that strangers sent, and writing our own.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_JSON_H
#define ANON_AUTH_JSON_H

#include "json/json_parse.h"
#include "json/json_read.h"
#include "json/json_write.h"

#endif							/* ANON_AUTH_JSON_H */
