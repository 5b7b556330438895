/* acl.c - the Kind of access control lists. */
#include "usage/acl.h"
#include <stdio.h>
#include "base/error.h"
#include "base/text.h"
#include "wire/value.h"

uint32_t rf_acl_index(const struct rf_id *writer, uint8_t counter)
{
    const uint8_t *end = writer->b + writer->len;
    return (uint32_t)end[-3] << 24 | (uint32_t)end[-2] << 16 | (uint32_t)end[-1] << 8 | counter;
}

static int check(void *arg, const struct rf_usage_value *value, char *why, size_t why_len)
{
    (void)arg;
    struct rf_acl_value acl;
    if (rf_acl_value_decode(value->data->value, value->kind->variable_names, &acl) != 0 ||
        !rf_name_valid(acl.to_user) || acl.kind == 0) {
        snprintf(why, why_len, "no AccessControlListItem with a user name and a Kind");
        return RF_EFORMAT;
    }
    return 0;
}

int rf_acl_kinds(struct rf_store *store)
{
    static const struct rf_usage_kind kind = {.kind = RF_KIND_ACCESS_CONTROL_LIST,
                                              .name = "ACCESS-CONTROL-LIST",
                                              .findable = false,
                                              .check = check};
    return rf_store_add_kind(store, &kind);
}
