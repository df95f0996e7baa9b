/* Hugging Face's tokenizer.json and tokenizer_config.json out of a GGUF's tokenizer.ggml.*, for its
 * three common models: "gpt2" (byte-level BPE with a pre-tokenizer known by name), "llama"
 * (SentencePiece BPE with byte fallback, its merges derived from the scores) and "bert"
 * (WordPiece). Other models are refused: --tokenizer can then bring the right file. */
#include <stdio.h>
#include <string.h>

#include "formats/gguf/gguf.h"
#include "formats/gguf/gguf_pretokenizers.h"
#include "formats/gguf/gguf_vocab.h"

static const char word_start[] = "\xe2\x96\x81"; /* U+2581 */
enum { WORD_START_BYTES = sizeof word_start - 1 };

typedef struct builder {
    const char *path;
    const swg_gguf_header *header;
    swg_gguf_vocab vocab;
    const swg_gguf_pretokenizer *pre; /* of "gpt2" */
    int64_t bos, eos, unk, sep, cls;
    swg_json_writer *json;
} builder;

static bool flag(const builder *b, const char *key, bool fallback)
{
    bool value = fallback;
    swg_gguf_as_bool(swg_gguf_find(b->header, key), &value);
    return value;
}

static void put_type(builder *b, const char *key, const char *type)
{
    swg_json_begin_object(b->json, key);
    swg_json_string(b->json, "type", type);
}

/* An object of a type alone, or null when the type is "". */
static void put_typed(builder *b, const char *key, const char *type)
{
    if (!*type) {
        swg_json_null(b->json, key);
        return;
    }
    put_type(b, key, type);
    swg_json_end_object(b->json);
}

static void put_text(builder *b, const char *key, swg_gguf_text text)
{
    swg_json_string_n(b->json, key, text.text, text.length);
}

/* --- Parts that all models have --------------------------------------------------------------- */

/* Tokens that stand in a text for themselves. Engines treat the ends of a text so even where the
 * types do not say it. */
static bool is_added(const builder *b, size_t id, bool *is_special)
{
    const int type = swg_gguf_vocab_type(&b->vocab, id);
    *is_special = type == SWG_TOKEN_CONTROL || type == SWG_TOKEN_UNKNOWN || (int64_t)id == b->bos ||
                  (int64_t)id == b->eos;
    return *is_special || type == SWG_TOKEN_USER_DEFINED;
}

/* The members that a token's description has in each of Hugging Face's files. */
static void put_added_token(builder *b, swg_gguf_text text, bool is_special)
{
    put_text(b, "content", text);
    swg_json_bool(b->json, "single_word", false);
    swg_json_bool(b->json, "lstrip", false);
    swg_json_bool(b->json, "rstrip", false);
    swg_json_bool(b->json, "normalized", false);
    swg_json_bool(b->json, "special", is_special);
    swg_json_end_object(b->json);
}

static void put_added(builder *b)
{
    swg_json_begin_array(b->json, "added_tokens");
    for (size_t id = 0; id < b->vocab.n; id++) {
        bool is_special;
        if (!is_added(b, id, &is_special))
            continue;
        swg_json_begin_object(b->json, NULL);
        swg_json_uint(b->json, "id", id);
        put_added_token(b, b->vocab.tokens[id], is_special);
    }
    swg_json_end_array(b->json);
}

/* The same for tokenizer_config.json. What starts a word is marked in a vocabulary of word pieces.
 */
static void put_added_decoder(builder *b)
{
    swg_json_begin_object(b->json, "added_tokens_decoder");
    for (size_t id = 0; id < b->vocab.n; id++) {
        bool is_special;
        char key[24];
        swg_gguf_text text = b->vocab.tokens[id];
        if (!is_added(b, id, &is_special))
            continue;
        if (text.length > WORD_START_BYTES &&
            memcmp(text.text, word_start, WORD_START_BYTES) == 0 && b->cls >= 0)
            text = (swg_gguf_text){text.text + WORD_START_BYTES, text.length - WORD_START_BYTES};
        snprintf(key, sizeof key, "%zu", id);
        swg_json_begin_object(b->json, key);
        put_added_token(b, text, is_special);
    }
    swg_json_end_object(b->json);
}

static void put_template_token(builder *b, int64_t id)
{
    if (id < 0)
        return;
    swg_json_begin_object(b->json, NULL);
    swg_json_begin_object(b->json, "SpecialToken");
    put_text(b, "id", b->vocab.tokens[id]);
    swg_json_int(b->json, "type_id", 0);
    swg_json_end_object(b->json);
    swg_json_end_object(b->json);
}

static void put_template_ids(builder *b, int64_t id)
{
    if (id < 0)
        return;
    const swg_gguf_text token = b->vocab.tokens[id];
    char name[256];
    const size_t length = token.length < sizeof name ? token.length : sizeof name - 1;
    memcpy(name, token.text, length);
    name[length] = '\0';
    swg_json_begin_object(b->json, name);
    put_text(b, "id", token);
    swg_json_begin_array(b->json, "ids");
    swg_json_int(b->json, NULL, id);
    swg_json_end_array(b->json);
    swg_json_begin_array(b->json, "tokens");
    put_text(b, NULL, token);
    swg_json_end_array(b->json);
    swg_json_end_object(b->json);
}

/* What stands around a text; -1 = nothing. */
static swg_status put_template(builder *b, int64_t before, int64_t after)
{
    enum { MAX_SPECIAL_BYTES = 255 };
    for (int i = 0; i < 2; i++) {
        const int64_t id = i ? after : before;
        if (id >= 0 && b->vocab.tokens[id].length > MAX_SPECIAL_BYTES)
            return swg_error(SWG_CORRUPT, "%s: special token %lld has %zu bytes", b->path,
                             (long long)id, b->vocab.tokens[id].length);
    }
    if (before < 0 && after < 0) {
        swg_json_null(b->json, "post_processor");
        return SWG_OK;
    }
    put_type(b, "post_processor", "TemplateProcessing");
    for (int pair = 0; pair < 2; pair++) {
        swg_json_begin_array(b->json, pair ? "pair" : "single");
        put_template_token(b, before);
        for (int part = 0; part <= pair; part++) {
            swg_json_begin_object(b->json, NULL);
            swg_json_begin_object(b->json, "Sequence");
            swg_json_string(b->json, "id", part ? "B" : "A");
            swg_json_int(b->json, "type_id", part);
            swg_json_end_object(b->json);
            swg_json_end_object(b->json);
            put_template_token(b, after);
        }
        swg_json_end_array(b->json);
    }
    swg_json_begin_object(b->json, "special_tokens");
    put_template_ids(b, before);
    if (after != before)
        put_template_ids(b, after);
    swg_json_end_object(b->json);
    swg_json_end_object(b->json);
    return SWG_OK;
}

/* BOS and EOS where the keys, or what engines do without them, want them. */
static swg_status put_ends(builder *b, bool bos_by_default)
{
    const bool adds_bos = flag(b, "tokenizer.ggml.add_bos_token", bos_by_default);
    const bool adds_eos = flag(b, "tokenizer.ggml.add_eos_token", false);
    return put_template(b, adds_bos ? b->bos : -1, adds_eos ? b->eos : -1);
}

/* A member of the vocabulary object; keys are written by hand because they have a length. */
static swg_status put_entry(builder *b, const char *before, size_t n_before, swg_gguf_text text,
                            size_t id, swg_strbuf *key)
{
    key->length = 0;
    swg_strbuf_append(key, before, n_before);
    swg_strbuf_append(key, text.text, text.length);
    SWG_TRY(swg_strbuf_status(key));
    swg_json_uint(b->json, swg_strbuf_text(key), id);
    return SWG_OK;
}

static swg_status put_vocab(builder *b)
{
    swg_strbuf key = {0};
    swg_status status = SWG_OK;
    swg_json_begin_object(b->json, "vocab");
    for (size_t id = 0; id < b->vocab.n; id++)
        SWG_GO(put_entry(b, "", 0, b->vocab.tokens[id], id, &key));
    swg_json_end_object(b->json);
done:
    swg_strbuf_deinit(&key);
    return status;
}

static void put_bpe_flags(builder *b, bool byte_fallback, bool ignore_merges)
{
    put_type(b, "model", "BPE");
    swg_json_null(b->json, "dropout");
    if (b->unk >= 0 && byte_fallback)
        put_text(b, "unk_token", b->vocab.tokens[b->unk]);
    else
        swg_json_null(b->json, "unk_token");
    swg_json_null(b->json, "continuing_subword_prefix");
    swg_json_null(b->json, "end_of_word_suffix");
    swg_json_bool(b->json, "fuse_unk", byte_fallback);
    swg_json_bool(b->json, "byte_fallback", byte_fallback);
    swg_json_bool(b->json, "ignore_merges", ignore_merges);
}

/* --- gpt2 ------------------------------------------------------------------------------------- */

static swg_status find_pretokenizer(builder *b)
{
    swg_gguf_text name = {"default", 7};
    const swg_gguf_value *value = swg_gguf_find(b->header, "tokenizer.ggml.pre");
    if (value && !swg_gguf_as_text(value, &name))
        return swg_error(SWG_CORRUPT, "%s: tokenizer.ggml.pre is not a string", b->path);
    b->pre = swg_gguf_pretokenizer_find(name.text, name.length);
    if (b->pre)
        return SWG_OK;
    return swg_error(SWG_UNSUPPORTED,
                     "%s: the pre-tokenizer \"%.*s\" is not known; give the model's tokenizer.json "
                     "with --tokenizer",
                     b->path, (int)(name.length < 64 ? name.length : 64), name.text);
}

static void put_byte_level(builder *b, const char *key)
{
    put_type(b, key, "ByteLevel");
    swg_json_bool(b->json, "add_prefix_space", false);
    swg_json_bool(b->json, "trim_offsets", true);
    swg_json_bool(b->json, "use_regex", false);
    swg_json_end_object(b->json);
}

static void put_splits(builder *b)
{
    put_type(b, "pre_tokenizer", "Sequence");
    swg_json_begin_array(b->json, "pretokenizers");
    for (const char *const *pattern = b->pre->patterns; *pattern; pattern++) {
        put_type(b, NULL, "Split");
        swg_json_begin_object(b->json, "pattern");
        swg_json_string(b->json, "Regex", *pattern);
        swg_json_end_object(b->json);
        swg_json_string(b->json, "behavior", "Isolated");
        swg_json_bool(b->json, "invert", false);
        swg_json_end_object(b->json);
    }
    put_byte_level(b, NULL);
    swg_json_end_array(b->json);
    swg_json_end_object(b->json);
}

static swg_status put_gpt2(builder *b)
{
    const swg_gguf_value *merges = swg_gguf_find(b->header, "tokenizer.ggml.merges");
    SWG_TRY(find_pretokenizer(b));
    if (!swg_gguf_is_array(merges, SWG_GGUF_STRING))
        return swg_error(SWG_CORRUPT, "%s: tokenizer.ggml.merges is not an array of strings",
                         b->path);
    put_typed(b, "normalizer", b->pre->normalizer);
    put_splits(b);
    SWG_TRY(put_ends(b, b->pre->adds_bos));
    put_byte_level(b, "decoder");
    put_bpe_flags(b, false, b->pre->ignore_merges);
    SWG_TRY(put_vocab(b));
    swg_gguf_text merge;
    swg_json_begin_array(b->json, "merges");
    for (size_t at = 0; swg_gguf_next_text(merges, &at, &merge);) {
        if (memchr(merge.text, '\0', merge.length))
            return swg_error(SWG_CORRUPT, "%s: a merge holds a zero byte", b->path);
        put_text(b, NULL, merge);
    }
    swg_json_end_array(b->json);
    swg_json_end_object(b->json);
    return SWG_OK;
}

/* --- llama ------------------------------------------------------------------------------------ */

static void put_replace(builder *b, const char *from, const char *to)
{
    put_type(b, NULL, "Replace");
    swg_json_begin_object(b->json, "pattern");
    swg_json_string(b->json, "String", from);
    swg_json_end_object(b->json);
    swg_json_string(b->json, "content", to);
    swg_json_end_object(b->json);
}

static void put_spaces(builder *b, bool adds_space)
{
    put_type(b, "normalizer", "Sequence");
    swg_json_begin_array(b->json, "normalizers");
    if (adds_space) {
        put_type(b, NULL, "Prepend");
        swg_json_string(b->json, "prepend", word_start);
        swg_json_end_object(b->json);
    }
    put_replace(b, " ", word_start);
    swg_json_end_array(b->json);
    swg_json_end_object(b->json);
    swg_json_null(b->json, "pre_tokenizer");
}

static void put_llama_decoder(builder *b, bool adds_space)
{
    put_type(b, "decoder", "Sequence");
    swg_json_begin_array(b->json, "decoders");
    put_replace(b, word_start, " ");
    put_typed(b, NULL, "ByteFallback");
    put_typed(b, NULL, "Fuse");
    if (adds_space) {
        put_type(b, NULL, "Strip");
        swg_json_string(b->json, "content", " ");
        swg_json_int(b->json, "start", 1);
        swg_json_int(b->json, "stop", 0);
        swg_json_end_object(b->json);
    }
    swg_json_end_array(b->json);
    swg_json_end_object(b->json);
}

static swg_status put_llama(builder *b)
{
    swg_gguf_merge *merges = NULL;
    size_t n = 0;
    if (!b->vocab.scores)
        return swg_error(SWG_CORRUPT, "%s: there are no tokenizer.ggml.scores", b->path);
    if (flag(b, "tokenizer.ggml.remove_extra_whitespaces", false))
        return swg_error(SWG_UNSUPPORTED,
                         "%s: tokenizer.ggml.remove_extra_whitespaces is not supported; give the "
                         "model's tokenizer.json with --tokenizer",
                         b->path);
    const bool adds_space = flag(b, "tokenizer.ggml.add_space_prefix", true);
    put_spaces(b, adds_space);
    SWG_TRY(put_ends(b, true));
    put_llama_decoder(b, adds_space);
    put_bpe_flags(b, true, false);
    SWG_TRY(put_vocab(b));
    SWG_TRY(swg_gguf_vocab_merges(&b->vocab, &merges, &n));
    swg_json_begin_array(b->json, "merges");
    for (size_t i = 0; i < n; i++) {
        swg_json_begin_array(b->json, NULL);
        put_text(b, NULL, b->vocab.tokens[merges[i].left]);
        put_text(b, NULL, b->vocab.tokens[merges[i].right]);
        swg_json_end_array(b->json);
    }
    swg_json_end_array(b->json);
    swg_json_end_object(b->json);
    swg_free(merges);
    return SWG_OK;
}

/* --- bert ------------------------------------------------------------------------------------- */

static bool is_bracketed(swg_gguf_text text)
{
    return text.length > 2 && text.text[0] == '[' && text.text[text.length - 1] == ']';
}

static bool starts_word(swg_gguf_text text)
{
    return text.length >= WORD_START_BYTES && memcmp(text.text, word_start, WORD_START_BYTES) == 0;
}

/* GGUF marks the pieces that start a word, WordPiece those that do not. */
static swg_status put_pieces(builder *b)
{
    swg_strbuf key = {0};
    swg_status status = SWG_OK;
    swg_json_begin_object(b->json, "vocab");
    for (size_t id = 0; id < b->vocab.n; id++) {
        swg_gguf_text text = b->vocab.tokens[id];
        const bool is_start = starts_word(text);
        if (is_start)
            text = (swg_gguf_text){text.text + WORD_START_BYTES, text.length - WORD_START_BYTES};
        const bool is_inside = !is_start && !is_bracketed(text);
        SWG_GO(put_entry(b, "##", is_inside ? 2 : 0, text, id, &key));
    }
    swg_json_end_object(b->json);
done:
    swg_strbuf_deinit(&key);
    return status;
}

/* A vocabulary without capital letters was made for text without them. */
static bool has_capitals(const builder *b)
{
    for (size_t id = 0; id < b->vocab.n; id++) {
        const swg_gguf_text text = b->vocab.tokens[id];
        for (size_t i = 0; i < text.length && !is_bracketed(text); i++)
            if (text.text[i] >= 'A' && text.text[i] <= 'Z')
                return true;
    }
    return false;
}

static swg_status put_bert(builder *b)
{
    static const char strip_accents[] = "tokenizer.ggml.normalizer.strip_accents";
    int64_t cls = b->cls >= 0 ? b->cls : b->bos, sep = b->sep >= 0 ? b->sep : b->eos;
    const bool lowercase = flag(b, "tokenizer.ggml.normalizer.lowercase", !has_capitals(b));
    cls = flag(b, "tokenizer.ggml.add_bos_token", true) ? cls : -1;
    sep = flag(b, "tokenizer.ggml.add_sep_token", true) ? sep : -1;
    if (b->unk < 0)
        return swg_error(SWG_CORRUPT, "%s: there is no tokenizer.ggml.unknown_token_id", b->path);
    put_type(b, "normalizer", "BertNormalizer");
    swg_json_bool(b->json, "clean_text", true);
    swg_json_bool(b->json, "handle_chinese_chars", true);
    if (swg_gguf_find(b->header, strip_accents))
        swg_json_bool(b->json, "strip_accents", flag(b, strip_accents, lowercase));
    else
        swg_json_null(b->json, "strip_accents");
    swg_json_bool(b->json, "lowercase", lowercase);
    swg_json_end_object(b->json);
    put_typed(b, "pre_tokenizer", "BertPreTokenizer");
    SWG_TRY(put_template(b, cls, sep));
    put_type(b, "decoder", "WordPiece");
    swg_json_string(b->json, "prefix", "##");
    swg_json_bool(b->json, "cleanup", true);
    swg_json_end_object(b->json);
    put_type(b, "model", "WordPiece");
    put_text(b, "unk_token", b->vocab.tokens[b->unk]);
    swg_json_string(b->json, "continuing_subword_prefix", "##");
    swg_json_int(b->json, "max_input_chars_per_word", 100);
    SWG_TRY(put_pieces(b));
    swg_json_end_object(b->json);
    return SWG_OK;
}

/* --- Files ------------------------------------------------------------------------------------ */

static swg_status builder_init(const char *path, const swg_gguf_header *header,
                               swg_json_writer *json, builder *b)
{
    *b = (builder){.path = path, .header = header, .json = json};
    SWG_TRY(swg_gguf_vocab_init(path, header, &b->vocab));
    const struct {
        const char *name;
        int64_t *id;
    } ids[] = {{"bos", &b->bos},
               {"eos", &b->eos},
               {"unknown", &b->unk},
               {"seperator", &b->sep}, /* so it is spelled */
               {"cls", &b->cls}};
    swg_status status = SWG_OK;
    for (size_t i = 0; status == SWG_OK && i < sizeof ids / sizeof *ids; i++)
        status = swg_gguf_vocab_special(path, header, &b->vocab, ids[i].name, ids[i].id);
    if (status != SWG_OK)
        swg_gguf_vocab_deinit(&b->vocab);
    return status;
}

static swg_status put_model(builder *b)
{
    static const struct {
        const char *name;
        swg_status (*put)(builder *b);
    } models[] = {{"gpt2", put_gpt2}, {"llama", put_llama}, {"bert", put_bert}};
    swg_gguf_text name;
    if (!swg_gguf_as_text(swg_gguf_find(b->header, "tokenizer.ggml.model"), &name))
        return swg_error(SWG_CORRUPT, "%s: tokenizer.ggml.model is not a string", b->path);
    for (size_t i = 0; i < sizeof models / sizeof *models; i++)
        if (swg_gguf_text_is(name, models[i].name))
            return models[i].put(b);
    return swg_error(SWG_UNSUPPORTED,
                     "%s: the tokenizer model \"%.*s\" is not known; give the model's "
                     "tokenizer.json with --tokenizer",
                     b->path, (int)(name.length < 64 ? name.length : 64), name.text);
}

swg_status swg_gguf_tokenizer_json(const char *path, const swg_gguf_header *header,
                                   swg_json_writer *json)
{
    builder b;
    swg_status status = SWG_OK;
    SWG_TRY(builder_init(path, header, json, &b));
    json->compact = true;
    swg_json_begin_object(json, NULL);
    swg_json_string(json, "version", "1.0");
    swg_json_null(json, "truncation");
    swg_json_null(json, "padding");
    put_added(&b);
    SWG_GO(put_model(&b));
    swg_json_end_object(json);
    status = swg_strbuf_status(&json->out);
done:
    swg_gguf_vocab_deinit(&b.vocab);
    return status;
}

swg_status swg_gguf_tokenizer_settings(const char *path, const swg_gguf_header *header,
                                       swg_json_writer *json)
{
    static const char *const flags[] = {"add_bos_token", "add_eos_token"};
    static const char *const tokens[][2] = {{"bos", "bos_token"},       {"eos", "eos_token"},
                                            {"unknown", "unk_token"},   {"padding", "pad_token"},
                                            {"seperator", "sep_token"}, {"cls", "cls_token"},
                                            {"mask", "mask_token"}};
    builder b;
    swg_status status = SWG_OK;
    SWG_TRY(builder_init(path, header, json, &b));
    swg_json_begin_object(json, NULL);
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        char key[64];
        bool value;
        snprintf(key, sizeof key, "tokenizer.ggml.%s", flags[i]);
        if (swg_gguf_as_bool(swg_gguf_find(header, key), &value))
            swg_json_bool(json, flags[i], value);
    }
    /* What engines call bos is BERT's [CLS]. */
    for (size_t i = b.cls >= 0 ? 1 : 0; i < sizeof tokens / sizeof *tokens; i++) {
        int64_t id;
        SWG_GO(swg_gguf_vocab_special(path, header, &b.vocab, tokens[i][0], &id));
        if (id >= 0)
            put_text(&b, tokens[i][1], b.vocab.tokens[id]);
    }
    /* The file that is carried may lack tokens that others added. */
    if (swg_gguf_find(header, "tokenizer.huggingface.json"))
        put_added_decoder(&b);
    swg_gguf_text text;
    if (swg_gguf_as_text(swg_gguf_find(header, "tokenizer.chat_template"), &text))
        put_text(&b, "chat_template", text);
    swg_json_end_object(json);
    status = swg_strbuf_status(&json->out);
done:
    swg_gguf_vocab_deinit(&b.vocab);
    return status;
}
