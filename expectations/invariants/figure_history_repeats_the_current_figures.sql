/*
table: crm.population_figure_history
severity: error
says: figures of tonight are missing from history, or stand there otherwise
why: A trend that ends in another figure than the page beside it is believed by nobody.
action: Stage the candidate anew from one night's build.
shown: [segment_kind, figure]
*/
-- Only when tonight's publication is the current one: an older date has no current tables.
with added as (
    select history.*
    from crm.population_figure_history as history
    inner join night.publication as publication
        on history.publication_id = publication.publication_id
        and history.as_of_date = publication.as_of_date
        and history.revision = publication.revision
)

select
    coalesce(figures.segment_kind, added.segment_kind) as segment_kind,
    coalesce(figures.figure, added.figure) as figure,
    figures.value,
    added.value as history_value
from crm.population_figures as figures
full outer join added
    on figures.segment_kind = added.segment_kind
    and figures.segment = added.segment
    and figures.figure = added.figure
cross join night.publication as publication
where publication.is_current
    and (
        figures.figure is null
        or added.figure is null
        or figures.value is distinct from added.value
        or figures.low is distinct from added.low
        or figures.high is distinct from added.high
        or figures.standard_error is distinct from added.standard_error
        or figures.n <> added.n
        or figures.status <> added.status
    )
