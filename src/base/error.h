/* error.h - the one list of error numbers. Functions return 0 or one of these, which are all negative. */
#ifndef RF_BASE_ERROR_H
#define RF_BASE_ERROR_H

#define RF_ERRORS(X)                                                                                         \
    X(RF_OK, 0, "no error")                                                                                  \
    X(RF_ENOMEM, -1, "out of memory")                                                                        \
    X(RF_ESHORT, -2, "more bytes needed")                                                                    \
    X(RF_EFORMAT, -3, "malformed")                                                                           \
    X(RF_ELENGTH, -4, "a length disagrees with the bytes")                                                   \
    X(RF_ELIMIT, -5, "a limit is exceeded")                                                                  \
    X(RF_EVERSION, -6, "unknown version")                                                                    \
    X(RF_EUNKNOWN, -7, "unknown code point")                                                                 \
    X(RF_EINVAL, -8, "invalid argument")                                                                     \
    X(RF_ENOTFOUND, -9, "not found")                                                                         \
    X(RF_EEXIST, -10, "exists already")                                                                      \
    X(RF_EBUSY, -11, "busy")                                                                                 \
    X(RF_ETIMEOUT, -12, "timed out")                                                                         \
    X(RF_EAUTH, -13, "authentication failed")                                                                \
    X(RF_EFORBIDDEN, -14, "not permitted")                                                                   \
    X(RF_EEXPIRED, -15, "expired")                                                                           \
    X(RF_ENOTYET, -16, "not valid yet")                                                                      \
    X(RF_EREVOKED, -17, "revoked")                                                                           \
    X(RF_EUNTRUSTED, -18, "no chain to a trusted root")                                                      \
    X(RF_ESIGNATURE, -19, "signature does not verify")                                                       \
    X(RF_ECRYPTO, -20, "the crypto library failed")                                                          \
    X(RF_ECLOSED, -21, "closed")                                                                             \
    X(RF_EUNREACHABLE, -22, "unreachable")                                                                   \
    X(RF_EAGAIN, -23, "try again")                                                                           \
    X(RF_ESYSTEM, -24, "the operating system refused")                                                       \
    X(RF_EDATABASE, -25, "the database failed")                                                              \
    X(RF_ECONFLICT, -26, "conflicts with newer data")                                                        \
    X(RF_EMISMATCH, -27, "belongs to another overlay or node")                                               \
    X(RF_EUNSUPPORTED, -28, "not supported")                                                                 \
    X(RF_EREMOTE, -29, "the other side answered with an error")                                              \
    X(RF_ECANCELLED, -30, "cancelled")                                                                       \
    X(RF_EDUPLICATE, -31, "duplicate")                                                                       \
    X(RF_EGOODBYE, -32, "closed by the other side")

enum rf_error {
#define X(name, number, text) name = number,
    RF_ERRORS(X)
#undef X
};

/* rf_error_text returns the fixed text of `error` (borrowed, never NULL; "unknown error" for a foreign
 * number). */
const char *rf_error_text(int error);

#endif
