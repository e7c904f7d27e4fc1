"""How the members of campaigns and what they did are counted, for `campaigns.py`.

Read from `marts.campaign_members` and `night.campaign_quadrants`, which has the quadrants of before
the treatment.
"""

from __future__ import annotations

from dagster_project.feedback.campaigns import NOT_KEPT

_MEMBERS = f"""
    select members.*, coalesce(quadrants.quadrant, '{NOT_KEPT}') as quadrant
    from marts.campaign_members as members
    left join night.campaign_quadrants as quadrants
        on members.source = quadrants.source and members.campaign_id = quadrants.campaign_id
        and members.customer_key = quadrants.customer_key
    where members.group_name <> 'both'
"""
_CELL = "source, campaign_id, quadrant, group_name"
# Figure -> its value for one member, and whom it is asked of.
_FIGURES = {
    "response": ("cast(has_responded as integer)", "true"),
    "repurchase": ("cast(purchases_n > 0 as integer)", "is_buyer_before"),
    "revenue": ("net_revenue_amount", "true"),
    "satisfaction": ("csat_score", "csat_score is not null"),
}


def members_query() -> str:
    """Customers of each campaign by quadrant and group, and how many windows are open."""
    return f"""
        with members as ({_MEMBERS})
        select {_CELL}, count(*) as members_n,
            count(case when not is_window_over then 1 end) as open_windows_n
        from members group by {_CELL} order by {_CELL}
    """


def outcomes_query() -> str:
    """How many of each group had which value of each figure; amounts only to be averaged."""
    selects = [
        f"select {_CELL}, '{figure}' as figure, cast({value} as double) as value, count(*) as n "
        f"from members where {condition} group by {_CELL}, {value}"
        for figure, (value, condition) in _FIGURES.items()
    ]
    return f"with members as ({_MEMBERS}) {' union all '.join(selects)}"
