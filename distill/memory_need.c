/* What training takes. See memory_need.h. */
#include "distill/memory_need.h"

#include "runtime/base/mem.h"
#include "runtime/base/words.h"

static swg_status check(const swg_memory_need *need)
{
    const uint64_t limit = swg_mem_limit();
    const uint64_t most = limit ? limit : swg_machine_memory_bytes();
    char held[32], backward[32], all[32];
    if (most == 0 || need->held + need->backward <= most)
        return SWG_OK;
    return swg_error(SWG_LIMIT,
                     "training takes %s, and %s more while gradients of a batch are taken, where "
                     "%s %s: a smaller --batch (with --accumulate) takes less, and so does "
                     "--checkpoint-activations",
                     swg_format_bytes(need->held, held), swg_format_bytes(need->backward, backward),
                     limit ? "--max-memory is" : "the machine has", swg_format_bytes(most, all));
}

swg_status swg_memory_need_find(const swg_trainer *trainer, size_t batch, swg_memory_need *out)
{
    SWG_TRY(swg_trainer_backward_bytes(trainer, batch, &out->backward));
    out->held = swg_mem_in_use();
    return check(out);
}
