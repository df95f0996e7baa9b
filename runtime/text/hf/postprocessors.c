/* Post-processors: the special tokens around a text. Templates for pairs of texts are not used. */
#include <string.h>

#include "runtime/text/hf/component.h"

static swg_status check_id(const swg_tokenizer *tokenizer, int64_t id, const char *name)
{
    size_t length;
    if (swg_vocab_text(&tokenizer->vocab, id, &length))
        return SWG_OK;
    return swg_error(SWG_CORRUPT,
                     "tokenizer.json: the post-processor gives \"%.100s\" the id %lld, which is "
                     "not in the vocabulary",
                     name, (long long)id);
}

static swg_status too_many(void)
{
    return swg_error(SWG_UNSUPPORTED,
                     "tokenizer.json: the post-processor puts more than %d tokens around a text",
                     SWG_SPECIAL_IDS);
}

/* A later post-processor works on what the earlier ones made: its tokens go outside of theirs. */
static swg_status surround(swg_tokenizer *tokenizer, const int32_t *before, size_t n_before,
                           const int32_t *after, size_t n_after)
{
    if (n_before > SWG_SPECIAL_IDS - tokenizer->n_before ||
        n_after > SWG_SPECIAL_IDS - tokenizer->n_after)
        return too_many();
    memmove(tokenizer->before + n_before, tokenizer->before,
            tokenizer->n_before * sizeof *tokenizer->before);
    memcpy(tokenizer->before, before, n_before * sizeof *before);
    tokenizer->n_before += n_before;
    memcpy(tokenizer->after + tokenizer->n_after, after, n_after * sizeof *after);
    tokenizer->n_after += n_after;
    return SWG_OK;
}

/* --- ByteLevel: offsets only ------------------------------------------------------------------ */

static swg_status read_nothing(swg_tokenizer *tokenizer, const swg_json *json)
{
    (void)tokenizer;
    (void)json;
    return SWG_OK;
}

/* --- BertProcessing, RobertaProcessing -------------------------------------------------------- */

/* "cls": ["[CLS]", 101] */
static swg_status read_token(const swg_tokenizer *tokenizer, const swg_json *json, const char *key,
                             int32_t *out)
{
    const swg_json *pair = swg_json_get(json, key);
    const char *name;
    int64_t id;
    if (!swg_json_as_string(swg_json_at(pair, 0), &name) ||
        !swg_json_as_int(swg_json_at(pair, 1), &id))
        return swg_error(SWG_CORRUPT, "tokenizer.json: \"%s\" is not [token, id]", key);
    SWG_TRY(check_id(tokenizer, id, name));
    *out = (int32_t)id;
    return SWG_OK;
}

static swg_status read_cls_sep(swg_tokenizer *tokenizer, const swg_json *json)
{
    int32_t cls = -1, sep = -1;
    SWG_TRY(read_token(tokenizer, json, "cls", &cls));
    SWG_TRY(read_token(tokenizer, json, "sep", &sep));
    return surround(tokenizer, &cls, 1, &sep, 1);
}

/* --- TemplateProcessing ----------------------------------------------------------------------- */

/* Append the ids of special_tokens[name]. */
static swg_status add_special(const swg_tokenizer *tokenizer, const swg_json *json,
                              const char *name, int32_t *ids, size_t *n)
{
    const swg_json *all =
        swg_json_get(swg_json_get(swg_json_get(json, "special_tokens"), name), "ids");
    if (!all || swg_json_kind_of(all) != SWG_JSON_ARRAY)
        return swg_error(SWG_CORRUPT,
                         "tokenizer.json: the template uses \"%.100s\", for which it has no ids",
                         name);
    for (const swg_json *item = swg_json_first(all); item; item = swg_json_next(item)) {
        int64_t id = -1;
        if (*n == SWG_SPECIAL_IDS)
            return too_many();
        swg_json_as_int(item, &id);
        SWG_TRY(check_id(tokenizer, id, name));
        ids[(*n)++] = (int32_t)id;
    }
    return SWG_OK;
}

static swg_status read_template(swg_tokenizer *tokenizer, const swg_json *json)
{
    const swg_json *single = swg_json_get(json, "single");
    int32_t ids[2][SWG_SPECIAL_IDS];
    size_t n[2] = {0, 0}, n_texts = 0;
    if (!single || swg_json_kind_of(single) != SWG_JSON_ARRAY)
        return swg_error(SWG_CORRUPT, "tokenizer.json: TemplateProcessing has no \"single\"");
    for (const swg_json *item = swg_json_first(single); item; item = swg_json_next(item)) {
        const swg_json *special = swg_json_get(item, "SpecialToken");
        const char *name;
        if (special && swg_json_as_string(swg_json_get(special, "id"), &name))
            SWG_TRY(add_special(tokenizer, json, name, ids[n_texts], &n[n_texts]));
        else if (swg_json_get(item, "Sequence") && n_texts == 0)
            n_texts = 1;
        else
            return swg_error(SWG_UNSUPPORTED, "tokenizer.json: the template \"single\" is not "
                                              "tokens around one text");
    }
    if (n_texts == 0)
        return swg_error(SWG_UNSUPPORTED,
                         "tokenizer.json: the template \"single\" leaves the text out");
    return surround(tokenizer, ids[0], n[0], ids[1], n[1]);
}

/* --- The family ------------------------------------------------------------------------------- */

static swg_status read_sequence(swg_tokenizer *tokenizer, const swg_json *json)
{
    return swg_component_read_all(tokenizer, json, "processors", swg_post_read);
}

swg_status swg_post_read(swg_tokenizer *tokenizer, const swg_json *json)
{
    static const swg_component table[] = {
        {"BertProcessing", read_cls_sep},      {"ByteLevel", read_nothing},
        {"RobertaProcessing", read_cls_sep},   {"Sequence", read_sequence},
        {"TemplateProcessing", read_template},
    };
    return swg_component_read("post_processor", table, sizeof table / sizeof *table, tokenizer,
                              json);
}
