/* How far compression moved the vectors of texts: the cosine between the model's and a reference's,
 * text by text. */
#include <math.h>
#include <string.h>

#include "eval/task.h"
#include "runtime/base/mem.h"
#include "runtime/embedder.h"

typedef struct comparison {
    size_t n, columns;
    double mean, standard_error, lowest;
    size_t lowest_text;
    uint64_t n_cut;
} comparison;

static swg_status embed(const swg_eval_input *in, const swg_session *loaded,
                        swg_act_precision activations, const swg_text_view *texts, size_t n,
                        float **vectors, size_t *columns, swg_embed_counts *counts)
{
    swg_status status = SWG_OK;
    swg_embedder *embedder = NULL;
    const swg_embed_options how = {
        .size = sizeof how, .context = in->context, .activations = activations};
    size_t elems;
    SWG_GO(swg_embedder_new(loaded, &how, &embedder));
    *columns = swg_embedder_columns(embedder);
    if (!swg_size_mul(n, *columns, &elems))
        SWG_GO(swg_error(SWG_LIMIT, "%zu vectors of %zu numbers are too many", n, *columns));
    SWG_GO(SWG_NEW_UNINIT(*vectors, elems));
    status = swg_embedder_run(embedder, texts, n, in->progress, *vectors, counts);
    if (status != SWG_OK)
        swg_error_context(status, "%s", in->path);
done:
    swg_embedder_free(&embedder);
    return status;
}

static void compare(const float *a, const float *b, comparison *out)
{
    double sum = 0, squares = 0;
    out->lowest = INFINITY;
    for (size_t i = 0; i < out->n; i++) {
        const double cosine = swg_cosine(a + i * out->columns, b + i * out->columns, out->columns);
        sum += cosine;
        squares += (1 - cosine) * (1 - cosine);
        if (cosine < out->lowest) {
            out->lowest = cosine;
            out->lowest_text = i + 1;
        }
    }
    const double n = (double)out->n, off = 1 - sum / n;
    out->mean = sum / n;
    /* Of the differences from 1, which are small, so that little is cancelled. */
    out->standard_error = n > 1 ? sqrt(fmax(squares / n - off * off, 0) / (n - 1)) : NAN;
}

static swg_status measure(const swg_eval_input *in, comparison *out)
{
    swg_status status = SWG_OK;
    swg_text_view *texts = NULL;
    float *vectors = NULL, *wanted = NULL;
    size_t columns = 0;
    swg_embed_counts counts;
    /* The same ids for both; the reference was opened without a tokenizer. */
    swg_session ref = *in->ref;
    ref.tokenizer = in->loaded->tokenizer;
    if (ref.model->hparams.vocab != in->loaded->model->hparams.vocab)
        return swg_error(SWG_UNSUPPORTED,
                         "the reference has %lld tokens, the model %lld: they do not read the same "
                         "ids",
                         (long long)ref.model->hparams.vocab,
                         (long long)in->loaded->model->hparams.vocab);
    SWG_GO(swg_split_lines(in->bytes, in->length, &texts, &out->n));
    SWG_GO(embed(in, in->loaded, in->activations, texts, out->n, &vectors, &out->columns, &counts));
    SWG_GO(embed(in, &ref, SWG_ACT_F32, texts, out->n, &wanted, &columns, &counts));
    if (columns != out->columns)
        SWG_GO(swg_error(SWG_UNSUPPORTED,
                         "the reference's vectors have %zu numbers, the model's %zu", columns,
                         out->columns));
    out->n_cut = counts.n_cut;
    compare(vectors, wanted, out);
done:
    swg_free(texts);
    swg_free(vectors);
    swg_free(wanted);
    return status;
}

static swg_status run(const swg_eval_input *in, swg_eval_report *out)
{
    comparison c = {0};
    if (in->max_tokens || in->stride)
        return swg_error(SWG_USAGE, "--max-tokens and --stride are for texts that are scored token "
                                    "by token; vectors are made of whole lines");
    if (in->prep != SWG_TEXT_PREP_raw)
        return swg_error(SWG_USAGE,
                         "--prep %s prepares running text, which is scored token by token; vectors "
                         "are made of lines as they are (--prep raw)",
                         swg_text_prep_name(in->prep));
    if (in->ref->model->hparams.task != SWG_OUTPUT_HIDDEN_STATE)
        return swg_error(SWG_UNSUPPORTED, "the reference's output is not a vector of a text");
    SWG_TRY(measure(in, &c));
    swg_json_double(&out->json, "cosine_mean", c.mean);
    swg_json_double(&out->json, "cosine_standard_error", c.standard_error);
    swg_json_double(&out->json, "cosine_min", c.lowest);
    swg_json_uint(&out->json, "cosine_min_line", c.lowest_text);
    swg_json_uint(&out->json, "texts", c.n);
    swg_json_uint(&out->json, "texts_cut", c.n_cut);
    swg_json_uint(&out->json, "columns", c.columns);
    swg_strbuf_printf(&out->text,
                      "mean cosine   %.6f +- %.6f (standard error over texts)\n"
                      "lowest        %.6f, line %zu\n"
                      "texts         %zu, one per line, %llu of them cut; vectors of %zu numbers\n"
                      "cosine        of the model's vector and the reference's, of the same ids; "
                      "the reference with f32 activations\n",
                      c.mean, c.standard_error, c.lowest, c.lowest_text, c.n,
                      (unsigned long long)c.n_cut, c.columns);
    return SWG_OK;
}

const swg_eval_task swg_eval_task_cosine = {.name = "cosine",
                                            .output = SWG_OUTPUT_HIDDEN_STATE,
                                            .source = SWG_EVAL_TEXT,
                                            .needs_reference = true,
                                            .run = run};
