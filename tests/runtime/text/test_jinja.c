/* Chat templates: every construct against what jinja2 gives when it is set up as transformers sets
 * it up; refusals by name and line; bounds of steps, memory, output and depth. */
#include <stdlib.h>

#include "runtime/base/progress.h"
#include "runtime/text/chat.h"
#include "runtime/text/jinja/jinja.h"
#include "tests/runtime/text/text_fixtures.h"

/* 2026-11-28 12:00:00 UTC */
enum { NOW = 1795867200 };

static swg_status render(const char *text, size_t length, const char *variables, swg_strbuf *out)
{
    swg_jinja *template = NULL;
    swg_json_doc *given = NULL, *defaults = NULL;
    swg_status status = swg_jinja_parse(text, length, &template);
    if (status == SWG_OK)
        status = swg_json_parse(variables, strlen(variables), "variables", &given);
    if (status == SWG_OK)
        status = swg_json_parse("{\"d\":\"default\"}", 15, "defaults", &defaults);
    if (status == SWG_OK)
        status =
            swg_jinja_render(template, swg_json_root(given), swg_json_root(defaults), NOW, out);
    swg_json_free(&given);
    swg_json_free(&defaults);
    swg_jinja_free(&template);
    return status;
}

/* What every case may read. */
static const char variables[] =
    "{\"s\":\" Hello World \",\"u\":\"gr\xc3\xbc\xc3\x9f\",\"n\":7,\"f\":1.5,\"t\":true,\"z\":null,"
    "\"l\":[3,1,2],\"e\":[],\"o\":{\"b\":1,\"a\":[\"x\",null,false],\"items\":5},"
    "\"m\":[{\"role\":\"user\",\"content\":\"hi\"},{\"role\":\"assistant\",\"content\":\"ho\"},"
    "{\"role\":\"user\",\"content\":\"yo\"}]}";

typedef struct render_case {
    const char *template, *wanted;
} render_case;

static const render_case cases[] = {
    /* white space around tags */
    {"a\n{% if t %}\nb\n{% endif %}\nc\n", "a\nb\nc"},
    {"a\n  {% if t %}\n  b\n  {% endif %}\nc", "a\n  b\nc"},
    {"a  {%- if t -%}  b  {%- endif -%}  c", "abc"},
    {"a {%+ if t %} b {% endif +%}\nc", "a  b \nc"},
    {"  {%+ if t %}x{% endif %}", "  x"},
    {"{{ 1 -}}  \n {{- 2 }}\n{{ 3 }}\n\n", "12\n3\n"},
    {"a\r\nb\rc", "a\nb\nc"},
    {"a {# c #} b\n{# d #}\n{#- e -#}\n x", "a  b\nx"},
    {"{% raw %}{{ no }}{% endraw %}{{ '{{' ~ '}}' }}", "{{ no }}{{}}"},
    {"{{ {'a': {'b': 2}}['a']['b'] }}", "2"},
    /* values */
    {"{{ none }} {{ True }} {{ 1.0 }} {{ 1e20 }} {{ 0.1 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 7 / 2 }}",
     "None True 1.0 1e+20 0.1 -4 2 3.5"},
    {"{{ [1, 'a', \"it's\", none, 2.5, (1,), {'k': True}] }}",
     "[1, 'a', \"it's\", None, 2.5, (1,), {'k': True}]"},
    {"{{ 'a\\n\\t\\x41\\u00e9' }}|{{ ['\\n\\\\'] }}", "a\n\tA\xc3\xa9|['\\n\\\\']"},
    {"{{ 'a' 'b' ~ 1 ~ none ~ 2.0 }}{{ 'x' * 3 }}{{ [1] + [2] }}{{ 2 ** 10 }}",
     "ab1None2.0xxx[1, 2]1024"},
    {"{{ missing }}|{{ m[0].nothing }}|{{ d }}|{{ missing is defined }}", "||default|False"},
    {"{{ s[1:6] }}|{{ s[::-1] }}|{{ l[-1] }}|{{ l[:2] }}|{{ u[2:] }}|{{ m[1:]|length }}",
     "Hello| dlroW olleH |2|[3, 1]|\xc3\xbc\xc3\x9f|2"},
    /* operators */
    {"{{ 1 < 2 <= 2 != 3 }} {{ 'a' in 'cat' }} {{ 4 not in l }} {{ 'role' in m[0] }}",
     "True True True True"},
    {"{{ 'x' if z else 'y' }}{{ 'x' if z }}{{ not t or n and 5 }} {{ z or 'w' }} {{ l and e }}",
     "y5 w []"},
    {"{{ 1 == true }} {{ 1 == 1.0 }} {{ 'a' < 'b' }} {{ [1, 2] < [1, 3] }} {{ none == missing }}",
     "True True True True False"},
    {"{{ -n|abs }} {{ 1 + 2 * 3 - 4 }} {{ 'a' ~ 1 * 2 }}", "7 3 a2"},
    /* statements */
    {"{% if z %}1{% elif n > 5 %}2{% else %}3{% endif %}", "2"},
    {"{% for x in l %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.first }}"
     "{{ loop.last }}{{ loop.length }}{{ loop.previtem }}{{ loop.nextitem }};{% endfor %}",
     "103TrueFalse31;212FalseFalse332;321FalseTrue31;"},
    {"{% for x in e %}x{% else %}none{% endfor %}{% for x in missing %}{% endfor %}", "none"},
    {"{% for k, v in o.items() if k != 'a' %}{{ k }}={{ v }},{% endfor %}", "b=1,items=5,"},
    {"{% for k in o %}{{ k }}{% endfor %}{% for c in u %}{{ c }}.{% endfor %}",
     "baitemsg.r.\xc3\xbc.\xc3\x9f."},
    {"{% for x in range(5) %}{% if x == 1 %}{% continue %}{% endif %}{% if x == 3 %}{% break %}"
     "{% endif %}{{ x }}{% endfor %}",
     "02"},
    {"{% set x = 1 %}{% for i in l %}{{ x }}{% set x = 9 %}{% endfor %}{{ x }}", "1111"},
    {"{% set ns = namespace(k=0) %}{% for i in l %}{% set ns.k = ns.k + i %}{% endfor %}{{ ns.k }}",
     "6"},
    {"{% set a, b = (1, 2) %}{{ a }}{{ b }}{% set c %}<{{ a }}>{% endset %}{{ c }}", "12<1>"},
    {"{% macro f(a, b='q') %}{{ a }}{{ b }}{{ n }}{% endmacro %}{{ f(1) }}{{ f(1, b=2) }}",
     "1q7127"},
    {"{% macro f(x) %}{% if x > 0 %}{{ x }}{{ f(x - 1) }}{% endif %}{% endmacro %}{{ f(3) }}",
     "321"},
    {"{% with a = 1, b = n %}{{ a }}{{ b }}{% endwith %}{{ a }}", "17"},
    {"{% filter upper|trim %} abc {% endfilter %}{% generation %}x{% endgeneration %}", "ABCx"},
    {"{% for i in [1, 1, 2] %}{{ loop.cycle('a', 'b') }}{{ loop.changed(i) }} {% endfor %}",
     "aTrue bFalse aTrue "},
    {"{% for a in [1] %}{% for b in [2] %}{{ loop.depth }}{% endfor %}{% endfor %}", "1"},
    /* methods */
    {"{{ s.strip() }}|{{ s.lstrip() }}|{{ s.rstrip() }}|{{ 'xxaxx'.strip('x') }}",
     "Hello World|Hello World | Hello World|a"},
    {"{{ 'a,b,c'.split(',') }}{{ ' a  b '.split() }}{{ 'a-b-c'.split('-', 1) }}{{ "
     "'a-b-c'.rsplit('-', 1)[0] }}",
     "['a', 'b', 'c']['a', 'b']['a', 'b-c']a-b"},
    {"{{ s.upper() }}{{ s.lower() }}{{ 'ab cd'.title() }}{{ 'aBC'.capitalize() }}{{ u.upper() }}",
     " HELLO WORLD  hello world Ab CdAbcGR\xc3\x9cSS"},
    {"{{ s.startswith(' H') }}{{ s.endswith(('x', 'd ')) }}{{ 'aXbX'.replace('X', '-') }}"
     "{{ 'aXbX'.replace('X', '-', 1) }}{{ 'ab'.replace('', '.') }}",
     "TrueTruea-b-a-bX.a.b."},
    {"{{ 'abcb'.find('b') }}{{ 'abcb'.rfind('b') }}{{ 'abcb'.count('b') }}{{ '-'.join(['a', 'b']) "
     "}}",
     "132a-b"},
    {"{{ '{} {} {k}{{}}'.format(1, 2, k=3) }}{{ 'pre-x'.removeprefix('pre-') }}", "1 2 3{}x"},
    {"{{ o.get('b') }}{{ o.get('q', 4) }}{{ o.keys()|list }}{{ o['items'] }}{{ m[0]['role'] }}",
     "14['b', 'a', 'items']5user"},
    {"{{ 'a\\nb\\n'.splitlines() }}{{ '12'.isdigit() }}{{ 'a1'.isalpha() }}{{ l.index(1) }}",
     "['a', 'b']TrueFalse1"},
    /* filters */
    {"{{ s|trim|upper }}|{{ 'abc'|first }}{{ l|last }}{{ l|length }}{{ u|length }}",
     "HELLO WORLD|a234"},
    {"{{ missing|default('x') }}{{ ''|default('y', true) }}{{ z|default('q') }}", "xyNone"},
    {"{{ l|join(', ') }}|{{ m|map(attribute='role')|join('+') }}|{{ ['a', 'b']|map('upper')|list "
     "}}",
     "3, 1, 2|user+assistant+user|['A', 'B']"},
    {"{{ m|selectattr('role', 'equalto', 'user')|list|length }}{{ m|rejectattr('role', 'eq', "
     "'user')|map(attribute='content')|first }}"
     "{{ [1, 'a', none]|select('string')|list }}{{ [0, 1]|reject|list }}{{ z|select|list }}",
     "2ho['a'][0][]"},
    {"{{ l|sort }}{{ l|sort(reverse=true) }}{{ ['b', 'A']|sort }}{{ o|dictsort|first }}{{ [1, "
     "1]|unique|list }}",
     "[1, 2, 3][3, 2, 1]['A', 'b']('a', ['x', None, False])[1]"},
    {"{{ '7'|int + 1 }}{{ 'x'|int(3) }}{{ '1.5'|float }}{{ 2.5|round }}{{ n|string ~ 'a' }}{{ "
     "l|sum }}{{ l|min }}{{ l|max }}",
     "831.52.07a613"},
    {"{{ o|tojson }}", "{\"b\": 1, \"a\": [\"x\", null, false], \"items\": 5}"},
    {"{{ {'a': [1, {}], 'b': []}|tojson(indent=2) }}",
     "{\n  \"a\": [\n    1,\n    {}\n  ],\n  \"b\": []\n}"},
    {"{{ ['\"<\xc3\xa9>\\n']|tojson }}{{ '\xc3\xa9'|tojson(ensure_ascii=true) }}{{ {'b': 1, 'a': "
     "2}|tojson(sort_keys=true) }}",
     "[\"\\\"<\xc3\xa9>\\n\"]\"\\u00e9\"{\"a\": 2, \"b\": 1}"},
    {"{{ 'a\\nb'|indent(2) }}|{{ 'a\\n\\nb'|indent(2, true) }}|{{ '<a>'|e }}|{{ 'x'|safe + '<' }}",
     "a\n  b|  a\n\n  b|&lt;a&gt;|x&lt;"},
    {"{% for k, v in o|items %}{{ k }}{% endfor %}{{ 'cba'|reverse }}{{ 'hello world'|title }}",
     "baitemsabcHello World"},
    /* tests */
    {"{{ s is string }}{{ o is mapping }}{{ l is iterable }}{{ l is sequence }}{{ n is number }}"
     "{{ t is boolean }}{{ t is integer }}{{ z is none }}{{ z is not none }}{{ n is odd }}",
     "TrueTrueTrueTrueTrueTrueFalseTrueFalseTrue"},
    {"{{ n is divisibleby 7 }}{{ n is eq 7 }}{{ n is gt(3) }}{{ n in l }}{{ 3 is in l }}{{ 'a' is "
     "lower }}"
     "{{ t is true }}{{ f is float }}{{ missing is undefined and true }}{{ range is callable }}",
     "TrueTrueTrueFalseTrueTrueTrueTrueTrueTrue"},
    /* functions */
    {"{{ range(3)|list }}{{ range(1, 6, 2)|list }}{{ dict(a=1) }}", "[0, 1, 2][1, 3, 5]{'a': 1}"},
    {"{{ strftime_now('%Y-%m-%d') }}", "2026-11-28"},
};

START_TEST(renders_as_the_library_does)
{
    const render_case *c = &cases[_i];
    swg_strbuf out = {0};
    const swg_status status = render(c->template, strlen(c->template), variables, &out);
    ck_assert_msg(status == SWG_OK, "%s: %s", c->template, swg_error_message());
    ck_assert_msg(strcmp(swg_strbuf_text(&out), c->wanted) == 0, "%s\ngives  \"%s\"\nnot    \"%s\"",
                  c->template, swg_strbuf_text(&out), c->wanted);
    swg_strbuf_deinit(&out);
}
END_TEST

/* --- Refusals --------------------------------------------------------------------------------- */

static const struct {
    const char *template;
    swg_status status;
    const char *words;
} refusals[] = {
    {"a\n{% if t %}", SWG_CORRUPT, "line 2: a block is not closed"},
    {"{{ 1 + }}", SWG_CORRUPT, "a value is missing"},
    {"{{ 'a }}", SWG_CORRUPT, "a string has no end"},
    {"{{ (1 }}", SWG_CORRUPT, "closes what is not open"},
    {"{{ a", SWG_CORRUPT, "a tag has no end"},
    {"{# a", SWG_CORRUPT, "comment"},
    {"{% endif %}", SWG_UNSUPPORTED, "the tag \"endif\""},
    {"{% include 'x' %}", SWG_UNSUPPORTED, "the tag \"include\""},
    {"{% break %}", SWG_CORRUPT, "loops"},
    {"{% for x in l recursive %}{% endfor %}", SWG_UNSUPPORTED, "recursive"},
    {"{{ f(*l) }}", SWG_UNSUPPORTED, "arguments out of a list"},
    {"{{ 99999999999999999999 }}", SWG_CORRUPT, "2^63"},
    {"\n\n{{ missing.x }}", SWG_FAILED, "line 3: 'missing' is undefined"},
    {"{{ missing + 1 }}", SWG_FAILED, "'missing' is undefined"},
    {"{{ 1 + 'a' }}", SWG_FAILED, "cannot join a int and a str"},
    {"{{ 'a' < 1 }}", SWG_FAILED, "cannot join"},
    {"{{ s|nothing }}", SWG_UNSUPPORTED, "the filter \"nothing\""},
    {"{{ s is nothing }}", SWG_UNSUPPORTED, "the test \"nothing\""},
    {"{{ nothing(1) }}", SWG_UNSUPPORTED, "no function \"nothing\""},
    {"{{ l.append(1) }}", SWG_UNSUPPORTED, "no method \"append\""},
    {"{{ s.__class__.__mro__ }}", SWG_FAILED, "'__class__' is undefined"},
    {"{{ '%s' % 1 }}", SWG_UNSUPPORTED, "formatting with %"},
    {"{{ 1 // 0 }}", SWG_FAILED, "division by zero"},
    {"{{ trim }}{{ range }}", SWG_UNSUPPORTED, "cannot be printed"},
    {"{% set s.x = 1 %}", SWG_FAILED, "namespace"},
    {"{% for a, b in l %}{% endfor %}", SWG_FAILED, "not iterable"},
    {"{{ raise_exception('No ' ~ 'system role') }}", SWG_UNSUPPORTED,
     "refuses these messages: No system role"},
    {"{{ s|trim(1, 2) }}", SWG_FAILED, "arguments that it does not take"},
};

START_TEST(refuses_by_name_and_line)
{
    swg_strbuf out = {0};
    const char *template = refusals[_i].template;
    const swg_status status = render(template, strlen(template), variables, &out);
    ck_assert_msg(status == refusals[_i].status, "%s: status %d: %s", template, (int)status,
                  swg_error_message());
    ck_assert_msg(strstr(swg_error_message(), refusals[_i].words) != NULL, "%s: \"%s\"", template,
                  swg_error_message());
    ck_assert_uint_eq(out.length, 0);
    swg_strbuf_deinit(&out);
}
END_TEST

/* --- Bounds ----------------------------------------------------------------------------------- */

/* Head, a unit again and again, tail. */
static const struct {
    const char *head, *unit;
    size_t n;
    const char *tail;
} attacks[] = {
    {"{% for a in range(99999) %}{% for b in range(99999) %}{{ b }}{% endfor %}{% endfor %}", "", 0,
     ""},
    {"{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}", "", 0, ""},
    {"{{ 'a' * 99999999999 }}", "", 0, ""},
    {"{{ [1] * 99999999999 }}", "", 0, ""},
    {"{% set x = 'aaaaaaaaaa' %}", "{% set x = x ~ x %}", 60, "{{ x }}"},
    {"{% set x = [1] %}", "{% set x = x + x %}", 60, "{{ x|length }}"},
    {"{% set x = 'a' %}", "{% set x = x|replace('a', 'aaaaaaaaaa') %}", 60, "{{ x }}"},
    {"{% macro f(x) %}{{ f(x) }}{{ f(x) }}{% endmacro %}{{ f(1) }}", "", 0, ""},
    {"{% set x = [] %}{% for i in range(99999) %}", "", 0,
     "{% endfor %}{% set n = namespace(x=[]) %}{% for i in range(99999) %}{% set n.x = [n.x] %}"
     "{% endfor %}{{ n.x }}"},
    {"{{ ", "(", 300, "1"},
    {"{{ ", "not ", 300, "1 }}"},
    {"{{ ", "-", 1000, "1 }}"},
    {"{{ 1", " + 1", 100000, " }}"},
    {"{{ a", ".b", 1000, " }}"},
    {"{{ a", "|trim", 1000, " }}"},
    {"", "{% if 1 %}", 200, ""},
    {"{{ range(999999999) }}", "", 0, ""},
    {"{{ 2 ** 9999999999 }}", "", 0, ""},
    {"{{ 'a'|indent(99999999999) }}{{ [[[]]]|tojson(indent=99999999999) }}", "", 0, ""},
    {"{{ strftime_now('%999999999d') }}", "", 0, ""},
    {"{% for i in range(99999) %}{{ range(99999)|list|sort|join }}{% endfor %}", "", 0, ""},
    {"", "{{ 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx' }}", 20000, ""},
};

START_TEST(ends_every_attack)
{
    enum { MEMORY = 256 << 20 };
    swg_strbuf source = {0}, out = {0};
    swg_strbuf_puts(&source, attacks[_i].head);
    for (size_t i = 0; i < attacks[_i].n; i++)
        swg_strbuf_puts(&source, attacks[_i].unit);
    swg_strbuf_puts(&source, attacks[_i].tail);
    swg_mem_set_limit(swg_mem_in_use() + MEMORY);
    const swg_status status = render(source.text, source.length, variables, &out);
    swg_mem_set_limit(0);
    ck_assert_msg(status == SWG_LIMIT, "%s: status %d: %s", attacks[_i].head, (int)status,
                  swg_error_message());
    ck_assert(strstr(swg_error_message(), "chat template") != NULL);
    swg_strbuf_deinit(&source);
    swg_strbuf_deinit(&out);
}
END_TEST

/* --- Conversations ---------------------------------------------------------------------------- */

static const char chat_config[] =
    "{\"bos_token\":\"<s>\",\"eos_token\":{\"content\":\"</s>\"},\"chat_template\":"
    "\"{{ bos_token }}{% for m in messages %}[{{ m.role }}]{{ m.content }}{{ eos_token }}"
    "{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}"
    "{% if tools is not none %}T{{ tools|length }}{% endif %}\"}";

static swg_status converse(const swg_file_view *files, size_t n, const char *request,
                           swg_strbuf *out)
{
    swg_chat *chat = NULL;
    swg_status status = swg_chat_from_files(files, n, &chat);
    if (status == SWG_OK && !chat)
        swg_strbuf_puts(out, "no template");
    if (chat)
        status = swg_chat_render_json(chat, NULL, request, strlen(request), "request", NOW, out);
    swg_chat_free(&chat);
    return status;
}

static void check_chat(const char *name, const char *data, const char *request, const char *wanted)
{
    const swg_file_view files[] = {{"tokenizer_config.json", chat_config, sizeof chat_config - 1},
                                   {name, data, strlen(data)}};
    const bool is_config = strcmp(name, "tokenizer_config.json") == 0;
    swg_strbuf out = {0};
    ck_ok(converse(is_config ? files + 1 : files, is_config ? 1 : 2, request, &out));
    ck_assert_str_eq(swg_strbuf_text(&out), wanted);
    swg_strbuf_deinit(&out);
}

START_TEST(finds_the_template)
{
    static const char hi[] = "[{\"role\":\"user\",\"content\":\"hi\"}]";
    check_chat("tokenizer_config.json", chat_config, hi, "<s>[user]hi</s>[assistant]");
    check_chat("tokenizer_config.json", chat_config,
               "{\"messages\":[],\"add_generation_prompt\":false,\"tools\":[1,2]}", "<s>T2");
    check_chat("chat_template.jinja", "{{ messages[0].content }}", hi, "hi");
    check_chat("chat_template.json", "{\"chat_template\":\"no\"}", hi,
               "<s>[user]hi</s>[assistant]");
    check_chat(
        "tokenizer_config.json",
        "{\"chat_template\":[{\"name\":\"tool_use\",\"template\":\"t\"},{\"name\":\"default\","
        "\"template\":\"d\"}]}",
        hi, "d");
    check_chat("tokenizer_config.json", "{}", hi, "no template");
    const swg_file_view only = {"chat_template.json", "{\"chat_template\":\"yes\"}", 23};
    swg_strbuf out = {0};
    ck_ok(converse(&only, 1, hi, &out));
    ck_assert_str_eq(swg_strbuf_text(&out), "yes");
    swg_strbuf_deinit(&out);
}
END_TEST

START_TEST(refuses_requests_that_are_none)
{
    const swg_file_view file = {"tokenizer_config.json", chat_config, sizeof chat_config - 1};
    static const char *const requests[] = {"", "{}", "1", "{\"messages\":1}", "[", "\"hi\""};
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        swg_strbuf out = {0};
        ck_status_is(SWG_CORRUPT, converse(&file, 1, requests[i], &out));
        swg_strbuf_deinit(&out);
    }
}
END_TEST

static swg_status everything(void *context)
{
    const swg_file_view file = {"tokenizer_config.json", chat_config, sizeof chat_config - 1};
    swg_strbuf out = {0};
    static const char template[] =
        "{% macro f(a, b=1) %}{{ a|upper }}{% endmacro %}{% set n = namespace(x=[1]) %}"
        "{% for m in m %}{{ f(m.role, b='a' ~ 2) }}{{ m|tojson }}{{ l|sort|join }}{% endfor %}"
        "{% set b %}{{ 'a,b'.split(',') }}{% endset %}{{ b|replace('a', 'b') }}{{ u[1:] }}";
    (void)context;
    swg_status status = render(template, sizeof template - 1, variables, &out);
    if (status == SWG_OK)
        status = converse(&file, 1, "[{\"role\":\"user\",\"content\":\"hi\"}]", &out);
    swg_strbuf_deinit(&out);
    return status;
}

START_TEST(survives_failing_allocations)
{
    swg_test_each_allocation_fails(everything, NULL);
}
END_TEST

/* Last of all: an interruption stays. */
START_TEST(ends_when_interrupted)
{
    static const char template[] =
        "{% for a in range(1000) %}{% for b in range(1000) %}{% endfor %}{% endfor %}";
    swg_strbuf out = {0};
    swg_interrupt();
    ck_status_is(SWG_INTERRUPTED, render(template, sizeof template - 1, variables, &out));
    swg_strbuf_deinit(&out);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("jinja");
    TCase *all = tcase_create("all");
    setenv("TZ", "UTC", 1);
    tcase_add_loop_test(all, renders_as_the_library_does, 0, sizeof cases / sizeof *cases);
    tcase_add_loop_test(all, refuses_by_name_and_line, 0, sizeof refusals / sizeof *refusals);
    tcase_add_loop_test(all, ends_every_attack, 0, sizeof attacks / sizeof *attacks);
    tcase_add_test(all, finds_the_template);
    tcase_add_test(all, refuses_requests_that_are_none);
    tcase_add_test(all, survives_failing_allocations);
    tcase_add_test(all, ends_when_interrupted);
    suite_add_tcase(suite, all);
    return suite;
}
