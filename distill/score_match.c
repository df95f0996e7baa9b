/* Losses between attention scores. See score_match.h. Work is split by text and key head of the
 * student, whose gradients its query heads share; scores are computed for a block of queries and
 * the keys that any of them sees at a time. */
#include "distill/score_match.h"

#include <string.h>

#include "kernels/linalg.h"
#include "runtime/base/mem.h"

enum { BLOCK = 64 };

typedef struct job {
    const swg_scored *student, *teacher;
    size_t window;
    const double *weights;
    double share; /* of a query's head */
    float *dq, *dk;
    double *losses; /* of every item */
} job;

/* Queries [query, query + n) of a text and the keys [key, key + n_keys) that they see. */
typedef struct block {
    size_t query, n, key, n_keys;
} block;

static block block_of(const job *j, size_t query)
{
    const swg_attend_options *options = &j->student->options;
    block b = {.query = query, .n = j->window - query < BLOCK ? j->window - query : BLOCK};
    size_t begin, end;
    swg_attend_keys(options, query, j->window, &b.key, &end);
    swg_attend_keys(options, query + b.n - 1, j->window, &begin, &end);
    b.n_keys = end - b.key;
    return b;
}

/* The first element of a head in a row of keys. */
static size_t key_at(const swg_scored *rows, size_t row, size_t head)
{
    return (row * rows->n_kv_heads + head / (rows->n_heads / rows->n_kv_heads)) * rows->head_dim;
}

static size_t query_at(const swg_scored *rows, size_t row, size_t head)
{
    return (row * rows->n_heads + head) * rows->head_dim;
}

/* scores [b->n][b->n_keys] of a head. */
static void score(const swg_scored *rows, size_t first, size_t head, const block *b, float *scores)
{
    swg_linalg_get()->sgemm(false, true, b->n, b->n_keys, rows->head_dim,
                            swg_attend_scale(&rows->options, rows->head_dim),
                            rows->q + query_at(rows, first + b->query, head),
                            rows->n_heads * rows->head_dim,
                            rows->k + key_at(rows, first + b->key, head),
                            rows->n_kv_heads * rows->head_dim, 0, scores, b->n_keys);
}

/* The losses of one query's head; slopes [n_keys] of the keys that it sees are added to. */
static double take_query(const job *j, const block *b, size_t t, const float *student,
                         const float *teacher, float *slopes)
{
    size_t begin, end;
    double sum = 0;
    swg_attend_keys(&j->student->options, b->query + t, j->window, &begin, &end);
    const size_t at = t * b->n_keys + begin - b->key;
    const swg_loss_input in = {
        .n = end - begin, .student = student + at, .teacher = teacher + at};
    for (int loss = 0; loss < SWG_LOSS_COUNT; loss++) {
        const double weight = j->share * j->weights[loss];
        if (weight > 0 && swg_loss_domain_of((swg_loss)loss) == SWG_LOSS_OF_SCORES)
            sum += weight * swg_loss_of((swg_loss)loss)(&in, weight, slopes + at);
    }
    return sum;
}

/* A block of queries of a head of the text that begins at row `first`; memory is
 * [3][BLOCK][window]. */
static double take_block(const job *j, size_t first, size_t head, const block *b, float *memory)
{
    const swg_linalg *la = swg_linalg_get();
    const swg_scored *s = j->student;
    const size_t elems = b->n * b->n_keys, dim = s->head_dim, n = b->n_keys;
    const size_t at_q = query_at(s, first + b->query, head), at_k = key_at(s, first + b->key, head);
    const size_t qs = s->n_heads * dim, ks = s->n_kv_heads * dim;
    const float scale = swg_attend_scale(&s->options, dim);
    float *student = memory, *teacher = memory + elems, *slopes = memory + 2 * elems;
    double sum = 0;
    score(s, first, head, b, student);
    score(j->teacher, first, head, b, teacher);
    memset(slopes, 0, elems * sizeof *slopes);
    for (size_t t = 0; t < b->n; t++)
        sum += take_query(j, b, t, student, teacher, slopes);
    la->sgemm(false, false, b->n, dim, n, scale, slopes, n, s->k + at_k, ks, 1, j->dq + at_q, qs);
    la->sgemm(true, false, n, dim, b->n, scale, slopes, n, s->q + at_q, qs, 1, j->dk + at_k, ks);
    return sum;
}

static swg_status take_item(void *context, size_t index)
{
    const job *j = context;
    const swg_scored *s = j->student;
    const size_t sharing = s->n_heads / s->n_kv_heads;
    const size_t first = index / s->n_kv_heads * j->window;
    const size_t head = index % s->n_kv_heads * sharing;
    float *memory;
    SWG_TRY(SWG_NEW_UNINIT(memory, 3 * BLOCK * j->window));
    for (size_t i = 0; i < sharing; i++)
        for (size_t query = 0; query < j->window; query += BLOCK) {
            const block b = block_of(j, query);
            j->losses[index] += take_block(j, first, head + i, &b, memory);
        }
    swg_free(memory);
    return SWG_OK;
}

swg_status swg_score_match_take(const swg_scored *student, const swg_scored *teacher, size_t window,
                                const double weights[SWG_LOSS_COUNT], double share, swg_pool *pool,
                                float *dq, float *dk, double *loss)
{
    const size_t n_items = student->rows / window * student->n_kv_heads;
    job j = {.student = student,
             .teacher = teacher,
             .window = window,
             .weights = weights,
             .share = share / (double)student->n_heads,
             .dq = dq,
             .dk = dk};
    if (student->n_heads != teacher->n_heads)
        return swg_error(SWG_USAGE,
                         "attention scores of %zu heads of the student cannot be compared with "
                         "those of %zu of the teacher",
                         student->n_heads, teacher->n_heads);
    SWG_TRY(SWG_NEW(j.losses, n_items));
    const swg_status status = swg_pool_for(pool, n_items, take_item, &j);
    *loss = 0;
    for (size_t i = 0; i < n_items; i++)
        *loss += j.losses[i];
    swg_free(j.losses);
    return status;
}
