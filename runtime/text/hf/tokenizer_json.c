/* tokenizer.json: the order in which its parts are read, and its added tokens; and the older pair
 * vocab.json + merges.txt, which means the same with GPT-2's byte-level parts. */
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

/* What a normalized token looks like in normalized text. */
static swg_status normalize_token(swg_tokenizer *tokenizer, swg_added_token *token)
{
    swg_strbuf buffers[2] = {{0}};
    swg_status status = SWG_OK;
    for (size_t i = 0; i < tokenizer->n_normalizers; i++) {
        const swg_normalize_step *step = &tokenizer->normalizers[i];
        swg_strbuf *out = &buffers[i % 2];
        out->length = 0;
        SWG_GO(step->run(step->data, token->text, token->length, out));
        SWG_GO(swg_strbuf_status(out));
        token->text = swg_strbuf_text(out);
        token->length = out->length;
    }
    token->text = swg_arena_strndup(&tokenizer->arena, token->text, token->length);
    status = token->text ? SWG_OK : SWG_NO_MEMORY;
done:
    swg_strbuf_deinit(&buffers[0]);
    swg_strbuf_deinit(&buffers[1]);
    return status;
}

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
        SWG_TRY(normalize_token(tokenizer, &token));
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
    SWG_GO(swg_bytelevel_add(tokenizer, false, true));
    SWG_GO(swg_bpe_read_text(tokenizer, swg_json_root(doc), merges->data, merges->length));
    SWG_GO(add_end_of_text(tokenizer));
    SWG_GO(swg_bytelevel_read_decoder(tokenizer, NULL));
done:
    swg_json_free(&doc);
    return status;
}
