/* Status codes and the sentence that explains a failure.
 *
 * A function that can fail returns swg_status and writes its output arguments only on success.
 * The sentence belongs to the calling thread and stays valid until that thread's next failure;
 * thread pools carry a worker's sentence over to the thread that waits for it. */
#ifndef SWG_RUNTIME_BASE_STATUS_H
#define SWG_RUNTIME_BASE_STATUS_H

#include <stddef.h>

typedef enum swg_status {
#define SWG_STATUS(name, exit_code, meaning) SWG_##name,
#include "runtime/base/status.def"
#undef SWG_STATUS
} swg_status;

/* Record a sentence for the user (printf style; no trailing newline or full stop) and return
 * `status`, so that a refusal is one line: return swg_error(SWG_CORRUPT, "...", ...). Control
 * characters, which names in a file may contain, and bytes that are not UTF-8 become question
 * marks. */
__attribute__((format(printf, 2, 3))) swg_status swg_error(swg_status status, const char *format,
                                                           ...);

/* Put "context: " in front of the recorded sentence and return `status` unchanged. */
__attribute__((format(printf, 2, 3))) swg_status swg_error_context(swg_status status,
                                                                   const char *format, ...);

/* The calling thread's last sentence; "" when there was none. Never NULL. */
const char *swg_error_message(void);

/* Forget the calling thread's sentence. */
void swg_error_clear(void);

/* Whether the caller's `options` are this library's struct `name`, whose first field is its size:
 * SWG_USAGE, with both sizes, when they were not filled by <name>_default. */
swg_status swg_options_check(const char *name, size_t size, size_t expected);

/* Exit code of the command line and short meaning for a status. */
int swg_status_exit_code(swg_status status);
const char *swg_status_meaning(swg_status status);

/* Pass a failure on to the caller. */
#define SWG_TRY(expression)                                                                        \
    do {                                                                                           \
        const swg_status swg_try_status = (expression);                                            \
        if (swg_try_status != SWG_OK)                                                              \
            return swg_try_status;                                                                 \
    } while (0)

/* The same inside a function that has `swg_status status` and one exit label `done`. */
#define SWG_GO(expression)                                                                         \
    do {                                                                                           \
        status = (expression);                                                                     \
        if (status != SWG_OK)                                                                      \
            goto done;                                                                             \
    } while (0)

#endif
