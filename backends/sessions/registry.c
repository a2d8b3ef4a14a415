/*
 * Write-ahead log: readers do not wait for writers, and whoever dies leaves nothing half. Writers
 * begin with BEGIN IMMEDIATE, so that what they have read is still so when they write.
 *
 * synchronous is FULL where directories depend on what was committed: after a loss of power, a
 * registry that went back in time would name layers that are gone, and not name those that were
 * written to meanwhile. It is NORMAL for times and marks, which may go back (sqlite.org, "PRAGMA
 * synchronous"): the log is not waited for then, and a touch costs microseconds.
 */
#include "backends/sessions/registry.h"

#include <errno.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "kernel/base/cleanup.h"

#define VERSION   1
#define LOG_PAGES "100"
#define BUSY_MS                                                                           \
	20000 /* transactions are short: whoever waits longer waits for a stopped process \
	       */
#define DEPTH_MAX "1000" /* of a chain of layers: ends also where somebody's hand made a circle */

/* A number of a layer is never given twice (AUTOINCREMENT), as a directory may outlive its row. */
static const char schema[] =
        "CREATE TABLE runtimes (number INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);"
        "CREATE TABLE layers (number INTEGER PRIMARY KEY AUTOINCREMENT,"
        " parent INTEGER REFERENCES layers, depth INTEGER NOT NULL);"
        "CREATE INDEX layers_parent ON layers (parent);"
        /* A merged layer, and those that it is the sum of, as far as they are there still. */
        "CREATE TABLE covers (layer INTEGER NOT NULL REFERENCES layers ON DELETE CASCADE,"
        " covered INTEGER NOT NULL REFERENCES layers ON DELETE CASCADE,"
        " PRIMARY KEY (layer, covered)) WITHOUT ROWID;"
        "CREATE INDEX covers_covered ON covers (covered);"
        /* layer: the topmost. command: the last number given to one; head: the last in effect. */
        "CREATE TABLE sessions (id TEXT PRIMARY KEY, tenant TEXT NOT NULL,"
        " runtime INTEGER NOT NULL REFERENCES runtimes, isolation TEXT NOT NULL,"
        " reason TEXT NOT NULL, history INTEGER NOT NULL, closed INTEGER NOT NULL,"
        " created_ms INTEGER NOT NULL, active_ms INTEGER NOT NULL,"
        " layer INTEGER NOT NULL UNIQUE REFERENCES layers,"
        " command INTEGER NOT NULL DEFAULT 0, head INTEGER NOT NULL DEFAULT 0,"
        " data INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;"
        "CREATE INDEX sessions_runtime ON sessions (runtime);"
        /* Checkpoints (name) and what was before each command (no name, its number). layer: NULL
           when nothing was changed yet. head: the command whose effect was there already. */
        "CREATE TABLE states (number INTEGER PRIMARY KEY AUTOINCREMENT,"
        " session TEXT NOT NULL REFERENCES sessions, name TEXT, command INTEGER NOT NULL,"
        " head INTEGER NOT NULL, layer INTEGER REFERENCES layers, at_ms INTEGER NOT NULL,"
        " text TEXT, UNIQUE (session, name));"
        "CREATE INDEX states_command ON states (session, command);"
        "CREATE INDEX states_head ON states (session, head);"
        "CREATE INDEX states_layer ON states (layer);";

#define RECORD                                                                                  \
	"SELECT s.id, s.tenant, s.runtime, r.text, s.isolation, s.reason, s.history, s.closed," \
	" s.created_ms, s.active_ms, l.depth, s.data, s.layer"                                  \
	" FROM sessions s CROSS JOIN runtimes r ON r.number = s.runtime"                        \
	" CROSS JOIN layers l ON l.number = s.layer"

static const char *const questions[REGISTRY_QUESTIONS] = {
	/* text */
	[REGISTRY_RUNTIME_ADD] = "INSERT OR IGNORE INTO runtimes (text) VALUES (?1)",
	[REGISTRY_RUNTIME_NUMBER] = "SELECT number FROM runtimes WHERE text = ?1",
	[REGISTRY_RUNTIMES_DROP] =
	        "DELETE FROM runtimes WHERE number NOT IN (SELECT runtime FROM sessions)",

	/* parent: its number */
	[REGISTRY_LAYER_ADD] = "INSERT INTO layers (parent, depth) VALUES (?1, 1 + ifnull((SELECT "
	                       "depth FROM layers"
	                       " WHERE number = ?1), 0)) RETURNING number",
	[REGISTRY_LAYER_DEPTH] = "SELECT depth FROM layers WHERE number = ?1",
	/* layer, parent */
	[REGISTRY_LAYER_PUT_ON] =
	        "UPDATE layers SET parent = ?2, depth = 1 + (SELECT depth FROM layers WHERE"
	        " number = ?2) WHERE number = ?1",
	/* layer: its parent, when nothing needs it any more; else it stays, and no row */
	[REGISTRY_LAYER_DROP] = "DELETE FROM layers WHERE number = ?1"
	                        " AND NOT EXISTS (SELECT 1 FROM layers WHERE parent = ?1)"
	                        " AND NOT EXISTS (SELECT 1 FROM sessions WHERE layer = ?1)"
	                        " AND NOT EXISTS (SELECT 1 FROM states WHERE layer = ?1) RETURNING "
	                        "ifnull(parent, 0)",
	/* layer: it and those below */
	[REGISTRY_LAYER_CHAIN] =
	        "WITH RECURSIVE chain (number, parent, at) AS (SELECT number, parent, 1 FROM layers"
	        " WHERE number = ?1 UNION ALL SELECT l.number, l.parent, at + 1 FROM chain JOIN "
	        "layers"
	        " l ON l.number = chain.parent WHERE at < " DEPTH_MAX ")"
	        " SELECT number FROM chain ORDER BY at",
	[REGISTRY_LAYER_NUMBERS] = "SELECT number FROM layers ORDER BY number",
	[REGISTRY_LAYERS_LOST] = "DELETE FROM layers WHERE number NOT IN (WITH RECURSIVE live (n) "
	                         "AS (SELECT layer FROM"
	                         " sessions UNION SELECT layer FROM states WHERE layer IS NOT NULL "
	                         "UNION SELECT parent"
	                         " FROM live JOIN layers ON number = n WHERE parent IS NOT NULL) "
	                         "SELECT n FROM live)",
	/* layer, covered */
	[REGISTRY_COVERS_ADD] = "INSERT OR IGNORE INTO covers (layer, covered) VALUES (?1, ?2)",
	/* layer, covered, and what that one covers */
	[REGISTRY_COVERS_INHERIT] =
	        "INSERT OR IGNORE INTO covers (layer, covered) SELECT ?1, covered FROM covers WHERE"
	        " layer = ?2",
	[REGISTRY_COVERS] = "SELECT 1 FROM covers WHERE layer = ?1 AND covered = ?2",

	/* id, tenant, runtime, isolation, reason, history, now, layer */
	[REGISTRY_SESSION_ADD] =
	        "INSERT INTO sessions (id, tenant, runtime, isolation, reason, history, closed,"
	        " created_ms, active_ms, layer) VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, ?7, ?7, ?8)",
	/* new id, id, now, layer */
	[REGISTRY_SESSION_FORK] =
	        "INSERT INTO sessions (id, tenant, runtime, isolation, reason, history, closed,"
	        " created_ms, active_ms, layer) SELECT ?1, tenant, runtime, isolation, reason, "
	        "history,"
	        " 0, ?3, ?3, ?4 FROM sessions WHERE id = ?2",
	[REGISTRY_SESSION_EXISTS] = "SELECT 1 FROM sessions WHERE id = ?1",
	[REGISTRY_SESSION_GET] = RECORD " WHERE s.id = ?1",
	[REGISTRY_SESSION_LIST] = RECORD " ORDER BY s.id",
	/* id: layer, its parent, depth, head, command, history, runtime */
	[REGISTRY_SESSION_NOW] =
	        "SELECT s.layer, l.parent, l.depth, s.head, s.command, s.history, r.text FROM "
	        "sessions s"
	        " CROSS JOIN layers l ON l.number = s.layer CROSS JOIN runtimes r ON r.number ="
	        " s.runtime WHERE s.id = ?1",
	[REGISTRY_SESSION_IDS] = "SELECT id FROM sessions ORDER BY id",
	/* id, ... */
	[REGISTRY_SESSION_TOUCH] = "UPDATE sessions SET active_ms = ?2 WHERE id = ?1",
	[REGISTRY_SESSION_CLOSED] = "UPDATE sessions SET closed = ?2 WHERE id = ?1",
	[REGISTRY_SESSION_DATA] = "UPDATE sessions SET data = ?2 WHERE id = ?1",
	[REGISTRY_SESSION_MOVE] = "UPDATE sessions SET layer = ?2, head = ?3 WHERE id = ?1",
	[REGISTRY_SESSION_COMMAND] = "UPDATE sessions SET command = ?2, head = ?2 WHERE id = ?1",
	[REGISTRY_SESSION_DROP] = "DELETE FROM sessions WHERE id = ?1",

	/* session, name, command, head, layer, now, text */
	[REGISTRY_STATE_ADD] = "INSERT INTO states (session, name, command, head, layer, at_ms, "
	                       "text) VALUES (?1, ?2,"
	                       " ?3, ?4, ?5, ?6, ?7)",
	/* session, name: layer, head */
	[REGISTRY_STATE_FIND] = "SELECT layer, head FROM states WHERE session = ?1 AND name = ?2",
	/* session, command: layer, head, text */
	[REGISTRY_STATE_COMMAND] =
	        "SELECT layer, head, text FROM states WHERE session = ?1 AND command = ?2",
	/* session, command: layer of the first state after it */
	[REGISTRY_STATE_AFTER] =
	        "SELECT layer FROM states WHERE session = ?1 AND head = ?2 ORDER BY number LIMIT 1",
	/* session: number of the first command that is known, and of the last; 0: there is none */
	[REGISTRY_STATE_FIRST] =
	        "SELECT ifnull(min(command), 0) FROM states WHERE session = ?1 AND "
	        "command > 0",
	[REGISTRY_STATE_LAST] = "SELECT ifnull(max(command), 0) FROM states WHERE session = ?1",
	[REGISTRY_STATE_COUNT] =
	        "SELECT count(*) FROM states WHERE session = ?1 AND name IS NOT NULL",
	[REGISTRY_STATE_LIST] =
	        "SELECT name, at_ms, layer, command, text FROM states WHERE session = ?1 ORDER BY"
	        " number",
	/* session: of its checkpoints */
	[REGISTRY_STATE_NAMES] = "SELECT name FROM states WHERE session = ?1 AND name IS NOT NULL"
	                         " ORDER BY number",
	/* These give the layers of what they took away. */
	[REGISTRY_STATE_DROP] =
	        "DELETE FROM states WHERE session = ?1 AND name = ?2 RETURNING layer",
	/* session, command: up to that one */
	[REGISTRY_STATES_FORGET] = "DELETE FROM states WHERE session = ?1 AND command BETWEEN 1 "
	                           "AND ?2 RETURNING layer",
	/* session: commands that led neither to what it has now nor to a checkpoint */
	[REGISTRY_STATES_LOST] =
	        "DELETE FROM states WHERE session = ?1 AND command > 0 AND command NOT IN (WITH"
	        " RECURSIVE live (n) AS (SELECT head FROM sessions WHERE id = ?1 UNION SELECT head "
	        "FROM"
	        " states WHERE session = ?1 AND command = 0 UNION SELECT t.head FROM live JOIN "
	        "states t"
	        " ON t.session = ?1 AND t.command = n WHERE n > 0) SELECT n FROM live) RETURNING "
	        "layer",
	[REGISTRY_STATES_DROP] = "DELETE FROM states WHERE session = ?1 RETURNING layer",
};

struct registry {
	sqlite3 *db;
	pthread_mutex_t lock; /* from begin to the end of a transaction */
	bool full;            /* synchronous, as it is set now */
	sqlite3_stmt *statements[REGISTRY_QUESTIONS];
};

static int code_of(int sqlite_code)
{
	switch (sqlite_code & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return EAGAIN;
	case SQLITE_NOMEM:
		return ENOMEM;
	case SQLITE_FULL:
		return ENOSPC;
	case SQLITE_READONLY:
		return EROFS;
	case SQLITE_PERM:
	case SQLITE_AUTH:
	case SQLITE_CANTOPEN:
		return EACCES;
	case SQLITE_CONSTRAINT:
		return EEXIST;
	default:
		return EIO;
	}
}

static int fail(const struct registry *r, int sqlite_code, struct corral_error *err)
{
	switch (sqlite_code & 0xff) {
	case SQLITE_BUSY:
		return corral_error_set(err, EAGAIN,
		                        "registry.db: another process has had it locked for %d "
		                        "seconds: see whether one is stopped",
		                        BUSY_MS / 1000);
	case SQLITE_FULL:
		return corral_error_set(err, ENOSPC,
		                        "registry.db: the file system that sessions lie on is "
		                        "full: make room on it, or remove a session");
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return corral_error_set(
		        err, EIO,
		        "registry.db: it is damaged (%s): the files of sessions are "
		        "in layers/ all the same",
		        sqlite3_errmsg(r->db));
	default:
		return corral_error_set(err, code_of(sqlite_code), "registry.db: %s",
		                        sqlite3_errmsg(r->db));
	}
}

static int say(struct registry *r, const char *sql, struct corral_error *err)
{
	int code = sqlite3_exec(r->db, sql, NULL, NULL, NULL);

	return code == SQLITE_OK ? 0 : fail(r, code, err);
}

static int version_get(struct registry *r, int *ret, struct corral_error *err)
{
	sqlite3_stmt *statement = NULL;
	int code = sqlite3_prepare_v2(r->db, "PRAGMA user_version", -1, &statement, NULL);

	if (code == SQLITE_OK)
		code = sqlite3_step(statement);
	if (code == SQLITE_ROW)
		*ret = sqlite3_column_int(statement, 0);
	(void)sqlite3_finalize(statement);
	return code == SQLITE_ROW ? 0 : fail(r, code, err);
}

/* Two processes may come here at the same time: the second finds it made. */
static int schema_make(struct registry *r, struct corral_error *err)
{
	char text[64];
	int version = 0, rc;

	rc = say(r, "PRAGMA journal_mode = WAL", err);
	if (rc == 0)
		rc = say(r, "BEGIN IMMEDIATE", err);
	if (rc < 0)
		return rc;
	rc = version_get(r, &version, err);
	(void)snprintf(text, sizeof(text), "PRAGMA user_version = %d", VERSION);
	if (rc == 0 && !version) {
		rc = say(r, schema, err);
		if (rc == 0)
			rc = say(r, text, err);
	}
	if (rc == 0)
		rc = say(r, "COMMIT", err);
	if (rc < 0)
		(void)say(r, "ROLLBACK", NULL);
	return rc;
}

static int registry_setup(struct registry *r, const char *path, struct corral_error *err)
{
	int version = 0, code, rc;

	/* Its own mutexes would be taken under ours. */
	code = sqlite3_open_v2(path, &r->db,
	                       SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX |
	                               SQLITE_OPEN_NOFOLLOW,
	                       NULL);
	if (code != SQLITE_OK)
		return r->db ? fail(r, code, err)
		             : corral_error_set(err, ENOMEM, "registry.db: out of memory");
	(void)sqlite3_busy_timeout(r->db, BUSY_MS);
	rc = version_get(r, &version, err);
	if (rc == 0 && !version)
		rc = schema_make(r, err);
	if (rc == 0 && version > VERSION)
		return corral_error_set(
		        err, EPROTONOSUPPORT,
		        "registry.db: its version is %d, of a later corral; this one "
		        "knows %d: use that one, or another directory",
		        version, VERSION);
	/*
	 * A command of the command line opens, marks a time, and closes: the log stays for the next
	 * one, which reads it again, instead of being written back and waited for each time. Short,
	 * so that reading it costs nothing to speak of.
	 */
	(void)sqlite3_db_config(r->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	if (rc == 0)
		rc = say(r,
		         "PRAGMA foreign_keys = ON; PRAGMA synchronous = FULL;"
		         "PRAGMA wal_autocheckpoint = " LOG_PAGES,
		         err);
	r->full = true;
	return rc;
}

int registry_open(const char *path, struct registry **ret, struct corral_error *err)
{
	struct registry *r = calloc(1, sizeof(*r));
	int rc;

	if (!r)
		return corral_error_set(err, ENOMEM, "out of memory");
	(void)pthread_mutex_init(&r->lock, NULL);
	rc = registry_setup(r, path, err);
	if (rc < 0) {
		registry_close(r);
		return rc;
	}
	*ret = r;
	return 0;
}

void registry_close(struct registry *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < REGISTRY_QUESTIONS; i++)
		(void)sqlite3_finalize(r->statements[i]);
	(void)sqlite3_close(r->db);
	(void)pthread_mutex_destroy(&r->lock);
	free(r);
}

int registry_begin(struct registry *r, enum registry_kind kind, struct corral_error *err)
{
	bool full = kind == REGISTRY_DURABLE;
	int rc = 0;

	(void)pthread_mutex_lock(&r->lock);
	if (kind != REGISTRY_READ && full != r->full) {
		rc = say(r, full ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL",
		         err);
		if (rc == 0)
			r->full = full;
	}
	if (rc == 0)
		rc = say(r, kind == REGISTRY_READ ? "BEGIN" : "BEGIN IMMEDIATE", err);
	if (rc < 0)
		(void)pthread_mutex_unlock(&r->lock);
	return rc;
}

int registry_commit(struct registry *r, struct corral_error *err)
{
	int rc = say(r, "COMMIT", err);

	if (rc < 0 && !sqlite3_get_autocommit(r->db))
		(void)say(r, "ROLLBACK", NULL);
	(void)pthread_mutex_unlock(&r->lock);
	return rc;
}

void registry_rollback(struct registry *r)
{
	/* Some failures have done it already. */
	if (!sqlite3_get_autocommit(r->db))
		(void)say(r, "ROLLBACK", NULL);
	(void)pthread_mutex_unlock(&r->lock);
}

static int bind_all(sqlite3_stmt *statement, const struct registry_value *values)
{
	int code = SQLITE_OK;

	for (int i = 0; code == SQLITE_OK && values && values[i].kind != REGISTRY_END; i++) {
		switch (values[i].kind) {
		case REGISTRY_NUMBER:
			code = sqlite3_bind_int64(statement, i + 1, values[i].number);
			break;
		case REGISTRY_TEXT:
			code = sqlite3_bind_text(statement, i + 1, values[i].text, -1,
			                         SQLITE_TRANSIENT);
			break;
		case REGISTRY_NULL:
		case REGISTRY_END:
			code = sqlite3_bind_null(statement, i + 1);
			break;
		}
	}
	return code;
}

int registry_ask(struct registry *r, enum registry_question q, const struct registry_value *values,
                 struct corral_error *err)
{
	int code = SQLITE_OK;

	if (!r->statements[q])
		code = sqlite3_prepare_v3(r->db, questions[q], -1, SQLITE_PREPARE_PERSISTENT,
		                          &r->statements[q], NULL);
	if (code == SQLITE_OK)
		code = bind_all(r->statements[q], values);
	return code == SQLITE_OK ? 0 : fail(r, code, err);
}

int registry_next(struct registry *r, enum registry_question q, struct corral_error *err)
{
	int code = sqlite3_step(r->statements[q]), rc = 0;

	if (code == SQLITE_ROW)
		return 1;
	if (code != SQLITE_DONE)
		rc = fail(r, code, err);
	registry_stop(r, q);
	return rc;
}

void registry_stop(struct registry *r, enum registry_question q)
{
	if (!r->statements[q])
		return;
	(void)sqlite3_reset(r->statements[q]);
	(void)sqlite3_clear_bindings(r->statements[q]);
}

int64_t registry_number(struct registry *r, enum registry_question q, int column)
{
	return sqlite3_column_int64(r->statements[q], column);
}

const char *registry_text(struct registry *r, enum registry_question q, int column)
{
	const char *text = (const char *)sqlite3_column_text(r->statements[q], column);

	return text ? text : "";
}

int registry_do(struct registry *r, enum registry_question q, const struct registry_value *values,
                struct corral_error *err)
{
	int rc = registry_ask(r, q, values, err);

	while (rc == 0 && (rc = registry_next(r, q, err)) > 0)
		rc = 0;
	return rc < 0 ? rc : sqlite3_changes(r->db);
}

int registry_one(struct registry *r, enum registry_question q, const struct registry_value *values,
                 int64_t *ret, struct corral_error *err)
{
	int rc = registry_ask(r, q, values, err);

	if (rc == 0)
		rc = registry_next(r, q, err);
	if (rc > 0) {
		*ret = registry_number(r, q, 0);
		registry_stop(r, q);
	}
	return rc;
}
