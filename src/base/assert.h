/* assert.h - RF_ASSERT: for what only our own code can break. On in release builds too. Never for outside
 * input. */
#ifndef RF_BASE_ASSERT_H
#define RF_BASE_ASSERT_H

#include <stddef.h>

_Noreturn void rf_assert_failed(const char *what, const char *file, int line);

#define RF_ASSERT(cond) ((cond) ? (void)0 : rf_assert_failed(#cond, __FILE__, __LINE__))

#define RF_CONTAINER(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))
#define RF_COUNT(array)                 (sizeof(array) / sizeof((array)[0]))

#endif
