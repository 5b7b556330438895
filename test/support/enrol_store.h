/*
 * enrol_store.h - enrol/store.h in memory, for tests: serial transactions with rollback, and faults on demand.
 */
#ifndef RF_TEST_SUPPORT_ENROL_STORE_H
#define RF_TEST_SUPPORT_ENROL_STORE_H

#include "enrol/store.h"

#define MEMORY_ROWS      96
#define MEMORY_DER_LEN   1024
#define MEMORY_DOCUMENTS 8
#define MEMORY_XML_LEN   16384

struct memory_cert {
    struct rf_enrol_cert cert; /* cert.der points to der */
    uint8_t der[MEMORY_DER_LEN];
};
struct memory_document {
    struct rf_enrol_document document;
    size_t len;
    uint8_t xml[MEMORY_XML_LEN];
};
struct memory_tables {
    struct rf_enrol_user users[MEMORY_ROWS];
    struct rf_enrol_invite invites[MEMORY_ROWS];
    struct rf_enrol_device devices[MEMORY_ROWS];
    struct memory_cert certs[MEMORY_ROWS];
    struct memory_document documents[MEMORY_DOCUMENTS];
    size_t user_count, invite_count, device_count, cert_count, document_count;
};

struct memory_store {
    struct rf_enrol_store store;
    struct memory_tables now, before; /* before: as the open transaction found it */
    bool open;
    size_t calls;   /* operations that may fail, since the start */
    size_t fail_at; /* the one (from 1) that fails with `fail_with`; 0: none */
    int fail_with;
    size_t commits;
};

/* memory_store_new makes an empty store (with malloc; memory_store_free). */
struct memory_store *memory_store_new(void);
void memory_store_free(struct memory_store *m);

#endif
