/* Names and sizes on the command line: see words.h. */
#include "runtime/base/words.h"

#include <stdio.h>
#include <string.h>

#include "runtime/base/utf8.h"

/* Longer words are tensor names rather than typing errors; they get no suggestion. */
enum { MAX_WORD = 127 };

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Damerau-Levenshtein distance (optimal string alignment), row by row:
 *   d[i][j] = min(d[i-1][j] + 1, d[i][j-1] + 1, d[i-1][j-1] + (a[i] != b[j]),
 *                 d[i-2][j-2] + 1 if the last two letters are swapped) */
static size_t distance(const char *a, size_t n, const char *b, size_t m)
{
    size_t rows[3][MAX_WORD + 1];
    for (size_t j = 0; j <= m; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t *row = rows[i % 3];
        const size_t *above = rows[(i + 2) % 3], *above2 = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            row[j] = least(least(above[j], row[j - 1]) + 1, above[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = least(row[j], above2[j - 2] + 1);
        }
    }
    return rows[n % 3][m];
}

/* The only candidate that starts with `word`, if there is exactly one. */
static const char *only_completion(const char *word, size_t length, const char *const *candidates,
                                   size_t count)
{
    const char *found = NULL;
    for (size_t i = 0; i < count && length > 0; i++) {
        if (strncmp(candidates[i], word, length) != 0)
            continue;
        if (found)
            return NULL;
        found = candidates[i];
    }
    return found;
}

const char *swg_nearest_word(const char *word, const char *const *candidates, size_t count)
{
    const size_t length = strlen(word);
    if (length > MAX_WORD)
        return NULL;
    const char *nearest = NULL;
    size_t best = length / 3 + 1;
    for (size_t i = 0; i < count; i++) {
        const size_t candidate_length = strlen(candidates[i]);
        if (candidate_length > MAX_WORD)
            continue;
        const size_t d = distance(word, length, candidates[i], candidate_length);
        if (d < best) {
            best = d;
            nearest = candidates[i];
        }
    }
    return nearest ? nearest : only_completion(word, length, candidates, count);
}

/* Whether `name` contains `part` between dots or ends. */
static bool contains_part(const char *name, const char *part)
{
    const size_t length = strlen(part);
    if (length == 0)
        return *name == '\0';
    for (const char *at = strstr(name, part); at; at = strstr(at + 1, part)) {
        const bool starts = at == name || at[-1] == '.';
        const bool ends = at[length] == '\0' || at[length] == '.';
        if (starts && ends)
            return true;
    }
    return false;
}

static size_t character_bytes(const char *at)
{
    const size_t bytes = swg_utf8_decode(at, strlen(at), NULL);
    return bytes ? bytes : 1;
}

bool swg_pattern_matches(const char *pattern, const char *name)
{
    if (!strpbrk(pattern, "*?"))
        return contains_part(name, pattern);
    /* The last star matches one more byte each time the rest does not match. */
    const char *after_star = NULL, *retry = NULL;
    while (*name) {
        if (*pattern == '*') {
            after_star = ++pattern;
            retry = name;
        } else if (*pattern == '?') {
            pattern++;
            name += character_bytes(name);
        } else if (*pattern == *name) {
            pattern++;
            name++;
        } else if (after_star) {
            pattern = after_star;
            retry += character_bytes(retry);
            name = retry;
        } else {
            return false;
        }
    }
    return pattern[strspn(pattern, "*")] == '\0';
}

swg_status swg_parse_bytes(const char *option, const char *text, uint64_t *out)
{
    static const char units[] = "KMG";
    static const uint64_t most = UINT64_C(1) << 53;
    uint64_t value = 0;
    const char *at = text;
    for (; *at >= '0' && *at <= '9' && value < most; at++)
        value = 10 * value + (uint64_t)(*at - '0');
    const char *const unit = *at ? strchr(units, *at) : NULL;
    if (value == 0 || value >= most || (*at && (!unit || at[1])))
        return swg_error(SWG_USAGE,
                         "--%s %s is not a number of bytes from 1 on, such as 5000000000 or 5G",
                         option, text);
    const unsigned shift = unit ? 10 * (unsigned)(unit - units + 1) : 0;
    if (value >= most >> shift)
        return swg_error(SWG_USAGE, "--%s %s is too large", option, text);
    *out = value << shift;
    return SWG_OK;
}

const char *swg_format_bytes(uint64_t bytes, char out[32])
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    if (bytes < 1024) {
        snprintf(out, 32, "%u B", (unsigned)bytes);
        return out;
    }
    double value = (double)bytes / 1024;
    size_t unit = 0;
    /* 1023.95 would be rounded to "1024.0". */
    for (; value >= 1023.95 && unit < sizeof units / sizeof units[0] - 1; unit++)
        value /= 1024;
    snprintf(out, 32, "%.1f %s", value, units[unit]);
    return out;
}
