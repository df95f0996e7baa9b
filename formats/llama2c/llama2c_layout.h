/* The three versions of llama2.c's .bin: their headers and the order of their tensors, for reading
 * and writing. Source: https://github.com/karpathy/llama2.c, export.py and run.c.
 *
 *   0 (legacy)  7 int32: dim, hidden, layers, heads, kv heads, vocabulary (negative: the head is a
 *               tensor of its own), context | F32 tensors | tables of cosines and sines (which
 *               run.c skips) | head
 *   1           "24ka" | int32 1 | 7 int32 | u8 1 = the head is the embedding | zeros to 256 |
 *               F32 tensors, norms first
 *   2           "24ka" | int32 2 | 7 int32 | u8 | int32 group | zeros to 256 | F32 norms | matrices
 *               as int8 followed by their F32 scales, one a group of elements counted through rows
 * All layers of a kind are together. Nothing says how long a file is: its header means one size.
 *
 * Rotary pairs are neighbours (2i, 2i + 1) here and halves (i, i + head_dim / 2) in Hugging Face's
 * convention: rows of q and k change places, within each head, on the way in and out. */
#ifndef SWG_FORMATS_LLAMA2C_LLAMA2C_LAYOUT_H
#define SWG_FORMATS_LLAMA2C_LLAMA2C_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SWG_LLAMA2C_HEADER = 256, SWG_LLAMA2C_LEGACY_HEADER = 28, SWG_LLAMA2C_PROBE = 41 };

typedef struct swg_llama2c_header {
    unsigned version;
    uint64_t dim, hidden, n_layers, n_heads, n_kv_heads, vocab, context;
    uint64_t head_dim, kv_dim;
    uint64_t group; /* of version 2 */
    bool is_tied;
} swg_llama2c_header;

/* A kind of tensor, in file order. A NULL name is a table of cosines (or sines). */
typedef struct swg_llama2c_kind {
    const char *name; /* after "model.layers.N." for kinds of every layer */
    bool every_layer, is_quantized;
    uint32_t rank;
    uint64_t shape[2];
    uint64_t permuted_heads; /* rows are permuted within that many heads; 0 = as they are */
} swg_llama2c_kind;

enum { SWG_LLAMA2C_KINDS = 14 };

/* Whether `length` bytes at the start of a file are a header, and what it says. */
bool swg_llama2c_parse(const uint8_t *bytes, size_t length, swg_llama2c_header *out);

/* The reverse; returns the header's bytes. `out` is zeroed and filled. */
size_t swg_llama2c_put(const swg_llama2c_header *header, uint8_t out[SWG_LLAMA2C_HEADER]);

size_t swg_llama2c_header_bytes(const swg_llama2c_header *header);
size_t swg_llama2c_kinds(const swg_llama2c_header *header, swg_llama2c_kind out[SWG_LLAMA2C_KINDS]);
uint64_t swg_llama2c_elems(const swg_llama2c_kind *kind);
/* Bytes of one tensor of a kind, with its scales. */
uint64_t swg_llama2c_bytes(const swg_llama2c_header *header, const swg_llama2c_kind *kind);
/* Bytes of the whole file. Sizes a header can have do not overflow. */
uint64_t swg_llama2c_file_bytes(const swg_llama2c_header *header);

#endif
