/* See eval_fixtures.h. */
#include "tests/eval/eval_fixtures.h"

static void put_special(swg_strbuf *out, int id, const char *content)
{
    swg_strbuf_printf(
        out,
        "%s{\"id\": %d, \"content\": \"%s\", \"special\": true, \"single_word\": false,"
        " \"lstrip\": false, \"rstrip\": false, \"normalized\": false}",
        id ? ", " : "", id, content);
}

static void put_processor(swg_strbuf *out, const char *around)
{
    if (!*around) {
        swg_strbuf_puts(out, "null");
        return;
    }
    const bool is_pair = strcmp(around, "cs") == 0;
    const char *first = is_pair ? "[CLS]" : "<s>";
    swg_strbuf_printf(
        out,
        "{\"type\": \"TemplateProcessing\", \"single\": [{\"SpecialToken\": {\"id\": "
        "\"%s\", \"type_id\": 0}}, {\"Sequence\": {\"id\": \"A\", \"type_id\": 0}}%s],"
        " \"pair\": [{\"Sequence\": {\"id\": \"A\", \"type_id\": 0}}],"
        " \"special_tokens\": {\"%s\": {\"id\": \"%s\", \"ids\": [%d], \"tokens\": "
        "[\"%s\"]}%s}}",
        first, is_pair ? ", {\"SpecialToken\": {\"id\": \"[SEP]\", \"type_id\": 0}}" : "", first,
        first, is_pair ? TOY_CLS : TOY_BOS, first,
        is_pair ? ", \"[SEP]\": {\"id\": \"[SEP]\", \"ids\": [3], \"tokens\": "
                  "[\"[SEP]\"]}"
                : "");
}

swg_tokenizer *toy_tokenizer(const char *around)
{
    swg_strbuf out = {0};
    swg_strbuf_puts(&out, "{\"version\": \"1.0\", \"truncation\": null, \"padding\": null, "
                          "\"added_tokens\": [");
    put_special(&out, TOY_BOS, "<s>");
    put_special(&out, TOY_MASK, "[MASK]");
    put_special(&out, TOY_CLS, "[CLS]");
    put_special(&out, TOY_SEP, "[SEP]");
    swg_strbuf_puts(&out, "], \"normalizer\": null, \"pre_tokenizer\": null, \"post_processor\": ");
    put_processor(&out, around);
    swg_strbuf_puts(&out,
                    ", \"decoder\": null, \"model\": {\"type\": \"BPE\", \"dropout\": null, "
                    "\"unk_token\": null, \"continuing_subword_prefix\": null, "
                    "\"end_of_word_suffix\": null, \"fuse_unk\": false, \"byte_fallback\": "
                    "false, \"merges\": [], \"vocab\": {\"<s>\": 0, \"[MASK]\": 1, \"[CLS]\": "
                    "2, \"[SEP]\": 3");
    for (int i = 0; i < 26; i++)
        swg_strbuf_printf(&out, ", \"%c\": %d", 'a' + i, TOY_A + i);
    swg_strbuf_puts(&out, ", \"\\n\": 30, \"\\r\": 31, \" \": 32}}}");
    const char *config =
        strcmp(around, "s") == 0 ? "{\"bos_token\": \"<s>\", \"add_bos_token\": true}" : "{}";
    const swg_file_view files[] = {{"tokenizer.json", out.text, out.length},
                                   {"tokenizer_config.json", config, strlen(config)}};
    swg_tokenizer *tokenizer = NULL;
    ck_ok(swg_strbuf_status(&out));
    ck_ok(swg_tokenizer_from_files(files, 2, NULL, &tokenizer));
    swg_strbuf_deinit(&out);
    return tokenizer;
}

swg_session toy_loaded(const char *path, const char *around, size_t n_threads)
{
    swg_session loaded = {0};
    ck_ok(swg_session_open(path, NULL, false, n_threads, NULL, &loaded));
    loaded.tokenizer = toy_tokenizer(around);
    return loaded;
}

swg_session micro_loaded(size_t n_threads)
{
    ck_ok(swg_micro_model_write(swg_test_path("micro.swg"), NULL, NULL, NULL, 3));
    return toy_loaded(swg_test_path("micro.swg"), "s", n_threads);
}

void fixture_path(const char *name, char out[256])
{
    snprintf(out, 256, "tests/runtime/fixtures/%s", name);
}
