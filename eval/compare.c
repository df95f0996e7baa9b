/* Statistics of paired comparisons: see compare.h. */
#include "eval/compare.h"

#include <math.h>
#include <stdlib.h>

static const double pi = 3.14159265358979323846;

static int compare_doubles(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

swg_interval swg_interval_of(double *values, size_t n)
{
    qsort(values, n, sizeof *values, compare_doubles);
    const double last = (double)(n - 1);
    return (swg_interval){values[(size_t)floor(0.025 * last)], values[(size_t)ceil(0.975 * last)]};
}

swg_interval swg_wilson_interval(uint64_t right, uint64_t n)
{
    const double z = 1.959963984540054; /* 97.5 % of the standard normal distribution */
    const double items = (double)n, share = (double)right / items, zz = z * z / items;
    const double middle = (share + zz / 2) / (1 + zz);
    const double half = z / (1 + zz) * sqrt(share * (1 - share) / items + zz / (4 * items));
    return (swg_interval){fmax(middle - half, 0), fmin(middle + half, 1)};
}

double swg_share_standard_error(double share, double n)
{
    return n > 1 ? sqrt(share * (1 - share) / (n - 1)) : NAN;
}

const char *swg_judgement_text(swg_judgement judgement)
{
    static const char *const texts[] = {
        [SWG_JUDGEMENT_UNKNOWN] = "too few windows to tell",
        [SWG_JUDGEMENT_BETTER] = "better",
        [SWG_JUDGEMENT_WORSE] = "worse",
        [SWG_JUDGEMENT_INDISTINGUISHABLE] = "indistinguishable",
    };
    return texts[judgement];
}

/* The quantile of the standard normal distribution that is exceeded with probability p <= 1/2, by
 * bisection of erfc. */
static double normal_quantile(double p)
{
    double low = 0, high = 40;
    for (int i = 0; i < 200; i++) {
        const double middle = 0.5 * (low + high);
        if (0.5 * erfc(middle / sqrt(2)) > p)
            low = middle;
        else
            high = middle;
    }
    return 0.5 * (low + high);
}

/* The quantile of Student's t with n degrees of freedom whose absolute value is exceeded with
 * probability p. */
static double student_quantile(double p, double n)
{
    if (n == 1)
        return 1 / tan(p * pi / 2);
    if (n == 2)
        return sqrt(2 / (p * (2 - p)) - 2);
    const double a = 1 / (n - 0.5), b = 48 / (a * a);
    double c = ((20700 * a / b - 98) * a - 16) * a + 96.36;
    const double d = ((94.5 / (b + c) - 3) / b + 1) * sqrt(a * pi / 2) * n;
    double y = pow(d * p, 2 / n);
    if (y > 0.05 + a) {
        const double x = -normal_quantile(p / 2);
        y = x * x;
        if (n < 5)
            c += 0.3 * (n - 4.5) * (x + 0.6);
        c = (((0.05 * d * x - 5) * x - 7) * x - 2) * x + b + c;
        y = (((((0.4 * y + 6.3) * y + 36) * y + 94.5) / c - y - 3) / b + 1) * x;
        y = expm1(a * y * y);
    } else {
        y = ((1 / (((n + 6) / (n * y) - 0.089 * d - 0.822) * (n + 2) * 3) + 0.5 / (n + 4)) * y -
             1) *
                (n + 1) / (n + 2) +
            1 / y;
    }
    return sqrt(n * y);
}

swg_comparison swg_compare_difference(double difference, double standard_error, size_t n)
{
    if (n < 2)
        return (swg_comparison){SWG_JUDGEMENT_UNKNOWN, NAN};
    const double freedom = (double)(n - 1);
    const double needed = student_quantile(0.05, freedom) * standard_error;
    /* One-sided 20 % is two-sided 40 %. */
    swg_comparison made = {SWG_JUDGEMENT_INDISTINGUISHABLE, NAN};
    if (standard_error > 0)
        made.smallest_detectable = needed + student_quantile(0.4, freedom) * standard_error;
    if (difference > needed)
        made.judgement = SWG_JUDGEMENT_WORSE;
    else if (difference < -needed)
        made.judgement = SWG_JUDGEMENT_BETTER;
    return made;
}

double swg_mcnemar(uint64_t gained, uint64_t lost)
{
    const double n = (double)gained + (double)lost;
    const double fewer = (double)(gained < lost ? gained : lost);
    if (n == 0 || gained == lost)
        return 1;
    /* 2 sum_{i <= fewer} C(n, i) / 2^n, from the largest term downwards. */
    double term = exp(lgamma(n + 1) - lgamma(fewer + 1) - lgamma(n - fewer + 1) - n * log(2));
    double sum = 0;
    for (double i = fewer; i >= 0 && term > 0; i--) {
        const double before = sum;
        sum += term;
        if (sum == before)
            break;
        term *= i / (n - i + 1);
    }
    return fmin(1, 2 * sum);
}
