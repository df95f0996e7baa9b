/* Colours of the report: see palette.h. Series differ in the shape of their marks too, so colour is
 * never the only difference. */
#include "eval/report/palette.h"

#include <math.h>
#include <string.h>

const swg_colour swg_colours[] = {
    {"paper", 0xffffff, 0x14171c},
    {"panel", 0xf4f6f8, 0x1d2127},
    {"ink", 0x1a1d21, 0xe8eaed},
    {"quiet", 0x565d66, 0xa4acb8},
    {"line", 0x8a929c, 0x767e8a},
    {"grid", 0xe1e5ea, 0x2b3038},
    {"link", 0x0b57b0, 0x7db8ff},
    {"bad", 0xb3261e, 0xff9a90},
    {"front", 0x1a1d21, 0xe8eaed},
    /* Series. */
    {"s0", 0x0b63c5, 0x6cb2ff},
    {"s1", 0xc2410c, 0xff9a62},
    {"s2", 0x0b7a4b, 0x5fd39b},
    {"s3", 0x8e3aa8, 0xd79bf0},
    {"s4", 0x8a5a00, 0xe3b341},
    {"s5", 0x00707a, 0x56cfd9},
    {"s6", 0xc0186b, 0xff8cbd},
    {"s7", 0x555b63, 0xb5bcc6},
    /* Heat: the less, the nearer to the paper. */
    {"h0", 0xfff6e5, 0x2a2420},
    {"h1", 0xfee8bf, 0x46301f},
    {"h2", 0xfdd49a, 0x653c1e},
    {"h3", 0xfdbb70, 0x87491c},
    {"h4", 0xf7994a, 0xa9581b},
    {"h5", 0xe9752c, 0xcb6c22},
    {"h6", 0xcc4f16, 0xe88a3c},
    {"h7", 0xa3340b, 0xf6b26b},
    {"h8", 0x752006, 0xfddba8},
};
const size_t swg_n_colours = sizeof swg_colours / sizeof swg_colours[0];

const swg_colour_pair swg_colour_pairs[] = {
    {"ink", "paper", 4.5},   {"ink", "panel", 4.5},  {"quiet", "paper", 4.5},
    {"quiet", "panel", 4.5}, {"link", "paper", 4.5}, {"link", "panel", 4.5},
    {"bad", "paper", 4.5},   {"bad", "panel", 4.5},  {"line", "paper", 3},
    {"front", "paper", 3},   {"s0", "paper", 4.5},   {"s1", "paper", 4.5},
    {"s2", "paper", 4.5},    {"s3", "paper", 4.5},   {"s4", "paper", 4.5},
    {"s5", "paper", 4.5},    {"s6", "paper", 4.5},   {"s7", "paper", 4.5},
};
const size_t swg_n_colour_pairs = sizeof swg_colour_pairs / sizeof swg_colour_pairs[0];

/* Relative luminance. */
static double luminance(uint32_t colour)
{
    static const double weights[] = {0.0722, 0.7152, 0.2126}; /* blue, green, red */
    double sum = 0;
    for (int i = 0; i < 3; i++) {
        const double c = ((colour >> (8 * i)) & 0xff) / 255.0;
        sum += weights[i] * (c <= 0.04045 ? c / 12.92 : pow((c + 0.055) / 1.055, 2.4));
    }
    return sum;
}

double swg_contrast(uint32_t a, uint32_t b)
{
    const double x = luminance(a), y = luminance(b);
    return (fmax(x, y) + 0.05) / (fmin(x, y) + 0.05);
}

/* Black or white, whichever can be read better. */
static const char *text_on(uint32_t colour)
{
    return swg_contrast(colour, 0) >= swg_contrast(colour, 0xffffff) ? "000" : "fff";
}

static void write_variables(swg_strbuf *out, const char *selector, bool is_dark)
{
    swg_strbuf_printf(out, "%s{color-scheme:%s", selector, is_dark ? "dark" : "light");
    for (size_t i = 0; i < swg_n_colours; i++) {
        const swg_colour *c = &swg_colours[i];
        const uint32_t value = is_dark ? c->dark : c->light;
        swg_strbuf_printf(out, ";--%s:#%06x", c->name, value);
        if (c->name[0] == 'h')
            swg_strbuf_printf(out, ";--t%s:#%s", c->name, text_on(value));
    }
    swg_strbuf_puts(out, "}\n");
}

void swg_palette_css(swg_strbuf *out)
{
    write_variables(out, ":root", false);
    swg_strbuf_puts(out, "@media screen and (prefers-color-scheme:dark){\n");
    write_variables(out, ":root", true);
    swg_strbuf_puts(out, "}\n");
    for (size_t i = 0; i < SWG_HEAT_STEPS; i++)
        swg_strbuf_printf(out, ".h%zu{fill:var(--h%zu)}.th%zu{fill:var(--th%zu)}\n", i, i, i, i);
    for (size_t i = 0; i < 8; i++)
        swg_strbuf_printf(out, ".s%zu{fill:var(--s%zu);stroke:var(--s%zu)}\n", i, i, i);
}

const char swg_figure_css[] =
    "text{fill:var(--ink);font:12px system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu "
    "Sans',sans-serif}\n"
    "text.q{fill:var(--quiet)}\n"
    "text.l{font-size:11px;paint-order:stroke;stroke:var(--paper);stroke-width:3px;stroke-linejoin:"
    "round}\n"
    "text.c{font-size:10px}\n"
    ".bg{fill:var(--paper)}\n"
    ".ax{stroke:var(--line);stroke-width:1;fill:none}\n"
    ".gr{stroke:var(--grid);stroke-width:1;fill:none}\n"
    ".fr{stroke:var(--front);stroke-width:1.5;fill:none;stroke-dasharray:5 3}\n"
    ".ba{stroke:var(--quiet);stroke-width:1;fill:none;stroke-dasharray:2 3}\n"
    ".eb{stroke-width:1.2;fill:none}\n"
    ".pt{fill-opacity:.3;stroke-width:1.6}\n"
    ".on{fill-opacity:1}\n"
    ".no{fill:none;stroke:var(--grid)}\n";

const char swg_page_css[] =
    "*{box-sizing:border-box}\n"
    "body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,-apple-system,"
    "'Segoe UI',Roboto,'DejaVu Sans',sans-serif}\n"
    "header,main,footer{max-width:76rem;margin:0 auto;padding:0 1.25rem}\n"
    "header{padding-top:1.5rem}\n"
    "h1{font-size:1.6rem;line-height:1.25;margin:0 0 .25rem;overflow-wrap:anywhere}\n"
    "h2{font-size:1.25rem;margin:2.25rem 0 .5rem}\n"
    "h3{font-size:1.05rem;margin:1.5rem 0 .5rem;overflow-wrap:anywhere}\n"
    "p,figcaption{margin:.4rem 0;max-width:48rem}\n"
    "a{color:var(--link)}\n"
    "a:focus-visible,button:focus-visible,summary:focus-visible,.scroll:focus-visible{outline:2px "
    "solid "
    "var(--link);outline-offset:2px}\n"
    ".quiet,figcaption{color:var(--quiet);font-size:.9rem}\n"
    ".bad{color:var(--bad)}\n"
    "nav ul{display:flex;flex-wrap:wrap;gap:.25rem 1rem;list-style:none;margin:.75rem 0 "
    "0;padding:0}\n"
    "figure{margin:1rem 0 1.5rem}\n"
    "figure svg{display:block;max-width:100%;height:auto}\n"
    ".grid{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,26rem),1fr));gap:0 "
    "1.5rem}\n"
    ".grid figure{margin:.5rem 0}\n"
    ".narrow{display:none!important}\n"
    ".scroll{overflow-x:auto;max-width:100%;scrollbar-color:var(--line) var(--panel)}\n"
    ".scroll svg{max-width:none}\n"
    ".legend{display:flex;flex-wrap:wrap;gap:.15rem 1rem;list-style:none;margin:.25rem 0;padding:0;"
    "font-size:.9rem}\n"
    ".legend svg{display:inline-block;vertical-align:-2px;margin-right:.35rem}\n"
    "table{border-collapse:separate;border-spacing:0;font-size:.875rem;font-variant-numeric:"
    "tabular-nums;margin:."
    "5rem 0}\n"
    "th,td{padding:.3rem .6rem;text-align:right;border-bottom:1px solid "
    "var(--grid);white-space:nowrap;"
    "vertical-align:baseline}\n"
    "thead th{border-bottom:2px solid var(--line);vertical-align:bottom;white-space:normal;"
    "background:var(--panel)}\n"
    "th.t,td.t{text-align:left}\n"
    "td.w{white-space:normal;min-width:12rem;overflow-wrap:anywhere}\n"
    "tbody th{font-weight:600;text-align:left;position:sticky;left:0;background:var(--paper);"
    "max-width:18rem;overflow:hidden;text-overflow:ellipsis}\n"
    "thead th "
    "button{font:inherit;font-weight:700;color:inherit;background:none;border:0;padding:.2rem 0;"
    "margin:0;text-align:inherit;cursor:pointer}\n"
    "thead th button::after{content:' \\2195';color:var(--quiet)}\n"
    "th[aria-sort=ascending] button::after{content:' \\2191';color:inherit}\n"
    "th[aria-sort=descending] button::after{content:' \\2193';color:inherit}\n"
    "small{color:var(--quiet)}\n"
    "dl{display:grid;grid-template-columns:minmax(8rem,auto) 1fr;gap:.15rem 1rem;margin:.5rem 0;"
    "font-size:.9rem}\n"
    "dt{color:var(--quiet)}\n"
    "dd{margin:0;overflow-wrap:anywhere}\n"
    "pre{background:var(--panel);padding:.6rem .8rem;margin:.5rem "
    "0;font-size:.8rem;white-space:pre-wrap;"
    "overflow-wrap:anywhere;max-height:24rem;overflow-y:auto}\n"
    "details{border-bottom:1px solid var(--grid);padding:.35rem 0}\n"
    "summary{cursor:pointer;overflow-wrap:anywhere}\n"
    ":target{outline:2px solid var(--link);outline-offset:2px}\n"
    "footer{padding-bottom:2rem;margin-top:2rem}\n"
    "@media (max-width:40rem){body{font-size:15px}header,main,footer{padding-left:.8rem;"
    "padding-right:.8rem}.wide{display:none!important}.narrow{display:block!important}"
    "dl{grid-template-columns:1fr;gap:0}dd{margin-bottom:.4rem}"
    "tbody th{min-width:7.5rem;max-width:9rem;white-space:normal;overflow-wrap:anywhere}"
    "th,td{padding:.3rem .45rem}}\n"
    "@media print{body{font-size:10pt}nav,.noprint{display:none}figure,tr{break-inside:avoid}"
    "h2,h3{break-after:avoid}.scroll{overflow:visible}table{font-size:7.5pt}th,td{padding:.15rem "
    ".3rem}"
    "pre{max-height:none}tbody th{position:static}svg{print-color-adjust:exact;"
    "-webkit-print-color-adjust:exact}}\n";

/* Sorting: the page is complete without it. A button takes the place of each column's heading;
 * cells sort by their data-v where they have one, else by their text; empty ones stay last. */
const char swg_page_script[] =
    "for(const table of document.querySelectorAll('table.sort')){\n"
    "  const heads=[...table.tHead.rows[0].cells],body=table.tBodies[0];\n"
    "  heads.forEach((head,column)=>{\n"
    "    const button=document.createElement('button');\n"
    "    button.type='button';\n"
    "    button.append(...head.childNodes);\n"
    "    head.append(button);\n"
    "    button.addEventListener('click',()=>{\n"
    "      const down=head.getAttribute('aria-sort')==='ascending';\n"
    "      heads.forEach(h=>h.removeAttribute('aria-sort'));\n"
    "      head.setAttribute('aria-sort',down?'descending':'ascending');\n"
    "      const key=row=>{const c=row.cells[column],v=c.dataset.v;\n"
    "        return v===undefined?c.textContent.trim():v===''?null:Number(v);};\n"
    "      const rows=[...body.rows].map((row,place)=>({row,place,key:key(row)}));\n"
    "      rows.sort((a,b)=>{\n"
    "        if(a.key===null||b.key===null)return (a.key===null)-(b.key===null)||a.place-b.place;\n"
    "        const d=typeof "
    "a.key==='number'?a.key-b.key:a.key.localeCompare(b.key,'en',{numeric:true});\n"
    "        return (down?-d:d)||a.place-b.place;\n"
    "      });\n"
    "      body.append(...rows.map(r=>r.row));\n"
    "    });\n"
    "  });\n"
    "}\n"
    "const reveal=()=>{const d=document.getElementById(location.hash.slice(1));"
    "if(d&&d.tagName==='DETAILS')d.open=true;};\n"
    "addEventListener('hashchange',reveal);reveal();\n";
