/*
 * opaque.c - via lists kept here: an opaque ID of two bytes stands for the way back of a request (1.3).
 *
 * The number is a slot and the slot's generation, which goes up with every use and starts at random: an ID that came too late, or was
 * never issued, is dropped. A slot is free again after the maximum request lifetime. Slots are taken in turn, so that each rests as
 * long as possible.
 */
#include "overlay/internal.h"

#define SLOT_BITS       12
#define SLOT_MASK       (OVERLAY_OPAQUE_SLOTS - 1)
#define GENERATION_MASK 7

static int slots_touch(struct rf_overlay *o)
{
    struct opaques *t = &o->opaques;
    if (t->slots != NULL)
        return 0;
    t->slots = rf_zalloc(o->env->mem, OVERLAY_OPAQUE_SLOTS * sizeof(*t->slots));
    if (t->slots == NULL)
        return RF_ENOMEM;
    t->next = rf_rng_below(o->env->jitter, OVERLAY_OPAQUE_SLOTS);
    for (size_t i = 0; i < OVERLAY_OPAQUE_SLOTS; i++)
        t->slots[i].generation = (uint8_t)rf_rng_below(o->env->secret, GENERATION_MASK + 1);
    return 0;
}

/* The next slot in turn, if its time is over; looks at a few only, since they were taken in this order. */
static struct opaque_slot *slot_take(struct rf_overlay *o)
{
    struct opaques *t = &o->opaques;
    for (size_t tries = 0; tries < 8; tries++) {
        struct opaque_slot *slot = &t->slots[t->next];
        t->next = (t->next + 1) & SLOT_MASK;
        if (slot->bytes == NULL || slot->expires_us <= overlay_now(o))
            return slot;
    }
    return NULL;
}

int opaque_keep(struct rf_overlay *o, struct rf_view via, const struct rf_id *from, struct rf_dest *out)
{
    struct rf_buf buf;
    size_t len;
    int error = slots_touch(o);
    if (error != 0)
        return error;
    struct opaque_slot *slot = slot_take(o);
    if (slot == NULL)
        return RF_ELIMIT;
    rf_buf_init(&buf, o->env->mem, UINT16_MAX);
    rf_dest_list_way_back(via, from, &buf);
    error = rf_buf_error(&buf);
    uint8_t *bytes = error == 0 ? rf_buf_steal(&buf, &len) : NULL;
    rf_buf_deinit(&buf);
    if (error != 0)
        return error;
    rf_free(o->env->mem, slot->bytes);
    slot->bytes = bytes;
    slot->len = (uint16_t)len;
    slot->generation = (slot->generation + 1) & GENERATION_MASK;
    slot->expires_us = overlay_now(o) + overlay_lifetime_us(o);
    size_t place = (size_t)(slot - o->opaques.slots);
    *out = rf_dest_compact((uint16_t)(slot->generation << SLOT_BITS | place));
    return 0;
}

bool opaque_find(const struct rf_overlay *o, uint16_t compact, struct rf_view *out)
{
    const struct opaques *t = &o->opaques;
    const struct opaque_slot *slot = t->slots != NULL ? &t->slots[compact & SLOT_MASK] : NULL;
    if (slot == NULL || slot->bytes == NULL || slot->expires_us <= overlay_now(o) ||
        slot->generation != ((compact >> SLOT_BITS) & GENERATION_MASK))
        return false;
    *out = rf_view_of(slot->bytes, slot->len);
    return true;
}

void opaque_deinit(struct rf_overlay *o)
{
    for (size_t i = 0; o->opaques.slots != NULL && i < OVERLAY_OPAQUE_SLOTS; i++)
        rf_free(o->env->mem, o->opaques.slots[i].bytes);
    rf_free(o->env->mem, o->opaques.slots);
    o->opaques.slots = NULL;
}
