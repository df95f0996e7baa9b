/* How the rows of test_checklist.c are carried out: a sound file is made, one thing in it is
 * changed, lengths and hashes around it are made right again, and the reader must refuse it with
 * the status and a word that the row names. */
#ifndef SWG_TESTS_FORMATS_CHECKLIST_H
#define SWG_TESTS_FORMATS_CHECKLIST_H

#include "runtime/base/strbuf.h"
#include "tests/formats/sample.h"

typedef struct format format;

typedef struct row {
    const char *item; /* "L1" */
    swg_status status;
    const char *word; /* that the sentence holds */
    /* What is changed: `drop` bytes are replaced by `put`, at `skip` bytes behind the first place
     * where `at` ends; without `at` from the start, or with `from_end` from the end. */
    const char *at;
    size_t at_length, skip, drop;
    const char *put;
    size_t put_length;
    bool from_end;
    bool is_outer; /* of the whole file, not of the part inside lengths and hashes */
    /* Instead of a change: a way of using the sound file. */
    swg_status (*run)(const format *f, const char *path);
    void (*make)(swg_strbuf *inner); /* NULL: the format's */
} row;

/* A text with its length, zero bytes within it counted. */
#define TEXT(text) text, sizeof(text) - 1
/* The first `from` becomes `to`. */
#define SWAP(from, to)                                                                             \
    .at = "" from, .at_length = sizeof(from) - 1, .skip = 0, .drop = sizeof(from) - 1, .put = to,  \
    .put_length = sizeof(to) - 1
/* Bytes that stand `far` behind the first `text` are overwritten. */
#define BEHIND(text, far, bytes)                                                                   \
    .at = text, .at_length = sizeof(text) - 1, .skip = sizeof(text) - 1 + (far),                   \
    .drop = sizeof(bytes) - 1, .put = bytes, .put_length = sizeof(bytes) - 1
/* Bytes at a place of the file are overwritten. */
#define AT(place, bytes)                                                                           \
    .skip = (place), .drop = sizeof(bytes) - 1, .put = bytes, .put_length = sizeof(bytes) - 1
/* The same, counted from the end. */
#define BEFORE_END(place, bytes) AT(place, bytes), .from_end = true
/* The file lacks its last bytes, or has some more. */
#define CUT(bytes) .is_outer = true, .from_end = true, .skip = (bytes), .drop = (bytes)
#define JUNK(bytes)                                                                                \
    .is_outer = true, .from_end = true, .put = bytes, .put_length = sizeof(bytes) - 1

struct format {
    const char *name, *file; /* what is written */
    void (*make)(swg_strbuf *inner);
    void (*wrap)(const swg_strbuf *inner, swg_strbuf *whole); /* NULL: inner is the file */
    swg_status (*use)(const char *path);
    const row *rows;
    size_t n_rows;
    const char
        *absent; /* items that the format has nothing for: "L8 L13 " (docs/hostile-input.md) */
};

static inline void checklist_change(const format *f, const row *r, swg_strbuf *bytes)
{
    swg_strbuf out = {0};
    size_t place = r->from_end ? bytes->length - r->skip : r->skip;
    if (r->at) {
        const char *hit = memmem(bytes->text, bytes->length, r->at, r->at_length);
        ck_assert_msg(hit != NULL, "%s, %s: nothing to change", f->name, r->item);
        place += (size_t)(hit - bytes->text);
    }
    ck_assert_msg(place <= bytes->length && r->drop <= bytes->length - place,
                  "%s, %s: the change is outside", f->name, r->item);
    swg_strbuf_append(&out, bytes->text, place);
    swg_strbuf_append(&out, r->put ? r->put : "", r->put_length);
    swg_strbuf_append(&out, bytes->text + place + r->drop, bytes->length - place - r->drop);
    ck_ok(swg_strbuf_status(&out));
    ck_assert_msg(out.length != bytes->length || memcmp(out.text, bytes->text, out.length) != 0,
                  "%s, %s: nothing is changed", f->name, r->item);
    swg_strbuf_deinit(bytes);
    *bytes = out;
}

/* Write the format's file, changed as the row says (NULL: not at all). */
static inline void checklist_write(const format *f, const row *r, const char *path)
{
    swg_strbuf inner = {0}, whole = {0};
    const bool is_changed = r && !r->run;
    (r && r->make ? r->make : f->make)(&inner);
    if (is_changed && !r->is_outer)
        checklist_change(f, r, &inner);
    if (f->wrap)
        f->wrap(&inner, &whole);
    else
        swg_strbuf_append(&whole, inner.text, inner.length);
    if (is_changed && r->is_outer)
        checklist_change(f, r, &whole);
    ck_ok(swg_strbuf_status(&whole));
    sample_put_file(path, whole.text, whole.length);
    swg_strbuf_deinit(&whole);
    swg_strbuf_deinit(&inner);
}

static inline void checklist_run(const format *f, const row *r)
{
    char path[512];
    snprintf(path, sizeof path, "%s", swg_test_path(f->file));
    checklist_write(f, r, path);
    swg_error_clear();
    const swg_status status = r->run ? r->run(f, path) : f->use(path);
    ck_assert_msg(status == r->status, "%s, %s (%s): status %d, not %d: %s", f->name, r->item,
                  r->word, (int)status, (int)r->status, swg_error_message());
    ck_assert_msg(strstr(swg_error_message(), r->word) != NULL, "%s, %s: \"%s\" is not in: %s",
                  f->name, r->item, r->word, swg_error_message());
}

static inline bool checklist_has(const format *f, const char *item)
{
    for (size_t i = 0; i < f->n_rows; i++)
        if (strcmp(f->rows[i].item, item) == 0)
            return true;
    return false;
}

/* The sound file is read, every row is refused, and every item has a row or is said to be absent.
 */
static inline void checklist_format(const format *f)
{
    const char *path = swg_test_path(f->file);
    checklist_write(f, NULL, path);
    ck_ok(f->use(path));
    for (size_t i = 0; i < f->n_rows; i++)
        checklist_run(f, &f->rows[i]);
    for (int i = 1; i <= 18; i++) {
        char item[8], word[10];
        snprintf(item, sizeof item, "L%d", i);
        snprintf(word, sizeof word, "%s ", item);
        ck_assert_msg(checklist_has(f, item) != (strstr(f->absent, word) != NULL),
                      "%s: %s has neither a row nor is it absent, or both", f->name, item);
    }
}

#endif
