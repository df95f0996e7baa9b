"""The words of the story world: who lives in it, what they own, where it is.

Plain data only.  Lists are typed narrowly (what can hide something, what a
tool is for) so that the plots can combine them freely and still make sense.
"""

GIRLS = ("Mara", "Nell", "Ida", "Tilda", "Rose", "Hanna", "Wren", "Lotte",
         "Edith", "Sanna", "Beth", "Clara", "Junia", "Pia")
BOYS = ("Tom", "Oskar", "Ben", "Jory", "Felix", "Matti", "Hugo", "Peter",
        "Colin", "Anton", "Ruben", "Emil", "Karl", "Sim")
PETS = ("Button", "Pepper", "Nutmeg", "Barley", "Thimble", "Acorn", "Biscuit",
        "Clover", "Pebble", "Whisker")

# kind -> (what it eats, how it moves, the noise it makes)
ANIMALS = {
    "fox": ("eggs", "crept", "barked"),
    "mouse": ("crumbs", "scurried", "squeaked"),
    "goose": ("grain", "waddled", "honked"),
    "hedgehog": ("beetles", "shuffled", "snuffled"),
    "rabbit": ("carrots", "hopped", "thumped"),
    "crow": ("cherries", "hopped", "cawed"),
    "goat": ("thistles", "trotted", "bleated"),
    "donkey": ("hay", "plodded", "brayed"),
    "frog": ("flies", "leaped", "croaked"),
    "cat": ("fish", "padded", "purred"),
    "dog": ("bones", "bounded", "barked"),
    "squirrel": ("nuts", "scampered", "chattered"),
    "otter": ("fish", "slid", "whistled"),
    "badger": ("roots", "lumbered", "grunted"),
}

# role -> (gender, place of work, what is said of the work)
GROWN_UPS = {
    "miller": ("m", "mill", "ground the corn of the whole valley"),
    "baker": ("f", "bakery", "was up before the sun every day"),
    "fisherman": ("m", "harbour", "mended nets and told long stories"),
    "shepherd": ("m", "hill", "knew each of the sheep by name"),
    "weaver": ("f", "market", "sold blankets as soft as moss"),
    "blacksmith": ("m", "forge", "could bend iron with two blows"),
    "teacher": ("f", "school", "had an answer for nearly everything"),
    "ferryman": ("m", "river", "rowed people over for a penny"),
    "gardener": ("f", "garden", "talked to the beans and the roses"),
    "clockmaker": ("m", "tower", "wound the great clock each morning"),
    "beekeeper": ("f", "orchard", "never wore gloves and was never stung"),
    "carpenter": ("m", "yard", "measured everything twice"),
    "postwoman": ("f", "bridge", "walked nine miles a day in all weathers"),
    "innkeeper": ("f", "inn", "kept a kettle on the fire for strangers"),
}

KIN = (("mother", "f"), ("father", "m"), ("grandmother", "f"),
       ("grandfather", "m"))

# noun -> (where one is, how one goes there, hiding spots, what is seen there,
# which begins with its verb)
PLACES = {
    "mill": ("at", "to", ("behind a sack of flour", "under the great wheel",
                          "between two millstones"),
             ("was white dust on every beam",
              "was a wheel turning slowly")),
    "harbour": ("at", "down to", ("inside a coil of rope", "under a torn net",
                                  "behind an empty barrel"),
                ("were masts rocking", "were gulls on every post")),
    "forest": ("in", "into", ("under a heap of leaves", "in a hollow oak",
                              "behind a mossy log"),
               ("were ferns as high as a man", "was a path of soft needles")),
    "hill": ("on", "up", ("behind the tallest stone", "in the long grass",
                          "under a thorn bush"),
             ("was a wide view of the valley",
              "were sheep like small clouds")),
    "market": ("at", "to", ("under a cabbage stall", "behind a cheese cart",
                            "in a basket of onions"),
               ("were striped awnings", "was a crowd of noisy people")),
    "river": ("by", "to", ("among the reeds", "under a flat stone",
                           "beneath the willow"),
              ("was brown water sliding past", "was a heron on one leg")),
    "garden": ("in", "into", ("under the cabbages", "behind the rain barrel",
                              "among the roses"),
               ("were rows of beans", "were bees in the lavender")),
    "barn": ("in", "to", ("beneath the hay", "behind the ladder",
                          "in the manger"),
             ("was dust dancing in the light",
              "were swallows under the roof")),
    "bridge": ("on", "to", ("under the first arch", "in a crack of the wall",
                            "behind the signpost"),
               ("was a cart crossing slowly",
                "were carved letters on the stones")),
    "school": ("at", "to", ("beneath a bench", "behind the blackboard",
                            "inside the stove"),
               ("were maps on the wall", "was a row of muddy boots")),
    "orchard": ("in", "into", ("in the fork of a pear tree",
                               "under a pile of baskets",
                               "behind the beehives"),
                ("were apples in the wet grass",
                "were ladders against the trees")),
    "cave": ("in", "into", ("on a narrow ledge", "behind a dripping rock",
                            "in a puddle"),
             ("were strange marks on the walls", "were bats asleep overhead")),
    "beach": ("on", "to", ("beneath an upturned boat", "in a rock pool",
                           "under some seaweed"),
              ("were shells of every colour", "was foam along the sand")),
    "kitchen": ("in", "back to", ("behind the bread bin", "under the table",
                                  "inside the biggest jug"),
                ("was a pot bubbling", "were onions hanging from the beam")),
    "tower": ("in", "up to", ("on the ninth stair", "behind the bell",
                              "under a loose board"),
              ("were cobwebs and old ropes", "was a view of the whole town")),
    "forge": ("at", "to", ("beside the bellows", "under the bench",
                           "in a bucket of nails"),
              ("were sparks flying up", "were horseshoes in a long row")),
    "bakery": ("at", "to", ("under a tray of buns", "behind the oven",
                            "in the flour bin"),
               ("were warm loaves on the shelf", "was sugar on the floor")),
    "inn": ("at", "to", ("under the stairs", "behind the clock",
                         "beneath a cushion"),
            ("were candles in the windows", "were travellers by the fire")),
    "yard": ("in", "across", ("behind the pump", "under the cart",
                              "in the woodpile"),
             ("were hens scratching about", "were curls of wood shavings")),
    "marsh": ("in", "through", ("in a tuft of rushes", "beneath a plank",
                                "under a rotten stump"),
              ("were pools as black as ink", "was mist above the water")),
}
INDOORS = ("mill", "barn", "school", "cave", "kitchen", "tower", "forge",
           "bakery", "inn")

# noun -> looks that fit it
TREASURES = {
    "kite": ("red", "paper", "long-tailed", "striped", "blue"),
    "whistle": ("tin", "wooden", "silver", "shrill"),
    "lantern": ("brass", "dented", "green", "tall"),
    "drum": ("little", "painted", "tin", "loud"),
    "ring": ("silver", "thin", "gold", "plain"),
    "key": ("rusty", "iron", "tiny", "brass", "crooked"),
    "book": ("thick", "blue", "torn", "heavy"),
    "hat": ("straw", "woollen", "yellow", "crooked"),
    "scarf": ("woollen", "striped", "long", "red"),
    "boat": ("wooden", "toy", "painted", "white"),
    "marble": ("glass", "green", "round", "cloudy"),
    "compass": ("brass", "tiny", "old", "broken"),
    "button": ("pearl", "blue", "brass", "round"),
    "flute": ("bone", "silver", "thin", "wooden"),
    "map": ("torn", "yellow", "folded", "secret"),
    "umbrella": ("black", "enormous", "striped", "old"),
    "teapot": ("cracked", "blue", "round", "copper"),
    "penknife": ("sharp", "little", "old", "silver"),
    "spoon": ("wooden", "silver", "crooked", "long"),
    "bell": ("brass", "little", "cracked", "silver"),
    "puppet": ("wooden", "painted", "old", "crooked"),
    "mirror": ("round", "tiny", "cracked", "silver"),
    "boots": ("red", "muddy", "leather", "new"),
    "spectacles": ("thin", "round", "gold", "bent"),
    "mittens": ("woollen", "green", "warm", "striped"),
    "scissors": ("sharp", "iron", "long", "rusty"),
}
PAIRS = ("boots", "spectacles", "mittens", "scissors")

# What can be broken by accident, and how.
BREAKABLE = {
    "mirror": "cracked", "teapot": "lost its handle", "flute": "split in two",
    "lantern": "lost its glass", "drum": "burst", "puppet": "lost an arm",
    "umbrella": "snapped", "bell": "fell silent", "kite": "tore",
    "boat": "broke in half", "spoon": "snapped", "whistle": "bent",
}

FOODS = ("bread", "cheese", "apples", "pears", "soup", "honey", "plums",
         "cake", "porridge", "nuts", "butter", "cherries", "onions",
         "carrots", "jam", "pancakes")
COUNTABLE_FOODS = ("apples", "pears", "plums", "buns", "eggs", "cherries",
                   "carrots", "pancakes", "nuts", "turnips", "biscuits",
                   "onions")

# dish -> (ingredients, what is done last)
DISHES = {
    "soup": (("carrots", "onions", "salt", "barley", "leeks", "cream"),
             "left to simmer for an hour"),
    "cake": (("flour", "butter", "sugar", "eggs", "honey", "nuts"),
             "baked until it was golden"),
    "pie": (("apples", "flour", "butter", "plums", "cinnamon", "sugar"),
            "baked until the crust was brown"),
    "stew": (("turnips", "onions", "mushrooms", "salt", "barley", "beans"),
             "cooked very slowly"),
    "porridge": (("oats", "milk", "salt", "honey", "cream", "raisins"),
                 "stirred until it was thick"),
    "jam": (("plums", "sugar", "lemons", "cherries", "cinnamon", "honey"),
            "boiled and poured into jars"),
}

NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven",
           "eight", "nine", "ten", "eleven", "twelve", "thirteen",
           "fourteen", "fifteen", "sixteen", "seventeen", "eighteen",
           "nineteen", "twenty")

# trait -> (what it looks like, the sentence that ends a story about it)
TRAITS = {
    "curious": ("asked questions from morning to night",
                "a question is half of an answer"),
    "shy": ("hid behind the door when guests came",
            "a quiet voice can still be heard"),
    "brave": ("was not afraid of thunder or of geese",
              "the bravest people are afraid and go on"),
    "careful": ("counted everything at least twice",
                "a little care saves a lot of work"),
    "proud": ("did not like to ask for help",
              "nobody is too tall to be lifted up"),
    "lazy": ("was always the last to get up",
             "work that waits grows larger"),
    "stubborn": ("never changed a plan once it was made",
                 "a river reaches the sea by bending"),
    "generous": ("gave away more than was sensible",
                 "what you give away comes home by another road"),
    "forgetful": ("left something behind wherever there was a bench",
                  "a knot in a string has a better memory than a head"),
    "impatient": ("could not wait for anything, not even for soup to cool",
                  "the slow hour also passes"),
    "clumsy": ("knocked over one cup a day",
               "most broken things can be mended"),
    "honest": ("could not tell a lie without turning red",
               "the truth is lighter to carry"),
}

FEELINGS_GOOD = ("glad", "happy", "proud", "cheerful", "relieved", "content",
                 "delighted", "grateful")

# weather -> (opening clauses, later remarks outdoors, what it does indoors)
WEATHER = {
    "rain": (("rain had been falling since dawn", "it was raining hard",
              "a thin rain hung over the fields"),
             ("The rain ran down {A.s} neck.", "Puddles lay on the path.",
              "Every leaf dripped."),
             "rain drummed on the roof"),
    "snow": (("snow lay deep on the roofs", "it had snowed all night",
              "the first snow was falling"),
             ("The snow creaked under {A.s} feet.",
              "{A.His} breath made little clouds.",
              "There were tracks in the snow."),
             "snow pressed against the windows"),
    "wind": (("a strong wind was blowing", "the wind tugged at every shutter",
              "the wind had turned to the north"),
             ("The wind nearly took {A.his} hat.",
              "Leaves whirled along the path.", "The branches groaned."),
             "the wind howled in the chimney"),
    "sun": (("the sun was shining", "it was a bright, warm day",
             "there was not a cloud to be seen"),
            ("{A.His} shadow ran ahead on the path.",
             "The air smelled of hay.", "Larks sang above the fields."),
            "sunlight lay in squares on the floor"),
    "fog": (("thick fog covered the valley", "the fog was as grey as wool",
             "fog had rolled in from the sea"),
            ("The fog swallowed every sound.", "The trees looked like giants.",
             "Somewhere a bell was ringing in the fog."),
            "fog pressed at the windows"),
    "heat": (("it was far too hot to work", "the heat lay on the fields",
              "not a leaf moved in the heat"),
             ("The dust burned under {A.s} feet.",
              "Even the flies were tired.",
              "{A} looked for shade."),
             "the room was as hot as an oven"),
    "frost": (("frost had drawn ferns on the glass",
               "the ground was as hard as iron", "it was bitterly cold"),
              ("The grass crackled.", "{A.His} fingers turned red.",
               "Thin ice covered the puddles."),
              "the fire crackled in the stove"),
}
SEASON_OF = {"rain": ("spring", "autumn"), "snow": ("winter",),
             "wind": ("autumn", "spring"), "sun": ("summer", "spring"),
             "fog": ("autumn",), "heat": ("summer",), "frost": ("winter",)}

# riddle -> answer; all of them made up for this project
RIDDLES = (
    ("I have teeth but I never bite", "a comb"),
    ("I have a neck but no head", "a bottle"),
    ("I run all day and never leave my bed", "the river"),
    ("the more you take from me, the bigger I grow", "a hole"),
    ("I follow you all day and hide at night", "your shadow"),
    ("I have hands but I cannot clap", "the clock"),
    ("I speak without a mouth and answer from the hills", "an echo"),
    ("I am full of holes and still hold water", "a sponge"),
    ("I am taller when I am young and shorter when I am old", "a candle"),
    ("I have an eye but cannot see", "a needle"),
    ("I get wetter the more I dry", "a towel"),
    ("I fall all winter and never hurt myself", "the snow"),
)
