"""Plots about objects: losing, trading, breaking, quarrelling, giving.

Each plot is a function of a Tale.  The state it keeps (who holds what, what
was promised, where a thing really lies) decides the later sentences.
"""

import lexicon as lex
from grammar import pair
from scenes import feel, greet, remark, walk


def lost_and_found(t):
    """The hero loses a thing, looks in several places, finds it at last."""
    t.bind(o=t.thing(), B=t.friend(), K=t.grown_up(kin=True))
    t.bind(n=t.rng.choice(lex.NUMBERS[3:13]))
    t.one_of("{A.x} had {o.a}, a present from {K}.",
             "{A.x} had {o.a}, bought at the fair for {n} coins.",
             "{A.x} had {o.a}, which {A.he} had got for {A.his} birthday.",
             "{A.x} owned {o.a}[| and was proud of {o.it}| and never went "
             "anywhere without {o.it}].",
             "There was nothing that {A.x} loved more than {A.his} {o.full}.")
    t.one_of("But when {A.x} [felt in {A.his} pocket|opened {A.his} bag|"
             "looked again], {o} {o.was} gone.",
             "That day {o} {o.was} nowhere to be seen.",
             "Suddenly {A.x} noticed that {o} {o.was} missing.")
    feel(t, t.bound["A"], "worried|sad|miserable|upset", "{o} {o.was} lost")
    remark(t, 0.4)
    t.para()
    places = [t.place() for _ in range(t.rng.randint(1, 3))]
    for place in places:
        walk(t, place)
        _search_in_vain(t)
        t.para()
    _find(t, places[-1])


def _search_in_vain(t):
    other = t.thing()
    t.bind(x=other)
    t.one_of("{A.x} looked {p.spot}, but there was only {x.a}.",
             "{A.x} searched {p.spot}. Nothing!",
             "But {o} {o.was} not {p.spot}.",
             "Someone had left {x.a} {p.spot}, but of {o} there was no sign.",
             "{A.x} turned everything over and found {x.a}, which belonged "
             "to somebody else.")
    if t.rng.random() < 0.5:
        who = t.grown_up() if t.rng.random() < 0.6 else t.wild_animal()
        greet(t, who)
        t.speech(t.bound["A"], "[Have you seen|Did you see|Have you found] "
                               "{o.a}?")
        t.speech(who, t.rng.choice((
            "[No|I am afraid not|Not today]. [Ask {B.call}|"
            "Look somewhere else|Things come back when they like].",
            "I saw {B.call} with something {o.look}. [Perhaps|Maybe] that was "
            "{o.it}.",
            "I have not seen {o.it}, but I shall keep my eyes open.",
            "Where did you have {o.it} last?")))


def _find(t, place):
    A, B = t.bound["A"], t.bound["B"]
    how = t.rng.randrange(3)
    if how == 0:
        t.bind(p=place)
        t.say("At last {A.x} looked {p.spot}, and there {o.was} {o}[, a "
              "little wet|, quite unhurt|, covered with dust|]!")
        feel(t, A, why="{o} {o.was} found")
    elif how == 1:
        t.say("Then {B} came [running|along|by], and in {B.his} hands {o.was} "
              "{o}.")
        t.speech(B, "[You left|You forgot] {o.it} [on the steps|by the well|"
                    "at our house|under the bench]. I wanted to bring "
                    "{o.it} back.")
        t.speech(A, "[Thank you, {B.call}!|Oh, thank you!] [I have looked "
                    "everywhere|You are a true friend|I was so worried].")
        feel(t, A)
    else:
        t.one_of("Tired, {A.x} sat down, and something hard was under "
                 "{A.him}. It was {o}!" if not t.bound["o"].is_pair else
                 "Tired, {A.x} looked down. {o.Sub} had been on the "
                 "doorstep all the time!",
                 "And where {o.was} {o}? At home, under {A.his} own pillow.")
        t.one_of("{A.x} laughed until [{A.his} sides hurt|everyone came to "
                 "look].",
                 "{A.x} turned as red as a [beetroot|cherry|tomato].")
    t.maybe(0.4, "From then on {A.x} tied {o.it} to {A.his} belt." if not
            t.bound["o"].is_pair else
            "From then on {A.x} kept {o.it} by the door.")


def chain_of_trades(t):
    """One thing is swapped for another until the wanted one is reached."""
    things = [t.thing() for _ in range(t.rng.randint(3, 4))]
    t.bind(o=things[0], first=things[0], want=things[-1],
           K=t.grown_up(kin=True))
    t.one_of("{A.x} owned {o.a} but wanted {want.a} [more than anything|for "
             "{K}].",
             "[All {season}|For weeks] {A.x} had wished for {want.a}, but "
             "all that {A.he} owned was {o.a}.",
             "{A.x} had nothing but {o.a} and wished for {want.a}.")
    remark(t, 0.4)
    for have, get in zip(things, things[1:]):
        t.para()
        who = t.grown_up() if t.rng.random() < 0.7 else t.friend()
        t.bind(o=have, x=get, G=who)
        walk(t, t.place(who.facts.get("work")))
        _trade(t, who, have, get, get is things[-1])
    t.para()
    t.one_of("In the end {A.x} held {want} in {A.his} hands.",
             "That is how {A.x} came home with {want.a}.",
             "{A.x} had begun with {first.a} and ended with {want.a}.",
             "Who would have thought that {A.x} would ever own {want.a}?")
    feel(t, t.bound["A"])


def _trade(t, who, have, get, last):
    if who.kind in lex.GROWN_UPS:
        t.one_of("{G} {G.habit}, but today {G.he} [looked sad|was in "
                 "trouble|was searching for something].",
                 "There sat {G}, who had {x.a}.")
    else:
        t.say("{G} was there, with {x.a} in {G.his} [hand|bag|basket].")
    t.speech(who, t.rng.choice((
        "I need {o.a}. [I would give|I will give] you {x.a} for {o.it}.",
        "What [fine|good|splendid] {o.n}! Will you take {x.a} instead?"
        if have.is_pair else
        "What a [fine|good|splendid] {o.n}! Will you take {x.a} instead?",
        "If only I had {o.a}! [I have no use for|I am tired of] this "
        "{x.n}." if not get.is_pair else
        "If only I had {o.a}! I have no use for these {x.n}.")))
    if last:
        t.one_of("{A.x} did not [think twice|wait to be asked again].",
                 "{A.x} could hardly believe it and [nodded|agreed] at once.")
    else:
        t.one_of("{A.x} thought it over and agreed.",
                 "{A.x} was not sure, but {G} looked so [hopeful|unhappy|"
                 "kind] that {A.he} agreed.",
                 "A bargain is a bargain.")
    t.one_of("{A.x} handed over {o} and got {x.a}.",
             "So {G} took {o}, and {A.x} took {x}.",
             "{o} changed hands, and now {A.x} had {x.a}.")


def broken_and_confessed(t):
    """A borrowed thing breaks; the hero hides it or tells, and is forgiven."""
    A = t.bound["A"]
    o = t.thing(tuple(lex.BREAKABLE))
    G = t.grown_up() if t.rng.random() < 0.5 else t.grown_up(kin=True)
    t.bind(o=o, G=G, broke=lex.BREAKABLE[o.noun])
    t.one_of("{G} had {o.a}, and nobody was allowed to touch {o.it}.",
             "On the shelf stood {o.a}. It belonged to {G}.",
             "{A.x} had borrowed {o.a} from {G} and promised to be careful.")
    remark(t, 0.4)
    t.one_of("But {A.x} [slipped|tripped|turned too quickly|sneezed], and "
             "{o} fell [to the floor|on a stone] and {broke}.",
             "Only for a moment {A.x} held {o}. Then there was a [crack|"
             "crash], and {o} {broke}.",
             "Nobody saw how it happened: {o} fell down and {broke}.")
    feel(t, A, "ashamed|worried|frightened|miserable", "{o} {broke}")
    t.para()
    hides = t.rng.random() < 0.55
    if hides:
        walk(t, t.place())
        t.one_of("{A.x} hid {o} {p.spot} and told no one.",
                 "There, {p.spot}, {A.x} hid what was left of {o}.")
        t.one_of("But {A.x} could not [eat|sleep|play|laugh].",
                 "All [day|night] long {A.x} thought of {o} and of {G}.",
                 "A secret is heavier than a [sack of flour|stone|millstone].")
        t.para()
        t.speech(G, "[Where is|Has anyone seen] my {o.n}?")
        t.one_of("{A.x} swallowed hard.", "It was very quiet.",
                 "{A.x} looked at {A.his} feet.")
    else:
        t.one_of("{A.x} did not wait but went to {G} [straight away|with the "
                 "pieces in {A.his} hands].",
                 "It would have been easy to say nothing. Instead "
                 "{A.x} went to find {G}.")
    t.speech(A, "It was me. I broke {o.it}[, and I am sorry| "
                "and hid {o.it}|]." if hides else
                "It was me. I [broke|have broken] {o.it}, and I am sorry.")
    _forgive(t, G)


def _forgive(t, G):
    t.one_of("{G} was silent for a [long|little] while.",
             "{G} looked at {A.obj}, then at {o}.",
             "{G} did not shout.")
    t.speech(G, t.rng.choice((
        "Thank you for telling me. [A {o.n} can be mended|It is only a "
        "{o.n}|I broke one myself when I was small].",
        "I was [cross|sad] for a moment, but now I am glad that you told me.",
        "Then you shall help me to mend it. [Bring the glue|Fetch a hammer|"
        "We need string and patience].")))
    t.one_of("[That very {hour}|The same week] {o} {o.was} mended, and [you "
             "could hardly see it|it was nearly as good as before|one crack "
             "stayed, to remember it by].",
             "So {A.x} worked for {G} until the {o.n} was paid for.",
             "{o} was never quite the same, but {A} was [happy|glad|relieved] "
             "again.")
    feel(t, t.bound["A"], why="the secret was out")


def quarrel_and_share(t):
    """Two find the same thing; they quarrel, lose by it, and share."""
    A, B = t.bound["A"], t.friend()
    t.bind(B=B, AB=pair(A, B), o=t.thing())
    t.known.add(B)
    t.one_of("{B} was {A.his} best friend.",
             "With {A.obj} was {B}, who {B.habit}.",
             "{A.x} was not alone, for {B} had come too.")
    t.say("[Just then|A moment later|Before long] {AB} found {o.a} {p.spot}.")
    t.para()
    t.speech(A, "[I saw {o.it} first!|{o.Sub} belongs to me!]"
             if not t.bound["o"].is_pair else "I saw them first!")
    t.mention(B)
    t.speech(B, t.rng.choice((
        "[No, I did!|But I picked {o.it} up!] Give {o.it} to me!",
        "[You always say that.|That is not fair.] I need {o.it} more than "
        "you do.")))
    t.one_of("{AB.He} pulled and pulled, one at each end.",
             "{AB.He} did not speak for [an hour|two days|the whole {hour}].",
             "{A.x} called {B} a [greedy goose|blockhead|stubborn mule], and "
             "{B} walked away.")
    remark(t, 0.5)
    thief = t.wild_animal()
    t.bind(W=thief)
    t.para()
    if t.rng.random() < 0.4:
        t.one_of("While {AB.he} quarrelled, {W} came and carried {o} "
                 "away.",
                 "Then {W} {W.moves} up behind them, took {o} and was "
                 "gone.")
        t.say("{AB} looked at each other. Then {AB.he} ran after the {W.kind} "
              "together, and [near the bridge|at the edge of the wood|"
              "after a long chase] {W} dropped {o}.")
        t.mention(A)
    else:
        t.one_of("Alone, {o} {o.was} no fun at all." if not
                 t.bound["o"].is_pair else
                 "What good are {o.n} without a friend?",
                 "That night neither {A} nor {B} could sleep.")
    t.speech(t.rng.choice((A, B)), t.rng.choice((
        "Let us share {o.it}. [You have {o.it} today, I have {o.it} "
        "tomorrow|One day you, one day me].",
        "I am sorry. [You can have {o.it}|A friend is better than any "
        "{o.n}]." if not t.bound["o"].is_pair else
        "I am sorry. You can have {o.it}.")))
    t.one_of("And so it was done. {o} [spent|lived] one week with {A.obj} and "
             "the next with {B}." if not t.bound["o"].is_pair else
             "And so it was done, one for each, though one is not much use.",
             "{AB} shook hands and [went to eat|went home|laughed].")


def secret_gift(t):
    """The hero earns money for a present and hides it until the day."""
    A, K = t.bound["A"], t.grown_up(kin=True)
    G = t.grown_up()
    t.bind(K=K, G=G, o=t.thing(), n=t.rng.choice(lex.NUMBERS[3:13]))
    t.say("In [{n} days|a week|two weeks] it was the birthday of {K}, and "
          "{A.x} had no present.")
    t.one_of("In the window of the shop {A.x} had seen {o.a}. The price was "
             "{n} coins.",
             "{K} had always wanted {o.a}, but such things cost {n} coins.")
    t.para()
    walk(t, t.place(G.facts["work"]))
    greet(t, G)
    t.speech(A, "[Do you need help|Is there any work] for {n} coins?")
    t.speech(G, "[You can|If you like, you can] [sweep the floor|carry water|"
                "sort the nails|feed the hens|wash the windows|"
                "chop the wood]. [It is hard work|I pay well].")
    t.one_of("{A.x} worked [until {A.his} arms ached|day after day|until "
             "the sun went down], and {G} gave {A.him} {n} coins.",
             "It was harder than it looked, but {n} coins are {n} coins.")
    remark(t, 0.4)
    t.para()
    t.say("[With the money|Before the shop closed|The next day] {A.x} "
          "bought {o}.")
    walk(t, t.place())
    t.say("There {A.x} hid {o} {p.spot}, wrapped in [paper|an old "
          "shirt|a cabbage leaf].")
    t.one_of("{K} nearly found {o.it}, but not quite.",
             "Nobody knew but a [spider|mouse|beetle].",
             "It was hard to keep such a secret.")
    t.para()
    t.say("When the day came, {K} opened the parcel and [could not say a "
          "word|laughed out loud|wiped {K.his} eyes].")
    t.speech(K, "{o.a}! [How did you know?|Where did you get the money?|"
                "I have wanted {o.it} for years!]")
    feel(t, A, why="{K} liked {o}")
