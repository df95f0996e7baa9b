"""Whole stories and whole texts: frames around plots, and the corpus.

A frame is the way a tale is told: plainly, as a letter, as a page of a
diary, as something heard from somebody, or starting in the middle of a talk.
"""

import random

import lexicon as lex
import plots_people
import plots_things
from musings import digress
from scenes import Tale, ending, introduce, remark, set_scene

PLOTS = (
    plots_things.lost_and_found,
    plots_things.chain_of_trades,
    plots_things.broken_and_confessed,
    plots_things.quarrel_and_share,
    plots_things.secret_gift,
    plots_people.rescue,
    plots_people.contest,
    plots_people.riddles,
    plots_people.sharing_sums,
    plots_people.cooking,
    plots_people.noise_in_the_night,
    plots_people.hide_and_seek,
    plots_people.storm,
    plots_people.seed_to_harvest,
    plots_people.delivery,
)
# Thunder, ripening fruit and swimming do not go with snow and frost.
MILD = ("sun", "heat", "wind", "rain")
WEATHERS = {
    plots_people.storm: ("sun", "heat", "wind"),
    plots_people.seed_to_harvest: MILD,
    plots_people.contest: MILD,
}


def weathers(plot):
    return WEATHERS.get(plot, tuple(lex.WEATHER))


def act(t, plot):
    """The plot itself, sometimes after a digression."""
    what = t.rng.random()
    if what < 0.45:
        digress(t)
    elif what < 0.7:
        t.para()
    plot(t)


def tell_plainly(rng, plot):
    t = Tale(rng, False, weathers(plot))
    introduce(t)
    set_scene(t)
    remark(t, 0.5)
    act(t, plot)
    ending(t)
    return t.text()


def tell_late(rng, plot):
    """Begins with the weather and the place, the hero comes later."""
    t = Tale(rng, False, weathers(plot))
    set_scene(t)
    remark(t, 0.7)
    introduce(t, is_new=False)
    act(t, plot)
    ending(t)
    return t.text()


def tell_as_letter(rng, plot):
    t = Tale(rng, True, weathers(plot))
    t.bind(to=t.child())
    t.say("Dear [Aunt {to}|Cousin {to}|{to}],"
          if t.bound["to"].gender == "f" else
          "Dear [Uncle {to}|Cousin {to}|{to}],")
    t.para()
    t.one_of("How are you? I am [well|quite well|better again].",
             "Thank you for the [parcel|cake|book|postcard].",
             "You asked what is new here, so I shall tell you.")
    set_scene(t)
    act(t, plot)
    ending(t)
    t.para()
    t.say("[Your|With love from|Greetings from] {A.call}")
    return t.text()


def tell_as_diary(rng, plot):
    t = Tale(rng, True, weathers(plot))
    t.say("{day}, in the {hour}.")
    if rng.random() < 0.5:
        introduce(t)
    set_scene(t)
    remark(t, 0.4)
    act(t, plot)
    ending(t)
    t.para()
    t.one_of("I must stop, the candle is nearly burnt down.",
             "Tomorrow I shall [sleep late|go to {p}|write more].",
             "[More|The rest] tomorrow.")
    return t.text()


def tell_as_heard(rng, plot):
    t = Tale(rng, False, weathers(plot))
    t.one_of("My grandmother used to tell this story [in winter|when we "
             "could not sleep|while she was knitting].",
             "This was told to me by a [sailor|shepherd|pedlar], and he "
             "swore that it was true.",
             "\"Tell us a story,\" the children begged, and so the old "
             "[man|woman] began.",
             "[Listen|Come closer], and I will tell you [what happened "
             "{p.at}|about {A.call}].")
    t.para()
    introduce(t)
    set_scene(t)
    act(t, plot)
    ending(t)
    return t.text()


FRAMES = (tell_plainly, tell_plainly, tell_plainly, tell_late, tell_late,
          tell_as_letter, tell_as_diary, tell_as_heard)


def story(rng):
    """One story: paragraphs on lines of their own, no blank line inside."""
    return rng.choice(FRAMES)(rng, rng.choice(PLOTS))


def stories(seed, size_bytes):
    """Stories from one seed until they reach `size_bytes` together."""
    rng = random.Random(seed)
    result, total = [], 0
    while total < size_bytes:
        result.append(story(rng))
        total += len(result[-1]) + 2
    return result
