/* See damage.h. */
#include "tests/formats/damage.h"

#include <string.h>

#include "runtime/base/file.h"
#include "runtime/base/mem.h"
#include "tests/formats/sample.h"

/* Whether the damaged file is refused. */
static bool is_refused(const char *name, const char *damage, size_t at, const uint8_t *bytes,
                       size_t length)
{
    swg_error_clear();
    const swg_status status = sample_use_bytes(name, bytes, length);
    if (status == SWG_OK)
        return false;
    ck_assert_msg(status == SWG_CORRUPT || status == SWG_UNSUPPORTED,
                  "%s, %s byte %zu: status %d: %s", name, damage, at, (int)status,
                  swg_error_message());
    ck_assert_msg(swg_error_message()[0] != '\0', "%s, %s byte %zu: refused without a sentence",
                  name, damage, at);
    return true;
}

damage_count damage_everywhere(const char *name, const uint8_t *bytes, size_t length, size_t step)
{
    static const uint8_t flips[] = {0x01, 0x10, 0x80, 0xff};
    damage_count count = {0};
    for (size_t cut = 0; cut < length; cut += step) {
        uint8_t *copy = swg_malloc(cut, 1); /* of this length: sanitizers see reads beyond it */
        ck_assert_ptr_nonnull(copy);
        memcpy(copy, bytes, cut);
        count.cuts++;
        count.cuts_refused += is_refused(name, "cut at", cut, copy, cut);
        swg_free(copy);
    }
    uint8_t *copy = swg_malloc(length, 1);
    ck_assert_ptr_nonnull(copy);
    memcpy(copy, bytes, length);
    for (size_t at = 0; at < length; at += step)
        for (size_t i = 0; i < sizeof flips; i++) {
            copy[at] ^= flips[i];
            count.flips++;
            count.flips_refused += is_refused(name, "flip in", at, copy, length);
            copy[at] ^= flips[i];
        }
    swg_free(copy);
    return count;
}

damage_count damage_file_everywhere(const char *path, size_t step)
{
    size_t length = 0;
    uint8_t *bytes = swg_test_read_file(path, &length);
    const damage_count count = damage_everywhere(swg_path_basename(path), bytes, length, step);
    swg_free(bytes);
    return count;
}
