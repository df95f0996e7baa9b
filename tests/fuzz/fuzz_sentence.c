/* The four files of a sentence-transformers folder, of any bytes: the input's parts between zero
 * bytes, in the order of `names`. */
#include <stdlib.h>
#include <string.h>

#include "runtime/base/mem.h"
#include "runtime/sentence.h"
#include "tests/fuzz/fuzz.h"

static const char *const names[] = {"modules.json", "1_Pooling/config.json",
                                    "sentence_bert_config.json",
                                    "config_sentence_transformers.json"};
enum { N_NAMES = sizeof names / sizeof *names };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = swg_strndup((const char *)data, size);
    swg_file_view files[N_NAMES];
    swg_sentence sentence = {0};
    size_t n = 0;
    if (!copy)
        abort();
    for (size_t at = 0; at <= size && n < N_NAMES; n++) {
        files[n] = (swg_file_view){names[n], copy + at, strlen(copy + at)};
        at += files[n].length + 1;
    }
    swg_error_clear();
    if (swg_sentence_read_files(files, n, &sentence) != SWG_OK) {
        if (swg_error_message()[0] == '\0')
            abort();
    } else if (sentence.poolings == 0 || sentence.poolings >> SWG_POOLING_COUNT) {
        abort();
    }
    swg_sentence_deinit(&sentence);
    swg_free(copy);
    return 0;
}
