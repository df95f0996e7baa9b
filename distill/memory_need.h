/* What training takes, known before its first step. */
#ifndef SWG_DISTILL_MEMORY_NEED_H
#define SWG_DISTILL_MEMORY_NEED_H

#include "distill/trainer.h"

/* Bytes, as the limit of --max-memory counts them. */
typedef struct swg_memory_need {
    uint64_t held;     /* weights, gradients, moments and all else that stays in memory */
    uint64_t backward; /* while gradients of a batch are taken */
} swg_memory_need;

/* Once everything is in memory that stays there, with the copy of swg_trainer_keep. `batch`:
 * windows per backward pass; not used for classifiers. SWG_LIMIT when it is more than --max-memory
 * or, where that is not given, than the machine has: the sentence says how much is needed for what.
 */
swg_status swg_memory_need_find(const swg_trainer *trainer, size_t batch, swg_memory_need *out);

#endif
