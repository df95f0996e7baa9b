/* Names and parameters of schemes; the format defines what a scheme means (weight_format.h). */
#include "runtime/base/scheme.h"

#include <string.h>

#include "runtime/base/mem.h"
#include "runtime/base/weight_format.h"

static const swg_weight_format *const formats[SWG_FORMAT_COUNT] = {
#define SWG_WEIGHT_FORMAT(name) &swg_weight_format_##name,
#include "runtime/base/weight_formats.def"
};

/* "2, 3, 4 and 8" would need a verb; a list is enough for a message. */
static const char known_bits[] = ""
#define SWG_INTEGER_FORMAT(name, bits) ", " #bits
#include "runtime/base/weight_formats.def"
    ;

static const char known_codebook_bits[] = ""
#define SWG_CODEBOOK_FORMAT(name, bits) ", " #bits
#include "runtime/base/weight_formats.def"
    ;

const swg_weight_format *swg_weight_format_of(swg_scheme scheme)
{
    return formats[scheme.format];
}

/* The format of integer codes of that width; SWG_FORMAT_COUNT when there is none. */
static swg_weight_format_id format_of_bits(unsigned bits)
{
    switch (bits) {
#define SWG_INTEGER_FORMAT(name, width)                                                            \
    case width:                                                                                    \
        return SWG_FORMAT_##name;
#include "runtime/base/weight_formats.def"
    default:
        return SWG_FORMAT_COUNT;
    }
}

bool swg_bits_are_known(unsigned bits)
{
    return format_of_bits(bits) != SWG_FORMAT_COUNT;
}

swg_status swg_scheme_of_bits(unsigned bits, uint32_t group, bool asymmetric, swg_dtype scale_type,
                              swg_scheme *out)
{
    const swg_weight_format_id format = format_of_bits(bits);
    if (format == SWG_FORMAT_COUNT)
        return swg_error(SWG_UNSUPPORTED, "no weight format has codes of %u bits (known: %s)", bits,
                         known_bits + 2);
    *out = (swg_scheme){.format = (uint8_t)format,
                        .bits = (uint8_t)bits,
                        .group = group,
                        .asymmetric = asymmetric,
                        .scale_type = scale_type};
    return SWG_OK;
}

swg_status swg_scheme_of_codebook(unsigned bits, uint32_t group, swg_dtype scale_type,
                                  swg_scheme *out)
{
    for (int i = 0; i < SWG_FORMAT_COUNT; i++)
        if (formats[i]->has_codebook && formats[i]->code_bits == bits) {
            *out = (swg_scheme){.format = (uint8_t)i,
                                .bits = (uint8_t)bits,
                                .group = group,
                                .scale_type = scale_type};
            return SWG_OK;
        }
    return swg_error(SWG_UNSUPPORTED, "no weight format has a codebook of %u-bit codes (known: %s)",
                     bits, known_codebook_bits + 2);
}

bool swg_scheme_has_codebook(swg_scheme scheme)
{
    return formats[scheme.format]->has_codebook;
}

bool swg_scheme_equal(swg_scheme a, swg_scheme b)
{
    return a.format == b.format && a.bits == b.bits && a.asymmetric == b.asymmetric &&
           a.dtype == b.dtype && a.scale_type == b.scale_type && a.group == b.group &&
           a.block == b.block && a.ggml == b.ggml;
}

bool swg_scheme_is_integer(swg_scheme scheme)
{
    return formats[scheme.format]->is_integer;
}

swg_scheme swg_scheme_expanded(swg_scheme scheme)
{
    const bool is_plain = swg_scheme_is_plain(scheme);
    if (is_plain && scheme.dtype == SWG_F64) /* computed with in float32 */
        return swg_scheme_plain(SWG_F32);
    if (is_plain || swg_scheme_is_integer(scheme) || swg_scheme_has_codebook(scheme))
        return scheme;
    return swg_scheme_plain(swg_scheme_is_quantized(scheme) ? SWG_F32 : scheme.dtype);
}

size_t swg_scheme_group_length(swg_scheme scheme, size_t k)
{
    return scheme.group ? scheme.group : k;
}

size_t swg_scheme_groups(swg_scheme scheme, size_t k)
{
    return scheme.group ? swg_ceil_div(k, scheme.group) : 1;
}

const char *swg_scheme_name(swg_scheme scheme, char out[SWG_SCHEME_NAME_BYTES])
{
    formats[scheme.format]->print(scheme, out);
    return out;
}

swg_status swg_scheme_parse(const char *text, size_t length, swg_scheme *out)
{
    for (int i = 0; i < SWG_FORMAT_COUNT; i++) {
        char name[SWG_SCHEME_NAME_BYTES];
        swg_scheme scheme = {.format = (uint8_t)i, .bits = formats[i]->code_bits};
        if (length >= SWG_SCHEME_NAME_BYTES || !formats[i]->parse(text, length, &scheme))
            continue;
        /* Accept only the canonical spelling of each scheme: no leading zeros and the like. */
        formats[i]->print(scheme, name);
        if (strlen(name) == length && memcmp(name, text, length) == 0) {
            *out = scheme;
            return SWG_OK;
        }
    }
    return swg_error(SWG_UNSUPPORTED, "unknown weight scheme \"%.*s\"",
                     (int)(length < 64 ? length : 64), text);
}
