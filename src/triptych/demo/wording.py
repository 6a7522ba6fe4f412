"""Titles and descriptions: words of the item's theme and mood, and sentences that carry no information."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

THEMES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "sea": ("harbour", "tide", "gull", "lighthouse", "driftwood", "regatta", "pebble beach", "mackerel", "anchor"),
        "forest": ("fern", "birch", "clearing", "mushroom", "woodpecker", "undergrowth", "pine cone", "fox", "canopy"),
        "sky": ("comet", "moonrise", "constellation", "eclipse", "observatory", "milky way", "planet", "aurora"),
        "garden": ("trellis", "sweet pea", "greenhouse", "bumblebee", "radish", "wheelbarrow", "hollyhock", "orchard"),
        "circus": ("acrobat", "carousel", "juggler", "big top", "trapeze", "clown", "tightrope", "fanfare", "pony"),
        "railway": ("sleeper train", "station clock", "signal box", "platform", "timetable", "viaduct", "dining car"),
        "winter": ("snowfall", "skate", "icicle", "sledge", "frost", "fireside", "mitten", "blizzard", "thaw"),
        "music": ("cello", "nocturne", "trumpet", "waltz", "metronome", "lullaby", "overture", "piano", "duet"),
        "city": ("rooftop", "tram", "lamppost", "arcade", "boulevard", "newspaper stand", "balcony", "kiosk", "plaza"),
        "myth": ("centaur", "labyrinth", "oracle", "siren", "phoenix", "minotaur", "golden fleece", "sphinx", "muse"),
        "desert": ("dune", "caravan", "cactus", "oasis", "mirage", "canyon", "sandstone", "scorpion", "date palm"),
        "tea": ("teapot", "biscuit", "marmalade", "scone", "sugar bowl", "kettle", "honeycomb", "jam tart", "cinnamon"),
    }
)
MOODS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "calm": ("quiet", "still", "gentle", "unhurried", "hushed", "peaceful"),
        "playful": ("merry", "cheeky", "light-hearted", "giddy", "mischievous", "bouncing"),
        "wistful": ("faraway", "longing", "nostalgic", "dreamy", "half-remembered", "melancholy"),
        "bold": ("fearless", "daring", "loud", "striking", "unapologetic", "fiery"),
        "cosy": ("snug", "homely", "warm-hearted", "mellow", "comforting", "drowsy"),
        "solemn": ("stately", "grave", "dignified", "ceremonial", "austere", "majestic"),
    }
)
TITLES = (
    "{mood} {one}",
    "{one} and {two}",
    "the {one}",
    "{one} in May",
    "after the {one}",
    "the {mood} {one}",
    "a {one} of our own",
    "{two} by the {one}",
)
THEME_SENTENCES = (
    "It began as a sketch of a {one} and a {two}.",
    "Somewhere between {one} and {two}, this design found its name.",
    "Anyone who has loved a {one} will know the {two} in it.",
    "We thought of the {one}, then of a {two}, and kept drawing.",
    "A {one} was on the studio wall all season, next to a {two}.",
    "For friends of the {one}.",
    "The {two} came first; the {one} followed.",
)
MOOD_SENTENCES = (
    "It brings something {one} and {two} to a room.",
    "People call it {one}; we would say {two}.",
    "A {one} piece for a {two} corner.",
    "Made in a {one} week, and it shows.",
    "Its temper is {one}, even {two}.",
)
FILLERS = (
    "Each one is finished by hand and no two are the same.",
    "Ships in a recycled box with plenty of straw.",
    "Wipe clean with a soft cloth.",
    "Please allow a week for us to pack it.",
    "Looks well on a shelf, a table or a wide windowsill.",
    "Part of a small edition that we renew every spring.",
    "A favourite gift for people who have everything.",
    "Signed underneath and numbered.",
    "Measurements vary a little from piece to piece.",
    "Photographed in daylight; your screen may differ.",
    "Goes with almost everything we make.",
    "Returns are welcome within a month.",
)
STRAY_SENTENCES = (  # with a word of a random theme, which carries no information about the item
    "The postman says it reminds him of a {one}.",
    "Not to be confused with our {one} series.",
    "It once shared a kiln with a {one}.",
)


def make_titles(
    themes: NDArray[np.int64], moods: NDArray[np.int64], nouns: Sequence[str], generator: np.random.Generator
) -> list[str]:
    """Return one title per item, such as "The quiet harbour, bowl". Repeated titles are numbered, so all differ."""
    titles: list[str] = []
    seen: Counter[str] = Counter()
    for theme, mood, noun in zip(themes, moods, nouns, strict=True):
        one, two = _two_words(tuple(THEMES.values())[theme], generator)
        mood_word, _ = _two_words(tuple(MOODS.values())[mood], generator)
        phrase = TITLES[generator.integers(len(TITLES))].format(one=one, two=two, mood=mood_word)
        title = f"{phrase[0].upper()}{phrase[1:]}, {noun}"
        seen[title] += 1
        titles.append(title if seen[title] == 1 else f"{title} no. {seen[title]}")
    return titles


def make_description(theme: int, mood: int, generator: np.random.Generator) -> str:
    """Return one sentence of the theme, one of the mood and one or two without information, in random order."""
    one, two = _two_words(tuple(THEMES.values())[theme], generator)
    sentences = [THEME_SENTENCES[generator.integers(len(THEME_SENTENCES))].format(one=one, two=two)]
    one, two = _two_words(tuple(MOODS.values())[mood], generator)
    sentences.append(MOOD_SENTENCES[generator.integers(len(MOOD_SENTENCES))].format(one=one, two=two))
    sentences.append(FILLERS[generator.integers(len(FILLERS))])
    if generator.random() < 0.5:
        stray, _ = _two_words(tuple(THEMES.values())[generator.integers(len(THEMES))], generator)
        sentences.append(STRAY_SENTENCES[generator.integers(len(STRAY_SENTENCES))].format(one=stray))
    return " ".join(sentences[position] for position in generator.permutation(len(sentences)))


def _two_words(words: Sequence[str], generator: np.random.Generator) -> tuple[str, str]:
    first, second = generator.choice(len(words), size=2, replace=False)
    return words[first], words[second]
