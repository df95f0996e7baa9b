/* Reading and using tokenizers, for their fuzz targets. */
#include "tests/fuzz/tokenizers.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/base/mem.h"

static bool is_done(swg_status status)
{
    if (status != SWG_OK && swg_error_message()[0] == '\0')
        abort();
    return status == SWG_OK;
}

static void check_ids(const swg_tokenizer *tokenizer, const swg_ids *ids)
{
    for (size_t i = 0; i < ids->count; i++)
        if (ids->data[i] < 0 || (size_t)ids->data[i] >= swg_tokenizer_vocab_size(tokenizer))
            abort();
}

/* Piece by piece, with special tokens printed. */
static bool decode_in_pieces(const swg_tokenizer *tokenizer, const swg_ids *ids, swg_strbuf *out)
{
    const swg_decode_options all = {.skip_special = false};
    swg_decoder *decoder = NULL;
    bool ok = is_done(swg_decoder_new(tokenizer, &all, &decoder));
    for (size_t i = 0; i < ids->count && ok; i++)
        ok = is_done(swg_decoder_feed(decoder, ids->data[i], out));
    ok = ok && is_done(swg_decoder_finish(decoder, out));
    swg_decoder_free(&decoder);
    return ok;
}

bool fuzz_tokenizer_use(const swg_tokenizer *tokenizer, const char *text, size_t length)
{
    const swg_decode_options all = {.skip_special = false};
    bool is_same = false;
    for (int how = 0; how < 4; how++) {
        const swg_encode_options options = {.add_special = how & 1, .parse_special = how & 2};
        swg_ids ids = {0};
        swg_strbuf whole = {0}, pieces = {0};
        if (is_done(swg_tokenizer_encode(tokenizer, text, length, &options, &ids))) {
            check_ids(tokenizer, &ids);
            const bool a =
                is_done(swg_tokenizer_decode(tokenizer, ids.data, ids.count, &all, &whole));
            if (a != decode_in_pieces(tokenizer, &ids, &pieces) || whole.length != pieces.length ||
                (whole.length && memcmp(whole.text, pieces.text, whole.length) != 0))
                abort();
            if (how == 0)
                is_same = whole.length == length &&
                          (length == 0 || memcmp(whole.text, text, length) == 0);
        }
        swg_strbuf_deinit(&pieces);
        swg_strbuf_deinit(&whole);
        swg_ids_deinit(&ids);
    }
    return is_same;
}

void fuzz_tokenizer_files(const swg_file_view *files, size_t n_files)
{
    static const char text[] = "the Cats,  unhappy\r\n 123 <s>e\xcc\x81\xef\xac\x81\xe4\xb8\xad"
                               "</s> \xff\xf0\x9f<mask> ab\xe2\x96\x81thethe \xf0\x9f\x98\x80";
    swg_tokenizer *tokenizer = NULL;
    swg_error_clear();
    if (is_done(swg_tokenizer_from_files(files, n_files, NULL, &tokenizer))) {
        (void)fuzz_tokenizer_use(tokenizer, text, sizeof text - 1);
        swg_tokenizer_free(&tokenizer);
    }
}

void fuzz_tokenizer_file(const char *name, const uint8_t *data, size_t size)
{
    char *copy = swg_strndup((const char *)data, size);
    if (!copy)
        abort();
    fuzz_tokenizer_files(&(swg_file_view){name, copy, size}, 1);
    swg_free(copy);
}
