/* quiet.c - the codec of requests that need no answer. */
#include "wire/quiet.h"

#include "wire/code.h"
#include "wire/contents.h"

#define TAG UINT32_C(0x52466e61) /* RFna */

void rf_quiet_put(struct rf_buf *out)
{
    uint8_t tag[] = {TAG >> 24, TAG >> 16 & 0xff, TAG >> 8 & 0xff, TAG & 0xff};
    struct rf_extension extension = {.type = RF_EXTENSION_EXP, .contents = rf_view_of(tag, sizeof(tag))};
    rf_extension_encode(&extension, out);
}

bool rf_quiet_of(struct rf_view extensions)
{
    struct rf_extension extension;
    uint32_t tag;
    while (extensions.len > 0 && rf_extension_next(&extensions, &extension) == 0)
        if (extension.type == RF_EXTENSION_EXP && rf_view_u32(&extension.contents, &tag) == 0 && tag == TAG)
            return true;
    return false;
}
