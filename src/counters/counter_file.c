/*-------------------------------------------------------------------------
 *
 * counter_file.c
 *	  The file that all backends of a database map to share counters.
 *
 * The file is in pg_stat_tmp, where pg_stat_statements keeps its texts.
 * pg_basebackup leaves that directory out, a standby has its own, and the file
 * survives a restart.  A file rather than shared memory, because the library need
 * not be preloaded.
 *
 * One backend at a time makes the file under another name and renames it.  A file
 * of another size or layout is replaced.  Once per transaction each backend checks
 * that the file that it has mapped is still the one at its path.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sodium.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/compat.h"
#include "base/guc.h"
#include "counters/counter_file.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/fd.h"
#include "storage/lock.h"
#include "utils/syscache.h"

#define MAGIC			"anon_auth count"

/* Increase it with every change of CounterFile or its parts. */
#define LAYOUT			5

#define FILE_PREFIX		"anon_auth."

/* pg_advisory_lock() uses 1 and 2 in the last field of such a tag, so SQL cannot take it. */
#define FILE_LOCK_SPACE	0x6164

StaticAssertDecl(sizeof(MAGIC) == sizeof(((CounterFile *) 0)->magic), "magic has the wrong length");
StaticAssertDecl(offsetof(CounterFile, buckets) <= BLCKSZ, "the header does not fit into a block");
StaticAssertDecl(COUNTER_HASH_KEY_LENGTH == crypto_shorthash_siphashx24_KEYBYTES,
				 "key lengths differ");

static struct
{
	CounterFile *file;			/* NULL: not mapped */
	size_t		size;
	dev_t		device;
	ino_t		inode;
	LocalTransactionId checked_in;	/* transaction of the last check */
}			mapped;

static uint32
wanted_buckets(void)
{
	return (uint32) (guc_counter_cells / COUNTER_BUCKET_CELLS);
}

static size_t
wanted_size(void)
{
	return offsetof(CounterFile, buckets) + (size_t) wanted_buckets() * sizeof(CounterBucket) +
		(size_t) counter_revocation_buckets(wanted_buckets()) * REVOCATION_BUCKET_SLOTS *
		sizeof(CounterRevocation);
}

/*
 * The name has the number of buckets.  If the setting changes, another file is made
 * and the mapped one never shrinks, which would end a backend with SIGBUS.
 */
static char *
file_path(void)
{
	return psprintf("%s/" FILE_PREFIX "%u.%u.counters", PG_STAT_TMP_DIR, MyDatabaseId,
					wanted_buckets());
}

static void
unmap_file(void)
{
	if (mapped.file != NULL)
		munmap(mapped.file, mapped.size);
	mapped.file = NULL;
}

static bool
is_well_formed(const CounterFile *file)
{
	return memcmp(file->magic, MAGIC, sizeof(MAGIC)) == 0 && file->layout == LAYOUT &&
		file->nbuckets == wanted_buckets();
}

/* Map the file.  Returns false if there is none, or if it is not usable. */
static bool
map_existing(const char *path)
{
	struct stat st;
	void	   *address;
	int			fd = OpenTransientFile(path, O_RDWR | PG_BINARY);

	if (fd < 0)
	{
		if (errno == ENOENT)
			return false;
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not open file \"%s\": %m", path)));
	}
	if (fstat(fd, &st) != 0 || st.st_size != wanted_size())
	{
		CloseTransientFile(fd);
		return false;
	}
	address = mmap(NULL, wanted_size(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CloseTransientFile(fd);
	if (address == MAP_FAILED)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not map file \"%s\": %m", path)));
	if (!is_well_formed(address))
	{
		munmap(address, wanted_size());
		return false;
	}
	mapped.file = address;
	mapped.size = wanted_size();
	mapped.device = st.st_dev;
	mapped.inode = st.st_ino;
	return true;
}

static void
fill_header(CounterFile *file)
{
	int			i;

	memcpy(file->magic, MAGIC, sizeof(MAGIC));
	file->layout = LAYOUT;
	file->nbuckets = wanted_buckets();
	randombytes_buf(file->hash_key, sizeof(file->hash_key));
	pg_atomic_init_u64(&file->revoked_until, 0);
	pg_atomic_init_u64(&file->next_generation, 0);
	for (i = 0; i < COUNTER_STATISTICS; i++)
		pg_atomic_init_u64(&file->statistics[i], 0);
}

/*
 * Write an empty file.  Every byte is written: with a hole in the file, a full disk
 * would end a backend with SIGBUS.
 */
static void
write_new_file(const char *path)
{
	size_t		size = wanted_size();
	size_t		written = 0;
	PGAlignedBlock block;
	int			fd;

	if (unlink(path) != 0 && errno != ENOENT)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not remove file \"%s\": %m", path)));
	fd = OpenTransientFile(path, O_WRONLY | O_CREAT | O_EXCL | PG_BINARY);
	if (fd < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not create file \"%s\": %m", path)));
	memset(block.data, 0, sizeof(block.data));
	fill_header((CounterFile *) block.data);
	while (written < size)
	{
		size_t		length = Min(sizeof(block.data), size - written);

		errno = 0;
		if (write(fd, block.data, length) != length)
		{
			if (errno == 0)
				errno = ENOSPC;
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not write file \"%s\": %m", path)));
		}
		written += length;
		memset(block.data, 0, sizeof(CounterFile));
	}
	CloseTransientFile(fd);
}

/*
 * Remove files of dropped databases, and files of this database with another number
 * of cells.  A backend that has mapped one keeps it until its next transaction.
 */
static void
remove_stale_files(const char *path)
{
	DIR		   *directory = AllocateDir(PG_STAT_TMP_DIR);
	struct dirent *entry;

	while ((entry = ReadDirExtended(directory, PG_STAT_TMP_DIR, LOG)) != NULL)
	{
		char		name[MAXPGPATH];
		unsigned int database;

		if (sscanf(entry->d_name, FILE_PREFIX "%u.", &database) != 1)
			continue;
		snprintf(name, sizeof(name), "%s/%s", PG_STAT_TMP_DIR, entry->d_name);
		if (strcmp(name, path) != 0 &&
			(database == MyDatabaseId ||
			 !SearchSysCacheExists1(DATABASEOID, ObjectIdGetDatum(database))))
			(void) unlink(name);
	}
	FreeDir(directory);
}

/*
 * Put a new file at the path.  An unusable file there is replaced.  If there is none,
 * another process of the same parallel query may put one there at the same time, and
 * remove this temporary file as a stale one: then the other file is used.
 */
static void
install_file(const char *temporary, const char *path)
{
	struct stat st;
	bool		replace = stat(path, &st) == 0;
	bool		installed = !replace && link(temporary, path) == 0;

	/* Also for a file system without hard links. */
	if (replace || (!installed && errno != EEXIST && errno != ENOENT))
		installed = rename(temporary, path) == 0;
	if (installed)
		remove_stale_files(path);
	else if (errno != EEXIST && errno != ENOENT)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not rename file \"%s\" to \"%s\": %m", temporary, path)));
	(void) unlink(temporary);
}

/*
 * Make and map the file, unless another process made it first.
 *
 * The lock keeps backends from making it at the same time.  The processes of a
 * parallel query share the lock, so each has its own temporary file.
 */
static void
make_and_map_file(const char *path)
{
	LOCKTAG		tag;
	char	   *temporary = psprintf("%s.new.%d", path, MyProcPid);

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, 0, 0, FILE_LOCK_SPACE);
	(void) LockAcquire(&tag, ExclusiveLock, false, false);
	if (!map_existing(path))
	{
		write_new_file(temporary);
		install_file(temporary, path);
		if (!map_existing(path))
			elog(ERROR, "file \"%s\" is not usable", path);
	}
	LockRelease(&tag, ExclusiveLock, false);
	pfree(temporary);
}

/* True if the mapped file is the one at the path and has the configured size. */
static bool
mapped_file_is_at(const char *path)
{
	struct stat st;

	return mapped.size == wanted_size() && stat(path, &st) == 0 &&
		st.st_dev == mapped.device && st.st_ino == mapped.inode &&
		st.st_size == mapped.size;
}

CounterFile *
counter_file_get(void)
{
	char	   *path;

	if (mapped.file != NULL && mapped.checked_in == MyLocalTransactionId())
		return mapped.file;
	path = file_path();
	if (mapped.file == NULL || !mapped_file_is_at(path))
	{
		unmap_file();
		if (!map_existing(path))
			make_and_map_file(path);
	}
	mapped.checked_in = MyLocalTransactionId();
	pfree(path);
	return mapped.file;
}

CounterFile *
counter_file_peek(void)
{
	return mapped.file;
}
