"""Free sentences: dreams, memories, rumours, songs, lists, strangers.

They decide nothing in a plot.  They are built from small typed tables with
many independent choices, so that a text keeps surprising its reader, and a
model of it cannot reach a loss near zero by learning the plots by heart.
"""

import lexicon as lex

# base form, past form, participle; each takes a thing as its object
DEEDS = (
    ("steal", "stole", "stolen"), ("paint", "painted", "painted"),
    ("bury", "buried", "buried"), ("polish", "polished", "polished"),
    ("sell", "sold", "sold"), ("drop", "dropped", "dropped"),
    ("find", "found", "found"), ("kick", "kicked", "kicked"),
    ("carry", "carried", "carried"), ("borrow", "borrowed", "borrowed"),
    ("draw", "drew", "drawn"), ("throw", "threw", "thrown"),
    ("mend", "mended", "mended"), ("swallow", "swallowed", "swallowed"),
    ("forget", "forgot", "forgotten"), ("hide", "hid", "hidden"),
    ("wash", "washed", "washed"), ("weigh", "weighed", "weighed"),
)
# base form, past form; without an object
DOINGS = (
    ("dance", "danced"), ("sleep", "slept"), ("sneeze", "sneezed"),
    ("sing", "sang"), ("climb", "climbed"), ("swim", "swam"),
    ("whistle", "whistled"), ("fall down", "fell down"), ("hide", "hid"),
    ("wait", "waited"), ("laugh", "laughed"), ("shiver", "shivered"),
    ("speak", "spoke"), ("weep", "wept"),
)
COLOURS = ("red", "blue", "green", "yellow", "grey", "brown", "black",
           "white", "golden", "silver", "purple")
SHAPES = ("small", "enormous", "old", "round", "thin", "fat", "tall",
          "crooked", "lonely", "sleepy", "hungry", "silent", "wise", "noisy",
          "strange", "gentle", "angry", "polite", "dusty", "wet")
GARMENTS = ("coat", "hat", "scarf", "shirt", "apron", "cloak", "belt")
FACES = ("nose", "beard", "chin", "voice", "smile", "neck")
MANNERS = ("slowly", "loudly", "twice", "in secret", "for an hour",
           "every night", "without a sound", "on one leg", "with a spoon",
           "by mistake", "at dawn", "for nothing", "with great care",
           "in the rain", "under the moon", "backwards")
WHEN = ("last {w_season}", "a year ago", "long ago", "on {w_day}",
        "{w_n} days ago", "as a small child", "once", "the day before")


def bind_random(t):
    """Fresh random words for one sentence, in slots named w_..."""
    rng = t.rng
    deed = rng.choice(DEEDS)
    doing = rng.choice(DOINGS)
    nouns = [n for n in lex.TREASURES if n not in lex.PAIRS]
    noun, noun2 = rng.sample(nouns, 2)
    beast, beast2 = rng.sample(tuple(lex.ANIMALS), 2)
    place, place2 = rng.sample(tuple(lex.PLACES), 2)
    role, role2 = rng.sample(tuple(lex.GROWN_UPS), 2)
    colour, colour2 = rng.sample(COLOURS, 2)
    shape, shape2 = rng.sample(SHAPES, 2)
    food, food2 = rng.sample(lex.COUNTABLE_FOODS, 2)
    t.bind(w_do=deed[0], w_did=deed[1], w_done=deed[2],
           w_act=doing[0], w_acted=doing[1],
           w_thing=f"{rng.choice(lex.TREASURES[noun])} {noun}",
           w_thing2=f"{rng.choice(lex.TREASURES[noun2])} {noun2}",
           w_noun=noun, w_noun2=noun2, w_beast=beast, w_beast2=beast2,
           w_at=f"{lex.PLACES[place][0]} the {place}",
           w_at2=f"{lex.PLACES[place2][0]} the {place2}",
           w_spot=rng.choice(lex.PLACES[place][2]),
           w_role=role, w_role2=role2, w_colour=colour, w_colour2=colour2,
           w_shape=shape, w_shape2=shape2, w_food=food, w_food2=food2,
           w_face=rng.choice(FACES), w_garment=rng.choice(GARMENTS),
           w_manner=rng.choice(MANNERS),
           w_name=rng.choice([name for name in lex.GIRLS + lex.BOYS
                              if name not in t.used]),
           w_season=rng.choice(("spring", "summer", "autumn", "winter")),
           w_day=rng.choice(("Monday", "Tuesday", "Friday", "Sunday")),
           w_n=rng.choice(lex.NUMBERS[2:]), w_n2=rng.choice(lex.NUMBERS[2:]))
    t.bind(w_when=t.expand(rng.choice(WHEN)),
           w_topic=t.expand(rng.choice(TOPICS)))


TOPICS = (
    "a {w_shape} {w_beast}", "a {w_thing}", "the price of {w_food}",
    "the {w_colour} {w_garment} of the {w_role}",
    "a {w_beast} and a {w_beast2}", "{w_n} {w_colour} {w_food}",
    "the {w_role} who {w_acted} {w_at}",
    "a {w_beast} that could {w_act} {w_manner}",
    "a {w_thing} {w_spot}",
)

SENTENCES = (
    # dreams, wishes and memories of the hero
    "{A.x} had dreamed that a {w_shape} {w_beast} {w_did} a {w_thing} "
    "{w_at}.",
    "{A.x} had dreamed of {w_topic}.",
    "If {A.x} had owned a {w_thing}, {A.he} would have {w_done} it "
    "{w_manner}.",
    "{A.x} remembered how {w_name} had {w_done} the {w_noun} {w_at}.",
    "{w_when.Cap} {A.x} had seen {w_topic} {w_at2}.",
    "{A.x} wondered whether a {w_beast} could {w_act} {w_manner}.",
    "{A.x} would rather have {w_done} a {w_thing} than talked to the "
    "{w_role}.",
    "{A.x} sang, \"^{w_shape} is the {w_beast}, {w_colour} is the {w_noun}.\"",
    "In {A.his} bag were a {w_thing}, {w_n} {w_food} and a {w_thing2}.",
    "Neither a {w_beast} nor a {w_role} would have {w_done} such a "
    "{w_noun}.",
    # other people and animals
    "A {w_shape} [man|woman] with a {w_colour} {w_garment} and a "
    "{w_shape2} {w_face} went by.",
    "The {w_role} was talking to the {w_role2} about {w_topic}.",
    "A {w_shape} {w_beast} {w_acted} {w_manner} {w_spot}.",
    "Two [children|old men|sisters] were quarrelling about {w_topic}.",
    "{w_name} {w_acted} {w_manner} {w_at}, and nobody knew why.",
    "The {w_role} had {w_n} {w_food} and a {w_shape} {w_beast}.",
    "The {w_colour} {w_noun} had been {w_done} by the {w_role} {w_manner}.",
    "A {w_beast} {w_did} a {w_thing}, and a {w_beast2} {w_acted}.",
    "People said that {w_when} the {w_role} {w_did} a {w_thing} {w_at}.",
    "They say a {w_beast} will {w_act} {w_manner} if you {w_do} its "
    "{w_noun}.",
    # signs, lists and numbers
    "On a wall was written: \"Lost, a {w_thing}. {w_name}.\"",
    "On a door was written: \"For sale, {w_n} {w_colour} {w_food}.\"",
    "{w_n.Cap} {w_food} lay {w_spot}, and {w_n2} {w_food2} beside them.",
    "It was {w_n} minutes past [one|two|three|four|five|six|seven|eight|"
    "nine|ten|eleven].",
    "There were {w_n} {w_colour} {w_food}, {w_n2} {w_colour2} {w_food2} and "
    "a {w_thing}.",
    "The {w_noun} of the {w_role} was older than the {w_noun2} of the "
    "{w_role2}.",
    # talk
    "\"{w_when.Cap} a {w_beast} {w_did} my {w_noun},\" somebody was saying.",
    "\"Never {w_do} a {w_thing} {w_manner},\" said a {w_shape} {w_role} "
    "who came by.",
    "\"Have you heard of {w_topic}?\" the {w_role} called across the road.",
    "Somebody was telling {w_name} about {w_topic} and {w_n} {w_food}.",
)


OPENINGS = (
    "Strange things [happened|were told|were seen] that {day}.",
    "{A.x} had slept badly.",
    "There was a lot to see [on the way|that {hour}].",
    "{A.x} did not know where to begin.",
    "First, though, there was something else.",
    "It was one of those days.",
    "News travels fast {p.at}.",
)


def muse(t):
    """One free sentence, of a pattern that is new in this story."""
    bind_random(t)
    t.say(t.pick_new(SENTENCES))


def digress(t):
    """A paragraph of them."""
    t.para()
    t.one_of(*OPENINGS)
    for _ in range(t.rng.randint(2, 4)):
        muse(t)
    t.para()
