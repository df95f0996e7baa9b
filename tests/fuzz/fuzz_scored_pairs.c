/* Scored pairs of sentences, of any bytes. */
#include <math.h>

#include "eval/scored_pairs.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/promises.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    swg_scored_pairs pairs = {0};
    swg_error_clear();
    const swg_status status =
        swg_scored_pairs_read("input", size ? (const char *)data : "", size, &pairs);
    fuzz_expect(status == SWG_OK || swg_error_message()[0], "a failure has a sentence");
    for (size_t i = 0; i < pairs.n; i++)
        fuzz_expect(isfinite(pairs.scores[i]) && pairs.texts[2 * i].text &&
                        pairs.texts[2 * i + 1].text,
                    "pairs are whole");
    swg_scored_pairs_deinit(&pairs);
    return 0;
}
