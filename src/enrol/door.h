/*
 * door.h - the enrolment server's two paths as functions of a HTTP request: which method, type and form is accepted where, and what
 * status and headers come back. Knows no HTTP library: the program copies between this and its server.
 *
 *   GET, HEAD /.well-known/reload-config   the newest signed document, application/p2p-overlay+xml, with ETag
 *   POST      /enrol                       multipart/form-data (docs/protocol/enrolment.md); 404 in a self-signed overlay
 */
#ifndef RF_ENROL_DOOR_H
#define RF_ENROL_DOOR_H

#include "enrol/enrol.h"

#define RF_DOOR_BODY_MAX_LEN ((size_t)32 * 1024) /* bytes of a request's body */
#define RF_DOOR_CONFIG_PATH  "/.well-known/reload-config"
#define RF_DOOR_ENROL_PATH   "/enrol"

struct rf_door_request {
    struct rf_view method, path;  /* path without query */
    struct rf_view content_type;  /* empty if absent */
    struct rf_view if_none_match; /* empty if absent */
    struct rf_view body;
    struct rf_view client_certificate; /* DER that the TLS client proved to own; empty if none */
    struct rf_addr peer;
};

struct rf_door_answer {
    int status;
    const char *content_type;     /* NULL: no body */
    struct rf_view body;          /* borrowed from the door or from `enrol` until the next call or _deinit */
    const char *allow;            /* 405: methods; else NULL */
    char etag[40];                /* with quotes; empty: none */
    struct rf_enrol_answer enrol; /* reason, retry_after_s, user and node_id are valid for every answer */
};
void rf_door_answer_init(struct rf_door_answer *answer, struct rf_mem *mem);
void rf_door_answer_deinit(struct rf_door_answer *answer);

struct rf_door {
    struct rf_enrol *enrol; /* borrowed; NULL: self-signed overlay, no enrolment */
    struct rf_enrol_store *store;
    struct rf_crypto *crypto;
    struct rf_enrol_document document; /* the newest one known */
    struct rf_buf xml;
    char etag[40];
};
/* rf_door_init: all borrowed. */
void rf_door_init(struct rf_door *door, struct rf_mem *mem, struct rf_crypto *crypto,
                  struct rf_enrol_store *store, struct rf_enrol *enrol);
void rf_door_deinit(struct rf_door *door);
/* rf_door_begin answers, or leaves an attempt waiting exactly as rf_enrol_begin; then rf_door_finish completes it. */
void rf_door_begin(struct rf_door *door, const struct rf_door_request *request, const struct rf_now *now,
                   struct rf_door_answer *answer, struct rf_enrol_attempt **attempt);
void rf_door_finish(struct rf_door *door, struct rf_enrol_attempt *attempt, const struct rf_now *now,
                    struct rf_door_answer *answer);
/* rf_door_refuse makes an answer that is no 200: status, token (NULL but for 403) and a sentence. */
void rf_door_refuse(struct rf_door_answer *answer, int status, const char *sentence);

#endif
