"""The config's sections of the stages that not everybody runs: a module each."""
