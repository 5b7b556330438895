/*
 * keep_mem.c - a store of conversations in memory, for the simulator and for tests.
 *
 * A batch is taken in two passes: the first gets all the memory it needs (and may fail), the second changes things (and can not).
 */
#include <stdlib.h>

#include "base/assert.h"
#include "base/map.h"
#include "chat/keep_words.h"

#define KEY_MAX (RF_KEEP_CONVERSATION_LEN + 16 + RF_KEEP_MAX_NAME)

/* Anything kept: what a change brought, in a region of its own. */
struct item {
    struct rf_map_node node; /* states, marks and entries by their keys */
    struct rf_list
        list; /* entries of a conversation by (index, number); reactions of an entry; else by itself */
    struct rf_region region;
    struct rf_view key;
    struct rf_keep_op op;
    /* of an entry */
    uint64_t number;          /* in the order in which they came, from 1 */
    struct rf_list reactions; /* of items; oldest first */
    struct item *change;      /* the edit or deletion that its text comes from */
};

/* The entries of a conversation. */
struct shelf {
    struct rf_map_node node;
    uint8_t id[RF_KEEP_CONVERSATION_LEN];
    struct rf_list entries;
};

struct mem_store {
    struct rf_keep_store store;
    struct rf_mem *mem;
    struct rf_map states, marks, entries, shelves;
    uint64_t next_number;
    const char *error;
};

static struct mem_store *of(struct rf_keep_store *store)
{
    return RF_CONTAINER(store, struct mem_store, store);
}

static struct item *item_of(struct rf_map_node *node)
{
    return node != NULL ? RF_CONTAINER(node, struct item, node) : NULL;
}

static struct rf_view item_key(const struct rf_map_node *node)
{
    return RF_CONTAINER(node, struct item, node)->key;
}

static struct rf_view shelf_key(const struct rf_map_node *node)
{
    return rf_view_of(RF_CONTAINER(node, struct shelf, node)->id, RF_KEEP_CONVERSATION_LEN);
}

/* ---- keys ---- */

/* Key of a state, a mark or an entry's name. */
static struct rf_view key_put(struct rf_buf *buf, const uint8_t *conversation, uint64_t number,
                              struct rf_view name)
{
    rf_buf_put(buf, conversation, RF_KEEP_CONVERSATION_LEN);
    rf_buf_u64(buf, number);
    rf_buf_view_put(buf, name);
    RF_ASSERT(rf_buf_error(buf) == 0);
    return rf_buf_view(buf);
}

static struct rf_view key_of(const struct rf_keep_op *op, struct rf_buf *buf)
{
    switch (op->type) {
    case RF_KEEP_STATE_PUT:
    case RF_KEEP_STATE_DELETE:
        return key_put(buf, op->state.conversation, op->state.part, op->state.name);
    case RF_KEEP_MARK:
        return key_put(buf, op->mark.conversation, op->mark.kind, op->mark.principal);
    case RF_KEEP_ENTRY_PUT:
        return key_put(buf, op->entry.conversation, op->entry.name.sequence,
                       rf_id_view(&op->entry.name.device));
    default:
        return key_put(buf, op->change.conversation, op->change.target.sequence,
                       rf_id_view(&op->change.target.device));
    }
}

/* ---- items ---- */

static void item_free(struct mem_store *s, struct item *item)
{
    if (item == NULL)
        return;
    RF_LIST_EACH_SAFE(&item->reactions, it)
    {
        item_free(s, RF_LIST_ENTRY(it, struct item, list));
    }
    item_free(s, item->change);
    rf_list_remove(&item->list);
    rf_region_deinit(&item->region);
    rf_free(s->mem, item);
}

static struct item *item_new(struct mem_store *s, const struct rf_keep_op *op)
{
    struct item *item = rf_zalloc(s->mem, sizeof(*item));
    uint8_t bytes[KEY_MAX];
    struct rf_keep_op *copy;
    struct rf_buf buf;

    if (item == NULL)
        return NULL;
    rf_list_init(&item->list);
    rf_list_init(&item->reactions);
    rf_region_init(&item->region, s->mem, SIZE_MAX / 2);
    rf_buf_fixed(&buf, bytes, sizeof(bytes));
    item->key = rf_region_copy(&item->region, key_of(op, &buf));
    if (item->key.p == NULL || rf_keep_ops_copy(&item->region, op, 1, &copy) != 0) {
        item_free(s, item);
        return NULL;
    }
    item->op = *copy;
    return item;
}

static struct shelf *shelf_of(const struct mem_store *s, const uint8_t *conversation)
{
    struct rf_map_node *node = rf_map_find(&s->shelves, rf_view_of(conversation, RF_KEEP_CONVERSATION_LEN));
    return node != NULL ? RF_CONTAINER(node, struct shelf, node) : NULL;
}

static bool shelf_make(struct mem_store *s, const uint8_t *conversation)
{
    if (shelf_of(s, conversation) != NULL)
        return true;
    struct shelf *shelf = rf_zalloc(s->mem, sizeof(*shelf));
    if (shelf == NULL)
        return false;
    memcpy(shelf->id, conversation, sizeof(shelf->id));
    rf_list_init(&shelf->entries);
    RF_ASSERT(rf_map_insert(&s->shelves, &shelf->node) == 0);
    return true;
}

/* Puts an entry where its index belongs: mostly at the end. */
static void shelve(struct mem_store *s, struct item *item)
{
    struct shelf *shelf = shelf_of(s, item->op.entry.conversation);
    struct rf_list *at = shelf->entries.prev;

    for (; at != &shelf->entries; at = at->prev) {
        const struct item *other = RF_LIST_ENTRY(at, struct item, list);
        if (other->op.entry.index < item->op.entry.index ||
            (other->op.entry.index == item->op.entry.index && other->number < item->number))
            break;
    }
    rf_list_push_front(at, &item->list);
}

/* ---- changes ---- */

static void put(struct mem_store *s, struct rf_map *map, struct item *item)
{
    struct rf_map_node *old = rf_map_find(map, item->key);

    if (old != NULL) {
        rf_map_remove(map, old);
        item_free(s, item_of(old));
    }
    RF_ASSERT(rf_map_insert(map, &item->node) == 0);
}

static void drop(struct mem_store *s, struct rf_map *map, struct rf_view key)
{
    struct rf_map_node *old = rf_map_find(map, key);

    if (old != NULL) {
        rf_map_remove(map, old);
        item_free(s, item_of(old));
    }
}

static void reactions_drop(struct mem_store *s, struct item *entry)
{
    RF_LIST_EACH_SAFE(&entry->reactions, it)
    {
        item_free(s, RF_LIST_ENTRY(it, struct item, list));
    }
}

static void entry_put(struct mem_store *s, struct item *item)
{
    struct item *old = item_of(rf_map_find(&s->entries, item->key));

    item->number = old != NULL ? old->number : s->next_number++;
    if (old != NULL)
        RF_LIST_EACH_SAFE(&old->reactions, it)
        {
            rf_list_remove(it);
            rf_list_push_back(&item->reactions, it);
        }
    if (item->op.entry.deleted_ms != 0)
        reactions_drop(s, item);
    put(s, &s->entries, item);
    shelve(s, item);
}

static void react(struct mem_store *s, struct item *entry, struct item *item)
{
    const struct rf_keep_change *c = &item->op.change;
    bool on = item->op.type == RF_KEEP_REACT && entry->op.entry.deleted_ms == 0, there = false;

    RF_LIST_EACH_SAFE(&entry->reactions, it)
    {
        struct item *other = RF_LIST_ENTRY(it, struct item, list);
        if (rf_view_equal(other->op.change.by, c->by) && rf_view_equal(other->op.change.text, c->text)) {
            there = true;
            if (item->op.type == RF_KEEP_UNREACT)
                item_free(s, other);
        }
    }
    if (on && !there)
        rf_list_push_back(&entry->reactions, &item->list);
    else
        item_free(s, item);
}

/* The text of an entry comes from `item` from now on. */
static void rewrite(struct mem_store *s, struct item *entry, struct item *item)
{
    const struct rf_keep_change *c = &item->op.change;
    struct rf_keep_entry *e = &entry->op.entry;
    bool deleted = item->op.type == RF_KEEP_ENTRY_DELETE;

    if (e->deleted_ms != 0) {
        item_free(s, item);
        return;
    }
    e->text = deleted ? rf_view_of(NULL, 0) : c->text;
    e->content = deleted ? rf_view_of(NULL, 0) : c->content;
    if (deleted) {
        e->raw = rf_view_of(NULL, 0);
        e->deleted_ms = c->time_ms;
        e->deleted_by = c->by;
        reactions_drop(s, entry);
    } else {
        e->edited_ms = c->time_ms;
    }
    item_free(s, entry->change);
    entry->change = item;
}

static void change(struct mem_store *s, struct item *item)
{
    struct item *entry = item_of(rf_map_find(&s->entries, item->key));

    if (entry == NULL) {
        item_free(s, item);
        return;
    }
    switch (item->op.type) {
    case RF_KEEP_ENTRY_EDIT:
    case RF_KEEP_ENTRY_DELETE:
        rewrite(s, entry, item);
        return;
    case RF_KEEP_REACT:
    case RF_KEEP_UNREACT:
        react(s, entry, item);
        return;
    case RF_KEEP_ENTRY_MOVE:
        entry->op.entry.index = item->op.change.index;
        rf_list_remove(&entry->list);
        shelve(s, entry);
        break;
    default: /* RF_KEEP_ENTRY_REMOVE */
        drop(s, &s->entries, item->key);
        break;
    }
    item_free(s, item);
}

/* Removes what a map has of a conversation. */
static void forget_of(struct mem_store *s, struct rf_map *map, const uint8_t *conversation)
{
    for (struct rf_map_node *it = rf_map_next(map, NULL), *next; it != NULL; it = next) {
        next = rf_map_next(map, it);
        if (memcmp(item_of(it)->key.p, conversation, RF_KEEP_CONVERSATION_LEN) == 0) {
            rf_map_remove(map, it);
            item_free(s, item_of(it));
        }
    }
}

static void apply_item(struct mem_store *s, struct item *item)
{
    struct item *old;

    switch (item->op.type) {
    case RF_KEEP_STATE_PUT:
        put(s, &s->states, item);
        return;
    case RF_KEEP_ENTRY_PUT:
        entry_put(s, item);
        return;
    case RF_KEEP_MARK:
        old = item_of(rf_map_find(&s->marks, item->key));
        if (old != NULL && old->op.mark.index >= item->op.mark.index)
            item_free(s, item);
        else
            put(s, &s->marks, item);
        return;
    case RF_KEEP_STATE_DELETE:
        drop(s, &s->states, item->key);
        break;
    case RF_KEEP_FORGET:
        forget_of(s, &s->states, item->op.change.conversation);
        forget_of(s, &s->marks, item->op.change.conversation);
        forget_of(s, &s->entries, item->op.change.conversation);
        break;
    default:
        change(s, item);
        return;
    }
    item_free(s, item);
}

static int mem_apply(struct rf_keep_store *store, const struct rf_keep_batch *batches, size_t batch_count)
{
    struct mem_store *s = of(store);
    struct rf_list items;
    int r = 0;

    rf_list_init(&items);
    for (size_t i = 0; i < batch_count && r == 0; i++) {
        r = rf_keep_ops_check(batches[i].ops, batches[i].op_count);
        for (size_t k = 0; k < batches[i].op_count && r == 0; k++) {
            const struct rf_keep_op *op = &batches[i].ops[k];
            struct item *item = item_new(s, op);
            if (item == NULL || (op->type == RF_KEEP_ENTRY_PUT && !shelf_make(s, op->entry.conversation)))
                r = RF_ENOMEM;
            if (item != NULL)
                rf_list_push_back(&items, &item->list);
        }
    }
    RF_LIST_EACH_SAFE(&items, it)
    {
        struct item *item = RF_LIST_ENTRY(it, struct item, list);
        rf_list_remove(it);
        if (r == 0)
            apply_item(s, item);
        else
            item_free(s, item);
    }
    s->error = rf_error_text(r);
    return r;
}

static int mem_load(struct rf_keep_store *store, int (*each)(void *ctx, const struct rf_keep_record *record),
                    void *ctx)
{
    struct mem_store *s = of(store);
    int r = 0;

    for (struct rf_map_node *it = rf_map_next(&s->states, NULL); it != NULL && r == 0;
         it = rf_map_next(&s->states, it))
        r = each(ctx, &(struct rf_keep_record){.state = &item_of(it)->op.state});
    for (struct rf_map_node *it = rf_map_next(&s->marks, NULL); it != NULL && r == 0;
         it = rf_map_next(&s->marks, it))
        r = each(ctx, &(struct rf_keep_record){.mark = &item_of(it)->op.mark});
    return r;
}

/* ---- questions ---- */

struct answering {
    struct mem_store *s;
    const struct rf_keep_query *query;
    struct rf_region *region;
    struct rf_keep_answer *answer;
    size_t cap, bytes;
};

static int answer_with(struct answering *a, const struct item *item)
{
    struct rf_keep_answer *answer = a->answer;
    struct rf_keep_entry entry = item->op.entry;
    struct rf_keep_reaction *reactions;
    size_t count = 0;

    if (answer->count == a->cap) {
        size_t cap = a->cap > 0 ? 2 * a->cap : 16;
        struct rf_keep_entry *more = rf_region_array(a->region, cap, sizeof(*more));
        if (more == NULL)
            return RF_ENOMEM;
        if (answer->count > 0)
            memcpy(more, answer->entries, answer->count * sizeof(*more));
        answer->entries = more;
        a->cap = cap;
    }
    RF_LIST_EACH(&item->reactions, it)
    {
        count++;
    }
    if ((reactions = rf_region_array(a->region, count, sizeof(*reactions))) == NULL)
        return RF_ENOMEM;
    entry.reactions = reactions;
    RF_LIST_EACH(&item->reactions, it)
    {
        const struct rf_keep_change *c = &RF_LIST_ENTRY(it, struct item, list)->op.change;
        reactions[entry.reaction_count++] = (struct rf_keep_reaction){c->by, c->text, c->time_ms};
    }
    if (!a->query->raw)
        entry.raw = rf_view_of(NULL, 0);
    a->bytes += entry.text.len + entry.content.len + entry.raw.len;
    return rf_keep_entry_copy(a->region, &entry, &answer->entries[answer->count++]);
}

static bool is_full(const struct answering *a)
{
    return a->answer->count >= a->query->limit || (a->query->max_bytes > 0 && a->bytes > a->query->max_bytes);
}

/* Does (index, number) come before (x, y) on the way? */
static bool comes_before(uint64_t index, uint64_t number, uint64_t x, uint64_t y, bool backwards)
{
    if (index != x)
        return backwards ? index > x : index < x;
    return backwards ? number > y : number < y;
}

static int page(struct answering *a)
{
    const struct rf_keep_query *q = a->query;
    const struct shelf *shelf = shelf_of(a->s, q->conversation);
    uint64_t index = q->cursor.b != 0 ? q->cursor.a : q->from;
    uint64_t number = q->cursor.b != 0 ? q->cursor.b : q->backwards ? UINT64_MAX : 0;
    int r = 0;

    if (shelf == NULL)
        return 0;
    for (struct rf_list *it = q->backwards ? shelf->entries.prev : shelf->entries.next;
         it != &shelf->entries && r == 0; it = q->backwards ? it->prev : it->next) {
        const struct item *item = RF_LIST_ENTRY(it, struct item, list);
        const struct rf_keep_entry *e = &item->op.entry;
        if (comes_before(e->index, item->number, index, number, q->backwards) ||
            (q->cursor.b != 0 && item->number == number))
            continue;
        if (is_full(a)) {
            a->answer->more = true;
            break;
        }
        a->answer->cursor = (struct rf_keep_cursor){e->index, item->number};
        r = answer_with(a, item);
    }
    return r;
}

static int find(struct answering *a)
{
    uint8_t bytes[KEY_MAX];
    struct rf_buf buf;

    rf_buf_fixed(&buf, bytes, sizeof(bytes));
    struct rf_view key =
        key_put(&buf, a->query->conversation, a->query->name.sequence, rf_id_view(&a->query->name.device));
    const struct item *item = item_of(rf_map_find(&a->s->entries, key));
    return item != NULL ? answer_with(a, item) : 0;
}

static int count(struct answering *a)
{
    const struct shelf *shelf = shelf_of(a->s, a->query->conversation);
    struct rf_keep_answer *answer = a->answer;

    if (shelf == NULL)
        return 0;
    RF_LIST_EACH(&shelf->entries, it)
    {
        uint64_t index = RF_LIST_ENTRY(it, struct item, list)->op.entry.index;
        if (index == RF_KEEP_PENDING)
            break;
        if (answer->counted.total++ == 0)
            answer->counted.first = index;
        answer->counted.last = index;
        answer->counted.above += index > a->query->from;
    }
    return 0;
}

/* Letters and digits of ASCII in lower case, and all bytes that are none of ASCII. */
static int split(void *ctx, struct rf_view text, struct rf_keep_words *out)
{
    uint8_t run[256];
    size_t len = 0;

    (void)ctx;
    for (size_t i = 0; i <= text.len; i++) {
        uint8_t c = i < text.len ? text.p[i] : ' ';
        bool upper = c >= 'A' && c <= 'Z';
        if (upper || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c >= 0x80) {
            if (len < sizeof(run))
                run[len++] = upper ? (uint8_t)(c + 'a' - 'A') : c;
            continue;
        }
        rf_keep_words_add(out, rf_view_of(run, len));
        len = 0;
    }
    return rf_buf_error(&out->bytes);
}

static int holds(struct answering *a, const struct rf_keep_search *search, const struct item *item, bool *out)
{
    static const uint8_t none[RF_KEEP_CONVERSATION_LEN];
    const struct rf_keep_query *q = a->query;
    const struct rf_keep_entry *e = &item->op.entry;
    struct rf_keep_words words;

    *out = false;
    if (memcmp(q->conversation, none, sizeof(none)) != 0 &&
        memcmp(q->conversation, e->conversation, sizeof(none)) != 0)
        return 0;
    if ((q->sender.len > 0 && !rf_view_equal(q->sender, e->sender)) || e->sent_ms < q->from_ms ||
        (q->until_ms > 0 && e->sent_ms > q->until_ms) || e->text.len == 0)
        return 0;
    rf_keep_words_init(&words, a->s->mem);
    int r = split(NULL, e->text, &words);
    if (r == 0)
        *out = rf_keep_search_holds(search, &words);
    rf_keep_words_deinit(&words);
    return r;
}

static int newest_first(const void *x, const void *y)
{
    const struct item *const *a = x, *const *b = y;
    return (*a)->number < (*b)->number ? 1 : -1;
}

static int search_in(struct answering *a, const struct rf_keep_search *search)
{
    size_t n = a->s->entries.count, at = 0;
    const struct item **all = rf_region_array(a->region, n, sizeof(struct item *));
    bool yes;
    int r = 0;

    if (all == NULL)
        return RF_ENOMEM;
    for (struct rf_map_node *it = rf_map_next(&a->s->entries, NULL); it != NULL;
         it = rf_map_next(&a->s->entries, it))
        all[at++] = item_of(it);
    if (n > 0)
        qsort(all, n, sizeof(all[0]), newest_first);
    for (size_t i = 0; i < n && r == 0; i++) {
        if (a->query->cursor.a != 0 && all[i]->number >= a->query->cursor.a)
            continue;
        if (is_full(a)) {
            a->answer->more = true;
            break;
        }
        a->answer->cursor = (struct rf_keep_cursor){all[i]->number, 1};
        if ((r = holds(a, search, all[i], &yes)) == 0 && yes)
            r = answer_with(a, all[i]);
    }
    return r;
}

static int search(struct answering *a)
{
    struct rf_keep_search words;
    int r = rf_keep_search_parse(a->s->mem, split, NULL, a->query->words, &words);

    if (r == 0)
        r = search_in(a, &words);
    rf_keep_search_deinit(&words);
    return r;
}

static void mem_query(struct rf_keep_store *store, const struct rf_keep_query *query,
                      struct rf_region *region, struct rf_keep_answer *answer)
{
    struct answering a = {.s = of(store), .query = query, .region = region, .answer = answer};
    bool lists = query->type == RF_KEEP_PAGE || query->type == RF_KEEP_SEARCH;

    memset(answer, 0, sizeof(*answer));
    if (lists && (query->limit == 0 || query->limit > RF_KEEP_MAX_LIMIT))
        answer->error = RF_EINVAL;
    else if (query->type == RF_KEEP_PAGE)
        answer->error = page(&a);
    else if (query->type == RF_KEEP_FIND)
        answer->error = find(&a);
    else if (query->type == RF_KEEP_SEARCH)
        answer->error = search(&a);
    else if (query->type == RF_KEEP_COUNT)
        answer->error = count(&a);
    else
        answer->error = RF_EINVAL;
    if (answer->error != 0)
        answer->count = 0;
    of(store)->error = rf_error_text(answer->error);
}

/* ---- life ---- */

static bool mem_upkeep(struct rf_keep_store *store)
{
    (void)store;
    return false;
}

static const char *mem_error_text(struct rf_keep_store *store)
{
    return of(store)->error;
}

static void items_free(struct mem_store *s, struct rf_map *map)
{
    for (struct rf_map_node *it; (it = rf_map_drain(map)) != NULL;)
        item_free(s, item_of(it));
    rf_map_deinit(map);
}

static void mem_close(struct rf_keep_store *store)
{
    struct mem_store *s = of(store);

    items_free(s, &s->states);
    items_free(s, &s->marks);
    items_free(s, &s->entries);
    for (struct rf_map_node *it; (it = rf_map_drain(&s->shelves)) != NULL;)
        rf_free(s->mem, RF_CONTAINER(it, struct shelf, node));
    rf_map_deinit(&s->shelves);
    rf_free(s->mem, s);
}

static const struct rf_keep_store_ops mem_ops = {
    .close = mem_close,
    .load = mem_load,
    .apply = mem_apply,
    .query = mem_query,
    .upkeep = mem_upkeep,
    .error_text = mem_error_text,
};

/* A map that has its buckets, so that nothing can go wrong with it later. */
static int map_make(struct rf_map *map, struct rf_mem *mem,
                    struct rf_view (*key)(const struct rf_map_node *node))
{
    const uint64_t seed[2] = {5, 6};
    struct shelf first;
    struct item item;
    bool shelves = key == shelf_key;
    struct rf_map_node *node = shelves ? &first.node : &item.node;

    memset(&first, 0, sizeof(first));
    memset(&item, 0, sizeof(item));
    rf_map_init(map, mem, seed, key);
    int r = rf_map_insert(map, node);
    if (r == 0)
        rf_map_remove(map, node);
    return r;
}

int rf_keep_mem_new(struct rf_mem *mem, struct rf_keep_store **out)
{
    struct mem_store *s = rf_zalloc(mem, sizeof(*s));
    int r;

    if (s == NULL)
        return RF_ENOMEM;
    s->store.ops = &mem_ops;
    s->mem = mem;
    s->next_number = 1;
    s->error = "";
    r = map_make(&s->states, mem, item_key) | map_make(&s->marks, mem, item_key) |
        map_make(&s->entries, mem, item_key) | map_make(&s->shelves, mem, shelf_key);
    if (r != 0) {
        mem_close(&s->store);
        return RF_ENOMEM;
    }
    *out = &s->store;
    return 0;
}
