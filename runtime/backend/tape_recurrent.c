/* The derivative of a recurrent layer: through time, row by row backwards, from the gates that its
 * states give again. Letters as in kernels.h: x is the input's share of the gates, s = U h + b the
 * state's. */
#include <math.h>
#include <string.h>

#include "kernels/linalg.h"
#include "runtime/backend/tape_state.h"

typedef struct recurrence {
    const swg_tape_entry *entry;
    size_t units, width; /* units; units times the gates of the cell */
    bool is_lstm;
    size_t update, reset; /* the numbers of a GRU's gates */
    float *weight;        /* [width][units] U */
    float *s, *ds;        /* [rows][width] */
    float *c;             /* [rows][units] of an LSTM: c before each row */
    float *dy, *dx;       /* [rows][units], [rows][width] */
} recurrence;

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

/* One unit of an LSTM: from dL/dh and dL/dc after the step to the gates' slopes; *dc becomes that
 * before the step. */
static void reverse_lstm(const recurrence *r, size_t t, size_t j, double dh, float *dc)
{
    const float *x = r->entry->saved + t * r->width, *s = r->s + t * r->width;
    float *ds = r->ds + t * r->width;
    const size_t n = r->units;
    const double in = sigmoid((double)(x[j] + s[j]));
    const double forget = sigmoid((double)(x[n + j] + s[n + j]));
    const double new = tanh((double)(x[2 * n + j] + s[2 * n + j]));
    const double out = sigmoid((double)(x[3 * n + j] + s[3 * n + j]));
    const double before = (double)r->c[t * n + j], squashed = tanh(forget * before + in * new);
    const double slope = dh * out * (1 - squashed * squashed) + (double)*dc;
    ds[j] = (float)(slope * new *in *(1 - in));
    ds[n + j] = (float)(slope * before * forget * (1 - forget));
    ds[2 * n + j] = (float)(slope * in * (1 - new *new));
    ds[3 * n + j] = (float)(dh * squashed * out * (1 - out));
    *dc = (float)(slope * forget);
    for (size_t gate = 0; gate < 4; gate++)
        r->dx[t * r->width + gate * n + j] += ds[gate * n + j];
}

/* One unit of a GRU; returns what dL/dh before the step gets beside U^T ds. */
static double reverse_gru(const recurrence *r, size_t t, size_t j, double dh)
{
    const float *x = r->entry->saved + t * r->width, *s = r->s + t * r->width;
    float *ds = r->ds + t * r->width, *dx = r->dx + t * r->width;
    const size_t n = r->units, at_z = r->update * n + j, at_r = r->reset * n + j, at = 2 * n + j;
    const double before = (double)r->entry->saved_k[t * n + j];
    const double update = sigmoid((double)(x[at_z] + s[at_z]));
    const double reset = sigmoid((double)(x[at_r] + s[at_r]));
    const double new = tanh((double)x[at] + reset * (double)s[at]);
    const double slope = dh * (1 - update) * (1 - new *new);
    ds[at_z] = (float)(dh * (before - new) * update * (1 - update));
    ds[at_r] = (float)(slope * (double)s[at] * reset * (1 - reset));
    ds[at] = (float)(slope * reset);
    dx[at_z] += ds[at_z];
    dx[at_r] += ds[at_r];
    dx[at] += (float)slope;
    return dh * update;
}

/* c before every row of a span of an LSTM. */
static void fill_cells(const recurrence *r, const swg_span *span)
{
    const size_t n = r->units;
    memset(r->c + span->row * n, 0, n * sizeof *r->c);
    for (size_t t = span->row; t + 1 < span->row + span->n; t++)
        for (size_t j = 0; j < n; j++) {
            const float *x = r->entry->saved + t * r->width, *s = r->s + t * r->width;
            const double in = sigmoid((double)(x[j] + s[j]));
            const double forget = sigmoid((double)(x[n + j] + s[n + j]));
            const double new = tanh((double)(x[2 * n + j] + s[2 * n + j]));
            r->c[(t + 1) * n + j] = (float)(forget * (double)r->c[t * n + j] + in * new);
        }
}

/* One span, from its last row to its first; dh and dc [units] are scratch. */
static void reverse_span(const recurrence *r, const swg_span *span, float *dh, float *dc)
{
    const size_t n = r->units;
    memset(dh, 0, n * sizeof *dh);
    memset(dc, 0, n * sizeof *dc);
    if (r->is_lstm)
        fill_cells(r, span);
    for (size_t t = span->row + span->n; t-- > span->row;) {
        for (size_t j = 0; j < n; j++) {
            const double slope = (double)dh[j] + (double)r->dy[t * n + j];
            dh[j] = 0;
            if (r->is_lstm)
                reverse_lstm(r, t, j, slope, &dc[j]);
            else
                dh[j] = (float)reverse_gru(r, t, j, slope);
        }
        swg_linalg_get()->sgemm(false, false, 1, n, r->width, 1, r->ds + t * r->width, r->width,
                                r->weight, n, 1, dh, n);
    }
}

static void read_weight(const recurrence *r)
{
    const swg_weight *weight = r->entry->weight;
    for (size_t row = 0; row < weight->n; row += SWG_TILE_ROWS) {
        const size_t left = weight->n - row, n = left < SWG_TILE_ROWS ? left : SWG_TILE_ROWS;
        float *to = r->weight + row * weight->k;
        const float *rows = swg_cpu_rows_f32(weight, row, n, NULL, to);
        if (rows != to)
            memcpy(to, rows, n * weight->k * sizeof *to);
    }
}

/* s of all rows. */
static void fill_shares(const recurrence *r)
{
    const swg_tape_entry *e = r->entry;
    const size_t rows = e->y.rows;
    swg_sgemm_nt(rows, r->width, r->units, e->saved_k, r->units, r->weight, r->units, r->s,
                 r->width);
    for (size_t t = 0; e->weight->bias && t < rows; t++)
        for (size_t i = 0; i < r->width; i++)
            r->s[t * r->width + i] += e->weight->bias[i];
}

swg_status swg_tape_recur(swg_tape *tape, const swg_tape_entry *entry)
{
    const swg_gradient_observer *observer = tape->observer;
    const size_t rows = entry->y.rows, units = entry->y.columns, width = entry->x.columns;
    const bool is_update_first =
        tape->inner.model->hparams.recurrent.gate_order == SWG_GATES_UPDATE_FIRST;
    recurrence r = {.entry = entry,
                    .units = units,
                    .width = width,
                    .is_lstm = entry->cell == SWG_CELL_LSTM,
                    .update = is_update_first ? 0 : 1,
                    .reset = is_update_first ? 1 : 0,
                    .dy = swg_tape_gradient_of(tape, entry->y),
                    .dx = swg_tape_gradient_of(tape, entry->x)};
    float *scratch;
    if (!r.dy || !r.dx)
        return tape->status;
    SWG_TRY(SWG_NEW_UNINIT(scratch, width * units + 2 * rows * width + (rows + 2) * units));
    r.weight = scratch;
    r.s = r.weight + width * units;
    r.ds = r.s + rows * width;
    r.c = r.ds + rows * width;
    read_weight(&r);
    fill_shares(&r);
    for (size_t i = 0; i < tape->inner.batch.n_spans; i++)
        reverse_span(&r, &tape->inner.batch.spans[i], r.c + rows * units, r.c + (rows + 1) * units);
    if (observer->product)
        observer->product(observer->context, entry->weight, entry->saved_k, r.ds, rows);
    memset(r.dy, 0, rows * units * sizeof *r.dy);
    swg_free(scratch);
    return SWG_OK;
}
