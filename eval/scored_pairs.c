/* Reading scored pairs: see scored_pairs.h. */
#include "eval/scored_pairs.h"

#include <stdio.h>
#include <string.h>

#include "formats/json/json.h"

enum { WHERE_BYTES = 512, MOST_CELLS = 64 };
static const char *const column_names[SWG_PAIR_COLUMNS] = {"sentence1", "sentence2", "score"};

static swg_status add_pair(swg_scored_pairs *p, swg_text_view first, swg_text_view second,
                           double score)
{
    SWG_TRY(swg_reserve((void **)&p->texts, &p->text_capacity, 2 * p->n + 2, sizeof *p->texts));
    SWG_TRY(swg_reserve((void **)&p->scores, &p->score_capacity, p->n + 1, sizeof *p->scores));
    p->texts[2 * p->n] = first;
    p->texts[2 * p->n + 1] = second;
    p->scores[p->n++] = score;
    return SWG_OK;
}

static swg_status copy_member(swg_scored_pairs *p, const swg_json *root, const char *key,
                              const char *where, swg_text_view *out)
{
    const char *text;
    if (!swg_json_as_string(swg_json_get(root, key), &text))
        return swg_error(SWG_CORRUPT, "%s: \"%s\" is missing or not a string", where, key);
    const size_t length = strlen(text);
    *out = (swg_text_view){swg_arena_strndup(&p->strings, text, length), length};
    return out->text ? SWG_OK : SWG_NO_MEMORY;
}

static swg_status read_object(swg_scored_pairs *p, swg_text_view line, const char *where)
{
    swg_status status = SWG_OK;
    swg_json_doc *doc = NULL;
    swg_text_view sides[2];
    double score;
    SWG_GO(swg_json_parse(line.text, line.length, where, &doc));
    const swg_json *root = swg_json_root(doc);
    for (size_t i = 0; i < 2; i++)
        SWG_GO(copy_member(p, root, column_names[i], where, &sides[i]));
    if (!swg_json_as_double(swg_json_get(root, column_names[2]), &score))
        SWG_GO(swg_error(SWG_CORRUPT, "%s: \"score\" is missing or not a number", where));
    SWG_GO(add_pair(p, sides[0], sides[1], score));
done:
    swg_json_free(&doc);
    return status;
}

/* Cut a line at its tabs; returns how many cells there are, which may be more than fit. */
static size_t cut(swg_text_view line, swg_text_view cells[MOST_CELLS])
{
    const char *at = line.text, *const end = line.text + line.length;
    for (size_t n = 0;; n++) {
        const char *tab = memchr(at, '\t', (size_t)(end - at));
        if (n < MOST_CELLS)
            cells[n] = (swg_text_view){at, (size_t)((tab ? tab : end) - at)};
        if (!tab)
            return n + 1;
        at = tab + 1;
    }
}

static bool is_name(swg_text_view cell, const char *name)
{
    return cell.length == strlen(name) && memcmp(cell.text, name, cell.length) == 0;
}

/* Whether a line names all three columns; p->cell then says where they are. */
static bool read_heading(swg_scored_pairs *p, swg_text_view line)
{
    swg_text_view cells[MOST_CELLS];
    size_t n = cut(line, cells), found = 0;
    if (n > MOST_CELLS)
        return false;
    for (size_t c = 0; c < SWG_PAIR_COLUMNS; c++)
        for (size_t i = 0; i < n; i++)
            if (is_name(cells[i], column_names[c])) {
                p->cell[c] = i;
                found++;
                break;
            }
    if (found == SWG_PAIR_COLUMNS)
        p->n_cells = n;
    return found == SWG_PAIR_COLUMNS;
}

static swg_status read_row(swg_scored_pairs *p, swg_text_view line, const char *where)
{
    swg_text_view cells[MOST_CELLS];
    swg_json_doc *doc = NULL;
    double score;
    const size_t n = cut(line, cells);
    if (n != p->n_cells)
        return swg_error(SWG_CORRUPT,
                         "%s has %zu cells between tabs; expected are %zu, among them sentence1, "
                         "sentence2 and score",
                         where, n, p->n_cells);
    const swg_text_view number = cells[p->cell[2]];
    const swg_status status = swg_json_parse(number.text, number.length, where, &doc);
    const bool is_number = status == SWG_OK && swg_json_as_double(swg_json_root(doc), &score);
    swg_json_free(&doc);
    if (status == SWG_NO_MEMORY)
        return status;
    if (!is_number)
        return swg_error(SWG_CORRUPT, "%s: the score \"%.*s\" is not a number", where,
                         (int)(number.length > 40 ? 40 : number.length), number.text);
    return add_pair(p, cells[p->cell[0]], cells[p->cell[1]], score);
}

swg_status swg_scored_pairs_read(const char *path, const char *bytes, size_t length,
                                 swg_scored_pairs *out)
{
    swg_status status = SWG_OK;
    swg_text_view *lines = NULL;
    size_t n = 0;
    char where[WHERE_BYTES];
    SWG_GO(swg_split_lines(bytes, length, &lines, &n));
    const bool is_json = n > 0 && lines[0].length > 0 && lines[0].text[0] == '{';
    for (size_t i = 0; i < SWG_PAIR_COLUMNS; i++)
        out->cell[i] = i;
    out->n_cells = SWG_PAIR_COLUMNS;
    for (size_t i = n > 0 && !is_json && read_heading(out, lines[0]) ? 1 : 0; i < n; i++) {
        snprintf(where, sizeof where, "%s: line %zu", path, i + 1);
        SWG_GO(is_json ? read_object(out, lines[i], where) : read_row(out, lines[i], where));
    }
    if (out->n == 0)
        SWG_GO(swg_error(SWG_FAILED, "%s has no pairs", path));
done:
    swg_free(lines);
    return status;
}

void swg_scored_pairs_deinit(swg_scored_pairs *pairs)
{
    swg_free(pairs->texts);
    swg_free(pairs->scores);
    swg_arena_deinit(&pairs->strings);
    *pairs = (swg_scored_pairs){0};
}
