/* What the files beside a vocabulary say about it as a whole: which ids begin and end a text, and
 * whether encoding adds them. tokenizer_config.json comes first, special_tokens_map.json and
 * config.json fill in what it leaves open. */
#include <string.h>

#include "runtime/text/tokenizer_parts.h"

static void add_end(swg_tokenizer *tokenizer, int64_t id)
{
    if (id >= 0 && (uint64_t)id < tokenizer->vocab.n_ids && tokenizer->n_ends < SWG_END_IDS)
        tokenizer->ends[tokenizer->n_ends++] = (int32_t)id;
}

/* "eos_token_id": an id or a list of them. */
static void add_ends(swg_tokenizer *tokenizer, const swg_json *config)
{
    int64_t id;
    const swg_json *eos = swg_json_get(config, "eos_token_id");
    if (swg_json_as_int(eos, &id))
        add_end(tokenizer, id);
    else if (eos && swg_json_kind_of(eos) == SWG_JSON_ARRAY)
        for (const swg_json *item = swg_json_first(eos); item; item = swg_json_next(item))
            if (swg_json_as_int(item, &id))
                add_end(tokenizer, id);
}

/* Ids from config.json, where the tokenizer's own files name none. */
static void apply_config(swg_tokenizer *tokenizer, const swg_json *config)
{
    int64_t id;
    if (tokenizer->bos < 0 && swg_json_as_int(swg_json_get(config, "bos_token_id"), &id) &&
        id >= 0 && (uint64_t)id < tokenizer->vocab.n_ids)
        tokenizer->bos = (int32_t)id;
    add_ends(tokenizer, config);
    if (tokenizer->eos < 0 && tokenizer->n_ends > 0)
        tokenizer->eos = tokenizer->ends[0];
}

static swg_status set_named(const swg_tokenizer *tokenizer, const swg_text_files *files,
                            const char *key, int32_t *id)
{
    const char *file, *text = swg_named_token(files, key, &file);
    if (!text)
        return SWG_OK;
    const int32_t found = swg_vocab_find(&tokenizer->vocab, text, strlen(text));
    if (found < 0)
        return swg_error(SWG_CORRUPT, "%s: %s is \"%s\", which is not a token of the vocabulary",
                         file, key, text);
    *id = found;
    return SWG_OK;
}

bool swg_tokenizer_adds_bos(const swg_tokenizer *tokenizer)
{
    return tokenizer->bos >= 0 && tokenizer->n_before > 0 && tokenizer->before[0] == tokenizer->bos;
}

/* add_bos_token: true puts BOS in front where the post-processor does not, false takes it away. */
static void apply_add_bos(swg_tokenizer *tokenizer, bool add_bos)
{
    const bool has_bos = swg_tokenizer_adds_bos(tokenizer);
    const size_t kept = has_bos ? tokenizer->n_before - 1 : tokenizer->n_before;
    if (tokenizer->bos < 0 || add_bos == has_bos || (add_bos && kept == SWG_SPECIAL_IDS))
        return;
    memmove(tokenizer->before + (add_bos ? 1 : 0), tokenizer->before + (has_bos ? 1 : 0),
            kept * sizeof *tokenizer->before);
    if (add_bos)
        tokenizer->before[0] = tokenizer->bos;
    tokenizer->n_before = add_bos ? kept + 1 : kept;
}

/* add_eos_token: the same after a text. */
static void apply_add_eos(swg_tokenizer *tokenizer, bool add_eos)
{
    const size_t n = tokenizer->n_after;
    const bool has_eos = n > 0 && tokenizer->after[n - 1] == tokenizer->eos;
    if (tokenizer->eos < 0 || add_eos == has_eos || (add_eos && n == SWG_SPECIAL_IDS))
        return;
    if (add_eos)
        tokenizer->after[n] = tokenizer->eos;
    tokenizer->n_after = add_eos ? n + 1 : n - 1;
}

swg_status swg_tokenizer_apply_settings(swg_tokenizer *tokenizer, const swg_text_files *files)
{
    bool add_bos, add_eos;
    SWG_TRY(swg_tokenizer_add_side_tokens(tokenizer, files));
    SWG_TRY(swg_added_index(tokenizer));
    SWG_TRY(set_named(tokenizer, files, "bos_token", &tokenizer->bos));
    SWG_TRY(set_named(tokenizer, files, "eos_token", &tokenizer->eos));
    add_end(tokenizer, tokenizer->eos);
    apply_config(tokenizer, files->config);
    add_ends(tokenizer, files->generation); /* fine-tunes often put the end of a turn only there */
    if (tokenizer->bos < 0 && tokenizer->n_before > 0)
        tokenizer->bos = tokenizer->before[0]; /* what every text begins with */
    if (swg_json_as_bool(swg_json_get(files->settings, "add_bos_token"), &add_bos))
        apply_add_bos(tokenizer, add_bos);
    if (swg_json_as_bool(swg_json_get(files->settings, "add_eos_token"), &add_eos))
        apply_add_eos(tokenizer, add_eos);
    return SWG_OK;
}
