/*-------------------------------------------------------------------------
 *
 * master_key_users.c
 *	  Lines of the master key file that say which database needs which key.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "base/uuid.h"
#include "base/wipe.h"
#include "commands/dbcommands.h"
#include "keyring/master_key_users.h"
#include "miscadmin.h"
#include "store/settings.h"

#define PREFIX	"#database "

StaticAssertDecl(sizeof(PREFIX) + 20 + 1 + 10 + 1 + UUID_TEXT_LENGTH + 1 +
				 MASTER_KEYS_MAX * (MASTER_KEY_ID_LENGTH + 1) + NAMEDATALEN + 1 <= MASTER_KEY_USER_LINE,
				 "MASTER_KEY_USER_LINE is too small");

/* Read "id,id,id " and return the text after it, or NULL for any other text. */
static const char *
read_key_ids(const char *text, MasterKeyUser *user)
{
	for (user->count = 0; user->count < MASTER_KEYS_MAX; text++)
	{
		if (strspn(text, "0123456789abcdef") != MASTER_KEY_ID_LENGTH)
			return NULL;
		memcpy(user->key_ids[user->count], text, MASTER_KEY_ID_LENGTH);
		user->key_ids[user->count++][MASTER_KEY_ID_LENGTH] = '\0';
		text += MASTER_KEY_ID_LENGTH;
		if (*text == ' ')
			return text + 1;
		if (*text != ',')
			return NULL;
	}
	return NULL;
}

bool
master_key_user_read(const char *line, size_t length, MasterKeyUser *user)
{
	char		text[MASTER_KEY_USER_LINE];
	const char *name;
	char	   *end;

	if (length > 0 && line[length - 1] == '\n')
		length--;
	if (length >= sizeof(text) || length < strlen(PREFIX) ||
		memcmp(line, PREFIX, strlen(PREFIX)) != 0)
		return false;
	memcpy(text, line, length);
	text[length] = '\0';

	user->system = strtoull(text + strlen(PREFIX), &end, 10);
	if (*end != '/')
		return false;
	user->database = strtoul(end + 1, &end, 10);
	if (*end != ' ' || strlen(end + 1) <= UUID_TEXT_LENGTH ||
		!uuid_from_text(end + 1, UUID_TEXT_LENGTH, &user->database_id) ||
		end[1 + UUID_TEXT_LENGTH] != ' ')
		return false;
	name = read_key_ids(end + 1 + UUID_TEXT_LENGTH + 1, user);
	if (name == NULL)
		return false;
	snprintf(user->name, NAMEDATALEN, "%s", name);
	return true;
}

size_t
master_key_user_write(const MasterKeyUser *user, char line[MASTER_KEY_USER_LINE])
{
	char		id[UUID_TEXT_LENGTH + 1];
	size_t		length;
	size_t		name;
	int			i;

	uuid_to_text(&user->database_id, id);
	length = snprintf(line, MASTER_KEY_USER_LINE, PREFIX UINT64_FORMAT "/%u %s ",
					  user->system, user->database, id);
	for (i = 0; i < user->count; i++)
		length += snprintf(line + length, MASTER_KEY_USER_LINE - length, "%s%c",
						   user->key_ids[i], i + 1 < user->count ? ',' : ' ');
	name = length;
	length += snprintf(line + length, MASTER_KEY_USER_LINE - length, "%s\n", user->name);

	/* A newline in the name of a database would start a line of its own. */
	for (; name < length - 1; name++)
		if ((unsigned char) line[name] < ' ' || line[name] == 0x7f)
			line[name] = '?';
	return length;
}

bool
master_key_user_is_here(const MasterKeyUser *user)
{
	return user->system == GetSystemIdentifier() && user->database == MyDatabaseId;
}

bool
master_key_user_is_gone(const MasterKeyUser *user)
{
	return user->system == GetSystemIdentifier() && get_database_name(user->database) == NULL;
}

/* The index of a key in a line, or -1. */
static int
find_key_id(const MasterKeyUser *user, const char *id)
{
	int			i;

	for (i = 0; i < user->count; i++)
		if (strcmp(user->key_ids[i], id) == 0)
			return i;
	return -1;
}

bool
master_key_user_needs(const MasterKeyUser *user, const char *id)
{
	return find_key_id(user, id) >= 0;
}

void
master_key_user_add(MasterKeyUser *user, const char *id)
{
	if (find_key_id(user, id) < 0 && user->count < MASTER_KEYS_MAX)
		snprintf(user->key_ids[user->count++], MASTER_KEY_ID_LENGTH + 1, "%s", id);
}

void
master_key_user_remove(MasterKeyUser *user, const char *id)
{
	int			index = find_key_id(user, id);

	if (index >= 0)
	{
		memmove(user->key_ids[index], user->key_ids[index + 1],
				(user->count - index - 1) * sizeof(user->key_ids[0]));
		user->count--;
	}
}

void
master_key_users_find_here(const MasterKeyFile *file, const pg_uuid_t *database_id,
						   MasterKeyUser *user)
{
	const char *line;
	size_t		length;
	size_t		offset = 0;
	int			i;

	while (master_key_file_next_line(file, &offset, &line, &length))
	{
		if (master_key_user_read(line, length, user) && master_key_user_is_here(user) &&
			memcmp(&user->database_id, database_id, UUID_LEN) == 0)
		{
			/* Skip keys that somebody removed from the file by hand. */
			for (i = user->count - 1; i >= 0; i--)
				if (master_keys_find(&file->parsed, user->key_ids[i]) < 0)
					master_key_user_remove(user, user->key_ids[i]);
			return;
		}
	}
	memset(user, 0, sizeof(MasterKeyUser));
	user->system = GetSystemIdentifier();
	user->database = MyDatabaseId;
	user->database_id = *database_id;
}

/*
 * Return true if a line keeps a key in the file.  The line of this database does
 * not: its rows say whether the key is needed.  Nor does the line of this database
 * on another server, from which the file was copied.
 */
static bool
prevents_retirement(const MasterKeyUser *user, const pg_uuid_t *database_id, const char *id)
{
	if (!master_key_user_needs(user, id) || master_key_user_is_here(user))
		return false;
	if (user->system != GetSystemIdentifier())
		return memcmp(&user->database_id, database_id, UUID_LEN) != 0;
	return !master_key_user_is_gone(user);
}

/* The database in a line, for messages. */
static char *
describe_user(const MasterKeyUser *user)
{
	if (user->system == GetSystemIdentifier())
		return psprintf("\"%s\"", get_database_name(user->database));
	return psprintf("\"%s\" of the server with system identifier " UINT64_FORMAT,
					user->name, user->system);
}

void
master_key_users_check_retirement(const char *path, const MasterKeyFile *file, const char *id)
{
	pg_uuid_t	database_id = settings_get()->database_id;
	MasterKeyUser user;
	StringInfoData databases;
	const char *line;
	size_t		length;
	size_t		offset = 0;
	int			count = 0;

	initStringInfo(&databases);
	while (master_key_file_next_line(file, &offset, &line, &length))
		if (master_key_user_read(line, length, &user) && prevents_retirement(&user, &database_id, id))
			appendStringInfo(&databases, "%s%s", count++ > 0 ? ", " : "", describe_user(&user));
	if (count > 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("master key %s is still needed", id),
				 errdetail_plural("Another database needs it: %s.", "Other databases need it: %s.",
								  count, databases.data),
				 errhint("Call anon_auth.reseal_signing_keys() there first. If anon_auth is no longer used there, call anon_auth.retire_master_key('%s', force => true).",
						 id)));
	if (file->size + 1 + MASTER_KEY_USER_LINE > MASTER_KEY_FILE_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("master key %s may still be needed", id),
				 errdetail("Master key file \"%s\" has no room to record all databases.", path),
				 errhint("Call anon_auth.reseal_signing_keys() in each database, then anon_auth.retire_master_key('%s', force => true).",
						 id)));
}

MasterKeyUser *
master_key_users(int *count)
{
	char	   *path = master_key_file_path();
	MasterKeyUser *users = palloc(sizeof(MasterKeyUser) *
								  (MASTER_KEY_FILE_MAX / sizeof(PREFIX)));
	MasterKeyFile file;
	const char *line;
	size_t		length;
	size_t		offset = 0;

	*count = 0;
	if (!master_key_file_read(path, &file))
		return users;
	while (master_key_file_next_line(&file, &offset, &line, &length))
	{
		MasterKeyUser *user = &users[*count];

		if (!master_key_user_read(line, length, user) || master_key_user_is_gone(user))
			continue;
		if (user->system == GetSystemIdentifier())
			snprintf(user->name, NAMEDATALEN, "%s", get_database_name(user->database));
		(*count)++;
	}
	wipe_bytes(&file, sizeof(file));
	return users;
}
