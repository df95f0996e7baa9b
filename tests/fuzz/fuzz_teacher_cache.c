/* Caches of a teacher's predictions with a right hash and identity: the input are their records.
 * What is accepted gives probabilities at every position. */
#include <math.h>
#include <string.h>

#include "distill/teacher_cache.h"
#include "runtime/base/hash.h"
#include "runtime/base/strbuf.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/fuzz_folder.h"
#include "tests/fuzz/promises.h"

enum { WINDOW = 2, WINDOWS = 2, VOCAB = 9, K = 3 };

static void write_cache(const char *identity, const uint8_t *data, size_t size)
{
    swg_strbuf file = {0};
    const uint64_t length = strlen(identity);
    char hash[SWG_HASH128_TEXT];
    swg_strbuf_append(&file, swg_state_of_teacher.magic, sizeof swg_state_of_teacher.magic);
    swg_strbuf_append(&file, &length, sizeof length);
    swg_strbuf_append(&file, identity, length);
    swg_strbuf_append(&file, data, size);
    fuzz_expect(swg_strbuf_status(&file) == SWG_OK, "memory");
    swg_hash128_text(file.text, file.length, hash);
    swg_strbuf_append(&file, hash, sizeof hash);
    fuzz_expect(swg_strbuf_status(&file) == SWG_OK, "memory");
    fuzz_folder_clear();
    fuzz_folder_write("f", file.text, file.length);
    swg_strbuf_deinit(&file);
}

static void expect_probabilities(const swg_teacher_cache *cache, size_t window, size_t position,
                                 double temperature)
{
    int32_t ids[K];
    float p[K];
    swg_top_k top;
    swg_teacher_cache_top(cache, window, position, temperature, ids, p, &top);
    double sum = (double)top.rest;
    for (size_t i = 0; i < K; i++) {
        fuzz_expect(ids[i] >= 0 && ids[i] < VOCAB, "tokens of the vocabulary");
        fuzz_expect(p[i] >= 0 && p[i] <= 1, "probabilities");
        sum += (double)p[i];
    }
    fuzz_expect(fabs(sum - 1) < 1e-5, "all of them are 1");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int32_t ids[WINDOWS * WINDOW] = {1, 2, 3, 4};
    const swg_teacher_cache_subject subject = {.ids = ids,
                                               .n_windows = WINDOWS,
                                               .window = WINDOW,
                                               .vocab = VOCAB,
                                               .k = K,
                                               .temperature = 0.5,
                                               .identity = "a teacher"};
    swg_teacher_cache *cache = NULL;
    write_cache(subject.identity, data, size);
    if (swg_teacher_cache_open(fuzz_folder_path("f"), &subject, &cache) != SWG_OK)
        return 0;
    for (size_t w = 0; w < WINDOWS; w++)
        for (size_t t = 0; t < WINDOW; t++) {
            expect_probabilities(cache, w, t, 1);
            expect_probabilities(cache, w, t, subject.temperature);
            fuzz_expect(swg_teacher_cache_nll(cache, w, t) >= 0, "a cross-entropy");
        }
    swg_teacher_cache_free(&cache);
    return 0;
}
