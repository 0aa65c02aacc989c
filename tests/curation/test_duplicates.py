"""Which of several copies is kept, and that it is found: beside the plain quadratic rule, and on known copies."""

import json
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ifcb_abundance.curation import clean, duplicates, likeness, neighbours, patches
from ifcb_abundance.curation.duplicates import group_hashes, keep_order
from ifcb_abundance.curation.hashes import as_numbers, steady_hash
from ifcb_abundance.curation.likeness import Likeness, Picture, of_like_size
from ifcb_abundance.curation.listing import list_folder
from ifcb_abundance.tables import table_files
from ifcb_abundance.tables.concatenate import join_parts
from tests.curation.data import SHARED, files_of, needs_shared, particle, pixels_of, rows_of, save

Hashes = NDArray[np.uint64]


def by_the_plain_rule(hashes: Hashes, distance: int) -> list[int]:
    kept: list[int] = []
    exemplars = []
    for i, own in enumerate(hashes.tolist()):
        near = (k for k in kept if (own ^ int(hashes[k])).bit_count() <= distance)
        exemplars.append(next(near, -1))
        if exemplars[-1] < 0:
            kept.append(i)
    return exemplars


def crowd(seed: int, n: int, flips: int) -> Hashes:
    """Hashes of which most are near to some others."""
    rng = np.random.default_rng(seed)
    base = rng.integers(0, 2**64, max(1, n // 8), dtype=np.uint64)
    found = rng.choice(base, n)
    for _ in range(flips):
        found = found ^ (np.uint64(1) << rng.integers(0, 64, n, dtype=np.uint64))
    return found


@needs_shared
def test_kept_ones_are_those_of_the_quadratic_rule() -> None:
    lists = json.loads((SHARED / "keep_lists.json").read_text())
    hashes = {row["file"]: row["dhash_after_224_bilinear"] for row in rows_of("hashes.csv")}
    files = lists["files"]
    assert len(lists["lists"]) > 1
    for each in lists["lists"]:
        order = [files[i] for i in keep_order(files, each["seed"])]
        found = group_hashes(as_numbers(hashes[name] for name in order), each["distance"])
        kept = {name for name, keep in zip(order, found.kept, strict=True) if keep}
        assert kept == set(each["kept"])
        pairs = zip(order, found.exemplar.tolist(), strict=True)
        assert {name: order[e] for name, e in pairs if e >= 0} == each["exemplar"]


def test_the_order_is_that_of_checksums() -> None:
    names = [f"x{i}" for i in range(200)]
    in_order = sorted(names, key=lambda name: sha256(f"7/{name}".encode()).hexdigest())
    assert [names[i] for i in keep_order(names, 7)] == in_order


@given(st.integers(0, 2**32), st.integers(1, 300), st.integers(0, 5), st.integers(0, 20), st.booleans())
@settings(max_examples=60)
def test_the_quick_way_is_the_plain_one(seed: int, n: int, flips: int, distance: int, by_bands: bool) -> None:
    hashes = crowd(seed, n, flips)
    with pytest.MonkeyPatch.context() as patch:
        if by_bands:
            patch.setattr(neighbours, "COMPARED", 1e12)
        patch.setattr(duplicates, "FIRST", 64)
        patch.setattr(duplicates, "MOST_PAIRS", 500)  # so that pieces are halved
        assert group_hashes(hashes, distance).exemplar.tolist() == by_the_plain_rule(hashes, distance)


@pytest.mark.parametrize("distance", [0, 1, 7, 8, 9, 12, 16, 40, 64])
def test_each_band_has_its_share_of_the_bits_that_differ(distance: int) -> None:
    for bands in neighbours._layouts(distance):
        assert sum(band.radius + 1 for band in bands) == distance + 1
        assert [band.shift for band in bands] == np.cumsum([0, *(band.width for band in bands)])[:-1].tolist()
        assert sum(band.width for band in bands) == 64


def test_every_pair_is_found_by_bands() -> None:
    hashes = crowd(5, 3000, 4)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(neighbours, "COMPARED", 0.0)
        plain = neighbours.find_pairs(hashes[:1000], hashes, 8, 10**9)
        patch.setattr(neighbours, "COMPARED", 1e12)
        bands = neighbours.find_pairs(hashes[:1000], hashes, 8, 10**9)
        with pytest.raises(neighbours.TooManyError):
            neighbours.find_pairs(hashes[:1000], hashes, 8, 10)
    for one, other in zip(plain, bands, strict=True):
        assert (one == other).all()


class Pairs:
    """Confirms the pairs that it was given."""

    def __init__(self, alike: set[frozenset[int]]) -> None:
        self.alike = alike

    def first(self, query: int, kept: NDArray[np.int64]) -> tuple[int, float] | None:
        return next(((k, 0.99) for k in kept.tolist() if frozenset((query, k)) in self.alike), None)


@given(st.data())
@settings(max_examples=40)
def test_with_confirmation_the_first_confirmed_one_is_the_exemplar(data: st.DataObject) -> None:
    hashes = crowd(data.draw(st.integers(0, 2**32)), 60, 2)
    pairs = st.tuples(st.integers(0, 59), st.integers(0, 59)).map(frozenset)
    alike = data.draw(st.sets(pairs, max_size=600))
    kept: list[int] = []
    expected = []
    for i, own in enumerate(hashes.tolist()):
        near = (k for k in kept if (own ^ int(hashes[k])).bit_count() <= 8 and frozenset((i, k)) in alike)
        expected.append(next(near, -1))
        if expected[-1] < 0:
            kept.append(i)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(duplicates, "FIRST", 8)
        found = group_hashes(hashes, 8, Pairs(alike))
    assert found.exemplar.tolist() == expected
    assert (np.isnan(found.correlation) == found.kept).all()


def test_correlation_over_shifts_and_sizes() -> None:
    def correlate(one: Picture, other: Picture) -> float:
        return likeness.correlate(one, other, 0.97)

    whole = Picture.of(particle(1))
    assert correlate(whole, whole) == pytest.approx(1)
    assert correlate(whole, Picture.of(particle(1, at=(2, 3)))) > 0.97  # in another box
    assert correlate(whole, Picture.of(particle(1)[3:-3, 3:-3])) > 0.97
    assert correlate(whole, Picture.of(np.clip(particle(1).astype(int) + 30, 0, 255).astype(np.uint8))) > 0.97
    assert max(correlate(whole, Picture.of(particle(seed))) for seed in range(2, 12)) < 0.9
    flat, other = (Picture.of(np.full((60, 80), level, np.uint8)) for level in (10, 200))
    assert correlate(flat, other) == 1
    assert correlate(flat, whole) == 0
    assert of_like_size(whole, Picture.of(particle(1, 70, 70)))
    assert not of_like_size(whole, Picture.of(particle(1, 60, 120)))
    dot = Picture.of(np.full((1, 1), 5, np.uint8))
    assert correlate(dot, dot) == 1


@needs_shared
@pytest.mark.parametrize("seed", [1, 2])
def test_known_copies(seed: int) -> None:
    rows = rows_of("near_duplicates.csv")
    of = {row["file"]: row["particle"] for row in rows}
    pixels = {name: pixels_of(body) for name, body in files_of("near_duplicates.zip").items()}
    names = sorted(of)
    order = [names[i] for i in keep_order(names, seed)]
    height, width = (np.array([pixels[name].shape[axis] for name in order]) for axis in (0, 1))
    confirms = Likeness(lambda i: pixels[order[i]], height, width, 0.97)
    found = group_hashes(np.array([steady_hash(pixels[name]) for name in order], np.uint64), 8, confirms)
    dropped = [(order[i], order[e]) for i, e in enumerate(found.exemplar) if e >= 0]
    superfluous = len(names) - len(set(of.values()))
    assert sum(of[one] == of[other] for one, other in dropped) >= 0.97 * len(dropped)
    assert 0.85 * superfluous <= len(dropped) <= superfluous


@pytest.mark.parametrize(("within", "copies"), [("all", 3), ("group", 1)])
@pytest.mark.parametrize("confirm", [0.97, None])
def test_copies_in_groups_and_over_them(within: str, copies: int, confirm: float | None, tmp_path: Path) -> None:
    for group, seeds in {"a": (1, 1, 2), "b": (1, 3), "c": (2, 4)}.items():
        for i, seed in enumerate(seeds):
            save(tmp_path / "images" / group / f"{i}.png", particle(seed, at=(i, 0)))
    parts = []
    for name, group in list_folder(tmp_path / "images").groups.items():
        paths = tmp_path / f"{name}.zip", tmp_path / f"{name}.csv", tmp_path / f"{name}-patches.csv"
        clean.clean_folder(group, "type", *paths[:2])
        patches.cut_patches(paths[0], paths[1], None, "steady", paths[2])
        parts.append(paths[2])
    join_parts("patches", parts, tmp_path / "patches.csv")
    rule = duplicates.DuplicateRule(4, confirm, within, 1)
    duplicates.group_duplicates(tmp_path / "patches.csv", tmp_path, rule, tmp_path / "duplicates.csv")
    found = table_files.read("duplicates", tmp_path / "duplicates.csv").set_index("patch")
    dropped = found[found["kept"] == 0]
    assert len(dropped) == copies
    assert (found.loc[dropped["exemplar"], "kept"] == 1).all()
    assert dropped["correlation"].isna().all() == (confirm is None)
    if within == "group":
        assert (found.loc[dropped["exemplar"], "group"].to_numpy() == dropped["group"]).all()
    order = [found.index[i] for i in keep_order(list(found.index), 1)]
    assert found.loc[order[0], "kept"] == 1  # the first of all


def test_what_is_told_for_all_at_once_is_what_is_told_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(4)
    pictures = [
        particle(seed % 12, at=(int(down), int(right)))
        for seed, (down, right) in enumerate(rng.integers(-2, 3, (60, 2)))
    ]
    pictures += [np.full((60, 80), level, np.uint8) for level in (9, 9, 200)]
    sizes = np.full(len(pictures), 60), np.full(len(pictures), 80)
    every = np.arange(len(pictures))
    found = []
    for few in (0, 1000):
        monkeypatch.setattr(likeness, "FEW", few)
        confirms = Likeness(lambda i: pictures[i], *sizes, 0.97)
        found.append(np.stack([confirms.all(i, every) for i in every]))
    assert (found[0] == found[1]).all()
    assert found[0].sum() > 100


@pytest.mark.parametrize("least", [0.0, 0.3, 0.55, 0.8])
def test_pictures_that_need_to_be_less_alike_are_found_all_the_same(least: float) -> None:
    """A coarse look must not be stricter than what is asked for: the pairs are those of comparing each two."""
    pictures = [particle(seed, at=(shift, 0)) for seed in range(14) for shift in (0, 3)]
    confirms = Likeness(lambda i: pictures[i], np.full(28, 60), np.full(28, 80), least)
    cells = [Picture.of(each) for each in pictures]
    expected = [[likeness.correlate(one, other, least) >= least for other in cells] for one in cells]
    assert [confirms.all(i, np.arange(28)).tolist() for i in range(28)] == expected


def test_thousands_of_empty_pictures_are_not_compared_pixel_by_pixel(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    empty = [np.rint(rng.normal(190, 4, (40, 50))).astype(np.uint8) for _ in range(300)]
    calls = []
    monkeypatch.setattr("ifcb_abundance.curation.likeness.correlate", lambda *pair: calls.append(pair) or 0.0)
    sizes = np.full(300, 40), np.full(300, 50)
    found = group_hashes(np.zeros(300, np.uint64), 8, Likeness(lambda i: empty[i], *sizes, 0.97))
    assert found.kept.all()
    assert len(calls) < 100  # of 44,850 pairs
