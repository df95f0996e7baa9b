/* The pickle machine by itself, without a directory before it. */
#include "formats/pytorch/pickle.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    swg_arena arena = {0};
    const swg_pickle_value *value = NULL;
    if (swg_pickle_read(data, size, &arena, &value) == SWG_OK)
        (void)swg_pickle_get(value, "state_dict");
    swg_arena_deinit(&arena);
    return 0;
}
