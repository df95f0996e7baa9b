/* Llama 3's change of rotary frequencies (rope_scaling "llama3" of Hugging Face's
 * modeling_rope_utils.py): wave lengths beyond original / low are stretched by `factor`, those
 * below original / high stay, and in between the two are blended. GGUF keeps the resulting factors
 * as the tensor rope_freqs.weight; their parameters are found again by a note of our own, or by
 * trying what was published. */
#include <math.h>

#include "formats/gguf/gguf.h"

enum { MAX_PAIRS = 1024 };

void swg_gguf_rope_factors(const swg_gguf_rope *rope, float *out)
{
    static const double two_pi = 6.283185307179586;
    const double original = (double)rope->original_context;
    const double low_length = original / rope->low_freq_factor;
    const double high_length = original / rope->high_freq_factor;
    for (size_t i = 0; i < rope->n_pairs; i++) {
        const double frequency = pow(rope->base, -(double)i / (double)rope->n_pairs);
        const double length = two_pi / frequency;
        if (length < high_length) {
            out[i] = 1.0f;
        } else if (length > low_length) {
            out[i] = (float)rope->factor;
        } else {
            const double smooth = (original / length - rope->low_freq_factor) /
                                  (rope->high_freq_factor - rope->low_freq_factor);
            out[i] = (float)(1.0 / ((1.0 - smooth) / rope->factor + smooth));
        }
    }
}

/* Whether these parameters give these factors. */
static bool fits(const float *factors, const swg_gguf_rope *rope)
{
    static const float tolerance = 1e-4f; /* converters compute in binary32 */
    float expected[MAX_PAIRS];
    swg_gguf_rope_factors(rope, expected);
    for (size_t i = 0; i < rope->n_pairs; i++)
        if (!(fabsf(factors[i] - expected[i]) <= tolerance * expected[i]))
            return false;
    return true;
}

bool swg_gguf_rope_recognize(const float *factors, const float *noted, swg_gguf_rope *rope)
{
    enum { MAX_CONTEXT = 1 << 24 };
    static const int64_t contexts[] = {8192, 4096, 2048, 16384, 32768};
    if (rope->n_pairs == 0 || rope->n_pairs > MAX_PAIRS)
        return false;
    if (noted && noted[3] >= 1 && noted[3] <= MAX_CONTEXT) {
        rope->factor = noted[0];
        rope->low_freq_factor = noted[1];
        rope->high_freq_factor = noted[2];
        rope->original_context = (int64_t)noted[3];
        if (fits(factors, rope))
            return true;
    }
    rope->factor = factors[rope->n_pairs - 1]; /* the lowest frequency is stretched in full */
    rope->low_freq_factor = 1.0;
    rope->high_freq_factor = 4.0;
    for (size_t c = 0; c < sizeof contexts / sizeof *contexts; c++) {
        rope->original_context = contexts[c];
        if (fits(factors, rope))
            return true;
    }
    return false;
}
