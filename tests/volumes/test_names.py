"""A name that is written and read is the same name, whatever is in it."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ifcb_abundance.common.errors import ConfigError
from ifcb_abundance.volumes.names import (
    Crop,
    Flipbook,
    Patch,
    check_name,
    dataset_of,
    parse_crop,
    parse_flipbook,
    parse_patch,
)

number = st.integers(0, 99_999)
volume = st.text(st.characters(blacklist_categories=["Cc", "Cs"], blacklist_characters="/\\"), min_size=1, max_size=30)
volume |= st.sampled_from(["a b", "a.b.c", "jrc_s1-ROI-x0-8_y0-8_z0-8", "a-LOC-0_1_2-3_4-5", "-LOC-", "ä-ROI-"])


@settings(max_examples=50)
@given(volume, st.sampled_from([0, 1, 2]), number, st.tuples(number, number, number, number), st.integers(1, 9999))
@example("a-LOC-2_3_0-224_0-224", 1, 7, (0, 16, 16, 32), 10)
def test_patch_and_flipbook(name: str, axis: int, index: int, place: tuple[int, int, int, int], more: int) -> None:
    patch = Patch(name, axis, index, *place)
    assert parse_patch(patch.name(index + more)) == patch
    flipbook = Flipbook(name, axis, index, index + more, *place)
    assert parse_flipbook(flipbook.name()) == flipbook


@settings(max_examples=50)
@given(volume, st.integers(0, 30), st.lists(st.integers(-1000, 10**9), min_size=6, max_size=6))
def test_crop(name: str, mip: int, place: list[int]) -> None:
    crop = Crop(name, mip, *place)
    assert parse_crop(crop.name()) == crop
    assert dataset_of(crop.name()) == f"{name}_s{mip}"


def test_slices_are_padded_to_the_width_of_the_last_one() -> None:
    # Of 11 slices the last is 10; of 10 it is 9.
    assert Patch("v", 0, 3, 0, 16, 16, 32).name(11) == "v-LOC-0_03_0-16_16-32"
    assert Patch("v", 2, 3, 0, 16, 16, 32).name(10) == "v-LOC-2_3_0-16_16-32"
    assert Flipbook("v", 1, 1, 6, 0, 224, 224, 448).name() == "v-LOC-1_1-6_0-224_224-448"


def test_the_dataset_is_what_stands_before_the_place_of_a_crop() -> None:
    assert dataset_of("hela_s1-ROI-x0-8_y0-8_z0-8") == "hela_s1"
    assert dataset_of("tomogram-ROI-upper left") == "tomogram"
    assert dataset_of("tomogram") == "tomogram"


@pytest.mark.parametrize("name", ["", " a", "a/b", "a{b", ".a", "a\nb", "x" * 181])
def test_names_that_no_file_can_have_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="cannot be the name of a volume"):
        check_name(name, "here")


@pytest.mark.parametrize("name", ["v", "v-LOC-3_1_0-1_0-1", "v-LOC-0_1_0-1"])
def test_other_names_are_no_patches(name: str) -> None:
    with pytest.raises(ValueError, match="is not the name of a patch"):
        parse_patch(name)
