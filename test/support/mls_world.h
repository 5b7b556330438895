/*
 * mls_world.h - devices with MLS groups around one log: what a device appends, every member processes in order, and all must agree. Asserts
 * with cmocka's means do not stand here, so that benches and fuzz targets can use it too: what must not happen aborts.
 */
#ifndef RF_TEST_SUPPORT_MLS_WORLD_H
#define RF_TEST_SUPPORT_MLS_WORLD_H

#include "base/buf.h"
#include "base/rng.h"
#include "mls/mls.h"

#define MLS_WORLD_DEVICES_MAX 1100

struct mls_device {
    struct rf_key *key;
    char name[16];
    struct rf_mls_profile profile;
    struct rf_mls_key_package_secret secret; /* of its last key package */
    struct rf_buf key_package;
    struct rf_mls *group; /* NULL: in none */
    bool removed;
    size_t opened; /* application messages */
};

struct mls_world {
    struct rf_mls_env env;
    struct rf_mem *mem;
    uint16_t suite;
    struct mls_device *devices;
    size_t count;
    size_t absent_from,
        absent_to; /* of devices with these numbers, only each 16th enters when it is added: large groups are dear */
    struct rf_buf message; /* scratch: what was appended last */
};

/* mls_world_init: no devices yet. The env's rules may be set in w->env before groups are made. */
void mls_world_init(struct mls_world *w, struct rf_mem *mem, struct rf_crypto *crypto, struct rf_rng *rng,
                    uint16_t suite);
void mls_world_deinit(struct mls_world *w);
/* mls_world_device makes a device more, with a key and a key package. */
struct mls_device *mls_world_device(struct mls_world *w);
void mls_world_key_package(struct mls_world *w, struct mls_device *d);
/* mls_world_start: device 0 creates the group, and adds `count` - 1 more with one Commit. */
void mls_world_start(struct mls_world *w, size_t count);
/* mls_world_append gives a message to all who are in the group; `events` counts those of this type. Aborts where a member refuses it. */
size_t mls_world_append(struct mls_world *w, struct rf_view message, enum rf_mls_event_type type);
/* mls_world_commit: a Commit by `d` with these changes, appended; whoever it adds joins by its Welcome. */
void mls_world_commit(struct mls_world *w, struct mls_device *d, const struct rf_mls_change *changes,
                      size_t count, const struct rf_mls_commit_options *options);
/* mls_world_welcome: everybody whom d's last Commit added enters. */
void mls_world_welcome(struct mls_world *w, struct mls_device *d);
/* mls_world_external: d comes in by itself with a GroupInfo of `helper`, in place of `replaces`. */
void mls_world_external(struct mls_world *w, struct mls_device *d, struct mls_device *helper,
                        uint32_t replaces);
/* mls_world_say: an application message, appended and read by all others. */
void mls_world_say(struct mls_world *w, struct mls_device *d, const char *text);
/* mls_world_agree: all who are in have the same epoch, secrets and tree. Gives how many they are. */
size_t mls_world_agree(const struct mls_world *w);
/* mls_device_add: the change that adds a device. */
struct rf_mls_change mls_device_add(const struct mls_device *d);

#endif
