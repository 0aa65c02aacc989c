"""The colours of everything that figures and pages tell apart, so that a colour means the same wherever it is seen.

Groups of classes have fixed colours: first Okabe & Ito's for the colour-blind, then ones that differ from them in
lightness. A class has the colour of its group. Series (groups of bins) are told apart by the colours of OKABE_ITO.
"""

from collections.abc import Iterable

from ifcb_abundance.classes.labels import UNCLASSIFIED

PINK, GREY = "#F7A1C4", "#d9d9d9"  # pink: neither viridis nor a group of classes has it
OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#E69F00", "#56B4E9", "#000000")
OTHER_GROUPS, NO_GROUP, NOT_LIVING = "further groups", "no group in the class table", "not living"
REST_COLOURS = {OTHER_GROUPS: "#4d4d4d", NO_GROUP: "#808080", NOT_LIVING: "#b3b3b3", UNCLASSIFIED: "#e0e0e0"}
# The groups of the class table that is shipped. Those that are often large have the colours that differ most.
GROUP_COLOURS = {
    "diatom": "#0072B2",
    "dinoflagellate": "#D55E00",
    "ciliate": "#009E73",
    "flagellate": "#E69F00",
    "haptophyte": "#56B4E9",
    "cryptophyte": "#CC79A7",
    "other": "#F0E442",
    "chlorophyte": "#117733",
    "silicoflagellate": "#882255",
    "euglenoid": "#999933",
    "zooplankton": "#332288",
}
GROUPS_MOST = 8  # groups with a colour in one figure; smaller ones are `further groups`


def group_colours(groups: Iterable[str]) -> dict[str, str]:
    """Give each group of classes its colour, and each of what is in none.

    groups: all groups of the class table. Those that GROUP_COLOURS does not name take, in the order of the alphabet,
    the colours of the groups that the table does not have, so they are the same in all figures of a run.
    """
    groups = set(groups)
    strangers = sorted(groups - set(GROUP_COLOURS) - set(REST_COLOURS) - {""})
    free = [colour for name, colour in GROUP_COLOURS.items() if name not in groups] or list(GROUP_COLOURS.values())
    taken = {name: free[i % len(free)] for i, name in enumerate(strangers)}
    return {**GROUP_COLOURS, **taken, **REST_COLOURS}
