/* Half-quadratic grids: the iteration written out in double gives the same scale and zero point,
 * and the sum of square roots of the errors is never larger than round to nearest's. */
#include <math.h>
#include <string.h>

#include "quantize/quantize.h"
#include "runtime/base/rng.h"
#include "tests/harness.h"

enum { K = 64, ROWS = 40 };

typedef struct matrix {
    float w[ROWS * K];
} matrix;

static swg_status read_rows(void *context, uint64_t row_begin, uint64_t n_rows, float *out)
{
    const matrix *m = context;
    memcpy(out, m->w + row_begin * K, n_rows * K * sizeof *out);
    return SWG_OK;
}

/* Weights with some outliers, as in the rows of real matrices. */
static void fill(matrix *m)
{
    swg_rng rng = swg_rng_seeded(swg_test_seed());
    for (size_t i = 0; i < ROWS * K; i++)
        m->w[i] = swg_rng_normal(&rng) * (i % 23 == 5 ? 0.3f : 0.05f) + 0.01f;
}

typedef struct stored {
    uint8_t codes[ROWS * K];
    float scales[ROWS];
    uint8_t zeros[ROWS];
    float values[ROWS * K];
} stored;

static void quantize(const char *name, matrix *m, unsigned bits, bool asymmetric, stored *out)
{
    swg_quant_method method = SWG_QUANT_rtn;
    swg_quant_stats stats;
    ck_ok(swg_quant_method_find(name, &method));
    swg_scheme scheme;
    ck_ok(swg_scheme_of_bits(bits, 0, asymmetric, SWG_F32, &scheme));
    const swg_quantize_job job = {.name = "w",
                                  .rows = ROWS,
                                  .cols = K,
                                  .scheme = scheme,
                                  .updated = out->values,
                                  .read_rows = read_rows,
                                  .context = m};
    void *const planes[SWG_PLANE_KINDS] = {[SWG_PLANE_CODES] = out->codes,
                                           [SWG_PLANE_SCALES] = out->scales,
                                           [SWG_PLANE_ZEROS] = asymmetric ? out->zeros : NULL};
    ck_ok(swg_quantize_tensor(method, &job, planes, &stats));
}

static double loss_of(const float *w, double s, double zero, double most)
{
    double sum = 0;
    for (size_t i = 0; i < K; i++) {
        const double q = fmin(fmax(rint((double)w[i] / s) + zero, 0), most) - zero;
        sum += sqrt(fabs((double)w[i] - s * q));
    }
    return sum;
}

/* From round to nearest's grid, 20 times: errors in steps, shrunk; zero point and scale by least
 * squares; the best by the sum of square roots. */
static void reference(const float *w, unsigned bits, bool asymmetric, double *scale, double *zero)
{
    const double most = (double)((1u << bits) - 1);
    double s = *scale, z = *zero, beta = 10, least = loss_of(w, s, z, most);
    for (int iteration = 0; iteration < 20; iteration++, beta *= 1.01) {
        double shift = 0, qq = 0, qt = 0;
        for (size_t i = 0; i < K; i++) {
            const double t = (double)w[i] / s, q = fmin(fmax(rint(t) + z, 0), most) - z;
            const double e = t - q, size = fmax(fabs(e) - pow(fabs(e), -0.5) / beta, 0);
            const double kept = t - (e != 0 ? copysign(size, e) : 0);
            shift += (q - kept) / K;
            qq += q * q;
            qt += q * kept;
        }
        const double next_z = asymmetric ? fmin(fmax(rint(z + shift), 0), most) : z;
        const double next_s = (double)(float)(s * qt / qq);
        if (!(qt > 0) || (next_s == s && next_z == z))
            return;
        s = next_s, z = next_z;
        const double loss = loss_of(w, s, z, most);
        if (loss < least) {
            least = loss;
            *scale = s;
            *zero = z;
        }
    }
}

static const struct {
    unsigned bits;
    bool asymmetric;
} cases[] = {{4, true}, {4, false}, {3, true}, {2, true}, {2, false}, {8, true}};
enum { N_CASES = sizeof cases / sizeof *cases };

START_TEST(grids_are_those_of_the_iteration)
{
    const unsigned bits = cases[_i].bits;
    const bool asymmetric = cases[_i].asymmetric;
    static matrix m;
    static stored plain, robust;
    size_t n_moved = 0, n_differ = 0;
    fill(&m);
    quantize("rtn", &m, bits, asymmetric, &plain);
    quantize("hqq", &m, bits, asymmetric, &robust);
    for (size_t r = 0; r < ROWS; r++) {
        const double half = (double)(1u << (bits - 1));
        double s = (double)plain.scales[r], z = asymmetric ? (double)plain.zeros[r] : half;
        double was = 0, is = 0;
        reference(m.w + r * K, bits, asymmetric, &s, &z);
        n_differ += fabs((double)robust.scales[r] - s) > 1e-5 * fabs(s) ||
                    (asymmetric && (double)robust.zeros[r] != z);
        n_moved += robust.scales[r] != plain.scales[r];
        for (size_t i = 0; i < K; i++) {
            was += sqrt(fabs((double)plain.values[r * K + i] - (double)m.w[r * K + i]));
            is += sqrt(fabs((double)robust.values[r * K + i] - (double)m.w[r * K + i]));
        }
        ck_assert_double_le(is, was * (1 + 1e-6));
    }
    ck_assert_uint_gt(n_moved, ROWS / 4);
    ck_assert_uint_le(n_differ, 2); /* ties between codes that float and double break differently */
}
END_TEST

START_TEST(groups_of_zeros_stay)
{
    static matrix m;
    static stored out;
    memset(&m, 0, sizeof m);
    quantize("hqq", &m, 4, true, &out);
    for (size_t i = 0; i < ROWS * K; i++)
        ck_assert_float_eq(out.values[i], 0);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("hqq");
    TCase *tcase = tcase_create("grids");
    tcase_add_loop_test(tcase, grids_are_those_of_the_iteration, 0, N_CASES);
    tcase_add_test(tcase, groups_of_zeros_stay);
    suite_add_tcase(suite, tcase);
    return suite;
}
