/*-------------------------------------------------------------------------
 *
 * compat.h
 *	  Every difference between PostgreSQL 15, 16, 17 and 18 that touches us.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANON_AUTH_COMPAT_H
#define ANON_AUTH_COMPAT_H

#include "postgres.h"

#include "common/jsonapi.h"
#include "mb/pg_wchar.h"
#include "storage/proc.h"
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

/* 18 has the C23 way to say it, before the declaration. */
#if PG_VERSION_NUM < 180000
#define pg_noreturn		pg_attribute_noreturn()
#endif

/* The transaction's number within its backend moved in 17. */
#if PG_VERSION_NUM >= 170000
#define MyLocalTransactionId()	(MyProc->vxid.lxid)
#else
#define MyLocalTransactionId()	(MyProc->lxid)
#endif

/* 16 can report errors without raising them. */
#if PG_VERSION_NUM >= 160000
#define QualifiedNameList(name)	stringToQualifiedNameList((name), NULL)
#else
#define QualifiedNameList(name)	stringToQualifiedNameList(name)
#endif

/* 16 has one function for the owners of all classes; it needs utils/acl.h. */
#if PG_VERSION_NUM >= 160000
#define OwnsExtension(id, role)	object_ownercheck(ExtensionRelationId, (id), (role))
#else
#define OwnsExtension(id, role)	pg_extension_ownercheck((id), (role))
#endif

/*
 * JSON parser callbacks return void in 15 and a status from 16 on; a callback
 * ends with JSON_ACTION_OK.  So does the way to make a lexer.
 */
#if PG_VERSION_NUM >= 160000
typedef JsonParseErrorType JsonActionResult;
#define JSON_ACTION_OK	return JSON_SUCCESS
#else
typedef void JsonActionResult;
#define JSON_ACTION_OK	return
#endif

/* 18 does not tell an executor any more that it runs but once. */
#if PG_VERSION_NUM >= 180000
#define EXECUTE_ONCE_PARAM
#define EXECUTE_ONCE_ARG
#else
#define EXECUTE_ONCE_PARAM	, bool execute_once
#define EXECUTE_ONCE_ARG	, execute_once
#endif

#if PG_VERSION_NUM >= 170000
#define MakeJsonLexer(json, length) \
	makeJsonLexContextCstringLen(NULL, (json), (length), PG_UTF8, true)
#else
#define MakeJsonLexer(json, length) \
	makeJsonLexContextCstringLen((json), (length), PG_UTF8, true)
#endif

#endif							/* ANON_AUTH_COMPAT_H */
