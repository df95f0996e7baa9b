/* SentencePiece's normalizer: characters and sequences of them replaced by a table, white space
 * put in order, and a mark for "a word starts here" in front.
 *
 * The table (precompiled_charsmap) is u32 n | a double array of n bytes | NUL-terminated
 * replacements. A unit of the double array (darts-clone) has the byte that leads to it in bits 0-7
 * and 31, "a replacement's number hangs below" in bit 8, and the distance to its children in bits
 * 10-30, times 256 when bit 9 is set; child c of the node at p is at p ^ distance ^ c. Everything
 * in it is an index, so each is checked when it is used. */
#include <string.h>

#include "runtime/base/utf8.h"
#include "runtime/text/sentencepiece/spm.h"

/* The library looks at no more prefixes than this. */
enum { MAX_PREFIXES = 32 };

static const char word_start[] = "\xe2\x96\x81";
static const char replacement_character[] = "\xef\xbf\xbd";

typedef struct normalizer {
    const swg_trie *user_defined;
    const uint32_t *units; /* NULL = no table */
    size_t n_units;
    const char *replacements; /* ends in NUL */
    size_t n_replacement_bytes;
    const char *space; /* what a space becomes */
    bool adds_dummy_prefix, removes_extra_whitespace, whitespace_is_suffix;
    bool keeps_start; /* leading white space is not extra */
} normalizer;

/* --- The table -------------------------------------------------------------------------------- */

static uint32_t children_of(uint32_t unit)
{
    return unit >> 10 << ((unit & UINT32_C(1) << 9) >> 6);
}

/* What comes next in a text: bytes taken from it, and what they become. */
typedef struct step {
    size_t taken;
    const char *text;
    size_t length;
} step;

/* The longest sequence at the start of `text` that the table replaces; nothing taken when there is
 * none. */
static swg_status find_rule(const normalizer *n, swg_work *work, const char *text, size_t length,
                            step *out)
{
    *out = (step){0};
    size_t at = n->n_units ? children_of(n->units[0]) : 0, n_found = 0;
    for (size_t i = 0; i < length && n_found < MAX_PREFIXES; i++) {
        const unsigned char byte = (unsigned char)text[i];
        SWG_TRY(swg_work_spend(work, 1));
        at ^= byte;
        if (at >= n->n_units || (n->units[at] & (UINT32_C(1) << 31 | 0xff)) != byte)
            break;
        const uint32_t unit = n->units[at];
        at ^= children_of(unit);
        if (!(unit & UINT32_C(1) << 8))
            continue;
        const uint32_t value = at < n->n_units ? n->units[at] & INT32_MAX : UINT32_MAX;
        if (value >= n->n_replacement_bytes)
            return swg_error(SWG_CORRUPT,
                             "tokenizer.model: precompiled_charsmap replaces a character by text "
                             "beyond its %zu bytes",
                             n->n_replacement_bytes);
        *out = (step){.taken = i + 1, .text = n->replacements + value};
        n_found++;
    }
    if (out->taken)
        out->length = strlen(out->text);
    return swg_work_spend(work, out->length);
}

static swg_status next_step(const normalizer *n, swg_work *work, const char *text, size_t length,
                            step *out)
{
    size_t n_bytes = 0;
    int32_t id;
    if (n->user_defined)
        SWG_TRY(swg_trie_longest(n->user_defined, work, text, length, &id, &n_bytes));
    if (n_bytes == 0) {
        SWG_TRY(find_rule(n, work, text, length, out));
        if (out->taken)
            return SWG_OK;
        n_bytes = swg_utf8_decode(text, length, NULL);
    }
    *out = n_bytes ? (step){n_bytes, text, n_bytes}
                   : (step){1, replacement_character, sizeof replacement_character - 1};
    return SWG_OK;
}

/* --- White space ------------------------------------------------------------------------------ */

static void append(const normalizer *n, const char *text, size_t length, swg_strbuf *out)
{
    for (size_t at = 0; at < length;) {
        const char *space = memchr(text + at, ' ', length - at);
        const size_t end = space ? (size_t)(space - text) : length;
        swg_strbuf_append(out, text + at, end - at);
        if (space)
            swg_strbuf_puts(out, n->space);
        at = end + (space != NULL);
    }
}

static void strip_end(const normalizer *n, swg_strbuf *out)
{
    const size_t n_space = strlen(n->space);
    while (out->length >= n_space &&
           memcmp(out->text + out->length - n_space, n->space, n_space) == 0)
        out->length -= n_space;
}

static swg_status normalize(const void *data, swg_work *work, const char *text, size_t length,
                            swg_strbuf *out)
{
    const normalizer *n = data;
    const bool removes = n->removes_extra_whitespace;
    size_t at = 0;
    step next = {0};
    const bool strips_start = removes && !n->keeps_start;
    for (; strips_start && at < length; at += next.taken) {
        SWG_TRY(next_step(n, work, text + at, length - at, &next));
        if (next.length != 1 || next.text[0] != ' ')
            break;
    }
    if (at == length)
        return SWG_OK;
    if (n->adds_dummy_prefix && !n->whitespace_is_suffix)
        swg_strbuf_puts(out, n->space);
    for (bool after_space = strips_start; at < length && !out->failed; at += next.taken) {
        SWG_TRY(next_step(n, work, text + at, length - at, &next));
        while (after_space && next.length > 0 && next.text[0] == ' ') {
            next.text++;
            next.length--;
        }
        append(n, next.text, next.length, out);
        if (next.length > 0)
            after_space = removes && next.text[next.length - 1] == ' ';
    }
    if (removes)
        strip_end(n, out);
    if (n->adds_dummy_prefix && n->whitespace_is_suffix)
        swg_strbuf_puts(out, n->space);
    return SWG_OK;
}

/* --- Reading ---------------------------------------------------------------------------------- */

static swg_status copy_table(swg_arena *arena, swg_spm_text map, normalizer *out)
{
    const unsigned char *bytes = (const unsigned char *)map.text;
    if (map.length == 0)
        return SWG_OK;
    const size_t n_bytes = map.length < 4 ? 0
                                          : bytes[0] | (size_t)bytes[1] << 8 |
                                                (size_t)bytes[2] << 16 | (size_t)bytes[3] << 24;
    if (map.length < 6 || n_bytes == 0 || n_bytes % 4 != 0 || n_bytes > map.length - 5 ||
        map.text[map.length - 1] != '\0')
        return swg_error(SWG_CORRUPT,
                         "tokenizer.model: precompiled_charsmap has %zu bytes, which cannot hold a "
                         "table of %zu and its texts",
                         map.length, n_bytes);
    uint32_t *units = swg_arena_calloc(arena, n_bytes / 4, sizeof *units);
    out->n_replacement_bytes = map.length - 4 - n_bytes;
    out->replacements = swg_arena_strndup(arena, map.text + 4 + n_bytes, out->n_replacement_bytes);
    if (!units || !out->replacements)
        return SWG_NO_MEMORY;
    for (size_t i = 0; i < n_bytes / 4; i++) {
        const unsigned char *unit = bytes + 4 + 4 * i;
        units[i] =
            unit[0] | (uint32_t)unit[1] << 8 | (uint32_t)unit[2] << 16 | (uint32_t)unit[3] << 24;
    }
    out->units = units;
    out->n_units = n_bytes / 4;
    return SWG_OK;
}

swg_status swg_spm_add_normalizer(swg_tokenizer *tokenizer, const swg_spm_file *file,
                                  const swg_trie *user_defined, bool legacy)
{
    normalizer *n = swg_arena_calloc(&tokenizer->arena, 1, sizeof *n);
    if (!n)
        return SWG_NO_MEMORY;
    *n = (normalizer){
        .user_defined = user_defined,
        .space = file->escapes_whitespace ? word_start : " ",
        .adds_dummy_prefix = file->adds_dummy_prefix,
        .removes_extra_whitespace = file->removes_extra_whitespace,
        .whitespace_is_suffix = file->whitespace_is_suffix,
    };
    SWG_TRY(copy_table(&tokenizer->arena, file->charsmap, n));
    SWG_TRY(swg_tokenizer_add_normalizer(tokenizer, normalize, n));
    if (legacy || n->whitespace_is_suffix)
        return SWG_OK;
    tokenizer->normalizers[tokenizer->n_normalizers - 1].place = SWG_TEXT_AT_START;
    normalizer *inside = swg_arena_calloc(&tokenizer->arena, 1, sizeof *inside);
    if (!inside)
        return SWG_NO_MEMORY;
    *inside = *n;
    inside->adds_dummy_prefix = false;
    inside->keeps_start = true;
    SWG_TRY(swg_tokenizer_add_normalizer(tokenizer, normalize, inside));
    tokenizer->normalizers[tokenizer->n_normalizers - 1].place = SWG_TEXT_INSIDE;
    return SWG_OK;
}
