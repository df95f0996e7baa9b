/* A teacher's predictions in a file: the identity as text, then the positions' records in order:
 *
 *     float rest       probabilities of the other tokens together, as a multiple of the largest
 *     float rest_t     the sum of these multiples to the power 1 / temperature
 *     float nll        cross-entropy of the token that follows; 0 at a window's end
 *     id    ids[k]     ascending; 2 bytes each, 4 for vocabularies of more than 65,536
 *     half  log_p[k]   logarithms of their probabilities */
#include "distill/teacher_cache.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "distill/predictor.h"
#include "runtime/backprop.h"
#include "runtime/base/hash.h"
#include "runtime/base/mem.h"
#include "runtime/base/numeric.h"

const swg_state_kind swg_state_of_teacher = {.magic = {'s', 'w', 'g', 't', 'e', 'a', 'c', '1'},
                                             .what = "a cache of a teacher's predictions"};

/* Logits computed together. */
enum { END_ROWS = SWG_BACKPROP_END_ROWS };

struct swg_teacher_cache {
    char *path;
    swg_state_reader *reader;
    size_t n_windows, window, vocab, k;
    double temperature;
    const uint8_t *records; /* in the reader's file */
};

/* The numbers at the head of a record. */
typedef struct head {
    float rest, rest_t, nll;
} head;

static size_t id_bytes(size_t vocab)
{
    return vocab <= 1 << 16 ? sizeof(uint16_t) : sizeof(uint32_t);
}

static size_t record_bytes(size_t vocab, size_t k)
{
    return sizeof(head) + k * (id_bytes(vocab) + sizeof(uint16_t));
}

/* One hash of all of the teacher's. */
static swg_status hash_of_teacher(swg_input_hashes *teacher, char out[SWG_HASH128_TEXT])
{
    swg_json_writer json = {.compact = true};
    swg_status status = SWG_OK;
    swg_json_begin_object(&json, NULL);
    SWG_GO(swg_input_hashes_write(teacher, &json));
    swg_json_end_object(&json);
    SWG_GO(swg_strbuf_status(&json.out));
    swg_hash128_text(json.out.text, json.out.length, out);
done:
    swg_json_deinit(&json);
    return status;
}

swg_status swg_teacher_cache_identity(const swg_teacher_cache_subject *s, const char *text_sha256,
                                      swg_input_hashes *teacher, char **out)
{
    swg_json_writer json = {.compact = true};
    char ids[SWG_HASH128_TEXT], files[SWG_HASH128_TEXT];
    swg_status status = SWG_OK;
    SWG_TRY(hash_of_teacher(teacher, files));
    swg_hash128_text(s->ids, s->n_windows * s->window * sizeof *s->ids, ids);
    swg_json_begin_object(&json, NULL);
    swg_json_string(&json, "teacher_xxh3_128", files);
    swg_json_string(&json, "text_sha256", text_sha256);
    swg_json_string(&json, "tokens_xxh3_128", ids);
    swg_json_uint(&json, "windows", s->n_windows);
    swg_json_uint(&json, "window_tokens", s->window);
    swg_json_uint(&json, "vocabulary", s->vocab);
    swg_json_uint(&json, "top_k", s->k);
    swg_json_double(&json, "temperature", s->temperature);
    swg_json_end_object(&json);
    SWG_GO(swg_strbuf_status(&json.out));
    *out = swg_strdup(swg_strbuf_text(&json.out));
    status = *out ? SWG_OK : SWG_NO_MEMORY;
done:
    swg_json_deinit(&json);
    return status;
}

/* --- Making ----------------------------------------------------------------------------------- */

/* The likeliest tokens so far: a heap whose first element is the least likely. */
typedef struct ranked {
    float x;
    int32_t id;
} ranked;

static void sift(ranked *heap, size_t n, size_t at)
{
    const ranked moved = heap[at];
    for (size_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && heap[child + 1].x < heap[child].x)
            child++;
        if (!(heap[child].x < moved.x))
            break;
        heap[at] = heap[child];
    }
    heap[at] = moved;
}

static int by_id(const void *a, const void *b)
{
    const int32_t x = ((const ranked *)a)->id, y = ((const ranked *)b)->id;
    return (x > y) - (x < y);
}

/* The k largest of x [n], by id; of equal ones those of smaller ids. */
static void choose(const float *x, size_t n, size_t k, ranked *top)
{
    for (size_t i = 0; i < k; i++)
        top[i] = (ranked){x[i], (int32_t)i};
    for (size_t i = k / 2; i-- > 0;)
        sift(top, k, i);
    for (size_t i = k; i < n; i++)
        if (x[i] > top[0].x) {
            top[0] = (ranked){x[i], (int32_t)i};
            sift(top, k, 0);
        }
    qsort(top, k, sizeof *top, by_id);
}

typedef struct making {
    const swg_teacher_cache_subject *subject;
    size_t first;     /* position, counted through all windows, of the first row */
    float *logits;    /* [END_ROWS][vocab] */
    float *p;         /* [threads][vocab] */
    ranked *top;      /* [threads][k] */
    uint8_t *records; /* [END_ROWS] */
} making;

/* The sum of (p / most) to the power 1 / t. */
static double sum_of_rest(const float *p, size_t n, double most, double t)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += t == 1 ? (double)p[i] / most : p[i] > 0 ? pow((double)p[i] / most, 1 / t) : 0;
    return sum;
}

/* The largest probability; all of the top are cleared. */
static double take_top(float *p, const ranked *top, size_t k)
{
    float most = 0;
    for (size_t i = 0; i < k; i++) {
        most = p[top[i].id] > most ? p[top[i].id] : most;
        p[top[i].id] = 0;
    }
    return (double)most;
}

static void put_token(uint8_t *record, const swg_teacher_cache_subject *s, size_t i, int32_t id,
                      double log_p)
{
    const size_t bytes = id_bytes(s->vocab);
    const uint16_t half = swg_f32_to_f16((float)(log_p < 0 ? fmax(log_p, -65504) : 0));
    memcpy(record + sizeof(head) + i * bytes, &id, bytes); /* little-endian */
    memcpy(record + sizeof(head) + s->k * bytes + i * sizeof half, &half, sizeof half);
}

static swg_status make_record(void *context, size_t t)
{
    const making *m = context;
    const swg_teacher_cache_subject *s = m->subject;
    const size_t thread = swg_pool_thread_index(), position = m->first + t;
    const float *logits = m->logits + t * s->vocab;
    float *p = m->p + thread * s->vocab;
    ranked *top = m->top + thread * s->k;
    uint8_t *record = m->records + t * record_bytes(s->vocab, s->k);
    const double total = swg_loss_softmax(logits, s->vocab, 1, p);
    const bool is_last = (position + 1) % s->window == 0;
    const double nll = is_last ? 0 : total - (double)logits[s->ids[position + 1]];
    choose(logits, s->vocab, s->k, top);
    const double most = take_top(p, top, s->k);
    const head h = {.rest = (float)sum_of_rest(p, s->vocab, most, 1),
                    .rest_t = (float)sum_of_rest(p, s->vocab, most, s->temperature),
                    .nll = nll > 0 ? (float)nll : 0};
    memcpy(record, &h, sizeof h);
    for (size_t i = 0; i < s->k; i++)
        put_token(record, s, i, top[i].id, (double)top[i].x - total);
    return SWG_OK;
}

/* The records of windows [w, w + n). */
static swg_status make_windows(making *m, swg_predictor *teacher, size_t w, size_t n,
                               const swg_teacher_cache_work *work, swg_state_writer *writer)
{
    const swg_teacher_cache_subject *s = m->subject;
    const size_t rows = n * s->window;
    const float *out;
    SWG_TRY(swg_predictor_run(teacher, s->ids + w * s->window, n, &out));
    for (size_t at = 0; at < rows; at += END_ROWS) {
        const size_t count = rows - at < END_ROWS ? rows - at : END_ROWS;
        m->first = w * s->window + at;
        SWG_TRY(swg_predictor_logits(teacher, out + at * teacher->width, count, m->logits));
        SWG_TRY(swg_pool_for(work->pool, count, make_record, m));
        SWG_TRY(swg_state_put(writer, m->records, count * record_bytes(s->vocab, s->k)));
    }
    return SWG_OK;
}

static swg_status make_all(making *m, swg_predictor *teacher, const swg_teacher_cache_work *work,
                           swg_state_writer *writer)
{
    const swg_teacher_cache_subject *s = m->subject;
    SWG_TRY(swg_state_put_text(writer, s->identity));
    for (size_t w = 0; w < s->n_windows; w += work->batch) {
        const size_t left = s->n_windows - w;
        SWG_TRY(swg_progress_step(work->progress, "running the teacher", "tokens", w * s->window,
                                  s->n_windows * s->window));
        SWG_TRY(make_windows(m, teacher, w, left < work->batch ? left : work->batch, work, writer));
    }
    return SWG_OK;
}

static swg_status make_room(making *m, const swg_teacher_cache_work *work)
{
    const swg_teacher_cache_subject *s = m->subject;
    const size_t n_threads = swg_pool_threads(work->pool);
    SWG_TRY(SWG_NEW_UNINIT(m->logits, END_ROWS * s->vocab));
    SWG_TRY(SWG_NEW_UNINIT(m->p, n_threads * s->vocab));
    SWG_TRY(SWG_NEW_UNINIT(m->top, n_threads * s->k));
    return SWG_NEW_UNINIT(m->records, END_ROWS * record_bytes(s->vocab, s->k));
}

swg_status swg_teacher_cache_make(const char *path, const swg_teacher_cache_subject *s,
                                  const swg_model *teacher, const swg_teacher_cache_work *work)
{
    making m = {.subject = s};
    swg_predictor predictor = {0};
    swg_state_writer *writer = NULL;
    swg_status status = SWG_OK;
    if ((size_t)teacher->hparams.n_outputs != s->vocab)
        return swg_error(SWG_USAGE,
                         "the student predicts %zu tokens and the teacher %lld: they must have the "
                         "same vocabulary",
                         s->vocab, (long long)teacher->hparams.n_outputs);
    SWG_GO(make_room(&m, work));
    SWG_GO(swg_predictor_init(&predictor, teacher, work->pool, work->batch, s->window, 0));
    SWG_GO(swg_state_create(path, &swg_state_of_teacher, &writer));
    SWG_GO(make_all(&m, &predictor, work, writer));
    SWG_GO(swg_state_commit(&writer));
done:
    swg_state_abort(&writer);
    swg_predictor_deinit(&predictor);
    swg_free(m.logits);
    swg_free(m.p);
    swg_free(m.top);
    swg_free(m.records);
    return status;
}

/* --- Reading ---------------------------------------------------------------------------------- */

static const uint8_t *record_of(const swg_teacher_cache *c, size_t window, size_t position)
{
    return c->records + (window * c->window + position) * record_bytes(c->vocab, c->k);
}

static uint32_t id_of(const swg_teacher_cache *c, const uint8_t *record, size_t i)
{
    uint32_t id = 0;
    memcpy(&id, record + sizeof(head) + i * id_bytes(c->vocab), id_bytes(c->vocab));
    return id;
}

static float log_p_of(const swg_teacher_cache *c, const uint8_t *record, size_t i)
{
    uint16_t half;
    memcpy(&half, record + sizeof(head) + c->k * id_bytes(c->vocab) + i * sizeof half, sizeof half);
    return swg_f16_to_f32(half);
}

static bool is_sum(float x)
{
    return x >= 0 && x <= FLT_MAX;
}

/* NULL, or what cannot be in this record. */
static const char *fault_of(const swg_teacher_cache *c, const uint8_t *record)
{
    head h;
    int64_t last = -1;
    memcpy(&h, record, sizeof h);
    if (!is_sum(h.rest) || !is_sum(h.rest_t) || !is_sum(h.nll))
        return "a sum of probabilities that is negative or not finite";
    for (size_t i = 0; i < c->k; i++) {
        const uint32_t id = id_of(c, record, i);
        const float log_p = log_p_of(c, record, i);
        if (id >= c->vocab || (int64_t)id <= last)
            return "tokens that are not ascending or not of the vocabulary";
        if (!(log_p <= 0 && log_p >= -FLT_MAX))
            return "a logarithm of a probability that is positive or not finite";
        last = id;
    }
    return NULL;
}

static swg_status check_records(const swg_teacher_cache *c)
{
    for (size_t w = 0; w < c->n_windows; w++)
        for (size_t t = 0; t < c->window; t++) {
            const char *fault = fault_of(c, record_of(c, w, t));
            if (fault)
                return swg_error(SWG_CORRUPT, "%s: position %zu of window %zu has %s", c->path, t,
                                 w, fault);
        }
    return SWG_OK;
}

static swg_status open_records(swg_teacher_cache *c, const swg_teacher_cache_subject *s)
{
    size_t bytes, wanted;
    SWG_TRY(swg_state_open(c->path, &swg_state_of_teacher, &c->reader));
    SWG_TRY(swg_state_expect_text(c->reader, s->identity, "teacher, text or settings"));
    c->records = swg_state_rest(c->reader, &bytes);
    if (!swg_size_mul(s->n_windows * s->window, record_bytes(s->vocab, s->k), &wanted) ||
        bytes != wanted)
        return swg_error(SWG_CORRUPT,
                         "%s has %zu bytes of predictions where %zu windows of %zu "
                         "tokens have %zu",
                         c->path, bytes, s->n_windows, s->window, wanted);
    return check_records(c);
}

swg_status swg_teacher_cache_open(const char *path, const swg_teacher_cache_subject *s,
                                  swg_teacher_cache **out)
{
    swg_teacher_cache *c = NULL;
    swg_status status = SWG_OK;
    SWG_GO(SWG_NEW(c, 1));
    c->n_windows = s->n_windows;
    c->window = s->window;
    c->vocab = s->vocab;
    c->k = s->k;
    c->temperature = s->temperature;
    c->path = swg_strdup(path);
    SWG_GO(c->path ? SWG_OK : SWG_NO_MEMORY);
    SWG_GO(open_records(c, s));
    *out = c;
    c = NULL;
done:
    swg_teacher_cache_free(&c);
    return status;
}

void swg_teacher_cache_free(swg_teacher_cache **cache)
{
    if (!*cache)
        return;
    swg_state_close(&(*cache)->reader);
    swg_free((*cache)->path);
    SWG_FREE(*cache);
}

size_t swg_teacher_cache_k(const swg_teacher_cache *c)
{
    return c->k;
}

void swg_teacher_cache_top(const swg_teacher_cache *c, size_t window, size_t position,
                           double temperature, int32_t *ids, float *p, swg_top_k *out)
{
    const uint8_t *record = record_of(c, window, position);
    head h;
    memcpy(&h, record, sizeof h);
    const double rest = temperature == 1 ? (double)h.rest : (double)h.rest_t;
    double sum = rest;
    float most = log_p_of(c, record, 0);
    for (size_t i = 1; i < c->k; i++)
        most = fmaxf(most, log_p_of(c, record, i));
    for (size_t i = 0; i < c->k; i++) {
        ids[i] = (int32_t)id_of(c, record, i);
        p[i] = (float)exp((double)(log_p_of(c, record, i) - most) / temperature);
        sum += (double)p[i];
    }
    for (size_t i = 0; i < c->k; i++)
        p[i] = (float)((double)p[i] / sum);
    *out = (swg_top_k){.k = c->k, .ids = ids, .p = p, .rest = (float)(rest / sum)};
}

double swg_teacher_cache_nll(const swg_teacher_cache *c, size_t window, size_t position)
{
    float nll;
    memcpy(&nll, record_of(c, window, position) + offsetof(head, nll), sizeof nll);
    return (double)nll;
}
