/* Vectors of texts: see embedder.h. */
#include "runtime/embedder.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/mem.h"
#include "runtime/base/numeric.h"
#include "runtime/base/utf8.h"
#include "runtime/exec.h"
#include "runtime/text/match/unicode.h"

/* CHUNK rows are computed together: fewer would not amortise unpacking the weights. */
enum { DEFAULT_BATCH = 32, MAX_BATCH = 4096, CHUNK = 512 };

struct swg_embedder {
    const swg_session *loaded;
    const swg_sentence *sentence;
    swg_embed_options options; /* defaults filled in */
    size_t width;              /* of a row */
    size_t n_kinds;            /* of pooling */
    int32_t *closing;          /* [n_closing] tokens that the tokenizer puts after a text */
    size_t n_closing;
    double *sums;    /* [width], scratch */
    size_t n_prompt; /* tokens at the beginning that take no part in pooling */
};

swg_embed_options swg_embed_options_default(void)
{
    return (swg_embed_options){.size = sizeof(swg_embed_options)};
}

/* --- Set-up ----------------------------------------------------------------------------------- */

static swg_status resolve(const swg_session *loaded, const swg_embed_options *given,
                          swg_embed_options *out)
{
    const size_t most = (size_t)loaded->model->hparams.max_positions;
    const size_t usual = loaded->sentence.max_tokens;
    *out = given ? *given : swg_embed_options_default();
    SWG_TRY(swg_options_check("swg_embed_options", out->size, sizeof *out));
    if (out->context > most)
        return swg_error(SWG_UNSUPPORTED,
                         "a text of %zu positions; this model supports at most %zu", out->context,
                         most);
    if (out->batch > MAX_BATCH)
        return swg_error(SWG_LIMIT, "a batch of %zu texts is more than %d", out->batch, MAX_BATCH);
    if (out->context == 0)
        out->context = usual && usual < most ? usual : most;
    if (out->batch == 0)
        out->batch = DEFAULT_BATCH;
    return SWG_OK;
}

static swg_status append(swg_strbuf *out, const swg_embedder *e, const char *text, size_t length)
{
    if (!e->sentence->lowers_case)
        swg_strbuf_append(out, text, length);
    for (size_t at = 0; e->sentence->lowers_case && at < length;) {
        uint32_t code;
        const size_t bytes = swg_utf8_decode(text + at, length - at, &code);
        if (bytes)
            swg_char_append_lower(out, code);
        else
            swg_strbuf_append(out, text + at, 1);
        at += bytes ? bytes : 1;
    }
    return swg_strbuf_status(out);
}

/* Token ids of the prompt and a text. */
static swg_status tokenize(const swg_embedder *e, swg_text_view view, swg_ids *out)
{
    const char *prompt = e->options.prompt ? e->options.prompt : "";
    swg_strbuf text = {0};
    swg_status status = append(&text, e, prompt, strlen(prompt));
    if (status == SWG_OK)
        status = append(&text, e, view.text, view.length);
    if (status == SWG_OK)
        status = swg_tokenizer_encode(e->loaded->tokenizer, swg_strbuf_text(&text), text.length,
                                      NULL, out);
    swg_strbuf_deinit(&text);
    return status;
}

/* The special tokens that a text ends with: those of an empty text less those that it begins with,
 * which are as many as a text that is not empty shares with it. */
static swg_status find_closing(swg_embedder *e)
{
    swg_status status = SWG_OK;
    swg_ids none = {0}, some = {0}, prompt = {0};
    const swg_tokenizer *tokenizer = e->loaded->tokenizer;
    size_t opening = 0;
    SWG_GO(swg_tokenizer_encode(tokenizer, "", 0, NULL, &none));
    SWG_GO(swg_tokenizer_encode(tokenizer, "a", 1, NULL, &some));
    while (opening < none.count && opening < some.count && none.data[opening] == some.data[opening])
        opening++;
    e->n_closing = none.count - opening;
    SWG_GO(SWG_NEW(e->closing, e->n_closing));
    if (e->n_closing)
        memcpy(e->closing, none.data + opening, e->n_closing * sizeof *e->closing);
    if (e->n_closing >= e->options.context)
        SWG_GO(swg_error(SWG_USAGE, "a context of %zu tokens holds no text", e->options.context));
    if (e->sentence->leaves_prompt && e->options.prompt && *e->options.prompt) {
        SWG_GO(tokenize(e, (swg_text_view){"", 0}, &prompt));
        e->n_prompt = prompt.count - e->n_closing;
    }
done:
    swg_ids_deinit(&none);
    swg_ids_deinit(&some);
    swg_ids_deinit(&prompt);
    return status;
}

swg_status swg_embedder_new(const swg_session *loaded, const swg_embed_options *options,
                            swg_embedder **out)
{
    swg_status status = SWG_OK;
    swg_embedder *e = NULL;
    const swg_hparams *h = &loaded->model->hparams;
    if (h->task != SWG_OUTPUT_HIDDEN_STATE)
        return swg_error(SWG_UNSUPPORTED, "this model's output is not a vector of a text");
    SWG_GO(SWG_NEW(e, 1));
    e->loaded = loaded;
    e->sentence = &loaded->sentence;
    e->width = (size_t)h->d_model;
    SWG_GO(resolve(loaded, options, &e->options));
    for (unsigned i = 0; i < SWG_POOLING_COUNT; i++)
        e->n_kinds += e->sentence->poolings >> i & 1;
    SWG_GO(SWG_NEW_UNINIT(e->sums, e->width));
    SWG_GO(find_closing(e));
    *out = e;
    e = NULL;
done:
    swg_embedder_free(&e);
    return status;
}

void swg_embedder_free(swg_embedder **embedder)
{
    if (!*embedder)
        return;
    swg_free((*embedder)->closing);
    swg_free((*embedder)->sums);
    swg_free(*embedder);
    *embedder = NULL;
}

size_t swg_embedder_columns(const swg_embedder *e)
{
    return e->n_kinds * e->width;
}

/* --- Pooling ---------------------------------------------------------------------------------- */

/* y [width] = the sum of n rows, each times its weight, by `divisor`; in double and in the order of
 * the rows. `sums` is [width] scratch. */
static void pool_sum(const float *rows, size_t n, size_t width, bool is_weighted, double divisor,
                     double *sums, float *y)
{
    memset(sums, 0, width * sizeof *sums);
    for (size_t i = 0; i < n; i++) {
        const double weight = is_weighted ? (double)(i + 1) : 1;
        for (size_t j = 0; j < width; j++)
            sums[j] += weight * (double)rows[i * width + j];
    }
    for (size_t j = 0; j < width; j++)
        y[j] = (float)(sums[j] / divisor);
}

static void pool_max(const float *rows, size_t n, size_t width, float *y)
{
    memcpy(y, rows, width * sizeof *y);
    for (size_t i = 1; i < n; i++)
        for (size_t j = 0; j < width; j++)
            y[j] = rows[i * width + j] > y[j] ? rows[i * width + j] : y[j];
}

static void pool(swg_pooling kind, const float *rows, size_t n, size_t width, double *sums,
                 float *y)
{
    const double count = (double)n;
    switch (kind) {
    case SWG_POOLING_max:
        pool_max(rows, n, width, y);
        break;
    case SWG_POOLING_mean:
        pool_sum(rows, n, width, false, count, sums, y);
        break;
    case SWG_POOLING_mean_sqrt_len:
        pool_sum(rows, n, width, false, sqrt(count), sums, y);
        break;
    case SWG_POOLING_weightedmean:
        pool_sum(rows, n, width, true, count * (count + 1) / 2, sums, y);
        break;
    default:
        memcpy(y, rows + (kind == SWG_POOLING_lasttoken ? n - 1 : 0) * width, width * sizeof *y);
    }
}

static void normalize(float *x, size_t n)
{
    double square = 0;
    for (size_t i = 0; i < n; i++)
        square += (double)x[i] * (double)x[i];
    const double length = fmax(sqrt(square), 1e-12);
    for (size_t i = 0; i < n; i++)
        x[i] = (float)((double)x[i] / length);
}

static void pool_text(const swg_embedder *e, const float *rows, size_t n, float *vector)
{
    /* A text of nothing but its prompt has the prompt's vector. */
    const size_t skipped = e->n_prompt < n ? e->n_prompt : 0;
    float *y = vector;
    for (unsigned kind = 0; kind < SWG_POOLING_COUNT; kind++)
        if (e->sentence->poolings >> kind & 1) {
            pool((swg_pooling)kind, rows + skipped * e->width, n - skipped, e->width, e->sums, y);
            y += e->width;
        }
    if (e->sentence->normalizes)
        normalize(vector, e->n_kinds * e->width);
}

/* --- Running ---------------------------------------------------------------------------------- */

/* One text of a run. */
typedef struct job_text {
    swg_ids ids;
    size_t index; /* among the caller's texts */
    bool is_cut;
} job_text;

typedef struct job {
    const swg_embedder *e;
    const swg_text_view *given;
    job_text *texts; /* [n], longest first once they are tokenized */
    size_t n;
    swg_exec *exec;
    swg_piece *pieces; /* [batch] */
    float *rows;       /* [batch * longest][width] */
    float *vectors;
} job;

static swg_status tokenize_item(void *context, size_t i)
{
    job *j = context;
    const size_t most = j->e->options.context, n_closing = j->e->n_closing;
    job_text *text = &j->texts[i];
    text->index = i;
    const swg_status status = tokenize(j->e, j->given[i], &text->ids);
    if (status != SWG_OK)
        return swg_error_context(status, "text %zu", i + 1);
    if (text->ids.count == 0)
        return swg_error(SWG_CORRUPT, "text %zu has no tokens", i + 1);
    if (text->ids.count <= most)
        return SWG_OK;
    text->is_cut = true;
    text->ids.count = most;
    if (n_closing)
        memcpy(text->ids.data + most - n_closing, j->e->closing, n_closing * sizeof(int32_t));
    return SWG_OK;
}

static int longest_first(const void *a, const void *b)
{
    const job_text *x = a, *y = b;
    if (x->ids.count != y->ids.count)
        return x->ids.count > y->ids.count ? -1 : 1;
    return x->index < y->index ? -1 : 1;
}

static swg_status prepare(job *j)
{
    const swg_embedder *e = j->e;
    SWG_TRY(SWG_NEW(j->texts, j->n));
    SWG_TRY(swg_pool_for(e->loaded->pool, j->n, tokenize_item, j));
    qsort(j->texts, j->n, sizeof *j->texts, longest_first);
    const size_t longest = j->texts[0].ids.count;
    const size_t batch = e->options.batch < j->n ? e->options.batch : j->n;
    size_t elems;
    if (!swg_size_mul(longest, batch, &elems) || !swg_size_mul(elems, e->width, &elems))
        return swg_error(SWG_LIMIT, "%zu texts of %zu tokens are too many at once", batch, longest);
    const swg_exec_options options = {.size = sizeof options,
                                      .context = longest,
                                      .sequences = batch,
                                      .chunk = CHUNK,
                                      .activations = e->options.activations};
    SWG_TRY(swg_exec_new(e->loaded->model, e->loaded->pool, &options, &j->exec));
    SWG_TRY(SWG_NEW(j->pieces, batch));
    return SWG_NEW_UNINIT(j->rows, elems);
}

static swg_status run_batch(job *j, size_t begin, size_t count)
{
    const swg_embedder *e = j->e;
    const float *rows = j->rows;
    uint64_t n_rows = 0, first;
    for (size_t i = 0; i < count; i++) {
        const swg_ids *ids = &j->texts[begin + i].ids;
        j->pieces[i] = (swg_piece){.sequence = i, .n = ids->count, .ids = ids->data};
        n_rows += ids->count;
    }
    SWG_TRY(swg_exec_step(j->exec, j->pieces, count, j->rows));
    if (swg_count_nonfinite(SWG_F32, j->rows, n_rows * e->width, &first) > 0)
        return swg_error(SWG_FAILED, "the model's output is not finite: its weights are damaged or "
                                     "too coarse; `swage verify` names tensors that hold NaN or "
                                     "infinity");
    for (size_t i = 0; i < count; i++) {
        const job_text *text = &j->texts[begin + i];
        pool_text(e, rows, text->ids.count, j->vectors + text->index * swg_embedder_columns(e));
        rows += text->ids.count * e->width;
    }
    return SWG_OK;
}

static void count_texts(const job *j, swg_embed_counts *out)
{
    *out = (swg_embed_counts){.first_cut = SIZE_MAX, .most = j->e->options.context};
    for (size_t i = 0; i < j->n; i++) {
        const job_text *text = &j->texts[i];
        out->tokens += text->ids.count;
        out->n_cut += text->is_cut;
        if (text->is_cut && text->index < out->first_cut)
            out->first_cut = text->index;
    }
}

swg_status swg_embedder_run(swg_embedder *e, const swg_text_view *texts, size_t n,
                            const swg_progress *progress, float *vectors, swg_embed_counts *counts)
{
    swg_status status = SWG_OK;
    job j = {.e = e, .given = texts, .n = n, .vectors = vectors};
    if (n == 0) {
        if (counts)
            *counts = (swg_embed_counts){.most = e->options.context};
        return SWG_OK;
    }
    SWG_GO(prepare(&j));
    for (size_t at = 0; at < n; at += e->options.batch) {
        const size_t left = n - at;
        SWG_GO(swg_progress_step(progress, "embedding", "texts", at, n));
        SWG_GO(run_batch(&j, at, left < e->options.batch ? left : e->options.batch));
    }
    SWG_GO(swg_progress_step(progress, "embedding", "texts", n, n));
    if (counts)
        count_texts(&j, counts);
done:
    swg_exec_free(&j.exec);
    for (size_t i = 0; j.texts && i < n; i++)
        swg_ids_deinit(&j.texts[i].ids);
    swg_free(j.texts);
    swg_free(j.pieces);
    swg_free(j.rows);
    return status;
}

swg_status swg_split_lines(const char *text, size_t length, swg_text_view **lines, size_t *n)
{
    const char *at = text, *const end = text + length;
    swg_text_view *made = NULL;
    size_t count = 0, capacity = 0;
    while (at < end) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        const size_t whole = (size_t)((stop ? stop : end) - at);
        const swg_status status = swg_reserve((void **)&made, &capacity, count + 1, sizeof *made);
        if (status != SWG_OK) {
            swg_free(made);
            return status;
        }
        const bool has_return = stop && whole > 0 && at[whole - 1] == '\r';
        made[count++] = (swg_text_view){at, whole - has_return};
        at += whole + (stop != NULL);
    }
    *lines = made;
    *n = count;
    return SWG_OK;
}

double swg_cosine(const float *a, const float *b, size_t n)
{
    double dot = 0, aa = 0, bb = 0;
    for (size_t i = 0; i < n; i++) {
        dot += (double)a[i] * (double)b[i];
        aa += (double)a[i] * (double)a[i];
        bb += (double)b[i] * (double)b[i];
    }
    return aa > 0 && bb > 0 ? dot / sqrt(aa * bb) : 0;
}
