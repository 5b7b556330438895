/*
 * home.h - a node's home directory (0700): what `ringfolk init` makes and ringfolkd reads.
 *
 *   config.json   settings: enrolment URL, user, role, listen/sip/http addresses, SIP password (0600)
 *   key.pem       private key (0600)
 *   cert.der      certificate
 *   overlay.xml   the newest configuration document
 *   ca.pem        TLS roots for the enrolment server, if --ca was given
 *   node.db       what this node stores (SQLite)
 *   control.sock  the daemon's control socket (0600)
 *   files/        of files that are shared and fetched: their hash trees, and where they are (io/filestore.h)
 *   lock          held by the running daemon
 */
#ifndef RF_APPS_HOME_H
#define RF_APPS_HOME_H

#include "base/addr.h"
#include "base/assert.h"
#include "base/buf.h"
#include "node/node.h"

#define HOME_MAX_SERVICES     4
#define HOME_SIP_PASSWORD_LEN 20

/* The relay of a supernode, keys "relay..." (docs/operating.md); 0: the default. */
struct home_relay {
    bool off, private_peers;
    struct rf_addr address; /* what others see of "listen"; family 0: the same */
    size_t threads, kbit_s, user_kbit_s, allocations, user_allocations;
    size_t port_low, port_high;
    struct rf_addr tcp, tls; /* family 0: none */
    char tls_cert[512],
        tls_key[512];   /* files with PEM, from the home on if they are relative; empty: the node's own */
    char tls_name[129]; /* that the certificate is for */
};

struct home_config {
    char url[512];  /* as given to init: where documents and certificates come from */
    char user[256]; /* alice@example.org */
    enum rf_node_role role;
    struct rf_addr listen; /* port 0: the kernel chooses */
    struct rf_addr sip;    /* family 0: none */
    struct rf_addr http;   /* family 0: none */
    char sip_password[64]; /* for the user's phones */
    /* of a supernode, see docs/operating.md; 0: the default */
    size_t max_clients, handshakes_per_s, requests_per_s;
    size_t max_flows;                    /* of a client, likewise */
    size_t keepalive_s, keepalive_max_s; /* likewise */
    bool hotel;                          /* "mode": "hotel": as few connections as can be */
    size_t auto_uptime_s, auto_interval_s, auto_idle_s, auto_min_ring; /* role auto; likewise */
    char forward[256];                    /* carol@example.org: who gets this device's calls; empty: nobody */
    char services[HOME_MAX_SERVICES][32]; /* "echo" */
    size_t service_count;
    struct home_relay relay;
    bool media_direct; /* media of calls go as the SDPs say, not through this node */
    bool has_ca;
};

/* home_default is $RINGFOLK_HOME, else ~/.ringfolk, owned by the caller; NULL: neither $RINGFOLK_HOME nor $HOME is set, or no memory. */
char *home_default(void);
/* home_path writes HOME/name into out (RF_ELIMIT). */
int home_path(const char *home, const char *name, char *out, size_t out_len);
/* home_load / home_save read and write config.json. error_text: a sentence on failure. Errors: RF_ENOTFOUND no home, RF_EFORMAT. */
int home_load(const char *home, struct home_config *out, char *error_text, size_t error_text_len);
int home_save(const char *home, const struct home_config *config);

#endif
