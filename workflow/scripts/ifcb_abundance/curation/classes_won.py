"""The class that each ROI of a bin won."""

from ifcb_abundance.images.extract import scored_rois
from ifcb_abundance.pooling.method import Method
from ifcb_abundance.scores.summary import classify_rois
from ifcb_abundance.sources.protocols import ScoreReader


def classes_won(source: ScoreReader, bin_id: str, method: Method) -> dict[int, str]:
    """Map the numbers of a bin's ROIs to the classes that they won at their thresholds, `unclassified` included.

    The scores are read from the source. Raises ScoresError if it has none.
    """
    rois = scored_rois(source, bin_id)
    names = classify_rois(rois, method.threshold, method.class_thresholds, method.precision)
    return dict(zip(rois.rois.tolist(), names, strict=True))
