"""Turn Zooniverse exports of any project into votes, without the rest of the workflow.

It knows the exports of workflows and classifications, and the files and names of panoptes_aggregation 5.3.1, whose
format it keeps. It may use common. Libraries are imported only when they are needed, so that `config` starts at once.

Public functions: `config.write_configs`, `extract.extract`, `reduce.reduce`, `cells.unjson_dataframe`; `command.main`
is the command line.
"""
