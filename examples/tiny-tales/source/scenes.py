"""Passages that every plot shares: casting, openings, walks, remarks, ends.

A `Tale` is a Story with a cast and a world: what the weather is, where the
hero stands, which names are taken.  Each function adds sentences that agree
with that state.
"""

import lexicon as lex
from grammar import Kin, Person, Place, Story, Thing
from musings import muse

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday",
        "Sunday")
HOURS = ("morning", "afternoon", "evening")
MUSING_CHANCE = 0.75

FLIERS = ("swallow", "moth", "gull", "bat", "robin", "wasp", "pigeon",
          "butterfly", "sparrow", "owl", "heron")
CRAWLERS = ("beetle", "snail", "lizard", "toad", "spider", "worm", "duck",
            "hen")
WAYS = ("over the fence", "along the wall", "across the path",
        "past the gate", "between the stones", "under the hedge",
        "around the well", "towards the church", "through the nettles",
        "over the ditch")


class Tale(Story):
    """A story with a hero {A}, a weather, a place {p} and an hour."""

    def __init__(self, rng, first_person, weathers=tuple(lex.WEATHER)):
        super().__init__(rng)
        self.weather = rng.choice(weathers)
        self.season = rng.choice(lex.SEASON_OF[self.weather])
        self.hour = rng.choice(HOURS)
        self.day = rng.choice(DAYS)
        self.first_person = first_person
        self.used = set()         # nouns that are taken: nothing comes twice
        self.bind(season=self.season, day=self.day, hour=self.hour)
        hero = self.child() if first_person or rng.random() < 0.7 \
            else self.animal()
        if first_person:
            hero = Person("I", "me", hero.kind, **hero.facts)
        self.bind(A=hero, p=self.place())

    def pick(self, options):
        """A random option that has not been picked in this story."""
        left = [x for x in options if x not in self.used]
        choice = self.rng.choice(left)
        self.used.add(choice)
        return choice

    def _facts(self, name):
        trait = self.pick(lex.TRAITS)
        habit, moral = lex.TRAITS[trait]
        return {"call": name, "who": name, "trait": trait, "habit": habit,
                "moral": moral}

    def child(self):
        gender = self.rng.choice("mf")
        name = self.pick(lex.GIRLS if gender == "f" else lex.BOYS)
        return Person(name, gender, "girl" if gender == "f" else "boy",
                      **self._facts(name))

    def animal(self):
        kind, name = self.pick(lex.ANIMALS), self.pick(lex.PETS)
        food, moves, noise = lex.ANIMALS[kind]
        facts = self._facts(name)
        facts["who"] = f"{name} the {kind}"
        return Person(name, self.rng.choice("mf"), kind, food=food,
                      moves=moves, noise=noise, **facts)

    def wild_animal(self):
        kind = self.pick(lex.ANIMALS)
        food, moves, noise = lex.ANIMALS[kind]
        return Person(f"the {kind}", "n", kind, food=food, moves=moves,
                      noise=noise, call=kind)

    def grown_up(self, kin=False):
        if kin:
            role, gender = self.pick(lex.KIN)
            hero = self.bound["A"]
            return Kin(role, gender, role, call=role, child=hero)
        role = self.pick(lex.GROWN_UPS)
        gender, work, habit = lex.GROWN_UPS[role]
        return Person(f"the {role}", gender, role, call=role, work=work,
                      habit=habit)

    def friend(self):
        """Somebody of the hero's own sort."""
        hero = self.bound["A"]
        friend = self.animal() if hero.kind in lex.ANIMALS else self.child()
        friend.facts["friend_of"] = hero
        return friend

    def thing(self, nouns=tuple(lex.TREASURES)):
        noun = self.pick(nouns)
        return Thing(noun, self.rng.choice(lex.TREASURES[noun]),
                     noun in lex.PAIRS)

    def place(self, noun=None):
        if noun is None:
            noun = self.pick(lex.PLACES)
        self.used.add(noun)
        return Place(noun, *lex.PLACES[noun])

    def outdoors(self):
        return self.bound["p"].noun not in lex.INDOORS


def introduce(t, is_new=True):
    """Who the hero is and what the hero is like; `is_new` where the name has
    not been said yet."""
    if t.first_person:
        t.one_of("My name is {A.call}, and {p} is [very near|not far from] "
                 "our house.",
                 "I am {A.trait}, everyone says so.",
                 "I have never told this to anybody.",
                 "People say that I am {A.trait}, and they are [right|"
                 "not wrong|probably right].",
                 "I still remember that {hour} {p.at}.")
        return
    if is_new and t.rng.random() < 0.45:
        t.one_of(
            "[Once there was|There once was] a [young |small |{A.trait} |]"
            "{A.kind} called {A} who {A.habit}.",
            "[In a village|In a valley] between two [hills|rivers|woods] "
            "lived a {A.kind} named {A}, who {A.habit}.")
        return
    t.one_of(
        "{A.who} lived [near {p}|not far from {p}|in a house "
        "[with a red roof|without a door|by the road]] and {A.habit}.",
        "Everybody knew {A.who}, because {A.he} {A.habit}.",
        "{A} was a {A.kind}, and a very {A.trait} one.",
        "Of all the [children|creatures|people] near {p}, none was as "
        "{A.trait} as {A}.",
        "If you had asked anyone about {A.who}, they would have said "
        "that {A.he} was {A.trait}.")


def set_scene(t):
    """When it is, what the sky does, and where the hero stands."""
    clause = t.rng.choice(lex.WEATHER[t.weather][0])
    t.bind(sky=clause)
    t.one_of(
        "One {hour} in {season}, when {sky}, {A.x} was {p.at}.",
        "It was a {season} {hour}, and {sky}.",
        "One {season} {hour} {A.x} went {p.to}, although {sky}.",
        "On {day} {sky}, and {A.x} stayed {p.at} [all {hour}|for an hour|"
        "longer than usual].",
        "One {hour}, while {sky}, {A.x} sat {p.at} and [looked at "
        "nothing in particular|whistled|counted the clouds|thought about "
        "supper].",
        "{sky.Cap}. {A.x} had come {p.to} [alone|early|with nothing to do|"
        "to be out of the way].",
        "It was {day}, {sky}, and {p.at} {p.there}.")
    t.maybe(0.3, "{p.There}.")


def remark(t, chance):
    """Something seen, felt or thought on the way; never part of the plot.

    `chance` is that of a remark about the scene at hand; a free sentence
    comes before it more often than not."""
    if t.rng.random() < MUSING_CHANCE:
        muse(t)
    if t.rng.random() > chance:
        return
    kind = t.rng.random()
    if kind < 0.25 and t.outdoors():
        t.say(t.rng.choice(lex.WEATHER[t.weather][1]))
    elif kind < 0.32 and not t.outdoors():
        t.bind(inside=lex.WEATHER[t.weather][2])
        t.say("[Outside it was {season}, and |All the while ]{inside}.")
    elif kind < 0.55:
        _creature(t)
    elif kind < 0.7:
        t.one_of("{p.There}.",
                 "{A.x} saw {p.view}, but [hardly noticed|did not stop|that "
                 "was all].",
                 "Apart from {p.view}, there was nothing to see.",
                 "{A.x} liked {p}, with {p.view}.")
    elif kind < 0.85:
        _sense(t)
    else:
        _thought(t)


def _creature(t):
    way = t.rng.choice(WAYS)
    flies = t.rng.random() < 0.55
    t.bind(way=way, bug=t.pick(FLIERS if flies else CRAWLERS))
    if flies:
        t.one_of("A {bug} [flew|fluttered|sailed|darted] {way}.",
                 "A [lonely|single|tired|grey] {bug} circled above {p}.",
                 "{A.x} watched a {bug} [fly|dart|sail] {way}.",
                 "[Twice|Once] a {bug} came so close that {A.x} could "
                 "[touch it|hear its wings].")
    else:
        t.one_of("A [fat|slow|brown|tiny|shiny] {bug} [crawled|crept|"
                 "wandered] {way}.",
                 "A {bug} looked at {A.obj} and went {way}.",
                 "{A.x} stepped over a {bug}, which was going {way}.",
                 "Only a {bug} was about, and it was in no hurry.")


def _sense(t):
    t.one_of(
        "It smelled of [smoke|wet wool|fresh bread|old leather|mint|"
        "the sea|mushrooms|soap].",
        "[Far away|Not far off|Behind the houses] a [dog barked|cart "
        "rattled|door slammed|bell rang|child laughed|cock crowed].",
        "It was so quiet that {A.x} could hear [a clock ticking|{A.his} own "
        "heart|the grass growing|a leaf fall].",
        "The light was [yellow|pale|grey|golden|fading] by now.",
        "{A.x} had a [stone|crumb|splinter|pebble] in {A.his} [shoe|pocket|"
        "sleeve] and [did not care|took no notice|left it there].",
        "Neither the [cold|noise|mud] nor the [late hour|smell|empty road] "
        "bothered {A.obj}.")


def _thought(t):
    t.one_of(
        "{A.x} thought of [{A.his} bed|the long way home|supper|last "
        "{season}|the smell of pancakes|nothing at all].",
        "{A.x} hummed a [song|tune] about [a sailor|seven geese|the moon|"
        "a king without a crown].",
        "Who could have known what would [come of it|happen next]?",
        "Never before had {A.x} felt so [small|awake|important|alone].",
        "The longer {A.x} waited, the [stranger|colder|quieter] it seemed.",
        "{A.x} counted to [ten|twenty|seven|twelve] and [sneezed|began "
        "again|yawned|went on].")


def walk(t, place):
    """The hero goes to `place`; from here on {p} is that place."""
    if place.noun == t.bound["p"].noun:
        t.one_of("{A.x} did not have to go far.",
                 "{A.x} stayed {p.at}, for it was the right place.")
        return
    t.bind(p=place)
    t.one_of(
        "{A.x} [went|walked|hurried|ran|wandered] {p.to}.",
        "So {A.x} [set off|started|made {A.his} way] {p.to}[ at once|"
        " without a word||| as fast as {A.he} could].",
        "[Then|Next|After that|A little later] {A.x} went {p.to}.",
        "The path led {p.to}, and {p.there}.",
        "It took [an hour|ten minutes|half the {hour}|a while] to get "
        "{p.to}.",
        "When {A.x} came {p.to}, {p.there}.")
    remark(t, 0.45)


def feel(t, who, moods=None, why=None):
    """Name a feeling of `who`, with its cause if there is one to give.

    `moods` is a template choice like "sad|cross"; without it the feeling is
    a good one."""
    good = moods is None
    word = t.rng.choice(lex.FEELINGS_GOOD) if good else \
        t.expand(f"[{moods}]")
    t.bind(_f=who, mood=word)
    if why:
        t.bind(why=t.expand(why))
        t.one_of("{_f.x} {_f.was} {mood}, because {why}.",
                 "{_f.x} felt {mood}, for {why}.",
                 "Because {why}, {_f.x} {_f.was} [very |quite |]{mood}.",
                 "It was no wonder that {_f.x} {_f.was} {mood}: {why}.")
    elif good:
        t.one_of("{_f.x} {_f.was} [so |very |quite ]{mood}.",
                 "{_f.x} felt {mood} [and a little tired|from head to toe|"
                 "for the first time that day].",
                 "{_f.x} could not stop [smiling|laughing|grinning].")
    else:
        t.one_of("{_f.x} {_f.was} [rather |very |]{mood}.",
                 "{_f.x} felt {mood} and [kicked a stone|said nothing|"
                 "bit {_f.his} lip|stared at the ground].",
                 "{_f.x} almost [cried|gave up|went home].")


def greet(t, who):
    """The hero meets a grown-up or an animal with a place in the world."""
    t.bind(M=who)
    if who.kind in lex.ANIMALS:
        t.one_of("There {A.x} met {M}, which was looking for {M.food}.",
                 "{M} [came along|sat in the way] and {M.noise}.",
                 "{M} {M.moves} out of the shadows.")
        return
    t.one_of("There {A.x} met {M}, who {M.habit}.",
             "{M} was there too, [carrying a basket|with rolled up sleeves|"
             "in a leather apron|on a wooden stool].",
             "Near the [door|gate|well|steps] stood {M}, who {M.habit}.",
             "It was {M} who [came along|opened the door|looked up] first.")


def ending(t):
    """A last sentence or two; the moral is the one of the hero's trait."""
    t.para()
    moral = t.bound["A"].facts["moral"]
    t.bind(moral=moral, food=t.rng.choice(lex.FOODS))
    t.one_of(
        "That [night|evening] {A} [slept well|fell asleep at once|dreamed of "
        "[the sea|flying|bells|snow|nothing]].",
        "Then everyone [ate|shared|sat down to] {food}, and [nobody|not one "
        "of them] [went home hungry|was left out].",
        "And {A} learned that {moral}.",
        "\"After all,\" [people said|said the old people|they say near the "
        "river], \"{moral}.\"",
        "Since that {day} {A} {A.has} been a little [less|more] {A.trait}[|, "
        "or so they say].",
        "[For supper|In the evening] {A} had {food} and [told the "
        "whole story|said very little|had two helpings].",
        "If {A} had not been so {A.trait}, none of this would have happened.",
        "By then the [stars were out|moon was up|lamps were lit], and it was "
        "time to [go home|sleep|close the door].",
        "The next [morning|day] nothing was different, and yet {A} "
        "[whistled|smiled] all the way {p.to}.",
        "It was the best {day} of the whole {season}.")
    t.maybe(0.25, "[So it was|That was all|And so it ended|That is the whole "
                  "story].")
