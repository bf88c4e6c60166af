"""The commands of the command line, a module a group; `carseg_lib.workflow.cli` puts them together."""
