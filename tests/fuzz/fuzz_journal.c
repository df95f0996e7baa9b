/* What a killed quantization leaves: a journal whose header and first record have right hashes. The
 * input is the record's head without its hashes, and what follows it. */
#include <string.h>

#include "quantize/journal.h"
#include "runtime/base/hash.h"
#include "runtime/base/strbuf.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/fuzz_folder.h"
#include "tests/fuzz/promises.h"

enum { HEADER_BYTES = 64, PLANE_BYTES = 16 };

/* name and setting (u32 each), planes (u64), their hash and that of all before (u64 each). */
typedef struct head {
    uint32_t name_bytes, setting_bytes;
    uint64_t plane_bytes, planes_hash, hash;
} head;

static void write_file(const uint8_t *data, size_t size)
{
    uint8_t header[HEADER_BYTES] = "swgjrnl1";
    const uint64_t report_bytes = sizeof(swg_tensor_report), key = swg_hash64("key", 3);
    const size_t fixed = offsetof(head, planes_hash);
    swg_strbuf file = {0}, hashed = {0};
    head h = {0};
    memcpy(header + 8, &report_bytes, sizeof report_bytes);
    memcpy(header + 16, &key, sizeof key);
    memcpy(&h, data, size < fixed ? size : fixed);
    const uint8_t *rest = size < fixed ? data : data + fixed;
    const size_t left = size < fixed ? 0 : size - fixed;
    const uint64_t n_hashed = (uint64_t)h.name_bytes + h.setting_bytes + report_bytes;
    swg_strbuf_append(&hashed, &h, offsetof(head, hash));
    swg_strbuf_append(&hashed, rest, n_hashed < left ? (size_t)n_hashed : left);
    h.hash = swg_hash64(swg_strbuf_text(&hashed), hashed.length);
    swg_strbuf_append(&file, header, sizeof header);
    swg_strbuf_append(&file, &h, sizeof h);
    swg_strbuf_append(&file, rest, left);
    fuzz_expect(swg_strbuf_status(&file) == SWG_OK, "memory");
    fuzz_folder_clear();
    fuzz_folder_write("f", file.text, file.length);
    swg_strbuf_deinit(&hashed);
    swg_strbuf_deinit(&file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t codes[PLANE_BYTES];
    const swg_plane layout = {.kind = SWG_PLANE_CODES, .bytes = sizeof codes};
    void *const planes[SWG_PLANE_KINDS] = {[SWG_PLANE_CODES] = codes};
    swg_journal *j = NULL;
    swg_tensor_report report;
    write_file(data, size);
    swg_error_clear();
    if (swg_journal_open(fuzz_folder_path("f"), "key", &j) == SWG_OK) {
        if (swg_journal_take(j, "a", "s", &layout, 1, planes, &report))
            fuzz_expect((unsigned)report.method < SWG_QUANT_METHOD_COUNT, "a method");
        swg_journal_close(&j);
    } else {
        fuzz_expect(swg_error_message()[0], "a failure has a sentence");
    }
    return 0;
}
