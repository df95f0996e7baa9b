/* Added tokens: found in the text before anything else happens to it, leftmost first and the
 * longest of those that start there, by narrowing a range of the sorted tokens byte by byte. */
#include <stdlib.h>
#include <string.h>

#include "runtime/base/utf8.h"
#include "runtime/text/tokenizer_parts.h"
#include "runtime/text/match/unicode.h"

static int compare_tokens(const void *a, const void *b)
{
    const swg_added_token *x = a, *y = b;
    const size_t shared = x->length < y->length ? x->length : y->length;
    const int order = memcmp(x->text, y->text, shared);
    return order ? order : (x->length > y->length) - (x->length < y->length);
}

void swg_added_finish(swg_added_set *set)
{
    if (set->count > 1)
        qsort(set->tokens, set->count, sizeof *set->tokens, compare_tokens);
    for (size_t i = 0; i < set->count; i++)
        set->starts[(unsigned char)set->tokens[i].text[0]] = true;
}

swg_status swg_added_normalize(swg_tokenizer *tokenizer, swg_added_token *token)
{
    swg_strbuf buffers[2] = {{0}};
    swg_status status = SWG_OK;
    for (size_t i = 0; i < tokenizer->n_normalizers; i++) {
        const swg_normalize_step *step = &tokenizer->normalizers[i];
        swg_strbuf *out = &buffers[i % 2];
        SWG_GO(swg_normalize(step, &tokenizer->work, token->text, token->length, out));
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

swg_status swg_added_index(swg_tokenizer *tokenizer)
{
    const swg_added_set *set = &tokenizer->normalized_tokens;
    if (set->count == 0)
        return SWG_OK;
    tokenizer->normalized_form = swg_arena_calloc(&tokenizer->arena, tokenizer->vocab.n_ids,
                                                  sizeof(const swg_added_token *));
    if (!tokenizer->normalized_form)
        return SWG_NO_MEMORY;
    for (size_t i = 0; i < set->count; i++)
        tokenizer->normalized_form[set->tokens[i].id] = &set->tokens[i];
    return SWG_OK;
}

/* First token in [low, high), all of which share their first `depth` bytes, whose byte `depth` is
 * not below `byte`. A token that ends there sorts before all others. */
static size_t lower_bound(const swg_added_set *set, size_t low, size_t high, size_t depth,
                          unsigned byte)
{
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const swg_added_token *token = &set->tokens[middle];
        if (token->length <= depth || (unsigned char)token->text[depth] < byte)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The longest token that `text` starts with, or NULL. */
static swg_status longest_at(const swg_added_set *set, swg_work *work, const char *text,
                             size_t length, const swg_added_token **out)
{
    const swg_added_token *best = NULL;
    size_t low = 0, high = set->count;
    for (size_t depth = 0; low < high; depth++) {
        SWG_TRY(swg_work_spend(work, SWG_WORK_PER_LOOKUP));
        if (set->tokens[low].length == depth)
            best = &set->tokens[low];
        if (depth == length)
            break;
        const unsigned byte = (unsigned char)text[depth];
        low = lower_bound(set, low, high, depth, byte);
        high = lower_bound(set, low, high, depth, byte + 1);
    }
    *out = best;
    return SWG_OK;
}

/* Bytes of the white space that `text` starts with (ends with). */
static size_t space_at_start(const char *text, size_t length)
{
    size_t at = 0;
    while (at < length) {
        uint32_t code;
        const size_t step = swg_utf8_decode(text + at, length - at, &code);
        if (step == 0 || !swg_char_is_space(code))
            break;
        at += step;
    }
    return at;
}

static size_t space_at_end(const char *text, size_t length)
{
    size_t end = length;
    while (end > 0) {
        uint32_t code;
        const size_t start = swg_utf8_previous(text, end);
        if (swg_utf8_decode(text + start, end - start, &code) == 0 || !swg_char_is_space(code))
            break;
        end = start;
    }
    return length - end;
}

/* Whether text[begin, end) has no word character right before or after it. */
static bool stands_alone(const char *text, size_t length, size_t begin, size_t end)
{
    uint32_t code;
    if (begin > 0) {
        const size_t start = swg_utf8_previous(text, begin);
        if (swg_utf8_decode(text + start, begin - start, &code) && swg_char_is_word(code))
            return false;
    }
    return end == length || !swg_utf8_decode(text + end, length - end, &code) ||
           !swg_char_is_word(code);
}

swg_status swg_added_split(const swg_added_set *set, swg_encoder *encoder, const char *text,
                           size_t length, bool is_first, swg_added_part *part)
{
    size_t done = 0; /* everything before was handed on */
    for (size_t at = 0; set->count > 0 && at < length;) {
        const swg_added_token *token = NULL;
        if (set->starts[(unsigned char)text[at]])
            SWG_TRY(longest_at(set, &encoder->work, text + at, length - at, &token));
        if (!token) {
            at++;
            continue;
        }
        size_t begin = at, end = at + token->length;
        at = end;
        if ((token->is_special && !encoder->parse_special) ||
            (token->single_word && !stands_alone(text, length, begin, end)))
            continue;
        if (token->lstrip && begin > done)
            begin -= space_at_end(text + done, begin - done);
        if (begin < done)
            begin = done;
        if (token->rstrip)
            end += space_at_start(text + end, length - end);
        SWG_TRY(swg_work_spend(&encoder->work, (end - at) * SWG_WORK_PER_LOOKUP));
        if (begin > done)
            SWG_TRY(part(encoder, text + done, begin - done, is_first && done == 0, -1));
        SWG_TRY(part(encoder, text + begin, end - begin, is_first && begin == 0, token->id));
        done = end;
    }
    if (done < length)
        SWG_TRY(part(encoder, text + done, length - done, is_first && done == 0, -1));
    return SWG_OK;
}
