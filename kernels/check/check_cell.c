/* lstm_cell and gru_cell. */
#include "kernels/check/case_values.h"

#include <math.h>

/* lstm_cell and gru_cell of n units. 0: h, 1: the input's share of the gates, 2: the state's, 3: c
 * (LSTM only). row_begin is the number of a GRU's update gate. */
static swg_status generate_cell(swg_check_case *c, size_t index, bool for_timing)
{
    const bool is_lstm = c->op == SWG_OP_lstm_cell;
    const size_t n_gates = is_lstm ? 4 : 3;
    c->n = for_timing ? CHECK_TIMED_ROW : swg_check_size(c, index, 200);
    c->row_begin = index % 2;
    const swg_check_flavour kind = swg_check_any_flavour(c, index, for_timing);
    float *h, *x, *s, *cell;
    SWG_TRY(swg_check_add_buffer(c, "h", CHECK_OUT, c->n * 4, &h));
    SWG_TRY(swg_check_add_buffer(c, "x", CHECK_IN, n_gates * c->n * 4, &x));
    SWG_TRY(swg_check_add_buffer(c, "s", CHECK_IN, n_gates * c->n * 4, &s));
    swg_check_fill(c, h, c->n, CHECK_NORMAL, 1);
    swg_check_fill(c, x, n_gates * c->n, kind, 30);
    swg_check_fill(c, s, n_gates * c->n, kind, 30);
    if (is_lstm) {
        SWG_TRY(swg_check_add_buffer(c, "c", CHECK_OUT, c->n * 4, &cell));
        swg_check_fill(c, cell, c->n, kind, 10);
    }
    c->ops = (double)(n_gates * c->n * 20);
    c->bytes = (double)(2 * (n_gates + 2) * c->n * 4);
    swg_check_describe(c, kind);
    return SWG_OK;
}

static void invoke_lstm(const swg_check_case *c, const swg_kernels *kernels, void *const at[])
{
    kernels->lstm_cell(at[1], at[2], c->n, at[3], at[0]);
}

static void invoke_gru(const swg_check_case *c, const swg_kernels *kernels, void *const at[])
{
    kernels->gru_cell(at[1], at[2], c->n, c->row_begin, 1 - c->row_begin, at[0]);
}

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

/* With its argument rounded a sigmoid is within 5 CHECK_EPS, a tanh within 10. */
static bool check_lstm(const swg_check_case *c, void *const at[], char *failure)
{
    const float *h = at[0];
    const float *cells = at[3];
    const float *x = swg_check_initial(c, 1), *s = swg_check_initial(c, 2),
                *old = swg_check_initial(c, 3);
    const size_t n = c->n;
    for (size_t i = 0; i < n; i++) {
        const double in = sigmoid((double)x[i] + s[i]);
        const double forget = sigmoid((double)x[n + i] + s[n + i]);
        const double cell = forget * old[i] + in * tanh((double)x[2 * n + i] + s[2 * n + i]);
        const double wanted = sigmoid((double)x[3 * n + i] + s[3 * n + i]) * tanh(cell);
        const double bound = (6 * fabs((double)old[i]) + 18 + fabs(cell)) * CHECK_EPS;
        if (!swg_check_near(cells[i], cell, bound, "c", i, failure) ||
            !swg_check_near(h[i], wanted, bound + 16 * CHECK_EPS, "h", i, failure))
            return false;
    }
    return true;
}

static bool check_gru(const swg_check_case *c, void *const at[], char *failure)
{
    const float *h = at[0];
    const float *old = swg_check_initial(c, 0), *x = swg_check_initial(c, 1),
                *s = swg_check_initial(c, 2);
    const size_t n = c->n, z = c->row_begin * n, r = n - z;
    for (size_t i = 0; i < n; i++) {
        const double update = sigmoid((double)x[z + i] + s[z + i]);
        const double reset = sigmoid((double)x[r + i] + s[r + i]), state = s[2 * n + i];
        const double new = tanh(reset * state + x[2 * n + i]);
        const double wanted = update * old[i] + (1 - update) * new;
        const double bound = 5 * fabs(old[i] - new) + 10 + 5 * fabs(state) + 3 * fabs(old[i]) + 3;
        if (!swg_check_near(h[i], wanted, bound * CHECK_EPS, "h", i, failure))
            return false;
    }
    return true;
}

const swg_op_check swg_check__lstm_cell = {generate_cell, invoke_lstm, check_lstm};
const swg_op_check swg_check__gru_cell = {generate_cell, invoke_gru, check_gru};
