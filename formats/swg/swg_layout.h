/* The layout of a .swg that its reader and its writer share. docs/container.md is the
 * specification; the names here are its names. */
#ifndef SWG_FORMATS_SWG_SWG_LAYOUT_H
#define SWG_FORMATS_SWG_SWG_LAYOUT_H

#include <stdint.h>

#include "formats/swg/frame.h"
#include "runtime/base/tensor.h"

/* Superblock, at offset 0. */
enum {
    SWG_SUPERBLOCK_BYTES = 64,
    SWG_SUPERBLOCK_MAGIC = 0,       /* 8 bytes */
    SWG_SUPERBLOCK_VERSION = 8,     /* u32 */
    SWG_SUPERBLOCK_REQUIRED = 12,   /* u32 feature bits */
    SWG_SUPERBLOCK_OPTIONAL = 16,   /* u32 feature bits */
    SWG_SUPERBLOCK_ZERO = 20,       /* u32 */
    SWG_SUPERBLOCK_FILE_BYTES = 24, /* u64 */
    SWG_SUPERBLOCK_DIR_OFFSET = 32, /* u64 */
    SWG_SUPERBLOCK_DIR_STORED = 40, /* u32 */
    SWG_SUPERBLOCK_DIR_RAW = 44,    /* u32 */
    SWG_SUPERBLOCK_DIR_HASH = 48,   /* u64, XXH3-64 of the stored directory */
    SWG_SUPERBLOCK_HASH = 56,       /* u64, XXH3-64 of the 56 bytes before */
    SWG_CONTAINER_VERSION = 1
};
/* Not text, and damaged visibly by anything that takes it for text. */
#define SWG_CONTAINER_MAGIC "\x89SWG\r\n\x1a\n"

/* Required features. */
enum {
    SWG_FEATURE_DESCRIBED_PLANES =
        1,                /* tensors' streams come after a description of their planes */
    SWG_FEATURE_RANS = 2, /* frames may have the codec SWG_CODEC_RANS */
    SWG_KNOWN_FEATURES = SWG_FEATURE_DESCRIBED_PLANES | SWG_FEATURE_RANS
};

/* A plane as the directory describes it: kind, width of a number, bits of a symbol, a zero byte,
 * u64 rows, u64 bytes per row. */
enum { SWG_PLANE_RECORD_BYTES = 4 + 8 + 8 };

/* Directory: coded as one frame of bytes, so at most this long. */
enum { SWG_DIRECTORY_MAX_BYTES = 256 << 20 };

/* Sections of the directory. */
enum { SWG_SECTION_REQUIRED = 1 }; /* flag */
#define SWG_TAG_CONFIG     "CONF"
#define SWG_TAG_TENSORS    "TENS"
#define SWG_TAG_FILES      "FILE"
#define SWG_TAG_METADATA   "META"
#define SWG_TAG_PROVENANCE "PROV"
enum { SWG_TAG_BYTES = 4, SWG_MAX_EXTENSIONS = 256 /* sections that are not known */ };

/* One frame, as the directory lists it. */
enum { SWG_FRAME_RECORD_BYTES = 32 };
typedef struct swg_frame_record {
    uint64_t offset;
    uint32_t stored_bytes, codec;
    uint64_t hash;     /* XXH3-64 of the stored bytes */
    uint64_t raw_hash; /* XXH3-64 of the raw bytes */
} swg_frame_record;

/* A run of bytes cut into frames of `frame_bytes`, the last one shorter. */
typedef struct swg_stream {
    uint64_t bytes;
    uint32_t frame_bytes, n_frames;
    swg_frame_record *frames;
    uint32_t elem_bytes; /* not stored: known from the plane */
    uint32_t symbol_bits; /* not stored */
} swg_stream;

/* same_as of a tensor with bytes of its own. */
#define SWG_OWN_BYTES UINT32_MAX

/* Raw bytes of frame `index`. */
static inline uint32_t swg_stream_frame_bytes(const swg_stream *stream, uint32_t index)
{
    const uint64_t left = stream->bytes - (uint64_t)index * stream->frame_bytes;
    return left < stream->frame_bytes ? (uint32_t)left : stream->frame_bytes;
}
static inline swg_frame_shape swg_stream_frame_shape(const swg_stream *stream, uint32_t index)
{
    return (swg_frame_shape){.bytes = swg_stream_frame_bytes(stream, index),
                             .elem_bytes = stream->elem_bytes,
                             .symbol_bits = stream->symbol_bits};
}

#endif
