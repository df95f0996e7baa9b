/* How tests let the n-th write, sync or rename fail (swg_file_fail_at), in every file that does
 * such calls. */
#ifndef SWG_RUNTIME_BASE_FILE_CALLS_H
#define SWG_RUNTIME_BASE_FILE_CALLS_H

#include <stdbool.h>

/* Count a call that is about to be made. False, with errno set, when it is to fail. */
bool swg_file_count_call(void);

#endif
