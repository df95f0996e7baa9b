/* Ids to text: each token through the decode steps, and the bytes that come out held back until
 * they are whole characters. */
#include <string.h>

#include "runtime/base/utf8.h"
#include "runtime/text/tokenizer_parts.h"

struct swg_decoder {
    const swg_tokenizer *tokenizer;
    swg_decode_options options;
    swg_decode_place place;
    swg_work work;
    uint32_t states[SWG_TEXT_STEPS];
    swg_strbuf steps[2]; /* steps write them in turn */
    swg_strbuf held;     /* the start of a character */
};

/* Longer tokens are possible, but a list of them does not earn its length in budget. */
enum { LONG_TOKEN = 1024 };

swg_decode_options swg_decode_options_default(void)
{
    return (swg_decode_options){.skip_special = true};
}

static void start_over(swg_decoder *decoder)
{
    decoder->place = (swg_decode_place){.id = -1, .previous = -1};
    swg_work_begin(&decoder->work, decoder->tokenizer->file, 0);
    memset(decoder->states, 0, sizeof decoder->states);
    decoder->held.length = 0;
}

swg_status swg_decoder_new(const swg_tokenizer *tokenizer, const swg_decode_options *options,
                           swg_decoder **out)
{
    swg_decoder *decoder;
    SWG_TRY(SWG_NEW(decoder, 1));
    decoder->tokenizer = tokenizer;
    decoder->options = options ? *options : swg_decode_options_default();
    start_over(decoder);
    *out = decoder;
    return SWG_OK;
}

void swg_decoder_free(swg_decoder **decoder)
{
    if (!*decoder)
        return;
    swg_strbuf_deinit(&(*decoder)->steps[0]);
    swg_strbuf_deinit(&(*decoder)->steps[1]);
    swg_strbuf_deinit(&(*decoder)->held);
    SWG_FREE(*decoder);
}

swg_status swg_decoder_feed(swg_decoder *decoder, int32_t id, swg_strbuf *out)
{
    const swg_tokenizer *tokenizer = decoder->tokenizer;
    size_t length;
    const char *text = swg_vocab_text(&tokenizer->vocab, id, &length);
    if (!text)
        return swg_error(SWG_CORRUPT, "token id %d is not in the vocabulary of %zu ids", (int)id,
                         tokenizer->vocab.n_ids);
    if (tokenizer->normalized_form && tokenizer->normalized_form[id]) {
        text = tokenizer->normalized_form[id]->text;
        length = tokenizer->normalized_form[id]->length;
    }
    decoder->place.previous = decoder->place.id;
    decoder->place.id = id;
    if (decoder->options.skip_special && tokenizer->is_special[id])
        return SWG_OK;
    swg_work_add(&decoder->work, length < LONG_TOKEN ? length + 1 : LONG_TOKEN);
    SWG_TRY(swg_work_spend(&decoder->work, SWG_WORK_PER_PIECE + length * SWG_WORK_PER_WRITTEN));
    for (size_t i = 0; i < tokenizer->n_decoders; i++) {
        const swg_decode_step *step = &tokenizer->decoders[i];
        swg_strbuf *changed = &decoder->steps[i % 2];
        swg_work_prepare(&decoder->work, changed);
        SWG_TRY(swg_work_spend(&decoder->work, SWG_WORK_PER_PIECE + length));
        step->run(step->data, &decoder->states[i], &decoder->place, text, length, changed);
        SWG_TRY(swg_work_written(&decoder->work, changed));
        text = swg_strbuf_text(changed);
        length = changed->length;
    }
    decoder->place.index++;
    swg_strbuf *held = &decoder->held;
    swg_strbuf_append(held, text, length);
    SWG_TRY(swg_strbuf_status(held));
    const size_t whole = swg_utf8_complete_prefix(held->text, held->length);
    swg_strbuf_append(out, held->text, whole);
    memmove(held->text, held->text + whole, held->length - whole);
    held->length -= whole;
    return swg_strbuf_status(out);
}

swg_status swg_decoder_finish(swg_decoder *decoder, swg_strbuf *out)
{
    swg_strbuf_append(out, swg_strbuf_text(&decoder->held), decoder->held.length);
    start_over(decoder);
    return swg_strbuf_status(out);
}

swg_status swg_tokenizer_decode(const swg_tokenizer *tokenizer, const int32_t *ids, size_t n_ids,
                                const swg_decode_options *options, swg_strbuf *out)
{
    swg_decoder *decoder = NULL;
    swg_status status;
    SWG_GO(swg_decoder_new(tokenizer, options, &decoder));
    for (size_t i = 0; i < n_ids; i++)
        SWG_GO(swg_decoder_feed(decoder, ids[i], out));
    SWG_GO(swg_decoder_finish(decoder, out));
done:
    swg_decoder_free(&decoder);
    return status;
}
