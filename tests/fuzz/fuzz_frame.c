/* One frame of a .swg, which fuzz_swg cannot damage: its hash would no longer match. An input
 * is u8 codec, u8 width of an element (bit 7: 4-bit codes), u16 raw bytes, and the stored bytes.
 * The same bytes, taken as raw ones, must also come back from coding. */
#include <string.h>

#include "formats/bytes/bytes.h"
#include "formats/swg/frame.h"
#include "runtime/base/mem.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/promises.h"

static swg_frame_decoder *decoder;
static swg_frame_encoder *encoder;

/* Buffers of exactly the expected size, so that the sanitizer sees the first byte beyond. */
static void decode(swg_frame_shape shape, unsigned codec, const uint8_t *stored, size_t bytes)
{
    uint8_t *raw = swg_malloc(shape.bytes, 1), *copy = swg_malloc(bytes, 1);
    fuzz_expect(raw && copy, "memory");
    memcpy(copy, stored, bytes);
    swg_error_clear();
    swg_status status = swg_frame_check(shape, codec, bytes);
    if (status == SWG_OK)
        status = swg_frame_decode(decoder, shape, (swg_codec)codec, copy, bytes, raw);
    fuzz_expect(status == SWG_OK || (swg_error_message()[0] != '\0' &&
                                     (status == SWG_CORRUPT || status == SWG_UNSUPPORTED)),
                "a bad frame is called so");
    swg_free(copy);
    swg_free(raw);
}

static void round_trip(swg_frame_shape shape, const uint8_t *raw)
{
    uint8_t *stored = swg_malloc(shape.bytes, 1), *back = swg_malloc(shape.bytes, 1);
    uint32_t stored_bytes = 0;
    swg_codec codec = SWG_CODEC_STORED;
    fuzz_expect(stored && back, "memory");
    fuzz_expect(swg_frame_encode(encoder, 3, shape, raw, stored, &stored_bytes, &codec) == SWG_OK,
                "frames can be coded");
    fuzz_expect(swg_frame_check(shape, codec, stored_bytes) == SWG_OK, "what is coded is allowed");
    fuzz_expect(swg_frame_decode(decoder, shape, codec, stored, stored_bytes, back) == SWG_OK &&
                    memcmp(raw, back, shape.bytes) == 0,
                "what is coded comes back");
    swg_free(back);
    swg_free(stored);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 4)
        return 0;
    if (!decoder)
        fuzz_expect(swg_frame_decoder_new(&decoder) == SWG_OK &&
                        swg_frame_encoder_new(&encoder) == SWG_OK,
                    "memory");
    const uint32_t width = (data[1] & 0x7f) % (SWG_FRAME_MAX_ELEM + 2u);
    const uint32_t symbol_bits = data[1] & 0x80 ? 1 + data[0] / 16 % 8 : 8;
    decode((swg_frame_shape){.bytes = (size_t)swg_get_le(data + 2, 2),
                             .elem_bytes = width,
                             .symbol_bits = symbol_bits},
           data[0], data + 4, size - 4);
    const uint32_t width_in_use = width >= 1 && width <= SWG_FRAME_MAX_ELEM ? width : 1;
    const size_t bytes = (size - 4) / width_in_use * width_in_use;
    if (bytes > 0)
        round_trip((swg_frame_shape){.bytes = bytes,
                                     .elem_bytes = width_in_use,
                                     .symbol_bits = width_in_use == 1 ? symbol_bits : 8},
                   data + 4);
    return 0;
}
