/* What any bytes are taken for: as a text, as a kind of file, as a path that is not there. */
#include <string.h>

#include "runtime/base/file_kind.h"
#include "runtime/base/notice.h"
#include "runtime/base/text_file.h"
#include "runtime/base/utf8.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/promises.h"

static void check_text(const char *bytes, size_t size, swg_text_use use)
{
    size_t begin = size + 1;
    char said[SWG_NOTICE_BYTES];
    const swg_status status = swg_text_check("input", bytes, size, use, &begin);
    fuzz_expect(status == SWG_OK ? begin <= size : begin == size + 1, "the text begins inside");
    while (swg_notice_take(said))
        fuzz_expect(swg_name_is_printable(said, strlen(said)), "notices are printable");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { MOST_PATH = 4096 };
    char path[MOST_PATH];
    check_text((const char *)data, size, SWG_TEXT_PROSE);
    check_text((const char *)data, size, SWG_TEXT_DATA);
    (void)swg_file_refuse_mistaken("input", data, size);
    const size_t length = size < MOST_PATH - 1 ? size : MOST_PATH - 1;
    if (length > 0)
        memcpy(path, data, length);
    path[length] = '\0';
    fuzz_expect(swg_explain_missing(swg_error(SWG_IO, "gone"), path) == SWG_IO, "the status stays");
    const char *sentence = swg_error_message();
    fuzz_expect(swg_name_is_printable(sentence, strlen(sentence)), "sentences are printable");
    return 0;
}
