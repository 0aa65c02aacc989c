# Needs what the config's sections `arrays` and `graphs` name: no bin, and no source. Makes a description and a picture
# of each array, and tables and scatter plots of each graph. Only on request:
#
#   snakemake --cores 8 arrays
#   snakemake --cores 8 graphs


include: "arrays_inputs.smk"


rule describe_array:
    """Ask what an array is, and which box of it is shown."""
    input:
        meet_run,
        lambda wildcards: fetched_before(*folders_of(wildcards)),
    output:
        update(f"{ARRAY}.json"),  # it stays until there is a new one, like what is made of it
    log:
        f"{LOGS}/describe_array/{{array}}.log",
    localrule: True
    resources:
        dashboard=1,
    params:
        version=lambda wildcards: stage_version("view"),
        array=array_of,
        files=metadata_of,
    message:
        "Ask what array {wildcards.array} is."
    run:
        from ifcb_abundance.stores import view

        logged(log[0], view.describe_array, wildcards.array, params.array, output[0])


rule tabulate_arrays:
    """Join the descriptions of arrays into a table."""
    input:
        named("arrays", f"{ARRAY}.json"),
    output:
        MERGED["arrays"],
    log:
        f"{LOGS}/tabulate_arrays.log",
    localrule: True
    message:
        "Join the descriptions of arrays."
    run:
        from ifcb_abundance.stores import view

        logged(log[0], view.tabulate_arrays, input, output[0])


rule view_array:
    """Read a box of an array and of its labels, and draw its middle plane."""
    input:
        f"{ARRAY}.json",
    output:
        npz=update(f"{ARRAY}.npz"),
        png=report(
            update(f"{ARRAY}.png"), category="Arrays", caption="../report/array.rst", labels={"array": "{array}"}
        ),
        txt=update(f"{ARRAY}_neuroglancer.txt"),
    log:
        f"{LOGS}/view_array/{{array}}.log",
    localrule: True
    resources:
        dashboard=lambda wildcards: MOST_REQUESTS if any("://" in folder for folder in folders_of(wildcards)) else 0,
    params:
        version=lambda wildcards: stage_version("view"),
        array=array_of,
    message:
        "Read a box of array {wildcards.array}."
    run:
        from ifcb_abundance.stores import view

        logged(log[0], view.view_array, params.array, input[0], by_name(output), resources.dashboard)


rule arrays:
    """Describe all arrays of the config, and show a box of each."""
    input:
        MERGED["arrays"],
        *(named("arrays", f"{ARRAY}{end}") for end in (".json", ".npz", ".png", "_neuroglancer.txt")),
    localrule: True
    message:
        "All arrays are described and shown."


rule read_graph:
    """Read a graph, check it and draw its nodes."""
    input:
        meet_run,
        lambda wildcards: fetched_before(*files_of_graph(wildcards)),
    output:
        nodes=update(f"{GRAPH}/nodes.parquet"),
        edges=update(f"{GRAPH}/edges.parquet"),
        graph=update(f"{GRAPH}/graph.json"),
        dangling=update(MERGED["dangling"]),
        html=update(f"{GRAPH}/scatter.html"),
        svg=report(
            update(f"{GRAPH}/scatter.svg"),
            category="Graphs",
            caption="../report/graph.rst",
            labels={"graph": "{graph}"},
        ),
    log:
        f"{LOGS}/read_graph/{{graph}}.log",
    conda:
        "../../envs/stores.yaml"
    params:
        version=lambda wildcards: stage_version("graphs"),
        graph=graph_of,
        files=lambda wildcards: stamps(*files_of_graph(wildcards)),
    message:
        "Read graph {wildcards.graph}."
    script:
        f"{SCRIPTS}/read_graph.py"


rule graphs:
    """Read and check all graphs of the config."""
    input:
        named("graphs", f"{GRAPH}/graph.json"),
    localrule: True
    message:
        "All graphs are read."
