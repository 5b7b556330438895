/* error.c - the text of each error number. */
#include "base/error.h"

const char *rf_error_text(int error)
{
    switch (error) {
#define X(name, number, text)                                                                                \
    case name:                                                                                               \
        return text;
        RF_ERRORS(X)
#undef X
    }
    return "unknown error";
}
