/* Losses and their slopes. See losses.h. */
#include "distill/losses.h"

#include <math.h>

/* The logarithm of the sum of exp(x / t), and the largest x. */
static double log_sum(const float *x, size_t n, double t)
{
    double most = (double)x[0], sum = 0;
    for (size_t i = 1; i < n; i++)
        most = (double)x[i] > most ? (double)x[i] : most;
    for (size_t i = 0; i < n; i++)
        sum += exp(((double)x[i] - most) / t);
    return most / t + log(sum);
}

double swg_loss_kl(const swg_loss_input *in, double weight, float *slopes)
{
    const double t = in->temperature;
    const double teacher = log_sum(in->teacher, in->n, t);
    const double student = log_sum(in->student, in->n, t);
    double sum = 0;
    for (size_t i = 0; i < in->n; i++) {
        const double log_p = (double)in->teacher[i] / t - teacher;
        const double log_q = (double)in->student[i] / t - student;
        const double p = exp(log_p);
        sum += p * (log_p - log_q);
        if (slopes)
            slopes[i] += (float)(weight * t * (exp(log_q) - p));
    }
    return t * t * sum;
}

double swg_loss_ce(const swg_loss_input *in, double weight, float *slopes)
{
    if (in->target < 0)
        return 0;
    const double total = log_sum(in->student, in->n, 1);
    for (size_t i = 0; slopes && i < in->n; i++)
        slopes[i] += (float)(weight * exp((double)in->student[i] - total));
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

bool swg_loss_is_of_rows(swg_loss loss)
{
    enum { LOGITS, ROWS };
    static const int domains[] = {
#define SWG_LOSS(name, domain, meaning) domain,
#include "distill/losses.def"
#undef SWG_LOSS
    };
    return domains[loss] == ROWS;
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
