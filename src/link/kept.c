/*
 * kept.c - messages that a link has not acknowledged, for whoever wants to send them over another one when it turns out that this one leads nowhere.
 *
 * Only links that are told to (rf_links_keep) keep any, and only links of a stream: the newest KEPT_MAX, and no more than KEPT_LEN_MAX bytes of them. An
 * acknowledgement frees them; without one they go with the link, after host.down.
 */
#include "link/table.h"

#define KEPT_MAX     16
#define KEPT_LEN_MAX 65536

struct link_kept {
    struct rf_list list;
    uint32_t sequence;
    size_t len;
    uint8_t bytes[];
};

static void drop_first(struct rf_links *links, struct rf_link *link)
{
    struct link_kept *kept = RF_LIST_ENTRY(link->kept.next, struct link_kept, list);

    rf_list_remove(&kept->list);
    link->kept_count--;
    link->kept_len -= (uint32_t)kept->len;
    rf_free(links->env->mem, kept);
}

void kept_add(struct rf_links *links, struct rf_link *link, struct rf_view message)
{
    struct link_kept *kept;

    if (!link->keep || link->is_datagrams || message.len > KEPT_LEN_MAX)
        return;
    while (link->kept_count > 0 &&
           (link->kept_count == KEPT_MAX || link->kept_len + message.len > KEPT_LEN_MAX))
        drop_first(links, link);
    kept = rf_alloc(links->env->mem, sizeof *kept + message.len);
    if (!kept)
        return; /* its sender sends it again */
    kept->sequence = link->send_seq - 1;
    kept->len = message.len;
    memcpy(kept->bytes, message.p, message.len);
    rf_list_push_back(&link->kept, &kept->list);
    link->kept_count++;
    link->kept_len += (uint32_t)message.len;
}

void kept_acked(struct rf_links *links, struct rf_link *link)
{
    while (link->kept_count > 0) {
        const struct link_kept *first = RF_LIST_ENTRY(link->kept.next, struct link_kept, list);
        if (first->sequence - link->acked_seq < UINT32_C(0x80000000))
            break;
        drop_first(links, link);
    }
}

void kept_drop(struct rf_links *links, struct rf_link *link)
{
    while (link->kept_count > 0)
        drop_first(links, link);
}

void rf_links_keep(struct rf_links *links, rf_link_id id, bool keep)
{
    struct rf_link *link = link_find(links, id);

    if (!link || link->purpose != RF_LINK_OVERLAY)
        return;
    link->keep = keep;
    if (!keep)
        kept_drop(links, link);
}

void rf_links_kept(const struct rf_links *links, rf_link_id id, void (*fn)(void *arg, struct rf_view message),
                   void *arg)
{
    const struct rf_link *link = link_find(links, id);

    if (!link)
        return;
    RF_LIST_EACH(&link->kept, it)
    {
        const struct link_kept *kept = RF_LIST_ENTRY(it, struct link_kept, list);
        fn(arg, rf_view_of(kept->bytes, kept->len));
    }
}
