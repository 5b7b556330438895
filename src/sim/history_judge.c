/*
 * history_judge.c - was what users saw what they were promised? See history.h for the rules.
 *
 * Writes and reads are sorted by resource and form, then each group is looked at by itself. Within a cell reads are taken in the order in which
 * they began; a pointer moves through the acknowledged writes in the order in which they ended, so that only reads that show too little cost more.
 */
#include <stdio.h>
#include <stdlib.h>
#include "base/assert.h"
#include "base/error.h"
#include "base/timer.h"
#include "sim/history.h"

const char *const sim_verdict_names[SIM_VERDICT_COUNT] = {"lost", "rolled_back", "vanished", "order",
                                                          "trespasses"};

/* What the judgement knows of a write besides itself. */
struct mark {
    size_t in_read;     /* 1 + the read that showed it last */
    uint64_t seen_us;   /* end of the first read that showed it; RF_NEVER: none */
    uint32_t seen_home; /* who answered that */
    uint32_t index;     /* list: where it stood */
    size_t epoch;       /* 1 + how many splits were before that; 0: not seen */
};

/* What stood at an index of a list. */
struct place {
    const struct sim_write *write; /* NULL: nothing seen yet */
    size_t epoch;
};

/* What became of a read. */
struct told {
    bool violation, excused;
};

struct judge {
    struct sim_history *h;
    struct sim_verdict *v;
    struct sim_violation spare;       /* what is beyond those told in full */
    struct mark *marks;               /* one per write */
    struct told *told;                /* one per read */
    const struct sim_write **by_name; /* all writes by (node, number) */
    const struct sim_write **by_end;  /* the group's, by their ends; acknowledged ones only */
    const struct sim_read **reads_by_end;
    struct place *places; /* the group's list */
    size_t place_cap;
    struct sim_write *writes; /* the group */
    struct sim_read *reads;
    size_t write_count, read_count, acked_count;
};

/* ---- telling ---- */

static const char *form_name(unsigned form)
{
    static const char *const names[] = {"value", "entry", "list"};
    return form < SIM_FORM_COUNT ? names[form] : "?";
}

static void tell_write(char *text, const struct sim_write *w)
{
    static const char *const outcomes[] = {"never answered", "acknowledged", "failed", "refused"};
    sim_text_add(text, "%s %u.%u (%s %u of user %u, version %llu, begun %.3f s, %s %.3f s",
                 w->removal                 ? "removal"
                 : w->form == SIM_FORM_LIST ? "element"
                                            : "write",
                 w->node, w->number, form_name(w->form), w->key, w->user, (unsigned long long)w->time_ms,
                 (double)w->begin_us / 1e6, outcomes[w->outcome], (double)w->end_us / 1e6);
    for (size_t i = 0; i < w->holder_count; i++)
        sim_text_add(text, "%s%u", i == 0 ? " by " : " ", w->holders[i]);
    sim_text_add(text, ")");
}

static void tell_read(char *text, const struct sim_read *r)
{
    if (r->audit || r->rights)
        sim_text_add(text, "at the end %u holds of user %u's %s", r->home, r->user, form_name(r->form));
    else
        sim_text_add(text, "read of user %u's %s by %u, %.3f to %.3f s, answered by %u, shows", r->user,
                     form_name(r->form), r->node, (double)r->begin_us / 1e6, (double)r->end_us / 1e6,
                     r->home);
}

static struct sim_violation *violation(struct judge *j, enum sim_verdict_type type, uint64_t at_us)
{
    struct sim_verdict *v = j->v;
    v->counts[type]++;
    struct sim_violation *out = v->told_count < SIM_VERDICTS ? &v->told[v->told_count++] : &j->spare;
    out->type = type;
    out->at_us = at_us;
    out->text[0] = 0;
    return out;
}

/* A read that lacks a write: shown NULL: it shows nothing in its place. */
static void tell_lack(struct judge *j, enum sim_verdict_type type, const struct sim_read *r,
                      const struct sim_write *w, const struct sim_seen *shown)
{
    char *text = violation(j, type, r->begin_us)->text;
    tell_read(text, r);
    if (w->form == SIM_FORM_LIST)
        sim_text_add(text, " %u elements, not ", r->count);
    else if (shown == NULL)
        sim_text_add(text, " nothing, not ");
    else
        sim_text_add(text, " version %llu of %u.%u, not ", (unsigned long long)shown->time_ms, shown->node,
                     shown->number);
    tell_write(text, w);
    sim_text_add(text, "; ");
    sim_faults_text(j->h, w, r, text);
}

/* True: it counts as a violation; false: there is an excuse. Either way the read is done with. */
static bool lacks(struct judge *j, enum sim_verdict_type type, const struct sim_read *r,
                  const struct sim_write *w, const struct sim_seen *shown, uint32_t shown_by)
{
    struct told *told = &j->told[r - j->h->reads];
    if (sim_excused(j->h, &(struct sim_excuse_query){w, r, shown_by})) {
        j->v->excused += !told->excused;
        told->excused = true;
        return false;
    }
    if (!told->violation)
        tell_lack(j, r->audit ? SIM_LOST : type, r, w, shown);
    told->violation = true;
    return true;
}

/* ---- whose is it ---- */

static int compare_name(const void *a, const void *b)
{
    const struct sim_write *x = *(const struct sim_write *const *)a, *y = *(const struct sim_write *const *)b;
    return x->node != y->node      ? (x->node < y->node ? -1 : 1)
           : x->number < y->number ? -1
                                   : x->number > y->number;
}

static const struct sim_write *write_named(const struct judge *j, uint32_t node, uint32_t number)
{
    struct sim_write key = {.node = node, .number = number};
    const struct sim_write *want = &key;
    const struct sim_write **found =
        bsearch(&want, j->by_name, j->h->write_count, sizeof(want), compare_name);
    return found != NULL ? *found : NULL;
}

/* A removal does not tell its number, but when it was signed. */
static const struct sim_write *removal_of(const struct judge *j, const struct sim_seen *seen)
{
    for (size_t i = 0; i < j->write_count; i++) {
        const struct sim_write *w = &j->writes[i];
        bool last = w->outcome == SIM_PENDING || seen->time_ms <= w->time_ms;
        if (w->removal && w->node == seen->node && w->key == seen->slot && w->first_ms <= seen->time_ms &&
            last)
            return w;
    }
    return NULL;
}

static const struct sim_write *write_seen(const struct judge *j, const struct sim_seen *seen)
{
    return seen->exists ? write_named(j, seen->node, seen->number) : removal_of(j, seen);
}

/* Nobody without the right wrote it, and to this very place. */
static bool rightful(const struct judge *j, const struct sim_read *r, const struct sim_seen *seen)
{
    const struct sim_write *w = write_seen(j, seen);
    return w != NULL && !w->trespass && w->user == r->user && w->form == r->form &&
           (r->form != SIM_FORM_ENTRY || w->key == seen->slot) && seen->node % j->h->user_count == r->user;
}

static void judge_rights(struct judge *j, const struct sim_read *r)
{
    for (size_t i = 0; i < r->count; i++) {
        const struct sim_seen *seen = &j->h->seen[r->from + i];
        if (rightful(j, r, seen))
            continue;
        char *text = violation(j, SIM_TRESPASS, r->begin_us)->text;
        tell_read(text, r);
        sim_text_add(text, " at %u %s of %d.%u, version %llu, who had no right to it", seen->slot,
                     seen->exists ? "what came" : "a removal", (int)seen->node, seen->number,
                     (unsigned long long)seen->time_ms);
    }
}

static void judge_trespasses(struct judge *j)
{
    for (size_t i = 0; i < j->write_count; i++) {
        const struct sim_write *w = &j->writes[i];
        if (!w->trespass || w->outcome != SIM_ACKED)
            continue;
        char *text = violation(j, SIM_TRESPASS, w->end_us)->text;
        tell_write(text, w);
        sim_text_add(text, " though its writer has no right to it");
    }
}

/* ---- cells ---- */

static const struct sim_seen *shown_at(const struct judge *j, const struct sim_read *r, uint32_t slot)
{
    for (size_t i = 0; i < r->count; i++)
        if (j->h->seen[r->from + i].slot == slot)
            return &j->h->seen[r->from + i];
    return NULL;
}

static bool is_cell(const struct sim_write *w, uint32_t key)
{
    return w->form == SIM_FORM_VALUE || w->key == key;
}

/* What a read shows of a cell. Nothing there is as good as the newest removal that it could show. */
struct view {
    const struct sim_seen *shown; /* NULL: nothing */
    uint64_t version;
};

/* The acknowledged ones that are newer than what it shows, newest first, until one has no excuse. */
static void judge_short(struct judge *j, const struct sim_read *r, uint32_t key, size_t due, struct view view)
{
    for (size_t i = due; i > 0; i--) {
        const struct sim_write *w = j->by_end[i - 1];
        if (is_cell(w, key) && w->time_ms > view.version &&
            lacks(j, SIM_ROLLED_BACK, r, w, view.shown, SIM_NODE_NONE))
            return;
    }
}

/* What another read showed before, and was not acknowledged when this one began. */
static void judge_vanished(struct judge *j, const struct sim_read *r, uint32_t key, size_t before,
                           struct view view)
{
    for (size_t i = before; i > 0; i--) {
        const struct sim_read *earlier = j->reads_by_end[i - 1];
        const struct sim_seen *was = shown_at(j, earlier, key);
        const struct sim_write *w = was != NULL ? write_seen(j, was) : NULL;
        if (w == NULL || w->trespass || (w->outcome == SIM_ACKED && w->end_us < r->begin_us) ||
            was->time_ms <= view.version)
            continue;
        struct sim_write copy =
            *w; /* with the version that was seen: that of a try that failed may be older */
        copy.time_ms = was->time_ms;
        if (lacks(j, SIM_VANISHED, r, &copy, view.shown, earlier->home))
            return;
    }
}

/* The newest version that must be there, and the newest removal among what may be. */
struct newest {
    uint64_t version, removal;
};

static void newer(struct newest *newest, uint64_t version, bool removal)
{
    if (version > newest->version)
        newest->version = version;
    if (removal && version > newest->removal)
        newest->removal = version;
}

static void judge_cell(struct judge *j, uint32_t key)
{
    size_t due = 0, before = 0;
    struct newest acked = {0, 0}, seen = {0, 0};
    for (size_t i = 0; i < j->read_count; i++) {
        const struct sim_read *r = &j->reads[i];
        for (; due < j->acked_count && j->by_end[due]->end_us < r->begin_us; due++)
            if (is_cell(j->by_end[due], key))
                newer(&acked, j->by_end[due]->time_ms, j->by_end[due]->removal);
        for (; before < j->read_count && j->reads_by_end[before]->end_us < r->begin_us; before++) {
            const struct sim_seen *was = shown_at(j, j->reads_by_end[before], key);
            if (was != NULL)
                newer(&seen, was->time_ms, !was->exists);
        }
        if (r->rights)
            continue;
        struct view view = {.shown = shown_at(j, r, key)};
        view.version = view.shown != NULL             ? view.shown->time_ms
                       : acked.removal > seen.removal ? acked.removal
                                                      : seen.removal;
        if (view.version < acked.version)
            judge_short(j, r, key, due, view);
        if (view.version < seen.version && !j->told[r - j->h->reads].violation)
            judge_vanished(j, r, key, before, view);
    }
}

/* ---- lists ---- */

static struct mark *mark_of(const struct judge *j, const struct sim_write *w)
{
    return &j->marks[w - j->h->writes];
}

static struct place *place_at(struct judge *j, uint32_t index)
{
    static const struct place nothing;
    RF_ASSERT(index < UINT32_MAX / 2);
    while (index >= j->place_cap) {
        size_t cap = j->place_cap == 0 ? 64 : 2 * j->place_cap;
        j->places = rf_resize(j->h->mem, j->places, cap * sizeof(*j->places));
        RF_ASSERT(j->places != NULL);
        for (; j->place_cap < cap; j->place_cap++)
            j->places[j->place_cap] = nothing;
    }
    return &j->places[index];
}

static size_t epoch_of(const struct judge *j, const struct sim_read *r)
{
    size_t epoch = 1;
    for (size_t i = 0; i < j->h->split_count; i++)
        epoch += j->h->splits[i].until_us <= r->begin_us;
    return epoch;
}

/* Another order than before: may the node that showed it, unacknowledged, have failed? */
static void order_broken(struct judge *j, const struct sim_read *r, const struct sim_write *w, uint32_t index,
                         const struct sim_write *other, const char *what)
{
    const struct mark *mark = mark_of(j, other);
    bool acked = other->outcome == SIM_ACKED && other->end_us < mark->seen_us;
    if (sim_excused(j->h, &(struct sim_excuse_query){other, r, acked ? SIM_NODE_NONE : mark->seen_home})) {
        j->v->excused++;
        return;
    }
    char *text = violation(j, SIM_ORDER, r->begin_us)->text;
    tell_read(text, r);
    sim_text_add(text, " at %u ", index);
    tell_write(text, w);
    sim_text_add(text, "; %s ", what);
    tell_write(text, other);
}

static void judge_order(struct judge *j, const struct sim_read *r, const struct sim_write *w, uint32_t index,
                        size_t epoch)
{
    struct mark *mark = mark_of(j, w);
    struct place *place = place_at(j, index);
    if (mark->epoch == epoch && mark->index != index)
        order_broken(j, r, w, index, w, "it stood elsewhere before:");
    else if (place->write != NULL && place->epoch == epoch && place->write != w)
        order_broken(j, r, w, index, place->write, "there stood before:");
    mark->index = index;
    mark->epoch = place->epoch = epoch;
    place->write = w;
}

static void judge_twice(struct judge *j, const struct sim_read *r, const struct sim_write *w, uint32_t index)
{
    char *text = violation(j, SIM_ORDER, r->begin_us)->text;
    tell_read(text, r);
    sim_text_add(text, " twice, the second time at %u, ", index);
    tell_write(text, w);
}

static void note_elements(struct judge *j, const struct sim_read *r)
{
    size_t name = (size_t)(r - j->h->reads) + 1;
    bool apart = sim_split_at(j->h, r->begin_us, r->end_us);
    for (size_t i = 0; i < r->count; i++) {
        const struct sim_seen *seen = &j->h->seen[r->from + i];
        const struct sim_write *w = seen->exists ? write_named(j, seen->node, seen->number) : NULL;
        if (w == NULL || w->user != r->user || w->form != SIM_FORM_LIST)
            continue;
        struct mark *mark = mark_of(j, w);
        if (mark->in_read == name && !apart)
            judge_twice(j, r, w, seen->slot);
        else if (!apart)
            judge_order(j, r, w, seen->slot, epoch_of(j, r));
        mark->in_read = name;
    }
}

/* After the judgement of a read: what it showed must stay. */
static void note_shown(struct judge *j, const struct sim_read *r)
{
    for (size_t i = 0; i < r->count; i++) {
        const struct sim_seen *seen = &j->h->seen[r->from + i];
        const struct sim_write *w = seen->exists ? write_named(j, seen->node, seen->number) : NULL;
        if (w == NULL || mark_of(j, w)->seen_us <= r->end_us)
            continue;
        mark_of(j, w)->seen_us = r->end_us;
        mark_of(j, w)->seen_home = r->home;
    }
}

static void judge_elements(struct judge *j, const struct sim_read *r)
{
    size_t name = (size_t)(r - j->h->reads) + 1;
    for (size_t i = 0; i < j->write_count; i++) {
        const struct sim_write *w = &j->writes[i];
        const struct mark *mark = mark_of(j, w);
        if (w->trespass || mark->in_read == name)
            continue;
        if (w->outcome == SIM_ACKED && w->end_us < r->begin_us) {
            if (lacks(j, SIM_ROLLED_BACK, r, w, NULL, SIM_NODE_NONE))
                return;
        } else if (mark->seen_us < r->begin_us && lacks(j, SIM_VANISHED, r, w, NULL, mark->seen_home)) {
            return;
        }
    }
}

static void judge_list(struct judge *j)
{
    size_t before = 0;
    for (size_t i = 0; i < j->place_cap; i++)
        j->places[i] = (struct place){NULL, 0};
    for (size_t i = 0; i < j->read_count; i++) {
        const struct sim_read *r = &j->reads[i];
        if (r->rights)
            continue;
        for (; before < j->read_count && j->reads_by_end[before]->end_us < r->begin_us; before++)
            if (!j->reads_by_end[before]->rights)
                note_shown(j, j->reads_by_end[before]);
        note_elements(j, r);
        judge_elements(j, r);
    }
}

/* ---- all of it ---- */

static int compare_u64(uint64_t a, uint64_t b)
{
    return a < b ? -1 : a > b;
}

static int compare_group(uint32_t user_a, uint8_t form_a, uint32_t user_b, uint8_t form_b)
{
    int c = compare_u64(user_a, user_b);
    return c != 0 ? c : compare_u64(form_a, form_b);
}

static int compare_writes(const void *a, const void *b)
{
    const struct sim_write *x = a, *y = b;
    int c = compare_group(x->user, x->form, y->user, y->form);
    c = c != 0 ? c : compare_u64(x->begin_us, y->begin_us);
    c = c != 0 ? c : compare_u64(x->node, y->node);
    return c != 0 ? c : compare_u64(x->number, y->number);
}

static int compare_reads(const void *a, const void *b)
{
    const struct sim_read *x = a, *y = b;
    int c = compare_group(x->user, x->form, y->user, y->form);
    c = c != 0 ? c : compare_u64(x->begin_us, y->begin_us);
    c = c != 0 ? c : compare_u64(x->end_us, y->end_us);
    c = c != 0 ? c : compare_u64(x->node, y->node);
    return c != 0 ? c : compare_u64(x->home, y->home);
}

static int compare_lives(const void *a, const void *b)
{
    const struct sim_life *x = a, *y = b;
    int c = compare_u64(x->at_us, y->at_us);
    c = c != 0 ? c : compare_u64(x->node, y->node);
    return c != 0 ? c : compare_u64(y->type, x->type); /* failed, then not joined */
}

static int compare_ends(const void *a, const void *b)
{
    const struct sim_write *x = *(const struct sim_write *const *)a, *y = *(const struct sim_write *const *)b;
    int c = compare_u64(x->end_us, y->end_us);
    return c != 0 ? c : compare_name(a, b);
}

static int compare_read_ends(const void *a, const void *b)
{
    const struct sim_read *x = *(const struct sim_read *const *)a, *y = *(const struct sim_read *const *)b;
    int c = compare_u64(x->end_us, y->end_us);
    return c != 0 ? c : x < y ? -1 : x > y;
}

static void judge_group(struct judge *j)
{
    bool keys[256] = {false};
    uint8_t form = j->write_count > 0 ? j->writes[0].form : j->reads[0].form;
    j->acked_count = 0;
    for (size_t i = 0; i < j->write_count; i++) {
        keys[j->writes[i].key] = true;
        if (j->writes[i].outcome == SIM_ACKED && !j->writes[i].trespass)
            j->by_end[j->acked_count++] = &j->writes[i];
    }
    qsort(j->by_end, j->acked_count, sizeof(j->by_end[0]), compare_ends);
    for (size_t i = 0; i < j->read_count; i++) {
        j->reads_by_end[i] = &j->reads[i];
        judge_rights(j, &j->reads[i]);
    }
    qsort(j->reads_by_end, j->read_count, sizeof(j->reads_by_end[0]), compare_read_ends);
    judge_trespasses(j);
    if (form == SIM_FORM_LIST)
        judge_list(j);
    for (uint32_t key = 0; key < RF_COUNT(keys) && form != SIM_FORM_LIST; key++)
        if (keys[key] || (key == 0 && form == SIM_FORM_VALUE))
            judge_cell(j, key);
}

static void judge_groups(struct judge *j)
{
    struct sim_history *h = j->h;
    size_t w = 0, r = 0;
    while (w < h->write_count || r < h->read_count) {
        const struct sim_write *write = w < h->write_count ? &h->writes[w] : NULL;
        const struct sim_read *read = r < h->read_count ? &h->reads[r] : NULL;
        bool by_write = read == NULL || (write != NULL && compare_group(write->user, write->form, read->user,
                                                                        read->form) <= 0);
        uint32_t user = by_write ? write->user : read->user;
        uint8_t form = by_write ? write->form : read->form;
        j->writes = h->writes + w;
        j->reads = h->reads + r;
        for (j->write_count = 0; w < h->write_count && h->writes[w].user == user && h->writes[w].form == form;
             w++)
            j->write_count++;
        for (j->read_count = 0; r < h->read_count && h->reads[r].user == user && h->reads[r].form == form;
             r++)
            j->read_count++;
        judge_group(j);
    }
}

static void count_operations(struct judge *j)
{
    const struct sim_history *h = j->h;
    for (size_t i = 0; i < h->write_count; i++) {
        j->by_name[i] = &h->writes[i];
        j->marks[i].seen_us = RF_NEVER;
        j->v->operations += h->writes[i].outcome != SIM_PENDING;
        j->v->acked += h->writes[i].outcome == SIM_ACKED && !h->writes[i].trespass;
    }
    for (size_t i = 0; i < h->read_count; i++) {
        j->v->audits += h->reads[i].audit;
        j->v->reads += !h->reads[i].audit && !h->reads[i].rights;
    }
    j->v->operations += j->v->reads;
}

int sim_history_judge(struct sim_history *h, struct sim_verdict *verdict)
{
    struct judge j = {.h = h, .v = verdict};
    memset(verdict, 0, sizeof(*verdict));
    if (h->write_count > 0)
        qsort(h->writes, h->write_count, sizeof(h->writes[0]), compare_writes);
    if (h->read_count > 0)
        qsort(h->reads, h->read_count, sizeof(h->reads[0]), compare_reads);
    if (h->life_count > 0)
        qsort(h->lives, h->life_count, sizeof(h->lives[0]), compare_lives);
    j.marks = rf_zalloc(h->mem, (h->write_count + 1) * sizeof(*j.marks));
    j.told = rf_zalloc(h->mem, (h->read_count + 1) * sizeof(*j.told));
    j.by_name = rf_zalloc(h->mem, (h->write_count + 1) * sizeof(*j.by_name));
    j.by_end = rf_zalloc(h->mem, (h->write_count + 1) * sizeof(*j.by_end));
    j.reads_by_end = rf_zalloc(h->mem, (h->read_count + 1) * sizeof(*j.reads_by_end));
    h->joined = rf_zalloc(h->mem, h->super_count + 1);
    int error = 0;
    if (h->joined == NULL || j.marks == NULL || j.told == NULL || j.by_name == NULL || j.by_end == NULL ||
        j.reads_by_end == NULL) {
        error = RF_ENOMEM;
    } else {
        count_operations(&j);
        qsort(j.by_name, h->write_count, sizeof(j.by_name[0]), compare_name);
        judge_groups(&j);
    }
    rf_free(h->mem, j.marks);
    rf_free(h->mem, j.told);
    rf_free(h->mem, j.by_name);
    rf_free(h->mem, j.by_end);
    rf_free(h->mem, j.reads_by_end);
    rf_free(h->mem, j.places);
    rf_free(h->mem, h->joined);
    h->joined = NULL;
    return error;
}
