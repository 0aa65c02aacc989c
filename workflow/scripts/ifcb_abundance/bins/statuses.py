"""What becomes of a bin, of its class scores and of its features: the words that tables and summaries hold."""

from enum import StrEnum

WANTED = "wanted"  # stands in place of a BinStatus until the bin's class scores were asked for


class BinStatus(StrEnum):
    """What became of a bin: the column `status` of ledger.csv, in the order in which statuses are listed."""

    USED = "used"
    SKIPPED = "skipped"
    FILTERED = "filtered"
    BAD_VOLUME = "bad_volume"
    NO_SCORES = "no_scores"
    FAILED = "failed"


class ScoresStatus(StrEnum):
    """What a scores summary holds: winners that were read, or why there are none."""

    READ = "read"
    NO_SCORES = "no_scores"
    FAILED = "failed"


class FeaturesStatus(StrEnum):
    """What a features summary holds: biovolumes that were read, or why there are none.

    All but NOT_USED are the column `status` of features_ledger.csv, which has used bins alone.
    """

    READ = "read"
    NO_FEATURES = "no_features"
    FAILED = "failed"
    NOT_USED = "not_used"
