/* vocab.txt: the pieces of BERT's WordPiece, one a line, whose settings are in
 * tokenizer_config.json. The tokenizer.json that the same class would be saved as is put together
 * and read. */
#include <string.h>

#include "runtime/base/json_writer.h"
#include "runtime/base/utf8.h"
#include "runtime/text/hf/component.h"

static const char file_name[] = "vocab.txt";
enum { MOST_CHARS = 100 }; /* of a word; longer ones are unknown */

/* The special tokens by their roles, with BERT's spelling. */
typedef enum role { UNK, SEP, PAD, CLS, MASK, N_ROLES } role;
static const struct {
    const char *key, *usual;
} roles[N_ROLES] = {[UNK] = {"unk_token", "[UNK]"},
                    [SEP] = {"sep_token", "[SEP]"},
                    [PAD] = {"pad_token", "[PAD]"},
                    [CLS] = {"cls_token", "[CLS]"},
                    [MASK] = {"mask_token", "[MASK]"}};

typedef struct role_token {
    const char *text;
    int64_t id; /* -1 = not in the vocabulary */
} role_token;

/* --- What is known of the class ----------------------------------------------------------------
 */

static swg_status check_class(const swg_text_files *files)
{
    static const char *const known[] = {"BertTokenizer", "DistilBertTokenizer", "ElectraTokenizer"};
    static const char suffix[] = "Fast";
    const char *name;
    if (!swg_json_as_string(swg_json_get(files->settings, "tokenizer_class"), &name) &&
        !swg_json_as_string(swg_json_get(files->config, "tokenizer_class"), &name))
        return SWG_OK;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        const size_t length = strlen(known[i]);
        if (strncmp(name, known[i], length) == 0 &&
            (name[length] == '\0' || strcmp(name + length, suffix) == 0))
            return SWG_OK;
    }
    return swg_error(SWG_UNSUPPORTED,
                     "%s: how tokenizer_class \"%.100s\" splits a text is not known; save the "
                     "tokenizer as tokenizer.json",
                     file_name, name);
}

/* --- Lines -------------------------------------------------------------------------------------
 */

/* The next line without its end; false after the last. */
static bool next_line(const swg_file_view *file, size_t *at, const char **line, size_t *length)
{
    if (*at >= file->length)
        return false;
    *line = file->data + *at;
    const char *stop = memchr(*line, '\n', file->length - *at);
    *length = stop ? (size_t)(stop - *line) : file->length - *at;
    *at += *length + 1;
    *length -= *length > 0 && (*line)[*length - 1] == '\r';
    return true;
}

static swg_status check_text(const swg_file_view *file)
{
    if (!swg_utf8_is_valid(file->data, file->length))
        return swg_error(SWG_CORRUPT, "%s is not UTF-8", file_name);
    const char *nul = memchr(file->data, '\0', file->length);
    return !nul ? SWG_OK
                : swg_error(SWG_CORRUPT, "%s: byte %zu is NUL", file_name,
                            (size_t)(nul - file->data));
}

/* The pieces as the object "vocab", and which lines the special tokens are on. */
static void put_pieces(swg_json_writer *json, const swg_file_view *file, swg_strbuf *key,
                       role_token found[N_ROLES])
{
    const char *line;
    size_t at = 0, length;
    swg_json_begin_object(json, "vocab");
    for (int64_t id = 0; next_line(file, &at, &line, &length); id++) {
        for (size_t i = 0; i < N_ROLES; i++)
            if (strlen(found[i].text) == length && memcmp(found[i].text, line, length) == 0)
                found[i].id = id;
        key->length = 0;
        swg_strbuf_append(key, line, length);
        swg_json_int(json, swg_strbuf_text(key), id);
    }
    swg_json_end_object(json);
}

/* --- The tokenizer.json ------------------------------------------------------------------------
 */

static void put_added(swg_json_writer *json, const role_token found[N_ROLES])
{
    swg_json_begin_array(json, "added_tokens");
    for (size_t i = 0; i < N_ROLES; i++) {
        if (found[i].id < 0)
            continue;
        swg_json_begin_object(json, NULL);
        swg_json_int(json, "id", found[i].id);
        swg_json_string(json, "content", found[i].text);
        swg_json_bool(json, "special", true);
        swg_json_end_object(json);
    }
    swg_json_end_array(json);
}

static void put_normalizer(swg_json_writer *json, const swg_json *settings)
{
    bool lowercase = true, chinese = true, strip;
    swg_json_as_bool(swg_json_get(settings, "do_lower_case"), &lowercase);
    swg_json_as_bool(swg_json_get(settings, "tokenize_chinese_chars"), &chinese);
    swg_json_begin_object(json, "normalizer");
    swg_json_string(json, "type", "BertNormalizer");
    swg_json_bool(json, "clean_text", true);
    swg_json_bool(json, "handle_chinese_chars", chinese);
    if (swg_json_as_bool(swg_json_get(settings, "strip_accents"), &strip))
        swg_json_bool(json, "strip_accents", strip);
    else
        swg_json_null(json, "strip_accents");
    swg_json_bool(json, "lowercase", lowercase);
    swg_json_end_object(json);
}

static void put_pair(swg_json_writer *json, const char *key, role_token token)
{
    swg_json_begin_array(json, key);
    swg_json_string(json, NULL, token.text);
    swg_json_int(json, NULL, token.id);
    swg_json_end_array(json);
}

static void put_parts(swg_json_writer *json, const swg_text_files *files, swg_strbuf *key,
                      role_token found[N_ROLES])
{
    static const char decoder[] = "{\"type\":\"WordPiece\",\"prefix\":\"##\",\"cleanup\":true}";
    static const char words[] = "{\"type\":\"BertPreTokenizer\"}";
    swg_json_begin_object(json, NULL);
    swg_json_begin_object(json, "model");
    swg_json_string(json, "type", "WordPiece");
    swg_json_string(json, "unk_token", found[UNK].text);
    swg_json_string(json, "continuing_subword_prefix", "##");
    swg_json_int(json, "max_input_chars_per_word", MOST_CHARS);
    put_pieces(json, swg_text_file(files, file_name), key, found);
    swg_json_end_object(json);
    put_added(json, found);
    put_normalizer(json, files->settings);
    swg_json_raw(json, "pre_tokenizer", words, sizeof words - 1);
    swg_json_begin_object(json, "post_processor");
    swg_json_string(json, "type", "BertProcessing");
    put_pair(json, "sep", found[SEP]);
    put_pair(json, "cls", found[CLS]);
    swg_json_end_object(json);
    swg_json_raw(json, "decoder", decoder, sizeof decoder - 1);
    swg_json_end_object(json);
}

static swg_status check_roles(const role_token found[N_ROLES])
{
    static const role needed[] = {UNK, SEP, CLS};
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++)
        if (found[needed[i]].id < 0)
            return swg_error(SWG_CORRUPT, "%s has no line \"%.100s\", the %s", file_name,
                             found[needed[i]].text, roles[needed[i]].key);
    return SWG_OK;
}

swg_status swg_tokenizer_read_vocab_txt(swg_tokenizer *tokenizer, const swg_text_files *files)
{
    swg_json_writer json = {.compact = true};
    swg_strbuf key = {0};
    role_token found[N_ROLES];
    const char *file;
    bool is_basic;
    swg_status status;
    SWG_GO(check_class(files));
    SWG_GO(check_text(swg_text_file(files, file_name)));
    if (swg_json_as_bool(swg_json_get(files->settings, "do_basic_tokenize"), &is_basic) &&
        !is_basic)
        SWG_GO(swg_error(SWG_UNSUPPORTED,
                         "%s: \"do_basic_tokenize\": false in tokenizer_config.json is not "
                         "supported; save the tokenizer as tokenizer.json",
                         file_name));
    for (size_t i = 0; i < N_ROLES; i++) {
        const char *named = swg_named_token(files, roles[i].key, &file);
        found[i] = (role_token){named ? named : roles[i].usual, -1};
    }
    put_parts(&json, files, &key, found);
    SWG_GO(swg_strbuf_status(&key));
    SWG_GO(swg_strbuf_status(&json.out));
    SWG_GO(check_roles(found));
    const swg_file_view made = {"tokenizer.json", swg_strbuf_text(&json.out), json.out.length};
    swg_text_files as_json = *files;
    as_json.files = &made;
    as_json.n_files = 1;
    SWG_GO(swg_tokenizer_read_json(tokenizer, &as_json));
done:
    swg_strbuf_deinit(&key);
    swg_json_deinit(&json);
    return status;
}
