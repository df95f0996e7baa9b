"""Plots about meetings: rescue, contest, riddle, sharing, cooking, nights.

As in plots_things.py each plot is a function of a Tale and keeps its own
state: numbers that add up, who won and why, what the noise really was.
"""

import lexicon as lex
from grammar import pair
from scenes import feel, greet, remark, walk


def rescue(t):
    """An animal is stuck; the wrong tool fails, the right one works."""
    A, W = t.bound["A"], t.wild_animal()
    trouble, tool, wrong, deed = t.rng.choice((
        ("has fallen into the well", "rope", "broom", "pulled it up"),
        ("is stuck in the mud", "plank", "spoon", "laid it across the mud"),
        ("is caught in a net", "knife", "stick", "cut the net"),
        ("is sitting on a roof and afraid to come down", "ladder", "chair",
         "climbed up step by step"),
        ("is tangled in thorns", "pair of gloves", "stick",
         "bent the branches aside"),
        ("is trapped behind a heavy door", "hammer", "feather",
         "broke the lock"),
        ("is sitting on a piece of ice in the river", "boat", "stone",
         "rowed out to it"),
    ))
    past = trouble.replace("has ", "had ").replace("is ", "was ")
    t.known.add(W)
    t.bind(W=W, trouble=trouble, past=past, tool=tool, wrong=wrong, deed=deed)
    t.one_of("Suddenly {A.x} heard [a cry|a weak voice|a strange sound].",
             "There was something [moving|crying|calling] {p.spot}.",
             "{A.x} stopped. Someone was calling for help.")
    t.say("It was a [young |small |poor |]{W.kind}, which {past}.")
    t.speech(A, "[Do not be afraid|Hold on|Wait]! I [will help you|shall be "
                "back soon].")
    t.para()
    if t.rng.random() < 0.5:
        t.say("First {A.x} tried with a {wrong}, but [that was no use|"
              "it was useless|it was too short|that only made things worse].")
        t.say("What {A.he} needed was a {tool}.")
    else:
        t.say("With bare hands nothing could be done. {A.x} needed a {tool}.")
    helper = t.grown_up() if t.rng.random() < 0.6 else t.friend()
    t.bind(G=helper)
    walk(t, t.place(helper.facts.get("work")))
    t.speech(A, "[Please lend me a {tool}!|Quick, I need a {tool}!|"
                "May I borrow a {tool}?] A {W.kind} {trouble}!")
    t.one_of("{G} [did not ask|asked no questions] and [fetched|brought] one "
             "[from the shed|at once].",
             "{G} came along with a {tool} over {G.his} shoulder.")
    t.para()
    t.one_of("Back where the {W.kind} was waiting, {A.x} took the {tool} and "
             "{deed}.",
             "{A.x} ran back, took the {tool} and {deed}.")
    t.one_of("The {W.kind} was free!", "At last the {W.kind} was safe.",
             "It was not easy, but it worked.")
    _thanks(t)


def _thanks(t):
    A = t.bound["A"]
    t.one_of("It {W.noise} three times and was gone.",
             "{A.x} gave it some {W.food}, and it ate as if it had "
             "[fasted for a week|never eaten before].",
             "From that day on the {W.kind} followed {A.obj} everywhere.",
             "Before it left, it laid [a shiny stone|a feather|an acorn] at "
             "{A.s} feet.")
    feel(t, A, why="the {W.kind} was safe")


def contest(t):
    """Several compete; the clever or steady one wins for a stated reason."""
    A, B = t.bound["A"], t.friend()
    C = t.friend()
    t.bind(B=B, C=C, J=t.grown_up(), o=t.thing())
    game, won, lost = t.rng.choice((
        ("race around the lake", "kept the same pace from start to end",
         "started too fast"),
        ("contest in telling stories", "spoke so softly that everyone leaned "
         "closer", "forgot the end"),
        ("swimming match", "did not fight against the current",
         "swallowed too much water"),
        ("contest for the largest pumpkin", "had watered it every evening",
         "had forgotten to water it"),
        ("race in sacks", "took small jumps", "took one jump too large"),
        ("contest in climbing", "looked for each hold before moving",
         "looked down"),
        ("snail race", "had chosen a hungry snail", "had chosen a sleepy one"),
        ("contest in keeping silent", "thought of nothing funny",
         "began to giggle"),
    ))
    t.bind(game=game, won=won, lost=lost)
    t.say("That day there was a {game}, and the prize was {o.a}.")
    t.say("{A.x} [wanted to win|meant to win|took part], and so "
          "did {B} and {C}.")
    t.say("{J}, who {J.habit}, was the judge.")
    if t.rng.random() < 0.6:
        t.speech(B, "[I always win|Nobody is better than I am|The prize is "
                    "as good as mine].")
        t.speech(A, "[We shall see|Wait until the end|Perhaps].")
    remark(t, 0.5)
    t.para()
    t.one_of("{J} [counted to three|raised a flag|blew a whistle], and it "
             "began.", "Then it began.")
    order = [A, B, C]
    t.rng.shuffle(order)
    t.bind(W=order[0], L=order[2], S=order[1])
    t.say("At first {L} was [ahead|in front|better than all the others].")
    t.say("But {L} {lost}[, and that was that| and had to stop|].")
    remark(t, 0.3)
    t.one_of("{S} came second. The winner was {W}, who {won}.",
             "In the end it was {W} who won, because {W.he} {won}.",
             "{W} {won}, and so {W.he} won. {S} was [second|next].")
    t.para()
    _prize(t, order[0], A, B)


def _prize(t, winner, A, B):
    t.say("{J} handed {o} to {W.obj}.")
    if winner is A:
        feel(t, A, why="{o} {o.was} {A.his} prize now")
        t.maybe(0.5, "And because [nobody wins alone|there was only one "
                     "prize], {A.he} let {B} [have a turn|hold {o.it} for a "
                     "while].")
    else:
        feel(t, A, "disappointed|sad|cross", "{W} had won")
        t.speech(winner, "[Next year it will be you|You were good too|It was "
                         "mostly luck].")
        t.one_of("That made it a little better.",
                 "{A.x} smiled again and shook {W.s} hand.")


def riddles(t):
    """Somebody guards the way; it is opened by answering riddles."""
    A, B = t.bound["A"], t.friend()
    G = t.grown_up() if t.rng.random() < 0.5 else t.wild_animal()
    t.bind(B=B, G=G)
    gate = t.rng.choice(("bridge", "gate", "door", "stairs", "path"))
    t.bind(gate=gate)
    t.one_of("{A.x} and {B} were on the way [home|to the fair].",
             "With {A.obj} was {B}.",
             "{A.x} had met {B}, and they went on together.")
    t.known.add(G)
    t.one_of("In front of the {gate} sat a {G.kind}.",
             "The {gate} was guarded by a {G.kind}.")
    t.mention(G)
    count = t.rng.randint(1, 3)
    t.bind(n=lex.NUMBERS[count], plural="" if count == 1 else "s")
    t.speech(G, "[Nobody|No one] may pass without answering {n} "
                "riddle{plural}.")
    t.one_of("{A.x} liked riddles.", "{A.x} sat down to listen.",
             "There was no other way, so {A.x} agreed.")
    for number in range(count):
        t.para()
        _riddle(t, A, B, G, last=number == count - 1)
    t.para()
    t.one_of("So the {G.kind} stepped aside, and {A.x} went on {q.to}.",
             "The {gate} was free, and {A.x} came {q.to} [at last|before "
             "dark|with a light heart].")
    feel(t, A)


def _riddle(t, A, B, G, last):
    text, answer = t.pick(lex.RIDDLES)
    wrong = t.rng.choice([a for _, a in lex.RIDDLES if a != answer])
    t.bind(riddle=text, answer=answer, wrong=wrong, q=t.bound.get("q")
           or t.place())
    t.speech(G, "{riddle.Cap}. What am I?")
    if t.rng.random() < 0.5:
        t.speech(B, "[Is it|Could it be|Are you] {wrong}?")
        t.speech(G, "[Wrong|No|Not at all]. [Try again|Think harder|You have "
                    "one more try].")
    t.one_of("{A.x} [thought and thought|closed {A.his} eyes|scratched "
             "{A.his} head].", "It was not easy.")
    t.speech(A, "[You are|It is|It must be] {answer}.")
    t.speech(G, "[Right|Correct|That is the answer]. [You may pass|Well "
                "done]." if last else
                "[Right|Correct|That is the answer]. Here is the next one.")


def sharing_sums(t):
    """The hero gives away counted food; what is left is always right."""
    A = t.bound["A"]
    food = t.rng.choice(lex.COUNTABLE_FOODS)
    total = t.rng.randint(6, 20)
    t.bind(food=food, n=lex.NUMBERS[total], K=t.grown_up(kin=True))
    t.one_of("{A.x} had {n} {food} in a basket and was on the way to {K}.",
             "{K} had sent {A.obj} to fetch {n} {food}.",
             "In {A.his} bag {A.x} carried {n} {food}, neither more nor less.")
    left = total
    for _ in range(t.rng.randint(2, 4)):
        if left < 2:
            break
        gives = t.rng.randint(1, min(5, left - 1))
        left -= gives
        t.para()
        if t.rng.random() < 0.6:
            walk(t, t.place())
        _give_some(t, food, gives, left)
    t.para()
    t.bind(left=lex.NUMBERS[left],
           verb="was" if left == 1 else "were")
    t.say("When {A.x} came to {K}, there {verb} {left} left of the {n} "
          "{food}.")
    t.speech(t.bound["K"], t.rng.choice((
        "[Did you eat|Did the mice eat] the others?",
        "Only {left}? [Did you drop the rest|Where is the rest]?")))
    t.speech(A, "[I gave them away|Others were hungrier than we are|"
                "I shall explain it].")
    t.one_of("{K} [laughed|smiled] and [cut|shared] what was left.",
             "And {K} said that {left} was [enough|plenty|a good number].")


def _give_some(t, food, gives, left):
    who = t.rng.choice((t.grown_up, t.wild_animal, t.friend))()
    t.bind(gives=lex.NUMBERS[gives], left=lex.NUMBERS[left],
           verb="was" if left == 1 else "were")
    if who.kind in lex.GROWN_UPS:
        greet(t, who)
    else:
        t.bind(M=who)
        t.one_of("[On the way|By the road|Behind a wall] sat {M}, who "
                 "[looked thin|was hungry|was weeping].",
                 "Then {M} came, [tired|hungry] and [cold|wet|alone].")
    given = food[:-1].replace("rrie", "rry") if gives == 1 else food
    t.bind(given=given)
    t.one_of("{A.x} gave {M} {gives} {given}.",
             "\"Take {gives},\" {A} said, and {M} took {gives}.",
             "{M} asked for {gives} and got {gives}.")
    t.one_of("Now there {verb} {left} left.", "That left {left}.",
             "{left.Cap} {verb} left.",
             "{A.x} counted: {left}.")
    remark(t, 0.3)


def cooking(t):
    """A dish lacks ingredients; each is fetched from someone; all eat."""
    A, K = t.bound["A"], t.grown_up(kin=True)
    dish = t.rng.choice(tuple(lex.DISHES))
    needs, finish = lex.DISHES[dish]
    needs = t.rng.sample(needs, t.rng.randint(3, 4))
    missing = needs[-1] if t.rng.random() < 0.5 else needs[0]
    t.bind(K=K, dish=dish, finish=finish, missing=missing,
           list=", ".join(needs[:-1]) + " and " + needs[-1])
    t.bind(a_dish=f"a {dish}" if dish in ("cake", "pie", "stew") else dish)
    t.one_of("{A.x} wanted to make {a_dish} for {K}.",
             "There was nothing to eat, so {A.x} decided to make {a_dish}.")
    t.say("For that one needs {list}.")
    t.one_of("But in the whole house no {missing} could be found.",
             "Everything was there except {missing}.",
             "Of the {missing}, however, there was not a trace.")
    t.para()
    G = t.grown_up()
    t.bind(G=G)
    walk(t, t.place(G.facts["work"]))
    greet(t, G)
    t.speech(A, "[Could you spare|Have you got|May I have] some {missing}? "
                "[The {dish} is|It is] for my {K.call} and me.")
    t.speech(G, t.rng.choice((
        "You can have all the {missing} you like. [Save me a bowl|Bring "
        "me a piece].", "Take it. [What is mine is yours|You carried my "
        "basket last {season}].",
        "If you [sing me a song|tell me a story] first.")))
    remark(t, 0.4)
    t.para()
    t.say("At home {A.x} took the {list} and [mixed them|put them into a "
          "bowl, one after the other|began].")
    t.say("The {dish} was {finish}.")
    _taste(t, K)


def _taste(t, K):
    A = t.bound["A"]
    end = t.rng.random()
    if end < 0.65:
        t.speech(K, "[This is|That is] the best {dish} I have ever eaten!")
        feel(t, A, why="{K} liked the {dish}")
    else:
        t.one_of("{K} took a spoonful and made a face. There was far too "
                 "much [salt|pepper] in it.",
                 "It tasted of [smoke|soap], for {A.x} had [forgotten the "
                 "time|used the wrong jar].")
        t.speech(K, "[Well|Never mind]. [The next one|Tomorrow it] will be "
                    "better.")
        t.one_of("It was eaten all the same.", "Even the dog refused it.",
                 "And there was bread and cheese instead.")


def noise_in_the_night(t):
    """Something makes a noise in the dark; it turns out to be harmless."""
    A, B = t.bound["A"], t.friend()
    t.bind(B=B, AB=pair(A, B))
    W = t.wild_animal()
    sound, cause = t.rng.choice((
        ("a scratching", "a {W.kind} was looking for {W.food}"),
        ("a knocking", "a branch was beating against the shutter"),
        ("a moaning", "the wind was blowing across an empty bottle"),
        ("a dripping", "water was falling into an old bucket"),
        ("a rattling", "a loose chain was swinging to and fro"),
        ("a whispering", "dry leaves were rubbing against the door"),
        ("a deep snoring", "a {W.kind} was fast asleep in the straw"),
        ("a thumping", "an apple was rolling down the stairs"),
    ))
    t.bind(W=W, sound=sound)
    t.bind(cause=t.expand(cause))
    t.one_of("In the middle of the night {A.x} woke up. There was {sound}.",
             "It was long past midnight when {A.x} heard {sound}.",
             "The candle was hardly out when {sound} began.")
    feel(t, A, "frightened|uneasy|alarmed")
    t.say("{B} was [staying for the night|there too|asleep beside {A.obj}].")
    t.speech(A, "[Did you hear that|What was that|Are you awake], {B.call}?")
    t.speech(B, "[It is|That must be] [a ghost|a robber|a giant|an ogre|the "
                "old king]! [Hide|Be quiet|Do not move]!")
    t.para()
    t.one_of("But {A.x} [lit a candle|took a lantern|picked up a poker] and "
             "tiptoed [down the stairs|to the door|along the passage].",
             "{AB} took each other by the hand and tiptoed [down the stairs|"
             "along the passage|to the door].")
    t.one_of("{sound.Cap}, and again {sound}, louder than before.",
             "The sound came nearer and nearer.",
             "A shadow moved on the wall.")
    remark(t, 0.3)
    t.say("[Slowly|With one finger|With a beating heart] {A.x} pushed the "
          "door open, and [there was no ghost at all: |saw what it was: "
          "|laughed out loud: ]{cause}.")
    t.para()
    t.one_of("{B} [laughed|was ashamed|sighed] and went back to bed.",
             "\"I knew it all the time,\" said {B}, which was not true.",
             "So much for ghosts!")
    feel(t, A)


def hide_and_seek(t):
    """One seeks, the others are found one after the other, one is not."""
    A = t.bound["A"]
    others = [t.friend() for _ in range(t.rng.randint(2, 3))]
    t.bind(B=others[0], C=others[1], D=others[-1], n=t.rng.choice(
        ("twenty", "fifty", "a hundred")))
    t.say("{A.x} played hide and seek {p.at} with {B} and {C}."
          if len(others) == 2 else
          "{A.x} played hide and seek {p.at} with {B}, {C} and {D}.")
    t.say("{A.x} had to seek. {A.He} [closed {A.his} eyes|turned to the "
          "wall] and counted to {n}.")
    remark(t, 0.6)
    spots = t.rng.sample(t.bound["p"].spots, 3)
    t.rng.shuffle(others)
    for friend, spot in zip(others[:-1], spots):
        t.para()
        t.bind(F=friend, spot=spot)
        t.one_of("{F} was found first, {spot}." if friend is others[0] else
                 "Next {A.x} found {F}, {spot}.",
                 "A giggle came from somewhere. {F} was {spot}!",
                 "{F} had hidden {spot}, but {F.his} foot was showing.")
    t.para()
    t.bind(F=others[-1], spot=spots[-1])
    t.say("But {F} was [nowhere to be found|not to be found anywhere].")
    t.one_of("{A.x} called and called.", "It was getting dark.",
             "Even the others helped to look.")
    feel(t, A, "worried|uneasy|frightened", "{F} did not answer")
    t.one_of("At last {A.x} looked {spot}, and there lay {F}, fast asleep.",
             "When they came home, {F} sat at the table and [ate|was eating] "
             "soup. {F.He} had been hungry.",
             "{spot.Cap} something sneezed. It was {F}!")


def storm(t):
    """Bad weather forces strangers together; they pass the time."""
    A, B = t.bound["A"], t.friend()
    G = t.grown_up()
    shelter = t.place(t.rng.choice([x for x in lex.INDOORS
                                    if x not in t.used]))
    t.bind(B=B, G=G, AB=pair(A, B))
    t.say("{B} had come [too|along|for a visit].")
    t.one_of("{AB} were on the way home when the sky turned black.",
             "A storm came up, faster than anyone had expected.",
             "First there was a single drop, then thunder.")
    t.speech(B, "[Quick|Run|Come]! [We must find shelter|We shall be soaked|"
                "It is going to be a bad one]!")
    t.bind(p=shelter)
    t.say("{AB.He} ran {p.to}, [wet to the skin|out of breath|hand in hand]. "
          "{G} was there already, who {G.habit}.")
    t.para()
    t.speech(G, "[Come in|Sit down], there is room for all of us. "
                "[I have bread|The roof is good|Storms do not last].")
    _pass_time(t, A, B, G)
    t.para()
    t.say("[When the storm was over, a rainbow stood over the hills|After an "
          "hour the thunder moved away|By morning the sky was clear].")
    t.one_of("{AB.He} were almost sorry [that it had stopped|to go].",
             "{A.x} shook hands with {G} and promised to come again.",
             "One tree had fallen, but nobody was hurt.")


def _pass_time(t, A, B, G):
    t.one_of("To pass the time {G} told of [a ship that sailed on sand|"
             "a bear that could count|a winter without end|a town under "
             "the sea|a queen who lived on soup].",
             "{AB.He} sang [every song they knew|the song of the seven geese|"
             "against the thunder].",
             "{A.x} shared out what was in {A.his} pockets: a bun and two "
             "plums.")
    if t.rng.random() < 0.5:
        t.speech(A, "[Were you ever afraid|Have you seen a worse storm]?")
        t.speech(G, t.rng.choice((
            "[Once|Only once]. That was when I was as small as you.",
            "Everybody is, now and then. [It passes|One gets used to it].",
            "Thunder is only noise. [Count the seconds|Sing louder].")))
    remark(t, 0.5)


def seed_to_harvest(t):
    """A seed is planted, tended through the seasons and harvested."""
    A, G = t.bound["A"], t.grown_up()
    plant, crop, danger = t.rng.choice((
        ("bean", "beans", "the snails"), ("pumpkin", "pumpkin", "the frost"),
        ("sunflower", "seeds", "the crows"),
        ("apple tree", "apples", "the goats"),
        ("cabbage", "cabbage", "the caterpillars"),
        ("strawberry", "strawberries", "the birds"),
        ("pear tree", "pears", "the wind"),
    ))
    t.bind(G=G, plant=plant, crop=crop, danger=danger,
           q=t.place(t.rng.choice([x for x in ("garden", "orchard", "yard",
                                               "hill") if x not in t.used])))
    t.one_of("{G} gave {A.obj} a single seed.",
             "In {A.his} pocket {A.x} found a seed, and {G} knew what it was.")
    t.speech(G, "[Plant it|Put it in the earth] and [wait|be patient]. It "
                "will be a {plant}.")
    t.say("{A.x} planted it {q.at} and watered it [every evening|twice a "
          "day|whenever it was dry].")
    t.para()
    t.one_of("A week went by, then another. Nothing happened.",
             "For [ten|twelve|twenty] days there was nothing but earth.")
    feel(t, A, "disappointed|sad|impatient", "nothing grew")
    t.say("But one morning there was [a green tip|a tiny leaf|something "
          "green], no [longer than a nail|bigger than a crumb].")
    t.para()
    t.one_of("Then came {danger}.",
             "The only trouble was with {danger}.")
    t.one_of("{A.x} built a little [fence|roof] and kept watch.",
             "So {A.x} made a scarecrow out of [a broom and a coat|two "
             "sticks and a hat].",
             "{A.x} covered the {plant} with [straw|a sack|an old blanket].")
    remark(t, 0.5)
    t.para()
    t.one_of("By [autumn|the end of summer] the {plant} was taller than "
             "{A.obj}.",
             "Slowly the {plant} grew, and nobody was prouder than {A}.")
    t.one_of("{A.x} gave the first of the {crop} to {G}.",
             "There were enough {crop} for the whole [street|village]."
             if crop.endswith("s") else
             "The {crop} was enough for the whole [street|village].")
    t.speech(G, "[You see|I told you]: [patience is the best water|all it "
                "needed was time].")


def delivery(t):
    """Something must be brought somewhere; each obstacle has its answer."""
    A, K, G = t.bound["A"], t.grown_up(kin=True), t.grown_up()
    t.bind(K=K, G=G, o=t.thing(), goal=t.place(G.facts["work"]))
    t.speech(K, "[Take|Please bring|Carry] {o} {goal.to} and give {o.it} to "
                "{G}. [Do not lose|Do not drop] {o.it}!")
    t.one_of("{A.x} promised and [put {o.it} into a bag|wrapped {o.it} in a "
             "cloth|took {o.it} under {A.his} arm].",
             "{A.x} nodded and went, with {o} in a bag.")
    obstacles = t.rng.sample(OBSTACLES, t.rng.randint(1, 3))
    for block, answer in obstacles:
        t.para()
        t.say(block)
        remark(t, 0.35)
        t.say(answer)
    t.para()
    walk(t, t.bound["goal"])
    t.say("{G} was [waiting|at the door|just about to leave].")
    t.speech(A, "[This comes|Here is something] from my {K.kind}.")
    t.speech(G, "{o.a}! [At last|Just what I needed|I had almost given up "
                "hope]. [You have earned a bun|Here is a penny for you|How "
                "was the road]?" if t.rng.random() < 0.3 else
                "[At last|Thank you]! [You have earned a bun|Here is a penny "
                "for you|Sit down and rest].")
    feel(t, A, why="the errand was done")


OBSTACLES = (
    ("But the bridge had been washed away by the flood.",
     "A [ferryman|woodcutter] [rowed|carried] {A.obj} across for nothing."),
    ("But a [bull|ram|dog] stood in the middle of the road.",
     "{A.x} [spoke to it in a calm voice|offered it some grass|waited until "
     "it was bored], and it let {A.obj} pass."),
    ("But the path divided into three, and there was no signpost.",
     "{A.x} [threw a stick into the air|followed the cart tracks|asked an "
     "old woman], and that was the right way."),
    ("But it grew dark before half of the way was done.",
     "{A.x} [slept in a haystack|followed the stars|knocked at a cottage and "
     "was given a bed] and went on at dawn."),
    ("But a gate was locked, and the wall was too high.",
     "{A.x} [crawled through a hole|climbed a tree and jumped|called until "
     "someone came with a key]."),
    ("But a stranger in a grey coat wanted to buy {o}.",
     "\"It is not mine to sell,\" said {A}, and the stranger went away."),
    ("But a sudden wind tore the bag open.",
     "{A.x} ran after {o} and caught {o.it} just in time."),
    ("But {A.his} shoe broke, and every step hurt.",
     "{A.x} [stuffed it with moss|tied it up with string|went barefoot] and "
     "did not complain."),
)
