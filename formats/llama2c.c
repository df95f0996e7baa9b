/* Reading llama2.c's legacy .bin (export.py version 0): seven little-endian int32, then float32
 * tensors grouped by kind, all layers of a kind together. Nothing says how long it is, so the size
 * is derived from the header and must fit exactly.
 *
 * The format pairs neighbouring elements (2i, 2i+1) in its rotary embedding; Hugging Face pairs
 * (i, i + head_dim/2). Rows of q and k are put in the latter order while they are read; since that
 * only moves rows, nothing is lost. (https://github.com/karpathy/llama2.c, export.py and run.c.) */
#include <stdio.h>
#include <string.h>

#include "formats/bytes.h"
#include "formats/reader.h"
#include "runtime/base/strbuf.h"

enum { HEADER_INTS = 7, HEADER_BYTES = 4 * HEADER_INTS };

/* Far beyond any model of this format; they keep random bytes from passing for a header. */
enum { MAX_DIMENSION = 1 << 20, MAX_ROWS = 1 << 24, MAX_LAYERS = 1 << 12 };

typedef struct header {
    uint64_t dim, hidden, n_layers, n_heads, n_kv_heads, vocab, context;
    uint64_t head_dim, kv_dim;
    bool is_tied;
} header;

typedef struct llama2c_state {
    swg_map map;
} llama2c_state;

static bool in_range(int64_t value, int64_t most)
{
    return value >= 1 && value <= most;
}

static bool parse_header(const uint8_t *bytes, header *out)
{
    int64_t v[HEADER_INTS];
    for (int i = 0; i < HEADER_INTS; i++)
        v[i] = (int32_t)(uint32_t)swg_get_le(bytes + 4 * i, 4);
    const int64_t vocab = v[5] < 0 ? -v[5] : v[5];
    if (!in_range(v[0], MAX_DIMENSION) || !in_range(v[1], MAX_DIMENSION) ||
        !in_range(v[2], MAX_LAYERS) || !in_range(v[3], v[0]) || !in_range(v[4], v[3]) ||
        !in_range(vocab, MAX_ROWS) || !in_range(v[6], MAX_ROWS) || v[0] % v[3] != 0 ||
        v[3] % v[4] != 0 || v[0] / v[3] % 2 != 0)
        return false;
    *out = (header){.dim = (uint64_t)v[0],
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

/* --- The order of the file -------------------------------------------------------------------- */

/* A kind of tensor, in file order. A NULL name is data that is skipped. */
typedef struct kind {
    const char *name; /* behind "model.layers.N." for kinds of every layer */
    bool every_layer;
    uint32_t rank;
    uint64_t shape[2];
    uint64_t permuted_heads; /* rows are permuted within that many heads; 0 = as they are */
} kind;

enum { MAX_KINDS = 14 };

static size_t list_kinds(const header *h, kind out[MAX_KINDS])
{
    const kind kinds[MAX_KINDS] = {
        {"model.embed_tokens.weight", false, 2, {h->vocab, h->dim}, 0},
        {"input_layernorm.weight", true, 1, {h->dim}, 0},
        {"self_attn.q_proj.weight", true, 2, {h->dim, h->dim}, h->n_heads},
        {"self_attn.k_proj.weight", true, 2, {h->kv_dim, h->dim}, h->n_kv_heads},
        {"self_attn.v_proj.weight", true, 2, {h->kv_dim, h->dim}, 0},
        {"self_attn.o_proj.weight", true, 2, {h->dim, h->dim}, 0},
        {"post_attention_layernorm.weight", true, 1, {h->dim}, 0},
        {"mlp.gate_proj.weight", true, 2, {h->hidden, h->dim}, 0},
        {"mlp.down_proj.weight", true, 2, {h->dim, h->hidden}, 0},
        {"mlp.up_proj.weight", true, 2, {h->hidden, h->dim}, 0},
        {"model.norm.weight", false, 1, {h->dim}, 0},
        {NULL, false, 2, {h->context, h->head_dim / 2}, 0}, /* cosines */
        {NULL, false, 2, {h->context, h->head_dim / 2}, 0}, /* sines */
        {"lm_head.weight", false, 2, {h->vocab, h->dim}, 0},
    };
    memcpy(out, kinds, sizeof kinds);
    return h->is_tied ? MAX_KINDS - 1 : MAX_KINDS;
}

static uint64_t kind_bytes(const kind *k)
{
    /* Below 2^24 * 2^20 * 4. */
    return k->shape[0] * (k->rank == 2 ? k->shape[1] : 1) * sizeof(float);
}

static bool claims(const swg_probe *probe)
{
    header h;
    return !probe->is_directory && probe->head_bytes >= HEADER_BYTES &&
           parse_header(probe->head, &h);
}

static swg_status add_tensor(swg_source *source, const kind *k, uint64_t layer, uint64_t offset)
{
    char name[96];
    if (k->every_layer)
        snprintf(name, sizeof name, "model.layers.%llu.%s", (unsigned long long)layer, k->name);
    else
        snprintf(name, sizeof name, "%s", k->name);
    swg_stored_tensor *tensor;
    SWG_TRY(swg_source_add_tensor(source, name, strlen(name), swg_scheme_plain(SWG_F32), k->rank,
                                  k->shape, &tensor));
    llama2c_state *state = source->state;
    tensor->map = &state->map;
    tensor->offset = (size_t)offset;
    if (k->permuted_heads) {
        uint64_t *heads = swg_arena_calloc(&source->arena, 1, sizeof *heads);
        if (!heads)
            return SWG_NO_MEMORY;
        *heads = k->permuted_heads;
        tensor->detail = heads;
    }
    return SWG_OK;
}

static swg_status add_tensors(swg_source *source, const header *h)
{
    kind kinds[MAX_KINDS];
    const size_t n_kinds = list_kinds(h, kinds);
    const llama2c_state *state = source->state;
    /* Below 2^46 * 2^12 * 14: no overflow. */
    uint64_t due = HEADER_BYTES;
    for (size_t i = 0; i < n_kinds; i++)
        due += kind_bytes(&kinds[i]) * (kinds[i].every_layer ? h->n_layers : 1);
    if (due != state->map.size)
        return swg_error(SWG_CORRUPT, "%s: the llama2.c header means %llu bytes, the file has %zu",
                         source->path, (unsigned long long)due, state->map.size);
    uint64_t offset = HEADER_BYTES;
    for (size_t i = 0; i < n_kinds; i++) {
        const uint64_t copies = kinds[i].every_layer ? h->n_layers : 1;
        for (uint64_t layer = 0; layer < copies; layer++) {
            if (kinds[i].name)
                SWG_TRY(add_tensor(source, &kinds[i], layer, offset));
            offset += kind_bytes(&kinds[i]);
        }
    }
    return SWG_OK;
}

/* --- Opening and reading ---------------------------------------------------------------------- */

static swg_status write_config(swg_source *source, const header *h)
{
    swg_json_writer json = {0};
    swg_json_begin_object(&json, NULL);
    swg_json_begin_array(&json, "architectures");
    swg_json_string(&json, NULL, "LlamaForCausalLM");
    swg_json_end_array(&json);
    swg_json_string(&json, "model_type", "llama");
    swg_json_uint(&json, "hidden_size", h->dim);
    swg_json_uint(&json, "intermediate_size", h->hidden);
    swg_json_uint(&json, "num_hidden_layers", h->n_layers);
    swg_json_uint(&json, "num_attention_heads", h->n_heads);
    swg_json_uint(&json, "num_key_value_heads", h->n_kv_heads);
    swg_json_uint(&json, "head_dim", h->head_dim);
    swg_json_uint(&json, "vocab_size", h->vocab);
    swg_json_uint(&json, "max_position_embeddings", h->context);
    /* What run.c has built in. */
    swg_json_double(&json, "rms_norm_eps", 1e-5);
    swg_json_double(&json, "rope_theta", 10000.0);
    swg_json_string(&json, "hidden_act", "silu");
    swg_json_bool(&json, "tie_word_embeddings", h->is_tied);
    swg_json_int(&json, "bos_token_id", 1);
    swg_json_int(&json, "eos_token_id", 2);
    swg_json_string(&json, "torch_dtype", "float32");
    swg_json_end_object(&json);
    swg_status status = swg_strbuf_status(&json.out);
    if (status == SWG_OK)
        status = swg_source_set_config(source, json.out.text, json.out.length);
    swg_json_deinit(&json);
    return status;
}

static swg_status add_tokenizer(swg_source *source)
{
    swg_status status = SWG_OK;
    char *path = NULL;
    char *folder = swg_path_dirname(source->path);
    SWG_GO(folder ? SWG_OK : SWG_NO_MEMORY);
    path = swg_path_join(folder, "tokenizer.bin");
    SWG_GO(path ? SWG_OK : SWG_NO_MEMORY);
    if (swg_path_exists(path)) {
        SWG_GO(swg_source_add_file(source, "tokenizer.bin", path, NULL));
        SWG_GO(swg_source_add_input(source, path));
    }
done:
    swg_free(path);
    swg_free(folder);
    return status;
}

static swg_status open_source(swg_source *source, const swg_probe *probe)
{
    llama2c_state *state = swg_arena_calloc(&source->arena, 1, sizeof *state);
    if (!state)
        return SWG_NO_MEMORY;
    source->state = state;
    SWG_TRY(swg_map_open(probe->path, &state->map));
    header h;
    if (state->map.size < HEADER_BYTES || !parse_header(state->map.data, &h))
        return swg_error(SWG_CORRUPT, "%s: not a llama2.c header", probe->path);
    SWG_TRY(add_tensors(source, &h));
    SWG_TRY(write_config(source, &h));
    SWG_TRY(swg_source_add_input(source, probe->path));
    return add_tokenizer(source);
}

static void close_source(swg_source *source)
{
    llama2c_state *state = source->state;
    if (state)
        swg_map_close(&state->map);
}

static swg_status read_rows(swg_source *source, const swg_stored_tensor *tensor, size_t plane,
                            uint64_t row_begin, uint64_t n_rows, void *out)
{
    (void)source;
    swg_plane planes[SWG_MAX_PLANES];
    swg_tensor_planes(&tensor->desc, planes);
    const uint64_t *heads = tensor->detail;
    if (!heads) {
        swg_source_read_mapped(tensor, &planes[plane], row_begin, n_rows, out);
        return SWG_OK;
    }
    const uint64_t head_dim = planes[plane].rows / *heads, half = head_dim / 2;
    for (uint64_t i = 0; i < n_rows; i++) {
        const uint64_t row = row_begin + i, head = row / head_dim, at = row % head_dim;
        swg_source_read_mapped(tensor, &planes[plane],
                               head * head_dim + 2 * (at % half) + at / half, 1,
                               (uint8_t *)out + i * planes[plane].row_bytes);
    }
    return SWG_OK;
}

const swg_reader swg_reader_llama2c = {
    .name = "llama2c",
    .summary = "llama2.c .bin",
    .claims = claims,
    .open = open_source,
    .close = close_source,
    .read = read_rows,
};
