/* How well cosines of vectors follow people's scores of pairs of sentences. */
#include <stdio.h>
#include <string.h>

#include "eval/correlation.h"
#include "eval/task.h"
#include "formats/json/json.h"
#include "runtime/base/mem.h"
#include "runtime/embedder.h"

enum { N_COLUMNS = 3, WHERE_BYTES = 512, MOST_CELLS = 64 };
static const char *const column_names[N_COLUMNS] = {"sentence1", "sentence2", "score"};

/* The scored pairs: sentences 2i and 2i + 1 belong to score i. */
typedef struct pairs {
    swg_text_view *texts;
    double *scores;
    size_t n, text_capacity, score_capacity;
    swg_arena strings;      /* of JSON, where escapes were resolved */
    size_t cell[N_COLUMNS]; /* of a table: which cell is which column */
    size_t n_cells;
} pairs;

/* --- Reading ---------------------------------------------------------------------------------- */

static swg_status add_pair(pairs *p, swg_text_view first, swg_text_view second, double score)
{
    SWG_TRY(swg_reserve((void **)&p->texts, &p->text_capacity, 2 * p->n + 2, sizeof *p->texts));
    SWG_TRY(swg_reserve((void **)&p->scores, &p->score_capacity, p->n + 1, sizeof *p->scores));
    p->texts[2 * p->n] = first;
    p->texts[2 * p->n + 1] = second;
    p->scores[p->n++] = score;
    return SWG_OK;
}

static swg_status copy_member(pairs *p, const swg_json *root, const char *key, const char *where,
                              swg_text_view *out)
{
    const char *text;
    if (!swg_json_as_string(swg_json_get(root, key), &text))
        return swg_error(SWG_CORRUPT, "%s: \"%s\" is missing or not a string", where, key);
    const size_t length = strlen(text);
    *out = (swg_text_view){swg_arena_strndup(&p->strings, text, length), length};
    return out->text ? SWG_OK : SWG_NO_MEMORY;
}

static swg_status read_object(pairs *p, swg_text_view line, const char *where)
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
static bool read_heading(pairs *p, swg_text_view line)
{
    swg_text_view cells[MOST_CELLS];
    size_t n = cut(line, cells), found = 0;
    if (n > MOST_CELLS)
        return false;
    for (size_t c = 0; c < N_COLUMNS; c++)
        for (size_t i = 0; i < n; i++)
            if (is_name(cells[i], column_names[c])) {
                p->cell[c] = i;
                found++;
                break;
            }
    if (found == N_COLUMNS)
        p->n_cells = n;
    return found == N_COLUMNS;
}

static swg_status read_row(pairs *p, swg_text_view line, const char *where)
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

static swg_status read_pairs(const swg_eval_input *in, pairs *out)
{
    swg_status status = SWG_OK;
    swg_text_view *lines = NULL;
    size_t n = 0;
    char where[WHERE_BYTES];
    SWG_GO(swg_split_lines(in->bytes, in->length, &lines, &n));
    const bool is_json = lines[0].length > 0 && lines[0].text[0] == '{';
    for (size_t i = 0; i < N_COLUMNS; i++)
        out->cell[i] = i;
    out->n_cells = N_COLUMNS;
    for (size_t i = !is_json && read_heading(out, lines[0]) ? 1 : 0; i < n; i++) {
        snprintf(where, sizeof where, "%s: line %zu", in->path, i + 1);
        SWG_GO(is_json ? read_object(out, lines[i], where) : read_row(out, lines[i], where));
    }
    if (out->n == 0)
        SWG_GO(swg_error(SWG_FAILED, "%s has no pairs", in->path));
done:
    swg_free(lines);
    return status;
}

/* --- Measuring -------------------------------------------------------------------------------- */

static swg_status correlate(const swg_eval_input *in, const pairs *p, swg_correlation *out,
                            uint64_t *n_cut)
{
    swg_status status = SWG_OK;
    swg_embedder *embedder = NULL;
    float *vectors = NULL;
    double *cosines = NULL;
    swg_embed_counts counts;
    size_t elems;
    const swg_embed_options how = {
        .size = sizeof how, .context = in->context, .activations = in->activations};
    SWG_GO(swg_embedder_new(in->loaded, &how, &embedder));
    const size_t columns = swg_embedder_columns(embedder);
    if (!swg_size_mul(2 * p->n, columns, &elems))
        SWG_GO(swg_error(SWG_LIMIT, "%zu pairs of %zu numbers are too many", p->n, columns));
    SWG_GO(SWG_NEW_UNINIT(vectors, elems));
    SWG_GO(SWG_NEW(cosines, p->n));
    SWG_GO(swg_embedder_run(embedder, p->texts, 2 * p->n, in->progress, vectors, &counts));
    for (size_t i = 0; i < p->n; i++)
        cosines[i] =
            swg_cosine(vectors + 2 * i * columns, vectors + (2 * i + 1) * columns, columns);
    SWG_GO(swg_correlate(cosines, p->scores, p->n, out));
    *n_cut = counts.n_cut;
done:
    swg_free(vectors);
    swg_free(cosines);
    swg_embedder_free(&embedder);
    return status;
}

static swg_status run(const swg_eval_input *in, swg_eval_report *out)
{
    swg_status status = SWG_OK;
    pairs p = {0};
    swg_correlation c;
    uint64_t n_cut;
    if (in->max_tokens || in->stride)
        return swg_error(SWG_USAGE, "--max-tokens and --stride are for a --text; --data is used "
                                    "whole");
    SWG_GO(read_pairs(in, &p));
    SWG_GO(correlate(in, &p, &c, &n_cut));
    swg_json_double(&out->json, "spearman", c.spearman);
    swg_json_double(&out->json, "pearson", c.pearson);
    swg_json_uint(&out->json, "pairs", p.n);
    swg_json_uint(&out->json, "texts_cut", n_cut);
    swg_strbuf_printf(&out->text,
                      "Spearman      %.4f (Pearson's of the ranks; equal values share their mean "
                      "rank)\n"
                      "Pearson       %.4f\n"
                      "pairs         %zu, of the cosine of both sentences' vectors and the score; "
                      "%llu sentences cut\n",
                      c.spearman, c.pearson, p.n, (unsigned long long)n_cut);
done:
    swg_free(p.texts);
    swg_free(p.scores);
    swg_arena_deinit(&p.strings);
    return status;
}

const swg_eval_task swg_eval_task_similarity = {
    .name = "similarity", .output = SWG_OUTPUT_HIDDEN_STATE, .source = SWG_EVAL_DATA, .run = run};
