# Needs nothing. Makes the demo archive that the embedded config reads: resources/demo.
from ifcb_abundance.demo import archive as demo_archive


rule make_demo_archive:
    """Make the demo archive, resources/demo."""
    output:
        metadata=f"{DEMO}/metadata.csv",
        labels=f"{DEMO}/labels.csv",
    log:
        f"{LOGS}/make_demo_archive.log",
    localrule: True
    params:
        version=demo_archive.VERSION,
    message:
        "Make the demo archive."
    run:
        logged(log[0], demo_archive.write_demo_archive, Path(DEMO))
