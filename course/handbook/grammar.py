"""A grammar of small English stories: enough structure for a tiny model to learn, and all of it ours to publish.

What there is to learn, from near to far: a/an and plural endings; was/were with one hero or two; he, she or they, and
it or them for the thing; the hero's and the friend's names coming back; and the moral, which follows from the
adjective in the first sentence. `stories(n, seed)` gives the same stories on every machine.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

SHE = ("Ada", "Bea", "Clara", "Dina", "Emma", "Flora", "Greta", "Hanna", "Ines", "Lola", "Mara", "Nora")
HE = ("Anton", "Bruno", "Carlo", "Dario", "Emil", "Felix", "Gustav", "Hugo", "Ivan", "Leo", "Milo", "Oskar")
ANIMALS = {
    "fox": "foxes",
    "hare": "hares",
    "mouse": "mice",
    "goose": "geese",
    "bear": "bears",
    "owl": "owls",
    "otter": "otters",
    "wolf": "wolves",
    "hedgehog": "hedgehogs",
    "frog": "frogs",
}
PLACES = (
    "by a quiet lake",
    "under an old oak",
    "on a green hill",
    "near a stone bridge",
    "at the edge of the forest",
    "behind the mill",
)
TIMES = ("morning", "evening", "afternoon")
WEATHERS = ("cold", "bright", "windy", "grey", "warm")
THINGS = {  # name -> is it many?
    "a basket of apples": False,
    "a jar of honey": False,
    "an enormous pumpkin": False,
    "a loaf of bread": False,
    "seven red berries": True,
    "three golden pears": True,
    "some fresh mushrooms": True,
    "two round cheeses": True,
}
FINDS = ("in the tall grass", "beside the path", "below the bridge", "next to a hollow log")
GOALS = ("the top of the hill", "the far side of the lake", "the old mill", "the market square")
BREAKABLES = ("the blue lantern", "the clay pot", "the wooden boat", "the little window")
MORALS = {
    "kind": "Who shares in good days has friends in bad ones.",
    "greedy": "Who keeps everything ends up alone with it.",
    "patient": "Slow steps reach the end of the road.",
    "proud": "Who laughs at the start may be silent at the end.",
    "honest": "The truth is hard to say and easy to keep.",
    "sly": "A lie runs fast, but the truth waits at the door.",
    "careful": "Look once more before you leap.",
    "hasty": "Who hurries past the sign must walk the road twice.",
}


@dataclass(frozen=True)
class Character:
    """Who a sentence is about, with the words that must agree with them."""

    name: str
    kind: str  # "fox", or "foxes" for two
    they: str  # he, she, they
    them: str
    their: str
    was: str

    @property
    def many(self) -> bool:
        return self.was == "were"


def stories(n: int, seed: int = 0) -> list[str]:
    """Return n stories of seven to nine sentences, the same ones for the same seed."""
    dice = random.Random(seed)
    return [story(dice) for _ in range(n)]


def story(dice: random.Random) -> str:
    """Tell one story with dice of your own."""
    trait = dice.choice(list(MORALS))
    hero = _hero(dice)
    friend = _friend(dice, hero)
    plot = {"kind": _sharing, "greedy": _sharing, "patient": _race, "proud": _race}
    plot |= {"honest": _broken, "sly": _broken, "careful": _journey, "hasty": _journey}
    sentences = [*_opening(dice, hero, trait), *plot[trait](dice, hero, friend, trait), MORALS[trait]]
    return " ".join(sentences)


def _hero(dice: random.Random) -> Character:
    animal = dice.choice(list(ANIMALS))
    if dice.random() < 0.3:
        pair = " and ".join(dice.sample(SHE + HE, 2))
        return Character(pair, ANIMALS[animal], "they", "them", "their", "were")
    return _single(dice.choice(SHE + HE), animal)


def _friend(dice: random.Random, hero: Character) -> Character:
    names = [name for name in SHE + HE if name not in hero.name.split(" and ")]
    animals = [animal for animal, many in ANIMALS.items() if hero.kind not in (animal, many)]
    return _single(dice.choice(names), dice.choice(animals))


def _single(name: str, animal: str) -> Character:
    they, them, their = ("she", "her", "her") if name in SHE else ("he", "him", "his")
    return Character(name, animal, they, them, their, "was")


def _a(word: str) -> str:
    return f"an {word}" if word[0] in "aeiou" or word == "honest" else f"a {word}"  # the h of "honest" is silent


def _opening(dice: random.Random, hero: Character, trait: str) -> list[str]:
    who = f"two {trait} {hero.kind}" if hero.many else f"{_a(trait)} {hero.kind}"
    verb = f"there {hero.was} {who} called {hero.name}"
    time = dice.choice(TIMES)
    return [
        f"{dice.choice(('Once', 'Long ago', 'One summer'))} {verb}.",
        f"{hero.they.capitalize()} lived {dice.choice(PLACES)}, and every {time} {hero.they} {hero.was} out early.",
    ]


def _sharing(dice: random.Random, hero: Character, friend: Character, trait: str) -> list[str]:
    thing, many = dice.choice(list(THINGS.items()))
    it = "them" if many else "it"
    found = f"One {dice.choice(WEATHERS)} day {hero.name} found {thing} {dice.choice(FINDS)}."
    asked = f'{friend.name} the {friend.kind} came by and asked, "May I have a bite of {it}?"'
    if trait == "kind":
        gave = f'"Of course," said {hero.name}, and gave {friend.them} half of {it}.'
        later = f"That winter the snow was deep, and {hero.name} {hero.was} hungry."
        end = f"{friend.name} remembered and brought {hero.them} soup."
    else:
        gave = f'"No," said {hero.name}, and hid {it} under the leaves.'
        later = f"That night it rained, and in the morning the mud had taken {it}."
        end = f"{friend.name} walked past, and {hero.name} {hero.was} too ashamed to call {friend.them}."
    return [found, asked, gave, later, end]


def _race(dice: random.Random, hero: Character, friend: Character, trait: str) -> list[str]:
    goal = dice.choice(GOALS)
    start = f'One {dice.choice(WEATHERS)} day {friend.name} the {friend.kind} said, "Let us race to {goal}."'
    if trait == "patient":
        return [
            start,
            f"{friend.name} ran off at once, and {hero.name} {hero.was} soon far behind.",
            f"But {friend.name} stopped to sleep in the sun, and {hero.name} went on, step by step.",
            f"When {friend.name} woke up, {hero.name} {hero.was} already at {goal}.",
        ]
    return [
        start,
        f'{hero.name} laughed and said, "{"We" if hero.many else "I"} need not even run," and lay down in the sun.',
        f"{friend.name} went on, step by step, and did not look back.",
        f"When {hero.name} woke up, {friend.name} was already at {goal}, and {hero.they} {hero.was} silent.",
    ]


def _broken(dice: random.Random, hero: Character, friend: Character, trait: str) -> list[str]:
    thing = dice.choice(BREAKABLES)
    sorry = "It was us, and we are sorry" if hero.many else "It was me, and I am sorry"
    broke = f"One {dice.choice(WEATHERS)} day {hero.name} broke {thing} of {friend.name} the {friend.kind}."
    asked = f'"Who broke {thing}?" asked {friend.name}.'
    if trait == "honest":
        return [
            broke,
            asked,
            f'{hero.name} {hero.was} afraid, but {hero.they} said, "{sorry}."',
            f"{friend.name} thanked {hero.them}, and together they mended {thing}.",
        ]
    return [
        broke,
        asked,
        f'"It was the wind," said {hero.name}, and {hero.they} {hero.was} pleased with {hero.their} answer.',
        f"But {friend.name} saw the mud on {hero.their} feet, and never again lent {hero.them} {thing}.",
    ]


def _journey(dice: random.Random, hero: Character, friend: Character, trait: str) -> list[str]:
    goal, time = dice.choice(GOALS), dice.choice(TIMES)
    left = f"One {dice.choice(WEATHERS)} {time} {hero.name} set out for {goal} with {friend.name} the {friend.kind}."
    sign = f"At the crossing stood a sign, and {friend.name} was sure that it said left."
    all_of_them = "they all" if hero.many else "they both"
    if trait == "careful":
        return [
            left,
            sign,
            f"{hero.name} {hero.was} not so sure, so {hero.they} wiped the dust away and read it again.",
            f"It said right. {friend.name} thanked {hero.them}, and before night {all_of_them} stood at {goal}.",
        ]
    return [
        left,
        sign,
        f'"Then left it is," said {hero.name}, and {hero.they} {hero.was} gone before {friend.name} had finished.',
        f"The path ended in a swamp, and {hero.name} {hero.was} wet and tired when {hero.they} came to {goal} at last.",
    ]
