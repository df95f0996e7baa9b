/* See checklist.h. */
#include "tests/formats/checklist.h"

static void checklist_change(const format *f, const row *r, swg_strbuf *bytes)
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
static void checklist_write(const format *f, const row *r, const char *path)
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

static void checklist_run(const format *f, const row *r)
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

static bool checklist_has(const format *f, const char *item)
{
    for (size_t i = 0; i < f->n_rows; i++)
        if (strcmp(f->rows[i].item, item) == 0)
            return true;
    return false;
}

void checklist_format(const format *f)
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
                      "%s: %s must either have a row or be listed as absent", f->name, item);
    }
}
