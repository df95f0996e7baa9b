/* Cutting a text at matches: finding them, and what becomes of them and of what is between them
 * (swg_split_behavior). */
#include "runtime/base/utf8.h"
#include "runtime/text/tokenizer_parts.h"

/* One run over a text. */
typedef struct split_run {
    const swg_split_rule *rule;
    swg_encoder *encoder;
    size_t next; /* step that gets the pieces */
    const char *text;
    bool is_first;
    size_t begin, end; /* a piece that may still grow; nothing when both are 0 */
    bool is_match;     /* kind of the part that came last */
} split_run;

static swg_status emit(split_run *run, size_t begin, size_t end)
{
    return swg_encoder_emit(run->encoder, run->next, run->text + begin, end - begin,
                            run->is_first && begin == 0);
}

/* Take the next part of the text, a match or what lies between two. Parts may be empty: they are no
 * pieces of their own but count as matches. */
static swg_status take(split_run *run, size_t begin, size_t end, bool is_match)
{
    const bool had_match = run->is_match, has_pending = run->end > 0;
    is_match = is_match != run->rule->invert;
    run->is_match = is_match;
    bool joins = false;
    switch (run->rule->behavior) {
    case SWG_SPLIT_REMOVED:
        return is_match ? SWG_OK : emit(run, begin, end);
    case SWG_SPLIT_ISOLATED:
        return emit(run, begin, end);
    case SWG_SPLIT_CONTIGUOUS:
        joins = is_match == had_match;
        break;
    case SWG_SPLIT_MERGED_WITH_PREVIOUS:
        joins = is_match && !had_match;
        break;
    case SWG_SPLIT_MERGED_WITH_NEXT:
        joins = !is_match && had_match;
        break;
    }
    if (has_pending && joins) {
        run->end = end;
        return SWG_OK;
    }
    const size_t done = run->begin, done_end = run->end;
    run->begin = begin;
    run->end = end;
    return has_pending ? emit(run, done, done_end) : SWG_OK;
}

/* As Oniguruma's iteration: an empty match right after the last match does not count. */
static swg_status take_pattern(split_run *run, size_t length)
{
    size_t done = 0, last_end = SIZE_MAX, from = 0;
    while (from <= length) {
        size_t begin, end;
        SWG_TRY(swg_regex_next(run->rule->regex, &run->encoder->regex, run->text, length, from,
                               &begin, &end));
        if (begin == SIZE_MAX)
            break;
        if (begin == end && end == last_end) {
            const size_t step =
                from < length ? swg_utf8_decode(run->text + from, length - from, NULL) : 1;
            from += step ? step : 1;
            continue;
        }
        if (begin > done)
            SWG_TRY(take(run, done, begin, false));
        SWG_TRY(take(run, begin, end, true));
        done = from = last_end = end;
    }
    return done < length ? take(run, done, length, false) : SWG_OK;
}

static swg_status take_characters(split_run *run, size_t length)
{
    const swg_split_rule *data = run->rule;
    size_t done = 0;
    for (size_t at = 0; at < length;) {
        uint32_t code = 0;
        const size_t step = swg_utf8_decode(run->text + at, length - at, &code);
        SWG_TRY(swg_work_spend(&run->encoder->work, 1));
        const bool is_match = data->test ? data->test(code) : code == data->delimiter;
        if (is_match && done < at)
            SWG_TRY(take(run, done, at, false));
        if (is_match)
            SWG_TRY(take(run, at, at + step, true));
        at += step ? step : 1;
        if (is_match)
            done = at;
    }
    return done < length ? take(run, done, length, false) : SWG_OK;
}

static swg_status split(const void *data, swg_encoder *encoder, size_t at, const char *text,
                        size_t length, bool is_first)
{
    split_run run = {
        .rule = data, .encoder = encoder, .next = at + 1, .text = text, .is_first = is_first};
    if (run.rule->known)
        for (size_t begin = 0; begin < length;) {
            const size_t end = run.rule->known(text, length, begin);
            SWG_TRY(take(&run, begin, end, true));
            begin = end;
        }
    else if (run.rule->regex)
        SWG_TRY(take_pattern(&run, length));
    else
        SWG_TRY(take_characters(&run, length));
    return run.end > 0 ? emit(&run, run.begin, run.end) : SWG_OK;
}

swg_status swg_split_add(swg_tokenizer *tokenizer, swg_split_rule rule)
{
    swg_split_rule *kept = swg_arena_calloc(&tokenizer->arena, 1, sizeof *kept);
    if (!kept)
        return SWG_NO_MEMORY;
    *kept = rule;
    return swg_tokenizer_add_split(tokenizer, split, kept);
}
