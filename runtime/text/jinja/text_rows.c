/* What Python's texts can do, as methods and filters of a chat template use it. */
#include "runtime/base/utf8.h"
#include "runtime/text/jinja/call.h"
#include "runtime/text/match/unicode.h"

bool swg_jis_space(uint32_t code)
{
    return swg_char_is_space(code) || (code >= 0x1c && code <= 0x1f);
}

/* The character at `at` (bytes that are none count by themselves), and its bytes. */
static size_t character(const swg_jvalue *text, size_t at, uint32_t *code)
{
    *code = (unsigned char)text->text[at];
    const size_t step = swg_utf8_decode(text->text + at, text->length - at, code);
    return step ? step : 1;
}

size_t swg_jcount(const swg_jvalue *text)
{
    size_t n = 0;
    uint32_t code;
    for (size_t at = 0; at < text->length; n++)
        at += character(text, at, &code);
    return n;
}

/* --- Stripping -------------------------------------------------------------------------------- */

/* `characters` absent: white space. */
static bool is_stripped(const swg_jvalue *characters, const char *c, size_t step, uint32_t code)
{
    if (!swg_jis_text(characters))
        return swg_jis_space(code);
    return memmem(characters->text, characters->length, c, step) != NULL;
}

swg_jvalue swg_jstrip(const swg_jvalue *text, const swg_jvalue *characters, bool left, bool right)
{
    size_t begin = 0, end = text->length;
    uint32_t code;
    while (left && begin < end) {
        const size_t step = character(text, begin, &code);
        if (!is_stripped(characters, text->text + begin, step, code))
            break;
        begin += step;
    }
    while (right && end > begin) {
        const size_t start = swg_utf8_previous(text->text, end);
        const size_t at = start < begin ? begin : start;
        const size_t step = character(text, at, &code);
        if (at + step != end || !is_stripped(characters, text->text + at, step, code))
            break;
        end = at;
    }
    return swg_jtext(text->text + begin, end - begin);
}

/* --- Case ------------------------------------------------------------------------------------- */

swg_status swg_jchange_case(const swg_jcall *call, const swg_jvalue *text, swg_jcase to,
                            swg_jvalue *out)
{
    swg_strbuf changed = {.limit = call->state->work.longest};
    bool in_word = false; /* title: the last character was a letter */
    for (size_t at = 0; at < text->length && !changed.failed;) {
        uint32_t code;
        const bool is_first = to == SWG_J_CAPITAL ? at == 0 : !in_word;
        const size_t step = character(text, at, &code);
        in_word = swg_char_is_letter(code);
        if (swg_utf8_decode(text->text + at, text->length - at, NULL) == 0)
            swg_strbuf_append(&changed, text->text + at, 1);
        else if (to == SWG_J_UPPER || (to != SWG_J_LOWER && is_first))
            swg_char_append_upper(&changed, code);
        else
            swg_char_append_lower(&changed, code);
        at += step;
    }
    return swg_jtext_take(call->state, &changed, out);
}

/* --- Replacing and joining -------------------------------------------------------------------- */

swg_status swg_jreplace(const swg_jcall *call, const swg_jvalue *text, const swg_jvalue *from,
                        const swg_jvalue *to, int64_t most, swg_jvalue *out)
{
    swg_strbuf changed = {.limit = call->state->work.longest};
    size_t at = 0;
    for (int64_t n = 0; (most < 0 || n < most) && !changed.failed; n++) {
        size_t before = 0, step = from->length;
        if (from->length > 0) {
            const char *found = at < text->length ? memmem(text->text + at, text->length - at,
                                                           from->text, from->length)
                                                  : NULL;
            if (!found)
                break;
            before = (size_t)(found - text->text) - at;
        } else if (n > 0) { /* before each character, and at the end */
            uint32_t code;
            if (at == text->length)
                break;
            before = character(text, at, &code);
            step = 0;
        }
        swg_strbuf_append(&changed, text->text + at, before);
        swg_strbuf_append(&changed, to->text, to->length);
        at += before + step;
    }
    swg_strbuf_append(&changed, text->text + at, text->length - at);
    return swg_jtext_take(call->state, &changed, out);
}

swg_status swg_jjoin(const swg_jcall *call, const swg_jvalue *separator, const swg_jlist *items,
                     swg_jvalue *out)
{
    swg_jstate *state = call->state;
    swg_strbuf joined = {.limit = state->work.longest};
    swg_status status = SWG_OK;
    for (size_t i = 0; i < items->count && !joined.failed && status == SWG_OK; i++) {
        if (i > 0)
            swg_strbuf_append(&joined, separator->text, separator->length);
        status = swg_jprint(&items->items[i], &joined)
                     ? swg_work_spend(&state->work, SWG_WORK_PER_PIECE)
                     : swg_jfail(state, SWG_UNSUPPORTED, "a %s cannot be printed",
                                 swg_jkind_name(items->items[i].kind));
    }
    if (status == SWG_OK)
        return swg_jtext_take(state, &joined, out);
    swg_strbuf_deinit(&joined);
    return status;
}

/* --- Lines ------------------------------------------------------------------------------------ */

static bool is_line_break(uint32_t code)
{
    return (code >= '\n' && code <= '\r') || (code >= 0x1c && code <= 0x1e) || code == 0x85 ||
           code == 0x2028 || code == 0x2029;
}

swg_status swg_jsplit_lines(const swg_jcall *call, const swg_jvalue *text, bool keeps_ends,
                            swg_jvalue *out)
{
    SWG_TRY(swg_jlist_new(call->state, SWG_J_LIST, out));
    for (size_t begin = 0, at = 0; begin < text->length; begin = at) {
        uint32_t code = 0;
        size_t step = 0;
        while (at < text->length && !is_line_break(code)) {
            step = character(text, at, &code);
            at += step;
        }
        const size_t end = is_line_break(code) ? at - step : at;
        if (code == '\r' && at < text->length && text->text[at] == '\n')
            at++;
        const swg_jvalue line = swg_jtext(text->text + begin, (keeps_ends ? at : end) - begin);
        SWG_TRY(swg_jlist_add(call->state, out->list, &line));
    }
    return SWG_OK;
}
