/* See torch_archive.h. */
#include "tests/formats/torch_archive.h"

static void put(swg_strbuf *out, unsigned bytes, uint64_t value)
{
    uint8_t number[8];
    swg_put_le(number, bytes, value);
    swg_strbuf_append(out, number, bytes);
}

/* The two records before the end of a directory that needs 64 bits. */
static void put_end64(swg_strbuf *out, uint64_t count, uint64_t at, uint64_t bytes)
{
    const uint64_t end64 = out->length;
    swg_strbuf_append(out, "PK\6\6", 4);
    put(out, 8, 44);
    put(out, 4, 0);
    put(out, 8, 0);
    put(out, 8, count);
    put(out, 8, count);
    put(out, 8, bytes);
    put(out, 8, at);
    swg_strbuf_append(out, "PK\6\7\0\0\0\0", 8);
    put(out, 8, end64);
    put(out, 4, 1);
}

void write_zip(const char *path, const record *records, size_t count, unsigned method,
               bool is_zip64)
{
    swg_strbuf out = {0}, directory = {0};
    for (size_t i = 0; i < count; i++) {
        const uint32_t crc = swg_crc32(0, (const uint8_t *)records[i].data, records[i].length);
        const size_t at = out.length, name = strlen(records[i].name);
        swg_strbuf_append(&out, "PK\3\4\0\0\0\0", 8);
        put(&out, 2, method);
        put(&out, 4, 0);
        put(&out, 4, crc);
        put(&out, 4, records[i].length);
        put(&out, 4, records[i].length);
        put(&out, 2, name);
        put(&out, 2, 0);
        swg_strbuf_puts(&out, records[i].name);
        swg_strbuf_append(&out, records[i].data, records[i].length);
        swg_strbuf_append(&directory, "PK\1\2\0\0\0\0\0\0", 10);
        put(&directory, 2, method);
        put(&directory, 4, 0);
        put(&directory, 4, crc);
        put(&directory, 4, is_zip64 ? 0xffffffff : records[i].length);
        put(&directory, 4, is_zip64 ? 0xffffffff : records[i].length);
        put(&directory, 2, name);
        put(&directory, 2, is_zip64 ? 28 : 0);
        put(&directory, 8, 0);
        put(&directory, 2, 0);
        put(&directory, 4, is_zip64 ? 0xffffffff : at);
        swg_strbuf_puts(&directory, records[i].name);
        if (is_zip64) {
            put(&directory, 2, 1);
            put(&directory, 2, 24);
            put(&directory, 8, records[i].length);
            put(&directory, 8, records[i].length);
            put(&directory, 8, at);
        }
    }
    const uint64_t at = out.length, bytes = directory.length;
    swg_strbuf_append(&out, directory.text, directory.length);
    if (is_zip64)
        put_end64(&out, count, at, bytes);
    swg_strbuf_append(&out, "PK\5\6\0\0\0\0", 8);
    put(&out, 2, is_zip64 ? 0xffff : count);
    put(&out, 2, is_zip64 ? 0xffff : count);
    put(&out, 4, is_zip64 ? 0xffffffff : bytes);
    put(&out, 4, is_zip64 ? 0xffffffff : at);
    put(&out, 2, 0);
    swg_test_write_file(path, out.text, out.length);
    swg_strbuf_deinit(&out);
    swg_strbuf_deinit(&directory);
}

size_t make_pickle(char *out, unsigned n_elems, unsigned offset, unsigned rows, unsigned stride)
{
    static const char head[] = "\x80\2}X\1\0\0\0wctorch._utils\n_rebuild_tensor_v2\n"
                               "((X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0"
                               "0X\3\0\0\0cpu";
    swg_strbuf text = {0};
    swg_strbuf_append(&text, head, sizeof head - 1);
    swg_strbuf_append(&text, "M", 1);
    put(&text, 2, n_elems);
    swg_strbuf_append(&text, "tQM", 3);
    put(&text, 2, offset);
    swg_strbuf_append(&text, "M", 1);
    put(&text, 2, rows);
    swg_strbuf_append(&text, "K\2\x86M", 4);
    put(&text, 2, stride);
    swg_strbuf_append(&text, "K\1\x86\x89}tRs.", 9);
    memcpy(out, text.text, text.length);
    const size_t length = text.length;
    swg_strbuf_deinit(&text);
    return length;
}
