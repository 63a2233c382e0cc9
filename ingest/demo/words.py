"""What is said, and by whom, in the demo chat."""

from __future__ import annotations

FIRST = (
    "amber brisk cosmic dapper eager fuzzy gentle hasty icy jolly keen lucky mellow nimble odd plucky quiet rapid "
    "silly tidy upbeat velvet witty young zesty"
).split()
SECOND = (
    "otter falcon pixel noodle comet badger lantern pickle rocket walrus teapot gecko biscuit puffin wizard mango "
    "beacon turnip yeti koala"
).split()

COLORS = (
    "#FF4500 #1E90FF #2E8B57 #DAA520 #8A2BE2 #FF69B4 #5F9EA0 #00FF7F #B22222 #D2691E #9ACD32 #008000 #0000FF"
).split()

EMOTES = {"Kappa": "25", "LUL": "425618", "PogChamp": "305954156", "HeyGuys": "30259", "BibleThump": "86"}
"""Twitch's own, with their ids."""

TEXTS = (
    "good evening everyone HeyGuys",
    "that jump was close",
    "LUL",
    "no way",
    "PogChamp PogChamp",
    "what song is this?",
    "first try Kappa",
    "the lantern is behind you",
    "gg",
    "can we see the map again?",
    "this boss took me three days",
    "BibleThump he was so young",
    "two hours in and still no sword",
    "hello from the train",
    "i would have gone left",
    "ok that was actually smooth",
    "¿dónde está la llave?",
    "👉 look at the clock 👈",
    "chat is faster than me Kappa",
    "dinner break when?",
    "the music here is so good 🎶",
    "save before the door!",
    "you missed a chest",
    "welcome back",
    "LUL LUL the face",
    "is it hard mode?",
    "wait, rewind that",
    "brb tea 🍵",
    "всем привет",
    "こんばんは",
)

ANNOUNCEMENTS = (
    "The next run starts in five minutes",
    "Please keep hints for after the boss",
    "New here? Say hello!",
)
