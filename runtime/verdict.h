/* One verdict about a checkpoint, made before work starts: whether swage can run the model, and if
 * not, why. `swage inspect` prints it; commands that compress ask it, so that nobody learns hours
 * later that the result cannot be used.
 *
 *     swg_verdict verdict;
 *     SWG_TRY(swg_verdict_make(source, &verdict));
 *     if (!verdict.runs)
 *         puts(swg_verdict_obstacle(&verdict)->sentence);
 *
 * It reads the configuration, the descriptions of the tensors and the tokenizer, not the weights
 * (of a head that the configuration calls tied, it compares the bytes with the embedding's), so it
 * says nothing about NaN and infinity: swg_source_verify does. */
#ifndef SWG_RUNTIME_VERDICT_H
#define SWG_RUNTIME_VERDICT_H

#include <stdbool.h>
#include <stddef.h>

#include "formats/formats.h"

enum { SWG_MAX_FINDINGS = 12, SWG_FINDING_BYTES = 640 };

/* What one check found. */
typedef struct swg_finding {
    const char *subject; /* "configuration", "architecture", "tensors", "tokenizer", ... */
    swg_status status;   /* what running would fail with; SWG_OK: a remark, the model runs */
    bool is_final;       /* an obstacle that compression cannot work around either */
    bool is_change;      /* a remark about what reading the checkpoint has changed */
    char sentence[SWG_FINDING_BYTES];
} swg_finding;

typedef struct swg_verdict {
    bool runs;
    const char *architecture; /* its name, of static storage; NULL when it is not known */
    swg_finding findings[SWG_MAX_FINDINGS];
    size_t n_findings;
} swg_verdict;

/* Check everything. Fails with SWG_NO_MEMORY only: what is wrong with the checkpoint is in *out. */
swg_status swg_verdict_make(swg_source *source, swg_verdict *out);

/* The first finding that keeps the model from running; NULL when it runs. */
const swg_finding *swg_verdict_obstacle(const swg_verdict *verdict);

/* Say what a user must know who did not ask for the verdict: the obstacles, and what reading has
 * changed, as notices (runtime/base/notice.h). */
void swg_verdict_notify(const swg_verdict *verdict);

/* What compression asks before it starts: SWG_OK for a model that runs. One that does not is
 * refused with the obstacle's status and sentence, unless `allow_unrunnable`. Notifies. */
swg_status swg_verdict_admit(swg_source *source, bool allow_unrunnable);

#endif
