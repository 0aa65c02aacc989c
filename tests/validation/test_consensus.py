import numpy as np
import pandas as pd
import pytest

from ifcb_abundance.validation.consensus import Rules, agree, find_skills, find_votes


def labels(*rows: tuple[str, str, str] | tuple[str, str, str, str]) -> pd.DataFrame:
    padded = [(*row, "")[:4] for row in rows]
    return pd.DataFrame(padded, columns=["roi", "label", "person", "created"], dtype="str")


def status(table: pd.DataFrame, **rules: object) -> dict[str, tuple[str, str]]:
    found, _ = agree(table, Rules(**rules))  # type: ignore[arg-type]
    return {roi: (state, name) for roi, state, name in found[["roi", "status", "class"]].itertuples(index=False)}


def test_the_first_status_that_applies_stands() -> None:
    table = labels(
        ("r1", "a", "ann"),
        ("r2", "a", "ann"),
        ("r2", "b", "bob"),
        ("r3", "unclear", "ann"),
        ("r3", "unclear", "bob"),
        ("r4", "a", "ann"),
        ("r4", "a", "bob"),
        ("r4", "b", "cid"),
        ("r4", "c", "dan"),
        ("r4", "d", "eve"),
        ("r5", "a", "ann"),
        ("r5", "a", "bob"),
        ("r5", "b", "cid"),
    )
    found = status(table, min_votes=2, none_labels=["unclear"])
    assert found == {
        "r1": ("too_few", ""),
        "r2": ("tie", ""),
        "r3": ("none", ""),
        "r4": ("low_agreement", ""),
        "r5": ("agreed", "a"),
    }
    consensus, people = agree(table, Rules(min_votes=2, none_labels=["unclear"]))
    assert consensus.set_index("roi").loc["r4", ["n_votes", "agreement"]].tolist() == [5, 0.4]
    assert people.set_index("person").loc["ann", "n_rois"] == 5
    assert people.set_index("person").loc["ann", "agreement"] == 1  # r5; r1 had no other vote, the others no class
    assert people.set_index("person").loc["cid", "agreement"] == 0


def test_the_vote_stands_beside_skills() -> None:
    columns = ["roi", "status", "class", "n_votes", "agreement"]
    table = labels(("r", "a", "1"), ("r", "a", "2"), ("r", "b", "3"))
    assert list(agree(table, Rules())[0]) == columns
    assert list(agree(table, Rules(people="skill"))[0]) == [*columns, "class_by_vote"]
    assert list(agree(table, Rules())[1]) == ["person", "n_rois", "agreement", "skill"]


def test_exactly_half_agrees() -> None:
    table = labels(("r", "a", "1"), ("r", "a", "2"), ("r", "b", "3"), ("r", "c", "4"))
    assert status(table) == {"r": ("agreed", "a")}
    assert status(table, min_agreement=0.51) == {"r": ("low_agreement", "")}


@pytest.mark.parametrize(("repeat", "expected"), [("first", "a"), ("last", "b"), ("all", "")])
def test_which_label_of_a_person_counts(repeat: str, expected: str) -> None:
    table = labels(("r", "b", "ann", "2024-02-02"), ("r", "a", "ann", "2024-01-01"))
    assert status(table, repeat=repeat)["r"][1] == expected


def test_labels_without_a_name_are_of_different_persons() -> None:
    table = labels(("r", "b", ""), ("r", "a", ""), ("r", "a", ""))
    assert status(table) == {"r": ("agreed", "a")}


def test_without_labels_there_is_nothing_to_agree_on() -> None:
    consensus, people = agree(labels(), Rules())
    assert len(consensus) == len(people) == 0


def test_who_labels_alone_has_no_skill() -> None:
    _, people = agree(labels(("r1", "a", "ann"), ("r2", "b", "ann"), ("r3", "b", "bob")), Rules())
    assert people["skill"].isna().all()
    assert people["agreement"].isna().all()


@pytest.mark.parametrize("person", ["ann", ""])
def test_one_vote_is_no_tie_where_nothing_tells_a_skill(person: str) -> None:
    """With two classes a vote of a person who is right by chance weighs log(1/2) - log(1/2) = 0."""
    alone = labels(("r1", "a", person), ("r2", "b", person), ("r3", "b", person))
    agreed = {"r1": ("agreed", "a"), "r2": ("agreed", "b"), "r3": ("agreed", "b")}
    assert status(alone, people="skill") == agreed
    # So do those of two who contradict each other, and each are alone on another ROI: their skill is (1/2 + 1) / 3.
    table = labels(("r1", "a", "ann"), ("r2", "b", "bob"), ("r3", "a", "ann"), ("r3", "b", "bob"))
    assert status(table, people="skill") == {"r1": agreed["r1"], "r2": agreed["r2"], "r3": ("tie", "")}


def test_who_labels_twice_does_not_judge_oneself() -> None:
    """Of all labels of one person two are on r1, where nobody else looked; labels without a name are of two people."""
    table = labels(("r1", "a", "ann"), ("r1", "a", "ann"), ("r2", "b", ""), ("r2", "b", ""), ("r3", "c", "bob"))
    assert find_votes(table).shared.tolist() == [False, False, True, True, False]
    _, people = agree(table, Rules(repeat="all"))
    people = people.set_index("person")
    assert people.loc[["ann", "bob"], ["agreement", "skill"]].isna().all(axis=None)
    assert people.loc["", "agreement"] == 1
    # As soon as somebody else looks at r1, both labels of ann count: (2 + 1) / (2 + 2).
    _, people = agree(labels(*table.head(2).itertuples(index=False), ("r1", "a", "cid")), Rules(repeat="all"))
    people = people.set_index("person")
    assert people["agreement"].to_dict() == {"ann": 1, "cid": 1}
    assert people.loc["ann", "skill"] == pytest.approx(3 / 4, abs=1e-6)


def simulated(seed: int) -> tuple[pd.DataFrame, np.ndarray, dict[str, float]]:
    """STATISTICS.md's: 3,000 ROIs, 12 classes, 25 persons, 4 votes each."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(12, size=3000)
    skill = np.concatenate([rng.uniform(0.85, 0.98, 15), rng.uniform(0.3, 0.8, 10)])
    rows = []
    for roi, of_roi in enumerate(truth):
        for person in rng.choice(25, 4, replace=False):
            right = rng.random() < skill[person]
            said = of_roi if right else (of_roi + rng.integers(1, 12)) % 12
            rows.append((f"r{roi:04}", f"c{said:02}", f"p{person:02}", ""))
    return labels(*rows), truth, {f"p{i:02}": s for i, s in enumerate(skill)}


def test_skills_are_found_and_beat_the_vote() -> None:
    for seed in range(3):
        table, truth, skill = simulated(seed)
        expected = np.array([f"c{i:02}" for i in truth])
        found, people = agree(table, Rules(people="skill", min_agreement=0))
        by_vote, _ = agree(table, Rules(min_agreement=0))
        right = (found["class"] == expected).mean()
        assert right > (by_vote["class"] == expected).mean()
        assert right > 0.95
        assert (found["class_by_vote"] == by_vote["class"]).all()
        assert np.abs(people["skill"] - people["person"].map(skill)).max() < 0.05


def test_a_vote_of_the_skilled_outweighs_two_of_the_careless() -> None:
    """By hand: with K classes a vote weighs log s - log((1 - s)/(K - 1))."""
    table, _, _ = simulated(1)
    votes = find_votes(table)
    skill, likely = find_skills(votes)
    of_roi = votes.roi == 7
    weight = np.log(skill) - np.log((1 - skill) / 11)
    evidence = np.zeros(12)
    np.add.at(evidence, votes.label[of_roi], weight[votes.person[of_roi]])
    assert likely[7] == pytest.approx(np.exp(evidence) / np.exp(evidence).sum(), abs=1e-6)
