/* Records of windows after a head that fits: what is taken belongs to its window and, written
 * again, reads the same. The input alone is read too, as a file whose head differs. */
#include <math.h>
#include <string.h>

#include "eval/window_records.h"
#include "runtime/base/notice.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/fuzz_folder.h"
#include "tests/fuzz/promises.h"

static int32_t ids[] = {3, 1, 4, 1, 5};
static swg_window cuts[] = {{.begin = 0, .count = 3, .first_scored = 1, .n_scored = 2},
                            {.begin = 3, .count = 2, .first_scored = 1, .n_scored = 1}};
static const swg_windows windows = {.ids = ids, .n_ids = 5, .windows = cuts, .n_windows = 2};
static const char head[] = "{\"records_version\":1,\"task\":\"fuzz\"}\n";

static swg_status open_file(const char *name, swg_records *file, swg_window_records **out)
{
    *file = (swg_records){.path = fuzz_folder_path(name), .resume = true};
    swg_records_begin(file);
    swg_json_string(&file->head, "task", "fuzz");
    const swg_status status = swg_window_records_open(file, &windows, true, out);
    fuzz_expect(status == SWG_OK || swg_error_message()[0], "a failure has a sentence");
    return status;
}

static void check_record(const swg_window_record *a, const swg_window_record *b, size_t n_scored)
{
    fuzz_expect(a->same_top <= n_scored && a->hits_lost <= n_scored, "counts are of the window");
    fuzz_expect(isfinite(a->nll) && isfinite(a->kld), "sums are numbers");
    fuzz_expect(a->nll == b->nll && a->kld == b->kld && a->top_in_five == b->top_in_five,
                "sums read the same");
    for (size_t i = 0; i < n_scored; i++)
        fuzz_expect(a->klds[i] == b->klds[i], "divergences read the same");
}

static void write_again(swg_window_records *read)
{
    swg_records file = {0};
    swg_window_records *again = NULL;
    const size_t n = swg_window_records_count(read);
    fuzz_folder_write("again", "", 0);
    for (int pass = 0; pass < 2; pass++) {
        fuzz_expect(open_file("again", &file, &again) == SWG_OK, "what was written is read");
        for (size_t i = 0; pass == 0 && i < n; i++)
            fuzz_expect(swg_window_records_add(again, i, swg_window_records_at(read, i)) == SWG_OK,
                        "it can be written");
        if (pass == 0) {
            swg_window_records_free(&again);
            swg_records_deinit(&file);
        }
    }
    fuzz_expect(swg_window_records_count(again) == n, "all are read");
    for (size_t i = 0; i < n; i++)
        check_record(swg_window_records_at(read, i), swg_window_records_at(again, i),
                     cuts[i].n_scored);
    swg_window_records_free(&again);
    swg_records_deinit(&file);
}

static void read_file(const uint8_t *data, size_t size, bool with_head)
{
    swg_strbuf text = {0};
    swg_records file = {0};
    swg_window_records *read = NULL;
    char notice[SWG_NOTICE_BYTES];
    swg_strbuf_puts(&text, with_head ? head : "");
    swg_strbuf_append(&text, data, size);
    fuzz_expect(swg_strbuf_status(&text) == SWG_OK, "memory");
    fuzz_folder_clear();
    fuzz_folder_write("f", swg_strbuf_text(&text), text.length);
    if (open_file("f", &file, &read) == SWG_OK)
        write_again(read);
    while (swg_notice_take(notice))
        continue;
    swg_window_records_free(&read);
    swg_records_deinit(&file);
    swg_strbuf_deinit(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    read_file(data, size, true);
    read_file(data, size, false);
    return 0;
}
