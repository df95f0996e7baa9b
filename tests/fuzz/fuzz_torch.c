/* PyTorch. The first byte says what an input is:
 *   'P'  a whole file ("PK\3\4" begins it)
 *   'Q'  the same, its offsets corrected: otherwise inserted or deleted bytes in one entry would
 * hide every field after them else the number of storages (mod 8), a u16 size for each, and a
 * pickle: the archive is put around them. */
#include <string.h>

#include "formats/bytes/bytes.h"
#include "formats/zip/zip_directory.h"
#include "runtime/base/strbuf.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/promises.h"

enum { MAX_ENTRIES = 16, LOCAL_BYTES = 30, CENTRAL_BYTES = 46, END_BYTES = 22, LOCATOR_BYTES = 20 };

static void put(swg_strbuf *out, unsigned bytes, uint64_t value)
{
    uint8_t number[8];
    swg_put_le(number, bytes, value);
    swg_strbuf_append(out, number, bytes);
}

/* --- A whole file, made consistent ------------------------------------------------------------ */

/* The next record of that kind at or after `at`; `size` when there is none. */
static size_t find(const uint8_t *data, size_t size, size_t at, const char *magic)
{
    const uint8_t *hit = at < size ? memmem(data + at, size - at, magic, 4) : NULL;
    return hit ? (size_t)(hit - data) : size;
}

static void mend_entries(uint8_t *data, size_t size, size_t directory, size_t end, size_t *count)
{
    size_t local = find(data, size, 0, "PK\3\4"), at = directory;
    for (*count = 0; at + CENTRAL_BYTES <= end && *count < MAX_ENTRIES; (*count)++) {
        if (swg_get_le(data + at + 42, 4) != UINT32_MAX)
            swg_put_le(data + at + 42, 4, local);
        local = find(data, size, local + LOCAL_BYTES, "PK\3\4");
        at = find(data, size, at + CENTRAL_BYTES, "PK\1\2");
    }
}

static void mend_archive(uint8_t *data, size_t size)
{
    size_t count = 0;
    const size_t directory = find(data, size, 0, "PK\1\2");
    const size_t end = find(data, size, directory, "PK\5\6");
    const size_t end64 = find(data, size, directory, "PK\6\6");
    const size_t stop = end64 < end ? end64 : end;
    if (end > size - END_BYTES)
        return;
    mend_entries(data, size, directory, stop, &count);
    swg_put_le(data + end + 10, 2, count);
    swg_put_le(data + end + 12, 4, stop - directory);
    swg_put_le(data + end + 16, 4, directory);
    swg_put_le(data + end + 20, 2, size - end - END_BYTES);
    if (end64 >= end || end - end64 < 56 + LOCATOR_BYTES)
        return;
    swg_put_le(data + end64 + 32, 8, count);
    swg_put_le(data + end64 + 40, 8, stop - directory);
    swg_put_le(data + end64 + 48, 8, directory);
    if (memcmp(data + end - LOCATOR_BYTES, "PK\6\7", 4) == 0)
        swg_put_le(data + end - LOCATOR_BYTES + 8, 8, end64);
}

static int run_archive(const uint8_t *data, size_t size)
{
    uint8_t *copy = (uint8_t *)swg_strndup((const char *)data, size);
    fuzz_expect(copy != NULL, "memory");
    copy[0] = 'P';
    if (data[0] == 'Q' && size > END_BYTES)
        mend_archive(copy, size);
    (void)fuzz_promises(&(fuzz_part){copy, size}, 1);
    swg_free(copy);
    return 0;
}

/* --- An archive around a pickle --------------------------------------------------------------- */

static void add_entry(swg_strbuf *out, swg_strbuf *directory, const char *name, const void *data,
                      size_t size)
{
    const uint32_t crc = swg_crc32(0, data, size);
    const size_t local = out->length;
    swg_strbuf_append(out, "PK\3\4\0\0\0\0\0\0\0\0\0\0", 14);
    swg_strbuf_append(directory, "PK\1\2\0\0\0\0\0\0\0\0\0\0\0\0", 16);
    for (int i = 0; i < 2; i++) {
        swg_strbuf *to = i ? directory : out;
        put(to, 4, crc);
        put(to, 4, size);
        put(to, 4, size);
        put(to, 2, strlen(name));
        put(to, 2, 0);
    }
    put(directory, 8, 0);
    put(directory, 2, 0);
    put(directory, 4, local);
    swg_strbuf_puts(directory, name);
    swg_strbuf_puts(out, name);
    swg_strbuf_append(out, data, size);
}

static int run_pickle(const uint8_t *data, size_t size)
{
    static const uint8_t elements[UINT16_MAX] = {0, 0, 0x80, 0x3f, 1, 2, 3, 4};
    swg_strbuf out = {0}, directory = {0};
    swg_cursor in = {.at = data, .left = size};
    const size_t n_storages = (size_t)swg_cursor_number(&in, 1) % 8;
    for (size_t i = 0; i < n_storages; i++) {
        const char name[] = {'a', '/', 'd', 'a', 't', 'a', '/', (char)('0' + i), '\0'};
        add_entry(&out, &directory, name, elements, (size_t)swg_cursor_number(&in, 2));
    }
    add_entry(&out, &directory, "a/data.pkl", in.at, in.left);
    const size_t at = out.length;
    swg_strbuf_append(&out, directory.text, directory.length);
    swg_strbuf_append(&out, "PK\5\6\0\0\0\0", 8);
    put(&out, 2, n_storages + 1);
    put(&out, 2, n_storages + 1);
    put(&out, 4, directory.length);
    put(&out, 4, at);
    put(&out, 2, 0);
    fuzz_expect(swg_strbuf_status(&out) == SWG_OK, "memory");
    (void)fuzz_promises(&(fuzz_part){out.text, out.length}, 1);
    swg_strbuf_deinit(&directory);
    swg_strbuf_deinit(&out);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    return data[0] == 'P' || data[0] == 'Q' ? run_archive(data, size) : run_pickle(data, size);
}
