"""Commands about a home: make one, fill one with made-up exports, look at one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from dagster_project.command_line.terminal import (
    REFUSED,
    date_of,
    progress,
    ready_home,
    say,
    yesterday,
)
from dagster_project.refusals import WrongInput
from dagster_project.settings import Home, Place, enter, make_home


def init(
    folder: Annotated[Path, typer.Argument(help="Folder of the new home.")],
    sample: Annotated[bool, typer.Option(
        "--sample", help="The home will hold made-up data (fixed key).")] = False,
    currency: Annotated[str, typer.Option(
        metavar="CODE", help="Base currency, for example USD; else CNY.")] = "",
    time_zone: Annotated[str, typer.Option(
        metavar="ZONE", help="Zone of the business, for example America/New_York; else "
                             "Asia/Shanghai.")] = "",
    phone_region: Annotated[str, typer.Option(
        metavar="CODE", help="Country of telephone numbers that state none, for example US; else "
                             "CN in Asia/Shanghai, none elsewhere.")] = "",
) -> None:
    """Make a home: config, landing, state and warehouse."""
    stated = {"currency": currency, "time_zone": time_zone, "phone_region": phone_region}
    given = {name: value for name, value in stated.items() if value}
    try:
        home = make_home(folder, is_sample=sample, place=Place(**given) if given else None)
    except ValidationError as error:
        raise WrongInput("\n".join(
            f"--{str(fault['loc'][0]).replace('_', '-')}: "
            f"{fault['msg'].removeprefix('Value error, ')}" for fault in error.errors())) from None
    business = home.configuration.business
    say([
        f"Home {home.folder}: base currency {business.base_currency}, business time zone "
        f"{business.time_zone}",
        "  config/     what your business decides; start with crm.yaml and sources.yaml",
        "  landing/    drop exports here: those of known shops and survey tools as they are, "
        "others as",
        "              orders*, interactions*, surveys*, customers*",
        "  warehouse/  crm.duckdb for your BI tool, after the first night",
    ])
    if not sample:
        say(["Its secret, at least 32 characters, must always be the same; make it once and "
             "keep it:",
             "  export CRM_HOME_SECRET=$(python3 -c 'import secrets; "
             "print(secrets.token_hex(32))')"])
    say([f"Then, when landing/ has files: crm-value --home {home.folder} check"])


def sample(
    context: typer.Context,
    customers: Annotated[int, typer.Option(min=1, help="Customers.")] = 2000,
    days: Annotated[int, typer.Option(min=1, help="Business dates.")] = 365,
    end: Annotated[str, typer.Option(metavar="YYYY-MM-DD",
                                     help="Last business date; default: yesterday.")] = "",
    seed: Annotated[int, typer.Option(min=0, help="Equal seeds give equal files.")] = 1,
    campaign: Annotated[bool, typer.Option(
        "--campaign", help="With a campaign, a control group and a known effect.")] = False,
) -> None:
    """Write made-up exports with a known dose of dirt into the home's landing folder."""
    from dagster_project.sample import write_sample

    home = ready_home(context)
    if not home.settings.sample_data:
        raise WrongInput(f"{home.folder} holds real data (sample_data: false in config/home.yaml); "
                         f"make a home for samples with: crm-value init --sample DIR")
    last = date_of(end, "--end") if end else yesterday(home)
    business = home.configuration.business
    with progress() as show:
        try:
            manifest = write_sample(
                home.landing, home.sample_manifest, customers=customers, days=days, end=last,
                seed=seed, time_zone=business.time_zone, base_currency=business.base_currency,
                has_campaign=campaign, report_progress=show)
        except ValueError as error:
            raise WrongInput(str(error)) from None
    rows = ", ".join(f"{kind} {totals.rows_read:,}" for kind, totals in manifest.totals.items())
    say([f"{len(manifest.files)} files in {home.landing} ({rows} rows); what they hold: "
         f"{home.sample_manifest}"])


def doctor(context: typer.Context) -> None:
    """Look at a home and its machine: one line each, ok or what to do. Changes nothing."""
    from dagster_project.automation.runs import runs_going_on
    from dagster_project.operation.doctor import examine

    home: Home = context.obj
    enter(home)
    is_ok = True
    for finding in examine(home, runs_going_on):
        say([finding.line])
        is_ok &= finding.is_ok
    if not is_ok:
        raise typer.Exit(REFUSED)
