/* Losses and their slopes. See losses.h. */
#include "distill/losses.h"

#include <float.h>
#include <math.h>

#include "kernels/kernels.h"

double swg_loss_softmax(const float *x, size_t n, double t, float *p)
{
    const swg_kernels *kernels;
    if (swg_kernels_best(&kernels) != SWG_OK) /* the models that gave x had found some */
        kernels = swg_kernels_of(SWG_ISA_scalar);
    size_t most = 0;
    for (size_t i = 0; i < n; i++) {
        p[i] = t == 1 ? x[i] : (float)((double)x[i] / t);
        most = x[i] > x[most] ? i : most;
    }
    kernels->softmax(p, n);
    return (double)x[most] / t - log((double)p[most]);
}

/* The sum of x [n], in eight sums in turn. */
static double sum_of(const float *x, size_t n)
{
    enum { LANES = 8 };
    double lanes[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (size_t l = 0; l < LANES; l++)
            lanes[l] += (double)x[i + l];
    for (; i < n; i++)
        lanes[0] += (double)x[i];
    for (size_t l = 1; l < LANES; l++)
        lanes[0] += lanes[l];
    return lanes[0];
}

/* The divergence where the teacher's probabilities are known of some tokens alone, and of all
 * others together: these count as one. With r = p_rest / q_rest, the slope of a token outside is T
 * (q - r q). */
static double top_k_kl(const swg_loss_input *in, double weight, float *slopes)
{
    const double t = in->temperature;
    const swg_top_k *top = in->top;
    float *q = in->work;
    const double total = swg_loss_softmax(in->student, in->n, t, q);
    double sum = 0;
    for (size_t i = 0; i < top->k; i++) {
        const int32_t id = top->ids[i];
        const double p = (double)top->p[i];
        if (p > 0)
            sum += p * (log(p) - ((double)in->student[id] / t - total));
        if (slopes)
            slopes[id] += (float)(weight * t) * (q[id] - top->p[i]);
        q[id] = 0;
    }
    const double rest = sum_of(q, in->n), q_rest = rest > (double)FLT_MIN ? rest : (double)FLT_MIN;
    const float share = (float)(weight * t * (1 - (double)top->rest / q_rest));
    if (top->rest > 0)
        sum += (double)top->rest * log((double)top->rest / q_rest);
    for (size_t i = 0; slopes && i < in->n; i++)
        slopes[i] += share * q[i];
    return t * t * sum;
}

double swg_loss_kl(const swg_loss_input *in, double weight, float *slopes)
{
    const double t = in->temperature;
    float *p = in->work, *q = in->work + in->n;
    if (in->top)
        return top_k_kl(in, weight, slopes);
    const double teacher = swg_loss_softmax(in->teacher, in->n, t, p);
    const double student = swg_loss_softmax(in->student, in->n, t, q);
    double sum = 0;
    for (size_t i = 0; i < in->n; i++) {
        const double log_p = (double)in->teacher[i] / t - teacher;
        const double log_q = (double)in->student[i] / t - student;
        sum += (double)p[i] * (log_p - log_q);
    }
    for (size_t i = 0; slopes && i < in->n; i++)
        slopes[i] += (float)(weight * t) * (q[i] - p[i]);
    return t * t * sum;
}

double swg_loss_ce(const swg_loss_input *in, double weight, float *slopes)
{
    if (in->target < 0)
        return 0;
    const double total = swg_loss_softmax(in->student, in->n, 1, in->work);
    for (size_t i = 0; slopes && i < in->n; i++)
        slopes[i] += (float)weight * in->work[i];
    if (slopes)
        slopes[in->target] -= (float)weight;
    return total - (double)in->student[in->target];
}

double swg_loss_hidden_mse(const swg_loss_input *in, double weight, float *slopes)
{
    const double n = (double)in->n;
    double sum = 0;
    for (size_t i = 0; i < in->n; i++) {
        const double d = (double)in->student[i] - (double)in->teacher[i];
        sum += d * d;
        if (slopes)
            slopes[i] += (float)(2 * weight * d / n);
    }
    return sum / n;
}

double swg_loss_hidden_cosine(const swg_loss_input *in, double weight, float *slopes)
{
    double xx = 0, xy = 0, yy = 0;
    for (size_t i = 0; i < in->n; i++) {
        const double x = (double)in->student[i], y = (double)in->teacher[i];
        xx += x * x;
        xy += x * y;
        yy += y * y;
    }
    const double norms = sqrt(xx) * sqrt(yy);
    if (norms == 0)
        return 1;
    for (size_t i = 0; slopes && i < in->n; i++)
        slopes[i] +=
            (float)(weight / norms * ((double)in->student[i] * xy / xx - (double)in->teacher[i]));
    return 1 - xy / norms;
}

double swg_loss_attention_mse(const swg_loss_input *in, double weight, float *slopes)
{
    return swg_loss_hidden_mse(in, weight, slopes);
}

swg_loss_domain swg_loss_domain_of(swg_loss loss)
{
    static const swg_loss_domain domains[] = {
#define SWG_LOSS(name, domain, meaning) SWG_LOSS_OF_##domain,
#include "distill/losses.def"
#undef SWG_LOSS
    };
    return domains[loss];
}

bool swg_loss_is_wanted(const double weights[SWG_LOSS_COUNT], swg_loss_domain domain)
{
    for (int loss = 0; loss < SWG_LOSS_COUNT; loss++)
        if (weights[loss] > 0 && swg_loss_domain_of((swg_loss)loss) == domain)
            return true;
    return false;
}

swg_loss_function *swg_loss_of(swg_loss loss)
{
    static swg_loss_function *const functions[] = {
#define SWG_LOSS(name, domain, meaning) swg_loss_##name,
#include "distill/losses.def"
#undef SWG_LOSS
    };
    return functions[loss];
}
