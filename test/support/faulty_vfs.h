/* faulty_vfs.h - a thin layer below SQLite (a VFS) that refuses the n-th write or sync with "disk full" or "input/output error", for tests. */
#ifndef RF_TEST_FAULTY_VFS_H
#define RF_TEST_FAULTY_VFS_H

#include <sqlite3.h>

extern int faulty_after; /* operations that still succeed; -1: all do */
extern int faulty_with;  /* what SQLite is told then */

/* faulty_vfs_install makes it the default. Returns 0, or -1. */
int faulty_vfs_install(void);

#endif
