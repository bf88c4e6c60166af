"""The types of a study: what they may be called, how they are given, and what is refused in one line."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carseg_lib.core.classes import BODY_TYPES, LONGEST, ClassMap, normalize_name
from carseg_lib.core.errors import CarsegError

WORDS = st.text("abcdefghijklmnopqrtuvwxyzäöüßéλЖ車", min_size=2, max_size=12).filter(  # no plural s
    lambda word: (
        word not in ("na", "nan", "inf", "none", "null", "true", "infinity", "nocarfound", "weightedavg", "macroavg")
    )
)


def test_the_default_is_the_papers_four():
    for text in ("", "  ", "suv sedan convertible minivan"):
        assert ClassMap.parse(text) == ClassMap()
    assert ClassMap().names == BODY_TYPES == ("suv", "sedan", "convertible", "minivan")
    assert ClassMap().text == "suv sedan convertible minivan"
    assert ClassMap().sentence == "suv, sedan, convertible or minivan"


def test_a_list_with_names_in_other_languages():
    types = ClassMap.parse("suv=geländewagen,4x4 sedan=limousine,berline 'station wagon'=kombi")
    assert types.names == ("suv", "sedan", "station wagon")
    named = {"Gelände-Wagen": "suv", "4X4s": "suv", "BERLINE": "sedan", "StationWagons": "station wagon"}
    assert {name: types.resolve(name) for name in named} == named
    assert types.resolve(unicodedata.normalize("NFD", "GELÄNDEWAGEN")) == "suv"
    assert types.resolve("Ｓｅｄａｎ") == "sedan"  # full width
    assert types.resolve("minivan") is None


@given(st.lists(st.lists(WORDS, min_size=1, max_size=3), min_size=2, max_size=6), st.booleans())
def test_every_name_is_understood_and_the_text_says_the_same(groups, some_left_out):
    spelled = [normalize_name(word) for group in groups for word in group]
    plurals = {word + "s" for word in spelled}
    if len(set(spelled)) < len(spelled) or plurals & set(spelled):
        return
    left_out = ("a thing, apart",) if some_left_out else ()
    types = ClassMap(tuple(g[0] for g in groups), tuple(tuple(g[1:]) for g in groups), left_out)
    without = types.text.removesuffix(" (left out: a thing, apart)")
    assert (without == types.text) != some_left_out
    assert ClassMap.parse(without) == ClassMap(types.names, types.aliases)
    for group in groups:
        for word in group:
            forms = (word, word.upper(), f" {word}s", f"-{word}_")
            assert {types.resolve(form) for form in forms} == {group[0]}
    assert types.exclusion_reason("A THING, APART") == ("left out" if some_left_out else "other type")


@given(st.text(max_size=60))
def test_any_text_is_types_or_one_line(text):
    try:
        types = ClassMap.parse(text)
    except CarsegError as error:
        assert "\n" not in " ".join(str(error).split())
    else:
        assert types.named_by_folders or len(types.names) >= 2
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
    types = ClassMap.parse(str(path))
    assert types == ClassMap(
        ("suv", "sedan", "pick, up="), (("jeep", "sport utility vehicle"), ("limousine",), ()), ("van", "coupé")
    )
    assert (types.resolve("Sport-Utility Vehicles"), types.resolve("limousine"), types.resolve("van")) == (
        "suv",
        "sedan",
        None,
    )
    assert [types.exclusion_reason(name) for name in ("Vans", "COUPÉ", "bus")] == ["left out", "left out", "other type"]
    assert types.text == "'suv=jeep,sport utility vehicle' sedan=limousine 'pick, up=' (left out: van, coupé)"
    path.write_text("types: [hatchback, wagon]")
    assert ClassMap.parse(str(path)) == ClassMap.parse("hatchback wagon")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("suv", "CLASSES=suv: a study needs two body types or more (found: suv); separate them by spaces"),
        ("suv,sedan", "a study needs two body types or more (found: suv,sedan); separate them by spaces"),
        ("suv suv", "the type 'suv' is given twice; keep one of them"),
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
    ],
)
def test_what_is_refused(text, message):
    with pytest.raises(CarsegError) as caught:
        ClassMap.parse(text)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{types: [suv, sedan]", "not valid YAML"),
        ("{suv: [jeep]}", "must hold types, and may hold leave_out; nothing else"),
        ("{types: [suv, sedan], leave: [van]}", "must hold types, and may hold leave_out; nothing else"),
        ("{types: {suv: [], suv: []}}", "suv is given twice; keep one of them"),
        ("{types: {suv: [], sedan: []}, types: [a, b]}", "types is given twice; keep one of them"),
        ("{types: {suv: 3, sedan: []}}", "suv is not a list of names; put names in quotes"),
        ("{types: {suv: [3], sedan: []}}", "suv is not a list of names; put names in quotes"),
        ("{types: {yes: [], sedan: []}}", "types is not a list of names; put names in quotes"),
        ("{types: {suv: [[a]], sedan: []}}", "suv is not a list of names"),
        ("{types: 3}", "types is not a list of names"),
        ("{types: [suv]}", "a study needs two body types or more (found: suv)"),
        ("{types: {suv: [], sedan: []}, leave_out: [suv]}", "'suv' means both suv and a type left out"),
        ("{types: {suv: [], sedan: []}, leave_out: {van: 1}}", "leave_out is not a list of names"),
        ("{types: !!python/object:os.system {}}", "not valid YAML"),
        ("{" * 5000, "not valid YAML"),
        ("", "must hold types"),
    ],
)
def test_what_a_yaml_file_may_not_hold(tmp_path, content, message):
    path = tmp_path / "types.yaml"
    path.write_text(content)
    with pytest.raises(CarsegError) as caught:
        ClassMap.parse(str(path))
    assert str(caught.value).startswith(f"{path}: ") and message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_small_file_that_stands_for_an_endless_one_is_refused_at_once(tmp_path):
    levels = ["a0: &a0 [x, x]"] + [f"a{k}: &a{k} [*a{k - 1}, *a{k - 1}]" for k in range(1, 60)]
    path = tmp_path / "types.yml"
    path.write_text("\n".join([*levels, "types: *a59"]))
    with pytest.raises(CarsegError, match=r"types\.yml: must hold types"):
        ClassMap.parse(str(path))
    path.write_text("{types: [&a [&b [x, x], *b], *a], leave_out: [x]}")
    with pytest.raises(CarsegError, match=r"types\.yml: types is not a list of names"):
        ClassMap.parse(str(path))


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(CarsegError, match=r"CLASSES=gone\.yaml: the file cannot be read \(No such file"):
        ClassMap.parse("gone.yaml")
    (tmp_path / "large.yaml").write_text("#" * 100_001)
    with pytest.raises(CarsegError, match=r"large\.yaml: larger than 100,000 bytes"):
        ClassMap.parse(str(tmp_path / "large.yaml"))
    (tmp_path / "bytes.yaml").write_bytes(b"types: [\xff]")
    with pytest.raises(CarsegError, match=r"bytes\.yaml: not UTF-8 text"):
        ClassMap.parse(str(tmp_path / "bytes.yaml"))


def test_the_longest_and_strangest_names_that_are_allowed():
    names = ("é" * LONGEST, "St. Wagon $5 & <b>", "軽自動車", "4x4")
    assert ClassMap.parse(ClassMap(names, ((),) * 4).text) == ClassMap(names, ((),) * 4)


def test_folders_become_types_in_the_order_of_the_alphabet():
    waiting = ClassMap.parse("folders")
    assert waiting.named_by_folders and waiting.text == "folders" and waiting.resolve("suv") is None
    types = waiting.from_folders({"Wagons", "wagon", "Hatch-Back", "hatchback", "SUV", "suvs"})
    assert types.names == ("Hatch-Back", "SUV", "wagon")
    assert [types.resolve(name) for name in ("hatchback", "suvs", "Wagons")] == ["Hatch-Back", "SUV", "wagon"]
    with pytest.raises(CarsegError, match=r"CLASSES=folders: a study needs two body types or more \(found: wagon\)"):
        waiting.from_folders({"wagon"})
