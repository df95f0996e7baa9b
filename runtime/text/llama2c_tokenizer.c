/* llama2.c's tokenizer.bin and its way of encoding (run.c): a space in front of every text that is
 * not empty, a token a character or else its bytes (byte b is id b + 3), then merging of whichever
 * neighbours join to the token of the highest score, leftmost first. The file is
 *     int32 longest token | for each id: float score, int32 length, bytes
 * in little-endian order. BOS takes no part in merging: no vocabulary has a token that starts with
 * its text. Bytes that run.c will not print (control characters, parts of characters) are decoded.
 */
#include <math.h>
#include <string.h>

#include "runtime/text/tokenizer_parts.h"

enum { BOS = 1, EOS = 2, FIRST_BYTE = 3, LEAST_IDS = FIRST_BYTE + 256, RECORD_BYTES = 8 };
enum { MAX_TOKEN_BYTES = 1024 };
static const float least_score = -1e10f; /* run.c merges only above it */
static const char file_name[] = "tokenizer.bin";

typedef struct llama2c_model {
    swg_vocab vocab; /* the file's tokens; the tokenizer's may get more */
    float *scores; /* [n_ids] */
    swg_joins joins;
    int32_t space;
} llama2c_model;

/* --- Encoding --------------------------------------------------------------------------------- */

static swg_merge joined_token(const void *context, int32_t left, int32_t right)
{
    const llama2c_model *model = context;
    char joined[2 * MAX_TOKEN_BYTES];
    size_t n_left, n_right;
    const char *left_text = swg_vocab_text(&model->vocab, left, &n_left);
    const char *right_text = swg_vocab_text(&model->vocab, right, &n_right);
    memcpy(joined, left_text, n_left);
    memcpy(joined + n_left, right_text, n_right);
    const int32_t id = swg_vocab_find(&model->vocab, joined, n_left + n_right);
    if (id < 0 || !(model->scores[id] > least_score))
        return (swg_merge){.id = -1};
    return (swg_merge){.rank = swg_merge_rank(model->scores[id]), .id = id};
}

/* The bytes that run.c looks up together: one, and up to three that continue a character. */
static size_t character_length(const char *text, size_t length)
{
    size_t n = 1;
    while (n < 4 && n < length && ((unsigned char)text[n] & 0xc0) == 0x80)
        n++;
    return n;
}

static swg_status encode(const void *data, swg_encoder *encoder, const char *text, size_t length)
{
    const llama2c_model *model = data;
    swg_ids *out = encoder->out;
    const size_t start = out->count;
    SWG_TRY(swg_ids_push(out, model->space));
    for (size_t at = 0; at < length;) {
        const size_t n = character_length(text + at, length - at);
        const int32_t id = swg_vocab_find(&model->vocab, text + at, n);
        if (id >= 0)
            SWG_TRY(swg_ids_push(out, id));
        else
            for (size_t i = 0; i < n; i++)
                SWG_TRY(swg_ids_push(out, FIRST_BYTE + (unsigned char)text[at + i]));
        at += n;
    }
    size_t count = out->count - start;
    SWG_TRY(swg_merger_run(&encoder->merger, joined_token, model, &model->joins, out->data + start,
                           &count));
    out->count = start + count;
    return SWG_OK;
}

/* --- Decoding --------------------------------------------------------------------------------- */

static void decode(const void *data, uint32_t *state, const swg_decode_place *place,
                   const char *text, size_t length, swg_strbuf *out)
{
    (void)data;
    (void)state;
    if (place->previous == BOS && length > 0 && text[0] == ' ') {
        text++;
        length--;
    }
    const int byte = swg_byte_token_value(text, length);
    if (byte >= 0)
        swg_strbuf_append(out, &(char){(char)byte}, 1);
    else
        swg_strbuf_append(out, text, length);
}

/* --- Reading ---------------------------------------------------------------------------------- */

static uint32_t load_u32(const char *bytes)
{
    const unsigned char *b = (const unsigned char *)bytes;
    return b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

/* Check the record at `at` and step over it. */
static swg_status check_record(const swg_file_view *file, size_t id, size_t *at)
{
    if (file->length - *at < RECORD_BYTES)
        return swg_error(SWG_CORRUPT, "%s: token %zu starts at byte %zu, but the file ends at %zu",
                         file_name, id, *at, file->length);
    float score;
    const uint32_t bits = load_u32(file->data + *at);
    memcpy(&score, &bits, sizeof score);
    if (!isfinite(score))
        return swg_error(SWG_CORRUPT, "%s: the score of token %zu is not a finite number",
                         file_name, id);
    const uint32_t length = load_u32(file->data + *at + 4);
    *at += RECORD_BYTES;
    if (length > MAX_TOKEN_BYTES || length > file->length - *at)
        return swg_error(SWG_CORRUPT,
                         "%s: token %zu is %u bytes long; %zu are left, and %d allowed", file_name,
                         id, length, file->length - *at, MAX_TOKEN_BYTES);
    *at += length;
    return SWG_OK;
}

/* Walk over all records once: how many are there, and is the file exactly them? */
static swg_status count_tokens(const swg_file_view *file, const swg_json *config, size_t *n_ids)
{
    if (file->length < 4)
        return swg_error(SWG_CORRUPT, "%s: %zu bytes are too few for a tokenizer", file_name,
                         file->length);
    size_t n = 0;
    for (size_t at = 4; at < file->length; n++)
        SWG_TRY(check_record(file, n, &at));
    int64_t wanted;
    if (swg_json_as_int(swg_json_get(config, "vocab_size"), &wanted) && (uint64_t)wanted != n)
        return swg_error(SWG_CORRUPT, "%s: holds %zu tokens, but the model's vocab_size is %lld",
                         file_name, n, (long long)wanted);
    if (n < LEAST_IDS)
        return swg_error(SWG_CORRUPT,
                         "%s: holds %zu tokens, fewer than the %d that byte tokens need", file_name,
                         n, LEAST_IDS);
    *n_ids = n;
    return SWG_OK;
}

static swg_status read_tokens(swg_tokenizer *tokenizer, const swg_file_view *file, float *scores)
{
    swg_vocab *vocab = &tokenizer->vocab;
    size_t at = 4;
    for (size_t id = 0; id < vocab->n_ids; id++) {
        const uint32_t bits = load_u32(file->data + at);
        const uint32_t length = load_u32(file->data + at + 4);
        memcpy(&scores[id], &bits, sizeof bits);
        at += RECORD_BYTES;
        SWG_TRY(swg_vocab_set(vocab, id, file->data + at, length));
        at += length;
    }
    return swg_vocab_index(vocab, &tokenizer->arena);
}

/* Two tokens merge only if their texts joined are a token: they meet at neighbouring bytes of one.
 * A character of a token may come from byte tokens, whose texts are ASCII. */
static void add_joins(llama2c_model *model)
{
    for (size_t id = 0; id < model->vocab.n_ids; id++) {
        size_t length;
        const char *text = swg_vocab_text(&model->vocab, (int64_t)id, &length);
        for (size_t at = 1; at < length; at++)
            swg_joins_add(&model->joins, swg_joins_last(text, at),
                          swg_joins_first(text + at, length - at));
    }
}

swg_status swg_tokenizer_read_llama2c(swg_tokenizer *tokenizer, const swg_text_files *files)
{
    const swg_file_view *file = swg_text_file(files, file_name);
    swg_arena *arena = &tokenizer->arena;
    size_t n_ids = 0;
    SWG_TRY(count_tokens(file, files->config, &n_ids));
    llama2c_model *model = swg_arena_calloc(arena, 1, sizeof *model);
    float *scores = swg_arena_calloc(arena, n_ids, sizeof *scores);
    tokenizer->is_special = swg_arena_calloc(arena, n_ids, sizeof *tokenizer->is_special);
    if (!model || !scores || !tokenizer->is_special)
        return SWG_NO_MEMORY;
    SWG_TRY(swg_vocab_init(&tokenizer->vocab, arena, n_ids, file->length));
    SWG_TRY(read_tokens(tokenizer, file, scores));
    *model = (llama2c_model){.vocab = tokenizer->vocab,
                             .scores = scores,
                             .space = swg_vocab_find(&tokenizer->vocab, " ", 1)};
    SWG_TRY(swg_joins_init(&model->joins, arena, &tokenizer->vocab));
    add_joins(model);
    if (model->space < 0)
        return swg_error(SWG_CORRUPT, "%s: has no token for a space", file_name);
    tokenizer->takes_any_bytes = true;
    tokenizer->model = encode;
    tokenizer->model_data = model;
    tokenizer->is_special[BOS] = tokenizer->is_special[EOS] = true;
    tokenizer->bos = tokenizer->before[0] = BOS;
    tokenizer->eos = EOS;
    tokenizer->n_before = 1;
    return swg_tokenizer_add_decoder(tokenizer, decode, NULL);
}
