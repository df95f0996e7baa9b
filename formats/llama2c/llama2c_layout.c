/* See llama2c_layout.h. */
#include "formats/llama2c/llama2c_layout.h"

#include <string.h>

#include "formats/bytes/bytes.h"

enum { HEADER_INTS = 7, MAGIC = 0x616b3432, VERSIONED_INTS = 8, TIED_AT = 36, GROUP_AT = 37 };

/* Far beyond any model of this format; they keep random bytes from passing for a header, and
 * products of them below 2^63. */
enum { MAX_DIMENSION = 1 << 20, MAX_ROWS = 1 << 24, MAX_LAYERS = 1 << 12 };

static bool in_range(int64_t value, int64_t most)
{
    return value >= 1 && value <= most;
}

static int64_t int_at(const uint8_t *bytes)
{
    return (int32_t)(uint32_t)swg_get_le(bytes, 4);
}

static bool parse_sizes(const uint8_t *bytes, swg_llama2c_header *out)
{
    int64_t v[HEADER_INTS];
    for (int i = 0; i < HEADER_INTS; i++)
        v[i] = int_at(bytes + 4 * i);
    const int64_t vocab = v[5] < 0 ? -v[5] : v[5];
    if (!in_range(v[0], MAX_DIMENSION) || !in_range(v[1], MAX_DIMENSION) ||
        !in_range(v[2], MAX_LAYERS) || !in_range(v[3], v[0]) || !in_range(v[4], v[3]) ||
        !in_range(vocab, MAX_ROWS) || !in_range(v[6], MAX_ROWS) || v[0] % v[3] != 0 ||
        v[3] % v[4] != 0 || v[0] / v[3] % 2 != 0)
        return false;
    *out = (swg_llama2c_header){.dim = (uint64_t)v[0],
                                .hidden = (uint64_t)v[1],
                                .n_layers = (uint64_t)v[2],
                                .n_heads = (uint64_t)v[3],
                                .n_kv_heads = (uint64_t)v[4],
                                .vocab = (uint64_t)vocab,
                                .context = (uint64_t)v[6],
                                .head_dim = (uint64_t)(v[0] / v[3]),
                                .kv_dim = (uint64_t)(v[0] / v[3] * v[4]),
                                .is_tied = v[5] > 0};
    return true;
}

/* Groups run through rows: every matrix has to be a whole number of them. */
static bool group_divides(const swg_llama2c_header *h)
{
    swg_llama2c_kind kinds[SWG_LLAMA2C_KINDS];
    const size_t n = swg_llama2c_kinds(h, kinds);
    for (size_t i = 0; i < n; i++)
        if (kinds[i].is_quantized && swg_llama2c_elems(&kinds[i]) % h->group != 0)
            return false;
    return true;
}

bool swg_llama2c_parse(const uint8_t *bytes, size_t length, swg_llama2c_header *out)
{
    if (length < SWG_LLAMA2C_LEGACY_HEADER)
        return false;
    if (swg_get_le(bytes, 4) != MAGIC)
        return parse_sizes(bytes, out);
    if (length < SWG_LLAMA2C_PROBE || !parse_sizes(bytes + VERSIONED_INTS, out) || !out->is_tied)
        return false; /* here the vocabulary is never negative */
    const int64_t version = int_at(bytes + 4), group = int_at(bytes + GROUP_AT);
    out->version = (unsigned)version;
    out->is_tied = bytes[TIED_AT] == 1;
    if (bytes[TIED_AT] > 1 || (version != 1 && version != 2))
        return false;
    if (version == 1)
        return true;
    if (!in_range(group, MAX_DIMENSION))
        return false;
    out->group = (uint64_t)group;
    return group_divides(out);
}

size_t swg_llama2c_put(const swg_llama2c_header *h, uint8_t out[SWG_LLAMA2C_HEADER])
{
    const uint64_t sizes[HEADER_INTS] = {h->dim,        h->hidden, h->n_layers, h->n_heads,
                                         h->n_kv_heads, h->vocab,  h->context};
    memset(out, 0, SWG_LLAMA2C_HEADER);
    uint8_t *at = out + (h->version ? VERSIONED_INTS : 0);
    for (int i = 0; i < HEADER_INTS; i++)
        swg_put_le(at + 4 * i, 4, sizes[i]);
    if (h->version == 0) {
        if (!h->is_tied)
            swg_put_le(at + 4 * 5, 4, (uint32_t) - (int32_t)h->vocab);
        return SWG_LLAMA2C_LEGACY_HEADER;
    }
    swg_put_le(out, 4, MAGIC);
    swg_put_le(out + 4, 4, h->version);
    out[TIED_AT] = h->is_tied;
    if (h->version == 2)
        swg_put_le(out + GROUP_AT, 4, h->group);
    return SWG_LLAMA2C_HEADER;
}

size_t swg_llama2c_header_bytes(const swg_llama2c_header *header)
{
    return header->version ? SWG_LLAMA2C_HEADER : SWG_LLAMA2C_LEGACY_HEADER;
}

size_t swg_llama2c_kinds(const swg_llama2c_header *h, swg_llama2c_kind out[SWG_LLAMA2C_KINDS])
{
    const bool q = h->version == 2;
    const swg_llama2c_kind embedding = {"model.embed_tokens.weight", false, q, 2,
                                        {h->vocab, h->dim},          0};
    const swg_llama2c_kind head = {"lm_head.weight", false, q, 2, {h->vocab, h->dim}, 0};
    const swg_llama2c_kind norms[3] = {
        {"input_layernorm.weight", true, false, 1, {h->dim}, 0},
        {"post_attention_layernorm.weight", true, false, 1, {h->dim}, 0},
        {"model.norm.weight", false, false, 1, {h->dim}, 0}};
    const swg_llama2c_kind attention[4] = {
        {"self_attn.q_proj.weight", true, q, 2, {h->dim, h->dim}, h->n_heads},
        {"self_attn.k_proj.weight", true, q, 2, {h->kv_dim, h->dim}, h->n_kv_heads},
        {"self_attn.v_proj.weight", true, q, 2, {h->kv_dim, h->dim}, 0},
        {"self_attn.o_proj.weight", true, q, 2, {h->dim, h->dim}, 0}};
    const swg_llama2c_kind mlp[3] = {{"mlp.gate_proj.weight", true, q, 2, {h->hidden, h->dim}, 0},
                                     {"mlp.down_proj.weight", true, q, 2, {h->dim, h->hidden}, 0},
                                     {"mlp.up_proj.weight", true, q, 2, {h->hidden, h->dim}, 0}};
    const swg_llama2c_kind table = {NULL, false, false, 2, {h->context, h->head_dim / 2}, 0};
    size_t n = 0;
    if (h->version)
        for (size_t i = 0; i < 3; i++)
            out[n++] = norms[i];
    out[n++] = embedding;
    if (!h->version)
        out[n++] = norms[0];
    for (size_t i = 0; i < 4; i++)
        out[n++] = attention[i];
    if (!h->version)
        out[n++] = norms[1];
    for (size_t i = 0; i < 3; i++)
        out[n++] = mlp[i];
    if (!h->version) {
        out[n++] = norms[2];
        out[n++] = table;
        out[n++] = table;
    }
    if (!h->is_tied)
        out[n++] = head;
    return n;
}

uint64_t swg_llama2c_elems(const swg_llama2c_kind *kind)
{
    return kind->shape[0] * (kind->rank == 2 ? kind->shape[1] : 1); /* below 2^44 */
}

uint64_t swg_llama2c_bytes(const swg_llama2c_header *header, const swg_llama2c_kind *kind)
{
    const uint64_t elems = swg_llama2c_elems(kind);
    return kind->is_quantized ? elems + elems / header->group * sizeof(float)
                              : elems * sizeof(float);
}

uint64_t swg_llama2c_file_bytes(const swg_llama2c_header *header)
{
    swg_llama2c_kind kinds[SWG_LLAMA2C_KINDS];
    const size_t n = swg_llama2c_kinds(header, kinds);
    /* Below 2^47 * 2^12 * 14. */
    uint64_t bytes = swg_llama2c_header_bytes(header);
    for (size_t i = 0; i < n; i++)
        bytes +=
            swg_llama2c_bytes(header, &kinds[i]) * (kinds[i].every_layer ? header->n_layers : 1);
    return bytes;
}
