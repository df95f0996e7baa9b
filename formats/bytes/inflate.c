/* See inflate.h. The only user of zlib. */
#include "formats/bytes/inflate.h"

#include <limits.h>
#include <zlib.h>

bool swg_inflate_zlib(const uint8_t *bytes, size_t n, uint8_t *out, size_t *length)
{
    uLongf room = (uLongf)*length;
    if (uncompress(out, &room, bytes, (uLong)n) != Z_OK)
        return false;
    *length = room;
    return true;
}

/* zlib counts in unsigned int: long streams go in pieces. */
bool swg_inflate_bare(const uint8_t *bytes, size_t n, uint8_t *out, size_t length)
{
    z_stream stream = {.next_in = (Bytef *)(uintptr_t)bytes, .next_out = out};
    int status = Z_OK;
    if (inflateInit2(&stream, -MAX_WBITS) != Z_OK)
        return false;
    while (status == Z_OK || status == Z_BUF_ERROR) {
        const size_t in_left = n - (size_t)(stream.next_in - bytes);
        const size_t out_left = length - (size_t)(stream.next_out - out);
        stream.avail_in = in_left < UINT_MAX ? (uInt)in_left : UINT_MAX;
        stream.avail_out = out_left < UINT_MAX ? (uInt)out_left : UINT_MAX;
        const uInt before = stream.avail_in, room = stream.avail_out;
        status = inflate(&stream, Z_NO_FLUSH);
        if (before == stream.avail_in && room == stream.avail_out && status != Z_STREAM_END)
            break; /* no progress: cut off, or more than it claims */
    }
    const bool is_whole =
        status == Z_STREAM_END && stream.next_in == bytes + n && stream.next_out == out + length;
    inflateEnd(&stream);
    return is_whole;
}
