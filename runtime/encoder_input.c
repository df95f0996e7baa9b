/* Texts for encoders: see encoder_input.h. */
#include "runtime/encoder_input.h"

#include <string.h>

#include "runtime/base/mem.h"

static swg_status append_id(swg_ids *ids, int32_t id)
{
    SWG_TRY(swg_reserve((void **)&ids->data, &ids->capacity, ids->count + 1, sizeof *ids->data));
    ids->data[ids->count++] = id;
    return SWG_OK;
}

/* The token that closes a text, or -1 where the tokenizer adds none. */
static int32_t closing_of(const swg_tokenizer *tokenizer, const swg_ids *ids)
{
    const int32_t last = ids->count ? ids->data[ids->count - 1] : -1;
    return swg_tokenizer_is_special(tokenizer, last) ? last : -1;
}

/* Append the second text; *begin = its first token. */
static swg_status append_second(const swg_tokenizer *tokenizer, const swg_hparams *hparams,
                                const char *second, swg_ids *ids, size_t *begin)
{
    const int32_t closing = closing_of(tokenizer, ids);
    for (int64_t i = 1; i < hparams->n_pair_separators && closing >= 0; i++)
        SWG_TRY(append_id(ids, closing));
    *begin = ids->count;
    swg_encode_options plain = swg_encode_options_default();
    plain.add_special = false;
    SWG_TRY(swg_tokenizer_encode(tokenizer, second, strlen(second), &plain, ids));
    return closing >= 0 ? append_id(ids, closing) : SWG_OK;
}

swg_status swg_encoder_input_make(const swg_tokenizer *tokenizer, const swg_hparams *hparams,
                                  const char *text, const char *second, swg_encoder_input *out)
{
    out->ids.count = out->types.count = 0;
    SWG_TRY(swg_tokenizer_encode(tokenizer, text, strlen(text), NULL, &out->ids));
    out->second_begin = out->ids.count;
    if (second)
        SWG_TRY(append_second(tokenizer, hparams, second, &out->ids, &out->second_begin));
    for (size_t i = 0; i < out->ids.count; i++)
        SWG_TRY(append_id(&out->types, i >= out->second_begin && hparams->n_token_types > 1));
    return SWG_OK;
}

void swg_encoder_input_deinit(swg_encoder_input *input)
{
    swg_ids_deinit(&input->ids);
    swg_ids_deinit(&input->types);
}

swg_status swg_encoder_mask(const swg_tokenizer *tokenizer, int32_t *out)
{
    static const char *const names[] = {"[MASK]", "<mask>"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        *out = swg_tokenizer_find(tokenizer, names[i], strlen(names[i]));
        if (*out >= 0)
            return SWG_OK;
    }
    return swg_error(SWG_UNSUPPORTED, "the tokenizer has neither a [MASK] nor a <mask> token");
}
