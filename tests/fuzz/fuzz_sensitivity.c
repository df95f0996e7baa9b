/* Files of sensitivities with a right hash: the input is all that stands before it. */
#include <math.h>
#include <string.h>

#include "runtime/base/hash.h"
#include "runtime/base/strbuf.h"
#include "runtime/sensitivity_file.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/fuzz_folder.h"
#include "tests/fuzz/promises.h"

static void check(const swg_sensitivity *s)
{
    for (size_t i = 0; i < s->n_tensors; i++) {
        const swg_sensitivity_tensor *t = &s->tensors[i];
        fuzz_expect(strlen(t->rows.tensor) < SIZE_MAX, "a name ends");
        for (uint64_t r = 0; (t->product || t->look_up) && r < t->rows.rows; r++)
            fuzz_expect((!t->product || isfinite(t->product[r])) &&
                            (!t->look_up || isfinite(t->look_up[r])),
                        "numbers are finite");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    swg_sensitivity *s = NULL;
    swg_strbuf file = {0};
    const uint64_t hash = swg_hash64(size ? (const void *)data : "", size);
    swg_strbuf_append(&file, data, size);
    swg_strbuf_append(&file, &hash, sizeof hash);
    fuzz_expect(swg_strbuf_status(&file) == SWG_OK, "memory");
    fuzz_folder_clear();
    fuzz_folder_write("f", file.text, file.length);
    swg_error_clear();
    if (swg_sensitivity_read(fuzz_folder_path("f"), "key", &s) == SWG_OK)
        check(s);
    else
        fuzz_expect(swg_error_message()[0], "a failure has a sentence");
    swg_sensitivity_free(&s);
    swg_strbuf_deinit(&file);
    return 0;
}
