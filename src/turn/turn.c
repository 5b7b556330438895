/* turn.c - the relay's birth and death, its allocations and users. */
#include "turn/internal.h"

#define ROW(name, help) {#name, help, offsetof(struct rf_turn_counters, name)},
RF_COUNTERS_DEFINE(turn, RF_TURN_COUNTERS, ROW)

#define MAX_ALLOCATIONS 1000
#define MAX_PER_USER    10
#define MAX_LIFETIME_S  3600
#define MAX_TEXT        127 /* of realm and software */

static struct rf_view key_of_alloc(const struct rf_map_node *node)
{
    const struct rf_turn_alloc *a = RF_CONTAINER(node, const struct rf_turn_alloc, node);
    return rf_view_of(a->key_bytes, a->key_len);
}

static struct rf_view key_of_user(const struct rf_map_node *node)
{
    const struct turn_user *u = RF_CONTAINER(node, const struct turn_user, node);
    return rf_view_of(u->name, u->name_len);
}

/* ---- birth and death ---- */

static char *copy_text(struct rf_mem *mem, const char *text)
{
    char *copy = rf_alloc(mem, strlen(text) + 1);
    if (copy != NULL)
        memcpy(copy, text, strlen(text) + 1);
    return copy;
}

int rf_turn_new(const struct rf_env *env, const struct rf_turn_config *config, struct rf_turn **out)
{
    if (config->realm == NULL || config->realm[0] == '\0' || strlen(config->realm) > MAX_TEXT ||
        (config->software != NULL && strlen(config->software) > MAX_TEXT))
        return RF_EINVAL;
    struct rf_turn *turn = rf_zalloc(env->mem, sizeof(*turn));
    if (turn == NULL)
        return RF_ENOMEM;
    turn->env = env;
    turn->crypto = config->crypto;
    turn->host = *config->host;
    memcpy(turn->secrets[0], config->secret, RF_TURN_SECRET_LEN);
    memcpy(turn->nonce_key, config->secret, RF_TURN_SECRET_LEN); /* their MACs are over other texts */
    turn->secret_count = 1;
    turn->max_allocations = config->max_allocations != 0 ? config->max_allocations : MAX_ALLOCATIONS;
    turn->max_per_user = config->max_per_user != 0 ? config->max_per_user : MAX_PER_USER;
    turn->max_lifetime_s = config->max_lifetime_s != 0 ? config->max_lifetime_s : MAX_LIFETIME_S;
    turn->user_bytes_per_s = config->user_bytes_per_s;
    turn->bucket.per_s = config->bytes_per_s;
    turn->private_peers = config->private_peers;
    rf_map_init(&turn->allocs, env->mem, env->seed, key_of_alloc);
    rf_map_init(&turn->users, env->mem, env->seed, key_of_user);
    turn->realm = copy_text(env->mem, config->realm);
    if (config->software != NULL)
        turn->software = copy_text(env->mem, config->software);
    if (turn->realm == NULL || (config->software != NULL && turn->software == NULL)) {
        rf_turn_free(turn);
        return RF_ENOMEM;
    }
    *out = turn;
    return 0;
}

void rf_turn_free(struct rf_turn *turn)
{
    if (turn == NULL)
        return;
    struct rf_mem *mem = turn->env->mem;
    for (struct rf_map_node *node; (node = (struct rf_map_node *)rf_map_next(&turn->allocs, NULL)) != NULL;)
        turn_alloc_free(RF_CONTAINER(node, struct rf_turn_alloc, node));
    rf_map_deinit(&turn->allocs);
    rf_map_deinit(&turn->users);
    rf_free(mem, turn->realm);
    rf_free(mem, turn->software);
    rf_wipe(turn->secrets, sizeof(turn->secrets));
    rf_wipe(turn->nonce_key, sizeof(turn->nonce_key));
    rf_free(mem, turn);
}

void rf_turn_rotate(struct rf_turn *turn, const uint8_t secret[RF_TURN_SECRET_LEN])
{
    memcpy(turn->secrets[1], turn->secrets[0], RF_TURN_SECRET_LEN);
    memcpy(turn->secrets[0], secret, RF_TURN_SECRET_LEN);
    turn->secret_count = 2;
}

/* ---- users ---- */

static struct turn_user *user_get(struct turn_request *r)
{
    struct rf_turn *turn = r->turn;
    struct rf_map_node *node = rf_map_find(&turn->users, r->name);
    if (node != NULL)
        return RF_CONTAINER(node, struct turn_user, node);
    struct turn_user *user = rf_zalloc(turn->env->mem, sizeof(*user) + r->name.len);
    if (user == NULL)
        return NULL;
    user->name_len = (uint8_t)r->name.len;
    memcpy(user->name, r->name.p, r->name.len);
    user->bucket.per_s = turn->user_bytes_per_s;
    if (rf_map_insert(&turn->users, &user->node) == 0)
        return user;
    rf_free(turn->env->mem, user);
    return NULL;
}

static void user_put(struct rf_turn *turn, struct turn_user *user)
{
    if (user->allocations > 0)
        return;
    rf_map_remove(&turn->users, &user->node);
    rf_free(turn->env->mem, user);
}

/* ---- allocations ---- */

static uint8_t key_write(const struct rf_turn_from *from, uint8_t out[24])
{
    size_t ip_len = from->addr.family == 4 ? 4 : 16;
    out[0] = from->addr.family;
    out[1] = from->stream;
    memcpy(out + 2, &from->addr.port, 2);
    memcpy(out + 4, &from->flow, 4);
    memcpy(out + 8, from->addr.ip, ip_len);
    return (uint8_t)(8 + ip_len);
}

struct rf_turn_alloc *turn_find(struct rf_turn *turn, const struct rf_turn_from *from)
{
    uint8_t key[24];
    uint8_t len = key_write(from, key);
    struct rf_turn_alloc *last = turn->last;
    if (last != NULL && last->key_len == len && memcmp(last->key_bytes, key, len) == 0)
        return last;
    struct rf_map_node *node = rf_map_find(&turn->allocs, rf_view_of(key, len));
    if (node == NULL)
        return NULL;
    return turn->last = RF_CONTAINER(node, struct rf_turn_alloc, node);
}

static void expired(struct rf_timer *timer, void *arg)
{
    (void)arg;
    struct rf_turn_alloc *a = RF_CONTAINER(timer, struct rf_turn_alloc, expiry);
    a->turn->counters.expired++;
    turn_alloc_free(a);
}

int turn_alloc_keep(struct rf_turn_alloc *a, uint32_t lifetime_s)
{
    return rf_env_timer_in(a->turn->env, &a->expiry, lifetime_s * RF_US_PER_S);
}

/* Everything but the socket and the place in the map. */
static struct rf_turn_alloc *alloc_make(struct turn_request *r, struct turn_user *user, uint32_t lifetime_s)
{
    struct rf_mem *mem = r->turn->env->mem;
    struct rf_turn_alloc *a = rf_zalloc(mem, sizeof(*a));
    if (a == NULL)
        return NULL;
    a->turn = r->turn;
    a->from = *r->from;
    a->key_len = key_write(r->from, a->key_bytes);
    a->user = user;
    a->user_name = rf_zalloc(mem, r->user.len + 1);
    memcpy(a->txn, r->msg->txn, RF_STUN_TXN_LEN);
    rf_timer_init(&a->expiry, expired, NULL);
    if (a->user_name != NULL && turn_alloc_keep(a, lifetime_s) == 0) {
        memcpy(a->user_name, r->user.p, r->user.len);
        return a;
    }
    rf_free(mem, a->user_name);
    rf_free(mem, a);
    return NULL;
}

static void alloc_unmake(struct rf_turn_alloc *a)
{
    struct rf_mem *mem = a->turn->env->mem;
    rf_timer_stop(a->turn->env->timers, &a->expiry);
    rf_free(mem, a->permissions);
    rf_free(mem, a->channels);
    rf_free(mem, a->user_name);
    rf_free(mem, a);
}

static int alloc_open(struct turn_request *r, struct turn_user *user, uint8_t family, bool even,
                      uint32_t lifetime_s, struct rf_turn_alloc **out)
{
    struct rf_turn *turn = r->turn;
    struct rf_turn_alloc *a = alloc_make(r, user, lifetime_s);
    if (a == NULL)
        return RF_ENOMEM;
    int error = turn->host.open(turn->host.ctx, a, family, even, &a->relayed, &a->socket);
    if (error == RF_ELIMIT)
        error = RF_EAGAIN; /* not the user's fault */
    if (error == 0 && (error = rf_map_insert(&turn->allocs, &a->node)) != 0)
        turn->host.close(turn->host.ctx, a->socket);
    if (error != 0) {
        alloc_unmake(a);
        return error;
    }
    *out = a;
    return 0;
}

int turn_alloc_new(struct turn_request *r, uint8_t family, bool even, uint32_t lifetime_s,
                   struct rf_turn_alloc **out)
{
    if (r->turn->allocs.count >= r->turn->max_allocations)
        return RF_EAGAIN;
    struct turn_user *user = user_get(r);
    if (user == NULL)
        return RF_ENOMEM;
    int error = user->allocations >= r->turn->max_per_user
                    ? RF_ELIMIT
                    : alloc_open(r, user, family, even, lifetime_s, out);
    if (error == 0) {
        user->allocations++;
        r->turn->counters.allocations++;
    } else {
        user_put(r->turn, user);
    }
    return error;
}

void turn_alloc_free(struct rf_turn_alloc *a)
{
    struct rf_turn *turn = a->turn;
    if (turn->last == a)
        turn->last = NULL;
    rf_map_remove(&turn->allocs, &a->node);
    turn->host.close(turn->host.ctx, a->socket);
    a->user->allocations--;
    user_put(turn, a->user);
    alloc_unmake(a);
}

void rf_turn_gone(struct rf_turn *turn, const struct rf_turn_from *from)
{
    struct rf_turn_alloc *a = turn_find(turn, from);
    if (a != NULL)
        turn_alloc_free(a);
}

bool rf_turn_has(struct rf_turn *turn, const struct rf_turn_from *from)
{
    return turn_find(turn, from) != NULL;
}

int rf_turn_frame(struct rf_view stream, size_t *len)
{
    return stream.len > 0 && (stream.p[0] & 0xc0) == 0x40 ? rf_turn_channel_frame(stream, len)
                                                          : rf_stun_frame(stream, len);
}

void rf_turn_slow(struct rf_turn *turn)
{
    turn->counters.client_slow++;
}

void rf_turn_status(const struct rf_turn *turn, struct rf_turn_status *out)
{
    *out = (struct rf_turn_status){
        .allocations = turn->allocs.count, .users = turn->users.count, .counters = turn->counters};
}
