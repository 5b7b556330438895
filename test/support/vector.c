/* vector.c - reads files of test/vectors/. */
#include "support/vector.h"

#include <stdio.h>
#include <stdlib.h>
#include "base/text.h"

void rf_vector_read(const char *name, struct rf_buf *out)
{
    bool raw = strchr(name, '.') != NULL;
    char path[512], block[4096];
    struct rf_buf text;
    size_t n;
    FILE *file;

    snprintf(path, sizeof(path), "%s/test/vectors/%s%s", RF_SOURCE_DIR, name, raw ? "" : ".hex");
    if ((file = fopen(path, "rb")) == NULL) {
        fprintf(stderr, "no vector %s\n", path);
        abort();
    }
    rf_buf_init(&text, rf_mem_system(), 1 << 20);
    while ((n = fread(block, 1, sizeof(block), file)) > 0)
        for (size_t i = 0; i < n; i++)
            if (raw || block[i] > ' ')
                rf_buf_u8(&text, (uint8_t)block[i]);
    fclose(file);
    if (raw)
        rf_buf_view_put(out, rf_buf_view(&text));
    else if (rf_hex_decode(rf_buf_view(&text), out) != 0)
        abort();
    rf_buf_deinit(&text);
}
