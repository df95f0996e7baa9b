/* tokenizer.json: the order in which its parts are read, and its added tokens. */
#include <string.h>

#include "runtime/text/hf/component.h"
#include "runtime/text/hf/json_vocab.h"

static const char file_name[] = "tokenizer.json";

/* --- The model -------------------------------------------------------------------------------- */

static swg_status read_bpe_or_guess(swg_tokenizer *tokenizer, const swg_json *json)
{
    /* Files written before the type was recorded are BPE when they have merges. */
    if (swg_json_get(json, "type") || !swg_json_get(json, "merges"))
        return swg_error(SWG_CORRUPT, "%s: the model has no \"type\"", file_name);
    return swg_bpe_read(tokenizer, json);
}

swg_status swg_model_read(swg_tokenizer *tokenizer, const swg_json *json)
{
    static const swg_component table[] = {
        {"BPE", swg_bpe_read},
        {"Unigram", swg_unigram_read},
        {"WordLevel", swg_wordlevel_read},
        {"WordPiece", swg_wordpiece_read},
    };
    const char *type;
    if (!swg_json_as_string(swg_json_get(json, "type"), &type))
        return read_bpe_or_guess(tokenizer, json);
    return swg_component_read("model", table, sizeof table / sizeof *table, tokenizer, json);
}

/* --- Added tokens ----------------------------------------------------------------------------- */

static swg_status read_added_token(swg_tokenizer *tokenizer, const swg_json *json)
{
    int64_t id = -1;
    bool normalized;
    swg_added_token token = {0};
    swg_json_as_int(swg_json_get(json, "id"), &id);
    token.id = (int32_t)id;
    SWG_TRY(swg_component_bool(json, "special", false, &token.is_special));
    SWG_TRY(swg_component_bool(json, "single_word", false, &token.single_word));
    SWG_TRY(swg_component_bool(json, "lstrip", false, &token.lstrip));
    SWG_TRY(swg_component_bool(json, "rstrip", false, &token.rstrip));
    SWG_TRY(swg_component_bool(json, "normalized", !token.is_special, &normalized));
    token.text = swg_vocab_text(&tokenizer->vocab, id, &token.length);
    tokenizer->is_special[id] = token.is_special;
    if (normalized)
        SWG_TRY(swg_added_normalize(tokenizer, &token));
    if (token.length == 0)
        return SWG_OK;
    swg_added_set *set = normalized ? &tokenizer->normalized_tokens : &tokenizer->raw_tokens;
    set->tokens[set->count++] = token;
    return SWG_OK;
}

static swg_status read_added(swg_tokenizer *tokenizer, const swg_json *added)
{
    if (swg_json_is_null(added))
        return SWG_OK;
    const size_t n = swg_json_count(added);
    swg_added_set *sets[] = {&tokenizer->raw_tokens, &tokenizer->normalized_tokens};
    for (size_t i = 0; i < 2; i++) {
        sets[i]->tokens = swg_arena_calloc(&tokenizer->arena, n, sizeof *sets[i]->tokens);
        if (!sets[i]->tokens)
            return SWG_NO_MEMORY;
    }
    for (const swg_json *item = swg_json_first(added); item; item = swg_json_next(item))
        SWG_TRY(read_added_token(tokenizer, item));
    swg_added_finish(&tokenizer->raw_tokens);
    swg_added_finish(&tokenizer->normalized_tokens);
    return SWG_OK;
}

/* --- Whole files ------------------------------------------------------------------------------ */

static swg_status read_parts(swg_tokenizer *tokenizer, const swg_json *root)
{
    const swg_json *added = swg_json_get(root, "added_tokens");
    const swg_json *model = swg_json_get(root, "model");
    if (!model || swg_json_kind_of(model) != SWG_JSON_OBJECT)
        return swg_error(SWG_CORRUPT, "%s: has no object \"model\"", file_name);
    SWG_TRY(swg_json_vocab_read(tokenizer, swg_json_get(model, "vocab"), added));
    SWG_TRY(swg_normalizer_read(tokenizer, swg_json_get(root, "normalizer")));
    SWG_TRY(swg_split_read(tokenizer, swg_json_get(root, "pre_tokenizer")));
    SWG_TRY(swg_model_read(tokenizer, model));
    SWG_TRY(read_added(tokenizer, added));
    SWG_TRY(swg_post_read(tokenizer, swg_json_get(root, "post_processor")));
    return swg_decoder_read(tokenizer, swg_json_get(root, "decoder"));
}

swg_status swg_tokenizer_read_json(swg_tokenizer *tokenizer, const swg_text_files *files)
{
    const swg_file_view *file = swg_text_file(files, file_name);
    swg_json_doc *doc = NULL;
    SWG_TRY(swg_json_parse(file->data, file->length, file_name, &doc));
    const swg_status status = read_parts(tokenizer, swg_json_root(doc));
    swg_json_free(&doc);
    return status;
}
