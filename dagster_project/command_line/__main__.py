"""`python -m dagster_project.command_line`."""

from dagster_project.command_line import main

main()
