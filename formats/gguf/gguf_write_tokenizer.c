/* A GGUF's tokenizer keys out of the files that a checkpoint carries: tokenizer.json (byte-level
 * BPE, SentencePiece BPE, WordPiece), vocab.json + merges.txt, tokenizer.model, vocab.txt, or
 * llama2.c's tokenizer.bin, with the tokens that other files add. The
 * pre-tokenizer has to be one that engines know by name. tokenizer.json itself goes along under
 * tokenizer.huggingface.json, so that nothing of it is lost. */
#include <stdio.h>
#include <string.h>

#include "formats/bytes/bytes.h"
#include "formats/gguf/gguf_pretokenizers.h"
#include "formats/gguf/gguf_write_words.h"

static const char word_start[] = "\xe2\x96\x81"; /* U+2581 */

static const swg_file_view *find_file(const swg_sink *sink, const char *name)
{
    for (size_t i = 0; i < sink->meta.n_files; i++)
        if (strcmp(sink->meta.files[i].name, name) == 0)
            return &sink->meta.files[i];
    return NULL;
}

static void put_chat_template(const swg_gguf_words *v)
{
    const swg_file_view *file = find_file(v->sink, "chat_template.jinja");
    const char *text = swg_gguf_words_setting(v, "chat_template");
    if (file)
        swg_gguf_put_text(v->values, "tokenizer.chat_template", file->data, file->length);
    else if (text)
        swg_gguf_put_text(v->values, "tokenizer.chat_template", text, strlen(text));
}

/* --- Byte-level BPE --------------------------------------------------------------------------- */

enum { MAX_PATTERNS = 16 };

typedef struct pre_parts {
    const char *patterns[MAX_PATTERNS];
    size_t n;
    bool is_known, is_byte_level;
} pre_parts;

static void collect_patterns(const swg_json *pre, pre_parts *parts)
{
    const char *type = "", *pattern = NULL, *behavior = "Isolated";
    bool use_regex = true, prefix_space = false, individual = false, invert = false;
    swg_json_as_string(swg_json_get(pre, "type"), &type);
    if (strcmp(type, "Sequence") == 0) {
        const swg_json *all = swg_json_get(pre, "pretokenizers");
        for (const swg_json *p = swg_json_first(all); p; p = swg_json_next(p))
            collect_patterns(p, parts);
        return;
    }
    if (strcmp(type, "ByteLevel") == 0) {
        swg_json_as_bool(swg_json_get(pre, "use_regex"), &use_regex);
        swg_json_as_bool(swg_json_get(pre, "add_prefix_space"), &prefix_space);
        pattern = use_regex ? swg_gguf_pretokenizer_find("gpt-2", 5)->patterns[0] : NULL;
        parts->is_known = parts->is_known && !prefix_space;
        parts->is_byte_level = true;
    } else if (strcmp(type, "Digits") == 0) {
        swg_json_as_bool(swg_json_get(pre, "individual_digits"), &individual);
        pattern = individual ? "\\p{N}" : "\\p{N}+";
    } else {
        swg_json_as_string(swg_json_get(swg_json_get(pre, "pattern"), "Regex"), &pattern);
        swg_json_as_string(swg_json_get(pre, "behavior"), &behavior);
        swg_json_as_bool(swg_json_get(pre, "invert"), &invert);
        /* What a pattern that matches everything leaves out is nothing. */
        const bool keeps =
            invert ? strcmp(behavior, "Removed") == 0 : strcmp(behavior, "Isolated") == 0;
        parts->is_known = parts->is_known && strcmp(type, "Split") == 0 && pattern && keeps;
    }
    if (pattern && parts->n < MAX_PATTERNS)
        parts->patterns[parts->n++] = pattern;
}

static swg_status find_pre(const swg_gguf_words *v, const swg_json *root, const char **out)
{
    const swg_json *normalizer = swg_json_get(root, "normalizer");
    pre_parts parts = {.is_known = true};
    const char *form = "";
    bool ignore_merges = false;
    collect_patterns(swg_json_get(root, "pre_tokenizer"), &parts);
    swg_json_as_string(swg_json_get(normalizer, "type"), &form);
    swg_json_as_bool(swg_json_get(swg_json_get(root, "model"), "ignore_merges"), &ignore_merges);
    *out = parts.is_known && parts.is_byte_level
               ? swg_gguf_pretokenizer_name(parts.patterns, parts.n, form, ignore_merges)
               : NULL;
    return *out ? SWG_OK
                : swg_error(SWG_UNSUPPORTED,
                            "%s: the tokenizer cuts texts (first pattern: %.60s) in a way that "
                            "engines do not know by name",
                            v->sink->path, parts.n ? parts.patterns[0] : "none");
}

/* "a b", from either spelling; `buffer` may hold it. */
static const char *merge_text(const swg_json *item, swg_strbuf *buffer)
{
    const char *left, *right;
    if (swg_json_as_string(item, &left))
        return left;
    const swg_json *first = swg_json_first(item);
    if (!first || !swg_json_as_string(first, &left) ||
        !swg_json_as_string(swg_json_next(first), &right))
        return NULL;
    buffer->length = 0;
    swg_strbuf_printf(buffer, "%s %s", left, right);
    return swg_strbuf_text(buffer);
}

static swg_status put_merges(const swg_gguf_words *v, const swg_json *merges)
{
    swg_strbuf buffer = {0};
    swg_status status = SWG_OK;
    if (!merges || swg_json_kind_of(merges) != SWG_JSON_ARRAY)
        return swg_error(SWG_CORRUPT, "%s: the tokenizer has no array \"merges\"", v->sink->path);
    swg_gguf_put_array(v->values, "tokenizer.ggml.merges", SWG_GGUF_STRING, swg_json_count(merges));
    for (const swg_json *item = swg_json_first(merges); item; item = swg_json_next(item)) {
        const char *text = merge_text(item, &buffer);
        if (!text)
            SWG_GO(
                swg_error(SWG_CORRUPT, "%s: a merge of the tokenizer is no pair", v->sink->path));
        swg_gguf_append_text(&v->values->out, text, strlen(text));
    }
    status = swg_strbuf_status(&buffer);
done:
    swg_strbuf_deinit(&buffer);
    return status;
}

static swg_status put_byte_level(swg_gguf_words *v, const swg_json *root)
{
    const swg_json *model = swg_json_get(root, "model");
    const char *pre;
    SWG_TRY(find_pre(v, root, &pre));
    SWG_TRY(swg_gguf_words_read(v, swg_json_get(model, "vocab"), -1));
    SWG_TRY(swg_gguf_words_added(v, root, -1));
    SWG_TRY(swg_gguf_words_side_tokens(v));
    SWG_TRY(swg_gguf_words_fill(v));
    swg_gguf_words_put(v, "gpt2", pre, false);
    SWG_TRY(put_merges(v, swg_json_get(model, "merges")));
    swg_gguf_words_put_ends(v, swg_json_get(root, "post_processor"), false);
    return SWG_OK;
}

/* --- SentencePiece BPE ------------------------------------------------------------------------ */

/* SentencePiece merges the pair whose token has the best score: the earlier a merge, the better. A
 * token that no merge makes is found in texts as it is, and its score does not matter. */
static swg_status score_merges(swg_gguf_words *v, const swg_json *vocab, const swg_json *merges)
{
    swg_strbuf joined = {0};
    swg_status status = SWG_OK;
    const size_t n = swg_json_count(merges);
    for (size_t id = 0; id < v->n; id++)
        v->scores[id] = v->types[id] == SWG_TOKEN_NORMAL ? -(float)n - (float)id : 0.0f;
    size_t rank = 0;
    for (const swg_json *item = swg_json_first(merges); item; item = swg_json_next(item), rank++) {
        const char *text = merge_text(item, &joined);
        const char *space = text ? strchr(text, ' ') : NULL;
        int64_t id = -1;
        if (!space)
            SWG_GO(swg_error(SWG_CORRUPT, "%s: merge %zu of the tokenizer is no pair",
                             v->sink->path, rank));
        if (text != swg_strbuf_text(&joined)) {
            joined.length = 0;
            swg_strbuf_puts(&joined, text);
        }
        SWG_GO(swg_strbuf_status(&joined));
        const size_t cut = (size_t)(space - text);
        memmove(joined.text + cut, joined.text + cut + 1, joined.length - cut);
        if (swg_json_as_int(swg_json_get(vocab, joined.text), &id) && id >= 0 &&
            (uint64_t)id < v->n && v->types[id] == SWG_TOKEN_NORMAL && v->scores[id] <= -(float)n)
            v->scores[id] = -(float)rank;
    }
done:
    swg_strbuf_deinit(&joined);
    return status;
}

static bool has_normalizer(const swg_json *normalizer, const char *type)
{
    const char *name = "";
    const swg_json *all = swg_json_get(normalizer, "normalizers");
    swg_json_as_string(swg_json_get(normalizer, "type"), &name);
    for (const swg_json *item = swg_json_first(all); item; item = swg_json_next(item))
        if (has_normalizer(item, type))
            return true;
    return strcmp(name, type) == 0;
}

static swg_status put_sentencepiece(swg_gguf_words *v, const swg_json *root)
{
    const swg_json *model = swg_json_get(root, "model"), *vocab = swg_json_get(model, "vocab");
    const char *unk_text = NULL;
    int64_t unk = -1;
    bool prepends = has_normalizer(swg_json_get(root, "normalizer"), "Prepend");
    const char *scheme = "";
    if (swg_json_as_string(swg_json_get(swg_json_get(root, "pre_tokenizer"), "prepend_scheme"),
                           &scheme))
        prepends = strcmp(scheme, "never") != 0;
    if (swg_json_as_string(swg_json_get(model, "unk_token"), &unk_text))
        swg_json_as_int(swg_json_get(vocab, unk_text), &unk);
    SWG_TRY(swg_gguf_words_read(v, vocab, unk));
    SWG_TRY(swg_gguf_words_added(v, root, unk));
    SWG_TRY(swg_gguf_words_side_tokens(v));
    SWG_TRY(swg_gguf_words_fill(v));
    SWG_TRY(score_merges(v, vocab, swg_json_get(model, "merges")));
    swg_gguf_words_put(v, "llama", "default", true);
    swg_gguf_put_bool(v->values, "tokenizer.ggml.add_space_prefix", prepends);
    swg_gguf_words_put_ends(v, swg_json_get(root, "post_processor"), false);
    return SWG_OK;
}

/* llama2.c: int32 longest | for each id: float score, int32 length, text with spaces as they are.
 */
static swg_status read_llama2c(swg_gguf_words *v, const swg_file_view *file)
{
    enum { N_SPECIAL = 3, N_BYTES = 256 };
    swg_cursor cursor = {.at = (const uint8_t *)file->data, .left = file->length};
    swg_cursor_number(&cursor, 4);
    for (size_t id = 0; id < v->n; id++) {
        const uint32_t bits = (uint32_t)swg_cursor_number(&cursor, 4);
        const uint64_t length = swg_cursor_number(&cursor, 4);
        const char *text = (const char *)swg_cursor_take(&cursor, length);
        if (!text)
            return swg_error(SWG_CORRUPT, "%s: tokenizer.bin ends inside token %zu of %zu",
                             v->sink->path, id, v->n);
        memcpy(&v->scores[id], &bits, sizeof bits);
        swg_strbuf spelled = {0};
        for (uint64_t i = 0; i < length; i++)
            swg_strbuf_append(&spelled, text[i] == ' ' ? word_start : &text[i],
                              text[i] == ' ' ? sizeof word_start - 1 : 1);
        static const char *const special[N_SPECIAL] = {"<unk>", "<s>", "</s>"};
        const char *name = id < N_SPECIAL ? special[id] : swg_strbuf_text(&spelled);
        char *copy = swg_arena_strndup(&v->arena, name, strlen(name));
        const bool failed = spelled.failed || !copy;
        swg_strbuf_deinit(&spelled);
        if (failed)
            return SWG_NO_MEMORY;
        SWG_TRY(swg_gguf_words_set(v, (int64_t)id, copy,
                                   id == 0                    ? SWG_TOKEN_UNKNOWN
                                   : id < N_SPECIAL           ? SWG_TOKEN_CONTROL
                                   : id < N_SPECIAL + N_BYTES ? SWG_TOKEN_BYTE
                                                              : SWG_TOKEN_NORMAL));
    }
    return cursor.left == 0 ? SWG_OK
                            : swg_error(SWG_CORRUPT, "%s: tokenizer.bin has more than %zu tokens",
                                        v->sink->path, v->n);
}

static swg_status put_llama2c(swg_gguf_words *v, const swg_file_view *file)
{
    SWG_TRY(read_llama2c(v, file));
    swg_gguf_words_put(v, "llama", "default", true);
    swg_gguf_put_bool(v->values, "tokenizer.ggml.add_space_prefix", true);
    swg_gguf_words_put_ends(v, NULL, true);
    return SWG_OK;
}

/* --- WordPiece -------------------------------------------------------------------------------- */

/* WordPiece marks pieces inside a word, GGUF those that start one. */
static swg_status respell_pieces(swg_gguf_words *v)
{
    for (size_t id = 0; id < v->n; id++) {
        const char *text = v->tokens[id];
        const size_t length = strlen(text);
        if (length > 2 && text[0] == '[' && text[length - 1] == ']')
            continue;
        if (strncmp(text, "##", 2) == 0) {
            v->tokens[id] = text + 2;
            continue;
        }
        char *spelled = swg_arena_calloc(&v->arena, length + sizeof word_start, 1);
        if (!spelled)
            return SWG_NO_MEMORY;
        memcpy(spelled, word_start, sizeof word_start - 1);
        memcpy(spelled + sizeof word_start - 1, text, length);
        v->tokens[id] = spelled;
    }
    return SWG_OK;
}

/* Engines put the token that they call bos in front, whatever its name, and a separator behind. */
static void put_wordpiece_ends(const swg_gguf_words *v, const swg_json *post, int64_t cls,
                               int64_t sep)
{
    const char *type = "";
    swg_json_as_string(swg_json_get(post, "type"), &type);
    const bool is_bert = !post || strcmp(type, "BertProcessing") == 0;
    swg_gguf_words_put_id(v, "bos", cls);
    swg_gguf_put_bool(v->values, "tokenizer.ggml.add_bos_token",
                      cls >= 0 && (is_bert || swg_gguf_words_template(v, post, false) == cls));
    swg_gguf_put_bool(v->values, "tokenizer.ggml.add_sep_token",
                      sep >= 0 && (is_bert || swg_gguf_words_template(v, post, true) == sep));
}

/* llama.cpp strips accents where it lowers case, unless told, as Hugging Face does. */
static void put_wordpiece_normalizer(const swg_gguf_words *v, const swg_json *normalizer)
{
    bool lowercase = true, strip;
    swg_json_as_bool(swg_json_get(v->settings, "do_lower_case"), &lowercase);
    swg_json_as_bool(swg_json_get(normalizer, "lowercase"), &lowercase);
    if (!normalizer || has_normalizer(normalizer, "BertNormalizer"))
        swg_gguf_put_bool(v->values, "tokenizer.ggml.normalizer.lowercase", lowercase);
    if (swg_json_as_bool(swg_json_get(normalizer, "strip_accents"), &strip))
        swg_gguf_put_bool(v->values, "tokenizer.ggml.normalizer.strip_accents", strip);
}

/* The pieces are read; `post` and `normalizer` are those of a tokenizer.json, NULL for the usual.
 */
static swg_status put_pieces(swg_gguf_words *v, const swg_json *post, const swg_json *normalizer)
{
    static const char *const special[][3] = {{"unk", "unknown", "[UNK]"},
                                             {"sep", "seperator", "[SEP]"},
                                             {"pad", "padding", "[PAD]"},
                                             {"cls", "cls", "[CLS]"},
                                             {"mask", "mask", "[MASK]"}};
    int64_t ids[sizeof special / sizeof *special];
    SWG_TRY(swg_gguf_words_side_tokens(v));
    SWG_TRY(swg_gguf_words_fill(v));
    for (size_t i = 0; i < sizeof special / sizeof *special; i++)
        ids[i] = swg_gguf_words_put_special(v, special[i][0], special[i][1], special[i][2]);
    put_wordpiece_ends(v, post, ids[3], ids[1]);
    put_wordpiece_normalizer(v, normalizer);
    SWG_TRY(respell_pieces(v));
    swg_gguf_words_put(v, "bert", "default", false);
    return SWG_OK;
}

static swg_status put_wordpiece(swg_gguf_words *v, const swg_json *root)
{
    SWG_TRY(swg_gguf_words_read(v, swg_json_get(swg_json_get(root, "model"), "vocab"), -1));
    SWG_TRY(swg_gguf_words_added(v, root, -1));
    return put_pieces(v, swg_json_get(root, "post_processor"), swg_json_get(root, "normalizer"));
}

/* A piece a line. */
static swg_status put_vocab_txt(swg_gguf_words *v, const swg_file_view *file)
{
    const char *const end = file->data + file->length;
    int64_t id = 0;
    for (const char *line = file->data; line < end; id++) {
        const char *stop = memchr(line, '\n', (size_t)(end - line));
        size_t length = (size_t)((stop ? stop : end) - line);
        const size_t step = length + 1;
        length -= length > 0 && line[length - 1] == '\r';
        const char *const text = swg_arena_strndup(&v->arena, line, length);
        if (!text)
            return SWG_NO_MEMORY;
        const bool is_special = length > 2 && text[0] == '[' && text[length - 1] == ']';
        SWG_TRY(swg_gguf_words_set(v, id, text, is_special ? SWG_TOKEN_CONTROL : SWG_TOKEN_NORMAL));
        line += step;
    }
    return put_pieces(v, NULL, NULL);
}

/* --- Choosing --------------------------------------------------------------------------------- */

static swg_status put_json(swg_gguf_words *v, const swg_file_view *file)
{
    swg_json_doc *doc = NULL;
    swg_status status = SWG_OK;
    const char *type = "BPE";
    bool byte_fallback = false;
    SWG_GO(swg_json_parse(file->data, file->length, "tokenizer.json", &doc));
    const swg_json *root = swg_json_root(doc), *model = swg_json_get(root, "model");
    swg_json_as_string(swg_json_get(model, "type"), &type);
    swg_json_as_bool(swg_json_get(model, "byte_fallback"), &byte_fallback);
    if (strcmp(type, "WordPiece") == 0)
        SWG_GO(put_wordpiece(v, root));
    else if (strcmp(type, "BPE") == 0)
        SWG_GO(byte_fallback ? put_sentencepiece(v, root) : put_byte_level(v, root));
    else
        SWG_GO(swg_error(SWG_UNSUPPORTED, "%s: a tokenizer of type %.40s is not written to a GGUF",
                         v->sink->path, type));
    swg_gguf_put_text(v->values, "tokenizer.huggingface.json", file->data, file->length);
done:
    swg_json_free(&doc);
    return status;
}

/* Lines of merges.txt after its version. */
static swg_status put_vocab_merges(swg_gguf_words *v, const swg_file_view *vocab)
{
    const swg_file_view *merges = find_file(v->sink, "merges.txt");
    swg_json_doc *doc = NULL;
    swg_status status = SWG_OK;
    uint64_t n = 0;
    SWG_GO(swg_json_parse(vocab->data, vocab->length, "vocab.json", &doc));
    SWG_GO(swg_gguf_words_read(v, swg_json_root(doc), -1));
    SWG_GO(swg_gguf_words_side_tokens(v));
    SWG_GO(swg_gguf_words_fill(v));
    const int64_t end = swg_gguf_words_find(v, "<|endoftext|>");
    if (end >= 0)
        v->types[end] = SWG_TOKEN_CONTROL;
    swg_gguf_words_put(v, "gpt2", "gpt-2", false);
    for (int pass = 0; pass < 2; pass++) {
        if (pass)
            swg_gguf_put_array(v->values, "tokenizer.ggml.merges", SWG_GGUF_STRING, n);
        for (const char *line = merges->data; *line;) {
            const size_t length = strcspn(line, "\r\n");
            const bool counts = length > 0 && strncmp(line, "#version", 8) != 0;
            if (counts && pass)
                swg_gguf_append_text(&v->values->out, line, length);
            n += counts && !pass;
            line += length + strspn(line + length, "\r\n");
        }
    }
    swg_gguf_words_put_ends(v, NULL, false);
done:
    swg_json_free(&doc);
    return status;
}

/* How engines spell a model without tokenizer. */
static void put_nothing(swg_gguf_words *v)
{
    swg_gguf_put_text(v->values, "tokenizer.ggml.model", "none", 4);
    swg_gguf_words_put_special(v, "bos", "bos", NULL);
    swg_gguf_words_put_end_ids(v, swg_gguf_words_special(v, "eos", NULL));
}

/* A side file of JSON, when it is carried. */
static swg_status parse_side(const swg_sink *sink, const char *name, swg_json_doc **doc,
                             const swg_json **root)
{
    const swg_file_view *file = find_file(sink, name);
    *root = NULL;
    if (!file)
        return SWG_OK;
    SWG_TRY(swg_json_parse(file->data, file->length, name, doc));
    *root = swg_json_root(*doc);
    return SWG_OK;
}

/* By the first of the vocabulary's files that is there. */
static swg_status put_any(swg_gguf_words *v)
{
    static const struct {
        const char *name;
        swg_status (*put)(swg_gguf_words *v, const swg_file_view *file);
    } kinds[] = {{"tokenizer.json", put_json},
                 {"vocab.json", put_vocab_merges},
                 {"tokenizer.model", swg_gguf_put_spm},
                 {"vocab.txt", put_vocab_txt},
                 {"tokenizer.bin", put_llama2c}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        const swg_file_view *file = find_file(v->sink, kinds[i].name);
        const bool is_half = i == 1 && !find_file(v->sink, "merges.txt");
        if (file && !is_half)
            return kinds[i].put(v, file);
    }
    put_nothing(v);
    return SWG_OK;
}

swg_status swg_gguf_put_tokenizer(const swg_sink *sink, const swg_json *config, uint64_t vocab_size,
                                  swg_gguf_values *values)
{
    swg_gguf_words v = {.sink = sink, .config = config, .values = values};
    swg_json_doc *settings = NULL, *added = NULL;
    swg_status status = SWG_OK;
    SWG_GO(swg_gguf_words_room(&v, vocab_size));
    SWG_GO(parse_side(sink, "tokenizer_config.json", &settings, &v.settings));
    SWG_GO(parse_side(sink, "added_tokens.json", &added, &v.added));
    SWG_GO(put_any(&v));
    put_chat_template(&v);
done:
    swg_json_free(&settings);
    swg_json_free(&added);
    swg_arena_deinit(&v.arena);
    return status;
}
