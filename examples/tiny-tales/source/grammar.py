"""From templates and story state to sentences.

A template is English with two kinds of holes:

    [a|b|c]      one of the alternatives, chosen at random; they may nest
    {A.his}      a form of something bound in the story: a person, a thing,
                 a place or a plain word

`Story` holds the bindings, the paragraphs so far and who was named last, so
that `{A.x}` can become a pronoun only where it is clear who is meant.
Capital letters and a/an are put right after expansion, once and for all.
"""

import re

_CHOICE = re.compile(r"\[([^\[\]]*)\]")
_SLOT = re.compile(r"\{(\w+)(?:\.(\w+))?\}")
_ARTICLE = re.compile(r"\b([Aa]) (?=[aeiou])(?!one\b|use)")
_AN_HOUR = re.compile(r"\b([Aa]) (?=hour|honest)")
_SENTENCE_START = re.compile(r'(^"?|[.!?] "?|\^)([a-z])')

PRONOUNS = {
    "m": {"he": "he", "him": "him", "his": "his", "self": "himself",
          "was": "was", "has": "has"},
    "f": {"he": "she", "him": "her", "his": "her", "self": "herself",
          "was": "was", "has": "has"},
    "n": {"he": "it", "him": "it", "his": "its", "self": "itself",
          "was": "was", "has": "has"},
    "me": {"he": "I", "him": "me", "his": "my", "self": "myself",
           "was": "was", "has": "have"},
    "they": {"he": "they", "him": "them", "his": "their",
             "self": "themselves", "was": "were", "has": "have"},
    "we": {"he": "we", "him": "us", "his": "our", "self": "ourselves",
           "was": "were", "has": "have"},
}


class Word:
    """A bound plain string; it has no forms but itself."""

    def __init__(self, text):
        self.text = text

    def form(self, name, story):
        if name == "Cap":
            return self.text[0].upper() + self.text[1:]
        return self.text


class Person:
    """Anyone who can act: a child, a grown-up, an animal, a pair, or I."""

    def __init__(self, name, gender, kind, **facts):
        self.name = name          # how the story calls them: "Tom", "the fox"
        self.gender = gender      # key of PRONOUNS
        self.kind = kind          # "boy", "miller", "fox"
        self.facts = facts        # trait, food, work place: used by plots

    def form(self, name, story):
        pronouns = PRONOUNS[self.gender]
        if name is None:
            return self._named(story)
        if name == "s":
            full = self._named(story)
            if self.gender == "me":
                return "my"
            return full + ("'" if full.endswith("s") else "'s")
        if name == "obj":         # the name as an object: "me", not "I"
            full = self._named(story)
            return "me" if self.gender == "me" else full
        if name == "x":
            return self._name_or_pronoun(story)
        if name in pronouns:
            return pronouns[name]
        if name.lower() in pronouns:
            return pronouns[name.lower()].capitalize()
        if name == "kind":
            return self.kind
        return self.facts[name]

    def _name_or_pronoun(self, story):
        pronoun = PRONOUNS[self.gender]["he"]
        if story.is_clear(self) and story.rng.random() < 0.75:
            return pronoun
        return self._named(story)

    def _named(self, story):
        """The name; a friend or animal new to the reader is presented."""
        is_new = self not in story.known
        hero = self.facts.get("friend_of")
        hero_is_clear = hero is not None and story.is_clear(hero)
        story.known.add(self)
        story.mention(self)
        if is_new and self.gender == "n":
            return f"a {self.kind}"
        if not is_new or hero is None:
            return self.name
        if hero_is_clear:
            return f"{PRONOUNS[hero.gender]['his']} friend {self.name}"
        return f"a {self.kind} named {self.name}"


class Kin(Person):
    """Father or mother: "Tom's father" at first, "Father" or "his father"
    later, whichever is clear."""

    def _named(self, story):
        hero = self.facts["child"]
        owner = PRONOUNS[hero.gender]["his"]
        is_new = self not in story.known
        if not is_new and story.rng.random() < 0.6:
            text = self.kind.capitalize()
        elif story.is_clear(hero):
            text = f"{owner} {self.kind}"
        else:
            text = f"{hero.name}'s {self.kind}"
        story.known.add(self)
        story.mention(self)
        return text


def pair(a, b):
    """Two people as one subject; with the narrator it is "Tom and I"."""
    if a.gender == "me":
        return Person(f"{b.name} and I", "we", "pair")
    return Person(f"{a.name} and {b.name}", "they", "pair")


class Thing:
    """An object: {o.a} presents it with its look, {o} refers to it, with or
    without the look."""

    def __init__(self, noun, look, is_pair):
        self.noun, self.look, self.is_pair = noun, look, is_pair

    def form(self, name, story):
        pronouns = PRONOUNS["they" if self.is_pair else "n"]
        full = f"{self.look} {self.noun}"
        if name == "a":
            return f"a pair of {full}" if self.is_pair else f"a {full}"
        if name is None:
            short = story.rng.random() < 0.7
            return f"the {self.noun}" if short else f"the {full}"
        if name == "n":
            return self.noun
        if name == "full":
            return full
        if name == "it":
            return pronouns["him"]
        if name == "sub":         # the subject: "it" or "they"
            return pronouns["he"]
        if name == "look":
            return self.look
        if name[0].isupper():
            return self.form(name.lower(), story).capitalize()
        return pronouns[name]


class Place:
    """Somewhere to go, with its own hiding spots and its own view."""

    def __init__(self, noun, at, to, spots, views):
        self.noun, self.at, self.to = noun, at, to
        self.spots, self.views = spots, views

    def form(self, name, story):
        if name is None:
            return f"the {self.noun}"
        if name == "at":
            return f"{self.at} the {self.noun}"
        if name == "to":
            return f"{self.to} the {self.noun}"
        if name == "there":       # "there were rows of beans"
            return f"there {story.pick_new(self.views)}"
        if name == "There":
            return f"There {story.pick_new(self.views)}"
        if name == "view":
            return story.pick_new(self.views).partition(" ")[2]
        if name == "spot":
            return story.pick_new(self.spots)
        raise KeyError(f"a place has no form {name!r}")


class Story:
    """One story being told: bindings, paragraphs and who was named last."""

    def __init__(self, rng):
        self.rng = rng
        self.paragraphs = [[]]
        self.bound = {}
        self.named = []           # in the order of mention, last one last
        self.known = set()        # people the reader has met
        self.seen = set()         # spots and views that were spoken of

    def bind(self, **names):
        for key, value in names.items():
            self.bound[key] = Word(value) if isinstance(value, str) else value

    def mention(self, person):
        if person in self.named:
            self.named.remove(person)
        self.named.append(person)

    def pick_new(self, options):
        """An option that was not spoken of yet, if there is one left."""
        choice = self.rng.choice([x for x in options if x not in self.seen]
                                 or options)
        self.seen.add(choice)
        return choice

    def is_clear(self, person):
        """A pronoun is clear for the last one named of that gender."""
        if person.gender == "me":
            return True
        same = [p for p in self.named if p.gender == person.gender]
        return bool(same) and same[-1] is person

    def expand(self, template):
        text = template
        while True:
            match = _CHOICE.search(text)
            if not match:
                break
            picked = self.rng.choice(match.group(1).split("|"))
            text = text[:match.start()] + picked + text[match.end():]

        def fill(match):
            return self.bound[match.group(1)].form(match.group(2), self)

        return _SLOT.sub(fill, text)

    def say(self, template, **names):
        """Add one or more sentences to the paragraph."""
        self.bind(**names)
        self.paragraphs[-1].append(tidy(self.expand(template)))

    def maybe(self, chance, template, **names):
        if self.rng.random() < chance:
            self.say(template, **names)

    def one_of(self, *templates):
        self.say(self.rng.choice(templates))

    def para(self):
        """Start a paragraph; nobody has been named in it yet."""
        if self.paragraphs[-1]:
            self.paragraphs.append([])
        self.named = []

    def text(self):
        return "\n".join(" ".join(p) for p in self.paragraphs if p)

    def speech(self, speaker, line):
        """Add a line of dialogue, attributed in one of several ways."""
        self.bind(_s=speaker)
        line = tidy(self.expand(line))
        self.paragraphs[-1].append(tidy(self._attributed(line)))

    def _attributed(self, line):
        verb, manner = self._speech_verb(line), ""
        if verb in ("said", "asked", "answered", "replied"):
            manner = self.expand(MANNERS)
        name = self.expand("{_s.x}")
        is_pronoun = name in ("he", "she", "it", "I")
        tag = f"{name} {verb}" if is_pronoun else f"{verb} {name}"
        style = self.rng.random()
        first, dot, rest = line.partition(". ")
        if style < 0.25:
            return f'{name} {verb}{manner}, "^{line}"'
        if style < 0.37:
            return self.expand(f'{name} [{BEATS}]. "{line}"')
        if style < 0.60 and dot and "!" not in first and "?" not in first:
            said = tag if line.endswith(".") else tag.replace(verb, "said")
            return f'"{first}," {said}{manner}. "{rest}"'
        opening = line[:-1] + "," if line.endswith(".") else line
        return f'"{opening}" {tag}{manner}.'

    def _speech_verb(self, line):
        if line.endswith("?"):
            return self.rng.choice(("asked", "asked", "wondered", "said"))
        if line.endswith("!"):
            return self.rng.choice(("cried", "called", "shouted", "said"))
        if "?" in line:
            return "said"
        before = self.paragraphs[-1][-1:]
        if before and '"' in before[0]:
            return self.rng.choice(("said", "said", "answered", "replied",
                                    "murmured"))
        return self.rng.choice(("said", "said", "declared", "murmured"))


MANNERS = ("[||||| quietly| softly| at once| firmly| with a smile"
           "| in a low voice| at last]")
BEATS = ("nodded|shook {_s.his} head|thought for a moment|shrugged|"
         "scratched {_s.his} chin|looked up|took a deep breath|sighed|"
         "raised one eyebrow|smiled|blinked twice|laughed")


def tidy(text):
    """Capitals at the start of sentences, and "an" before vowels."""
    text = _ARTICLE.sub(r"\1n ", text)
    text = _AN_HOUR.sub(r"\1n ", text)
    text = _SENTENCE_START.sub(_raise, text)
    return text.replace("^", "")


def _raise(match):
    return match.group(1) + match.group(2).upper()
