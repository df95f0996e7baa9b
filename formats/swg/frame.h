/* Frames: the pieces of at most 16 MiB that a .swg is made of, each decodable on its own. How a
 * frame's bytes are coded is in docs/container.md; frame.c is the only user of zstd. */
#ifndef SWG_FORMATS_SWG_FRAME_H
#define SWG_FORMATS_SWG_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/status.h"

/* Codecs as files number them. */
typedef enum swg_codec {
    SWG_CODEC_STORED = 0,  /* the raw bytes */
    SWG_CODEC_ZSTD = 1,    /* one zstd stream */
    SWG_CODEC_SPLIT = 2,   /* byte j of every element together, each such block stored or zstd */
    SWG_CODEC_SYMBOLS = 3, /* zstd of one packed code a byte */
    SWG_CODEC_RANS = 4     /* of codes and bit masks: fractions of a bit per symbol (rans.h) */
} swg_codec;
enum { SWG_CODECS = 5 };

/* Limits of a frame: raw bytes, and raw bytes a stored byte (so that a small file cannot make a
 * reader fill its memory; the writer pads what compresses better). */
enum { SWG_FRAME_MAX_BYTES = 16 << 20, SWG_FRAME_MAX_RATIO = 1024, SWG_FRAME_MAX_ELEM = 8 };

/* What is known of the raw bytes. */
typedef struct swg_frame_shape {
    size_t bytes;        /* at most SWG_FRAME_MAX_BYTES */
    uint32_t elem_bytes; /* width of one number; 1 = bytes */
    uint32_t symbol_bits; /* width of packed codes; 8 = codes of a byte; 0 = no codes but bytes */
} swg_frame_shape;

/* Compresses; one thread at a time. `level` is zstd's, 1 to 22. */
typedef struct swg_frame_encoder swg_frame_encoder;
swg_status swg_frame_encoder_new(swg_frame_encoder **out);
void swg_frame_encoder_free(swg_frame_encoder **encoder); /* NULL inside is accepted */

/* Code a frame into `out` (room for shape.bytes: coding never grows). Same bytes for the same
 * input, level and zstd version. */
swg_status swg_frame_encode(swg_frame_encoder *encoder, int level, swg_frame_shape shape,
                            const uint8_t *raw, uint8_t *out, uint32_t *stored_bytes,
                            swg_codec *codec);

/* Decompresses; one thread at a time. */
typedef struct swg_frame_decoder swg_frame_decoder;
swg_status swg_frame_decoder_new(swg_frame_decoder **out);
void swg_frame_decoder_free(swg_frame_decoder **decoder); /* NULL inside is accepted */

/* Whether a codec and stored size can belong to a raw shape; SWG_CORRUPT with a sentence when not,
 * SWG_UNSUPPORTED for a codec of a later version. Cheap: looks at no bytes. */
swg_status swg_frame_check(swg_frame_shape shape, uint32_t codec, uint64_t stored_bytes);

/* Decode a checked frame into `raw` (shape.bytes). SWG_CORRUPT when the bytes do not decode to
 * exactly that. */
swg_status swg_frame_decode(swg_frame_decoder *decoder, swg_frame_shape shape, swg_codec codec,
                            const uint8_t *stored, size_t stored_bytes, uint8_t *raw);

#endif
