# What a run moves to stale/, because it is of another config or of other data, and what it brings back. No rule is here.


def put_aside_before(outputs, again):
    """Before the first job that makes tables or parts of them: what is of another config must not lie beside them.

    And before each job, the files that it is to replace: the engine deletes them, and the job may fail. Not what a
    first try has left.
    """
    # Merged from shards, the catalog is a table like the others: its rule reads no older one.
    outputs = [path for path in outputs if path not in NO_RESULTS or (SHARDS and path == MERGED["catalog"])]
    if not SEEN["moved"] and any(str(Path(path).parent) in {*MAIN_FOLDERS, *PART_FOLDERS} for path in outputs):
        SEEN["moved"] = True
        put_aside(over=False)
    replaced = [path for path in outputs if str(Path(path).parent) in MAIN_FOLDERS and not again]
    SEEN["replaced"] += stale.put_aside(filter(os.path.isfile, replaced), RESULTS)


def put_aside(over):
    """Move to stale/ what is of another config or of other data than what this run makes, and is not made by it.

    over: the run is at its end, which is when zips of images, that a run may list as it goes, are looked at again.
    """
    if not SEEN["graph"]:  # the run is of stages that leave the tables as they are
        return
    parts = parts_out_of_date() if over else []
    late = records.out_of_date(workflow, main_outputs(), SEEN["vouched"], over, parts)
    of_periods = table_registry.made_by("pool_periods")
    late += filter(os.path.exists, (table.merged_in(TABLES) for name, table in of_periods.items() if name != PERIOD))
    makes_images = any(job.rule is rules.images.rule for job in workflow.dag.jobs)
    if over or not makes_images:
        late += images_out_of_date()
    moved = stale.put_aside(late, RESULTS) + put_aside_the_whole()
    if over:  # what was to be replaced and was not
        moved = [each for each in SEEN["replaced"] if each not in moved and not Path(RESULTS, each).exists()] + moved
    SEEN["aside"] += moved
    if moved:
        logger.warning(
            f"Moved to {RESULTS}/{stale.STALE}/, since this run does not make them and they are of an earlier config "
            f"or of earlier data: {stale.told(moved)}. Ask for them by name to have them made again"
        )
    if moved := stale.put_aside(parts, RESULTS):
        logger.warning(f"Moved to {RESULTS}/{stale.STALE}/, since no table is made of them now: {stale.told(moved)}")
    if over and stale.put_aside(training_set_out_of_date(), RESULTS):
        logger.warning(f"Moved to {RESULTS}/{stale.STALE}/: training_set/, made with an earlier config")


def tidy_up():
    """At the end of a run that went well."""
    if not workflow.touch:
        CLAIM.hold()
        put_aside(over=True)
        bring_back()
        stale.drop_replaced(RESULTS)


def bring_back():
    """After a merge of shards: bring back from stale/ what hangs on tables that came out the same, byte for byte.

    Only if the tables before were of the same config: otherwise parts that lie between may be of the earlier one.
    """
    if not SHARDS or shards.differing(RUN_BEFORE.get("config", {}), SETTINGS):
        return
    gone, back = {name for name in SEEN["aside"] if not Path(RESULTS, name).exists()}, []
    made = lambda path: stale.time_made(path, RESULTS, gone, SEEN["replaced"])
    # Once more each time: what a checkpoint decides is known when its table is there.
    while paths := [f"{RESULTS}/{name}" for name in gone.difference(back)]:
        same = records.unchanged(workflow, main_outputs(), paths, [f"{RESULTS}/{name}" for name in back], made)
        found = stale.bring_back(same, RESULTS)
        back += found
        if not found:
            break
    if back:
        logger.info(
            f"Back from {RESULTS}/{stale.STALE}/, since the data is the same, byte for byte: {stale.told(back)}"
        )


def parts_out_of_date():
    """Parts of days without a bin, and those that the run was to make anew, or would if they were asked for."""
    if SHARDS:  # each of them saw to its own days
        return []
    pending = {str(path) for job in workflow.dag.needrun_jobs() for path in job.output}
    current = {str(path) for job in workflow.dag.jobs for path in job.output} - pending
    days, late = all_listed().days, []
    for rule, wildcards, path in records.parts_there(workflow, PART_FOLDERS, SHARD or ""):
        if path in current:
            continue
        is_late = path in pending or wildcards["date"] not in days
        if not is_late and SEEN["moved"]:
            job = records.job_of(workflow, rule, wildcards)
            is_late = records.made_otherwise(workflow, job, path, lambda: not SEEN["vouched"])
        if is_late:
            late += filter(os.path.lexists, (str(each.apply_wildcards(wildcards)) for each in rule.output))
    return late


def training_set_out_of_date():
    """The folder of the training set, if the config now keeps other images, labels or splits them otherwise."""
    split, splits = MERGED["training_split"], rules.split_training_set.rule
    current = {str(path) for job in workflow.dag.jobs for path in job.output}
    if SHARDS or split in current or not os.path.exists(split):
        return []
    job = records.job_of(workflow, splits, {})
    # Labels that cannot be read now say nothing of it: then there is no job.
    return [SET] if job and records.made_otherwise(workflow, job, split, lambda: False) else []


def images_out_of_date():
    """Zips of images that would be made anew; those of whole bins hang on no threshold, and are many."""
    before = RUN_BEFORE
    same = before.get("source") == SOURCE.catalog_identity and before["config"].get("images") == IMAGES
    if same and not IMAGES["classes"]:
        return []
    folder = LAYOUT.images
    (makes_them,) = (each for each in workflow.rules if any(str(path).startswith(folder) for path in each.output))
    current = {str(path) for job in workflow.dag.jobs for path in job.output}
    late = []
    for path in Path(folder).rglob("[!.]*.zip"):
        if str(path) in current or not makes_them.is_producer(str(path)):
            continue
        job = records.job_of(workflow, makes_them, makes_them.get_wildcards(str(path)))
        if records.made_otherwise(workflow, job, str(path), lambda: not proves_its_images(path, job)):
            late.append(path)
    return late


def proves_its_images(path, job):
    return extract_images.proves_itself(path, of_images(job.wildcards))


def put_aside_the_whole():
    """In the run of a shard: the tables of all shards, if they were put together with another config."""
    if TABLES == RESULTS:
        return []
    there = [RESULTS + path.removeprefix(TABLES) for path in (*main_outputs(), MERGED["catalog"], str(STATUS.path))]
    there = [path for path in there if Path(path).exists()]
    made_with = run_record.read(replace(LAYOUT, shard=None).run_record).get("config", {})
    if not there or not shards.differing(made_with, SETTINGS):
        return []
    held = lock.claim(LAYOUT.cache)
    if not held:  # the run that is at work on them sees to it
        return []
    with held:
        return stale.put_aside(there, RESULTS)
