/* The older pair vocab.json + merges.txt: byte-level BPE whose splitting no file describes. It is
 * that of the class that tokenizer_config.json names ("tokenizer_class"), or else config.json's
 * model type, so a class that is not known here is refused. */
#include <string.h>

#include "runtime/text/hf/component.h"
#include "runtime/text/hf/json_vocab.h"

/* --- Classes ---------------------------------------------------------------------------------- */

/* What the class's tokenizer.json would have. */
typedef struct splitting {
    const char *normalizer, *pre_tokenizer;
} splitting;

#define BYTES(use_regex)                                                                           \
    "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":" use_regex "}"

static const splitting gpt2 = {"null", BYTES("true")};
static const splitting qwen2 = {
    "{\"type\":\"NFC\"}",
    "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"behavior\":\"Isolated\","
    "\"pattern\":{\"Regex\":\"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?\\\\p{L}+|"
    "\\\\p{N}| ?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n]*|\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|"
    "\\\\s+\"}}," BYTES("false") "]}"};
#undef BYTES

typedef struct class_row {
    const char *name;
    const splitting *how;
} class_row;

static const class_row classes[] = {
    {"CodeGenTokenizer", &gpt2},
    {"GPT2Tokenizer", &gpt2},
    {"Qwen2Tokenizer", &qwen2},
    {"PreTrainedTokenizerFast", &gpt2},
};
/* Models whose tokenizer is another class's than GPT-2's where no class is named. */
static const class_row model_types[] = {
    {"qwen2", &qwen2},
    {"qwen2_moe", &qwen2},
    {"qwen3", &qwen2},
    {"qwen3_moe", &qwen2},
};

static const splitting *find_row(const class_row *rows, size_t n, const char *name, size_t length)
{
    for (size_t i = 0; i < n; i++)
        if (strlen(rows[i].name) == length && memcmp(rows[i].name, name, length) == 0)
            return rows[i].how;
    return NULL;
}

static swg_status find_splitting(const swg_text_files *files, const splitting **out)
{
    static const char suffix[] = "Fast";
    const char *name;
    if (swg_json_as_string(swg_json_get(files->settings, "tokenizer_class"), &name) ||
        swg_json_as_string(swg_json_get(files->config, "tokenizer_class"), &name)) {
        const size_t n = sizeof classes / sizeof *classes, n_suffix = sizeof suffix - 1;
        size_t length = strlen(name);
        *out = find_row(classes, n, name, length);
        if (!*out && length > n_suffix && strcmp(name + length - n_suffix, suffix) == 0)
            *out = find_row(classes, n, name, length - n_suffix);
        return *out ? SWG_OK
                    : swg_error(SWG_UNSUPPORTED,
                                "vocab.json: how tokenizer_class \"%.100s\" splits a text is not "
                                "known; save the tokenizer as tokenizer.json",
                                name);
    }
    *out = NULL;
    if (swg_json_as_string(swg_json_get(files->config, "model_type"), &name))
        *out = find_row(model_types, sizeof model_types / sizeof *model_types, name, strlen(name));
    if (!*out)
        *out = &gpt2;
    return SWG_OK;
}

static swg_status read_component(swg_tokenizer *tokenizer, const char *json,
                                 swg_component_reader *read)
{
    swg_json_doc *doc = NULL;
    SWG_TRY(swg_json_parse(json, strlen(json), "tokenizer_class", &doc));
    const swg_status status = read(tokenizer, swg_json_root(doc));
    swg_json_free(&doc);
    return status;
}

static swg_status read_splits(swg_tokenizer *tokenizer, const swg_text_files *files)
{
    const splitting *how;
    SWG_TRY(find_splitting(files, &how));
    SWG_TRY(read_component(tokenizer, how->normalizer, swg_normalizer_read));
    return read_component(tokenizer, how->pre_tokenizer, swg_split_read);
}

/* --- Reading ---------------------------------------------------------------------------------- */

/* GPT-2's one added token, where the vocabulary has it. */
static swg_status add_end_of_text(swg_tokenizer *tokenizer)
{
    static const char text[] = "<|endoftext|>";
    const size_t length = sizeof text - 1;
    const int32_t id = swg_tokenizer_find(tokenizer, text, length);
    if (id < 0)
        return SWG_OK;
    swg_added_set *set = &tokenizer->raw_tokens;
    set->tokens = swg_arena_calloc(&tokenizer->arena, 1, sizeof *set->tokens);
    if (!set->tokens)
        return SWG_NO_MEMORY;
    set->tokens[set->count++] =
        (swg_added_token){.text = text, .length = length, .id = id, .is_special = true};
    swg_added_finish(set);
    tokenizer->is_special[id] = true;
    tokenizer->bos = tokenizer->eos = id;
    return SWG_OK;
}

swg_status swg_tokenizer_read_vocab_merges(swg_tokenizer *tokenizer, const swg_text_files *files)
{
    const swg_file_view *file = swg_text_file(files, "vocab.json");
    const swg_file_view *merges = swg_text_file(files, "merges.txt");
    swg_json_doc *doc = NULL;
    swg_status status;
    SWG_GO(swg_json_parse(file->data, file->length, "vocab.json", &doc));
    SWG_GO(swg_json_vocab_read(tokenizer, swg_json_root(doc), NULL));
    SWG_GO(read_splits(tokenizer, files));
    SWG_GO(swg_bpe_read_text(tokenizer, swg_json_root(doc), merges->data, merges->length));
    SWG_GO(add_end_of_text(tokenizer));
    SWG_GO(swg_bytelevel_read_decoder(tokenizer, NULL));
done:
    swg_json_free(&doc);
    return status;
}
