"""The types of a study: what they may be called, how they are given, and what is refused in one line."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carseg_lib.core.classes import BODY_TYPES, LONGEST, ClassMap, normalize_name
from carseg_lib.core.errors import CarsegError
from carseg_lib.reporting.palette import CLASS_COLORS, NO_DETECTION_COLOR, class_color, class_colors

WORDS = st.text("abcdefghijklmnopqrtuvwxyzäöüßéλЖ車", min_size=2, max_size=12).filter(  # no plural s
    lambda word: word not in ("na", "nan", "inf", "none", "null", "true", "infinity")
)


def test_the_default_is_the_papers_four():
    for text in ("", "  ", "suv sedan convertible minivan"):
        assert ClassMap.parse(text) == ClassMap()
    assert ClassMap().names == BODY_TYPES == ("suv", "sedan", "convertible", "minivan")
    assert ClassMap().text == "suv sedan convertible minivan"
    assert ClassMap().said == "suv, sedan, convertible or minivan"


def test_a_list_with_names_in_other_languages():
    types = ClassMap.parse("suv=geländewagen,4x4 sedan=limousine,berline 'station wagon'=kombi")
    assert types.names == ("suv", "sedan", "station wagon")
    named = {"Gelände-Wagen": "suv", "4X4s": "suv", "BERLINE": "sedan", "StationWagons": "station wagon"}
    assert {name: types.of(name) for name in named} == named
    assert types.of(unicodedata.normalize("NFD", "GELÄNDEWAGEN")) == "suv"
    assert types.of("Ｓｅｄａｎ") == "sedan"  # full width
    assert types.of("minivan") is None


@given(st.lists(st.lists(WORDS, min_size=1, max_size=3), min_size=2, max_size=6), st.booleans())
def test_the_text_says_the_same_and_every_name_is_understood(groups, in_yaml):
    spelled = [normalize_name(word) for group in groups for word in group]
    plurals = {word + "s" for word in spelled}
    if len(set(spelled)) < len(spelled) or plurals & set(spelled):
        return
    left_out = ("a thing, apart",) if in_yaml else ()
    types = ClassMap(tuple(g[0] for g in groups), tuple(tuple(g[1:]) for g in groups), left_out)
    again = ClassMap.parse(types.text)
    assert again == types and again.text == types.text
    for group in groups:
        for word in group:
            assert {types.of(form) for form in (word, word.upper(), f" {word}s", f"-{word}_")} == {group[0]}
    assert types.why_not("A THING, APART") == ("left out" if in_yaml else "other type")


@given(st.text(max_size=60))
def test_any_text_is_types_or_one_line(text):
    try:
        types = ClassMap.parse(text)
    except CarsegError as error:
        assert "\n" not in " ".join(str(error).split())
    else:
        assert types.from_folders or len(types.names) >= 2
        assert ClassMap.parse(types.text) == types


YAML = """
types:
  suv: [jeep, "sport utility vehicle"]
  sedan: limousine
  "pick, up=":
leave_out: [van, 'coupé']
"""


def test_a_yaml_file(tmp_path):
    path = tmp_path / "types.yaml"
    path.write_text(YAML, encoding="utf-8")
    types = ClassMap.read(str(path))
    assert types.names == ("suv", "sedan", "pick, up=")
    assert (types.of("Sport-Utility Vehicles"), types.of("limousine"), types.of("van")) == (
        "suv",
        "sedan",
        None,
    )
    assert (types.why_not("Vans"), types.why_not("COUPÉ"), types.why_not("bus")) == (
        "left out",
        "left out",
        "other type",
    )
    assert ClassMap.parse(types.text) == types
    path.write_text("types: [hatchback, wagon]")
    assert ClassMap.read(str(path)) == ClassMap.parse("hatchback wagon")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("suv", "TYPES=suv: a study needs two body types or more (found: suv); separate them by spaces"),
        ("suv,sedan", "a study needs two body types or more (found: suv,sedan); separate them by spaces"),
        ("suv suv", "the type 'suv' stands twice; keep one of them"),
        ("suv SUV", "'suv' (read like 'SUV') means both suv and SUV; keep one of them"),
        ("suv suvs", "'suvs' (read like 'suv') means both suvs and suv; keep one of them"),
        ("suv=jeep sedan=Jeep", "'jeep' (read like 'Jeep') means both suv and sedan; keep one of them"),
        ("suv=sedan sedan", "'sedan' means both suv and sedan; keep one of them"),
        ("suv =jeep", "'=jeep' has an empty name; write type or type=name,name"),
        ("suv= sedan", "'suv=' has an empty name; write type or type=name,name"),
        ("suv=jeep,,4x4 sedan", "has an empty name"),
        ("suv=-- sedan", "'--' is an empty name; leave it out"),
        ("-- sedan", "'--' is an empty type; give it a name"),
        ("a/b sedan", "the type 'a/b' is not printable text without / of at most 40 characters"),
        (f"{'x' * 41} sedan", "is not printable text without / of at most 40 characters"),
        ("'a\tb' sedan", "is not printable text"),
        ("suv 'No car found'", "the type 'No car found' has a name that the tables of a run use"),
        ("2 4", "the type '2' would be read as a number or as missing; write it in words"),
        ("NA suv", "the type 'NA' would be read as a number or as missing"),
        ("suv 'sedan", "cannot be read (no closing quotation)"),
        ("{types: [suv, sedan]", "not valid YAML"),
        ("{suv: [jeep]}", "must hold types, and may hold leave_out; nothing else"),
        ("{types: {suv: [], suv: []}}", "suv stands twice; keep one of them"),
        ("{types: {suv: 3, sedan: []}}", "suv is not a list of names"),
        ("{types: {suv: [3], sedan: []}}", "3 among suv is not a text; put names in quotes"),
        ("{types: {yes: [], sedan: []}}", "True among types is not a text; put names in quotes"),
        ("{types: {suv: [[a]], sedan: []}}", "a list among suv is not a text"),
        ("{types: 3}", "types is neither a list of names nor names with lists of other names"),
        ("{types: {suv: [], sedan: []}, leave_out: [suv]}", "'suv' means both suv and a type left out"),
        ("{types: !!python/object:os.system {}}", "not valid YAML"),
        ("{" * 5000, "not valid YAML"),
    ],
)
def test_what_is_refused(text, message):
    with pytest.raises(CarsegError) as caught:
        ClassMap.parse(text)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_small_file_that_stands_for_an_endless_one_is_refused_at_once(tmp_path):
    levels = ["a0: &a0 [x, x]"] + [f"a{k}: &a{k} [*a{k - 1}, *a{k - 1}]" for k in range(1, 60)]
    path = tmp_path / "types.yml"
    path.write_text("\n".join([*levels, "types: *a59"]))
    with pytest.raises(CarsegError, match=r"types\.yml: must hold types"):
        ClassMap.read(str(path))
    with pytest.raises(CarsegError, match="a list among types is not a text"):
        ClassMap.parse("{types: [&a [&b [x, x], *b], *a], leave_out: [x]}")


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(CarsegError, match=r"TYPES=gone\.yaml: the file cannot be read \(No such file"):
        ClassMap.read("gone.yaml")
    (tmp_path / "large.yaml").write_text("#" * 100_001)
    with pytest.raises(CarsegError, match=r"large\.yaml: larger than 100,000 bytes"):
        ClassMap.read(str(tmp_path / "large.yaml"))
    (tmp_path / "bytes.yaml").write_bytes(b"types: [\xff]")
    with pytest.raises(CarsegError, match=r"bytes\.yaml: not UTF-8 text"):
        ClassMap.read(str(tmp_path / "bytes.yaml"))


def test_the_longest_and_strangest_names_that_are_allowed():
    names = ("é" * LONGEST, "St. Wagon $5 & <b>", "軽自動車", "4x4")
    assert ClassMap.parse(ClassMap(names, ((),) * 4).text).names == names


def test_folders_become_types_in_the_order_of_the_alphabet():
    waiting = ClassMap.parse("folders")
    assert waiting.from_folders and waiting.text == "folders" and waiting.of("suv") is None
    types = waiting.among({"Wagons", "wagon", "Hatch-Back", "hatchback", "SUV", "suvs"})
    assert types.names == ("Hatch-Back", "SUV", "wagon")
    assert [types.of(name) for name in ("hatchback", "suvs", "Wagons")] == ["Hatch-Back", "SUV", "wagon"]
    with pytest.raises(
        CarsegError, match=r"TYPES=folders: a study needs two body types or more \(found: wagon\)"
    ):
        waiting.among({"wagon"})


def test_every_type_has_a_colour_of_its_own():
    assert class_colors(BODY_TYPES) == CLASS_COLORS
    many = tuple(f"type {k}" for k in range(40))
    assert len(set(class_colors(many).values())) == 40
    mixed = ("wagon", "suv", "hatchback", "minivan", "pickup")
    colours = class_colors(mixed)
    assert len(set(colours.values())) == 5
    assert (colours["suv"], colours["minivan"]) == (CLASS_COLORS["suv"], CLASS_COLORS["minivan"])
    assert class_color("wagon", mixed) == colours["wagon"] == CLASS_COLORS["sedan"]
    assert class_color("no car found", mixed) == class_color("wagon") == NO_DETECTION_COLOR
