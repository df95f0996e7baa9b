/* Coding and decoding of frames; the only user of zstd.
 *
 * Weights are noise: what compresses is the unequal frequency of byte values, and the repetitions
 * that a match finder finds by chance cost more than the literals they replace (a third of an
 * exponent plane at level 1). So every block is tried twice, once with match finding all but
 * switched off, which leaves zstd's Huffman coder - within 2 % of the order-0 entropy and twice as
 * fast to decode - and once as the level says, which wins for text, zeros and repeated rows. The
 * second must save 1/64 more to be taken, and coding at all must save 1/64, because stored bytes
 * decode at the speed of memory. Codes of which one is likelier than a half, as in pruned matrices,
 * are where Huffman's whole bits lose: these go to the coder of rans.h, if that saves 1/64 too. */
#include "formats/swg/frame.h"

#include <string.h>

#define ZSTD_STATIC_LINKING_ONLY /* custom allocation */
#include <zstd.h>
#include <zstd_errors.h>

#include "formats/bytes/byteplanes.h"
#include "formats/bytes/bytes.h"
#include "formats/bytes/rans.h"
#include "runtime/base/mem.h"

enum {
    LEAST_SAVING = 64,             /* 1/64 */
    LEAST_SAMPLED_BYTES = 1 << 16, /* shorter blocks are tried whole */
    LEAST_BLOCK_BYTES = 32,        /* below that zstd's own header eats the gain */
    LENGTH_BYTES = 4,              /* of a block of a split frame */
    SKIPPABLE_HEADER = 8
};

typedef struct buffer {
    uint8_t *data;
    size_t capacity;
} buffer;

struct swg_frame_encoder {
    ZSTD_CCtx *literals; /* Huffman only */
    ZSTD_CCtx *matches;
    int level; /* set in `matches` */
    buffer rearranged, first, second, third;
};

struct swg_frame_decoder {
    ZSTD_DCtx *context;
    buffer rearranged;
};

static void *zstd_malloc(void *context, size_t bytes)
{
    (void)context;
    return swg_malloc(bytes, 1);
}

static void zstd_free(void *context, void *block)
{
    (void)context;
    swg_free(block);
}

static const ZSTD_customMem zstd_memory = {.customAlloc = zstd_malloc, .customFree = zstd_free};

static swg_status grow(buffer *b, size_t bytes)
{
    if (b->capacity >= bytes)
        return SWG_OK;
    swg_free(b->data);
    b->capacity = 0;
    SWG_TRY(SWG_NEW_UNINIT(b->data, bytes));
    b->capacity = bytes;
    return SWG_OK;
}

static swg_status zstd_failure(size_t code)
{
    if (ZSTD_getErrorCode(code) == ZSTD_error_memory_allocation)
        return swg_error(SWG_NO_MEMORY, "out of memory in zstd");
    return swg_error(SWG_CORRUPT, "zstd: %s", ZSTD_getErrorName(code));
}

/* --- Encoding --------------------------------------------------------------------------------- */

static swg_status set(ZSTD_CCtx *context, ZSTD_cParameter parameter, int value)
{
    const size_t code = ZSTD_CCtx_setParameter(context, parameter, value);
    return ZSTD_isError(code) ? zstd_failure(code) : SWG_OK;
}

/* A table of 64 positions that are compared over 7 bytes finds next to nothing in noise. */
static swg_status configure_literals(ZSTD_CCtx *context)
{
    SWG_TRY(set(context, ZSTD_c_compressionLevel, -5));
    SWG_TRY(set(context, ZSTD_c_strategy, ZSTD_fast));
    SWG_TRY(set(context, ZSTD_c_minMatch, 7));
    SWG_TRY(set(context, ZSTD_c_hashLog, ZSTD_HASHLOG_MIN));
    return set(context, ZSTD_c_literalCompressionMode, ZSTD_ps_enable);
}

swg_status swg_frame_encoder_new(swg_frame_encoder **out)
{
    swg_status status = SWG_OK;
    swg_frame_encoder *encoder = NULL;
    SWG_GO(SWG_NEW(encoder, 1));
    encoder->literals = ZSTD_createCCtx_advanced(zstd_memory);
    encoder->matches = ZSTD_createCCtx_advanced(zstd_memory);
    SWG_GO(encoder->literals && encoder->matches ? SWG_OK : SWG_NO_MEMORY);
    SWG_GO(configure_literals(encoder->literals));
    *out = encoder;
    encoder = NULL;
done:
    swg_frame_encoder_free(&encoder);
    return status;
}

void swg_frame_encoder_free(swg_frame_encoder **encoder)
{
    swg_frame_encoder *e = *encoder;
    if (!e)
        return;
    ZSTD_freeCCtx(e->literals);
    ZSTD_freeCCtx(e->matches);
    swg_free(e->rearranged.data);
    swg_free(e->first.data);
    swg_free(e->second.data);
    swg_free(e->third.data);
    SWG_FREE(*encoder);
}

static swg_status compress(ZSTD_CCtx *context, const uint8_t *raw, size_t bytes, buffer *to,
                           size_t *length)
{
    SWG_TRY(grow(to, ZSTD_compressBound(bytes)));
    const size_t code = ZSTD_compress2(context, to->data, to->capacity, raw, bytes);
    if (ZSTD_isError(code))
        return zstd_failure(code);
    *length = code;
    return SWG_OK;
}

static bool saves_enough(size_t length, size_t than)
{
    return length < than - than / LEAST_SAVING;
}

/* Whether matches may pay for a block: told by a quarter of it, from the middle, where the block is
 * long. In the exponents of weights they are found at every step, cost half the time of writing a
 * .swg, and never pay. Given up: blocks that repeat only beyond a quarter of their length. */
static swg_status try_matches(swg_frame_encoder *encoder, const uint8_t *raw, size_t bytes,
                              size_t by_literals, bool *is_promising)
{
    const size_t part = bytes / 4;
    size_t length = 0;
    if (bytes >= LEAST_SAMPLED_BYTES)
        SWG_TRY(
            compress(encoder->matches, raw + (bytes - part) / 2, part, &encoder->second, &length));
    *is_promising = bytes < LEAST_SAMPLED_BYTES || 4 * length < by_literals;
    return SWG_OK;
}

/* The better zstd form of a block: a view into the encoder's buffers. Below the least ratio it is
 * filled up with one of zstd's skippable frames. */
static swg_status squeeze(swg_frame_encoder *encoder, const uint8_t *raw, size_t bytes,
                          const uint8_t **out, size_t *length)
{
    size_t by_literals = 0, by_matches = 0;
    SWG_TRY(compress(encoder->literals, raw, bytes, &encoder->first, &by_literals));
    bool take_matches = false, is_promising = false;
    SWG_TRY(try_matches(encoder, raw, bytes, by_literals, &is_promising));
    if (is_promising) {
        SWG_TRY(compress(encoder->matches, raw, bytes, &encoder->second, &by_matches));
        take_matches = saves_enough(by_matches, by_literals);
    }
    uint8_t *best = take_matches ? encoder->second.data : encoder->first.data;
    *length = take_matches ? by_matches : by_literals;
    const size_t least = swg_ceil_div(bytes, SWG_FRAME_MAX_RATIO);
    if (*length < least) {
        /* The buffers hold ZSTD_compressBound(bytes), so there is room. */
        const size_t fill = least - *length;
        swg_put_le(best + *length, 4, ZSTD_MAGIC_SKIPPABLE_START);
        swg_put_le(best + *length + 4, 4, fill);
        memset(best + *length + SKIPPABLE_HEADER, 0, fill);
        *length += SKIPPABLE_HEADER + fill;
    }
    *out = best;
    return SWG_OK;
}

/* A block into `out`: zstd, or as it is when that saves too little; then *length is `bytes`. */
static swg_status encode_block(swg_frame_encoder *encoder, const uint8_t *raw, size_t bytes,
                               uint8_t *out, size_t *length)
{
    if (bytes >= LEAST_BLOCK_BYTES) {
        const uint8_t *coded;
        size_t coded_length;
        SWG_TRY(squeeze(encoder, raw, bytes, &coded, &coded_length));
        if (saves_enough(coded_length, bytes)) {
            memcpy(out, coded, coded_length);
            *length = coded_length;
            return SWG_OK;
        }
    }
    memcpy(out, raw, bytes);
    *length = bytes;
    return SWG_OK;
}

static swg_status encode_split(swg_frame_encoder *encoder, swg_frame_shape shape,
                               const uint8_t *raw, uint8_t *out, size_t *length)
{
    const size_t count = shape.bytes / shape.elem_bytes;
    const size_t head = (size_t)LENGTH_BYTES * shape.elem_bytes;
    SWG_TRY(grow(&encoder->rearranged, shape.bytes));
    SWG_TRY(grow(&encoder->third, head + shape.bytes));
    swg_planes_split(raw, count, shape.elem_bytes, encoder->rearranged.data);
    size_t at = head;
    for (unsigned j = 0; j < shape.elem_bytes; j++) {
        size_t block;
        SWG_TRY(encode_block(encoder, encoder->rearranged.data + j * count, count,
                             encoder->third.data + at, &block));
        swg_put_le(encoder->third.data + (size_t)LENGTH_BYTES * j, LENGTH_BYTES, block);
        at += block;
    }
    if (!saves_enough(at, shape.bytes)) {
        memcpy(out, raw, shape.bytes);
        *length = shape.bytes;
    } else {
        memcpy(out, encoder->third.data, at);
        *length = at;
    }
    return SWG_OK;
}

/* Whether the bytes are packed codes narrower than a byte. */
static bool has_symbols(swg_frame_shape shape)
{
    return shape.symbol_bits > 0 && shape.symbol_bits < 8;
}

/* Symbols of packed codes: the last may have fewer bits than the others. */
static size_t n_symbols(swg_frame_shape shape)
{
    return swg_ceil_div(8 * shape.bytes, shape.symbol_bits);
}

/* Whether one symbol of rans.h is one code; else it is a byte, with several codes of 1 or 2 bits or
 * one of 8. */
static bool has_single_symbols(swg_frame_shape shape)
{
    return shape.symbol_bits > 2 && shape.symbol_bits < 8;
}

/* Replace what `out` has by a shorter form, if there is one. */
static swg_status try_rans(swg_frame_encoder *encoder, const uint8_t *symbols, size_t count,
                           size_t raw_bytes, uint8_t *out, size_t *length, swg_codec *codec)
{
    const size_t most = *length - *length / LEAST_SAVING;
    if (most == 0 || swg_order0_bytes(symbols, count) >= (double)most)
        return SWG_OK;
    SWG_TRY(grow(&encoder->third, most));
    const size_t coded = swg_rans_encode(symbols, count, encoder->third.data, most - 1);
    if (coded == 0 || coded * SWG_FRAME_MAX_RATIO < raw_bytes)
        return SWG_OK;
    memcpy(out, encoder->third.data, coded);
    *length = coded;
    *codec = SWG_CODEC_RANS;
    return SWG_OK;
}

/* Packed codes may be smaller one a byte: their Huffman table is shorter, and runs that start
 * inside a byte become visible. */
static swg_status try_symbols(swg_frame_encoder *encoder, swg_frame_shape shape, const uint8_t *raw,
                              uint8_t *out, size_t *length, swg_codec *codec)
{
    const uint8_t *coded;
    size_t coded_length;
    const size_t count = n_symbols(shape);
    SWG_TRY(grow(&encoder->rearranged, count));
    swg_symbols_split(raw, shape.bytes, shape.symbol_bits, encoder->rearranged.data);
    SWG_TRY(squeeze(encoder, encoder->rearranged.data, count, &coded, &coded_length));
    if (saves_enough(coded_length, *length)) {
        memcpy(out, coded, coded_length);
        *length = coded_length;
        *codec = SWG_CODEC_SYMBOLS;
    }
    return SWG_OK;
}

static swg_status encode_bytes(swg_frame_encoder *encoder, swg_frame_shape shape,
                               const uint8_t *raw, uint8_t *out, size_t *length, swg_codec *codec)
{
    SWG_TRY(encode_block(encoder, raw, shape.bytes, out, length));
    *codec = *length < shape.bytes ? SWG_CODEC_ZSTD : SWG_CODEC_STORED;
    if (has_symbols(shape))
        SWG_TRY(try_symbols(encoder, shape, raw, out, length, codec));
    if (shape.symbol_bits == 0)
        return SWG_OK;
    return has_single_symbols(shape)
               ? try_rans(encoder, encoder->rearranged.data, n_symbols(shape), shape.bytes, out,
                          length, codec)
               : try_rans(encoder, raw, shape.bytes, shape.bytes, out, length, codec);
}

swg_status swg_frame_encode(swg_frame_encoder *encoder, int level, swg_frame_shape shape,
                            const uint8_t *raw, uint8_t *out, uint32_t *stored_bytes,
                            swg_codec *codec)
{
    if (encoder->level != level) {
        SWG_TRY(set(encoder->matches, ZSTD_c_compressionLevel, level));
        encoder->level = level;
    }
    size_t length;
    if (shape.elem_bytes > 1) {
        SWG_TRY(encode_split(encoder, shape, raw, out, &length));
        *codec = length < shape.bytes ? SWG_CODEC_SPLIT : SWG_CODEC_STORED;
    } else {
        SWG_TRY(encode_bytes(encoder, shape, raw, out, &length, codec));
    }
    *stored_bytes = (uint32_t)length;
    return SWG_OK;
}

/* --- Decoding --------------------------------------------------------------------------------- */

swg_status swg_frame_decoder_new(swg_frame_decoder **out)
{
    swg_status status = SWG_OK;
    swg_frame_decoder *decoder = NULL;
    SWG_GO(SWG_NEW(decoder, 1));
    decoder->context = ZSTD_createDCtx_advanced(zstd_memory);
    SWG_GO(decoder->context ? SWG_OK : SWG_NO_MEMORY);
    *out = decoder;
    decoder = NULL;
done:
    swg_frame_decoder_free(&decoder);
    return status;
}

void swg_frame_decoder_free(swg_frame_decoder **decoder)
{
    if (!*decoder)
        return;
    ZSTD_freeDCtx((*decoder)->context);
    swg_free((*decoder)->rearranged.data);
    SWG_FREE(*decoder);
}

swg_status swg_frame_check(swg_frame_shape shape, uint32_t codec, uint64_t stored_bytes)
{
    if (codec >= SWG_CODECS)
        return swg_error(SWG_UNSUPPORTED, "the unknown codec %u", codec);
    if (shape.bytes > SWG_FRAME_MAX_BYTES)
        return swg_error(SWG_CORRUPT, "%zu raw bytes; at most %d are allowed", shape.bytes,
                         SWG_FRAME_MAX_BYTES);
    const bool is_stored = codec == SWG_CODEC_STORED;
    if (is_stored ? stored_bytes != shape.bytes : stored_bytes >= shape.bytes)
        return swg_error(SWG_CORRUPT, "%llu stored bytes cannot be %zu raw bytes by codec %u",
                         (unsigned long long)stored_bytes, shape.bytes, codec);
    if (stored_bytes * SWG_FRAME_MAX_RATIO < shape.bytes)
        return swg_error(SWG_CORRUPT,
                         "%zu raw bytes from %llu stored ones; at most %d to 1 are "
                         "allowed",
                         shape.bytes, (unsigned long long)stored_bytes, SWG_FRAME_MAX_RATIO);
    if ((codec == SWG_CODEC_SPLIT &&
         (shape.elem_bytes < 2 || shape.elem_bytes > SWG_FRAME_MAX_ELEM ||
          shape.bytes % shape.elem_bytes != 0)) ||
        (codec == SWG_CODEC_SYMBOLS && !has_symbols(shape)) ||
        (codec == SWG_CODEC_RANS && (shape.symbol_bits == 0 || shape.elem_bytes != 1)))
        return swg_error(SWG_CORRUPT, "codec %u does not fit the kind of data", codec);
    return SWG_OK;
}

static swg_status decompress(swg_frame_decoder *decoder, const uint8_t *stored, size_t stored_bytes,
                             uint8_t *raw, size_t bytes)
{
    /* In one piece into a buffer of the due size: whatever window a frame header claims, nothing is
     * allocated for it. */
    const size_t code = ZSTD_decompressDCtx(decoder->context, raw, bytes, stored, stored_bytes);
    if (ZSTD_isError(code))
        return zstd_failure(code);
    return code == bytes
               ? SWG_OK
               : swg_error(SWG_CORRUPT, "it decodes to %zu bytes where %zu are due", code, bytes);
}

static swg_status decode_split(swg_frame_decoder *decoder, swg_frame_shape shape,
                               const uint8_t *stored, size_t stored_bytes, uint8_t *raw)
{
    const size_t count = shape.bytes / shape.elem_bytes;
    SWG_TRY(grow(&decoder->rearranged, shape.bytes));
    swg_cursor cursor = {.at = stored, .left = stored_bytes};
    size_t lengths[SWG_FRAME_MAX_ELEM];
    for (unsigned j = 0; j < shape.elem_bytes; j++)
        lengths[j] = (size_t)swg_cursor_number(&cursor, LENGTH_BYTES);
    for (unsigned j = 0; j < shape.elem_bytes; j++) {
        uint8_t *const plane = decoder->rearranged.data + j * count;
        const uint8_t *const block = swg_cursor_take(&cursor, lengths[j]);
        if (!block || lengths[j] > count)
            return swg_error(SWG_CORRUPT, "byte plane %u of %zu bytes does not fit", j, lengths[j]);
        if (lengths[j] == count)
            memcpy(plane, block, count);
        else
            SWG_TRY(decompress(decoder, block, lengths[j], plane, count));
    }
    if (cursor.left != 0)
        return swg_error(SWG_CORRUPT, "%zu bytes follow its byte planes", cursor.left);
    swg_planes_merge(decoder->rearranged.data, count, shape.elem_bytes, raw);
    return SWG_OK;
}

static swg_status decode_symbols(swg_frame_decoder *decoder, swg_frame_shape shape,
                                 const uint8_t *stored, size_t stored_bytes, uint8_t *raw)
{
    const size_t count = n_symbols(shape);
    SWG_TRY(grow(&decoder->rearranged, count));
    SWG_TRY(decompress(decoder, stored, stored_bytes, decoder->rearranged.data, count));
    swg_symbols_merge(decoder->rearranged.data, shape.bytes, shape.symbol_bits, raw);
    return SWG_OK;
}

static swg_status decode_rans(swg_frame_decoder *decoder, swg_frame_shape shape,
                              const uint8_t *stored, size_t stored_bytes, uint8_t *raw)
{
    if (!has_single_symbols(shape))
        return swg_rans_decode(stored, stored_bytes, raw, shape.bytes);
    const size_t count = n_symbols(shape);
    SWG_TRY(grow(&decoder->rearranged, count));
    SWG_TRY(swg_rans_decode(stored, stored_bytes, decoder->rearranged.data, count));
    swg_symbols_merge(decoder->rearranged.data, shape.bytes, shape.symbol_bits, raw);
    return SWG_OK;
}

swg_status swg_frame_decode(swg_frame_decoder *decoder, swg_frame_shape shape, swg_codec codec,
                            const uint8_t *stored, size_t stored_bytes, uint8_t *raw)
{
    switch (codec) {
    case SWG_CODEC_STORED:
        memcpy(raw, stored, shape.bytes);
        return SWG_OK;
    case SWG_CODEC_ZSTD:
        return decompress(decoder, stored, stored_bytes, raw, shape.bytes);
    case SWG_CODEC_SPLIT:
        return decode_split(decoder, shape, stored, stored_bytes, raw);
    case SWG_CODEC_SYMBOLS:
        return decode_symbols(decoder, shape, stored, stored_bytes, raw);
    case SWG_CODEC_RANS:
        return decode_rans(decoder, shape, stored, stored_bytes, raw);
    }
    return swg_error(SWG_UNSUPPORTED, "the unknown codec %u", (unsigned)codec);
}
