/* A config.json of any bytes. */
#include <stdlib.h>

#include "runtime/base/mem.h"
#include "runtime/model.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = swg_strndup((const char *)data, size);
    const swg_arch *arch = NULL;
    swg_hparams hparams;
    if (!copy)
        abort();
    swg_error_clear();
    if (swg_hparams_read(copy, size, &arch, &hparams) != SWG_OK && swg_error_message()[0] == '\0')
        abort();
    swg_free(copy);
    return 0;
}
