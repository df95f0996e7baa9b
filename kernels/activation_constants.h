/* Constants of the activation functions, shared by the definition and its vector variants.
 *
 * The Gaussian distribution function of x <= 0 is half of erfc(z), z = |x| / sqrt(2), with
 *     erfc(z) = t (A1 + t (A2 + t (A3 + t (A4 + t A5)))) exp(-z^2),  t = 1 / (1 + P z)
 * to 1.5e-7 (Abramowitz and Stegun 1964, 7.1.26): no digits cancel for negative x. The tanh form of
 * GELU is x / (1 + exp(-2 u)), u = sqrt(2 / pi) (x + 0.044715 x^3), because (1 + tanh u) / 2 is the
 * logistic function of 2 u. */
#ifndef SWG_KERNELS_ACTIVATION_CONSTANTS_H
#define SWG_KERNELS_ACTIVATION_CONSTANTS_H

#define SWG_INVERSE_SQRT2 0.70710678118654752f
#define SWG_ERFC_P        0.3275911f
#define SWG_ERFC_A1       0.254829592f
#define SWG_ERFC_A2       (-0.284496736f)
#define SWG_ERFC_A3       1.421413741f
#define SWG_ERFC_A4       (-1.453152027f)
#define SWG_ERFC_A5       1.061405429f
#define SWG_GELU_LINEAR   1.5957691216057308f  /* 2 sqrt(2 / pi) */
#define SWG_GELU_CUBIC    0.07135481282553521f /* the same times 0.044715 */

#endif
