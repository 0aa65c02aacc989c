"""Where the files of a run lie: its folders, and the files of single bins. Names of tables are in tables.registry."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePath

from ifcb_abundance.bins.ids import parse_bin_id

# Rules have the wildcards in place of a bin's folder and id.
SUMMARY = "{folder}/{bin}.parquet"
ZIP = "{folder}/{bin}.zip"
COMPUTED = "{folder}/{bin}_features_v4.csv"
BLOBS = "{folder}/{bin}_blobs_v4.zip"


def of_bin(folder: str | PurePath, pattern: str, bin_id: str) -> str:
    """Return the path of a bin's file below `folder`, by a pattern above. Raises ValueError if it is no bin id."""
    return f"{folder}/{pattern.format(folder=parse_bin_id(bin_id).folder, bin=bin_id)}"


@dataclass(frozen=True)
class Layout:
    """The folders of a run, relative to the working directory.

    shard: the year or month whose tables the run makes; None for the whole window. What is of single bins or days is
    shared by all shards. run: the name of a run that has tables of its own, beside those of other runs of the dataset;
    what was read of single bins is shared by all of them.
    """

    dataset: str
    shard: str | None = None
    run: str | None = None

    @property
    def cache(self) -> str:
        """The folder of all runs of a dataset, and of what they share: the summaries of bins."""
        return f"results/{self.dataset}"

    @property
    def results(self) -> str:
        """The folder of all that a run makes of a dataset."""
        return f"{self.cache}/runs/{self.run}" if self.run else self.cache

    @property
    def shards(self) -> str:
        """The folder of the shards, each of which has a folder for its tables."""
        return f"{self.results}/shards"

    @property
    def tables(self) -> str:
        """The folder of the merged tables, run.json and the overview."""
        return f"{self.shards}/{self.shard}" if self.shard else self.results

    @property
    def run_record(self) -> str:
        """What the run was: config, versions, counts."""
        return f"{self.tables}/run.json"

    @property
    def overview(self) -> str:
        """The tables in words."""
        return f"{self.tables}/overview.rst"

    @property
    def methods(self) -> str:
        """The methods section of a paper on the run."""
        return f"{self.tables}/METHODS.md"

    @property
    def test_results(self) -> str:
        """What was found to hold in the finished tables."""
        return f"{self.tables}/test_results.txt"

    @property
    def description(self) -> str:
        """The data package that describes the columns of the tables."""
        return f"{self.tables}/datapackage.json"

    @property
    def report_page(self) -> str:
        """The report on one page."""
        return f"{self.tables}/report.html"

    @property
    def logs(self) -> str:
        """The folder of the logs of rules."""
        return f"logs/{self.dataset}/runs/{self.run}" if self.run else f"logs/{self.dataset}"

    @property
    def summaries(self) -> str:
        """The folder of the scores summaries of bins."""
        return f"{self.cache}/bins"

    def with_kept(self, folder: str, kept: Iterable[str]) -> str:
        """Return the folder of summaries that hold more than the winners. kept: names of what they hold.

        Runs with a name that keep other things have folders of their own: they would read all bins anew in turns.
        """
        return "_".join([folder, *kept]) if self.run else folder

    @property
    def features(self) -> str:
        """The folder of the features summaries of bins."""
        return f"{self.cache}/features"

    @property
    def computed(self) -> str:
        """The folder of features and blobs that were computed from images."""
        return f"{self.results}/computed"

    @property
    def images(self) -> str:
        """The folder of the images of bins, as zips."""
        return f"{self.results}/images"

    @property
    def examples(self) -> str:
        """The folder of the images that montages show, as zips."""
        return f"{self.tables}/examples"

    @property
    def montages(self) -> str:
        """The folder of the montages of classes."""
        return f"{self.tables}/montages"

    @property
    def stores(self) -> str:
        """The folder of the stores: what was listed, planned and fetched of each."""
        return f"{self.results}/stores"

    @property
    def arrays(self) -> str:
        """The folder of what was looked at of arrays."""
        return f"{self.results}/arrays"

    @property
    def graphs(self) -> str:
        """The folder of what was read of graphs."""
        return f"{self.results}/graphs"

    @property
    def volumes(self) -> str:
        """The folder of volumes: crops, bytes, patches and flipbooks."""
        return f"{self.results}/volumes"

    @property
    def figures(self) -> str:
        """The folder of the figures."""
        return f"{self.tables}/figures"

    @property
    def figure_scripts(self) -> str:
        """The scripts that interactive figures need."""
        return f"{self.figures}/vega.js"

    @property
    def report(self) -> str:
        """The folder of the parts of the report."""
        return f"{self.tables}/report"

    @property
    def validation(self) -> str:
        """The folder of what people said and what is made of it."""
        return f"{self.tables}/validation"

    @property
    def rois(self) -> str:
        """The folder of the winners of single ROIs, by bin."""
        return f"{self.cache}/validation/rois"

    @property
    def exports(self) -> str:
        """The folder of the files for repositories."""
        return f"{self.tables}/exports"

    def comparison(self, first: str, second: str, name: str) -> str:
        """Return the path of a file that compares two runs of the dataset."""
        return f"{self.cache}/compare/{first}/{second}/{name}"

    def export(self, end: str) -> str:
        """Return the path of a file for a repository, by the end of its name: `.nc`, `_erddap.xml`."""
        return f"{self.exports}/{self.dataset}{end}"
