/* How well cosines of vectors follow people's scores of pairs of sentences. */
#include "eval/correlation.h"
#include "eval/scored_pairs.h"
#include "eval/task.h"
#include "runtime/base/mem.h"
#include "runtime/embedder.h"

static swg_status correlate(const swg_eval_input *in, const swg_scored_pairs *p,
                            swg_correlation *out, uint64_t *n_cut)
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
    if (status != SWG_OK)
        swg_error_context(status, "%s", in->path);
    swg_free(vectors);
    swg_free(cosines);
    swg_embedder_free(&embedder);
    return status;
}

static swg_status run(const swg_eval_input *in, swg_eval_report *out)
{
    swg_status status = SWG_OK;
    swg_scored_pairs p = {0};
    swg_correlation c;
    uint64_t n_cut;
    if (in->max_tokens || in->stride)
        return swg_error(SWG_USAGE, "--max-tokens and --stride are for a --text; --data is used "
                                    "whole");
    SWG_GO(swg_scored_pairs_read(in->path, in->bytes, in->length, &p));
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
    swg_scored_pairs_deinit(&p);
    return status;
}

const swg_eval_task swg_eval_task_similarity = {
    .name = "similarity", .output = SWG_OUTPUT_HIDDEN_STATE, .source = SWG_EVAL_DATA, .run = run};
