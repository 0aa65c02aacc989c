"""Make the shipped class tables of other sites from published label tables: `python -m tests.classes.class_tables`.

The sources lie in shared/data/tables, which its MANIFEST.md describes. Each row says in its column `source` where its
values are from; `hand` marks what is decided here.
"""

import csv
import re
from collections.abc import Iterable
from pathlib import Path

from ifcb_abundance.classes.class_table import NOT_LIVING, plain
from ifcb_abundance.classes.labels import UNCLASSIFIED
from ifcb_abundance.classes.shipped import FOLDER, SHIPPED

SOURCES = Path(__file__).parents[3] / "shared" / "data" / "tables"
COLUMNS = ("label", "scientific_name", "aphia_id", "living", "group", "harmful", "source")
Row = dict[str, str]
NO_TAXON = ("unclassified", "Unicells")
NODC = "nodc-sweden/ifcb-algaware taxa lookup (MIT)"
# What no published table says of genera and higher taxa: their group, by their class in WoRMS.
GROUPS = {
    "diatom": "Achnanthes Actinocyclus Asterionellopsis Attheya Bacillariaceae Bacillariophyceae Bacillariophyta "
    "Centrales Ceratoneis Cocconeidaceae Cyclotella Dactyliosolen Detonula Diatoma Entomoneis Fragilaria "
    "Fragilariopsis Lennoxia Melosira Navicula Naviculaceae Neocalyptrella Nitzschia Pauliella Pennales "
    "Pleurosigmataceae Proboscia Pseudosolenia Stephanodiscus Stephanopyxidaceae Striatella Sundstroemia "
    "Trieres",
    "dinoflagellate": "Alexandrium Amphidiniaceae Amylax Apocalathium Azadinium Dinophyceae Dinophysiales Dinophysis "
    "Enisiculifera Ensiculifera Gonyaulax Gymnodiniaceae Gymnodiniales Gymnodinium Gyrodinium Heterocapsa "
    "Kapelodinium Karenia Katodinium Kryptoperidinium Levanderina Lingulaulax Lingulodinium Nematodinium "
    "Oblea Peridiniales Peridiniella Phalacroma Polykrikos Prorocentrum Protoceratium Protoperidinium "
    "Scrippsiella Spatulodinium Torodinium Tovelliaceae Tripos Warnowiaceae",
    "ciliate": "Ciliata Ciliophora Helicostomella Laboea Lohmanniella Mesodinium Oligotrichia Strombidiida "
    "Strombidiidae Strombidium Tintinnida Tintinnina Vorticella",
    "cyanobacterium": "Anabaena Anabaenopsis Aphanizomenon Aphanothece Chroococcales Chroococcus Coelosphaerium "
    "Cyanobacteria Cyanobiaceae Cyanophyceae Dolichospermum Limnothrix Merismopedia Microcystis Nodularia "
    "Nostocales Oscillatoriales Planktothrix Pseudanabaena Snowella Synechococcales Woronichinia",
    "haptophyte": "Calciopappus Chrysochromulina Emiliania Gephyrocapsa Haptolina Haptophyta Phaeocystis Prymnesiales "
    "Prymnesiophyceae Prymnesium Umbellosphaera",
    "cryptophyte": "Cryptomonadales Cryptophyceae Cryptophyta Hemiselmis Katablepharis "
    "Plagioselmis Rhodomonas Teleaulax",
    "silicoflagellate": "Dictyocha Dictyochales Dictyochophyceae Octactis",
    "euglenoid": "Euglena Euglenoidea Euglenophyceae Euglenozoa Eutreptia Eutreptiella",
    "other": "Actinomonadaceae Apedinella Binuclearia Bivalvia Chattonellaceae Chlorococcales Chlorodendrales "
    "Chlorophyta Crucigenia Crustacea Cymbomonas Desmodesmus Dinobryon Ebria Echinodermata Halosphaera "
    "Heterosigma Meringosphaera Monoraphidium Oltmannsiellopsis Oocystis Pachysphaera Planctonema "
    "Pseudochattonella Pseudopedinella Pterosperma Pyramimonas Scenedesmus Tetraselmis Uroglena "
    "Uroglenopsis",
}
UNKNOWN = ("Other", "other_interaction")  # anything
NO_NAME = (
    "Centric",
    "Pennate",
    "Ciliates",
    "Cryptophyte",
    "Clusterflagellate",
    "Tintinnid",
)  # words, not names of taxa
GROUP_OF = {name: group for group, names in GROUPS.items() for name in names.split()}
OF_SITES = {"Diatom": "diatom", "Dinoflagellate": "dinoflagellate", "Dinoflagellata": "dinoflagellate"}
OF_SITES |= {
    "Ciliate": "ciliate",
    "Cilliate": "ciliate",
    "Flagellate": "flagellate",
    "Other": "other",
    "Flagellates": "flagellate",
}
DEAD = {
    plain(name) for name in [*NOT_LIVING, "Air_bubbles", "Debris", "Artifact", "Artifacts", "Bubbles", "Flow_artifact"]
}


def rows_of(path: Path) -> list[Row]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def genus(name: str) -> str:
    return re.split(r"[ _-]", name)[0]


def group_of(name: str, whoi: Iterable[Row]) -> tuple[str, str]:
    """The group of a name, and where it is from."""
    first = genus(name)
    for row in whoi:
        if row["group"] and first and first == genus(row["scientific_name"]):
            return row["group"], "WHOI's class table: group of the genus"
    return (GROUP_OF[first], "hand: group (by its class in WoRMS)") if first in GROUP_OF else ("", "")


def smhi() -> list[Row]:
    """Labels of SMHI and the Swedish data centre."""
    whoi, made = rows_of(SHIPPED["whoi"]), []
    for row in rows_of(SOURCES / "taxa_lookup_nodc.csv"):
        if row["clean_names"] in NO_TAXON:  # what the workflow itself calls unclassified, and "Biota" for "Unicells"
            continue
        aphia_id = "" if row["AphiaID"] == "NA" else row["AphiaID"]
        group, where = group_of(row["name"], whoi)
        living = "yes" if aphia_id or group else "no" if plain(row["clean_names"]) in DEAD else ""
        harmful = {"TRUE": "yes", "FALSE": "no"}[row["HAB"]]
        said = [f"{NODC}: {'scientific_name aphia_id harmful' if aphia_id else 'harmful'}"]
        said += ["hand: living (it names an organism)" if living == "yes" else "hand: living"] if living else []
        values = (
            row["clean_names"],
            row["name"],
            aphia_id,
            living,
            group,
            harmful,
            "; ".join(filter(None, [*said, where])),
        )
        made.append(dict(zip(COLUMNS, values, strict=True)))
    return made


def of_site(site: str) -> list[Row]:
    """Labels of a site in labels_of_sites.csv, with names and numbers that WHOI or the data centre know too."""
    known = {plain(row["label"]): row for row in [*smhi(), *rows_of(SHIPPED["whoi"])]}
    names = {row["scientific_name"]: row for row in [*smhi(), *rows_of(SHIPPED["whoi"])] if row["aphia_id"]}
    by_number = {row["aphia_id"]: row for row in names.values()}
    made = []
    for row in rows_of(SOURCES / "labels_of_sites.csv"):
        if row["site"] != site or row["label"] == UNCLASSIFIED:
            continue
        label, said = (
            row["label"],
            [f"{row['source']}: label" + "".join(f" {c}" for c in ("aphia_id", "group", "harmful") if row[c])],
        )
        bare = re.sub(
            r"_(sp|spp|like|small|chain|single|singlet|thick|thin|coiled|mix|dirty).*$",
            "",
            label.replace("-coiled", ""),
        )
        same = (
            by_number.get(row["aphia_id"])
            if row["aphia_id"]
            else known.get(plain(label)) or names.get(bare.replace("_", " "))
        )
        dead = plain(label) in DEAD
        same = {} if dead or same is None else same
        if same:
            taken = [c for c in ("scientific_name", "aphia_id", "group", "harmful") if same[c] and not row.get(c)]
            said.append(
                f"class table of {'SMHI' if NODC in same['source'] else 'WHOI'}, label {same['label']}: "
                + " ".join(taken)
            )
        name = same.get("scientific_name", "")
        of_taxon = "[A-Z][a-z]+(_[a-z]+)?" if row["aphia_id"] else "(?!.*_(sp|spp|like|mix)$)[A-Z][a-z]+_[a-z]{4,}"
        if not name and re.fullmatch(of_taxon, label) and label not in NO_NAME and not dead:
            name = label.replace("_", " ")
            said.append("hand: scientific_name (the label is one)")
        group = OF_SITES.get(row["group"], row["group"].lower())
        if same.get("group") and group in ("", "other", "flagellate"):
            group = same["group"]
        if not group and not dead:
            group, where = group_of(bare, rows_of(SHIPPED["whoi"]))
            said += [where] if where else []
        number = row["aphia_id"] or same.get("aphia_id", "")
        living = "no" if dead else "yes" if (number or group) and label not in UNKNOWN else ""
        said += ["hand: living"] if living else []
        values = (
            label,
            name,
            number,
            living,
            "" if dead or label in UNKNOWN else group,
            row["harmful"] or same.get("harmful", ""),
            "; ".join(said),
        )
        made.append(dict(zip(COLUMNS, values, strict=True)))
    return made


TABLES = {
    "smhi": smhi,
    "syke": lambda: of_site("SYKE resnet18 2020"),
    "ucsc": lambda: of_site("UCSC v1"),
    "whoi_plankton": lambda: of_site("WHOI-Plankton"),
}


def written(rows: Iterable[Row]) -> str:
    """The rows as CSV."""
    import io

    text = io.StringIO()
    out = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    out.writeheader()
    out.writerows(rows)
    return text.getvalue()


if __name__ == "__main__":
    for name, make in TABLES.items():
        (FOLDER / f"{name}.csv").write_text(written(make()), encoding="utf-8")
